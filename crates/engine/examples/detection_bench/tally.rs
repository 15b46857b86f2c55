//! Figures by kind of damage, by edit and by kind of file; what a judgement costs; the report.

use crate::{cases::Case, is_flagged, judges::Answer};
use serde::Serialize;
use std::{collections::BTreeMap, fs::OpenOptions, io::Write, path::Path};
use strongroom_model::Verdict;

/// Of how many cases how many were flagged, and how many of those as encrypted.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Rate {
    cases: u64,
    flagged: u64,
    encrypted: u64,
}

impl Rate {
    fn add(&mut self, verdict: Verdict) {
        self.cases += 1;
        self.flagged += u64::from(is_flagged(verdict));
        self.encrypted += u64::from(verdict == Verdict::Encrypted);
    }

    fn percent(self) -> String {
        if self.cases == 0 {
            return "-".to_owned();
        }
        // Never rounded up to all, or down to none.
        let share = 100.0 * self.flagged as f64 / self.cases as f64;
        format!("{:.1}", if share < 100.0 { share.min(99.9) } else { share })
    }
}

/// One kind of damage, or several together: under its own name, with a tail, with a random name.
#[derive(Debug, Default, Clone, Serialize)]
struct Damage {
    with_before: BTreeMap<String, Rate>,
    alone: BTreeMap<String, Rate>,
}

impl Damage {
    fn add(&mut self, variant: &str, with: Verdict, alone: Verdict) {
        self.with_before.entry(variant.to_owned()).or_default().add(with);
        self.alone.entry(variant.to_owned()).or_default().add(alone);
    }

    fn columns(&self) -> String {
        let of = |rates: &BTreeMap<String, Rate>, variant: &str| {
            rates.get(variant).copied().unwrap_or_default().percent()
        };
        let mut out = String::new();
        for variant in crate::NAMES {
            out += &format!("{:>8}", of(&self.with_before, variant));
        }
        for variant in crate::NAMES {
            out += &format!("{:>8}", of(&self.alone, variant));
        }
        out
    }

    fn cases(&self) -> u64 {
        self.with_before.get("kept").map_or(0, |r| r.cases)
    }
}

/// An edit, or a kind of file.
#[derive(Debug, Default, Clone, Serialize)]
struct Honest {
    cases: u64,
    suspicious: u64,
    encrypted: u64,
    reasons: BTreeMap<String, u64>,
}

impl Honest {
    fn add(&mut self, answer: &Answer) {
        self.cases += 1;
        match answer.verdict {
            Verdict::Clean => {}
            Verdict::Suspicious => self.suspicious += 1,
            Verdict::Encrypted => self.encrypted += 1,
        }
        for reason in &answer.reasons {
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
    }
}

/// The time of judgements, one by one.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    seconds: Vec<f64>,
    bytes: u64,
    worst: (f64, u64, String),
}

#[derive(Debug, Serialize)]
struct Spent {
    judgements: usize,
    mean_ms: f64,
    p99_ms: f64,
    worst_ms: f64,
    worst_bytes: u64,
    worst_extension: String,
    mb_per_second_on_one_core: f64,
}

impl Cost {
    pub(crate) fn add(&mut self, seconds: f64, bytes: u64, name: &str) {
        self.seconds.push(seconds);
        self.bytes += bytes;
        if seconds > self.worst.0 {
            let extension = name.rsplit('.').next().unwrap_or_default();
            self.worst = (seconds, bytes, extension.to_owned());
        }
    }

    fn spent(&self) -> Spent {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let sum: f64 = sorted.iter().sum();
        let n = sorted.len().max(1);
        let at = |share: f64| sorted.get((n as f64 * share) as usize).copied().unwrap_or(0.0);
        Spent {
            judgements: sorted.len(),
            mean_ms: sum / n as f64 * 1000.0,
            p99_ms: at(0.99) * 1000.0,
            worst_ms: self.worst.0 * 1000.0,
            worst_bytes: self.worst.1,
            worst_extension: self.worst.2.clone(),
            mb_per_second_on_one_core: self.bytes as f64 / 1e6 / sum.max(1e-9),
        }
    }
}

pub(crate) struct Report {
    half: String,
    judge: String,
    commit: String,
    kinds: BTreeMap<String, Damage>,
    families: BTreeMap<String, Damage>,
    damaged_files: BTreeMap<String, Damage>,
    groups: BTreeMap<String, Honest>,
    edits: BTreeMap<String, Honest>,
    first_sight: BTreeMap<String, Honest>,
    edited_files: BTreeMap<String, Honest>,
    pub(crate) cost: Cost,
    pub(crate) damage_cost: Cost,
    pub(crate) missing: BTreeMap<String, u64>,
}

const FIRST_SIGHT: &str = "first-sight";

/// What honest cases are counted together: the goals are different ones.
fn group(what: &str) -> &'static str {
    let begins = |with: &[&str]| with.iter().any(|w| what.starts_with(w));
    if what == FIRST_SIGHT {
        "files at first sight"
    } else if begins(&["register with a password"]) {
        "registers with a password"
    } else if begins(&["encrypted copy", "archive in volumes", "compressed copy"]) {
        "encrypted copies and archives in volumes, at first sight"
    } else if begins(&["a text about ransomware"]) {
        "texts about ransomware"
    } else if begins(&["emptied", "replaced by another", "log: truncated", "log: rotated"]) {
        "emptied or replaced: the same bytes as a wiper's"
    } else {
        "natural edits"
    }
}

