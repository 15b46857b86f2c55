//! SFTP: a folder of another host, through the `ssh` of this one.
//!
//! `ssh` brings what people have set up already: keys, agents, hosts to jump over. Nobody is asked
//! for a password, and a server whose key is not in the file that the settings name is told
//! nothing.

mod connection;
mod listing;
mod wire;

use crate::{
    Entry, Key, Kind, Put, RetryPolicy, Store, StoreError, bounds, path_of,
    store_failures::StoreFailures,
};
use bytes::Bytes;
use connection::{Connection, Trouble};
use listing::Listing;
use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use wire::{Attributes, PART_BYTES, Reply, Request, Type, ask, open, status};

/// How to reach a folder of another host.
#[derive(Debug, Clone)]
pub struct SftpSettings {
    /// The host, or what the configuration of ssh calls it.
    pub host: String,
    /// Its port; ssh's own when absent.
    pub port: Option<u16>,
    /// Who signs in; ssh's own choice when absent.
    pub user: Option<String>,
    /// The repository's folder; a relative one begins where the server puts who signs in.
    pub path: String,
    /// Private key; an agent's, or what ssh finds, when absent.
    pub identity_file: Option<PathBuf>,
    /// The server's host key, as `known_hosts` files have it.
    pub known_hosts_file: PathBuf,
    /// The program and its first arguments; `ssh` when empty.
    pub ssh_command: Vec<String>,
}

impl SftpSettings {
    /// Why they cannot work.
    pub(crate) fn problem(&self) -> Option<String> {
        // They become arguments of a program.
        let is_plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:@\\".contains(c))
        };
        if !is_plain(&self.host) {
            return Some(format!("{:?} is no host's name", self.host));
        }
        if let Some(user) = self.user.as_ref().filter(|user| !is_plain(user)) {
            return Some(format!("{user:?} is no user's name"));
        }
        (self.path.is_empty() || self.path.contains('\0'))
            .then(|| format!("{:?} is no folder", self.path))
    }
}

/// A repository in a folder of another host. Calls block; use it from ordinary threads.
///
/// An object appears by a hard link from `tmp/` where the server offers that, so a name is either
/// absent or whole, and an existing one is never overwritten. Elsewhere it appears by a rename once
/// its absence was seen: two that write one name at the same moment may then both hear that it is
/// new. An object's name is its hash, so both wrote the same; of `config` what stands there is read
/// back.
///
/// SFTP opens what a name leads to. What stands there is looked at first, as are the folders on the
/// way to it, and once more when it is open; whoever has the account of the server can exchange it
/// between two of these looks, and delays that one read.
pub struct SftpServer {
    settings: SftpSettings,
    live: Mutex<Option<Arc<Connection>>>,
    /// Folders whose new names may not be on disk.
    unsynced: Mutex<BTreeSet<String>>,
    patience: RetryPolicy,
}

/// Parts of a file that are in flight.
const PARTS_AT_ONCE: usize = 64;

/// The folders below the root that lead to an object.
fn folders(key: &Key) -> Vec<String> {
    match key.kind() {
        Kind::Config => Vec::new(),
        Kind::Data => vec!["data".to_owned(), format!("data/{}", &key.name()[..2])],
        kind => vec![kind.as_str().to_owned()],
    }
}

/// What a look at an object found.
struct Found {
    size_bytes: Option<u64>,
    /// Folders on the way to it that are not there.
    missing: Vec<String>,
}

impl SftpServer {
    /// Connects lazily; only bad settings fail here.
    pub fn new(settings: SftpSettings) -> Result<Self, StoreError> {
        let store = Self {
            settings,
            live: Mutex::default(),
            unsynced: Mutex::default(),
            patience: RetryPolicy::short(),
        };
        match store.settings.problem() {
            Some(why) => Err(store.refused("set up the connection", why)),
            None => Ok(store),
        }
    }

    /// The same with another patience.
    pub fn with_patience(self, patience: RetryPolicy) -> Self {
        Self { patience, ..self }
    }

    fn path(&self, below: &str) -> String {
        format!("{}/{below}", self.settings.path.trim_end_matches('/'))
    }

