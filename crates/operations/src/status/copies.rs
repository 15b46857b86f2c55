//! How old the copies are: as they show themselves now, or else as this host noted them.

use super::{AlarmRow, CopyState, Grade, StatusFinding, age};
use crate::{Duty, Error, Kind, School, backup::made};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::{path::PathBuf, time::Duration};
use strongroom_custody::{
    heartbeat::{Beat, Heartbeat},
    plain,
};
use strongroom_engine::MadeBefore;
use strongroom_model::{AlarmKind, Record, Series};
use strongroom_objects::{SealedSession, VaultRest};
use strongroom_repository::{
    AHEAD_S_MAX, Glance, Id, Snapshot, TAG_ALARM, TAG_CLEAN, heads, is_from_the_future, lineage,
};

/// Snapshots that copy 3 lacks are named up to so many.
const LACKS_MAX: usize = 50;

/// Copy 2.
#[derive(Debug, Clone, Serialize)]
pub struct Copy2State {
    /// How it stands, by its newest snapshot of the data.
    pub state: CopyState,
    /// Why it is not known, or is missing.
    pub why: Option<String>,
    /// When this host noted these figures; `null` where the copy itself was asked.
    pub as_of: Option<Timestamp>,
    /// Whether it answered; `null` where it was not asked.
    pub reachable: Option<bool>,
    /// The newest snapshot of the data.
    pub data: Option<Newest>,
    /// The newest snapshot of the settings.
    pub settings: Option<Newest>,
    /// The last snapshot of the data that is clean.
    pub clean_point: Option<SnapshotAge>,
    /// When a run that has not ended left what it had until then; `null` where none did, or where
    /// that is not known.
    pub partial: Option<Timestamp>,
}

/// The newest snapshot of a series.
#[derive(Debug, Clone, Serialize)]
pub struct Newest {
    /// Its id.
    pub snapshot: String,
    /// When the run began that made it.
    pub time: Timestamp,
    /// How long ago that is, in seconds.
    pub age_s: i64,
    /// Whether it is clean.
    pub clean: bool,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotAge {
    /// Its id.
    pub snapshot: String,
    /// When the run began that made it.
    pub time: Timestamp,
    /// How long ago that is, in seconds.
    pub age_s: i64,
}

/// Copy 3.
#[derive(Debug, Clone, Serialize)]
pub struct Copy3State {
    /// How it stands.
    pub state: CopyState,
    /// `server`, `bucket`, `folder`, `pulls` or `none`.
    pub how: &'static str,
    /// Why it is not known, is missing or is told elsewhere.
    pub why: Option<String>,
    /// When this host noted these figures; `null` where the copy itself was asked.
    pub as_of: Option<Timestamp>,
    /// Whether it answered; `null` where it was not asked.
    pub reachable: Option<bool>,
    /// The newest session with data.
    pub session: Option<u64>,
    /// When that was sealed, by the vault's clock; or when this host brought it there last.
    pub sealed_at: Option<Timestamp>,
    /// How long ago that is, in seconds.
    pub age_s: Option<i64>,
    /// Snapshots of the data in copy 2 that are newer than what it holds, the newest first.
    pub lacks: Option<Vec<String>>,
}

impl Copy2State {
    pub(super) fn unknown() -> Self {
        Self {
            state: CopyState::Unknown,
            why: None,
            as_of: None,
            reachable: None,
            data: None,
            settings: None,
            clean_point: None,
            partial: None,
        }
    }
}

impl Copy3State {
    pub(super) fn unknown() -> Self {
        Self {
            state: CopyState::Unknown,
            how: "none",
            why: None,
            as_of: None,
            reachable: None,
            session: None,
            sealed_at: None,
            age_s: None,
            lacks: None,
        }
    }
}

/// What the copies answered; nothing where they were not asked.
#[derive(Default)]
pub(super) struct Seen {
    copy2: Option<Result<Glance, (Kind, String)>>,
    copy3: Option<Result<Vec<SealedSession>, String>>,
}

/// What is judged, and by what.
pub(super) struct StatusContext<'s> {
    pub(super) school: &'s School,
    pub(super) now: Timestamp,
    pub(super) max_age: SignedDuration,
    pub(super) offline: bool,
}

