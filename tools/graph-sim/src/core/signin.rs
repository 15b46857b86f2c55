//! The sign-in service: client credentials with certificate or secret, discovery documents; people
//! sign in next door.

use crate::{
    core::http::{ApiError, Area, Reply, Request},
    core::odata::pairs,
    core::signin_people::{self as people, Grant},
    core::tenant::App,
    core::world::{Token, World},
};
use aws_lc_rs::signature::{self, UnparsedPublicKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn route(world: &mut World, req: &Request, path: &[String]) -> Result<Reply, ApiError> {
    let parts: Vec<String> = path.iter().map(|p| p.to_ascii_lowercase()).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [tenant, "v2.0", ".well-known", "openid-configuration"] => {
            let base = format!("{}/{tenant}", req.origin());
            Ok(Reply::json(
                200,
                &json!({
                    "issuer": format!("{base}/v2.0"),
                    "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
                    "token_endpoint": format!("{base}/oauth2/v2.0/token"),
                    "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
                    "jwks_uri": format!("{base}/discovery/v2.0/keys"),
                    "token_endpoint_auth_methods_supported": ["client_secret_post",
                        "private_key_jwt", "client_secret_basic"],
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["pairwise"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                    "scopes_supported": ["openid", "profile", "email", "offline_access"],
                }),
            ))
        }
        // Version 1.0, from which programs learn a tenant's id.
        [tenant, ".well-known", "openid-configuration"] => {
            let Some(t) = world
                .tenants
                .iter()
                .find(|t| t.id == *tenant || t.domain.eq_ignore_ascii_case(tenant))
            else {
                let text = format!("Tenant '{tenant}' not found.");
                return Ok(refuse(world, 400, "invalid_tenant", 90_002, &text));
            };
            let base = format!("{}/{}", req.origin(), t.id);
            Ok(Reply::json(
                200,
                &json!({
                    "issuer": format!("https://sts.windows.net/{}/", t.id),
                    "authorization_endpoint": format!("{base}/oauth2/authorize"),
                    "token_endpoint": format!("{base}/oauth2/token"),
                    "jwks_uri": format!("{base}/discovery/keys"),
                }),
            ))
        }
        ["common", "discovery", "instance"] => {
            let tenant = pairs(&req.query)
                .into_iter()
                .find(|(k, _)| k == "authorization_endpoint")
                .and_then(|(_, v)| v.split('/').nth(3).map(str::to_owned))
                .unwrap_or_else(|| "common".to_owned());
            Ok(Reply::json(
                200,
                &json!({
                    "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", req.origin()),
                    "api-version": "1.1",
                    "metadata": [],
                }),
            ))
        }
        [_, "discovery", "v2.0", "keys"] => Ok(Reply::json(200, &json!({"keys": []}))),
        [tenant, "oauth2", "v2.0", "token"] if req.method == "POST" => {
            Ok(token(world, req, tenant))
        }
        [tenant, "oauth2", "v2.0", "authorize"] => Ok(people::authorize(world, req, tenant)),
        [tenant, "oauth2", "v2.0", "devicecode"] if req.method == "POST" => {
            Ok(people::device_code(world, req, tenant))
        }
        ["devicelogin"] | [_, "oauth2", "deviceauth"] => Ok(people::device_page(world, req)),
        _ => Err(ApiError::not_found(Area::Directory)),
    }
}

/// An error in the form of the sign-in service.
pub(crate) fn refuse(
    world: &mut World,
    status: u16,
    error: &str,
    number: u32,
    text: &str,
) -> Reply {
    let trace = world.ids.guid("trace");
    let correlation = world.ids.guid("correlation");
    let at = world.now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    Reply::json(
        status,
        &json!({
            "error": error,
            "error_description": format!("AADSTS{number}: {text} Trace ID: {trace} Correlation ID: \
                {correlation} Timestamp: {at}"),
            "error_codes": [number],
            "timestamp": at,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        }),
    )
}

