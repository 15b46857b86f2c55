//! The whole simulated service: tenants, tokens, uploads, faults, log. One request at a time
//! changes it.

use crate::{
    core::{
        answers, batch,
        budgets::{self, Throttle, ThrottleSettings},
        catalog::{self, Found, Operation, Scope, Service},
        check,
        clock::SimClock,
        faults::{Fault, Faults},
        http::{ApiError, Delivery, Reply, Request},
        ids::IdMaker,
        rights::as_the_person,
        signin,
        signin_people::SignIns,
        tenant::Tenant,
        truth::{NOT_YET, Truth},
        upload::Upload,
        whole,
    },
    directory::routes as directory,
    drives::routes as drive_routes,
    mail::routes as mail_routes,
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

/// How the simulated service behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether budgets are enforced, and which.
    pub throttle: ThrottleSettings,
    /// Rewrite Office files on upload, as SharePoint does.
    pub office_rewrite: bool,
    /// Behaviour that is not shown; empty is the truth.
    pub withheld: BTreeSet<Truth>,
    /// Hold each answer against the published types: [`crate::Sim::answer_faults`].
    pub check_answers: bool,
    /// How long an access token lives.
    pub token_lifetime_s: i64,
    /// How long a request to a mailbox takes, in milliseconds: so that four at once strike.
    pub mailbox_work_ms: u64,
    /// How far the `Date` of each answer is ahead of its clock, in seconds; negative is behind.
    pub date_ahead_s: i64,
    /// Rows of the request log that are kept.
    pub log_rows_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            throttle: ThrottleSettings::Off,
            office_rewrite: false,
            withheld: BTreeSet::new(),
            check_answers: true,
            token_lifetime_s: 3900,
            mailbox_work_ms: 2,
            date_ahead_s: 0,
            log_rows_max: 200_000,
        }
    }
}

impl Settings {
    /// The same, without what the product cannot stand yet.
    #[must_use]
    pub fn for_the_product(mut self) -> Self {
        self.withheld.extend(NOT_YET);
        self
    }
}

/// An access token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) tenant: usize,
    pub(crate) app: String,
    pub(crate) roles: BTreeSet<String>,
    /// Id and scopes of the person in whose name it is; none for an application's own.
    pub(crate) person: Option<(String, BTreeSet<String>)>,
    pub(crate) expires_ms: i64,
}

/// One line of the request log.
#[derive(Debug, Clone, Serialize)]
pub struct LogRow {
    /// When, by the simulator's clock.
    pub at_ms: i64,
    /// Method.
    pub method: String,
    /// The shape of the path, without ids.
    pub route: String,
    /// The path as it was called, without query.
    pub path: String,
    /// The query as it was sent, without `?`.
    pub query: String,
    /// SHA-256 of the body in hexadecimal; `None` when there was none.
    pub body_sha256: Option<String>,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes_out: usize,
    /// Whether the call came within a `$batch`.
    pub in_batch: bool,
}

/// The simulated service.
#[derive(Clone)]
pub(crate) struct World {
    /// What was wrong with answers, and how often.
    pub(crate) answer_faults: BTreeMap<String, usize>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) settings: Settings,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) sign_ins: SignIns,
    pub(crate) uploads: HashMap<String, Upload>,
    pub(crate) throttle: Throttle,
    pub(crate) faults: Faults,
    pub(crate) log: VecDeque<LogRow>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) ids: IdMaker,
    pub(crate) link_secret: String,
}

/// Who calls, and what with.
pub(crate) struct Call<'a> {
    pub(crate) req: &'a Request,
    /// Decoded segments below the version.
    pub(crate) path: Vec<String>,
    pub(crate) tenant: usize,
    pub(crate) app: String,
    pub(crate) roles: BTreeSet<String>,
    /// Id and scopes of the person who signed in.
    pub(crate) person: Option<(String, BTreeSet<String>)>,
    /// Asked of `beta`.
    pub(crate) beta: bool,
}

