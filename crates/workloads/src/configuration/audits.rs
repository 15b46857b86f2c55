//! Who did what, as the directory's audit log says.

use crate::{Client, Error};
use serde_json::Value;
use strongroom_graph::{Request, Scope};
use strongroom_model::AuditEntry;

/// The log keeps 7 days without Entra ID P1 and 30 with it; what is older cannot be asked for.
///
/// # Errors
/// When the log cannot be read: `AuditLog.Read.All` and, for most tenants, a P1 licence are needed.
pub async fn audits(client: &Client, since: jiff::Timestamp) -> Result<Vec<AuditEntry>, Error> {
    let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
    let target = format!("auditLogs/directoryAudits?$filter=activityDateTime ge {since}&$top=999");
    let rows = client.list(&Request::get(Scope::Reports, target)).await?;
    Ok(rows.iter().filter_map(entry).collect())
}

fn entry(v: &Value) -> Option<AuditEntry> {
    let by = &v["initiatedBy"];
    let who = [
        &by["user"]["userPrincipalName"],
        &by["app"]["displayName"],
        &by["user"]["id"],
        &by["app"]["servicePrincipalId"],
    ];
    let targets = v["targetResources"].as_array().into_iter().flatten();
    Some(AuditEntry {
        at: v["activityDateTime"].as_str()?.parse().ok()?,
        who: who.into_iter().find_map(Value::as_str).unwrap_or("the service itself").into(),
        activity: v["activityDisplayName"].as_str().unwrap_or_default().into(),
        targets: targets
            .flat_map(|t| [&t["id"], &t["userPrincipalName"], &t["displayName"]])
            .filter_map(Value::as_str)
            .map(str::to_lowercase)
            .collect(),
    })
}
