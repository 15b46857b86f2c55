//! The calls that make, change and take away one object.

use super::*;
use strongroom_model::collections::{devices, identity, roles};

pub(super) fn call(
    setter: &Settable,
    method: &'static str,
    target: String,
    body: Option<Value>,
) -> Call {
    Call { method, target, beta: setter.by.beta, body }
}

/// What is sent when an object is made: all but what is never written, and what calls of their own
/// set.
fn as_made(setter: &Settable, body: &Value) -> Value {
    let mut body = body.clone();
    if let Value::Object(map) = &mut body {
        map.retain(|k, _| {
            !setter.by.never.iter().any(|(f, _)| f == k)
                && !setter.by.follows.contains(&k.as_str())
                // Where it stands says so already.
                && !setter.by.target.contains(&format!("{{{k}}}"))
                && !setter.by.parts.iter().any(|p| p.property == k && !p.with_object)
        });
        if let Some(kind) = setter.by.kind {
            map.entry("@odata.type").or_insert_with(|| kind.into());
        }
    }
    body
}

/// What is sent to an object that is there.
fn as_changed(setter: &Settable, body: &Value) -> Value {
    let mut body = as_made(setter, body);
    if let Value::Object(map) = &mut body {
        map.retain(|k, _| {
            !setter.by.fixed.iter().any(|(f, _)| f == k)
                && !setter.by.parts.iter().any(|p| p.property == k)
        });
    }
    body
}

/// A row as it is sent: rows may not be told apart by an id that the snapshot does not hold.
fn row_of(property: &str, row: &Value) -> Value {
    match property {
        "assignments" => json!({"target": row["target"]}),
        _ => row.clone(),
    }
}

/// The calls that make a list of an object as it was. `there` is the object as it is, if it is.
fn part_calls(
    setter: &Settable,
    part: &Part,
    id: &str,
    wanted: &ConfigObject,
    there: Option<&ConfigObject>,
) -> Vec<Call> {
    let property = part.property;
    let w = rows(&wanted.body, property);
    let n = there.map(|t| rows(&t.body, property)).unwrap_or_default();
    let at = format!("{}/{id}", place(setter, wanted));
    let same = w.len() == n.len() && w.iter().all(|row| n.contains(row));
    if same || wanted.body[property].is_null() {
        return Vec::new();
    }
    let gone = w.iter().filter(|row| !n.contains(row));
    let mut calls = Vec::new();
    match part.how {
        PartSetMethod::Whole { action, within } => {
            let all: Vec<Value> = w.iter().map(|row| row_of(property, row)).collect();
            calls.push(call(setter, "POST", format!("{at}/{action}"), Some(json!({within: all}))));
        }
        PartSetMethod::References => {
            let name = |row: &&Value| row.as_str().map(str::to_owned);
            for who in gone.copied().filter_map(|row| name(&row)) {
                let link = format!("{{graph}}/v1.0/directoryObjects/{who}");
                let body = Some(json!({"@odata.id": link}));
                calls.push(call(setter, "POST", format!("{at}/{property}/$ref"), body));
            }
            for who in n.iter().filter(|row| !w.contains(row)).filter_map(name) {
                calls.push(call(setter, "DELETE", format!("{at}/{property}/{who}/$ref"), None));
            }
        }
        PartSetMethod::Object => {}
        PartSetMethod::Rows => {
            for row in gone {
                let body = Some(row_of(property, row));
                calls.push(call(setter, "POST", format!("{at}/{property}"), body));
            }
            let ids = there.map(|t| rows(&t.volatile[PART_IDS], property)).unwrap_or_default();
            for (_, row) in n.iter().zip(ids).filter(|(row, _)| !w.contains(row)) {
                if let Some(row) = row.as_str() {
                    calls.push(call(setter, "DELETE", format!("{at}/{property}/{row}"), None));
                }
            }
        }
    }
    calls
}

