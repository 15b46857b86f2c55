use crate::{
    CollectionState, Untrusted,
    collections::{applications, directory},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One object of a tenant's configuration.
///
/// Invariant: two tenants that are set up alike have equal names and bodies. Ids stand apart, a
/// reference to another object of the same tenant is its symbol (`@groups/All staff`), and what
/// changes by itself (times, authors) is in `volatile`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigObject {
    /// Unique in its collection.
    pub name: String,
    /// The tenant's own id of it; empty for what exists once.
    pub id: String,
    /// The settings.
    pub body: Value,
    /// What changes without anybody changing a setting.
    pub volatile: Value,
}

/// The objects of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigCollection {
    /// How its reading ended.
    #[serde(flatten)]
    pub state: CollectionState,
    /// Sorted by name.
    #[serde(default)]
    pub objects: Vec<ConfigObject>,
}

/// A line of the tenant's own audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: jiff::Timestamp,
    /// Who: a sign-in name, or an application's name.
    pub who: Untrusted,
    /// What the log calls it.
    pub activity: Untrusted,
    /// Ids and names of what was touched.
    pub targets: Vec<String>,
}

/// The configuration of a tenant at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The tenant's name here.
    pub tenant: String,
    /// When it was read.
    pub taken: jiff::Timestamp,
    /// When what Tenant Configuration Management gives was read: seldom, since it is rationed.
    pub managed_at: Option<jiff::Timestamp>,
    /// By name, such as `identity/conditional-access-policies`.
    pub collections: BTreeMap<String, ConfigCollection>,
    /// Symbols that bodies use, and the ids that they stood for.
    pub references: BTreeMap<String, String>,
}

impl Configuration {
    /// An empty one.
    pub fn new(tenant: impl Into<String>, taken: jiff::Timestamp) -> Self {
        Self {
            tenant: tenant.into(),
            taken,
            managed_at: None,
            collections: BTreeMap::new(),
            references: BTreeMap::new(),
        }
    }

    /// What applications with these ids are called where settings refer to them.
    pub fn application_symbols(&self, ids: &[String]) -> Vec<String> {
        let mut out: Vec<String> =
            ids.iter().map(|id| format!("@service-principals/{id}")).collect();
        for o in self
            .collections
            .get(applications::REGISTRATIONS)
            .map(|c| c.objects.as_slice())
            .unwrap_or_default()
        {
            if o.volatile["appId"]
                .as_str()
                .is_some_and(|id| ids.iter().any(|w| w.eq_ignore_ascii_case(id)))
            {
                out.push(format!("@service-principals/{}", o.name));
            }
        }
        out
    }

    /// Its object that says the same as one of now which knows somebody by the id alone: who was
    /// deleted has no name any more, and what was given to them stands for as long as they can be
    /// had back.
    pub fn before_they_were_deleted(
        &self,
        collection: &str,
        now: &ConfigObject,
    ) -> Option<&ConfigObject> {
        let id = now.body["principalId"].as_str().filter(|id| is_guid(id))?;
        let mut body = now.body.clone();
        body["principalId"] = self.symbol_of(id)?.into();
        self.collections.get(collection)?.objects.iter().find(|o| o.body == body)
    }

