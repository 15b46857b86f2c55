//! What a copy 2 holds is brought to its vault, where that does not fetch it itself.

use crate::{Copy2, Error, Hears, Kind, blocking, place::Doing, vault::VaultPlace};
use jiff::Timestamp;
use std::{path::Path, sync::Arc};
use strongroom_custody::{MirrorReport, Pace, TrustedClock};
use strongroom_engine::{
    Progress, publish,
    replicate::{Bucket, ReplicateReport, to_bucket, to_vault},
};
use strongroom_objects::{S3Bucket, VaultRest};
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
