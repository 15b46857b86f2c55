//! Where copy 2 is.

use crate::{
    cache,
    config::{Config, RepositoryEntry, S3Entry},
    keys, open,
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_objects::{
    LocalDir, Near, RestServer, RestSettings, S3Bucket, S3Settings, Store, hash_name,
};

/// Where a repository is: a folder, a bucket of an object store, or a server.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A folder of this host.
    Folder(PathBuf),
    /// A bucket, or a part of one.
    Bucket {
        /// How it is reached.
        settings: Box<S3Settings>,
        /// Where the sheets of its recovery shares go: beside the configuration.
        sheets: PathBuf,
    },
    /// A server of restic's REST protocol.
    Server {
        /// How it is reached.
        settings: RestSettings,
        /// Where the sheets go.
        sheets: PathBuf,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket { settings, .. } => {
                let at = settings.endpoint.as_ref();
                let server = at.map_or_else(
                    || format!("AWS, {}", settings.region),
                    |url| url.origin().ascii_serialization(),
                );
                write!(f, "s3:{server}/{}/{}", settings.bucket, settings.prefix)
            }
            Self::Server { settings, .. } => write!(f, "rest:{}", settings.url),
        }
    }
}

/// How a bucket is reached; relative paths start at `base`.
pub(crate) fn bucket(s3: &S3Entry, base: &Path) -> anyhow::Result<S3Settings> {
    Ok(S3Settings {
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone(),
        bucket: s3.bucket.clone(),
        prefix: s3.prefix.clone(),
        access_key_id: s3.access_key_id.clone(),
        secret_access_key: open::secret(&base.join(&s3.secret_file))?,
        ca_file: s3.ca_file.as_ref().map(|f| base.join(f)),
        owner_control: s3.owner_control,
        clock: None,
    })
}

impl Place {
    /// That of a repository of the configuration.
    pub(crate) fn of(entry: &RepositoryEntry, config: &Config) -> anyhow::Result<Self> {
        let sheets = || keys::recovery_dir(&config.path(Path::new(&entry.name)));
        if let Some(path) = &entry.path {
            return Ok(Self::Folder(config.path(path)));
        }
        if let Some(s3) = &entry.s3 {
            let settings = Box::new(bucket(s3, &config.base)?);
            return Ok(Self::Bucket { settings, sheets: sheets() });
        }
        if let Some(rest) = &entry.rest {
            let credential = match (&rest.user, &rest.secret_file) {
                (Some(user), Some(file)) => Some((user.clone(), open::secret(&config.path(file))?)),
                _ => None,
            };
            let ca_file = rest.ca_file.as_ref().map(|f| config.path(f));
            let settings = RestSettings { url: rest.url.clone(), credential, ca_file };
            return Ok(Self::Server { settings, sheets: sheets() });
        }
        anyhow::bail!("repository {}: it needs a path, s3 or rest", entry.name)
    }

    /// Connects to it. Nothing is read yet.
    pub(crate) fn open(&self) -> anyhow::Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Folder(path) => Arc::new(LocalDir::new(path)),
            Self::Bucket { settings, .. } => Arc::new(S3Bucket::new((**settings).clone())?),
            Self::Server { settings, .. } => Arc::new(RestServer::new(settings.clone())?),
        })
    }

    /// Connects to it, with what is read again and again kept in the folder for local caches. Whoever
    /// wants to know what lies there uses [`Place::open`].
    pub(crate) fn open_near(&self, cache: &Path) -> anyhow::Result<Arc<dyn Store>> {
        let far = self.open()?;
        if !far.is_distant() {
            return Ok(far);
        }
        let name = &hash_name(far.location().as_bytes())[..16];
        Ok(Arc::new(Near::new(far, &cache.join(format!("{name}.{}", cache::NEAR)))))
    }

    /// The folder where the sheets of its recovery shares go.
    pub(crate) fn sheets(&self) -> PathBuf {
        match self {
            Self::Folder(path) => keys::recovery_dir(path),
            Self::Bucket { sheets, .. } | Self::Server { sheets, .. } => sheets.clone(),
        }
    }
}
