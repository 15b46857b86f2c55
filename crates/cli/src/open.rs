//! From configuration to open things.

use crate::{
    Global,
    host::accounts,
    place::{self, Doing, Place},
};
use anyhow::Context;
use secrecy::SecretString;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::{PaceSettings, PublicKey, VaultView};
use strongroom_graph::{
    Budget, Client, Credential, Https, Patience, Settings, TokioClock, Transport,
};
use strongroom_model::Clock;
use strongroom_objects::{
    LocalHold, LockedStore, S3Bucket, S3Settings, Store, VaultRest, VaultSettings,
};
use strongroom_operations::{
    Error, Kind, Remedy,
    config::{Config, TenantEntry, VaultEntry},
    files::{cache, secrets},
};
use strongroom_repository::{Id, Repository, Writer};

pub(crate) fn who() -> Writer {
    let host =
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "localhost".into());
    Writer {
        host: host.trim().to_owned(),
        user: strongroom_repository::OURS.into(),
        program: concat!("strongroom ", env!("CARGO_PKG_VERSION")).into(),
    }
}

/// Where the repository is, and its password.
pub(crate) fn repo_place(global: &Global) -> anyhow::Result<(Place, SecretString)> {
    repo_place_for(global, Doing::Usual)
}

/// The same, for a command that does this to it.
pub(crate) fn repo_place_for(
    global: &Global,
    doing: Doing,
) -> anyhow::Result<(Place, SecretString)> {
    if let Some(word) = &global.repo {
        let place = Place::named(global, word, doing)?;
        let own = place::entry(global, word)?.map(|(e, config)| config.path(&e.password_file));
        let file = global.password_file.clone().or(own);
        return Ok((
            place,
            secrets::read(&file.context("--repo needs --password-file")?, &global.host.accounts)?,
        ));
    }
    let config = Config::read(&global.config, &global.host.accounts)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    // Before anything is sent, and whatever is done: a key that cannot sign in is found here.
    if let Some(wrong) = config.unfit(tenant, &global.host).into_iter().next() {
        anyhow::bail!(wrong);
    }
    let entry = config.repository(&tenant.repository)?;
    let file = global.password_file.clone().unwrap_or_else(|| config.path(&entry.password_file));
    Ok((Place::of(entry, &config, doing)?, secrets::read(&file, &global.host.accounts)?))
}

/// Where the repository is, for who has no password.
pub(crate) fn repo_without_password(global: &Global) -> anyhow::Result<Place> {
    if let Some(word) = &global.repo {
        return Place::named(global, word, Doing::Usual);
    }
    let config = Config::read(&global.config, &global.host.accounts)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    Place::of(config.repository(&tenant.repository)?, &config, Doing::Usual)
}

/// The folder for local caches, this account's own.
pub(crate) fn cache_dir(global: &Global) -> anyhow::Result<PathBuf> {
    let dir = match &global.cache_dir {
        Some(dir) => dir.clone(),
        None => {
            let config = Config::read_if_there(&global.config, &global.host.accounts).context(
                "the configuration says where local caches go; --cache-dir names a folder without \
                 it",
            )?;
            let said = config.and_then(|c| c.cache_dir.as_ref().map(|dir| c.path(dir)));
            match said {
                Some(dir) => dir,
                None => global.host.cache_default.clone().map_err(|why| {
                    let what = format!("there is no place for local caches: {why}");
                    Error::new(Kind::Files, what).with(Remedy::NameCache)
                })?,
            }
        }
    };
    cache::own(&dir, &global.host.accounts)?;
    Ok(dir)
}

/// Opens the repository that the options or the configuration name. What is read of it again and
/// again may come from what is kept of it on this host.
pub(crate) async fn repository(global: &Global) -> anyhow::Result<Arc<Repository>> {
    repository_for(global, Doing::Usual).await
}

/// The same, for a command that does this to it.
pub(crate) async fn repository_for(
    global: &Global,
    doing: Doing,
) -> anyhow::Result<Arc<Repository>> {
    let (place, password) = repo_place_for(global, doing)?;
    let cache = cache_dir(global)?;
    let tenant = tenant_id(global)?;
    let server = vault_server(global)?;
    blocking(move || {
        let store = match doing {
            Doing::Usual => place.open_near(&cache)?,
            Doing::Looking | Doing::Deleting => place.open()?,
        };
        let repo = Repository::open(store, &password, &cache, who())?;
        know_ours(&repo);
        if let Some(tenant) = tenant {
            strongroom_engine::seal::check(&repo, &tenant)?;
        }
        if let Some(settings) = server {
            ask_vault(&repo, settings);
        }
        Ok(Arc::new(repo))
    })
    .await
}

