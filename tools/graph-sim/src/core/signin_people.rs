//! People signing in through an application: authorization code with redirect and PKCE, device
//! code, refresh tokens.
//!
//! Sources: Microsoft identity platform, "OAuth 2.0 authorization code flow", "device authorization
//! grant flow", "Refresh tokens" (a new one with each use, the old one stays good until it ends).
//! Passwords are not simulated: whoever posts a name to the page has signed in.

use crate::core::{
    http::{Reply, Request},
    odata::pairs,
    signin::{access_token, find_app, is_the_app, refuse},
    tenant::App,
    world::World,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const CODE_MS: i64 = 600_000;
const DEVICE_MS: i64 = 900_000;
const REFRESH_MS: i64 = 90 * 86_400_000;
const GRAPH: &str = "https://graph.microsoft.com/";
/// Not permissions of a service, but what the sign-in itself gives.
const SIGN_IN: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What a person has let an application do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grant {
    pub(crate) tenant: usize,
    pub(crate) app: String,
    /// Id of the person.
    pub(crate) person: String,
    /// Permissions, without the name of the service.
    pub(crate) scopes: BTreeSet<String>,
    sign_in: BTreeSet<String>,
    /// As it was asked for, which is how it is answered.
    asked: String,
    redirect: String,
    /// Method and challenge of PKCE.
    challenge: Option<(String, String)>,
    nonce: Option<String>,
    expires_ms: i64,
}

/// A sign-in that waits for a person at another device.
#[derive(Debug, Clone)]
struct Device {
    grant: Grant,
    user_code: String,
    declined: bool,
    last_poll_ms: Option<i64>,
}

/// Sign-ins under way and what came of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SignIns {
    codes: HashMap<String, Grant>,
    devices: HashMap<String, Device>,
    refresh: HashMap<String, Grant>,
}

/// What a person is called towards one application.
pub(crate) fn pairwise(person: &str, app: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{person} {app}")))
}

