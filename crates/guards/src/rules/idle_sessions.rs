use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::ACTIVITY_TIMEOUTS];

/// Idle sessions in browsers end within three hours.
pub(super) const RULE: Rule = Rule {
    id: "access.idle-sessions",
    title: "Idle sessions in browsers end within three hours",
    why: "A library computer stays signed in until somebody sits down at it.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_idle_session_timeout_configured"],
    inputs: INPUTS,
    remedy: "Microsoft 365 admin center, Org settings, Idle session timeout: at most three hours.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut shortest: Option<i64> = None;
    for o in f.many(INPUTS[0])?.iter().filter(|o| o.body["isOrganizationDefault"] == true) {
        for text in o.body["definition"].as_array().into_iter().flatten().filter_map(|d| d.as_str())
        {
            let Ok(v) = serde_json::from_str::<serde_json::Value>(text) else {
                return Err(Skip(format!("not understood: the definition of {}", o.name)));
            };
            for app in v["ActivityBasedTimeoutPolicy"]["ApplicationPolicies"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let parts: Option<Vec<i64>> = app["WebSessionIdleTimeout"]
                    .as_str()
                    .map(|t| t.split(':').filter_map(|n| n.parse().ok()).collect());
                if let Some([h, m, s]) = parts.as_deref() {
                    let all = h * 3600 + m * 60 + s;
                    shortest = Some(shortest.map_or(all, |n| n.min(all)));
                }
            }
        }
    }
    verdict(match shortest {
        Some(s) if s <= 3 * 3600 => Vec::new(),
        Some(s) => {
            vec![Concern::new(INPUTS[0], format!("idle sessions last for {} minutes", s / 60))]
        }
        None => vec![Concern::new(INPUTS[0], "idle sessions never end")],
    })
}
