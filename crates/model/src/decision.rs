//! What people decided: one record, whatever it is about.
//!
//! A decision says what was decided about what, by whom, why, since when and until when. It may
//! bear the signature of that person's key over [`Decision::signed_bytes`]; who keeps decisions
//! checks it. Where they are kept, this module does not know.

use crate::{Record, RecordError, Stored, canonical};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What kind of decision it is. Stored: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionKind {
    /// A change of the tenant's settings was looked at. Its subject is the change's id.
    Review,
    /// Somebody lives with a finding. Its subject is the rule, or `<rule> at <object>`.
    Acceptance,
    /// Somebody may be left out. Its subject is who.
    Exception,
    /// An alarm of an earlier run was looked at and dealt with. Its subject is `<code> at <scope>`;
    /// `says` is its sentence and `seen` when it was raised last, as the person saw it.
    Acknowledgement,
    /// A verdict on an item was wrong. Its subject is the item.
    Overruling,
    /// An item that cannot be read is known, and makes no backup partial. Its subject is the item's
    /// id.
    Unreadable,
    /// A plan may be carried out. Its subject is the plan's id.
    Approval,
    /// Who signs this asks for a plan. Its subject is the plan's id.
    Request,
    /// Somebody becomes an approver. Its subject is their name; `approver` says the rest.
    Enrolment,
    /// Somebody is an approver no more. As with an enrolment.
    Removal,
}

impl DecisionKind {
    /// Whether less is protected, or looked at, once it counts: it takes the approval of somebody
    /// else where a school has approvers, as a plan does.
    pub fn weakens(self) -> bool {
        match self {
            DecisionKind::Acceptance
            | DecisionKind::Exception
            | DecisionKind::Acknowledgement
            | DecisionKind::Overruling
            | DecisionKind::Unreadable => true,
            DecisionKind::Review
            | DecisionKind::Approval
            | DecisionKind::Request
            | DecisionKind::Enrolment
            | DecisionKind::Removal => false,
        }
    }

    /// Its stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            DecisionKind::Review => "review",
            DecisionKind::Acceptance => "acceptance",
            DecisionKind::Exception => "exception",
            DecisionKind::Acknowledgement => "acknowledgement",
            DecisionKind::Overruling => "overruling",
            DecisionKind::Unreadable => "unreadable",
            DecisionKind::Approval => "approval",
            DecisionKind::Request => "request",
            DecisionKind::Enrolment => "enrolment",
            DecisionKind::Removal => "removal",
        }
    }
}

/// What the answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decided {
    /// It is as it should be.
    Accepted,
    /// It is not.
    Rejected,
}

/// Who becomes an approver of a school, or is one no more, and after what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApproverChange {
    /// The tenant whose plans it is about.
    pub tenant: String,
    /// Their public key: 64 hexadecimal digits of Ed25519.
    pub key: String,
    /// The change that it stands on, by the hash that `engine` chains them with. Absent of the
    /// first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A person's signature under a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionSignature {
    /// The public key: 64 hexadecimal digits of Ed25519.
    pub key: String,
    /// The signature, hexadecimal.
    pub signature: String,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Format version.
    pub v: u32,
    /// What kind.
    pub kind: DecisionKind,
    /// About what.
    pub subject: String,
    /// The subject in words, as the person saw it. Absent where the subject says it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// When the subject was as it was decided about. Absent where it has no time of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// What was decided.
    pub decided: Decided,
    /// Who decided. Absent in an exception that was written by hand and names nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Why.
    pub reason: String,
    /// Since when it holds. Absent in what was written by hand: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The last day on which it holds. Absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Of enrolments and removals: of whom. Absent of all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approver: Option<ApproverChange>,
    /// The person's signature. Absent: nobody signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<DecisionSignature>,
}

impl Stored for Decision {
    const NAME: &'static str = "a decision";
}

impl Decision {
    /// An acceptance of this kind that holds always, by nobody in particular.
    pub fn new(kind: DecisionKind, subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            v: Self::VERSION,
            kind,
            subject: subject.into(),
            says: None,
            seen: None,
            decided: Decided::Accepted,
            person: None,
            reason: reason.into(),
            from: None,
            until: None,
            approver: None,
            signature: None,
        }
    }

    /// Who decided, for people to read.
    pub fn by(&self) -> &str {
        self.person.as_deref().unwrap_or("nobody named")
    }

    /// Whether it holds on a day.
    pub fn holds_on(&self, today: Date) -> bool {
        self.until.is_none_or(|until| until >= today)
    }
}

impl Record<Decision> {
    /// What names it when somebody decides about it: the SHA-256 of all that it says, its signature
    /// included.
    ///
    /// # Errors
    /// [`RecordError::Shape`]; no decision of ours has it.
    pub fn id(&self) -> Result<String, RecordError> {
        let shape = |e: serde_json::Error| RecordError::Shape {
            what: Decision::NAME,
            why: e.to_string().into(),
        };
        let bytes = canonical(&serde_json::to_value(self).map_err(shape)?).map_err(shape)?;
        Ok(hex::encode(Sha256::digest(bytes)))
    }

    /// The bytes that are signed: all of the record but the signature, what this program does not
    /// know of it included, with sorted names.
    ///
    /// # Errors
    /// [`RecordError::Shape`]; no decision of ours has it.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let shape = |e: serde_json::Error| RecordError::Shape {
            what: Decision::NAME,
            why: e.to_string().into(),
        };
        let mut value = serde_json::to_value(self).map_err(shape)?;
        if let Value::Object(map) = &mut value {
            map.remove("signature");
        }
        canonical(&value).map_err(shape)
    }
}

