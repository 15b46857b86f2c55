//! restic's REST protocol, and the sessions, over HTTP.

use crate::{May, Refusal, Vault};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;
use std::{convert::Infallible, net::SocketAddr, path::Path, sync::Arc};
use strongroom_objects::{Key, Kind, Put, Store};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// restic's largest pack is 128 MiB.
const OBJECT_BYTES_MAX: usize = 160 * 1024 * 1024;
const LIST_V2: &str = "application/vnd.x.restic.rest.v2";

/// Certificate and key of the server.
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads both from PEM files; with a CA, only clients whose certificate it signed are let in.
    pub fn read(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, Refusal> {
        let bad = |path: &Path, e: &dyn std::fmt::Display| {
            Refusal::Failed(format!("{}: {e}", path.display()))
        };
        let certs = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| bad(certificate, &e))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| bad(key, &e))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| bad(certificate, &e))?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = rustls::RootCertStore::empty();
                for ca in CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|e| bad(path, &e))?
                {
                    roots.add(ca).map_err(|e| bad(path, &e))?;
                }
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    provider,
                )
                .build()
                .map_err(|e| bad(path, &e))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(certs, private).map_err(|e| bad(certificate, &e))?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

/// A server that listens; it runs until it is dropped.
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts to serve a vault.
pub async fn serve(
    vault: Arc<Vault>,
    address: SocketAddr,
    tls: Option<Tls>,
) -> Result<Listening, Refusal> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| Refusal::Failed(format!("cannot listen on {address}: {e}")))?;
    let address = listener.local_addr()?;
    let tls = tls.map(|t| t.0);
    let task = tokio::spawn(async move {
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            let _ = socket.set_nodelay(true);
            tokio::spawn(connection(vault.clone(), tls.clone(), socket));
        }
    });
    Ok(Listening { address, task })
}

async fn connection(vault: Arc<Vault>, tls: Option<TlsAcceptor>, socket: TcpStream) {
    let service = service_fn(move |req| answer(vault.clone(), req));
    let http = hyper::server::conn::http1::Builder::new();
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(socket).await {
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        }
        None => {
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        }
    }
}

type Reply = Response<Full<Bytes>>;

fn plain(status: StatusCode, text: impl Into<String>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text.into())));
    *reply.status_mut() = status;
    reply
}

fn typed(kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    reply
}

fn stranger() -> Reply {
    let mut reply =
        plain(StatusCode::UNAUTHORIZED, "the credential is not one of this repository's");
    reply.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        header::HeaderValue::from_static("Basic realm=\"strongroom-vault\""),
    );
    reply
}

/// Name and token of a request.
fn login(parts: &http::request::Parts) -> Option<(String, String)> {
    let basic = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    text.split_once(':').map(|(user, token)| (user.to_owned(), token.to_owned()))
}

impl Vault {
    /// Whether a request bears a credential of the repository that it names.
    fn knows(&self, parts: &http::request::Parts) -> bool {
        let first = parts.uri.path().split('/').find(|p| !p.is_empty()).unwrap_or_default();
        let repo = first.split_once('@').map_or(first, |(repo, _)| repo);
        login(parts).is_some_and(|(user, token)| self.admits(repo, &user, &token, May::Read))
    }
}

async fn answer(vault: Arc<Vault>, req: Request<Incoming>) -> Result<Reply, Infallible> {
    let (parts, body) = req.into_parts();
    // Who has no credential has no memory here either.
    let known = {
        let (vault, parts) = (vault.clone(), parts.clone());
        tokio::task::spawn_blocking(move || vault.knows(&parts)).await.unwrap_or(false)
    };
    if !known {
        return Ok(stranger());
    }
    let body = match Limited::new(body, OBJECT_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return Ok(plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the object is too large, or broke off",
            ));
        }
    };
    // Disk work: off the threads that talk.
    let done = tokio::task::spawn_blocking(move || route(&vault, &parts, &body)).await;
    Ok(match done {
        Ok(Ok(reply)) => reply,
        Ok(Err(refusal)) => {
            let status = match &refusal {
                Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
                Refusal::Missing(_) => StatusCode::NOT_FOUND,
                Refusal::Bad(_) => StatusCode::BAD_REQUEST,
                Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
                Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            plain(status, refusal.to_string())
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the request failed"),
    })
}

fn route(vault: &Vault, parts: &http::request::Parts, body: &Bytes) -> Result<Reply, Refusal> {
    let path: Vec<&str> = parts.uri.path().split('/').filter(|p| !p.is_empty()).collect();
    let Some((first, rest)) = path.split_first() else {
        return Err(Refusal::Missing("name a repository".into()));
    };
    let (repo, upto) = match first.split_once('@') {
        Some((repo, n)) => (
            repo,
            Some(n.parse::<u64>().map_err(|_| Refusal::Bad(format!("{n:?} is no session")))?),
        ),
        None => (*first, None),
    };
    let method = &parts.method;
    let wants = if matches!(*method, Method::GET | Method::HEAD) { May::Read } else { May::Push };
    let login = login(parts);
    let admits =
        |may: May| login.as_ref().is_some_and(|(user, token)| vault.admits(repo, user, token, may));
    let admitted = admits(wants);
    if !admitted && admits(May::Read) {
        return Err(Refusal::Forbidden("this credential may read only".into()));
    }
    if !admitted {
        return Ok(stranger());
    }
    match (method, rest) {
        (&Method::DELETE, _) => Err(Refusal::Forbidden("a vault deletes nothing".into())),
        (&Method::PUT | &Method::PATCH, _) => {
            Err(Refusal::Forbidden("a vault changes nothing".into()))
        }
        (&Method::POST, []) => match parts.uri.query() {
            Some("create=true") => Ok(plain(StatusCode::OK, "")),
            _ => Err(Refusal::Bad("what shall be created?".into())),
        },
        (&Method::POST, ["sessions"]) => {
            Ok(typed("application/json", json!({"session": vault.begin(repo)?}).to_string()))
        }
        (&Method::GET, ["sessions"]) => {
            Ok(typed("application/json", json!(vault.sessions(repo)?).to_string()))
        }
        (&Method::POST, ["sessions", n, "seal"]) => Ok(typed(
            "application/json",
            json!({"session": vault.seal(repo, number(n)?)?}).to_string(),
        )),
        (&Method::GET, ["retention", kind, name]) => {
            let key = Key::new(kind_of(kind)?, name)?;
            let path = strongroom_objects::path_of(&key);
            let row = vault.rows(repo, &path)?.into_iter().find(|r| r.path == path);
            let row = row.ok_or_else(|| Refusal::Missing(format!("{key} never arrived")))?;
            Ok(typed("application/json", json!(row).to_string()))
        }
        (&Method::POST, ["canary"]) => {
            let user = login.map(|(user, _)| user).unwrap_or_default();
            Ok(typed(
                "application/json",
                json!({"path": vault.make_canary(repo, &user)?}).to_string(),
            ))
        }
        (&Method::GET, ["canary", user, n]) => Ok(typed(
            "application/octet-stream",
            vault.read_canary(repo, &format!("canary/{user}/{}", number(n)?))?,
        )),
        (_, ["canary", ..]) => Err(Refusal::Forbidden("a vault changes nothing".into())),
        (_, ["config"]) => object(vault, parts, body, repo, upto, &Key::config()),
        (&Method::GET, [kind]) => list(vault, parts, repo, upto, kind_of(kind)?),
        (_, [kind, name]) => {
            object(vault, parts, body, repo, upto, &Key::new(kind_of(kind)?, name)?)
        }
        _ => Err(Refusal::Missing("there is no such thing in a vault".into())),
    }
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::Bad(format!("{text:?} is no session")))
}

