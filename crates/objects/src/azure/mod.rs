//! Azure Blob Storage: a container as a write-once store.
//!
//! What is relied on: `Put Blob` with `If-None-Match: *`, which is decided by the service, and its
//! check of `Content-MD5`; listings by marker. Blocks, leases, tiers and snapshots are not.

mod listing;
mod sign;

use crate::{
    Entry, Key, Kind, Put, RetryPolicy, Store, StoreError, bounds, key_of, path_of,
    store_failures::StoreFailures,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest, Md5};
use reqwest::{StatusCode, blocking};
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::BTreeMap,
    io::Read,
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use strongroom_model::Clock;

/// What opens a container.
#[derive(Debug, Clone)]
pub enum AzureCredential {
    /// A key of the account, which may do everything there.
    Key(SecretString),
    /// A shared access signature, which may do what it says, until its end.
    Sas(SecretString),
}

/// How to reach a container.
#[derive(Clone)]
pub struct AzureSettings {
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// What stands before every path, empty or ending in a slash.
    pub prefix: String,
    /// The server, the account in its path where the server wants it there; the account's own in
    /// the public cloud when absent.
    pub endpoint: Option<url::Url>,
    /// What opens it.
    pub credential: AzureCredential,
    /// CA that signed the server's certificate, when it is not a public one.
    pub ca_file: Option<PathBuf>,
    /// The time that signs requests; the system's when absent.
    pub clock: Option<Arc<dyn Clock>>,
}

impl std::fmt::Debug for AzureSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AzureSettings({}/{}/{})", self.account, self.container, self.prefix)
    }
}

/// A repository in a container, or in a part of one. Calls block; use it from ordinary threads.
pub struct AzureContainer {
    settings: AzureSettings,
    base: url::Url,
    key: Option<aws_lc_rs::hmac::Key>,
    client: blocking::Client,
    patience: RetryPolicy,
}

const VERSION: &str = "2021-12-02";
/// Longest that is waited because a server asks for it, once.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Of a page of a listing, of five thousand names.
const PAGE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A request: all that is signed, and the body.
struct Request<'r> {
    verb: reqwest::Method,
    url: url::Url,
    headers: BTreeMap<&'static str, String>,
    body: Option<&'r Bytes>,
}

impl<'r> Request<'r> {
    fn new(verb: reqwest::Method, url: url::Url) -> Self {
        Self { verb, url, headers: BTreeMap::new(), body: None }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }
}

/// An answer, and whether it was asked for more than once.
struct Answer {
    response: blocking::Response,
    is_repeated: bool,
}

/// The service's own word for an error.
fn code(response: &blocking::Response) -> String {
    let said = response.headers().get("x-ms-error-code").and_then(|v| v.to_str().ok());
    said.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).take(80).collect()
}

