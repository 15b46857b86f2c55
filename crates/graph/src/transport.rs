//! What carries a request to a service and brings the answer back.
//!
//! Everything that this crate sends goes through one [`Transport`]: sign-in, calls, batches,
//! ranges of uploads, and downloads from pre-authenticated URLs. The usual one is
//! [`Https`](crate::Https); a test plugs in another, and no socket is needed.

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::{future::Future, pin::Pin};
use strongroom_model::limits;
use url::Url;

/// A request, whole. It may hold a token, and its URL may be a credential: it has no `Debug`.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: Url,
    /// All headers but those of the connection (Host, Content-Length, User-Agent).
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Bytes>,
}

/// Pieces of a body, in order. An error ends it: what came before is not the whole.
pub type BodyStream = BoxStream<'static, Result<Bytes, TransportError>>;

/// An answer whose body is still on its way.
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: BodyStream,
}

/// No answer, or not a whole one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct TransportError {
    /// What went wrong, in one clause, without URLs: some are credentials.
    pub text: String,
    /// Whether the request may have reached the service, so that only a request that does no harm
    /// when repeated may be sent again.
    pub sent: bool,
}

/// An answer that is awaited, boxed so that [`Transport`] stays object-safe.
pub type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<HttpAnswer, TransportError>> + Send + 'a>>;

/// Carries requests.
///
/// Contract: each request is sent once, to the host of its URL alone, with its headers alone. A
/// redirect is an answer like any other and is not followed, or a token would leave for another
/// host. Any status is an answer; an error means that there is none. Whoever drops the future or
/// the body gives up the request.
pub trait Transport: Send + Sync {
    /// Sends a request; ready when status and headers are there.
    fn send(&self, request: HttpRequest) -> Answering<'_>;
}

/// Why a body was not read whole.
pub(crate) enum Unread {
    /// It broke off.
    Broken(TransportError),
    /// It has more bytes than such an answer may have.
    TooLarge,
}

/// All of a body of at most `bytes_max`: whoever answers says how much memory that takes, so
/// nobody may say it without a limit.
pub(crate) async fn whole(mut body: BodyStream, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(Unread::Broken)?;
        if whole.len() + piece.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

impl HttpRequest {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None }
    }

    /// Adds a header beside those of the same name; what cannot be a header is left to the caller
    /// to explain.
    pub(crate) fn header(
        mut self,
        name: &'static str,
        value: &str,
    ) -> Result<Self, TransportError> {
        let value = HeaderValue::from_str(value).map_err(|_| TransportError {
            text: format!("the header {name} holds what no header may hold"),
            sent: false,
        })?;
        let name = HeaderName::from_lowercase(name.to_ascii_lowercase().as_bytes())
            .map_err(|_| TransportError { text: format!("{name} names no header"), sent: false })?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// Signs the request with a token.
    pub(crate) fn bearer(mut self, token: &str) -> Result<Self, TransportError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            TransportError { text: "the token holds what no header may hold".into(), sent: false }
        })?;
        value.set_sensitive(true);
        self.headers.insert(http::header::AUTHORIZATION, value);
        Ok(self)
    }

    pub(crate) fn body(mut self, body: impl Into<Option<Bytes>>) -> Self {
        self.body = body.into();
        self
    }
}

impl HttpAnswer {
    /// A header as text; `None` too when it is no text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// When the service answered, by its own clock.
    pub(crate) fn date(&self) -> Option<jiff::Timestamp> {
        let said = jiff::fmt::rfc2822::parse(self.header("date")?).ok()?;
        Some(said.timestamp())
    }

    /// The whole body, of an answer that is known to be small.
    pub(crate) async fn bytes(self) -> Result<Bytes, TransportError> {
        whole(self.body, limits::ANSWER_BYTES_MAX).await.map(Bytes::from).map_err(|e| match e {
            Unread::Broken(e) => e,
            Unread::TooLarge => TransportError {
                text: format!("the answer has more than {} bytes", limits::ANSWER_BYTES_MAX),
                sent: true,
            },
        })
    }
}
