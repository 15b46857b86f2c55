//! Owners: who or what has things that a workload reads.

use crate::{Changes, Client, Error, sites, users};
use strongroom_model::{Cursor, Feed, ItemId};

/// What kind of owner it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    /// A user of the tenant.
    User,
    /// A SharePoint site.
    Site,
}

impl OwnerKind {
    /// Every kind, in the order in which they are read.
    pub const ALL: [OwnerKind; 2] = [OwnerKind::User, OwnerKind::Site];

    /// Its directory in the register of owners.
    pub fn name(self) -> &'static str {
        match self {
            OwnerKind::User => "users",
            OwnerKind::Site => "sites",
        }
    }

    /// One of them, in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            OwnerKind::User => "user",
            OwnerKind::Site => "site",
        }
    }

    /// Where people look for them.
    pub fn register(self) -> &'static str {
        match self {
            OwnerKind::User => "the directory",
            OwnerKind::Site => "the list of sites",
        }
    }

    /// A tenant may grant no permission to list them: that is told in the coverage, and is an alarm
    /// only where they were listed before.
    pub fn is_optional(self) -> bool {
        self != OwnerKind::User
    }
}

/// Who or what has things that a workload reads. An owner is an id; the name is a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: OwnerKind,
    /// Its id.
    pub id: ItemId,
    /// What people call it: the principal name of a user.
    pub name: String,
}

/// What a register tells of an owner: at least what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerNews {
    /// Its id.
    pub id: ItemId,
    /// Its name, when it was told.
    pub name: Option<String>,
}

/// New, changed and deleted owners since `cursor`; all of them without one.
pub fn changes<'c>(
    client: &'c Client,
    kind: OwnerKind,
    cursor: Option<&Cursor>,
) -> Box<dyn Feed<OwnerNews, Error> + 'c> {
    match kind {
        OwnerKind::User => {
            let all: Changes<'c, OwnerNews> = users::changes(client, cursor.map(|c| c.0.as_str()));
            Box::new(all)
        }
        OwnerKind::Site => Box::new(sites::changes(client, cursor.map(|c| c.0.as_str()))),
    }
}

/// One owner by id or name, `None` when there is none.
///
/// # Errors
/// As Graph answers.
pub async fn find(
    client: &Client,
    kind: OwnerKind,
    id_or_name: &str,
) -> Result<Option<Owner>, Error> {
    match kind {
        OwnerKind::User => {
            let found = users::find(client, id_or_name).await?;
            Ok(found.map(|user| Owner { kind, id: user.id, name: user.name }))
        }
        OwnerKind::Site => sites::find(client, id_or_name).await,
    }
}
