use super::*;

const ID: &str = "access.admin-sessions";

#[test]
fn passes() {
    super::passes(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeRoles": ["62e90394-69f5-4237-9190-012177145e10",
                    "e8611ab8-c189-46e8-94e1-60213ab1f814", "fe930be7-5e62-47db-91af-98c3a49a38b1",
                    "f28a1f50-f6e7-4571-818b-6a12f2af6b6c", "29232cdf-9323-42fd-ade2-1d097af3e4de",
                    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
                    "158c047a-c907-4556-b7ef-446551a6b5f7"]},
                "applications": {"includeApplications": ["All"]}},
                "sessionControls": {"signInFrequency": {"isEnabled": true, "value": 4,
                    "type": "hours", "frequencyInterval": "timeBased"},
                    "persistentBrowser": {"isEnabled": true, "mode": "never"}}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy ends administrators' sessions");
    super::fails(
        ID,
        policies(&[json!({"state": "enabledForReportingButNotEnforced",
                "conditions": {"clientAppTypes": ["all"],
                    "users": {"includeRoles": ["62e90394-69f5-4237-9190-012177145e10",
                        "e8611ab8-c189-46e8-94e1-60213ab1f814",
                        "fe930be7-5e62-47db-91af-98c3a49a38b1",
                        "f28a1f50-f6e7-4571-818b-6a12f2af6b6c",
                        "29232cdf-9323-42fd-ade2-1d097af3e4de",
                        "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
                        "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
                        "158c047a-c907-4556-b7ef-446551a6b5f7"]},
                    "applications": {"includeApplications": ["All"]}},
                "sessionControls": {"signInFrequency": {"isEnabled": true, "value": 4,
                    "type": "hours", "frequencyInterval": "timeBased"},
                    "persistentBrowser": {"isEnabled": true, "mode": "never"}}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeRoles": ["62e90394-69f5-4237-9190-012177145e10",
                    "e8611ab8-c189-46e8-94e1-60213ab1f814", "fe930be7-5e62-47db-91af-98c3a49a38b1",
                    "f28a1f50-f6e7-4571-818b-6a12f2af6b6c", "29232cdf-9323-42fd-ade2-1d097af3e4de",
                    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
                    "158c047a-c907-4556-b7ef-446551a6b5f7"]},
                "applications": {"includeApplications": ["All"]}},
                "sessionControls": {"signInFrequency": {"isEnabled": true, "value": 7,
                    "type": "days", "frequencyInterval": "timeBased"},
                    "persistentBrowser": {"isEnabled": true, "mode": "never"}}})]),
        "no policy ends",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeRoles": ["62e90394-69f5-4237-9190-012177145e10",
                    "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    "fe930be7-5e62-47db-91af-98c3a49a38b1"]},
                "applications": {"includeApplications": ["All"]}},
                "sessionControls": {"signInFrequency": {"isEnabled": true, "value": 4,
                    "type": "hours", "frequencyInterval": "timeBased"},
                    "persistentBrowser": {"isEnabled": true, "mode": "never"}}})]),
        "leaves out",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeRoles": ["62e90394-69f5-4237-9190-012177145e10",
                    "e8611ab8-c189-46e8-94e1-60213ab1f814", "fe930be7-5e62-47db-91af-98c3a49a38b1",
                    "f28a1f50-f6e7-4571-818b-6a12f2af6b6c", "29232cdf-9323-42fd-ade2-1d097af3e4de",
                    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
                    "158c047a-c907-4556-b7ef-446551a6b5f7"]},
                "applications": {"includeApplications": ["All"]}},
                "sessionControls": {"signInFrequency": {"isEnabled": true, "value": 4,
                    "type": "hours", "frequencyInterval": "timeBased"},
                    "persistentBrowser": {"isEnabled": true, "mode": "never"}}})]),
    );
}
