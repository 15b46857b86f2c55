//! Whether a vault still is what its log says: each version there, in sight, locked long enough;
//! nothing besides; settings as they were.

use crate::{
    Error, Holding, HostAlarm, LogEvent, holding::each, plain, record_alarms,
    tolerant_reader::Answers,
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use strongroom_model::Progress;
use strongroom_objects::{Kind, StoreError, StoreSettings, VersionRow, hash_name, key_of};

/// Where canaries and probes lie: not part of what is held.
pub(crate) const ASIDE: [&str; 2] = ["canary/", "probe/"];

/// Paths of one event.
const PATHS_MAX: usize = 10_000;

/// How thorough to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditOptions {
    /// Of so many hundredths of the objects the bytes are read and held against their name; the
    /// log and `config`, without which nothing can be read, are read each time that is not 0.
    pub read_percent: u8,
    /// Locks that are missing or too short are set again.
    pub mend: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AuditReport {
    /// Objects that the log knows, and their bytes.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Versions that are gone, although the log knows them.
    pub lost: Vec<String>,
    /// Objects that this credential may not look at or read, or that lie on a bad sector.
    pub unreadable: Vec<String>,
    /// Paths before which a delete marker or a newer version stands: restored by version, all the
    /// same.
    pub covered: Vec<String>,
    /// Versions that the log does not know.
    pub unknown: Vec<String>,
    /// Locks that were missing or shorter than recorded.
    pub short: Vec<String>,
    /// Of these, set again.
    pub mended: u64,
    /// Objects whose bytes were read, and those of wrong bytes.
    pub read: u64,
    /// Wrong bytes.
    pub damaged: Vec<String>,
    /// Settings of the place that are not as they were.
    pub drift: Vec<String>,
    /// What the log itself shows.
    pub oddities: Vec<String>,
    /// Least end of a lock.
    pub least: Option<Timestamp>,
}

/// What was found of one kind, and what is said of one thing and of several.
struct Found<'r> {
    kind: &'static str,
    one: &'static str,
    several: &'static str,
    rows: &'r [String],
}

impl AuditReport {
    /// Kinds of alarms that a look finds, or finds to be over.
    const KINDS: [&str; 8] =
        ["lost", "unreadable", "damaged", "unlocked", "covered", "drift", "unknown", "log"];

    /// What is found of each kind.
    fn kinds(&self) -> [Found<'_>; 8] {
        let [lost, unreadable, damaged, unlocked, covered, drift, unknown, log] = Self::KINDS;
        [
            Found {
                kind: lost,
                one: "is gone from the vault before its time",
                several: "objects are gone from the vault before their time",
                rows: &self.lost,
            },
            Found {
                kind: unreadable,
                one: "cannot be read",
                several: "objects cannot be read",
                rows: &self.unreadable,
            },
            Found {
                kind: damaged,
                one: "has wrong bytes",
                several: "objects have wrong bytes",
                rows: &self.damaged,
            },
            Found {
                kind: unlocked,
                one: "was not locked as recorded",
                several: "objects were not locked as recorded",
                rows: &self.short,
            },
            Found {
                kind: covered,
                one: "is hidden by a delete marker or a newer version",
                several: "objects are hidden by a delete marker or a newer version",
                rows: &self.covered,
            },
            Found {
                kind: drift,
                one: "",
                several: "settings of the vault's place changed",
                rows: &self.drift,
            },
            Found {
                kind: unknown,
                one: "is not known to the vault's log",
                several: "versions lie in the vault that its log does not know",
                rows: &self.unknown,
            },
            Found {
                kind: log,
                one: "",
                several: "things in the log are odd",
                rows: &self.oddities,
            },
        ]
    }

    /// Code and sentence of everything that is an alarm.
    pub fn alarms(&self) -> Vec<(String, String)> {
        let of = |found: Found<'_>| {
            let (first, n) = (plain(found.rows.first()?), found.rows.len());
            Some((found.kind.to_owned(), format!("{n} {}, {first} for instance", found.several)))
        };
        self.kinds().into_iter().filter_map(of).collect()
    }

    /// Code, subject and sentence of each thing that is wrong.
    fn rows(&self) -> Vec<HostAlarm> {
        let of = |Found { kind, one, rows, .. }: Found<'_>| {
            let row = |found: &String| {
                // Of a thing that has a name the name; what is said of it may change each day.
                let subject = match kind {
                    "drift" => found.split_once(": ").map_or(found.as_str(), |(name, _)| name),
                    "unreadable" => found.split_once(" (").map_or(found.as_str(), |(p, _)| p),
                    _ => found,
                };
                HostAlarm::new(kind, subject, format!("{found} {one}").trim_end())
            };
            rows.iter().map(row).collect::<Vec<_>>()
        };
        self.kinds().into_iter().flat_map(of).collect()
    }
}

