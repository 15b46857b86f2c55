//! Where each item stands: from its id to the id above it and its name. A local cache, keyed by the
//! snapshot that it describes, rebuilt from that snapshot's tree whenever they do not fit.

use crate::{Error, layout};
use redb::{Database, ReadableDatabase, TableDefinition};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};
use strongroom_model::{Facts, ItemId, Role};
use strongroom_repository::{Id, NodeKind, Repository};
use strongroom_workloads::workload::{IdScope, Profile};

const PLACES: TableDefinition<&str, &str> = TableDefinition::new("places");
const META: TableDefinition<&str, &str> = TableDefinition::new("meta");
/// The form of [`PLACES`]. A catalog of another one, or of none, describes no snapshot, and is
/// rebuilt.
const FORM: &str = "2";
const CACHE_BYTES: usize = 8 * 1024 * 1024;
/// Changes in memory before they are written out.
const FRESH_MAX: usize = 5_000;
/// Longest chain of folders followed; a longer one is a circle.
const DEPTH_MAX: usize = 400;

/// Where something stands among what shares its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogPlace {
    /// The container or collection above; empty at the top.
    pub(crate) parent: String,
    /// Name within it, with the folder of ours between the two.
    pub(crate) name: String,
}

/// The part of a catalog in which ids are unique: an owner's or a collection's, as the workload
/// says.
pub(crate) fn part(profile: &Profile, owner: &ItemId, collection: &ItemId) -> String {
    let id = match profile.ids {
        IdScope::Owner => owner,
        IdScope::Collection => collection,
    };
    format!("{}/{id}", profile.name)
}

pub(crate) struct Catalog {
    db: Database,
    /// Changes since the last save.
    fresh: Mutex<HashMap<String, Option<CatalogPlace>>>,
}

/// What stands above an entry while a catalog is rebuilt.
#[derive(Clone, Copy)]
struct Above<'a> {
    profile: &'static Profile,
    owner: &'a ItemId,
    part: Option<&'a str>,
    parent: &'a str,
}

fn key(part: &str, id: &str) -> String {
    format!("{part}\u{0}{id}")
}

fn cache(e: impl std::fmt::Display) -> Error {
    Error::Cache(e.to_string())
}

impl Catalog {
    /// Opens the catalog of `base`, rebuilding it when it describes another snapshot.
    pub(crate) fn open(
        path: &Path,
        repo: &Repository,
        base: Option<(&Id, &Id)>,
    ) -> Result<Self, Error> {
        let open = || Database::builder().set_cache_size(CACHE_BYTES).create(path);
        let db = match open() {
            Ok(db) => db,
            Err(e) if e.to_string().contains("already open") => return Err(cache(e)),
            Err(_) => {
                let _ = std::fs::remove_file(path);
                open().map_err(cache)?
            }
        };
        let catalog = Self { db, fresh: Mutex::default() };
        let wanted = base.map(|(snapshot, _)| snapshot.to_string()).unwrap_or_default();
        if catalog.describes()? != Some(wanted.clone()) {
            let write = catalog.db.begin_write().map_err(cache)?;
            write.delete_table(PLACES).map_err(cache)?;
            write.open_table(PLACES).map_err(cache)?;
            write.commit().map_err(cache)?;
            if let Some((snapshot, root)) = base {
                catalog.rebuild(repo, root)?;
                catalog.save(&snapshot.to_string())?;
            }
        }
        Ok(catalog)
    }

    fn describes(&self) -> Result<Option<String>, Error> {
        let write = self.db.begin_write().map_err(cache)?;
        write.open_table(PLACES).map_err(cache)?;
        write.open_table(META).map_err(cache)?;
        write.commit().map_err(cache)?;
        let read = self.db.begin_read().map_err(cache)?;
        let meta = read.open_table(META).map_err(cache)?;
        if meta.get("form").map_err(cache)?.is_none_or(|form| form.value() != FORM) {
            return Ok(None);
        }
        let found = meta.get("snapshot").map_err(cache)?;
        Ok(found.map(|v| v.value().to_owned()))
    }

    fn rebuild(&self, repo: &Repository, root: &Id) -> Result<(), Error> {
        for top in repo.read_tree(root)? {
            let NodeKind::Dir { subtree } = top.kind else { continue };
            let Some(workload) = strongroom_workloads::by_name(&top.name) else { continue };
            for owner in repo.read_tree(&subtree)? {
                let NodeKind::Dir { subtree } = owner.kind else { continue };
                let id = owner.facts()?.map(|f| f.id).unwrap_or_default();
                let at = Above { profile: workload.profile(), owner: &id, part: None, parent: "" };
                self.rebuild_below(repo, &subtree, at, "")?;
            }
        }
        Ok(())
    }