impl AzureContainer {
    /// Connects lazily; only bad settings fail here.
    pub fn new(mut settings: AzureSettings) -> Result<Self, StoreError> {
        let failed = |why: String| StoreError::Failed {
            location: format!("azure:{}/{}", settings.account, settings.container),
            action: "set up the connection".to_owned(),
            why: why.into(),
        };
        let own = format!("https://{}.blob.core.windows.net/", settings.account);
        let mut base = match &settings.endpoint {
            Some(url) => url.clone(),
            None => url::Url::parse(&own).map_err(|e| failed(e.to_string()))?,
        };
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let key = match &mut settings.credential {
            AzureCredential::Key(text) => Some(
                sign::key(text).ok_or_else(|| failed("the key is no key of an account".into()))?,
            ),
            AzureCredential::Sas(text) => {
                let plain = text.expose_secret().trim().trim_start_matches('?').to_owned();
                let is_one = plain.contains("sig=")
                    && plain.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
                if !is_one {
                    return Err(failed("the SAS is no shared access signature".into()));
                }
                *text = plain.into();
                None
            }
        };
        let client = bounds::blocking_client(&base, settings.ca_file.as_deref())
            .map_err(failed)?
            .build()
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self { settings, base, key, client, patience: RetryPolicy::short() })
    }

    /// The same with another patience.
    pub fn with_patience(self, patience: RetryPolicy) -> Self {
        Self { patience, ..self }
    }

    fn at(&self, path: &str) -> url::Url {
        let mut url = self.base.clone();
        let s = &self.settings;
        url.set_path(&format!("{}{}/{}{path}", self.base.path(), s.container, s.prefix));
        url
    }

    fn object(&self, key: &Key) -> url::Url {
        self.at(&path_of(key))
    }

    fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods)] // the server holds it against its own
        self.settings.clock.as_ref().map_or_else(Timestamp::now, |clock| clock.now())
    }

    /// Signs and sends, once.
    fn send(&self, request: &Request<'_>) -> reqwest::Result<blocking::Response> {
        let (mut url, mut headers) = (request.url.clone(), request.headers.clone());
        headers.insert("x-ms-version", VERSION.to_owned());
        let now = self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        headers.insert("x-ms-date", now);
        let length = request.body.map_or(0, Bytes::len);
        let authorization = self.key.as_ref().map(|key| {
            let verb = request.verb.as_str();
            let signed = sign::Signed { verb, url: &url, length, headers: &headers };
            signed.authorization(&self.settings.account, key)
        });
        if let AzureCredential::Sas(sas) = &self.settings.credential {
            let query = match url.query() {
                Some(query) => format!("{query}&{}", sas.expose_secret()),
                None => sas.expose_secret().to_owned(),
            };
            url.set_query(Some(&query));
        }
        let mut call = self.client.request(request.verb.clone(), url);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        if let Some(value) = authorization {
            call = call.header("authorization", value);
        }
        if let Some(body) = request.body {
            call = call.timeout(bounds::time_for(body.len() as u64)).body(body.clone());
        }
        // The address may hold the signature that opens everything.
        call.send().map_err(reqwest::Error::without_url)
    }

    /// What the server answers, whatever it is; asked again while it does not answer.
    fn answer(&self, action: &str, request: &Request<'_>) -> Result<Answer, StoreError> {
        let mut waiting = self.patience.begin();
        loop {
            let sent = self.send(request);
            let wait = match &sent {
                Ok(r) if r.status().is_server_error() || r.status().as_u16() == 429 => {
                    let said = r.headers().get("retry-after").and_then(|v| v.to_str().ok());
                    let said = said.and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
                    Some(said.unwrap_or_default().min(RETRY_AFTER_MAX))
                }
                Err(e) if e.is_connect() || e.is_timeout() || e.is_request() || e.is_body() => {
                    Some(Duration::ZERO)
                }
                _ => None,
            };
            let goes_on = match (&wait, &sent) {
                (Some(wait), Ok(r)) => waiting.again_after(r.status().as_u16(), *wait),
                (Some(wait), Err(_)) => waiting.again(*wait),
                (None, _) => false,
            };
            match (wait, sent) {
                _ if goes_on => {}
                (wait, Ok(response)) => {
                    if wait.is_none() {
                        self.patience.answered();
                    }
                    return Ok(Answer { response, is_repeated: waiting.tries > 0 });
                }
                (_, Err(e)) => return Err(self.failed(action, bounds::innermost(&e))),
            }
        }
    }

    /// An answer that must be a yes.
    fn yes(&self, action: &str, request: &Request<'_>) -> Result<blocking::Response, StoreError> {
        let Answer { response, .. } = self.answer(action, request)?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.no(action, response)),
        }
    }

    /// An answer that is no yes, as an error. Of its body only what it says where it has no code:
    /// some errors repeat the signature.
    fn no(&self, action: &str, response: blocking::Response) -> StoreError {
        let (status, code) = (response.status(), code(&response));
        let clock = self.clock_differs(&response);
        let why = match code.as_str() {
            "AuthenticationFailed" => format!(
                "{code}: the key or the SAS is not the account's, or is over{}",
                clock.unwrap_or_default()
            ),
            "AuthorizationPermissionMismatch" | "AuthorizationFailure" => {
                format!("{code}: the credential does not allow it")
            }
            "" => format!("{status} {}", words(response)).trim().to_owned(),
            code => format!("{status}, {code}"),
        };
        match status {
            // A container that is not there is no empty one, and a page that is not found is no
            // object that is not there.
            StatusCode::NOT_FOUND if code == "BlobNotFound" => {
                StoreError::NotFound { key: action.to_owned(), location: self.location() }
            }
            StatusCode::NOT_FOUND if code.is_empty() => self.failed(action, why),
            s if s.is_redirection() => {
                self.failed(action, format!("{why}; redirects are not followed"))
            }
            s if s.is_client_error() && s != StatusCode::REQUEST_TIMEOUT => {
                self.refused(action, why)
            }
            _ => self.failed(action, why),
        }
    }

    /// By how much the server's clock is another one, where that is why it refuses.
    fn clock_differs(&self, response: &blocking::Response) -> Option<String> {
        let said = response.headers().get("date").and_then(|v| v.to_str().ok())?;
        let there = jiff::fmt::rfc2822::parse(said).ok()?.timestamp();
        let minutes = (self.now().as_second() - there.as_second()) / 60;
        let which = if minutes > 0 { "ahead of" } else { "behind" };
        let minutes = minutes.abs();
        (minutes >= 10).then(|| {
            format!("; this host's clock is {minutes} minutes {which} the server's, which is why")
        })
    }

    /// A body, and no more of it than there may be.
    fn body(
        &self,
        action: &str,
        mut response: blocking::Response,
        most: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let announced = response.content_length();
        if let Some(n) = announced.filter(|n| *n > most) {
            return Err(self.refused(action, bounds::too_long(n, most)));
        }
        let (began, mut all, mut part) = (Instant::now(), Vec::new(), vec![0; 64 * 1024]);
        loop {
            match response.read(&mut part) {
                Ok(0) => break,
                Ok(n) => all.extend_from_slice(&part[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(action, bounds::innermost(&e))),
            }
            let so_far = all.len() as u64;
            if so_far > most {
                return Err(self.refused(action, bounds::too_long(so_far, most)));
            }
            if bounds::too_slow(so_far, began.elapsed()) {
                return Err(self.failed(action, bounds::slow(so_far)));
            }
        }
        match announced.filter(|n| *n != all.len() as u64) {
            Some(n) => Err(self.failed(action, format!("{} of {n} bytes came", all.len()))),
            None => Ok(all),
        }
    }

    /// Writes an object, over what is there only where that is meant.
    fn write(&self, key: &Key, bytes: &Bytes, over: bool) -> Result<Answer, StoreError> {
        let mut request = Request::new(reqwest::Method::PUT, self.object(key))
            .header("x-ms-blob-type", "BlockBlob")
            .header("content-type", "application/octet-stream")
            .header("content-md5", STANDARD.encode(Md5::digest(bytes)));
        if !over {
            request = request.header("if-none-match", "*");
        }
        request.body = Some(bytes);
        self.answer(&format!("write {key}"), &request)
    }

    fn page(&self, action: &str, prefix: &str, marker: &str) -> Result<listing::Page, StoreError> {
        let mut url = self.at("");
        url.set_path(&format!("{}{}", self.base.path(), self.settings.container));
        url.query_pairs_mut()
            .append_pair("restype", "container")
            .append_pair("comp", "list")
            .append_pair("prefix", &format!("{}{prefix}", self.settings.prefix));
        if !marker.is_empty() {
            url.query_pairs_mut().append_pair("marker", marker);
        }
        let request = Request::new(reqwest::Method::GET, url);
        bounds::again(|| {
            let body = self.body(action, self.yes(action, &request)?, PAGE_BYTES_MAX)?;
            listing::page(&body).map_err(|why| self.failed(action, format!("the listing: {why}")))
        })
    }
}

