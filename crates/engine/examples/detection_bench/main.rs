//! `cargo xtask bench detection`: how well versions of files are judged, on the cases that
//! `benches/detection` made of real files: honest edits by real programs, and kinds of damage.
//!
//! What an item's own bytes give away is one column; how many items are damaged before the first
//! alarm is another, which a whole run of the product tells, and which is not measured here.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

mod cases;
mod judges;
mod tally;

use cases::{Case, Class};
use judges::{Judge, Version};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};
use strongroom_model::{Verdict, limits};
use tally::{Cost, Report};

/// The names that a damaged file is tried under.
const NAMES: [&str; 3] = ["kept", "tail", "random"];

struct Options {
    dir: PathBuf,
    half: String,
    judge: String,
    commit: String,
    out: PathBuf,
}

fn options() -> Options {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for pair in args.chunks(2) {
        let [name, value] = pair else { panic!("{} wants a value", pair[0]) };
        given.insert(name, value);
    }
    let take = |name: &str, otherwise: &str| given.get(name).unwrap_or(&otherwise).to_string();
    Options {
        dir: take("--dir", "target/detection").into(),
        half: take("--half", "learn"),
        judge: take("--judge", judges::ALL[0].name()),
        commit: take("--commit", "unknown"),
        out: take("--out", "target/detection/runs.jsonl").into(),
    }
}

fn main() {
    let o = options();
    let judge = *judges::ALL
        .iter()
        .find(|j| j.name() == o.judge)
        .unwrap_or_else(|| panic!("no judge is called {}", o.judge));
    let place = o.dir.join(&o.half);
    let cases = cases::read(&place);
    let mut report = Report::new(&o.half, judge.name(), &o.commit);
    report.missing = cases::missing(&place);
    for case in &cases {
        run(judge, &place, case, &mut report);
    }
    report.print();
    report.append(&o.out);
    println!("\nappended to {}", o.out.display());
}

fn run(judge: &dyn Judge, place: &Path, case: &Case, report: &mut Report) {
    let now = load(&place.join(&case.path));
    let before = case.before.as_ref().map(|p| load(&place.join(p)));
    let old = before
        .as_ref()
        .map(|bytes| Version { name: case.before_name.as_deref().unwrap_or(&case.name), bytes });
    if case.class == Class::Honest {
        let j = timed(judge, Version { name: &case.name, bytes: &now }, old, &mut report.cost);
        report.honest(case, &j);
        return;
    }
    for variant in NAMES {
        let name = case.named(variant);
        let new = Version { name, bytes: &now };
        let with = timed(judge, new, old, &mut report.damage_cost);
        let alone = timed(judge, new, None, &mut report.damage_cost);
        report.damage(case, variant, with.verdict, alone.verdict);
    }
}

/// The bytes that the product has at hand of a file.
fn load(path: &Path) -> Vec<u8> {
    let mut bytes =
        std::fs::read(path).unwrap_or_else(|e| panic!("{} cannot be read: {e}", path.display()));
    bytes.truncate(limits::JUDGE_BYTES_MAX as usize);
    bytes
}

/// The better of two rounds counts: other programs run on the machine too.
fn timed(
    judge: &dyn Judge,
    now: Version<'_>,
    before: Option<Version<'_>>,
    cost: &mut Cost,
) -> judges::Answer {
    let round = || {
        let began = Instant::now();
        let answer = judge.judge(now, before);
        (answer, began.elapsed().as_secs_f64())
    };
    let (answer, one) = round();
    let (again, two) = round();
    assert!(answer == again, "{} judged the same twice, and otherwise", now.name);
    cost.add(one.min(two), now.bytes.len() as u64, now.name);
    answer
}

fn is_flagged(verdict: Verdict) -> bool {
    verdict != Verdict::Clean
}
