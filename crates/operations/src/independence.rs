//! What the three copies share: each fact with its evidence, and every single point that would take
//! more than one of them.

use crate::{
    Error, Kind, Remedy, School, blocking, canary,
    config::{Config, TenantEntry, VaultEntry},
    files::secrets,
    place::{Doing, Place, Remote},
    sheets,
    vault::{BucketPlace, VaultPlace},
};
use secrecy::ExposeSecret;
use serde::Serialize;
use std::{
    net::{IpAddr, ToSocketAddrs, UdpSocket},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use strongroom_objects::{
    AzureCredential, LockedStore, S3Bucket, S3Settings, SETTINGS_BYTES_MAX, VaultSettings,
    hash_name, read_regular,
};

/// What somebody has who takes more than one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// An account or a credential.
    Identity,
    /// A host, a network, a server, a provider.
    Platform,
    /// A secret that opens, or that speaks for somebody.
    Key,
}

/// A point that would take more than one copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinglePoint {
    /// What it is.
    pub through: Through,
    /// One sentence.
    pub says: String,
}

/// What could not be looked at from this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// What, and why where that is known.
    pub what: String,
    /// Who can tell.
    pub remedy: Option<Remedy>,
}

/// What the copies of a school share, as far as it can be seen from this host.
#[derive(Debug, Clone, Default)]
pub struct Independence {
    /// Points that would take more than one copy.
    pub shared: Vec<SinglePoint>,
    /// What was looked at, and what was seen.
    pub facts: Vec<(String, String)>,
    /// Who could delete what.
    pub could_delete: Vec<(String, String)>,
    /// What could not be looked at from here.
    pub not_seen: Vec<Unseen>,
}

impl Independence {
    fn shares(&mut self, through: Through, says: impl Into<String>) {
        self.shared.push(SinglePoint { through, says: says.into() });
    }

    fn fact(&mut self, of: impl Into<String>, seen: impl Into<String>) {
        self.facts.push((of.into(), seen.into()));
    }

    fn deletes(&mut self, who: impl Into<String>, what: impl Into<String>) {
        self.could_delete.push((who.into(), what.into()));
    }

    fn unseen(&mut self, what: impl Into<String>, remedy: Option<Remedy>) {
        self.not_seen.push(Unseen { what: what.into(), remedy });
    }
}

/// Gathers who shares what with whom. Nothing is changed, at the vault neither.
///
/// # Errors
/// Those of the configuration, and of secrets that cannot be read.
pub async fn independence(school: &School) -> Result<Independence, Error> {
    let school = school.clone();
    blocking(move || gather(&school)).await
}

fn gather(school: &School) -> Result<Independence, Error> {
    let mut e = Independence::default();
    let copy2 = school.copy2()?.place(Doing::Usual)?;
    let (config, tenant, host) = (school.config(), school.tenant(), &school.host().name);
    e.fact("copy 1", format!("tenant {} at {}", tenant.tenant_id, tenant.graph));
    e.fact("copy 2", format!("{copy2}, seen from host {host}"));
    e.deletes("a Global Admin of the tenant", "copy 1");
    e.deletes(who_deletes(&copy2, host), "copy 2");
    let sheets = sheets::lying(school);
    sheets.lying.iter().for_each(|lying| e.shares(Through::Key, lying.sentence()));
    sheets.unseen.into_iter().for_each(|what| e.unseen(what, None));
    let Some(name) = &tenant.vault else {
        e.shares(
            Through::Platform,
            "there is no vault: whoever takes this host and the tenant has everything",
        );
        return Ok(e);
    };
    let entry = config.vault(name)?;
    let place = match (&entry.url, &entry.s3, &entry.hold) {
        (None, None, None) => None,
        _ => Some(school.vault()?),
    };
    secrets(school, entry, &mut e)?;
    match place {
        None => {
            e.fact("copy 3", format!("vault {name} pulls; nothing on this side reaches it"));
            e.unseen(
                "where the vault is, who runs it, and what it shares with this side",
                Some(Remedy::AskVaultsStatus),
            );
        }
        Some(VaultPlace::Server(settings)) => server(&settings, config, tenant, entry, &mut e),
        Some(VaultPlace::Bucket(place)) => bucket(*place, &copy2, tenant, &mut e)?,
        Some(VaultPlace::Folder(path, _)) => folder(&path, &copy2, &mut e),
    }
    tried(school, &mut e);
    e.deletes(
        "custodians, two together",
        "nothing before its time: they decide what comes, and what readers see",
    );
    Ok(e)
}

