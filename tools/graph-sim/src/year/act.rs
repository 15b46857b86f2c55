//! A life: keys of what it speaks of, and the way from an event to the state.

use super::{Event, FileKey, FolderKey, MailKey, PersonKey, state::has};
use crate::{
    Fault, Rule, Sim,
    core::tenant::{App, Tenant, User},
    mail::state::Purpose,
};
use std::collections::BTreeMap;

/// People with what they are sorted by: whether they have no account of their own, and names.
fn in_order(tenant: &Tenant) -> impl Iterator<Item = (bool, String, String)> {
    let stands_behind = |u: &User| u.mailbox.purpose != Purpose::User;
    tenant.users.values().map(move |u| (stands_behind(u), u.upn.clone(), u.id.clone()))
}

/// A tenant whose history is told by [`Event`]s.
pub struct Life {
    pub(super) sim: Sim,
    pub(super) tenant: usize,
    /// User ids.
    pub(super) people: BTreeMap<PersonKey, String>,
    /// Owner and number in the mailbox.
    pub(super) mail: BTreeMap<MailKey, (String, u64)>,
    /// Ids of mail folders and of folders of drives.
    pub(super) folders: BTreeMap<FolderKey, String>,
    /// Ids of files.
    pub(super) files: BTreeMap<FileKey, String>,
    rules: Vec<Rule>,
    /// The applications as they were before an attack on the backup's access.
    apps: Option<Vec<App>>,
}

impl Life {
    /// The life of a tenant from now on; the people that are there get the first keys, in the
    /// order of their names, those with an account of their own first.
    pub fn new(sim: Sim, tenant: usize) -> Self {
        let mut names: Vec<(bool, String, String)> =
            sim.world().tenants.get(tenant).into_iter().flat_map(in_order).collect();
        names.sort();
        let people = (0..).zip(names.into_iter().map(|(.., id)| id)).collect();
        Self {
            sim,
            tenant,
            people,
            mail: BTreeMap::new(),
            folders: BTreeMap::new(),
            files: BTreeMap::new(),
            rules: Vec::new(),
            apps: None,
        }
    }

    /// The simulator.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// People that are there now.
    pub fn people(&self) -> Vec<PersonKey> {
        let world = self.sim.world();
        let users = &world.tenants[self.tenant].users;
        self.people.iter().filter(|(_, id)| users.contains_key(*id)).map(|(k, _)| *k).collect()
    }

    /// People that are there now and have a mailbox.
    pub fn people_with_mailbox(&self) -> Vec<PersonKey> {
        let world = self.sim.world();
        let users = &world.tenants[self.tenant].users;
        let has_it = |id: &String| users.get(id).is_some_and(|u| has(u).0);
        self.people.iter().filter(|(_, id)| has_it(id)).map(|(k, _)| *k).collect()
    }

    /// The id of a person, gone or not.
    pub fn person_id(&self, person: PersonKey) -> Option<&str> {
        self.people.get(&person).map(String::as_str)
    }

    /// The local part of somebody's principal name now.
    pub fn name_of(&self, person: PersonKey) -> Option<String> {
        let world = self.sim.world();
        let user = world.tenants[self.tenant].users.get(self.people.get(&person)?)?;
        user.upn.split('@').next().map(str::to_owned)
    }

    /// The key of a person by id.
    pub fn person_of(&self, id: &str) -> Option<PersonKey> {
        self.people.iter().find(|(_, i)| *i == id).map(|(k, _)| *k)
    }

    /// The key of a message, file or folder by its id; `None` for what the tenant was seeded with.
    pub fn thing_of(&self, id: &str) -> Option<u32> {
        let by_id = self.files.iter().chain(&self.folders).find(|(_, i)| *i == id);
        if let Some((key, _)) = by_id {
            return Some(*key);
        }
        let world = self.sim.world();
        let users = &world.tenants[self.tenant].users;
        self.mail
            .iter()
            .find(|(_, (owner, number))| {
                users
                    .get(owner)
                    .and_then(|u| u.mailbox.messages.get(number))
                    .is_some_and(|m| m.immutable_id == id)
            })
            .map(|(key, _)| *key)
    }

    /// Keys of somebody's messages that are there now.
    pub fn mail_of(&self, person: PersonKey) -> Vec<MailKey> {
        let world = self.sim.world();
        let Some(id) = self.people.get(&person) else { return Vec::new() };
        let Some(user) = world.tenants[self.tenant].users.get(id) else { return Vec::new() };
        self.mail
            .iter()
            .filter(|(_, (owner, n))| owner == id && user.mailbox.messages.contains_key(n))
            .map(|(k, _)| *k)
            .collect()
    }

    /// Keys of somebody's mail folders that are there now, without well-known ones.
    pub fn mail_folders_of(&self, person: PersonKey) -> Vec<FolderKey> {
        let world = self.sim.world();
        let Some(id) = self.people.get(&person) else { return Vec::new() };
        let Some(user) = world.tenants[self.tenant].users.get(id) else { return Vec::new() };
        let there = |id: &String| user.mailbox.folders.contains_key(id);
        self.folders.iter().filter(|(_, id)| there(id)).map(|(k, _)| *k).collect()
    }

    /// Keys of somebody's files (first) and folders in the drive (second) that are there now.
    pub fn files_of(&self, person: PersonKey) -> (Vec<FileKey>, Vec<FolderKey>) {
        let world = self.sim.world();
        let Some(id) = self.people.get(&person) else { return Default::default() };
        let Some(user) = world.tenants[self.tenant].users.get(id) else {
            return Default::default();
        };
        let there = |id: &String| user.drive.items.contains_key(id);
        let files = self.files.iter().filter(|(_, id)| there(id)).map(|(k, _)| *k).collect();
        let folders = self.folders.iter().filter(|(_, id)| there(id)).map(|(k, _)| *k).collect();
        (files, folders)
    }

