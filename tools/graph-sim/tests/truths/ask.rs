//! A simulator and one application that asks it.

use graph_sim::{Reply, Request, SeedPlan, Settings, Sim};
use serde_json::{Value, json};

pub(crate) struct Asked {
    pub(crate) sim: Sim,
    token: String,
}

/// A small school that shows everything, asked by an application of that name.
pub(crate) fn school(application: &str) -> Asked {
    asked(Settings::default(), application)
}

pub(crate) fn asked(settings: Settings, application: &str) -> Asked {
    let sim = Sim::new(settings, 1, "2026-03-02T08:00:00Z".parse().unwrap());
    sim.clock().stop();
    sim.seed(&SeedPlan { scale: 0.3, ..SeedPlan::default() }).unwrap();
    let mut asked = Asked { sim, token: String::new() };
    asked.sign_in(application);
    asked
}

/// The same, asked by a token that has these permissions alone.
pub(crate) fn with(settings: Settings, permissions: &[&str]) -> Asked {
    let mut asked = asked(settings, "read");
    asked.may(permissions);
    asked
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let faults = self.sim.answer_faults();
            assert!(faults.is_empty(), "answers that no published type allows: {faults:#?}");
        }
    }
}

impl Asked {
    /// Asks with these permissions from now on.
    pub(crate) fn may(&mut self, permissions: &[&str]) {
        self.token = self.sim.token(0, permissions).unwrap();
    }

    pub(crate) fn sign_in(&mut self, application: &str) {
        let app = self.sim.credentials(0, application).unwrap();
        let form = format!(
            "client_id={}&client_secret={}&grant_type=client_credentials&scope=https://graph.\
             microsoft.com/.default",
            app.application_id, app.secret
        );
        let reply = self.sim.handle(&Request {
            method: "POST".into(),
            path: format!("/{}/oauth2/v2.0/token", app.tenant_id),
            query: String::new(),
            headers: Vec::new(),
            body: form.into(),
        });
        self.token = body(&reply)["access_token"].as_str().unwrap().to_owned();
    }

    /// `target` is below `/v1.0/`, or a whole link.
    pub(crate) fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        content: bytes::Bytes,
    ) -> Reply {
        let target = match target.strip_prefix("https://graph.microsoft.com") {
            Some(rest) => rest.to_owned(),
            None => format!("/v1.0/{target}"),
        };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut all = vec![
            ("authorization".to_owned(), format!("Bearer {}", self.token)),
            ("host".to_owned(), "graph.microsoft.com".to_owned()),
        ];
        all.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        self.sim.handle(&Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: all,
            body: content,
        })
    }

    pub(crate) fn reply(&self, target: &str) -> Reply {
        self.ask("GET", target, &[("prefer", "IdType=\"ImmutableId\"")], bytes::Bytes::new())
    }

    /// Status and body.
    pub(crate) fn get(&self, target: &str) -> (u16, Value) {
        let reply = self.reply(target);
        (reply.status, body(&reply))
    }

    pub(crate) fn send(&self, method: &str, target: &str, json: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json"), ("prefer", "IdType=\"ImmutableId\"")];
        let content = if json.is_null() { String::new() } else { json.to_string() };
        let reply = self.ask(method, target, &headers, content.into());
        (reply.status, body(&reply))
    }

    /// All rows of a collection, and the last page.
    pub(crate) fn all(&self, target: &str) -> (Vec<Value>, Value) {
        let (mut rows, mut at) = (Vec::new(), target.to_owned());
        loop {
            let (status, page) = self.get(&at);
            assert_eq!(status, 200, "{at}: {page}");
            rows.extend(page["value"].as_array().unwrap().iter().cloned());
            match page["@odata.nextLink"].as_str() {
                Some(next) => at = next.to_owned(),
                None => return (rows, page),
            }
        }
    }

    /// The first user's id.
    pub(crate) fn user(&self) -> String {
        self.all("users?$orderby=displayName").0[0]["id"].as_str().unwrap().to_owned()
    }
}

/// The rows of a round, removed ones too, and the link of the next.
pub(crate) fn news(s: &Asked, link: &str) -> (Vec<Value>, String) {
    let (rows, page) = s.all(link);
    (rows, text(&page, "@odata.deltaLink").to_owned())
}

pub(crate) fn text<'v>(v: &'v Value, name: &str) -> &'v str {
    v[name].as_str().unwrap_or_default()
}

/// The names of an object's properties, without annotations.
pub(crate) fn keys(v: &Value) -> Vec<&str> {
    let all = v.as_object().into_iter().flatten().map(|(k, _)| k.as_str());
    let mut keys: Vec<&str> = all.filter(|k| !k.starts_with('@')).collect();
    keys.sort_unstable();
    keys
}

/// The first person whose principal name holds these words.
pub(crate) fn person(s: &Asked, part: &str) -> String {
    let all = s.all("users").0;
    let user = all.iter().find(|u| text(u, "userPrincipalName").contains(part));
    text(user.unwrap(), "id").to_owned()
}

/// The body as JSON; null when there is none.
pub(crate) fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or(json!(null))
}

pub(crate) fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

pub(crate) fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}
