//! An attack on a school of the simulator: an intruder has a consent and a mail flow rule, and then
//! encrypts. What is known of it is said, and nothing goes back while the door is open.

use crate::{
    approvals::{changes, key_file},
    restore_data::clean_in_place,
    tenant::{Tenant, refused},
};
use graph_sim::DigestRow;
use std::sync::Arc;
use strongroom_model::{
    Ending, Silent,
    decision::{Decided, DecisionKind},
};
use strongroom_operations::{
    Error, Kind,
    incident::{
        self, Incident, Intruder, LineWanted, LookedAgain, PlannedLine, SignKind, Topic, Which,
    },
    restore::RestoreDataRequest,
    reviews::Ruling,
    settings::keep_settings,
};

/// What the intruder does to the settings, and what becomes of it.
const CONSENT: &str = "app-consent";
const RULE: &str = "managed-copies";

impl Tenant {
    fn settings_are_kept(&self) {
        self.an_hour_passes();
        let school = self.school();
        self.time.run(async move {
            keep_settings(&school, true, Arc::new(Silent)).await.unwrap();
        });
    }

    fn is_backed_up_later(&self) {
        self.an_hour_passes();
        self.is_backed_up();
    }

    /// Two quiet nights, the intruder's consent and rule, and an hour later the attack.
    fn is_broken_into(&self) {
        self.settings_are_kept();
        self.is_backed_up_later();
        self.is_backed_up_later();
        self.is_attacked(&[CONSENT, RULE]);
        self.settings_are_kept();
        self.is_backed_up_later();
        self.encrypted(7);
        self.is_backed_up_later();
    }

    fn incident(&self) -> Incident {
        let school = self.school();
        self.time.run(async move { incident::look(&school, None).await.unwrap() })
    }

    fn intruder(&self) -> Intruder {
        let school = self.school();
        self.time.run(async move { incident::intruder(&school).await.unwrap() })
    }

    fn accepts(&self, of: &'static [Topic], reason: &'static str) {
        let school = self.school();
        self.time.run(async move {
            let found = incident::intruder(&school).await.unwrap();
            let ids: Vec<String> = found
                .undecided()
                .filter(|c| of.contains(&c.topic))
                .map(|c| c.id[..8].to_owned())
                .collect();
            let meant = found.meant(&Which::Named(&ids)).unwrap();
            let (decided, by) = (Decided::Accepted, "ada");
            let ruling = Ruling { decided, by, reason, until: None, key_file: None };
            incident::accept(&school, &meant, &ruling).await.unwrap();
        });
    }

    fn looks_again(&self) -> LookedAgain {
        self.an_hour_passes();
        let school = self.school();
        self.time.run(async move { incident::look_again(&school, Arc::new(Silent)).await.unwrap() })
    }

    /// Somebody takes a consent back by hand.
    fn consents_are_taken_back(&self) {
        let grants = "oauth2PermissionGrants";
        let all = ["DelegatedPermissionGrant.ReadWrite.All", "Directory.Read.All"];
        let (_, said) = self.sim.ask(0, &all, "GET", grants, &serde_json::Value::Null);
        let mail = |g: &&serde_json::Value| {
            g["scope"].as_str().is_some_and(|scope| scope.contains("Mail."))
        };
        let found: Vec<String> = said["value"]
            .as_array()
            .unwrap()
            .iter()
            .filter(mail)
            .map(|g| g["id"].as_str().unwrap().to_owned())
            .collect();
        assert!(!found.is_empty(), "{said}");
        for id in found {
            let at = format!("{grants}/{id}");
            let (status, said) = self.sim.ask(0, &all, "DELETE", &at, &serde_json::Value::Null);
            assert_eq!(status, 204, "{said}");
        }
    }
}