fn who_deletes(copy2: &Place, host: &str) -> String {
    let at = match copy2 {
        Place::Folder(path) => return format!("whoever may write {} on {host}", path.display()),
        Place::Elsewhere { at, .. } => at,
    };
    match at {
        Remote::Bucket(s) => {
            format!("whoever has the key {} or the bucket's account", s.access_key_id)
        }
        Remote::Container(s) => match s.credential {
            AzureCredential::Key(_) => {
                format!("whoever has a key of the storage account {}", s.account)
            }
            AzureCredential::Sas(_) => format!(
                "whoever may write to the storage account {}; the signature that this host has, \
                 as far as it says w or d",
                s.account
            ),
        },
        Remote::Host(s) => {
            let user = s.user.as_deref().unwrap_or("this account");
            format!("whoever signs in as {user} at {}, or has that host", s.host)
        }
        Remote::Server(s) => {
            let user = s.credential.as_ref().map_or("nobody", |(user, _)| user);
            format!("whoever signs in as {user} at {}, or has that host", s.url)
        }
    }
}

fn server(
    settings: &VaultSettings,
    config: &Config,
    tenant: &TenantEntry,
    entry: &VaultEntry,
    e: &mut Independence,
) {
    e.fact("copy 3", format!("vault server {}, credential {:?}", settings.url, settings.user));
    let (host, port) = (settings.url.host_str(), settings.url.port_or_known_default());
    reach(host.unwrap_or_default(), port.unwrap_or(443), tenant, e);
    if settings.url.scheme() == "http" {
        e.shares(
            Through::Identity,
            "the way to the vault is not encrypted: whoever listens has its credential",
        );
    }
    same_ca(config, tenant.ca_file.as_deref(), entry.ca_file.as_deref(), e);
    e.deletes(
        "root on the vault's host",
        "copy 3, past the program; the immutable flag slows it down only",
    );
}

fn bucket(
    place: BucketPlace,
    copy2: &Place,
    tenant: &TenantEntry,
    e: &mut Independence,
) -> Result<(), Error> {
    if let Place::Elsewhere { at: Remote::Bucket(own), .. } = copy2 {
        same_server(own, &place.settings, e);
    }
    let endpoint = place.settings.endpoint.clone();
    let bucket = S3Bucket::new(place.settings)?;
    e.fact(
        "copy 3",
        format!(
            "bucket {} at {}, credential {}",
            bucket.bucket(),
            bucket.endpoint(),
            bucket.access_key_id()
        ),
    );
    if let Some(url) = &endpoint {
        let port = url.port_or_known_default().unwrap_or(443);
        reach(url.host_str().unwrap_or_default(), port, tenant, e);
    }
    let facts = bucket.facts()?;
    let owner = facts
        .get("access list")
        .and_then(|a| a.strip_prefix("owner ")?.split(';').next().map(str::to_owned));
    match (bucket.account(), &owner) {
        (Ok(account), Some(owner)) if account == *owner => e.shares(
            Through::Identity,
            format!(
                "the pushing credential belongs to the account {account}, which owns the bucket: \
                 that account's root can close it"
            ),
        ),
        (Ok(account), Some(owner)) => {
            e.fact("accounts", format!("pushing {account}, owning {owner}"));
        }
        (account, _) => {
            let what = format!(
                "who owns the bucket: {}, {}",
                account.err().unwrap_or_default(),
                facts.get("access list").map_or("", String::as_str)
            );
            e.unseen(what, None);
        }
    }
    for (name, value) in facts.iter().filter(|(n, _)| *n != "access list" && *n != "policy") {
        e.fact(format!("bucket: {name}"), value.clone());
    }
    e.deletes("root of the bucket's account, or its billing", "copy 3, by closing the account");
    e.deletes("an administrator of the storage below S3", "copy 3");
    Ok(())
}

