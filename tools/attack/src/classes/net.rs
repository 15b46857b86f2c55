use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Absent, Class, stands},
    child::{self, Served},
    wire::{Client, raw},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

const SERVES: &str = "an honest reader is answered within a second, meanwhile and after";

pub(super) const CLASS: Class = Class {
    name: "net",
    attacker: "reaches the vault's server without a credential",
    cases: &[
        listed("net-idle-sockets", "opens 1,100 sockets and says nothing", SERVES, idle),
        listed("net-slow-heads", "sends 200 heads byte by byte", SERVES, slow_heads),
        listed("net-unfinished-bodies", "announces 160 MiB 100 times, sends none", SERVES, bodies),
        listed("net-many-requests", "asks 2,000 times without a credential", SERVES, many),
        listed("net-guessing", "guesses tokens, 60 times at once", "told, and slowed", guessing),
        new(
            "net-lockout",
            "fails as the honest name from the honest address",
            "the honest one is not locked out",
            lockout,
        ),
        new(
            "net-swapped",
            "an honest slip: the token stands where the name should",
            "the token is in no log and no alarm",
            swapped,
        ),
        new(
            "net-log-lines",
            "signs in with names of line ends, escapes, bidi",
            "no log and no alarm holds them raw",
            log_lines,
        ),
        new(
            "net-long-names",
            "signs in 300 times with names of 10 KB",
            "logs and memory stay small",
            long_names,
        ),
        new(
            "net-strange-auth",
            "sends Authorization in 20 broken forms",
            "401, nothing breaks",
            strange_auth,
        ),
        new("net-not-http", "speaks TLS, SSH, HTTP/0.9, HTTP/2, NULs, noise", SERVES, not_http),
        new(
            "net-header-bombs",
            "sends 10,000 fields, folded, without colons, of 1 MB",
            SERVES,
            header_bombs,
        ),
        new("net-long-uri", "asks for a path of 15 KB and of 1 MB", SERVES, long_uri),
        new(
            "net-repo-names",
            "asks for schools by 25 hostile names",
            "none is found, none is made",
            repo_names,
        ),
        new("net-half-closed", "closes its writing side 500 times", SERVES, half_closed),
        new("net-resets", "resets 2,000 connections at once after a head", SERVES, resets),
        new("net-pipelining", "sends 500 requests on one connection at once", SERVES, pipelining),
        new("net-unread-answers", "asks and never reads, 300 times", SERVES, unread),
        new("net-expect", "expects 100-continue and then waits", SERVES, expect),
        new("net-upgrade", "asks for h2c and for websockets", "it stays HTTP/1.1", upgrade),
        new(
            "net-few-files",
            "does the idle sockets where 128 files may be open",
            SERVES,
            few_files,
        ),
        new("net-ports", "looks for other open ports of the process", "there is one", ports),
        new(
            "net-plain-beyond",
            "has it serve plain http beyond this host",
            "it refuses to start",
            plain_beyond,
        ),
        new(
            "net-tls-old",
            "offers TLS 1.0, 1.1, weak ciphers, compression",
            "no handshake",
            tls_old,
        ),
        new("net-tls-stall", "stops in the middle of 300 handshakes", SERVES, tls_stall),
        new(
            "net-tls-foreign-ca",
            "brings a certificate that another CA signed",
            "no answer",
            tls_foreign,
        ),
    ],
};

fn honest(c: &Client) -> anyhow::Result<()> {
    let reply = c.get("/school0/config");
    stands!(
        reply.status == 200 && reply.took < Duration::from_secs(1),
        "an honest reader: {} after {:.1?}",
        reply.brief(),
        reply.took
    );
    Ok(())
}

fn goes_on(vault: &mut Served, c: &Client) -> anyhow::Result<()> {
    stands!(vault.is_alive(), "the server is gone");
    let peak = child::peak_kib(vault.pid()).unwrap_or(u64::MAX);
    stands!(peak < 300 << 10, "the server took {peak} KiB");
    honest(c)
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()
}

