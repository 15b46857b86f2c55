use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Absent, Class, stands},
    child::Ran,
    ntp::{Ntp, Says},
    plant::Plant,
};
use anyhow::ensure;
use std::{fs, path::Path, process::Command, sync::atomic::Ordering, time::Duration};

const DAY: i64 = 86_400;
const NOTHING: &str = "nothing is freed, and the clock is not believed";

pub(super) const CLASS: Class = Class {
    name: "clock",
    attacker: "moves the vault's clock, or answers as its time server",
    cases: &[
        listed("clock-steps-295", "steps by 295 s 420 times", "refused before two days", steps),
        listed(
            "clock-16-boots",
            "moves it 14 days at each of 16 starts",
            "refused by the third",
            boots,
        ),
        listed("clock-forward", "moves it 400 days at once and frees", NOTHING, |a| {
            moved(a, 400 * DAY, None)
        }),
        listed("clock-forward-boot", "moves it 400 days over a start and frees", NOTHING, |a| {
            moved(a, 400 * DAY, Some("another"))
        }),
        new("clock-back", "moves it back a day", "refused; then the right time is believed", back),
        new("clock-mark-gone", "deletes the clock's mark and moves it 400 days", NOTHING, |a| {
            a.wounds_the_vault();
            fs::remove_file(a.path("vault/school0/clock"))?;
            moved(a, 400 * DAY, None)
        }),
        new(
            "clock-mark-old",
            "brings an old mark back after each of 20 steps of 4 h",
            "refused before two days",
            old_mark,
        ),
        new(
            "clock-mark-broken",
            "replaces the mark by a FIFO, a folder, numbers beyond 2^64",
            "an orderly error each",
            broken_mark,
        ),
        new("clock-uptime-gone", "hides /proc/uptime and moves it an hour", NOTHING, |a| {
            uptime(a, "", 3600)
        }),
        new(
            "clock-uptime-odd",
            "lets /proc/uptime say inf, -1, 1e99, 2^70",
            "orderly, not believed",
            |a| {
                ["inf 0", "-1 0", "1e99 0", "99999999999999999999999 0", "nan", "\u{0}"]
                    .iter()
                    .try_for_each(|text| uptime(a, text, 400 * DAY))
            },
        ),
        new(
            "clock-extremes",
            "sets it to 1969, 2038, 2106, 2262, 9999",
            "orderly refusals",
            extremes,
        ),
        new("clock-fast", "lets it run 100,000 times too fast under run", NOTHING, fast),
        listed(
            "ntp-disagrees",
            "the time server is a year ahead, asked 10 times",
            "each call is refused",
            |a| ntp_refused(a, Says::Time, 365 * DAY),
        ),
        new(
            "ntp-one-of-two",
            "one of two time servers is ahead",
            "each call is refused",
            one_of_two,
        ),
        new(
            "ntp-kiss-of-death",
            "the time server says that it knows no time",
            "it is no clock",
            |a| no_clock(a, Says::KissOfDeath),
        ),
        new(
            "ntp-not-set",
            "the time server says that its clock is not set",
            "it is no clock",
            |a| no_clock(a, Says::NotSet),
        ),
        new(
            "ntp-other-question",
            "an answer to a question that nobody asked",
            "it is no clock",
            |a| no_clock(a, Says::OtherQuestion),
        ),
        new("ntp-as-client", "an answer in a client's mode", "it is no clock", |a| {
            no_clock(a, Says::AsClient)
        }),
        new("ntp-short", "half an answer", "it is no clock", |a| no_clock(a, Says::Short)),
        new("ntp-long", "an answer of 60 KB", "it is no clock", |a| no_clock(a, Says::Long)),
        new("ntp-noise", "noise", "it is no clock", |a| no_clock(a, Says::Noise)),
        new("ntp-silent", "no answer", "it is no clock, and holds nobody up", |a| {
            no_clock(a, Says::Nothing)
        }),
        listed(
            "ntp-none",
            "the honest case: no second clock",
            "nothing is freed, and that is said",
            none_at_all,
        ),
        new(
            "clock-order-late",
            "signs the right time, moves the clock, applies",
            NOTHING,
            order_late,
        ),
        new(
            "clock-msp-ahead",
            "the backup host's clock is ten years ahead for a night",
            "the next backup goes on, the vault's time stays",
            msp_ahead,
        ),
        new("clock-zones", "sets TZ to files, to nonsense, to +99", "times are the same", zones),
    ],
};

