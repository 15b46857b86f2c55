//! What a vault does: pull, take in, look after itself, let go.

use crate::{Refusal, Vault, heartbeat::Duty, repo::Repo};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};
use strongroom_custody::{
    AuditOptions, AuditReport, CanaryOutcome, CanaryReport, ExpiryPlan, HostAlarm, LogEvent,
    Manifest, MirrorOptions, MirrorReport, NO_SECOND_CLOCK, Pace, REST, audit, expire, freeze,
    is_thawed, mirror, plan_expiry, record_alarms, s3_canary, suspicions,
};
use strongroom_model::{Progress, Series};
use strongroom_objects::{Held, Kind, LocalDir, LockedStore, Store};

/// Another clock that said nothing for so long is none.
const SILENT_CLOCK: jiff::SignedDuration = jiff::SignedDuration::from_hours(72);
/// A pull that takes longer ends, and the next goes on: between them the vault looks after itself.
const PULL_MAX: Duration = Duration::from_secs(12 * 3600);

/// One object and its lock.
#[derive(Debug, Clone, Serialize)]
pub struct LockedObject {
    /// Its path.
    pub path: String,
    /// Its version.
    pub version: String,
    /// Its length.
    pub size_bytes: u64,
    /// When it came.
    pub arrived: Timestamp,
    /// Until when it is locked.
    pub until: Timestamp,
    /// Until when a snapshot needs it; nothing when none does.
    pub needed: Option<Timestamp>,
    /// Where it lies.
    pub region: String,
}

/// Kinds of alarms that a pull finds, or finds to be over.
const OF_COPY_2: [&str; 4] =
    ["manifest-gap", "manifest-refused", "copy-2-shrinks", "copy-2-damaged"];

/// What a pull found of copy 2, a row for each kind: how many it names is copy 2's own choice.
fn of_copy_2(alarms: &[(String, String)]) -> Vec<HostAlarm> {
    let of = |kind: &&str| {
        let all: Vec<&String> =
            alarms.iter().filter(|(k, _)| k == kind).map(|(_, text)| text).collect();
        let first = all.first()?;
        let text = match all.len() {
            1 => (*first).clone(),
            n => format!("{n} times: {first}"),
        };
        Some(HostAlarm::new(kind, "", &text))
    };
    OF_COPY_2.iter().filter_map(of).collect()
}

/// What a canary could do. What could be done before and was not tried now stands.
fn of_canary(holding: &strongroom_custody::Holding, report: &CanaryReport) -> Vec<HostAlarm> {
    let text =
        |what: &String| format!("with the credential {} it was possible to {what}", report.holder);
    let worked = report.worked();
    let mut found: Vec<HostAlarm> =
        worked.iter().map(|what| HostAlarm::new("canary", what, &text(what))).collect();
    let standing = &holding.ledger().state().standing;
    for what in report.not_tested() {
        let what = strongroom_custody::plain(&what);
        if let Some(row) = standing.get(&("canary".to_owned(), what.clone())) {
            found.push(HostAlarm { kind: "canary".into(), subject: what, text: row.text.clone() });
        }
    }
    found
}

/// An alarm that stands.
#[derive(Debug, Clone, Serialize)]
pub struct AlarmStatus {
    /// A short code.
    pub kind: String,
    /// What it is about; empty where the kind says it all.
    pub subject: String,
    /// One sentence.
    pub text: String,
    /// Since when; absent where only the vault's own heartbeat tells it.
    pub since: Option<Timestamp>,
    /// Until when custodians bear it.
    pub acknowledged: Option<Timestamp>,
    /// Whether nobody bears it now: then `status` ends with 4.
    pub open: bool,
}

/// Graver ones first.
fn rank(kind: &str) -> usize {
    let graver = ["lost", "damaged", "canary", "log", "unlocked", "drift", "covered", "unreadable"];
    graver.iter().position(|k| *k == kind).unwrap_or(graver.len())
}

