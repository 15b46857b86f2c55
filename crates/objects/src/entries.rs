//! Places as files of settings name them: what each says, what is wrong with it, and where it is.
//! The same for whoever writes there and for the vault that reads there.

use crate::{AzureCredential, AzureSettings, RestSettings, S3Settings, SftpSettings, address};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};
use url::Url;

/// Reads a secret from a file.
pub type Secret<'s, E> = &'s dyn Fn(&Path) -> Result<SecretString, E>;

/// A bucket, and the credential of this side. That of a vault has Object Lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Entry {
    /// The server; AWS when absent.
    pub endpoint: Option<Url>,
    /// Its region.
    #[serde(default = "region")]
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What stands before every path.
    #[serde(default)]
    pub prefix: String,
    /// Name of the credential.
    pub access_key_id: String,
    /// File with its secret.
    pub secret_file: PathBuf,
    /// CA that signed the server's certificate.
    pub ca_file: Option<PathBuf>,
    /// Gives the bucket's owner control of what is put here, where objects belong to who put them.
    #[serde(default)]
    pub owner_control: bool,
    /// A bucket with the same settings, on which the canary tries what concerns a whole bucket.
    pub twin_bucket: Option<String>,
}

fn region() -> String {
    "us-east-1".to_owned()
}

/// A server of restic's REST protocol, and the credential of this side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestEntry {
    /// The repository's address.
    pub url: Url,
    /// Who signs in.
    pub user: Option<String>,
    /// File with the password.
    pub secret_file: Option<PathBuf>,
    /// CA that signed the server's certificate.
    pub ca_file: Option<PathBuf>,
}

/// A folder of another host, reached by ssh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SftpEntry {
    /// The host, or what the configuration of ssh calls it.
    pub host: String,
    /// Its port.
    pub port: Option<u16>,
    /// Who signs in.
    pub user: Option<String>,
    /// The repository's folder.
    pub path: String,
    /// Private key without a passphrase; an agent's when absent.
    pub identity_file: Option<PathBuf>,
    /// The server's host key.
    pub known_hosts_file: PathBuf,
    /// The program and its first arguments.
    #[serde(default)]
    pub ssh_command: Vec<String>,
}

/// A container of Azure Blob Storage, and the credential of this side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureEntry {
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// What stands before every path.
    #[serde(default)]
    pub prefix: String,
    /// The server; the account's own in the public cloud when absent.
    pub endpoint: Option<Url>,
    /// File with a key of the account.
    pub key_file: Option<PathBuf>,
    /// File with a shared access signature, instead.
    pub sas_file: Option<PathBuf>,
    /// CA that signed the server's certificate.
    pub ca_file: Option<PathBuf>,
}

fn server(url: &Url) -> String {
    url.origin().ascii_serialization().replace('/', ":")
}

/// What is wrong with a prefix. Where a server reads an address in two ways, a prefix that is
/// written in one place and looked for in another has to be `plain`.
fn prefix(prefix: &str, plain: bool) -> Option<String> {
    let parts = prefix.strip_suffix('/').map(|all| all.split('/').collect::<Vec<_>>());
    let is_one = |part: &&str| !([".", ".."].contains(part) || plain && part.is_empty());
    let is_plain = !(plain && prefix.contains(['%', '\\']));
    let is_text = !prefix.contains(char::is_control) && !prefix.starts_with('/');
    let fits =
        prefix.is_empty() || is_plain && is_text && parts.is_some_and(|all| all.iter().all(is_one));
    let without = if plain { ", without % and \\" } else { "" };
    (!fits).then(|| {
        format!(
            "prefix is {prefix:?}; it is empty, or names of folders, and ends in a slash and \
             begins with none{without}"
        )
    })
}

/// What is wrong with an address that a credential goes to.
fn addressed(what: &str, url: &Url) -> Option<String> {
    let why = address::unsafe_for_credentials(url)?;
    Some(format!("{what} is {}; {why}", address::shown(url)))
}

fn without_query(what: &str, url: &Url) -> Option<String> {
    (url.query().is_some() || url.fragment().is_some())
        .then(|| format!("{what} is an address, without what follows its path"))
}

