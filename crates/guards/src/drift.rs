//! What changed between two configurations, in words, the gravest first.

mod lost;

use crate::{rule::one_line, words};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::{
    AuditEntry, CollectionState, ConfigObject, Configuration,
    collections::{applications, devices, directory, exchange, identity, roles, sharepoint, teams},
};

/// How grave a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// What attackers do first.
    Critical,
    /// Opens a way, or closes somebody's eyes.
    High,
    /// Worth a look.
    Medium,
    /// Everyday.
    Low,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Some of its settings differ.
    Changed,
    /// Another object bears its name.
    Replaced,
    /// A whole collection is out of sight, or empty at once.
    Lost,
}

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Property {
    /// Where in the object, with dots.
    pub path: String,
    /// As it was; null when it was not there.
    pub old: Value,
    /// As it is; null when it is not there.
    pub new: Value,
}

/// One object that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// How grave.
    pub rank: Rank,
    /// The collection.
    pub collection: String,
    /// The object.
    pub object: String,
    /// What became of it.
    pub kind: Kind,
    /// In a sentence.
    pub says: String,
    /// What differs in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
    /// Who did it and when, as far as the audit log says so; the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<AuditEntry>,
    /// Ids and names that the audit log may know it by.
    #[serde(skip)]
    known_as: BTreeSet<String>,
}

/// All differences.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Gravest first.
    pub changes: Vec<Change>,
    /// Collections that could not be compared, and why.
    pub not_compared: BTreeMap<String, String>,
}

/// Compares two configurations. `own` are the application ids of the backup; `same_tenant` says
/// that ids mean the same on both sides, so that an object put in the place of another of its name
/// is told.
pub fn compare(
    old: &Configuration,
    new: &Configuration,
    own: &[String],
    same_tenant: bool,
) -> Comparison {
    let mut out = Comparison::default();
    let names: BTreeSet<&String> = old.collections.keys().chain(new.collections.keys()).collect();
    let mut lost: Vec<&str> = Vec::new();
    let context = Context {
        old,
        new,
        own: old.application_symbols(own).into_iter().chain(new.application_symbols(own)).collect(),
    };
    for name in names {
        let (left, right) = (old.collections.get(name), new.collections.get(name));
        let (Some(left), Some(right)) = (left, right) else {
            out.not_compared.insert(name.clone(), "it was collected on one side only".to_owned());
            continue;
        };
        if left.state.is_collected() && matches!(right.state, CollectionState::NoPermission { .. })
        {
            lost.push(name.as_str());
        }
        out.changes.extend(lost::lost_at_once(name, left, right).filter(|_| same_tenant));
        // What a blind round kept is how things were when they could be read last: the next round
        // that sees is held against it.
        if !right.state.is_collected() || !left.state.has_objects() {
            let lacking = if right.state.is_collected() { left } else { right };
            out.not_compared.insert(name.clone(), lacking.state.lack());
            continue;
        }
        let by_name = |c: &'_ [ConfigObject]| -> BTreeMap<String, ConfigObject> {
            c.iter().map(|o| (o.name.clone(), o.clone())).collect()
        };
        let (before, after) = (by_name(&left.objects), by_name(&right.objects));
        for (object, o) in &before {
            match after.get(object) {
                None => {
                    out.changes.push(context.change(name, object, Kind::Removed, Some(o), None))
                }
                Some(n) if n.body != o.body => {
                    let mut change = context.change(name, object, Kind::Changed, Some(o), Some(n));
                    let other = same_tenant && n.id != o.id && !o.id.is_empty() && !fleeting(name);
                    if other {
                        change.kind = Kind::Replaced;
                        change.rank = change.rank.min(Rank::High);
                        change.says.push_str("; it is another object of that name");
                    }
                    // Another order of the same things is no change.
                    if other || !change.properties.is_empty() {
                        out.changes.push(change);
                    }
                }
                Some(n) if same_tenant && n.volatile["keyIds"] != o.volatile["keyIds"] => {
                    out.changes.push(Change {
                        rank: Rank::High,
                        collection: name.clone(),
                        object: object.clone(),
                        kind: Kind::Changed,
                        says: format!(
                            "the application {object} has another credential in the \
                            place of one that looks the same"
                        ),
                        properties: vec![Property {
                            path: "keyIds".to_owned(),
                            old: o.volatile["keyIds"].clone(),
                            new: n.volatile["keyIds"].clone(),
                        }],
                        by: Vec::new(),
                        known_as: known_as(object, &[Some(o), Some(n)]),
                    });
                }
                Some(n) if same_tenant && n.id != o.id && !o.id.is_empty() && !fleeting(name) => {
                    out.changes.push(context.change(
                        name,
                        object,
                        Kind::Replaced,
                        Some(o),
                        Some(n),
                    ));
                }
                Some(_) => {}
            }
        }
        for (object, n) in after.iter().filter(|(object, _)| !before.contains_key(*object)) {
            out.changes.push(context.change(name, object, Kind::Added, None, Some(n)));
        }
    }
    if same_tenant && !lost.is_empty() {
        let shown = lost.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more =
            if lost.len() > 3 { format!(" and {} more", lost.len() - 3) } else { String::new() };
        out.changes.push(Change {
            rank: Rank::Critical,
            collection: applications::PERMISSIONS.to_owned(),
            object: "the backup".to_owned(),
            kind: Kind::Removed,
            says: format!(
                "the backup may no longer read {shown}{more}: its permissions were taken away"
            ),
            properties: Vec::new(),
            by: Vec::new(),
            known_as: own.iter().map(|id| id.to_lowercase()).collect(),
        });
    }
    if same_tenant {
        // A policy that leaves out a group by name leaves out whom the group now is.
        let known: BTreeSet<(String, String)> =
            out.changes.iter().map(|c| (c.collection.clone(), c.object.clone())).collect();
        for (symbol, id) in &old.references {
            let name = symbol.split_once('/').map_or("", |(_, n)| n).to_owned();
            if new.references.get(symbol).is_some_and(|n| n != id)
                && !known.iter().any(|(_, o)| *o == name)
            {
                out.changes.push(Change {
                    rank: Rank::High,
                    collection: "references".to_owned(),
                    object: name,
                    kind: Kind::Replaced,
                    says: format!(
                        "{} is another object of that name now, and settings that named \
                        it mean the new one",
                        words::symbol(symbol)
                    ),
                    properties: Vec::new(),
                    by: Vec::new(),
                    known_as: [id.to_lowercase()].into(),
                });
            }
        }
    }
    out.changes.sort_by(|a, b| {
        a.rank.cmp(&b.rank).then(a.collection.cmp(&b.collection)).then(a.object.cmp(&b.object))
    });
    out
}

