//! One collection: pending items first, then its news, or everything anew where the two do not
//! fit; held against the service's own numbers.

use super::{
    belongings::{Belongings, Open},
    content::Stop,
    place::Begun,
};
use crate::{Error, layout};
use futures::FutureExt;
use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
};
use strongroom_model::{Cursor, ItemId, Pending, Record, SourceEvent};
use strongroom_workloads::{
    ErrorKind,
    workload::{Collection, IdScope, Item, ItemChange, LeftOut, ListingRow},
};
use tokio::task::JoinSet;

/// How the reading of a collection ended.
pub(super) enum Reading {
    /// All of it was read.
    Whole {
        /// What is not in it any more.
        left: HashSet<ItemId>,
        /// Rows whose name was another's.
        crowded: Vec<ListingRow>,
        cursor: Cursor,
        changed: bool,
    },
    /// It went while it was read; the next list will say so.
    Gone,
    /// It could not be read whole, and why.
    Failed(String),
}

/// What came of one item: who it was, and what stopped it.
type Done = Result<(), (String, Stop)>;

/// A task that ended: which id, the item where it was listed whole, and what came of it.
type Ended = (ItemId, Option<Arc<dyn Item>>, Done);

/// A round that is under way.
#[derive(Default)]
struct Work {
    tasks: JoinSet<Ended>,
    busy: HashSet<ItemId>,
    pending: Vec<Record<Pending>>,
    left_out: Vec<Record<Pending>>,
    /// What the service does not hand out.
    withheld: Vec<Record<Pending>>,
    /// What came before its container.
    waiting: Vec<ListingRow>,
    /// Ids of those that wait.
    waits: HashSet<ItemId>,
    crowded: Vec<ListingRow>,
    /// How many things stand below a container, as the service says; the top has no id.
    children: HashMap<Option<ItemId>, u64>,
    left: HashSet<ItemId>,
    seen: HashSet<ItemId>,
    changed: bool,
    /// Something was told of whose container was not.
    is_unplaced: bool,
}

impl Work {
    /// What an earlier row said of a thing counts no more: a round may name it twice, first as it
    /// was on the way.
    fn is_told_again(&mut self, id: &ItemId) {
        self.crowded.retain(|row| row.id() != Some(id));
        if self.waits.remove(id) {
            self.waiting.retain(|row| row.id() != Some(id));
        }
    }

    fn wait(&mut self, row: ListingRow) {
        self.waits.extend(row.id().cloned());
        self.waiting.push(row);
    }

    fn take_waiting(&mut self) -> Vec<ListingRow> {
        self.waits.clear();
        std::mem::take(&mut self.waiting)
    }
}

/// What a round found.
struct Round {
    cursor: Cursor,
    work: Work,
    /// Items that are in the tree and that a full list did not name.
    unseen: HashSet<ItemId>,
}

impl Belongings {
    /// Reads one collection.
    pub(super) async fn collection(&self, o: &Open) -> Result<Reading, Error> {
        let mut cursor = o.collection.facts.delta.clone().map(Cursor);
        if self.is_broken_off && !self.profile().is_counted {
            cursor = None;
        }
        let mut listings = 0;
        loop {
            let is_full = cursor.is_none();
            let round = match self.round(&o.collection, cursor.as_ref()).await {
                Ok(round) => round,
                Err(Error::Graph(e)) if e.invalidates_link() && cursor.is_some() => {
                    cursor = None;
                    continue;
                }
                Err(Error::Graph(e)) => return self.unread(o, e).await,
                Err(e) => return Err(e),
            };
            // A page may have left items out. The service's own numbers show it; then everything is
            // listed once more.
            let counted = match round.work.changed || is_full || self.is_broken_off {
                true => match self.workload.count(self.of(), &o.collection).await {
                    Ok(n) => n,
                    // What was not counted was not read whole.
                    Err(e) => return self.unread(o, e).await,
                },
                false => None,
            };
            let amiss = match round.work.is_unplaced && !is_full {
                // News that speak of what they do not show are not all the news.
                true => Some("things are listed whose folder is not".to_owned()),
                false => self.amiss(&o.collection, &round, counted)?,
            };
            listings += 1;
            match amiss {
                None => {
                    let Round { cursor, work, unseen } = round;
                    let left = work.left.into_iter().chain(unseen).collect();
                    let (crowded, changed) = (work.crowded, work.changed);
                    return Ok(Reading::Whole { left, crowded, cursor, changed });
                }
                Some(_) if listings < self.profile().listings_max => cursor = None,
                Some(cause) => {
                    let name = o.collection.path.join("/");
                    self.run.skip(&self.owner.name, &o.collection.id, &name, &cause);
                    return Ok(Reading::Failed(cause));
                }
            }
        }
    }

