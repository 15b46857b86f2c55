#![no_main]
use strongroom_content::{StoredContent, Version, judge};

// A record that was read is written as it was, and can be judged by, whatever it says.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(stored) = StoredContent::from_bytes(bytes) else { return };
    let again = StoredContent::from_bytes(&stored.to_bytes()).expect("what we write, we read");
    assert_eq!(again, stored);
    if let Some(record) = stored.known() {
        let version = Version { name: "a.docx", record };
        judge(version, Some(version));
        judge(version, None);
    }
});
