//! No command runs on a configuration in which something is wrong, and nothing is sent.

use crate::common::secret;
use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

/// A configuration in which everything is right, but that nobody answers.
fn good(port: u16) -> String {
    format!(
        r#"
[[tenant]]
name = "school"
tenant_id = "school.example"
authority = "https://127.0.0.1:{port}/"
graph = "https://127.0.0.1:{port}/"
repository = "school"
vault = "vault"
[tenant.identities.read]
application_id = "00000000-0000-0000-0000-000000000001"
secret_file = "read.secret"

[[repository]]
name = "school"
path = "repositories/school"
password_file = "password"

[[vault]]
name = "vault"
url = "http://127.0.0.1:{port}/school/"
token_file = "token"
"#
    )
}

#[test]
fn nothing_is_sent_on_a_wrong_configuration() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    listening.set_nonblocking(true).unwrap();
    let port = listening.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    for file in ["password", "read.secret", "token"] {
        secret(&dir.path().join(file), "a secret that nobody may see");
    }
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .args(args)
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .output()
            .unwrap()
    };
    let config = dir.path().join("strongroom.toml");
    std::fs::write(&config, good(port)).unwrap();
    let out = run(&["config", "check"]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert_eq!(run(&["init"]).status.code(), Some(0));

    // Certificates to trust: looked into before somebody works with them.
    for (held, says) in [("", "holds no certificate"), ("-----BEGIN CERTIFICATE-----", "ca.pem")] {
        std::fs::write(dir.path().join("ca.pem"), held).unwrap();
        let with = good(port).replacen("repository =", "ca_file = \"ca.pem\"\nrepository =", 1);
        std::fs::write(&config, with).unwrap();
        let out = run(&["config", "check"]);
        let told = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.code() == Some(1) && told.contains(says), "{held:?}: {out:?}");
    }
    std::fs::write(&config, good(port)).unwrap();

    let graph = format!("graph = \"https://127.0.0.1:{port}/\"");
    let authority = format!("authority = \"https://127.0.0.1:{port}/\"");
    let url = format!("url = \"http://127.0.0.1:{port}/school/\"");
    let s3 = |endpoint: &str| {
        format!(
            "public_key = \"{}\"\n[vault.s3]\nendpoint = \"{endpoint}\"\nbucket = \"b\"\n\
             access_key_id = \"a\"\nsecret_file = \"token\"",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        )
    };
    let more = |path: &str| {
        format!("[[repository]]\nname = \"b\"\npath = \"{path}\"\npassword_file = \"p\"\n[[vault]]")
    };
    let token = "token_file = \"token\"";
    // The password stands before the table, since a table ends what stands before it.
    let path = "path = \"repositories/school\"\npassword_file = \"password\"";
    let bucket = |endpoint: &str, more: &str| {
        format!(
            "password_file = \"password\"\n[repository.s3]\nendpoint = \"{endpoint}\"\n\
             bucket = \"b\"\naccess_key_id = \"a\"\nsecret_file = \"token\"\n{more}"
        )
    };
    let rest = |url: &str, more: &str| {
        format!("password_file = \"password\"\n[repository.rest]\nurl = \"{url}\"\n{more}")
    };
    let azure = |more: &str| {
        format!("password_file = \"password\"\n[repository.azure]\n{more}").replace(
            "ACCOUNT",
            "account = \"school\"\ncontainer = \"copies\"\nkey_file = \"token\"\n",
        )
    };
    let sftp = |more: &str| {
        format!("password_file = \"password\"\n[repository.sftp]\n{more}").replace(
            "HOST",
            "host = \"nas.example\"\npath = \"/copies\"\nknown_hosts_file = \"token\"\n",
        )
    };
    let elsewhere = |name: &str, more: &str| {
        format!("[[repository]]\nname = \"{name}\"\n{}\n", bucket("https://s3.example", more))
    };
    let wrong: Vec<(&str, String, &str)> = vec![
        (graph.as_str(), format!("graph = \"http://127.0.0.1:{port}/\""), "credentials need https"),
        (
            authority.as_str(),
            format!("authority = \"http://127.0.0.1:{port}/\""),
            "credentials need https",
        ),
        (graph.as_str(), format!("graph = \"https://127.0.0.1:{port}/v1.0\""), "end with its host"),
        (
            &authority,
            format!("authority = \"https://me:hush@127.0.0.1:{port}/\""),
            "does not belong",
        ),
        (
            url.as_str(),
            "url = \"http://127.evil.example/school/\"".into(),
            "credentials need https",
        ),
        (url.as_str(), "url = \"https://me:hush@vault.example/school/\"".into(), "does not belong"),
        (token, s3("http://10.0.0.5"), "credentials need https"),
        (
            "tenant_id = \"school.example\"",
            "tenant_id = \"//evil.example\"".into(),
            "neither an id",
        ),
        ("[[vault]]", more("repositories/./school"), "stand in one place"),
        ("[[vault]]", more("repositories/school/inner"), "stand in one place"),
        ("[[vault]]", more("other").replace("\"b\"", "\"school\""), "two repositories are named"),
        (path, format!("path = \"p\"\n{}", bucket("https://s3.example", "")), "more than one of"),
        (path, "password_file = \"password\"".into(), "it needs a path, s3, azure, sftp or rest"),
        (path, format!("path = \"p\"\n{}", sftp("HOST")), "more than one of"),
        (path, azure("ACCOUNT endpoint = \"http://azure.example/\""), "credentials need https"),
        (path, azure("ACCOUNT endpoint = \"https://me:hush@azure.example/\""), "does not belong"),
        (path, azure("ACCOUNT endpoint = \"https://a.example/?sig=hush\""), "without what follows"),
        (path, azure("ACCOUNT prefix = \"/riverside\""), "ends in a slash"),
        (path, azure("ACCOUNT sas_file = \"token\""), "both a key_file and a sas_file"),
        (path, azure("account = \"school\"\ncontainer = \"copies\""), "a key_file or a sas_file"),
        (path, azure("ACCOUNT").replace("\"copies\"", "\"Copies/x\""), "no container's name"),
        (path, azure("ACCOUNT").replace("\"school\"", "\"a.evil\""), "no storage account's name"),
        (path, sftp("HOST").replace("known_hosts_file = \"token\"", ""), "known_hosts_file"),
        (path, sftp("HOST").replace("nas.example", "-oProxyCommand=x"), "no host's name"),
        (path, sftp("HOST user = \"a b\""), "no user's name"),
        (path, sftp("HOST").replace("/copies", ""), "is no folder"),
        (path, sftp("HOST password = \"hush\""), "unknown field"),
        (path, sftp("HOST ssh_command = [\"\"]"), "the name of a program"),
        (path, sftp("HOST [repository.prune]\naccess_key_id = \"a\""), "does not know"),
        (path, azure("ACCOUNT [repository.prune]"), "prune: it needs a key_file or a sas_file"),
        (
            path,
            bucket("https://s3.example", "[repository.prune]\naccess_key_id = \"a\""),
            "prune: secret_file is missing",
        ),
        (
            path,
            rest("https://b.example/r/", "[repository.prune]\nurl = \"http://b.example/r/\""),
            "credentials need https",
        ),
        (path, format!("{path}\n[repository.prune]\nuser = \"u\""), "a folder has no credential"),
        (path, bucket("http://s3.example", ""), "credentials need https"),
        (path, bucket("https://me:hush@s3.example", ""), "does not belong"),
        (path, bucket("https://s3.example/copies", ""), "end with its host"),
        (path, bucket("https://s3.example", "prefix = \"riverside\""), "ends in a slash"),
        (path, bucket("https://s3.example", "twin_bucket = \"t\""), "is a vault's"),
        (path, rest("http://backup.example/r/", ""), "credentials need https"),
        (path, rest("https://me:hush@backup.example/r/", ""), "does not belong"),
        (path, rest("https://backup.example/r/", "user = \"u\""), "go together"),
        (path, rest("https://backup.example/r/?key=hush", ""), "without what follows"),
        (
            "[[vault]]",
            format!("{}{}[[vault]]", elsewhere("b", ""), elsewhere("c", "prefix = \"inner/\"")),
            "stand in one place",
        ),
        (
            "[[vault]]",
            format!(
                "[[repository]]\nname = \"b\"\n{}[[repository]]\nname = \"c\"\n{}[[vault]]",
                sftp("HOST"),
                sftp("HOST").replace("/copies", "//copies/./inner")
            ),
            "stand in one place",
        ),
        (
            "[[vault]]",
            format!(
                "[[repository]]\nname = \"b\"\n{}[[repository]]\nname = \"c\"\n{}\n[[vault]]",
                azure("ACCOUNT"),
                azure("ACCOUNT prefix = \"inner/\"")
            ),
            "stand in one place",
        ),
        ("[tenant.identities.read]", "[tenant.identities.reed]".into(), "is no identity"),
        ("secret_file = \"read.secret\"", "secret = \"hush\"".into(), "unknown field"),
    ];
    let commands: &[&[&str]] = &[
        &["backup"],
        &["snapshots"],
        &["replicate"],
        &["tenant", "snapshot"],
        &["restore", "--path", "/mail", "--dry-run"],
        &["check"],
        &["prune"],
        &["fleet"],
    ];
    for (old, new, says) in &wrong {
        let good = good(port);
        assert!(good.contains(old), "{old}");
        let mut text = good.replacen(old, new, 1);
        if new.contains("[vault.s3]") {
            text = text.replace(url.as_str(), "");
        }
        std::fs::write(&config, text).unwrap();
        for args in commands {
            let out = run(args);
            let told = format!(
                "{}{}",
                String::from_utf8_lossy(&out.stdout),
                String::from_utf8_lossy(&out.stderr)
            );
            assert!(out.status.code().is_some_and(|c| c != 0), "{args:?} on {new}: {told}");
            assert!(told.contains(says), "{args:?} on {new}: {told}");
            assert!(!told.contains("hush"), "{args:?} on {new} tells a secret: {told}");
        }
        assert_ne!(run(&["config", "check"]).status.code(), Some(0), "{new}");
    }
    let none = listening.accept().expect_err("something was sent");
    assert_eq!(none.kind(), ErrorKind::WouldBlock);
}

