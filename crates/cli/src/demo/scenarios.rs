//! `strongroom demo --attack NAME`: one attack after ordinary days; what was caught, missed,
//! falsely alarmed.

use super::{Demo, stage::Stage};
use crate::{Global, output};
use anyhow::{Context, bail};
use graph_sim::ATTACKS;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};
use strongroom_engine::clean;
use strongroom_model::{Ending, ItemKind, Verdict};

struct Outcome {
    name: String,
    attacked: usize,
    caught: usize,
    missed: usize,
    falsely: usize,
    alarms: Vec<String>,
}

pub(super) async fn run(
    global: &Global,
    args: &Demo,
    dir: &Path,
    name: &str,
) -> anyhow::Result<Ending> {
    let names: Vec<&str> = match name {
        "all" => ATTACKS.iter().map(|(n, _)| *n).collect(),
        one => {
            vec![ATTACKS.iter().map(|(n, _)| *n).find(|n| *n == one).with_context(|| {
                format!(
                    "there is no attack {one:?}; there are: all, {}",
                    ATTACKS.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ")
                )
            })?]
        }
    };
    let mut rows = Vec::new();
    let mut outcomes = Vec::new();
    for name in names {
        let o = one(args, &dir.join(name), name).await.with_context(|| format!("attack {name}"))?;
        if !global.json {
            let text = format!(
                "{name}: {} attacked, {} caught, {} missed, {} false alarms",
                o.attacked, o.caught, o.missed, o.falsely
            );
            println!("{}", if o.missed > 0 { output::alarm(&text) } else { text });
        }
        rows.push(vec![
            o.name.clone(),
            o.attacked.to_string(),
            o.caught.to_string(),
            o.missed.to_string(),
            o.falsely.to_string(),
            o.alarms.join(" "),
        ]);
        outcomes.push(o);
    }
    let bad = outcomes.iter().any(|o| o.missed > 0 || o.falsely > 0 || o.alarms.is_empty());
    if global.json {
        let all: Vec<Value> = outcomes
            .iter()
            .map(|o| {
                json!({"attack": o.name, "attacked": o.attacked, "caught": o.caught,
                "missed": o.missed, "false_alarms": o.falsely, "alarms": o.alarms})
            })
            .collect();
        println!("{}", json!(all));
    } else {
        println!(
            "\n{}",
            output::table(
                &["attack", "attacked", "caught", "missed", "false alarms", "alarms raised"],
                &rows
            )
        );
    }
    Ok(if bad { Ending::Failed } else { Ending::Done })
}

async fn one(args: &Demo, dir: &Path, name: &str) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(dir)?;
    let spare = args.seed_dir.is_some();
    let stage = Stage::set(dir, args, 6).await?;
    let mut falsely = 0;
    for day in 0..3 {
        if day > 0 {
            stage.next_day().await?;
            stage.live(args.seed + day, spare).await?;
        }
        let r = stage.back_up().await?;
        falsely += r.alarms.len() + (r.verdicts.suspicious + r.verdicts.encrypted) as usize;
        // A file that the service withholds is told on the first day.
        if !r.failed.is_empty() || (day > 0 && !r.is_whole()) {
            bail!("an ordinary day was not whole: {:?} {:?}", r.skipped, r.failed);
        }
    }
    let withheld = stage.withheld().await?;
    let mut attacked_files: HashSet<String> = HashSet::new();
    let mut messages = 0;
    let mut alarms: Vec<String> = Vec::new();
    // A slow attack takes its time; the others strike once.
    let days = if name == "encrypt-slow" { 3 } else { 1 };
    let mut whole = true;
    for n in 0..days {
        stage.next_day().await?;
        stage.live(args.seed + 10 + n, true).await?;
        let report = stage.control("attack", &json!({"name": name, "seed": 7 + n})).await?;
        attacked_files.extend(
            report["files"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .filter(|path| !withheld.contains(path)),
        );
        messages += report["messages"].as_u64().unwrap_or(0) as usize;
        let r = stage.back_up().await?;
        whole &= r.is_whole();
        alarms.extend(r.alarms.iter().map(|a| a.kind.as_str().to_owned()));
    }
    alarms.sort();
    alarms.dedup();
    let repo = stage.school.repository().await?;
    let (_, latest) = strongroom_operations::snapshots::snapshot(&repo, "latest")?;
    let now = clean::items(&repo, &latest, "/drives")?;
    // By the path that a file had before it was attacked: an added extension is taken off.
    let mut verdicts: HashMap<String, Verdict> = HashMap::new();
    for c in now.iter().filter(|c| c.facts.kind == ItemKind::File) {
        let mut parts = c.path.splitn(5, '/').skip(2);
        let (user, _drive, rest) =
            (parts.next().unwrap_or_default(), parts.next(), parts.next().unwrap_or_default());
        // The directory of somebody is the name with a short id.
        let user = user.rsplit_once('~').map_or(user, |(name, _)| name);
        // The tree's name is cut when the real one is too long.
        let rest = match (&c.facts.name, rest.rsplit_once('/')) {
            (Some(real), Some((dir, _))) => format!("{dir}/{real}"),
            (Some(real), None) => real.clone(),
            (None, _) => rest.to_owned(),
        };
        let verdict = c.facts.judgement.as_ref().map_or(Verdict::Clean, |j| j.verdict);
        verdicts
            .insert(format!("{user}/{}", rest.strip_suffix(".locked").unwrap_or(&rest)), verdict);
    }
    let is_bad = |path: &String| match verdicts.get(path) {
        Some(v) => *v != Verdict::Clean,
        // Gone: the alarm about deletions covers it.
        None => alarms.iter().any(|a| a == "mass-delete"),
    };
    let (mut caught, mut missed) = (attacked_files.iter().filter(|p| is_bad(p)).count(), 0);
    missed += attacked_files.len() - caught;
    let notes = now.iter().filter(|c| c.node.name.starts_with("README_TO_RESTORE")).count();
    falsely += verdicts
        .iter()
        .filter(|(p, v)| {
            **v != Verdict::Clean
                && !attacked_files.contains(*p)
                && !p.contains("README_TO_RESTORE")
        })
        .count();
    let mut attacked = attacked_files.len();
    if messages > 0 {
        attacked += messages;
        if alarms.iter().any(|a| a == "mailbox-purge") {
            caught += messages
        } else {
            missed += messages
        }
    }
    if attacked == 0 {
        // Notes alone, or an attack on the backup itself: one thing to notice.
        attacked = notes.max(1);
        let noticed = !alarms.is_empty() || !whole;
        if noticed { caught += attacked } else { missed += attacked }
    }
    Ok(Outcome { name: name.to_owned(), attacked, caught, missed, falsely, alarms })
}