impl StatusContext<'_> {
    fn age_s(&self, at: Timestamp) -> i64 {
        self.now.duration_since(at).as_secs()
    }

    fn is_old(&self, at: Timestamp) -> bool {
        self.now.duration_since(at) > self.max_age
    }

    fn is_ahead(&self, at: Timestamp) -> bool {
        at.as_second() > self.now.as_second() + AHEAD_S_MAX
    }

    fn newest(&self, (id, s): &(Id, Snapshot)) -> Newest {
        Newest {
            snapshot: id.to_string(),
            time: s.time,
            age_s: self.age_s(s.time),
            clean: s.has_tag(TAG_CLEAN),
            tags: s.tags.clone(),
        }
    }

    /// What this host noted of the last snapshot that a duty made, and when.
    fn noted(&self, beat: Option<&Beat>) -> Option<(Newest, Timestamp)> {
        let (beat, last) = (beat?, beat?.last.as_ref()?);
        let tags = last.tags.clone().unwrap_or_default();
        let newest = Newest {
            snapshot: last.snapshot.clone()?,
            time: last.began,
            age_s: self.age_s(last.began),
            clean: tags.iter().any(|t| t == TAG_CLEAN),
            tags,
        };
        Some((newest, beat.done?))
    }
}

fn beat(kept: Option<&Record<Heartbeat>>, duty: Duty) -> Option<&Beat> {
    kept?.duties.get(duty.name())
}

/// Asks both copies of a school, each for so long.
pub(super) async fn look(school: &School, cache: Option<PathBuf>, patience: Duration) -> Seen {
    let of = school.clone();
    let copy2 = asked(patience, move || of.copy2()?.glance(cache.as_deref()));
    let is_server = |school: &School| {
        let vault = school.tenant().vault.as_ref().map(|v| school.config().vault(v));
        matches!(vault, Some(Ok(v)) if v.url.is_some())
    };
    let of = is_server(school).then(|| school.clone());
    let copy3 = async move {
        let of = of?;
        let sessions = move || Ok(VaultRest::new(of.vault()?.server()?)?.sessions()?);
        Some(asked(patience, sessions).await.map_err(|(_, why)| why))
    };
    let (copy2, copy3) = tokio::join!(copy2, copy3);
    Seen { copy2: Some(copy2), copy3 }
}

async fn asked<T: Send + 'static>(
    patience: Duration,
    ask: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, (Kind, String)> {
    match tokio::time::timeout(patience, tokio::task::spawn_blocking(ask)).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(e))) => Err((e.kind(), e.sentence())),
        Ok(Err(e)) => Err((Kind::Internal, Error::stopped(e).sentence())),
        Err(_) => Err((Kind::Copy, format!("it did not answer within {} s", patience.as_secs()))),
    }
}

const COPY2: &str = "copy 2";
const COPY3: &str = "copy 3";

/// How copy 2 stands, and the alarms that its newest snapshot bears.
pub(super) fn copy2(
    about: &StatusContext<'_>,
    seen: &Seen,
    kept: Option<&Record<Heartbeat>>,
    found: &mut Vec<StatusFinding>,
) -> (Copy2State, Option<Vec<AlarmRow>>) {
    match &seen.copy2 {
        Some(Ok(glance)) => shown(about, glance, kept, found),
        Some(Err((kind, why))) => {
            let (mut copy, alarms) = noted(about, kept);
            copy.reachable = match kind {
                Kind::NoRepository | Kind::WrongKey => Some(true),
                // It was not asked.
                Kind::Configuration | Kind::Files | Kind::Request | Kind::Internal => None,
                _ => Some(false),
            };
            copy.why = Some(why.clone());
            copy.state = CopyState::Unknown;
            let mut grade = Grade::Unknown;
            if *kind == Kind::NoRepository {
                copy.state = CopyState::Missing;
                // What was there and is gone is worse than what was never made.
                grade = if copy.data.is_some() { Grade::Alarm } else { Grade::Overdue };
            }
            found.push(StatusFinding::new(grade, COPY2, format!("copy 2: {why}")));
            (copy, alarms)
        }
        None => {
            let (mut copy, alarms) = noted(about, kept);
            match copy.data.as_ref().map(|d| d.time) {
                Some(time) if about.is_ahead(time) => {
                    let why = format!("this host noted a backup of {time:.0}, which has not come");
                    found.push(StatusFinding::new(Grade::Unknown, COPY2, format!("copy 2: {why}")));
                    copy.why = Some(why);
                }
                Some(time) => copy.state = aged(about, time, found),
                None => {
                    let why = "this host noted no backup, and copy 2 was not asked";
                    copy.why = Some(why.to_owned());
                    found.push(StatusFinding::new(Grade::Unknown, COPY2, why));
                }
            }
            (copy, alarms)
        }
    }
}

