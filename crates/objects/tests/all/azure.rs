//! Azure Blob Storage: Azurite, and answers that no honest server gives.
use crate::azurite::{ACCOUNT, Azurite, KEY};
use crate::http::{Asked, key_of, says, serve};
use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use strongroom_model::{Clock, Sleep};
use strongroom_objects::{
    AzureContainer, AzureCredential, AzureSettings, Key, Kind, Put, Store, StoreError, conformance,
    hash_name,
};

#[test]
#[ignore = "needs Azurite; cargo xtask test installs and runs it"]
fn azurite_keeps_the_contract() {
    let server = Azurite::start();
    server.make("copies", "rcl");
    let store = server.open("copies", "riverside/");
    conformance::write_once_store(&store, true);
    let config = Key::config();
    assert_eq!(store.put(&config, b"first").unwrap(), Put::New);
    assert_eq!(store.put(&config, b"second").unwrap(), Put::Present);
    assert_eq!(store.get(&config).unwrap(), b"first".as_slice());
    let pack = key_of(Kind::Data, b"right");
    store.replace(&pack, b"wro").unwrap();
    assert!(matches!(store.put(&pack, b"right"), Err(StoreError::Damaged { .. })));
    store.replace(&pack, b"right").unwrap();
    assert_eq!(store.get(&pack).unwrap(), b"right".as_slice());
    let large: Vec<u8> = (0..17_000_001_u32).map(|n| (n % 251) as u8).collect();
    let key = key_of(Kind::Data, &large);
    assert_eq!(store.put(&key, &large).unwrap(), Put::New);
    assert!(store.get(&key).unwrap() == large.as_slice());
    assert!(store.get_range(&key, 32_767..16_999_999).unwrap() == large[32_767..16_999_999]);
    // Sixteen that put one name at a moment: one of them is the first.
    let store = Arc::new(store);
    let writers: Vec<_> = (0..16_u8)
        .map(|n| {
            let store = store.clone();
            // Each says something else, as two that make one repository do.
            std::thread::spawn(move || store.put(&key_of(Kind::Keys, b"k"), &[n]).unwrap())
        })
        .collect();
    let put: Vec<Put> = writers.into_iter().map(|w| w.join().unwrap()).collect();
    assert_eq!(put.iter().filter(|p| **p == Put::New).count(), 1, "{put:?}");
    // Another part of the container is another place, and a container that is not there none.
    assert!(server.open("copies", "other/").list(Kind::Data).unwrap().is_empty());
    for error in [
        server.open("none", "").list(Kind::Data).map(|_| ()).unwrap_err(),
        server.open("none", "").get(&config).map(|_| ()).unwrap_err(),
        server.open("none", "").size(&config).map(|_| ()).unwrap_err(),
    ] {
        assert!(!error.is_not_found(), "{error}");
    }
    // More than a page of names.
    let parts: Vec<_> = (0..4_u32)
        .map(|part| {
            let store = store.clone();
            std::thread::spawn(move || {
                for n in 0..1500_u32 {
                    let body = (part * 1500 + n).to_le_bytes();
                    store.put(&key_of(Kind::Snapshots, &body), &body).unwrap();
                }
            })
        })
        .collect();
    parts.into_iter().for_each(|p| p.join().unwrap());
    assert_eq!(store.list(Kind::Snapshots).unwrap().len(), 6000);
}

