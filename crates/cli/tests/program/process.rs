//! What the process itself leaves to others: no memory, no caches, and no wrong exit code.

use super::common::{school, small};
use graph_sim::{Fault, Rule};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
};

/// A process of an account that is not root's: what it shows of itself belongs to root where nobody
/// may look into its memory, and to that account where others of it may.
#[allow(clippy::unwrap_used)] // it is a test's
fn as_somebody(program: &Path, args: &[&str]) -> Child {
    // Where that account may go.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("program");
    fs::copy(program, &copy).unwrap();
    let mut command = Command::new(copy);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    if rustix::process::getuid().is_root() {
        command.uid(65_534).gid(65_534).current_dir("/");
    }
    begun(&mut command)
}

/// A copy is busy for as long as a child of another test has not begun.
#[allow(clippy::unwrap_used)] // as above
fn begun(command: &mut Command) -> Child {
    loop {
        match command.spawn() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            child => return child.unwrap(),
        }
    }
}

/// The limit of its core dumps, and whose its memory is.
#[allow(clippy::unwrap_used)] // as above
fn shown(child: &Child) -> (Vec<String>, u32) {
    let proc = Path::new("/proc").join(child.id().to_string());
    let text = fs::read_to_string(proc.join("limits")).unwrap();
    let line = text.lines().find(|l| l.starts_with("Max core file size")).unwrap();
    let core = line.split_whitespace().skip(4).take(2).map(str::to_owned).collect();
    (core, fs::metadata(proc.join("mem")).unwrap().uid())
}

#[test]
fn a_process_that_holds_keys_leaves_no_core() {
    let (none, root) = (vec!["0".to_owned(), "0".to_owned()], 0);
    // What this test looks at differs from what a process without secrets shows.
    let mut plain = as_somebody(Path::new("/bin/cat"), &[]);
    let theirs = shown(&plain).1;
    plain.kill().unwrap();
    plain.wait().unwrap();
    assert_ne!(theirs, root);
    // It waits for what it is asked, on its standard input.
    let mut child = as_somebody(Path::new(env!("CARGO_BIN_EXE_strongroom")), &["judge-module"]);
    let mut found = shown(&child);
    for _ in 0..500 {
        if found == (none.clone(), root) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        found = shown(&child);
    }
    assert!(child.try_wait().unwrap().is_none(), "it waits still");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found, (none, root));
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
