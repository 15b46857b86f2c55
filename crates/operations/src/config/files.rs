//! Files that a configuration names, whose each is, and which of them are not to be relied on.

use super::{
    Config, REVIEWS, TenantEntry,
    problems::{Problem, Whose},
};
use crate::{
    Error, Host, Kind,
    files::{Accounts, secrets},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use strongroom_graph::Credential;

/// A file that is named, by what, and what for.
pub(super) struct Named {
    pub(super) of: Whose,
    what: String,
    pub(super) path: PathBuf,
}

impl Named {
    fn problem(self, says: &str) -> Problem {
        let says = format!("{self}: {says}");
        Problem::new(self.of, says)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.of, self.what.as_str()) {
            (Whose::File, what) => f.write_str(what),
            (of, "") => write!(f, "{of}"),
            (of, what) => write!(f, "{of}, {what}"),
        }
    }
}

impl Config {
    /// Files with secrets that the configuration names, and what each is for.
    fn secret_files(&self) -> Vec<Named> {
        let mut all = Vec::new();
        let mut file = |of: Whose, what: String, path: &Path| {
            all.push(Named { of, what, path: self.path(path) });
        };
        for t in &self.tenants {
            for (name, i) in &t.identities {
                for f in i.certificate_file.iter().chain(&i.secret_file) {
                    file(Whose::Tenant(t.name.clone()), format!("identity {name}"), f);
                }
            }
        }
        for r in &self.repositories {
            for f in std::iter::once(&r.password_file).chain(r.secrets()) {
                file(Whose::Repository(r.name.clone()), String::new(), f);
            }
        }
        for v in &self.vaults {
            let mut file = |what: &str, f| {
                file(Whose::Vault(v.name.clone()), what.to_owned(), f);
            };
            v.token_file.iter().for_each(|f| file("", f));
            v.identity_file.iter().for_each(|f| file("identity_file", f));
            v.s3.iter().for_each(|s3| file("s3", &s3.secret_file));
        }
        all
    }

    /// Files with the secrets of whoever prunes, which need not be on this host.
    fn pruning_files(&self) -> Vec<Named> {
        let mut all = Vec::new();
        for r in &self.repositories {
            all.extend(r.pruning_files(self).into_iter().map(|path| Named {
                of: Whose::Repository(r.name.clone()),
                what: "prune".to_owned(),
                path,
            }));
        }
        all
    }

    /// Files and folders without a secret that decide what this program does, and what each is for:
    /// whoever may change one decides in this account's stead.
    fn deciding(&self) -> Vec<Named> {
        let mut all = self.open_files();
        all.extend(self.alarm_programs());
        let mut add = |of: Whose, what: &str, path: &Path| {
            all.push(Named { of, what: what.to_owned(), path: self.path(path) });
        };
        for t in &self.tenants {
            let of = || Whose::Tenant(t.name.clone());
            t.exceptions.iter().for_each(|f| add(of(), "exceptions", f));
        }
        let reviews = self.reviews_dir.as_deref().unwrap_or(Path::new(REVIEWS));
        add(Whose::File, "reviews_dir", reviews);
        add(Whose::File, "state_dir", &self.state_dir());
        self.rules_dir.iter().for_each(|dir| add(Whose::File, "rules_dir", dir));
        self.baselines_dir.iter().for_each(|dir| add(Whose::File, "baselines_dir", dir));
        all
    }

    /// What of it others can change.
    pub(super) fn changeable_by_others(&self, accounts: &Accounts) -> Vec<Problem> {
        let found = self.deciding().into_iter().filter_map(|named| {
            let says = accounts.changeable_by_others(&named.path)?;
            Some(named.problem(&says))
        });
        found.collect()
    }

    /// Files without a secret, certificates and host keys to trust, and whose.
    fn open_files(&self) -> Vec<Named> {
        let mut all = self.ca_files();
        for r in &self.repositories {
            all.extend(r.sftp.iter().map(|sftp| Named {
                of: Whose::Repository(r.name.clone()),
                what: String::new(),
                path: self.path(&sftp.known_hosts_file),
            }));
        }
        all
    }

