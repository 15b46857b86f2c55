//! SFTP: OpenSSH's server, and answers that no honest server gives.
use crate::http::key_of;
use crate::sshd::Sshd;
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant, SystemTime},
};
use strongroom_objects::{
    Key, Kind, LocalDir, Put, RetryPolicy, SftpServer, SftpSettings, Store, StoreError, conformance,
};

fn settings(server: &Sshd, folder: &Path) -> SftpSettings {
    SftpSettings {
        host: "127.0.0.1".into(),
        port: Some(server.port),
        user: Some(server.user.clone()),
        path: folder.to_str().unwrap().to_owned(),
        identity_file: Some(server.path("user")),
        known_hosts_file: server.path("known_hosts"),
        ssh_command: Vec::new(),
    }
}

/// What it answers, within a minute.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(Duration::from_secs(60)).expect("it does not wait for anybody")
}

/// What every server is asked.
fn contract(server: &Sshd) {
    let folder = server.path("a/b/repository");
    let store = SftpServer::new(settings(server, &folder)).unwrap();
    conformance::write_once_store(&store, true);
    let config = Key::config();
    assert_eq!(store.put(&config, b"first").unwrap(), Put::New);
    assert_eq!(store.put(&config, b"second").unwrap(), Put::Present);
    assert_eq!(store.get(&config).unwrap(), b"first".as_slice());
    // Wrong bytes give way to the right ones, and what is too short is not what is put.
    let pack = key_of(Kind::Data, b"right");
    store.replace(&pack, b"wro").unwrap();
    assert!(matches!(store.put(&pack, b"right"), Err(StoreError::Damaged { .. })));
    store.replace(&pack, b"right").unwrap();
    assert_eq!(store.get(&pack).unwrap(), b"right".as_slice());
    // More than a window of parts, and odd ends.
    let large: Vec<u8> = (0..9_000_001_u32).map(|n| (n % 251) as u8).collect();
    let key = key_of(Kind::Data, &large);
    assert_eq!(store.put(&key, &large).unwrap(), Put::New);
    store.flush().unwrap();
    assert!(store.get(&key).unwrap() == large.as_slice());
    assert!(store.get_range(&key, 32_767..8_999_999).unwrap() == large[32_767..8_999_999]);
    assert_eq!(store.list(Kind::Data).unwrap().len(), 2);
    // The folder is as a local one has it, and nothing is left half-written.
    let local = LocalDir::new(&folder);
    assert!(local.get(&key).unwrap() == large.as_slice());
    assert_eq!(local.list(Kind::Index).unwrap(), store.list(Kind::Index).unwrap());
    assert_eq!(fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
    // Sixteen that put one name at a moment, over two connections: one of them is the first.
    let other = Arc::new(SftpServer::new(settings(server, &folder)).unwrap());
    let store = Arc::new(store);
    let writers: Vec<_> = (0..16)
        .map(|n| {
            let store = if n % 2 == 0 { store.clone() } else { other.clone() };
            std::thread::spawn(move || store.put(&key_of(Kind::Keys, b"a key"), b"a key").unwrap())
        })
        .collect();
    let put: Vec<Put> = writers.into_iter().map(|w| w.join().unwrap()).collect();
    assert_eq!(store.get(&key_of(Kind::Keys, b"a key")).unwrap(), b"a key".as_slice());
    let first = put.iter().filter(|p| **p == Put::New).count();
    assert_eq!(first, 1, "{put:?}");
    // What a killed writer left is swept once it is old.
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::create(folder.join("tmp/half")).unwrap().set_modified(old).unwrap();
    fs::write(folder.join("tmp/young"), "x").unwrap();
    symlink("/etc/passwd", folder.join("tmp/link")).unwrap();
    assert_eq!(store.sweep(jiff::Timestamp::from_second(1_100_000_000).unwrap()).unwrap(), 1);
    assert_eq!(fs::read_dir(folder.join("tmp")).unwrap().count(), 2);
}

#[test]
#[ignore = "needs OpenSSH's server; cargo xtask test installs and runs it"]
fn openssh_keeps_the_contract() {
    let server = Sshd::start("");
    contract(&server);
    // Files and the folders that name them were forced to disk.
    let log = fs::read_to_string(server.path("sftp.log")).unwrap();
    let synced = log.matches("fsync (handle").count();
    let folders =
        log.lines().filter(|l| l.contains("open \"") && l.contains("/index\" flags READ"));
    assert!(synced > 300 && folders.count() > 0, "{synced}");
}

#[test]
#[ignore = "needs OpenSSH's server; cargo xtask test installs and runs it"]
fn openssh_without_its_own_words_keeps_the_contract() {
    let server = Sshd::start("-P hardlink,posix-rename,fsync,limits");
    contract(&server);
    let log = fs::read_to_string(server.path("sftp.log")).unwrap();
    assert!(!log.contains("fsync (handle") && !log.contains("hardlink old"));
}

#[test]
#[ignore = "needs OpenSSH's server; cargo xtask test installs and runs it"]
fn openssh_that_is_not_known_is_told_nothing() {
    let server = Sshd::start("");
    let open = |change: &dyn Fn(&mut SftpSettings)| {
        let mut settings = settings(&server, &server.path("repository"));
        change(&mut settings);
        let began = Instant::now();
        let error = SftpServer::new(settings).unwrap().list(Kind::Data).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10), "it is not asked again");
        error.to_string()
    };
    let unknown = open(&|s| s.known_hosts_file = server.path("no_hosts"));
    assert!(unknown.contains("is not in") && unknown.contains("no_hosts"), "{unknown}");
    let changed = open(&|s| s.known_hosts_file = server.path("other_hosts"));
    assert!(changed.contains("another host key"), "{changed}");
    // A key that the server does not take; a password is asked of nobody.
    let stranger = open(&|s| s.identity_file = Some(server.path("stranger")));
    assert!(stranger.contains("lets nobody in"), "{stranger}");
    let none = open(&|s| s.ssh_command = vec!["/nowhere/ssh".into()]);
    assert!(none.contains("does not start"), "{none}");
    // A name is no option of ssh.
    for host in ["-oProxyCommand=touch /tmp/x", "a b", ""] {
        let settings = SftpSettings { host: host.into(), ..settings(&server, Path::new("/r")) };
        assert!(SftpServer::new(settings).is_err(), "{host}");
    }
}

