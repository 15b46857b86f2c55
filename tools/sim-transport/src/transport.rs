//! The simulator's handler as a transport of `graph`.

use crate::VirtualTime;
use bytes::Bytes;
use futures::{StreamExt, stream};
use graph_sim::{Delivery, Place, Reply, Request, Sim};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;
use strongroom_graph::{Answering, BodyStream, HttpAnswer, HttpRequest, Transport, TransportError};

/// Virtual milliseconds that a request takes. Work takes time: only so do several at once meet in a
/// mailbox.
const REQUEST_MS: u64 = 20;

/// Carries requests to a simulator in this process.
pub struct InProcess {
    sim: Sim,
    time: VirtualTime,
}

impl InProcess {
    /// Requests go to `sim` and take virtual time.
    pub fn new(sim: Sim, time: VirtualTime) -> Self {
        Self { sim, time }
    }
}

impl Transport for InProcess {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        Box::pin(async move {
            let (reply, place) = self.sim.answer(&seen(request));
            self.time.pause(Duration::from_millis(REQUEST_MS)).await;
            answer(reply, place, &self.time)
        })
    }
}

/// A request as the simulator sees it when it comes over a socket.
fn seen(request: HttpRequest) -> Request {
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    let body = request.body.unwrap_or_default();
    headers.push(("host".into(), request.url.authority().to_owned()));
    headers.push(("content-length".into(), body.len().to_string()));
    Request {
        method: request.method.as_str().to_owned(),
        path: request.url.path().to_owned(),
        query: request.url.query().unwrap_or_default().to_owned(),
        headers,
        body,
    }
}

fn reset() -> TransportError {
    TransportError { text: "the connection failed: reset".into(), sent: true }
}

fn answer(
    reply: Reply,
    place: Option<Place>,
    time: &VirtualTime,
) -> Result<HttpAnswer, TransportError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        else {
            let text = format!("the answer's header {name} is none");
            return Err(TransportError { text, sent: true });
        };
        headers.append(name, value);
    }
    let length = reply.body.len();
    if ![204, 304].contains(&reply.status) {
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let pieces: Vec<(u64, Result<Bytes, TransportError>)> = match reply.delivery {
        Delivery::Whole => vec![(0, Ok(reply.body))],
        Delivery::Reset(0) => return Err(reset()),
        Delivery::Reset(after) => {
            vec![(0, Ok(reply.body.slice(..after.min(length)))), (0, Err(reset()))]
        }
        Delivery::Slow { pause_ms, piece_bytes } => {
            let step = piece_bytes.max(1);
            (0..length)
                .step_by(step)
                .map(|at| (pause_ms, Ok(reply.body.slice(at..(at + step).min(length)))))
                .collect()
        }
    };
    let time = time.clone();
    let body: BodyStream = stream::iter(pieces)
        .then(move |(pause_ms, piece)| {
            // Held until the last piece is taken.
            let _ = &place;
            let pause = (pause_ms > 0).then(|| time.pause(Duration::from_millis(pause_ms)));
            async move {
                if let Some(pause) = pause {
                    pause.await;
                }
                piece
            }
        })
        .boxed();
    Ok(HttpAnswer { status: reply.status, headers, body })
}
