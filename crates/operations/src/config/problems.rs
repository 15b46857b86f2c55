//! What is wrong with a configuration, one sentence each.

use super::{Config, NightlyEntry, PruneEntry, RepositoryEntry, TenantEntry, VaultEntry};
use crate::{Duty, Identity, files::Accounts};
use std::{
    collections::BTreeSet,
    fmt,
    path::{Component, Path, PathBuf},
};
use strongroom_objects::{
    AzureEntry, RestEntry, S3Entry, SftpEntry,
    address::{not_a_base, shown, unsafe_for_credentials},
};

/// Where a path leads, as far as it exists; the rest as it is written.
fn place(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    let mut at = path;
    loop {
        if let Ok(real) = at.canonicalize() {
            let parts = rest.iter().rev().filter(|c| **c != Component::CurDir);
            return parts.fold(real, |mut all, c| {
                if *c == Component::ParentDir {
                    let _ = all.pop();
                } else {
                    all.push(c)
                }
                all
            });
        }
        let (Some(parent), Some(last)) = (at.parent(), at.components().next_back()) else {
            return path.to_owned();
        };
        rest.push(last);
        at = parent;
    }
}

/// What something in the configuration is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// The whole file: nothing in it can be relied on.
    File,
    /// The tenants of this name.
    Tenant(String),
    /// The repositories of this name.
    Repository(String),
    /// The vaults of this name.
    Vault(String),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose::File => f.write_str("the file"),
            Whose::Tenant(name) => write!(f, "tenant {name}"),
            Whose::Repository(name) => write!(f, "repository {name}"),
            Whose::Vault(name) => write!(f, "vault {name}"),
        }
    }
}

/// Something that is wrong, and what it is of: one that two entries have together is of both.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) of: Vec<Whose>,
    pub(super) says: String,
    /// The entry that is named and is not there, where that is what is wrong.
    pub(super) lacks: Option<Whose>,
}

impl Problem {
    pub(super) fn new(of: Whose, says: String) -> Self {
        Self::together(vec![of], says)
    }

    pub(super) fn together(of: Vec<Whose>, says: String) -> Self {
        Self { of, says, lacks: None }
    }
}

/// The same kind of problems, each of one entry.
fn of(whose: Whose, all: impl IntoIterator<Item = String>) -> Vec<Problem> {
    all.into_iter().map(|says| Problem::new(whose.clone(), says)).collect()
}

/// Of a name, which an ending and a folder follow.
const NAME_BYTES_MAX: usize = 100;

/// Makes of a name what it is of.
type OfName = fn(String) -> Whose;

fn twice<'n>(what: &str, whose: OfName, names: impl Iterator<Item = &'n String>) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let all = names.filter(|n| !seen.insert(n.as_str()));
    all.map(|n| Problem::new(whose(n.clone()), format!("two {what} are named {n:?}"))).collect()
}

/// What is wrong with a name, where it cannot be one: names are those of files (reviews, records of
/// restores), which must not lie elsewhere, and stand in sentences.
fn no_name(what: &str, name: &str) -> Option<String> {
    let is_name = !matches!(name, "" | "." | "..")
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(['/', '\\'])
        && strongroom_model::shown_line(name) == name;
    (!is_name).then(|| {
        format!(
            "a {what} cannot be named {name:?}: a name has up to {NAME_BYTES_MAX} bytes, no slash, \
             no line end, and is not . or .."
        )
    })
}

fn no_names<'n>(
    what: &str,
    whose: OfName,
    names: impl Iterator<Item = &'n String>,
) -> Vec<Problem> {
    let wrong = |name: &String| Some(Problem::new(whose(name.clone()), no_name(what, name)?));
    names.filter_map(wrong).collect()
}

