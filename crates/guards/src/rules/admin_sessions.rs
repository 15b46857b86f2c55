use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Administrators sign in anew at least every day, and browsers forget them.
pub(super) const RULE: Rule = Rule {
    id: "access.admin-sessions",
    title: "Administrators sign in anew at least every day, and browsers forget them",
    why: "A stolen cookie of an administrator works until the session ends.",
    area: Area::ConditionalAccess,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["entra_admin_users_sign_in_frequency_enabled"],
    inputs: INPUTS,
    remedy: "Conditional Access: the highly privileged roles, session: sign-in frequency at most \
        24 hours, persistent browser never.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Roles(crate::words::HIGHLY_PRIVILEGED),
        what: What::AllApps,
        on: &[],
        nothing: "no policy ends administrators' sessions",
    };
    policies::ask(f, &ask, |p| {
        let every = p.at("sessionControls.signInFrequency");
        let hours = match (
            every["type"].as_str(),
            every["value"].as_u64(),
            every["frequencyInterval"].as_str(),
        ) {
            (_, _, Some("everyTime")) => 0,
            (Some("hours"), Some(n), _) => n,
            (Some("days"), Some(n), _) => n * 24,
            _ => u64::MAX,
        };
        every["isEnabled"] == true
            && hours <= 24
            && p.at("sessionControls.persistentBrowser.mode") == "never"
    })
}
