//! Fakes for tests: a store in memory, one that forgets what was not flushed, one that fails on
//! command.

use crate::{Entry, Key, Kind, Put, Store, StoreError};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[derive(Default)]
struct State {
    objects: BTreeMap<Key, Bytes>,
    unflushed: BTreeSet<Key>,
    /// Writes (put, flush, remove) still allowed; `None` is without end.
    writes_left: Option<u64>,
    writes_done: u64,
    reads_done: u64,
    log: Vec<String>,
}

/// A store in memory whose power can fail: before or after any write, losing what was not flushed.
#[derive(Default)]
pub struct Memory(Mutex<State>);

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After `writes` more writes everything fails, as after a kill.
    pub fn die_after(&self, writes: u64) {
        self.state().writes_left = Some(writes);
    }

    /// Power comes back. With `forget`, unflushed objects for which it says yes are gone.
    pub fn revive(&self, mut forget: impl FnMut(&Key) -> bool) {
        let mut state = self.state();
        state.writes_left = None;
        for key in std::mem::take(&mut state.unflushed) {
            if forget(&key) {
                state.objects.remove(&key);
            }
        }
    }

    /// Writes done so far.
    pub fn writes(&self) -> u64 {
        self.state().writes_done
    }

    /// Reads of whole objects and of ranges so far.
    pub fn reads(&self) -> u64 {
        self.state().reads_done
    }

    /// The keys of all writes so far, oldest first.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// Replaces the bytes of an object, as damage or an attacker would.
    pub fn tamper(&self, key: &Key, bytes: Bytes) {
        self.state().objects.insert(key.clone(), bytes);
    }

    fn spend(&self, what: String) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.state();
        match &mut state.writes_left {
            Some(0) => Err(StoreError::Failed {
                location: self.location(),
                action: what,
                why: "the power is off".into(),
            }),
            Some(n) => {
                *n -= 1;
                state.writes_done += 1;
                state.log.push(what);
                Ok(state)
            }
            None => {
                state.writes_done += 1;
                state.log.push(what);
                Ok(state)
            }
        }
    }
}

impl Store for Memory {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let mut state = self.spend(format!("put {key}"))?;
        if state.objects.contains_key(key) {
            return Ok(Put::Present);
        }
        state.objects.insert(key.clone(), Bytes::copy_from_slice(bytes));
        state.unflushed.insert(key.clone());
        Ok(Put::New)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.spend("flush".to_owned())?.unflushed.clear();
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let mut state = self.state();
        state.reads_done += 1;
        state
            .objects
            .get(key)
            .cloned()
            .ok_or_else(|| StoreError::NotFound { key: key.to_string(), location: self.location() })
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let bytes = self.get(key)?;
        if bytes.len() as u64 >= range.end && range.start <= range.end {
            return Ok(bytes.slice(range.start as usize..range.end as usize));
        }
        Err(StoreError::Damaged {
            key: key.to_string(),
            location: self.location(),
            why: format!("it ends before byte {}", range.end).into(),
        })
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        Ok(self.state().objects.get(key).map(|b| b.len() as u64))
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        Ok(self
            .state()
            .objects
            .iter()
            .filter(|(key, _)| key.kind() == kind)
            .map(|(key, bytes)| Entry {
                name: key.name().to_owned(),
                size_bytes: bytes.len() as u64,
            })
            .collect())
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        // In one step, so a crash leaves the old or the new one; never nothing.
        self.spend(format!("replace {key}"))?
            .objects
            .insert(key.clone(), Bytes::copy_from_slice(bytes));
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let mut state = self.spend(format!("remove {key}"))?;
        state.objects.remove(key);
        state.unflushed.remove(key);
        Ok(())
    }
}

/// Calls in one place, as [`Distant`] counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trips {
    /// Each call, in the order in which they began.
    pub calls: Vec<String>,
    /// Most calls of which each began after the one before it had ended: what a run waits for,
    /// however many go at the same time.
    pub in_sequence: usize,
}

#[derive(Default)]
struct Travelled {
    trips: Trips,
    /// The longest sequence that has come back.
    returned: usize,
}

/// A store that is a way off: each call takes as long as a round trip does, and is counted.
pub struct Distant<S> {
    inner: S,
    round_trip: Duration,
    travelled: Mutex<Travelled>,
}

impl<S> Distant<S> {
    /// `inner`, so far away.
    pub fn new(inner: S, round_trip: Duration) -> Self {
        Self { inner, round_trip, travelled: Mutex::default() }
    }

    /// What was called since the last time that somebody asked.
    pub fn take(&self) -> Trips {
        std::mem::take(&mut *self.travelled()).trips
    }

    fn travelled(&self) -> MutexGuard<'_, Travelled> {
        self.travelled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trip<T>(&self, call: String, work: impl FnOnce(&S) -> T) -> T {
        // Whatever had come back before this left may be what it was waiting for.
        let place = {
            let mut travelled = self.travelled();
            travelled.trips.calls.push(call);
            travelled.returned + 1
        };
        std::thread::sleep(self.round_trip);
        let done = work(&self.inner);
        let mut travelled = self.travelled();
        travelled.returned = travelled.returned.max(place);
        travelled.trips.in_sequence = travelled.returned;
        done
    }
}

impl<S: Store> Store for Distant<S> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        self.trip(format!("put {key}"), |s| s.put(key, bytes))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.trip(format!("get {key}"), |s| s.get(key))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.trip(format!("get {key} {range:?}"), |s| s.get_range(key, range))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        self.trip(format!("size {key}"), |s| s.size(key))
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        self.trip(format!("list {}", kind.as_str()), |s| s.list(kind))
    }

    fn is_distant(&self) -> bool {
        true
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.trip(format!("replace {key}"), |s| s.replace(key, bytes))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.trip(format!("remove {key}"), |s| s.remove(key))
    }
}
