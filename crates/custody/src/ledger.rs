//! The log of a vault: chains of segments, each signed, each naming the one before it, stored in
//! the vault itself and locked like what it speaks of. Every hand that writes has a chain of its
//! own.

use crate::{
    Error, LogEvent, PublicKey, SignerRole, SigningKey, State,
    sign::{open_lines, seal_lines},
};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_model::Row;
use strongroom_objects::{Kind, LockedStore, StoreError, hash_name, key_of, read_regular};

/// Of a copy of a segment that is kept beside the vault.
const COPY_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Of the journal of an open session: some millions of arrivals.
const JOURNAL_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Of what is kept to spare reading.
const NOTES_BYTES_MAX: u64 = 16 * 1024 * 1024;

const PURPOSE: &str = "segment";
/// Where segments lie.
pub(crate) const FOLDER: &str = "ledger/";
/// Events of one segment: some 50 MB.
const EVENTS_MAX: usize = 200_000;
/// Nothing larger is read as a segment.
const SEGMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The version of segments that this program writes and reads.
const VERSION: u32 = 1;

/// Enough of a segment to know whose it is, whatever its version.
#[derive(Deserialize)]
struct SegmentHead {
    v: u32,
    signer: PublicKey,
    number: u64,
}

/// `E` is [`LogEvent`] where all of them are known, else a [`Row`] of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Segment<E = Row<LogEvent>> {
    v: u32,
    signer: PublicKey,
    number: u64,
    /// SHA-256 of the segment before; empty for the first.
    previous: String,
    at: Timestamp,
    /// Until when the segment itself is locked, when it is written.
    until: Timestamp,
    events: Vec<E>,
}

/// Manifests of copy 2 that a program refused, by name.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefusedThere {
    program: String,
    /// Bytes that are those of their name, and no manifest: they stay so.
    pub why: BTreeMap<String, String>,
    /// Bytes that are not those of their name, read longest ago first: somebody may put the right
    /// ones in their place.
    pub damaged: Vec<String>,
}

impl Default for RefusedThere {
    fn default() -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Self { program, why: BTreeMap::new(), damaged: Vec::new() }
    }
}

/// What an object in the log's folder is.
enum Found {
    Segment(Segment),
    /// Signed by this key, and yet not to be understood.
    Closed(PublicKey, String),
    /// Signed by nobody.
    Junk,
}

#[derive(Debug, Clone, Default)]
struct Tip {
    number: u64,
    hash: String,
}

/// Whom a reader of the log believes.
#[derive(Debug, Clone)]
pub enum Trust {
    /// These keys, each for its role.
    Keys(Vec<(PublicKey, SignerRole)>),
    /// Whoever signed: for a fresh machine that knows the repository's key alone. What is read then
    /// counts only where a manifest that the repository's key signed names it.
    AsFound,
}

/// The log, and the state that it tells.
pub struct Ledger {
    store: Arc<dyn LockedStore>,
    signer: Option<SigningKey>,
    state: State,
    tips: BTreeMap<PublicKey, Tip>,
    /// Segments with their versions and locks, for renewal.
    segments: BTreeMap<String, (String, Timestamp)>,
    /// What the bytes of each hash to: the chain names it, or the tip remembers it.
    hashes: BTreeMap<String, String>,
    dir: Option<PathBuf>,
    journal: Option<File>,
    /// Segments of who pushes that the vault did not witness yet.
    pushed: Vec<Pushed>,
    /// Segments that were witnessed and are gone, in sentences.
    withdrawn: Vec<String>,
    /// Things seen while reading that a person should hear of.
    oddities: Vec<String>,
    /// A write failed, and it is not known whether the store took it.
    broken: bool,
}

/// A segment of who pushes, as the vault found it.
#[derive(Debug, Clone)]
pub(crate) struct Pushed {
    pub(crate) path: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) at: Timestamp,
    /// Objects that it says arrived, with their versions.
    pub(crate) arrived: Vec<(String, String)>,
}

/// What the vault witnessed of a segment: its version, its hash, when the store took it in.
type Witness = (String, String, Timestamp);

