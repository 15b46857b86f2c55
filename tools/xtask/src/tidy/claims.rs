//! The threat model names the test that holds each of its sentences; each of them is there.

use std::collections::BTreeSet;

/// Names of tests in the section *What holds each sentence*.
pub(super) fn named(text: &str) -> Vec<String> {
    let section = text.split_once("## What holds each sentence").map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(own, _)| own);
    let rows = section.lines().filter(|l| l.starts_with('|'));
    let held_by = rows.filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit_once('|'));
    held_by.flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// Names of the functions that directly follow `#[test]` or stand below it.
pub(super) fn tests(text: &str, into: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "))
            && std::mem::take(&mut is_test)
            && let Some((name, _)) = rest.split_once('(')
        {
            into.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_last_column_and_from_tests_alone() {
        let text = "## What holds each sentence\n\n| a | held by |\n| --- | --- |\n\
            | `status` fails | `one`, `two` |\n\n## Next\n| x | `three` |\n";
        assert_eq!(named(text), ["one", "two"]);
        let mut all = BTreeSet::new();
        let code = "fn helper() {}\n#[test]\n#[ignore]\nfn one() {\n}\nfn two() {}\n";
        tests(code, &mut all);
        assert_eq!(all.into_iter().collect::<Vec<_>>(), ["one"]);
    }
}
