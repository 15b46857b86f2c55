//! The crate of operations knows no face, and the command line's calls below it become fewer.

/// How many files of the command line, those of the demonstration aside, name a crate below
/// `operations`. It only shrinks.
const CLI_LOWER_FILES_MAX: usize = 2;

/// What the command line is to see through `operations`.
const LOWER: &[&str] = &[
    "acceptance",
    "custody",
    "engine",
    "graph",
    "guards",
    "objects",
    "rego",
    "repository",
    "settings",
    "workloads",
];

/// (text, reason) that no file of `operations` may hold.
const OF_A_FACE: &[(&str, &str)] = &[
    ("print!(", "a library prints nothing"),
    ("println!(", "a library prints nothing"),
    ("stdin()", "a library asks nobody"),
    ("confirm(", "a library asks nobody"),
    ("env::", "a library is told of its host by `Host`"),
    ("geteuid(", "a library is told of its host by `Host`"),
    ("`strongroom ", "what helps is a `Remedy`; a face words it"),
    (" --", "what helps is a `Remedy`; a face words it"),
];

fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or_default()
}

/// The one file of the command line that reads the configuration.
const EDGE: &str = "crates/cli/src/edge.rs";

/// Lines of `operations` that belong to a face, and re-exports of a whole crate; and lines of the
/// command line, behind its edge, that read the configuration again.
pub(super) fn problems(file: &str, text: &str) -> Vec<String> {
    if file.starts_with("crates/cli/src/") && file != EDGE && text.contains("Config::read(") {
        return vec![format!("{file}: it reads the configuration; that is done at {EDGE} alone")];
    }
    if !file.starts_with("crates/operations/src/") {
        return Vec::new();
    }
    let mut out = Vec::new();
    let code = without_tests(text).lines().enumerate();
    for (n, line) in code.filter(|(_, l)| !l.trim_start().starts_with("//")) {
        let found = OF_A_FACE.iter().find(|(word, _)| line.contains(word));
        out.extend(found.map(|(word, why)| format!("{file}:{}: {word:?} ({why})", n + 1)));
        let exported = line.trim_start().strip_prefix("pub use strongroom_").unwrap_or_default();
        if exported.contains("::*") || exported.ends_with(';') && !exported.contains("::") {
            out.push(format!("{file}:{}: it exports a whole crate", n + 1));
        }
    }
    out
}

/// Whether a file of the command line calls below `operations`.
pub(super) fn is_lower(file: &str, text: &str) -> bool {
    let is_counted =
        file.starts_with("crates/cli/src/") && !file.starts_with("crates/cli/src/demo/");
    is_counted && LOWER.iter().any(|name| text.contains(&format!("strongroom_{name}::")))
}

/// What is wrong with how many there are.
pub(super) fn too_many(lower: usize) -> Option<String> {
    let says = match lower {
        CLI_LOWER_FILES_MAX => return None,
        n if n > CLI_LOWER_FILES_MAX => "at most",
        _ => "which is to be written down now: CLI_LOWER_FILES_MAX, now",
    };
    Some(format!(
        "{lower} files of cli name a crate below operations, {says} {CLI_LOWER_FILES_MAX}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_face_is_found() {
        for line in [
            "println!(\"done\");",
            "let home = std::env::var_os(\"HOME\");",
            "pub use strongroom_engine::*;",
            "pub use strongroom_engine;",
            "\"name one with --cache-dir\"",
        ] {
            assert_eq!(problems("crates/operations/src/a.rs", line).len(), 1, "{line}");
            assert_eq!(problems("crates/cli/src/a.rs", line).len(), 0, "{line}");
        }
        for line in [
            "// println!",
            "pub use strongroom_engine::BackupReport;",
            "concat!(\"strongroom \", env!(\"CARGO_PKG_VERSION\"))",
            "#[cfg(test)]",
        ] {
            assert_eq!(problems("crates/operations/src/a.rs", line).len(), 0, "{line}");
        }
    }

    #[test]
    fn who_reads_the_configuration_again_is_found() {
        let line = "let config = Config::read(&global.config, &global.host.accounts)?;";
        assert_eq!(problems("crates/cli/src/keys.rs", line).len(), 1);
        assert_eq!(problems("crates/cli/src/edge.rs", line).len(), 0);
    }

    #[test]
    fn a_file_of_the_command_line_that_calls_lower_is_counted() {
        let line = "use strongroom_engine::BackupReport;";
        assert!(is_lower("crates/cli/src/a.rs", line));
        assert!(!is_lower("crates/cli/src/demo/a.rs", line));
        assert!(!is_lower("crates/cli/src/a.rs", "use strongroom_operations::Host;"));
        assert!(too_many(CLI_LOWER_FILES_MAX).is_none());
        assert!(too_many(CLI_LOWER_FILES_MAX + 1).is_some());
        assert!(too_many(CLI_LOWER_FILES_MAX - 1).is_some(), "it only shrinks");
    }
}