impl Call<'_> {
    pub(crate) fn immutable(&self) -> bool {
        self.req.prefers("IdType=\"ImmutableId\"")
    }

    pub(crate) fn method(&self) -> &str {
        &self.req.method
    }
}

/// Splits, decodes and normalises a path: `//` collapses, `name('x')` is `name/x`, `f()` is `f`,
/// names of segments keep case. Within colons (`root:/a(b)/c:`) stand names of files, which stay.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut in_names = false;
    let decoded =
        path.split('/').map(|p| percent_encoding::percent_decode_str(p).decode_utf8_lossy());
    // Microsoft's own SDKs send `root:/name:` as one encoded part.
    let parts = decoded.flat_map(|part| match part.contains(":/") {
        true => part.split('/').map(str::to_owned).collect::<Vec<_>>(),
        false => vec![part.into_owned()],
    });
    for part in parts.filter(|p| !p.is_empty()) {
        if part.ends_with(':') {
            in_names = !in_names;
        }
        if let Some((name, rest)) = part.split_once('(').filter(|_| !in_names) {
            let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
            if let (true, Some(inner)) = (word, rest.strip_suffix(')')) {
                out.push(name.to_owned());
                let value = inner.split_once('=').map_or(inner, |(_, v)| v).trim_matches('\'');
                if !value.is_empty() {
                    out.push(value.to_owned());
                }
                continue;
            }
        }
        out.push(part);
    }
    out
}

impl World {
    pub(crate) fn new(clock: Arc<SimClock>, settings: Settings, seed: u64) -> Self {
        let mut ids = IdMaker::new(seed ^ 0x5eed);
        Self {
            clock,
            throttle: Throttle::new(settings.throttle),
            settings,
            tenants: Vec::new(),
            tokens: HashMap::new(),
            sign_ins: SignIns::default(),
            uploads: HashMap::new(),
            faults: Faults::default(),
            log: VecDeque::new(),
            counters: BTreeMap::new(),
            answer_faults: BTreeMap::new(),
            link_secret: ids.secret("links"),
            ids,
        }
    }

