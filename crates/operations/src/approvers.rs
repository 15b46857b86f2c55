//! Approval by a second person of what is planned for a school.
//!
//! [`Approvals`] says whose approval counts and what they decided, as the school's file of
//! decisions has it and copy 2 bears it out. A plan is made with it, which says whether one person
//! acts alone, and nothing is carried out without it: each operation asks it at the moment at which
//! it begins.

use crate::{
    Copy2, Error, Kind, Remedy, School, blocking,
    config::{Config, REVIEWS, TenantEntry},
    files::{
        Accounts,
        cache::{self, Purpose},
        secrets, written,
    },
    place::Doing,
    plan::{Effect, Plan, PlanId},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::{PublicKey, SigningKey};
pub use strongroom_engine::approvers::{Approver, Outcome, Waiting};
use strongroom_engine::{
    approvers::{Approvers, Behind, is_sealed_in, seal, sealed},
    decisions::{DecisionFile, Decisions, read_key, signed},
};
use strongroom_model::{
    Record, Stored, Untrusted,
    decision::{Decision, DecisionEntry, DecisionKind},
    plan::{ApproversSeen, RequestedBy},
};
use strongroom_repository::{Repository, Snapshot};

/// Where a school keeps what people decided.
pub(crate) fn file_of(config: &Config, tenant: &TenantEntry) -> DecisionFile {
    let dir = config.path(config.reviews_dir.as_deref().unwrap_or(Path::new(REVIEWS)));
    DecisionFile::new(dir.join(format!("{}.jsonl", tenant.name)))
}

/// Who approves what is planned for a school, and what they decided.
#[derive(Debug, Default)]
pub struct Approvals {
    /// What the school is called. None where the configuration knows none of this tenant.
    school: Option<String>,
    approvers: Approvers,
    decisions: Vec<Record<Decision>>,
    sealed: Option<ApproversSeen>,
}

/// How far a plan is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stands {
    /// Whether one person acts alone: nobody is enrolled, or the plan takes nobody's approval.
    pub alone: bool,
    /// Those whose approval counts.
    pub approved: Vec<String>,
    /// How many more it takes.
    pub lacks: usize,
    /// Sentences about what does not count.
    pub idle: Vec<String>,
}

impl Approvals {
    /// Of the school whose tenant's data a copy 2 holds: what its file says, held against what copy
    /// 2 says of it.
    ///
    /// # Errors
    /// [`Kind::Refused`], where anything of it cannot be read, is not understood or does not fit:
    /// that is never read as nobody.
    pub fn of(copy2: &Copy2, repo: &Repository) -> Result<Self, Error> {
        let sealed = sealed(repo).map_err(unknown)?;
        let mut found = match copy2.tenant_of(repo) {
            Some((config, tenant)) => Self::written(config, tenant)?,
            None => Self::default(),
        };
        if let Some(seen) = &sealed {
            if found.school.is_none() {
                let what = "its approvers are kept for a school that this configuration does not \
                            have: name the configuration that has it";
                return Err(unknown(Error::new(Kind::Refused, what)));
            }
            found.approvers.holds(seen, "copy 2").map_err(unknown)?;
        }
        if let Some((config, tenant)) = copy2.tenant_of(repo) {
            note(config, tenant, &found.approvers, &copy2.host().accounts).map_err(unknown)?;
        }
        found.sealed = sealed;
        Ok(found)
    }

    /// Of a school, whose copy 2 was opened.
    ///
    /// # Errors
    /// As [`Approvals::of`].
    pub(crate) async fn of_opened(school: &School, repo: &Arc<Repository>) -> Result<Self, Error> {
        let (copy2, repo) = (school.copy2()?, repo.clone());
        blocking(move || Self::of(&copy2, &repo)).await
    }

    /// As the file of a school says alone, where nothing is done upon it.
    ///
    /// # Errors
    /// As [`Approvals::of`].
    pub fn of_school(school: &School) -> Result<Self, Error> {
        let (config, tenant) = (school.config(), school.tenant());
        let found = Self::written(config, tenant)?;
        if let Some(seen) = noted(config, tenant, &school.host().accounts).map_err(unknown)? {
            found.approvers.holds(&seen, "this host").map_err(unknown)?;
        }
        Ok(found)
    }

