//! A cheap run that keeps the tool alive: what is known is tolerated, a new class fails.
#![allow(clippy::unwrap_used)]

use soak::{Known, School, told, year};
use std::collections::BTreeSet;

fn known() -> Known {
    serde_json::from_str(include_str!("../known.json")).unwrap()
}

#[test]
fn twenty_nights_find_nothing_that_is_not_known_and_twice_the_same() {
    let (school, broken) = year::school().unwrap();
    let truths: Vec<_> = broken.iter().filter(|(f, _)| !known().laws.contains(&f.law)).collect();
    assert!(truths.is_empty(), "{truths:#?}");
    let year = year::run(school, 1, 20, |_, _| true).unwrap();
    let laws: BTreeSet<&String> = year.findings.iter().map(|f| &f.law).collect();
    let new: Vec<_> = year.findings.iter().filter(|f| !known().laws.contains(&f.law)).collect();
    assert!(new.is_empty(), "{new:#?}");
    // The same life, told again from its data, has the same findings.
    let again = told(&year.life).unwrap();
    let of = |f: &soak::Finding| (f.night, f.law.clone(), f.item.clone());
    let stock = |f: &&soak::Finding| !f.law.starts_with("restored/");
    let first: Vec<_> = year.findings.iter().filter(stock).map(of).collect();
    assert_eq!(first, again.iter().map(of).collect::<Vec<_>>(), "{laws:?}");
}

#[test]
fn a_quiet_life_is_whole() {
    let (school, _) = year::school().unwrap();
    let found = told(&year::quiet(school)).unwrap();
    assert!(found.is_empty(), "{found:#?}");
}

/// What a stock client restores, read without any product crate; written out by our own hand here,
/// so that the reader is held even where there is no restic.
#[test]
fn a_repository_is_written_out_for_a_stock_client() {
    let (plan, _) = year::school().unwrap();
    let mut school = School::new(&plan).unwrap();
    school.night(&[]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    school.write_out(dir.path()).unwrap();
    assert!(dir.path().join("config").is_file());
    match soak::restored::by_stock_client(&school).unwrap() {
        soak::restored::Stock::Missing => println!("SKIPPED: restic is not installed"),
        soak::restored::Stock::Differs(rows) => assert!(rows.is_empty(), "{rows:#?}"),
    }
}
