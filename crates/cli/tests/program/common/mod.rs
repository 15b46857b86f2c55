//! A simulated school in this process, and the real program against it.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::disallowed_methods)]

use graph_sim::{Addresses, Care, DigestRow, LogRow, SeedPlan, Server, Settings, Sim};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub struct School {
    pub sim: Sim,
    pub dir: tempfile::TempDir,
    _server: Server,
    _runtime: tokio::runtime::Runtime,
}

/// A school with everything that a configuration needs, and an empty repository.
pub fn school(plan: &SeedPlan) -> School {
    school_with(std::slice::from_ref(plan), "keep_to_budget = false\ntries = 8\npause_ms = 20\n")
}

pub fn school_with(plans: &[SeedPlan], backup: &str) -> School {
    school_of(Settings::default().for_the_product(), plans, backup)
}

pub fn school_of(settings: Settings, plans: &[SeedPlan], backup: &str) -> School {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::new(settings, 1, jiff::Timestamp::now());
    for plan in plans {
        sim.seed(plan).unwrap();
    }
    let server =
        runtime.block_on(sim.serve(Addresses::default(), &dir.path().join("tenant"))).unwrap();
    let mut config = String::from("cache_dir = \"cache\"\n");
    for (n, t) in server.ready.tenants.iter().enumerate() {
        let app = |name: &str| t.applications.iter().find(|a| a.name == name).unwrap();
        config.push_str(&format!(
            "[[tenant]]\nname = \"school{n}\"\ntenant_id = \"{}\"\nauthority = \"{https}\"\ngraph \
             = \"{https}\"\nca_file = \"{}\"\nrepository = \"r{n}\"\n\
             [tenant.backup]\n{backup}[tenant.identities.read]\napplication_id \
             = \"{}\"\ncertificate_file = \"{}\"\n\
             [tenant.identities.write]\napplication_id = \"{}\"\ncertificate_file = \"{}\"\n\
             [tenant.identities.configure]\napplication_id = \"{}\"\ncertificate_file = \"{}\"\n\
             [[repository]]\nname = \"r{n}\"\npath = \"copy2-{n}\"\npassword_file = \"password\"\n",
            t.tenant_id,
            server.ready.ca_file,
            app("read").application_id,
            app("read").certificate_file,
            app("write").application_id,
            app("write").certificate_file,
            app("configure").application_id,
            app("configure").certificate_file,
            https = server.ready.https,
        ));
    }
    std::fs::write(dir.path().join("strongroom.toml"), config).unwrap();
    secret(&dir.path().join("password"), "correct horse");
    let school = School { sim, dir, _server: server, _runtime: runtime };
    for n in 0..plans.len() {
        // What is begun with a key that costs little to open goes on with it.
        let (name, file) = cheap_key::key_file("correct horse");
        let keys = school.path(&format!("copy2-{n}/keys"));
        std::fs::create_dir_all(&keys).unwrap();
        std::fs::write(keys.join(name), file).unwrap();
        school.ok(&["--tenant", &format!("school{n}"), "init"]);
    }
    school
}

