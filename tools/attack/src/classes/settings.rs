use super::{
    config::{Ear, openssl, run, with_vault},
    new,
};
use crate::{
    arena::Arena,
    case::{Class, stands},
    plant::Plant,
};
use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Duration};

pub(super) const CLASS: Class = Class {
    name: "settings",
    attacker: "a slip beside the configuration: environment, passwords, CAs, the vault's settings",
    cases: &[
        new(
            "config-of-others",
            "lies in a folder that all may write, of another account",
            "root does not act on it",
            of_others,
        ),
        new(
            "config-changeable-parts",
            "names certificates, exceptions, rules and reviews that others may change, or pipes",
            "refused before anything is sent, in time",
            changeable_parts,
        ),
        new(
            "config-foreign-group",
            "may be changed by a group of others",
            "it is refused",
            foreign_group,
        ),
        new(
            "config-dev-fd",
            "names a secret that all may read by a way through /dev/fd",
            "it is refused",
            dev_fd,
        ),
        new(
            "assess-authority",
            "names a tenant to assess that is an address, and addresses with passwords",
            "nothing is sent, and no password told",
            assess_authority,
        ),
        new(
            "out-files-dangling",
            "has links that lead nowhere where pages, transcripts and caches are written",
            "nothing is made where they lead",
            dangling,
        ),
        new(
            "environment",
            "sets STRONGROOM_* to FIFOs and to other places",
            "orderly, in time",
            environment,
        ),
        new(
            "password-kinds",
            "has passwords that are empty, of line ends, no UTF-8",
            "one sentence, no repository without a password",
            passwords,
        ),
        new(
            "ca-kinds",
            "names CA files that are empty, keys, 10,000 certificates",
            "an error, never fewer checks",
            ca_kinds,
        ),
        new("wrong-ca", "is answered by a server of another CA", "no credential is sent", wrong_ca),
        new(
            "log-filter",
            "sets STRONGROOM_LOG=trace on every command",
            "no secret in the log",
            traces,
        ),
        new(
            "vault-settings",
            "does the same in repo.toml of the vault",
            "one sentence, told",
            vault_settings,
        ),
        new(
            "alarm-command",
            "has an alarm command that hangs, forks, fills its output",
            "the vault goes on",
            alarm_command,
        ),
    ],
};

fn of_others(a: &mut Arena) -> anyhow::Result<()> {
    // Another account's file, in a folder that all may write: root's secrets would go where it
    // says.
    let ear = Ear::new()?;
    let dir = a.path("shared");
    fs::create_dir(&dir)?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777))?;
    a.write("prod.secret", "the-secret-of-production")?;
    fs::set_permissions(a.path("prod.secret"), fs::Permissions::from_mode(0o600))?;
    let text = format!(
        "[[tenant]]\nname = \"x\"\ntenant_id = \"x.example\"\nauthority = \"https://{0}\"\ngraph = \
         \"https://{0}\"\nrepository = \"r\"\n[tenant.identities.read]\napplication_id = \
         \"x\"\nsecret_file = \"{1}\"\n[[repository]]\nname = \"r\"\npath = \"{2}\"\npassword_file \
         = \"{3}\"\n",
        ear.address,
        a.arg("prod.secret"),
        a.arg("copy2-0"),
        a.arg("password0")
    );
    a.write("shared/strongroom.toml", text)?;
    let done = Command::new("chown").args(["nobody"]).arg(dir.join("strongroom.toml")).status()?;
    if !done.success() {
        return Err(crate::case::Absent("this account cannot give files away".into()).into());
    }
    for args in [&["backup"][..], &["snapshots"]] {
        let mut command = a.stage.program("strongroom", &dir);
        command.args(args);
        let ran = a.run(&mut command, Duration::from_secs(15))?;
        stands!(
            !ran.is_ok(),
            "root acts on another account's configuration: {args:?} {}",
            ran.brief()
        );
        stands!(ear.bytes() == 0, "root went where another account's configuration says");
    }
    Ok(())
}

