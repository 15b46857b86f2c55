//! What Graph gives of Exchange, Teams and Purview: Tenant Configuration Management takes a
//! snapshot of its own, in a job.
//!
//! The published types leave each resource's properties open, so all of them are untyped here: kept
//! as they come. An answer without an object of a type says nothing by itself; [`Empty`] says what
//! it means.

use super::Collected;
use crate::{Client, Error, ErrorKind, escape};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use strongroom_graph::{Request, Scope};
use strongroom_model::CollectionState;
use strongroom_settings::{Empty, Reader, Row, Shape, rows};

/// The permission that starts a job. It writes nothing but jobs, snapshots and monitors of this
/// service.
const START: &str = "ConfigurationMonitoring.ReadWrite.All";
/// What the service's own application must hold for a job to see anything.
const RIGHTS: &str = "Exchange.ManageAsApp and Global Reader for the service principal Tenant \
    Configuration Management";
/// A job may take so long, in seconds. Four types took one minute in a published example.
const JOB_S_MAX: u64 = 900;
/// The longest wait between two looks at a job, in seconds.
const LOOK_S_MAX: u64 = 10;
/// Types that the service refuses are left out and asked about no more than so often.
const TRIES: i64 = 3;
/// What our jobs are called. Names have 8 to 32 letters, digits and spaces, and no two jobs share
/// one.
const NAME: &str = "Strongroom";

/// A collection that comes from this service, and the type of resource that it asks for.
#[derive(Debug, Clone, Copy)]
struct Managed {
    row: &'static Row,
    resource: &'static str,
}

/// Every type that is asked for.
fn managed() -> impl Iterator<Item = Managed> {
    rows().filter_map(|row| match row.reader {
        Reader::Managed(resource) => Some(Managed { row, resource }),
        _ => None,
    })
}

/// Objects that this service may give in a month and tenant, over all its snapshots. Source: Graph
/// v1.0, 2026.
const OBJECTS_A_MONTH: u64 = 20_000;

/// How long after one job the next may start, in hours, so that a month's allowance lasts with a
/// fifth to spare for others.
pub fn managed_every_h(objects: usize) -> u64 {
    const HOURS_A_MONTH: u64 = 31 * 24;
    (objects as u64 * HOURS_A_MONTH).div_ceil(OBJECTS_A_MONTH * 4 / 5).max(1)
}

/// Reads all of it.
///
/// # Errors
/// Only when the tenant as a whole is out of reach.
pub(super) async fn read(client: &Client) -> Result<BTreeMap<String, Collected>, Error> {
    let mut out: BTreeMap<String, Collected> = BTreeMap::new();
    let mut wanted: Vec<Managed> = managed().collect();
    let job = match start(client, &mut wanted, &mut out).await {
        Ok(job) => job,
        Err(e) => {
            let state = refused(e)?;
            out.extend(
                wanted.iter().map(|m| (m.row.name.to_owned(), (Some(state.clone()), Vec::new()))),
            );
            return Ok(out);
        }
    };
    let answer = follow(client, &job).await;
    // The job has done its work, or never will: twelve may be visible, and they are not ours alone.
    let target = format!("{JOBS}/{}", escape(&job));
    let _ = client.send(&Request::delete(Scope::Directory, target)).await;
    match answer {
        Ok((snapshot, errors)) => sort(&wanted, &snapshot, &errors, &mut out),
        Err(e) => {
            let state = refused(e)?;
            out.extend(
                wanted.iter().map(|m| (m.row.name.to_owned(), (Some(state.clone()), Vec::new()))),
            );
        }
    }
    Ok(out)
}

const CONFLICT: u16 = 409;
const JOBS: &str = "admin/configurationManagement/configurationSnapshotJobs";
const SNAPSHOTS: &str = "admin/configurationManagement/configurationSnapshots";
/// Without these names the service leaves them out.
const JOB: &str = "$select=id,displayName,status,resourceLocation,errorDetails,createdDateTime";

fn refused(e: Error) -> Result<CollectionState, Error> {
    Ok(match e.kind {
        ErrorKind::ApplicationUnknown | ErrorKind::CredentialRefused | ErrorKind::Settings => {
            return Err(e);
        }
        ErrorKind::Denied => CollectionState::NoPermission {
            permission: START.to_owned(),
            why: e.to_string(),
            kept: false,
        },
        ErrorKind::NotFound => CollectionState::NoApi {
            why: "the tenant has no Tenant Configuration Management".to_owned(),
            kept: false,
        },
        _ => CollectionState::Failed { why: e.to_string(), kept: false },
    })
}

/// Whether a job bears a name as only we give it: what is called by the program's name alone may be
/// an administrator's own.
fn is_ours(name: &str) -> bool {
    let time = name.strip_prefix(NAME).and_then(|rest| rest.strip_prefix(' '));
    time.is_some_and(|t| {
        t.len() == 15
            && t.bytes()
                .enumerate()
                .all(|(n, b)| if n == 8 { b == b' ' } else { b.is_ascii_digit() })
    })
}

