//! Whether an answer is one that the published types allow.

use super::data::{Operation, Published, element};
use super::school::Answer;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is wrong, and where: `microsoft.graph.user.colour is not published`.
pub(crate) type Problems = BTreeMap<String, usize>;

pub(crate) struct Validator<'d> {
    pub(crate) data: &'d Published,
    pub(crate) problems: Problems,
    /// Answers that were looked at, and those among them with no problem.
    pub(crate) answers: usize,
    pub(crate) clean: usize,
    /// Answers whose published type is not known: a stream, a number, an action without name.
    pub(crate) untyped: usize,
}

impl<'d> Validator<'d> {
    pub(crate) fn new(data: &'d Published) -> Self {
        Self { data, problems: Problems::new(), answers: 0, clean: 0, untyped: 0 }
    }

    /// Looks at one successful answer with JSON in it.
    pub(crate) fn answer(
        &mut self,
        operation: Option<&Operation>,
        path: &[String],
        answer: &Answer,
    ) {
        if !(200..300).contains(&answer.status) || !answer.body.is_object() {
            return;
        }
        let declared = operation.map(|o| o.response.as_str()).unwrap_or_default();
        let declared = match (declared, path.last().map(String::as_str)) {
            (d, _) if d.contains("microsoft.graph.") => d.to_owned(),
            // The file names no type for a delta: it is that of its collection.
            (_, Some(p)) if p.starts_with("delta") => {
                let above = &path[..path.len() - 1];
                let above = self.data.operation("GET", above).map(|o| o.response.clone());
                let kind = above.unwrap_or_default();
                match path.iter().rev().nth(1).map(String::as_str) {
                    Some("root") => "Collection(microsoft.graph.driveItem)".to_owned(),
                    _ => kind,
                }
            }
            _ => String::new(),
        };
        if declared.is_empty() {
            self.untyped += 1;
            return;
        }
        let mut found = Vec::new();
        let (kind, many) = element(&declared);
        if answer.body.get("@odata.context").is_none() {
            let shape = operation.map(|o| format!("{} {}", o.method, o.path)).unwrap_or_default();
            found.push(format!("no @odata.context: {shape}"));
        }
        match answer.body.get("value") {
            Some(Value::Array(rows)) if many || self.data.property(kind, "value").is_none() => {
                for row in rows {
                    self.object(kind, row, &mut found);
                }
            }
            Some(_) | None if many => found.push(format!("no list of {kind}")),
            _ => self.object(kind, &answer.body, &mut found),
        }
        self.answers += 1;
        self.clean += usize::from(found.is_empty());
        for f in found {
            *self.problems.entry(f).or_default() += 1;
        }
    }

    fn object(&self, declared: &str, value: &Value, found: &mut Vec<String>) {
        let Value::Object(map) = value else {
            found.push(format!("{declared}: not an object"));
            return;
        };
        let named = map.get("@odata.type").and_then(Value::as_str);
        let kind = named.map_or(declared, |n| n.trim_start_matches('#'));
        if named.is_some() && !self.data.derives(kind, declared) {
            found.push(format!("{kind} is not a {declared}"));
            return;
        }
        if !self.data.types.contains_key(kind) {
            found.push(format!("{kind} is no published type"));
            return;
        }
        for (name, v) in map.iter().filter(|(n, _)| !n.contains('@')) {
            match self.data.property(kind, name) {
                Some(of) => self.value(&format!("{kind}.{name}"), of, v, found),
                // A derived type that the answer does not name.
                None => found.push(format!("{kind}.{name} is not published")),
            }
        }
    }

    fn value(&self, at: &str, of: &str, v: &Value, found: &mut Vec<String>) {
        let must = of.ends_with('!');
        let (kind, many) = element(of);
        if v.is_null() {
            if must && !many {
                found.push(format!("{at}: null, is {of}"));
            }
            return;
        }
        if many {
            match v {
                Value::Array(rows) => rows.iter().for_each(|r| self.value(at, kind, r, found)),
                _ => found.push(format!("{at}: no list")),
            }
            return;
        }
        let ok = match kind {
            "Edm.String" | "Edm.Duration" | "Edm.Binary" | "Edm.TimeOfDay" | "Edm.Stream" => {
                v.is_string()
            }
            "Edm.Boolean" => v.is_boolean(),
            "Edm.Int16" | "Edm.Int32" | "Edm.Int64" | "Edm.Byte" => v.is_i64() || v.is_u64(),
            "Edm.Double" | "Edm.Single" | "Edm.Decimal" => {
                v.is_number() || ["INF", "-INF", "NaN"].iter().any(|s| v == *s)
            }
            "Edm.DateTimeOffset" => {
                v.as_str().is_some_and(|s| s.parse::<jiff::Timestamp>().is_ok())
            }
            "Edm.Date" => v.as_str().is_some_and(|s| s.parse::<jiff::civil::Date>().is_ok()),
            "Edm.Guid" => v.as_str().is_some_and(is_guid),
            k if k.starts_with("Edm.") => true,
            k => match self.data.enums.get(k) {
                // A flag enumeration has several members in one text.
                Some(members) => v
                    .as_str()
                    .is_some_and(|s| s.split(',').all(|m| members.iter().any(|x| x == m.trim()))),
                None => {
                    self.object(k, v, found);
                    true
                }
            },
        };
        if !ok {
            let text: String = v.to_string().chars().take(40).collect();
            found.push(format!("{at}: {text} is no {kind}"));
        }
    }
}

fn is_guid(s: &str) -> bool {
    s.len() == 36
        && s.chars().enumerate().all(|(n, c)| match n {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}
