//! Putting settings back: a plan first, that changes nothing and says what it would do; then call
//! after call, what others stand on first, and what was added since last of all.

mod acts;
mod steps;

pub use self::steps::PlannedCall;
use self::{acts::*, steps::once_seen};
use super::Error;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use strongroom_model::{
    ConfigObject, Configuration, Progress,
    collections::{applications, devices, directory, identity, roles},
    is_principal,
};
use strongroom_settings::{
    Back, PART_IDS, Part, PartSetMethod, SetMethod, Settable, row, setters, symbol_kind,
};
use strongroom_workloads::{
    Client, ErrorKind,
    configuration::{Call, CallResult, MADE, carry_out},
};

const APPLICATIONS: &str = "@applications/";
const REGISTRATIONS: &str = applications::REGISTRATIONS;
const ASSIGNMENTS: &str = roles::ASSIGNMENTS;
const SCHEDULE_REQUESTS: &str = "roleManagement/directory/roleAssignmentScheduleRequests";
const DEFAULTS: &str = identity::SECURITY_DEFAULTS;
const DOMAINS: &str = directory::DOMAINS;
const FEDERATION: &str = directory::FEDERATION;
const GROUPS: &str = directory::REFERENCED_GROUPS;
const POLICIES: &str = identity::CONDITIONAL_ACCESS_POLICIES;

const NOBODY: &str = "which the tenant does not have, or which is another now";

/// What to put back, and how.
#[derive(Debug, Clone, Default)]
pub struct SettingsRestoreOptions {
    /// Collections, or objects as `collection/name`; everything when empty.
    pub chosen: Vec<String>,
    /// Remove what was added since.
    pub remove_added: bool,
    /// Ids of our own applications: what they may do is left alone, or the writer would cut off the
    /// branch on which it sits.
    pub own: Vec<String>,
    /// Conditional Access policies that are made or switched on only report at first.
    pub report_only: bool,
    /// Ids of people and groups of the snapshot that the tenant still has, although its settings do
    /// not name them now.
    pub alive: BTreeSet<String>,
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It was deleted, and is had back or made anew.
    Create,
    /// Some of its settings are set.
    Update,
    /// It was added since, and goes.
    Delete,
}

/// What is done to one object.
#[derive(Debug, Clone, Serialize)]
pub struct Act {
    /// The collection.
    pub collection: String,
    /// The object.
    pub object: String,
    /// What is done.
    pub verb: Verb,
    /// Settings that are set.
    pub properties: Vec<String>,
    /// An undelete to try before the first call.
    #[serde(skip)]
    undelete: Option<Call>,
    #[serde(skip)]
    then: Option<Call>,
    #[serde(skip)]
    calls: Vec<Call>,
    /// Calls that may follow, and when: what is seen only when the rest is done.
    #[serde(skip)]
    later: Vec<(Call, &'static str)>,
    /// Every call that may be made for it, in order: what somebody approves.
    #[serde(rename = "calls")]
    pub steps: Vec<PlannedCall>,
    /// The symbol that others know it by, once it exists.
    #[serde(skip)]
    symbol: String,
}

/// What would be done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SettingsRestorePlan {
    /// In order.
    pub acts: Vec<Act>,
    /// What cannot be set, and why.
    pub cannot: Vec<(String, String)>,
    /// What was added since and stays, unless it is to be removed.
    pub added: Vec<String>,
    /// Application permissions that it takes.
    pub needs: BTreeSet<&'static str>,
    #[serde(skip)]
    alive: BTreeSet<String>,
}

/// What became of an act.
#[derive(Debug, Clone, Serialize)]
pub struct ActOutcome {
    /// Collection and object.
    pub object: String,
    /// Empty when it was done.
    pub failed: String,
    /// Whether a second administrator must approve it first.
    pub waits_for_approval: bool,
}