type Refusal = (&'static str, u32, String);

/// Sorts the scopes that are asked for; those without consent are refused.
fn scopes_of(app: &App, asked: &str) -> Result<(BTreeSet<String>, BTreeSet<String>), Refusal> {
    let (mut scopes, mut sign_in) = (BTreeSet::new(), BTreeSet::new());
    for scope in asked.split_whitespace() {
        let name = scope.strip_prefix(GRAPH).unwrap_or(scope).trim_start_matches('/');
        if SIGN_IN.contains(&name) {
            sign_in.insert(name.to_owned());
        } else if name == ".default" {
            scopes.extend(app.delegated.iter().cloned());
        } else if name.contains("://") {
            return Err((
                "invalid_resource",
                500_011,
                format!("The resource principal named {scope} was not found in the tenant."),
            ));
        } else if let Some(known) = app.delegated.iter().find(|d| d.eq_ignore_ascii_case(name)) {
            scopes.insert(known.clone());
        } else {
            return Err((
                "consent_required",
                65_001,
                format!(
                    "The user or administrator has not consented to use the application with ID \
                     '{}' named '{}' for '{scope}'.",
                    app.app_id, app.name
                ),
            ));
        }
    }
    if scopes.is_empty() && sign_in.is_empty() {
        return Err((
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'scope'.".to_owned(),
        ));
    }
    Ok((scopes, sign_in))
}

fn html(status: u16, inner: &str) -> Reply {
    let mut reply = Reply::new(status).with("content-type", "text/html; charset=utf-8");
    reply.body = format!("<!DOCTYPE html><title>Sign in to your account</title>{inner}").into();
    reply
}

fn found(to: &str) -> Reply {
    Reply::new(302).with("location", to)
}

/// Names and values of a form or query.
fn fields(text: &str) -> BTreeMap<String, String> {
    pairs(text).into_iter().collect()
}

fn person(world: &World, tenant: usize, login: &str) -> Option<String> {
    let t = world.tenants.get(tenant)?;
    let id = t.user_id(login)?;
    let enabled = t.settings.people.get(&id).and_then(|p| p["accountEnabled"].as_bool());
    let is_disabled = t.users.get(&id)?.facts.disabled;
    (enabled.unwrap_or(true) && !is_disabled).then_some(id)
}

/// A registered address; the port of a loopback address is free.
fn is_registered(redirects: &[&str], asked: &str) -> bool {
    let plain = |u: &str| {
        url::Url::parse(u).map(|mut u| {
            if u.host_str() == Some("localhost") {
                let _ = u.set_port(None);
            }
            u.to_string()
        })
    };
    redirects.iter().any(|r| plain(r).ok().is_some_and(|r| plain(asked).ok() == Some(r)))
}

/// The page to which an application sends a person, and its answer once a name is posted.
pub(crate) fn authorize(world: &mut World, req: &Request, tenant: &str) -> Reply {
    let query = fields(&req.query);
    let field = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let (n, app) = match find_app(world, tenant, field("client_id")) {
        Ok(found) => found,
        Err(_) => {
            return html(400, "AADSTS700016: Application was not found in the directory.");
        }
    };
    let redirect = field("redirect_uri").to_owned();
    let known: Vec<&str> = app.web.iter().chain(&app.native).map(String::as_str).collect();
    if !is_registered(&known, &redirect) {
        return html(
            400,
            "AADSTS50011: The redirect URI specified in the request does not match the redirect \
             URIs configured for the application.",
        );
    }
    let state = query.get("state").cloned();
    let back = move |pairs: &[(&str, &str)]| match url::Url::parse(&redirect) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(pairs);
            if let Some(state) = &state {
                url.query_pairs_mut().append_pair("state", state);
            }
            found(url.as_str())
        }
        Err(_) => html(400, "AADSTS90023"),
    };
    if field("response_type") != "code" {
        return back(&[
            ("error", "unsupported_response_type"),
            ("error_description", "AADSTS700054: response_type is not enabled."),
        ]);
    }
    let (scopes, sign_in) = match scopes_of(&app, field("scope")) {
        Ok(both) => both,
        Err((error, number, text)) => {
            let text = format!("AADSTS{number}: {text}");
            return back(&[("error", error), ("error_description", &text)]);
        }
    };
    if req.method != "POST" {
        if field("prompt") == "none" {
            return back(&[
                ("error", "login_required"),
                ("error_description", "AADSTS50058: No user is signed in."),
            ]);
        }
        // A form without action posts to the address that it came from.
        return html(200, "<form method=post><input name=login autofocus><button>Next</button>");
    }
    let login = fields(&String::from_utf8_lossy(&req.body));
    let Some(person) = login.get("login").and_then(|l| person(world, n, l)) else {
        return html(200, "AADSTS50034: We couldn't find an account with that username.");
    };
    let code = format!("1.{}", world.ids.secret("code"));
    let challenge = query.get("code_challenge").map(|c| {
        let method = query.get("code_challenge_method").map_or("plain", String::as_str);
        (method.to_owned(), c.clone())
    });
    let grant = Grant {
        tenant: n,
        app: app.app_id.clone(),
        person,
        scopes,
        sign_in,
        asked: field("scope").to_owned(),
        redirect: field("redirect_uri").to_owned(),
        challenge,
        nonce: query.get("nonce").cloned(),
        expires_ms: world.clock.now_ms() + CODE_MS,
    };
    world.sign_ins.codes.insert(code.clone(), grant);
    let session = world.ids.guid("session");
    back(&[("code", &code), ("session_state", &session)])
}

/// Begins a sign-in that is finished at another device.
pub(crate) fn device_code(world: &mut World, req: &Request, tenant: &str) -> Reply {
    let form = fields(&String::from_utf8_lossy(&req.body));
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let (n, app) = match find_app(world, tenant, field("client_id")) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let (scopes, sign_in) = match scopes_of(&app, field("scope")) {
        Ok(both) => both,
        Err((error, number, text)) => return refuse(world, 400, error, number, &text),
    };
    let device_code = world.ids.secret("device");
    let user_code: String = world.ids.secret("user code").chars().take(9).collect();
    let user_code = user_code.to_ascii_uppercase();
    let now = world.clock.now_ms();
    let grant = Grant {
        tenant: n,
        app: app.app_id,
        scopes,
        sign_in,
        asked: field("scope").to_owned(),
        expires_ms: now + DEVICE_MS,
        ..Grant::default()
    };
    let device =
        Device { grant, user_code: user_code.clone(), declined: false, last_poll_ms: None };
    world.sign_ins.devices.insert(device_code.clone(), device);
    let page = "https://microsoft.com/devicelogin";
    Reply::json(
        200,
        &json!({
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": page,
            "expires_in": DEVICE_MS / 1000,
            "interval": 5,
            "message": format!("To sign in, use a web browser to open the page {page} and enter \
                the code {user_code} to authenticate."),
        }),
    )
}

