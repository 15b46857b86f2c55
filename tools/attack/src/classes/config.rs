use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Class, stands},
    child::Ran,
    hostile::Server,
    plant::Plant,
};
use anyhow::ensure;
use std::{
    fs,
    io::Read,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

const BEFORE: &str = "one sentence, exit 2 or 1, and no byte is sent";

pub(super) const CLASS: Class = Class {
    name: "config",
    attacker: "a slip of the pen, or whoever writes the configuration",
    cases: &[
        listed("http-authority", "signs in over http", BEFORE, |a| plain(a, "authority")),
        listed("http-graph", "asks Graph over http", BEFORE, |a| plain(a, "graph")),
        listed(
            "http-vault",
            "pushes over http to an address that begins with 127.",
            BEFORE,
            http_vault,
        ),
        listed("http-bucket", "names an S3 endpoint over http", BEFORE, http_bucket),
        listed(
            "secret-open",
            "lets all read secrets, keys, passwords",
            "said before work",
            open_secrets,
        ),
        listed(
            "key-kinds",
            "names keys that are EC, encrypted, PFX, DER, empty, two",
            BEFORE,
            key_kinds,
        ),
        listed("base-with-path", "gives base addresses a path, a query, a user", BEFORE, bases),
        listed(
            "one-place",
            "puts two repositories in one place, by links and dots",
            BEFORE,
            one_place,
        ),
        new(
            "http-proxy-env",
            "sets HTTP_PROXY, HTTPS_PROXY, ALL_PROXY",
            "no credential goes there",
            proxies,
        ),
        new(
            "url-lookalikes",
            "writes hosts with @, %2f, \\, IDN, dots, 0x7f.1, [::1]",
            BEFORE,
            lookalikes,
        ),
        new("tenant-id-host", "writes tenant ids that are hosts or paths", BEFORE, tenant_ids),
        new(
            "secret-inline",
            "writes a secret into the file by mistake",
            "no error shows it",
            inline,
        ),
        new(
            "file-kinds",
            "names FIFOs, devices, folders, 8 TiB as files of secrets",
            "an orderly error in time",
            file_kinds,
        ),
        new(
            "config-kinds",
            "is a FIFO, a device, a folder, 8 TiB, not UTF-8 itself",
            "an orderly error in time",
            config_kinds,
        ),
        new("config-deep", "nests 100,000 tables; writes 30 MB", "an orderly error in time", deep),
        new("config-bom", "begins with a byte order mark, has CRLF", "read, or one sentence", bom),
        new(
            "names-as-paths",
            "calls tenants and repositories ../x, /x, a/b, with escapes",
            "refused, or nothing is written outside",
            names,
        ),
    ],
};

/// Takes connections and keeps what comes.
pub(super) struct Ear {
    pub(super) address: std::net::SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Ear {
    pub(super) fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = heard.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    let mut socket = socket;
                    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
                    let mut buffer = [0; 4096];
                    while let Ok(n) = socket.read(&mut buffer) {
                        if n == 0 {
                            break;
                        }
                        if let Ok(mut all) = kept.lock() {
                            all.extend_from_slice(&buffer[..n]);
                        }
                    }
                });
            }
        });
        Ok(Self { address, heard })
    }

    pub(super) fn bytes(&self) -> usize {
        std::thread::sleep(Duration::from_millis(100));
        self.heard.lock().map_or(usize::MAX, |h| h.len())
    }
}

const COMMANDS: &[&[&str]] = &[
    &["config", "check"],
    &["backup"],
    &["snapshots"],
    &["replicate"],
    &["tenant", "snapshot"],
    &["check"],
    &["vault", "canary"],
    &["restore", "--yes"],
    &["fleet"],
    &["prune", "--yes"],
];

pub(super) fn run(a: &mut Arena, args: &[&str]) -> anyhow::Result<Ran> {
    let mut command = a.command(0, args);
    let ran = a.run(&mut command, Duration::from_secs(15))?;
    stands!(!ran.hung, "{args:?} had not ended after 15 s");
    stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
    Ok(ran)
}