/// People, groups and applications that a snapshot names and of whom it is not known whether the
/// tenant has them still.
pub fn unknown_principals(wanted: &Configuration, now: &Configuration) -> Vec<String> {
    let known: BTreeSet<String> = now.references.values().map(|id| id.to_lowercase()).collect();
    let named = wanted
        .references
        .iter()
        .filter(|(symbol, id)| is_principal(symbol) && !known.contains(&id.to_lowercase()));
    named.map(|(_, id)| id.clone()).collect()
}

/// What is wanted without the people whom the tenant does not have any more in lists of whom
/// policies leave out: nobody is less protected by that. Groups may be had back. Answers too whom
/// each policy left out.
fn without_the_dead(
    wanted: &Configuration,
    now: &Configuration,
    alive: &BTreeSet<String>,
) -> (Configuration, Vec<(String, String)>) {
    let map = symbols(wanted, now, alive);
    let dead = |s: &str| {
        s.starts_with("@users/") && wanted.references.contains_key(s) && !map.contains_key(s)
    };
    let (mut out, mut said) = (wanted.clone(), Vec::new());
    for o in out.collections.get_mut(POLICIES).into_iter().flat_map(|c| &mut c.objects) {
        let users = o.body.pointer_mut("/conditions/users").and_then(Value::as_object_mut);
        for list in users
            .into_iter()
            .flatten()
            .filter(|(k, _)| k.starts_with("exclude"))
            .filter_map(|(_, v)| v.as_array_mut())
        {
            for gone in list.iter().filter_map(Value::as_str).filter(|s| dead(s)) {
                said.push((o.name.clone(), gone.to_owned()));
            }
            list.retain(|v| !v.as_str().is_some_and(dead));
        }
    }
    (out, said)
}

impl SettingsRestoreOptions {
    /// The same, in which what is chosen may be called as the tenant calls it now or as the
    /// snapshot does.
    #[must_use]
    pub fn told(&self, now: &Configuration, wanted: &Configuration) -> Self {
        let words = now.names_in(wanted);
        let retold = |c: &String| {
            c.match_indices('/')
                .nth(1)
                .map(|(at, _)| format!("{}/{}", &c[..at], words.name(&c[..at], &c[at + 1..])))
        };
        let more: Vec<String> =
            self.chosen.iter().filter_map(retold).filter(|c| !self.chosen.contains(c)).collect();
        Self { chosen: self.chosen.iter().cloned().chain(more).collect(), ..self.clone() }
    }

    /// Whether an object is among those that were chosen.
    pub fn takes(&self, collection: &str, object: &str) -> bool {
        self.chosen.is_empty()
            || self.chosen.iter().any(|c| c == collection || *c == format!("{collection}/{object}"))
    }
}

/// Whether settings have this collection, or this object as `collection/name`.
pub fn has(settings: &Configuration, chosen: &str) -> bool {
    settings.collections.iter().any(|(name, collection)| {
        let rest = chosen.strip_prefix(name.as_str());
        rest == Some("")
            || rest
                .and_then(|r| r.strip_prefix('/'))
                .is_some_and(|object| collection.objects.iter().any(|o| o.name == object))
    })
}

