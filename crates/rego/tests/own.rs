//! Customers' own rules: each judged alone, never passed without its data, mistakes explained.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use serde_json::{Value, json};
use strongroom_guards::{
    Evidence, Exceptions, Finding, ModuleAnswer, ModuleQuestion, OwnVerdict, RuleVerdict, input,
    judge, judge_own, rule::Skip,
};
use strongroom_model::{CollectionState, ConfigCollection, ConfigObject, Configuration};
use strongroom_rego::run;

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

failed contains {"object": "identity/authorization",
    "says": sprintf("allowInvitesFrom is %s", [policy.allowInvitesFrom])} if {
    policy.allowInvitesFrom != "adminsAndGuestInviters"
}

passed if policy.allowInvitesFrom == "adminsAndGuestInviters"
"#;

fn tenant(body: Value) -> Configuration {
    let mut c = Configuration::new("oakwood", jiff::Timestamp::UNIX_EPOCH);
    let object =
        ConfigObject { name: "authorization".into(), id: "x".into(), body, volatile: json!({}) };
    c.collections.insert(
        "identity/authorization".into(),
        ConfigCollection { state: CollectionState::Collected, objects: vec![object] },
    );
    c
}

fn day() -> jiff::civil::Date {
    jiff::civil::date(2026, 11, 1)
}

/// As the program does it, but for the process of its own.
fn judged(text: &str, tenant: &Configuration) -> Finding {
    judge_own(verdict(text, tenant))
}

fn verdict(text: &str, tenant: &Configuration) -> OwnVerdict {
    let question = |input| ModuleQuestion { file: "invites.rego".into(), text: text.into(), input };
    let ModuleAnswer::About(about) = run(&question(None)) else {
        panic!("{:?}", run(&question(None)))
    };
    let exceptions = Exceptions::default();
    let judged = match input(&about, &Evidence::new(tenant, &exceptions, day())) {
        Err(skip) => Err(skip),
        Ok(input) => match run(&question(Some(input))) {
            ModuleAnswer::Judged(outcome) => Ok(outcome),
            ModuleAnswer::Skipped(why) | ModuleAnswer::Broken(why) => Err(Skip(why)),
            ModuleAnswer::About(_) => panic!("a verdict was asked"),
        },
    };
    OwnVerdict { about, judged }
}

#[test]
fn a_module_passes_fails_and_is_skipped_like_any_rule() {
    assert_eq!(
        judged(INVITES, &tenant(json!({"allowInvitesFrom": "adminsAndGuestInviters"}))).verdict,
        RuleVerdict::Passed
    );
    let found = judged(INVITES, &tenant(json!({"allowInvitesFrom": "everyone"})));
    assert_eq!(
        (found.verdict, found.concerns[0].says.as_str()),
        (RuleVerdict::Failed, "allowInvitesFrom is everyone")
    );
    // Missing in each way: the setting, its value, the object, the collection, the permission.
    for body in [json!({}), json!({"allowInvitesFrom": null})] {
        let found = judged(INVITES, &tenant(body));
        assert_eq!(found.verdict, RuleVerdict::Skipped, "{found:?}");
        assert!(found.note.as_str().contains("neither failed nor passed"));
    }
    let good = tenant(json!({"allowInvitesFrom": "adminsAndGuestInviters"}));
    let mut lacking = good.clone();
    lacking.collections.get_mut("identity/authorization").unwrap().objects.clear();
    assert_eq!(judged(INVITES, &lacking).verdict, RuleVerdict::Skipped);
    lacking.collections.clear();
    assert_eq!(judged(INVITES, &lacking).verdict, RuleVerdict::Skipped);
    let mut denied = good;
    denied.collections.get_mut("identity/authorization").unwrap().state =
        CollectionState::Failed { why: "503".into(), kept: true };
    assert!(judged(INVITES, &denied).note.as_str().contains("503"));
}

