//! `attack stolen`: a backup host in a thief's hands: its credentials, its disk, its memory at
//! rest. What it can destroy of copies 1, 2 and 3 is tried.

use crate::{
    Options,
    arena::{Arena, Stage, tree},
    case::Absent,
    ceph::{Ceph, secret},
    child::{Served, free_port, has},
    wire::{self, Client},
};
use anyhow::{Context, ensure};
use serde_json::json;
use std::{
    collections::BTreeMap, fs, os::unix::fs::PermissionsExt, process::Command, time::Duration,
};

/// What was tried, and what came of it.
struct Row {
    copy: &'static str,
    place: &'static str,
    tried: String,
    /// Nothing when it was not run.
    fell: Option<bool>,
    /// It falls by nature, as `docs/threat-model.md` says.
    known: bool,
    how: String,
}

type Files = BTreeMap<String, String>;

pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let stage = Stage::new(&options.bin, options.seed)?;
    let mut rows = Vec::new();
    let parts: [(&'static str, &'static str, Part); 7] = [
        ("1", "the tenant", tenant),
        ("2", "a folder", folder),
        ("2", "S3, policy that adds", bucket_plain),
        ("2", "S3, the same, versions kept", bucket_versions),
        ("2", "REST, --append-only", rest),
        ("3", "vault, pulls or is pushed to", vault),
        ("-", "disk and memory at rest", at_rest),
    ];
    for (copy, place, part) in parts {
        let mut tried = Tried { copy, place, rows: Vec::new() };
        let mut a = Arena::new(&stage, "stolen")?;
        if let Err(e) = part(&mut a, &mut tried) {
            let why = format!("{e:#}");
            let absent = e.downcast_ref::<Absent>().is_some();
            let fell = if absent { None } else { Some(true) };
            tried.rows.push(Row {
                copy,
                place,
                tried: "all of it".into(),
                fell,
                known: false,
                how: why,
            });
        }
        rows.extend(tried.rows);
    }
    let held = rows.iter().all(|r| r.fell != Some(true) || r.known);
    if options.json {
        let all: Vec<_> = rows
            .iter()
            .map(|r| {
                json!({"copy": r.copy, "place": r.place,
            "tried": r.tried, "fell": r.fell, "known": r.known, "how": r.how})
            })
            .collect();
        println!("{}", json!(all));
    } else {
        println!("{:<5} {:<29} {:<48} {:<14} how", "copy", "where", "tried", "");
        for r in &rows {
            let word = match (r.fell, r.known) {
                (None, _) => "not run here",
                (Some(true), true) => "fell (known)",
                (Some(true), false) => "FELL",
                (Some(false), _) => "stood",
            };
            println!("{:<5} {:<29} {:<48} {word:<14} {:.150}", r.copy, r.place, r.tried, r.how);
        }
    }
    Ok(held)
}

type Part = fn(&mut Arena, &mut Tried) -> anyhow::Result<()>;

struct Tried {
    copy: &'static str,
    place: &'static str,
    rows: Vec<Row>,
}

impl Tried {
    fn note(&mut self, tried: &str, fell: bool, known: bool, how: impl Into<String>) {
        let (copy, place) = (self.copy, self.place);
        let row =
            Row { copy, place, tried: tried.into(), fell: Some(fell), known, how: how.into() };
        self.rows.push(row);
    }
}

fn restored(a: &mut Arena, name: &str) -> anyhow::Result<Files> {
    let target = a.arg(name);
    let ran = a.strongroom(&["restore", "--target", &target])?;
    ensure!(ran.is_done(), "a restore: {}", ran.brief());
    Ok(tree(&a.path(name)))
}

