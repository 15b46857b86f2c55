//! What people do with their tasks, and what they have: for days and for comparison.

use crate::{
    core::{
        lists::{self, Thing},
        lists_life::{self, Habits, ListAct, ORDINARY_LIST_ACTS},
        odata::Query,
        world::World,
    },
    life::digest::DigestRow,
    tasks::{parts, seed, show},
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};

/// What a task must be the same in; when its body changed and when it was completed is not.
fn digest(t: &Thing) -> String {
    let shown = show::task(t, &Query::default());
    let apart = ["bodyLastModifiedDateTime", "completedDateTime"];
    lists::digest(&json!([
        lists::seen(shown, &apart),
        parts::plain(t.parts.get("checklistItems")),
        parts::plain(t.parts.get("linkedResources")),
        lists::attachments(&t.attachments),
    ]))
}

impl World {
    /// Does something with somebody's tasks, chosen by `seed`; answers what it was about.
    pub(crate) fn task_act(
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
            make: &|rng| seed::task(rng),
            edit: &|rng| seed::edit(rng),
            name: "title",
            takes: &|l| l.well_known != Some(seed::FLAGGED),
        };
        let user = tenant.users.get_mut(&id).filter(|u| u.has_mailbox())?;
        lists_life::act(&mut user.tasks, what, &habits, &mut rng, now)
    }

    /// A day with all tasks of a tenant. Answers person, act and what it was about.
    pub(crate) fn day_of_tasks(
        &mut self,
        tenant: usize,
        seed: u64,
    ) -> Vec<(String, ListAct, String)> {
        lists_life::day(self, tenant, seed, ORDINARY_LIST_ACTS, Self::task_act)
    }

    /// All tasks of a tenant (`task`) and their lists (`task-list`), sorted. `path` is the list's
    /// name, `subject` the task's title.
    pub(crate) fn tasks_digest(&self, tenant: usize) -> Vec<DigestRow> {
        let mut rows = Vec::new();
        for u in self.tenants.get(tenant).into_iter().flat_map(|t| t.users.values()) {
            for list in u.tasks.all.values().filter(|_| u.has_mailbox()) {
                let name = list.properties.get("displayName").and_then(Value::as_str);
                let path = name.unwrap_or_default().to_owned();
                rows.push(DigestRow {
                    kind: "task-list".into(),
                    user: u.upn.clone(),
                    path: path.clone(),
                    subject: String::new(),
                    digest: String::new(),
                });
                let row = |t: &Thing, kind: &str, digest: String| DigestRow {
                    kind: kind.into(),
                    user: u.upn.clone(),
                    path: path.clone(),
                    subject: t.text("title").to_owned(),
                    digest,
                };
                for t in list.things.values() {
                    rows.push(row(t, "task", digest(t)));
                    rows.extend(lists::hidden(t).map(|d| row(t, "task-extended", d)));
                }
            }
        }
        rows.sort();
        rows
    }
}
