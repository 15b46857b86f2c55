//! What every store that is a way off survives: outages, and answers that are cut off.
use crate::http::{key_of, ok, says, serve, serve_on};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use strongroom_objects::{
    AzureContainer, AzureCredential, AzureSettings, Key, Kind, LockedStore, RestServer,
    RestSettings, RetryPolicy, S3Bucket, S3Settings, Store, StoreError,
};

fn patience(most: Duration) -> RetryPolicy {
    RetryPolicy::of(most, most, Duration::from_millis(20))
}

fn rest(at: SocketAddr, patience: RetryPolicy) -> RestServer {
    let url = format!("http://{at}/r/").parse().unwrap();
    let settings = RestSettings { url, credential: None, ca_file: None };
    RestServer::new(settings).unwrap().with_patience(patience)
}

fn settings_at(endpoint: &str) -> S3Settings {
    S3Settings {
        endpoint: Some(endpoint.parse().unwrap()),
        region: "us-east-1".into(),
        bucket: "r".into(),
        prefix: String::new(),
        access_key_id: "writer".into(),
        secret_access_key: "secret".to_owned().into(),
        ca_file: None,
        owner_control: false,
        clock: None,
    }
}

fn bucket_at(endpoint: &str, patience: RetryPolicy) -> S3Bucket {
    S3Bucket::new(settings_at(endpoint)).unwrap().with_patience(patience)
}

fn bucket(at: SocketAddr, patience: RetryPolicy) -> S3Bucket {
    bucket_at(&format!("http://{at}/"), patience)
}

fn container(at: SocketAddr, patience: RetryPolicy) -> AzureContainer {
    let settings = AzureSettings {
        account: "account".into(),
        container: "r".into(),
        prefix: String::new(),
        endpoint: Some(format!("http://{at}/").parse().unwrap()),
        credential: AzureCredential::Sas("sig=x".to_owned().into()),
        ca_file: None,
        clock: None,
    };
    AzureContainer::new(settings).unwrap().with_patience(patience)
}

/// Each kind of store behind one address.
fn all(at: SocketAddr, most: Duration) -> Vec<Arc<dyn Store>> {
    vec![
        Arc::new(rest(at, patience(most))),
        Arc::new(bucket(at, patience(most))),
        Arc::new(container(at, patience(most))),
    ]
}

const BODY: &[u8] = b"the whole";

/// A repository with one pack, in whatever protocol it is asked for.
fn repository(request: &str) -> Vec<u8> {
    let line = request.lines().next().unwrap_or_default();
    let name = key_of(Kind::Data, BODY).name().to_owned();
    let path = format!("data/{}/{name}", &name[..2]);
    match line {
        l if l.contains("list-type=2") => ok(format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount><Contents>\
             <Key>{path}</Key><Size>9</Size></Contents></ListBucketResult>"
        )
        .as_bytes()),
        l if l.contains("comp=list") => ok(format!(
            "<EnumerationResults><Blobs><Blob><Name>{path}</Name><Properties><Content-Length>9\
             </Content-Length></Properties></Blob></Blobs><NextMarker/></EnumerationResults>"
        )
        .as_bytes()),
        l if l.starts_with("GET /r/data/ ") => {
            ok(format!("[{{\"name\":\"{name}\",\"size\":9}}]").as_bytes())
        }
        l if l.starts_with("GET ") => ok(BODY),
        l if l.starts_with("HEAD ") => {
            says("404 Not Found", "x-ms-error-code: BlobNotFound\r\n", b"")
        }
        _ => says("201 Created", "", b""),
    }
}

fn works(store: &dyn Store) -> Result<(), StoreError> {
    let key = key_of(Kind::Data, BODY);
    store.put(&key, BODY)?;
    assert_eq!(store.get(&key)?, BODY);
    assert_eq!(store.list(Kind::Data)?.len(), 1, "{}", store.location());
    Ok(())
}