    /// What a collection is that could not be read.
    async fn unread(&self, o: &Open, e: strongroom_workloads::Error) -> Result<Reading, Error> {
        let ids = self.profile().ids;
        let is_everybodys = e.kind == ErrorKind::Throttled
            || e.is_access() && (ids == IdScope::Owner || e.kind != ErrorKind::Denied);
        if is_everybodys {
            return Err(e.into());
        }
        if e.kind == ErrorKind::NotFound
            && !self.workload.is_named(self.of(), &o.collection, o.parent.as_ref()).await?
        {
            return Ok(Reading::Gone);
        }
        let place = match ids {
            IdScope::Owner => {
                format!("{}, folder {}", self.owner.name, o.collection.path.join("/"))
            }
            IdScope::Collection => format!("the {} of {}", o.called, self.owner.name),
        };
        let told = self.run.unreadable(self.id_of(&o.collection.id), &place, &e);
        Ok(Reading::Failed(told.why))
    }

    /// What does not fit between the tree and the service's numbers.
    fn amiss(
        &self,
        c: &Collection,
        round: &Round,
        counted: Option<u64>,
    ) -> Result<Option<String>, Error> {
        let work = &round.work;
        let going = || work.left.iter().chain(&round.unseen);
        if let Some(counted) = counted {
            let mut leaving = 0;
            for id in going() {
                leaving += u64::from(self.stands_in(c, id)?);
            }
            // Those that could not be read are counted by the service and not by the tree.
            let mut unread = 0;
            for p in self.run.pending(&self.path(&c.path))?.items {
                unread += u64::from(!self.stands_in(c, &p.id)?);
            }
            let listed = self.count(c)?.saturating_sub(leaving) + unread;
            if listed != counted {
                let items = self.profile().items;
                return Ok(Some(format!(
                    "the service counts {counted} {items} and lists {listed}"
                )));
            }
        }
        let going: HashSet<&ItemId> = going().collect();
        match self.is_complete(c, &work.children, &work.pending, &work.left_out, &going)? {
            true => Ok(None),
            false => Ok(Some("folders hold more than the service lists".to_owned())),
        }
    }

