//! `/sites…`: which site a call means. What lies in its libraries is answered by `drives`.

use crate::{
    core::{
        feed::{self, Cursor, Feed, Manner},
        http::{ApiError, Area, Reply},
        odata::{Query, pairs},
        tenant::{Owner, Tenant},
        truth::Truth,
        world::{Call, World},
    },
    directory::routes::next_link,
    drives::{
        delta::resync,
        routes::{Place, list_reply, missing},
        show as drive_show,
        state::Drive,
    },
    sites::{show, state::Site},
};
use serde_json::{Value, json};

const AREA: Area = Area::Drive;
/// No page of the documentation says how many sites a page has (own figures).
const PAGE_DEFAULT: usize = 200;
const PAGE_MAX: usize = 1000;

/// What stands at an id.
enum Meant<'t> {
    Site(&'t Site),
    /// Somebody's own, and whose.
    Personal(String),
}

fn absent() -> ApiError {
    ApiError::new(404, "itemNotFound", "Requested site could not be found")
}

/// The site that a path begins with, and what follows: by id, `root`, the tenant's host, or
/// `{host}:/{path}` as "Get a site by path" has it.
fn meant<'t, 'p>(
    tenant: &'t Tenant,
    path: &'p [String],
) -> Result<(Meant<'t>, &'p [String]), ApiError> {
    let sites = &tenant.sites;
    let id = path.get(1).ok_or_else(absent)?;
    if let Some(host) = id.strip_suffix(':') {
        if !host.eq_ignore_ascii_case(&sites.host) {
            // Source: Graph's answer to the host of another tenant.
            let text = "Invalid hostname for this tenancy";
            return Err(ApiError::new(400, "invalidRequest", text));
        }
        let end = path.iter().skip(2).position(|p| p.ends_with(':')).map(|n| n + 3);
        let end = end.unwrap_or(path.len());
        let at = path[2..end].join("/");
        let site = sites.at(at.trim_end_matches(':')).ok_or_else(absent)?;
        return Ok((Meant::Site(site), &path[end..]));
    }
    let root = id.eq_ignore_ascii_case("root") || id.eq_ignore_ascii_case(&sites.host);
    let found = match root {
        true => sites.root().map(Meant::Site),
        false => {
            let personal = || sites.person_of(id).map(|user| Meant::Personal(user.to_owned()));
            sites.all.get(id).map(Meant::Site).or_else(personal)
        }
    };
    Ok((found.ok_or_else(absent)?, &path[2..]))
}

/// The drive of a site that a path below it begins with, and the rest: what `drives` asks for.
pub(crate) fn library<'p>(
    tenant: &Tenant,
    path: &'p [String],
) -> Result<(Place, &'p [String]), ApiError> {
    let (site, rest) = meant(tenant, path)?;
    let (owner, drives): (String, Vec<&Drive>) = match site {
        Meant::Site(s) => (s.id.clone(), s.libraries.iter().collect()),
        Meant::Personal(user) => {
            let person = tenant.users.get(&user).ok_or_else(absent)?;
            (user, person.drives().collect())
        }
    };
    let words: Vec<String> = rest.iter().take(1).map(|w| w.to_ascii_lowercase()).collect();
    let (id, rest) = match (words.first().map(String::as_str), rest.get(1)) {
        (Some("drive"), _) => (drives.first().map(|d| d.id.clone()), &rest[1..]),
        (Some("drives"), Some(id)) => (Some(id.clone()), &rest[2..]),
        _ => (None, rest),
    };
    let drive = id.filter(|id| drives.iter().any(|d| d.id == *id)).ok_or_else(missing)?;
    Ok((Place { owner, drive }, rest))
}

/// Takes in what happened to people, whose sites come and go with them.
fn follow(world: &mut World, call: &Call<'_>) {
    let shown = world.tells(Truth::PersonalSites);
    let Tenant { sites, users, user_log, .. } = &mut world.tenants[call.tenant];
    sites.follow(user_log, |user| shown && users.get(user).is_some_and(|u| u.drive.is_there()));
}

