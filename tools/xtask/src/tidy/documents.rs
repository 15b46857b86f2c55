//! Documents name what is there: paths of the repository in backticks, and what links lead to, with
//! the heading.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

/// Where paths of the repository begin.
const TOPS: [&str; 7] = ["crates/", "tools/", "docs/", ".ci/", "fuzz/", "benches/", "packaging/"];
/// What stands for a name that the reader chooses: the folder above must be there.
const OPEN: [&str; 5] = ["NAME", "…", "*", "<", "{"];

/// A heading as links name it.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// Lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        is_fenced ^= fence;
        !fence && !is_fenced
    })
}

fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter_map(|(_, l)| Some(anchor(l.strip_prefix('#')?.trim_start_matches('#'))))
        .collect()
}

/// Paths of the repository that a line names in backticks.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').skip(1).step_by(2);
    spans.filter(|s| TOPS.iter().any(|top| s.starts_with(top)) && !s.contains([' ', ':']))
}

/// Where links of a line lead.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let rest = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    rest.map(|(to, _)| to).filter(|to| !to.contains("://") && !to.starts_with("mailto:"))
}

/// `docs/a.md` and `../b.md` as `b.md`.
fn beside(file: &str, to: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// What the documents name and is not there. `is_there` answers for paths of the repository.
fn wrong(documents: &BTreeMap<String, String>, is_there: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut out = Vec::new();
    for (file, text) in documents {
        for (n, line) in prose(text) {
            for path in named(line) {
                let open = OPEN.iter().filter_map(|o| path.find(o)).min();
                let known = open.map_or(path, |at| {
                    path[..at].rsplit_once('/').map_or("", |(folder, _)| folder)
                });
                if !is_there(known.trim_end_matches('/')) {
                    out.push(format!("{file}:{}: {path} is not there", n + 1));
                }
            }
            for to in links(line) {
                let (path, heading) = to.split_once('#').unwrap_or((to, ""));
                let path = if path.is_empty() { file.clone() } else { beside(file, path) };
                if !is_there(&path) {
                    out.push(format!("{file}:{}: the link to {to} leads nowhere", n + 1));
                } else if !heading.is_empty()
                    && !documents.get(&path).is_some_and(|t| anchors(t).contains(heading))
                {
                    out.push(format!("{file}:{}: {path} has no heading #{heading}", n + 1));
                }
            }
        }
    }
    out
}

/// Of all documents of the repository.
pub(super) fn problems(root: &Path) -> anyhow::Result<Vec<String>> {
    let out = Command::new("git").args(["ls-files", "*.md"]).current_dir(root).output()?;
    let mut documents = BTreeMap::new();
    for file in String::from_utf8_lossy(&out.stdout).lines() {
        // What was written of an older state stays as it was.
        if file != "CHANGELOG.md" && root.join(file).exists() {
            documents.insert(file.to_owned(), std::fs::read_to_string(root.join(file))?);
        }
    }
    anyhow::ensure!(documents.contains_key("CONTRIBUTING.md"), "CONTRIBUTING.md is not there");
    Ok(wrong(&documents, &|path| root.join(path).exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_found() {
        let a = "# A\n\n## The `[[b]]`: it's\nSee [b](b.md#c), [own](#the-b-its), `crates/x/y.rs`, \
                 `crates/x/NAME.rs`, `crates/x/*`, `crates/none`, [up](../README.md) and \
                 [out](https://x.example/y).\n```sh\n[no](link.md)\n```\n";
        let bad = "`crates/x/z.rs` `tools/NAME/q`\n[a](a.md#d) [c](c.md) [e](#e)";
        let documents = [("docs/a.md", a), ("docs/b.md", "## C\n"), ("README.md", bad)]
            .map(|(name, text)| (name.to_owned(), text.to_owned()));
        let there = ["crates/x", "crates/x/y.rs", "crates/none", "docs/a.md", "docs/b.md"];
        let is_there = |path: &str| there.contains(&path) || path == "README.md";
        let told = wrong(&documents.into(), &is_there);
        assert_eq!(
            told,
            [
                "README.md:1: crates/x/z.rs is not there",
                "README.md:1: tools/NAME/q is not there",
                "README.md:2: the link to a.md#d leads nowhere",
                "README.md:2: the link to c.md leads nowhere",
                "README.md:2: README.md has no heading #e",
            ]
        );
    }
}
