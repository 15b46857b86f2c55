//! What each application identity needs: one table, from which the documentation's page is checked
//! and against which `config check --online` holds what was granted.

use crate::{ALL, holds, workload::Profile};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::collections;
use strongroom_settings::{Reader, rows, setters};

/// People, whose names every other list needs.
pub const PEOPLE: &str = "User.Read.All";
/// Permissions that reading settings takes beside those of the collections' own lists, and for
/// what.
const SETTINGS: [(&str, &str); 6] = [
    ("Application.Read.All", collections::applications::PERMISSIONS),
    ("AuditLog.Read.All", "tenant diff --who"),
    ("Directory.Read.All", "names of those whom settings mean"),
    ("Domain-InternalFederation.Read.All", collections::directory::FEDERATION),
    ("GroupMember.Read.All", collections::directory::REFERENCED_GROUPS),
    ("User.Read.All", collections::directory::PRIVILEGED_USERS),
];
/// Jobs of Tenant Configuration Management; it changes no setting.
const MANAGED: &str = "ConfigurationMonitoring.ReadWrite.All";

/// Why something is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// For what, in words: workloads and collections.
    pub uses: BTreeSet<String>,
    /// Without it a backup lacks what it is for. Where it is not vital, what cannot be read is
    /// told in each round, and a tenant may go without.
    pub is_vital: bool,
}

/// Permissions by name.
pub type PermissionNeeds = BTreeMap<&'static str, Need>;

fn add(needs: &mut PermissionNeeds, permission: &'static str, what: &str, is_vital: bool) {
    let need = needs.entry(permission).or_default();
    need.uses.insert(what.to_owned());
    need.is_vital |= is_vital;
}

/// What the identity that reads needs, for the data of these workloads; with settings and holds
/// where they are watched.
pub fn to_read(is_wanted: impl Fn(&Profile) -> bool, with_holds: bool) -> PermissionNeeds {
    let mut needs = PermissionNeeds::new();
    add(&mut needs, PEOPLE, "people", true);
    for profile in ALL.iter().map(|w| w.profile()).filter(|p| is_wanted(p)) {
        for permission in profile.reads {
            add(&mut needs, permission, profile.name, !profile.is_optional);
        }
    }
    if with_holds {
        add(&mut needs, holds::PERMISSION, "holds", false);
    }
    for row in rows() {
        match row.reader {
            Reader::Graph(ask) => add(&mut needs, ask.permission, row.name, false),
            Reader::Managed(_) => {
                add(&mut needs, MANAGED, "settings of Exchange, Teams and Purview", false);
            }
            Reader::Derived(_) | Reader::None(_) => {}
        }
    }
    for (permission, what) in SETTINGS {
        add(&mut needs, permission, what, false);
    }
    needs
}

/// What the identity that restores data needs.
pub fn to_write(is_wanted: impl Fn(&Profile) -> bool) -> PermissionNeeds {
    let mut needs = PermissionNeeds::new();
    add(&mut needs, PEOPLE, "people", true);
    for profile in ALL.iter().map(|w| w.profile()).filter(|p| is_wanted(p)) {
        for permission in profile.writes {
            add(&mut needs, permission, profile.name, true);
        }
    }
    needs
}

/// What putting settings back may take. None of it is held for longer than a restore lasts: the
/// plan of one says which it takes.
pub fn to_configure() -> PermissionNeeds {
    let mut needs = PermissionNeeds::new();
    for settable in setters() {
        add(&mut needs, settable.by.permission, settable.row.name, false);
    }
    add(
        &mut needs,
        "RoleAssignmentSchedule.ReadWrite.Directory",
        "roles that Privileged Identity Management gave",
        false,
    );
    add(&mut needs, "Directory.Read.All", "owners of applications", false);
    needs
}

/// Whether whoever holds it can change something, as far as its name tells.
pub fn changes(permission: &str) -> bool {
    let mut parts = permission.split('.').skip(1);
    !parts.next().is_some_and(|verb| verb.starts_with("Read") && !verb.contains("Write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_change_something_is_known_by_name() {
        for (name, can) in [
            ("Mail.Read", false),
            ("Mail.ReadBasic.All", false),
            ("RoleManagement.Read.Directory", false),
            ("Directory.ReadWrite.All", true),
            ("Mail.Send", true),
            ("Sites.FullControl.All", true),
            ("full_access_as_app", true),
            ("User.ManageIdentities.All", true),
        ] {
            assert_eq!(changes(name), can, "{name}");
        }
    }

    #[test]
    fn whoever_reads_needs_nothing_that_changes_a_setting() {
        for (name, need) in to_read(|_| true, true) {
            assert!(!changes(name) || name == MANAGED, "{name} for {:?}", need.uses);
        }
        let less = to_read(|p| p.name != "contacts", false);
        assert!(!less.contains_key("Contacts.Read") && !less.contains_key(holds::PERMISSION));
        assert!(less["Mail.Read"].is_vital && !less["Calendars.Read"].is_vital);
    }
}