/// How a copy 2 stands whose newest snapshot is of this time.
fn aged(about: &StatusContext<'_>, time: Timestamp, found: &mut Vec<StatusFinding>) -> CopyState {
    match about.is_old(time) {
        true => {
            let text = format!("copy 2 is late: its newest data is {} old", age(about.age_s(time)));
            found.push(StatusFinding::new(Grade::Overdue, COPY2, text));
            CopyState::Late
        }
        false => CopyState::Ok,
    }
}

/// As this host noted it.
fn noted(
    about: &StatusContext<'_>,
    kept: Option<&Record<Heartbeat>>,
) -> (Copy2State, Option<Vec<AlarmRow>>) {
    let mut copy = Copy2State::unknown();
    copy.settings = about.noted(beat(kept, Duty::Settings)).map(|(newest, _)| newest);
    let Some((data, at)) = about.noted(beat(kept, Duty::Backup)) else { return (copy, None) };
    copy.as_of = Some(at);
    copy.clean_point = data.clean.then(|| SnapshotAge {
        snapshot: data.snapshot.clone(),
        time: data.time,
        age_s: data.age_s,
    });
    let alarms = of_tags(&data.snapshot, &data.tags, |_| None);
    copy.data = Some(data);
    (copy, Some(alarms))
}

/// As it shows itself.
fn shown(
    about: &StatusContext<'_>,
    glance: &Glance,
    kept: Option<&Record<Heartbeat>>,
    found: &mut Vec<StatusFinding>,
) -> (Copy2State, Option<Vec<AlarmRow>>) {
    let (all, name) = (&glance.snapshots, about.school.name());
    let mut copy = Copy2State { reachable: Some(true), ..Copy2State::unknown() };
    let is_ours = |s: &Snapshot| s.is_ours() && s.hostname == *name;
    let partial = all.iter().rfind(|(_, s)| s.is_partial() && is_ours(s) && s.series().is_data());
    copy.partial = partial.map(|(_, s)| s.time);
    copy.settings = heads(all, name, &Series::SETTINGS).last().map(|head| about.newest(head));
    let mut unknown = |copy: &mut Copy2State, why: String| {
        found.push(StatusFinding::new(Grade::Unknown, COPY2, format!("copy 2: {why}")));
        (copy.state, copy.why) = (CopyState::Unknown, Some(why));
    };
    // It may be the newest one, or a hold: nobody knows.
    let rotten = glance.passed_over.iter().find(|s| !s.is_foreign);
    let noted = about.noted(beat(kept, Duty::Backup)).map(|(noted, _)| noted);
    let heads = heads(all, name, &Series::DATA);
    let gone_from = |made: MadeBefore| made.gone_from(all, name, &Series::DATA);
    let lost = made(beat(kept, Duty::Backup)).and_then(gone_from);
    let Some(head) = heads.last().copied() else {
        if let Some(s) = rotten {
            unknown(&mut copy, format!("{}: {}", s.object, s.why.quoted()));
        } else {
            let why = "it holds no snapshot of the data";
            copy.why = Some(why.to_owned());
            copy.state = CopyState::Missing;
            found.push(StatusFinding::new(Grade::Overdue, COPY2, format!("copy 2: {why}")));
        }
        // What this host saw there stands, though nothing is left that says it.
        let alarms = match (noted, rotten) {
            (Some(noted), None) => Some(gone(lost, &noted)),
            // It lies there, and cannot be read.
            (Some(noted), Some(_)) => {
                let bore = of_tags(&noted.snapshot, &noted.tags, |_| None);
                bore.iter().any(|a| a.open).then_some(bore)
            }
            (None, None) => Some(Vec::new()),
            // Nobody knows what stands where nothing says it.
            (None, Some(_)) => None,
        };
        return (copy, alarms);
    };
    copy.data = Some(about.newest(head));
    let line = lineage(all, head);
    copy.clean_point = line.iter().find(|(_, s)| s.has_tag(TAG_CLEAN)).map(|(id, s)| SnapshotAge {
        snapshot: id.to_string(),
        time: s.time,
        age_s: about.age_s(s.time),
    });
    let since = |tag: &str| {
        let bearing = line.iter().take_while(|(_, s)| s.has_tag(tag));
        bearing.last().map(|(_, s)| s.time)
    };
    let mut alarms = of_tags(&head.0.to_string(), &head.1.tags, since);
    let is_sure = rotten.is_none() && heads.len() == 1;
    if let Some(s) = rotten {
        unknown(&mut copy, format!("{}: {}", s.object, s.why.quoted()));
    } else if heads.len() > 1 {
        let why = "two snapshots claim to be the newest of the data";
        unknown(&mut copy, why.to_owned());
    } else if is_from_the_future(&head.1, about.now) {
        unknown(
            &mut copy,
            format!("its newest snapshot is of {:.0}, which has not come", head.1.time),
        );
    } else {
        copy.state = aged(about, head.1.time, found);
    }
    if lost.is_some()
        && let Some(noted) = noted
    {
        alarms.extend(gone(lost, &noted));
    }
    let foreign = glance.passed_over.iter().filter(|s| s.is_foreign).count();
    if foreign > 0 {
        let text =
            format!("copy 2: {foreign} objects lie among its snapshots that are none of ours");
        found.push(StatusFinding::new(Grade::Warning, COPY2, text));
    }
    // Where it is not known which one is the newest, that an older one bears none says nothing.
    let some_open = alarms.iter().any(|a| a.open);
    (copy, (is_sure || some_open).then_some(alarms))
}