pub(super) fn edit(a: &Arena, from: &str, to: &str) -> anyhow::Result<String> {
    let before = a.read("strongroom.toml")?;
    let after = before.replacen(from, to, 1);
    ensure!(after != before, "the configuration has no {from:?}");
    a.write("strongroom.toml", after)?;
    Ok(before)
}

pub(super) fn https(a: &Arena) -> String {
    a.stage.ready()["https"].as_str().unwrap_or_default().to_owned()
}

/// Every command refuses, and nothing comes to the ear.
fn silent(a: &mut Arena, ear: &Ear, what: &str) -> anyhow::Result<()> {
    for args in COMMANDS {
        let ran = run(a, args)?;
        stands!(!ran.is_ok(), "{args:?} goes on with {what}: {}", ran.brief());
        stands!(ear.bytes() == 0, "{args:?} sent {} bytes, with {what}", ear.bytes());
    }
    Ok(())
}

fn plain(a: &mut Arena, field: &str) -> anyhow::Result<()> {
    let ear = Ear::new()?;
    let https = https(a);
    edit(a, &format!("{field} = \"{https}\""), &format!("{field} = \"http://{}\"", ear.address))?;
    silent(a, &ear, field)
}

pub(super) fn with_vault(a: &Arena, lines: &str) -> anyhow::Result<()> {
    edit(a, "repository = \"r0\"", "repository = \"r0\"\nvault = \"v\"")?;
    let text = a.read("strongroom.toml")?;
    a.write("strongroom.toml", format!("{text}[[vault]]\nname = \"v\"\n{lines}"))?;
    Ok(())
}

fn http_vault(a: &mut Arena) -> anyhow::Result<()> {
    let ear = Ear::new()?;
    for host in [
        "127.0.0.1.evil.example",
        "127.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "169.254.169.254",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
    ] {
        let before = a.read("strongroom.toml")?;
        let port = ear.address.port();
        with_vault(
            a,
            &format!("url = \"http://{host}:{port}/s\"\ntoken_file = \"push0.token\"\n"),
        )?;
        let ran = run(a, &["replicate"])?;
        stands!(!ran.is_done(), "{host}: {}", ran.brief());
        let ran = run(a, &["config", "check"])?;
        stands!(!ran.is_ok(), "config check says nothing of http://{host}");
        stands!(ear.bytes() == 0, "{host}: {} bytes were sent", ear.bytes());
        a.write("strongroom.toml", before)?;
    }
    Ok(())
}

fn http_bucket(a: &mut Arena) -> anyhow::Result<()> {
    a.write("s3.secret", "the-secret-of-the-bucket")?;
    fs::set_permissions(a.path("s3.secret"), fs::Permissions::from_mode(0o600))?;
    with_vault(
        a,
        &format!(
            "public_key = \"{}\"\n[vault.s3]\nendpoint = \"http://10.255.255.1:9\"\nbucket \
             = \"b\"\naccess_key_id = \"k\"\nsecret_file = \"s3.secret\"\n",
            "a".repeat(64)
        ),
    )?;
    let ran = run(a, &["replicate"])?;
    stands!(!ran.is_done() && ran.took < Duration::from_secs(3), "{}", ran.brief());
    let ran = run(a, &["config", "check"])?;
    stands!(!ran.is_ok(), "config check says nothing of it");
    Ok(())
}