impl S3Entry {
    /// What is wrong with it, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut p = Vec::new();
        if let Some(url) = &self.endpoint
            && let Some(why) = address::unsafe_for_credentials(url).or(address::not_a_base(url))
        {
            p.push(format!("endpoint is {}; {why}", address::shown(url)));
        }
        if self.bucket.is_empty() || self.bucket.contains('/') {
            p.push(format!("{:?} is no bucket's name", self.bucket));
        }
        p.extend(prefix(&self.prefix, false));
        p
    }

    /// Where it is, as a path that no folder has: two of which one begins with the other are one
    /// place.
    pub fn place(&self) -> PathBuf {
        // A bucket of AWS has its name alone, whatever the region, and whoever writes it out.
        let aws = |url: &&Url| {
            url.host_str()
                .is_some_and(|host| host == "amazonaws.com" || host.ends_with(".amazonaws.com"))
        };
        let server = match &self.endpoint {
            Some(url) if !aws(&url) => server(url),
            _ => "AWS".to_owned(),
        };
        Path::new("s3:").join(server).join(&self.bucket).join(&self.prefix)
    }

    /// How it is reached. Relative paths start at `base`.
    pub fn settings<E>(&self, base: &Path, secret: Secret<'_, E>) -> Result<S3Settings, E> {
        Ok(S3Settings {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: secret(&base.join(&self.secret_file))?,
            ca_file: self.ca_file.as_ref().map(|f| base.join(f)),
            owner_control: self.owner_control,
            clock: None,
        })
    }
}

impl RestEntry {
    /// What is wrong with it, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut p = Vec::from_iter(addressed("url", &self.url));
        p.extend(without_query("url", &self.url));
        if self.user.is_some() != self.secret_file.is_some() {
            p.push("user and secret_file of a server go together".to_owned());
        }
        p
    }

    /// Where it is; see [`S3Entry::place`].
    pub fn place(&self) -> PathBuf {
        Path::new("rest:").join(server(&self.url)).join(self.url.path().trim_matches('/'))
    }

    /// How it is reached. Relative paths start at `base`.
    pub fn settings<E>(&self, base: &Path, secret: Secret<'_, E>) -> Result<RestSettings, E> {
        let credential = match (&self.user, &self.secret_file) {
            (Some(user), Some(file)) => Some((user.clone(), secret(&base.join(file))?)),
            _ => None,
        };
        let ca_file = self.ca_file.as_ref().map(|f| base.join(f));
        Ok(RestSettings { url: self.url.clone(), credential, ca_file })
    }
}

impl SftpEntry {
    /// What is wrong with it, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut p = Vec::from_iter(self.settings(Path::new("")).problem());
        if self.ssh_command.first().is_some_and(String::is_empty) {
            p.push("ssh_command begins with the name of a program".to_owned());
        }
        p
    }

    /// Where it is; see [`S3Entry::place`].
    pub fn place(&self) -> PathBuf {
        let server = format!("{}:{}", self.host.to_lowercase(), self.port.unwrap_or(22));
        let place = Path::new("sftp:").join(server);
        // Whoever signs in, the root is one; each has a home of their own.
        let place = match self.path.starts_with('/') {
            true => place.join("root"),
            false => place.join("home").join(self.user.as_deref().unwrap_or_default()),
        };
        let floor = place.components().count();
        Path::new(&self.path).components().fold(place, |mut at, part| {
            match part {
                Component::Normal(name) => at.push(name),
                Component::ParentDir if at.components().count() > floor => drop(at.pop()),
                _ => {}
            }
            at
        })
    }

    /// How it is reached. Relative paths start at `base`.
    pub fn settings(&self, base: &Path) -> SftpSettings {
        SftpSettings {
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
            path: self.path.clone(),
            identity_file: self.identity_file.as_ref().map(|f| base.join(f)),
            known_hosts_file: base.join(&self.known_hosts_file),
            ssh_command: self.ssh_command.clone(),
        }
    }
}

