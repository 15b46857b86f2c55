//! What is sent exists in Microsoft's published operations; what the simulator answers has
//! Microsoft's published shape. Both lists lie beside the project, not in it: where they are
//! missing, the tests say so.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)]
use crate::common::*;
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf};

fn published(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/graph").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("SKIPPED: {} is not here, so nothing was held against it", path.display());
    }
    text
}

/// Sent although the list does not have it in this form; `docs/graph-requests.md` gives the
/// reasons.
const EXCEPTIONS: &[&str] = &[
    "POST /$batch",
    "GET /drives/{id}/root/delta",
    "GET /drives/{id}/items/{id}:/{id}:",
    "GET beta/deviceManagement/assignmentFilters",
    "GET beta/deviceManagement/configurationPolicies",
    "GET beta/deviceManagement/configurationPolicies/{id}/settings",
    "GET beta/deviceManagement/operationApprovalPolicies",
    "GET beta/policies/authenticationMethodsPolicy",
    "POST /admin/configurationManagement/configurationSnapshots/createSnapshot",
    "PUT /policies/adminConsentRequestPolicy",
    "PATCH beta/policies/authenticationMethodsPolicy",
    "PATCH beta/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{id}",
    "POST beta/deviceManagement/operationApprovalPolicies",
    "POST beta/deviceManagement/configurationPolicies",
    "PUT beta/deviceManagement/configurationPolicies/{id}",
    "DELETE beta/deviceManagement/configurationPolicies/{id}",
    "POST beta/deviceManagement/configurationPolicies/{id}/assign",
    "PUT /drives/{id}/items/{id}:/{id}:/content",
    "POST /drives/{id}/items/{id}:/{id}:/createUploadSession",
];

#[test]
fn every_request_is_a_published_operation_or_a_named_exception() {
    let Some(list) = published("operations.tsv") else { return };
    let fold = |path: &str| -> String {
        path.split('/')
            .map(|p| {
                if p.starts_with('{') {
                    "{id}".to_owned()
                } else {
                    p.trim_end_matches("()").replace("microsoft.graph.", "").to_lowercase()
                }
            })
            .collect::<Vec<_>>()
            .join("/")
    };
    let known: BTreeSet<String> = list
        .lines()
        .filter_map(|l| l.split('\t').nth(1).zip(l.split('\t').nth(2)))
        .map(|(m, p)| format!("{m} {}", fold(p)))
        .collect();
    let school = school(&small());
    school.whole();
    school.sim.live_a_day(0, 3, false);
    school.whole();
    school.sim.attack(0, "encrypt-fast", 1).unwrap();
    school.sim.attack(0, "purge-mailboxes", 1).unwrap();
    school.backup();
    school.ok(&["restore", "--clean", "--in-place", "--yes"]);
    school.ok(&["restore", "--folder", "Again", "--yes"]);
    school.ok(&["--tenant", "school0", "tenant", "snapshot"]);
    school.sim.config_attack(0, "ca-off");
    school.ok(&["--tenant", "school0", "tenant", "snapshot"]);
    school.ok(&["--tenant", "school0", "tenant", "diff", "--who"]);
    let exceptions = school.path("exceptions.toml");
    std::fs::write(
        &exceptions,
        "[[exclusion]]\nwho = \"Emergency access\"\nkind \
        = \"break-glass\"\nreason = \"the last way in\"\n",
    )
    .unwrap();
    let config = std::fs::read_to_string(school.path("strongroom.toml")).unwrap().replacen(
        "name = \"school0\"",
        "name = \"school0\"\nexceptions = \"exceptions.toml\"",
        1,
    );
    std::fs::write(school.path("strongroom.toml"), config).unwrap();
    school.sim.control("POST", "/sim/consent", "", b"{}");
    let snapshots: Value =
        serde_json::from_str(&school.ok(&["--tenant", "school0", "--json", "snapshots"])).unwrap();
    let first = snapshots
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["tags"].to_string().contains("configuration"))
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (name, _) in graph_sim::CONFIG_ATTACKS.iter().filter(|(n, _)| *n != "backup-consent") {
        school.sim.config_attack(0, name);
    }
    let out = school.run(&[
        "--tenant",
        "school0",
        "tenant",
        "restore",
        "--to",
        &first,
        "--yes",
        "--remove-added",
    ]);
    assert_eq!(out.status.code(), Some(3), "{}", String::from_utf8_lossy(&out.stdout));
    let mut unknown = BTreeSet::new();
    for row in school.sim.log().iter().filter(|r| r.path.starts_with("/beta/")) {
        let call = format!("{} {}", row.method, row.path.trim_start_matches('/'));
        if !EXCEPTIONS.iter().any(|e| fits(e, &call)) {
            unknown.insert(call);
        }
    }
    for row in school.sim.log().iter().filter(|r| r.path.starts_with("/v1.0/")) {
        // By path: `items/ID:/name:/content` has names of any form in its middle.
        let mut route = row.path.trim_start_matches("/v1.0").to_owned();
        if let Some((head, rest)) = route.split_once(":/") {
            let tail = rest.split_once(':').map_or("", |(_, t)| t);
            let (dir, _) = head.rsplit_once('/').unwrap();
            route = format!("{dir}/{{id}}:/{{id}}:{tail}");
        }
        let mut parts: Vec<String> = route.split('/').map(str::to_owned).collect();
        // An id follows each collection.
        for n in 1..parts.len() {
            let collection = [
                "users",
                "drives",
                "items",
                "mailFolders",
                "messages",
                "attachments",
                "versions",
                "ediscoveryCases",
                "servicePrincipals",
                "domains",
                "groups",
                "configurationSnapshotJobs",
                "configurationSnapshots",
                "sites",
                "contactFolders",
                "contacts",
                "childFolders",
                "lists",
                "tasks",
                "calendars",
                "events",
                "calendarPermissions",
            ]
            .contains(&parts[n - 1].as_str());
            if collection
                && !["delta", "createUploadSession", "createSnapshot"].contains(&parts[n].as_str())
                && !parts[n].contains(':')
            {
                parts[n] = "{id}".into();
            }
        }
        let call = format!("{} {}", row.method, parts.join("/"));
        let folded = format!("{} {}", row.method, fold(&parts.join("/")));
        let listed = known.contains(&folded) || known.iter().any(|k| fits(k, &folded));
        if !listed && !EXCEPTIONS.contains(&call.as_str()) {
            unknown.insert(call);
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// Whether a call is one of this form: an id looks like none of the words that paths are made of.
fn fits(form: &str, call: &str) -> bool {
    let id = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_uppercase())
            || s.contains(|c: char| c.is_ascii_digit() || "_-.".contains(c))
    };
    let (f, c): (Vec<&str>, Vec<&str>) = (form.split('/').collect(), call.split('/').collect());
    f.len() == c.len() && f.iter().zip(&c).all(|(f, c)| f == c || (*f == "{id}" && id(c)))
}