/// At most so many lines of the log for one change.
const BY_MAX: usize = 3;

/// Says of each change who did it, as far as the log knows. A line of the log that touches what
/// changed counts; of lines that name the same person only the newest.
pub fn attribute(comparison: &mut Comparison, log: &[AuditEntry]) {
    let mut newest: Vec<&AuditEntry> = log.iter().collect();
    newest.sort_by_key(|e| std::cmp::Reverse(e.at));
    for change in &mut comparison.changes {
        for e in newest.iter().filter(|e| e.targets.iter().any(|t| change.known_as.contains(t))) {
            if change.by.len() < BY_MAX && !change.by.iter().any(|b| b.who == e.who) {
                change.by.push((*e).clone());
            }
        }
    }
}

fn known_as(name: &str, objects: &[Option<&ConfigObject>]) -> BTreeSet<String> {
    let of = |o: &ConfigObject| {
        [
            Some(o.id.clone()),
            o.body["displayName"].as_str().map(str::to_owned),
            o.volatile["appId"].as_str().map(str::to_owned),
        ]
    };
    let all = objects.iter().flatten().flat_map(|o| of(o)).flatten().chain([name.to_owned()]);
    all.filter(|n| !n.is_empty()).map(|n| n.to_lowercase()).collect()
}

/// Objects that the service makes anew with other ids whenever they are touched.
fn fleeting(collection: &str) -> bool {
    collection.starts_with("roles/")
        || collection == applications::DELEGATED_GRANTS
        || collection == applications::PERMISSIONS
}

struct Context<'c> {
    old: &'c Configuration,
    new: &'c Configuration,
    own: Vec<String>,
}

