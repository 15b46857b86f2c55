use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Class, stands},
    child,
    wire::{Client, raw},
};
use anyhow::Context;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

pub(super) const CLASS: Class = Class {
    name: "reader",
    attacker: "has a reading credential of the vault's server",
    cases: &[
        listed("reader-writes", "posts, puts, deletes, seals, makes canaries", "403", writes),
        listed("reader-body", "sends bodies of 160 MiB, 100 times", "memory stays flat", bodies),
        listed("reader-flood", "keeps 200 reads going", "an honest push goes on", flood),
        listed("reader-revoked", "goes on with a revoked credential", "401 within 2 s", revoked),
        new(
            "reader-revoked-alive",
            "goes on on a connection that it kept open",
            "401 within 2 s",
            revoked_alive,
        ),
        new("reader-rotated", "uses the token from before a rotation", "401 within 2 s", rotated),
        listed(
            "reader-slow",
            "takes a byte a second of 60 answers",
            "they end, others are served",
            slow,
        ),
        new("reader-ranges", "asks for 30 strange ranges", "no more than the object comes", ranges),
        new(
            "reader-sessions-views",
            "asks for views @0, @1 ... @400, @2^64",
            "memory stays flat",
            views,
        ),
        new("reader-canary-paths", "climbs out of canary/", "nothing of the vault comes", canary),
        new(
            "reader-secret-files",
            "asks for the log, settings, keys of the vault",
            "404",
            secret_files,
        ),
        new("reader-hidden", "asks for what custodians hid, by each name", "404", hidden),
        new(
            "reader-head-lies",
            "asks HEAD and conditional questions",
            "lengths are right, no body",
            heads,
        ),
        new(
            "reader-retention",
            "asks for retention of paths outside",
            "404, no path is told",
            retention,
        ),
        new("reader-errors-tell", "provokes errors", "no path of the host is told", errors),
        new(
            "reader-credential-file",
            "the admin's slip: credentials.toml is broken, a link, huge",
            "nobody is let in, and the honest are when it is mended",
            credential_file,
        ),
    ],
};

fn reader(a: &Arena, how: &str) -> anyhow::Result<(child::Served, Client, Client)> {
    let (vault, push) = a.serve(how)?;
    let read = a.reader(&push)?;
    Ok((vault, push, read))
}

fn writes(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, _, c) = reader(a, "serve")?;
    for path in [
        "/school0/sessions",
        "/school0/sessions/1/seal",
        "/school0/canary",
        "/school0/config",
        "/school0/?create=true",
        "/school0/data/x",
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let reply = c.send(method, path, "", b"x");
            stands!(reply.status >= 400, "{method} {path}: {}", reply.brief());
        }
    }
    Ok(())
}

