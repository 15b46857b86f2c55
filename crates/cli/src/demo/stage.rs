//! The stage of a demonstration: servers, configuration, clock.

use super::{Demo, DemoClock, SharedClock, servers};
use crate::{
    commands,
    edge::{blocking, only_school},
    host,
    progress::Bar,
};
use anyhow::{Context, bail};
use graph_sim::{AttackReport, DigestRow, Ready};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};
use strongroom_engine::{BackupReport, replicate as copies};
use strongroom_objects::{Key, Kind, VaultRest};
use strongroom_operations::{
    Host, School,
    files::secrets,
    place::{Doing, Place},
    restore::{RestoreDataRequest, RestoreInto},
};
use strongroom_repository::Repository;

/// Name of the demonstration's tenant, repository and vault.
pub(crate) const SCHOOL: &str = "riverside";
const DAY_S: i64 = 86_400;
/// The lines that say where copy 2 lies.
const COPY2_BYTES_MAX: u64 = 64 << 10;
/// What the simulator's digest calls a file that holds malware.
const WITHHELD: &str = "malware";

pub(crate) struct Stage {
    pub(crate) dir: PathBuf,
    /// The configuration's file.
    pub(crate) config: PathBuf,
    /// The school, on the demonstration's clock.
    pub(crate) school: School,
    pub(crate) sim: servers::Running,
    pub(crate) vault: servers::Running,
    pub(crate) clock: SharedClock,
    http: reqwest::Client,
}

impl Stage {
    /// Starts the servers and makes an empty repository. The clock stands `days` before now.
    pub(crate) async fn set(dir: &Path, args: &Demo, days: i64) -> anyhow::Result<Self> {
        let clock = Arc::new(DemoClock { behind_s: (days * DAY_S).into() });
        let start = strongroom_model::Clock::now(clock.as_ref()).to_string();
        let (sim_dir, vault_dir, token) =
            (dir.join("tenant"), dir.join("vault"), dir.join("vault.token"));
        let (seed, scale) = (args.seed.to_string(), args.scale.to_string());
        let mut sim = vec![
            "sim",
            "--dir",
            servers::arg(&sim_dir)?,
            "--seed",
            &seed,
            "--scale",
            &scale,
            "--start",
            &start,
        ];
        if let Some(dir) = &args.seed_dir {
            sim.extend(["--seed-dir", servers::arg(dir)?]);
        }
        if args.office_rewrite {
            sim.push("--office-rewrite");
        }
        let mut password = [0; 24];
        getrandom::fill(&mut password).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
        servers::write_private(&dir.join("password"), &hex::encode(password))?;
        let lies = match &args.copy2 {
            Some(file) => strongroom_objects::read_regular_text(file, COPY2_BYTES_MAX)
                .with_context(|| format!("{} cannot be read", file.display()))?,
            None => "path = \"copy2\"".to_owned(),
        };
        let sim = servers::start(&sim).await?;
        let ready: Ready = serde_json::from_value(sim.ready.clone())?;
        let config = dir.join("strongroom.toml");
        // The vault's address is known when it serves, and it is enrolled with what copy 2 is.
        std::fs::write(&config, config_text(&ready, &lies, None)?)?;
        let host = Arc::new(Host { clock: clock.clone(), ..host::found().as_ref().clone() });
        let copy2 = only_school(&config, dir.join("cache"), &host)?.copy2()?;
        let (place, password) = copy2.place_and_password(Doing::Usual)?;
        if let Place::Folder(path) = &place
            && path.read_dir().is_ok_and(|mut rows| rows.next().is_some())
        {
            bail!("{} is not empty, and the attack takes all of copy 2 away", path.display());
        }
        let (store, cache) = (place.open()?, dir.join("cache"));
        let card = blocking(move || {
            let writer = copy2.host().writer();
            let repo = Repository::init(store, &password, &cache, writer, copy2.now())?;
            Ok(strongroom_engine::publish::card(&repo)?)
        })
        .await?;
        let card_file = dir.join("school.card");
        std::fs::write(&card_file, serde_json::to_vec(&card)?)?;
        let enrol = [
            "enrol",
            "--dir",
            servers::arg(&vault_dir)?,
            "--name",
            SCHOOL,
            "--card",
            servers::arg(&card_file)?,
            "--token-file",
            servers::arg(&token)?,
        ];
        servers::once(&enrol).await?;
        let vault = servers::start(&["vault", "--dir", servers::arg(&vault_dir)?]).await?;
        let url = vault.ready["url"].as_str().unwrap_or_default();
        std::fs::write(&config, config_text(&ready, &lies, Some(url))?)?;
        let school = only_school(&config, dir.join("cache"), &host)?;
        let http = reqwest::Client::builder().tls_certs_only([]).build()?;
        Ok(Self { dir: dir.to_owned(), config, school, sim, vault, clock, http })
    }

