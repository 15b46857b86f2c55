//! What the three copies share: each fact with its evidence, and every single point that would take
//! more than one of them.

use super::canary::evidence_dir;
use crate::{Global, edge::blocking, failure, output};
use secrecy::ExposeSecret;
use serde::Serialize;
use std::{
    net::{IpAddr, ToSocketAddrs},
    os::unix::fs::MetadataExt,
    path::Path,
};
use strongroom_model::{Ending, Record};
use strongroom_objects::{
    AzureCredential, LockedStore, S3Bucket, S3Settings, SETTINGS_BYTES_MAX, read_regular,
};
use strongroom_operations::{
    School,
    config::{Config, TenantEntry, VaultEntry},
    files::secrets,
    place::{Doing, Place, Remote},
    vault::VaultPlace,
};

#[derive(Debug, Default, Serialize)]
struct Evidence {
    /// Points that would take more than one copy.
    shared: Vec<String>,
    /// What was looked at, and what was seen.
    facts: Vec<(String, String)>,
    /// Who could delete what.
    could_delete: Vec<(String, String)>,
    /// What could not be looked at from here.
    not_seen: Vec<String>,
}

pub(super) async fn run(global: &Global) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let evidence = blocking(move || gather(&school)).await?;
    if global.json {
        println!("{}", serde_json::to_string(&evidence)?);
    } else {
        evidence.shared.iter().for_each(|s| println!("{}", output::alarm(&format!("SHARED  {s}"))));
        if evidence.shared.is_empty() {
            println!("nothing is shared, as far as it can be seen from here");
        }
        let rows = |r: &[(String, String)]| {
            r.iter().map(|(a, b)| vec![a.clone(), b.clone()]).collect::<Vec<_>>()
        };
        println!("\n{}", output::table(&["looked at", "seen"], &rows(&evidence.facts)));
        println!("{}", output::table(&["who", "could delete"], &rows(&evidence.could_delete)));
        evidence.not_seen.iter().for_each(|n| println!("not seen: {n}"));
    }
    Ok(if evidence.shared.is_empty() { Ending::Done } else { Ending::Partial })
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
    let socket = std::net::UdpSocket::bind(any).ok()?;
    // Nothing is sent: the kernel only picks a route.
    socket.connect((*to, 9)).ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}

