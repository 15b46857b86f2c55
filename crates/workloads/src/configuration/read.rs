//! The requests.

use super::{Collected, managed};
use crate::{Client, Error, ErrorKind, escape};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_graph::{Request, Scope};
use strongroom_model::{
    CollectionState, ConfigObject, Configuration, Progress,
    collections::{applications, directory, identity},
    is_guid,
};
use strongroom_settings::{
    Ask, Empty, Limit, MICROSOFT_TENANT, Principal, Principals, Raw, ReadPart, Reader, Row, Shape,
    normalize, row, rows,
};

/// Collections asked for at once; the budgets of their scopes hold them back further.
const AT_ONCE: usize = 8;
/// `directoryObjects/getByIds` takes so many. Source: Graph v1.0, summer of 2026.
const IDS_MAX: usize = 1_000;
/// Microsoft Graph's own application id, the same everywhere.
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
/// Properties of a user that decide what its power means.
const USER: &str = "$select=id,userPrincipalName,displayName,accountEnabled,userType,onPremisesSyncEnabled,assignedLicenses";

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// All of it: a job of Tenant Configuration Management takes minutes and counts against a
    /// month's allowance.
    Managed,
    /// What Graph answers itself. The others are not among the collections then.
    Direct,
}

/// Reads the configuration of a tenant.
///
/// # Errors
/// Only when the tenant as a whole is out of reach; what one collection lacks is said by its state.
pub async fn read(
    client: &Client,
    tenant: &str,
    with: With,
    progress: &dyn Progress,
) -> Result<Configuration, Error> {
    progress.phase("configuration");
    progress.expect(asked().count() as u64 + 4 + u64::from(with == With::Managed), 0);
    let taken = client.clock().now();
    let mut raw = Raw::default();
    // Who cannot sign in, or reaches nobody, learns so once and not from fifty collections.
    let organization: Value =
        match client.json(&Request::get(Scope::Directory, "organization?$select=id")).await {
            Ok(v) => v,
            Err(e) if matches!(e.kind, ErrorKind::Denied | ErrorKind::BadRequest) => Value::Null,
            Err(e) => return Err(e),
        };
    if let Some(id) = organization["value"][0]["id"].as_str() {
        raw.tenant_id = id.to_owned();
    }
    let direct = direct(client, &mut raw, progress);
    let managed = async {
        match with {
            With::Direct => Ok(BTreeMap::new()),
            With::Managed => {
                let found = managed::read(client).await;
                progress.advance(1, 0);
                found
            }
        }
    };
    // The job runs at the service's side meanwhile.
    let (direct, managed) = futures::join!(direct, managed);
    direct?;
    let managed = managed?;
    if !managed.is_empty() {
        raw.managed_at = Some(taken);
        raw.collections.extend(managed);
    }
    Ok(normalize(tenant, taken, raw))
}

/// What Graph answers itself.
async fn direct(client: &Client, raw: &mut Raw, progress: &dyn Progress) -> Result<(), Error> {
    let one = |(row, ask)| async move { (row, ask, collect(client, row, &ask).await) };
    let all: Vec<_> = asked().map(one).collect();
    let mut answers = stream::iter(all).buffer_unordered(AT_ONCE);
    while let Some((row, ask, answer)) = answers.next().await {
        raw.collections.insert(row.name.to_owned(), state_of(ask.permission, ask.licence, answer)?);
        progress.advance(1, 0);
    }
    drop(answers);
    for row in rows() {
        if let Reader::None(why) = row.reader {
            let state = CollectionState::NoApi { why: why.to_owned(), kept: false };
            raw.collections.insert(row.name.to_owned(), (Some(state), Vec::new()));
        }
    }
    let found = match lack(raw, directory::DOMAINS) {
        Some(state) => (Some(state), Vec::new()),
        None => {
            state_of("Domain-InternalFederation.Read.All", None, federation(client, raw).await)?
        }
    };
    raw.collections.insert(directory::FEDERATION.into(), found);
    progress.advance(1, 0);
    let found = match lack(raw, applications::SERVICE_PRINCIPALS) {
        Some(state) => (Some(state), Vec::new()),
        None => state_of("Application.Read.All", None, permissions(client, raw).await)?,
    };
    raw.collections.insert(applications::PERMISSIONS.into(), found);
    progress.advance(1, 0);
    principals(client, raw).await?;
    progress.advance(2, 0);
    Ok(())
}

