//! A Microsoft 365 that runs on a laptop: stateful, throttling, faulty on demand.
//!
//! It answers what Microsoft documents, not what this project's client happens to ask, and **sees
//! no product crate**, so that one misreading cannot hide on both sides. Independent clients
//! (Microsoft's SDKs, rclone) run against it unchanged.
//!
//! Deliberately absent: anything that knows how the answers are used.
//! Start at [`Sim`]; a call is classified in `core/catalog.rs` and answered in the folder of its
//! service.

mod calendars;
mod contacts;
mod core;
mod directory;
mod drives;
mod life;
mod mail;
mod settings;
mod sites;
mod tasks;
pub mod year;

pub use calendars::life::{CalendarAct, ORDINARY_CALENDAR_ACTS};
pub use calendars::state::MeetingMessage;
pub use core::budgets::ThrottleSettings;
pub use core::clock::SimClock;
pub use core::faults::{Fault, Rule};
pub use core::http::{Delivery, Reply, Request};
pub use core::in_process::{Credentials, Place};
pub use core::lists_life::{ListAct, ORDINARY_LIST_ACTS};
pub use core::replay::{Difference, ReplayError, ReplayReport};
pub use core::serve::{Addresses, AppInfo, Ready, Server, TenantInfo};
pub use core::truth::{NOT_YET, Truth};
pub use core::world::{LogRow, Settings};
pub use drives::life::{DriveAct, ORDINARY as ORDINARY_DRIVE_ACTS};
pub use life::attack::{ATTACKS, AttackReport};
pub use life::digest::DigestRow;
pub use life::people::PersonChange;
pub use life::seed::SeedPlan;
pub use settings::attack::CONFIG_ATTACKS;
pub use settings::state::Care;
pub use sites::life::SiteAct;

use core::world::World;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The simulated service. Clones share one state.
#[derive(Clone)]
pub struct Sim {
    world: Arc<Mutex<World>>,
    clock: Arc<SimClock>,
}