/// What stands where the last snapshot that this host made is gone, and no newer one is there:
/// that, in these words, and the alarms that it bore.
fn gone(says: Option<String>, made: &Newest) -> Vec<AlarmRow> {
    let row = says.map(|text| AlarmRow {
        kind: AlarmKind::SnapshotGone.as_str().to_owned(),
        subject: None,
        severity: Some("high"),
        open: true,
        text,
        since: None,
    });
    let bore = of_tags(&made.snapshot, &made.tags, |_| None);
    row.into_iter().chain(bore).collect()
}

/// The alarms that a snapshot of the data bears; `since` knows since when it is so.
fn of_tags(
    snapshot: &str,
    tags: &[String],
    since: impl Fn(&str) -> Option<Timestamp>,
) -> Vec<AlarmRow> {
    let is_clean = tags.iter().any(|t| t == TAG_CLEAN);
    let severity = |kind: &str| {
        let known = serde_json::from_value::<AlarmKind>(kind.into()).ok();
        match known.is_some_and(AlarmKind::is_of_data) {
            true => Some("high"),
            // What a clean snapshot bears besides is no high one.
            false => is_clean.then_some("notice"),
        }
    };
    let named = tags.iter().filter_map(|tag| Some((tag, tag.strip_prefix(TAG_ALARM)?)));
    let mut rows: Vec<AlarmRow> = named
        .map(|(tag, kind)| AlarmRow {
            kind: plain(kind),
            subject: None,
            severity: severity(kind),
            open: !is_clean,
            text: format!(
                "{}: a backup raised it, and it stands in snapshot {snapshot:.8}",
                plain(kind)
            ),
            since: since(tag),
        })
        .collect();
    if rows.is_empty() && !is_clean {
        rows.push(AlarmRow {
            kind: "not-clean".to_owned(),
            subject: None,
            severity: Some("high"),
            open: true,
            text: format!("snapshot {snapshot:.8} is not clean, and does not say why"),
            since: None,
        });
    }
    rows
}

