//! restic's REST protocol: rest-server, `rclone serve restic`, and whatever else speaks it.

use crate::{
    Entry, Key, Kind, Put, RetryPolicy, Store, StoreError, bounds, hash_name,
    store_failures::StoreFailures,
};
use bytes::Bytes;
use reqwest::{Method, StatusCode, blocking, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{
    io::Read,
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// How to reach a server that speaks restic's REST protocol.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// The repository's address, without user and password.
    pub url: url::Url,
    /// Who signs in, and the password; nobody where the server asks for none.
    pub credential: Option<(String, SecretString)>,
    /// CA that signed the server's certificate, when it is not a public one.
    pub ca_file: Option<PathBuf>,
}

/// A repository behind restic's REST protocol. Calls block; use it from ordinary threads.
///
/// The protocol knows no `manifests`, and rest-server takes none: they lie in a repository of their
/// own beside this one, `NAME-manifests`, as its packs. Beside and not within, since rest-server
/// takes addresses of two parts at most. Where a folder that strongroom wrote itself is served,
/// they are found in it as well.
pub struct RestServer {
    settings: RestSettings,
    manifests: url::Url,
    client: blocking::Client,
    /// Whether this client has seen the repository's `config`: what was there is not nowhere.
    has_config: AtomicBool,
    patience: RetryPolicy,
}

/// Where an object lies.
enum At {
    /// Where the protocol has it.
    Usual,
    /// Manifests: among the packs of the repository beside.
    Beside,
}

impl RestServer {
    /// Connects lazily; only bad settings fail here.
    pub fn new(mut settings: RestSettings) -> Result<Self, StoreError> {
        if !settings.url.path().ends_with('/') {
            let path = format!("{}/", settings.url.path());
            settings.url.set_path(&path);
        }
        let failed = |why: String| StoreError::Failed {
            location: settings.url.to_string(),
            action: "set up the connection".to_owned(),
            why: why.into(),
        };
        let builder = bounds::blocking_client(&settings.url, settings.ca_file.as_deref());
        let client = builder.map_err(failed)?.build().map_err(|e| failed(e.to_string()))?;
        let mut manifests = settings.url.clone();
        let own = manifests.path().trim_end_matches('/').to_owned();
        manifests.set_path(&match own.as_str() {
            "" => "/manifests/".to_owned(),
            own => format!("{own}-manifests/"),
        });
        Ok(Self {
            settings,
            manifests,
            client,
            has_config: AtomicBool::default(),
            patience: RetryPolicy::short(),
        })
    }

    /// The same with another patience.
    pub fn with_patience(self, patience: RetryPolicy) -> Self {
        Self { patience, ..self }
    }

    fn url(&self, path: &str) -> Result<url::Url, StoreError> {
        self.settings.url.join(path).map_err(|e| self.failed(path, bounds::innermost(&e)))
    }

    fn at(&self, key: &Key, at: &At) -> Result<url::Url, StoreError> {
        match (key.kind(), at) {
            (Kind::Config, _) => self.url("config"),
            (Kind::Manifests, At::Beside) => self
                .manifests
                .join(&format!("data/{}", key.name()))
                .map_err(|e| self.failed(&key.to_string(), bounds::innermost(&e))),
            (kind, _) => self.url(&format!("{}/{}", kind.as_str(), key.name())),
        }
    }

    /// The places where an object may be, the one where it is written first.
    fn places(kind: Kind) -> &'static [At] {
        match kind {
            Kind::Manifests => &[At::Beside, At::Usual],
            _ => &[At::Usual],
        }
    }

    /// What a server answers, whatever it is; asked again while it does not answer.
    fn answer(
        &self,
        action: &str,
        method: &Method,
        url: &url::Url,
        with: impl Fn(blocking::RequestBuilder) -> blocking::RequestBuilder,
    ) -> Result<blocking::Response, StoreError> {
        let mut waiting = self.patience.begin();
        loop {
            let mut request = self.client.request(method.clone(), url.clone());
            if let Some((user, password)) = &self.settings.credential {
                request = request.basic_auth(user, Some(password.expose_secret()));
            }
            // Every verb here may be repeated: an object is named by its bytes.
            let outcome = with(request).send();
            let again = match &outcome {
                Ok(r) => {
                    r.status().is_server_error() || r.status() == StatusCode::TOO_MANY_REQUESTS
                }
                Err(e) => e.is_connect() || e.is_timeout() || e.is_request() || e.is_body(),
            };
            let goes_on = again
                && match &outcome {
                    Ok(r) => waiting.again_after(r.status().as_u16(), Duration::ZERO),
                    Err(_) => waiting.again(Duration::ZERO),
                };
            if goes_on {
                continue;
            }
            if !again {
                self.patience.answered();
            }
            return outcome.map_err(|e| self.failed(action, bounds::innermost(&e.without_url())));
        }
    }

    fn send(
        &self,
        action: &str,
        method: &Method,
        url: &url::Url,
        with: impl Fn(blocking::RequestBuilder) -> blocking::RequestBuilder,
    ) -> Result<blocking::Response, StoreError> {
        let response = self.answer(action, method, url, with)?;
        match response.status().is_success() {
            true => {
                if url.path().strip_prefix(self.settings.url.path()) == Some("config") {
                    self.has_config.store(true, Ordering::Relaxed);
                }
                Ok(response)
            }
            false => Err(self.no(action, response)),
        }
    }

    /// An answer that is no yes, as an error.
    fn no(&self, action: &str, response: blocking::Response) -> StoreError {
        let status = response.status();
        let mut words = Vec::new();
        let read = response.take(bounds::WORDS_BYTES_MAX).read_to_end(&mut words);
        let said = read.map(|_| {
            // Somebody else's words: nothing in them moves a cursor or ends a line.
            let text = String::from_utf8_lossy(&words).replace(char::is_control, " ");
            text.trim().to_owned()
        });
        let why = match said {
            Ok(said) if !said.is_empty() => format!("{status}: {said}"),
            _ => status.to_string(),
        };
        let (location, action) = (self.location(), action.to_owned());
        match status {
            StatusCode::NOT_FOUND => StoreError::NotFound { key: action, location },
            s if s.is_client_error() && s != StatusCode::REQUEST_TIMEOUT => {
                StoreError::Refused { location, action, why: why.into() }
            }
            // A redirect is no answer: who follows it hands its credential on.
            s if s.is_redirection() => {
                self.failed(&action, format!("{why}; redirects are not followed"))
            }
            _ => self.failed(&action, why),
        }
    }

    /// A body, and no more of it than there may be.
    fn body(
        &self,
        action: &str,
        response: blocking::Response,
        bytes_max: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let announced = response.content_length();
        let too_much = || self.failed(action, format!("it has more than {bytes_max} bytes"));
        if announced.is_some_and(|n| n > bytes_max) {
            return Err(too_much());
        }
        let mut bytes = Vec::new();
        let mut body = response.take(bytes_max + 1);
        let mut piece = vec![0; 64 * 1024];
        let began = Instant::now();
        loop {
            let n =
                body.read(&mut piece).map_err(|e| self.failed(action, bounds::innermost(&e)))?;
            bytes.extend_from_slice(&piece[..n]);
            if n == 0 {
                break;
            }
            if bounds::too_slow(bytes.len() as u64, began.elapsed()) {
                return Err(self.failed(action, bounds::slow(bytes.len() as u64)));
            }
        }
        if bytes.len() as u64 > bytes_max {
            return Err(too_much());
        }
        if let Some(n) = announced.filter(|n| *n != bytes.len() as u64) {
            return Err(self.failed(action, format!("{} of {n} bytes came", bytes.len())));
        }
        Ok(bytes)
    }

    /// Tries the places of an object in turn; absent from all is not found.
    fn first<T>(
        &self,
        key: &Key,
        look: impl Fn(&url::Url) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        for place in Self::places(key.kind()) {
            match look(&self.at(key, place)?) {
                Err(e) if e.is_not_found() => {}
                other => return other,
            }
        }
        Err(StoreError::NotFound { key: key.to_string(), location: self.location() })
    }

    /// Length of what stands at an address; a server that does not say it has said nothing.
    fn length(&self, action: &str, url: &url::Url) -> Result<u64, StoreError> {
        let r = self.send(action, &Method::HEAD, url, |r| r)?;
        let said = r.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
        said.and_then(|v| v.parse().ok())
            .ok_or_else(|| self.failed(action, "the server does not say how long it is".to_owned()))
    }

    /// Makes a repository, for servers that want to be told. One that is there is no error, nor is
    /// a server that knows no such call: the object that follows says whether it can be written.
    fn make(&self, repository: &url::Url) -> Result<(), StoreError> {
        let mut url = repository.clone();
        url.set_query(Some("create=true"));
        match self.send("make the repository", &Method::POST, &url, |r| r) {
            Ok(_) | Err(StoreError::Refused { .. } | StoreError::NotFound { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn write(&self, key: &Key, bytes: &Bytes) -> Result<(), StoreError> {
        let url = self.at(key, &Self::places(key.kind())[0])?;
        let send = || {
            let with = |r: blocking::RequestBuilder| {
                r.header(header::CONTENT_TYPE, "application/octet-stream")
                    .timeout(bounds::time_for(bytes.len() as u64))
                    .body(bytes.clone())
            };
            self.send(&format!("store {key}"), &Method::POST, &url, with).map(|_| ())
        };
        match (key.kind(), send()) {
            // The first of its kind: what holds it is made.
            (Kind::Manifests, Err(StoreError::NotFound { .. } | StoreError::Failed { .. })) => {
                self.make(&self.manifests)?;
                send()
            }
            (_, done) => done,
        }
    }

    /// What `config` says of a folder that is not found: an error, or that nothing is in it.
    ///
    /// Who answers may be something on the way to the server, or a server that says so of whatever
    /// went wrong: whoever believed it would take a repository for an empty one, and delete what
    /// no snapshot seems to need.
    fn not_found(&self, kind: Kind) -> Result<(), StoreError> {
        let action = format!("list {}", kind.as_str());
        if Store::size(self, &Key::config())?.is_none() {
            // Nothing was ever written, as far as anybody knows.
            return match self.has_config.load(Ordering::Relaxed) {
                false => Ok(()),
                true => Err(self.failed(
                    &action,
                    "the repository was there a while ago, and now the answer is 404".to_owned(),
                )),
            };
        }
        // These folders are made with a repository. The others may be gone while nothing lies in
        // them, where folders do not stay when they are empty.
        match matches!(kind, Kind::Snapshots | Kind::Index | Kind::Data) {
            false => Ok(()),
            true => Err(self.failed(
                &action,
                format!(
                    "404 is no listing: `config` is there, and a repository has the folder {}; \
                     look at what stands before the server, or make the folder",
                    kind.as_str()
                ),
            )),
        }
    }

    fn rows(&self, kind: Kind, url: &url::Url) -> Result<Vec<Entry>, StoreError> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
            size: u64,
        }
        let action = format!("list {}", kind.as_str());
        let with = |r: blocking::RequestBuilder| {
            r.header(header::ACCEPT, "application/vnd.x.restic.rest.v2")
        };
        let mut response = self.answer(&action, &Method::GET, url, with)?;
        if response.status() == StatusCode::NOT_FOUND {
            let server = response.headers().get(header::SERVER).and_then(|v| v.to_str().ok());
            // rclone has an empty listing for what was never written.
            if server.is_some_and(|s| s.starts_with("rclone/")) {
                return Err(self.failed(&action, "404 is no listing of rclone's".to_owned()));
            }
            self.not_found(kind)?;
            // What was gone for a moment is there again.
            response = self.answer(&action, &Method::GET, url, with)?;
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(Vec::new());
            }
        }
        let status = response.status();
        // Where manifests have no place among the others, none is there.
        if status == StatusCode::METHOD_NOT_ALLOWED && kind == Kind::Manifests {
            return Ok(Vec::new());
        }
        if !status.is_success() {
            return Err(self.no(&action, response));
        }
        // A body that breaks off is no JSON: the listing is whole or an error.
        let body = self.body(&action, response, bounds::LISTING_BYTES_MAX)?;
        // An empty folder is `null` to some.
        let rows: Option<Vec<Row>> = serde_json::from_slice(&body)
            .map_err(|e| self.failed(&action, bounds::innermost(&e)))?;
        let rows = rows.unwrap_or_default();
        if rows.len() > bounds::ROWS_MAX {
            return Err(self.failed(&action, bounds::too_many(rows.len())));
        }
        let ours = rows.into_iter();
        let ours = ours.filter(|r| Key::new(kind, &r.name).is_ok());
        Ok(ours.map(|r| Entry { name: r.name, size_bytes: r.size }).collect())
    }
}

impl Store for RestServer {
    fn location(&self) -> String {
        format!("rest:{}", self.settings.url)
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let length = bytes.len() as u64;
        // What was cut off while it came in is not what was put.
        let present = |there: u64| match there == length || key.kind() == Kind::Config {
            true => Ok(Put::Present),
            false => {
                Err(self.damaged(key, format!("it has {there} bytes and should have {length}")))
            }
        };
        // Servers overwrite, unless they were started otherwise: they are asked first.
        if let Some(there) = self.size(key)? {
            return present(there);
        }
        if key.kind() == Kind::Config {
            self.make(&self.settings.url)?;
        }
        let bytes = Bytes::copy_from_slice(bytes);
        match self.write(key, &bytes) {
            Ok(()) => {}
            // Somebody else was first.
            Err(e @ StoreError::Refused { .. }) => {
                return self.size(key)?.map_or(Err(e), present);
            }
            Err(e) => return Err(e),
        }
        // Two that make one repository at the same moment both hear yes: what stands there decides.
        if key.kind() == Kind::Config && self.get(key)? != bytes {
            return Ok(Put::Present);
        }
        Ok(Put::New)
    }

    fn put_fresh(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        match self.write(key, &Bytes::copy_from_slice(bytes)) {
            // One that was sent twice, since the first answer was lost.
            Err(e @ StoreError::Refused { .. }) => {
                match self.size(key)? == Some(bytes.len() as u64) {
                    true => Ok(()),
                    false => Err(e),
                }
            }
            done => done,
        }
    }

    fn is_distant(&self) -> bool {
        true
    }

    fn flush(&self) -> Result<(), StoreError> {
        // A server answers when it has stored.
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let action = format!("read {key}");
        bounds::again(|| {
            self.first(key, |url| {
                let response = self.send(&action, &Method::GET, url, |r| r)?;
                self.body(&action, response, key.kind().bytes_max()).map(Bytes::from)
            })
        })
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let action = format!("read {key}");
        let wanted = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let length = range.end.saturating_sub(range.start);
        let read = |url: &url::Url| {
            let answer =
                self.send(&action, &Method::GET, url, |r| r.header(header::RANGE, &wanted));
            let response = match answer {
                Err(StoreError::Refused { why, .. }) if why.as_str().starts_with("416") => {
                    return Err(self.damaged(key, format!("it ends before byte {}", range.end)));
                }
                other => other?,
            };
            // Whoever gives the whole is not asked for a part again; the part is cut out here.
            let whole = response.status() != StatusCode::PARTIAL_CONTENT;
            let most = if whole { key.kind().bytes_max() } else { length };
            let bytes = Bytes::from(self.body(&action, response, most)?);
            let (from, to) = if whole { (range.start, range.end) } else { (0, length) };
            match (usize::try_from(from), usize::try_from(to)) {
                (Ok(from), Ok(to)) if to <= bytes.len() => Ok(bytes.slice(from..to)),
                _ => Err(self.damaged(
                    key,
                    format!("{} bytes came where {length} were asked for", bytes.len()),
                )),
            }
        };
        bounds::again(|| self.first(key, read))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        // A lock is looked for in a listing: rclone answers a question about one object from what
        // it remembers, and another server may have taken the lock away.
        if key.kind() == Kind::Locks {
            let rows = self.list(Kind::Locks)?;
            return Ok(rows.iter().find(|r| r.name == key.name()).map(|r| r.size_bytes));
        }
        let action = format!("look at {key}");
        match self.first(key, |url| self.length(&action, url)) {
            Ok(length) => Ok(Some(length)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        if kind == Kind::Config {
            let size = self.size(&Key::config())?;
            let row = size.map(|size_bytes| Entry { name: "config".to_owned(), size_bytes });
            return Ok(row.into_iter().collect());
        }
        let mut rows = Vec::new();
        for place in Self::places(kind) {
            let url = match place {
                At::Beside => self
                    .manifests
                    .join("data/")
                    .map_err(|e| self.failed("list manifests", bounds::innermost(&e)))?,
                At::Usual => self.url(&format!("{}/", kind.as_str()))?,
            };
            rows.extend(bounds::again(|| self.rows(kind, &url))?);
        }
        rows.sort();
        rows.dedup_by(|a, b| a.name == b.name);
        Ok(rows)
    }

    fn clock(&self) -> Result<Option<jiff::Timestamp>, StoreError> {
        let answer = self.answer("ask for the time", &Method::HEAD, &self.url("config")?, |r| r)?;
        Ok(bounds::date(&answer))
    }

    // Not as `replace`, which takes away what it may not overwrite.
    fn try_overwrite(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(key, &Bytes::copy_from_slice(bytes))
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let bytes = Bytes::copy_from_slice(bytes);
        // Most servers overwrite at once; those that add alone refuse, or keep what is there. One
        // that does not answer has said nothing: nothing is taken away on its word.
        match self.write(key, &bytes) {
            Ok(()) | Err(StoreError::Refused { .. }) => {}
            Err(e) => return Err(e),
        }
        match self.get(key) {
            Ok(there) if there == bytes => return Ok(()),
            Ok(_) => {}
            Err(StoreError::Damaged { .. } | StoreError::NotFound { .. }) => {}
            // What may not be read back is perhaps what was written.
            Err(e) => return Err(e),
        }
        // The protocol has no other way: for a moment neither the wrong bytes nor the right ones
        // are there.
        self.remove(key)?;
        self.write(key, &bytes)?;
        if self.get(key)? == bytes {
            return Ok(());
        }
        Err(self.damaged(key, format!("it does not read back as {:.8}", hash_name(&bytes))))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        for place in Self::places(key.kind()) {
            let url = self.at(key, place)?;
            match self.send(&format!("delete {key}"), &Method::DELETE, &url, |r| r) {
                Ok(_) => {}
                Err(e) if e.is_not_found() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
