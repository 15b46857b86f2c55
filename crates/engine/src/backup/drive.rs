//! One drive: folders and files where they stand, content and older versions of what changed, verdicts.

use super::run::Run;
use crate::{Content, Error, catalog::Place, judge, layout};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{Facts, FileState, ItemId, ItemKind, Judgement, Pending, Verdict, fit_name, limits, short_id};
use strongroom_repository::{Found, Node, Stored};
use strongroom_sources::{
    ErrorKind, Event, QuickXor,
    drive::{self as source, DriveItem},
    users::User,
};
use tokio::task::JoinSet;

/// Files of one drive that are fetched at the same time.
const AT_ONCE: usize = 6;
/// How often a file is fetched whose length or hash does not fit.
const FETCHES_MAX: usize = 6;

struct Drive {
    run: Arc<Run>,
    user: User,
    id: ItemId,
    /// Id of the drive's root folder, which is not an item of the tree.
    root: ItemId,
    base: Vec<String>,
}

enum Failure {
    Item(String),
    /// What came cannot be the item; another try may bring it.
    Again(String),
    /// Gone since it was listed.
    Gone,
    Collection(strongroom_sources::Error),
    Fatal(Error),
}

/// What came of one file.
type Done = Result<(), (DriveItem, Failure)>;

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Fatal(e)
    }
}

impl From<strongroom_repository::Error> for Failure {
    fn from(e: strongroom_repository::Error) -> Self {
        Failure::Fatal(e.into())
    }
}

impl From<strongroom_sources::Error> for Failure {
    fn from(e: strongroom_sources::Error) -> Self {
        match e.kind {
            ErrorKind::NotFound => Failure::Gone,
            ErrorKind::BadAnswer => Failure::Again(e.text),
            // One file may be denied (a label, malware); that is the item's own affair.
            ErrorKind::ApplicationUnknown | ErrorKind::CredentialRefused | ErrorKind::Throttled => Failure::Collection(e),
            _ => Failure::Item(e.text),
        }
    }
}

/// Backs up a user's drive. Only the repository's errors come back; everything else is in the run's report.
pub(super) async fn drive(run: &Arc<Run>, user: &User) -> Result<(), Error> {
    match back_up(run, user).await {
        Ok(()) => Ok(()),
        Err(Error::Graph(e)) => {
            run.access_lost(&format!("the drive of {}", user.name), &e);
            run.coverage(&user.name, "drive", None, Some(&e.text));
            Ok(())
        }
        Err(e) => Err(e),
    }
}

async fn back_up(run: &Arc<Run>, user: &User) -> Result<(), Error> {
    let home = vec![layout::DRIVES.to_owned(), fit_name(&user.name, &user.id.0, &[]).0];
    let mut found = None;
    for name in run.names(&layout::refs(&home))? {
        let path = layout::join(&home, &name);
        if let Some(facts) = run.dir_facts(&layout::refs(&path))?.filter(|f| f.kind == ItemKind::Drive) {
            found = Some((facts, path));
        }
    }
    let (known, base) = match found {
        Some((facts, path)) => (Some(facts), path),
        None => match source::drive_of(&run.client, &user.id).await? {
            Some(head) => {
                let path = layout::join(&home, &fit_name(&head.name, &head.id.0, &[]).0);
                let mut facts = Facts::new(ItemKind::Drive, head.id);
                facts.root = Some(source::root(&run.client, &facts.id).await?.id);
                run.put_dir(&layout::refs(&path), &facts)?;
                (Some(facts), path)
            }
            None => {
                run.coverage(&user.name, "drive", None, Some("the user has no drive"));
                return Ok(());
            }
        },
    };
    let Some(known) = known else { return Ok(()) };
    let drive = Arc::new(Drive { run: run.clone(), user: user.clone(), id: known.id.clone(), root: known.root.clone().unwrap_or_default(), base });
    let mut link = known.delta.clone();
    let mut again = false;
    loop {
        match drive.round(link.as_deref()).await {
            Ok((_, _, false)) if again => {
                run.skip(&user.name, &known.id, "drive", "folders hold more than the service lists, twice");
                return Ok(());
            }
            Ok((_, _, false)) => {
                // A page left items out: a folder holds more than was listed. Everything is listed once more.
                again = true;
                link = None;
            }
            Ok((end, changed, _)) => {
                let mut facts = Facts::new(ItemKind::Drive, known.id.clone());
                facts.label = Some(user.name.clone());
                facts.root.clone_from(&known.root);
                run.keep_link(&mut facts, Some(&known), end, changed);
                run.put_dir(&layout::refs(&drive.base), &facts)?;
                run.coverage(&user.name, "drive", Some(drive.files(&drive.base)?), None);
                return Ok(());
            }
            Err(Error::Graph(e)) if e.kind == ErrorKind::ResyncNeeded && link.is_some() => link = None,
            Err(e) => return Err(e),
        }
    }
}