    fn too_large(&self, key: &Key, size: u64) -> StoreError {
        let most = key.kind().bytes_max();
        self.damaged(key, format!("it has {size} bytes; {most} is the most of its kind"))
    }

    /// The connection, opened anew where the last one ended.
    fn connection(&self) -> Result<Arc<Connection>, Trouble> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = live.as_ref().filter(|c| !c.is_over()) {
            return Ok(connection.clone());
        }
        let connection = Arc::new(Connection::open(&self.settings)?);
        *live = Some(connection.clone());
        Ok(connection)
    }

    /// Does a piece of work, and does it again from its beginning on another connection where one
    /// broke. It is told how often it was begun before.
    fn work<T>(
        &self,
        action: &str,
        work: impl Fn(&Connection, u32) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let mut waiting = self.patience.begin();
        loop {
            let connection = self.connection();
            let is_reached = connection.is_ok();
            let done = connection.and_then(|connection| work(&connection, waiting.tries));
            if is_reached && !matches!(done, Err(Trouble::Lost(_))) {
                self.patience.answered();
            }
            match done {
                Ok(done) => return Ok(done),
                Err(Trouble::Store(e)) => return Err(e),
                Err(Trouble::Refused(why)) => return Err(self.refused(action, why)),
                Err(Trouble::Lost(why)) => {
                    tracing::debug!("{action}, again: {why}");
                    // One that lets in and then says nothing does so each time; what cannot be
                    // reached is an outage.
                    let goes_on = match is_reached {
                        true => waiting.again_at_once(),
                        false => waiting.again(Duration::ZERO),
                    };
                    if !goes_on {
                        return Err(self.failed(action, why));
                    }
                }
            }
        }
    }

    /// An answer that is no yes, as an error.
    fn no(&self, action: &str, reply: &Reply) -> StoreError {
        let Reply::Status { code, words } = reply else {
            return self.failed(action, "the server answers something else than it was asked");
        };
        let says = if words.is_empty() { "no reason is given" } else { words.as_str() };
        match *code {
            status::NO_SUCH_FILE => {
                StoreError::NotFound { key: action.to_owned(), location: self.location() }
            }
            status::PERMISSION_DENIED | status::UNSUPPORTED => self.refused(action, says),
            status::FAILURE => self.failed(action, format!("the server says: {says}")),
            code => self.failed(action, format!("the server says: {says} ({code})")),
        }
    }

    fn ok(&self, action: &str, reply: &Reply) -> Result<(), StoreError> {
        match reply {
            Reply::Status { code: status::OK, .. } => Ok(()),
            other => Err(self.no(action, other)),
        }
    }

    fn handle(&self, action: &str, reply: &Reply) -> Result<Bytes, StoreError> {
        match reply {
            Reply::Handle(handle) => Ok(handle.clone()),
            other => Err(self.no(action, other)),
        }
    }

    /// What stands in a place; `None` where nothing does.
    fn stands(&self, what: &str, reply: &Reply) -> Result<Option<(Type, Attributes)>, StoreError> {
        match reply {
            Reply::Attributes(found) => match found.kind() {
                Some(kind) => Ok(Some((kind, *found))),
                None => Err(self.failed(
                    &format!("look at {what}"),
                    "the server does not say whether it is a file",
                )),
            },
            Reply::Status { code: status::NO_SUCH_FILE, .. } => Ok(None),
            other => Err(self.no(&format!("look at {what}"), other)),
        }
    }

    /// Whether a folder of the repository is there. A link in the place of one would lead to
    /// somebody else's files, to be listed, read and removed.
    fn is_folder(&self, folder: &str, reply: &Reply) -> Result<bool, StoreError> {
        match self.stands(folder, reply)? {
            None => Ok(false),
            Some((Type::Directory, _)) => Ok(true),
            Some((found, _)) => Err(self.refused(
                &format!("use {folder}"),
                format!(
                    "it is {} and no directory, and what it leads to may be somebody else's; put \
                     the repository's own directory in its place",
                    found.called()
                ),
            )),
        }
    }

    fn lstat(&self, below: &str) -> Request {
        Request::new(ask::LSTAT).text(&self.path(below))
    }

    /// Looks at an object and at the folders on the way to it, all at once.
    fn look(&self, c: &Connection, key: &Key) -> Result<Found, Trouble> {
        self.look_through(c, key, folders(key))
    }

    /// The same, and at where it is prepared: nothing is written through a link in that place.
    fn look_to_write(&self, c: &Connection, key: &Key) -> Result<Found, Trouble> {
        let mut folders = folders(key);
        folders.push("tmp".to_owned());
        self.look_through(c, key, folders)
    }

    fn look_through(
        &self,
        c: &Connection,
        key: &Key,
        folders: Vec<String>,
    ) -> Result<Found, Trouble> {
        let mut requests: Vec<Request> = folders.iter().map(|f| self.lstat(f)).collect();
        requests.push(self.lstat(&path_of(key)));
        let replies = c.ask_all(requests)?;
        let mut missing = Vec::new();
        for (folder, reply) in folders.iter().zip(&replies) {
            if !self.is_folder(folder, reply)? {
                missing.push(folder.clone());
            }
        }
        let object = replies.last().map(|r| self.stands(&key.to_string(), r)).transpose()?;
        let size_bytes = match object.flatten() {
            None => None,
            Some((Type::File, found)) => Some(self.length(key, &found)?),
            Some((found, _)) => {
                return Err(self
                    .damaged(key, format!("it is {} and no file", found.called()))
                    .into());
            }
        };
        Ok(Found { size_bytes, missing })
    }

    /// A length that is not said is no absence.
    fn length(&self, key: &Key, found: &Attributes) -> Result<u64, StoreError> {
        found.size_bytes.ok_or_else(|| {
            self.failed(&format!("look at {key}"), "the server does not say how long it is")
        })
    }

    /// Makes folders, each after the one above it; one that is there is left.
    fn make(&self, c: &Connection, below: &[String]) -> Result<(), Trouble> {
        if below.is_empty() {
            return Ok(());
        }
        self.make_root(c)?;
        for folder in below {
            let made = c.ask(Request::new(ask::MKDIR).text(&self.path(folder)).rights(None))?;
            if let Err(e) = self.ok(&format!("make {folder}"), &made) {
                // Somebody else may have made it at this moment.
                if !self.is_folder(folder, &c.ask(self.lstat(folder))?)? {
                    return Err(e.into());
                }
            }
        }
        Ok(())
    }

    /// Makes the repository's own folder, and those above it that are not there.
    fn make_root(&self, c: &Connection) -> Result<(), Trouble> {
        let path = self.settings.path.trim_end_matches('/');
        let ends = path.match_indices('/').map(|(n, _)| n);
        // The root itself is there.
        for end in ends.chain([path.len()]).filter(|n| *n > 0) {
            let part = &path[..end];
            let there = c.ask(Request::new(ask::LSTAT).text(part))?;
            if matches!(there, Reply::Status { code: status::NO_SUCH_FILE, .. }) {
                let made = c.ask(Request::new(ask::MKDIR).text(part).rights(None))?;
                let is_made = self.ok("make the folder", &made);
                let there = c.ask(Request::new(ask::LSTAT).text(part))?;
                if !matches!(there, Reply::Attributes(_)) {
                    is_made?;
                }
            }
        }
        Ok(())
    }

    /// A file with these bytes in `tmp/`, on disk, from which an object can appear in one step.
    fn prepare(&self, c: &Connection, key: &Key, bytes: &[u8]) -> Result<String, Trouble> {
        let action = format!("write {key}");
        if bytes.len() as u64 > key.kind().bytes_max() {
            return Err(self.beyond(&action, key, bytes.len() as u64).into());
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| self.failed(&action, e.to_string()))?;
        let name =
            format!("tmp/{}-{}", &key.name()[..key.name().len().min(16)], hex::encode(random));
        let path = self.path(&name);
        let new = Request::new(ask::OPEN).text(&path).u32(open::NEW).rights(Some(0o444));
        let handle = self.handle(&action, &c.ask(new)?)?;
        let written = self.fill(c, &action, &handle, bytes);
        if let Err(Trouble::Store(_)) = &written {
            c.tell(Request::new(ask::CLOSE).bytes(&handle));
            let _ = c.ask(Request::new(ask::REMOVE).text(&path));
        }
        written.map(|()| path)
    }

    /// Writes all of a file, to the disk where the server can say so, and closes it.
    fn fill(
        &self,
        c: &Connection,
        action: &str,
        handle: &Bytes,
        bytes: &[u8],
    ) -> Result<(), Trouble> {
        let mut flight = c.flight();
        let mut offset = 0;
        for part in bytes.chunks(PART_BYTES) {
            if flight.asked >= PARTS_AT_ONCE {
                self.ok(action, &flight.next()?.1)?;
            }
            flight.ask(Request::new(ask::WRITE).bytes(handle).u64(offset).bytes(part))?;
            offset += part.len() as u64;
        }
        // All of it is done in the order in which it is asked. What a server could not write behind
        // its own back it may say at the end.
        if c.can.fsync {
            flight.ask(Request::new(ask::EXTENDED).text("fsync@openssh.com").bytes(handle))?;
        }
        flight.ask(Request::new(ask::CLOSE).bytes(handle))?;
        while flight.asked > 0 {
            self.ok(action, &flight.next()?.1)?;
        }
        Ok(())
    }

    /// Lets a prepared file appear as an object; no when an object of this name is there.
    fn publish(&self, c: &Connection, key: &Key, from: &str) -> Result<bool, Trouble> {
        let to = self.path(&path_of(key));
        let action = format!("write {key}");
        let mut is_linked = None;
        if c.can.hardlink {
            let link =
                Request::new(ask::EXTENDED).text("hardlink@openssh.com").text(from).text(&to);
            let linked = c.ask(link)?;
            is_linked = match self.ok(&action, &linked) {
                Ok(()) => Some(true),
                // It does not say why. Where nothing is there, its disk knows no links.
                Err(_) => self.look(c, key)?.size_bytes.map(|_| false),
            };
        }
        if let Some(is_new) = is_linked {
            // The object stands, whatever becomes of this.
            c.ask(Request::new(ask::REMOVE).text(from))?;
            return Ok(is_new);
        }
        // Nothing was there a moment ago, and honest servers do not rename over what is there now.
        let renamed = c.ask(Request::new(ask::RENAME).text(from).text(&to))?;
        let Err(why) = self.ok(&action, &renamed) else { return Ok(true) };
        let there = self.look(c, key)?.size_bytes;
        c.ask(Request::new(ask::REMOVE).text(from))?;
        if there.is_some() { Ok(false) } else { Err(why.into()) }
    }

    fn owe_sync(&self, key: &Key) {
        let mut folders = folders(key);
        folders.push(String::new());
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(folders);
    }

    /// Reads an object, or a part of it.
    fn read(&self, c: &Connection, key: &Key, part: Option<&Range<u64>>) -> Result<Bytes, Trouble> {
        let action = format!("read {key}");
        if self.look(c, key)?.size_bytes.is_none() {
            return Err(self.absent(key).into());
        }
        let path = self.path(&path_of(key));
        let opened = c.ask(Request::new(ask::OPEN).text(&path).u32(open::READ).rights(None))?;
        let handle = match self.handle(&action, &opened) {
            Err(e) if e.is_not_found() => return Err(self.absent(key).into()),
            other => other?,
        };
        let read = self.read_open(c, key, &handle, part);
        c.tell(Request::new(ask::CLOSE).bytes(&handle));
        read
    }

    fn read_open(
        &self,
        c: &Connection,
        key: &Key,
        handle: &Bytes,
        part: Option<&Range<u64>>,
    ) -> Result<Bytes, Trouble> {
        let action = format!("read {key}");
        let found =
            self.stands(&key.to_string(), &c.ask(Request::new(ask::FSTAT).bytes(handle))?)?;
        let size = match found {
            Some((Type::File, found)) => self.length(key, &found)?,
            Some((found, _)) => {
                return Err(self
                    .damaged(key, format!("it is {} and no file", found.called()))
                    .into());
            }
            None => return Err(self.absent(key).into()),
        };
        let range = part.cloned().unwrap_or(0..size);
        let cut = || self.damaged(key, format!("it ends before byte {}", range.end));
        if size < range.end {
            return Err(cut().into());
        }
        let length = range.end.saturating_sub(range.start);
        if length > key.kind().bytes_max() {
            return Err(self.too_large(key, size).into());
        }
        let mut all = vec![0; usize::try_from(length).unwrap_or_default()];
        let mut to_ask: VecDeque<(usize, usize)> = (0..all.len())
            .step_by(PART_BYTES)
            .map(|n| (n, PART_BYTES.min(all.len() - n)))
            .collect();
        let mut asked = std::collections::HashMap::new();
        let (mut flight, mut so_far) = (c.flight(), 0_u64);
        loop {
            while flight.asked < PARTS_AT_ONCE
                && let Some((at, length)) = to_ask.pop_front()
            {
                let request = Request::new(ask::READ)
                    .bytes(handle)
                    .u64(range.start + at as u64)
                    .u32(u32::try_from(length).unwrap_or_default());
                asked.insert(flight.ask(request)?, (at, length));
            }
            if flight.asked == 0 {
                return Ok(all.into());
            }
            let (id, reply) = flight.next()?;
            let Some((at, length)) = asked.remove(&id) else { continue };
            match reply {
                Reply::Data(bytes) if !bytes.is_empty() && bytes.len() <= length => {
                    all[at..at + bytes.len()].copy_from_slice(&bytes);
                    so_far += bytes.len() as u64;
                    if bytes.len() < length {
                        to_ask.push_front((at + bytes.len(), length - bytes.len()));
                    }
                }
                Reply::Data(bytes) => {
                    let why = format!("{} bytes came where {length} were asked for", bytes.len());
                    return Err(self.failed(&action, why).into());
                }
                Reply::Status { code: status::EOF, .. } => return Err(cut().into()),
                other => return Err(self.no(&action, &other).into()),
            }
            if flight.is_too_slow(so_far) {
                return Err(self.failed(&action, bounds::slow(so_far)).into());
            }
        }
    }

    /// Forces the names in a folder to disk, where the server opens one as a file.
    fn sync(&self, c: &Connection, folder: &str) -> Result<(), Trouble> {
        let path = match folder {
            "" => self.settings.path.clone(),
            folder => self.path(folder),
        };
        let opened = c.ask(Request::new(ask::OPEN).text(&path).u32(open::READ).rights(None))?;
        let Ok(handle) = self.handle("open a folder", &opened) else { return Ok(()) };
        let sync = Request::new(ask::EXTENDED).text("fsync@openssh.com").bytes(&handle);
        let synced = c.ask(sync)?;
        c.tell(Request::new(ask::CLOSE).bytes(&handle));
        if let Err(e) = self.ok("force a folder to disk", &synced) {
            tracing::debug!("{e}");
        }
        Ok(())
    }
}

