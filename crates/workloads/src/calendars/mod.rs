//! Calendars: events, series with their exceptions, permissions. Each event is an `.ics` that
//! people open. A restore writes to nobody who takes part.

mod event;
mod file;
mod lists;
mod parts;
mod rows;

use crate::{
    Cursor, Error, OwnerKind, SourceEvent, escape,
    restore::{OwnerPlan, Stopped, To, Wanted},
    things::{NOT_KEPT, Thing, restore},
    workload::{Collection, Collections, IdScope, ListingRow, Of, Profile, Rows, Workload},
};
use futures::future::BoxFuture;
use strongroom_model::{AlarmKind, ItemId, ItemKind};

/// Calendars of users.
#[derive(Debug)]
pub struct Calendars;

static PROFILE: Profile = Profile {
    name: "calendars",
    owners: OwnerKind::User,
    reads: &["Calendars.Read"],
    writes: &["Calendars.Read", "Calendars.ReadWrite"],
    place: "calendars",
    item: "event",
    items: "events",
    deletions: AlarmKind::MailboxPurge,
    owner_kind: ItemKind::Owner,
    collection_kind: ItemKind::Collection,
    ids: IdScope::Owner,
    is_optional: true,
    is_counted: true,
    has_sidecars: true,
    has_versions: false,
    is_judged: false,
    at_once: 4,
    listings_max: 2,
    not_kept: NOT_KEPT,
};

impl Workload for Calendars {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn collections<'a>(
        &'a self,
        of: Of<'a>,
        _cursor: Option<&'a Cursor>,
        stored: &'a [Collection],
    ) -> BoxFuture<'a, Result<Collections, Error>> {
        Box::pin(lists::read(of, stored))
    }

    fn rows<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        cursor: Option<&'a Cursor>,
    ) -> Rows<'a> {
        Box::new(rows::EventRows::new(of, &collection.id, cursor))
    }

    fn row<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        id: &'a ItemId,
    ) -> BoxFuture<'a, Result<SourceEvent<ListingRow>, Error>> {
        Box::pin(restore::row::<Self>(of, collection, id))
    }

    fn count<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
    ) -> BoxFuture<'a, Result<Option<u64>, Error>> {
        let target = format!("{}/$count", Self::all(&of.owner.id, &collection.id));
        Box::pin(restore::count(of, target))
    }

    fn are_there<'a>(
        &'a self,
        of: Of<'a>,
        ids: &'a [ItemId],
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        let user = escape(&of.owner.id.0);
        let anywhere =
            move |id: &ItemId| format!("users/{user}/events/{}?$select=id", escape(&id.0));
        Box::pin(async move { restore::are_there::<Self>(of, anywhere, ids).await })
    }

    fn is_named<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        _parent: Option<&'a ItemId>,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let all = lists::all(of.client, &of.owner.id).await?;
            Ok(all.iter().any(|c| c["id"].as_str() == Some(&collection.id.0)))
        })
    }

    fn plan<'a>(
        &'a self,
        to: To<'a>,
        wanted: Wanted,
    ) -> BoxFuture<'a, Result<Option<Box<dyn OwnerPlan>>, Stopped>> {
        Box::pin(restore::plan::<Self>(to, wanted))
    }
}
