//! The sign-in service: client credentials with certificate or secret, refresh tokens, discovery
//! documents.

use crate::{
    core::http::{ApiError, Area, Reply, Request},
    core::odata::pairs,
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
                    "jwks_uri": format!("{base}/discovery/v2.0/keys"),
                    "token_endpoint_auth_methods_supported": ["client_secret_post",
                        "private_key_jwt", "client_secret_basic"],
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["pairwise"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                    "scopes_supported": ["openid"],
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
        _ => Err(ApiError::not_found(Area::Directory)),
    }
}

fn refuse(world: &mut World, status: u16, error: &str, number: u32, text: &str) -> Reply {
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
    let found = world
        .tenants
        .iter()
        .enumerate()
        .filter(|(_, t)| {
            tenant == "common" || t.id == tenant || t.domain.eq_ignore_ascii_case(tenant)
        })
        .map(|(n, t)| (n, t.apps.iter().find(|a| a.app_id == client && !a.deleted).cloned()))
        .collect::<Vec<_>>();
    if found.is_empty() {
        return refuse(
            world,
            400,
            "invalid_request",
            90002,
            &format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID \
                 and are signing into the correct cloud."
            ),
        );
    }
    let Some((n, app)) = found.into_iter().find_map(|(n, a)| a.map(|a| (n, a))) else {
        return refuse(
            world,
            400,
            "unauthorized_client",
            700_016,
            &format!(
                "Application with identifier '{client}' was not found in the directory '{tenant}'."
            ),
        );
    };
    match field("grant_type").as_str() {
        "client_credentials" => {
            let assertion = field("client_assertion");
            let secret = field("client_secret");
            if !assertion.is_empty() {
                if let Err(why) = check_assertion(world, &app, tenant, &assertion) {
                    return refuse(world, 401, "invalid_client", 700_027, &why);
                }
            } else if secret.is_empty() {
                return refuse(
                    world,
                    401,
                    "invalid_client",
                    7_000_218,
                    "The request body must contain the following parameter: 'client_assertion' or \
                     'client_secret'.",
                );
            } else if secret != app.secret {
                return refuse(
                    world,
                    401,
                    "invalid_client",
                    7_000_215,
                    "Invalid client secret provided.",
                );
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
            issue(world, n, &app, false)
        }
        "refresh_token" => {
            if field("refresh_token") != format!("refresh-{}", app.secret) {
                return refuse(
                    world,
                    400,
                    "invalid_grant",
                    9_002_313,
                    "Invalid request. The refresh token is malformed.",
                );
            }
            issue(world, n, &app, true)
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

fn issue(world: &mut World, tenant: usize, app: &App, delegated: bool) -> Reply {
    let now = world.clock.now_ms();
    let lifetime = world.settings.token_lifetime_s;
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    let claims = json!({
        "aud": "https://graph.microsoft.com",
        "iss": format!("https://sts.windows.net/{}/", world.tenants[tenant].id),
        "iat": now / 1000,
        "exp": now / 1000 + lifetime,
        "appid": app.app_id,
        "app_displayname": app.name,
        "tid": world.tenants[tenant].id,
        "roles": app.roles,
        "uti": world.ids.secret("uti"),
    });
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let access = format!("{header}.{claims}.{}", world.ids.secret("sig"));
    let token = Token {
        tenant,
        app: app.app_id.clone(),
        roles: app.roles.clone(),
        expires_ms: now + lifetime * 1000,
    };
    world.tokens.insert(access.clone(), token);
    let mut body = json!({"token_type": "Bearer", "expires_in": lifetime,
        "ext_expires_in": lifetime, "access_token": access});
    if delegated {
        body["refresh_token"] = format!("refresh-{}", app.secret).into();
        body["scope"] = "Files.ReadWrite.All".into();
    }
    Reply::json(200, &body)
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
