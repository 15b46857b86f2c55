//! How grave a change is, and what is said of it: what a row of the collection says, and what its
//! settings say beyond that.

use super::{ChangeKind, Context, Property, Rank, differ::sentence};
use crate::words;
use serde_json::Value;
use strongroom_model::{
    ConfigObject, Configuration,
    collections::{applications, directory, exchange, identity, roles, sharepoint, teams},
};
use strongroom_settings::{Ranks, row};

/// What only another program reads. What it says cannot be known, so that less of it is grave.
const UNKNOWN: Ranks = Ranks {
    added: Rank::Low,
    changed: Rank::High,
    removed: Rank::High,
    replaced: Rank::High,
    called: "",
};

fn of(ranks: &Ranks, kind: ChangeKind) -> Rank {
    match kind {
        ChangeKind::Added => ranks.added,
        ChangeKind::Changed => ranks.changed,
        ChangeKind::Removed => ranks.removed,
        ChangeKind::Replaced => ranks.replaced,
        ChangeKind::Lost => Rank::High,
    }
}

impl Context<'_> {
    pub(super) fn rank(
        &self,
        collection: &str,
        object: &str,
        kind: ChangeKind,
        old: Option<&ConfigObject>,
        new: Option<&ConfigObject>,
        properties: &[Property],
    ) -> (Rank, String) {
        let body = |o: Option<&ConfigObject>| o.map(|o| o.body.clone()).unwrap_or(Value::Null);
        let (was, is) = (body(old), body(new));
        let touched = |prefix: &str| properties.iter().any(|p| p.path.as_str().starts_with(prefix));
        let ranks = row(collection).map_or(&UNKNOWN, |r| &r.rank);
        let base = of(ranks, kind);
        let bare = match kind {
            ChangeKind::Added => format!("{object} is new"),
            ChangeKind::Removed => format!("{object} is gone"),
            ChangeKind::Changed => format!("{object}: {}", sentence(properties)),
            ChangeKind::Replaced => format!("another object bears the name {object}"),
            ChangeKind::Lost => format!("{object} of {collection} is gone"),
        };
        let plain = match kind {
            ChangeKind::Replaced | ChangeKind::Lost => bare.clone(),
            _ => format!("{}{bare}", ranks.called),
        };
        match (collection, kind) {
            (
                roles::ASSIGNMENTS | roles::ACTIVE_SCHEDULES | roles::ELIGIBLE_SCHEDULES,
                ChangeKind::Added | ChangeKind::Removed,
            ) => {
                let b = if kind == ChangeKind::Added { &is } else { &was };
                let role = b["roleDefinitionId"].as_str().unwrap_or_default();
                let who = self.app(&b["principalId"]);
                let title = words::roles(&[role]);
                let verb = match (kind, collection) {
                    (ChangeKind::Removed, _) => "is no longer",
                    (_, roles::ELIGIBLE_SCHEDULES) => "became eligible for",
                    _ => "became",
                };
                let rank = match (kind, role) {
                    (ChangeKind::Added, r)
                        if [
                            words::GLOBAL_ADMINISTRATOR,
                            words::PRIVILEGED_ROLE,
                            words::PRIVILEGED_AUTHENTICATION,
                        ]
                        .contains(&r) =>
                    {
                        Rank::Critical
                    }
                    (ChangeKind::Removed, words::GLOBAL_ADMINISTRATOR) => Rank::High,
                    (ChangeKind::Added, r) if words::HIGHLY_PRIVILEGED.contains(&r) => Rank::High,
                    _ => Rank::Medium,
                };
                (rank, format!("{who} {verb} {title}"))
            }
            (roles::ACTIVATION_POLICIES, _) => (
                base,
                format!(
                    "activation of {}: {}",
                    words::roles(&[is["roleDefinitionId"].as_str().unwrap_or(object)]),
                    sentence(properties)
                ),
            ),
            (directory::DOMAINS, ChangeKind::Changed) if touched("authenticationType") => {
                match is["authenticationType"].as_str() {
                    Some("Managed") => (
                        Rank::Medium,
                        format!(
                            "the domain {object} is managed again: Microsoft signs its people in"
                        ),
                    ),
                    _ => (
                        Rank::Critical,
                        format!(
                            "the domain {object} was federated: another service signs its people in"
                        ),
                    ),
                }
            }
            (identity::CONDITIONAL_ACCESS_POLICIES, _) => {
                policy(object, kind, &was, &is, properties, (base, plain))
            }
            (identity::NAMED_LOCATIONS, ChangeKind::Changed)
                if touched("ipRanges")
                    || touched("isTrusted")
                    || touched("countriesAndRegions") =>
            {
                (Rank::High, plain)
            }
            (identity::SECURITY_DEFAULTS, _) if is["isEnabled"] == false => {
                (Rank::Critical, "security defaults were switched off".to_owned())
            }
            (applications::PERMISSIONS, ChangeKind::Removed)
                if was["application"].as_str().is_some_and(|a| self.own.iter().any(|o| o == a)) =>
            {
                (
                    Rank::Critical,
                    format!(
                        "the backup lost its own permission {}",
                        was["permission"].as_str().unwrap_or_default()
                    ),
                )
            }
            (applications::PERMISSIONS, ChangeKind::Added) => {
                let permission = is["permission"].as_str().unwrap_or_default();
                let app = self.app(&is["application"]);
                (
                    if strong(permission) { Rank::Critical } else { Rank::Medium },
                    format!("{app} was given the application permission {permission}"),
                )
            }
            (applications::DELEGATED_GRANTS, ChangeKind::Added | ChangeKind::Changed) => {
                let before: Vec<&str> =
                    was["scope"].as_str().unwrap_or_default().split_whitespace().collect();
                let scopes: Vec<&str> = is["scope"]
                    .as_str()
                    .unwrap_or_default()
                    .split_whitespace()
                    .filter(|s| !before.contains(s))
                    .collect();
                let app = self.app(&is["clientId"]);
                let everybody = is["consentType"] == "AllPrincipals";
                let grave = scopes.iter().any(|s| {
                    strong(s)
                        || s.starts_with("Mail.")
                        || s.starts_with("Files.")
                        || s.starts_with("Sites.")
                });
                let rank = match (grave, everybody) {
                    (true, true) => Rank::Critical,
                    (true, false) => Rank::High,
                    _ => Rank::Medium,
                };
                let whom = if everybody { "everybody" } else { "a person" };
                match scopes.is_empty() {
                    true => {
                        (Rank::Medium, format!("{app} may act for {whom} with less than before"))
                    }
                    false => {
                        (rank, format!("{app} may now act for {whom} with {}", scopes.join(", ")))
                    }
                }
            }
            (
                applications::REGISTRATIONS | applications::SERVICE_PRINCIPALS,
                ChangeKind::Changed,
            ) if touched("passwordCredentials") || touched("keyCredentials") => (
                Rank::High,
                format!("the application {object} has other credentials: {}", sentence(properties)),
            ),
            // Who owns an application gives it credentials; a federated one is a credential.
            (applications::REGISTRATIONS, ChangeKind::Changed)
                if touched("owners") || touched("federatedIdentityCredentials") =>
            {
                (Rank::High, plain)
            }
            (
                applications::REGISTRATIONS | applications::SERVICE_PRINCIPALS,
                ChangeKind::Removed,
            ) if self.own.iter().any(|o| o.ends_with(&format!("/{object}"))) => {
                (Rank::Critical, format!("the backup's own application {object} is gone"))
            }
            (directory::REFERENCED_GROUPS, ChangeKind::Changed) if touched("members") => (
                Rank::High,
                format!(
                    "the group {object}, which {}: {}",
                    self.power_of(object),
                    sentence(properties)
                ),
            ),
            (sharepoint::SETTINGS, _)
                if touched("sharing") || touched("isLegacyAuth") || touched("isResharing") =>
            {
                (Rank::High, format!("SharePoint: {}", sentence(properties)))
            }
            (exchange::ORGANIZATION, _)
                if is["AuditDisabled"] == true && was["AuditDisabled"] != true =>
            {
                (Rank::Critical, "the audit of mailboxes was switched off for everybody".to_owned())
            }
            (exchange::TRANSPORT_RULES, ChangeKind::Added | ChangeKind::Changed)
                if sends_away(&is) =>
            {
                (Rank::Critical, format!("a mail flow rule that sends mail elsewhere: {bare}"))
            }
            (exchange::REMOTE_DOMAINS, _) if touched("AutoForwardEnabled") => {
                (Rank::High, format!("mail forwarding to {bare}"))
            }
            (teams::FEDERATION, _) => {
                (base, format!("Teams with outsiders: {}", sentence(properties)))
            }
            _ => (base, plain),
        }
    }

    /// A principal as people know it: an application by its name, not by its id.
    fn app(&self, symbol: &Value) -> String {
        let symbol = symbol.as_str().unwrap_or("somebody");
        let id = symbol.strip_prefix("@service-principals/");
        let found = id.and_then(|id| {
            [self.new, self.old]
                .into_iter()
                .find_map(|c| c.object(applications::SERVICE_PRINCIPALS, id))
        });
        match found.and_then(|o| o.body["displayName"].as_str()) {
            Some(name) => format!("the application {name}"),
            None => words::symbol(symbol),
        }
    }

    /// Why it matters who is in a group.
    fn power_of(&self, group: &str) -> &'static str {
        let symbol = format!("@groups/{group}");
        let look = |c: &Configuration, collection: &str, f: &dyn Fn(&Value) -> bool| {
            c.collections.get(collection).is_some_and(|c| c.objects.iter().any(|o| f(&o.body)))
        };
        let gives = |b: &Value| b["principalId"] == symbol.as_str();
        let leaves = |b: &Value| {
            b["conditions"]["users"]["excludeGroups"]
                .as_array()
                .is_some_and(|g| g.iter().any(|x| *x == symbol.as_str()))
        };
        let both = [self.old, self.new];
        if both.iter().any(|c| look(c, roles::ASSIGNMENTS, &gives)) {
            "gives a role"
        } else if both.iter().any(|c| look(c, identity::CONDITIONAL_ACCESS_POLICIES, &leaves)) {
            "policies leave out"
        } else {
            "settings name"
        }
    }
}