/// The vault's server, where the configuration names one that this side can ask. A host without the
/// vault's token cannot, and says so.
fn vault_server(global: &Global) -> anyhow::Result<Option<VaultSettings>> {
    if global.repo.is_some() {
        return Ok(None);
    }
    let config = Config::read(&global.config, &global.host.accounts)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    let Some(name) = &tenant.vault else { return Ok(None) };
    let entry = config.vault(name)?;
    if entry.url.is_none() {
        return Ok(None);
    }
    match vault_place(entry, &config.base) {
        Ok(place) => place.server().map(Some),
        Err(e) => {
            tracing::warn!(
                "the vault cannot be asked which snapshot came first: {}",
                crate::failure::sentence(&e)
            );
            Ok(None)
        }
    }
}

/// Of a snapshot that cannot be read, the signed manifests say whether it was ours.
fn know_ours(repo: &Repository) {
    let (store, key) = (repo.store().clone(), repo.key().clone());
    repo.set_vouched(Arc::new(move || {
        let signed = strongroom_engine::publish::vouched(store.as_ref(), &key);
        // Where nothing is signed nobody knows.
        let signed = signed.inspect_err(|e| tracing::warn!("manifests cannot be read: {e}")).ok();
        signed.filter(|all| !all.is_empty())
    }));
}

/// Where two snapshots claim to be the newest, the vault is asked which it sealed first. One that
/// does not answer says nothing.
fn ask_vault(repo: &Repository, settings: VaultSettings) {
    let key = repo.key().clone();
    let ask = move |heads: &[Id]| -> anyhow::Result<Option<Id>> {
        let vault = vault_client(settings.clone())?;
        Ok(strongroom_engine::replicate::sealed_first(&vault, &key, heads)?)
    };
    repo.set_sealed_first(Arc::new(move |heads| {
        // The client blocks, and whoever asks may be async.
        let said = std::thread::scope(|scope| scope.spawn(|| ask(heads)).join());
        match said {
            Ok(Ok(found)) => found,
            Ok(Err(e)) => {
                tracing::warn!("the vault was not asked which snapshot came first: {e}");
                None
            }
            Err(_) => None,
        }
    }));
}

/// Id of the tenant that is meant: the one that is named, or whose repository the configuration
/// names; `None` where a repository was named by itself.
pub(crate) fn tenant_id(global: &Global) -> anyhow::Result<Option<String>> {
    if global.repo.is_some() && global.tenant.is_none() {
        return Ok(None);
    }
    let config = Config::read(&global.config, &global.host.accounts)?;
    Ok(Some(config.tenant(global.tenant.as_deref())?.tenant_id.clone()))
}