    /// What settings call the person or group with this id, as far as they name it.
    pub fn symbol_of(&self, id: &str) -> Option<String> {
        let named = self
            .references
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(id))
            .map(|(symbol, _)| symbol.clone());
        let there = |(collection, kind): (&str, &str)| {
            let found = self
                .collections
                .get(collection)?
                .objects
                .iter()
                .find(|o| o.id.eq_ignore_ascii_case(id))?;
            Some(format!("@{kind}/{}", found.name))
        };
        named.or_else(|| {
            [(directory::PRIVILEGED_USERS, "users"), (directory::REFERENCED_GROUPS, "groups")]
                .into_iter()
                .find_map(there)
        })
    }

    /// People, groups and applications that settings name, by id: what they are called.
    fn principals(&self) -> BTreeMap<String, String> {
        let mut out: BTreeMap<String, String> = self
            .references
            .iter()
            .filter(|(symbol, _)| is_principal(symbol))
            .map(|(symbol, id)| (id.to_lowercase(), symbol.clone()))
            .collect();
        for (collection, kind) in KNOWN_BY_ID {
            for o in self
                .collections
                .get(*collection)
                .map(|c| c.objects.as_slice())
                .unwrap_or_default()
                .iter()
                .filter(|o| !o.id.is_empty())
            {
                out.entry(o.id.to_lowercase()).or_insert_with(|| format!("@{kind}/{}", o.name));
            }
        }
        out
    }

    /// How another configuration of the tenant calls those whom this one names. Who has the name of
    /// somebody else there is called another: a name is easily taken, an id is not.
    pub fn names_in(&self, other: &Configuration) -> SymbolNames {
        let theirs = other.principals();
        let mut taken: BTreeSet<String> = theirs.values().map(|s| s.to_lowercase()).collect();
        let mut words: BTreeMap<String, String> =
            self.references.keys().map(|s| (s.clone(), s.clone())).collect();
        for (id, symbol) in self.principals() {
            let word = match theirs.get(&id) {
                Some(word) => word.clone(),
                None => {
                    let mut word = symbol.clone();
                    while !taken.insert(word.to_lowercase()) {
                        word.push_str(" (another)");
                    }
                    word
                }
            };
            words.insert(symbol, word);
        }
        SymbolNames(words)
    }

    /// The same, in which people, groups and applications are called as another configuration of
    /// the tenant calls them.
    pub fn with_names_of(&self, other: &Configuration) -> Configuration {
        let words = self.names_in(other);
        if words.0.iter().all(|(symbol, word)| symbol == word) {
            return self.clone();
        }
        let mut out = self.clone();
        out.references = self
            .references
            .iter()
            .map(|(symbol, id)| (words.symbol(symbol).to_owned(), id.clone()))
            .collect();
        for (collection, c) in &mut out.collections {
            for o in &mut c.objects {
                o.name = words.name(collection, &o.name);
                words.retell_all(&mut o.body);
            }
            c.objects.sort_by(|a, b| a.name.cmp(&b.name));
        }
        out
    }

    /// Doubts what says that it is not licensed and was read in another configuration of the
    /// tenant: it is out of sight, and nobody knows that there is none.
    pub fn doubt_licences(&mut self, before: &Configuration) {
        for (name, c) in self.collections.iter_mut().filter(|(_, c)| c.state.is_unlicensed()) {
            if let Some(old) = before.collections.get(name).filter(|old| old.state.has_objects()) {
                c.state = c.state.clone().with_objects();
                c.objects.clone_from(&old.objects);
            }
        }
    }

    /// An object by collection and name.
    pub fn object(&self, collection: &str, name: &str) -> Option<&ConfigObject> {
        self.collections.get(collection)?.objects.iter().find(|o| o.name == name)
    }
}

/// Collections whose objects are people and groups, and what their symbols begin with.
const KNOWN_BY_ID: &[(&str, &str)] =
    &[(directory::PRIVILEGED_USERS, "users"), (directory::REFERENCED_GROUPS, "groups")];

/// Whether a text has the form of a GUID.
pub fn is_guid(s: &str) -> bool {
    s.len() == 36
        && s.bytes().enumerate().all(|(n, b)| {
            if [8, 13, 18, 23].contains(&n) { b == b'-' } else { b.is_ascii_hexdigit() }
        })
}

/// Whether a symbol stands for somebody whose name alone is no proof. Applications of others are
/// called by their own id.
pub fn is_principal(symbol: &str) -> bool {
    symbol.starts_with("@users/")
        || symbol.starts_with("@groups/")
        || symbol.strip_prefix("@service-principals/").is_some_and(|name| !is_guid(name))
}

/// What symbols of one configuration are called in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolNames(BTreeMap<String, String>);

impl SymbolNames {
    /// The way back.
    pub fn back(&self) -> SymbolNames {
        SymbolNames(self.0.iter().map(|(symbol, word)| (word.clone(), symbol.clone())).collect())
    }

    /// A symbol in other words.
    pub fn symbol<'w>(&'w self, symbol: &'w str) -> &'w str {
        self.0.get(symbol).map_or(symbol, String::as_str)
    }

