//! What takes place between two times: views, the days of a series, and what is new in a view.

use crate::{
    calendars::{
        instance::{self, Instance},
        routes::{calendars_mut, calendars_of, preference},
        show::{self, EVENT, View},
        state::Meant,
        times,
    },
    core::{
        http::{ApiError, Area, Reply},
        lists,
        odata::{Query, pairs},
        truth::Truth,
        world::{Call, World},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const AREA: Area = Area::Mail;
/// Documented default of lists of Outlook.
const PAGE_DEFAULT: usize = 10;
/// "The range between the start and end dates is greater than the allowed range. Maximum number of
/// days: 1825" (microsoft-graph-docs-contrib 6321).
const DAYS_MAX: i64 = 1825;

fn refused(text: &str) -> ApiError {
    ApiError::new(400, "ErrorInvalidRequest", text)
}

/// The two bounds of a query, which every view needs.
fn bounds(query: &str) -> Result<(Timestamp, Timestamp), ApiError> {
    let all = pairs(query);
    let of = |name: &str| all.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    let (Some(from), Some(to)) = (of("startDateTime"), of("endDateTime")) else {
        return Err(ApiError::new(
            400,
            "ErrorInvalidParameter",
            "This request requires a time window specified by the query string parameters \
             StartDateTime and EndDateTime.",
        ));
    };
    let read = |text: &str| {
        times::bound(text).ok_or_else(|| {
            ApiError::new(400, "ErrorInvalidParameter", format!("The time '{text}' is invalid."))
        })
    };
    let (from, to) = (read(from)?, read(to)?);
    if to < from {
        return Err(refused("The end date of the time window is earlier than its start date."));
    }
    if to.duration_since(from).as_hours() > DAYS_MAX * 24 {
        return Err(refused(&format!(
            "Your request can't be completed. The range between the start and end dates is greater \
             than the allowed range. Maximum number of days: {DAYS_MAX}"
        )));
    }
    Ok((from, to))
}

/// The query without its bounds, for what else it says.
fn rest(query: &str) -> Result<Query, ApiError> {
    Query::parse(query, AREA)
}

/// calendar: list calendarView. Days of series, changed ones, single events; no series.
pub(crate) fn calendar_view(
    world: &World,
    call: &Call<'_>,
    user: &str,
    calendar: &str,
    view: &View,
) -> Result<Reply, ApiError> {
    let (from, to) = bounds(&call.req.query)?;
    let query = rest(&call.req.query)?;
    let lists = &calendars_of(world, call, user)?.lists;
    let c = lists.all.get(calendar).ok_or_else(lists::list_missing)?;
    let mut found: Vec<Instance<'_>> =
        c.things.values().flat_map(|t| instance::between(t, from, to)).collect();
    found.sort_by_key(|i| i.id(true));
    let whole = Query::default();
    let mut rows: Vec<(Value, Value)> = found
        .iter()
        .map(|i| (show::event(i, view, &whole), show::event(i, view, &query)))
        .collect();
    rows.sort_by_key(|(w, _)| w["start"]["dateTime"].as_str().unwrap_or_default().to_owned());
    Ok(preference(lists::page(call, &query, rows, PAGE_DEFAULT), call))
}

/// event: list instances.
pub(crate) fn instances(
    world: &World,
    call: &Call<'_>,
    user: &str,
    meant: &Meant,
    view: &View,
) -> Result<Reply, ApiError> {
    let (from, to) = bounds(&call.req.query)?;
    let query = rest(&call.req.query)?;
    let lists = &calendars_of(world, call, user)?.lists;
    let thing = lists.thing(&meant.at).ok_or_else(|| ApiError::not_found(AREA))?;
    if meant.day.is_some() || !instance::is_series(thing) {
        return Err(refused("The requested operation is for the master of a series."));
    }
    let whole = Query::default();
    let rows = instance::between(thing, from, to)
        .iter()
        .map(|i| (show::event(i, view, &whole), show::event(i, view, &query)))
        .collect();
    Ok(preference(lists::page(call, &query, rows, PAGE_DEFAULT), call))
}

/// One in two series, always the same: whether the master comes along in a delta is not documented,
/// and both have been seen.
fn master_comes(id: &str) -> bool {
    Sha256::digest(id)[0] % 2 == 0
}

/// Rows that a delta has of one event, if any.
///
/// A series comes as a whole, on one page, whenever anything of it changed; a day of it that was
/// cancelled is not said, only left out ("No indication is given for a deleted occurrence",
/// microsoft-graph-docs pull 4501). An event that changed and lies outside of the view is told as
/// removed (event: delta).
fn rows_of(
    thing: &lists::Thing,
    (from, to): (Timestamp, Timestamp),
    since: u64,
    truths: (bool, bool),
    view: &View,
) -> Vec<Value> {
    let (stubs, outside) = truths;
    let found = instance::between(thing, from, to);
    if found.is_empty() {
        let id = Instance::whole(thing).id(view.immutable);
        let told = outside && since > 0;
        return told
            .then(|| json!({"@odata.type": EVENT, "id": id, "@removed": {"reason": "deleted"}}))
            .into_iter()
            .collect();
    }
    let whole = Query::default();
    let mut rows = Vec::new();
    if instance::is_series(thing) && master_comes(&thing.immutable) {
        rows.push(show::event(&Instance::whole(thing), view, &whole));
    }
    rows.extend(found.iter().map(|i| match stubs && i.kind() == "occurrence" {
        true => show::stub(i, view),
        false => show::event(i, view, &whole),
    }));
    for row in &mut rows {
        row["@odata.type"] = EVENT.into();
    }
    rows
}

/// event: delta.
pub(crate) fn delta(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    calendar: &str,
    view: &View,
) -> Result<Reply, ApiError> {
    let told = lists::told(world, call, &calendars_of(world, call, user)?.lists, PAGE_DEFAULT)?;
    // "You cannot use $select …": `$expand`, `$filter`, `$orderby`, `$search` neither.
    let refused_here = ["select", "expand", "filter", "orderby", "search"];
    let options = pairs(&told.cursor.options);
    let name = |k: &str| k.trim_start_matches('$').to_ascii_lowercase();
    if let Some((k, _)) = options.iter().find(|(k, _)| refused_here.contains(&name(k).as_str())) {
        return Err(refused(&format!(
            "The query parameter '{k}' is not supported for delta of a calendar view."
        )));
    }
    let within = bounds(&told.cursor.options)?;
    let stubs = world.tells(Truth::OccurrencesAreStubs);
    let outside = world.tells(Truth::OutsideTheView);
    let lists = &mut calendars_mut(world, call, user)?.lists;
    let mut stalled = std::mem::take(&mut lists.stalled);
    let c = lists.all.get(calendar).ok_or_else(lists::list_missing)?;
    let since = told.cursor.since;
    let live = c
        .things
        .values()
        .filter(|t| t.seq > since)
        .map(|t| (t.seq, rows_of(t, within, since, (stubs, outside), view)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let now = (lists.seq, &mut stalled);
    let reply = lists::delta_page(call, &told, EVENT, (calendar, live), &c.gone, now);
    lists.stalled = stalled;
    Ok(preference(reply, call))
}