#[test]
fn an_incident_says_where_it_began_whom_it_reached_and_what_led_to_it() {
    let tenant = Tenant::new();
    tenant.is_broken_into();
    let found = tenant.incident();
    assert_eq!(found.ending(), Ending::Alarm);

    // The consent is the first sign, an hour before the data shows any.
    let kinds: Vec<SignKind> = found.signs.iter().map(|s| s.kind).collect();
    let data = [SignKind::Alarm, SignKind::Item];
    assert_eq!(kinds[0], SignKind::Setting, "{:#?}", found.signs);
    assert!(data.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let first = found.first().unwrap();
    assert!(first.at < found.signs[1].at && first.snapshot.is_some(), "{first:?}");
    let snapshots = tenant.snapshots();
    assert!(found.signs.iter().all(|s| snapshots.contains(s.snapshot.as_ref().unwrap())));

    // Nearly every file of everybody, and nothing of what nobody touched.
    let files = tenant.files();
    let is_note = |path: &str| path.contains("README_TO_RESTORE");
    let notes = files.iter().filter(|f| is_note(&f.path)).count() as u64;
    let touched = files.len() as u64 - notes;
    let damaged: u64 = found.spread.iter().map(|s| s.damaged).sum();
    let new: u64 = found.spread.iter().map(|s| s.new).sum();
    assert!(damaged <= touched && damaged * 10 >= touched * 9, "{damaged} of {touched}");
    assert!(new > 0 && new <= notes, "{new} of {notes}");
    let is_hit = |s: &&incident::Spread| s.damaged + s.new > 0;
    assert!(found.spread.iter().filter(is_hit).all(|s| s.workload == "drives"));
    assert!(found.spread.iter().any(|s| !s.alarms.is_empty()), "{:#?}", found.spread);
    assert!(found.spread.is_sorted_by_key(|s| std::cmp::Reverse(s.damaged + s.new)));
    let people = found.spread.iter().filter(is_hit).count() as u64;
    assert_eq!(found.days.len(), 1);
    assert_eq!((found.days[0].damaged, found.days[0].people), (damaged, people));
    assert!(!found.damage.is_empty() && found.damage[0].people <= people);

    // What led to it, the gravest first.
    let topics: Vec<Topic> = found.preceded.iter().map(|p| p.topic).collect();
    assert!(topics.contains(&Topic::Consent) && topics.contains(&Topic::MailRule), "{topics:?}");
    assert!(found.preceded.is_sorted_by_key(|p| p.rank));
    assert!(found.intruder.undecided().count() >= 2, "{:#?}", found.intruder);
    // What nobody looks at is said.
    assert!(!found.unsure.is_empty() && found.unsure.is_sorted_by_key(|d| d.kind));
}

#[test]
fn nothing_goes_back_while_something_of_the_intruder_stands_undecided() {
    let tenant = Tenant::new();
    tenant.is_broken_into();
    let good = |tenant: &Tenant| {
        let files = tenant.files();
        files.iter().filter(|f| f.path.ends_with(".locked")).count() == 0
    };
    let ready = tenant.ready_to(clean_in_place()).unwrap();
    assert!(ready.work().intruder().undecided().count() >= 2);
    tenant.sent();
    let e = refused(tenant.goes_on(ready), Kind::Refused, "nobody decided about them");
    assert!(e.remedy().is_some());
    assert!(tenant.sent().is_empty(), "not a byte went back");
    // A kept plan neither.
    let id = tenant.keeps(clean_in_place());
    refused(tenant.brings_back(&id), Kind::Refused, "nothing was brought back");
    assert!(tenant.sent().is_empty());
    // Into a new folder nothing is overwritten, and it is said all the same.
    let into = strongroom_operations::restore::RestoreInto::Folder(None);
    let beside = RestoreDataRequest { into, ..clean_in_place() };
    let ready = tenant.ready_to(beside).unwrap();
    assert!(ready.work().intruder().undecided().next().is_some());
    assert!(ready.work().is_decided().is_ok());

    // What is removed is looked at again.
    tenant.consents_are_taken_back();
    let before = tenant.intruder();
    let again = tenant.looks_again();
    assert!(again.gone.iter().any(|c| c.topic == Topic::Consent), "{again:#?}");
    assert!(again.intruder.undecided().count() < before.undecided().count());
    let e = refused(
        tenant.ready_to(clean_in_place()).and_then(|ready| tenant.goes_on(ready)),
        Kind::Refused,
        "still stand",
    );
    assert!(!e.sentence().contains("Mail.Read"), "{}", e.sentence());
    // And the rest is accepted, with one reason.
    let all = &[Topic::Consent, Topic::Credential, Topic::MailRule, Topic::Other, Topic::Policy];
    tenant.accepts(all, "the copies go to our archive");
    let left = tenant.intruder();
    assert_eq!(left.undecided().count(), 0, "{left:#?}");
    assert!(left.changes.iter().any(|c| c.accepted.as_ref().is_some_and(|a| a.by == "ada")));
    assert!(!good(&tenant));
    let done = tenant.goes_on(tenant.ready_to(clean_in_place()).unwrap()).unwrap();
    assert_eq!(done.ending, Ending::Done, "{:?}", done.report);
    assert!(good(&tenant));
}

#[test]
fn without_a_sign_nothing_is_asked_and_without_settings_it_is_said() {
    let tenant = Tenant::new();
    tenant.settings_are_kept();
    tenant.is_backed_up_later();
    tenant.is_attacked(&[CONSENT]);
    tenant.settings_are_kept();
    tenant.is_backed_up_later();
    let found = tenant.incident();
    assert!(found.first().is_none(), "{:#?}", found.signs);
    assert!(!found.preceded.is_empty(), "what changed is shown all the same");
    assert_eq!(found.ending(), Ending::Done);
    assert!(tenant.intruder().since.is_none());

    let blind = Tenant::new();
    blind.is_backed_up_later();
    blind.is_backed_up_later();
    blind.encrypted(7);
    blind.is_backed_up_later();
    let found = blind.incident();
    assert!(found.intruder.unknown.as_ref().is_some_and(|why| why.contains("not known")));
    assert!(blind.intruder().is_decided().is_ok(), "nobody could decide about it");
}

impl Tenant {
    fn plans_line(
        &self,
        owner: &str,
        before: Option<&str>,
        by: &'static str,
    ) -> Result<PlannedLine, Error> {
        let (school, owner) = (self.school(), owner.to_owned());
        let before = before.map(str::to_owned);
        self.time.run(async move {
            let wanted = LineWanted {
                owner: &owner,
                under: "drives",
                before: before.as_deref(),
                by,
                reason: "she was away since Monday",
                until: None,
            };
            incident::plan_line(&school, wanted).await
        })
    }

    /// What lies on one person's drive.
    fn drive_of(&self, user: &str) -> Vec<DigestRow> {
        let mut all: Vec<DigestRow> =
            self.files().into_iter().filter(|row| row.user == user).collect();
        all.retain(|row| !row.path.contains("README_TO_RESTORE"));
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }

    /// Two nights, a file of somebody that is renamed, a night, and the attack; whose it is, and
    /// the snapshot that has the new name.
    fn is_renamed_and_attacked(&self) -> (DigestRow, String) {
        self.is_backed_up_later();
        self.is_backed_up_later();
        let one = self.one(|row| row.path.ends_with(".docx"));
        let at = format!("users/{}/drive/root:/{}", one.user, one.path.replace(' ', "%20"));
        let name = serde_json::json!({"name": "touched.docx"});
        let (status, said) = self.sim.ask(0, &["Files.ReadWrite.All"], "PATCH", &at, &name);
        assert_eq!(status, 200, "{said}");
        self.an_hour_passes();
        let third = self.is_backed_up();
        self.encrypted(7);
        self.is_backed_up_later();
        (one, third)
    }
}

#[test]
fn a_line_moved_for_a_person_is_shown_first_and_then_honoured() {
    let tenant = Tenant::new();
    let (one, third) = tenant.is_renamed_and_attacked();
    let names = |rows: &[DigestRow]| rows.iter().map(|r| r.path.clone()).collect::<Vec<_>>();
    let found = tenant.incident();
    let points = found.points.as_ref().unwrap();
    assert!(found.lines.is_empty() && !points.items.is_empty());
    assert!(!points.people.is_empty() && points.people.iter().all(|p| p.items > 0));

    refused(tenant.plans_line("nobody@x", Some(&third), "ada"), Kind::Request, "nobody called");
    let early = Some("2020-01-01");
    refused(tenant.plans_line(&one.user, early, "ada"), Kind::Request, "no snapshot is older");
    let unsaid = tenant.plans_line(&one.user, None, "ada");
    refused(unsaid, Kind::Request, "no line is drawn");

    let planned = tenant.plans_line(&one.user, Some(&third), "ada").unwrap();
    assert!(!planned.weakens, "an earlier line lets less be believed");
    let (other, name) = (planned.other, one.path.rsplit('/').next().unwrap());
    assert!(other > 0 && planned.fewer == 0, "{planned:?}");
    assert!(planned.items.iter().any(|path| path.as_str().ends_with(name)), "{planned:?}");
    assert!(tenant.incident().lines.is_empty(), "nothing is decided by looking");
    incident::draw(&tenant.school(), planned, None).unwrap();
    let lines = tenant.incident().lines;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].is_later && lines[0].until.is_some());

    // A later one is weaker, and in a school of one person it counts at once.
    let later = tenant.plans_line(&one.user, Some("latest"), "ada").unwrap();
    assert!(later.weakens);

    let done = tenant.goes_on(tenant.ready_to(clean_in_place()).unwrap()).unwrap();
    assert_eq!(done.ending, Ending::Done, "{:?}", done.report);
    let hers = names(&tenant.drive_of(&one.user));
    assert!(hers.contains(&one.path), "{} is not in {hers:?}", one.path);
    assert!(!hers.iter().any(|path| path.ends_with("touched.docx")), "{hers:?}");
    assert!(tenant.files().iter().all(|row| !row.path.ends_with(".locked")));
}