/// Permissions that make an application a master.
fn strong(permission: &str) -> bool {
    const WORDS: &[&str] = &[
        "RoleManagement.ReadWrite",
        "AppRoleAssignment.ReadWrite",
        "Application.ReadWrite",
        "Directory.ReadWrite",
        "PrivilegedAccess.",
        "UserAuthenticationMethod.ReadWrite",
        "Mail.ReadWrite",
        "Mail.Send",
        "Files.ReadWrite.All",
        "Sites.FullControl",
        "Policy.ReadWrite",
        "Domain.ReadWrite",
        "full_access_as_app",
        "DeviceManagementManagedDevices.PrivilegedOperations",
    ];
    WORDS.iter().any(|w| permission.starts_with(w))
}

/// Whether a mail flow rule gives mail to others than those whom it was sent to.
fn sends_away(rule: &Value) -> bool {
    ["RedirectMessageTo", "BlindCopyTo", "CopyTo", "AddToRecipients"]
        .iter()
        .any(|k| rule[*k].as_array().is_some_and(|to| !to.is_empty()))
}

fn blocks(policy: &Value) -> bool {
    policy["grantControls"]["builtInControls"]
        .as_array()
        .is_some_and(|c| c.iter().any(|x| x == "block"))
}

fn nobody_is_left_out(policy: &Value) -> bool {
    let users = &policy["conditions"]["users"];
    ["excludeUsers", "excludeGroups", "excludeRoles"]
        .iter()
        .all(|k| users[*k].as_array().is_none_or(Vec::is_empty))
}