    /// Where copy 2 is.
    pub(crate) fn copy2(&self) -> anyhow::Result<Place> {
        Ok(self.school.copy2()?.place(Doing::Usual)?)
    }

    /// Number and bytes of copy 2's objects.
    pub(crate) async fn copy2_size(&self) -> anyhow::Result<(u64, u64)> {
        let store = self.copy2()?.open()?;
        blocking(move || {
            let mut sum = (0, 0);
            for kind in Kind::REPLICATED {
                for entry in store.list(kind)? {
                    sum = (sum.0 + 1, sum.1 + entry.size_bytes);
                }
            }
            Ok(sum)
        })
        .await
    }

    /// Takes all of copy 2 away, as who has the credentials that take away.
    pub(crate) async fn wreck_copy2(&self) -> anyhow::Result<()> {
        let place = self.school.copy2()?.place(Doing::Deleting)?;
        if let Place::Folder(path) = &place {
            // It was empty when the demonstration began.
            return Ok(std::fs::remove_dir_all(path)?);
        }
        let store = place.open()?;
        blocking(move || {
            for kind in Kind::REPLICATED {
                for entry in store.list(kind)? {
                    store.remove(&Key::new(kind, &entry.name)?)?;
                }
            }
            Ok(())
        })
        .await
    }

