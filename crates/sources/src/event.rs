use serde_json::Value;
use std::collections::{HashSet, VecDeque};
use strongroom_graph::{Client, Error, ErrorKind, Request};
use strongroom_model::ItemId;

/// One piece of news of a collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<T> {
    /// An item is new or changed.
    Item(T),
    /// An item is gone from this collection. It may have moved to another.
    Deleted(ItemId),
    /// The listing names an item that cannot be understood.
    Skipped {
        /// Its id.
        id: ItemId,
        /// Its name or subject, as far as known.
        name: String,
        /// Why.
        cause: String,
    },
    /// That was all. `link` is where the next round begins.
    End {
        /// The delta link.
        link: String,
    },
}

/// The delta of a collection, page by page.
pub struct Changes<'c, T> {
    client: &'c Client,
    request: Request,
    read: fn(Value) -> Event<T>,
    ready: VecDeque<Event<T>>,
    full: bool,
    ended: bool,
    pages: HashSet<String>,
}

/// Pages of one round (own limit: a mailbox of ten million messages).
const PAGES_MAX: usize = 200_000;

impl<'c, T> Changes<'c, T> {
    /// `full` says that the round began without a delta link, so that what it does not name is
    /// gone.
    pub(crate) fn new(
        client: &'c Client,
        request: Request,
        full: bool,
        read: fn(Value) -> Event<T>,
    ) -> Self {
        Self {
            client,
            request,
            read,
            ready: VecDeque::new(),
            full,
            ended: false,
            pages: HashSet::new(),
        }
    }

    /// Whether this round lists everything.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The next event. After [`Event::End`] or an error there is nothing more to ask for.
    pub async fn next(&mut self) -> Result<Event<T>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.ended {
                return Err(Error::new(ErrorKind::BadAnswer, "a collection was read past its end"));
            }
            let page = self.client.page(&self.request).await?;
            self.ready.extend(page.value.into_iter().map(self.read));
            match (page.next, page.delta) {
                (_, Some(link)) => {
                    self.ended = true;
                    self.ready.push_back(Event::End { link });
                }
                (Some(next), None) => {
                    // A page may come twice (a replay); a service that never gets on is an error.
                    let repeated = !self.pages.insert(next.clone());
                    if self.pages.len() > PAGES_MAX || (repeated && next != self.target()) {
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

    fn target(&self) -> String {
        self.request.target().to_owned()
    }
}
