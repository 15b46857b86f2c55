//! A day of mail as people really live it: read, flagged, sorted into folders of every order,
//! thrown away, purged; folders made, renamed, moved, emptied, deleted.

use crate::{
    core::{ids::IdMaker, world::World},
    drives::documents,
    mail::{
        state::{Address, Mailbox, Purpose},
        write::blank,
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Numbers of the messages in a folder, in the order of their changes.
fn numbers(mailbox: &Mailbox, folder: &str) -> Vec<u64> {
    mailbox.folders.get(folder).map(|f| f.live.values().copied().collect()).unwrap_or_default()
}

struct Day<'m> {
    mailbox: &'m mut Mailbox,
    ids: &'m mut IdMaker,
    rng: ChaCha8Rng,
    now: jiff::Timestamp,
    domain: &'m str,
    me: Address,
}

impl World {
    /// Lets everybody's mailbox live a day, the same for the same seed.
    pub(crate) fn live_a_day_of_mail(&mut self, tenant: usize, seed: u64) {
        let now = self.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let domain = self.tenants[tenant].domain.clone();
        let users: Vec<String> = self.tenants[tenant].users.keys().cloned().collect();
        for (n, id) in (0..).zip(users) {
            let Some((u, ids)) = self.tenants[tenant].user_mut(&id) else { continue };
            if u.mailbox.purpose == Purpose::NoMailbox {
                continue;
            }
            let me = Address { name: u.name.clone(), address: u.upn.clone() };
            let rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1009).wrapping_add(n));
            let mailbox = &mut u.mailbox;
            let mut day = Day { mailbox, ids, rng, now, domain: &domain, me };
            day.mail();
            day.folders();
        }
    }
}

impl Day<'_> {
    fn arrive(&mut self, folder: &str) -> u64 {
        let mut m = blank(self.ids, folder, self.now, self.domain);
        m.subject = Some(documents::sentence(&mut self.rng, 5));
        m.body = documents::sentence(&mut self.rng, 30).into();
        m.from = Some(self.me.clone());
        m.sender = Some(self.me.clone());
        m.to = vec![self.me.clone()];
        (m.is_draft, m.is_read) = (false, false);
        let number = self.ids.number();
        self.mailbox.add(number, m);
        number
    }

    fn move_to(&mut self, number: u64, folder: &str) {
        self.mailbox.move_to(self.ids, number, folder, self.now);
    }

    /// One of the inbox; `None` when it is empty.
    fn any(&mut self) -> Option<u64> {
        let inbox = self.mailbox.well_known("inbox");
        let all = numbers(self.mailbox, &inbox);
        (!all.is_empty()).then(|| all[self.rng.random_range(0..all.len())])
    }

    fn mail(&mut self) {
        let named = |m: &Mailbox, name: &str| m.well_known(name);
        let inbox = named(self.mailbox, "inbox");
        for _ in 0..self.rng.random_range(1..4) {
            self.arrive(&inbox);
        }
        for what in 0..4 {
            let Some(number) = self.any() else { return };
            if let Some(m) = self.mailbox.messages.get_mut(&number) {
                match what {
                    0 | 1 => m.is_read = !m.is_read,
                    2 => m.flag = json!({"flagStatus": "flagged"}),
                    _ => m.categories = vec![documents::sentence(&mut self.rng, 1)],
                }
            }
            self.mailbox.touch(number, self.now);
        }
        // Come and gone.
        let gone = self.arrive(&inbox);
        self.mailbox.destroy(gone);
        // Moved once, to folders before and after its own; twice; there and back.
        let (archive, bin) = (named(self.mailbox, "archive"), named(self.mailbox, "deleteditems"));
        let dumpster = named(self.mailbox, "recoverableitemsdeletions");
        let (junk, sent) = (named(self.mailbox, "junkemail"), named(self.mailbox, "sentitems"));
        let ways: [&[&str]; 6] = [
            &[&archive],
            &[&sent],
            &[&archive, &junk],
            &[&archive, &inbox],
            // Thrown away; and out of Deleted Items too.
            &[&bin],
            &[&bin, &dumpster],
        ];
        for way in ways {
            let Some(number) = self.any() else { return };
            for folder in way {
                self.move_to(number, folder);
            }
        }
        // The oldest of Recoverable Items is purged.
        if let Some(number) = numbers(self.mailbox, &dumpster).first() {
            self.mailbox.destroy(*number);
        }
    }

    /// Folders that people made, oldest first.
    fn own(&self) -> Vec<String> {
        let own = |f: &&crate::mail::state::Folder| {
            f.well_known.is_none() && !f.hidden && f.search.is_none()
        };
        let mut all: Vec<_> = self.mailbox.folders.values().filter(own).collect();
        all.sort_by_key(|f| f.seq);
        all.into_iter().map(|f| f.id.clone()).collect()
    }

    fn folders(&mut self) {
        // A tree is made, and what came before it is moved into it.
        let root = self.mailbox.root.clone();
        let name = format!("Trip {}", self.ids.number());
        let top = self.mailbox.new_folder(self.ids, &root, &name, false);
        let below = self.mailbox.new_folder(self.ids, &top, "Letters", false);
        for folder in [&top, &below] {
            if let Some(number) = self.any() {
                self.move_to(number, folder);
            }
        }
        let own = self.own();
        if let Some(id) = own.first().cloned() {
            let name = format!("Old papers {}", self.ids.number());
            if let Some(f) = self.mailbox.folders.get_mut(&id) {
                f.name = name;
            }
            self.mailbox.touch_folder(&id);
        }
        let trips: Vec<String> = own
            .into_iter()
            .filter(|id| {
                let f = self.mailbox.folders.get(id);
                f.is_some_and(|f| f.name.starts_with("Trip ") && f.id != top)
            })
            .collect();
        // Trees of days before are moved, then emptied, then deleted.
        for (n, id) in trips.iter().rev().enumerate() {
            match n {
                0 => {
                    if let Some(f) = self.mailbox.folders.get_mut(id) {
                        f.parent.clone_from(&top);
                    }
                    self.mailbox.touch_folder(id);
                }
                1 => {
                    let bin = self.mailbox.well_known("deleteditems");
                    for number in numbers(self.mailbox, id) {
                        self.move_to(number, &bin);
                    }
                }
                _ => {
                    self.mailbox.destroy_folder(id);
                    break;
                }
            }
        }
    }
}
