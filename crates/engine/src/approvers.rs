//! Who approves what is planned for a school.
//!
//! Approvers are enrolled and removed by decisions that two of them sign, each of which names the
//! change before it by its hash: a chain, in the file that keeps decisions. Whoever can write that
//! file can neither add a change to it nor change one, nor take one out of the middle; how many
//! there are stands in copy 2 too ([`seal`], [`sealed`]), and in each plan, so that a chain that
//! was cut at its end, or begun anew, is told as that and never as nobody.

use crate::{
    Error,
    decisions::{signed, signer},
    layout,
    publish::publish_series,
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use sha2::{Digest, Sha256};
use std::{path::Path, sync::Arc};
use strongroom_custody::{PublicKey, SigningKey};
use strongroom_model::{
    Clock, Record, Series, Untrusted, canonical,
    decision::{ApproverChange, Decided, Decision, DecisionEntry, DecisionKind},
    plan::{ApproversSeen, PLAN_AHEAD, RequestedBy},
};
use strongroom_repository::{Cut, Id, Node, Repository, Snapshot, TreeEditor};

/// How long what one person signed waits for the second.
pub const SECOND_WITHIN: SignedDuration = SignedDuration::from_hours(14 * 24);
/// So many people stand behind each change of approvers, and behind each plan, where there are as
/// many.
pub const PEOPLE: usize = 2;
/// Approvers of a school (own limit).
const APPROVERS_MAX: usize = 100;
/// Bytes of a name (own limit).
const NAME_BYTES_MAX: usize = 200;

/// Start of the tag that says how many changes of approvers there were, and the hash of the last.
const TAG: &str = "approvers:";

/// Whether two names are one person's: blanks and capitals make no second one.
pub fn is_same_person(a: &str, b: &str) -> bool {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(a) == plain(b)
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// Somebody whose approval counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// Who.
    pub name: String,
    /// The key that signs for them.
    pub key: PublicKey,
    /// When the last signature came that it took.
    pub since: Timestamp,
}

/// A change of approvers, of a tenant, after another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    kind: DecisionKind,
    name: String,
    key: PublicKey,
    about: ApproverChange,
}

impl Change {
    /// What the next change names. Who signed does not go in: the signatures are looked at.
    fn hash(&self) -> Result<String, Error> {
        let says = serde_json::json!([self.kind, self.name, self.about]);
        let bytes = canonical(&says)
            .map_err(|e| Error::Request(format!("a change of approvers is no JSON: {e}").into()))?;
        Ok(hex::encode(Sha256::digest(bytes)))
    }
}

/// A change that too few have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Enrolment or removal.
    pub kind: DecisionKind,
    /// Of whom.
    pub name: String,
    /// Their key.
    pub key: PublicKey,
    /// Who signed.
    pub by: Vec<String>,
    /// Whose signature it takes still, one of these.
    pub lacks: Vec<String>,
    /// The last day on which it counts.
    pub until: Date,
    change: Change,
}

/// The approvers of a school, as the chain of decisions about them says.
#[derive(Debug, Clone, Default)]
pub struct Approvers {
    tenant: String,
    enrolled: Vec<Approver>,
    heads: Vec<String>,
    waiting: Vec<Waiting>,
    /// The decisions that the chain is of.
    chain: Vec<Record<Decision>>,
}

/// What a signature did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was the last that it took.
    Done,
    /// Another is needed.
    Waits,
    /// It was there already.
    Known,
}