fn open_secrets(a: &mut Arena) -> anyhow::Result<()> {
    // The certificate's key, of which the configuration says where it is.
    let text = a.read("strongroom.toml")?;
    let key = text.split("certificate_file = \"").nth(1).and_then(|t| t.split('"').next());
    let key = key.unwrap_or_default().to_owned();
    let local = a.path("own.pem");
    fs::copy(if key.starts_with('/') { key.clone().into() } else { a.path(&key) }, &local)?;
    a.write("strongroom.toml", text.replacen(&key, "own.pem", 1))?;
    for name in ["own.pem", "password0"] {
        fs::set_permissions(a.path(name), fs::Permissions::from_mode(0o600))?;
    }
    let ran = run(a, &["config", "check"])?;
    ensure!(ran.is_ok(), "closed files: {}", ran.brief());
    for (name, mode) in
        [("own.pem", 0o644), ("password0", 0o644), ("own.pem", 0o660), ("password0", 0o666)]
    {
        fs::set_permissions(a.path(name), fs::Permissions::from_mode(mode))?;
        let ran = run(a, &["config", "check"])?;
        stands!(!ran.is_ok(), "config check says nothing of {name} with mode {mode:o}");
        let ran = run(a, &["backup"])?;
        let told = !ran.is_ok() || ran.says("read") && ran.says(name);
        stands!(told, "a backup says nothing of {name} with mode {mode:o}");
        fs::set_permissions(a.path(name), fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

pub(super) fn openssl(a: &Arena, script: &str) -> anyhow::Result<()> {
    let out = Command::new("sh").args(["-c", script]).current_dir(a.dir()).output()?;
    ensure!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

fn key_kinds(a: &mut Arena) -> anyhow::Result<()> {
    if !crate::child::has("openssl") {
        return Err(crate::case::Absent("openssl is not here".into()).into());
    }
    openssl(
        a,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.crt -subj /CN=x \
        -days 30 2>/dev/null; openssl ecparam -name prime256v1 -genkey -noout -out ec.key; openssl \
        req -x509 -key ec.key -out ec.crt -subj /CN=x -days 30; cat ec.crt ec.key > ec.pem; \
        openssl rsa -aes256 -passout pass:x -in rsa.key -out enc.key; cat rsa.crt enc.key > \
        enc.pem; openssl pkcs12 -export -in rsa.crt -inkey rsa.key -passout pass: -out x.pfx; \
        openssl x509 -in rsa.crt -outform DER -out x.der; openssl req -x509 -newkey rsa:1024 \
        -nodes -keyout s.key -out s.crt -subj /CN=x 2>/dev/null; cat s.crt s.key > short.pem; \
        openssl genrsa -out other.key 2048; cat rsa.crt other.key > foreign.pem; cp rsa.crt \
        nokey.pem; cp rsa.key nocert.pem; : > empty.pem; faketime -f -400d openssl req -x509 \
        -newkey rsa:2048 -nodes -keyout o.key -out o.crt -subj /CN=x -days 30; cat o.crt o.key > \
        over.pem; openssl genpkey -algorithm ed25519 -out ed.key; openssl req -x509 -key ed.key \
        -out ed.crt -subj /CN=x -days 30; cat ed.crt ed.key > ed.pem; chmod 600 *",
    )?;
    // Sign-in is an ear: it hears whatever is sent before the key was looked at.
    let ear = Ear::new()?;
    let https = https(a);
    let to = format!("authority = \"https://{}\"", ear.address);
    edit(a, &format!("authority = \"{https}\""), &to)?;
    let text = a.read("strongroom.toml")?;
    let key = text.split("certificate_file = \"").nth(1).and_then(|t| t.split('"').next());
    let key = key.unwrap_or_default().to_owned();
    for name in [
        "ec.pem",
        "enc.pem",
        "x.pfx",
        "x.der",
        "nokey.pem",
        "nocert.pem",
        "empty.pem",
        "foreign.pem",
        "ed.pem",
        "over.pem",
    ] {
        a.write("strongroom.toml", text.replacen(&key, name, 1))?;
        let ran = run(a, &["config", "check"])?;
        stands!(!ran.is_ok(), "config check says nothing of {name}");
        let ran = run(a, &["backup"])?;
        stands!(!ran.is_done(), "a backup with {name}: {}", ran.brief());
        stands!(ear.bytes() == 0, "{} bytes were sent with {name}", ear.bytes());
    }
    Ok(())
}

fn bases(a: &mut Arena) -> anyhow::Result<()> {
    let https = https(a);
    for end in ["/v1.0", "/x", "?a=b", "#x", "//", ":0"] {
        for field in ["graph", "authority"] {
            let to = format!("{field} = \"{https}{end}\"");
            let before = edit(a, &format!("{field} = \"{https}\""), &to)?;
            let ran = run(a, &["config", "check"])?;
            stands!(!ran.is_ok(), "config check says nothing of {to}");
            let ran = run(a, &["backup"])?;
            stands!(!ran.is_done(), "a backup with {to}: {}", ran.brief());
            a.write("strongroom.toml", before)?;
        }
    }
    Ok(())
}

fn one_place(a: &mut Arena) -> anyhow::Result<()> {
    std::os::unix::fs::symlink(a.path("copy2-0"), a.path("linked"))?;
    std::os::unix::fs::symlink(a.dir(), a.path("up"))?;
    for other in [
        "copy2-0",
        "./copy2-0",
        "copy2-0/",
        "copy2-1/../copy2-0",
        "linked",
        "up/copy2-0",
        "copy2-0/data",
        "copy2-0/inner",
        "copy2-0/.",
    ] {
        let before = edit(a, "path = \"copy2-1\"", &format!("path = \"{other}\""))?;
        for args in [&["config", "check"][..], &["backup"], &["prune", "--yes"]] {
            let ran = run(a, args)?;
            stands!(!ran.is_ok(), "{args:?} goes on with two repositories in copy2-0 and {other}");
        }
        a.write("strongroom.toml", before)?;
    }
    Ok(())
}

fn proxies(a: &mut Arena) -> anyhow::Result<()> {
    let ear = Ear::new()?;
    let (_vault, c) = a.serve("serve")?;
    with_vault(
        a,
        &format!("url = \"http://{}/school0\"\ntoken_file = \"push0.token\"\n", c.address),
    )?;
    for args in [&["backup"][..], &["replicate"]] {
        let mut command = a.command(0, args);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            command.env(name, format!("http://{}", ear.address));
        }
        a.run(&mut command, Duration::from_secs(20))?;
    }
    let heard = ear.heard.lock().map(|h| String::from_utf8_lossy(&h).into_owned());
    let heard = heard.unwrap_or_default().to_ascii_lowercase();
    for word in ["authorization", "client_secret", "client_assertion", "bearer "] {
        stands!(!heard.contains(word), "a proxy of the environment hears {word}");
    }
    Ok(())
}

fn lookalikes(a: &mut Arena) -> anyhow::Result<()> {
    let ear = Ear::new()?;
    let (https, port) = (https(a), ear.address.port());
    for url in [
        format!("https://graph.microsoft.com@127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://0x7f.1:{port}"),
        format!("http://2130706433:{port}"),
        format!("http://[::1]:{port}"),
        format!("HTTP://127.0.0.1:{port}"),
        format!("http:127.0.0.1:{port}"),
        format!("http:\\\\127.0.0.1:{port}"),
        "file:///etc/passwd".into(),
        format!("ftp://127.0.0.1:{port}"),
        "https://".into(),
        format!("https://user:secret@127.0.0.1:{port}"),
        "data:,x".into(),
        "".into(),
        format!("https://127.0.0.1:{port}\u{1b}[2J"),
        "https://\u{202e}x".into(),
    ] {
        for field in ["authority", "graph"] {
            let to =
                format!("{field} = \"{}\"", url.replace('\\', "\\\\").replace('\u{1b}', "\\u001b"));
            let before = edit(a, &format!("{field} = \"{https}\""), &to)?;
            let ran = run(a, &["config", "check"])?;
            stands!(!ran.is_ok(), "config check says nothing of {url:?}");
            let said = format!("{}{}", ran.out, ran.err);
            stands!(!said.contains("user:secret"), "an error shows the password of an address");
            stands!(super::copy2_msp::raw_char(&said).is_none(), "{url:?} is shown raw");
            let ran = run(a, &["backup"])?;
            stands!(!ran.is_done(), "a backup with {url:?}: {}", ran.brief());
            stands!(ear.bytes() == 0, "{} bytes were sent to {url:?}", ear.bytes());
            a.write("strongroom.toml", before)?;
        }
    }
    Ok(())
}

fn tenant_ids(a: &mut Arena) -> anyhow::Result<()> {
    let (elsewhere, visits) = Server::elsewhere()?;
    let id = a.stage.ready()["tenants"][0]["tenant_id"].as_str().unwrap_or_default().to_owned();
    for other in [
        format!("//{elsewhere}"),
        format!("https://{elsewhere}/"),
        "..".into(),
        "a/b".into(),
        "".into(),
        "x?y".into(),
        "x#y".into(),
        "%2e%2e".into(),
        " ".into(),
        "x\\u0000".into(),
        "@evil".into(),
        format!("\\\\{elsewhere}"),
    ] {
        let other = other.replace("\\\\", "\\\\\\\\");
        let before =
            edit(a, &format!("tenant_id = \"{id}\""), &format!("tenant_id = \"{other}\""))?;
        let ran = run(a, &["backup"])?;
        stands!(!ran.is_done(), "a backup of tenant {other:?}: {}", ran.brief());
        let ran = run(a, &["config", "check"])?;
        stands!(!ran.is_ok(), "config check says nothing of tenant {other:?}");
        a.write("strongroom.toml", before)?;
    }
    stands!(visits.load(Ordering::SeqCst) == 0, "a tenant id led to another host");
    Ok(())
}

fn inline(a: &mut Arena) -> anyhow::Result<()> {
    let secret = "Zq8~VerySecretOfTheTenant";
    for line in [
        format!("secret = \"{secret}\""),
        format!("secret_flie = \"{secret}\""),
        format!("password = \"{secret}\""),
        format!("secret_file = \"{secret}"),
        format!("secret_file = {secret}"),
        format!("token = '''{secret}"),
        format!("certificate_file = [\"{secret}\"]"),
        format!("\"{secret}\" = 1"),
    ] {
        let before =
            edit(a, "[tenant.identities.read]", &format!("[tenant.identities.read]\n{line}"))?;
        for args in [&["config", "check"][..], &["backup"], &["--json", "snapshots"]] {
            let ran = run(a, args)?;
            let shown = ran.says(secret);
            stands!(!shown, "{args:?} shows the secret of the line {:?}", &line[..12]);
        }
        a.write("strongroom.toml", before)?;
        // And in the vault's own.
        let file = "vault/school0/repo.toml";
        let whole = a.read(file)?;
        a.write(file, format!("{line}\n{whole}"))?;
        let ran = a.vault(&["status"])?;
        stands!(!ran.says(secret), "the vault shows the secret of {:?}", &line[..12]);
        a.write(file, whole)?;
    }
    Ok(())
}

fn file_kinds(a: &mut Arena) -> anyhow::Result<()> {
    for plant in Plant::ALL {
        plant.put(&a.path("odd"))?;
        for (from, to) in [
            ("password_file = \"password0\"", "password_file = \"odd\""),
            ("ca_file = \"", "ca_file = \"odd\" # \""),
        ] {
            let before = edit(a, from, to)?;
            for args in [&["config", "check"][..], &["backup"]] {
                let mut command = a.command(0, args);
                let ran = a.run(&mut command, Duration::from_secs(8))?;
                stands!(!ran.hung, "{args:?} hangs: {to} is a {plant:?}");
                stands!(ran.is_orderly(), "{args:?} {to} {plant:?}: {}", ran.brief());
                stands!(ran.peak_kib < 400 << 10, "{to} {plant:?}: {} KiB", ran.peak_kib);
                // Root may read what nobody else may: a wrong password, which only work shows.
                let by_work = plant == &Plant::Closed && args[0] != "backup";
                stands!(by_work || !ran.is_ok(), "{args:?} goes on: {to} is a {plant:?}");
            }
            a.write("strongroom.toml", before)?;
        }
    }
    Ok(())
}

fn config_kinds(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.read("strongroom.toml")?;
    for plant in Plant::ALL {
        plant.put(&a.path("strongroom.toml"))?;
        for args in [&["config", "check"][..], &["snapshots"]] {
            let mut command = a.command(0, args);
            let ran = a.run(&mut command, Duration::from_secs(8))?;
            stands!(!ran.hung, "{args:?} hangs on a {plant:?}");
            stands!(ran.is_orderly() && !ran.is_ok(), "{args:?} {plant:?}: {}", ran.brief());
            stands!(ran.peak_kib < 400 << 10, "{plant:?}: {} KiB", ran.peak_kib);
        }
    }
    fs::remove_file(a.path("strongroom.toml"))?;
    for bytes in [&b"\xff\xfe\x00"[..], b"\x00\x00", b"\xc3\x28 = 1"] {
        a.write("strongroom.toml", bytes)?;
        let ran = run(a, &["config", "check"])?;
        stands!(!ran.is_ok(), "{bytes:?}: {}", ran.brief());
    }
    a.write("strongroom.toml", before)?;
    Ok(())
}

fn deep(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.read("strongroom.toml")?;
    for text in [
        format!("x = {}", "[".repeat(100_000)),
        format!("x = {}", "{a=".repeat(100_000)),
        format!("{}x = 1", "a.".repeat(100_000)),
        format!("[{}x]", "a.".repeat(100_000)),
        "# x\n".repeat(8 << 20),
        "[[repository]]\nname = \"r\"\n".repeat(200_000),
    ] {
        a.write("strongroom.toml", text)?;
        let ran = run(a, &["config", "check"])?;
        stands!(!ran.is_ok(), "{}", ran.brief());
        stands!(ran.peak_kib < 1500 << 10, "it took {} KiB", ran.peak_kib);
    }
    a.write("strongroom.toml", before)?;
    Ok(())
}

fn bom(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.read("strongroom.toml")?;
    for text in [
        format!("\u{feff}{before}"),
        before.replace('\n', "\r\n"),
        format!("{before}\u{0}"),
        format!("{before}\u{1a}"),
    ] {
        a.write("strongroom.toml", text)?;
        let ran = run(a, &["config", "check"])?;
        stands!(
            super::copy2_msp::raw_char(&format!("{}{}", ran.out, ran.err)).is_none(),
            "shown raw: {}",
            ran.brief()
        );
    }
    a.write("strongroom.toml", before)?;
    Ok(())
}

fn names(a: &mut Arena) -> anyhow::Result<()> {
    let outside = |a: &Arena| {
        fs::read_dir(a.path("..")).map_or(0, |d| {
            d.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("escaped")).count()
        })
    };
    let here = fs::read_dir(a.dir())?.count();
    for name in [
        "../escaped",
        "/tmp/escaped-attack",
        "a/../../escaped",
        "..",
        ".",
        "",
        "\\u001b[2J",
        "\\u202ex",
        "a\\nb",
        "con",
    ] {
        let before = edit(a, "name = \"school0\"", &format!("name = \"{name}\""))?;
        let real =
            name.replace("\\u001b", "\u{1b}").replace("\\u202e", "\u{202e}").replace("\\n", "\n");
        for args in [
            &["config", "check"][..],
            &["backup"],
            &["review", "list"],
            &["restore", "--yes", "--path", "/mail"],
        ] {
            let mut command = a.stage.program("strongroom", a.dir());
            command.args(["--quiet", "--tenant", &real]).args(args);
            // A tenant by another name is backed up for the first time.
            let ran = a.run(&mut command, Duration::from_secs(240))?;
            stands!(ran.is_orderly(), "{name:?} {args:?}: {}", ran.brief());
            let raw = super::copy2_msp::raw_char(&format!("{}{}", ran.out, ran.err));
            stands!(raw.is_none(), "{args:?} shows {raw:?} of a tenant's name raw");
        }
        a.write("strongroom.toml", before)?;
    }
    let escaped = outside(a) + usize::from(std::path::Path::new("/tmp/escaped-attack").exists());
    stands!(escaped == 0, "a name wrote outside of the configuration's folder");
    let now = fs::read_dir(a.dir())?.count();
    stands!(now <= here + 4, "names made {} things beside the configuration", now - here);
    Ok(())
}
