//! Commands that look into snapshots: ls, find, cat, diff, history. None reads more content than it
//! shows.

use crate::{
    Global,
    commands::{SETTINGS, is_of_settings, snapshot, snapshot_with, tell_future},
    edge::blocking,
    failure, output,
};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::io::Write;
use strongroom_engine::{
    browse::{self, HistoryStep, Query},
    owner_dirs::OwnerPath,
};
use strongroom_model::{Ending, Series, Verdict, shown_line};
use strongroom_repository::{BlobKind, Node, NodeChange, NodeKind, Snapshot, TAG_SERIES, Visit};

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

pub(crate) async fn snapshots(global: &Global, args: Snapshots) -> anyhow::Result<Ending> {
    let which = browse::Which {
        after: args.after.as_deref().map(time).transpose()?,
        before: args.before.as_deref().map(time).transpose()?,
        tags: args.tag,
        user: args.user,
    };
    let repo = global.repository().await?;
    let all = blocking(move || Ok(browse::snapshots(&repo, &which)?)).await?;
    tell_future(&all);
    if global.json {
        let rows: Vec<_> = all
            .iter()
            .map(|(id, s)| {
                json!({"id": id, "time": s.time, "tenant": s.hostname,
                "series": s.series(), "tags": s.tags, "tree": s.tree, "parent": s.parent})
            })
            .collect();
        println!("{}", json!(rows));
        return Ok(Ending::Done);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|(id, s)| {
            let tags = s.tags.iter().filter(|t| !t.starts_with(TAG_SERIES));
            let tags: Vec<&str> = tags.map(String::as_str).collect();
            vec![
                id.short(),
                s.time.strftime("%Y-%m-%d %H:%M").to_string(),
                s.hostname.line().to_string(),
                s.series().to_string(),
                tags.join(" "),
            ]
        })
        .collect();
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
    let repo = global.repository().await?;
    let json = global.json;
    blocking(move || {
        let (id, s) = snapshot(&repo, &args.snapshot)?;
        let stats = browse::stats(&repo, &id, &s)?;
        if json {
            println!("{}", json!(stats));
            return Ok(Ending::Done);
        }
        let count = |what: String, c: &browse::Count| {
            vec![what, c.number.to_string(), output::bytes(c.size_bytes)]
        };
        let held = stats.items.iter().map(|(top, c)| count(top.clone(), c));
        println!("in snapshot {} of {}:", id.short(), s.time.strftime("%Y-%m-%d %H:%M"));
        print!("{}", output::table(&["place", "files", "size"], &held.collect::<Vec<_>>()));
        println!("\nin {}, for {} snapshots:", repo.location(), stats.snapshots);
        let stored = stats.objects.iter().map(|(kind, c)| count(kind.clone(), c));
        print!("{}", output::table(&["objects", "number", "size"], &stored.collect::<Vec<_>>()));
        Ok(Ending::Done)
    })
    .await
}

pub(crate) async fn ls(global: &Global, args: Ls) -> anyhow::Result<Ending> {
    let repo = global.repository().await?;
    let json = global.json;
    blocking(move || {
        let (_, s) = snapshot_with(&repo, &args.snapshot, &args.path)?;
        let base = OwnerPath::find(&repo, &s.tree, &args.path)?.path().to_owned();
        let node = repo.node_at(&s.tree, &base)?;
        let show = |path: &str, node: &Node| {
            if json {
                let facts = match node.facts() {
                    Ok(facts) => json!(facts),
                    Err(e) => json!({"unreadable": e.to_string()}),
                };
                println!(
                    "{}",
                    json!({"path": path, "dir": node.is_dir(),
                    "size_bytes": node.size_bytes(), "modified": node.modified, "record": facts})
                );
            } else {
                let size =
                    if node.is_dir() { String::new() } else { output::bytes(node.size_bytes()) };
                println!(
                    "{}  {size:>10}  {}{}",
                    node.modified.strftime("%Y-%m-%d %H:%M"),
                    shown_line(path),
                    if node.is_dir() { "/" } else { "" }
                );
            }
        };
        match node.kind {
            NodeKind::Dir { subtree } => repo.walk(&subtree, &base, &mut |path, node| {
                show(path, node);
                Ok(if args.recursive { Visit::Enter } else { Visit::Skip })
            })?,
            _ => show(&base, &node),
        }
        Ok(Ending::Done)
    })
    .await
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
        let expression = |e: &String| {
            regex::RegexBuilder::new(e)
                .case_insensitive(true)
                .build()
                .map_err(|e| anyhow::anyhow!("the expression does not work: {e}"))
        };
        Ok(Query {
            text: self.text.clone(),
            pattern: self.regex.as_ref().map(expression).transpose()?,
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
    let repo = global.repository().await?;
    let json = global.json;
    blocking(move || {
        let all = match &args.snapshot {
            Some(name) => vec![snapshot(&repo, name)?],
            None => {
                let mut all = repo.snapshots()?;
                tell_future(&all);
                all.retain(|(_, s)| s.is_finished());
                all.reverse();
                all
            }
        };
        let mut found = 0;
        let limit = args.limit.unwrap_or(usize::MAX);
        browse::find(&repo, &all, &query, &mut |hit| {
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
    let repo = global.repository().await?;
    blocking(move || {
        let (_, s) = snapshot_with(&repo, &args.snapshot, &args.path)?;
        let place = OwnerPath::find(&repo, &s.tree, &args.path)?;
        let node = repo.node_at(&s.tree, place.path())?;
        if node.is_dir() {
            bail!("{} is a folder; `strongroom ls` lists it", args.path);
        }
        let mut out = std::io::stdout().lock();
        for id in node.content() {
            match out.write_all(&repo.read_blob(BlobKind::Data, id)?) {
                Ok(()) => {}
                // Whoever reads has seen enough.
                Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(Ending::Done)
    })
    .await
}

pub(crate) async fn diff(global: &Global, args: Diff) -> anyhow::Result<Ending> {
    let repo = global.repository().await?;
    let json = global.json;
    blocking(move || {
        let ((_, a), (_, b)) = (snapshot(&repo, &args.old)?, snapshot(&repo, &args.new)?);
        repo.diff(Some(&a.tree), Some(&b.tree), "", &mut |path, change| {
            let (sign, node) = match &change {
                NodeChange::Added(n) => ("+", n),
                NodeChange::Removed(n) => ("-", n),
                NodeChange::Modified { new, .. } => ("M", new),
            };
            if !node.is_dir() {
                match json {
                    true => println!("{}", json!({"change": sign, "path": path})),
                    false => println!("{sign}  {}", shown_line(path)),
                }
            }
            Ok(())
        })?;
        Ok(Ending::Done)
    })
    .await
}

pub(crate) async fn history(global: &Global, args: History) -> anyhow::Result<Ending> {
    let repo = global.repository().await?;
    let json = global.json;
    blocking(move || {
        let mut all = repo.snapshots()?;
        tell_future(&all);
        // A path is of one series: in the others it was never deleted.
        let series = match is_of_settings(&args.path) {
            true => Series::SETTINGS,
            false => Series::DATA,
        };
        let holds_it = |s: &Snapshot| {
            s.series() == series
                || series == Series::SETTINGS && repo.node_at(&s.tree, SETTINGS).is_ok()
        };
        all.retain(|(_, s)| s.is_finished() && holds_it(s));
        let events = browse::history(&repo, &all, &args.path)?;
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
