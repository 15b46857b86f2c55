//! The configuration file: tenants, repositories, vaults. `docs/configuration.md` documents it.

mod online;
mod problems;

use crate::Global;
use anyhow::{Context, bail};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use strongroom_engine::decisions::{People, Person};
use strongroom_model::Ending;
use strongroom_objects::{AzureEntry, RestEntry, S3Entry, SftpEntry};
use url::Url;

/// Folder of decisions about changes, beside the configuration.
pub(crate) const REVIEWS: &str = "reviews";

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder for local caches.
    pub(crate) cache_dir: Option<PathBuf>,
    /// Folder of our own rules: Rego modules, judged beside the built-in ones.
    pub(crate) rules_dir: Option<PathBuf>,
    /// Folder where decisions about changes are kept; `reviews` beside the configuration by
    /// default.
    pub(crate) reviews_dir: Option<PathBuf>,
    /// Folder of our own baselines.
    pub(crate) baselines_dir: Option<PathBuf>,
    #[serde(default, rename = "tenant")]
    pub(crate) tenants: Vec<Tenant>,
    #[serde(default, rename = "repository")]
    pub(crate) repositories: Vec<RepositoryEntry>,
    #[serde(default, rename = "vault")]
    pub(crate) vaults: Vec<VaultEntry>,
    /// Those whose decisions are signed.
    #[serde(default, rename = "person")]
    pub(crate) persons: Vec<PersonEntry>,
    /// Folder of the file: relative paths start there.
    #[serde(skip)]
    pub(crate) base: PathBuf,
}

/// A person whose decisions are signed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonEntry {
    /// As `--by` gives it.
    pub(crate) name: String,
    /// Of the person's key file: 64 hexadecimal digits.
    pub(crate) public_key: String,
}

/// One tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) tenant_id: String,
    pub(crate) authority: Url,
    pub(crate) graph: Url,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) repository: String,
    pub(crate) vault: Option<String>,
    /// What people decided about findings of its configuration.
    pub(crate) exceptions: Option<PathBuf>,
    /// Who looks at changes of its configuration.
    pub(crate) reviewer: Option<String>,
    #[serde(default)]
    pub(crate) backup: BackupEntry,
    /// `read`, `write`, `configure`, `act`.
    #[serde(default)]
    pub(crate) identities: BTreeMap<String, Identity>,
}

/// What to back up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BackupEntry {
    pub(crate) mail: bool,
    pub(crate) drives: bool,
    /// Other workloads that are not backed up, by name.
    pub(crate) without: Vec<String>,
    pub(crate) holds: bool,
    pub(crate) versions_max: usize,
    pub(crate) users_at_once: usize,
    pub(crate) keep_to_budget: bool,
    pub(crate) tries: u32,
    pub(crate) pause_ms: u64,
    pub(crate) throttled_s_max: u64,
}

impl Default for BackupEntry {
    fn default() -> Self {
        Self {
            mail: true,
            drives: true,
            without: Vec::new(),
            holds: true,
            versions_max: 10,
            users_at_once: 8,
            keep_to_budget: true,
            tries: 6,
            pause_ms: 500,
            throttled_s_max: 3600,
        }
    }
}

/// An application identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) application_id: String,
    /// Certificate and private key, PEM.
    pub(crate) certificate_file: Option<PathBuf>,
    /// A client secret: the poor way.
    pub(crate) secret_file: Option<PathBuf>,
}

/// A repository.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepositoryEntry {
    pub(crate) name: String,
    /// Its folder.
    pub(crate) path: Option<PathBuf>,
    /// Its bucket, instead.
    pub(crate) s3: Option<S3Entry>,
    /// Its container of Azure Blob Storage, instead.
    pub(crate) azure: Option<AzureEntry>,
    /// Its folder of another host, instead.
    pub(crate) sftp: Option<SftpEntry>,
    /// Its server of restic's REST protocol, instead.
    pub(crate) rest: Option<RestEntry>,
    /// The credential of what takes away, where it is another one.
    pub(crate) prune: Option<PruneEntry>,
    pub(crate) password_file: PathBuf,
    /// What `forget` keeps.
    pub(crate) retention: Option<strongroom_repository::Policy>,
}

