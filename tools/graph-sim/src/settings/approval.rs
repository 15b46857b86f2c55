//! Multi Admin Approval, as Intune does it.

use crate::{
    core::http::{ApiError, Reply},
    core::world::{Call, World},
};
use serde_json::{Map, Value, json};

/// Which kind of policy asks for a second administrator before this is written.
fn protected(path: &str) -> Option<&'static str> {
    Some(match path {
        "devicemanagement/deviceconfigurations" | "devicemanagement/configurationpolicies" => {
            "configurationPolicy"
        }
        "devicemanagement/devicecompliancepolicies" => "compliancePolicy",
        "devicemanagement/roledefinitions" => "role",
        "deviceappmanagement/managedapppolicies" => "app",
        _ => return None,
    })
}

/// Multi Admin Approval: a protected write needs a reason, then somebody's approval, then is sent
/// again with the request's id.
pub(crate) fn second_administrator(
    world: &mut World,
    call: &Call<'_>,
    path: &str,
    rest: &[String],
    new: &Map<String, Value>,
) -> Result<Option<Reply>, ApiError> {
    let Some(kind) = protected(path) else { return Ok(None) };
    let now = world.now();
    let tenant = &mut world.tenants[call.tenant];
    let policies = tenant.settings.many.get("devicemanagement/operationapprovalpolicies");
    if !policies.is_some_and(|all| all.iter().any(|p| p["policyType"] == kind)) {
        return Ok(None);
    }
    let (id, name) = (
        rest.first().cloned().unwrap_or_default(),
        new.get("displayName").and_then(Value::as_str).unwrap_or_default().to_owned(),
    );
    let method = call.method().to_owned();
    let new_id = tenant.ids.guid("approval");
    let requests = tenant
        .settings
        .many
        .entry("devicemanagement/operationapprovalrequests".to_owned())
        .or_default();
    let same = |r: &Value| {
        r["operation"] == method
            && r["payloadType"] == kind
            && r["payloadId"] == id
            && (r["payloadName"] == name || name.is_empty())
    };
    if let Some(code) = call.req.header("x-msft-approval-code") {
        let found =
            requests.iter_mut().find(|r| r["id"] == code && same(r) && r["status"] == "approved");
        let refused = || {
            ApiError::new(
                403,
                "Forbidden",
                "The approval code is not that of an approved request for this operation.",
            )
        };
        found.ok_or_else(refused)?["status"] = "completed".into();
        return Ok(None);
    }
    let reason = call.req.header("x-msft-approval-justification").unwrap_or_default();
    let reason = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, reason)
        .unwrap_or_default();
    if reason.is_empty() {
        return Err(ApiError::new(
            403,
            "Forbidden",
            "Header 'x-msft-approval-justification' is required to request approval. The operation \
             needs Multi Admin Approval.",
        ));
    }
    if requests
        .iter()
        .any(|r| same(r) && (r["status"] == "needsApproval" || r["status"] == "approved"))
    {
        return Err(ApiError::new(
            409,
            "Conflict",
            "An active Approval Request already exists for this resource.",
        ));
    }
    requests.push(json!({
        "id": new_id, "status": "needsApproval", "operation": method, "payloadType": kind,
            "payloadId": id, "payloadName": name,
        "requestDateTime": now.to_string(),
            "requestJustification": String::from_utf8_lossy(&reason),
    }));
    let says = "The operation needs Multi Admin Approval; an Approval Request was made.";
    Err(ApiError::new(412, "BadRequest", says).with("x-msft-approval-code", new_id))
}
