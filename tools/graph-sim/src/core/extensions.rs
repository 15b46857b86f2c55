//! Open extensions: properties without a published type that an application gives a resource.
//!
//! Sources: openTypeExtension resource; its create, get, update and delete.

use crate::core::{
    http::{ApiError, Area, Reply},
    odata::{Expand, Query},
    world::Call,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// By `extensionName`: what an application has put there.
pub(crate) type Extensions = BTreeMap<String, Map<String, Value>>;

/// What stands before the name in the id of one of Outlook's.
const ID: &str = "microsoft.graph.openTypeExtension.";
/// The same in ids of an earlier time, which are still asked for.
const ID_BEFORE: &str = "Microsoft.OutlookServices.OpenTypeExtension.";

fn show(name: &str, properties: &Map<String, Value>) -> Value {
    let mut v = json!({"@odata.type": "#microsoft.graph.openTypeExtension",
        "id": format!("{ID}{name}"), "extensionName": name});
    for (property, value) in properties {
        v[property] = value.clone();
    }
    v
}

/// The name of the one that is asked for, "the extension's name or its fully qualified name".
fn named(all: &Extensions, asked: &str) -> Option<String> {
    let short = [ID, ID_BEFORE].iter().find_map(|before| {
        let head = asked.get(..before.len())?;
        head.eq_ignore_ascii_case(before).then(|| &asked[before.len()..])
    });
    let wanted = short.unwrap_or(asked);
    all.keys().find(|name| name.eq_ignore_ascii_case(wanted)).cloned()
}

/// Name and properties of one that a body brings.
pub(crate) fn read(body: &Value, area: Area) -> Result<(String, Map<String, Value>), ApiError> {
    let name = body["extensionName"].as_str().filter(|n| !n.is_empty());
    let name = name.ok_or_else(|| ApiError::bad_request(area, "extensionName is required."))?;
    let own = |name: &String| !name.starts_with('@') && name != "extensionName" && name != "id";
    let properties = body.as_object().into_iter().flatten().filter(|(n, _)| own(n));
    Ok((name.to_owned(), properties.map(|(n, v)| (n.clone(), v.clone())).collect()))
}

/// Those that an `$expand` asks for: all, or the one of its filter for an id.
pub(crate) fn expanded(all: &Extensions, expand: &Expand) -> Vec<Value> {
    let filter = expand.options.get("filter");
    let wanted = filter.map(|f| f.split('\'').nth(1).unwrap_or_default());
    let only = wanted.map(|id| named(all, id));
    all.iter()
        .filter(|(name, _)| only.as_ref().is_none_or(|o| o.as_ref() == Some(*name)))
        .map(|(name, properties)| show(name, properties))
        .collect()
}

/// A call of `…/extensions` and what follows.
pub(crate) fn run(
    all: &mut Extensions,
    call: &Call<'_>,
    tail: &[&str],
    area: Area,
) -> Result<Reply, ApiError> {
    let query = Query::parse(&call.req.query, area)?;
    let absent = || ApiError::not_found(area);
    match (call.method(), tail) {
        ("GET", []) => {
            let rows: Vec<Value> = all.iter().map(|(n, p)| query.pick(show(n, p), &[])).collect();
            Ok(Reply::json(200, &json!({"value": rows})))
        }
        ("POST", []) => {
            let (name, properties) = read(&call.req.json(area)?, area)?;
            let body = show(&name, &properties);
            all.insert(name, properties);
            Ok(Reply::json(201, &body))
        }
        ("GET", [asked]) => {
            let name = named(all, asked).ok_or_else(absent)?;
            Ok(Reply::json(200, &query.pick(show(&name, &all[&name]), &[])))
        }
        ("PATCH", [asked]) => {
            let name = named(all, asked).ok_or_else(absent)?;
            let mut body = call.req.json(area)?;
            body["extensionName"] = name.as_str().into();
            let kept = all.entry(name.clone()).or_default();
            kept.extend(read(&body, area)?.1);
            kept.retain(|_, value| !value.is_null());
            Ok(Reply::json(200, &show(&name, kept)))
        }
        ("DELETE", [asked]) => {
            let name = named(all, asked).ok_or_else(absent)?;
            all.remove(&name);
            Ok(Reply::new(204))
        }
        _ => Err(ApiError::other_method(area)),
    }
}
