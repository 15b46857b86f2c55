use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Class, stands},
    wire::{Client, Reply, raw},
};
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

const UNCHANGED: &str = "no session is published, nothing is answered with success";

pub(super) const CLASS: Class = Class {
    name: "token",
    attacker: "has the pushing credential of the vault's server",
    cases: &[
        listed(
            "token-signature-upper-case",
            "spells a manifest's signature anew",
            UNCHANGED,
            |a| respelt(a, &|m| upper(m)),
        ),
        listed("token-signature-blanks", "adds blanks behind a signature", UNCHANGED, |a| {
            respelt(a, &|m| [m.trim_ascii_end(), b"  \n"].concat())
        }),
        new("token-signature-nbsp", "adds a no-break space behind it", UNCHANGED, |a| {
            respelt(a, &|m| [m.trim_ascii_end(), "\u{a0}\n".as_bytes()].concat())
        }),
        new("token-signature-no-end", "leaves the last line's end out", UNCHANGED, |a| {
            respelt(a, &|m| m.trim_ascii_end().to_vec())
        }),
        new("token-signature-crlf", "ends its lines as Windows does", UNCHANGED, |a| {
            respelt(a, &|m| String::from_utf8_lossy(m).replace('\n', "\r\n").into_bytes())
        }),
        new("token-signature-twice", "signs it twice with the same line", UNCHANGED, |a| {
            respelt(a, &|m| {
                let text = String::from_utf8_lossy(m).into_owned();
                let last = text.lines().last().unwrap_or_default();
                format!("{text}{last}\n").into_bytes()
            })
        }),
        new("token-manifest-bom", "puts a byte order mark before it", UNCHANGED, |a| {
            respelt(a, &|m| [b"\xef\xbb\xbf", m].concat())
        }),
        new("token-manifest-nul", "puts a NUL behind it", UNCHANGED, |a| {
            respelt(a, &|m| [m, b"\0"].concat())
        }),
        new("token-manifest-escapes", "spells a letter of the body as an escape", UNCHANGED, |a| {
            respelt(a, &|m| String::from_utf8_lossy(m).replace("clean", "cle\\u0061n").into_bytes())
        }),
        new("token-manifest-float", "writes its number as a fraction", UNCHANGED, |a| {
            respelt(a, &|m| {
                String::from_utf8_lossy(m).replace("\"number\":1,", "\"number\":1.0,").into_bytes()
            })
        }),
        new("token-manifest-key-twice", "says one field twice", UNCHANGED, |a| {
            respelt(a, &|m| {
                String::from_utf8_lossy(m).replace("{\"v\":1", "{\"v\":1,\"v\":1").into_bytes()
            })
        }),
        listed("token-publish-again", "pushes the published manifest again", UNCHANGED, |a| {
            respelt(a, &|m| m.to_vec())
        }),
        listed("token-late-key", "pushes a key file after enrolment", "it is refused", |a| {
            refused_put(a, "keys", b"{\"kdf\":\"scrypt\"}")
        }),
        new("token-lock", "pushes an exclusive lock for restic", "it is refused", |a| {
            refused_put(a, "locks", b"lock")
        }),
        new("token-ledger", "pushes a segment of the vault's own log", "it is refused", ledger),
        listed("token-config", "pushes another config", "it is refused", |a| {
            let (_vault, c) = a.serve("serve")?;
            let reply = c.post("/school0/config", b"another");
            stands!(reply.status >= 400, "config was taken: {}", reply.brief());
            Ok(())
        }),
        new("token-wrong-name", "pushes a pack under a name that is not its own", "400s", |a| {
            let (_vault, c) = a.serve("serve")?;
            begin(&c)?;
            let reply = c.post(&format!("/school0/data/{}", "a".repeat(64)), b"not this");
            stands!(reply.status >= 400, "it was taken: {}", reply.brief());
            Ok(())
        }),
        listed(
            "token-junk-index",
            "pushes junk of right names and seals it",
            "no view shows it",
            junk_index,
        ),
        listed(
            "token-junk-manifests",
            "pushes 20 junk manifests of 4 MB",
            "status stays quick",
            junk_manifests,
        ),
        listed(
            "token-growth",
            "pushes 1.5 GiB that no manifest names",
            "an alarm before a seal",
            growth,
        ),
        new(
            "token-tiny-objects",
            "pushes 4,000 objects of a few bytes",
            "status stays quick",
            tiny_objects,
        ),
        new(
            "token-other-school",
            "uses it for the other school, by all ways",
            "401 or 404",
            other_school,
        ),
        new(
            "token-paths",
            "writes paths with dots, slashes, escapes, NUL",
            "nothing leaves",
            paths,
        ),
        new(
            "token-session-numbers",
            "seals sessions 0, -1, 2^64, in other digits",
            UNCHANGED,
            session_numbers,
        ),
        new("token-session-flood", "begins 500 sessions", "status stays quick", session_flood),
        new(
            "token-canary-flood",
            "makes 400 canaries",
            "they are bounded, or an alarm says so",
            canary_flood,
        ),
        new(
            "token-method-override",
            "deletes by X-HTTP-Method-Override",
            "nothing goes",
            method_override,
        ),
        new(
            "token-lengths",
            "announces lengths that lie, twice, below zero, chunked",
            "each is refused or cut, the server goes on",
            lengths,
        ),
        new(
            "token-smuggling",
            "hides a request without credential in a body",
            "it is no request",
            smuggling,
        ),
        new("token-gzip", "pushes a packed body (Content-Encoding)", "it is not unpacked", gzip),
        new(
            "token-absolute-uri",
            "asks for absolute and authority URIs",
            "no other host is asked",
            absolute_uri,
        ),
        new(
            "token-session-stealing",
            "seals while the honest side still pushes",
            "the honest push still ends well",
            stealing,
        ),
        new(
            "token-random",
            "pushes 150 bodies by chance to all kinds",
            "the server goes on",
            by_chance,
        ),
    ],
};

