//! Records as they are stored: in a tree, a log, a cache, or a file beside the configuration.
//!
//! Law: what was stored and cannot be understood is never read as empty. A [`Record`] that is
//! damaged or of a newer version is a [`RecordError`]; a row of a list that this program does not
//! know is [`Row::Unknown`], which is kept as it is and counts as grave. What a newer program added
//! to a record survives when this one writes it again. In types that implement [`Stored`] a field
//! is required, or an `Option` whose documentation says what its absence means.

use crate::Untrusted;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A type that is stored as JSON.
pub trait Stored: Serialize + DeserializeOwned {
    /// What people call it: `the list of alarms`.
    const NAME: &'static str;
    /// The version that this program writes, and the newest that it reads: the property `v`. What
    /// bears none is of the first version.
    const VERSION: u32 = 1;
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is damaged, or is something else.
    #[error("{what} is not readable: {}", .why.quoted())]
    Shape {
        /// What it should be.
        what: &'static str,
        /// What the parser says; it quotes what it found.
        why: Untrusted,
    },
    /// A newer program wrote it.
    #[error("{what} has version {found}, this program reads up to {known}; use a newer strongroom")]
    Version {
        /// What it is.
        what: &'static str,
        /// Its version.
        found: u64,
        /// The newest that is known here.
        known: u32,
    },
}

/// What of a stored record this program does not know: whole properties, and parts of those that
/// it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    whole: Map<String, Value>,
    within: BTreeMap<String, Rest>,
}

impl Rest {
    /// Whether everything was understood.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.within.is_empty()
    }

    /// What `found` has and `understood`, the same record written by this program, has not.
    fn between(found: &Value, understood: &Value) -> Rest {
        let mut rest = Rest::default();
        let (Value::Object(found), Value::Object(understood)) = (found, understood) else {
            return rest;
        };
        for (name, value) in found {
            match understood.get(name) {
                None => drop(rest.whole.insert(name.clone(), value.clone())),
                Some(known) => {
                    let part = Rest::between(value, known);
                    if !part.is_empty() {
                        rest.within.insert(name.clone(), part);
                    }
                }
            }
        }
        rest
    }

    /// Puts it back into what this program writes, where that says nothing itself.
    fn add_to(&self, value: &mut Value) {
        let Value::Object(map) = value else { return };
        for (name, value) in &self.whole {
            map.entry(name.as_str()).or_insert_with(|| value.clone());
        }
        for (name, part) in &self.within {
            if let Some(value) = map.get_mut(name) {
                part.add_to(value);
            }
        }
    }

    /// The record's bytes with what this program does not know of it.
    pub(crate) fn bytes_with<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, serde_json::Error> {
        if self.is_empty() {
            return serde_json::to_vec(value);
        }
        let mut value = serde_json::to_value(value)?;
        self.add_to(&mut value);
        serde_json::to_vec(&value)
    }
}

#[derive(Deserialize)]
struct Head {
    v: Option<u64>,
}

fn shape<T: Stored>(why: impl std::fmt::Display) -> RecordError {
    RecordError::Shape { what: T::NAME, why: why.to_string().into() }
}

fn check_version<T: Stored>(found: Option<u64>) -> Result<(), RecordError> {
    match found {
        Some(found) if found > u64::from(T::VERSION) => {
            Err(RecordError::Version { what: T::NAME, found, known: T::VERSION })
        }
        _ => Ok(()),
    }
}

/// Reads what was stored; answers what of it is not known, too. The version is looked at first: a
/// newer record may have any shape.
pub(crate) fn read<T: Stored>(bytes: &[u8]) -> Result<(T, Rest), RecordError> {
    // Lists have no version of their own.
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{') {
        let head: Head = serde_json::from_slice(bytes).map_err(shape::<T>)?;
        check_version::<T>(head.v)?;
    }
    let value: T = serde_json::from_slice(bytes).map_err(shape::<T>)?;
    // What this program wrote itself is written again byte for byte: the usual case, and cheap.
    if serde_json::to_vec(&value).is_ok_and(|again| again == bytes) {
        return Ok((value, Rest::default()));
    }
    let found: Value = serde_json::from_slice(bytes).map_err(shape::<T>)?;
    let understood = serde_json::to_value(&value).map_err(shape::<T>)?;
    Ok((value, Rest::between(&found, &understood)))
}

/// A stored value, with what this program does not know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<T> {
    /// What is known.
    pub value: T,
    rest: Rest,
}

impl<T> Record<T> {
    /// A record that this program makes.
    pub fn new(value: T) -> Self {
        Self { value, rest: Rest::default() }
    }

    /// What of it is not known here.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }
}

