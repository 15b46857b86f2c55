//! Reports of rules as other programs and people want them: CSV, SARIF, one HTML page.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use strongroom_guards::{Finding, Report, Verdict, rule::Severity};

/// What a report says of one school, or why there is none.
pub(crate) struct SchoolReport {
    pub(crate) name: String,
    pub(crate) report: Result<Report, String>,
    /// Microsoft's own score: reached, and possible.
    pub(crate) secure_score: Option<(f64, f64)>,
    /// Something that should have judged it could not.
    pub(crate) blind: bool,
}

impl SchoolReport {
    /// Our score; what cannot be judged is worse than anything.
    pub(crate) fn score(&self) -> Option<u32> {
        self.report.as_ref().ok().and_then(|r| r.score)
    }

    pub(crate) fn failing(&self, severity: Severity) -> usize {
        self.report
            .iter()
            .flat_map(|r| &r.findings)
            .filter(|f| f.verdict == Verdict::Failed && f.severity == severity)
            .count()
    }

    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.report.as_ref().ok().and_then(|r| r.counts.get(&verdict).copied()).unwrap_or(0)
    }
}

/// Worst first.
pub(crate) fn sort(schools: &mut [SchoolReport]) {
    schools.sort_by(|a, b| {
        let grave = |s: &SchoolReport| {
            std::cmp::Reverse((s.failing(Severity::Critical), s.failing(Severity::High)))
        };
        a.score().cmp(&b.score()).then(grave(a).cmp(&grave(b))).then(a.name.cmp(&b.name))
    });
}

pub(crate) fn word<T: serde::Serialize>(value: T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Rules that fail somewhere, with how many schools; those that fail most, and are gravest, first.
pub(crate) fn failing_rules(schools: &[SchoolReport]) -> Vec<(&Finding, usize)> {
    let mut all: BTreeMap<&str, (&Finding, usize)> = BTreeMap::new();
    for f in schools
        .iter()
        .filter_map(|s| s.report.as_ref().ok())
        .flat_map(|r| &r.findings)
        .filter(|f| f.verdict == Verdict::Failed)
    {
        all.entry(f.rule.as_ref()).or_insert((f, 0)).1 += 1;
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by(|(a, n), (b, m)| {
        b.severity.cmp(&a.severity).then(m.cmp(n)).then(a.rule.cmp(&b.rule))
    });
    all
}

/// Every rule that judged, once.
fn rules_of(schools: &[SchoolReport]) -> BTreeMap<&str, &Finding> {
    schools
        .iter()
        .filter_map(|s| s.report.as_ref().ok())
        .flat_map(|r| &r.findings)
        .map(|f| (f.rule.as_ref(), f))
        .collect()
}

/// A cell that no spreadsheet takes for a formula: names in a tenant are chosen by its people.
fn plain(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// One line a finding and object.
pub(crate) fn csv(schools: &[SchoolReport]) -> anyhow::Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "school",
        "rule",
        "title",
        "area",
        "severity",
        "confidence",
        "verdict",
        "object",
        "says",
        "remedy",
        "standards",
        "configuration of",
    ])?;
    for s in schools {
        let report = match &s.report {
            Ok(report) => report,
            Err(why) => {
                out.write_record([
                    plain(&s.name).as_str(),
                    "",
                    "",
                    "",
                    "",
                    "",
                    "not judged",
                    "",
                    plain(why).as_str(),
                    "",
                    "",
                    "",
                ])?;
                continue;
            }
        };
        for f in &report.findings {
            let mut row = |object: &str, says: &str| {
                let cells = [
                    s.name.as_str(),
                    f.rule.as_ref(),
                    f.title.as_ref(),
                    &word(f.area),
                    &word(f.severity),
                    &word(f.confidence),
                    &word(f.verdict),
                    object,
                    says,
                    f.remedy.as_ref(),
                    &f.satisfies.join(" "),
                    &report.taken.to_string(),
                ];
                out.write_record(cells.map(plain))
            };
            if f.concerns.is_empty() {
                row("", &f.note.line().to_string())?;
            }
            for c in &f.concerns {
                row(&c.object.line().to_string(), &c.says.line().to_string())?;
            }
        }
    }
    Ok(String::from_utf8(out.into_inner()?)?)
}

