use crate::{
    BlobKind, Error, Id, Node, Snapshot,
    crypto::MasterKey,
    index::{BlobIndex, IndexFile, Location},
    junk::{Look, PassedOver},
    keyfile::{self, Config},
    known::KnownSnapshots,
    lineage::SealedFirst,
    lock::Held,
    pack::open_blob,
    read::ReadAhead,
    tree,
    writer::WriterState,
};
use secrecy::SecretString;
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};
use strongroom_objects::{Entry, Key, Kind, Put, Store, StoreCache, StoreError, both, each};

/// Largest unpacked object (index, snapshot) we decompress.
pub(crate) const UNPACKED_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The bytes of an index file or a snapshot, at most so many, or what is wrong with them.
pub(crate) fn unpack(plain: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, String> {
    match plain.split_first() {
        Some((b'{' | b'[', _)) => Ok(plain),
        Some((2, packed)) => {
            let mut out = Vec::new();
            let reader = zstd::Decoder::new(packed).map_err(|e| e.to_string())?;
            std::io::Read::read_to_end(
                &mut std::io::Read::take(reader, bytes_max as u64 + 1),
                &mut out,
            )
            .map_err(|e| e.to_string())?;
            if out.len() > bytes_max {
                return Err(format!("it unpacks to more than {bytes_max} bytes"));
            }
            Ok(out)
        }
        _ => Err("its form is unknown".to_owned()),
    }
}

/// A larger file is no record.
const RECORD_BYTES_MAX: u64 = 256 * 1024;

/// Listings of the index that are spent on blobs that turn out to be lost.
const FRUITLESS_MAX: u32 = 16;

/// Who writes, for key files, locks and snapshots.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The host's name.
    pub host: String,
    /// The program or person.
    pub user: String,
    /// The program and its version.
    pub program: String,
}

/// An open repository: reads blobs, trees and snapshots; writes them (see [`Repository::put_blob`]
/// and [`Repository::commit`]).
///
/// Safe to use from many threads. What was put is found again at once, and becomes durable with the
/// next [`Repository::flush`] or [`Repository::commit`].
pub struct Repository {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: MasterKey,
    pub(crate) id: Id,
    tenant: Option<String>,
    pub(crate) index: BlobIndex,
    pub(crate) writer: WriterState,
    pub(crate) reads: ReadAhead,
    reloading: Mutex<()>,
    /// What was loaded and which index files were listed as the lock was taken, until somebody
    /// loads them.
    index_seen: Mutex<Option<(BTreeSet<Id>, Vec<Entry>)>>,
    /// How often in a row the index was read anew for a blob that was not in it then either.
    fruitless: AtomicU32,
    /// Locks that were taken here, while they are held: one for each series that writes.
    leases: Mutex<Vec<Weak<Mutex<Held>>>>,
    pub(crate) sealed_first: OnceLock<SealedFirst>,
    pub(crate) known_snapshots: KnownSnapshots,
    pub(crate) strange: PassedOver,
    pub(crate) who: Writer,
}

impl Repository {
    /// Makes a new repository and opens it. `cache` is a directory for local databases.
    pub fn init(
        store: Arc<dyn Store>,
        password: &SecretString,
        cache: &Path,
        who: Writer,
        now: jiff::Timestamp,
    ) -> Result<Self, Error> {
        Self::init_for(store, password, cache, who, now, None)
    }

    /// Makes a repository that takes the data of one tenant alone; `tenant` is its id.
    pub fn init_for(
        store: Arc<dyn Store>,
        password: &SecretString,
        cache: &Path,
        who: Writer,
        now: jiff::Timestamp,
        tenant: Option<&str>,
    ) -> Result<Self, Error> {
        let at = store.as_ref();
        if at.size(&Key::config())?.is_some() {
            return Err(Error::Exists(at.location()));
        }
        let (master, own) = match at.list(Kind::Keys)?.as_slice() {
            [] => {
                let master = MasterKey::generate()?;
                let own = keyfile::write(at, &master, password, now, &who.host, &who.user)?;
                (master, Some(own))
            }
            left => (Self::begun(at, password, left)?, None),
        };
        at.flush()?;
        if Self::make_for(at, &master, tenant)? == Put::Present {
            // Somebody else made one at this moment. A key file that does not open it opens
            // nothing, and would be in the way of whoever opens it.
            if let Some(own) = own
                && master.decrypt(&at.get(&Key::config())?).is_none()
            {
                at.remove(&Key::new(Kind::Keys, &own.to_string())?)?;
                at.flush()?;
            }
            return Err(Error::Exists(at.location()));
        }
        Self::with_key(store, master, cache, who)
    }

