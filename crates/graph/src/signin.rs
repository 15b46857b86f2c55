//! OAuth 2.0 client credentials.

use crate::{
    Credential, Error, ErrorKind, Settings,
    certificate::Pair,
    transport::{HttpRequest, Transport},
};
use aws_lc_rs::{digest, rand::SystemRandom, signature::RSA_PSS_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::BTreeSet;
use strongroom_model::{Clock, Untrusted, limits};

/// A token is renewed this long before it ends.
const RENEW_BEFORE_S: i64 = 300;
const ASSERTION_LIFETIME_S: i64 = 600;

/// An access token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: SecretString,
    pub(crate) renew_at: i64,
    /// When the service signed in, by its own clock.
    pub(crate) granted_at: Option<jiff::Timestamp>,
}

impl Token {
    /// The application permissions that stand in it, `None` where it cannot be read. Nothing
    /// vouches for them: Graph alone decides what a token is good for.
    pub(crate) fn permissions(&self) -> Option<BTreeSet<String>> {
        #[derive(Deserialize)]
        struct Claims {
            /// Absent where none was granted.
            #[serde(default)]
            roles: BTreeSet<String>,
        }
        let claims = self.text.expose_secret().split('.').nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<Claims>(&json).ok().map(|c| c.roles)
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: serde_json::Value,
}

#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default)]
    error_description: Untrusted,
    #[serde(default)]
    error_codes: Vec<u32>,
}

pub(crate) enum SignInError {
    /// Trying again may help.
    Temporary(String),
    Final(Error),
}

pub(crate) async fn sign_in(
    transport: &dyn Transport,
    settings: &Settings,
    clock: &dyn Clock,
) -> Result<Token, SignInError> {
    let fail = |kind, text: String| SignInError::Final(Error::new(kind, text));
    // Part by part: a tenant's name that looks like an address leads nowhere else.
    let mut url = settings.authority.clone();
    match url.path_segments_mut() {
        Ok(mut path) => {
            path.pop_if_empty().extend([settings.tenant.as_str(), "oauth2", "v2.0", "token"]);
        }
        Err(()) => {
            let text = "the authority's URL is not usable: it has no path".to_owned();
            return Err(fail(ErrorKind::Settings, text));
        }
    }
    let now = clock.now().as_second();
    let scope = format!(
        "{}.default",
        settings.graph.join("/").map_or_else(|_| settings.graph.to_string(), |u| u.to_string())
    );
    let mut form = vec![
        ("client_id", settings.application_id.clone()),
        ("grant_type", "client_credentials".into()),
        ("scope", scope),
    ];
    match &settings.credential {
        Credential::Secret(secret) => {
            form.push(("client_secret", secret.expose_secret().to_owned()))
        }
        Credential::Certificate { pem } => {
            let jwt =
                assertion(pem, &settings.application_id, url.as_str(), now).map_err(|why| {
                    fail(
                        ErrorKind::Settings,
                        format!(
                            "the certificate of application {} cannot sign: {why}",
                            settings.application_id
                        ),
                    )
                })?;
            form.push((
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into(),
            ));
            form.push(("client_assertion", jwt));
        }
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let request = HttpRequest::new(http::Method::POST, url)
        .header("content-type", "application/x-www-form-urlencoded")
        .map_err(|e| SignInError::Temporary(e.text))?
        .body(Bytes::from(body));
    let answer = transport.send(request).await.map_err(|e| SignInError::Temporary(e.text))?;
    let status = answer.status;
    let granted_at = answer.date();
    let bytes = answer.bytes().await.map_err(|e| SignInError::Temporary(e.text))?;
    if status == 429 || status >= 500 {
        return Err(SignInError::Temporary(format!("the sign-in service answered {status}")));
    }
    if status != 200 {
        let refused: Refused = serde_json::from_slice(&bytes).unwrap_or_default();
        let first = refused.error_description.as_str();
        let first = first.split(['\r', '\n']).next().unwrap_or_default();
        let first = Untrusted::from(first.split(" Trace ID").next().unwrap_or_default());
        let kind = match refused.error_codes.first() {
            // Application or its service principal unknown, disabled, or without consent; tenant
            // unknown.
            Some(700_016 | 7_000_112 | 7_000_229 | 500_011 | 90_002) => {
                ErrorKind::ApplicationUnknown
            }
            // The assertion's times: this host's clock differs from the service's. Nobody revoked
            // anything.
            Some(700_024) => {
                return Err(fail(
                    ErrorKind::Settings,
                    format!(
                        "the sign-in service finds the time of this host wrong, now {}: \
                         {}",
                        clock.now(),
                        first.quoted()
                    ),
                ));
            }
            _ => ErrorKind::CredentialRefused,
        };
        return Err(fail(
            kind,
            format!(
                "tenant {} refuses to sign application {} in: {}",
                settings.tenant,
                settings.application_id,
                first.quoted()
            ),
        ));
    }
    let granted: Granted = serde_json::from_slice(&bytes).map_err(|_| {
        SignInError::Temporary("the sign-in service's answer is not readable".into())
    })?;
    let lifetime = granted
        .expires_in
        .as_i64()
        .or_else(|| granted.expires_in.as_str()?.parse().ok())
        .unwrap_or(3600)
        .clamp(0, limits::TOKEN_LIFETIME_S_MAX);
    Ok(Token {
        text: granted.access_token.into(),
        renew_at: now + (lifetime - RENEW_BEFORE_S).max(lifetime / 2),
        granted_at,
    })
}

/// A signed JWT that proves possession of the certificate's key.
fn assertion(
    pem: &SecretString,
    application: &str,
    audience: &str,
    now: i64,
) -> Result<String, String> {
    let Pair { certificate: cert, key: pair } = Pair::read(pem)?;
    let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &cert));
    let mut jti = [0; 16];
    getrandom::fill(&mut jti).map_err(|e| e.to_string())?;
    let header = serde_json::json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
    let claims = serde_json::json!({
        "aud": audience, "iss": application, "sub": application, "jti": hex::encode(jti),
        "nbf": now - 60, "iat": now, "exp": now + ASSERTION_LIFETIME_S,
    });
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "signing failed".to_owned())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
