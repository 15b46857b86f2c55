use super::upload::{STILL, Watched};
use crate::{
    Entry, Key, Kind, Put, RetryPolicy, SETTINGS_BYTES_MAX, Store, StoreError, bounds, key_of,
    path_of, read_regular, xml,
};
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, RuntimeComponents, SharedHttpClient,
        StalledStreamProtectionConfig, interceptors::AfterDeserializationInterceptorContextRef,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    operation::head_object::HeadObjectOutput,
    primitives::{ByteStream, DateTime},
    types::{ObjectCannedAcl, ObjectLockMode},
};
use aws_smithy_http_client::{Connector, proxy::ProxyConfig, tls};
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
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use strongroom_model::{Clock, Untrusted};

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

/// For an answer to begin to what carries no bytes.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);
/// Why a listing is not believed.
pub(super) const NOWHERE: &str = "the server says that there is more, and not where";

/// A bucket, or a part of one. Calls block; use it from ordinary threads.
pub struct S3Bucket {
    pub(super) settings: S3Settings,
    /// Asks once; who asks again is [`S3Bucket::wait`].
    pub(super) client: Client,
    runtime: Option<tokio::runtime::Runtime>,
    pub(super) sent: Arc<AtomicU64>,
    pub(super) plain: reqwest::blocking::Client,
    patience: RetryPolicy,
    /// Whether the server said that it knows no condition on a PUT.
    is_unconditional: AtomicBool,
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
    pub(super) code: Untrusted,
    pub(super) message: Untrusted,
    /// Whether there was no answer at all, and another try may bring one.
    is_lost: bool,
}

impl Denial {
    /// Without a word of the server.
    fn own(status: Option<u16>, message: String) -> Self {
        Self { status, code: Untrusted::default(), message: message.into(), is_lost: false }
    }

    /// Whether another try may do.
    fn is_outage(&self) -> bool {
        match self.status {
            None => self.is_lost,
            // 501 is what a server does not know.
            Some(s) => {
                s >= 500 && s != 501
                    || matches!(s, 408 | 429)
                    || matches!(self.code.as_str(), "RequestTimeout" | "SlowDown")
            }
        }
    }
}

pub(super) fn denial<E>(e: &SdkError<E>) -> Denial
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = e.raw_response().map(|r| r.status().as_u16());
    let code = e.code().unwrap_or_default().to_owned();
    let mut message = e.message().unwrap_or_default().to_owned();
    // Not a word of the server: what lies under it says why.
    match e {
        SdkError::DispatchFailure(d) => {
            message = d
                .as_connector_error()
                .map_or_else(|| "the connection failed".to_owned(), |c| chain(c));
        }
        SdkError::TimeoutError(_) => message = "no answer in time".to_owned(),
        SdkError::ResponseError(_) => {
            message = format!("its answer is not understood: {}", bounds::innermost(e));
        }
        other if status.is_none() => message = format!("{other}"),
        _ => {}
    }
    let is_lost = matches!(e, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_));
    Denial { status, code: code.into(), message: message.into(), is_lost }
}

/// Lets no listing through that breaks off: the SDK reads what is there, and takes that for all.
#[derive(Debug)]
pub(super) struct WholeListing;