/// With the schedule: the pull of the last minute comes though all this goes on.
fn idle(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("run")?;
    let sockets: Vec<_> = (0..1100).filter_map(|_| connect(c.address)).collect();
    std::thread::sleep(Duration::from_millis(300));
    honest(&c)?;
    let done = || -> Option<String> {
        let text = a.read("vault/school0/heartbeat.json").ok()?;
        let all: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(all["duties"]["pull"]["done"].as_str()?.to_owned())
    };
    let first = done();
    let began = Instant::now();
    while done() == first && began.elapsed() < Duration::from_secs(75) {
        std::thread::sleep(Duration::from_millis(500));
        honest(&c)?;
    }
    stands!(done() != first, "no pull in {:.0?} under {} sockets", began.elapsed(), sockets.len());
    goes_on(&mut vault, &c)
}

fn slow_heads(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let mut sockets: Vec<_> = (0..200).filter_map(|_| connect(c.address)).collect();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(14) {
        for socket in &mut sockets {
            let _ = socket.write_all(b"G");
        }
        honest(&c)?;
        std::thread::sleep(Duration::from_millis(500));
    }
    let mut open = 0;
    for socket in &mut sockets {
        let _ = socket.set_read_timeout(Some(Duration::from_millis(20)));
        let mut byte = [0; 512];
        let is_open = match socket.read(&mut byte) {
            Err(e) => e.kind() == std::io::ErrorKind::WouldBlock,
            Ok(n) => {
                n > 0
                    && socket
                        .read(&mut byte)
                        .is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
            }
        };
        open += usize::from(is_open);
    }
    stands!(open == 0, "{open} of 200 heads that never end are still open after 14 s");
    goes_on(&mut vault, &c)
}

fn bodies(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let mut sockets = Vec::new();
    for n in 0..100 {
        let auth = if n % 2 == 0 { String::new() } else { "Authorization: Basic eDp4\r\n".into() };
        let head = format!(
            "POST /school0/data/{} HTTP/1.1\r\nHost: v\r\n{auth}Content-Length: 160000000\r\n\r\n",
            "0".repeat(64)
        );
        if let Some(mut s) = connect(c.address) {
            let _ = s.write_all(head.as_bytes());
            sockets.push(s);
        }
    }
    honest(&c)?;
    goes_on(&mut vault, &c)
}

fn many(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let head = b"GET /school0/config HTTP/1.1\r\nHost: v\r\n\r\n";
                    raw(c.address, &[head], Duration::from_secs(2));
                }
            });
        }
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(100));
            honest(&c)?;
        }
        anyhow::Ok(())
    })?;
    goes_on(&mut vault, &c)
}

fn guess(c: &Client, user: &str, token: &str) -> crate::wire::Reply {
    let wrong = Client { address: c.address, user: user.into(), token: token.into() };
    wrong.get("/school0/config")
}

fn guessing(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("run")?;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..60 {
            let c = c.clone();
            scope.spawn(move || guess(&c, "push", &format!("{n:064x}")));
        }
    });
    stands!(began.elapsed() > Duration::from_secs(1), "60 guesses in {:.1?}", began.elapsed());
    std::thread::sleep(Duration::from_millis(500));
    let alarms = a.alarms(0);
    stands!(alarms.iter().any(|k| k == "sign-in-refused"), "nobody is told: {alarms:?}");
    stands!(alarms.len() < 20, "{} alarms of one attack", alarms.len());
    goes_on(&mut vault, &c)
}

fn lockout(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    std::thread::scope(|scope| {
        for n in 0..80 {
            let c = c.clone();
            scope.spawn(move || guess(&c, "push", &format!("{n:064x}")));
        }
        std::thread::sleep(Duration::from_millis(300));
        (0..5).try_for_each(|_| honest(&c))
    })?;
    goes_on(&mut vault, &c)
}

/// Does something so many times at once.
fn at_once<T>(c: &Client, times: usize, f: impl Fn(&Client, usize) -> T + Sync) {
    std::thread::scope(|scope| {
        for n in 0..times {
            let f = &f;
            scope.spawn(move || drop(f(c, n)));
        }
    });
}

/// Everything that the vault wrote or told since.
fn written(a: &Arena) -> String {
    ["vault.log", "vault/school0/alarms.jsonl", "told0.jsonl"]
        .map(|name| std::fs::read(a.path(name)).map(|b| String::from_utf8_lossy(&b).into_owned()))
        .into_iter()
        .flatten()
        .collect()
}

