//! Owners: who or what has things that a workload reads.

use crate::{Changes, Client, Error, users};
use strongroom_model::{Cursor, Feed, ItemId};

/// What kind of owner it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    /// A user of the tenant.
    User,
}

impl OwnerKind {
    /// Every kind, in the order in which they are read.
    pub const ALL: [OwnerKind; 1] = [OwnerKind::User];

    /// Its directory in the register of owners.
    pub fn name(self) -> &'static str {
        match self {
            OwnerKind::User => "users",
        }
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
    }
}
