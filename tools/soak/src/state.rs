//! What is kept between runs, so that no work is done twice.

use crate::{Life, SchoolPlan, year::Year};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The version of [`State`] that this program writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// A class of defect with its smallest life.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Seed and night that showed it first; seed 0 is the script of documented behaviour.
    pub seed: u64,
    /// See [`Class::seed`].
    pub night: usize,
    /// The law.
    pub law: String,
    /// What was expected and what was there, in the smallest life.
    pub detail: String,
    /// How many findings belong to it.
    pub findings: u64,
    /// The smallest life.
    pub life: Life,
}

/// What is kept between runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`VERSION`].
    pub version: u32,
    /// The school that years are lived in; `None` before it was looked for.
    pub school: Option<SchoolPlan>,
    /// Seeds that are done, with their nights.
    pub done: BTreeMap<u64, usize>,
    /// Classes by name.
    pub classes: BTreeMap<String, Class>,
    /// What is told by a class already: law, and the kinds of events that sufficed.
    pub explained: Vec<Explained>,
    /// The seed that was begun.
    pub begun: Option<Begun>,
}

/// A seed that is not done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The seed.
    pub seed: u64,
    /// Its nights so far.
    pub year: Year,
    /// How many of its findings have been put to their classes, in the order of [`Begun::order`].
    pub noted: usize,
}

impl Begun {
    /// Places of the findings, those that few events touched first: they tell the others.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.year.findings.len()).collect();
        order.sort_by_key(|n| (self.year.findings[*n].kinds.len(), self.year.findings[*n].night));
        order
    }
}

/// A law that breaks by these kinds of events alone: whatever has them among others is no news.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explained {
    /// The law.
    pub law: String,
    /// The kinds.
    pub kinds: BTreeSet<String>,
    /// The class that tells it.
    pub class: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            school: None,
            done: BTreeMap::new(),
            classes: BTreeMap::new(),
            explained: Vec::new(),
            begun: None,
        }
    }
}

impl State {
    /// Reads the file; an empty state when there is none.
    ///
    /// # Errors
    /// It cannot be read, or is of another version: nothing is begun anew unasked.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(e).with_context(|| path.display().to_string()),
        };
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let no_state =
            || format!("{} is no state of soak; delete it to begin anew", path.display());
        let Versioned { version } = serde_json::from_slice(&bytes).with_context(no_state)?;
        if version != VERSION {
            bail!(
                "{}: version {version} is not {VERSION}; delete it to begin anew",
                path.display()
            );
        }
        serde_json::from_slice(&bytes).with_context(no_state)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir)?;
        }
        let aside = path.with_extension("new");
        std::fs::write(&aside, serde_json::to_vec(self)?)?;
        Ok(std::fs::rename(aside, path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_not_understood_is_an_error_and_none_is_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        assert!(State::read(&path).unwrap().done.is_empty());
        let state = State { done: [(7, 90)].into(), ..State::default() };
        state.write(&path).unwrap();
        assert_eq!(State::read(&path).unwrap().done[&7], 90);
        for bad in ["", "{}", "{\"done\":{},\"classes\":{},\"explained\":[]}"] {
            std::fs::write(&path, bad).unwrap();
            assert!(State::read(&path).is_err(), "{bad}");
        }
        let newer = serde_json::to_string(&State { version: 2, ..State::default() }).unwrap();
        std::fs::write(&path, newer).unwrap();
        assert!(State::read(&path).unwrap_err().to_string().contains("version 2"));
    }
}
