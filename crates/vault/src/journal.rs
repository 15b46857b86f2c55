//! Sessions on disk: `<number>.journal` grows with each arrival, `<number>.sealed` ends it. Both are only ever added.

use crate::{Refusal, View};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};
use strongroom_objects::{Key, Kind, SealedSession, SessionObject, hash_name};

/// Longest attestation kept.
const ATTESTATION_BYTES_MAX: usize = 16 * 1024;

/// A sealed session, as readers are told.
pub type Sealed = SealedSession;
/// One object of a session.
pub type Arrival = SessionObject;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    at: jiff::Timestamp,
    kind: String,
    name: String,
    size_bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SealFile {
    v: u32,
    sealed_at: jiff::Timestamp,
    attestation: String,
    objects: u64,
    /// SHA-256 of the journal, so that a line added later shows.
    journal: String,
}

struct Session {
    lines: Vec<Line>,
    seal: Option<SealFile>,
}

pub(crate) struct Journal {
    dir: PathBuf,
    sessions: BTreeMap<u64, Session>,
    /// Open journals; session 0 takes what belongs to none.
    open: HashMap<u64, File>,
}

fn bad_session(session: u64) -> Refusal {
    Refusal::Missing(format!("there is no session {session}"))
}

impl Journal {
    pub(crate) fn open(dir: &Path) -> Result<Self, Refusal> {
        std::fs::create_dir_all(dir)?;
        let mut sessions = BTreeMap::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let Some(number) = path.file_name().and_then(|n| n.to_str()?.strip_suffix(".journal")?.parse::<u64>().ok()) else { continue };
            let mut bytes = std::fs::read(&path)?;
            let sealed = path.with_extension("sealed").exists();
            if !sealed && bytes.last().is_some_and(|b| *b != b'\n') {
                // A crash cut the last line off; what follows must not run into it.
                OpenOptions::new().append(true).open(&path)?.write_all(b"\n")?;
                bytes.push(b'\n');
            }
            // A line that a crash cut off is no arrival: its object is sent again.
            let lines = bytes.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice(l).ok()).collect();
            let seal = match std::fs::read(path.with_extension("sealed")) {
                Ok(json) => {
                    let seal: SealFile = serde_json::from_slice(&json).map_err(|e| Refusal::Failed(format!("session {number}: {e}")))?;
                    if seal.journal != hash_name(&bytes) {
                        return Err(Refusal::Failed(format!("the journal of sealed session {number} was changed after its seal")));
                    }
                    Some(seal)
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                Err(e) => return Err(e.into()),
            };
            sessions.insert(number, Session { lines, seal });
        }
        Ok(Self { dir: dir.to_owned(), sessions, open: HashMap::new() })
    }

    fn path(&self, session: u64, ending: &str) -> PathBuf {
        self.dir.join(format!("{session:08}.{ending}"))
    }

    pub(crate) fn begin(&mut self, _now: jiff::Timestamp) -> Result<u64, Refusal> {
        let session = self.sessions.keys().next_back().map_or(1, |n| n + 1);
        let file = OpenOptions::new().create_new(true).append(true).open(self.path(session, "journal"))?;
        self.open.insert(session, file);
        self.sessions.insert(session, Session { lines: Vec::new(), seal: None });
        Ok(session)
    }

    /// Whether something can still be added to a session.
    pub(crate) fn may_add(&self, session: Option<u64>) -> Result<(), Refusal> {
        match session.map(|s| (s, self.sessions.get(&s))) {
            None | Some((_, Some(Session { seal: None, .. }))) => Ok(()),
            Some((s, Some(_))) => Err(Refusal::Forbidden(format!("session {s} is sealed"))),
            Some((s, None)) => Err(bad_session(s)),
        }
    }

    pub(crate) fn add(&mut self, session: Option<u64>, key: &Key, size_bytes: u64, at: jiff::Timestamp) -> Result<(), Refusal> {
        let number = session.unwrap_or(0);
        let line = Line { at, kind: key.kind().as_str().to_owned(), name: key.name().to_owned(), size_bytes };
        let mut json = serde_json::to_vec(&line).map_err(|e| Refusal::Failed(e.to_string()))?;
        json.push(b'\n');
        let path = self.path(number, "journal");
        let file = match self.open.entry(number) {
            std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::hash_map::Entry::Vacant(e) => e.insert(OpenOptions::new().create(true).append(true).open(path)?),
        };
        file.write_all(&json)?;
        file.sync_data()?;
        self.sessions.entry(number).or_insert(Session { lines: Vec::new(), seal: None }).lines.push(line);
        Ok(())
    }

    pub(crate) fn seal(&mut self, session: u64, attestation: &str, now: jiff::Timestamp) -> Result<(), Refusal> {
        if attestation.len() > ATTESTATION_BYTES_MAX || session == 0 {
            return Err(Refusal::Bad("this cannot be sealed".into()));
        }
        self.may_add(Some(session))?;
        let journal = hash_name(&std::fs::read(self.path(session, "journal"))?);
        let path = self.path(session, "sealed");
        let s = self.sessions.get_mut(&session).ok_or_else(|| bad_session(session))?;
        let seal = SealFile { v: 1, sealed_at: now, attestation: attestation.to_owned(), objects: s.lines.len() as u64, journal };
        let json = serde_json::to_vec(&seal).map_err(|e| Refusal::Failed(e.to_string()))?;
        let tmp = path.with_extension("sealing");
        let mut file = File::create(&tmp)?;
        file.write_all(&json)?;
        file.sync_all()?;
        std::fs::rename(&tmp, &path)?;
        File::open(&self.dir)?.sync_all()?;
        s.seal = Some(seal);
        self.open.remove(&session);
        Ok(())
    }

    pub(crate) fn sealed(&self) -> Vec<Sealed> {
        self.sessions
            .iter()
            .filter_map(|(n, s)| {
                s.seal.as_ref().map(|seal| SealedSession {
                    session: *n,
                    sealed_at: seal.sealed_at.to_string(),
                    objects: seal.objects,
                    attestation: seal.attestation.clone(),
                })
            })
            .collect()
    }

    pub(crate) fn arrivals(&self, session: u64) -> Result<Vec<Arrival>, Refusal> {
        let s = self.sessions.get(&session).filter(|s| s.seal.is_some()).ok_or_else(|| bad_session(session))?;
        let mut rows: Vec<Arrival> = s.lines.iter().map(|l| SessionObject { kind: l.kind.clone(), name: l.name.clone(), size_bytes: l.size_bytes }).collect();
        rows.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        rows.dedup();
        Ok(rows)
    }

    pub(crate) fn view(&self, upto: u64) -> Result<View, Refusal> {
        let mut view = View::new();
        for s in self.sessions.range(1..=upto.max(1)).map(|(_, s)| s).filter(|s| s.seal.is_some()) {
            for l in &s.lines {
                let kind = Kind::parse(&l.kind).ok_or_else(|| Refusal::Failed(format!("the journal names a kind {:?}", l.kind)))?;
                view.insert((kind, l.name.clone()), l.size_bytes);
            }
        }
        Ok(if upto == 0 { View::new() } else { view })
    }

    pub(crate) fn last_arrival(&self, key: &Key) -> Option<jiff::Timestamp> {
        self.sessions.values().flat_map(|s| &s.lines).filter(|l| l.name == key.name() && l.kind == key.kind().as_str()).map(|l| l.at).max()
    }
}
