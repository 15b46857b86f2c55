//! What the two programs are made of: a bill of materials in CycloneDX, from what is built and not
//! from what the lock file knows of.

use crate::tidy;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// The programs that are released.
const PROGRAMS: [&str; 2] = ["strongroom-cli", "strongroom-vault"];
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Whether a dependency is in the program: neither for tests alone nor for building alone.
fn is_built_in(dep: &Value) -> bool {
    rows(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null())
}

pub(crate) fn of(metadata: &Value) -> anyhow::Result<Value> {
    let packages: BTreeMap<&str, &Value> =
        rows(&metadata["packages"]).map(|p| (text(p, "id"), p)).collect();
    let nodes: BTreeMap<&str, &Value> =
        rows(&metadata["resolve"]["nodes"]).map(|n| (text(n, "id"), n)).collect();
    let of_program = |name: &str| packages.values().find(|p| text(p, "name") == name);
    let mut todo = Vec::new();
    for name in PROGRAMS {
        todo.push(text(of_program(name).with_context(|| format!("there is no {name}"))?, "id"));
    }
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            let node = nodes.get(id).with_context(|| format!("{id} is not resolved"))?;
            todo.extend(rows(&node["deps"]).filter(|d| is_built_in(d)).map(|d| text(d, "pkg")));
        }
    }
    let purl = |p: &Value| format!("pkg:cargo/{}@{}", text(p, "name"), text(p, "version"));
    let (mut components, mut dependencies) = (Vec::new(), Vec::new());
    for id in &seen {
        let (p, node) = (packages[id], nodes[id]);
        let mut row = json!({
            "type": if PROGRAMS.contains(&text(p, "name")) { "application" } else { "library" },
            "bom-ref": purl(p),
            "name": p["name"],
            "version": p["version"],
            "purl": purl(p),
        });
        match p["license"].as_str() {
            Some(license) => {
                row["licenses"] = json!([{"expression": license.replace('/', " OR ")}])
            }
            None if p["license_file"].is_null() => bail!("{} says no licence", purl(p)),
            None => row["licenses"] = json!([{"license": {"name": p["license_file"]}}]),
        }
        components.push(row);
        let on: BTreeSet<String> = rows(&node["deps"])
            .filter(|d| is_built_in(d))
            .filter_map(|d| packages.get(text(d, "pkg")).map(|p| purl(p)))
            .collect();
        dependencies.push(json!({"ref": purl(p), "dependsOn": on}));
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {
            "type": "application",
            "bom-ref": "strongroom",
            "name": "strongroom",
            "version": of_program(PROGRAMS[0]).map(|p| p["version"].clone()),
        }},
        "components": components,
        "dependencies": dependencies,
    }))
}

pub(crate) fn run() -> anyhow::Result<()> {
    let out = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET])
        .current_dir(tidy::root()?)
        .output()
        .context("cargo does not start")?;
    if !out.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    }
    let bill = of(&serde_json::from_slice(&out.stdout)?)?;
    println!("{}", serde_json::to_string_pretty(&bill)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn package(name: &str, license: Option<&str>) -> Value {
        json!({"id": name, "name": name, "version": "1.0.0", "license": license,
            "license_file": null})
    }

    fn node(name: &str, deps: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<Value> = deps
            .iter()
            .map(|(name, kind)| json!({"pkg": name, "dep_kinds": [{"kind": kind}]}))
            .collect();
        json!({"id": name, "deps": deps})
    }

    #[test]
    fn what_is_built_in_is_named_and_nothing_else() {
        let mut metadata = json!({
            "packages": [
                package("strongroom-cli", Some("MIT")),
                package("strongroom-vault", Some("MIT")),
                package("deep", Some("MIT/Apache-2.0")),
                package("tempfile", Some("MIT")),
                package("cc", Some("MIT")),
            ],
            "resolve": {"nodes": [
                node("strongroom-cli", &[("strongroom-vault", None), ("tempfile", Some("dev"))]),
                node("strongroom-vault", &[("deep", None), ("cc", Some("build"))]),
                node("deep", &[]),
                node("tempfile", &[]),
                node("cc", &[]),
            ]},
        });
        let bill = of(&metadata).unwrap();
        let names: Vec<&str> = rows(&bill["components"]).map(|c| text(c, "name")).collect();
        assert_eq!(names, ["deep", "strongroom-cli", "strongroom-vault"]);
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bill["dependencies"][2]["dependsOn"], json!(["pkg:cargo/deep@1.0.0"]));
        metadata["packages"][2]["license"] = Value::Null;
        assert!(of(&metadata).unwrap_err().to_string().contains("no licence"));
    }
}
