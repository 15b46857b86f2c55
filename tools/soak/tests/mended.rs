//! The smallest lives of defects that were mended: none of them shows anything any more.
#![allow(clippy::unwrap_used)]

use graph_sim::NOT_YET;
use serde::Deserialize;
use soak::{Life, told};

/// What showed a defect.
#[derive(Deserialize)]
struct Mended {
    /// What it was called, by `cargo xtask soak`, or in words where somebody thought of it.
    class: String,
    /// The law that broke; empty of those that somebody thought of.
    law: String,
    life: Life,
}

#[test]
fn what_was_mended_stays_mended() {
    let all: Vec<Mended> = serde_json::from_str(include_str!("mended.json")).unwrap();
    assert!(all.len() > 30);
    let mut broken = Vec::new();
    for Mended { class, law, mut life } in all {
        life.school.withheld = NOT_YET.iter().copied().collect();
        let found = told(&life).unwrap();
        let of_law: Vec<_> = found.iter().filter(|f| law.is_empty() || f.law == law).collect();
        if !of_law.is_empty() {
            broken.push(format!("{class}: {of_law:#?}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
