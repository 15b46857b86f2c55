//! The command: seeds, minutes, a state file to go on from, and what is printed.

use crate::{Finding, Known, Life, class_of, shrink, told, year};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many seeds.
    pub seeds: u64,
    /// The first of them.
    pub from: u64,
    /// Nights of each life.
    pub nights: usize,
    /// Real time, in minutes; then it stops, and goes on from the state file another time.
    pub minutes: Option<u64>,
    /// A life to tell again, as JSON.
    pub replay: Option<PathBuf>,
    /// Where the state is kept between runs.
    pub state: PathBuf,
    /// Known defects, as JSON.
    pub known: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments of the command line.
    pub fn parse(args: &[String]) -> anyhow::Result<Self> {
        let mut o = Options {
            seeds: 1,
            from: 1,
            nights: 365,
            minutes: None,
            replay: None,
            state: PathBuf::from("target/soak-state.json"),
            known: None,
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().with_context(|| format!("{name} needs a value"))?;
            let number = || value.parse::<u64>().with_context(|| format!("{name} {value}"));
            match name.as_str() {
                "--seeds" => o.seeds = number()?,
                "--from" => o.from = number()?,
                "--nights" => o.nights = number()? as usize,
                "--minutes" => o.minutes = Some(number()?),
                "--replay" => o.replay = Some(value.into()),
                "--state" => o.state = value.into(),
                "--known" => o.known = Some(value.into()),
                _ => bail!(
                    "usage: soak [--seeds 3] [--from 1] [--nights 365] [--minutes 60] [--state \
                     FILE] [--known FILE] [--replay FILE]"
                ),
            }
        }
        Ok(o)
    }
}

/// A class of defect with its smallest life.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Class {
    /// Seed and night that showed it first.
    pub seed: u64,
    /// See [`Class::seed`].
    pub night: usize,
    /// The law.
    pub law: String,
    /// What was expected and what was there, in the smallest life.
    pub detail: String,
    /// How many findings belong to it.
    pub findings: u64,
    /// The smallest life.
    pub life: Life,
}

/// What is kept between runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Seeds that are done, with their nights.
    pub done: BTreeMap<u64, usize>,
    /// Classes by name.
    pub classes: BTreeMap<String, Class>,
    /// What is told by a class already: law, and the kinds of events that sufficed.
    pub explained: Vec<Explained>,
}

/// A law that breaks by these kinds of events alone: whatever has them among others is no news.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explained {
    law: String,
    kinds: BTreeSet<String>,
    class: String,
}

/// What a run says: its text, and whether it found only what is known.
pub struct Said {
    /// For the terminal.
    pub text: String,
    /// Whether nothing new was found.
    pub is_known: bool,
}

