use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::DOMAINS, directory::FEDERATION];

/// No domain trusts a sign-in service that nobody named.
pub(super) const RULE: Rule = Rule {
    id: "directory.federated-domains",
    title: "No domain trusts a sign-in service that nobody named",
    why: "An attacker who federates a domain signs in as anybody, past password and MFA.",
    area: Area::Directory,
    severity: Severity::Critical,
    confidence: Confidence::Likely,
    satisfies: &["DfE: account security"],
    inputs: INPUTS,
    remedy: "Convert the domain to managed. When the school does use the service, accept the \
        finding with a reason.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let federation = f.many(INPUTS[1])?;
    let mut concerns = Vec::new();
    for o in f.many(INPUTS[0])? {
        match o.body["authenticationType"].as_str() {
            Some("Managed") => {}
            Some("Federated") => {
                let to = federation
                    .iter()
                    .find(|r| r.body["domain"] == o.name.as_str())
                    .and_then(|r| r.body["issuerUri"].as_str())
                    .unwrap_or("an unknown service");
                concerns.push(Concern::new(
                    format!("{}/{}", INPUTS[0], o.name),
                    format!("trusts {to} to sign people in"),
                ));
            }
            other => {
                return Err(Skip(format!(
                    "not understood: {} signs in by {}",
                    o.name,
                    other.unwrap_or("nothing that was collected")
                )));
            }
        }
    }
    verdict(concerns)
}
