//! From configuration to open things.

use crate::{
    Global,
    config::{Config, Tenant},
};
use anyhow::Context;
use secrecy::SecretString;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_graph::{Budget, Client, Credential, Patience, Settings, TokioClock};
use strongroom_model::Clock;
use strongroom_objects::{LocalDir, VaultRest, VaultSettings};
use strongroom_repository::{Repository, Writer};

/// A secret from a file, without the line end that editors add.
pub(crate) fn secret(path: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}

pub(crate) fn who() -> Writer {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "localhost".into());
    Writer { host: host.trim().to_owned(), user: "strongroom".into(), program: concat!("strongroom ", env!("CARGO_PKG_VERSION")).into() }
}

/// The folder of a repository and its password.
pub(crate) fn repo_place(global: &Global) -> anyhow::Result<(PathBuf, SecretString)> {
    if let Some(path) = &global.repo {
        let file = global.password_file.as_ref().context("--repo needs --password-file")?;
        return Ok((path.clone(), secret(file)?));
    }
    let config = Config::read(&global.config)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    let entry = config.repository(&tenant.repository)?;
    let file = global.password_file.clone().unwrap_or_else(|| config.path(&entry.password_file));
    Ok((config.path(&entry.path), secret(&file)?))
}

/// The folder of a repository, for who has no password.
pub(crate) fn repo_path(global: &Global) -> anyhow::Result<PathBuf> {
    if let Some(path) = &global.repo {
        return Ok(path.clone());
    }
    let config = Config::read(&global.config)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    Ok(config.path(&config.repository(&tenant.repository)?.path))
}

pub(crate) fn cache_dir(global: &Global) -> PathBuf {
    if let Some(dir) = &global.cache_dir {
        return dir.clone();
    }
    if let Ok(config) = Config::read(&global.config)
        && let Some(dir) = &config.cache_dir
    {
        return config.path(dir);
    }
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")));
    home.unwrap_or_else(std::env::temp_dir).join("strongroom")
}

/// Opens the repository that the options or the configuration name.
pub(crate) async fn repository(global: &Global) -> anyhow::Result<Arc<Repository>> {
    let (path, password) = repo_place(global)?;
    let cache = cache_dir(global);
    let opened = tokio::task::spawn_blocking(move || Repository::open(Arc::new(LocalDir::new(path)), &password, &cache, who())).await?;
    Ok(Arc::new(opened?))
}

/// The client of one of a tenant's identities.
pub(crate) fn client(config: &Config, tenant: &Tenant, identity: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Client>> {
    let id = tenant.identities.get(identity).with_context(|| format!("tenant {} has no identity {identity:?} in the configuration", tenant.name))?;
    let credential = match (&id.certificate_file, &id.secret_file) {
        (Some(file), _) => Credential::Certificate { pem: secret(&config.path(file))? },
        (None, Some(file)) => Credential::Secret(secret(&config.path(file))?),
        (None, None) => anyhow::bail!("tenant {}, identity {identity}: it needs a certificate_file", tenant.name),
    };
    let settings = Settings {
        authority: tenant.authority.clone(),
        graph: tenant.graph.clone(),
        tenant: tenant.tenant_id.clone(),
        application_id: id.application_id.clone(),
        credential,
        ca_file: tenant.ca_file.as_ref().map(|f| config.path(f)),
        user_agent: concat!("NONISV|Strongroom|Strongroom/", env!("CARGO_PKG_VERSION")).into(),
    };
    let patience = Patience { tries: tenant.backup.tries, pause_ms: tenant.backup.pause_ms, throttled_s_max: tenant.backup.throttled_s_max };
    let budget = Arc::new(Budget::new(tenant.backup.keep_to_budget));
    Ok(Arc::new(Client::new(settings, clock, budget, patience)?))
}

/// The vault of a tenant.
pub(crate) fn vault(config: &Config, tenant: &Tenant) -> anyhow::Result<VaultSettings> {
    let name = tenant.vault.as_ref().with_context(|| format!("tenant {} has no vault in the configuration", tenant.name))?;
    let entry = config.vault(name)?;
    Ok(VaultSettings {
        url: entry.url.clone(),
        user: entry.user.clone(),
        token: secret(&config.path(&entry.token_file))?,
        ca_file: entry.ca_file.as_ref().map(|f| config.path(f)),
    })
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(f).await?
}

pub(crate) fn vault_client(settings: VaultSettings) -> anyhow::Result<VaultRest> {
    Ok(VaultRest::new(settings)?)
}

pub(crate) fn real_clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock)
}