    /// The master key of a repository that was begun, and of which nothing but key files was
    /// written: whoever knows the password goes on.
    fn begun(
        store: &dyn Store,
        password: &SecretString,
        left: &[Entry],
    ) -> Result<MasterKey, Error> {
        if !crate::repair::is_bare_but_for_keys(store)? {
            return Err(Error::Exists(store.location()));
        }
        match keyfile::open(store, password) {
            Ok((master, _)) => Ok(master),
            Err(Error::WrongKey { .. }) => {
                let names: Vec<String> =
                    left.iter().take(3).map(|e| format!("keys/{}", e.name)).collect();
                let more = if left.len() > 3 { " and others" } else { "" };
                Err(Error::Unsupported(
                    format!(
                        "{} holds a repository that was begun and not finished, under another \
                         password: begin again with that one, or remove {}{more}",
                        store.location(),
                        names.join(", ")
                    )
                    .into(),
                ))
            }
            Err(e) => Err(e),
        }
    }

    /// Makes a repository for a key that is at hand, without a key file: nobody opens it with a
    /// password.
    pub fn make(store: Arc<dyn Store>, key: &MasterKey) -> Result<(), Error> {
        match Self::make_for(store.as_ref(), key, None)? {
            Put::New => Ok(()),
            Put::Present => Err(Error::Exists(store.location())),
        }
    }

    fn make_for(store: &dyn Store, key: &MasterKey, tenant: Option<&str>) -> Result<Put, Error> {
        let config = Config { tenant: tenant.map(str::to_owned), ..Config::generate()? };
        let json = serde_json::to_vec(&config).map_err(|e| Error::damaged("config", e))?;
        let sealed = key.encrypt(&json)?;
        let put = store.put(&Key::config(), &sealed)?;
        store.flush()?;
        Ok(match put {
            // No answer came to the first try, and the second met what the first had stored.
            Put::Present if *store.get(&Key::config())? == *sealed => Put::New,
            put => put,
        })
    }

    /// No repository, or one whose `config` is gone.
    pub(crate) fn must_have_config(store: &dyn Store) -> Result<(), Error> {
        if store.size(&Key::config())?.is_some() {
            return Ok(());
        }
        match crate::repair::is_bare(store)? {
            true => Err(Error::NoRepository(store.location())),
            false => {
                let why = match crate::repair::is_bare_but_for_keys(store)? {
                    true => {
                        "only key files are there, as when `strongroom init` was stopped: it goes \
                         on with the same password; otherwise `strongroom repair heal` fetches it \
                         from another copy"
                    }
                    false => "it is gone; `strongroom repair heal` fetches it from another copy",
                };
                Err(Error::damaged(format!("config of {}", store.location()), why))
            }
        }
    }

    /// The master key that a password opens, and nothing more: no index is read.
    pub fn key_of(store: &dyn Store, password: &SecretString) -> Result<MasterKey, Error> {
        Self::must_have_config(store)?;
        Ok(keyfile::open(store, password)?.0)
    }

    /// Opens a repository with a password.
    pub fn open(
        store: Arc<dyn Store>,
        password: &SecretString,
        cache: &Path,
        who: Writer,
    ) -> Result<Self, Error> {
        let at = store.as_ref();
        if !at.is_distant() {
            Self::must_have_config(at)?;
        }
        let keys_and_index = || both(at, || keyfile::files(at), || at.list(Kind::Index));
        let (config, (keys, index)) = both(at, || at.get(&Key::config()), keys_and_index);
        let sealed = match config {
            Err(e) if e.is_not_found() => {
                Self::must_have_config(at)?;
                return Err(e.into());
            }
            other => other?,
        };
        let (master, _) = keys?.open(at, password, Some(&sealed))?;
        let repo = Self::unsealed(store.clone(), &sealed, master, cache, who)?;
        {
            let _alone = repo.reloading.lock().unwrap_or_else(PoisonError::into_inner);
            repo.load_listed(&repo.index.loaded(), &index?)?;
        }
        Ok(repo)
    }

