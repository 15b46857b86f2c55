use crate::{
    Budget, Error, ErrorKind, Https, Scope, Settings,
    inside::leads_inside,
    reading,
    signin::{SignInError, Token, sign_in},
    transport::{HttpRequest, Transport, TransportError, Unread, whole},
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use secrecy::ExposeSecret;
use serde::{
    Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use strongroom_model::{Clock, limits};
use tokio::sync::Semaphore;
use url::Url;

/// How long to go on when things fail.
#[derive(Debug, Clone, Copy)]
pub struct RetryLimits {
    /// Tries of one call that fails for other reasons than throttling.
    pub tries: u32,
    /// First pause between tries; doubles each time.
    pub pause_ms: u64,
    /// How long one call may be throttled in all.
    pub throttled_s_max: u64,
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self { tries: 6, pause_ms: 500, throttled_s_max: 3600 }
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: Method,
    /// Below the version (`users/…`), or a whole URL that Graph gave.
    pub(crate) target: String,
    pub(crate) scope: Scope,
    pub(crate) cost: u64,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Bytes>,
    /// Whether repeating it after an unknown outcome does no harm.
    pub(crate) repeatable: bool,
    pub(crate) beta: bool,
}

impl Request {
    /// A GET that costs one unit.
    pub fn get(scope: Scope, target: impl Into<String>) -> Self {
        Self::new(Method::GET, scope, target)
    }

    /// A POST with a JSON body; not repeated after an unknown outcome.
    pub fn post(scope: Scope, target: impl Into<String>, body: &Value) -> Self {
        Self { repeatable: false, ..Self::new(Method::POST, scope, target) }.json(body)
    }

    /// A PATCH with a JSON body.
    pub fn patch(scope: Scope, target: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PATCH, scope, target).json(body)
    }

    /// A PUT of bytes.
    pub fn put(scope: Scope, target: impl Into<String>, body: Bytes) -> Self {
        let mut request = Self::new(Method::PUT, scope, target)
            .header("content-type", "application/octet-stream");
        request.body = Some(body);
        request
    }

    /// A PUT of a JSON body: what is there is replaced whole.
    pub fn replace(scope: Scope, target: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PUT, scope, target).json(body)
    }

    /// A DELETE.
    pub fn delete(scope: Scope, target: impl Into<String>) -> Self {
        Self::new(Method::DELETE, scope, target)
    }

    fn new(method: Method, scope: Scope, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            scope,
            cost: 1,
            headers: Vec::new(),
            body: None,
            repeatable: true,
            beta: false,
        }
    }

    fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string().into());
        self.header("content-type", "application/json")
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What the call costs, in the scope's units.
    #[must_use]
    pub fn cost(mut self, units: u64) -> Self {
        self.cost = units;
        self
    }

    /// Says that a POST may be repeated after an unknown outcome.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Asks `beta`, for what v1.0 lacks.
    #[must_use]
    pub fn beta(mut self) -> Self {
        self.beta = true;
        self
    }

    /// The same call to another place: a link that Graph gave.
    #[must_use]
    pub fn at(mut self, target: String) -> Self {
        self.target = target;
        self
    }

    /// Where it goes.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What an error calls it: the method and the path, without query.
    pub(crate) fn what(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let path = path
            .split_once("/v1.0/")
            .or_else(|| path.split_once("/beta/"))
            .map_or(path, |(_, p)| p);
        format!("{} {:.160}", self.method, path)
    }
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: Bytes,
}

/// What went over the wire.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Stats {
    /// Requests sent.
    pub requests: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Bytes of bodies received.
    pub bytes_in: u64,
    /// Bytes of bodies sent.
    pub bytes_out: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// A signed-in application in one tenant.
pub struct Client {
    pub(crate) transport: Arc<dyn Transport>,
    settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) patience: RetryLimits,
    token: tokio::sync::Mutex<Option<Token>>,
    gates: Mutex<HashMap<Scope, Arc<Semaphore>>>,
    pub(crate) counters: Counters,
}

enum Attempt {
    Done(Answer),
    /// Wait so long, then try again; `true` when the service throttles.
    Again {
        wait: Duration,
        throttled: bool,
        why: Error,
    },
    Renew(Error),
    Failed(Error),
}

