//! A seeded tenant in process, its ids, and requests to it.

use super::data::{Published, segments};
use bytes::Bytes;
use graph_sim::{Request, SeedPlan, Settings, Sim};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

/// What an answer is, as far as a judge needs it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn succeeded(&self) -> bool {
        (200..400).contains(&self.status)
    }

    /// Whether the simulator says that it has nothing at this path, or no such method there. Only
    /// meant for calls that the documentation has: 405 to one of those is a gap, not a refusal.
    pub(crate) fn not_served(&self) -> bool {
        let said = |text: &str| self.message().contains(text);
        matches!(self.status, 405 | 501)
            || self.status == 400
                && (said("Resource not found for the segment")
                    || said("are simulated")
                    || said("is not simulated")
                    || said("The request is malformed or incorrect"))
    }

    pub(crate) fn denied(&self) -> bool {
        self.status == 403
            && ["Authorization_RequestDenied", "ErrorAccessDenied", "accessDenied", "Forbidden"]
                .contains(&self.code())
            && !self.message().contains("license")
            && !self.message().contains("Multi Admin Approval")
    }
}

/// The tenant that every request meets, seeded once; each asks a copy of its own.
pub(crate) struct School {
    pub(crate) sim: Sim,
    /// May do everything that any published operation asks for.
    pub(crate) token: String,
    /// Ids that were found, by the path of their list; only while nothing is written.
    found: RefCell<BTreeMap<String, Option<String>>>,
}

/// A folder that stands in the first user's mailbox for whatever is done to it.
pub(crate) const KEPT: &str = "Kept for the examples";

/// No object has this id.
pub(crate) const ABSENT: &str = "11111111-2222-4333-8444-555555555555";

/// Characters that a path or query never shows as they are.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'{').add(b'}');

pub(crate) fn seeded() -> &'static Sim {
    static SEEDED: OnceLock<Sim> = OnceLock::new();
    SEEDED.get_or_init(|| {
        let start = "2026-03-02T08:00:00Z".parse().unwrap();
        let sim = Sim::new(Settings::default(), 7, start);
        for domain in ["riverside.example", "hillside.example"] {
            let plan = SeedPlan {
                people: Some(4),
                messages_per_mailbox: Some(12),
                domain: domain.into(),
                // A second administrator is a tenant's own rule, not Microsoft's.
                care: graph_sim::Care::Sloppy,
                ..SeedPlan::default()
            };
            sim.seed(&plan).unwrap();
        }
        sim.clock().stop();
        // A folder of the first user's that nothing needs, with something in it.
        let needs = [
            "Mail.ReadWrite",
            "User.Read.All",
            "Files.ReadWrite.All",
            "Application.ReadWrite.All",
            "DeviceManagementConfiguration.ReadWrite.All",
            "DeviceManagementServiceConfig.ReadWrite.All",
            "DeviceManagementApps.ReadWrite.All",
            "AdministrativeUnit.ReadWrite.All",
            "Contacts.ReadWrite",
            "Tasks.ReadWrite.All",
            "RoleManagement.ReadWrite.Directory",
        ];
        let token = sim.token(0, &needs).unwrap();
        let school = School::over(sim.clone(), token);
        let user = school.id_in("/v1.0/users", None).unwrap();
        let folders = format!("/v1.0/users/{user}/mailFolders");
        let made = school.ask("POST", &folders, Some(&json!({"displayName": KEPT})));
        let id = made.body["id"].as_str().unwrap();
        let (below, note) = (json!({"displayName": "Below"}), json!({"subject": "Kept"}));
        school.ask("POST", &format!("{folders}/{id}/childFolders"), Some(&below));
        school.ask("POST", &format!("{folders}/{id}/messages"), Some(&note));
        // A file with an older version, and the folder that pages name.
        let none = |_: &School, _: &str, _: &str| {};
        let file = school.fill("/drives/{drive-id}/items/{driveItem-id}", None, &none).unwrap();
        for text in ["one", "two"] {
            let body = text.as_bytes().to_vec();
            school.send(&school.token, "PUT", &format!("{file}/content"), &[], body);
        }
        // A message with the property, and an application with the name, that pages ask for.
        let message = school.fill("/users/{user-id}/messages/{message-id}", None, &none).unwrap();
        let coloured = json!({"singleValueExtendedProperties": [{"value": "Green",
            "id": "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Color"}]});
        school.ask("PATCH", &message, Some(&coloured));
        devices(&school);
        personal(&school, &user);
        shared(&school, &file);
        unit(&school, &user);
        let team = json!({"displayName": "Team work", "appId": ABSENT});
        school.ask("POST", "/v1.0/servicePrincipals", Some(&team));
        let root = school.fill("/drives/{drive-id}/root/children", None, &none).unwrap();
        school.ask("POST", &root, Some(&json!({"name": "FolderA", "folder": {}})));
        sim
    })
}

