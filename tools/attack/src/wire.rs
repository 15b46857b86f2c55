//! HTTP/1.1 by hand: an attacker's client sends what no library would.

use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// What came back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    /// 0 when nothing came that is HTTP.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn brief(&self) -> String {
        format!("{} {}", self.status, self.text().chars().take(200).collect::<String>())
    }
}

/// A client of one vault's server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    pub(crate) token: String,
}

impl Client {
    pub(crate) fn authorization(&self) -> String {
        let text = STANDARD.encode(format!("{}:{}", self.user, self.token));
        format!("Authorization: Basic {text}\r\n")
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", b"")
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Reply {
        self.send("POST", path, "", body)
    }

    /// One request with the credential; `extra` are whole lines of the head.
    pub(crate) fn send(&self, method: &str, path: &str, extra: &str, body: &[u8]) -> Reply {
        let length = match method {
            "GET" | "HEAD" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n{length}{}{extra}\r\n",
            self.authorization()
        );
        raw(self.address, &[head.as_bytes(), body], Duration::from_secs(30))
    }
}

/// Sends bytes as they are, and reads until the other side ends or the time is over.
pub(crate) fn raw(address: SocketAddr, pieces: &[&[u8]], limit: Duration) -> Reply {
    let began = Instant::now();
    let mut reply = Reply::default();
    let Ok(mut socket) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
        reply.took = began.elapsed();
        return reply;
    };
    let _ = socket.set_read_timeout(Some(limit));
    let _ = socket.set_write_timeout(Some(limit));
    for piece in pieces {
        if socket.write_all(piece).is_err() {
            break;
        }
    }
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while began.elapsed() < limit {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => all.extend_from_slice(&buffer[..n]),
        }
        if is_whole(&all) {
            break;
        }
    }
    reply.took = began.elapsed();
    let Some(end) = find(&all, b"\r\n\r\n") else { return reply };
    reply.head = String::from_utf8_lossy(&all[..end]).into_owned();
    reply.body = all[end + 4..].to_vec();
    reply.status =
        reply.head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
    reply
}

fn is_whole(all: &[u8]) -> bool {
    let Some(end) = find(all, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length:"))
        .and_then(|l| l.trim().parse::<usize>().ok());
    length.is_some_and(|length| all.len() >= end + 4 + length)
}

pub(crate) fn find(all: &[u8], what: &[u8]) -> Option<usize> {
    all.windows(what.len()).position(|w| w == what)
}