pub(crate) fn run(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    follow(world, call);
    let words: Vec<String> = call.path[1..].iter().map(|p| p.to_ascii_lowercase()).collect();
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => return list(world, call, false),
        ["getallsites"] => return list(world, call, true),
        ["delta", ..] => return delta(world, call),
        _ => {}
    }
    let tenant = &world.tenants[call.tenant];
    let query = Query::parse(&call.req.query, AREA)?;
    let origin = call.req.origin();
    let (site, rest) = meant(tenant, &call.path)?;
    let words: Vec<String> = rest.iter().map(|p| p.to_ascii_lowercase()).collect();
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => {
            let mut body = match site {
                Meant::Site(s) => show::site(s, &query),
                Meant::Personal(user) => personal(tenant, &user, &query).ok_or_else(absent)?,
            };
            body["@odata.context"] = format!("{origin}/v1.0/$metadata#sites/$entity").into();
            Ok(Reply::json(200, &body))
        }
        ["sites"] => {
            let below = |s: &&Site| match &site {
                Meant::Site(above) => s.parent.as_ref() == Some(&above.id),
                Meant::Personal(_) => false,
            };
            let rows: Vec<&Site> = tenant.sites.all.values().filter(below).collect();
            let rows =
                rows.into_iter().map(|s| (show::site(s, &Query::default()), show::site(s, &query)));
            page(call, &query, rows.collect())
        }
        ["sites", id] => {
            let below = tenant.sites.all.values().find(|s| s.id.eq_ignore_ascii_case(id));
            let mut body = show::site(below.ok_or_else(absent)?, &query);
            body["@odata.context"] = format!("{origin}/v1.0/$metadata#sites/$entity").into();
            Ok(Reply::json(200, &body))
        }
        ["drives"] => {
            let (owner, drives): (Owner<'_>, Vec<&Drive>) = match &site {
                Meant::Site(s) => (Owner::from(*s), s.libraries.iter().collect()),
                Meant::Personal(user) => {
                    let person = tenant.users.get(user).ok_or_else(absent)?;
                    (Owner::from(person), person.drives().collect())
                }
            };
            let shown = |d: &&Drive| drive_show::drive(d, owner, &tenant.domain, &Query::default());
            let rows = query.apply(drives, shown);
            let rows =
                rows.into_iter().map(|d| drive_show::drive(d, owner, &tenant.domain, &query));
            Ok(list_reply(call, "drives", rows.collect()))
        }
        ["drive"] | ["drives", _] => {
            let (place, _) = library(tenant, &call.path)?;
            let owner = tenant.owner(&place.owner).ok_or_else(missing)?;
            let drive = tenant.drive(&place).ok_or_else(missing)?;
            let mut body = drive_show::drive(drive, owner, &tenant.domain, &query);
            body["@odata.context"] = format!("{origin}/v1.0/$metadata#drives/$entity").into();
            Ok(Reply::json(200, &body))
        }
        _ => Err(ApiError::not_simulated()),
    }
}

fn personal(tenant: &Tenant, user: &str, query: &Query) -> Option<Value> {
    let (site, person) = (tenant.sites.personal.get(user)?, tenant.users.get(user)?);
    Some(show::personal(site, person, query))
}

/// All sites, or those of `/sites`: with `search` what bears the words, without it the roots of
/// collections. What the latter gives without any query is not documented.
fn list(world: &World, call: &Call<'_>, all: bool) -> Result<Reply, ApiError> {
    // "search" stands here without `$` ("Search for sites").
    let (asked, rest): (Vec<&str>, Vec<&str>) =
        call.req.query.split('&').partition(|p| p.to_ascii_lowercase().starts_with("search="));
    let query = Query::parse(&rest.join("&"), AREA)?;
    let asked = pairs(&asked.join("&")).pop();
    let asked = asked.map(|(_, words)| words.trim_matches('*').to_lowercase());
    let tenant = &world.tenants[call.tenant];
    let whole = Query::default();
    let wanted = |s: &Site| {
        all || match &asked {
            Some(words) => format!("{} {}", s.name, s.title).to_lowercase().contains(words),
            None => s.parent.is_none(),
        }
    };
    let sites = tenant.sites.all.values().filter(|s| wanted(s));
    let mut rows: Vec<(Value, Value)> =
        sites.map(|s| (show::site(s, &whole), show::site(s, &query))).collect();
    if all {
        let own = tenant.sites.personal.keys();
        rows.extend(own.filter_map(|user| {
            Some((personal(tenant, user, &whole)?, personal(tenant, user, &query)?))
        }));
    }
    page(call, &query, rows)
}