/// A few words of a server about an error, fit to be shown.
fn words(response: blocking::Response) -> String {
    let mut bytes = Vec::new();
    // What breaks off has said what it said.
    let _ = response.take(bounds::WORDS_BYTES_MAX).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).replace(char::is_control, " ").trim().to_owned()
}

impl Store for AzureContainer {
    fn location(&self) -> String {
        let s = &self.settings;
        let server = match &s.endpoint {
            Some(url) => url.origin().ascii_serialization(),
            None => s.account.clone(),
        };
        format!("azure:{server}/{}/{}", s.container, s.prefix)
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let action = format!("write {key}");
        let bytes = Bytes::copy_from_slice(bytes);
        if bytes.len() as u64 > key.kind().bytes_max() {
            return Err(self.beyond(&action, key, bytes.len() as u64));
        }
        let Answer { response, is_repeated } = self.write(key, &bytes, false)?;
        if response.status().is_success() {
            return Ok(Put::New);
        }
        let is_there = matches!(response.status().as_u16(), 409 | 412);
        // A credential that may create and not overwrite hears 403 of what is there.
        let may_be_there = is_there || response.status() == StatusCode::FORBIDDEN;
        let no = self.no(&action, response);
        let there = if may_be_there { self.size(key).ok().flatten() } else { None };
        match there {
            None => Err(no),
            // What a first try did before its answer was lost is this writer's.
            Some(_) if key.kind() == Kind::Config => {
                let is_mine = is_repeated && self.get(key)? == bytes;
                Ok(if is_mine { Put::New } else { Put::Present })
            }
            Some(n) if n == bytes.len() as u64 => Ok(Put::Present),
            Some(n) => {
                let why = format!("it has {n} bytes and should have {}", bytes.len());
                Err(self.damaged(key, why))
            }
        }
    }

