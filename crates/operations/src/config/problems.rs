//! What is wrong with a configuration, one sentence each.

use super::{Config, NightlyEntry, PruneEntry, REVIEWS, RepositoryEntry, TenantEntry, VaultEntry};
use crate::{
    Duty, Error, Host, Identity, Kind,
    files::{Accounts, secrets},
};
use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};
use strongroom_graph::Credential;
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

/// Of a name, which an ending and a folder follow.
const NAME_BYTES_MAX: usize = 100;

fn twice<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = names.filter(|n| !seen.insert(n.as_str()));
    all.map(|n| format!("two {what} are named {n:?}")).collect()
}

/// Names that cannot be names: they are those of files (reviews, records of restores), which must
/// not lie elsewhere, and stand in sentences.
fn no_names<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let is_name = |name: &&String| {
        !matches!(name.as_str(), "" | "." | "..")
            && name.len() <= NAME_BYTES_MAX
            && !name.contains(['/', '\\'])
            && strongroom_model::shown_line(name) == name.as_str()
    };
    let say = |name: &String| {
        format!(
            "a {what} cannot be named {name:?}: a name has up to {NAME_BYTES_MAX} bytes, no slash, \
             no line end, and is not . or .."
        )
    };
    names.filter(|name| !is_name(name)).map(say).collect()
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
    fn secrets(&self) -> Vec<&PathBuf> {
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
    fn ca_files(&self) -> Vec<&PathBuf> {
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
        let known: Vec<&str> = Duty::ALL.into_iter().map(Duty::name).collect();
        for name in self.without.iter().filter(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            p.push(format!("nightly: without names {name:?}, which is none of: {known}"));
        }
        p
    }
}

