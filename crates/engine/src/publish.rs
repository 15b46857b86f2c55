//! What the vault may know: after each backup a signed manifest says which indexes and packs its
//! snapshot needs.

use crate::Error;
use std::collections::BTreeSet;
use strongroom_custody::{Chain, EnrolmentCard, Manifest, SigningKey};
use strongroom_model::Series;
use strongroom_objects::{Key, Kind, Store, both, hash_name};
use strongroom_repository::{Id, MasterKey, Repository, TAG_CLEAN, TAG_CONFIGURATION};

/// After so many manifests one stands alone again, so that a vault that lost one waits no longer
/// than this.
const FULL_EVERY: u64 = 64;

/// The key that signs a repository's manifests; it follows from the master key.
pub fn signing_key(key: &MasterKey) -> Result<SigningKey, Error> {
    Ok(SigningKey::from_seed(&key.signing_seed())?)
}

/// The snapshots that manifests of this repository's own key name: they were ours, whatever lies
/// there now.
///
/// # Errors
/// Those of the store.
pub fn vouched(store: &dyn Store, key: &MasterKey) -> Result<BTreeSet<Id>, Error> {
    let chain = Chain::of_store(store, &signing_key(key)?.public())?;
    let named = chain.rows().into_iter().map(|(_, m)| Id::parse(&m.snapshot));
    Ok(named.collect::<Result<_, _>>()?)
}

/// Ids of the repositories that manifests in a store speak of, whoever signed them: for a sentence
/// to who has no key that fits, and for nothing else. A few manifests are looked at, the shortest.
///
/// # Errors
/// Those of the store.
pub fn repositories(store: &dyn Store) -> Result<BTreeSet<String>, Error> {
    const LOOKED_AT: usize = 8;
    #[derive(serde::Deserialize)]
    struct Speaks {
        repository: String,
    }
    let mut listed = store.list(Kind::Manifests)?;
    listed.sort_by_key(|e| e.size_bytes);
    let mut found = BTreeSet::new();
    for entry in listed.into_iter().take(LOOKED_AT) {
        let bytes = store.get(&Key::new(Kind::Manifests, &entry.name)?)?;
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let speaks = serde_json::from_slice::<Speaks>(line).ok();
        let id = speaks.and_then(|s| Id::parse(&s.repository).ok());
        found.extend(id.map(|id| id.to_string()));
    }
    Ok(found)
}

/// What the custodians of a vault need to know of a repository: public things alone.
pub fn card(repo: &Repository) -> Result<EnrolmentCard, Error> {
    let config = repo.store().get(&Key::config())?;
    let keys = repo.store().list(Kind::Keys)?.into_iter().map(|e| e.name).collect();
    Ok(EnrolmentCard {
        v: 1,
        repository: repo.id().to_string(),
        key: signing_key(repo.key())?.public(),
        config_sha256: hash_name(&config),
        keys,
    })
}

/// Writes manifests for finished snapshots that have none; answers how many. Call it with a lock
/// that holds off the writers of all series.
pub fn publish(repo: &Repository) -> Result<u64, Error> {
    publish_for(repo, None, |_, _, _| true)
}

/// The same for one series. Call it with its writer's lock held.
pub fn publish_series(repo: &Repository, series: &Series) -> Result<u64, Error> {
    publish_for(repo, Some(series), |_, _, _| true)
}

/// The same, and anew for snapshots whose manifests name indexes that are not there any more: a
/// prune writes indexes anew, and a vault that had not taken such a snapshot could not take it any
/// more.
pub fn publish_anew(repo: &Repository) -> Result<u64, Error> {
    publish_for(repo, None, |chain, name, listed| {
        chain.is_whole(name) && chain.indexes(name).into_iter().all(|i| listed.contains(i))
    })
}

/// `holds` says of a manifest whether it still says what its snapshot needs.
fn publish_for(
    repo: &Repository,
    only: Option<&Series>,
    holds: impl Fn(&Chain, &str, &BTreeSet<String>) -> bool,
) -> Result<u64, Error> {
    let key = signing_key(repo.key())?;
    let store = repo.store().as_ref();
    let lists = || both(store, || store.list(Kind::Index), || store.list(Kind::Snapshots));
    let (chain, (indexes, snapshots)) =
        both(store, || Chain::of_store(store, &key.public()), lists);
    let mut chain = chain?;
    let listed: BTreeSet<String> = indexes?.into_iter().map(|e| e.name).collect();
    let rows = chain.rows().into_iter().filter(|(name, _)| holds(&chain, name, &listed));
    let covered: BTreeSet<String> = rows.map(|(_, m)| m.snapshot.clone()).collect();
    let mut waiting = Vec::new();
    for entry in snapshots?.into_iter().filter(|e| !covered.contains(&e.name)) {
        let id = Id::parse(&entry.name)?;
        let snapshot = match repo.snapshot(&id) {
            Ok(snapshot) => snapshot,
            // Junk, or damage that `check` names: it has no manifest, and the others get theirs.
            Err(strongroom_repository::Error::Damaged { .. }) => continue,
            Err(e) => return Err(e.into()),
        };
        // What older programs made for the configuration carries data that was published before.
        if snapshot.is_finished()
            && snapshot.is_ours()
            && !(snapshot.series().is_data() && snapshot.has_tag(TAG_CONFIGURATION))
            && only.is_none_or(|series| *series == snapshot.series())
        {
            waiting.push((id, snapshot));
        }
    }
    waiting.sort_by_key(|(id, s)| (s.time, *id));
    if waiting.is_empty() {
        return Ok(0);
    }
    let count = waiting.len() as u64;
    // What this repository's own index files say, read once.
    let mut known: std::collections::HashMap<String, Vec<String>> =
        std::collections::HashMap::new();
    for (id, snapshot) in waiting {
        let series = snapshot.series();
        let newest = chain.newest(&series).map(|(name, m)| (name.to_owned(), m.number));
        let number = newest.as_ref().map_or(1, |(_, n)| n + 1);
        let before: BTreeSet<String> =
            newest.iter().flat_map(|(name, _)| chain.indexes(name)).map(str::to_owned).collect();
        // A prune took indexes away: from here on a full one tells what there is.
        let follows = newest.is_some() && before.is_subset(&listed) && number % FULL_EVERY != 1;
        let mut indexes = std::collections::BTreeMap::new();
        for index in listed.iter().filter(|i| !follows || !before.contains(*i)) {
            let packs = match known.get(index) {
                Some(packs) => packs.clone(),
                None => match repo.index_packs(&Id::parse(index)?) {
                    Ok(packs) => packs.iter().map(Id::to_string).collect(),
                    // Junk under a right name is no part of the repository.
                    Err(strongroom_repository::Error::Damaged { .. }) => continue,
                    Err(e) => return Err(e.into()),
                },
            };
            known.insert(index.clone(), packs.clone());
            indexes.insert(index.clone(), packs);
        }
        let manifest = Manifest {
            v: 1,
            repository: repo.id().to_string(),
            series: (!series.is_data()).then_some(series),
            number,
            previous: newest.filter(|_| follows).map(|(name, _)| name),
            snapshot: id.to_string(),
            time: snapshot.time,
            clean: snapshot.has_tag(TAG_CLEAN),
            indexes,
        };
        let bytes = manifest.sign(&key)?;
        let name = hash_name(&bytes);
        repo.store().put(&Key::new(Kind::Manifests, &name)?, &bytes)?;
        repo.store().flush()?;
        chain.add(name, manifest);
    }
    Ok(count)
}
