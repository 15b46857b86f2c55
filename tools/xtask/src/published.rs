//! Takes what the simulator serves out of Microsoft's published operations, types and permissions,
//! so that it stands in the simulator as data and not as somebody's memory of it.
//!
//! The published files lie beside the project; what is taken is checked in, so nobody needs them to
//! build.

use crate::tidy;
use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// `/users/{user-id}/messages/delta()` as `/users/{}/messages/delta`.
fn fold(path: &str) -> String {
    let parts = path.trim_matches('/').split('/').map(|p| {
        if p.starts_with('{') {
            return "{}".to_owned();
        }
        let p = p.trim_end_matches("()");
        p.strip_prefix("microsoft.graph.").unwrap_or(p).to_lowercase()
    });
    format!("/{}", parts.collect::<Vec<_>>().join("/"))
}

/// Whether a folded path is one that a pattern means: `**` stands for any number of parts.
fn means(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**"], _) => true,
        (["**", rest @ ..], _) => (0..=path.len()).any(|n| means(rest, &path[n..])),
        ([p, ps @ ..], [x, xs @ ..]) => {
            let same = match p.strip_suffix('*') {
                Some(head) => x.starts_with(head),
                None => p == x,
            };
            same && means(ps, xs)
        }
        _ => false,
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}

/// The permissions of one operation: of applications, and of people through an application.
type Permissions = (BTreeSet<String>, BTreeSet<String>);

fn permissions(text: &str) -> BTreeMap<(String, String), Permissions> {
    let names = |cell: &str| -> BTreeSet<String> {
        cell.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect()
    };
    let mut all: BTreeMap<(String, String), Permissions> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [path, method, least, higher, rest @ ..] = cells.as_slice() else { continue };
        let row = all.entry(((*method).to_owned(), fold(path))).or_default();
        row.0.extend(names(least).into_iter().chain(names(higher)));
        row.1.extend(rest.iter().flat_map(|cell| names(cell)));
    }
    all
}

/// Where the table names a path in another form only: folders in folders, a user's drive, the
/// bytes and the number of what is listed, an id below a list.
fn asked_as(method: &str, path: &str) -> Vec<(String, String)> {
    let mut out = vec![(method.to_owned(), path.to_owned())];
    let mut add = |path: String| {
        if !out.iter().any(|(_, p)| *p == path) {
            out.push((method.to_owned(), path));
        }
    };
    add(path.replace("/childfolders/{}", ""));
    add(path.replace("/users/{}/drives/{}", "/drives/{}"));
    add(path.replace("/users/{}/drive/", "/drives/{}/"));
    add(path.replace("/mailfolders/{}/messages", "/messages"));
    add(path.replace("/childfolders/{}", "").replace("/mailfolders/{}/messages", "/messages"));
    for (method, path) in out.clone() {
        if let Some(list) = ["/$value", "/$count"].iter().find_map(|s| path.strip_suffix(s)) {
            out.push((method.clone(), list.to_owned()));
        }
        // What is inside a thing is asked for as the thing itself.
        let mut at = path.as_str();
        while let Some((parent, _)) = at.rsplit_once('/').filter(|(p, _)| !p.is_empty()) {
            out.push((method.clone(), parent.to_owned()));
            if method != "GET" {
                out.push(("PATCH".to_owned(), parent.to_owned()));
            }
            at = parent;
        }
    }
    out
}

/// Collects the named types, what they are made of, what stands on them.
fn closure(all: &Map<String, Value>, roots: BTreeSet<String>) -> Map<String, Value> {
    let bare = |t: &str| -> Option<String> {
        let t = t.trim_end_matches('!');
        let t = t.strip_prefix("Collection(").and_then(|t| t.strip_suffix(')')).unwrap_or(t);
        t.starts_with("microsoft.graph").then(|| t.trim_end_matches('!').to_owned())
    };
    // On these stands nearly everything.
    let wide = ["microsoft.graph.entity", "microsoft.graph.outlookItem"];
    let mut derived: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, t) in all {
        if let Some(base) = t["b"].as_str().filter(|b| !wide.contains(b)) {
            derived.entry(base).or_default().push(name);
        }
    }
    let mut out = Map::new();
    let mut open: Vec<String> = roots.iter().filter_map(|r| bare(r)).collect();
    while let Some(name) = open.pop() {
        let Some(t) = all.get(&name).filter(|_| !out.contains_key(&name)) else { continue };
        open.extend(t["b"].as_str().and_then(bare));
        open.extend(
            t["p"].as_object().into_iter().flatten().filter_map(|(_, p)| bare(p.as_str()?)),
        );
        open.extend(derived.get(name.as_str()).into_iter().flatten().map(|d| (*d).to_owned()));
        out.insert(name, t.clone());
    }
    out
}