/// A file that only its owner reads.
pub fn secret(path: &Path, text: &str) {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut options = std::fs::OpenOptions::new();
    let options = options.create(true).truncate(true).write(true).mode(0o600);
    options.open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

impl School {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.arg("--config").arg(self.path("strongroom.toml")).arg("--quiet").args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must end with 0; answers what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert!(
            out.status.success(),
            "{args:?}: {}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    }

    /// Runs a backup; answers its exit code and report.
    pub fn backup(&self) -> (i32, Value) {
        let out = self.run(&["--tenant", "school0", "--json", "backup"]);
        let report = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| {
            panic!(
                "{}{}",
                String::from_utf8_lossy(&out.stdout),
                String::from_utf8_lossy(&out.stderr)
            )
        });
        (out.status.code().unwrap(), report)
    }

    /// A backup that must be whole. A file that the service hands to nobody is told once.
    pub fn whole(&self) -> Value {
        let (code, report) = self.backup();
        let malware = self.sim.malware(0);
        let told = report["skipped"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_malware = |s: &Value| s["id"].as_str().is_some_and(|id| malware.contains(id));
        let is_clean = report["tags"].as_array().is_some_and(|t| t.iter().any(|t| t == "clean"));
        let expected = match (is_clean, told.is_empty()) {
            (false, _) => 4,
            (true, true) => 0,
            (true, false) => 3,
        };
        let is_whole = code == expected
            && told.iter().all(is_malware)
            && report["failed"].as_array().is_some_and(Vec::is_empty);
        assert!(is_whole, "{code} {} {} {}", report["skipped"], report["failed"], report["error"]);
        report
    }

    /// How many items of each workload the newest snapshot holds, and how many the tenant holds.
    pub fn assert_everything_is_in(&self) {
        let listed = self.ok(&["--tenant", "school0", "--json", "ls", "latest", "/", "-R"]);
        let mut have: BTreeMap<String, usize> = BTreeMap::new();
        for line in listed.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            if let Some("message" | "file" | "item") = row["record"]["k"].as_str() {
                let workload = row["path"].as_str().unwrap().split('/').nth(1).unwrap();
                *have.entry(workload.to_owned()).or_default() += 1;
            }
        }
        let mut want: BTreeMap<String, usize> = BTreeMap::new();
        for row in self.sim.items(0) {
            let workload = workload_of(&row.kind);
            *want.entry(workload.to_owned()).or_default() += 1;
        }
        assert_eq!(have, want);
    }

    pub fn objects(&self) -> usize {
        fn walk(dir: &Path) -> usize {
            std::fs::read_dir(dir)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| if e.path().is_dir() { walk(&e.path()) } else { 1 })
                .sum()
        }
        walk(&self.path("copy2-0"))
    }

    pub fn check(&self) {
        self.ok(&["--tenant", "school0", "check", "--read-data"]);
    }
}

/// Every repository that a test leaves behind is one that stock restic accepts; `cargo xtask test`
/// names restic.
impl Drop for School {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // What Microsoft does not say is taught to nobody here.
            let faults = self.sim.answer_faults();
            assert!(faults.is_empty(), "answers against the published types: {faults:#?}");
        }
        let Some(restic) =
            std::env::var_os("STRONGROOM_RESTIC").filter(|_| !std::thread::panicking())
        else {
            return;
        };
        for n in (0..).take_while(|n| self.path(&format!("copy2-{n}")).exists()) {
            let mut check = Command::new(&restic);
            check
                .arg("-r")
                .arg(self.path(&format!("copy2-{n}")))
                .arg("--password-file")
                .arg(self.path("password"))
                .args(["--no-cache", "check", "--read-data"]);
            let out = check.output().expect("restic starts");
            let text = String::from_utf8_lossy(&out.stdout).into_owned()
                + &String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "restic check of copy2-{n}: {text}");
        }
    }
}

/// The workload that keeps a kind of the simulator's items.
pub fn workload_of(kind: &str) -> &'static str {
    match kind {
        "message" => "mail",
        "file" => "drives",
        "library-file" => "sites",
        "contact" => "contacts",
        "task" => "tasks",
        "event" => "calendars",
        other => panic!("{other}"),
    }
}

pub fn small() -> SeedPlan {
    SeedPlan { scale: 0.4, ..SeedPlan::default() }
}

/// Rows of `a` that `b` lacks, each as often as it is there.
pub fn missing(a: &[DigestRow], b: &[DigestRow]) -> Vec<DigestRow> {
    let mut rest = b.to_vec();
    a.iter()
        .filter(|row| match rest.iter().position(|r| r == *row) {
            Some(n) => {
                rest.swap_remove(n);
                false
            }
            None => true,
        })
        .cloned()
        .collect()
}

pub fn tiny(care: Care) -> SeedPlan {
    SeedPlan {
        people: Some(12),
        messages_per_mailbox: Some(1),
        scale: 0.3,
        care,
        ..SeedPlan::default()
    }
}

