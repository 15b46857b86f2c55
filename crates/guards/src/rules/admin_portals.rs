use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Admin portals open for administrators alone.
pub(super) const RULE: Rule = Rule {
    id: "access.admin-portals",
    title: "Admin portals open for administrators alone",
    why: "A pupil who looks around the portals learns who has which power.",
    area: Area::ConditionalAccess,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["entra_admin_portals_access_restriction"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users but directory roles, app Microsoft Admin Portals, \
        Block.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let roles: Vec<&str> = crate::words::ROLES.iter().map(|(id, _)| *id).collect();
    let ask = Ask {
        whom: Whom::EveryoneBut(&roles),
        what: What::App("MicrosoftAdminPortals"),
        on: &[],
        nothing: "no policy keeps others out of the admin portals",
    };
    policies::ask(f, &ask, |p| {
        p.blocks() && p.has("conditions.applications.includeApplications", "MicrosoftAdminPortals")
    })
}