#[test]
#[ignore = "needs OpenSSH's server; cargo xtask test installs and runs it"]
fn openssh_is_known_by_the_file_that_the_settings_name_alone() {
    let server = Sshd::start("");
    let key = fs::read_to_string(server.path("known_hosts")).unwrap();
    let script = server.path("command");
    fs::write(&script, format!("#!/bin/sh\necho '{}'\n", key.trim())).unwrap();
    assert!(Command::new("chmod").arg("755").arg(&script).status().unwrap().success());
    let config = server.path("ssh_config");
    let says =
        format!("KnownHostsCommand {}\nNoHostAuthenticationForLocalhost yes\n", script.display());
    fs::write(&config, says).unwrap();
    let ssh_command = vec!["ssh".to_owned(), "-F".to_owned(), config.display().to_string()];
    let known = SftpSettings { ssh_command, ..settings(&server, &server.path("repository")) };
    let unknown = SftpSettings { known_hosts_file: server.path("no_hosts"), ..known.clone() };
    let error = SftpServer::new(unknown).unwrap().list(Kind::Data).unwrap_err();
    assert!(error.to_string().contains("is not in"), "{error}");
    assert!(SftpServer::new(known).unwrap().list(Kind::Data).unwrap().is_empty());
}

#[test]
#[ignore = "needs OpenSSH's server; cargo xtask test installs and runs it"]
fn openssh_that_is_gone_for_a_while_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("repository");
    let tries = dir.path().join("tries");
    // Three times no connection, then the server itself.
    let script = format!(
        "echo x >> {0}; [ $(wc -l < {0}) -gt 3 ] && exec /usr/lib/openssh/sftp-server; \
         echo 'connect to host school: No route to host' >&2; exit 255",
        tries.display()
    );
    let open = |most: Duration| {
        fs::write(&tries, "").unwrap();
        let settings = SftpSettings {
            host: "school".into(),
            port: None,
            user: None,
            path: folder.to_str().unwrap().into(),
            identity_file: None,
            known_hosts_file: "known".into(),
            ssh_command: ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec(),
        };
        let patience = RetryPolicy::of(most, most, Duration::from_millis(20));
        SftpServer::new(settings).unwrap().with_patience(patience)
    };
    let key = key_of(Kind::Data, b"a pack");
    assert!(open(Duration::ZERO).put(&key, b"a pack").is_err());
    let store = open(Duration::from_secs(60));
    store.put(&key, b"a pack").unwrap();
    assert_eq!(store.get(&key).unwrap(), b"a pack".as_slice());
    assert_eq!(store.list(Kind::Data).unwrap().len(), 1);
}

