//! A library whose unit tests are switched off, since it has none, holds none.

/// Whether a file of a library holds a test that its manifest says is not run.
pub(super) fn problems(file: &str, text: &str, manifest: &str) -> Option<String> {
    let is_off = manifest.lines().any(|line| line.trim() == "test = false");
    let is_test = |line: &str| {
        ["#[test]", "#[tokio::test"].iter().any(|mark| line.trim_start().starts_with(mark))
    };
    (is_off && file.contains("/src/") && text.lines().any(is_test))
        .then(|| format!("{file}: a test that nobody runs: the manifest says \"test = false\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_runs_is_found() {
        let none = "[lib]\ntest = false\n";
        for text in ["    #[test]\n", "#[tokio::test(flavor)]"] {
            assert!(problems("crates/a/src/b.rs", text, none).is_some(), "{text}");
            assert!(problems("crates/a/src/b.rs", text, "[lib]\n").is_none());
            assert!(problems("crates/a/tests/b.rs", text, none).is_none());
        }
        assert!(problems("crates/a/src/b.rs", "\"#[test]\"", none).is_none());
    }
}
