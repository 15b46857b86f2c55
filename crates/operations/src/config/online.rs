//! What the configuration names is asked, each thing by itself: what each identity may do, until
//! when its certificate is good, whose clock is wrong, whether the copies answer and what their
//! credentials may do.

use super::{Config, TenantEntry};
use crate::{
    Choice, Error, Host, Identity, Kind, Remedy, School, blocking,
    files::secrets,
    place::{Doing, Place},
    status::CERTIFICATE_DAYS_MIN,
    vault::VaultPlace,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};
use strongroom_graph::{Budget, Client, Https, RetryLimits, Transport};
use strongroom_model::Ending;
use strongroom_objects::{Kind as ObjectKind, S3Bucket, Store, VaultRest};
use strongroom_repository::{Allowed, CredentialRights, Repository};
use strongroom_workloads::{
    permissions::{self, PermissionNeeds},
    workload::Profile,
};

/// Clocks that differ by more are told.
const CLOCK_S_TOLD: i64 = 60;
/// Clocks that differ by more are wrong: sign-ins and signatures are refused then.
const CLOCK_S_MAX: i64 = 300;

/// For one copy to answer all that is asked of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Good,
    /// Somebody should see to it.
    Warning,
    /// Something does not work, or is open to a thief.
    Failed,
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was looked at: an identity, a repository, a vault.
    pub of: String,
    /// What about it: `sign-in`, `permission`, `certificate`, `clock`, `reach`, `prune`.
    pub about: &'static str,
    /// How grave it is.
    pub state: State,
    /// One sentence.
    pub text: String,
    /// What helps, or says more.
    pub remedy: Option<Remedy>,
}

/// How findings end a run: good; somebody should see to something; or something fails until
/// somebody mends it.
pub fn ending(rows: &[Row]) -> Ending {
    match rows.iter().map(|r| r.state).max() {
        None | Some(State::Good) => Ending::Done,
        Some(State::Warning) => Ending::Partial,
        Some(State::Failed) => Ending::Alarm,
    }
}

struct Rows {
    of: String,
    all: Vec<Row>,
}

impl Rows {
    fn of(what: String) -> Self {
        Self { of: what, all: Vec::new() }
    }

    fn add(&mut self, about: &'static str, state: State, text: impl Into<String>) {
        self.add_with(about, state, text, None);
    }

    fn add_with(
        &mut self,
        about: &'static str,
        state: State,
        text: impl Into<String>,
        remedy: Option<Remedy>,
    ) {
        self.all.push(Row { of: self.of.clone(), about, state, text: text.into(), remedy });
    }

    fn refused(&mut self, about: &'static str, what: &str, e: &Error) {
        let text = format!("{what}{}", e.sentence());
        self.add_with(about, State::Failed, text, e.remedy().cloned());
    }

    fn clock(&mut self, whose: &str, told: Option<Timestamp>, now: Timestamp) {
        let Some(told) = told else { return };
        let ahead_s = now.as_second() - told.as_second();
        let state = match ahead_s.abs() {
            0..=CLOCK_S_TOLD => State::Good,
            s if s <= CLOCK_S_MAX => State::Warning,
            _ => State::Failed,
        };
        let direction = if ahead_s < 0 { "behind" } else { "ahead of" };
        let text = match state {
            State::Good => format!("this host's clock and {whose} agree"),
            _ => format!("this host's clock is {} s {direction} {whose}", ahead_s.abs()),
        };
        self.add("clock", state, text);
    }
}

/// What the copies of a configuration are looked at from.
struct Here<'c> {
    config: &'c Config,
    host: &'c Host,
    /// The folder for local caches, where one was named.
    cache_dir: Option<&'c Path>,
}

/// Looks at everything that the configuration names, or at what the chosen school needs. What does
/// not answer is a finding.
///
/// # Errors
/// [`Kind::Configuration`], where there is no such school.
pub async fn look(
    config: &Arc<Config>,
    host: &Arc<Host>,
    choice: &Choice,
) -> Result<Vec<Row>, Error> {
    let here = &Here { config, host, cache_dir: choice.cache_dir.as_deref() };
    let mut rows = Vec::new();
    for school in School::chosen_or_all(config, host, choice)? {
        let tenant = school.tenant();
        let is_there = |i: &Identity| tenant.identities.contains_key(i.name());
        for identity in Identity::ALL.into_iter().filter(is_there) {
            rows.extend(signs_in(&school, identity).await);
        }
        rows.extend(repository(here, &tenant.repository).await);
        if let Some(name) = &tenant.vault {
            rows.extend(vault(here, name).await);
        }
    }
    if choice.tenant.is_some() {
        return Ok(rows);
    }
    // Second places, for `replicate --to` and the like, which no tenant names.
    let is_named = |name: &String| config.tenants.iter().any(|t| t.repository == *name);
    for other in config.repositories.iter().filter(|r| !is_named(&r.name)) {
        // One configuration may serve several hosts, of which each has what it needs.
        if !config.path(&other.password_file).exists() {
            let mut row = Rows::of(format!("repository {}", other.name));
            row.add("reach", State::Warning, "its password is not on this host: not looked at");
            rows.extend(row.all);
            continue;
        }
        rows.extend(repository(here, &other.name).await);
    }
    let is_named = |name: &String| config.tenants.iter().any(|t| t.vault.as_ref() == Some(name));
    for other in config.vaults.iter().filter(|v| !is_named(&v.name)) {
        rows.extend(vault(here, &other.name).await);
    }
    Ok(rows)
}