/// Some of what Intune keeps.
fn devices(school: &School) {
    let rule = json!({"ruleName": "PasswordRequired", "scheduledActionConfigurations": [
        {"actionType": "block", "gracePeriodHours": 0}]});
    for (list, kind, more) in [
        ("deviceConfigurations", "windows10GeneralConfiguration", json!({})),
        (
            "deviceCompliancePolicies",
            "windows10CompliancePolicy",
            json!({"scheduledActionsForRule": [rule]}),
        ),
        ("deviceEnrollmentConfigurations", "deviceEnrollmentLimitConfiguration", json!({})),
    ] {
        let mut body = more;
        body["@odata.type"] = format!("#microsoft.graph.{kind}").into();
        body["displayName"] = "Kept".into();
        school.ask("POST", &format!("/v1.0/deviceManagement/{list}"), Some(&body));
    }
    for kind in ["iosManagedAppProtection", "mdmWindowsInformationProtectionPolicy"] {
        let body = json!({"@odata.type": format!("#microsoft.graph.{kind}"),
            "displayName": "Kept"});
        school.ask("POST", "/v1.0/deviceAppManagement/managedAppPolicies", Some(&body));
    }
}

/// Folders of contacts, and all that stands within a contact and a task.
fn personal(school: &School, user: &str) {
    let base = format!("/v1.0/users/{user}");
    let named = json!({"displayName": KEPT});
    let made = |path: &str, body: &Value| -> String {
        let answer = school.ask("POST", path, Some(body));
        answer.body["id"].as_str().unwrap_or_else(|| panic!("{path}: {}", answer.body)).to_owned()
    };
    let folder =
        format!("{base}/contactFolders/{}", made(&format!("{base}/contactFolders"), &named));
    let below =
        format!("{folder}/childFolders/{}", made(&format!("{folder}/childFolders"), &named));
    let photo = |path: &str| {
        let bytes = b"\x89PNG".to_vec();
        school.send(&school.token, "PUT", &format!("{path}/photo/$value"), &[], bytes);
    };
    for list in [&folder, &below] {
        let id = made(&format!("{list}/contacts"), &json!({"givenName": KEPT}));
        photo(&format!("{list}/contacts/{id}"));
    }
    let first = |path: &str| school.first(path, |_| true).unwrap();
    photo(&format!("{base}/contacts/{}", first(&format!("{base}/contacts"))));
    let tasks = format!("{base}/todo/lists/{}/tasks", first(&format!("{base}/todo/lists")));
    let task = format!("{tasks}/{}", first(&tasks));
    made(&format!("{task}/checklistItems"), &named);
    made(&format!("{task}/linkedResources"), &named);
    made(
        &format!("{task}/attachments"),
        &json!({"name": KEPT, "contentBytes": "YWJj",
        "@odata.type": "#microsoft.graph.taskFileAttachment"}),
    );
}

/// Somebody else may read the file.
fn shared(school: &School, file: &str) {
    let other =
        school.list("/v1.0/users").iter().filter_map(|r| r["id"].as_str()).max().map(str::to_owned);
    let body = json!({"roles": ["read"], "recipients": [{"objectId": other}]});
    school.ask("POST", &format!("{file}/invite"), Some(&body));
}

/// An administrative unit with a member, and a role within it.
fn unit(school: &School, user: &str) {
    let list = "/v1.0/directory/administrativeUnits";
    let made = school.ask("POST", list, Some(&json!({"displayName": "Kept"})));
    let id = made.body["id"].as_str().unwrap_or_default();
    let link = format!("https://graph.microsoft.com/v1.0/directoryObjects/{user}");
    let body = json!({"@odata.id": link});
    school.ask("POST", &format!("{list}/{id}/members/$ref"), Some(&body));
    let roles = school.list("/v1.0/roleManagement/directory/roleDefinitions");
    let role = roles.iter().find(|r| r["displayName"] == "User Administrator").or(roles.first());
    let body = json!({"principalId": user, "roleDefinitionId": role.map(|r| r["id"].clone()),
        "directoryScopeId": format!("/administrativeUnits/{id}")});
    school.ask("POST", "/v1.0/roleManagement/directory/roleAssignments", Some(&body));
}

pub(crate) fn all_permissions(data: &Published) -> BTreeSet<String> {
    data.grants.iter().flat_map(|g| g.enough.iter().flatten().cloned()).collect()
}