impl Drive {
    fn owner(&self) -> &str {
        &self.id.0
    }

    fn path(&self, below: &[String]) -> Vec<String> {
        [self.base.as_slice(), below].concat()
    }

    /// Files below a directory of the tree.
    fn files(&self, dir: &[String]) -> Result<u64, Error> {
        let mut n = 0;
        for name in self.run.names(&layout::refs(dir))? {
            if dir.len() == self.base.len() && layout::RESERVED.contains(&name.as_str()) {
                continue;
            }
            let path = layout::join(dir, &name);
            n += match self.run.found(&layout::refs(&path))? {
                Some(Found::Dir(_)) => self.files(&path)?,
                _ => 1,
            };
        }
        Ok(n)
    }

    /// One delta round: the new link, whether anything changed, and whether what folders say they hold is there.
    async fn round(self: &Arc<Self>, link: Option<&str>) -> Result<(String, bool, bool), Error> {
        let run = &self.run;
        let mut changes = source::changes(&run.client, &self.id, link);
        let full = changes.is_full();
        let mut changed = false;
        let mut before = None;
        let mut pending = Vec::new();
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let mut seen: HashSet<ItemId> = HashSet::new();
        let mut deleted: Vec<ItemId> = Vec::new();
        let mut waiting: Vec<DriveItem> = Vec::new();
        let mut counts: HashMap<ItemId, u64> = HashMap::new();
        let mut crowded = Vec::new();
        let mut odd = false;
        for p in run.pending(&self.base)? {
            changed = true;
            match source::item(&run.client, &self.id, &p.id).await {
                Ok(Event::Item(item)) => self.accept(item, &mut tasks, &mut waiting, &mut crowded)?,
                Ok(Event::Deleted(id)) => deleted.push(id),
                Ok(_) => pending.push(p),
                Err(e) if e.kind == ErrorKind::NotFound => deleted.push(p.id),
                Err(e) if e.is_access() => return Err(e.into()),
                Err(e) => {
                    run.skip(&self.user.name, &p.id, &p.name, &e.text);
                    pending.push(Pending { cause: e.text, ..p });
                }
            }
        }
        let end = loop {
            match changes.next().await? {
                Event::Item(item) => {
                    if before.is_none() && item.parent.is_some() {
                        let files = self.files(&self.base)?;
                        run.pattern(&self.user.name, |p| p.files_before = p.files_before.max(files));
                        before = Some(files);
                    }
                    if full {
                        seen.insert(item.id.clone());
                    }
                    deleted.retain(|id| *id != item.id);
                    if let Some(n) = item.children {
                        counts.insert(item.id.clone(), n);
                    }
                    if item.parent.is_none() {
                        continue;
                    }
                    changed = true;
                    while tasks.len() >= AT_ONCE {
                        self.settle(tasks.join_next().await, &mut pending)?;
                    }
                    self.accept(item, &mut tasks, &mut waiting, &mut crowded)?;
                }
                Event::Deleted(id) => {
                    changed = true;
                    deleted.push(id);
                }
                Event::Skipped { id, name, cause } => {
                    run.coverage(&self.user.name, &format!("drive item {name}"), None, Some(&cause));
                    seen.insert(id);
                    odd = true;
                }
                Event::End { link } => break link,
            }
            run.relieve()?;
        };
        // Children that came before their folders.
        loop {
            let n = waiting.len();
            for item in std::mem::take(&mut waiting) {
                while tasks.len() >= AT_ONCE {
                    self.settle(tasks.join_next().await, &mut pending)?;
                }
                self.accept(item, &mut tasks, &mut waiting, &mut crowded)?;
            }
            if waiting.is_empty() || waiting.len() == n {
                break;
            }
        }
        for item in waiting {
            run.skip(&self.user.name, &item.id, &item.name, "its folder was not listed");
            pending.push(Pending { id: item.id, name: item.name, cause: "its folder was not listed".into() });
        }
        while let Some(done) = tasks.join_next().await {
            self.settle(Some(done), &mut pending)?;
        }
        if full {
            self.unseen(&self.base.clone(), &seen, &mut deleted)?;
        }
        if !deleted.is_empty() && before.is_none() {
            let files = self.files(&self.base)?;
            run.pattern(&self.user.name, |p| p.files_before = p.files_before.max(files));
        }
        let mut gone = 0;
        for id in deleted {
            gone += self.take_away(&id)?;
            changed = true;
        }
        run.count_deleted(gone);
        run.pattern(&self.user.name, |p| p.files_deleted += gone);
        // Names that were taken by something that is gone now.
        for item in crowded {
            self.place(&item)?;
        }
        run.set_pending(&self.base, pending.clone())?;
        let whole = odd || self.is_whole(&counts, &pending)?;
        Ok((end, changed, whole))
    }