/// What is given within a body, one level deep: the types of what an entity contains, and of what
/// stands on it.
fn given_within(all: &Map<String, Value>, requests: &BTreeSet<String>) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (name, _) in all {
        let lineage: Vec<&str> =
            std::iter::successors(Some(name.as_str()), |n| all.get(*n)?["b"].as_str()).collect();
        if !lineage.iter().any(|n| requests.contains(*n)) {
            continue;
        }
        let inner = lineage.iter().filter_map(|n| all.get(*n)?["n"].as_object()).flatten();
        // `&` stands behind what is only referred to.
        out.extend(
            inner.filter_map(|(_, t)| t.as_str()).filter(|t| !t.ends_with('&')).map(|t| {
                t.trim_start_matches("Collection(").trim_end_matches([')', '!']).to_owned()
            }),
        );
    }
    out.retain(|name| !name.ends_with('&'));
    out
}

pub(crate) fn run() -> anyhow::Result<()> {
    let root = tidy::root()?;
    let from = root.join("../shared/graph");
    let to = root.join("tools/graph-sim/data");
    let read = |dir: &Path, name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path).with_context(|| {
            format!(
                "{} cannot be read; Microsoft's published operations, types and permissions lie \
                 beside the project, in ../shared/graph",
                path.display()
            )
        })
    };
    let served = read(&to, "served.txt")?;
    let lines: Vec<&str> =
        served.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let (more, lines): (Vec<&str>, Vec<&str>) = lines.iter().partition(|l| l.starts_with("+ "));
    let (without, with): (Vec<&str>, Vec<&str>) = lines.iter().partition(|l| l.starts_with("- "));
    let any = |patterns: &[&str], path: &str| {
        patterns.iter().any(|p| means(&parts(p.trim_start_matches("- ")), &parts(path)))
    };
    let mut unused: BTreeSet<&str> = with.iter().copied().collect();
    let may = permissions(&read(&from, "permissions.tsv")?);
    let mut rows = BTreeMap::new();
    let mut roots = BTreeSet::new();
    let mut requests = BTreeSet::new();
    for line in read(&from, "operations.tsv")?.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [_, method, path, options, request, response] = cells.as_slice() else { continue };
        let path = fold(path);
        unused.retain(|line| !any(&[line], &path));
        if !any(&with, &path) || any(&without, &path) {
            continue;
        }
        let who = asked_as(method, &path).into_iter().find_map(|key| may.get(&key));
        let join = |set: Option<&BTreeSet<String>>| {
            set.map(|s| s.iter().cloned().collect::<Vec<_>>().join(",")).unwrap_or_default()
        };
        roots.extend([*request, *response].map(str::to_owned));
        requests.insert((*request).to_owned());
        rows.insert(
            (path.clone(), "v1.0", (*method).to_owned()),
            format!(
                "v1.0\t{method}\t{path}\t{options}\t{request}\t{response}\t{}\t{}\n",
                join(who.map(|w| &w.0)),
                join(who.map(|w| &w.1))
            ),
        );
    }
    for line in more {
        let cells: Vec<&str> = line.split('#').next().unwrap_or_default().split(' ').collect();
        let [_, version, method, path, request, response, who, ..] = cells.as_slice() else {
            bail!("served.txt: {line:?} lacks a column")
        };
        let known = asked_as(method, path).into_iter().find_map(|key| may.get(&key));
        let who = match *who {
            "=" => known.map(|w| w.0.iter().cloned().collect::<Vec<_>>().join(",")),
            names => Some(names.to_owned()),
        };
        let cell = |t: &&str| if *t == "-" { String::new() } else { (*t).to_owned() };
        roots.extend([cell(request), cell(response)]);
        let version = if *version == "beta" { "beta" } else { "v1.0" };
        rows.insert(
            ((*path).to_owned(), version, (*method).to_owned()),
            format!(
                "{version}\t{method}\t{path}\t\t{}\t{}\t{}\t\n",
                cell(request),
                cell(response),
                who.unwrap_or_default()
            ),
        );
    }
    ensure!(
        unused.is_empty(),
        "served.txt: no published operation fits {}; paths there are in small letters, and an \
         operation that is not published in that form is a line with +",
        unused.into_iter().collect::<Vec<_>>().join(", ")
    );
    let file: Value = serde_json::from_str(&read(&from, "types.json")?)?;
    let all = file["types"].as_object().context("types.json holds no types")?;
    // The bodies of what Microsoft's file calls enums ride along whole.
    roots.extend(given_within(all, &requests));
    let mut types = closure(all, roots);
    types.extend(enums(&file, &types));
    let head = "version\tmethod\tpath\toptions\trequest\tresponse\tapplication\tdelegated\n";
    let text: String = std::iter::once(head.to_owned()).chain(rows.values().cloned()).collect();
    fs::write(to.join("operations.tsv"), text)?;
    let lines: Vec<String> =
        types.iter().map(|(name, t)| format!("{}: {t}", Value::from(name.as_str()))).collect();
    fs::write(to.join("types.json"), format!("{{\n{}\n}}\n", lines.join(",\n")))?;
    println!("{} operations, {} types", rows.len(), types.len());
    Ok(())
}

/// Enums that the types name.
fn enums(file: &Value, types: &Map<String, Value>) -> Map<String, Value> {
    let text = Value::Object(types.clone()).to_string();
    file["enums"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| {
            text.contains(&format!("{name}\""))
                || text.contains(&format!("{name})"))
                || text.contains(&format!("{name}!"))
        })
        .map(|(name, members)| (name.clone(), members.clone()))
        .collect()
}
