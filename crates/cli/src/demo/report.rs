//! `report.html`: one page, no script, no network.

use super::Day;

pub(super) struct Page<'a> {
    pub(super) rows: &'a [Vec<String>],
    pub(super) days: &'a [Day],
    pub(super) altered: &'a [String],
    /// (copy, before, attack, after)
    pub(super) copies: &'a [(&'static str, String, String, String)],
    pub(super) seconds: f64,
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

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
                "<text x=\"{}\" y=\"{:.1}\" class=\"value\">{value}</text>",
                x + k + 15.0,
                base - h - 5.0
            ));
        }
        let mark = if d.clean { "clean" } else { "NOT clean" };
        out.push_str(&format!(
            "<text x=\"{}\" y=\"{}\">{}</text><text x=\"{}\" y=\"{}\" class=\"{}\">{mark}</text>",
            x + 32.0,
            base + 16.0,
            escape(&d.label),
            x + 32.0,
            base + 32.0,
            if d.clean { "good" } else { "bad" }
        ));
    }
    out + "</svg>"
}

pub(super) fn html(p: &Page<'_>) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Strongroom: a school brought \
         back</title><style>\
         :root{color-scheme:light dark}body{font:16px/1.5 \
         system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}\
         table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem \
         .6rem;border-bottom:1px solid \
         #8886;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\
         .wide{overflow-x:auto}svg{width:100%;height:auto}svg \
         text{font-size:12px;text-anchor:middle;fill:currentColor}.axis{stroke:currentColor}.changed{fill:#4a7fb5}.suspicion{fill:#c0392b}\
         svg .good{fill:#2e7d4f}svg \
         .bad{fill:#c0392b;font-weight:bold}@media(max-width:36rem){svg \
         text{font-size:16px}}.key span{display:inline-block;width:.8em;height:.8em;margin:0 .3em \
         0 1em}</style></head><body><main><h1>A school was attacked, and brought back</h1>",
    );
    out.push_str(&format!(
        "<p>The whole demonstration took {:.1} seconds.</p><h2>What came back</h2><table><tbody>",
        p.seconds
    ));
    for row in p.rows {
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td></tr>",
            escape(&row[0]),
            escape(&row[1])
        ));
    }
    out.push_str(
        "</tbody></table><h2>The three copies</h2><div class=\"wide\" tabindex=\"0\" \
        role=\"region\" aria-label=\"The three copies\"><table><thead><tr><th \
        scope=\"col\">Copy</th><th scope=\"col\">Before</th><th scope=\"col\">Attack</th><th \
        scope=\"col\">After</th></tr></thead><tbody>",
    );
    for (name, before, attack, after) in p.copies {
        out.push_str(&format!(
            "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(before),
            escape(attack),
            escape(after)
        ));
    }
    out.push_str(
        "</tbody></table></div><h2>Change and suspicion, backup by backup</h2><p \
        class=\"key\"><span class=\"changed\" style=\"background:#4a7fb5\"></span>items \
        changed<span class=\"suspicion\" style=\"background:#c0392b\"></span>versions judged \
        suspicious or encrypted</p><div class=\"wide\" tabindex=\"0\" role=\"region\" \
        aria-label=\"Time line\">",
    );
    out.push_str(&chart(p.days));
    out.push_str("</div>");
    if !p.altered.is_empty() {
        out.push_str("<h2>Back, but altered by the service</h2><ul>");
        for a in p.altered {
            out.push_str(&format!("<li>{}</li>", escape(a)));
        }
        out.push_str("</ul>");
    }
    out + "</main></body></html>\n"
}
