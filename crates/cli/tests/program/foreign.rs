//! What somebody else called something moves no cursor and turns no line around, wherever it is
//! printed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::{change_parts::by_hand, common::*};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
};
use strongroom_objects::LocalDir;
use strongroom_repository::{Cut, Id, Node, Repository, Snapshot, TreeEditor, Writer};

/// Sets a title, clears the screen, colours by one character, turns the direction.
const ORDERS: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{2028}";

/// What is an order to a terminal, or turns what follows.
fn is_order(c: char) -> bool {
    let plain = matches!(c, '\n' | '\t');
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    c.is_control() && !plain || turns
}

/// All that a command says.
fn told(school: &School, args: &[&str]) -> String {
    let out = school.run(args);
    let text = [out.stdout, out.stderr].concat();
    String::from_utf8(text).unwrap_or_else(|e| panic!("{args:?}: {e}"))
}

/// A server that answers everybody with the same words.
fn server_that_says(words: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let answer = format!(
                "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}",
                words.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn no_command_passes_an_order_to_the_terminal() {
    let school = school(&small());
    let user = school.sim.digest(0).iter().find(|r| r.kind == "message").unwrap().user.clone();
    let roles = ["Mail.ReadWrite"];
    let name = format!("before{ORDERS}after");
    let folder = json!({"displayName": "before\u{202e}\u{2066}after"});
    let (status, made) =
        school.sim.ask(0, &roles, "POST", &format!("users/{user}/mailFolders"), &folder);
    assert_eq!(status, 201, "{made}");
    let letter = json!({"subject": name, "body": {"contentType": "text", "content": "x"},
        "from": {"emailAddress": {"name": name, "address": "a@example.com"}},
        "toRecipients": [{"emailAddress": {"name": name, "address": "a@example.com"}}]});
    let target = format!("users/{user}/mailFolders/{}/messages", made["id"].as_str().unwrap());
    let (status, made) = school.sim.ask(0, &roles, "POST", &target, &letter);
    assert_eq!(status, 201, "{made}");
    school.whole();
    school.sim.live_a_day(0, 3, false);
    school.whole();
    school.ok(&["--tenant", "school0", "tenant", "snapshot"]);
    // Whoever can write to copy 2's storage.
    let key = json!({"created": "2026-01-01T00:00:00Z", "username": ORDERS, "hostname": name,
        "kdf": "scrypt", "N": 16384, "r": 8, "p": 1, "salt": "AAAA", "data": "AAAA"});
    let key = key.to_string();
    let hash = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(&key))
    };
    let foreign = school.path("copy2-0/keys").join(hash);
    std::fs::write(&foreign, key).unwrap();

    let commands: &[&[&str]] = &[
        &["snapshots"],
        &["key", "list"],
        &["ls", "latest", "/", "-R"],
        &["find", "--path", "after"],
        &["find", "--subject", "after"],
        &["history", "/mail"],
        &["check"],
        &["restore", "--path", "/mail", "--dry-run"],
        &["tenant", "check"],
        &["fleet"],
        &["fleet", "--format", "csv"],
        &["fleet", "--format", "html"],
        &["review", "list"],
        &["restore", "--path", ORDERS, "--dry-run"],
        &["ls", "latest", &name],
    ];
    let mut seen = 0;
    for args in commands {
        for json in [&[][..], &["--json"][..]] {
            let args = [json, *args].concat();
            let text = told(&school, &args);
            let found = text.chars().find(|c| is_order(*c));
            assert!(found.is_none(), "{args:?} prints {found:?}: {text:?}");
            seen += usize::from(text.contains("\\u202e"));
            for line in text.lines().filter(|_| !json.is_empty()) {
                // JSON stays JSON, and says the same.
                let is_json = line.starts_with('{') || line.starts_with('[');
                assert!(!is_json || serde_json::from_str::<Value>(line).is_ok(), "{line}");
            }
        }
    }
    // Told, not dropped: in listings, in the list of keys, in errors.
    assert!(seen >= 6, "only {seen} commands met it");

    // Words of a server, in an error.
    let port = server_that_says(ORDERS);
    let path = school.path("strongroom.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "path = \"copy2-0\"\npassword_file = \"password\"\n",
        &format!(
            "password_file = \"password\"\n[repository.rest]\nurl = \
             \"http://127.0.0.1:{port}/r/\"\n"
        ),
    );
    std::fs::write(&path, text).unwrap();
    let text = told(&school, &["snapshots"]);
    assert!(text.contains("403") && !text.chars().any(is_order), "{text:?}");
    // Stock restic gives up at a key file like this one, when it comes to it first.
    std::fs::remove_file(foreign).unwrap();
}

/// What a line of its own would say.
const FORGED: &str = "all schools are fine";

/// A name that would say it.
const NAME: &str = "odd\nall schools are fine\r\u{1b}[2Kall schools are fine\u{202e}\t.";

/// All texts of a value.
fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|v| texts(v, out)),
        Value::Object(all) => all.iter().for_each(|(name, v)| {
            out.push(name.clone());
            texts(v, out);
        }),
        _ => {}
    }
}

