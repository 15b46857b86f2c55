//! restic's REST protocol, and the sessions, over HTTP.

use crate::{
    CredentialRight, Refusal, Vault,
    admission::{Admission, Guest, HANDSHAKE, HEAD_BYTES_MAX, STILL, Sent, Turn, busy, time_for},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;
use std::{convert::Infallible, net::SocketAddr, path::Path, sync::Arc};
use strongroom_objects::{Key, Kind, Put, Store};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Of a body that is not looked at.
const FEW_BYTES: u64 = 4096;
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
    let door = Arc::new(Admission::new()?);
    watch_credentials(&vault)?;
    let task = tokio::spawn(async move {
        loop {
            let Some(place) = door.socket().await else { return };
            let Ok((socket, from)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            let Some(stay) = door.admit(from.ip()) else { continue };
            let _ = socket.set_nodelay(true);
            let (vault, door, tls) = (vault.clone(), door.clone(), tls.clone());
            tokio::spawn(async move {
                let guest = stay.guest.clone();
                tokio::select! {
                    () = connection(vault, door, tls, socket, guest.clone()) => {}
                    () = guest.gone() => {}
                }
                drop((stay, place));
            });
        }
    });
    Ok(Listening { address, task })
}

async fn connection(
    vault: Arc<Vault>,
    door: Arc<Admission>,
    tls: Option<TlsAcceptor>,
    socket: TcpStream,
    guest: Arc<Guest>,
) {
    let of = guest.clone();
    let service = service_fn(move |req| answer(vault.clone(), door.clone(), of.clone(), req));
    let mut http = hyper::server::conn::http1::Builder::new();
    // Without a timer hyper keeps to no time at all.
    http.timer(TokioTimer::new()).header_read_timeout(HANDSHAKE).max_buf_size(HEAD_BYTES_MAX);
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(socket).await {
                guest.give(HANDSHAKE);
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        }
        None => {
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        }
    }
}

type Reply = Response<Bytes>;

/// Memory of one row of a list, and of what is written of it.
const ROW_BYTES: u64 = 256;

fn plain(status: StatusCode, text: impl Into<String>) -> Reply {
    let mut reply = Response::new(Bytes::from(text.into()));
    *reply.status_mut() = status;
    reply
}

fn typed(kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    reply
}

/// The last answer on a connection: what comes after it there is not read.
fn last(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    reply
}

fn stranger() -> Reply {
    let mut reply =
        plain(StatusCode::UNAUTHORIZED, "the credential is not one of this repository's");
    reply.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        header::HeaderValue::from_static("Basic realm=\"strongroom-vault\""),
    );
    last(reply)
}

fn told(refusal: &Refusal) -> Reply {
    let status = match refusal {
        Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
        Refusal::Missing(_) | Refusal::NoRepository(_) => StatusCode::NOT_FOUND,
        Refusal::Bad(_) => StatusCode::BAD_REQUEST,
        Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    plain(status, refusal.to_string())
}

/// Name and token of a request.
fn login(parts: &http::request::Parts) -> Option<(String, String)> {
    let basic = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    text.split_once(':').map(|(user, token)| (user.to_owned(), token.to_owned()))
}

/// What a request is about, and who asks.
struct Asked {
    parts: http::request::Parts,
    repo: String,
    /// The session up to which the view goes; an error when it is no number.
    upto: Result<Option<u64>, String>,
    user: String,
}

/// Most bytes of a body, by what it is posted to. What takes none may bring a few.
fn body_bytes_max(path: &str) -> u64 {
    let path: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).skip(1).collect();
    match path[..] {
        ["config"] => Kind::Config.bytes_max(),
        [kind, _] => Kind::parse(kind).map_or(FEW_BYTES, Kind::bytes_max),
        _ => FEW_BYTES,
    }
}

