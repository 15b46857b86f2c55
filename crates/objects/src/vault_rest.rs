use crate::{Entry, Key, Kind, Put, SETTINGS_BYTES_MAX, Store, StoreError, bounds, read_regular};
use bytes::Bytes;
use reqwest::{StatusCode, blocking, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{
    io::Read,
    ops::Range,
    path::PathBuf,
    time::{Duration, Instant},
};
use strongroom_model::Series;

/// How to reach a vault.
#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// Base URL with the repository's name as last segment, for instance
    /// `https://vault.example/school-a/`.
    pub url: url::Url,
    /// Name of the credential.
    pub user: String,
    /// The credential's token.
    pub token: SecretString,
    /// CA that signed the vault's certificate, when it is not a public one.
    pub ca_file: Option<PathBuf>,
    /// Certificate and private key of this side, PEM, for a vault that asks for one.
    pub identity_file: Option<PathBuf>,
}

/// A sealed session of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSession {
    /// Its number, counted from 1.
    pub session: u64,
    /// When it was sealed, by the vault's clock.
    pub sealed_at: String,
    /// How many objects came in it.
    pub objects: u64,
    /// The snapshots that it made whole.
    pub snapshots: Vec<SessionSnapshot>,
}

/// A snapshot of a session, as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    /// The snapshot.
    pub snapshot: String,
    /// Its manifest.
    pub manifest: String,
    /// Its series; absent for that of data, whose snapshots alone are judged.
    #[serde(default, skip_serializing_if = "Series::is_data")]
    pub series: Series,
    /// Whether the manifest calls it clean.
    pub clean: bool,
}

impl SessionSnapshot {
    /// What is said of it, in a word.
    pub fn word(&self) -> &str {
        match (self.series.is_data(), self.clean) {
            (false, _) => self.series.as_str(),
            (true, true) => "clean",
            (true, false) => "NOT clean",
        }
    }
}

/// The client of `strongroom-vault serve`: restic's REST protocol plus sessions.
///
/// Calls block; use it from ordinary threads. Writes need [`VaultRest::begin`] first, since what
/// belongs to no session is never shown to a reader.
pub struct VaultRest {
    settings: VaultSettings,
    client: blocking::Client,
    session: Option<u64>,
}

impl VaultRest {
    /// Connects lazily; only bad settings fail here.
    pub fn new(mut settings: VaultSettings) -> Result<Self, StoreError> {
        if !settings.url.path().ends_with('/') {
            let path = format!("{}/", settings.url.path());
            settings.url.set_path(&path);
        }
        let failed = |why: String| StoreError::Failed {
            location: settings.url.to_string(),
            action: "set up the connection".to_owned(),
            why: why.into(),
        };
        let mut builder =
            bounds::blocking_client(&settings.url, settings.ca_file.as_deref()).map_err(failed)?;
        if let Some(path) = &settings.identity_file {
            let pem = read_regular(path, SETTINGS_BYTES_MAX)
                .map_err(|e| failed(format!("{}: {e}", path.display())))?;
            builder = builder.identity(
                reqwest::Identity::from_pem(&pem)
                    .map_err(|e| failed(format!("{}: {e}", path.display())))?,
            );
        }
        let client = builder.build().map_err(|e| failed(e.to_string()))?;
        Ok(Self { settings, client, session: None })
    }

    /// The same vault seen up to session `upto`.
    pub fn view(&self, upto: u64) -> Result<Self, StoreError> {
        let mut settings = self.settings.clone();
        let path = settings.url.path().trim_end_matches('/').to_owned();
        let bare = path.rsplit_once('@').map_or(path.as_str(), |(b, _)| b);
        settings.url.set_path(&format!("{bare}@{upto}/"));
        Self::new(settings)
    }

    /// Opens a session; all later puts belong to it.
    pub fn begin(&mut self) -> Result<u64, StoreError> {
        #[derive(Deserialize)]
        struct Begun {
            session: u64,
        }
        let r =
            self.send("open a session", |c| c.post(self.url("sessions")?.as_str()).into_ok())?;
        let begun: Begun = self.json("open a session", r)?;
        self.session = Some(begun.session);
        Ok(begun.session)
    }

    /// Seals the open session: from now on readers see what its signed manifests name, and nothing
    /// can be added to it.
    pub fn seal(&mut self) -> Result<(), StoreError> {
        let Some(session) = self.session.take() else { return Ok(()) };
        let url = self.url(&format!("sessions/{session}/seal"))?;
        self.send("seal a session", |c| c.post(url.as_str()).into_ok())?;
        Ok(())
    }

