//! Every backend passes the one suite.
use strongroom_objects::{Disk, LocalDir, LocalHold, conformance, testing::Memory};

#[test]
fn memory_keeps_the_contract() {
    conformance::write_once_store(&Memory::new(), true);
}

#[test]
fn local_directory_keeps_the_contract() {
    // As on a disk where a file has one name alone (exFAT), and on one that can do still less.
    for disk in [Disk::Links, Disk::Renames, Disk::Neither] {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalDir::new(dir.path()).on(disk);
        conformance::write_once_store(&store, true);
        conformance::one_of_many_is_first(&|| Box::new(LocalDir::new(dir.path()).on(disk)));
        let left = std::fs::read_dir(dir.path().join("tmp")).unwrap().count();
        assert_eq!(left, 0, "{disk:?}");
    }
}

#[test]
fn a_hold_keeps_the_contract() {
    for immutable in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let hold = || LocalHold::new(dir.path(), immutable);
        conformance::locked_store(&hold(), jiff::Timestamp::now());
        drop(Loose(dir.path()));
    }
}

/// A process is killed between the two names of an object, and the next one has its number, as in a
/// container.
#[test]
fn names_that_a_killed_run_left_are_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    for (n, immutable) in [false, true].into_iter().enumerate() {
        let root = dir.path().join(n.to_string());
        let hold = || LocalHold::new(&root, immutable);
        conformance::met_leftovers(&|| Box::new(hold()), &root.join("tmp"), jiff::Timestamp::now());
        drop(Loose(&root));
    }
    let root = dir.path().join("folder");
    conformance::met_leftovers_of_a_folder(&|| Box::new(LocalDir::new(&root)), &root.join("tmp"));
}

/// Takes the flags away, so that the folder can be removed.
struct Loose<'a>(&'a std::path::Path);

impl Drop for Loose<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("chattr").args(["-R", "-i"]).arg(self.0).output();
    }
}
