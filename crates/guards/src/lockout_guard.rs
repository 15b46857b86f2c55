//! Whether somebody can still get into the tenant when everything else fails.

use crate::{
    Evidence, Exceptions,
    policies::AccessPolicy,
    rule::{Concern, Outcome, Skip, verdict},
    rules::holders,
    words::GLOBAL_ADMINISTRATOR,
};
use serde_json::Value;
use strongroom_model::{
    ConfigObject, Configuration,
    collections::{directory, identity, roles},
};

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

/// Methods that Microsoft takes as a second factor, without which no administrator gets into a
/// portal.
const SECOND_FACTORS: &[&str] = &[
    "Fido2",
    "X509Certificate",
    "MicrosoftAuthenticator",
    "SoftwareOath",
    "HardwareOath",
    "Sms",
    "Voice",
];

/// The accounts for emergencies that settings know.
pub(crate) fn accounts(f: &Evidence<'_>) -> Result<Vec<Account>, Skip> {
    let rulers: Vec<String> =
        holders(f, GLOBAL_ADMINISTRATOR)?.iter().map(|s| s.to_lowercase()).collect();
    let users = f.many(directory::PRIVILEGED_USERS)?;
    let mut out = Vec::new();
    for symbol in f.emergency_users() {
        let mut faults = Vec::new();
        let user = users.iter().find(|u| format!("@users/{}", u.name).to_lowercase() == *symbol);
        if !rulers.contains(symbol) || for_a_time(f, symbol)? {
            faults.push("is not Global Administrator at all times".to_owned());
        }
        if user.is_none() && faults.is_empty() {
            return Err(Skip(format!("not collected: whether {symbol} is enabled")));
        }
        if let Some(user) = user {
            let said = |key: &str| {
                user.body
                    .get(key)
                    .ok_or_else(|| Skip(format!("not collected: {key} of {}", user.name)))
            };
            if said("accountEnabled")? == false {
                faults.push("is disabled".to_owned());
            }
            if said("onPremisesSyncEnabled")? == true {
                faults.push("is synchronized from Active Directory".to_owned());
            }
            // As it signs in now, whatever it was called when a snapshot was made.
            let name = user.body["userPrincipalName"].as_str().unwrap_or(&user.name);
            let domain = name.rsplit('@').next().unwrap_or_default();
            let domains = f.many(directory::DOMAINS)?;
            if domains.iter().any(|d| {
                d.name.eq_ignore_ascii_case(domain) && d.body["authenticationType"] == "Federated"
            }) {
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

/// Whether the role was only activated, or ends.
fn for_a_time(f: &Evidence<'_>, symbol: &str) -> Result<bool, Skip> {
    // Where roles are not managed there are no schedules, and what is assigned stays. What was not
    // read, or no longer can be, is not known to stay.
    const SCHEDULES: &str = roles::ACTIVE_SCHEDULES;
    if f.configuration.collections.get(SCHEDULES).is_some_and(|c| c.state.is_unlicensed()) {
        return Ok(false);
    }
    let groups = f.many(directory::REFERENCED_GROUPS)?;
    let is_member = |group: &str| {
        let members = groups
            .iter()
            .filter(|g| g.name == group)
            .filter_map(|g| g.body["members"].as_array())
            .flatten();
        members.filter_map(|m| m.as_str()).any(|m| m.eq_ignore_ascii_case(symbol))
    };
    let its = |o: &&ConfigObject| {
        let of = |who: &str| {
            who.eq_ignore_ascii_case(symbol) || who.strip_prefix("@groups/").is_some_and(is_member)
        };
        o.body["roleDefinitionId"]
            .as_str()
            .is_some_and(|r| r.eq_ignore_ascii_case(GLOBAL_ADMINISTRATOR))
            && o.body["principalId"].as_str().is_some_and(of)
    };
    let ends = |o: &ConfigObject| {
        let expiration = &o.body["scheduleInfo"]["expiration"]["type"];
        o.body["assignmentType"] == "Activated"
            || expiration.as_str().is_some_and(|t| t != "noExpiration" && t != "notSpecified")
    };
    let its: Vec<&ConfigObject> = f.many(SCHEDULES)?.iter().filter(its).collect();
    Ok(!its.is_empty() && its.into_iter().all(ends))
}

/// Whether some method is on, for this account among others.
fn has_second_factor(f: &Evidence<'_>, symbol: &str) -> Result<bool, Skip> {
    let all = f.one(identity::AUTHENTICATION_METHODS)?;
    let groups = f.many(directory::REFERENCED_GROUPS)?;
    let belongs = |target: &Value| -> Option<bool> {
        let who = target["id"].as_str()?;
        match who.strip_prefix("@groups/") {
            _ if who == "all_users" => Some(true),
            Some(name) => {
                let group = groups.iter().find(|g| g.name.eq_ignore_ascii_case(name))?;
                let members = group.body["members"].as_array()?;
                Some(
                    members
                        .iter()
                        .any(|m| m.as_str().is_some_and(|m| m.eq_ignore_ascii_case(symbol))),
                )
            }
            None => Some(who.eq_ignore_ascii_case(symbol)),
        }
    };
    let mut unknown = false;
    for method in
        all.rows("authenticationMethodConfigurations")?.iter().filter(|m| m["state"] == "enabled")
    {
        if !method["id"]
            .as_str()
            .is_some_and(|id| SECOND_FACTORS.iter().any(|s| s.eq_ignore_ascii_case(id)))
        {
            continue;
        }
        let targets = |key: &str| {
            method[key].as_array().into_iter().flatten().map(belongs).collect::<Vec<_>>()
        };
        let (into, out) = (targets("includeTargets"), targets("excludeTargets"));
        match (into.contains(&Some(true)), out.contains(&Some(true))) {
            (_, true) => {}
            (true, false) if out.iter().all(Option::is_some) => return Ok(true),
            (in_it, _) => unknown |= in_it || into.contains(&None),
        }
    }
    if unknown {
        Err(Skip(format!(
            "not collected: who is in the groups that may use methods, {symbol} among them or not"
        )))
    } else {
        Ok(false)
    }
}

/// The rules whose findings somebody may have accepted.
const POLICIES_RULE: &str = "access.emergency-access";
const ACCOUNTS_RULE: &str = "access.emergency-accounts";
const POLICIES: &str = identity::CONDITIONAL_ACCESS_POLICIES;

/// Accounts for emergencies as settings call them, in small letters: whose facts a guard must know.
pub fn emergency_users(
    configuration: &Configuration,
    exceptions: &Exceptions,
    today: jiff::civil::Date,
) -> Vec<String> {
    Evidence::new(configuration, exceptions, today).emergency_users().into_iter().cloned().collect()
}

/// Whether an account for emergencies is left that works and that no policy keeps out.
///
/// # Errors
/// A part of a sentence that says why not, or why it cannot be told, and what to do.
pub fn lockout_guard(
    configuration: &Configuration,
    exceptions: &Exceptions,
    today: jiff::civil::Date,
) -> Result<(), String> {
    let untold = |Skip(why): Skip| format!("it cannot be told whether a way in is left: {why}");
    let facts = Evidence::new(configuration, exceptions, today);
    let accepted = |rule: &str, object: Option<&str>| {
        exceptions.accepted.iter().any(|a| {
            a.rule == rule
                && a.until >= today
                && (a.object.is_none() || a.object.as_deref() == object)
        })
    };
    let licensed =
        !configuration.collections.get(POLICIES).is_some_and(|c| c.state.is_unlicensed());
    let policies = if licensed { facts.policies().map_err(untold)? } else { Vec::new() };
    let biting: Vec<&AccessPolicy<'_>> = policies
        .iter()
        .filter(|p| {
            p.could_lock_out() && !accepted(POLICIES_RULE, Some(&format!("{POLICIES}/{}", p.name)))
        })
        .collect();
    let leaves_nobody = |p: &&&AccessPolicy<'_>| {
        let none = |k: &&str| p.list(&format!("conditions.users.{k}")).is_empty();
        p.blocks() && ["excludeUsers", "excludeGroups", "excludeRoles"].iter().all(none)
    };
    if let Some(p) = biting.iter().find(leaves_nobody) {
        return Err(format!(
            "{POLICIES}/{} blocks everybody from everything and leaves nobody out; leave an \
             emergency account out, or let it only report",
            p.name
        ));
    }
    if exceptions.exclusions.iter().all(|e| e.kind != "break-glass") {
        return Err(untold(Skip(
            "no emergency account is named; name them in the exceptions file".to_owned(),
        )));
    }
    let users = facts.emergency_users();
    if users.is_empty() {
        let who: Vec<&str> = exceptions
            .exclusions
            .iter()
            .filter(|e| e.kind == "break-glass")
            .map(|e| e.who.as_str())
            .collect();
        return Err(untold(Skip(format!(
            "no setting knows {}, whom the exceptions file names; is it spelled so?",
            who.join(", ")
        ))));
    }
    let works = |symbol: &str| -> Result<Vec<String>, Skip> {
        Ok(accounts(&facts)?
            .into_iter()
            .find(|a| a.symbol == symbol)
            .map(|a| a.faults)
            .unwrap_or_default())
    };
    let (mut first, mut shut) = (None, None);
    for symbol in users {
        let faults = if accepted(ACCOUNTS_RULE, None) {
            Vec::new()
        } else {
            works(symbol).map_err(untold)?
        };
        if !faults.is_empty() {
            first.get_or_insert(format!(
                "{} {}",
                symbol.trim_start_matches("@users/"),
                faults.join(" and ")
            ));
            continue;
        }
        match biting.iter().find(|p| !leaves_out(&facts, p, symbol)) {
            None => return Ok(()),
            Some(p) => {
                shut = shut.or(Some((p.name, symbol.trim_start_matches("@users/").to_owned())));
            }
        }
    }
    match (shut, first) {
        (Some((policy, who)), _) => Err(format!(
            "{POLICIES}/{policy} would lock {who} out, the emergency account; leave it out there, \
             or let that policy only report"
        )),
        (None, Some(fault)) => Err(format!(
            "no emergency account is a way in: {fault}; mend that, or accept it as {ACCOUNTS_RULE} \
             in the exceptions file"
        )),
        (None, None) => Ok(()),
    }
}

/// Whether a policy leaves this account out, itself or by a group whose members are known.
fn leaves_out(f: &Evidence<'_>, p: &AccessPolicy<'_>, symbol: &str) -> bool {
    let groups = f.many(directory::REFERENCED_GROUPS).unwrap_or_default();
    let has = |name: &str| {
        let group = groups.iter().find(|g| name.strip_prefix("@groups/") == Some(&g.name));
        group.and_then(|g| g.body["members"].as_array()).is_some_and(|m| {
            m.iter().any(|m| m.as_str().is_some_and(|m| m.eq_ignore_ascii_case(symbol)))
        })
    };
    p.list("conditions.users.excludeUsers").iter().any(|u| u.eq_ignore_ascii_case(symbol))
        || p.list("conditions.users.excludeGroups").iter().any(|g| has(g))
}

/// What the rule about these accounts says.
pub(crate) fn at_least_two(f: &Evidence<'_>) -> Result<Outcome, Skip> {
    if !f.knows_emergency() {
        return Ok(Outcome::Manual(
            "no emergency account is named in the exceptions file".to_owned(),
        ));
    }
    let accounts = accounts(f)?;
    let place = directory::PRIVILEGED_USERS;
    let mut concerns: Vec<Concern> = accounts
        .iter()
        .filter(|a| !a.faults.is_empty())
        .map(|a| Concern::new(format!("{place}/{}", a.name()), a.faults.join(" and ")))
        .collect();
    let good = accounts.len() - concerns.len();
    if good < 2 {
        concerns.push(Concern::new(
            place,
            format!(
                "{good} emergency accounts work; when the key of one is lost, another must be there"
            ),
        ));
    }
    verdict(concerns)
}
