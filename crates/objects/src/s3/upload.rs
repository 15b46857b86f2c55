//! Uploads that stand still. A line that is cut without a word is given up while another try still
//! helps, and not when all the time is over that a slow line may take.

use crate::bounds;
use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient, http::HttpRequest};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::Instant;

/// What is handed to the connection at once.
const PIECE_BYTES: usize = 64 * 1024;
/// What the buffers of a connection may still hold when the last piece was handed over.
const BUFFERED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// For how long an upload may stand still: longer than buffers take to make room on the slowest
/// line that is waited for.
pub(super) const STILL: Duration = bounds::TAKEN;

/// A client whose uploads are watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) inner: SharedHttpClient,
    pub(super) still: Duration,
}

impl HttpClient for Watched {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Watching { inner, still: self.still })
    }
}

#[derive(Debug)]
struct Watching {
    inner: SharedHttpConnector,
    still: Duration,
}

impl HttpConnector for Watching {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let length = request.body().content_length().unwrap_or(0);
        if length == 0 {
            return self.inner.call(request);
        }
        let goes_on = Arc::new(Mutex::new(Instant::now() + self.still));
        // Its last piece may lie in buffers when it is handed over.
        let buffered = length.min(BUFFERED_BYTES_MAX) / bounds::UPLOAD_BYTES_PER_S_MIN;
        let body = Pieces {
            whole: request.take_body(),
            at_hand: Bytes::new(),
            left: length,
            still: self.still,
            after: self.still + Duration::from_secs(buffered),
            until: goes_on.clone(),
        };
        *request.body_mut() = SdkBody::from_body_1_x(body);
        let (answer, still) = (self.inner.call(request), self.still);
        HttpConnectorFuture::new(async move {
            let mut answer = std::pin::pin!(answer);
            loop {
                let until = *goes_on.lock().unwrap_or_else(PoisonError::into_inner);
                match tokio::time::timeout_at(until, &mut answer).await {
                    Ok(done) => return done,
                    Err(_) if *goes_on.lock().unwrap_or_else(PoisonError::into_inner) > until => {}
                    Err(_) => {
                        let why = format!("the upload stood still for {still:.0?}");
                        return Err(ConnectorError::timeout(why.into()));
                    }
                }
            }
        })
    }
}

/// A body that notes when the connection takes a piece of it.
struct Pieces {
    whole: SdkBody,
    at_hand: Bytes,
    left: u64,
    still: Duration,
    after: Duration,
    /// When it has stood still for too long, unless more is taken before.
    until: Arc<Mutex<Instant>>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = aws_smithy_types::body::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if this.at_hand.is_empty() {
            match ready!(Pin::new(&mut this.whole).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => this.at_hand = bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = this.at_hand.split_to(this.at_hand.len().min(PIECE_BYTES));
        this.left = this.left.saturating_sub(piece.len() as u64);
        let more = if this.left == 0 { this.after } else { this.still };
        *this.until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + more;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