impl Approvers {
    /// Reads the chain of a tenant.
    ///
    /// # Errors
    /// [`Error::Request`], where a decision about approvers is not understood whole, is unsigned or
    /// signed by somebody who has no say in it, is of another tenant, or stands on one that is not
    /// there.
    pub fn of<'d>(
        tenant: &str,
        decisions: impl Iterator<Item = &'d Record<Decision>>,
    ) -> Result<Self, Error> {
        let mut all = Self { tenant: tenant.trim().to_lowercase(), ..Self::default() };
        for d in decisions {
            if matches!(d.kind, DecisionKind::Enrolment | DecisionKind::Removal) {
                all.take(d)?;
            }
        }
        Ok(all)
    }

    /// Whose approval counts, in the order in which they were enrolled.
    pub fn enrolled(&self) -> &[Approver] {
        &self.enrolled
    }

    /// Changes that wait for a second signature.
    pub fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    /// How they stand, for whoever looks later. None where nobody ever was enrolled.
    pub fn seen(&self) -> Option<ApproversSeen> {
        let head = self.heads.last()?.clone();
        Some(ApproversSeen { changes: self.heads.len() as u64, head })
    }

    /// Refuses a chain that is not the one that was seen before, or a longer one.
    ///
    /// # Errors
    /// [`Error::Request`].
    pub fn holds(&self, seen: &ApproversSeen, by: &str) -> Result<(), Error> {
        let at = usize::try_from(seen.changes.saturating_sub(1)).unwrap_or(usize::MAX);
        match self.heads.get(at) {
            Some(head) if *head == seen.head => Ok(()),
            Some(_) => Err(Error::Request(
                format!(
                    "the decisions about approvers are not those that {by} knows: somebody began \
                     them anew"
                )
                .into(),
            )),
            None => Err(Error::Request(
                format!(
                    "{by} knows of {} changes of approvers, and the file of decisions has {}: the \
                     others were taken away",
                    seen.changes,
                    self.heads.len()
                )
                .into(),
            )),
        }
    }

    /// Who may sign a change, and how many it takes.
    fn say(&self, change: &Change) -> (Vec<(String, PublicKey)>, usize) {
        let own = (change.name.clone(), change.key);
        let others = self.enrolled.iter().filter(|a| a.key != change.key);
        let mut may: Vec<_> = others.map(|a| (a.name.clone(), a.key)).collect();
        // Where fewer than two others are enrolled, whom it is about signs too.
        if may.len() < PEOPLE {
            may.push(own);
        }
        let takes = may.len().min(PEOPLE);
        (may, takes)
    }

    /// Why a change makes no sense as things stand.
    fn is_idle(&self, change: &Change) -> Option<String> {
        let by_key = self.enrolled.iter().find(|a| a.key == change.key);
        let by_name = self.enrolled.iter().find(|a| is_same_person(&a.name, &change.name));
        let who = Untrusted::from(&change.name);
        match change.kind {
            DecisionKind::Removal => match by_key.filter(|a| a.name == change.name) {
                Some(_) => None,
                None => Some(format!("{} is no approver", who.quoted())),
            },
            _ => match (by_key, by_name) {
                (Some(a), _) if a.name == change.name => {
                    Some(format!("{} is an approver already", who.quoted()))
                }
                (Some(a), _) => Some(format!(
                    "the key {} is that of {}: one key is one person's",
                    change.key.short(),
                    Untrusted::from(&a.name).quoted()
                )),
                (None, Some(a)) => Some(format!(
                    "{} is an approver with the key {}: one person has one key; remove that first",
                    Untrusted::from(&a.name).quoted(),
                    a.key.short()
                )),
                (None, None) if self.enrolled.len() >= APPROVERS_MAX => {
                    Some(format!("{APPROVERS_MAX} approvers are the most of one school"))
                }
                (None, None) => None,
            },
        }
    }

    /// Takes the next decision of the chain.
    fn take(&mut self, d: &Record<Decision>) -> Result<Outcome, Error> {
        let bad = |why: &str| {
            Error::Request(
                format!(
                    "the decision of {} about the approver {} {why}",
                    Untrusted::from(d.by()).quoted(),
                    Untrusted::from(&d.subject).quoted()
                )
                .into(),
            )
        };
        let about = d.approver.clone().ok_or_else(|| bad("does not say which key"))?;
        if !d.rest().is_empty() || d.decided != Decided::Accepted {
            return Err(bad("says something that this program does not know"));
        }
        if about.tenant != self.tenant {
            return Err(bad("is of another tenant"));
        }
        let signer = signer(d)?.ok_or_else(|| bad("is not signed"))?;
        match about.after.as_ref() {
            after if after == self.heads.last() => {}
            // Another change came first.
            None => return Ok(Outcome::Known),
            Some(after) if self.heads.contains(after) => return Ok(Outcome::Known),
            Some(_) => {
                return Err(bad(
                    "stands on a change that is not there: something before it was taken away",
                ));
            }
        }
        let key =
            PublicKey::from_digits(&about.key).map_err(|_| bad("names a key that is none"))?;
        let change = Change { kind: d.kind, name: d.subject.clone(), key, about };
        if let Some(why) = self.is_idle(&change) {
            return Err(bad(&format!("says what cannot be: {why}")));
        }
        let (may, takes) = self.say(&change);
        if !may.iter().any(|(name, key)| *key == signer && name == d.by()) {
            return Err(bad("is signed by somebody who has no say in it"));
        }
        let (Some(from), Some(until)) = (d.from, d.until) else {
            return Err(bad("does not say since when and until when it counts"));
        };
        if until > day(from.saturating_add(SECOND_WITHIN).unwrap_or(from)) {
            return Err(bad("gives itself more time than such decisions have"));
        }
        self.chain.push(d.clone());
        self.waiting.retain(|w| w.until >= day(from));
        let by = d.by().to_owned();
        let at = self.waiting.iter().position(|w| w.change == change);
        let mut signed = at.map(|n| self.waiting.remove(n)).unwrap_or_else(|| Waiting {
            kind: d.kind,
            name: change.name.clone(),
            key,
            by: Vec::new(),
            lacks: Vec::new(),
            until,
            change: change.clone(),
        });
        let is_known = signed.by.contains(&by);
        if !is_known {
            signed.by.push(by);
        }
        signed.until = signed.until.min(until);
        if signed.by.len() < takes {
            let lacks = may.into_iter().map(|(name, _)| name);
            signed.lacks = lacks.filter(|name| !signed.by.contains(name)).collect();
            self.waiting.push(signed);
            return Ok(if is_known { Outcome::Known } else { Outcome::Waits });
        }
        self.heads.push(change.hash()?);
        // What waits stood on the change before.
        self.waiting.clear();
        match change.kind {
            DecisionKind::Removal => self.enrolled.retain(|a| a.key != key),
            _ => self.enrolled.push(Approver { name: change.name, key, since: from }),
        }
        Ok(Outcome::Done)
    }

    /// Signs a change: an enrolment of who has this key, or a removal. Answers the decision to
    /// keep, and what it does.
    ///
    /// # Errors
    /// [`Error::Request`], where it makes no sense, or who signs has no say in it.
    pub fn sign(
        &mut self,
        change: (DecisionKind, &str, PublicKey),
        (by, key): (&str, &SigningKey),
        reason: &str,
        now: Timestamp,
    ) -> Result<(Record<Decision>, Outcome), Error> {
        let (kind, name, of) = change;
        let refuse = |why: String| Err(Error::Request(why.into()));
        if name.trim() != name || name.is_empty() || name.len() > NAME_BYTES_MAX {
            return refuse(format!(
                "the name of an approver has 1 to {NAME_BYTES_MAX} bytes and no blank around it"
            ));
        }
        let about = ApproverChange {
            tenant: self.tenant.clone(),
            key: of.to_string(),
            after: self.heads.last().cloned(),
        };
        let change = Change { kind, name: name.to_owned(), key: of, about: about.clone() };
        if let Some(why) = self.is_idle(&change) {
            return refuse(why);
        }
        let (may, _) = self.say(&change);
        if !may.iter().any(|(name, may)| *may == key.public() && name == by) {
            let names: Vec<String> =
                may.iter().map(|(name, _)| Untrusted::from(name).quoted().to_string()).collect();
            return refuse(format!(
                "the key {} is not that of {}, or it is not for them to decide; these may sign: {}",
                key.public().short(),
                Untrusted::from(by).quoted(),
                names.join(", ")
            ));
        }
        let decision = Decision {
            person: Some(by.to_owned()),
            from: Some(now),
            until: Some(day(now.saturating_add(SECOND_WITHIN).unwrap_or(now))),
            approver: Some(about),
            ..Decision::new(kind, name, reason)
        };
        let record = signed(decision, Some(key))?;
        let outcome = self.take(&record)?;
        Ok((record, outcome))
    }

    /// The decisions that the chain is of, a line each, for who has lost the file.
    ///
    /// # Errors
    /// [`Error::Record`]; no decision of ours has it.
    fn lines(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for d in &self.chain {
            // As the file has it.
            out.extend(format!("{}\n", DecisionEntry::Decision(d.clone()).to_json()?).into_bytes());
        }
        Ok(out)
    }

    fn approver(&self, key: &PublicKey) -> Option<&Approver> {
        self.enrolled.iter().find(|a| a.key == *key)
    }

    /// Who stands behind what has this id, a plan or a decision, of those who decided about it.
    pub fn behind<'d>(
        &self,
        (id, asked): (&str, &RequestedBy),
        decisions: impl Iterator<Item = &'d Record<Decision>>,
        now: Timestamp,
    ) -> Behind {
        let mut behind = Behind::default();
        for d in decisions.filter(|d| d.subject == id) {
            let who = || Untrusted::from(d.by()).quoted().to_string();
            let counts = match d.kind {
                DecisionKind::Approval => self.approval(d, asked, now),
                DecisionKind::Request => {
                    behind.asker = behind.asker.or(self.request(d, asked).cloned());
                    continue;
                }
                _ => continue,
            };
            match counts {
                Ok(approver) if d.decided == Decided::Rejected => {
                    behind.rejected.push(approver.name.clone());
                }
                Ok(approver) => {
                    // One person counts once.
                    if !behind.approved.contains(approver) {
                        behind.approved.push(approver.clone());
                    }
                }
                Err(why) => behind.idle.push(format!("that of {} does not: {why}", who())),
            }
        }
        behind
    }

    /// The approver whose approval a decision is, or why it does not count.
    fn approval(
        &self,
        d: &Record<Decision>,
        asked: &RequestedBy,
        now: Timestamp,
    ) -> Result<&Approver, String> {
        if !d.rest().is_empty() {
            return Err("it says something that this program does not know".to_owned());
        }
        let key = match signer(d) {
            Ok(Some(key)) => key,
            Ok(None) => return Err("it is not signed".to_owned()),
            Err(_) => return Err("its signature is wrong".to_owned()),
        };
        let Some(approver) = self.approver(&key) else {
            return Err(format!("the key {} is not enrolled as an approver's", key.short()));
        };
        if d.by() != approver.name {
            let name = Untrusted::from(&approver.name);
            return Err(format!("the key is that of {}", name.quoted()));
        }
        if self.is_asker(approver, asked) {
            return Err("they asked for the plan".to_owned());
        }
        let (Some(from), Some(until)) = (d.from, d.until) else {
            return Err("it does not say since when and until when it counts".to_owned());
        };
        // Who was removed and came back did not decide this as who they are now.
        if from < approver.since {
            return Err("it is older than their enrolment".to_owned());
        }
        if from > now.saturating_add(PLAN_AHEAD).unwrap_or(now) {
            return Err(format!("it is of {from:.0}, which has not come"));
        }
        match until < day(now) {
            true => Err(format!("it ended on {until}")),
            false => Ok(approver),
        }
    }

    /// Whether an approver is who asks: by their key, or by their name.
    pub fn is_asker(&self, approver: &Approver, asked: &RequestedBy) -> bool {
        asked.key.as_ref().is_some_and(|key| *key == approver.key.to_string())
            || is_same_person(asked.by.as_str(), &approver.name)
    }

    /// Who stands behind a decision that is signed, or not, by who made it.
    ///
    /// # Errors
    /// [`Error::Record`]; no decision of ours has it.
    pub fn behind_decision<'d>(
        &self,
        decided: &Record<Decision>,
        decisions: impl Iterator<Item = &'d Record<Decision>>,
        now: Timestamp,
    ) -> Result<Behind, Error> {
        let key = signer(decided).ok().flatten();
        let asked = RequestedBy {
            by: decided.by().into(),
            key: key.map(|key| key.to_string()),
            at: decided.from.unwrap_or(now),
        };
        let id = decided.id()?;
        let mut behind = self.behind((&id, &asked), decisions, now);
        let asker = key.and_then(|key| self.approver(&key));
        behind.asker = asker.filter(|a| a.name == decided.by()).cloned();
        Ok(behind)
    }

    /// The approver who asks, where their key says so.
    fn request(&self, d: &Record<Decision>, asked: &RequestedBy) -> Option<&Approver> {
        let key = signer(d).ok().flatten()?;
        let approver = self.approver(&key)?;
        let is_theirs = d.rest().is_empty()
            && d.decided == Decided::Accepted
            && d.by() == approver.name
            && asked.key.as_ref() == Some(&key.to_string());
        is_theirs.then_some(approver)
    }
}