fn gather(school: &School) -> anyhow::Result<Evidence> {
    let mut e = Evidence::default();
    let copy2 = school.copy2()?.place(Doing::Usual)?;
    let (config, tenant, host) = (school.config(), school.tenant(), &school.host().name);
    e.facts.push(("copy 1".into(), format!("tenant {} at {}", tenant.tenant_id, tenant.graph)));
    e.facts.push(("copy 2".into(), format!("{copy2}, seen from host {host}")));
    e.could_delete.push(("a Global Admin of the tenant".into(), "copy 1".into()));
    let who = match &copy2 {
        Place::Folder(path) => format!("whoever may write {} on {host}", path.display()),
        Place::Elsewhere { at, .. } => match at {
            Remote::Bucket(s) => {
                format!("whoever has the key {} or the bucket's account", s.access_key_id)
            }
            Remote::Container(s) => match s.credential {
                AzureCredential::Key(_) => {
                    format!("whoever has a key of the storage account {}", s.account)
                }
                AzureCredential::Sas(_) => format!(
                    "whoever may write to the storage account {}; the signature that this host \
                     has, as far as it says w or d",
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
        },
    };
    e.could_delete.push((who, "copy 2".into()));
    let sheets = strongroom_operations::sheets::lying(school);
    e.shared.extend(sheets.lying.iter().map(|l| l.sentence()));
    e.not_seen.extend(sheets.unseen);
    let Some(name) = &tenant.vault else {
        e.shared.push(
            "there is no vault: whoever takes this host and the tenant has everything".into(),
        );
        return Ok(e);
    };
    let entry = config.vault(name)?;
    let place = match (&entry.url, &entry.s3, &entry.hold) {
        (None, None, None) => None,
        _ => Some(school.vault()?),
    };
    secrets(school, entry, &mut e)?;
    match &place {
        None => {
            e.facts.push((
                "copy 3".into(),
                format!("vault {name} pulls; nothing on this side reaches it"),
            ));
            e.not_seen.push(
                "where the vault is, who runs it, and what it shares with this side: \
                `strongroom-vault status` on its own host tells"
                    .into(),
            );
        }
        Some(VaultPlace::Server(settings)) => {
            e.facts.push((
                "copy 3".into(),
                format!("vault server {}, credential {:?}", settings.url, settings.user),
            ));
            reach(
                settings.url.host_str().unwrap_or_default(),
                settings.url.port_or_known_default().unwrap_or(443),
                tenant,
                &mut e,
            );
            if settings.url.scheme() == "http" {
                e.shared.push(
                    "the way to the vault is not encrypted: whoever listens has its credential"
                        .into(),
                );
            }
            same_ca(config, tenant.ca_file.as_deref(), entry.ca_file.as_deref(), &mut e);
            e.could_delete.push((
                "root on the vault's host".into(),
                "copy 3, past the program; the immutable flag slows it down only".into(),
            ));
        }
        Some(VaultPlace::Bucket(b)) => {
            let bucket = S3Bucket::new(b.settings.clone())?;
            if let Place::Elsewhere { at: Remote::Bucket(own), .. } = &copy2 {
                same_server(own, &b.settings, &mut e);
            }
            e.facts.push((
                "copy 3".into(),
                format!(
                    "bucket {} at {}, credential {}",
                    bucket.bucket(),
                    bucket.endpoint(),
                    bucket.access_key_id()
                ),
            ));
            if let Some(url) = &b.settings.endpoint {
                reach(
                    url.host_str().unwrap_or_default(),
                    url.port_or_known_default().unwrap_or(443),
                    tenant,
                    &mut e,
                );
            }
            let facts = bucket.facts()?;
            let owner = facts
                .get("access list")
                .and_then(|a| a.strip_prefix("owner ")?.split(';').next().map(str::to_owned));
            match (bucket.account(), &owner) {
                (Ok(account), Some(owner)) if account == *owner => {
                    e.shared.push(format!(
                        "the pushing credential belongs to the account \
                        {account}, which owns the bucket: that account's root can close it"
                    ));
                }
                (Ok(account), Some(owner)) => {
                    e.facts.push(("accounts".into(), format!("pushing {account}, owning {owner}")))
                }
                (account, _) => e.not_seen.push(format!(
                    "who owns the bucket: {}, {}",
                    account.err().unwrap_or_default(),
                    facts.get("access list").map_or("", String::as_str)
                )),
            }
            for (name, value) in facts.iter().filter(|(n, _)| *n != "access list" && *n != "policy")
            {
                e.facts.push((format!("bucket: {name}"), value.clone()));
            }
            e.could_delete.push((
                "root of the bucket's account, or its billing".into(),
                "copy 3, by closing the account".into(),
            ));
            e.could_delete
                .push(("an administrator of the storage below S3".into(), "copy 3".into()));
        }
        Some(VaultPlace::Folder(path, _)) => {
            e.facts.push(("copy 3".into(), format!("folder {}", path.display())));
            if let Place::Folder(own) = &copy2
                && let (Ok(a), Ok(b)) = (std::fs::metadata(path), std::fs::metadata(own))
                && a.dev() == b.dev()
            {
                e.shared.push(format!(
                    "{} and {} lie on the same file system",
                    path.display(),
                    own.display()
                ));
            }
            e.shared.push(format!(
                "the vault's folder can be reached from this host: root here \
                could be root there ({})",
                path.display()
            ));
        }
    }
    let canary = last_canary(school).unwrap_or_else(|why| {
        e.not_seen.push(format!("what the last canary found: {why}"));
        None
    });
    match canary {
        Some((at, worked)) if worked.is_empty() => e.facts.push((
            "this side's credential at the vault".into(),
            format!("nothing worked in the canary of {at}"),
        )),
        Some((at, worked)) => {
            e.shared.push(format!(
                "with this side's credential it was possible to {} (canary of {at})",
                worked.join(", ")
            ));
            e.could_delete.push(("whoever has this side's credential".into(), "copy 3".into()));
        }
        None => e.not_seen.push(
            "what this side's credential can do at the vault: `strongroom vault canary` tries it"
                .into(),
        ),
    }
    e.could_delete.push((
        "custodians, two together".into(),
        "nothing before its time: they decide what comes, and what readers see".into(),
    ));
    Ok(e)
}

/// Whether the way to the vault ends near here.
fn reach(host: &str, port: u16, tenant: &TenantEntry, e: &mut Evidence) {
    let there = addresses(host, port);
    if there.is_empty() {
        e.not_seen.push(format!("where {host} is: its name does not resolve"));
    }
    for ip in &there {
        let own = own_address(ip);
        e.facts.push((
            "network".into(),
            format!(
                "{host} is {ip}; the way there starts at {}",
                own.map_or_else(|| "?".into(), |o| o.to_string())
            ),
        ));
        if ip.is_loopback() || own.as_ref() == Some(ip) {
            e.shared.push(format!(
                "the vault is on this very host ({ip}): whoever has it has copies 2 and 3"
            ));
        } else if own.is_some_and(|o| network(&o) == network(ip)) {
            e.shared.push(format!(
                "the vault is in this host's network ({ip}): one break-in may reach both"
            ));
        }
    }
    let domain = |h: &str| {
        h.rsplit('.').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(".")
    };
    if tenant.name.contains('.') && domain(host) == domain(&tenant.name) {
        e.shared.push(format!(
            "{host} is a name in the school's own domain: whoever changes its DNS moves the vault"
        ));
    }
}

/// Copy 2 and the vault in buckets of one server, or one account.
fn same_server(copy2: &S3Settings, vault: &S3Settings, e: &mut Evidence) {
    if copy2.access_key_id == vault.access_key_id {
        e.shared.push(format!(
            "copy 2 and the vault take the same key, {}: whoever has it has both",
            vault.access_key_id
        ));
    }
    let server = |s: &S3Settings| s.endpoint.as_ref().map(|url| url.origin());
    if server(copy2) == server(vault) && (vault.endpoint.is_some() || copy2.region == vault.region)
    {
        let what = vault.endpoint.as_ref().map_or_else(
            || format!("AWS, {}", vault.region),
            |url| url.origin().ascii_serialization(),
        );
        e.shared.push(format!("copy 2 and the vault are buckets of one server, {what}"));
    }
}

/// One CA that speaks for the tenant and for the vault.
fn same_ca(config: &Config, a: Option<&Path>, b: Option<&Path>, e: &mut Evidence) {
    let read =
        |p: Option<&Path>| p.and_then(|p| read_regular(&config.path(p), SETTINGS_BYTES_MAX).ok());
    if let (Some(a), Some(b)) = (read(a), read(b))
        && a == b
    {
        e.shared.push(
            "one private CA speaks for the tenant's side and for the vault: whoever has \
            its key can pose as both"
                .into(),
        );
    }
}

/// Secrets that are the same, or that others on this host can read.
fn secrets(school: &School, entry: &VaultEntry, e: &mut Evidence) -> anyhow::Result<()> {
    let (config, tenant) = (school.config(), school.tenant());
    let mut files = Vec::new();
    if let Ok(r) = config.repository(&tenant.repository) {
        files.push(("copy 2's password".to_owned(), config.path(&r.password_file)));
    }
    for (name, i) in &tenant.identities {
        files.extend(
            i.certificate_file
                .iter()
                .chain(&i.secret_file)
                .map(|f| (format!("the tenant's identity {name}"), config.path(f))),
        );
    }
    if let Ok(r) = config.repository(&tenant.repository) {
        let rest = r.rest.iter().filter_map(|rest| rest.secret_file.as_ref());
        let own = r.s3.iter().map(|s3| &s3.secret_file).chain(rest);
        files.extend(own.map(|file| ("copy 2's key".to_owned(), config.path(file))));
    }
    files.extend(entry.token_file.iter().map(|f| ("the vault's token".to_owned(), config.path(f))));
    files.extend(
        entry.s3.iter().map(|s3| ("the bucket's secret".to_owned(), config.path(&s3.secret_file))),
    );
    let mut seen: Vec<(String, String)> = Vec::new();
    for (what, path) in files {
        let secret = secrets::read(&path, &school.host().accounts)?;
        let meta = std::fs::metadata(&path)?;
        e.facts.push((
            format!("credential: {what}"),
            format!("{}, owner {}, mode {:o}", path.display(), meta.uid(), meta.mode() & 0o777),
        ));
        if meta.mode() & 0o077 != 0 {
            e.shared.push(format!(
                "{what} in {} can be read by others on this host (mode {:o})",
                path.display(),
                meta.mode() & 0o777
            ));
        }
        let hash = strongroom_objects::hash_name(secret.expose_secret().as_bytes());
        if let Some((other, _)) = seen.iter().find(|(_, h)| *h == hash) {
            e.shared.push(format!("{what} and {other} are the same secret"));
        }
        seen.push((what, hash));
    }
    if tenant.identities.len() > 1 {
        e.shared.push(format!(
            "this host holds {} of the tenant's identities; a backup host needs `read` alone",
            tenant.identities.len()
        ));
    }
    Ok(())
}

/// When the last canary of this side ran, and what worked.
fn last_canary(school: &School) -> Result<Option<(String, Vec<String>)>, String> {
    let dir = evidence_dir(school).map_err(|e| failure::sentence(&e))?;
    let rows = match std::fs::read_dir(&dir) {
        Ok(rows) => rows,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("{}: {e}", dir.display())),
    };
    let Some(newest) = rows.flatten().map(|e| e.path()).max() else { return Ok(None) };
    let text = read_regular(&newest, SETTINGS_BYTES_MAX)
        .map_err(|e| format!("{} cannot be read: {e}", newest.display()))?;
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let report = Record::<strongroom_custody::CanaryReport>::from_bytes(line)
        .map_err(|e| format!("{}: {e}", newest.display()))?;
    Ok(Some((report.at.strftime("%Y-%m-%d").to_string(), report.worked())))
}
