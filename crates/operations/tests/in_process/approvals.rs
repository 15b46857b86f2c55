//! Approval by a second person: who may approve is a chain that two sign, and nothing is carried
//! out that too few stand behind, at the moment at which it begins.

use crate::{
    common::*,
    plans::{DAY, Place, applies, refused},
};
use jiff::{SignedDuration, civil::Date};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::SigningKey;
use strongroom_engine::decisions::{Decisions, signed};
use strongroom_model::{
    Clock, Record, Silent,
    decision::{Decided, Decision, DecisionEntry, DecisionKind},
};
use strongroom_operations::{
    Choice, Copy2, Error, Kind, Remedy, School,
    approvers::{self, Approvals, Approves, Asker, Change, Changed, Outcome, Stands},
    config::Config,
    decisions,
    plan::{Authority, Operation, Plan, PlanId, Risk, again, guard},
    upkeep::{
        Forget, ForgetRequest, Prune, PruneOptions, ReleaseHold, ReleaseHoldRequest,
        RetentionPolicy,
    },
};

/// A key file of a person, the same each time.
pub(crate) fn key_file(dir: &Path, who: &str) -> PathBuf {
    let path = dir.join(format!("{who}.key"));
    if !path.exists() {
        secret(&path, &hex::encode(Sha256::digest(who)));
    }
    path
}

pub(crate) fn key(dir: &Path, who: &str) -> SigningKey {
    SigningKey::from_file(&key_file(dir, who)).unwrap()
}

/// As `approver enrol` and `approver remove` do: who signs uses the key of that name.
pub(crate) async fn changes(
    school: &School,
    dir: &Path,
    kind: DecisionKind,
    name: &str,
    by: &str,
) -> Result<Changed, Error> {
    let public = key(dir, name).public().to_string();
    let change = Change {
        kind,
        name,
        public_key: Some(&public),
        by,
        key_file: &key_file(dir, by),
        reason: "agreed on Monday",
    };
    approvers::change(school, change).await
}

impl Place {
    async fn change(&self, kind: DecisionKind, name: &str, by: &str) -> Result<Changed, Error> {
        changes(&self.school(), self.dir.path(), kind, name, by).await
    }

    pub(crate) async fn enrols(&self, name: &str, by: &str) -> Outcome {
        self.change(DecisionKind::Enrolment, name, by).await.unwrap().outcome
    }

    async fn removes(&self, name: &str, by: &str) -> Outcome {
        self.change(DecisionKind::Removal, name, by).await.unwrap().outcome
    }

    /// Ada, Grace and Joan.
    async fn enrolled() -> Self {
        let place = Self::new(5);
        place.enrols("Ada", "Ada").await;
        place.enrols("Grace", "Ada").await;
        place.enrols("Grace", "Grace").await;
        place.enrols("Joan", "Ada").await;
        assert_eq!(place.enrols("Joan", "Grace").await, Outcome::Done);
        place
    }

    async fn names(&self) -> Vec<String> {
        let found = approvers::look(&self.school()).await.unwrap();
        assert!(found.is_sealed());
        found.enrolled().iter().map(|a| a.name.clone()).collect()
    }

    pub(crate) fn decisions(&self) -> PathBuf {
        self.dir.path().join("reviews/riverside.jsonl")
    }

    /// Plans to keep the two newest days, asked for by somebody with a key, and keeps the plan.
    async fn plans_by(&self, asker: &Asker) -> Result<PlanId, Error> {
        let policy = RetentionPolicy { daily: 2, ..RetentionPolicy::default() };
        let request = ForgetRequest::Policy { policy, though_not_clean: false };
        let copy2 = self.copy2();
        let ready = Forget::plan(&copy2, request, "root", Arc::new(Silent)).await?;
        let ready = ready.asked_by(asker);
        let id = self.store().put(ready.plan()).unwrap();
        approvers::ask(&self.school(), ready.plan(), asker).unwrap();
        Ok(id)
    }

    fn asker(&self, who: &str) -> Asker {
        Asker::new(Some(who), Some(&key_file(self.dir.path(), who))).unwrap()
    }

    fn approves(&self, id: &PlanId, who: &str) -> Result<Stands, Error> {
        self.approves_with(id, who, who, None)
    }

