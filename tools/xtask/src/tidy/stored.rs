//! Files of stored types: what was stored and is absent, or is not understood, is never filled in.
//!
//! The table *Stored forms* in ARCHITECTURE.md names them. A file that says how a type is stored
//! (`impl Stored for`) stands in it.

use std::collections::BTreeSet;

/// (what serde is told, reason). Looked for within `#[serde(…)]` alone.
const FORBIDDEN: &[(&str, &str)] = &[
    ("default", "a default stands in for stored bytes; require the field, or make it an Option"),
    ("flatten", "an unknown property cannot be told from a known one"),
    ("untagged", "a damaged record is read as another kind"),
    ("other", "an unknown kind is read as another one; keep it as a Row"),
];

/// The files of the table: `| `path` | what | where |` below the heading.
pub(super) fn table(architecture: &str) -> BTreeSet<String> {
    let below = architecture.split("\n## Stored forms\n").nth(1).unwrap_or_default();
    let part = below.split("\n## ").next().unwrap_or_default();
    part.lines()
        .filter_map(|l| l.strip_prefix("| `")?.split_once('`').map(|(file, _)| file.to_owned()))
        .collect()
}

/// What is wrong with a file.
pub(super) fn problems(file: &str, text: &str, table: &BTreeSet<String>) -> Vec<String> {
    if !file.starts_with("crates/") || file.contains("/tests/") {
        return Vec::new();
    }
    // Tests at the end of a file have records of their own.
    let text = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let mut out = Vec::new();
    if !table.contains(file) {
        if text.lines().any(|l| l.starts_with("impl") && l.contains("Stored for ")) {
            out.push(format!(
                "{file}: it says how a type is stored, and is not in the table of stored forms in \
                 ARCHITECTURE.md"
            ));
        }
        return out;
    }
    for attribute in attributes(text) {
        let words = attribute.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        for word in words {
            if let Some((word, reason)) = FORBIDDEN.iter().find(|(w, _)| *w == word) {
                out.push(format!("{file}: serde({word}) ({reason})"));
            }
        }
    }
    out
}

/// What stands within `#[serde(…)]`, texts in quotes left out.
fn attributes(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in text.split("#[serde(").skip(1) {
        let (mut depth, mut quoted, mut inner) = (1, false, String::new());
        for c in part.chars() {
            match c {
                '"' => quoted = !quoted,
                _ if quoted => {}
                '(' => depth += 1,
                ')' => depth -= 1,
                c => inner.push(c),
            }
            if depth == 0 {
                break;
            }
        }
        out.push(inner);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "crates/model/src/thing.rs";

    fn listed() -> BTreeSet<String> {
        let rows = format!("| file | what |\n| --- | --- |\n| `{FILE}` | x |\n");
        table(&format!("# A\n\n## Stored forms\n\n{rows}\n## B\n| `crates/b.rs` | y |\n"))
    }

    #[test]
    fn the_table_is_that_below_its_heading() {
        assert_eq!(listed().into_iter().collect::<Vec<_>>(), [FILE]);
    }

    #[test]
    fn a_planted_default_is_found() {
        let found = |attribute: &str| {
            let text = format!("struct A {{\n    #[serde({attribute})]\n    a: u32,\n}}\n");
            problems(FILE, &text, &listed()).len()
        };
        for bad in [
            "default",
            "rename = \"a\", default, skip_serializing_if = \"x\"",
            "default = \"one\"",
            "flatten",
            "untagged",
            "other",
            "rename = \"a\",\n        default",
            "rename(serialize = \"a\"), default",
        ] {
            assert_eq!(found(bad), 1, "{bad}");
        }
        for good in ["rename = \"default\"", "skip_serializing_if = \"Option::is_none\"", "skip"] {
            assert_eq!(found(good), 0, "{good}");
        }
    }

    #[test]
    fn a_stored_type_stands_in_the_table_and_others_may_have_defaults() {
        let stored = "impl Stored for A {\n}\n";
        assert_eq!(problems("crates/model/src/other.rs", stored, &listed()).len(), 1);
        assert!(problems(FILE, stored, &listed()).is_empty());
        let settings = "#[serde(default)]\nstruct Settings;\n";
        assert!(problems("crates/cli/src/config.rs", settings, &listed()).is_empty());
        // What a test plants is its own affair.
        let test = format!("{stored}\n#[cfg(test)]\nmod tests {{\n#[serde(default)]\n}}\n");
        assert!(problems(FILE, &test, &listed()).is_empty());
    }
}
