//! Query options: as far as the documentation's examples use them; anything else is a documented
//! 400.

use crate::core::http::{ApiError, Area};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::{cmp::Ordering, collections::BTreeMap};

/// One `$expand` with the options in its parentheses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expand {
    pub(crate) name: String,
    pub(crate) options: BTreeMap<String, String>,
}

impl Expand {
    /// The nested options as a query of their own.
    pub(crate) fn query(&self) -> Query {
        Query {
            select: self.options.get("select").map(|s| names(s)).unwrap_or_default(),
            expand: self.options.get("expand").map(|e| split_expand(e)).unwrap_or_default(),
            ..Query::default()
        }
    }
}

/// The options of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) select: Vec<String>,
    pub(crate) expand: Vec<Expand>,
    pub(crate) top: Option<usize>,
    pub(crate) skip: usize,
    pub(crate) count: bool,
    filter: Option<Filter>,
    orderby: Vec<(String, bool)>,
    /// Options without a meaning here: tokens, flags.
    pub(crate) other: BTreeMap<String, String>,
}

const KNOWN: [&str; 9] =
    ["select", "expand", "top", "skip", "count", "filter", "orderby", "search", "format"];

fn names(list: &str) -> Vec<String> {
    list.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// Splits at commas outside parentheses.
fn split_expand(text: &str) -> Vec<Expand> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (n, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..n]);
                start = n + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
        .into_iter()
        .map(|p| {
            let (name, inner) = p.split_once('(').unwrap_or((p, ""));
            let inner = inner.strip_suffix(')').unwrap_or(inner);
            let options = inner
                .split(';')
                .filter_map(|o| o.split_once('='))
                .map(|(k, v)| (k.trim().trim_start_matches('$').to_ascii_lowercase(), v.to_owned()))
                .collect();
            Expand { name: name.trim().to_owned(), options }
        })
        .filter(|e| !e.name.is_empty())
        .collect()
}

/// Splits a query string; `+` is a space here, unlike in a path.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| {
            let (k, v) = p.split_once('=').unwrap_or((p, ""));
            let decode =
                |s: &str| percent_decode_str(&s.replace('+', " ")).decode_utf8_lossy().into_owned();
            (decode(k), decode(v))
        })
        .collect()
}

impl Query {
    pub(crate) fn parse(query: &str, area: Area) -> Result<Self, ApiError> {
        let mut q = Query::default();
        let bad = |what: String| ApiError::bad_request(area, what);
        for (key, value) in pairs(query) {
            let name = key.trim_start_matches('$').to_ascii_lowercase();
            match name.as_str() {
                "select" => q.select = names(&value),
                "expand" => q.expand = split_expand(&value),
                "top" => {
                    let top = value.parse().map_err(|_| {
                        bad(format!(
                            "Invalid value '{value}' for $top query option found. The $top \
                            query option requires a non-negative integer value."
                        ))
                    })?;
                    q.top = Some(top);
                }
                "skip" => {
                    q.skip = value.parse().map_err(|_| {
                        bad(format!("Invalid value '{value}' for $skip query option found."))
                    })?
                }
                "count" => q.count = value.eq_ignore_ascii_case("true"),
                "filter" => {
                    q.filter = Some(
                        Filter::parse(&value)
                            .ok_or_else(|| bad(format!("Invalid filter clause: {value}")))?,
                    )
                }
                "orderby" => {
                    q.orderby = names(&value)
                        .iter()
                        .map(|o| match o.split_once(' ') {
                            Some((path, way)) => {
                                (path.to_owned(), way.trim().eq_ignore_ascii_case("desc"))
                            }
                            None => (o.clone(), false),
                        })
                        .collect();
                }
                "search" => {
                    return Err(
                        bad("The query option '$search' is not supported here.".to_owned()),
                    );
                }
                "format" => {}
                _ if key.starts_with('$')
                    && !["skiptoken", "deltatoken"].contains(&name.as_str())
                    && !KNOWN.contains(&name.as_str()) =>
                {
                    return Err(bad(format!("The query parameter '{key}' is not supported.")));
                }
                _ => {
                    q.other.insert(name, value);
                }
            }
        }
        Ok(q)
    }