    /// Lets an event happen. `false` when it names something that is not there, or asks for what
    /// the service refuses (a name that is taken, a folder into itself): then nothing happened.
    pub fn act(&mut self, event: &Event) -> bool {
        match event {
            e if e.is_of_people() => self.act_on_people(event).is_some(),
            Event::NewDrive { .. } => self.act_on_people(event).is_some(),
            Event::Folder { .. }
            | Event::RenameFolder { .. }
            | Event::MoveFolder { .. }
            | Event::DeleteFolder { .. }
            | Event::File { .. }
            | Event::EditFile { .. }
            | Event::ReplaceFile { .. }
            | Event::RenameFile { .. }
            | Event::MoveFile { .. }
            | Event::ShareFile { .. }
            | Event::DeleteFile { .. }
            | Event::DeleteMany { .. }
            | Event::EncryptMany { .. } => self.act_on_files(event).is_some(),
            e if e.is_fault() => self.plan_fault(event).is_some(),
            e if e.is_of_sites() || e.is_of_things() => self.act_on_things(event).is_some(),
            Event::Settings { name } => self.sim.config_attack(self.tenant, name),
            Event::Attack { name, seed } => {
                if event.is_of_access() && self.apps.is_none() {
                    self.apps = Some(self.sim.world().tenants[self.tenant].apps.clone());
                }
                // What is not there any more nobody can remove.
                if name == "holds-removed" && self.sim.world().tenants[self.tenant].holds.is_empty()
                {
                    return false;
                }
                self.sim.attack(self.tenant, name, *seed).is_some()
            }
            _ => self.act_on_mail(event).is_some(),
        }
    }

    fn plan_fault(&mut self, event: &Event) -> Option<()> {
        let at = |person: &PersonKey, part: &str| {
            let id = self.people.get(person)?;
            let world = self.sim.world();
            let user = world.tenants[self.tenant].users.get(id)?;
            // Of a drive the paths name the drive, of a mailbox the person.
            if let Some(rest) = part.strip_prefix("drive:") {
                // Who has none has no address either, and that of nobody is everybody's.
                if user.drive.id.is_empty() {
                    return None;
                }
                return Some(format!("drives/{}{rest}", user.drive.id));
            }
            for (kind, lists, name) in [
                ("contacts:", &user.contacts, "contactFolders"),
                ("tasks:", &user.tasks, "todo/lists"),
                ("calendars:", &user.calendars.lists, "calendars"),
            ] {
                let Some(rest) = part.strip_prefix(kind) else { continue };
                let (number, rest) = rest.split_once('/').unwrap_or((rest, ""));
                let number = number.parse::<usize>().ok()? % lists.all.len().max(1);
                let list = lists.all.keys().nth(number)?;
                return Some(format!("users/{id}/{name}/{list}/{rest}"));
            }
            if let Some(key) = part.strip_prefix('#') {
                let folder = self.folders.get(&key.parse().ok()?)?;
                return Some(format!("users/{id}/mailFolders/{folder}/messages"));
            }
            Some(format!("users/{id}{part}"))
        };
        let of_sites = |part: &str| {
            let world = self.sim.world();
            let sites = &world.tenants[self.tenant].sites.all;
            let (kind, rest) = match part.split_once(':') {
                Some(split) => split,
                None => return Some(format!("sites/delta{part}")),
            };
            let (number, rest) = rest.split_once('/').unwrap_or((rest, ""));
            let number = number.parse::<usize>().ok()?;
            if kind == "site" {
                let id = sites.keys().nth(number % sites.len().max(1))?;
                return Some(format!("sites/{id}/{rest}"));
            }
            let libraries: Vec<&String> =
                sites.values().flat_map(|s| s.libraries.iter().map(|l| &l.id)).collect();
            let id = libraries.get(number % libraries.len().max(1))?;
            Some(format!("drives/{id}/{rest}"))
        };
        let refusal = |status: u16| match status {
            200 => Fault::HtmlPage,
            204 => Fault::EmptyBody,
            302 => Fault::LoginRedirect,
            _ => Fault::Status { status, retry_after_s: matches!(status, 429 | 503).then_some(20) },
        };
        let rule = match event {
            Event::RefuseSite { part, status, times } => {
                Rule::new(refusal(*status), &of_sites(part)?).times(*times)
            }
            Event::RepeatSitePage { part, times } => {
                Rule::new(Fault::RepeatPage, &of_sites(part)?).times(*times)
            }
            Event::RepeatPage { person, part, times } => {
                Rule::new(Fault::RepeatPage, &at(person, part)?).times(*times)
            }
            Event::Refuse { person, part, status, times } => {
                Rule::new(refusal(*status), &at(person, part)?).times(*times)
            }
            Event::BreakOff { person, part, after_bytes, times } => {
                let fault = Fault::Reset { after_bytes: *after_bytes };
                Rule::new(fault, &at(person, part)?).times(*times)
            }
            Event::CutShort { person, part, by_bytes, times } => {
                let fault = Fault::Truncate { by_bytes: *by_bytes };
                Rule::new(fault, &at(person, part)?).times(*times)
            }
            Event::WrongBytes { times } => Rule::new(Fault::WrongBytes, "_download").times(*times),
            _ => return None,
        };
        self.rules.push(rule);
        self.sim.set_faults(self.rules.clone());
        Some(())
    }

    /// The night is over: its faults are, and somebody gives the backup its access back.
    pub fn end_faults(&mut self) {
        self.rules.clear();
        if let Some(apps) = self.apps.take() {
            self.sim.world().tenants[self.tenant].apps = apps;
        }
        self.sim.set_faults(Vec::new());
    }
}
