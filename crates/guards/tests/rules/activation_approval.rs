use super::*;

const ID: &str = "roles.activation-approval";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().many(
            "roles/activation-policies",
            vec![
                (
                    "62e90394-69f5-4237-9190-012177145e10",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                    "setting": {"isApprovalRequired": true,
                        "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                    {"id": "Notification_Admin_Admin_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_Admin_Eligibility",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_EndUser_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []}]}}),
                ),
                (
                    "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    json!({"roleDefinitionId": "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                        "setting": {"isApprovalRequired": true,
                            "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                        {"id": "Notification_Admin_Admin_Assignment",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_Admin_Eligibility",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_EndUser_Assignment",
                            "isDefaultRecipientsEnabled": true,
                            "notificationRecipients": []}]}}),
                ),
            ],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().many(
            "roles/activation-policies",
            vec![
                (
                    "62e90394-69f5-4237-9190-012177145e10",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                    "setting": {"isApprovalRequired": false,
                        "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                    {"id": "Notification_Admin_Admin_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_Admin_Eligibility",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_EndUser_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []}]}}),
                ),
                (
                    "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    json!({"roleDefinitionId": "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                        "setting": {"isApprovalRequired": true,
                            "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                        {"id": "Notification_Admin_Admin_Assignment",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_Admin_Eligibility",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_EndUser_Assignment",
                            "isDefaultRecipientsEnabled": true,
                            "notificationRecipients": []}]}}),
                ),
            ],
        ),
        "Global Administrator is activated without",
    );
    super::fails(
        ID,
        Tenant::new().many(
            "roles/activation-policies",
            vec![
                (
                    "62e90394-69f5-4237-9190-012177145e10",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                    "setting": {"isApprovalRequired": true,
                        "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                    {"id": "Notification_Admin_Admin_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_Admin_Eligibility",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_EndUser_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []}]}}),
                ),
                (
                    "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    json!({"roleDefinitionId": "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                        "setting": {"isApprovalRequired": false,
                            "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                        {"id": "Notification_Admin_Admin_Assignment",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_Admin_Eligibility",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_EndUser_Assignment",
                            "isDefaultRecipientsEnabled": true,
                            "notificationRecipients": []}]}}),
                ),
            ],
        ),
        "Privileged Role Administrator is activated",
    );
    super::fails(
        ID,
        Tenant::new().many(
            "roles/activation-policies",
            vec![
                (
                    "62e90394-69f5-4237-9190-012177145e10",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                    "setting": {"isApprovalRequired": true,
                        "approvalStages": [{"primaryApprovers": []}]}},
                    {"id": "Notification_Admin_Admin_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_Admin_Eligibility",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_EndUser_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []}]}}),
                ),
                (
                    "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    json!({"roleDefinitionId": "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                        "setting": {"isApprovalRequired": true,
                            "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                        {"id": "Notification_Admin_Admin_Assignment",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_Admin_Eligibility",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_EndUser_Assignment",
                            "isDefaultRecipientsEnabled": true,
                            "notificationRecipients": []}]}}),
                ),
            ],
        ),
        "no approver",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().many(
            "roles/activation-policies",
            vec![
                (
                    "62e90394-69f5-4237-9190-012177145e10",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                    "setting": {"isApprovalRequired": true,
                        "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                    {"id": "Notification_Admin_Admin_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_Admin_Eligibility",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_EndUser_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []}]}}),
                ),
                (
                    "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    json!({"roleDefinitionId": "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                        "setting": {"isApprovalRequired": true,
                            "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                        {"id": "Notification_Admin_Admin_Assignment",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_Admin_Eligibility",
                            "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                        {"id": "Notification_Admin_EndUser_Assignment",
                            "isDefaultRecipientsEnabled": true,
                            "notificationRecipients": []}]}}),
                ),
            ],
        ),
    );
    skips(
        ID,
        Tenant::new().many(
            "roles/activation-policies",
            vec![(
                "62e90394-69f5-4237-9190-012177145e10",
                json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                    "setting": {"isApprovalRequired": true,
                        "approvalStages": [{"primaryApprovers": [{"userId": "@users/b"}]}]}},
                    {"id": "Notification_Admin_Admin_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_Admin_Eligibility",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []},
                    {"id": "Notification_Admin_EndUser_Assignment",
                        "isDefaultRecipientsEnabled": true, "notificationRecipients": []}]}}),
            )],
        ),
    );
    skips(
        ID,
        Tenant::new().many(
            "roles/activation-policies",
            vec![
                (
                    "62e90394-69f5-4237-9190-012177145e10",
                    json!({"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
                "policy": {"rules": []}}),
                ),
                (
                    "e8611ab8-c189-46e8-94e1-60213ab1f814",
                    json!({"roleDefinitionId": "e8611ab8-c189-46e8-94e1-60213ab1f814",
                        "policy": {"rules": [{"id": "Approval_EndUser_Assignment",
                            "setting": {"isApprovalRequired": true,
                                "approvalStages": [{"primaryApprovers":
                                    [{"userId": "@users/b"}]}]}},
                                    {"id": "Notification_Admin_Admin_Assignment",
                                        "isDefaultRecipientsEnabled": true,
                                        "notificationRecipients": []},
                                    {"id": "Notification_Admin_Admin_Eligibility",
                                        "isDefaultRecipientsEnabled": true,
                                        "notificationRecipients": []},
                                    {"id": "Notification_Admin_EndUser_Assignment",
                                        "isDefaultRecipientsEnabled": true,
                                        "notificationRecipients": []}]}}),
                ),
            ],
        ),
    );
}
