//! What must be refused, with its source.
//!
//! Statuses that all services share are those of Microsoft Graph's *error responses and resource
//! types* page: 400 malformed, 401 without valid sign-in, 403 without permission, 404 not there,
//! 405 method, 409 conflict, 412 precondition, 413 too large, 415 media type. Names in `$select`,
//! `$filter`, `$expand` and `$orderby` that the type does not have answer 400 (*Parsing OData
//! Select and Expand failed: Could not find a property named …*), as the OData standard (4.01,
//! 11.2.1) lets a service do. Where Microsoft's services differ among themselves, several statuses
//! are right.

use super::probes::{Holder, Probe};
use serde_json::{Value, json};

/// A list of objects, and how one is made and changed.
struct Kind {
    area: &'static str,
    list: &'static str,
    item: &'static str,
    /// Whether an empty body lacks what creation requires.
    requires: bool,
    /// A property that creation and change take, with a value of the wrong type.
    wrong_type: (&'static str, Wrong),
    /// A property that only the service sets.
    read_only: Option<&'static str>,
    /// An enumeration of the type, reached from its top.
    wrong_enum: Option<&'static str>,
    creates: bool,
    /// `@odata.type` that creation needs, as the list is of an abstract type.
    named: Option<&'static str>,
    /// Whether Microsoft gives the first object the same id in every tenant.
    same_everywhere: bool,
}

#[derive(Clone, Copy)]
enum Wrong {
    Number,
    Text,
}

const fn kind(
    area: &'static str,
    list: &'static str,
    item: &'static str,
    wrong_type: (&'static str, Wrong),
) -> Kind {
    Kind {
        area,
        list,
        item,
        requires: true,
        wrong_type,
        read_only: None,
        wrong_enum: None,
        creates: true,
        named: None,
        same_everywhere: false,
    }
}

const NAME: (&str, Wrong) = ("displayName", Wrong::Number);

const KINDS: &[Kind] = &[
    Kind {
        requires: false,
        read_only: Some("hasAttachments"),
        wrong_enum: Some("importance"),
        ..kind(
            "mail",
            "/users/{user-id}/messages",
            "/users/{user-id}/messages/{message-id}",
            ("isRead", Wrong::Text),
        )
    },
    Kind {
        read_only: Some("totalItemCount"),
        ..kind(
            "mail",
            "/users/{user-id}/mailFolders",
            "/users/{user-id}/mailFolders/{mailFolder-id}",
            NAME,
        )
    },
    Kind {
        read_only: Some("createdDateTime"),
        ..kind("users", "/users", "/users/{user-id}", ("accountEnabled", Wrong::Text))
    },
    Kind {
        read_only: Some("createdDateTime"),
        ..kind("groups", "/groups", "/groups/{group-id}", ("securityEnabled", Wrong::Text))
    },
    Kind {
        read_only: Some("appId"),
        ..kind("settings", "/applications", "/applications/{application-id}", NAME)
    },
    kind(
        "settings",
        "/servicePrincipals",
        "/servicePrincipals/{servicePrincipal-id}",
        ("accountEnabled", Wrong::Text),
    ),
    Kind {
        read_only: Some("modifiedDateTime"),
        wrong_enum: Some("state"),
        ..kind(
            "settings",
            "/identity/conditionalAccess/policies",
            "/identity/conditionalAccess/policies/{conditionalAccessPolicy-id}",
            NAME,
        )
    },
    Kind {
        read_only: Some("modifiedDateTime"),
        named: Some("#microsoft.graph.ipNamedLocation"),
        ..kind(
            "settings",
            "/identity/conditionalAccess/namedLocations",
            "/identity/conditionalAccess/namedLocations/{namedLocation-id}",
            NAME,
        )
    },
    kind(
        "settings",
        "/directory/administrativeUnits",
        "/directory/administrativeUnits/{administrativeUnit-id}",
        NAME,
    ),
    Kind {
        same_everywhere: true,
        wrong_enum: Some("policyType"),
        ..kind(
            "settings",
            "/policies/authenticationStrengthPolicies",
            "/policies/authenticationStrengthPolicies/{authenticationStrengthPolicy-id}",
            NAME,
        )
    },
    kind(
        "settings",
        "/policies/tokenLifetimePolicies",
        "/policies/tokenLifetimePolicies/{tokenLifetimePolicy-id}",
        NAME,
    ),
    kind(
        "settings",
        "/policies/activityBasedTimeoutPolicies",
        "/policies/activityBasedTimeoutPolicies/{activityBasedTimeoutPolicy-id}",
        NAME,
    ),
    Kind {
        same_everywhere: true,
        ..kind(
            "settings",
            "/policies/permissionGrantPolicies",
            "/policies/permissionGrantPolicies/{permissionGrantPolicy-id}",
            NAME,
        )
    },
    Kind {
        same_everywhere: true,
        ..kind(
            "settings",
            "/roleManagement/directory/roleDefinitions",
            "/roleManagement/directory/roleDefinitions/{unifiedRoleDefinition-id}",
            ("isEnabled", Wrong::Text),
        )
    },
    kind(
        "settings",
        "/roleManagement/directory/roleAssignments",
        "/roleManagement/directory/roleAssignments/{unifiedRoleAssignment-id}",
        ("principalId", Wrong::Number),
    ),
    kind(
        "settings",
        "/oauth2PermissionGrants",
        "/oauth2PermissionGrants/{oAuth2PermissionGrant-id}",
        ("scope", Wrong::Number),
    ),
    kind(
        "settings",
        "/groupLifecyclePolicies",
        "/groupLifecyclePolicies/{groupLifecyclePolicy-id}",
        ("groupLifetimeInDays", Wrong::Text),
    ),
    kind("settings", "/groupSettings", "/groupSettings/{groupSetting-id}", NAME),
    Kind {
        read_only: Some("isVerified"),
        ..kind("settings", "/domains", "/domains/{domain-id}", ("isDefault", Wrong::Text))
    },
    Kind {
        named: Some("#microsoft.graph.windows10GeneralConfiguration"),
        ..kind(
            "intune",
            "/deviceManagement/deviceConfigurations",
            "/deviceManagement/deviceConfigurations/{deviceConfiguration-id}",
            NAME,
        )
    },
    Kind {
        named: Some("#microsoft.graph.windows10CompliancePolicy"),
        ..kind(
            "intune",
            "/deviceManagement/deviceCompliancePolicies",
            "/deviceManagement/deviceCompliancePolicies/{deviceCompliancePolicy-id}",
            NAME,
        )
    },
    Kind {
        named: Some("#microsoft.graph.deviceEnrollmentLimitConfiguration"),
        ..kind(
            "intune",
            "/deviceManagement/deviceEnrollmentConfigurations",
            "/deviceManagement/deviceEnrollmentConfigurations/{deviceEnrollmentConfiguration-id}",
            ("priority", Wrong::Text),
        )
    },
    Kind {
        same_everywhere: true,
        ..kind(
            "intune",
            "/deviceManagement/roleDefinitions",
            "/deviceManagement/roleDefinitions/{roleDefinition-id}",
            ("isBuiltIn", Wrong::Text),
        )
    },
    Kind {
        creates: false,
        read_only: Some("size"),
        ..kind(
            "drives",
            "/drives/{drive-id}/root/children",
            "/drives/{drive-id}/items/{driveItem-id}",
            ("name", Wrong::Number),
        )
    },
];

/// One object whose path is always the same.
const SINGLE: &[(&str, &str)] = &[
    ("settings", "/policies/authenticationMethodsPolicy"),
    ("settings", "/policies/authorizationPolicy"),
    ("settings", "/policies/identitySecurityDefaultsEnforcementPolicy"),
    ("settings", "/policies/adminConsentRequestPolicy"),
    ("settings", "/policies/crossTenantAccessPolicy/default"),
    ("settings", "/policies/authenticationFlowsPolicy"),
    ("settings", "/policies/defaultAppManagementPolicy"),
    ("settings", "/admin/sharepoint/settings"),
];

const GUID: &str = "11111111-2222-4333-8444-555555555555";
const BAD: &[u16] = &[400];

pub(crate) fn all() -> Vec<Probe> {
    let mut out = Vec::new();
    KINDS.iter().for_each(|k| of_kind(k, &mut out));
    SINGLE.iter().for_each(|(area, path)| of_single(area, path, &mut out));
    super::refusals_of_content::mail(&mut out);
    super::refusals_of_content::drives(&mut out);
    super::refusals_of_settings::directory(&mut out);
    super::refusals_of_settings::intune(&mut out);
    super::refusals_of_settings::everywhere(&mut out);
    out
}

fn of_kind(k: &Kind, out: &mut Vec<Probe>) {
    let unknown = json!({"noSuchProperty": "x"});
    let mut push = |p: Probe| out.push(p);
    for option in ["$select", "$expand", "$orderby"] {
        let class = match option {
            "$select" => "unknown name in $select",
            "$expand" => "unknown name in $expand",
            _ => "unknown name in $orderby",
        };
        push(
            Probe::new(k.area, class, "GET", k.list, BAD).query(format!("{option}=noSuchProperty")),
        );
    }
    push(
        Probe::new(k.area, "unknown name in $filter", "GET", k.list, BAD)
            .query("$filter=noSuchProperty eq 'x'"),
    );
    push(Probe::new(k.area, "negative $top", "GET", k.list, BAD).query("$top=-1"));
    push(Probe::new(k.area, "$top that is no number", "GET", k.list, BAD).query("$top=ten"));
    push(
        Probe::new(k.area, "unknown name in $select", "GET", k.item, BAD)
            .query("$select=noSuchProperty"),
    );
    push(
        Probe::new(k.area, "without a token", "GET", k.list, &[401])
            .by(Holder::Nobody)
            .code("InvalidAuthenticationToken"),
    );
    push(Probe::new(k.area, "without permission", "GET", k.list, &[403]).by(Holder::Powerless));
    if !k.same_everywhere {
        let probe = Probe::new(k.area, "another tenant's object", "GET", k.item, &[404]);
        push(probe.by(Holder::Neighbour));
    }
    push(Probe::new(k.area, "method", "DELETE", k.list, &[405]));
    let body = |of: Value| match (k.named, of) {
        (Some(name), Value::Object(mut map)) => {
            map.insert("@odata.type".into(), name.into());
            Value::Object(map)
        }
        (_, of) => of,
    };
    let wrong = |v: Wrong| match v {
        Wrong::Number => json!(42),
        Wrong::Text => json!("not of this type"),
    };
    if k.creates {
        push(
            Probe::new(k.area, "unknown property", "POST", k.list, BAD)
                .body(&body(json!({"displayName": "New", "noSuchProperty": "x"}))),
        );
        push(
            Probe::new(k.area, "body that is no JSON", "POST", k.list, BAD).bytes(b"{no".to_vec()),
        );
        push(
            Probe::new(k.area, "content type", "POST", k.list, &[400, 415])
                .header("content-type", "application/xml")
                .bytes(b"<a/>".to_vec()),
        );
        push(
            Probe::new(k.area, "without permission", "POST", k.list, &[403])
                .body(&body(json!({"displayName": "New"})))
                .by(Holder::Powerless),
        );
        push(
            Probe::new(k.area, "wrong type", "POST", k.list, BAD)
                .body(&body(json!({k.wrong_type.0: wrong(k.wrong_type.1)}))),
        );
        if k.requires {
            push(
                Probe::new(k.area, "{} where something is required", "POST", k.list, BAD)
                    .body(&json!({})),
            );
        }
    }
    push(Probe::new(k.area, "unknown property", "PATCH", k.item, BAD).body(&body(unknown)));
    push(
        Probe::new(k.area, "wrong type", "PATCH", k.item, BAD)
            .body(&body(json!({k.wrong_type.0: wrong(k.wrong_type.1)}))),
    );
    push(
        Probe::new(k.area, "without permission", "PATCH", k.item, &[403])
            .body(&body(json!({})))
            .by(Holder::Powerless),
    );
    push(Probe::new(k.area, "without permission", "DELETE", k.item, &[403]).by(Holder::Powerless));
    if let Some(name) = k.read_only {
        let value = match name {
            "hasAttachments" | "isVerified" => json!(true),
            "totalItemCount" | "size" => json!(7),
            "appId" => json!(GUID),
            _ => json!("2020-01-01T00:00:00Z"),
        };
        push(
            Probe::new(k.area, "read-only property", "PATCH", k.item, BAD)
                .body(&body(json!({name: value}))),
        );
    }
    if let Some(name) = k.wrong_enum {
        push(
            Probe::new(k.area, "wrong enum value", "PATCH", k.item, BAD)
                .body(&body(json!({name: "noSuchMember"}))),
        );
    }
}

fn of_single(area: &'static str, path: &'static str, out: &mut Vec<Probe>) {
    out.push(
        Probe::new(area, "unknown property", "PATCH", path, BAD)
            .body(&json!({"noSuchProperty": true})),
    );
    out.push(
        Probe::new(area, "unknown name in $select", "GET", path, BAD)
            .query("$select=noSuchProperty"),
    );
    out.push(
        Probe::new(area, "without permission", "PATCH", path, &[403])
            .body(&json!({}))
            .by(Holder::Powerless),
    );
    // The policy of a tenant is part of the tenant.
    out.push(Probe::new(area, "deletion of what is built in", "DELETE", path, &[400, 403, 405]));
    out.push(Probe::new(area, "method", "POST", path, &[400, 404, 405]).body(&json!({})));
}
