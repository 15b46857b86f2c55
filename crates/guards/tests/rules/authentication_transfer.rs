use super::*;

const ID: &str = "access.authentication-transfer";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "authenticationFlows": {"transferMethods":
                    "deviceCodeFlow,authenticationTransfer"}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["block"]}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy blocks authentication transfer");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"]},
                    "applications": {"includeApplications": ["All"]},
                    "authenticationFlows": {"transferMethods":
                        "deviceCodeFlow,authenticationTransfer"}},
                        "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"], "excludeUsers": ["@users/eve@school"]},
                "applications": {"includeApplications": ["All"]},
                "authenticationFlows": {"transferMethods":
                    "deviceCodeFlow,authenticationTransfer"}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["block"]}})]),
        "excludes user eve@school",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGroups": ["@groups/Staff"]},
                "applications": {"includeApplications": ["All"]},
                "authenticationFlows": {"transferMethods":
                    "deviceCodeFlow,authenticationTransfer"}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["block"]}})]),
        "does not cover everybody",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "authenticationFlows": {"transferMethods": "deviceCodeFlow"}},
                "grantControls": {"operator": "OR", "builtInControls": ["block"]}})]),
        "no policy blocks",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "authenticationFlows": {"transferMethods":
                    "deviceCodeFlow,authenticationTransfer"}}, "grantControls": {"operator": "OR",
                        "builtInControls": ["block"]}})]),
    );
}