    /// The sealed sessions, oldest first.
    pub fn sessions(&self) -> Result<Vec<SealedSession>, StoreError> {
        let r = self.send("list sessions", |c| c.get(self.url("sessions")?.as_str()).into_ok())?;
        self.json("list sessions", r)
    }

    /// Sends something that a vault must refuse, and answers its status and words: for the canary.
    /// It is sent once.
    pub fn attempt(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<(u16, String), StoreError> {
        let url = self.url(path)?;
        let method =
            reqwest::Method::from_bytes(method.as_bytes()).map_err(|e| self.failed(path, &e))?;
        let mut request = self
            .client
            .request(method, url)
            .basic_auth(&self.settings.user, Some(self.settings.token.expose_secret()))
            .body(body.to_vec());
        if let Some(session) = self.session {
            request = request.header("Strongroom-Session", session);
        }
        let answer = request.send().map_err(|e| self.failed(path, &e.without_url()))?;
        let status = answer.status().as_u16();
        Ok((status, words(answer)))
    }

    fn url(&self, path: &str) -> Result<url::Url, StoreError> {
        self.settings.url.join(path).map_err(|e| self.failed(path, &e))
    }

    fn key_url(&self, key: &Key) -> Result<url::Url, StoreError> {
        match key.kind() {
            Kind::Config => self.url("config"),
            kind => self.url(&format!("{}/{}", kind.as_str(), key.name())),
        }
    }

    fn failed(&self, action: &str, why: &dyn std::error::Error) -> StoreError {
        // The innermost cause says it; what wraps it repeats the address.
        let mut text = why.to_string();
        let mut source = why.source();
        while let Some(s) = source {
            text = s.to_string();
            source = s.source();
        }
        StoreError::Failed {
            location: self.location(),
            action: action.to_owned(),
            why: text.into(),
        }
    }

    fn send(
        &self,
        action: &str,
        build: impl Fn(&blocking::Client) -> Result<blocking::RequestBuilder, StoreError>,
    ) -> Result<blocking::Response, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let request = build(&self.client)?
                .basic_auth(&self.settings.user, Some(self.settings.token.expose_secret()));
            // Every verb here may be repeated: an object is named by its bytes.
            let outcome = request.send();
            let again = match &outcome {
                // A vault that is full is full a second later.
                Ok(r) => {
                    r.status().is_server_error() && r.status() != StatusCode::INSUFFICIENT_STORAGE
                }
                Err(e) => e.is_connect() || e.is_timeout() || e.is_request() || e.is_body(),
            };
            if again && tries < 4 {
                std::thread::sleep(Duration::from_millis(200 << tries));
                continue;
            }
            let response = outcome.map_err(|e| self.failed(action, &e))?;
            let status = response.status();
            return match status {
                s if s.is_success() => Ok(response),
                StatusCode::NOT_FOUND => {
                    Err(StoreError::NotFound { key: action.to_owned(), location: self.location() })
                }
                StatusCode::UNAUTHORIZED => Err(StoreError::Refused {
                    location: self.location(),
                    action: action.to_owned(),
                    why: format!(
                        "it does not accept the token of {:?}; compare user and token_file of this \
                         vault with what its custodian handed out",
                        self.settings.user
                    )
                    .into(),
                }),
                StatusCode::FORBIDDEN | StatusCode::CONFLICT => {
                    let why = words(response);
                    Err(StoreError::Refused {
                        location: self.location(),
                        action: action.to_owned(),
                        why: if why.is_empty() { status.to_string() } else { why }.into(),
                    })
                }
                s if s.is_redirection() => Err(StoreError::Failed {
                    location: self.location(),
                    action: action.to_owned(),
                    why: format!("it sends to another address ({s}), which is not followed").into(),
                }),
                _ => {
                    let why = words(response);
                    Err(StoreError::Failed {
                        location: self.location(),
                        action: action.to_owned(),
                        why: format!("{status} {why}").into(),
                    })
                }
            };
        }
    }
}

