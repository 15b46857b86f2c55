use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::applications;

const INPUTS: &[&str] = &[applications::DEFAULT_MANAGEMENT_POLICY];

/// Applications get certificates of a year, and no new passwords.
pub(super) const RULE: Rule = Rule {
    id: "applications.credential-policy",
    title: "Applications get certificates of a year, and no new passwords",
    why: "Secrets in scripts are what attackers find first, and they live for years.",
    area: Area::Applications,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.AAD.5.5v1",
        "MS.AAD.5.6v1",
        "MS.AAD.5.7v1",
        "entra_default_app_management_policy_enabled",
    ],
    inputs: INPUTS,
    remedy: "Default app management policy: enabled; block passwordAddition; passwordLifetime at \
        most 180 days; asymmetricKeyLifetime at most 365 days; for applications and service \
        principals, whenever they were made.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    if !setting.is("isEnabled")? {
        concerns.push(setting.concern("the policy for credentials of applications is off"));
        return verdict(concerns);
    }
    // An attacker adds a credential to an application that is old and trusted: who leaves old ones
    // out leaves those out.
    const ALWAYS: &str = "0001-01-01T00:00:00Z";
    for (scope, whose) in [
        ("applicationRestrictions", "applications"),
        ("servicePrincipalRestrictions", "service principals"),
    ] {
        let find = |list: &str, kind: &str| -> Result<Option<&serde_json::Value>, Skip> {
            let rows = setting.rows(&format!("{scope}.{list}"))?;
            Ok(rows.iter().find(|r| r["restrictionType"] == kind && r["state"] != "disabled"))
        };
        let adding = find("passwordCredentials", "passwordAddition")?;
        let mut since: Vec<&str> = adding
            .into_iter()
            .filter_map(|r| r["restrictForAppsCreatedAfterDateTime"].as_str())
            .collect();
        if adding.is_none() {
            concerns.push(setting.concern(&format!("{whose} may be given passwords")));
        }
        for (list, kind, days, what) in [
            ("passwordCredentials", "passwordLifetime", 180, "passwords"),
            ("keyCredentials", "asymmetricKeyLifetime", 365, "certificates"),
        ] {
            let row = find(list, kind)?;
            let span = row
                .and_then(|r| r["maxLifetime"].as_str())
                .and_then(|s| s.parse::<jiff::Span>().ok());
            // Months and years count as their longest.
            let found = span.map(|s| {
                i64::from(s.get_days())
                    + i64::from(s.get_weeks()) * 7
                    + i64::from(s.get_months()) * 31
                    + i64::from(s.get_years()) * 366
            });
            if found.is_none_or(|d| d > days) {
                concerns.push(
                    setting.concern(&format!("{what} of {whose} may last longer than {days} days")),
                );
            }
            since.extend(row.and_then(|r| r["restrictForAppsCreatedAfterDateTime"].as_str()));
        }
        if let Some(latest) = since.into_iter().filter(|s| *s > ALWAYS).max() {
            concerns.push(setting.concern(&format!(
                "{whose} made before {} are left out",
                latest.split('T').next().unwrap_or(latest)
            )));
        }
    }
    verdict(concerns)
}