fn name_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn begin(c: &Client) -> anyhow::Result<u64> {
    let reply = c.post("/school0/sessions", b"");
    let said: serde_json::Value = serde_json::from_slice(&reply.body)
        .with_context(|| format!("no session begins: {}", reply.brief()))?;
    said["session"].as_u64().context("no session")
}

fn seal(c: &Client, session: u64) -> Reply {
    c.post(&format!("/school0/sessions/{session}/seal"), b"")
}

fn upper(manifest: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(manifest).into_owned();
    let (body, signature) = text.split_once('\n').unwrap_or_default();
    format!("{body}\n{}", signature.to_uppercase()).into_bytes()
}

fn manifest(a: &Arena) -> anyhow::Result<Vec<u8>> {
    let name = a.names("manifests").pop().context("no manifest")?;
    Ok(std::fs::read(a.path(&format!("copy2-0/manifests/{name}")))?)
}

/// Pushes a published manifest in another spelling, and seals.
fn respelt(a: &mut Arena, how: &dyn Fn(&[u8]) -> Vec<u8>) -> anyhow::Result<()> {
    let bytes = how(&manifest(a)?);
    let before = a.sessions()?;
    let (_vault, c) = a.serve("serve")?;
    let session = begin(&c)?;
    c.post(&format!("/school0/manifests/{}", name_of(&bytes)), &bytes);
    seal(&c, session);
    let after = a.sessions()?;
    stands!(before == after, "published again: {after}");
    Ok(())
}

fn refused_put(a: &mut Arena, kind: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("serve")?;
    begin(&c)?;
    let path = format!("/school0/{kind}/{}", name_of(bytes));
    let reply = c.post(&path, bytes);
    stands!(reply.status >= 400, "{path} was taken: {}", reply.brief());
    let again = c.get(&path);
    stands!(again.status >= 400, "{path} is there: {}", again.brief());
    Ok(())
}

fn ledger(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("serve")?;
    begin(&c)?;
    for path in [
        "/school0/ledger/0000000000000000/00000001",
        "/school0/ledger/x",
        "/school0/tmp/x",
        "/school0/clock",
        "/school0/repo.toml",
        "/school0/vault.key",
    ] {
        let reply = c.post(path, b"{}");
        stands!(reply.status >= 400, "{path} was taken: {}", reply.brief());
        let reply = c.get(path);
        stands!(reply.status >= 400, "{path} is given out: {}", reply.brief());
    }
    Ok(())
}