#[test]
#[ignore = "needs OpenSSH's server; cargo xtask test installs and runs it"]
fn openssh_connections_that_break_are_opened_again() {
    let server = Sshd::start("");
    let folder = server.path("repository");
    let pids = server.path("pids");
    let script = format!("echo $$ >> {}; exec ssh \"$@\"", pids.display());
    let ssh_command = ["sh", "-c", &script, "ssh"].map(str::to_owned).to_vec();
    let store = Arc::new(
        SftpServer::new(SftpSettings { ssh_command, ..settings(&server, &folder) }).unwrap(),
    );
    store.put(&Key::config(), b"config").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4_u32)
        .map(|w| {
            let (store, stop) = (store.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut n = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    let body = [w.to_le_bytes(), n.to_le_bytes()].concat().repeat(20_000);
                    store.put(&key_of(Kind::Data, &body), &body).unwrap();
                    n += 1;
                }
                n as usize
            })
        })
        .collect();
    let mut killed = 0;
    while killed < 5 {
        std::thread::sleep(Duration::from_millis(1500 + 37 * killed));
        let last = fs::read_to_string(&pids).unwrap().lines().last().unwrap().to_owned();
        killed += u64::from(Command::new("kill").args(["-9", &last]).status().unwrap().success());
    }
    stop.store(true, Ordering::Relaxed);
    let written: usize = writers.into_iter().map(|w| w.join().unwrap()).sum();
    store.flush().unwrap();
    let rows = store.list(Kind::Data).unwrap();
    assert_eq!(rows.len(), written);
    for row in rows {
        let key = Key::new(Kind::Data, &row.name).unwrap();
        assert!(key.names_its_bytes(&store.get(&key).unwrap()), "{killed} kills");
    }
}

