//! TenantGuard from end to end: a school's settings are read, kept, judged and compared by the real program.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]
mod common;

use common::*;
use graph_sim::{CONFIG_ATTACKS, Care, SeedPlan};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn tiny(care: Care) -> SeedPlan {
    SeedPlan { people: Some(12), messages_per_mailbox: Some(1), scale: 0.3, care, ..SeedPlan::default() }
}

/// Runs a command of `tenant` and answers its JSON.
fn tenant(school: &School, which: &str, args: &[&str]) -> Value {
    let all = [&["--tenant", which, "--json", "tenant"], args].concat();
    serde_json::from_str(&school.ok(&all)).unwrap()
}

/// A hardened school whose emergency accounts are named, as its exceptions file does.
fn hardened() -> School {
    let school = school(&tiny(Care::Hardened));
    allow_emergency(&school, "school0");
    school
}

fn allow_emergency(school: &School, name: &str) {
    let mut people: Vec<String> = school.sim.digest(0).iter().map(|r| r.user.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    people.sort();
    let text: String = ["Emergency access", &people[10], &people[11]]
        .iter()
        .map(|w| format!("[[exclusion]]\nwho = \"{w}\"\nkind = \"break-glass\"\nreason = \"the last way in\"\n"))
        .collect();
    std::fs::write(school.path("exceptions.toml"), text).unwrap();
    let path = school.path("strongroom.toml");
    let config =
        std::fs::read_to_string(&path).unwrap().replace(&format!("name = \"{name}\"\n"), &format!("name = \"{name}\"\nexceptions = \"exceptions.toml\"\n"));
    std::fs::write(path, config).unwrap();
}

fn verdicts(report: &Value) -> BTreeMap<String, String> {
    report["findings"].as_array().unwrap().iter().map(|f| (f["rule"].as_str().unwrap().to_owned(), f["verdict"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn every_rule_is_silent_at_a_kept_school_and_fires_at_a_careless_one() {
    let good = hardened();
    let report = tenant(&good, "school0", &["snapshot"]);
    let lacking: Vec<_> = report["collections"].as_object().unwrap().iter().filter(|(_, s)| s["state"] != "collected" && s["state"] != "no-api").collect();
    assert!(lacking.is_empty(), "{lacking:#?}");
    let good = tenant(&good, "school0", &["check"]);
    let bad = school(&tiny(Care::Sloppy));
    tenant(&bad, "school0", &["snapshot"]);
    let bad = tenant(&bad, "school0", &["check"]);
    let (kept, careless) = (verdicts(&good), verdicts(&bad));
    let loud: Vec<_> = kept
        .iter()
        .filter(|(_, v)| *v != "passed")
        .map(|(r, v)| (r, v, good["findings"].as_array().unwrap().iter().find(|f| f["rule"] == r.as_str())))
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
    // Rules for which a careless school gives a person work, or that only a missing file of exceptions can trip.
    let silent: Vec<_> = careless.iter().filter(|(_, v)| *v != "failed").collect();
    let expected = BTreeMap::from([("access.emergency-access", "manual")]);
    assert_eq!(silent.iter().map(|(r, v)| (r.as_str(), v.as_str())).collect::<BTreeMap<_, _>>(), expected);
    assert_eq!(good["score"], 100);
    assert_eq!(bad["score"], 0);
}

/// A tenant made of Microsoft's own examples, which nobody wrote with this program in mind: it is read, kept and judged.
#[test]
fn what_microsoft_publishes_as_examples_is_read_and_judged() {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/graph/examples.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: {} is not here, so no tenant was made of it", path.display());
        return;
    };
    // By path: lists, and single objects read by their id.
    let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut ones: BTreeMap<String, Value> = BTreeMap::new();
    for line in text.lines() {
        let e: Value = serde_json::from_str(line).unwrap();
        let Some(url) = e["url"].as_str().filter(|_| e["method"] == "GET" && e["status"] == 200) else { continue };
        let path = url.split_once(".com/").map_or(url, |(_, p)| p);
        let path = path.split_once('/').map_or("", |(_, p)| p).split('?').next().unwrap().trim_end_matches('/').to_lowercase();
        let body = &e["response_body"];
        match (body["value"].as_array(), &body["value"], path.rsplit_once('/')) {
            (Some(rows), ..) => lists.entry(path).or_default().extend(rows.iter().filter(|r| r.is_object()).cloned()),
            (None, one @ Value::Object(_), Some((above, _))) => lists.entry(above.to_owned()).or_default().push(one.clone()),
            (None, _, above) if body.is_object() => {
                ones.insert(path.clone(), body.clone());
                above.into_iter().for_each(|(above, _)| lists.entry(above.to_owned()).or_default().push(body.clone()));
            }
            _ => {}
        }
    }
    let school = school(&tiny(Care::Hardened));
    let set = |path: &str, value: &Value| {
        let body = serde_json::json!({"path": path, "value": value}).to_string();
        school.sim.control("POST", "/sim/configuration", "", body.as_bytes()).status == 200
    };
    let own = ["users", "groups"];
    let many = lists.iter().filter(|(p, rows)| !own.contains(&p.as_str()) && !rows.is_empty() && set(p, &Value::from((*rows).clone()))).count();
    let single = ones.iter().filter(|(p, one)| set(p, one)).count();
    assert!(many >= 20 && single >= 3, "{many} lists and {single} single settings of the examples are settings");
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "snapshot"]);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    let unread: Vec<_> =
        report["collections"].as_object().unwrap().iter().filter(|(_, s)| !["collected", "no-api"].contains(&s["state"].as_str().unwrap())).collect();
    assert!(unread.iter().all(|(n, _)| ["applications/permissions"].contains(&n.as_str())), "{unread:#?}");
    let found: Value = serde_json::from_slice(&school.run(&["--tenant", "school0", "--json", "tenant", "check"]).stdout).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    verdicts(&found).values().for_each(|v| *counts.entry(v.clone()).or_default() += 1);
    println!("{many} lists and {single} single settings of the examples; {} objects; {counts:?}", report["objects"]);
    assert!(counts["failed"] > 10 && counts["skipped"] > 5, "{counts:?}");
    let again: Value = serde_json::from_slice(&school.run(&["--tenant", "school0", "--json", "tenant", "snapshot"]).stdout).unwrap();
    assert_eq!(again["files_changed"], 0);
    school.check();
}

#[test]
fn equal_schools_have_equal_trees_and_a_second_look_changes_nothing() {
    let schools = school_with(&[tiny(Care::Hardened), SeedPlan { seed: 99, ..tiny(Care::Hardened) }], "keep_to_budget = false\ntries = 4\npause_ms = 20\n");
    let first = tenant(&schools, "school0", &["snapshot"]);
    let again = tenant(&schools, "school0", &["snapshot"]);
    assert_eq!(again["files_changed"], 0);
    tenant(&schools, "school1", &["snapshot"]);
    let against = tenant(&schools, "school0", &["diff", "--with", "school1"]);
    assert_eq!(against["changes"], serde_json::json!([]), "two schools that are set up alike");
    assert_eq!(tenant(&schools, "school0", &["diff"])["changes"], serde_json::json!([]));
    // Nobody needs this program to read what it kept.
    let id = first["snapshot"].as_str().unwrap();
    let file = schools.ok(&["--tenant", "school0", "cat", id, "/tenant/configuration/identity/conditional-access-policies/Require MFA for everyone.json"]);
    let read: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(read["settings"]["conditions"]["users"]["excludeGroups"][0], "@groups/Emergency access");
    let guid = |s: &str| s.len() == 36 && s.matches('-').count() == 4;
    assert!(
        !file.contains("modifiedDateTime")
            && !read["settings"]["conditions"]["users"]["excludeGroups"].as_array().unwrap().iter().any(|g| guid(g.as_str().unwrap()))
    );
    schools.check();
}

#[test]
fn settings_and_data_share_one_history() {
    let school = hardened();
    school.whole();
    let config = tenant(&school, "school0", &["snapshot"]);
    assert!(config["files_changed"].as_u64().unwrap() > 40);
    // The data is still there, and the next round still costs deltas alone.
    school.assert_everything_is_in();
    school.sim.clear_log();
    let report = school.whole();
    assert_eq!(report["items_new"], 0);
    let others: Vec<String> = school.sim.log().into_iter().map(|r| r.route).filter(|r| !r.ends_with("/delta") && !r.ends_with("/token")).collect();
    assert!(others.is_empty(), "{others:?}");
    // The settings ride along.
    let check = tenant(&school, "school0", &["check"]);
    assert_eq!(check["snapshot"], report["snapshot"]);
    school.check();
}

/// What each planted change is expected to be called, and how grave it is at least.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("ca-off", "critical", "Require MFA for everyone was switched off"),
    ("ca-report-only", "critical", "Block legacy authentication was switched off"),
    ("ca-deleted", "critical", "Require phishing-resistant MFA for administrators, which was on, is gone"),
    ("ca-exclude-user", "high", "Block people at high risk: conditions.users.excludeUsers"),
    ("ca-exclude-group", "high", "excludeGroups has group Helpdesk staff more"),
    ("ca-exclude-app", "high", "Require managed devices: conditions.applications.excludeApplications"),
    ("ca-grant-weakened", "high", "Require MFA for guests: grantControls.builtInControls has compliantDevice more"),
    ("ca-narrowed", "high", "Block device code and authentication transfer: conditions.platforms"),
    ("ca-block-all", "critical", "Maintenance is new and blocks everybody, leaving nobody out"),
    ("location-widened", "high", "School: ipRanges"),
    ("location-country", "high", "United Kingdom: countriesAndRegions has KP more"),
    ("strength-new", "high", "Easy is new"),
    ("method-sms", "high", "[Sms].state was disabled and is enabled"),
    ("method-pass", "high", "[TemporaryAccessPass].isUsableOnce was true and is false"),
    ("method-passkeys", "high", "[Fido2].state was enabled and is disabled"),
    ("method-context", "high", "displayLocationInformationRequiredState.state was enabled and is disabled"),
    ("method-migration", "high", "policyMigrationState was migrationComplete"),
    ("guest-invites", "high", "allowInvitesFrom was adminsAndGuestInviters and is everyone"),
    ("user-consent", "high", "microsoft-user-default-legacy"),
    ("user-apps", "high", "allowedToCreateApps was false and is true"),
    ("guest-sight", "high", "guestUserRoleId"),
    ("consent-requests-off", "high", "isEnabled was true and is false"),
    ("trust-foreign-mfa", "high", "isMfaAccepted was false and is true"),
    ("partner-added", "high", "66666666-7777-4888-9999-aaaaaaaaaaaa is new"),
    ("admin-added", "critical", "became Global Administrator"),
    ("admin-app", "critical", "became Privileged Role Administrator"),
    ("admin-eligible", "critical", "became eligible for Global Administrator"),
    ("pim-approval-off", "high", "isApprovalRequired was true and is false"),
    ("pim-alerts-off", "high", "activation of Exchange Administrator"),
    ("emergency-group", "high", "group Emergency access, which policies leave out"),
    ("role-group", "high", "group Helpdesk staff, which gives a role"),
    ("app-new", "medium", "Mail Archive Helper is new"),
    ("app-secret", "high", "Timetable has other credentials"),
    ("app-permission", "critical", "the application Timetable was given the application permission RoleManagement.ReadWrite.Directory"),
    ("app-consent", "critical", "the application Library of Books may now act for everybody with Mail.Read, Files.Read.All"),
    ("backup-consent", "critical", "the backup lost its own permission Files.Read.All"),
    ("domain-federated", "critical", "was federated: another service signs its people in"),
    ("domain-added", "high", "login-school.example is new"),
    ("lockout-off", "high", "LockoutThreshold"),
    ("guests-own-groups", "high", "AllowGuestsToBeGroupOwner"),
    ("soft-match", "high", "blockSoftMatchEnabled was true and is false"),
    ("app-policy-off", "high", "isEnabled was true and is false"),
    ("sharing-open", "high", "sharingCapability was existingExternalUserSharingOnly and is externalUserAndGuestSharing"),
    ("sharepoint-legacy", "high", "isLegacyAuthProtocolsEnabled was false and is true"),
    ("unmanaged-healthy", "high", "secureByDefault was true and is false"),
    ("compliance-deleted", "high", "Windows is healthy is gone"),
    ("approval-deleted", "high", "approval by a second person: Approve deviceWipe is gone"),
    ("join-open", "high", "allowedToJoin"),
    ("timeout-deleted", "medium", "Idle sessions end is gone"),
    ("deletions-unguarded", "high", "synchronizationPreventionType was enabledForCount and is disabled"),
    ("managed-audit-off", "critical", "audit of mailboxes was switched off"),
    ("managed-copies", "critical", "a mail flow rule that sends mail elsewhere: Archive is new"),
    ("managed-journal", "critical", "copies of mail to a journal: All is new"),
    ("managed-forwarding", "high", "AutoForwardEnabled was false and is true"),
    ("managed-free-pass", "high", "AllowedSenderDomains has evil.example more"),
    ("managed-links-off", "high", "Links for all: Enabled was true and is false"),
    ("managed-teams-open", "high", "Teams with outsiders: AllowedDomains lost authority.example"),
];

#[test]
fn every_planted_change_is_found_named_and_ranked() {
    assert_eq!(EXPECTED.iter().map(|e| e.0).collect::<Vec<_>>(), CONFIG_ATTACKS.iter().map(|a| a.0).collect::<Vec<_>>());
    let school = hardened();
    tenant(&school, "school0", &["snapshot"]);
    let order = ["critical", "high", "medium", "low"];
    let place = |rank: &str| order.iter().position(|r| *r == rank).unwrap();
    for (name, rank, says) in EXPECTED {
        assert!(school.sim.config_attack(0, name), "{name}");
        let managed = name.starts_with("managed-");
        tenant(&school, "school0", if managed { &["snapshot", "--everything"] } else { &["snapshot"] });
        let diff = tenant(&school, "school0", &["diff", "--who"]);
        let changes = diff["changes"].as_array().unwrap();
        let text = |c: &Value| format!("{} {}", c["says"].as_str().unwrap(), c["properties"]);
        let found = changes.iter().find(|c| text(c).contains(says));
        let found = found.unwrap_or_else(|| panic!("{name}: {says:?} is not said: {changes:#?}"));
        assert!(place(found["rank"].as_str().unwrap()) <= place(rank), "{name}: {found}");
        // The gravest stand first.
        let ranks: Vec<usize> = changes.iter().map(|c| place(c["rank"].as_str().unwrap())).collect();
        assert!(ranks.windows(2).all(|w| w[0] <= w[1]), "{name}: {ranks:?}");
        // Consent of the simulator's own applications leaves no line in its log; SharePoint and Intune keep logs of their own.
        let elsewhere = ["backup-consent", "sharing-open", "sharepoint-legacy", "unmanaged-healthy", "compliance-deleted", "approval-deleted"];
        assert!(managed || elsewhere.contains(name) || found["by"][0]["who"].as_str().is_some_and(|w| w.contains('@')), "{name}: nobody is named: {found}");
        assert!(changes.len() <= 4, "{name} looks like {} changes: {changes:#?}", changes.len());
    }
    school.check();
}

#[test]
fn what_a_school_has_no_licence_or_permission_for_is_said_and_never_passes() {
    let school = hardened();
    let body = r#"{"paths": ["roleManagement/directory/roleAssignmentSchedules", "roleManagement/directory/roleEligibilitySchedules", "policies/roleManagementPolicyAssignments"]}"#;
    school.sim.control("POST", "/sim/unlicensed", "", body.as_bytes());
    let report = tenant(&school, "school0", &["snapshot"]);
    assert_eq!(report["collections"]["roles/active-schedules"]["state"], "not-licensed");
    let found = verdicts(&tenant(&school, "school0", &["check"]));
    for rule in ["roles.permanent", "roles.outside-pim", "roles.activation-approval", "roles.alerts"] {
        assert_eq!(found[rule], "skipped");
    }
    // A permission that is missing makes the run partial, and names itself.
    school.sim.attack(0, "consent-revoked", 1).unwrap();
    school.sim.control("POST", "/sim/recover", "", b"");
    school.sim.config_attack(0, "backup-consent");
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "snapshot"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    school.sim.attack(0, "consent-revoked", 1).unwrap();
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "snapshot", "--everything"]);
    assert_eq!(out.status.code(), Some(3), "{}", String::from_utf8_lossy(&out.stderr));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report["collections"]["identity/authorization"]["permission"], "Policy.Read.All");
    // Who is blind has not seen that all is well: a script learns that too.
    let blind = school.run(&["--tenant", "school0", "--json", "tenant", "check", "--fail-on", "critical"]);
    assert_eq!(blind.status.code(), Some(3));
    let found = verdicts(&serde_json::from_slice(&blind.stdout).unwrap());
    let passed: Vec<_> = found.iter().filter(|(_, v)| *v == "passed").collect();
    assert!(passed.is_empty(), "{passed:?}");
    let diff = tenant(&school, "school0", &["diff"]);
    assert!(diff["changes"][0]["rank"] == "critical" && diff["changes"][0]["says"].as_str().unwrap().contains("the backup may no longer read"), "{diff}");
    // What was changed meanwhile is found by the first round that sees again.
    school.sim.config_attack(0, "admin-added");
    school.sim.control("POST", "/sim/recover", "", b"");
    let seen = tenant(&school, "school0", &["snapshot"]);
    assert!(seen["changes"][0]["says"].as_str().unwrap().contains("became Global Administrator"), "{}", seen["changes"]);
    let diff = tenant(&school, "school0", &["diff"]);
    assert!(diff["changes"].to_string().contains("became Global Administrator"), "{diff}");
}

