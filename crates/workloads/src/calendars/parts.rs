//! What belongs to an event: attachments, and the days of a series that are other than planned.

use crate::{
    Client, Error, ErrorKind, escape,
    things::{Part, Whole, complete, ics, set_of},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use strongroom_graph::{Request, Scope};
use strongroom_model::limits;

/// Days that are changed.
pub(super) const EXCEPTIONS: &str = "exceptionOccurrences";
/// Days that do not take place.
pub(super) const CANCELLED: &str = "cancelledOccurrences";
const FILE: &str = "attachment";
/// An attachment that is no file: what Graph says of it.
const OTHER: &str = "attached.json";

/// An event as its own zone has it.
pub(super) async fn whole(client: &Client, at: String, scope: Scope) -> Result<Whole, Error> {
    let get = |target: String| Request::get(scope.clone(), target);
    // Times come in UTC unless a zone is asked for, and which one is only known then.
    let brief = "id,type,originalStartTimeZone,cancelledOccurrences";
    let first: Value = client.json(&get(format!("{at}?$select={brief}"))).await?;
    if first["type"].as_str().is_none_or(str::is_empty) {
        let text = "an event came that says nothing of what it is";
        return Err(Error::new(ErrorKind::BadAnswer, text));
    }
    let is_series = first["type"] == "seriesMaster";
    let target = match is_series {
        true => format!("{at}?$expand={EXCEPTIONS}"),
        false => at.clone(),
    };
    let zone = first["originalStartTimeZone"].as_str().filter(|z| is_plain(z));
    let mut value: Value = match zone {
        Some(zone) => match client.json(&in_zone(get(target.clone()), zone)).await {
            // A zone of somebody's own, by a name that only their Outlook knows.
            Err(e) if e.kind == ErrorKind::BadRequest => client.json(&get(target)).await?,
            read => read?,
        },
        None => client.json(&get(target)).await?,
    };
    if is_series {
        complete(client, &scope, &mut value, EXCEPTIONS).await?;
        value[CANCELLED] = first[CANCELLED].clone();
    }
    let mut parts = Vec::new();
    if has_files(&value) {
        parts.extend(files(client, &scope, &at, None).await?);
    }
    let base = base(&at).to_owned();
    for (day, e) in exceptions(&value).filter(|(_, e)| has_files(e)) {
        let id = escape(e["id"].as_str().unwrap_or_default());
        parts.extend(files(client, &scope, &format!("{base}/{id}"), Some(&day)).await?);
    }
    Ok(Whole { value, parts })
}

/// A header takes it.
fn is_plain(zone: &str) -> bool {
    !zone.is_empty() && zone.chars().all(|c| c != '"' && (' '..='~').contains(&c))
}

fn in_zone(request: Request, zone: &str) -> Request {
    request.header("prefer", format!("outlook.timezone=\"{zone}\""))
}

/// Address of the events of a calendar, of that of one of them.
fn base(at: &str) -> &str {
    at.rsplit_once('/').map_or(at, |(base, _)| base)
}

/// What is shown within the text alone is not counted as an attachment.
fn has_files(event: &Value) -> bool {
    let text = event["body"]["content"].as_str().unwrap_or_default();
    event["hasAttachments"] == true || text.contains("cid:")
}

async fn files(
    client: &Client,
    scope: &Scope,
    at: &str,
    day: Option<&str>,
) -> Result<Vec<(Part, Bytes)>, Error> {
    let mut parts = Vec::new();
    let target = format!("{at}/attachments");
    for file in client.list(&Request::get(scope.clone(), target)).await? {
        let text = |name: &str| file[name].as_str().map(str::to_owned);
        let is_file = text("@odata.type").as_deref() == Some("#microsoft.graph.fileAttachment");
        let (what, bytes) = match is_file {
            true => (FILE, content(client, scope, at, &file).await?),
            false => {
                let mut other = set_of(file.clone());
                other["@odata.type"] = file["@odata.type"].clone();
                if let Some(map) = other.as_object_mut() {
                    map.retain(|name, _| name != "id" && name != "lastModifiedDateTime");
                }
                (OTHER, Bytes::from(other.to_string()))
            }
        };
        let inline = (file["isInline"] == true).then_some(true);
        let part = Part {
            day: day.map(str::to_owned),
            name: text("name"),
            content_type: text("contentType"),
            inline,
            content_id: text("contentId"),
            ..Part::new(what, &bytes)
        };
        parts.push((part, bytes));
    }
    Ok(parts)
}

/// The bytes of a file: a list may leave them out.
async fn content(client: &Client, scope: &Scope, at: &str, file: &Value) -> Result<Bytes, Error> {
    let read = |file: &Value| file["contentBytes"].as_str().and_then(|b| STANDARD.decode(b).ok());
    if let Some(bytes) = read(file) {
        return Ok(bytes.into());
    }
    let id = escape(file["id"].as_str().unwrap_or_default());
    let one: Value =
        client.json(&Request::get(scope.clone(), format!("{at}/attachments/{id}"))).await?;
    match read(&one) {
        Some(bytes) => Ok(bytes.into()),
        None => Err(Error::new(ErrorKind::BadAnswer, "an attachment came without its bytes")),
    }
}

/// The zone of a series.
fn zone_of(value: &Value) -> TimeZone {
    let name = value["start"]["timeZone"].as_str().unwrap_or("UTC");
    ics::zone(name).unwrap_or(TimeZone::UTC)
}

/// The day that a changed one was planned for.
pub(super) fn exceptions(value: &Value) -> impl Iterator<Item = (String, &Value)> {
    let zone = if value["isAllDay"] == true { TimeZone::UTC } else { zone_of(value) };
    value[EXCEPTIONS].as_array().into_iter().flatten().filter_map(move |e| {
        let planned: Timestamp = e["originalStart"].as_str()?.parse().ok()?;
        Some((planned.to_zoned(zone.clone()).date().to_string(), e))
    })
}

/// Days that do not take place: `OID.<series>.<day>`.
pub(super) fn cancelled(value: &Value) -> Vec<String> {
    let all = value[CANCELLED].as_array().into_iter().flatten();
    let days = all.filter_map(|id| id.as_str()?.rsplit_once('.').map(|(_, day)| day));
    days.map(str::to_owned).collect()
}

/// Of a changed day what is written.
pub(super) fn of_day(e: &Value) -> Value {
    let mut day = set_of(<super::Calendars as crate::things::Thing>::body(e));
    if let Some(map) = day.as_object_mut() {
        map.remove("recurrence");
    }
    day
}

pub(super) async fn write(
    client: &Client,
    at: String,
    scope: Scope,
    now: &Whole,
    wanted: &Whole,
) -> Result<Vec<String>, Error> {
    let mut lost = attach(client, &scope, &at, now, wanted, None).await?;
    let cancelled = cancelled(&wanted.value);
    let days: Vec<(String, &Value)> = exceptions(&wanted.value).collect();
    // A series that is there has the same exceptions, or is made anew.
    let is_new = now.value[EXCEPTIONS].is_null() && now.value[CANCELLED].is_null();
    if !is_new || cancelled.is_empty() && days.is_empty() {
        return Ok(lost);
    }
    // All days first: one that was moved may stand on another's.
    let all: Vec<&String> = cancelled.iter().chain(days.iter().map(|(day, _)| day)).collect();
    let ids = planned(client, &scope, &at, &wanted.value, &all).await?;
    let base = base(&at).to_owned();
    let address = |day: &String| ids.get(day).map(|id| format!("{base}/{}", escape(id)));
    for day in &cancelled {
        match address(day) {
            Some(target) => drop(client.send(&Request::delete(scope.clone(), target)).await?),
            None => lost.push(format!("{day} was cancelled, and is not a day of the series")),
        }
    }
    for (day, e) in &days {
        let Some(target) = address(day) else {
            lost.push(format!("{day} was changed, and is not a day of the series"));
            continue;
        };
        let zone = e["start"]["timeZone"].as_str().unwrap_or("UTC");
        let get = in_zone(Request::get(scope.clone(), target.clone()), zone);
        let is: Value = client.json(&get).await?;
        let (was, planned) = (of_day(e), of_day(&is));
        let mut body: Map<String, Value> = Map::new();
        for (name, v) in was.as_object().into_iter().flatten() {
            if planned.get(name) != Some(v) {
                body.insert(name.clone(), v.clone());
            }
        }
        for (name, v) in planned.as_object().into_iter().flatten() {
            if was.get(name).is_none() {
                let none = if v.is_array() { json!([]) } else { Value::Null };
                body.insert(name.clone(), none);
            }
        }
        let request = Request::patch(scope.clone(), target.clone(), &Value::Object(body));
        client.send(&request).await?;
        // A day begins with the attachments of its series.
        let there = files(client, &scope, &target, Some(day)).await?;
        let there = Whole { value: Value::Null, parts: there };
        lost.extend(attach(client, &scope, &target, &there, wanted, Some(day)).await?);
    }
    Ok(lost)
}

/// Ids of days of a series, by the day.
async fn planned(
    client: &Client,
    scope: &Scope,
    at: &str,
    series: &Value,
    days: &[&String],
) -> Result<HashMap<String, String>, Error> {
    let zone = series["start"]["timeZone"].as_str().unwrap_or("UTC");
    let mut ids = HashMap::new();
    for day in days {
        let Ok(date) = day.parse::<Date>() else { continue };
        if ids.contains_key(*day) {
            continue;
        }
        let (Ok(from), Ok(to)) = (date.checked_sub(1.day()), date.checked_add(2.days())) else {
            continue;
        };
        let between = format!("startDateTime={from}T00:00:00Z&endDateTime={to}T00:00:00Z");
        let target = format!("{at}/instances?{between}&$top=100");
        let request = in_zone(Request::get(scope.clone(), target), zone);
        for row in client.list(&request).await? {
            let on = row["start"]["dateTime"].as_str().and_then(|t| t.get(..10));
            if let (Some(on), Some(id)) = (on, row["id"].as_str()) {
                ids.entry(on.to_owned()).or_insert_with(|| id.to_owned());
            }
        }
    }
    Ok(ids)
}

/// Attaches what is not there, and takes away what was attached since.
async fn attach(
    client: &Client,
    scope: &Scope,
    at: &str,
    now: &Whole,
    wanted: &Whole,
    day: Option<&String>,
) -> Result<Vec<String>, Error> {
    let of_it = |whole: &Whole| -> Vec<(Part, Bytes)> {
        let mine = whole.parts.iter().filter(|(part, _)| part.day.as_ref() == day);
        mine.cloned().collect()
    };
    let (is, was) = (of_it(now), of_it(wanted));
    let has = |all: &[(Part, Bytes)], one: &Part| {
        all.iter().any(|(part, _)| part.content() == one.content())
    };
    if is.iter().any(|(part, _)| !has(&was, part)) {
        let target = format!("{at}/attachments");
        for file in client.list(&Request::get(scope.clone(), target.clone())).await? {
            let name = file["name"].as_str();
            let id = escape(file["id"].as_str().unwrap_or_default());
            let bytes = match file["@odata.type"] == "#microsoft.graph.fileAttachment" {
                true => content(client, scope, at, &file).await?,
                false => continue,
            };
            let mut part = Part::new(FILE, &bytes);
            part.name = name.map(str::to_owned);
            part.day = day.cloned();
            if !has(&was, &part) {
                client.send(&Request::delete(scope.clone(), format!("{target}/{id}"))).await?;
            }
        }
    }
    let mut lost = Vec::new();
    for (part, bytes) in was.iter().filter(|(part, _)| !has(&is, part)) {
        let name = part.name.as_deref().unwrap_or(FILE);
        match part.what.as_str() {
            FILE => add(client, scope, at, part, bytes).await?,
            _ => lost.push(format!("\"{name}\", which is no file, was not attached again")),
        }
    }
    Ok(lost)
}

async fn add(
    client: &Client,
    scope: &Scope,
    at: &str,
    part: &Part,
    bytes: &Bytes,
) -> Result<(), Error> {
    let name = part.name.as_deref().unwrap_or(FILE);
    let mut body = json!({"name": name, "isInline": part.inline == Some(true)});
    if let Some(kind) = &part.content_type {
        body["contentType"] = kind.as_str().into();
    }
    if bytes.len() < limits::ATTACHMENT_POST_BYTES_MAX as usize {
        body["@odata.type"] = "#microsoft.graph.fileAttachment".into();
        body["contentBytes"] = STANDARD.encode(bytes).into();
        if let Some(id) = &part.content_id {
            body["contentId"] = id.as_str().into();
        }
        let target = format!("{at}/attachments");
        client.send(&Request::post(scope.clone(), target, &body)).await?;
        return Ok(());
    }
    body["attachmentType"] = "file".into();
    body["size"] = bytes.len().into();
    let target = format!("{at}/attachments/createUploadSession");
    let session = Request::post(scope.clone(), target, &json!({"AttachmentItem": body}));
    client.upload_attachment(&session, bytes).await
}
