//! Which of Exchange's protection policies reach anybody.

use crate::{Evidence, evidence::Setting, rule::Skip};
use strongroom_model::collections::exchange;

/// Applies wherever no rule applies another.
pub(crate) const DEFAULT_ANTI_PHISHING: &str = "Office365 AntiPhish Default";
/// Applies wherever no rule applies another, where Defender for Office 365 is licensed.
pub(crate) const BUILT_IN: &str = "Built-In Protection Policy";

/// The policies of one kind that reach people: those that an enabled rule applies, and the default
/// one, unless a rule covers all of the school's domains without exception. The rules of preset
/// security policies are given by no interface: what presets cover is not known here.
pub(crate) fn applied<'c>(
    f: &Evidence<'c>,
    policies: &str,
    rules: &str,
    link: &str,
    default: &str,
) -> Result<Vec<Setting<'c>>, Skip> {
    let domains: Vec<String> =
        f.many(exchange::ACCEPTED_DOMAINS)?.iter().map(|d| d.name.to_lowercase()).collect();
    let mut names: Vec<String> = Vec::new();
    let mut all_covered = false;
    for rule in f.settings(rules)? {
        if !rule.is("Enabled")? {
            continue;
        }
        names.push(rule.text(link)?.to_owned());
        let covered: Vec<String> = rule
            .texts("RecipientDomainIs")
            .unwrap_or_default()
            .iter()
            .map(|d| d.to_lowercase())
            .collect();
        let narrowed = |key: &str| rule.texts(key).is_ok_and(|rows| !rows.is_empty());
        let keys = rule.body.as_object().into_iter().flat_map(|m| m.keys());
        let excepted = keys.into_iter().any(|k| k.starts_with("ExceptIf") && narrowed(k));
        // Conditions of several kinds must all hold.
        let whole = !excepted && !narrowed("SentTo") && !narrowed("SentToMemberOf");
        all_covered |= whole && !domains.is_empty() && domains.iter().all(|d| covered.contains(d));
    }
    if !all_covered {
        names.push(default.to_owned());
    }
    names.iter().map(|name| f.named(policies, name)).collect()
}
