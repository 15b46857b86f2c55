//! Attacks on the redaction: what identifies is planted where nobody would look for it, and must
//! be neither in the transcript nor readable out of it in any encoding; or there is no transcript.
#![allow(clippy::unwrap_used, missing_docs)]

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::sync::{Arc, Mutex};
use strongroom_acceptance::transcript::{Secrets, Transcript};
use strongroom_graph::{Answering, HttpAnswer, HttpRequest, TokioClock, Transport};
use url::Url;

const GRAPH: &str = "https://graph.microsoft.com/";
const OWNER: &str = "zinaida.quillfeather@thornbury-academy.example";
const NAME: &str = "Zinaida Quillfeather";
const GUID: &str = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";
const TENANT: &str = "c0ffee00-1234-4abc-9def-00cf4fc96400";
const TOKEN: &str =
    "eyJhbGciOiJSUzI1NiIsIng1dCI6InBsYW50ZWQifQ.eyJ1cG4iOiJ6aW5haWRhIn0.c2lnbmF0dXJl";

/// Status, headers, body.
type CannedAnswer = (u16, Vec<(String, String)>, Bytes);

struct Canned(Mutex<Vec<CannedAnswer>>);

impl Transport for Canned {
    fn send(&self, _: HttpRequest) -> Answering<'_> {
        let (status, named, body) = self.0.lock().unwrap().remove(0);
        let mut headers = HeaderMap::new();
        for (name, value) in named {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        Box::pin(async move {
            Ok(HttpAnswer { status, headers, body: stream::iter([Ok(body)]).boxed() })
        })
    }
}

struct Plant {
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    answer_headers: Vec<(String, String)>,
    answer: Vec<u8>,
}

impl Default for Plant {
    fn default() -> Self {
        Self {
            url: format!("{GRAPH}v1.0/users/x/messages"),
            headers: vec![("content-type".into(), "application/json".into())],
            body: String::new(),
            answer_headers: vec![("content-type".into(), "application/json".into())],
            answer: b"{}".to_vec(),
        }
    }
}

