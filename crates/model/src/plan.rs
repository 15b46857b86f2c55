//! A plan that is kept: what would be done, on what it was planned, and what it would change; made
//! by one process, carried out by another that plans anew and does nothing but what is the same.
//!
//! A plan holds no secret and no body of a request, and nothing is read out of it to be sent: it is
//! held against a fresh plan ([`Plan::differs_from`]).

use crate::{Record, RecordError, Stored, Untrusted, canonical};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Steps of one plan (own limit: a prune of a repository of 16 TB).
pub const PLAN_STEPS_MAX: usize = 1_000_000;
/// Bytes of one plan as it is stored.
pub const PLAN_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a plan may be carried out.
pub const PLAN_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// By how much clocks of two hosts may differ before a plan is of the future.
pub const PLAN_AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Names a plan by what it says: the SHA-256 of its canonical JSON, 64 hexadecimal digits. A plan
/// of which anything was changed has another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlanId(String);

impl PlanId {
    /// So many digits name a plan, for people.
    pub const SHORT: usize = 8;

    /// The id that a text is, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id =
            text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| Self(text.to_owned()))
    }

    /// All of its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..Self::SHORT]
    }
}

impl TryFrom<String> for PlanId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("an id of a plan has 64 hexadecimal digits")
    }
}

impl From<PlanId> for String {
    fn from(id: PlanId) -> Self {
        id.0
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is planned. Stored: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// Snapshots of copy 2 go.
    Forget,
    /// What no snapshot of copy 2 needs goes.
    Prune,
    /// A snapshot is held no more.
    ReleaseHold,
    /// Settings of the tenant become as a snapshot has them.
    RestoreSettings,
    /// Settings of the tenant become as a baseline wants them.
    ApplyBaseline,
    /// What a rule finds is set back as it was when the rule passed.
    Remediate,
    /// Mail, files and the like of the tenant become as snapshots have them.
    RestoreData,
}

impl OperationKind {
    /// Its stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            OperationKind::Forget => "forget",
            OperationKind::Prune => "prune",
            OperationKind::ReleaseHold => "release-hold",
            OperationKind::RestoreSettings => "restore-settings",
            OperationKind::ApplyBaseline => "apply-baseline",
            OperationKind::Remediate => "remediate",
            OperationKind::RestoreData => "restore-data",
        }
    }
}

/// Whose plan it is, by what cannot be called otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanSchool {
    /// What the school is called where it was planned, for people. Absent of a repository that was
    /// named by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Untrusted>,
    /// The tenant whose data the repository takes. Absent where nothing says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Untrusted>,
    /// The id of its copy 2, from `config`.
    pub repository: String,
}

/// How much a plan may cost whoever agrees to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Something is there besides, and what was there before stays as it is.
    Adds,
    /// Something is otherwise afterwards.
    Changes,
    /// Less is protected afterwards.
    Weakens,
    /// Something is gone afterwards.
    Destroys,
}

/// What a plan was made from. It holds as long as all of this is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Snapshots that were read for it, by id.
    pub snapshots: Vec<String>,
    /// SHA-256 of the names of all snapshots and index files. Absent where what came since does not
    /// matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<String>,
    /// Objects of the tenant that it touches, as they stood.
    pub live: Vec<LiveState>,
    /// SHA-256 of what people decided that bears on it. Absent where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<String>,
    /// SHA-256 of the part of the configuration that bears on it. Absent where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured: Option<String>,
}

/// How an object of the tenant stood.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveState {
    /// `collection/name`.
    pub object: Untrusted,
    /// Keyed hash of all that it said, under a key that follows from the repository's. Absent where
    /// there was no such object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// What is done to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanVerb {
    /// A snapshot, or a hold on one, goes.
    Forget,
    /// What is needed of it is copied, and it goes.
    Copy,
    /// It goes after a time in which readers still find it.
    Remove,
    /// It goes now.
    Delete,
    /// It was to go, is needed, and stays.
    Keep,
    /// It is made anew, or had back.
    Create,
    /// Some of it is set.
    Update,
    /// All of it is overwritten.
    Replace,
    /// It is put where it was, and under the name that it had.
    Move,
}

impl PlanVerb {
    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            PlanVerb::Forget => "forget",
            PlanVerb::Copy => "copy",
            PlanVerb::Remove => "remove",
            PlanVerb::Delete => "delete",
            PlanVerb::Keep => "keep",
            PlanVerb::Create => "create",
            PlanVerb::Update => "update",
            PlanVerb::Replace => "replace",
            PlanVerb::Move => "move",
        }
    }
}