/// A page of sites: each whole, and as it is to be shown.
fn page(call: &Call<'_>, query: &Query, rows: Vec<(Value, Value)>) -> Result<Reply, ApiError> {
    let rows = query.apply(rows, |(whole, _)| whole.clone());
    let size = feed::page_size(call, query.top, PAGE_DEFAULT, PAGE_MAX);
    let skip = query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
    let context = format!("{}/v1.0/$metadata#sites", call.req.origin());
    let shown: Vec<&Value> = rows.iter().skip(skip).take(size).map(|(_, v)| v).collect();
    let mut body = json!({"@odata.context": context, "value": shown});
    if query.count {
        body["@odata.count"] = rows.len().into();
    }
    if skip + size < rows.len() {
        body["@odata.nextLink"] = next_link(call, skip + size).into();
    }
    Ok(Reply::json(200, &body))
}

/// site: delta. Deleted sites bear the `deleted` facet, which the published type of a site lacks.
fn delta(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let link = format!("{}{}", call.req.origin(), call.req.path);
    let sites = &world.tenants[call.tenant].sites;
    let cursor = match feed::token_of(&call.req.query) {
        None => Cursor::fresh(sites.seq, &call.req.query),
        Some(latest) if latest == "latest" => {
            let token = Cursor::fresh(sites.seq, "").end(sites.seq).token();
            let context = format!("{}/v1.0/$metadata#sites", call.req.origin());
            let body = json!({"@odata.context": context, "value": [],
                "@odata.deltaLink": format!("{link}?token={token}")});
            return Ok(Reply::json(200, &body));
        }
        Some(token) => Cursor::read(&token)
            .ok_or_else(|| ApiError::new(400, "invalidRequest", "The delta token is invalid."))?,
    };
    if cursor.is_before(sites.oldest_token) {
        return Err(resync("resyncChangesApplyDifferences", link));
    }
    let query = Query::parse(&cursor.options, AREA)?;
    let told = world.tells(Truth::SiteNews);
    let manner = Manner {
        size: feed::page_size(call, query.top, PAGE_DEFAULT, PAGE_MAX),
        twice: told,
        replays: told,
        stalls: told,
    };
    let tenant = &mut world.tenants[call.tenant];
    let since = if told { cursor.since } else { 0 };
    let mut live: Vec<(u64, Vec<Value>)> =
        tenant.sites.all.values().map(|s| (s.seq, vec![show::news(s, since, &query)])).collect();
    live.extend(
        tenant
            .sites
            .personal
            .iter()
            .filter_map(|(user, p)| Some((p.seq, vec![personal(tenant, user, &query)?]))),
    );
    live.sort_by_key(|(seq, _)| *seq);
    let names = tenant.sites.names_gone.clone();
    let removed = |id: &str| {
        let mut row = json!({"id": id, "deleted": {"state": "deleted"}});
        if let Some(name) = names.get(id) {
            row["name"] = name.as_str().into();
        }
        row
    };
    let mut stalled = std::mem::take(&mut tenant.sites.stalled);
    let sites = &tenant.sites;
    let feed = Feed { list: "sites", live, gone: &sites.gone, removed: &removed, now: sites.seq };
    let page = feed::page(&cursor, &feed, manner, &mut stalled);
    tenant.sites.stalled = stalled;
    let context = format!("{}/v1.0/$metadata#sites", call.req.origin());
    let mut body = json!({"@odata.context": context, "value": page.rows});
    let next = if page.more { "@odata.nextLink" } else { "@odata.deltaLink" };
    body[next] = format!("{link}?token={}", page.next.token()).into();
    Ok(Reply::json(200, &body))
}
