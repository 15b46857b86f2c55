//! What contacts, tasks and calendars have in common: lists of things in somebody's mailbox, what
//! happened to them, and how they are listed and told of.
//!
//! A thing is kept as the published properties that it shows. Each part of it knows when it changed
//! last, so that a delta can tell that alone.

use crate::{
    core::{
        extensions::Extensions,
        feed::{self, Cursor, Feed, Manner},
        http::{ApiError, Area, Reply},
        ids::IdMaker,
        odata::Query,
        show::{change_key, time},
        truth::Truth,
        world::{Call, World},
    },
    directory::routes::next_link,
    mail::state::Attachment,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};

const AREA: Area = Area::Mail;
/// Lists of Outlook: "$top … maximum 1000" (use query parameters; message: delta).
pub(crate) const PAGE_MAX: usize = 1000;

/// A contact, a task, an event.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    /// Stays when it goes to another list.
    pub(crate) immutable: String,
    /// Changes then.
    pub(crate) id: String,
    pub(crate) seq: u64,
    /// The change that brought it to its list.
    pub(crate) born: u64,
    /// When its properties changed last.
    pub(crate) changed: BTreeMap<String, u64>,
    /// How often it changed, for its change key.
    pub(crate) version: u64,
    pub(crate) created: jiff::Timestamp,
    pub(crate) modified: jiff::Timestamp,
    pub(crate) properties: Map<String, Value>,
    /// Small things within it, by the name of their collection: each with its `id`.
    pub(crate) parts: BTreeMap<&'static str, Vec<Value>>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) photo: Option<Bytes>,
    pub(crate) extended: BTreeMap<String, String>,
    pub(crate) extensions: Extensions,
    /// Days of a series that are other than planned, by the day.
    pub(crate) exceptions: BTreeMap<String, Exception>,
}

/// A day of a series that is changed or cancelled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exception {
    pub(crate) cancelled: bool,
    pub(crate) properties: Map<String, Value>,
    pub(crate) attachments: Vec<Attachment>,
}

impl Thing {
    pub(crate) fn new(ids: &mut IdMaker, properties: Value, now: jiff::Timestamp) -> Self {
        let properties = match properties {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Self {
            immutable: ids.exchange("AAkA"),
            id: ids.exchange("AAMk"),
            seq: 0,
            born: 0,
            changed: BTreeMap::new(),
            version: 1,
            created: now,
            modified: now,
            properties,
            parts: BTreeMap::new(),
            attachments: Vec::new(),
            photo: None,
            extended: BTreeMap::new(),
            extensions: Extensions::default(),
            exceptions: BTreeMap::new(),
        }
    }

    pub(crate) fn change_key(&self) -> String {
        change_key(self.version, &self.immutable)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.properties.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A folder of contacts, a list of tasks, a calendar.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) id: String,
    /// Another list, or what stands above all.
    pub(crate) parent: String,
    /// `contacts`, `defaultList`, …: what every mailbox has.
    pub(crate) well_known: Option<&'static str>,
    pub(crate) seq: u64,
    pub(crate) born: u64,
    pub(crate) changed: BTreeMap<String, u64>,
    pub(crate) version: u64,
    pub(crate) properties: Map<String, Value>,
    /// Small things that it holds besides, by the name of their collection.
    pub(crate) parts: BTreeMap<&'static str, Vec<Value>>,
    pub(crate) things: BTreeMap<String, Thing>,
    /// What left it, `{immutable id} {id}`, by the place of that.
    pub(crate) gone: BTreeMap<u64, String>,
    /// What is counted and never listed.
    pub(crate) unlisted: usize,
}

/// All lists of one kind of a person.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    pub(crate) all: BTreeMap<String, List>,
    pub(crate) gone: BTreeMap<u64, String>,
    /// What stands above all lists.
    pub(crate) root: String,
    pub(crate) seq: u64,
    /// Delta tokens older than this answer 410.
    pub(crate) oldest_token: u64,
    /// Links of delta that have led to themselves once.
    pub(crate) stalled: HashSet<String>,
    /// Apart from the tenant's, so that what is done here changes no id elsewhere.
    pub(crate) ids: IdMaker,
}

impl Lists {
    /// None yet; `seed` hangs on whose they are.
    pub(crate) fn new(seed: u64) -> Self {
        let mut ids = IdMaker::new(seed);
        Self { root: ids.exchange("AQMk"), ids, ..Self::default() }
    }

