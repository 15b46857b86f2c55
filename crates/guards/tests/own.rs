//! Customers' own rules: each judged alone, never passed without its data, mistakes explained.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use serde_json::{Value, json};
use strongroom_guards::{Exceptions, Finding, OwnRule, Verdict, judge, judge_own};
use strongroom_model::{CollectionState, ConfigCollection, ConfigObject, Configuration};

const INVITES: &str = r#"
package school.invites

rule := {
    "id": "own.admins-invite",
    "title": "Only administrators invite guests",
    "severity": "medium",
    "inputs": ["identity/authorization"],
    "remedy": "Set guest invite restrictions to administrators only.",
}

policy := input.collections["identity/authorization"][0].settings

failed contains {"object": "identity/authorization", "says": sprintf("allowInvitesFrom is %s", [policy.allowInvitesFrom])} if {
    policy.allowInvitesFrom != "adminsAndGuestInviters"
}

passed if policy.allowInvitesFrom == "adminsAndGuestInviters"
"#;

fn tenant(body: Value) -> Configuration {
    let mut c = Configuration::new("oakwood", jiff::Timestamp::UNIX_EPOCH);
    let object = ConfigObject { name: "authorization".into(), id: "x".into(), body, volatile: json!({}) };
    c.collections.insert("identity/authorization".into(), ConfigCollection { state: CollectionState::Collected, objects: vec![object] });
    c
}

fn day() -> jiff::civil::Date {
    jiff::civil::date(2026, 11, 1)
}

fn judged(rule: &OwnRule, tenant: &Configuration) -> Finding {
    judge_own(rule, tenant, &Exceptions::default(), day())
}

#[test]
fn a_module_passes_fails_and_is_skipped_like_any_rule() {
    let rule = OwnRule::parse("invites.rego", INVITES).unwrap();
    assert_eq!(judged(&rule, &tenant(json!({"allowInvitesFrom": "adminsAndGuestInviters"}))).verdict, Verdict::Passed);
    let found = judged(&rule, &tenant(json!({"allowInvitesFrom": "everyone"})));
    assert_eq!((found.verdict, found.concerns[0].says.as_str()), (Verdict::Failed, "allowInvitesFrom is everyone"));
    // Missing in each way: the setting, its value, the object, the collection, the permission.
    for body in [json!({}), json!({"allowInvitesFrom": null})] {
        let found = judged(&rule, &tenant(body));
        assert_eq!(found.verdict, Verdict::Skipped, "{found:?}");
        assert!(found.note.contains("neither failed nor passed"));
    }
    let good = tenant(json!({"allowInvitesFrom": "adminsAndGuestInviters"}));
    let mut lacking = good.clone();
    lacking.collections.get_mut("identity/authorization").unwrap().objects.clear();
    assert_eq!(judged(&rule, &lacking).verdict, Verdict::Skipped);
    lacking.collections.clear();
    assert_eq!(judged(&rule, &lacking).verdict, Verdict::Skipped);
    let mut denied = good;
    denied.collections.get_mut("identity/authorization").unwrap().state = CollectionState::Failed { why: "503".into(), kept: true };
    assert!(judged(&rule, &denied).note.contains("503"));
}

#[test]
fn own_rules_stand_among_the_others_and_can_be_accepted() {
    let rule = OwnRule::parse("invites.rego", INVITES).unwrap();
    let text = "[[accepted]]\nrule = \"own.admins-invite\"\nreason = \"a trial\"\nby = \"A. Head\"\nuntil = 2027-01-01\n";
    assert!(Exceptions::parse(text, &[]).unwrap_err().contains("there is no rule"));
    let own = [rule];
    let exceptions = Exceptions::parse(text, &own).unwrap();
    let at = tenant(json!({"allowInvitesFrom": "everyone"}));
    let find = |e: &Exceptions| judge(&at, e, &own, day()).findings.into_iter().find(|f| f.rule == "own.admins-invite").unwrap();
    assert_eq!(find(&Exceptions::default()).verdict, Verdict::Failed);
    assert_eq!(find(&exceptions).verdict, Verdict::Accepted);
}

#[test]
fn what_fails_when_it_runs_is_skipped_and_says_so() {
    let at = tenant(json!({"allowInvitesFrom": "everyone"}));
    for (failed, says) in [
        ("failed contains {\"object\": 7} if true", "not understood"),
        ("failed := 7", "not understood"),
        ("failed := {\"x\" | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); some k in numbers.range(1, 3000); i * j * k == 0}", "fails"),
        ("failed contains \"x\" if false\nskipped := \"not in the holidays\"", "not in the holidays"),
    ] {
        let text = INVITES.replace("failed contains {\"object\": \"identity/authorization\", \"says\": sprintf(\"allowInvitesFrom is %s\", [policy.allowInvitesFrom])} if {\n    policy.allowInvitesFrom != \"adminsAndGuestInviters\"\n}", failed);
        assert!(text.contains(failed));
        let found = judged(&OwnRule::parse("x.rego", &text).unwrap(), &at);
        assert_eq!(found.verdict, Verdict::Skipped, "{failed}: {found:?}");
        assert!(found.note.contains(says), "{failed}: {}", found.note);
    }
}

#[test]
fn mistakes_in_a_module_are_explained() {
    for (from, to, says) in [
        ("rule := {", "about := {", "says nothing of itself"),
        ("own.admins-invite", "Admins", "must read like own."),
        ("\"severity\": \"medium\"", "\"severity\": \"grave\"", "unknown variant"),
        ("\"inputs\": [\"identity/authorization\"],", "", "missing field `inputs`"),
        ("[\"identity/authorization\"],", "[],", "`inputs` is empty"),
        ("passed if", "good if", "`passed` is missing"),
        ("passed if policy", "passed if if policy", "line 18"),
        ("package school.invites", "", "line"),
    ] {
        let text = INVITES.replace(from, to);
        assert_ne!(text, INVITES, "{from}");
        let why = OwnRule::parse("invites.rego", &text).unwrap_err();
        assert!(why.starts_with("invites.rego: ") && why.contains(says) && why.lines().count() == 1, "{from}: {why}");
    }
}
