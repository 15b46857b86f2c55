//! How all schools stand: how old each copy is, which alarms stand, what was covered, when
//! certificates end, how much room is left, what is due and what is late.
//!
//! It is asked often, of many schools, so it costs little: of copy 2 the snapshots are looked at
//! and nothing below them, of copy 3 its list of sessions, and the rest is what this host noted.
//! What is not known is `null`, with a finding that says why; it is never 0.

mod copies;
mod decisions;
mod duties;
mod host;
mod prometheus;

pub use copies::{Copy2State, Copy3State, Newest, SnapshotAge};
pub use duties::{DutyRow, DutyState};
pub use host::{CERTIFICATE_DAYS_MIN, CertificateRow, DiskRow};
pub use prometheus::prometheus;

use crate::School;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc, time::Duration};
use strongroom_custody::heartbeat::{Counts, Heartbeat};
use strongroom_model::{Ending, Record};
use tokio::{sync::Semaphore, task::JoinSet};

/// Schools that are looked at at the same time.
const AT_ONCE: usize = 8;
/// For a school's copies to answer. Its figures are those that this host noted, where they do not.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatusOptions {
    /// No copy is asked: what this host noted is all.
    pub offline: bool,
    /// A copy is late that is older; twice what the configuration says of a night, otherwise.
    pub max_age_hours: Option<u32>,
}

/// How all schools stand.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Version of this form.
    pub v: u32,
    /// When they were looked at.
    pub at: Timestamp,
    /// In the order of the configuration.
    pub schools: Vec<SchoolStatus>,
}

/// How a school stands.
#[derive(Debug, Clone, Serialize)]
pub struct SchoolStatus {
    /// Its name.
    pub school: String,
    /// The id of its tenant.
    pub tenant_id: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// What grave there is to say, the gravest first; also why something is not known.
    pub findings: Vec<StatusFinding>,
    /// Copy 2.
    pub copy2: Copy2State,
    /// Copy 3.
    pub copy3: Copy3State,
    /// Alarms that stand; `null` where that is not known.
    pub alarms: Option<Vec<AlarmRow>>,
    /// What the last backup covered; `null` where that is not known.
    pub coverage: Option<NotedCoverage>,
    /// The credentials of its identities that are on this host.
    pub certificates: Vec<CertificateRow>,
    /// Room on this host's disks.
    pub disk: Vec<DiskRow>,
    /// What this host owes it.
    pub duties: Vec<DutyRow>,
}

/// What the last backup that this host noted covered.
#[derive(Debug, Clone, Serialize)]
pub struct NotedCoverage {
    /// How much it looked at.
    #[serde(flatten)]
    pub counts: Counts,
    /// When.
    pub as_of: Timestamp,
}

/// An alarm that stands.
#[derive(Debug, Clone, Serialize)]
pub struct AlarmRow {
    /// Its code.
    pub kind: String,
    /// What it is about; `null` where that is not told, or the kind says it all.
    pub subject: Option<String>,
    /// `high`, or `notice`; `null` where that is not known.
    pub severity: Option<&'static str>,
    /// Whether it keeps snapshots from being clean: a notice does not, nor does one that somebody
    /// bears until a day.
    pub open: bool,
    /// One sentence.
    pub text: String,
    /// Since when, as far as that is known.
    pub since: Option<Timestamp>,
}

/// How a copy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyState {
    /// It is there, and young enough.
    Ok,
    /// It is older than it may be.
    Late,
    /// It should be there, and is not, or holds nothing.
    Missing,
    /// There is none by the configuration.
    None,
    /// It is told by another host.
    Elsewhere,
    /// It is not known.
    Unknown,
}

impl CopyState {
    /// Whether it is not there as it should be; nothing where that is not known here.
    fn is_late(self) -> Option<bool> {
        match self {
            CopyState::Ok => Some(false),
            CopyState::Late | CopyState::Missing => Some(true),
            CopyState::None | CopyState::Elsewhere | CopyState::Unknown => None,
        }
    }
}