/// Files with secrets that others can read or change, that are none, or that hold a key of the
/// wrong kind: one sentence from every command, and nothing is sent.
#[test]
fn secrets_and_keys_are_looked_at_before_anything_is_sent() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    listening.set_nonblocking(true).unwrap();
    let port = listening.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let run = |args: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.args(args).current_dir(dir.path()).env("HOME", dir.path()).output().unwrap()
    };
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let config = path("strongroom.toml");
    let with = |text: &str| {
        for file in ["password", "read.secret", "token"] {
            let _ = fs::remove_file(path(file)).or_else(|_| fs::remove_dir(path(file)));
            secret(&path(file), "a secret that nobody may see");
        }
        fs::write(&config, text).unwrap();
        mode(&config, 0o644);
        mode(dir.path(), 0o755);
    };
    with(&good(port));
    assert_eq!(run(&["init"]).status.code(), Some(0));
    assert_eq!(run(&["config", "check"]).status.code(), Some(0));
    // A group may be let in to read.
    mode(&path("token"), 0o640);
    assert_eq!(run(&["config", "check"]).status.code(), Some(0));

    let pem = |kind: &str| {
        format!(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\
             -----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n"
        )
    };
    let certificate = good(port).replace("secret_file = \"read", "certificate_file = \"read");
    type Change<'a> = Box<dyn Fn() + 'a>;
    let write = |name: &'static str, bytes: Vec<u8>| -> Change<'_> {
        Box::new(move || fs::write(path(name), &bytes).unwrap())
    };
    let chmod =
        |name: &'static str, to: u32| -> Change<'_> { Box::new(move || mode(&path(name), to)) };
    let plain = good(port);
    let wrong: Vec<(&str, &str, Change<'_>)> = vec![
        (&plain, "others can read", chmod("read.secret", 0o644)),
        (&plain, "chmod 600", chmod("password", 0o604)),
        (&plain, "others can change", chmod("token", 0o660)),
        (&plain, "is empty", write("password", Vec::new())),
        (&plain, "the most that it may have", write("token", vec![b'x'; 70_000])),
        (
            &plain,
            "it is a pipe and no file",
            Box::new(|| {
                fs::remove_file(path("token")).unwrap();
                assert!(Command::new("mkfifo").arg(path("token")).status().unwrap().success());
            }),
        ),
        (
            &plain,
            "it is a directory and no file",
            Box::new(|| {
                fs::remove_file(path("password")).unwrap();
                fs::create_dir(path("password")).unwrap();
            }),
        ),
        (&plain, "a certificate or a key and no secret", {
            write("read.secret", pem("PRIVATE KEY").into_bytes())
        }),
        (&certificate, "it holds no certificate", write("read.secret", b"hush".to_vec())),
        (&certificate, "its key is no RSA key", {
            write("read.secret", pem("EC PRIVATE KEY").into_bytes())
        }),
        (&certificate, "its private key is encrypted", {
            write("read.secret", pem("ENCRYPTED PRIVATE KEY").into_bytes())
        }),
        (&certificate, "openssl pkcs12", write("read.secret", vec![0x30, 0x82, 0xff, 0xfe])),
        (&plain, "others can change", chmod("strongroom.toml", 0o666)),
        (&plain, "others can change", chmod("", 0o777)),
    ];
    let commands: &[&[&str]] = &[
        &["backup"],
        &["snapshots"],
        &["replicate"],
        &["tenant", "snapshot"],
        &["restore", "--path", "/mail", "--dry-run"],
        &["check"],
    ];
    for (n, (text, says, change)) in wrong.iter().enumerate() {
        with(text);
        change();
        for args in commands {
            let out = run(args);
            let told = format!(
                "{}{}",
                String::from_utf8_lossy(&out.stdout),
                String::from_utf8_lossy(&out.stderr)
            );
            assert!(out.status.code().is_some_and(|c| c != 0), "{n}: {args:?}: {told}");
            assert!(told.contains(says), "{n}: {args:?} does not say {says}: {told}");
            assert!(!told.contains("nobody may see"), "{args:?} tells a secret: {told}");
        }
        assert_ne!(run(&["config", "check"]).status.code(), Some(0), "{n}: {says}");
    }
    let none = listening.accept().expect_err("something was sent");
    assert_eq!(none.kind(), ErrorKind::WouldBlock);
}

