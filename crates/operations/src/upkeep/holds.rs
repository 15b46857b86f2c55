use crate::{
    Copy2, Error, blocking,
    place::Doing,
    snapshots::{ahead_of_the_clock, snapshot},
};
use jiff::Timestamp;
use serde::Serialize;
use strongroom_model::Untrusted;
use strongroom_repository::{Id, Snapshot, TAG_HOLD};

/// A hold on a snapshot, which keeps it from being forgotten.
#[derive(Debug, Clone, Serialize)]
pub struct HeldSnapshot {
    /// The hold.
    pub hold: Id,
    /// The snapshot.
    pub snapshot: Option<Id>,
    /// Its time.
    pub time: Timestamp,
    /// Why it is held.
    pub reason: String,
    /// Whose it is.
    #[serde(skip)]
    pub tenant: Untrusted,
    /// That it claims a time which has not come.
    #[serde(skip)]
    pub ahead: Option<String>,
}

/// Holds a snapshot, as [`snapshot`] takes it, until somebody releases it.
///
/// # Errors
/// [`crate::Kind::Locked`]; as [`snapshot`]; and those of opening copy 2.
pub async fn hold(copy2: &Copy2, word: &str, reason: &str) -> Result<HeldSnapshot, Error> {
    let (repo, cache, now) = (copy2.open(Doing::Usual).await?, copy2.cache()?, copy2.now());
    let (word, reason) = (word.to_owned(), reason.to_owned());
    blocking(move || {
        let found = snapshot(&repo, &word)?;
        let lock = repo.lock_for_upkeep(&cache, now)?;
        let hold = repo.hold(&found.0, &reason)?;
        lock.release()?;
        let ahead = ahead_of_the_clock(&found, now);
        let (id, s) = found;
        let (snapshot, time, tenant) = (Some(id), s.time, s.hostname);
        Ok(HeldSnapshot { hold, snapshot, time, reason, tenant, ahead })
    })
    .await
}

/// All holds of a copy 2.
///
/// # Errors
/// Those of opening it.
pub async fn holds(copy2: &Copy2) -> Result<Vec<HeldSnapshot>, Error> {
    let repo = copy2.open(Doing::Usual).await?;
    let row = |(hold, s): (Id, Snapshot)| {
        let reasons = s.tags.iter().filter_map(|t| t.strip_prefix(TAG_HOLD));
        let reason = reasons.collect::<Vec<_>>().join(", ");
        let (snapshot, time, tenant) = (s.parent, s.time, s.hostname);
        HeldSnapshot { hold, snapshot, time, reason, tenant, ahead: None }
    };
    blocking(move || Ok(repo.holds()?.into_iter().map(row).collect())).await
}
