#![no_main]
use std::sync::LazyLock;

static SCRATCH: LazyLock<tempfile::TempDir> = LazyLock::new(||
    tempfile::tempdir().expect("a folder"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_vault::fuzz::journal(bytes, SCRATCH.path()));