#[test]
fn an_outage_is_waited_for() {
    for n in 0..3 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        // Nobody listens there: the end of patience is an error.
        let hasty = all(at, Duration::ZERO).remove(n);
        assert!(matches!(works(hasty.as_ref()), Err(StoreError::Failed { .. })));
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1500));
            serve_on(TcpListener::bind(at).unwrap(), repository)
        });
        works(all(at, Duration::from_secs(60)).remove(n).as_ref()).unwrap();
        assert!(!late.join().unwrap().lock().unwrap().is_empty());
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again_by_each_of_many() {
    for n in 0..3 {
        let count = AtomicUsize::new(0);
        let (at, _) = serve(move |request| match count.fetch_add(1, Ordering::SeqCst) {
            0..200 => says("503 Service Unavailable", "", b""),
            _ => repository(request),
        });
        let store = all(at, Duration::from_secs(60)).remove(n);
        let threads: Vec<_> = (0..32)
            .map(|_| {
                let store = store.clone();
                std::thread::spawn(move || works(store.as_ref()))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    }
}

/// A firewall forgets a connection, and drops what comes on it: nobody says so.
#[test]
fn an_upload_on_a_dead_line_is_begun_anew() {
    let bytes = vec![7; 24 << 20];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let puts = Arc::new(AtomicUsize::new(0));
    let counted = puts.clone();
    std::thread::spawn(move || {
        let mut dead = Vec::new();
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            let told = |socket: &mut TcpStream, status: &str| {
                let end = "content-length: 0\r\nconnection: close\r\n\r\n";
                socket.write_all(format!("HTTP/1.1 {status}\r\n{end}").as_bytes()).unwrap();
            };
            if head.starts_with("head ") {
                told(&mut socket, "404 Not Found");
                continue;
            }
            let n = counted.fetch_add(1, Ordering::SeqCst);
            // Nothing is taken any more, or all is taken and never answered.
            let taken = if n == 0 { 64 << 10 } else { 24 << 20 };
            assert!(head.contains(&format!("content-length: {}\r\n", 24 << 20)), "{head}");
            let came = std::io::copy(&mut (&socket).take(taken), &mut std::io::sink()).unwrap();
            assert_eq!(came, taken);
            match n {
                0 => dead.push(socket),
                _ => told(&mut socket, "200 OK"),
            }
        }
    });
    let settings = settings_at(&format!("http://{at}/"));
    let store = S3Bucket::new_watched(settings, Duration::from_secs(1)).unwrap();
    let store = store.with_patience(patience(Duration::from_secs(60)));
    let began = Instant::now();
    store.put(&key_of(Kind::Data, &bytes), &bytes).unwrap();
    assert_eq!(puts.load(Ordering::SeqCst), 2);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

/// A line that gives less than a piece in the time for which an upload may stand still.
#[test]
fn an_upload_on_a_slow_line_goes_on() {
    let bytes = vec![7; 16 << 20];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut buffer = vec![0; 256 << 10];
        let (mut came, mut head) = (0, None);
        let began = Instant::now();
        while head.is_none_or(|head: usize| came < head + (16 << 20)) {
            let n = socket.read(&mut buffer).unwrap();
            let text = &buffer[..n];
            if head.is_none() {
                head = text.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4 + came);
            }
            came += n;
            std::thread::sleep(Duration::from_millis(40));
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        began.elapsed()
    });
    let settings = settings_at(&format!("http://{at}/"));
    let store = S3Bucket::new_watched(settings, Duration::from_secs(1)).unwrap();
    store.put_fresh(&key_of(Kind::Data, &bytes), &bytes).unwrap();
    assert!(server.join().unwrap() > Duration::from_secs(2), "longer than it may stand still");
}

#[test]
fn what_is_cut_off_is_read_again() {
    for n in 0..3 {
        let first = AtomicUsize::new(0);
        let (at, asked) = serve(move |_| match first.fetch_add(1, Ordering::SeqCst) {
            0 => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\ncut".to_vec(),
            _ => ok(BODY),
        });
        let store = all(at, Duration::ZERO).remove(n);
        assert_eq!(store.get(&key_of(Kind::Data, BODY)).unwrap(), BODY, "{}", store.location());
        assert_eq!(asked.lock().unwrap().len(), 2, "{}", store.location());
    }
    // One that is always cut is no rot: what lies there was not seen.
    let (at, asked) =
        serve(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\ncut".to_vec());
    for store in all(at, Duration::ZERO) {
        let error = store.get(&key_of(Kind::Data, BODY)).unwrap_err();
        assert!(matches!(error, StoreError::Failed { .. }), "{error}");
    }
    assert_eq!(asked.lock().unwrap().len(), 9);
}

/// The listing of a bucket with one object, as list and as versions.
fn listings() -> [String; 2] {
    let key = key_of(Kind::Data, BODY);
    let path = format!("data/{}/{}", &key.name()[..2], key.name());
    [
        format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount><Contents>\
             <Key>{path}</Key><Size>5</Size></Contents></ListBucketResult>"
        ),
        format!(
            "<ListVersionsResult><IsTruncated>false</IsTruncated><Version><Key>{path}</Key>\
             <VersionId>v</VersionId><Size>5</Size></Version></ListVersionsResult>"
        ),
    ]
}

