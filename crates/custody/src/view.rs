use crate::{Error, Holding, Ledger, PublicKey, SignerRole, Trust};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::Arc,
};
use strongroom_objects::{Entry, Key, Kind, LockedStore, Put, Store, StoreError, key_of, path_of};

/// The version that counts first.
struct Row {
    version: String,
    size_bytes: u64,
    /// Others lie under the same name.
    several: bool,
}

/// What readers of a vault see, as a store that can only be read: sealed sessions up to a chosen
/// one, by recorded version.
pub struct VaultView {
    store: Arc<dyn LockedStore>,
    rows: BTreeMap<(Kind, String), Row>,
    name: String,
    /// The log says what lies here: another version of a name has the same length.
    by_log: bool,
}

impl VaultView {
    /// The view of sealed sessions up to `upto`, as the log tells it.
    ///
    /// A hidden session hides its snapshots, and of what came with it all that no snapshot in sight
    /// reaches: later snapshots stand on packs that came then, and stay whole.
    pub fn of(holding: &Holding, upto: Option<u64>) -> Result<Self, Error> {
        Self::by_log(holding, upto, false)
    }

    /// The view of somebody who knows the vault's public key and has nothing else: what its log
    /// says, and what that log admits of who pushed. A stranger's chain says nothing. What the
    /// vault itself found damaged is shown: each object is held against its own name.
    ///
    /// # Errors
    /// The log is damaged, or is not of this vault.
    pub fn of_log(
        store: Arc<dyn LockedStore>,
        vault: PublicKey,
        upto: Option<u64>,
    ) -> Result<Self, Error> {
        let own = vec![(vault, SignerRole::Vault)];
        let log = Ledger::open(store.clone(), None, &Trust::Keys(own.clone()), None)?;
        let school = log.state().enrolled()?.card.key;
        let both = own.into_iter().chain([(school, SignerRole::School)]).collect();
        let log = Ledger::open(store, None, &Trust::Keys(both), None)?;
        Self::by_log(&Holding::open(log)?, upto, true)
    }

    fn by_log(holding: &Holding, upto: Option<u64>, damaged: bool) -> Result<Self, Error> {
        let ledger = holding.ledger();
        let state = ledger.state();
        let newest = state.sessions.keys().next_back().copied().unwrap_or(0);
        if let Some(n) = upto.filter(|n| *n > newest) {
            return Err(Error::Request(
                format!("there is no sealed session {n}; the newest is {newest}").into(),
            ));
        }
        let last = upto.unwrap_or(u64::MAX);
        let in_sight: HashSet<String> = state
            .snapshots()
            .filter(|(n, _, s)| *n <= last && !state.is_hidden(*n, &s.snapshot))
            .map(|(_, _, s)| format!("snapshots/{}", s.snapshot))
            .collect();
        let reached = if state.hidden_sessions.is_empty() {
            HashSet::new()
        } else {
            holding.reach(&in_sight)?
        };
        let kept = |p: &str| p == "config" || p.starts_with("keys/") || reached.contains(p);
        // A hidden snapshot whose object came again, in a later session, is hidden all the same.
        let hidden = |p: &str| {
            p.strip_prefix("snapshots/").is_some_and(|s| state.hidden_snapshots.contains(s))
        };
        let rows = state.objects.iter().filter(|(p, o)| {
            state.is_in_sight(p, last)
                && (damaged || !state.missing.contains(*p))
                && !hidden(p)
                && (!state.hidden_sessions.contains(&o.session) || kept(p))
        });
        let rows = rows
            .filter_map(|(p, o)| {
                key_of(p).map(|k| {
                    (
                        (k.kind(), k.name().to_owned()),
                        Row {
                            version: o.version.clone(),
                            size_bytes: o.size_bytes,
                            several: false,
                        },
                    )
                })
            })
            .collect();
        let name = upto.map_or_else(
            || ledger.store().location(),
            |n| format!("{}@{n}", ledger.store().location()),
        );
        Ok(Self { store: ledger.store().clone(), rows, name, by_log: true })
    }

