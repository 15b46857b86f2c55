//! What an item holds: its content, its older versions, and what is thought of them.

use super::{belongings::Belongings, place::Begun, run::Run};
use crate::{Error, JudgedContent as Judged, judge, layout};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use strongroom_model::{
    Facts, FileState, ItemId, ItemKind, Judgement, Verdict, VerdictReason, fit_name, limits,
};
use strongroom_repository::{ContentStream, Cut, Found, Node, Repository, Stored};
use strongroom_workloads::workload::{
    Collection, Content, ContentStore, ContentWriter, Failure, Fetched, Form, Item, OlderPut, Put,
    Refused,
};

/// What stopped the reading of one item.
pub(super) enum Stop {
    /// This item only: it is named, its previous version stays, the next run asks again.
    Item(String),
    /// Gone since it was listed: its deletion comes with the next news.
    Gone,
    /// The whole collection.
    Collection(strongroom_workloads::Error),
    /// The repository: nothing more is committed.
    Fatal(Error),
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Stop::Fatal(e)
    }
}

impl From<strongroom_repository::Error> for Stop {
    fn from(e: strongroom_repository::Error) -> Self {
        Stop::Fatal(e.into())
    }
}

impl Stop {
    pub(super) fn of(failure: Failure, pieces: Option<&Pieces>) -> Self {
        match failure {
            Failure::Item(cause) | Failure::Again(cause) => Stop::Item(cause),
            Failure::Gone => Stop::Gone,
            Failure::Collection(e) => Stop::Collection(e),
            Failure::Store => {
                let why = pieces.and_then(|p| lock(&p.refused).take());
                Stop::Fatal(why.unwrap_or_else(|| Error::Task("the store refused".into())))
            }
        }
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The repository as a workload sees it while one item is fetched.
pub(super) struct Pieces {
    repo: Arc<Repository>,
    /// Bytes from the beginning of each content that are kept for the judge.
    head_bytes: usize,
    stored: Mutex<Vec<Stored>>,
    refused: Mutex<Option<Error>>,
}

impl Pieces {
    fn new(repo: Arc<Repository>, is_judged: bool) -> Self {
        let head_bytes = if is_judged { limits::JUDGE_BYTES_MAX as usize } else { 0 };
        let (stored, refused) = (Mutex::default(), Mutex::default());
        Self { repo, head_bytes, stored, refused }
    }

    fn keep(&self, stored: Stored, head: Vec<u8>) -> Put {
        let mut all = lock(&self.stored);
        let (size_bytes, sha256) = (stored.size_bytes, stored.sha256.to_string());
        all.push(stored);
        Put { number: all.len() - 1, size_bytes, sha256, head }
    }

    fn refuse(&self, e: strongroom_repository::Error) -> Refused {
        lock(&self.refused).get_or_insert(e.into());
        Refused
    }

    /// The pieces of a content.
    fn node(&self, put: &Put, name: &str, modified: jiff::Timestamp) -> Result<Node, Error> {
        let all = lock(&self.stored);
        let stored = all.get(put.number).ok_or_else(|| Error::Task("a content is lost".into()))?;
        Ok(Node::file(name, stored.content.clone(), stored.size_bytes, modified))
    }
}

impl ContentStore for Pieces {
    fn put(&self, bytes: &[u8], form: Form) -> Result<Put, Refused> {
        let cut = match form {
            Form::Plain => Cut::Plain,
            Form::Mime => Cut::Mime,
        };
        let stored = tokio::task::block_in_place(|| self.repo.put_content(bytes, cut));
        let stored = stored.map_err(|e| self.refuse(e))?;
        Ok(self.keep(stored, bytes[..bytes.len().min(self.head_bytes)].to_vec()))
    }

    fn writer(&self) -> Box<dyn ContentWriter + '_> {
        Box::new(Piecewise { pieces: self, stream: self.repo.stream(), head: Vec::new() })
    }
}

struct Piecewise<'p> {
    pieces: &'p Pieces,
    stream: ContentStream<'p>,
    head: Vec<u8>,
}

impl ContentWriter for Piecewise<'_> {
    fn push(&mut self, piece: &[u8]) -> Result<(), Refused> {
        let room = self.pieces.head_bytes.saturating_sub(self.head.len());
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        let pushed = tokio::task::block_in_place(|| self.stream.push(piece));
        pushed.map_err(|e| self.pieces.refuse(e))
    }

    fn finish(self: Box<Self>) -> Result<Put, Refused> {
        let Self { pieces, stream, head } = *self;
        let stored = tokio::task::block_in_place(|| stream.finish());
        Ok(pieces.keep(stored.map_err(|e| pieces.refuse(e))?, head))
    }
}