    pub(crate) fn selects(&self, name: &str, on_request: &[&str]) -> bool {
        if self.select.is_empty() {
            return !on_request.contains(&name);
        }
        // `$select` of a path (`microsoft.graph.fileAttachment/contentId`) selects its last part.
        self.select
            .iter()
            .any(|s| s.rsplit('/').next().unwrap_or(s).eq_ignore_ascii_case(name) || s == "*")
    }

    /// Keeps what is selected, and always `id` and annotations.
    pub(crate) fn pick(&self, value: Value, on_request: &[&str]) -> Value {
        match value {
            Value::Object(map) => map
                .into_iter()
                .filter(|(k, _)| {
                    k == "id" || (k.starts_with("@odata")) || self.selects(k, on_request)
                })
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other,
        }
    }

    /// Filters and sorts full entities.
    pub(crate) fn apply<T>(&self, mut rows: Vec<T>, show: impl Fn(&T) -> Value) -> Vec<T> {
        if let Some(filter) = &self.filter {
            rows.retain(|r| filter.holds(&show(r)));
        }
        if !self.orderby.is_empty() {
            let mut keyed: Vec<(Vec<Value>, T)> = rows
                .into_iter()
                .map(|r| {
                    let v = show(&r);
                    (self.orderby.iter().map(|(p, _)| at(&v, p)).collect(), r)
                })
                .collect();
            keyed.sort_by(|(a, _), (b, _)| {
                for ((x, y), (_, desc)) in a.iter().zip(b).zip(&self.orderby) {
                    let order = compare(x, y).unwrap_or(Ordering::Equal);
                    let order = if *desc { order.reverse() } else { order };
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                Ordering::Equal
            });
            rows = keyed.into_iter().map(|(_, r)| r).collect();
        }
        rows
    }

    pub(crate) fn filters(&self) -> bool {
        self.filter.is_some() || !self.orderby.is_empty()
    }
}

/// A path like `from/emailAddress/address`, without case.
fn at(value: &Value, path: &str) -> Value {
    let mut v = value;
    for part in path.split('/') {
        let Some(next) =
            v.as_object().and_then(|m| m.iter().find(|(k, _)| k.eq_ignore_ascii_case(part)))
        else {
            return Value::Null;
        };
        v = next.1;
    }
    v.clone()
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            match (a.parse::<jiff::Timestamp>(), b.parse::<jiff::Timestamp>()) {
                (Ok(a), Ok(b)) => Some(a.cmp(&b)),
                _ => Some(a.to_lowercase().cmp(&b.to_lowercase())),
            }
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

#[derive(Debug, Clone)]
enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare(String, String, Value),
    Text(String, String, String),
}

impl Filter {
    fn parse(text: &str) -> Option<Filter> {
        let tokens = tokens(text)?;
        let mut at = 0;
        let filter = Self::or(&tokens, &mut at)?;
        (at == tokens.len()).then_some(filter)
    }

    fn or(t: &[String], at: &mut usize) -> Option<Filter> {
        let mut left = Self::and(t, at)?;
        while t.get(*at).is_some_and(|w| w.eq_ignore_ascii_case("or")) {
            *at += 1;
            left = Filter::Or(Box::new(left), Box::new(Self::and(t, at)?));
        }
        Some(left)
    }

    fn and(t: &[String], at: &mut usize) -> Option<Filter> {
        let mut left = Self::one(t, at)?;
        while t.get(*at).is_some_and(|w| w.eq_ignore_ascii_case("and")) {
            *at += 1;
            left = Filter::And(Box::new(left), Box::new(Self::one(t, at)?));
        }
        Some(left)
    }

