//! Objects from another copy.

use crate::{Error, Id, MasterKey, Repository, keyfile};
use rayon::prelude::*;
use secrecy::SecretString;
use std::collections::{BTreeSet, HashSet};
use strongroom_objects::{Key, Kind, Store};

/// What healing did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct HealReport {
    /// Objects that were looked at.
    pub objects: u64,
    /// Objects whose bytes were wrong or missing, and are right again.
    pub healed: Vec<String>,
    /// Objects that the other copy does not have either.
    pub lost: Vec<String>,
    /// Snapshots that the other copy has and this one has not: forgotten, or deleted by somebody.
    /// They are not brought back.
    pub absent: Vec<String>,
}

/// Replaces objects of `store` whose bytes are not those that their names say by good ones of
/// `other`. Needs no key.
///
/// The caller holds the repository for itself, but for `keys`, without which it cannot be opened at
/// all. An object is replaced in one step, and only when the good bytes are in hand.
pub fn heal_objects(
    store: &dyn Store,
    other: &dyn Store,
    kinds: &[Kind],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<HealReport, Error> {
    let mut report = HealReport::default();
    for kind in kinds.iter().copied() {
        let entries = store.list(kind)?;
        report.objects += entries.len() as u64;
        let bad: Vec<Key> = entries
            .par_iter()
            .map(|entry| {
                let key = Key::new(kind, &entry.name)?;
                let bad = match store.get(&key) {
                    Ok(bytes) => !key.names_its_bytes(&bytes),
                    // Gone since it was listed: somebody removed it on purpose.
                    Err(e) if e.is_not_found() => false,
                    // Not readable at all, as a bad sector makes it.
                    Err(_) => true,
                };
                progress(1);
                Ok(bad.then_some(key))
            })
            .collect::<Result<Vec<_>, Error>>()?
            .into_iter()
            .flatten()
            .collect();
        for key in bad {
            replace(store, other, &key, &mut report)?;
        }
        if kind == Kind::Snapshots {
            let here: HashSet<&String> = entries.iter().map(|e| &e.name).collect();
            for entry in other.list(kind)?.into_iter().filter(|e| !here.contains(&e.name)) {
                report.absent.push(Key::new(kind, &entry.name)?.to_string());
            }
        }
    }
    store.flush()?;
    Ok(report)
}

fn replace(
    store: &dyn Store,
    other: &dyn Store,
    key: &Key,
    report: &mut HealReport,
) -> Result<(), Error> {
    match other.get(key) {
        Ok(bytes) if key.names_its_bytes(&bytes) => {
            store.replace(key, &bytes)?;
            report.healed.push(key.to_string());
        }
        Ok(_) => report.lost.push(format!("{key}: it is damaged in {} too", other.location())),
        // One that cannot be had now must not keep the others from being healed.
        Err(e) => report.lost.push(format!("{key}: {e}")),
    }
    Ok(())
}

/// Makes sure that `store` can be opened with `password`: key files and `config`, from `other`
/// where need be.
///
/// The one key file that opens is fetched when it is gone here; others that are gone may have been
/// removed on purpose. A key of `other` counts only when it opens what lies in `store`: a copy of
/// another repository changes nothing.
///
/// Errors: nothing at all in `store`, or no `config` in `other`; `other` is of another repository;
/// the password opens neither.
pub fn heal_opening(
    store: &dyn Store,
    other: &dyn Store,
    password: &SecretString,
) -> Result<HealReport, Error> {
    if store.size(&Key::config())?.is_none() && is_bare(store)? {
        return Err(Error::NoRepository(store.location()));
    }
    let theirs = other.get(&Key::config()).map_err(|e| {
        if e.is_not_found() { Error::NoRepository(other.location()) } else { e.into() }
    })?;
    let mut report = heal_objects(store, other, &[Kind::Keys], &|_| {})?;
    let master = match keyfile::open(store, password) {
        Ok((master, _)) => master,
        Err(here) => {
            let Ok((master, name)) = keyfile::open(other, password) else { return Err(here) };
            if !opens_what_is_there(store, &master)? {
                return Err(here);
            }
            replace(store, other, &Key::new(Kind::Keys, &name)?, &mut report)?;
            master
        }
    };
    report.objects += 1;
    let config = Key::config();
    let foreign = || {
        Error::Unsupported(
            format!(
                "{} holds another repository than {}; nothing was healed from it",
                other.location(),
                store.location()
            )
            .into(),
        )
    };
    if let Ok(ours) = store
        .get(&config)
        .map_err(Error::from)
        .and_then(|sealed| keyfile::open_config(&master, &sealed))
    {
        return match keyfile::open_config(&master, &theirs) {
            Ok(theirs) if theirs.id == ours.id => Ok(report),
            _ => Err(foreign()),
        };
    }
    if !opens_what_is_there(store, &master)? {
        return Err(Error::damaged(
            config.to_string(),
            format!(
                "and the key that opens with this password is not that of {}; nothing was changed",
                store.location()
            ),
        ));
    }
    keyfile::open_config(&master, &theirs).map_err(|_| foreign())?;
    store.replace(&config, &theirs)?;
    report.healed.push(config.to_string());
    store.flush()?;
    Ok(report)
}

/// Whether nothing of a repository but its `config` is there.
pub(crate) fn is_bare(store: &dyn Store) -> Result<bool, Error> {
    Ok(store.list(Kind::Keys)?.is_empty() && is_bare_but_for_keys(store)?)
}

/// Whether nothing of a repository but its `config` and key files is there.
pub(crate) fn is_bare_but_for_keys(store: &dyn Store) -> Result<bool, Error> {
    for kind in [Kind::Snapshots, Kind::Index, Kind::Data] {
        if !store.list(kind)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a master key is that of the repository: it opens an index file or a snapshot whose bytes
/// are those of its name, or there is none.
fn opens_what_is_there(store: &dyn Store, master: &MasterKey) -> Result<bool, Error> {
    let mut looked = false;
    for kind in [Kind::Snapshots, Kind::Index] {
        for entry in store.list(kind)? {
            let key = Key::new(kind, &entry.name)?;
            let Some(sealed) = store.get(&key).ok().filter(|bytes| key.names_its_bytes(bytes))
            else {
                continue;
            };
            if master.decrypt(&sealed).is_some() {
                return Ok(true);
            }
            looked = true;
        }
    }
    Ok(!looked)
}

impl Repository {
    /// Fetches packs that an index names and that are not here from `other`.
    pub fn heal_missing(&self, other: &dyn Store) -> Result<HealReport, Error> {
        let mut report = HealReport::default();
        let stored: HashSet<String> =
            self.store.list(Kind::Data)?.into_iter().map(|e| e.name).collect();
        let mut missing = BTreeSet::new();
        for entry in self.store.list(Kind::Index)? {
            report.objects += 1;
            if let Ok(file) = self.read_index(&Id::parse(&entry.name)?) {
                missing.extend(
                    file.packs
                        .iter()
                        .map(|p| p.id.to_string())
                        .filter(|name| !stored.contains(name)),
                );
            }
        }
        for name in missing {
            replace(self.store.as_ref(), other, &Key::new(Kind::Data, &name)?, &mut report)?;
        }
        self.store.flush()?;
        Ok(report)
    }
}