/// Plans how `now` becomes as `wanted`.
///
/// # Errors
/// When something is chosen that neither holds.
pub fn plan(
    wanted: &Configuration,
    now: &Configuration,
    options: &SettingsRestoreOptions,
) -> Result<SettingsRestorePlan, Error> {
    for c in &options.chosen {
        if !has(wanted, c) && !has(now, c) {
            return Err(Error::Request(
                format!(
                    "neither the snapshot nor the tenant has {c:?}; `strongroom tenant diff` names \
                 objects as collection/name"
                )
                .into(),
            ));
        }
    }
    let options = &options.told(now, wanted);
    let words = now.names_in(wanted);
    let there = now.application_symbols(&options.own);
    let ours: Vec<String> = there
        .iter()
        .map(|s| words.symbol(s).to_owned())
        .chain(wanted.application_symbols(&options.own))
        .collect();
    let is_ours = |o: &ConfigObject| {
        o.body["application"].as_str().is_some_and(|a| ours.iter().any(|s| s == a))
    };
    let now = &now.with_names_of(wanted);
    let (wanted, dead) = without_the_dead(wanted, now, &options.alive);
    let wanted = &wanted;
    let mut plan =
        SettingsRestorePlan { alive: options.alive.clone(), ..SettingsRestorePlan::default() };
    let mut removals = Vec::new();
    for setter in setters() {
        let (Some(w), Some(n)) =
            (wanted.collections.get(setter.row.name), now.collections.get(setter.row.name))
        else {
            continue;
        };
        if !w.state.has_objects() || !n.state.is_collected() {
            let why = if n.state.is_collected() { w.state.lack() } else { n.state.lack() };
            plan.cannot.push((setter.row.name.to_owned(), why));
            continue;
        }
        let by_name = |objects: &'_ [ConfigObject]| -> BTreeMap<String, ConfigObject> {
            objects.iter().map(|o| (o.name.clone(), o.clone())).collect()
        };
        let before = by_name(&w.objects);
        let after = if matches!(
            setter.by.how,
            SetMethod::Given | SetMethod::DeleteOnly | SetMethod::Requests
        ) {
            by_what_is_given(&w.objects, &n.objects)
        } else {
            by_name(&n.objects)
        };
        for (name, o) in before.iter().filter(|(name, _)| options.takes(setter.row.name, name)) {
            let there = after.get(name);
            if setter.by.how == SetMethod::Members
                && there.is_none()
                && options.alive.contains(&o.id.to_lowercase())
            {
                // Its members are seen, and set, once settings name it again.
                let unseen = vec!["who is in it, once settings name it again".to_owned()];
                let later = once_seen(setter, o);
                plan.acts.push(Act { later, ..act(setter, o, Verb::Update, vec![], unseen) });
                continue;
            }
            match there {
                None if setter.row.name == ASSIGNMENTS => assign(setter, o, wanted, now, &mut plan),
                None => create(setter, o, options, &mut plan),
                Some(there)
                    if there.body != o.body || there.volatile["keyIds"] != o.volatile["keyIds"] =>
                {
                    update(setter, o, there, options, &mut plan)
                }
                Some(_) => {}
            }
        }
        for (name, o) in after
            .iter()
            .filter(|(name, _)| !before.contains_key(*name) && options.takes(setter.row.name, name))
        {
            // Groups and people come into sight because a setting names them: they were not made by
            // that.
            if setter.by.how == SetMethod::Members || is_ours(o) {
                continue;
            }
            // Who was deleted is known by the id alone: nothing was added.
            let then = wanted.before_they_were_deleted(setter.row.name, o);
            if then.is_some_and(|then| !after.contains_key(&then.name)) {
                continue;
            }
            if !options.remove_added {
                plan.added.push(format!("{}/{name}", setter.row.name));
                continue;
            }
            removals.extend(remove(setter, o));
        }
    }
    for (policy, gone) in dead.into_iter().filter(|(policy, _)| {
        plan.acts.iter().any(|a| a.collection == POLICIES && a.object == *policy)
    }) {
        plan.cannot.push((
            format!("{POLICIES}/{policy}: exclusions"),
            format!("it left out {gone}, whom the tenant does not have any more"),
        ));
    }
    for (collection, w) in
        wanted.collections.iter().filter(|(c, _)| row(c).is_none_or(|r| r.setter().is_none()))
    {
        let Some(n) = now
            .collections
            .get(collection)
            .filter(|n| n.state.is_collected() && w.state.has_objects())
        else {
            continue;
        };
        let names: BTreeSet<&String> =
            w.objects.iter().chain(&n.objects).map(|o| &o.name).collect();
        for name in names.into_iter().filter(|name| options.takes(collection, name)) {
            if wanted.object(collection, name).map(|o| &o.body)
                != now.object(collection, name).map(|o| &o.body)
            {
                plan.cannot
                    .push((format!("{collection}/{name}"), unsettable(collection).to_owned()));
            }
        }
    }
    // Graph refuses policies that are on while security defaults are: what goes off goes off first.
    if wanted.object(DEFAULTS, "security-defaults").is_some_and(|o| o.body["isEnabled"] == false)
        && let Some(at) = plan.acts.iter().position(|a| a.collection == DEFAULTS)
    {
        let off = plan.acts.remove(at);
        plan.acts.insert(0, off);
        let after = plan.outcome(wanted, now, options);
        let policies =
            after.collections.get(POLICIES).map(|c| c.objects.as_slice()).unwrap_or_default();
        if !policies.iter().any(|p| p.body["state"] == "enabled") {
            plan.acts.remove(0);
            plan.cannot.push((
                format!("{DEFAULTS}/security-defaults"),
                "they stay on: no policy that is on would take their place".to_owned(),
            ));
        }
    }
    removals.reverse();
    plan.acts.extend(removals);
    plan.drop_what_names_nobody(wanted, now);
    plan.name_defaults_back();
    plan.name_steps(wanted, now);
    plan.needs = plan.acts.iter().filter_map(permission).collect();
    // Who gives an owner must see whom it gives.
    if plan.acts.iter().flat_map(|a| &a.calls).any(|c| c.target.ends_with("/owners/$ref")) {
        plan.needs.insert("Directory.Read.All");
    }
    Ok(plan)
}