fn swapped(a: &mut Arena) -> anyhow::Result<()> {
    let (vault, c) = a.serve("run")?;
    at_once(&c, 12, |c, _| guess(c, &c.token, "push"));
    std::thread::sleep(Duration::from_millis(700));
    drop(vault);
    let text = written(a);
    stands!(!text.contains(&c.token), "the token of a swapped sign-in stands in a log or an alarm");
    Ok(())
}

fn log_lines(a: &mut Arena) -> anyhow::Result<()> {
    let (vault, c) = a.serve("run")?;
    let names = [
        "x\n2026-01-01 INFO all is well",
        "\u{1b}[2J\u{1b}[31m",
        "\u{202e}drawkcab",
        "a\rb",
        "\u{2028}line",
        "\u{9b}31m",
        "\u{0}",
        "\u{7}\u{8}\u{8}",
    ];
    at_once(&c, 24, |c, n| guess(c, names[n % names.len()], "x"));
    std::thread::sleep(Duration::from_millis(700));
    drop(vault);
    let text = written(a);
    let raw = |c: char| {
        c != '\n' && c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2028}'..='\u{2029}').contains(&c)
    };
    let found = text.chars().find(|c| raw(*c));
    stands!(found.is_none(), "{found:?} of a stranger stands raw in a log or an alarm");
    let forged = text.lines().any(|l| l.starts_with("2026-01-01 INFO all is well"));
    stands!(!forged, "a stranger wrote a line of the log");
    Ok(())
}

