//! What deltas of lists have in common: a place in an order of changes, pages of what came behind
//! it, and what surprises clients about them.
//!
//! A row is news. What surprises comes by chance that hangs on the list and the place in its
//! history alone, so that the same requests get the same answers. Mail and drives have deltas of
//! their own, for they stand apart in more than this.

use crate::core::{
    http::{Reply, Request},
    odata::pairs,
    world::Call,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};

/// A place in the order of changes, within a round.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    /// Where the round began; 0 is the beginning of all.
    pub(crate) since: u64,
    live: u64,
    gone: u64,
    /// Whether it stands in a next link.
    within: bool,
    /// The query of the first call.
    pub(crate) options: String,
}

impl Cursor {
    /// A round that begins with everything; what is gone already is not told.
    pub(crate) fn fresh(now: u64, options: &str) -> Self {
        Self { since: 0, live: 0, gone: now, within: false, options: options.to_owned() }
    }

    /// Where the next round begins.
    pub(crate) fn end(self, now: u64) -> Self {
        Self { since: now, live: now, gone: now, within: false, ..self }
    }

    /// `None` when the text was not made here.
    pub(crate) fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut parts = text.splitn(5, '|');
        let mut number = || parts.next()?.parse().ok();
        Some(Self {
            since: number()?,
            live: number()?,
            gone: number()?,
            within: number()? == 1,
            options: parts.next()?.to_owned(),
        })
    }

    pub(crate) fn token(&self) -> String {
        let within = u64::from(self.within);
        let text = format!("{}|{}|{}|{within}|{}", self.since, self.live, self.gone, self.options);
        URL_SAFE_NO_PAD.encode(text)
    }

    /// Whether it was made before that place.
    pub(crate) fn is_before(&self, oldest: u64) -> bool {
        self.live > 0 && self.live < oldest
    }

    /// One in `n`, for this place alone.
    fn chance(&self, what: &str, list: &str, n: u64) -> bool {
        let place = format!("{what} {list} {} {} {}", self.live, self.gone, self.within);
        u64::from(Sha256::digest(place)[0]) % n == 0
    }
}

/// Makes a page of a delta of contacts, tasks, events or sites lead to itself once more: its rows
/// come twice.
pub(crate) fn repeat(req: &Request, reply: &mut Reply) {
    let words: Vec<&str> = req.path.split('/').collect();
    let is_here = ["contactFolders", "todo", "calendars", "calendarView", "sites"]
        .iter()
        .any(|word| words.iter().any(|w| w.eq_ignore_ascii_case(word)));
    let is_delta = words.last().is_some_and(|w| w.starts_with("delta"));
    let Ok(Value::Object(mut page)) = serde_json::from_slice(&reply.body) else { return };
    let has_rows = page.get("value").and_then(Value::as_array).is_some_and(|v| !v.is_empty());
    if !is_here || !is_delta || !has_rows {
        return;
    }
    page.remove("@odata.deltaLink");
    let query = if req.query.is_empty() { String::new() } else { format!("?{}", req.query) };
    let link = format!("{}{}{query}", req.origin(), req.path);
    page.insert("@odata.nextLink".to_owned(), link.into());
    reply.body = Value::Object(page).to_string().into();
}

/// The value of the token in a query, whatever it is called.
pub(crate) fn token_of(query: &str) -> Option<String> {
    let names = ["token", "skiptoken", "deltatoken"];
    let is_one = |k: &str| names.contains(&k.trim_start_matches('$').to_ascii_lowercase().as_str());
    pairs(query).into_iter().find(|(k, _)| is_one(k)).map(|(_, v)| v)
}

/// How a list tells its news.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Rows of a page at most.
    pub(crate) size: usize,
    /// A row may come twice (`Truth::MessagesTwice`).
    pub(crate) twice: bool,
    /// Removals come twice, again, and of what was never seen (`Truth::RemovedTwice`).
    pub(crate) replays: bool,
    /// Pages may be empty or lead to themselves (`Truth::MailPagesStall`).
    pub(crate) stalls: bool,
}

/// The size of a page that a call asks for.
pub(crate) fn page_size(call: &Call<'_>, top: Option<usize>, default: usize, max: usize) -> usize {
    let preferred = call.req.prefer_value("odata.maxpagesize").and_then(|v| v.parse().ok());
    preferred.or(top).unwrap_or(default).clamp(1, max)
}

/// What a list has to tell. Rows that belong together stand on one page.
pub(crate) struct Feed<'f> {
    /// A name that no other list has.
    pub(crate) list: &'f str,
    /// What is there, by the place of its last change, in that order.
    pub(crate) live: Vec<(u64, Vec<Value>)>,
    /// What is not there any more, by id.
    pub(crate) gone: &'f BTreeMap<u64, String>,
    /// How a removal is told.
    pub(crate) removed: &'f dyn Fn(&str) -> Value,
    /// The newest place.
    pub(crate) now: u64,
}

/// A page, and the place that its link leads to.
pub(crate) struct Page {
    pub(crate) rows: Vec<Value>,
    pub(crate) next: Cursor,
    /// Whether more of the round follows.
    pub(crate) more: bool,
}

