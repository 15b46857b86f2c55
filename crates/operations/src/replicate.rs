//! What a copy 2 holds is brought to its vault, where that does not fetch it itself, or to another
//! place; and comes back from there.

use crate::{
    Copy2, Error, Hears, Kind, School, blocking,
    files::rebuilding::{self, Mark, Rebuilding},
    place::{Doing, Place},
    vault::VaultPlace,
};
use jiff::Timestamp;
use std::{path::Path, sync::Arc};
pub use strongroom_custody::MirrorReport;
use strongroom_custody::{Pace, TrustedClock};
pub use strongroom_engine::replicate::{CheckedSession, Known, ReplicateReport};
use strongroom_engine::{
    Progress, publish,
    replicate::{self as copies, Bucket, to_bucket, to_vault},
};
use strongroom_objects::{Key, Kind as Objects, S3Bucket, Store, VaultRest};
use strongroom_repository::Repository;

/// What came of it, by what the vault is.
#[derive(Debug)]
pub enum Replicated {
    /// A session of the vault's server.
    Session(ReplicateReport),
    /// A push into the vault's bucket.
    Bucket(Box<MirrorReport>),
}

/// Brings what there is to the vault.
///
/// # Errors
/// Those of opening copy 2, and of reaching the vault; [`Kind::Configuration`], where this side can
/// only read it.
pub async fn replicate(
    copy2: &Copy2,
    place: VaultPlace,
    progress: Hears,
) -> Result<Replicated, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    let (cache, now) = (copy2.cache()?, copy2.now());
    blocking(move || pushed(&repo, place, &cache, now, progress.as_ref())).await
}

fn pushed(
    repo: &Arc<Repository>,
    place: VaultPlace,
    cache: &Path,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Replicated, Error> {
    // A snapshot whose manifest a crash cut off gets it now; when somebody writes, they publish.
    if let Ok(lock) = repo.lock_for_upkeep(cache, now) {
        repo.reload_index()?;
        publish::publish(repo)?;
        lock.release()?;
    }
    let wrong = |what: String| Error::new(Kind::Configuration, what);
    match place {
        VaultPlace::Server(settings) => {
            Ok(Replicated::Session(to_vault(repo, &mut VaultRest::new(settings)?, progress)?))
        }
        VaultPlace::Bucket(place) => {
            let missing = "the vault's public_key is missing in the configuration";
            let vault = place.public_key.ok_or_else(|| wrong(missing.to_owned()))?;
            let dir = cache.join(format!("vault-{}-{}", repo.id().short(), vault.short()));
            std::fs::create_dir_all(&dir).map_err(|e| {
                Error::because(Kind::Files, format!("{} cannot be made", dir.display()), e)
            })?;
            let clock = TrustedClock::open(&dir.join("clock"), Vec::new())?;
            let pace = Pace::new(&place.pace)?;
            let store = Arc::new(S3Bucket::new(place.settings)?);
            let bucket = Bucket { store, dir: &dir, vault, clock: &clock, pace: &pace };
            Ok(Replicated::Bucket(Box::new(to_bucket(repo, &bucket, progress)?)))
        }
        VaultPlace::Folder(path, _) => {
            let path = path.display();
            Err(wrong(format!("{path} can only be read from here; its own vault pulls into it")))
        }
    }
}

/// Copies what a copy 2 holds into another place. What is there already counts by its size, or is
/// read, and replaced where it has rotted.
///
/// # Errors
/// Those of opening copy 2 and of writing.
pub async fn copy_to(
    copy2: &Copy2,
    to: Place,
    verify: bool,
    progress: Hears,
) -> Result<ReplicateReport, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    blocking(move || {
        let to = to.open()?;
        Ok(match verify {
            true => copies::to_store_verified(&repo, to.as_ref(), progress.as_ref())?,
            false => copies::to_store(&repo, to.as_ref(), progress.as_ref())?,
        })
    })
    .await
}

/// The sealed sessions of a vault's server, and which of them the key of a copy 2 vouches for.
///
/// # Errors
/// Those of opening copy 2, and of reaching the vault; [`Kind::Configuration`], where it has no
/// server.
pub async fn sessions(copy2: &Copy2, vault: VaultPlace) -> Result<Vec<CheckedSession>, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    let settings = vault.server()?;
    blocking(move || Ok(copies::sessions(&VaultRest::new(settings)?, repo.key())?)).await
}

/// Whether what is at a place elsewhere can be the beginning of a rebuilding. Nothing marks it:
/// what a run like this left there begins with the vault's own config, and is added to.
///
/// # Errors
/// Those of reading either.
pub fn goes_on_elsewhere(to: &dyn Store, vault: &dyn Store) -> Result<bool, Error> {
    let config = Key::config();
    let is_its_own = to.size(&config)?.is_none() || to.get(&config)? == vault.get(&config)?;
    // Snapshots come late: where one is, there is a repository that people use.
    Ok(is_its_own && to.list(Objects::Snapshots)?.is_empty())
}

/// Rebuilds a school's copy 2 from its vault; its place must be empty, or half made by a run like
/// this.
///
/// # Errors
/// [`Kind::Copy`], where a repository is there; and those of reading the vault and of writing.
pub async fn rebuild(school: &School, progress: Hears) -> Result<ReplicateReport, Error> {
    let (place, repository) = (school.vault()?, school.copy2()?);
    let (copy2, password) = repository.place_and_password(Doing::Usual)?;
    let cache = repository.cache()?;
    blocking(move || {
        let to = copy2.open()?;
        let vault = place.reader(None)?;
        let goes_on = match &copy2 {
            Place::Folder(path) => rebuilding::is_marked(path),
            Place::Elsewhere { .. } => goes_on_elsewhere(to.as_ref(), vault.as_ref())?,
        };
        if to.size(&Key::config())?.is_some() && !goes_on {
            let what = format!("{copy2} still holds a repository; move it away first");
            return Err(Error::new(Kind::Copy, what));
        }
        let key = Repository::key_of(vault.as_ref(), &password)?;
        let public = publish::signing_key(&key)?.public();
        let mark = Mark { key: public.to_string(), upto: None, files: None };
        let rebuilding = match &copy2 {
            Place::Folder(path) => Some(Rebuilding::begin(path, &mark)?),
            Place::Elsewhere { .. } => None,
        };
        let mut report = copies::from_vault(vault.as_ref(), &key, to.as_ref(), progress.as_ref())?;
        rebuilding.map_or(Ok(()), Rebuilding::done)?;
        // What came after the vault's last session went with the copy that was lost.
        repository.keeps_only_what_lies_there()?;
        if !report.lost.is_empty() {
            match Repository::with_key(to, key, &cache, repository.host().writer()) {
                Ok(repo) => copies::name_items(&repo, &mut report),
                Err(e) => tracing::warn!("what is lost cannot be told by items: {e}"),
            }
        }
        Ok(report)
    })
    .await
}
