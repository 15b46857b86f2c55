use sha2::{Digest, Sha256};
use unicode_general_category::{GeneralCategory as C, get_general_category};

/// A name in the tree stays under this many bytes, so that common file systems hold it.
pub const MAX_NAME_BYTES: usize = 240;

/// Eight hexadecimal digits of the SHA-256 of an id: enough to keep names in one folder apart.
pub fn short_id(id: &str) -> String {
    hex::encode(&Sha256::digest(id.as_bytes())[..4])
}

/// Sixteen hexadecimal digits of the SHA-256 of a text: enough that nobody makes a second text with
/// the same.
pub fn digest_id(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

/// The folder of a message within its mail folder: its day, so that a flipped flag rewrites a day,
/// not a mailbox.
pub fn day_folder(received: Option<jiff::Timestamp>) -> String {
    match received {
        Some(t) => t.strftime("%Y-%m-%d").to_string(),
        None => "undated".to_owned(),
    }
}

/// `<time> <subject>~<short id>`, without extension.
pub fn message_name(received: Option<jiff::Timestamp>, subject: &str, id: &str) -> String {
    let time = received.map_or_else(|| "0000".to_owned(), |t| t.strftime("%H%M").to_string());
    let mut subject: String = readable(subject).trim().chars().take(60).collect();
    if subject.is_empty() {
        subject = "(no subject)".to_owned();
    }
    // 60 characters are at most 240 bytes; cut so that id and extension fit as well.
    let subject = cut(&subject, 200);
    format!("{time} {}~{}", subject.trim_end(), short_id(id))
}

/// The extension of a name, with its dot, when it is a usual one: at most twelve bytes.
pub fn extension(name: &str) -> &str {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= 12 => &name[at..],
        _ => "",
    }
}

/// The name of a file or folder as the tree holds it. The second value says whether it differs from
/// the real one.
///
/// Only what no file system takes is replaced (`/`, NUL, control characters); a name that is too
/// long is cut and carries the short id; `.` and `..` and the names in `reserved` carry it as well.
pub fn fit_name(name: &str, id: &str, reserved: &[&str]) -> (String, bool) {
    let mut fitted: String =
        name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
    if fitted.is_empty() || fitted == "." || fitted == ".." || reserved.contains(&fitted.as_str()) {
        fitted = format!("{fitted}~{}", short_id(id));
    }
    if fitted.len() > MAX_NAME_BYTES {
        let (stem, extension) = match fitted.rfind('.') {
            Some(dot) if dot > 0 && fitted.len() - dot <= 20 => fitted.split_at(dot),
            _ => (fitted.as_str(), ""),
        };
        let room = MAX_NAME_BYTES - extension.len() - 9;
        fitted = format!("{}~{}{extension}", cut(stem, room), short_id(id));
    }
    let differs = fitted != name;
    (fitted, differs)
}

/// A subject without what would not print or not stand in a file name on any system.
fn readable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            ' ' => ' ',
            c => match get_general_category(c) {
                C::Control
                | C::Format
                | C::LineSeparator
                | C::ParagraphSeparator
                | C::SpaceSeparator
                | C::PrivateUse
                | C::Surrogate
                | C::Unassigned => ' ',
                _ => c,
            },
        })
        .collect()
}

/// At most `bytes` bytes, cut at a character's border.
fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_names_stay_as_they_are() {
        for name in ["Übung 3.docx", "a:b?.txt", "con", "trailing. ", "日本語.xlsx", "back\\slash"]
        {
            assert_eq!(fit_name(name, "1", &[".versions"]), (name.to_owned(), false));
        }
    }

    #[test]
    fn names_that_no_tree_holds_are_fitted_and_stay_apart() {
        let long = "x".repeat(300) + ".docx";
        let (a, differs) = fit_name(&long, "1", &[]);
        let (b, _) = fit_name(&long, "2", &[]);
        assert!(differs && a.len() <= MAX_NAME_BYTES && a.ends_with(".docx") && a != b);
        assert_ne!(fit_name("..", "1", &[]).0, "..");
        assert_ne!(fit_name(".versions", "1", &[".versions"]).0, ".versions");
        assert!(!fit_name("a/b", "1", &[]).0.contains('/'));
        let wide = "é".repeat(200);
        assert!(fit_name(&wide, "1", &[]).0.len() <= MAX_NAME_BYTES);
    }

    #[test]
    fn message_names_are_readable_and_bounded() {
        let t: jiff::Timestamp = "2026-03-01T09:15:00Z".parse().unwrap();
        assert!(
            message_name(Some(t), "Re: trip / Friday", "id").starts_with("0915 Re_ trip _ Friday~")
        );
        assert!(message_name(None, "", "id").starts_with("0000 (no subject)~"));
        assert!(message_name(Some(t), &"漢".repeat(500), "id").len() <= MAX_NAME_BYTES - 16);
        assert_eq!(day_folder(Some(t)), "2026-03-01");
    }
}