impl RepositoryEntry {
    /// The same repository for who takes things away from it: with the credential of
    /// `[repository.prune]`, where there is one. A setting there that is none of its kind is named.
    pub fn to_delete(&self) -> Result<Self, String> {
        let mut with = Self { prune: None, ..self.clone() };
        let Some(mut prune) = self.prune.clone() else { return Ok(with) };
        if let Some(s3) = &mut with.s3 {
            s3.access_key_id = prune.access_key_id.take().ok_or("access_key_id is missing")?;
            s3.secret_file = prune.secret_file.take().ok_or("secret_file is missing")?;
        } else if let Some(azure) = &mut with.azure {
            (azure.key_file, azure.sas_file) = (prune.key_file.take(), prune.sas_file.take());
        } else if let Some(sftp) = &mut with.sftp {
            sftp.user = prune.user.take().or_else(|| sftp.user.take());
            sftp.identity_file = prune.identity_file.take().or_else(|| sftp.identity_file.take());
        } else if let Some(rest) = &mut with.rest {
            rest.url = prune.url.take().unwrap_or_else(|| rest.url.clone());
            if prune.user.is_some() || prune.secret_file.is_some() {
                (rest.user, rest.secret_file) = (prune.user.take(), prune.secret_file.take());
            }
        } else {
            return Err("a folder has no credential".to_owned());
        }
        match prune == PruneEntry::default() {
            true => Ok(with),
            false => Err("it has a setting that a place of this kind does not know".to_owned()),
        }
    }

    fn problems(&self) -> Vec<String> {
        let parts = [
            self.s3.as_ref().map(S3Entry::problems),
            self.azure.as_ref().map(AzureEntry::problems),
            self.sftp.as_ref().map(SftpEntry::problems),
            self.rest.as_ref().map(RestEntry::problems),
        ];
        let kinds = parts.iter().flatten().count() + usize::from(self.path.is_some());
        let mut p: Vec<String> = parts.into_iter().flatten().flatten().collect();
        match kinds {
            0 => p.push("it needs a path, s3, azure, sftp or rest".to_owned()),
            1 => {}
            _ => p.push("it has more than one of path, s3, azure, sftp and rest".to_owned()),
        }
        if self.s3.as_ref().is_some_and(|s3| s3.twin_bucket.is_some()) {
            p.push("a twin_bucket is a vault's".to_owned());
        }
        // Of one that is wrong itself, that is told.
        if self.prune.is_some() && p.is_empty() {
            let wrong = match self.to_delete() {
                Ok(with) => with.problems().into_iter().next(),
                Err(why) => Some(format!("repository {}: {why}", self.name)),
            };
            let own = format!("repository {}: ", self.name);
            p.extend(wrong.map(|says| format!("prune: {}", says.trim_start_matches(&own))));
        }
        p.into_iter().map(|says| format!("repository {}: {says}", self.name)).collect()
    }

    /// Where it is, for comparing: nothing else may be at, in or above it.
    fn place(&self, config: &Config) -> Option<PathBuf> {
        let path = self.path.as_ref().map(|path| place(&config.path(path)));
        path.or_else(|| self.s3.as_ref().map(S3Entry::place))
            .or_else(|| self.azure.as_ref().map(AzureEntry::place))
            .or_else(|| self.sftp.as_ref().map(SftpEntry::place))
            .or_else(|| self.rest.as_ref().map(RestEntry::place))
    }

    /// Files with secrets that it names beside its password.
    pub(super) fn secrets(&self) -> Vec<&PathBuf> {
        let mut files: Vec<&PathBuf> = Vec::new();
        files.extend(self.s3.iter().map(|s3| &s3.secret_file));
        files.extend(self.azure.iter().flat_map(|a| a.key_file.iter().chain(&a.sas_file)));
        files.extend(self.sftp.iter().filter_map(|sftp| sftp.identity_file.as_ref()));
        files.extend(self.rest.iter().filter_map(|rest| rest.secret_file.as_ref()));
        files
    }

    /// Files with the secrets of whoever prunes it.
    pub fn pruning_files(&self, config: &Config) -> Vec<PathBuf> {
        let Some(p) = &self.prune else { return Vec::new() };
        let others = p.key_file.iter().chain(&p.sas_file).chain(&p.identity_file);
        p.secret_file.iter().chain(others).map(|f| config.path(f)).collect()
    }

    /// Certificates that it trusts.
    pub(super) fn ca_files(&self) -> Vec<&PathBuf> {
        let mut files: Vec<&PathBuf> = Vec::new();
        files.extend(self.s3.iter().filter_map(|s3| s3.ca_file.as_ref()));
        files.extend(self.azure.iter().filter_map(|azure| azure.ca_file.as_ref()));
        files.extend(self.rest.iter().filter_map(|rest| rest.ca_file.as_ref()));
        files
    }
}

