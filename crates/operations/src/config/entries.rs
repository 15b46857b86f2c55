use jiff::SignedDuration;
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};
use strongroom_objects::{AzureEntry, RestEntry, S3Entry, SftpEntry};
use url::Url;

/// A person whose decisions are signed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonEntry {
    /// As `--by` gives it.
    pub name: String,
    /// Of the person's key file: 64 hexadecimal digits.
    pub public_key: String,
}

/// What this host owes each school, and how often. What was not done for twice as long is late.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NightlyEntry {
    /// Hours from a backup to the next one, from 1 to 8760; and so for settings and copy 3.
    pub every_hours: u32,
    /// Days within which copy 2 is checked, up to 3650; 0 where this host owes no check.
    pub check_days: u32,
    /// Duties that another host does: `settings`, `backup`, `replicate`, `check`.
    pub without: Vec<String>,
    /// The program that is told alarms, and its arguments; none without one.
    pub alarm_command: Vec<String>,
    /// In how many nights all of copy 2 is read, one part in each, from 1 to 255.
    pub check_nights: u8,
    /// What a night does with snapshots that the retention lets go.
    pub retention: Retention,
    /// Whether a night gives back the room of what no snapshot needs.
    pub prune: bool,
}

/// What a night does with snapshots that a school's retention lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retention {
    /// It lets them go.
    Apply,
    /// It keeps a plan, for somebody to carry out.
    Plan,
    /// Nothing: another host does it, or a person.
    None,
}

impl Default for NightlyEntry {
    fn default() -> Self {
        Self {
            every_hours: 24,
            check_days: 30,
            without: Vec::new(),
            alarm_command: Vec::new(),
            check_nights: 30,
            retention: Retention::Apply,
            prune: false,
        }
    }
}

impl NightlyEntry {
    /// How old a copy may be.
    pub fn patience(&self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.every_hours)).saturating_mul(2)
    }
}

/// One tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantEntry {
    /// What the school is called, here and in its snapshots.
    pub name: String,
    /// The tenant's id, or a domain of it.
    pub tenant_id: String,
    /// Where its identities sign in.
    pub authority: Url,
    /// Where its Graph is.
    pub graph: Url,
    /// Certificates that both are believed by, in the place of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The name of its `[[repository]]`.
    pub repository: String,
    /// The name of its `[[vault]]`, where it has one.
    pub vault: Option<String>,
    /// What people decided about findings of its configuration.
    pub exceptions: Option<PathBuf>,
    /// Who looks at changes of its configuration.
    pub reviewer: Option<String>,
    /// The program that is told its alarms, in the place of the one for all; an empty list is none.
    pub alarm_command: Option<Vec<String>>,
    /// Words by which it is chosen along with others.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What is backed up, and how fast.
    #[serde(default)]
    pub backup: BackupEntry,
    /// `read`, `write`, `configure`, `act`.
    #[serde(default)]
    pub identities: BTreeMap<String, IdentityEntry>,
}

/// What to back up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackupEntry {
    /// Whether mail is.
    pub mail: bool,
    /// Whether drives are.
    pub drives: bool,
    /// Other workloads that are not backed up, by name.
    pub without: Vec<String>,
    /// Whether the tenant's holds are looked at.
    pub holds: bool,
    /// How many versions of a file are kept in a snapshot, the newest ones.
    pub versions_max: usize,
    /// How many owners are read at once, from 1 to 64.
    pub users_at_once: usize,
    /// Whether requests keep to the budget that Microsoft publishes.
    pub keep_to_budget: bool,
    /// How often a request is made at most.
    pub tries: u32,
    /// The pause before the second try; it doubles with each.
    pub pause_ms: u64,
    /// How long a throttled request waits at most, all its pauses together.
    pub throttled_s_max: u64,
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
pub struct IdentityEntry {
    /// The id of its application.
    pub application_id: String,
    /// Certificate and private key, PEM.
    pub certificate_file: Option<PathBuf>,
    /// A client secret: the poor way.
    pub secret_file: Option<PathBuf>,
}

/// A repository.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryEntry {
    /// What it is called.
    pub name: String,
    /// Its folder.
    pub path: Option<PathBuf>,
    /// Its bucket, instead.
    pub s3: Option<S3Entry>,
    /// Its container of Azure Blob Storage, instead.
    pub azure: Option<AzureEntry>,
    /// Its folder of another host, instead.
    pub sftp: Option<SftpEntry>,
    /// Its server of restic's REST protocol, instead.
    pub rest: Option<RestEntry>,
    /// The credential of what takes away, where it is another one.
    pub prune: Option<PruneEntry>,
    /// The file with its password.
    pub password_file: PathBuf,
    /// What `forget` keeps.
    pub retention: Option<strongroom_repository::RetentionPolicy>,
}

/// What `forget`, `prune`, `repair` and `key remove` sign in with, in the place of the repository's
/// own credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PruneEntry {
    /// Of a server: the address of one that lets things be removed.
    pub url: Option<Url>,
    /// Of a server or another host.
    pub user: Option<String>,
    /// Of a bucket or a server.
    pub secret_file: Option<PathBuf>,
    /// Of a bucket.
    pub access_key_id: Option<String>,
    /// Of a container.
    pub key_file: Option<PathBuf>,
    /// Of a container.
    pub sas_file: Option<PathBuf>,
    /// Of another host.
    pub identity_file: Option<PathBuf>,
}

/// A vault: a server, a bucket, or a folder that can be reached. One that only pulls needs none of
/// them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultEntry {
    /// What it is called; nothing in a file that describes one vault.
    #[serde(default)]
    pub name: String,
    /// A server, with the repository's name as last segment.
    pub url: Option<Url>,
    /// Of a server: who signs in.
    #[serde(default = "push")]
    pub user: String,
    /// Of a server: the file with that one's token.
    pub token_file: Option<PathBuf>,
    /// Of a server: certificates that it is believed by, in the place of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Certificate and private key of this side, PEM.
    pub identity_file: Option<PathBuf>,
    /// A bucket.
    pub s3: Option<S3Entry>,
    /// The folder `hold` of a vault, mounted here: to read.
    pub hold: Option<PathBuf>,
    /// The vault's public key, as its custodians read it out.
    pub public_key: Option<String>,
    /// When and how fast to push into a bucket.
    #[serde(default)]
    pub pace: strongroom_custody::PaceSettings,
}

impl VaultEntry {
    /// One of which nothing is known but its folder.
    pub(super) fn of_folder(hold: PathBuf) -> Self {
        Self {
            name: String::new(),
            url: None,
            user: push(),
            token_file: None,
            ca_file: None,
            identity_file: None,
            s3: None,
            hold: Some(hold),
            public_key: None,
            pace: strongroom_custody::PaceSettings::default(),
        }
    }
}

fn push() -> String {
    "push".to_owned()
}
