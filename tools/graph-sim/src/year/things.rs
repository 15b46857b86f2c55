//! Contacts, tasks, calendars and sites: what happens to them, and all that they hold.

use super::{Event, Life, state::LibraryState};
use crate::{
    contacts, core::lists::Lists, core::lists_life, core::odata::Query, core::tenant::Tenant,
    core::tenant::User, mail::state::Attachment, mail::state::AttachmentKind, tasks,
};
use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Map, Value, json};

/// A folder of contacts, a list of tasks, a calendar.
#[derive(Debug, Clone)]
pub struct ListState {
    /// Its id.
    pub id: String,
    /// Names from the top, joined by `/`; a slash within a name is a slash too.
    pub path: String,
    /// Whether a backup can write it again; a calendar of birthdays or holidays cannot be.
    pub can_edit: bool,
    /// What is counted and never listed.
    pub unlisted: u64,
    /// What is in it.
    pub things: Vec<ThingState>,
}

/// A contact, a task, an event.
#[derive(Debug, Clone)]
pub struct ThingState {
    /// Its id; the immutable one where there is one.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Of contacts and tasks all that the service shows; of events what the service holds of its
    /// own, without what follows from it.
    pub value: Value,
    /// What belongs to it and is no property of it.
    pub parts: Vec<PartState>,
    /// Of a series the days that are other than planned.
    pub days: Vec<DayState>,
    /// Properties that an application put there, by name: `singleValueExtendedProperties` and open
    /// extensions.
    pub extended: Vec<String>,
}

/// A picture, an attachment.
#[derive(Debug, Clone)]
pub struct PartState {
    /// `photo` or `attachment`.
    pub what: &'static str,
    /// The day of a series that it belongs to.
    pub day: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its bytes; none for items and links.
    pub content: Option<Bytes>,
}

/// A day of a series.
#[derive(Debug, Clone)]
pub struct DayState {
    /// `2026-03-09`.
    pub day: String,
    /// It does not take place.
    pub is_cancelled: bool,
    /// What is other than in the series.
    pub value: Value,
}

/// A site.
#[derive(Debug, Clone)]
pub struct SiteState {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its document libraries.
    pub libraries: Vec<LibraryState>,
}

fn attachment(day: Option<&str>, a: &Attachment) -> PartState {
    let content = match &a.kind {
        AttachmentKind::File { content, .. } => Some(content.clone()),
        AttachmentKind::Item { .. } | AttachmentKind::Reference => None,
    };
    let day = day.map(str::to_owned);
    PartState { what: "attachment", day, name: Some(a.name.clone()), content }
}

pub(super) fn contacts_of(u: &User) -> Vec<ListState> {
    let lists = u.contacts.all.values().map(|list| ListState {
        id: list.id.clone(),
        path: contacts::life::path(&u.contacts, &list.id),
        can_edit: true,
        unlisted: list.unlisted as u64,
        things: list
            .things
            .values()
            .map(|t| {
                let photo = t.photo.iter().map(|photo| PartState {
                    what: "photo",
                    day: None,
                    name: None,
                    content: Some(photo.clone()),
                });
                ThingState {
                    id: t.immutable.clone(),
                    name: t.text("displayName").to_owned(),
                    value: contacts::show::contact(t, &list.id, true, &Query::default()),
                    parts: photo.collect(),
                    days: Vec::new(),
                    extended: t.extended.keys().chain(t.extensions.keys()).cloned().collect(),
                }
            })
            .collect(),
    });
    lists.collect()
}

