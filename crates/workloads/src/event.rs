use serde_json::Value;
use std::collections::{HashSet, VecDeque};
use strongroom_graph::{Client, Error, ErrorKind, Request};
use strongroom_model::{Coming, Cursor, Event, Feed};

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

impl<T: Send> Feed<T, Error> for Changes<'_, T> {
    fn is_full(&self) -> bool {
        self.full
    }

    fn next(&mut self) -> Coming<'_, T, Error> {
        Box::pin(Changes::next(self))
    }
}

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
                    self.ready.push_back(Event::End { cursor: Cursor(link) });
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
