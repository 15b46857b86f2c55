//! What somebody else called something moves no cursor and turns no line around, wherever it is
//! printed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use crate::common::*;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpListener,
};

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
    std::fs::write(school.path("copy2-0/keys").join(hash), key).unwrap();

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
}
