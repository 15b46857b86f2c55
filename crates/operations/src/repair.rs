//! A damaged copy 2 is mended: from another copy, from its own packs, and without what is lost.
//!
//! What takes something away is looked for first and done later: between the two nobody holds the
//! repository, and what is done then is what was shown, or less.

use crate::{Copy2, Error, Hears, blocking, place::Doing, place::Place, vault::VaultPlace};
use secrecy::SecretString;
use std::{path::PathBuf, sync::Arc};
use strongroom_engine::{clear_delta_links, publish};
use strongroom_objects::{Kind, Store};
pub use strongroom_repository::{CheckReport, HealReport, IndexRepair, JunkObject, SnapshotRepair};
use strongroom_repository::{Repository, WriteLock, heal_objects, heal_opening};

/// A copy 2 of which some may be damaged.
#[derive(Clone)]
pub struct Damaged {
    copy2: Copy2,
    store: Arc<dyn Store>,
    password: SecretString,
    cache: PathBuf,
}

/// Where good objects come from.
pub enum HealFrom {
    /// The school's vault.
    Vault(VaultPlace),
    /// Another copy.
    Copy(Place),
}

/// What became of what was foreign.
#[derive(Debug)]
pub struct SetAside {
    /// How many objects were set aside.
    pub done: usize,
    /// What could not be, and why.
    pub failed: Vec<String>,
}

/// Manifests for what a repair left: it writes indexes anew, and a vault that had not taken
/// everything would look for the old ones for ever.
fn publish_anew(repo: &Repository) -> Result<(), Error> {
    repo.reload_index()?;
    publish::publish_anew(repo)?;
    Ok(())
}

impl Damaged {
    /// One that somebody means to mend. Nothing is read of it yet.
    ///
    /// # Errors
    /// As [`Copy2::place_and_password`] and [`Copy2::cache`].
    pub fn of(copy2: &Copy2) -> Result<Self, Error> {
        let (place, password) = copy2.place_and_password(Doing::Deleting)?;
        let (store, cache) = (place.open()?, copy2.cache()?);
        Ok(Self { copy2: copy2.clone(), store, password, cache })
    }

    fn open(&self) -> Result<(Arc<Repository>, WriteLock), Error> {
        let writer = self.copy2.host().writer();
        let (store, cache) = (self.store.clone(), self.cache.as_path());
        let repo = Arc::new(Repository::open_damaged(store, &self.password, cache, writer)?);
        let lock = repo.lock_alone(cache, self.copy2.now())?;
        Ok((repo, lock))
    }

    /// The same, for as long as the work takes.
    fn open_for_long(&self) -> Result<(Arc<Repository>, WriteLock), Error> {
        let (repo, mut lock) = self.open()?;
        lock.keep(repo.clone(), self.copy2.host().clock.clone());
        Ok((repo, lock))
    }

