//! People sign in: by a code that comes back to the application, or by a code typed elsewhere.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use graph_sim::{Credentials, Reply, Request, SeedPlan, Settings, Sim};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;

const NATIVE: &str = "https://login.microsoftonline.com/common/oauth2/nativeclient";
const WEB: &str = "http://localhost:53682/";

struct School {
    sim: Sim,
    app: Credentials,
    people: Vec<String>,
}

fn school() -> School {
    let start = "2026-03-01T08:00:00Z".parse().unwrap();
    let sim = Sim::new(Settings::default(), 1, start);
    sim.seed(&SeedPlan { people: Some(4), messages_per_mailbox: Some(2), ..SeedPlan::default() })
        .unwrap();
    let app = sim.credentials(0, "other").unwrap();
    let token = sim.token(0, &["User.Read.All"]).unwrap();
    let school = School { sim, app, people: Vec::new() };
    let rows = json(&school.graph("/users", &token))["value"].clone();
    let name = |v: &Value| v["userPrincipalName"].as_str().unwrap().to_owned();
    School { people: rows.as_array().unwrap().iter().map(name).collect(), ..school }
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl School {
    fn ask(&self, method: &str, path: &str, query: &str, token: &str, body: &str) -> Reply {
        let headers = vec![
            ("host".to_owned(), "graph.microsoft.com".to_owned()),
            ("authorization".to_owned(), format!("Bearer {token}")),
        ];
        self.sim.handle(&Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: body.to_owned().into(),
        })
    }

    fn graph(&self, path: &str, token: &str) -> Reply {
        self.ask("GET", &format!("/v1.0{path}"), "", token, "")
    }

    /// Where the sign-in page leads after a name was typed.
    fn page(&self, redirect: &str, scope: &str, login: &str, more: &[(&str, &str)]) -> Reply {
        let mut query = vec![
            ("client_id", self.app.application_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", redirect),
            ("scope", scope),
            ("state", "a b"),
        ];
        query.extend(more);
        let login = form(&[("login", login)]);
        self.ask("POST", "/common/oauth2/v2.0/authorize", &form(&query), "", &login)
    }

    fn code(&self, redirect: &str, scope: &str, login: &str, more: &[(&str, &str)]) -> String {
        let to = location(&self.page(redirect, scope, login, more));
        let field = |name: &str| {
            to.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned()).unwrap()
        };
        assert_eq!(field("state"), "a b");
        field("code")
    }

    fn token(&self, pairs: &[(&str, &str)]) -> (u16, Value) {
        let mut all = vec![("client_id", self.app.application_id.as_str())];
        all.extend(pairs);
        let reply = self.ask("POST", "/common/oauth2/v2.0/token", "", "", &form(&all));
        (reply.status, json(&reply))
    }

    fn redeem(&self, code: &str, redirect: &str, more: &[(&str, &str)]) -> (u16, Value) {
        let mut pairs =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect)];
        pairs.extend(more);
        self.token(&pairs)
    }

    fn signed_in(&self, scope: &str, login: &str) -> String {
        let (status, body) = self.redeem(&self.code(NATIVE, scope, login, &[]), NATIVE, &[]);
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }
}

