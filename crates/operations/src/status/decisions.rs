//! What waits for somebody's decision, by what this host noted: grave changes of the tenant's
//! settings, and a configuration that protects less.

use super::{AlarmRow, Grade, StatusFinding, duties::Notes};
use crate::{School, grave, protection};
use jiff::Timestamp;

/// Changes that are said one by one.
const NAMED_MAX: usize = 20;
const SETTINGS: &str = "changes of settings";

/// The alarms among it; the rest is a finding.
pub(super) fn alarms(
    school: &School,
    notes: &Notes,
    now: Timestamp,
    found: &mut Vec<StatusFinding>,
) -> Vec<AlarmRow> {
    let Some(dir) = notes.dir(school).filter(|dir| dir.is_dir()) else { return Vec::new() };
    let mut out = Vec::new();
    let mut alarm = |kind: &str, subject: Option<String>, text: String, since| {
        let (kind, severity) = (kind.to_owned(), Some("high"));
        out.push(AlarmRow { kind, subject, severity, open: true, text, since });
    };
    match grave::waiting(school, &dir) {
        Err(why) => {
            let text = format!("which grave changes of settings wait is not known: {why}");
            found.push(StatusFinding::new(Grade::Unknown, SETTINGS, text));
        }
        Ok((all, more)) => {
            let left_out = all.len().saturating_sub(NAMED_MAX) as u64 + more;
            for c in all.into_iter().take(NAMED_MAX) {
                let (rank, since) = (if c.is_critical { "critical" } else { "high" }, c.seen);
                let text = format!("{rank} change of settings, seen {since:.0}: {}", c.says);
                match c.is_critical || c.deadline < now {
                    true => alarm("changed", Some(c.place), text, Some(since)),
                    false => found.push(StatusFinding::new(Grade::Warning, SETTINGS, text)),
                }
            }
            if left_out > 0 {
                let text = format!("{left_out} more grave changes of settings wait");
                found.push(StatusFinding::new(Grade::Warning, SETTINGS, text));
            }
        }
    }
    match protection::glance(school) {
        Ok(None) => {}
        Ok(Some(weaker)) => alarm("weakened", None, weaker.says.join("; "), None),
        Err(e) => alarm("weakened", None, e.sentence(), None),
    }
    out
}