/// Whoever asks does not wait for a server as long as a backup would.
async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::new(Kind::Copy, format!("no answer in {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
}

async fn signs_in(school: &School, identity: Identity) -> Vec<Row> {
    let mut rows = Rows::of(format!("tenant {}, identity {}", school.name(), identity.name()));
    let clock = &school.host().clock;
    let settings = match school.signs_in_as(identity) {
        Ok(settings) => settings,
        Err(e) => {
            rows.refused("sign-in", "", &e);
            return rows.all;
        }
    };
    match settings.credential.validity() {
        Ok(Some((from, until))) => certificate(&mut rows, from, until, clock.now()),
        Ok(None) => rows.add(
            "certificate",
            State::Warning,
            "it signs in with a secret, which is sent with each sign-in, and whose end only the \
             tenant knows; a certificate is better",
        ),
        Err(e) => rows.add("certificate", State::Failed, e.to_string()),
    }
    let usual: Arc<dyn Transport> = match Https::new(&settings) {
        Ok(usual) => Arc::new(usual),
        Err(e) => {
            rows.add("sign-in", State::Failed, e.to_string());
            return rows.all;
        }
    };
    let transport = match &school.host().through {
        Some(through) => through(usual),
        None => usual,
    };
    // Whoever asks waits for the answer: not as long as a backup would.
    let patience = RetryLimits { tries: 2, pause_ms: 500, throttled_s_max: 60 };
    let budget = Arc::new(Budget::new(true));
    let client = Client::with_transport(settings, transport, clock.clone(), budget, patience);
    let standing = match client.standing().await {
        Ok(standing) => standing,
        Err(e) => {
            rows.add("sign-in", State::Failed, e.to_string());
            return rows.all;
        }
    };
    rows.add("sign-in", State::Good, "it signs in");
    let now = clock.now();
    rows.clock("that of the sign-in service", standing.signin_date, now);
    match standing.graph_date {
        Ok(date) => rows.clock("that of Graph", date, now),
        Err(e) => rows.add("reach", State::Failed, e.to_string()),
    }
    match standing.permissions {
        Some(held) => granted(&mut rows, &needs(school.tenant(), identity), identity, &held),
        None => rows.add(
            "permission",
            State::Warning,
            "its token cannot be read here, so nothing is known of its permissions",
        ),
    }
    rows.all
}

fn certificate(rows: &mut Rows, from: Timestamp, until: Timestamp, now: Timestamp) {
    let day = |t: Timestamp| t.strftime("%Y-%m-%d").to_string();
    let days = (until.as_second() - now.as_second()).div_euclid(86_400);
    let (state, text) = match days {
        _ if now < from => {
            (State::Failed, format!("its certificate begins to be good on {}", day(from)))
        }
        ..0 => (State::Failed, format!("its certificate ended on {}", day(until))),
        n if n < CERTIFICATE_DAYS_MIN => (
            State::Warning,
            format!("its certificate ends in {n} days, on {}: put a new one beside it", day(until)),
        ),
        n => (State::Good, format!("its certificate is good for {n} days")),
    };
    rows.add("certificate", state, text);
}

/// What an identity needs; nothing for one that holds permissions only while it works.
fn needs(tenant: &TenantEntry, identity: Identity) -> PermissionNeeds {
    let is_wanted = |p: &Profile| {
        !tenant.backup.without.iter().any(|w| w == p.name)
            && (p.name != "mail" || tenant.backup.mail)
            && (p.name != "drives" || tenant.backup.drives)
    };
    match identity {
        Identity::Read => permissions::to_read(is_wanted, tenant.backup.holds),
        Identity::Write => permissions::to_write(is_wanted),
        Identity::Configure | Identity::Act => PermissionNeeds::new(),
    }
}

fn granted(rows: &mut Rows, needs: &PermissionNeeds, identity: Identity, held: &BTreeSet<String>) {
    let missing: Vec<_> = needs.iter().filter(|(name, _)| !held.contains(**name)).collect();
    for (name, need) in &missing {
        let state = if need.is_vital { State::Failed } else { State::Warning };
        let uses = need.uses.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        rows.add("permission", state, format!("{name} is missing, for {uses}"));
    }
    let unneeded: Vec<&String> = held.iter().filter(|h| !needs.contains_key(h.as_str())).collect();
    for name in &unneeded {
        // The backup's own identity stands on a host that may be stolen.
        let (state, why) = match (identity, permissions::changes(name)) {
            (Identity::Read, true) => {
                (State::Failed, "whoever has this host can change the tenant with it; take it back")
            }
            (Identity::Configure, _) => (
                State::Warning,
                "granted for a restore of settings; take it back when that is done",
            ),
            _ => (State::Warning, "nothing here needs it; take it back"),
        };
        rows.add("permission", state, format!("{name} is held: {why}"));
    }
    if missing.is_empty() && unneeded.is_empty() {
        let text = match needs.len() {
            0 => "it holds no permission, as it should between restores".to_owned(),
            n => format!("it holds the {n} permissions that it needs, and no other"),
        };
        rows.add("permission", State::Good, text);
    }
}

/// Opens a repository with one of its credentials.
async fn opened(here: &Here<'_>, name: &str, doing: Doing) -> Result<Repository, Error> {
    let Here { config, host, cache_dir } = here;
    let entry = config.repository(name)?;
    let place = Place::of(entry, config, doing, &host.accounts)?;
    let password = secrets::read(&config.path(&entry.password_file), &host.accounts)?;
    let (cache, writer) = (host.cache(*cache_dir, Some(config))?, host.writer());
    blocking(move || Ok(Repository::open(place.open()?, &password, &cache, writer)?)).await
}

/// Of the credential that takes away, where there is one and its files are on this host.
async fn prune(rows: &mut Rows, here: &Here<'_>, name: &str) {
    let Ok(entry) = here.config.repository(name) else { return };
    let files = entry.pruning_files(here.config);
    if entry.prune.is_none() || files.iter().any(|file| !file.exists()) {
        return;
    }
    match in_time(opened(here, name, Doing::Deleting)).await {
        Ok(_) => rows.add("prune", State::Good, "the credential of [repository.prune] reads it"),
        Err(e) => rows.refused("prune", "[repository.prune]: ", &e),
    }
}

async fn repository(here: &Here<'_>, name: &str) -> Vec<Row> {
    let mut rows = Rows::of(format!("repository {name}"));
    let opened = async {
        let repo = opened(here, name, Doing::Usual).await?;
        let now = here.host.clock.now();
        blocking(move || {
            let clock = repo.store_clock()?;
            Ok((repo.reach(now)?, clock))
        })
        .await
    };
    match in_time(opened).await {
        Ok((reach, date)) => {
            rows.add("reach", State::Good, "its password opens it");
            rows.clock("that of its store", date, here.host.clock.now());
            reached(&mut rows, &reach);
        }
        Err(e) => rows.refused("reach", "", &e),
    }
    prune(&mut rows, here, name).await;
    rows.all
}

fn reached(rows: &mut Rows, reach: &CredentialRights) {
    match &reach.add {
        Allowed::Yes => rows.add("reach", State::Good, "this side may add to it"),
        Allowed::No(why) => {
            rows.add("reach", State::Failed, format!("this side may not add to it: {why}"));
        }
        Allowed::Unknown(why) => {
            rows.add("reach", State::Failed, format!("nothing could be added to it: {why}"));
        }
    }
    match &reach.delete_locks {
        Allowed::Yes => rows.add("reach", State::Good, "this side may remove its locks"),
        Allowed::No(why) => rows.add(
            "reach",
            State::Warning,
            format!("locks of this side stay until they are stale, half an hour each: {why}"),
        ),
        Allowed::Unknown(why) => {
            rows.add("reach", State::Warning, format!("removing a lock was not tried: {why}"));
        }
    }
    // What a thief of this host could do to the copy. That a store cannot hold him off is no
    // fault of the configuration: the vault is for that.
    for (may, what) in [(&reach.overwrite, "write over"), (&reach.delete, "delete")] {
        match may {
            Allowed::Yes => rows.add(
                "reach",
                State::Good,
                format!("whoever has this host can {what} what it holds"),
            ),
            Allowed::No(_) => {
                rows.add("reach", State::Good, format!("nobody here can {what} what it holds"));
            }
            Allowed::Unknown(why) => rows.add(
                "reach",
                State::Warning,
                format!("whether this side can {what} what it holds is not known: {why}"),
            ),
        }
    }
}

/// Whether a vault answers, as a sentence, and its clock.
fn answers(place: VaultPlace) -> Result<(String, Option<Timestamp>), Error> {
    Ok(match place {
        VaultPlace::Server(settings) => {
            let vault = VaultRest::new(settings)?;
            let sessions = vault.sessions()?.len();
            (format!("it answers, with {sessions} sealed sessions"), vault.clock()?)
        }
        VaultPlace::Bucket(place) => {
            let bucket = S3Bucket::new(place.settings)?;
            let snapshots = Store::list(&bucket, ObjectKind::Snapshots)?;
            (format!("it answers, with {} snapshots", snapshots.len()), bucket.clock()?)
        }
        place @ VaultPlace::Folder(..) => {
            let _ = place.reader(None)?;
            ("it can be read".to_owned(), None)
        }
    })
}

async fn vault(here: &Here<'_>, name: &str) -> Vec<Row> {
    let mut rows = Rows::of(format!("vault {name}"));
    let asked = async {
        let entry = here.config.vault(name)?;
        if entry.url.is_none() && entry.s3.is_none() && entry.hold.is_none() {
            return Ok(None);
        }
        let place = VaultPlace::of(entry, &here.config.base, &here.host.accounts)?;
        blocking(move || answers(place).map(Some)).await
    };
    match in_time(asked).await {
        Ok(None) => rows.add("reach", State::Good, "it pulls, and this side cannot reach it"),
        Ok(Some((text, date))) => {
            let text = format!("{text}; what its credential may do was not tried here");
            rows.add_with("reach", State::Good, text, Some(Remedy::TryCredential));
            rows.clock("that of the vault", date, here.host.clock.now());
        }
        Err(e) => rows.refused("reach", "", &e),
    }
    rows.all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page is written by hand and held against the table.
    #[test]
    fn the_page_of_permissions_says_what_the_table_says() {
        let page = include_str!("../../../../docs/graph-requests.md");
        let section = page.split("\n## Permissions\n").nth(1).expect("the section is there");
        let listed = |title: &str| -> BTreeSet<String> {
            let part = section.split(&format!("\n### `{title}`\n")).nth(1).expect(title);
            let part = part.split("\n### ").next().unwrap_or_default();
            let rows = part.lines().filter(|l| l.starts_with("| `"));
            rows.map(|l| l.split('`').nth(1).unwrap_or_default().to_owned()).collect()
        };
        let all =
            |needs: PermissionNeeds| needs.into_keys().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(listed("read"), all(permissions::to_read(|_| true, true)));
        assert_eq!(listed("write"), all(permissions::to_write(|_| true)));
        assert_eq!(listed("configure"), all(permissions::to_configure()));
    }

    /// Nobody is asked to consent to more or less than what is needed.
    #[test]
    fn the_script_that_registers_applications_asks_for_what_the_table_says() {
        let script = include_str!("../../../../docs/register.sh");
        let listed = |name: &str| -> BTreeSet<String> {
            let part = script.split(&format!("\n{name}=(")).nth(1).expect(name);
            part.split(')')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let all =
            |needs: PermissionNeeds| needs.into_keys().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(listed("READ"), all(permissions::to_read(|_| true, true)));
        assert_eq!(listed("WRITE"), all(permissions::to_write(|_| true)));
        assert_eq!(listed("CONFIGURE"), BTreeSet::new(), "it holds none between restores");
    }

    #[test]
    fn clocks_and_certificates_have_two_bounds_each() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let after = |s: i64| now + jiff::SignedDuration::from_secs(s);
        let state = |f: &dyn Fn(&mut Rows)| {
            let mut rows = Rows::of(String::new());
            f(&mut rows);
            rows.all[0].state
        };
        for (s, want) in [
            (0, State::Good),
            (60, State::Good),
            (-61, State::Warning),
            (300, State::Warning),
            (301, State::Failed),
            (-600, State::Failed),
        ] {
            assert_eq!(state(&|r| r.clock("x", Some(after(s)), now)), want, "{s} s");
        }
        for (days, want) in
            [(-1, State::Failed), (0, State::Warning), (59, State::Warning), (60, State::Good)]
        {
            let end = after(days * 86_400 + 3600);
            assert_eq!(state(&|r| certificate(r, after(-9), end, now)), want, "{days} days");
        }
        assert_eq!(state(&|r| certificate(r, after(9), after(90), now)), State::Failed);
    }
}
