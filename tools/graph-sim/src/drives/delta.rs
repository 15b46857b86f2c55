//! What is new in a drive since a token.
//!
//! A round is fixed when it begins: its items, parents before children, and where the next round
//! starts. What changes while a client pages comes in the next round. Pages show each item as it is
//! when the page is made (driveItem: delta: "the latest state for each item, not each change").

use crate::{
    core::{
        faults::Fault,
        http::{ApiError, Area, Reply},
        odata::{Query, pairs},
        truth::Truth,
        world::{Call, World},
    },
    drives::{
        routes::{Place, owner, owner_mut, the_drive},
        show::{self, Shown, View},
        state::Drive,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const AREA: Area = Area::Drive;
const PAGE_DEFAULT: usize = 200;
const PAGE_MAX: usize = 1000;
/// Rounds under way that a drive remembers (own limit); links of older ones answer 410.
const ROUNDS_MAX: usize = 64;

/// One row to come.
#[derive(Debug, Clone)]
enum Row {
    /// The item as it is.
    Now(String),
    /// The item as it was before its last change of name or place: "The same item may appear more
    /// than once in a delta feed, for various reasons. You should use the last occurrence you see."
    Before(String),
    /// Its id and its facet.
    Gone(String, &'static str),
}

/// A round of more than one page.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    rows: Vec<Row>,
    since: u64,
    /// Where the next round begins.
    end: u64,
    query: String,
    /// Whether it kept a client waiting already.
    stalled: bool,
}

enum Token {
    Latest,
    /// Everything, with the options of the first call.
    Fresh(String),
    Since {
        epoch: u64,
        since: u64,
        query: String,
    },
    Page {
        round: u64,
        offset: usize,
    },
    /// Changed after a time: "Using a timestamp in place of a token is only supported on OneDrive
    /// for Business and SharePoint."
    After(jiff::Timestamp, String),
}

fn read_token(text: &str, query: &str) -> Option<Token> {
    if text.eq_ignore_ascii_case("latest") {
        return Some(Token::Latest);
    }
    if let Ok(time) = text.parse() {
        return Some(Token::After(time, query.to_owned()));
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let parts: Vec<&str> = text.splitn(4, '|').collect();
    match parts.as_slice() {
        ["all", "", "", query] => Some(Token::Fresh((*query).to_owned())),
        ["since", epoch, since, query] => Some(Token::Since {
            epoch: epoch.parse().ok()?,
            since: since.parse().ok()?,
            query: (*query).to_owned(),
        }),
        ["page", round, offset, ""] => {
            Some(Token::Page { round: round.parse().ok()?, offset: offset.parse().ok()? })
        }
        _ => None,
    }
}

/// The options of the first call that hold for the whole round.
fn kept_options(query: &str) -> String {
    query
        .split('&')
        .filter(|p| {
            let name = p.split('=').next().unwrap_or_default();
            let name = name.to_ascii_lowercase().replace("%24", "$");
            !["token", "$skiptoken", "$deltatoken"].contains(&name.as_str())
        })
        .collect::<Vec<_>>()
        .join("&")
}

pub(crate) fn resync(code: &'static str, location: String) -> ApiError {
    ApiError::new(
        410,
        "resyncRequired",
        "Resync required. Replace any local items with the server's version (including deletes) if \
         you're sure that the service was up to date with your local changes when you last sync'd. \
         Upload any local changes that the server doesn't know about.",
    )
    .inner(code)
    .with("location", location)
}

pub(crate) fn run(
    world: &mut World,
    call: &Call<'_>,
    place: &Place,
    folder: &str,
    action: &[String],
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let in_query = pairs(&call.req.query)
        .into_iter()
        .find(|(k, _)| {
            ["token", "$skiptoken", "$deltatoken"].contains(&k.to_ascii_lowercase().as_str())
        })
        .map(|(_, v)| v);
    let token = in_query.or_else(|| action.get(1).cloned());
    let drive = the_drive(world, call, place)?;
    let scoped = folder != drive.root;
    let origin = call.req.origin();
    let at = if scoped { format!("items/{folder}") } else { "root".to_owned() };
    let base = format!("{origin}/v1.0/drives/{}/{at}/delta", drive.id);
    let link = |text: String| format!("{base}?token={}", URL_SAFE_NO_PAD.encode(text));
    let context = format!("{origin}/v1.0/$metadata#Collection(driveItem)");
    let (epoch, now) = (drive.epoch, drive.seq);
    let next_round = |since: u64, query: &str| link(format!("since|{epoch}|{since}|{query}"));
    let options = kept_options(&call.req.query);
    let token = match token {
        None => Token::Fresh(options.clone()),
        Some(text) => read_token(&text, &options)
            .ok_or_else(|| ApiError::bad_request(AREA, "The provided token is malformed."))?,
    };
    // Both kinds are documented: *apply* when the log is too short, *upload* when the service
    // itself was set back.
    let short =
        |query: &str| resync("resyncChangesApplyDifferences", link(format!("all|||{query}")));
    let twice = world.tells(Truth::RowsTwice);
    let scope = scoped.then_some(folder);
    let (number, offset, round) = match token {
        Token::Latest => {
            let body = json!({"@odata.context": context, "value": [],
                "@odata.deltaLink": next_round(now, &options)});
            return Ok(Reply::json(200, &body));
        }
        Token::Fresh(query) => (None, 0, Round::new(drive, None, scope, query, twice)),
        Token::After(time, query) => {
            let mut round = Round::new(drive, None, scope, query, twice);
            let changed = |id: &String| drive.items.get(id).is_some_and(|i| i.modified > time);
            round.rows.retain(|r| matches!(r, Row::Now(id) if changed(id)));
            (None, 0, round)
        }
        Token::Since { epoch: of, query, .. } if of != epoch => {
            let location = link(format!("all|||{query}"));
            return Err(resync("resyncChangesUploadDifferences", location));
        }
        Token::Since { since, query, .. } if since < drive.oldest_token => {
            return Err(short(&query));
        }
        Token::Since { since, query, .. } => {
            (None, 0, Round::new(drive, Some(since), scope, query, twice))
        }
        Token::Page { round, offset } => match drive.rounds.get(&round) {
            Some(r) => (Some(round), offset, r.clone()),
            None => return Err(short("")),
        },
    };
    let query = Query::parse(&round.query, AREA)?;
    let size = call
        .req
        .prefer_value("odata.maxpagesize")
        .and_then(|v| v.parse().ok())
        .or(query.top)
        .unwrap_or(PAGE_DEFAULT)
        .clamp(1, PAGE_MAX);
    let repeats = fault == Some(&Fault::RepeatPage);
    let more = offset + size < round.rows.len();
    let number = match number {
        Some(n) => n,
        None if more || repeats => keep(owner_mut(world, call, place)?.1, round.clone()),
        None => 0,
    };
    let page = |offset: usize| link(format!("page|{number}|{offset}|"));
    // A service that is not ready gives an empty page and the same link again; Microsoft's own
    // iterators know of it (msgraph-sdk-dotnet-core, PageIterator: "Detected nextLink loop").
    if offset > 0 && !round.stalled && world.tells(Truth::StalledPage) {
        if let Some(r) = owner_mut(world, call, place)?.1.rounds.get_mut(&number) {
            r.stalled = true;
        }
        let body = json!({"@odata.context": context, "value": [], "@odata.nextLink": page(offset)});
        return Ok(Reply::json(200, &body));
    }
    let mut rows = show_rows(world, call, place, &round, &query, offset, size)?;
    if fault == Some(&Fault::WrongHash) {
        rows.iter_mut().for_each(super::routes::wrong_hash);
    }
    if fault == Some(&Fault::SkipPage) {
        rows.truncate(rows.len() / 2);
    }
    let mut body = json!({"@odata.context": context, "value": rows});
    if repeats {
        body["@odata.nextLink"] = page(offset).into();
    } else if more {
        body["@odata.nextLink"] = page(offset + size).into();
    } else {
        body["@odata.deltaLink"] = next_round(round.end, &round.query).into();
    }
    Ok(Reply::json(200, &body))
}

fn keep(drive: &mut Drive, round: Round) -> u64 {
    let number = drive.rounds.last_key_value().map_or(1, |(n, _)| n + 1);
    drive.rounds.insert(number, round);
    while drive.rounds.len() > ROUNDS_MAX {
        drive.rounds.pop_first();
    }
    number
}

impl Round {
    fn new(
        drive: &Drive,
        since: Option<u64>,
        scope: Option<&str>,
        query: String,
        twice: bool,
    ) -> Self {
        let from = since.unwrap_or(0);
        let inside = |id: &str| scope.is_none_or(|s| drive.is_within(id, s));
        let mut live: Vec<(usize, &String)> = drive
            .live
            .range(from + 1..)
            .filter(|(_, id)| inside(id))
            .map(|(_, id)| (drive.depth(id), id))
            .collect();
        // Parents before children; within a depth in the order of the changes.
        live.sort_by_key(|(depth, _)| *depth);
        let mut rows = Vec::new();
        if since.is_some() && twice {
            let known = |id: &str| drive.items.get(id).is_some_and(|i| i.born <= from);
            for (_, id) in &live {
                let was = drive.items.get(*id).and_then(|i| i.was.as_ref());
                if was.is_some_and(|(seq, _, p)| *seq > from && known(p) && known(id)) {
                    rows.push(Row::Before((*id).clone()));
                }
            }
        }
        rows.extend(live.iter().map(|(_, id)| Row::Now((*id).clone())));
        if twice {
            let file = |id: &str| drive.items.get(id).is_some_and(|i| i.versions.is_some());
            if let Some((_, id)) = live.iter().find(|(_, id)| file(id)) {
                rows.push(Row::Now((*id).clone()));
            }
        }
        if since.is_some() {
            let first = rows.len();
            rows.extend(
                drive.gone.range(from + 1..).map(|(_, (id, facet))| Row::Gone(id.clone(), facet)),
            );
            // What left the folder that is asked for is gone from there.
            if let Some(scope) = scope {
                for (_, (id, old)) in drive.left.range(from + 1..) {
                    let Some(i) = drive.items.get(id) else { continue };
                    if !drive.is_within(id, scope) && drive.is_within(old, scope) {
                        rows.push(Row::Gone(id.clone(), i.facet()));
                    }
                }
            }
            if twice && rows.len() > first {
                rows.push(rows[first].clone());
            }
        }
        Self { rows, since: from, end: drive.seq, query, stalled: false }
    }
}

fn show_rows(
    world: &World,
    call: &Call<'_>,
    place: &Place,
    round: &Round,
    query: &Query,
    offset: usize,
    size: usize,
) -> Result<Vec<Value>, ApiError> {
    let u = owner(world, call, &place.owner)?;
    let drive = the_drive(world, call, place)?;
    let prefers = |p: &str| call.req.prefers(p);
    // driveItem: delta: sharing changes are marked only for who asks for all three.
    let marks = prefers("deltashowsharingchanges")
        && prefers("deltashowremovedasdeleted")
        && prefers("deltatraversepermissiongaps");
    let paths = !world.tells(Truth::DeltaWithoutPath);
    let mut out = Vec::new();
    for row in round.rows.iter().skip(offset).take(size) {
        let (id, shown) = match row {
            Row::Now(id) => (id, Shown::Delta),
            Row::Before(id) => (id, Shown::Before),
            Row::Gone(id, facet) => {
                // Neither name nor cTag is there, all else is (driveItem: delta, remarks), as the
                // facet is (its second example). The parent is the root, whatever it was before.
                out.push(json!({"id": id, "deleted": {"state": "deleted"}, "size": 0,
                    *facet: {},
                    "parentReference": {"driveId": drive.id, "driveType": drive.kind.name(),
                        "id": drive.root}}));
                continue;
            }
        };
        // Gone since the round began: the next round says so.
        let Some(i) = drive.items.get(id) else { continue };
        let hierarchical = prefers("hierarchicalsharing");
        let view = View { drive, owner: u, shown, download: None, paths, query, hierarchical };
        let mut row = show::item(&view, i);
        if marks && i.shared_seq > round.since && round.since > 0 {
            row["@microsoft.graph.sharedChanged"] = "True".into();
        }
        out.push(row);
    }
    Ok(out)
}