/// What Graph answers itself, and what it is asked.
fn asked() -> impl Iterator<Item = (&'static Row, Ask)> {
    rows().filter_map(|row| match row.reader {
        Reader::Graph(ask) => Some((row, ask)),
        _ => None,
    })
}

fn scope(limit: Limit) -> Scope {
    match limit {
        Limit::Policies => Scope::Policies,
        Limit::Directory => Scope::Directory,
        Limit::Intune => Scope::Intune,
        Limit::Security => Scope::Security,
    }
}

async fn collect(client: &Client, row: &Row, ask: &Ask) -> Result<Vec<Value>, Error> {
    let mut request = Request::get(scope(ask.limit), ask.target);
    if ask.beta {
        request = request.beta();
    }
    let all = match row.normalizer.shape {
        Shape::Many => {
            let mut all = client.list(&request).await?;
            for part in ask.parts {
                read_part(client, ask, *part, &mut all).await?;
            }
            all
        }
        Shape::One => {
            let body: Value = client.json(&request).await?;
            // `organization` and `onPremisesSynchronization` are lists of one.
            let one = match body.get("value").and_then(Value::as_array) {
                Some(rows) => rows.first().cloned().unwrap_or_default(),
                None => body,
            };
            let says_something = one
                .as_object()
                .is_some_and(|m| m.iter().any(|(k, v)| !k.contains("@odata.") && !v.is_null()));
            if says_something { vec![one] } else { Vec::new() }
        }
    };
    match (all.is_empty(), row.empty) {
        // What every tenant has is not gone because an answer holds nothing.
        (true, Empty::Wrong) => Err(Error::new(
            ErrorKind::BadAnswer,
            format!("GET {} was answered with nothing, although there is one", ask.target),
        )),
        (true, Empty::Unlicensed(what)) => {
            Err(Error::new(ErrorKind::Denied, format!("it is not licensed: {what}")))
        }
        _ => Ok(all),
    }
}

/// Asks of each object for a list that stands apart from it.
async fn read_part(
    client: &Client,
    ask: &Ask,
    part: ReadPart,
    all: &mut [Value],
) -> Result<(), Error> {
    let base = ask.target.split('?').next().unwrap_or(ask.target);
    let select = if part.ids { "?$select=id" } else { "" };
    // Who is in a unit by a rule follows from the rule.
    let mut asked: Vec<&mut Value> =
        all.iter_mut().filter(|o| o["membershipType"] != "Dynamic").collect();
    let targets: Vec<String> = asked
        .iter()
        .filter_map(|o| o["id"].as_str())
        .map(|id| format!("{base}/{}/{}{select}", escape(id), part.property))
        .collect();
    if targets.is_empty() {
        return Ok(());
    }
    if ask.beta {
        // A batch is of v1.0.
        for (object, target) in asked.iter_mut().zip(&targets) {
            let request = Request::get(scope(ask.limit), target).beta();
            object[part.property] = client.list(&request).await?.into();
        }
        return Ok(());
    }
    let answers = client.batch_get(&scope(ask.limit), &targets).await?;
    for ((object, target), answer) in asked.iter_mut().zip(&targets).zip(answers) {
        let answer = answer?;
        let rows = match (answer["@odata.nextLink"].is_null(), answer["value"].as_array()) {
            (true, Some(rows)) => rows.clone(),
            (true, None) => {
                return Err(Error::new(
                    ErrorKind::BadAnswer,
                    format!("GET {target} was answered without a list"),
                ));
            }
            // A long list is read by itself, page after page.
            (false, _) => client.list(&Request::get(scope(ask.limit), target)).await?,
        };
        object[part.property] = match part.ids {
            true => rows.iter().map(|r| r["id"].clone()).collect(),
            false => rows.into(),
        };
    }
    Ok(())
}

