#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_repository::fuzz::pack(bytes));
