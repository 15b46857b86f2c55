//! Runs the cases that were asked for, and says how they ended.

use crate::{
    Options,
    arena::{Arena, Stage},
    case::{Case, Class, Origin, Outcome},
    classes,
};
use anyhow::ensure;
use serde_json::json;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How one case ended.
struct Row {
    class: &'static Class,
    case: &'static Case,
    outcome: Outcome,
    took: Duration,
}

fn one(stage: &Stage, class: &'static Class, case: &'static Case) -> Row {
    let began = Instant::now();
    let work = || -> anyhow::Result<()> {
        let mut arena = Arena::new(stage, case.id)?;
        (case.run)(&mut arena)?;
        arena.aftermath()
    };
    let outcome = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Outcome::of(done),
        Err(_) => Outcome::Broken("it panicked".into()),
    };
    Row { class, case, outcome, took: began.elapsed() }
}

/// Runs what the options name; answers whether nothing got through and no case is broken.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let named = |class: &Class, case: &Case| {
        options.names.is_empty() || options.names.iter().any(|n| n == class.name || n == case.id)
    };
    let chosen: Vec<(&'static Class, &'static Case)> = classes::ALL
        .iter()
        .flat_map(|class| class.cases.iter().map(move |case| (*class, case)))
        .filter(|(class, case)| named(class, case))
        .collect();
    for name in &options.names {
        let known = chosen.iter().any(|(class, case)| class.name == name || case.id == name);
        ensure!(known, "no class and no case is called {name}; --list shows them");
    }
    if options.list {
        for (class, case) in &chosen {
            let origin = if case.origin == Origin::New { "new" } else { "listed" };
            println!("{:<12} {:<44} {origin:<7} {}", class.name, case.id, case.does);
        }
        return Ok(true);
    }
    let stage = Stage::new(&options.bin, options.seed)?;
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while let Some((class, case)) = chosen.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let row = one(&stage, class, case);
                    if !options.json {
                        let took = row.took.as_secs_f64();
                        let word = row.outcome.word();
                        let why: String = row.outcome.why().chars().take(400).collect();
                        println!(
                            "{word:<12} {:<12} {:<44} {took:>5.1} s  {why}",
                            class.name, case.id
                        );
                    }
                    rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    if options.json {
        println!("{}", as_json(&rows));
    } else {
        table(&rows);
    }
    Ok(rows.iter().all(|r| matches!(r.outcome, Outcome::Refused | Outcome::NotRun(_))))
}

fn as_json(rows: &[Row]) -> serde_json::Value {
    let all: Vec<_> = rows
        .iter()
        .map(|r| {
            json!({"class": r.class.name, "attacker": r.class.attacker, "case": r.case.id,
                "listed": r.case.origin == Origin::Listed, "does": r.case.does,
                "stands": r.case.stands, "outcome": r.outcome.word(), "why": r.outcome.why(),
                "took_s": r.took.as_secs_f64()})
        })
        .collect();
    json!(all)
}

/// Counts of outcomes: refused, got through, not run, broken.
fn counts<'r>(rows: impl Iterator<Item = &'r Row>) -> [usize; 4] {
    let mut out = [0; 4];
    for row in rows {
        out[match row.outcome {
            Outcome::Refused => 0,
            Outcome::GotThrough(_) => 1,
            Outcome::NotRun(_) => 2,
            Outcome::Broken(_) => 3,
        }] += 1;
    }
    out
}

fn table(rows: &[Row]) {
    let line = |name: &str, who: &str, [a, b, c, d]: [usize; 4]| {
        println!("{name:<12} {:>5} {a:>8} {b:>12} {c:>13} {d:>7}  {who}", a + b + c + d);
    };
    println!("\nclass        cases  refused  got through  not run here  broken  attacker");
    for class in classes::ALL {
        let theirs = counts(rows.iter().filter(|r| r.class.name == class.name));
        if theirs.iter().sum::<usize>() > 0 {
            line(class.name, class.attacker, theirs);
        }
    }
    line("all", "", counts(rows.iter()));
    for (name, origin) in [("listed", Origin::Listed), ("new", Origin::New)] {
        let word = if origin == Origin::New { "in no list before" } else { "were listed" };
        line(name, word, counts(rows.iter().filter(|r| r.case.origin == origin)));
    }
    for row in rows.iter().filter(|r| !matches!(r.outcome, Outcome::Refused)) {
        println!("\n{} {}/{}", row.outcome.word(), row.class.name, row.case.id);
        println!("  does    {}", row.case.does);
        println!("  stands  {}", row.case.stands);
        println!("  why     {}", row.outcome.why());
    }
}
