//! What people do with their contacts, and what they have: for days and for comparison.

use crate::{
    contacts::{seed, show},
    core::{
        lists::{self, Lists, Thing},
        lists_life::{self, Habits, ListAct, ORDINARY_LIST_ACTS},
        odata::Query,
        world::World,
    },
    life::digest::DigestRow,
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::json;

/// Names from the top, within slashes.
pub(crate) fn path(lists: &Lists, id: &str) -> String {
    let mut names = Vec::new();
    let mut at = lists.all.get(id);
    while let Some(list) = at {
        names.push(list.properties.get("displayName").and_then(|n| n.as_str()).unwrap_or_default());
        at = lists.all.get(&list.parent);
    }
    names.reverse();
    names.join("/")
}

impl World {
    /// Does something with somebody's contacts, chosen by `seed`; answers what it was about.
    pub(crate) fn contact_act(
        &mut self,
        tenant: usize,
        user: &str,
        what: ListAct,
        seed: u64,
    ) -> Option<String> {
        let now = self.now();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let tenant = self.tenants.get_mut(tenant)?;
        let id = tenant.user_id(user)?;
        let habits = Habits {
            make: &|rng| seed::contact(rng),
            edit: &|rng| seed::edit(rng),
            name: "displayName",
            takes: &|_| true,
        };
        let user = tenant.users.get_mut(&id).filter(|u| u.has_mailbox())?;
        lists_life::act(&mut user.contacts, what, &habits, &mut rng, now)
    }

    /// A day with all contacts of a tenant. Answers person, act and what it was about.
    pub(crate) fn day_of_contacts(
        &mut self,
        tenant: usize,
        seed: u64,
    ) -> Vec<(String, ListAct, String)> {
        lists_life::day(self, tenant, seed, ORDINARY_LIST_ACTS, Self::contact_act)
    }

    /// All contacts of a tenant (`contact`), their folders (`contact-folder`) and what no list
    /// shows of them (`contact-extended`), sorted. `subject` is the name that is shown.
    pub(crate) fn contacts_digest(&self, tenant: usize) -> Vec<DigestRow> {
        let mut rows = Vec::new();
        for u in self.tenants.get(tenant).into_iter().flat_map(|t| t.users.values()) {
            for list in u.contacts.all.values().filter(|_| u.has_mailbox()) {
                let path = path(&u.contacts, &list.id);
                rows.push(DigestRow {
                    kind: "contact-folder".into(),
                    user: u.upn.clone(),
                    path: path.clone(),
                    subject: String::new(),
                    digest: String::new(),
                });
                let row = |t: &Thing, kind: &str, digest: String| DigestRow {
                    kind: kind.into(),
                    user: u.upn.clone(),
                    path: path.clone(),
                    subject: t.text("displayName").to_owned(),
                    digest,
                };
                for t in list.things.values() {
                    let shown = show::contact(t, &list.id, false, &Query::default());
                    let photo = t.photo.as_ref().map(|p| p.to_vec());
                    let digest = lists::digest(&json!([lists::seen(shown, &[]), photo]));
                    rows.push(row(t, "contact", digest));
                    rows.extend(lists::hidden(t).map(|d| row(t, "contact-extended", d)));
                }
            }
        }
        rows.sort();
        rows
    }
}
