use crate::Refusal;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::{Chain, NO_KEYS, PaceSettings};
pub use strongroom_objects::S3Entry;
use strongroom_objects::{
    AzureContainer, AzureEntry, Key, Kind, LocalDir, LocalHold, LockedStore, RestEntry, RestServer,
    S3Bucket, SETTINGS_BYTES_MAX, SftpEntry, SftpServer, Store, read_regular_text,
};

/// Where a vault keeps what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum HoldEntry {
    /// The folder `hold` beside the settings.
    Local {
        /// Sets the kernel's immutable flag on each file, where that is possible.
        #[serde(default = "yes")]
        immutable: bool,
    },
    /// A bucket with Object Lock.
    S3(Box<S3Entry>),
}

fn yes() -> bool {
    true
}

/// Where copy 2 is read, with a credential that can do nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SourceEntry {
    /// A folder, mounted read-only.
    Folder {
        /// Its path.
        path: PathBuf,
    },
    /// A bucket.
    S3(Box<S3Entry>),
    /// A container of Azure Blob Storage.
    Azure(Box<AzureEntry>),
    /// A folder of another host.
    Sftp(Box<SftpEntry>),
    /// A server that speaks restic's REST protocol.
    Rest {
        /// Its URL with the repository's path.
        url: url::Url,
        /// Name of the credential.
        user: String,
        /// File with its password.
        token_file: PathBuf,
        /// CA that signed its certificate.
        ca_file: Option<PathBuf>,
    },
}

/// What a credential may do at the vault's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialRight {
    /// Add, and read.
    Push,
    /// Read.
    Read,
}

/// A credential of the vault's server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its name.
    pub user: String,
    /// SHA-256 of its token, which has 256 random bits and is not stored.
    pub token_sha256: String,
    /// What it may do.
    pub may: CredentialRight,
}

/// `repo.toml`: how a vault reaches things. What it must keep stands in its log, and custodians
/// change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepoSettings {
    /// Where things are kept.
    #[serde(default = "local")]
    pub hold: HoldEntry,
    /// Where copy 2 is read; nothing is pulled when absent.
    pub source: Option<SourceEntry>,
    /// When and how fast.
    #[serde(default)]
    pub pace: PaceSettings,
    /// NTP servers that are asked for the time as well.
    #[serde(default)]
    pub ntp: Vec<String>,
    /// A program that gets each alarm as a line of JSON on its standard input.
    #[serde(default)]
    pub alarm_command: Vec<String>,
    /// Minutes between two pulls of `run`.
    #[serde(default = "an_hour")]
    pub pull_every_minutes: u64,
    /// Hours between two canaries, audits and expiries of `run`.
    #[serde(default = "a_day")]
    pub look_every_hours: u64,
    /// Most bytes that this school may have here; absent for no quota.
    pub quota_bytes: Option<u64>,
    /// Bytes of the disk that stay free; absent for 5 % of it, or 50 GiB where that is less.
    pub free_bytes_min: Option<u64>,
    /// Who may use the vault's server.
    #[serde(default, rename = "credential")]
    pub credentials: Vec<Credential>,
}

fn local() -> HoldEntry {
    HoldEntry::Local { immutable: true }
}

fn an_hour() -> u64 {
    60
}

fn a_day() -> u64 {
    24
}

impl Default for RepoSettings {
    fn default() -> Self {
        Self {
            hold: local(),
            source: None,
            pace: PaceSettings::default(),
            ntp: Vec::new(),
            alarm_command: Vec::new(),
            pull_every_minutes: an_hour(),
            look_every_hours: a_day(),
            quota_bytes: None,
            free_bytes_min: None,
            credentials: Vec::new(),
        }
    }
}

/// What is wrong with a file of settings, and where; never the line itself, which may hold a secret
/// by mistake.
pub(crate) fn wrong_toml(path: &Path, text: &str, e: &toml::de::Error) -> Refusal {
    let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let says = strongroom_model::without_values(e.message());
    Refusal::Bad(format!("{}, line {line}: {says}", path.display()))
}

