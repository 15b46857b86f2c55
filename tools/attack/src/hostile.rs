//! Servers for copy 2 that serve a folder over restic's REST protocol or S3, and lie where a case
//! says so.

use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let pair = query.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('='))?;
        Some(unescape(pair))
    }

    fn range(&self) -> Option<(usize, usize)> {
        let line = self.head.lines().find_map(|l| {
            let (name, value) = l.split_once(':')?;
            name.eq_ignore_ascii_case("range").then(|| value.trim().to_owned())
        })?;
        let (from, to) = line.strip_prefix("bytes=")?.split_once('-')?;
        Some((from.parse().ok()?, to.parse().ok()?))
    }
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut n = 0;
    while n < bytes.len() {
        let hex = bytes.get(n + 1..n + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[n], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                n += 3;
            }
            (byte, _) => {
                out.push(byte);
                n += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Answers a request in its own way; false where the honest answer shall be given.
pub(crate) type Lie = dyn Fn(&Asked, &mut TcpStream) -> bool + Send + Sync;

/// Which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Rest,
    S3,
}

/// A server, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Server {
    /// Serves a folder that holds a repository.
    pub(crate) fn start(speaks: Speaks, folder: &Path, lie: Arc<Lie>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (asked, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop, folder) = (asked.clone(), over.clone(), folder.to_owned());
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut socket) = socket else { continue };
                let (lie, count, folder) = (lie.clone(), count.clone(), folder.clone());
                std::thread::spawn(move || {
                    while let Some(asked) = next(&socket) {
                        count.fetch_add(1, Ordering::SeqCst);
                        if lie(&asked, &mut socket) {
                            return;
                        }
                        let done = match speaks {
                            Speaks::Rest => rest(&folder, &asked),
                            Speaks::S3 => s3(&folder, &asked),
                        };
                        if done.send(&asked, &mut socket).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Ok(Self { address, asked, over })
    }

    /// Where a listening socket counts who comes: nobody should.
    pub(crate) fn elsewhere() -> anyhow::Result<(SocketAddr, Arc<AtomicUsize>)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let visits = Arc::new(AtomicUsize::new(0));
        let count = visits.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                drop(socket);
            }
        });
        Ok((address, visits))
    }
}

fn next(socket: &TcpStream) -> Option<Asked> {
    let _ = socket.set_read_timeout(Some(Duration::from_secs(90)));
    let mut reader = BufReader::with_capacity(1, socket.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    if length > 0 {
        let mut socket = socket.try_clone().ok()?;
        socket.read_exact(&mut body).ok()?;
    }
    Some(Asked { method, target, head, body })
}

/// An honest answer.
struct Answer {
    status: &'static str,
    kind: &'static str,
    more: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: &'static str, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, kind, more: String::new(), body: body.into() }
    }

    fn send(&self, asked: &Asked, socket: &mut TcpStream) -> std::io::Result<()> {
        let date = "Date: Mon, 30 Nov 2026 00:00:00 GMT\r\n";
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}{}\r\n",
            self.status,
            self.kind,
            self.body.len(),
            if asked.target.contains("with-date") { date } else { "" },
            self.more
        );
        socket.write_all(head.as_bytes())?;
        match asked.method.as_str() {
            "HEAD" => Ok(()),
            _ => socket.write_all(&self.body),
        }
    }
}

fn missing() -> Answer {
    Answer::new("404 Not Found", "text/plain", "no such thing")
}

fn object(asked: &Asked, path: &Path) -> Answer {
    let Ok(bytes) = fs::read(path) else { return missing() };
    let Some((from, to)) = asked.range() else {
        return Answer::new("200 OK", "application/octet-stream", bytes);
    };
    let to = to.min(bytes.len().saturating_sub(1));
    let piece = bytes.get(from..=to).unwrap_or_default().to_vec();
    let mut answer = Answer::new("206 Partial Content", "application/octet-stream", piece);
    answer.more = format!("Content-Range: bytes {from}-{to}/{}\r\n", bytes.len());
    answer
}