impl Report {
    pub(crate) fn new(half: &str, judge: &str, commit: &str) -> Self {
        Self {
            half: half.to_owned(),
            judge: judge.to_owned(),
            commit: commit.to_owned(),
            kinds: BTreeMap::new(),
            families: BTreeMap::new(),
            damaged_files: BTreeMap::new(),
            groups: BTreeMap::new(),
            edits: BTreeMap::new(),
            first_sight: BTreeMap::new(),
            edited_files: BTreeMap::new(),
            cost: Cost::default(),
            damage_cost: Cost::default(),
            missing: BTreeMap::new(),
        }
    }

    pub(crate) fn honest(&mut self, case: &Case, answer: &Answer) {
        if case.what == FIRST_SIGHT {
            self.first_sight.entry(case.kind.clone()).or_default().add(answer);
        } else {
            self.edited_files.entry(case.kind.clone()).or_default().add(answer);
        }
        self.groups.entry(group(&case.what).to_owned()).or_default().add(answer);
        self.edits.entry(case.what.clone()).or_default().add(answer);
    }

    pub(crate) fn damage(&mut self, case: &Case, variant: &str, with: Verdict, alone: Verdict) {
        let family = case.what.split('/').next().unwrap_or_default();
        for (map, key) in [
            (&mut self.kinds, case.what.as_str()),
            (&mut self.families, family),
            (&mut self.damaged_files, case.kind.as_str()),
        ] {
            map.entry(key.to_owned()).or_default().add(variant, with, alone);
        }
    }

    pub(crate) fn print(&self) {
        println!("Detection by {} at {}, half: {}\n", self.judge, self.commit, self.half);
        println!("COLUMN 1: caught by item alone, percent of the damaged items");
        let head = |title: &str| {
            println!(
                "\n{title:36}{:>7}    with an earlier version       without one\n{:43}{}",
                "items",
                "",
                crate::NAMES.map(|n| format!("{n:>8}")).concat().repeat(2)
            );
        };
        for (title, map) in [
            ("family of damage", &self.families),
            ("kind of damage", &self.kinds),
            ("damaged, by kind of file", &self.damaged_files),
        ] {
            head(title);
            for (name, d) in map {
                println!("{name:36}{:>7}{}", d.cases(), d.columns());
            }
        }
        println!("\nCOLUMN 2: damaged items before the first alarm: not measured here");
        for (title, map) in [
            ("honest", &self.groups),
            ("honest edit", &self.edits),
            ("honest, at first sight, by kind of file", &self.first_sight),
            ("honest, edited, by kind of file", &self.edited_files),
        ] {
            println!("\n{title:58}{:>7}{:>12}{:>10}  reasons", "items", "suspicious", "encrypted");
            for (name, h) in map {
                let reasons: Vec<String> =
                    h.reasons.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
                println!(
                    "{name:58}{:>7}{:>12}{:>10}  {}",
                    h.cases,
                    h.suspicious,
                    h.encrypted,
                    reasons.join(", ")
                );
            }
            let sum = |f: fn(&Honest) -> u64| map.values().map(f).sum::<u64>();
            println!(
                "{:58}{:>7}{:>12}{:>10}",
                "all",
                sum(|h| h.cases),
                sum(|h| h.suspicious),
                sum(|h| h.encrypted)
            );
        }
        println!("\ncost of a judgement, the bytes being in memory");
        for (title, cost) in [("honest", &self.cost), ("damaged", &self.damage_cost)] {
            let s = cost.spent();
            println!(
                "{title:10}{:>8} judgements: mean {:.3} ms, 99 % below {:.3} ms, worst {:.1} ms \
                 ({} bytes, {}), {:.0} MB/s on one core",
                s.judgements,
                s.mean_ms,
                s.p99_ms,
                s.worst_ms,
                s.worst_bytes,
                s.worst_extension,
                s.mb_per_second_on_one_core
            );
        }
        println!("\nnot made, by reason");
        for (reason, n) in &self.missing {
            println!("{n:>7}  {reason}");
        }
    }

    /// One line a run, whatever came out.
    pub(crate) fn append(&self, out: &Path) {
        let row = serde_json::json!({
            "day": jiff::Timestamp::now().to_string(),
            "half": self.half,
            "judge": self.judge,
            "commit": self.commit,
            "caught_by_item_alone": {
                "families": self.families,
                "kinds_of_damage": self.kinds,
                "kinds_of_file": self.damaged_files,
            },
            "damaged_items_before_the_first_alarm": "not measured here",
            "honest": {
                "groups": self.groups,
                "edits": self.edits,
                "first_sight_by_kind_of_file": self.first_sight,
                "edited_by_kind_of_file": self.edited_files,
            },
            "cost": { "honest": self.cost.spent(), "damaged": self.damage_cost.spent() },
            "not_made": self.missing,
        });
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(out)
            .unwrap_or_else(|e| panic!("{} cannot be written: {e}", out.display()));
        writeln!(file, "{row}").unwrap();
    }
}
