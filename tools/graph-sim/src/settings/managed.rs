//! Tenant Configuration Management: a job reads settings of Exchange, Teams and Purview into a
//! snapshot.

use crate::{
    core::http::{ApiError, Area, Reply},
    core::odata::Query,
    core::world::{Call, World},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Settings of one tenant that only this service shows, and its jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Managed {
    /// By type in small letters: objects as snapshots show them.
    pub(crate) resources: BTreeMap<String, Vec<Value>>,
    /// Types for whose workload the service's own application has no rights.
    pub(crate) forbidden: BTreeSet<String>,
    jobs: Vec<Job>,
    snapshots: BTreeMap<String, Value>,
    extracted: usize,
}

#[derive(Debug, Clone)]
struct Job {
    shown: Value,
    /// How often somebody looked: it runs at the first look and is done at the second.
    looks: u32,
    done: Value,
}

/// Shown when selected, and only then.
const ON_REQUEST: &[&str] = &["errorDetails", "createdBy", "resourceLocation", "resources"];
const JOBS_MAX: usize = 12;
const EXTRACTED_MAX: usize = 20_000;
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Every type of these workloads that the service documents; asking for another refuses the whole
/// call.
const KNOWN: &str = include_str!("../../data/managed-types.txt");

pub(crate) fn run(world: &mut World, call: &Call<'_>) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    let lower: Vec<String> = call.path.iter().skip(2).map(|p| p.to_lowercase()).collect();
    let parts: Vec<&str> = lower.iter().map(String::as_str).collect();
    let query = Query::parse(&call.req.query, area)?;
    let now = world.now();
    let known_members = call.req.prefers("include-unknown-enum-members");
    let show = |job: &Value| -> Value {
        let mut job = job.clone();
        // An enumeration that grew later: who does not say that new members are understood gets
        // none.
        if !known_members && job["status"] == "partiallySuccessful" {
            job["status"] = "unknownFutureValue".into();
        }
        query.pick(job, ON_REQUEST)
    };
    let origin = call.req.origin();
    match (call.method(), parts.as_slice()) {
        ("POST", ["configurationsnapshots", "createsnapshot"]) => {
            let body = call.req.json(area)?;
            create(world, call, &body, now)
        }
        ("GET", ["configurationsnapshotjobs"]) => {
            let rows: Vec<Value> = world.tenants[call.tenant]
                .settings
                .managed
                .jobs
                .iter()
                .map(|j| show(&j.shown))
                .collect();
            Ok(Reply::json(
                200,
                &json!({"@odata.context": format!("{origin}/v1.0/$metadata#admin/configurationManagement/configurationSnapshotJobs"), "value": rows}),
            ))
        }
        ("GET", ["configurationsnapshotjobs", id]) => {
            let jobs = &mut world.tenants[call.tenant].settings.managed.jobs;
            let job = jobs
                .iter_mut()
                .find(|j| j.shown["id"] == *id)
                .ok_or_else(|| ApiError::not_found(area))?;
            job.looks += 1;
            match job.looks {
                1 => job.shown["status"] = "running".into(),
                2 => {
                    job.shown = job.done.clone();
                    job.shown["completedDateTime"] = now.to_string().into();
                }
                _ => {}
            }
            Ok(Reply::json(200, &show(&job.shown)))
        }
        ("DELETE", ["configurationsnapshotjobs", id]) => {
            let jobs = &mut world.tenants[call.tenant].settings.managed.jobs;
            let before = jobs.len();
            jobs.retain(|j| j.shown["id"] != *id);
            if jobs.len() == before { Err(ApiError::not_found(area)) } else { Ok(Reply::new(204)) }
        }
        ("GET", ["configurationsnapshots", id]) => {
            let found = world.tenants[call.tenant]
                .settings
                .managed
                .snapshots
                .get(*id)
                .ok_or_else(|| ApiError::not_found(area))?;
            Ok(Reply::json(200, &query.pick(found.clone(), &[])))
        }
        _ => Err(ApiError::not_simulated()),
    }
}

fn create(
    world: &mut World,
    call: &Call<'_>,
    body: &Value,
    now: jiff::Timestamp,
) -> Result<Reply, ApiError> {
    let area = Area::Directory;
    let tenant = &mut world.tenants[call.tenant];
    let name = body["displayName"].as_str().unwrap_or_default();
    if !(8..=32).contains(&name.chars().count())
        || !name.chars().all(|c| c.is_alphanumeric() || c == ' ')
    {
        return Err(ApiError::bad_request(
            area,
            "DisplayName must be a string with a minimum length of 8 and a maximum length of 32"
                .to_owned(),
        ));
    }
    if tenant.settings.managed.jobs.iter().any(|j| j.shown["displayName"] == name) {
        return Err(ApiError::new(
            409,
            "Conflict",
            "A snapshot job with this display name exists.",
        ));
    }
    if tenant.settings.managed.jobs.len() >= JOBS_MAX {
        return Err(ApiError::bad_request(
            area,
            format!("The tenant has {JOBS_MAX} snapshot jobs; delete one first."),
        ));
    }
    let asked: Vec<String> = body["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| Some(r.as_str()?.to_lowercase()))
        .collect();
    if asked.is_empty() {
        return Err(ApiError::bad_request(area, "Resources must not be empty.".to_owned()));
    }
    let unknown: Vec<String> = asked
        .iter()
        .filter(|a| !KNOWN.lines().any(|k| k == *a))
        .map(|a| format!("ResourceType '{a}' is not supported"))
        .collect();
    if !unknown.is_empty() {
        return Err(ApiError::bad_request(area, unknown.join(". ")));
    }
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    for kind in &asked {
        if tenant.settings.managed.forbidden.contains(kind) {
            errors.push(format!(
                "{kind}: Error exporting resource [{kind}]. exceptionMessage(s):Error during \
                 Export: {{\"code\":\"Forbidden\",\"message\":\"Access Denied.\"}}"
            ));
        } else if !tenant.settings.unlicensed.contains(kind) {
            rows.extend(tenant.settings.managed.resources.get(kind).into_iter().flatten().cloned());
        }
    }
    if tenant.settings.managed.extracted + rows.len() > EXTRACTED_MAX {
        return Err(ApiError::bad_request(
            area,
            format!("The tenant's monthly quota of {EXTRACTED_MAX} resources is used up."),
        ));
    }
    tenant.settings.managed.extracted += rows.len();
    let (id, snapshot) =
        (tenant.ids.guid("job").to_lowercase(), tenant.ids.guid("snapshot").to_lowercase());
    let app = tenant
        .apps
        .iter()
        .find(|a| a.app_id == call.app)
        .map(|a| a.name.clone())
        .unwrap_or_default();
    let status = if errors.is_empty() { "succeeded" } else { "partiallySuccessful" };
    let new = json!({
        "id": id, "displayName": name,
            "description": body["description"].as_str().unwrap_or_default(), "tenantId": tenant.id,
            "status": "notStarted", "resources": asked,
        "resourceLocation": "", "errorDetails": [], "createdDateTime": now.to_string(),
            "completedDateTime": NEVER,
        "createdBy": {"application": {"id": call.app, "displayName": app}},
    });
    let mut done = new.clone();
    done["status"] = status.into();
    done["errorDetails"] = errors.into();
    done["resourceLocation"] = format!(
        "{}/v1.0/admin/configurationManagement/configurationSnapshots('{snapshot}')",
        call.req.origin()
    )
    .into();
    let shown = json!({"id": snapshot, "displayName": name, "description": new["description"],
        "parameters": [], "resources": rows});
    tenant.settings.managed.snapshots.insert(snapshot, shown);
    tenant.settings.managed.jobs.push(Job { shown: new.clone(), looks: 0, done });
    Ok(Reply::json(200, &new))
}
