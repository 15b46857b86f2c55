//! Large bodies: downloads that resume, upload sessions.

use crate::{
    Client, Error, ErrorKind, Request, Scope,
    client::retry_after,
    transport::{BodyStream, HttpAnswer, HttpRequest, TransportError},
};
use bytes::Bytes;
use futures::StreamExt;
use http::Method;
use serde_json::Value;
use std::time::Duration;
use strongroom_model::limits;
use url::Url;

/// A download that is under way: through the 302 to a pre-authenticated URL (no token goes there),
/// resumed with Range.
pub struct Download<'c> {
    client: &'c Client,
    request: Request,
    body: Option<BodyStream>,
    position: u64,
    /// Bytes to throw away, when a resumed body starts from the beginning.
    skip: u64,
    /// Tries since it last came on.
    tries: u32,
    /// Where it broke off last.
    broke_off_at: u64,
    total: Option<u64>,
}

/// What has to come between two interruptions for them not to count together.
const PROGRESS_BYTES: u64 = 16 * 1024 * 1024;

impl Client {
    /// Begins a download of `…/content`. Nothing is sent before the first [`Download::next`].
    pub fn download(&self, request: Request) -> Download<'_> {
        Download {
            client: self,
            request,
            body: None,
            position: 0,
            skip: 0,
            tries: 0,
            broke_off_at: 0,
            total: None,
        }
    }

    /// Uploads through a session of a drive. `read(offset, length)` hands out the bytes.
    /// Answers the finished item.
    pub async fn upload_file<R, F>(
        &self,
        session: &Request,
        total: u64,
        mut read: R,
    ) -> Result<Value, Error>
    where
        R: FnMut(u64, usize) -> F + Send,
        F: Future<Output = Result<Bytes, Error>> + Send,
    {
        let mut restarts = 0;
        'session: loop {
            let opened: Value = self.json(&session.clone().repeatable()).await?;
            let url = self.presigned(opened["uploadUrl"].as_str().unwrap_or_default())?;
            let mut at = 0;
            while at < total {
                let length = (limits::DRIVE_FRAGMENT_BYTES as u64).min(total - at) as usize;
                let bytes = read(at, length).await?;
                match self.put_range(&url, &session.scope, at, total, bytes).await {
                    Ok(Some(done)) => return Ok(done),
                    Ok(None) => at += length as u64,
                    // The session is gone: start over, but not for ever.
                    Err(e) if e.kind == ErrorKind::NotFound && restarts < 2 => {
                        restarts += 1;
                        continue 'session;
                    }
                    // Already received: ask where to go on.
                    Err(e) if e.status == Some(416) => {
                        let next = self.expected(&url).await?;
                        if next == at {
                            return Err(e);
                        }
                        at = next;
                    }
                    Err(e) => return Err(e),
                }
            }
            return Err(Error::new(
                ErrorKind::BadAnswer,
                "an upload session ended without an item",
            ));
        }
    }

    /// Uploads an attachment through its session: ranges in order. Answers the attachment's URL.
    pub async fn upload_attachment(&self, session: &Request, content: &Bytes) -> Result<(), Error> {
        let opened: Value = self.json(&session.clone().repeatable()).await?;
        let url = self.presigned(opened["uploadUrl"].as_str().unwrap_or_default())?;
        let total = content.len() as u64;
        let mut at = 0;
        while at < total {
            let end = (at + limits::ATTACHMENT_RANGE_BYTES as u64).min(total);
            let piece = content.slice(at as usize..end as usize);
            self.put_range(&url, &session.scope, at, total, piece).await?;
            at = end;
        }
        Ok(())
    }

    /// How long the host of a file asks to wait. It speaks for all files, and is none of Graph's.
    fn host_wait(&self, answer: &HttpAnswer) -> Option<Duration> {
        let wait = retry_after(answer.header("retry-after")?, self.clock.now())?;
        Some(wait.min(Duration::from_secs(limits::FILE_HOST_WAIT_S_MAX)))
    }

    fn block(&self, scope: &Scope, wait: Duration) {
        let now_ms = self.clock.now().as_millisecond();
        self.budget.block(scope, now_ms, wait.as_millis() as i64, true);
    }

    async fn expected(&self, url: &Url) -> Result<u64, Error> {
        let failed = |e: TransportError| Error::new(ErrorKind::Unavailable, e.text);
        let request = HttpRequest::new(Method::GET, url.clone());
        let answer = self.transport.send(request).await.map_err(failed)?;
        let body = answer.bytes().await.map_err(failed)?;
        let body: Value = serde_json::from_slice(&body).map_err(|e| {
            Error::new(ErrorKind::BadAnswer, format!("the state of an upload is no JSON: {e}"))
        })?;
        let first = body["nextExpectedRanges"][0].as_str().unwrap_or_default();
        first.split('-').next().and_then(|n| n.parse().ok()).ok_or_else(|| {
            Error::new(ErrorKind::BadAnswer, "an upload session does not say where to go on")
        })
    }

    /// One range to an upload URL; no token goes there. `Some` is the finished item.
    async fn put_range(
        &self,
        url: &Url,
        scope: &Scope,
        at: u64,
        total: u64,
        bytes: Bytes,
    ) -> Result<Option<Value>, Error> {
        let length = bytes.len() as u64;
        let mut tries = 0;
        loop {
            self.await_budget(scope, 2, length).await;
            self.count_request(bytes.len());
            let range = format!("bytes {at}-{}/{total}", at + length - 1);
            let request = HttpRequest::new(Method::PUT, url.clone())
                .header("content-type", "application/octet-stream")
                .and_then(|r| r.header("content-range", &range))
                .map(|r| r.body(bytes.clone()));
            let sent = match request {
                Ok(request) => self.transport.send(request).await,
                Err(e) => Err(e),
            };
            let why = match sent {
                Ok(answer) => {
                    let status = answer.status;
                    let wait = self.host_wait(&answer);
                    let body = answer.bytes().await.unwrap_or_default();
                    match status {
                        202 => return Ok(None),
                        200 | 201 => {
                            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
                            // An attachment session answers 200 with the next range until its last
                            // part.
                            let goes_on = value.get("nextExpectedRanges").is_some();
                            return Ok((!goes_on).then_some(value));
                        }
                        429 | 500.. => {
                            if let Some(wait) = wait {
                                self.block(scope, wait);
                            }
                            Error::from_answer("an upload", status, &body)
                        }
                        _ => return Err(Error::from_answer("an upload", status, &body)),
                    }
                }
                Err(e) => Error::new(ErrorKind::Unavailable, format!("an upload failed: {e}")),
            };
            tries += 1;
            if tries >= self.patience.tries {
                return Err(why);
            }
            self.clock.sleep(self.pause(tries)).await;
        }
    }
}