#[test]
#[ignore = "needs Azurite; cargo xtask test installs and runs it"]
fn azurite_lets_a_signature_do_what_it_says() {
    let server = Azurite::start();
    let owner = || server.open("copies", "riverside/");
    let with = |sas: String| {
        let credential = AzureCredential::Sas(format!("?{sas}\n").into());
        AzureContainer::new(AzureSettings { credential, ..server.settings("copies", "riverside/") })
            .unwrap()
    };
    // Who may read, create and list adds, and takes nothing away.
    let adds = with(server.make("copies", "rcl"));
    conformance::write_once_store(&adds, false);
    let key = key_of(Kind::Data, b"one object");
    for error in [adds.replace(&key, b"else").unwrap_err(), adds.remove(&key).unwrap_err()] {
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    }
    assert_eq!(owner().get(&key).unwrap(), b"one object".as_slice());
    // A vault reads.
    let reads = with(server.make("copies", "rl"));
    assert_eq!(reads.get(&key).unwrap(), b"one object".as_slice());
    assert_eq!(reads.list(Kind::Index).unwrap().len(), 300);
    let other = key_of(Kind::Data, b"other");
    let error = reads.put(&other, b"other").unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert_eq!(owner().size(&other).unwrap(), None);
    // What opens a container stands in no error.
    let sas = server.make("copies", "rl");
    let signature = sas.split("sig=").nth(1).unwrap().to_owned();
    let wrong = with(sas.replace("sp=rl", "sp=rwl"));
    for error in [
        wrong.get(&key).map(|_| ()).unwrap_err(),
        wrong.list(Kind::Data).map(|_| ()).unwrap_err(),
        wrong.put(&other, b"other").map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert!(!error.to_string().contains(&signature[..20]), "{error}");
        assert!(!error.to_string().contains("sig="), "{error}");
    }
}

struct Fixed(&'static str);

impl Clock for Fixed {
    fn now(&self) -> jiff::Timestamp {
        self.0.parse().unwrap()
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(async {})
    }
}

/// A server that gives an answer to each, and keeps what it was asked.
fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (AzureContainer, Asked) {
    let (at, asked) = serve(answer);
    let url = format!("http://{at}/{ACCOUNT}");
    let store = AzureContainer::new(AzureSettings {
        account: ACCOUNT.into(),
        container: "copies".into(),
        prefix: "riverside/".into(),
        endpoint: Some(url.parse().unwrap()),
        credential: AzureCredential::Key(KEY.to_owned().into()),
        ca_file: None,
        clock: Some(Arc::new(Fixed("2026-02-03T04:05:06Z"))),
    });
    (store.unwrap(), asked)
}

#[test]
fn a_listing_without_an_end_is_given_up() {
    let page = b"<EnumerationResults><Blobs/><NextMarker>again</NextMarker></EnumerationResults>";
    let (store, asked) = answering(move |_| says("200 OK", "", page));
    let error = store.list(Kind::Data).unwrap_err().to_string();
    assert!(error.contains("has no end"), "{error}");
    assert!(asked.lock().unwrap().len() < 10);
    // What is none of ours is passed over, and what breaks off is no listing.
    let ours = hash_name(b"x");
    let rows = |names: &[&str]| {
        let blob = |n: &&str| {
            format!(
                "<Blob><Name>riverside/{n}</Name><Properties><Content-Length>3</Content-Length>\
                 </Properties></Blob>"
            )
        };
        let all: String = names.iter().map(blob).collect();
        format!("<EnumerationResults><Blobs>{all}</Blobs><NextMarker/></EnumerationResults>")
    };
    let good = format!("data/{}/{ours}", &ours[..2]);
    let text = rows(&[&good, "data/../../etc/passwd", "data/README", "keys/x"]);
    let (store, _) = answering(move |_| says("200 OK", "", text.as_bytes()));
    assert_eq!(store.list(Kind::Data).unwrap().len(), 1);
    for body in ["", "<html>please sign in</html>", "<EnumerationResults><Blobs>"] {
        let (store, _) = answering(move |_| says("200 OK", "", body.as_bytes()));
        assert!(store.list(Kind::Data).is_err(), "{body}");
    }
}

#[test]
fn an_answer_of_any_length_costs_what_an_object_may_have() {
    let (store, _) = answering(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 8589934592\r\nConnection: close\r\n\r\nx".to_vec()
    });
    let error = store.get(&Key::config()).unwrap_err().to_string();
    assert!(error.contains("the most that this may have"), "{error}");
    let (store, _) = answering(|_| {
        let mut all = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        all.resize(all.len() + 70 * 1024, b'x');
        all
    });
    let error = store.get(&Key::config()).unwrap_err().to_string();
    assert!(error.contains("the most that this may have"), "{error}");
    // A part is a part.
    let (store, _) = answering(|_| says("206 Partial Content", "", b"0123456789"));
    assert!(store.get_range(&Key::config(), 0..4).is_err());
    let (store, _) = answering(|_| says("206 Partial Content", "", b"01"));
    assert!(store.get_range(&Key::config(), 0..4).is_err());
}

