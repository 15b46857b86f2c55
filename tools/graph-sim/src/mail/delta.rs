//! What is new in a mailbox: `mailFolders/delta` and `messages/delta`.
//!
//! A row is news, not the item. What surprises clients comes by chance that hangs on the folder and
//! the place in its history alone, so that the same requests get the same answers.

use crate::{
    core::{
        faults::Fault,
        http::{ApiError, Area, Reply},
        odata::{Query, filter_paths, pairs},
        truth::Truth,
        world::{Call, World},
    },
    mail::{
        routes::{PAGE_DEFAULT, PAGE_MAX, folder_missing, mailbox},
        show,
        state::{Gone, Message},
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const AREA: Area = Area::Mail;
/// A round with a filter ends after so many messages (message: delta, `$filter`).
const FILTERED_MAX: u64 = 5000;

/// A place in a change log, within a round.
#[derive(Clone)]
struct Cursor {
    /// Where the round began.
    since: u64,
    live: u64,
    gone: u64,
    /// Messages given in this round.
    given: u64,
    /// Whether it stands in a next link.
    within: bool,
    /// The query of the first call.
    options: String,
}

impl Cursor {
    fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut parts = text.splitn(6, '|');
        let mut number = || parts.next()?.parse().ok();
        Some(Self {
            since: number()?,
            live: number()?,
            gone: number()?,
            given: number()?,
            within: number()? == 1,
            options: parts.next()?.to_owned(),
        })
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!(
            "{}|{}|{}|{}|{}|{}",
            self.since,
            self.live,
            self.gone,
            self.given,
            u64::from(self.within),
            self.options
        ))
    }

    /// The next place in the same round.
    fn on(&self, live: u64, gone: u64, given: usize) -> Self {
        let given = self.given + given as u64;
        Self { live, gone, given, within: true, ..self.clone() }
    }

    /// Where the next round begins.
    fn end(self, seq: u64) -> Self {
        Self { since: seq, live: seq, gone: seq, given: 0, within: false, ..self }
    }

    /// One in `n`, for this place alone.
    fn chance(&self, what: &str, folder: &str, n: u64) -> bool {
        let place = format!("{what} {folder} {} {} {}", self.live, self.gone, self.within);
        let hash = Sha256::digest(place);
        u64::from(hash[0]) % n == 0
    }
}

fn bad_token() -> ApiError {
    ApiError::new(400, "SyncStateInvalid", "The sync state is invalid.")
}

fn state_gone() -> ApiError {
    ApiError::new(
        410,
        "SyncStateNotFound",
        "The sync state generation is not found; generation=149;[highest=157][157][155][156].",
    )
}

/// The cursor of a call: from its token, or a fresh one with the call's own options.
fn cursor(call: &Call<'_>, seq: u64) -> Result<Cursor, ApiError> {
    let options = pairs(&call.req.query);
    let token = options.iter().find(|(k, _)| {
        ["skiptoken", "deltatoken"]
            .contains(&k.trim_start_matches('$').to_ascii_lowercase().as_str())
    });
    match token {
        Some((_, t)) => Cursor::read(t).ok_or_else(bad_token),
        None => Ok(Cursor {
            since: 0,
            live: 0,
            gone: seq,
            given: 0,
            within: false,
            options: call.req.query.clone(),
        }),
    }
}

fn page_size(call: &Call<'_>, query: &Query) -> usize {
    let preferred = call.req.prefer_value("odata.maxpagesize").and_then(|v| v.parse().ok());
    preferred.or(query.top).unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
}

/// An empty page with a next link, as the first of a round; or one whose next link is its own,
/// once. Sources: "the page may be empty" with a `@odata.nextLink` (delta query overview); links
/// that lead to themselves are known to the page iterators of Microsoft's SDKs.
fn stall(world: &mut World, call: &Call<'_>, user: &str, at: &str, c: &Cursor) -> Option<Reply> {
    if !world.tells(Truth::MailPagesStall) {
        return None;
    }
    if !c.within {
        let next = Cursor { within: true, ..c.clone() };
        return c.chance("empty", at, 4).then(|| page(call, Vec::new(), true, &next.token(), at));
    }
    let token = c.token();
    let mailbox = &mut world.tenants[call.tenant].users.get_mut(user)?.mailbox;
    let stalls = c.chance("stall", at, 5) && mailbox.stalled.insert(format!("{at} {token}"));
    stalls.then(|| page(call, Vec::new(), true, &token, at))
}