impl Download<'_> {
    /// Bytes delivered so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next piece, `None` at the end. The end counts only when it comes where the length says.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.body.is_none() {
                self.open().await?;
            }
            let Some(body) = &mut self.body else { continue };
            match body.next().await {
                Some(Ok(mut bytes)) => {
                    self.client.count_in(bytes.len());
                    if self.skip > 0 {
                        let n = self.skip.min(bytes.len() as u64);
                        bytes = bytes.slice(n as usize..);
                        self.skip -= n;
                    }
                    if bytes.is_empty() {
                        continue;
                    }
                    self.position += bytes.len() as u64;
                    // A line that breaks off now and then brings a large file all the same.
                    if self.position >= self.broke_off_at + PROGRESS_BYTES {
                        self.tries = 0;
                    }
                    if self.position > self.total.unwrap_or(limits::FILE_BYTES_MAX) {
                        return Err(Error::new(
                            ErrorKind::BadAnswer,
                            format!("{} gave more bytes than it has", self.request.what()),
                        ));
                    }
                    return Ok(Some(bytes));
                }
                None if self.total.is_none_or(|t| t == self.position) => return Ok(None),
                None => {
                    self.failed(format!(
                        "{} of {} bytes came",
                        self.position,
                        self.total.unwrap_or(0)
                    ))
                    .await?
                }
                Some(Err(e)) => self.failed(e.text).await?,
            }
        }
    }

    async fn failed(&mut self, why: String) -> Result<(), Error> {
        self.body = None;
        self.tries += 1;
        self.broke_off_at = self.position;
        if self.tries >= self.client.patience.tries {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{} broke off: {why}", self.request.what()),
            ));
        }
        self.client.clock.sleep(self.client.pause(self.tries)).await;
        Ok(())
    }

    async fn open(&mut self) -> Result<(), Error> {
        // The link is asked for anew each time: it lives for minutes only.
        let answer = self.client.send(&self.request).await?;
        if answer.status != 302 {
            return Err(Error::new(
                ErrorKind::BadAnswer,
                format!(
                    "{} was answered with {} where a link was expected",
                    self.request.what(),
                    answer.status
                ),
            ));
        }
        let Some(url) = answer.location else {
            return Err(Error::new(
                ErrorKind::BadAnswer,
                format!("{} was answered with a redirect to nowhere", self.request.what()),
            ));
        };
        // Published cost: one unit a download. It was spent on asking for the link; a block is
        // still waited for.
        self.client.await_budget(&self.request.scope, 0, 0).await;
        self.client.count_request(0);
        let range = (self.position > 0).then(|| format!("bytes={}-", self.position));
        let request = HttpRequest::new(Method::GET, self.client.presigned(&url)?);
        let request = match &range {
            Some(range) => request.header("range", range),
            None => Ok(request),
        };
        let sent = match request {
            Ok(request) => self.client.transport.send(request).await,
            Err(e) => Err(e),
        };
        let response = match sent {
            Ok(r) => r,
            Err(e) => return self.failed(e.text).await,
        };
        let status = response.status;
        match status {
            206 => {
                let range = response.header("content-range").and_then(|v| v.strip_prefix("bytes "));
                let start = range.and_then(|r| r.split('-').next()?.parse::<u64>().ok());
                let total = range.and_then(|r| r.rsplit('/').next()?.parse::<u64>().ok());
                if start != Some(self.position) {
                    return self.failed("the answer holds another range".to_owned()).await;
                }
                self.total = total.or(self.total);
                self.skip = 0;
            }
            200 => {
                let length = response.header("content-length").and_then(|v| v.parse().ok());
                self.total = length.or(self.total);
                self.skip = self.position;
            }
            // Asked for bytes beyond the end: all is there already.
            416 if self.total == Some(self.position) => {}
            // More came than there is: what was handed out so far is not the item.
            416 => {
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!("{} gave more bytes than it has", self.request.what()),
                ));
            }
            429 | 503 => {
                let wait = self.client.host_wait(&response).unwrap_or(Duration::from_secs(5));
                self.client.block(&self.request.scope, wait);
                return self.failed(format!("the service answered {status}")).await;
            }
            404 | 410 => {
                let body = response.bytes().await.unwrap_or_default();
                return Err(Error::from_answer(&self.request.what(), status, &body));
            }
            _ => return self.failed(format!("the service answered {status}")).await,
        }
        self.body = Some(response.body);
        Ok(())
    }
}