/// A policy that is to report at first.
pub(super) fn reporting(
    setter: &Settable,
    options: &SettingsRestoreOptions,
    mut body: Value,
) -> Value {
    if options.report_only
        && setter.row.name == identity::CONDITIONAL_ACCESS_POLICIES
        && body["state"] == "enabled"
    {
        body["state"] = "enabledForReportingButNotEnforced".into();
    }
    body
}

/// A strength is shown whole within a policy, and given by its id.
pub(super) fn sent(mut body: Value) -> Value {
    if let Some(strength) = body.pointer_mut("/grantControls/authenticationStrength")
        && let Some(id) = strength.get("id").cloned()
    {
        *strength = json!({"id": id});
    }
    body
}

const COMPLIANCE: &str = devices::COMPLIANCE_POLICIES;
const ACTIONS: &str = "scheduledActionsForRule";
const BLOCKS_AT_ONCE: &str = "a device that fails it is marked at once; what else shall follow, \
                              and when, is set in Intune";

/// What Intune gives each compliance policy by itself, and asks for when one is made by Graph:
/// "one and only one block scheduled action" (deviceComplianceActionItem). For snapshots of older
/// programs, which did not ask for the actions.
fn block_at_once() -> Value {
    json!([{"ruleName": "PasswordRequired", "scheduledActionConfigurations": [
        {"actionType": "block", "gracePeriodHours": 0, "notificationTemplateId": "",
            "notificationMessageCCList": []}]}])
}

pub(super) fn create(
    setter: &Settable,
    o: &ConfigObject,
    options: &SettingsRestoreOptions,
    plan: &mut SettingsRestorePlan,
) {
    let at = format!("{}/{}", setter.row.name, o.name);
    let body = sent(reporting(setter, options, as_made(setter, &o.body)));
    let mut new = match setter.by.how {
        SetMethod::Many | SetMethod::Wholes | SetMethod::Given => {
            // A domain or a code is known by a name of its own.
            let mut body = body;
            if setter.by.keeps_id {
                body["id"] = o.id.clone().into();
            }
            // It will sign in with another id, so that it cannot be called by the old one.
            if setter.row.name == REGISTRATIONS
                && let Some(uris) = body.get_mut("identifierUris").and_then(Value::as_array_mut)
            {
                uris.retain(|u| !u.as_str().is_some_and(|u| u.contains(APPLICATIONS)));
            }
            if setter.row.name == COMPLIANCE && body.get(ACTIONS).is_none() {
                body[ACTIONS] = block_at_once();
                plan.cannot.push((format!("{at}: {ACTIONS}"), BLOCKS_AT_ONCE.to_owned()));
            }
            let mut calls = vec![call(setter, "POST", place(setter, o), Some(body))];
            for part in setter.by.parts.iter().filter(|p| !p.with_object) {
                calls.extend(part_calls(setter, part, MADE, o, None));
            }
            act(setter, o, Verb::Create, calls, vec![])
        }
        SetMethod::Requests => act(
            setter,
            o,
            Verb::Create,
            vec![request(setter, setter.by.target, o, "adminAssign")],
            vec![],
        ),
        // Who is in it then is seen when it is back.
        SetMethod::Members if setter.by.undelete.is_some() => {
            Act { later: once_seen(setter, o), ..act(setter, o, Verb::Create, vec![], vec![]) }
        }
        _ => {
            return plan.cannot.push((
                at,
                "what is gone is not made anew by Graph; an administrator gives it in person"
                    .to_owned(),
            ));
        }
    };
    if let Some(why) = setter.by.unmakeable {
        return plan.cannot.push((at, why.to_owned()));
    }
    // What is had back comes as it was, and at work: a policy that is to report first is made anew
    // instead.
    let at_work = options.report_only && setter.row.name == identity::CONDITIONAL_ACCESS_POLICIES;
    if let Some(template) = setter.by.undelete.filter(|_| !o.id.is_empty() && !at_work) {
        new.undelete = Some(call(setter, "POST", template.replace("{id}", &o.id), None));
        // It may have been changed before it was deleted.
        new.then = (setter.by.how == SetMethod::Many).then(|| {
            call(
                setter,
                "PATCH",
                format!("{}/{}", setter.by.target, o.id),
                Some(sent(as_changed(setter, &o.body))),
            )
        });
    }
    for (property, why) in
        setter.by.never.iter().filter(|(p, _)| o.body[*p].as_array().is_some_and(|a| !a.is_empty()))
    {
        plan.cannot.push((format!("{at}: {property}"), (*why).to_owned()));
    }
    plan.acts.push(new);
}

