//! Commands that look into snapshots: ls, find, cat, diff, history. None reads more content than it
//! shows.

use crate::{Global, edge::blocking, failure, output};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::io::Write;
use strongroom_model::{Ending, Verdict, shown_line};
use strongroom_operations::browse::{
    self, Browser, Chosen, ChosenSeveral, Count, Difference, HistoryStep, PathEntry, Query,
};

#[derive(Args)]
pub(crate) struct Ls {
    /// Snapshot: an id, the first digits of one, or `latest`.
    #[arg(default_value = "latest")]
    snapshot: String,
    /// Only below this path.
    #[arg(default_value = "/")]
    path: String,
    /// Everything below, not one level.
    #[arg(short = 'R', long)]
    recursive: bool,
}

#[derive(Args)]
pub(crate) struct Find {
    /// Text in the path, the real name or the sender, without case.
    text: Option<String>,
    /// Regular expression over the path.
    #[arg(long, value_name = "EXPRESSION")]
    regex: Option<String>,
    /// Text in the subject or the file's real name.
    #[arg(long)]
    subject: Option<String>,
    /// Text in the sender's address.
    #[arg(long)]
    from: Option<String>,
    /// Text in the address or the name of one to whom it went, copies too: reads the record of each
    /// message that fits otherwise.
    #[arg(long)]
    to: Option<String>,
    /// Received or modified on this day or later: 2026-03-01, or a time with its zone.
    #[arg(long, value_name = "DAY")]
    after: Option<String>,
    /// Received or modified before this day.
    #[arg(long, value_name = "DAY")]
    before: Option<String>,
    /// At least this large: 500, 20K, 5M, 1G.
    #[arg(long, value_name = "SIZE")]
    larger: Option<String>,
    /// At most this large.
    #[arg(long, value_name = "SIZE")]
    smaller: Option<String>,
    /// Judged so: clean, suspicious or encrypted.
    #[arg(long)]
    verdict: Option<String>,
    /// Only at or below this path.
    #[arg(long, default_value = "")]
    path: String,
    /// Snapshot; all of them by default, newest first.
    #[arg(long)]
    snapshot: Option<String>,
    /// Stop after so many.
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    limit: Option<usize>,
}

#[derive(Args)]
pub(crate) struct Cat {
    /// Snapshot: an id, the first digits of one, or `latest`.
    snapshot: String,
    /// The file's path, as `ls` shows it.
    path: String,
}

#[derive(Args)]
pub(crate) struct Diff {
    /// The older snapshot.
    old: String,
    /// The newer one.
    #[arg(default_value = "latest")]
    new: String,
}

#[derive(Args)]
pub(crate) struct History {
    /// The item's path, as `ls` or `find` shows it. It is followed when it moves.
    path: String,
}

#[derive(Args)]
pub(crate) struct Snapshots {
    /// Of this day or later: 2026-03-01, or a time with its zone.
    #[arg(long, value_name = "DAY")]
    after: Option<String>,
    /// Before this day.
    #[arg(long, value_name = "DAY")]
    before: Option<String>,
    /// With this tag, like clean or alarm:encryption; with all of them when there are several.
    #[arg(long)]
    tag: Vec<String>,
    /// That hold something of this user.
    #[arg(long)]
    user: Option<String>,
}

/// What is looked into.
async fn browser(global: &Global) -> anyhow::Result<Browser> {
    Ok(Browser::open(&global.copy2()?).await?)
}

fn tell<'t>(told: impl IntoIterator<Item = &'t String>) {
    told.into_iter().for_each(|text| eprintln!("{}", output::alarm(text)));
}

/// The snapshot of this name.
fn one(browser: &Browser, name: &str) -> anyhow::Result<Chosen> {
    let chosen = browser.one(name)?;
    tell(&chosen.told);
    Ok(chosen)
}

/// The snapshot of this name, for whoever looks at a path.
fn one_with(browser: &Browser, name: &str, path: &str) -> anyhow::Result<Chosen> {
    let chosen = browser.one_with(name, path)?;
    tell(&chosen.told);
    Ok(chosen)
}