/// The older versions that are stored with an item.
struct Older {
    nodes: Vec<Node>,
    current: Option<String>,
    /// How many the tenant holds.
    total: u32,
    /// Why one of them could not be read.
    unread: Option<String>,
}

/// How often an item that changes while it is fetched is begun anew.
const CHANGES_MAX: usize = 10;

impl Belongings {
    /// Fetches the content of an item with its older versions, judges it and stores it.
    pub(super) async fn fetch(
        &self,
        c: &Collection,
        item: Arc<dyn Item>,
        old: Option<Node>,
    ) -> Result<(), Stop> {
        if let Some(why) = item.withheld() {
            return Err(Stop::Item(why.to_owned()));
        }
        let (mut item, mut old) = (item, old);
        for _ in 0..CHANGES_MAX {
            let pieces = Pieces::new(self.run.repo.clone(), self.profile().is_judged);
            let Some(file) = self.file(c, item.id())? else { return Ok(()) };
            let fetched = item.fetch(self.of(), c, &file, &pieces).await;
            match fetched.map_err(|e| Stop::of(e, Some(&pieces)))? {
                Fetched::Content(content) => {
                    return self.keep(c, item, old, *content, &pieces).await;
                }
                Fetched::Gone => return Ok(()),
                Fetched::Newer(now) => {
                    item = now;
                    match self.begin(c, &item)? {
                        Begun::Stands { fetch: Some(before), .. } => old = *before,
                        Begun::Stands { .. } => return Ok(()),
                        Begun::Waits => return Err(Stop::Item("its folder was not listed".into())),
                    }
                }
            }
        }
        Err(Stop::Item("it changes faster than it can be read".into()))
    }

    /// What the file of an item is called, as the catalog has it.
    fn file(&self, c: &Collection, id: &ItemId) -> Result<Option<String>, Error> {
        let path = self.run.catalog.path(&self.part(&c.id), &id.0)?;
        Ok(path.and_then(|mut p| p.pop()))
    }

    async fn keep(
        &self,
        c: &Collection,
        item: Arc<dyn Item>,
        old: Option<Node>,
        content: Content,
        pieces: &Pieces,
    ) -> Result<(), Stop> {
        let run: &Run = &self.run;
        let Content { main, mut facts, sidecars, unproven, newer } = content;
        let item = newer.unwrap_or(item);
        if let Some(why) = unproven {
            let name = format!("{} {}", self.profile().item, item.name());
            run.coverage(&self.owner.name, &name, Some(1), Some(&why));
        }
        let old_facts = match &old {
            Some(node) => node.facts()?,
            None => None,
        };
        let older =
            self.versions(c, item.as_ref(), old.as_ref(), old_facts.as_ref(), pieces).await?;
        if self.profile().has_versions {
            let state = facts.file.get_or_insert_default();
            state.version_id.clone_from(&older.current);
            state.versions = (older.total > 0).then_some(older.total);
            if older.unread.is_some() {
                // Nothing in the record is what the service says, so that all of it is asked for
                // again.
                (state.quick_xor, facts.change_key) = (None, None);
            }
        }
        let mut base = None;
        if self.profile().is_judged {
            base = self.baseline(c, item.id(), old.as_ref(), old_facts.as_ref())?;
            if old.is_none() {
                // Written and overwritten since the last run: its own older version is what to hold
                // it against.
                base = match older.nodes.first() {
                    Some(v) => {
                        let judged = v.facts()?.and_then(|f| f.judgement);
                        judged.is_none_or(|j| j.verdict == Verdict::Clean).then(|| v.clone())
                    }
                    None => None,
                };
            }
            let judgement = tokio::task::block_in_place(|| -> Result<Judgement, Error> {
                let before = base.as_ref().map(|node| self.head(node)).transpose()?;
                // A version has no name of its own.
                let name = base.as_ref().map_or(item.name(), |n| {
                    if old.is_some() { n.name.as_str() } else { item.name() }
                });
                Ok(judge(
                    Judged { name: item.name(), bytes: &main.head },
                    before.as_deref().map(|bytes| Judged { name, bytes }),
                ))
            })?;
            run.count_verdict(&judgement);
            facts.judgement = Some(judgement);
        }
        let root = self.root(c);
        let Some(path) = run.catalog.path(&self.part(&c.id), &item.id().0)? else { return Ok(()) };
        let Some((name, above)) = path.split_last() else { return Ok(()) };
        let dir = [&root[..], above].concat();
        let modified = item.modified().unwrap_or(run.began);
        let mut node = pieces.node(&main, name, modified)?;
        if let Some(before) = &old_facts {
            facts.carry_rest_of(before);
        }
        node.set_facts(&facts)?;
        let mut beside = Vec::new();
        let stem = &name[..name.len() - layout::extension(name).len()];
        for s in &sidecars {
            let mut node = pieces.node(&s.put, &format!("{stem}{}", s.suffix), modified)?;
            node.set_facts(&s.facts)?;
            beside.push(node);
        }
        // Asked for again since an older version could not be read: it was counted.
        let is_same = |o: &Node| o.name == node.name && o.content() == node.content();
        let is_known = old.as_ref().is_some_and(is_same);
        self.place_content(c, item.id(), &facts, (&dir, node, beside), (base, older.nodes))?;
        self.watch(item.id(), &facts, old_facts.as_ref().map(|f| (f, is_known)), older.total);
        match old {
            Some(_) => run.count_changed(main.size_bytes),
            None => {
                self.count_in(&self.path(&c.path), 1)?;
                run.count_new(main.size_bytes);
            }
        }
        older.unread.map_or(Ok(()), |cause| Err(Stop::Item(cause)))
    }