    /// Opens a repository of which index files may be damaged: what they name is not known then.
    /// For repair alone.
    pub fn open_damaged(
        store: Arc<dyn Store>,
        password: &SecretString,
        cache: &Path,
        who: Writer,
    ) -> Result<Self, Error> {
        Self::must_have_config(store.as_ref())?;
        let (master, _) = keyfile::open(store.as_ref(), password)?;
        let repo = Self::unloaded(store, master, cache, who)?;
        match repo.reload_index() {
            Ok(()) | Err(Error::Damaged { .. } | Error::Store(StoreError::NotFound { .. })) => {
                Ok(repo)
            }
            Err(e) => Err(e),
        }
    }

    /// Opens a repository whose key is at hand, without the cost of a password.
    pub fn with_key(
        store: Arc<dyn Store>,
        key: MasterKey,
        cache: &Path,
        who: Writer,
    ) -> Result<Self, Error> {
        let repo = Self::unloaded(store, key, cache, who)?;
        repo.reload_index()?;
        Ok(repo)
    }

    fn unloaded(
        store: Arc<dyn Store>,
        key: MasterKey,
        cache: &Path,
        who: Writer,
    ) -> Result<Self, Error> {
        let sealed = store.get(&Key::config()).map_err(|e| match e.is_not_found() {
            true => Error::NoRepository(store.location()),
            false => e.into(),
        })?;
        Self::unsealed(store, &sealed, key, cache, who)
    }

    /// With what `config` holds.
    fn unsealed(
        store: Arc<dyn Store>,
        sealed: &[u8],
        key: MasterKey,
        cache: &Path,
        who: Writer,
    ) -> Result<Self, Error> {
        let config = keyfile::open_config(&key, sealed)?;
        if config.version != 2 {
            return Err(Error::Unsupported(format!(
                "{} is a repository of version {}; this program reads version 2, `restic migrate \
                 upgrade_repo_v2` brings it there",
                store.location(),
                config.version
            ).into()));
        }
        std::fs::create_dir_all(cache).map_err(Error::cache)?;
        let index = BlobIndex::open(&cache.join(format!("{}.index", config.id.short())), &key)?;
        Ok(Self {
            store,
            key,
            id: config.id,
            tenant: config.tenant,
            index,
            writer: WriterState::default(),
            reads: ReadAhead::default(),
            reloading: Mutex::default(),
            index_seen: Mutex::default(),
            fruitless: AtomicU32::new(0),
            leases: Mutex::default(),
            sealed_first: OnceLock::new(),
            known_snapshots: KnownSnapshots::default(),
            strange: PassedOver::default(),
            who,
        })
    }

