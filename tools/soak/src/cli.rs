//! The command: seeds, minutes, a state file to go on from, and what is printed.

use crate::{
    Known, Life, Violation, class_of, shrink,
    state::{Begun, Class, Explained, State},
    told_for, truths,
    year::{self, Year},
};
use anyhow::{Context, bail};
use graph_sim::Truth;
use std::{
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

/// What a run says: its text, and whether it found only what is known.
pub struct Said {
    /// For the terminal.
    pub text: String,
    /// Whether nothing new was found.
    pub is_known: bool,
}

/// Nights after which the state is written while a year goes on.
const WRITTEN_EVERY: usize = 30;

/// Runs the command. `now_and_then` is told what goes on.
pub fn run(options: &Options, now_and_then: &mut dyn FnMut(&str)) -> anyhow::Result<Said> {
    if let Some(path) = &options.replay {
        return replay(path);
    }
    let known: Known = match &options.known {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => Known::default(),
    };
    let mut state = State::read(&options.state)?;
    let school = match &state.school {
        Some(school) => school.clone(),
        None => {
            let (school, broken) = truths::school(&truths::script(), now_and_then)?;
            for b in broken {
                let class = Class {
                    seed: 0,
                    night: b.finding.night,
                    law: b.finding.law.clone(),
                    detail: b.finding.detail.clone(),
                    findings: 1,
                    life: b.life.clone(),
                };
                state.classes.insert(class_under(b.truth, &b.finding.law, &b.life), class);
            }
            state.school = Some(school.clone());
            state.write(&options.state)?;
            school
        }
    };
    let began = Instant::now();
    let until = options.minutes.map(|m| began + Duration::from_secs(m * 60));
    let is_late = || until.is_some_and(|u| Instant::now() >= u);
    let (mut nights, mut stock, mut in_nights) = (0, (0, 0), Duration::ZERO);
    for seed in options.from..options.from + options.seeds {
        if state.done.get(&seed).is_some_and(|n| *n >= options.nights) {
            continue;
        }
        let at = Instant::now();
        let mut told_at = Instant::now();
        let mut begun = match state.begun.take() {
            Some(begun) if begun.seed == seed => begun,
            _ => Begun { seed, year: Year::default(), noted: 0 },
        };
        let (had, had_stock) = (begun.year.life.nights.len(), begun.year.stock);
        if had < options.nights {
            let before = (had > 0).then(|| begun.year.clone());
            let mut failed = None;
            begun.year = year::run(school.clone(), seed, options.nights, before, |year| {
                let night = year.life.nights.len();
                if told_at.elapsed() > Duration::from_secs(10) {
                    told_at = Instant::now();
                    let found = year.findings.len();
                    now_and_then(&format!("seed {seed}, night {night}, {found} findings"));
                }
                if night % WRITTEN_EVERY == 0 {
                    state.begun = Some(Begun { seed, year: year.clone(), noted: 0 });
                    failed = state.write(&options.state).err();
                }
                failed.is_none() && !is_late()
            })?;
            if let Some(e) = failed {
                return Err(e);
            }
        }
        nights += begun.year.life.nights.len() - had;
        in_nights += at.elapsed();
        stock.0 += begun.year.stock.0 - had_stock.0;
        stock.1 += begun.year.stock.1 - had_stock.1;
        let is_over = begun.year.life.nights.len() >= options.nights;
        let order = begun.order();
        // A life that is not over yet is not judged: what it shows may be shown smaller later.
        while is_over && begun.noted < order.len() && !is_late() {
            let finding = begun.year.findings[order[begun.noted]].clone();
            let is_new = note(&mut state, seed, &begun.year.life, &finding, now_and_then);
            begun.noted += 1;
            if is_new {
                state.begun = Some(begun.clone());
                state.write(&options.state)?;
            }
        }
        if is_over && begun.noted == order.len() {
            state.done.insert(seed, options.nights);
            state.begun = None;
        } else {
            state.begun = Some(begun);
        }
        state.write(&options.state)?;
        if is_late() {
            now_and_then("the minutes are over; the next run goes on from the state file");
            break;
        }
    }
    let mut text = String::new();
    let per_minute = nights as f64 * 60.0 / in_nights.as_secs_f64().max(0.001);
    let _ = writeln!(text, "{nights} nights, {per_minute:.0} a minute");
    if !school.withheld.is_empty() {
        let names = &school.withheld;
        let _ = writeln!(text, "withheld from the years, since it breaks a few nights: {names:?}");
    }
    if stock.1 > 0 {
        let n = stock.1;
        let _ = writeln!(text, "SKIPPED: restic is not installed; {n} restores were not tried");
    }
    if let Some(begun) = &state.begun {
        let (seed, n) = (begun.seed, begun.year.life.nights.len());
        let _ = writeln!(text, "NOT OVER: seed {seed} is at night {n}; call again to go on");
    }
    let _ = writeln!(text, "{} restores by a stock restic", stock.0);
    let _ = writeln!(text, "{} classes of defect", state.classes.len());
    let mut is_known = true;
    for (name, class) in &state.classes {
        let new = !known.laws.contains(&class.law);
        is_known &= !new;
        let mark = if new { "NEW " } else { "known " };
        let events: usize = class.life.nights.iter().map(Vec::len).sum();
        let _ = writeln!(
            text,
            "\n{mark}{name}\n  seed {}, night {}, {} findings, smallest life {} nights and \
             {events} events: {}",
            class.seed,
            class.night,
            class.findings,
            class.life.nights.len(),
            class.detail
        );
        if new {
            text.push_str(&as_test(name, class)?);
        }
    }
    Ok(Said { text, is_known })
}

/// The class of what breaks under a documented behaviour.
fn class_under(truth: Truth, law: &str, life: &Life) -> String {
    let truth = serde_json::to_value(truth).ok();
    let name = truth.as_ref().and_then(|v| v.as_str()).unwrap_or_default();
    format!("{} under {name}", class_of(law, life))
}

/// Puts a finding to its class, and shrinks the first of each; answers whether it did.
fn note(
    state: &mut State,
    seed: u64,
    life: &Life,
    finding: &Violation,
    now_and_then: &mut dyn FnMut(&str),
) -> bool {
    let told_by = state
        .explained
        .iter()
        .find(|e| e.law == finding.law && e.kinds.is_subset(&finding.kinds))
        .map(|e| e.class.clone());
    if let Some(class) = told_by {
        if let Some(class) = state.classes.get_mut(&class) {
            class.findings += 1;
        }
        return false;
    }
    let small = shrink(life, finding);
    let name = class_of(&finding.law, &small);
    let shown = told_for(&small, &finding.law).ok();
    let shown = shown.and_then(|all| all.into_iter().find(|f| f.is_like(finding)));
    let shown = shown.unwrap_or_else(|| finding.clone());
    let detail = shown.detail;
    let events: usize = small.nights.iter().map(Vec::len).sum();
    let nights = small.nights.len();
    now_and_then(&format!("{name}: shown by {nights} nights with {events} events"));
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
    true
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
         soak::told_for(&life, {law:?}).unwrap();\n      \
         assert!(!found.iter().any(|f| f.law == {law:?}), \"{{found:#?}}\");\n  }}\n"
    ))
}

fn replay(path: &PathBuf) -> anyhow::Result<Said> {
    let life: Life = serde_json::from_slice(&std::fs::read(path)?)
        .with_context(|| format!("{} is no life", path.display()))?;
    // With a stock client's restore at the end.
    let found = told_for(&life, "restored/")?;
    let mut text = format!("{} nights, {} findings\n", life.nights.len(), found.len());
    for f in &found {
        let _ = writeln!(text, "night {}: {}: {}", f.night, f.class(), f.detail);
    }
    Ok(Said { text, is_known: found.is_empty() })
}
