//! What is wrong with a configuration, one sentence each.

use super::{Config, RepositoryEntry, S3Entry, Tenant, VaultEntry};
use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};
use url::{Host, Url};

const IDENTITIES: [&str; 4] = ["read", "write", "configure", "act"];

/// Whether a host is this machine, whatever a name server says.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(a)) => a.is_loopback(),
        Some(Host::Ipv6(a)) => a.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Why a credential must not go to an address.
fn unsafe_for_credentials(url: &Url) -> Option<&'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Some("a user or a password does not belong into an address");
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url)) {
        return Some("credentials need https");
    }
    None
}

/// An address without what may be a secret in it.
fn shown(url: &Url) -> String {
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// A base to which paths are added: nothing but scheme, host and port.
fn not_a_base(url: &Url) -> Option<&'static str> {
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (!is_bare).then_some("it must end with its host; what comes after is added")
}

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

fn twice<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = names.filter(|n| !seen.insert(n.as_str()));
    all.map(|n| format!("two {what} are named {n:?}")).collect()
}

/// What is wrong with how a bucket is reached.
fn bucket(whose: &str, s3: &S3Entry) -> Vec<String> {
    let mut p = Vec::new();
    if let Some(url) = &s3.endpoint
        && let Some(why) = unsafe_for_credentials(url).or(not_a_base(url))
    {
        p.push(format!("{whose}: endpoint is {}; {why}", shown(url)));
    }
    if s3.bucket.is_empty() || s3.bucket.contains('/') {
        p.push(format!("{whose}: {:?} is no bucket's name", s3.bucket));
    }
    if !(s3.prefix.is_empty() || s3.prefix.ends_with('/')) || s3.prefix.starts_with('/') {
        p.push(format!(
            "{whose}: prefix is {:?}; it is empty, or ends in a slash and begins with none",
            s3.prefix
        ));
    }
    p
}

impl RepositoryEntry {
    fn problems(&self) -> Vec<String> {
        let whose = format!("repository {}", self.name);
        let mut p = self.s3.as_ref().map(|s3| bucket(&whose, s3)).unwrap_or_default();
        if let Some(rest) = &self.rest {
            if let Some(why) = unsafe_for_credentials(&rest.url) {
                p.push(format!("{whose}: url is {}; {why}", shown(&rest.url)));
            }
            if rest.url.query().is_some() || rest.url.fragment().is_some() {
                p.push(format!("{whose}: url is an address, without what follows its path"));
            }
            if rest.user.is_some() != rest.secret_file.is_some() {
                p.push(format!("{whose}: user and secret_file of a server go together"));
            }
        }
        let kinds = [self.path.is_some(), self.s3.is_some(), self.rest.is_some()];
        match kinds.iter().filter(|is_there| **is_there).count() {
            0 => p.push(format!("{whose}: it needs a path, s3 or rest")),
            1 => {}
            _ => p.push(format!("{whose}: it has more than one of path, s3 and rest")),
        }
        if self.s3.as_ref().is_some_and(|s3| s3.twin_bucket.is_some()) {
            p.push(format!("{whose}: a twin_bucket is a vault's"));
        }
        p
    }

    /// Where it is, for comparing: nothing else may be at, in or above it.
    fn place(&self, config: &Config) -> Option<PathBuf> {
        let server = |url: &Url| {
            Path::new("rest:")
                .join(url.origin().ascii_serialization().replace('/', ":"))
                .join(url.path().trim_matches('/'))
        };
        match (&self.path, &self.s3, &self.rest) {
            (Some(path), ..) => Some(place(&config.path(path))),
            (None, Some(s3), _) => Some(s3.place()),
            (None, None, Some(rest)) => Some(server(&rest.url)),
            (None, None, None) => None,
        }
    }
}

impl S3Entry {
    /// Where it is, as a path that no folder has.
    fn place(&self) -> PathBuf {
        let server = self.endpoint.as_ref().map_or_else(
            || format!("AWS {}", self.region),
            |url| url.origin().ascii_serialization(),
        );
        Path::new("s3:").join(server.replace('/', ":")).join(&self.bucket).join(&self.prefix)
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
        p.extend(self.s3.iter().flat_map(|s3| bucket(&format!("vault {}", self.name), s3)));
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

impl Tenant {
    fn problems(&self, config: &Config) -> Vec<String> {
        let mut p = Vec::new();
        let mut tell = |says: String| p.push(format!("tenant {}{says}", self.name));
        if config.repository(&self.repository).is_err() {
            tell(format!(": there is no [[repository]] named {:?}", self.repository));
        }
        if let Some(v) = self.vault.as_ref().filter(|v| config.vault(v).is_err()) {
            tell(format!(": there is no [[vault]] named {v:?}"));
        }
        // It becomes a part of addresses.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if self.tenant_id.is_empty() || !self.tenant_id.chars().all(is_plain) {
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
            if !IDENTITIES.contains(&name.as_str()) {
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
    pub(super) fn problems(&self) -> Vec<String> {
        let mut p = Vec::new();
        p.extend(self.vaults.iter().flat_map(VaultEntry::problems));
        if self.tenants.is_empty() {
            p.push("there is no [[tenant]]".into());
        }
        p.extend(twice("tenants", self.tenants.iter().map(|t| &t.name)));
        p.extend(twice("repositories", self.repositories.iter().map(|r| &r.name)));
        p.extend(twice("vaults", self.vaults.iter().map(|v| &v.name)));
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
        let vaults = self
            .vaults
            .iter()
            .filter_map(|v| Some((format!("the vault {:?}", v.name), v.s3.as_ref()?.place())));
        let places: Vec<(String, PathBuf)> = copies.chain(vaults).collect();
        for (n, (a, at)) in places.iter().enumerate() {
            for (b, other) in &places[n + 1..] {
                if at.starts_with(other) || other.starts_with(at) {
                    p.push(format!("{a} and {b} stand in one place, {}", at.display()));
                }
            }
        }
        p
    }

    /// Files that the configuration names and that cannot be read here.
    pub(super) fn unreadable_files(&self) -> Vec<String> {
        let mut p = Vec::new();
        let mut file = |what: String, path: &Path| {
            if let Err(e) = std::fs::read(self.path(path)) {
                p.push(format!("{what}: {} cannot be read: {e}", self.path(path).display()));
            }
        };
        for t in &self.tenants {
            for (name, i) in &t.identities {
                for f in i.certificate_file.iter().chain(&i.secret_file) {
                    file(format!("tenant {}, identity {name}", t.name), f);
                }
            }
            t.ca_file.iter().for_each(|f| file(format!("tenant {}, ca_file", t.name), f));
        }
        for r in &self.repositories {
            file(format!("repository {}", r.name), &r.password_file);
            if let Some(s3) = &r.s3 {
                file(format!("repository {}, s3", r.name), &s3.secret_file);
                let ca = s3.ca_file.iter();
                ca.for_each(|f| file(format!("repository {}, s3, ca_file", r.name), f));
            }
            if let Some(rest) = &r.rest {
                let files = rest.secret_file.iter().chain(&rest.ca_file);
                files.for_each(|f| file(format!("repository {}, rest", r.name), f));
            }
        }
        for v in &self.vaults {
            v.token_file.iter().for_each(|f| file(format!("vault {}", v.name), f));
            let identity = v.identity_file.iter();
            identity.for_each(|f| file(format!("vault {}, identity_file", v.name), f));
            v.s3.iter().for_each(|s3| file(format!("vault {}, s3", v.name), &s3.secret_file));
            v.ca_file.iter().for_each(|f| file(format!("vault {}, ca_file", v.name), f));
        }
        p
    }
}
