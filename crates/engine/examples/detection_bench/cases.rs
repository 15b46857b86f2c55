//! The cases, as `benches/detection/generate.py` wrote them down.

use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    Honest,
    Damage,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) path: String,
    pub(crate) name: String,
    /// Absent at first sight.
    pub(crate) before: Option<String>,
    pub(crate) before_name: Option<String>,
    pub(crate) class: Class,
    /// The kind of damage, or the edit.
    pub(crate) what: String,
    /// The kind of file.
    pub(crate) kind: String,
    /// For damage: the names under which the file is tried.
    pub(crate) names: Option<BTreeMap<String, String>>,
}

impl Case {
    pub(crate) fn named<'a>(&'a self, variant: &str) -> &'a str {
        self.names.as_ref().and_then(|n| n.get(variant)).unwrap_or(&self.name)
    }
}

/// All cases of a half. Each part must be there: a bench without its honest files says nothing.
pub(crate) fn read(place: &Path) -> Vec<Case> {
    let mut all = Vec::new();
    for part in ["sights", "edits", "office", "damage"] {
        let path = place.join(format!("index-{part}.jsonl"));
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{} cannot be read: {e}", path.display()));
        all.extend(text.lines().map(|line| {
            serde_json::from_str::<Case>(line)
                .unwrap_or_else(|e| panic!("{} has a line that is no case: {e}", path.display()))
        }));
    }
    all
}

/// What could not be made, and how often.
pub(crate) fn missing(place: &Path) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for part in ["edits", "office", "damage"] {
        let path = place.join(format!("missing-{part}.json"));
        let text = fs::read_to_string(&path).unwrap();
        all.extend(serde_json::from_str::<BTreeMap<String, u64>>(&text).unwrap());
    }
    all
}