impl<T: Stored> Record<T> {
    /// Reads stored bytes.
    ///
    /// # Errors
    /// [`RecordError`]: damaged, something else, or newer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let (value, rest) = read(bytes)?;
        Ok(Self { value, rest })
    }

    /// Reads what stands as JSON in another record.
    ///
    /// # Errors
    /// As [`Record::from_bytes`].
    pub fn from_json(found: &Value) -> Result<Self, RecordError> {
        match found.get("v") {
            None => {}
            Some(v) => check_version::<T>(Some(v.as_u64().ok_or_else(|| shape::<T>("`v`"))?))?,
        }
        let value = T::deserialize(found).map_err(shape::<T>)?;
        let understood = serde_json::to_value(&value).map_err(shape::<T>)?;
        Ok(Self { value, rest: Rest::between(found, &understood) })
    }

    /// The bytes to store, with what was not understood.
    ///
    /// # Errors
    /// [`RecordError::Shape`] when the value cannot be JSON (a map whose keys are no text).
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        self.rest.bytes_with(&self.value).map_err(shape::<T>)
    }
}

impl<T> std::ops::Deref for Record<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> std::ops::DerefMut for Record<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Serialize> Serialize for Record<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.rest.is_empty() {
            return self.value.serialize(to);
        }
        let mut value = serde_json::to_value(&self.value).map_err(ser::Error::custom)?;
        self.rest.add_to(&mut value);
        value.serialize(to)
    }
}

impl<'de, T: Stored> Deserialize<'de> for Record<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = Value::deserialize(from)?;
        Record::from_json(&found).map_err(serde::de::Error::custom)
    }
}

/// A row of a stored list or log: understood, or kept as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row<T> {
    /// Understood.
    Known(Record<T>),
    /// Of a kind, version or shape that this program does not know. It counts as grave, and is
    /// written back as it is.
    Unknown(Value),
}

impl<T> Row<T> {
    /// A row that this program makes.
    pub fn new(value: T) -> Self {
        Row::Known(Record::new(value))
    }

    /// What is known of it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Row::Known(record) => Some(&record.value),
            Row::Unknown(_) => None,
        }
    }

    /// A text among the properties of a row that is not understood, such as its kind.
    pub fn unknown_text(&self, property: &str) -> Option<&str> {
        match self {
            Row::Known(_) => None,
            Row::Unknown(value) => value.get(property).and_then(Value::as_str),
        }
    }
}

impl<T: Stored> Row<T> {
    /// Reads a row; there is none that it loses.
    pub fn from_json(found: Value) -> Self {
        match Record::from_json(&found) {
            Ok(record) => Row::Known(record),
            Err(_) => Row::Unknown(found),
        }
    }
}

impl<T: Serialize> Serialize for Row<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Row::Known(record) => record.serialize(to),
            Row::Unknown(value) => value.serialize(to),
        }
    }
}

impl<'de, T: Stored> Deserialize<'de> for Row<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Row::from_json(Value::deserialize(from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Inner {
        a: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        b: Option<u32>,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Outer {
        v: u32,
        inner: Inner,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    }

    impl Stored for Outer {
        const NAME: &'static str = "a test's record";
        const VERSION: u32 = 2;
    }

    fn text(r: &Record<Outer>) -> Value {
        serde_json::from_slice(&r.to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn what_is_not_known_survives_a_rewrite_at_every_depth() {
        let found = json!({"v": 2, "inner": {"a": 1, "b": 2, "new": [1]}, "name": "x", "more": {}});
        let mut r = Record::<Outer>::from_bytes(found.to_string().as_bytes()).unwrap();
        assert_eq!(text(&r), found);
        r.inner.a = 7;
        // What this program takes away stays away.
        r.inner.b = None;
        r.name = None;
        assert_eq!(text(&r), json!({"v": 2, "inner": {"a": 7, "new": [1]}, "more": {}}));
    }

    #[test]
    fn damaged_newer_and_incomplete_records_are_told_apart() {
        let read = |t: &str| Record::<Outer>::from_bytes(t.as_bytes()).unwrap_err();
        for bad in ["", "{", "[]", "null", r#"{"v":1}"#, r#"{"v":"1","inner":{"a":1}}"#] {
            assert!(matches!(read(bad), RecordError::Shape { .. }), "{bad}");
        }
        // A newer one may have any shape.
        let newer = read(r#"{"v":3,"inner":"elsewhere"}"#);
        assert!(matches!(newer, RecordError::Version { found: 3, known: 2, .. }), "{newer}");
    }

    #[test]
    fn a_row_that_is_not_known_is_kept_as_it_is() {
        let found = json!([{"v": 1, "inner": {"a": 1}}, {"kind": "new"}, 7, {"v": 9}]);
        let rows: Vec<Row<Outer>> = serde_json::from_value(found.clone()).unwrap();
        assert_eq!(rows.iter().filter(|r| r.known().is_none()).count(), 3);
        assert_eq!(rows[1].unknown_text("kind"), Some("new"));
        assert_eq!(serde_json::to_value(&rows).unwrap(), found);
    }
}
