//! Lists that stand in a directory: items to ask for again, and those of which nothing is kept.

use super::run::Run;
use crate::{Error, layout};
use strongroom_model::{Pending, Record, Row};
use strongroom_repository::{Cut, Found, Node};

/// Items to ask for again.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// By id.
    pub(crate) items: Vec<Record<Pending>>,
    /// The list, or a part of it, cannot be understood: everything is to be listed, so that what
    /// it named is asked for as well.
    pub(crate) everything: bool,
}

impl Waiting {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let Ok(rows) = serde_json::from_slice::<Vec<Row<Pending>>>(bytes) else {
            return Self { items: Vec::new(), everything: true };
        };
        let mut out = Self::default();
        for row in rows {
            match row {
                Row::Known(record) => out.items.push(record),
                Row::Unknown(found) => match Pending::by_id(found) {
                    Some(record) => out.items.push(record),
                    None => out.everything = true,
                },
            }
        }
        out
    }
}

impl Run {
    /// The list of items to ask for again, kept as a file in the collection's directory.
    pub(crate) fn pending(&self, dir: &[String]) -> Result<Waiting, Error> {
        self.items_in(dir, layout::PENDING)
    }

    /// The items of a collection of which nothing is kept.
    pub(crate) fn left_out(&self, dir: &[String]) -> Result<Waiting, Error> {
        self.items_in(dir, layout::LEFT_OUT)
    }

    pub(super) fn items_in(&self, dir: &[String], name: &str) -> Result<Waiting, Error> {
        let path = layout::join(dir, name);
        match self.found(&layout::refs(&path))? {
            Some(Found::File(node)) => Ok(Waiting::read(&self.repo.read_record(&node)?)),
            _ => Ok(Waiting::default()),
        }
    }

    pub(crate) fn set_pending(
        &self,
        dir: &[String],
        pending: Vec<Record<Pending>>,
    ) -> Result<(), Error> {
        self.set_items(dir, layout::PENDING, pending)
    }

    /// Keeps the list of items of which nothing is kept.
    pub(crate) fn set_left_out(
        &self,
        dir: &[String],
        items: Vec<Record<Pending>>,
    ) -> Result<(), Error> {
        self.set_items(dir, layout::LEFT_OUT, items)
    }

    pub(super) fn set_items(
        &self,
        dir: &[String],
        name: &str,
        mut pending: Vec<Record<Pending>>,
    ) -> Result<(), Error> {
        let path = layout::join(dir, name);
        pending.sort_by(|a, b| a.id.cmp(&b.id));
        pending.dedup_by(|a, b| a.id == b.id);
        if pending.is_empty() {
            self.remove(&layout::refs(&path))?;
            return Ok(());
        }
        let before = self.items_in(dir, name)?;
        if !before.everything && before.items == pending {
            return Ok(());
        }
        let json = serde_json::to_vec(&pending).map_err(|e| Error::Task(e.to_string()))?;
        let stored = self.repo.put_content(&json, Cut::Plain)?;
        self.put(
            &layout::refs(dir),
            Node::file(name, stored.content, stored.size_bytes, self.began),
        )
    }
}