/// A request that changes the tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCall {
    /// `POST`, `PATCH`, `PUT` or `DELETE`.
    pub method: String,
    /// With the version. What is known only when it is done stands in braces.
    pub path: Untrusted,
    /// The condition on which it is made. Absent: it is made in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Keyed hash of its body, under a key that follows from the repository's: a body may hold a
    /// pass phrase, which a bare hash lets be guessed. Absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// What is done.
    pub verb: PlanVerb,
    /// To what: `snapshot <id>`, `pack <id>`, `hold <id>`, `collection/name`, or a path of a
    /// snapshot's tree.
    pub object: Untrusted,
    /// The requests that it takes, in order. None where copy 2 alone is changed, and where what it
    /// takes is found out on the way.
    pub calls: Vec<PlannedCall>,
    /// What is brought back. Absent where that is not what is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back: Option<BroughtItems>,
}

/// Items of a tenant that are brought back in one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BroughtItems {
    /// How many.
    pub items: u64,
    /// Bytes that are sent.
    pub bytes: u64,
    /// Keyed hash of what is brought to whom, byte by byte, under a key that follows from the
    /// repository's.
    pub what: String,
}

impl PlanStep {
    /// One that changes copy 2 alone.
    pub fn of_copy2(verb: PlanVerb, object: impl Into<Untrusted>) -> Self {
        Self { verb, object: object.into(), calls: Vec::new(), back: None }
    }
}

/// What was seen, and is not part of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unable {
    /// What.
    pub object: Untrusted,
    /// Why it cannot be done.
    pub why: Untrusted,
}

/// What it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Bytes that are read and written again.
    pub bytes_copied: u64,
    /// Bytes that are free afterwards.
    pub bytes_freed: u64,
    /// Requests to the tenant that are made in any case.
    pub requests_min: u64,
    /// All that may be made.
    pub requests_max: u64,
}

/// What somebody should know before they agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Risk {
    /// One person asks and agrees.
    Alone,
    /// It decides who gets into the tenant.
    Access,
    /// Nothing brings it back.
    Irreversible {
        /// Why.
        why: String,
    },
}

/// What would undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Undo {
    /// Nothing does.
    None {
        /// Why, or what comes nearest.
        why: String,
    },
    /// Settings are put back as they were just before.
    RestoreSettings {
        /// The snapshot that keeps how they were. Absent while nothing was done yet, and where
        /// nothing could be kept: it is the newest of the settings then.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// What is put back, as `collection/name`.
        objects: Vec<Untrusted>,
    },
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedBy {
    /// Who.
    pub by: Untrusted,
    /// The public key of who asks: 64 hexadecimal digits. A decision that it signed says so too.
    /// Absent where nobody's key stands behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// How the approvers of a school stood when a plan was made. Who carries it out and finds fewer
/// changes of them than these, or others, knows that some were taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproversSeen {
    /// How many changes there were.
    pub changes: u64,
    /// The hash of the last.
    pub head: String,
}

/// A plan. It is understood whole, or it is none: whatever this program does not know might be a
/// condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Format version.
    pub v: u32,
    /// What is planned.
    pub operation: OperationKind,
    /// For whom.
    pub school: PlanSchool,
    /// The operation's own options, settled: enough to plan it again.
    pub request: Value,
    /// What it was made from.
    pub basis: Basis,
    /// What is done, in order.
    pub steps: Vec<PlanStep>,
    /// How grave it is.
    pub effect: Effect,
    /// What somebody should know.
    pub risks: Vec<Risk>,
    /// What it takes.
    pub cost: Cost,
    /// Application permissions that it takes.
    pub needs: Vec<String>,
    /// What was seen, and is not part of it.
    pub cannot: Vec<Unable>,
    /// What undoes it.
    pub undo: Undo,
    /// Who asks, and when.
    pub asked: RequestedBy,
    /// The approvers of its school. Absent where nobody ever was one: one person acts alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvers: Option<ApproversSeen>,
    /// Until when it may be carried out.
    pub expires: Timestamp,
    /// 128 random bits, hexadecimal: the same request twice is two plans.
    pub nonce: String,
}

impl Stored for Plan {
    const NAME: &'static str = "a plan";
}

impl Record<Plan> {
    /// Its id, over all that it says.
    ///
    /// # Errors
    /// [`RecordError::Shape`]; no plan of ours has it.
    pub fn id(&self) -> Result<PlanId, RecordError> {
        Ok(PlanId(hex::encode(Sha256::digest(self.canonical_bytes()?))))
    }