    /// How many more it takes to stand behind a decision, where it takes any.
    fn lacks(&self, decided: &Record<Decision>, now: Timestamp) -> Result<usize, Error> {
        if self.is_alone() || !decided.kind.weakens() {
            return Ok(0);
        }
        let behind = self.approvers.behind_decision(decided, self.decisions.iter(), now)?;
        let lacks = behind.lacks(self.enrolled().len());
        // Somebody said no.
        Ok(lacks.max(usize::from(!behind.rejected.is_empty())))
    }

    /// How many more it takes to stand behind what nobody's key asks for.
    pub(crate) fn lacks_of(&self, id: &str, now: Timestamp) -> usize {
        if self.is_alone() {
            return 0;
        }
        let asked = RequestedBy { by: Untrusted::default(), key: None, at: now };
        let behind = self.approvers.behind((id, &asked), self.decisions.iter(), now);
        let lacks = behind.lacks(self.enrolled().len());
        lacks.max(usize::from(!behind.rejected.is_empty()))
    }

    /// Whether a decision counts, as far as approval goes.
    pub(crate) fn lets_count(&self, decided: &Record<Decision>, now: Timestamp) -> bool {
        self.lacks(decided, now).is_ok_and(|lacks| lacks == 0)
    }

    /// The decisions that weaken protection, hold today, and wait for approval. What is older than
    /// the approvers is nobody's to wait for.
    ///
    /// # Errors
    /// [`Kind::Internal`]; no decision of ours has it.
    pub fn undecided(&self, now: Timestamp) -> Result<Vec<Undecided>, Error> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let first = self.enrolled().iter().map(|a| a.since).min();
        let mut out = Vec::new();
        for d in &self.decisions {
            let is_new = first.zip(d.from).is_none_or(|(first, from)| from >= first);
            if !d.holds_on(today) || !is_new {
                continue;
            }
            let lacks = self.lacks(d, now)?;
            if lacks > 0 {
                out.push(Undecided { id: d.id()?, decision: d.value.clone(), lacks });
            }
        }
        Ok(out)
    }

    fn written(config: &Config, tenant: &TenantEntry) -> Result<Self, Error> {
        let kept = file_of(config, tenant).entries().map_err(unknown)?;
        if let Some(what) = kept.unknown.first() {
            return Err(unknown(Error::new(Kind::Refused, what)));
        }
        let decisions: Vec<_> = kept.decisions().cloned().collect();
        let approvers = Approvers::of(&tenant.tenant_id, decisions.iter()).map_err(unknown)?;
        Ok(Self { school: Some(tenant.name.clone()), approvers, decisions, sealed: None })
    }

    /// Whose approval counts.
    pub fn enrolled(&self) -> &[Approver] {
        self.approvers.enrolled()
    }

    /// Changes of them that wait for a second signature.
    pub fn waiting(&self) -> &[Waiting] {
        self.approvers.waiting()
    }

    /// Whether nobody's approval is asked for.
    pub fn is_alone(&self) -> bool {
        self.enrolled().is_empty()
    }

    /// Whether copy 2 knows of all changes of them.
    pub fn is_sealed(&self) -> bool {
        self.approvers.seen() == self.sealed
    }

    /// How they stand, for a plan.
    pub(crate) fn seen(&self) -> Option<ApproversSeen> {
        self.approvers.seen()
    }

    /// Whether a snapshot is the one by which copy 2 knows of them.
    pub(crate) fn is_known_by(&self, s: &Snapshot) -> bool {
        self.sealed.as_ref().is_some_and(|seen| is_sealed_in(s, seen))
    }

    fn behind(&self, id: &PlanId, plan: &Plan, now: Timestamp) -> Behind {
        self.approvers.behind((id.as_str(), &plan.asked), self.decisions.iter(), now)
    }

    /// The approver whose key it is, where they are called so.
    fn is_key_of(&self, key: &SigningKey, by: &str) -> Result<&Approver, Error> {
        let public = key.public();
        let refuse = |what: String| Err(Error::new(Kind::Refused, what));
        match self.enrolled().iter().find(|a| a.key == public) {
            None => refuse(format!("the key {} is not enrolled as an approver's", public.short())),
            Some(approver) if approver.name != by => refuse(format!(
                "the key {} is that of {}, and not of {}",
                public.short(),
                Untrusted::from(&approver.name).quoted(),
                Untrusted::from(by).quoted()
            )),
            Some(approver) => Ok(approver),
        }
    }

    /// How far a plan is.
    ///
    /// # Errors
    /// [`Kind::Internal`]; no plan of ours has it.
    pub fn stands(&self, plan: &Record<Plan>, now: Timestamp) -> Result<Stands, Error> {
        let behind = self.behind(&plan.id()?, plan, now);
        let alone = self.is_alone() || plan.effect == Effect::Adds;
        let lacks = match alone {
            true => 0,
            false => behind.lacks(self.enrolled().len()),
        };
        let mut idle = behind.idle;
        idle.extend(behind.rejected.into_iter().map(|who| format!("{who} does not approve")));
        Ok(Stands {
            alone,
            approved: behind.approved.into_iter().map(|a| a.name).collect(),
            lacks,
            idle,
        })
    }

    /// Refuses a plan that too few stand behind, or that knew of approvers of whom nothing is known
    /// here. One that only adds waits for nobody.
    ///
    /// # Errors
    /// [`Kind::Unapproved`], where an approval is awaited; [`Kind::Refused`].
    pub fn check(&self, plan: &Record<Plan>, now: Timestamp) -> Result<(), Error> {
        if let Some(seen) = &plan.approvers {
            self.approvers.holds(seen, "the plan").map_err(unknown)?;
        }
        if self.is_alone() || plan.effect == Effect::Adds {
            return Ok(());
        }
        let id = plan.id()?;
        let behind = self.behind(&id, plan, now);
        if let Some(who) = behind.rejected.first() {
            let what = format!(
                "{} does not approve of the plan {}; nothing was done",
                Untrusted::from(who).quoted(),
                id.short()
            );
            return Err(Error::new(Kind::Refused, what));
        }
        let lacks = behind.lacks(self.enrolled().len());
        if lacks == 0 {
            return Ok(());
        }
        let (asker, approved) = (&behind.asker, &behind.approved);
        let may = self.enrolled().iter().filter(|a| {
            let is_asker = self.approvers.is_asker(a, &plan.asked);
            !is_asker && asker.as_ref() != Some(a) && !approved.contains(a)
        });
        let may: Vec<String> = may.map(|a| Untrusted::from(&a.name).quoted().to_string()).collect();
        let whose = match may.is_empty() {
            true => "another than who asks, and nobody else is enrolled".to_owned(),
            false => may.join(" or "),
        };
        let mut what = format!(
            "the plan {} waits for {lacks} more approval{} by {whose}; nothing was done",
            id.short(),
            if lacks == 1 { "" } else { "s" }
        );
        if !behind.idle.is_empty() {
            what.push_str(&format!("; of those that are there, {}", behind.idle.join("; ")));
        }
        Err(Error::new(Kind::Unapproved, what).with(Remedy::ApprovePlan(id.short().to_owned())))
    }
}