impl Intercept for WholeListing {
    fn name(&self) -> &'static str {
        "WholeListing"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let answer = context.response();
        if !answer.status().is_success() {
            return Ok(());
        }
        let body = answer.body().bytes().ok_or("the listing is not at hand")?;
        Ok(xml::must_be_whole(body).map_err(|why| format!("the listing: {why}"))?)
    }
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
        Self::new_watched(settings, STILL)
    }

    /// The same with another time for which an upload may stand still, for tests.
    #[doc(hidden)]
    pub fn new_watched(settings: S3Settings, still: Duration) -> Result<Self, StoreError> {
        let location = format!("s3:{}/{}", settings.bucket, settings.prefix);
        let failed = |why: String| StoreError::Failed {
            location: location.clone(),
            action: "set up the connection".to_owned(),
            why: why.into(),
        };
        let pem = match &settings.ca_file {
            Some(path) => Some(
                read_regular(path, SETTINGS_BYTES_MAX)
                    .map_err(|e| failed(format!("CA file {}: {e}", path.display())))?,
            ),
            None => None,
        };
        let is_plain = settings.endpoint.as_ref().is_some_and(|e| e.scheme() == "http");
        let mut trust = tls::TrustStore::default();
        let mut plain = reqwest::blocking::Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &pem {
            trust = trust.with_native_roots(false).with_pem_certificate(pem.as_slice());
            let certs =
                reqwest::Certificate::from_pem_bundle(pem).map_err(|e| failed(e.to_string()))?;
            if certs.is_empty() {
                return Err(failed("the CA file holds no certificate".to_owned()));
            }
            plain = plain.tls_certs_only(certs);
        } else if is_plain {
            plain = plain.tls_certs_only([]);
        }
        // No proxy on the way to this very host: it would read the credential.
        let proxy = match is_plain {
            true => ProxyConfig::disabled(),
            false => ProxyConfig::from_env(),
        };
        if is_plain {
            plain = plain.no_proxy();
        }
        let context = tls::TlsContext::builder()
            .with_trust_store(trust)
            .build()
            .map_err(|e| failed(e.to_string()))?;
        let inner = aws_smithy_http_client::Builder::new().build_with_connector_fn(
            move |settings, components| {
                let mut connector = Connector::builder().proxy_config(proxy.clone());
                connector.set_connector_settings(settings.cloned());
                if let Some(components) = components {
                    connector.set_sleep_impl(components.sleep_impl());
                }
                connector
                    .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
                    .tls_context(context.clone())
                    .build()
            },
        );
        let http = SharedHttpClient::new(Watched { inner, still });
        let credentials = Credentials::builder()
            .access_key_id(&settings.access_key_id)
            .secret_access_key(settings.secret_access_key.expose_secret())
            .provider_name("strongroom")
            .build();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(20))
            .operation_attempt_timeout(ANSWER_TIME_MAX)
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
            .retry_config(RetryConfig::disabled())
            // An upload over a slow line stands still while buffers empty: it is watched with time
            // for that. Answers have their own bounds.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
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
        Ok(Self {
            client: Client::from_conf(config.build()),
            runtime: Some(runtime),
            settings,
            sent: Arc::default(),
            plain,
            patience: RetryPolicy::short(),
            is_unconditional: AtomicBool::default(),
        })
    }

    /// The same with another patience.
    pub fn with_patience(mut self, patience: RetryPolicy) -> Self {
        self.patience = patience;
        self
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

    /// Makes a call, and makes it again while there is no answer.
    pub(super) fn wait<T, E, F>(&self, call: impl Fn() -> F) -> Result<T, Denial>
    where
        T: Send,
        E: ProvideErrorMetadata + std::error::Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E>>> + Send,
    {
        self.patiently(|| self.once(call()))
    }

    /// Makes a call, without a second try: for what is meant to be refused.
    pub(super) fn once<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E>>> + Send,
    ) -> Result<T, Denial>
    where
        T: Send,
        E: ProvideErrorMetadata + std::error::Error + Send + 'static,
    {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.block(async { call.await.map_err(|e| denial(&e)) })
    }

    fn patiently<T>(&self, attempt: impl Fn() -> Result<T, Denial>) -> Result<T, Denial> {
        let mut waiting = self.patience.begin();
        loop {
            match attempt() {
                Err(d) if d.is_outage() => {
                    let goes_on = match d.status {
                        Some(status) => waiting.again_after(status, Duration::ZERO),
                        None => waiting.again(Duration::ZERO),
                    };
                    if !goes_on {
                        return Err(d);
                    }
                }
                done => {
                    self.patience.answered();
                    return done;
                }
            }
        }
    }

    fn block<T: Send>(
        &self,
        work: impl Future<Output = Result<T, Denial>> + Send,
    ) -> Result<T, Denial> {
        let failed = |message: &str| Err(Denial::own(None, message.to_owned()));
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
            ("", _) => d.message.quoted().to_string(),
            (_, "") => d.code.quoted().to_string(),
            _ => format!("{}: {}", d.code.quoted(), d.message.quoted()),
        };
        match d.status {
            // A bucket that is not there is no empty bucket.
            Some(404) if d.code != "NoSuchBucket" => {
                StoreError::NotFound { key: path.to_owned(), location }
            }
            // A definite no to this one thing: an object under somebody else's key is no outage.
            Some(s) if (400..500).contains(&s) && !matches!(s, 404 | 408 | 429) => {
                StoreError::Refused { location, action: action.to_owned(), why: why.into() }
            }
            _ => StoreError::Failed { location, action: action.to_owned(), why: why.into() },
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
        match self.wait(|| call.clone().send()) {
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
        bounds::again(|| self.read_once(path, version, range.clone()))
    }

    fn read_once(
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
        let action = format!("read {path}");
        let mut out =
            self.wait(|| call.clone().send()).map_err(|d| self.error(&action, path, &d))?;
        let got = self.block(async {
            let expected = out.content_length();
            let said = expected.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            if said > most {
                return Err(Denial::own(Some(413), bounds::too_long(said, most)));
            }
            let began = Instant::now();
            let mut body = BytesMut::new();
            loop {
                let so_far = body.len() as u64;
                let piece = tokio::time::timeout(bounds::STILL, out.body.next()).await;
                match piece.map_err(|_| Denial::own(None, bounds::slow(so_far)))? {
                    None => break,
                    Some(Ok(piece)) => body.extend_from_slice(&piece),
                    Some(Err(e)) => return Err(Denial::own(None, e.to_string())),
                }
                let so_far = body.len() as u64;
                if so_far > most {
                    return Err(Denial::own(Some(413), bounds::too_long(so_far, most)));
                }
                if bounds::too_slow(so_far, began.elapsed()) {
                    return Err(Denial::own(None, bounds::slow(so_far)));
                }
            }
            Ok((body.freeze(), expected))
        });
        let (bytes, announced) = got.map_err(|d| self.error(&action, path, &d))?;
        let (came, announced) = (bytes.len() as u64, announced.and_then(|n| u64::try_from(n).ok()));
        let asked = range.map(|r| r.end.saturating_sub(r.start));
        // Shorter than was announced, or than was asked for where nothing was: it was cut off.
        if let Some(n) = announced.or(asked).filter(|n| *n != came) {
            return Err(StoreError::Failed {
                location: self.where_(),
                action,
                why: format!("{came} of {n} bytes came").into(),
            });
        }
        match asked.filter(|n| *n != came) {
            None => Ok(bytes),
            Some(n) => Err(StoreError::Damaged {
                key: path.to_owned(),
                location: self.where_(),
                why: format!("{came} bytes came where {n} were asked for").into(),
            }),
        }
    }

    pub(super) fn write(
        &self,
        path: &str,
        bytes: &Bytes,
        until: Option<Timestamp>,
        only_if_absent: bool,
    ) -> Result<Result<Option<String>, Denial>, StoreError> {
        let (md5, time) = (md5_of(bytes), bounds::time_for(bytes.len() as u64));
        let times = TimeoutConfig::builder().operation_attempt_timeout(time).build();
        let send = || {
            let mut call = self
                .client
                .put_object()
                .bucket(&self.settings.bucket)
                .key(self.path(path))
                .content_md5(&md5)
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
            let times = aws_sdk_s3::Config::builder().timeout_config(times.clone());
            call.customize().config_override(times).send()
        };
        Ok(self.wait(send).map(|out| out.version_id().map(str::to_owned)))
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
            why: format!("the listing has no end: it goes on after {pages} pages").into(),
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
            let page = bounds::again(|| {
                self.wait(|| call.clone().customize().interceptor(WholeListing).send())
                    .map_err(|d| self.error(&format!("list {prefix}"), prefix, &d))
            })?;
            let came = page.contents().len();
            if let Some(n) = page.key_count().filter(|n| usize::try_from(*n) != Ok(came)) {
                let why = format!("{came} of {n} names came");
                return Err(self.not_whole(prefix, why));
            }
            for o in page.contents() {
                if let Some(path) = o.key().and_then(|k| k.strip_prefix(&self.settings.prefix)) {
                    row(path, self.said(prefix, path, o.size())?);
                }
            }
            match (self.goes_on(prefix, page.is_truncated())?, page.next_continuation_token()) {
                (false, _) => return Ok(()),
                // The same place again, and again.
                (true, Some(next)) if before.as_deref() == Some(next) => {
                    pages = bounds::PAGES_MAX;
                }
                (true, Some(next)) => {
                    before = Some(next.to_owned());
                    token = Some(next.to_owned());
                }
                (true, None) => return Err(self.not_whole(prefix, NOWHERE)),
            }
        }
    }

    /// A listing that cannot be believed.
    pub(super) fn not_whole(&self, prefix: &str, why: impl Into<Untrusted>) -> StoreError {
        StoreError::Failed {
            location: self.where_(),
            action: format!("list {prefix}"),
            why: why.into(),
        }
    }

    /// Whether there is more; what is not said is no end.
    pub(super) fn goes_on(&self, prefix: &str, said: Option<bool>) -> Result<bool, StoreError> {
        said.ok_or_else(|| self.not_whole(prefix, "the server does not say whether that is all"))
    }

    /// A length; one that is not said is not nothing.
    pub(super) fn said(
        &self,
        prefix: &str,
        path: &str,
        size: Option<i64>,
    ) -> Result<u64, StoreError> {
        size.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| {
            self.not_whole(prefix, format!("the server does not say how long {path} is"))
        })
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
        let if_absent = !self.is_unconditional.load(Ordering::Relaxed);
        let written = match self.write(&path, &bytes, None, if_absent)? {
            // Servers that know no condition (Backblaze) say so, once: they were asked before, or
            // the name is new.
            Err(d) if if_absent && (d.status == Some(501) || d.code == "NotImplemented") => {
                self.is_unconditional.store(true, Ordering::Relaxed);
                self.write(&path, &bytes, None, false)?
            }
            // Somebody else writes it at this moment, or did: who was first shows.
            Err(d) if matches!(d.status, Some(409 | 412)) => match Store::size(self, key)? {
                Some(there) => return present(there),
                None => self.write(&path, &bytes, None, if_absent)?,
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
            why: format!("it has {there} bytes and should have {length}").into(),
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
            StoreError::Refused { why, .. } if why.as_str().starts_with("InvalidRange") => {
                StoreError::Damaged {
                    key: key.to_string(),
                    location: self.where_(),
                    why: format!("it ends before byte {}", range.end).into(),
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
            why: "the server does not say how long it is".into(),
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
        match self.wait(|| call.clone().send()) {
            Ok(_) => Ok(()),
            Err(d) if d.status == Some(404) && d.code != "NoSuchBucket" => Ok(()),
            Err(d) => Err(self.error(&format!("remove {key}"), &path, &d)),
        }
    }
}
