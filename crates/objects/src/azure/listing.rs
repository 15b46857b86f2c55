//! A page of a listing.

use quick_xml::{Reader, events::Event};

/// What a page says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Names and lengths; a length that is not said is none.
    pub(super) rows: Vec<(String, Option<u64>)>,
    /// Where the next page begins; empty at the end.
    pub(super) next: String,
}

/// Reads a page. One that breaks off, or is something else, is an error.
pub(super) fn page(bytes: &[u8]) -> Result<Page, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let (mut page, mut way, mut said) = (Page::default(), Vec::<String>::new(), String::new());
    let (mut row, mut is_whole): ((Option<String>, Option<u64>), bool) = ((None, None), false);
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(tag) => {
                way.push(String::from_utf8_lossy(tag.local_name().as_ref()).into_owned());
                // What is read lies four deep.
                if way.len() > 16 {
                    return Err("it is nested too deeply".to_owned());
                }
                said.clear();
            }
            Event::Text(words) => said += &words.decode().map_err(|e| e.to_string())?,
            Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                Ok(Some(c)) => said.push(c),
                _ => {
                    let name = entity.decode().map_err(|e| e.to_string())?;
                    let known = quick_xml::escape::resolve_predefined_entity(&name);
                    said += known.ok_or_else(|| "it has unknown entities".to_owned())?;
                }
            },
            Event::End(_) => {
                let place: Vec<&str> = way.iter().map(String::as_str).collect();
                match place.as_slice() {
                    ["EnumerationResults", "Blobs", "Blob", "Name"] => row.0 = Some(said.clone()),
                    ["EnumerationResults", "Blobs", "Blob", "Properties", "Content-Length"] => {
                        row.1 = said.trim().parse().ok();
                    }
                    ["EnumerationResults", "Blobs", "Blob"] => {
                        if let (Some(name), length) = std::mem::take(&mut row) {
                            page.rows.push((name, length));
                        }
                    }
                    ["EnumerationResults", "NextMarker"] => page.next = said.trim().to_owned(),
                    ["EnumerationResults"] => is_whole = true,
                    _ => {}
                }
                way.pop();
                said.clear();
            }
            Event::DocType(_) => return Err("it declares types of its own".to_owned()),
            Event::Eof if is_whole && way.is_empty() => return Ok(page),
            Event::Eof => return Err("it is no listing, or breaks off".to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const PAGE: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults \
        ContainerName=\"c\"><Prefix>a&amp;b/</Prefix><Blobs><Blob><Name>a&amp;b/config</Name>\
        <Properties><Content-Length>155</Content-Length><Etag>0x1</Etag></Properties></Blob><Blob>\
        <Name>&#120;</Name><Properties/></Blob></Blobs><NextMarker>2!4!x</NextMarker>\
        </EnumerationResults>";

    #[test]
    fn a_page_is_read_whole_or_not_at_all() {
        let page = super::page(PAGE.as_bytes()).unwrap();
        assert_eq!(page.rows, [("a&b/config".to_owned(), Some(155)), ("x".to_owned(), None)]);
        assert_eq!(page.next, "2!4!x");
        let without_mark = &PAGE['\u{feff}'.len_utf8()..];
        for n in 0..without_mark.len() {
            assert!(super::page(&without_mark.as_bytes()[..n]).is_err(), "cut at {n}");
        }
        for odd in [
            "",
            "<html><body>please sign in</body></html>",
            "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><EnumerationResults/>",
            "<EnumerationResults><Blobs><Blob><Name>&a;</Name></Blob></Blobs></EnumerationResults>",
        ] {
            assert!(super::page(odd.as_bytes()).is_err(), "{odd}");
        }
        let deep = "<a>".repeat(100_000);
        assert!(super::page(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_page_stops_its_reader(text in "[<>/&;#a-zA-Z ]{0,200}") {
            let _ = super::page(text.as_bytes());
        }
    }
}
