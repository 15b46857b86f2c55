//! What opens a copy 2: key files, recovery shares, and a new master key.

use crate::{
    Copy2, Error, Hears, Kind, Remedy, blocking,
    files::secrets,
    place::{Doing, Place},
    sheets::{self, SheetsWanted},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_engine::seal;
use strongroom_objects::Key;
pub use strongroom_repository::{CopyReport, KeyEntry};
use strongroom_repository::{Error as RepositoryError, Id, Repository};

/// The key files of a copy 2.
///
/// # Errors
/// Those of opening it.
pub async fn list(copy2: &Copy2) -> Result<Vec<KeyEntry>, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    blocking(move || Ok(repo.keys()?)).await
}

/// Adds a key file: one password more that opens it, for whom this names.
///
/// # Errors
/// [`Kind::Files`], where the password cannot be read; and those of opening it.
pub async fn add(copy2: &Copy2, password_file: &Path, name: &str) -> Result<Id, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    let password = secrets::read(password_file, &copy2.host().accounts)?;
    let (name, now) = (name.to_owned(), copy2.now());
    blocking(move || Ok(repo.add_key(&password, &name, now)?)).await
}

/// The key file that somebody means to take away, by the first digits of its id.
///
/// # Errors
/// [`Kind::Request`], where none or several are meant; and those of opening copy 2.
pub async fn to_remove(copy2: &Copy2, word: &str) -> Result<KeyEntry, Error> {
    let repo = copy2.open(Doing::Deleting).await?;
    let mut found = blocking(move || Ok(repo.keys()?)).await?;
    found.retain(|k| k.id.to_string().starts_with(word));
    <[_; 1]>::try_from(found).map(|[one]| one).map_err(|found| {
        let what = format!("{} keys begin with {word:?}", found.len());
        Error::new(Kind::Request, what).with(Remedy::ListKeys)
    })
}

/// Takes a key file away. Who has a copy of it opens the repository as before.
///
/// # Errors
/// Where it is the last; and those of opening copy 2.
pub async fn remove(copy2: &Copy2, id: Id) -> Result<(), Error> {
    let repo = copy2.open(Doing::Deleting).await?;
    blocking(move || Ok(repo.remove_key(&id)?)).await
}

/// Makes a new set of recovery shares. Answers their files.
///
/// # Errors
/// As [`sheets::possible`]; and those of opening copy 2.
pub async fn shares(copy2: &Copy2, wanted: SheetsWanted) -> Result<Vec<PathBuf>, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    blocking(move || sheets::write(repo.key(), &repo.id(), &wanted)).await
}

/// A copy 2 that was opened with recovery shares.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The key file with the new password.
    pub key: Id,
    /// Where copy 2 is.
    pub place: String,
}

/// Opens a copy 2 with recovery shares, and gives it a new password.
///
/// # Errors
/// As [`sheets::key_of`]; [`Kind::WrongKey`], where the shares are of another repository.
pub async fn recover(
    copy2: &Copy2,
    files: &[PathBuf],
    password_file: &Path,
) -> Result<Recovered, Error> {
    let given = sheets::read(files)?;
    let key = sheets::key_of(&given)?;
    let password = secrets::read(password_file, &copy2.host().accounts)?;
    let (place, cache, copy2) = (copy2.place(Doing::Usual)?, copy2.cache()?, copy2.clone());
    blocking(move || {
        let store = place.open()?;
        let opened = Repository::with_key(store.clone(), key, &cache, copy2.host().writer());
        let repo = opened.map_err(|e| match e {
            // What another key sealed looks as if it were damaged.
            e @ RepositoryError::Damaged { .. } => {
                sheets::foreign(&given, &*store, copy2.school_name()).unwrap_or_else(|| {
                    let what =
                        format!("the shares are those of {place}, and what lies there is damaged");
                    Error::because(Kind::Copy, what, e)
                })
            }
            e => {
                let e = Error::from(e);
                Error::because(e.kind(), format!("the shares do not open {place}"), e)
            }
        })?;
        if let Some(tenant) = copy2.tenant_id() {
            seal::check(&repo, tenant)?;
        }
        let key = repo.add_key(&password, "recovered", copy2.now())?;
        Ok(Recovered { key, place: place.to_string() })
    })
    .await
}

/// A new copy 2.
#[derive(Debug, Clone)]
pub struct Made {
    /// Where.
    pub place: String,
    /// Its id.
    pub id: Id,
    /// The files of its recovery shares.
    pub sheets: Vec<PathBuf>,
}

