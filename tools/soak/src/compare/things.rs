//! Contacts, tasks, events: every list and everything in it, field by field.

use super::{Night, mail::plain, same_path};
use crate::{
    Violation,
    kept::{Kept, KeptThing},
    parse,
};
use graph_sim::year::{ListState, PersonState, ThingState};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One kind of what people have.
pub(crate) struct Kind {
    /// The workload's name and directory.
    pub(crate) workload: &'static str,
    /// What one is called in laws.
    pub(crate) word: &'static str,
    /// Those of a person.
    pub(crate) of: fn(&PersonState) -> &[ListState],
    /// The record holds all that the simulator shows, and nothing else. Of events it shows more
    /// than it holds, and times in the zone that is asked for.
    is_whole: bool,
}

/// Every kind that the simulator has.
pub(crate) const ALL: &[Kind] = &[
    Kind { workload: "contacts", word: "contact", of: |p| &p.contacts, is_whole: true },
    Kind { workload: "tasks", word: "task", of: |p| &p.tasks, is_whole: true },
    Kind { workload: "calendars", word: "event", of: |p| &p.calendars, is_whole: false },
];

/// The kinds that the product backs up.
pub(crate) fn backed_up() -> impl Iterator<Item = &'static Kind> {
    ALL.iter().filter(|kind| strongroom_workloads::by_name(kind.workload).is_some())
}

/// What is in those of somebody's lists that can be had again.
pub(crate) fn things_of<'p>(
    kind: &Kind,
    person: &'p PersonState,
) -> impl Iterator<Item = &'p ThingState> {
    (kind.of)(person).iter().filter(|l| l.can_edit).flat_map(|l| &l.things)
}

pub(super) fn all(
    night: &Night<'_>,
    kept: &Kept,
    person: &PersonState,
    room: &str,
    found: &mut Vec<Violation>,
) {
    for kind in backed_up() {
        lists(night, kept, (kind, person, room), found);
        things(night, kept, (kind, person, room), found);
    }
}

fn lists(
    night: &Night<'_>,
    kept: &Kept,
    (kind, person, room): (&Kind, &PersonState, &str),
    found: &mut Vec<Violation>,
) {
    if night.is_hidden(&person.id) {
        return;
    }
    let word = kind.word;
    let have: BTreeMap<&str, &str> = kept
        .lists
        .iter()
        .filter(|l| l.workload == kind.workload && l.room == room)
        .map(|l| (l.id.as_str(), l.path.as_str()))
        .collect();
    for list in (kind.of)(person) {
        let mut tell = |law: &str, detail: String| {
            let law = format!("{word}-list/{law}");
            found.push(night.finding(&law, Some(&person.id), &list.id, detail));
        };
        match have.get(list.id.as_str()) {
            None if !list.can_edit => {
                if !night.names_as_left_out(person, &list.id, &list.path) {
                    tell("not-named", format!("{} is neither kept nor named", list.path));
                }
            }
            None => tell("missing", list.path.clone()),
            Some(at) if !same_path(at, &plain(&list.path)) => {
                tell("path", format!("{} stands at {at}", list.path));
            }
            Some(_) => {}
        }
    }
    let real: BTreeSet<&str> = (kind.of)(person).iter().map(|l| l.id.as_str()).collect();
    for (id, path) in have.iter().filter(|(id, _)| !real.contains(*id)) {
        let text = format!("{path} is not in the mailbox");
        let law = format!("{word}-list/extra");
        found.push(night.finding(&law, Some(&person.id), id, text));
    }
    // What no record of ours holds is named as not kept.
    let extended = things_of(kind, person).find(|t| !t.extended.is_empty());
    if let Some(t) = extended
        && !night.names_as_left_out(person, "extended properties", "extensions")
    {
        let text = format!("{:?} has {:?}: not kept, not named", t.name, t.extended);
        let law = format!("{word}/extended-not-named");
        found.push(night.finding(&law, Some(&person.id), &t.id, text));
    }
}

fn things(
    night: &Night<'_>,
    kept: &Kept,
    (kind, person, room): (&Kind, &PersonState, &str),
    found: &mut Vec<Violation>,
) {
    let hidden = night.is_hidden(&person.id);
    let skipped = night.skipped_items(person);
    let word = kind.word;
    let mut have: BTreeMap<&str, Vec<&KeptThing>> = BTreeMap::new();
    for t in kept.things.iter().filter(|t| t.workload == kind.workload && t.room == room) {
        have.entry(t.id.as_str()).or_default().push(t);
    }
    let before = night.before.people.iter().filter(|p| p.id == person.id);
    let had: BTreeSet<&str> =
        before.flat_map(|p| things_of(kind, p)).map(|t| t.id.as_str()).collect();
    for list in (kind.of)(person).iter().filter(|l| l.can_edit) {
        for t in &list.things {
            let mut tell = |law: &str, detail: String| {
                let law = format!("{word}/{law}");
                found.push(night.finding(&law, Some(&person.id), &t.id, detail));
            };
            match have.get(t.id.as_str()).map(Vec::as_slice) {
                None | Some([]) if hidden => {
                    if had.contains(t.id.as_str()) && night.had_read(&t.id) {
                        tell("lost-while-hidden", format!("{:?}", t.name));
                    }
                }
                None | Some([]) if skipped.contains(t.id.as_str()) => {}
                None | Some([]) => tell("missing", format!("{:?} in {}", t.name, list.path)),
                Some(_) if hidden || skipped.contains(t.id.as_str()) => {}
                Some([known]) => {
                    if known.list != list.id {
                        tell("list", format!("{:?} of {} stands elsewhere", t.name, list.path));
                    }
                    fields(kind, t, known, &mut tell);
                }
                Some(many) => tell("twice", format!("{:?} stands {} times", t.name, many.len())),
            }
        }
    }
    if hidden || !skipped.is_empty() {
        return;
    }
    let real: BTreeSet<&str> = things_of(kind, person).map(|t| t.id.as_str()).collect();
    for id in have.keys().filter(|id| !real.contains(*id)) {
        let text = format!("it is not in the mailbox of {}", person.upn);
        found.push(night.finding(&format!("{word}/extra"), Some(&person.id), id, text));
    }
}