    /// The bytes that its id is of, and that are stored.
    ///
    /// # Errors
    /// [`RecordError::Shape`]; no plan of ours has it.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let shape = |e: serde_json::Error| RecordError::Shape {
            what: Plan::NAME,
            why: e.to_string().into(),
        };
        canonical(&serde_json::to_value(self).map_err(shape)?).map_err(shape)
    }
}

/// In what a fresh plan is not the one that was agreed to, one sentence for each thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDifference(String);

impl fmt::Display for PlanDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Plan {
    /// In what a plan that was made anew, from the same request, is another than this one. Who
    /// asked, when, and what it costs makes no difference; all else does. Where it may grow, what
    /// the fresh one would do besides is none: it is not done.
    pub fn differs_from<'p>(&'p self, fresh: &'p Plan, may_grow: bool) -> Vec<PlanDifference> {
        let mut out = Vec::new();
        let mut say = |text: String| out.push(PlanDifference(text));
        if self.school.repository != fresh.school.repository {
            say(format!(
                "it is for the repository {}, and this is {}",
                Untrusted::from(&self.school.repository).quoted(),
                fresh.school.repository
            ));
        }
        if self.school.tenant_id != fresh.school.tenant_id {
            let of = |s: &PlanSchool| match &s.tenant_id {
                Some(id) => format!("the tenant {}", id.quoted()),
                None => "no tenant in particular".to_owned(),
            };
            say(format!("it is for {}, and this is of {}", of(&self.school), of(&fresh.school)));
        }
        if self.operation != fresh.operation
            || self.request != fresh.request
            || self.effect != fresh.effect
        {
            say("this program understands what was asked for otherwise".to_owned());
        }
        if self.basis.configured != fresh.basis.configured {
            say("what the configuration says about it was changed".to_owned());
        }
        if self.basis.decided != fresh.basis.decided {
            say("what people decided about it was changed: exceptions, or a decision".to_owned());
        }
        let before: BTreeSet<&LiveState> = self.basis.live.iter().collect();
        let now: BTreeSet<&LiveState> = fresh.basis.live.iter().collect();
        let is_now: BTreeMap<&Untrusted, &LiveState> =
            fresh.basis.live.iter().map(|l| (&l.object, l)).collect();
        for live in before.difference(&now) {
            let object = live.object.quoted();
            say(match is_now.get(&live.object) {
                None => format!("{object} is as it should be, or is not to be set any more"),
                Some(l) if l.state.is_none() => format!("{object} was there, and is gone"),
                Some(_) if live.state.is_none() => format!("{object} was not there, and is now"),
                Some(_) => format!("{object} was changed since"),
            });
        }
        if self.basis.all != fresh.basis.all {
            say("snapshots or index files came or went".to_owned());
        }
        let now: BTreeSet<&String> = fresh.basis.snapshots.iter().collect();
        for gone in self.basis.snapshots.iter().filter(|id| !now.contains(id)) {
            say(format!("the snapshot {} is gone, or stays now", Untrusted::from(gone).quoted()));
        }
        let planned: BTreeSet<&PlanStep> = self.steps.iter().collect();
        let now: BTreeSet<&PlanStep> = fresh.steps.iter().collect();
        let said = |s: &PlanStep| format!("{} {}", s.verb.as_str(), s.object.quoted());
        let by_object = |set: &BTreeSet<&'p PlanStep>| -> BTreeMap<_, _> {
            set.iter().map(|s| ((s.verb, &s.object), *s)).collect()
        };
        let (was, is) = (by_object(&planned), by_object(&now));
        for step in planned.difference(&now) {
            say(match is.get(&(step.verb, &step.object)) {
                Some(fresh) if fresh.back != step.back => {
                    format!("\"{}\" would bring something else back", said(step))
                }
                Some(_) => format!("\"{}\" would take other requests", said(step)),
                None => format!("\"{}\" is planned no more", said(step)),
            });
        }
        for step in now.difference(&planned) {
            if !may_grow && !was.contains_key(&(step.verb, &step.object)) {
                say(format!("\"{}\" would be done besides", said(step)));
            }
        }
        // Equal sets in another order, or with one step twice, are another plan too.
        let is_same = match may_grow {
            true => planned.len() == self.steps.len(),
            false => self.steps == fresh.steps,
        };
        if out.is_empty() && !is_same {
            out.push(PlanDifference("the order of its steps is another".to_owned()));
        }
        out
    }
}

/// What was left undone, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotDone {
    /// What it was to be done to.
    pub object: Untrusted,
    /// Why it was not.
    pub why: Untrusted,
}