/// Runs the command. `now_and_then` is told what goes on.
pub fn run(options: &Options, now_and_then: &mut dyn FnMut(&str)) -> anyhow::Result<Said> {
    if let Some(path) = &options.replay {
        return replay(path);
    }
    let known: Known = match &options.known {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => Known::default(),
    };
    let mut state: State = match std::fs::read(&options.state) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is no state of soak", options.state.display()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => State::default(),
        Err(e) => return Err(e.into()),
    };
    let (school, broken) = year::school()?;
    for (finding, life) in broken {
        let class = Class {
            seed: 0,
            night: finding.night,
            law: finding.law.clone(),
            detail: finding.detail.clone(),
            findings: 1,
            life,
        };
        state.classes.entry(finding.class()).or_insert(class);
    }
    let began = Instant::now();
    let until = options.minutes.map(|m| began + Duration::from_secs(m * 60));
    let (mut nights, mut stock, mut in_nights) = (0, (0, 0), Duration::ZERO);
    for seed in options.from..options.from + options.seeds {
        if state.done.get(&seed).is_some_and(|n| *n >= options.nights) {
            continue;
        }
        let at = Instant::now();
        let mut told_at = Instant::now();
        let year = year::run(school.clone(), seed, options.nights, |night, found| {
            if told_at.elapsed() > Duration::from_secs(10) {
                told_at = Instant::now();
                now_and_then(&format!("seed {seed}, night {night}, {} findings", found.len()));
            }
            until.is_none_or(|u| Instant::now() < u)
        })?;
        nights += year.life.nights.len();
        in_nights += at.elapsed();
        stock = (stock.0 + year.stock.0, stock.1 + year.stock.1);
        // Those that few events touched first: they tell the others.
        let mut findings: Vec<&Finding> = year.findings.iter().collect();
        findings.sort_by_key(|f| (f.kinds.len(), f.night));
        for finding in findings {
            note(&mut state, seed, &year.life, finding, until, now_and_then);
        }
        if year.life.nights.len() == options.nights {
            state.done.insert(seed, options.nights);
        }
        if let Some(dir) = options.state.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&options.state, serde_json::to_vec_pretty(&state)?)?;
        if until.is_some_and(|u| Instant::now() >= u) {
            now_and_then("the minutes are over; the next run goes on from the state file");
            break;
        }
    }
    let mut text = String::new();
    let per_minute = nights as f64 * 60.0 / in_nights.as_secs_f64().max(0.001);
    let _ = writeln!(text, "{nights} nights, {per_minute:.0} a minute");
    if !school.withheld.is_empty() {
        let names = &school.withheld;
        let _ = writeln!(text, "withheld, since no quiet night is whole under it: {names:?}");
    }
    if stock.1 > 0 {
        let n = stock.1;
        let _ = writeln!(text, "SKIPPED: restic is not installed; {n} restores were not tried");
    }
    let _ = writeln!(text, "{} restores by a stock restic", stock.0);
    let _ = writeln!(text, "{} classes of defect", state.classes.len());
    let mut is_known = true;
    for (name, class) in &state.classes {
        let new = !known.laws.contains(&class.law);
        is_known &= !new;
        let mark = if new { "NEW " } else { "known " };
        let _ = writeln!(
            text,
            "\n{mark}{name}\n  seed {}, night {}, {} findings: {}",
            class.seed, class.night, class.findings, class.detail
        );
        if new {
            text.push_str(&as_test(name, class)?);
        }
    }
    Ok(Said { text, is_known })
}

/// Puts a finding to its class, and shrinks the first of each.
fn note(
    state: &mut State,
    seed: u64,
    life: &Life,
    finding: &Finding,
    until: Option<Instant>,
    now_and_then: &mut dyn FnMut(&str),
) {
    let told_by = state
        .explained
        .iter()
        .find(|e| e.law == finding.law && e.kinds.is_subset(&finding.kinds))
        .map(|e| e.class.clone());
    if let Some(class) = told_by {
        if let Some(class) = state.classes.get_mut(&class) {
            class.findings += 1;
        }
        return;
    }
    if until.is_some_and(|u| Instant::now() >= u) {
        return;
    }
    let small = shrink(life, finding);
    let name = class_of(&finding.law, &small);
    let shown = told(&small).ok().and_then(|all| all.into_iter().find(|f| f.is_like(finding)));
    let shown = shown.unwrap_or_else(|| finding.clone());
    let detail = shown.detail;
    now_and_then(&format!("{}: shown by {} nights", name, small.nights.len()));
    state.explained.push(Explained {
        law: finding.law.clone(),
        kinds: shown.kinds,
        class: name.clone(),
    });
    let class = state.classes.entry(name).or_insert_with(|| Class {
        seed,
        night: finding.night,
        law: finding.law.clone(),
        detail,
        findings: 0,
        life: small.clone(),
    });
    class.findings += 1;
    let size = |l: &Life| (l.nights.iter().map(Vec::len).sum::<usize>(), l.nights.len());
    if size(&small) < size(&class.life) {
        class.life = small;
    }
}

/// A life as a test that can be pasted, and as JSON for `--replay`.
fn as_test(name: &str, class: &Class) -> anyhow::Result<String> {
    let json = serde_json::to_string(&class.life)?;
    let function: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    let law = &class.law;
    Ok(format!(
        "  #[test]\n  fn {function}() {{\n      let life: soak::Life = \
         serde_json::from_str(r##\"{json}\"##).unwrap();\n      let found = \
         soak::told(&life).unwrap();\n      assert!(!found.iter().any(|f| f.law == {law:?}), \
         \"{{found:#?}}\");\n  }}\n"
    ))
}

fn replay(path: &PathBuf) -> anyhow::Result<Said> {
    let life: Life = serde_json::from_slice(&std::fs::read(path)?)
        .with_context(|| format!("{} is no life", path.display()))?;
    let found = told(&life)?;
    let mut text = format!("{} nights, {} findings\n", life.nights.len(), found.len());
    for f in &found {
        let _ = writeln!(text, "night {}: {}: {}", f.night, f.class(), f.detail);
    }
    Ok(Said { text, is_known: found.is_empty() })
}
