//! The attacker who has the MSP's storage credentials: deletes copy 2, and tries everything on copy
//! 3.

use super::stage::Stage;
use reqwest::Method;
use secrecy::ExposeSecret;
use strongroom_objects::{Kind, hash_name};

/// What came of it.
pub(super) struct Assault {
    /// Junk that the vault took in, under right names.
    pub(super) junk: u32,
    /// Attempts that must be refused.
    pub(super) tried: u32,
    /// Those that were.
    pub(super) refused: u32,
    /// Those that were not.
    pub(super) gave_way: Vec<String>,
}

/// Name, verb, path, body, session.
type Attempt = (String, Method, String, Vec<u8>, Option<u64>);

pub(super) async fn assault(stage: &Stage) -> anyhow::Result<Assault> {
    let settings = stage.vault_settings()?;
    let call = |method: Method, path: String, body: Vec<u8>, session: Option<u64>| {
        let mut request = stage
            .http()
            .request(method, format!("{}{path}", settings.url))
            .basic_auth(&settings.user, Some(settings.token.expose_secret()))
            .body(body);
        if let Some(n) = session {
            request = request.header("Strongroom-Session", n);
        }
        request.send()
    };
    let mut a = Assault { junk: 0, tried: 0, refused: 0, gave_way: Vec::new() };
    // Names worth attacking: what the sealed sessions list.
    let sessions = || call(Method::GET, "sessions".into(), Vec::new(), None);
    let sealed: serde_json::Value = sessions().await?.json().await?;
    let first = sealed[0]["session"].as_u64().unwrap_or(1);
    let mut listed: Vec<String> = Vec::new();
    for kind in [Kind::Keys, Kind::Index, Kind::Snapshots, Kind::Manifests, Kind::Data] {
        let names: Vec<String> = call(Method::GET, format!("{}/", kind.as_str()), Vec::new(), None)
            .await?
            .json()
            .await?;
        listed.extend(names.iter().take(4).map(|n| format!("{}/{n}", kind.as_str())));
    }

    // Junk with right names: in a session of its own, which it seals, and outside of any.
    let begun: serde_json::Value =
        call(Method::POST, "sessions".into(), Vec::new(), None).await?.json().await?;
    let own = begun["session"].as_u64();
    for (n, kind) in [Kind::Index, Kind::Snapshots, Kind::Data, Kind::Index, Kind::Snapshots]
        .into_iter()
        .enumerate()
    {
        let junk = format!("junk {n} that no key ever wrote").into_bytes();
        let session = own.filter(|_| n < 4);
        let answer =
            call(Method::POST, format!("{}/{}", kind.as_str(), hash_name(&junk)), junk, session)
                .await?;
        a.junk += u32::from(answer.status().is_success());
    }
    let mut attempts: Vec<Attempt> = Vec::new();
    if let Some(n) = own {
        attempts.push((
            "seal junk".into(),
            Method::POST,
            format!("sessions/{n}/seal"),
            b"trust me".to_vec(),
            None,
        ));
    }
    let key = b"a key of the attacker".to_vec();
    attempts.push((
        "add a key file".into(),
        Method::POST,
        format!("keys/{}", hash_name(&key)),
        key,
        own,
    ));
    attempts.push((
        "overwrite config".into(),
        Method::POST,
        "config".into(),
        b"another".to_vec(),
        None,
    ));
    attempts.push(("delete config".into(), Method::DELETE, "config".into(), Vec::new(), None));
    for path in listed {
        attempts.push((format!("delete {path}"), Method::DELETE, path.clone(), Vec::new(), None));
        attempts.push((
            format!("overwrite {path}"),
            Method::POST,
            path.clone(),
            b"ciphertext".to_vec(),
            None,
        ));
        attempts.push((format!("change {path}"), Method::PUT, path, b"ciphertext".to_vec(), None));
    }
    attempts.push((
        "delete a session".into(),
        Method::DELETE,
        format!("sessions/{first}"),
        Vec::new(),
        None,
    ));
    attempts.push((
        "delete the repository".into(),
        Method::DELETE,
        String::new(),
        Vec::new(),
        None,
    ));
    attempts.push((
        "lock readers out".into(),
        Method::POST,
        format!("locks/{}", hash_name(b"lock")),
        b"lock".to_vec(),
        None,
    ));
    for (name, method, path, body, session) in attempts {
        a.tried += 1;
        let status = call(method, path, body, session).await?.status();
        match status.is_client_error() {
            true => a.refused += 1,
            false => a.gave_way.push(format!("{name}: {status}")),
        }
    }
    // A push goes on whose session somebody else sealed: what comes late is the next one's junk,
    // and who seals again is told that it is sealed. No sealed session is another one by it.
    let late = b"late junk".to_vec();
    let name = hash_name(&late);
    for (method, path, body, session) in [
        (Method::POST, format!("index/{name}"), late, Some(first)),
        (Method::POST, format!("sessions/{first}/seal"), b"again".to_vec(), None),
    ] {
        a.tried += 1;
        call(method, path.clone(), body, session).await?;
        let after: serde_json::Value = sessions().await?.json().await?;
        match after == sealed {
            true => a.refused += 1,
            false => a.gave_way.push(format!("{path} changed what is sealed")),
        }
    }
    // Copy 2 lies where the credentials reach.
    stage.wreck_copy2().await?;
    Ok(a)
}