/// Exchange, Teams and Purview come by another way, which is rationed: asked for in turn, and what it says not is told apart.
#[test]
fn settings_that_are_rationed_are_read_in_their_turn_and_what_is_missing_is_told_apart() {
    let school = hardened();
    let jobs = |school: &School| school.sim.log().iter().filter(|r| r.route.to_lowercase().ends_with("createsnapshot")).count();
    tenant(&school, "school0", &["snapshot"]);
    assert_eq!(jobs(&school), 1);
    // What was read stays until its turn comes again, and costs nothing.
    school.sim.config_attack(0, "managed-audit-off");
    let second = tenant(&school, "school0", &["snapshot"]);
    assert_eq!((jobs(&school), &second["files_changed"]), (1, &Value::from(0)));
    assert_eq!(verdicts(&tenant(&school, "school0", &["check"]))["mail.audit"], "passed");
    let third = tenant(&school, "school0", &["snapshot", "--everything"]);
    assert!(third["changes"][0]["says"].as_str().unwrap().contains("audit of mailboxes"), "{}", third["changes"]);
    assert_eq!(verdicts(&tenant(&school, "school0", &["check"]))["mail.audit"], "failed");
    // No job is left behind: twelve may be visible, for all programs together.
    assert_eq!(school.sim.log().iter().filter(|r| r.method == "DELETE" && r.path.contains("configurationSnapshotJobs")).count(), 2);
    // A workload that the service itself may not read, and one that is not licensed.
    let forbidden = br#"{"types": ["microsoft.teams.meetingpolicy", "microsoft.exchange.transportrule"]}"#;
    school.sim.control("POST", "/sim/managed-forbidden", "", forbidden);
    school.sim.control("POST", "/sim/unlicensed", "", br#"{"paths": ["microsoft.exchange.safelinkspolicy", "microsoft.exchange.atppolicyforo365"]}"#);
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "snapshot", "--everything"]);
    assert_eq!(out.status.code(), Some(3));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let state = |c: &str| report["collections"][c]["state"].as_str().unwrap().to_owned();
    assert_eq!(state("teams/meeting-policies"), "no-permission");
    assert_eq!(state("exchange/transport-rules"), "no-permission");
    assert_eq!(state("exchange/safe-link-policies"), "not-licensed");
    assert_eq!(state("exchange/remote-domains"), "collected");
    let found = verdicts(&serde_json::from_slice(&school.run(&["--tenant", "school0", "--json", "tenant", "check"]).stdout).unwrap());
    for rule in ["teams.lobby", "mail.external-warning", "mail.forwarding", "mail.safe-links", "mail.impersonation", "mail.office-files"] {
        assert_eq!(found[rule], "skipped", "{rule}");
    }
    // Who was blind asks again in the next round.
    school.sim.control("POST", "/sim/managed-forbidden", "", b"{}");
    school.sim.control("POST", "/sim/unlicensed", "", b"{}");
    let before = jobs(&school);
    tenant(&school, "school0", &["snapshot"]);
    assert_eq!(jobs(&school), before + 1);
    school.check();
}

