//! Tenants, their people and the applications that they trust.

use crate::{
    calendars::state::Calendars,
    core::{ids::IdMaker, lists::Lists},
    drives::{routes::Place, state::Drive},
    mail::state::{Mailbox, Purpose},
    settings::state::Settings,
    sites::state::Sites,
};
use std::collections::{BTreeMap, BTreeSet};

/// An application registration with its consent.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) app_id: String,
    pub(crate) name: String,
    pub(crate) roles: BTreeSet<String>,
    /// What people may let it do in their name.
    pub(crate) delegated: BTreeSet<String>,
    /// Addresses to which people come back, where it proves itself with its secret.
    pub(crate) web: Vec<String>,
    /// The same, where it has no secret: programs on people's machines.
    pub(crate) native: Vec<String>,
    pub(crate) secret: String,
    /// PKCS#1 public key of the certificate, and its SHA-1 and SHA-256 thumbprints in URL-safe
    /// base64.
    pub(crate) public_key: Vec<u8>,
    pub(crate) x5t: String,
    pub(crate) x5t_s256: String,
    /// Certificate and private key, handed out as files.
    pub(crate) pem: String,
    pub(crate) deleted: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) upn: String,
    pub(crate) name: String,
    pub(crate) job: String,
    pub(crate) mailbox: Mailbox,
    /// The default drive; one that is not there when the site was never made.
    pub(crate) drive: Drive,
    /// Further drives of the same site.
    pub(crate) more_drives: Vec<Drive>,
    pub(crate) facts: Facts,
    pub(crate) contacts: Lists,
    pub(crate) tasks: Lists,
    pub(crate) calendars: Calendars,
}

impl User {
    /// Whether there is a mailbox, and with it contacts, tasks and calendars.
    pub(crate) fn has_mailbox(&self) -> bool {
        !self.facts.bare && self.mailbox.purpose != Purpose::NoMailbox
    }

    /// All drives, the default one first.
    pub(crate) fn drives(&self) -> impl Iterator<Item = &Drive> {
        std::iter::once(&self.drive).filter(|d| d.is_there()).chain(&self.more_drives)
    }

    /// A drive by its id.
    pub(crate) fn drive_of(&self, id: &str) -> Option<&Drive> {
        self.drives().find(|d| d.id == id)
    }

    pub(crate) fn drive_of_mut(&mut self, id: &str) -> Option<&mut Drive> {
        let all = std::iter::once(&mut self.drive).filter(|d| d.is_there());
        all.chain(&mut self.more_drives).find(|d| d.id == id)
    }
}

/// Whose a drive is, as far as its items say so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'t> {
    pub(crate) id: &'t str,
    pub(crate) name: &'t str,
    /// The address of the site that a library is of; none for people.
    pub(crate) site: Option<&'t str>,
}

impl<'t> From<&'t User> for Owner<'t> {
    fn from(user: &'t User) -> Self {
        Self { id: &user.id, name: &user.name, site: None }
    }
}

/// What is not as with others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Without licence: neither mailbox nor drive.
    pub(crate) bare: bool,
    pub(crate) disabled: bool,
    /// A shared mailbox: no drive.
    pub(crate) shared: bool,
    /// A guest's address at home.
    pub(crate) guest: Option<String>,
}

/// What a delta of users tells of a person.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Came, or came back.
    New,
    /// These properties are others now.
    Changed(Vec<&'static str>),
    /// Deleted; whether for good, is said by who can be had back.
    Gone,
}

/// A hold on somebody's mailbox.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) applied: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) apps: Vec<App>,
    pub(crate) users: BTreeMap<String, User>,
    /// What happened to people, in order; a delta token is a place in it.
    pub(crate) user_log: Vec<(String, What)>,
    /// Deleted people, who can be had back.
    pub(crate) gone: BTreeMap<String, (User, jiff::Timestamp)>,
    pub(crate) case_id: String,
    pub(crate) holds: Vec<Hold>,
    pub(crate) ids: IdMaker,
    pub(crate) settings: Settings,
    pub(crate) sites: Sites,
}

impl Tenant {
    /// By id or user principal name, without case.
    pub(crate) fn user_id(&self, id: &str) -> Option<String> {
        if self.users.contains_key(id) {
            return Some(id.to_owned());
        }
        self.users
            .values()
            .find(|u| u.upn.eq_ignore_ascii_case(id) || u.id.eq_ignore_ascii_case(id))
            .map(|u| u.id.clone())
    }

    pub(crate) fn drive_owner(&self, drive: &str) -> Option<String> {
        let person = self.users.values().find(|u| u.drive_of(drive).is_some());
        person.map(|u| u.id.clone()).or_else(|| self.sites.owner_of(drive))
    }

    /// A person or a site that has drives.
    pub(crate) fn owner(&self, id: &str) -> Option<Owner<'_>> {
        let person = self.users.get(id).map(Owner::from);
        person.or_else(|| self.sites.all.get(id).map(Owner::from))
    }

    pub(crate) fn drive(&self, place: &Place) -> Option<&Drive> {
        match self.users.get(&place.owner) {
            Some(person) => person.drive_of(&place.drive),
            None => self.sites.all.get(&place.owner)?.library(&place.drive),
        }
    }

    /// The id maker and a drive, borrowed together.
    pub(crate) fn drive_mut(&mut self, place: &Place) -> Option<(&mut IdMaker, &mut Drive)> {
        if let Some(person) = self.users.get_mut(&place.owner) {
            return Some((&mut self.ids, person.drive_of_mut(&place.drive)?));
        }
        let Sites { all, ids, .. } = &mut self.sites;
        Some((ids, all.get_mut(&place.owner)?.library_mut(&place.drive)?))
    }

    /// A user and the id maker, borrowed together.
    pub(crate) fn user_mut(&mut self, id: &str) -> Option<(&mut User, &mut IdMaker)> {
        let ids = &mut self.ids;
        self.users.get_mut(id).map(|u| (u, ids))
    }
}
