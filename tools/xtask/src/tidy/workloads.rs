//! The engine names no workload: neither its module, nor its directory, nor its kinds of records.

use std::path::Path;

/// Kinds of records that name a role; every other belongs to a workload.
const ROLES: &[&str] =
    &["Owners", "Owner", "Collection", "Item", "Sidecar", "Version", "LastClean"];

/// What names a workload, as it would stand in code.
pub(super) fn names(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    let lib = std::fs::read_to_string(root.join("crates/workloads/src/lib.rs"))?;
    let list = lib.split("pub static ALL").nth(1).unwrap_or_default();
    let list = list.split("];").next().unwrap_or_default();
    for module in list.split('&').filter_map(|part| part.split_once("::").map(|(m, _)| m.trim())) {
        if module.starts_with(|c: char| c.is_ascii_lowercase()) && !module.contains(' ') {
            all.push(format!("{module}::"));
            let folder = root.join(format!("crates/workloads/src/{module}"));
            for file in ["workload.rs", "mod.rs"] {
                let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
                let profiles = text.split(": Profile = Profile {").skip(1);
                let name =
                    |p: &str| Some(p.split_once("name: \"")?.1.split('"').next()?.to_owned());
                let named = profiles.filter_map(name);
                all.extend(named.flat_map(|n| [format!("\"{n}\""), format!("\"/{n}")]));
            }
        }
    }
    let facts = std::fs::read_to_string(root.join("crates/model/src/facts.rs"))?;
    let kinds = facts.split("pub enum ItemKind {").nth(1).unwrap_or_default();
    let kinds = kinds.split("\n}").next().unwrap_or_default();
    let variants = kinds.lines().filter_map(|l| l.trim().strip_suffix(','));
    all.extend(variants.filter(|v| !ROLES.contains(v)).map(|v| format!("ItemKind::{v}")));
    Ok(all)
}

/// Lines of the engine that name a workload.
pub(super) fn problems(file: &str, text: &str, names: &[String]) -> Vec<String> {
    if !file.starts_with("crates/engine/src/") || file.ends_with("tests.rs") {
        return Vec::new();
    }
    let text = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let mut out = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
        let named = names.iter().find(|name| {
            let before = line.split(name.as_str()).next().unwrap_or_default();
            let goes_on = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            line.contains(name.as_str()) && !(goes_on && name.ends_with("::"))
        });
        if let Some(name) = named {
            out.push(format!("{file}:{}: the engine names a workload ({name})", n + 1));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_workload_is_found() {
        let names = names(&crate::tidy::root().unwrap()).unwrap();
        for line in [
            "use strongroom_workloads::mail::Mail;",
            "if path.starts_with(\"/drives\") {",
            "facts.kind == ItemKind::Message",
        ] {
            assert_eq!(problems("crates/engine/src/a.rs", line, &names).len(), 1, "{line}");
            assert_eq!(problems("crates/cli/src/a.rs", line, &names).len(), 0, "{line}");
        }
        for line in ["// the mail:: of somebody", "facts.kind == ItemKind::Owner", "email::parse()"]
        {
            assert_eq!(problems("crates/engine/src/a.rs", line, &names).len(), 0, "{line}");
        }
    }
}
