//! Permissions in both directions: each that is published for a call is enough alone, and no other
//! is.

use super::{
    data::Published,
    report,
    school::{School, all_permissions, same_key, seeded, served},
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Figures that may only fall.
pub(crate) struct Ceiling {
    pub(crate) too_many: usize,
    pub(crate) too_few: usize,
}

/// Every set of permissions that a row of the table names for a call; the table is v1.0 and beta
/// in one, and a path may have several rows.
fn published_sets(data: &Published) -> BTreeMap<(String, String), BTreeSet<Vec<String>>> {
    let mut out: BTreeMap<_, BTreeSet<Vec<String>>> = BTreeMap::new();
    for g in &data.grants {
        let sets = g.enough.iter().map(|s| {
            let mut s = s.clone();
            s.sort();
            s
        });
        out.entry((g.method.clone(), same_key(&g.path))).or_default().extend(sets);
    }
    out
}

pub(crate) fn run(data: &Published, ceiling: &Ceiling) {
    let sets = published_sets(data);
    let singles = all_permissions(data);
    let base = seeded().fork();
    let mut tokens: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for set in sets.values().flatten().cloned().chain(singles.iter().map(|p| vec![p.clone()])) {
        tokens.entry(set).or_insert_with_key(|set| {
            base.token(0, &set.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
        });
    }
    let names: Vec<&str> = singles.iter().map(String::as_str).collect();
    let all = base.token(0, &names).unwrap();
    let calls = served(data);
    let (mut many, mut few, mut right, mut unknown, mut absent) = (0, 0, 0, 0, 0);
    let mut lines = vec!["what\tmethod\tpath\tpermissions".to_owned()];
    for ((method, template), path) in &calls {
        let Some(enough) = sets.get(&(method.clone(), same_key(template))) else {
            unknown += 1;
            lines.push(format!("no row\t{method}\t{template}\t"));
            continue;
        };
        let writes = method != "GET";
        let body = matches!(method.as_str(), "POST" | "PATCH" | "PUT").then(|| json!({}));
        let mut school = School::over(base.fork(), all.clone());
        if school.ask(method, path, body.as_ref()).status == 404 {
            absent += 1;
            lines.push(format!("no object\t{method}\t{template}\t"));
            continue;
        }
        school.sim = base.fork();
        let mut allows = |token: &str| {
            school.token = token.to_owned();
            let answer = school.ask(method, path, body.as_ref());
            if writes && !answer.denied() {
                school.sim = base.fork();
            }
            !answer.denied()
        };
        for (set, token) in &tokens {
            let listed = enough.contains(set);
            if !listed && (set.len() > 1 || contains_a_set(enough, set)) {
                continue;
            }
            match (listed, allows(token)) {
                (true, false) => {
                    few += 1;
                    lines.push(format!("too few\t{method}\t{template}\t{}", set.join("+")));
                }
                (false, true) => {
                    many += 1;
                    lines.push(format!("too many\t{method}\t{template}\t{}", set.join("+")));
                }
                _ => right += 1,
            }
        }
    }
    lines.sort();
    report::write("permissions.tsv", &lines);
    println!(
        "{} calls served, {unknown} of them without a row and {absent} without an object; pairs: \
         {right} right, {many} too many, \
         {few} too few",
        calls.len()
    );
    assert!(!calls.is_empty());
    assert!(
        many <= ceiling.too_many && few <= ceiling.too_few,
        "{many} permissions too many (was {}), {few} too few (was {})",
        ceiling.too_many,
        ceiling.too_few
    );
}

fn contains_a_set(enough: &BTreeSet<Vec<String>>, set: &[String]) -> bool {
    enough.iter().any(|e| e.iter().all(|p| set.contains(p)))
}