/// Gives a role as it was given: through Privileged Identity Management where that knew it,
/// directly otherwise, and not at all where it was for some hours.
pub(super) fn assign(
    setter: &Settable,
    o: &ConfigObject,
    wanted: &Configuration,
    now: &Configuration,
    plan: &mut SettingsRestorePlan,
) {
    let at = format!("{}/{}", setter.row.name, o.name);
    let same = |s: &&ConfigObject| {
        ["principalId", "roleDefinitionId", "directoryScopeId"]
            .iter()
            .all(|k| s.body[*k] == o.body[*k])
    };
    let direct = || call(setter, "POST", setter.by.target.to_owned(), Some(o.body.clone()));
    let calls = match wanted.collections.get(roles::ACTIVE_SCHEDULES) {
        Some(c) if c.state.is_unlicensed() => vec![direct()],
        Some(c) if c.state.has_objects() => match c.objects.iter().find(same) {
            Some(s) if s.body["assignmentType"] == "Activated" => {
                return plan.cannot.push((
                    at,
                    "it was active for some hours; who may have it \
                    activates it again"
                        .to_owned(),
                ));
            }
            Some(s) if ended(s, now.taken) => {
                return plan.cannot.push((
                    at,
                    "it was given for a \
                time that is over"
                        .to_owned(),
                ));
            }
            Some(s) if s.body["scheduleInfo"]["startDateTime"].is_string() => {
                vec![request(setter, SCHEDULE_REQUESTS, s, "adminAssign")]
            }
            _ => vec![direct()],
        },
        _ => {
            return plan.cannot.push((
                at,
                "it is not known whether it was given for good: the \
            snapshot has not seen the schedules of roles"
                    .to_owned(),
            ));
        }
    };
    plan.acts.push(act(setter, o, Verb::Create, calls, vec![]));
}

/// Whether what was given had an end that is past.
pub(super) fn ended(schedule: &ConfigObject, now: jiff::Timestamp) -> bool {
    let end = schedule.body["scheduleInfo"]["expiration"]["endDateTime"].as_str();
    end.and_then(|t| t.parse::<jiff::Timestamp>().ok()).is_some_and(|end| end <= now)
}

pub(super) fn request(setter: &Settable, target: &str, o: &ConfigObject, action: &str) -> Call {
    let mut body = json!({"action": action, "justification": "restored from a snapshot"});
    for key in ["principalId", "roleDefinitionId", "directoryScopeId"] {
        body[key] = o.body[key].clone();
    }
    if action == "adminAssign" {
        body["scheduleInfo"] = o.body["scheduleInfo"].clone();
        // It starts now.
        body["scheduleInfo"].as_object_mut().map(|m| m.remove("startDateTime"));
    }
    call(setter, "POST", target.to_owned(), Some(body))
}

/// Top-level properties that differ, as they should be.
pub(super) fn difference(wanted: &Value, now: &Value) -> Map<String, Value> {
    let empty = Map::new();
    let (w, n) = (wanted.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
    let keys: BTreeSet<&String> = w.keys().chain(n.keys()).collect();
    keys.into_iter()
        .filter(|k| w.get(*k) != n.get(*k))
        .map(|k| (k.clone(), w.get(k).cloned().unwrap_or(Value::Null)))
        .collect()
}

pub(super) fn rows<'v>(v: &'v Value, path: &str) -> Vec<&'v Value> {
    path.split('.').fold(v, |v, p| &v[p]).as_array().into_iter().flatten().collect()
}

