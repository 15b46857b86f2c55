//! The transport that notes what passes.

use super::{
    Body, EXCHANGES_MAX, Exchange, Head, JSON_BYTES_MAX, Secrets, Side, TRANSCRIPT_VERSION, check,
    redact::{Redactor, is_worldwide, version},
    words,
};
use crate::Error;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use strongroom_graph::{Answering, BodyStream, HttpAnswer, HttpRequest, Transport, TransportError};
use strongroom_model::Clock;
use url::Url;

struct State {
    redactor: Redactor,
    sent: u64,
    first_ms: Option<i64>,
    exchanges: BTreeMap<u64, Exchange>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    cloud: &'static str,
}

impl Shared {
    pub(super) fn new(
        secrets: Secrets,
        graph: &Url,
        authority: &Url,
        salt: [u8; 32],
        clock: Arc<dyn Clock>,
    ) -> Self {
        let worldwide = graph.host_str().is_some_and(is_worldwide);
        Self {
            state: Mutex::new(State {
                redactor: Redactor::new(secrets, graph, authority, salt),
                sent: 0,
                first_ms: None,
                exchanges: BTreeMap::new(),
            }),
            clock,
            cloud: if worldwide { "worldwide" } else { "other" },
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn know_mark(&self, mark: &str) {
        self.with(|s| s.redactor.know_mark(mark));
    }

    fn began(&self, identity: &str, request: &HttpRequest) -> u64 {
        let now_ms = self.clock.now().as_millisecond();
        self.with(|s| {
            s.sent += 1;
            let n = s.sent;
            let first_ms = *s.first_ms.get_or_insert(now_ms);
            if s.exchanges.len() >= EXCHANGES_MAX {
                return n;
            }
            let r = &mut s.redactor;
            let host = r.host(&request.url);
            let elsewhere = host == "elsewhere";
            let link = r.link(&request.url, elsewhere);
            let found = version(&request.url).filter(|_| host == "graph");
            let path = match (found, host) {
                (Some((_, path)), _) => r.path(path),
                (None, "sign-in") => r.path(request.url.path()),
                _ => String::new(),
            };
            // Of a URL that is a credential not even the options are named.
            let query = match elsewhere {
                true => Vec::new(),
                false => r.query(request.url.query().unwrap_or_default()),
            };
            let headers = r.headers(&request.headers, words::REQUEST_HEADERS);
            for value in request.headers.get_all(http::header::AUTHORIZATION) {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                r.hide(value.rsplit(' ').next().unwrap_or_default());
            }
            let body = request.body.as_ref().filter(|b| !b.is_empty()).map(|bytes| {
                let whole = Sha256::chain_update(r.hasher(), bytes);
                told(r, &request.headers, bytes, bytes.len() as u64, whole, true)
            });
            s.exchanges.insert(
                n,
                Exchange {
                    n,
                    at_ms: now_ms - first_ms,
                    identity: identity.to_owned(),
                    method: request.method.as_str().to_owned(),
                    host: host.to_owned(),
                    version: found.map(|(v, _)| v.to_owned()),
                    path,
                    query,
                    link,
                    request: Side { status: None, headers, body },
                    answer: None,
                },
            );
            n
        })
    }

    fn answered(&self, n: u64, status: u16, headers: &HeaderMap, passed: &Passed, whole: bool) {
        self.with(|s| {
            let r = &mut s.redactor;
            let shown = r.headers(headers, words::ANSWER_HEADERS);
            let body = (passed.length > 0).then(|| {
                told(r, headers, &passed.kept, passed.length, passed.digest.clone(), whole)
            });
            if let Some(e) = s.exchanges.get_mut(&n) {
                e.answer = Some(Side { status: Some(status), headers: shown, body });
            }
        });
    }

    pub(super) fn finish(&self) -> Result<String, Error> {
        self.with(|s| {
            if s.sent as usize > EXCHANGES_MAX {
                return Err(Error::TranscriptFull { sent: s.sent });
            }
            let head = Head {
                transcript: TRANSCRIPT_VERSION,
                program: concat!("strongroom ", env!("CARGO_PKG_VERSION")).to_owned(),
                cloud: self.cloud.to_owned(),
                exchanges: s.exchanges.len() as u64,
            };
            let mut lines = vec![serde_json::to_string(&head).map_err(|_| Error::Written)?];
            for e in s.exchanges.values() {
                lines.push(serde_json::to_string(e).map_err(|_| Error::Written)?);
            }
            check::inspect(&lines, &s.redactor.hidden).map_err(Error::Leak)?;
            Ok(lines.join("\n") + "\n")
        })
    }
}

/// What may be said of a body.
fn told(
    r: &mut Redactor,
    headers: &HeaderMap,
    kept: &[u8],
    length: u64,
    digest: Sha256,
    whole: bool,
) -> Body {
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    if kind.contains("x-www-form-urlencoded") {
        return Body::Form { form: r.form(kept) };
    }
    if kind.contains("json")
        && whole
        && kept.len() as u64 == length
        && let Ok(value) = serde_json::from_slice::<Value>(kept)
    {
        return Body::Json { json: r.json("", &value) };
    }
    Body::Bytes { length, digest: hex::encode(&digest.finalize()[..8]), cut: !whole }
}

/// What passed of a body so far.
struct Passed {
    /// Structure is kept, bytes of files are not.
    keeps: bool,
    kept: Vec<u8>,
    length: u64,
    digest: Sha256,
}

impl Passed {
    fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.digest.update(bytes);
        if self.keeps && self.kept.len() + bytes.len() <= JSON_BYTES_MAX {
            self.kept.extend_from_slice(bytes);
        }
    }
}

pub(super) struct Recorder {
    shared: Arc<Shared>,
    identity: &'static str,
    inner: Arc<dyn Transport>,
}

impl Recorder {
    pub(super) fn new(
        shared: Arc<Shared>,
        identity: &'static str,
        inner: Arc<dyn Transport>,
    ) -> Self {
        Self { shared, identity, inner }
    }
}

impl Transport for Recorder {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        Box::pin(async move {
            let n = self.shared.began(self.identity, &request);
            let answer = self.inner.send(request).await?;
            let digest = self.shared.with(|s| s.redactor.hasher());
            let kind = answer.headers.get(http::header::CONTENT_TYPE);
            let keeps = kind.and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("json"));
            let noted = Noted {
                shared: self.shared.clone(),
                n,
                status: answer.status,
                headers: answer.headers.clone(),
                passed: Passed { keeps, kept: Vec::new(), length: 0, digest },
                body: answer.body,
                told: false,
            };
            let (status, headers) = (answer.status, answer.headers);
            Ok(HttpAnswer { status, headers, body: noted.boxed() })
        })
    }
}

/// A body that is noted as it passes, and told of when it ends or is given up.
struct Noted {
    shared: Arc<Shared>,
    n: u64,
    status: u16,
    headers: HeaderMap,
    passed: Passed,
    body: BodyStream,
    told: bool,
}

impl Noted {
    fn tell(&mut self, whole: bool) {
        if !self.told {
            self.told = true;
            self.shared.answered(self.n, self.status, &self.headers, &self.passed, whole);
        }
    }
}

impl Stream for Noted {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.body.poll_next_unpin(cx);
        match &next {
            Poll::Ready(Some(Ok(bytes))) => {
                let bytes = bytes.clone();
                self.passed.take(&bytes);
            }
            Poll::Ready(Some(Err(_))) => self.tell(false),
            Poll::Ready(None) => self.tell(true),
            Poll::Pending => {}
        }
        next
    }
}

impl Drop for Noted {
    /// A reader that counts bytes may stop at the last one, before the end is told.
    fn drop(&mut self) {
        let announced = self.headers.get(http::header::CONTENT_LENGTH);
        let announced = announced.and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let whole = announced == Some(self.passed.length)
            || (announced.is_none() && matches!(self.status, 204 | 302 | 304));
        self.tell(whole);
    }
}
