//! `cargo xtask bench repository`: this repository writer against its peers, on the same data, in
//! one go.
//!
//! Every tool reads the same directory. `strongroom+list` is given the list of what changed, as a
//! delta query of Microsoft 365 gives it, instead of looking for changes. Times are of whole
//! processes; peers run with their own defaults.

mod data;
pub(crate) mod detection;
mod tools;

use crate::tidy;
use anyhow::{Context, bail};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tools::Tool;

#[derive(Debug, Clone, Serialize)]
struct Row {
    workload: &'static str,
    phase: &'static str,
    tool: &'static str,
    wall_s: f64,
    cpu_s: f64,
    peak_mib: f64,
    stored_bytes: u64,
    n: u64,
}

struct Options {
    /// Share of the full amount of data.
    scale: f64,
    workloads: Vec<String>,
    tools: Vec<String>,
}

fn options(args: &[&str]) -> anyhow::Result<Options> {
    let mut o = Options { scale: 1.0, workloads: Vec::new(), tools: Vec::new() };
    for pair in args.chunks(2) {
        match pair {
            ["--scale", s] => o.scale = s.parse().context("--scale wants a number")?,
            ["--workload", w] => o.workloads.push((*w).to_owned()),
            ["--tool", t] => o.tools.push((*t).to_owned()),
            _ => bail!(
                "usage: cargo xtask bench repository [--scale 0.1] [--workload \
                 mail|documents|small] [--tool NAME]…"
            ),
        }
    }
    Ok(o)
}

/// `cargo xtask bench vault [--objects 2000]`: replication into a fresh Ceph for each tool, in one
/// go. `cargo xtask bench fleet [--tenants 500]`: all rules over stored configurations.
pub(crate) fn example(package: &str, name: &str, args: &[&str]) -> anyhow::Result<()> {
    let root = tidy::root()?;
    let plain = |args: &[&str]| -> anyhow::Result<()> {
        let status = Command::new("cargo").args(args).current_dir(&root).status()?;
        if !status.success() {
            bail!("cargo {} ended with {status}", args.join(" "));
        }
        Ok(())
    };
    plain(&["build", "--release", "--locked", "-p", package, "--bins", "--example", name])?;
    let status = Command::new(root.join("target/release/examples").join(name))
        .args(args)
        .current_dir(&root)
        .status()?;
    if !status.success() {
        bail!("the bench ended with {status}");
    }
    Ok(())
}

pub(crate) fn repository(args: &[&str]) -> anyhow::Result<()> {
    let options = options(args)?;
    let root = tidy::root()?;
    let all = root.join("target/bench");
    let work = all.join(std::process::id().to_string());
    fs::create_dir_all(&work)?;
    let tools = tools::prepare(&root, &options.tools)?;
    let wanted =
        |name: &str| options.workloads.is_empty() || options.workloads.iter().any(|w| w == name);
    let many = |n: f64| (n * options.scale) as u64;
    let mut rows = Vec::new();
    if wanted("mail") {
        let n = many(100_000.0);
        let data = work.join("data-mail");
        data::mail(&root, &data, n)?;
        run("mail", &work, &data, n, &tools, &mut rows)?;
    }
    if wanted("documents") {
        let data = work.join("data-documents");
        let n = data::documents(&root, &data, many(2048.0 * 1024.0 * 1024.0))?;
        run("documents", &work, &data, n, &tools, &mut rows)?;
    }
    if wanted("small") {
        let (n, peers) = (many(1_000_000.0), many(100_000.0));
        let data = work.join("data-small");
        data::small(&root, &data, peers)?;
        run("small", &work, &data, peers, &tools, &mut rows)?;
        let data = work.join("data-small-all");
        data::small(&root, &data, n)?;
        let own: Vec<Tool> = tools.iter().filter(|t| t.is_own()).cloned().collect();
        run("small", &work, &data, n, &own, &mut rows)?;
    }
    report(&rows);
    tools::plain(Command::new("rm").arg("-rf").arg(&all))?;
    let day = String::from_utf8(Command::new("date").args(["-u", "+%F"]).output()?.stdout)?;
    let out = root.join("benches/results");
    fs::create_dir_all(&out)?;
    let path = out.join(format!(
        "repository-{}{}.json",
        day.trim(),
        if options.scale < 1.0 { "-scaled" } else { "" }
    ));
    // Workloads that were not run again keep their rows of that day.
    let before: Vec<serde_json::Value> =
        fs::read(&path).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
    let mut all: Vec<serde_json::Value> =
        before.into_iter().filter(|b| !rows.iter().any(|r| b["workload"] == r.workload)).collect();
    for row in &rows {
        all.push(serde_json::to_value(row)?);
    }
    fs::write(&path, serde_json::to_string_pretty(&all)? + "\n")?;
    println!("rows: {}", path.display());
    Ok(())
}