fn junk_index(a: &mut Arena) -> anyhow::Result<()> {
    let junk = a.noise(3000);
    let (_vault, c) = a.serve("serve")?;
    let session = begin(&c)?;
    for kind in ["index", "snapshots", "data"] {
        c.post(&format!("/school0/{kind}/{}", name_of(&junk)), &junk);
    }
    let before = a.sessions()?;
    let sealed = seal(&c, session);
    // The number of a session that is there already is an answer: nothing waited.
    stands!(a.sessions()? == before, "junk was sealed: {}", sealed.brief());
    for kind in ["index", "snapshots", "data"] {
        let list = c.get(&format!("/school0/{kind}/"));
        stands!(!list.text().contains(&name_of(&junk)), "{kind}: the junk is in view");
    }
    Ok(())
}

fn status_is_quick(a: &mut Arena, before: Duration) -> anyhow::Result<()> {
    let ran = a.vault(&["status"])?;
    let most = before * 4 + Duration::from_millis(700);
    stands!(ran.took < most, "status took {:.1?}, {before:.1?} before", ran.took);
    stands!(ran.peak_kib < 300 << 10, "status took {} KiB", ran.peak_kib);
    Ok(())
}

fn junk_manifests(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.vault(&["status"])?.took;
    let (vault, c) = a.serve("serve")?;
    begin(&c)?;
    for n in 0..20_u8 {
        let mut junk = vec![b' '; 4 << 20];
        junk[0] = n;
        c.post(&format!("/school0/manifests/{}", name_of(&junk)), &junk);
    }
    drop(vault);
    status_is_quick(a, before)
}

fn tiny_objects(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.vault(&["status"])?.took;
    let (vault, c) = a.serve("serve")?;
    begin(&c)?;
    for n in 0..4000_u32 {
        let bytes = n.to_le_bytes();
        let reply = c.post(&format!("/school0/data/{}", name_of(&bytes)), &bytes);
        // Told to stop: the better answer.
        if reply.status >= 400 {
            break;
        }
    }
    drop(vault);
    status_is_quick(a, before)
}

fn growth(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("run")?;
    begin(&c)?;
    let mut body = a.noise(100 << 20);
    let mut taken = 0;
    for n in 0..15_u8 {
        body[0] = n;
        let reply = c.post(&format!("/school0/data/{}", name_of(&body)), &body);
        taken += usize::from(reply.status == 200);
    }
    std::thread::sleep(Duration::from_secs(3));
    let alarms = a.alarms(0);
    let status = a.vault(&["status"])?;
    let told = status.json()[0]["standing"].as_array().is_some_and(|s| !s.is_empty());
    stands!(
        taken < 15 || told || !alarms.is_empty(),
        "1.5 GiB that no manifest names were taken (1,400 times of what is there), without any \
         alarm; status exits {:?}",
        status.code
    );
    Ok(())
}

fn other_school(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("serve")?;
    for path in [
        "/school1/config",
        "/school1/sessions",
        "/school1@1/snapshots/",
        "/school0/../school1/config",
        "/school0%2f..%2fschool1/config",
        "/./school1/config",
        "//school1/config",
        "/school1/",
        "/school1@0/keys/",
        "/school0@1/../school1/config",
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            let reply = c.send(method, path, "", b"");
            stands!(reply.status >= 400 || reply.status == 0, "{method} {path}: {}", reply.brief());
        }
    }
    Ok(())
}

fn paths(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("serve")?;
    begin(&c)?;
    let zeros = "0".repeat(64);
    for path in [
        "/school0/data/../../../escaped".to_owned(),
        "/school0/data/..%2f..%2f..%2fescaped".into(),
        format!("/school0/data/{zeros}/../../../escaped"),
        "/school0/data/%00".into(),
        format!("/school0/data/{}", "A".repeat(64)),
        format!("/school0/data/{}\u{0}", &zeros[1..]),
        format!("/school0/Data/{zeros}"),
        format!("/school0/data//{zeros}"),
        format!("/school0/data/{zeros}0"),
        "/school0/canary/../../escaped".into(),
        "/school0/canary/push/../../../escaped".into(),
        "/school0/canary/..".into(),
        "/school0/retention/../config".into(),
        "/school0/tmp/x".into(),
        format!("/school0/data/{}", "\u{ff11}".repeat(64)),
    ] {
        for method in ["POST", "PUT"] {
            let reply = c.send(method, &path, "", b"escaped");
            stands!(reply.status >= 400 || reply.status == 0, "{method} {path}: {}", reply.brief());
        }
    }
    let stray = ["escaped", "vault/escaped", "vault/school0/escaped", "vault/school0/hold/escaped"];
    for name in stray {
        stands!(!a.path(name).exists(), "{name} was written");
    }
    Ok(())
}