/// The client of one of a tenant's identities.
pub(crate) fn client(
    config: &Config,
    tenant: &TenantEntry,
    identity: &str,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<Client>> {
    client_through(config, tenant, identity, clock, |https| https)
}

/// The same, through a transport that wraps the usual one.
pub(crate) fn client_through(
    config: &Config,
    tenant: &TenantEntry,
    identity: &str,
    clock: Arc<dyn Clock>,
    wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
) -> anyhow::Result<Arc<Client>> {
    let settings = settings(config, tenant, identity)?;
    let patience = Patience {
        tries: tenant.backup.tries,
        pause_ms: tenant.backup.pause_ms,
        throttled_s_max: tenant.backup.throttled_s_max,
    };
    let budget = Arc::new(Budget::new(tenant.backup.keep_to_budget));
    let transport = wrap(Arc::new(Https::new(&settings)?));
    Ok(Arc::new(Client::with_transport(settings, transport, clock, budget, patience)))
}

/// How one of a tenant's identities reaches it, with a credential that can sign in.
pub(crate) fn settings(
    config: &Config,
    tenant: &TenantEntry,
    identity: &str,
) -> anyhow::Result<Settings> {
    let id = tenant.identities.get(identity).with_context(|| {
        format!("tenant {} has no identity {identity:?} in the configuration", tenant.name)
    })?;
    let (file, credential) = match (&id.certificate_file, &id.secret_file) {
        (Some(file), _) => {
            (file, Credential::Certificate { pem: secrets::read(&config.path(file), &accounts())? })
        }
        (None, Some(file)) => {
            (file, Credential::Secret(secrets::read(&config.path(file), &accounts())?))
        }
        (None, None) => anyhow::bail!(
            "tenant {}, identity {identity}: it needs a certificate_file",
            tenant.name
        ),
    };
    credential.check().with_context(|| {
        format!(
            "tenant {}, identity {identity}: {} cannot sign in",
            tenant.name,
            config.path(file).display()
        )
    })?;
    Ok(Settings {
        authority: tenant.authority.clone(),
        graph: tenant.graph.clone(),
        tenant: tenant.tenant_id.clone(),
        application_id: id.application_id.clone(),
        credential,
        ca_file: tenant.ca_file.as_ref().map(|f| config.path(f)),
        user_agent: concat!("NONISV|Strongroom|Strongroom/", env!("CARGO_PKG_VERSION")).into(),
    })
}

/// A vault as this side reaches it.
pub(crate) enum VaultPlace {
    /// Its server.
    Server(VaultSettings),
    /// Its bucket.
    Bucket(Box<BucketPlace>),
    /// Its folder, mounted here, and the vault's public key where that is known.
    Folder(PathBuf, Option<PublicKey>),
}

/// A bucket with what pushing into it takes.
#[derive(Clone)]
pub(crate) struct BucketPlace {
    pub(crate) settings: S3Settings,
    pub(crate) twin: Option<S3Settings>,
    pub(crate) public_key: Option<PublicKey>,
    pub(crate) pace: PaceSettings,
}

/// The vault of a tenant.
pub(crate) fn vault(config: &Config, tenant: &TenantEntry) -> anyhow::Result<VaultPlace> {
    let name = tenant
        .vault
        .as_ref()
        .with_context(|| format!("tenant {} has no vault in the configuration", tenant.name))?;
    vault_place(config.vault(name)?, &config.base)
}

/// A vault from its entry; relative paths start at `base`.
pub(crate) fn vault_place(entry: &VaultEntry, base: &Path) -> anyhow::Result<VaultPlace> {
    if let Some(url) = &entry.url {
        let file = entry
            .token_file
            .as_ref()
            .with_context(|| format!("vault {} has a url and no token_file", entry.name))?;
        return Ok(VaultPlace::Server(VaultSettings {
            url: url.clone(),
            user: entry.user.clone(),
            token: secrets::read(&base.join(file), &accounts())?,
            ca_file: entry.ca_file.as_ref().map(|f| base.join(f)),
            identity_file: entry
                .identity_file
                .as_ref()
                .map(|f| secrets::read(&base.join(f), &accounts()).map(|_| base.join(f)))
                .transpose()?,
        }));
    }
    let public_key = entry.public_key.as_ref().map(|k| PublicKey::parse(k)).transpose()?;
    if let Some(s3) = &entry.s3 {
        let settings = s3.settings(base, &|path: &Path| secrets::read(path, &accounts()))?;
        let twin = s3
            .twin_bucket
            .as_ref()
            .map(|bucket| S3Settings { bucket: bucket.clone(), ..settings.clone() });
        return Ok(VaultPlace::Bucket(Box::new(BucketPlace {
            settings,
            twin,
            public_key,
            pace: entry.pace.clone(),
        })));
    }
    match &entry.hold {
        Some(path) => Ok(VaultPlace::Folder(base.join(path), public_key)),
        None => anyhow::bail!(
            "vault {} names neither url nor s3 nor hold: it pulls, and this side cannot reach it",
            entry.name
        ),
    }
}

impl VaultPlace {
    /// The vault's public key, where the place names it.
    pub(crate) fn public_key(&self) -> Option<PublicKey> {
        match self {
            VaultPlace::Server(_) => None,
            VaultPlace::Bucket(place) => place.public_key,
            VaultPlace::Folder(_, key) => *key,
        }
    }

    /// The place as something to read from: by the vault's own view at a server; by the log of the
    /// vault's key where that is known; by what is found anywhere else.
    pub(crate) fn reader(&self, upto: Option<u64>) -> anyhow::Result<Arc<dyn Store>> {
        self.reader_by(self.public_key(), upto)
    }

    /// The same, by the log of this key, or as found without one.
    pub(crate) fn reader_by(
        &self,
        vault: Option<PublicKey>,
        upto: Option<u64>,
    ) -> anyhow::Result<Arc<dyn Store>> {
        let found = |store: Arc<dyn LockedStore>| -> anyhow::Result<Arc<dyn Store>> {
            Ok(Arc::new(match vault {
                Some(key) => VaultView::of_log(store, key, upto)?,
                None => VaultView::as_found(store, upto)?,
            }))
        };
        match self {
            VaultPlace::Server(settings) => {
                let vault = VaultRest::new(settings.clone())?;
                Ok(match upto {
                    Some(n) => Arc::new(vault.view(n)?),
                    None => Arc::new(vault),
                })
            }
            VaultPlace::Bucket(place) => found(Arc::new(S3Bucket::new(place.settings.clone())?)),
            VaultPlace::Folder(path, _) => {
                if !path.is_dir() {
                    anyhow::bail!("{} is no folder; is the vault mounted?", path.display());
                }
                found(Arc::new(LocalHold::new(path, false)))
            }
        }
    }

    /// The place as something whose sessions a server tells.
    pub(crate) fn server(self) -> anyhow::Result<VaultSettings> {
        match self {
            VaultPlace::Server(settings) => Ok(settings),
            _ => anyhow::bail!(
                "sessions are listed by a vault's server; for a bucket or a folder \
                 `strongroom-vault sessions` lists them on its own host"
            ),
        }
    }
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(f).await?
}

pub(crate) fn vault_client(settings: VaultSettings) -> anyhow::Result<VaultRest> {
    Ok(VaultRest::new(settings)?)
}

pub(crate) fn real_clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock)
}