fn bodies(a: &mut Arena) -> anyhow::Result<()> {
    let (vault, _, c) = reader(a, "serve")?;
    let piece = vec![0; 1 << 20];
    std::thread::scope(|scope| {
        for n in 0..100 {
            let (c, piece) = (&c, &piece);
            scope.spawn(move || {
                let method = if n % 2 == 0 { "GET" } else { "POST" };
                let head = format!(
                    "{method} /school0/data/{} HTTP/1.1\r\nHost: v\r\n{}Content-Length: \
                     160000000\r\n\r\n",
                    "0".repeat(64),
                    c.authorization()
                );
                let Ok(mut s) = TcpStream::connect(c.address) else { return };
                let _ = s.set_write_timeout(Some(Duration::from_secs(1)));
                let _ = s.write_all(head.as_bytes());
                for _ in 0..20 {
                    if s.write_all(piece).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let peak = child::peak_kib(vault.pid()).unwrap_or(u64::MAX);
    stands!(peak < 200 << 10, "the server took {peak} KiB");
    Ok(())
}

fn pack(a: &Arena) -> anyhow::Result<String> {
    let mut packs: Vec<(u64, String)> = a
        .names("data")
        .into_iter()
        .map(|n| {
            let path = a.path(&format!("copy2-0/data/{}/{n}", &n[..2]));
            (path.metadata().map_or(0, |m| m.len()), n)
        })
        .collect();
    packs.sort();
    Ok(packs.pop().context("no pack")?.1)
}

fn flood(a: &mut Arena) -> anyhow::Result<()> {
    let (vault, push, c) = reader(a, "serve")?;
    let path = format!("/school0/data/{}", pack(a)?);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    c.get(&path);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        let reply = push.post("/school0/sessions", b"");
        let took = began.elapsed();
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        stands!(
            reply.status == 200 && took < Duration::from_secs(2),
            "an honest push: {} after {took:.1?}",
            reply.brief()
        );
        anyhow::Ok(())
    })?;
    let peak = child::peak_kib(vault.pid()).unwrap_or(u64::MAX);
    stands!(peak < 400 << 10, "the server took {peak} KiB");
    Ok(())
}

fn revoked(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, _, c) = reader(a, "run")?;
    stands!(c.get("/school0/config").status == 200, "it was never good");
    a.vault_ok(&["credential", "revoke", "school0", "read"])?;
    std::thread::sleep(Duration::from_secs(2));
    let reply = c.get("/school0/config");
    stands!(reply.status == 401, "still {}", reply.brief());
    Ok(())
}

fn revoked_alive(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, _, c) = reader(a, "run")?;
    let mut socket = TcpStream::connect(c.address)?;
    socket.set_read_timeout(Some(Duration::from_secs(8)))?;
    let ask = format!("GET /school0/config HTTP/1.1\r\nHost: v\r\n{}\r\n", c.authorization());
    let mut buffer = vec![0; 64 << 10];
    socket.write_all(ask.as_bytes())?;
    let n = socket.read(&mut buffer)?;
    stands!(buffer[..n].starts_with(b"HTTP/1.1 200"), "it was never good");
    a.vault_ok(&["credential", "revoke", "school0", "read"])?;
    std::thread::sleep(Duration::from_secs(2));
    socket.write_all(ask.as_bytes())?;
    let n = socket.read(&mut buffer)?;
    stands!(!buffer[..n].starts_with(b"HTTP/1.1 200"), "it is served on its old connection");
    Ok(())
}

fn rotated(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, _, c) = reader(a, "run")?;
    a.vault_ok(&["credential", "rotate", "school0", "read", "--token-file", "new.token"])?;
    std::thread::sleep(Duration::from_secs(2));
    let reply = c.get("/school0/config");
    stands!(reply.status == 401, "the old token: {}", reply.brief());
    let token = a.read("new.token")?.trim().to_owned();
    let reply = Client { token, ..c }.get("/school0/config");
    stands!(reply.status == 200, "the new token: {}", reply.brief());
    Ok(())
}

fn slow(a: &mut Arena) -> anyhow::Result<()> {
    let (vault, push, c) = reader(a, "serve")?;
    let ask =
        format!("GET /school0/data/{} HTTP/1.1\r\nHost: v\r\n{}\r\n", pack(a)?, c.authorization());
    let mut sockets = Vec::new();
    for _ in 0..60 {
        let mut s = TcpStream::connect(c.address)?;
        s.write_all(ask.as_bytes())?;
        s.set_read_timeout(Some(Duration::from_millis(50)))?;
        sockets.push(s);
    }
    for _ in 0..8 {
        for s in &mut sockets {
            let _ = s.read(&mut [0; 1]);
        }
        let reply = push.get("/school0/config");
        stands!(reply.status == 200 && reply.took < Duration::from_secs(1), "{}", reply.brief());
    }
    let peak = child::peak_kib(vault.pid()).unwrap_or(u64::MAX);
    stands!(peak < 300 << 10, "the server took {peak} KiB");
    Ok(())
}

fn ranges(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, _, c) = reader(a, "serve")?;
    let name = pack(a)?;
    let size = a.path(&format!("copy2-0/data/{}/{name}", &name[..2])).metadata()?.len();
    let many = format!("bytes={}", "0-0,".repeat(2000));
    for range in [
        "bytes=0-0",
        "bytes=0-",
        "bytes=-1",
        "bytes=-0",
        "bytes=5-2",
        "bytes=0-18446744073709551615",
        "bytes=18446744073709551615-",
        "bytes=-18446744073709551615",
        "bytes=0-18446744073709551616",
        "bytes= 0-1",
        "bytes=0-1,3-4",
        "bytes=a-b",
        "bytes=--1",
        "bytes=",
        "lines=0-1",
        "bytes=0--1",
        "bytes=9223372036854775807-9223372036854775808",
        "BYTES=0-1",
        "bytes=0x0-0x1",
        "bytes=1-0",
        &many,
    ] {
        let reply =
            c.send("GET", &format!("/school0/data/{name}"), &format!("Range: {range}\r\n"), b"");
        stands!(reply.body.len() as u64 <= size, "{range:.50}: {} bytes", reply.body.len());
        let known = matches!(reply.status, 200 | 206 | 400 | 416 | 431);
        stands!(known, "{range:.50}: {}", reply.status);
    }
    stands!(vault.is_alive(), "the server is gone");
    Ok(())
}

