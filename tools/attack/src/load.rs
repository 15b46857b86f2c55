//! `attack load`: a vault under idle, slow and greedy connections, with hostile objects in copy 2.

use crate::{
    Options,
    arena::{Arena, Stage},
    child::{Served, memory_kib},
    plant::Plant,
    wire::Client,
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const IDLE: usize = 2000;
const SLOW: usize = 50;
const FLOOD: usize = 24;
/// The vault pulls each minute; so much later is late.
const LATE: Duration = Duration::from_secs(75);
/// More than this above where it was after the first tenth of the time is no flat memory.
const GROWTH_KIB_MAX: u64 = 48 << 10;

/// What is counted while it goes on.
#[derive(Default)]
struct Seen {
    answers: Mutex<Vec<Duration>>,
    refused: AtomicUsize,
    flood: AtomicUsize,
    opened: AtomicUsize,
    slow: AtomicUsize,
}

fn locked<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When each pull of a school was done, as the heartbeat says.
fn pulled(a: &Arena, school: usize) -> Option<String> {
    let text = a.read(&format!("vault/school{school}/heartbeat.json")).ok()?;
    let all: Value = serde_json::from_str(&text).ok()?;
    Some(all["duties"]["pull"]["done"].as_str()?.to_owned())
}

fn more_files() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = 16_384.min(now.maximum.unwrap_or(u64::MAX));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: now.maximum })?;
    ensure!(wanted > 4096, "this account may open {wanted} files, too few for this");
    Ok(())
}

/// The vault with the files that a service may open by default.
fn vault(a: &Arena) -> anyhow::Result<(Served, Client)> {
    let mut command = Command::new("sh");
    command.current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
    command.args(["-c", "ulimit -n 1024; exec \"$0\" \"$@\""]);
    command.arg(a.stage.bin.join("strongroom-vault"));
    command.args(["--dir", "vault", "--json", "run", "--listen", "127.0.0.1:0"]);
    let served = Served::start(&mut command, &a.path("vault.log"))?;
    let url = served.ready["url"].as_str().context("no address")?;
    let address = url.trim_start_matches("http://").trim_end_matches('/').parse()?;
    let token = a.read("read0.token")?.trim().to_owned();
    Ok((served, Client { address, user: "read".into(), token }))
}

