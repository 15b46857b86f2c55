//! What is new in a calendar. Its delta is of a view, between two dates and without most of what
//! lies outside; so the whole calendar is listed in brief, and held against what it was.

use super::Calendars;
use crate::{
    Cursor, Error, ErrorKind, SourceEvent,
    things::{Listed, Thing, scope},
    workload::{ListingRow, Of},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::VecDeque, sync::Arc};
use strongroom_graph::{Client, Request};
use strongroom_model::{Coming, Feed, ItemId};

/// Rows of a page ("maximum 1000": use query parameters).
const PAGE_SIZE: usize = 1000;
const BRIEF: &str = "id,changeKey,subject,start,lastModifiedDateTime";

/// The events of a calendar. Its cursor is a hash over what the list says: as long as that stays,
/// nothing is new.
pub(super) struct EventRows<'a> {
    client: &'a Client,
    user: ItemId,
    target: String,
    before: Option<String>,
    ready: Option<VecDeque<SourceEvent<ListingRow>>>,
}

impl<'a> EventRows<'a> {
    pub(super) fn new(of: Of<'a>, calendar: &ItemId, cursor: Option<&Cursor>) -> Self {
        let all = Calendars::all(&of.owner.id, calendar);
        Self {
            client: of.client,
            user: of.owner.id.clone(),
            target: format!("{all}?$top={PAGE_SIZE}&$select={BRIEF}"),
            before: cursor.map(|c| c.0.clone()),
            ready: None,
        }
    }

    async fn list(&self) -> Result<VecDeque<SourceEvent<ListingRow>>, Error> {
        let request = Request::get(scope(&self.user), self.target.clone());
        let rows = self.client.list(&request).await?;
        let mut keys: Vec<String> =
            rows.iter().map(|v| format!("{} {}", v["id"], v["changeKey"])).collect();
        keys.sort();
        let now = hex::encode(Sha256::digest(keys.join("\n")));
        let mut events = VecDeque::new();
        match &self.before {
            Some(before) if *before == now => {}
            Some(_) => {
                let text = "the calendar is not what it was";
                return Err(Error::new(ErrorKind::ResyncNeeded, text));
            }
            None => events.extend(rows.into_iter().map(row)),
        }
        events.push_back(SourceEvent::End { cursor: Cursor(now) });
        Ok(events)
    }
}

fn row(v: Value) -> SourceEvent<ListingRow> {
    let id = ItemId(v["id"].as_str().unwrap_or_default().to_owned());
    if id.0.is_empty() {
        let cause = "the calendar gave an event without id".into();
        return SourceEvent::Skipped { id, name: Calendars::name(&v).into(), cause };
    }
    SourceEvent::Item(ListingRow::Item(Arc::new(Listed::<Calendars>::new(id, v))))
}

impl Feed<ListingRow, Error> for EventRows<'_> {
    fn is_full(&self) -> bool {
        self.before.is_none()
    }

    fn next(&mut self) -> Coming<'_, ListingRow, Error> {
        Box::pin(async move {
            if self.ready.is_none() {
                self.ready = Some(self.list().await?);
            }
            let next = self.ready.as_mut().and_then(VecDeque::pop_front);
            next.ok_or_else(|| Error::new(ErrorKind::BadAnswer, "a calendar was read past its end"))
        })
    }
}
