#![no_main]
use strongroom_content::{ContentExaminer, ContentRecord, Version, judge, judge_name, name_before};

fn record(bytes: &[u8]) -> ContentRecord {
    let mut x = ContentExaminer::new();
    x.push(bytes);
    x.finish(&[7; 32])
}

// A verdict is given on any bytes under any name, and the same one each time. The name and the
// version before are cut off the front.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return };
    let (name, rest) = rest.split_at(rest.len().min(usize::from(head[0]) % 32));
    let (before, now) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes([head[1],
        head[2]]))));
    let name = String::from_utf8_lossy(name);
    let (now, before) = (record(now), record(before));
    let now = Version { name: &name, record: &now };
    let before =
        (head[3] & 1 == 1).then_some(Version { name: name_before(&name), record: &before });
    let found = judge(now, before);
    assert_eq!(found, judge(now, before));
    let kept = found.judgement();
    assert!(kept.says.len() <= kept.reasons.len());
    judge_name(&name, name_before(&name));
});
