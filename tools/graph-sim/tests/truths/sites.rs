//! Sites and their libraries.

use crate::ask::{Asked, body, code, news as round, text, with};
use bytes::Bytes;
use graph_sim::{PersonChange, Settings, SiteAct, Truth};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const READ: &[&str] = &["Sites.Read.All", "User.Read.All"];
const WRITE: &[&str] = &["Sites.ReadWrite.All", "User.Read.All"];

fn all(s: &Asked) -> Vec<Value> {
    s.all("sites/getAllSites?$top=3").0
}

fn site(s: &Asked, name: &str) -> String {
    let found = all(s).into_iter().find(|r| r["name"] == name);
    text(&found.unwrap_or_else(|| panic!("no site {name}")), "id").to_owned()
}

fn ids(rows: &[Value]) -> BTreeSet<&str> {
    rows.iter().map(|r| text(r, "id")).collect()
}

/// site: getAllSites, list subsites, get, get by path; site resource.
#[test]
fn all_sites_of_a_school_are_listed_with_those_of_its_people() {
    let s = with(Settings::default(), READ);
    let rows = all(&s);
    let people = s.all("users").0.len();
    let own: Vec<&Value> = rows.iter().filter(|r| r["isPersonalSite"] == true).collect();
    // Somebody's site was never made.
    assert_eq!((own.len(), rows.len()), (people - 1, people - 1 + 4));
    let staff = site(&s, "staff");
    let (_, shown) = s.get(&format!("sites/{staff}"));
    assert_eq!(shown["siteCollection"]["hostname"], "riverside.sharepoint.com");
    assert_eq!(shown["webUrl"], "https://riverside.sharepoint.com/sites/staff");
    // A subsite is in no collection of its own, and stands below its parent alone.
    let (_, below) = s.get(&format!("sites/{staff}/sites"));
    assert_eq!(below["value"][0]["name"], "archive");
    assert!(below["value"][0].get("siteCollection").is_none());
    let by_path = |path: &str| s.get(&format!("sites/riverside.sharepoint.com:/{path}")).1;
    assert_eq!(by_path("sites/staff/archive")["id"], below["value"][0]["id"]);
    assert_eq!(by_path("sites/staff:/drive")["driveType"], "documentLibrary");
    assert_eq!(s.get("sites/root").1["webUrl"], "https://riverside.sharepoint.com");
    assert_eq!(code(&s.get("sites/other.sharepoint.com:/sites/staff")), (400, "invalidRequest"));
    assert_eq!(code(&s.get("sites/x.sharepoint.com,1,2")), (404, "itemNotFound"));
    let (_, found) = s.get("sites?search=staff");
    assert_eq!(found["value"].as_array().unwrap().len(), 2);

    let withheld = [Truth::PersonalSites].into();
    let s = with(Settings { withheld, ..Settings::default() }, READ);
    assert_eq!(all(&s).len(), 4);
}

/// Their libraries are drives: list drives, children, versions, content, delta, upload.
#[test]
fn the_libraries_of_a_site_are_drives() {
    let mut s = with(Settings::default(), READ);
    let staff = site(&s, "staff");
    let (_, drives) = s.get(&format!("sites/{staff}/drives"));
    let names: Vec<&str> =
        drives["value"].as_array().unwrap().iter().map(|d| text(d, "name")).collect();
    assert_eq!(names, ["Documents", "Forms & letters"]);
    let default = s.get(&format!("sites/{staff}/drive")).1;
    assert_eq!(default["id"], drives["value"][0]["id"]);
    let d = format!("drives/{}", text(&default, "id"));
    let rows = s.all(&format!("{d}/root/delta")).0;
    let file = rows.iter().find(|r| text(r, "name").starts_with("2 ")).unwrap();
    let item = format!("{d}/items/{}", text(file, "id"));
    let versions = s.get(&format!("{item}/versions")).1["value"].as_array().unwrap().clone();
    assert!(versions.len() > 1, "{versions:?}");
    assert!(text(file, "webUrl").starts_with("https://riverside.sharepoint.com/sites/staff/"));
    assert_eq!(s.reply(&format!("{item}/content")).status, 302);
    // The same, below the site.
    let below = format!("sites/{staff}/drive/items/{}", text(file, "id"));
    assert_eq!(s.get(&below).1["id"], file["id"]);
    let other = site(&s, "class5a");
    let wrong = format!("sites/{other}/drives/{}", text(&default, "id"));
    assert_eq!(s.get(&wrong).0, 404, "a library of another site");
    // To write asks for more.
    let new = format!("{d}/root:/new.txt:/content");
    let put = |s: &Asked, target: &str, words: &str| {
        s.ask("PUT", target, &[], Bytes::copy_from_slice(words.as_bytes()))
    };
    assert_eq!(put(&s, &new, "x").status, 403);
    s.may(WRITE);
    let before = s.sim.sites_digest(0);
    let made = put(&s, &new, "one");
    assert_eq!(made.status, 201);
    put(&s, &new, "two");
    let after = s.sim.sites_digest(0);
    let fresh: Vec<_> = after.iter().filter(|r| !before.contains(r)).collect();
    let kinds: Vec<&str> = fresh.iter().map(|r| r.kind.as_str()).collect();
    assert_eq!(kinds, ["library-file", "library-version"], "{fresh:?}");
    assert_eq!(
        (fresh[0].user.as_str(), fresh[0].path.as_str()),
        ("sites/staff", "Documents/new.txt")
    );
    assert_eq!(body(&made)["parentReference"]["driveType"], "documentLibrary");
    // People's files are not among them, and these not among people's.
    assert!(s.sim.digest(0).iter().all(|r| !r.path.contains("new.txt")));
    // A personal site has the drives of its person.
    let rows = all(&s);
    let own = rows.iter().find(|r| r["isPersonalSite"] == true).unwrap();
    let (_, drive) = s.get(&format!("sites/{}/drive", text(own, "id")));
    assert_eq!(drive["driveType"], "business");
}