impl Context<'_> {
    fn change(
        &self,
        collection: &str,
        object: &str,
        kind: Kind,
        old: Option<&ConfigObject>,
        new: Option<&ConfigObject>,
    ) -> Change {
        let mut properties = Vec::new();
        if let (Some(o), Some(n)) = (old, new) {
            differ("", &o.body, &n.body, &mut properties);
            properties.retain(|p| lost::was_asked_for(collection, p, o, n));
        }
        let (rank, says) = self.rank(collection, object, kind, old, new, &properties);
        let mut known_as = known_as(object, &[old, new]);
        // What is given to somebody is logged under whom it was given to.
        for o in [old, new].into_iter().flatten() {
            for key in ["principalId", "application", "clientId"] {
                let Some(symbol) = o.body[key].as_str() else { continue };
                known_as.extend(
                    [self.old, self.new]
                        .iter()
                        .filter_map(|c| c.references.get(symbol))
                        .map(|id| id.to_lowercase()),
                );
            }
        }
        Change {
            rank,
            collection: collection.to_owned(),
            object: object.to_owned(),
            kind,
            says: one_line(&says),
            properties,
            by: Vec::new(),
            known_as,
        }
    }

    fn rank(
        &self,
        collection: &str,
        object: &str,
        kind: Kind,
        old: Option<&ConfigObject>,
        new: Option<&ConfigObject>,
        properties: &[Property],
    ) -> (Rank, String) {
        let body = |o: Option<&ConfigObject>| o.map(|o| o.body.clone()).unwrap_or(Value::Null);
        let (was, is) = (body(old), body(new));
        let touched = |prefix: &str| properties.iter().any(|p| p.path.starts_with(prefix));
        let plain = match kind {
            Kind::Added => format!("{object} is new"),
            Kind::Removed => format!("{object} is gone"),
            Kind::Changed => format!("{object}: {}", sentence(properties)),
            Kind::Replaced => format!("another object bears the name {object}"),
            Kind::Lost => format!("{object} of {collection} is gone"),
        };
        match (collection, kind) {
            (
                roles::ASSIGNMENTS | roles::ACTIVE_SCHEDULES | roles::ELIGIBLE_SCHEDULES,
                Kind::Added | Kind::Removed,
            ) => {
                let b = if kind == Kind::Added { &is } else { &was };
                let role = b["roleDefinitionId"].as_str().unwrap_or_default();
                let who = self.app(&b["principalId"]);
                let title = words::roles(&[role]);
                let verb = match (kind, collection) {
                    (Kind::Removed, _) => "is no longer",
                    (_, roles::ELIGIBLE_SCHEDULES) => "became eligible for",
                    _ => "became",
                };
                let rank = match (kind, role) {
                    (Kind::Added, r)
                        if [
                            words::GLOBAL_ADMINISTRATOR,
                            words::PRIVILEGED_ROLE,
                            words::PRIVILEGED_AUTHENTICATION,
                        ]
                        .contains(&r) =>
                    {
                        Rank::Critical
                    }
                    (Kind::Removed, words::GLOBAL_ADMINISTRATOR) => Rank::High,
                    (Kind::Added, r) if words::HIGHLY_PRIVILEGED.contains(&r) => Rank::High,
                    _ => Rank::Medium,
                };
                (rank, format!("{who} {verb} {title}"))
            }
            (roles::ACTIVATION_POLICIES, _) => (
                Rank::High,
                format!(
                    "activation of {}: {}",
                    words::roles(&[is["roleDefinitionId"].as_str().unwrap_or(object)]),
                    sentence(properties)
                ),
            ),
            (roles::DEFINITIONS, _) => (Rank::High, plain),
            (directory::DOMAINS, Kind::Changed) if touched("authenticationType") => {
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
            (directory::FEDERATION, Kind::Removed) => {
                (Rank::Medium, format!("trust in the sign-in service {plain}"))
            }
            (
                directory::GROUP_SETTINGS | identity::DEVICE_REGISTRATION,
                Kind::Changed | Kind::Removed,
            ) => (Rank::High, plain),
            (directory::DOMAINS, Kind::Added | Kind::Removed) => {
                (Rank::High, format!("the domain {plain}"))
            }
            (directory::FEDERATION, _) => {
                (Rank::Critical, format!("trust in the sign-in service {plain}"))
            }
            (directory::SYNCHRONIZATION, _) => (Rank::High, plain),
            (identity::CONDITIONAL_ACCESS_POLICIES, _) => {
                policy(object, kind, &was, &is, properties, plain)
            }
            (identity::NAMED_LOCATIONS, Kind::Changed)
                if touched("ipRanges")
                    || touched("isTrusted")
                    || touched("countriesAndRegions") =>
            {
                (Rank::High, format!("the place {plain}"))
            }
            (identity::NAMED_LOCATIONS, _) => (Rank::Medium, format!("the place {plain}")),
            (identity::SECURITY_DEFAULTS, _) if is["isEnabled"] == false => {
                (Rank::Critical, "security defaults were switched off".to_owned())
            }
            (
                identity::AUTHORIZATION
                | identity::AUTHENTICATION_METHODS
                | identity::AUTHENTICATION_STRENGTHS
                | identity::CROSS_TENANT_ACCESS_DEFAULT
                | identity::ADMIN_CONSENT_REQUESTS,
                _,
            ) => (Rank::High, plain),
            (identity::CROSS_TENANT_ACCESS_PARTNERS, _) => {
                (Rank::High, format!("the partner tenant {plain}"))
            }
            (applications::PERMISSIONS, Kind::Removed)
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
            (applications::PERMISSIONS, Kind::Added) => {
                let permission = is["permission"].as_str().unwrap_or_default();
                let app = self.app(&is["application"]);
                (
                    if strong(permission) { Rank::Critical } else { Rank::Medium },
                    format!("{app} was given the application permission {permission}"),
                )
            }
            (applications::DELEGATED_GRANTS, Kind::Added | Kind::Changed) => {
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
            (applications::REGISTRATIONS | applications::SERVICE_PRINCIPALS, Kind::Changed)
                if touched("passwordCredentials") || touched("keyCredentials") =>
            {
                (
                    Rank::High,
                    format!(
                        "the application {object} has other credentials: {}",
                        sentence(properties)
                    ),
                )
            }
            // Who owns an application gives it credentials; a federated one is a credential.
            (applications::REGISTRATIONS, Kind::Changed)
                if touched("owners") || touched("federatedIdentityCredentials") =>
            {
                (Rank::High, format!("the application {plain}"))
            }
            (identity::PERMISSION_GRANT_POLICIES, Kind::Changed | Kind::Removed) => {
                (Rank::High, format!("consent by users: {plain}"))
            }
            (applications::REGISTRATIONS | applications::SERVICE_PRINCIPALS, Kind::Removed)
                if self.own.iter().any(|o| o.ends_with(&format!("/{object}"))) =>
            {
                (Rank::Critical, format!("the backup's own application {object} is gone"))
            }
            (applications::DEFAULT_MANAGEMENT_POLICY | applications::MANAGEMENT_POLICIES, _) => {
                (Rank::High, plain)
            }
            (applications::REGISTRATIONS | applications::SERVICE_PRINCIPALS, Kind::Added) => {
                (Rank::Medium, format!("the application {plain}"))
            }
            (directory::REFERENCED_GROUPS, Kind::Changed) if touched("members") => (
                Rank::High,
                format!(
                    "the group {object}, which {}: {}",
                    self.power_of(object),
                    sentence(properties)
                ),
            ),
            (directory::PRIVILEGED_USERS, Kind::Changed) => {
                (Rank::High, format!("the administrator {plain}"))
            }
            (directory::PRIVILEGED_USERS | directory::REFERENCED_GROUPS, _) => (Rank::Low, plain),
            (devices::APPROVAL_POLICIES, Kind::Removed | Kind::Changed) => {
                (Rank::High, format!("approval by a second person: {plain}"))
            }
            (devices::COMPLIANCE_POLICIES | devices::SETTINGS, Kind::Removed | Kind::Changed) => {
                (Rank::High, plain)
            }
            (devices::CONFIGURATIONS, Kind::Removed | Kind::Changed) => (Rank::Medium, plain),
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
            (exchange::JOURNAL_RULES, Kind::Added | Kind::Changed) => {
                (Rank::Critical, format!("copies of mail to a journal: {plain}"))
            }
            (exchange::TRANSPORT_RULES, Kind::Added | Kind::Changed) if sends_away(&is) => {
                (Rank::Critical, format!("a mail flow rule that sends mail elsewhere: {plain}"))
            }
            (exchange::TRANSPORT_RULES, _) => (Rank::High, format!("the mail flow rule {plain}")),
            (exchange::INBOUND_CONNECTORS | exchange::OUTBOUND_CONNECTORS, _) => {
                (Rank::High, format!("the mail connector {plain}"))
            }
            (exchange::REMOTE_DOMAINS, _) if touched("AutoForwardEnabled") => {
                (Rank::High, format!("mail forwarding to {plain}"))
            }
            (exchange::ROLE_GROUPS, _) => (Rank::High, format!("the Exchange role group {plain}")),
            (teams::FEDERATION, _) => {
                (Rank::High, format!("Teams with outsiders: {}", sentence(properties)))
            }
            (c, Kind::Changed | Kind::Removed) if c.starts_with("exchange/") => (Rank::High, plain),
            (c, Kind::Changed | Kind::Removed)
                if c.starts_with("teams/") || c.starts_with("purview/") =>
            {
                (Rank::Medium, plain)
            }
            (_, Kind::Replaced) => (Rank::High, plain),
            (_, Kind::Removed) => (Rank::Medium, plain),
            _ => (Rank::Low, plain),
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
    kind: Kind,
    was: &Value,
    is: &Value,
    properties: &[Property],
    plain: String,
) -> (Rank, String) {
    let on = |v: &Value| v["state"] == "enabled";
    match kind {
        Kind::Removed if on(was) => {
            (Rank::Critical, format!("the policy {object}, which was on, is gone"))
        }
        Kind::Changed if on(was) && !on(is) => (
            Rank::Critical,
            format!(
                "the policy {object} was switched off ({})",
                is["state"].as_str().unwrap_or("unknown")
            ),
        ),
        Kind::Changed if on(was) => {
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
            let rank = if properties.iter().any(|p| grave.iter().any(|g| p.path.starts_with(g))) {
                Rank::High
            } else {
                Rank::Medium
            };
            (rank, format!("the policy {object}: {}", sentence(properties)))
        }
        Kind::Added
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
        Kind::Added
            if on(is)
                && is["grantControls"]["builtInControls"]
                    .as_array()
                    .is_some_and(|c| c.iter().any(|x| x == "block")) =>
        {
            (Rank::High, format!("the policy {object} is new and blocks"))
        }
        Kind::Replaced => (Rank::High, format!("another policy bears the name {object}")),
        _ => (Rank::Medium, format!("the policy {plain}")),
    }
}

/// Properties in words; the first few.
fn sentence(properties: &[Property]) -> String {
    let one = |p: &Property| match (&p.old, &p.new) {
        (Value::Null, n) => format!("{} has {} more", p.path, short(n)),
        (o, Value::Null) => format!("{} lost {}", p.path, short(o)),
        (o, n) => format!("{} was {} and is {}", p.path, short(o), short(n)),
    };
    let shown = properties.iter().take(3).map(one).collect::<Vec<_>>().join("; ");
    if properties.len() > 3 { format!("{shown}; and {} more", properties.len() - 3) } else { shown }
}

fn short(v: &Value) -> String {
    let text = match v {
        Value::String(s) => words::symbol(s),
        other => other.to_string(),
    };
    if text.chars().count() > 80 {
        format!("{}…", text.chars().take(80).collect::<String>())
    } else {
        text
    }
}

/// What rows of a list are known by.
const KEYS: &[&str] = &["id", "restrictionType", "name", "userId", "cidrAddress", "displayName"];

fn differ(path: &str, old: &Value, new: &Value, out: &mut Vec<Property>) {
    if old == new {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (old, new) {
        (Value::Object(o), Value::Object(n)) => {
            let keys: BTreeSet<&String> = o.keys().chain(n.keys()).collect();
            for key in keys {
                differ(
                    &below(key),
                    o.get(key).unwrap_or(&Value::Null),
                    n.get(key).unwrap_or(&Value::Null),
                    out,
                );
            }
        }
        (Value::Array(o), Value::Array(n)) => {
            let told_apart = |list: &[Value], key: &str| {
                let names: BTreeSet<&str> = list.iter().filter_map(|r| r[key].as_str()).collect();
                names.len() == list.len()
            };
            let key = KEYS.iter().find(|k| told_apart(o, k) && told_apart(n, k));
            match key {
                Some(key) if !(o.is_empty() && n.is_empty()) => {
                    let rows = |list: &[Value]| -> BTreeMap<String, Value> {
                        list.iter()
                            .filter_map(|r| Some((r[*key].as_str()?.to_owned(), r.clone())))
                            .collect()
                    };
                    let (o, n) = (rows(o), rows(n));
                    let keys: BTreeSet<&String> = o.keys().chain(n.keys()).collect();
                    for k in keys {
                        differ(
                            &format!("{path}[{k}]"),
                            o.get(k).unwrap_or(&Value::Null),
                            n.get(k).unwrap_or(&Value::Null),
                            out,
                        );
                    }
                }
                _ => {
                    // A list of words is a set.
                    let push = |old: Value, new: Value, out: &mut Vec<Property>| {
                        out.push(Property { path: path.to_owned(), old, new })
                    };
                    o.iter()
                        .filter(|v| !n.contains(v))
                        .for_each(|v| push(v.clone(), Value::Null, out));
                    n.iter()
                        .filter(|v| !o.contains(v))
                        .for_each(|v| push(Value::Null, v.clone(), out));
                }
            }
        }
        _ => out.push(Property { path: path.to_owned(), old: old.clone(), new: new.clone() }),
    }
}