    pub(crate) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Delta tokens given out so far are too old from now on.
    pub(crate) fn expire_tokens(&mut self) {
        self.oldest_token = self.next_seq();
    }

    pub(crate) fn add_list(
        &mut self,
        parent: &str,
        well_known: Option<&'static str>,
        properties: Value,
    ) -> String {
        let id = self.ids.exchange(if well_known.is_some() { "AQMk" } else { "AAMk" });
        let seq = self.next_seq();
        let list = List {
            id: id.clone(),
            parent: parent.to_owned(),
            well_known,
            seq,
            born: seq,
            changed: BTreeMap::new(),
            version: 1,
            properties: properties.as_object().cloned().unwrap_or_default(),
            parts: BTreeMap::new(),
            things: BTreeMap::new(),
            gone: BTreeMap::new(),
            unlisted: 0,
        };
        self.all.insert(id.clone(), list);
        id
    }

    pub(crate) fn well_known(&self, name: &str) -> Option<&List> {
        self.all.values().find(|l| l.well_known == Some(name))
    }

    pub(crate) fn default_id(&self, name: &str) -> String {
        self.well_known(name).map(|l| l.id.clone()).unwrap_or_default()
    }

    /// Other properties of a list, which the delta of lists tells of.
    pub(crate) fn change_list(&mut self, id: &str, properties: &Map<String, Value>) {
        let seq = self.next_seq();
        let Some(list) = self.all.get_mut(id) else { return };
        for (name, value) in properties {
            list.properties.insert(name.clone(), value.clone());
            list.changed.insert(name.clone(), seq);
        }
        list.version += 1;
        list.seq = seq;
    }

    /// Takes a list away with all that is in and below it.
    pub(crate) fn remove_list(&mut self, id: &str) {
        let below: Vec<String> =
            self.all.values().filter(|l| l.parent == id).map(|l| l.id.clone()).collect();
        below.iter().for_each(|child| self.remove_list(child));
        if self.all.remove(id).is_some() {
            let seq = self.next_seq();
            self.gone.insert(seq, id.to_owned());
        }
    }

    /// Puts a thing into a list; answers its immutable id.
    pub(crate) fn add(&mut self, list: &str, mut thing: Thing) -> String {
        let seq = self.next_seq();
        (thing.seq, thing.born) = (seq, seq);
        let id = thing.immutable.clone();
        if let Some(l) = self.all.get_mut(list) {
            l.gone.retain(|_, gone| !gone.starts_with(id.as_str()));
            l.things.insert(id.clone(), thing);
        }
        id
    }

    /// The list and the immutable id of what has this id, either of them.
    pub(crate) fn find(&self, id: &str) -> Option<(String, String)> {
        self.all.values().find_map(|l| {
            let found = match l.things.get(id) {
                Some(thing) => Some(thing),
                None => l.things.values().find(|t| t.id == id),
            };
            found.map(|t| (l.id.clone(), t.immutable.clone()))
        })
    }

    pub(crate) fn thing(&self, at: &(String, String)) -> Option<&Thing> {
        self.all.get(&at.0)?.things.get(&at.1)
    }

    /// Changes a thing; the delta tells of the properties that are named.
    pub(crate) fn change(
        &mut self,
        at: &(String, String),
        names: &[&str],
        now: jiff::Timestamp,
        change: impl FnOnce(&mut Thing),
    ) {
        let seq = self.next_seq();
        let Some(thing) = self.all.get_mut(&at.0).and_then(|l| l.things.get_mut(&at.1)) else {
            return;
        };
        change(thing);
        for name in names {
            thing.changed.insert((*name).to_owned(), seq);
        }
        (thing.seq, thing.modified) = (seq, now);
        thing.version += 1;
    }

    /// Takes a thing away for good.
    pub(crate) fn remove(&mut self, at: &(String, String)) -> Option<Thing> {
        let seq = self.next_seq();
        let list = self.all.get_mut(&at.0)?;
        let thing = list.things.remove(&at.1)?;
        list.gone.insert(seq, format!("{} {}", thing.immutable, thing.id));
        Some(thing)
    }

