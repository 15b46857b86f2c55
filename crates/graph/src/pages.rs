//! Lists of Graph, page by page, and many answers in one.

use crate::{Client, Error, ErrorKind, Request, Scope, Unreadable, client::retry_after, reading};
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};
use strongroom_model::limits;

/// One page of a collection.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The entities.
    pub value: Vec<Value>,
    /// Entities that are there and could not be read: neither deleted nor absent.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page is.
    pub next: Option<String>,
    /// Where the next round begins, on the last page of a delta.
    pub delta: Option<String>,
}

impl Client {
    /// One page of a collection or delta.
    pub async fn page(&self, request: &Request) -> Result<Page, Error> {
        let mut tries = 0;
        loop {
            let read = |bytes: &[u8]| reading::read_list(bytes, "value");
            let (mut body, unreadable) = self.read(request, read).await?;
            let link = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
            let (next, delta) = (link("@odata.nextLink"), link("@odata.deltaLink"));
            if let Some(Value::Array(value)) = body.get_mut("value").map(Value::take) {
                return Ok(Page { value, unreadable, next, delta });
            }
            tries += 1;
            if tries >= self.patience.tries {
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!("{} was answered without a list", request.what()),
                ));
            }
            self.clock.sleep(self.pause(tries)).await;
        }
    }

    /// All pages of a collection, in one list; for collections that are known to be small.
    pub async fn list(&self, request: &Request) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        let mut request = request.clone();
        let mut pages = HashSet::from([request.target.clone()]);
        loop {
            let page = self.page(&request).await?;
            // A list with something less in it would say that it is gone.
            if let Some(bad) = page.unreadable.first() {
                let id = bad.id.as_deref().unwrap_or("without a readable id");
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!("{}: {} ({id})", request.what(), bad.why.quoted()),
                ));
            }
            all.extend(page.value);
            if all.len() > limits::LIST_ROWS_MAX || pages.len() > limits::LIST_ROWS_MAX {
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!("{} lists more than {} rows", request.what(), limits::LIST_ROWS_MAX),
                ));
            }
            match page.next {
                // Links that lead in a circle would never end.
                Some(next) if !pages.insert(next.clone()) => {
                    return Err(Error::new(
                        ErrorKind::BadAnswer,
                        format!("{} leads in a circle", request.what()),
                    ));
                }
                Some(next) => request.target = next,
                None => return Ok(all),
            }
        }
    }

    /// Up to [`limits::BATCH_REQUESTS_MAX`] GETs in one call; answers in the order of the targets.
    /// Inner throttling is waited out, inner failures are answers of their own.
    pub async fn batch_get(
        &self,
        scope: &Scope,
        targets: &[String],
    ) -> Result<Vec<Result<Value, Error>>, Error> {
        let mut answers: Vec<Option<Result<Value, Error>>> = targets.iter().map(|_| None).collect();
        let (mut waited_ms, mut tries) = (0, 0);
        loop {
            let open: Vec<usize> = (0..targets.len())
                .filter(|n| answers[*n].is_none())
                .take(limits::BATCH_REQUESTS_MAX)
                .collect();
            if open.is_empty() {
                return Ok(answers.into_iter().flatten().collect());
            }
            let requests: Vec<Value> = open
                .iter()
                .map(|n| {
                    json!({"id": n.to_string(), "method": "GET", "url": format!("/{}",
                    targets[*n]), "headers": {"Prefer": "IdType=\"ImmutableId\""}})
                })
                .collect();
            let call = Request::post(scope.clone(), "$batch", &json!({"requests": requests}))
                .cost(open.len() as u64)
                .repeatable();
            let read = |bytes: &[u8]| reading::read_list(bytes, "responses");
            let (body, unreadable) = self.read(&call, read).await?;
            for bad in unreadable {
                let nth = bad.id.as_ref().and_then(|id| id.parse::<usize>().ok());
                if let Some(n) = nth.filter(|n| open.contains(n)) {
                    let what = targets[n].split('?').next().unwrap_or_default();
                    let text = format!("GET {what}: {}", bad.why.quoted());
                    answers[n] = Some(Err(Error::new(ErrorKind::BadAnswer, text)));
                }
            }
            let mut asked = Duration::ZERO;
            for r in body["responses"].as_array().into_iter().flatten() {
                let Some(n) = r["id"]
                    .as_str()
                    .and_then(|i| i.parse::<usize>().ok())
                    .filter(|n| *n < targets.len())
                else {
                    continue;
                };
                let status = r["status"].as_u64().unwrap_or(500) as u16;
                match status {
                    429 | 503 => {
                        let wait = r["headers"]["Retry-After"]
                            .as_str()
                            .and_then(|s| retry_after(s, self.clock.now()))
                            .unwrap_or(Duration::from_secs(10));
                        asked = asked.max(wait);
                    }
                    500.. if tries < self.patience.tries => {}
                    400.. => {
                        let what =
                            format!("GET {}", targets[n].split('?').next().unwrap_or_default());
                        answers[n] = Some(Err(Error::from_answer(
                            &what,
                            status,
                            r["body"].to_string().as_bytes(),
                        )));
                    }
                    // An answer without a body says nothing of what was asked for.
                    _ if status >= 300 || r["body"].is_null() => {
                        if tries >= self.patience.tries {
                            let what = targets[n].split('?').next().unwrap_or_default();
                            answers[n] = Some(Err(Error::new(
                                ErrorKind::BadAnswer,
                                format!("GET {what} was answered with {status} and nothing"),
                            )));
                        }
                    }
                    _ => answers[n] = Some(Ok(r["body"].clone())),
                }
            }
            if open.iter().any(|n| answers[*n].is_none()) {
                tries += 1;
                let wait = asked.max(Duration::from_secs(1));
                waited_ms += wait.as_millis() as u64;
                if waited_ms > self.patience.throttled_s_max * 1000 {
                    return Err(Error::new(
                        ErrorKind::Throttled,
                        "a batch was throttled for too long",
                    ));
                }
                self.budget.block(
                    scope,
                    self.clock.now().as_millisecond(),
                    wait.as_millis() as i64,
                    asked > Duration::ZERO,
                );
                self.clock.sleep(wait).await;
            }
        }
    }
}