/// Source: message: delta. `$filter` is `receivedDateTime ge` or `gt`, `$orderby` is
/// `receivedDateTime desc`.
fn message_options(options: &str) -> Result<(Query, Option<String>), ApiError> {
    let query = Query::parse(options, AREA)?;
    let mut change = None;
    let refuse = |text: &str| Err(ApiError::new(400, "ErrorInvalidUrlQuery", text));
    for (name, value) in pairs(options) {
        match name.trim_start_matches('$').to_ascii_lowercase().as_str() {
            "filter" => {
                let paths = filter_paths(&value).unwrap_or_default();
                let words: Vec<&str> = value.split_whitespace().collect();
                let known = paths.iter().all(|p| p.eq_ignore_ascii_case("receivedDateTime"))
                    && matches!(words.as_slice(), [_, "ge" | "gt", _]);
                if !known {
                    return refuse(
                        "The only supported $filter expressions on delta of messages are \
                         receivedDateTime ge and gt.",
                    );
                }
            }
            "orderby" if !value.eq_ignore_ascii_case("receivedDateTime desc") => {
                return refuse("The only supported $orderby is receivedDateTime desc.");
            }
            "changetype" => match value.as_str() {
                "created" | "updated" | "deleted" => change = Some(value),
                _ => return refuse("changeType is created, updated or deleted."),
            },
            _ => {}
        }
    }
    Ok((query, change))
}

fn removed(gone: &Gone, immutable: bool) -> Value {
    let id = if immutable { &gone.immutable_id } else { &gone.id };
    json!({"@odata.type": "#microsoft.graph.message", "id": id,
        "@removed": {"reason": "deleted"}})
}

/// Removals since the cursor, and what the service says besides: some twice, old ones again, ids
/// that nobody has seen. "Your app needs to be prepared for replays" (delta query overview).
fn removals(
    gone: &std::collections::BTreeMap<u64, Gone>,
    c: &Cursor,
    folder: &str,
    more: bool,
) -> Vec<(u64, Gone)> {
    let mut rows = Vec::new();
    for (seq, g) in gone.range(c.gone + 1..) {
        rows.push((*seq, g.clone()));
        if more && seq % 2 == 0 {
            rows.push((*seq, g.clone()));
        }
    }
    // Once a round, behind the real ones.
    let last = rows.last().map(|(seq, _)| *seq).filter(|_| more && c.since > 0);
    if let Some(seq) = last.filter(|_| c.gone == c.since) {
        if let Some((_, old)) = gone.range(..=c.gone).next_back() {
            rows.push((seq, old.clone()));
        }
        if c.chance("unseen", folder, 2) {
            let id = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{folder} {}", c.gone)));
            let unseen = Gone { immutable_id: format!("AAkA{id}"), id: format!("AAMk{id}") };
            rows.push((seq, unseen));
        }
    }
    rows
}

pub(crate) fn messages(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    folder: &str,
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let cursor = cursor(call, mailbox(world, call, user)?.seq)?;
    let (query, change) = message_options(&cursor.options)?;
    if let Some(page) = stall(world, call, user, folder, &cursor) {
        return Ok(page);
    }
    let slim = world.tells(Truth::RowsAreNews);
    let twice = world.tells(Truth::MessagesTwice);
    let replays = world.tells(Truth::RemovedTwice);
    let mailbox = mailbox(world, call, user)?;
    let f = mailbox.folders.get(folder).ok_or_else(folder_missing)?;
    if cursor.live > 0 && cursor.live < f.oldest_token {
        return Err(state_gone());
    }
    let size = page_size(call, &query);
    let mut found: Vec<&Message> = mailbox.shown_in(folder);
    // The last row of the page before comes again at the head of the next one.
    let again = twice && cursor.within && size > 1 && cursor.chance("again", folder, 2);
    let from = found.partition_point(|m| m.seq <= cursor.live);
    let from = if again && cursor.live > cursor.since { from.saturating_sub(1) } else { from };
    found.drain(..from);
    let filtered = query.filters();
    let show = |m: &Message| {
        let since = if slim { cursor.since } else { 0 };
        show::message_news(m, since, call.immutable(), &query)
    };
    let wanted = |m: &Message| match change.as_deref() {
        Some("created") => m.news.arrived > cursor.since,
        Some("updated") => m.news.arrived <= cursor.since,
        Some(_) => false,
        None => true,
    };
    let mut rows: Vec<Value> = Vec::new();
    let (mut live, mut gone, mut more) = (cursor.live, cursor.gone, false);
    for m in found {
        let fits = !filtered
            || !query.apply(vec![m], |m| show::message(m, true, &Query::default())).is_empty();
        if !fits || !wanted(m) {
            live = live.max(m.seq);
            continue;
        }
        if rows.len() == size {
            more = true;
            break;
        }
        rows.push(show(m));
        live = live.max(m.seq);
    }
    let ends = filtered && cursor.given + rows.len() as u64 >= FILTERED_MAX;
    let tombs = change.as_deref().is_none_or(|c| c == "deleted");
    if !more && tombs {
        for (seq, g) in removals(&f.gone, &cursor, folder, replays) {
            // Both rows of one removal stand on one page.
            if rows.len() >= size && seq > gone {
                more = true;
                break;
            }
            rows.push(removed(&g, call.immutable()));
            gone = gone.max(seq);
        }
    }
    let full = rows.len() >= size;
    if twice && !more && !full && !rows.is_empty() && cursor.chance("last", folder, 3) {
        rows.push(rows[0].clone());
    }
    if fault == Some(&Fault::SkipPage) {
        rows.truncate(rows.len() / 2);
    }
    let repeat = fault == Some(&Fault::RepeatPage) && !rows.is_empty();
    let more = (more && !ends) || repeat;
    let next = match (repeat, more) {
        (true, _) => Cursor { within: true, ..cursor },
        (_, true) => cursor.on(live, gone, rows.len()),
        _ => cursor.end(mailbox.seq),
    };
    Ok(page(call, rows, more, &next.token(), "Collection(message)"))
}