    /// Programs that are told alarms, and whose.
    pub(super) fn alarm_programs(&self) -> Vec<Named> {
        let named = |of: Whose, command: &[String]| {
            let program = command.first()?;
            let (of, what) = match of {
                Whose::File => (Whose::File, "nightly, alarm_command"),
                of => (of, "alarm_command"),
            };
            Some(Named { of, what: what.to_owned(), path: PathBuf::from(program) })
        };
        let own = self
            .tenants
            .iter()
            .filter_map(|t| named(Whose::Tenant(t.name.clone()), t.alarm_command.as_ref()?));
        own.chain(named(Whose::File, &self.nightly.alarm_command)).collect()
    }

    /// Programs that the configuration names and that cannot be run here: that is found else in the
    /// night of the first alarm.
    pub fn programs_that_do_not_run(&self) -> Vec<String> {
        let found = self.alarm_programs().into_iter().filter_map(|named| {
            let path = &named.path;
            let why = match path.metadata() {
                Err(e) => e.to_string(),
                Ok(meta) if !meta.is_file() => "it is no file".to_owned(),
                Ok(_) => rustix::fs::access(path, rustix::fs::Access::EXEC_OK).err()?.to_string(),
            };
            Some(format!("{named}: {} cannot be run: {why}", path.display()))
        });
        found.collect()
    }

    /// Certificates to trust, and whose.
    fn ca_files(&self) -> Vec<Named> {
        let mut all = Vec::new();
        let mut file = |of: Whose, what: &str, path: &PathBuf| {
            all.push(Named { of, what: what.to_owned(), path: self.path(path) });
        };
        for t in &self.tenants {
            let of = || Whose::Tenant(t.name.clone());
            t.ca_file.iter().for_each(|f| file(of(), "ca_file", f));
        }
        for r in &self.repositories {
            let of = || Whose::Repository(r.name.clone());
            r.ca_files().into_iter().for_each(|f| file(of(), "", f));
        }
        for v in &self.vaults {
            let s3 = v.s3.iter().filter_map(|s3| s3.ca_file.as_ref());
            let of = || Whose::Vault(v.name.clone());
            s3.chain(&v.ca_file).for_each(|f| file(of(), "ca_file", f));
        }
        all
    }

    /// Files that the configuration names and that cannot be read here.
    pub fn unreadable_files(&self) -> Vec<String> {
        let secret = self.secret_files().into_iter().filter_map(|named| {
            let path = &named.path;
            let why = match path.metadata() {
                Err(e) => e.to_string(),
                // What is no file is told among the problems.
                Ok(meta) if !meta.is_file() => return None,
                Ok(_) => std::fs::File::open(path).err()?.to_string(),
            };
            Some(format!("{named}: {} cannot be read: {why}", path.display()))
        });
        let certificates = self.ca_files();
        let others = self.open_files().into_iter().filter_map(|named| {
            let holds_none = || match certificates.iter().any(|c| c.path == named.path) {
                true => strongroom_objects::ca_file_problem(&named.path),
                false => None,
            };
            let why = secrets::unreadable(&named.path).or_else(holds_none)?;
            Some(format!("{named}: {why}"))
        });
        secret.chain(others).collect()
    }

    /// What is wrong with the secrets of the configuration that are here. One that is not here may
    /// be needed by nobody on this host.
    pub(super) fn unsafe_secrets(&self, accounts: &Accounts) -> Vec<Problem> {
        let files = self.secret_files().into_iter().chain(self.pruning_files());
        let found = files.filter_map(|named| {
            let says = secrets::fault(&named.path, accounts)?;
            Some(named.problem(&says))
        });
        found.collect()
    }

    /// What keeps the identities of a tenant whose files are here from signing in, before anything
    /// is sent.
    pub fn sign_in_problems(&self, tenant: &TenantEntry, host: &Host) -> Vec<String> {
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
