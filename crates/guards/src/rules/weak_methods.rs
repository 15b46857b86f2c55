use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// Text messages, calls and mailed codes prove nothing here.
pub(super) const RULE: Rule = Rule {
    id: "authentication.weak-methods",
    title: "Text messages, calls and mailed codes prove nothing here",
    why: "Numbers are taken over and codes are read out; attackers ask for just these.",
    area: Area::Authentication,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &[
        "EIDSCA.AV01",
        "MS.AAD.3.5v2",
        "entra_authentication_method_email_otp_disabled",
        "entra_authentication_method_sms_voice_disabled",
    ],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Policies: SMS, Voice call and Email OTP \
        disabled.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for (id, what) in [("Sms", "text messages"), ("Voice", "calls"), ("Email", "mailed codes")] {
        f.method(id)?.want_text(
            "state",
            &["disabled"],
            &format!("{what} count as proof"),
            &mut concerns,
        )?;
    }
    verdict(concerns)
}
