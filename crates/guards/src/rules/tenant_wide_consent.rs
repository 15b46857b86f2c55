use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::applications;

const INPUTS: &[&str] = &[applications::DELEGATED_GRANTS];

/// No foreign application reads everybody's mail or files.
pub(super) const RULE: Rule = Rule {
    id: "applications.tenant-wide-consent",
    title: "No foreign application reads everybody's mail or files",
    why: "A free converter with consent for all pupils is a copy of the school elsewhere.",
    area: Area::Applications,
    severity: Severity::High,
    confidence: Confidence::Likely,
    satisfies: &["DfE: data protection"],
    inputs: INPUTS,
    remedy: "Entra admin center, Enterprise applications, Permissions: revoke the admin consent, \
        or accept the finding with a reason.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    const STRONG: &[&str] = &[
        "Mail.",
        "Files.",
        "Sites.",
        "MailboxSettings.ReadWrite",
        "Directory.ReadWrite",
        "Directory.AccessAsUser",
        "User.ReadWrite.All",
        "Group.ReadWrite",
        "EWS.AccessAsUser",
        "full_access",
    ];
    let mut concerns = Vec::new();
    for o in f.many(INPUTS[0])?.iter().filter(|o| o.body["consentType"] == "AllPrincipals") {
        let scope = o.body["scope"]
            .as_str()
            .ok_or_else(|| Skip(format!("not collected: what {} may", o.name)))?;
        let strong: Vec<&str> =
            scope.split_whitespace().filter(|s| STRONG.iter().any(|p| s.starts_with(p))).collect();
        if !strong.is_empty() {
            concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], o.name),
                format!("acts for everybody with {}", strong.join(", ")),
            ));
        }
    }
    verdict(concerns)
}