/// What `forget`, `prune`, `repair` and `key remove` sign in with, in the place of the repository's
/// own credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PruneEntry {
    /// Of a server: the address of one that lets things be removed.
    pub(crate) url: Option<Url>,
    /// Of a server or another host.
    pub(crate) user: Option<String>,
    /// Of a bucket or a server.
    pub(crate) secret_file: Option<PathBuf>,
    /// Of a bucket.
    pub(crate) access_key_id: Option<String>,
    /// Of a container.
    pub(crate) key_file: Option<PathBuf>,
    /// Of a container.
    pub(crate) sas_file: Option<PathBuf>,
    /// Of another host.
    pub(crate) identity_file: Option<PathBuf>,
}

/// A vault: a server, a bucket, or a folder that can be reached. One that only pulls needs none of
/// them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VaultEntry {
    #[serde(default)]
    pub(crate) name: String,
    /// A server, with the repository's name as last segment.
    pub(crate) url: Option<Url>,
    #[serde(default = "push")]
    pub(crate) user: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    /// Certificate and private key of this side, PEM.
    pub(crate) identity_file: Option<PathBuf>,
    /// A bucket.
    pub(crate) s3: Option<S3Entry>,
    /// The folder `hold` of a vault, mounted here: to read.
    pub(crate) hold: Option<PathBuf>,
    /// The vault's public key, as its custodians read it out.
    pub(crate) public_key: Option<String>,
    /// When and how fast to push into a bucket.
    #[serde(default)]
    pub(crate) pace: strongroom_custody::PaceSettings,
}

fn push() -> String {
    "push".to_owned()
}

impl Config {
    /// Those whose decisions are signed.
    pub(crate) fn people(&self) -> anyhow::Result<People> {
        let mut people = Vec::new();
        for p in &self.persons {
            anyhow::ensure!(
                self.persons.iter().filter(|q| q.name == p.name).count() == 1,
                "the person {:?} is configured twice",
                p.name
            );
            let key = strongroom_custody::PublicKey::parse(&p.public_key)
                .with_context(|| format!("the public key of {:?} is wrong", p.name))?;
            people.push(Person { name: p.name.clone(), key });
        }
        Ok(People::new(people))
    }
}

/// Reads TOML. The error names the line and not what stands in it, which may be a secret.
fn from_toml<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map(|span| 1 + text[..span.start].matches('\n').count());
        let line = line.map(|n| format!(", line {n}")).unwrap_or_default();
        let says = strongroom_model::without_values(e.message());
        anyhow::anyhow!("{}{line}: {says}", path.display())
    })
}

impl VaultEntry {
    /// Reads a file that describes one vault and nothing else, for a machine without a
    /// configuration.
    pub(crate) fn read(path: &Path) -> anyhow::Result<(Self, PathBuf)> {
        let text = crate::secrets::read_text(path)
            .with_context(|| format!("{} cannot be used", path.display()))?;
        let entry: Self = from_toml(path, &text)?;
        let base = std::path::absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
        match entry.problems().first() {
            Some(wrong) => bail!("{}: {wrong}", path.display()),
            None => Ok((entry, base)),
        }
    }
}

impl Config {
    /// One without anything in it, for commands that are told everything.
    pub(crate) fn here() -> Self {
        Self {
            cache_dir: None,
            rules_dir: None,
            baselines_dir: None,
            reviews_dir: None,
            tenants: Vec::new(),
            repositories: Vec::new(),
            vaults: Vec::new(),
            persons: Vec::new(),
            base: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// The file, checked: no command runs on one in which something is wrong. Whether the files
    /// that it names can be read is found when they are needed.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let config = Self::unchecked(path)?;
        let problems = config.problems();
        let Some(first) = problems.first() else { return Ok(config) };
        let more = match problems.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more; strongroom config check names all)"),
        };
        bail!("{}: {first}{more}", path.display())
    }

    /// The same where there is such a file, and none where there is not: what is there and is wrong
    /// is never read as if nothing were.
    pub(crate) fn read_if_there(path: &Path) -> anyhow::Result<Option<Self>> {
        match path.symlink_metadata() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => Self::read(path).map(Some),
        }
    }

    fn unchecked(path: &Path) -> anyhow::Result<Self> {
        let text = crate::secrets::read_text(path).with_context(|| {
            format!("the configuration {} cannot be used; --config names another", path.display())
        })?;
        let mut config: Config = from_toml(path, &text)?;
        config.base = std::path::absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
        Ok(config)
    }

    /// A path of the file: relative ones start at the file's folder.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    pub(crate) fn tenant(&self, name: Option<&str>) -> anyhow::Result<&Tenant> {
        let names = || self.tenants.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
        match (name, self.tenants.as_slice()) {
            (Some(n), all) => all.iter().find(|t| t.name == n).with_context(|| {
                format!("the configuration has no tenant {n:?}, only: {}", names())
            }),
            (None, [only]) => Ok(only),
            (None, []) => bail!("the configuration names no tenant"),
            (None, _) => bail!(
                "the configuration names several tenants; choose one with --tenant: {}",
                names()
            ),
        }
    }

    /// The tenant whose repository `--repo` names: by its name, or by its folder.
    pub(crate) fn tenant_of(&self, word: &Path) -> Option<&Tenant> {
        let real = word.canonicalize().ok();
        self.tenants.iter().find(|t| {
            let folder = self.repository(&t.repository).ok().and_then(|r| r.path.as_ref());
            let folder = folder.and_then(|path| self.path(path).canonicalize().ok());
            word == Path::new(&t.repository) || real.is_some() && folder == real
        })
    }

    pub(crate) fn repository(&self, name: &str) -> anyhow::Result<&RepositoryEntry> {
        self.repositories
            .iter()
            .find(|r| r.name == name)
            .with_context(|| format!("the configuration has no repository {name:?}"))
    }

    pub(crate) fn vault(&self, name: &str) -> anyhow::Result<&VaultEntry> {
        self.vaults
            .iter()
            .find(|v| v.name == name)
            .with_context(|| format!("the configuration has no vault {name:?}"))
    }
}

