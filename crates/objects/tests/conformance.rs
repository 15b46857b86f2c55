//! Every backend passes the one suite.
use strongroom_objects::{LocalDir, conformance, testing::Memory};

#[test]
fn memory_keeps_the_contract() {
    conformance::write_once_store(&Memory::new(), true);
}

#[test]
fn local_directory_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    conformance::write_once_store(&LocalDir::new(dir.path()), true);
}