fn token(world: &mut World, req: &Request, tenant: &str) -> Reply {
    let body = String::from_utf8_lossy(&req.body).into_owned();
    let mut form: BTreeMap<String, String> = pairs(&body).into_iter().collect();
    if let Some(basic) = req.header("authorization").and_then(|h| h.strip_prefix("Basic ")) {
        let text =
            STANDARD.decode(basic).ok().and_then(|b| String::from_utf8(b).ok()).unwrap_or_default();
        if let Some((id, secret)) = text.split_once(':') {
            let decode = |s: &str| {
                percent_encoding::percent_decode_str(&s.replace('+', " "))
                    .decode_utf8_lossy()
                    .into_owned()
            };
            form.insert("client_id".into(), decode(id));
            form.insert("client_secret".into(), decode(secret));
        }
    }
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let client = field("client_id");
    let (n, app) = match find_app(world, tenant, &client) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    match field("grant_type").as_str() {
        "client_credentials" => {
            if let Err(reply) = is_the_app(world, &app, tenant, &form, true) {
                return reply;
            }
            if !field("scope").ends_with("/.default") {
                return refuse(
                    world,
                    400,
                    "invalid_scope",
                    70_011,
                    "The provided request must include a 'scope' input parameter ending in \
                     '/.default'.",
                );
            }
            let (access, lifetime) = access_token(world, n, &app, None);
            let body = json!({"token_type": "Bearer", "expires_in": lifetime,
                "ext_expires_in": lifetime, "access_token": access});
            Reply::json(200, &body)
        }
        "authorization_code"
        | "refresh_token"
        | "device_code"
        | "urn:ietf:params:oauth:grant-type:device_code" => {
            people::token(world, n, &app, tenant, &form)
        }
        other => refuse(
            world,
            400,
            "unsupported_grant_type",
            70_003,
            &format!("The app requested an unsupported grant type '{other}'."),
        ),
    }
}

/// The application that a client id means, with the number of its tenant.
pub(crate) fn find_app(
    world: &mut World,
    tenant: &str,
    client: &str,
) -> Result<(usize, App), Reply> {
    let any = ["common", "organizations"].contains(&tenant);
    let found = world
        .tenants
        .iter()
        .enumerate()
        .filter(|(_, t)| any || t.id == tenant || t.domain.eq_ignore_ascii_case(tenant))
        .map(|(n, t)| (n, t.apps.iter().find(|a| a.app_id == client && !a.deleted).cloned()))
        .collect::<Vec<_>>();
    if found.is_empty() {
        return Err(refuse(
            world,
            400,
            "invalid_request",
            90002,
            &format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID \
                 and are signing into the correct cloud."
            ),
        ));
    }
    match found.into_iter().find_map(|(n, a)| a.map(|a| (n, a))) {
        Some(found) => Ok(found),
        None => Err(refuse(
            world,
            400,
            "unauthorized_client",
            700_016,
            &format!(
                "Application with identifier '{client}' was not found in the directory '{tenant}'."
            ),
        )),
    }
}

/// Holds what an application proves itself with against its registration. `Ok(false)`: it showed
/// nothing, and need not.
pub(crate) fn is_the_app(
    world: &mut World,
    app: &App,
    tenant: &str,
    form: &BTreeMap<String, String>,
    required: bool,
) -> Result<bool, Reply> {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let (assertion, secret) = (field("client_assertion"), field("client_secret"));
    let (number, why) = if !assertion.is_empty() {
        match check_assertion(world, app, tenant, assertion) {
            Ok(()) => return Ok(true),
            Err(why) => (700_027, why),
        }
    } else if secret.is_empty() {
        if !required {
            return Ok(false);
        }
        let text = "The request body must contain the following parameter: 'client_assertion' or \
                    'client_secret'.";
        (7_000_218, text.to_owned())
    } else if secret != app.secret {
        (7_000_215, "Invalid client secret provided.".to_owned())
    } else {
        return Ok(true);
    };
    Err(refuse(world, 401, "invalid_client", number, &why))
}

