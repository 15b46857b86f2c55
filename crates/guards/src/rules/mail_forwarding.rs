use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::{directory, exchange};

const INPUTS: &[&str] = &[
    exchange::REMOTE_DOMAINS,
    exchange::OUTBOUND_SPAM_POLICIES,
    exchange::TRANSPORT_RULES,
    directory::DOMAINS,
];

/// No mail leaves by itself.
pub(super) const RULE: Rule = Rule {
    id: "mail.forwarding",
    title: "No mail leaves by itself",
    why: "A rule that forwards everything to an address outside is what a thief leaves behind; it \
        goes on after the password is changed.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.EXO.1.1v2",
        "defender_antispam_outbound_policy_forwarding_disabled",
        "exchange_transport_rules_mail_forwarding_disabled",
    ],
    inputs: INPUTS,
    remedy: "Exchange admin center: remote domains without automatic forwarding; Defender portal: \
        automatic forwarding Off in the outbound spam policies; remove the mail flow rule, or let \
        it go to addresses of the school.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for d in f.settings(INPUTS[0])? {
        d.want(
            "AutoForwardEnabled",
            false,
            &format!("mail to {} may be forwarded by itself", d.text("DomainName")?),
            &mut concerns,
        )?;
    }
    for p in f.settings(INPUTS[1])? {
        p.want_text(
            "AutoForwardingMode",
            &["Off"],
            "people may forward mail outside",
            &mut concerns,
        )?;
    }
    let own: Vec<String> = f.many(INPUTS[3])?.iter().map(|d| d.name.to_lowercase()).collect();
    for r in f.settings(INPUTS[2])? {
        if !r.is("Enabled")? {
            continue;
        }
        let mut to = r.texts("RedirectMessageTo")?;
        // Left out where nobody set them.
        to.extend(
            ["BlindCopyTo", "CopyTo", "AddToRecipients"]
                .iter()
                .filter_map(|k| r.texts(k).ok())
                .flatten(),
        );
        let outside = |a: &&str| {
            a.rsplit_once('@').is_some_and(|(_, domain)| !own.contains(&domain.to_lowercase()))
        };
        let strangers: Vec<&str> = to.into_iter().filter(outside).collect();
        if !strangers.is_empty() {
            concerns.push(r.concern(&format!("sends mail to {}", strangers.join(", "))));
        }
    }
    verdict(concerns)
}