/// Files and folders that hold no secret and decide: whose certificates count, whom ssh believes,
/// which findings are accepted. Others may not change them, and what is no file is not waited for.
#[test]
fn what_decides_is_not_for_others_to_change() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    listening.set_nonblocking(true).unwrap();
    let port = listening.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for file in ["password", "read.secret", "token"] {
        secret(&path(file), "a secret that nobody may see");
    }
    let run = |args: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["20", env!("CARGO_BIN_EXE_strongroom")]).args(args);
        command.current_dir(dir.path()).env("HOME", dir.path()).output().unwrap()
    };
    let after = |line: &str, setting: &str| {
        let good = good(port);
        assert!(good.contains(line), "{line}");
        good.replacen(line, &format!("{line}\n{setting}"), 1)
    };
    let tenant = "tenant_id = \"school.example\"";
    let place = "path = \"repositories/school\"\npassword_file = \"password\"";
    let sftp = "password_file = \"password\"\n[repository.sftp]\nhost = \"127.0.0.1\"\n\
                path = \"/copies\"\nknown_hosts_file = \"it\"";
    let rest = format!(
        "password_file = \"password\"\n[repository.rest]\nurl = \"https://127.0.0.1:{port}/r/\"\n\
         ca_file = \"it\""
    );
    let files = [
        after(tenant, "ca_file = \"it\""),
        after(tenant, "exceptions = \"it\""),
        after("token_file = \"token\"", "ca_file = \"it\""),
        good(port).replacen(place, sftp, 1),
        good(port).replacen(place, &rest, 1),
    ];
    let folders = ["rules_dir", "baselines_dir", "reviews_dir", "state_dir"]
        .map(|s| format!("{s} = \"it\"\n{}", good(port)));
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let fifo = |path: &Path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let refused = |text: &str, what: &str, says: &str| {
        fs::write(path("strongroom.toml"), text).unwrap();
        for args in [&["config", "check"][..], &["backup"], &["tenant", "check"]] {
            let out = run(args);
            let told = [out.stdout.as_slice(), &out.stderr].concat();
            let told = String::from_utf8_lossy(&told);
            assert_eq!(out.status.code(), Some(1), "{args:?}, {what}: {told}\n{text}");
            assert!(told.contains(says), "{args:?}, {what} does not say {says}: {told}\n{text}");
        }
    };
    let it = path("it");
    for text in &files {
        fs::write(&it, "text").unwrap();
        mode(&it, 0o666);
        refused(text, "a file that others may change", "others can change");
        fs::remove_file(&it).unwrap();
        fifo(&it);
        refused(text, "a pipe", "is no file");
        fs::remove_file(&it).unwrap();
    }
    for text in &folders {
        fs::create_dir(&it).unwrap();
        mode(&it, 0o777);
        refused(text, "a folder that others may change", "others can change");
        mode(&it, 0o755);
        for name in ["a.rego", "a.json", "school.jsonl"] {
            fs::write(it.join(name), "{}").unwrap();
            mode(&it.join(name), 0o666);
            refused(text, name, "others can change");
            fs::remove_file(it.join(name)).unwrap();
            fifo(&it.join(name));
            refused(text, name, "is no file");
            fs::remove_file(it.join(name)).unwrap();
        }
        fs::remove_dir(&it).unwrap();
    }
    let none = listening.accept().expect_err("something was sent");
    assert_eq!(none.kind(), ErrorKind::WouldBlock);
}

