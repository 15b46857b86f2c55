//! Drives as workloads: each drive of a user is a collection, and each library of a site.

use super::{DriveItem, drive_is_there, drives_of, item::File, restore, root};
use crate::{
    Changes, Cursor, Error, ErrorKind, OwnerKind, SourceEvent,
    restore::{OwnerPlan, Stopped, To, Wanted},
    workload::{
        Collection, CollectionHead, Collections, Container, Gone, IdScope, LeftOut, ListingRow, Of,
        Profile, Rows, Workload,
    },
};
use futures::future::BoxFuture;
use std::sync::Arc;
use strongroom_model::{AlarmKind, Coming, Facts, Feed, FileState, ItemId, ItemKind};

/// OneDrive of users.
#[derive(Debug)]
pub struct Drives;

/// Document libraries of sites.
#[derive(Debug)]
pub struct Libraries;

static LIBRARIES: Profile = Profile {
    name: "sites",
    owners: OwnerKind::Site,
    reads: &["Sites.Read.All"],
    writes: &["Files.ReadWrite.All", "Sites.ReadWrite.All"],
    place: "library",
    item: "site item",
    items: "files of sites",
    ..DRIVES
};

const DRIVES: Profile = Profile {
    name: "drives",
    owners: OwnerKind::User,
    reads: &["Files.Read.All"],
    // An application opens an upload session into a drive with Sites.ReadWrite.All alone.
    writes: &["Files.ReadWrite.All", "Sites.ReadWrite.All"],
    place: "drive",
    item: "drive item",
    items: "files",
    deletions: AlarmKind::MassDelete,
    owner_kind: ItemKind::Owner,
    collection_kind: ItemKind::Drive,
    ids: IdScope::Collection,
    is_optional: false,
    is_counted: true,
    has_sidecars: false,
    has_versions: true,
    is_judged: true,
    at_once: 6,
    listings_max: 2,
    // Who may see what is not read yet (docs/residue.md).
    not_kept: &[("permissions", "sharing links and permissions are not kept")],
};

struct Items<'a> {
    changes: Changes<'a, DriveItem>,
    root: ItemId,
}

/// A row of a drive; folders name its root as the one above them.
fn row(item: DriveItem, root: &ItemId) -> ListingRow {
    let Some(parent) = item.parent.clone() else { return ListingRow::Top(item.children) };
    let parent = (parent != *root).then_some(parent);
    if let Some(cause) = item.left_out {
        return ListingRow::LeftOut(LeftOut { id: item.id, parent, name: item.name, cause });
    }
    if let Some(head) = item.file.clone() {
        return ListingRow::Item(Arc::new(File { item, parent, head }));
    }
    let mut facts = Facts::new(ItemKind::Folder, item.id.clone());
    facts.file =
        Some(FileState { created: item.created, modified: item.modified, ..FileState::default() });
    let (id, name, children) = (item.id, item.name, item.children);
    ListingRow::Container(Box::new(Container { id, parent, name, facts, children }))
}

impl Feed<ListingRow, Error> for Items<'_> {
    fn is_full(&self) -> bool {
        self.changes.is_full()
    }

    fn next(&mut self) -> Coming<'_, ListingRow, Error> {
        Box::pin(async move { Ok(self.changes.next().await?.map(|item| row(item, &self.root))) })
    }
}

fn root_of(drive: &Collection) -> ItemId {
    drive.facts.root.clone().unwrap_or_default()
}

static PROFILE: Profile = DRIVES;

/// What both are, but for their profile.
trait Shelf: Send + Sync {
    fn profile(&self) -> &'static Profile;
}

impl Shelf for Drives {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }
}

impl Shelf for Libraries {
    fn profile(&self) -> &'static Profile {
        &LIBRARIES
    }
}

impl<S: Shelf> Workload for S {
    fn profile(&self) -> &'static Profile {
        Shelf::profile(self)
    }

    fn collections<'a>(
        &'a self,
        of: Of<'a>,
        _cursor: Option<&'a Cursor>,
        stored: &'a [Collection],
    ) -> BoxFuture<'a, Result<Collections, Error>> {
        Box::pin(async move {
            let heads = drives_of(of.client, of.owner).await?;
            let mut all = Collections::default();
            for known in stored.iter().filter(|k| !heads.iter().any(|h| h.id == k.id)) {
                if known.facts.is_gone() {
                    continue;
                }
                // With another in its place it was provisioned anew; with none, and no word that it
                // is gone, it could not be read.
                match drive_is_there(of.client, &known.id).await {
                    Ok(false) if !heads.is_empty() => {
                        all.gone.push(Gone { id: known.id.clone(), keep: true });
                    }
                    Ok(_) => {
                        let place = Shelf::profile(self).place;
                        let owner = &of.owner.name;
                        let text = format!("no list names this {place} of {owner} any more");
                        all.failed.push((known.id.clone(), Error::new(ErrorKind::NotFound, text)));
                    }
                    Err(e) => all.failed.push((known.id.clone(), e)),
                }
            }
            for (n, head) in heads.into_iter().enumerate() {
                let known = stored.iter().find(|k| k.id == head.id);
                let root = match known.and_then(|k| k.facts.root.clone()) {
                    Some(root) => root,
                    None => match root(of.client, &head.id).await {
                        Ok(root) => root.id,
                        Err(e) => {
                            all.failed.push((head.id, e));
                            continue;
                        }
                    },
                };
                // The owner's own is the drive; others bear their name too.
                let place = Shelf::profile(self).place;
                let is_own = n == 0 && of.owner.kind == OwnerKind::User;
                let called =
                    if is_own { place.to_owned() } else { format!("{place} {}", head.name) };
                all.there.push(CollectionHead {
                    state: None,
                    id: head.id,
                    // A drive stays where it is, whatever it is called later.
                    directory: known.and_then(|k| k.path.last().cloned()),
                    name: head.name,
                    parent: None,
                    label: Some(of.owner.name.clone()),
                    root: Some(root),
                    called: Some(called),
                });
            }
            Ok(all)
        })
    }

    fn rows<'a>(
        &'a self,
        of: Of<'a>,
        drive: &'a Collection,
        cursor: Option<&'a Cursor>,
    ) -> Rows<'a> {
        let link = cursor.map(|c| c.0.as_str());
        let changes = super::changes(of.client, &drive.id, link);
        Box::new(Items { changes, root: root_of(drive) })
    }

    fn row<'a>(
        &'a self,
        of: Of<'a>,
        drive: &'a Collection,
        id: &'a ItemId,
    ) -> BoxFuture<'a, Result<SourceEvent<ListingRow>, Error>> {
        Box::pin(async move {
            let item = super::item(of.client, &drive.id, id).await?;
            Ok(item.map(|item| row(item, &root_of(drive))))
        })
    }

    fn plan<'a>(
        &'a self,
        to: To<'a>,
        wanted: Wanted,
    ) -> BoxFuture<'a, Result<Option<Box<dyn OwnerPlan>>, Stopped>> {
        Box::pin(async move {
            let plan = restore::plan(to, wanted).await?;
            Ok(plan.map(|plan| Box::new(plan) as Box<dyn OwnerPlan>))
        })
    }
}