/// A decision that waits for approval.
#[derive(Debug, Clone, Serialize)]
pub struct Undecided {
    /// What names it.
    pub id: String,
    /// What was decided.
    pub decision: Decision,
    /// How many more approvals it takes.
    pub lacks: usize,
}

/// How many changes of a school's approvers this host knows of: where copy 2 is not asked, a file
/// of decisions that was cut is told by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    /// Format version.
    v: u32,
    /// The tenant.
    tenant: String,
    /// As they were seen last.
    seen: ApproversSeen,
}

impl Stored for Noted {
    const NAME: &'static str = "what this host knows of approvers";
}

/// Longer than any such note.
const NOTE_BYTES_MAX: u64 = 4096;

fn note_of(config: &Config, tenant: &TenantEntry) -> PathBuf {
    config.state_dir().join(&tenant.name).join("approvers.json")
}

fn noted(
    config: &Config,
    tenant: &TenantEntry,
    accounts: &Accounts,
) -> Result<Option<ApproversSeen>, Error> {
    let path = note_of(config, tenant);
    if let Err(e) = path.symlink_metadata()
        && e.kind() == ErrorKind::NotFound
    {
        return Ok(None);
    }
    let unread = |e| Error::because(Kind::Files, format!("{} cannot be used", path.display()), e);
    let bytes = secrets::read_decisive(&path, NOTE_BYTES_MAX, accounts).map_err(unread)?;
    let noted = Record::<Noted>::from_bytes(&bytes).map_err(|e| unread(e.into()))?;
    // The school of that name may be another tenant now.
    let is_its = noted.tenant == tenant.tenant_id.trim().to_lowercase();
    Ok(is_its.then_some(noted.value.seen))
}