/// Starts a job for what is wanted; takes what the service does not know out of it.
async fn start(
    client: &Client,
    wanted: &mut Vec<Managed>,
    out: &mut BTreeMap<String, Collected>,
) -> Result<String, Error> {
    // What an interrupted run left is in the way of the next; what is young may be another's that
    // runs.
    let now = client.clock().now();
    let is_old = |job: &Value| {
        let made: Option<jiff::Timestamp> =
            job["createdDateTime"].as_str().and_then(|t| t.parse().ok());
        made.is_some_and(|made| now.duration_since(made).as_secs() > 2 * JOB_S_MAX as i64)
    };
    for job in client.list(&Request::get(Scope::Directory, format!("{JOBS}?{JOB}"))).await? {
        if job["displayName"].as_str().is_some_and(is_ours)
            && is_old(&job)
            && let Some(id) = job["id"].as_str()
        {
            let _ = client
                .send(&Request::delete(Scope::Directory, format!("{JOBS}/{}", escape(id))))
                .await;
        }
    }
    let named = |later_s: i64| {
        let at = client.clock().now() + jiff::SignedDuration::from_secs(later_s);
        format!("{NAME} {}", at.strftime("%Y%m%d %H%M%S"))
    };
    let mut name = named(0);
    let mut tries = 0_i64;
    loop {
        tries += 1;
        let resources: Vec<&str> = wanted.iter().map(|m| m.resource).collect();
        let body = json!({"displayName": name, "description": "Read by the backup and deleted when \
            read", "resources": resources});
        let request = Request::post(Scope::Directory, format!("{SNAPSHOTS}/createSnapshot"), &body);
        match client.json::<Value>(&request).await {
            Ok(job) => {
                return job["id"].as_str().map(str::to_owned).ok_or_else(|| {
                    Error::new(
                        ErrorKind::BadAnswer,
                        "a job of Tenant Configuration Management has no id",
                    )
                });
            }
            // The job of a run that ended in this very second bears the name: it may be at work.
            Err(e) if e.status == Some(CONFLICT) && tries <= TRIES => name = named(tries),
            Err(e) if e.kind == ErrorKind::BadRequest && tries <= TRIES => {
                let before = wanted.len();
                let text = e.text.as_str().to_lowercase();
                wanted.retain(|m| !text.contains(&format!("'{}'", m.resource)));
                if wanted.len() == before {
                    return Err(e);
                }
                let lost = managed().filter(|m| text.contains(&format!("'{}'", m.resource)));
                let state = CollectionState::NoApi {
                    why: "Tenant Configuration Management no longer knows it".to_owned(),
                    kept: false,
                };
                out.extend(
                    lost.map(|m| (m.row.name.to_owned(), (Some(state.clone()), Vec::new()))),
                );
            }
            Err(e) => return Err(e),
        }
    }
}

/// Waits for a job; answers what it found, and what it says went wrong.
async fn follow(client: &Client, job: &str) -> Result<(Vec<Value>, Vec<String>), Error> {
    let ask = Request::get(Scope::Directory, format!("{JOBS}/{}?{JOB}", escape(job)))
        .header("prefer", "include-unknown-enum-members");
    let began = client.clock().now();
    let mut wait = Duration::from_millis(500);
    let done = loop {
        client.clock().sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(LOOK_S_MAX));
        let look: Value = client.json(&ask).await?;
        match look["status"].as_str().unwrap_or_default() {
            "notStarted" | "running" => {}
            "succeeded" | "partiallySuccessful" => break look,
            other => {
                let details = words(&look["errorDetails"]).join("; ");
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!(
                        "the job of Tenant Configuration Management ended as {other}: {details}"
                    ),
                ));
            }
        }
        if client.clock().now().duration_since(began).as_secs() > JOB_S_MAX as i64 {
            return Err(Error::new(
                ErrorKind::BadAnswer,
                format!(
                    "the job of Tenant Configuration Management was not done after {JOB_S_MAX} s"
                ),
            ));
        }
    };
    // A full address, whose last part is the snapshot's own id: `…/configurationSnapshots('id')`.
    let place = done["resourceLocation"].as_str().unwrap_or_default();
    let last = place.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let id = last.rsplit("('").next().unwrap_or(last).trim_end_matches("')");
    if id.is_empty() {
        return Err(Error::new(
            ErrorKind::BadAnswer,
            "a job of Tenant Configuration Management is done and says not where its snapshot is",
        ));
    }
    let snapshot: Value =
        client.json(&Request::get(Scope::Directory, format!("{SNAPSHOTS}/{}", escape(id)))).await?;
    let rows = snapshot["resources"].as_array().cloned();
    let rows = rows.ok_or_else(|| {
        Error::new(
            ErrorKind::BadAnswer,
            "a snapshot of Tenant Configuration Management has no list of resources",
        )
    })?;
    let mut errors = words(&done["errorDetails"]);
    if errors.is_empty() && done["status"] == "partiallySuccessful" {
        errors.push(
            "Tenant Configuration Management gave a part, and says not what it lacks".to_owned(),
        );
    }
    Ok((rows, errors))
}

