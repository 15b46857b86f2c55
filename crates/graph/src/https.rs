//! The usual transport: HTTPS over sockets.

use crate::{
    Error, ErrorKind, Settings,
    inside::Outside,
    transport::{Answering, BodyStream, HttpAnswer, HttpRequest, Transport, TransportError},
};
use futures::{StreamExt, TryStreamExt};
use rustix::fs::{Mode, OFlags};
use std::{io::Read, path::Path, sync::Arc, time::Duration};
use strongroom_model::limits;

/// HTTPS over sockets, HTTP/1.1, certificates always checked, redirects never followed.
pub struct Https {
    http: reqwest::Client,
    pace: Pace,
}

impl Https {
    /// Makes a client that trusts what the settings say. Fails when the CA file cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let bad = |text: String| Error::new(ErrorKind::Settings, text);
        let mut builder = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(32)
            .http1_only();
        if let Some(path) = &settings.ca_file {
            let pem = read_when_stable(path)
                .map_err(|e| bad(format!("the CA file {} cannot be read: {e}", path.display())))?;
            let certs = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| {
                bad(format!("the CA file {} holds no certificate: {e}", path.display()))
            })?;
            if certs.is_empty() {
                return Err(bad(format!("the CA file {} holds no certificate", path.display())));
            }
            builder = builder.tls_certs_only(certs);
        }
        if let Some(outside) = Outside::of(settings) {
            builder = builder.dns_resolver(Arc::new(outside));
        }
        let http =
            builder.build().map_err(|e| bad(format!("the HTTPS client cannot be set up: {e}")))?;
        let pace = Pace {
            grace: Duration::from_secs(limits::BODY_GRACE_S),
            bytes_s: limits::BODY_BYTES_S_MIN,
        };
        Ok(Self { http, pace })
    }

    /// The same with another pace: how long a body may keep its reader waiting in all, beside what
    /// its bytes take at so many a second.
    #[must_use]
    pub fn with_pace(mut self, grace: Duration, bytes_s: u64) -> Self {
        self.pace = Pace { grace, bytes_s };
        self
    }
}

/// The bytes of a file that people write. Nothing else is waited for, nor is what somebody puts in
/// its place meanwhile; and nothing without end is read.
fn read_when_stable(path: &Path) -> std::io::Result<Vec<u8>> {
    let bytes_max = limits::ANSWER_BYTES_MAX as u64;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > bytes_max {
        return Err(std::io::Error::other("it is no file, or too large for one"));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Transport for Https {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        let mut builder = self.http.request(request.method, request.url).headers(request.headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        Box::pin(async move {
            let answer = builder.send().await.map_err(|e| explain(&e))?;
            Ok(HttpAnswer {
                status: answer.status().as_u16(),
                headers: answer.headers().clone(),
                body: paced(answer.bytes_stream().map_err(|e| explain(&e)).boxed(), self.pace),
            })
        })
    }
}

/// How slowly a body may come: a server that sends a byte a minute holds one of a mailbox's few
/// places for ever otherwise.
#[derive(Clone, Copy)]
struct Pace {
    grace: Duration,
    bytes_s: u64,
}

/// A body that ends with an error when it kept its reader waiting for longer than its pace allows.
/// Time that the reader takes for itself does not count.
fn paced(body: BodyStream, pace: Pace) -> BodyStream {
    let begin = (body, Duration::ZERO, 0_u64);
    futures::stream::try_unfold(begin, move |(mut body, waited, bytes)| async move {
        let may_take = pace.grace + Duration::from_secs(bytes / pace.bytes_s.max(1));
        let began = tokio::time::Instant::now();
        let left = may_take.saturating_sub(waited);
        let Ok(next) = tokio::time::timeout(left, body.next()).await else {
            let text = format!("the answer comes too slowly: {bytes} bytes in {waited:.0?}");
            return Err(TransportError { text, sent: true });
        };
        let waited = waited + began.elapsed();
        match next.transpose()? {
            Some(piece) => {
                let bytes = bytes + piece.len() as u64;
                Ok(Some((piece, (body, waited, bytes))))
            }
            None => Ok(None),
        }
    })
    .boxed()
}

/// The chain of causes in one line; reqwest's own text hides them. URLs are left out: some are
/// credentials.
fn explain(e: &reqwest::Error) -> TransportError {
    let mut text = String::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(e);
    while let Some(s) = source {
        text = s.to_string();
        source = s.source();
    }
    let text = match (e.is_timeout(), e.is_connect(), text.is_empty()) {
        (true, _, _) => "no answer in time".to_owned(),
        (_, true, false) => format!("no connection: {text}"),
        (_, true, true) => "no connection".to_owned(),
        (_, _, false) => format!("the connection failed: {text}"),
        _ => "the connection failed".to_owned(),
    };
    TransportError { text, sent: !e.is_connect() }
}