/// What an answer says of a collection. The tenant as a whole being out of reach is an error of the
/// whole run.
fn state_of(
    permission: &str,
    licence: Option<&str>,
    answer: Result<Vec<Value>, Error>,
) -> Result<Collected, Error> {
    let e = match answer {
        Ok(values) => return Ok((None, values)),
        Err(e) => e,
    };
    let says = e.text.as_str().to_lowercase();
    let unlicensed =
        ["licens", "premium", "not applicable to target tenant", "does not have a spo"]
            .iter()
            .any(|w| says.contains(w));
    let state = match e.kind {
        ErrorKind::ApplicationUnknown | ErrorKind::CredentialRefused | ErrorKind::Settings => {
            return Err(e);
        }
        ErrorKind::Denied | ErrorKind::BadRequest if unlicensed => CollectionState::NotLicensed {
            why: licence.unwrap_or("the service says so").to_owned(),
            kept: false,
        },
        ErrorKind::Denied => CollectionState::NoPermission {
            permission: permission.to_owned(),
            why: e.to_string(),
            kept: false,
        },
        _ => CollectionState::Failed { why: e.to_string(), kept: false },
    };
    Ok((Some(state), Vec::new()))
}

/// Why a collection that another is made of was not read.
fn lack(raw: &Raw, collection: &str) -> Option<CollectionState> {
    raw.collections.get(collection).and_then(|(state, _)| state.clone())
}

fn objects_of<'r>(raw: &'r Raw, collection: &str) -> &'r [Value] {
    raw.collections.get(collection).map(|(_, rows)| rows.as_slice()).unwrap_or_default()
}

/// How federated domains sign people in.
async fn federation(client: &Client, raw: &Raw) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    for domain in objects_of(raw, directory::DOMAINS)
        .iter()
        .filter(|d| d["authenticationType"] == "Federated")
        .filter_map(|d| d["id"].as_str())
    {
        for mut row in client
            .list(&Request::get(
                Scope::Directory,
                format!("domains/{}/federationConfiguration", escape(domain)),
            ))
            .await?
        {
            row["domain"] = domain.into();
            row["displayName"] =
                format!("{domain} {}", row["displayName"].as_str().unwrap_or_default())
                    .trim()
                    .into();
            all.push(row);
        }
    }
    Ok(all)
}

