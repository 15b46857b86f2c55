//! Azurite, Microsoft's emulator of its storage, on a port of its own.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::disallowed_methods)]

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use strongroom_objects::{AzureContainer, AzureCredential, AzureSettings};

/// The account and the key that its documentation names.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// What the owner of an account does: makes a container, and hands a signature out.
const OWNER: &str = r#"
const [, endpoint, container, rights, account, key] = process.argv;
const { createHmac } = require("crypto");
const sign = (lines) =>
  createHmac("sha256", Buffer.from(key, "base64"))
    .update(lines.join("\n"), "utf8")
    .digest("base64");
const end = new Date(Date.now() + 3600e3).toISOString().slice(0, 19) + "Z";
const sv = "2018-11-09";
const query = (pairs) => new URLSearchParams(pairs).toString();
const own = query({ sv, ss: "b", srt: "c", sp: "c", se: end,
  sig: sign([account, "c", "b", "c", "", end, "", "", sv, ""]) });
const sas = query({ sv, sr: "c", sp: rights, se: end,
  sig: sign([rights, "", end, `/blob/${account}/${container}`, "", "", "", sv, "c",
    "", "", "", "", "", ""]) });
const made = fetch(`${endpoint}/${container}?restype=container&${own}`, { method: "PUT" });
made.then(async (answer) => {
  if (answer.status !== 201 && answer.status !== 409) {
    console.error(answer.status, await answer.text());
    process.exit(1);
  }
  process.stdout.write(sas);
});
"#;

pub struct Azurite {
    child: Child,
    dir: tempfile::TempDir,
    pub port: u16,
}

/// Where `cargo xtask test` installs it, or where a developer did.
fn program() -> PathBuf {
    let clients = std::env::var_os("STRONGROOM_CLIENTS").map(PathBuf::from);
    let clients = clients
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients"));
    clients.join("azurite/node_modules/azurite/dist/src/blob/main.js")
}

impl Azurite {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("node")
            .arg(program())
            .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry"])
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--location"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, dir, port };
        for _ in 0..2400 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("Azurite does not start; is it installed?");
    }

    pub fn endpoint(&self) -> url::Url {
        url::Url::parse(&format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)).unwrap()
    }

    pub fn settings(&self, container: &str, prefix: &str) -> AzureSettings {
        AzureSettings {
            account: ACCOUNT.into(),
            container: container.into(),
            prefix: prefix.into(),
            endpoint: Some(self.endpoint()),
            credential: AzureCredential::Key(KEY.to_owned().into()),
            ca_file: None,
            clock: None,
        }
    }

    pub fn open(&self, container: &str, prefix: &str) -> AzureContainer {
        AzureContainer::new(self.settings(container, prefix)).unwrap()
    }

    /// Makes a container, as its owner does beforehand; answers a shared access signature of it for
    /// an hour, of these rights.
    pub fn make(&self, container: &str, rights: &str) -> String {
        let out = Command::new("node")
            .args(["-e", OWNER, self.endpoint().as_str(), container, rights, ACCOUNT, KEY])
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Lines of the configuration for a part of a container.
    pub fn lines(&self, table: &str, container: &str, secret: &str) -> String {
        format!(
            "{table}\naccount = \"{ACCOUNT}\"\ncontainer = \"{container}\"\nprefix = \"riverside/\"\
             \nendpoint = \"{}\"\n{secret}\n",
            self.endpoint()
        )
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
