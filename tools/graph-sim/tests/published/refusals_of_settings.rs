//! Refusals that the directory, its settings and Intune have of their own, and those of all.

use super::probes::{Holder, Probe};
use serde_json::json;

const BAD: &[u16] = &[400];
const ROOT: &str = "/drives/{drive-id}/root";

pub(crate) fn directory(out: &mut Vec<Probe>) {
    let mut push = |p: Probe| out.push(p);
    // List users: "$top … maximum 999"; "Invalid page size specified".
    for list in ["/users", "/groups", "/applications", "/servicePrincipals"] {
        for top in ["0", "1000"] {
            push(
                Probe::new("directory", "$top out of range", "GET", list, BAD)
                    .query(format!("$top={top}")),
            );
        }
    }
    for list in ["/groups", "/applications", "/servicePrincipals", "/directory/administrativeUnits"]
    {
        push(Probe::new(
            "directory",
            "malformed id",
            "GET",
            format!("{list}/not-a-guid"),
            &[400, 404],
        ));
        push(
            Probe::new(
                "directory",
                "not there",
                "GET",
                format!("{list}/11111111-2222-4333-8444-555555555555"),
                &[404],
            )
            .code("Request_ResourceNotFound"),
        );
    }
    push(
        Probe::new("directory", "not there", "GET", "/users/nobody@nowhere.example", &[404])
            .code("Request_ResourceNotFound"),
    );
    push(Probe::new("directory", "unknown segment", "GET", "/noSuchThing", &[400, 404]));
    push(Probe::new(
        "directory",
        "unknown segment",
        "GET",
        "/users/{user-id}/noSuchThing",
        &[400, 404],
    ));
    push(Probe::new("directory", "unknown segment", "GET", "/policies/noSuchPolicy", &[400, 404]));
    // Create user: accountEnabled, displayName, mailNickname, passwordProfile and
    // userPrincipalName are required.
    push(
        Probe::new("directory", "missing required", "POST", "/users", BAD)
            .body(&json!({"displayName": "Only a name"})),
    );
    // Create group: displayName, mailEnabled, mailNickname and securityEnabled are required.
    push(
        Probe::new("directory", "missing required", "POST", "/groups", BAD)
            .body(&json!({"displayName": "Only a name"})),
    );
    // Create conditionalAccessPolicy: "must contain at least … an application, a user, a grant or
    // session control".
    for body in [
        json!({"displayName": "No conditions", "state": "enabled"}),
        json!({"displayName": "No state", "conditions": {}}),
        json!({"displayName": "x", "state": "enabled", "conditions": {"clientAppTypes": ["all"],
            "applications": {"includeApplications": ["All"]}}}),
    ] {
        push(
            Probe::new(
                "directory",
                "missing required",
                "POST",
                "/identity/conditionalAccess/policies",
                BAD,
            )
            .body(&body),
        );
    }
    push(
        Probe::new(
            "directory",
            "unknown property",
            "PATCH",
            "/identity/conditionalAccess/policies/{conditionalAccessPolicy-id}",
            BAD,
        )
        .body(&json!({"conditions": {"users": {"noSuchProperty": []}}})),
    );
    push(
        Probe::new(
            "directory",
            "wrong enum value",
            "PATCH",
            "/identity/conditionalAccess/policies/{conditionalAccessPolicy-id}",
            BAD,
        )
        .body(&json!({"grantControls": {"operator": "OR", "builtInControls": ["magic"]}})),
    );
    push(
        Probe::new(
            "directory",
            "missing required",
            "POST",
            "/identity/conditionalAccess/namedLocations",
            BAD,
        )
        .body(&json!({"displayName": "No type"})),
    );
    // authenticationStrengthPolicies of policyType builtIn, roles with isBuiltIn, templates.
    push(Probe::new(
        "directory",
        "deletion of what is built in",
        "DELETE",
        "/policies/authenticationStrengthPolicies/00000000-0000-0000-0000-000000000002",
        &[400, 403],
    ));
    // Global Administrator.
    push(Probe::new(
        "directory",
        "deletion of what is built in",
        "DELETE",
        "/roleManagement/directory/roleDefinitions/62e90394-69f5-4237-9190-012177145e10",
        &[400, 403],
    ));
    push(
        Probe::new(
            "directory",
            "change of what is built in",
            "PATCH",
            "/roleManagement/directory/roleDefinitions/62e90394-69f5-4237-9190-012177145e10",
            &[400, 403],
        )
        .body(&json!({"displayName": "Renamed"})),
    );
    push(Probe::new(
        "directory",
        "deletion of what is built in",
        "DELETE",
        "/groupSettingTemplates/08d542b9-071f-4e16-94b0-74abb372e3d9",
        &[400, 403, 405],
    ));
    push(Probe::new(
        "directory",
        "deletion of what is built in",
        "DELETE",
        "/domains/{domain-id}",
        &[400, 403],
    ));
    push(Probe::new(
        "directory",
        "deletion of what is built in",
        "DELETE",
        "/subscribedSkus/{subscribedSku-id}",
        &[400, 403, 405],
    ));
    push(
        Probe::new("directory", "method", "POST", "/organization", &[400, 403, 405])
            .body(&json!({"displayName": "Another"})),
    );
    push(
        Probe::new("directory", "method", "PUT", "/users/{user-id}", &[400, 405]).body(&json!({})),
    );
    push(
        Probe::new("directory", "missing required", "POST", "/directoryObjects/getByIds", BAD)
            .body(&json!({})),
    );
    let ids: Vec<String> = (0..1001).map(|n| format!("11111111-2222-4333-8444-{n:012}")).collect();
    push(
        Probe::new("directory", "too many values", "POST", "/directoryObjects/getByIds", BAD)
            .body(&json!({"ids": ids})),
    );
    // Role assignment: a principal or a role that is not there.
    push(
        Probe::new(
            "directory",
            "unknown target",
            "POST",
            "/roleManagement/directory/roleAssignments",
            &[400, 404],
        )
        .body(&json!({"principalId": "11111111-2222-4333-8444-555555555555",
            "roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
            "directoryScopeId": "/"})),
    );
    push(
        Probe::new("directory", "unknown target", "POST", "/groups/{group-id}/members/$ref", &[
            400, 404,
        ])
        .body(&json!({"@odata.id":
            "https://graph.microsoft.com/v1.0/directoryObjects/11111111-2222-4333-8444-555555555555"})),
    );
    push(Probe::new(
        "directory",
        "not there",
        "DELETE",
        "/groups/{group-id}/members/11111111-2222-4333-8444-555555555555/$ref",
        &[400, 404],
    ));
    for filter in ["displayName", "displayName eq", "displayName like 'x'", "(displayName eq 'x'"] {
        push(
            Probe::new("directory", "malformed $filter", "GET", "/users", BAD)
                .query(format!("$filter={filter}")),
        );
    }
    push(Probe::new("directory", "malformed option", "GET", "/users", BAD).query("$nonsense=1"));
    // Advanced queries: $search needs ConsistencyLevel: eventual.
    push(
        Probe::new("directory", "without ConsistencyLevel", "GET", "/users", BAD)
            .query("$search=\"displayName:a\""),
    );
    push(
        Probe::new("directory", "bad delta token", "GET", "/users/delta", &[400, 410])
            .query("$deltatoken=nonsense"),
    );
    push(
        Probe::new("directory", "body over 4 MB", "PATCH", "/policies/authorizationPolicy", &[413])
            .body(&json!({"description": "A".repeat(4_500_000)})),
    );
    push(
        Probe::new("directory", "without permission", "GET", "/auditLogs/directoryAudits", &[403])
            .by(Holder::Powerless),
    );
}