impl Client {
    /// Makes a client over HTTPS; signs in with the first call.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        budget: Arc<Budget>,
        patience: RetryLimits,
    ) -> Result<Self, Error> {
        let https = Arc::new(Https::new(&settings)?);
        Ok(Self::with_transport(settings, https, clock, budget, patience))
    }

    /// Makes a client that sends through `transport`; the settings' CA file and User-Agent are the
    /// transport's to follow.
    pub fn with_transport(
        settings: Settings,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        budget: Arc<Budget>,
        patience: RetryLimits,
    ) -> Self {
        Self {
            transport,
            settings,
            clock,
            budget,
            patience,
            token: tokio::sync::Mutex::new(None),
            gates: Mutex::default(),
            counters: Counters::default(),
        }
    }

    /// The tenant that it signs in to, as the configuration names it.
    pub fn tenant(&self) -> &str {
        &self.settings.tenant
    }

    /// The budgets.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The clock that waits are measured with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What went over the wire so far.
    pub fn stats(&self) -> Stats {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let c = &self.counters;
        Stats {
            requests: get(&c.requests),
            retries: get(&c.retries),
            bytes_in: get(&c.bytes_in),
            bytes_out: get(&c.bytes_out),
        }
    }

    pub(crate) fn count_in(&self, bytes: usize) {
        self.counters.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_request(&self, bytes_out: usize) {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        self.counters.bytes_out.fetch_add(bytes_out as u64, Ordering::Relaxed);
    }

    /// The URL of a call. A link that Graph gave must lead to Graph: the token goes nowhere else.
    pub(crate) fn url(&self, request: &Request) -> Result<Url, Error> {
        let target = request.target.as_str();
        if target.starts_with("https://") || target.starts_with("http://") {
            let url = Url::parse(target).map_err(|e| {
                Error::new(ErrorKind::BadAnswer, format!("Graph gave a link that is no URL: {e}"))
            })?;
            if url.origin() != self.settings.graph.origin() {
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!(
                        "a link that Graph gave leads to {}, and the configuration says graph \
                         = \"{}\"; the token is not sent there",
                        url.origin().ascii_serialization(),
                        self.settings.graph
                    ),
                ));
            }
            return Ok(url);
        }
        let base = self.settings.graph.as_str().trim_end_matches('/');
        let version = if request.beta { "beta" } else { "v1.0" };
        Url::parse(&format!("{base}/{version}/{target}")).map_err(|e| {
            Error::new(ErrorKind::Settings, format!("the Graph base URL is not usable: {e}"))
        })
    }

    pub(crate) async fn token(&self, refuse: Option<&str>) -> Result<Token, Error> {
        let mut held = self.token.lock().await;
        let now = self.clock.now().as_second();
        if let Some(token) = held.as_ref()
            && now < token.renew_at
            && refuse != Some(token.text.expose_secret())
        {
            return Ok(token.clone());
        }
        let mut tries = 0;
        loop {
            match sign_in(self.transport.as_ref(), &self.settings, self.clock.as_ref()).await {
                Ok(token) => {
                    *held = Some(token.clone());
                    return Ok(token);
                }
                Err(SignInError::Final(e)) => return Err(e),
                Err(SignInError::Temporary(why)) => {
                    tries += 1;
                    if tries >= self.patience.tries {
                        return Err(Error::new(
                            ErrorKind::Unavailable,
                            format!(
                                "the sign-in service {} cannot be reached: {why}; it is named as \
                                 `authority`",
                                self.settings.authority
                            ),
                        ));
                    }
                    self.clock.sleep(self.pause(tries)).await;
                }
            }
        }
    }

    /// Exponential, with jitter, at most 30 s.
    pub(crate) fn pause(&self, tries: u32) -> Duration {
        let base = self.patience.pause_ms.saturating_mul(1 << (tries - 1).min(8)).min(30_000);
        let mut random = [0; 2];
        let _ = getrandom::fill(&mut random);
        Duration::from_millis(base / 2 + base * u64::from(u16::from_le_bytes(random)) / 65_536)
    }

    pub(crate) fn gate(&self, scope: &Scope) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates
            .entry(scope.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(Budget::concurrent_max(scope))))
            .clone()
    }

    /// Waits until the budget has room.
    pub(crate) async fn await_budget(&self, scope: &Scope, cost: u64, bytes: u64) {
        while let Some(wait) =
            self.budget.take(scope, self.clock.now().as_millisecond(), cost, bytes)
        {
            self.clock.sleep(wait).await;
        }
    }

    /// Sends a call, with patience. Answers are whole, statuses below 400.
    pub async fn send(&self, request: &Request) -> Result<Answer, Error> {
        let url = self.url(request)?;
        let gate = self.gate(&request.scope);
        let (mut tries, mut throttled_ms, mut refused) = (0, 0, None::<String>);
        loop {
            let token = self.token(refused.as_deref()).await?;
            self.await_budget(
                &request.scope,
                request.cost,
                request.body.as_ref().map_or(0, |b| b.len() as u64),
            )
            .await;
            let attempt = {
                let _place = gate
                    .acquire()
                    .await
                    .map_err(|_| Error::new(ErrorKind::Unavailable, "the client was closed"))?;
                self.attempt(request, &url, &token).await
            };
            match attempt {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Failed(e) => return Err(e),
                Attempt::Renew(e) if refused.is_some() => return Err(e),
                Attempt::Renew(_) => refused = Some(token.text.expose_secret().to_owned()),
                Attempt::Again { wait, throttled: true, why } => {
                    // Who says to come back at once and throttles again would be asked for ever.
                    let wait = wait.max(Duration::from_millis(self.patience.pause_ms.max(1)));
                    throttled_ms += wait.as_millis() as u64;
                    if throttled_ms > self.patience.throttled_s_max * 1000 {
                        return Err(Error { kind: ErrorKind::Throttled, ..why });
                    }
                    let now_ms = self.clock.now().as_millisecond();
                    self.budget.block(&request.scope, now_ms, wait.as_millis() as i64, true);
                    self.clock.sleep(wait).await;
                }
                Attempt::Again { wait, throttled: false, why } => {
                    tries += 1;
                    if tries >= self.patience.tries {
                        return Err(why);
                    }
                    self.clock.sleep(wait.max(self.pause(tries))).await;
                }
            }
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn attempt(&self, request: &Request, url: &Url, token: &Token) -> Attempt {
        let what = request.what();
        self.count_request(request.body.as_ref().map_or(0, Bytes::len));
        let again = |why: String, sent: bool| {
            let error = Error::new(ErrorKind::Unavailable, format!("{what} failed: {why}"));
            match sent && !request.repeatable {
                true => Attempt::Failed(error),
                false => Attempt::Again { wait: Duration::ZERO, throttled: false, why: error },
            }
        };
        let sent = match signed(request, url, token) {
            Ok(http) => self.transport.send(http).await,
            Err(e) => Err(e),
        };
        let answer = match sent {
            Ok(answer) => answer,
            Err(e) => return again(e.text, e.sent),
        };
        let status = answer.status;
        let wait = wait_header(&answer.headers, self.clock.now());
        let location = answer.header("location").map(str::to_owned);
        let bytes_max =
            if status < 400 { limits::PAGE_BYTES_MAX } else { limits::ANSWER_BYTES_MAX };
        let body = match whole(answer.body, bytes_max).await {
            Ok(body) => body,
            Err(Unread::Broken(e)) => return again(e.text, true),
            Err(Unread::TooLarge) => {
                return Attempt::Failed(Error::new(
                    ErrorKind::BadAnswer,
                    format!("{what} answered with more than {bytes_max} bytes"),
                ));
            }
        };
        self.count_in(body.len());
        if status < 400 {
            return Attempt::Done(Answer { status, location, body: body.into() });
        }
        let mut error = Error::from_answer(&what, status, &body);
        match status {
            401 => Attempt::Renew(error),
            // A throttled call did nothing, so it may be repeated whatever it is.
            429 => Attempt::Again {
                wait: wait.unwrap_or(Duration::from_secs(10)),
                throttled: true,
                why: error,
            },
            503 if wait.is_some() => {
                Attempt::Again { wait: wait.unwrap_or_default(), throttled: true, why: error }
            }
            500.. if request.repeatable || status == 503 => {
                Attempt::Again { wait: Duration::ZERO, throttled: false, why: error }
            }
            410 => {
                if let Some(link) = location {
                    error.code = Some(link.into());
                }
                Attempt::Failed(error)
            }
            _ => Attempt::Failed(error),
        }
    }

    /// The whole body. What leads elsewhere, to a page to sign in for one, is asked for again.
    pub async fn bytes(&self, request: &Request) -> Result<Bytes, Error> {
        let mut tries = 0;
        loop {
            let answer = self.send(request).await?;
            if answer.status < 300 {
                return Ok(answer.body);
            }
            tries += 1;
            if tries >= self.patience.tries {
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!("{} was answered with {}, no content", request.what(), answer.status),
                ));
            }
            self.clock.sleep(self.pause(tries)).await;
        }
    }

    /// The body as JSON. A body that is no JSON is asked for again: a proxy may have cut it. What
    /// is asked for is never empty; what is done may be answered with nothing, which is `null`.
    pub async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        self.read(request, reading::read).await
    }

    /// The body, read in this way. One that is the same to its end as at the try before was not cut
    /// by anybody, and will be the same at the next.
    pub(crate) async fn read<T>(
        &self,
        request: &Request,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, Error> {
        let (mut tries, mut before) = (0, None);
        loop {
            let answer = self.send(request).await?;
            let asks = request.method == Method::GET;
            let body = match answer.body.is_empty() && !asks {
                true => Bytes::from_static(b"null"),
                false => answer.body,
            };
            let read = match answer.status >= 300 && asks {
                // JSON of a page to sign in is no answer either.
                true => Err(serde_json::Error::custom(format!("status {}", answer.status))),
                false => read(&body),
            };
            match read {
                Ok(value) => return Ok(value),
                Err(e) => {
                    tries += 1;
                    let is_same = before.as_ref() == Some(&body) && reading::is_whole(&body);
                    if tries >= self.patience.tries || is_same || !request.repeatable {
                        return Err(Error::new(
                            ErrorKind::BadAnswer,
                            format!(
                                "{} was answered with something that is not the expected JSON: {e}",
                                request.what()
                            ),
                        ));
                    }
                    before = Some(body);
                    self.clock.sleep(self.pause(tries)).await;
                }
            }
        }
    }
}