    fn one(t: &[String], at: &mut usize) -> Option<Filter> {
        let word = t.get(*at)?.clone();
        *at += 1;
        if word.eq_ignore_ascii_case("not") {
            return Some(Filter::Not(Box::new(Self::one(t, at)?)));
        }
        if word == "(" {
            let inner = Self::or(t, at)?;
            (t.get(*at)? == ")").then_some(())?;
            *at += 1;
            return Some(inner);
        }
        let name = word.to_ascii_lowercase();
        if ["startswith", "endswith", "contains"].contains(&name.as_str()) && t.get(*at)? == "(" {
            let path = t.get(*at + 1)?.clone();
            (t.get(*at + 2)? == ",").then_some(())?;
            let value = literal(t.get(*at + 3)?)?.as_str()?.to_owned();
            (t.get(*at + 4)? == ")").then_some(())?;
            *at += 5;
            return Some(Filter::Text(name, path, value));
        }
        let operator = t.get(*at)?.to_ascii_lowercase();
        if !["eq", "ne", "gt", "ge", "lt", "le"].contains(&operator.as_str()) {
            return None;
        }
        let value = literal(t.get(*at + 1)?)?;
        *at += 2;
        Some(Filter::Compare(operator, word, value))
    }

    fn holds(&self, v: &Value) -> bool {
        match self {
            Filter::And(a, b) => a.holds(v) && b.holds(v),
            Filter::Or(a, b) => a.holds(v) || b.holds(v),
            Filter::Not(a) => !a.holds(v),
            Filter::Text(f, path, text) => at(v, path).as_str().is_some_and(|s| {
                let (s, text) = (s.to_lowercase(), text.to_lowercase());
                match f.as_str() {
                    "startswith" => s.starts_with(&text),
                    "endswith" => s.ends_with(&text),
                    _ => s.contains(&text),
                }
            }),
            Filter::Compare(op, path, value) => {
                let order = compare(&at(v, path), value);
                match op.as_str() {
                    "eq" => order == Some(Ordering::Equal),
                    "ne" => order != Some(Ordering::Equal),
                    "gt" => order == Some(Ordering::Greater),
                    "ge" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                    "lt" => order == Some(Ordering::Less),
                    _ => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                }
            }
        }
    }
}

fn tokens(text: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' => {}
            '(' | ')' | ',' => out.push(c.to_string()),
            '\'' => {
                let mut s = String::from("'");
                loop {
                    match chars.next()? {
                        '\'' if chars.peek() == Some(&'\'') => {
                            chars.next();
                            s.push('\'');
                        }
                        '\'' => break,
                        c => s.push(c),
                    }
                }
                out.push(s);
            }
            c => {
                let mut s = String::from(c);
                while let Some(n) = chars.peek().filter(|n| !" (),'".contains(**n)) {
                    s.push(*n);
                    chars.next();
                }
                out.push(s);
            }
        }
    }
    Some(out)
}

fn literal(token: &str) -> Option<Value> {
    if let Some(text) = token.strip_prefix('\'') {
        return Some(text.into());
    }
    match token {
        "true" => return Some(true.into()),
        "false" => return Some(false.into()),
        "null" => return Some(Value::Null),
        _ => {}
    }
    if let Ok(n) = token.parse::<i64>() {
        return Some(n.into());
    }
    // Dates stand without quotes.
    token.parse::<jiff::Timestamp>().ok().map(|_| token.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_of_the_documentation_work_and_others_are_refused() {
        let v = json!({"isRead": false, "from": {"emailAddress": {"address": "Ann@school"}},
            "receivedDateTime": "2026-03-01T08:00:00Z", "subject": "It's"});
        for (text, want) in [
            ("isRead eq false", true),
            ("from/emailAddress/address eq 'ann@school'", true),
            ("receivedDateTime ge 2026-01-01T00:00:00Z and isRead eq false", true),
            ("receivedDateTime lt 2026-01-01T00:00:00Z or startswith(subject,'It''s')", true),
            ("not (isRead eq false)", false),
        ] {
            assert_eq!(Filter::parse(text).unwrap().holds(&v), want, "{text}");
        }
        for text in ["isRead", "isRead eq", "any(x:x eq 1)", "a eq 'open", "a eq 1 b"] {
            assert!(Filter::parse(text).is_none(), "{text}");
        }
    }
}