/// Which applications may do what in Microsoft Graph by themselves, without a user.
async fn permissions(client: &Client, raw: &Raw) -> Result<Vec<Value>, Error> {
    let apps = objects_of(raw, applications::SERVICE_PRINCIPALS);
    let Some(graph) = apps.iter().find(|a| a["appId"] == GRAPH_APP).and_then(|a| a["id"].as_str())
    else {
        return Err(Error::new(
            ErrorKind::BadAnswer,
            "the tenant lists no service principal of Microsoft Graph",
        ));
    };
    let graph = escape(graph);
    let roles: Value = client
        .json(&Request::get(
            Scope::Directory,
            format!("servicePrincipals/{graph}?$select=id,appRoles"),
        ))
        .await?;
    let names: BTreeMap<&str, &str> = roles["appRoles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| Some((r["id"].as_str()?, r["value"].as_str()?)))
        .collect();
    let granted = client
        .list(&Request::get(
            Scope::Directory,
            format!("servicePrincipals/{graph}/appRoleAssignedTo?$top=999"),
        ))
        .await?;
    let microsofts: BTreeSet<&str> = apps
        .iter()
        .filter(|a| a["appOwnerOrganizationId"] == MICROSOFT_TENANT)
        .filter_map(|a| a["id"].as_str())
        .collect();
    Ok(granted
        .iter()
        .filter(|g| g["principalId"].as_str().is_none_or(|p| !microsofts.contains(p)))
        .map(|g| {
            let permission = g["appRoleId"].as_str().map(|id| names.get(id).copied().unwrap_or(id));
            json!({
                "id": g["id"],
                "displayName": format!("{} {}",
                    g["principalDisplayName"].as_str().unwrap_or_default(),
                    permission.unwrap_or_default()),
                "application": g["principalId"],
                "permission": permission,
                "resource": "Microsoft Graph",
                "createdDateTime": g["createdDateTime"],
            })
        })
        .collect())
}

/// Who is meant by the ids that settings mention: names for all of them, members for groups that
/// give power or take people out of a policy, and the facts of people with roles.
async fn principals(client: &Client, raw: &mut Raw) -> Result<(), Error> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut meant: BTreeSet<String> = BTreeSet::new();
    let mut powerful: BTreeSet<String> = BTreeSet::new();
    for (name, (_, values)) in &raw.collections {
        for v in values {
            known.extend(
                [&v["id"], &v["appId"]]
                    .into_iter()
                    .filter_map(|i| i.as_str())
                    .map(str::to_lowercase),
            );
            match row(name).map_or(Principals::Nowhere, |r| r.normalizer.principals) {
                Principals::Nowhere => {}
                Principals::Below(place) => {
                    v.pointer(place).into_iter().for_each(|v| ids_in(v, &mut meant));
                }
                Principals::Powerful(place) => {
                    powerful
                        .extend(v.pointer(place).and_then(Value::as_str).map(str::to_lowercase));
                }
            }
        }
    }
    // Whoever could not be read may hold power too: a list that is short for that reason is no
    // list.
    let gap = |collections: &[&str]| -> Option<CollectionState> {
        let states =
            collections.iter().filter_map(|c| raw.collections.get(*c).and_then(|(s, _)| s.clone()));
        states.into_iter().find(|s| !matches!(s, CollectionState::NotLicensed { .. }))
    };
    let give_power: Vec<&str> = rows()
        .filter(|r| matches!(r.normalizer.principals, Principals::Powerful(_)))
        .map(|r| r.name)
        .collect();
    let no_people = gap(&give_power);
    let no_groups = no_people.clone().or_else(|| gap(&[identity::CONDITIONAL_ACCESS_POLICIES]));
    meant.extend(powerful.iter().cloned());
    meant.retain(|id| is_guid(id) && !known.contains(id));
    let mut groups = Vec::new();
    let mut people: BTreeSet<String> = BTreeSet::new();
    let mut state: Option<CollectionState> = None;
    let all: Vec<String> = meant.into_iter().collect();
    for ids in all.chunks(IDS_MAX) {
        let body = json!({"ids": ids, "types": ["user", "group", "device", "servicePrincipal"]});
        let request =
            Request::post(Scope::Directory, "directoryObjects/getByIds", &body).repeatable();
        let rows = match client.list(&request).await {
            Ok(rows) => rows,
            Err(e) => {
                (state, _) = state_of("Directory.Read.All", None, Err(e))?;
                break;
            }
        };
        for row in rows {
            let (Some(id), Some(kind)) =
                (row["id"].as_str().map(str::to_lowercase), row["@odata.type"].as_str())
            else {
                continue;
            };
            let label = |keys: &[&str]| {
                keys.iter().find_map(|k| row[*k].as_str()).unwrap_or(&id).to_owned()
            };
            match kind {
                "#microsoft.graph.user" => {
                    if powerful.contains(&id) {
                        people.insert(id.clone());
                    }
                    raw.principals.insert(
                        id.clone(),
                        principal("users", label(&["userPrincipalName", "displayName"]), &row),
                    );
                }
                "#microsoft.graph.group" => {
                    raw.principals
                        .insert(id.clone(), principal("groups", label(&["displayName"]), &row));
                    groups.push(row);
                }
                _ => {
                    raw.principals.insert(
                        id.clone(),
                        principal("service-principals", label(&["appId", "displayName"]), &row),
                    );
                }
            }
        }
    }
    // A setting in which ids stay ids looks changed, and a rule about names passes it by: better
    // not seen than seen wrong.
    if let Some(lack) = &state {
        let unresolved: BTreeSet<&String> =
            all.iter().filter(|id| !raw.principals.contains_key(*id)).collect();
        for (found, values) in raw.collections.values_mut() {
            let mut ids = BTreeSet::new();
            values.iter().for_each(|v| ids_in(v, &mut ids));
            if found.is_none() && ids.iter().any(|id| unresolved.contains(id)) {
                *found = Some(lack.clone());
                values.clear();
            }
        }
    }
    let (groups, state) = match state {
        Some(s) => (Vec::new(), Some(s)),
        None => match members(client, raw, groups, &powerful, &mut people).await {
            Ok(groups) => (groups, None),
            Err(e) => {
                let (state, _) = state_of("GroupMember.Read.All", None, Err(e))?;
                (Vec::new(), state)
            }
        },
    };
    let lacking = state.clone().or(no_people);
    let state = state.or(no_groups);
    raw.collections.insert(directory::REFERENCED_GROUPS.into(), (state, groups));
    let targets: Vec<String> = people.iter().map(|id| format!("users/{id}?{USER}")).collect();
    let answer = match lacking {
        Some(state) => (Some(state), Vec::new()),
        None => state_of("User.Read.All", None, facts(client, &targets).await)?,
    };
    raw.collections.insert(directory::PRIVILEGED_USERS.into(), answer);
    Ok(())
}

