//! What happens to people: renamed, two names exchanged, a year group that moves up, deleted, had
//! back, made anew under the same name, guests and others without mailbox or drive.

use crate::{
    core::{
        tenant::{Facts, Tenant, User, What},
        world::World,
    },
    life::seed,
};
use serde::{Deserialize, Serialize};

/// A change of people. They are named by id or principal name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum PersonChange {
    /// Gets another name and principal name.
    Rename {
        /// Who.
        person: String,
        /// The new display name.
        name: String,
        /// The new principal name.
        principal_name: String,
    },
    /// Two exchange their names and principal names at once.
    Exchange {
        /// One.
        one: String,
        /// The other.
        other: String,
    },
    /// Deleted, and can be had back for 30 days (directory: deleted items).
    Delete {
        /// Who.
        person: String,
    },
    /// Had back with everything.
    Restore {
        /// Id of who was deleted.
        person: String,
    },
    /// Deleted for good.
    Purge {
        /// Id of who was deleted.
        person: String,
    },
    /// Deleted, and somebody new comes under the same name: another id, an empty mailbox and drive.
    Recreate {
        /// Who.
        person: String,
    },
    /// May no longer sign in.
    Disable {
        /// Who.
        person: String,
    },
    /// A guest: `…#EXT#@…`, without mailbox and drive.
    Invite {
        /// Address at home.
        address: String,
    },
    /// Somebody whose mailbox and drive do not exist: `mail` is null.
    AdmitWithoutLicence {
        /// Principal name.
        principal_name: String,
    },
    /// A shared mailbox: the account is disabled, there is no licence and no drive.
    Share {
        /// Principal name.
        principal_name: String,
    },
    /// The first pupil leaves, everybody else takes the name of the one before.
    MoveUp,
}

fn delete(tenant: &mut Tenant, id: &str) -> Option<User> {
    let user = tenant.users.remove(id)?;
    tenant.user_log.push((user.id.clone(), What::Gone));
    Some(user)
}

fn admit(tenant: &mut Tenant, user: User) -> Option<String> {
    let id = user.id.clone();
    tenant.user_log.push((id.clone(), What::New));
    tenant.users.insert(id.clone(), user);
    Some(id)
}

fn named(tenant: &mut Tenant, id: &str, name: &str, upn: &str) -> Option<String> {
    let user = tenant.users.get_mut(id)?;
    name.clone_into(&mut user.name);
    upn.clone_into(&mut user.upn);
    let changed = vec!["displayName", "givenName", "surname", "mail", "userPrincipalName"];
    tenant.user_log.push((id.to_owned(), What::Changed(changed)));
    Some(id.to_owned())
}

impl World {
    /// The id of who was changed, made or had back; `None` when there is no such person.
    pub(crate) fn change_people(&mut self, tenant: usize, change: &PersonChange) -> Option<String> {
        let now = self.now();
        let tenant = self.tenants.get_mut(tenant)?;
        let (lean, domain) = (Facts { bare: true, ..Facts::default() }, tenant.domain.clone());
        match change {
            PersonChange::Rename { person, name, principal_name } => {
                let id = tenant.user_id(person)?;
                named(tenant, &id, name, principal_name)
            }
            PersonChange::Exchange { one, other } => {
                let (one, other) = (tenant.user_id(one)?, tenant.user_id(other)?);
                let of = |id: &str| tenant.users.get(id).map(|u| (u.name.clone(), u.upn.clone()));
                let (a, b) = (of(&one)?, of(&other)?);
                named(tenant, &one, &b.0, &b.1)?;
                named(tenant, &other, &a.0, &a.1)
            }
            PersonChange::Delete { person } => {
                let id = tenant.user_id(person)?;
                let user = delete(tenant, &id)?;
                tenant.gone.insert(id.clone(), (user, now));
                Some(id)
            }
            PersonChange::Restore { person } => {
                let (user, _) = tenant.gone.remove(person)?;
                admit(tenant, user)
            }
            PersonChange::Purge { person } => {
                let (user, _) = tenant.gone.remove(person)?;
                tenant.user_log.push((user.id.clone(), What::Gone));
                Some(user.id)
            }
            PersonChange::Recreate { person } => {
                let id = tenant.user_id(person)?;
                let old = delete(tenant, &id)?;
                let (name, upn, job) = (old.name.clone(), old.upn.clone(), old.job.clone());
                tenant.gone.insert(id, (old, now));
                let user = seed::user(&mut tenant.ids, &name, upn, &job, now);
                admit(tenant, user)
            }
            PersonChange::Disable { person } => {
                let id = tenant.user_id(person)?;
                tenant.users.get_mut(&id)?.facts.disabled = true;
                tenant.user_log.push((id.clone(), What::Changed(vec!["accountEnabled"])));
                Some(id)
            }
            PersonChange::Invite { address } => {
                let upn = format!("{}#EXT#@{domain}", address.replace('@', "_"));
                let mut user = seed::user(&mut tenant.ids, address, upn, "", now);
                user.facts = Facts { guest: Some(address.clone()), ..lean };
                admit(tenant, user)
            }
            PersonChange::AdmitWithoutLicence { principal_name } => {
                let mut user =
                    seed::user(&mut tenant.ids, principal_name, principal_name.clone(), "", now);
                user.facts = lean;
                admit(tenant, user)
            }
            PersonChange::Share { principal_name } => {
                let mut user =
                    seed::user(&mut tenant.ids, principal_name, principal_name.clone(), "", now);
                user.facts = Facts { disabled: true, shared: true, ..Facts::default() };
                admit(tenant, user)
            }
            PersonChange::MoveUp => {
                let mut pupils: Vec<(String, String, String)> = tenant
                    .users
                    .values()
                    .filter(|u| u.job == "Pupil")
                    .map(|u| (u.upn.clone(), u.name.clone(), u.id.clone()))
                    .collect();
                pupils.sort();
                let (_, _, first) = pupils.first()?.clone();
                let left = delete(tenant, &first)?;
                tenant.gone.insert(first.clone(), (left, now));
                for pair in pupils.windows(2) {
                    named(tenant, &pair[1].2, &pair[0].1, &pair[0].0)?;
                }
                Some(first)
            }
        }
    }
}