#[test]
fn a_redirect_and_a_page_that_is_not_found_are_no_answers() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let to = format!("Location: http://{}/\r\n", elsewhere.local_addr().unwrap());
    let (store, _) = answering(move |_| says("307 Temporary Redirect", &to, b""));
    let error = store.get(&Key::config()).unwrap_err().to_string();
    assert!(error.contains("redirects are not followed"), "{error}");
    assert!(elsewhere.accept().is_err());
    // Absent is what the service says of an object, and nothing else.
    for code in ["", "x-ms-error-code: ContainerNotFound\r\n"] {
        let (store, _) = answering(move |_| says("404 Not Found", code, b"\x1b[2Jgone"));
        for error in [
            store.size(&Key::config()).map(|_| ()).unwrap_err(),
            store.get(&Key::config()).map(|_| ()).unwrap_err(),
        ] {
            assert!(!error.is_not_found() && !error.to_string().contains('\x1b'), "{error:?}");
        }
    }
    let no = "x-ms-error-code: BlobNotFound\r\n";
    let (store, _) = answering(move |_| says("404 Not Found", no, b""));
    assert_eq!(store.size(&Key::config()).unwrap(), None);
    assert!(store.get(&Key::config()).unwrap_err().is_not_found());
    // A length that is not said is no absence.
    let (store, _) = answering(|_| b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec());
    assert!(store.size(&Key::config()).is_err());
}

#[test]
fn what_is_busy_is_asked_again_when_it_says() {
    let first = AtomicUsize::new(0);
    let (store, asked) = answering(move |_| match first.fetch_add(1, Ordering::SeqCst) {
        0 => says("503 Server Busy", "Retry-After: 2\r\n", b""),
        1 => says("500 Operation Timed Out", "Retry-After: 1e30\r\n", b""),
        _ => says("200 OK", "", b"the whole"),
    });
    let began = Instant::now();
    assert_eq!(store.get(&Key::config()).unwrap(), b"the whole".as_slice());
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[test]
fn the_first_answer_to_a_put_may_be_lost() {
    // It was stored, and the connection broke.
    let first = AtomicUsize::new(0);
    let (store, _) = answering(move |request| match request.split(' ').next().unwrap() {
        "PUT" => match first.fetch_add(1, Ordering::SeqCst) {
            0 => Vec::new(),
            _ => says("409 Conflict", "x-ms-error-code: BlobAlreadyExists\r\n", b""),
        },
        "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n".to_vec(),
        _ => says("200 OK", "", b"config"),
    });
    assert_eq!(store.put(&Key::config(), b"config").unwrap(), Put::New);
    assert_eq!(store.put(&Key::config(), b"config").unwrap(), Put::Present);
}

#[test]
fn a_key_goes_into_no_request_and_a_clock_that_is_wrong_is_told() {
    let no = "x-ms-error-code: AuthenticationFailed\r\nDate: Tue, 03 Feb 2026 04:25:06 GMT\r\n";
    let (store, asked) = answering(move |_| says("403 Forbidden", no, b"MAC signature found: abc"));
    let error = store.get(&Key::config()).unwrap_err().to_string();
    assert!(error.contains("20 minutes behind") && !error.contains("abc"), "{error}");
    let text = asked.lock().unwrap()[0].clone();
    assert!(text.contains("authorization: SharedKey devstoreaccount1:"), "{text}");
    assert!(text.contains("x-ms-date: Tue, 03 Feb 2026 04:05:06 GMT"), "{text}");
    assert!(!text.contains(&KEY[..20]), "{text}");
    for wrong in ["", "not a key"] {
        let settings = AzureSettings {
            account: ACCOUNT.into(),
            container: "copies".into(),
            prefix: String::new(),
            endpoint: None,
            credential: AzureCredential::Key(wrong.to_owned().into()),
            ca_file: None,
            clock: None,
        };
        assert!(AzureContainer::new(settings.clone()).is_err());
        let credential = AzureCredential::Sas(wrong.to_owned().into());
        assert!(AzureContainer::new(AzureSettings { credential, ..settings }).is_err());
    }
}