fn page(call: &Call<'_>, rows: Vec<Value>, more: bool, token: &str, context: &str) -> Reply {
    let origin = call.req.origin();
    let context = if context.starts_with("Collection") { context } else { "Collection(message)" };
    let mut body =
        json!({"@odata.context": format!("{origin}/v1.0/$metadata#{context}"), "value": rows});
    let path = &call.req.path;
    if more {
        body["@odata.nextLink"] = format!("{origin}{path}?$skiptoken={token}").into();
    } else {
        body["@odata.deltaLink"] = format!("{origin}{path}?$deltatoken={token}").into();
    }
    let mut reply = Reply::json(200, &body);
    if let Some(size) = call.req.prefer_value("odata.maxpagesize") {
        reply = reply.with("preference-applied", format!("odata.maxpagesize={size}"));
    }
    reply
}

/// Folders, in pages of the documented size; hidden ones are not there, for
/// `includeHiddenFolders` is not published for it.
pub(crate) fn folders(
    world: &mut World,
    call: &Call<'_>,
    user: &str,
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    const CONTEXT: &str = "Collection(mailFolder)";
    let cursor = cursor(call, mailbox(world, call, user)?.seq)?;
    let query = Query::parse(&cursor.options, AREA)?;
    if let Some(page) = stall(world, call, user, CONTEXT, &cursor) {
        return Ok(page);
    }
    let asked =
        query.other.get("includehiddenfolders").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let hidden = asked && !world.tells(Truth::HiddenFoldersApart);
    let paged = world.tells(Truth::MailPagesStall);
    let replays = world.tells(Truth::RemovedTwice);
    let mailbox = mailbox(world, call, user)?;
    let size = if paged { page_size(call, &query) } else { usize::MAX };
    let mut found: Vec<_> = mailbox
        .folders
        .values()
        .filter(|f| !f.unlisted && (hidden || !f.hidden) && f.seq > cursor.live)
        .collect();
    found.sort_by_key(|f| f.seq);
    let (mut live, mut gone) = (cursor.live, cursor.gone);
    let mut rows: Vec<Value> = Vec::new();
    for f in found.iter().take(size) {
        rows.push(show::folder(mailbox, f, &query));
        live = f.seq;
    }
    let mut more = found.len() > size;
    if !more {
        for (seq, id) in mailbox.folders_gone.range(cursor.gone + 1..) {
            if rows.len() >= size {
                more = true;
                break;
            }
            let row = json!({"id": id, "@removed": {"reason": "deleted"}});
            if replays && seq % 2 == 0 {
                rows.push(row.clone());
            }
            rows.push(row);
            gone = *seq;
        }
    }
    let repeat = fault == Some(&Fault::RepeatPage) && !rows.is_empty() && paged;
    let next = match (repeat, more) {
        (true, _) => Cursor { within: true, ..cursor },
        (_, true) => cursor.on(live, gone, rows.len()),
        _ => cursor.end(mailbox.seq),
    };
    Ok(page(call, rows, more || repeat, &next.token(), CONTEXT))
}