/// An empty page with a next link, as the first of a round; or one whose next link is its own,
/// once: `stalled` remembers it. Sources: "the page may be empty" with an `@odata.nextLink` (delta
/// query overview); links that lead to themselves are known to the page iterators of Microsoft's
/// SDKs.
fn stall(c: &Cursor, list: &str, stalled: &mut HashSet<String>) -> Option<Page> {
    let empty = |next: Cursor| Page { rows: Vec::new(), next, more: true };
    if !c.within {
        let next = Cursor { within: true, ..c.clone() };
        return c.chance("empty", list, 4).then(|| empty(next));
    }
    let stalls = c.chance("stall", list, 5) && stalled.insert(format!("{list} {}", c.token()));
    stalls.then(|| empty(c.clone()))
}

/// Removals since the cursor, and what is said besides. "Your app needs to be prepared for replays"
/// (delta query overview).
fn removals(c: &Cursor, feed: &Feed<'_>, replays: bool) -> Vec<(u64, String)> {
    let mut rows = Vec::new();
    for (place, id) in feed.gone.range(c.gone + 1..) {
        rows.push((*place, id.clone()));
        if replays && place % 2 == 0 {
            rows.push((*place, id.clone()));
        }
    }
    // Once a round, behind the last of the real ones.
    let last = rows.last().map(|(place, _)| *place).filter(|_| replays && c.since > 0);
    if let Some(place) = last {
        if let Some((_, old)) = feed.gone.range(..=c.since).next_back() {
            rows.push((place, old.clone()));
        }
        if c.chance("unseen", feed.list, 2) {
            let place_before = format!("{} {}", feed.list, c.since);
            let unseen = URL_SAFE_NO_PAD.encode(Sha256::digest(place_before));
            rows.push((place, format!("AAkA{unseen}")));
        }
    }
    rows
}

/// The page behind a cursor.
pub(crate) fn page(
    c: &Cursor,
    feed: &Feed<'_>,
    manner: Manner,
    stalled: &mut HashSet<String>,
) -> Page {
    if let Some(page) = Some(c).filter(|_| manner.stalls).and_then(|c| stall(c, feed.list, stalled))
    {
        return page;
    }
    let from = feed.live.partition_point(|(place, _)| *place <= c.live);
    let mut rows: Vec<Value> = Vec::new();
    // What ended the page before comes again at the head of this one, and takes no room.
    let again = manner.twice && c.within && c.live > c.since && c.chance("again", feed.list, 2);
    if let Some((_, block)) = from.checked_sub(1).and_then(|n| feed.live.get(n)).filter(|_| again) {
        rows.extend(block.iter().cloned());
    }
    let (repeated, mut live, mut gone, mut more) = (rows.len(), c.live, c.gone, false);
    for (place, block) in &feed.live[from..] {
        let used = rows.len() - repeated;
        if used > 0 && used + block.len() > manner.size {
            more = true;
            break;
        }
        rows.extend(block.iter().cloned());
        live = *place;
    }
    if !more {
        for (place, id) in removals(c, feed, manner.replays) {
            // Both rows of one removal stand on one page.
            if rows.len() - repeated >= manner.size && place > gone {
                more = true;
                break;
            }
            rows.push((feed.removed)(&id));
            gone = gone.max(place);
        }
    }
    let room = rows.len() - repeated < manner.size;
    if manner.twice && !more && room && !rows.is_empty() && c.chance("last", feed.list, 3) {
        rows.push(rows[0].clone());
    }
    let next = match more {
        true => Cursor { live, gone, within: true, ..c.clone() },
        false => c.clone().end(feed.now),
    };
    Page { rows, next, more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn round(mut c: Cursor, feed: &Feed<'_>, manner: Manner) -> (Vec<Value>, Cursor, usize) {
        let (mut rows, mut stalled, mut longest) = (Vec::new(), HashSet::new(), 0);
        for _ in 0..500 {
            let page = page(&c, feed, manner, &mut stalled);
            longest = longest.max(page.rows.len());
            rows.extend(page.rows);
            c = Cursor::read(&page.next.token()).unwrap();
            if !page.more {
                return (rows, c, longest);
            }
        }
        panic!("a round that does not end");
    }

    #[test]
    fn every_row_is_told_whatever_is_told_twice_and_a_block_is_not_cut() {
        let live: Vec<(u64, Vec<Value>)> =
            (1..30u64).map(|n| (n, vec![json!(n); if n % 7 == 0 { 9 } else { 1 }])).collect();
        let gone: BTreeMap<u64, String> = (30..40).map(|n| (n, format!("gone {n}"))).collect();
        let removed = |id: &str| json!({ "removed": id });
        for (size, unkind) in [(1, true), (4, true), (4, false), (100, true)] {
            let feed = Feed {
                list: "a list",
                live: live.clone(),
                gone: &gone,
                removed: &removed,
                now: 40,
            };
            let manner = Manner { size, twice: unkind, replays: unkind, stalls: unkind };
            let (rows, end, _) = round(Cursor::fresh(40, ""), &feed, manner);
            assert!((1..30u64).all(|n| rows.contains(&json!(n))), "{size}");
            assert!(unkind || rows.len() == 29 + 4 * 8, "{} rows", rows.len());
            assert!(round(end.clone(), &feed, manner).0.is_empty());
            let since = Cursor { live: 35, gone: 35, since: 35, ..end };
            let (rows, ..) = round(since, &feed, manner);
            assert!((36..40).all(|n| rows.contains(&removed(&format!("gone {n}")))));
            assert!(!unkind || rows.contains(&removed("gone 35")), "an old one again");
        }
    }
}