/// What is said with options is held to the same sentences as what a configuration says.
#[test]
fn an_assessment_goes_to_no_address_that_a_configuration_could_not_name() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    listening.set_nonblocking(true).unwrap();
    let port = listening.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    secret(&dir.path().join("pem"), "no certificate");
    let here = format!("https://127.0.0.1:{port}/");
    let user = format!("https://joe:hush@127.0.0.1:{port}/");
    let clear = format!("http://joe:hush@127.0.0.1:{port}/");
    let deep = format!("https://127.0.0.1:{port}/v1.0/");
    let tenant = format!("//127.0.0.1:{port}/y");
    for (tenant, authority, graph, says) in [
        (tenant.as_str(), "https://login.example/", "https://graph.example/", "neither an id"),
        ("../../school.example", here.as_str(), here.as_str(), "neither an id"),
        ("school.example", clear.as_str(), here.as_str(), "credentials need https"),
        ("school.example", user.as_str(), here.as_str(), "does not belong"),
        ("school.example", here.as_str(), user.as_str(), "does not belong"),
        ("school.example", here.as_str(), deep.as_str(), "end with its host"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.current_dir(dir.path()).env("HOME", dir.path()).args(["assess", "--tenant-id"]);
        command.args([tenant, "--authority", authority, "--graph", graph]);
        command.args(["--application-id", "a", "--certificate-file", "pem"]);
        let out = command.output().unwrap();
        let told = [out.stdout.as_slice(), &out.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(out.status.code(), Some(1), "{told}");
        assert!(told.contains(says) && !told.contains("hush"), "{says}: {told}");
        assert!(!dir.path().join("assessment.html").exists(), "{says}");
    }
    let none = listening.accept().expect_err("something was sent");
    assert_eq!(none.kind(), ErrorKind::WouldBlock);
}

/// Sheets without the vault's key are made where nobody names one, and not because a configuration
/// is wrong or leaves open whose repository it is.
#[test]
fn sheets_name_the_vaults_key_or_are_not_made() {
    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for file in ["password", "read.secret", "token"] {
        secret(&path(file), "a secret that nobody may see");
    }
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.args(["--cache-dir", "cache", "-p", "password"]).args(args);
        command.current_dir(dir.path()).env("HOME", dir.path()).output().unwrap()
    };
    let config = path("strongroom.toml");
    let token = "token_file = \"token\"";
    let right = good(1).replacen(token, &format!("{token}\npublic_key = \"{KEY}\""), 1);
    fs::write(&config, &right).unwrap();
    let sheet = |dir: &str| fs::read_to_string(path(dir).join("share-1-of-3.html")).unwrap();
    assert_eq!(run(&["init"]).status.code(), Some(0));
    assert!(sheet("repositories/school-recovery").contains(KEY));
    let shares = |to: &str| run(&["--repo", "./repositories/school", "key", "shares", to]);
    let out = shares("sheets");
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert!(sheet("sheets").contains(KEY));

    let second = right.replace("name = \"school\"", "name = \"second\"");
    let second = second.replace("repository = \"school\"", "repository = \"second\"");
    let second = second.replace("repositories/school", "repositories/second");
    let second = second.split("[[vault]]").next().unwrap().to_owned();
    fs::write(&config, format!("{right}\n{second}")).unwrap();
    let out = shares("of two");
    assert_eq!(out.status.code(), Some(0), "the folder says whose it is: {out:?}");
    assert!(sheet("of two").contains(KEY));
    fs::create_dir(path("elsewhere")).unwrap();
    fs::rename(path("repositories/school"), path("elsewhere/copy")).unwrap();
    let out = run(&["--repo", "./elsewhere/copy", "key", "shares", "open"]);
    assert_eq!(out.status.code(), Some(1), "nobody says whose it is: {out:?}");
    assert!(!path("open").exists());
    fs::rename(path("elsewhere/copy"), path("repositories/school")).unwrap();

    for wrong in [good(1).replacen("https:", "http:", 1), "nonsense = 1".to_owned()] {
        fs::write(&config, wrong).unwrap();
        let out = shares("wrong");
        assert_eq!(out.status.code(), Some(1), "{out:?}");
        assert!(!path("wrong").exists());
    }
    fs::remove_file(&config).unwrap();
    assert_eq!(shares("alone").status.code(), Some(0));
    assert!(!sheet("alone").contains("vault's key"));
}