#[test]
#[ignore = "needs OpenSSH's server; cargo xtask test installs and runs it"]
fn openssh_opens_nothing_but_files_and_follows_no_link() {
    let server = Sshd::start("");
    for kind in Kind::DIRECTORIES {
        let folder = server.path(kind.as_str());
        let local = LocalDir::new(&folder);
        let key = |n: u8| key_of(kind, &[n]);
        let place = |n: u8| {
            let path = local.path(&key(n));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        local.put(&key(0), &[0]).unwrap();
        assert!(Command::new("mkfifo").arg(place(1)).status().unwrap().success());
        fs::create_dir(place(2)).unwrap();
        symlink("/dev/zero", place(3)).unwrap();
        symlink("/nowhere", place(4)).unwrap();
        symlink(place(0), place(5)).unwrap();
        let store = Arc::new(SftpServer::new(settings(&server, &folder)).unwrap());
        assert_eq!(store.list(kind).unwrap().len(), 1, "{}", kind.as_str());
        assert_eq!(store.strangers(kind).unwrap(), local.strangers(kind).unwrap());
        for n in 1..6 {
            let (store, key) = (store.clone(), key(n));
            let all = in_time(move || {
                [
                    store.get(&key).map(|_| ()),
                    store.get_range(&key, 0..1).map(|_| ()),
                    store.size(&key).map(|_| ()),
                    store.put(&key, &[n]).map(|_| ()),
                ]
            });
            for e in all.map(Result::unwrap_err) {
                assert!(e.to_string().contains("and no file"), "{e}");
            }
        }
        assert_eq!(store.put(&key(0), &[0]).unwrap(), Put::Present);
        // What is too large for its kind is not read.
        let big = fs::File::create(place(7)).unwrap();
        let _ = big.set_len(8 << 40).or_else(|_| big.set_len(1 << 40));
        let error = store.get(&key(7)).unwrap_err();
        assert!(error.to_string().contains("is the most of its kind"), "{error}");
        // A link in the place of a folder leads to somebody else's.
        let theirs = server.path("theirs");
        let other = LocalDir::new(&theirs);
        other.put(&key(0), &[0]).unwrap();
        let ours = server.path(&format!("ours-{}", kind.as_str()));
        fs::create_dir(&ours).unwrap();
        symlink(theirs.join(kind.as_str()), ours.join(kind.as_str())).unwrap();
        let store = SftpServer::new(settings(&server, &ours)).unwrap();
        for error in [
            store.list(kind).map(|_| ()).unwrap_err(),
            store.get(&key(0)).map(|_| ()).unwrap_err(),
            store.remove(&key(0)).unwrap_err(),
            store.put(&key(9), &[9]).map(|_| ()).unwrap_err(),
            store.replace(&key(0), b"else").unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Refused { .. }), "{error}");
            assert!(error.to_string().contains("symbolic link"), "{error}");
        }
        assert_eq!(other.get(&key(0)).unwrap(), [0].as_slice());
        fs::remove_dir_all(&theirs).unwrap();
    }
    // Nor is anything written through one in the place of `tmp`.
    let (etc, ours) = (server.path("etc"), server.path("ours"));
    fs::create_dir_all(&ours).unwrap();
    fs::create_dir(&etc).unwrap();
    symlink(&etc, ours.join("tmp")).unwrap();
    let store = SftpServer::new(settings(&server, &ours)).unwrap();
    let error = store.put(&key_of(Kind::Index, b"x"), b"x").unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert!(store.sweep(jiff::Timestamp::from_second(4_000_000_000).unwrap()).is_err());
    assert_eq!(fs::read_dir(&etc).unwrap().count(), 0);
}

/// A server that reads so many bytes and then answers with these, step by step; and then stays.
fn scripted(steps: &[(usize, Vec<u8>)], end: &str) -> (tempfile::TempDir, SftpServer) {
    scripted_at("r", steps, end)
}

fn scripted_at(
    path: &str,
    steps: &[(usize, Vec<u8>)],
    end: &str,
) -> (tempfile::TempDir, SftpServer) {
    let dir = tempfile::tempdir().unwrap();
    // In a file: an argument has an end.
    let mut script = String::new();
    for (n, (read, answer)) in steps.iter().enumerate() {
        let file = dir.path().join(n.to_string());
        fs::write(&file, answer).unwrap();
        script += &format!("head -c {read} > /dev/null; cat {}; ", file.display());
    }
    script += end;
    let all = dir.path().join("script");
    fs::write(&all, script).unwrap();
    let store = SftpServer::new(SftpSettings {
        host: "h".into(),
        port: None,
        user: None,
        path: path.into(),
        identity_file: None,
        known_hosts_file: "known".into(),
        ssh_command: vec!["sh".to_owned(), all.display().to_string()],
    });
    (dir, store.unwrap())
}

