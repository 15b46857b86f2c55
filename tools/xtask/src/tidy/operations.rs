//! The crate of operations knows no face, and what the command line has for one purpose serves no
//! other.

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

/// What the command line sees for one purpose: (what, where alone, the purpose). That it sees
/// nothing else below `operations`, the table of ARCHITECTURE.md says.
const FOR_ONE_PURPOSE: &[(&str, &str, &str)] = &[
    ("strongroom_rego", "crates/cli/src/main.rs", "it is the process in which a rule judges"),
    ("strongroom_vault", "crates/cli/src/demo/", "it is the demonstration's vault"),
    ("graph_sim", "crates/cli/src/demo/", "it is the demonstration's Microsoft 365"),
    ("ObjectKey", "crates/cli/src/demo/", "it is what the demonstration's attacker deletes by"),
    ("ObjectKind", "crates/cli/src/demo/", "it is what the demonstration's attacker deletes by"),
];

/// Lines of `operations` that belong to a face, and re-exports of a whole crate; and lines of the
/// command line, behind its edge, that read the configuration again.
pub(super) fn problems(file: &str, text: &str) -> Vec<String> {
    if file.starts_with("crates/cli/src/") && file != EDGE && text.contains("Config::read(") {
        return vec![format!("{file}: it reads the configuration; that is done at {EDGE} alone")];
    }
    if file.starts_with("crates/cli/src/") {
        let elsewhere = FOR_ONE_PURPOSE
            .iter()
            .filter(|(word, alone, _)| !file.starts_with(alone) && text.contains(word));
        return elsewhere
            .map(|(word, alone, why)| format!("{file}: {word} stands in {alone} alone: {why}"))
            .collect();
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
    fn what_the_command_line_has_for_one_purpose_serves_no_other() {
        for (line, where_it_may, where_not) in [
            ("strongroom_rego::run", "main.rs", "rules.rs"),
            ("use strongroom_vault::Vault;", "demo/servers.rs", "vault/mod.rs"),
            ("use graph_sim::Ready;", "demo/stage.rs", "main.rs"),
            ("place::{Doing, ObjectKey}", "demo/stage.rs", "repair.rs"),
        ] {
            assert_eq!(
                problems(&format!("crates/cli/src/{where_it_may}"), line).len(),
                0,
                "{line}"
            );
            assert_eq!(problems(&format!("crates/cli/src/{where_not}"), line).len(), 1, "{line}");
            assert_eq!(problems("crates/cli/tests/program/main.rs", line).len(), 0, "{line}");
        }
    }
}