pub(crate) async fn snapshots(global: &Global, args: Snapshots) -> anyhow::Result<Ending> {
    let which = browse::Which {
        after: args.after.as_deref().map(time).transpose()?,
        before: args.before.as_deref().map(time).transpose()?,
        tags: args.tag,
        user: args.user,
    };
    let browser = browser(global).await?;
    let all = blocking(move || Ok(browser.snapshots(&which)?)).await?;
    tell(&all.told);
    if global.json {
        println!("{}", json!(all.rows));
        return Ok(Ending::Done);
    }
    let rows = all.rows.iter().map(|s| {
        vec![
            s.id.short(),
            s.time.strftime("%Y-%m-%d %H:%M").to_string(),
            s.tenant.line().to_string(),
            s.series.to_string(),
            s.said().collect::<Vec<_>>().join(" "),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    print!("{}", output::table(&["id", "time (UTC)", "tenant", "series", "tags"], &rows));
    Ok(Ending::Done)
}

#[derive(Args)]
pub(crate) struct Stats {
    /// The snapshot whose items are counted.
    #[arg(default_value = "latest")]
    snapshot: String,
}

pub(crate) async fn stats(global: &Global, args: Stats) -> anyhow::Result<Ending> {
    let browser = browser(global).await?;
    let json = global.json;
    blocking(move || {
        let chosen = one(&browser, &args.snapshot)?;
        let stats = browser.stats(&chosen)?;
        if json {
            println!("{}", json!(stats));
            return Ok(Ending::Done);
        }
        let count =
            |what: String, c: &Count| vec![what, c.number.to_string(), output::bytes(c.size_bytes)];
        let held = stats.items.iter().map(|(top, c)| count(top.clone(), c));
        let row = chosen.row();
        println!("in snapshot {} of {}:", row.id.short(), row.time.strftime("%Y-%m-%d %H:%M"));
        print!("{}", output::table(&["place", "files", "size"], &held.collect::<Vec<_>>()));
        println!("\nin {}, for {} snapshots:", browser.location(), stats.snapshots);
        let stored = stats.objects.iter().map(|(kind, c)| count(kind.clone(), c));
        print!("{}", output::table(&["objects", "number", "size"], &stored.collect::<Vec<_>>()));
        Ok(Ending::Done)
    })
    .await
}

pub(crate) async fn ls(global: &Global, args: Ls) -> anyhow::Result<Ending> {
    let browser = browser(global).await?;
    let json = global.json;
    blocking(move || {
        let chosen = one_with(&browser, &args.snapshot, &args.path)?;
        browser.list(&chosen, &args.path, args.recursive, &mut |entry| show(&entry, json))?;
        Ok(Ending::Done)
    })
    .await
}

fn show(entry: &PathEntry, json: bool) {
    if json {
        let record = match &entry.record {
            Ok(facts) => json!(facts),
            Err(why) => json!({"unreadable": why}),
        };
        println!(
            "{}",
            json!({"path": entry.path, "dir": entry.is_dir, "size_bytes": entry.size_bytes,
                "modified": entry.modified, "record": record})
        );
        return;
    }
    let (size, end) = match entry.is_dir {
        true => (String::new(), "/"),
        false => (output::bytes(entry.size_bytes), ""),
    };
    let modified = entry.modified.strftime("%Y-%m-%d %H:%M");
    println!("{modified}  {size:>10}  {}{end}", entry.path.line());
}

fn time(text: &str) -> anyhow::Result<jiff::Timestamp> {
    // A time without its zone would be read as its day alone, and be hours away.
    let day = || {
        let day: jiff::civil::Date = Some(text).filter(|t| t.len() == 10)?.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(day).with_context(|| {
        format!("{text:?} is no time; expected a day (2026-03-01), or 2026-03-01T22:00:00Z")
    })
}

fn size(text: &str) -> anyhow::Result<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 =
        match unit.trim().to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
            "" => 1,
            "K" => 1 << 10,
            "M" => 1 << 20,
            "G" => 1 << 30,
            "T" => 1 << 40,
            _ => bail!("{text:?} is no size; expected something like 500, 20K, 5M or 1G"),
        };
    let n: u64 = number.parse().with_context(|| {
        format!("{text:?} is no size; expected something like 500, 20K, 5M or 1G")
    })?;
    n.checked_mul(factor).with_context(|| format!("{text:?} is too large"))
}

fn verdict(text: &str) -> anyhow::Result<Verdict> {
    let all = [Verdict::Clean, Verdict::Suspicious, Verdict::Encrypted];
    all.into_iter().find(|v| v.as_str() == text).with_context(|| {
        format!("{text:?} is no verdict; there are clean, suspicious and encrypted")
    })
}

impl Find {
    fn query(&self) -> anyhow::Result<Query> {
        Ok(Query {
            text: self.text.clone(),
            pattern: self.regex.as_deref().map(browse::pattern).transpose()?,
            subject: self.subject.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            after: self.after.as_deref().map(time).transpose()?,
            before: self.before.as_deref().map(time).transpose()?,
            larger: self.larger.as_deref().map(size).transpose()?,
            smaller: self.smaller.as_deref().map(size).transpose()?,
            verdict: self.verdict.as_deref().map(verdict).transpose()?,
            below: self.path.clone(),
        })
    }
}

pub(crate) async fn find(global: &Global, args: Find) -> anyhow::Result<Ending> {
    let query = args.query()?;
    let browser = browser(global).await?;
    let json = global.json;
    blocking(move || {
        let within = match &args.snapshot {
            Some(name) => browser.one(name).map(ChosenSeveral::from),
            None => browser.newest_first(),
        }?;
        tell(&within.told);
        let mut found = 0;
        let limit = args.limit.unwrap_or(usize::MAX);
        browser.find(&within, &query, &mut |hit| {
            found += 1;
            if json {
                println!("{}", json!(hit));
            } else {
                let mut about: Vec<String> = Vec::new();
                about.extend(hit.from.map(|f| format!("from {}", f.line())));
                about.extend(hit.name.map(|n| format!("{n:?}")));
                about.extend(
                    hit.verdict.filter(|v| *v != Verdict::Clean).map(|v| output::alarm(v.as_str())),
                );
                let about = if about.is_empty() {
                    String::new()
                } else {
                    format!("  ({})", about.join(", "))
                };
                println!(
                    "{}  {}  {:>10}  {}{about}",
                    hit.snapshot.short(),
                    hit.modified.strftime("%Y-%m-%d %H:%M"),
                    output::bytes(hit.size_bytes),
                    hit.path.line()
                );
            }
            found < limit
        })?;
        if found > 0 {
            return Ok(Ending::Done);
        }
        match json {
            true => failure::tell("nothing fits", Ending::Failed, true),
            false => eprintln!("nothing fits"),
        }
        Ok(Ending::Failed)
    })
    .await
}

pub(crate) async fn cat(global: &Global, args: Cat) -> anyhow::Result<Ending> {
    let browser = browser(global).await?;
    blocking(move || {
        let chosen = one_with(&browser, &args.snapshot, &args.path)?;
        let mut out = std::io::stdout().lock();
        browser.read(&chosen, &args.path, &mut |bytes| match out.write_all(bytes) {
            Ok(()) => Ok(true),
            // Whoever reads has seen enough.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(e) => Err(anyhow::Error::from(e)),
        })?;
        Ok(Ending::Done)
    })
    .await
}

pub(crate) async fn diff(global: &Global, args: Diff) -> anyhow::Result<Ending> {
    let browser = browser(global).await?;
    let json = global.json;
    blocking(move || {
        let (old, new) = (one(&browser, &args.old)?, one(&browser, &args.new)?);
        browser.compare(&old, &new, &mut |difference, path| {
            let sign = match difference {
                Difference::Added => "+",
                Difference::Removed => "-",
                Difference::Modified => "M",
            };
            match json {
                true => println!("{}", json!({"change": sign, "path": path})),
                false => println!("{sign}  {}", shown_line(path)),
            }
        })?;
        Ok(Ending::Done)
    })
    .await
}

pub(crate) async fn history(global: &Global, args: History) -> anyhow::Result<Ending> {
    let browser = browser(global).await?;
    let json = global.json;
    blocking(move || {
        let within = browser.that_may_hold(&args.path)?;
        tell(&within.told);
        let events = browser.history(&within, &args.path)?;
        if json {
            println!("{}", json!(events));
            return Ok(Ending::Done);
        }
        let rows: Vec<Vec<String>> = events
            .iter()
            .map(|e| {
                let what = match &e.step {
                    HistoryStep::Added => "added".to_owned(),
                    HistoryStep::Content => "content".to_owned(),
                    HistoryStep::State { from: Some(from) } => {
                        format!("moved from {}", from.line())
                    }
                    HistoryStep::State { from: None } => "state".to_owned(),
                    HistoryStep::Deleted => "deleted".to_owned(),
                };
                let verdict = e.verdict.map_or("", Verdict::as_str);
                vec![
                    e.snapshot.short(),
                    e.time.strftime("%Y-%m-%d %H:%M").to_string(),
                    output::bytes(e.size_bytes),
                    verdict.to_owned(),
                    what,
                    e.path.line().to_string(),
                ]
            })
            .collect();
        print!(
            "{}",
            output::table(&["snapshot", "time (UTC)", "size", "verdict", "what", "path"], &rows)
        );
        Ok(Ending::Done)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_days_are_read_and_nonsense_is_refused() {
        assert_eq!(size("500").unwrap(), 500);
        assert_eq!(size("20k").unwrap(), 20 << 10);
        assert_eq!(size("5MiB").unwrap(), 5 << 20);
        for bad in ["", "x", "5Q", "-1", "99999999999T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(time("2026-03-01").unwrap().to_string(), "2026-03-01T00:00:00Z");
        assert!(time("2026-03-01T08:00:00Z").is_ok());
        assert!(time("yesterday").is_err());
    }
}