impl AzureEntry {
    /// What is wrong with it, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut p = Vec::new();
        if let Some(url) = &self.endpoint {
            p.extend(addressed("endpoint", url));
            p.extend(without_query("endpoint", url));
        }
        let fits = |name: &str, also: &str, most: usize| {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            (3..=most).contains(&name.len())
                && name.chars().all(|c| is_plain(c) || also.contains(c))
        };
        if !fits(&self.account, "", 24) {
            p.push(format!("{:?} is no storage account's name", self.account));
        }
        if !fits(&self.container, "-", 63) {
            p.push(format!("{:?} is no container's name", self.container));
        }
        p.extend(prefix(&self.prefix, true));
        match (&self.key_file, &self.sas_file) {
            (None, None) => p.push("it needs a key_file or a sas_file".to_owned()),
            (Some(_), Some(_)) => p.push("it has both a key_file and a sas_file".to_owned()),
            _ => {}
        }
        p
    }

    /// Where it is; see [`S3Entry::place`].
    pub fn place(&self) -> PathBuf {
        let server = self.endpoint.as_ref().map_or_else(|| "Azure".to_owned(), server);
        let place = Path::new("azure:").join(server).join(&self.account);
        place.join(&self.container).join(&self.prefix)
    }

    /// How it is reached. Relative paths start at `base`.
    pub fn settings<E>(&self, base: &Path, secret: Secret<'_, E>) -> Result<AzureSettings, E> {
        let credential = match (&self.key_file, &self.sas_file) {
            (Some(file), _) => AzureCredential::Key(secret(&base.join(file))?),
            (None, Some(file)) => AzureCredential::Sas(secret(&base.join(file))?),
            // One that was checked has either.
            (None, None) => AzureCredential::Sas(String::new().into()),
        };
        Ok(AzureSettings {
            account: self.account.clone(),
            container: self.container.clone(),
            prefix: self.prefix.clone(),
            endpoint: self.endpoint.clone(),
            credential,
            ca_file: self.ca_file.as_ref().map(|f| base.join(f)),
            clock: None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn s3(more: &str) -> PathBuf {
        let text = format!(r#"{{{more}"bucket": "b", "access_key_id": "a", "secret_file": "s"}}"#);
        serde_json::from_str::<S3Entry>(&text).unwrap().place()
    }

    fn sftp(user: &str, host: &str, path: &str) -> PathBuf {
        let text = format!(
            r#"{{"host": "{host}", "user": "{user}", "path": "{path}", "known_hosts_file": "k"}}"#
        );
        serde_json::from_str::<SftpEntry>(&text).unwrap().place()
    }

    #[test]
    fn one_place_is_one_however_it_is_written() {
        let one = sftp("u1", "h", "/srv/x");
        for (user, host, path) in [
            ("u2", "h", "/srv/x"),
            ("u1", "H", "/srv/x/"),
            ("u1", "h", "/srv/./x"),
            ("u1", "h", "/srv/y/../x"),
            ("u1", "h", "//srv//x"),
            ("u1", "h", "/../srv/x"),
        ] {
            assert_eq!(sftp(user, host, path), one, "{user}@{host}:{path}");
        }
        assert_ne!(sftp("u1", "h", "x"), sftp("u2", "h", "x"), "homes");
        assert_ne!(sftp("u1", "g", "/srv/x"), one);
        assert_eq!(sftp("u1", "h", "a/../x"), sftp("u1", "h", "x"));

        let aws = s3("");
        for same in [
            r#""region": "eu-west-1", "#,
            r#""endpoint": "https://s3.eu-west-1.amazonaws.com", "#,
            r#""endpoint": "https://S3.amazonaws.com:443/", "#,
        ] {
            assert_eq!(s3(same), aws, "{same}");
        }
        assert_ne!(s3(r#""endpoint": "https://s3.example", "#), aws);
        assert_ne!(s3(r#""endpoint": "https://amazonaws.com.example", "#), aws);
        let own = s3(r#""endpoint": "https://s3.example", "#);
        assert_eq!(s3(r#""endpoint": "https://S3.example:443/", "#), own);
    }

    #[test]
    fn a_prefix_is_read_in_one_way() {
        for good in ["", "a/", "school 1/copy-2/", "Schüler/", "a.b/..c/"] {
            for plain in [false, true] {
                assert_eq!(prefix(good, plain), None, "{good}");
            }
        }
        for bad in ["a", "/", "/a/", "./a/", "a/../b/", "../", "a\n/"] {
            for plain in [false, true] {
                assert!(prefix(bad, plain).is_some(), "{bad}");
            }
        }
        // A bucket that was filled under such a one opens.
        for odd in ["a//b/", "a%20b/", "a\\b/"] {
            assert_eq!(prefix(odd, false), None, "{odd}");
            assert!(prefix(odd, true).is_some(), "{odd}");
        }
    }
}
