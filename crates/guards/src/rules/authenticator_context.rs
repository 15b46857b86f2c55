use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// A prompt shows number, app and place, to everybody.
pub(super) const RULE: Rule = Rule {
    id: "authentication.authenticator-context",
    title: "A prompt shows number, app and place, to everybody",
    why: "Tired people approve what they cannot read; the place and the number make them look.",
    area: Area::Authentication,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "EIDSCA.AM03",
        "EIDSCA.AM04",
        "EIDSCA.AM06",
        "EIDSCA.AM07",
        "EIDSCA.AM09",
        "EIDSCA.AM10",
        "MS.AAD.3.3v2",
        "entra_authentication_method_authenticator_show_context",
    ],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Microsoft Authenticator, Configure: \
        number matching, application name and geographic location enabled for all users.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let method = f.method("MicrosoftAuthenticator")?;
    let mut concerns = Vec::new();
    for (feature, what) in [
        ("numberMatchingRequiredState", "a number to match"),
        ("displayAppInformationRequiredState", "the app"),
        ("displayLocationInformationRequiredState", "the place"),
    ] {
        // Number matching is on for everybody since 2023, whatever this says; a tenant that says so
        // too is not called wrong.
        let wanted: &[&str] =
            if feature.starts_with("number") { &["enabled", "default"] } else { &["enabled"] };
        method.want_text(
            &format!("featureSettings.{feature}.state"),
            wanted,
            &format!("a prompt does not show {what}"),
            &mut concerns,
        )?;
        method.want_text(
            &format!("featureSettings.{feature}.includeTarget.id"),
            &["all_users"],
            &format!("only some people are shown {what}"),
            &mut concerns,
        )?;
    }
    verdict(concerns)
}
