//! Microsoft's published data, from `../shared/graph` beside the repository.

use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

/// One row of `operations.tsv`.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: String,
    /// `/users/{user-id}/messages`.
    pub(crate) path: String,
    /// Segments in small letters; `{…}` stands for an id.
    pub(crate) segments: Vec<String>,
    /// Type of the answer; empty when there is none.
    pub(crate) response: String,
}

/// One entity or complex type.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Type {
    #[serde(rename = "b")]
    pub(crate) base: Option<String>,
    #[serde(rename = "p")]
    pub(crate) properties: BTreeMap<String, String>,
    #[serde(rename = "n")]
    pub(crate) navigation: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TypesFile {
    types: BTreeMap<String, Type>,
    enums: BTreeMap<String, Vec<String>>,
}

/// One request and its answer, as the documentation prints them.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Example {
    pub(crate) area: String,
    pub(crate) method: Option<String>,
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) request_headers: BTreeMap<String, String>,
    pub(crate) request_body: Option<Value>,
    pub(crate) status: Option<u16>,
    pub(crate) response_body: Option<Value>,
    pub(crate) odata_type: Option<String>,
    pub(crate) file: String,
}

/// One row of `permissions.tsv`: sets of permissions, each of which is enough.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) enough: BTreeSet<Vec<String>>,
}

pub(crate) struct Published {
    pub(crate) operations: Vec<Operation>,
    pub(crate) types: BTreeMap<String, Type>,
    pub(crate) enums: BTreeMap<String, Vec<String>>,
    pub(crate) examples: Vec<Example>,
    pub(crate) grants: Vec<Grant>,
}

pub(crate) fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|p| !p.is_empty())
        .map(|p| p.trim_end_matches("()").to_ascii_lowercase())
        .collect()
}

impl Published {
    /// `None` where the data is not beside the repository; the caller says that it skips.
    pub(crate) fn load() -> Option<Self> {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/graph");
        let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
        let rows = |text: &str| -> Vec<Vec<String>> {
            text.lines().skip(1).map(|l| l.split('\t').map(str::to_owned).collect()).collect()
        };
        let types: TypesFile = serde_json::from_str(&read("types.json")?).unwrap();
        let operations = rows(&read("operations.tsv")?)
            .into_iter()
            .map(|r| Operation {
                method: r[1].clone(),
                segments: segments(&r[2]),
                path: r[2].clone(),
                response: r.get(5).cloned().unwrap_or_default(),
            })
            .collect();
        let examples = read("examples.jsonl")?
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect::<Vec<_>>();
        let grants = rows(&read("permissions.tsv")?)
            .into_iter()
            .map(|r| Grant {
                method: r[1].clone(),
                path: r[0].clone(),
                // `A+B` is both together; each other is enough alone.
                enough: [&r[2], &r[3]]
                    .into_iter()
                    .flat_map(|l| l.split(','))
                    .map(str::trim)
                    .filter(|p| !p.is_empty())
                    .map(|p| p.split('+').map(str::to_owned).collect())
                    .collect(),
            })
            .collect();
        Some(Self { operations, types: types.types, enums: types.enums, examples, grants })
    }

    /// The operation that a path without version is a call of: the one with the most words.
    pub(crate) fn operation(&self, method: &str, path: &[String]) -> Option<&Operation> {
        self.operations
            .iter()
            .filter(|o| o.method == method && fits(&o.segments, path))
            .min_by_key(|o| o.segments.iter().filter(|s| s.contains('{')).count())
    }

    /// Whether `kind` is `of` or derived from it.
    pub(crate) fn derives(&self, kind: &str, of: &str) -> bool {
        let mut now = Some(kind.to_owned());
        while let Some(name) = now {
            if name == of {
                return true;
            }
            now = self.types.get(&name).and_then(|t| t.base.clone());
        }
        false
    }

    /// Type of a property, inherited ones too; `None` when there is none of that name.
    pub(crate) fn property(&self, kind: &str, name: &str) -> Option<&str> {
        let mut now = self.types.get(kind);
        while let Some(t) = now {
            if let Some(found) = t.properties.get(name).or_else(|| t.navigation.get(name)) {
                return Some(found);
            }
            now = t.base.as_ref().and_then(|b| self.types.get(b));
        }
        None
    }
}

/// Whether a called path is one of a template.
pub(crate) fn fits(template: &[String], path: &[String]) -> bool {
    template.len() == path.len()
        && template.iter().zip(path).all(|(t, p)| {
            let word = p.trim_end_matches("()");
            match t.split_once('(') {
                // A function: its name must be the same.
                Some((name, _)) if !t.starts_with('{') => {
                    word.split('(').next().is_some_and(|w| w.eq_ignore_ascii_case(name))
                }
                _ => t.starts_with('{') || t.eq_ignore_ascii_case(word),
            }
        })
}

/// `Collection(microsoft.graph.user)!` is a list of `microsoft.graph.user`.
pub(crate) fn element(kind: &str) -> (&str, bool) {
    // A union type is written with `&`; its first part is what the answer is.
    let kind = kind.trim_end_matches(['!', '&']);
    match kind.strip_prefix("Collection(").and_then(|k| k.strip_suffix(')')) {
        Some(inner) => (inner.trim_end_matches('!'), true),
        None => (kind, false),
    }
}
