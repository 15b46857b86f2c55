use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// Microsoft Authenticator is on, without its one-time codes.
pub(super) const RULE: Rule = Rule {
    id: "authentication.authenticator",
    title: "Microsoft Authenticator is on, without its one-time codes",
    why: "Codes can be read out to a caller; a prompt with a number on it cannot.",
    area: Area::Authentication,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AM01", "EIDSCA.AM02"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Microsoft Authenticator: enabled, allow \
        use of OTP = no.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let method = f.method("MicrosoftAuthenticator")?;
    let mut concerns = Vec::new();
    method.want_text(
        "state",
        &["enabled"],
        "Microsoft Authenticator is not enabled",
        &mut concerns,
    )?;
    method.want(
        "isSoftwareOathEnabled",
        false,
        "Microsoft Authenticator gives one-time codes",
        &mut concerns,
    )?;
    verdict(concerns)
}
