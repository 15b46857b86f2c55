//! Where copy 2 is.

use crate::{Global, keys, open};
use anyhow::Context;
use std::{
    fmt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};
use strongroom_objects::{
    AzureContainer, AzureSettings, LocalDir, Near, Patience, RestServer, RestSettings, S3Bucket,
    S3Settings, SftpServer, SftpSettings, Store, hash_name,
};
use strongroom_operations::{
    config::{Config, RepositoryEntry},
    files::{cache, secrets},
};

/// Where a repository is: a folder of this host, or elsewhere.
#[derive(Debug, Clone)]
pub(crate) enum Place {
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
pub(crate) enum Remote {
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

/// The repository of the configuration that a bare word names; none where there is no configuration
/// or no such repository.
pub(crate) fn entry(
    global: &Global,
    word: &Path,
) -> anyhow::Result<Option<(RepositoryEntry, Config)>> {
    let mut parts = word.components();
    let is_bare = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    let Some(name) = word.to_str().filter(|text| is_bare && !text.ends_with('/')) else {
        return Ok(None);
    };
    let config =
        Config::read_if_there(&global.config, &global.host.accounts).with_context(|| {
            format!("{name} may be a repository of the configuration; a folder is written ./{name}")
        })?;
    let Some(config) = config else { return Ok(None) };
    Ok(config.repository(name).ok().cloned().map(|entry| (entry, config)))
}

/// Refuses what restic would take for an address: a folder of that name is meant by nobody.
fn no_address(path: &Path) -> anyhow::Result<()> {
    let text = path.to_string_lossy();
    if let Some((scheme, _)) = text.split_once(':')
        && ["s3", "rest", "b2", "sftp", "azure", "gs", "swift", "rclone"].contains(&scheme)
    {
        anyhow::bail!(
            "what begins with {scheme}: is no folder; a repository that lies elsewhere stands in \
             the configuration, as a [[repository]], and its name is given here"
        );
    }
    Ok(())
}

/// What a command does to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Reads, adds, and takes its own locks away.
    Usual,
    /// The same, and wants to know what lies there now: nothing comes from what is kept of it on
    /// this host.
    Looking,
    /// Takes away what others put: with the credential of `[repository.prune]`.
    Deleting,
}

impl Place {
    /// What somebody names: a repository of the configuration, or a folder.
    pub(crate) fn named(global: &Global, word: &Path, doing: Doing) -> anyhow::Result<Self> {
        no_address(word)?;
        match entry(global, word)? {
            Some((entry, config)) => Self::of(&entry, &config, doing),
            None => Ok(Self::Folder(word.to_owned())),
        }
    }

    /// That of a repository of the configuration.
    pub(crate) fn of(
        entry: &RepositoryEntry,
        config: &Config,
        doing: Doing,
    ) -> anyhow::Result<Self> {
        let with = match doing {
            Doing::Usual | Doing::Looking => entry.clone(),
            Doing::Deleting => entry.to_delete().map_err(|why| {
                anyhow::anyhow!("repository {}, [repository.prune]: {why}", entry.name)
            })?,
        };
        let entry = &with;
        let (base, secret) =
            (&config.base, &|path: &Path| secrets::read(path, &crate::host::accounts()));
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
            anyhow::bail!("repository {}: it has no place", entry.name)
        };
        let sheets = keys::recovery_dir(&config.path(Path::new(&entry.name)));
        Ok(Self::Elsewhere { at, sheets })
    }

    /// Connects to it. Nothing is read yet.
    pub(crate) fn open(&self) -> anyhow::Result<Arc<dyn Store>> {
        let at = match self {
            Self::Folder(path) => return Ok(Arc::new(LocalDir::new(path))),
            Self::Elsewhere { at, .. } => at,
        };
        // A run of hours outlives a line that is cut for minutes.
        let patience = Patience::long();
        Ok(match at {
            Remote::Bucket(s) => Arc::new(S3Bucket::new((**s).clone())?.with_patience(patience)),
            Remote::Container(s) => {
                Arc::new(AzureContainer::new((**s).clone())?.with_patience(patience))
            }
            Remote::Host(s) => Arc::new(SftpServer::new(s.clone())?.with_patience(patience)),
            Remote::Server(s) => Arc::new(RestServer::new(s.clone())?.with_patience(patience)),
        })
    }

    /// Connects to it, with what is read again and again kept in the folder for local caches.
    /// Whoever wants to know what lies there uses [`Place::open`].
    pub(crate) fn open_near(&self, cache: &Path) -> anyhow::Result<Arc<dyn Store>> {
        let far = self.open()?;
        if !far.is_distant() {
            return Ok(far);
        }
        let name = &hash_name(far.location().as_bytes())[..16];
        let near = Near::new(far, &cache.join(format!("{name}.{}", cache::NEAR)));
        let a_day_ago = open::real_clock().now() - jiff::SignedDuration::from_hours(24);
        near.sweep_kept(a_day_ago);
        Ok(Arc::new(near))
    }

    /// The folder where the sheets of its recovery shares go.
    pub(crate) fn sheets(&self) -> PathBuf {
        match self {
            Self::Folder(path) => keys::recovery_dir(path),
            Self::Elsewhere { sheets, .. } => sheets.clone(),
        }
    }
}