    /// `folder` is a directory of ours within the one above.
    fn rebuild_below(
        &self,
        repo: &Repository,
        tree: &Id,
        at: Above<'_>,
        folder: &str,
    ) -> Result<(), Error> {
        repo.each_entry(tree, &mut |node| {
            let facts: Option<Facts> = node.facts()?;
            let place = |parent: &str| CatalogPlace {
                parent: parent.to_owned(),
                name: format!("{folder}{}", node.name),
            };
            let role = facts.as_ref().map(|f| f.kind.role());
            let id = facts.map(|f| f.id).unwrap_or_default();
            match (&node.kind, role) {
                (NodeKind::Dir { subtree }, Some(Role::Collection)) => {
                    let key = part(at.profile, at.owner, &id);
                    let parent = match at.profile.ids {
                        IdScope::Owner => {
                            self.set(&key, &id.0, place(at.parent));
                            id.0.as_str()
                        }
                        IdScope::Collection => "",
                    };
                    self.rebuild_below(repo, subtree, Above { part: Some(&key), parent, ..at }, "")
                }
                (NodeKind::Dir { subtree }, Some(Role::Container)) => {
                    let Some(key) = at.part else { return Ok(()) };
                    self.set(key, &id.0, place(at.parent));
                    self.rebuild_below(repo, subtree, Above { parent: &id.0, ..at }, "")
                }
                (NodeKind::Dir { subtree }, None) if !layout::is_own_directory(&node.name) => {
                    let below = format!("{folder}{}/", node.name);
                    self.rebuild_below(repo, subtree, at, &below)
                }
                (NodeKind::File { .. }, Some(Role::Item)) => {
                    if let Some(key) = at.part {
                        self.set(key, &id.0, place(at.parent));
                    }
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }

    fn fresh(&self) -> MutexGuard<'_, HashMap<String, Option<CatalogPlace>>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, part: &str, id: &str) -> Result<Option<CatalogPlace>, Error> {
        let key = key(part, id);
        if let Some(place) = self.fresh().get(&key) {
            return Ok(place.clone());
        }
        let read = self.db.begin_read().map_err(cache)?;
        let table = read.open_table(PLACES).map_err(cache)?;
        let row = table.get(key.as_str()).map_err(cache)?;
        let Some(row) = row else { return Ok(None) };
        match row.value().split_once('\u{0}') {
            Some((p, n)) => Ok(Some(CatalogPlace { parent: p.to_owned(), name: n.to_owned() })),
            None => Err(cache(format!("it does not say where {id} stands"))),
        }
    }

    pub(crate) fn set(&self, part: &str, id: &str, place: CatalogPlace) {
        self.fresh().insert(key(part, id), Some(place));
    }

    pub(crate) fn forget(&self, part: &str, id: &str) {
        self.fresh().insert(key(part, id), None);
    }

    /// The path of an item below where its part begins; `None` when some folder above it is not
    /// known.
    pub(crate) fn path(&self, part: &str, id: &str) -> Result<Option<Vec<String>>, Error> {
        let mut parts = Vec::new();
        let mut at = id.to_owned();
        for _ in 0..DEPTH_MAX {
            let Some(place) = self.get(part, &at)? else { return Ok(None) };
            parts.extend(place.name.rsplit('/').map(str::to_owned));
            if place.parent.is_empty() {
                parts.reverse();
                return Ok(Some(parts));
            }
            at = place.parent;
        }
        Ok(None)
    }

    /// Keeps the changes; from now on the catalog describes `snapshot`.
    pub(crate) fn save(&self, snapshot: &str) -> Result<(), Error> {
        self.write(Some(snapshot))
    }

    /// Writes changes out when there are many, to keep memory flat. Until the next
    /// [`Catalog::save`] the catalog describes no snapshot: whoever opens it after a crash rebuilds
    /// it.
    pub(crate) fn relieve(&self) -> Result<(), Error> {
        let many = self.fresh().len() >= FRESH_MAX;
        if many { self.write(None) } else { Ok(()) }
    }

    fn write(&self, snapshot: Option<&str>) -> Result<(), Error> {
        // Locked until the database has them: a reader in between would find the places of
        // yesterday.
        let mut fresh = self.fresh();
        let mut rows: Vec<(&String, &Option<CatalogPlace>)> = fresh.iter().collect();
        rows.sort_by_key(|(key, _)| *key);
        let write = self.db.begin_write().map_err(cache)?;
        {
            let mut table = write.open_table(PLACES).map_err(cache)?;
            for (key, place) in rows {
                match place {
                    Some(p) => table
                        .insert(key.as_str(), format!("{}\u{0}{}", p.parent, p.name).as_str())
                        .map(|_| ()),
                    None => table.remove(key.as_str()).map(|_| ()),
                }
                .map_err(cache)?;
            }
            let mut meta = write.open_table(META).map_err(cache)?;
            meta.insert("form", FORM).map(|_| ()).map_err(cache)?;
            match snapshot {
                Some(id) => meta.insert("snapshot", id).map(|_| ()),
                None => meta.remove("snapshot").map(|_| ()),
            }
            .map_err(cache)?;
        }
        write.commit().map_err(cache)?;
        fresh.clear();
        fresh.shrink_to(0);
        Ok(())
    }
}