fn session_numbers(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.sessions()?;
    let (_vault, c) = a.serve("serve")?;
    for n in [
        "0",
        "1",
        "2",
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "1e3",
        "0x1",
        "%31",
        "\u{ff11}",
        "+1",
        "01",
        "1.0",
        "",
    ] {
        let reply = c.post(&format!("/school0/sessions/{n}/seal"), b"");
        stands!(reply.status >= 400 || reply.status == 0, "session {n:?}: {}", reply.brief());
    }
    let after = a.sessions()?;
    stands!(before == after, "sessions changed: {after}");
    Ok(())
}

fn session_flood(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.vault(&["status"])?.took;
    let log = || crate::arena::tree(&a.path("vault/school0/hold")).len();
    let objects = log();
    let (vault, c) = a.serve("serve")?;
    for _ in 0..500 {
        c.post("/school0/sessions", b"");
    }
    drop(vault);
    let grown = log() - objects;
    stands!(grown < 50, "500 sessions that hold nothing made {grown} locked objects");
    status_is_quick(a, before)
}

fn canary_flood(a: &mut Arena) -> anyhow::Result<()> {
    let objects = crate::arena::tree(&a.path("vault/school0/hold")).len();
    let (vault, c) = a.serve("run")?;
    let mut taken = 0;
    for _ in 0..400 {
        taken += usize::from(c.post("/school0/canary", b"").status == 200);
    }
    drop(vault);
    let grown = crate::arena::tree(&a.path("vault/school0/hold")).len() - objects;
    let alarms = a.alarms(0);
    stands!(
        grown < 100 || !alarms.is_empty(),
        "{taken} canaries were made, {grown} objects stay for good, and nothing says so"
    );
    Ok(())
}

fn method_override(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("serve")?;
    let name = a.names("snapshots").pop().context("no snapshot")?;
    let path = format!("/school0/snapshots/{name}");
    for head in [
        "X-HTTP-Method-Override: DELETE\r\n",
        "X-Method-Override: DELETE\r\n",
        "X-HTTP-Method: DELETE\r\n",
    ] {
        for method in ["POST", "GET"] {
            c.send(method, &format!("{path}?_method=DELETE"), head, b"");
        }
    }
    for method in ["DELETE", "PUT", "PATCH", "MOVE", "COPY", "PROPPATCH", "MKCOL", "delete"] {
        let reply = c.send(method, &path, "Destination: /school0/x\r\n", b"");
        stands!(reply.status >= 400 || reply.status == 0, "{method}: {}", reply.brief());
    }
    stands!(c.get(&path).status == 200, "{path} is gone");
    Ok(())
}

fn lengths(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    begin(&c)?;
    let name = name_of(b"body");
    for lines in [
        "Content-Length: 18446744073709551615",
        "Content-Length: 18446744073709551616",
        "Content-Length: -1",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +4",
        "Content-Length: 4, 4",
        "Content-Length: 0x4",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding:\tchunked",
        "Content-Length: 170000000",
        "Content-Length: 1",
    ] {
        let head = format!(
            "POST /school0/data/{name} HTTP/1.1\r\nHost: v\r\n{}{lines}\r\n\r\n",
            c.authorization()
        );
        let body = b"ffffffffffffffff\r\nbody";
        let reply = raw(c.address, &[head.as_bytes(), body], Duration::from_millis(700));
        stands!(reply.status >= 400 || reply.status == 0, "{lines}: {}", reply.brief());
    }
    let peak = crate::child::peak_kib(vault.pid()).unwrap_or(u64::MAX);
    stands!(vault.is_alive() && c.get("/school0/config").status == 200, "the server is gone");
    stands!(peak < 400 << 10, "the server took {peak} KiB");
    Ok(())
}