    fn approves_with(
        &self,
        id: &PlanId,
        by: &str,
        with: &str,
        until: Option<Date>,
    ) -> Result<Stands, Error> {
        let file = key_file(self.dir.path(), with);
        let how = Approves { by, key_file: &file, until, reason: "as agreed" };
        approvers::approve(&self.school(), &self.store().get(id)?, how)
    }

    /// Writes an approval by hand, past the command.
    fn forges(&self, decision: Decision, with: Option<&str>) {
        let key = with.map(|who| key(self.dir.path(), who));
        let record = signed(decision, key.as_ref()).unwrap();
        self.school().decisions().add(&[DecisionEntry::Decision(record)]).unwrap();
    }

    fn approval(&self, id: &PlanId, by: &str) -> Decision {
        let now = self.clock.now();
        Decision {
            person: Some(by.to_owned()),
            from: Some(now),
            until: Some(self.school().today()),
            ..Decision::new(DecisionKind::Approval, id.as_str(), "as agreed")
        }
    }
}

fn waits(done: Result<impl Sized, Error>, says: &str) {
    refused(done, Kind::Unapproved, says);
}

#[tokio::test(flavor = "multi_thread")]
async fn approvers_are_enrolled_and_removed_by_two_as_long_as_there_are_two() {
    let place = Place::new(1);
    assert!(approvers::look(&place.school()).await.unwrap().is_alone());
    // The first signs for themself, and nobody else does.
    let e = place.change(DecisionKind::Enrolment, "Ada", "Eve").await;
    refused(e, Kind::Request, "these may sign: Ada");
    assert!(!place.decisions().exists(), "nothing is kept of what has no say");
    assert_eq!(place.enrols("Ada", "Ada").await, Outcome::Done);
    // The second: the first, and themself.
    assert_eq!(place.enrols("Grace", "Ada").await, Outcome::Waits);
    assert_eq!(place.enrols("Grace", "Ada").await, Outcome::Known);
    assert_eq!(place.names().await, ["Ada"]);
    assert_eq!(place.enrols("Grace", "Grace").await, Outcome::Done);
    // From then on two of those who are, and not whom it is about.
    assert_eq!(place.enrols("Joan", "Grace").await, Outcome::Waits);
    let e = place.change(DecisionKind::Enrolment, "Joan", "Joan").await;
    refused(e, Kind::Request, "these may sign: Ada, Grace");
    assert_eq!(place.enrols("Joan", "Ada").await, Outcome::Done);
    assert_eq!(place.names().await, ["Ada", "Grace", "Joan"]);

    // One key is one person's, and one person has one key.
    let school = place.school();
    let public = key(place.dir.path(), "Joan").public().to_string();
    let other = key(place.dir.path(), "Other").public().to_string();
    let file = key_file(place.dir.path(), "Ada");
    for (name, public_key, says) in [
        ("June", &public, "one key is one person's"),
        ("Joan", &other, "one person has one key"),
        (" joan", &other, "no blank around it"),
        ("JOAN", &other, "one person has one key"),
        ("Joan", &public, "is an approver already"),
    ] {
        let change = Change {
            kind: DecisionKind::Enrolment,
            name,
            public_key: Some(public_key),
            by: "Ada",
            key_file: &file,
            reason: "why not",
        };
        refused(approvers::change(&school, change).await, Kind::Request, says);
    }

    // Who is removed has no say in it while there are two others.
    let e = place.change(DecisionKind::Removal, "Joan", "Joan").await;
    refused(e, Kind::Request, "these may sign: Ada, Grace");
    assert_eq!(place.removes("Joan", "Ada").await, Outcome::Waits);
    assert_eq!(place.names().await, ["Ada", "Grace", "Joan"]);
    assert_eq!(place.removes("Joan", "Grace").await, Outcome::Done);
    // Of two both, and the last by themself: then one person acts alone again.
    assert_eq!(place.removes("Grace", "Ada").await, Outcome::Waits);
    assert_eq!(place.removes("Grace", "Grace").await, Outcome::Done);
    assert_eq!(place.removes("Ada", "Ada").await, Outcome::Done);
    assert!(place.names().await.is_empty());
    // Back again, as somebody new.
    assert_eq!(place.enrols("Ada", "Ada").await, Outcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_signed_waits_for_the_second_for_fourteen_days() {
    let place = Place::enrolled().await;
    assert_eq!(place.removes("Joan", "Ada").await, Outcome::Waits);
    place.clock.advance(DAY * 15);
    assert_eq!(place.removes("Joan", "Grace").await, Outcome::Waits, "it begins anew");
    place.clock.advance(DAY * 14);
    assert_eq!(place.removes("Joan", "Ada").await, Outcome::Done);
    // What stood on the change before is overtaken by it, and stops nothing.
    assert_eq!(place.enrols("Mary", "Ada").await, Outcome::Waits);
    assert_eq!(place.enrols("Ruth", "Ada").await, Outcome::Waits);
    assert_eq!(place.enrols("Ruth", "Grace").await, Outcome::Done);
    assert_eq!(place.enrols("Mary", "Grace").await, Outcome::Waits);
    assert_eq!(place.names().await, ["Ada", "Grace", "Ruth"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn approvers_that_were_taken_away_are_never_nobody() {
    let place = Place::enrolled().await;
    let asker = place.asker("Ada");
    let id = place.plans_by(&asker).await.unwrap();
    place.approves(&id, "Grace").unwrap();
    let (file, before) = (place.decisions(), place.snapshots());
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let is_refused = async |what: &str| {
        for done in [place.applies(&id).await.map(drop), place.plans_by(&asker).await.map(drop)] {
            let e = done.err().unwrap_or_else(|| panic!("{what}: it was done"));
            assert_eq!(e.kind(), Kind::Refused, "{what}: {}", e.sentence());
            assert!(e.sentence().contains("it is not known who approves"), "{}", e.sentence());
        }
        assert_eq!(place.snapshots(), before, "{what}");
    };
    let text = |lines: &[&str]| lines.iter().map(|l| format!("{l}\n")).collect::<String>();

    // Deleted, cut at its end, and each line of the chain taken out.
    fs::remove_file(&file).unwrap();
    is_refused("deleted").await;
    for n in 0..5 {
        fs::write(&file, text(&lines[..n])).unwrap();
        is_refused(&format!("cut after {n}")).await;
        let mut without = lines.clone();
        without.remove(n);
        fs::write(&file, text(&without)).unwrap();
        is_refused(&format!("without {n}")).await;
    }
    // Anything of it edited, its signature taken away, or an entry of a newer program.
    for n in 0..5 {
        let line: Value = serde_json::from_str(lines[n]).unwrap();
        let mut edited = Vec::new();
        for (at, to) in [
            ("/subject", json!("Eve")),
            ("/person", json!("Eve")),
            ("/approver/key", json!(key(place.dir.path(), "Eve").public())),
            ("/approver/tenant", json!("bbbb")),
            ("/until", json!("2099-01-01")),
            ("/from", json!("2020-01-01T00:00:00Z")),
            ("/decided", json!("rejected")),
            ("/kind", json!("removal")),
        ] {
            let mut line = line.clone();
            *line.pointer_mut(at).unwrap() = to;
            edited.push(line);
        }
        let mut unsigned = line.clone();
        unsigned.as_object_mut().unwrap().remove("signature");
        let mut more = line.clone();
        more["unless"] = json!("never");
        let newer = json!({"record": "delegation"});
        for line in edited.into_iter().chain([unsigned, more, newer]) {
            let line = line.to_string();
            let mut with = lines.clone();
            with[n] = &line;
            fs::write(&file, text(&with)).unwrap();
            is_refused(&line).await;
        }
    }
    // A chain of somebody's own, shorter and as long; and another school's.
    fs::remove_file(&file).unwrap();
    let own = Place::new(1);
    for (name, by) in [("Eve", "Eve"), ("Mal", "Eve"), ("Mal", "Mal"), ("Bob", "Eve")] {
        own.enrols(name, by).await;
    }
    own.enrols("Bob", "Mal").await;
    fs::copy(own.decisions(), &file).unwrap();
    is_refused("a chain of somebody's own").await;
    let hillside = own.school().other("hillside").unwrap();
    made(&hillside, "bbbb");
    for (name, by) in [("Ada", "Ada"), ("Grace", "Ada"), ("Grace", "Grace")] {
        changes(&hillside, own.dir.path(), DecisionKind::Enrolment, name, by).await.unwrap();
    }
    fs::copy(own.dir.path().join("reviews/hillside.jsonl"), &file).unwrap();
    is_refused("another school's").await;
    // Somebody without a say adds to it.
    fs::write(&file, &whole).unwrap();
    let mut stranger = Record::<Decision>::from_bytes(lines[4].as_bytes()).unwrap().value;
    stranger.kind = DecisionKind::Removal;
    stranger.subject = "Grace".to_owned();
    stranger.person = Some("Eve".to_owned());
    let about = stranger.approver.as_mut().unwrap();
    about.key = key(place.dir.path(), "Grace").public().to_string();
    about.after = place.store().get(&id).unwrap().approvers.clone().map(|a| a.head);
    place.forges(stranger, Some("Eve"));
    is_refused("a removal by a stranger").await;

    // As it was, all is well.
    fs::write(&file, &whole).unwrap();
    place.applies(&id).await.unwrap();
}

/// Whoever can edit the configuration leads the program to another file, or past the school.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_leads_elsewhere_makes_nobody_of_approvers() {
    let place = Place::enrolled().await;
    let request = || ForgetRequest::Policy {
        policy: RetentionPolicy { daily: 2, ..RetentionPolicy::default() },
        though_not_clean: false,
    };
    let planned = async |copy2: &Copy2| {
        Forget::plan(copy2, request(), "root", Arc::new(Silent)).await.map(drop)
    };
    let text = fs::read_to_string(place.config_file()).unwrap();
    planned(&place.copy2()).await.unwrap();
    let elsewhere = format!("reviews_dir = \"elsewhere\"\n{text}");
    fs::write(place.config_file(), elsewhere).unwrap();
    refused(planned(&place.copy2()).await, Kind::Refused, "were taken away");
    let renamed = text.replacen("name = \"riverside\"", "name = \"seaside\"", 1);
    fs::write(place.config_file(), renamed).unwrap();
    let host = host_at(place.clock.clone());
    let config = Arc::new(Config::read(&place.config_file(), &host.accounts).unwrap());
    let seaside = School::chosen(&config, &host, &choice("seaside")).unwrap();
    refused(planned(&seaside.copy2().unwrap()).await, Kind::Refused, "were taken away");

    // The folder by itself: with the configuration its school is found, without it nobody knows.
    fs::write(place.config_file(), &text).unwrap();
    let config = Arc::new(Config::read(&place.config_file(), &host.accounts).unwrap());
    let folder = Choice {
        repository: Some(place.dir.path().join("copies/riverside")),
        password_file: Some(place.dir.path().join("riverside.password")),
        cache_dir: Some(place.dir.path().join("caches-2")),
        ..Choice::default()
    };
    let word = folder.repository.clone().unwrap();
    let by_itself = Copy2::named(&word, &folder, Some(&config), &host).unwrap();
    let ready = Forget::plan(&by_itself, request(), "root", Arc::new(Silent)).await.unwrap();
    assert!(!ready.is_empty() && ready.plan().approvers.is_some());
    let leave = Authority::of(ready.plan(), "root", place.clock.now()).unwrap();
    let ready = guard::<Forget>(&by_itself, ready).await.unwrap();
    let before = place.snapshots();
    waits(Forget::apply(&by_itself, ready, leave, Arc::new(Silent)).await, "waits for 2 more");
    assert_eq!(place.snapshots(), before);
    let alone = Copy2::named(&word, &folder, None, &host).unwrap();
    refused(planned(&alone).await, Kind::Refused, "this configuration does not have");

    // What copy 2 knows them by cannot be forgotten; where it is gone all the same, the plan knows.
    let id = place.plans_by(&place.asker("Ada")).await.unwrap();
    place.approves(&id, "Grace").unwrap();
    let all = place.repo.snapshots().unwrap();
    let marks: Vec<_> =
        all.iter().filter(|(_, s)| s.series().as_str() == "approvers").map(|(i, _)| *i).collect();
    assert_eq!(marks.len(), 3);
    let last = all.iter().rfind(|(_, s)| s.tags.iter().any(|t| t.starts_with("approvers:3:")));
    let named = ForgetRequest::Named { snapshots: vec![last.unwrap().0.to_string()] };
    let done = Forget::plan(&place.copy2(), named, "root", Arc::new(Silent)).await;
    refused(done, Kind::Request, "says who approves");
    for mark in &marks {
        place.repo.forget(mark).unwrap();
    }
    fs::remove_file(place.decisions()).unwrap();
    refused(place.applies(&id).await, Kind::Refused, "this host knows of 3 changes");
    fs::remove_file(place.dir.path().join("state/riverside/approvers.json")).unwrap();
    let (plan, copy2) = (place.store().get(&id).unwrap(), place.copy2());
    let nobody = Approvals::of(&copy2, &place.repo).unwrap();
    assert!(nobody.is_alone());
    let done = nobody.check(&plan, place.clock.now());
    refused(done, Kind::Refused, "the plan knows of 3 changes");
}

/// Three processes and three keys, an hour apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_carried_out_once_another_than_who_asks_approves_of_it() {
    let mut place = Place::enrolled().await;
    let hour = SignedDuration::from_hours(1);
    let (id, before) = (place.plans_by(&place.asker("Ada")).await.unwrap(), place.snapshots());
    let plan = place.store().get(&id).unwrap();
    assert!(!plan.risks.contains(&Risk::Alone));
    assert_eq!(plan.asked.by.as_str(), "Ada");
    assert_eq!(plan.asked.key, Some(key(place.dir.path(), "Ada").public().to_string()));
    let e = place.applies(&id).await.err().unwrap();
    assert_eq!(
        (e.kind(), e.remedy()),
        (Kind::Unapproved, Some(&Remedy::ApprovePlan(id.short().to_owned())))
    );
    assert!(e.sentence().contains("1 more approval by Grace or Joan"), "{}", e.sentence());
    assert!(place.store().applied(&id).unwrap().is_none(), "nothing was begun");

    // One's own, with one's key or another's name; a key that is not enrolled; in another's name.
    for (by, with, says) in [
        ("Ada", "Ada", "nobody approves of what they asked for"),
        ("Grace", "Ada", "is that of Ada"),
        ("Eve", "Eve", "is not enrolled"),
        ("Grace", "Eve", "is not enrolled"),
        ("Joan", "Grace", "is that of Grace"),
    ] {
        refused(place.approves_with(&id, by, with, None), Kind::Refused, says);
    }
    // The same written by hand does not count when it is carried out, and it is said why.
    for (by, with, says) in [
        ("Ada", Some("Ada"), "that of Ada does not: they asked for the plan"),
        ("Grace", Some("Ada"), "the key is that of Ada"),
        ("Eve", Some("Eve"), "is not enrolled as an approver's"),
        ("Grace", None, "it is not signed"),
    ] {
        place.forges(place.approval(&id, by), with);
        waits(place.applies(&id).await, says);
    }
    let wrong = Decision { reason: "another".to_owned(), ..place.approval(&id, "Grace") };
    let mut wrong = signed(wrong, Some(&key(place.dir.path(), "Grace"))).unwrap();
    wrong.reason = "as agreed".to_owned();
    place.school().decisions().add(&[DecisionEntry::Decision(wrong)]).unwrap();
    waits(place.applies(&id).await, "its signature is wrong");
    assert_eq!(place.snapshots(), before);

    place.clock.advance(hour);
    let stands = place.approves(&id, "Grace").unwrap();
    assert_eq!((stands.approved.as_slice(), stands.lacks), (&["Grace".to_owned()][..], 0));
    place.clock.advance(hour);
    let done = place.applies(&id).await.unwrap();
    assert!(done.report.removed > 0);
    // A replay, with the same approval.
    assert!(place.applies(&id).await.is_err());
    // The approval of one plan is that of no other, though it says the same.
    for _ in 0..3 {
        place.clock.advance(DAY);
        place.backs_up(true);
    }
    let other = place.plans_by(&place.asker("Ada")).await.unwrap();
    assert_ne!(other, id);
    waits(place.applies(&other).await, "1 more approval by Grace or Joan");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_counts_at_the_moment_of_carrying_out_or_not_at_all() {
    let place = Place::enrolled().await;
    let ask = async || place.plans_by(&place.asker("Ada")).await.unwrap();
    let before = place.snapshots();

    // It ends before the plan does, and never after it.
    let id = ask().await;
    let today = place.school().today();
    let last = today.checked_add(jiff::Span::new().days(7)).unwrap();
    let late = last.tomorrow().unwrap();
    let done = place.approves_with(&id, "Grace", "Grace", Some(late));
    refused(done, Kind::Request, "ends on a day from today");
    let done = place.approves_with(&id, "Grace", "Grace", Some(today.yesterday().unwrap()));
    refused(done, Kind::Request, "ends on a day from today");
    place.approves_with(&id, "Grace", "Grace", Some(today)).unwrap();
    place.clock.advance(DAY);
    waits(place.applies(&id).await, "that of Grace does not: it ended on");
    place.approves(&id, "Grace").unwrap();
    place.clock.advance(DAY * 8);
    refused(place.applies(&id).await, Kind::Refused, "could be carried out until");
    refused(place.approves(&id, "Joan"), Kind::Refused, "could be carried out until");

    // One of the future.
    let id = ask().await;
    let mut early = place.approval(&id, "Grace");
    early.from = early.from.map(|at| at.checked_add(SignedDuration::from_hours(1)).unwrap());
    place.forges(early, Some("Grace"));
    waits(place.applies(&id).await, "which has not come");

    // Somebody who says no is heard, whoever else says yes.
    let id = ask().await;
    place.approves(&id, "Grace").unwrap();
    let no = Decision { decided: Decided::Rejected, ..place.approval(&id, "Joan") };
    place.forges(no, Some("Joan"));
    refused(place.applies(&id).await, Kind::Refused, "Joan does not approve of the plan");

    // The approver is removed after they approved, and comes back: it was another who approved.
    let id = ask().await;
    place.approves(&id, "Joan").unwrap();
    // All was looked at: it is removed while somebody thinks.
    let (store, copy2) = (place.store(), place.copy2());
    let plan = store.get(&id).unwrap();
    let leave = Authority::of(&plan, "root", place.clock.now()).unwrap().noted_in(&store);
    let ready = again::<Forget>(&copy2, &plan, Arc::new(Silent)).await.unwrap();
    place.removes("Joan", "Ada").await;
    place.removes("Joan", "Grace").await;
    let done = Forget::apply(&copy2, ready, leave, Arc::new(Silent)).await;
    waits(done, "is not enrolled as an approver's");
    refused(place.approves(&id, "Joan"), Kind::Refused, "is not enrolled");
    place.clock.advance(SignedDuration::from_secs(1));
    place.enrols("Joan", "Ada").await;
    place.enrols("Joan", "Grace").await;
    waits(place.applies(&id).await, "it is older than their enrolment");
    // Edited, it is another plan, that nobody approved of.
    let mut edited = plan.clone();
    edited.nonce = "00".repeat(16);
    let edited = store.put(&edited).unwrap();
    waits(place.applies(&edited).await, "more approval");
    assert!(place.snapshots().is_superset(&before), "all are there, and what says who approves");
    place.approves(&id, "Joan").unwrap();
    place.applies(&id).await.unwrap();
}

/// Nobody's key says who asked: whoever approves of it may have, so two do.
#[tokio::test(flavor = "multi_thread")]
async fn two_keys_that_are_enrolled_stand_behind_a_plan() {
    let place = Place::enrolled().await;
    let before = place.snapshots();
    let nobody = Asker::default();
    refused(
        Asker::new(None, Some(&key_file(place.dir.path(), "Ada"))),
        Kind::Request,
        "without the name",
    );
    let id = place.plans_by(&nobody).await.unwrap();
    waits(place.applies(&id).await, "waits for 2 more approvals");
    let one = place.approves(&id, "Grace").unwrap();
    assert_eq!(one.lacks, 1);
    // Once more is not another.
    assert_eq!(place.approves(&id, "Grace").unwrap().lacks, 1);
    place.forges(place.approval(&id, "Grace"), Some("Grace"));
    waits(place.applies(&id).await, "waits for 1 more approval by Ada or Joan");

    // With a name that is an approver's, or with their key in the plan and no signature of it.
    let named = place.plans_by(&Asker::new(Some("joan"), None).unwrap()).await.unwrap();
    refused(place.approves(&named, "Joan"), Kind::Refused, "asked for the plan");
    place.approves(&named, "Grace").unwrap();
    waits(place.applies(&named).await, "waits for 1 more approval by Ada;");
    let copy2 = place.copy2();
    let policy = RetentionPolicy { daily: 2, ..RetentionPolicy::default() };
    let request = ForgetRequest::Policy { policy, though_not_clean: false };
    let ready = Forget::plan(&copy2, request, "root", Arc::new(Silent)).await.unwrap();
    let ready = ready.asked_by(&place.asker("Joan"));
    let unproven = place.store().put(ready.plan()).unwrap();
    place.approves(&unproven, "Grace").unwrap();
    waits(place.applies(&unproven).await, "waits for 1 more approval by Ada;");
    // A stranger's key stands for nobody.
    let stranger = place.plans_by(&place.asker("Eve")).await.unwrap();
    place.approves(&stranger, "Grace").unwrap();
    waits(place.applies(&stranger).await, "waits for 1 more approval by Ada or Joan");
    assert_eq!(place.snapshots(), before);
    place.approves(&id, "Joan").unwrap();
    place.applies(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_approver_the_approval_of_what_somebody_else_asked_for_is_enough() {
    let place = Place::new(5);
    place.enrols("Ada", "Ada").await;
    let own = place.plans_by(&place.asker("Ada")).await.unwrap();
    refused(place.approves(&own, "Ada"), Kind::Refused, "asked for the plan");
    waits(place.applies(&own).await, "nobody else is enrolled");
    let id = place.plans_by(&Asker::default()).await.unwrap();
    waits(place.applies(&id).await, "waits for 1 more approval by Ada");
    place.approves(&id, "Ada").unwrap();
    place.applies(&id).await.unwrap();
}

/// A school without approvers says so in each plan, and asks for nobody's approval.
#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_enrolled_each_plan_says_that_one_person_acts_alone() {
    let place = Place::new(4);
    let (copy2, hears) = (place.copy2(), || Arc::new(Silent));
    let hold = place.repo.hold(place.snapshots().first().unwrap(), "case 7").unwrap();
    let plans = async || -> Vec<Record<Plan>> {
        let policy = RetentionPolicy { daily: 2, ..RetentionPolicy::default() };
        let forget = ForgetRequest::Policy { policy, though_not_clean: false };
        let options = PruneOptions { unused_percent_max: 0, grace_s: 0, may_empty: false };
        let release = ReleaseHoldRequest { hold: hold.short() };
        vec![
            Forget::plan(&copy2, forget, "a", hears()).await.unwrap().plan().clone(),
            Prune::plan(&copy2, options, "a", hears()).await.unwrap().plan().clone(),
            ReleaseHold::plan(&copy2, release, "a", hears()).await.unwrap().plan().clone(),
        ]
    };
    let alone = plans().await;
    assert!(alone.iter().all(|p| p.risks.contains(&Risk::Alone) && p.approvers.is_none()));
    let approvals = Approvals::of(&copy2, &place.repo).unwrap();
    assert!(alone.iter().all(|p| approvals.check(p, place.clock.now()).is_ok()));
    let kept = place.store().put(&alone[0]).unwrap();
    refused(place.approves(&kept, "Ada"), Kind::Request, "nobody is enrolled");
    let hillside = place.school().other("hillside").unwrap();
    let file = key_file(place.dir.path(), "Ada");
    let how = Approves { by: "Ada", key_file: &file, until: None, reason: "why not" };
    refused(approvers::approve(&hillside, &alone[0], how), Kind::Request, "is not one of hillside");

    place.enrols("Ada", "Ada").await;
    let later = plans().await;
    assert!(later.iter().all(|p| !p.risks.contains(&Risk::Alone) && p.approvers.is_some()));
    // What was planned before somebody was enrolled waits for them now.
    waits(place.applies(&kept).await, "waits for 1 more approval by Ada");
    place.approves(&kept, "Ada").unwrap();
    applies(&copy2, &place.store(), &kept, &place.clock).await.unwrap();
}

/// What weakens protection by a decision counts when two enrolled keys stand behind it, whatever
/// wrote it into the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_weakens_protection_counts_once_another_approves_of_it() {
    let place = Place::new(1);
    let made = |subject: &str, by: &str| Decision {
        person: Some(by.to_owned()),
        from: Some(place.clock.now()),
        until: Some(place.school().today().tomorrow().unwrap()),
        ..Decision::new(DecisionKind::Unreadable, subject, "case 4711")
    };
    let counted = || {
        let counted = decisions::counted(&place.school()).unwrap();
        let all = counted.decisions.iter().filter(|d| d.kind == DecisionKind::Unreadable);
        (all.map(|d| d.subject.clone()).collect::<Vec<_>>(), counted.told)
    };
    let waiting = || {
        let found = Approvals::of_school(&place.school()).unwrap();
        found.undecided(place.clock.now()).unwrap()
    };
    let approves = |id: &str, by: &str, with: &str| {
        let file = key_file(place.dir.path(), with);
        let how = Approves { by, key_file: &file, until: None, reason: "I looked" };
        approvers::approve_decision(&place.school(), id, how)
    };
    // One person alone: as before.
    place.forges(made("old", "root"), None);
    assert_eq!(counted(), (vec!["old".to_owned()], Vec::new()));
    place.clock.advance(SignedDuration::from_secs(1));
    place.enrols("Ada", "Ada").await;
    place.enrols("Grace", "Ada").await;
    place.enrols("Grace", "Grace").await;
    // What was decided before is looked at again, and a day before makes nothing old.
    assert_eq!(counted(), (Vec::new(), Vec::new()));
    place.forges(made("by ada", "Ada"), Some("Ada"));
    let back = Decision { from: Some(jiff::Timestamp::UNIX_EPOCH), ..made("dated back", "Ada") };
    place.forges(back, Some("Ada"));
    let (none, told) = counted();
    assert!(none.is_empty() && told.len() == 1, "{told:?}");
    assert!(told[0].contains("by ada") && told[0].contains("waits for approval"), "{told:?}");
    let id = waiting()[0].id.clone();
    refused(approves(&id, "Ada", "Ada"), Kind::Refused, "nobody approves of what they decided");
    refused(approves(&id, "Grace", "Ada"), Kind::Refused, "is that of Ada");
    refused(approves(&id, "Eve", "Eve"), Kind::Refused, "is not enrolled");
    refused(approves(&"ab".repeat(32), "Grace", "Grace"), Kind::Request, "no decision");
    refused(approves(&id[..7], "Grace", "Grace"), Kind::Request, "at least the first 8");
    assert_eq!(approves(&id[..8], "Grace", "Grace").unwrap().lacks, 0);
    assert_eq!(counted(), (vec!["by ada".to_owned()], Vec::new()));
    // Of nobody's key it takes two; and the same decision edited is another.
    place.forges(made("by a timer", "root"), None);
    let id = waiting()[0].id.clone();
    assert_eq!(approves(&id, "Grace", "Grace").unwrap().lacks, 1);
    assert_eq!(approves(&id, "Ada", "Ada").unwrap().lacks, 0);
    assert_eq!(counted().0, ["by ada", "by a timer"]);
    let text = fs::read_to_string(place.decisions()).unwrap();
    let edited = text.replace("\"by a timer\"", "\"by a thief\"");
    assert_ne!(text, edited);
    fs::write(place.decisions(), edited).unwrap();
    assert_eq!(counted().0, ["by ada"]);
    // Their end ends it.
    fs::write(place.decisions(), &text).unwrap();
    place.clock.advance(DAY * 2);
    assert!(counted().0.is_empty() && waiting().is_empty());

    // Without the approvers in the file this host knows that there are some: nothing counts.
    place.forges(made("new", "Ada"), Some("Ada"));
    let text = fs::read_to_string(place.decisions()).unwrap();
    let alone: Vec<&str> = text.lines().filter(|l| l.contains("\"new\"")).collect();
    fs::write(place.decisions(), alone.join("\n")).unwrap();
    let (none, told) = counted();
    assert!(none.is_empty() && told.len() == 1, "{told:?}");
    assert!(told[0].contains("this host knows of 2 changes of approvers"), "{told:?}");
    fs::write(place.decisions(), &text).unwrap();
    let note = place.dir.path().join("state/riverside/approvers.json");
    for bad in ["", "{}", "[]"] {
        fs::write(&note, bad).unwrap();
        let (none, told) = counted();
        assert!(none.is_empty() && told[0].contains("it is not known who approves"), "{told:?}");
        let asked = place.plans_by(&place.asker("Ada")).await;
        refused(asked, Kind::Refused, "it is not known who approves");
    }
}
