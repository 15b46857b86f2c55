use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::TRANSPORT_RULES];

/// Mail from outside says so.
pub(super) const RULE: Rule = Rule {
    id: "mail.external-warning",
    title: "Mail from outside says so",
    why: "A mail from \"the head\" that is marked as external is seen through by most.",
    area: Area::Mail,
    severity: Severity::Medium,
    confidence: Confidence::Likely,
    satisfies: &["MS.EXO.7.1v1"],
    inputs: INPUTS,
    remedy: "Exchange admin center, Mail flow, Rules: senders outside the organization, put \
        [External] before the subject or a banner before the text. Outlook's own mark for external \
        senders is given by no interface: where it is on, accept this finding.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    for r in f.settings(INPUTS[0])? {
        let marks = ["PrependSubject", "ApplyHtmlDisclaimerText"]
            .iter()
            .any(|k| r.text(k).is_ok_and(|t| !t.trim().is_empty()));
        if r.is("Enabled")?
            && r.text("Mode")?.eq_ignore_ascii_case("Enforce")
            && r.text("FromScope").is_ok_and(|s| s == "NotInOrganization")
            && marks
        {
            return verdict(Vec::new());
        }
    }
    verdict(vec![Concern::new(INPUTS[0], "no mail flow rule marks mail from outside")])
}