fn packet(body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

fn number(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn hello() -> (usize, Vec<u8>) {
    (9, packet(&[&[2], &number(3)]))
}

fn says(store: SftpServer, part: &str) {
    let error = in_time(move || store.size(&Key::config())).unwrap_err();
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn what_is_no_sftp_is_told_so() {
    let (_dir, store) = scripted(&[(0, b"Welcome to the server of the school\n".to_vec())], "cat");
    says(store, "a login script");
    let (_dir, store) = scripted(&[(9, packet(&[&[2], &number(2)]))], "cat");
    says(store, "version 3");
    // A packet of four gigabytes.
    let (_dir, store) = scripted(&[hello(), (9, vec![255; 64])], "cat > /dev/null");
    says(store, "no SFTP");
    // An answer to what nobody asked, and one that is none.
    let stray = packet(&[&[101], &number(77), &number(0)]);
    let (_dir, store) = scripted(&[hello(), (9, stray)], "cat > /dev/null");
    says(store, "nobody asked");
    let odd = packet(&[&[99], &number(0), &number(0)]);
    let (_dir, store) = scripted(&[hello(), (9, odd)], "cat > /dev/null");
    says(store, "no answer of SFTP");
    let (_dir, store) = scripted(&[hello()], "echo gone away >&2; exit 255");
    says(store, "gone away");
}

#[test]
fn what_a_server_does_not_say_is_not_guessed() {
    // A file without a type, and one without a length.
    for (flags, part) in [(number(0), "whether it is a file"), (number(4), "how long it is")] {
        let rights = if flags == number(4) { number(0o100_644).to_vec() } else { Vec::new() };
        let answer = packet(&[&[105], &number(0), &flags, &rights]);
        let (_dir, store) = scripted(&[hello(), (9, answer)], "cat > /dev/null");
        says(store, part);
    }
    // A listing that breaks off is none.
    let folder = packet(&[&[105], &number(0), &number(4), &number(0o040_755)]);
    let handle = packet(&[&[102], &number(1), &number(1), b"h"]);
    let names = packet(&[&[104], &number(2), &number(0)]);
    let failure = packet(&[&[101], &number(3), &number(4), &number(8), b"\x1b[2Jgone"]);
    let steps = [hello(), (19, folder), (19, handle), (14, names), (14, failure)];
    let (_dir, store) = scripted(&steps, "cat > /dev/null");
    let error = in_time(move || store.list(Kind::Keys)).unwrap_err().to_string();
    assert!(error.contains("gone") && !error.contains('\x1b'), "{error:?}");
}

/// A server of which a folder has so many names, a reply each, and then this.
fn listing(rows: u32, end: Option<Vec<u8>>) -> Result<usize, StoreError> {
    let folder = packet(&[&[105], &number(0), &number(4), &number(0o040_755)]);
    let handle = packet(&[&[102], &number(1), &number(1), b"h"]);
    let mut steps = vec![hello(), (19, folder), (19, handle)];
    let mut id = 2;
    let row = |id: u32, n: u32| {
        let name = key_of(Kind::Keys, &n.to_le_bytes()).name().to_owned();
        let attributes = [&number(5)[..], &number(0), &number(7), &number(0o100_644)].concat();
        packet(&[
            &[104],
            &number(id),
            &number(1),
            &number(64),
            name.as_bytes(),
            &number(1),
            b"x",
            &attributes,
        ])
    };
    for n in 0..rows {
        steps.push((14, row(id, n)));
        id += 1;
    }
    match end {
        Some(end) => steps.push((14, end)),
        // The same name again, without an end.
        None => (0..60).for_each(|n| steps.push((14, row(id + n, 0)))),
    }
    let (_dir, store) = scripted(&steps, "cat > /dev/null");
    in_time(move || store.list(Kind::Keys)).map(|rows| rows.len())
}

#[test]
fn a_folder_may_have_many_names_a_reply_each() {
    let over = |id: u32| packet(&[&[101], &number(id), &number(1), &number(0)]);
    assert_eq!(listing(4100, Some(over(4102))).unwrap(), 4100);
    let error = listing(3, None).unwrap_err().to_string();
    assert!(error.contains("has no end"), "{error}");
}

#[test]
fn the_root_of_a_server_is_there() {
    // The folders of the object and it itself are looked for, and then made: no folder without a
    // name above them.
    let dir = tempfile::tempdir().unwrap();
    let asked = dir.path().join("asked");
    let absent = |id: u32| packet(&[&[101], &number(id), &number(2), &number(0)]);
    let steps = [hello(), (118, [absent(0), absent(1), absent(2)].concat())];
    let (_dir, store) = scripted_at("/", &steps, &format!("cat > {}", asked.display()));
    std::thread::spawn(move || store.put(&key_of(Kind::Keys, b"k"), b"k"));
    let first = in_time(move || {
        loop {
            match fs::read(&asked) {
                Ok(first) if first.len() >= 18 => return first,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    });
    assert_eq!((first[4], &first[13..18]), (14, b"/keys".as_slice()), "{first:?}");
}
