//! restic's REST protocol: real servers, and answers that no honest server gives.
use crate::http::{Asked, ok, says};
use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use strongroom_objects::{
    Key, Kind, LocalDir, Put, RestServer, RestSettings, Store, StoreError, conformance, hash_name,
};

fn open(url: &str) -> RestServer {
    let url = url::Url::parse(url).unwrap();
    RestServer::new(RestSettings { url, credential: None, ca_file: None }).unwrap()
}

/// `rclone serve restic` over a folder.
struct Rclone {
    child: Child,
    dir: tempfile::TempDir,
    url: String,
}

impl Rclone {
    fn start(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("rclone")
            .args(["serve", "restic", "--addr", &format!("127.0.0.1:{port}")])
            .args(more)
            .arg(dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, dir, url: format!("http://127.0.0.1:{port}/school/") }
    }
}

impl Drop for Rclone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs rclone; cargo xtask test installs and runs it"]
fn rclone_keeps_the_contract() {
    let server = Rclone::start(&[]);
    let store = open(&server.url);
    conformance::write_once_store(&store, true);
    let config = Key::config();
    assert_eq!(store.put(&config, b"first").unwrap(), Put::New);
    assert_eq!(store.put(&config, b"second").unwrap(), Put::Present);
    assert_eq!(store.get(&config).unwrap(), b"first".as_slice());
    let body = b"a manifest".as_slice();
    let manifest = Key::new(Kind::Manifests, &hash_name(body)).unwrap();
    assert_eq!(store.put(&manifest, body).unwrap(), Put::New);
    assert_eq!(store.put(&manifest, body).unwrap(), Put::Present);
    assert_eq!(store.get(&manifest).unwrap(), body);
    assert_eq!(store.list(Kind::Manifests).unwrap().len(), 1);
    // One that lies where a folder has it is found as well.
    let other = b"another".as_slice();
    let key = Key::new(Kind::Manifests, &hash_name(other)).unwrap();
    LocalDir::new(server.dir.path().join("school")).put(&key, other).unwrap();
    assert_eq!(store.get(&key).unwrap(), other);
    assert_eq!(store.list(Kind::Manifests).unwrap().len(), 2);
    // Wrong bytes give way to the right ones.
    let pack = Key::new(Kind::Data, &hash_name(b"right")).unwrap();
    store.put(&pack, b"wrong").unwrap();
    store.replace(&pack, b"right").unwrap();
    assert_eq!(store.get(&pack).unwrap(), b"right".as_slice());
}

#[test]
#[ignore = "needs rclone; cargo xtask test installs and runs it"]
fn rclone_that_only_adds_keeps_everything_but_locks() {
    let server = Rclone::start(&["--append-only"]);
    let store = open(&server.url);
    conformance::write_once_store(&store, false);
    let lock = Key::new(Kind::Locks, &hash_name(b"lock")).unwrap();
    store.put(&lock, b"lock").unwrap();
    store.remove(&lock).unwrap();
    assert_eq!(store.size(&lock).unwrap(), None);
    // Nor is anything written over, whoever asks for it.
    let pack = Key::new(Kind::Data, &hash_name(b"right")).unwrap();
    assert_eq!(store.put(&pack, b"right").unwrap(), Put::New);
    assert!(store.replace(&pack, b"wrong").is_err());
    assert_eq!(store.get(&pack).unwrap(), b"right".as_slice());
}

/// A server that gives an answer to each request; it counts them.
fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (String, Asked) {
    let (at, asked) = crate::http::serve(answer);
    (format!("http://{at}/r/"), asked)
}

fn pack() -> Key {
    Key::new(Kind::Data, &hash_name(b"x")).unwrap()
}

#[test]
fn a_redirect_is_no_answer_and_is_not_followed() {
    let (elsewhere, asked) = answering(|_| ok(b"stolen"));
    let to = elsewhere.clone();
    let (url, _) = answering(move |_| {
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .into_bytes()
    });
    let store = open(&url);
    for error in [
        store.get(&pack()).map(|_| ()).unwrap_err(),
        store.size(&pack()).map(|_| ()).unwrap_err(),
        store.list(Kind::Data).map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Failed { .. }), "{error}");
        assert!(error.to_string().contains("redirect"), "{error}");
    }
    assert_eq!(asked.lock().unwrap().len(), 0);
}

#[test]
fn a_length_that_is_not_said_is_no_absence() {
    let (url, _) = answering(|_| b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec());
    let error = open(&url).size(&pack()).unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
}

#[test]
fn an_object_is_no_longer_than_its_kind() {
    // Announced, and not announced.
    let (url, _) = answering(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\nConnection: close\r\n\r\nx".to_vec()
    });
    assert!(open(&url).get(&Key::config()).is_err_and(|e| e.to_string().contains("more than")));
    let (url, _) = answering(|_| {
        let mut all = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        all.resize(all.len() + 70 * 1024, b'x');
        all
    });
    assert!(open(&url).get(&Key::config()).is_err_and(|e| e.to_string().contains("more than")));
    // Announced, and not all of it comes.
    let (url, _) = answering(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort".to_vec()
    });
    assert!(open(&url).get(&pack()).is_err());
}

