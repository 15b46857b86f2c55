use super::*;

const ID: &str = "applications.admin-consent-requests";

#[test]
fn passes() {
    super::passes(
        ID,
        settings("Consent Policy Settings", &[("EnableAdminConsentRequests", "true")]).one(
            "identity/admin-consent-requests",
            json!({"isEnabled": true, "notifyReviewers": true, "remindersEnabled": true,
                "requestDurationInDays": 30, "reviewers": [{"query": "/users/a"}]}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        settings("Consent Policy Settings", &[("EnableAdminConsentRequests", "false")]).one(
            "identity/admin-consent-requests",
            json!({"isEnabled": false, "notifyReviewers": true, "remindersEnabled": true,
                "requestDurationInDays": 30, "reviewers": [1]}),
        ),
        "cannot ask",
    );
    super::fails(
        ID,
        settings("Consent Policy Settings", &[("EnableAdminConsentRequests", "true")]).one(
            "identity/admin-consent-requests",
            json!({"isEnabled": true, "notifyReviewers": false, "remindersEnabled": true,
                "requestDurationInDays": 30, "reviewers": [1]}),
        ),
        "not told",
    );
    super::fails(
        ID,
        settings("Consent Policy Settings", &[("EnableAdminConsentRequests", "true")]).one(
            "identity/admin-consent-requests",
            json!({"isEnabled": true, "notifyReviewers": true, "remindersEnabled": false,
                "requestDurationInDays": 30, "reviewers": [1]}),
        ),
        "not reminded",
    );
    super::fails(
        ID,
        settings("Consent Policy Settings", &[("EnableAdminConsentRequests", "true")]).one(
            "identity/admin-consent-requests",
            json!({"isEnabled": true, "notifyReviewers": true, "remindersEnabled": true,
                "requestDurationInDays": 60, "reviewers": [1]}),
        ),
        "60 days",
    );
    super::fails(
        ID,
        settings("Consent Policy Settings", &[("EnableAdminConsentRequests", "true")]).one(
            "identity/admin-consent-requests",
            json!({"isEnabled": true, "notifyReviewers": true, "remindersEnabled": true,
                "requestDurationInDays": 30, "reviewers": []}),
        ),
        "nobody",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        settings("Consent Policy Settings", &[("EnableAdminConsentRequests", "true")]).one(
            "identity/admin-consent-requests",
            json!({"isEnabled": true, "notifyReviewers": true, "remindersEnabled": true,
                "requestDurationInDays": 30, "reviewers": [{"query": "/users/a"}]}),
        ),
    );
    skips(
        ID,
        settings("Consent Policy Settings", &[("EnableAdminConsentRequests", "true")])
            .one("identity/admin-consent-requests", json!({"isEnabled": true})),
    );
}