/// How a repository in the vault stands.
#[derive(Debug, Clone, Serialize)]
pub struct VaultStatus {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub place: String,
    /// The region, as the place says.
    pub region: String,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, bytes that no manifest names.
    pub stray_bytes: u64,
    /// Sealed sessions.
    pub sessions: u64,
    /// When the newest was sealed.
    pub newest: Option<Timestamp>,
    /// The least remaining lock of anything that a snapshot reaches.
    pub least_lock: Option<Timestamp>,
    /// When the last locked byte may go.
    pub locked_until: Option<Timestamp>,
    /// What is wrong for as long as it is so, in sentences; whoever looks must see it.
    pub standing: Vec<String>,
    /// Why nothing is freed.
    pub frozen: Vec<String>,
    /// That no second clock is asked, when it is so: then nothing ever is.
    pub one_clock: Option<String>,
    /// Events of the log that this program does not know, with the day; a newer one wrote them.
    pub unknown: Vec<String>,
    /// When the last canary ran.
    pub canary: Option<Timestamp>,
    /// The policy in force.
    pub policy: strongroom_custody::VaultPolicy,
    /// Custodians, and how many decide.
    pub custodians: (Vec<String>, usize),
    /// Orders carried out.
    pub orders: u64,
    /// The last alarms.
    pub alarms: Vec<(Timestamp, String, String)>,
}

/// Stores and locks; a lock that was not set is set again, and an object that stays unlocked is
/// refused.
pub(crate) fn put_held(
    store: &dyn LockedStore,
    path: &str,
    bytes: &Bytes,
    until: Timestamp,
) -> Result<Held, Refusal> {
    let held = store.put_locked(path, bytes, until)?;
    must_be_held(store, held, until)
}

/// The same of what was lost, or is damaged.
pub(crate) fn put_held_again(
    store: &dyn LockedStore,
    path: &str,
    bytes: &Bytes,
    until: Timestamp,
) -> Result<Held, Refusal> {
    let held = store.put_again(path, bytes, until)?;
    must_be_held(store, held, until)
}

fn must_be_held(store: &dyn LockedStore, held: Held, until: Timestamp) -> Result<Held, Refusal> {
    store.flush()?;
    let path = held.path.clone();
    let enough = |h: &Held| h.until.is_some_and(|u| u.as_second() >= until.as_second());
    if enough(&held) {
        return Ok(held);
    }
    store.extend(&path, &held.version, until)?;
    let again = store.look(&path, &held.version)?.filter(enough);
    again.ok_or_else(|| {
        Refusal::Failed(format!("{} took {path} and does not lock it", store.location()))
    })
}

/// What was pushed was to be sealed, and nothing of it was whole; by series.
pub(crate) const NOT_SEALED: &str = "not-sealed";

/// That a push was to be sealed of which nothing is whole: it stands until a snapshot of that
/// series is published, whoever pushes it. Answers what is new.
fn not_sealed(r: &mut Repo, now: Timestamp) -> Result<Vec<(String, String)>, Refusal> {
    let mut series = waiting_series(r);
    if series.is_empty() && r.holding.ledger().state().unsealed().0 > 0 {
        // Who pushed it came to no manifest.
        series.insert(String::new());
    }
    Ok(record_alarms(&mut r.holding, &[], series.iter().map(of_series).collect(), now)?)
}

/// Series of manifests whose snapshots are not published, though nothing newer of them is. Those of
/// which nothing ever was are one, without a name: names cost nothing to invent.
fn waiting_series(r: &Repo) -> BTreeSet<String> {
    let state = r.holding.ledger().state();
    let mut newest = BTreeMap::from([(Series::DATA, (0, Timestamp::MIN))]);
    for (_, at, sealed) in state.snapshots() {
        let (number, last) = newest.entry(sealed.series()).or_insert((0, at));
        (*number, *last) = (sealed.number.max(*number), at.max(*last));
    }
    let waits = |(name, m): (&str, &Manifest)| {
        let Some((number, last)) = newest.get(&m.series()) else { return Some(String::new()) };
        // Numbers are the word of who pushes, and two may push at once.
        let came = state.objects.get(&format!("manifests/{name}")).map(|o| o.at);
        let is_new = m.number >= *number || came.is_some_and(|came| came > *last);
        is_new.then(|| m.series().to_string())
    };
    let rows = r.holding.chain().rows().into_iter();
    rows.filter(|(_, m)| !state.is_published(&m.snapshot)).filter_map(waits).collect()
}