/// That a plan was carried out: written before the first step, and again after the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanExecution {
    /// Format version.
    pub v: u32,
    /// Which plan.
    pub plan: PlanId,
    /// Who carried it out.
    pub by: Untrusted,
    /// When it began.
    pub began: Timestamp,
    /// When it ended. Absent while it is under way, and for ever where it was broken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How many steps were carried out.
    pub done: u64,
    /// What was not.
    pub not_done: Vec<NotDone>,
    /// What undoes it.
    pub undo: Undo,
}

impl Stored for PlanExecution {
    const NAME: &'static str = "a record of a plan that was carried out";
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan() -> Record<Plan> {
        let call = PlannedCall {
            method: "PATCH".into(),
            path: "/v1.0/a".into(),
            when: Some("if".into()),
            body: Some("44".into()),
        };
        let step = |verb, object: &str| PlanStep {
            verb,
            object: object.into(),
            calls: vec![call.clone()],
            back: None,
        };
        Record::new(Plan {
            v: 1,
            operation: OperationKind::Forget,
            school: PlanSchool {
                name: Some("riverside".into()),
                tenant_id: Some("aaaa".into()),
                repository: "0f".repeat(32),
            },
            request: json!({"snapshots": ["ab"], "though_not_clean": false, "n": 7}),
            basis: Basis {
                snapshots: vec!["ab".into(), "cd".into()],
                all: Some("11".into()),
                live: vec![
                    LiveState { object: "a/b/c".into(), state: Some("55".into()) },
                    LiveState { object: "a/b/d".into(), state: None },
                ],
                decided: Some("66".into()),
                configured: Some("22".into()),
            },
            steps: vec![step(PlanVerb::Forget, "snapshot ab"), step(PlanVerb::Keep, "pack cd")],
            effect: Effect::Destroys,
            risks: vec![Risk::Alone, Risk::Irreversible { why: "it is gone".into() }],
            cost: Cost { bytes_copied: 5, bytes_freed: 6, requests_min: 8, requests_max: 9 },
            needs: vec!["Policy.Read.All".into()],
            cannot: vec![Unable { object: "a/b/e".into(), why: "nobody can".into() }],
            undo: Undo::RestoreSettings { to: None, objects: vec!["a/b/c".into()] },
            asked: RequestedBy {
                by: "Ada\n".into(),
                key: None,
                at: "2026-11-30T12:00:00Z".parse().unwrap(),
            },
            approvers: None,
            expires: "2026-12-07T12:00:00Z".parse().unwrap(),
            nonce: "00112233445566778899aabbccddeeff".into(),
        })
    }

