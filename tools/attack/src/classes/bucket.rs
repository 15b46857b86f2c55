use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Class, stands},
    ceph::{Ceph, secret},
    child::Ran,
};
use anyhow::ensure;
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

const STANDS: &str = "every version is there, the view is whole, verify ends with 4";

pub(super) const CLASS: Class = Class {
    name: "bucket",
    attacker: "has a credential of the vault's bucket, or its account (Ceph)",
    cases: &[
        listed("bucket-delete", "deletes each version, with bypass of governance", STANDS, delete),
        listed("bucket-markers", "puts delete markers before each object", STANDS, markers),
        listed("bucket-newer", "puts junk as newer version of each object", STANDS, newer),
        listed("bucket-shorten", "shortens each lock, makes it governance", STANDS, shorten),
        listed(
            "bucket-settings",
            "suspends versions, sets lifecycle, policy",
            "drift is an alarm",
            settings,
        ),
        new(
            "bucket-encryption",
            "sets another default encryption",
            "drift is an alarm, or the \
            server refuses",
            encryption,
        ),
        new(
            "bucket-odd-keys",
            "puts objects whose keys are escapes, bidi, 1 KB, dots",
            "no output holds them raw",
            odd_keys,
        ),
        new(
            "bucket-junk-log",
            "puts 60 MB of junk beside the vault's log",
            "status stays quick",
            junk_log,
        ),
        new("bucket-copies", "copies objects over each other", STANDS, copies),
        new(
            "bucket-multipart",
            "leaves 40 unfinished uploads at the vault's paths",
            STANDS,
            multipart,
        ),
        new(
            "bucket-tags",
            "sets tags, ACLs, legal holds on each version",
            "the view is whole",
            tags,
        ),
        new(
            "bucket-gone",
            "the gateway is gone during a pull",
            "told, the next pull goes on",
            gateway_gone,
        ),
    ],
};

/// A vault whose hold is a bucket with Object Lock, with what the school had.
fn vaulted(a: &mut Arena) -> anyhow::Result<Ceph> {
    let ceph = Ceph::start()?;
    ceph.user("owner")?;
    let lock = "x-amz-bucket-object-lock-enabled: true";
    let (status, body) = ceph.ask("owner", "PUT", "/vault", b"", &[lock])?;
    ensure!(status == 200, "bucket: {status} {body}");
    a.write("s3.secret", secret("owner"))?;
    fs::set_permissions(a.path("s3.secret"), fs::Permissions::from_mode(0o600))?;
    let text = format!(
        "[hold]\nkind = \"s3\"\nendpoint = \"http://127.0.0.1:{}/\"\nbucket = \
         \"vault\"\naccess_key_id = \"owner\"\nsecret_file = \"{}\"\n[source]\nkind = \
         \"folder\"\npath = \"{}\"\n",
        ceph.port,
        a.arg("s3.secret"),
        a.arg("copy2-0")
    );
    a.write("bucket.toml", text)?;
    let people = a.read("custodians")?;
    let people: Vec<&str> = people.lines().collect();
    let ran = b(
        a,
        &[
            "enrol",
            "s",
            "--card",
            "card0.json",
            "--settings",
            "bucket.toml",
            "--custodian",
            people[0],
            "--custodian",
            people[1],
        ],
    )?;
    ensure!(ran.is_done(), "enrol: {}", ran.brief());
    let ran = b(a, &["pull", "s"])?;
    ensure!(ran.is_ok(), "pull: {}", ran.brief());
    Ok(ceph)
}

/// A command of the vault that keeps in the bucket.
fn b(a: &mut Arena, args: &[&str]) -> anyhow::Result<Ran> {
    let mut command = a.stage.program("strongroom-vault", a.dir());
    command.args(["--dir", "vault-b", "--json"]).args(args);
    a.run(&mut command, Duration::from_secs(90))
}

struct Version {
    key: String,
    id: String,
}

