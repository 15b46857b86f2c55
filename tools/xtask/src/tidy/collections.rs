//! A collection of settings has its name once: a literal elsewhere compiles when the name is
//! changed, and is then silently about nothing.

use std::path::Path;

/// The one file that holds the names.
const PLACE: &str = "crates/model/src/collections.rs";

/// Literals that are equal to a name in a text of Rust.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split("&str = \"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// The names of all collections.
pub(super) fn names(root: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(PLACE))?;
    Ok(literals(&text).map(str::to_owned).collect())
}

/// Lines of crates that spell a name, or an object's place that begins with one. Tests say what is
/// expected in their own words.
pub(super) fn problems(file: &str, text: &str, names: &[String]) -> Vec<String> {
    let is_source = file.starts_with("crates/") && file.contains("/src/");
    if !is_source || file.ends_with("tests.rs") || file == PLACE {
        return Vec::new();
    }
    let text = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let mut out = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
        let spelled = |name: &&String| {
            line.split('"').skip(1).any(|part| {
                part.strip_prefix(name.as_str()).is_some_and(|p| p.is_empty() || p.starts_with('/'))
            })
        };
        if let Some(name) = names.iter().find(spelled) {
            out.push(format!("{file}:{}: {name:?} has its name in {PLACE} alone", n + 1));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_name_is_found() {
        let names = names(&crate::tidy::root().unwrap()).unwrap();
        assert!(names.len() > 90, "{}", names.len());
        for line in [
            "const POLICIES: &str = \"identity/conditional-access-policies\";",
            "    (\"roles/assignments\", Kind::Added) => {}",
            "format!(\"directory/group-settings/{name}\")",
        ] {
            assert_eq!(problems("crates/guards/src/a.rs", line, &names).len(), 1, "{line}");
            assert_eq!(problems("crates/guards/tests/a.rs", line, &names).len(), 0, "{line}");
            assert_eq!(problems("tools/graph-sim/src/a.rs", line, &names).len(), 0, "{line}");
        }
        for line in [
            "// \"roles/assignments\"",
            "get(\"directory/onPremisesSynchronization\")",
            "collection.starts_with(\"roles/\")",
        ] {
            assert_eq!(problems("crates/guards/src/a.rs", line, &names).len(), 0, "{line}");
        }
    }
}
