//! `docs/register.sh` against a server that stands in for Microsoft Graph: the simulator makes no
//! applications.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
};
use strongroom_workloads::permissions;

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const EXCHANGE: &str = "00000002-0000-0ff1-ce00-000000000000";
/// Rows of a page: a list that is longer than it must be read to its end.
const PAGE: usize = 7;

/// A tenant's applications, and what was asked.
#[derive(Default)]
struct Directory {
    principals: Vec<Value>,
    applications: Vec<Value>,
    grants: Vec<Value>,
    roles: Vec<Value>,
    owners: Vec<Value>,
    /// Of each application how often its service principal was asked for.
    asked: BTreeMap<String, u32>,
    /// Calls that change something.
    changes: Vec<String>,
    made: u32,
}

impl Directory {
    fn id(&mut self) -> String {
        self.made += 1;
        format!("id-{}", self.made)
    }

    fn answer(&mut self, at: &str, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.replace("%20", " ");
        let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
        let wanted = query.split('\'').nth(1).unwrap_or_default();
        let with = |rows: &[Value], name: &str| -> Value {
            json!({"value": rows.iter().filter(|r| r[name] == wanted).collect::<Vec<_>>()})
        };
        if method != "GET" {
            self.changes.push(format!("{method} {path}"));
        }
        match (method, parts.as_slice()) {
            ("GET", ["servicePrincipals"]) => (200, with(&self.principals, "appId")),
            ("GET", ["applications"]) => (200, with(&self.applications, "displayName")),
            ("POST", ["applications"]) => {
                let mut made = body.clone();
                (made["id"], made["appId"]) = (self.id().into(), self.id().into());
                self.applications.push(made.clone());
                (201, made)
            }
            ("POST", ["servicePrincipals"]) => {
                let app = body["appId"].as_str().unwrap().to_owned();
                let asked = self.asked.entry(app.clone()).or_default();
                *asked += 1;
                if *asked < 3 && app.starts_with("id-") {
                    let told = "does not reference a valid application object";
                    return (
                        400,
                        json!({"error": {"code": "Request_BadRequest", "message": told}}),
                    );
                }
                let made = json!({"id": self.id(), "appId": app, "displayName": app,
                    "appRoles": []});
                self.principals.push(made.clone());
                (201, made)
            }
            ("GET", ["servicePrincipals", who, "appRoleAssignments"]) => {
                let from = query.split("skip=").nth(1).map_or(0, |n| n.parse().unwrap());
                let all: Vec<&Value> =
                    self.grants.iter().filter(|g| g["principalId"] == *who).collect();
                let mut page =
                    json!({"value": all.iter().skip(from).take(PAGE).collect::<Vec<_>>()});
                if all.len() > from + PAGE {
                    page["@odata.nextLink"] = format!("{at}{path}?skip={}", from + PAGE).into();
                }
                (200, page)
            }
            ("POST", ["servicePrincipals", resource, "appRoleAssignedTo"]) => {
                assert_eq!(body["resourceId"], *resource);
                let mut made = body.clone();
                made["id"] = self.id().into();
                self.grants.push(made.clone());
                (201, made)
            }
            ("DELETE", ["servicePrincipals", _, "appRoleAssignedTo", id]) => {
                self.grants.retain(|g| g["id"] != *id);
                (204, Value::Null)
            }
            ("GET", ["servicePrincipals", _, "owners"]) => (200, json!({"value": self.owners})),
            ("POST", ["servicePrincipals", _, "owners", "$ref"]) => {
                let id = body["@odata.id"].as_str().unwrap().rsplit('/').next().unwrap();
                self.owners.push(json!({"id": id}));
                (204, Value::Null)
            }
            ("GET", ["roleManagement", "directory", "roleAssignments"]) => {
                (200, json!({"value": self.roles}))
            }
            ("POST", ["roleManagement", "directory", "roleAssignments"]) => {
                self.roles.push(body.clone());
                (201, body.clone())
            }
            other => panic!("nobody asks {other:?}"),
        }
    }

