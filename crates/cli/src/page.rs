//! The frame of every page that the program writes: one file without script and without network.
//! It holds at the width of a telephone without being pushed sideways, by keyboard, in the dark,
//! and on paper, where each sheet bears what it is of and when it was made.

use jiff::{Timestamp, tz::TimeZone};

/// What a page is, and of what.
pub(crate) struct Frame<'a> {
    /// What it is; its heading.
    pub(crate) title: &'a str,
    /// The school, or the schools, where they are known.
    pub(crate) schools: &'a str,
    /// When it was made, as [`when`] says it.
    pub(crate) made: &'a str,
}

/// Wherever a colour says something, a word says it too.
const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8886;--bad:#b00020;--a:#2f6ea8;--b:#c0392b}
@media(prefers-color-scheme:dark){:root{--bad:#ff7a8a;--a:#6ea8dc;--b:#ff8a7a}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;\
overflow-wrap:anywhere}
h1{line-height:1.2}
a{color:inherit}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
pre{white-space:pre-wrap}
svg{max-width:100%;height:auto}
.bad{color:var(--bad);font-weight:700}
summary{cursor:pointer;padding:.5rem 0}
details{border-bottom:1px solid var(--line)}
details p,details ul{margin:.3rem 0 .6rem 1rem}
@media screen and (max-width:40rem){
table,tbody,tr,tbody th,td{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{padding:.5rem 0;border-bottom:1px solid var(--line)}
tbody th,td,td.n{border:0;padding:.1rem 0;text-align:left}
td[data-head]::before{content:attr(data-head) \": \";opacity:.75}
}
@media print{
:root{color-scheme:light;--bad:#000;--a:#fff;--b:#000}
body{font-size:10.5pt;max-width:none;padding:0}
h1,h2,h3,summary,.about{break-after:avoid}
tr,li,dt,dd,svg,.whole{break-inside:avoid}
dt{break-after:avoid}
thead{display:table-header-group}
details::details-content{content-visibility:visible;display:block;height:auto;overflow:visible}
summary{list-style:none;font-weight:700}
a{text-decoration:none}
}
";

/// The whole page. The body is HTML, and the frame's texts are not.
pub(crate) fn page(frame: &Frame<'_>, style: &str, body: &str) -> String {
    let whose = match frame.schools.is_empty() {
        true => String::new(),
        false => format!("{}, ", frame.schools),
    };
    let running = css(&format!("{}: {whose}{}", frame.title, frame.made));
    let (title, whose, made) = (escape(frame.title), escape(&whose), escape(frame.made));
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>\n{STYLE}@page{{margin:18mm 14mm;\
         @top-left{{content:\"{running}\";font:9pt sans-serif}}\
         @bottom-right{{content:counter(page) \" / \" counter(pages);font:9pt sans-serif}}}}\n\
         {style}</style></head><body><main>\n<h1>{title}</h1>\n\
         <p class=\"about\">{whose}{made}, by Strongroom {version}</p>\n{body}</main></body>\
         </html>\n"
    )
}

/// A moment, with its zone.
pub(crate) fn when(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A text within a string of a style sheet, which it does not end.
fn css(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c.is_ascii_alphanumeric() || c == ' ' {
            true => out.push(c),
            false => out.push_str(&format!("\\{:x} ", u32::from(c))),
        }
    }
    out
}

/// A column of a table.
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) head: &'static str,
    /// Whether it holds numbers.
    pub(crate) is_number: bool,
}

pub(crate) const fn words(head: &'static str) -> Column {
    Column { head, is_number: false }
}

pub(crate) const fn number(head: &'static str) -> Column {
    Column { head, is_number: true }
}

/// A table whose rows are told by their first cell. The cells are HTML. Where there is no room
/// for columns each cell says which it is of.
pub(crate) fn table(name: &str, columns: &[Column], rows: &[Vec<String>]) -> String {
    let class = |c: &Column| if c.is_number { " class=\"n\"" } else { "" };
    // What a narrow screen does to it must not keep a reader from hearing a table.
    let mut out = format!("<table role=\"table\" aria-label=\"{}\">", escape(name));
    if columns.iter().any(|c| !c.head.is_empty()) {
        out.push_str("<thead role=\"rowgroup\"><tr role=\"row\">");
        for c in columns {
            let class = class(c);
            out.push_str(&format!(
                "<th scope=\"col\" role=\"columnheader\"{class}>{}</th>",
                c.head
            ));
        }
        out.push_str("</tr></thead>");
    }
    out.push_str("<tbody role=\"rowgroup\">\n");
    for row in rows {
        out.push_str("<tr role=\"row\">");
        for (n, (cell, c)) in row.iter().zip(columns).enumerate() {
            out.push_str(&match n {
                0 => format!("<th scope=\"row\" role=\"rowheader\">{cell}</th>"),
                _ if c.head.is_empty() => format!("<td role=\"cell\"{}>{cell}</td>", class(c)),
                _ => format!(
                    "<td role=\"cell\"{} data-head=\"{}\">{cell}</td>",
                    class(c),
                    escape(c.head)
                ),
            });
        }
        out.push_str("</tr>\n");
    }
    out + "</tbody></table>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_place_in_a_page() {
        let evil = "x\"}</style><script>alert(1)</script>\u{201c}\\";
        let frame = Frame { title: evil, schools: evil, made: "today" };
        let page = page(&frame, "", "");
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("</style>").count(), 1);
        let running = page.split("content:\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(running.starts_with("x\\22 \\7d \\3c "), "{running}");
        let when = when("2026-11-30T18:04:59Z".parse().unwrap());
        assert_eq!(when, "2026-11-30 18:04 UTC");
    }
}
