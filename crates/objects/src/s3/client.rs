use crate::{Entry, Key, Kind, Put, Store, StoreError, bounds, key_of, path_of};
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    operation::head_object::HeadObjectOutput,
    primitives::{ByteStream, DateTime},
    types::{ObjectCannedAcl, ObjectLockMode},
};
use aws_smithy_http_client::tls;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use std::{
    future::Future,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use strongroom_model::Clock;

/// How to reach a bucket.
#[derive(Clone)]
pub struct S3Settings {
    /// The server; `None` is AWS itself.
    pub endpoint: Option<url::Url>,
    /// Its region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What stands before every path, empty or ending in a slash.
    pub prefix: String,
    /// Name of the credential.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// CA that signed the server's certificate, when it is not a public one.
    pub ca_file: Option<PathBuf>,
    /// Gives the bucket's owner control of what this credential puts: needed where objects belong
    /// to who put them.
    pub owner_control: bool,
    /// The time that signs requests; the system's when absent.
    pub clock: Option<Arc<dyn Clock>>,
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "S3Settings({:?}, {}/{}, as {})",
            self.endpoint.as_ref().map(url::Url::as_str),
            self.bucket,
            self.prefix,
            self.access_key_id
        )
    }
}

struct ClockSource(Arc<dyn Clock>);

impl std::fmt::Debug for ClockSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClockSource")
    }
}

impl aws_smithy_async::time::TimeSource for ClockSource {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}

/// A bucket, or a part of one. Calls block; use it from ordinary threads.
pub struct S3Bucket {
    pub(super) settings: S3Settings,
    pub(super) client: Client,
    /// The same without a second try: for what is meant to be refused.
    pub(super) once: Client,
    runtime: Option<tokio::runtime::Runtime>,
    pub(super) sent: Arc<AtomicU64>,
    pub(super) plain: reqwest::blocking::Client,
}

impl Drop for S3Bucket {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, and must not be dropped inside another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What an S3 server answered to something that it did not do.
#[derive(Debug, Clone)]
pub(super) struct Denial {
    pub(super) status: Option<u16>,
    pub(super) code: String,
    pub(super) message: String,
}

/// An answer that is not read to its end.
fn given_up(status: Option<u16>, message: String) -> Denial {
    Denial { status, code: String::new(), message }
}

pub(super) fn denial<E: ProvideErrorMetadata + std::fmt::Debug>(e: &SdkError<E>) -> Denial {
    let status = e.raw_response().map(|r| r.status().as_u16());
    let code = e.code().unwrap_or_default().to_owned();
    let mut message = e.message().unwrap_or_default().to_owned();
    if status.is_none() {
        // Not a word of the server: what lies under it says why.
        message = match e {
            SdkError::DispatchFailure(d) => d
                .as_connector_error()
                .map_or_else(|| "the connection failed".to_owned(), |c| chain(c)),
            SdkError::TimeoutError(_) => "no answer in time".to_owned(),
            other => format!("{other}"),
        };
    }
    Denial { status, code, message }
}

fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut next = e.source();
    while let Some(e) = next {
        text = format!("{text}: {e}");
        next = e.source();
    }
    text
}

