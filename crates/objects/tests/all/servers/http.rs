//! A server that says what a test wants, and what tests of stores share.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::disallowed_methods)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};
use strongroom_objects::{Key, Kind, hash_name};

pub fn key_of(kind: Kind, body: &[u8]) -> Key {
    Key::new(kind, &hash_name(body)).unwrap()
}

/// An answer with its length.
pub fn says(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

pub fn ok(body: &[u8]) -> Vec<u8> {
    says("200 OK", "", body)
}

/// What the server was asked, oldest first: a request's line and headers each.
pub type Asked = Arc<Mutex<Vec<String>>>;

/// A server that gives an answer to each request, one a connection.
pub fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, serve_on(listener, answer))
}

pub fn serve_on(
    listener: TcpListener,
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> Asked {
    let (asked, answer) = (Asked::default(), Arc::new(answer));
    let kept = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), kept, answer) = (stream, kept.clone(), answer.clone()) else {
                continue;
            };
            std::thread::spawn(move || exchange(stream, &kept, answer.as_ref()));
        }
    });
    asked
}

fn exchange(mut stream: TcpStream, asked: &Asked, answer: &dyn Fn(&str) -> Vec<u8>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let lower = head.to_ascii_lowercase();
    if lower.contains("expect: 100-continue") {
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let length =
        lower.lines().find_map(|l| l.strip_prefix("content-length: ")?.trim().parse().ok());
    let _ = reader.take(length.unwrap_or(0)).read_to_end(&mut Vec::new());
    let said = answer(&head);
    asked.lock().unwrap().push(head);
    let _ = stream.write_all(&said);
}
