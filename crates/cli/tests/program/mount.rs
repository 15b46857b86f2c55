//! Snapshots as folders of this computer.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
#![cfg(target_os = "linux")]
use crate::common::*;
use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

fn files_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).unwrap().map(|e| e.unwrap()) {
            match entry.file_type().unwrap().is_dir() {
                true => open.push(entry.path()),
                false => drop(files.insert(
                    entry.path().strip_prefix(dir).unwrap().to_owned(),
                    std::fs::read(entry.path()).unwrap(),
                )),
            }
        }
    }
    files
}

fn wait(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    panic!("it did not end");
}

#[test]
#[ignore = "needs FUSE (fuse3 and /dev/fuse); cargo xtask test installs fuse3"]
fn fuse_shows_every_snapshot_as_it_would_be_restored() {
    let school = school(&small());
    school.whole();
    school.sim.live_a_day(0, 1, true);
    school.whole();
    let target = school.path("restored");
    school.ok(&["restore", "--target", target.to_str().unwrap()]);
    let want = files_below(&target);
    assert!(want.len() > 100);
    let folder = school.path("mounted");
    let full = school.run(&["mount", target.to_str().unwrap()]);
    assert!(
        !full.status.success() && String::from_utf8_lossy(&full.stderr).contains("empty folder")
    );
    std::fs::create_dir(&folder).unwrap();
    let mut mounted = school.command(&["mount", folder.to_str().unwrap()]).spawn().unwrap();
    let began = Instant::now();
    while std::fs::read_dir(&folder).unwrap().next().is_none() {
        assert!(
            began.elapsed() < Duration::from_secs(20) && mounted.try_wait().unwrap().is_none(),
            "nothing is mounted"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        4,
        "two snapshots, latest and latest-clean"
    );
    assert!(files_below(&folder.join("latest/")) == want);
    // Some place in the middle, without what is before it.
    let (path, bytes) = want.iter().max_by_key(|(_, b)| b.len()).unwrap();
    let mut file = std::fs::File::open(folder.join("latest").join(path)).unwrap();
    file.seek(SeekFrom::Start(bytes.len() as u64 / 2)).unwrap();
    let mut half = Vec::new();
    file.read_to_end(&mut half).unwrap();
    assert!(half == bytes[bytes.len() / 2..]);
    drop(file);
    let modified = |root: &Path| std::fs::metadata(root.join(path)).unwrap().modified().unwrap();
    assert_eq!(modified(&folder.join("latest")), modified(&target));
    assert!(
        std::fs::write(folder.join("latest/mine"), "x").is_err()
            && std::fs::remove_file(folder.join("latest").join(path)).is_err()
    );
    assert!(std::fs::metadata(folder.join("latest/nothing")).is_err());
    // An interrupt is the ordinary end.
    assert!(
        Command::new("kill").args(["-INT", &mounted.id().to_string()]).status().unwrap().success()
    );
    assert_eq!(wait(&mut mounted), Some(0));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is mounted any more");
}