fn chain_of(key: &PublicKey) -> String {
    key.short()
}

impl Ledger {
    /// Reads the log from the vault. `dir` holds what is not in the vault yet (an open session) and
    /// copies that save reading; a reader needs none.
    pub fn open(
        store: Arc<dyn LockedStore>,
        signer: Option<SigningKey>,
        trust: &Trust,
        dir: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut ledger = Self {
            store,
            signer,
            state: State::default(),
            tips: BTreeMap::new(),
            segments: BTreeMap::new(),
            hashes: BTreeMap::new(),
            pushed: Vec::new(),
            withdrawn: Vec::new(),
            dir: dir.map(Path::to_owned),
            journal: None,
            oddities: Vec::new(),
            broken: false,
        };
        if let Some(dir) = dir {
            std::fs::create_dir_all(dir.join("copies")).map_err(|e| Error::file(dir, e))?;
        }
        let read = ledger.read_segments(trust)?;
        for (segment, role, modified) in read {
            let at = if role == SignerRole::Vault { segment.at } else { modified };
            for row in &segment.events {
                if let Err(why) = ledger.state.take(row, role, at) {
                    ledger.oddities.push(format!(
                        "segment {} of {}: {why}",
                        segment.number,
                        segment.signer.short()
                    ));
                }
            }
        }
        ledger.reopen_journal()?;
        // For as long as it is so: nothing that the log says ends it.
        for why in &ledger.withdrawn {
            let frozen = format!("pushed-log: {why}");
            ledger.state.frozen.entry(frozen).or_insert(Timestamp::UNIX_EPOCH);
        }
        for (path, until) in &ledger.state.renewed_segments {
            if let Some(s) = ledger.segments.get_mut(path) {
                s.1 = s.1.max(*until);
            }
        }
        Ok(ledger)
    }

    fn bad(&self, why: String) -> Error {
        Error::Ledger { location: self.store.location(), why: why.into() }
    }