fn policy(
    object: &str,
    kind: ChangeKind,
    was: &Value,
    is: &Value,
    properties: &[Property],
    (base, plain): (Rank, String),
) -> (Rank, String) {
    let on = |v: &Value| v["state"] == "enabled";
    match kind {
        ChangeKind::Removed if on(was) => {
            (Rank::Critical, format!("the policy {object}, which was on, is gone"))
        }
        ChangeKind::Changed if on(was) && !on(is) => (
            Rank::Critical,
            format!(
                "the policy {object} was switched off ({})",
                is["state"].as_str().unwrap_or("unknown")
            ),
        ),
        ChangeKind::Changed if on(was) => {
            let grave = [
                "conditions.users.exclude",
                "conditions.users.include",
                "conditions.applications",
                "conditions.locations",
                "conditions.platforms",
                "conditions.clientAppTypes",
                "grantControls",
                "conditions",
            ];
            let rank = if properties
                .iter()
                .any(|p| grave.iter().any(|g| p.path.as_str().starts_with(g)))
            {
                Rank::High
            } else {
                Rank::Medium
            };
            (rank, format!("the policy {object}: {}", sentence(properties)))
        }
        ChangeKind::Added
            if on(is)
                && blocks(is)
                && is["conditions"]["users"]["includeUsers"] == serde_json::json!(["All"])
                && nobody_is_left_out(is) =>
        {
            (
                Rank::Critical,
                format!("the policy {object} is new and blocks everybody, leaving nobody out"),
            )
        }
        ChangeKind::Added
            if on(is)
                && is["grantControls"]["builtInControls"]
                    .as_array()
                    .is_some_and(|c| c.iter().any(|x| x == "block")) =>
        {
            (Rank::High, format!("the policy {object} is new and blocks"))
        }
        ChangeKind::Replaced => (Rank::High, format!("another policy bears the name {object}")),
        _ => (base, plain),
    }
}