#[test]
fn a_rule_that_would_pass_without_its_data_does_not_pass() {
    let liar = INVITES.replace(
        "passed if policy.allowInvitesFrom == \"adminsAndGuestInviters\"",
        "passed if count(failed) == 0",
    );
    assert_ne!(liar, INVITES);
    let good = tenant(json!({"allowInvitesFrom": "adminsAndGuestInviters"}));
    let found = judged(&liar, &good);
    assert!(
        found.verdict == RuleVerdict::Skipped && found.note.as_str().contains("is missing"),
        "{found:?}"
    );
    // Who looks at names alone may say so.
    let names = liar.replace("\"severity\"", "\"names_only\": true, \"severity\"");
    assert_eq!(judged(&names, &good).verdict, RuleVerdict::Passed);
}

#[test]
fn own_rules_stand_among_the_others_and_can_be_accepted() {
    let text = "[[accepted]]\nrule = \"own.admins-invite\"\nreason = \"a trial\"\nby = \"A. \
        Head\"\nuntil = 2027-01-01\n";
    let exceptions = Exceptions::parse(text).unwrap();
    let at = tenant(json!({"allowInvitesFrom": "everyone"}));
    let find = |e: &Exceptions| {
        judge(&at, e, vec![verdict(INVITES, &at)], day())
            .findings
            .into_iter()
            .find(|f| f.rule == "own.admins-invite")
            .unwrap()
    };
    assert_eq!(find(&Exceptions::default()).verdict, RuleVerdict::Failed);
    assert_eq!(find(&exceptions).verdict, RuleVerdict::Accepted);
    // A module that is away keeps nothing else from being judged, and is told.
    let without = judge(&at, &exceptions, Vec::new(), day());
    assert!(
        without.idle_exceptions[0].contains("own.admins-invite names a rule that is not there"),
        "{:?}",
        without.idle_exceptions
    );
}

#[test]
fn what_fails_when_it_runs_is_skipped_and_says_so() {
    let at = tenant(json!({"allowInvitesFrom": "everyone"}));
    for (failed, says) in [
        ("failed contains {\"object\": 7} if true", "not understood"),
        ("failed := 7", "not understood"),
        (
            "failed := {\"x\" | some i in numbers.range(1, 3000); some j in numbers.range(1, \
             3000); some k in numbers.range(1, 3000); i * j * k == 0}",
            "longer than 2 seconds",
        ),
        ("failed contains \"x\" if cuont([1]) == 1", "could not find function cuont"),
        (
            "failed contains \"x\" if false\nskipped if policy.allowInvitesFrom == \"everyone\"",
            "the module says so",
        ),
        (
            "failed contains \"x\" if false\nskipped := \"not in the holidays\"",
            "not in the holidays",
        ),
    ] {
        let text = INVITES.replace(
            "failed contains {\"object\": \"identity/authorization\",\n    \"says\": \
             sprintf(\"allowInvitesFrom is %s\", [policy.allowInvitesFrom])} if {\n    \
             policy.allowInvitesFrom != \"adminsAndGuestInviters\"\n}",
            failed,
        );
        assert!(text.contains(failed));
        let found = judged(&text, &at);
        assert_eq!(found.verdict, RuleVerdict::Skipped, "{failed}: {found:?}");
        assert!(found.note.as_str().contains(says), "{failed}: {}", found.note.line());
    }
    // Whatever a name holds: a face shows it as one line.
    let forged = INVITES.replace("allowInvitesFrom is %s", "x\\u001b[31m\\nMEDIUM own.fake %s");
    assert_eq!(judged(&forged, &at).concerns[0].says, "x\u{1b}[31m\nMEDIUM own.fake everyone");
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
        ("passed if policy", "passed if if policy", "line 19, column"),
        ("package school.invites", "", "line"),
        (
            "\"title\": \"Only administrators invite guests\"",
            "\"title\": input.tenant",
            "must not depend on the input",
        ),
    ] {
        let text = INVITES.replace(from, to);
        assert_ne!(text, INVITES, "{from}");
        let answer = run(&ModuleQuestion { file: "invites.rego".into(), text, input: None });
        let ModuleAnswer::Broken(why) = answer else { panic!("{from}: {answer:?}") };
        assert!(
            why.starts_with("invites.rego: ") && why.contains(says) && why.lines().count() == 1,
            "{from}: {why}"
        );
    }
}