    fn is_distant(&self) -> bool {
        true
    }

    fn flush(&self) -> Result<(), StoreError> {
        // The service answers when it has stored.
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let action = format!("read {key}");
        let request = Request::new(reqwest::Method::GET, self.object(key));
        bounds::again(|| {
            let response = self.yes(&action, &request)?;
            self.body(&action, response, key.kind().bytes_max()).map(Bytes::from)
        })
        .map_err(|e| named(e, self, key))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let action = format!("read {key}");
        let length = range.end.saturating_sub(range.start);
        let wanted = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let request =
            Request::new(reqwest::Method::GET, self.object(key)).header("x-ms-range", wanted);
        bounds::again(|| {
            let Answer { response, .. } = self.answer(&action, &request)?;
            if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
                return Err(self.damaged(key, format!("it ends before byte {}", range.end)));
            }
            if response.status() != StatusCode::PARTIAL_CONTENT {
                return Err(match response.status().is_success() {
                    true => self.refused(&action, "the server gives no part of an object"),
                    false => self.no(&action, response),
                });
            }
            let bytes = self.body(&action, response, length)?;
            match bytes.len() as u64 == length {
                true => Ok(Bytes::from(bytes)),
                false => Err(self.damaged(
                    key,
                    format!("{} bytes came where {length} were asked for", bytes.len()),
                )),
            }
        })
        .map_err(|e| named(e, self, key))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let action = format!("look at {key}");
        let request = Request::new(reqwest::Method::HEAD, self.object(key));
        let response = match self.yes(&action, &request) {
            Err(e) if e.is_not_found() => return Ok(None),
            other => other?,
        };
        let said = response.headers().get("content-length").and_then(|v| v.to_str().ok());
        // A length that is not said is no absence.
        said.and_then(|v| v.parse().ok())
            .map(Some)
            .ok_or_else(|| self.failed(&action, "the server does not say how long it is"))
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        if kind == Kind::Config {
            let size = self.size(&Key::config())?;
            let row = size.map(|size_bytes| Entry { name: "config".to_owned(), size_bytes });
            return Ok(row.into_iter().collect());
        }
        let action = format!("list {}", kind.as_str());
        let prefix = format!("{}/", kind.as_str());
        let (began, mut pages, mut marker, mut rows) =
            (Instant::now(), 0, String::new(), Vec::new());
        loop {
            pages += 1;
            let page = self.page(&action, &prefix, &marker)?;
            for (name, size) in page.rows {
                let path = name.strip_prefix(&self.settings.prefix).unwrap_or_default();
                let Some(key) = key_of(path).filter(|k| k.kind() == kind) else { continue };
                let size_bytes = size.ok_or_else(|| {
                    self.failed(&action, format!("the server does not say how long {key} is"))
                })?;
                rows.push(Entry { name: key.name().to_owned(), size_bytes });
            }
            if page.next.is_empty() {
                break;
            }
            // The same place again, or ever another.
            if page.next == marker
                || pages >= bounds::PAGES_MAX
                || began.elapsed() > bounds::LISTING_TIME_MAX
            {
                let why = format!("the listing has no end: it goes on after {pages} pages");
                return Err(self.failed(&action, why));
            }
            marker = page.next;
        }
        rows.sort();
        rows.dedup_by(|a, b| a.name == b.name);
        Ok(rows)
    }

    fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        let request = Request::new(reqwest::Method::HEAD, self.object(&Key::config()));
        // Whatever it says, a refusal of the signature included.
        let Answer { response, .. } = self.answer("ask for the time", &request)?;
        Ok(bounds::date(&response))
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let Answer { response, .. } = self.write(key, &Bytes::copy_from_slice(bytes), true)?;
        match response.status().is_success() {
            true => Ok(()),
            false => Err(self.no(&format!("replace {key}"), response)),
        }
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let request = Request::new(reqwest::Method::DELETE, self.object(key));
        match self.yes(&format!("remove {key}"), &request) {
            Err(e) if !e.is_not_found() => Err(e),
            _ => Ok(()),
        }
    }
}

/// Names the object that is not there, and not what was done.
fn named(e: StoreError, store: &AzureContainer, key: &Key) -> StoreError {
    if e.is_not_found() { store.absent(key) } else { e }
}
