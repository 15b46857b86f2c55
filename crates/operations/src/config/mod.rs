//! The configuration file: tenants, repositories, vaults. `docs/configuration.md` documents it.

mod apart;
mod entries;
mod files;
pub mod online;
mod problems;

pub use apart::{Apart, Refused};
pub use entries::{
    BackupEntry, IdentityEntry, NightlyEntry, PersonEntry, PruneEntry, RepositoryEntry, Retention,
    TenantEntry, VaultEntry,
};

use crate::{
    Error, Kind, Remedy,
    files::{Accounts, secrets},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use strongroom_custody::PublicKey;
use strongroom_engine::decisions::{People, Person};

/// Folder of decisions about changes, beside the configuration.
pub const REVIEWS: &str = "reviews";

/// Folder of what this host remembers, beside the configuration.
const STATE: &str = "state";

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder for local caches.
    pub cache_dir: Option<PathBuf>,
    /// Folder of our own rules: Rego modules, judged beside the built-in ones.
    pub rules_dir: Option<PathBuf>,
    /// Folder where decisions about changes are kept; `reviews` beside the configuration by
    /// default.
    pub reviews_dir: Option<PathBuf>,
    /// Folder of what this host remembers, and what no copy holds; `state` beside the configuration
    /// by default.
    pub state_dir: Option<PathBuf>,
    /// Folder of our own baselines.
    pub baselines_dir: Option<PathBuf>,
    /// What this host owes each school, and how often.
    #[serde(default)]
    pub nightly: NightlyEntry,
    /// The schools.
    #[serde(default, rename = "tenant")]
    pub tenants: Vec<TenantEntry>,
    /// Repositories: copies 2, and second places.
    #[serde(default, rename = "repository")]
    pub repositories: Vec<RepositoryEntry>,
    /// Vaults: copies 3.
    #[serde(default, rename = "vault")]
    pub vaults: Vec<VaultEntry>,
    /// Those whose decisions are signed.
    #[serde(default, rename = "person")]
    pub persons: Vec<PersonEntry>,
    /// Folder of the file: relative paths start there.
    #[serde(skip)]
    pub base: PathBuf,
}

impl Config {
    /// Those whose decisions are signed.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where one is named twice, or a key is none.
    pub fn people(&self) -> Result<People, Error> {
        let mut people = Vec::new();
        for p in &self.persons {
            if self.persons.iter().filter(|q| q.name == p.name).count() != 1 {
                return Err(wrong(format!("the person {:?} is configured twice", p.name)));
            }
            let key = PublicKey::parse(&p.public_key).map_err(|e| {
                let what = format!("the public key of {:?} is wrong", p.name);
                Error::because(Kind::Configuration, what, e)
            })?;
            people.push(Person { name: p.name.clone(), key });
        }
        Ok(People::new(people))
    }
}

/// Reads TOML. The error names the line and not what stands in it, which may be a secret.
fn from_toml<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map(|span| 1 + text[..span.start].matches('\n').count());
        let line = line.map(|n| format!(", line {n}")).unwrap_or_default();
        let says = strongroom_model::without_values(e.message());
        wrong(format!("{}{line}: {says}", path.display()))
    })
}

/// A sentence about what stands in the configuration, or does not.
fn wrong(what: String) -> Error {
    Error::new(Kind::Configuration, what)
}

/// The text of the file, where nobody else can change it.
fn text_of(path: &Path, accounts: &Accounts) -> Result<String, Error> {
    secrets::read_text(path, accounts).map_err(|e| {
        let what = format!("the configuration {} cannot be used", path.display());
        Error::because(Kind::Configuration, what, e).with(Remedy::OtherConfiguration)
    })
}

/// Why nothing is done on a file in which this is wrong; of several things the first is named.
fn refused(path: &Path, problems: &[String]) -> Option<Error> {
    let shown = path.display();
    match problems {
        [] => None,
        [only] => Some(wrong(format!("{shown}: {only}"))),
        [first, more @ ..] => Some(
            wrong(format!("{shown}: {first} (and {} more)", more.len()))
                .with(Remedy::CheckConfiguration),
        ),
    }
}

/// The folder of a file: relative paths in it start there.
fn base_of(path: &Path) -> Result<PathBuf, Error> {
    let whole = std::path::absolute(path).map_err(|e| {
        Error::because(Kind::Configuration, format!("{} has no folder", path.display()), e)
    })?;
    Ok(whole.parent().map(Path::to_owned).unwrap_or_default())
}