/// Notes how the approvers of a school stand, and refuses those that fewer changes made than are
/// noted.
fn note(
    config: &Config,
    tenant: &TenantEntry,
    approvers: &Approvers,
    accounts: &Accounts,
) -> Result<(), Error> {
    let before = noted(config, tenant, accounts)?;
    if let Some(seen) = &before {
        approvers.holds(seen, "this host")?;
    }
    let Some(seen) = approvers.seen().filter(|seen| before.as_ref() != Some(seen)) else {
        return Ok(());
    };
    let (root, path) = (config.state_dir(), note_of(config, tenant));
    cache::own_alone(&root, accounts, Purpose::State)?;
    if let Some(dir) = path.parent() {
        cache::own_below(dir, accounts, Purpose::State)?;
    }
    let tenant = tenant.tenant_id.trim().to_lowercase();
    let bytes = Record::new(Noted { v: Noted::VERSION, tenant, seen }).to_bytes()?;
    written::put_durably(&path, &bytes).map_err(|e| {
        Error::because(Kind::Files, format!("{} cannot be written", path.display()), e)
    })
}

/// What cannot be known of approvers is never read as nobody.
fn unknown(e: impl Into<Error>) -> Error {
    let what = "it is not known who approves what is planned, so nothing was done";
    Error::because(Kind::Refused, what, e.into())
}

/// Who asks for a plan.
#[derive(Debug, Default)]
pub struct Asker {
    by: Option<String>,
    key: Option<SigningKey>,
}

impl Asker {
    /// Somebody by their name, with their key; the account of the host where nobody says it.
    ///
    /// # Errors
    /// [`Kind::Request`], where a key comes without a name; [`Kind::Files`], where it cannot be
    /// read.
    pub fn new(by: Option<&str>, key_file: Option<&Path>) -> Result<Self, Error> {
        if key_file.is_some() && by.is_none() {
            let what = "a key says nothing without the name of whose it is";
            return Err(Error::new(Kind::Request, what));
        }
        Ok(Self { by: by.map(str::to_owned), key: key_file.map(key).transpose()? })
    }

    /// Their name, where it was said.
    pub fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    pub(crate) fn public(&self) -> Option<String> {
        self.key.as_ref().map(|key| key.public().to_string())
    }
}

fn key(file: &Path) -> Result<SigningKey, Error> {
    read_key(file).map_err(|e| Error::because(Kind::Files, "the key cannot be used", e))
}

fn said(text: &str, what: &str) -> Result<(), Error> {
    match text.trim().is_empty() {
        true => Err(Error::new(Kind::Request, format!("{what} must be said"))),
        false => Ok(()),
    }
}

/// Keeps that somebody asks for a plan, where their key says so: they are one of the two who stand
/// behind it.
///
/// # Errors
/// Those of keeping a decision.
pub fn ask(school: &School, plan: &Record<Plan>, asker: &Asker) -> Result<(), Error> {
    let (Some(by), Some(key)) = (asker.by(), &asker.key) else { return Ok(()) };
    let decision = Decision {
        person: Some(by.to_owned()),
        from: Some(school.now()),
        ..Decision::new(DecisionKind::Request, plan.id()?.as_str(), "asked for")
    };
    let record = signed(decision, Some(key))?;
    Ok(school.decisions().add(&[DecisionEntry::Decision(record)])?)
}

/// Who approves of a plan, with their key.
#[derive(Debug, Clone, Copy)]
pub struct Approves<'a> {
    /// Who, as they are enrolled.
    pub by: &'a str,
    /// The file of their key.
    pub key_file: &'a Path,
    /// The last day on which it counts; that of the plan without one.
    pub until: Option<Date>,
    /// Why.
    pub reason: &'a str,
}