impl School {
    pub(crate) fn over(sim: Sim, token: String) -> Self {
        Self { sim, token, found: RefCell::default() }
    }

    /// A tenant that nobody has touched, and a token with these permissions.
    pub(crate) fn with(permissions: &BTreeSet<String>) -> Self {
        let sim = seeded().fork();
        let names: Vec<&str> = permissions.iter().map(String::as_str).collect();
        let token = sim.token(0, &names).unwrap();
        Self::over(sim, token)
    }

    /// Asks with the school's own token.
    pub(crate) fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        let json = ("content-type", "application/json");
        let bytes = body.map(Value::to_string).unwrap_or_default().into_bytes();
        self.send(&self.token, method, target, &[json], bytes)
    }

    /// Asks as anybody; an empty token sends none. `target` is a path with its query.
    pub(crate) fn send(
        &self,
        token: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let encode = |s: &str| utf8_percent_encode(s, ESCAPED).to_string();
        let mut all = vec![("host".to_owned(), "graph.microsoft.com".to_owned())];
        if !token.is_empty() {
            all.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        all.extend(headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), (*v).to_owned())));
        let reply = self.sim.handle(&Request {
            method: method.to_owned(),
            path: encode(path),
            query: encode(query),
            headers: all,
            body: Bytes::from(body),
        });
        let parsed = serde_json::from_slice(&reply.body);
        Answer { status: reply.status, body: parsed.unwrap_or(Value::Null) }
    }

    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let answer = self.ask("GET", path, None);
        answer.body["value"].as_array().cloned().unwrap_or_default()
    }

    fn first(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Option<String> {
        let rows = self.list(path);
        let row = rows.iter().find(|r| wanted(r)).or_else(|| rows.first())?;
        ["id", "tenantId"].iter().find_map(|k| row[*k].as_str()).map(str::to_owned)
    }

    /// An id that exists for the last segment of a template, in the collection `parent`.
    fn id_in(&self, parent: &str, kind: Option<&str>) -> Option<String> {
        let lower = parent.to_ascii_lowercase();
        let under = |s: &str| lower.ends_with(s);
        let of_user = lower.matches('/').count() == 3 && lower.contains("/users/");
        if under("/v1.0/users") {
            let rows = self.list(parent);
            return rows.iter().filter_map(|r| r["id"].as_str()).min().map(str::to_owned);
        }
        if under("/v1.0/drives") || of_user && under("/drives") {
            let user = self.id_in("/v1.0/users", None)?;
            let drive = self.ask("GET", &format!("/v1.0/users/{user}/drive"), None);
            return drive.body["id"].as_str().map(str::to_owned);
        }
        if under("/items") {
            let root = format!("{}/root/children", &parent[..parent.len() - "/items".len()]);
            let mut folder = root;
            for _ in 0..4 {
                if let Some(file) = self.list(&folder).iter().find(|r| r["file"].is_object()) {
                    return file["id"].as_str().map(str::to_owned);
                }
                let id = self.first(&folder, |r| r["folder"]["childCount"] != 0)?;
                let drive = &parent[..parent.len() - "/items".len()];
                folder = format!("{drive}/items/{id}/children");
            }
            return None;
        }
        if under("/messages") {
            let file = |r: &Value| {
                let id = r["id"].as_str().unwrap_or_default();
                let rows = self.list(&format!("{parent}/{id}/attachments"));
                rows.first().is_some_and(|a| a["@odata.type"] == "#microsoft.graph.fileAttachment")
            };
            let with = |r: &Value| r["hasAttachments"] == true && file(r);
            return self.first(&format!("{parent}?$top=50"), with);
        }
        if under("/mailfolders") {
            return self.first(&format!("{parent}?$top=100"), |r| r["displayName"] == KEPT);
        }
        if under("/permissions") {
            return self.first(parent, |r| r["roles"] != json!(["owner"]));
        }
        if under("/versions") {
            // The newest is the file itself.
            let rows = self.list(parent);
            return rows.last().and_then(|r| r["id"].as_str()).map(str::to_owned);
        }
        let kind = kind.map(|k| format!("#{k}"));
        self.first(parent, |r| match &kind {
            Some(k) => r["@odata.type"] == k.as_str(),
            None => true,
        })
    }

    /// A path of this tenant that is a call of a template, as far as it has such objects. `kind` is
    /// the type that the last id should have; `make` creates one where there is none.
    pub(crate) fn fill(
        &self,
        template: &str,
        kind: Option<&str>,
        make: &dyn Fn(&Self, &str, &str),
    ) -> Option<String> {
        let parts: Vec<&str> = template.split('/').filter(|p| !p.is_empty()).collect();
        let last_id = parts.iter().rposition(|p| p.starts_with('{'));
        let mut path = String::from("/v1.0");
        for (n, part) in parts.iter().enumerate() {
            if !part.starts_with('{') {
                path = format!("{path}/{}", part.trim_end_matches("()"));
                continue;
            }
            let wanted = kind.filter(|_| Some(n) == last_id);
            let has = |rows: &[Value]| match wanted {
                Some(k) => rows.iter().any(|r| {
                    r["@odata.type"].as_str().is_none_or(|t| t.trim_start_matches('#') == k)
                }),
                None => !rows.is_empty(),
            };
            if let Some(k) = wanted
                && !path.ends_with("/items")
                && !has(&self.list(&path))
            {
                make(self, &path, k);
            }
            // Only a folder has children.
            if path.ends_with("/items") && parts.get(n + 1) == Some(&"children") {
                path = format!("{path}/root");
                continue;
            }
            let known = self.found.borrow().get(&path).cloned();
            let id = match known.filter(|_| wanted.is_none()) {
                Some(id) => id,
                None => match self.id_in(&path, wanted) {
                    Some(id) => Some(id),
                    // A list that is served and has nothing: the object is missing, not the path.
                    None => (!self.ask("GET", &path, None).not_served()).then(|| ABSENT.to_owned()),
                },
            };
            if wanted.is_none() {
                self.found.borrow_mut().insert(path.clone(), id.clone());
            }
            path = format!("{path}/{}", id?);
        }
        Some(path)
    }
}