/// When and in which boot a command runs.
pub(crate) struct At<'t> {
    pub(crate) ahead_s: i64,
    /// Seconds since boot; the host's own when absent.
    pub(crate) uptime_s: Option<i64>,
    pub(crate) boot: Option<&'t str>,
}

const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// The wall's clock alone, without a call of the allocator: libfaketime stops programs that bring
/// an allocator of their own.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long ahead(void) { const char *s = getenv("AHEAD_S"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t c, struct timespec *t) {
  int r = syscall(SYS_clock_gettime, c, t);
  if (!r && c == CLOCK_REALTIME) t->tv_sec += ahead();
  return r;
}
time_t time(time_t *p) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  if (p) *p = t.tv_sec;
  return t.tv_sec;
}
int gettimeofday(struct timeval *v, void *z) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  v->tv_sec = t.tv_sec;
  v->tv_usec = t.tv_nsec / 1000;
  return 0;
}
"#;

/// The library that moves the clock, and the variables that tell it how far.
fn mover(dir: &Path, ahead_s: i64) -> anyhow::Result<String> {
    let made = dir.join("clock.so");
    if !made.exists() && crate::child::has("cc") {
        fs::write(dir.join("clock.c"), SHIM)?;
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o", "clock.so", "clock.c"]).current_dir(dir);
        ensure!(cc.status()?.success(), "cc makes no library of {SHIM:.40}");
    }
    if made.exists() {
        return Ok(format!("LD_PRELOAD='{}' AHEAD_S={ahead_s}", made.display()));
    }
    if !Path::new(LIBRARY).exists() {
        return Err(Absent("neither cc nor libfaketime is here".into()).into());
    }
    Ok(format!(
        "LD_PRELOAD={LIBRARY} FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 FAKETIME={ahead_s:+}"
    ))
}

pub(crate) fn now_s() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0))
}

pub(crate) fn host_uptime_s() -> i64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split('.').next().and_then(|t| t.parse().ok()).unwrap_or(0)
}

/// A program at another time, in another boot: the kernel's own files are covered for it.
pub(crate) fn at(dir: &Path, program: &Path, at: &At<'_>) -> anyhow::Result<Command> {
    let mover = mover(dir, at.ahead_s)?;
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c"]);
    let mut script = String::from("set -e; ");
    let uptime = at.uptime_s.map(|s| format!("{s}.00 1.00\n"));
    for (text, name, over) in [
        (uptime, "fake-uptime", "/proc/uptime"),
        (at.boot.map(|b| format!("{b}\n")), "fake-boot", "/proc/sys/kernel/random/boot_id"),
    ] {
        if let Some(text) = text {
            fs::write(dir.join(name), text)?;
            script.push_str(&format!("mount --bind '{}' {over}; ", dir.join(name).display()));
        }
    }
    script.push_str(&format!("exec env {mover} \"$0\" \"$@\""));
    command.arg(script).arg(program).current_dir(dir).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", dir.join("home"));
    Ok(command)
}

