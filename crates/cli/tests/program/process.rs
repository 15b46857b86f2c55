//! What the process itself leaves to others: no memory, no caches, and no wrong exit code.

use super::common::{school, small};
use graph_sim::{Fault, Rule};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    process::{Command, Stdio},
};

#[test]
fn a_process_that_holds_keys_leaves_no_core() {
    let dir = tempfile::tempdir().unwrap();
    // It waits for somebody who says the password.
    let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["snapshots", "--password-file", "/dev/stdin", "--repo"])
        .arg(dir.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let mut core = Vec::new();
    for _ in 0..100 {
        let text = fs::read_to_string(&limits).unwrap();
        let line = text.lines().find(|l| l.starts_with("Max core file size")).unwrap();
        core = line.split_whitespace().skip(4).take(2).map(str::to_owned).collect::<Vec<_>>();
        if core == ["0", "0"] {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(core, ["0", "0"]);
}

#[test]
fn a_reader_that_went_away_changes_no_exit_code() {
    let school = school(&small());
    // What was not read makes the backup partial, whoever listens.
    let refused = Fault::Status { status: 400, retry_after_s: None };
    school.sim.set_faults(vec![Rule::new(refused, "/$value").times(3)]);
    let mut command = school.command(&["backup"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    let deaf = child.wait().unwrap().code();
    assert_eq!(deaf, Some(3), "what was not read was not read");
}

#[test]
fn a_cache_is_ones_own_and_follows_no_link() {
    let school = school(&small());
    school.whole();
    let cache = school.path("cache");
    assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);
    let names: Vec<_> = fs::read_dir(&cache).unwrap().flatten().map(|e| e.path()).collect();
    assert!(names.len() > 2, "{names:?}");
    let canary = school.path("canary");
    for name in names.iter().filter(|p| p.is_file()) {
        fs::write(&canary, "whole").unwrap();
        let kept = fs::read(name).unwrap();
        fs::remove_file(name).unwrap();
        symlink(&canary, name).unwrap();
        let out = school.run(&["backup"]);
        assert_eq!(out.status.code(), Some(1), "{name:?}: {out:?}");
        assert!(String::from_utf8_lossy(&out.stderr).contains("is a link"), "{out:?}");
        assert_eq!(fs::read_to_string(&canary).unwrap(), "whole", "{name:?}");
        fs::remove_file(name).unwrap();
        fs::write(name, kept).unwrap();
    }
    // Somebody else may write beside it.
    let shared = school.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    let below = shared.join("cache").display().to_string();
    let out = school.run(&["snapshots", "--cache-dir", &below]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("others can change"), "{out:?}");
    // Nothing was lost.
    school.whole();
}