    #[test]
    fn the_bytes_of_a_plan_are_these_and_its_id_is_of_them() {
        let bytes = plan().canonical_bytes().unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            r#"{"asked":{"at":"2026-11-30T12:00:00Z","by":"Ada\n"},"basis":{"all":"11","#
                .to_owned()
                + r#""configured":"22","decided":"66","live":[{"object":"a/b/c","state":"55"},"#
                + r#"{"object":"a/b/d"}],"snapshots":["ab","cd"]},"#
                + r#""cannot":[{"object":"a/b/e","why":"nobody can"}],"cost":{"bytes_copied":5,"#
                + r#""bytes_freed":6,"requests_max":9,"requests_min":8},"effect":"destroys","#
                + r#""expires":"2026-12-07T12:00:00Z","needs":["Policy.Read.All"],"#
                + r#""nonce":"00112233445566778899aabbccddeeff","operation":"forget","#
                + r#""request":{"n":7,"snapshots":["ab"],"though_not_clean":false},"#
                + r#""risks":["alone",{"irreversible":{"why":"it is gone"}}],"#
                + r#""school":{"name":"riverside","repository":""#
                + &"0f".repeat(32)
                + r#"","tenant_id":"aaaa"},"steps":[{"calls":[{"body":"44","method":"PATCH","#
                + r#""path":"/v1.0/a","when":"if"}],"object":"snapshot ab","verb":"forget"},"#
                + r#"{"calls":[{"body":"44","method":"PATCH","path":"/v1.0/a","when":"if"}],"#
                + r#""object":"pack cd","verb":"keep"}],"#
                + r#""undo":{"restore-settings":{"objects":["a/b/c"]}},"v":1}"#
        );
        let again = Record::<Plan>::from_bytes(&plan().canonical_bytes().unwrap()).unwrap();
        assert_eq!(again.id().unwrap(), plan().id().unwrap());
        assert_eq!(PlanId::parse(again.id().unwrap().as_str()), Some(again.id().unwrap()));
        for bad in ["", "ab", &"AB".repeat(32), &"g0".repeat(32), &"../".repeat(22)] {
            assert_eq!(PlanId::parse(bad), None, "{bad}");
        }
    }

    /// Everything that stands in a JSON tree, with something else in its place, one at a time; and
    /// everything taken out.
    pub(super) fn flipped(value: &Value) -> Vec<Value> {
        let mut out = Vec::new();
        match value {
            Value::Object(map) => {
                for (name, inner) in map {
                    let with = |v: Value| {
                        let mut map = map.clone();
                        map.insert(name.clone(), v);
                        Value::Object(map)
                    };
                    out.extend(flipped(inner).into_iter().map(with));
                    let mut without = map.clone();
                    without.remove(name);
                    out.push(Value::Object(without));
                }
                let mut more = map.clone();
                more.insert("zz".to_owned(), json!("new"));
                out.push(Value::Object(more));
            }
            Value::Array(rows) => {
                for (n, inner) in rows.iter().enumerate() {
                    let with = |v: Value| {
                        let mut rows = rows.clone();
                        rows[n] = v;
                        Value::Array(rows)
                    };
                    out.extend(flipped(inner).into_iter().map(with));
                    let mut without = rows.clone();
                    without.remove(n);
                    out.push(Value::Array(without));
                }
                out.push(Value::Array(rows.iter().chain(rows.first()).cloned().collect()));
            }
            Value::String(s) => {
                out.push(format!("{s}x").into());
                let mut first = s.clone();
                if first.pop().is_some() {
                    out.push(first.into());
                }
            }
            Value::Bool(b) => out.push((!b).into()),
            Value::Number(n) => out.push((n.as_u64().unwrap() + 1).into()),
            Value::Null => out.push(0.into()),
        }
        out
    }

    #[test]
    fn whatever_is_changed_in_a_plan_its_id_is_another_or_it_is_no_plan() {
        let whole = serde_json::to_value(plan()).unwrap();
        let id = plan().id().unwrap();
        let (mut read, mut refused) = (0, 0);
        for other in flipped(&whole).into_iter().filter(|other| *other != whole) {
            match Record::<Plan>::from_bytes(other.to_string().as_bytes()) {
                Ok(other) => {
                    assert_ne!(other.id().unwrap(), id, "{other:?}");
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(read > 40 && refused > 20, "{read} read, {refused} refused");
    }

    #[test]
    fn what_bears_on_a_plan_makes_a_difference_and_nothing_else() {
        let stored = plan();
        let differs = |change: &dyn Fn(&mut Plan)| {
            let mut fresh = plan().value;
            change(&mut fresh);
            (stored.differs_from(&fresh, false), stored.differs_from(&fresh, true))
        };
        let none = differs(&|p| {
            p.asked.by = "Eve".into();
            p.expires = Timestamp::MAX;
            p.nonce.clear();
            p.cost = Cost::default();
            p.school.name = None;
            p.needs.clear();
            p.cannot.clear();
        });
        assert_eq!(none, (Vec::new(), Vec::new()));
        let changes: [&dyn Fn(&mut Plan); 15] = [
            &|p| p.school.repository = "00".repeat(32),
            &|p| p.school.tenant_id = None,
            &|p| p.operation = OperationKind::Prune,
            &|p| p.request["n"] = 8.into(),
            &|p| p.effect = Effect::Weakens,
            &|p| p.basis.all = Some("33".into()),
            &|p| p.basis.configured = None,
            &|p| drop(p.basis.snapshots.remove(0)),
            &|p| drop(p.steps.remove(0)),
            &|p| p.steps[0].verb = PlanVerb::Delete,
            &|p| p.steps[0].calls[0].body = Some("45".into()),
            &|p| p.steps[0].back = Some(BroughtItems { items: 1, bytes: 2, what: "77".into() }),
            &|p| p.basis.live[0].state = Some("56".into()),
            &|p| p.basis.live[1].state = Some("56".into()),
            &|p| p.basis.decided = None,
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let (exact, growing) = differs(change);
            assert!(!exact.is_empty() && !growing.is_empty(), "{n}");
        }
        let more = |p: &mut Plan| {
            let (verb, object) = (PlanVerb::Forget, "snapshot ef".into());
            p.steps.push(PlanStep { verb, object, calls: Vec::new(), back: None });
            p.basis.snapshots.push("ef".into());
        };
        let (exact, growing) = differs(&more);
        assert_eq!((exact.len(), growing.len()), (1, 0), "{exact:?}");
        let (exact, growing) = differs(&|p| p.steps.reverse());
        assert_eq!((exact.len(), growing.len()), (1, 0), "{exact:?}");
    }
}