async fn write(plant: Plant) -> Result<String, strongroom_acceptance::Error> {
    let secrets = Secrets {
        owner: OWNER.into(),
        tenant: TENANT.into(),
        mark: "Strongroom acceptance 5a5a5a5a".into(),
        others: vec![NAME.into(), TOKEN.into()],
    };
    let base = Url::parse(GRAPH).unwrap();
    let authority = Url::parse("https://login.microsoftonline.com/").unwrap();
    let t = Transcript::new(secrets, &base, &authority, Arc::new(TokioClock)).unwrap();
    let canned = Canned(Mutex::new(vec![(200, plant.answer_headers, plant.answer.into())]));
    let transport = t.transport("read", Arc::new(canned));
    let mut headers = HeaderMap::new();
    for (name, value) in plant.headers {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    let request = HttpRequest {
        method: Method::POST,
        url: Url::parse(&plant.url).unwrap(),
        headers,
        body: Some(plant.body.into()),
    };
    let Ok(mut answer) = transport.send(request).await else {
        panic!("the canned answer is there")
    };
    while answer.body.next().await.is_some() {}
    drop(answer);
    t.finish()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// What is planted, in every dress.
fn dresses() -> Vec<String> {
    let mut out = Vec::new();
    for plain in [OWNER, NAME, GUID, TENANT, TOKEN, "thornbury-academy.example"] {
        out.extend([
            plain.to_owned(),
            plain.to_uppercase(),
            plain.replace('-', ""),
            percent(plain),
            percent(&percent(plain)),
            STANDARD.encode(plain),
            STANDARD.encode(wide(plain)),
            STANDARD.encode(STANDARD.encode(plain)),
            hex::encode(plain),
            hex::encode(wide(plain)),
            plain.bytes().map(|b| format!("={b:02X}")).collect(),
            plain.bytes().map(|b| format!("\\u{b:04x}")).collect(),
            plain.chars().rev().collect(),
        ]);
    }
    out
}

/// Nothing of it stands in the file: not the dress, not what is under it.
fn clean(written: &str, dress: &str) {
    let folded = written.to_lowercase();
    let parts = [
        OWNER,
        NAME,
        GUID,
        TENANT,
        TOKEN,
        "zinaida",
        "quillfeather",
        "thornbury",
        "academy",
        "c0ffee00",
        "6f9619ff",
        "eyj",
        dress,
    ];
    for part in parts {
        assert!(!folded.contains(&part.to_lowercase()), "{part} is left in {written}");
    }
}

fn places(d: &str) -> Vec<(&'static str, Plant)> {
    let usual = Plant::default;
    let json = |v: serde_json::Value| v.to_string();
    let plain = |s: &str| s.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    let in_url: String = url::form_urlencoded::byte_serialize(d.as_bytes()).collect();
    let mime = format!(
        "From: {d}\r\nContent-Type: message/rfc822\r\n\r\nSubject: {d}\r\n\r\n{}",
        STANDARD.encode(d)
    );
    let with = |name: &str, value: &str| {
        let mut headers = usual().headers;
        headers.push((name.to_owned(), value.to_owned()));
        headers
    };
    let mut out = vec![
        ("a property's value", Plant { body: json(serde_json::json!({"subject": d})), ..usual() }),
        ("a property's name", Plant { body: json(serde_json::json!({d: true})), ..usual() }),
        (
            "a name like a published one",
            Plant { body: json(serde_json::json!({format!("displayName@{d}"): 1})), ..usual() },
        ),
        (
            "an enumeration",
            Plant {
                answer: json(serde_json::json!({"state": d, "importance": d, "@odata.type": d}))
                    .into_bytes(),
                ..usual()
            },
        ),
        (
            "a type",
            Plant {
                answer: json(serde_json::json!({"@odata.type": format!("#microsoft.graph.{d}")}))
                    .into_bytes(),
                ..usual()
            },
        ),
        (
            "an error",
            Plant {
                answer: json(serde_json::json!({"error": {"code": d, "message": d,
                "innerError": {d: d}}}))
                .into_bytes(),
                ..usual()
            },
        ),
        (
            "deep in lists",
            Plant {
                answer: json(serde_json::json!({"value": [[{"value": [d, {"x": [d]}]}]]}))
                    .into_bytes(),
                ..usual()
            },
        ),
        (
            "JSON within JSON",
            Plant {
                answer: json(serde_json::json!({"id": json(serde_json::json!({"name": d}))}))
                    .into_bytes(),
                ..usual()
            },
        ),
        (
            "a batch",
            Plant {
                body: json(serde_json::json!({"requests": [{"id": d, "method": d,
                "url": format!("/users/{d}/messages?$filter=x eq '{d}'"),
                "headers": {d: d, "Prefer": d}}]})),
                ..usual()
            },
        ),
        (
            "a link",
            Plant {
                answer: json(serde_json::json!({"@odata.nextLink":
                format!("https://graph.microsoft.com/v1.0/users/{d}?$skiptoken={d}"),
                "@odata.context": format!("https://x/$metadata#users('{d}')")}))
                .into_bytes(),
                ..usual()
            },
        ),
        ("a path", Plant { url: format!("{GRAPH}v1.0/users/{in_url}/messages"), ..usual() }),
        (
            "a path of names",
            Plant {
                url: format!("{GRAPH}v1.0/drives/x/items/y:/{in_url}/{in_url}:/content"),
                ..usual()
            },
        ),
        (
            "a path in parentheses",
            Plant { url: format!("{GRAPH}v1.0/users('{in_url}')/messages"), ..usual() },
        ),
        (
            "an option",
            Plant {
                url: format!(
                    "{GRAPH}v1.0/users?$select={in_url}&$filter=mail%20eq%20'{in_url}'&$top={in_url}\
                 &$deltatoken={in_url}&{in_url}={in_url}#{in_url}"
                ),
                ..usual()
            },
        ),
        (
            "another host",
            Plant { url: format!("https://files.example/{in_url}?tempauth={in_url}"), ..usual() },
        ),
        (
            "user and password of a URL",
            Plant {
                url: format!("https://{in_url}:{in_url}@graph.microsoft.com/v1.0/users"),
                ..usual()
            },
        ),
        (
            "a nested MIME",
            Plant {
                answer: mime.into_bytes(),
                answer_headers: vec![("content-type".into(), "text/plain".into())],
                ..usual()
            },
        ),
        ("MIME called JSON", Plant { answer: d.as_bytes().to_vec(), ..usual() }),
        ("UTF-16", Plant { answer: wide(d), ..usual() }),
        (
            "base64 content",
            Plant {
                body: json(
                    serde_json::json!({"contentBytes": STANDARD.encode(d), "contentType": d}),
                ),
                ..usual()
            },
        ),
    ];
    if plain(d) {
        out.extend([
            (
                "a header's value",
                Plant {
                    headers: with("prefer", d),
                    answer_headers: with("location", d),
                    ..usual()
                },
            ),
            (
                "headers of the list",
                Plant {
                    headers: with("content-range", &format!("bytes {d}")),
                    answer_headers: with("www-authenticate", &format!("Bearer realm=\"{d}\"")),
                    ..usual()
                },
            ),
            (
                "a header beside the list",
                Plant {
                    headers: with("authorization", &format!("Bearer {d}")),
                    answer_headers: with("set-cookie", d),
                    ..usual()
                },
            ),
            (
                "a media type",
                Plant {
                    headers: vec![(
                        "content-type".into(),
                        format!("application/json;boundary={d}"),
                    )],
                    answer_headers: vec![("content-type".into(), format!("{d}/json"))],
                    ..usual()
                },
            ),
        ]);
    }
    let name: String = d.chars().filter(char::is_ascii_alphanumeric).collect();
    out.push(("a header's name", Plant { headers: with(&format!("x-{name}"), "1"), ..usual() }));
    out.push((
        "a form",
        Plant {
            headers: vec![("content-type".into(), "application/x-www-form-urlencoded".into())],
            body: format!("{in_url}={in_url}&client_secret={in_url}"),
            ..usual()
        },
    ));
    out
}

#[tokio::test]
async fn nothing_that_is_planted_anywhere_is_left() {
    let (mut tried, mut refused) = (0, Vec::new());
    for dress in dresses() {
        for (place, plant) in places(&dress) {
            tried += 1;
            match write(plant).await {
                Ok(written) => clean(&written, &dress),
                Err(e) => {
                    let said = e.to_string();
                    clean(&said, &dress);
                    refused.push(format!("{place}: {said}"));
                }
            }
        }
    }
    // The redaction alone hides all of it; the check behind it had nothing to refuse.
    assert!(
        refused.is_empty(),
        "{} of {tried}: {:#?}",
        refused.len(),
        &refused[..5.min(refused.len())]
    );
    assert!(tried > 1500, "{tried}");
}

#[tokio::test]
async fn what_may_be_seen_is_seen() {
    let written = write(Plant {
        url: format!("{GRAPH}v1.0/users/{OWNER}/mailFolders/AAMk123/messages?$top=10&$select=id"),
        body: serde_json::json!({"subject": "Hello", "importance": "high", "isRead": true,
            "flag": {"flagStatus": "flagged"}, "size": 41, "categories": ["Zebra"]})
        .to_string(),
        answer: serde_json::json!({"id": "AAMk123", "subject": "Hello", "from": null,
            "receivedDateTime": "2026-01-01T00:00:00Z"})
        .to_string()
        .into_bytes(),
        ..Plant::default()
    })
    .await
    .unwrap();
    let line: serde_json::Value = serde_json::from_str(written.lines().nth(1).unwrap()).unwrap();
    assert_eq!(line["path"], "/users/{owner}/mailFolders/{id:1}/messages");
    assert_eq!(line["query"], serde_json::json!([["$top", "10"], ["$select", "id"]]));
    assert_eq!(
        line["request"]["body"]["json"],
        serde_json::json!({"subject": "{name:1}", "importance": "high", "isRead": true,
            "flag": {"flagStatus": "flagged"}, "size": 41, "categories": ["{text:5 chars}"]})
    );
    assert_eq!(
        line["answer"]["body"]["json"],
        serde_json::json!({"id": "{id:1}", "subject": "{name:1}", "from": null,
            "receivedDateTime": "{time}"})
    );
}

#[tokio::test]
async fn equal_bytes_have_equal_digests_in_one_run_and_other_ones_in_the_next() {
    let plant = || Plant {
        answer: b"the same bytes".to_vec(),
        answer_headers: vec![("content-type".into(), "application/octet-stream".into())],
        ..Plant::default()
    };
    let digest = |text: String| {
        let line: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        line["answer"]["body"]["digest"].as_str().unwrap().to_owned()
    };
    let (a, b) = (digest(write(plant()).await.unwrap()), digest(write(plant()).await.unwrap()));
    assert_eq!(a.len(), 16);
    assert_ne!(a, b, "a digest without the run's secret could be guessed from the content");
}