/// How copy 3 stands.
pub(super) fn copy3(
    about: &StatusContext<'_>,
    seen: &Seen,
    copy2: &Copy2State,
    kept: Option<&Record<Heartbeat>>,
    found: &mut Vec<StatusFinding>,
) -> Copy3State {
    let school = about.school;
    let mut copy = Copy3State::unknown();
    let Some(name) = &school.tenant().vault else {
        copy.state = CopyState::None;
        return copy;
    };
    copy.how = match school.config().vault(name) {
        Ok(v) if v.url.is_some() => "server",
        Ok(v) if v.s3.is_some() => "bucket",
        Ok(v) if v.hold.is_some() => "folder",
        _ => "pulls",
    };
    if matches!(copy.how, "folder" | "pulls") {
        let why = "the vault fetches for itself, and its own host says how it stands";
        (copy.state, copy.why) = (CopyState::Elsewhere, Some(why.to_owned()));
        found.push(StatusFinding::new(Grade::Note, COPY3, format!("copy 3: {why}")));
        return copy;
    }
    let unknown = |copy: &mut Copy3State, why: &str, found: &mut Vec<StatusFinding>| {
        found.push(StatusFinding::new(Grade::Unknown, COPY3, format!("copy 3: {why}")));
        (copy.state, copy.why) = (CopyState::Unknown, Some(why.to_owned()));
    };
    let by_note = |copy: &mut Copy3State| {
        let beat = beat(kept, Duty::Replicate)?;
        let at = beat.done?;
        (copy.as_of, copy.sealed_at) = (Some(at), Some(at));
        copy.age_s = Some(about.age_s(at));
        Some(at)
    };
    match &seen.copy3 {
        Some(Ok(sessions)) => {
            copy.reachable = Some(true);
            let holds = |s: &&SealedSession| s.snapshots.iter().any(|x| x.series.is_data());
            let Some(newest) = sessions.iter().rfind(holds) else {
                let why = "it holds no data of this school";
                (copy.state, copy.why) = (CopyState::Missing, Some(why.to_owned()));
                found.push(StatusFinding::new(Grade::Overdue, COPY3, format!("copy 3: {why}")));
                return copy;
            };
            copy.session = Some(newest.session);
            copy.lacks = lacks(seen, school, sessions);
            match newest.sealed_at.parse::<Timestamp>() {
                Ok(at) if !about.is_ahead(at) => {
                    (copy.sealed_at, copy.age_s) = (Some(at), Some(about.age_s(at)));
                    copy.state = aged3(about, at, &copy, seen, found);
                }
                _ => {
                    unknown(&mut copy, "it does not say when its newest session was sealed", found)
                }
            }
        }
        Some(Err(why)) => {
            let _ = by_note(&mut copy);
            copy.reachable = Some(false);
            unknown(&mut copy, why, found);
        }
        None if !school.owes(Duty::Replicate) => {
            let why = "another host brings it up to date, and says how it stands";
            (copy.state, copy.why) = (CopyState::Elsewhere, Some(why.to_owned()));
            found.push(StatusFinding::new(Grade::Note, COPY3, format!("copy 3: {why}")));
        }
        None => match by_note(&mut copy) {
            Some(at) if about.is_ahead(at) => {
                let why = format!("this host noted that it came at {at:.0}, which has not come");
                unknown(&mut copy, &why, found);
            }
            Some(at) => {
                let newest = copy2.data.as_ref().map(|d| &d.snapshot);
                let brought =
                    beat(kept, Duty::Replicate).and_then(|b| b.last.as_ref()?.snapshot.as_ref());
                if brought.is_some() && newest.is_some() {
                    let is_there = brought == newest;
                    copy.lacks = Some(newest.filter(|_| !is_there).into_iter().cloned().collect());
                }
                copy.state = aged3(about, at, &copy, seen, found);
            }
            None => {
                let why = match about.offline {
                    true => "this host noted nothing of it, and it was not asked",
                    false => "this host never brought anything there",
                };
                unknown(&mut copy, why, found);
            }
        },
    }
    copy
}

/// How a copy 3 stands whose newest session is of this time.
fn aged3(
    about: &StatusContext<'_>,
    at: Timestamp,
    copy: &Copy3State,
    seen: &Seen,
    found: &mut Vec<StatusFinding>,
) -> CopyState {
    let of = |id: &String| match &seen.copy2 {
        Some(Ok(glance)) => {
            glance.snapshots.iter().find(|(other, _)| other.to_string() == *id).map(|(_, s)| s.time)
        }
        _ => None,
    };
    let first = copy.lacks.iter().flatten().next_back().and_then(of);
    let text = match first.filter(|first| about.is_old(*first)) {
        _ if about.is_old(at) => {
            format!("copy 3 is late: its newest data came {} ago", age(about.age_s(at)))
        }
        Some(first) => {
            let n = copy.lacks.as_ref().map_or(0, Vec::len);
            format!("copy 3 is late: it lacks {n} snapshots, the first of {first:.0}")
        }
        None => return CopyState::Ok,
    };
    found.push(StatusFinding::new(Grade::Overdue, COPY3, text));
    CopyState::Late
}

/// Snapshots of the data that are newer than what the sessions hold.
fn lacks(seen: &Seen, school: &School, sessions: &[SealedSession]) -> Option<Vec<String>> {
    let Some(Ok(glance)) = &seen.copy2 else { return None };
    let all = &glance.snapshots;
    let held = |id: &Id| {
        let id = id.to_string();
        sessions.iter().any(|s| s.snapshots.iter().any(|x| x.snapshot == id))
    };
    let head = heads(all, school.name(), &Series::DATA).last().copied()?;
    let newer = lineage(all, head).into_iter().take_while(|(id, _)| !held(id));
    Some(newer.take(LACKS_MAX).map(|(id, _)| id.to_string()).collect())
}