/// Keeps many sockets open that say nothing; those that were closed are opened again.
fn idle(address: SocketAddr, over: &AtomicBool, seen: &Seen) {
    let mut sockets: Vec<Option<TcpStream>> = (0..IDLE).map(|_| None).collect();
    while !over.load(Ordering::SeqCst) {
        for place in &mut sockets {
            if over.load(Ordering::SeqCst) {
                return;
            }
            let closed = place.as_ref().is_none_or(|s| {
                let _ = s.set_nonblocking(true);
                let (mut s, mut few) = (s, [0; 64]);
                !s.read(&mut few).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
            });
            if closed {
                *place = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok();
                seen.opened.fetch_add(1, Ordering::Relaxed);
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A head that comes byte by byte, or an answer that is taken so; half with the credential.
fn slow(c: &Client, n: usize, path: &str, over: &AtomicBool, seen: &Seen) {
    let auth = if n % 2 == 0 { c.authorization() } else { String::new() };
    let head = format!("GET {path} HTTP/1.1\r\nHost: v\r\n{auth}\r\n");
    while !over.load(Ordering::SeqCst) {
        let Ok(mut s) = TcpStream::connect_timeout(&c.address, Duration::from_secs(2)) else {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        };
        seen.slow.fetch_add(1, Ordering::Relaxed);
        let _ = s.set_read_timeout(Some(Duration::from_millis(300)));
        if n % 4 < 2 {
            for byte in head.as_bytes() {
                if s.write_all(&[*byte]).is_err() || over.load(Ordering::SeqCst) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        } else {
            let _ = s.write_all(head.as_bytes());
            for _ in 0..600 {
                match s.read(&mut [0; 1]) {
                    Ok(0) => break,
                    _ if over.load(Ordering::SeqCst) => return,
                    _ => std::thread::sleep(Duration::from_millis(200)),
                }
            }
        }
    }
}

/// Runs it; answers whether all that must hold held.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    more_files()?;
    let stage = Stage::new(&options.bin, options.seed)?;
    let mut a = Arena::new(&stage, "load")?;
    // Another credential floods: what it may hold at once is its own.
    a.vault_ok(&[
        "credential",
        "add",
        "school0",
        "flood",
        "--may",
        "read",
        "--token-file",
        "flood.token",
    ])?;
    for kind in ["manifests", "data/00", "keys", "index", "snapshots"] {
        for (n, plant) in Plant::ALL.iter().enumerate() {
            // Files of junk among those of the MSP's side are what `copy2-msp` tries: here its
            // backups go on, so that there is something to pull.
            let is_file =
                matches!(plant, Plant::Sparse | Plant::Closed | Plant::Empty | Plant::Junk);
            if !is_file || kind == "manifests" || kind == "data/00" {
                plant.put(&a.path(&format!("copy2-0/{kind}/{n:064x}")))?;
            }
        }
    }
    let largest = a.names("data").into_iter().max_by_key(|n| {
        a.path(&format!("copy2-0/data/{}/{n}", &n[..2])).metadata().map_or(0, |m| m.len())
    });
    let path = format!("/school0/data/{}", largest.context("no pack")?);
    let (mut served, honest) = vault(&a)?;
    let token = a.read("flood.token")?.trim().to_owned();
    let greedy = Client { user: "flood".into(), token, ..honest.clone() };
    let (seen, over) = (Seen::default(), AtomicBool::new(false));
    let time = Duration::from_secs(options.minutes * 60);
    let began = Instant::now();
    let mut pulls = [BTreeSet::new(), BTreeSet::new()];
    let mut gaps = [Duration::ZERO; 2];
    let mut memory = Vec::new();
    let (mut backups, mut done) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| idle(honest.address, &over, &seen));
        for n in 0..SLOW {
            let (greedy, path, over, seen) = (&greedy, &path, &over, &seen);
            scope.spawn(move || slow(greedy, n, path, over, seen));
        }
        for _ in 0..FLOOD {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    greedy.get(&path);
                    seen.flood.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let reply = honest.get("/school0/snapshots/");
                match reply.status {
                    200 => locked(&seen.answers).push(reply.took),
                    _ => drop(seen.refused.fetch_add(1, Ordering::Relaxed)),
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let mut last = [Instant::now(); 2];
        let mut sampled = Instant::now();
        while began.elapsed() < time {
            for n in 0..2 {
                if let Some(at) = pulled(&a, n)
                    && pulls[n].insert(at)
                {
                    gaps[n] = gaps[n].max(last[n].elapsed());
                    last[n] = Instant::now();
                }
            }
            if sampled.elapsed() > Duration::from_secs(5) {
                sampled = Instant::now();
                memory.extend(memory_kib(served.pid()));
            }
            // Something new to pull, now and then.
            if began.elapsed() > Duration::from_secs(90 * (backups + 1)) {
                backups += 1;
                let _ = stage.control("live", &json!({"tenant": 0, "mail": true, "seed": backups}));
                let ran = a.backup();
                done += u64::from(ran.is_ok_and(|ran| ran.is_done()));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        for n in 0..2 {
            gaps[n] = gaps[n].max(last[n].elapsed());
        }
        over.store(true, Ordering::SeqCst);
    });
    let alive = served.is_alive();
    drop(served);
    let sessions = a.sessions()?.as_array().map_or(0, Vec::len);
    say(options, &seen, &pulls, gaps, &memory, sessions, alive, (backups, done))
}

#[allow(clippy::too_many_arguments)]
fn say(
    options: &Options,
    seen: &Seen,
    pulls: &[BTreeSet<String>; 2],
    gaps: [Duration; 2],
    memory: &[u64],
    sessions: usize,
    alive: bool,
    (backups, done): (u64, u64),
) -> anyhow::Result<bool> {
    let mut answers = locked(&seen.answers).clone();
    answers.sort();
    ensure!(!answers.is_empty(), "no honest reader was ever answered");
    let at = |share: usize| answers[(answers.len() * share / 1000).min(answers.len() - 1)];
    let from = memory.get(memory.len() / 10).copied().unwrap_or(0);
    let most = memory.iter().copied().max().unwrap_or(0);
    let last = memory.last().copied().unwrap_or(0);
    let refused = seen.refused.load(Ordering::SeqCst);
    let checks = [
        ("the server lives", alive),
        ("a pull of each school each minute", gaps.iter().all(|g| *g <= LATE)),
        ("backups beside it, and each is published", backups == done && sessions as u64 > done),
        ("readers answered within 1 s at the 99th percentile", at(990) < Duration::from_secs(1)),
        ("no honest reader refused (1 in 1,000 at most)", refused * 1000 <= answers.len()),
        ("memory flat", most <= from + GROWTH_KIB_MAX),
    ];
    let held = checks.iter().all(|(_, held)| *held);
    let figures = json!({
        "minutes": options.minutes, "idle": IDLE, "slow": SLOW, "flood": FLOOD,
        "idle_opened": seen.opened.load(Ordering::SeqCst),
        "slow_opened": seen.slow.load(Ordering::SeqCst),
        "flood_reads": seen.flood.load(Ordering::SeqCst),
        "reader_answers": answers.len(), "reader_refused": refused,
        "p50_ms": at(500).as_millis(), "p99_ms": at(990).as_millis(),
        "worst_ms": at(1000).as_millis(),
        "pulls": [pulls[0].len(), pulls[1].len()],
        "longest_between_pulls_s": [gaps[0].as_secs(), gaps[1].as_secs()],
        "new_backups": done, "sessions": sessions,
        "memory_kib": {"early": from, "most": most, "last": last},
    });
    if options.json {
        println!("{figures}");
    } else {
        println!("{figures:#}");
    }
    for (what, held) in checks {
        if !options.json {
            println!("{:<4} {what}", if held { "held" } else { "NOT" });
        }
    }
    Ok(held)
}
