//! `attack years`: two years of a vault in days of faked time, with what an honest host does:
//! drift, corrections, restarts, an outage of the time server.

use crate::{
    Options,
    arena::{Arena, Stage, tree},
    child::Ran,
    classes::{At, at, host_uptime_s},
    ntp::{Ntp, Says},
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

const DAY: i64 = 86_400;
/// What a clock of an ordinary host goes wrong in a day.
const DRIFT_S: i64 = 4;
/// Its time service sets it right after so many days.
const CORRECTED_DAYS: i64 = 30;
/// A restart each so many days, with some minutes off.
const BOOT_DAYS: i64 = 47;
const OFF_S: i64 = 600;
/// The time server is away for these days.
const OUTAGE: std::ops::Range<i64> = 320..341;
const BACKUP_DAYS: i64 = 7;
const LOCK_DAYS: i64 = 90;
const POLICY: &str = "lock_days = 90\nmonthly_months = 6\nsilent_days = 10\n";

/// What of the two years is counted.
#[derive(Default)]
struct Years {
    wrongs: Vec<String>,
    sessions: BTreeMap<String, i64>,
    freed: u64,
    pulls: u64,
    backups: u64,
    boots: u64,
    expiries: u64,
    held_back: u64,
    restic: u64,
}

/// The host's clocks on a day.
fn when(day: i64, up0: i64) -> (i64, i64, String) {
    let drift = (day % CORRECTED_DAYS) * DRIFT_S;
    let boot = day / BOOT_DAYS;
    let up = match boot {
        0 => up0 + day * DAY,
        _ => (day - boot * BOOT_DAYS) * DAY + DAY - OFF_S,
    };
    (day * DAY + drift, up, format!("00000000-0000-4000-8000-{boot:012}"))
}

fn run_at(a: &mut Arena, program: &str, at_: &At<'_>, args: &[&str]) -> anyhow::Result<Ran> {
    let mut command = at(a.dir(), &a.stage.bin.join(program), at_)?;
    command.args(args);
    a.run(&mut command, Duration::from_secs(120))
}

pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let began = Instant::now();
    let stage = Stage::new(&options.bin, options.seed)?;
    let mut a = Arena::new(&stage, "years")?;
    let ntp = Ntp::start(Says::Time)?;
    // A vault of its own, with a policy of which something ends within two years.
    fs::remove_dir_all(a.path("vault"))?;
    let people = a.read("custodians")?;
    let people: Vec<&str> = people.lines().collect();
    a.write("policy.toml", POLICY)?;
    let settings = format!(
        "ntp = [\"{}\"]\n[hold]\nkind = \"local\"\nimmutable = false\n[source]\nkind = \
         \"folder\"\npath = \"{}\"\n",
        ntp.address,
        a.arg("copy2-0")
    );
    a.write("years.toml", settings)?;
    let up0 = host_uptime_s();
    let (ahead_s, uptime, boot) = when(0, up0);
    let first = At { ahead_s, uptime_s: Some(uptime), boot: Some(&boot) };
    let ran = run_at(
        &mut a,
        "strongroom-vault",
        &first,
        &[
            "--dir",
            "vault",
            "enrol",
            "school0",
            "--card",
            "card0.json",
            "--settings",
            "years.toml",
            "--policy",
            "policy.toml",
            "--custodian",
            people[0],
            "--custodian",
            people[1],
        ],
    )?;
    ensure!(ran.is_ok(), "enrol: {}", ran.brief());
    let mut y = Years::default();
    for day in 0..options.days {
        one_day(&mut a, &ntp, &mut y, day, up0)?;
        if !options.json && day % 90 == 89 {
            println!(
                "day {:>4}: {} sessions, {} objects freed, {} wrong",
                day + 1,
                y.sessions.len(),
                y.freed,
                y.wrongs.len()
            );
        }
        if y.wrongs.len() > 20 {
            break;
        }
    }
    let whole = options.days < 400 || y.freed > 0;
    if !whole {
        y.wrongs.push("nothing was freed in all the time: expiry does not work".into());
    }
    let figures = json!({
        "days": options.days, "pulls": y.pulls, "backups": y.backups, "boots": y.boots,
        "sessions": y.sessions.len(), "expiries": y.expiries, "objects_freed": y.freed,
        "expiries_without_second_clock": y.held_back, "restic_checks": y.restic,
        "outage_days": OUTAGE.end - OUTAGE.start, "drift_s_a_day": DRIFT_S,
        "took_s": began.elapsed().as_secs(), "wrong": y.wrongs,
    });
    match options.json {
        true => println!("{figures}"),
        false => println!("{figures:#}"),
    }
    Ok(y.wrongs.is_empty())
}

