//! A life as data, and a year of it from a seed.

use crate::{
    School, SchoolPlan, Violation,
    generate::Generator,
    restored::{self, Stock},
};
use anyhow::bail;
use graph_sim::year::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A school with what happens in it, day by day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The school at the beginning.
    pub school: SchoolPlan,
    /// The events of each day; a backup ends each.
    pub nights: Vec<Vec<Event>>,
}

/// A year with its findings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Year {
    /// What happened.
    pub life: Life,
    /// What broke, oldest first.
    pub findings: Vec<Violation>,
    /// How often a stock client was asked to restore, and how often there was none.
    pub stock: (usize, usize),
    /// Laws and items that did not hold at the last night: they are told already.
    pub open: BTreeSet<(String, String)>,
}

/// Every so many nights a stock client restores everything.
const STOCK_EVERY: usize = 30;

/// Makes a year from a seed and runs it, until it is over or `go_on` says no. A year that was begun
/// is gone on with: its nights are lived again, but not held against the tenant a second time.
///
/// # Errors
/// A year that was begun is none of this seed's, and whatever keeps a school from being simulated.
pub fn run(
    school: SchoolPlan,
    seed: u64,
    nights: usize,
    begun: Option<Year>,
    mut go_on: impl FnMut(&Year) -> bool,
) -> anyhow::Result<Year> {
    let mut live = School::new(&school)?;
    let mut generator = Generator::new(seed);
    let empty = Year { life: Life { school, nights: Vec::new() }, ..Year::default() };
    let mut year = begun.unwrap_or(empty);
    for (night, known) in year.life.nights.iter().enumerate() {
        let events = generator.day(night, &live.life);
        if events != *known {
            bail!("the year that was begun is of another program; begin with another --state");
        }
        live.pass(&events)?;
    }
    live.reopen(year.open.clone());
    for night in year.life.nights.len()..nights {
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
        year.open.clone_from(live.open());
        if !go_on(&year) {
            break;
        }
    }
    Ok(year)
}

/// Tells a life again; all that broke, without a stock client's restore.
pub fn told(life: &Life) -> anyhow::Result<Vec<Violation>> {
    told_for(life, "")
}

/// Whether a law is one of what a stock client restores.
pub(crate) fn needs_stock(law: &str) -> bool {
    law.starts_with("restored/")
}

/// Tells a life again, with a stock client's restore after its last night when the law is one of
/// that.
pub fn told_for(life: &Life, law: &str) -> anyhow::Result<Vec<Violation>> {
    let mut school = School::new(&life.school)?;
    let mut findings = Vec::new();
    for events in &life.nights {
        findings.extend(school.night(events)?);
    }
    if needs_stock(law)
        && !life.nights.is_empty()
        && let Stock::Differs(rows) = restored::by_stock_client(&school)?
    {
        findings.extend(school.of_stock(rows));
    }
    Ok(findings)
}
