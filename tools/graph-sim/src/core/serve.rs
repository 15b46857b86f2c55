//! Sockets: HTTPS with a certificate of its own, a CONNECT proxy that leads every host here, the
//! control plane.

use crate::{
    Place, Sim,
    core::http::{Delivery, Reply, Request},
};
use anyhow::Context;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// Where to listen; port 0 takes a free one.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Graph, sign-in and downloads.
    pub https: SocketAddr,
    /// CONNECT proxy.
    pub proxy: SocketAddr,
    /// Control plane; loopback only.
    pub control: SocketAddr,
}

impl Default for Addresses {
    fn default() -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self { https: any, proxy: any, control: any }
    }
}

/// An application, as a script needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppInfo {
    /// `read`, `write`, `other`.
    pub name: String,
    /// Client id.
    pub application_id: String,
    /// File with the client secret.
    pub secret_file: String,
    /// File with certificate and private key.
    pub certificate_file: String,
    /// Permissions granted.
    pub permissions: Vec<String>,
    /// Scopes that people have consented to.
    #[serde(default)]
    pub delegated: Vec<String>,
}

/// A tenant, as a script needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TenantInfo {
    /// Tenant id.
    pub tenant_id: String,
    /// Domain.
    pub domain: String,
    /// Names of its users.
    pub users: Vec<String>,
    /// Its applications.
    pub applications: Vec<AppInfo>,
}

/// The line that `graph-sim serve` prints when it is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Base of Graph and authority alike: `https://127.0.0.1:PORT`.
    pub https: String,
    /// `http://127.0.0.1:PORT`, for `HTTPS_PROXY`.
    pub proxy: String,
    /// `http://127.0.0.1:PORT/sim/`.
    pub control: String,
    /// CA certificate, PEM.
    pub ca_file: String,
    /// The tenants.
    pub tenants: Vec<TenantInfo>,
}

/// A running server; stops when dropped.
pub struct Server {
    /// What a client needs.
    pub ready: Ready,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

type Body = BoxBody<Bytes, io::Error>;

const BODY_BYTES_MAX: usize = 300_000_000;

impl Sim {
    /// Starts to listen. CA and credential files are written into `dir`.
    pub async fn serve(&self, addresses: Addresses, dir: &Path) -> anyhow::Result<Server> {
        anyhow::ensure!(
            addresses.control.ip().is_loopback(),
            "the control plane listens on loopback only"
        );
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let (acceptor, ca_pem) = tls()?;
        let ca_file = dir.join("ca.pem");
        std::fs::write(&ca_file, ca_pem)?;
        let https = TcpListener::bind(addresses.https).await?;
        let proxy = TcpListener::bind(addresses.proxy).await?;
        let control = TcpListener::bind(addresses.control).await?;
        let ready = Ready {
            https: format!("https://{}", https.local_addr()?),
            proxy: format!("http://{}", proxy.local_addr()?),
            control: format!("http://{}/sim/", control.local_addr()?),
            ca_file: ca_file.display().to_string(),
            tenants: self.tenant_files(dir)?,
        };
        let mut tasks = Vec::new();
        let (sim, tls) = (self.clone(), acceptor.clone());
        tasks.push(tokio::spawn(accept(https, move |socket| {
            let (sim, tls) = (sim.clone(), tls.clone());
            async move { graph_connection(sim, tls, socket).await }
        })));
        let (sim, tls) = (self.clone(), acceptor);
        tasks.push(tokio::spawn(accept(proxy, move |socket| {
            let (sim, tls) = (sim.clone(), tls.clone());
            async move { proxy_connection(sim, tls, socket).await }
        })));
        let sim = self.clone();
        tasks.push(tokio::spawn(accept(control, move |socket| {
            let sim = sim.clone();
            async move {
                let service = service_fn(move |req| control_request(sim.clone(), req));
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            }
        })));
        Ok(Server { ready, tasks })
    }

    fn tenant_files(&self, dir: &Path) -> anyhow::Result<Vec<TenantInfo>> {
        let world = self.world();
        let mut tenants = Vec::new();
        for (n, t) in world.tenants.iter().enumerate() {
            let mut applications = Vec::new();
            for app in &t.apps {
                let secret = dir.join(format!("tenant{n}-{}.secret", app.name));
                let certificate = dir.join(format!("tenant{n}-{}.pem", app.name));
                write_private(&secret, &app.secret)?;
                write_private(&certificate, &app.pem)?;
                applications.push(AppInfo {
                    name: app.name.clone(),
                    application_id: app.app_id.clone(),
                    secret_file: secret.display().to_string(),
                    certificate_file: certificate.display().to_string(),
                    permissions: app.roles.iter().cloned().collect(),
                    delegated: app.delegated.iter().cloned().collect(),
                });
            }
            tenants.push(TenantInfo {
                tenant_id: t.id.clone(),
                domain: t.domain.clone(),
                users: {
                    // Those with a mailbox of their own first.
                    let mut users: Vec<_> = t.users.values().collect();
                    users.sort_by_key(|u| u.mailbox.purpose);
                    users.iter().map(|u| u.upn.clone()).collect()
                },
                applications,
            });
        }
        Ok(tenants)
    }
}

/// A file that only its owner reads.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

fn tls() -> anyhow::Result<(TlsAcceptor, String)> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "graph-sim CA");
    ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    let ca_cert = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);
    let names = [
        "localhost",
        "127.0.0.1",
        "graph.microsoft.com",
        "login.microsoftonline.com",
        "login.windows.net",
        "*.sharepoint.com",
        "*.microsoft.com",
        "*.microsoftonline.com",
        "outlook.office.com",
        "outlook.office365.com",
    ];
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(names.map(str::to_owned).to_vec())?;
    leaf.use_authority_key_identifier_extension = true;
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    leaf.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let cert = leaf.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], private)?;
    Ok((TlsAcceptor::from(Arc::new(config)), ca_cert.pem()))
}