pub(super) fn update(
    setter: &Settable,
    o: &ConfigObject,
    there: &ConfigObject,
    options: &SettingsRestoreOptions,
    plan: &mut SettingsRestorePlan,
) {
    let at = format!("{}/{}", setter.row.name, o.name);
    let mut differs = difference(&o.body, &there.body);
    let id = if there.id.is_empty() { there.name.clone() } else { there.id.clone() };
    let mut calls = Vec::new();
    let mut properties: Vec<String> = differs.keys().cloned().collect();
    match setter.by.how {
        SetMethod::Methods => {
            differs.remove("authenticationMethodConfigurations");
            for row in rows(&o.body, "authenticationMethodConfigurations") {
                let same = rows(&there.body, "authenticationMethodConfigurations").contains(&row);
                if let (false, Some(id)) = (same, row["id"].as_str()) {
                    let mut body = row.clone();
                    body.as_object_mut().map(|m| m.remove("id"));
                    calls.push(call(
                        setter,
                        "PATCH",
                        format!("{}/authenticationMethodConfigurations/{id}", setter.by.target),
                        Some(body),
                    ));
                    properties.push(format!("method {id}"));
                }
            }
            properties.retain(|p| p != "authenticationMethodConfigurations");
        }
        SetMethod::Rules => {
            differs.clear();
            let policy = there.volatile["policyId"].as_str().unwrap_or_default();
            for row in rows(&o.body, "policy.rules") {
                if let (false, Some(id)) =
                    (rows(&there.body, "policy.rules").contains(&row), row["id"].as_str())
                {
                    calls.push(call(
                        setter,
                        "PATCH",
                        format!("{}/{policy}/rules/{id}", setter.by.target),
                        Some(row.clone()),
                    ));
                }
            }
        }
        SetMethod::Members => {
            differs.remove("members");
            let names = |v: &ConfigObject| -> BTreeSet<String> {
                rows(&v.body, "members")
                    .iter()
                    .filter_map(|m| m.as_str())
                    .map(str::to_owned)
                    .collect()
            };
            let (w, n) = (names(o), names(there));
            for gone in w.difference(&n) {
                calls.push(call(
                    setter,
                    "POST",
                    format!("groups/{id}/members/$ref"),
                    Some(json!({"@odata.id": format!("{{graph}}/v1.0/directoryObjects/{gone}")})),
                ));
            }
            for added in n.difference(&w) {
                calls.push(call(
                    setter,
                    "DELETE",
                    format!("groups/{id}/members/{added}/$ref"),
                    None,
                ));
            }
        }
        _ => {}
    }
    for part in setter.by.parts {
        if part.how == PartSetMethod::Object {
            // A snapshot of an older program says nothing of it.
            if o.body[part.property].is_null() {
                differs.remove(part.property);
                properties.retain(|p| p != part.property);
            }
            continue;
        }
        // Nor of these.
        if differs.remove(part.property).is_none() {
            continue;
        }
        let some = part_calls(setter, part, &id, o, Some(there));
        if some.is_empty() {
            properties.retain(|p| p != part.property);
        }
        calls.extend(some);
    }
    for property in setter.by.follows {
        differs.remove(*property);
        properties.retain(|p| p != property);
    }
    for (property, why) in setter.by.fixed.iter().chain(setter.by.never) {
        if differs.remove(*property).is_some() {
            properties.retain(|p| p != property);
            plan.cannot.push((format!("{at}: {property}"), (*why).to_owned()));
        }
    }
    // A secret that was added can be taken away again; a certificate's key cannot be told from a
    // secret's where there are both.
    let (w, n) = (keys_of(o), keys_of(there));
    let added: Vec<&String> = n.difference(&w).collect();
    if !added.is_empty() {
        if rows(&there.body, "keyCredentials").is_empty()
            || there.body["keyCredentials"] == o.body["keyCredentials"]
                && !rows(&there.body, "passwordCredentials").is_empty()
        {
            let body = |key: &String| Some(json!({"keyId": key}));
            calls.extend(added.into_iter().map(|key| {
                call(setter, "POST", format!("{}/{id}/removePassword", setter.by.target), body(key))
            }));
            properties.push("passwordCredentials (what was added goes)".to_owned());
            plan.cannot.retain(|(what, _)| {
                *what != format!("{at}: passwordCredentials") || w.difference(&n).next().is_some()
            });
        } else {
            plan.cannot.push((
                format!("{at}: credentials"),
                "one took another's place; look at them and remove what nobody knows".to_owned(),
            ));
        }
    }
    if !differs.is_empty() {
        // What is replaced whole takes the whole object.
        match setter.by.how {
            SetMethod::Replaced => differs = o.body.as_object().cloned().unwrap_or_default(),
            SetMethod::Wholes => {
                let mut whole = as_made(setter, &o.body);
                // What a snapshot of an older program does not say stays.
                for part in setter.by.parts.iter().filter(|p| p.how == PartSetMethod::Object) {
                    if whole[part.property].is_null() {
                        whole[part.property] = there.body[part.property].clone();
                    }
                }
                differs = whole.as_object().cloned().unwrap_or_default();
            }
            _ => {}
        }
        let mut body = sent(reporting(setter, options, Value::Object(differs)));
        let kind = setter.by.kind.map(Value::from);
        if let Some(kind) = o.body.get("@odata.type").cloned().or(kind) {
            body["@odata.type"] = kind;
        }
        let target = match setter.by.how {
            SetMethod::One | SetMethod::Replaced | SetMethod::Methods => {
                setter.by.target.to_owned()
            }
            _ => format!("{}/{id}", place(setter, o)),
        };
        match setter.by.how {
            SetMethod::Given | SetMethod::DeleteOnly | SetMethod::Requests => {
                return plan.cannot.push((
                    at,
                    "what is given is not changed; remove it and give it anew".to_owned(),
                ));
            }
            SetMethod::Replaced | SetMethod::Wholes => {
                calls.push(call(setter, "PUT", target, Some(body)))
            }
            _ => calls.push(call(setter, "PATCH", target, Some(body))),
        }
    }
    if !calls.is_empty() {
        plan.acts.push(act(setter, o, Verb::Update, calls, properties));
    }
}

