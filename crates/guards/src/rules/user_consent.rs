use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// People consent only to apps of little power, if at all.
pub(super) const RULE: Rule = Rule {
    id: "applications.user-consent",
    title: "People consent only to apps of little power, if at all",
    why: "One click on a phishing app hands over a mailbox for months, past password and MFA.",
    area: Area::Applications,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AP08", "MS.AAD.5.2v1", "entra_policy_restricts_user_consent_for_apps"],
    inputs: INPUTS,
    remedy: "Entra admin center, Enterprise applications, Consent and permissions: no user \
        consent, or only for low-impact permissions of verified publishers.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    const ALLOWED: &[&str] = &["managepermissiongrantsforself.microsoft-user-default-low"];
    let setting = f.one(INPUTS[0])?;
    let concerns = setting
        .texts("defaultUserRolePermissions.permissionGrantPoliciesAssigned")?
        .into_iter()
        .filter(|p| {
            p.to_lowercase().starts_with("managepermissiongrantsforself.")
                && !ALLOWED.contains(&p.to_lowercase().as_str())
        })
        .map(|p| setting.concern(&format!("people may consent under the policy {p}")))
        .collect();
    verdict(concerns)
}
