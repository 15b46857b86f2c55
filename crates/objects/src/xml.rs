//! Whether an answer in XML came whole.

use quick_xml::{Reader, events::Event};

/// What is read lies four deep.
const DEPTH_MAX: usize = 16;

/// An error for what breaks off, or is no XML: whoever reads it leniently takes a listing that was
/// cut short for a whole one.
pub(crate) fn must_be_whole(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let (mut depth, mut is_whole) = (0_usize, false);
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(_) if depth == DEPTH_MAX => {
                return Err("it is nested too deeply".to_owned());
            }
            Event::Start(_) => depth += 1,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                is_whole |= depth == 0;
            }
            Event::Empty(_) => is_whole |= depth == 0,
            Event::DocType(_) => return Err("it declares types of its own".to_owned()),
            Event::Eof if is_whole && depth == 0 => return Ok(()),
            Event::Eof => return Err("it breaks off".to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_anywhere_is_not_whole() {
        let whole = "<?xml version=\"1.0\"?><List xmlns=\"x\"><Row><Key>a&amp;b</Key></Row></List>";
        assert_eq!(must_be_whole(whole.as_bytes()), Ok(()));
        assert_eq!(must_be_whole(b"<List/>"), Ok(()));
        for n in 0..whole.len() {
            assert!(must_be_whole(&whole.as_bytes()[..n]).is_err(), "{}", &whole[..n]);
        }
        let deep = "<a>".repeat(40);
        for bad in ["<a><b></a></b>", "no", "<!DOCTYPE a><a></a>", deep.as_str()] {
            assert!(must_be_whole(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