/// Graph with the stolen application's secret, by curl.
fn tenant(a: &mut Arena, t: &mut Tried) -> anyhow::Result<()> {
    if !has("curl") {
        return Err(Absent("curl is not here".into()).into());
    }
    let ready = a.stage.ready().clone();
    let (https, ca) = (ready["https"].as_str().context("https")?, ready["ca_file"].as_str());
    let ca = a.path(ca.context("ca")?);
    let tenant = &ready["tenants"][0];
    let user = tenant["users"][0].as_str().context("no user")?;
    let curl = |args: &[&str]| -> anyhow::Result<String> {
        let out = Command::new("curl")
            .args(["-s", "--max-time", "20", "--cacert"])
            .arg(&ca)
            .args(args)
            .output()?;
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    for name in ["read", "write"] {
        let app = tenant["applications"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|x| x["name"] == name)
            .context("no application")?;
        let file = a.path(app["secret_file"].as_str().context("no secret")?);
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={https}/.default",
            app["application_id"].as_str().unwrap_or_default(),
            fs::read_to_string(file)?.trim()
        );
        let id = tenant["tenant_id"].as_str().unwrap_or_default();
        let url = format!("{https}/{id}/oauth2/v2.0/token");
        let said: serde_json::Value = serde_json::from_str(&curl(&["-d", &form, &url])?)?;
        let bearer =
            format!("Authorization: Bearer {}", said["access_token"].as_str().context("no token")?);
        let list = curl(&["-H", &bearer, &format!("{https}/v1.0/users/{user}/messages?$top=1")])?;
        let list: serde_json::Value = serde_json::from_str(&list)?;
        let Some(message) = list["value"][0]["id"].as_str() else {
            t.note(
                &format!("delete mail with the {name} identity"),
                false,
                false,
                format!("it lists none: {list:.80}"),
            );
            continue;
        };
        let url = format!("{https}/v1.0/users/{user}/messages/{message}");
        let code =
            curl(&["-X", "DELETE", "-H", &bearer, "-o", "/dev/null", "-w", "%{http_code}", &url])?;
        let fell = code.starts_with('2');
        let how = format!("status {code}");
        // Whoever keeps the writing identity on the backup host gives it away with it.
        t.note(&format!("delete mail with the {name} identity"), fell, name == "write", how);
    }
    Ok(())
}

fn folder(a: &mut Arena, t: &mut Tried) -> anyhow::Result<()> {
    let wanted = restored(a, "honest")?;
    fs::remove_dir_all(a.path("copy2-0"))?;
    fs::create_dir(a.path("copy2-0"))?;
    t.note(
        "rm -rf as the backup's own account",
        true,
        true,
        "a folder that the host may write is the host's; prune there or take a remote place",
    );
    // And nothing on that host reaches the vault, which has it all.
    let same = from_the_vault(a)? == wanted;
    t.note(
        "the same, recovered from copy 3 by two shares",
        !same,
        false,
        if same { "every file byte for byte" } else { "other files" },
    );
    Ok(())
}

fn from_the_vault(a: &mut Arena) -> anyhow::Result<Files> {
    let _ = fs::remove_dir_all(a.path("back"));
    let _ = fs::remove_dir_all(a.path("back-files"));
    a.write("place.toml", a.place()?)?;
    a.write("new.password", "a new password of some length")?;
    fs::set_permissions(a.path("new.password"), fs::Permissions::from_mode(0o600))?;
    let mut command = a.stage.program("strongroom", a.dir());
    command.args(["--quiet", "--cache-dir", "fresh", "vault", "recover", "--place", "place.toml"]);
    command.args([
        "--share",
        "copy2-0-recovery/share-1-of-3.html",
        "--share",
        "copy2-0-recovery/share-2-of-3.html",
        "--to",
        "back",
        "--new-password-file",
        "new.password",
        "--restore-to",
        "back-files",
        "--upto",
        "1",
    ]);
    let ran = a.run(&mut command, Duration::from_secs(60))?;
    ensure!(ran.is_done(), "recovery: {}", ran.brief());
    Ok(tree(&a.path("back-files")))
}