    /// Whether a behaviour is shown.
    pub(crate) fn tells(&self, truth: Truth) -> bool {
        !self.settings.withheld.contains(&truth)
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    pub(crate) fn count(&mut self, name: &str, by: u64) {
        *self.counters.entry(name.to_owned()).or_default() += by;
    }

    /// Answers one request to Graph, the sign-in service or a pre-authenticated URL.
    pub(crate) fn handle(&mut self, req: &Request) -> Reply {
        let reply = self.answer(req);
        self.finish(req, reply)
    }

    /// What every answer bears, refused ones too; and the log's row.
    fn finish(&mut self, req: &Request, mut reply: Reply) -> Reply {
        let request_id = self.ids.guid("request");
        let client_id = req.header("client-request-id").unwrap_or(&request_id).to_owned();
        reply.headers.push(("request-id".into(), request_id));
        reply.headers.push(("client-request-id".into(), client_id));
        let ahead_s = self.settings.date_ahead_s;
        let at = self.now() + jiff::SignedDuration::from_secs(ahead_s);
        // RFC 9110 dates; whole seconds.
        reply.headers.push(("date".into(), at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        self.count("requests", 1);
        self.count(&format!("status_{}", reply.status), 1);
        self.count("bytes_in", req.body.len() as u64);
        self.count("bytes_out", reply.body.len() as u64);
        self.record(req, &reply, false);
        reply
    }

    /// A row of the log.
    pub(crate) fn record(&mut self, req: &Request, reply: &Reply, in_batch: bool) {
        if self.log.len() >= self.settings.log_rows_max {
            self.log.pop_front();
        }
        let route = route_shape(&req.path);
        self.count(&format!("route {} {route}", req.method), 1);
        let digest = |b: &bytes::Bytes| (!b.is_empty()).then(|| hex::encode(Sha256::digest(b)));
        self.log.push_back(LogRow {
            at_ms: self.now().as_millisecond(),
            method: req.method.clone(),
            route,
            path: req.path.clone(),
            query: req.query.clone(),
            body_sha256: digest(&req.body),
            status: reply.status,
            bytes_out: reply.body.len(),
            in_batch,
        });
    }

    /// Answers one request as over a connection: the place that it takes in a mailbox is held until
    /// the caller gives it back.
    pub(crate) fn handle_in_place(&mut self, req: &Request) -> (Reply, Option<String>) {
        let Some(scope) = self.mailbox_scope(req) else { return (self.handle(req), None) };
        match self.throttle.begin(&scope) {
            Ok(()) => (self.handle(req), Some(scope)),
            Err(error) => {
                let reply = self.error(req, error);
                (self.finish(req, reply), None)
            }
        }
    }

    /// The mailbox whose concurrency a request counts against.
    fn mailbox_scope(&self, req: &Request) -> Option<String> {
        let path = segments(&req.path);
        let (version, rest) = path.split_first()?;
        let bearer = req.header("authorization")?;
        let bearer = bearer.strip_prefix("Bearer ").or_else(|| bearer.strip_prefix("bearer "))?;
        let token = self.tokens.get(bearer)?;
        let beta = version.eq_ignore_ascii_case("beta");
        let person = token.person.as_ref().map(|(p, _)| p.as_str());
        let rest = &as_the_person(rest.to_vec(), person);
        let Found::Operation(o) = catalog::classify(&req.method, rest, beta) else { return None };
        let user = self.tenants[token.tenant].user_id(rest.get(1)?)?;
        (o.scope == Scope::Mailbox).then(|| format!("{} {user}", token.app))
    }

    fn answer(&mut self, req: &Request) -> Reply {
        let fault = self.faults.take(req);
        if let Some(reply) = fault.as_ref().and_then(|f| self.front_door(req, f)) {
            return reply;
        }
        let mut reply = match self.route(req, fault.as_ref()) {
            Ok(reply) => reply,
            Err(error) => self.error(req, error),
        };
        match fault {
            Some(Fault::EmptyBody) if reply.status < 300 => reply.body = bytes::Bytes::new(),
            // Mail and drives do so themselves: their pages hold more than one row needs.
            Some(Fault::RepeatPage) if reply.status < 300 => {
                crate::core::feed::repeat(req, &mut reply)
            }
            Some(Fault::Reset { after_bytes }) => reply.delivery = Delivery::Reset(after_bytes),
            Some(Fault::Truncate { by_bytes }) if reply.status < 300 => {
                reply.body.truncate(reply.body.len().saturating_sub(by_bytes));
            }
            Some(Fault::Overlong { by_bytes }) if reply.status < 300 => {
                let mut body = reply.body.to_vec();
                body.resize(body.len() + by_bytes, b' ');
                reply.body = body.into();
            }
            Some(Fault::Slow { pause_ms, piece_bytes }) => {
                reply.delivery = Delivery::Slow { pause_ms, piece_bytes }
            }
            _ => {}
        }
        reply
    }

    pub(crate) fn error(&mut self, req: &Request, error: ApiError) -> Reply {
        let id = self.ids.guid("request");
        let client = req.header("client-request-id").unwrap_or(&id).to_owned();
        let mut reply = Reply::json(error.status, &error.body(&id, &client, self.now()));
        reply.headers.extend(error.headers);
        reply
    }

    fn route(&mut self, req: &Request, fault: Option<&Fault>) -> Result<Reply, ApiError> {
        let path = segments(&req.path);
        let first = path.first().map(|s| s.to_ascii_lowercase()).unwrap_or_default();
        match first.as_str() {
            "v1.0" => self.graph(req, path[1..].to_vec(), false, fault),
            "_download" => crate::drives::content::download(self, req, &path, fault),
            "_upload" => crate::core::upload::drive_part(self, req, &path),
            "_attach" => crate::core::upload::attachment_part(self, req, &path),
            "_monitor" => Ok(crate::drives::content::monitor(self, &path)),
            "beta" => self.graph(req, path[1..].to_vec(), true, fault),
            _ => signin::route(self, req, &path),
        }
    }

    fn graph(
        &mut self,
        req: &Request,
        path: Vec<String>,
        beta: bool,
        fault: Option<&Fault>,
    ) -> Result<Reply, ApiError> {
        let Token { tenant, app, roles, person, .. } = self.authorise(req)?;
        let path = as_the_person(path, person.as_ref().map(|(p, _)| p.as_str()));
        let call = Call { req, path, tenant, app, roles, person, beta };
        if call.path.first().is_some_and(|p| p.eq_ignore_ascii_case("$batch")) {
            return batch::run(self, &call);
        }
        self.graph_call(&call, fault)
    }

    /// One call, alone or from a batch: what it is, the budget, the right to it, then the work.
    pub(crate) fn graph_call(
        &mut self,
        call: &Call<'_>,
        fault: Option<&Fault>,
    ) -> Result<Reply, ApiError> {
        if call.path.first().is_some_and(|p| p.eq_ignore_ascii_case("me")) {
            // Source: Graph's error to tokens of applications.
            let text = "/me request is only valid with delegated authentication flow.";
            return Err(ApiError::new(400, "BadRequest", text));
        }
        let operation = match catalog::classify(call.method(), &call.path, call.beta) {
            Found::Operation(operation) => operation,
            Found::OtherMethod(area) => return Err(ApiError::other_method(area)),
            Found::Nothing(at) => {
                return Err(ApiError::new(
                    400,
                    "BadRequest",
                    format!("Resource not found for the segment '{at}'."),
                ));
            }
        };
        let spent = self.spend(call, operation)?;
        if self.tells(Truth::QueryOptions) {
            options_are_published(&call.req.query, operation)?;
        }
        let (directory, delta) =
            (operation.scope == Scope::Identity, operation.path.ends_with("/delta"));
        crate::core::odata::may_search(call.req, directory, delta)?;
        let result = self.work(call, operation, fault);
        let decorate = |headers: &mut Vec<(String, String)>| headers.extend(spent);
        match result {
            Ok(mut reply) => {
                decorate(&mut reply.headers);
                Ok(reply)
            }
            Err(mut e) => {
                decorate(&mut e.headers);
                Err(e)
            }
        }
    }

    fn work(
        &mut self,
        call: &Call<'_>,
        operation: &Operation,
        fault: Option<&Fault>,
    ) -> Result<Reply, ApiError> {
        self.permits(call, operation)?;
        if self.tells(Truth::QueryNames) {
            check::query(call, operation)?;
        }
        if self.tells(Truth::BodyLength) {
            check::length(call, operation)?;
        }
        if self.tells(Truth::Bodies) {
            check::body(call, operation)?;
        }
        if self.tells(Truth::PeopleWithout) {
            directory::has_it(&self.tenants[call.tenant], call, operation)?;
        }
        let reply = match operation.service {
            Service::Mail => mail_routes::run(self, call, fault),
            Service::Drives => drive_routes::run(self, call, fault),
            Service::Directory if self.tells(Truth::WholeObjects) => {
                directory::run(self, call).map(|reply| whole::completed(call, operation, reply))
            }
            Service::Directory => directory::run(self, call),
            Service::Contacts => crate::contacts::routes::run(self, call),
            Service::Tasks => crate::tasks::routes::run(self, call),
            Service::Calendars => crate::calendars::routes::run(self, call),
            Service::Sites => crate::sites::routes::run(self, call),
            Service::Settings => crate::settings::routes::run(self, call, operation),
            Service::Managed => crate::settings::managed::run(self, call),
        }?;
        let reply = whole::with_context(call, operation, reply);
        if self.settings.check_answers {
            for fault in answers::faults(call, operation, &reply) {
                *self.answer_faults.entry(fault).or_default() += 1;
            }
        }
        Ok(reply)
    }

    fn authorise(&mut self, req: &Request) -> Result<Token, ApiError> {
        let denied = |text: &str| Err(ApiError::new(401, "InvalidAuthenticationToken", text));
        let Some(bearer) = req
            .header("authorization")
            .and_then(|h| h.strip_prefix("Bearer ").or_else(|| h.strip_prefix("bearer ")))
        else {
            return denied("Access token is empty.");
        };
        let Some(token) = self.tokens.get(bearer) else {
            return denied("CompactToken parsing failed with error code: 80049217");
        };
        if token.expires_ms <= self.clock.now_ms() {
            return denied("Lifetime validation failed, the token is expired.");
        }
        Ok(token.clone())
    }

    /// Takes what the call costs out of its budgets; answers headers for the reply.
    fn spend(
        &mut self,
        call: &Call<'_>,
        operation: &Operation,
    ) -> Result<Vec<(String, String)>, ApiError> {
        let now = self.clock.now_ms();
        let tenant = &self.tenants[call.tenant];
        let writes = call.method() != "GET";
        match operation.scope {
            Scope::Mailbox => {
                let user = call.path.get(1).map(String::as_str).unwrap_or_default();
                let user = tenant.user_id(user).unwrap_or_else(|| user.to_owned());
                self.throttle.mail(now, &call.app, &user, call.req.body.len())
            }
            Scope::SharePoint => {
                let cost = budgets::sharepoint_cost(call.method(), operation.path, &call.req.query);
                self.throttle.drive(now, &call.app, call.tenant, cost)
            }
            Scope::Identity => {
                let people = tenant.users.len();
                let cost = budgets::identity_cost(call.method(), operation.path, &call.req.query);
                self.throttle.identity(now, &call.app, call.tenant, people, cost, writes)
            }
            Scope::ConditionalAccess => self.throttle.policies(now, call.tenant),
            Scope::Intune => self.throttle.intune(now, &call.app, call.tenant, writes),
            Scope::Reports => self.throttle.reports(now, &call.app, call.tenant),
            Scope::Security => self.throttle.security(now, &call.app, call.tenant),
        }
    }

    /// A token that the service alone can make, for links without sign-in.
    pub(crate) fn seal_link(&self, content: &str) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        format!("{}.{}", URL_SAFE_NO_PAD.encode(content), self.link_mac(content))
    }

    fn link_mac(&self, content: &str) -> String {
        hex::encode(
            &Sha256::new().chain_update(&self.link_secret).chain_update(content).finalize()[..12],
        )
    }

    pub(crate) fn open_link(&self, token: &str) -> Option<String> {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let (content, mac) = token.split_once('.')?;
        let content = String::from_utf8(URL_SAFE_NO_PAD.decode(content).ok()?).ok()?;
        (self.link_mac(&content) == mac).then_some(content)
    }

    pub(crate) fn status(&self) -> Value {
        json!({
            "now": self.now().to_string(),
            "counters": self.counters,
            "throttle": self.throttle.report(),
        })
    }
}

/// Options of OData are refused when they are not published for the operation; others are ignored.
fn options_are_published(query: &str, operation: &Operation) -> Result<(), ApiError> {
    // The service's own continuation tokens stand in links that it made itself.
    // One object may be counted: "GET /me?$expand=manager…&$count=true" (list manager).
    const LINKS: &[&str] = &["$skiptoken", "$deltatoken", "$count"];
    if operation.options.is_empty() {
        return Ok(());
    }
    for (name, _) in crate::core::odata::pairs(query) {
        let name = name.to_ascii_lowercase();
        let known = operation.options.iter().any(|o| o.eq_ignore_ascii_case(&name));
        if name.starts_with('$') && !known && !LINKS.contains(&name.as_str()) {
            return Err(ApiError::new(
                400,
                "BadRequest",
                format!("The query parameter '{name}' is not supported."),
            ));
        }
    }
    Ok(())
}

/// A path with its ids replaced, so that calls of one kind count together.
fn route_shape(path: &str) -> String {
    let mut out = String::new();
    for part in segments(path) {
        out.push('/');
        let word = part.len() < 26
            && part.chars().all(|c| c.is_ascii_alphabetic() || c == '$' || c == '.' || c == '_');
        let known = word || part == "v1.0" || part == "alerts_v2";
        out.push_str(if known { &part } else { "{id}" });
    }
    out
}