impl Store for SftpServer {
    fn location(&self) -> String {
        let s = &self.settings;
        let user = s.user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
        let port = s.port.map(|p| format!(":{p}")).unwrap_or_default();
        format!("sftp:{user}{}{port}/{}", s.host, s.path)
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<Put, StoreError> {
        let length = bytes.len() as u64;
        let (put, is_repeated) = self.work(&format!("write {key}"), |c, tries| {
            let is_repeated = tries > 0;
            let found = self.look_to_write(c, key)?;
            let is_new = match found.size_bytes {
                Some(_) => false,
                None => {
                    self.make(c, &found.missing)?;
                    let temporary = self.prepare(c, key, bytes)?;
                    self.publish(c, key, &temporary)?
                }
            };
            if is_new && key.kind() != Kind::Config {
                return Ok((Put::New, is_repeated));
            }
            // What a first try did before its answer was lost is this writer's. And where a rename
            // may have gone over another's `config`, what stands there decides.
            if key.kind() == Kind::Config {
                let is_mine = (is_new || is_repeated) && self.read(c, key, None)? == bytes;
                return Ok((if is_mine { Put::New } else { Put::Present }, is_repeated));
            }
            match self.look(c, key)?.size_bytes {
                Some(there) if there != length => {
                    let why = format!("it has {there} bytes and should have {length}");
                    Err(self.damaged(key, why).into())
                }
                _ => Ok((Put::Present, is_repeated)),
            }
        })?;
        // One that is there may be of a first try, whose answer was lost.
        if put == Put::New || is_repeated {
            self.owe_sync(key);
        }
        Ok(put)
    }

    fn is_distant(&self) -> bool {
        true
    }

    fn flush(&self) -> Result<(), StoreError> {
        let owed =
            std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        let synced = self.work("force folders to disk", |c, _| {
            let folders = if c.can.fsync { owed.iter() } else { Default::default() };
            for folder in folders {
                self.sync(c, folder)?;
            }
            Ok(())
        });
        if synced.is_err() {
            self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(owed);
        }
        synced
    }

    fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.work(&format!("read {key}"), |c, _| self.read(c, key, None))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.work(&format!("read {key}"), |c, _| self.read(c, key, Some(&range)))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        self.work(&format!("look at {key}"), |c, _| Ok(self.look(c, key)?.size_bytes))
    }

    fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        if kind == Kind::Config {
            let size = self.size(&Key::config())?;
            let row = size.map(|size_bytes| Entry { name: "config".to_owned(), size_bytes });
            return Ok(row.into_iter().collect());
        }
        let rows = self.work(&format!("list {}", kind.as_str()), |c, _| self.kind(c, kind))?;
        let files = rows.into_iter().filter(|(_, found, _)| *found == Type::File);
        Ok(files
            .map(|(name, _, found)| Entry {
                name,
                size_bytes: found.size_bytes.unwrap_or(u64::MAX),
            })
            .collect())
    }

    fn strangers(&self, kind: Kind) -> Result<Vec<String>, StoreError> {
        if kind == Kind::Config {
            return Ok(Vec::new());
        }
        let rows = self.work(&format!("list {}", kind.as_str()), |c, _| self.kind(c, kind))?;
        let others = rows.into_iter().filter(|(_, found, _)| *found != Type::File);
        let say = |name: &str, found: Type| {
            format!("{}/{name} is {} and no file: none of ours", kind.as_str(), found.called())
        };
        Ok(others.map(|(name, found, _)| say(&name, found)).collect())
    }

    fn replace(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let action = format!("replace {key}");
        self.work(&action, |c, _| {
            let found = self.look_to_write(c, key)?;
            self.make(c, &found.missing)?;
            let from = self.prepare(c, key, bytes)?;
            let to = self.path(&path_of(key));
            let rename = match c.can.posix_rename {
                true => Request::new(ask::EXTENDED)
                    .text("posix-rename@openssh.com")
                    .text(&from)
                    .text(&to),
                false => {
                    // The protocol has no other way: for a moment neither is there.
                    if found.size_bytes.is_some() {
                        self.ok(&action, &c.ask(Request::new(ask::REMOVE).text(&to))?)?;
                    }
                    Request::new(ask::RENAME).text(&from).text(&to)
                }
            };
            let renamed = c.ask(rename)?;
            if let Err(e) = self.ok(&action, &renamed) {
                c.tell(Request::new(ask::REMOVE).text(&from));
                return Err(e.into());
            }
            Ok(())
        })?;
        self.owe_sync(key);
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let action = format!("remove {key}");
        self.work(&action, |c, _| {
            for folder in folders(key) {
                if !self.is_folder(&folder, &c.ask(self.lstat(&folder))?)? {
                    return Ok(());
                }
            }
            let path = self.path(&path_of(key));
            match self.ok(&action, &c.ask(Request::new(ask::REMOVE).text(&path))?) {
                Err(e) if !e.is_not_found() => Err(e.into()),
                _ => Ok(()),
            }
        })
    }

    fn sweep(&self, before: jiff::Timestamp) -> Result<u64, StoreError> {
        self.work("sweep tmp", |c, _| {
            let listing = Listing::begin();
            let mut swept = 0;
            for (name, found, of) in self.folder(c, "tmp", &listing)? {
                let is_old = of.modified_s.is_some_and(|s| i64::from(s) < before.as_second());
                if found != Type::File || !is_old {
                    continue;
                }
                let path = self.path(&format!("tmp/{name}"));
                match self.ok("sweep tmp", &c.ask(Request::new(ask::REMOVE).text(&path))?) {
                    Ok(()) => swept += 1,
                    // Its writer was quicker.
                    Err(e) if e.is_not_found() => {}
                    Err(e) => return Err(e.into()),
                }
            }
            Ok(swept)
        })
    }
}