/// Where a person types the code that a device shows: fields `otc`, `login`, and `decline`.
pub(crate) fn device_page(world: &mut World, req: &Request) -> Reply {
    if req.method != "POST" {
        return html(
            200,
            "<form method=post><input name=otc><input name=login><button>Next</button>",
        );
    }
    let form = fields(&String::from_utf8_lossy(&req.body));
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let now = world.clock.now_ms();
    let open = world
        .sign_ins
        .devices
        .iter()
        .find(|(_, d)| d.user_code.eq_ignore_ascii_case(field("otc")) && d.grant.expires_ms > now)
        .map(|(code, d)| (code.clone(), d.grant.tenant));
    let Some((code, tenant)) = open else {
        return html(200, "That code didn't work. Check the code and try again.");
    };
    let who = person(world, tenant, field("login"));
    let Some(device) = world.sign_ins.devices.get_mut(&code) else { return html(200, "") };
    if form.contains_key("decline") {
        device.declined = true;
        return html(200, "You have declined.");
    }
    let Some(who) = who else {
        return html(200, "AADSTS50034: We couldn't find an account with that username.");
    };
    device.grant.person = who;
    html(200, "You have signed in. You may now close this window.")
}

/// The token endpoint for a code, a device's code or a refresh token.
pub(crate) fn token(
    world: &mut World,
    tenant: usize,
    app: &App,
    asked_tenant: &str,
    form: &BTreeMap<String, String>,
) -> Reply {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let now = world.clock.now_ms();
    let no =
        |world: &mut World, number, text: &str| refuse(world, 400, "invalid_grant", number, text);
    let mut grant = match field("grant_type") {
        "authorization_code" => {
            // Good once: it is gone whatever comes of it.
            match world.sign_ins.codes.remove(field("code")) {
                Some(g) if g.expires_ms > now => g,
                Some(_) => return no(world, 70_008, "The provided authorization code is expired."),
                None => {
                    return no(
                        world,
                        54_005,
                        "OAuth2 Authorization code was already redeemed, please retry with a new \
                         valid code or use an existing refresh token.",
                    );
                }
            }
        }
        "refresh_token" => match world.sign_ins.refresh.get(field("refresh_token")) {
            Some(g) if g.expires_ms > now => g.clone(),
            Some(_) => {
                let text = "The refresh token has expired due to inactivity.";
                return no(world, 700_082, text);
            }
            None => {
                return no(world, 9_002_313, "Invalid request. Request is malformed or invalid.");
            }
        },
        _ => match poll(world, field("device_code"), now) {
            Ok(grant) => grant,
            Err(reply) => return reply,
        },
    };
    if grant.app != app.app_id || grant.tenant != tenant {
        return no(world, 700_005, "The grant was issued to another client id.");
    }
    // A device and a native application have no secret; a web application needs its own.
    let web =
        is_registered(&app.web.iter().map(String::as_str).collect::<Vec<_>>(), &grant.redirect);
    match is_the_app(world, app, asked_tenant, form, web) {
        Ok(true) if !web => {
            return refuse(
                world,
                401,
                "invalid_client",
                700_025,
                "Client is public so neither 'client_assertion' nor 'client_secret' should be \
                 presented.",
            );
        }
        Ok(_) => {}
        Err(reply) => return reply,
    }
    if field("grant_type") == "authorization_code" {
        if grant.redirect != field("redirect_uri") {
            return no(
                world,
                500_112,
                "The reply address does not match the reply address provided when requesting \
                 Authorization code.",
            );
        }
        if let Some((method, challenge)) = &grant.challenge {
            let verifier = field("code_verifier");
            let made = match method.as_str() {
                "S256" => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
                _ => verifier.to_owned(),
            };
            if made != *challenge {
                let text = "The Code_Verifier does not match the code_challenge supplied in the \
                            authorization request.";
                return no(world, 501_481, text);
            }
        }
    }
    if person(world, tenant, &grant.person).is_none() {
        return no(world, 50_057, "The user account is disabled or does not exist.");
    }
    // A refresh may ask for less, or for more that was consented to.
    if !field("scope").is_empty() {
        match scopes_of(app, field("scope")) {
            Ok((scopes, sign_in)) => {
                if !scopes.is_empty() {
                    grant.scopes = scopes;
                }
                grant.sign_in.extend(sign_in);
                grant.asked = field("scope").to_owned();
            }
            Err((error, number, text)) => return refuse(world, 400, error, number, &text),
        }
    }
    answer(world, tenant, app, grant, form)
}