fn long_names(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("run")?;
    std::thread::scope(|scope| {
        for n in 0..6 {
            let c = c.clone();
            scope.spawn(move || {
                for m in 0..50 {
                    let name = format!("{n}-{m}-").repeat(1500);
                    let wrong = Client { user: name, ..c.clone() };
                    let head = format!("GET /school{n} HTTP/1.1\r\n{}\r\n", wrong.authorization());
                    raw(c.address, &[head.as_bytes()], Duration::from_millis(50));
                }
            });
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    goes_on(&mut vault, &c)?;
    drop(vault);
    let bytes = written(a).len();
    stands!(bytes < 300_000, "300 strangers wrote {bytes} bytes of logs and alarms");
    Ok(())
}

fn strange_auth(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let both = STANDARD.encode(format!("push:{}", c.token));
    let good = format!("Basic {both}");
    for value in [
        "",
        "Basic",
        "Basic ",
        "Basic =",
        "Basic ====",
        "Basic \u{0}",
        "Bearer x",
        "Digest username=\"push\"",
        "Negotiate YII=",
        "basic",
        "Basic Og==",
        "Basic cHVzaA==",
        &format!("Basic  {both}"),
        &format!("Basic {both},"),
        &format!("Basic {both} x"),
        &format!("Basic {}", STANDARD.encode(format!("push:{} ", c.token))),
        &format!("Basic {}", STANDARD.encode(format!("push:{}\0", c.token))),
        &format!("Basic {}", STANDARD.encode(format!("PUSH:{}", c.token))),
        &format!("Basic {}", STANDARD.encode(format!("push:{}", &c.token[1..]))),
        &format!("Basic {}", STANDARD.encode(format!("push:{}", c.token.to_uppercase()))),
    ] {
        let head =
            format!("GET /school0/config HTTP/1.1\r\nHost: v\r\nAuthorization: {value}\r\n\r\n");
        let reply = raw(c.address, &[head.as_bytes()], Duration::from_millis(500));
        stands!(reply.status != 200, "{value:?} was let in");
    }
    let twice = format!(
        "GET /school0/config HTTP/1.1\r\nHost: v\r\nAuthorization: Basic eDp4\r\nAuthorization: \
         {good}\r\n\r\n"
    );
    // Either is right; to break is not.
    raw(c.address, &[twice.as_bytes()], Duration::from_millis(500));
    goes_on(&mut vault, &c)
}

fn not_http(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let hello = hex::decode("16030100750100007103035555")?;
    let mut all: Vec<Vec<u8>> = vec![
        hello,
        b"SSH-2.0-OpenSSH_9\r\n".to_vec(),
        b"GET /school0/config\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0; 20_000],
        b"\r\n".repeat(5000),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET  / HTTP/1.1\r\n\r\n".to_vec(),
        b"\xff\xfe GET / HTTP/1.1\r\n\r\n".to_vec(),
        "GET /\u{fffd} HTTP/1.1\r\n\r\n".as_bytes().to_vec(),
    ];
    for _ in 0..60 {
        let length = (a.random() % 2000) as usize;
        all.push(a.noise(length));
    }
    for bytes in &all {
        raw(c.address, &[bytes], Duration::from_millis(30));
    }
    goes_on(&mut vault, &c)
}

fn header_bombs(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let first = "GET /school0/config HTTP/1.1\r\nHost: v\r\n";
    for lines in [
        "a: b\r\n".repeat(10_000),
        format!("a: {}\r\n", "b".repeat(1 << 20)),
        "no colon here\r\n".into(),
        "a: b\r\n folded\r\n\tfolded\r\n".into(),
        ": empty\r\n".into(),
        "a\0b: c\r\n".into(),
        "Host: w\r\n".repeat(50),
        format!("{}: x\r\n", "n".repeat(100_000)),
        "Connection: close, x\r\n".repeat(200),
    ] {
        let head = format!("{first}{lines}\r\n");
        let reply = raw(c.address, &[head.as_bytes()], Duration::from_millis(600));
        stands!(reply.status != 200, "{lines:.40?} was answered with 200");
    }
    goes_on(&mut vault, &c)
}

fn long_uri(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    for length in [15_000, 1 << 20] {
        let head = format!("GET /{} HTTP/1.1\r\nHost: v\r\n\r\n", "a/".repeat(length / 2));
        let reply = raw(c.address, &[head.as_bytes()], Duration::from_secs(7));
        stands!(reply.status != 200, "answered with 200");
    }
    let reply = c.get(&format!("/school0/{}", "a/".repeat(7000)));
    stands!(reply.status != 200, "answered with 200");
    goes_on(&mut vault, &c)
}

fn repo_names(a: &mut Arena) -> anyhow::Result<()> {
    let entries = |a: &Arena| std::fs::read_dir(a.path("vault")).map(|d| d.count());
    let before = entries(a)?;
    let (mut vault, c) = a.serve("run")?;
    for name in [
        "..",
        ".",
        "%2e%2e",
        "..%2f..",
        "school0%00",
        "SCHOOL0",
        "school0.",
        "school0%20",
        "vault.key",
        "school0/..",
        "",
        "%",
        "%zz",
        "school0@",
        "school0@x",
        "school0@-1",
        "school0@18446744073709551616",
        "school0@1@1",
        "@1",
        "@",
        "~",
        "*",
        "school?",
        "con",
        "$HOME",
    ] {
        for _ in 0..2 {
            let target = format!("/{name}/config");
            let head = format!("GET {target} HTTP/1.1\r\nHost: v\r\n\r\n");
            let reply = raw(c.address, &[head.as_bytes()], Duration::from_millis(200));
            stands!(reply.status != 200, "{target}: {}", reply.brief());
        }
    }
    goes_on(&mut vault, &c)?;
    stands!(entries(a)? == before, "a folder was made in the vault's");
    Ok(())
}

fn half_closed(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let mut kept = Vec::new();
    for n in 0..500 {
        let Some(mut s) = connect(c.address) else { continue };
        if n % 2 == 0 {
            let _ = s.write_all(b"GET /school0/config HTTP/1.1\r\nHost: v\r\n\r\n");
        }
        let _ = s.shutdown(Shutdown::Write);
        kept.push(s);
    }
    honest(&c)?;
    drop(kept);
    goes_on(&mut vault, &c)
}

fn resets(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    for _ in 0..2000 {
        let Some(mut s) = connect(c.address) else { continue };
        let head = format!("GET /school0/data/ HTTP/1.1\r\nHost: v\r\n{}\r\n", c.authorization());
        let _ = s.write_all(head.as_bytes());
        // What was sent and is not read makes the close a reset.
        drop(s);
    }
    goes_on(&mut vault, &c)
}

fn pipelining(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let one = "GET /school0/config HTTP/1.1\r\nHost: v\r\n\r\n";
    let reply = raw(c.address, &[one.repeat(500).as_bytes()], Duration::from_secs(3));
    let answers = reply.text().matches("HTTP/1.1 ").count();
    stands!(answers < 50, "{answers} answers on one connection without a credential");
    goes_on(&mut vault, &c)
}

fn unread(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let mut kept = Vec::new();
    for _ in 0..300 {
        let Some(mut s) = connect(c.address) else { continue };
        let _ = s.write_all(b"GET /school0/config HTTP/1.1\r\nHost: v\r\n\r\n");
        kept.push(s);
    }
    honest(&c)?;
    goes_on(&mut vault, &c)
}

fn expect(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    let head = "POST /school0/sessions HTTP/1.1\r\nHost: v\r\nExpect: 100-continue\r\n\
        Content-Length: 9\r\n\r\n";
    let reply = raw(c.address, &[head.as_bytes()], Duration::from_secs(3));
    stands!(reply.status != 100, "a body without a credential is wanted");
    goes_on(&mut vault, &c)
}

fn upgrade(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, c) = a.serve("serve")?;
    for lines in [
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ] {
        let head = format!("GET /school0/config HTTP/1.1\r\nHost: v\r\n{lines}\r\n\r\n");
        let reply = raw(c.address, &[head.as_bytes()], Duration::from_secs(7));
        stands!(reply.status != 101, "it changed its protocol");
    }
    goes_on(&mut vault, &c)
}

/// The server of this school, where only so many files may be open.
fn few_files(a: &mut Arena) -> anyhow::Result<()> {
    let mut command = Command::new("sh");
    command.current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin");
    command
        .args(["-c", "ulimit -n 128; exec \"$0\" \"$@\""])
        .arg(a.stage.bin.join("strongroom-vault"));
    command.args(["--dir", "vault", "--json", "run", "--listen", "127.0.0.1:0"]);
    let mut vault = Served::start(&mut command, &a.path("vault.log"))?;
    let url = vault.ready["url"].as_str().unwrap_or_default().to_owned();
    let address = url.trim_start_matches("http://").trim_end_matches('/').parse()?;
    let c = Client { address, user: "push".into(), token: a.read("push0.token")?.trim().into() };
    let sockets: Vec<_> = (0..400).filter_map(|_| connect(address)).collect();
    for _ in 0..5 {
        honest(&c)?;
        std::thread::sleep(Duration::from_millis(300));
    }
    let ran = a.vault(&["pull", "school1"])?;
    stands!(ran.is_done() || ran.code == Some(11), "a pull: {}", ran.brief());
    drop(sockets);
    goes_on(&mut vault, &c)
}

fn ports(a: &mut Arena) -> anyhow::Result<()> {
    let (vault, c) = a.serve("run")?;
    let mut theirs = 0;
    for file in ["tcp", "tcp6", "udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{}/net/{file}", vault.pid()))?;
        let fds = std::fs::read_dir(format!("/proc/{}/fd", vault.pid()))?;
        let inodes: Vec<String> = fds
            .flatten()
            .filter_map(|e| std::fs::read_link(e.path()).ok())
            .filter_map(|l| {
                let l = l.display().to_string();
                Some(l.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
            })
            .collect();
        let listens = |l: &&str| {
            let cells: Vec<&str> = l.split_whitespace().collect();
            let state = if file.starts_with("tcp") { "0A" } else { "07" };
            cells.get(3) == Some(&state)
                && cells.get(9).is_some_and(|i| inodes.contains(&(*i).to_owned()))
        };
        theirs += text.lines().filter(listens).count();
    }
    stands!(theirs == 1, "{theirs} sockets listen");
    honest(&c)
}

fn plain_beyond(a: &mut Arena) -> anyhow::Result<()> {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let mut command = a.vault_command(&["serve", "--listen", address]);
        let ran = a.run(&mut command, Duration::from_secs(3))?;
        stands!(!ran.hung && ran.code != Some(0), "{address}: {}", ran.brief());
    }
    Ok(())
}

