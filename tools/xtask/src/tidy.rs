//! The house rules that no compiler checks: edges between rooms, length of files, forbidden calls
//! and words.

mod attacks;
mod claims;
mod collections;
mod documents;
mod operations;
mod stored;
mod switched_off;
mod workloads;

use anyhow::{Context, bail};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// Longest Rust file.
const LINES_MAX: usize = 800;
/// Widest line, in characters. A line may be wider when something in it cannot be broken.
const WIDTH_MAX: usize = 100;
/// Longest run without a blank that a line can be broken around.
const UNBROKEN_MAX: usize = 50;
/// How many behaviours the simulator may hold back for the product's tests (`Truth`, `NOT_YET`).
/// It only shrinks.
const NOT_YET_MAX: usize = 0;
/// (text, reason) that no Rust file outside tests may hold.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!(", "unfinished work is not committed"),
    ("unimplemented!(", "unfinished work is not committed"),
    ("std::process::exit", "only binaries exit"),
    ("danger_accept_invalid", "certificates are checked, always"),
];
/// Files that may exit: the edges of binaries.
const EXITS: &[&str] = &[
    "crates/cli/src/face.rs",
    "crates/cli/src/main.rs",
    "crates/vault/src/main.rs",
    "tools/graph-sim/src/main.rs",
    "tools/xtask/src/main.rs",
];

pub(crate) fn run() -> anyhow::Result<()> {
    let root = root()?;
    let mut problems = edges(&root)?;
    let table = stored::table(&std::fs::read_to_string(root.join("ARCHITECTURE.md"))?);
    for file in table.iter().filter(|f| !root.join(f).is_file()) {
        problems
            .push(format!("ARCHITECTURE.md names the stored forms of {file}, which is not there"));
    }
    problems.extend(held_back(&root)?);
    problems.extend(attacks::problems(&root)?);
    problems.extend(documents::problems(&root)?);
    let workloads = workloads::names(&root)?;
    let collections = collections::names(&root)?;
    let (mut tests, mut lower) = (BTreeSet::new(), 0);
    for file in rust_files(&root)? {
        let text = std::fs::read_to_string(root.join(&file))?;
        problems.extend(stored::problems(&file.display().to_string(), &text, &table));
        problems.extend(workloads::problems(&file.display().to_string(), &text, &workloads));
        problems.extend(collections::problems(&file.display().to_string(), &text, &collections));
        problems.extend(operations::problems(&file.display().to_string(), &text));
        let crate_dir: PathBuf = file.iter().take(2).collect();
        let manifest = std::fs::read_to_string(root.join(crate_dir).join("Cargo.toml"));
        problems.extend(switched_off::problems(
            &file.display().to_string(),
            &text,
            &manifest.unwrap_or_default(),
        ));
        lower += usize::from(operations::is_lower(&file.display().to_string(), &text));
        claims::tests(&text, &mut tests);
        let lines = text.lines().count();
        if lines > LINES_MAX {
            problems.push(format!("{}: {lines} lines, {LINES_MAX} at most", file.display()));
        }
        let shown = file.display().to_string();
        for (n, line) in text.lines().enumerate() {
            let broken = line.split_whitespace().all(|w| w.chars().count() <= UNBROKEN_MAX);
            if line.chars().count() > WIDTH_MAX && broken {
                problems.push(format!("{shown}:{}: wider than {WIDTH_MAX} characters", n + 1));
            }
        }
        let is_test = shown.contains("/tests/")
            || shown.contains("tests.rs")
            || shown.starts_with("tools/xtask");
        for (word, reason) in FORBIDDEN.iter().filter(|_| !is_test) {
            if text.contains(word)
                && !(*word == "std::process::exit" && EXITS.contains(&shown.as_str()))
            {
                problems.push(format!("{shown}: {word} ({reason})"));
            }
        }
    }
    problems.extend(operations::too_many(lower));
    let model = std::fs::read_to_string(root.join("docs/threat-model.md"))?;
    let named = claims::named(&model);
    if named.is_empty() {
        problems.push("docs/threat-model.md names no test that holds it".to_owned());
    }
    for name in named.iter().filter(|name| !tests.contains(*name)) {
        problems.push(format!("docs/threat-model.md names the test {name}, which is not there"));
    }
    for p in &problems {
        println!("{p}");
    }
    if !problems.is_empty() {
        bail!("tidy found {} problems", problems.len());
    }
    println!(
        "tidy: the edges are those of ARCHITECTURE.md, no file is too long, nothing forbidden is \
         called, stored forms have no defaults, the engine names no workload, operations know no \
         face, no collection has a second name, documents name what is there, and the threat \
         model's tests are there"
    );
    Ok(())
}

/// The one list of what the product cannot stand yet.
fn held_back(root: &Path) -> anyhow::Result<Option<String>> {
    let text = std::fs::read_to_string(root.join("tools/graph-sim/src/core/truth.rs"))?;
    let (_, list) = text.split_once("NOT_YET: &[Truth] = &[").context("truth.rs has no NOT_YET")?;
    let (list, _) = list.split_once("];").context("NOT_YET does not end")?;
    let n = list.matches("Truth::").count();
    Ok((n > NOT_YET_MAX).then(|| format!("NOT_YET holds {n} behaviours, {NOT_YET_MAX} at most")))
}

pub(crate) fn root() -> anyhow::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_owned)
        .context("no workspace")
}

fn rust_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let out = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root).output()?;
    Ok(String::from_utf8_lossy(&out.stdout)
        .lines()
        .map(PathBuf::from)
        .filter(|f| root.join(f).exists())
        .collect())
}

/// The table of rooms in ARCHITECTURE.md: `| floor | room | what | may see |`.
fn allowed(root: &Path) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    let mut rooms = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, room, _, sees] = cells.as_slice() else { continue };
        let Some(room) = room.strip_prefix('`').and_then(|r| r.strip_suffix('`')) else { continue };
        let sees = sees
            .split(',')
            .map(|s| s.trim().trim_matches('`').to_owned())
            .filter(|s| s != "nothing")
            .collect();
        rooms.insert(room.to_owned(), sees);
    }
    Ok(rooms)
}

fn edges(root: &Path) -> anyhow::Result<Vec<String>> {
    let out = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()?;
    let metadata: Value =
        serde_json::from_slice(&out.stdout).context("cargo metadata gave no JSON")?;
    let rooms = allowed(root)?;
    let short = |name: &str| name.strip_prefix("strongroom-").unwrap_or(name).to_owned();
    let packages: Vec<&Value> = metadata["packages"].as_array().into_iter().flatten().collect();
    let names: BTreeSet<String> =
        packages.iter().filter_map(|p| p["name"].as_str()).map(short).collect();
    let mut problems = Vec::new();
    for p in packages {
        let room = short(p["name"].as_str().unwrap_or_default());
        let Some(sees) = rooms.get(&room) else {
            problems.push(format!("{room} is not in the table of ARCHITECTURE.md"));
            continue;
        };
        for d in p["dependencies"].as_array().into_iter().flatten().filter(|d| d["kind"].is_null())
        {
            let to = short(d["name"].as_str().unwrap_or_default());
            if names.contains(&to) && !sees.contains(&to) {
                problems.push(format!(
                    "{room} sees {to}, which the table of ARCHITECTURE.md does not allow"
                ));
            }
        }
    }
    for room in rooms.keys().filter(|r| !names.contains(*r)) {
        problems.push(format!("ARCHITECTURE.md shows {room}, which does not exist"));
    }
    Ok(problems)
}
