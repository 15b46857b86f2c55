//! The usual transport: HTTPS over sockets.

use crate::{
    Error, ErrorKind, Settings,
    transport::{Answering, HttpAnswer, HttpRequest, Transport, TransportError},
};
use futures::{StreamExt, TryStreamExt};
use std::time::Duration;

/// HTTPS over sockets, HTTP/1.1, certificates always checked, redirects never followed.
pub struct Https {
    http: reqwest::Client,
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
            let pem = std::fs::read(path)
                .map_err(|e| bad(format!("the CA file {} cannot be read: {e}", path.display())))?;
            let certs = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| {
                bad(format!("the CA file {} holds no certificate: {e}", path.display()))
            })?;
            if certs.is_empty() {
                return Err(bad(format!("the CA file {} holds no certificate", path.display())));
            }
            builder = builder.tls_certs_only(certs);
        }
        let http =
            builder.build().map_err(|e| bad(format!("the HTTPS client cannot be set up: {e}")))?;
        Ok(Self { http })
    }
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
                body: answer.bytes_stream().map_err(|e| explain(&e)).boxed(),
            })
        })
    }
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