fn words(v: &Value) -> Vec<String> {
    v.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Sorts what came into collections, and says of each how it ended.
fn sort(
    wanted: &[Managed],
    rows: &[Value],
    errors: &[String],
    out: &mut BTreeMap<String, Collected>,
) {
    let is_of = |error: &str, m: &Managed| error.to_lowercase().starts_with(m.resource);
    // A complaint that names no type could be about any list, which may be short; what exists once
    // and came is whole.
    let nameless = errors.iter().find(|e| !managed().any(|m| is_of(e, &m)));
    for m in wanted {
        let objects: Vec<Value> = rows
            .iter()
            .filter(|r| {
                r["resourceType"].as_str().is_some_and(|t| t.eq_ignore_ascii_case(m.resource))
            })
            .map(|r| {
                let mut settings = r["properties"].clone();
                if let Value::Object(map) = &mut settings {
                    map.retain(|k, v| {
                        !v.is_null()
                            && !k.contains("@odata.")
                            && k != "Ensure"
                            && k != "IsSingleInstance"
                    });
                }
                settings
            })
            .collect();
        let wrong = errors.iter().find(|e| is_of(e, m)).or(
            if objects.is_empty() || m.row.normalizer.shape == Shape::Many {
                nameless
            } else {
                None
            },
        );
        let state = match (wrong, objects.is_empty(), m.row.empty) {
            (Some(why), ..) => Some(denied(why)),
            (None, true, Empty::Wrong) => Some(CollectionState::NoPermission {
                permission: RIGHTS.to_owned(),
                why: "Tenant Configuration Management gave none, although every tenant has one"
                    .to_owned(),
                kept: false,
            }),
            (None, true, Empty::Unlicensed(what)) => {
                Some(CollectionState::NotLicensed { why: what.to_owned(), kept: false })
            }
            _ => None,
        };
        // Half a list is no list.
        let objects = if state.is_some() { Vec::new() } else { objects };
        out.insert(m.row.name.to_owned(), (state, objects));
    }
}

fn denied(why: &str) -> CollectionState {
    let text = why.to_lowercase();
    let why = why.to_owned();
    match ["forbidden", "access denied", "unauthorized", "credentials"]
        .iter()
        .any(|w| text.contains(w))
    {
        true => CollectionState::NoPermission { permission: RIGHTS.to_owned(), why, kept: false },
        false => CollectionState::Failed { why, kept: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_months_allowance_lasts_a_month() {
        for objects in [0, 1, 20, 21, 22, 60, 100, 400, 3_000] {
            let rounds = (31 * 24) / managed_every_h(objects);
            assert!(rounds * objects as u64 <= OBJECTS_A_MONTH, "{objects}");
        }
        assert_eq!(managed_every_h(60), 3);
    }

    #[test]
    fn what_did_not_come_is_told_apart() {
        let wanted: Vec<Managed> = managed().collect();
        let row = |kind: &str, properties: Value| {
            json!({"displayName": "x", "resourceType": kind,
            "properties": properties})
        };
        let rows = [
            row(
                "microsoft.exchange.organizationconfig",
                json!({"AuditDisabled": false, "IsSingleInstance": "Yes",
                    "X@odata.type": "#Int64"}),
            ),
            row("microsoft.teams.meetingpolicy", json!({"Identity": "Global"})),
        ];
        let errors =
            ["microsoft.teams.meetingpolicy: Error exporting resource. {\"code\":\"Forbidden\"}"
                .to_owned()];
        let mut out = BTreeMap::new();
        sort(&wanted, &rows, &errors, &mut out);
        assert_eq!(out.len(), managed().count());
        assert_eq!(out["exchange/organization"], (None, vec![json!({"AuditDisabled": false})]));
        assert!(
            matches!(&out["teams/meeting-policies"], (Some(CollectionState::NoPermission { .. }),
                rows) if rows.is_empty())
        );
        assert!(matches!(
            &out["exchange/safe-link-policies"].0,
            Some(CollectionState::NotLicensed { .. })
        ));
        assert!(matches!(
            &out["exchange/spam-policies"].0,
            Some(CollectionState::NoPermission { .. })
        ));
        assert_eq!(out["exchange/transport-rules"], (None, vec![]));
        let mut out = BTreeMap::new();
        sort(&wanted, &rows, &["the service was away".to_owned()], &mut out);
        assert!(matches!(&out["exchange/transport-rules"].0, Some(CollectionState::Failed { .. })));
        assert!(
            matches!(&out["teams/meeting-policies"].0, Some(CollectionState::Failed { .. })),
            "a list may be short"
        );
        assert!(out["exchange/organization"].0.is_none());
    }
}