/// Points the school at another place for copy 2, with a repository and a backup in it.
fn moved(a: &mut Arena, lines: &str) -> anyhow::Result<()> {
    let text = a.read("strongroom.toml")?;
    a.write(
        "strongroom.toml",
        text.replacen("path = \"copy2-0\"\n", "", 1).replacen(
            "password_file = \"password0\"\n",
            &format!("password_file = \"password0\"\n{lines}"),
            1,
        ),
    )?;
    let _ = fs::remove_dir_all(a.path("cache"));
    let ran = a.strongroom(&["init", "--no-recovery"])?;
    ensure!(ran.is_done(), "init: {}", ran.brief());
    let ran = a.backup()?;
    ensure!(ran.is_done(), "backup: {}", ran.brief());
    Ok(())
}

fn ceph_with_policy(a: &mut Arena, versions: bool) -> anyhow::Result<Ceph> {
    let ceph = Ceph::start()?;
    ceph.user("owner")?;
    ceph.user("host")?;
    let (status, body) = ceph.ask("owner", "PUT", "/copy2", b"", &[])?;
    ensure!(status == 200, "bucket: {status} {body}");
    if versions {
        let xml = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let (status, body) = ceph.ask("owner", "PUT", "/copy2?versioning=", xml, &[])?;
        ensure!(status == 200, "versioning: {status} {body}");
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/host"]},
         "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketLocation"],
         "Resource": ["arn:aws:s3:::copy2", "arn:aws:s3:::copy2/*"]},
        {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/host"]},
         "Action": ["s3:DeleteObject"], "Resource": ["arn:aws:s3:::copy2/locks/*"]},
    ]});
    let (status, body) =
        ceph.ask("owner", "PUT", "/copy2?policy=", policy.to_string().as_bytes(), &[])?;
    ensure!(status < 300, "policy: {status} {body}");
    a.write("s3.secret", secret("host"))?;
    fs::set_permissions(a.path("s3.secret"), fs::Permissions::from_mode(0o600))?;
    moved(
        a,
        &format!(
            "[repository.s3]\nendpoint = \"http://127.0.0.1:{}/\"\nbucket = \
             \"copy2\"\naccess_key_id = \"host\"\nsecret_file = \"s3.secret\"\n",
            ceph.port
        ),
    )?;
    Ok(ceph)
}

fn keys_of(list: &str) -> Vec<String> {
    list.split("<Key>").skip(1).filter_map(|r| Some(r.split_once("</Key>")?.0.to_owned())).collect()
}

fn bucket_plain(a: &mut Arena, t: &mut Tried) -> anyhow::Result<()> {
    bucket(a, t, false)
}

fn bucket_versions(a: &mut Arena, t: &mut Tried) -> anyhow::Result<()> {
    bucket(a, t, true)
}