/// How grave a finding is. What is not known is less than what is: whoever asks for something in
/// particular is told that besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Not known here, and not to be: another host tells it, or nobody asked.
    Note,
    /// Not known, though it should be.
    Unknown,
    /// Somebody should see to it.
    Warning,
    /// Something that is owed was not done, or a copy is late.
    Overdue,
    /// An alarm stands.
    Alarm,
}

/// Something to be said about a school.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusFinding {
    /// How grave it is.
    pub grade: Grade,
    /// About what: `copy 2`, `backup`, `certificate read`.
    pub about: String,
    /// One sentence.
    pub text: String,
}

impl StatusFinding {
    fn new(grade: Grade, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { grade, about: about.into(), text: text.into() }
    }
}

impl Status {
    /// Whether there is something as grave, or graver.
    fn has(&self, grade: Grade) -> bool {
        self.schools.iter().flat_map(|s| &s.findings).any(|f| f.grade >= grade)
    }

    /// How a command ends that shows this. Told what to fail on, it ends with an alarm where
    /// something as grave is found, and partially where it is not known whether there is.
    pub fn ending(&self, fail_on: Option<Grade>) -> Ending {
        let is_unknown =
            || self.schools.iter().flat_map(|s| &s.findings).any(|f| f.grade == Grade::Unknown);
        match fail_on {
            Some(grade) if self.has(grade) => Ending::Alarm,
            Some(_) if is_unknown() => Ending::Partial,
            Some(_) => Ending::Done,
            None if self.has(Grade::Alarm) => Ending::Alarm,
            None if self.has(Grade::Unknown) => Ending::Partial,
            None => Ending::Done,
        }
    }
}

/// Looks at schools, several at a time. What goes wrong at one is said of that one.
pub async fn status(schools: &[School], question: StatusOptions, now: Timestamp) -> Status {
    let cache = schools.first().filter(|_| !question.offline).and_then(|s| {
        let cache = s.cache();
        cache
            .inspect_err(|e| tracing::warn!("nothing is kept of far copies: {}", e.sentence()))
            .ok()
    });
    let (notes, cache) = (Arc::new(duties::Notes::of(schools)), Arc::new(cache));
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (n, school) in schools.iter().enumerate() {
        let (school, permits) = (school.clone(), permits.clone());
        let (notes, cache) = (notes.clone(), cache.clone());
        tasks.spawn(async move {
            let _permit = permits.acquire_owned().await;
            (n, one(&school, question, now, &notes, &cache).await)
        });
    }
    let mut rows: Vec<Option<SchoolStatus>> = schools.iter().map(|_| None).collect();
    while let Some(done) = tasks.join_next().await {
        if let Ok((n, row)) = done {
            rows[n] = Some(row);
        }
    }
    let rows = rows.into_iter().zip(schools);
    let schools = rows.map(|(row, school)| row.unwrap_or_else(|| broken(school))).collect();
    Status { v: 1, at: now, schools }
}

/// The alarms of one school that stand, as [`status`] tells them.
pub(crate) async fn alarms_of(school: &School) -> Vec<AlarmRow> {
    let (now, notes) = (school.now(), duties::Notes::of(std::slice::from_ref(school)));
    let noted = notes.read(school);
    let kept = noted.as_ref().ok().and_then(Option::as_ref);
    let seen = copies::look(school, None, PATIENCE).await;
    let max_age = school.config().nightly.patience();
    let about = copies::StatusContext { school, now, max_age, offline: false };
    let (_, alarms) = copies::copy2(&about, &seen, kept, &mut Vec::new());
    let is_lost = noted.is_err() || notes.lost(school, kept);
    let more = decisions::alarms(school, &notes, now, &mut Vec::new());
    let all = alarm_rows(alarms, kept, more, is_lost);
    all.unwrap_or_default()
}

