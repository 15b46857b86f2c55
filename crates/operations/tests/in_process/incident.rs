//! An attack on a school of the simulator: an intruder has a consent and a mail flow rule, and then
//! encrypts. What is known of it is said, and nothing goes back while the door is open.

use crate::{
    restore_data::clean_in_place,
    tenant::{Tenant, refused},
};
use std::sync::Arc;
use strongroom_model::{Ending, Silent, decision::Decided};
use strongroom_operations::{
    Kind,
    incident::{self, Incident, Intruder, LookedAgain, SignKind, Topic, Which},
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
