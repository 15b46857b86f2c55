use crate::{
    Facts,
    rule::{Area, Confidence, Judged, Rule, Severity, Skip, verdict},
};

const INPUTS: &[&str] = &["applications/default-management-policy"];

/// Applications get certificates of a year, and no new passwords.
pub(super) const RULE: Rule = Rule {
    id: "applications.credential-policy",
    title: "Applications get certificates of a year, and no new passwords",
    why: "Secrets in scripts are what attackers find first, and they live for years.",
    area: Area::Applications,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.5.5v1", "MS.AAD.5.6v1", "MS.AAD.5.7v1", "entra_default_app_management_policy_enabled"],
    inputs: INPUTS,
    remedy: "Default app management policy: enabled; block passwordAddition; passwordLifetime at most 180 days; asymmetricKeyLifetime at most 365 days.",
    judge,
};

fn judge(f: &Facts<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    if !setting.is("isEnabled")? {
        concerns.push(setting.concern("the policy for credentials of applications is off"));
        return verdict(concerns);
    }
    let find = |list: &str, kind: &str| -> Result<Option<&serde_json::Value>, Skip> {
        let rows = setting.rows(&format!("applicationRestrictions.{list}"))?;
        Ok(rows.iter().find(|r| r["restrictionType"] == kind && r["state"] != "disabled"))
    };
    if find("passwordCredentials", "passwordAddition")?.is_none() {
        concerns.push(setting.concern("applications may be given passwords"));
    }
    for (list, kind, days, what) in
        [("passwordCredentials", "passwordLifetime", 180, "passwords"), ("keyCredentials", "asymmetricKeyLifetime", 365, "certificates")]
    {
        let span = find(list, kind)?.and_then(|r| r["maxLifetime"].as_str()).and_then(|s| s.parse::<jiff::Span>().ok());
        // Months and years count as their longest.
        let found = span.map(|s| i64::from(s.get_days()) + i64::from(s.get_weeks()) * 7 + i64::from(s.get_months()) * 31 + i64::from(s.get_years()) * 366);
        if found.is_none_or(|d| d > days) {
            concerns.push(setting.concern(&format!("{what} of applications may last longer than {days} days")));
        }
    }
    verdict(concerns)
}