/// A folder of the customer's own rules: good ones judge, bad ones are named and take nothing else down.
#[test]
fn own_rules_judge_beside_the_others_and_bad_ones_take_nothing_down() {
    let school = school(&tiny(Care::Hardened));
    tenant(&school, "school0", &["snapshot"]);
    let config = std::fs::read_to_string(school.path("strongroom.toml")).unwrap();
    std::fs::write(school.path("strongroom.toml"), format!("rules_dir = \"rules\"\n{config}")).unwrap();
    // A folder that is not there is said, and the others judge.
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "check"]);
    assert_eq!(out.status.code(), Some(3));
    let found = verdicts(&serde_json::from_slice(&out.stdout).unwrap());
    assert!(found.len() > 100 && found["own.broken.rules-dir"] == "skipped", "{found:?}");
    std::fs::create_dir(school.path("rules")).unwrap();
    let write = |name: &str, body: &str| {
        let text = format!(
            "package school.{name}\nrule := {{\"id\": \"own.{name}\", \"title\": \"T\", \"severity\": \"high\", \"inputs\": [\"identity/authorization\"], \"remedy\": \"R.\"}}\n\
             policy := input.collections[\"identity/authorization\"][0].settings\n{body}\n"
        );
        std::fs::write(school.path(&format!("rules/{name}.rego")), text).unwrap();
    };
    write("good", "failed contains \"x\" if policy.allowInvitesFrom == \"everyone\"\npassed if policy.allowInvitesFrom == \"adminsAndGuestInviters\"");
    write("bad", "failed contains \"everybody reads\" if policy.allowInvitesFrom == \"adminsAndGuestInviters\"\npassed if policy.allowInvitesFrom == \"x\"");
    let good = tenant(&school, "school0", &["check"]);
    assert_eq!((verdicts(&good)["own.good"].as_str(), verdicts(&good)["own.bad"].as_str()), ("passed", "failed"));
    assert!(tenant(&school, "school0", &["rules"]).as_array().unwrap().iter().any(|r| r["id"] == "own.good"));
    // All that a module can do to a machine.
    write("memory", "failed contains \"x\" if count(numbers.range(1, 1000000000)) < 0\npassed if policy.allowInvitesFrom == \"x\"");
    write("endless", "f(x) := f(x + 1)\nfailed contains \"x\" if f(1) == 2\npassed if policy.allowInvitesFrom == \"x\"");
    write("typo", "failed contains \"x\" if policy.allowInvitesFrom ==\npassed iff true");
    std::fs::write(school.path("rules/latin.rego"), b"package x \xff").unwrap();
    std::fs::write(school.path("rules/empty.rego"), b"").unwrap();
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "check"]);
    assert_eq!(out.status.code(), Some(3), "{}", String::from_utf8_lossy(&out.stderr));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let note = |id: &str| report["findings"].as_array().unwrap().iter().find(|f| f["rule"] == id).unwrap_or_else(|| panic!("{id}"))["note"].to_string();
    for (id, says) in [
        ("own.memory", "1024 MiB of memory"),
        ("own.endless", "calls itself without end"),
        ("own.broken.typo", "line 5"),
        ("own.broken.latin", "not UTF-8"),
        ("own.broken.empty", "it is empty"),
    ] {
        assert!(note(id).contains(says), "{id}: {}", note(id));
    }
    assert_eq!(verdicts(&report)["own.good"], "passed");
    let page = school.run(&["--tenant", "school0", "tenant", "check", "--format", "html"]);
    assert!(String::from_utf8_lossy(&page.stdout).contains("own.broken.typo"));
    let out = school.run(&["config", "check"]);
    assert!(out.status.code() == Some(1) && String::from_utf8_lossy(&out.stdout).contains("typo.rego"));
    // A made-up input shows a rule at work before anything is wrong.
    let module = school.path("rules/good.rego");
    let module = module.to_str().unwrap();
    let mut seen: Value = serde_json::from_str(&school.ok(&["--tenant", "school0", "tenant", "try", module, "--show-input"])).unwrap();
    seen["collections"]["identity/authorization"][0]["settings"]["allowInvitesFrom"] = "everyone".into();
    std::fs::write(school.path("made.json"), seen.to_string()).unwrap();
    let made = school.path("made.json");
    assert!(school.ok(&["tenant", "try", module, "--input", made.to_str().unwrap()]).starts_with("failed own.good"));
    std::fs::write(school.path("unknown.rego"), std::fs::read_to_string(module).unwrap().replace("identity/authorization", "identity/authorisation")).unwrap();
    let out = school.run(&["tenant", "try", school.path("unknown.rego").to_str().unwrap()]);
    assert!(
        out.status.code() == Some(1) && String::from_utf8_lossy(&out.stderr).contains("there is no collection"),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// A baseline over several schools: planned, one first, the others only when that went well, nothing to do the second time.
#[test]
fn a_baseline_goes_to_one_school_first_and_then_to_the_others() {
    let plans = [tiny(Care::Sloppy), SeedPlan { seed: 7, ..tiny(Care::Sloppy) }, SeedPlan { seed: 8, ..tiny(Care::Hardened) }];
    let schools = school_with(&plans, "keep_to_budget = false\ntries = 4\npause_ms = 20\n");
    let json = |args: &[&str]| -> (i32, Value) {
        let out = schools.run(&[&["--json"], args].concat());
        (out.status.code().unwrap(), serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{args:?}: {}", String::from_utf8_lossy(&out.stderr))))
    };
    assert!(schools.ok(&["baseline", "list"]).contains("school-strong"));
    // Nothing was kept yet, so there would be no way back.
    let (code, refused) = json(&["baseline", "plan", "school-strong"]);
    assert!(code == 3 && refused["tenants"][0]["error"].as_str().unwrap().contains("no way back"), "{refused}");
    for n in 0..3 {
        tenant(&schools, &format!("school{n}"), &["snapshot"]);
        schools.sim.control("POST", "/sim/consent", &format!("tenant={n}"), b"{}");
    }
    // No account for emergencies is named: a policy for everybody could lock everybody out.
    let (_, refused) = json(&["baseline", "plan", "school-strong"]);
    assert!(refused["tenants"][0]["error"].as_str().unwrap().contains("emergency"), "{refused}");
    std::fs::write(schools.path("exceptions.toml"), "[[exclusion]]\nwho = \"Emergency access\"\nkind = \"break-glass\"\nreason = \"the last way in\"\n")
        .unwrap();
    let config = std::fs::read_to_string(schools.path("strongroom.toml")).unwrap();
    let config =
        (0..3).fold(config, |c, n| c.replace(&format!("name = \"school{n}\"\n"), &format!("name = \"school{n}\"\nexceptions = \"exceptions.toml\"\n")));
    std::fs::write(schools.path("strongroom.toml"), config).unwrap();
    // A policy of the school's own locks them out already: that comes first, or somebody answers for it.
    let (_, refused) = json(&["baseline", "plan", "school-strong"]);
    assert!(
        refused["tenants"][0]["error"].as_str().unwrap().starts_with("already now, identity/conditional-access-policies/MFA for everyone, some day"),
        "{refused}"
    );
    let accepted = "[[accepted]]\nrule = \"access.emergency-access\"\nobject = \"identity/conditional-access-policies/MFA for everyone, some day\"\nreason = \"goes with the baseline\"\nby = \"A. Head\"\nuntil = 2099-01-01\n";
    let text = std::fs::read_to_string(schools.path("exceptions.toml")).unwrap();
    std::fs::write(schools.path("exceptions.toml"), text + accepted).unwrap();
    let before = tenant(&schools, "school0", &["check"])["score"].as_u64().unwrap();
    let (code, plan) = json(&["baseline", "plan", "school-strong"]);
    assert_eq!(code, 0, "{plan}");
    let acts = |v: &Value, n: usize| v["tenants"][n]["plan"]["acts"].as_array().unwrap().len();
    assert!(acts(&plan, 0) >= 8, "{plan}");
    // The first fails when it may not write, and then the others are left alone.
    schools.sim.control("POST", "/sim/consent", "tenant=1", br#"{"revoke": true}"#);
    schools.sim.clear_log();
    let (code, stopped) = json(&["baseline", "apply", "school-strong", "--first", "school1", "--yes"]);
    assert!(code == 3 && stopped["tenants"].as_array().unwrap().len() == 1 && stopped["tenants"][0]["tenant"] == "school1", "{stopped}");
    schools.sim.control("POST", "/sim/consent", "tenant=1", b"{}");
    let (code, done) = json(&["baseline", "apply", "school-strong", "--yes"]);
    assert_eq!(code, 0, "{done:#}");
    for n in 0..3 {
        assert_eq!(done["tenants"][n]["left"], serde_json::json!([]), "school{n}");
    }
    let (_, again) = json(&["baseline", "plan", "school-strong"]);
    assert_eq!((acts(&again, 0), acts(&again, 1), acts(&again, 2)), (0, 0, 0), "{again}");
    tenant(&schools, "school0", &["snapshot"]);
    let found = tenant(&schools, "school0", &["check"]);
    let verdict = verdicts(&found);
    for rule in ["access.legacy-authentication", "access.mfa", "access.phishing-resistant-admins", "access.high-risk-users", "authentication.weak-methods"] {
        assert_eq!(verdict[rule], "passed", "{rule}");
    }
    assert!(found["score"].as_u64().unwrap() > before + 10, "{before} and {}", found["score"]);
    // Drift against it: what somebody changes is told, and only that.
    schools.sim.config_attack(0, "lockout-off");
    tenant(&schools, "school0", &["snapshot"]);
    let drift = tenant(&schools, "school0", &["diff", "--baseline", "school-strong"]);
    assert!(drift["changes"].as_array().unwrap().len() == 1 && drift.to_string().contains("LockoutThreshold"), "{drift:#}");
}

/// Multi Admin Approval holds a write back: it waits, keeps nothing else from being done, and goes through once it is approved.
#[test]
fn a_write_that_a_second_administrator_must_approve_waits_and_is_not_failed() {
    let school = hardened();
    let policies = serde_json::json!({"path": "deviceManagement/operationApprovalPolicies", "value": [{"displayName": "Approve compliance", "policyType": "compliancePolicy", "approverGroupIds": ["x"]}]});
    school.sim.control("POST", "/sim/configuration", "", policies.to_string().as_bytes());
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let first = tenant(&school, "school0", &["snapshot"])["snapshot"].as_str().unwrap().to_owned();
    school.sim.config_attack(0, "compliance-deleted");
    school.sim.config_attack(0, "ca-off");
    let restore = || -> Value {
        let out = school.run(&["--tenant", "school0", "--json", "tenant", "restore", "--to", &first, "--yes"]);
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)))
    };
    let waiting = |v: &Value| -> Vec<String> {
        let all = v["outcomes"].as_array().unwrap().iter();
        all.filter(|o| o["waits_for_approval"] == true).map(|o| o["object"].as_str().unwrap().to_owned()).collect()
    };
    let done = restore();
    assert_eq!(waiting(&done), ["devices/compliance-policies/Windows is healthy"]);
    assert!(done["outcomes"].as_array().unwrap().iter().all(|o| o["failed"] == "") && done["left"].as_array().unwrap().len() == 1, "{done:#}");
    // Nobody has approved yet: it waits still, and asks no second time.
    assert_eq!(waiting(&restore()).len(), 1);
    school.sim.control("POST", "/sim/approve", "", b"");
    let done = restore();
    assert!(waiting(&done).is_empty(), "{done:#}");
    let left: Vec<&str> = done["left"].as_array().unwrap().iter().map(|c| c["collection"].as_str().unwrap()).collect();
    assert!(left.iter().all(|c| *c == "devices/compliance-policies"), "only its assignments are left: {left:?}");
    assert!(school.sim.log().iter().filter(|r| r.method == "POST" && r.path.contains("deviceCompliancePolicies")).any(|r| r.status == 201));
}