fn versions(ceph: &Ceph) -> anyhow::Result<Vec<Version>> {
    let (_, list) = ceph.ask("owner", "GET", "/vault?versions=", b"", &[])?;
    let field = |row: &str, name: &str| {
        let (_, from) = row.split_once(&format!("<{name}>"))?;
        Some(from.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    let rows = list.split("<Version>").skip(1);
    let all =
        rows.filter_map(|r| Some(Version { key: field(r, "Key")?, id: field(r, "VersionId")? }));
    // What the vault tried the bucket with was locked for seconds.
    Ok(all.filter(|v| !v.key.starts_with("probe/")).collect())
}

/// The view is what it was: stock restic reads all of it.
fn whole(a: &mut Arena, name: &str) -> anyhow::Result<()> {
    let out = a.path(name);
    let shown = out.display().to_string();
    let ran = b(a, &["view", "s", "--out", &shown])?;
    stands!(ran.is_ok(), "the view: {}", ran.brief());
    let ran = a.restic(&out, &["check", "--read-data"])?;
    stands!(ran.is_ok(), "stock restic on the view: {}", ran.brief());
    Ok(())
}

fn told(a: &mut Arena) -> anyhow::Result<()> {
    let ran = b(a, &["verify", "s"])?;
    stands!(ran.code == Some(4), "verify ends with {:?}: {}", ran.code, ran.brief());
    Ok(())
}

fn all_there(ceph: &Ceph, before: &[Version]) -> anyhow::Result<()> {
    let after = versions(ceph)?;
    let gone = before.iter().find(|v| !after.iter().any(|w| w.key == v.key && w.id == v.id));
    stands!(gone.is_none(), "{:?} is gone", gone.map(|v| &v.key));
    Ok(())
}

fn delete(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let before = versions(&ceph)?;
    ensure!(before.len() > 8, "{} versions", before.len());
    for v in &before {
        let path = format!("/vault/{}?versionId={}", v.key, v.id);
        for heads in [&[][..], &["x-amz-bypass-governance-retention: true"]] {
            let (status, _) = ceph.ask("owner", "DELETE", &path, b"", heads)?;
            stands!(status >= 400, "{} was deleted: {status}", v.key);
        }
    }
    all_there(&ceph, &before)?;
    whole(a, "view-b")
}

fn markers(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let before = versions(&ceph)?;
    for v in &before {
        ceph.ask("owner", "DELETE", &format!("/vault/{}", v.key), b"", &[])?;
    }
    all_there(&ceph, &before)?;
    told(a)?;
    whole(a, "view-b")
}

fn newer(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let before = versions(&ceph)?;
    for v in &before {
        ceph.ask("owner", "PUT", &format!("/vault/{}", v.key), b"junk", &[])?;
    }
    all_there(&ceph, &before)?;
    told(a)?;
    whole(a, "view-b")
}

fn shorten(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let before = versions(&ceph)?;
    for v in before.iter().take(6) {
        for (mode, until) in [
            ("COMPLIANCE", "2026-12-01T00:00:00Z"),
            ("GOVERNANCE", "2099-01-01T00:00:00Z"),
            ("GOVERNANCE", "2026-12-01T00:00:00Z"),
        ] {
            let xml = format!(
                "<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}\
                </RetainUntilDate></Retention>"
            );
            let path = format!("/vault/{}?retention=&versionId={}", v.key, v.id);
            let bypass = "x-amz-bypass-governance-retention: true";
            ceph.ask("owner", "PUT", &path, xml.as_bytes(), &[bypass])?;
        }
        let path = format!("/vault/{}?versionId={}", v.key, v.id);
        let (status, _) =
            ceph.ask("owner", "DELETE", &path, b"", &["x-amz-bypass-governance-retention: true"])?;
        stands!(status >= 400, "{} was deleted", v.key);
    }
    all_there(&ceph, &before)?;
    whole(a, "view-b")
}

/// Whether a change of the bucket's settings that the server took is told.
fn drift(a: &mut Arena, path: &str, body: &str) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let ran = b(a, &["verify", "s"])?;
    ensure!(ran.code == Some(0), "before: {}", ran.brief());
    let (status, text) = ceph.ask("owner", "PUT", path, body.as_bytes(), &[])?;
    if status >= 400 {
        // What the server refuses is no attack.
        return Ok(());
    }
    let ran = b(a, &["verify", "s"])?;
    stands!(ran.code != Some(0), "{path} was set ({status} {text:.60}), and nobody is told");
    Ok(())
}

fn settings(a: &mut Arena) -> anyhow::Result<()> {
    drift(
        a,
        "/vault?lifecycle=",
        "<LifecycleConfiguration><Rule><ID>x</ID><Prefix></Prefix><Status>\
        Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>",
    )?;
    fs::remove_dir_all(a.path("vault-b"))?;
    drift(
        a,
        "/vault?policy=",
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\
        \"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":[\"arn:aws:s3:::vault/*\"]}]}",
    )?;
    fs::remove_dir_all(a.path("vault-b"))?;
    drift(
        a,
        "/vault?versioning=",
        "<VersioningConfiguration><Status>Suspended</Status>\
        </VersioningConfiguration>",
    )
}

fn encryption(a: &mut Arena) -> anyhow::Result<()> {
    drift(
        a,
        "/vault?encryption=",
        "<ServerSideEncryptionConfiguration><Rule>\
        <ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>x\
        </KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule>\
        </ServerSideEncryptionConfiguration>",
    )
}

fn odd_keys(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    for key in [
        "%1b%5b2J",
        "data/%e2%80%aex",
        "data/%0aALARM%20all%20is%20well",
        "..%2f..%2fx",
        "snapshots/%07",
        &"k".repeat(900),
        "index/%c2%9b31m",
    ] {
        ceph.ask("owner", "PUT", &format!("/vault/{key}"), b"x", &[])?;
    }
    for args in [&["verify", "s"][..], &["status"], &["pull", "s"], &["locks", "s"]] {
        let mut command = a.stage.program("strongroom-vault", a.dir());
        command.args(["--dir", "vault-b"]).args(args);
        let ran = a.run(&mut command, Duration::from_secs(60))?;
        let raw = super::copy2_msp::raw_char(&format!("{}{}", ran.out, ran.err));
        stands!(raw.is_none(), "{args:?} shows {raw:?} raw");
        stands!(!ran.out.lines().any(|l| l.starts_with("ALARM all is well")), "a key wrote a line");
    }
    whole(a, "view-b")
}

fn junk_log(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let before = b(a, &["status"])?.took;
    let log = versions(&ceph)?.into_iter().find(|v| v.key.starts_with("ledger/"));
    let signer = log.map(|v| v.key.split('/').nth(1).unwrap_or_default().to_owned());
    let signer = signer.unwrap_or_default();
    let junk = vec![b'x'; 1 << 20];
    for n in 0..60_u32 {
        ceph.ask("owner", "PUT", &format!("/vault/ledger/{signer}/{:08}", 100 + n), &junk, &[])?;
    }
    let first = b(a, &["status"])?;
    stands!(first.is_done(), "status: {}", first.brief());
    let ran = b(a, &["status"])?;
    stands!(
        ran.took < before * 4 + Duration::from_secs(2),
        "status took {:.1?}, {before:.1?} before",
        ran.took
    );
    let pull = b(a, &["pull", "s"])?;
    stands!(pull.is_orderly(), "{}", pull.brief());
    whole(a, "view-b")
}

fn copies(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let before = versions(&ceph)?;
    for pair in before.windows(2) {
        let from = format!("x-amz-copy-source: /vault/{}?versionId={}", pair[1].key, pair[1].id);
        ceph.ask("owner", "PUT", &format!("/vault/{}", pair[0].key), b"", &[&from])?;
    }
    all_there(&ceph, &before)?;
    told(a)?;
    whole(a, "view-b")
}

fn multipart(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let before = versions(&ceph)?;
    for v in before.iter().cycle().take(40) {
        ceph.ask("owner", "POST", &format!("/vault/{}?uploads=", v.key), b"", &[])?;
    }
    ensure!(a.backup()?.is_done(), "backup");
    let ran = b(a, &["pull", "s"])?;
    stands!(ran.is_done(), "a pull: {}", ran.brief());
    all_there(&ceph, &before)?;
    whole(a, "view-b")
}

fn tags(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    let before = versions(&ceph)?;
    for v in before.iter().take(8) {
        let of = |what: &str| format!("/vault/{}?{what}=&versionId={}", v.key, v.id);
        let tag = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
        ceph.ask("owner", "PUT", &of("tagging"), tag, &[])?;
        ceph.ask("owner", "PUT", &of("acl"), b"", &["x-amz-acl: public-read-write"])?;
        let hold = b"<LegalHold><Status>ON</Status></LegalHold>";
        ceph.ask("owner", "PUT", &of("legal-hold"), hold, &[])?;
    }
    all_there(&ceph, &before)?;
    let ran = b(a, &["verify", "s"])?;
    stands!(ran.is_done(), "verify: {}", ran.brief());
    whole(a, "view-b")
}

fn gateway_gone(a: &mut Arena) -> anyhow::Result<()> {
    let ceph = vaulted(a)?;
    ensure!(a.backup()?.is_done(), "backup");
    ceph.stop_gateway()?;
    let ran = b(a, &["pull", "s"])?;
    stands!(!ran.hung && !ran.is_done(), "a pull without a bucket: {}", ran.brief());
    let status = b(a, &["status"])?;
    stands!(!status.hung && status.code != Some(0), "status: {}", status.brief());
    ceph.start_gateway()?;
    let ran = b(a, &["pull", "s"])?;
    stands!(ran.is_done(), "when it is back: {}", ran.brief());
    whole(a, "view-b")
}
