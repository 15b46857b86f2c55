//! `cargo xtask bench detection [--half learn|aside] [--judge NAME] [--again]`: how well versions
//! of files are judged. Python below `benches/detection` fetches files, has real programs edit
//! them, and damages them; the example `detection_bench` judges what came of it.
//!
//! Both halves are run where none is named. A run over the half that is kept aside is appended to
//! `benches/results`, however it went; one over the other half is nobody's proof, and stays below
//! `target`.

use super::tools;
use crate::{test::has, tidy};
use anyhow::bail;
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// (program, Debian package)
const PACKAGES: &[(&str, &str)] = &[
    ("soffice", "libreoffice-writer-nogui"),
    ("/usr/lib/libreoffice/program/libsclo.so", "libreoffice-calc-nogui"),
    ("/usr/lib/libreoffice/program/libsdlo.so", "libreoffice-impress-nogui"),
    ("/usr/lib/python3/dist-packages/uno.py", "python3-uno"),
    ("/usr/bin/convert", "imagemagick"),
    ("qpdf", "qpdf"),
    ("gs", "ghostscript"),
    ("ffmpeg", "ffmpeg"),
    ("exiftool", "libimage-exiftool-perl"),
    ("7z", "p7zip-full"),
    ("zip", "zip"),
    ("unzip", "unzip"),
    ("zstd", "zstd"),
    ("gpg", "gpg"),
    ("age", "age"),
    ("openssl", "openssl"),
    ("ccrypt", "ccrypt"),
    ("mcrypt", "mcrypt"),
    ("scrypt", "scrypt"),
    ("aespipe", "aespipe"),
    ("rclone", "rclone"),
    ("sqlite3", "sqlite3"),
    ("git", "git"),
    ("npm", "npm"),
    ("/usr/bin/python3", "python3-venv"),
];

struct Options {
    halves: Vec<String>,
    judge: Vec<String>,
    again: bool,
}

fn options(args: &[&str]) -> anyhow::Result<Options> {
    let mut o = Options { halves: Vec::new(), judge: Vec::new(), again: false };
    let mut rest = args;
    while let Some(first) = rest.first() {
        match rest {
            ["--again", ..] => {
                o.again = true;
                rest = &rest[1..];
            }
            ["--half", half @ ("learn" | "aside"), ..] => {
                o.halves.push((*half).to_owned());
                rest = &rest[2..];
            }
            ["--judge", name, ..] => {
                o.judge = vec!["--judge".to_owned(), (*name).to_owned()];
                rest = &rest[2..];
            }
            _ => bail!(
                "{first} is not understood; usage: cargo xtask bench detection [--half \
                 learn|aside] [--judge NAME] [--again]"
            ),
        }
    }
    if o.halves.is_empty() {
        o.halves = vec!["learn".to_owned(), "aside".to_owned()];
    }
    Ok(o)
}

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    let options = options(args)?;
    let root = tidy::root()?;
    let dir = root.join("target/detection");
    for half in &options.halves {
        if options.again || !dir.join(half).join("index-office.jsonl").exists() {
            generate(&root, &dir, half)?;
        }
    }
    shown(
        Command::new("cargo")
            .args(["build", "--workspace", "--release", "--locked", "--example", "detection_bench"])
            .current_dir(&root),
    )?;
    let commit = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(&root)
        .output()?;
    for half in &options.halves {
        let out = match half.as_str() {
            "aside" => root.join("benches/results/detection-aside.jsonl"),
            _ => dir.join("detection-learn.jsonl"),
        };
        shown(
            Command::new(root.join("target/release/examples/detection_bench"))
                .arg("--dir")
                .arg(&dir)
                .args(["--half", half])
                .args(["--commit", String::from_utf8_lossy(&commit.stdout).trim()])
                .arg("--out")
                .arg(out)
                .args(&options.judge),
        )?;
    }
    Ok(())
}

/// Files and cases of one half, anew. What is fetched already is not fetched again.
fn generate(root: &Path, dir: &Path, half: &str) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(p, _)| !is_there(p)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        println!("==> apt-get install {}", missing.join(" "));
        tools::plain(Command::new("apt-get").args(["update", "-qq"]))?;
        tools::plain(
            Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["install", "-y", "-qq", "--no-install-recommends"])
                .args(&missing),
        )?;
    }
    let (scripts, venv) = (root.join("benches/detection"), dir.join("venv"));
    let python = venv.join("bin/python");
    if !python.exists() {
        tools::plain(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&venv))?;
    }
    tools::plain(
        Command::new(&python)
            .args(["-m", "pip", "install", "-q", "-r"])
            .arg(scripts.join("requirements.txt")),
    )?;
    shown(Command::new(&python).arg(scripts.join("fetch.py")))?;
    for part in ["sights", "damage", "edits", "office"] {
        shown(Command::new(&python).arg(scripts.join("generate.py")).args([part, half]))?;
    }
    Ok(())
}

fn is_there(program: &str) -> bool {
    if program.starts_with('/') { Path::new(program).exists() } else { has(program) }
}

fn shown(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).status()?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs};

    /// Whether the first byte of a hash is odd decides; nobody may move a file by hand.
    #[test]
    fn a_file_stands_in_the_half_that_its_hash_says_and_in_no_other() {
        let place = tidy::root().unwrap().join("benches/detection");
        let mut seen = BTreeSet::new();
        for (half, odd) in [("learn", false), ("aside", true)] {
            let text = fs::read_to_string(place.join(format!("{half}.txt"))).unwrap();
            let mut files = 0;
            for line in text.lines().filter(|l| !l.starts_with('#')) {
                assert!(seen.insert(line.to_owned()), "{line} stands twice");
                let Some(file) = line.strip_prefix("file ") else { continue };
                files += 1;
                let byte = u8::from_str_radix(&file[..2], 16).unwrap();
                assert_eq!(byte % 2 == 1, odd, "{line} stands in {half}.txt");
            }
            assert!(files > 1000, "{half}.txt has only {files} files");
        }
    }

    #[test]
    fn every_package_is_pinned_by_version_and_hash() {
        let place = tidy::root().unwrap().join("benches/detection/packages.tsv");
        let text = fs::read_to_string(place).unwrap();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let parts: Vec<&str> = line.split('\t').collect();
            let [_, _, version, hash] = parts[..] else { panic!("{line} has not four parts") };
            assert!(!version.is_empty() && hash.len() == 64, "{line} is not pinned");
        }
    }
}
