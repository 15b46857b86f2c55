use super::alarm;
use crate::{Global, edge::blocking};
use anyhow::bail;
use strongroom_custody::{CanaryOutcome, CanaryReport, s3_canary};
use strongroom_model::Ending;
use strongroom_objects::{S3Bucket, VaultRest, VaultSettings, hash_name};
use strongroom_operations::{School, files::written, vault::VaultPlace};

/// Folder of signed results in the cache's folder.
pub(super) fn evidence_dir(school: &School) -> anyhow::Result<std::path::PathBuf> {
    Ok(school.cache()?.join("canary"))
}

pub(super) async fn run(global: &Global) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let (place, repo, now) = (school.vault()?, school.repository().await?, school.now());
    let (report, signed) = blocking(move || {
        let report = match place {
            VaultPlace::Server(settings) => server(settings, now)?,
            VaultPlace::Bucket(place) => {
                let twin = place.twin.map(S3Bucket::new).transpose()?;
                s3_canary(&S3Bucket::new(place.settings)?, twin.as_ref(), now)?
            }
            VaultPlace::Folder(..) => bail!(
                "this side has no credential for a folder; \
                `strongroom-vault canary` runs on the vault's own host"
            ),
        };
        let signed = report.sign(&strongroom_engine::publish::signing_key(repo.key())?)?;
        Ok((report, signed))
    })
    .await?;
    let dir = evidence_dir(&school)?;
    std::fs::create_dir_all(&dir)?;
    let file = dir.join(format!("{}.jsonl", now.as_second()));
    written::put(&file, &signed)?;
    if global.json {
        print!("{}", String::from_utf8_lossy(&signed).lines().next().unwrap_or_default());
        println!();
    } else {
        for t in &report.tried {
            match &t.outcome {
                CanaryOutcome::Worked => println!(
                    "{}",
                    alarm(&format!(
                        "with the credential {} it was possible to {}",
                        report.holder, t.attempt
                    ))
                ),
                CanaryOutcome::Refused { code } => println!("refused     {} ({code})", t.attempt),
                CanaryOutcome::Harmless { why } => println!("harmless    {}: {why}", t.attempt),
                CanaryOutcome::NotTested { why } => println!("not tested  {}: {why}", t.attempt),
            }
        }
        let (worked, rest) = (report.worked().len(), report.not_tested().len());
        println!(
            "{} refused, {worked} worked, {rest} not tested; signed evidence in {}",
            report.refused(),
            file.display()
        );
    }
    Ok(if report.worked().is_empty() { Ending::Done } else { Ending::Alarm })
}

/// Everything that a thief of the pushing credential can say to a vault's server.
fn server(settings: VaultSettings, now: jiff::Timestamp) -> anyhow::Result<CanaryReport> {
    let mut report = CanaryReport::new(settings.user.clone(), settings.url.to_string(), now);
    let mut vault = VaultRest::new(settings)?;
    let (status, body) = vault.attempt("POST", "canary", b"")?;
    if status != 200 {
        bail!("the vault made no canary: {status} {body}");
    }
    let made: serde_json::Value = serde_json::from_str(&body)?;
    let canary = made["path"].as_str().unwrap_or_default().to_owned();
    let before = vault.attempt("GET", &canary, b"")?;
    let session = vault.begin()?;
    let other = b"something else".as_slice();
    let key = format!("keys/{}", hash_name(other));
    let wrong = format!("data/{}", hash_name(b"another name"));
    let lock = format!("locks/{}", hash_name(other));
    let seal = format!("sessions/{}/seal", session + 1_000_000);
    let attempts: [(&str, &str, &str, &[u8]); 10] = [
        ("delete an object", "DELETE", &canary, b""),
        ("overwrite an object", "POST", &canary, other),
        ("change an object", "PUT", &canary, other),
        ("change a part of an object", "PATCH", &canary, other),
        ("store bytes under a name that is not theirs", "POST", &wrong, other),
        ("bring in a key file", "POST", &key, other),
        ("replace the config", "POST", "config", other),
        ("lock readers out", "POST", &lock, other),
        ("seal a session that is not open", "POST", &seal, b""),
        ("climb out of the repository", "GET", "data/..%2f..%2f..%2fvault.key", b""),
    ];
    for (name, method, path, body) in attempts {
        let (status, text) = vault.attempt(method, path, body)?;
        let outcome = match status {
            401 | 403 => CanaryOutcome::Refused { code: format!("{status} {text:.80}") },
            // What is not there, or makes no sense, is not done either; but that is not a denial.
            400 | 404 | 405 => CanaryOutcome::Harmless { why: format!("{status} {text:.80}") },
            200..300 => CanaryOutcome::Worked,
            _ => CanaryOutcome::NotTested { why: format!("{status} {text:.80}") },
        };
        report.add(name, outcome);
    }
    if vault.attempt("GET", &canary, b"")? != before {
        report.add("leave a canary as it was", CanaryOutcome::Worked);
    }
    Ok(report)
}