    /// The names of what an application holds.
    fn held(&self, name: &str) -> BTreeSet<String> {
        let app = self.applications.iter().find(|a| a["displayName"] == name).unwrap();
        let holder = self.principals.iter().find(|p| p["appId"] == app["appId"]).unwrap();
        let roles = self.principals[0]["appRoles"].as_array().unwrap();
        let name = |g: &Value| {
            let role = roles.iter().find(|r| r["id"] == g["appRoleId"]).unwrap();
            role["value"].as_str().unwrap().to_owned()
        };
        self.grants.iter().filter(|g| g["principalId"] == holder["id"]).map(name).collect()
    }

    fn app_id(&self, name: &str) -> String {
        let app = self.applications.iter().find(|a| a["displayName"] == name).unwrap();
        app["appId"].as_str().unwrap().to_owned()
    }
}

fn roles<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let names: BTreeSet<&str> = names.collect();
    let rows = names.into_iter().map(|name| {
        json!({"id": format!("role of {name}"), "value": name,
            "allowedMemberTypes": ["Application"]})
    });
    rows.collect()
}

fn serve(stream: TcpStream, at: &str, directory: &Mutex<Directory>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let value = |name: &str| {
        let named = |l: &&String| l.to_lowercase().starts_with(&format!("{name}: "));
        head.iter().find(named).map(|l| l.split_once(": ").unwrap().1.to_owned())
    };
    assert_eq!(value("authorization").as_deref(), Some("Bearer of-an-admin"));
    let mut body = vec![0; value("content-length").map_or(0, |n| n.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (method, rest) = head[0].split_once(' ').unwrap();
    let target = rest.split(' ').next().unwrap();
    let (status, told) = directory.lock().unwrap().answer(at, method, target, &body);
    let told = if told.is_null() { String::new() } else { told.to_string() };
    let mut stream = stream;
    let _ = write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{told}",
        told.len()
    );
}

/// A tenant that knows every permission that this program asks for.
fn tenant() -> (String, Arc<Mutex<Directory>>) {
    let read = permissions::to_read(|_| true, true);
    let (write, configure) = (permissions::to_write(|_| true), permissions::to_configure());
    let known = read.keys().chain(write.keys()).chain(configure.keys()).copied();
    let known = known.chain(["Organization.Read.All", "Application.ReadWrite.OwnedBy"]);
    let directory = Directory {
        principals: vec![
            json!({"id": "graph", "appId": GRAPH, "displayName": "Microsoft Graph",
                "appRoles": roles(known)}),
            json!({"id": "exchange", "appId": EXCHANGE, "displayName": "Exchange Online",
                "appRoles": roles(["Exchange.ManageAsApp"].into_iter())}),
        ],
        ..Directory::default()
    };
    let directory = Arc::new(Mutex::new(directory));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let (served, by) = (directory.clone(), at.clone());
    std::thread::spawn(move || {
        listener.incoming().for_each(|stream| serve(stream.unwrap(), &by, &served));
    });
    (at, directory)
}

fn register(at: &str, dir: &Path, args: &[&str]) -> Output {
    Command::new("bash")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/register.sh"))
        .args(args)
        .current_dir(dir)
        .env("STRONGROOM_GRAPH", at)
        .env("STRONGROOM_TOKEN", "of-an-admin")
        .env("STRONGROOM_PAUSE_S", "0")
        .output()
        .unwrap()
}

/// As the page says how one is made.
fn certificate(dir: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-sha256", "-nodes", "-days", "365"])
        .args(["-subj", "/CN=Strongroom read", "-keyout", "read.key", "-out", "read.crt"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn names(needs: permissions::PermissionNeeds) -> BTreeSet<String> {
    needs.into_keys().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs curl, jq and openssl; cargo xtask test installs and runs it"]
fn applications_are_registered_with_what_they_need_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let (at, tenant) = tenant();
    let ok = |args: &[&str]| {
        let out = register(&at, dir.path(), args);
        let text = [&*out.stdout, &*out.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(out.status.success(), "{args:?}: {text}");
        text
    };
    ok(&["register", "read=read.crt", "write=read.crt", "configure=read.crt"]);
    {
        let now = tenant.lock().unwrap();
        assert_eq!(now.held("Strongroom read"), names(permissions::to_read(|_| true, true)));
        assert_eq!(now.held("Strongroom write"), names(permissions::to_write(|_| true)));
        assert_eq!(now.held("Strongroom configure"), BTreeSet::new());
        // The certificate as it is, and what a consent by hand would ask for.
        let read = &now.applications[0];
        let pem = std::fs::read_to_string(dir.path().join("read.crt")).unwrap();
        let inner: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
        assert_eq!(read["keyCredentials"][0]["key"], inner);
        assert_eq!(read["signInAudience"], "AzureADMyOrg");
        let asked = read["requiredResourceAccess"][0]["resourceAccess"].as_array().unwrap().len();
        assert_eq!(asked, now.held("Strongroom read").len());
        assert_eq!(now.applications[2]["requiredResourceAccess"], json!([]));
    }
    // For a restore, and no longer.
    let id = tenant.lock().unwrap().app_id("Strongroom configure");
    let needed = names(permissions::to_configure());
    let all: Vec<&str> = needed.iter().map(String::as_str).collect();
    ok(&[&["grant", &id], &all[..]].concat());
    assert_eq!(tenant.lock().unwrap().held("Strongroom configure"), needed);
    let told = ok(&["grant", &id, all[0]]);
    assert!(told.contains("was granted before"), "{told}");
    let shown: BTreeSet<String> = ok(&["show", &id]).lines().map(str::to_owned).collect();
    assert_eq!(shown, needed);
    ok(&[&["revoke", &id], &all[..]].concat());
    assert_eq!(tenant.lock().unwrap().held("Strongroom configure"), BTreeSet::new());
    // Twice is as once.
    for _ in 0..2 {
        ok(&["exchange"]);
        ok(&["leaves", &id]);
    }
    let now = tenant.lock().unwrap();
    assert_eq!((now.roles.len(), now.owners.len()), (1, 1));
    let of_exchange = now.grants.iter().filter(|g| g["resourceId"] == "exchange").count();
    assert_eq!(of_exchange, 1);
}

#[test]
#[ignore = "needs curl, jq and openssl; cargo xtask test installs and runs it"]
fn nothing_is_registered_where_something_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let (at, tenant) = tenant();
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    std::fs::write(dir.path().join("read.pem"), [read("read.crt"), read("read.key")].concat())
        .unwrap();
    std::fs::write(dir.path().join("none.crt"), "no certificate").unwrap();
    for (args, code, says) in [
        (&["register", "read=read.pem"][..], 1, "holds a private key"),
        (&["register", "read=read.crt", "write=none.crt"], 1, "none.crt is no certificate"),
        (&["register", "read=nowhere.crt"], 1, "nowhere.crt is no certificate"),
        (&["register", "act=read.crt"], 2, "register.sh register"),
        (&["register"], 2, "register.sh register"),
        (&["grant", "id-9", "Mail.Read"], 1, "the tenant has no application id-9"),
        (&["show"], 2, "register.sh show"),
        (&[], 2, "register.sh register"),
    ] {
        let out = register(&at, dir.path(), args);
        let told = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(says), "{args:?}: {told}");
    }
    // A name that a tenant does not know is found before the first application is made.
    {
        let mut now = tenant.lock().unwrap();
        let known = now.principals[0]["appRoles"].as_array_mut().unwrap();
        known.retain(|r| r["value"] != "Tasks.ReadWrite.All");
    }
    let out = register(&at, dir.path(), &["register", "read=read.crt", "write=read.crt"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(told.contains("no application permission Tasks.ReadWrite.All"), "{told}");
    assert_eq!(tenant.lock().unwrap().changes, Vec::<String>::new());
    // Without it the rest is; and what is there is not made again.
    let less = ["register", "--without", "Tasks.ReadWrite.All", "write=read.crt"];
    assert!(register(&at, dir.path(), &less).status.success());
    let before = tenant.lock().unwrap().changes.len();
    let out = register(&at, dir.path(), &less);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(told.contains("has an application \"Strongroom write\" already"), "{told}");
    let now = tenant.lock().unwrap();
    assert_eq!(now.changes.len(), before);
    let mut wanted = names(permissions::to_write(|_| true));
    wanted.remove("Tasks.ReadWrite.All");
    assert_eq!(now.held("Strongroom write"), wanted);
}