pub(crate) fn intune(out: &mut Vec<Probe>) {
    let mut push = |p: Probe| out.push(p);
    let policies = "/deviceManagement/deviceCompliancePolicies";
    // microsoft-graph-docs #4103: exactly one scheduledActionsForRule.
    let policy = |rules: serde_json::Value| {
        json!({"@odata.type": "#microsoft.graph.windows10CompliancePolicy", "displayName": "New",
            "scheduledActionsForRule": rules})
    };
    let rule = json!({"ruleName": "PasswordRequired", "scheduledActionConfigurations": [
        {"actionType": "block", "gracePeriodHours": 0}]});
    push(
        Probe::new("intune", "missing required", "POST", policies, BAD)
            .body(&json!({"@odata.type": "#microsoft.graph.windows10CompliancePolicy",
                "displayName": "New"})),
    );
    push(Probe::new("intune", "missing required", "POST", policies, BAD).body(&policy(json!([]))));
    push(
        Probe::new("intune", "missing required", "POST", policies, BAD)
            .body(&policy(json!([rule, rule]))),
    );
    for list in [policies, "/deviceManagement/deviceConfigurations"] {
        push(
            Probe::new("intune", "missing required", "POST", list, BAD)
                .body(&json!({"displayName": "No type"})),
        );
        push(
            Probe::new("intune", "wrong type", "POST", list, BAD)
                .body(&json!({"@odata.type": "#microsoft.graph.user", "displayName": "x"})),
        );
        push(Probe::new(
            "intune",
            "not there",
            "GET",
            format!("{list}/11111111-2222-4333-8444-555555555555"),
            &[404],
        ));
        push(
            Probe::new(
                "intune",
                "not there",
                "PATCH",
                format!("{list}/11111111-2222-4333-8444-555555555555"),
                &[404],
            )
            .body(&json!({"displayName": "x"})),
        );
        push(Probe::new(
            "intune",
            "not there",
            "DELETE",
            format!("{list}/11111111-2222-4333-8444-555555555555"),
            &[404],
        ));
        push(Probe::new(
            "intune",
            "malformed id",
            "GET",
            format!("{list}/not-a-guid"),
            &[400, 404],
        ));
    }
    push(
        Probe::new(
            "intune",
            "wrong enum value",
            "POST",
            "/deviceManagement/deviceConfigurations",
            BAD,
        )
        .body(&json!({"@odata.type": "#microsoft.graph.windows10GeneralConfiguration",
                "displayName": "x", "passwordRequiredType": "runes"})),
    );
    push(Probe::new("intune", "wrong enum value", "POST", policies, BAD).body(
        &json!({"@odata.type": "#microsoft.graph.windows10CompliancePolicy",
                "displayName": "x", "passwordRequiredType": "runes",
                "scheduledActionsForRule": [rule]}),
    ));
    push(
        Probe::new("intune", "body over 4 MB", "POST", policies, &[413])
            .body(&json!({"@odata.type": "#microsoft.graph.windows10CompliancePolicy",
                "displayName": "x", "description": "A".repeat(4_500_000)})),
    );
    push(Probe::new(
        "intune",
        "unknown segment",
        "GET",
        "/deviceManagement/noSuchThing",
        &[400, 404],
    ));
    // Roles that Intune made: isBuiltIn.
    push(Probe::new(
        "intune",
        "deletion of what is built in",
        "DELETE",
        "/deviceManagement/roleDefinitions/{roleDefinition-id}",
        &[400, 403, 405],
    ));
    push(Probe::new(
        "intune",
        "deletion of what is built in",
        "DELETE",
        "/deviceManagement",
        &[400, 403, 405],
    ));
}