/// Names that `value` has and its type does not.
fn strangers(types: &Value, kind: &str, value: &Value, at: &str, out: &mut BTreeSet<String>) {
    let kind = value
        .get("@odata.type")
        .and_then(Value::as_str)
        .map_or(kind, |t| t.trim_start_matches('#'));
    if let Some(rows) = value.as_array() {
        let inner = kind.trim_start_matches("Collection(").trim_end_matches(')');
        rows.iter().for_each(|r| strangers(types, inner, r, at, out));
        return;
    }
    let Some(map) = value.as_object() else { return };
    for (name, v) in map.iter().filter(|(n, _)| !n.contains('@')) {
        let mut declared = None;
        let mut at_type = Some(kind.to_owned());
        while let Some(t) = at_type {
            let entry = &types["types"][&t];
            if entry.is_null() {
                return;
            }
            declared = ["p", "n"].iter().find_map(|k| entry[*k][name].as_str().map(str::to_owned));
            at_type =
                if declared.is_some() { None } else { entry["b"].as_str().map(str::to_owned) };
        }
        match declared {
            Some(t) => strangers(types, &t, v, &format!("{at}.{name}"), out),
            None => {
                out.insert(format!("{at}.{name} ({kind})"));
            }
        }
    }
}

#[test]
fn the_simulator_answers_in_published_shapes() {
    let Some(types) = published("types.json") else { return };
    let types: Value = serde_json::from_str(&types).unwrap();
    let school = school(&small());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let _inside = runtime.enter();
    let server =
        runtime.block_on(school.sim.serve(graph_sim::Addresses::default(), dir.path())).unwrap();
    let tenant = &server.ready.tenants[0];
    let app = tenant.applications.iter().find(|a| a.name == "read").unwrap();
    let call = |method: &str, path: &str, query: &str, body: String, token: &str| {
        let mut headers = vec![
            ("authorization".into(), format!("Bearer {token}")),
            ("host".into(), "graph.example".into()),
        ];
        if body.starts_with('{') {
            headers.push(("content-type".into(), "application/json".into()));
        }
        school.sim.handle(&graph_sim::Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers,
            body: body.into(),
        })
    };
    let secret = std::fs::read_to_string(&app.secret_file).unwrap();
    let form = format!(
        "client_id={}&client_secret={secret}&grant_type=client_credentials&scope=https://graph.microsoft.com/.default",
        app.application_id
    );
    let token: Value = serde_json::from_slice(
        &call("POST", &format!("/{}/oauth2/v2.0/token", tenant.tenant_id), "", form, "").body,
    )
    .unwrap();
    let token = token["access_token"].as_str().unwrap();
    let get = |path: &str, query: &str| -> Value {
        let reply = call("GET", &format!("/v1.0{path}"), query, String::new(), token);
        assert_eq!(reply.status, 200, "{path}");
        serde_json::from_slice(&reply.body).unwrap()
    };
    let mut out = BTreeSet::new();
    for user in &tenant.users {
        // Some have none.
        let has = |what: &str| {
            let path = format!("/v1.0/users/{user}/{what}");
            call("GET", &path, "", String::new(), token).status != 404
        };
        let (has_drive, has_mailbox) = (has("drive"), has("mailFolders"));
        for (path, kind) in [
            (format!("/users/{user}/mailFolders"), "mailFolder"),
            (format!("/users/{user}/messages"), "message"),
            (format!("/users/{user}/mailFolders/inbox/messages/delta"), "message"),
            (format!("/users/{user}/drive/root/children"), "driveItem"),
            (format!("/users/{user}/drive/root/delta"), "driveItem"),
        ] {
            if !(if kind == "driveItem" { has_drive } else { has_mailbox }) {
                continue;
            }
            let body = get(&path, "$top=100");
            strangers(&types, &format!("microsoft.graph.{kind}"), &body["value"], kind, &mut out);
            for row in body["value"].as_array().into_iter().flatten() {
                let id = row["id"].as_str().unwrap();
                if kind == "message" {
                    let all = get(
                        &format!("/users/{user}/messages/{id}/attachments"),
                        "$expand=microsoft.graph.itemattachment/item",
                    );
                    strangers(
                        &types,
                        "microsoft.graph.attachment",
                        &all["value"],
                        "attachment",
                        &mut out,
                    );
                }
                if row.get("file").is_some() {
                    strangers(
                        &types,
                        "microsoft.graph.driveItemVersion",
                        &get(&format!("/users/{user}/drive/items/{id}/versions"), "")["value"],
                        "version",
                        &mut out,
                    );
                }
            }
        }
        strangers(
            &types,
            "microsoft.graph.user",
            &get(&format!("/users/{user}"), ""),
            "user",
            &mut out,
        );
        if has_drive {
            let drive = get(&format!("/users/{user}/drive"), "");
            strangers(&types, "microsoft.graph.drive", &drive, "drive", &mut out);
        }
    }
    school.sim.config_attack(0, "ca-off");
    // The settings, each against its type; what is hidden until it is expanded too.
    for (path, kind) in SETTINGS {
        let body = get(
            &format!("/{path}"),
            match *path {
                "policies/roleManagementPolicyAssignments" => "$expand=policy",
                p if p.starts_with("deviceManagement/device") => "$expand=assignments",
                _ => "",
            },
        );
        let value = body.get("value").unwrap_or(&body);
        assert!(
            !value.as_array().is_some_and(Vec::is_empty) || path.starts_with("policies/"),
            "{path} has nothing to look at"
        );
        strangers(&types, &format!("microsoft.graph.{kind}"), value, kind, &mut out);
    }
    // A job of Tenant Configuration Management with all that it shows on request, and its snapshot.
    let body = serde_json::json!({"displayName": "Shapes of it",
        "resources": ["microsoft.exchange.transportrule"]})
    .to_string();
    let made = call(
        "POST",
        "/v1.0/admin/configurationManagement/configurationSnapshots/createSnapshot",
        "",
        body,
        token,
    );
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let job = format!(
        "/admin/configurationManagement/configurationSnapshotJobs/{}",
        made["id"].as_str().unwrap()
    );
    let all = "$select=id,displayName,description,tenantId,status,resources,resourceLocation,errorDetails,createdBy,createdDateTime,completedDateTime";
    get(&job, all);
    let done = get(&job, all);
    assert!(done["status"] == "succeeded" && get(&job, "").get("resourceLocation").is_none());
    let place =
        done["resourceLocation"].as_str().unwrap().split_once("/v1.0").unwrap().1.to_owned();
    for (value, kind) in [
        (made, "configurationSnapshotJob"),
        (done, "configurationSnapshotJob"),
        (get(&place, ""), "configurationBaseline"),
    ] {
        strangers(&types, &format!("microsoft.graph.{kind}"), &value, kind, &mut out);
    }
    assert!(out.is_empty(), "{out:#?}");
}