fn changeable_parts(a: &mut Arena) -> anyhow::Result<()> {
    let good = a.read("strongroom.toml")?;
    let tenant = good.replacen("[[tenant]]", "[[tenant]]\nexceptions = \"it\"", 1);
    let texts = [
        (tenant, false),
        (format!("rules_dir = \"it\"\n{good}"), true),
        (format!("baselines_dir = \"it\"\n{good}"), true),
        (format!("reviews_dir = \"it\"\n{good}"), true),
    ];
    let open =
        |path: &std::path::Path| fs::set_permissions(path, fs::Permissions::from_mode(0o666));
    for (text, is_folder) in texts {
        a.write("strongroom.toml", &text)?;
        for is_pipe in [false, true] {
            let it = a.path("it");
            let file = if is_folder { it.join("a.rego") } else { it.clone() };
            if is_folder {
                fs::create_dir(&it)?;
            }
            match is_pipe {
                true => Plant::Fifo.put(&file)?,
                false => fs::write(&file, "{}").and_then(|()| open(&file))?,
            }
            for args in [&["backup"][..], &["tenant", "check"], &["config", "check"]] {
                let ran = run(a, args)?;
                stands!(!ran.is_done(), "{args:?} ran on it (a pipe: {is_pipe}): {}", ran.brief());
            }
            match is_folder {
                true => fs::remove_dir_all(&it)?,
                false => fs::remove_file(&it)?,
            }
        }
    }
    Ok(())
}

fn foreign_group(a: &mut Arena) -> anyhow::Result<()> {
    let file = a.path("strongroom.toml");
    if std::os::unix::fs::chown(&file, None, Some(65534)).is_err() {
        return Err(crate::case::Absent("this account cannot give files away".into()).into());
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664))?;
    for args in [&["backup"][..], &["snapshots"], &["config", "check"]] {
        let ran = run(a, args)?;
        stands!(!ran.is_done(), "{args:?} on what a foreign group may change: {}", ran.brief());
    }
    Ok(())
}

fn dev_fd(a: &mut Arena) -> anyhow::Result<()> {
    let open = a.path("open.password");
    fs::copy(a.path("password0"), &open)?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644))?;
    let (plain, copy) = (open.display().to_string(), a.arg("copy2-0"));
    let relative = plain.trim_start_matches('/');
    for way in [
        plain.clone(),
        format!("/dev/fd/../../../{relative}"),
        format!("/proc/self/fd/../root/{relative}"),
        format!("/proc/self/fd/../cwd/{}", "open.password"),
        format!("/dev/stdin/../{relative}"),
    ] {
        let ran = run(a, &["--repo", &copy, "--password-file", &way, "snapshots"])?;
        stands!(!ran.is_done(), "the secret is read by {way}: {}", ran.brief());
    }
    Ok(())
}

fn assess_authority(a: &mut Arena) -> anyhow::Result<()> {
    let ear = Ear::new()?;
    let here = format!("https://{}/", ear.address);
    let user = format!("https://joe:hunter2@{}/", ear.address);
    let clear = format!("http://joe:hunter2@{}/", ear.address);
    let tenant = format!("//{}/y", ear.address);
    let own = a.read("strongroom.toml")?;
    let pem = own.split("certificate_file = \"").nth(1).and_then(|t| t.split('"').next());
    let pem = pem.map(str::to_owned).unwrap_or_default();
    for (tenant, authority, graph) in [
        (tenant.as_str(), "https://127.0.0.1:1/", "https://127.0.0.1:1/"),
        ("a.example", user.as_str(), here.as_str()),
        ("a.example", clear.as_str(), here.as_str()),
        ("a.example", here.as_str(), user.as_str()),
        ("../a.example", here.as_str(), here.as_str()),
    ] {
        let mut command = a.stage.program("strongroom", a.dir());
        command.args([
            "assess",
            "--tenant-id",
            tenant,
            "--authority",
            authority,
            "--graph",
            graph,
            "--application-id",
            "x",
            "--certificate-file",
            &pem,
            "--keep-consent",
        ]);
        let ran = a.run(&mut command, Duration::from_secs(15))?;
        stands!(ran.is_orderly(), "{}", ran.brief());
        stands!(!ran.is_done(), "{tenant} {authority} {graph}: {}", ran.brief());
        stands!(!format!("{}{}", ran.out, ran.err).contains("hunter2"), "it tells a password");
        stands!(ear.bytes() == 0, "something was sent: {tenant} {authority} {graph}");
    }
    Ok(())
}

