use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::OUTLOOK_WEB_POLICIES];

/// Outlook on the web keeps to the school's accounts.
pub(super) const RULE: Rule = Rule {
    id: "mail.outlook-web",
    title: "Outlook on the web keeps to the school's accounts",
    why: "A private mailbox or cloud drive beside the school's is how pupils' data leaves unseen.",
    area: Area::Mail,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "exchange_mailbox_policy_additional_storage_restricted",
        "exchange_owa_mailbox_policy_personal_accounts_disabled",
    ],
    inputs: INPUTS,
    remedy: "Exchange Online PowerShell: Set-OwaMailboxPolicy with \
        AdditionalStorageProvidersAvailable, PersonalAccountsEnabled and \
        PersonalAccountCalendarsEnabled $false.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in f.settings(INPUTS[0])? {
        p.want(
            "AdditionalStorageProvidersAvailable",
            false,
            "other cloud drives can be used",
            &mut concerns,
        )?;
        if p.is("IsDefault")? {
            p.want(
                "PersonalAccountsEnabled",
                false,
                "private accounts can be added",
                &mut concerns,
            )?;
            p.want(
                "PersonalAccountCalendarsEnabled",
                false,
                "private calendars can be added",
                &mut concerns,
            )?;
        }
    }
    verdict(concerns)
}
