//! A log that a newer program wrote into, and one that is damaged: nothing of it is passed over.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use strongroom_custody::{
    Custodian, Enrolment, EnrolmentCard, Error, Ledger, LogEvent, Order, SignedOrder, SignerRole,
    SigningKey, Trust, VaultPolicy,
};
use strongroom_model::Row;
use strongroom_objects::{LocalHold, LockedStore, hash_name};

struct Place {
    dir: tempfile::TempDir,
    store: Arc<dyn LockedStore>,
    vault: SigningKey,
    school: SigningKey,
    custodians: [SigningKey; 2],
    seed: secrecy::SecretBox<[u8; 32]>,
}

fn key() -> SigningKey {
    SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap()
}

fn now() -> Timestamp {
    Timestamp::now()
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalHold::new(dir.path().join("hold"), false));
        let seed = SigningKey::new_seed().unwrap();
        let vault = SigningKey::from_seed(&seed).unwrap();
        let place = Self { dir, store, vault, school: key(), custodians: [key(), key()], seed };
        let enrolment = Enrolment {
            card: EnrolmentCard {
                v: 1,
                repository: "r".into(),
                key: place.school.public(),
                config_sha256: "0".repeat(64),
                keys: vec![],
            },
            vault: place.vault.public(),
            custodians: place
                .custodians
                .iter()
                .enumerate()
                .map(|(n, k)| Custodian { name: format!("c{n}"), key: k.public() })
                .collect(),
            quorum: 2,
            policy: VaultPolicy::default(),
            facts: Default::default(),
        };
        place.open().unwrap().append(vec![LogEvent::Enrolled(Box::new(enrolment))], now()).unwrap();
        place
    }

    fn open(&self) -> Result<Ledger, Error> {
        let trust = vec![
            (self.vault.public(), SignerRole::Vault),
            (self.school.public(), SignerRole::School),
        ];
        let key = SigningKey::from_seed(&self.seed).unwrap();
        Ledger::open(self.store.clone(), Some(key), &Trust::Keys(trust), Some(self.dir.path()))
    }

    fn path(&self, key: &SigningKey, number: u64) -> String {
        format!("ledger/{}/{number:08}", key.public().short())
    }

    fn stored(&self, path: &str) -> Option<Bytes> {
        let version = self.store.survey(path).unwrap().into_iter().next()?.version;
        Some(self.store.fetch(path, &version, None).unwrap())
    }

    /// The next segment of a key's chain, as another program writes it.
    fn write(&self, key: &SigningKey, version: u32, events: Value) {
        let mut number = 1;
        let mut previous = String::new();
        while let Some(bytes) = self.stored(&self.path(key, number)) {
            (previous, number) = (hash_name(&bytes), number + 1);
        }
        let line = json!({"v": version, "signer": key.public(), "number": number,
            "previous": previous, "at": now(), "until": now(), "events": events})
        .to_string();
        let text = format!("{line}\n{}\n", key.sign("segment", line.as_bytes()));
        self.store.put_locked(&self.path(key, number), &Bytes::from(text), now()).unwrap();
    }

    fn order(&self, after: u64, v: u32, decision: Value) -> SignedOrder {
        let holding = self.open().unwrap().id();
        let text = json!({"v": v, "repository": "r", "vault": self.vault.public(),
            "holding": holding, "after": after, "at": now(), "reason": "x", "decision": decision});
        // In the form that is written, where this program knows what it says.
        let text = match serde_json::from_value::<Order>(text.clone()) {
            Ok(order) if v == 1 => serde_json::to_string(&order).unwrap(),
            _ => text.to_string(),
        };
        let mut order = SignedOrder { text, signatures: vec![] };
        self.custodians.iter().for_each(|k| order.sign(k));
        order
    }
}

fn alarm(text: &str) -> LogEvent {
    LogEvent::Alarm { at: now(), kind: "test".into(), text: text.into() }
}

fn texts(ledger: &Ledger) -> Vec<String> {
    ledger.state().alarms.iter().map(|(_, _, text)| text.clone()).collect()
}

#[test]
fn an_unknown_event_is_kept_named_and_freezes_and_the_chain_goes_on() {
    let place = Place::new();
    let known = |text: &str| serde_json::to_value(alarm(text)).unwrap();
    let unknown = json!({"event": "quarantined", "paths": ["packs/a"], "by": {"who": 1}});
    place.write(&place.vault, 1, json!([known("before"), unknown, known("after")]));
    let mut ledger = place.open().unwrap();
    assert_eq!(texts(&ledger), ["before", "after"]);
    assert!(ledger.state().frozen.keys().any(|why| why.contains("quarantined")));
    let names: Vec<&String> = ledger.state().unknown.iter().map(|e| &e.kind).collect();
    assert!(names.len() == 1 && names[0].contains("quarantined"), "{names:?}");
    assert!(ledger.oddities().is_empty(), "{:?}", ledger.oddities());
    // The next segment follows it, here and for whoever reads.
    ledger.append(vec![alarm("later")], now()).unwrap();
    let ledger = place.open().unwrap();
    assert_eq!(texts(&ledger), ["before", "after", "later"]);
    assert!(ledger.oddities().is_empty(), "{:?}", ledger.oddities());
    assert!(place.stored(&place.path(&place.vault, 3)).is_some());
    // Of who pushes it is told and not believed: the vault alone freezes.
    place.write(&place.school, 1, json!([{"event": "freed-by-me", "paths": ["packs/a"]}]));
    let ledger = place.open().unwrap();
    assert!(ledger.oddities().iter().any(|o| o.contains("freed-by-me")));
    assert_eq!(ledger.state().unknown.len(), 1);
}