/// Makes a copy 2, and the recovery shares that are wanted of it. Where this host noted that
/// something was kept there, only `anew`: that is given up then.
///
/// # Errors
/// [`Kind::Copy`], where there is one, or was; as [`sheets::possible`]; and those of writing.
pub async fn make(copy2: &Copy2, anew: bool, wanted: Option<SheetsWanted>) -> Result<Made, Error> {
    let (at, password) = copy2.place_and_password(Doing::Usual)?;
    let (cache, copy2) = (copy2.cache()?, copy2.clone());
    blocking(move || {
        let store = at.open()?;
        // What is there is told before what else is in the way.
        if store.size(&Key::config())?.is_some() {
            return Err(RepositoryError::Exists(store.location()).into());
        }
        if let Some(history) = copy2.history().filter(|_| !anew) {
            let what = format!(
                "{history}, and no repository is there: a new one would lack all that it held, \
                 and a vault takes nothing from it. Is {at} mounted?"
            );
            return Err(Error::new(Kind::Copy, what).with(Remedy::RebuildOrMakeAnew));
        }
        wanted.as_ref().map_or(Ok(()), sheets::possible)?;
        let (writer, now) = (copy2.host().writer(), copy2.now());
        let tenant = copy2.tenant_id();
        let repo = Repository::init_for(store, &password, &cache, writer, now, tenant)?;
        // Who says so lets go what this host noted of the one before.
        copy2.keeps_only(&[]);
        let sheets = wanted.map(|wanted| sheets::write(repo.key(), &repo.id(), &wanted));
        let sheets = sheets.transpose()?.unwrap_or_default();
        Ok(Made { place: at.to_string(), id: repo.id(), sheets })
    })
    .await
}

/// A repository with a master key of its own, into which everything is copied.
pub struct Rotation {
    copy2: Copy2,
    from: Arc<Repository>,
    to: Arc<Repository>,
    place: Place,
    sheets: Vec<PathBuf>,
}

/// Opens the repository into which a copy 2 is rotated, or makes it, with the recovery shares that
/// are wanted of it.
///
/// # Errors
/// [`Kind::Request`], where it is the same repository; [`Kind::Copy`], where it is another's;
/// as [`sheets::possible`]; and those of opening either.
pub async fn rotation(
    copy2: &Copy2,
    place: Place,
    password_file: &Path,
    wanted: Option<SheetsWanted>,
) -> Result<Rotation, Error> {
    let from = copy2.open(Doing::Looking).await?;
    let password = secrets::read(password_file, &copy2.host().accounts)?;
    let (cache, copy2) = (copy2.cache()?, copy2.clone());
    blocking(move || {
        let store = place.open()?;
        let (host, now) = (copy2.host(), copy2.now());
        let whose = seal::of(&from)?;
        let mut sheets = Vec::new();
        let there = Repository::open(store.clone(), &password, &cache, host.writer());
        let to = match there {
            Ok(to) => to,
            Err(RepositoryError::NoRepository(_)) => {
                wanted.as_ref().map_or(Ok(()), sheets::possible)?;
                let whose = whose.as_deref();
                let to = Repository::init_for(store, &password, &cache, host.writer(), now, whose)?;
                if let Some(wanted) = &wanted {
                    sheets = sheets::write(to.key(), &to.id(), wanted)?;
                }
                to
            }
            Err(e) => return Err(e.into()),
        };
        if to.id() == from.id() {
            let what = format!("{place} is the repository itself; name a new place");
            return Err(Error::new(Kind::Request, what));
        }
        if let Some(whose) = &whose {
            seal::check(&to, whose)?;
        }
        Ok(Rotation { copy2, from, to: Arc::new(to), place, sheets })
    })
    .await
}

impl Rotation {
    /// The files of its recovery shares, where it was made now.
    pub fn sheets(&self) -> &[PathBuf] {
        &self.sheets
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Copies everything. One that was interrupted goes on.
    ///
    /// # Errors
    /// [`Kind::Locked`], and those of reading and writing.
    pub async fn copy(self, progress: Hears) -> Result<CopyReport, Error> {
        blocking(move || {
            let Self { copy2, from, to, .. } = self;
            let mut lock = to.lock_for_upkeep(&copy2.cache()?, copy2.now())?;
            lock.keep(to.clone(), copy2.host().clock.clone());
            progress.phase("rotate");
            let report = from.copy_to(&to, &|_| progress.advance(1, 0))?;
            lock.release()?;
            Ok(report)
        })
        .await
    }
}
