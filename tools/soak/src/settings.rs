//! Settings: a change is seen, and where nobody changed anything nothing is said to have changed.
//!
//! What each setting must be, property by property, is held by the tests of the settings' own
//! sources; here it is whether a year of reading them tells the truth about change.

use crate::Violation;
use graph_sim::year::Event;
use std::collections::BTreeSet;
use strongroom_engine::configuration::ConfigurationReport;
use strongroom_model::Configuration;

/// What is known of a tenant's settings from night to night.
#[derive(Default)]
pub(crate) struct SettingsWatch {
    last: Option<Configuration>,
    /// Kinds of events since the settings were read last that may change them.
    since: BTreeSet<String>,
    /// Kinds of changes that were made before: made again, one may change nothing.
    made: BTreeSet<String>,
}

/// People stand in roles, groups and policies: their names, and whether they may sign in, are among
/// the settings.
fn may_change(event: &Event) -> bool {
    event.is_attack() || event.is_of_people() || matches!(event, Event::Settings { .. })
}

/// Names of the collections that differ.
fn differing(before: &Configuration, now: &Configuration) -> Vec<String> {
    let names: BTreeSet<&String> =
        before.collections.keys().chain(now.collections.keys()).collect();
    let bodies = |c: &Configuration, name: &str| {
        let all = c.collections.get(name).map(|c| c.objects.as_slice()).unwrap_or_default();
        all.iter().map(|o| (o.name.clone(), o.body.clone())).collect::<Vec<_>>()
    };
    names.into_iter().filter(|n| bodies(before, n) != bodies(now, n)).cloned().collect()
}

impl SettingsWatch {
    /// What was read last.
    pub(crate) fn last(&self) -> Option<&Configuration> {
        self.last.as_ref()
    }

    /// A night in which the settings are not read.
    pub(crate) fn note(&mut self, happened: &[Event]) {
        self.since.extend(happened.iter().filter(|e| may_change(e)).map(Event::kind));
    }

    /// Changes of settings that were made on a day.
    fn is_made(&mut self, happened: &[Event]) {
        let settings = happened.iter().filter(|e| matches!(e, Event::Settings { .. }));
        self.made.extend(settings.map(Event::kind));
    }

    /// A night in which they were.
    pub(crate) fn judge(
        &mut self,
        night: usize,
        happened: &[Event],
        outcome: Result<ConfigurationReport, String>,
        now: Option<Configuration>,
    ) -> Vec<Violation> {
        self.note(happened);
        let since = std::mem::take(&mut self.since);
        let mut found = Vec::new();
        let mut tell = |law: &str, item: &str, detail: String, kinds: &BTreeSet<String>| {
            found.push(Violation {
                night,
                law: law.to_owned(),
                person: None,
                item: item.to_owned(),
                thing: None,
                detail,
                kinds: kinds.clone(),
            });
        };
        let none = BTreeSet::new();
        match outcome {
            Err(e) => tell("settings/error", "settings", e, &none),
            Ok(report) => {
                for (name, state) in report.collections.iter().filter(|(_, s)| s.is_blind()) {
                    tell("settings/blind", name, format!("{name}: {}", state.lack()), &none);
                }
            }
        }
        if let (Some(before), Some(now)) = (&self.last, &now) {
            let other = differing(before, now);
            // Once policies leave out the twin, the real group is one that nothing speaks of, and
            // who is in it is no setting.
            let is_unseen =
                |kind: &str| kind == "emergency-group" && self.made.contains("emergency-twin");
            let changed: BTreeSet<String> = happened
                .iter()
                .filter(|e| matches!(e, Event::Settings { .. }))
                .map(Event::kind)
                .filter(|kind| !self.made.contains(kind) && !is_unseen(kind))
                .collect();
            if other.is_empty() && !changed.is_empty() {
                let text = format!("{changed:?} is not in the snapshot of the settings");
                tell("settings/missed", &format!("{changed:?}"), text, &changed);
            }
            if since.is_empty() {
                for name in other {
                    tell("settings/false", &name, format!("{name} is told as changed"), &none);
                }
            }
        }
        self.is_made(happened);
        self.last = now.or(self.last.take());
        found
    }
}