/// The facts of these people, as `directory/privileged-users` has them.
///
/// # Errors
/// When they cannot be read.
pub async fn people(client: &Client, ids: &[String]) -> Result<Vec<ConfigObject>, Error> {
    let targets: Vec<String> =
        ids.iter().map(|id| format!("users/{}?{USER}", escape(id))).collect();
    let mut raw = Raw::default();
    raw.collections.insert(PEOPLE.to_owned(), (None, facts(client, &targets).await?));
    Ok(normalize("", client.clock().now(), raw)
        .collections
        .remove(PEOPLE)
        .map(|c| c.objects)
        .unwrap_or_default())
}

const PEOPLE: &str = directory::PRIVILEGED_USERS;

async fn facts(client: &Client, targets: &[String]) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    if targets.is_empty() {
        return Ok(all);
    }
    let mut missing = Vec::new();
    for (answer, target) in
        client.batch_get(&Scope::Directory, targets).await?.into_iter().zip(targets)
    {
        match answer {
            Ok(user) => all.push(user),
            Err(e) if e.kind == ErrorKind::NotFound => {
                let id = target.trim_start_matches("users/").split('?').next().unwrap_or_default();
                missing.push((id.to_lowercase(), e));
            }
            Err(e) => return Err(e),
        }
    }
    // Deleted between two requests, if the directory lists them no more; one answer alone proves
    // nothing.
    let ids: Vec<String> = missing.iter().map(|(id, _)| id.clone()).collect();
    let listed = if ids.is_empty() { BTreeSet::new() } else { alive(client, &ids).await? };
    if let Some((_, e)) = missing.into_iter().find(|(id, _)| listed.contains(id)) {
        return Err(Error::new(
            ErrorKind::BadAnswer,
            format!("{}; but the directory lists that person", e),
        ));
    }
    for user in &mut all {
        user["licences"] = user["assignedLicenses"].as_array().map_or(0, Vec::len).into();
        if let Some(map) = user.as_object_mut() {
            map.remove("assignedLicenses");
            // Known by the name that signs in.
            let name = map.get("userPrincipalName").cloned();
            map.insert("displayName".into(), name.unwrap_or_default());
        }
    }
    Ok(all)
}