    /// Content, what lies beside it, versions and the last clean one, in one edit.
    fn place_content(
        &self,
        c: &Collection,
        id: &ItemId,
        facts: &Facts,
        (dir, node, beside): (&[String], Node, Vec<Node>),
        (base, versions): (Option<Node>, Vec<Node>),
    ) -> Result<(), Error> {
        let profile = self.profile();
        // What lay beside the earlier content and belongs to this no more.
        let kept: HashSet<&str> = beside.iter().map(|n| n.name.as_str()).collect();
        let mut stale = self.sidecars(dir, &node.name, id)?;
        stale.retain(|n| !kept.contains(n.as_str()));
        let versions_dir = self.own_directory(c, layout::VERSIONS, id);
        let clean_dir = self.own_directory(c, layout::LAST_CLEAN, id);
        let keep = self.path(&c.path).len();
        let is_clean = facts.judgement.as_ref().is_none_or(|j| j.verdict == Verdict::Clean);
        let last_clean = if is_clean { None } else { base };
        self.run.edit(|tree| {
            for v in versions {
                tree.put(&layout::refs(&versions_dir), v)?;
            }
            for name in &stale {
                tree.remove(&layout::refs(&layout::join(dir, name)))?;
            }
            tree.put(&layout::refs(dir), node)?;
            for node in beside {
                tree.put(&layout::refs(dir), node)?;
            }
            if !profile.is_judged {
                return Ok(());
            }
            tree.remove(&layout::refs(&clean_dir))?;
            match last_clean {
                Some(mut clean) => {
                    if let Some(mut f) = clean.facts()? {
                        f.kind = ItemKind::LastClean;
                        clean.set_facts(&f)?;
                    }
                    tree.put(&layout::refs(&clean_dir), clean)?;
                }
                None => {
                    let above = &clean_dir[..clean_dir.len() - 1];
                    tree.prune_empty(&layout::refs(above), keep)?;
                }
            }
            Ok(())
        })
    }

    /// What the pattern of the run is made of.
    fn watch(&self, id: &ItemId, facts: &Facts, before: Option<(&Facts, bool)>, versions: u32) {
        let Some(j) = &facts.judgement else { return };
        let had = before.and_then(|(f, _)| f.file.as_ref()).and_then(|f| f.versions);
        let flushed = had.is_some_and(|had| had > versions);
        let is_counted =
            before.is_some_and(|(f, is_same)| is_same && f.judgement.as_ref() == Some(j));
        self.pattern(|p| {
            p.flushed += u64::from(flushed);
            if is_counted {
                return;
            }
            p.encrypted += u64::from(j.verdict == Verdict::Encrypted);
            p.notes += u64::from(j.reasons.contains(&VerdictReason::RansomNote));
            p.rename(id, j.reasons.contains(&VerdictReason::ExtensionAppended));
        });
    }