fn of_series(series: &String) -> HostAlarm {
    let what = if series.is_empty() { String::new() } else { format!(" of {series}") };
    let text = format!(
        "a push{what} was to be sealed, and no snapshot of it is whole: it broke off, or somebody \
         else seals with its credential; this is over when one{what} is published"
    );
    HostAlarm::new(NOT_SEALED, series, &text)
}

/// Of those that stand what still waits, but for the series of which this session published a
/// snapshot; any that did ends what has no name. What stands for those that found no row is told
/// anew by them.
pub(crate) fn still_not_sealed(r: &Repo, session: Option<u64>) -> Vec<HostAlarm> {
    let state = r.holding.ledger().state();
    let sealed =
        session.and_then(|n| state.sessions.get(&n)).into_iter().flat_map(|s| &s.snapshots);
    let published: BTreeSet<String> = sealed.map(|s| s.series().to_string()).collect();
    let waiting = waiting_series(r);
    // What cannot be read may be what waits.
    let may_wait = |series: &String| match series.as_str() {
        "" => session.is_none(),
        _ => waiting.contains(series) || !r.holding.unread().is_empty(),
    };
    let stands = state.standing.iter().filter(|((kind, _), _)| kind == NOT_SEALED);
    let (rest, rows): (Vec<_>, Vec<_>) = stands.partition(|((_, series), _)| series == REST);
    let still = rows.into_iter().filter(|((_, series), _)| may_wait(series));
    let mut found: Vec<HostAlarm> =
        still.map(|((kind, series), s)| HostAlarm::new(kind, series, &s.text)).collect();
    if !rest.is_empty() {
        found.extend(waiting.iter().map(of_series));
    }
    found.retain(|a| !published.contains(&a.subject));
    found
}

/// What a seal came to, and alarms that are new.
type Sealing = (Result<u64, Refusal>, Vec<(String, String)>);

/// Seals what was pushed: what signed manifests make whole is published, what they do not name is
/// set aside. Somebody else may have sealed the session meanwhile: then it is.
pub(crate) fn seal_pushed(r: &mut Repo, session: u64, now: Timestamp) -> Result<Sealing, Refusal> {
    r.holding.reread()?;
    r.holding.take_back(now)?;
    let mut ready = BTreeSet::new();
    let waiting: Vec<String> =
        r.holding.chain().rows().into_iter().map(|(n, _)| n.to_owned()).collect();
    let state = r.holding.ledger().state();
    let known = |name: &String| {
        r.holding.chain().get(name).is_some_and(|m| state.is_published(&m.snapshot))
    };
    let mut again = false;
    for name in waiting {
        if known(&name) {
            // Named by an object of the open session: a prune of copy 2 published it anew.
            let path = format!("manifests/{name}");
            again |= state.objects.get(&path).is_some_and(|o| o.session == 0);
        } else if r.holding.is_complete(&name)? {
            ready.insert(name);
        }
    }
    let ready = r.holding.news(&ready);
    // What was lost here came again: it belongs to the session in which it came first.
    let newest = state.sessions.values().map(|s| s.at).max().unwrap_or(Timestamp::MAX);
    let is_back = state.objects.values().any(|o| o.session > 0 && o.at > newest);
    if ready.is_empty() && (again || is_back) {
        // Nothing is new: no session is made of it. Where no snapshot waits, nothing is wrong.
        let last = state.next_session().saturating_sub(1);
        if is_back {
            r.holding.ledger_mut().append(Vec::new(), now)?;
        }
        let is_whole = waiting_series(r).is_empty();
        let alarms = if is_whole { Vec::new() } else { not_sealed(r, now)? };
        return Ok((Ok(last), alarms));
    }
    if ready.is_empty() {
        let is_sealed = state.sessions.contains_key(&session);
        let alarms = not_sealed(r, now)?;
        if is_sealed {
            return Ok((Ok(session), alarms));
        }
        let why = "no manifest in it, signed by the enrolled key, is whole: nothing was sealed, \
            and nothing of it is seen";
        return Ok((Err(Refusal::Forbidden(why.into())), alarms));
    }
    let needs = r.holding.needs(&ready, now)?;
    let renewal = r.holding.renew(&needs, &strongroom_model::Silent)?;
    let ready = r.holding.renewed(&ready, &renewal)?;
    if let Some((_, text)) = renewal.alarm().filter(|_| ready.is_empty()) {
        return Err(Refusal::Failed(format!("nothing was sealed: {text}")));
    }
    let mut found = renewal.alarms();
    found.extend(r.holding.unread());
    let session = r.holding.seal(&ready, now)?;
    found.extend(still_not_sealed(r, Some(session)));
    let strays = r.holding.ledger().state().objects.values().filter(|o| o.stray).count();
    if strays > 0 {
        let text = format!(
            "{strays} objects lie in the vault that no signed manifest names; they are in no view"
        );
        found.push(HostAlarm::new("stray", "", &text));
    }
    let looked_for = ["stray", NOT_SEALED, crate::quota::FULL, crate::quota::GROWTH];
    let mut alarms = record_alarms(&mut r.holding, &looked_for, found, now)?;
    let found = suspicions(&r.holding, now);
    alarms.extend(freeze(&mut r.holding, &found, now)?.into_iter().map(|(c, t)| (c.to_owned(), t)));
    Ok((Ok(session), alarms))
}

