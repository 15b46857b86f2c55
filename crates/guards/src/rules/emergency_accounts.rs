use crate::{
    Evidence, lockout_guard,
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::{directory, identity, roles};

const INPUTS: &[&str] = &[
    roles::ASSIGNMENTS,
    directory::PRIVILEGED_USERS,
    directory::REFERENCED_GROUPS,
    directory::DOMAINS,
    identity::AUTHENTICATION_METHODS,
];

/// Two emergency accounts work.
pub(super) const RULE: Rule = Rule {
    id: "access.emergency-accounts",
    title: "Two emergency accounts work",
    why: "On the day when nobody else gets in, an account that was disabled or lost its role is \
        found out too late.",
    area: Area::ConditionalAccess,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["NCSC P2: a way in when the tenant is hostile"],
    inputs: INPUTS,
    remedy: "Keep two accounts on the onmicrosoft.com domain: enabled, not synchronized, Global \
        Administrator at all times, each with a passkey in a safe; name them in the exceptions \
        file as break-glass.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    lockout_guard::at_least_two(f)
}
