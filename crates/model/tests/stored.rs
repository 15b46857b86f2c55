//! Bytes as programs before the module of records wrote them: each is read, nothing of it is
//! unknown, and it is written again byte for byte, so that those programs read what this one
//! writes.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use strongroom_model::{
    AlarmKind, AlarmList, AlarmSeverity, Facts, Pending, Record, RecordError, Row,
    decision::{Decided, DecisionEntry, DecisionKind},
};

const FACTS: &str = include_str!("stored/facts.jsonl");
const ALARMS: &str = include_str!("stored/alarms.json");
const PENDING: &str = include_str!("stored/pending.json");
const REVIEWS: &str = include_str!("stored/reviews.jsonl");

#[test]
fn records_of_nodes_are_read_and_written_as_before() {
    for line in FACTS.lines() {
        let facts = Facts::from_bytes(line.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(facts.to_bytes().unwrap()).unwrap(), line);
    }
    let of = |k: &str| {
        let found = FACTS.lines().find(|l| l.contains(k)).unwrap();
        Facts::from_bytes(found.as_bytes()).unwrap()
    };
    assert!(of("\"u2\"").is_gone() && !of("\"u1\"").is_gone());
    assert_eq!(of("\"r\":true").message.unwrap().categories, ["Red", "Blue"]);
    assert!(of("\"r\":false").message.unwrap().categories.is_empty());
    assert_eq!(of("3.0").file.unwrap().versions, Some(4));
    assert_eq!(of("suspicious").judgement.unwrap().reasons.len(), 2);
}

#[test]
fn records_of_nodes_are_read_wholly_or_not_at_all() {
    for line in FACTS.lines() {
        // What a newer program added stays, within what it belongs to.
        let mut newer: Value = serde_json::from_str(line).unwrap();
        newer["zz"] = Value::from("new");
        for part in ["m", "f", "j"] {
            if newer[part].is_object() {
                newer[part]["zz"] = Value::from(1);
            }
        }
        let mut facts = Facts::from_bytes(newer.to_string().as_bytes()).unwrap();
        let again: Value = serde_json::from_slice(&facts.to_bytes().unwrap()).unwrap();
        assert_eq!(again, newer);
        // A change of ours and what is not ours do not disturb each other.
        facts.delta = Some("changed".into());
        let again: Value = serde_json::from_slice(&facts.to_bytes().unwrap()).unwrap();
        assert_eq!((&again["d"], &again["zz"]), (&"changed".into(), &"new".into()));
        // Cut anywhere it is damaged; of a newer version or an unknown kind it is refused.
        for n in 0..line.len() {
            if line.is_char_boundary(n) {
                assert!(Facts::from_bytes(&line.as_bytes()[..n]).is_err(), "{n} of {line}");
            }
        }
        let version = line.replacen("\"v\":1", "\"v\":2", 1);
        let error = Facts::from_bytes(version.as_bytes()).unwrap_err();
        assert!(matches!(error, RecordError::Version { found: 2, .. }));
        let kind = line.replacen("\"k\":\"", "\"k\":\"new", 1);
        assert!(Facts::from_bytes(kind.as_bytes()).is_err());
    }
}

#[test]
fn alarms_of_before_stand() {
    let list = Record::<AlarmList>::from_bytes(ALARMS.as_bytes()).unwrap();
    assert!(list.rest().is_empty());
    let standing = list.standing();
    let alarm = standing[0].known().unwrap();
    assert_eq!((alarm.kind, alarm.severity), (AlarmKind::Encryption, AlarmSeverity::High));
    assert_eq!((standing.len(), list.alarms.len()), (1, 2));
    let again: Value = serde_json::from_slice(&list.to_bytes().unwrap()).unwrap();
    assert_eq!(again, serde_json::from_str::<Value>(ALARMS).unwrap());
    // The code of an unknown one is a tag, when it can be one.
    let code = |kind: Value| {
        let row: Row<strongroom_model::Alarm> = Row::from_json(serde_json::json!({"kind": kind}));
        row.code().to_owned()
    };
    assert_eq!(code("brand-new-7".into()), "brand-new-7");
    for odd in ["", "two words", "a,b", "Ä", "clean\n"] {
        assert_eq!(code(odd.into()), "unknown");
    }
    assert_eq!(code(7.into()), "unknown");
}

#[test]
fn lists_of_items_to_ask_for_again_are_written_as_before() {
    let rows: Vec<Row<Pending>> = serde_json::from_str(PENDING).unwrap();
    assert!(rows.iter().all(|r| r.known().is_some()));
    assert_eq!(serde_json::to_string(&rows).unwrap(), PENDING);
}

#[test]
fn reviews_of_before_are_decisions() {
    let entries: Vec<DecisionEntry> = REVIEWS
        .lines()
        .map(|l| DecisionEntry::from_json(serde_json::from_str(l).unwrap()))
        .collect();
    let [
        DecisionEntry::Decision(yes),
        DecisionEntry::Decision(no),
        DecisionEntry::Applied(applied),
    ] = entries.as_slice()
    else {
        panic!("{entries:?}");
    };
    assert_eq!((yes.kind, yes.decided), (DecisionKind::Review, Decided::Accepted));
    assert_eq!(yes.subject, "1a2b3c4d5e6f7a8b");
    assert_eq!((yes.by(), yes.reason.as_str()), ("A. Head", "agreed on Monday"));
    assert!(yes.holds_on("2099-07-31".parse().unwrap()));
    assert!(!yes.holds_on("2099-08-01".parse().unwrap()));
    assert_eq!((no.decided, no.until), (Decided::Rejected, None));
    assert_eq!(applied.undo, "cd34");
    // What is written now is a line that those programs refuse: they ask for `record`.
    let line = entries[0].to_json().unwrap();
    assert!(line.get("record").is_none() && line["kind"] == "review");
    assert_eq!(DecisionEntry::from_json(line), entries[0]);
}