/// Runs commands for a person and for a program. No line begins with what a name says; where a
/// command must meet the name it shows it, and who asks for JSON gets the very text.
fn no_line_is_forged(school: &School, commands: &[(bool, Vec<&str>)]) {
    let mut wrong = Vec::new();
    for (meets, args) in commands {
        let text = told(school, args);
        if text.chars().any(is_order) {
            wrong.push(format!("{args:?} passes an order on: {text:?}"));
        }
        if text.split(['\n', '\r']).any(|line| line.trim_start().starts_with(FORGED)) {
            wrong.push(format!("{args:?} lets a line be forged: {text}"));
        }
        if !meets {
            continue;
        }
        if !text.contains("\\u000aall schools") {
            wrong.push(format!("{args:?} does not show it: {text}"));
        }
        let out = school.run(&[&["--json"], &args[..]].concat());
        let said = String::from_utf8(out.stdout).unwrap();
        let mut all = Vec::new();
        for line in said.lines() {
            texts(&serde_json::from_str(line).unwrap(), &mut all);
        }
        if !all.iter().any(|t| t.contains(NAME)) {
            wrong.push(format!("{args:?} tells a program something else: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A snapshot of somebody who has the key, with stock restic or a program of their own: its names
/// hold what no name of ours does.
fn planted(school: &School) -> (Id, Id) {
    let who = || Writer { host: NAME.into(), user: NAME.into(), program: NAME.into() };
    let store = Arc::new(LocalDir::new(school.path("copy2-0")));
    let password = "correct horse".to_owned().into();
    let cache = tempfile::tempdir().unwrap();
    let repo = Arc::new(Repository::open(store, &password, cache.path(), who()).unwrap());
    let mut parent = None;
    let mut commit = |file: &str| {
        let now = jiff::Timestamp::now();
        let mut editor = TreeEditor::new(repo.clone(), parent, now);
        let stored = repo.put_content(file.repeat(9).as_bytes(), Cut::Mime).unwrap();
        let mut node = Node::file(file, stored.content, stored.size_bytes, now);
        let mut facts = strongroom_model::Facts::new(strongroom_model::ItemKind::File, "id");
        facts.name = Some(NAME.into());
        facts.from = Some(NAME.into());
        node.set_facts(&facts).unwrap();
        editor.put(&["drives", NAME, NAME], node).unwrap();
        let tree = editor.write().unwrap();
        parent = Some(tree);
        repo.commit(&Snapshot {
            time: now,
            parent: None,
            tree,
            paths: vec![NAME.into()],
            hostname: NAME.into(),
            username: NAME.into(),
            tags: vec![NAME.into(), "complete".into(), format!("alarm:{NAME}")],
            program_version: NAME.into(),
            generation: None,
        })
        .unwrap()
    };
    (commit(NAME), commit(&format!("{NAME} 2")))
}

#[test]
fn no_name_in_a_repository_forges_a_line() {
    let school = school(&tiny(graph_sim::Care::Hardened));
    school.whole();
    let (first, second) = planted(&school);
    let (first, second) = (first.to_string(), second.to_string());
    let path = format!("/drives/{NAME}/{NAME}/{NAME}");
    let place = |name: &str| school.path(name).to_str().unwrap().to_owned();
    let (odd, copy) = (place(NAME), place("other"));
    let meets: &[&[&str]] = &[
        &["snapshots"],
        &["ls", &second, "/", "-R"],
        &["ls", &second, &path],
        &["find", "--snapshot", &second, "odd"],
        &["find", "--path", "/drives", "--from", "odd"],
        &["diff", &first, &second],
        &["history", &path],
        &["hold", "add", &second, "--reason", NAME],
        &["hold", "list"],
        &["forget", "--keep-daily", "1", "--dry-run"],
    ];
    let commands: &[&[&str]] = &[
        &["ls", &second, NAME],
        &["ls", NAME],
        &["cat", &second, NAME],
        &["cat", &second, &format!("/drives/{NAME}")],
        &["history", NAME],
        &["find", "--verdict", NAME, "x"],
        &["check"],
        &["key", "list"],
        &["restore", "--snapshot", &second, "--dry-run"],
        &["restore", "--snapshot", &second, "--path", &path, "--dry-run"],
        &["restore", "--snapshot", &second, "--path", NAME, "--dry-run"],
        &["restore", "--snapshot", &second, "--dry-run", "--user", NAME],
        &["restore", "--snapshot", &second, "--target", &odd],
        &["restore", "--snapshot", &second, "--target", &odd],
        &["--tenant", NAME, "snapshots"],
        &["--repo", NAME, "snapshots"],
        &["hold", "release", NAME],
        &["repair", "snapshots", "--dry-run"],
        &["repair", "junk", "--dry-run"],
        &["replicate", "--to", &copy],
    ];
    let all = meets.iter().map(|a| (!matches!(a[..], ["hold", "add", ..] | ["forget", ..]), a));
    let all = all.chain(commands.iter().map(|a| (false, a)));
    no_line_is_forged(&school, &all.map(|(meets, a)| (meets, a.to_vec())).collect::<Vec<_>>());
    // What cannot be restored any more is named by its path.
    for entry in walk(&school.path("copy2-0/data")) {
        let bytes = std::fs::read(&entry).unwrap();
        std::fs::remove_file(&entry).unwrap();
        std::fs::write(&entry, vec![0; bytes.len()]).unwrap();
    }
    let (out, another) = (place("out"), place("another"));
    let commands: &[&[&str]] = &[
        &["check", "--read-data"],
        &["restore", "--snapshot", &second, "--target", &out],
        &["repair", "snapshots", "--dry-run"],
        &["ls", &second, "/", "-R"],
        &["cat", &second, &path],
        &["replicate", "--to", &another],
        &["repair", "heal", "--from", &copy],
    ];
    no_line_is_forged(&school, &commands.iter().map(|a| (false, a.to_vec())).collect::<Vec<_>>());
    std::fs::remove_dir_all(school.path("copy2-0")).unwrap();
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => out.extend(walk(&path)),
            false => out.push(path),
        }
    }
    out
}

#[test]
fn no_name_in_a_tenant_forges_a_line() {
    let school = hardened();
    school.ok(&["--tenant", "school0", "tenant", "snapshot"]);
    by_hand(
        &school,
        "POST",
        "identity/conditionalAccess/policies",
        json!({"displayName": NAME, "state": "disabled",
            "conditions": {"clientAppTypes": ["all"],
                "applications": {"includeApplications": ["All"]},
                "users": {"includeUsers": ["All"]}},
            "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}),
    );
    let first: Value =
        serde_json::from_str(&school.ok(&["--tenant", "school0", "--json", "tenant", "snapshot"]))
            .unwrap();
    let first = first["snapshot"].as_str().unwrap().to_owned();
    let policy = crate::change_parts::row(&school, "identity/conditionalAccess/policies", NAME);
    by_hand(
        &school,
        "PATCH",
        &format!("identity/conditionalAccess/policies/{}", policy["id"].as_str().unwrap()),
        json!({"state": "enabled"}),
    );
    let t = ["--tenant", "school0"];
    let meets: &[&[&str]] = &[
        &["tenant", "diff"],
        &["tenant", "diff", "--properties"],
        &["tenant", "diff", "--who"],
        &["tenant", "restore", "--to", &first, "--dry-run"],
        &["review", "list"],
    ];
    let person = school.run(&["--tenant", "school0", "tenant", "snapshot"]);
    let text = String::from_utf8(person.stdout).unwrap();
    assert!(!text.lines().any(|l| l.starts_with(FORGED)), "{text}");
    let object = format!("identity/conditional-access-policies/{NAME}");
    let commands: &[&[&str]] = &[
        &["tenant", "check", "--all"],
        &["tenant", "diff", NAME],
        &["tenant", "check", NAME],
        &["tenant", "restore", "--to", NAME, "--dry-run"],
        &["tenant", "restore", "--to", &first, "--object", &object, "--dry-run"],
        &["tenant", "restore", "--to", &first, "--yes"],
        &["review", "accept", NAME, "--by", NAME, "--reason", NAME],
        &["baseline", "show", NAME],
        &["fleet"],
        &["fleet", "--format", "csv"],
        &["find", "--path", "/tenant", "odd"],
    ];
    let all = meets.iter().map(|a| (true, a)).chain(commands.iter().map(|a| (false, a)));
    let all: Vec<_> = all.map(|(meets, a)| (meets, [&t[..], a].concat())).collect();
    no_line_is_forged(&school, &all);
}

#[test]
fn no_answer_of_a_server_forges_a_line() {
    let school = school(&tiny(graph_sim::Care::Hardened));
    let port = server_that_says(NAME);
    let path = school.path("strongroom.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let places = [
        format!("rest]\nurl = \"http://127.0.0.1:{port}/r/\"\n"),
        format!(
            "s3]\nendpoint = \"http://127.0.0.1:{port}/\"\nregion = \"eu\"\nbucket = \
             \"copies\"\naccess_key_id = \"k\"\nsecret_file = \"password\"\n"
        ),
        format!(
            "azure]\nendpoint = \"http://127.0.0.1:{port}/a\"\naccount = \"account\"\ncontainer = \
             \"copies\"\nkey_file = \"key\"\n"
        ),
    ];
    secret(&school.path("key"), &"a2V5".repeat(16));
    for place in places {
        let text = text.replace(
            "path = \"copy2-0\"\npassword_file = \"password\"\n",
            &format!("password_file = \"password\"\n[repository.{place}"),
        );
        std::fs::write(&path, text).unwrap();
        let said = told(&school, &["snapshots"]);
        assert!(said.contains("403"), "{said}");
        no_line_is_forged(&school, &[(false, vec!["snapshots"])]);
    }
    std::fs::write(&path, text).unwrap();
    // A configuration that quotes what it refuses.
    for line in ["[[tenant]]\n\"odd\\nall schools are fine\" = 1\n", "all schools are fine\n"] {
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{line}")).unwrap();
        no_line_is_forged(&school, &[(false, vec!["snapshots"]), (false, vec!["config", "check"])]);
        std::fs::write(&path, text).unwrap();
    }
}