    pub(crate) fn graph(&self) -> String {
        self.sim.ready["https"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn vault_url(&self) -> String {
        self.vault.ready["url"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A command to the simulator's control plane.
    pub(crate) async fn control(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let base = self.sim.ready["control"].as_str().unwrap_or_default();
        let request = match body {
            Value::Null => self.http.get(format!("{base}{path}")),
            body => self.http.post(format!("{base}{path}")).json(body),
        };
        let answer = request.send().await.context("the simulator does not answer")?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        if !status.is_success() {
            bail!("the simulator refuses {path}: {}", body["error"]);
        }
        Ok(body)
    }

    /// What people have, without what the service hands to nobody: no backup has that.
    pub(crate) async fn digest(&self) -> anyhow::Result<Vec<DigestRow>> {
        let mut rows = self.all_rows().await?;
        rows.retain(|r| r.kind != WITHHELD);
        Ok(rows)
    }

    /// Owner and path of the files that the service hands to nobody.
    pub(crate) async fn withheld(&self) -> anyhow::Result<HashSet<String>> {
        let mut rows = self.all_rows().await?;
        rows.retain(|r| r.kind == WITHHELD);
        Ok(rows.into_iter().map(|r| format!("{}/{}", r.user, r.path)).collect())
    }

    async fn all_rows(&self) -> anyhow::Result<Vec<DigestRow>> {
        Ok(serde_json::from_value(self.control("digest", &Value::Null).await?)?)
    }

    pub(crate) async fn attack(&self, name: &str) -> anyhow::Result<AttackReport> {
        Ok(serde_json::from_value(self.control("attack", &json!({"name": name})).await?)?)
    }

    pub(crate) async fn live(&self, seed: u64, spare: bool) -> anyhow::Result<()> {
        self.control("live", &json!({"seed": seed, "spare": spare})).await.map(|_| ())
    }

    /// Leaves the servers running for somebody who wants to look around; from now on it is now.
    pub(crate) async fn leave(&mut self) -> anyhow::Result<()> {
        let now = host::now();
        self.control("clock", &json!({"set": now.to_string()})).await?;
        self.sim.leave();
        self.vault.leave();
        Ok(())
    }

    /// A day passes, for the tenant and for the backup alike.
    pub(crate) async fn next_day(&self) -> anyhow::Result<()> {
        self.clock.behind_s.fetch_sub(DAY_S, Ordering::SeqCst);
        let now = strongroom_model::Clock::now(self.clock.as_ref());
        self.control("clock", &json!({"set": now.to_string()})).await.map(|_| ())
    }

    pub(crate) async fn back_up(&self) -> anyhow::Result<BackupReport> {
        commands::back_up(
            &self.school,
            commands::Backup {
                user: Vec::new(),
                acknowledge: None,
                accept: Vec::new(),
                until: None,
                by: None,
                reason: None,
                key: None,
            },
            true,
        )
        .await
    }

    pub(crate) async fn replicate(&self) -> anyhow::Result<copies::ReplicateReport> {
        let repo = self.school.repository().await?;
        let settings = self.vault_settings()?;
        blocking(move || {
            Ok(copies::to_vault(&repo, &mut VaultRest::new(settings)?, Bar::new(true).as_ref())?)
        })
        .await
    }

    pub(crate) fn vault_settings(&self) -> anyhow::Result<strongroom_objects::VaultSettings> {
        Ok(self.school.vault()?.server()?)
    }

    /// The vault's sessions, judged with the key that the vault itself keeps under the password.
    pub(crate) async fn sessions(&self) -> anyhow::Result<Vec<copies::CheckedSession>> {
        let settings = self.vault_settings()?;
        let password = secrets::read(&self.dir.join("password"), &self.school.host().accounts)?;
        blocking(move || {
            let vault = VaultRest::new(settings)?;
            let key = Repository::key_of(&vault, &password)?;
            Ok(copies::sessions(&vault, &key)?)
        })
        .await
    }

    /// Number and bytes of the files in a folder of the stage.
    pub(crate) fn folder(&self, name: &str) -> (u64, u64) {
        fn walk(dir: &Path, sum: &mut (u64, u64)) {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(m) if m.is_dir() => walk(&entry.path(), sum),
                    Ok(m) => *sum = (sum.0 + 1, sum.1 + m.len()),
                    Err(_) => {}
                }
            }
        }
        let mut sum = (0, 0);
        walk(&self.dir.join(name), &mut sum);
        sum
    }

    pub(crate) fn restore_request(&self) -> RestoreDataRequest {
        RestoreDataRequest {
            snapshot: None,
            clean: true,
            path: String::new(),
            into: RestoreInto::InPlace,
            to_tenant: None,
            users: BTreeMap::new(),
            addresses: BTreeMap::new(),
            versions: true,
            at_once: true,
        }
    }
}

fn config_text(ready: &Ready, copy2: &str, vault: Option<&str>) -> anyhow::Result<String> {
    let tenant = ready.tenants.first().context("the simulator has no tenant")?;
    let app = |name: &str| {
        tenant
            .applications
            .iter()
            .find(|a| a.name == name)
            .with_context(|| format!("the simulator has no application {name}"))
    };
    let (read, write) = (app("read")?, app("write")?);
    let s = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let (at_tenant, vault) = match vault {
        Some(url) => (
            format!("vault = \"{SCHOOL}\"\n"),
            format!(
                "\n[[vault]]\nname = \"{SCHOOL}\"\nurl = {}\ntoken_file = \"vault.token\"\n",
                s(&format!("{url}{SCHOOL}/"))
            ),
        ),
        None => (String::new(), String::new()),
    };
    Ok(format!(
        r#"cache_dir = "cache"

[[tenant]]
name = "{SCHOOL}"
tenant_id = {tenant_id}
authority = {https}
graph = {https}
ca_file = {ca}
repository = "{SCHOOL}"
{at_tenant}
[tenant.backup]
# The simulator of the demonstration enforces no budget, so none is kept to.
keep_to_budget = false
throttled_s_max = 5

[tenant.identities.read]
application_id = {read_id}
certificate_file = {read_pem}

[tenant.identities.write]
application_id = {write_id}
certificate_file = {write_pem}

[[repository]]
name = "{SCHOOL}"
password_file = "password"
{copy2}
{vault}"#,
        tenant_id = s(&tenant.tenant_id),
        https = s(&ready.https),
        ca = s(&ready.ca_file),
        read_id = s(&read.application_id),
        read_pem = s(&read.certificate_file),
        write_id = s(&write.application_id),
        write_pem = s(&write.certificate_file),
    ))
}