    /// The name of an object in other words.
    pub fn name(&self, collection: &str, name: &str) -> String {
        match KNOWN_BY_ID.iter().find(|(known, _)| *known == collection) {
            Some((_, kind)) => self
                .symbol(&format!("@{kind}/{name}"))
                .split_once('/')
                .map_or(name, |(_, name)| name)
                .to_owned(),
            None => self.retell(name),
        }
    }

    /// A text in other words: where several symbols fit the longest is meant, since names may hold
    /// anything.
    fn retell(&self, text: &str) -> String {
        if let Some(word) = self.0.get(text) {
            return word.clone();
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('@') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            match self
                .0
                .range(..=rest.to_owned())
                .rev()
                .take_while(|(s, _)| s.as_bytes().get(1) == rest.as_bytes().get(1))
                .find(|(s, _)| rest.starts_with(s.as_str()))
            {
                Some((symbol, word)) => {
                    out.push_str(word);
                    rest = &rest[symbol.len()..];
                }
                None => {
                    out.push('@');
                    rest = &rest[1..];
                }
            }
        }
        out + rest
    }

    fn retell_all(&self, v: &mut Value) {
        match v {
            Value::String(s) if s.contains('@') => *s = self.retell(s),
            Value::Array(rows) => {
                rows.iter_mut().for_each(|r| self.retell_all(r));
                // Lists of words are sets, here as where they are read.
                if rows.iter().all(Value::is_string) {
                    rows.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                }
            }
            Value::Object(map) => map.values_mut().for_each(|r| self.retell_all(r)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn school(
        references: &[(&str, &str)],
        excluded: &[&str],
        group: (&str, &str),
    ) -> Configuration {
        let mut c = Configuration::new("school", jiff::Timestamp::UNIX_EPOCH);
        c.references =
            references.iter().map(|(s, id)| ((*s).to_owned(), (*id).to_owned())).collect();
        let object = |name: &str, id: &str, body: Value| ConfigObject {
            name: name.into(),
            id: id.into(),
            body,
            volatile: json!({}),
        };
        let collected = |objects| ConfigCollection { state: CollectionState::Collected, objects };
        c.collections.insert(
            "policies".into(),
            collected(vec![object("p", "1", json!({"exclude": excluded}))]),
        );
        c.collections.insert(
            "roles/assignments".into(),
            collected(vec![object("Helper @groups/E /", "2", json!({"principalId": "@groups/E"}))]),
        );
        c.collections.insert(
            "directory/referenced-groups".into(),
            collected(vec![object(group.0, group.1, json!({}))]),
        );
        c
    }

    #[test]
    fn names_are_told_by_ids() {
        let then = school(&[("@groups/E", "a"), ("@users/x", "u")], &["@groups/E"], ("E", "a"));
        // A twin bears the name, and the right one has another.
        let now = school(
            &[("@groups/E", "b"), ("@groups/E (2)", "a"), ("@users/y", "u")],
            &["@groups/E", "@groups/E (2)", "@users/y"],
            ("E (2)", "a"),
        );
        let told = now.with_names_of(&then);
        assert_eq!(
            told.collections["policies"].objects[0].body,
            json!({"exclude": ["@groups/E", "@groups/E (another)", "@users/x"]})
        );
        assert_eq!(
            told.collections["roles/assignments"].objects[0].name,
            "Helper @groups/E (another) /"
        );
        assert_eq!(told.collections["directory/referenced-groups"].objects[0].name, "E");
        assert_eq!(told.references["@groups/E"], "a");
        assert_eq!(told.with_names_of(&then), told, "a second time changes nothing");
        assert_eq!(then.with_names_of(&then), then);
        // And back, as an undo needs it.
        let words = now.names_in(&then);
        assert_eq!(
            words.back().name("roles/assignments", "Helper @groups/E (another) /"),
            "Helper @groups/E /"
        );
        assert_eq!(words.back().name("directory/referenced-groups", "E"), "E (2)");
        // Another case is no other name.
        let twin = school(&[("@groups/e", "b")], &["@groups/e"], ("e", "b"));
        assert_eq!(
            twin.with_names_of(&then).collections["policies"].objects[0].body,
            json!({"exclude": ["@groups/e (another)"]})
        );
    }
}
