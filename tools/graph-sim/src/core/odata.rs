//! Query options: as far as the documentation's examples use them; anything else is a documented
//! 400.

use crate::core::{
    filter::{Filter, at, compare},
    http::{ApiError, Area, Request},
    search::Search,
};
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
    search: Option<Search>,
    orderby: Vec<(String, bool)>,
    /// Options without a meaning here: tokens, flags.
    pub(crate) other: BTreeMap<String, String>,
}

const KNOWN: [&str; 9] =
    ["select", "expand", "top", "skip", "count", "filter", "orderby", "search", "format"];

/// Names within commas.
pub(crate) fn names(list: &str) -> Vec<String> {
    list.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// Splits at commas outside parentheses.
pub(crate) fn split_expand(text: &str) -> Vec<Expand> {
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

/// Whether a word is a GUID with its hyphens.
pub(crate) fn is_guid(word: &str) -> bool {
    word.len() == 36
        && word.chars().enumerate().all(|(n, c)| match n {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// The paths that a filter asks for; `None` when it is no filter.
pub(crate) fn filter_paths(text: &str) -> Option<Vec<String>> {
    Some(Filter::parse(text)?.paths().into_iter().map(str::to_owned).collect())
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

/// Refuses a `$search` of directory objects that does not say that it takes what is not quite
/// fresh. Source: "Advanced query capabilities on Microsoft Entra ID objects".
/// Deltas take no search at all.
pub(crate) fn may_search(req: &Request, directory: bool, delta: bool) -> Result<(), ApiError> {
    let searches = pairs(&req.query).iter().any(|(k, _)| k.eq_ignore_ascii_case("$search"));
    if searches && delta {
        let text = "The query option '$search' is not supported for delta queries.";
        return Err(ApiError::new(400, "BadRequest", text));
    }
    let says = req.header("consistencylevel").is_some_and(|v| v.eq_ignore_ascii_case("eventual"));
    if !searches || says || !directory {
        return Ok(());
    }
    let text = "Request with $search query parameter only works through MSGraph with a special \
        request header: 'ConsistencyLevel: eventual'";
    Err(ApiError::new(400, "Request_UnsupportedQuery", text))
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
                    q.search = Some(Search::parse(&value).ok_or_else(|| {
                        bad(format!("Syntax error in the value of $search: {value}"))
                    })?);
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
        if let Some(search) = &self.search {
            rows.retain(|r| search.finds(&show(r)));
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
        self.filter.is_some() || self.search.is_some() || !self.orderby.is_empty()
    }
}
