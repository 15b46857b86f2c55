//! Limits, rights and the log, asked in process.

use crate::{Reply, Request, SeedPlan, Settings, Sim, ThrottleSettings};
use serde_json::Value;

struct Asked {
    sim: Sim,
    token: String,
    user: String,
}

fn asked(application: &str) -> Asked {
    let settings = Settings { throttle: ThrottleSettings::Published, ..Settings::default() };
    let start = "2026-03-02T08:00:00Z".parse().unwrap();
    let sim = Sim::new(settings, 1, start);
    sim.clock().stop();
    sim.seed(&SeedPlan { scale: 0.3, ..SeedPlan::default() }).unwrap();
    let app = sim.credentials(0, application).unwrap();
    let form = format!(
        "client_id={}&client_secret={}&grant_type=client_credentials&scope=https://graph.\
         microsoft.com/.default",
        app.application_id, app.secret
    );
    let reply = sim.handle(&Request {
        method: "POST".into(),
        path: format!("/{}/oauth2/v2.0/token", app.tenant_id),
        query: String::new(),
        headers: Vec::new(),
        body: form.into(),
    });
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let token = body["access_token"].as_str().unwrap().to_owned();
    let user = sim.world().tenants[0].users.keys().next().unwrap().clone();
    Asked { sim, token, user }
}

impl Asked {
    fn request(&self, method: &str, target: &str) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Request {
            method: method.into(),
            path: format!("/v1.0/{path}"),
            query: query.into(),
            headers: vec![
                ("authorization".into(), format!("Bearer {}", self.token)),
                ("host".into(), "graph.microsoft.com".into()),
            ],
            body: bytes::Bytes::new(),
        }
    }

    fn get(&self, target: &str) -> Reply {
        self.sim.handle(&self.request("GET", target))
    }
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

#[test]
fn reports_and_alerts_have_limits_of_their_own() {
    let a = asked("read");
    for n in 0..5 {
        assert_eq!(a.get("auditLogs/directoryAudits").status, 200, "report {n}");
    }
    let sixth = a.get("auditLogs/directoryAudits");
    assert_eq!((sixth.status, header(&sixth, "retry-after")), (429, Some("10")));
    // Another budget is not touched by it.
    assert_eq!(a.get("organization").status, 200);
    for n in 0..150 {
        assert_eq!(a.get("security/secureScores").status, 200, "score {n}");
    }
    assert_eq!(a.get("security/secureScores").status, 429);
}

#[test]
fn intune_counts_requests_in_twenty_seconds() {
    let a = asked("read");
    let ok =
        (0..1_200).take_while(|_| a.get("deviceManagement/deviceCompliancePolicies").status == 200);
    assert_eq!(ok.count(), 1_000);
    a.sim.clock().advance(std::time::Duration::from_secs(20));
    assert_eq!(a.get("deviceManagement/deviceCompliancePolicies").status, 200);
}

#[test]
fn the_directory_says_what_a_request_costs() {
    let a = asked("read");
    for (target, cost) in
        [("users", "2"), ("users?$select=id", "1"), ("users?$top=5", "1"), ("organization", "1")]
    {
        assert_eq!(header(&a.get(target), "x-ms-resource-unit"), Some(cost), "{target}");
    }
}

#[test]
fn a_refusal_of_sharepoint_says_what_is_left_and_when_more_comes() {
    let a = asked("read");
    let drive = format!("users/{}/drive", a.user);
    let refused = (0..2_000).map(|_| a.get(&drive)).find(|r| r.status == 429).unwrap();
    assert_eq!(header(&refused, "ratelimit-limit"), Some("1250"));
    assert_eq!(header(&refused, "ratelimit-remaining"), Some("0"));
    assert_eq!(header(&refused, "ratelimit-reset"), header(&refused, "retry-after"));
}

#[test]
fn five_at_once_in_a_mailbox_are_one_too_many_and_the_log_has_the_refusal() {
    let a = asked("read");
    let request = a.request("GET", &format!("users/{}/messages?$top=1", a.user));
    let held: Vec<_> = (0..4).map(|_| a.sim.answer(&request)).collect();
    assert!(held.iter().all(|(reply, place)| reply.status == 200 && place.is_some()));
    let (fifth, place) = a.sim.answer(&request);
    assert_eq!(fifth.status, 429);
    assert!(place.is_none());
    let log = a.sim.log();
    let last = log.last().unwrap();
    assert_eq!((last.status, last.query.as_str()), (429, "$top=1"));
    drop(held);
    assert_eq!(a.sim.answer(&request).0.status, 200);
}

#[test]
fn calls_within_a_batch_stand_in_the_log_with_the_digest_of_their_bodies() {
    let a = asked("read");
    let mut request = a.request("POST", "$batch");
    request.body = r#"{"requests": [{"id": "1", "method": "GET", "url": "/organization"}]}"#.into();
    assert_eq!(a.sim.handle(&request).status, 200);
    let log = a.sim.log();
    let [.., inner, outer] = log.as_slice() else { panic!("{log:?}") };
    assert!(inner.in_batch && inner.path.ends_with("/organization") && inner.status == 200);
    assert!(!outer.in_batch && outer.body_sha256.as_ref().is_some_and(|d| d.len() == 64));
}

#[test]
fn options_that_are_not_published_and_paths_that_are_not_there_are_refused() {
    let a = asked("read");
    assert_eq!(a.get(&format!("users/{}/messages?$skiptoken=x&foo=1", a.user)).status, 200);
    assert_eq!(a.get("organization?$apply=x").status, 400);
    assert_eq!(a.get("nonsense").status, 400);
    assert_eq!(a.sim.handle(&a.request("DELETE", "organization")).status, 405);
    // Published, and not played here: never an empty answer.
    assert_eq!(a.get("policies/roleManagementPolicies").status, 501);
}