    /// The view of somebody who has nothing but the vault: whatever lies there, by whomever, hidden
    /// or not, the oldest version of a name first and any other whose bytes fit. Who reads holds
    /// every object against its own name, and takes what manifests name that the repository's key
    /// signed. With `upto`, only what the log says came in sessions up to that one: a hint, since
    /// nobody vouches for the log here.
    pub fn as_found(store: Arc<dyn LockedStore>, upto: Option<u64>) -> Result<Self, Error> {
        let mut rows: BTreeMap<(Kind, String), Row> = BTreeMap::new();
        let mut found: Vec<_> = store.survey("")?.into_iter().filter(|r| !r.marker).collect();
        found.sort_by(|a, b| {
            a.path.cmp(&b.path).then(a.modified.cmp(&b.modified)).then(a.latest.cmp(&b.latest))
        });
        for row in found {
            let Some(k) = key_of(&row.path) else { continue };
            rows.entry((k.kind(), k.name().to_owned())).and_modify(|r| r.several = true).or_insert(
                Row { version: row.version, size_bytes: row.size_bytes, several: false },
            );
        }
        if let Some(last) = upto {
            let ledger = Ledger::open(store.clone(), None, &Trust::AsFound, None)?;
            let state = ledger.state();
            let newest = state.sessions.keys().next_back().copied().unwrap_or(0);
            if last > newest {
                return Err(Error::Request(format!(
                    "there is no sealed session {last}; the newest that the vault's log tells of \
                     is {newest}"
                ).into()));
            }
            rows.retain(|(kind, name), _| {
                let path = Key::new(*kind, name).map(|k| path_of(&k)).unwrap_or_default();
                state.objects.get(&path).is_some_and(|o| o.session > 0 && o.session <= last)
            });
        }
        Ok(Self { name: store.location(), store, rows, by_log: false })
    }

    /// How many objects it shows, and their bytes.
    pub fn totals(&self) -> (u64, u64) {
        (self.rows.len() as u64, self.rows.values().map(|r| r.size_bytes).sum())
    }

    /// Everything that it shows.
    pub fn keys(&self) -> Result<Vec<Key>, StoreError> {
        self.rows.keys().map(|(kind, name)| Key::new(*kind, name)).collect()
    }

    fn row(&self, key: &Key) -> Result<&Row, StoreError> {
        self.rows.get(&(key.kind(), key.name().to_owned())).ok_or_else(|| StoreError::NotFound {
            key: key.to_string(),
            location: self.name.clone(),
        })
    }

    fn refused(&self, action: String) -> StoreError {
        StoreError::Refused {
            location: self.name.clone(),
            action,
            why: "a view of a vault is there to be read".into(),
        }
    }
}

impl Store for VaultView {
    fn location(&self) -> String {
        self.name.clone()
    }

    fn put(&self, key: &Key, _: &[u8]) -> Result<Put, StoreError> {
        Err(self.refused(format!("store {key}")))
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let Row { version, size_bytes, .. } = self.row(key)?;
        let is_possible = |bytes: u64| match self.by_log {
            true => bytes == *size_bytes,
            false => bytes <= key.kind().bytes_max(),
        };
        let path = path_of(key);
        let first = self.store.fetch(&path, version, None);
        if let Ok(bytes) = &first
            && key.names_its_bytes(bytes)
        {
            return first;
        }
        // Whatever else lies under this name is as good, when its bytes are the right ones.
        for row in self
            .store
            .survey(&path)?
            .into_iter()
            .filter(|r| r.path == path && !r.marker && r.version != *version)
            .filter(|r| is_possible(r.size_bytes))
        {
            if let Ok(bytes) = self.store.fetch(&path, &row.version, None)
                && key.kind() != Kind::Config
                && key.names_its_bytes(&bytes)
            {
                return Ok(bytes);
            }
        }
        match first {
            Ok(_) => Err(StoreError::Damaged {
                key: key.to_string(),
                location: self.name.clone(),
                why: "its bytes are not those that its name says".into(),
            }),
            Err(e) => Err(e),
        }
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let row = self.row(key)?;
        if row.several {
            // A part cannot be held against the name: the whole can.
            let bytes = self.get(key)?;
            let part = usize::try_from(range.start)
                .ok()
                .zip(usize::try_from(range.end).ok())
                .filter(|(a, b)| a <= b && *b <= bytes.len());
            let short = || StoreError::Damaged {
                key: key.to_string(),
                location: self.name.clone(),
                why: "it ends before the bytes that were asked for".into(),
            };
            return part.map(|(a, b)| bytes.slice(a..b)).ok_or_else(short);
        }
        self.store.fetch(&path_of(key), &row.version, Some(range))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        Ok(self.rows.get(&(key.kind(), key.name().to_owned())).map(|r| r.size_bytes))
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let rows = self.rows.iter().filter(|((k, _), _)| *k == kind);
        Ok(rows
            .map(|((_, name), r)| Entry { name: name.clone(), size_bytes: r.size_bytes })
            .collect())
    }

    fn replace(&self, key: &Key, _: &[u8]) -> Result<(), StoreError> {
        Err(self.refused(format!("replace {key}")))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        Err(self.refused(format!("remove {key}")))
    }
}