fn dangling(a: &mut Arena) -> anyhow::Result<()> {
    use std::os::unix::fs::symlink;
    let made = a.path("made");
    for name in ["page.html", "transcript.jsonl"] {
        symlink(&made, a.path(name))?;
    }
    let (page, transcript) = (a.arg("page.html"), a.arg("transcript.jsonl"));
    let written: [&[&str]; 2] = [
        &["assess", "--quick", "--out", &page],
        &["acceptance", "--owner", "x", "--yes", "--transcript", &transcript],
    ];
    for args in written {
        let mut command = a.command(0, args);
        let ran = a.run(&mut command, Duration::from_secs(120))?;
        stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
        stands!(made.symlink_metadata().is_err(), "{args:?} wrote where a link leads");
    }
    // Another account's link, on the way to the folder for caches.
    let victim = a.path("victim");
    fs::create_dir(&victim)?;
    let shared = a.path("shared");
    fs::create_dir(&shared)?;
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777))?;
    symlink(&victim, shared.join("way"))?;
    let given = Command::new("chown").args(["-h", "nobody"]).arg(shared.join("way")).status()?;
    if !given.success() {
        return Err(crate::case::Absent("this account cannot give links away".into()).into());
    }
    let cache = shared.join("way/x/cache").display().to_string();
    let ran = run(a, &["--cache-dir", &cache, "snapshots"])?;
    stands!(!ran.is_done(), "a cache behind another account's link: {}", ran.brief());
    let inside = fs::read_dir(&victim)?.count();
    stands!(inside == 0, "{inside} folders were made behind another account's link");
    Ok(())
}

fn environment(a: &mut Arena) -> anyhow::Result<()> {
    Plant::Fifo.put(&a.path("fifo"))?;
    let fifo = a.arg("fifo");
    for (name, value) in [
        ("STRONGROOM_CONFIG", fifo.as_str()),
        ("STRONGROOM_PASSWORD_FILE", &fifo),
        ("STRONGROOM_REPOSITORY", &fifo),
        ("STRONGROOM_CACHE_DIR", &fifo),
        ("STRONGROOM_CACHE_DIR", "/proc/self"),
        ("STRONGROOM_CACHE_DIR", ""),
        ("XDG_CACHE_HOME", "relative"),
        ("HOME", ""),
        ("HOME", "/dev/null"),
        ("STRONGROOM_LOG", "\u{1b}[2J,,,=["),
        ("TMPDIR", "/nowhere"),
        ("LANG", "xx_XX.\u{7f}"),
        ("COLUMNS", "0"),
        ("TERM", "\u{1b}"),
        ("RUST_BACKTRACE", "full"),
        ("SSL_CERT_FILE", &fifo),
    ] {
        let mut command = a.command(0, &["snapshots"]);
        command.env(name, value);
        let ran = a.run(&mut command, Duration::from_secs(8))?;
        stands!(!ran.hung, "{name}={value:?} hangs");
        stands!(ran.is_orderly(), "{name}={value:?}: {}", ran.brief());
    }
    stands!(!a.path("relative").exists(), "a relative cache was made in the current folder");
    Ok(())
}

fn passwords(a: &mut Arena) -> anyhow::Result<()> {
    for bytes in [b"".to_vec(), b"\n".to_vec(), b"\r\n\r\n".to_vec(), b"\xff\xfe".to_vec()] {
        a.write("new.password", &bytes)?;
        fs::set_permissions(a.path("new.password"), fs::Permissions::from_mode(0o600))?;
        let _ = fs::remove_dir_all(a.path("fresh"));
        for args in [
            &["--repo", "fresh", "--password-file", "new.password", "init", "--no-recovery"][..],
            &["key", "add", "--new-password-file", "new.password"],
        ] {
            let ran = run(a, args)?;
            stands!(
                !ran.is_ok(),
                "{args:?} takes a password of {} bytes {:?}",
                bytes.len(),
                &bytes[..bytes.len().min(4)]
            );
        }
    }
    Ok(())
}

