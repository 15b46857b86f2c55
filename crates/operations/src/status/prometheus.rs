//! The figures in Prometheus' text format, 0.0.4. What is not known has no sample, and a sample of
//! `strongroom_unknown` instead.

use super::{DutyState, Grade, SchoolStatus, Status};
use std::{collections::BTreeMap, fmt::Write};

/// What each figure is: its name, its help.
const GAUGES: &[(&str, &str)] = &[
    ("strongroom_status_timestamp_seconds", "When these figures were made."),
    ("strongroom_copy_age_seconds", "Age of the newest snapshot in a copy."),
    ("strongroom_clean_point_age_seconds", "Age of the last clean snapshot of the data."),
    ("strongroom_copy_late", "1 where a copy is older than it may be, or is missing."),
    ("strongroom_reachable", "1 where a copy answered, 0 where it was asked and did not."),
    ("strongroom_alarms", "Alarms that stand."),
    ("strongroom_items_skipped", "What the last backup could not read."),
    ("strongroom_certificate_end_timestamp_seconds", "When the certificate of an identity ends."),
    ("strongroom_disk_free_bytes", "Room that is left on a disk."),
    ("strongroom_disk_size_bytes", "Room of a disk in all."),
    ("strongroom_duty_late", "1 where a duty is late or failed."),
    ("strongroom_duty_last_success_timestamp_seconds", "When a duty was done last."),
    ("strongroom_school_label", "1 for each label that a school bears."),
    ("strongroom_findings", "Findings by how grave they are."),
    ("strongroom_unknown", "1 for what is not known."),
];

type Samples = BTreeMap<&'static str, Vec<(String, String)>>;

/// All schools, in the text format.
pub fn prometheus(status: &Status) -> String {
    let mut samples = Samples::new();
    let at = seconds(status.at);
    samples.insert("strongroom_status_timestamp_seconds", vec![(String::new(), at)]);
    for school in &status.schools {
        of_school(school, &mut samples);
    }
    let mut out = String::new();
    for (name, help) in GAUGES {
        let Some(rows) = samples.get(name) else { continue };
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in rows {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    }
    out
}

fn seconds(at: jiff::Timestamp) -> String {
    at.as_second().to_string()
}

/// A set of labels. What is in a name is written out as the format wants it.
fn labels(all: &[(&str, &str)]) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let parts: Vec<String> = all.iter().map(|(k, v)| format!("{k}=\"{}\"", quoted(v))).collect();
    format!("{{{}}}", parts.join(","))
}

fn of_school(s: &SchoolStatus, samples: &mut Samples) {
    let name = s.school.as_str();
    let mut add = |gauge: &'static str, more: &[(&str, &str)], value: String| {
        let all = [&[("school", name)], more].concat();
        samples.entry(gauge).or_default().push((labels(&all), value));
    };
    for label in &s.labels {
        add("strongroom_school_label", &[("label", label.as_str())], "1".to_owned());
    }
    for (series, newest) in [("data", &s.copy2.data), ("settings", &s.copy2.settings)] {
        if let Some(newest) = newest {
            let of = [("copy", "2"), ("series", series)];
            add("strongroom_copy_age_seconds", &of, newest.age_s.to_string());
        }
    }
    if let Some(age_s) = s.copy3.age_s {
        let of = [("copy", "3"), ("series", "data")];
        add("strongroom_copy_age_seconds", &of, age_s.to_string());
    }
    if let Some(point) = &s.copy2.clean_point {
        add("strongroom_clean_point_age_seconds", &[], point.age_s.to_string());
    }
    let copies = [("2", s.copy2.state, s.copy2.reachable), ("3", s.copy3.state, s.copy3.reachable)];
    for (copy, state, reachable) in copies {
        if let Some(is_late) = state.is_late() {
            add("strongroom_copy_late", &[("copy", copy)], u8::from(is_late).to_string());
        }
        if let Some(reachable) = reachable {
            add("strongroom_reachable", &[("copy", copy)], u8::from(reachable).to_string());
        }
    }
    if let Some(alarms) = &s.alarms {
        let of = |is_open: bool| alarms.iter().filter(|a| a.open == is_open).count().to_string();
        add("strongroom_alarms", &[("state", "open")], of(true));
        add("strongroom_alarms", &[("state", "borne")], of(false));
    }
    if let Some(coverage) = &s.coverage {
        add("strongroom_items_skipped", &[], coverage.counts.skipped.to_string());
    }
    for c in &s.certificates {
        if let Some(ends) = c.ends {
            let of = [("identity", c.identity.as_str())];
            add("strongroom_certificate_end_timestamp_seconds", &of, seconds(ends));
        }
    }
    for d in &s.disk {
        let of = [("what", d.what)];
        if let (Some(free), Some(total)) = (d.free_bytes, d.total_bytes) {
            add("strongroom_disk_free_bytes", &of, free.to_string());
            add("strongroom_disk_size_bytes", &of, total.to_string());
        }
    }
    for d in &s.duties {
        let of = [("duty", d.duty)];
        if d.state != DutyState::Unknown {
            let is_late = matches!(d.state, DutyState::Late | DutyState::Failed);
            add("strongroom_duty_late", &of, u8::from(is_late).to_string());
        }
        if let Some(done) = d.done {
            add("strongroom_duty_last_success_timestamp_seconds", &of, seconds(done));
        }
    }
    for (grade, word) in
        [(Grade::Alarm, "alarm"), (Grade::Overdue, "overdue"), (Grade::Warning, "warning")]
    {
        let n = s.findings.iter().filter(|f| f.grade == grade).count();
        add("strongroom_findings", &[("grade", word)], n.to_string());
    }
    let mut unknown: Vec<&str> = s
        .findings
        .iter()
        .filter(|f| matches!(f.grade, Grade::Unknown))
        .map(|f| f.about.as_str())
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    for what in unknown {
        add("strongroom_unknown", &[("what", what)], "1".to_owned());
    }
}
