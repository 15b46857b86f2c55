//! The calls that put settings back.

use crate::{Client, Error, ErrorKind};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;
use strongroom_graph::{Request, Scope};

/// In a target: the id of what the first call of an act made.
pub const MADE: &str = "{id}";

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Below the version.
    pub target: String,
    /// Asked of `beta`.
    pub beta: bool,
    /// What is sent.
    pub body: Option<Value>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResult {
    /// It was done; the id of what was made.
    Done(Option<String>),
    /// A second administrator must approve it first.
    WaitsForApproval(String),
}

/// Makes a call.
///
/// # Errors
/// As the service answers; a call whose outcome is unknown is not repeated.
pub async fn carry_out(client: &Client, call: &Call) -> Result<CallResult, Error> {
    let scope = if call.target.starts_with("identity/conditionalAccess") {
        Scope::Policies
    } else if call.target.starts_with("device") {
        Scope::Intune
    } else {
        Scope::Directory
    };
    let body = call.body.clone().unwrap_or(Value::Object(serde_json::Map::new()));
    let mut request = match call.method {
        "POST" => Request::post(scope, &call.target, &body),
        "PATCH" => Request::patch(scope, &call.target, &body),
        "PUT" => Request::replace(scope, &call.target, &body),
        _ => Request::delete(scope, &call.target),
    };
    if call.beta {
        request = request.beta();
    }
    // Where Intune asks for a second administrator it wants to know why, in base64; elsewhere
    // nobody looks at it.
    if scope_is_intune(&call.target) {
        request = request.header("x-msft-approval-justification", BASE64.encode(JUSTIFICATION));
    }
    match client.json::<Value>(&request).await {
        Ok(answer) => Ok(CallResult::Done(answer["id"].as_str().map(str::to_owned))),
        // It is gone already, as it should be.
        Err(e) if e.kind == ErrorKind::NotFound && call.method == "DELETE" => {
            Ok(CallResult::Done(None))
        }
        Err(e) if asks_for_approval(&e) => approved(client, call, &request, e).await,
        Err(e) => Err(e),
    }
}

/// What the second administrator reads.
const JUSTIFICATION: &str = "Strongroom puts a setting back as a snapshot or a baseline says";
/// Approvals tried for one call: those for the same object.
const APPROVALS_MAX: usize = 5;

fn scope_is_intune(target: &str) -> bool {
    target.starts_with("device")
}

/// A call that waits for approval is carried out when somebody has approved it since.
async fn approved(
    client: &Client,
    call: &Call,
    request: &Request,
    refusal: Error,
) -> Result<CallResult, Error> {
    let waits = Ok(CallResult::WaitsForApproval(refusal.to_string()));
    let list = Request::get(
        Scope::Intune,
        "deviceManagement/operationApprovalRequests?$filter=status eq 'approved'",
    )
    .beta();
    // Who may not see the requests waits like anybody else.
    let Ok(all) = client.list(&list).await else { return waits };
    let name = call.body.as_ref().and_then(|b| b["displayName"].as_str());
    let id = call.target.rsplit('/').next().unwrap_or_default();
    let same = |r: &&Value| {
        r["payloadId"].as_str().is_some_and(|p| p == id)
            || r["payloadName"].as_str().is_some_and(|p| Some(p) == name)
    };
    for code in all.iter().filter(same).filter_map(|r| r["id"].as_str()).take(APPROVALS_MAX) {
        match client.json::<Value>(&request.clone().header("x-msft-approval-code", code)).await {
            Ok(answer) => return Ok(CallResult::Done(answer["id"].as_str().map(str::to_owned))),
            // Approved for something else.
            Err(e) if asks_for_approval(&e) => {}
            Err(e) => return Err(e),
        }
    }
    waits
}

/// Whether a refusal asks for a second administrator: for the reason why (400 or 403), since the
/// request was just made (412), or since it waits already (409). The path may speak of approval
/// too, and says nothing.
fn asks_for_approval(e: &Error) -> bool {
    matches!(e.status, Some(400 | 403 | 409 | 412))
        && e.text
            .as_str()
            .split_once("was answered with")
            .is_some_and(|(_, answer)| answer.to_lowercase().contains("approval"))
}
