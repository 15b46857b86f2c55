use super::*;

const ID: &str = "access.mfa-for-guests";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGuestsOrExternalUsers":
                    {"guestOrExternalUserTypes":
                        "internalGuest,b2bCollaborationGuest,b2bCollaborationMember,b2bDirectConnectUser,otherExternalUser,serviceProvider"}}, "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy asks guests for a second proof");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"],
                    "users": {"includeGuestsOrExternalUsers":
                        {"guestOrExternalUserTypes":
                            "internalGuest,b2bCollaborationGuest,b2bCollaborationMember,b2bDirectConnectUser,otherExternalUser,serviceProvider"}}, "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGuestsOrExternalUsers":
                    {"guestOrExternalUserTypes": "internalGuest"}},
                    "applications": {"includeApplications": ["All"]}},
                    "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
        "every kind of guest",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeGuestsOrExternalUsers":
                    {"guestOrExternalUserTypes":
                        "internalGuest,b2bCollaborationGuest,b2bCollaborationMember,b2bDirectConnectUser,otherExternalUser,serviceProvider"}}, "applications": {"includeApplications": ["All"]}}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})]),
    );
}