/// A new access token with the claims that Microsoft documents for tokens of version 1.0 (access
/// token claims reference), and its lifetime in seconds.
pub(crate) fn access_token(
    world: &mut World,
    tenant: usize,
    app: &App,
    grant: Option<&Grant>,
) -> (String, i64) {
    let now = world.clock.now_ms();
    let lifetime = world.settings.token_lifetime_s;
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    let t = &world.tenants[tenant];
    let mut claims = json!({
        "aud": "https://graph.microsoft.com",
        "iss": format!("https://sts.windows.net/{}/", t.id),
        "iat": now / 1000,
        "nbf": now / 1000,
        "exp": now / 1000 + lifetime,
        "appid": app.app_id,
        "app_displayname": app.name,
        "tid": t.id,
        "ver": "1.0",
    });
    match grant.and_then(|g| t.users.get(&g.person).map(|u| (g, u))) {
        Some((grant, user)) => {
            claims["idtyp"] = "user".into();
            claims["oid"] = user.id.as_str().into();
            // Pairwise: another one for each application.
            claims["sub"] = people::pairwise(&user.id, &app.app_id).into();
            claims["upn"] = user.upn.as_str().into();
            claims["unique_name"] = user.upn.as_str().into();
            claims["name"] = user.name.as_str().into();
            claims["given_name"] = user.name.split(' ').next().into();
            claims["family_name"] = user.name.split(' ').next_back().into();
            let scopes: Vec<&str> = grant.scopes.iter().map(String::as_str).collect();
            claims["scp"] = scopes.join(" ").into();
        }
        None => {
            let principal = crate::settings::routes::principal_id(app);
            claims["idtyp"] = "app".into();
            claims["oid"] = principal.as_str().into();
            claims["sub"] = principal.into();
            claims["roles"] = json!(app.roles);
        }
    }
    claims["uti"] = world.ids.secret("uti").into();
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let access = format!("{header}.{claims}.{}", world.ids.secret("sig"));
    let token = Token {
        tenant,
        app: app.app_id.clone(),
        roles: if grant.is_some() { Default::default() } else { app.roles.clone() },
        person: grant.map(|g| (g.person.clone(), g.scopes.clone())),
        expires_ms: now + lifetime * 1000,
    };
    world.tokens.insert(access.clone(), token);
    (access, lifetime)
}

fn check_assertion(world: &World, app: &App, tenant: &str, jwt: &str) -> Result<(), String> {
    let parts: Vec<&str> = jwt.split('.').collect();
    let [head, claims, sig] = parts.as_slice() else {
        return Err("The client assertion is not a JWT.".into());
    };
    let decode = |p: &str| {
        URL_SAFE_NO_PAD
            .decode(p.trim_end_matches('='))
            .map_err(|_| "The client assertion is not base64url.".to_owned())
    };
    let json = |b: Vec<u8>| {
        serde_json::from_slice::<Value>(&b)
            .map_err(|_| "The client assertion is not JSON.".to_owned())
    };
    let (header, body, sig) = (json(decode(head)?)?, json(decode(claims)?)?, decode(sig)?);
    let plain = |v: &Value| v.as_str().unwrap_or_default().trim_end_matches('=').to_owned();
    if plain(&header["x5t#S256"]) != app.x5t_s256 && plain(&header["x5t"]) != app.x5t {
        return Err("The certificate with identifier used to sign the client assertion is not \
            registered on application."
            .into());
    }
    let algorithm = match header["alg"].as_str() {
        Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
        _ => return Err("The client assertion's algorithm is not supported.".into()),
    };
    UnparsedPublicKey::new(algorithm, &app.public_key)
        .verify(format!("{head}.{claims}").as_bytes(), &sig)
        .map_err(|_| "Client assertion contains an invalid signature.".to_owned())?;
    let now = world.clock.now_ms() as f64 / 1000.0;
    // Five minutes of grace, as clocks differ.
    if body["exp"].as_f64().is_none_or(|e| e + 300.0 < now)
        || body["nbf"].as_f64().is_some_and(|n| n - 300.0 > now)
    {
        return Err("The client assertion is not within its valid time range.".into());
    }
    let audience = body["aud"].as_str().unwrap_or_default().to_ascii_lowercase();
    let fits = audience.ends_with("/oauth2/v2.0/token")
        && (audience.contains(tenant) || tenant == "common");
    if !fits || body["iss"] != app.app_id.as_str() || body["sub"] != app.app_id.as_str() {
        return Err("The client assertion's audience, issuer or subject is wrong.".into());
    }
    Ok(())
}