/// Keeps that somebody approves of a plan. Answers how far it is then.
///
/// # Errors
/// [`Kind::Refused`], where their approval would not count, or the plan's time is over;
/// [`Kind::Request`], where nobody is enrolled, or the day makes no sense.
pub fn approve(school: &School, plan: &Record<Plan>, how: Approves<'_>) -> Result<Stands, Error> {
    said(how.reason, "why it is approved")?;
    let (now, id) = (school.now(), plan.id()?);
    let tenant = school.tenant().tenant_id.trim().to_lowercase();
    if plan.school.tenant_id.as_ref().is_some_and(|of| *of != *tenant) {
        let what = format!("the plan {} is not one of {}", id.short(), school.name());
        return Err(Error::new(Kind::Request, what));
    }
    let approvals = Approvals::of_school(school)?;
    if let Some(seen) = &plan.approvers {
        approvals.approvers.holds(seen, "the plan").map_err(unknown)?;
    }
    let refuse = |kind, what: String| Err(Error::new(kind, what));
    if approvals.is_alone() {
        let what = format!(
            "nobody is enrolled as an approver of {}: one person acts alone there",
            school.name()
        );
        return refuse(Kind::Request, what);
    }
    let key = key(how.key_file)?;
    let approver = approvals.is_key_of(&key, how.by)?;
    if approvals.approvers.is_asker(approver, &plan.asked) {
        let what = format!(
            "{} asked for the plan {}, and nobody approves of what they asked for",
            Untrusted::from(how.by).quoted(),
            id.short()
        );
        return refuse(Kind::Refused, what);
    }
    if now > plan.expires {
        let what =
            format!("the plan {} could be carried out until {:.0}", id.short(), plan.expires);
        return refuse(Kind::Refused, what);
    }
    let last = plan.expires.to_zoned(TimeZone::UTC).date();
    let until = how.until.unwrap_or(last);
    if until > last || until < school.today() {
        let what = format!("an approval of this plan ends on a day from today until {last}");
        return refuse(Kind::Request, what);
    }
    if !approvals.behind(&id, plan, now).approved.contains(approver) {
        let decision = Decision {
            says: Some(format!("{} of {} steps", plan.operation.as_str(), plan.steps.len())),
            person: Some(how.by.to_owned()),
            from: Some(now),
            until: Some(until),
            ..Decision::new(DecisionKind::Approval, id.as_str(), how.reason)
        };
        let record = signed(decision, Some(&key))?;
        school.decisions().add(&[DecisionEntry::Decision(record)])?;
    }
    Approvals::of_school(school)?.stands(plan, now)
}

/// Keeps that somebody approves of a decision that weakens protection. Answers it, and what it
/// takes still.
///
/// # Errors
/// [`Kind::Refused`], where their approval would not count; [`Kind::Request`], where no such
/// decision waits.
pub fn approve_decision(
    school: &School,
    word: &str,
    how: Approves<'_>,
) -> Result<Undecided, Error> {
    said(how.reason, "why it is approved")?;
    let (now, approvals) = (school.now(), Approvals::of_school(school)?);
    let found = undecided(&approvals, word, now)?;
    let key = key(how.key_file)?;
    let approver = approvals.is_key_of(&key, how.by)?;
    let decided = &found.decision;
    let signed_by = decided.signature.as_ref().map(|s| s.key.clone());
    let asked = RequestedBy { by: decided.by().into(), key: signed_by, at: now };
    if approvals.approvers.is_asker(approver, &asked) {
        let what = format!(
            "{} decided that, and nobody approves of what they decided",
            Untrusted::from(how.by).quoted()
        );
        return Err(Error::new(Kind::Refused, what));
    }
    let last = decided.until.unwrap_or(Date::MAX);
    let until = how.until.unwrap_or(last);
    if until > last || until < school.today() {
        let what = format!("an approval of this decision ends on a day from today until {last}");
        return Err(Error::new(Kind::Request, what));
    }
    let made = Decision {
        says: Some(format!("{} of {}", decided.kind.as_str(), decided.subject)),
        person: Some(how.by.to_owned()),
        from: Some(now),
        until: Some(until),
        ..Decision::new(DecisionKind::Approval, found.id.as_str(), how.reason)
    };
    let record = signed(made, Some(&key))?;
    school.decisions().add(&[DecisionEntry::Decision(record)])?;
    let after = Approvals::of_school(school)?.undecided(now)?;
    let lacks = after.iter().find(|u| u.id == found.id).map_or(0, |u| u.lacks);
    Ok(Undecided { lacks, ..found })
}

/// Keeps that somebody approves of what nobody's key asks for, until a day.
pub(crate) fn approve_of(
    school: &School,
    (id, says): (&str, &str),
    last: Timestamp,
    how: Approves<'_>,
) -> Result<(), Error> {
    said(how.reason, "why it is approved")?;
    let (key, approvals) = (key(how.key_file)?, Approvals::of_school(school)?);
    approvals.is_key_of(&key, how.by)?;
    let last = last.to_zoned(TimeZone::UTC).date();
    let until = how.until.unwrap_or(last);
    if until > last || until < school.today() {
        let what = format!("such an approval ends on a day from today until {last}");
        return Err(Error::new(Kind::Request, what));
    }
    let made = Decision {
        says: Some(says.to_owned()),
        person: Some(how.by.to_owned()),
        from: Some(school.now()),
        until: Some(until),
        ..Decision::new(DecisionKind::Approval, id, how.reason)
    };
    let record = signed(made, Some(&key))?;
    Ok(school.decisions().add(&[DecisionEntry::Decision(record)])?)
}