/// What is given is known by what it is, whatever it is called: names of two applications may be
/// the same.
fn by_what_is_given(
    wanted: &[ConfigObject],
    now: &[ConfigObject],
) -> BTreeMap<String, ConfigObject> {
    let mut out: BTreeMap<String, ConfigObject> = BTreeMap::new();
    let (same, others): (Vec<_>, Vec<_>) = now
        .iter()
        .map(|o| (o, wanted.iter().find(|w| w.body == o.body)))
        .partition(|(_, w)| w.is_some());
    out.extend(same.into_iter().filter_map(|(o, w)| Some((w?.name.clone(), o.clone()))));
    for (o, _) in others {
        let mut name = o.name.clone();
        while out.contains_key(&name) {
            name.push_str(" (another)");
        }
        out.insert(name, o.clone());
    }
    out
}

/// What an act needs.
fn permission(a: &Act) -> Option<&'static str> {
    if a.calls.iter().any(|c| c.target == SCHEDULE_REQUESTS) {
        return Some("RoleAssignmentSchedule.ReadWrite.Directory");
    }
    row(&a.collection)?.setter().map(|s| s.permission)
}

/// Why a kind of object is not set.
fn unsettable(collection: &str) -> &'static str {
    match row(collection).map(|r| &r.setter) {
        Some(Back::Not(why)) => why,
        _ => "this program does not set it; set it by hand as the snapshot's file says",
    }
}

fn act(
    setter: &Settable,
    o: &ConfigObject,
    verb: Verb,
    calls: Vec<Call>,
    properties: Vec<String>,
) -> Act {
    let symbol = format!("@{}/{}", symbol_kind(setter.row.name), o.name);
    Act {
        collection: setter.row.name.to_owned(),
        object: o.name.clone(),
        verb,
        properties,
        undelete: None,
        then: None,
        calls,
        later: Vec::new(),
        steps: Vec::new(),
        symbol,
    }
}

impl SettingsRestorePlan {
    /// Objects that are looked at again when the rest is done: they come into sight by it.
    pub fn looked_at_again(&self) -> Vec<String> {
        // A group that is had back may have another in it than when the snapshot was made.
        let again = |a: &&Act| {
            a.verb == Verb::Update && a.calls.is_empty() && !a.later.is_empty()
                || a.verb == Verb::Create && a.collection == GROUPS
        };
        self.acts.iter().filter(again).map(|a| format!("{}/{}", a.collection, a.object)).collect()
    }