fn one_day(a: &mut Arena, ntp: &Ntp, y: &mut Years, day: i64, up0: i64) -> anyhow::Result<()> {
    let (ahead_s, uptime, boot) = when(day, up0);
    let now = At { ahead_s, uptime_s: Some(uptime), boot: Some(&boot) };
    // The time server is right; the host drifts away from it, and is set right.
    ntp.ahead_s.store(day * DAY, Ordering::SeqCst);
    ntp.up.store(!OUTAGE.contains(&day), Ordering::SeqCst);
    y.boots += u64::from(day > 0 && day % BOOT_DAYS == 0);
    if day % BACKUP_DAYS == 0 {
        if day > 0 {
            a.stage.control("clock", &json!({"advance_s": BACKUP_DAYS * DAY}))?;
            a.stage.control("live", &json!({"tenant": 0, "mail": true, "seed": day}))?;
        }
        let backup = At { ahead_s: day * DAY, uptime_s: None, boot: None };
        let ran = run_at(a, "strongroom", &backup, &["--quiet", "--tenant", "school0", "backup"])?;
        ensure!(ran.is_done(), "day {day}: backup: {}", ran.brief());
        y.backups += 1;
    }
    let vault = |a: &mut Arena, args: &[&str]| -> anyhow::Result<Ran> {
        let args = [&["--dir", "vault", "--json"], args].concat();
        run_at(a, "strongroom-vault", &now, &args)
    };
    let ran = vault(a, &["pull", "school0"])?;
    y.pulls += 1;
    if !ran.is_ok() {
        y.wrongs.push(format!("day {day}: pull: {}", ran.brief()));
    }
    let status = vault(a, &["status"])?;
    let frozen = status.json()[0]["frozen"].clone();
    if frozen.as_array().is_none_or(|f| !f.is_empty()) {
        y.wrongs.push(format!("day {day}: frozen wrongly: {frozen} {}", status.brief()));
    }
    sessions(a, y, day, &vault)?;
    if day % 30 == 29 {
        month(a, y, day, &vault)?;
    }
    Ok(())
}

type AtVault<'v> = dyn Fn(&mut Arena, &[&str]) -> anyhow::Result<Ran> + 'v;

fn sessions(a: &mut Arena, y: &mut Years, day: i64, vault: &AtVault<'_>) -> anyhow::Result<()> {
    if day % BACKUP_DAYS != 0 {
        return Ok(());
    }
    let ran = vault(a, &["sessions", "school0"])?;
    let all = ran.json();
    let rows = all.as_array().with_context(|| ran.brief())?;
    let before = y.sessions.len();
    for snapshot in rows.iter().flat_map(|s| s["snapshots"].as_array().into_iter().flatten()) {
        let id = snapshot["snapshot"].as_str().unwrap_or_default().to_owned();
        y.sessions.entry(id).or_insert(day);
    }
    if y.sessions.len() == before {
        y.wrongs.push(format!("day {day}: the new snapshot was not published"));
    }
    Ok(())
}

fn month(a: &mut Arena, y: &mut Years, day: i64, vault: &AtVault<'_>) -> anyhow::Result<()> {
    for args in [&["verify", "school0"][..], &["canary", "school0"]] {
        let ran = vault(a, args)?;
        if !ran.is_ok() {
            y.wrongs.push(format!("day {day}: {args:?}: {}", ran.brief()));
        }
    }
    let ran = vault(a, &["expire", "school0", "--apply"])?;
    y.expiries += 1;
    let freed = ran.json()["freed"].as_u64().unwrap_or(0);
    y.freed += freed;
    let frozen: Value = ran.json()["plan"]["frozen"].clone();
    if OUTAGE.contains(&day) {
        y.held_back += 1;
        if freed > 0 || ran.is_ok() {
            y.wrongs.push(format!("day {day}: freed on one clock: {}", ran.brief()));
        }
    } else if !ran.is_ok() {
        y.wrongs.push(format!("day {day}: expiry is held back: {frozen} {}", ran.brief()));
    }
    still_there(a, y, day);
    // What readers see then, by stock restic.
    let out = a.path(&format!("view-{day}"));
    let shown = out.display().to_string();
    let ran = vault(a, &["view", "school0", "--out", &shown])?;
    if !ran.is_ok() {
        y.wrongs.push(format!("day {day}: view: {}", ran.brief()));
    } else if let Ok(check) = a.restic(&out, &["check", "--read-data"]) {
        y.restic += 1;
        if !check.is_ok() {
            y.wrongs.push(format!("day {day}: restic check: {}", check.brief()));
        }
    }
    let _ = fs::remove_dir_all(out);
    Ok(())
}

/// What may not be gone: each snapshot that is younger than its lock, and the newest.
fn still_there(a: &Arena, y: &mut Years, day: i64) {
    let held: Vec<String> = tree(&a.path("vault/school0/hold/snapshots")).into_keys().collect();
    let newest = y.sessions.values().max().copied();
    let mut lost = Vec::new();
    for (id, published) in &y.sessions {
        let young = day - published < LOCK_DAYS;
        let needed = young || Some(*published) == newest;
        if needed && !held.contains(id) {
            lost.push(format!("day {day}: {id:.8} of day {published} is gone"));
        }
    }
    // The first of each month stays for the six months that the policy says.
    let mut months: BTreeMap<i64, (i64, &String)> = BTreeMap::new();
    for (id, published) in &y.sessions {
        let slot = months.entry(published / 31).or_insert((*published, id));
        if *published < slot.0 {
            *slot = (*published, id);
        }
    }
    let kept = months.values().filter(|(published, _)| day - published < 5 * 31);
    let some = kept.filter(|(_, id)| held.contains(id)).count();
    let wanted = months.values().filter(|(published, _)| day - published < 5 * 31).count();
    // A month of the calendar begins on other days than a span of 31: one may fall between.
    if some + 2 < wanted {
        lost.push(format!("day {day}: of {wanted} months {some} are held"));
    }
    y.wrongs.extend(lost);
}
