//! The place of one attack: two schools with all three copies, of which one is attacked, and what
//! must stand after every attack.

use crate::{
    case::{Absent, Fell},
    child::{self, Ran, Served},
    wire::{self, Client},
};
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// For a command that nobody attacks; they take less than a second.
const LIMIT: Duration = Duration::from_secs(60);

/// The release binaries, the tenant, and the schools before any attack.
pub(crate) struct Stage {
    pub(crate) bin: PathBuf,
    pub(crate) seed: u64,
    dir: tempfile::TempDir,
    sim: Served,
    /// What no output may hold, with what it is.
    secrets: Vec<(String, String)>,
}

/// What a case may do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wound {
    /// The attacker sits on the vault's host: what is in the vault may change.
    Vault,
}

/// The place of one attack.
pub(crate) struct Arena<'s> {
    pub(crate) stage: &'s Stage,
    dir: tempfile::TempDir,
    wounds: Vec<Wound>,
    leaks: Vec<String>,
    before: Before,
    random: u64,
}

/// What stood before.
struct Before {
    other: BTreeMap<String, String>,
    hold: BTreeMap<String, String>,
    sessions: Value,
}

/// Every file below a folder with the hash of its bytes; what is no file is passed over.
pub(crate) fn tree(dir: &Path) -> BTreeMap<String, String> {
    fn walk(dir: &Path, base: &Path, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(meta) = path.symlink_metadata() else { continue };
            if meta.is_dir() {
                walk(&path, base, out);
            } else if meta.is_file()
                && let Ok(bytes) = fs::read(&path)
            {
                let name = path.strip_prefix(base).unwrap_or(&path).display().to_string();
                out.insert(name, hex::encode(Sha256::digest(&bytes)));
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(dir, dir, &mut out);
    out
}

/// The first name that was there and is not, or is another.
pub(crate) fn lost(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Option<String> {
    before.iter().find(|(name, hash)| after.get(*name) != Some(hash)).map(|(name, _)| name.clone())
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    let done = Command::new("cp").arg("-a").arg("--").arg(from).arg(to).status()?;
    ensure!(done.success(), "cp -a {} {}", from.display(), to.display());
    Ok(())
}

impl Stage {
    /// Makes the schools: a backup each, in one vault, which pulled both.
    pub(crate) fn new(bin: &Path, seed: u64) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("attack-stage-").tempdir()?;
        let d = dir.path().to_owned();
        let mut sim = Command::new(bin.join("graph-sim"));
        sim.args(["serve", "--scale", "0.1", "--people", "4", "--messages", "3"])
            .args(["--tenants", "2", "--seed", &seed.to_string(), "--dir"])
            .arg(d.join("tenant"));
        let sim = Served::start(&mut sim, &d.join("sim.log"))?;
        let mut stage = Self { bin: bin.to_owned(), seed, secrets: Vec::new(), sim, dir };
        stage.write_config()?;
        for n in 0..2 {
            let school = format!("school{n}");
            for args in
                [&["init"][..], &["backup"], &["vault", "card", "--out", &format!("card{n}.json")]]
            {
                let ran = stage.strongroom(&school, args)?;
                ensure!(ran.is_done(), "{args:?}: {}", ran.brief());
            }
        }
        let mut custodians = Vec::new();
        for name in ["ada", "bob", "eve"] {
            let key = format!("{name}.key");
            let made = stage.vault(&["--json", "custodian", "new", name, "--out", &key])?.json();
            let public = made["key"].as_str().context("a custodian has no key")?;
            custodians.push(format!("{name}={public}"));
        }
        fs::write(stage.path("custodians"), custodians.join("\n"))?;
        for n in 0..2 {
            let settings = format!(
                "pull_every_minutes = 1\nalarm_command = [\"/usr/bin/tee\", \"-a\", \
                 \"{d}/told{n}.jsonl\"]\n[hold]\nkind = \"local\"\nimmutable = false\n[source]\n\
                 kind = \"folder\"\npath = \"{d}/copy2-{n}\"\n",
                d = d.display()
            );
            fs::write(stage.path(&format!("settings{n}.toml")), settings)?;
            let files = [format!("settings{n}.toml"), format!("card{n}.json")];
            let tokens = [format!("push{n}.token"), format!("read{n}.token")];
            let school = format!("school{n}");
            let ran = stage.vault(&[
                "enrol",
                &school,
                "--card",
                &files[1],
                "--settings",
                &files[0],
                "--custodian",
                &custodians[0],
                "--custodian",
                &custodians[1],
                "--push-token-file",
                &tokens[0],
                "--read-token-file",
                &tokens[1],
            ])?;
            ensure!(ran.is_ok(), "enrol: {}", ran.brief());
            let ran = stage.vault(&["pull", &school])?;
            ensure!(ran.is_ok(), "pull: {}", ran.brief());
        }
        // What the next backup of each finds.
        for tenant in 0..2 {
            stage.control("live", &serde_json::json!({"tenant": tenant, "mail": true}))?;
        }
        stage.secrets = stage.find_secrets()?;
        Ok(stage)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn ready(&self) -> &Value {
        &self.sim.ready
    }

    /// A program of the product, in a folder, with nothing of the caller's environment.
    pub(crate) fn program(&self, name: &str, dir: &Path) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(dir).env_clear().env("HOME", dir.join("home"));
        // What is raw in an output is then a stranger's.
        command.env("NO_COLOR", "1");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    fn strongroom(&self, school: &str, args: &[&str]) -> anyhow::Result<Ran> {
        let mut command = self.program("strongroom", self.dir.path());
        command.args(["--quiet", "--tenant", school]).args(args);
        child::run(&mut command, LIMIT)
    }

    fn vault(&self, args: &[&str]) -> anyhow::Result<Ran> {
        let mut command = self.program("strongroom-vault", self.dir.path());
        command.args(["--dir", "vault"]).args(args);
        child::run(&mut command, LIMIT)
    }

    /// Asks the tenant's control plane for something.
    pub(crate) fn control(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let url = self.ready()["control"].as_str().context("no control plane")?;
        let rest = url.trim_start_matches("http://");
        let (host, base) = rest.split_once('/').context("no control plane")?;
        let body = body.to_string();
        let head = format!(
            "POST /{base}{what} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n",
            body.len()
        );
        let reply = wire::raw(host.parse()?, &[head.as_bytes(), body.as_bytes()], LIMIT);
        ensure!(reply.status == 200, "the tenant's control plane: {}", reply.brief());
        Ok(serde_json::from_slice(&reply.body)?)
    }

    fn write_config(&self) -> anyhow::Result<()> {
        let ready = self.ready();
        let https = ready["https"].as_str().context("the simulator has no address")?;
        let ca = ready["ca_file"].as_str().context("the simulator has no CA")?;
        let mut text = String::from("cache_dir = \"cache\"\n");
        for (n, tenant) in ready["tenants"].as_array().context("no tenants")?.iter().enumerate() {
            let id = tenant["tenant_id"].as_str().context("no tenant id")?;
            text.push_str(&format!(
                "[[tenant]]\nname = \"school{n}\"\ntenant_id = \"{id}\"\nauthority = \
                 \"{https}\"\ngraph = \"{https}\"\nca_file = \"{ca}\"\nrepository = \"r{n}\"\n\
                 [tenant.backup]\nkeep_to_budget = false\ntries = 3\npause_ms = 20\n"
            ));
            for app in tenant["applications"].as_array().into_iter().flatten() {
                let field = |name: &str| app[name].as_str().unwrap_or_default().to_owned();
                if ["read", "write", "configure"].contains(&field("name").as_str()) {
                    text.push_str(&format!(
                        "[tenant.identities.{}]\napplication_id = \"{}\"\ncertificate_file = \
                         \"{}\"\n",
                        field("name"),
                        field("application_id"),
                        field("certificate_file")
                    ));
                }
            }
            text.push_str(&format!(
                "[[repository]]\nname = \"r{n}\"\npath = \"copy2-{n}\"\npassword_file = \
                 \"password{n}\"\n"
            ));
            let password = self.path(&format!("password{n}"));
            fs::write(&password, format!("correct horse battery {n}"))?;
            fs::set_permissions(&password, fs::Permissions::from_mode(0o600))?;
        }
        fs::write(self.path("strongroom.toml"), text)?;
        fs::create_dir_all(self.path("home"))?;
        Ok(())
    }

    fn find_secrets(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        let files = [
            "password0",
            "password1",
            "push0.token",
            "push1.token",
            "read0.token",
            "read1.token",
            "ada.key",
            "bob.key",
            "vault/vault.key",
        ];
        for name in files {
            let text = fs::read_to_string(self.path(name)).with_context(|| name.to_owned())?;
            all.push((name.to_owned(), text.trim().to_owned()));
        }
        let ready = self.ready()["tenants"].as_array().into_iter().flatten();
        for app in ready.flat_map(|t| t["applications"].as_array().into_iter().flatten()) {
            let file = app["secret_file"].as_str().unwrap_or_default();
            if let Ok(text) = fs::read_to_string(self.path(file)) {
                all.push((file.to_owned(), text.trim().to_owned()));
            }
        }
        all.retain(|(_, secret)| secret.len() > 8);
        Ok(all)
    }
}

impl Drop for Arena<'_> {
    fn drop(&mut self) {
        // A vault sets the kernel's flag on what it holds; the folder could not be removed.
        let mut chattr = Command::new("chattr");
        chattr.args(["-R", "-f", "-i"]).arg(self.dir.path());
        let _ =
            chattr.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
    }
}

impl<'s> Arena<'s> {
    /// A place of its own for one attack.
    pub(crate) fn new(stage: &'s Stage, id: &str) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix(&format!("attack-{id}-")).tempdir()?;
        let (from, to) = (stage.dir.path(), dir.path());
        copy_tree(&from.join("."), to)?;
        for n in 0..2 {
            let file = to.join(format!("vault/school{n}/repo.toml"));
            let text = fs::read_to_string(&file)?;
            let here = to.display().to_string();
            fs::write(&file, text.replace(&from.display().to_string(), &here))?;
        }
        let hash = Sha256::digest(format!("{} {id}", stage.seed));
        let random = u64::from_le_bytes(hash[..8].try_into().unwrap_or_default()) | 1;
        let empty = Before { other: BTreeMap::new(), hold: BTreeMap::new(), sessions: Value::Null };
        let mut arena =
            Self { stage, dir, wounds: Vec::new(), leaks: Vec::new(), before: empty, random };
        arena.before = arena.standing()?;
        Ok(arena)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path as an argument.
    pub(crate) fn arg(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> anyhow::Result<String> {
        fs::read_to_string(self.path(name)).with_context(|| name.to_owned())
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, bytes).with_context(|| name.to_owned())?;
        // As whoever keeps secrets writes them; cases open them again.
        if ["password", "secret", "token", ".pem", ".key"].iter().any(|s| name.contains(s)) {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        Ok(path)
    }

    /// The attacker sits on the vault's host: what it holds may change.
    pub(crate) fn wounds_the_vault(&mut self) {
        self.wounds.push(Wound::Vault);
    }

    /// The next number by chance; the same seed, the same numbers.
    pub(crate) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub(crate) fn noise(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| (self.random() >> 24) as u8).collect()
    }

    /// Runs a command; no secret may be in what it says.
    pub(crate) fn run(&mut self, command: &mut Command, limit: Duration) -> anyhow::Result<Ran> {
        let ran = child::run(command, limit)?;
        let shown = format!("{:?}", command.get_args().collect::<Vec<_>>());
        self.look_for_secrets(&format!("{}{}", ran.out, ran.err), &shown);
        Ok(ran)
    }

    pub(crate) fn look_for_secrets(&mut self, text: &str, whose: &str) {
        for (name, secret) in &self.stage.secrets {
            if text.contains(secret) {
                self.leaks.push(format!("{name} stands in what {whose:.200} says"));
            }
        }
    }

    pub(crate) fn command(&self, school: usize, args: &[&str]) -> Command {
        let mut command = self.stage.program("strongroom", self.dir());
        command.args(["--quiet", "--tenant", &format!("school{school}")]).args(args);
        command
    }

    pub(crate) fn strongroom(&mut self, args: &[&str]) -> anyhow::Result<Ran> {
        let mut command = self.command(0, args);
        self.run(&mut command, LIMIT)
    }

    pub(crate) fn strongroom_ok(&mut self, args: &[&str]) -> anyhow::Result<Ran> {
        let ran = self.strongroom(args)?;
        ensure!(ran.is_done(), "{args:?}: {}", ran.brief());
        Ok(ran)
    }

    pub(crate) fn vault_command(&self, args: &[&str]) -> Command {
        let mut command = self.stage.program("strongroom-vault", self.dir());
        command.args(["--dir", "vault", "--json"]).args(args);
        command
    }

    /// What a recovery is told of the vault: where it is, and whose log is to be believed.
    pub(crate) fn place(&self) -> anyhow::Result<String> {
        let said = self.vault_command(&["key"]).output()?;
        let said: serde_json::Value = serde_json::from_slice(&said.stdout)?;
        let key = said["vault"].as_str().context("the vault does not say its key")?;
        let hold = self.arg("vault/school0/hold");
        Ok(format!("hold = \"{hold}\"\npublic_key = \"{key}\"\n"))
    }

    pub(crate) fn vault(&mut self, args: &[&str]) -> anyhow::Result<Ran> {
        let mut command = self.vault_command(args);
        self.run(&mut command, LIMIT)
    }

    pub(crate) fn vault_ok(&mut self, args: &[&str]) -> anyhow::Result<Ran> {
        let ran = self.vault(args)?;
        ensure!(ran.is_done(), "vault {args:?}: {}", ran.brief());
        Ok(ran)
    }

    /// Starts the vault's server, with its schedule or without.
    pub(crate) fn serve(&self, how: &str) -> anyhow::Result<(Served, Client)> {
        let mut command = self.vault_command(&[how, "--listen", "127.0.0.1:0"]);
        let served = Served::start(&mut command, &self.path("vault.log"))?;
        let url = served.ready["url"].as_str().context("the vault's server has no address")?;
        let address = url.trim_start_matches("http://").trim_end_matches('/').parse()?;
        let token = self.read("push0.token")?.trim().to_owned();
        let client = Client { address, user: "push".into(), token };
        // With its schedule it opens the schools beside.
        for _ in 0..100 {
            if client.get("/school0/config").status != 500 {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok((served, client))
    }

    /// The same server, for who may read.
    pub(crate) fn reader(&self, client: &Client) -> anyhow::Result<Client> {
        let token = self.read("read0.token")?.trim().to_owned();
        Ok(Client { address: client.address, user: "read".into(), token })
    }

    /// Stock restic; its own cache is left out.
    pub(crate) fn restic(&mut self, repo: &Path, args: &[&str]) -> anyhow::Result<Ran> {
        if !child::has("restic") {
            return Err(Absent("restic is not here".into()).into());
        }
        let mut command = Command::new("restic");
        command.arg("-r").arg(repo).arg("-p").arg(self.path("password0")).arg("--no-cache");
        command.args(args);
        self.run(&mut command, LIMIT)
    }

    /// Kinds of alarms that the vault wrote down for a school, oldest first.
    pub(crate) fn alarms(&self, school: usize) -> Vec<String> {
        let file = self.path(&format!("vault/school{school}/alarms.jsonl"));
        let text = fs::read_to_string(file).unwrap_or_default();
        let rows = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        rows.filter_map(|row| row["kind"].as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn sessions(&mut self) -> anyhow::Result<Value> {
        let ran = self.vault(&["sessions", "school0"])?;
        ensure!(ran.is_ok(), "sessions: {}", ran.brief());
        Ok(ran.json())
    }

    /// A new snapshot of the attacked school.
    pub(crate) fn backup(&mut self) -> anyhow::Result<Ran> {
        self.strongroom(&["--json", "backup"])
    }

    /// Names in one folder of copy 2 of the attacked school.
    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let mut names: Vec<String> = tree(&self.path(&format!("copy2-0/{kind}")))
            .into_keys()
            .filter_map(|n| n.rsplit('/').next().map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    fn standing(&mut self) -> anyhow::Result<Before> {
        let mut other = BTreeMap::new();
        for place in ["copy2-1", "vault/school1/hold"] {
            let files = tree(&self.path(place)).into_iter();
            // Locks come and go.
            let files = files.filter(|(name, _)| !name.starts_with("locks"));
            other.extend(files.map(|(name, hash)| (format!("{place}/{name}"), hash)));
        }
        let hold = tree(&self.path("vault/school0/hold"));
        let hold = hold.into_iter().filter(|(name, _)| !name.starts_with("tmp")).collect();
        let sessions = match self.wounds.contains(&Wound::Vault) {
            true => Value::Null,
            false => self.sessions()?,
        };
        Ok(Before { other, hold, sessions })
    }

    /// What stands after every attack: the other school's data, what the vault held and published,
    /// a recovery of it by stock restic; and no secret was said.
    pub(crate) fn aftermath(&mut self) -> anyhow::Result<()> {
        let fell = |text: String| Err(Fell(text).into());
        if let Some(leak) = self.leaks.first() {
            return fell(leak.clone());
        }
        let after = match self.standing() {
            Ok(after) => after,
            Err(e) => return fell(format!("afterwards the vault does not answer: {e:#}")),
        };
        if let Some(name) = lost(&self.before.other, &after.other) {
            return fell(format!("{name} of the other school is gone or other"));
        }
        if self.wounds.contains(&Wound::Vault) {
            return Ok(());
        }
        if let Some(name) = lost(&self.before.hold, &after.hold) {
            return fell(format!("{name} in the vault is gone or other"));
        }
        let rows = |v: &Value| v.as_array().cloned().unwrap_or_default();
        let (before, after) = (rows(&self.before.sessions), rows(&after.sessions));
        if !after.starts_with(&before) {
            return fell(
                "sessions that were published are no longer, or say something else".into(),
            );
        }
        self.recovers_by_restic()
    }

    fn recovers_by_restic(&mut self) -> anyhow::Result<()> {
        if !child::has("restic") {
            return Ok(());
        }
        let out = self.path("aftermath-view");
        let laid = out.display().to_string();
        let ran = self.vault(&["view", "school0", "--upto", "1", "--out", &laid])?;
        if !ran.is_ok() {
            bail!(Fell(format!("session 1 cannot be laid out: {}", ran.brief())));
        }
        // What was published before any attack, by a program that is not ours.
        let target = self.path("aftermath-restored").display().to_string();
        let ran = self.restic(&out, &["restore", "latest", "--target", &target])?;
        if !ran.is_ok() {
            bail!(Fell(format!("stock restic cannot restore session 1: {}", ran.brief())));
        }
        Ok(())
    }
}
