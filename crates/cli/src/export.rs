//! Reports of rules as other programs and people want them: CSV, SARIF, one HTML page.

use crate::page::{Frame, escape, number, page, table, when, words};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use strongroom_operations::rules::{Finding, Report, RuleVerdict, Severity};

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
            .filter(|f| f.verdict == RuleVerdict::Failed && f.severity == severity)
            .count()
    }

    pub(crate) fn count(&self, verdict: RuleVerdict) -> usize {
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
        .filter(|f| f.verdict == RuleVerdict::Failed)
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
            .filter(|f| matches!(f.verdict, RuleVerdict::Failed | RuleVerdict::Accepted))
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

/// One page that needs nothing else. What is said behind the findings is HTML.
pub(crate) fn html(schools: &[SchoolReport], at: Timestamp, more: &str) -> String {
    let names: Vec<&str> = schools.iter().map(|s| s.name.as_str()).collect();
    let title = format!("Configuration of {}", title(schools));
    let frame = Frame { title: &title, schools: &names.join(", "), made: &when(at) };
    page(&frame, "", &(findings(schools) + more))
}

fn findings(schools: &[SchoolReport]) -> String {
    let mut out = format!("<p>Judged by {} rules.</p>\n", rules_of(schools).len());
    if schools.len() > 1 {
        out.push_str("<h2>Schools, worst first</h2>\n");
        let columns = [
            words("School"),
            number("Score"),
            number("Microsoft's"),
            number("Critical"),
            number("High"),
            number("Skipped"),
        ];
        let row = |(n, s): (usize, &SchoolReport)| {
            vec![
                format!("<a href=\"#s{n}\">{}</a>", escape(&s.name)),
                s.score().map_or_else(|| "unknown".to_owned(), |n| n.to_string()),
                s.secure_score
                    .map_or_else(String::new, |(is, of)| format!("{:.0} %", is * 100.0 / of)),
                s.failing(Severity::Critical).to_string(),
                s.failing(Severity::High).to_string(),
                s.count(RuleVerdict::Skipped).to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = schools.iter().enumerate().map(row).collect();
        out.push_str(&table("Schools", &columns, &rows));
    }
    for (n, s) in schools.iter().enumerate() {
        out.push_str(&format!("<h2 id=\"s{n}\">{}</h2>\n", escape(&s.name)));
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
            s.count(RuleVerdict::Failed),
            s.count(RuleVerdict::Manual),
            s.count(RuleVerdict::Skipped),
            s.count(RuleVerdict::Accepted),
            s.count(RuleVerdict::Passed),
            when(report.taken)
        ));
        let open = report.findings.iter().filter(|f| f.verdict != RuleVerdict::Passed);
        open.for_each(|f| out.push_str(&finding(f)));
    }
    out
}

fn finding(f: &Finding) -> String {
    let is_failed = f.verdict == RuleVerdict::Failed;
    let mark = if is_failed { word(f.severity) } else { word(f.verdict) };
    let is_grave = is_failed && f.severity >= Severity::High;
    let is_critical = is_failed && f.severity == Severity::Critical;
    let mut out = format!(
        "<details{}><summary><span{}>{mark}</span>, wanted: {}</summary>",
        if is_critical { " open" } else { "" },
        if is_grave { " class=\"bad\"" } else { "" },
        escape(&f.title)
    );
    if !f.note.is_empty() {
        out.push_str(&format!("<p>{}</p>", escape(&f.note.line().to_string())));
    }
    if !f.concerns.is_empty() {
        let row = |c: &strongroom_operations::rules::Concern| {
            let (object, says) = (c.object.line().to_string(), c.says.line().to_string());
            format!("<li><code>{}</code>: {}</li>", escape(&object), escape(&says))
        };
        let rows: String = f.concerns.iter().map(row).collect();
        out.push_str(&format!("<ul>{rows}</ul>"));
    }
    out + &format!(
        "<p>{}</p><p>What to do: {}</p><p>Rule {}; answers {}</p></details>\n",
        escape(&f.why),
        escape(&f.remedy),
        escape(&f.rule),
        escape(&f.satisfies.join(", "))
    )
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
            area: strongroom_operations::rules::Area::Own,
            severity: Severity::High,
            confidence: strongroom_operations::rules::Confidence::Certain,
            verdict: RuleVerdict::Failed,
            concerns: vec![strongroom_operations::rules::Concern::new(evil, evil)],
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
            counts: [(RuleVerdict::Failed, 1)].into(),
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
        let page = html(&schools, Timestamp::UNIX_EPOCH, "");
        assert!(page.contains("1970-01-01 00:00 UTC") && page.contains(", other"));
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