fn bucket(a: &mut Arena, t: &mut Tried, versions: bool) -> anyhow::Result<()> {
    let ceph = ceph_with_policy(a, versions)?;
    let wanted = restored(a, "honest")?;
    let (_, list) = ceph.ask("host", "GET", "/copy2?list-type=2", b"", &[])?;
    let keys = keys_of(&list);
    ensure!(keys.len() > 4, "the list has {} objects: {list:.200}", keys.len());
    let mut gone = 0;
    for key in keys.iter().filter(|k| !k.starts_with("locks/")) {
        let (status, _) = ceph.ask("host", "DELETE", &format!("/copy2/{key}"), b"", &[])?;
        gone += usize::from(status < 300);
    }
    t.note("delete each object", gone > 0, false, format!("{gone} of {} went", keys.len()));
    let mut worked = Vec::new();
    for (what, method, path, body) in [
        (
            "delete many",
            "POST",
            "/copy2?delete=",
            format!("<Delete><Object><Key>{}</Key></Object></Delete>", keys[0]),
        ),
        ("delete the bucket", "DELETE", "/copy2", String::new()),
        ("another policy", "PUT", "/copy2?policy=", "{}".into()),
        ("no policy", "DELETE", "/copy2?policy=", String::new()),
        (
            "a lifecycle",
            "PUT",
            "/copy2?lifecycle=",
            "<LifecycleConfiguration><Rule><ID>x</ID>\
            <Prefix></Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>\
            </Rule></LifecycleConfiguration>"
                .into(),
        ),
        (
            "versions off",
            "PUT",
            "/copy2?versioning=",
            "<VersioningConfiguration><Status>\
            Suspended</Status></VersioningConfiguration>"
                .into(),
        ),
        ("an ACL", "PUT", "/copy2?acl=", String::new()),
    ] {
        let (status, body) = ceph.ask("host", method, path, body.as_bytes(), &[])?;
        if (200..300).contains(&status) && !body.contains("AccessDenied") {
            worked.push(what);
        }
    }
    t.note(
        "settings of the bucket, deletion of many",
        !worked.is_empty(),
        false,
        format!("worked: {worked:?}"),
    );
    let same = restored(a, "after-deletes")? == wanted;
    t.note("a restore after that", !same, false, if same { "byte for byte" } else { "other" });
    // Overwriting is adding to S3.
    let mut over = 0;
    for key in &keys {
        let (status, _) = ceph.ask("host", "PUT", &format!("/copy2/{key}"), b"overwritten", &[])?;
        over += usize::from(status == 200);
    }
    let after = restored(a, "after-overwrites");
    let destroyed = !matches!(&after, Ok(files) if *files == wanted);
    if !versions {
        t.note(
            "overwrite each object",
            destroyed,
            true,
            format!(
                "{over} were overwritten: keep versions, or let the policy ask for \
                If-None-Match where the server knows it"
            ),
        );
        return Ok(());
    }
    let (_, list) = ceph.ask("owner", "GET", "/copy2?versions=", b"", &[])?;
    let old = old_versions(&list);
    for (key, version) in &old {
        let path = format!("/copy2/{key}?versionId={version}");
        let (status, _) = ceph.ask("host", "DELETE", &path, b"", &[])?;
        if status < 300 && !key.starts_with("locks/") {
            t.note("delete an older version", true, false, key.clone());
        }
    }
    // The owner takes the newer versions away, as one does after such a theft.
    for (key, version) in all_versions(&list) {
        if !old.contains(&(key.clone(), version.clone())) {
            let path = format!("/copy2/{key}?versionId={version}");
            ceph.ask("owner", "DELETE", &path, b"", &[])?;
        }
    }
    let back = restored(a, "after-rollback").is_ok_and(|files| files == wanted);
    t.note(
        "overwrite each object",
        !back,
        false,
        format!(
            "{over} were overwritten; the owner's \
        older versions restore {}",
            if back { "byte for byte" } else { "NOT" }
        ),
    );
    Ok(())
}