impl Sim {
    /// An empty service whose clock runs from `start`.
    pub fn new(settings: Settings, seed: u64, start: jiff::Timestamp) -> Self {
        let clock = Arc::new(SimClock::new(start));
        Self { world: Arc::new(Mutex::new(World::new(clock.clone(), settings, seed))), clock }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service's time.
    pub fn clock(&self) -> &Arc<SimClock> {
        &self.clock
    }

    /// Adds a tenant.
    pub fn seed(&self, plan: &SeedPlan) -> anyhow::Result<()> {
        self.world().seed(plan)
    }

    /// Answers one request, without any socket.
    pub fn handle(&self, request: &Request) -> Reply {
        self.world().handle(request)
    }

    /// Carries out an attack; `None` when there is none of that name.
    pub fn attack(&self, tenant: usize, name: &str, seed: u64) -> Option<AttackReport> {
        self.world().attack(tenant, name, seed)
    }

    /// Changes a tenant's configuration as an attacker does; `false` when there is no change of
    /// that name.
    pub fn config_attack(&self, tenant: usize, name: &str) -> bool {
        self.world().config_attack(tenant, name)
    }

    /// Lets a tenant live a day.
    pub fn live_a_day(&self, tenant: usize, seed: u64, spare: bool) {
        self.world().live_a_day(tenant, seed, spare);
    }

    /// Does something in somebody's default drive (by id or name), chosen by `seed`; answers the
    /// path that it was about, `None` when there is nothing to do it to.
    pub fn drive_act(
        &self,
        tenant: usize,
        user: &str,
        what: DriveAct,
        seed: u64,
    ) -> Option<String> {
        self.world().drive_act(tenant, user, what, seed)
    }

    /// A day of ordinary life in all drives of a tenant; answers who did what, and to which path.
    pub fn drive_day(&self, tenant: usize, seed: u64) -> Vec<(String, DriveAct, String)> {
        self.world().drive_day(tenant, seed)
    }

    /// Does something to a site, chosen by `seed`; answers its address, `None` when there is none
    /// to do it to.
    pub fn site_act(&self, tenant: usize, what: SiteAct, seed: u64) -> Option<String> {
        self.world().site_act(tenant, what, seed)
    }

    /// A day of ordinary life in all libraries of all sites; answers the site's address, what was
    /// done, and the path behind the library's name.
    pub fn day_of_sites(&self, tenant: usize, seed: u64) -> Vec<(String, DriveAct, String)> {
        self.world().day_of_sites(tenant, seed)
    }

    /// All files in the libraries of a tenant's sites and their older versions, as
    /// [`Sim::digest`] has people's files: kinds `library-file` and `library-version`.
    pub fn sites_digest(&self, tenant: usize) -> Vec<DigestRow> {
        self.world().sites_digest(tenant)
    }

    /// Does something with somebody's contacts (by id or name), chosen by `seed`; answers the name
    /// that it was about, `None` when there is nothing to do it to.
    pub fn contact_act(
        &self,
        tenant: usize,
        user: &str,
        what: ListAct,
        seed: u64,
    ) -> Option<String> {
        self.world().contact_act(tenant, user, what, seed)
    }

    /// A day of ordinary life with all contacts; answers who did what, and to whom.
    pub fn day_of_contacts(&self, tenant: usize, seed: u64) -> Vec<(String, ListAct, String)> {
        self.world().day_of_contacts(tenant, seed)
    }

    /// All contacts of a tenant and their folders, as [`Sim::digest`] has mail: kinds `contact`
    /// and `contact-folder`, the shown name as subject.
    pub fn contacts_digest(&self, tenant: usize) -> Vec<DigestRow> {
        self.world().contacts_digest(tenant)
    }

    /// Does something with somebody's tasks (by id or name), chosen by `seed`; answers the title
    /// that it was about, `None` when there is nothing to do it to.
    pub fn task_act(&self, tenant: usize, user: &str, what: ListAct, seed: u64) -> Option<String> {
        self.world().task_act(tenant, user, what, seed)
    }

    /// A day of ordinary life with all tasks; answers who did what, and to which.
    pub fn day_of_tasks(&self, tenant: usize, seed: u64) -> Vec<(String, ListAct, String)> {
        self.world().day_of_tasks(tenant, seed)
    }

    /// All tasks of a tenant and their lists, as [`Sim::digest`] has mail: kinds `task` and
    /// `task-list`, the title as subject.
    pub fn tasks_digest(&self, tenant: usize) -> Vec<DigestRow> {
        self.world().tasks_digest(tenant)
    }

    /// Does something with somebody's calendars (by id or name), chosen by `seed`; answers what it
    /// was about, `None` when there is nothing to do it to. Nothing is sent to attendees by it.
    pub fn calendar_act(
        &self,
        tenant: usize,
        user: &str,
        what: CalendarAct,
        seed: u64,
    ) -> Option<String> {
        self.world().calendar_act(tenant, user, what, seed)
    }

    /// A day of ordinary life in all calendars; answers who did what, and to what.
    pub fn day_of_calendars(&self, tenant: usize, seed: u64) -> Vec<(String, CalendarAct, String)> {
        self.world().day_of_calendars(tenant, seed)
    }

    /// All events of a tenant, as [`Sim::digest`] has mail: kinds `event` (with the days of a
    /// series that are other than planned), `event-people`, `event-online`, `calendar` and
    /// `calendar-permission`; the calendar's name as path, the event's subject as subject.
    pub fn events_digest(&self, tenant: usize) -> Vec<DigestRow> {
        self.world().events_digest(tenant)
    }

    /// Everything that a backup has an item for, whatever service keeps it: rows of the digests.
    pub fn items(&self, tenant: usize) -> Vec<DigestRow> {
        let mut rows = self.digest(tenant);
        rows.extend(self.sites_digest(tenant));
        rows.extend(self.contacts_digest(tenant));
        rows.extend(self.tasks_digest(tenant));
        rows.extend(self.events_digest(tenant));
        const ITEMS: &[&str] = &["message", "file", "library-file", "contact", "task", "event"];
        rows.retain(|r| ITEMS.contains(&r.kind.as_str()));
        rows
    }

    /// Ids of the files that the service lists and hands to nobody.
    pub fn malware(&self, tenant: usize) -> BTreeSet<String> {
        let world = self.world();
        let drives = world.tenants[tenant].users.values().map(|u| &u.drive);
        let files = drives.flat_map(|d| d.items.values()).filter(|i| i.malware);
        files.map(|i| i.id.clone()).collect()
    }

    /// Every message that Exchange would have sent because a call made, changed, cancelled or
    /// answered a meeting. Each recipient counts.
    pub fn messages_to_attendees(&self, tenant: usize) -> Vec<MeetingMessage> {
        self.world().messages_to_attendees(tenant)
    }

    /// Lets every mailbox of a tenant live a day: mail read, flagged, sorted, thrown away, purged;
    /// folders made, renamed, moved, emptied, deleted.
    pub fn live_a_day_of_mail(&self, tenant: usize, seed: u64) {
        self.world().live_a_day_of_mail(tenant, seed);
    }

    /// Changes people; the id of who was changed, made or had back, `None` when there is no such
    /// person.
    pub fn change_people(&self, tenant: usize, change: &PersonChange) -> Option<String> {
        self.world().change_people(tenant, change)
    }

    /// All items of a tenant with digests of what must be identical.
    pub fn digest(&self, tenant: usize) -> Vec<DigestRow> {
        self.world().digest(tenant)
    }

    /// Sets the fault plan.
    pub fn set_faults(&self, rules: Vec<Rule>) {
        self.world().faults.rules = rules;
    }

    /// The request log, oldest first.
    pub fn log(&self) -> Vec<LogRow> {
        self.world().log.iter().cloned().collect()
    }

    /// Empties log and counters.
    pub fn clear_log(&self) {
        let mut world = self.world();
        world.log.clear();
        world.counters.clear();
    }

    /// In what answers were not as the published types allow, and how often each; empty unless
    /// [`Settings::check_answers`] is set.
    pub fn answer_faults(&self) -> std::collections::BTreeMap<String, usize> {
        self.world().answer_faults.clone()
    }

    /// One request to v1.0 by an application with these permissions, and its answer as status and
    /// JSON; `null` is no body. `target` is below the version, its query behind a `?`; one that
    /// begins with `beta/` is asked there.
    /// Who asks of a tenant that is not there has no token, and is told so.
    pub fn ask(
        &self,
        tenant: usize,
        roles: &[&str],
        method: &str,
        target: &str,
        body: &serde_json::Value,
    ) -> (u16, serde_json::Value) {
        let token = self.token(tenant, roles).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let version = if path.starts_with("beta/") { "" } else { "v1.0/" };
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let reply = self.handle(&Request {
            method: method.to_owned(),
            path: format!("/{version}{path}"),
            query: query.to_owned(),
            headers: vec![
                header("authorization", &format!("Bearer {token}")),
                header("host", "graph.microsoft.com"),
                header("content-type", "application/json"),
                header("prefer", "IdType=\"ImmutableId\""),
            ],
            body: if body.is_null() { Default::default() } else { body.to_string().into() },
        });
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    /// Counters and throttle windows.
    pub fn status(&self) -> serde_json::Value {
        self.world().status()
    }

    /// Runs a control-plane command, as `/sim/…` does.
    pub fn control(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Reply {
        core::control::run(self, method, path, query, body)
    }
}