fn principal(kind: &'static str, name: String, row: &Value) -> Principal {
    Principal {
        kind,
        name,
        created: row["createdDateTime"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Who is in a group: what settings call them, and their ids.
///
/// # Errors
/// When it cannot be told.
pub async fn members_of(client: &Client, group: &str) -> Result<Vec<(String, String)>, Error> {
    let rows = client.list(&members_request(group)).await?;
    Ok(rows
        .iter()
        .filter_map(member)
        .map(|(id, p)| (format!("@{}/{}", p.kind, p.name), id))
        .collect())
}

fn members_request(group: &str) -> Request {
    Request::get(
        Scope::Directory,
        format!(
            "groups/{}/members?$select=id,displayName,userPrincipalName,createdDateTime&$top=999",
            escape(group)
        ),
    )
    .cost(3)
}

fn member(row: &Value) -> Option<(String, Principal)> {
    let id = row["id"].as_str().map(str::to_lowercase)?;
    let kind = match row["@odata.type"].as_str() {
        Some("#microsoft.graph.group") => "groups",
        Some("#microsoft.graph.device") => "devices",
        Some("#microsoft.graph.servicePrincipal") => "service-principals",
        _ => "users",
    };
    let label = row["userPrincipalName"]
        .as_str()
        .or_else(|| row["displayName"].as_str())
        .unwrap_or(&id)
        .to_owned();
    Some((id, principal(kind, label, row)))
}

/// Members matter where a group gives a role or takes people out of a policy.
async fn members(
    client: &Client,
    raw: &mut Raw,
    groups: Vec<Value>,
    powerful: &BTreeSet<String>,
    people: &mut BTreeSet<String>,
) -> Result<Vec<Value>, Error> {
    let mut excluded = BTreeSet::new();
    for v in raw
        .collections
        .get(identity::CONDITIONAL_ACCESS_POLICIES)
        .map(|(_, v)| v.as_slice())
        .unwrap_or_default()
    {
        ids_in(&v["conditions"]["users"]["excludeGroups"], &mut excluded);
    }
    let mut out = Vec::new();
    for g in groups {
        let id = g["id"].as_str().unwrap_or_default().to_lowercase();
        let mut body = json!({"id": id});
        for key in [
            "displayName",
            "description",
            "isAssignableToRole",
            "isManagementRestricted",
            "membershipRule",
            "securityEnabled",
            "groupTypes",
            "visibility",
            "createdDateTime",
        ] {
            if let Some(v) = g.get(key).filter(|v| !v.is_null()) {
                body[key] = v.clone();
            }
        }
        if powerful.contains(&id) || excluded.contains(&id) {
            let mut ids = Vec::new();
            for (member, known) in
                client.list(&members_request(&id)).await?.iter().filter_map(member)
            {
                if powerful.contains(&id) && known.kind == "users" {
                    people.insert(member.clone());
                }
                raw.principals.entry(member.clone()).or_insert(known);
                ids.push(member);
            }
            body["members"] = ids.into();
        }
        out.push(body);
    }
    Ok(out)
}

fn ids_in(v: &Value, out: &mut BTreeSet<String>) {
    match v {
        Value::String(s) if is_guid(s) => {
            out.insert(s.to_lowercase());
        }
        Value::Array(rows) => rows.iter().for_each(|r| ids_in(r, out)),
        Value::Object(map) => map.values().for_each(|r| ids_in(r, out)),
        _ => {}
    }
}

/// The symbol and the id of the account for emergencies that an exceptions file names: by sign-in
/// name, by a group's name, or by the id of either.
///
/// # Errors
/// When the tenant has none, or several of that name, or it is a group that its own members may
/// open to others.
pub async fn find(client: &Client, who: &str) -> Result<(String, String), Error> {
    let none = || {
        Error::new(
            ErrorKind::NotFound,
            format!("the tenant has no {who}, whom the exceptions file names"),
        )
    };
    let id_of = |v: &Value| v["id"].as_str().map(str::to_owned).ok_or_else(none);
    if who.contains('@') || is_guid(who) {
        let user: Result<Value, Error> = client
            .json(&Request::get(
                Scope::Directory,
                format!("users/{}?$select=id,userPrincipalName", escape(who)),
            ))
            .await;
        match user {
            Ok(user) => {
                return Ok((
                    format!("@users/{}", user["userPrincipalName"].as_str().unwrap_or(who)),
                    id_of(&user)?,
                ));
            }
            Err(e) if e.kind == ErrorKind::NotFound && is_guid(who) => {}
            Err(e) if e.kind == ErrorKind::NotFound => return Err(none()),
            Err(e) => return Err(e),
        }
    }
    const GROUP: &str = "$select=id,displayName,securityEnabled,groupTypes";
    let found = if is_guid(who) {
        match client
            .json::<Value>(&Request::get(
                Scope::Directory,
                format!("groups/{}?{GROUP}", escape(who)),
            ))
            .await
        {
            Ok(group) => vec![group],
            Err(e) if e.kind == ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        }
    } else {
        let filter = escape(&format!("displayName eq '{}'", who.replace('\'', "''")));
        client
            .list(&Request::get(Scope::Directory, format!("groups?$filter={filter}&{GROUP}")))
            .await?
    };
    let group = match found.as_slice() {
        [one] => one,
        [] => return Err(none()),
        _ => {
            return Err(Error::new(
                ErrorKind::BadRequest,
                format!(
                    "the tenant has several groups named {who}, of which one may be an attacker's; \
                     let the exceptions file name the right one by its object id"
                ),
            ));
        }
    };
    let unified = group["groupTypes"]
        .as_array()
        .is_some_and(|t| t.iter().any(|t| t == "Unified" || t == "DynamicMembership"));
    if unified || group["securityEnabled"] == false {
        return Err(Error::new(
            ErrorKind::BadRequest,
            format!(
                "{who} is no security group with chosen members, so that others than \
                 administrators may join it; emergency accounts want one of their own"
            ),
        ));
    }
    Ok((format!("@groups/{}", group["displayName"].as_str().unwrap_or(who)), id_of(group)?))
}

/// Which of these people and groups the tenant has.
///
/// # Errors
/// When it cannot be told.
pub async fn alive(client: &Client, ids: &[String]) -> Result<BTreeSet<String>, Error> {
    let mut out = BTreeSet::new();
    for some in ids.chunks(IDS_MAX) {
        let body = json!({"ids": some, "types": ["user", "group", "servicePrincipal", "device"]});
        let rows = client
            .list(&Request::post(Scope::Directory, "directoryObjects/getByIds", &body).repeatable())
            .await?;
        out.extend(rows.iter().filter_map(|r| r["id"].as_str()).map(str::to_lowercase));
    }
    Ok(out)
}

/// Removes the application that asks from the tenant: its own service principal, with every consent
/// that it was given. It needs `Application.ReadWrite.OwnedBy`, and to be its own owner.
///
/// # Errors
/// When it may not, or is not there.
pub async fn remove_itself(client: &Client, application_id: &str) -> Result<(), Error> {
    let filter = escape(&format!("appId eq '{application_id}'"));
    let found = client
        .list(&Request::get(
            Scope::Directory,
            format!("servicePrincipals?$filter={filter}&$select=id,appId"),
        ))
        .await?;
    let own = found
        .iter()
        .find(|s| s["appId"].as_str().is_some_and(|a| a.eq_ignore_ascii_case(application_id)))
        .and_then(|s| s["id"].as_str());
    let id = own.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the tenant lists no service principal of this application")
    })?;
    client
        .send(&Request::delete(Scope::Directory, format!("servicePrincipals/{}", escape(id))))
        .await
        .map(drop)
}
