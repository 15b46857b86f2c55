use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::{directory, identity};

const INPUTS: &[&str] = &[
    identity::ADMIN_CONSENT_REQUESTS,
    directory::GROUP_SETTINGS,
    directory::GROUP_SETTING_TEMPLATES,
];

/// Who may not consent can ask, and somebody is told.
pub(super) const RULE: Rule = Rule {
    id: "applications.admin-consent-requests",
    title: "Who may not consent can ask, and somebody is told",
    why: "Without a way to ask, people press for open consent; with one that nobody reads, they \
        wait for ever.",
    area: Area::Applications,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "EIDSCA.CP04",
        "EIDSCA.CR01",
        "EIDSCA.CR02",
        "EIDSCA.CR03",
        "EIDSCA.CR04",
        "MS.AAD.5.3v1",
        "entra_admin_consent_workflow_enabled",
    ],
    inputs: INPUTS,
    remedy: "Entra admin center, Enterprise applications, Admin consent settings: users can \
        request, reviewers are told and reminded, requests end after at most 30 days.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let policy = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    if !f
        .directory_setting("Consent Policy Settings", "EnableAdminConsentRequests")?
        .eq_ignore_ascii_case("true")
        || !policy.is("isEnabled")?
    {
        concerns.push(policy.concern("people cannot ask for an app"));
    }
    policy.want("notifyReviewers", true, "reviewers are not told of requests", &mut concerns)?;
    policy.want(
        "remindersEnabled",
        true,
        "reviewers are not reminded of requests",
        &mut concerns,
    )?;
    let days = policy.number("requestDurationInDays")?;
    if days > 30 {
        concerns.push(policy.concern(&format!("requests stay open for {days} days")));
    }
    if policy.rows("reviewers")?.is_empty() {
        concerns.push(policy.concern("nobody reviews requests"));
    }
    verdict(concerns)
}
