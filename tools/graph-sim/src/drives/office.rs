//! What SharePoint does to Office files that are uploaded: it writes its own properties into them.

use bytes::Bytes;
use std::io::{Cursor, Read, Write};

const MARK: &str = "docProps/custom-sharepoint.xml";

/// The file as the service keeps it: the same document in another zip.
pub(crate) fn rewritten(on: bool, name: &str, content: Bytes) -> Bytes {
    let office = [".docx", ".xlsx", ".pptx"].iter().any(|e| name.to_ascii_lowercase().ends_with(e));
    if !on || !office {
        return content;
    }
    // A file that is no zip, or that has the mark already, stays as it is: a second upload is
    // stable.
    rewrite(&content).map_or(content, Bytes::from)
}

fn rewrite(content: &[u8]) -> Option<Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(content)).ok()?;
    if zip.by_name(MARK).is_ok() {
        return None;
    }
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for n in 0..zip.len() {
        let mut member = zip.by_index(n).ok()?;
        let name = member.name().to_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).ok()?;
        out.start_file(name, options).ok()?;
        out.write_all(&bytes).ok()?;
    }
    out.start_file(MARK, options).ok()?;
    out.write_all(b"<Properties><property name=\"ContentTypeId\">0x0101</property></Properties>")
        .ok()?;
    Some(out.finish().ok()?.into_inner())
}