/// Runs a command of `tenant` and answers its JSON.
pub fn tenant(school: &School, which: &str, args: &[&str]) -> Value {
    let all = [&["--tenant", which, "--json", "tenant"], args].concat();
    serde_json::from_str(&school.ok(&all)).unwrap()
}

/// Reads the settings; answers the report of a round that was whole, or that says what went out of
/// sight.
pub fn snapshot(school: &School, which: &str, args: &[&str]) -> Value {
    let all = [&["--tenant", which, "--json", "tenant", "snapshot"], args].concat();
    let out = school.run(&all);
    let report: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    let lost = report["lost"].as_object().is_some_and(|lost| !lost.is_empty());
    assert_eq!(out.status.code(), Some(if lost { 3 } else { 0 }), "{report:#}");
    report
}

/// A hardened school whose emergency accounts are named, as its exceptions file does.
pub fn hardened() -> School {
    let school = school(&tiny(Care::Hardened));
    allow_emergency(&school, "school0");
    school
}

pub fn allow_emergency(school: &School, name: &str) {
    let mut people: Vec<String> = school
        .sim
        .digest(0)
        .iter()
        .map(|r| r.user.clone())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    people.sort();
    let text: String = ["Emergency access", &people[10], &people[11]]
        .iter()
        .map(|w| {
            format!(
                "[[exclusion]]\nwho = \"{w}\"\nkind = \"break-glass\"\nreason = \"the \
            last way in\"\n"
            )
        })
        .collect();
    std::fs::write(school.path("exceptions.toml"), text).unwrap();
    let path = school.path("strongroom.toml");
    let config = std::fs::read_to_string(&path).unwrap().replace(
        &format!("name = \"{name}\"\n"),
        &format!("name = \"{name}\"\nexceptions = \"exceptions.toml\"\n"),
    );
    std::fs::write(path, config).unwrap();
}

pub fn verdicts(report: &Value) -> BTreeMap<String, String> {
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            (f["rule"].as_str().unwrap().to_owned(), f["verdict"].as_str().unwrap().to_owned())
        })
        .collect()
}

/// Besides deltas a round asks each mailbox for what no delta of folders tells: one list of the
/// folders below its root, hidden ones too, and one batch for those that no list shows; and
/// everybody for their drives, and for their own one where there are several. Calendars have no
/// delta: they are listed, one batch says who may do what in them, and each is listed in brief.
pub fn assert_only_deltas_were_asked(school: &School) {
    let log = school.sim.log();
    let count = |end: &str| log.iter().filter(|r| r.route.ends_with(end)).count();
    // Some have no mailbox, as the answer to the first question says; some folders are two pages.
    let with = |r: &&LogRow| r.route.ends_with("/mailFolders/delta") && r.status == 200;
    let of = |r: &LogRow| r.path.split('/').nth(3).unwrap_or_default().to_owned();
    let mailboxes = log.iter().filter(with).map(of).collect::<BTreeSet<_>>().len();
    assert_eq!(count("/mailFolders"), mailboxes, "lists of folders");
    assert!(count("/$batch") <= 2 * mailboxes, "{}", count("/$batch"));
    let calendars = |r: &&LogRow| r.route.ends_with("/calendars") && r.status == 200;
    assert_eq!(log.iter().filter(calendars).count(), mailboxes, "lists of calendars");
    let people = count("/drives");
    assert!(people >= mailboxes, "{people}: a new drive is seen by asking for all");
    let within = |route: &str| route.contains("/mailFolders/recoverableitems");
    let others: Vec<&str> = log
        .iter()
        // Who has no mailbox may have one by now.
        .filter(|r| r.status != 404)
        .map(|r| r.route.as_str())
        .filter(|r| {
            let known = ["/delta", "/token", "/mailFolders", "/$batch", "/drives", "/drive"];
            let calendars = ["/calendars", "/events", "/calendarPermissions"];
            !known.iter().chain(&calendars).any(|e| r.ends_with(e))
        })
        .filter(|r| !within(r))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}