fn run(
    workload: &'static str,
    work: &Path,
    data: &Path,
    n: u64,
    tools: &[Tool],
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    let mut repos: Vec<(Tool, PathBuf)> = Vec::new();
    for tool in tools {
        let dir = work.join(format!("repo-{workload}-{n}-{}", tool.name()));
        fresh(&dir)?;
        repos.push((*tool, dir));
    }
    let mut add = |tool: Tool,
                   phase: &'static str,
                   dir: &Path,
                   m: tools::Measured|
     -> anyhow::Result<()> {
        let row = Row {
            workload,
            phase,
            tool: tool.name(),
            wall_s: m.wall_s,
            cpu_s: m.cpu_s,
            peak_mib: m.peak_mib,
            stored_bytes: size(&tool.repo(dir))?,
            n,
        };
        println!(
            "{workload:9} n={n:<8} {phase:9} {:16} {:8.2} s {:8.2} CPU s {:7.0} MiB {:12} bytes",
            row.tool, row.wall_s, row.cpu_s, row.peak_mib, row.stored_bytes
        );
        rows.push(row);
        Ok(())
    };
    for (tool, dir) in repos.iter().filter(|(t, _)| !t.is_listed()) {
        tool.init(dir)?;
        add(*tool, "first", dir, tool.backup(dir, data, None)?)?;
    }
    if let (Some((_, from)), Some((_, to))) = (
        repos.iter().find(|(t, _)| t.is_own() && !t.is_listed()),
        repos.iter().find(|(t, _)| t.is_listed()),
    ) {
        // The same first backup; from here on the two go their own ways.
        for part in ["repo", "cache", "password"] {
            tools::plain(Command::new("cp").arg("-a").arg(from.join(part)).arg(to.join(part)))?;
        }
    }
    let empty = work.join("changes-none");
    fs::write(&empty, "")?;
    for (tool, dir) in &repos {
        add(
            *tool,
            "no change",
            dir,
            tool.backup(dir, data, tool.is_listed().then_some(empty.as_path()))?,
        )?;
    }
    let list = work.join("changes");
    data::change(data, &list)?;
    for (tool, dir) in &repos {
        add(
            *tool,
            "changed",
            dir,
            tool.backup(dir, data, tool.is_listed().then_some(list.as_path()))?,
        )?;
    }
    // Each restores into a place of its own, and nothing is deleted before the end of all
    // workloads: ext4 spends seconds on avoiding inodes that were deleted within the last minutes,
    // at the cost of whoever restores first.
    let mut targets = Vec::new();
    for (tool, dir) in &repos {
        let target = work.join(format!("restored-{workload}-{n}-{}", tool.name()));
        fresh(&target)?;
        let measured = tool.restore(dir, &target)?;
        // A restore that is fast and wrong is no restore.
        tools::plain(Command::new("diff").arg("-rq").arg(data).arg(tool.restored(&target, data)))
            .with_context(|| format!("{} did not restore what was backed up", tool.name()))?;
        if !tool.is_listed() {
            add(*tool, "restore", dir, measured)?;
        }
        targets.push(target);
    }
    for (tool, dir) in repos.iter().filter(|(t, _)| !t.is_listed()) {
        add(*tool, "check", dir, tool.check(dir)?)?;
    }
    // The room is given back, the inodes are not: see above.
    for dir in repos.iter().map(|(_, dir)| dir).chain(&targets).chain([&data.to_owned()]) {
        tools::plain(
            Command::new("find")
                .arg(dir)
                .args(["-type", "f", "-size", "+0", "-exec", "truncate", "-s", "0", "{}", "+"]),
        )?;
    }
    tools::plain(&mut Command::new("sync"))
}

fn fresh(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        tools::plain(Command::new("rm").arg("-rf").arg(dir))?;
    }
    Ok(fs::create_dir_all(dir)?)
}

fn size(dir: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(sum)
}

/// Ratios to the best peer of each phase: above 1 is better than it.
fn report(rows: &[Row]) {
    println!("\nratio of the best peer to strongroom (above 1: strongroom is better)");
    println!(
        "{:10} {:10} {:>8} {:18} {:>9} {:>9} {:>9} {:>9}",
        "workload", "phase", "n", "tool", "wall", "CPU", "memory", "stored"
    );
    for own in rows.iter().filter(|r| r.tool.starts_with("strongroom")) {
        let peers = || {
            rows.iter().filter(|r| {
                !r.tool.starts_with("strongroom")
                    && r.workload == own.workload
                    && r.phase == own.phase
            })
        };
        let best = |f: fn(&Row) -> f64| peers().map(f).reduce(f64::min);
        // Peers that were given fewer items are scaled; the numbers of both stand in the rows.
        let scale = peers().map(|p| own.n as f64 / p.n as f64).next().unwrap_or(1.0);
        let ratio = |f: fn(&Row) -> f64, scale: f64| {
            best(f)
                .map_or_else(|| "-".to_owned(), |b| format!("{:.2}", b * scale / f(own).max(1e-9)))
        };
        println!(
            "{:10} {:10} {:>8} {:18} {:>9} {:>9} {:>9} {:>9}",
            own.workload,
            own.phase,
            own.n,
            own.tool,
            ratio(|r| r.wall_s, scale),
            ratio(|r| r.cpu_s, scale),
            ratio(|r| r.peak_mib, 1.0),
            ratio(|r| r.stored_bytes as f64, scale)
        );
    }
}