/// A few words of a server about an error, fit to be shown.
fn words(answer: blocking::Response) -> String {
    let mut bytes = Vec::new();
    // What breaks off has said what it said.
    let _ = answer.take(bounds::WORDS_BYTES_MAX).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl VaultRest {
    /// The body of an answer, of so many bytes at most, and at a least rate.
    fn body(
        &self,
        action: &str,
        mut answer: blocking::Response,
        most: u64,
    ) -> Result<Bytes, StoreError> {
        let refused = |why: String| StoreError::Refused {
            location: self.location(),
            action: action.to_owned(),
            why: why.into(),
        };
        let announced = answer.content_length();
        if let Some(n) = announced.filter(|n| *n > most) {
            return Err(refused(bounds::too_long(n, most)));
        }
        let began = Instant::now();
        let (mut all, mut part) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            let n = match answer.read(&mut part) {
                Ok(0) => return Ok(all.into()),
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.failed(action, &e)),
            };
            all.extend_from_slice(&part[..n]);
            let so_far = all.len() as u64;
            if so_far > most {
                return Err(refused(bounds::too_long(so_far, most)));
            }
            if bounds::too_slow(so_far, began.elapsed()) {
                return Err(StoreError::Failed {
                    location: self.location(),
                    action: action.to_owned(),
                    why: bounds::slow(so_far).into(),
                });
            }
        }
    }

    fn json<T: serde::de::DeserializeOwned>(
        &self,
        action: &str,
        answer: blocking::Response,
    ) -> Result<T, StoreError> {
        let bytes = self.body(action, answer, bounds::LISTING_BYTES_MAX)?;
        serde_json::from_slice(&bytes).map_err(|e| self.failed(action, &e))
    }
}

trait IntoOk: Sized {
    fn into_ok(self) -> Result<Self, StoreError> {
        Ok(self)
    }
}
impl IntoOk for blocking::RequestBuilder {}

impl Store for VaultRest {
    fn location(&self) -> String {
        self.settings.url.to_string()
    }

    fn clock(&self) -> Result<Option<jiff::Timestamp>, StoreError> {
        let r =
            self.send("ask for the time", |c| c.get(self.url("sessions")?.as_str()).into_ok())?;
        Ok(bounds::date(&r))
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let url = self.key_url(key)?;
        let body = Bytes::copy_from_slice(bytes);
        let r = self.send(&format!("store {key}"), |c| {
            let mut request = c.post(url.as_str()).body(body.clone());
            if let Some(session) = self.session {
                request = request.header("Strongroom-Session", session);
            }
            Ok(request)
        })?;
        let new = r.headers().get("strongroom-put").is_some_and(|v| v == "new");
        Ok(if new { Put::New } else { Put::Present })
    }

    fn is_distant(&self) -> bool {
        true
    }

    fn flush(&self) -> Result<(), StoreError> {
        // The server answers a put only when the object is on its disk.
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let url = self.key_url(key)?;
        let r = self.send(&format!("read {key}"), |c| c.get(url.as_str()).into_ok())?;
        self.body(&format!("read {key}"), r, key.kind().bytes_max())
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let url = self.key_url(key)?;
        let action = format!("read {key}");
        let wanted = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let r =
            self.send(&action, |c| c.get(url.as_str()).header(header::RANGE, &wanted).into_ok())?;
        let bytes = self.body(&action, r, key.kind().bytes_max())?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(StoreError::Damaged {
                key: key.to_string(),
                location: self.location(),
                why: format!(
                    "{} bytes came where {} were asked for",
                    bytes.len(),
                    range.end - range.start
                )
                .into(),
            });
        }
        Ok(bytes)
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let url = self.key_url(key)?;
        match self.send(&format!("look at {key}"), |c| c.head(url.as_str()).into_ok()) {
            Ok(r) => Ok(r
                .headers()
                .get(header::CONTENT_LENGTH)
                .and_then(|v| v.to_str().ok())
                .and_then(|v| v.parse().ok())),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
            size: u64,
        }
        if kind == Kind::Config {
            let size = self.size(&Key::config())?;
            return Ok(size
                .map(|size_bytes| Entry { name: "config".to_owned(), size_bytes })
                .into_iter()
                .collect());
        }
        let url = self.url(&format!("{}/", kind.as_str()))?;
        let action = format!("list {}", kind.as_str());
        let r = self.send(&action, |c| {
            c.get(url.as_str()).header(header::ACCEPT, "application/vnd.x.restic.rest.v2").into_ok()
        })?;
        // A body that breaks off is no JSON: the listing is whole or an error.
        let rows: Vec<Row> = self.json(&action, r)?;
        // What bears no name of an object is none.
        let mut rows: Vec<Entry> = rows
            .into_iter()
            .filter(|r| Key::new(kind, &r.name).is_ok())
            .map(|r| Entry { name: r.name, size_bytes: r.size })
            .collect();
        rows.sort();
        Ok(rows)
    }

    fn replace(&self, key: &Key, _: &[u8]) -> Result<(), StoreError> {
        let why = "a vault overwrites nothing".to_owned();
        Err(StoreError::Refused {
            location: self.location(),
            action: format!("replace {key}"),
            why: why.into(),
        })
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let url = self.key_url(key)?;
        self.send(&format!("delete {key}"), |c| c.delete(url.as_str()).into_ok()).map(|_| ())
    }
}