    async fn round(&self, c: &Collection, cursor: Option<&Cursor>) -> Result<Round, Error> {
        let run = &self.run;
        let dir = self.path(&c.path);
        let asked = run.pending(&dir)?;
        let kept_out = run.left_out(&dir)?;
        // What cannot be understood of the lists may name any item.
        let cursor = cursor.filter(|_| !asked.everything && !kept_out.everything);
        let mut feed = self.workload.rows(self.of(), c, cursor);
        let full = feed.is_full();
        let mut work = Work::default();
        if !full {
            work.left_out = kept_out.items;
        }
        let mut unfound = Vec::new();
        // What could not be read last time first.
        for mut p in asked.items {
            work.changed = true;
            match self.workload.row(self.of(), c, &p.id).await {
                Ok(SourceEvent::Item(row)) => self.accept(c, row, &mut work).await?,
                Ok(SourceEvent::Deleted(id)) => drop(work.left.insert(id)),
                Ok(SourceEvent::Skipped { cause, .. }) => {
                    run.skip(&self.owner.name, &p.id, &p.name, &cause);
                    p.cause = cause;
                    work.pending.push(p);
                }
                Ok(SourceEvent::End { .. }) => work.pending.push(p),
                // One answer takes nothing away that is stored: the news say so as well, or the
                // full list.
                Err(e) if e.kind == ErrorKind::NotFound && self.stands_in(c, &p.id)? => {
                    p.cause = e.text;
                    unfound.push(p);
                }
                Err(e) if e.kind == ErrorKind::NotFound => drop(work.left.insert(p.value.id)),
                Err(e) if e.is_access() => return Err(e.into()),
                Err(e) => {
                    run.skip(&self.owner.name, &p.id, &p.name, &e.text);
                    p.cause = e.text;
                    work.pending.push(p);
                }
            }
        }
        let cursor = loop {
            match feed.next().await? {
                SourceEvent::Item(row) => {
                    if let Some(id) = row.id() {
                        work.changed = true;
                        if full {
                            work.seen.insert(id.clone());
                        }
                        // It may have been deleted and come back within one round.
                        work.left.remove(id);
                        unfound.retain(|p| p.id != *id);
                        work.left_out.retain(|p| p.id != *id);
                    }
                    self.accept(c, row, &mut work).await?;
                }
                SourceEvent::Deleted(id) => {
                    work.changed = true;
                    work.seen.remove(&id);
                    work.is_told_again(&id);
                    work.pending.retain(|p| p.id != id);
                    work.left_out.retain(|p| p.id != id);
                    work.left.insert(id);
                }
                // What it was stays, and the next run asks for it.
                SourceEvent::Skipped { id, name, cause } => {
                    work.changed = true;
                    match id.0.is_empty() {
                        true => run.skip_once(&self.owner.name, &id, &name, &cause),
                        false => run.skip(&self.owner.name, &id, &name, &cause),
                    }
                    work.seen.insert(id.clone());
                    work.pending.retain(|p| p.id != id);
                    if !id.0.is_empty() {
                        work.pending.push(Record::new(Pending { id, name, cause, parent: None }));
                    }
                }
                SourceEvent::End { cursor } => break cursor,
            }
            run.relieve()?;
        };
        unfound.retain(|p| !work.left.contains(&p.id));
        for p in unfound {
            match full && !work.seen.contains(&p.id) {
                true => drop(work.left.insert(p.value.id)),
                false => {
                    run.skip(&self.owner.name, &p.id, &p.name, &p.cause);
                    work.pending.push(p);
                }
            }
        }
        self.accept_waiting(c, &mut work).await?;
        while !work.tasks.is_empty() {
            self.finish_one(c, &mut work).await?;
        }
        let mut unseen = Vec::new();
        if full {
            let items = self.unseen(&dir, &work.seen, &mut unseen)?;
            self.set_count(c, items)?;
            unseen.retain(|id| !work.left.contains(id));
            work.changed |= !unseen.is_empty();
        }
        // What the service does not hand out is named once as not read, and then in each coverage.
        let known = run.left_out(&dir)?.items;
        for item in std::mem::take(&mut work.withheld) {
            if !known.iter().any(|p| p.id == item.id) {
                run.skip_once(&self.owner.name, &item.id, &item.name, &item.cause);
            }
            work.left_out.retain(|p| p.id != item.id);
            work.left_out.push(item);
        }
        run.set_pending(&dir, work.pending.clone())?;
        run.set_left_out(&dir, work.left_out.clone())?;
        Ok(Round { cursor, work, unseen: unseen.into_iter().collect() })
    }

    /// What a thing stands in, by the name that containers have in [`Pending`].
    fn named_parent(&self, c: &Collection, parent: Option<&ItemId>) -> Option<String> {
        Some(parent.map_or_else(|| self.top(&c.id), |p| p.0.clone()))
    }