pub(super) fn md5_of(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

pub(super) fn stamp(t: Timestamp) -> DateTime {
    DateTime::from_secs(t.as_second())
}

pub(super) fn time(t: &DateTime) -> Option<Timestamp> {
    Timestamp::new(t.secs(), i32::try_from(t.subsec_nanos()).unwrap_or(0)).ok()
}

pub(super) fn locked_until(h: &HeadObjectOutput) -> Option<Timestamp> {
    // GOVERNANCE can be bypassed by whoever may: it counts as no lock.
    (h.object_lock_mode() == Some(&ObjectLockMode::Compliance))
        .then(|| h.object_lock_retain_until_date().and_then(time))
        .flatten()
}

impl S3Bucket {
    /// Connects lazily; only bad settings fail here.
    pub fn new(settings: S3Settings) -> Result<Self, StoreError> {
        let location = format!("s3:{}/{}", settings.bucket, settings.prefix);
        let failed = |why: String| StoreError::Failed {
            location: location.clone(),
            action: "set up the connection".to_owned(),
            why,
        };
        let pem = match &settings.ca_file {
            Some(path) => Some(
                crate::read_regular(path, crate::SETTINGS_BYTES_MAX)
                    .map_err(|e| failed(format!("CA file {}: {e}", path.display())))?,
            ),
            None => None,
        };
        let mut trust = tls::TrustStore::default();
        let mut plain = reqwest::blocking::Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &pem {
            trust = trust.with_native_roots(false).with_pem_certificate(pem.as_slice());
            let certs =
                reqwest::Certificate::from_pem_bundle(pem).map_err(|e| failed(e.to_string()))?;
            plain = plain.tls_certs_only(certs);
        } else if settings.endpoint.as_ref().is_some_and(|e| e.scheme() == "http") {
            plain = plain.tls_certs_only([]);
        }
        let context = tls::TlsContext::builder()
            .with_trust_store(trust)
            .build()
            .map_err(|e| failed(e.to_string()))?;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .tls_context(context)
            .build_https();
        let credentials = Credentials::builder()
            .access_key_id(&settings.access_key_id)
            .secret_access_key(settings.secret_access_key.expose_secret())
            .provider_name("strongroom")
            .build();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_secs(120))
            .operation_attempt_timeout(Duration::from_secs(600))
            .build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .force_path_style(true)
            .credentials_provider(credentials)
            .http_client(http)
            // Older Ceph refuses streams with trailers.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::standard().with_max_attempts(5))
            .timeout_config(timeouts);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint.as_str().trim_end_matches('/'));
        }
        if let Some(clock) = &settings.clock {
            config = config.time_source(ClockSource(clock.clone()));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|e| failed(e.to_string()))?;
        let plain = plain.build().map_err(|e| failed(e.to_string()))?;
        let once = Client::from_conf(config.clone().retry_config(RetryConfig::disabled()).build());
        Ok(Self {
            client: Client::from_conf(config.build()),
            once,
            runtime: Some(runtime),
            settings,
            sent: Arc::default(),
            plain,
        })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.settings.bucket
    }

    /// The name of the credential.
    pub fn access_key_id(&self) -> &str {
        &self.settings.access_key_id
    }

    /// The server, or AWS.
    pub fn endpoint(&self) -> String {
        self.settings.endpoint.as_ref().map_or_else(
            || format!("AWS, {}", self.settings.region),
            |e| e.origin().ascii_serialization(),
        )
    }

    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.settings.prefix)
    }

    /// Runs a call, and waits.
    pub(super) fn wait<T: Send, E: ProvideErrorMetadata + std::fmt::Debug + Send>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E>>> + Send,
    ) -> Result<T, Denial> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.block(async { call.await.map_err(|e| denial(&e)) })
    }

    fn block<T: Send>(
        &self,
        work: impl Future<Output = Result<T, Denial>> + Send,
    ) -> Result<T, Denial> {
        let failed = |message: &str| {
            Err(Denial { status: None, code: String::new(), message: message.to_owned() })
        };
        let Some(runtime) = &self.runtime else { return failed("the connection was closed") };
        if tokio::runtime::Handle::try_current().is_err() {
            return runtime.block_on(work);
        }
        // A thread that works for another runtime may wait for none; one of its own may.
        std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join())
            .unwrap_or_else(|_| failed("the connection's thread ended"))
    }

    pub(super) fn where_(&self) -> String {
        format!("s3:{}/{}/{}", self.endpoint(), self.settings.bucket, self.settings.prefix)
    }

    pub(super) fn error(&self, action: &str, path: &str, d: &Denial) -> StoreError {
        let location = self.where_();
        let why = match (d.code.as_str(), d.message.as_str()) {
            ("", "") => d.status.map_or_else(|| "no answer".to_owned(), |s| format!("status {s}")),
            ("", m) => m.to_owned(),
            (c, "") => c.to_owned(),
            (c, m) => format!("{c}: {m}"),
        };
        match d.status {
            // A bucket that is not there is no empty bucket.
            Some(404) if d.code != "NoSuchBucket" => {
                StoreError::NotFound { key: path.to_owned(), location }
            }
            // A definite no to this one thing: an object under somebody else's key is no outage.
            Some(s) if (400..500).contains(&s) && !matches!(s, 404 | 408 | 429) => {
                StoreError::Refused { location, action: action.to_owned(), why }
            }
            _ => StoreError::Failed { location, action: action.to_owned(), why },
        }
    }

    pub(super) fn head(
        &self,
        path: &str,
        version: Option<&str>,
    ) -> Result<Option<HeadObjectOutput>, StoreError> {
        let call = self
            .client
            .head_object()
            .bucket(&self.settings.bucket)
            .key(self.path(path))
            .set_version_id(version.map(str::to_owned));
        match self.wait(call.send()) {
            Ok(h) => Ok(Some(h)),
            // 405 is the answer for a version that is a delete marker.
            Err(d) if matches!(d.status, Some(404 | 405)) && d.code != "NoSuchBucket" => Ok(None),
            Err(d) => Err(self.error(&format!("look at {path}"), path, &d)),
        }
    }

    pub(super) fn read(
        &self,
        path: &str,
        version: Option<&str>,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, StoreError> {
        let wanted =
            range.clone().map(|r| format!("bytes={}-{}", r.start, r.end.saturating_sub(1)));
        let most = key_of(path).map_or(bounds::OTHER_BYTES_MAX, |key| key.kind().bytes_max());
        let call = self
            .client
            .get_object()
            .bucket(&self.settings.bucket)
            .key(self.path(path))
            .set_version_id(version.map(str::to_owned))
            .set_range(wanted);
        self.sent.fetch_add(1, Ordering::Relaxed);
        let got = self.block(async {
            let mut out = call.send().await.map_err(|e| denial(&e))?;
            let expected = out.content_length();
            let said = expected.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            if said > most {
                return Err(given_up(Some(413), bounds::too_long(said, most)));
            }
            let began = Instant::now();
            let mut body = BytesMut::new();
            loop {
                let so_far = body.len() as u64;
                let piece = tokio::time::timeout(bounds::STILL, out.body.next()).await;
                match piece.map_err(|_| given_up(None, bounds::slow(so_far)))? {
                    None => break,
                    Some(Ok(piece)) => body.extend_from_slice(&piece),
                    Some(Err(e)) => return Err(given_up(None, e.to_string())),
                }
                let so_far = body.len() as u64;
                if so_far > most {
                    return Err(given_up(Some(413), bounds::too_long(so_far, most)));
                }
                if bounds::too_slow(so_far, began.elapsed()) {
                    return Err(given_up(None, bounds::slow(so_far)));
                }
            }
            Ok((body.freeze(), expected))
        });
        let (bytes, expected) = got.map_err(|d| self.error(&format!("read {path}"), path, &d))?;
        let expected = match &range {
            Some(r) => Some(r.end - r.start),
            None => expected.and_then(|n| u64::try_from(n).ok()),
        };
        if expected.is_some_and(|n| n != bytes.len() as u64) {
            return Err(StoreError::Damaged {
                key: path.to_owned(),
                location: self.where_(),
                why: format!(
                    "{} bytes came where {} were announced",
                    bytes.len(),
                    expected.unwrap_or_default()
                ),
            });
        }
        Ok(bytes)
    }

    pub(super) fn write(
        &self,
        path: &str,
        bytes: &Bytes,
        until: Option<Timestamp>,
        only_if_absent: bool,
    ) -> Result<Result<Option<String>, Denial>, StoreError> {
        let mut call = self
            .client
            .put_object()
            .bucket(&self.settings.bucket)
            .key(self.path(path))
            .content_md5(md5_of(bytes))
            .content_type("application/octet-stream")
            .body(ByteStream::from(bytes.clone()));
        if let Some(until) = until {
            call = call
                .object_lock_mode(ObjectLockMode::Compliance)
                .object_lock_retain_until_date(stamp(until));
        }
        if self.settings.owner_control {
            call = call.acl(ObjectCannedAcl::BucketOwnerFullControl);
        }
        if only_if_absent {
            call = call.if_none_match("*");
        }
        Ok(match self.wait(call.send()) {
            Ok(out) => Ok(out.version_id().map(str::to_owned)),
            Err(d) => Err(d),
        })
    }

    /// A listing that does not end is none.
    pub(super) fn may_go_on(
        &self,
        prefix: &str,
        pages: &mut usize,
        began: Instant,
    ) -> Result<(), StoreError> {
        *pages += 1;
        if *pages <= bounds::PAGES_MAX && began.elapsed() < bounds::LISTING_TIME_MAX {
            return Ok(());
        }
        Err(StoreError::Failed {
            location: self.where_(),
            action: format!("list {prefix}"),
            why: format!("the listing has no end: it goes on after {pages} pages"),
        })
    }

    fn pages(&self, prefix: &str, mut row: impl FnMut(&str, u64)) -> Result<(), StoreError> {
        let full = self.path(prefix);
        let (mut token, mut before): (Option<String>, Option<String>) = (None, None);
        let (began, mut pages) = (Instant::now(), 0);
        loop {
            self.may_go_on(prefix, &mut pages, began)?;
            let call = self
                .client
                .list_objects_v2()
                .bucket(&self.settings.bucket)
                .prefix(&full)
                .set_continuation_token(token.take());
            let page = self
                .wait(call.send())
                .map_err(|d| self.error(&format!("list {prefix}"), prefix, &d))?;
            for o in page.contents() {
                if let Some(path) = o.key().and_then(|k| k.strip_prefix(&self.settings.prefix)) {
                    row(path, o.size().and_then(|n| u64::try_from(n).ok()).unwrap_or(0));
                }
            }
            match (page.is_truncated() == Some(true), page.next_continuation_token()) {
                (false, _) => return Ok(()),
                // The same place again, and again.
                (true, Some(next)) if before.as_deref() == Some(next) => {
                    pages = bounds::PAGES_MAX;
                }
                (true, Some(next)) => {
                    before = Some(next.to_owned());
                    token = Some(next.to_owned());
                }
                (true, None) => {
                    let why = "the server says that there is more, and not where".to_owned();
                    return Err(StoreError::Failed {
                        location: self.where_(),
                        action: format!("list {prefix}"),
                        why,
                    });
                }
            }
        }
    }

    /// Puts what is not there. `present` judges what is there all the same.
    fn put_new(
        &self,
        key: &Key,
        bytes: &[u8],
        present: impl Fn(u64) -> Result<Put, StoreError>,
    ) -> Result<Put, StoreError> {
        let path = path_of(key);
        let bytes = Bytes::copy_from_slice(bytes);
        let written = match self.write(&path, &bytes, None, true)? {
            // Servers that know no condition (Backblaze) say so: they were asked before, or the
            // name is new.
            Err(d) if d.status == Some(501) || d.code == "NotImplemented" => {
                self.write(&path, &bytes, None, false)?
            }
            // Somebody else writes it at this moment, or did: who was first shows.
            Err(d) if matches!(d.status, Some(409 | 412)) => match Store::size(self, key)? {
                Some(there) => return present(there),
                None => self.write(&path, &bytes, None, true)?,
            },
            other => other,
        };
        match written {
            Ok(_) => Ok(Put::New),
            Err(d) => Err(self.error(&format!("write {key}"), &path, &d)),
        }
    }

    fn cut_short(&self, key: &Key, there: u64, length: u64) -> StoreError {
        StoreError::Damaged {
            key: key.to_string(),
            location: self.where_(),
            why: format!("it has {there} bytes and should have {length}"),
        }
    }
}

