//! How anything that changes is read, whatever it comes from: law 1 as a type.

use crate::{ItemId, Untrusted};
use std::{future::Future, pin::Pin};

/// Where a reading ended and the next begins: a delta link of Graph, a cookie of LDAP DirSync, a
/// position in a log. Nobody but the source that gave it looks into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// One piece of news of a collection.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEvent<T> {
    /// Something is new or changed.
    Item(T),
    /// It is gone from this collection. It may have moved to another.
    Deleted(ItemId),
    /// The listing names something that cannot be understood.
    Skipped {
        /// Its id; may be empty.
        id: ItemId,
        /// Its name or subject, as far as known.
        name: Untrusted,
        /// Why.
        cause: Untrusted,
    },
    /// That was all, and only this carries the cursor: whoever stops before it holds none, so that
    /// nothing can be taken for complete that was not.
    End {
        /// Where the next reading begins.
        cursor: Cursor,
    },
}

impl<T> SourceEvent<T> {
    /// The same news of something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> SourceEvent<U> {
        match self {
            SourceEvent::Item(item) => SourceEvent::Item(f(item)),
            SourceEvent::Deleted(id) => SourceEvent::Deleted(id),
            SourceEvent::Skipped { id, name, cause } => SourceEvent::Skipped { id, name, cause },
            SourceEvent::End { cursor } => SourceEvent::End { cursor },
        }
    }
}

/// What a feed gives next.
pub type Coming<'f, T, E> = Pin<Box<dyn Future<Output = Result<SourceEvent<T>, E>> + Send + 'f>>;

/// The news of one collection, one after another.
pub trait Feed<T, E>: Send {
    /// Whether everything is listed, so that what is not named is gone.
    fn is_full(&self) -> bool;

    /// The next piece. After [`SourceEvent::End`] or an error there is nothing more to ask for.
    fn next(&mut self) -> Coming<'_, T, E>;
}