/// Who stands behind a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Behind {
    /// The approver who asks, where their key says so.
    pub asker: Option<Approver>,
    /// Other approvers who approve of it.
    pub approved: Vec<Approver>,
    /// Those who do not.
    pub rejected: Vec<String>,
    /// Sentences about approvals that do not count.
    pub idle: Vec<String>,
}

impl Behind {
    /// How many more approvals it takes, of so many approvers: two people whose keys are enrolled
    /// stand behind a plan, or the only one; and one of them did not ask for it.
    pub fn lacks(&self, enrolled: usize) -> usize {
        let people = self.approved.len() + usize::from(self.asker.is_some());
        let takes = enrolled.min(PEOPLE).saturating_sub(people);
        takes.max(usize::from(self.approved.is_empty()))
    }
}

/// How many changes of approvers copy 2 knows of, and the last of them. None where none.
///
/// # Errors
/// Those of reading; [`Error::Request`], where a snapshot says it in a way that is not understood.
pub fn sealed(repo: &Repository) -> Result<Option<ApproversSeen>, Error> {
    let mut last: Option<ApproversSeen> = None;
    for (id, s) in repo.snapshots()? {
        for tag in s.tags.iter().filter_map(|t| t.strip_prefix(TAG)) {
            let seen = tag.split_once(':').and_then(|(n, head)| {
                Some(ApproversSeen { changes: n.parse().ok()?, head: head.to_owned() })
            });
            let seen = seen.ok_or_else(|| {
                let text = format!(
                    "snapshot {} says in a way that this program does not know who approves",
                    id.short()
                );
                Error::Request(text.into())
            })?;
            if last.as_ref().is_none_or(|l| l.changes < seen.changes) {
                last = Some(seen);
            }
        }
    }
    Ok(last)
}

