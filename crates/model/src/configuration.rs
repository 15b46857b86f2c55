use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How the reading of a collection of settings ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum CollectionState {
    /// All of it was read.
    Collected,
    /// The tenant has no licence for it.
    NotLicensed {
        /// What the service said.
        why: String,
    },
    /// The application lacks a permission.
    NoPermission {
        /// The permission that would do.
        permission: String,
        /// What the service said.
        why: String,
        /// Whether the objects are those of the last time that it could be read.
        #[serde(default)]
        kept: bool,
    },
    /// No interface gives it.
    NoApi {
        /// Where it can be seen instead.
        why: String,
    },
    /// The service failed.
    Failed {
        /// How.
        why: String,
        /// Whether the objects are those of the last time that it could be read.
        #[serde(default)]
        kept: bool,
    },
}

impl CollectionState {
    /// Whether all of it was read.
    pub fn is_collected(&self) -> bool {
        *self == CollectionState::Collected
    }

    /// Whether its objects say how things were when it was read last.
    pub fn has_objects(&self) -> bool {
        matches!(self, CollectionState::Collected | CollectionState::NoPermission { kept: true, .. } | CollectionState::Failed { kept: true, .. })
    }

    /// Whether somebody has to do something before it can be read again.
    pub fn is_blind(&self) -> bool {
        matches!(self, CollectionState::NoPermission { .. } | CollectionState::Failed { .. })
    }

    /// Why a rule that needs it cannot judge; empty when it can.
    pub fn lack(&self) -> String {
        match self {
            CollectionState::Collected => String::new(),
            CollectionState::NotLicensed { why } => format!("not licensed: {why}"),
            CollectionState::NoPermission { permission, .. } => format!("no permission: {permission} is not granted"),
            CollectionState::NoApi { why } => format!("no API: {why}"),
            CollectionState::Failed { why, .. } => format!("not collected: {why}"),
        }
    }
}

/// One object of a tenant's configuration.
///
/// Invariant: two tenants that are set up alike have equal names and bodies. Ids stand apart, a reference to another object of
/// the same tenant is its symbol (`@groups/All staff`), and what changes by itself (times, authors) is in `volatile`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigObject {
    /// Unique in its collection.
    pub name: String,
    /// The tenant's own id of it; empty for what exists once.
    pub id: String,
    /// The settings.
    pub body: Value,
    /// What changes without anybody changing a setting.
    pub volatile: Value,
}

/// The objects of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigCollection {
    /// How its reading ended.
    #[serde(flatten)]
    pub state: CollectionState,
    /// Sorted by name.
    #[serde(default)]
    pub objects: Vec<ConfigObject>,
}

/// A line of the tenant's own audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: jiff::Timestamp,
    /// Who: a sign-in name, or an application's name.
    pub who: String,
    /// What the log calls it.
    pub activity: String,
    /// Ids and names of what was touched.
    pub targets: Vec<String>,
}

/// The configuration of a tenant at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The tenant's name here.
    pub tenant: String,
    /// When it was read.
    pub taken: jiff::Timestamp,
    /// When what Tenant Configuration Management gives was read: seldom, since it is rationed.
    pub managed_at: Option<jiff::Timestamp>,
    /// By name, such as `identity/conditional-access-policies`.
    pub collections: BTreeMap<String, ConfigCollection>,
    /// Symbols that bodies use, and the ids that they stood for.
    pub references: BTreeMap<String, String>,
}

impl Configuration {
    /// An empty one.
    pub fn new(tenant: impl Into<String>, taken: jiff::Timestamp) -> Self {
        Self { tenant: tenant.into(), taken, managed_at: None, collections: BTreeMap::new(), references: BTreeMap::new() }
    }

    /// What applications with these ids are called where settings refer to them.
    pub fn application_symbols(&self, ids: &[String]) -> Vec<String> {
        let mut out: Vec<String> = ids.iter().map(|id| format!("@service-principals/{id}")).collect();
        for o in self.collections.get("applications/registrations").map(|c| c.objects.as_slice()).unwrap_or_default() {
            if o.volatile["appId"].as_str().is_some_and(|id| ids.iter().any(|w| w.eq_ignore_ascii_case(id))) {
                out.push(format!("@service-principals/{}", o.name));
            }
        }
        out
    }

    /// What settings call the person or group with this id, as far as they name it.
    pub fn symbol_of(&self, id: &str) -> Option<String> {
        let named = self.references.iter().find(|(_, known)| known.eq_ignore_ascii_case(id)).map(|(symbol, _)| symbol.clone());
        let there = |(collection, kind): (&str, &str)| {
            let found = self.collections.get(collection)?.objects.iter().find(|o| o.id.eq_ignore_ascii_case(id))?;
            Some(format!("@{kind}/{}", found.name))
        };
        named.or_else(|| [("directory/privileged-users", "users"), ("directory/referenced-groups", "groups")].into_iter().find_map(there))
    }

    /// An object by collection and name.
    pub fn object(&self, collection: &str, name: &str) -> Option<&ConfigObject> {
        self.collections.get(collection)?.objects.iter().find(|o| o.name == name)
    }
}