/// Those that copy 2 tells, and those that this host noted; none where it is not known which stand.
fn alarm_rows(
    told: Option<Vec<AlarmRow>>,
    kept: Option<&Record<Heartbeat>>,
    more: Vec<AlarmRow>,
    is_lost: bool,
) -> Option<Vec<AlarmRow>> {
    let mut own = duties::alarms(kept);
    own.extend(more);
    // The newest snapshot may tell of the same.
    let is_told = |a: &AlarmRow| told.iter().flatten().any(|b| b.open && b.kind == a.kind);
    own.retain(|a| !is_told(a));
    match told {
        Some(mut alarms) => {
            alarms.append(&mut own);
            let some_open = alarms.iter().any(|a| a.open);
            (some_open || !is_lost).then_some(alarms)
        }
        None => own.iter().any(|a| a.open).then_some(own),
    }
}

/// Of a school at which this program broke off.
fn broken(school: &School) -> SchoolStatus {
    let why = "looking at it broke off by a defect of this program";
    SchoolStatus {
        findings: vec![StatusFinding::new(Grade::Unknown, "school", why)],
        ..empty(school)
    }
}

/// A school of which nothing is known yet.
fn empty(school: &School) -> SchoolStatus {
    let tenant = school.tenant();
    SchoolStatus {
        school: tenant.name.clone(),
        tenant_id: tenant.tenant_id.clone(),
        labels: tenant.labels.clone(),
        findings: Vec::new(),
        copy2: Copy2State::unknown(),
        copy3: Copy3State::unknown(),
        alarms: None,
        coverage: None,
        certificates: Vec::new(),
        disk: Vec::new(),
        duties: Vec::new(),
    }
}

async fn one(
    school: &School,
    question: StatusOptions,
    now: Timestamp,
    notes: &duties::Notes,
    cache: &Option<PathBuf>,
) -> SchoolStatus {
    let mut row = empty(school);
    let mut found = Vec::new();
    let nightly = &school.config().nightly;
    let max_age = question.max_age_hours.map_or_else(|| nightly.patience(), hours);
    let noted = notes.read(school);
    let kept = noted.as_ref().ok().and_then(Option::as_ref);
    row.duties = duties::rows(school, notes, &noted, now, &mut found);
    let seen = match question.offline {
        true => copies::Seen::default(),
        false => copies::look(school, cache.clone(), PATIENCE).await,
    };
    let about = copies::StatusContext { school, now, max_age, offline: question.offline };
    let (copy2, alarms) = copies::copy2(&about, &seen, kept, &mut found);
    row.copy3 = copies::copy3(&about, &seen, &copy2, kept, &mut found);
    row.copy2 = copy2;
    // Without the notes nobody knows what this host's own looks found.
    let is_lost = noted.is_err() || notes.lost(school, kept);
    let more = decisions::alarms(school, notes, now, &mut found);
    row.alarms = alarm_rows(alarms, kept, more, is_lost);
    if row.alarms.is_none() {
        let why = "no copy and no note says which alarms stand";
        found.push(StatusFinding::new(Grade::Unknown, "alarms", why));
    }
    for a in row.alarms.iter().flatten() {
        let grade = if a.open { Grade::Alarm } else { Grade::Note };
        found.push(StatusFinding::new(grade, format!("alarm {}", a.kind), a.text.clone()));
    }
    row.coverage = duties::coverage(school, kept, &mut found);
    row.certificates = host::certificates(school, now, &mut found);
    row.disk = host::disk(school, cache.as_deref(), &mut found).await;
    host::sheets(school, &mut found).await;
    found.sort_by_key(|f| std::cmp::Reverse(f.grade));
    row.findings = found;
    row
}

fn hours(n: u32) -> SignedDuration {
    SignedDuration::from_hours(i64::from(n))
}

/// How long ago something was, as a person says it.
pub fn age(seconds: i64) -> String {
    let (sign, s) = if seconds < 0 { ("-", seconds.unsigned_abs()) } else { ("", seconds as u64) };
    match s {
        0..120 => format!("{sign}{s} s"),
        120..7_200 => format!("{sign}{} min", s / 60),
        7_200..259_200 => format!("{sign}{} h", s / 3_600),
        _ => format!("{sign}{} d", s / 86_400),
    }
}