/// Whether a snapshot is the one that says how many changes of approvers there were.
pub fn is_sealed_in(s: &Snapshot, seen: &ApproversSeen) -> bool {
    s.has_tag(&format!("{TAG}{}:{}", seen.changes, seen.head))
}

/// Keeps the chain in copy 2, in a series of its own, unless it is there as it is.
///
/// # Errors
/// Those of writing; the repository may be locked.
pub fn seal(
    repo: &Arc<Repository>,
    tenant_name: &str,
    approvers: &Approvers,
    cache: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Id>, Error> {
    let Some(seen) = approvers.seen() else { return Ok(None) };
    if sealed(repo)?.as_ref() == Some(&seen) {
        return Ok(None);
    }
    let mut lock = repo.lock_for_writing(&Series::APPROVERS, cache, clock.now())?;
    lock.keep(repo.clone(), clock.clone());
    let kept = (|| {
        repo.reload_index()?;
        let now = clock.now();
        let head = repo.head(Some(tenant_name), &Series::APPROVERS)?;
        let text = repo.put_content(&approvers.lines()?, Cut::Plain)?;
        let mut editor = TreeEditor::new(repo.clone(), None, now);
        let file = Node::file(layout::APPROVERS, text.content, text.size_bytes, now);
        editor.put(&[layout::TENANT], file)?;
        let id = repo.commit(&Snapshot {
            time: now,
            parent: head.as_ref().map(|(id, _)| *id),
            tree: editor.write()?,
            paths: vec![format!("/{}/{}", layout::TENANT, layout::APPROVERS)],
            hostname: tenant_name.into(),
            username: strongroom_repository::OURS.into(),
            tags: vec![
                Snapshot::series_tag(&Series::APPROVERS),
                format!("{TAG}{}:{}", seen.changes, seen.head),
            ],
            program_version: concat!("strongroom ", env!("CARGO_PKG_VERSION")).to_owned(),
            generation: Snapshot::generation_on(head.as_ref().map(|(_, s)| s)),
        })?;
        publish_series(repo, &Series::APPROVERS)?;
        Ok(Some(id))
    })();
    if let Some(told) = lock.release_or_tell() {
        tracing::warn!("{told}");
    }
    kept
}