    /// What names something that the tenant has not, and that no act before it makes, cannot be
    /// done: better said now than half-way.
    fn drop_what_names_nobody(&mut self, wanted: &Configuration, now: &Configuration) {
        let mut map = symbols(wanted, now, &self.alive);
        let acts = std::mem::take(&mut self.acts);
        for mut a in acts {
            let at = format!("{}/{}", a.collection, a.object);
            // What is had back has the id that it had.
            if a.undelete.is_some() {
                map.entry(a.symbol.clone()).or_default();
            }
            let unknown = |c: &Call| {
                let body = c.body.as_ref().and_then(|b| resolve(b, &map).err());
                body.or_else(|| resolve_text(&c.target, &map).err())
            };
            let bad: Vec<String> = a.calls.iter().chain(&a.then).filter_map(unknown).collect();
            // Members, methods and rules are set one by one: one that names nobody keeps the others
            // from nothing.
            let apart = row(&a.collection).and_then(|r| r.setter()).is_some_and(|s| {
                matches!(s.how, SetMethod::Members | SetMethod::Methods | SetMethod::Rules)
                    || !s.parts.is_empty()
            });
            let had = !a.calls.is_empty();
            // What cannot be made has no lists either.
            let unmade =
                a.verb == Verb::Create && a.calls.first().is_some_and(|c| unknown(c).is_some());
            a.calls.retain(|c| unknown(c).is_none());
            self.cannot
                .extend(bad.iter().map(|who| (at.clone(), format!("it names {who}, {NOBODY}"))));
            if !bad.is_empty() && (!apart || unmade || had && a.calls.is_empty()) {
                continue;
            }
            if a.verb == Verb::Create {
                map.entry(a.symbol.clone()).or_default();
            }
            self.acts.push(a);
        }
    }

    /// How the tenant would be, as far as the plan reaches: what a guard against lock-out looks at
    /// before anything is done.
    pub fn outcome(
        &self,
        wanted: &Configuration,
        now: &Configuration,
        options: &SettingsRestoreOptions,
    ) -> Configuration {
        let now = &now.with_names_of(wanted);
        let (wanted, _) = without_the_dead(wanted, now, &self.alive);
        let mut after = now.clone();
        // What a policy names is called as in the snapshot from then on.
        for (symbol, id) in wanted.references.iter().filter(|(symbol, _)| is_principal(symbol)) {
            after.references.entry(symbol.clone()).or_insert_with(|| id.clone());
        }
        // What goes makes room for what bears its name.
        let (gone, made): (Vec<&Act>, Vec<&Act>) =
            self.acts.iter().partition(|a| a.verb == Verb::Delete);
        for a in gone.into_iter().chain(made) {
            // Without its federation a domain is Microsoft's to sign in again.
            let domain = now
                .object(&a.collection, &a.object)
                .filter(|_| a.collection == FEDERATION)
                .map(|o| o.body["domain"].clone());
            for d in after.collections.get_mut(DOMAINS).into_iter().flat_map(|c| &mut c.objects) {
                if domain.as_ref().is_some_and(|domain| *domain == d.name.as_str()) {
                    d.body["authenticationType"] = "Managed".into();
                }
            }
            let Some(c) = after.collections.get_mut(&a.collection) else { continue };
            c.objects.retain(|o| o.name != a.object);
            if let (Verb::Create | Verb::Update, Some(o)) =
                (a.verb, wanted.object(&a.collection, &a.object))
            {
                let mut o = o.clone();
                let there = now.object(&a.collection, &a.object).filter(|_| a.verb == Verb::Update);
                if let Some(setter) = setters().iter().find(|s| s.row.name == a.collection) {
                    // What is on already is not told to report: its state is not sent.
                    if there.is_none_or(|t| t.body["state"] != o.body["state"]) {
                        o.body = reporting(setter, options, o.body);
                    }
                    let stays = setter.by.fixed.iter().chain(setter.by.never);
                    for (fixed, _) in stays.filter(|_| there.is_some()) {
                        o.body[*fixed] = there.map(|t| t.body[*fixed].clone()).unwrap_or_default();
                    }
                }
                c.objects.push(o);
            }
        }
        after
    }
}