impl VaultEntry {
    /// Reads a file that describes one vault and nothing else, for a machine without a
    /// configuration; and the folder at which its relative paths start. In the place of a file
    /// stands the vault's folder itself, or the school's in it.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(path: &Path, accounts: &Accounts) -> Result<(Self, PathBuf), Error> {
        if path.is_dir() {
            let within = path.join("hold");
            let hold = if within.is_dir() { within.as_path() } else { path };
            let base = base_of(hold)?;
            let hold = base.join(hold.file_name().unwrap_or_default());
            return Ok((Self::of_folder(hold), base));
        }
        let text = secrets::read_text(path, accounts).map_err(|e| {
            Error::because(Kind::Configuration, format!("{} cannot be used", path.display()), e)
        })?;
        let entry: Self = from_toml(path, &text)?;
        match entry.problems().first() {
            Some(first) => Err(wrong(format!("{}: {first}", path.display()))),
            None => Ok((entry, base_of(path)?)),
        }
    }
}

impl Config {
    /// One without anything in it, for what is told everything; its relative paths start at `base`.
    pub fn empty(base: PathBuf) -> Self {
        Self {
            cache_dir: None,
            rules_dir: None,
            baselines_dir: None,
            reviews_dir: None,
            state_dir: None,
            nightly: NightlyEntry::default(),
            tenants: Vec::new(),
            repositories: Vec::new(),
            vaults: Vec::new(),
            persons: Vec::new(),
            base,
        }
    }

    /// The file, checked: nothing is done on one in which something is wrong. Whether the files
    /// that it names can be read is found when they are needed.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where it cannot be read, others can change it, or something in it
    /// is wrong; of several such things the first is named.
    pub fn read(path: &Path, accounts: &Accounts) -> Result<Self, Error> {
        let (config, problems) = Self::examine(path, accounts)?;
        refused(path, &problems).map_or(Ok(config), Err)
    }

    /// The file, and one sentence for each thing that is wrong in it. Only where there is none may
    /// anything be done on it.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where it cannot be read, or others can change it.
    pub fn examine(path: &Path, accounts: &Accounts) -> Result<(Self, Vec<String>), Error> {
        let mut config: Self = from_toml(path, &text_of(path, accounts)?)?;
        config.base = base_of(path)?;
        let problems = config.problems(accounts).into_iter().map(|p| p.says).collect();
        Ok((config, problems))
    }

    /// A path of the file: relative ones start at the file's folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// Folder of what this host remembers. It need not be there yet.
    pub fn state_dir(&self) -> PathBuf {
        self.path(self.state_dir.as_deref().unwrap_or(Path::new(STATE)))
    }

    /// The tenant of this name; without a name the only one that there is.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where there is no such tenant, or there are several.
    pub fn tenant(&self, name: Option<&str>) -> Result<&TenantEntry, Error> {
        let names = || self.tenants.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
        match (name, self.tenants.as_slice()) {
            (Some(n), all) => all.iter().find(|t| t.name == n).ok_or_else(|| {
                wrong(format!("the configuration has no tenant {n:?}, only: {}", names()))
            }),
            (None, [only]) => Ok(only),
            (None, []) => Err(wrong("the configuration names no tenant".to_owned())),
            (None, _) => {
                Err(wrong(format!("the configuration names several tenants: {}", names()))
                    .with(Remedy::NameTenant))
            }
        }
    }

    /// The tenant whose repository somebody names: by its name, or by its folder.
    pub fn tenant_of(&self, word: &Path) -> Option<&TenantEntry> {
        let real = word.canonicalize().ok();
        self.tenants.iter().find(|t| {
            let folder = self.repository(&t.repository).ok().and_then(|r| r.path.as_ref());
            let folder = folder.and_then(|path| self.path(path).canonicalize().ok());
            word == Path::new(&t.repository) || real.is_some() && folder == real
        })
    }

    /// The repository of this name.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where there is none.
    pub fn repository(&self, name: &str) -> Result<&RepositoryEntry, Error> {
        let found = self.repositories.iter().find(|r| r.name == name);
        found.ok_or_else(|| wrong(format!("the configuration has no repository {name:?}")))
    }

    /// The vault of this name.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where there is none.
    pub fn vault(&self, name: &str) -> Result<&VaultEntry, Error> {
        let found = self.vaults.iter().find(|v| v.name == name);
        found.ok_or_else(|| wrong(format!("the configuration has no vault {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_explained_at_once() {
        let accounts = &crate::files::tests::own();
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
        let told = |config: &Config| {
            let all = config.problems(accounts).into_iter().map(|p| p.says);
            all.collect::<Vec<_>>().join("\n")
        };
        let all = told(&config);
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
            let all = told(&config);
            assert!(all.contains("cannot be named"), "{wrong:?}: {all}");
        }
        for right in ["St. Mary's", "Łódź 2", "..x", "con"] {
            let config: Config =
                toml::from_str(&text.replace("\"a\"", &format!("{right:?}"))).unwrap();
            assert!(!told(&config).contains("cannot be named"), "{right}");
        }
    }
}