impl TenantEntry {
    fn problems(&self, config: &Config) -> Vec<String> {
        let mut p = Vec::new();
        let mut tell = |says: String| p.push(format!("tenant {}{says}", self.name));
        if config.repository(&self.repository).is_err() {
            tell(format!(": there is no [[repository]] named {:?}", self.repository));
        }
        if let Some(v) = self.vault.as_ref().filter(|v| config.vault(v).is_err()) {
            tell(format!(": there is no [[vault]] named {v:?}"));
        }
        p.extend(self.unreachable());
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
    pub(super) fn problems(&self, accounts: &Accounts) -> Vec<String> {
        let mut p = Vec::new();
        p.extend(self.vaults.iter().flat_map(VaultEntry::problems));
        if self.tenants.is_empty() {
            p.push("there is no [[tenant]]".into());
        }
        p.extend(no_names("tenant", self.tenants.iter().map(|t| &t.name)));
        p.extend(no_names("repository", self.repositories.iter().map(|r| &r.name)));
        p.extend(no_names("vault", self.vaults.iter().map(|v| &v.name)));
        p.extend(twice("tenants", self.tenants.iter().map(|t| &t.name)));
        p.extend(twice("repositories", self.repositories.iter().map(|r| &r.name)));
        p.extend(twice("vaults", self.vaults.iter().map(|v| &v.name)));
        p.extend(no_names("label", self.tenants.iter().flat_map(|t| &t.labels)));
        for tenant in &self.tenants {
            p.extend(twice("labels of one tenant", tenant.labels.iter()));
        }
        p.extend(self.nightly.problems());
        let relative = |(what, program): (String, PathBuf)| {
            let is_whole = program.is_absolute();
            (!is_whole).then(|| format!("{what}: {program:?} is no whole path of a program"))
        };
        p.extend(self.alarm_programs().into_iter().filter_map(relative));
        p.extend(self.tenants.iter().flat_map(|t| t.problems(self)));
        let shared: Vec<&String> = self.tenants.iter().map(|t| &t.repository).collect();
        if shared.iter().collect::<BTreeSet<_>>().len() < shared.len() {
            p.push("two tenants share one repository; each needs its own".into());
        }
        p.extend(self.repositories.iter().flat_map(RepositoryEntry::problems));
        let copies = self
            .repositories
            .iter()
            .filter_map(|r| Some((format!("the repository {:?}", r.name), r.place(self)?)));
        let vaults = self.vaults.iter().filter_map(|v| {
            let hold = v.hold.as_ref().map(|path| place(&self.path(path)));
            let at = v.s3.as_ref().map(S3Entry::place).or(hold)?;
            Some((format!("the vault {:?}", v.name), at))
        });
        let places: Vec<(String, PathBuf)> = copies.chain(vaults).collect();
        for (n, (a, at)) in places.iter().enumerate() {
            for (b, other) in &places[n + 1..] {
                if at.starts_with(other) || other.starts_with(at) {
                    p.push(format!("{a} and {b} stand in one place, {}", at.display()));
                }
            }
        }
        p.extend(self.unsafe_secrets(accounts));
        for (what, path) in self.deciding() {
            p.extend(accounts.decided_by_others(&path).map(|says| format!("{what}: {says}")));
        }
        p
    }

    /// Files with secrets that the configuration names, and what each is for.
    pub fn secret_files(&self) -> Vec<(String, PathBuf)> {
        let mut all = Vec::new();
        let mut file = |what: String, path: &Path| all.push((what, self.path(path)));
        for t in &self.tenants {
            for (name, i) in &t.identities {
                for f in i.certificate_file.iter().chain(&i.secret_file) {
                    file(format!("tenant {}, identity {name}", t.name), f);
                }
            }
        }
        for r in &self.repositories {
            file(format!("repository {}", r.name), &r.password_file);
            for f in r.secrets() {
                file(format!("repository {}", r.name), f);
            }
        }
        for v in &self.vaults {
            v.token_file.iter().for_each(|f| file(format!("vault {}", v.name), f));
            let identity = v.identity_file.iter();
            identity.for_each(|f| file(format!("vault {}, identity_file", v.name), f));
            v.s3.iter().for_each(|s3| file(format!("vault {}, s3", v.name), &s3.secret_file));
        }
        all
    }

    /// Files with the secrets of whoever prunes, which need not be on this host.
    pub fn pruning_files(&self) -> Vec<(String, PathBuf)> {
        let mut all = Vec::new();
        for r in &self.repositories {
            let what = format!("repository {}, prune", r.name);
            all.extend(r.pruning_files(self).into_iter().map(|f| (what.clone(), f)));
        }
        all
    }

    /// Files and folders without a secret that decide what this program does, and what each is for:
    /// whoever may change one decides in this account's stead.
    fn deciding(&self) -> Vec<(String, PathBuf)> {
        let mut all = self.open_files();
        all.extend(self.alarm_programs());
        let mut add = |what: String, path: &Path| all.push((what, self.path(path)));
        for t in &self.tenants {
            t.exceptions.iter().for_each(|f| add(format!("tenant {}, exceptions", t.name), f));
        }
        let reviews = self.reviews_dir.as_deref().unwrap_or(Path::new(REVIEWS));
        add("reviews_dir".to_owned(), reviews);
        add("state_dir".to_owned(), &self.state_dir());
        self.rules_dir.iter().for_each(|dir| add("rules_dir".to_owned(), dir));
        self.baselines_dir.iter().for_each(|dir| add("baselines_dir".to_owned(), dir));
        all
    }

    /// Files without a secret, certificates and host keys to trust, and whose.
    fn open_files(&self) -> Vec<(String, PathBuf)> {
        let mut all = self.ca_files();
        for r in &self.repositories {
            let known = r.sftp.iter().map(|sftp| self.path(&sftp.known_hosts_file));
            all.extend(known.map(|f| (format!("repository {}", r.name), f)));
        }
        all
    }

    /// Programs that are told alarms, and whose.
    fn alarm_programs(&self) -> Vec<(String, PathBuf)> {
        let program = |command: &Vec<String>| command.first().map(PathBuf::from);
        let own = self.tenants.iter().filter_map(|t| {
            let program = program(t.alarm_command.as_ref()?)?;
            Some((format!("tenant {}, alarm_command", t.name), program))
        });
        let all = program(&self.nightly.alarm_command);
        let all = all.map(|program| ("nightly, alarm_command".to_owned(), program));
        own.chain(all).collect()
    }

    /// Certificates to trust, and whose.
    fn ca_files(&self) -> Vec<(String, PathBuf)> {
        let mut all = Vec::new();
        let mut file = |whose: String, path: &PathBuf| all.push((whose, self.path(path)));
        for t in &self.tenants {
            t.ca_file.iter().for_each(|f| file(format!("tenant {}, ca_file", t.name), f));
        }
        for r in &self.repositories {
            r.ca_files().into_iter().for_each(|f| file(format!("repository {}", r.name), f));
        }
        for v in &self.vaults {
            let s3 = v.s3.iter().filter_map(|s3| s3.ca_file.as_ref());
            s3.chain(&v.ca_file).for_each(|f| file(format!("vault {}, ca_file", v.name), f));
        }
        all
    }

    /// Files that the configuration names and that cannot be read here.
    pub fn unreadable_files(&self) -> Vec<String> {
        let secret = self.secret_files().into_iter().filter_map(|(what, path)| {
            let why = match path.metadata() {
                Err(e) => e.to_string(),
                // What is no file is told among the problems.
                Ok(meta) if !meta.is_file() => return None,
                Ok(_) => std::fs::File::open(&path).err()?.to_string(),
            };
            Some(format!("{what}: {} cannot be read: {why}", path.display()))
        });
        let certificates = self.ca_files();
        let others = self.open_files().into_iter().filter_map(|(what, f)| {
            let holds_none = || match certificates.iter().any(|(_, of)| *of == f) {
                true => strongroom_objects::ca_file_problem(&f),
                false => None,
            };
            let why = secrets::unreadable(&f).or_else(holds_none)?;
            Some(format!("{what}: {why}"))
        });
        secret.chain(others).collect()
    }

    /// What is wrong with the secrets of the configuration that are here. One that is not here may
    /// be needed by nobody on this host.
    fn unsafe_secrets(&self, accounts: &Accounts) -> Vec<String> {
        let files = self.secret_files().into_iter().chain(self.pruning_files());
        let found = files.filter_map(|(what, path)| {
            let says = secrets::fault(&path, accounts)?;
            Some(format!("{what}: {says}"))
        });
        found.collect()
    }

    /// What keeps the identities of a tenant whose files are here from signing in, before anything
    /// is sent.
    pub fn unfit(&self, tenant: &TenantEntry, host: &Host) -> Vec<String> {
        let mut p = Vec::new();
        for (name, identity) in &tenant.identities {
            let is_certificate = identity.certificate_file.is_some();
            let file = identity.certificate_file.iter().chain(&identity.secret_file).next();
            let Some(path) = file.map(|f| self.path(f)) else { continue };
            if std::fs::metadata(&path).is_err() {
                continue;
            }
            if let Err(e) = signs_in(&path, is_certificate, host) {
                p.push(format!("tenant {}, identity {name}: {}", tenant.name, e.sentence()));
            }
        }
        p
    }
}

/// Whether the credential in a file can sign in today.
fn signs_in(path: &Path, is_certificate: bool, host: &Host) -> Result<(), Error> {
    let text = secrets::read(path, &host.accounts)?;
    let credential = match is_certificate {
        true => Credential::Certificate { pem: text },
        false => Credential::Secret(text),
    };
    let cannot = || format!("{} cannot sign in", path.display());
    let validity = credential.validity();
    match validity.map_err(|e| Error::because(Kind::Configuration, cannot(), e))? {
        Some((_, until)) if until < host.clock.now() => {
            let what = format!("{}: its certificate ended on {until:.0}", cannot());
            Err(Error::new(Kind::Configuration, what))
        }
        _ => Ok(()),
    }
}