fn views(a: &mut Arena) -> anyhow::Result<()> {
    let (vault, _, c) = reader(a, "serve")?;
    let before = child::memory_kib(vault.pid()).unwrap_or_default();
    for n in 0..400 {
        c.get(&format!("/school0@{n}/snapshots/"));
    }
    for n in ["18446744073709551615", "18446744073709551616", "-1", "1.5", "", "0x1", " 1"] {
        let reply = c.get(&format!("/school0@{n}/snapshots/"));
        stands!(reply.status != 500, "@{n}: {}", reply.brief());
    }
    let grown = child::memory_kib(vault.pid()).unwrap_or(u64::MAX).saturating_sub(before);
    stands!(grown < 60 << 10, "400 views took {grown} KiB");
    Ok(())
}

fn canary(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, _, c) = reader(a, "serve")?;
    for path in [
        "canary/../config",
        "canary/../../vault.key",
        "canary/push/..%2f..%2fconfig",
        "canary/%2e%2e/1",
        "canary/../1",
        "canary/push/../../config",
        "canary/push/-1",
        "canary/push/18446744073709551615",
        "canary//1",
        "canary/./1",
        "canary/push",
    ] {
        let reply = c.get(&format!("/school0/{path}"));
        stands!(reply.status >= 400, "{path}: {}", reply.brief());
    }
    Ok(())
}

fn secret_files(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, _, c) = reader(a, "serve")?;
    for path in [
        "ledger",
        "ledger/",
        "clock",
        "repo.toml",
        "credentials.toml",
        "school.pub",
        "tmp/",
        "tick",
        "lock",
        "heartbeat.json",
        "alarms.jsonl",
        "open.jsonl",
        "copies/",
        "hold/config",
        "../vault.key",
        "probe/",
        ".",
        "..",
        "data/..",
        "keys/../config",
    ] {
        let reply = c.get(&format!("/school0/{path}"));
        stands!(reply.status >= 400, "{path}: {}", reply.brief());
    }
    Ok(())
}

fn hidden(a: &mut Arena) -> anyhow::Result<()> {
    let ran = a.backup()?;
    anyhow::ensure!(ran.is_done(), "{}", ran.brief());
    a.vault_ok(&["pull", "school0"])?;
    let sessions = a.sessions()?;
    let snapshot = sessions[1]["snapshots"][0]["snapshot"].as_str().unwrap_or_default().to_owned();
    a.vault_ok(&[
        "order",
        "new",
        "school0",
        "--reason",
        "poison",
        "--out",
        "hide.json",
        "hide",
        "--session",
        "2",
    ])?;
    for key in ["ada.key", "bob.key"] {
        a.vault_ok(&["order", "sign", "hide.json", "--key", key])?;
    }
    let (_vault, _, c) = reader(a, "serve")?;
    a.vault_ok(&["order", "apply", "school0", "hide.json"])?;
    std::thread::sleep(Duration::from_millis(500));
    for path in [
        format!("/school0/snapshots/{snapshot}"),
        format!("/school0@2/snapshots/{snapshot}"),
        format!("/school0@99/snapshots/{snapshot}"),
    ] {
        let reply = c.get(&path);
        stands!(reply.status >= 400, "{path}: {}", reply.status);
        let list = c.get(&path[..path.len() - 64]);
        stands!(!list.text().contains(&snapshot), "it is in the list of {path}");
    }
    Ok(())
}

