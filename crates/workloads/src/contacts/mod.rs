//! Contacts: the address books of a mailbox. Each contact is a `.vcf` that people open.

mod folders;
mod vcard;

use crate::{
    Client, Cursor, Error, ErrorKind, OwnerKind, SourceEvent, escape,
    restore::{OwnerPlan, Stopped, To, Wanted},
    things::{NOT_KEPT, Part, Rows as ThingRows, Thing, Whole, restore},
    workload::{
        Collection, Collections, IdScope, ListingRow, Of, Profile, Rows, Workload,
        looks_like_a_page,
    },
};
use futures::future::BoxFuture;
use serde_json::Value;
use strongroom_graph::{Request, Scope};
use strongroom_model::{AlarmKind, ItemId, ItemKind};

/// Contacts of users.
#[derive(Debug)]
pub struct Contacts;

static PROFILE: Profile = Profile {
    name: "contacts",
    owners: OwnerKind::User,
    reads: &["Contacts.Read"],
    writes: &["Contacts.Read", "Contacts.ReadWrite"],
    place: "address book",
    item: "contact",
    items: "contacts",
    deletions: AlarmKind::MailboxPurge,
    owner_kind: ItemKind::Owner,
    collection_kind: ItemKind::Collection,
    ids: IdScope::Owner,
    is_optional: true,
    is_counted: false,
    has_sidecars: true,
    has_versions: false,
    is_judged: false,
    at_once: 4,
    listings_max: 2,
    not_kept: NOT_KEPT,
};

const PHOTO: &str = "photo";

impl Thing for Contacts {
    const WORD: &'static str = "contact";
    const EXTENSION: &'static str = ".vcf";
    const ALWAYS_THERE: &'static [&'static str] =
        &["changeKey", "createdDateTime", "emailAddresses", "categories", "displayName"];
    // Beside the contact resource's "Read-only": the three addresses of Outlook are the first ones
    // of the list.
    const SET_BY_SERVICE: &'static [&'static str] = &[
        "id",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
        "parentFolderId",
        "primaryEmailAddress",
        "secondaryEmailAddress",
        "tertiaryEmailAddress",
    ];

    fn all(user: &ItemId, folder: &ItemId) -> String {
        format!("users/{}/contactFolders/{}/contacts", escape(&user.0), escape(&folder.0))
    }

    fn one(user: &ItemId, folder: &ItemId, id: &ItemId) -> String {
        format!("{}/{}", Self::all(user, folder), escape(&id.0))
    }

    fn name(value: &Value) -> String {
        let text = |name: &str| value[name].as_str().filter(|t| !t.trim().is_empty());
        let address = value["emailAddresses"][0]["address"].as_str();
        let name = text("displayName").or(text("fileAs")).or(text("companyName")).or(address);
        name.unwrap_or("(no name)").to_owned()
    }

    fn file(whole: &Whole) -> Vec<u8> {
        let photo = whole.parts.iter().find(|(p, _)| p.what == PHOTO);
        vcard::write(&whole.value, photo).into_bytes()
    }

    /// A row has every property; the picture, when there is one, is asked for.
    fn whole<'a>(
        client: &'a Client,
        at: String,
        scope: Scope,
        row: &'a Value,
    ) -> BoxFuture<'a, Result<Whole, Error>> {
        Box::pin(async move {
            let photo = client.bytes(&Request::get(scope, format!("{at}/photo/$value"))).await;
            let parts = match photo {
                Ok(photo) if !photo.is_empty() && !looks_like_a_page(&photo) => {
                    let content_type = vcard::picture(&photo).map(str::to_owned);
                    vec![(Part { content_type, ..Part::new(PHOTO, &photo) }, photo)]
                }
                // Who has no picture is answered with 404.
                Ok(_) => {
                    let text = "what came as the picture of a contact is none";
                    return Err(Error::new(ErrorKind::BadAnswer, text));
                }
                Err(e) if e.kind == ErrorKind::NotFound => Vec::new(),
                Err(e) => return Err(e),
            };
            Ok(Whole { value: row.clone(), parts })
        })
    }

    /// A picture that was set since stays: Graph has no way to take one away.
    fn write_parts<'a>(
        client: &'a Client,
        at: String,
        scope: Scope,
        now: &'a Whole,
        wanted: &'a Whole,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(async move {
            for (part, bytes) in wanted.parts.iter().filter(|(p, _)| p.what == PHOTO) {
                if now.parts.iter().any(|(p, _)| p.sha256 == part.sha256) {
                    continue;
                }
                let put = Request::put(scope.clone(), format!("{at}/photo/$value"), bytes.clone());
                let kind = part.content_type.as_deref().unwrap_or("image/jpeg");
                client.send(&put.header("content-type", kind)).await?;
            }
            Ok(Vec::new())
        })
    }
}

impl Workload for Contacts {
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
        let rows = ThingRows::new::<Self>(of.client, &of.owner.id, &collection.id, cursor);
        Box::new(rows)
    }

    fn row<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        id: &'a ItemId,
    ) -> BoxFuture<'a, Result<SourceEvent<ListingRow>, Error>> {
        Box::pin(restore::row::<Self>(of, collection, id))
    }

    fn are_there<'a>(
        &'a self,
        of: Of<'a>,
        ids: &'a [ItemId],
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        let user = escape(&of.owner.id.0);
        let anywhere =
            move |id: &ItemId| format!("users/{user}/contacts/{}?$select=id", escape(&id.0));
        Box::pin(async move { restore::are_there::<Self>(of, anywhere, ids).await })
    }

    fn is_named<'a>(
        &'a self,
        of: Of<'a>,
        collection: &'a Collection,
        _parent: Option<&'a ItemId>,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(folders::is_there(of, &collection.id))
    }

    fn plan<'a>(
        &'a self,
        to: To<'a>,
        wanted: Wanted,
    ) -> BoxFuture<'a, Result<Option<Box<dyn OwnerPlan>>, Stopped>> {
        Box::pin(restore::plan::<Self>(to, wanted))
    }
}
