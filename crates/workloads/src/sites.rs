//! The sites of a tenant, without those that are people's own OneDrive.

use crate::{Changes, Owner, OwnerKind, OwnerNews, SourceEvent};
use serde_json::Value;
use strongroom_graph::{Client, Error, ErrorKind, Request, Scope};
use strongroom_model::{Coming, Feed, ItemId, Untrusted};

/// News of sites; what belongs to people is passed over.
pub(crate) struct Sites<'c>(Changes<'c, Option<OwnerNews>>);

/// New, changed and deleted sites since `link`; all of them without one (site: delta).
pub(crate) fn changes<'c>(client: &'c Client, link: Option<&str>) -> Sites<'c> {
    let request = Request::get(Scope::Drives, "sites/delta").cost(2);
    Sites(Changes::new(client, request, link, read_news))
}

impl Feed<OwnerNews, Error> for Sites<'_> {
    fn is_full(&self) -> bool {
        self.0.is_full()
    }

    fn next(&mut self) -> Coming<'_, OwnerNews, Error> {
        Box::pin(async move {
            loop {
                match self.0.next().await? {
                    SourceEvent::Item(None) => {}
                    SourceEvent::Item(Some(news)) => return Ok(SourceEvent::Item(news)),
                    SourceEvent::Deleted(id) => return Ok(SourceEvent::Deleted(id)),
                    SourceEvent::Skipped { id, name, cause } => {
                        return Ok(SourceEvent::Skipped { id, name, cause });
                    }
                    SourceEvent::End { cursor } => return Ok(SourceEvent::End { cursor }),
                }
            }
        })
    }
}

fn is_personal(v: &Value) -> bool {
    v["isPersonalSite"] == true
}

/// A title, else what stands in its address.
fn title(v: &Value) -> Option<String> {
    let text = |name: &str| v[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    text("displayName").or_else(|| text("name").filter(|_| v.get("webUrl").is_some()))
}

fn read_news(v: Value) -> SourceEvent<Option<OwnerNews>> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if id.0.is_empty() {
        let cause = "the service gave a site without id".into();
        return SourceEvent::Skipped { id, name: Untrusted::default(), cause };
    }
    if v.get("deleted").is_some() || v.get("@removed").is_some() {
        return SourceEvent::Deleted(id);
    }
    SourceEvent::Item((!is_personal(&v)).then(|| OwnerNews { id, name: title(&v) }))
}

/// One site by id, `None` when there is none, or it is somebody's own.
pub(crate) async fn find(client: &Client, id: &str) -> Result<Option<Owner>, Error> {
    // Host, collection and site, and commas between them; a title is none.
    if id.split(',').count() != 3 {
        return Ok(None);
    }
    let target = format!("sites/{}", crate::escape(id));
    match client.json::<Value>(&Request::get(Scope::Drives, target)).await {
        Ok(v) if is_personal(&v) => Ok(None),
        Ok(v) => {
            let Some(id) = v["id"].as_str().filter(|id| !id.is_empty()) else {
                let text = format!("the service gave site {id} without an id");
                return Err(Error::new(ErrorKind::BadAnswer, text));
            };
            let name = title(&v).unwrap_or_else(|| id.to_owned());
            Ok(Some(Owner { kind: OwnerKind::Site, id: id.into(), name }))
        }
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
