//! Whether somebody can still get into the tenant when everything else fails.

use crate::{
    Exceptions, Facts, Verdict, judge,
    rule::{Concern, Outcome, Skip, verdict},
    rules::holders,
    words::GLOBAL_ADMINISTRATOR,
};
use serde_json::Value;
use strongroom_model::Configuration;

/// An account for emergencies, and why it is no way in; empty when it is one.
pub(crate) struct Account {
    /// As settings call it, in small letters.
    pub(crate) symbol: String,
    pub(crate) faults: Vec<String>,
}

impl Account {
    pub(crate) fn name(&self) -> &str {
        self.symbol.strip_prefix("@users/").unwrap_or(&self.symbol)
    }
}

/// Methods that Microsoft takes as a second factor, without which no administrator gets into a portal.
const SECOND_FACTORS: &[&str] = &["Fido2", "X509Certificate", "MicrosoftAuthenticator", "SoftwareOath", "HardwareOath", "Sms", "Voice"];

/// The accounts for emergencies that settings know.
pub(crate) fn accounts(f: &Facts<'_>) -> Result<Vec<Account>, Skip> {
    let rulers: Vec<String> = holders(f, GLOBAL_ADMINISTRATOR)?.iter().map(|s| s.to_lowercase()).collect();
    let users = f.many("directory/privileged-users")?;
    let mut out = Vec::new();
    for symbol in f.emergency_users() {
        let mut faults = Vec::new();
        let user = users.iter().find(|u| format!("@users/{}", u.name).to_lowercase() == *symbol);
        if !rulers.contains(symbol) {
            faults.push("is not Global Administrator at all times".to_owned());
        }
        if let Some(user) = user {
            let said = |key: &str| user.body.get(key).ok_or_else(|| Skip(format!("not collected: {key} of {}", user.name)));
            if said("accountEnabled")? == false {
                faults.push("is disabled".to_owned());
            }
            if said("onPremisesSyncEnabled")? == true {
                faults.push("is synchronized from Active Directory".to_owned());
            }
            let domain = user.name.rsplit('@').next().unwrap_or_default();
            let domains = f.many("directory/domains")?;
            if domains.iter().any(|d| d.name.eq_ignore_ascii_case(domain) && d.body["authenticationType"] == "Federated") {
                faults.push("signs in by another service than Microsoft's".to_owned());
            }
        }
        if !has_second_factor(f, symbol)? {
            faults.push("may use no method that counts as a second factor".to_owned());
        }
        out.push(Account { symbol: symbol.clone(), faults });
    }
    Ok(out)
}

/// Whether some method is on, for this account among others.
fn has_second_factor(f: &Facts<'_>, symbol: &str) -> Result<bool, Skip> {
    let all = f.one("identity/authentication-methods")?;
    let groups = f.many("directory/referenced-groups")?;
    let belongs = |target: &Value| -> Option<bool> {
        let who = target["id"].as_str()?;
        match who.strip_prefix("@groups/") {
            _ if who == "all_users" => Some(true),
            Some(name) => {
                let group = groups.iter().find(|g| g.name.eq_ignore_ascii_case(name))?;
                let members = group.body["members"].as_array()?;
                Some(members.iter().any(|m| m.as_str().is_some_and(|m| m.eq_ignore_ascii_case(symbol))))
            }
            None => Some(who.eq_ignore_ascii_case(symbol)),
        }
    };
    let mut unknown = false;
    for method in all.rows("authenticationMethodConfigurations")?.iter().filter(|m| m["state"] == "enabled") {
        if !method["id"].as_str().is_some_and(|id| SECOND_FACTORS.iter().any(|s| s.eq_ignore_ascii_case(id))) {
            continue;
        }
        let targets = |key: &str| method[key].as_array().into_iter().flatten().map(belongs).collect::<Vec<_>>();
        let (into, out) = (targets("includeTargets"), targets("excludeTargets"));
        match (into.contains(&Some(true)), out.contains(&Some(true))) {
            (_, true) => {}
            (true, false) if out.iter().all(Option::is_some) => return Ok(true),
            (in_it, _) => unknown |= in_it || into.contains(&None),
        }
    }
    if unknown { Err(Skip(format!("not collected: who is in the groups that may use methods, {symbol} among them or not"))) } else { Ok(false) }
}

/// The rule that knows whether policies could lock everybody out.
const RULE: &str = "access.emergency-access";

/// Whether an account for emergencies is left that works and that no policy keeps out.
///
/// # Errors
/// A part of a sentence that says why not, or why it cannot be told.
pub fn way_in(configuration: &Configuration, exceptions: &Exceptions, today: jiff::civil::Date) -> Result<(), String> {
    let report = judge(configuration, exceptions, Vec::new(), today);
    let Some(found) = report.findings.into_iter().find(|f| f.rule == RULE) else { return Ok(()) };
    let untold = |why: &str| format!("it cannot be told whether a way in is left: {why}");
    match found.verdict {
        // Somebody answers for it.
        Verdict::Accepted => return Ok(()),
        Verdict::Passed => {}
        Verdict::Failed => {
            let first = found.concerns.first().map(|c| format!("{} {}", c.object, c.says)).unwrap_or_default();
            return Err(first);
        }
        _ => return Err(untold(&format!("{}; name the emergency accounts in the exceptions file", found.note))),
    }
    let facts = Facts::new(configuration, exceptions, today);
    let accounts = accounts(&facts).map_err(|Skip(why)| untold(&why))?;
    if accounts.iter().any(|a| a.faults.is_empty()) {
        return Ok(());
    }
    match accounts.first() {
        Some(a) => Err(format!("no emergency account is a way in: {} {}", a.name(), a.faults.join(" and "))),
        None => Err(untold("no emergency account of the exceptions file is known to the tenant's settings")),
    }
}

/// What the rule about these accounts says.
pub(crate) fn at_least_two(f: &Facts<'_>) -> Result<Outcome, Skip> {
    if !f.knows_emergency() {
        return Ok(Outcome::Manual("no emergency account is named in the exceptions file".to_owned()));
    }
    let accounts = accounts(f)?;
    let place = "directory/privileged-users";
    let mut concerns: Vec<Concern> =
        accounts.iter().filter(|a| !a.faults.is_empty()).map(|a| Concern::new(format!("{place}/{}", a.name()), a.faults.join(" and "))).collect();
    let good = accounts.len() - concerns.len();
    if good < 2 {
        concerns.push(Concern::new(place, format!("{good} emergency accounts work; when the key of one is lost, another must be there")));
    }
    verdict(concerns)
}
