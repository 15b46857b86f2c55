//! `report.html`: what was attacked and what came back, on one page.

use super::Day;
use crate::page::{Frame, escape, number, page, table, when, words};
use jiff::Timestamp;

pub(super) struct Page<'a> {
    pub(super) school: &'a str,
    pub(super) at: Timestamp,
    pub(super) rows: &'a [Vec<String>],
    pub(super) days: &'a [Day],
    pub(super) altered: &'a [String],
    /// (copy, before, attack, after)
    pub(super) copies: &'a [(&'static str, String, String, String)],
    pub(super) seconds: f64,
}

/// Below this width a bar's figures could not be read, and the table has them too. On paper the one
/// kind of bars is empty and the other full.
const STYLE: &str = "\
svg text{font-size:12px;text-anchor:middle;fill:currentColor}
.axis{stroke:currentColor}
.changed{fill:var(--a);stroke:currentColor}
.suspicion{fill:var(--b);stroke:currentColor}
.key svg{width:1em;height:1em;vertical-align:-.1em;margin:0 .3em 0 1em}
@media screen and (max-width:40rem){.chart{display:none}}
";

/// Change and suspicion of each run, as bars; what is not nothing is at least a line.
fn chart(days: &[Day]) -> String {
    let (width, height, foot) = (90.0 * days.len() as f64 + 40.0, 220.0, 40.0);
    let most = days.iter().map(|d| d.changed.max(d.suspicion)).max().unwrap_or(1).max(1) as f64;
    let tall =
        |n: u64| if n == 0 { 0.0 } else { (n as f64 / most * (height - foot - 30.0)).max(2.0) };
    let mut out = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"chart-title\"><title \
         id=\"chart-title\">Items changed and items suspected in each backup</title>"
    );
    let base = height - foot;
    out.push_str(&format!(
        "<line x1=\"20\" y1=\"{base}\" x2=\"{width}\" y2=\"{base}\" class=\"axis\"/>"
    ));
    for (n, d) in days.iter().enumerate() {
        let x = 30.0 + 90.0 * n as f64;
        for (k, value, class) in [(0.0, d.changed, "changed"), (34.0, d.suspicion, "suspicion")] {
            let h = tall(value);
            out.push_str(&format!(
                "<rect x=\"{}\" y=\"{:.1}\" width=\"30\" height=\"{h:.1}\" class=\"{class}\"/>",
                x + k,
                base - h
            ));
            out.push_str(&format!(
                "<text x=\"{}\" y=\"{:.1}\">{value}</text>",
                x + k + 15.0,
                base - h - 5.0
            ));
        }
        out.push_str(&format!(
            "<text x=\"{}\" y=\"{}\">{}</text><text x=\"{}\" y=\"{}\">{}</text>",
            x + 32.0,
            base + 16.0,
            escape(&d.label),
            x + 32.0,
            base + 32.0,
            mark(d)
        ));
    }
    out + "</svg>"
}

fn mark(day: &Day) -> &'static str {
    if day.clean { "clean" } else { "NOT clean" }
}

/// What bars of a kind look like.
fn sample(class: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect width=\"10\" \
         height=\"10\" class=\"{class}\"/></svg>"
    )
}

pub(super) fn html(p: &Page<'_>) -> String {
    let cells = |row: &[String]| row.iter().map(|cell| escape(cell)).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = p.rows.iter().map(|row| cells(row)).collect();
    let mut out = format!(
        "<p>The whole demonstration took {:.1} seconds.</p>\n<h2>What came back</h2>\n",
        p.seconds
    );
    out.push_str(&table("What came back", &[words(""), number("")], &rows));
    out.push_str("<h2>The three copies</h2>\n");
    let columns = [words("Copy"), words("Before"), words("Attack"), words("After")];
    let rows: Vec<Vec<String>> = p
        .copies
        .iter()
        .map(|(name, before, attack, after)| {
            cells(&[(*name).to_owned(), before.clone(), attack.clone(), after.clone()])
        })
        .collect();
    out.push_str(&table("The three copies", &columns, &rows));
    out.push_str(&format!(
        "<h2>Change and suspicion, backup by backup</h2>\n<div class=\"chart whole\"><p \
         class=\"key\">Left{}items changed, right{}versions judged suspicious or \
         encrypted</p>{}</div>\n",
        sample("changed"),
        sample("suspicion"),
        chart(p.days)
    ));
    let columns =
        [words("Backup"), number("Items changed"), number("Suspicious or encrypted"), words("Is")];
    let rows: Vec<Vec<String>> = p
        .days
        .iter()
        .map(|d| {
            let figures = [d.changed.to_string(), d.suspicion.to_string()];
            let mark = if d.clean { mark(d).to_owned() } else { format!("<b>{}</b>", mark(d)) };
            let [changed, suspicion] = figures;
            vec![escape(&d.label), changed, suspicion, mark]
        })
        .collect();
    out.push_str(&table("Backups", &columns, &rows));
    if !p.altered.is_empty() {
        out.push_str("<h2>Back, but altered by the service</h2>\n<ul>");
        for a in p.altered {
            out.push_str(&format!("<li>{}</li>", escape(a)));
        }
        out.push_str("</ul>\n");
    }
    let frame = Frame {
        title: "A school was attacked, and brought back",
        schools: &format!("{} (made up for the demonstration)", p.school),
        made: &when(p.at),
    };
    page(&frame, STYLE, &out)
}
