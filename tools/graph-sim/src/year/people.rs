//! People join, leave, and change their names.

use super::{Event, Life};
use crate::{core::tenant::User, drives::state::Drive, mail::state::Mailbox};

impl Life {
    pub(super) fn act_on_people(&mut self, event: &Event) -> Option<()> {
        let mut world = self.sim.world();
        let now = world.now();
        let tenant = &mut world.tenants[self.tenant];
        let upn = |name: &str| format!("{name}@{}", tenant.domain);
        match event {
            Event::Join { person, name } => {
                let upn = upn(name);
                if self.people.contains_key(person) || tenant.user_id(&upn).is_some() {
                    return None;
                }
                let id = tenant.ids.guid("user");
                let user = User {
                    id: id.clone(),
                    name: format!("Person {person}"),
                    upn,
                    job: "Pupil".into(),
                    mailbox: Mailbox::new(&mut tenant.ids),
                    drive: Drive::new(&mut tenant.ids, now),
                    more_drives: Vec::new(),
                };
                tenant.users.insert(id.clone(), user);
                tenant.user_log.push((id.clone(), true));
                self.people.insert(*person, id);
            }
            Event::Leave { person } => {
                let id = self.people.get(person)?;
                tenant.users.remove(id)?;
                tenant.user_log.push((id.clone(), false));
            }
            Event::RenameUser { person, name } => {
                let (id, upn) = (self.people.get(person)?, upn(name));
                if tenant.user_id(&upn).is_some() {
                    return None;
                }
                tenant.users.get_mut(id)?.upn = upn;
                tenant.user_log.push((id.clone(), true));
            }
            Event::SwapNames { a, b } => {
                let (a, b) = (self.people.get(a)?.clone(), self.people.get(b)?.clone());
                let (at_a, at_b) =
                    (tenant.users.get(&a)?.upn.clone(), tenant.users.get(&b)?.upn.clone());
                tenant.users.get_mut(&a)?.upn = at_b;
                tenant.users.get_mut(&b)?.upn = at_a;
                tenant.user_log.extend([(a, true), (b, true)]);
            }
            Event::Recreate { old, person } => {
                let old = self.people.get(old)?;
                if self.people.contains_key(person) {
                    return None;
                }
                let gone = tenant.users.remove(old)?;
                tenant.user_log.push((old.clone(), false));
                let id = tenant.ids.guid("user");
                let user = User {
                    id: id.clone(),
                    name: gone.name,
                    upn: gone.upn,
                    job: gone.job,
                    mailbox: Mailbox::new(&mut tenant.ids),
                    drive: Drive::new(&mut tenant.ids, now),
                    more_drives: Vec::new(),
                };
                tenant.users.insert(id.clone(), user);
                tenant.user_log.push((id.clone(), true));
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