fn vault_at(a: &mut Arena, when: &At<'_>, args: &[&str]) -> anyhow::Result<Ran> {
    let mut command = at(a.dir(), &a.stage.bin.join("strongroom-vault"), when)?;
    command.args(["--dir", "vault", "--json"]).args(args);
    let ran = a.run(&mut command, Duration::from_secs(30))?;
    let cannot = ran.says("unshare") || ran.says("mount:");
    if cannot {
        return Err(Absent(format!("no namespace of mounts: {}", ran.err.trim())).into());
    }
    Ok(ran)
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn steps(a: &mut Arena) -> anyhow::Result<()> {
    let up = host_uptime_s();
    for n in 1..=420 {
        let when = At { ahead_s: 295 * n, uptime_s: Some(up + n), boot: None };
        let ran = vault_at(a, &when, &["verify", "school0", "--read-percent", "0"])?;
        if !ran.is_done() {
            stands!(ran.is_orderly() && 295 * n < 2 * DAY, "{}", ran.brief());
            // With the right time it must be known again, at once or by order.
            return Ok(());
        }
    }
    stands!(false, "{} s were walked in steps", 295 * 420);
    Ok(())
}

fn boots(a: &mut Arena) -> anyhow::Result<()> {
    for n in 1..=16 {
        let boot = format!("00000000-0000-0000-0000-{n:012}");
        let when = At { ahead_s: 14 * DAY * n, uptime_s: Some(60), boot: Some(&boot) };
        let ran = vault_at(a, &when, &["verify", "school0", "--read-percent", "0"])?;
        if !ran.is_done() {
            stands!(ran.is_orderly() && n <= 3, "boot {n}: {}", ran.brief());
            return Ok(());
        }
    }
    stands!(false, "16 boots were 224 days");
    Ok(())
}

fn refused(a: &mut Arena, when: &At<'_>) -> anyhow::Result<()> {
    for args in [
        &["verify", "school0", "--read-percent", "0"][..],
        &["expire", "school0", "--apply"],
        &["pull", "school0"],
        &["expire", "school0", "--apply"],
    ] {
        let ran = vault_at(a, when, args)?;
        stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
        let freed = ran.json()["freed"].as_u64().unwrap_or(0);
        stands!(freed == 0, "{freed} objects were freed");
        let is_expire = args.contains(&"expire");
        stands!(!ran.is_done() || is_expire, "{args:?} believed it: {}", ran.brief());
    }
    Ok(())
}

fn moved(a: &mut Arena, ahead_s: i64, boot: Option<&str>) -> anyhow::Result<()> {
    refused(a, &At { ahead_s, uptime_s: boot.map(|_| 30), boot })
}

fn back(a: &mut Arena) -> anyhow::Result<()> {
    refused(a, &At { ahead_s: -DAY, uptime_s: None, boot: None })?;
    let ran = a.vault(&["pull", "school0"])?;
    stands!(ran.is_done(), "the right time afterwards: {}", ran.brief());
    Ok(())
}

fn old_mark(a: &mut Arena) -> anyhow::Result<()> {
    a.wounds_the_vault();
    let file = a.path("vault/school0/clock");
    let old = fs::read(&file)?;
    let up = host_uptime_s();
    for n in 1..=20 {
        let boot = format!("00000000-0000-0000-0001-{n:012}");
        fs::write(&file, &old)?;
        let when = At { ahead_s: 4 * 3600 * n, uptime_s: Some(up), boot: Some(&boot) };
        let ran = vault_at(a, &when, &["verify", "school0", "--read-percent", "0"])?;
        if !ran.is_done() {
            stands!(4 * 3600 * n <= 2 * DAY, "after {} h: {}", 4 * n, ran.brief());
            return Ok(());
        }
    }
    stands!(false, "80 hours were walked with an old mark");
    Ok(())
}

fn broken_mark(a: &mut Arena) -> anyhow::Result<()> {
    a.wounds_the_vault();
    let file = a.path("vault/school0/clock");
    let whole = fs::read_to_string(&file)?;
    for plant in [
        Plant::Fifo,
        Plant::Directory,
        Plant::EndlessLink,
        Plant::Empty,
        Plant::Junk,
        Plant::Socket,
        Plant::LoopLink,
    ] {
        plant.put(&file)?;
        let mut command = a.vault_command(&["verify", "school0", "--read-percent", "0"]);
        let ran = a.run(&mut command, Duration::from_secs(8))?;
        stands!(!ran.hung && ran.is_orderly(), "{plant:?}: {}", ran.brief());
        stands!(!ran.is_done(), "a mark that is a {plant:?} is believed");
        stands!(ran.peak_kib < 300 << 10, "{plant:?} took {} KiB", ran.peak_kib);
        if file.is_dir() {
            fs::remove_dir(&file)?;
        } else {
            fs::remove_file(&file)?;
        }
    }
    for text in [
        "{\"v\":2,\"seen\":9223372036854775807,\"uptime_s\":0,\"boot\":\"x\"}",
        "{\"v\":2,\"seen\":-9223372036854775808,\"uptime_s\":-9223372036854775808,\"boot\":\"x\"}",
        "{\"v\":99}",
        "{}",
        "[]",
    ] {
        fs::write(&file, text)?;
        let ran = vault_at(
            a,
            &At { ahead_s: 400 * DAY, uptime_s: None, boot: None },
            &["expire", "school0", "--apply"],
        )?;
        stands!(ran.is_orderly(), "{text}: {}", ran.brief());
        stands!(ran.json()["freed"].as_u64().unwrap_or(0) == 0, "freed with {text}");
    }
    Ok(fs::write(&file, whole)?)
}

fn uptime(a: &mut Arena, text: &str, ahead_s: i64) -> anyhow::Result<()> {
    fs::write(a.path("odd-uptime"), text)?;
    let mut command = at(
        a.dir(),
        &a.stage.bin.join("strongroom-vault"),
        &At { ahead_s, uptime_s: Some(0), boot: None },
    )?;
    // Over the one that `at` would make.
    fs::write(a.path("fake-uptime"), text)?;
    command.args(["--dir", "vault", "--json", "verify", "school0", "--read-percent", "0"]);
    let ran = a.run(&mut command, Duration::from_secs(30))?;
    stands!(ran.is_orderly(), "{text:?}: {}", ran.brief());
    stands!(!ran.is_done(), "uptime {text:?} and {ahead_s} s are believed: {}", ran.brief());
    Ok(())
}

fn extremes(a: &mut Arena) -> anyhow::Result<()> {
    for second in [-86_400, 0, 2_147_483_647, 4_294_967_296, 9_223_372_036, 253_402_300_799] {
        let when = At { ahead_s: second - now_s(), uptime_s: None, boot: None };
        for args in [
            &["verify", "school0", "--read-percent", "0"][..],
            &["status"],
            &["expire", "school0", "--apply"],
        ] {
            let ran = vault_at(a, &when, args)?;
            stands!(ran.is_orderly(), "{args:?} in {second}: {}", ran.brief());
            stands!(ran.json()["freed"].as_u64().unwrap_or(0) == 0, "freed in {second}");
        }
    }
    Ok(())
}

fn fast(a: &mut Arena) -> anyhow::Result<()> {
    if !Path::new(LIBRARY).exists() {
        return Err(Absent("libfaketime is not here".into()).into());
    }
    let mut command = a.vault_command(&["run", "--listen", "127.0.0.1:0"]);
    command.env("LD_PRELOAD", LIBRARY).env("FAKETIME", "+0 x100000");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    let ran = a.run(&mut command, Duration::from_secs(12))?;
    stands!(ran.hung, "run ended: {}", ran.brief());
    Ok(())
}

fn with_ntp(a: &Arena, servers: &[&Ntp]) -> anyhow::Result<()> {
    let all: Vec<String> = servers.iter().map(|n| format!("\"{}\"", n.address)).collect();
    let text = a.read("vault/school0/repo.toml")?;
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("ntp")).collect();
    a.write(
        "vault/school0/repo.toml",
        format!("ntp = [{}]\n{}\n", all.join(", "), lines.join("\n")),
    )?;
    Ok(())
}

