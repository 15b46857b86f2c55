#![no_main]
use strongroom_engine::{JudgedContent, judge};

// A verdict is given on any bytes, and the same one each time. The name and the version before are
// cut off the front.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return };
    let (name, rest) = rest.split_at(rest.len().min(usize::from(head[0]) % 32));
    let (before, new) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes([head[1],
        head[2]]))));
    let name = String::from_utf8_lossy(name);
    let new = JudgedContent { name: &name, bytes: new };
    let before = (head[3] & 1 == 1).then_some(JudgedContent { name: &name, bytes: before });
    assert_eq!(judge(new, before), judge(new, before));
});