fn name_of(properties: &Map<String, Value>, name: &str) -> String {
    properties.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn tasks_of(u: &User) -> Vec<ListState> {
    let lists = u.tasks.all.values().map(|list| ListState {
        id: list.id.clone(),
        path: name_of(&list.properties, "displayName"),
        can_edit: true,
        unlisted: list.unlisted as u64,
        things: list
            .things
            .values()
            .map(|t| {
                let mut value = tasks::show::task(t, &Query::default());
                for (_, name) in tasks::show::PARTS {
                    value[*name] = json!(t.parts.get(name).cloned().unwrap_or_default());
                }
                ThingState {
                    id: t.id.clone(),
                    name: t.text("title").to_owned(),
                    value,
                    parts: t.attachments.iter().map(|a| attachment(None, a)).collect(),
                    days: Vec::new(),
                    extended: t.extensions.keys().cloned().collect(),
                }
            })
            .collect(),
    });
    lists.collect()
}

pub(super) fn calendars_of(u: &User) -> Vec<ListState> {
    let lists = u.calendars.lists.all.values().map(|list| ListState {
        id: list.id.clone(),
        path: name_of(&list.properties, "name"),
        can_edit: list.properties.get("canEdit").is_none_or(|e| e == true),
        unlisted: list.unlisted as u64,
        things: list
            .things
            .values()
            .map(|t| {
                let mut parts: Vec<PartState> =
                    t.attachments.iter().map(|a| attachment(None, a)).collect();
                for (day, e) in t.exceptions.iter().filter(|(_, e)| !e.cancelled) {
                    parts.extend(e.attachments.iter().map(|a| attachment(Some(day), a)));
                }
                let days = t.exceptions.iter().map(|(day, e)| DayState {
                    day: day.clone(),
                    is_cancelled: e.cancelled,
                    value: Value::Object(e.properties.clone()),
                });
                ThingState {
                    id: t.immutable.clone(),
                    name: t.text("subject").to_owned(),
                    value: Value::Object(t.properties.clone()),
                    parts,
                    days: days.collect(),
                    extended: t.extended.keys().chain(t.extensions.keys()).cloned().collect(),
                }
            })
            .collect(),
    });
    lists.collect()
}

pub(super) fn sites_of(tenant: &Tenant) -> Vec<SiteState> {
    let sites = tenant.sites.all.values().map(|site| SiteState {
        id: site.id.clone(),
        title: site.title.clone(),
        libraries: site.libraries.iter().map(LibraryState::of).collect(),
    });
    sites.collect()
}

/// Takes so many percent of all things away, list by list.
fn purge(lists: &mut Lists, percent: u32) -> Option<()> {
    let mut all: Vec<(String, String)> = lists
        .all
        .values()
        .filter(|l| l.properties.get("canEdit").is_none_or(|e| e == true))
        .flat_map(|l| l.things.keys().map(|t| (l.id.clone(), t.clone())))
        .collect();
    all.truncate(all.len() * percent as usize / 100);
    (!all.is_empty()).then_some(())?;
    for at in all {
        lists.remove(&at);
    }
    Some(())
}

impl Life {
    pub(super) fn act_on_things(&mut self, event: &Event) -> Option<()> {
        let mut world = self.sim.world();
        let tenant = self.tenant;
        let user = match event.people().first() {
            Some(person) => self.people.get(person)?.clone(),
            None => String::new(),
        };
        let owner = world.tenants[tenant].users.get_mut(&user).filter(|u| u.has_mailbox());
        match event {
            Event::PurgeContacts { percent, .. } => {
                return purge(&mut owner?.contacts, *percent);
            }
            Event::PurgeTasks { percent, .. } => return purge(&mut owner?.tasks, *percent),
            Event::PurgeEvents { percent, .. } => {
                return purge(&mut owner?.calendars.lists, *percent);
            }
            _ => {}
        }
        let done = match event {
            Event::Contacts { act, seed, .. } => world.contact_act(tenant, &user, *act, *seed),
            Event::Tasks { act, seed, .. } => world.task_act(tenant, &user, *act, *seed),
            Event::Calendars { act, seed, .. } => world.calendar_act(tenant, &user, *act, *seed),
            Event::ManyContacts { contacts, seed, .. } => {
                let mut rng = ChaCha20Rng::seed_from_u64(*seed);
                let add = lists_life::ListAct::Add;
                let mut add = || world.contact_act(tenant, &user, add, rng.random());
                (0..*contacts).map(|_| add()).last().flatten()
            }
            Event::ManyTasks { tasks, seed, .. } => {
                let mut rng = ChaCha20Rng::seed_from_u64(*seed);
                let add = lists_life::ListAct::Add;
                let mut add = || world.task_act(tenant, &user, add, rng.random());
                (0..*tasks).map(|_| add()).last().flatten()
            }
            Event::Site { act, seed } => world.site_act(tenant, *act, *seed),
            Event::Library { act, seed } => world.library_act(tenant, Some(*act), *seed),
            Event::LibraryFile { seed } => world.library_act(tenant, None, *seed),
            Event::PurgeLibrary { percent, seed } => world.purge_library(tenant, *percent, *seed),
            _ => None,
        };
        done.map(|_| ())
    }
}