pub(crate) fn everywhere(out: &mut Vec<Probe>) {
    let paths = [
        ("mail", "/users/{user-id}/messages"),
        ("drives", ROOT),
        ("users", "/users"),
        ("groups", "/groups"),
        ("settings", "/identity/conditionalAccess/policies"),
        ("intune", "/deviceManagement/deviceConfigurations"),
    ];
    for (area, path) in paths {
        for holder in [Holder::Expired, Holder::Garbage] {
            out.push(
                Probe::new(area, "token", "GET", path, &[401])
                    .by(holder)
                    .code("InvalidAuthenticationToken"),
            );
        }
        out.push(Probe::new(area, "method", "PUT", path, &[400, 405]).body(&json!({})));
    }
    let twenty_one: Vec<_> =
        (0..21).map(|n| json!({"id": n.to_string(), "method": "GET", "url": "/users"})).collect();
    // JSON batching: at most 20 requests, unique ids.
    for requests in [
        json!(twenty_one),
        json!([{"id": "1", "method": "GET", "url": "/users"},
            {"id": "1", "method": "GET", "url": "/users"}]),
        json!([{"method": "GET", "url": "/users"}]),
    ] {
        out.push(
            Probe::new("batch", "malformed batch", "POST", "/$batch", BAD)
                .body(&json!({"requests": requests})),
        );
    }
    out.push(Probe::new("batch", "malformed batch", "POST", "/$batch", BAD).body(&json!({})));
    out.push(Probe::new("batch", "method", "GET", "/$batch", &[400, 405]));
}