/// The first meeting with a school: no repository, one page, and no consent is left.
#[test]
fn an_assessment_writes_one_page_and_removes_its_consent() {
    let school = school(&tiny(Care::Sloppy));
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(school.sim.serve(graph_sim::Addresses::default(), dir.path())).unwrap();
    let assess = |app: &str, out: &str| {
        let app = server.ready.tenants[0].applications.iter().find(|a| a.name == app).unwrap();
        let out = dir.path().join(out);
        let args = [
            "--json",
            "assess",
            "--tenant-id",
            &server.ready.tenants[0].tenant_id,
            "--application-id",
            &app.application_id,
            "--certificate-file",
            &app.certificate_file,
            "--authority",
            &server.ready.https,
            "--graph",
            &server.ready.https,
            "--ca-file",
            &server.ready.ca_file,
            "--out",
            out.to_str().unwrap(),
        ];
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_strongroom"));
        let done = command.current_dir(dir.path()).args(args).output().unwrap();
        let value: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
        (done.status.code(), value, std::fs::read_to_string(out).unwrap())
    };
    let (code, found, page) = assess("assess", "page.html");
    assert_eq!((code, &found["consent"]), (Some(0), &Value::from("removed")), "{}", found["consent_why"]);
    assert!(found["score"] == 0 && found["counts"]["failed"].as_u64().unwrap() > 90 && found["seconds"].as_f64().unwrap() < 900.0, "{}", found["counts"]);
    for part in ["What no backup covers", "<strong>Passwords, passkeys", "Power Platform", "has removed itself", "SMTP takes passwords"] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("</main>").count(), 1);
    // It is gone, and the next sign-in says so.
    let app = server.ready.tenants[0].applications.iter().find(|a| a.name == "assess").unwrap();
    let spare = school.sim.log().iter().filter(|r| r.method != "GET" && r.method != "POST").map(|r| format!("{} {}", r.method, r.route)).collect::<Vec<_>>();
    assert!(spare.iter().all(|r| r.starts_with("DELETE")) && spare.len() == 2, "a job of the service and itself: {spare:?}, {}", app.application_id);
    // One that may not remove itself says so, loudly, and on the page.
    let (code, found, page) = assess("read", "other.html");
    assert_eq!((code, &found["consent"]), (Some(3), &Value::from("stays")));
    assert!(found["consent_why"].as_str().unwrap().contains("may not remove itself") && page.contains("still in the tenant"));
}