#[test]
fn a_later_line_waits_for_approval_and_an_earlier_one_does_not() {
    let tenant = Tenant::new();
    let dir = tenant.dir.path().to_owned();
    for (name, by) in [("Ada", "Ada"), ("Grace", "Ada"), ("Grace", "Grace")] {
        let (school, dir) = (tenant.school(), dir.clone());
        tenant.time.run(async move {
            changes(&school, &dir, DecisionKind::Enrolment, name, by).await.unwrap();
        });
    }
    let (one, third) = tenant.is_renamed_and_attacked();
    let key = key_file(&dir, "Ada");
    tenant.an_hour_passes();
    let now = tenant.school().now().to_string();
    let later = tenant.plans_line(&one.user, Some(&now), "Ada").unwrap();
    assert!(later.weakens);
    incident::draw(&tenant.school(), later, Some(&key)).unwrap();
    let found = tenant.incident();
    assert!(found.lines.is_empty(), "{:?}", found.lines);
    assert!(found.told.iter().any(|s| s.contains("waits for approval")), "{:?}", found.told);

    let earlier = tenant.plans_line(&one.user, Some(&third), "Ada").unwrap();
    assert!(!earlier.weakens);
    incident::draw(&tenant.school(), earlier, Some(&key)).unwrap();
    assert_eq!(tenant.incident().lines.len(), 1);
    // To take it back lets more be believed again.
    let back = tenant.plans_line(&one.user, None, "Ada").unwrap();
    assert!(back.weakens);
    incident::draw(&tenant.school(), back, Some(&key)).unwrap();
    assert_eq!(tenant.incident().lines.len(), 1, "it stands until somebody approves");
}