    /// Runs what blocks, on a thread of its own.
    async fn at_it<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let own = self.clone();
        blocking(move || work(&own)).await
    }

    /// Replaces damaged and missing objects by good ones. What could be healed is, and the rest is
    /// named.
    ///
    /// # Errors
    /// [`crate::Kind::NoRepository`] and [`crate::Kind::WrongKey`] of either copy,
    /// [`crate::Kind::Locked`], and those of reading and writing.
    pub async fn heal(&self, from: HealFrom, progress: Hears) -> Result<HealReport, Error> {
        self.at_it(move |own| {
            let other: Arc<dyn Store> = match from {
                HealFrom::Vault(place) => place.reader(None)?,
                HealFrom::Copy(place) => place.open()?,
            };
            own.healed(other.as_ref(), &progress)
        })
        .await
    }

    fn healed(&self, other: &dyn Store, progress: &Hears) -> Result<HealReport, Error> {
        let store = self.store.as_ref();
        progress.phase("heal");
        // Keys and config before anything is opened: it may be one of them that is damaged.
        let mut report = heal_opening(store, other, &self.password)?;
        let (repo, lock) = self.open_for_long()?;
        let looked = |_| progress.advance(1, 0);
        let kinds = [Kind::Data, Kind::Index, Kind::Snapshots];
        let objects = heal_objects(store, other, &kinds, &looked)?;
        let missing = repo.heal_missing(other)?;
        // An index file that is gone altogether leaves no trace but in the packs.
        let index = repo.repair_index(&lock, false)?;
        let published = publish_anew(&repo);
        lock.release()?;
        report.healed.extend(index.done.into_iter().filter(|_| index.packs_missing == 0));
        report.objects += objects.objects;
        report.absent = objects.absent;
        for part in [(objects.healed, objects.lost), (missing.healed, missing.lost)] {
            report.healed.extend(part.0);
            report.lost.extend(part.1);
        }
        let unsaid = |e: Error| format!("manifests for the vault: {}", e.sentence());
        report.lost.extend(published.err().map(unsaid));
        Ok(report)
    }

    /// What would be lost where every pack is given up that is gone or damaged, by name. Reads
    /// everything.
    ///
    /// # Errors
    /// As [`Damaged::heal`].
    pub async fn would_give_up(&self) -> Result<CheckReport, Error> {
        self.at_it(|own| {
            let (repo, lock) = own.open_for_long()?;
            let found = repo.check(true, &|_, _| {})?;
            lock.release()?;
            Ok(found)
        })
        .await
    }

    /// Writes the index anew where it does not say what is there; with `give_up` without the packs
    /// that are gone or damaged.
    ///
    /// # Errors
    /// As [`Damaged::heal`].
    pub async fn mend_index(&self, give_up: bool) -> Result<IndexRepair, Error> {
        self.at_it(move |own| {
            let (repo, lock) = own.open_for_long()?;
            let repair = repo.repair_index(&lock, give_up)?;
            publish_anew(&repo)?;
            lock.release()?;
            Ok(repair)
        })
        .await
    }

    /// What stands under names of the repository and is none of its own.
    ///
    /// # Errors
    /// As [`Damaged::heal`].
    pub async fn junk(&self) -> Result<Vec<JunkObject>, Error> {
        self.at_it(|own| {
            let (repo, lock) = own.open_for_long()?;
            let junk = repo.junk()?;
            lock.release()?;
            Ok(junk)
        })
        .await
    }

    /// Sets aside what was found, as far as it is foreign still.
    ///
    /// # Errors
    /// As [`Damaged::heal`].
    pub async fn set_aside(&self, found: Vec<JunkObject>) -> Result<SetAside, Error> {
        self.at_it(move |own| {
            let (repo, lock) = own.open_for_long()?;
            let (mut done, mut failed) = (0, Vec::new());
            for junk in repo.junk()?.into_iter().filter(|now| found.contains(now)) {
                match repo.set_aside(&junk) {
                    Ok(()) => done += 1,
                    Err(e) => failed.push(format!("{}: {e}", junk.object)),
                }
            }
            lock.release()?;
            Ok(SetAside { done, failed })
        })
        .await
    }

    /// Which snapshots lack something, and what they would be without it.
    ///
    /// # Errors
    /// As [`Damaged::heal`].
    pub async fn torn_snapshots(&self) -> Result<Vec<SnapshotRepair>, Error> {
        self.at_it(|own| {
            let (repo, lock) = own.open_for_long()?;
            let plan = repo.plan_snapshot_repair(&clear_delta_links)?;
            lock.release()?;
            Ok(plan)
        })
        .await
    }

    /// Makes snapshots whole without what is lost, where that is what it was.
    ///
    /// # Errors
    /// Where it is something else now: nothing is done then. Else as [`Damaged::heal`].
    pub async fn mend_snapshots(&self, plan: Vec<SnapshotRepair>) -> Result<(), Error> {
        self.at_it(move |own| {
            let (repo, lock) = own.open_for_long()?;
            repo.repair_snapshots(&plan, &clear_delta_links, &lock)?;
            publish_anew(&repo)?;
            lock.release()?;
            Ok(())
        })
        .await
    }
}
