//! Servers that answer with what stops a reader: each costs its object, and an end is in sight.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use strongroom_objects::{
    Key, Kind, S3Bucket, S3Settings, Store, StoreError, VaultRest, VaultSettings,
};

/// A server that answers each request by its first line; counts them.
fn server(
    answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (answer, counted) = (Arc::new(answer), count.clone());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, answer, counted) = (socket.unwrap(), answer.clone(), counted.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else { return };
                while lines.next().is_some_and(|l| l.is_ok_and(|l| !l.is_empty())) {}
                counted.fetch_add(1, Ordering::SeqCst);
                answer(&first, &mut socket);
            });
        }
    });
    (address, count)
}

fn rest(address: SocketAddr) -> VaultRest {
    VaultRest::new(VaultSettings {
        url: url::Url::parse(&format!("http://{address}/school/")).unwrap(),
        user: "read".into(),
        token: "token".to_owned().into(),
        ca_file: None,
        identity_file: None,
    })
    .unwrap()
}

fn bucket(address: SocketAddr) -> S3Bucket {
    S3Bucket::new(S3Settings {
        endpoint: Some(url::Url::parse(&format!("http://{address}/")).unwrap()),
        region: "us-east-1".into(),
        bucket: "copy2".into(),
        prefix: String::new(),
        access_key_id: "reader".into(),
        secret_access_key: "secret".to_owned().into(),
        ca_file: None,
        owner_control: false,
        clock: None,
    })
    .unwrap()
}

fn key(kind: Kind) -> Key {
    Key::new(kind, &"a".repeat(64)).unwrap()
}

/// Writes until the other end has enough of it, at most so many megabytes.
fn pour(socket: &mut TcpStream, megabytes: usize) {
    for _ in 0..megabytes {
        if socket.write_all(&[b'x'; 1 << 20]).is_err() {
            return;
        }
    }
}

const EIGHT_GIB: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8589934592\r\n\r\n";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

#[test]
fn an_answer_of_any_length_costs_what_an_object_may_have() {
    for head in [EIGHT_GIB, ENDLESS] {
        let (address, _) = server(move |_, socket| {
            let _ = socket.write_all(head.as_bytes());
            pour(socket, 400);
        });
        for kind in [Kind::Keys, Kind::Snapshots, Kind::Manifests] {
            for store in [&rest(address) as &dyn Store, &bucket(address)] {
                let began = Instant::now();
                let e = store.get(&key(kind)).unwrap_err();
                assert!(matches!(e, StoreError::Refused { .. }), "{e}");
                assert!(e.to_string().contains("the most that this may have"), "{e}");
                assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
            }
        }
    }
}

#[test]
fn no_answer_leads_to_another_address() {
    let (elsewhere, visits) = server(|_, socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    });
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect"] {
        let (address, asked) = server(move |_, socket| {
            let text = format!(
                "HTTP/1.1 {status}\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
            let _ = socket.write_all(text.as_bytes());
        });
        for store in [&rest(address) as &dyn Store, &bucket(address)] {
            assert!(store.get(&key(Kind::Keys)).is_err() && store.list(Kind::Keys).is_err());
            assert!(store.size(&key(Kind::Keys)).is_err());
        }
        assert!(asked.load(Ordering::SeqCst) >= 6);
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[test]
fn a_listing_ends_and_names_objects_alone() {
    let (address, asked) = server(|_, socket| {
        let body = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again\
            </NextContinuationToken></ListBucketResult>";
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = socket.write_all(text.as_bytes());
    });
    let e = bucket(address).list(Kind::Data).unwrap_err().to_string();
    assert!(e.contains("has no end"), "{e}");
    assert!(asked.load(Ordering::SeqCst) < 100);
    let good = "b".repeat(64);
    let body = format!(
        "[{{\"name\":\"../x\",\"size\":1}},{{\"name\":\"{good}\",\"size\":2}},\
         {{\"name\":\"{}\",\"size\":3}}]",
        "B".repeat(64)
    );
    let (address, _) = server(move |_, socket| {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = socket.write_all(text.as_bytes());
    });
    let names: Vec<_> =
        rest(address).list(Kind::Data).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, [good]);
}
