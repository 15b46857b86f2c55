use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use strongroom_graph::{Client, Error, ErrorKind, Request};
use strongroom_model::{Coming, Cursor, Feed, ItemId, SourceEvent, Untrusted};

/// The delta of a collection, page by page.
pub struct Changes<'c, T> {
    client: &'c Client,
    request: Request,
    /// What the first page was asked by.
    own: String,
    read: fn(Value) -> SourceEvent<T>,
    ready: VecDeque<SourceEvent<T>>,
    full: bool,
    ended: bool,
    /// How often each page was told of.
    pages: HashMap<String, u32>,
}

/// Pages of one round (own limit: a mailbox of ten million messages).
const PAGES_MAX: usize = 200_000;

/// How often a page may name itself as the next one.
const REPLAYS_MAX: u32 = 3;

impl<T: Send> Feed<T, Error> for Changes<'_, T> {
    fn is_full(&self) -> bool {
        self.full
    }

    fn next(&mut self) -> Coming<'_, T, Error> {
        Box::pin(Changes::next(self))
    }
}

impl<'c, T> Changes<'c, T> {
    /// `first` asks for everything, `link` for what is new since. What a round without a link does
    /// not name is gone.
    pub(crate) fn new(
        client: &'c Client,
        first: Request,
        link: Option<&str>,
        read: fn(Value) -> SourceEvent<T>,
    ) -> Self {
        let own = first.target().to_owned();
        Self {
            client,
            request: link.map_or_else(|| first.clone(), |link| first.clone().at(link.to_owned())),
            own,
            read,
            ready: VecDeque::new(),
            full: link.is_none(),
            ended: false,
            pages: HashMap::new(),
        }
    }

    /// Whether this round lists everything.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The next event. After [`SourceEvent::End`] or an error there is nothing more to ask for.
    pub async fn next(&mut self) -> Result<SourceEvent<T>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.ended {
                return Err(Error::new(ErrorKind::BadAnswer, "a collection was read past its end"));
            }
            if leads_elsewhere(&self.own, self.request.target()) {
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    "a delta link leads to what is somebody else's",
                ));
            }
            let page = self.client.page(&self.request).await?;
            // In the order of the page: of two rows of one item the later one counts.
            let mut rows = page.value.into_iter();
            let mut done = 0;
            for bad in page.unreadable {
                // Of one that nobody can name again, nothing may be left out.
                let Some(id) = bad.id.map(ItemId) else {
                    return Err(Error::new(ErrorKind::BadAnswer, bad.why));
                };
                let before = rows.by_ref().take(bad.before.saturating_sub(done));
                self.ready.extend(before.map(self.read));
                done = bad.before;
                let name = Untrusted::default();
                self.ready.push_back(SourceEvent::Skipped { id, name, cause: bad.why });
            }
            self.ready.extend(rows.map(self.read));
            match (page.next, page.delta) {
                (_, Some(link)) => {
                    self.ended = true;
                    self.ready.push_back(SourceEvent::End { cursor: Cursor(link) });
                }
                (Some(next), None) => {
                    // A page may come twice (a replay); a service that never gets on is an error.
                    let is_replay = next == self.request.target();
                    let seen = self.pages.entry(next.clone()).or_default();
                    *seen += 1;
                    let seen_max = if is_replay { REPLAYS_MAX } else { 1 };
                    if *seen > seen_max || self.pages.len() > PAGES_MAX {
                        return Err(Error::new(ErrorKind::BadAnswer, "a delta leads in a circle"));
                    }
                    self.request = self.request.clone().at(next);
                }
                (None, None) => {
                    return Err(Error::new(
                        ErrorKind::BadAnswer,
                        "a delta page has neither a next link nor a delta link",
                    ));
                }
            }
        }
    }
}

/// Whether a link is of another owner, drive or folder than the collection that it was given for.
/// The service words its links otherwise than we ask (`users('id')`), so only ids of the same form
/// are held against each other.
fn leads_elsewhere(own: &str, link: &str) -> bool {
    const OWNED: &[&str] =
        &["users", "drives", "sites", "mailfolders", "contactfolders", "lists", "calendars"];
    let (own, link) = (ids(own), ids(link));
    let differs = |kind: &&str| match (own.get(*kind), link.get(*kind)) {
        (Some(a), Some(b)) => a != b && a.len() == b.len() && a.get(..4) == b.get(..4),
        _ => false,
    };
    // Ids of people are random from their first digit on.
    let is_guid = |id: &String| id.len() == 36 && id.bytes().filter(|b| *b == b'-').count() == 4;
    let other_person = match (own.get("users"), link.get("users")) {
        (Some(a), Some(b)) => is_guid(a) && is_guid(b) && a != b,
        _ => false,
    };
    other_person || OWNED.iter().any(differs)
}

/// The ids in a path, by the collection that each is of; in small letters.
fn ids(target: &str) -> HashMap<String, String> {
    let path = target.split('?').next().unwrap_or_default().to_lowercase();
    let path = path.replace("('", "/").replace("')", "");
    let parts: Vec<String> = path
        .split('/')
        .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    parts.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::leads_elsewhere;

    const ANN: &str = "6e7b768e-07e2-4810-8459-485f84f8f204";
    const BEN: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";

    #[test]
    fn a_link_may_be_worded_otherwise_and_not_lead_to_somebody_else() {
        let graph = "https://graph.microsoft.com/v1.0";
        let own = format!("users/{ANN}/mailFolders/AAMkAGx1=/messages/delta?$select=id");
        for link in [
            format!("{graph}/users('{ANN}')/mailFolders('AAMkAGx1%3D')/messages/delta?$skip=1"),
            format!("{graph}/users/{}/mailfolders/AAMkAGx1=/messages/delta", ANN.to_uppercase()),
            // An address is another form of the same.
            format!("{graph}/users/ann@riverside.example/mailFolders/inbox/messages/delta"),
            format!("{graph}/me/mailFolders/AAMkAGx1=/messages/delta"),
        ] {
            assert!(!leads_elsewhere(&own, &link), "{link}");
        }
        for link in [
            format!("{graph}/users('{BEN}')/mailFolders('AAMkAGx1=')/messages/delta?$skip=1"),
            format!("{graph}/users/{ANN}/mailFolders/AAMkAGx2=/messages/delta"),
        ] {
            assert!(leads_elsewhere(&own, &link), "{link}");
        }
        let own = "drives/b!t18F8ybsHUq1z3LTz8xvZqP8zaSWjkFNhsME-Fepo75dTf9vQKfeRblBZjoSQrd7";
        let other = own.replace("sHUq1", "sHUq2");
        assert!(leads_elsewhere(&format!("{own}/root/delta"), &format!("{graph}/{other}/root")));
        assert!(!leads_elsewhere(&format!("{own}/root/delta"), &format!("{graph}/{own}/root")));
    }
}