impl Store for S3Bucket {
    fn location(&self) -> String {
        self.where_()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let length = bytes.len() as u64;
        // What another wrote is taken for this only where it can be this.
        let present = |there: u64| match there == length || key.kind() == Kind::Config {
            true => Ok(Put::Present),
            false => Err(self.cut_short(key, there, length)),
        };
        // Servers that ignore the condition on the PUT are asked first.
        if let Some(there) = self.size(key)? {
            return present(there);
        }
        self.put_new(key, bytes, present)
    }

    fn put_fresh(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let length = bytes.len() as u64;
        // One that was sent twice, since the first answer was lost.
        let present = |there: u64| match there == length {
            true => Ok(Put::Present),
            false => Err(self.cut_short(key, there, length)),
        };
        self.put_new(key, bytes, present).map(|_| ())
    }

    fn is_distant(&self) -> bool {
        true
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.read(&path_of(key), None, None)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let path = path_of(key);
        self.read(&path, None, Some(range.clone())).map_err(|e| match e {
            // A range behind the end is a short read.
            StoreError::Refused { why, .. } if why.starts_with("InvalidRange") => {
                StoreError::Damaged {
                    key: key.to_string(),
                    location: self.where_(),
                    why: format!("it ends before byte {}", range.end),
                }
            }
            e => e,
        })
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let Some(h) = self.head(&path_of(key), None)? else { return Ok(None) };
        let length = h.content_length().and_then(|n| u64::try_from(n).ok());
        // A length that is not said is no absence.
        length.map(Some).ok_or_else(|| StoreError::Failed {
            location: self.where_(),
            action: format!("look at {key}"),
            why: "the server does not say how long it is".to_owned(),
        })
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let prefix =
            if kind == Kind::Config { "config".to_owned() } else { format!("{}/", kind.as_str()) };
        let mut rows = Vec::new();
        self.pages(&prefix, |path, size_bytes| {
            if let Some(key) = key_of(path).filter(|k| k.kind() == kind) {
                rows.push(Entry { name: key.name().to_owned(), size_bytes });
            }
        })?;
        rows.sort();
        rows.dedup_by(|a, b| a.name == b.name);
        Ok(rows)
    }

    fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        crate::LockedStore::date(self)
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let path = path_of(key);
        self.write(&path, &Bytes::copy_from_slice(bytes), None, false)?
            .map(|_| ())
            .map_err(|d| self.error(&format!("replace {key}"), &path, &d))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let path = path_of(key);
        let call = self.client.delete_object().bucket(&self.settings.bucket).key(self.path(&path));
        match self.wait(call.send()) {
            Ok(_) => Ok(()),
            Err(d) if d.status == Some(404) && d.code != "NoSuchBucket" => Ok(()),
            Err(d) => Err(self.error(&format!("remove {key}"), &path, &d)),
        }
    }
}