    /// From now on a commit asks whether this lock is still there.
    pub(crate) fn watch_lease(&self, held: &Arc<Mutex<Held>>) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|lease| lease.strong_count() > 0);
        leases.push(Arc::downgrade(held));
    }

    /// Whether a lock is held here.
    pub(crate) fn has_leases(&self) -> bool {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.iter().any(|lease| lease.strong_count() > 0)
    }

    /// Whether the locks that were taken here, if any were, are still in the repository. What one
    /// process writes for several series goes into the same packs, so all of them count.
    pub(crate) fn holds_its_leases(&self) -> Result<bool, Error> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for held in leases.iter().filter_map(Weak::upgrade) {
            // Held on to, so that a renewal does not change its name meanwhile.
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            if self.store.size(&held.key()?)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The repository's id, from `config`.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Id of the tenant whose data alone it takes, when that was said as it was made.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The master key, to open other copies of the same repository.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Where it is.
    pub fn location(&self) -> String {
        self.store.location()
    }

    /// The store below, for replication of whole objects.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Brings the local index up to the repository's index files. Call it again once the writer's
    /// lock is held: somebody may have pruned in between.
    pub fn reload_index(&self) -> Result<(), Error> {
        let _alone = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.index_seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What was loaded before the listing must be in it; what came after need not.
        match seen {
            Some((before, listed)) => self.load_listed(&before, &listed),
            None => {
                let before = self.index.loaded();
                self.load_listed(&before, &self.store.list(Kind::Index)?)
            }
        }
    }

    /// Looks at what who holds a lock asks for first, along with what the lock itself needs.
    pub(crate) fn look_ahead(&self) {
        let before = self.index.loaded();
        let seen = both(
            self.store.as_ref(),
            || self.store.list(Kind::Index),
            // Whoever needs one that cannot be read is told then.
            || self.snapshots_and_rotten().map(drop),
        );
        *self.index_seen.lock().unwrap_or_else(PoisonError::into_inner) =
            seen.0.ok().map(|listed| (before, listed));
    }

    /// What was listed as the lock was taken is old by now.
    pub(crate) fn forget_look(&self) {
        *self.index_seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Brings the local index up to index files that were listed, when so many were `before`. Call
    /// it with `reloading` held.
    fn load_listed(&self, before: &BTreeSet<Id>, listed: &[Entry]) -> Result<(), Error> {
        let listed: BTreeSet<Id> =
            listed.iter().map(|e| Id::parse(&e.name)).collect::<Result<_, _>>()?;
        let mut loaded = self.index.loaded();
        if !before.is_subset(&listed) {
            self.index.reset()?;
            loaded.clear();
        }
        match self.load_indexes(&listed, &loaded) {
            // What is there already does not fit: all of it is built anew.
            Err(Error::Cache(why)) if !loaded.is_empty() => {
                tracing::debug!(why, "the local index is built anew");
                self.index.reset()?;
                self.load_indexes(&listed, &BTreeSet::new())
            }
            done => done,
        }
    }

    fn load_indexes(&self, listed: &BTreeSet<Id>, loaded: &BTreeSet<Id>) -> Result<(), Error> {
        let missing: Vec<Id> = listed.difference(loaded).copied().collect();
        for group in missing.chunks(16) {
            let looks = each(self.store.as_ref(), group, |id| self.index_if_ours(id));
            let mut files: Vec<(Id, IndexFile)> = Vec::new();
            for (id, look) in group.iter().zip(looks) {
                match look {
                    Ok(Some(file)) => files.push((*id, file)),
                    Ok(None) => {}
                    // What it named is not known, and is stored anew where it is needed; whoever
                    // deletes reads each index file for itself, and stops at it.
                    Err(Error::Damaged { why, .. }) => self.pass_over(Kind::Index, id, why, false),
                    Err(e) => return Err(e),
                }
            }
            self.index.add(&files)?;
        }
        Ok(())
    }

    /// The packs that an index file names, without those that a prune marked to go.
    pub fn index_packs(&self, index: &Id) -> Result<Vec<Id>, Error> {
        let mut packs: Vec<Id> = self.read_index(index)?.packs.iter().map(|p| p.id).collect();
        packs.sort();
        packs.dedup();
        Ok(packs)
    }

    pub(crate) fn read_index(&self, id: &Id) -> Result<IndexFile, Error> {
        let json = self.read_unpacked(Kind::Index, id)?;
        serde_json::from_slice(&json).map_err(|e| Error::damaged(format!("index {id}"), e))
    }

    /// Reads an index file or a snapshot: verified by name, decrypted, unpacked.
    pub(crate) fn read_unpacked(&self, kind: Kind, id: &Id) -> Result<Vec<u8>, Error> {
        match self.look_at(kind, id)? {
            Look::Ours(plain) => Ok(plain),
            Look::Foreign(why) | Look::Rotten(why) => {
                Err(Error::damaged(format!("{}/{id}", kind.as_str()), why))
            }
        }
    }

    /// One snapshot.
    pub fn snapshot(&self, id: &Id) -> Result<Snapshot, Error> {
        let json = self.read_unpacked(Kind::Snapshots, id)?;
        serde_json::from_slice(&json).map_err(|e| Error::damaged(format!("snapshot {id}"), e))
    }

    /// Removes a snapshot object. Its data stays until a prune.
    pub fn forget(&self, id: &Id) -> Result<(), Error> {
        self.store.remove(&Key::new(Kind::Snapshots, &id.to_string())?)?;
        self.known_snapshots.remove(id);
        Ok(())
    }

    pub(crate) fn locate(&self, kind: BlobKind, id: &Id) -> Result<Option<Location>, Error> {
        if let Some(found) = self.writer.locate(self, kind, id)? {
            return Ok(Some(found));
        }
        self.find(kind, id)
    }

    /// Where the index says that a blob lies. A local index that cannot be read, or that somebody
    /// else wrote, is emptied and built anew.
    pub(crate) fn find(&self, kind: BlobKind, id: &Id) -> Result<Option<Location>, Error> {
        let epoch = self.index.epoch();
        let why = match self.index.find(kind, id) {
            Err(Error::Cache(why)) => why,
            found => return found,
        };
        tracing::debug!(why, "the local index is built anew");
        {
            let _alone = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody else may have seen to it meanwhile.
            if self.index.epoch() == epoch {
                self.index.reset()?;
            }
        }
        self.reload_index()?;
        self.index.find(kind, id)
    }

    /// Whether a blob is known.
    pub fn has_blob(&self, kind: BlobKind, id: &Id) -> Result<bool, Error> {
        Ok(self.locate(kind, id)?.is_some())
    }

    /// The plain bytes of a blob, verified against its id.
    pub fn read_blob(&self, kind: BlobKind, id: &Id) -> Result<Vec<u8>, Error> {
        if let Some((blob, sealed)) = self.writer.in_the_open_pack(kind, id) {
            return open_blob(&self.key, &blob, &sealed);
        }
        let missing = || Error::MissingBlob { kind: kind.as_str(), id: id.to_string() };
        let mut found = match self.locate(kind, id)? {
            Some(found) => found,
            None => {
                // Another thread may be loading the index anew: it is waited for.
                drop(self.reloading.lock().unwrap_or_else(PoisonError::into_inner));
                match self.locate(kind, id)? {
                    Some(found) => found,
                    None => self.locate_anew(kind, id)?.ok_or_else(missing)?,
                }
            }
        };
        if kind == BlobKind::Tree
            && let Some(at_hand) = self.store.at_hand()
            && let Some(bytes) = self.read_at_hand(at_hand, &found)?
        {
            return Ok(bytes);
        }
        let read = |at: &Location| {
            self.reads.read(
                self.store.as_ref(),
                &at.pack,
                u64::from(at.blob.offset),
                u64::from(at.blob.length),
            )
        };
        let sealed = match read(&found) {
            // A prune moved it since the index was read.
            Err(Error::Store(e)) if e.is_not_found() => {
                self.reload_index()?;
                let again = self.locate(kind, id)?.ok_or_else(missing)?;
                if again == found {
                    return Err(e.into());
                }
                found = again;
                read(&found)?
            }
            other => other?,
        };
        open_blob(&self.key, &found.blob, &sealed).or_else(|_| {
            // What was fetched ahead may be of a time before somebody mended it: the store is asked
            // once more.
            self.reads.forget();
            open_blob(&self.key, &found.blob, &read(&found)?)
        })
    }

    /// A blob of a directory from the pack that is kept at hand, where the store is a way off.
    fn read_at_hand(
        &self,
        at_hand: &dyn StoreCache,
        at: &Location,
    ) -> Result<Option<Vec<u8>>, Error> {
        let key = Key::new(Kind::Data, &at.pack.to_string())?;
        let start = u64::from(at.blob.offset);
        let range = start..start + u64::from(at.blob.length);
        match at_hand.part(&key, range) {
            Ok(Some(sealed)) => match open_blob(&self.key, &at.blob, &sealed) {
                Ok(bytes) => return Ok(Some(bytes)),
                // Somebody changed what is kept.
                Err(_) => at_hand.let_go(&key),
            },
            Ok(None) => {}
            // A prune moved it, or the whole comes too slowly: whoever reads the part finds out.
            Err(e) => tracing::debug!("{e}"),
        }
        Ok(None)
    }

    /// Looks for a blob that the index does not name: the writer of another series may have put it
    /// since the index was read. Where blobs are lost, only so many listings are spent on that.
    fn locate_anew(&self, kind: BlobKind, id: &Id) -> Result<Option<Location>, Error> {
        if self.fruitless.load(Ordering::Relaxed) >= FRUITLESS_MAX || self.reload_index().is_err() {
            return Ok(None);
        }
        let found = self.locate(kind, id)?;
        match found {
            Some(_) => self.fruitless.store(0, Ordering::Relaxed),
            None => drop(self.fruitless.fetch_add(1, Ordering::Relaxed)),
        }
        Ok(found)
    }

    /// The entries of a directory, by name. Of a very large one use [`Repository::each_entry`],
    /// which holds less of it at a time.
    pub fn read_tree(&self, id: &Id) -> Result<Vec<Node>, Error> {
        let mut nodes = self.read_stored(id)?;
        if nodes.iter().any(|n| n.shard) {
            nodes.clear();
            self.each_entry::<Error>(id, &mut |node| {
                nodes.push(node);
                Ok(())
            })?;
            nodes.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(nodes)
    }

    /// Hands out the entries of a directory, those of each of its shards by name.
    pub fn each_entry<E: From<Error>>(
        &self,
        id: &Id,
        visit: &mut dyn FnMut(Node) -> Result<(), E>,
    ) -> Result<(), E> {
        for node in self.read_stored(id)? {
            match node.kind {
                // A shard has none itself; whoever claims so is not followed.
                crate::NodeKind::Dir { subtree } if node.shard => {
                    self.read_stored(&subtree)?
                        .into_iter()
                        .filter(|n| !n.shard)
                        .try_for_each(&mut *visit)?;
                }
                _ => visit(node)?,
            }
        }
        Ok(())
    }

    /// A directory as it is stored: shards are nodes like others.
    pub(crate) fn read_stored(&self, id: &Id) -> Result<Vec<Node>, Error> {
        tree::decode(id, &self.read_blob(BlobKind::Tree, id)?)
    }

    /// One entry of a directory, without reading more than its shard.
    fn entry(&self, tree: &Id, name: &str) -> Result<Option<Node>, Error> {
        let mut nodes = self.read_stored(tree)?;
        if nodes.iter().any(|n| n.shard) {
            let holder = tree::shard_of(name);
            nodes = match nodes.into_iter().find(|n| n.shard && n.name == holder).map(|n| n.kind) {
                Some(crate::NodeKind::Dir { subtree }) => self.read_stored(&subtree)?,
                _ => return Ok(None),
            };
        }
        Ok(nodes.into_iter().find(|n| n.name == name && !n.shard))
    }

    /// The whole content of a file node. For large files read blob by blob instead.
    pub fn read_file(&self, node: &Node) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for id in node.content() {
            bytes.extend_from_slice(&self.read_blob(BlobKind::Data, id)?);
        }
        Ok(bytes)
    }

    /// The content of a small file that each run reads again, and that is kept on this host where
    /// the store is a way off. A large one is read like any other.
    pub fn read_record(&self, node: &Node) -> Result<Vec<u8>, Error> {
        let ([id], Some(at_hand)) = (node.content(), self.store.at_hand()) else {
            return self.read_file(node);
        };
        if node.size_bytes() > RECORD_BYTES_MAX {
            return self.read_file(node);
        }
        if let Some(plain) = at_hand.blob(&id.to_string()).and_then(|b| self.key.decrypt(&b))
            && Id::of(&plain) == *id
        {
            return Ok(plain);
        }
        let plain = self.read_blob(BlobKind::Data, id)?;
        at_hand.keep_blob(&id.to_string(), &self.key.encrypt(&plain)?);
        Ok(plain)
    }

    /// The node at a path like `/mail/ann@school/Inbox`, below a root tree. The root itself has no
    /// node.
    pub fn node_at(&self, root: &Id, path: &str) -> Result<Node, Error> {
        let mut tree = *root;
        let mut found: Option<Node> = None;
        for part in path.split('/').filter(|p| !p.is_empty()) {
            if let Some(node) = &found {
                match node.kind {
                    crate::NodeKind::Dir { subtree } => tree = subtree,
                    _ => return Err(Error::NoSuchPath(path.to_owned().into())),
                }
            }
            let node = self.entry(&tree, part)?;
            found = Some(node.ok_or_else(|| Error::NoSuchPath(path.to_owned().into()))?);
        }
        Ok(found.unwrap_or_else(|| Node::dir("/", *root, jiff::Timestamp::UNIX_EPOCH)))
    }
}