    /// What came before its container, once all was listed.
    async fn accept_waiting(&self, c: &Collection, work: &mut Work) -> Result<(), Error> {
        loop {
            let n = work.waiting.len();
            for row in work.take_waiting() {
                self.accept(c, row, work).await?;
            }
            if work.waiting.is_empty() || work.waiting.len() == n {
                break;
            }
        }
        for row in work.take_waiting() {
            let cause = "its folder was not listed";
            let (id, name, parent) = match &row {
                ListingRow::Item(item) => {
                    (item.id().clone(), item.name().to_owned(), item.parent())
                }
                ListingRow::Container(k) => (k.id.clone(), k.name.clone(), k.parent.as_ref()),
                _ => continue,
            };
            let parent = self.named_parent(c, parent);
            work.is_unplaced = true;
            self.run.skip(&self.owner.name, &id, &name, cause);
            let (name, cause) = (name.into(), cause.into());
            work.pending.push(Record::new(Pending { id, name, cause, parent }));
        }
        Ok(())
    }

    /// Takes a row. Rows that tell of the same thing follow each other: a round may name it twice.
    async fn accept(&self, c: &Collection, row: ListingRow, work: &mut Work) -> Result<(), Error> {
        if let Some(id) = row.id() {
            while work.tasks.len() >= self.profile().at_once || work.busy.contains(id) {
                self.finish_one(c, work).await?;
            }
            // What was wrong with an earlier row is wrong no more, or told again.
            work.is_told_again(id);
            work.pending.retain(|p| p.id != *id);
        }
        match row {
            ListingRow::Top(children) => work.children.extend(children.map(|n| (None, n))),
            ListingRow::Container(k) => {
                match self.place_container(c, &k)? {
                    None => {
                        work.wait(ListingRow::Container(k));
                        return Ok(());
                    }
                    Some(true) => work.crowded.push(ListingRow::Container(k.clone())),
                    Some(false) => {}
                }
                work.children.extend(k.children.map(|n| (Some(k.id), n)));
            }
            // What was kept until now is not left out because a row says less of it.
            ListingRow::LeftOut(l) if self.stands_in(c, &l.id)? => {
                let parent = self.named_parent(c, l.parent.as_ref());
                let LeftOut { id, name, cause, .. } = l;
                self.run.skip(&self.owner.name, &id, &name, cause);
                let (name, cause) = (name.into(), cause.into());
                work.pending.push(Record::new(Pending { id, name, cause, parent }));
            }
            ListingRow::LeftOut(l) => {
                self.note(c, &l)?;
                let parent = self.named_parent(c, l.parent.as_ref());
                let LeftOut { id, name, cause, .. } = l;
                work.left_out.retain(|p| p.id != id);
                let (name, cause) = (name.into(), cause.into());
                work.left_out.push(Record::new(Pending { id, name, cause, parent }));
            }
            ListingRow::Change(change) => match self.merge(c, change.as_ref())? {
                true => {}
                false => {
                    work.busy.insert(change.id().clone());
                    let (this, c) = (self.clone(), c.clone());
                    work.tasks.spawn(async move {
                        let id = change.id().clone();
                        let fetch = this.changed(&c, change.as_ref());
                        let done = this.run.steps.take(this.alone("", fetch)).await;
                        (id, None, done)
                    });
                }
            },
            ListingRow::Item(item) => match self.begin(c, &item)? {
                Begun::Waits => work.wait(ListingRow::Item(item)),
                Begun::Stands { crowded, fetch } => {
                    if crowded {
                        work.crowded.push(ListingRow::Item(item.clone()));
                    }
                    let Some(old) = fetch else { return Ok(()) };
                    work.busy.insert(item.id().clone());
                    let (this, c) = (self.clone(), c.clone());
                    work.tasks.spawn(async move {
                        let fetch = async {
                            let done = this.fetch(&c, item.clone(), *old).await;
                            done.map_err(|e| (item.name().to_owned(), e))
                        };
                        let done = this.run.steps.take(this.alone(item.name(), fetch)).await;
                        (item.id().clone(), Some(item), done)
                    });
                }
            },
        }
        Ok(())
    }