impl Vault {
    /// Pulls what is new from copy 2. Locks are renewed first: that does not wait for copy 2, nor
    /// for the hours in which it may be read.
    pub fn pull(&self, name: &str, progress: &dyn Progress) -> Result<MirrorReport, Refusal> {
        let renewed = self.renew(name, progress);
        #[allow(clippy::disallowed_methods)] // how long it takes is a matter of real time
        let began = std::time::Instant::now();
        let pull = |r: &mut Repo| {
            sweep(r)?;
            let source = r.settings.open_source(&r.dir)?;
            let pace = Pace::new(&r.settings.pace)?;
            let (latest, vouched) =
                (r.holding.ledger().state().latest, r.holding.ledger().state().clock_vouched);
            let clock = || {
                if began.elapsed() > PULL_MAX {
                    let hours = PULL_MAX.as_secs() / 3600;
                    let text = format!(
                        "this pull took more than {hours} hours; what came in is kept, and the \
                         next one goes on from there"
                    );
                    return Err(strongroom_custody::Error::Request(text.into()));
                }
                crate::repo::ask(&r.clock, r.store.as_ref(), latest, vouched)
            };
            let (settings, dir) = (r.settings.clone(), r.dir.clone());
            let room = |held, new| {
                crate::quota::may_come(&settings, &dir, held, new)
                    .map_err(|text| strongroom_custody::Error::Full(text.into()))
            };
            let mut report = mirror(
                &mut r.holding,
                source.as_ref(),
                &MirrorOptions { pace: &pace, progress, clock: &clock, room: &room },
            )?;
            let now = r.now()?;
            // What stopped half-way did not look at everything.
            let mut looked_for = if report.paused { Vec::new() } else { OF_COPY_2.to_vec() };
            looked_for.push(NOT_SEALED);
            let mut found = of_copy_2(&report.alarms);
            found.extend(report.renewal.alarms());
            found.extend(still_not_sealed(r, report.session));
            found.extend(r.holding.unread());
            let mut fresh = record_alarms(&mut r.holding, &looked_for, found, now)?;
            let mut found = suspicions(&r.holding, now);
            let thawed = is_thawed(r.holding.ledger().state(), "shrinks", now);
            let shrinks = report.alarms.iter().find(|(kind, _)| kind == "copy-2-shrinks");
            if let Some((_, text)) = shrinks.filter(|_| !thawed) {
                found.push(("shrinks", text.clone()));
            }
            let frozen = |(code, text): (&str, String)| {
                (code.to_owned(), format!("{text}; nothing is freed until custodians say so"))
            };
            let new = freeze(&mut r.holding, &found, now)?.into_iter().map(frozen);
            fresh.extend(new.clone());
            report.alarms.extend(new);
            Ok((report, fresh))
        };
        // Outside its hours nothing was pulled.
        let counts = |(report, _): &(MirrorReport, _)| !report.paused;
        let report = self.duty(name, Duty::Pull, counts, || self.write(name, pull));
        match &report {
            // What stands already was told when it was new.
            Ok((_, fresh)) => self.raise(name, fresh),
            Err(Refusal::Busy(_)) => {}
            Err(e @ Refusal::Full(_)) => {
                self.raise(name, &[(crate::quota::FULL.to_owned(), e.to_string())]);
            }
            Err(e) => self.raise(name, &[("pull-failed".to_owned(), e.to_string())]),
        }
        let mut report = report?.0;
        report.renewal.renewed += match renewed {
            Err(Refusal::Busy(_)) => 0,
            renewed => renewed?.renewed,
        };
        Ok(report)
    }

