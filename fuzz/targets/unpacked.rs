#![no_main]
use std::sync::LazyLock;

static SCRATCH: LazyLock<tempfile::TempDir> = LazyLock::new(||
    tempfile::tempdir().expect("a folder"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_repository::fuzz::unpacked(bytes,
    SCRATCH.path()));
