#![no_main]
use strongroom_content::{
    STORED_MESSAGE_BYTES_MAX, StoredMessage, examine_message, judge_message,
};

// Any bytes are looked at as a message, within bounds; what is known of it is stored and comes
// back; and a message says nothing against itself.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(stored) = StoredMessage::from_bytes(bytes) {
        let again = StoredMessage::from_bytes(&stored.to_bytes()).expect("what we write, we read");
        assert_eq!(again, stored);
        if let Some(record) = stored.known() {
            judge_message(record, Some(record));
        }
    }
    let (before, now) = bytes.split_at(bytes.len() / 2);
    let (before, now) = (examine_message(before, false), examine_message(now, false));
    let whole = examine_message(bytes, false);
    for record in [&before, &now, &whole] {
        let stored = StoredMessage::Known(Box::new(record.clone())).to_bytes();
        assert!(stored.len() <= STORED_MESSAGE_BYTES_MAX);
        let stored = StoredMessage::from_bytes(&stored).expect("what we write, we read");
        let stored = stored.known().expect("it is of this version");
        assert_eq!(stored.attachments(), record.attachments());
        assert!(judge_message(record, Some(record)).findings.is_empty());
    }
    judge_message(&now, Some(&before));
});