fn ntp_refused(a: &mut Arena, says: Says, ahead_s: i64) -> anyhow::Result<()> {
    let ntp = Ntp::start(says)?;
    ntp.ahead_s.store(ahead_s, Ordering::SeqCst);
    with_ntp(a, &[&ntp])?;
    for n in 0..10 {
        let args = [
            &["verify", "school0", "--read-percent", "0"][..],
            &["pull", "school0"],
            &["expire", "school0", "--apply"],
        ][n % 3];
        let ran = a.vault(args)?;
        let is_refused = !ran.is_done() && ran.is_orderly();
        stands!(is_refused, "call {n} {args:?} goes on: {}", ran.brief());
    }
    stands!(ntp.asked.load(Ordering::SeqCst) > 0, "nobody asked it");
    Ok(())
}

fn one_of_two(a: &mut Arena) -> anyhow::Result<()> {
    let (honest, liar) = (Ntp::start(Says::Time)?, Ntp::start(Says::Time)?);
    liar.ahead_s.store(400 * DAY, Ordering::SeqCst);
    for order in [[&honest, &liar], [&liar, &honest]] {
        with_ntp(a, &order)?;
        for _ in 0..2 {
            let ran = a.vault(&["expire", "school0", "--apply"])?;
            stands!(!ran.is_done() || ran.json()["freed"] == 0, "freed: {}", ran.brief());
            stands!(!ran.is_ok(), "two clocks that disagree are one that agrees");
        }
    }
    Ok(())
}

