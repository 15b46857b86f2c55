//! What an item holds: its content, its older versions, and what is thought of them.

use super::{
    belongings::Belongings,
    messages::{self, CleanMessage},
    place::Begun,
    run::Run,
    tally::{self, Came, Changed, Count},
    versions::{Called, judged},
};
use crate::{Error, known, layout};
use jiff::Timestamp;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use strongroom_content::{ContentExaminer, ContentRecord, judge_message, name_before};
use strongroom_model::{Facts, ItemId, Judgement, Verdict, VerdictReason};
use strongroom_repository::{ContentStream, Cut, Node, Repository, Stored};
use strongroom_workloads::workload::{
    Collection, Compared, Content, ContentStore, ContentWriter, Failure, Fetched, Form, Item,
    Judged, Put, Refused,
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

/// A content that is in the repository, and what is known of it where it is judged.
struct Kept {
    stored: Stored,
    record: Option<ContentRecord>,
}

/// The repository as a workload sees it while one item is fetched.
pub(super) struct Pieces {
    repo: Arc<Repository>,
    is_judged: bool,
    kept: Mutex<Vec<Kept>>,
    refused: Mutex<Option<Error>>,
}

impl Pieces {
    fn new(repo: Arc<Repository>, is_judged: bool) -> Self {
        Self { repo, is_judged, kept: Mutex::default(), refused: Mutex::default() }
    }

    fn examiner(&self) -> Option<ContentExaminer> {
        self.is_judged.then(ContentExaminer::new)
    }

    fn keep(&self, stored: Stored, examiner: Option<ContentExaminer>) -> Put {
        let record = examiner.map(|e| e.finish(&stored.sha256.0));
        let mut all = lock(&self.kept);
        let (size_bytes, sha256) = (stored.size_bytes, stored.sha256.to_string());
        all.push(Kept { stored, record });
        Put { number: all.len() - 1, size_bytes, sha256 }
    }

    fn refuse(&self, e: strongroom_repository::Error) -> Refused {
        lock(&self.refused).get_or_insert(e.into());
        Refused
    }

    /// The pieces of a content.
    pub(super) fn node(
        &self,
        put: &Put,
        name: &str,
        modified: jiff::Timestamp,
    ) -> Result<Node, Error> {
        let all = lock(&self.kept);
        let kept = all.get(put.number).ok_or_else(|| Error::Task("a content is lost".into()))?;
        let Stored { content, size_bytes, .. } = &kept.stored;
        Ok(Node::file(name, content.clone(), *size_bytes, modified))
    }

    /// What is known of a content; nothing of what is not judged. It is given once.
    pub(super) fn record(&self, put: &Put) -> Option<ContentRecord> {
        lock(&self.kept).get_mut(put.number)?.record.take()
    }
}

impl ContentStore for Pieces {
    fn put(&self, bytes: &[u8], form: Form) -> Result<Put, Refused> {
        let cut = match form {
            Form::Plain => Cut::Plain,
            Form::Mime => Cut::Mime,
        };
        tokio::task::block_in_place(|| {
            let stored = self.repo.put_content(bytes, cut).map_err(|e| self.refuse(e))?;
            let mut examiner = self.examiner();
            if let Some(e) = &mut examiner {
                e.push(bytes);
            }
            Ok(self.keep(stored, examiner))
        })
    }

    fn writer(&self) -> Box<dyn ContentWriter + '_> {
        let (stream, examiner) = (self.repo.stream(), self.examiner());
        Box::new(Piecewise { pieces: self, stream, examiner })
    }
}

struct Piecewise<'p> {
    pieces: &'p Pieces,
    stream: ContentStream<'p>,
    examiner: Option<ContentExaminer>,
}

impl ContentWriter for Piecewise<'_> {
    fn push(&mut self, piece: &[u8]) -> Result<(), Refused> {
        let pushed = tokio::task::block_in_place(|| {
            if let Some(e) = &mut self.examiner {
                e.push(piece);
            }
            self.stream.push(piece)
        });
        pushed.map_err(|e| self.pieces.refuse(e))
    }

    fn finish(self: Box<Self>) -> Result<Put, Refused> {
        let Self { pieces, stream, examiner } = *self;
        tokio::task::block_in_place(|| {
            let stored = stream.finish().map_err(|e| pieces.refuse(e))?;
            Ok(pieces.keep(stored, examiner))
        })
    }
}