fn ca_kinds(a: &mut Arena) -> anyhow::Result<()> {
    let text = a.read("strongroom.toml")?;
    let ca = text.split("ca_file = \"").nth(1).and_then(|t| t.split('"').next());
    let ca = ca.unwrap_or_default().to_owned();
    let pem =
        fs::read_to_string(if ca.starts_with('/') { ca.clone().into() } else { a.path(&ca) })?;
    for bytes in [
        String::new(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
        "no pem".into(),
        pem[..pem.len() / 2].to_owned(),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into(),
    ] {
        a.write("ca.pem", bytes)?;
        a.write("strongroom.toml", text.replacen(&ca, "ca.pem", 1))?;
        let ran = run(a, &["backup"])?;
        stands!(!ran.is_done(), "it trusts with a broken CA file: {}", ran.brief());
    }
    a.write("ca.pem", pem.repeat(10_000))?;
    let ran = run(a, &["backup"])?;
    stands!(ran.peak_kib < 800 << 10, "10,000 certificates took {} KiB", ran.peak_kib);
    Ok(())
}

fn wrong_ca(a: &mut Arena) -> anyhow::Result<()> {
    openssl(
        a,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout w.key -out w.pem -subj /CN=w \
        -addext subjectAltName=IP:127.0.0.1 -days 30 2>/dev/null",
    )?;
    let text = a.read("strongroom.toml")?;
    let ca = text.split("ca_file = \"").nth(1).and_then(|t| t.split('"').next());
    let ca = ca.unwrap_or_default().to_owned();
    a.write("strongroom.toml", text.replacen(&ca, "w.pem", 1))?;
    let ran = run(a, &["backup"])?;
    stands!(!ran.is_done(), "it signs in at a server of another CA: {}", ran.brief());
    Ok(())
}

/// Secrets are looked for in every output.
fn traces(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("serve")?;
    with_vault(
        a,
        &format!("url = \"http://{}/school0\"\ntoken_file = \"push0.token\"\n", c.address),
    )?;
    for args in [
        &["backup"][..],
        &["replicate"],
        &["snapshots"],
        &["vault", "canary"],
        &["key", "list"],
        &["check"],
    ] {
        let mut command = a.command(0, args);
        command.env("STRONGROOM_LOG", "trace").env("RUST_LOG", "trace");
        let ran = a.run(&mut command, Duration::from_secs(60))?;
        let text = format!("{}{}", ran.out, ran.err);
        for word in ["client_assertion=", "eyJhbGci", "Authorization: B", "authorization: B"] {
            stands!(!text.contains(word), "{args:?} logs {word}");
        }
    }
    for args in [&["pull", "school0"][..], &["status"], &["canary", "school0"]] {
        let mut command = a.vault_command(args);
        command.env("STRONGROOM_LOG", "trace").env("RUST_LOG", "trace");
        a.run(&mut command, Duration::from_secs(60))?;
    }
    Ok(())
}

fn vault_settings(a: &mut Arena) -> anyhow::Result<()> {
    let file = "vault/school0/repo.toml";
    let whole = a.read(file)?;
    for line in [
        "pull_every_minutes = 0",
        "pull_every_minutes = 18446744073709551615",
        "look_every_hours = 18446744073709551615",
        "pull_every_minutes = -1",
        "ntp = [\"\\u001b[2J\"]",
        "alarm_command = [\"\"]",
        "alarm_command = [\"/nowhere\"]",
        "x = 1",
        "= = =",
    ] {
        let key = line.split(' ').next().unwrap_or_default();
        let rest: Vec<&str> = whole.lines().filter(|l| !l.starts_with(key)).collect();
        a.write(file, format!("{line}\n{}\n", rest.join("\n")))?;
        for args in [&["status"][..], &["pull", "school0"], &["pull", "school1"]] {
            let mut command = a.vault_command(args);
            let ran = a.run(&mut command, Duration::from_secs(20))?;
            stands!(ran.is_orderly(), "{line}: {args:?} {}", ran.brief());
        }
        let ran = a.vault(&["pull", "school1"])?;
        stands!(ran.is_done(), "{line} in one school stops the other: {}", ran.brief());
    }
    a.write(file, whole)?;
    Ok(())
}

fn alarm_command(a: &mut Arena) -> anyhow::Result<()> {
    let file = "vault/school0/repo.toml";
    let whole = a.read(file)?;
    let rest: Vec<&str> = whole.lines().filter(|l| !l.starts_with("alarm_command")).collect();
    // Something to tell.
    fs::remove_dir_all(a.path("copy2-0/data"))?;
    fs::create_dir(a.path("copy2-0/data"))?;
    for script in [
        "sleep 1000",
        "yes",
        "sleep 1000 & sleep 1000 & disown; exit 0",
        "kill -9 $$",
        "exec 0<&-; sleep 30",
        "trap '' TERM INT; sleep 1000",
    ] {
        let line = format!("alarm_command = [\"/bin/bash\", \"-c\", \"{script}\"]");
        a.write(file, format!("{line}\n{}\n", rest.join("\n")))?;
        let mut command = a.vault_command(&["pull", "school0"]);
        let ran = a.run(&mut command, Duration::from_secs(40))?;
        stands!(!ran.hung, "{script}: the pull had not ended after 40 s");
        stands!(ran.is_orderly(), "{script}: {}", ran.brief());
        stands!(ran.peak_kib < 300 << 10, "{script}: {} KiB", ran.peak_kib);
    }
    a.write(file, whole)?;
    Ok(())
}
