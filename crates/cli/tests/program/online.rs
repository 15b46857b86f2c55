//! `config check --online`: what it finds of a school whose state is known.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::common::*;
use serde_json::{Value, json};

/// Runs it; the exit code, and of each finding what it is of, about, its state and its sentence.
fn look(school: &School) -> (i32, Vec<Value>) {
    let out = school.run(&["--json", "config", "check", "--online"]);
    let told: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    assert_eq!(told["problems"], json!([]), "{told:#}");
    (out.status.code().unwrap(), told["online"].as_array().unwrap().clone())
}

/// The findings that are not good.
fn bad(rows: &[Value]) -> Vec<String> {
    let rows = rows.iter().filter(|r| r["state"] != "good");
    rows.map(|r| {
        let text = |key: &str| r[key].as_str().unwrap().to_owned();
        format!("{} | {} | {} | {}", text("of"), text("about"), text("state"), text("text"))
    })
    .collect()
}

fn control(school: &School, what: &str, body: &Value) -> Value {
    let reply =
        school.sim.control("POST", &format!("/sim/{what}"), "", body.to_string().as_bytes());
    assert_eq!(reply.status, 200, "{what}");
    serde_json::from_slice(&reply.body).unwrap()
}

fn roles(school: &School, tenant: u64, application: &str, grant: Value, revoke: Value) {
    let body = json!({"tenant": tenant, "application": application, "grant": grant,
        "revoke": revoke});
    control(school, "roles", &body);
}

/// A certificate of the identity `read` that is good for some days, in its file.
fn certificate(school: &School, days: i64) {
    let made = control(school, "certificate", &json!({"application": "read", "days": days}));
    let file = school.path("tenant").join("tenant0-read.pem");
    std::fs::write(file, made["pem"].as_str().unwrap()).unwrap();
}