#[test]
fn findings_can_be_accepted_until_a_day_and_mistakes_in_the_file_are_explained() {
    let school = school(&tiny(Care::Sloppy));
    allow_emergency(&school, "school0");
    tenant(&school, "school0", &["snapshot"]);
    let file = school.path("exceptions.toml");
    // An exclusion that names nobody, and an acceptance that fits nothing, are told.
    std::fs::write(&file, "[[exclusion]]\nwho = \"Emergency acces\"\nkind = \"break-glass\"\nreason = \"x\"\n[[accepted]]\nrule = \"access.mfa\"\nobject = \"nothing\"\nreason = \"x\"\nby = \"x\"\nuntil = 2099-01-01\n").unwrap();
    let idle = tenant(&school, "school0", &["check"])["idle_exceptions"].to_string();
    assert!(idle.contains("Emergency acces names nobody") && idle.contains("access.mfa at nothing fits no finding"), "{idle}");
    for (text, says) in [("rule = \"no.such\"\nreason = \"x\"", "no rule"), ("rule = \"access.mfa\"\nreason = \" \"", "no reason")] {
        std::fs::write(&file, format!("[[accepted]]\n{text}\nby = \"x\"\nuntil = \"2099-01-01\"\n")).unwrap();
        let out = school.run(&["config", "check"]);
        assert!(out.status.code() == Some(1) && String::from_utf8_lossy(&out.stdout).contains(says), "{}", String::from_utf8_lossy(&out.stdout));
    }
    let accept = |until: &str| {
        std::fs::write(
            &file,
            format!("[[accepted]]\nrule = \"authentication.passkeys\"\nreason = \"keys are ordered\"\nby = \"A. Head\"\nuntil = \"{until}\"\n"),
        )
        .unwrap();
    };
    accept("2099-01-01");
    assert_eq!(verdicts(&tenant(&school, "school0", &["check"]))["authentication.passkeys"], "accepted");
    accept("2020-01-01");
    assert_eq!(verdicts(&tenant(&school, "school0", &["check"]))["authentication.passkeys"], "failed");
    std::fs::write(&file, "[[accepted]]\nrule = 3\n").unwrap();
    let out = school.run(&["--tenant", "school0", "tenant", "check"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && said.contains("exceptions.toml") && said.contains("line 2"), "{said}");
    std::fs::remove_file(&file).unwrap();
    let out = school.run(&["--tenant", "school0", "tenant", "check"]);
    assert_eq!(out.status.code(), Some(1));
    // A script can ask.
    std::fs::write(&file, "").unwrap();
    assert_eq!(school.run(&["--tenant", "school0", "tenant", "check", "--fail-on", "high"]).status.code(), Some(1));
}

/// Which identifier is answered by what: the lists lie beside the project, not in it.
#[test]
fn every_identifier_of_the_standards_has_a_rule_or_a_reason() {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/checks/open-checks.tsv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: {} is not here, so coverage was not held against it", path.display());
        return;
    };
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut lost = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let (source, id) = (cells[0], cells[1]);
        if !["ScubaGear", "EIDSCA (via Maester)", "Prowler m365"].contains(&source) {
            continue;
        }
        let otherwise = strongroom_guards::OTHERWISE.iter().filter(|(p, _)| id.starts_with(p)).max_by_key(|(p, _)| p.len());
        let kind = match (strongroom_guards::covered_by(id), otherwise) {
            (Some(_), _) => "rule",
            (None, Some((_, strongroom_guards::Cover::Manual(_)))) => "manual",
            (None, Some((_, strongroom_guards::Cover::NoApi(_)))) => "no API",
            (None, Some((_, strongroom_guards::Cover::NotYet(_)))) => "not yet",
            (None, None) => {
                lost.push(id.to_owned());
                continue;
            }
        };
        *counts.entry((source, kind)).or_default() += 1;
        assert!(source != "EIDSCA (via Maester)" || kind == "rule", "{id} has no rule");
        assert!(!id.starts_with("MS.AAD.") || ["rule", "manual"].contains(&kind), "{id} has no rule");
    }
    assert!(lost.is_empty(), "{lost:#?}");
    println!("{counts:#?}");
}