fn heads(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, _, c) = reader(a, "serve")?;
    let name = pack(a)?;
    let path = format!("/school0/data/{name}");
    let reply = c.send("HEAD", &path, "", b"");
    stands!(reply.status == 200 && reply.body.is_empty(), "HEAD: {}", reply.brief());
    for line in [
        "If-None-Match: *",
        "If-Modified-Since: Mon, 30 Nov 2099 00:00:00 GMT",
        "If-Range: x",
        "If-Match: \"x\"",
        "Accept-Encoding: gzip, zstd",
        "TE: trailers",
    ] {
        let reply = c.send("GET", &path, &format!("{line}\r\n"), b"");
        let whole = reply.status == 200
            && hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&reply.body)) == name;
        stands!(whole, "{line}: {} with {} bytes", reply.status, reply.body.len());
    }
    Ok(())
}

fn retention(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, _, c) = reader(a, "serve")?;
    for path in [
        "retention/config/x",
        "retention/ledger/1",
        "retention/../vault.key/x",
        "retention/data/%2e%2e",
        "retention/data/",
        "retention",
        "retention/data/zz",
    ] {
        let reply = c.get(&format!("/school0/{path}"));
        stands!(reply.status >= 400, "{path}: {}", reply.brief());
    }
    Ok(())
}

fn errors(a: &mut Arena) -> anyhow::Result<()> {
    let here = a.dir().display().to_string();
    let name = pack(a)?;
    a.wounds_the_vault();
    let (_vault, _, c) = reader(a, "serve")?;
    let file = a.path(&format!("vault/school0/hold/data/{}/{name}", &name[..2]));
    std::fs::remove_file(file)?;
    let mut texts = String::new();
    for path in [
        format!("data/{name}"),
        "data/zz".into(),
        "nothing".into(),
        "sessions/1/seal".into(),
        format!("snapshots/{}", "0".repeat(64)),
        "canary/read/1".into(),
    ] {
        let reply = c.get(&format!("/school0/{path}"));
        texts.push_str(&reply.head);
        texts.push_str(&reply.text());
    }
    stands!(!texts.contains(&here), "a reader is told the vault's paths: {texts:.300?}");
    stands!(!texts.contains("vault/school0"), "a reader is told the vault's paths: {texts:.300?}");
    Ok(())
}

fn credential_file(a: &mut Arena) -> anyhow::Result<()> {
    a.vault_ok(&[
        "credential",
        "add",
        "school0",
        "desk",
        "--may",
        "read",
        "--token-file",
        "d.token",
    ])?;
    let (mut vault, _, c) = reader(a, "run")?;
    stands!(c.get("/school0/config").status == 200, "it was never good");
    let file = a.path("vault/school0/credentials.toml");
    let whole = std::fs::read(&file)?;
    for (what, bytes) in [
        ("broken", b"[[credential]]\nuser =".to_vec()),
        ("not UTF-8", vec![0xff; 100]),
        ("cut", whole[..whole.len() / 2].to_vec()),
    ] {
        std::fs::write(&file, bytes)?;
        std::thread::sleep(Duration::from_millis(1600));
        let reply = c.get("/school0/config");
        stands!(reply.status == 401, "with a file that is {what}: {}", reply.brief());
    }
    crate::plant::Plant::Fifo.put(&file)?;
    std::thread::sleep(Duration::from_millis(1600));
    let reply = raw(c.address, &[b"GET / HTTP/1.1\r\nHost: v\r\n\r\n"], Duration::from_secs(7));
    stands!(reply.status == 401, "with a FIFO: {}", reply.brief());
    std::fs::remove_file(&file)?;
    std::fs::write(&file, whole)?;
    std::thread::sleep(Duration::from_secs(3));
    let reply = c.get("/school0/config");
    stands!(reply.status == 200, "it stays shut when all is well again: {}", reply.brief());
    stands!(vault.is_alive(), "the server is gone");
    Ok(())
}
