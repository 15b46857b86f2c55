//! A library whose tests or examples are switched off, since it has none, holds none.

/// What a manifest switches off: (its line, what no file of the library then holds, what that is).
const SWITCHES: &[(&str, &[&str], &str)] = &[
    ("doctest = false", &["/// ```", "//! ```"], "an example"),
    ("test = false", &["#[test]", "#[tokio::test"], "a test"),
];

/// What a file of a library holds that its manifest says is not run.
pub(super) fn problems(file: &str, text: &str, manifest: &str) -> Vec<String> {
    if !file.contains("/src/") {
        return Vec::new();
    }
    let off = SWITCHES.iter().filter(|(line, ..)| manifest.lines().any(|l| l.trim() == *line));
    off.filter(|(_, marks, _)| {
        text.lines().any(|l| marks.iter().any(|mark| l.trim_start().starts_with(mark)))
    })
    .map(|(line, _, what)| format!("{file}: {what} that nobody runs: the manifest says {line:?}"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_runs_is_found() {
        let none = "[lib]\ndoctest = false\ntest = false\n";
        for text in ["    #[test]\n", "#[tokio::test(flavor)]", "/// ```\n", "    //! ```rust\n"] {
            assert_eq!(problems("crates/a/src/b.rs", text, none).len(), 1, "{text}");
            assert!(problems("crates/a/src/b.rs", text, "[lib]\n").is_empty());
            assert!(problems("crates/a/tests/b.rs", text, none).is_empty());
        }
        assert!(problems("crates/a/src/b.rs", "\"#[test]\"", none).is_empty());
    }
}
