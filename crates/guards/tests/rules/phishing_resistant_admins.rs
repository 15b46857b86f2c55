use super::*;

const ID: &str = "access.phishing-resistant-admins";

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
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
    );
}

#[test]
fn fails() {
    super::fails(ID, policies(&[]), "no policy asks administrators for phishing-resistant proof");
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
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
        "only reports",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeRoles": ["e8611ab8-c189-46e8-94e1-60213ab1f814",
                    "fe930be7-5e62-47db-91af-98c3a49a38b1", "f28a1f50-f6e7-4571-818b-6a12f2af6b6c",
                    "29232cdf-9323-42fd-ade2-1d097af3e4de", "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
                    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
                    "158c047a-c907-4556-b7ef-446551a6b5f7"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
        "leaves out Global Administrator",
    );
    super::fails(
        ID,
        policies(&[json!({"state": "enabled", "conditions": {"clientAppTypes": ["all"],
                "users": {"includeRoles": ["62e90394-69f5-4237-9190-012177145e10",
                    "e8611ab8-c189-46e8-94e1-60213ab1f814", "fe930be7-5e62-47db-91af-98c3a49a38b1",
                    "f28a1f50-f6e7-4571-818b-6a12f2af6b6c", "29232cdf-9323-42fd-ade2-1d097af3e4de",
                    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
                    "158c047a-c907-4556-b7ef-446551a6b5f7"],
                    "excludeUsers": ["@users/boss@school"]},
                "applications": {"includeApplications": ["All"]}},
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
        "excludes user boss@school",
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
                "grantControls": {"operator": "OR", "builtInControls": [],
                    "authenticationStrength": {"id": "00000000-0000-0000-0000-000000000004"}}})]),
    );
}