    /// Takes a thing to another list; its immutable id stays.
    pub(crate) fn move_to(&mut self, at: &(String, String), list: &str) {
        if let Some(mut thing) = self.remove(at) {
            thing.id = self.ids.exchange("AAMk");
            thing.version += 1;
            self.add(list, thing);
        }
    }
}

/// The list that is not there.
pub(crate) fn list_missing() -> ApiError {
    ApiError::new(404, "ErrorItemNotFound", "The specified folder could not be found in the store.")
}

/// Ids are long; what is not is refused before it is looked for. Source: response codes of
/// Exchange.
pub(crate) fn well_formed(id: &str) -> Result<(), ApiError> {
    match id.len() < 20 || id.contains(' ') {
        true => Err(ApiError::new(400, "ErrorInvalidIdMalformed", "Id is malformed.")),
        false => Ok(()),
    }
}

/// A stale `If-Match`. Source: `ErrorIrresolvableConflict` of the Exchange response codes.
pub(crate) fn still_the_same(call: &Call<'_>, thing: &Thing) -> Result<(), ApiError> {
    let Some(known) = call.req.header("if-match").filter(|v| v.trim() != "*") else {
        return Ok(());
    };
    match known.trim().trim_start_matches("W/").trim_matches('"') == thing.change_key() {
        true => Ok(()),
        false => Err(ApiError::new(
            412,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in \
             the request does not match the current change key for the item.",
        )),
    }
}

/// What cannot be set. Source: response codes of Exchange.
pub(crate) fn read_only(name: &str) -> ApiError {
    let text = format!("Set action is invalid for property '{name}'.");
    ApiError::new(400, "ErrorInvalidPropertySet", text)
}

