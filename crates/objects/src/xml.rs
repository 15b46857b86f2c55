//! Whether an answer in XML came whole, and what it says, in one form.

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

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The name of its outermost element.
    pub(crate) root: String,
    /// All that stands in it, in one form: two that are equal say the same. The order of elements,
    /// blanks between them, the ways to write a character and declared namespaces count for
    /// nothing; nor does an outer element in which nothing stands, by which some servers say that
    /// there is none.
    pub(crate) text: String,
}

#[derive(Default)]
struct Element {
    name: String,
    text: String,
    inner: Vec<String>,
}

impl Element {
    fn is_blank(&self) -> bool {
        self.inner.is_empty() && self.text.trim().is_empty()
    }

    /// What stands in it. Values are quoted, so that none can be taken for an element.
    fn content(mut self, between: &str) -> String {
        self.inner.sort_unstable();
        if self.inner.is_empty() || !self.text.trim().is_empty() {
            self.inner.insert(0, serde_json::Value::from(self.text).to_string());
        }
        self.inner.join(between)
    }

    fn written(self) -> String {
        let name = self.name.clone();
        format!("{name}({})", self.content(", "))
    }
}

/// Reads what an answer says.
///
/// # Errors
/// It is not whole, or has what is not understood.
pub(crate) fn said(bytes: &[u8]) -> Result<Said, String> {
    must_be_whole(bytes)?;
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string());
    let begun = |start: &quick_xml::events::BytesStart<'_>| -> Result<Element, String> {
        let mut element =
            Element { name: utf8(start.local_name().as_ref())?, ..Element::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| e.to_string())?;
            let name = utf8(attribute.key.as_ref())?;
            if name != "xmlns" && !name.starts_with("xmlns:") {
                let value = serde_json::Value::from(utf8(&attribute.value)?);
                element.inner.push(format!("@{name}({value})"));
            }
        }
        Ok(element)
    };
    let mut open: Vec<Element> = Vec::new();
    loop {
        let mut done = None;
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(start) => open.push(begun(&start)?),
            Event::Empty(start) => done = Some(begun(&start)?),
            Event::End(_) => done = open.pop(),
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text.decode().map_err(|e| e.to_string())?);
                }
            }
            Event::CData(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text.decode().map_err(|e| e.to_string())?);
                }
            }
            Event::GeneralRef(name) => {
                let character = match name.resolve_char_ref().map_err(|e| e.to_string())? {
                    Some(character) => character.to_string(),
                    None => {
                        let name = name.decode().map_err(|e| e.to_string())?;
                        let known = quick_xml::escape::resolve_predefined_entity(&name);
                        known.ok_or("it names a character that nobody declared")?.to_owned()
                    }
                };
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&character);
                }
            }
            Event::Eof => return Err("it breaks off".to_owned()),
            _ => {}
        }
        let Some(element) = done else { continue };
        let is_outer = open.len() == 1;
        match open.last_mut() {
            Some(_) if is_outer && element.is_blank() => {}
            Some(outer) => outer.inner.push(element.written()),
            None => {
                let root = element.name.clone();
                let text = if element.is_blank() { String::new() } else { element.content("; ") };
                return Ok(Said { root, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_has_one_form_and_nothing_else_has() {
        let form = |text: &str| said(text.as_bytes()).unwrap();
        let one = form(
            "<?xml version=\"1.0\"?>\n<Rules xmlns=\"x\">\n <Rule><ID>a&amp;b</ID><Days>1</Days>\
             </Rule><Rule><ID>c</ID><Empty/></Rule>\n</Rules>",
        );
        assert_eq!(one.root, "Rules");
        assert_eq!(one.text, r#"Rule(Days("1"), ID("a&b")); Rule(Empty(""), ID("c"))"#,);
        for same in [
            "<Rules><Rule><ID>c</ID><Empty></Empty></Rule><Rule><Days>1</Days><ID>a&#38;b</ID>\
             </Rule></Rules>",
            "<y:Rules xmlns:y=\"z\"><y:Rule><y:ID><![CDATA[a&b]]></y:ID><y:Days>1</y:Days></y:Rule>\
             <!-- no --><y:Rule><y:ID>c</y:ID><y:Empty/></y:Rule></y:Rules>",
        ] {
            assert_eq!(form(same), one, "{same}");
        }
        let other = |text: &str| assert_ne!(form(text).text, one.text, "{text}");
        other("<Rules><Rule><ID>a&amp;b</ID><Days>1</Days></Rule><Rule><ID>c</ID></Rule></Rules>");
        other(
            "<Rules><Rule><Days>1</Days><ID>c</ID></Rule><Rule><Empty/><ID>a&amp;b</ID></Rule>\
             </Rules>",
        );
        // A value is no element, whatever stands in it.
        assert_ne!(form("<R><A>x</A><B>y</B></R>"), form("<R><A>x&quot;), B(&quot;y</A></R>"));
        assert_ne!(form("<R><A t=\"1\">x</A></R>"), form("<R><A t=\"2\">x</A></R>"));
        assert_eq!(form("<R/>").text, "");
        assert_eq!(form("<R>\n</R>").text, "");
        assert_eq!(form("<R><Role></Role></R>").text, "", "so Ceph says that there is no rule");
        for bad in ["<R>&own;</R>", "<R><A></R>", "<R>", "no", ""] {
            assert!(said(bad.as_bytes()).is_err(), "{bad}");
        }
    }

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
