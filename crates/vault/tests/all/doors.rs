//! The vault's door from outside, over real sockets: who has no credential stops nothing, neither
//! by number nor by slowness.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::{
    common::{School, noise},
    program::{Running, enrolled, program},
    vault::{Stage, authority, leaf, stage},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use strongroom_objects::{Kind, Store, VaultRest, VaultSettings};
use strongroom_vault::serve;

/// As many descriptors as a service has by default.
const FILES: &str = "1024";

/// `strongroom-vault run` on its school; answers its address.
fn running(dir: &Path) -> (Running, SocketAddr) {
    let run = program(dir, &["run", "--listen", "127.0.0.1:0"]);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -n $0 && exec \"$@\"", FILES])
        .arg(run.get_program())
        .args(run.get_args())
        .current_dir(dir)
        .stdout(Stdio::piped());
    let mut child = limited.spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let url = url::Url::parse(ready["url"].as_str().unwrap()).unwrap();
    let address = url.socket_addrs(|| None).unwrap()[0];
    (Running(child), address)
}

fn reader(address: SocketAddr, token: &str) -> VaultRest {
    VaultRest::new(VaultSettings {
        url: url::Url::parse(&format!("http://{address}/school/")).unwrap(),
        user: "read".into(),
        token: token.to_owned().into(),
        ca_file: None,
        identity_file: None,
    })
    .unwrap()
}

/// Sends these bytes and nothing more.
fn half(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    // Who is asked to leave at once may be gone before it spoke.
    let _ = socket.write_all(bytes);
    socket
}