/// One question of a device whether its person has signed in.
fn poll(world: &mut World, code: &str, now: i64) -> Result<Grant, Reply> {
    let Some(device) = world.sign_ins.devices.get_mut(code) else {
        let text = "The device_code is not found.";
        return Err(refuse(world, 400, "bad_verification_code", 70_018, text));
    };
    let fast = device.last_poll_ms.replace(now).is_some_and(|last| now - last < 4_000);
    let (error, number, text) = if device.declined {
        ("authorization_declined", 70_017, "The end user denied the authorization request.")
    } else if device.grant.expires_ms <= now {
        ("expired_token", 70_020, "The provided value for the 'device_code' is expired.")
    } else if !device.grant.person.is_empty() {
        let grant = device.grant.clone();
        world.sign_ins.devices.remove(code);
        return Ok(grant);
    } else if fast {
        ("slow_down", 70_028, "The client polls more often than the interval allows.")
    } else {
        let text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
        ("authorization_pending", 70_016, text)
    };
    Err(refuse(world, 400, error, number, text))
}

fn answer(
    world: &mut World,
    tenant: usize,
    app: &App,
    grant: Grant,
    form: &BTreeMap<String, String>,
) -> Reply {
    let (access, lifetime) = access_token(world, tenant, app, Some(&grant));
    // Named as they were asked for; `.default` is named besides what it gave.
    let full = grant.asked.contains(GRAPH);
    let mut named: Vec<String> = grant
        .scopes
        .iter()
        .map(|s| if full { format!("{GRAPH}{s}") } else { s.clone() })
        .chain(grant.sign_in.iter().filter(|s| *s != "offline_access").cloned())
        .collect();
    named.extend(grant.asked.contains("/.default").then(|| format!("{GRAPH}.default")));
    let mut body = json!({"token_type": "Bearer", "scope": named.join(" "),
        "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": access});
    let t = &world.tenants[tenant];
    if form.get("client_info").is_some_and(|c| c == "1") {
        let info = json!({"uid": grant.person, "utid": t.id});
        body["client_info"] = URL_SAFE_NO_PAD.encode(info.to_string()).into();
    }
    if grant.sign_in.contains("openid") {
        body["id_token"] = id_token(world, tenant, app, &grant).into();
    }
    if grant.sign_in.contains("offline_access") {
        let token = format!("1.{}", world.ids.secret("refresh"));
        let expires_ms = world.clock.now_ms() + REFRESH_MS;
        world.sign_ins.refresh.insert(token.clone(), Grant { expires_ms, ..grant });
        body["refresh_token"] = token.into();
    }
    Reply::json(200, &body)
}

fn id_token(world: &World, tenant: usize, app: &App, grant: &Grant) -> String {
    let (t, now) = (&world.tenants[tenant], world.clock.now_ms() / 1000);
    let mut claims = json!({
        "aud": app.app_id,
        "iss": format!("https://login.microsoftonline.com/{}/v2.0", t.id),
        "iat": now,
        "nbf": now,
        "exp": now + world.settings.token_lifetime_s,
        "oid": grant.person,
        "sub": pairwise(&grant.person, &app.app_id),
        "tid": t.id,
        "ver": "2.0",
    });
    if let Some(user) = t.users.get(&grant.person) {
        claims["name"] = user.name.as_str().into();
        claims["preferred_username"] = user.upn.as_str().into();
    }
    if let Some(nonce) = &grant.nonce {
        claims["nonce"] = Value::from(nonce.as_str());
    }
    let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    format!("{head}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
}