/// Each version of each key, newest first.
fn all_versions(list: &str) -> Vec<(String, String)> {
    let field = |row: &str, name: &str| {
        let from = row.split_once(&format!("<{name}>"))?.1;
        Some(from.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    let rows = list.split("<Version>").skip(1);
    rows.filter_map(|row| Some((field(row, "Key")?, field(row, "VersionId")?))).collect()
}

/// The oldest version of each key.
fn old_versions(list: &str) -> Vec<(String, String)> {
    // Newest first: the last of a key is the oldest.
    let oldest: BTreeMap<String, String> = all_versions(list).into_iter().collect();
    oldest.into_iter().collect()
}

fn rest(a: &mut Arena, t: &mut Tried) -> anyhow::Result<()> {
    if !has("rclone") {
        return Err(Absent("rclone is not here".into()).into());
    }
    let port = free_port()?;
    fs::create_dir(a.path("served"))?;
    let mut command = Command::new("rclone");
    command.current_dir(a.dir()).env("HOME", a.path("home"));
    command.args([
        "serve",
        "restic",
        "--append-only",
        "--cache-objects=false",
        "--addr",
        &format!("127.0.0.1:{port}"),
        "--user",
        "host",
        "--pass",
        "the-token-of-the-host",
    ]);
    command.arg(a.path("served"));
    let _server = Served::listening(&mut command, port, &a.path("rclone.log"))?;
    a.write("rest.secret", "the-token-of-the-host")?;
    fs::set_permissions(a.path("rest.secret"), fs::Permissions::from_mode(0o600))?;
    moved(
        a,
        &format!(
            "[repository.rest]\nurl = \"http://127.0.0.1:{port}/copy2/\"\nuser = \"host\"\n\
             secret_file = \"rest.secret\"\n"
        ),
    )?;
    let wanted = restored(a, "honest")?;
    let c = Client {
        address: format!("127.0.0.1:{port}").parse()?,
        user: "host".into(),
        token: "the-token-of-the-host".into(),
    };
    let before = tree(&a.path("served"));
    let (mut deleted, mut other) = (0, Vec::new());
    for name in before.keys() {
        let path = rest_path(name);
        let reply = c.send("DELETE", &path, "", b"");
        deleted += usize::from(reply.status < 300 && !name.contains("/locks/"));
        c.post(&path, b"overwritten");
        for method in ["PUT", "PATCH", "MOVE", "PROPPATCH"] {
            let reply = c.send(method, &path, "Destination: /copy2/x\r\n", b"overwritten");
            if (200..300).contains(&reply.status) {
                other.push(method);
            }
        }
        c.send("POST", &path, "X-HTTP-Method-Override: DELETE\r\n", b"");
    }
    for path in [
        "/copy2/",
        "/",
        "/copy2/data/",
        "/copy2/../copy2/config",
        "/copy2/locks/../config",
        "/copy2/locks/..%2fconfig",
    ] {
        deleted += usize::from((200..300).contains(&c.send("DELETE", path, "", b"").status));
    }
    let lost = before
        .iter()
        .filter(|(n, h)| !n.contains("/locks/") && tree(&a.path("served")).get(*n) != Some(h));
    let lost = lost.count();
    t.note(
        "delete each object, the whole, by paths with dots",
        lost > 0,
        false,
        format!(
            "{lost} of {} objects are gone or other; {deleted} deletions answered 2xx",
            before.len()
        ),
    );
    t.note("overwrite each (POST, PUT, MOVE)", lost > 0, false, format!("answered: {other:?}"));
    for kind in ["keys", "index", "snapshots", "locks"] {
        for n in 0..30_u32 {
            let junk = format!("junk {n}").into_bytes();
            let name = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&junk));
            c.post(&format!("/copy2/{kind}/{name}"), &junk);
        }
    }
    let after = restored(a, "after");
    let how = match &after {
        Ok(files) if *files == wanted => "byte for byte".to_owned(),
        Ok(_) => "other files".to_owned(),
        Err(e) => format!("{e:#}"),
    };
    let fell = !after.is_ok_and(|files| files == wanted);
    t.note("a restore after that and 120 junk objects", fell, false, how);
    let next = a.backup()?;
    t.note("a backup after that", !next.is_done(), false, next.brief());
    Ok(())
}

/// `copy2/data/ab/abcd…` on the disk is `copy2/data/abcd…` to a client.
fn rest_path(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        [repo, "data", _, file] => format!("/{repo}/data/{file}"),
        _ => format!("/{name}"),
    }
}

