//! The number of attacks that nobody had listed is counted where they stand.

use anyhow::Context;
use std::{collections::BTreeSet, path::Path};

/// So many attacks of the suite must be in no list that it began with.
const NEW_MIN: usize = 60;

/// What is wrong with the cases: too few new ones, or two of one name.
pub(crate) fn problems(root: &Path) -> anyhow::Result<Vec<String>> {
    let dir = root.join("tools/attack/src/classes");
    let mut names = BTreeSet::new();
    let (mut problems, mut new) = (Vec::new(), 0);
    for entry in std::fs::read_dir(&dir).context("the attacks are not there")? {
        let text = std::fs::read_to_string(entry?.path())?;
        for (is_new, name) in cases(&text) {
            new += usize::from(is_new);
            if !names.insert(name.to_owned()) {
                problems.push(format!("two attacks are called {name}"));
            }
        }
    }
    if new < NEW_MIN {
        problems.push(format!("{new} attacks are in no list, {NEW_MIN} at least"));
    }
    Ok(problems)
}

/// Each case of a file: whether it is new, and its name.
fn cases(text: &str) -> Vec<(bool, &str)> {
    let mut out = Vec::new();
    for (word, is_new) in [("new(", true), ("listed(", false)] {
        for (at, _) in text.match_indices(word) {
            let before = text[..at].chars().next_back().unwrap_or(' ');
            let rest = text[at + word.len()..].trim_start();
            // `Command::new("x")` is no case.
            if before.is_whitespace()
                && let Some(name) = rest.strip_prefix('"').and_then(|r| r.split('"').next())
            {
                out.push((is_new, name));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_counted_and_calls_are_not() {
        let text = " new(\"a\", \"x\", f),\n listed(\n \"b\", ..), Command::new(\"sh\")";
        assert_eq!(cases(text), [(true, "a"), (false, "b")]);
    }
}