fn folder(path: &Path, copy2: &Place, e: &mut Independence) {
    let shown = path.display();
    e.fact("copy 3", format!("folder {shown}"));
    if let Place::Folder(own) = copy2
        && let (Ok(a), Ok(b)) = (std::fs::metadata(path), std::fs::metadata(own))
        && a.dev() == b.dev()
    {
        let says = format!("{shown} and {} lie on the same file system", own.display());
        e.shares(Through::Platform, says);
    }
    e.shares(
        Through::Platform,
        format!(
            "the vault's folder can be reached from this host: root here could be root there \
             ({shown})"
        ),
    );
}

/// What this side's credential can do at the vault.
fn tried(school: &School, e: &mut Independence) {
    let last = canary::last(school).unwrap_or_else(|why| {
        e.unseen(format!("what the last canary found: {}", why.sentence()), why.remedy().cloned());
        None
    });
    let Some(report) = last else {
        return e.unseen(
            "what this side's credential can do at the vault",
            Some(Remedy::TryCredential),
        );
    };
    let (day, worked) = (report.at.strftime("%Y-%m-%d"), report.worked());
    if worked.is_empty() {
        let seen = format!("nothing worked in the canary of {day}");
        return e.fact("this side's credential at the vault", seen);
    }
    e.shares(
        Through::Identity,
        format!(
            "with this side's credential it was possible to {} (canary of {day})",
            worked.join(", ")
        ),
    );
    e.deletes("whoever has this side's credential", "copy 3");
}

fn addresses(host: &str, port: u16) -> Vec<IpAddr> {
    (host, port).to_socket_addrs().map(|a| a.map(|s| s.ip()).collect()).unwrap_or_default()
}

/// The first 24 bits of an IPv4 address, the first 48 of an IPv6 one.
fn network(ip: &IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets()[..3].to_vec(),
        IpAddr::V6(v6) => v6.octets()[..6].to_vec(),
    }
}

/// Which address of this host the way to `to` starts from.
fn own_address(to: &IpAddr) -> Option<IpAddr> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    // Nothing is sent: the kernel only picks a route.
    socket.connect((*to, 9)).ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}

/// Whether the way to the vault ends near here.
fn reach(host: &str, port: u16, tenant: &TenantEntry, e: &mut Independence) {
    let there = addresses(host, port);
    if there.is_empty() {
        e.unseen(format!("where {host} is: its name does not resolve"), None);
    }
    for ip in &there {
        let own = own_address(ip);
        let from = own.map_or_else(|| "?".to_owned(), |o| o.to_string());
        e.fact("network", format!("{host} is {ip}; the way there starts at {from}"));
        if ip.is_loopback() || own.as_ref() == Some(ip) {
            let says =
                format!("the vault is on this very host ({ip}): whoever has it has copies 2 and 3");
            e.shares(Through::Platform, says);
        } else if own.is_some_and(|o| network(&o) == network(ip)) {
            let says =
                format!("the vault is in this host's network ({ip}): one break-in may reach both");
            e.shares(Through::Platform, says);
        }
    }
    let domain = |h: &str| {
        h.rsplit('.').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(".")
    };
    if tenant.name.contains('.') && domain(host) == domain(&tenant.name) {
        let says = format!(
            "{host} is a name in the school's own domain: whoever changes its DNS moves the vault"
        );
        e.shares(Through::Platform, says);
    }
}

/// Copy 2 and the vault in buckets of one server, or one account.
fn same_server(copy2: &S3Settings, vault: &S3Settings, e: &mut Independence) {
    if copy2.access_key_id == vault.access_key_id {
        let says = format!(
            "copy 2 and the vault take the same key, {}: whoever has it has both",
            vault.access_key_id
        );
        e.shares(Through::Key, says);
    }
    let server = |s: &S3Settings| s.endpoint.as_ref().map(|url| url.origin());
    if server(copy2) == server(vault) && (vault.endpoint.is_some() || copy2.region == vault.region)
    {
        let what = vault.endpoint.as_ref().map_or_else(
            || format!("AWS, {}", vault.region),
            |url| url.origin().ascii_serialization(),
        );
        let says = format!("copy 2 and the vault are buckets of one server, {what}");
        e.shares(Through::Platform, says);
    }
}