#[test]
fn an_event_that_lacks_what_it_needs_is_not_half_believed() {
    let place = Place::new();
    place.write(&place.vault, 1, json!([{"event": "renewed", "path": "packs/a"}]));
    assert_eq!(place.open().unwrap().state().unknown.len(), 1);
    // A log whose beginning is not understood is not an empty one.
    let other = Place::new();
    let first = other.dir.path().join("hold");
    std::fs::remove_dir_all(&first).unwrap();
    std::fs::remove_dir_all(other.dir.path().join("copies")).unwrap();
    other.write(&other.vault, 1, json!([{"event": "enrolled", "card": {"v": 2}}]));
    let ledger = other.open().unwrap();
    let error = ledger.state().enrolled().unwrap_err().to_string();
    assert!(error.contains("enrolled") && !error.contains("nothing is enrolled"), "{error}");
}

#[test]
fn a_newer_segment_stops_who_would_write_behind_it() {
    let place = Place::new();
    place.write(&place.vault, 2, json!({"packed": "otherwise"}));
    let error = place.open().err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("version 2"), "{error:?}");
    // Who pushes cannot stop the vault that way.
    let place = Place::new();
    place.write(&place.school, 2, json!([]));
    let ledger = place.open().unwrap();
    assert!(ledger.oddities().iter().any(|o| o.contains("version 2")), "{:?}", ledger.oddities());
}

#[test]
fn an_order_of_an_unknown_kind_counts_and_freezes() {
    for (v, kind) in [(1, "quarantine"), (2, "thaw")] {
        let place = Place::new();
        let strange = place.order(0, v, json!({"do": kind, "days": 3}));
        let event = json!({"event": "ordered", "text": strange.text,
            "signatures": strange.signatures});
        place.write(&place.vault, 1, json!([event]));
        let mut ledger = place.open().unwrap();
        assert!(ledger.state().frozen.keys().any(|why| why.contains(kind)), "{kind}");
        assert_eq!(ledger.state().orders.len(), 1);
        // The next one is written after it. Nobody carries out what he does not understand.
        let next = place.order(1, 1, json!({"do": "thaw"}));
        ledger.append(vec![LogEvent::Ordered(Box::new(next))], now()).unwrap();
        assert!(ledger.state().frozen.is_empty());
        let again = place.order(2, v, json!({"do": kind, "days": 3}));
        assert!(ledger.append(vec![LogEvent::Ordered(Box::new(again))], now()).is_err());
    }
}

fn journal(dir: &Path, text: &[u8]) {
    std::fs::write(dir.join("open.jsonl"), text).unwrap();
}

#[test]
fn what_was_noted_by_a_newer_program_reaches_the_log_as_it_is() {
    let place = Place::new();
    let unknown = json!({"event": "quarantined", "paths": ["packs/a"]});
    let more = json!({"event": "stray", "path": "packs/b", "why": "new here"});
    // A line that was cut by a crash, and zeros of a disk that lost power.
    let text = format!("{unknown}\n{more}\n{{\"event\":\"str\n\0\0\0\n");
    journal(place.dir.path(), text.as_bytes());
    let mut ledger = place.open().unwrap();
    assert_eq!(ledger.state().unknown.len(), 1);
    ledger.append(vec![alarm("x")], now()).unwrap();
    let stored = place.stored(&place.path(&place.vault, 2)).unwrap();
    let line = stored.split(|b| *b == b'\n').next().unwrap();
    let segment: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(segment["events"][0], unknown);
    assert_eq!(segment["events"][1], more);
    assert_eq!(segment["events"].as_array().unwrap().len(), 3);
    // What is no line of a journal is no reason to begin a new one.
    journal(place.dir.path(), b"{\"event\":\"stray\",\"path\":\"a\"}\nevent: stray\n");
    let error = place.open().err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("line 2"), "{error:?}");
}

#[test]
fn a_log_of_the_first_programs_is_read() {
    let place = Place::new();
    place.write(
        &place.vault,
        1,
        json!([{"event": "sealed", "session": 1, "at": now(),
        "snapshots": []}]),
    );
    let ledger = place.open().unwrap();
    assert_eq!(ledger.state().sessions.len(), 1);
    assert!(ledger.state().unknown.is_empty() && ledger.oddities().is_empty());
}