async fn accept<F, T>(listener: TcpListener, handle: F)
where
    F: Fn(TcpStream) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let _ = socket.set_nodelay(true);
                tokio::spawn(handle(socket));
            }
            // Out of descriptors: wait for some to come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn graph_connection(sim: Sim, tls: TlsAcceptor, socket: TcpStream) {
    let Ok(stream) = tls.accept(socket).await else { return };
    let service = service_fn(move |req| graph_request(sim.clone(), req));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Whatever host is asked for, the tunnel leads here.
async fn proxy_connection(sim: Sim, tls: TlsAcceptor, mut socket: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        match socket.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let answer: &[u8] = match head.starts_with(b"CONNECT ") {
        true => b"HTTP/1.1 200 Connection established\r\n\r\n",
        false => {
            b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        }
    };
    if socket.write_all(answer).await.is_err() || !head.starts_with(b"CONNECT ") {
        return;
    }
    graph_connection(sim, tls, socket).await;
}

async fn read(req: hyper::Request<Incoming>) -> Result<Request, Reply> {
    let (parts, body) = req.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    let body = match http_body_util::Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return Err(Reply::json(
                413,
                &serde_json::json!({"error": {"code": "tooLarge", "message": "The request is too \
                    large."}}),
            ));
        }
    };
    Ok(Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
    })
}

async fn graph_request(
    sim: Sim,
    req: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let request = match read(req).await {
        Ok(request) => request,
        Err(reply) => return Ok(send(reply, None)),
    };
    let (reply, place) = sim.answer(&request);
    // Work takes time, so that requests side by side really meet.
    if place.is_some() {
        let work_ms = sim.world().settings.mailbox_work_ms;
        tokio::time::sleep(Duration::from_millis(work_ms)).await;
    }
    Ok(send(reply, place))
}

fn send(reply: Reply, place: Option<Place>) -> Response<Body> {
    let length = reply.body.len();
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    if ![204, 304].contains(&reply.status) {
        builder = builder.header("content-length", length);
    }
    let pieces: Vec<(Duration, io::Result<Bytes>)> = match reply.delivery {
        Delivery::Whole => vec![(Duration::ZERO, Ok(reply.body))],
        Delivery::Reset(after) => {
            let sent = reply.body.slice(..after.min(length));
            vec![
                (Duration::ZERO, Ok(sent)),
                // Long enough for the first bytes to leave.
                (Duration::from_millis(5), Err(io::Error::from(io::ErrorKind::ConnectionReset))),
            ]
        }
        Delivery::Slow { pause_ms, piece_bytes } => (0..length)
            .step_by(piece_bytes.max(1))
            .map(|n| {
                (
                    Duration::from_millis(pause_ms),
                    Ok(reply.body.slice(n..(n + piece_bytes.max(1)).min(length))),
                )
            })
            .collect(),
    };
    let frames = stream::iter(pieces).then(move |(pause, piece)| {
        // Held until the last frame is taken.
        let _ = &place;
        async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            piece.map(Frame::data)
        }
    });
    let body = BodyExt::boxed(StreamBody::new(SyncStream(Box::pin(frames))));
    builder.body(body).unwrap_or_else(|_| {
        Response::new(BodyExt::boxed(http_body_util::Empty::new().map_err(|e| match e {})))
    })
}

/// Bodies are polled by one task at a time; the mutex says so to the compiler.
struct SyncStream<S>(std::pin::Pin<Box<S>>);

impl<S: futures::Stream> futures::Stream for SyncStream<S> {
    type Item = S::Item;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

async fn control_request(
    sim: Sim,
    req: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let reply = match read(req).await {
        Ok(r) => {
            let sim = sim.clone();
            tokio::task::spawn_blocking(move || sim.control(&r.method, &r.path, &r.query, &r.body))
                .await
                .unwrap_or_else(|_| {
                    Reply::json(500, &serde_json::json!({"error": "the command failed"}))
                })
        }
        Err(reply) => reply,
    };
    Ok(send(reply, None))
}
