//! People join, leave, change their names, may no longer sign in.

use super::{Event, Life, PersonKey};
use crate::{PersonChange, Truth, core::tenant::What, drives::state::Drive, life::seed};

fn renamed() -> What {
    What::Changed(vec!["userPrincipalName"])
}

/// Who comes without mailbox or drive, and the change that brings them.
fn without(event: &Event, domain: &str) -> Option<(PersonKey, PersonChange)> {
    match event {
        Event::Invite { person, name } => {
            Some((*person, PersonChange::Invite { address: format!("{name}@home.example") }))
        }
        Event::JoinBare { person, name } => {
            let principal_name = format!("{name}@{domain}");
            Some((*person, PersonChange::AdmitWithoutLicence { principal_name }))
        }
        Event::JoinShared { person, name } => {
            let principal_name = format!("{name}@{domain}");
            Some((*person, PersonChange::Share { principal_name }))
        }
        _ => None,
    }
}

impl Life {
    pub(super) fn act_on_people(&mut self, event: &Event) -> Option<()> {
        let mut world = self.sim.world();
        let now = world.now();
        if matches!(event, Event::NewDrive { .. }) && !world.tells(Truth::DriveAnew) {
            return None;
        }
        if let Some((person, change)) = without(event, &world.tenants[self.tenant].domain) {
            if self.people.contains_key(&person) {
                return None;
            }
            let id = world.change_people(self.tenant, &change)?;
            self.people.insert(person, id);
            return Some(());
        }
        let tenant = &mut world.tenants[self.tenant];
        let upn = |name: &str| format!("{name}@{}", tenant.domain);
        match event {
            Event::Join { person, name } => {
                let upn = upn(name);
                if self.people.contains_key(person) || tenant.user_id(&upn).is_some() {
                    return None;
                }
                let name = format!("Person {person}");
                let user = seed::user(&mut tenant.ids, &name, upn, "Pupil", now);
                let id = user.id.clone();
                tenant.users.insert(id.clone(), user);
                tenant.user_log.push((id.clone(), What::New));
                self.people.insert(*person, id);
            }
            Event::Leave { person } => {
                let id = self.people.get(person)?;
                tenant.users.remove(id)?;
                tenant.user_log.push((id.clone(), What::Gone));
            }
            Event::RenameUser { person, name } => {
                let (id, upn) = (self.people.get(person)?, upn(name));
                if tenant.user_id(&upn).is_some() {
                    return None;
                }
                tenant.users.get_mut(id)?.upn = upn;
                tenant.user_log.push((id.clone(), renamed()));
            }
            Event::Disable { person } | Event::Enable { person } => {
                let id = self.people.get(person)?;
                let disabled = matches!(event, Event::Disable { .. });
                let facts = &mut tenant.users.get_mut(id)?.facts;
                if facts.disabled == disabled {
                    return None;
                }
                facts.disabled = disabled;
                tenant.user_log.push((id.clone(), What::Changed(vec!["accountEnabled"])));
            }
            Event::SwapNames { a, b } => {
                let (a, b) = (self.people.get(a)?.clone(), self.people.get(b)?.clone());
                let (at_a, at_b) =
                    (tenant.users.get(&a)?.upn.clone(), tenant.users.get(&b)?.upn.clone());
                tenant.users.get_mut(&a)?.upn = at_b;
                tenant.users.get_mut(&b)?.upn = at_a;
                tenant.user_log.extend([(a, renamed()), (b, renamed())]);
            }
            Event::Recreate { old, person } => {
                let old = self.people.get(old)?;
                if self.people.contains_key(person) {
                    return None;
                }
                let gone = tenant.users.remove(old)?;
                tenant.user_log.push((old.clone(), What::Gone));
                let user = seed::user(&mut tenant.ids, &gone.name, gone.upn, &gone.job, now);
                let id = user.id.clone();
                tenant.users.insert(id.clone(), user);
                tenant.user_log.push((id.clone(), What::New));
                self.people.insert(*person, id);
            }
            Event::NewDrive { person } => {
                let (user, ids) = tenant.user_mut(self.people.get(person)?)?;
                user.drive = Drive::new(ids, now);
            }
            _ => return None,
        }
        Some(())
    }
}
