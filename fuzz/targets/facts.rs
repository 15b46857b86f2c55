#![no_main]
use strongroom_model::Facts;

// A record that was read is written so that it reads the same.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(facts) = Facts::from_bytes(bytes) else { return };
    let written = facts.to_bytes().expect("it is written");
    assert_eq!(Facts::from_bytes(&written).expect("what we write, we read"), facts);
});
