use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::applications;

const INPUTS: &[&str] = &[applications::REGISTRATIONS];

/// The school's own applications use no passwords.
pub(super) const RULE: Rule = Rule {
    id: "applications.secrets",
    title: "The school's own applications use no passwords",
    why: "A secret in a script on a share is an account without MFA.",
    area: Area::Applications,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_app_registration_client_secret_unused"],
    inputs: INPUTS,
    remedy: "Entra admin center, App registrations, Certificates and secrets: replace client \
        secrets by a certificate or a managed identity.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for o in f.many(INPUTS[0])? {
        let secrets = o.body["passwordCredentials"]
            .as_array()
            .ok_or_else(|| Skip(format!("not collected: the credentials of {}", o.name)))?;
        if !secrets.is_empty() {
            concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], o.name),
                format!(
                    "has {}",
                    crate::words::count(secrets.len(), "client secret", "client secrets")
                ),
            ));
        }
    }
    verdict(concerns)
}
