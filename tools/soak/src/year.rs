//! A life as data, and a year of it from a seed.

use crate::{
    Finding, School, SchoolPlan,
    generate::Generator,
    restored::{self, Stock},
};
use graph_sim::{NOT_YET, Truth, year::Event};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A school with what happens in it, day by day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The school at the beginning.
    pub school: SchoolPlan,
    /// The events of each day; a backup ends each.
    pub nights: Vec<Vec<Event>>,
}

/// A year with its findings.
#[derive(Debug, Clone)]
pub struct Year {
    /// What happened.
    pub life: Life,
    /// What broke, oldest first.
    pub findings: Vec<Finding>,
    /// How often a stock client was asked to restore, and how often there was none.
    pub stock: (usize, usize),
}

/// Nights without anything happening.
pub fn quiet(school: SchoolPlan) -> Life {
    Life { school, nights: vec![Vec::new(); 2] }
}

/// The school that a year is lived in: all documented behaviour is shown, but for that under which
/// not even a quiet night is whole. Those are findings of their own, with the life that shows each.
pub fn school() -> anyhow::Result<(SchoolPlan, Vec<(Finding, Life)>)> {
    let mut plan = SchoolPlan::default();
    let mut broken = Vec::new();
    let all: BTreeSet<Truth> = NOT_YET.iter().copied().collect();
    for truth in &all {
        let withheld = all.iter().copied().filter(|t| t != truth).collect();
        let life = quiet(SchoolPlan { withheld, ..SchoolPlan::default() });
        let found = told(&life)?;
        if !found.is_empty() {
            plan.withheld.insert(*truth);
        }
        let mut laws = BTreeSet::new();
        for mut finding in found {
            if laws.insert(finding.law.clone()) {
                finding.kinds = [format!("truth {truth:?}")].into();
                broken.push((finding, life.clone()));
            }
        }
    }
    Ok((plan, broken))
}

/// Every so many nights a stock client restores everything.
const STOCK_EVERY: usize = 30;

/// Makes a year from a seed and runs it, until it is over or `go_on` says no.
pub fn run(
    school: SchoolPlan,
    seed: u64,
    nights: usize,
    mut go_on: impl FnMut(usize, &[Finding]) -> bool,
) -> anyhow::Result<Year> {
    let mut live = School::new(&school)?;
    let mut generator = Generator::new(seed);
    let mut year =
        Year { life: Life { school, nights: Vec::new() }, findings: Vec::new(), stock: (0, 0) };
    for night in 0..nights {
        let events = generator.day(night, &live.life);
        let mut found = live.night(&events)?;
        year.life.nights.push(events);
        if (night + 1) % STOCK_EVERY == 0 {
            match restored::by_stock_client(&live)? {
                Stock::Missing => year.stock.1 += 1,
                Stock::Differs(rows) => {
                    year.stock.0 += 1;
                    found.extend(live.of_stock(rows));
                }
            }
        }
        year.findings.extend(found);
        if !go_on(night, &year.findings) {
            break;
        }
    }
    Ok(year)
}

/// Tells a life again; all that broke.
pub fn told(life: &Life) -> anyhow::Result<Vec<Finding>> {
    let mut school = School::new(&life.school)?;
    let mut findings = Vec::new();
    for events in &life.nights {
        findings.extend(school.night(events)?);
    }
    Ok(findings)
}
