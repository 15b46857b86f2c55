use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::FEDERATION];

/// Teams talks with named partners only.
pub(super) const RULE: Rule = Rule {
    id: "teams.external-domains",
    title: "Teams talks with named partners only",
    why: "Attackers write to staff in Teams from a tenant of their own and call themselves IT \
        support.",
    area: Area::Teams,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.TEAMS.2.1v2",
        "teams_external_access_trial_tenants_blocked",
        "teams_external_domains_restricted",
    ],
    inputs: INPUTS,
    remedy: "Teams admin center, External access: only specific external domains, or none; and no \
        trial tenants.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    if s.is("AllowFederatedUsers")? {
        if s.texts("AllowedDomains")?.is_empty() {
            concerns.push(s.concern("people of every other tenant may write to the school's"));
        }
        s.want_text(
            "ExternalAccessWithTrialTenants",
            &["Blocked"],
            "trial tenants, which anybody makes in minutes, may write too",
            &mut concerns,
        )?;
    }
    verdict(concerns)
}