    /// Plans what may go; freezes when copy 2 gives reason to.
    pub fn plan_expiry(&self, name: &str) -> Result<ExpiryPlan, Refusal> {
        self.write(name, |r| match r.agreed()? {
            Some(now) => Ok(plan_expiry(&mut r.holding, now)?),
            None => Ok(ExpiryPlan::of_one_clock()),
        })
    }

    /// Lets go what may go.
    pub fn expire(
        &self,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<(ExpiryPlan, u64), Refusal> {
        let work = |r: &mut Repo| {
            let Some(now) = r.agreed()? else { return Ok((ExpiryPlan::of_one_clock(), 0)) };
            let plan = plan_expiry(&mut r.holding, now)?;
            let freed = match plan.frozen.is_empty() {
                true => expire(&mut r.holding, &plan, now, progress)?,
                false => 0,
            };
            free_canaries(r, now.at());
            Ok((plan, freed))
        };
        self.duty(name, Duty::Expire, |_| true, || self.write(name, work))
    }

    /// Looks whether everything is there and locked.
    pub fn verify(
        &self,
        name: &str,
        options: AuditOptions,
        progress: &dyn Progress,
    ) -> Result<AuditReport, Refusal> {
        let look = |r: &mut Repo| {
            let now = r.now()?;
            let report = audit(&mut r.holding, options, now, progress)?;
            // What custodians bear is not told each day.
            let standing = &r.holding.ledger().state().standing;
            let is_open =
                |kind: &str| standing.iter().any(|((k, _), s)| k == kind && s.is_open(now));
            let mut alarms = report.alarms();
            alarms.retain(|(kind, _)| is_open(kind));
            Ok((report, alarms))
        };
        let done = self.duty(name, Duty::Verify, |_| true, || self.write(name, look));
        let (report, alarms) = done?;
        self.raise(name, &alarms);
        Ok(report)
    }

    /// Attacks itself with its own credential; answers the report and the signed form of it.
    pub fn canary(&self, name: &str) -> Result<(CanaryReport, Vec<u8>), Refusal> {
        let key = self.key()?;
        let attack = |r: &mut Repo| {
            let now = r.now()?;
            let report = match (&r.bucket, &r.settings.hold) {
                (Some(bucket), crate::HoldEntry::S3(entry)) => {
                    let twin = entry
                        .twin_bucket
                        .as_deref()
                        .map(|t| crate::settings::open_bucket(entry, &r.dir, Some(t)))
                        .transpose()?;
                    s3_canary(bucket, twin.as_ref(), now)?
                }
                _ => local_canary(r, now)?,
            };
            let signed = report.sign(&key)?;
            let event = LogEvent::Canary {
                at: now,
                refused: report.refused(),
                worked: report.worked(),
                not_tested: report.not_tested(),
            };
            r.holding.ledger_mut().append(vec![event], now)?;
            let found = of_canary(&r.holding, &report);
            record_alarms(&mut r.holding, &["canary"], found, now)?;
            let dir = r.dir.join("canary");
            std::fs::create_dir_all(&dir)?;
            std::fs::write(dir.join(format!("{}.jsonl", now.as_second())), &signed)?;
            Ok((report, signed))
        };
        let attacked = self.duty(name, Duty::Canary, |_| true, || self.write(name, attack));
        let (report, signed) = attacked?;
        let worked: Vec<(String, String)> = report
            .worked()
            .into_iter()
            .map(|w| {
                (
                    "canary".to_owned(),
                    format!("with the credential {} it was possible to {w}", report.holder),
                )
            })
            .collect();
        self.raise(name, &worked);
        Ok((report, signed))
    }

    /// How a repository stands.
    pub fn status(&self, name: &str) -> Result<VaultStatus, Refusal> {
        self.read(name, |r| {
            let state = r.holding.ledger().state();
            let (objects, bytes, _, locked_until) = state.held();
            let needs = r.holding.needs(&BTreeSet::new(), state.latest)?;
            let enrolment = state.enrolled()?;
            Ok(VaultStatus {
                name: name.to_owned(),
                place: r.store.location(),
                region: region(enrolment),
                objects,
                bytes,
                stray_bytes: state.objects.values().filter(|o| o.stray).map(|o| o.size_bytes).sum(),
                sessions: state.sessions.len() as u64,
                newest: state.sessions.values().map(|s| s.at).max(),
                least_lock: needs
                    .paths
                    .keys()
                    .filter_map(|p| state.objects.get(p))
                    .map(|o| o.until)
                    .min(),
                locked_until,
                standing: sentences(&self.standing_of(name, r)),
                frozen: state.frozen.keys().cloned().collect(),
                one_clock: one_clock(r)?,
                unknown: state
                    .unknown
                    .iter()
                    .map(|e| format!("{} of {}", e.kind, e.at.strftime("%Y-%m-%d")))
                    .collect(),
                canary: state.canary,
                policy: state.policy.clone(),
                custodians: (
                    enrolment.custodians.iter().map(|c| c.name.clone()).collect(),
                    enrolment.quorum,
                ),
                orders: state.orders.len() as u64,
                alarms: state.alarms.iter().rev().take(10).rev().cloned().collect(),
            })
        })
    }

    /// What is wrong with a repository for as long as it is so, graver things first; why it is
    /// frozen, last.
    pub fn standing(&self, name: &str) -> Result<Vec<AlarmStatus>, Refusal> {
        self.read(name, |r| {
            let mut all = self.standing_of(name, r);
            let frozen = r.holding.ledger().state().frozen.iter();
            all.extend(frozen.map(|(why, since)| AlarmStatus {
                kind: "frozen".to_owned(),
                subject: String::new(),
                text: strongroom_custody::plain(&format!("{why}; since {since:.0}")),
                // Nobody bears it for a while: an order ends it.
                since: None,
                acknowledged: None,
                open: true,
            }));
            Ok(all)
        })
    }

    fn standing_of(&self, name: &str, r: &Repo) -> Vec<AlarmStatus> {
        let now = crate::heartbeat::now();
        let state = r.holding.ledger().state();
        let of =
            |((kind, subject), s): (&(String, String), &strongroom_custody::StandingHostAlarm)| {
                AlarmStatus {
                    kind: kind.clone(),
                    subject: subject.clone(),
                    text: s.text.clone(),
                    since: Some(s.since),
                    acknowledged: s.acknowledged,
                    open: s.is_open(now),
                }
            };
        let mut all: Vec<AlarmStatus> = state.standing.iter().map(of).collect();
        let told = |kind: &str, text: String| AlarmStatus {
            kind: kind.to_owned(),
            subject: String::new(),
            text: strongroom_custody::plain(&text),
            since: None,
            acknowledged: None,
            open: true,
        };
        let unread = r.holding.unread().into_iter();
        let unread = unread.map(|a| (a.kind, a.subject, a.text));
        let is_new = |(kind, subject, _): &(String, String, String)| {
            !state.standing.contains_key(&(kind.clone(), subject.clone()))
        };
        all.extend(
            unread
                .filter(is_new)
                .map(|(kind, subject, text)| AlarmStatus { subject, ..told(&kind, text) }),
        );
        let is_told = all.iter().any(|a| a.kind == "lost" || a.kind == "damaged");
        all.extend(r.holding.lost().filter(|_| !is_told).map(|text| told("lost", text)));
        all.extend(r.holding.without_keys().map(|text| told(strongroom_custody::NO_KEYS, text)));
        all.extend(self.late(name).into_iter().map(|text| told("work", text)));
        all.sort_by_key(|a| (rank(&a.kind), a.kind.clone(), a.subject.clone()));
        all
    }

    /// Objects with their locks; all of them, or those below a path.
    pub fn rows(&self, name: &str, below: &str) -> Result<Vec<LockedObject>, Refusal> {
        self.look(name, |r| {
            let state = r.holding.ledger().state();
            let needs = r.holding.needs(&BTreeSet::new(), state.latest)?;
            let region = region(state.enrolled()?);
            let rows = state.objects.iter().filter(|(p, _)| p.starts_with(below));
            Ok(rows
                .map(|(p, o)| LockedObject {
                    path: p.clone(),
                    version: o.version.clone(),
                    size_bytes: o.size_bytes,
                    arrived: o.at,
                    until: o.until,
                    needed: needs.paths.get(p).copied(),
                    region: region.clone(),
                })
                .collect())
        })
    }

    /// Lays a view out as a restic repository; answers how many objects it has. Runs on the vault's
    /// host.
    pub fn lay_out(&self, name: &str, upto: Option<u64>, out: &Path) -> Result<u64, Refusal> {
        if out.exists() && std::fs::read_dir(out)?.next().is_some() {
            return Err(Refusal::Bad(format!(
                "{} is not empty; nothing was laid out",
                out.display()
            )));
        }
        let view = self.view(name, upto)?;
        let to = LocalDir::new(out);
        for kind in Kind::DIRECTORIES {
            std::fs::create_dir_all(out.join(kind.as_str()))?;
        }
        let keys = view.keys()?;
        for key in &keys {
            to.put(key, &view.get(key)?)?;
        }
        to.flush()?;
        Ok(keys.len() as u64)
    }
}

/// Removes what killed runs left half-written more than a day ago. Failing at it stops nothing.
pub(crate) fn sweep(r: &Repo) -> Result<(), Refusal> {
    let before = r.now()?.checked_sub(jiff::SignedDuration::from_hours(24));
    match r.store.sweep(before.unwrap_or(Timestamp::MIN)) {
        Ok(0) => {}
        Ok(n) => tracing::info!("{n} files of killed runs were removed"),
        Err(e) => tracing::warn!("what killed runs left was not removed: {e}"),
    }
    Ok(())
}

/// That no second clock is asked, or that none said anything for so long that it looks as if there
/// were none.
fn one_clock(r: &Repo) -> Result<Option<String>, Refusal> {
    if r.settings.ntp.is_empty() && r.bucket.is_none() {
        return Ok(Some(NO_SECOND_CLOCK.to_owned()));
    }
    let last = r.clock.last_agreed()?;
    let is_long = |t: Timestamp| crate::heartbeat::now().duration_since(t) > SILENT_CLOCK;
    Ok(last.is_none_or(is_long).then(|| {
        let since = last.map_or_else(|| "ever".to_owned(), |t| format!("since {t:.0}"));
        format!(
            "no other clock said so {since}, so nothing is freed: NTP servers that the settings \
             name do not answer, or the bucket's server tells no time"
        )
    }))
}

/// A sentence for each kind of what stands open.
fn sentences(all: &[AlarmStatus]) -> Vec<String> {
    let mut out: Vec<(&str, u64, &str)> = Vec::new();
    for a in all.iter().filter(|a| a.open) {
        match out.last_mut() {
            // What the vault's own work says are sentences of their own.
            Some((kind, n, _)) if *kind == a.kind && a.since.is_some() => *n += 1,
            _ => out.push((&a.kind, 1, &a.text)),
        }
    }
    let sentence = |(kind, n, text): (&str, u64, &str)| match n {
        1 => text.to_owned(),
        n => format!("{n} alarms {kind}: {text}"),
    };
    out.into_iter().map(sentence).collect()
}

/// Canaries whose locks are over go: nothing needs them, and the log does not know them.
fn free_canaries(r: &Repo, now: Timestamp) {
    let rows = match r.store.survey("canary/") {
        Ok(rows) => rows,
        Err(e) => return tracing::warn!("canaries cannot be listed: {e}"),
    };
    let old = now.checked_sub(jiff::SignedDuration::from_hours(26)).unwrap_or(now);
    for row in rows.iter().filter(|row| !row.marker && row.modified < old) {
        if let Err(e) = r.store.free(&row.path, &row.version, now) {
            tracing::warn!("a canary stays: {e}");
        }
    }
}

fn region(enrolment: &strongroom_custody::Enrolment) -> String {
    enrolment.facts.get("region").cloned().unwrap_or_else(|| "this host".into())
}

/// What the vault's own process can do to a file of its own folder, asked of the code that would do
/// it.
fn local_canary(r: &Repo, now: Timestamp) -> Result<CanaryReport, Refusal> {
    let mut report = CanaryReport::new("the vault's own process".into(), r.store.location(), now);
    let path = format!("canary/vault/{}", now.as_nanosecond());
    let until = now.checked_add(jiff::SignedDuration::from_hours(26)).unwrap_or(Timestamp::MAX);
    let body = Bytes::from(format!("canary at {now}\n"));
    let held = r.store.put_locked(&path, &body, until)?;
    let sooner = now.checked_add(jiff::SignedDuration::from_hours(1)).unwrap_or(now);
    let intact = || -> Result<bool, Refusal> {
        let there = r
            .store
            .look(&path, &held.version)?
            .is_some_and(|h| h.until.is_some_and(|u| u.as_second() >= until.as_second()));
        Ok(there && r.store.fetch(&path, &held.version, None)? == body)
    };
    let mut add =
        |name: &str, done: Result<(), strongroom_objects::StoreError>| -> Result<(), Refusal> {
            let outcome = match (done, intact()?) {
                (_, false) => CanaryOutcome::Worked,
                (Err(e @ strongroom_objects::StoreError::Refused { .. }), true) => {
                    CanaryOutcome::Refused { code: e.to_string() }
                }
                // A full disk is no evidence.
                (Err(e), true) => CanaryOutcome::NotTested { why: e.to_string() },
                (Ok(()), true) => CanaryOutcome::Harmless { why: "nothing changed".into() },
            };
            report.add(name, outcome);
            Ok(())
        };
    add("delete a locked object", r.store.free(&path, &held.version, now))?;
    add("shorten a lock", r.store.extend(&path, &held.version, sooner))?;
    add(
        "overwrite an object",
        r.store.put_locked(&path, &Bytes::from_static(b"something else"), until).map(|_| ()),
    )?;
    // What the kernel says to somebody who does not ask this program.
    if let crate::HoldEntry::Local { immutable: true } = r.settings.hold {
        let file = r.dir.join("hold").join(&path);
        let removed = std::fs::remove_file(&file);
        let outcome = match &removed {
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                CanaryOutcome::Refused { code: e.to_string() }
            }
            Err(e) => CanaryOutcome::NotTested { why: e.to_string() },
            Ok(()) => CanaryOutcome::NotTested {
                why: "the kernel sets no immutable flag here: whoever \
                is root on this host can delete"
                    .into(),
            },
        };
        report.add("delete the file past this program", outcome);
    } else {
        report.add(
            "delete the file past this program",
            CanaryOutcome::NotTested {
                why: "the settings want no immutable flag: whoever is root on this host can delete"
                    .into(),
            },
        );
    }
    Ok(report)
}

/// Tries a bucket that settings name, before it is entrusted with anything.
pub fn probe_settings(path: &Path) -> Result<Vec<strongroom_custody::ProbeResult>, Refusal> {
    let settings = crate::RepoSettings::read(path)?;
    let base = std::path::absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
    let (_, bucket) = settings.open_hold(&base)?;
    let bucket =
        bucket.ok_or_else(|| Refusal::Bad(format!("{} names no bucket", path.display())))?;
    Ok(strongroom_custody::probe(&bucket, strongroom_custody::host_time()?)?)
}

impl Vault {
    /// Requests that this process sent to the place of a repository.
    pub fn requests(&self, name: &str) -> Result<u64, Refusal> {
        self.read(name, |r| Ok(r.store.requests()))
    }
}