/// Prunes publish manifests anew, and whoever has the pusher's credential can publish again what
/// was published: neither is news.
#[test]
fn a_snapshot_is_published_once() {
    let place = Place::new();
    let sealed = |manifest: &str, snapshot: &str| {
        json!({"number": 1, "manifest": manifest.repeat(64), "snapshot": snapshot.repeat(64),
            "clean": true})
    };
    let seal = |at: &str, rows: Value| {
        json!({"event": "sealed", "session": 1, "at": at,
            "snapshots": rows, "left": []})
    };
    place.write(
        &place.vault,
        1,
        json!([
            seal("2026-01-01T06:00:00Z", json!([sealed("a", "1"), sealed("b", "1")])),
            seal("2026-02-01T06:00:00Z", json!([sealed("c", "1"), sealed("d", "2")])),
        ]),
    );
    place.write(&place.school, 1, json!([seal("2026-03-01T06:00:00Z", json!([sealed("e", "2")]))]));
    let ledger = place.open().unwrap();
    assert!(ledger.oddities().is_empty(), "{:?}", ledger.oddities());
    // Sessions go on being counted as before: orders name them by number.
    assert_eq!(ledger.state().sessions.len(), 3);
    let published: Vec<(u64, &str)> =
        ledger.state().snapshots().map(|(n, _, s)| (n, &s.manifest[..1])).collect();
    assert_eq!(published, [(1, "a"), (2, "d")]);
}

#[test]
fn what_is_hidden_stays_hidden_though_it_is_published_again() {
    let place = Place::new();
    let mut ledger = place.open().unwrap();
    let snapshot = hash_name(b"s");
    let arrive = |version: &str| LogEvent::Arrived {
        path: format!("snapshots/{snapshot}"),
        version: version.into(),
        size_bytes: 1,
        until: now(),
        at: now(),
    };
    let seal = |manifest: &str| LogEvent::Sealed {
        session: 0,
        at: now(),
        snapshots: vec![strongroom_custody::SealedSnapshot {
            series: None,
            number: 1,
            manifest: hash_name(manifest.as_bytes()),
            snapshot: snapshot.clone(),
            clean: true,
        }],
        left: Some(vec![]),
    };
    ledger.append(vec![arrive("1"), seal("m")], now()).unwrap();
    let hide = place.order(0, 1, json!({"do": "hide", "paths": [], "sessions": [1]}));
    ledger.append(vec![LogEvent::Ordered(Box::new(hide))], now()).unwrap();
    let gone = LogEvent::Freed { paths: vec![format!("snapshots/{snapshot}")], at: now() };
    ledger.append(vec![gone, arrive("2"), seal("again")], now()).unwrap();
    let seen = || {
        let holding = strongroom_custody::Holding::open(place.open().unwrap()).unwrap();
        strongroom_custody::VaultView::of(&holding, None).unwrap().totals().0
    };
    assert_eq!(seen(), 0);
    let show = place.order(1, 1, json!({"do": "show", "paths": [], "sessions": [1]}));
    ledger.append(vec![LogEvent::Ordered(Box::new(show))], now()).unwrap();
    assert_eq!(seen(), 1);
}

#[test]
fn a_policy_of_a_log_that_goes_too_far_is_bounded_and_told() {
    let place = Place::new();
    let policy =
        VaultPolicy { monthly_months: 138_547_333, silent_days: 9_999, ..VaultPolicy::default() };
    let order = place.order(0, 1, json!({"do": "policy", "policy": policy}));
    let event = json!({"event": "ordered", "text": order.text, "signatures": order.signatures});
    place.write(&place.vault, 1, json!([event]));
    let mut ledger = place.open().unwrap();
    assert!(ledger.oddities().is_empty(), "{:?}", ledger.oddities());
    let state = ledger.state();
    assert_eq!((state.orders.len(), &state.policy), (1, &policy.bounded()));
    assert!(state.policy.monthly_months >= 13 && state.policy.silent_days <= 31);
    assert!(texts(&ledger)[0].contains("policy"));
    let again = place.order(1, 1, json!({"do": "policy", "policy": policy}));
    assert!(ledger.append(vec![LogEvent::Ordered(Box::new(again))], now()).is_err());
}

/// Every event as programs before wrote it: read, and written again as it was.
#[test]
fn events_of_before_are_known_and_written_as_before() {
    let lines = include_str!("stored/events.jsonl");
    let mut kinds = std::collections::BTreeSet::new();
    for line in lines.lines() {
        let found: Value = serde_json::from_str(line).unwrap();
        let row = Row::<LogEvent>::from_json(found.clone());
        assert!(row.known().is_some(), "{line}");
        assert_eq!(serde_json::to_string(row.known().unwrap()).unwrap(), line);
        // Without any one of its properties it is not half believed.
        for name in found.as_object().unwrap().keys().filter(|k| *k != "left") {
            let mut less = found.clone();
            less.as_object_mut().unwrap().remove(name);
            assert!(Row::<LogEvent>::from_json(less).known().is_none(), "{name} of {line}");
        }
        kinds.insert(found["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds.len(), 16);
}