    fn read_segments(
        &mut self,
        trust: &Trust,
    ) -> Result<Vec<(Segment, SignerRole, Timestamp)>, Error> {
        let mut by_path: BTreeMap<String, Vec<(String, Timestamp)>> = BTreeMap::new();
        let mine = self.signer.as_ref().map(SigningKey::public);
        let plausible = |path: &str| match trust {
            Trust::AsFound => true,
            Trust::Keys(keys) => keys.iter().any(|(k, _)| {
                path.strip_prefix(FOLDER)
                    .is_some_and(|p| p.starts_with(&format!("{}/", chain_of(k))))
            }),
        };
        for row in self.store.survey(FOLDER)? {
            // Junk beside the chains is the audit's to find; it is not read.
            if !plausible(&row.path) || row.size_bytes > SEGMENT_BYTES_MAX {
                continue;
            }
            if row.marker {
                self.oddities.push(format!("{} is hidden by a delete marker", row.path));
            } else {
                by_path.entry(row.path).or_default().push((row.version, row.modified));
            }
        }
        let mut all: Vec<(Segment, SignerRole, Timestamp)> = Vec::new();
        let role = |key: &PublicKey| match trust {
            Trust::AsFound => Some(SignerRole::Vault),
            Trust::Keys(keys) => keys.iter().find(|(k, _)| k == key).map(|(_, r)| {
                if *r == SignerRole::School && mine == Some(*key) { SignerRole::Own } else { *r }
            }),
        };
        let mut torn: std::collections::BTreeSet<PublicKey> = std::collections::BTreeSet::new();
        let (mut per_path, mut junk) = (Vec::new(), Vec::new());
        for (path, mut versions) in by_path {
            // The oldest version is the true one: what is locked cannot be replaced, only covered.
            versions.sort_by_key(|v| v.1);
            if versions.len() > 1 {
                self.oddities.push(format!(
                    "{path} has {} versions; the oldest that is signed counts",
                    versions.len()
                ));
            }
            // Of several signed ones (an answer was lost, and it was written again) the one that
            // follows counts; else the oldest.
            let mut found: Vec<(Segment, SignerRole, String, String, Timestamp)> = Vec::new();
            for (version, modified) in versions {
                let bytes = match self.copy_of(&path, &version) {
                    Ok(bytes) => bytes,
                    // Junk that its owner lets nobody read must not stop who reads.
                    Err(Error::Store(
                        StoreError::Refused { .. }
                        | StoreError::NotFound { .. }
                        | StoreError::Damaged { .. },
                    )) => continue,
                    Err(e) => return Err(e),
                };
                let segment = match read_segment(&bytes, &path) {
                    Found::Segment(segment) => segment,
                    Found::Junk => {
                        junk.push((path.clone(), version));
                        continue;
                    }
                    Found::Closed(signer, why) => {
                        let why = format!("segment {path} {why}");
                        match (trust, role(&signer)) {
                            // Nothing may be written behind what was not read.
                            (Trust::Keys(_), Some(SignerRole::Vault | SignerRole::Own)) => {
                                return Err(self.bad(why));
                            }
                            (_, Some(_)) => self.oddities.push(why),
                            (_, None) => {}
                        }
                        continue;
                    }
                };
                let Some(role) = role(&segment.signer) else { continue };
                found.push((segment, role, version, hash_name(&bytes), modified));
            }
            per_path.push((path, found));
        }
        // What the vault witnessed of who pushes counts as it was then: neither a second version
        // nor a silence takes it back.
        let mut witnessed: BTreeMap<String, Witness> = BTreeMap::new();
        let own = per_path.iter().flat_map(|(_, found)| found);
        for row in
            own.filter(|(_, role, ..)| *role == SignerRole::Vault).flat_map(|(s, ..)| &s.events)
        {
            if let Some(LogEvent::Witnessed { path, version, sha256, at }) = row.known() {
                let seen = (version.clone(), sha256.clone(), *at);
                witnessed.entry(path.clone()).or_insert(seen);
            }
        }
        let mut retracted = Vec::new();
        if matches!(trust, Trust::Keys(_)) {
            for (path, (version, sha256, at)) in &witnessed {
                let of_path = per_path.iter_mut().find(|(p, _)| p == path);
                let is_there = of_path.as_ref().is_some_and(|(_, found)| {
                    found.iter().any(|(_, _, v, hash, _)| v == version && hash == sha256)
                });
                if is_there {
                    continue;
                }
                retracted.push(path.clone());
                // The copy that was made of it then goes on counting.
                let copy = self.copy_of(path, version).ok().filter(|b| hash_name(b) == *sha256);
                let Some(Found::Segment(segment)) = copy.map(|b| read_segment(&b, path)) else {
                    continue;
                };
                let Some(role) = role(&segment.signer) else { continue };
                let row = (segment, role, version.clone(), sha256.clone(), *at);
                match of_path {
                    Some((_, found)) => found.push(row),
                    None => per_path.push((path.clone(), vec![row])),
                }
            }
            per_path.sort_by(|a, b| a.0.cmp(&b.0));
        }
        for path in retracted {
            let why = format!(
                "{path}, which this vault read from who pushes, is gone or another one lies in its \
                 place"
            );
            self.withdrawn.push(why.clone());
            self.oddities.push(why);
        }
        // The hash that the next segment of a chain names.
        let mut wanted: BTreeMap<(PublicKey, u64), std::collections::BTreeSet<String>> =
            BTreeMap::new();
        for (s, ..) in per_path.iter().flat_map(|(_, f)| f) {
            if s.number > 1 {
                wanted.entry((s.signer, s.number - 1)).or_default().insert(s.previous.clone());
            }
        }
        for (path, found) in per_path {
            let pinned = witnessed.get(&path).and_then(|(version, sha256, _)| {
                found.iter().position(|(_, role, v, hash, _)| {
                    *role != SignerRole::Vault && v == version && hash == sha256
                })
            });
            let named = found.iter().position(|(s, _, _, hash, _)| {
                wanted.get(&(s.signer, s.number)).is_some_and(|w| w.contains(hash))
            });
            let found = found.into_iter().nth(pinned.or(named).unwrap_or(0));
            let Some((segment, role, version, hash, modified)) = found else {
                self.oddities.push(format!("{path} is not signed by anybody who may write here"));
                continue;
            };
            let mut tip = self.tips.get(&segment.signer).cloned().unwrap_or_default();
            if segment.number != tip.number + 1 || segment.previous != tip.hash {
                let why = format!(
                    "segment {path} does not follow segment {}: something is missing or was \
                     changed",
                    tip.number
                );
                match (trust, role) {
                    // Who rebuilds from what is left takes what there is: each object is held
                    // against its own name.
                    (Trust::AsFound, _) => self.oddities.push(why),
                    (Trust::Keys(_), SignerRole::Vault | SignerRole::Own) => {
                        // What was damaged may be put right: it is read again, and not its copy.
                        junk.iter().for_each(|(path, version)| self.forget_copy(path, version));
                        return Err(self.bad(why));
                    }
                    // Who pushes cannot stop the vault by a hole in its own chain: what comes after
                    // the hole is not believed.
                    (Trust::Keys(_), SignerRole::School) => {
                        self.oddities.push(why);
                        torn.insert(segment.signer);
                    }
                }
            }
            if torn.contains(&segment.signer) {
                continue;
            }
            self.hashes.insert(path.clone(), hash.clone());
            if role == SignerRole::School && pinned.is_none() {
                let arrived = |row: &Row<LogEvent>| match row.known() {
                    Some(LogEvent::Arrived { path, version, .. }) => {
                        Some((path.clone(), version.clone()))
                    }
                    _ => None,
                };
                self.pushed.push(Pushed {
                    path: path.clone(),
                    version: version.clone(),
                    sha256: hash.clone(),
                    at: modified,
                    arrived: segment.events.iter().filter_map(arrived).collect(),
                });
            }
            tip = Tip { number: segment.number, hash };
            self.tips.insert(segment.signer, tip);
            self.segments.insert(path, (version, segment.until));
            all.push((segment, role, modified));
        }
        // By the store's time, which nobody who writes can choose; within a chain by number.
        let mut latest: BTreeMap<PublicKey, Timestamp> = BTreeMap::new();
        for (segment, _, modified) in &mut all {
            let last = latest.entry(segment.signer).or_insert(*modified);
            *last = (*last).max(*modified);
            *modified = *last;
        }
        // Within one tick of that clock the vault's own word comes first: enrolment before what was
        // pushed.
        all.sort_by(|(a, r, x), (b, q, y)| {
            x.cmp(y)
                .then((*r != SignerRole::Vault).cmp(&(*q != SignerRole::Vault)))
                .then(a.signer.cmp(&b.signer))
                .then(a.number.cmp(&b.number))
        });
        Ok(all)
    }