/// SARIF 2.1.0: what code scanners and ticket systems read.
pub(crate) fn sarif(schools: &[SchoolReport]) -> Value {
    let level = |s: Severity| match s {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    };
    let rules: Vec<Value> = rules_of(schools)
        .into_values()
        .map(|r| {
            json!({"id": r.rule, "shortDescription": {"text": r.title},
                "fullDescription": {"text": r.why}, "help": {"text": r.remedy},
                "defaultConfiguration": {"level": level(r.severity)},
                "properties": {"severity": r.severity, "confidence": r.confidence, "area": r.area,
                    "tags": r.satisfies}})
        })
        .collect();
    let result = |s: &SchoolReport, f: &Finding, object: &str, says: &str, accepted: bool| {
        json!({
            "ruleId": f.rule,
            "level": level(f.severity),
            "kind": "fail",
            "message": {"text": format!("{}: {says}", f.title)},
            "locations": [{"logicalLocations": [{"fullyQualifiedName": format!("{}/{object}",
                s.name), "kind": "object"}]}],
            "partialFingerprints": {"strongroom/v1": format!("{}|{}|{object}", s.name, f.rule)},
            "suppressions": if accepted { json!([{"kind": "external", "status": "accepted",
                "justification": says}]) } else { json!([]) },
        })
    };
    let mut results = Vec::new();
    for s in schools {
        for f in s
            .report
            .iter()
            .flat_map(|r| &r.findings)
            .filter(|f| matches!(f.verdict, Verdict::Failed | Verdict::Accepted))
        {
            results.extend(
                f.concerns.iter().map(|c| result(s, f, c.object.as_str(), c.says.as_str(), false)),
            );
            results.extend(
                f.accepted.iter().map(|c| result(s, f, c.object.as_str(), c.says.as_str(), true)),
            );
        }
    }
    let notes: Vec<Value> = schools
        .iter()
        .filter_map(|s| {
            s.report.as_ref().err().map(|why| {
                json!({"level": "error", "message": {"text": format!("{} was not \
            judged: {why}", s.name)}})
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "Strongroom", "version": env!("CARGO_PKG_VERSION"),
                "rules": rules}},
            "invocations": [{"executionSuccessful": notes.is_empty(),
                "toolExecutionNotifications": notes}],
            "results": results,
        }],
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// One page that needs nothing else: it works by keyboard, at phone width, on paper, in the dark.
pub(crate) fn html(schools: &[SchoolReport], at: &str) -> String {
    const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 \
        system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}\
        table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem \
        .6rem;border-bottom:1px solid #8886}td.n,th.n{text-align:right}\
        .scroll{overflow-x:auto}.critical,.high{font-weight:600}.critical{color:#c00020}@media(prefers-color-scheme:dark){.critical{color:#ff7a8a}}\
        summary{cursor:pointer;padding:.4rem 0}details{border-bottom:1px solid #8886}details \
        p,details ul{margin:.3rem 0 .6rem 1rem}code{overflow-wrap:anywhere}";
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\
         <title>Configuration of \
         {}</title><style>{STYLE}</style></head><body><main>\n<h1>Configuration of \
         {}</h1>\n<p>Judged on {} by {} rules.</p>\n",
        escape(&title(schools)),
        escape(&title(schools)),
        escape(at),
        rules_of(schools).len()
    );
    if schools.len() > 1 {
        out.push_str(
            "<h2>Schools, worst first</h2>\n<div class=\"scroll\" tabindex=\"0\" \
            role=\"region\" aria-label=\"Schools\"><table><thead><tr><th \
            scope=\"col\">School</th><th scope=\"col\" class=\"n\">Score</th><th scope=\"col\" \
            class=\"n\">Microsoft's</th><th scope=\"col\" class=\"n\">Critical</th><th \
            scope=\"col\" class=\"n\">High</th><th scope=\"col\" \
            class=\"n\">Skipped</th></tr></thead><tbody>\n",
        );
        for s in schools {
            out.push_str(&format!(
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td \
                 class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                escape(&s.name),
                s.score().map_or_else(|| "unknown".to_owned(), |n| n.to_string()),
                s.secure_score
                    .map_or_else(String::new, |(is, of)| format!("{:.0} %", is * 100.0 / of)),
                s.failing(Severity::Critical),
                s.failing(Severity::High),
                s.count(Verdict::Skipped),
            ));
        }
        out.push_str("</tbody></table></div>\n");
    }
    for s in schools {
        out.push_str(&format!("<h2>{}</h2>\n", escape(&s.name)));
        let report = match &s.report {
            Ok(report) => report,
            Err(why) => {
                out.push_str(&format!("<p>Not judged: {}</p>\n", escape(why)));
                continue;
            }
        };
        out.push_str(&format!(
            "<p>Score {}, {} failed, {} to look at, {} skipped, {} accepted, {} passed. \
             Configuration of {}.</p>\n",
            report.score.map_or_else(|| "unknown".to_owned(), |n| format!("{n} of 100")),
            s.count(Verdict::Failed),
            s.count(Verdict::Manual),
            s.count(Verdict::Skipped),
            s.count(Verdict::Accepted),
            s.count(Verdict::Passed),
            report.taken.strftime("%Y-%m-%d %H:%M UTC")
        ));
        for f in report.findings.iter().filter(|f| f.verdict != Verdict::Passed) {
            let mark =
                if f.verdict == Verdict::Failed { word(f.severity) } else { word(f.verdict) };
            let open = if f.verdict == Verdict::Failed && f.severity == Severity::Critical {
                " open"
            } else {
                ""
            };
            out.push_str(&format!(
                "<details{open}><summary><span class=\"{mark}\">{mark}</span>, \
                wanted: {}</summary>",
                escape(&f.title)
            ));
            if !f.note.is_empty() {
                out.push_str(&format!("<p>{}</p>", escape(&f.note.line().to_string())));
            }
            if !f.concerns.is_empty() {
                let rows: String = f
                    .concerns
                    .iter()
                    .map(|c| {
                        let (object, says) =
                            (c.object.line().to_string(), c.says.line().to_string());
                        format!("<li><code>{}</code>: {}</li>", escape(&object), escape(&says))
                    })
                    .collect();
                out.push_str(&format!("<ul>{rows}</ul>"));
            }
            out.push_str(&format!(
                "<p>{}</p><p>What to do: {}</p><p>Rule {}; answers {}</p></details>\n",
                escape(&f.why),
                escape(&f.remedy),
                f.rule,
                escape(&f.satisfies.join(", "))
            ));
        }
    }
    out.push_str("</main></body></html>\n");
    out
}

fn title(schools: &[SchoolReport]) -> String {
    match schools {
        [one] => one.name.clone(),
        many => format!("{} schools", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_choose_do_no_harm_in_any_format() {
        let evil = "=HYPERLINK(\"http://evil\")<script>alert(1)</script>";
        let finding = Finding {
            rule: "own.evil".into(),
            title: evil.into(),
            why: evil.into(),
            area: strongroom_guards::rule::Area::Own,
            severity: Severity::High,
            confidence: strongroom_guards::rule::Confidence::Certain,
            verdict: Verdict::Failed,
            concerns: vec![strongroom_guards::rule::Concern::new(evil, evil)],
            accepted: Vec::new(),
            note: Default::default(),
            remedy: evil.into(),
            satisfies: vec![evil.into()],
        };
        let report = Report {
            tenant: evil.into(),
            taken: jiff::Timestamp::UNIX_EPOCH,
            idle_exceptions: Vec::new(),
            findings: vec![finding],
            counts: [(Verdict::Failed, 1)].into(),
            score: Some(0),
        };
        let schools = [
            SchoolReport {
                name: evil.into(),
                report: Ok(report),
                secure_score: None,
                blind: false,
            },
            SchoolReport {
                name: "other".into(),
                report: Err("wrong key".into()),
                secure_score: None,
                blind: false,
            },
        ];
        let page = html(&schools, "today");
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"));
        let text = csv(&schools).unwrap();
        let rows: Vec<csv::StringRecord> =
            csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().flat_map(|r| r.iter()).all(|c| !c.starts_with('=')));
        assert!(rows[1].iter().any(|c| c == "not judged"));
        let sarif = sarif(&schools);
        assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 1);
        assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
    }
}