    fn settle(&self, done: Option<Result<Done, tokio::task::JoinError>>, pending: &mut Vec<Pending>) -> Result<(), Error> {
        match done {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err((item, failure)))) => {
                let cause = match failure {
                    Failure::Item(cause) | Failure::Again(cause) => cause,
                    Failure::Gone => return Ok(()),
                    Failure::Collection(e) => return Err(Error::Graph(e)),
                    Failure::Fatal(e) => return Err(e),
                };
                self.run.skip(&self.user.name, &item.id, &item.name, &cause);
                pending.push(Pending { id: item.id, name: item.name, cause });
                Ok(())
            }
            Some(Err(e)) => Err(Error::Task(e.to_string())),
        }
    }

    /// Puts an item in its place and, when its content is new, sends for it.
    fn accept(self: &Arc<Self>, item: DriveItem, tasks: &mut JoinSet<Done>, waiting: &mut Vec<DriveItem>, crowded: &mut Vec<DriveItem>) -> Result<(), Error> {
        let Some(parent) = &item.parent else { return Ok(()) };
        if !self.is_root(parent) && self.run.catalog.path(self.owner(), &parent.0)?.is_none() {
            waiting.push(item);
            return Ok(());
        }
        let before = self.current(&item.id)?;
        let had_name = before.as_ref().map(|(_, path)| path.clone());
        if self.place(&item)? {
            crowded.push(item.clone());
        }
        if let (Some((node, _)), Some(file), Some(old)) = (&before, &item.file, &had_name) {
            let facts = node.facts()?;
            let state = facts.as_ref().and_then(|f| f.file.clone()).unwrap_or_default();
            let same = match &file.quick_xor {
                Some(q) => state.quick_xor.as_ref() == Some(q) && node.size_bytes() == file.size_bytes,
                None => facts.as_ref().and_then(|f| f.change_key.as_deref()) == Some(&item.e_tag),
            };
            if same {
                return self.same_content(&item, node.clone(), old);
            }
        }
        if item.file.is_some() {
            let drive = self.clone();
            tasks.spawn(async move {
                match drive.fetch(&item, before.map(|(node, _)| node)).await {
                    Ok(()) => Ok(()),
                    // Some part of it was not found. Gone is only what is not there when asked for itself.
                    Err(Failure::Gone) => match source::item(&drive.run.client, &drive.id, &item.id).await {
                        Err(e) if e.kind == ErrorKind::NotFound => Ok(()),
                        _ => Err((item, Failure::Item("the service lists it, and does not find its content".into()))),
                    },
                    Err(failure) => Err((item, failure)),
                }
            });
        }
        Ok(())
    }

    fn is_root(&self, id: &ItemId) -> bool {
        self.root == *id
    }

    /// The node of a file and its path below the drive.
    fn current(&self, id: &ItemId) -> Result<Option<(Node, Vec<String>)>, Error> {
        let Some(path) = self.run.catalog.path(self.owner(), &id.0)? else { return Ok(None) };
        Ok(match self.run.found(&layout::refs(&self.path(&path)))? {
            Some(Found::File(node)) => Some((node, path)),
            _ => None,
        })
    }

    /// Creates a folder, or moves what is there already to where it stands now. Answers whether its name was taken.
    fn place(&self, item: &DriveItem) -> Result<bool, Error> {
        let run = &self.run;
        let owner = self.owner();
        let Some(parent) = &item.parent else { return Ok(false) };
        let parent_id = if self.is_root(parent) { String::new() } else { parent.0.clone() };
        let parent_path = match parent_id.as_str() {
            "" => Vec::new(),
            id => match run.catalog.path(owner, id)? {
                Some(path) => path,
                None => return Ok(false),
            },
        };
        let reserved = if parent_path.is_empty() { layout::RESERVED } else { &[] };
        let (mut name, _) = fit_name(&item.name, &item.id.0, reserved);
        let old = run.catalog.path(owner, &item.id.0)?;
        let mut taken = false;
        let wanted = self.path(&layout::join(&parent_path, &name));
        if let Some(there) = self.id_at(&wanted)?
            && there != item.id
        {
            taken = true;
            let ext = layout::extension(&name).to_owned();
            let stem = name[..name.len() - ext.len()].to_owned();
            name = fit_name(&format!("{stem}~{}{ext}", short_id(&item.id.0)), &item.id.0, reserved).0;
        }
        let path = layout::join(&parent_path, &name);
        match old {
            Some(from) if from != path => {
                let (a, b) = (self.path(&from), self.path(&path));
                run.edit(|t| Ok(t.rename(&layout::refs(&a), &layout::refs(&b), run.began)?))?;
            }
            _ => {}
        }
        run.catalog.set(owner, &item.id.0, Place { parent: parent_id, name: name.clone() });
        if item.file.is_none() {
            let mut facts = Facts::new(ItemKind::Folder, item.id.clone());
            facts.name = (name != item.name).then(|| item.name.clone());
            facts.file = Some(FileState { created: item.created, modified: item.modified, ..FileState::default() });
            run.put_dir(&layout::refs(&self.path(&path)), &facts)?;
        }
        Ok(taken)
    }

    fn id_at(&self, path: &[String]) -> Result<Option<ItemId>, Error> {
        Ok(match self.run.found(&layout::refs(path))? {
            Some(Found::File(node)) => node.facts()?.map(|f| f.id),
            Some(Found::Dir(Some(bytes))) => Some(Facts::from_bytes(&bytes)?.id),
            _ => None,
        })
    }

    /// Name, place or times changed, the bytes did not.
    fn same_content(&self, item: &DriveItem, mut node: Node, old: &[String]) -> Result<(), Error> {
        let Some(mut facts) = node.facts()? else { return Ok(()) };
        let Some(path) = self.run.catalog.path(self.owner(), &item.id.0)? else { return Ok(()) };
        let (Some((name, dir)), Some(old_name)) = (path.split_last(), old.last()) else { return Ok(()) };
        let mut state = facts.file.clone().unwrap_or_default();
        let times = (state.created, state.modified) != (item.created, item.modified);
        if name == old_name && !times && old == path.as_slice() {
            return Ok(());
        }
        if name != old_name {
            // An extension behind the real one is judged by the name alone; the bytes are known.
            let bytes = [];
            let by_name = judge(Content { name, bytes: &bytes }, Some(Content { name: old_name, bytes: &bytes }));
            let mut j = facts.judgement.clone().unwrap_or_else(Judgement::clean);
            if j.verdict == Verdict::Clean && by_name.verdict != Verdict::Clean {
                // Its last clean state is kept now: what comes next is held against it.
                let mut clean = node.clone();
                let mut f = facts.clone();
                f.kind = ItemKind::LastClean;
                clean.set_facts(&f)?;
                let dir = self.path(&[layout::LAST_CLEAN.to_owned(), fit_name(&item.id.0, &item.id.0, &[]).0]);
                self.run.put(&layout::refs(&dir), clean)?;
            }
            for reason in by_name.reasons {
                j.raise(by_name.verdict, reason);
            }
            let appended = name.strip_prefix(old_name.as_str()).is_some_and(|r| r.starts_with('.'));
            if appended {
                self.run.pattern(&self.user.name, |p| p.files_renamed += 1);
            }
            // The old name is back: what its name alone said no longer holds.
            if old_name.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('.'))
                && facts.judgement.as_ref().is_some_and(|j| j.verdict == Verdict::Suspicious)
            {
                j = Judgement::clean();
            }
            facts.judgement = Some(j);
        }
        state.created = item.created;
        state.modified = item.modified;
        facts.file = Some(state);
        facts.change_key = Some(item.e_tag.clone());
        facts.name = (*name != item.name).then(|| item.name.clone());
        node.name.clone_from(name);
        node.modified = item.modified.unwrap_or(node.modified);
        node.set_facts(&facts)?;
        self.run.put(&layout::refs(&self.path(dir)), node)?;
        self.run.count_changed(0);
        Ok(())
    }

    /// Fetches the content of a file with its older versions, judges it and stores it.
    async fn fetch(self: &Arc<Self>, item: &DriveItem, old: Option<Node>) -> Result<(), Failure> {
        let run = &self.run;
        if item.file.as_ref().is_some_and(|f| f.malware) {
            return Err(Failure::Item("the service says that it holds malware and does not hand it out".into()));
        }
        let (stored, bytes, item) = self.content(item).await?;
        let old_facts = match &old {
            Some(node) => node.facts()?,
            None => None,
        };
        let (versions, version_id, total) = self.versions(&item, old.as_ref(), old_facts.as_ref()).await?;
        let mut base = self.baseline(&item.id, old.as_ref(), old_facts.as_ref())?;
        if old.is_none() {
            // Written and overwritten since the last run: its own older version is what to hold it against.
            base = versions.first().filter(|v| v.facts().ok().flatten().and_then(|f| f.judgement).is_none_or(|j| j.verdict == Verdict::Clean)).cloned();
        }
        let judgement = tokio::task::block_in_place(|| -> Result<Judgement, Error> {
            let before = base.as_ref().map(|node| self.head(node)).transpose()?;
            // A version has no name of its own.
            let name = base.as_ref().map_or(item.name.as_str(), |n| if old.is_some() { n.name.as_str() } else { item.name.as_str() });
            Ok(judge(Content { name: &item.name, bytes: &bytes }, before.as_deref().map(|bytes| Content { name, bytes })))
        })?;
        drop(bytes);
        run.count_verdict(&judgement);
        let mut facts = Facts::new(ItemKind::File, item.id.clone());
        facts.change_key = Some(item.e_tag.clone());
        let file = item.file.clone().unwrap_or(source::FileHead { size_bytes: 0, quick_xor: None, malware: false });
        facts.file = Some(FileState {
            created: item.created,
            modified: item.modified,
            quick_xor: file.quick_xor,
            sha256: Some(stored.sha256.to_string()),
            version_id,
            versions: total,
        });
        facts.judgement = Some(judgement.clone());
        let Some(path) = run.catalog.path(self.owner(), &item.id.0)? else { return Ok(()) };
        let Some((name, dir)) = path.split_last() else { return Ok(()) };
        facts.name = (*name != item.name).then(|| item.name.clone());
        let mut node = Node::file(name.clone(), stored.content, stored.size_bytes, item.modified.unwrap_or(run.began));
        node.set_facts(&facts)?;
        let versions_dir = self.path(&[layout::VERSIONS.to_owned(), fit_name(&item.id.0, &item.id.0, &[]).0]);
        let clean_dir = self.path(&[layout::LAST_CLEAN.to_owned(), fit_name(&item.id.0, &item.id.0, &[]).0]);
        let keep = (judgement.verdict != Verdict::Clean).then_some(base).flatten();
        run.edit(|tree| {
            for v in versions {
                tree.put(&layout::refs(&versions_dir), v)?;
            }
            tree.put(&layout::refs(&self.path(dir)), node)?;
            match keep {
                Some(mut clean) => {
                    if let Some(mut f) = clean.facts()? {
                        f.kind = ItemKind::LastClean;
                        clean.set_facts(&f)?;
                    }
                    tree.remove(&layout::refs(&clean_dir))?;
                    tree.put(&layout::refs(&clean_dir), clean)?;
                }
                None => {
                    tree.remove(&layout::refs(&clean_dir))?;
                    tree.prune_empty(&layout::refs(&clean_dir[..clean_dir.len() - 1]), self.base.len())?;
                }
            }
            Ok(())
        })?;
        let flushed = old_facts.as_ref().and_then(|f| f.file.as_ref()).is_some_and(|f| f.versions > total);
        let reasons = judgement.reasons.clone();
        run.pattern(&self.user.name, |p| {
            use strongroom_model::Reason as R;
            p.encrypted += u64::from(judgement.verdict == Verdict::Encrypted);
            p.notes += u64::from(reasons.contains(&R::RansomNote));
            p.suspicious += u64::from(judgement.verdict == Verdict::Suspicious);
            p.flushed += u64::from(flushed);
            p.emptied += u64::from(stored.size_bytes == 0 && old.as_ref().is_some_and(|o| o.size_bytes() > 0));
            p.files_renamed += u64::from(reasons.contains(&R::ExtensionAppended));
        });
        match old {
            Some(_) => run.count_changed(stored.size_bytes),
            None => run.count_new(stored.size_bytes),
        }
        Ok(())
    }

    /// The bytes of a file, checked by length and provider hash; those in memory are for the judge.
    async fn content(&self, item: &DriveItem) -> Result<(Stored, Vec<u8>, DriveItem), Failure> {
        let mut item = item.clone();
        let mut why = String::new();
        for _ in 0..FETCHES_MAX {
            let Some(head) = item.file.clone() else { return Err(Failure::Item("it is a folder now".into())) };
            let (stored, bytes, hash) = match head.size_bytes {
                0 => (self.run.repo.put_content(&[], strongroom_repository::Cut::Plain)?, Vec::new(), QuickXor::default().finish()),
                _ => match self.read(source::download(&self.run.client, &self.id, &item.id)).await {
                    Ok(read) => read,
                    Err(Failure::Again(cause)) => {
                        why = cause;
                        continue;
                    }
                    Err(e) => return Err(e),
                },
            };
            let fits = stored.size_bytes == head.size_bytes && head.quick_xor.as_ref().is_none_or(|q| *q == hash);
            if fits {
                return Ok((stored, bytes, item));
            }
            why = match stored.size_bytes == head.size_bytes {
                true => "the bytes that came do not have the hash that the service announces".to_owned(),
                false => format!("{} bytes came where {} are announced", stored.size_bytes, head.size_bytes),
            };
            // It may have changed since it was listed.
            match source::item(&self.run.client, &self.id, &item.id).await? {
                Event::Item(now) => item = now,
                _ => return Err(Failure::Gone),
            }
        }
        Err(Failure::Item(why))
    }

    async fn read(&self, mut download: strongroom_sources::Download<'_>) -> Result<(Stored, Vec<u8>, String), Failure> {
        let mut hash = QuickXor::default();
        let mut kept = Vec::new();
        let mut stream = self.run.repo.stream();
        while let Some(piece) = download.next().await? {
            tokio::task::block_in_place(|| {
                hash.update(&piece);
                stream.push(&piece)
            })?;
            let room = (limits::JUDGE_BYTES_MAX as usize).saturating_sub(kept.len());
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        let stored = tokio::task::block_in_place(|| stream.finish())?;
        Ok((stored, kept, hash.finish()))
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
    fn baseline(&self, id: &ItemId, old: Option<&Node>, facts: Option<&Facts>) -> Result<Option<Node>, Error> {
        let clean = facts.and_then(|f| f.judgement.as_ref()).is_none_or(|j| j.verdict == Verdict::Clean);
        if clean {
            return Ok(old.cloned());
        }
        let dir = self.path(&[layout::LAST_CLEAN.to_owned(), fit_name(&id.0, &id.0, &[]).0]);
        for name in self.run.names(&layout::refs(&dir))? {
            if let Some(Found::File(node)) = self.run.found(&layout::refs(&layout::join(&dir, &name)))? {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    /// Nodes of older versions that are not stored yet, the current version's id, and how many older ones there are.
    async fn versions(&self, item: &DriveItem, old: Option<&Node>, facts: Option<&Facts>) -> Result<(Vec<Node>, Option<String>, u32), Failure> {
        let run = &self.run;
        if run.options.versions_max == 0 {
            return Ok((Vec::new(), None, 0));
        }
        let (all, current) = source::versions(&run.client, &self.id, &item.id).await?;
        let total = all.len() as u32;
        let dir = self.path(&[layout::VERSIONS.to_owned(), fit_name(&item.id.0, &item.id.0, &[]).0]);
        let stored: HashSet<String> = run.names(&layout::refs(&dir))?.into_iter().collect();
        let last = facts.and_then(|f| f.file.as_ref()).and_then(|f| f.version_id.clone());
        let mut nodes = Vec::new();
        for v in all.iter().rev().take(run.options.versions_max) {
            let name = fit_name(&format!("{}{}", v.id, layout::extension(&item.name)), &v.id, &[]).0;
            if stored.contains(&name) {
                continue;
            }
            let mut f = Facts::new(ItemKind::Version, item.id.clone());
            let modified = v.modified.unwrap_or(run.began);
            let mut node = match old.filter(|o| last.as_ref() == Some(&v.id) && o.size_bytes() == v.size_bytes) {
                // What was current last time is an older version now: its bytes are here.
                Some(node) => {
                    f.judgement = facts.and_then(|f| f.judgement.clone());
                    let mut node = node.clone();
                    node.name = name;
                    node.modified = modified;
                    node
                }
                None => {
                    let Some((content, bytes)) = self.version(&item.id, v).await? else { continue };
                    let j = tokio::task::block_in_place(|| judge(Content { name: &item.name, bytes: &bytes }, None));
                    run.count_verdict(&j);
                    f.judgement = Some(j);
                    Node::file(name, content.content, content.size_bytes, modified)
                }
            };
            f.file = Some(FileState { modified: v.modified, version_id: Some(v.id.clone()), ..FileState::default() });
            node.set_facts(&f)?;
            nodes.push(node);
        }
        Ok((nodes, current, total))
    }

    /// The bytes of an older version, checked by length; `None` when the service trimmed it meanwhile.
    async fn version(&self, id: &ItemId, v: &source::Version) -> Result<Option<(Stored, Vec<u8>)>, Failure> {
        if v.size_bytes == 0 {
            return Ok(Some((self.run.repo.put_content(&[], strongroom_repository::Cut::Plain)?, Vec::new())));
        }
        let mut came = 0;
        for _ in 0..FETCHES_MAX {
            match self.read(source::download_version(&self.run.client, &self.id, id, &v.id)).await {
                Ok((content, bytes, _)) if content.size_bytes == v.size_bytes => return Ok(Some((content, bytes))),
                Ok((content, ..)) => came = content.size_bytes,
                Err(Failure::Again(_)) => {}
                Err(Failure::Gone) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        Err(Failure::Item(format!("{came} bytes of version {} came where {} are announced", v.id, v.size_bytes)))
    }

    /// Ids in the tree that a full listing did not name.
    fn unseen(&self, dir: &[String], seen: &HashSet<ItemId>, out: &mut Vec<ItemId>) -> Result<(), Error> {
        for name in self.run.names(&layout::refs(dir))? {
            if dir.len() == self.base.len() && layout::RESERVED.contains(&name.as_str()) {
                continue;
            }
            let path = layout::join(dir, &name);
            let Some(id) = self.id_at(&path)? else { continue };
            if seen.contains(&id) {
                if matches!(self.run.found(&layout::refs(&path))?, Some(Found::Dir(_))) {
                    self.unseen(&path, seen, out)?;
                }
            } else if !out.contains(&id) {
                out.push(id);
            }
        }
        Ok(())
    }

    /// Removes an item with all below and its versions; answers how many files that were.
    fn take_away(&self, id: &ItemId) -> Result<u64, Error> {
        let run = &self.run;
        let path = run.catalog.path(self.owner(), &id.0)?;
        run.catalog.forget(self.owner(), &id.0);
        let Some(path) = path else { return Ok(0) };
        let full = self.path(&path);
        let (files, ids) = match run.found(&layout::refs(&full))? {
            None => return Ok(0),
            Some(Found::File(_)) => (1, vec![id.clone()]),
            Some(Found::Dir(_)) => {
                let mut ids = Vec::new();
                self.below(&full, &mut ids)?;
                (self.files(&full)?, ids)
            }
        };
        run.remove(&layout::refs(&full))?;
        for id in ids {
            for dir in [layout::VERSIONS, layout::LAST_CLEAN] {
                let path = self.path(&[dir.to_owned(), fit_name(&id.0, &id.0, &[]).0]);
                run.remove(&layout::refs(&path))?;
                run.edit(|t| Ok(t.prune_empty(&layout::refs(&path[..path.len() - 1]), self.base.len())?))?;
            }
        }
        Ok(files)
    }

    fn below(&self, dir: &[String], out: &mut Vec<ItemId>) -> Result<(), Error> {
        for name in self.run.names(&layout::refs(dir))? {
            let path = layout::join(dir, &name);
            out.extend(self.id_at(&path)?);
            if matches!(self.run.found(&layout::refs(&path))?, Some(Found::Dir(_))) {
                self.below(&path, out)?;
            }
        }
        Ok(())
    }

    /// Whether each folder that came with its number of children holds as many, but for those that were skipped.
    fn is_whole(&self, counts: &HashMap<ItemId, u64>, pending: &[Pending]) -> Result<bool, Error> {
        if !pending.is_empty() {
            return Ok(true);
        }
        for (id, expected) in counts {
            let path = match self.is_root(id) {
                true => Some(Vec::new()),
                false => self.run.catalog.path(self.owner(), &id.0)?,
            };
            let Some(path) = path else { continue };
            let names = self.run.names(&layout::refs(&self.path(&path)))?;
            let have = names.iter().filter(|n| !(path.is_empty() && layout::RESERVED.contains(&n.as_str()))).count() as u64;
            if have < *expected {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