fn vault(a: &mut Arena, t: &mut Tried) -> anyhow::Result<()> {
    let wanted = restored(a, "honest")?;
    // The password is the host's: the repository is emptied and poisoned with stock tools.
    let repo = a.path("copy2-0");
    a.restic(&repo, &["unlock", "--remove-all"])?;
    a.restic(&repo, &["forget", "--prune", "--keep-last", "1", "--group-by", ""])?;
    let poison = a.write("poison/ransom.txt", "all your mail is encrypted")?;
    let poison = poison.parent().context("no folder")?.display().to_string();
    a.restic(&repo, &["backup", &poison])?;
    for name in a.names("snapshots").into_iter().take(1) {
        a.restic(&repo, &["forget", "--prune", &name])?;
    }
    a.strongroom(&["backup"])?;
    for _ in 0..3 {
        a.vault(&["pull", "school0"])?;
    }
    let (served, c) = a.serve("run")?;
    let mut worked = Vec::new();
    for (name, _) in tree(&a.path("vault/school0/hold")) {
        let parts: Vec<&str> = name.split('/').collect();
        let path = match parts[..] {
            ["data", _, file] => format!("/school0/data/{file}"),
            _ => format!("/school0/{name}"),
        };
        for method in ["DELETE", "PUT", "POST", "PATCH", "MOVE"] {
            if (200..300).contains(&c.send(method, &path, "", b"overwritten").status) {
                worked.push(format!("{method} {path:.30}"));
            }
        }
    }
    let reply = c.send("DELETE", "/school0/", "", b"");
    if (200..300).contains(&reply.status) {
        worked.push("DELETE /school0/".into());
    }
    wire::raw(c.address, &[b"DELETE /school0/ HTTP/1.1\r\n\r\n"], Duration::from_secs(2));
    t.note(
        "delete, overwrite with the pushing credential",
        !worked.is_empty(),
        false,
        format!("worked: {worked:?}"),
    );
    for _ in 0..20 {
        c.post("/school0/sessions", b"");
    }
    drop(served);
    let ran = a.vault(&["expire", "school0", "--apply"])?;
    let freed = ran.json()["freed"].as_u64().unwrap_or(0);
    t.note("let the vault free something", freed > 0, false, format!("{freed} freed"));
    match a.aftermath() {
        Ok(()) => t.note(
            "what was published before the theft",
            false,
            false,
            "all objects, all sessions; stock restic restores session 1",
        ),
        Err(e) => t.note("what was published before the theft", true, false, format!("{e:#}")),
    }
    let same = from_the_vault(a)? == wanted;
    t.note(
        "a recovery as of before the theft",
        !same,
        false,
        if same { "every file byte for byte" } else { "other files" },
    );
    Ok(())
}

/// Whatever lies on the host while nothing runs: each secret in its own file alone.
fn at_rest(a: &mut Arena, t: &mut Tried) -> anyhow::Result<()> {
    for args in
        [&["backup"][..], &["check"], &["replicate"], &["key", "list"], &["tenant", "snapshot"]]
    {
        let mut command = a.command(0, args);
        command.env("TMPDIR", a.path("home"));
        a.run(&mut command, Duration::from_secs(60))?;
    }
    let password = a.read("password0")?;
    let mut found = Vec::new();
    for dir in ["cache", "home", "copy2-0", "reviews", "restores"] {
        for (name, _) in tree(&a.path(dir)) {
            let bytes = fs::read(a.path(dir).join(&name))?;
            if wire::find(&bytes, password.trim().as_bytes()).is_some() {
                found.push(format!("{dir}/{name}"));
            }
        }
    }
    t.note(
        "find the password in caches, logs, temporary files",
        !found.is_empty(),
        false,
        format!("found in {found:?}"),
    );
    let shares = a.path("copy2-0-recovery").exists();
    t.note(
        "find recovery shares beside copy 2",
        shares,
        true,
        "init leaves all three there until somebody prints and deletes them",
    );
    let left = fs::read_dir("/proc")?
        .flatten()
        .filter(|e| fs::read_link(e.path().join("cwd")).is_ok_and(|c| c == a.dir()));
    let left = left.count();
    t.note("find a process that still holds keys", left > 0, false, format!("{left} run on"));
    Ok(())
}
