//! `$batch`: up to twenty calls in one, each counted and answered singly.

use crate::{
    core::faults::Fault,
    core::http::{ApiError, Area, Reply, Request},
    core::rights::as_the_person,
    core::world::{Call, World, segments},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const REQUESTS_MAX: usize = 20;

pub(crate) fn run(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    let body = call.req.json(area)?;
    let bad = |text: &str| ApiError::new(400, "BadRequest", text);
    let rows = body["requests"].as_array().ok_or_else(|| bad("The batch has no requests."))?;
    if rows.len() > REQUESTS_MAX {
        return Err(bad("Number of batch request steps exceeds the maximum value of 20."));
    }
    let mut ids = BTreeSet::new();
    for row in rows {
        let id = row["id"].as_str().unwrap_or_default().to_ascii_lowercase();
        if id.is_empty() || !ids.insert(id) {
            return Err(bad("Every request of a batch needs an id of its own."));
        }
    }
    let mut done: BTreeMap<String, u16> = BTreeMap::new();
    let mut responses = Vec::new();
    for row in rows {
        let id = row["id"].as_str().unwrap_or_default();
        let needs = row.get("dependsOn").or_else(|| row.get("depends_on"));
        let broken = needs
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|n| done.get(&n.to_ascii_lowercase()).is_none_or(|s| *s >= 400));
        let reply = if broken {
            world.error(
                call.req,
                ApiError::new(
                    424,
                    "FailedDependency",
                    "A request that this one depends on failed.",
                ),
            )
        } else {
            one(world, call, row)
        };
        done.insert(id.to_ascii_lowercase(), reply.status);
        let headers: serde_json::Map<String, Value> = reply
            .headers
            .iter()
            .map(|(k, v)| {
                let name = match k.as_str() {
                    "content-type" => "Content-Type",
                    "location" => "Location",
                    "retry-after" => "Retry-After",
                    other => other,
                };
                (name.to_owned(), v.as_str().into())
            })
            .collect();
        let body = match serde_json::from_slice(&reply.body) {
            Ok(json) => json,
            Err(_) if reply.body.is_empty() => Value::Null,
            Err(_) => STANDARD.encode(&reply.body).into(),
        };
        let mut response = json!({"id": id, "status": reply.status, "headers": headers});
        if !body.is_null() {
            response["body"] = body;
        }
        responses.push(response);
    }
    Ok(Reply::json(200, &json!({"responses": responses})))
}

fn one(world: &mut World, outer: &Call<'_>, row: &Value) -> Reply {
    let url = row["url"].as_str().unwrap_or_default();
    let relative = url
        .find("/v1.0/")
        .filter(|n| *n == 0 || url.starts_with("http"))
        .map_or(url, |n| &url[n + 5..]);
    let (path, query) = relative.split_once('?').unwrap_or((relative, ""));
    let path = format!("/v1.0/{}", path.trim_start_matches('/'));
    let mut headers: Vec<(String, String)> = row["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.to_ascii_lowercase(), v.as_str().unwrap_or_default().to_owned()))
        .collect();
    headers.extend(outer.req.headers.iter().filter(|(n, _)| n == "host").cloned());
    let body = match &row["body"] {
        Value::Null => bytes::Bytes::new(),
        Value::String(text) => {
            STANDARD.decode(text).map_or_else(|_| text.clone().into(), bytes::Bytes::from)
        }
        json => json.to_string().into(),
    };
    let req = Request {
        method: row["method"].as_str().unwrap_or("GET").to_ascii_uppercase(),
        path: path.clone(),
        query: query.to_owned(),
        headers,
        body,
    };
    let call = Call {
        req: &req,
        path: as_the_person(
            segments(&path)[1..].to_vec(),
            outer.person.as_ref().map(|(p, _)| p.as_str()),
        ),
        tenant: outer.tenant,
        app: outer.app.clone(),
        roles: outer.roles.clone(),
        person: outer.person.clone(),
        beta: false,
    };
    // Faults strike the calls within a batch as they strike single ones.
    let fault = world.faults.take(&req);
    // Pages, redirects and broken connections are of the batch as a whole.
    let within = |f: &&Fault| {
        !matches!(f, Fault::HtmlPage | Fault::LoginRedirect | Fault::ResetBeforeAnswer)
    };
    if let Some(reply) = fault.as_ref().filter(within).and_then(|f| world.front_door(&req, f)) {
        world.record(&req, &reply, true);
        return reply;
    }
    world.count("batched", 1);
    let reply = match world.graph_call(&call, fault.as_ref()) {
        Ok(reply) => reply,
        Err(e) => world.error(&req, e),
    };
    world.record(&req, &reply, true);
    reply
}