#[test]
fn the_fleet_is_shown_worst_first_in_every_format() {
    let schools = school_with(
        &[tiny(Care::Hardened), SeedPlan { seed: 5, ..tiny(Care::Sloppy) }, SeedPlan { seed: 6, ..tiny(Care::Hardened) }],
        "keep_to_budget = false\ntries = 4\npause_ms = 20\n",
    );
    allow_emergency(&schools, "school0");
    for name in ["school0", "school1"] {
        tenant(&schools, name, &["snapshot"]);
    }
    // The third was never read: that is said, and is no success.
    let out = schools.run(&["fleet"]);
    assert_eq!(out.status.code(), Some(3));
    let text = String::from_utf8(out.stdout).unwrap();
    let place = |name: &str| text.find(name).unwrap();
    assert!(place("school2") < place("school1") && place("school1") < place("school0"), "{text}");
    assert!(text.contains("school2: not judged: no configuration was read yet"), "{text}");
    assert!(text.lines().any(|l| l.starts_with("school0") && l.contains("100") && l.contains("82")), "{text}");
    let json: Value = serde_json::from_slice(&schools.run(&["--json", "fleet"]).stdout).unwrap();
    assert_eq!(json["tenants"][2]["tenant"], "school0");
    assert_eq!(json["tenants"][1]["secure_score"]["reached"], 88.0);
    assert!(json["failing_rules"].as_array().unwrap().iter().any(|r| r["rule"] == "access.mfa" && r["tenants"] == 1));
    let sarif: Value = serde_json::from_slice(&schools.run(&["fleet", "--format", "sarif"]).stdout).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(
        results.len() > 60 && results.iter().all(|r| r["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].as_str().unwrap().starts_with("school1/"))
    );
    for (format, holds) in [("csv", "school1,access.mfa"), ("html", "<h2>school1</h2>")] {
        let path = schools.path(&format!("report.{format}"));
        assert_eq!(schools.run(&["fleet", "--format", format, "--out", path.to_str().unwrap()]).status.code(), Some(3));
        assert!(std::fs::read_to_string(&path).unwrap().contains(holds));
    }
    let one = schools.ok(&["--tenant", "school0", "tenant", "check", "--format", "csv"]);
    assert!(one.lines().count() > 70 && !one.contains(",failed,"), "{one}");
}

#[test]
fn what_fifty_attacks_changed_is_put_back_and_what_cannot_be_is_listed() {
    let school = hardened();
    let first = tenant(&school, "school0", &["snapshot"]);
    let first = first["snapshot"].as_str().unwrap();
    for (name, _) in CONFIG_ATTACKS.iter().filter(|(n, _)| *n != "backup-consent") {
        school.sim.config_attack(0, name);
    }
    tenant(&school, "school0", &["snapshot", "--everything"]);
    let before = tenant(&school, "school0", &["diff", first, "latest"])["changes"].as_array().unwrap().len();
    assert!(before >= 40, "{before}");
    let restore = |extra: &[&str]| {
        let args = [&["--tenant", "school0", "--json", "tenant", "restore", "--to", first], extra].concat();
        let out = school.run(&args);
        let value: Value =
            serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)));
        (out.status.code().unwrap(), value)
    };
    // A plan changes nothing, and a writer without consent neither.
    school.sim.clear_log();
    assert_eq!(restore(&["--dry-run", "--remove-added"]).0, 0);
    assert!(school.sim.log().iter().all(|r| r.method == "GET" || r.route.ends_with("/token") || r.route.ends_with("getByIds") || r.route.ends_with("$batch")));
    let (code, refused) = restore(&["--yes", "--remove-added"]);
    assert_eq!(code, 3);
    let done: Vec<_> = refused["outcomes"].as_array().unwrap().iter().filter(|o| o["failed"] == "").collect();
    assert!(done.is_empty(), "{done:#?}");
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let (_, done) = restore(&["--yes", "--remove-added"]);
    let failed: Vec<_> = done["outcomes"].as_array().unwrap().iter().filter(|o| o["failed"] != "").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    // What is left is what the plan said that it cannot set.
    let left: BTreeSet<String> =
        done["left"].as_array().unwrap().iter().map(|c| format!("{}/{}", c["collection"].as_str().unwrap(), c["object"].as_str().unwrap())).collect();
    let cannot: Vec<&str> = done["plan"]["cannot"].as_array().unwrap().iter().map(|c| c[0].as_str().unwrap()).collect();
    let unsaid: Vec<_> = left.iter().filter(|l| !cannot.iter().any(|c| c.starts_with(l.as_str()))).collect();
    assert!(unsaid.is_empty(), "{unsaid:#?} of {}", done["left"]);
    println!("{before} changes, {} acts, left: {left:?}", done["outcomes"].as_array().unwrap().len());
    assert!(left.len() <= 9, "{left:#?}");
    school.sim.control("POST", "/sim/consent", "", br#"{"revoke": true}"#);
    tenant(&school, "school0", &["snapshot"]);
    let good = verdicts(&tenant(&school, "school0", &["check"]));
    let failing: Vec<_> = good.iter().filter(|(_, v)| *v != "passed").map(|(r, _)| r.as_str()).collect();
    let by_hand = ["devices.join", "mail.audit", "mail.forwarding", "mail.free-passes", "mail.safe-links", "teams.external-domains"];
    assert_eq!(failing, by_hand, "what Graph cannot set");
}