/// The decision that waits and is called by this, its id or the first digits of it.
///
/// # Errors
/// [`Kind::Request`], where none is, or several are.
pub fn undecided(approvals: &Approvals, word: &str, now: Timestamp) -> Result<Undecided, Error> {
    let none = |what: String| Err(Error::new(Kind::Request, what));
    if word.len() < PlanId::SHORT {
        return none(format!(
            "{word:?} names no decision: it takes at least the first {} digits of its id",
            PlanId::SHORT
        ));
    }
    let mut all = approvals.undecided(now)?;
    all.retain(|u| u.id.starts_with(word));
    match <[Undecided; 1]>::try_from(all) {
        Ok([one]) => Ok(one),
        Err(all) if all.is_empty() => none(format!("no decision {word:?} waits for approval")),
        Err(_) => none(format!("several decisions begin with {word:?}")),
    }
}

/// A change of who approves.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Enrolment or removal.
    pub kind: DecisionKind,
    /// Of whom.
    pub name: &'a str,
    /// Their public key; that of who signs, or of who is enrolled under the name, without one.
    pub public_key: Option<&'a str>,
    /// Who signs.
    pub by: &'a str,
    /// The file of their key.
    pub key_file: &'a Path,
    /// Why.
    pub reason: &'a str,
}

/// What a signature came to.
#[derive(Debug)]
pub struct Changed {
    /// What it did.
    pub outcome: Outcome,
    /// The approvers now.
    pub approvals: Approvals,
}

/// The approvers of a school, as its file says and copy 2 bears out.
///
/// # Errors
/// As [`Approvals::of`], and those of opening copy 2.
pub async fn look(school: &School) -> Result<Approvals, Error> {
    let copy2 = school.copy2()?;
    let repo = copy2.open(Doing::Usual).await?;
    blocking(move || Approvals::of(&copy2, &repo)).await
}

/// Signs a change of who approves, keeps it, and has copy 2 know of it once all signed whom it
/// takes. What copy 2 does not know of yet it is told first.
///
/// # Errors
/// [`Kind::Request`], where the change makes no sense, or who signs has no say in it; as
/// [`Approvals::of`]; and those of writing.
pub async fn change(school: &School, change: Change<'_>) -> Result<Changed, Error> {
    said(change.reason, "why")?;
    let key = key(change.key_file)?;
    let copy2 = school.copy2()?;
    let (repo, cache) = (copy2.open(Doing::Usual).await?, copy2.cache()?);
    let of = change.public_key.map(PublicKey::parse).transpose()?;
    let (kind, name) = (change.kind, change.name.to_owned());
    let (by, reason) = (change.by.to_owned(), change.reason.to_owned());
    let school = school.clone();
    blocking(move || {
        let clock = school.host().clock.clone();
        let mut found = Approvals::of(&copy2, &repo)?;
        seal(&repo, school.name(), &found.approvers, &cache, &clock)?;
        let known = found.enrolled().iter().find(|a| a.name == name).map(|a| a.key);
        let own = (by == name).then(|| key.public());
        let of = match kind {
            DecisionKind::Removal => of.or(known).or(own),
            _ => of.or(own),
        };
        let of = of.ok_or_else(|| {
            let what = format!(
                "{} has no key here: say their public key",
                Untrusted::from(&name).quoted()
            );
            Error::new(Kind::Request, what)
        })?;
        let signs = (by.as_str(), &key);
        let (record, outcome) =
            found.approvers.sign((kind, &name, of), signs, &reason, clock.now())?;
        if outcome != Outcome::Known {
            school.decisions().add(&[DecisionEntry::Decision(record)])?;
        }
        // As others find it: somebody may have signed at the same moment.
        let found = Approvals::of(&copy2, &repo)?;
        seal(&repo, school.name(), &found.approvers, &cache, &clock).map_err(|e| {
            let what =
                "it was decided, and copy 2 could not be told of it; the same again tells it";
            Error::because(Kind::Copy, what, Error::from(e))
        })?;
        Ok(Changed { outcome, approvals: Approvals::of(&copy2, &repo)? })
    })
    .await
}
