//! Tables for a person, under `target/published`.

use super::validate::Validator;
use std::{fs, path::PathBuf};

pub(crate) fn write(name: &str, lines: &[String]) {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../published");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(name), lines.join("\n") + "\n").unwrap();
}

/// Answers that the published types do not allow.
pub(crate) fn types(name: &str, v: &Validator<'_>) {
    println!(
        "{} answers looked at, {} as the types say; {} without a published type",
        v.answers, v.clean, v.untyped
    );
    let mut rows: Vec<_> = v.problems.iter().collect();
    rows.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let lines: Vec<String> = rows.iter().map(|(what, n)| format!("{n}\t{what}")).collect();
    write(name, &lines);
}