#[test]
fn a_restore_never_locks_everybody_out_and_takes_what_is_chosen() {
    let school = hardened();
    // The snapshot itself holds a policy that blocks everybody.
    school.sim.config_attack(0, "ca-block-all");
    let bad = tenant(&school, "school0", &["snapshot"]);
    let bad = bad["snapshot"].as_str().unwrap();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let policies = |school: &School| {
        let value = tenant(school, "school0", &["snapshot"]);
        let id = value["snapshot"].as_str().unwrap().to_owned();
        school.ok(&["--tenant", "school0", "--json", "ls", &id, "/tenant/configuration/identity/conditional-access-policies"]).lines().count()
    };
    let all = policies(&school);
    school.sim.config_attack(0, "ca-remove-block-all");
    let out = school.run(&["--tenant", "school0", "tenant", "restore", "--to", bad, "--yes"]);
    assert_eq!(policies(&school), all - 1, "nothing was made");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && said.contains("Maintenance") && said.contains("leaves nobody out"), "{said}");
    // As a report it may come back, and only what was asked for.
    school.sim.config_attack(0, "sharing-open");
    let chosen = "identity/conditional-access-policies/Maintenance";
    let out = school.run(&["--tenant", "school0", "--json", "tenant", "restore", "--to", bad, "--yes", "--report-only", "--object", chosen]);
    let value: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(value["outcomes"].as_array().unwrap().len(), 1, "{value}");
    assert!(value["left"].to_string().contains("enabledForReportingButNotEnforced"), "{value}");
    let out = school.run(&["--tenant", "school0", "tenant", "restore", "--to", bad, "--yes", "--object", "nothing/at all"]);
    assert_eq!(out.status.code(), Some(1));
}