    /// What came of one item. A panic over it, of a parser or of the judge, is that item's own: it
    /// is named and asked for again like one that could not be read. One in the midst of a change
    /// of the tree is everybody's, since nobody knows what the tree holds now.
    async fn alone(&self, name: &str, work: impl Future<Output = Done>) -> Done {
        let panic = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(done) => return done,
            Err(panic) => panic,
        };
        // Dropping what a panic carries may panic in turn.
        std::mem::forget(panic);
        let stop = match self.run.is_half_edited() {
            true => Stop::Fatal(Error::Task(format!(
                "this program failed while it changed the tree for {name:?}"
            ))),
            false => Stop::Item("this program failed on it; please report that".to_owned()),
        };
        Err((name.to_owned(), stop))
    }

    /// An item of which a row told more than its state: it is asked for whole.
    async fn changed(&self, c: &Collection, change: &dyn ItemChange) -> Done {
        let nameless = |stop: Stop| (String::new(), stop);
        let item = match self.workload.row(self.of(), c, change.id()).await {
            Ok(SourceEvent::Item(ListingRow::Item(item))) => item,
            // It left since it was listed, and the next news say so.
            Ok(SourceEvent::Deleted(_)) => return Ok(()),
            Ok(_) => {
                let cause = format!("the service gave a {} without id", self.profile().item);
                return Err(nameless(Stop::Item(cause)));
            }
            Err(e) => return Err(nameless(Stop::of(e.into(), None))),
        };
        let named = |stop: Stop| (item.name().to_owned(), stop);
        match self.begin(c, &item).map_err(|e| named(e.into()))? {
            Begun::Stands { fetch: Some(old), .. } => {
                self.fetch(c, item.clone(), *old).await.map_err(named)
            }
            Begun::Stands { .. } => Ok(()),
            Begun::Waits => Err(named(Stop::Item("its folder was not listed".into()))),
        }
    }

    async fn finish_one(&self, c: &Collection, work: &mut Work) -> Result<(), Error> {
        let Some(done) = work.tasks.join_next().await else {
            work.busy.clear();
            return Ok(());
        };
        let (id, item, done) = done.map_err(|e| Error::Task(e.to_string()))?;
        work.busy.remove(&id);
        let (name, cause) = match done {
            Ok(()) | Err((_, Stop::Gone)) => return Ok(()),
            Err((name, Stop::Item(cause))) => (name, cause),
            Err((_, Stop::Collection(e))) => return Err(Error::Graph(e)),
            Err((_, Stop::Fatal(e))) => return Err(e),
        };
        let parent = item.as_ref().and_then(|i| self.named_parent(c, i.parent()));
        let (name, cause) = (name.into(), cause.into());
        let record = Record::new(Pending { id, name, cause, parent });
        if item.is_some_and(|i| i.withheld().is_some()) {
            work.withheld.push(record);
            return Ok(());
        }
        let scope = match self.profile().ids {
            IdScope::Owner => format!("{}/{}", self.owner.name, c.path.join("/")),
            IdScope::Collection => self.owner.name.clone(),
        };
        self.run.skip(&scope, &record.id, &record.name, &record.cause);
        work.pending.push(record);
        Ok(())
    }

    /// Merges news of an item's state into its record. Says no when more is to be asked for: the
    /// item stands elsewhere, or is not known, or its content changed.
    fn merge(&self, c: &Collection, change: &dyn ItemChange) -> Result<bool, Error> {
        let place = self.run.catalog.get(&self.part(&c.id), &change.id().0)?;
        if place.is_none_or(|p| p.parent != self.top(&c.id)) {
            return Ok(false);
        }
        let Some((mut node, path)) = self.current(c, change.id())? else { return Ok(false) };
        let Some(before) = node.facts()? else { return Ok(false) };
        let Some(after) = change.apply(&before) else { return Ok(false) };
        if after != before {
            node.set_facts(&after)?;
            let dir = [&self.root(c)[..], &path[..path.len().saturating_sub(1)]].concat();
            self.run.put(&layout::refs(&dir), node)?;
            self.run.count_changed(0);
        }
        Ok(true)
    }
}
