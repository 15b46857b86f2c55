//! Microsoft's published types: which properties a thing has, of which kind, and what stands on
//! what.

use serde_json::Value;
use std::{collections::HashMap, sync::LazyLock};

const TYPES_JSON: &str = include_str!("../../data/types.json");

/// An entity or a complex type.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    base: Option<&'static str>,
    /// Takes properties beyond those that are published.
    pub(crate) open: bool,
    pub(crate) is_abstract: bool,
    /// By name in small letters; types as published.
    properties: HashMap<String, &'static str>,
    navigation: HashMap<String, &'static str>,
    /// Its own properties as they are written.
    own: Vec<(&'static str, &'static str)>,
}

#[derive(Debug)]
enum Row {
    Kind(Kind),
    Members(Vec<&'static str>),
}

/// By name in small letters. The text lives as long as the program.
static TYPES: LazyLock<HashMap<String, Row>> = LazyLock::new(|| {
    let leak = |s: &str| -> &'static str { Box::leak(s.to_owned().into_boxed_str()) };
    let all: serde_json::Map<String, Value> = serde_json::from_str(TYPES_JSON).unwrap_or_default();
    let map = |v: &Value| -> HashMap<String, &'static str> {
        let rows = v.as_object().into_iter().flatten();
        rows.filter_map(|(k, t)| Some((k.to_lowercase(), leak(t.as_str()?)))).collect()
    };
    let list = |v: &Value| -> Vec<(&'static str, &'static str)> {
        let rows = v.as_object().into_iter().flatten();
        rows.filter_map(|(k, t)| Some((leak(k), leak(t.as_str()?)))).collect()
    };
    all.iter()
        .map(|(name, v)| {
            let row = match v {
                Value::Array(members) => {
                    Row::Members(members.iter().filter_map(|m| Some(leak(m.as_str()?))).collect())
                }
                v => Row::Kind(Kind {
                    name: leak(name),
                    base: v["b"].as_str().map(leak),
                    open: v["o"] == true,
                    is_abstract: v["a"] == true,
                    properties: map(&v["p"]),
                    navigation: map(&v["n"]),
                    own: list(&v["p"]),
                }),
            };
            (name.to_lowercase(), row)
        })
        .collect()
});

/// A published type taken apart: `Collection(microsoft.graph.user)!`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) many: bool,
    /// `!` stands behind what is never null.
    pub(crate) nullable: bool,
}

/// Takes a published type apart.
pub(crate) fn named(text: &'static str) -> Named {
    let nullable = !text.ends_with('!');
    // `&` stands behind what is only referred to.
    let text = text.trim_end_matches(['!', '&']);
    match text.strip_prefix("Collection(").and_then(|t| t.strip_suffix(')')) {
        Some(inner) => Named { name: inner.trim_end_matches(['!', '&']), many: true, nullable },
        None => Named { name: text, many: false, nullable },
    }
}

/// An entity or a complex type by its name, whose case is ignored; `None` when it is not among
/// those that the simulator knows.
pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    match TYPES.get(&name.trim_start_matches('#').to_lowercase())? {
        Row::Kind(kind) => Some(kind),
        Row::Members(_) => None,
    }
}

/// The members of an enumeration.
pub(crate) fn members(name: &str) -> Option<&'static [&'static str]> {
    match TYPES.get(&name.to_lowercase())? {
        Row::Members(members) => Some(members),
        Row::Kind(_) => None,
    }
}

impl Kind {
    /// Itself and what it stands on.
    fn lineage(&'static self) -> impl Iterator<Item = &'static Kind> {
        std::iter::successors(Some(self), |k| kind(k.base?))
    }

    /// A property or a navigation property, its own or inherited.
    pub(crate) fn find(&'static self, name: &str) -> Option<(Named, Role)> {
        let name = name.to_lowercase();
        self.lineage().find_map(|k| {
            let own = k.properties.get(&name).map(|t| (named(t), Role::Property));
            own.or_else(|| k.navigation.get(&name).map(|t| (named(t), Role::Navigation)))
        })
    }

    /// Every property, its own and inherited, as it is written.
    pub(crate) fn properties(&'static self) -> impl Iterator<Item = (&'static str, Named)> {
        self.lineage().flat_map(|k| k.own.iter().map(|(name, t)| (*name, named(t))))
    }

    /// Whether a thing of this type can stand where `other` is asked for.
    pub(crate) fn is(&'static self, other: &Kind) -> bool {
        self.lineage().any(|k| k.name == other.name)
    }

    /// Whether some type that stands on this one has the property.
    pub(crate) fn below_has(&'static self, name: &str) -> bool {
        TYPES.values().any(|row| match row {
            Row::Kind(k) => k.is(self) && k.find(name).is_some(),
            Row::Members(_) => false,
        })
    }
}

/// What a name on a type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Property,
    Navigation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_types_are_read_with_what_they_inherit() {
        let user = kind("microsoft.graph.user").unwrap();
        assert_eq!(user.find("ID").unwrap().0.name, "Edm.String");
        assert!(user.find("deletedDateTime").is_some() && user.find("nonsense").is_none());
        assert!(user.is(kind("microsoft.graph.directoryObject").unwrap()));
        let plans = user.find("assignedPlans").unwrap().0;
        let want = Named { name: "microsoft.graph.assignedPlan", many: true, nullable: false };
        assert_eq!(plans, want);
        assert!(members("microsoft.graph.importance").unwrap().contains(&"high"));
    }
}