/// Symbols and the ids that they stand for.
fn symbols(
    wanted: &Configuration,
    now: &Configuration,
    alive: &BTreeSet<String>,
) -> HashMap<String, String> {
    // What the tenant says now counts; what is not named any more had its id at the time of the
    // snapshot.
    let mut map: HashMap<String, String> = wanted
        .references
        .iter()
        .chain(&now.references)
        .map(|(s, id)| (s.clone(), id.clone()))
        .collect();
    for collection in [
        directory::REFERENCED_GROUPS,
        directory::PRIVILEGED_USERS,
        identity::NAMED_LOCATIONS,
        identity::AUTHENTICATION_STRENGTHS,
        applications::SERVICE_PRINCIPALS,
        directory::ADMINISTRATIVE_UNITS,
        devices::FILTERS,
        devices::ROLES,
    ] {
        for o in now.collections.get(collection).map(|c| c.objects.as_slice()).unwrap_or_default() {
            map.insert(format!("@{}/{}", symbol_kind(collection), o.name), o.id.clone());
        }
    }
    // Settings name an application by the id that it signs in with.
    map.retain(|symbol, _| !symbol.starts_with(APPLICATIONS));
    map.extend(
        now.collections
            .get(REGISTRATIONS)
            .into_iter()
            .flat_map(|c| &c.objects)
            .filter_map(|o| Some((format!("{APPLICATIONS}{}", o.name), app_id(o)?))),
    );
    // People and groups are meant themselves, or nobody is.
    let known: BTreeSet<String> =
        now.references.values().map(|id| id.to_lowercase()).chain(alive.iter().cloned()).collect();
    for (symbol, id) in wanted.references.iter().filter(|(symbol, _)| is_principal(symbol)) {
        match known.contains(&id.to_lowercase()) {
            true => map.insert(symbol.clone(), id.clone()),
            false => map.remove(symbol),
        };
    }
    map
}

fn app_id(o: &ConfigObject) -> Option<String> {
    o.volatile["appId"].as_str().map(str::to_owned)
}

/// A text with ids in the place of symbols; the symbol that nobody knows, otherwise.
fn resolve_text(text: &str, map: &HashMap<String, String>) -> Result<String, String> {
    let Some(at) = text
        .find('@')
        .filter(|at| text[*at..].contains('/') && (*at == 0 || text.as_bytes()[at - 1] == b'/'))
    else {
        return Ok(text.to_owned());
    };
    let (before, rest) = text.split_at(at);
    // A text that is a symbol and nothing else means just that one.
    if before.is_empty() && is_principal(rest) {
        return map.get(rest).cloned().ok_or_else(|| rest.to_owned());
    }
    // The longest symbol that fits: names may hold anything.
    let known = map.keys().filter(|s| rest.starts_with(s.as_str())).max_by_key(|s| s.len());
    match known {
        Some(s) => Ok(format!("{before}{}{}", map[s], &rest[s.len()..])),
        None => Err(rest.to_owned()),
    }
}

