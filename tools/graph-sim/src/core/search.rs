//! `$search`: words in quotes, of one property (`"displayName:ann"`) or of the whole object, joined
//! by `AND` and `OR`. Source: "Use the $search query parameter", Microsoft Graph.

use crate::core::filter::at;
use serde_json::Value;

/// What is searched for: any of the alternatives, all terms of it.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    any: Vec<Vec<Term>>,
}

#[derive(Debug, Clone)]
struct Term {
    /// `None` searches everything.
    property: Option<String>,
    word: String,
}

impl Search {
    /// `None` when it is no search: quotes that do not close, nothing within them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut any = vec![Vec::new()];
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (term, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                // Mail takes words without quotes.
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            let word = term.trim();
            if word.is_empty() {
                return None;
            }
            let quoted = rest.starts_with('"');
            rest = after.trim_start();
            match word {
                "AND" if !quoted => continue,
                "OR" if !quoted => any.push(Vec::new()),
                _ => any.last_mut()?.push(Term::new(word)),
            }
        }
        any.iter().all(|all| !all.is_empty()).then_some(Self { any })
    }

    /// Whether an object has what is searched for.
    pub(crate) fn finds(&self, v: &Value) -> bool {
        self.any.iter().any(|all| all.iter().all(|t| t.finds(v)))
    }
}

impl Term {
    fn new(word: &str) -> Self {
        let named = word.split_once(':').filter(|(p, w)| {
            !p.is_empty() && !w.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric())
        });
        match named {
            Some((property, word)) => {
                Self { property: Some(property.to_owned()), word: word.trim().to_lowercase() }
            }
            None => Self { property: None, word: word.to_lowercase() },
        }
    }

    fn finds(&self, v: &Value) -> bool {
        match &self.property {
            Some(property) => self.within(&at(v, property)),
            None => self.within(v),
        }
    }

    fn within(&self, v: &Value) -> bool {
        match v {
            Value::String(s) => s.to_lowercase().contains(&self.word),
            Value::Array(rows) => rows.iter().any(|r| self.within(r)),
            Value::Object(map) => {
                map.iter().any(|(name, v)| !name.starts_with('@') && self.within(v))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_are_found_in_one_property_or_anywhere() {
        let v = json!({"displayName": "Ann Lee", "mail": "ann@x", "tags": ["blue sky"]});
        for (text, want) in [
            ("\"displayName:ann\"", true),
            ("\"displayName:bob\"", false),
            ("\"displayName:bob\" OR \"mail:ann\"", true),
            ("\"displayName:ann\" AND \"mail:bob\"", false),
            ("\"blue sky\"", true),
            ("sky", true),
            ("red", false),
        ] {
            assert_eq!(Search::parse(text).map(|s| s.finds(&v)), Some(want), "{text}");
        }
        for text in ["", "\"open", "\"\"", "\"a\" OR"] {
            assert!(Search::parse(text).is_none(), "{text}");
        }
    }
}
