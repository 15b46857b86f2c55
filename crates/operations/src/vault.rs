//! Where copy 3 is, as this side reaches it.

use crate::{
    Copy2, Error, Kind, Remedy, blocking,
    config::VaultEntry,
    files::{Accounts, secrets},
    place::Doing,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
pub use strongroom_custody::{EnrolmentCard, PublicKey};
use strongroom_custody::{PaceSettings, VaultView};
use strongroom_engine::publish;
use strongroom_objects::{
    LocalHold, LockedStore, S3Bucket, S3Settings, Store, VaultRest, VaultSettings,
};

/// What the custodians of a vault need to enrol a school: public things alone.
///
/// # Errors
/// As [`Copy2::open`], and those of reading.
pub async fn card(copy2: &Copy2) -> Result<EnrolmentCard, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    blocking(move || Ok(publish::card(&repo)?)).await
}

/// A public key as a person says it: 64 digits, or 25 words.
///
/// # Errors
/// [`Kind::Request`] that says what is wrong with it.
pub fn key_said(text: &str) -> Result<PublicKey, Error> {
    PublicKey::parse(text).map_err(|e| Error::theirs(Kind::Request, e))
}

/// A vault as this side reaches it.
pub enum VaultPlace {
    /// Its server.
    Server(VaultSettings),
    /// Its bucket.
    Bucket(Box<BucketPlace>),
    /// Its folder, mounted here, and the vault's public key where that is known.
    Folder(PathBuf, Option<PublicKey>),
}

/// A bucket with what pushing into it takes.
#[derive(Clone)]
pub struct BucketPlace {
    /// The bucket.
    pub settings: S3Settings,
    /// A bucket with the same settings, on which the canary tries what concerns a whole bucket.
    pub twin: Option<S3Settings>,
    /// The vault's public key, where the configuration says it.
    pub public_key: Option<PublicKey>,
    /// When and how fast to push.
    pub pace: PaceSettings,
}

impl VaultPlace {
    /// That of an entry; relative paths in it start at `base`.
    ///
    /// # Errors
    /// [`Kind::Files`], where a secret cannot be read; [`Kind::Configuration`], where this side
    /// cannot reach it at all, or it lacks what it takes.
    pub fn of(entry: &VaultEntry, base: &Path, accounts: &Accounts) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(Kind::Configuration, what);
        if let Some(url) = &entry.url {
            let file = entry.token_file.as_ref().ok_or_else(|| {
                wrong(format!("vault {} has a url and no token_file", entry.name))
            })?;
            let token = secrets::read(&base.join(file), accounts)?;
            let identity_file = entry.identity_file.as_ref().map(|f| base.join(f));
            if let Some(file) = &identity_file {
                secrets::read(file, accounts)?;
            }
            return Ok(Self::Server(VaultSettings {
                url: url.clone(),
                user: entry.user.clone(),
                token,
                ca_file: entry.ca_file.as_ref().map(|f| base.join(f)),
                identity_file,
            }));
        }
        let public_key = entry.public_key.as_ref().map(|k| PublicKey::parse(k)).transpose()?;
        if let Some(s3) = &entry.s3 {
            let settings = s3.settings(base, &|path: &Path| secrets::read(path, accounts))?;
            let twin = s3
                .twin_bucket
                .as_ref()
                .map(|bucket| S3Settings { bucket: bucket.clone(), ..settings.clone() });
            let pace = entry.pace.clone();
            return Ok(Self::Bucket(Box::new(BucketPlace { settings, twin, public_key, pace })));
        }
        match &entry.hold {
            Some(path) => Ok(Self::Folder(base.join(path), public_key)),
            None => Err(wrong(format!(
                "vault {} names neither url nor s3 nor hold: it pulls, and this side cannot reach \
                 it",
                entry.name
            ))),
        }
    }

    /// The vault's public key, where the place names it.
    pub fn public_key(&self) -> Option<PublicKey> {
        match self {
            Self::Server(_) => None,
            Self::Bucket(place) => place.public_key,
            Self::Folder(_, key) => *key,
        }
    }

    /// The place as something to read from: by the vault's own view at a server; by the log of the
    /// vault's key where that is known; by what is found anywhere else.
    ///
    /// # Errors
    /// As [`VaultPlace::reader_by`].
    pub fn reader(&self, upto: Option<u64>) -> Result<Arc<dyn Store>, Error> {
        self.reader_by(self.public_key(), upto)
    }

    /// The same, by the log of this key, or as found without one; of sealed sessions up to this
    /// one, or all.
    ///
    /// # Errors
    /// [`Kind::Copy`], where it cannot be reached, or its log cannot be believed; [`Kind::Files`],
    /// where a folder is not there.
    pub fn reader_by(
        &self,
        vault: Option<PublicKey>,
        upto: Option<u64>,
    ) -> Result<Arc<dyn Store>, Error> {
        let found = |store: Arc<dyn LockedStore>| -> Result<Arc<dyn Store>, Error> {
            Ok(Arc::new(match vault {
                Some(key) => VaultView::of_log(store, key, upto)?,
                None => VaultView::as_found(store, upto)?,
            }))
        };
        match self {
            Self::Server(settings) => {
                let vault = VaultRest::new(settings.clone())?;
                Ok(match upto {
                    Some(n) => Arc::new(vault.view(n)?),
                    None => Arc::new(vault),
                })
            }
            Self::Bucket(place) => found(Arc::new(S3Bucket::new(place.settings.clone())?)),
            Self::Folder(path, _) if path.is_dir() => found(Arc::new(LocalHold::new(path, false))),
            Self::Folder(path, _) => Err(Error::new(
                Kind::Files,
                format!("{} is no folder; is the vault mounted?", path.display()),
            )),
        }
    }

    /// The place as something whose sessions a server tells.
    ///
    /// # Errors
    /// [`Kind::Request`] of a bucket and a folder: their sessions are told by their own vault.
    pub fn server(self) -> Result<VaultSettings, Error> {
        match self {
            Self::Server(settings) => Ok(settings),
            _ => Err(Error::new(Kind::Request, "sessions are listed by a vault's server")
                .with(Remedy::AskVaultsHost)),
        }
    }
}