/// Settings that differ, as sentences.
pub fn drift(before: &StoreSettings, now: &StoreSettings) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let of = |f: &StoreSettings, n: &str| f.get(n).cloned().unwrap_or_else(|| "not known".into());
    names
        .into_iter()
        .filter(|n| before.get(*n) != now.get(*n))
        .map(|n| differs(n, &of(before, n), &of(now, n)))
        .collect()
}

/// Values that a sentence shows whole.
const SHOWN_CHARS_MAX: usize = 150;

/// Of long values what they do not share, behind a name of the whole: two that begin alike, or end
/// alike, are two sentences.
fn differs(name: &str, was: &str, is: &str) -> String {
    if was.len().max(is.len()) <= SHOWN_CHARS_MAX {
        return format!("{name}: was {was}, is {is}");
    }
    let rows = |text: &str| text.split("; ").map(str::to_owned).collect::<BTreeSet<_>>();
    let (old, new) = (rows(was), rows(is));
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.difference(other).cloned().collect::<Vec<_>>().join("; ")
    };
    let (old, new) = (only(&old, &new), only(&new, &old));
    format!("{name}: changed ({:.12} now), new: {new}, gone: {old}", hash_name(is.as_bytes()))
}

/// What opens all the rest.
fn is_root(path: &str) -> bool {
    path == "config" || path.starts_with(crate::ledger::FOLDER)
}