    /// The bytes of an object that never changes, from a local copy where there is one. What is
    /// named by its bytes and has others is damaged: no copy of that is kept, nor believed.
    pub(crate) fn copy_of(&self, path: &str, version: &str) -> Result<Bytes, Error> {
        let copy = self.copy_path(path, version);
        if let Some(copy) = &copy
            && let Ok(bytes) = read_regular(copy, COPY_BYTES_MAX)
            && bytes.len() > 64
            && is_copy(path, &bytes)
        {
            return Ok(Bytes::from(bytes).slice(64..));
        }
        let bytes = self.store.fetch(path, version, None)?;
        let sha256 = hash_name(&bytes);
        if let Some(copy) = copy.filter(|_| may_be(path, &sha256)) {
            let mut all = sha256.into_bytes();
            all.extend_from_slice(&bytes);
            // A copy spares a request; without it the next run asks again.
            let _ = std::fs::write(copy, all);
        }
        Ok(bytes)
    }

    fn copy_path(&self, path: &str, version: &str) -> Option<PathBuf> {
        let name = hash_name(format!("{path} {version}").as_bytes());
        Some(self.dir.as_ref()?.join("copies").join(name))
    }

    /// Lets go of the copy of what was damaged when it was read, and is whole now.
    fn forget_copy(&self, path: &str, version: &str) {
        if let Some(copy) = self.copy_path(path, version) {
            let _ = std::fs::remove_file(copy);
        }
    }