#[test]
fn a_school_as_it_should_be_has_nothing_to_tell() {
    let school = school(&tiny(graph_sim::Care::Hardened));
    let before = school.objects();
    let (code, rows) = look(&school);
    assert_eq!((code, bad(&rows)), (0, vec![]));
    assert_eq!(school.objects(), before, "a probe stayed in the repository");
    // The table of what is needed is what the school has, by name.
    let says = |of: &str, about: &str, part: &str| {
        rows.iter().any(|r| {
            r["of"].as_str().unwrap().ends_with(of)
                && r["about"] == about
                && r["text"].as_str().unwrap().contains(part)
        })
    };
    assert!(says("identity read", "permission", "and no other"), "{rows:#?}");
    assert!(says("identity write", "permission", "and no other"), "{rows:#?}");
    assert!(says("identity configure", "permission", "no permission, as it should"), "{rows:#?}");
    assert!(says("identity read", "clock", "agree"), "{rows:#?}");
    assert!(says("repository r0", "reach", "can delete what it holds"), "{rows:#?}");
    // For people, one line each.
    let told = school.ok(&["config", "check", "--online"]);
    assert_eq!(told.lines().filter(|l| l.starts_with("good ")).count(), rows.len(), "{told}");
    // Without the option nothing is asked.
    school.sim.clear_log();
    school.ok(&["config", "check"]);
    assert!(school.sim.log().is_empty());
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let school = school(&tiny(graph_sim::Care::Hardened));
    roles(&school, 0, "read", json!("Directory.ReadWrite.All"), json!("Mail.Read"));
    roles(&school, 0, "read", json!("Sites.Read.Selected"), json!("Tasks.Read.All"));
    roles(&school, 0, "write", json!("Mail.Send"), json!("Contacts.ReadWrite"));
    roles(&school, 0, "configure", json!("Application.ReadWrite.All"), Value::Null);
    let (code, rows) = look(&school);
    let read = "tenant school0, identity read | permission";
    let write = "tenant school0, identity write | permission";
    assert_eq!(
        bad(&rows),
        [
            "tenant school0, identity configure | permission | warning | Application.ReadWrite.All \
             is held: granted for a restore of settings; take it back when that is done"
                .to_owned(),
            format!("{read} | failed | Mail.Read is missing, for mail"),
            format!("{read} | warning | Tasks.Read.All is missing, for tasks"),
            format!(
                "{read} | failed | Directory.ReadWrite.All is held: whoever has this host can \
                 change the tenant with it; take it back"
            ),
            format!(
                "{read} | warning | Sites.Read.Selected is held: nothing here needs it; take it \
                 back"
            ),
            format!("{write} | failed | Contacts.ReadWrite is missing, for contacts"),
            format!("{write} | warning | Mail.Send is held: nothing here needs it; take it back"),
        ]
    );
    assert_eq!(code, 4);
    // What is not backed up needs no permission.
    let path = school.path("strongroom.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let without = text.replace("[tenant.backup]\n", "[tenant.backup]\nwithout = [\"tasks\"]\n");
    std::fs::write(&path, without).unwrap();
    let (_, rows) = look(&school);
    let told = bad(&rows).join("\n");
    assert!(!told.contains("Tasks.Read.All is missing"), "{told}");
    assert!(told.contains("Tasks.ReadWrite.All is held"), "{told}");
}

#[test]
fn ends_clocks_and_one_broken_identity_are_told_beside_the_rest() {
    let plans = [tiny(graph_sim::Care::Hardened), tiny(graph_sim::Care::Hardened)];
    let school = school_with(&plans, "");
    certificate(&school, 61);
    assert_eq!(look(&school).0, 0);
    certificate(&school, 59);
    let (code, rows) = look(&school);
    let told = bad(&rows);
    assert_eq!((code, told.len()), (3, 1), "{told:?}");
    assert!(
        told[0].contains("identity read | certificate | warning | its certificate ends in 58")
            || told[0]
                .contains("identity read | certificate | warning | its certificate ends in 59"),
        "{told:?}"
    );
    certificate(&school, -1);
    let (code, rows) = look(&school);
    assert_eq!(code, 4);
    assert!(bad(&rows)[0].contains("| certificate | failed | its certificate ended on"));
    certificate(&school, 300);
    // Ten minutes: those of sign-in and of Graph, for each identity.
    control(&school, "date", &json!({"ahead_s": 600}));
    let (code, rows) = look(&school);
    let told = bad(&rows);
    assert_eq!((code, told.len()), (4, 2 * 3 * 2), "{told:?}");
    let behind = told.iter().filter(|t| t.contains("| clock | failed | this host's clock is "));
    assert_eq!(behind.filter(|t| t.contains(" s behind that of ")).count(), 12, "{told:?}");
    control(&school, "date", &json!({"ahead_s": -90}));
    assert_eq!(look(&school).0, 3);
    control(&school, "date", &json!({"ahead_s": 0}));
    // A certificate with another's key is found before anything is sent.
    let of = |name: &str| {
        std::fs::read_to_string(school.path("tenant").join(format!("tenant1-{name}.pem"))).unwrap()
    };
    let (read, write) = (of("read"), of("write"));
    let end = "-----END CERTIFICATE-----";
    let mixed =
        format!("{}{end}{}", read.split(end).next().unwrap(), write.split(end).nth(1).unwrap());
    std::fs::write(school.path("tenant").join("tenant1-write.pem"), mixed).unwrap();
    let out = school.run(&["--json", "config", "check", "--online"]);
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(told.contains("its private key belongs to another certificate"), "{told}");
    std::fs::write(school.path("tenant").join("tenant1-write.pem"), write).unwrap();
    // One identity that does not exist, one repository that is down: each is told, and the rest
    // is looked at.
    let path = school.path("strongroom.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let read = text.split("application_id = \"").nth(1).unwrap().split('"').next().unwrap();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let text = text.replace(read, "00000000-0000-0000-0000-00000000dead").replace(
        "path = \"copy2-1\"\npassword_file = \"password\"\n",
        &format!(
            "password_file = \"password\"\n[repository.rest]\nurl = \
             \"http://127.0.0.1:{port}/r/\"\n"
        ),
    );
    std::fs::write(&path, text).unwrap();
    let (code, rows) = look(&school);
    let told = bad(&rows);
    assert_eq!((code, told.len()), (4, 2), "{told:?}");
    assert!(told[0].contains("school0, identity read | sign-in | failed | "), "{told:?}");
    assert!(told[0].contains("refuses to sign application"), "{told:?}");
    assert!(told[1].contains("repository r1 | reach | failed | "), "{told:?}");
    let of = |part: &str| rows.iter().any(|r| r["of"].as_str().unwrap().contains(part));
    assert!(of("school1, identity read") && of("repository r0"), "{rows:#?}");
}

/// A second place, which no tenant names, is one that `replicate --to` goes to: it is asked as
/// well.
#[test]
fn a_place_that_no_tenant_names_is_reached_too() {
    let school = school(&tiny(graph_sim::Care::Hardened));
    let config = school.path("strongroom.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let password = text.lines().find(|l| l.starts_with("password_file")).unwrap();
    let more = format!(
        "\n[[repository]]\nname = \"second\"\npath = \"nowhere\"\n{password}\n\
         [[vault]]\nname = \"old\"\nhold = \"gone\"\n"
    );
    std::fs::write(&config, format!("{text}{more}")).unwrap();
    let (code, rows) = look(&school);
    let told = bad(&rows);
    assert_eq!(code, 4, "{told:#?}");
    for of in ["repository second | reach | failed", "vault old | reach | failed"] {
        assert!(told.iter().any(|t| t.starts_with(of)), "{of}: {told:#?}");
    }
    assert_eq!(told.len(), 2, "{told:#?}");
}
