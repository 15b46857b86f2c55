use super::*;

const ID: &str = "devices.multi-admin-approval";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().many(
            "devices/approval-policies",
            vec![
                (
                    "deviceWipe",
                    json!({"policyType": "deviceWipe",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                (
                    "deviceRetire",
                    json!({"policyType": "deviceRetire",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                (
                    "deviceDelete",
                    json!({"policyType": "deviceDelete",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                (
                    "script",
                    json!({"policyType": "script",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                ("role", json!({"policyType": "role", "approverGroupIds": ["@groups/Approvers"]})),
            ],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().many(
            "devices/approval-policies",
            vec![
                (
                    "deviceWipe",
                    json!({"policyType": "deviceWipe",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                (
                    "deviceRetire",
                    json!({"policyType": "deviceRetire",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                (
                    "script",
                    json!({"policyType": "script",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                ("role", json!({"policyType": "role", "approverGroupIds": ["@groups/Approvers"]})),
            ],
        ),
        "deleting",
    );
    super::fails(ID, Tenant::new().many("devices/approval-policies", vec![]), "wiping");
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().many(
            "devices/approval-policies",
            vec![
                (
                    "deviceWipe",
                    json!({"policyType": "deviceWipe",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                (
                    "deviceRetire",
                    json!({"policyType": "deviceRetire",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                (
                    "deviceDelete",
                    json!({"policyType": "deviceDelete",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                (
                    "script",
                    json!({"policyType": "script",
                    "approverGroupIds": ["@groups/Approvers"]}),
                ),
                ("role", json!({"policyType": "role", "approverGroupIds": ["@groups/Approvers"]})),
            ],
        ),
    );
}