fn kind_of(name: &str) -> Result<Kind, Refusal> {
    Kind::parse(name).ok_or_else(|| Refusal::Missing(format!("there is no {name:?} in a vault")))
}

fn list(
    vault: &Vault,
    parts: &http::request::Parts,
    repo: &str,
    upto: Option<u64>,
    kind: Kind,
) -> Result<Reply, Refusal> {
    let rows = vault.view(repo, upto)?.list(kind)?;
    let rows = rows.iter();
    let v2 = parts
        .headers
        .get(header::ACCEPT)
        .is_some_and(|a| a.to_str().is_ok_and(|a| a.contains(LIST_V2)));
    Ok(match v2 {
        true => typed(
            LIST_V2,
            json!(rows.map(|e| json!({"name": e.name, "size": e.size_bytes})).collect::<Vec<_>>())
                .to_string(),
        ),
        false => typed(
            "application/vnd.x.restic.rest.v1",
            json!(rows.map(|e| &e.name).collect::<Vec<_>>()).to_string(),
        ),
    })
}

fn object(
    vault: &Vault,
    parts: &http::request::Parts,
    body: &Bytes,
    repo: &str,
    upto: Option<u64>,
    key: &Key,
) -> Result<Reply, Refusal> {
    match parts.method {
        Method::HEAD => {
            let size = vault.view(repo, upto)?.size(key)?.ok_or_else(|| {
                Refusal::Missing(format!("{key} is in no sealed session of this view"))
            })?;
            let mut reply = plain(StatusCode::OK, "");
            reply.headers_mut().insert(header::CONTENT_LENGTH, size.into());
            Ok(reply)
        }
        Method::GET => {
            let bytes = vault.get(repo, upto, key)?;
            let wanted = parts
                .headers
                .get(header::RANGE)
                .and_then(|r| r.to_str().ok())
                .and_then(|r| range(r, bytes.len()));
            match wanted {
                Some((start, end)) if start < end => {
                    let total = bytes.len();
                    let mut reply = typed("application/octet-stream", bytes.slice(start..end));
                    *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
                    if let Ok(value) = format!("bytes {start}-{}/{total}", end - 1).parse() {
                        reply.headers_mut().insert(header::CONTENT_RANGE, value);
                    }
                    Ok(reply)
                }
                Some(_) => Ok(plain(StatusCode::RANGE_NOT_SATISFIABLE, "")),
                None => Ok(typed("application/octet-stream", bytes)),
            }
        }
        Method::POST => {
            let session = match parts.headers.get("strongroom-session") {
                Some(v) => Some(number(v.to_str().unwrap_or_default())?),
                None => None,
            };
            let put = vault.put(repo, key, body, session)?;
            let mut reply = plain(StatusCode::OK, "");
            let word = if put == Put::New { "new" } else { "present" };
            reply.headers_mut().insert("strongroom-put", header::HeaderValue::from_static(word));
            Ok(reply)
        }
        _ => Err(Refusal::Bad("a vault does not know this verb".into())),
    }
}

/// `bytes=a-b`, `bytes=a-`; the end is exclusive.
fn range(text: &str, total: usize) -> Option<(usize, usize)> {
    let (a, b) = text.strip_prefix("bytes=")?.split_once('-')?;
    let start: usize = a.parse().ok()?;
    let end =
        if b.is_empty() { total } else { b.parse::<usize>().ok()?.saturating_add(1).min(total) };
    Some((start, end))
}
