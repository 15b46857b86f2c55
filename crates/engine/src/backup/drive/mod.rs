//! One drive: folders and files where they stand, content and older versions of what changed,
//! verdicts.

mod content;
mod place;

use super::{failure, run::Run};
use crate::{Error, layout};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{Facts, ItemId, ItemKind, Pending, Record, fit_name, short_id};
use strongroom_repository::Found;
use strongroom_sources::{
    ErrorKind, Event,
    drive::{self as source, DriveItem},
    users::User,
};
use tokio::task::JoinSet;

/// Files of one drive that are fetched at the same time.
const AT_ONCE: usize = 6;

struct Drive {
    run: Arc<Run>,
    user: User,
    id: ItemId,
    /// Id of the drive's root folder, which is not an item of the tree.
    root: ItemId,
    base: Vec<String>,
}

/// What came of one file.
type Done = failure::Done<DriveItem>;

/// Files that are being fetched.
#[derive(Default)]
struct Work {
    tasks: JoinSet<(ItemId, Done)>,
    busy: HashSet<ItemId>,
    /// What the service does not hand out.
    withheld: Vec<Record<Pending>>,
}

/// A drive as the tree has it.
#[derive(Clone)]
struct Known {
    facts: Facts,
    path: Vec<String>,
}

/// Backs up a user's drives. Only the repository's errors come back; everything else is in the
/// run's report.
pub(super) async fn drives(run: &Arc<Run>, user: &User) -> Result<(), Error> {
    let home = vec![layout::DRIVES.to_owned(), run.room(user)];
    let mut known = Vec::new();
    for name in run.names(&layout::refs(&home))? {
        let path = layout::join(&home, &name);
        let facts = run.dir_facts(&layout::refs(&path))?;
        known
            .extend(facts.filter(|f| f.kind == ItemKind::Drive).map(|facts| Known { facts, path }));
    }
    let heads = match source::drives_of(&run.client, &user.id).await {
        Ok(heads) => heads,
        Err(e) => {
            failed(run, user, "drive", &e);
            return Ok(());
        }
    };
    if heads.is_empty() && known.iter().all(|k| k.facts.is_gone()) {
        run.coverage(&user.name, "drive", None, Some("the user has no drive"));
        return Ok(());
    }
    for k in known.iter().filter(|k| !heads.iter().any(|h| h.id == k.facts.id)) {
        earlier(run, user, k, heads.is_empty()).await?;
    }
    for (n, head) in heads.into_iter().enumerate() {
        // The user's own is the drive; others bear their name too.
        let called = if n == 0 { "drive".to_owned() } else { format!("drive {}", head.name) };
        match back_up(run, user, &home, head, &known, &called).await {
            Ok(()) => {}
            Err(Error::Graph(e)) => failed(run, user, &called, &e),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn failed(run: &Run, user: &User, called: &str, e: &strongroom_sources::Error) {
    run.access_lost(&format!("the {called} of {}", user.name), e);
    run.coverage(&user.name, called, None, Some(&e.text));
}

/// A drive that no list names any more. What it held stays. With another in its place it was
/// provisioned anew; with none, and no word that it is gone, it could not be read.
async fn earlier(run: &Arc<Run>, user: &User, known: &Known, alone: bool) -> Result<(), Error> {
    let name = known.path.last().cloned().unwrap_or_default();
    if !known.facts.is_gone() {
        match source::drive_is_there(&run.client, &known.facts.id).await {
            Ok(false) if !alone => {
                let mut facts = known.facts.clone();
                facts.gone = Some(true);
                facts.delta = None;
                facts.delta_at = None;
                run.put_dir(&layout::refs(&known.path), &facts)?;
                // They stay in the tree, and are gone from the tenant.
                run.count_deleted(files_below(run, &known.path, true)?);
            }
            Ok(_) => {
                let text = format!("no list of the drives of {} names it any more", user.name);
                let e = strongroom_sources::Error::new(ErrorKind::NotFound, text);
                failed(run, user, "drive", &e);
                return Ok(());
            }
            Err(e) => {
                failed(run, user, "drive", &e);
                return Ok(());
            }
        }
    }
    let why = "an earlier drive that is there no more; what it held stays in the backup";
    run.coverage(&user.name, &format!("drive {name}"), None, Some(why));
    Ok(())
}

async fn back_up(
    run: &Arc<Run>,
    user: &User,
    home: &[String],
    head: source::DriveHead,
    known: &[Known],
    called: &str,
) -> Result<(), Error> {
    let mut found = known.iter().find(|k| k.facts.id == head.id).cloned();
    if found.is_none() {
        let mut name = fit_name(&head.name, &head.id.0, &[]).0;
        if run.names(&layout::refs(home))?.contains(&name) {
            name = fit_name(&format!("{name}~{}", short_id(&head.id.0)), &head.id.0, &[]).0;
        }
        let path = layout::join(home, &name);
        let mut facts = Facts::new(ItemKind::Drive, head.id);
        facts.root = Some(source::root(&run.client, &facts.id).await?.id);
        run.put_dir(&layout::refs(&path), &facts)?;
        found = Some(Known { facts, path });
    }
    let Some(Known { facts: known, path: base }) = found else { return Ok(()) };
    let drive = Arc::new(Drive {
        run: run.clone(),
        user: user.clone(),
        id: known.id.clone(),
        root: known.root.clone().unwrap_or_default(),
        base,
    });
    let before = match known.count {
        Some(n) => n,
        None => drive.files(&drive.base)?,
    };
    run.pattern(&user.name, |p| p.files_before += before);
    let mut link = known.delta.clone();
    let mut again = false;
    loop {
        match drive.round(link.as_deref()).await {
            Ok((_, _, false)) if again => {
                let cause = "folders hold more than the service lists, twice";
                run.skip(&user.name, &known.id, called, cause);
                run.coverage(&user.name, called, None, Some(cause));
                return Ok(());
            }
            Ok((_, _, false)) => {
                // A page left items out: a folder holds more than was listed. Everything is listed
                // once more.
                again = true;
                link = None;
            }
            Ok((end, changed, _)) => {
                let mut facts = Facts::new(ItemKind::Drive, known.id.clone());
                facts.label = Some(user.name.clone());
                facts.root.clone_from(&known.root);
                run.keep_link(&mut facts, Some(&known), end, changed);
                let files = if changed { drive.files(&drive.base)? } else { before };
                facts.count = Some(files);
                run.put_dir(&layout::refs(&drive.base), &facts)?;
                run.coverage(&user.name, called, Some(files), None);
                for item in run.left_out(&drive.base)?.items {
                    let place = run.catalog.path(drive.owner(), &item.id.0)?;
                    let place = place.map_or_else(|| item.name.clone(), |path| path.join("/"));
                    let name = format!("drive item {place}");
                    run.coverage(&user.name, &name, None, Some(&item.cause));
                }
                // Who may see what is not read yet (docs/residue.md).
                let why = "sharing links and permissions are not kept";
                run.coverage(&user.name, &format!("permissions of the {called}"), None, Some(why));
                return Ok(());
            }
            Err(Error::Graph(e)) if e.spoils_link() && link.is_some() => link = None,
            Err(e) => return Err(e),
        }
    }
}

/// Files below a directory of the tree; at a drive's root what is the program's own is left out.
fn files_below(run: &Run, dir: &[String], is_root: bool) -> Result<u64, Error> {
    let mut n = 0;
    for name in run.names(&layout::refs(dir))? {
        if is_root && layout::RESERVED.contains(&name.as_str()) {
            continue;
        }
        let path = layout::join(dir, &name);
        n += match run.found(&layout::refs(&path))? {
            Some(Found::Dir(_)) => files_below(run, &path, false)?,
            _ => 1,
        };
    }
    Ok(n)
}

impl Drive {
    fn owner(&self) -> &str {
        &self.id.0
    }

    fn path(&self, below: &[String]) -> Vec<String> {
        [self.base.as_slice(), below].concat()
    }

    /// One delta round: the new link, whether anything changed, and whether what folders say they
    /// hold is there.
    async fn round(self: &Arc<Self>, link: Option<&str>) -> Result<(String, bool, bool), Error> {
        let run = &self.run;
        let asked = run.pending(&self.base)?;
        // What cannot be understood of the list may name any item.
        let kept_out = run.left_out(&self.base)?;
        let link = link.filter(|_| !asked.everything && !kept_out.everything);
        let mut changes = source::changes(&run.client, &self.id, link);
        let full = changes.is_full();
        let mut changed = false;
        let mut pending = Vec::new();
        let mut left_out = kept_out.items;
        if full {
            left_out.clear();
        }
        let mut work = Work::default();
        let mut seen: HashSet<ItemId> = HashSet::new();
        let mut deleted: Vec<ItemId> = Vec::new();
        let mut waiting: Vec<DriveItem> = Vec::new();
        let mut counts: HashMap<ItemId, u64> = HashMap::new();
        let mut crowded = Vec::new();
        for mut p in asked.items {
            changed = true;
            match source::item(&run.client, &self.id, &p.id).await {
                Ok(Event::Item(item)) => {
                    self.free(&mut work, &item.id, &mut pending).await?;
                    self.accept(item, &mut work, &mut waiting, &mut crowded)?
                }
                Ok(Event::Deleted(id)) => deleted.push(id),
                Ok(_) => pending.push(p),
                Err(e) if e.kind == ErrorKind::NotFound => deleted.push(p.value.id),
                Err(e) if e.is_access() => return Err(e.into()),
                Err(e) => {
                    run.skip(&self.user.name, &p.id, &p.name, &e.text);
                    p.cause = e.text;
                    pending.push(p);
                }
            }
        }
        let end = loop {
            match changes.next().await? {
                Event::Item(item) => {
                    if full {
                        seen.insert(item.id.clone());
                    }
                    deleted.retain(|id| *id != item.id);
                    if let Some(n) = item.children.filter(|_| item.left_out.is_none()) {
                        counts.insert(item.id.clone(), n);
                    }
                    if item.parent.is_none() {
                        continue;
                    }
                    changed = true;
                    left_out.retain(|p| p.id != item.id);
                    if let Some(cause) = item.left_out {
                        self.note(&item)?;
                        let (id, name) = (item.id, item.name);
                        left_out.push(Record::new(Pending { id, name, cause: cause.into() }));
                        continue;
                    }
                    self.free(&mut work, &item.id, &mut pending).await?;
                    self.accept(item, &mut work, &mut waiting, &mut crowded)?;
                }
                Event::Deleted(id) => {
                    changed = true;
                    left_out.retain(|p| p.id != id);
                    deleted.push(id);
                }
                Event::Skipped { id, name, cause } => {
                    run.skip(&self.user.name, &id, &name, &cause);
                    seen.insert(id);
                }
                Event::End { link } => break link,
            }
            run.relieve()?;
        };
        // Children that came before their folders.
        loop {
            let n = waiting.len();
            for item in std::mem::take(&mut waiting) {
                self.free(&mut work, &item.id, &mut pending).await?;
                self.accept(item, &mut work, &mut waiting, &mut crowded)?;
            }
            if waiting.is_empty() || waiting.len() == n {
                break;
            }
        }
        for item in waiting {
            run.skip(&self.user.name, &item.id, &item.name, "its folder was not listed");
            pending.push(Record::new(Pending {
                id: item.id,
                name: item.name,
                cause: "its folder was not listed".into(),
            }));
        }
        while !work.tasks.is_empty() {
            self.settle(&mut work, &mut pending).await?;
        }
        if full {
            self.unseen(&self.base.clone(), &seen, &mut deleted)?;
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
        // What the service does not hand out is named once as not read, and then in each coverage.
        let known = run.left_out(&self.base)?.items;
        for item in &work.withheld {
            if !known.iter().any(|p| p.id == item.id) {
                run.skip(&self.user.name, &item.id, &item.name, &item.cause);
            }
            left_out.retain(|p| p.id != item.id);
            left_out.push(item.clone());
        }
        run.set_pending(&self.base, pending.clone())?;
        run.set_left_out(&self.base, left_out.clone())?;
        pending.extend(left_out);
        let whole = self.is_whole(&counts, &pending)?;
        Ok((end, changed, whole))
    }

    /// Waits until another file may be fetched, and until nothing is under way for this item: a
    /// round may name it twice.
    async fn free(
        &self,
        work: &mut Work,
        id: &ItemId,
        pending: &mut Vec<Record<Pending>>,
    ) -> Result<(), Error> {
        while work.tasks.len() >= AT_ONCE || work.busy.contains(id) {
            self.settle(work, pending).await?;
        }
        // What was wrong with an earlier row is wrong no more, or told again.
        pending.retain(|p| p.id != *id);
        Ok(())
    }

    async fn settle(
        &self,
        work: &mut Work,
        pending: &mut Vec<Record<Pending>>,
    ) -> Result<(), Error> {
        let Some(done) = work.tasks.join_next().await else {
            work.busy.clear();
            return Ok(());
        };
        let (id, done) = done.map_err(|e| Error::Task(e.to_string()))?;
        work.busy.remove(&id);
        if let Some((item, cause)) = failure::settle(Some(Ok(done)))? {
            let withheld = item.file.as_ref().is_some_and(|f| f.malware);
            let record = Record::new(Pending { id: item.id, name: item.name, cause });
            if withheld {
                work.withheld.push(record);
                return Ok(());
            }
            self.run.skip(&self.user.name, &record.id, &record.name, &record.cause);
            pending.push(record);
        }
        Ok(())
    }
}