/// The segments of a documented URL below its version, and its query; `me` is the first user, as
/// an application has to ask.
pub(crate) struct Asked {
    pub(crate) segments: Vec<String>,
    /// As printed.
    pub(crate) raw: Vec<String>,
    pub(crate) query: String,
    pub(crate) beta: bool,
}

pub(crate) fn asked(url: &str) -> Option<Asked> {
    // Some pages leave host and version out.
    let rest =
        url.strip_prefix("https://graph.microsoft.com/").or_else(|| url.strip_prefix('/'))?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut raw: Vec<String> =
        path.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let version = raw.first()?.to_ascii_lowercase();
    let beta = version == "beta";
    if ["v1.0", "v1", "beta"].contains(&version.as_str()) {
        raw.remove(0);
    }
    if raw.first().is_some_and(|f| f.eq_ignore_ascii_case("me")) {
        raw.splice(0..1, ["users".to_owned(), "{user-id}".to_owned()]);
    }
    // `/users/{id}/drive/…` is published under `/drives/{id}/…`.
    let lower: Vec<String> = raw.iter().map(|r| r.to_ascii_lowercase()).collect();
    if lower.len() > 3 && lower[0] == "users" && lower[2] == "drive" {
        raw.splice(0..3, ["drives".to_owned(), "{drive-id}".to_owned()]);
    }
    let segments = segments(&raw.join("/"));
    Some(Asked { segments, raw, query: query.to_owned(), beta })
}

/// Calls of the published operations that the simulator serves, by method and template, each with
/// a path of the seeded tenant.
pub(crate) fn served(data: &Published) -> BTreeMap<(String, String), String> {
    let all = all_permissions(data);
    let mut out = BTreeMap::new();
    let school = School::with(&all);
    let mut own = School::with(&all);
    let none = |_: &School, _: &str, _: &str| {};
    // A collection that has nothing below it is not asked for what lies below that.
    let mut dead: BTreeSet<String> = BTreeSet::new();
    for o in data.operations.iter().filter(|o| !o.path.contains('=')) {
        let parent = |p: &str| p.rsplit_once('/').map(|(a, _)| a.to_owned()).unwrap_or_default();
        let mut above = parent(&o.path);
        let mut hopeless = false;
        while !above.is_empty() {
            hopeless |= dead.contains(&above);
            above = parent(&above);
        }
        if hopeless {
            continue;
        }
        let Some(path) = school.fill(&o.path, None, &none) else {
            if o.path.ends_with('}') {
                dead.insert(o.path.clone());
            }
            continue;
        };
        let body = matches!(o.method.as_str(), "POST" | "PATCH" | "PUT").then(|| json!({}));
        if !own.ask(&o.method, &path, body.as_ref()).not_served() {
            if o.method != "GET" {
                own = School::with(&all);
            }
            out.insert((o.method.clone(), o.path.clone()), path);
        }
    }
    out
}

/// Path of a template or of the permission table, so that both are the same text.
pub(crate) fn same_key(path: &str) -> String {
    let ids = |p: &String| if p.starts_with('{') { "{id}".to_owned() } else { p.clone() };
    segments(path).iter().map(ids).collect::<Vec<_>>().join("/")
}