/// site: delta.
#[test]
fn a_delta_of_sites_tells_what_came_changed_and_went() {
    let s = with(Settings::default(), READ);
    let (rows, link) = round(&s, "sites/delta?$top=2");
    assert_eq!(ids(&rows), ids(&all(&s)));
    let url = s.sim.site_act(0, SiteAct::Rename, 3).unwrap();
    let made = s.sim.site_act(0, SiteAct::NewSubsite, 4).unwrap();
    let person = s.all("users").0.iter().map(|u| text(u, "id").to_owned()).next().unwrap();
    s.sim.change_people(0, &PersonChange::Delete { person }).unwrap();
    let (rows, next) = round(&s, &link);
    let renamed = rows.iter().find(|r| r.get("displayName").is_some() && r.get("webUrl").is_none());
    let renamed = renamed.expect("news alone").as_object().unwrap();
    assert_eq!(renamed.keys().collect::<Vec<_>>(), ["displayName", "id", "name"]);
    assert!(url.ends_with(renamed["name"].as_str().unwrap()));
    assert!(rows.iter().any(|r| r["webUrl"] == made.as_str()), "what is new is whole");
    let gone: Vec<&Value> = rows.iter().filter(|r| r["deleted"]["state"] == "deleted").collect();
    assert!(!gone.is_empty(), "somebody's site went with them: {rows:?}");
    let victim = s.sim.site_act(0, SiteAct::Delete, 9).unwrap();
    let (rows, _) = round(&s, &next);
    let deleted = |r: &&Value| r.get("deleted").is_some();
    assert!(rows.iter().any(|r| deleted(&r) && victim.ends_with(text(r, "name"))), "{rows:?}");
    let (status, latest) = s.get("sites/delta?token=latest");
    assert_eq!((status, &latest["value"]), (200, &json!([])));
    assert!(round(&s, text(&latest, "@odata.deltaLink")).0.is_empty());
    // Too old: 410 with where to begin anew.
    s.sim.control("POST", "/sim/expire-delta", "", b"{}");
    let reply = s.reply(&link);
    let location = crate::ask::header(&reply, "location").unwrap().to_owned();
    let inner = &body(&reply)["error"]["innerError"]["code"];
    assert_eq!((reply.status, inner), (410, &json!("resyncChangesApplyDifferences")));
    assert!(location.ends_with("/v1.0/sites/delta"));
    assert_eq!(s.get("sites/delta?token=nonsense").0, 400);
}

#[test]
fn sites_live_a_day_and_are_the_same_for_the_same_seed() {
    let (one, other) = (with(Settings::default(), READ), with(Settings::default(), READ));
    let people = one.sim.digest(0);
    let before = one.sim.sites_digest(0);
    assert_eq!(before, other.sim.sites_digest(0));
    for seed in 0..5 {
        assert_eq!(one.sim.day_of_sites(0, seed), other.sim.day_of_sites(0, seed));
    }
    let after = one.sim.sites_digest(0);
    assert_eq!(after, other.sim.sites_digest(0));
    assert!(after != before && one.sim.digest(0) == people);
}

/// The permission table: sites ask for Sites, their drives for Files or Sites.
#[test]
fn sites_and_their_drives_ask_for_what_is_published() {
    let mut s = with(Settings::default(), READ);
    let staff = site(&s, "staff");
    s.may(&["Files.Read.All"]);
    assert_eq!(s.get(&format!("sites/{staff}/drives")).0, 200);
    assert_eq!(code(&s.get(&format!("sites/{staff}"))), (403, "accessDenied"));
    assert_eq!(s.get("sites/getAllSites").0, 403);
    s.may(&["Mail.Read"]);
    assert_eq!(s.get(&format!("sites/{staff}/drive")).0, 403);
}
