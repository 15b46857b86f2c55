use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// Nobody signs in with a text message alone.
pub(super) const RULE: Rule = Rule {
    id: "authentication.sms-sign-in",
    title: "Nobody signs in with a text message alone",
    why: "A phone number in place of a password lets whoever takes the number in.",
    area: Area::Authentication,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AS04"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, SMS: use for sign-in = no, for every \
        target.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let method = f.method("Sms")?;
    let targets = method.rows("includeTargets")?;
    let mut concerns = Vec::new();
    for t in targets {
        match t["isUsableForSignIn"].as_bool() {
            Some(false) => {}
            Some(true) => concerns.push(method.concern(&format!(
                "{} may sign in with a text message",
                crate::words::symbol(t["id"].as_str().unwrap_or("some"))
            ))),
            None => {
                return Err(Skip(
                    "not collected: a target of SMS does not say whether it may sign in".to_owned(),
                ));
            }
        }
    }
    verdict(concerns)
}
