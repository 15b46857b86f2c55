//! A transport that lets nothing be changed but what this run has made.
//!
//! Everything of a run goes through it, the restore of the ordinary program too. Reading passes.
//! A change passes only into an object of the run's record, or when it makes a new one under the
//! run's own name; anything else is answered here, with 403, and is not sent.

use crate::{
    Error,
    run_record::{Made, MadeKind, Meant, RunRecord},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use strongroom_graph::{Answering, HttpAnswer, HttpRequest, Transport};

/// What a change makes, when it goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Makes {
    Nothing,
    /// An object whose id is in the answer.
    Object {
        kind: MadeKind,
        name: String,
        parent: String,
    },
    /// An object that the run had deleted is there again, under its id.
    Again {
        kind: MadeKind,
        id: String,
    },
    /// An address to which the content of an object of this run goes.
    Upload {
        object: Option<(String, String)>,
    },
}

impl Makes {
    fn meant(&self) -> Option<Meant> {
        match self {
            Self::Object { kind, name, parent } => {
                Some(Meant { kind: *kind, name: name.clone(), parent: parent.clone() })
            }
            _ => None,
        }
    }
}

/// The ground of a run: its record, and what was refused.
pub struct Ground {
    ledger: Mutex<RunRecord>,
    /// Addresses that answers gave for uploads into own objects: name and folder of what appears.
    uploads: Mutex<HashMap<String, Option<(String, String)>>>,
    refused: Mutex<Vec<String>>,
    /// Nothing is made any more. Set and read under the lock of the ledger.
    closing: AtomicBool,
}

impl Ground {
    /// The ground of a run with this record.
    pub fn new(ledger: RunRecord) -> Arc<Self> {
        Arc::new(Self {
            ledger: Mutex::new(ledger),
            uploads: Mutex::default(),
            refused: Mutex::default(),
            closing: AtomicBool::new(false),
        })
    }

    /// The run's record.
    pub fn ledger(&self) -> MutexGuard<'_, RunRecord> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing is made. A run that is interrupted has tasks that go on to their next
    /// pause, and a request that one of them sends after the run's things were looked for would
    /// leave a stranger behind.
    pub fn close(&self) {
        let _ledger = self.ledger();
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Changes that were refused, in words without ids: each is a defect of this program.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A transport that keeps to this ground.
    pub fn transport(self: &Arc<Self>, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Confined { ground: self.clone(), inner })
    }