/// `strongroom config check`
pub(crate) async fn check(global: &Global, is_online: bool) -> anyhow::Result<Ending> {
    let config = Config::unchecked(&global.config)?;
    let wrong = config.problems();
    // Nothing is sent on a file in which something is wrong.
    let rows = match is_online && wrong.is_empty() {
        true => online::look(global, &config).await?,
        false => Vec::new(),
    };
    let mut problems = wrong;
    problems.extend(config.unreadable_files());
    if !is_online {
        problems.extend(config.tenants.iter().flat_map(|t| crate::secrets::unfit(&config, t)));
    }
    problems.extend(crate::rules::OwnRules::read(&config).problems().cloned());
    problems
        .extend(crate::baseline::known(Some(&config)).err().map(|e| crate::failure::sentence(&e)));
    for t in &config.tenants {
        problems.extend(
            crate::tenant::exceptions(&config, t)
                .err()
                .map(|e| format!("tenant {}: {}", t.name, crate::failure::sentence(&e))),
        );
    }
    if global.json {
        let mut told = serde_json::json!({"problems": problems});
        if is_online {
            told["online"] = serde_json::to_value(&rows)?;
        }
        println!("{told}");
    } else {
        for p in &problems {
            println!("{}", strongroom_model::shown_line(p));
        }
        for row in &rows {
            println!("{}", row.line());
        }
        if problems.is_empty() {
            println!(
                "{}: {} tenants, {} repositories, {} vaults; nothing is wrong in the file",
                global.config.display(),
                config.tenants.len(),
                config.repositories.len(),
                config.vaults.len()
            );
        }
    }
    Ok(if problems.is_empty() { online::ending(&rows) } else { Ending::Failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_explained_at_once() {
        let text = r#"
            [[tenant]]
            name = "a"
            tenant_id = "t"
            authority = "http://login.example/"
            graph = "https://graph.example/"
            repository = "missing"
            vault = "none"
            [tenant.identities.reed]
            application_id = "x"
        "#;
        let config: Config = toml::from_str(text).unwrap();
        let all = config.problems().join("\n");
        for part in [
            "no [[repository]]",
            "no [[vault]]",
            "credentials need https",
            "\"reed\" is no identity",
            "certificate_file",
            "needs the identity read",
        ] {
            assert!(all.contains(part), "{part} in {all}");
        }
        assert!(toml::from_str::<Config>("tenent = 1").is_err(), "unknown fields are refused");
        let long = "n".repeat(101);
        for wrong in
            ["", ".", "..", "../x", "/tmp/x", "a/b", "a\\\\b", "a\\nb", "\\u001b[2J", &long]
        {
            let text = text.replace("\"a\"", &format!("\"{wrong}\""));
            let config: Config = toml::from_str(&text).unwrap();
            let all = config.problems().join("\n");
            assert!(all.contains("cannot be named"), "{wrong:?}: {all}");
        }
        for right in ["St. Mary's", "Łódź 2", "..x", "con"] {
            let config: Config =
                toml::from_str(&text.replace("\"a\"", &format!("{right:?}"))).unwrap();
            assert!(!config.problems().join("\n").contains("cannot be named"), "{right}");
        }
    }
}