    /// As much of a stored file as the judge looks at.
    fn head(&self, node: &Node) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for id in node.content() {
            if bytes.len() as u64 >= limits::JUDGE_BYTES_MAX {
                break;
            }
            bytes.extend(self.run.repo.read_blob(strongroom_repository::BlobKind::Data, id)?);
        }
        bytes.truncate(limits::JUDGE_BYTES_MAX as usize);
        Ok(bytes)
    }

    /// The last clean version of an item, against which a new one is judged.
    fn baseline(
        &self,
        c: &Collection,
        id: &ItemId,
        old: Option<&Node>,
        facts: Option<&Facts>,
    ) -> Result<Option<Node>, Error> {
        let clean =
            facts.and_then(|f| f.judgement.as_ref()).is_none_or(|j| j.verdict == Verdict::Clean);
        if clean {
            return Ok(old.cloned());
        }
        let dir = self.own_directory(c, layout::LAST_CLEAN, id);
        for name in self.run.names(&layout::refs(&dir))? {
            if let Some(Found::File(node)) =
                self.run.found(&layout::refs(&layout::join(&dir, &name)))?
            {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    /// Nodes of older versions that are not stored yet.
    async fn versions(
        &self,
        c: &Collection,
        item: &dyn Item,
        old: Option<&Node>,
        facts: Option<&Facts>,
        pieces: &Pieces,
    ) -> Result<Older, Stop> {
        let run = &self.run;
        if !self.profile().has_versions || run.options.versions_max == 0 {
            return Ok(Older { nodes: Vec::new(), current: None, total: 0, unread: None });
        }
        let all = item.versions(self.of(), c).await.map_err(|e| match e {
            Failure::Gone => {
                Stop::Item("the service lists it, and does not find its versions".into())
            }
            e => Stop::of(e, None),
        })?;
        let dir = self.own_directory(c, layout::VERSIONS, item.id());
        let stored: HashSet<String> = run.names(&layout::refs(&dir))?.into_iter().collect();
        let last = facts.and_then(|f| f.file.as_ref()).and_then(|f| f.version_id.clone());
        let (mut nodes, mut unread) = (Vec::new(), None);
        for v in all.older.iter().rev().take(run.options.versions_max) {
            let name =
                fit_name(&format!("{}{}", v.id, layout::extension(item.name())), &v.id, &[]).0;
            if stored.contains(&name) {
                continue;
            }
            let mut f = Facts::new(ItemKind::Version, item.id().clone());
            let modified = v.modified.unwrap_or(run.began);
            let was_current =
                |o: &&Node| last.as_ref() == Some(&v.id) && v.size_bytes == Some(o.size_bytes());
            let mut node = match old.filter(was_current) {
                // What was current last time is an older version now: its bytes are here.
                Some(node) => {
                    f.judgement = facts.and_then(|f| f.judgement.clone());
                    let mut node = node.clone();
                    node.name = name;
                    node.modified = modified;
                    node
                }
                None => {
                    let put = item.fetch_version(self.of(), c, v, pieces).await;
                    let put = match put.map_err(|e| Stop::of(e, Some(pieces))) {
                        Ok(put) => put,
                        // An older version keeps the current one from nothing.
                        Err(Stop::Item(cause)) => {
                            unread.get_or_insert(format!("its version {}: {cause}", v.id));
                            continue;
                        }
                        Err(stop) => return Err(stop),
                    };
                    let Some(OlderPut { put, unproven }) = put else { continue };
                    if let Some(why) = unproven {
                        let name = format!("version {} of {}", v.id, item.name());
                        run.coverage(&self.owner.name, &name, Some(1), Some(&why));
                    }
                    if self.profile().is_judged {
                        let j = tokio::task::block_in_place(|| {
                            judge(Judged { name: item.name(), bytes: &put.head }, None)
                        });
                        run.count_verdict(&j);
                        f.judgement = Some(j);
                    }
                    pieces.node(&put, &name, modified)?
                }
            };
            f.file = Some(FileState {
                modified: v.modified,
                version_id: Some(v.id.clone()),
                ..FileState::default()
            });
            node.set_facts(&f)?;
            nodes.push(node);
        }
        Ok(Older { nodes, current: all.current, total: all.older.len() as u32, unread })
    }
}