/// Something that was done to a tenant because a rule failed or a baseline wants it. It stands
/// beside the decisions: what was done, and what would undo it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppliedPlan {
    /// The rules or the baseline.
    pub what: String,
    /// The snapshot that it was set back to. Absent of a baseline.
    pub to: Option<String>,
    /// The plan.
    pub plan: Value,
    /// What came of it; empty while it is under way.
    pub outcomes: Value,
    /// The command that brings back what was there before.
    pub undo: String,
    /// When.
    pub at: Timestamp,
}

impl Stored for AppliedPlan {
    const NAME: &'static str = "a record of what was applied";
}

/// A line of the file that keeps decisions.
#[derive(Debug, Clone, PartialEq)]
pub enum DecisionEntry {
    /// What somebody decided.
    Decision(Record<Decision>),
    /// What was done.
    Applied(Record<AppliedPlan>),
    /// Of a kind that this program does not know: it may be a decision against anything.
    Unknown(Value),
}

/// The property that tells entries which are no decisions apart.
const RECORD: &str = "record";
const APPLIED: &str = "applied";
/// The name under which the first programs kept reviews.
const FIRST_REVIEW: &str = "decision";

/// A review as the first programs wrote it.
#[derive(Deserialize)]
struct FirstReview {
    change: String,
    says: String,
    decision: Decided,
    by: String,
    reason: String,
    /// Written as `null` where it holds for ever.
    until: Option<Date>,
    seen: Timestamp,
    at: Timestamp,
}

impl DecisionEntry {
    /// Reads a line; there is none that it loses.
    pub fn from_json(found: Value) -> Self {
        let read = match found.get(RECORD).and_then(Value::as_str) {
            None => Record::from_json(&found).ok().map(DecisionEntry::Decision),
            Some(FIRST_REVIEW) => FirstReview::deserialize(&found).ok().map(|r| {
                DecisionEntry::Decision(Record::new(Decision {
                    says: Some(r.says),
                    seen: Some(r.seen),
                    decided: r.decision,
                    person: Some(r.by),
                    from: Some(r.at),
                    until: r.until,
                    ..Decision::new(DecisionKind::Review, r.change, r.reason)
                }))
            }),
            Some(APPLIED) => Record::from_json(&found).ok().map(DecisionEntry::Applied),
            Some(_) => None,
        };
        read.unwrap_or(DecisionEntry::Unknown(found))
    }

    /// The line to keep.
    ///
    /// # Errors
    /// [`RecordError::Shape`]; no entry of ours has it.
    pub fn to_json(&self) -> Result<Value, RecordError> {
        let shape = |e: serde_json::Error| RecordError::Shape {
            what: "an entry",
            why: e.to_string().into(),
        };
        match self {
            DecisionEntry::Decision(record) => serde_json::to_value(record).map_err(shape),
            DecisionEntry::Applied(record) => {
                let mut value = serde_json::to_value(record).map_err(shape)?;
                value[RECORD] = APPLIED.into();
                Ok(value)
            }
            DecisionEntry::Unknown(found) => Ok(found.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_first_programs_wrote_is_read_as_decisions() {
        let first = json!({"record": "decision", "change": "ab12", "says": "x was added",
            "decision": "rejected", "by": "A. Head", "reason": "not agreed", "until": null,
            "seen": "2026-03-01T00:00:00Z", "at": "2026-03-02T00:00:00Z"});
        let DecisionEntry::Decision(d) = DecisionEntry::from_json(first) else {
            panic!("no decision")
        };
        assert_eq!((d.kind, d.decided), (DecisionKind::Review, Decided::Rejected));
        assert_eq!((d.subject.as_str(), d.by()), ("ab12", "A. Head"));
        assert!(d.until.is_none() && d.signature.is_none() && d.seen.is_some());
        let applied = json!({"record": "applied", "what": "baseline x", "to": null, "plan": [],
            "outcomes": [], "undo": "undo: …", "at": "2026-03-02T00:00:00Z"});
        let entry = DecisionEntry::from_json(applied.clone());
        assert!(matches!(entry, DecisionEntry::Applied(_)));
        assert_eq!(entry.to_json().unwrap(), applied);
    }

    #[test]
    fn an_entry_that_is_not_known_is_kept() {
        let newer = json!({"v": 2, "kind": "review", "subject": "x", "decided": "accepted",
            "reason": "y"});
        let kind = json!({"v": 1, "kind": "veto", "subject": "x", "decided": "accepted",
            "reason": "y"});
        for found in [newer, kind, json!({"record": "delegation"}), json!({"record": "decision"})] {
            let entry = DecisionEntry::from_json(found.clone());
            assert!(matches!(entry, DecisionEntry::Unknown(_)), "{found}");
            assert_eq!(entry.to_json().unwrap(), found);
        }
    }

    #[test]
    fn what_is_signed_is_everything_but_the_signature() {
        let found = json!({"v": 1, "kind": "review", "subject": "x", "decided": "accepted",
            "reason": "y", "zeta": {"b": 1, "a": [true, null]},
            "signature": {"key": "k", "signature": "s"}});
        let record = Record::<Decision>::from_json(&found).unwrap();
        assert_eq!(
            String::from_utf8(record.signed_bytes().unwrap()).unwrap(),
            r#"{"decided":"accepted","kind":"review","reason":"y","subject":"x","v":1,"#.to_owned()
                + r#""zeta":{"a":[true,null],"b":1}}"#
        );
    }
}