    /// What this holding is called among all of a vault: the hash of its enrolment.
    pub fn id(&self) -> Option<String> {
        let vault = self.state.enrolment.as_ref()?.vault;
        self.hashes.get(&format!("{FOLDER}{}/{:08}", chain_of(&vault), 1)).cloned()
    }

    fn refusal_of(&self, path: &str, version: &str, is_sealed: bool) -> Option<PathBuf> {
        // A newer program may understand what this one does not.
        let program = env!("CARGO_PKG_VERSION");
        let name = hash_name(format!("{path} {version} {is_sealed} {program}").as_bytes());
        Some(self.dir.as_ref()?.join("copies").join(format!("{name}.refused")))
    }

    /// Whether an object was read before and is not what it should be; as part of a sealed session,
    /// or not.
    pub(crate) fn was_refused(&self, path: &str, version: &str, is_sealed: bool) -> bool {
        self.refusal_of(path, version, is_sealed).is_some_and(|p| p.is_file())
    }

    /// Remembers that. Without it the next opening reads it again.
    pub(crate) fn note_refused(&self, path: &str, version: &str, is_sealed: bool) {
        if let Some(note) = self.refusal_of(path, version, is_sealed) {
            let _ = std::fs::write(note, "");
        }
    }

    fn refused_there_path(&self) -> Option<PathBuf> {
        Some(self.dir.as_ref()?.join("copies").join("copy-2.refused"))
    }

    /// Manifests of copy 2 that this program refused, and why: what it kept of them to spare
    /// reading, none where that cannot be read.
    pub(crate) fn refused_there(&self) -> RefusedThere {
        let kept = self.refused_there_path().and_then(|p| read_regular(&p, NOTES_BYTES_MAX).ok());
        let kept = kept.and_then(|bytes| serde_json::from_slice::<RefusedThere>(&bytes).ok());
        kept.filter(|k| k.program == env!("CARGO_PKG_VERSION")).unwrap_or_default()
    }

    /// Remembers that. Without it the next pull reads them again.
    pub(crate) fn note_refused_there(&self, all: &RefusedThere) {
        if let (Some(path), Ok(json)) = (self.refused_there_path(), serde_json::to_vec(all)) {
            let _ = std::fs::write(path, json);
        }
    }

    /// Whether the place gives the bytes of something that is always there: then it is not down,
    /// whatever else it does not give.
    pub(crate) fn is_answered(&self) -> bool {
        let config = self.state.objects.get_key_value("config").map(|(p, o)| (p, &o.version));
        let segment = self.segments.first_key_value().map(|(p, (version, _))| (p, version));
        config.into_iter().chain(segment).any(|(path, version)| {
            let got = self.store.fetch(path, version, None);
            matches!(got, Ok(_) | Err(StoreError::Damaged { .. }))
        })
    }

    /// Segments of who pushes that the vault did not witness yet.
    pub(crate) fn pushed(&self) -> &[Pushed] {
        &self.pushed
    }

    /// They are witnessed.
    pub(crate) fn all_witnessed(&mut self) {
        self.pushed.clear();
    }

    /// What the log says.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The vault's place.
    pub fn store(&self) -> &Arc<dyn LockedStore> {
        &self.store
    }

    /// Things seen while reading that a person should hear of.
    pub fn oddities(&self) -> &[String] {
        &self.oddities
    }

    /// Segments: path to version and lock.
    pub(crate) fn segments(&self) -> &BTreeMap<String, (String, Timestamp)> {
        &self.segments
    }

    /// What the bytes of a segment hash to.
    pub(crate) fn segment_hash(&self, path: &str) -> Option<&str> {
        self.hashes.get(path).map(String::as_str)
    }

    pub(crate) fn segment_renewed(&mut self, path: &str, until: Timestamp) {
        if let Some(s) = self.segments.get_mut(path) {
            s.1 = until;
        }
    }