/// What a bucket says of itself: how many rows, or no.
fn rows(body: String, is_survey: bool) -> Result<usize, StoreError> {
    let (at, _) = serve(move |_| ok(body.as_bytes()));
    let store = bucket(at, patience(Duration::ZERO));
    match is_survey {
        true => store.survey("").map(|r| r.len()),
        false => store.list(Kind::Data).map(|r| r.len()),
    }
}

#[test]
fn a_listing_that_breaks_off_is_none() {
    for (body, is_survey) in listings().into_iter().zip([false, true]) {
        assert_eq!(rows(body.clone(), is_survey).unwrap(), 1);
        // It ends with a right length, as behind something that reads for us.
        for n in 0..body.len() {
            let e = rows(body[..n].to_owned(), is_survey).unwrap_err();
            assert!(matches!(e, StoreError::Failed { .. }), "{n}: {e}");
        }
        for (from, to) in [
            ("<IsTruncated>false</IsTruncated>", ""),
            ("<Size>5</Size>", ""),
            ("<Size>5</Size>", "<Size>-5</Size>"),
            ("<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated>"),
        ] {
            assert!(rows(body.replace(from, to), is_survey).is_err(), "{to}");
        }
    }
    let [body, _] = listings();
    assert!(rows(body.replace("<KeyCount>1<", "<KeyCount>2<"), false).is_err());
}

const CHILD: &str = "STRONGROOM_TEST_BUCKET";

#[test]
fn a_bucket_is_reached_by_the_proxy_that_everything_else_uses() {
    if let Ok(endpoint) = std::env::var(CHILD) {
        let store = bucket_at(&endpoint, patience(Duration::ZERO));
        assert!(store.list(Kind::Data).is_err());
        return;
    }
    let (proxy, asked) = serve(|_| says("403 Forbidden", "", b""));
    let child = |endpoint: &str| {
        let me = std::env::current_exe().unwrap();
        let ran = Command::new(me)
            .args(["--exact", "outage::a_bucket_is_reached_by_the_proxy_that_everything_else_uses"])
            .env(CHILD, endpoint)
            .env("HTTPS_PROXY", format!("http://{proxy}"))
            .env("HTTP_PROXY", format!("http://{proxy}"))
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    };
    child("https://bucket.invalid/");
    let first = asked.lock().unwrap()[0].clone();
    assert!(first.starts_with("CONNECT bucket.invalid:443 "), "{first}");
    // Nobody stands between this host and itself.
    let count = asked.lock().unwrap().len();
    child("http://127.0.0.1:9/");
    assert_eq!(asked.lock().unwrap().len(), count);
}

#[test]
fn a_server_that_knows_no_condition_is_asked_for_none_twice() {
    let (at, asked) =
        serve(|request| match request.to_ascii_lowercase().contains("if-none-match") {
            true => says("501 Not Implemented", "", b"<Error><Code>NotImplemented</Code></Error>"),
            false => repository(request),
        });
    let store = bucket(at, patience(Duration::ZERO));
    for body in [b"one", b"two"] {
        store.put_fresh(&key_of(Kind::Data, body), body).unwrap();
    }
    assert_eq!(asked.lock().unwrap().iter().filter(|r| r.starts_with("PUT ")).count(), 3);
}

#[test]
fn the_clock_of_a_container_is_told_whatever_it_answers() {
    let date = "Date: Tue, 03 Feb 2026 04:25:06 GMT\r\n";
    let (at, _) = serve(move |_| says("403 Forbidden", date, b""));
    let store = container(at, patience(Duration::ZERO));
    assert_eq!(store.clock().unwrap(), Some("2026-02-03T04:25:06Z".parse().unwrap()));
    let _ = Key::config();
}