fn openssl(a: &Arena, args: &[&str]) -> anyhow::Result<()> {
    if !child::has("openssl") {
        return Err(Absent("openssl is not here".into()).into());
    }
    let out = Command::new("openssl").args(args).current_dir(a.dir()).output()?;
    anyhow::ensure!(
        out.status.success(),
        "openssl {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(())
}

/// Serves with TLS, and asks for clients' certificates where there is a CA of theirs.
fn tls(a: &Arena, client_ca: bool) -> anyhow::Result<(Served, SocketAddr)> {
    for ca in ["server", "clients", "foreign"] {
        openssl(
            a,
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                &format!("{ca}.key"),
                "-out",
                &format!("{ca}.pem"),
                "-days",
                "30",
                "-subj",
                &format!("/CN={ca}"),
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
            ],
        )?;
    }
    // What a CA signed, for a client: the CA itself is none.
    for ca in ["clients", "foreign"] {
        let (key, csr, out) = (format!("{ca}1.key"), format!("{ca}1.csr"), format!("{ca}1.pem"));
        let subject = format!("/CN={ca}1");
        openssl(
            a,
            &[
                "req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &csr, "-subj",
                &subject,
            ],
        )?;
        a.write("client.ext", "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n")?;
        let (signer, by) = (format!("{ca}.pem"), format!("{ca}.key"));
        openssl(
            a,
            &[
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                &signer,
                "-CAkey",
                &by,
                "-CAcreateserial",
                "-days",
                "30",
                "-extfile",
                "client.ext",
                "-out",
                &out,
            ],
        )?;
    }
    let mut args = vec![
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-certificate",
        "server.pem",
        "--tls-key",
        "server.key",
    ];
    if client_ca {
        args.extend(["--client-ca", "clients.pem"]);
    }
    let served = Served::start(&mut a.vault_command(&args), &a.path("vault.log"))?;
    let url = served.ready["url"].as_str().unwrap_or_default().to_owned();
    Ok((served, url.trim_start_matches("https://").trim_end_matches('/').parse()?))
}