impl VaultEntry {
    /// What is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut p = Vec::new();
        let kinds = [self.url.is_some(), self.s3.is_some(), self.hold.is_some()];
        if kinds.iter().filter(|x| **x).count() > 1 {
            p.push(format!("vault {}: it has more than one of url, s3 and hold", self.name));
        }
        if self.url.is_some() && self.token_file.is_none() {
            p.push(format!("vault {}: a server needs a token_file", self.name));
        }
        let s3 = self.s3.iter().flat_map(S3Entry::problems);
        p.extend(s3.map(|says| format!("vault {}: {says}", self.name)));
        if let Some(url) = &self.url
            && let Some(why) = unsafe_for_credentials(url)
        {
            p.push(format!("vault {}: url is {}; {why}", self.name, shown(url)));
        }
        if self.s3.is_some() && self.public_key.is_none() {
            p.push(format!(
                "vault {}: a bucket needs the public_key of the vault whose custodians enrolled it",
                self.name
            ));
        }
        if let Some(key) =
            self.public_key.as_ref().filter(|k| strongroom_custody::PublicKey::parse(k).is_err())
        {
            p.push(format!("vault {}: public_key {key:.16} is no public key", self.name));
        }
        p
    }
}

impl NightlyEntry {
    fn problems(&self) -> Vec<String> {
        let mut p = Vec::new();
        if !(1..=8_760).contains(&self.every_hours) {
            p.push(format!("nightly: every_hours is {}, it goes from 1 to 8760", self.every_hours));
        }
        if self.check_days > 3_650 {
            p.push(format!("nightly: check_days is {}, it goes from 0 to 3650", self.check_days));
        }
        if self.check_nights == 0 {
            p.push("nightly: check_nights is 0, it goes from 1 to 255".to_owned());
        }
        let known: Vec<&str> = Duty::ALL.into_iter().map(Duty::name).collect();
        for name in self.without.iter().filter(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            p.push(format!("nightly: without names {name:?}, which is none of: {known}"));
        }
        p
    }
}

impl TenantEntry {
    fn labels_problems(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let twice = self.labels.iter().filter(|label| !seen.insert(*label));
        let twice = twice.map(|label| format!("two labels of one tenant are named {label:?}"));
        let wrong = self.labels.iter().filter_map(|label| no_name("label", label));
        wrong.chain(twice).collect()
    }

    /// What it names and the configuration does not have.
    fn lacks(&self, config: &Config) -> Vec<Problem> {
        let lacks = |of: Whose, list: &str, name: &str| {
            let says = format!("tenant {}: there is no [[{list}]] named {name:?}", self.name);
            let lacks = Some(of);
            Problem { lacks, ..Problem::new(Whose::Tenant(self.name.clone()), says) }
        };
        let mut p = Vec::new();
        let name = &self.repository;
        if config.repository(name).is_err() {
            p.push(lacks(Whose::Repository(name.clone()), "repository", name));
        }
        if let Some(name) = self.vault.as_ref().filter(|v| config.vault(v).is_err()) {
            p.push(lacks(Whose::Vault(name.clone()), "vault", name));
        }
        p
    }

    /// What is wrong with how it is reached and what is asked of it, whatever stands beside it in a
    /// configuration.
    pub fn unreachable(&self) -> Vec<String> {
        let mut p = Vec::new();
        let mut tell = |says: String| p.push(format!("tenant {}{says}", self.name));
        // It becomes a part of addresses.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let has_name = self.tenant_id.split('.').all(|part| !part.is_empty());
        if !has_name || !self.tenant_id.chars().all(is_plain) {
            tell(format!(": tenant_id {:?} is neither an id nor a domain", self.tenant_id));
        }
        for (url, what) in [(&self.authority, "authority"), (&self.graph, "graph")] {
            // Not even this machine takes them in clear.
            let clear = (url.scheme() != "https").then_some("credentials need https");
            if let Some(why) = clear.or(unsafe_for_credentials(url)).or(not_a_base(url)) {
                tell(format!(": {what} is {}; {why}", shown(url)));
            }
        }
        for (name, i) in &self.identities {
            if Identity::named(name).is_none() {
                tell(format!(
                    ": {name:?} is no identity; there are read, write, configure and act"
                ));
            }
            match (&i.certificate_file, &i.secret_file) {
                (None, None) => tell(format!(", identity {name}: it needs a certificate_file")),
                (Some(_), Some(_)) => {
                    tell(format!(", identity {name}: it has both a certificate and a secret"));
                }
                _ => {}
            }
        }
        if !(1..=64).contains(&self.backup.users_at_once) {
            let n = self.backup.users_at_once;
            tell(format!(": users_at_once is {n}, it goes from 1 to 64"));
        }
        let known: Vec<&str> = strongroom_workloads::ALL.iter().map(|w| w.profile().name).collect();
        for name in self.backup.without.iter().filter(|name| !known.contains(&name.as_str())) {
            tell(format!(
                " is to be backed up without {name:?}, which is none of: {}",
                known.join(", ")
            ));
        }
        if !self.identities.contains_key("read") {
            tell(": a backup needs the identity read".into());
        }
        let ids: BTreeSet<&String> = self.identities.values().map(|i| &i.application_id).collect();
        if ids.len() < self.identities.len() {
            tell(": two identities share one application; whoever steals one has both".into());
        }
        p
    }
}