/// Without what is not set, and without annotations.
fn set_of(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let all = map.iter().filter(|(name, _)| !name.contains('@'));
            let all = all.map(|(name, v)| (name.clone(), set_of(v)));
            Value::Object(all.filter(|(_, v)| !is_unset(v)).collect())
        }
        Value::Array(all) => all.iter().map(set_of).collect(),
        other => other.clone(),
    }
}

fn is_unset(v: &Value) -> bool {
    v.is_null() || *v == json!([]) || *v == json!({})
}

/// Whether all that is wanted is there, among other things.
fn covers(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => {
            want.iter().all(|(name, w)| have.get(name).is_some_and(|h| covers(h, w)))
        }
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(h, w)| covers(h, w))
        }
        _ => have == want,
    }
}

fn fields(kind: &Kind, t: &ThingState, known: &KeptThing, tell: &mut dyn FnMut(&str, String)) {
    if known.is_empty {
        tell("empty", format!("the file of {:?} holds nothing", t.name));
    }
    let Some(record) = &known.record else {
        tell("record", format!("{:?} has no record, or several", t.name));
        return;
    };
    let nothing = Map::new();
    let (want, have) = (set_of(&t.value), set_of(&record["value"]));
    let (want, have) = (want.as_object().unwrap_or(&nothing), have.as_object().unwrap_or(&nothing));
    let others = have.keys().filter(|name| kind.is_whole && !want.contains_key(*name));
    for name in want.keys().chain(others) {
        let (w, h) = (&want.get(name), &have.get(name));
        let is_same = match (w, h) {
            (Some(w), Some(h)) if !kind.is_whole => covers(h, w),
            (w, h) => w == h,
        };
        if !is_same {
            tell(name, format!("{:?}: {w:?} is kept as {h:?}", t.name));
        }
    }
    days(t, have, tell);
    parts(kind, t, record, known, tell);
}

/// The days of a series that are other than planned.
fn days(t: &ThingState, have: &Map<String, Value>, tell: &mut dyn FnMut(&str, String)) {
    let rows = |name: &str| have.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (changed, cancelled) = (rows("exceptionOccurrences"), rows("cancelledOccurrences"));
    for day in &t.days {
        let is_there = match day.is_cancelled {
            true => cancelled.iter().any(|c| c.as_str().is_some_and(|c| c.ends_with(&day.day))),
            false => changed.iter().any(|c| covers(c, &set_of(&day.value))),
        };
        if !is_there {
            let what = if day.is_cancelled { "cancelled" } else { "changed" };
            tell(&format!("day-{what}"), format!("{:?} on {} is not kept so", t.name, day.day));
        }
    }
    let of = |is: bool| t.days.iter().filter(|d| d.is_cancelled == is).count();
    if (of(false), of(true)) != (changed.len(), cancelled.len()) {
        let text = format!("{} changed and {} cancelled", changed.len(), cancelled.len());
        tell("days", format!("{:?} of {} days is kept with {text}", t.name, t.days.len()));
    }
}

/// Pictures and attachments: each is named by the record, and lies beside it.
fn parts(
    kind: &Kind,
    t: &ThingState,
    record: &Value,
    known: &KeptThing,
    tell: &mut dyn FnMut(&str, String),
) {
    let rows = record["parts"].as_array().cloned().unwrap_or_default();
    let mut named: Vec<String> = rows
        .iter()
        .map(|p| json!([p["what"], p["day"], p["name"], p["sha256"]]).to_string())
        .collect();
    for part in &t.parts {
        let Some(content) = &part.content else { continue };
        let sha256 = parse::sha256(content);
        let row = json!([part.what, part.day, part.name, sha256]).to_string();
        match named.iter().position(|n| *n == row) {
            Some(at) => drop(named.swap_remove(at)),
            None => tell("part-missing", format!("{row} of {:?} is not in its record", t.name)),
        }
        if !known.beside.contains(&sha256) {
            tell("part-bytes", format!("{row} of {:?} does not lie beside it", t.name));
        }
    }
    // Of an event what is attached and no file stands there too.
    let others = t.parts.iter().filter(|p| p.content.is_none()).count();
    if kind.is_whole && !named.is_empty() || named.len() > others {
        tell("part-extra", format!("{named:?} of {:?}", t.name));
    }
}