fn smuggling(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.sessions()?;
    let (_vault, c) = a.serve("serve")?;
    let inner = "POST /school1/sessions HTTP/1.1\r\nHost: v\r\nContent-Length: 0\r\n\r\n";
    for lines in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", inner.len() + 5),
        "Transfer-Encoding: chunked\r\nContent-Length: 5".to_owned(),
        "Content-Length: 0\r\nTransfer-Encoding : chunked".into(),
    ] {
        let head = format!(
            "POST /school0/sessions HTTP/1.1\r\nHost: v\r\n{}{lines}\r\n\r\n0\r\n\r\n{inner}",
            c.authorization()
        );
        let reply = raw(c.address, &[head.as_bytes()], Duration::from_millis(700));
        let answers = reply.text().matches("HTTP/1.1 200").count();
        stands!(answers == 0, "the inner request was answered: {}", reply.brief());
    }
    let after = a.sessions()?;
    stands!(before == after, "sessions changed: {after}");
    Ok(())
}

fn gzip(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("serve")?;
    begin(&c)?;
    // An empty stored block of deflate in gzip's frame.
    let packed = hex::decode("1f8b0800000000000003010000ffff0000000000000000")?;
    let path = format!("/school0/data/{}", name_of(b""));
    let reply = c.send("POST", &path, "Content-Encoding: gzip\r\n", &packed);
    stands!(reply.status >= 400, "it was unpacked and taken: {}", reply.brief());
    Ok(())
}

fn absolute_uri(a: &mut Arena) -> anyhow::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let other = listener.local_addr()?;
    let (mut vault, c) = a.serve("serve")?;
    for (method, target) in [
        ("GET", format!("http://{other}/school0/config")),
        ("CONNECT", other.to_string()),
        ("OPTIONS", "*".into()),
        ("TRACE", "/school0/config".into()),
        ("POST", format!("http://{other}/school0/sessions")),
    ] {
        let reply = c.send(method, &target, &format!("Host: {other}\r\n"), b"");
        stands!(!reply.head.contains(&c.token), "the credential came back");
        stands!(!reply.text().contains("Authorization"), "the request came back");
    }
    stands!(listener.accept().is_err(), "the vault's server went to another host");
    stands!(vault.is_alive(), "the server is gone");
    Ok(())
}

fn stealing(a: &mut Arena) -> anyhow::Result<()> {
    let old = upper(&manifest(a)?);
    let ran = a.backup()?;
    anyhow::ensure!(ran.is_done(), "backup: {}", ran.brief());
    let (_vault, c) = a.serve("serve")?;
    let url = format!("http://{}/school0", c.address);
    let config = a.read("strongroom.toml")?.replacen(
        "repository = \"r0\"",
        "repository = \"r0\"\nvault = \"v\"",
        1,
    );
    let vault = format!("[[vault]]\nname = \"v\"\nurl = \"{url}\"\ntoken_file = \"push0.token\"\n");
    a.write("strongroom.toml", format!("{config}{vault}"))?;
    let thief = c.clone();
    let over = std::sync::atomic::AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                if let Ok(n) = begin(&thief) {
                    thief.post(&format!("/school0/manifests/{}", name_of(&old)), &old);
                    seal(&thief, n);
                }
            }
        });
        let mut command = a.command(0, &["replicate"]);
        let ran = crate::child::run(&mut command, Duration::from_secs(60));
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        ran
    })?;
    stands!(ran.is_done(), "the honest push: {}", ran.brief());
    let after = a.sessions()?;
    stands!(after.as_array().is_some_and(|s| s.len() == 2), "two sessions were due: {after}");
    Ok(())
}

fn by_chance(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    begin(&c)?;
    let began = Instant::now();
    for n in 0..150_usize {
        let length = (a.random() % 5000) as usize;
        let body = a.noise(length);
        let kind = ["data", "index", "snapshots", "manifests", "keys", "locks"][n % 6];
        c.post(&format!("/school0/{kind}/{}", name_of(&body)), &body);
    }
    stands!(vault.is_alive(), "the server is gone");
    stands!(began.elapsed() < Duration::from_secs(30), "it took {:.1?}", began.elapsed());
    stands!(c.get("/school0/config").status == 200, "readers get nothing");
    Ok(())
}
