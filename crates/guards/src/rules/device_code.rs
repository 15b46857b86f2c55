use crate::{
    Evidence,
    policies::{self, Ask, On, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Sign-in by device code is blocked.
pub(super) const RULE: Rule = Rule {
    id: "access.device-code",
    title: "Sign-in by device code is blocked",
    why: "Attackers mail a code and wait for somebody to type it in; no password is asked.",
    area: Area::ConditionalAccess,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.3.9v1", "entra_conditional_access_policy_device_code_flow_blocked"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, authentication flows Device code flow, \
        Block.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[On::Flows],
        nothing: "no policy blocks device codes",
    };
    policies::ask(f, &ask, |p| {
        p.blocks()
            && p.at("conditions.authenticationFlows.transferMethods")
                .as_str()
                .is_some_and(|m| m.contains("deviceCodeFlow"))
    })
}
