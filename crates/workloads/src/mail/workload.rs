//! Mail as a workload: a mailbox's folders are its collections.

use super::{Head, News, folder_changes, folders, folders_below, folders_of, restore};
use crate::{
    Changes, Cursor, Error, ErrorKind, OwnerKind, SourceEvent,
    restore::{OwnerPlan, Stopped, To, Wanted},
    workload::{Collection, Collections, IdScope, ListingRow, Of, Profile, Rows, Workload},
};
use futures::future::BoxFuture;
use std::sync::Arc;
use strongroom_model::{AlarmKind, Coming, Facts, Feed, ItemId, ItemKind};

/// Mail of users.
#[derive(Debug)]
pub struct Mail;

static PROFILE: Profile = Profile {
    name: "mail",
    owners: OwnerKind::User,
    reads: &["Mail.Read"],
    // Mail.ReadWrite alone writes a message and does not read one.
    writes: &["Mail.Read", "Mail.ReadWrite"],
    place: "mailbox",
    item: "message",
    items: "messages",
    deletions: AlarmKind::MailboxPurge,
    owner_kind: ItemKind::Mailbox,
    collection_kind: ItemKind::MailFolder,
    ids: IdScope::Owner,
    is_optional: false,
    is_counted: true,
    has_sidecars: true,
    has_versions: false,
    is_judged: false,
    // The client's gate lets four through at once.
    at_once: 8,
    listings_max: 4,
    not_kept: &[],
};

struct Messages<'a>(Changes<'a, News>);

impl Feed<ListingRow, Error> for Messages<'_> {
    fn is_full(&self) -> bool {
        self.0.is_full()
    }

    fn next(&mut self) -> Coming<'_, ListingRow, Error> {
        Box::pin(async move {
            Ok(self.0.next().await?.map(|news| match news {
                News::Whole(head) => ListingRow::Item(Arc::new(head)),
                News::Part(part) => ListingRow::Change(Arc::new(part)),
            }))
        })
    }
}

impl Workload for Mail {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn collections<'a>(
        &'a self,
        of: Of<'a>,
        cursor: Option<&'a Cursor>,
        stored: &'a [Collection],
    ) -> BoxFuture<'a, Result<Collections, Error>> {
        Box::pin(folders::read(of, cursor, stored))
    }

    fn rows<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        cursor: Option<&'a Cursor>,
    ) -> Rows<'a> {
        let link = cursor.map(|c| c.0.as_str());
        let changes = super::message_changes(of.client, &of.owner.id, &collection.id, link);
        Box::new(Messages(changes))
    }

    fn row<'a>(
        &'a self,
        of: Of<'a>,
        folder: &'a Collection,
        id: &'a ItemId,
    ) -> BoxFuture<'a, Result<SourceEvent<ListingRow>, Error>> {
        Box::pin(async move {
            let head: SourceEvent<Head> =
                super::message_in(of.client, &of.owner.id, &folder.id, id).await?;
            Ok(head.map(|head| ListingRow::Item(Arc::new(head))))
        })
    }

    fn count<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
    ) -> BoxFuture<'a, Result<Option<u64>, Error>> {
        Box::pin(async move {
            super::message_count(of.client, &of.owner.id, &collection.id).await.map(Some)
        })
    }

    fn are_there<'a>(
        &'a self,
        of: Of<'a>,
        ids: &'a [ItemId],
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        Box::pin(async move {
            let places = folders_of(of.client, &of.owner.id, ids).await?;
            Ok(places.iter().map(Option::is_some).collect())
        })
    }

    /// Recoverable Items, where purged mail keeps its id.
    fn holds_remains(&self, folder: &Facts) -> bool {
        folder.label.as_deref().is_some_and(|l| l.starts_with("recoverable"))
    }

    /// Whether a list of the mailbox's folders names it.
    fn is_named<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        parent: Option<&'a ItemId>,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let (client, user) = (of.client, &of.owner.id);
            match folders_below(client, user, parent).await {
                Ok(folders) if folders.iter().any(|f| f.id == collection.id) => return Ok(true),
                Ok(_) => {}
                Err(e) if e.kind == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
            let mut folders = folder_changes(client, user, None);
            let mut named = false;
            loop {
                match folders.next().await? {
                    SourceEvent::Item(f) => named |= f.id == collection.id,
                    SourceEvent::Deleted(id) => named &= id != collection.id,
                    // One that cannot be read is not gone.
                    SourceEvent::Skipped { id, .. } => {
                        named |= id.0.is_empty() || id == collection.id
                    }
                    SourceEvent::End { .. } => return Ok(named),
                }
            }
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
