//! A server that stands before the tenant with a certificate of its own, and lies where a case
//! says so: what a proxy between a school and Microsoft could do.

use crate::hostile::Asked;
use anyhow::Context;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The client's side of a connection.
pub(crate) type Wire = StreamOwned<ServerConnection, TcpStream>;

/// What the tenant answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Answers in its own way (true), or lets the tenant's answer go on, changed or not.
pub(crate) type Lie = dyn Fn(&Asked, &mut Answered, &mut Wire) -> bool + Send + Sync;

/// The server, until it is dropped.
pub(crate) struct Between {
    pub(crate) address: SocketAddr,
    pub(crate) lied: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Drop for Between {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Between {
    /// Starts it before the tenant at `upstream`; writes the CA that the client must trust.
    pub(crate) fn start(
        upstream: SocketAddr,
        upstream_ca: &Path,
        ca_out: &Path,
        lie: Arc<Lie>,
    ) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names)?;
        std::fs::write(ca_out, made.cert.pem())?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(|e| anyhow::anyhow!("{e}"))?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        let mut roots = RootCertStore::empty();
        for ca in CertificateDer::pem_file_iter(upstream_ca)? {
            roots.add(ca?)?;
        }
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (server, client) = (Arc::new(server), Arc::new(client));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (lied, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (lied.clone(), over.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (server, client) = (server.clone(), client.clone());
                let (lie, count) = (lie.clone(), count.clone());
                std::thread::spawn(move || {
                    let _ = socket.set_read_timeout(Some(Duration::from_secs(60)));
                    let _ = socket.set_write_timeout(Some(Duration::from_secs(60)));
                    let Ok(tls) = ServerConnection::new(server) else { return };
                    let mut wire = StreamOwned::new(tls, socket);
                    while let Ok(Some(asked)) = next(&mut wire) {
                        let done =
                            one(&asked, &mut wire, upstream, address, &client, &*lie, &count);
                        if !matches!(done, Ok(true)) {
                            wire.conn.send_close_notify();
                            let _ = wire.flush();
                            return;
                        }
                    }
                });
            }
        });
        Ok(Self { address, lied, over })
    }
}

/// Reads head and body of a message; the first line, the other lines, the body.
fn message(stream: &mut impl Read) -> std::io::Result<Option<(String, String, Vec<u8>)>> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let (mut head, mut length, mut chunked) = (String::new(), None, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let low = line.to_ascii_lowercase();
        if let Some(n) = low.strip_prefix("content-length:") {
            length = n.trim().parse::<usize>().ok();
        }
        chunked |= low.starts_with("transfer-encoding:") && low.contains("chunked");
        head.push_str(&line);
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let n = usize::from_str_radix(size.trim().split(';').next().unwrap_or("0"), 16)
                .unwrap_or(0);
            let mut piece = vec![0; n + 2];
            reader.read_exact(&mut piece)?;
            if n == 0 {
                break;
            }
            body.extend_from_slice(&piece[..n]);
        }
    } else if let Some(n) = length {
        body = vec![0; n];
        reader.read_exact(&mut body)?;
    }
    Ok(Some((first, head, body)))
}

fn next(wire: &mut Wire) -> std::io::Result<Option<Asked>> {
    let Some((first, head, body)) = message(wire)? else { return Ok(None) };
    let mut words = first.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    Ok(Some(Asked { method, target, head, body }))
}

/// Asks the tenant, lets the lie look at the answer, and passes it on. True while more may come.
fn one(
    asked: &Asked,
    wire: &mut Wire,
    upstream: SocketAddr,
    own: SocketAddr,
    client: &Arc<ClientConfig>,
    lie: &Lie,
    count: &AtomicUsize,
) -> anyhow::Result<bool> {
    let name = ServerName::try_from("127.0.0.1")?;
    let socket = TcpStream::connect(upstream)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut tenant = StreamOwned::new(ClientConnection::new(client.clone(), name)?, socket);
    let (theirs, ours) = (upstream.to_string(), own.to_string());
    let head: String = asked
        .head
        .lines()
        .filter(|l| {
            let low = l.to_ascii_lowercase();
            !low.starts_with("connection:")
                && !low.starts_with("accept-encoding:")
                && !low.starts_with("content-length:")
        })
        .map(|l| format!("{}\r\n", l.replace(&ours, &theirs)))
        .collect();
    let body = replaced(&asked.body, &ours, &theirs);
    let ask = format!(
        "{} {} HTTP/1.1\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n",
        asked.method,
        asked.target.replace(&ours, &theirs),
        body.len()
    );
    tenant.write_all(ask.as_bytes())?;
    tenant.write_all(&body)?;
    tenant.flush()?;
    let (first, head, body) = message(&mut tenant)?.context("the tenant says nothing")?;
    let mut answer = Answered {
        status: first.split_whitespace().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0),
        head: head.replace(&theirs, &ours),
        body: replaced(&body, &theirs, &ours),
    };
    let before = answer.body.len() + answer.head.len() + usize::from(answer.status);
    if lie(asked, &mut answer, wire) {
        count.fetch_add(1, Ordering::SeqCst);
        return Ok(false);
    }
    let after = answer.body.len() + answer.head.len() + usize::from(answer.status);
    count.fetch_add(usize::from(before != after), Ordering::SeqCst);
    let head: String = answer
        .head
        .lines()
        .filter(|l| {
            let low = l.to_ascii_lowercase();
            !low.starts_with("content-length:")
                && !low.starts_with("transfer-encoding:")
                && !low.starts_with("connection:")
        })
        .map(|l| format!("{l}\r\n"))
        .collect();
    let text = format!(
        "HTTP/1.1 {} x\r\n{head}Content-Length: {}\r\n\r\n",
        answer.status,
        answer.body.len()
    );
    wire.write_all(text.as_bytes())?;
    if asked.method != "HEAD" {
        wire.write_all(&answer.body)?;
    }
    wire.flush()?;
    Ok(true)
}

fn replaced(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    match std::str::from_utf8(body) {
        Ok(text) if text.contains(from) => text.replace(from, to).into_bytes(),
        _ => body.to_vec(),
    }
}