    fn judge(&self, request: &HttpRequest) -> Result<Makes, String> {
        let path = request.url.path();
        if request.method == Method::GET || request.method == Method::HEAD {
            return Ok(Makes::Nothing);
        }
        if request.method == Method::POST && path.ends_with("/oauth2/v2.0/token") {
            return Ok(Makes::Nothing);
        }
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = uploads.get(request.url.as_str()) {
            return Ok(match object {
                Some((name, parent)) => Makes::Object {
                    kind: MadeKind::DriveItem,
                    name: name.clone(),
                    parent: parent.clone(),
                },
                None => Makes::Nothing,
            });
        }
        drop(uploads);
        let rest = path.strip_prefix("/v1.0/").ok_or("it goes to another address than v1.0")?;
        let body: Value = match &request.body {
            Some(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
            None => Value::Null,
        };
        let parts: Vec<String> = rest
            .split('/')
            .filter(|p| !p.is_empty())
            .map(|p| percent_decode_str(p).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let ledger = self.ledger();
        match parts.as_slice() {
            ["$batch"] => batch(&body),
            ["users", owner, tail @ ..] if ledger.is_owner(owner) => {
                mail(&ledger, &request.method, tail, &body)
            }
            ["drives", drive, "items", tail @ ..] if ledger.drive.as_deref() == Some(*drive) => {
                drive_item(&ledger, &request.method, tail, &body)
            }
            ["identity", "conditionalAccess", tail @ ..] => {
                settings(&ledger, &request.method, tail, &body)
            }
            _ => Err("it is none of the run's own places".into()),
        }
    }

    fn announce(&self, makes: &Makes) -> Result<(), Error> {
        let mut ledger = self.ledger();
        if *makes != Makes::Nothing && self.closing.load(Ordering::SeqCst) {
            return Err(Error::Closing);
        }
        match (makes, makes.meant()) {
            (_, Some(meant)) => ledger.note_meant(meant),
            (Makes::Again { kind, id }, _) => ledger.note_again(*kind, id),
            _ => Ok(()),
        }
    }

    fn learn(&self, makes: &Makes, status: u16, body: &Value) -> Result<(), Error> {
        if !(200..300).contains(&status) {
            // A service that broke off may have made it.
            return match makes.meant().filter(|_| status < 500) {
                Some(meant) => self.ledger().forget_meant(&meant),
                None => Ok(()),
            };
        }
        match makes {
            Makes::Nothing | Makes::Again { .. } => Ok(()),
            Makes::Object { kind, name, parent } => match body["id"].as_str() {
                Some(id) => self.ledger().note(Made {
                    kind: *kind,
                    id: id.to_owned(),
                    name: name.clone(),
                    parent: parent.clone(),
                    deleted: false,
                }),
                None => Ok(()),
            },
            Makes::Upload { object } => {
                let url = body["uploadUrl"].as_str().and_then(|u| url::Url::parse(u).ok());
                if let Some(url) = url {
                    let mut all = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
                    all.insert(url.as_str().to_owned(), object.clone());
                }
                Ok(())
            }
        }
    }
}

impl RunRecord {
    fn is_owner(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.owner) || name.eq_ignore_ascii_case(&self.owner_id)
    }

    fn must_have(&self, kind: MadeKind, id: &str) -> Result<(), String> {
        match self.find(kind, id) {
            Some(_) => Ok(()),
            None => Err(format!("this run has made no such {}", kind.word())),
        }
    }
}

/// A batch may look and nothing else.
fn batch(body: &Value) -> Result<Makes, String> {
    let all = body["requests"].as_array().ok_or("a batch without requests")?;
    match all.iter().all(|r| r["method"].as_str().is_some_and(|m| m.eq_ignore_ascii_case("get"))) {
        true => Ok(Makes::Nothing),
        false => Err("a batch with other requests than GET".into()),
    }
}

fn made(kind: MadeKind, name: &str, parent: &str) -> Makes {
    Makes::Object { kind, name: name.to_owned(), parent: parent.to_owned() }
}

fn mail(ledger: &RunRecord, method: &Method, tail: &[&str], body: &Value) -> Result<Makes, String> {
    let name = |property: &str| body[property].as_str().unwrap_or_default().to_owned();
    match (method.as_str(), tail) {
        ("POST", ["mailFolders"]) => match name("displayName") == ledger.mark() {
            true => Ok(made(MadeKind::MailFolder, &ledger.mark(), "")),
            false => Err("a mail folder at the top must have the run's own name".into()),
        },
        (_, ["mailFolders", folder, rest @ ..]) => {
            ledger.must_have(MadeKind::MailFolder, folder)?;
            match (method.as_str(), rest) {
                ("POST", ["childFolders"]) => {
                    Ok(made(MadeKind::MailFolder, &name("displayName"), folder))
                }
                ("POST", ["messages"]) => Ok(made(MadeKind::Message, &name("subject"), folder)),
                ("DELETE", []) | ("POST", ["permanentDelete"]) => Ok(Makes::Nothing),
                _ => Err("this is never done to a mail folder".into()),
            }
        }
        (_, ["messages", message, rest @ ..]) => {
            ledger.must_have(MadeKind::Message, message)?;
            let known = ledger.find(MadeKind::Message, message).map(|m| m.name.clone());
            match (method.as_str(), rest) {
                ("POST", ["move"]) => {
                    let to = name("destinationId");
                    ledger.must_have(MadeKind::MailFolder, &to)?;
                    Ok(made(MadeKind::Message, &known.unwrap_or_default(), &to))
                }
                ("POST", ["attachments", "createUploadSession"]) => {
                    Ok(Makes::Upload { object: None })
                }
                ("POST", ["attachments"] | ["permanentDelete"]) | ("PATCH" | "DELETE", []) => {
                    Ok(Makes::Nothing)
                }
                _ => Err("this is never done to a message".into()),
            }
        }
        _ => Err("this is never done to a mailbox".into()),
    }
}

fn drive_item(
    ledger: &RunRecord,
    method: &Method,
    tail: &[&str],
    body: &Value,
) -> Result<Makes, String> {
    let is_root = |id: &str| ledger.drive_root.as_deref() == Some(id);
    let upload = |name: &str, parent: &str| Makes::Upload {
        object: Some((name.to_owned(), parent.to_owned())),
    };
    match (method.as_str(), tail) {
        // At the root one folder is made, of the run's own name.
        ("POST", [root, "children"]) if is_root(root) => {
            match body["name"] == ledger.mark() && body["folder"].is_object() {
                true => Ok(made(MadeKind::DriveItem, &ledger.mark(), "")),
                false => Err("a folder at the root must have the run's own name".into()),
            }
        }
        ("POST", [parent, "children"]) => {
            ledger.must_have(MadeKind::DriveItem, parent)?;
            Ok(made(MadeKind::DriveItem, body["name"].as_str().unwrap_or_default(), parent))
        }
        (_, [parent, name, action]) if parent.ends_with(':') && name.ends_with(':') => {
            let (parent, name) = (parent.trim_end_matches(':'), name.trim_end_matches(':'));
            ledger.must_have(MadeKind::DriveItem, parent)?;
            match (method.as_str(), *action) {
                ("PUT", "content") => Ok(made(MadeKind::DriveItem, name, parent)),
                ("POST", "createUploadSession") => Ok(upload(name, parent)),
                _ => Err("this is never done to a drive".into()),
            }
        }
        (_, [item, rest @ ..]) => {
            ledger.must_have(MadeKind::DriveItem, item)?;
            let known = ledger.find(MadeKind::DriveItem, item).cloned();
            let parent = known.as_ref().map(|m| m.parent.clone()).unwrap_or_default();
            let name = known.map(|m| m.name).unwrap_or_default();
            match (method.as_str(), rest) {
                ("PATCH", []) => {
                    if let Some(to) = body["parentReference"]["id"].as_str() {
                        ledger.must_have(MadeKind::DriveItem, to)?;
                    }
                    Ok(Makes::Nothing)
                }
                ("PUT", ["content"]) => Ok(made(MadeKind::DriveItem, &name, &parent)),
                ("POST", ["createUploadSession"]) => Ok(upload(&name, &parent)),
                ("DELETE", []) | ("POST", ["permanentDelete"]) => Ok(Makes::Nothing),
                _ => Err("this is never done to a drive's item".into()),
            }
        }
        _ => Err("this is never done to a drive".into()),
    }
}

fn settings(
    ledger: &RunRecord,
    method: &Method,
    tail: &[&str],
    body: &Value,
) -> Result<Makes, String> {
    let kind = |collection: &str| match collection {
        "policies" => Some(MadeKind::Policy),
        "namedLocations" => Some(MadeKind::NamedLocation),
        _ => None,
    };
    // Nobody is ever judged by a policy of a run.
    let acts = |state: &Value| {
        !state.is_null() && *state != "disabled" && *state != "enabledForReportingButNotEnforced"
    };
    if acts(&body["state"]) {
        return Err("a policy of a run is never switched on".into());
    }
    match (method.as_str(), tail) {
        ("POST", [collection]) => {
            let kind = kind(collection).ok_or("this is never made")?;
            if kind == MadeKind::Policy && body["state"].is_null() {
                return Err("a policy of a run is made switched off".into());
            }
            match body["displayName"].as_str().filter(|n| n.starts_with(&ledger.mark())) {
                Some(name) => Ok(made(kind, name, "")),
                None => Err("its name must begin with the run's own".into()),
            }
        }
        ("PATCH" | "DELETE", [collection, id]) => {
            ledger.must_have(kind(collection).ok_or("this is never changed")?, id)?;
            Ok(Makes::Nothing)
        }
        ("POST", ["deletedItems", collection, id, "restore"]) => {
            let kind = kind(collection).ok_or("this is never had back")?;
            ledger.must_have(kind, id)?;
            Ok(Makes::Again { kind, id: (*id).to_owned() })
        }
        _ => Err("this is never done to settings".into()),
    }
}

struct Confined {
    ground: Arc<Ground>,
    inner: Arc<dyn Transport>,
}

impl Transport for Confined {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        Box::pin(async move {
            let makes = match self.ground.judge(&request) {
                Ok(makes) => makes,
                Err(why) => {
                    let said = format!("{}: {why}", request.method);
                    let mut all =
                        self.ground.refused.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(said);
                    return Ok(refusal(&why));
                }
            };
            // On disk before it is sent: whoever is killed now leaves nothing unknown behind.
            if let Err(e) = self.ground.announce(&makes) {
                return Ok(refusal(&e.to_string()));
            }
            let answer = self.inner.send(request).await?;
            if makes == Makes::Nothing {
                return Ok(answer);
            }
            // Noted before whoever asked hears of it.
            let HttpAnswer { status, headers, mut body } = answer;
            let mut whole = Vec::new();
            while let Some(piece) = body.next().await {
                whole.extend_from_slice(&piece?);
            }
            let told = serde_json::from_slice(&whole).unwrap_or_default();
            if let Err(e) = self.ground.learn(&makes, status, &told) {
                return Ok(refusal(&e.to_string()));
            }
            let body = stream::iter([Ok(Bytes::from(whole))]).boxed();
            Ok(HttpAnswer { status, headers, body })
        })
    }
}

fn refusal(why: &str) -> HttpAnswer {
    let text = format!("an acceptance run changes only what it has made itself: {why}");
    let body = json!({"error": {"code": "notOfThisRun", "message": text}}).to_string();
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    HttpAnswer { status: 403, headers, body: stream::iter([Ok(Bytes::from(body))]).boxed() }
}