/// Looks at everything. What fails at one object is told of that one.
///
/// # Errors
/// When the place cannot be listed, or the log not be written.
pub fn audit(
    holding: &mut Holding,
    options: AuditOptions,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<AuditReport, Error> {
    let store = holding.store();
    let ledger = holding.ledger();
    let state = ledger.state();
    let mut report = AuditReport { oddities: ledger.oddities().to_vec(), ..AuditReport::default() };
    if let Some(e) = &state.enrolment {
        report.drift = match store.facts() {
            Ok(facts) => drift(&e.facts, &facts),
            Err(e) => vec![format!("they cannot be read: {e}")],
        };
    }
    progress.phase("survey");
    let mut by_path: BTreeMap<String, Vec<VersionRow>> = BTreeMap::new();
    for row in store.survey("")? {
        by_path.entry(row.path.clone()).or_default().push(row);
    }
    let mut known: BTreeMap<&str, (&str, Timestamp)> =
        state.objects.iter().map(|(p, o)| (p.as_str(), (o.version.as_str(), o.until))).collect();
    known
        .extend(ledger.segments().iter().map(|(p, (v, until))| (p.as_str(), (v.as_str(), *until))));
    for (path, rows) in &by_path {
        if ASIDE.iter().any(|a| path.starts_with(a)) {
            continue;
        }
        match known.get(path.as_str()) {
            None => report.unknown.extend(rows.iter().map(|r| {
                format!(
                    "{path} ({} bytes{})",
                    r.size_bytes,
                    if r.marker { ", a delete marker" } else { "" }
                )
            })),
            Some((version, _)) => {
                if rows.iter().any(|r| r.latest && (r.marker || r.version != *version))
                    && rows.iter().any(|r| r.version == *version)
                {
                    report.covered.push(path.clone());
                }
                let former = state.former.get(path);
                let is_former = |v: &str| former.is_some_and(|all| all.iter().any(|(f, _)| f == v));
                report.unknown.extend(
                    rows.iter()
                        .filter(|r| !r.marker && r.version != *version && !is_former(&r.version))
                        .map(|r| format!("{path}, version {}", r.version)),
                );
            }
        }
    }
    let there: HashSet<(&str, &str)> = by_path
        .values()
        .flatten()
        .filter(|r| !r.marker)
        .map(|r| (r.path.as_str(), r.version.as_str()))
        .collect();
    let rows: Vec<(String, String, Timestamp, u64)> = known
        .iter()
        .map(|(p, (v, until))| {
            (
                (*p).to_owned(),
                (*v).to_owned(),
                *until,
                state.objects.get(*p).map_or(0, |o| o.size_bytes),
            )
        })
        .collect();
    report.objects = state.objects.len() as u64;
    report.bytes = state.objects.values().map(|o| o.size_bytes).sum();
    report.lost = rows
        .iter()
        .filter(|r| !there.contains(&(r.0.as_str(), r.1.as_str())))
        .map(|r| r.0.clone())
        .collect();
    let present: Vec<&(String, String, Timestamp, u64)> =
        rows.iter().filter(|r| there.contains(&(r.0.as_str(), r.1.as_str()))).collect();
    progress.phase("locks");
    progress.expect(present.len() as u64, 0);
    // An object has an outcome of its own: a bad sector hides nothing of the others.
    let answers = Answers::default();
    // What could not be read is read again until it can be: it is a loss when it stays so.
    let stood =
        |path: &str| state.standing.contains_key(&("unreadable".to_owned(), path.to_owned()));
    // What failed before says nothing of the place, however much of it lies next to each other.
    let failed_before = |path: &String| state.missing.contains(path) || stood(path);
    let look = |row: &&(String, String, Timestamp, u64)| {
        let held = store.look(&row.0, &row.1).map_err(Error::from);
        match failed_before(&row.0) {
            true => Ok(held.map_err(|e| e.to_string())),
            false => answers.hold(held),
        }
    };
    let looked = each(&present, look, |_, _| progress.advance(1, 0));
    let path_of = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    let (mut again, mut unseen) = (Vec::new(), 0_u64);
    let mut lengths: BTreeMap<&str, u64> = BTreeMap::new();
    for (row, held) in present.iter().zip(looked) {
        match held {
            Some(Ok(Err(why))) => report.unreadable.push(format!("{} ({why})", row.0)),
            Some(Ok(Ok(Some(held)))) => {
                let until = held.until;
                lengths.insert(&row.0, held.size_bytes);
                // What was cut off is damaged, whatever its share of this day's reading.
                if state.objects.get(&row.0).is_some_and(|o| o.size_bytes != held.size_bytes) {
                    report.damaged.push(row.0.clone());
                }
                if until.is_none_or(|u| u.as_second() < row.2.as_second()) {
                    report.short.push(row.0.clone());
                    again.push((row.0.clone(), row.1.clone(), row.2));
                }
                report.least = Some(
                    report
                        .least
                        .map_or(until.unwrap_or_default(), |l| l.min(until.unwrap_or_default())),
                );
            }
            Some(Ok(Ok(None))) => report.lost.push(row.0.clone()),
            Some(Err(e)) => {
                unseen += 1;
                report.oddities.push(format!("the place stopped answering: {e}"));
            }
            None => unseen += 1,
        }
    }
    if options.mend {
        for (path, version, until) in again {
            // One that cannot be mended is told like the others, and stops nothing.
            match crate::holding::lengthen(store.as_ref(), &path, &version, until) {
                Ok(_) => report.mended += 1,
                Err(e) => report.oddities.push(e.to_string()),
            }
        }
    }
    let step = 100 / usize::from(options.read_percent.clamp(1, 100));
    let chosen: Vec<_> = match options.read_percent {
        0 => Vec::new(),
        // Another part on another day.
        _ => present
            .iter()
            .filter(|r| key_of(&r.0).is_some_and(|k| k.kind() != Kind::Config))
            .skip(now.as_second().unsigned_abs() as usize / 86_400 % step)
            .step_by(step)
            .chain(present.iter().filter(|r| is_root(&r.0)))
            .chain(present.iter().filter(|r| state.missing.contains(&r.0)))
            .chain(present.iter().filter(|r| stood(&r.0)))
            .collect(),
    };
    let mut healed: BTreeSet<&str> = BTreeSet::new();
    progress.phase("read");
    progress.expect(chosen.len() as u64, chosen.iter().map(|r| r.3).sum());
    let config = state.enrolment.as_ref().map(|e| e.card.config_sha256.as_str());
    let answers = Answers::default();
    // What has no name of its own is named elsewhere: a segment by the one after it, `config` by
    // the card.
    let is_good = |path: &str, bytes: &[u8]| match key_of(path) {
        Some(k) if k.kind() == Kind::Config => config == Some(hash_name(bytes).as_str()),
        Some(k) => k.names_its_bytes(bytes),
        None => ledger.segment_hash(path) == Some(hash_name(bytes).as_str()),
    };
    let read = each(
        &chosen,
        |(path, version, ..)| {
            let good = match store.fetch(path, version, None) {
                Ok(bytes) => Ok(is_good(path, &bytes)),
                Err(StoreError::Damaged { .. }) => Ok(false),
                Err(e) => Err(Error::from(e)),
            };
            match failed_before(path) {
                true => Ok(good.map_err(|e| e.to_string())),
                false => answers.hold(good),
            }
        },
        |n, _| progress.advance(1, chosen[n].3),
    );
    let (mut twice, mut answered) = (HashSet::new(), None);
    for (row, good) in chosen.iter().zip(read) {
        match good {
            Some(Ok(Ok(good))) => {
                answered = Some(**row);
                report.read += u64::from(key_of(&row.0).is_some());
                match good {
                    false => report.damaged.push(row.0.clone()),
                    true if state.missing.contains(&row.0) => drop(healed.insert(&row.0)),
                    true => {}
                }
            }
            Some(Ok(Err(why))) => {
                report.unreadable.push(format!("{} ({why})", row.0));
                twice.extend(stood(&row.0).then(|| row.0.clone()));
            }
            Some(Err(e)) => {
                unseen += 1;
                report.oddities.push(format!("the place stopped answering: {e}"));
            }
            None => unseen += 1,
        }
    }
    // A place that does not answer at all, or not any more, has lost nothing by that: something
    // that it gave before it gives once more.
    let answers_still = |(path, version, ..): &(String, String, Timestamp, u64)| {
        matches!(store.fetch(path, version, None), Ok(_) | Err(StoreError::Damaged { .. }))
    };
    if !twice.is_empty() && unseen == 0 && !answered.is_some_and(answers_still) {
        unseen = twice.len() as u64;
    }
    if unseen == 0 {
        report.unreadable.retain(|text| !twice.contains(&path_of(text)));
        report.damaged.extend(twice);
    }
    if unseen > 0 {
        report.oddities.push(format!("{unseen} objects were not looked at or not read"));
    }
    // One that failed at both is named once.
    let mut named = HashSet::new();
    report.unreadable.retain(|text| named.insert(path_of(text)));
    report.unreadable.sort();
    // What was found damaged once is so until it comes again, or was read and is whole.
    let lost: BTreeSet<&String> = report.lost.iter().collect();
    let stays = |p: &&String| !healed.contains(p.as_str()) && !lost.contains(p);
    report.damaged.extend(state.missing.iter().filter(stays).cloned());
    report.damaged.retain(|p| !lost.contains(p) && !healed.contains(p.as_str()));
    report.damaged.sort();
    report.damaged.dedup();
    let back = healed.iter().filter_map(|p| state.objects.get_key_value(*p));
    // Of the length that was found, and not of one that who pushes said.
    let mut events: Vec<LogEvent> = back
        .map(|(path, o)| LogEvent::Arrived {
            path: path.clone(),
            version: o.version.clone(),
            size_bytes: lengths.get(path.as_str()).copied().unwrap_or(o.size_bytes),
            until: o.until,
            at: now,
        })
        .collect();
    let found: Vec<String> = report
        .lost
        .iter()
        .chain(&report.damaged)
        .filter(|p| state.objects.contains_key(*p) && !state.missing.contains(*p))
        .cloned()
        .collect();
    events.extend(
        found.chunks(PATHS_MAX).map(|paths| LogEvent::Missing { paths: paths.to_vec(), at: now }),
    );
    if holding.ledger().signer().is_some() {
        if !events.is_empty() {
            holding.ledger_mut().append(events, now)?;
        }
        // Who did not look at everything ends nothing.
        let looked_for = match unseen > 0 || options.read_percent == 0 {
            true => &[][..],
            false => &AuditReport::KINDS[..],
        };
        record_alarms(holding, looked_for, report.rows(), now)?;
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_differs_of_a_long_setting_is_told_and_no_two_are_told_alike() {
        let of =
            |lifecycle: &str| StoreSettings::from([("lifecycle".to_owned(), lifecycle.to_owned())]);
        let rule = |n: u32, days: u32| format!("Rule(ID(\"{n}\"), Days(\"{days}\"))");
        let rules = |last: u32| {
            let all = (0..40).map(|n| rule(n, if n == 39 { last } else { 5 }));
            of(&all.collect::<Vec<_>>().join("; "))
        };
        assert_eq!(drift(&rules(5), &rules(5)), [""; 0]);
        let one = drift(&rules(5), &rules(1)).remove(0);
        let (new, gone) = (rule(39, 1), rule(39, 5));
        assert!(one.starts_with("lifecycle: changed"), "{one}");
        assert!(one.ends_with(&format!("new: {new}, gone: {gone}")), "{one}");
        // As they are shown, however much they have in common.
        let long = |end: &str| of(&format!("{}{end}", "x".repeat(10_000)));
        let shown = |end: &str| plain(&drift(&of("none"), &long(end))[0]);
        assert_ne!(shown("a"), shown("b"));
        assert_eq!(
            drift(&of("none"), &StoreSettings::new()),
            ["lifecycle: was none, is not known"]
        );
        assert_eq!(
            drift(&StoreSettings::new(), &of("none")),
            ["lifecycle: was not known, is none"]
        );
    }
}