fn place(folder: &Path, asked: &Asked) -> Option<(PathBuf, bool)> {
    let path = unescape(asked.path());
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != "..").collect();
    // Manifests lie in a repository beside, as its packs.
    let (root, rest) = parts.split_first()?;
    if root.ends_with("-manifests") {
        return match rest {
            ["data"] => Some((folder.join("manifests"), true)),
            ["data", name] => Some((folder.join("manifests").join(name), false)),
            ["config"] => Some((folder.join("config"), false)),
            _ => None,
        };
    }
    match rest {
        ["config"] => Some((folder.join("config"), false)),
        ["data", name] if name.len() > 2 => {
            Some((folder.join("data").join(&name[..2]).join(name), false))
        }
        [kind] => Some((folder.join(kind), true)),
        [kind, name] => Some((folder.join(kind).join(name), false)),
        _ => None,
    }
}

fn rest(folder: &Path, asked: &Asked) -> Answer {
    let Some((path, is_list)) = place(folder, asked) else { return missing() };
    match asked.method.as_str() {
        "GET" if is_list => {
            let rows: Vec<String> = files(&path)
                .into_iter()
                .map(|(name, size)| format!("{{\"name\":\"{name}\",\"size\":{size}}}"))
                .collect();
            let body = format!("[{}]", rows.join(","));
            Answer::new("200 OK", "application/vnd.x.restic.rest.v2", body)
        }
        "GET" | "HEAD" => object(asked, &path),
        "POST" if path.exists() => Answer::new("403 Forbidden", "text/plain", "it is there"),
        "POST" => put(&path, &asked.body),
        "DELETE" => {
            let _ = fs::remove_file(path);
            Answer::new("200 OK", "text/plain", "")
        }
        _ => missing(),
    }
}

fn put(path: &Path, body: &[u8]) -> Answer {
    let done =
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, body));
    match done {
        Ok(()) => Answer::new("200 OK", "text/plain", ""),
        Err(_) => Answer::new("500 Internal Server Error", "text/plain", "disk"),
    }
}

/// Names and sizes of files, those in folders of two digits included.
fn files(dir: &Path) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            all.extend(files(&entry.path()));
        } else {
            all.push((entry.file_name().to_string_lossy().into_owned(), meta.len()));
        }
    }
    all
}

/// Path-style: `/bucket/key`.
fn s3(folder: &Path, asked: &Asked) -> Answer {
    let path = unescape(asked.path());
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    if key.is_empty() && asked.method == "GET" {
        let prefix = asked.query("prefix").unwrap_or_default();
        let mut rows = String::new();
        for (name, _) in crate::arena::tree(folder) {
            if name.starts_with(&prefix) {
                let size = folder.join(&name).metadata().map_or(0, |m| m.len());
                rows.push_str(&format!(
                    "<Contents><Key>{name}</Key><LastModified>2026-11-30T00:00:00.000Z\
                     </LastModified><ETag>\"x\"</ETag><Size>{size}</Size></Contents>"
                ));
            }
        }
        let body = format!(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><IsTruncated>false\
             </IsTruncated>{rows}</ListBucketResult>"
        );
        return Answer::new("200 OK", "application/xml", body);
    }
    let at = folder.join(key.replace("..", ""));
    match asked.method.as_str() {
        "GET" | "HEAD" if at.is_file() => {
            let mut answer = object(asked, &at);
            answer.more.push_str(&format!(
                "ETag: \"{}\"\r\nLast-Modified: Mon, 30 Nov 2026 00:00:00 GMT\r\n",
                &hex::encode(Sha256::digest(key))[..32]
            ));
            answer
        }
        "GET" | "HEAD" => Answer::new(
            "404 Not Found",
            "application/xml",
            "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>",
        ),
        "PUT" => put(&at, &asked.body),
        "DELETE" => {
            let _ = fs::remove_file(at);
            Answer::new("204 No Content", "text/plain", "")
        }
        _ => missing(),
    }
}

/// Pours bytes until the other end has enough, at most so many mebibytes.
pub(crate) fn pour(socket: &mut TcpStream, piece: &[u8], mebibytes: usize) {
    let times = (mebibytes << 20) / piece.len().max(1);
    for _ in 0..times {
        if socket.write_all(piece).is_err() {
            return;
        }
    }
}

/// A few bytes now and then, for so long.
pub(crate) fn drip(socket: &mut TcpStream, for_s: u64) {
    for _ in 0..for_s * 5 {
        if socket.write_all(b"x").is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

pub(crate) fn say(socket: &mut TcpStream, text: &str) {
    let _ = socket.write_all(text.as_bytes());
}