    /// Whether the log must be read anew before anything more is written.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The public key of who writes here.
    pub fn signer(&self) -> Option<PublicKey> {
        self.signer.as_ref().map(SigningKey::public)
    }

    fn journal_path(&self) -> Option<PathBuf> {
        self.dir.as_ref().map(|d| d.join("open.jsonl"))
    }

    /// Takes in what a stopped run had noted and not yet sealed.
    fn reopen_journal(&mut self) -> Result<(), Error> {
        let Some(path) = self.journal_path() else { return Ok(()) };
        let bytes = match read_regular(&path, JOURNAL_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Error::file(&path, e)),
        };
        for row in journal_rows(&bytes, &path)? {
            let _ = self.state.take(&row, SignerRole::Vault, Timestamp::UNIX_EPOCH);
        }
        Ok(())
    }

    /// Whether a stopped run left a session open.
    pub fn is_open(&self) -> bool {
        self.journal_path().is_some_and(|p| p.metadata().is_ok_and(|m| m.len() > 0))
    }

    /// Notes an event in the journal beside the vault; it becomes part of the log with the next
    /// [`Ledger::append`].
    pub fn note(&mut self, event: &LogEvent) -> Result<(), Error> {
        self.must_be_whole()?;
        self.state
            .apply(event, SignerRole::Vault, Timestamp::UNIX_EPOCH)
            .map_err(|why| self.bad(why))?;
        let Some(path) = self.journal_path() else { return Ok(()) };
        let mut line =
            serde_json::to_vec(event).map_err(|e| Error::Request(e.to_string().into()))?;
        line.push(b'\n');
        let written = self.write_line(&path, &line);
        // It would be sealed without ever being in the log, and the next line would be written
        // behind half of this one.
        self.broken |= written.is_err();
        written.map_err(|e| Error::file(&path, e))
    }

    fn write_line(&mut self, path: &Path, line: &[u8]) -> std::io::Result<()> {
        if let Some(file) = &mut self.journal {
            return file.write_all(line);
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        // A line that was cut off ends here, and not when somebody reads: a full disk keeps no
        // reader out.
        let end: &[u8] = if last == [b'\n'] { b"" } else { b"\n" };
        self.journal.insert(file).write_all(&[end, line].concat())
    }

    fn must_be_whole(&self) -> Result<(), Error> {
        match self.broken {
            false => Ok(()),
            true => Err(self.bad(
                "an earlier write of this run failed half-way; the next run reads it anew".into(),
            )),
        }
    }

    /// Makes what was noted survive a crash.
    pub fn sync(&mut self) -> Result<(), Error> {
        let (Some(file), Some(path)) = (&self.journal, self.journal_path()) else { return Ok(()) };
        let synced = file.sync_data();
        self.broken |= synced.is_err();
        synced.map_err(|e| Error::file(&path, e))
    }

    /// The events noted since the last append.
    fn noted(&self) -> Result<Vec<Row<LogEvent>>, Error> {
        let Some(path) = self.journal_path() else { return Ok(Vec::new()) };
        match read_regular(&path, JOURNAL_BYTES_MAX) {
            Ok(bytes) => journal_rows(&bytes, &path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(Error::file(&path, e)),
        }
    }

    /// Writes what was noted, and these events, into the vault: locked, signed, for good.
    pub fn append(&mut self, events: Vec<LogEvent>, now: Timestamp) -> Result<(), Error> {
        let mut all = self.noted()?;
        let fresh = all.len();
        all.extend(events.into_iter().map(Row::new));
        if all.is_empty() {
            return Ok(());
        }
        // Tried on a copy: what the state would refuse is not written, and what is not written does
        // not count.
        self.must_be_whole()?;
        let mut after = self.state.clone();
        for event in all[fresh..].iter().filter_map(Row::known) {
            // An order that is not understood is read from a log, and never carried out.
            if let LogEvent::Ordered(order) = event {
                let o = after.may(order, now)?;
                if o.holding.is_none() || o.holding != self.id() {
                    return Err(Error::Signature {
                        what: "the order".into(),
                        why: "it is for another place of this repository, or was written by an \
                              older program; write it anew here"
                            .into(),
                    });
                }
            }
            after.apply(event, SignerRole::Vault, now).map_err(|why| self.bad(why))?;
        }
        // Until it is known what the store took, nothing more is written.
        self.broken = true;
        let held = self.state.held().3;
        for part in all.chunks(EVENTS_MAX) {
            let Some(key) = &self.signer else {
                return Err(Error::Request("this hand may read only".into()));
            };
            let tip = self.tips.get(&key.public()).cloned().unwrap_or_default();
            let until = self
                .state
                .policy
                .with_surplus(self.state.policy.least(now))
                .max(held.unwrap_or(now));
            let segment = Segment {
                v: VERSION,
                signer: key.public(),
                number: tip.number + 1,
                previous: tip.hash,
                at: now,
                until,
                events: part.to_vec(),
            };
            let bytes = Bytes::from(seal_lines(key, PURPOSE, &segment)?);
            let path = format!("{FOLDER}{}/{:08}", chain_of(&segment.signer), segment.number);
            let stored = self.store.put_locked(&path, &bytes, until)?;
            self.store.flush()?;
            let hash = hash_name(&bytes);
            self.hashes.insert(path.clone(), hash.clone());
            self.tips.insert(segment.signer, Tip { number: segment.number, hash });
            self.segments.insert(path, (stored.version, stored.until.unwrap_or(now)));
        }
        self.broken = false;
        self.state = after;
        self.state.latest = self.state.latest.max(now);
        // Only now is the journal no longer needed.
        self.journal = None;
        if let Some(path) = self.journal_path() {
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::file(&path, e)),
            }
        }
        Ok(())
    }
}