/// What a body gives that can be set, without annotations. What the service alone sets is left out
/// of a new thing, as it is of a new message, and refused in a change.
pub(crate) fn given(
    body: &Value,
    fixed: &[&str],
    apart: &[&str],
    new: bool,
) -> Result<Map<String, Value>, ApiError> {
    let mut out = Map::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        match fixed.contains(&name.as_str()) {
            true if new => {}
            true => return Err(read_only(name)),
            false if name.contains('@') => {}
            // What stands within it is taken along by a new one, as far as its service says so.
            false if apart.contains(&name.as_str()) => {
                let nothing = value.is_null() || *value == json!([]);
                let known = new || name == "singleValueExtendedProperties";
                if !known && !nothing {
                    return Err(ApiError::not_simulated());
                }
            }
            false if name == "multiValueExtendedProperties" => {
                return Err(ApiError::not_simulated());
            }
            false => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(out)
}

/// The open extensions that a body brings along.
pub(crate) fn extensions(body: &Value) -> Result<Extensions, ApiError> {
    let rows = body["extensions"].as_array().into_iter().flatten();
    rows.map(|one| crate::core::extensions::read(one, AREA)).collect()
}

/// Refuses what a new thing would have to take along and this simulator does not play: whether the
/// service does is not documented.
pub(crate) fn not_within(body: &Value, names: &[&str]) -> Result<(), ApiError> {
    let given = |name: &&str| !body[*name].is_null() && body[*name] != json!([]);
    match names.iter().any(given) {
        true => Err(ApiError::not_simulated()),
        false => Ok(()),
    }
}

/// What `singleValueExtendedProperties` of a body give.
pub(crate) fn extended(body: &Value) -> BTreeMap<String, String> {
    let rows = body["singleValueExtendedProperties"].as_array().into_iter().flatten();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    rows.map(|p| (text(&p["id"]), text(&p["value"]))).collect()
}

/// What every Outlook item has: id, etag, change key, times.
pub(crate) fn item(thing: &Thing, immutable: bool) -> Map<String, Value> {
    let mut out = thing.properties.clone();
    let key = thing.change_key();
    let id = if immutable { &thing.immutable } else { &thing.id };
    out.insert("@odata.etag".into(), format!("W/\"{key}\"").into());
    out.insert("id".into(), id.as_str().into());
    out.insert("changeKey".into(), key.into());
    out.insert("createdDateTime".into(), time(thing.created).into());
    out.insert("lastModifiedDateTime".into(), time(thing.modified).into());
    out
}

/// What `$expand` asks for of extensions and extended properties.
pub(crate) fn expand(thing: &Thing, query: &Query, out: &mut Value) {
    for asked in &query.expand {
        match asked.name.to_ascii_lowercase().as_str() {
            "extensions" => {
                out["extensions"] =
                    crate::core::extensions::expanded(&thing.extensions, asked).into();
            }
            "singlevalueextendedproperties" => {
                let wanted = asked.options.get("filter").cloned().unwrap_or_default();
                let wanted = wanted.to_ascii_lowercase();
                let held = thing.extended.iter();
                let rows: Vec<Value> = held
                    .filter(|(id, _)| wanted.contains(&id.to_ascii_lowercase()))
                    .map(|(id, value)| json!({"id": id, "value": value}))
                    .collect();
                if !rows.is_empty() {
                    out["singleValueExtendedProperties"] = rows.into();
                }
            }
            _ => {}
        }
    }
}

/// A row of a delta: all of it when it is new there, else what changed; `kept` stays always.
/// Source: "at least the properties that have been updated" (delta query overview), as
/// `Truth::RowsAreNews` has it of messages.
pub(crate) fn news(
    mut row: Value,
    (born, changed): (u64, &BTreeMap<String, u64>),
    since: u64,
    kept: &[&str],
) -> Value {
    if let (true, Some(map)) = (born <= since, row.as_object_mut()) {
        map.retain(|name, _| {
            name.starts_with('@')
                || name == "id"
                || kept.contains(&name.as_str())
                || changed.get(name).is_some_and(|seq| *seq > since)
        });
    }
    row
}

/// A page of a list: each row whole, and as it is to be shown.
pub(crate) fn page(
    call: &Call<'_>,
    query: &Query,
    rows: Vec<(Value, Value)>,
    default: usize,
) -> Reply {
    let rows = query.apply(rows, |(whole, _)| whole.clone());
    let size = feed::page_size(call, query.top, default, PAGE_MAX);
    let skip = query.other.get("skiptoken").and_then(|t| t.parse().ok()).unwrap_or(query.skip);
    let shown: Vec<&Value> = rows.iter().skip(skip).take(size).map(|(_, v)| v).collect();
    let mut body = json!({ "value": shown });
    if query.count {
        body["@odata.count"] = rows.len().into();
    }
    if skip + size < rows.len() {
        body["@odata.nextLink"] = next_link(call, skip + size).into();
    }
    Reply::json(200, &body)
}

/// How many there are, as plain text.
pub(crate) fn count(rows: usize) -> Reply {
    let mut reply = Reply::new(200).with("content-type", "text/plain");
    reply.body = rows.to_string().into();
    reply
}

/// Every answer says what it is: `@odata.context` (OData JSON format 4.01, 4.5.1).
pub(crate) fn with_context(mut reply: Reply, call: &Call<'_>, user: &str) -> Reply {
    if reply.status >= 300 || !reply.body.starts_with(b"{") {
        return reply;
    }
    let Ok(Value::Object(map)) = serde_json::from_slice::<Value>(&reply.body) else {
        return reply;
    };
    if map.contains_key("@odata.context") {
        return reply;
    }
    let single = if map.get("value").is_some_and(Value::is_array) { "" } else { "/$entity" };
    let version = if call.beta { "beta" } else { "v1.0" };
    let path = call.path[2..].join("/");
    let context =
        format!("{}/{version}/$metadata#users('{user}')/{path}{single}", call.req.origin());
    let mut body = Map::from_iter([("@odata.context".to_owned(), context.into())]);
    body.extend(map);
    reply.body = Value::Object(body).to_string().into();
    reply
}

/// Words of a path below a person in small letters; ids, which are long, keep their case.
pub(crate) fn words(path: &[String]) -> Vec<String> {
    path.iter().map(|p| if p.len() < 30 { p.to_ascii_lowercase() } else { p.clone() }).collect()
}

/// What a delta tells of: the place that its token names, and its options.
pub(crate) struct Told {
    pub(crate) cursor: Cursor,
    pub(crate) query: Query,
    /// Rows tell what changed since here; 0 is everything.
    pub(crate) since: u64,
    pub(crate) manner: Manner,
}

/// Reads the token of a delta and its options.
pub(crate) fn told(
    world: &World,
    call: &Call<'_>,
    lists: &Lists,
    default: usize,
) -> Result<Told, ApiError> {
    let cursor = match feed::token_of(&call.req.query) {
        None => Cursor::fresh(lists.seq, &call.req.query),
        Some(token) => Cursor::read(&token)
            .ok_or_else(|| ApiError::new(400, "SyncStateInvalid", "The sync state is invalid."))?,
    };
    if cursor.is_before(lists.oldest_token) {
        return Err(ApiError::new(
            410,
            "SyncStateNotFound",
            "The sync state generation is not found; generation=149;[highest=157][157][155][156].",
        ));
    }
    let query = Query::parse(&cursor.options, AREA)?;
    let size = feed::page_size(call, query.top, default, PAGE_MAX);
    let since = if world.tells(Truth::RowsAreNews) { cursor.since } else { 0 };
    let manner = Manner {
        size,
        twice: world.tells(Truth::MessagesTwice),
        replays: world.tells(Truth::RemovedTwice),
        stalls: world.tells(Truth::MailPagesStall),
    };
    Ok(Told { cursor, query, since, manner })
}

/// The page of a delta. `gone` of things is `{immutable id} {id}`.
pub(crate) fn delta_page(
    call: &Call<'_>,
    told: &Told,
    kind: &str,
    (list, live): (&str, Vec<(u64, Vec<Value>)>),
    gone: &BTreeMap<u64, String>,
    (now, stalled): (u64, &mut HashSet<String>),
) -> Reply {
    let mut live = live;
    live.sort_by_key(|(seq, _)| *seq);
    let immutable = call.immutable();
    let removed = |gone: &str| {
        let (one, other) = gone.split_once(' ').unwrap_or((gone, gone));
        let id = if immutable { one } else { other };
        json!({"@odata.type": kind, "id": id, "@removed": {"reason": "deleted"}})
    };
    let feed = Feed { list, live, gone, removed: &removed, now };
    let page = feed::page(&told.cursor, &feed, told.manner, stalled);
    let link = format!("{}{}", call.req.origin(), call.req.path);
    let token = page.next.token();
    let mut body = json!({ "value": page.rows });
    match page.more {
        true => body["@odata.nextLink"] = format!("{link}?$skiptoken={token}").into(),
        false => body["@odata.deltaLink"] = format!("{link}?$deltatoken={token}").into(),
    }
    let reply = Reply::json(200, &body);
    match call.req.prefer_value("odata.maxpagesize") {
        Some(size) => reply.with("preference-applied", format!("odata.maxpagesize={size}")),
        None => reply,
    }
}

/// What must be the same of properties, whatever order they came in and whatever is not set.
pub(crate) fn canonical(v: &Value) -> Value {
    match v {
        Value::Object(map) => {
            let set: BTreeMap<&String, Value> = map
                .iter()
                .map(|(k, v)| (k, canonical(v)))
                .filter(|(_, v)| !v.is_null() && ![json!([]), json!({}), json!("")].contains(v))
                .collect();
            json!(set)
        }
        Value::Array(rows) => rows.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

/// What is shown of a thing, without what no other can have: ids, times, keys, addresses.
pub(crate) fn seen(mut shown: Value, apart: &[&str]) -> Value {
    const OWN: &[&str] = &[
        "id",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
        "parentFolderId",
        "webLink",
    ];
    if let Some(map) = shown.as_object_mut() {
        map.retain(|name, _| {
            let name = name.as_str();
            !name.contains('@') && !OWN.contains(&name) && !apart.contains(&name)
        });
    }
    shown
}

/// What programs keep in a thing and no list shows; nothing when it has none.
pub(crate) fn hidden(thing: &Thing) -> Option<String> {
    let all = canonical(&json!([thing.extended, thing.extensions]));
    (all != canonical(&json!([{}, Extensions::default()]))).then(|| digest(&all))
}

/// SHA-256 over what must be identical.
pub(crate) fn digest(v: &Value) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(canonical(v).to_string()))
}

/// Files, without ids and times.
pub(crate) fn attachments(all: &[Attachment]) -> Value {
    use crate::mail::state::AttachmentKind as Kind;
    let mut rows: Vec<Value> = all
        .iter()
        .map(|a| match &a.kind {
            Kind::File { content, content_id, .. } => {
                let bytes =
                    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content));
                json!(["file", a.name, a.content_type, a.inline, content_id, bytes])
            }
            Kind::Item { item, .. } => json!(["item", a.name, item["subject"]]),
            Kind::Reference => json!(["reference", a.name]),
        })
        .collect();
    rows.sort_by_key(Value::to_string);
    rows.into()
}
