//! The same stored configurations judged by our rules and by CISA's own policies: where they differ
//! is printed.
//!
//!     cargo run --release -p strongroom-cli --example scuba -- FOLDER
//!
//! FOLDER is `PowerShell/ScubaGear/Rego` of a checkout of ScubaGear, which is not part of this
//! project.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use graph_sim::{Addresses, Care, SeedPlan, Settings, Sim};
use regorus::{Engine, Value as Rego, utils::limits::PolicyLengthConfig};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use strongroom_graph::{Budget, Client, Credential, RetryLimits, TokioClock};
use strongroom_guards::{Exceptions, RULES, RuleVerdict, judge};
use strongroom_model::{ConfigObject, Configuration, Silent};
use strongroom_workloads::configuration::With;

/// What ScubaGear takes for privileged, by template.
const PRIVILEGED: &[(&str, &str)] = &[
    ("62e90394-69f5-4237-9190-012177145e10", "Global Administrator"),
    ("e8611ab8-c189-46e8-94e1-60213ab1f814", "Privileged Role Administrator"),
    ("fe930be7-5e62-47db-91af-98c3a49a38b1", "User Administrator"),
    ("f28a1f50-f6e7-4571-818b-6a12f2af6b6c", "SharePoint Administrator"),
    ("29232cdf-9323-42fd-ade2-1d097af3e4de", "Exchange Administrator"),
    ("8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", "Hybrid Identity Administrator"),
    ("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "Application Administrator"),
    ("158c047a-c907-4556-b7ef-446551a6b5f7", "Cloud Application Administrator"),
];

/// Graph's names as PowerShell shows them.
fn pascal(v: &Value) -> Value {
    match v {
        Value::Object(map) => map
            .iter()
            .filter(|(k, _)| !k.contains('@'))
            .map(|(k, v)| (k[..1].to_uppercase() + &k[1..], pascal(v)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(rows) => rows.iter().map(pascal).collect(),
        other => other.clone(),
    }
}

fn objects<'c>(c: &'c Configuration, collection: &str) -> &'c [ConfigObject] {
    c.collections.get(collection).map(|c| c.objects.as_slice()).unwrap_or_default()
}

fn named(o: &ConfigObject, more: Value) -> Value {
    let mut out = pascal(&o.body);
    out["DisplayName"] = o.name.clone().into();
    out["Id"] = o.id.clone().into();
    for (k, v) in more.as_object().unwrap() {
        out[k] = v.clone();
    }
    out
}

/// A configuration as ScubaGear's policies want it.
fn input(c: &Configuration) -> Value {
    let title =
        |template: &Value| PRIVILEGED.iter().find(|(t, _)| *template == *t).map(|(_, n)| *n);
    let mut users: BTreeMap<String, Value> = objects(c, "directory/privileged-users")
        .iter()
        .map(|u| {
            (
                format!("@users/{}", u.name),
                json!({"DisplayName": u.name,
            "OnPremisesImmutableId": if u.body["onPremisesSyncEnabled"] == true {
                "x".into() } else { Value::Null }, "roles": []}),
            )
        })
        .collect();
    let held: Vec<&ConfigObject> =
        ["roles/assignments", "roles/eligible-schedules", "roles/active-schedules"]
            .iter()
            .flat_map(|n| objects(c, n))
            .collect();
    for o in &held {
        let Some(role) = title(&o.body["roleDefinitionId"]) else { continue };
        if let Some(user) = users.get_mut(o.body["principalId"].as_str().unwrap_or_default())
            && let Some(roles) = user["roles"].as_array_mut()
            && !roles.contains(&role.into())
        {
            roles.push(role.into());
        }
    }
    users.retain(|_, u| u["roles"].as_array().is_some_and(|r| !r.is_empty()));
    let roles: Vec<Value> = PRIVILEGED
        .iter()
        .map(|(template, name)| {
            let of = |collection: &str| {
                objects(c, collection)
                    .iter()
                    .filter(|o| o.body["roleDefinitionId"] == *template)
                    .collect::<Vec<_>>()
            };
            let scheduled: BTreeMap<String, Value> = of("roles/active-schedules")
                .into_iter()
                .map(|o| (o.body["principalId"].to_string(), o.body["scheduleInfo"].clone()))
                .collect();
            let assignments: Vec<Value> = of("roles/assignments")
                .into_iter()
                .map(|o| {
                    let schedule = scheduled.get(&o.body["principalId"].to_string());
                    let at = |path: &str| {
                        schedule.and_then(|s| s.pointer(path)).cloned().unwrap_or(Value::Null)
                    };
                    json!({"PrincipalId": o.body["principalId"],
                        "StartDateTime": if schedule.is_some() {
                            json!("2026-01-01T00:00:00Z") } else { Value::Null },
                        "EndDateTime": at("/expiration/endDateTime")})
                })
                .collect();
            let rules: Vec<Value> = of("roles/activation-policies")
                .into_iter()
                .flat_map(|o| o.body["policy"]["rules"].as_array().cloned().unwrap_or_default())
                .map(|r| {
                    let mut rule = pascal(&r);
                    rule["RuleSource"] = (*name).into();
                    rule["RuleSourceType"] = "Directory Role".into();
                    rule
                })
                .collect();
            json!({"RoleTemplateId": template, "DisplayName": name, "Assignments": assignments,
                "Rules": rules})
        })
        .collect();
    let authorization: Vec<Value> = objects(c, "identity/authorization")
        .iter()
        .map(|o| {
            named(
                o,
                json!({"PermissionGrantPolicyIdsAssignedToDefaultUserRole":
                    o.body["defaultUserRolePermissions"]["permissionGrantPoliciesAssigned"]}),
            )
        })
        .collect();
    let methods: Vec<Value> = objects(c, "identity/authentication-methods")
        .iter()
        .map(|o| {
            json!({"authentication_method_policy": pascal(&o.body),
            "authentication_method_feature_settings":
                pascal(&o.body["authenticationMethodConfigurations"])})
        })
        .collect();
    let mut settings: Vec<Value> =
        objects(c, "directory/group-settings").iter().map(|o| named(o, json!({}))).collect();
    for o in objects(c, "identity/admin-consent-requests") {
        // Read from the policy here; the directory setting of this name says the same.
        settings.push(json!({"DisplayName": "Consent Policy Settings",
                "Values": [{"Name": "EnableAdminConsentRequests",
                    "Value": o.body["isEnabled"].to_string()}]}));
    }
    let plans: Vec<Value> = objects(c, "directory/licences")
        .iter()
        .flat_map(|l| l.body["servicePlans"].as_array().cloned().unwrap_or_default())
        .map(|p| pascal(&p))
        .collect();
    let excluded = json!({"CapExclusions": {"Groups": ["@groups/Emergency access"], "Users": [],
        "Applications": [], "GuestUserTypes": []}});
    let names =
        ["1.1v1", "2.1v1", "2.3v1", "3.1v1", "3.2v1", "3.2v2", "3.6v1", "3.7v1", "3.8v1", "3.9v1"];
    let mut exclusions: Map<String, Value> =
        names.iter().map(|n| (format!("MS.AAD.{n}"), excluded.clone())).collect();
    let emergency: Vec<Value> = objects(c, "directory/referenced-groups")
        .iter()
        .filter(|g| g.name == "Emergency access")
        .flat_map(|g| g.body["members"].as_array().cloned().unwrap_or_default())
        .collect();
    exclusions.insert(
        "MS.AAD.7.4v1".into(),
        json!({"RoleExclusions": {"Users": emergency, "Groups": []}}),
    );
    let all = |collection: &str| -> Vec<Value> {
        objects(c, collection).iter().map(|o| named(o, json!({}))).collect()
    };
    let domains: Vec<Value> =
        objects(c, "directory/domains").iter().map(|d| named(d, json!({"Id": d.name}))).collect();
    json!({
        "conditional_access_policies": all("identity/conditional-access-policies"),
        "authorization_policies": authorization,
        "authentication_method": methods,
        "directory_settings": settings,
        "domain_settings": domains,
        "privileged_users": users,
        "privileged_roles": roles,
        "service_plans": plans,
        "risky_delegated_permission_classifications": [],
        "default_app_management_policy": all("applications/default-management-policy"),
        "app_management_policies": all("applications/management-policies"),
        "module_version": "main",
        "scuba_config": {"M365Environment": "commercial", "Aad": exclusions},
    })
}

fn policies(folder: &Path) -> Engine {
    let mut engine = Engine::new();
    engine.set_policy_length_config(PolicyLengthConfig {
        max_col: 65_536.try_into().unwrap(),
        max_file_bytes: (1 << 22).try_into().unwrap(),
        max_lines: 40_000.try_into().unwrap(),
    });
    let utils = std::fs::read_dir(folder.join("Utils")).unwrap().flatten().map(|e| e.path());
    for file in utils
        .filter(|f| f.extension().is_some_and(|e| e == "rego"))
        .chain([folder.join("AADConfig.rego")])
    {
        // The last line of their files has no end, which the parser wants.
        engine
            .add_policy(file.display().to_string(), std::fs::read_to_string(&file).unwrap() + "\n")
            .unwrap();
    }
    engine
}

fn theirs(engine: &Engine, c: &Configuration) -> BTreeMap<String, (bool, String)> {
    let mut engine = engine.clone();
    engine.set_input(Rego::from_json_str(&input(c).to_string()).unwrap());
    let rows: Value = serde_json::from_str(
        &engine.eval_rule("data.aad.tests".to_owned()).unwrap().to_json_str().unwrap(),
    )
    .unwrap();
    let told =
        |r: &&Value| !r["Criticality"].as_str().unwrap_or_default().contains("Not-Implemented");
    rows.as_array()
        .unwrap()
        .iter()
        .filter(told)
        .map(|r| {
            (
                r["PolicyId"].as_str().unwrap().to_owned(),
                (
                    r["RequirementMet"] == true,
                    r["ReportDetails"].as_str().unwrap_or_default().to_owned(),
                ),
            )
        })
        .collect()
}

fn main() {
    let folder = std::env::args()
        .nth(1)
        .expect("the folder PowerShell/ScubaGear/Rego of a checkout of ScubaGear");
    let engine = policies(Path::new(&folder));
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let exceptions = Exceptions::parse(
        "[[exclusion]]\nwho = \"Emergency access\"\nkind \
        = \"break-glass\"\nreason = \"the last way in\"\n",
    )
    .unwrap();
    // A kept school, a careless one, and the kept one after each attack alone.
    let mut cases: Vec<(String, Care, Option<&str>)> =
        vec![("kept".into(), Care::Hardened, None), ("careless".into(), Care::Sloppy, None)];
    cases.extend(
        graph_sim::CONFIG_ATTACKS
            .iter()
            .filter(|(n, _)| !n.starts_with("managed-"))
            .map(|(n, _)| (format!("kept, then {n}"), Care::Hardened, Some(*n))),
    );
    let (mut same, mut differ) = (0, BTreeMap::<(String, String, String), Vec<String>>::new());
    let mut unmatched = BTreeSet::new();
    for (n, (name, care, attack)) in cases.iter().enumerate() {
        let sim = Sim::new(Settings::default().for_the_product(), 1, jiff::Timestamp::now());
        sim.seed(&SeedPlan {
            people: Some(12),
            messages_per_mailbox: Some(1),
            scale: 0.3,
            care: *care,
            ..SeedPlan::default()
        })
        .unwrap();
        if let Some(attack) = attack {
            sim.config_attack(0, attack);
        }
        let server = runtime
            .block_on(sim.serve(Addresses::default(), &dir.path().join(n.to_string())))
            .unwrap();
        let app = server.ready.tenants[0].applications.iter().find(|a| a.name == "read").unwrap();
        let settings = strongroom_graph::Settings {
            authority: server.ready.https.parse().unwrap(),
            graph: server.ready.https.parse().unwrap(),
            tenant: server.ready.tenants[0].tenant_id.clone(),
            application_id: app.application_id.clone(),
            credential: Credential::Certificate {
                pem: std::fs::read_to_string(&app.certificate_file).unwrap().into(),
            },
            ca_file: Some(server.ready.ca_file.clone().into()),
            user_agent: "NONISV|Strongroom|compare".into(),
        };
        let patience = RetryLimits { tries: 6, pause_ms: 20, throttled_s_max: 60 };
        let client =
            Client::new(settings, Arc::new(TokioClock), Arc::new(Budget::new(false)), patience)
                .unwrap();
        let c = runtime
            .block_on(strongroom_workloads::configuration::read(
                &client,
                "school",
                With::Direct,
                &Silent,
            ))
            .unwrap();
        let ours = judge(
            &c,
            &exceptions,
            Vec::new(),
            jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date(),
        );
        for (id, (met, says)) in theirs(&engine, &c) {
            // A later version of a policy is answered by the rule for the version that we know.
            let stem = id.split('v').next().unwrap();
            let Some(rule) = RULES
                .iter()
                .find(|r| r.satisfies.iter().any(|s| s.split('v').next() == Some(stem)))
            else {
                unmatched.insert(id);
                continue;
            };
            let found = ours.findings.iter().find(|f| f.rule == rule.id).unwrap();
            if (found.verdict == RuleVerdict::Passed) == met {
                same += 1;
            } else {
                let their = if met { "met" } else { "not met" };
                let why =
                    found.concerns.first().map_or_else(|| found.note.clone(), |c| c.says.clone());
                let key = (
                    id,
                    rule.id.to_owned(),
                    format!(
                        "{their} for ScubaGear ({}), {:?} here ({})",
                        says.replace("<br/>", " ").chars().take(90).collect::<String>(),
                        found.verdict,
                        why.line()
                    ),
                );
                differ.entry(key).or_default().push(name.clone());
            }
        }
    }
    println!(
        "{} stored configurations, {same} verdicts alike, {} unlike, of policies without a rule \
         here: {unmatched:?}",
        cases.len(),
        differ.values().map(Vec::len).sum::<usize>()
    );
    for ((id, rule, what), at) in differ {
        println!(
            "{id} {rule}: {what}\n    at {} ({} of {})",
            at.first().unwrap(),
            at.len(),
            cases.len()
        );
    }
}