/// One CA that speaks for the tenant and for the vault.
fn same_ca(config: &Config, a: Option<&Path>, b: Option<&Path>, e: &mut Independence) {
    let read =
        |p: Option<&Path>| p.and_then(|p| read_regular(&config.path(p), SETTINGS_BYTES_MAX).ok());
    if let (Some(a), Some(b)) = (read(a), read(b))
        && a == b
    {
        e.shares(
            Through::Key,
            "one private CA speaks for the tenant's side and for the vault: whoever has its key \
             can pose as both",
        );
    }
}

/// Files of this host with secrets, and what each is.
fn secret_files(school: &School, entry: &VaultEntry) -> Vec<(String, PathBuf)> {
    let (config, tenant) = (school.config(), school.tenant());
    let mut files = Vec::new();
    let copy2 = config.repository(&tenant.repository).ok();
    files.extend(copy2.map(|r| ("copy 2's password".to_owned(), config.path(&r.password_file))));
    for (name, i) in &tenant.identities {
        let own = i.certificate_file.iter().chain(&i.secret_file);
        files.extend(own.map(|f| (format!("the tenant's identity {name}"), config.path(f))));
    }
    if let Some(r) = copy2 {
        let rest = r.rest.iter().filter_map(|rest| rest.secret_file.as_ref());
        let own = r.s3.iter().map(|s3| &s3.secret_file).chain(rest);
        files.extend(own.map(|file| ("copy 2's key".to_owned(), config.path(file))));
    }
    files.extend(entry.token_file.iter().map(|f| ("the vault's token".to_owned(), config.path(f))));
    files.extend(
        entry.s3.iter().map(|s3| ("the bucket's secret".to_owned(), config.path(&s3.secret_file))),
    );
    files
}

/// Secrets that are the same, or that others on this host can read.
fn secrets(school: &School, entry: &VaultEntry, e: &mut Independence) -> Result<(), Error> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for (what, path) in secret_files(school, entry) {
        let secret = secrets::read(&path, &school.host().accounts)?;
        let shown = path.display();
        let meta = std::fs::metadata(&path)
            .map_err(|e| Error::because(Kind::Files, format!("{shown} cannot be looked at"), e))?;
        let mode = meta.mode() & 0o777;
        e.fact(
            format!("credential: {what}"),
            format!("{shown}, owner {}, mode {mode:o}", meta.uid()),
        );
        if mode & 0o077 != 0 {
            let says =
                format!("{what} in {shown} can be read by others on this host (mode {mode:o})");
            e.shares(Through::Key, says);
        }
        let hash = hash_name(secret.expose_secret().as_bytes());
        if let Some((other, _)) = seen.iter().find(|(_, h)| *h == hash) {
            e.shares(Through::Key, format!("{what} and {other} are the same secret"));
        }
        seen.push((what, hash));
    }
    let held = school.tenant().identities.len();
    if held > 1 {
        let says = format!(
            "this host holds {held} of the tenant's identities; a backup host needs `read` alone"
        );
        e.shares(Through::Identity, says);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(key: &str, endpoint: &str) -> S3Settings {
        S3Settings {
            endpoint: Some(endpoint.parse().unwrap()),
            region: "here".to_owned(),
            bucket: "a".to_owned(),
            prefix: String::new(),
            access_key_id: key.to_owned(),
            secret_access_key: String::new().into(),
            ca_file: None,
            owner_control: false,
            clock: None,
        }
    }

    #[test]
    fn one_key_and_one_server_are_two_points() {
        let looked = |a: &S3Settings, b: &S3Settings| {
            let mut e = Independence::default();
            same_server(a, b, &mut e);
            e.shared.iter().map(|s| s.through).collect::<Vec<_>>()
        };
        let ours = bucket("K1", "https://s3.one.example/");
        assert_eq!(looked(&ours, &ours), [Through::Key, Through::Platform]);
        let server = bucket("K2", "https://s3.one.example/elsewhere");
        assert_eq!(looked(&ours, &server), [Through::Platform]);
        assert!(looked(&ours, &bucket("K2", "https://s3.two.example/")).is_empty());
    }

    #[test]
    fn a_neighbour_is_in_the_network_and_a_stranger_is_not() {
        let network = |ip: &str| network(&ip.parse().unwrap());
        assert_eq!(network("192.0.2.7"), network("192.0.2.250"));
        assert_ne!(network("192.0.2.7"), network("192.0.3.7"));
        assert_eq!(network("2001:db8:1::1"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1::1"), network("2001:db8:2::1"));
    }
}