/// What is no clock agrees with nothing: nothing may be freed on its word.
fn no_clock(a: &mut Arena, says: Says) -> anyhow::Result<()> {
    let honest = Ntp::start(Says::Time)?;
    with_ntp(a, &[&honest])?;
    let ran = a.vault(&["expire", "school0", "--apply"])?;
    ensure!(ran.is_ok(), "with an honest time server: {}", ran.brief());
    let liar = Ntp::start(says)?;
    with_ntp(a, &[&liar])?;
    let ran = a.vault(&["expire", "school0", "--apply"])?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    stands!(liar.asked.load(Ordering::SeqCst) > 0, "nobody asked it");
    stands!(!ran.is_ok(), "{says:?} counts as a second clock: {}", ran.brief());
    let mut command = a.vault_command(&["pull", "school0"]);
    let ran = a.run(&mut command, Duration::from_secs(30))?;
    stands!(ran.is_done(), "a pull: {}", ran.brief());
    Ok(())
}

fn none_at_all(a: &mut Arena) -> anyhow::Result<()> {
    let ran = a.vault(&["expire", "school0", "--apply"])?;
    stands!(!ran.is_ok() && ran.json()["freed"] == 0, "{}", ran.brief());
    let status = a.vault(&["status"])?;
    stands!(!status.json()[0]["one_clock"].is_null(), "status does not say it");
    Ok(())
}

fn order_late(a: &mut Arena) -> anyhow::Result<()> {
    a.vault_ok(&[
        "order",
        "new",
        "school0",
        "--reason",
        "it is right",
        "--out",
        "c.json",
        "clock-is-right",
    ])?;
    for key in ["ada.key", "bob.key"] {
        a.vault_ok(&["order", "sign", "c.json", "--key", key])?;
    }
    let when = At { ahead_s: 13 * DAY, uptime_s: None, boot: None };
    let ran = vault_at(a, &when, &["order", "apply", "school0", "c.json"])?;
    stands!(!ran.is_done(), "13 days were vouched for: {}", ran.brief());
    let again = boot_id();
    let when = At { ahead_s: 26 * DAY, uptime_s: None, boot: Some(&again) };
    refused(a, &when)
}

fn msp_ahead(a: &mut Arena) -> anyhow::Result<()> {
    let when = At { ahead_s: 3650 * DAY, uptime_s: None, boot: None };
    let mut command = at(a.dir(), &a.stage.bin.join("strongroom"), &when)?;
    command.args(["--quiet", "--tenant", "school0", "backup"]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn()?;
    // It dies with its lock taken.
    std::thread::sleep(Duration::from_millis(400));
    child.kill()?;
    child.wait()?;
    let mut command = at(a.dir(), &a.stage.bin.join("strongroom"), &when)?;
    command.args(["--quiet", "--tenant", "school0", "backup"]);
    let ahead = a.run(&mut command, Duration::from_secs(60))?;
    stands!(ahead.is_orderly(), "{}", ahead.brief());
    // As on another host: the lock alone speaks.
    let _ = fs::remove_dir_all(a.path("cache"));
    let ran = a.backup()?;
    stands!(ran.is_done(), "the next backup: {}", ran.brief());
    let ran = a.vault(&["pull", "school0"])?;
    stands!(ran.is_done(), "a pull: {}", ran.brief());
    let ran = a.vault(&["verify", "school0"])?;
    stands!(ran.is_done(), "the vault's time moved: {}", ran.brief());
    Ok(())
}

fn zones(a: &mut Arena) -> anyhow::Result<()> {
    for zone in [
        ":/etc/passwd",
        "../../../etc/passwd",
        "XXX+99",
        "\u{1b}[2J",
        "Pacific/Kiritimati",
        "AAA-167:59:59BBB",
    ] {
        let mut command = a.vault_command(&["pull", "school0"]);
        command.env("TZ", zone);
        let ran = a.run(&mut command, Duration::from_secs(20))?;
        stands!(ran.is_done(), "TZ={zone:?}: {}", ran.brief());
        let mut command = a.command(0, &["snapshots"]);
        command.env("TZ", zone);
        let ran = a.run(&mut command, Duration::from_secs(20))?;
        stands!(ran.is_ok() && !ran.says("root:"), "TZ={zone:?}: {}", ran.brief());
    }
    Ok(())
}