/// Whether bytes of this hash may be what lies at a path.
fn may_be(path: &str, sha256: &str) -> bool {
    key_of(path).is_none_or(|key| key.kind() == Kind::Config || key.name() == sha256)
}

/// Whether a copy is whole, and one of what may lie at a path.
fn is_copy(path: &str, copy: &[u8]) -> bool {
    copy.split_at_checked(64).is_some_and(|(sha256, bytes)| {
        let is = hash_name(bytes);
        is.as_bytes() == sha256 && may_be(path, &is)
    })
}

fn read_segment(bytes: &[u8], path: &str) -> Found {
    // The signer stands in the segment; that it may write is decided by who it is.
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let Ok(head) = serde_json::from_slice::<SegmentHead>(line) else { return Found::Junk };
    let expected = format!("{FOLDER}{}/{:08}", chain_of(&head.signer), head.number);
    if open_lines(&head.signer, PURPOSE, bytes).is_err() || path != expected {
        return Found::Junk;
    }
    if head.v != VERSION {
        let why = format!(
            "has version {}, this program reads {VERSION}; use the strongroom that wrote it",
            head.v
        );
        return Found::Closed(head.signer, why);
    }
    // All are known, but for a log that a newer program wrote.
    if let Ok(s) = serde_json::from_slice::<Segment<LogEvent>>(line) {
        let Segment { v, signer, number, previous, at, until, events } = s;
        let events = events.into_iter().map(Row::new).collect();
        return Found::Segment(Segment { v, signer, number, previous, at, until, events });
    }
    match serde_json::from_slice::<Segment>(line) {
        Ok(segment) => Found::Segment(segment),
        Err(e) => Found::Closed(head.signer, format!("cannot be read: {e}")),
    }
}

/// The events of the journal. A line that a crash cut off is no event: what it spoke of is done
/// again.
fn journal_rows(bytes: &[u8], path: &Path) -> Result<Vec<Row<LogEvent>>, Error> {
    let mut rows = Vec::new();
    for (n, line) in bytes.split(|b| *b == b'\n').enumerate() {
        // A disk that lost power leaves zeros where a line was to come.
        if line.iter().all(|b| *b == 0) {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(found) => rows.push(Row::from_json(found)),
            Err(e) if e.is_eof() && line.starts_with(b"{") => {}
            Err(e) => {
                return Err(Error::file(path, format!("line {} is no event: {e}", n + 1)));
            }
        }
    }
    Ok(rows)
}