fn location(reply: &Reply) -> url::Url {
    assert_eq!(reply.status, 302, "{}", String::from_utf8_lossy(&reply.body));
    let to = &reply.headers.iter().find(|(n, _)| n == "location").unwrap().1;
    to.parse().unwrap()
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn number(body: &Value) -> u64 {
    body["error_codes"][0].as_u64().unwrap_or_else(|| panic!("{body}"))
}

#[test]
fn a_person_has_what_was_consented_to_and_only_their_own() {
    let school = school();
    let (ann, ben) = (&school.people[0], &school.people[1]);
    let token = school.signed_in("Mail.Read Files.ReadWrite offline_access", ann);
    let held = claims(&token);
    assert_eq!((&held["upn"], &held["idtyp"]), (&ann.as_str().into(), &"user".into()));
    assert_eq!(held["scp"], "Files.ReadWrite Mail.Read");
    assert!(held["roles"].is_null() && held["sub"] != held["oid"]);
    for (path, status) in [
        ("/me/messages".to_owned(), 200),
        ("/me/mailFolders/inbox".to_owned(), 200),
        (format!("/users/{ann}/messages"), 200),
        ("/me/drive/root/delta".to_owned(), 200),
        ("/me".to_owned(), 403),
        ("/users".to_owned(), 403),
        (format!("/users/{ben}/messages"), 403),
        (format!("/users/{ben}/drive"), 403),
    ] {
        assert_eq!(school.graph(&path, &token).status, status, "{path}");
    }
    let token = school.signed_in("User.Read", ann);
    assert_eq!(json(&school.graph("/me", &token))["userPrincipalName"], ann.as_str());
    assert_eq!(school.graph("/me/messages", &token).status, 403);
    assert_eq!(school.graph(&format!("/users/{ben}"), &token).status, 403);
    // Policies are not for everybody, whatever the application may.
    let token = school.signed_in("Policy.Read.All Group.Read.All", ann);
    assert_eq!(school.graph("/groups", &token).status, 200);
}

#[test]
fn an_application_is_nobody() {
    let school = school();
    let (_, body) = school.token(&[
        ("grant_type", "client_credentials"),
        ("client_secret", &school.app.secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ]);
    let token = body["access_token"].as_str().unwrap();
    let held = claims(token);
    assert_eq!((&held["idtyp"], &held["ver"]), (&"app".into(), &"1.0".into()));
    assert_eq!(held["oid"], held["sub"]);
    let reply = school.graph("/me/messages", token);
    let text = json(&reply)["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(reply.status, 400);
    assert!(text.contains("only valid with delegated authentication"), "{text}");
}

#[test]
fn a_code_is_good_once_for_who_asked() {
    let school = school();
    let ann = &school.people[0];
    let code = school.code(NATIVE, "User.Read", ann, &[]);
    assert_eq!(school.redeem(&code, NATIVE, &[]).0, 200);
    assert_eq!(number(&school.redeem(&code, NATIVE, &[]).1), 54_005);
    let code = school.code(NATIVE, "User.Read", ann, &[]);
    assert_eq!(number(&school.redeem(&code, WEB, &[]).1), 500_112);
    // The secret belongs to web addresses, and is needed there.
    let secret = [("client_secret", school.app.secret.as_str())];
    let code = school.code(NATIVE, "User.Read", ann, &[]);
    assert_eq!(number(&school.redeem(&code, NATIVE, &secret).1), 700_025);
    let code = school.code(WEB, "User.Read", ann, &[]);
    assert_eq!(number(&school.redeem(&code, WEB, &[]).1), 7_000_218);
    let code = school.code(WEB, "User.Read", ann, &[]);
    assert_eq!(school.redeem(&code, WEB, &secret).0, 200);
    // PKCE (RFC 7636).
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest("verifier"));
    let asked = [("code_challenge", proof.as_str()), ("code_challenge_method", "S256")];
    let code = school.code(NATIVE, "User.Read", ann, &asked);
    assert_eq!(number(&school.redeem(&code, NATIVE, &[("code_verifier", "other")]).1), 501_481);
    let code = school.code(NATIVE, "User.Read", ann, &asked);
    assert_eq!(school.redeem(&code, NATIVE, &[("code_verifier", "verifier")]).0, 200);
}

#[test]
fn the_page_refuses_what_is_not_registered() {
    let school = school();
    let ann = &school.people[0];
    assert_eq!(school.page("https://evil.example/", "User.Read", ann, &[]).status, 400);
    let to = location(&school.page(NATIVE, "Mail.Send", ann, &[]));
    assert!(to.query_pairs().any(|(k, v)| k == "error" && v == "consent_required"), "{to}");
    let page = school.page(NATIVE, "User.Read", "nobody@riverside.example", &[]);
    assert!(String::from_utf8_lossy(&page.body).contains("AADSTS50034"));
    // The port of a loopback address is free.
    school.code("http://localhost:1234/", "User.Read", ann, &[]);
}

#[test]
fn who_is_disabled_signs_in_no_more_and_a_refresh_token_does_not_help() {
    let school = school();
    let ann = school.people[0].as_str();
    let code = school.code(NATIVE, "Mail.Read offline_access", ann, &[]);
    let (_, body) = school.redeem(&code, NATIVE, &[]);
    let token = body["refresh_token"].as_str().unwrap();
    let change = graph_sim::PersonChange::Disable { person: ann.to_owned() };
    school.sim.change_people(0, &change).unwrap();
    let (status, body) = school.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
    assert_eq!((status, number(&body)), (400, 50_057));
    assert_eq!(school.page(NATIVE, "Mail.Read", ann, &[]).status, 200, "the page asks again");
}

#[test]
fn refresh_tokens_come_on_request_and_anew_each_time() {
    let school = school();
    let ann = &school.people[0];
    let code = school.code(NATIVE, "User.Read", ann, &[]);
    assert!(school.redeem(&code, NATIVE, &[]).1["refresh_token"].is_null());
    let code = school.code(NATIVE, "User.Read Mail.Read offline_access", ann, &[]);
    let (_, body) = school.redeem(&code, NATIVE, &[]);
    let first = body["refresh_token"].as_str().unwrap().to_owned();
    let refresh = |token: &str, scope: &str| {
        school.token(&[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)])
    };
    let (status, body) = refresh(&first, "");
    assert_eq!((status, &body["scope"]), (200, &"Mail.Read User.Read".into()));
    let second = body["refresh_token"].as_str().unwrap();
    assert_ne!(second, first);
    // The old one stays good; and one may ask for less.
    let (status, body) = refresh(&first, "https://graph.microsoft.com/User.Read offline_access");
    assert_eq!(status, 200);
    assert_eq!(claims(body["access_token"].as_str().unwrap())["scp"], "User.Read");
    assert_eq!(number(&refresh("refresh", "").1), 9_002_313);
    // After 90 days nothing is left.
    school.sim.clock().advance(Duration::from_secs(91 * 86_400));
    assert_eq!(number(&refresh(second, "").1), 700_082);
}

#[test]
fn a_device_waits_until_its_person_has_typed_the_code() {
    let school = school();
    let begin = || {
        let body = form(&[
            ("client_id", school.app.application_id.as_str()),
            ("scope", "openid profile User.Read"),
        ]);
        json(&school.ask("POST", "/common/oauth2/v2.0/devicecode", "", "", &body))
    };
    let poll = |device: &Value| {
        school.token(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device["device_code"].as_str().unwrap()),
        ])
    };
    let type_code = |device: &Value, more: (&str, &str)| {
        let body = form(&[("otc", device["user_code"].as_str().unwrap()), more]);
        school.ask("POST", "/common/oauth2/deviceauth", "", "", &body)
    };
    let device = begin();
    assert_eq!(poll(&device).1["error"], "authorization_pending");
    assert_eq!(poll(&device).1["error"], "slow_down");
    type_code(&device, ("login", &school.people[1]));
    let (status, body) = poll(&device);
    assert_eq!(status, 200, "{body}");
    let who = claims(body["id_token"].as_str().unwrap());
    assert_eq!(who["preferred_username"], school.people[1].as_str());
    assert_eq!(poll(&device).1["error"], "bad_verification_code");
    let device = begin();
    type_code(&device, ("decline", "1"));
    assert_eq!(poll(&device).1["error"], "authorization_declined");
    let device = begin();
    school.sim.clock().advance(Duration::from_secs(16 * 60));
    assert_eq!(poll(&device).1["error"], "expired_token");
}
