//! What folders of the other host hold: whole, or an error.

use super::{
    PARTS_AT_ONCE, SftpServer,
    connection::{Connection, Trouble},
    wire::{Attributes, Reply, Request, Type, ask, status},
};
use crate::{Key, Kind, bounds, store_failures::StoreFailures};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Folders that are listed at a time.
const FOLDERS_AT_ONCE: usize = 16;

/// Replies without a new name, in one folder.
const IDLE_MAX: u32 = 16;

fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// A name, and what bears it.
pub(super) type Row = (String, Type, Attributes);

/// What is listed so far, and what it cost.
pub(super) struct Listing {
    began: Instant,
    bytes: AtomicU64,
}

impl Listing {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), bytes: AtomicU64::new(0) }
    }
}

impl SftpServer {
    /// What a folder holds; nothing where it is not there. Whole or an error.
    pub(super) fn folder(
        &self,
        c: &Connection,
        folder: &str,
        listing: &Listing,
    ) -> Result<Vec<Row>, Trouble> {
        let action = format!("list {folder}");
        if !self.is_folder(folder, &c.ask(self.lstat(folder))?)? {
            return Ok(Vec::new());
        }
        let opened = c.ask(Request::new(ask::OPENDIR).text(&self.path(folder)))?;
        let handle = match self.handle(&action, &opened) {
            // It was there a moment ago.
            Err(e) if e.is_not_found() => return Err(self.failed(&action, e.to_string()).into()),
            other => other?,
        };
        let (mut rows, mut seen, mut idle) = (Vec::new(), HashSet::new(), 0);
        loop {
            let names = match c.ask(Request::new(ask::READDIR).bytes(&handle))? {
                Reply::Names(names) => names,
                Reply::Status { code: status::EOF, .. } => break,
                other => return Err(self.no(&action, &other).into()),
            };
            let bytes: u64 = names.iter().map(|(name, _)| name.len() as u64 + 64).sum();
            let bytes = listing.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
            // Some give a hundred names a reply, some give one.
            let is_idle =
                names.iter().fold(true, |idle, (name, _)| !seen.insert(hash(name)) && idle);
            idle += u32::from(is_idle);
            if bytes > bounds::LISTING_BYTES_MAX
                || rows.len() > bounds::ROWS_MAX
                || idle > IDLE_MAX
                || listing.began.elapsed() > bounds::LISTING_TIME_MAX
            {
                let why = format!("the listing has no end: it goes on after {} names", rows.len());
                return Err(self.failed(&action, why).into());
            }
            for (name, found) in names {
                let Some(name) = String::from_utf8(name).ok().filter(|n| !n.contains('/')) else {
                    continue;
                };
                rows.push((name, found));
            }
        }
        c.tell(Request::new(ask::CLOSE).bytes(&handle));
        // Foreign names (a half-written file of another tool) are not ours to look at.
        rows.retain(|(name, _)| folder == "tmp" || is_ours(folder, name));
        let mut whole = Vec::new();
        for part in rows.chunks(PARTS_AT_ONCE) {
            // Servers that do not say here what each is are asked.
            let unsaid = |found: &Attributes| found.kind().is_none() || found.size_bytes.is_none();
            let asked: Vec<&String> =
                part.iter().filter(|(_, found)| unsaid(found)).map(|(name, _)| name).collect();
            let path = |name: &str| format!("{folder}/{name}");
            let replies = c.ask_all(asked.iter().map(|n| self.lstat(&path(n))).collect())?;
            let mut replies = replies.into_iter();
            for (name, found) in part {
                let known = match unsaid(found) {
                    true => {
                        let reply = replies.next().unwrap_or(Reply::Names(Vec::new()));
                        self.stands(&path(name), &reply)?
                    }
                    false => found.kind().map(|kind| (kind, *found)),
                };
                // Removed between the two: no longer part of the listing.
                whole.extend(known.map(|(kind, found)| (name.clone(), kind, found)));
            }
        }
        whole.sort_by(|a, b| a.0.cmp(&b.0));
        whole.dedup_by(|a, b| a.0 == b.0);
        Ok(whole)
    }

    /// What bears the names of objects of a kind.
    pub(super) fn kind(&self, c: &Connection, kind: Kind) -> Result<Vec<Row>, Trouble> {
        let listing = Listing::begin();
        if kind != Kind::Data {
            return self.folder(c, kind.as_str(), &listing);
        }
        let mut below = Vec::new();
        for (name, found, _) in self.folder(c, "data", &listing)? {
            let folder = format!("data/{name}");
            if found != Type::Directory {
                // It says so in its own words, or is gone.
                self.is_folder(&folder, &c.ask(self.lstat(&folder))?)?;
            }
            below.push(folder);
        }
        let next = Mutex::new(below.into_iter());
        let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
        let some = || {
            let mut rows = Vec::new();
            while let Some(folder) = take() {
                rows.extend(self.folder(c, &folder, &listing)?);
            }
            Ok::<_, Trouble>(rows)
        };
        let parts = std::thread::scope(|scope| {
            let all: Vec<_> = (0..FOLDERS_AT_ONCE).map(|_| scope.spawn(some)).collect();
            all.into_iter()
                .map(|t| t.join().unwrap_or_else(|_| Err(Trouble::Lost("a thread ended".into()))))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let mut rows: Vec<_> = parts.into_iter().flatten().collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(rows)
    }
}

/// Whether a name in a folder may be one of ours.
fn is_ours(folder: &str, name: &str) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    match folder {
        "data" => name.len() == 2 && name.bytes().all(is_hex),
        _ => Key::new(Kind::Data, name).is_ok(),
    }
}
