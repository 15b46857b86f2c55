//! The table, area after area, and the words that rows are written in.

mod applications;
mod devices;
mod directory;
mod exchange;
mod identity;
mod others;
mod roles;
mod teams;

use crate::row::{
    Ask, Back, Empty, Limit, Naming, Normalizer, Part, PartSetMethod, Principals, Rank, Ranks,
    ReadPart, Reader, Row, SetMethod, Setter, Shape,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};

/// The areas, in the order of reading.
const AREAS: &[&[Row]] = &[
    identity::ROWS,
    applications::ROWS,
    roles::ROWS,
    directory::ROWS,
    others::ROWS,
    devices::ROWS,
    exchange::ROWS,
    teams::ROWS,
];

static BY_NAME: LazyLock<BTreeMap<&str, &Row>> =
    LazyLock::new(|| rows().map(|r| (r.name, r)).collect());

/// A collection that can be put back.
#[derive(Debug, Clone, Copy)]
pub struct Settable {
    /// Its row.
    pub row: &'static Row,
    /// How.
    pub by: &'static Setter,
}

static SETTERS: LazyLock<Vec<Settable>> = LazyLock::new(|| {
    let mut all: Vec<Settable> =
        rows().filter_map(|row| Some(Settable { row, by: row.setter()? })).collect();
    all.sort_by_key(|s| s.by.order);
    all
});

/// Every collection that a snapshot of this program has, in the order of reading.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    AREAS.iter().flat_map(|area| area.iter())
}

/// What is known of a collection; nothing is of those that only another program reads.
pub fn row(collection: &str) -> Option<&'static Row> {
    BY_NAME.get(collection).copied()
}

/// What can be put back: what others stand on comes first.
pub fn setters() -> &'static [Settable] {
    &SETTERS
}

const fn ask(target: &'static str, permission: &'static str) -> Ask {
    Ask { target, beta: false, permission, licence: None, limit: Limit::Directory, parts: &[] }
}

const fn intune(target: &'static str, permission: &'static str) -> Ask {
    Ask { limit: Limit::Intune, licence: Some("Intune"), ..ask(target, permission) }
}

impl Ask {
    const fn beta(self) -> Self {
        Self { beta: true, ..self }
    }

    const fn licensed(self, licence: &'static str) -> Self {
        Self { licence: Some(licence), ..self }
    }

    const fn within(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }

    const fn with(self, parts: &'static [ReadPart]) -> Self {
        Self { parts, ..self }
    }
}

const fn read_part(property: &'static str, ids: bool) -> ReadPart {
    ReadPart { property, ids }
}

fn nobodys(_: &Value, _: &str) -> bool {
    false
}

fn the_tenants(_: &Value, _: &str) -> bool {
    true
}

fn always(_: &Value) -> bool {
    true
}

const fn normalizer(shape: Shape, naming: Naming) -> Normalizer {
    Normalizer {
        shape,
        naming,
        volatile: &[],
        symbol: None,
        own: nobodys,
        kept: always,
        principals: Principals::Nowhere,
        by_id: &[],
        starts: false,
        fleeting: false,
        read_since: &[],
    }
}

const fn single() -> Normalizer {
    normalizer(Shape::One, Naming::First(&[]))
}

const fn many() -> Normalizer {
    called_by(&["displayName", "id"])
}

const fn called_by(properties: &'static [&'static str]) -> Normalizer {
    normalizer(Shape::Many, Naming::First(properties))
}

const fn called_by_all(properties: &'static [&'static str]) -> Normalizer {
    normalizer(Shape::Many, Naming::Join(properties))
}

/// What this program makes of other answers, and what it does not know.
pub(crate) const MADE: Normalizer = called_by(&["displayName", "name"]);

impl Normalizer {
    const fn volatile(self, volatile: &'static [&'static str]) -> Self {
        Self { volatile, ..self }
    }

    const fn symbol(self, symbol: &'static str) -> Self {
        Self { symbol: Some(symbol), ..self }
    }

    const fn owned(self, own: fn(&Value, &str) -> bool) -> Self {
        Self { own, ..self }
    }

    const fn names(self, principals: Principals) -> Self {
        Self { principals, ..self }
    }

    const fn fleeting(self) -> Self {
        Self { fleeting: true, ..self }
    }

    const fn starting(self) -> Self {
        Self { starts: true, ..self }
    }

    const fn read_since(self, read_since: &'static [&'static str]) -> Self {
        Self { read_since, ..self }
    }
}

const fn set(order: u16, target: &'static str, how: SetMethod, permission: &'static str) -> Setter {
    Setter {
        order,
        target,
        how,
        permission,
        beta: false,
        keeps_id: false,
        kind: None,
        undelete: None,
        unmakeable: None,
        fixed: &[],
        never: &[],
        follows: &[],
        parts: &[],
    }
}

impl Setter {
    const fn beta(self) -> Self {
        Self { beta: true, ..self }
    }

    const fn undelete(self, undelete: &'static str) -> Self {
        Self { undelete: Some(undelete), ..self }
    }

    const fn keeps_id(self) -> Self {
        Self { keeps_id: true, ..self }
    }

    const fn with(self, parts: &'static [Part]) -> Self {
        Self { parts, ..self }
    }
}

const fn part(property: &'static str, how: PartSetMethod) -> Part {
    Part { property, how, with_object: false }
}

const BY_HAND: Back =
    Back::Not("this program does not set it; set it by hand as the snapshot's file says");

/// Where what was deleted is had back.
const DELETED: &str = "directory/deletedItems/{id}/restore";

const EVERYDAY: Ranks = Ranks {
    added: Rank::Low,
    changed: Rank::Low,
    removed: Rank::Medium,
    replaced: Rank::High,
    called: "",
};

/// What protects: it matters when there is less of it.
const PROTECTS: Ranks = Ranks { changed: Rank::High, removed: Rank::High, ..EVERYDAY };

/// As before, and less grave.
const SHAPES: Ranks = Ranks { changed: Rank::Medium, removed: Rank::Medium, ..EVERYDAY };

const fn all(rank: Rank) -> Ranks {
    Ranks { added: rank, changed: rank, removed: rank, replaced: rank, called: "" }
}

impl Ranks {
    const fn called(self, called: &'static str) -> Self {
        Self { called, ..self }
    }
}

/// What a job of Tenant Configuration Management gives is shown only.
const fn managed(
    name: &'static str,
    resource: &'static str,
    normalizer: Normalizer,
    setter: Back,
    rank: Ranks,
    empty: Empty,
) -> Row {
    Row { name, reader: Reader::Managed(resource), normalizer, setter, rank, empty }
}

/// What no interface that is known for certain gives, and where a person finds it.
const fn unread(name: &'static str, why: &'static str, rank: Ranks) -> Row {
    let reader = Reader::None(why);
    Row { name, reader, normalizer: MADE, setter: BY_HAND, rank, empty: Empty::Fine }
}

const IDENTITY: Normalizer = called_by(&["Identity"]);
const NAMED: Normalizer = called_by(&["Name"]);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_orders_are_told_apart() {
        assert_eq!(BY_NAME.len(), rows().count());
        let orders: BTreeSet<u16> = setters().iter().map(|s| s.by.order).collect();
        assert_eq!(orders.len(), setters().len());
    }
}