/// A secret from a file, without the line end that editors add.
pub(crate) fn secret(path: &Path) -> Result<SecretString, Refusal> {
    let text = read_regular_text(path, SETTINGS_BYTES_MAX)
        .map_err(|e| Refusal::Failed(format!("{} cannot be read: {e}", path.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}

/// Opens a bucket, or the one beside it. Relative paths start at `base`.
pub(crate) fn open_bucket(
    entry: &S3Entry,
    base: &Path,
    bucket: Option<&str>,
) -> Result<S3Bucket, Refusal> {
    sound("bucket", entry.problems())?;
    let mut settings = entry.settings(base, &|path: &Path| secret(path))?;
    if let Some(bucket) = bucket {
        bucket.clone_into(&mut settings.bucket);
    }
    Ok(S3Bucket::new(settings)?)
}

/// Nothing is sent to a place in whose settings something is wrong.
fn sound(what: &str, problems: Vec<String>) -> Result<(), Refusal> {
    match problems.first() {
        Some(wrong) => Err(Refusal::Bad(format!("the settings of the {what}: {wrong}"))),
        None => Ok(()),
    }
}

/// A place, and the bucket that it is, where it is one.
pub(crate) type Place = (Arc<dyn LockedStore>, Option<Arc<S3Bucket>>);

impl RepoSettings {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, Refusal> {
        let text = read_regular_text(path, SETTINGS_BYTES_MAX)
            .map_err(|e| Refusal::Failed(format!("{} cannot be read: {e}", path.display())))?;
        toml::from_str(&text).map_err(|e| wrong_toml(path, &text, &e))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Refusal> {
        let text = toml::to_string(self).map_err(|e| Refusal::Failed(e.to_string()))?;
        Ok(strongroom_custody::heartbeat::replace(path, text.as_bytes())?)
    }

    /// Opens the place; the bucket as well, when it is one.
    pub(crate) fn open_hold(&self, base: &Path) -> Result<Place, Refusal> {
        match &self.hold {
            HoldEntry::Local { immutable } => {
                Ok((Arc::new(LocalHold::new(base.join("hold"), *immutable)), None))
            }
            HoldEntry::S3(entry) => {
                let bucket = Arc::new(open_bucket(entry, base, None)?);
                Ok((bucket.clone(), Some(bucket)))
            }
        }
    }

    /// Whether these settings can work at all, so that a slip of the pen is seen at enrolment and
    /// not by the first pull; and whether somebody could recover from what the source holds now:
    /// what stands against it comes as alarms, with a short code each.
    pub(crate) fn check(
        &self,
        base: &Path,
        card: &strongroom_custody::EnrolmentCard,
    ) -> Result<Vec<(String, String)>, Refusal> {
        strongroom_custody::Pace::new(&self.pace)?;
        if self.source.is_none() {
            return Ok(Vec::new());
        }
        let source = self.open_source(base)?;
        let config = source.get(&Key::config())?;
        if strongroom_objects::hash_name(&config) != card.config_sha256 {
            return Err(Refusal::Bad(format!(
                "{} holds another repository than the one of the card; nothing was enrolled",
                source.location()
            )));
        }
        prove(source.as_ref(), card)
    }

    /// Opens copy 2, to read.
    pub(crate) fn open_source(&self, base: &Path) -> Result<Box<dyn Store>, Refusal> {
        let Some(source) = &self.source else {
            return Err(Refusal::Bad("the settings name no [source] to pull from".into()));
        };
        Ok(match source {
            SourceEntry::Folder { path } => {
                let path = base.join(path);
                if !path.join("config").exists() {
                    return Err(Refusal::Failed(format!(
                        "{} holds no repository; is it mounted?",
                        path.display()
                    )));
                }
                Box::new(LocalDir::new(path))
            }
            SourceEntry::S3(entry) => Box::new(open_bucket(entry, base, None)?),
            SourceEntry::Azure(entry) => {
                sound("source", entry.problems())?;
                let settings = entry.settings(base, &|path: &Path| secret(path))?;
                Box::new(AzureContainer::new(settings)?)
            }
            SourceEntry::Sftp(entry) => {
                sound("source", entry.problems())?;
                Box::new(SftpServer::new(entry.settings(base))?)
            }
            SourceEntry::Rest { url, user, token_file, ca_file } => {
                let entry = RestEntry {
                    url: url.clone(),
                    user: Some(user.clone()),
                    secret_file: Some(token_file.clone()),
                    ca_file: ca_file.clone(),
                };
                sound("source", entry.problems())?;
                let settings = entry.settings(base, &|path: &Path| secret(path))?;
                Box::new(RestServer::new(settings)?)
            }
        })
    }
}

/// Tries what a recovery would need of copy 2: a key file of the card, and all that the newest
/// signed manifest names. Packs and indexes are looked for in the listing, not read.
fn prove(
    source: &dyn Store,
    card: &strongroom_custody::EnrolmentCard,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut alarms = Vec::new();
    let whole = |kind: Kind, name: &str| -> Result<bool, Refusal> {
        let key = Key::new(kind, name)?;
        Ok(source.get(&key).is_ok_and(|bytes| key.names_its_bytes(&bytes)))
    };
    let mut keys = 0;
    for name in &card.keys {
        keys += usize::from(whole(Kind::Keys, name)?);
    }
    if keys == 0 && !card.keys.is_empty() {
        let text = format!(
            "{} has none of the key files of the card, or not whole: no password would open what \
             is pulled from there",
            source.location()
        );
        alarms.push((NO_KEYS.to_owned(), text));
    }
    let chain = Chain::of_store(source, &card.key)?;
    let of_another = |m: &strongroom_custody::Manifest| m.repository != card.repository;
    if let Some((_, m)) = chain.rows().into_iter().find(|(_, m)| of_another(m)) {
        return Err(Refusal::Bad(format!(
            "{} holds repository {:.8}, and the card says {:.8}; nothing was enrolled",
            source.location(),
            m.repository,
            card.repository
        )));
    }
    let mut listed: HashMap<Kind, HashSet<String>> = HashMap::new();
    for kind in [Kind::Snapshots, Kind::Index, Kind::Data] {
        listed.insert(kind, source.list(kind)?.into_iter().map(|e| e.name).collect());
    }
    let there = |kind: Kind, name: &str| listed.get(&kind).is_some_and(|all| all.contains(name));
    let Some((name, manifest)) = chain.last() else {
        if listed.get(&Kind::Snapshots).is_some_and(|all| !all.is_empty()) {
            let text = format!(
                "{} holds snapshots, and no manifest that the key of the card signed: nothing \
                 would be pulled from there",
                source.location()
            );
            alarms.push(("manifest-gap".to_owned(), text));
        }
        return Ok(alarms);
    };
    let mut lacking: Vec<String> = chain
        .lacking(there)
        .remove(name)
        .into_iter()
        .flatten()
        .map(|(kind, name)| format!("{}/{name:.8}", kind.as_str()))
        .collect();
    if !whole(Kind::Snapshots, &manifest.snapshot)? {
        lacking.push(format!("snapshots/{:.8}", manifest.snapshot));
    }
    if let Some(first) = lacking.first() {
        let text = format!(
            "{} lacks {} objects that its newest snapshot {:.8} needs, {first} for instance: it \
             could not be recovered; `strongroom check` and `strongroom repair heal` there",
            source.location(),
            lacking.len(),
            manifest.snapshot
        );
        alarms.push(("copy-2-shrinks".to_owned(), text));
    }
    Ok(alarms)
}
