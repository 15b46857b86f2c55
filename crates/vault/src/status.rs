//! How every school stands, for people and for programs.

use crate::text::{alarm, table};
use serde_json::{Value, json};
use strongroom_model::{Ending, shown_bytes};
use strongroom_vault::Vault;

/// The answer in JSON and in text, and the ending: an alarm for as long as anything is wrong, and
/// for a school that could not be opened too.
pub(crate) fn of(vault: &Vault) -> (Value, String, Ending) {
    let mut closed = vault.failed();
    let mut rows = Vec::new();
    let mut texts = Vec::new();
    let mut bad = false;
    for name in vault.names() {
        match vault.status(&name) {
            Ok(status) => {
                bad |= !status.frozen.is_empty() || !status.standing.is_empty();
                texts.push(status_text(&status));
                rows.push(json!(status));
            }
            Err(e) => drop(closed.insert(name, e.to_string())),
        }
    }
    for (name, why) in closed {
        bad = true;
        let mut standing = vec![format!("{name} could not be opened: {why}")];
        standing.extend(vault.late(&name));
        let lines = standing.iter().map(|text| alarm(&format!("ALARM {text}")) + "\n");
        texts.push(lines.collect());
        rows.push(json!({"name": name, "failed": why, "standing": standing}));
    }
    let text = match texts.is_empty() {
        true => "no repository is enrolled here yet\n".to_owned(),
        false => texts.join("\n"),
    };
    (json!(rows), text, if bad { Ending::Alarm } else { Ending::Done })
}

/// Alarms that stand, in JSON and in text, and the ending: an alarm while one of them is open.
pub(crate) fn alarms(all: &[strongroom_vault::AlarmStatus]) -> (Value, String, Ending) {
    let date = |t: jiff::Timestamp| t.strftime("%Y-%m-%d %H:%M").to_string();
    let row = |a: &strongroom_vault::AlarmStatus| {
        let borne = match a.acknowledged.filter(|_| !a.open) {
            Some(until) => format!("until {}", date(until)),
            None => "no".to_owned(),
        };
        let since = a.since.map_or_else(|| "-".to_owned(), date);
        vec![a.kind.clone(), a.subject.clone(), since, borne, a.text.clone()]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let text = match rows.is_empty() {
        true => "no alarm stands\n".to_owned(),
        false => table(&["kind", "about", "since", "acknowledged", "what it says"], &rows),
    };
    (json!(all), text, if all.iter().any(|a| a.open) { Ending::Alarm } else { Ending::Done })
}

fn status_text(s: &strongroom_vault::VaultStatus) -> String {
    let date = |t: Option<jiff::Timestamp>| {
        t.map_or_else(|| "never".to_owned(), |t| t.strftime("%Y-%m-%d %H:%M").to_string())
    };
    let mut out = format!("{} in {} ({})\n", s.name, s.place, s.region);
    for text in &s.standing {
        out.push_str(&format!("  {}\n", alarm(&format!("ALARM {text}"))));
    }
    for f in &s.frozen {
        out.push_str(&format!("  {}\n", alarm(&format!("FROZEN {f}"))));
    }
    s.one_clock.iter().for_each(|text| out.push_str(&format!("  note: {text}\n")));
    for e in &s.unknown {
        out.push_str(&format!("  {}\n", alarm(&format!("NOT KNOWN to this program: {e}"))));
    }
    out.push_str(&format!("  newest session   {} ({} in all)\n", date(s.newest), s.sessions));
    out.push_str(&format!("  least lock ends  {}\n", date(s.least_lock)));
    out.push_str(&format!("  last lock ends   {}\n", date(s.locked_until)));
    out.push_str(&format!(
        "  holds            {} objects, {} ({} of it in no view)\n",
        s.objects,
        shown_bytes(s.bytes),
        shown_bytes(s.stray_bytes)
    ));
    out.push_str(&format!("  last canary      {}\n", date(s.canary)));
    let p = &s.policy;
    out.push_str(&format!(
        "  policy           {} days, months {}, years {}\n",
        p.lock_days, p.monthly_months, p.yearly_years
    ));
    out.push_str(&format!(
        "  custodians       {} of {}\n",
        s.custodians.1,
        s.custodians.0.join(", ")
    ));
    for (at, kind, text) in &s.alarms {
        out.push_str(&format!("  alarm {} {kind}: {text}\n", date(Some(*at))));
    }
    out
}
