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
use strongroom_model::{Facts, ItemId, ItemKind, Pending, Record, fit_name};
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

/// Backs up a user's drive. Only the repository's errors come back; everything else is in the run's
/// report.
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
        if let Some(facts) =
            run.dir_facts(&layout::refs(&path))?.filter(|f| f.kind == ItemKind::Drive)
        {
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
    let drive = Arc::new(Drive {
        run: run.clone(),
        user: user.clone(),
        id: known.id.clone(),
        root: known.root.clone().unwrap_or_default(),
        base,
    });
    let mut link = known.delta.clone();
    let mut again = false;
    loop {
        match drive.round(link.as_deref()).await {
            Ok((_, _, false)) if again => {
                run.skip(
                    &user.name,
                    &known.id,
                    "drive",
                    "folders hold more than the service lists, twice",
                );
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
                run.put_dir(&layout::refs(&drive.base), &facts)?;
                run.coverage(&user.name, "drive", Some(drive.files(&drive.base)?), None);
                return Ok(());
            }
            Err(Error::Graph(e)) if e.kind == ErrorKind::ResyncNeeded && link.is_some() => {
                link = None
            }
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

    /// One delta round: the new link, whether anything changed, and whether what folders say they
    /// hold is there.
    async fn round(self: &Arc<Self>, link: Option<&str>) -> Result<(String, bool, bool), Error> {
        let run = &self.run;
        let asked = run.pending(&self.base)?;
        // What cannot be understood of the list may name any item.
        let link = link.filter(|_| !asked.everything);
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
        for mut p in asked.items {
            changed = true;
            match source::item(&run.client, &self.id, &p.id).await {
                Ok(Event::Item(item)) => {
                    self.accept(item, &mut tasks, &mut waiting, &mut crowded)?
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
                    if before.is_none() && item.parent.is_some() {
                        let files = self.files(&self.base)?;
                        run.pattern(&self.user.name, |p| {
                            p.files_before = p.files_before.max(files)
                        });
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
                    run.coverage(
                        &self.user.name,
                        &format!("drive item {name}"),
                        None,
                        Some(&cause),
                    );
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
            pending.push(Record::new(Pending {
                id: item.id,
                name: item.name,
                cause: "its folder was not listed".into(),
            }));
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

    fn settle(
        &self,
        done: Option<Result<Done, tokio::task::JoinError>>,
        pending: &mut Vec<Record<Pending>>,
    ) -> Result<(), Error> {
        if let Some((item, cause)) = failure::settle(done)? {
            self.run.skip(&self.user.name, &item.id, &item.name, &cause);
            pending.push(Record::new(Pending { id: item.id, name: item.name, cause }));
        }
        Ok(())
    }
}
