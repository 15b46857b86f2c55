use crate::{
    Evidence,
    policies::{self, Ask, On, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Phones use apps that protect the school's data.
pub(super) const RULE: Rule = Rule {
    id: "access.protected-phone-apps",
    title: "Phones use apps that protect the school's data",
    why: "A lost phone with the mail app that came with it is a lost mailbox.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_policy_approved_client_app_required_for_mobile"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, platforms Android and iOS, require an app \
        protection policy.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[On::Platforms],
        nothing: "no policy asks phones for protected apps",
    };
    policies::ask(f, &ask, |p| {
        p.demands(&["compliantApplication", "approvedApplication"])
            && p.has("conditions.platforms.includePlatforms", "android")
            && p.has("conditions.platforms.includePlatforms", "iOS")
    })
}