fn resolve(v: &Value, map: &HashMap<String, String>) -> Result<Value, String> {
    Ok(match v {
        Value::String(s) => resolve_text(s, map)?.into(),
        Value::Array(rows) => {
            rows.iter().map(|r| resolve(r, map)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Object(m) => m
            .iter()
            .map(|(k, r)| {
                Ok((k.clone(), if k == "@odata.type" { r.clone() } else { resolve(r, map)? }))
            })
            .collect::<Result<Map<_, _>, String>>()?
            .into(),
        other => other.clone(),
    })
}

/// Carries a plan out. What fails keeps nothing else back, and is named.
pub async fn restore(
    client: &Client,
    graph: &str,
    plan: &SettingsRestorePlan,
    wanted: &Configuration,
    now: &Configuration,
    progress: &dyn Progress,
) -> Vec<ActOutcome> {
    let now = &now.with_names_of(wanted);
    let mut map = symbols(wanted, now, &plan.alive);
    progress.phase("restore settings");
    progress.expect(plan.acts.len() as u64, 0);
    let mut out = Vec::new();
    for a in &plan.acts {
        let mut outcome = ActOutcome {
            object: format!("{}/{}", a.collection, a.object),
            failed: String::new(),
            waits_for_approval: false,
        };
        let had_back = match &a.undelete {
            Some(undelete) => matches!(carry_out(client, undelete).await, Ok(CallResult::Done(_))),
            None => false,
        };
        if had_back {
            let known = wanted.object(&a.collection, &a.object);
            if let Some(id) = known.and_then(|o| {
                if a.collection == REGISTRATIONS { app_id(o) } else { Some(o.id.clone()) }
            }) {
                map.insert(a.symbol.clone(), id);
            }
        } else if a.calls.is_empty() && a.verb == Verb::Create {
            outcome.failed =
                "it cannot be had back: the service keeps what is deleted for 30 days".to_owned();
        } else if a.calls.is_empty() {
            // Until somebody looks again.
            outcome.failed = "no setting names it yet, so it was not looked at".to_owned();
        }
        // The id of what the first call makes: its lists are set by it.
        let mut made: Option<String> = None;
        for call in a.calls.iter().filter(|_| !had_back).chain(a.then.iter().filter(|_| had_back)) {
            // What waits for approval has no lists yet.
            if call.target.contains(MADE) && made.is_none() {
                break;
            }
            let body = call.body.as_ref().map(|b| resolve(b, &map)).transpose();
            let (body, target) = match (body, resolve_text(&call.target, &map)) {
                (Ok(body), Ok(target)) => (body, target),
                (Err(unknown), _) | (_, Err(unknown)) => {
                    outcome.failed = format!("it names {unknown}, {NOBODY}");
                    break;
                }
            };
            let body = body.map(|b| with_graph(b, graph));
            let target = target.replace(MADE, made.as_deref().unwrap_or(MADE));
            match carry_out(client, &Call { target, body, ..call.clone() }).await {
                Ok(CallResult::Done(Some(id))) if a.verb == Verb::Create && made.is_none() => {
                    if a.collection != REGISTRATIONS {
                        map.insert(a.symbol.clone(), id.clone());
                    }
                    made = Some(id);
                }
                Ok(CallResult::Done(_)) => {}
                Ok(CallResult::WaitsForApproval(_)) => outcome.waits_for_approval = true,
                Err(e) => {
                    let needs = permission(a).filter(|_| e.kind == ErrorKind::Denied);
                    outcome.failed = needs.map_or_else(
                        || e.to_string(),
                        |n| format!("it needs the permission {n}: {e}"),
                    );
                    break;
                }
            }
        }
        progress.advance(1, 0);
        out.push(outcome);
    }
    defaults_back(client, plan, &mut out).await;
    out
}

/// Where security defaults went off and not one policy came on, they go on again: half of this is
/// worse than nothing.
async fn defaults_back(client: &Client, plan: &SettingsRestorePlan, out: &mut [ActOutcome]) {
    let went_off = plan
        .acts
        .iter()
        .zip(out.iter())
        .position(|(a, o)| a.collection == DEFAULTS && o.failed.is_empty());
    let policies: Vec<bool> = plan
        .acts
        .iter()
        .zip(out.iter())
        .filter(|(a, _)| a.collection == POLICIES)
        .map(|(_, o)| o.failed.is_empty())
        .collect();
    let Some(at) = went_off.filter(|_| !policies.is_empty() && !policies.contains(&true)) else {
        return;
    };
    // Only as the plan that was shown says.
    let Some((on, _)) = plan.acts[at].later.first() else { return };
    out[at].failed = match carry_out(client, on).await {
        Ok(_) => "they were switched on again, since no policy could be set".to_owned(),
        Err(e) => format!(
            "no policy could be set, and security defaults could not be switched on again: {e}"
        ),
    };
}

/// References by URL need the address of Graph.
fn with_graph(mut body: Value, graph: &str) -> Value {
    if let Some(Value::String(s)) = body.get_mut("@odata.id") {
        *s = s.replace("{graph}", graph.trim_end_matches('/'));
    }
    body
}