impl Config {
    /// Everything that is wrong in the file itself.
    pub(super) fn problems(&self, accounts: &Accounts) -> Vec<Problem> {
        let mut p = self.problems_of_entries(accounts);
        if self.tenants.is_empty() {
            p.push(Problem::new(Whose::File, "there is no [[tenant]]".to_owned()));
        }
        p
    }

    /// The same, where it is no matter that there is no tenant.
    pub(super) fn problems_of_entries(&self, accounts: &Accounts) -> Vec<Problem> {
        let mut p = Vec::new();
        for v in &self.vaults {
            p.extend(of(Whose::Vault(v.name.clone()), v.problems()));
        }
        let tenants = || self.tenants.iter().map(|t| &t.name);
        let repositories = || self.repositories.iter().map(|r| &r.name);
        let vaults = || self.vaults.iter().map(|v| &v.name);
        p.extend(no_names("tenant", Whose::Tenant, tenants()));
        p.extend(no_names("repository", Whose::Repository, repositories()));
        p.extend(no_names("vault", Whose::Vault, vaults()));
        p.extend(twice("tenants", Whose::Tenant, tenants()));
        p.extend(twice("repositories", Whose::Repository, repositories()));
        p.extend(twice("vaults", Whose::Vault, vaults()));
        for tenant in &self.tenants {
            p.extend(of(Whose::Tenant(tenant.name.clone()), tenant.labels_problems()));
        }
        p.extend(of(Whose::File, self.nightly.problems()));
        p.extend(self.alarm_programs().into_iter().filter_map(|named| {
            let says = format!("{named}: {:?} is no whole path of a program", named.path);
            (!named.path.is_absolute()).then(|| Problem::new(named.of, says))
        }));
        for tenant in &self.tenants {
            p.extend(tenant.lacks(self));
            p.extend(of(Whose::Tenant(tenant.name.clone()), tenant.unreachable()));
        }
        let mut seen = BTreeSet::new();
        let shared = self.tenants.iter().filter(|t| !seen.insert(&t.repository));
        let shared: BTreeSet<&String> = shared.map(|t| &t.repository).collect();
        if !shared.is_empty() {
            let all = shared.into_iter().map(|name| Whose::Repository(name.clone())).collect();
            let says = "two tenants share one repository; each needs its own".to_owned();
            p.push(Problem::together(all, says));
        }
        for r in &self.repositories {
            p.extend(of(Whose::Repository(r.name.clone()), r.problems()));
        }
        p.extend(self.one_place());
        p.extend(self.unsafe_secrets(accounts));
        p.extend(self.changeable_by_others(accounts));
        p
    }

    /// Repositories and vaults that stand in one place, or one in another.
    fn one_place(&self) -> Vec<Problem> {
        let copies = self.repositories.iter().filter_map(|r| {
            let what = format!("the repository {:?}", r.name);
            Some((Whose::Repository(r.name.clone()), what, r.place(self)?))
        });
        let vaults = self.vaults.iter().filter_map(|v| {
            let hold = v.hold.as_ref().map(|path| place(&self.path(path)));
            let at = v.s3.as_ref().map(S3Entry::place).or(hold)?;
            Some((Whose::Vault(v.name.clone()), format!("the vault {:?}", v.name), at))
        });
        let places: Vec<(Whose, String, PathBuf)> = copies.chain(vaults).collect();
        let mut p = Vec::new();
        for (n, (one, a, at)) in places.iter().enumerate() {
            for (other, b, other_at) in &places[n + 1..] {
                if at.starts_with(other_at) || other_at.starts_with(at) {
                    let says = format!("{a} and {b} stand in one place, {}", at.display());
                    p.push(Problem::together(vec![one.clone(), other.clone()], says));
                }
            }
        }
        p
    }
}
