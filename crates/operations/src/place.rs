//! Where a repository is.

use crate::{
    Error, Kind,
    config::{Config, RepositoryEntry},
    files::{Accounts, cache, secrets},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    fmt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};
use strongroom_objects::{
    AzureContainer, AzureSettings, CachedStore, LocalDir, RestServer, RestSettings, RetryPolicy,
    S3Bucket, S3Settings, SftpServer, SftpSettings, Store, hash_name,
};

/// What is kept of a store that is a way off, and was not used for so long, is swept away.
const UNUSED_HOURS_MAX: i64 = 24;

/// What begins so is an address to restic.
const SCHEMES: &[&str] = &["s3", "rest", "b2", "sftp", "azure", "gs", "swift", "rclone"];

/// Where a repository is: a folder of this host, or elsewhere.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder of this host.
    Folder(PathBuf),
    /// Another place.
    Elsewhere {
        /// How it is reached.
        at: Remote,
        /// Where the sheets of its recovery shares go: beside the configuration.
        sheets: PathBuf,
    },
}

/// A place that is no folder of this host.
#[derive(Debug, Clone)]
pub enum Remote {
    /// A bucket, or a part of one.
    Bucket(Box<S3Settings>),
    /// A container of Azure, or a part of one.
    Container(Box<AzureSettings>),
    /// A folder of another host.
    Host(SftpSettings),
    /// A server of restic's REST protocol.
    Server(RestSettings),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Elsewhere { at, .. } => at.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket(s) => {
                let server = s.endpoint.as_ref().map_or_else(
                    || format!("AWS, {}", s.region),
                    |url| url.origin().ascii_serialization(),
                );
                write!(f, "s3:{server}/{}/{}", s.bucket, s.prefix)
            }
            Self::Container(s) => write!(f, "azure:{}/{}/{}", s.account, s.container, s.prefix),
            Self::Host(s) => write!(f, "sftp:{}:{}", s.host, s.path),
            Self::Server(s) => write!(f, "rest:{}", s.url),
        }
    }
}

/// What is done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It is read and added to, and own locks are taken away.
    Usual,
    /// The same, by who wants to know what lies there now: nothing comes from what is kept of it on
    /// this host.
    Looking,
    /// What others put is taken away: with the credential of `[repository.prune]`.
    Deleting,
}

/// Whether a word may be the name of a repository of the configuration; any other is a folder.
///
/// # Errors
/// [`Kind::Request`] for what restic takes for an address: a folder of that name is meant by
/// nobody.
pub fn is_name(word: &Path) -> Result<bool, Error> {
    let text = word.to_string_lossy();
    if let Some((scheme, _)) = text.split_once(':')
        && SCHEMES.contains(&scheme)
    {
        let what = format!(
            "what begins with {scheme}: is no folder; a repository that lies elsewhere stands in \
             the configuration, as a [[repository]], and its name is given here"
        );
        return Err(Error::new(Kind::Request, what));
    }
    let mut parts = word.components();
    let is_bare = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    Ok(is_bare && word.to_str().is_some_and(|text| !text.ends_with('/')))
}

impl Place {
    /// That of a repository of the configuration.
    ///
    /// # Errors
    /// [`Kind::Files`], where the secret of its store cannot be read; [`Kind::Configuration`],
    /// where it names no place, or no credential for what is to be done.
    pub fn of(
        entry: &RepositoryEntry,
        config: &Config,
        doing: Doing,
        accounts: &Accounts,
    ) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(Kind::Configuration, what);
        let with = match doing {
            Doing::Usual | Doing::Looking => entry.clone(),
            Doing::Deleting => entry.to_delete().map_err(|why| {
                wrong(format!("repository {}, [repository.prune]: {why}", entry.name))
            })?,
        };
        let entry = &with;
        let (base, secret) = (&config.base, &|path: &Path| secrets::read(path, accounts));
        let at = if let Some(path) = &entry.path {
            return Ok(Self::Folder(config.path(path)));
        } else if let Some(s3) = &entry.s3 {
            Remote::Bucket(Box::new(s3.settings(base, secret)?))
        } else if let Some(azure) = &entry.azure {
            Remote::Container(Box::new(azure.settings(base, secret)?))
        } else if let Some(sftp) = &entry.sftp {
            Remote::Host(sftp.settings(base))
        } else if let Some(rest) = &entry.rest {
            Remote::Server(rest.settings(base, secret)?)
        } else {
            return Err(wrong(format!("repository {}: it has no place", entry.name)));
        };
        Ok(Self::Elsewhere { at, sheets: sheets_of(&with, config) })
    }

    /// Connects to it. Nothing is read yet.
    ///
    /// # Errors
    /// [`Kind::Copy`], where its settings make no client.
    pub fn open(&self) -> Result<Arc<dyn Store>, Error> {
        let at = match self {
            Self::Folder(path) => return Ok(Arc::new(LocalDir::new(path))),
            Self::Elsewhere { at, .. } => at,
        };
        // A run of hours outlives a line that is cut for minutes.
        let patience = RetryPolicy::long();
        Ok(match at {
            Remote::Bucket(s) => Arc::new(S3Bucket::new((**s).clone())?.with_patience(patience)),
            Remote::Container(s) => {
                Arc::new(AzureContainer::new((**s).clone())?.with_patience(patience))
            }
            Remote::Host(s) => Arc::new(SftpServer::new(s.clone())?.with_patience(patience)),
            Remote::Server(s) => Arc::new(RestServer::new(s.clone())?.with_patience(patience)),
        })
    }

    /// Connects to it, with what is read again and again kept in the folder for local caches; what
    /// is long unused there goes. Whoever wants to know what lies there uses [`Place::open`].
    ///
    /// # Errors
    /// As [`Place::open`].
    pub fn open_cached(&self, cache: &Path, now: Timestamp) -> Result<Arc<dyn Store>, Error> {
        let far = self.open()?;
        if !far.is_distant() {
            return Ok(far);
        }
        let name = &hash_name(far.location().as_bytes())[..16];
        let near = CachedStore::new(far, &cache.join(format!("{name}.{}", cache::NEAR)));
        near.sweep_kept(now - SignedDuration::from_hours(UNUSED_HOURS_MAX));
        Ok(Arc::new(near))
    }

    /// The folder where the sheets of its recovery shares go.
    pub fn sheets(&self) -> PathBuf {
        match self {
            Self::Folder(path) => sheets_beside(path),
            Self::Elsewhere { sheets, .. } => sheets.clone(),
        }
    }
}

/// Where the sheets of a repository of the configuration go: beside it, or beside the configuration
/// where it is no folder of this host.
pub(crate) fn sheets_of(entry: &RepositoryEntry, config: &Config) -> PathBuf {
    sheets_beside(&match &entry.path {
        Some(path) => config.path(path),
        None => config.path(Path::new(&entry.name)),
    })
}

/// Where the sheets of a new repository go: beside it.
fn sheets_beside(repository: &Path) -> PathBuf {
    let mut name = repository.file_name().unwrap_or_default().to_owned();
    name.push("-recovery");
    repository.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_word_may_be_a_name_and_an_address_is_neither() {
        for (word, is_it) in [
            ("riverside", true),
            ("./riverside", false),
            ("riverside/", false),
            ("/srv/riverside", false),
            ("..", false),
        ] {
            assert_eq!(is_name(Path::new(word)).ok(), Some(is_it), "{word}");
        }
        for address in ["s3:bucket", "sftp:host:/srv", "rest:https://host/"] {
            assert_eq!(is_name(Path::new(address)).unwrap_err().kind(), Kind::Request, "{address}");
        }
    }
}