/// What comes on a connection until its other end closes it; `None` when that does not happen.
fn until_closed(socket: &mut TcpStream, wait: Duration) -> Option<String> {
    let over = Instant::now() + wait;
    let mut all = Vec::new();
    let mut part = [0; 4096];
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while Instant::now() < over {
        match socket.read(&mut part) {
            Ok(0) => return Some(String::from_utf8_lossy(&all).into_owned()),
            Ok(n) => all.extend_from_slice(&part[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return Some(String::from_utf8_lossy(&all).into_owned()),
        }
    }
    None
}

fn basic(user: &str, token: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{token}")))
}

#[test]
fn idle_slow_and_unfinished_connections_stop_neither_readers_nor_a_pull() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    let toml = d.join("vault/school/repo.toml");
    let settings = std::fs::read_to_string(&toml).unwrap();
    let often = settings.replace("pull_every_minutes = 60", "pull_every_minutes = 1");
    assert_ne!(often, settings);
    std::fs::write(&toml, often).unwrap();
    let (running, address) = running(d);
    let token = std::fs::read_to_string(d.join("read.token")).unwrap();
    let client = reader(address, &token);
    let pulled = |sessions: usize, wait: Duration| {
        let over = Instant::now() + wait;
        while !client.sessions().is_ok_and(|all| all.len() >= sessions) {
            assert!(Instant::now() < over, "no session {sessions}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    pulled(1, Duration::from_secs(30));
    school.backup(&[("b.bin", &noise(2, 70_000))], true);
    // More than the process may open, and each kind of half-done thing.
    let mut crowd: Vec<TcpStream> = (0..1_200).map(|_| half(address, b"")).collect();
    for _ in 0..60 {
        crowd.push(half(address, b"GET /school/config HTTP/1.1\r\nHost: v"));
        let body = "POST /school/config HTTP/1.1\r\nHost: v\r\nContent-Length: 1000000\r\n\r\nx";
        crowd.push(half(address, body.as_bytes()));
        let wrong = basic("read", &"0".repeat(64));
        crowd.push(half(address, format!("GET /school/x HTTP/1.1\r\n{wrong}Ho").as_bytes()));
    }
    // Answered at once, from the very address of the crowd.
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(reader(address, &token).list(Kind::Snapshots).unwrap().len(), 1);
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let open = std::fs::read_dir(format!("/proc/{}/fd", running.0.id())).unwrap().count();
    assert!(open < 600, "{open} descriptors");
    // And what is due is done, with descriptors of its own, while others keep coming.
    let over = Instant::now() + Duration::from_secs(150);
    while !client.sessions().is_ok_and(|all| all.len() >= 2) {
        assert!(Instant::now() < over, "no pull while the crowd stands there");
        crowd.extend((0..20).map(|_| half(address, b"G")));
        std::thread::sleep(Duration::from_millis(500));
    }
    drop(crowd);
}

#[test]
fn what_never_ends_is_closed() {
    let s = stage();
    let d = s.dir.path();
    let (issuer, _) = authority();
    let (cert, key) = leaf(&issuer, "127.0.0.1");
    std::fs::write(d.join("c.pem"), cert).unwrap();
    std::fs::write(d.join("k.pem"), key).unwrap();
    let tls = strongroom_vault::Tls::read(&d.join("c.pem"), &d.join("k.pem"), None).unwrap();
    let secret =
        s.runtime.block_on(serve(s.vault.clone(), ([127, 0, 0, 1], 0).into(), Some(tls))).unwrap();
    let plain = s.listening.address;
    let push = basic("push", &s.tokens["push"]);
    let body = format!("POST /school/sessions HTTP/1.1\r\n{push}Content-Length: 900\r\n\r\nx");
    let mut all = [
        ("idle", half(plain, b"")),
        ("a head that does not end", half(plain, b"GET /school/config HTTP/1.1\r\nHost: v\r\nX")),
        ("a handshake that does not begin", half(secret.address, b"")),
        ("a handshake that does not end", half(secret.address, &[0x16, 3, 1, 2, 0, 1, 0])),
        ("a body that does not end", half(plain, body.as_bytes())),
    ];
    // A byte every two seconds is no progress either.
    let mut drip = half(plain, b"GET /school/config HTTP/1.1\r\nX-Long: ");
    let began = Instant::now();
    let mut closed = false;
    drip.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    while began.elapsed() < Duration::from_secs(60) {
        let gone = drip.write_all(b"x").is_err();
        if gone || drip.read(&mut [0; 64]).is_ok() {
            closed = true;
            break;
        }
    }
    assert!(closed, "a head that drips is still open after a minute");
    for (what, socket) in &mut all {
        assert!(until_closed(socket, Duration::from_secs(60)).is_some(), "{what} is still open");
    }
    // A head has an end in bytes as well.
    let mut long = half(plain, b"GET /school/config HTTP/1.1\r\n");
    let line = format!("X-Long: {}\r\n", "x".repeat(4000));
    let sent = (0..1000).take_while(|_| long.write_all(line.as_bytes()).is_ok()).count();
    assert!(sent < 1000 && until_closed(&mut long, Duration::from_secs(30)).is_some());
}

#[test]
fn nobody_sends_a_body_that_is_not_wanted() {
    let s = stage();
    let ask = |s: &Stage, head: &str, login: &str| {
        let head = format!("{head} HTTP/1.1\r\nHost: v\r\n{login}");
        let mut socket = half(s.listening.address, head.as_bytes());
        // The body is announced, and never comes.
        let said = until_closed(&mut socket, Duration::from_secs(20)).unwrap_or_default();
        said.split(' ').nth(1).unwrap_or("nothing").to_owned()
    };
    let (push, read) = (basic("push", &s.tokens["push"]), basic("read", &s.tokens["read"]));
    let pack = format!("/school/data/{}", "0".repeat(64));
    let length = |n: u64| format!("Content-Length: {n}\r\n\r\n");
    for (head, login, code) in [
        (format!("POST {pack}"), length(1_000_000), "401"),
        (format!("POST {pack}"), format!("{read}{}", length(100_000_000)), "403"),
        (format!("POST {pack}"), format!("{push}{}", length(200_000_000)), "413"),
        ("POST /school/config".into(), format!("{push}{}", length(100_000)), "413"),
        ("POST /school/sessions".into(), format!("{push}{}", length(100_000)), "413"),
        (format!("POST {pack}"), format!("{push}Transfer-Encoding: chunked\r\n\r\n"), "411"),
        (format!("GET {pack}"), format!("{read}{}", length(5)), "400"),
        ("GET /school/sessions".into(), format!("{push}{}", length(5)), "400"),
        (format!("HEAD {pack}"), format!("{read}Transfer-Encoding: chunked\r\n\r\n"), "400"),
    ] {
        assert_eq!(ask(&s, &head, &login), code, "{head}");
    }
    // A part of an object is that part.
    s.school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let mut v = s.push();
    strongroom_engine::replicate::to_vault(&s.school.repo, &mut v, &strongroom_model::Silent)
        .unwrap();
    let name = v.list(Kind::Data).unwrap()[0].name.clone();
    let key = strongroom_objects::Key::new(Kind::Data, &name).unwrap();
    let whole = v.get(&key).unwrap();
    assert_eq!(v.get_range(&key, 100..300).unwrap(), whole[100..300]);
}
