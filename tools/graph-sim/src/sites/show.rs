//! Sites as Graph shows them. Source: site resource, with the answers of its pages.

use crate::{
    core::{odata::Query, show::time, tenant::User},
    sites::state::{Personal, Site},
};
use serde_json::{Value, json};

pub(crate) fn site(s: &Site, query: &Query) -> Value {
    let mut all = json!({
        "id": s.id,
        "name": s.name,
        "displayName": s.title,
        "description": s.description,
        "createdDateTime": time(s.created),
        "lastModifiedDateTime": time(s.modified),
        "webUrl": s.url,
        "isPersonalSite": false,
    });
    match &s.parent {
        // "siteCollection: … Provides details about the site's site collection. Available only on
        // the root site." (site resource). `root`: "If present, indicates that this is the root
        // site in the site collection."
        None => {
            let host = s.id.split(',').next().unwrap_or_default();
            all["root"] = json!({});
            all["siteCollection"] = json!({"hostname": host, "root": {}});
        }
        Some(parent) => all["parentReference"] = json!({"siteId": parent}),
    }
    query.pick(all, &[])
}

/// The site of somebody's OneDrive.
pub(crate) fn personal(p: &Personal, u: &User, query: &Query) -> Value {
    let host = p.id.split(',').next().unwrap_or_default();
    let made = u.drive.items.get(&u.drive.root).map(|r| r.created).unwrap_or_default();
    let all = json!({
        "id": p.id,
        "name": u.upn.replace(['.', '@'], "_"),
        "displayName": u.name,
        "createdDateTime": time(made),
        "lastModifiedDateTime": time(made),
        "webUrl": format!("https://{host}/personal/{}", u.upn.replace(['.', '@'], "_")),
        "isPersonalSite": true,
        "root": {},
        "siteCollection": {"hostname": host, "root": {}},
    });
    query.pick(all, &[])
}

/// What changed of a site since that place: what the page prints of a changed one is `id` and
/// `name`, and a delta gives "at least the properties that have been updated" (delta query
/// overview).
pub(crate) fn news(s: &Site, since: u64, query: &Query) -> Value {
    let mut row = site(s, query);
    let changed = [("displayName", s.titled), ("description", s.described)];
    if let (true, Some(map)) = (s.born <= since, row.as_object_mut()) {
        map.retain(|name, _| {
            ["id", "name"].contains(&name.as_str())
                || changed.iter().any(|(n, seq)| n == name && *seq > since)
        });
    }
    row
}