const YEAR_S: i64 = 360 * 86_400;

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
        if let Some(node) = &old
            && let Some(facts) = node.facts()?
            && item.compare(&facts, node.size_bytes()) == Compared::Unsure
        {
            let told = item.ask(self.of(), &facts).await.map_err(|e| Stop::of(e, None))?;
            if matches!(told, Compared::Same | Compared::State) {
                return Ok(self.stays(c, item.as_ref(), (node.clone(), facts))?);
            }
        }
        let (mut item, mut old) = (item, old);
        for _ in 0..CHANGES_MAX {
            let pieces =
                Pieces::new(self.run.repo.clone(), self.profile().judged == Judged::Content);
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

    /// An item that stands where it belongs, and of which only asking told that its content stayed.
    fn stays(&self, c: &Collection, item: &dyn Item, stored: (Node, Facts)) -> Result<(), Error> {
        let path = self.run.catalog.path(&self.part(&c.id), &item.id().0)?.unwrap_or_default();
        let Some((name, above)) = path.split_last() else { return Ok(()) };
        self.renew(c, item, stored, &[&self.root(c)[..], above].concat(), name)
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
        let Content { main, mut facts, sidecars, message, unproven, newer } = content;
        let item = newer.unwrap_or(item);
        if let Some(why) = unproven {
            let name = format!("{} {}", self.profile().item, item.name());
            run.coverage(&self.owner.name, &name, Some(1), Some(&why));
        }
        let old_facts = match &old {
            Some(node) => node.facts()?,
            None => None,
        };
        let before = old.as_ref().zip(old_facts.as_ref());
        let judged_by = self.profile().judged;
        let (mut clean, again) = match judged_by == Judged::Content {
            true => tokio::task::block_in_place(|| self.baseline(c, item.id(), before))?,
            false => (None, Vec::new()),
        };
        let in_tree = self.file(c, item.id())?.unwrap_or_else(|| item.name().to_owned());
        // Where nothing is stored yet: before somebody put something behind it.
        let called = Called { in_tree: name_before(&in_tree), real: name_before(item.name()) };
        let mut older =
            self.versions(c, item.as_ref(), before, pieces, (&called, &mut clean)).await?;
        older.nodes.extend(again);
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
        if let Some(record) = pieces.record(&main) {
            let judgement = judged(item.name(), &record, clean.as_ref());
            let of = (item.id(), item.name());
            let judgement = self.ruled(c, of, Some(&main.sha256), judgement)?;
            run.count_verdict(&judgement);
            facts.judgement = Some(judgement);
            facts.content = Some(known::to_store(&record));
        }
        let mut clean_message = None;
        if let Some(now) = message.filter(|_| judged_by == Judged::Message) {
            let judgement = tokio::task::block_in_place(|| {
                clean_message = self.clean_message(c, item.id(), before, &now)?;
                let before = clean_message.as_ref().map(|c| &c.message);
                Ok::<_, Error>(judge_message(&now, before).judgement())
            })?;
            let of = (item.id(), item.name());
            let judgement = self.ruled(c, of, Some(&main.sha256), judgement)?;
            run.count_verdict(&judgement);
            facts.judgement = Some(judgement);
            facts.content = Some(messages::to_store(&now));
            messages::fit(&mut facts)?;
        }
        let last_clean = match (facts.judgement.as_ref().is_none_or(Judgement::is_clean), clean) {
            (true, _) => Vec::new(),
            (false, Some(clean)) => vec![clean.into_last_clean()?],
            (false, None) => {
                let kept = clean_message.map(CleanMessage::into_last_clean).transpose()?;
                kept.unwrap_or_default()
            }
        };
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
        let (came, folder) = (tally::of_content(&node), self.folder_of(c, item.as_ref()));
        self.place_content(c, item.id(), (&dir, node, beside), (last_clean, older.nodes))?;
        self.watch(item.id(), &facts, old_facts.as_ref().map(|f| (f, is_known)), older.total);
        match old {
            Some(old) => {
                self.watch_change(item.as_ref(), &old, (&folder, name), (came, main.size_bytes));
                run.count_changed(main.size_bytes);
            }
            None => {
                self.watch_new(&folder, modified, (came, &main));
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
        (dir, node, beside): (&[String], Node, Vec<Node>),
        (last_clean, versions): (Vec<Node>, Vec<Node>),
    ) -> Result<(), Error> {
        let profile = self.profile();
        // What lay beside the earlier content and belongs to this no more.
        let kept: HashSet<&str> = beside.iter().map(|n| n.name.as_str()).collect();
        let mut stale = self.sidecars(dir, &node.name, id)?;
        stale.retain(|n| !kept.contains(n.as_str()));
        let versions_dir = self.own_directory(c, layout::VERSIONS, id);
        let clean_dir = self.own_directory(c, layout::LAST_CLEAN, id);
        let keep = self.path(&c.path).len();
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
            if profile.judged == Judged::Nothing {
                return Ok(());
            }
            tree.remove(&layout::refs(&clean_dir))?;
            if last_clean.is_empty() {
                let above = &clean_dir[..clean_dir.len() - 1];
                tree.prune_empty(&layout::refs(above), keep)?;
            }
            for node in last_clean {
                tree.put(&layout::refs(&clean_dir), node)?;
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
        let damage = j.damage();
        // Whatever a thing that is seen first was held against, was its own older version.
        let is_odd = before.is_none() && !j.reasons.iter().any(|r| r.is_of_a_change());
        let written = facts.file.as_ref().and_then(|f| f.modified);
        let is_out_of_hours = self.run.options.calendar.as_ref().is_some_and(|calendar| {
            written.is_some_and(|at| calendar.hours.is_some() && !calendar.is_at_school(at))
        });
        let is_encrypted = j.verdict == Verdict::Encrypted;
        self.pattern(|p| {
            p.flushed += u64::from(flushed);
            if is_counted {
                return;
            }
            p.encrypted += u64::from(is_encrypted);
            p.notes += u64::from(j.reasons.contains(&VerdictReason::RansomNote));
            p.rename(id, j.reasons.contains(&VerdictReason::ExtensionAppended));
            let is_note = j.reasons.contains(&VerdictReason::RansomNote);
            p.tally.count(Count::Notes, u64::from(is_note));
            p.tally.count(Count::First, u64::from(before.is_none()));
            match damage {
                // One that is an alarm by itself is told.
                Some(_) if is_odd => p.tally.count(Count::Odd, u64::from(!is_encrypted)),
                Some(damage) => {
                    p.tally.damaged(id, damage);
                    p.tally.count(Count::Encrypted, u64::from(is_encrypted));
                    p.tally.count(Count::OutOfHours, u64::from(is_out_of_hours));
                }
                None => {}
            }
        });
    }

    /// One that got another content.
    fn watch_change(
        &self,
        item: &dyn Item,
        old: &Node,
        (folder, name): (&str, &str),
        (is, bytes): (Option<u64>, u64),
    ) {
        let judged = self.profile().judged;
        if judged == Judged::Nothing {
            return;
        }
        let (was, bytes_before) = (tally::of_content(old), old.size_bytes());
        let called = match old.name == *name {
            false if judged == Judged::Content => tally::renamed(&old.name, name, folder),
            // A message is called by its subject.
            _ => None,
        };
        let changed = Changed { item: tally::of_item(item.id()), was, is, bytes_before, bytes };
        self.pattern(|p| {
            p.tally.renamed(item.id(), called);
            if was != is {
                p.tally.changed(changed);
            }
        });
    }

    /// One that came. What a first backup finds came before it; when it was written tells what is
    /// usual here.
    fn watch_new(&self, folder: &str, written: Timestamp, (content, main): (Option<u64>, &Put)) {
        let run = &self.run;
        if run.is_first() {
            let age_s = run.began.as_second() - written.as_second();
            let is_of_last_year = (0..YEAR_S).contains(&age_s);
            self.pattern(|p| p.tally.count(Count::Past, u64::from(is_of_last_year)));
            return;
        }
        let (folder, bytes) = (tally::number_of(&[folder.as_bytes()]), main.size_bytes);
        self.pattern(|p| p.tally.came(Came { folder, bytes, content }));
    }
}