/// What `openssl s_client` gets for a request.
fn s_client(a: &Arena, address: SocketAddr, args: &[&str], ask: &str) -> anyhow::Result<String> {
    let mut command = Command::new("timeout");
    command.args(["4", "openssl", "s_client", "-quiet", "-connect", &address.to_string()]);
    command.args(args).current_dir(a.dir());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::null()).spawn()?;
    if let Some(stdin) = &mut child.stdin {
        let _ = stdin.write_all(ask.as_bytes());
    }
    let out = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn request(a: &Arena) -> anyhow::Result<String> {
    let token = a.read("read0.token")?;
    let basic = STANDARD.encode(format!("read:{}", token.trim()));
    Ok(format!(
        "GET /school0/config HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\n\
         Connection: close\r\n\r\n"
    ))
}

fn tls_old(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, address) = tls(a, false)?;
    let ask = request(a)?;
    let good = s_client(a, address, &[], &ask)?;
    anyhow::ensure!(good.starts_with("HTTP/1.1 200"), "an honest client gets {good:.100?}");
    for args in [
        &["-tls1"][..],
        &["-tls1_1"],
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"],
    ] {
        let got = s_client(a, address, args, &ask)?;
        stands!(got.is_empty(), "{args:?} was answered: {got:.60?}");
    }
    stands!(vault.is_alive(), "the server is gone");
    Ok(())
}

fn tls_stall(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, address) = tls(a, false)?;
    let hello = hex::decode("16030100750100007103035555")?;
    let mut kept = Vec::new();
    for _ in 0..300 {
        if let Some(mut s) = connect(address) {
            let _ = s.write_all(&hello);
            kept.push(s);
        }
    }
    let ask = request(a)?;
    let began = Instant::now();
    let got = s_client(a, address, &[], &ask)?;
    stands!(got.starts_with("HTTP/1.1 200"), "an honest client gets {got:.60?}");
    stands!(began.elapsed() < Duration::from_secs(2), "it took {:.1?}", began.elapsed());
    stands!(vault.is_alive(), "the server is gone");
    Ok(())
}

fn tls_foreign(a: &mut Arena) -> anyhow::Result<()> {
    let (mut vault, address) = tls(a, true)?;
    let ask = request(a)?;
    let good = s_client(a, address, &["-cert", "clients1.pem", "-key", "clients1.key"], &ask)?;
    anyhow::ensure!(good.starts_with("HTTP/1.1 200"), "an honest client gets {good:.100?}");
    for args in [&[][..], &["-cert", "foreign1.pem", "-key", "foreign1.key"]] {
        let got = s_client(a, address, args, &ask)?;
        stands!(!got.contains("200 OK"), "{args:?} was let in: {got:.60?}");
    }
    stands!(vault.is_alive(), "the server is gone");
    Ok(())
}