pub(super) fn keys_of(o: &ConfigObject) -> BTreeSet<String> {
    rows(&o.volatile, "keyIds").iter().filter_map(|k| k.as_str()).map(str::to_owned).collect()
}

/// Where an object's list stands, which may be below another object that it names.
fn place(setter: &Settable, o: &ConfigObject) -> String {
    let Some((before, rest)) = setter.by.target.split_once('{') else {
        return setter.by.target.to_owned();
    };
    let (property, after) = rest.split_once('}').unwrap_or((rest, ""));
    format!("{before}{}{after}", o.body[property].as_str().unwrap_or_default())
}

pub(super) fn remove(setter: &Settable, o: &ConfigObject) -> Vec<Act> {
    let id = if o.id.is_empty() { o.name.clone() } else { o.id.clone() };
    let target = format!("{}/{id}", place(setter, o));
    let calls = match setter.by.how {
        SetMethod::Requests => vec![request(setter, setter.by.target, o, "adminRemove")],
        SetMethod::One
        | SetMethod::Replaced
        | SetMethod::OneById
        | SetMethod::Methods
        | SetMethod::Rules
        | SetMethod::Members => {
            return Vec::new();
        }
        _ => vec![call(setter, "DELETE", target, None)],
    };
    vec![act(setter, o, Verb::Delete, calls, vec![])]
}