/// Reads a body of announced length, at a least rate.
async fn take_in(mut body: Incoming, length: u64, guest: &Guest) -> Result<Bytes, Reply> {
    let over = tokio::time::Instant::now() + time_for(length);
    // The connection ends after the answer that says why.
    guest.give(time_for(length) + HANDSHAKE);
    let broke_off = || last(plain(StatusCode::BAD_REQUEST, "the body broke off"));
    let mut all = bytes::BytesMut::new();
    loop {
        let still = tokio::time::Instant::now() + STILL;
        match tokio::time::timeout_at(over.min(still), body.frame()).await {
            Err(_) => {
                return Err(last(plain(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")));
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(broke_off()),
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    all.extend_from_slice(&piece);
                }
                if all.len() as u64 > length {
                    return Err(broke_off());
                }
            }
        }
    }
    if all.len() as u64 == length { Ok(all.freeze()) } else { Err(broke_off()) }
}

async fn answer(
    vault: Arc<Vault>,
    door: Arc<Admission>,
    guest: Arc<Guest>,
    req: Request<Incoming>,
) -> Result<Response<Sent>, Infallible> {
    let (reply, turn) = respond(vault, &door, &guest, req).await;
    Ok(reply.map(|bytes| Sent::new(bytes, guest, turn)))
}

/// Everything up to the body is decided from memory: who has no credential costs neither a thread
/// nor a file, and waits for nobody's work.
async fn respond(
    vault: Arc<Vault>,
    door: &Admission,
    guest: &Guest,
    req: Request<Incoming>,
) -> (Reply, Option<Turn>) {
    let (parts, body) = req.into_parts();
    let first = parts.uri.path().split('/').find(|p| !p.is_empty()).unwrap_or_default();
    let (repo, upto) = match first.split_once('@') {
        Some((repo, n)) => (repo, n.parse().map(Some).map_err(|_| format!("{n:?} is no session"))),
        None => (first, Ok(None)),
    };
    let Some((user, token)) = login(&parts) else { return (stranger(), None) };
    let Some(may) = vault.sign_in(repo, &user, &token) else {
        refused(vault.clone(), guest, repo, &user).await;
        return (stranger(), None);
    };
    guest.waits();
    let name = user.clone();
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if may == CredentialRight::Read && !reads {
        return (last(told(&Refusal::Forbidden("this credential may read only".into()))), None);
    }
    let length = body.size_hint().exact();
    if reads && length != Some(0) {
        let text = "who reads sends no body";
        return (last(plain(StatusCode::BAD_REQUEST, text)), None);
    }
    let length = match (parts.method == Method::POST, length) {
        // Nothing else has a body that is looked at.
        (false, _) => 0,
        (true, None) => {
            let text = "say how many bytes come (Content-Length)";
            return (last(plain(StatusCode::LENGTH_REQUIRED, text)), None);
        }
        (true, Some(length)) if length > body_bytes_max(parts.uri.path()) => {
            let text = "the object is too large for its kind";
            return (last(plain(StatusCode::PAYLOAD_TOO_LARGE, text)), None);
        }
        (true, Some(length)) => length,
    };
    let Some(mut turn) = door.turn(repo, &user).await else { return (last(told(&busy())), None) };
    guest.works();
    turn.while_good({
        let (vault, repo) = (vault.clone(), repo.to_owned());
        Box::new(move || vault.sign_in(&repo, &user, &token) == Some(may))
    });
    if let Err(e) = turn.hold(length).await {
        return (last(told(&e.without(&vault.dir))), None);
    }
    let body = match length {
        0 => Bytes::new(),
        _ => match take_in(body, length, guest).await {
            Ok(body) => body,
            Err(reply) => return (reply, None),
        },
    };
    guest.works();
    // A body may have taken long.
    if !turn.is_good() {
        return (stranger(), None);
    }
    let asked = Asked { repo: repo.to_owned(), upto, user: name, parts };
    // Disk work: off the threads that talk. The place in the share goes along: who hangs up gives
    // it back only when the work is done.
    let done = tokio::task::spawn_blocking(move || {
        let reply = route(&vault, &asked, &body, &mut turn);
        (reply.unwrap_or_else(|e| told(&e.without(&vault.dir))), Some(turn))
    });
    let failed = || (plain(StatusCode::INTERNAL_SERVER_ERROR, "the request failed"), None);
    done.await.unwrap_or_else(|_| failed())
}

/// Counts a sign-in that failed, tells it where it has to be told, and lets its author wait.
async fn refused(vault: Arc<Vault>, guest: &Guest, repo: &str, user: &str) {
    let failed = vault.refused(repo, user, guest.from());
    if let Some(text) = failed.alarm {
        let repo = repo.to_owned();
        let alarm = move || vault.raise(&repo, &[("sign-in-refused".to_owned(), text)]);
        drop(tokio::task::spawn_blocking(alarm));
    }
    guest.give(failed.delay + HANDSHAKE);
    tokio::time::sleep(failed.delay).await;
}

/// Reads credentials that changed, as long as the vault is there.
fn watch_credentials(vault: &Arc<Vault>) -> Result<(), Refusal> {
    let watched = Arc::downgrade(vault);
    std::thread::Builder::new().name("credentials".into()).spawn(move || {
        while let Some(vault) = watched.upgrade() {
            vault.reread_credentials();
            drop(vault);
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    })?;
    Ok(())
}

fn route(vault: &Vault, asked: &Asked, body: &Bytes, turn: &mut Turn) -> Result<Reply, Refusal> {
    let parts = &asked.parts;
    let path: Vec<&str> = parts.uri.path().split('/').filter(|p| !p.is_empty()).collect();
    let Some((_, rest)) = path.split_first() else {
        return Err(Refusal::Missing("name a repository".into()));
    };
    let repo = asked.repo.as_str();
    let upto = asked.upto.clone().map_err(Refusal::Bad)?;
    let method = &parts.method;
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
            let all = vault.sessions(repo)?;
            let snapshots: usize = all.iter().map(|s| 1 + s.snapshots.len()).sum();
            weigh(turn, snapshots, ROW_BYTES)?;
            Ok(typed("application/json", json!(all).to_string()))
        }
        (&Method::POST, ["sessions", n, "seal"]) => Ok(typed(
            "application/json",
            json!({"session": vault.seal(repo, number(n)?)?}).to_string(),
        )),
        (&Method::GET, ["retention", kind, name]) => {
            let key = Key::new(kind_of(kind)?, name)?;
            let path = strongroom_objects::path_of(&key);
            // What is needed for how long is computed for all of it.
            weigh(turn, vault.view(repo, None)?.totals().0 as usize, ROW_BYTES)?;
            let row = vault.rows(repo, &path)?.into_iter().find(|r| r.path == path);
            let row = row.ok_or_else(|| Refusal::Missing(format!("{key} never arrived")))?;
            Ok(typed("application/json", json!(row).to_string()))
        }
        (&Method::POST, ["canary"]) => {
            let path = vault.make_canary(repo, &asked.user)?;
            Ok(typed("application/json", json!({ "path": path }).to_string()))
        }
        (&Method::GET, ["canary", user, _]) if !user.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            Err(Refusal::Missing(format!("there is no canary of {user:.40?}")))
        }
        (&Method::GET, ["canary", user, n]) => Ok(typed(
            "application/octet-stream",
            vault.read_canary(repo, &format!("canary/{user}/{}", number(n)?))?,
        )),
        (_, ["canary", ..]) => Err(Refusal::Forbidden("a vault changes nothing".into())),
        (_, ["config"]) => object(vault, asked, body, turn, upto, &Key::config()),
        (&Method::GET, [kind]) => list(vault, asked, turn, upto, kind_of(kind)?),
        (_, [kind, name]) => {
            object(vault, asked, body, turn, upto, &Key::new(kind_of(kind)?, name)?)
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

/// Counts an answer of so many rows in the memory of the credential.
fn weigh(turn: &mut Turn, rows: usize, row_bytes: u64) -> Result<(), Refusal> {
    let bytes = (rows as u64).saturating_mul(row_bytes);
    // On a thread of its own kind: it may wait.
    tokio::runtime::Handle::current().block_on(turn.hold(bytes))
}

fn list(
    vault: &Vault,
    asked: &Asked,
    turn: &mut Turn,
    upto: Option<u64>,
    kind: Kind,
) -> Result<Reply, Refusal> {
    let view = vault.view(&asked.repo, upto)?;
    weigh(turn, usize::try_from(view.totals().0).unwrap_or(usize::MAX), ROW_BYTES)?;
    let rows = view.list(kind)?;
    let rows = rows.iter();
    let v2 = asked
        .parts
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
    asked: &Asked,
    body: &Bytes,
    turn: &mut Turn,
    upto: Option<u64>,
    key: &Key,
) -> Result<Reply, Refusal> {
    let (repo, headers) = (asked.repo.as_str(), &asked.parts.headers);
    let unseen = || Refusal::Missing(format!("{key} is in no sealed session of this view"));
    match asked.parts.method {
        Method::HEAD => {
            let size = vault.view(repo, upto)?.size(key)?.ok_or_else(unseen)?;
            let mut reply = plain(StatusCode::OK, "");
            reply.headers_mut().insert(header::CONTENT_LENGTH, size.into());
            Ok(reply)
        }
        Method::GET => {
            let view = vault.view(repo, upto)?;
            let total = view.size(key)?.ok_or_else(unseen)?;
            let wanted = headers
                .get(header::RANGE)
                .and_then(|r| r.to_str().ok())
                .and_then(|r| range(r, total));
            let (start, end) = match wanted {
                Some((start, end)) if start >= end => {
                    return Ok(plain(StatusCode::RANGE_NOT_SATISFIABLE, ""));
                }
                Some(part) => part,
                None => (0, total),
            };
            // On a thread of its own kind: it may wait.
            tokio::runtime::Handle::current().block_on(turn.hold(end - start))?;
            if wanted.is_none() {
                return Ok(typed("application/octet-stream", view.get(key)?));
            }
            // A part that is not there is looked for in whatever else lies under the name.
            let bytes = match view.get_range(key, start..end) {
                Ok(bytes) => bytes,
                Err(_) => {
                    let whole = view.get(key)?;
                    let end = usize::try_from(end).unwrap_or(usize::MAX).min(whole.len());
                    whole.slice(usize::try_from(start).unwrap_or(usize::MAX).min(end)..end)
                }
            };
            let mut reply = typed("application/octet-stream", bytes);
            *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
            if let Ok(value) = format!("bytes {start}-{}/{total}", end - 1).parse() {
                reply.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            Ok(reply)
        }
        Method::POST => {
            let session = match headers.get("strongroom-session") {
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
fn range(text: &str, total: u64) -> Option<(u64, u64)> {
    let (a, b) = text.strip_prefix("bytes=")?.split_once('-')?;
    let start: u64 = a.parse().ok()?;
    let end =
        if b.is_empty() { total } else { b.parse::<u64>().ok()?.saturating_add(1).min(total) };
    Some((start, end))
}