#[test]
fn a_listing_is_whole_or_an_error() {
    for body in [
        &b"[{\"name\":\"00\",\"size\":1},"[..],
        b"<html>please sign in</html>",
        b"{\"error\":\"no\"}",
        b"",
    ] {
        let (url, _) = answering(move |_| ok(body));
        assert!(open(&url).list(Kind::Data).is_err(), "{body:?}");
    }
    // What is none of ours is passed over; an empty folder is `null` to some.
    let ours = hash_name(b"x");
    let rows = format!(
        "[{{\"name\":\"{ours}\",\"size\":1}},{{\"name\":\"../../etc\",\"size\":1}},\
         {{\"name\":\"README\",\"size\":1}}]"
    );
    let (url, _) = answering(move |_| ok(rows.as_bytes()));
    let rows = open(&url).list(Kind::Data).unwrap();
    assert_eq!(rows.iter().map(|r| &r.name).collect::<Vec<_>>(), [&ours]);
    let (url, _) = answering(|_| ok(b"null"));
    assert!(open(&url).list(Kind::Data).unwrap().is_empty());
}

#[test]
fn a_part_is_cut_out_of_the_whole_where_the_server_knows_no_parts() {
    let (url, _) = answering(|_| ok(b"0123456789"));
    let store = open(&url);
    assert_eq!(store.get_range(&pack(), 2..5).unwrap(), b"234".as_slice());
    assert!(matches!(store.get_range(&pack(), 8..12), Err(StoreError::Damaged { .. })));
}

/// An answer without a body.
fn bare(status: &str, more: &str) -> Vec<u8> {
    says(status, more, b"")
}

#[test]
fn what_could_not_be_listed_is_not_empty() {
    let not_found = |server: &'static str| move |_: &str| bare("404 Not Found", server);
    let (url, _) = answering(not_found("Server: rclone/v1.60.1\r\n"));
    let error = open(&url).list(Kind::Snapshots).unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
    // Where there is no repository yet there is nothing in it.
    let (url, _) = answering(not_found(""));
    assert!(open(&url).list(Kind::Snapshots).unwrap().is_empty());
    // A repository has its folders; something on the way to it says 404 of what it cannot reach.
    for server in ["", "Server: nginx\r\n"] {
        let (url, _) = answering(move |request| match request.starts_with("HEAD /r/config ") {
            true => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n".to_vec(),
            false => bare("404 Not Found", server),
        });
        for kind in [Kind::Snapshots, Kind::Index, Kind::Data] {
            let error = open(&url).list(kind).unwrap_err();
            assert!(matches!(error, StoreError::Failed { .. }), "{error}");
            assert!(error.to_string().contains("make the folder"), "{error}");
        }
        // Those that come and go may be missing where folders do not stay when they are empty.
        for kind in [Kind::Keys, Kind::Locks, Kind::Manifests] {
            assert!(open(&url).list(kind).unwrap().is_empty());
        }
    }
}

#[test]
fn a_repository_that_was_there_is_not_empty_when_it_is_not_found() {
    let is_gone = Arc::new(AtomicUsize::new(0));
    let gone = is_gone.clone();
    let (url, _) = answering(move |_| match gone.load(Ordering::SeqCst) {
        0 => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n123456789".to_vec(),
        _ => bare("404 Not Found", ""),
    });
    let (asked, read) = (open(&url), open(&url));
    assert_eq!(asked.size(&Key::config()).unwrap(), Some(9));
    read.get(&Key::config()).unwrap();
    is_gone.store(1, Ordering::SeqCst);
    for kind in Kind::DIRECTORIES {
        for store in [&asked, &read] {
            let error = store.list(kind).unwrap_err();
            assert!(matches!(error, StoreError::Failed { .. }), "{error}");
        }
        assert!(open(&url).list(kind).unwrap().is_empty());
    }
}

#[test]
fn a_listing_that_is_not_found_once_is_asked_for_again() {
    let name = hash_name(b"x");
    let first = AtomicUsize::new(0);
    let (url, _) = answering(move |request| match request.starts_with("HEAD") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n".to_vec(),
        false if first.fetch_add(1, Ordering::SeqCst) == 0 => bare("404 Not Found", ""),
        false => ok(format!("[{{\"name\":\"{name}\",\"size\":1}}]").as_bytes()),
    });
    assert_eq!(open(&url).list(Kind::Locks).unwrap().len(), 1);
}

#[test]
fn what_was_cut_off_as_it_came_in_is_not_what_was_put() {
    let (url, _) = answering(|request| match request.starts_with("HEAD") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n".to_vec(),
        false => {
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        }
    });
    let body = b"longer than three";
    let key = Key::new(Kind::Data, &hash_name(body)).unwrap();
    let error = open(&url).put(&key, body).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn nothing_is_taken_away_while_a_server_does_not_answer() {
    // Nor while it does not let what was written be read.
    for status in ["408 Request Timeout", "401 Unauthorized", "403 Forbidden", "451 No"] {
        let deleted = Arc::new(AtomicUsize::new(0));
        let count = deleted.clone();
        let (url, _) = answering(move |request| {
            if request.starts_with("DELETE") {
                count.fetch_add(1, Ordering::SeqCst);
            }
            if request.starts_with("POST") { ok(b"") } else { bare(status, "") }
        });
        assert!(open(&url).replace(&pack(), b"x").is_err());
        assert_eq!(deleted.load(Ordering::SeqCst), 0, "{status}");
    }
}

#[test]
fn a_servers_words_move_no_cursor() {
    let (url, _) = answering(|_| {
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\nConnection: close\r\n\r\n\x1b[2Jgone"
            .to_vec()
    });
    let error = open(&url).get(&pack()).unwrap_err().to_string();
    assert!(error.contains("gone") && !error.contains('\x1b'), "{error:?}");
}