/// The call as it goes out, with the token.
pub(crate) fn signed(
    request: &Request,
    url: &Url,
    token: &Token,
) -> Result<HttpRequest, TransportError> {
    let mut http = HttpRequest::new(request.method.clone(), url.clone())
        .bearer(token.text.expose_secret())?
        .header("prefer", "IdType=\"ImmutableId\"")?;
    for (name, value) in &request.headers {
        http = http.header(name, value)?;
    }
    Ok(http.body(request.body.clone()))
}

/// How long a service says to wait: seconds, or a date. What is no number of seconds says nothing,
/// and nobody is believed beyond [`limits::RETRY_AFTER_S_MAX`].
pub(crate) fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    let seconds = value.parse::<f64>().ok().or_else(|| {
        let at = jiff::fmt::rfc2822::parse(value).ok()?;
        Some(at.timestamp().duration_since(now).as_secs_f64())
    })?;
    let most = limits::RETRY_AFTER_S_MAX as f64;
    (!seconds.is_nan()).then(|| Duration::from_secs_f64(seconds.clamp(0.0, most)))
}

/// The larger of Retry-After and RateLimit-Reset.
fn wait_header(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let read = |name: &str| {
        headers.get(name).and_then(|v| v.to_str().ok()).and_then(|v| retry_after(v, now))
    };
    let retry = read("retry-after")?;
    Some(retry.max(read("ratelimit-reset").unwrap_or_default()))
}

impl Client {
    /// A pre-authenticated URL that Graph gave: no token goes there, and no error names it. It is
    /// a credential, so it goes over HTTPS alone; and whoever answers in Graph's stead must not
    /// make this host ask its own neighbours, unless Graph itself is configured to be one.
    pub(crate) fn presigned(&self, url: &str) -> Result<Url, Error> {
        let bad = |why: &str| {
            Err(Error::new(ErrorKind::BadAnswer, format!("Graph gave a link that {why}")))
        };
        let Ok(url) = Url::parse(url) else { return bad("is no URL") };
        let graph = &self.settings.graph;
        if url.scheme() != "https" && (url.scheme() != "http" || graph.scheme() != "http") {
            return bad("does not begin with https://; nothing was sent there");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return bad("names a user; nothing was sent there");
        }
        if leads_inside(&url) && !leads_inside(graph) {
            return bad("leads to an address of an own network; nothing was sent there");
        }
        Ok(url)
    }
}