/// Where settings are, and of what type.
const SETTINGS: &[(&str, &str)] = &[
    ("identity/conditionalAccess/policies", "conditionalAccessPolicy"),
    ("identity/conditionalAccess/namedLocations", "namedLocation"),
    (
        "identity/conditionalAccess/authenticationContextClassReferences",
        "authenticationContextClassReference",
    ),
    ("policies/authenticationStrengthPolicies", "authenticationStrengthPolicy"),
    ("policies/authenticationMethodsPolicy", "authenticationMethodsPolicy"),
    ("policies/authorizationPolicy", "authorizationPolicy"),
    (
        "policies/identitySecurityDefaultsEnforcementPolicy",
        "identitySecurityDefaultsEnforcementPolicy",
    ),
    ("policies/adminConsentRequestPolicy", "adminConsentRequestPolicy"),
    ("policies/crossTenantAccessPolicy/default", "crossTenantAccessPolicyConfigurationDefault"),
    ("policies/crossTenantAccessPolicy/partners", "crossTenantAccessPolicyConfigurationPartner"),
    ("policies/deviceRegistrationPolicy", "deviceRegistrationPolicy"),
    ("policies/authenticationFlowsPolicy", "authenticationFlowsPolicy"),
    ("policies/activityBasedTimeoutPolicies", "activityBasedTimeoutPolicy"),
    ("policies/permissionGrantPolicies", "permissionGrantPolicy"),
    ("policies/defaultAppManagementPolicy", "tenantAppManagementPolicy"),
    ("policies/roleManagementPolicyAssignments", "unifiedRoleManagementPolicyAssignment"),
    ("roleManagement/directory/roleDefinitions", "unifiedRoleDefinition"),
    ("roleManagement/directory/roleAssignments", "unifiedRoleAssignment"),
    ("roleManagement/directory/roleAssignmentSchedules", "unifiedRoleAssignmentSchedule"),
    ("roleManagement/directory/roleEligibilitySchedules", "unifiedRoleEligibilitySchedule"),
    ("applications", "application"),
    ("servicePrincipals", "servicePrincipal"),
    ("oauth2PermissionGrants", "oAuth2PermissionGrant"),
    ("directory/administrativeUnits", "administrativeUnit"),
    ("directory/onPremisesSynchronization", "onPremisesDirectorySynchronization"),
    ("domains", "domain"),
    ("organization", "organization"),
    ("auditLogs/directoryAudits", "directoryAudit"),
    ("groups", "group"),
    ("groupSettings", "groupSetting"),
    ("groupSettingTemplates", "groupSettingTemplate"),
    ("groupLifecyclePolicies", "groupLifecyclePolicy"),
    ("subscribedSkus", "subscribedSku"),
    ("security/secureScores", "secureScore"),
    ("admin/sharepoint/settings", "sharepointSettings"),
    ("deviceManagement", "deviceManagement"),
    ("deviceManagement/deviceConfigurations", "deviceConfiguration"),
    ("deviceManagement/deviceCompliancePolicies", "deviceCompliancePolicy"),
    ("deviceManagement/deviceEnrollmentConfigurations", "deviceEnrollmentConfiguration"),
    ("deviceAppManagement/managedAppPolicies", "managedAppPolicy"),
    ("deviceManagement/roleDefinitions", "roleDefinition"),
    ("deviceManagement/roleAssignments", "deviceAndAppManagementRoleAssignment"),
];

/// Whoever grants rights reads them in the documentation: each that setting something needs stands
/// there.
#[test]
fn every_permission_to_write_settings_is_documented() {
    let docs = std::fs::read_to_string(
        std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/tenant.md"),
    )
    .unwrap();
    for setter in strongroom_settings::setters() {
        let row = docs
            .lines()
            .find(|l| l.starts_with('|') && l.contains(&format!("`{}`", setter.by.permission)));
        let named = row.is_some_and(|l| l.contains(&format!("`{}`", setter.row.name)));
        assert!(named, "docs/tenant.md names not {} for {}", setter.by.permission, setter.row.name);
    }
}
