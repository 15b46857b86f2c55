//! What a service, or whoever answers in its stead, may make this side do: bytes, time and places
//! are bounded.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use strongroom_graph::{
    Answering, Budget, Client, Credential, ErrorKind, HttpAnswer, HttpRequest, Https, Request,
    RetryLimits, Scope, Settings, Transport,
};
use strongroom_model::{Clock, Sleep, limits};

const GRAPH: &str = "https://graph.example/";

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> HttpAnswer {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        all.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let body = Bytes::from(body.into());
    HttpAnswer { status, headers: all, body: futures::stream::iter([Ok(body)]).boxed() }
}

fn token() -> HttpAnswer {
    answer(200, &[], json!({"access_token": "secret", "expires_in": 3600}).to_string())
}

type Answers = Box<dyn Fn(&HttpRequest, usize) -> HttpAnswer + Send + Sync>;

/// Answers as it is told, and writes down who was asked.
struct Scripted {
    answers: Answers,
    asked: Mutex<Vec<String>>,
}

impl Transport for Scripted {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let nth = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(host.clone());
            asked.iter().filter(|h| **h == host).count()
        };
        let reply = match host.as_str() {
            "login.example" if request.method == "POST" => token(),
            _ => (self.answers)(&request, nth),
        };
        Box::pin(async move { Ok(reply) })
    }
}

/// Sleeps at once, and adds up for how long.
#[derive(Default)]
struct Slept(Mutex<Duration>);

impl Clock for Slept {
    fn now(&self) -> jiff::Timestamp {
        let start: jiff::Timestamp = "2026-11-29T00:00:00Z".parse().unwrap();
        start + *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        *self.0.lock().unwrap() += duration;
        Box::pin(std::future::ready(()))
    }
}

fn client_of(
    graph: &str,
    answers: impl Fn(&HttpRequest, usize) -> HttpAnswer + Send + Sync + 'static,
) -> (Client, Arc<Scripted>, Arc<Slept>) {
    let patience = RetryLimits { tries: 3, pause_ms: 1, throttled_s_max: 10_000_000 };
    client_with("https://login.example/", graph, patience, answers)
}

fn client_with(
    authority: &str,
    graph: &str,
    patience: RetryLimits,
    answers: impl Fn(&HttpRequest, usize) -> HttpAnswer + Send + Sync + 'static,
) -> (Client, Arc<Scripted>, Arc<Slept>) {
    let settings = Settings {
        authority: authority.parse().unwrap(),
        graph: graph.parse().unwrap(),
        tenant: "t".into(),
        application_id: "a".into(),
        credential: Credential::Secret("s".to_owned().into()),
        ca_file: None,
        user_agent: "test".into(),
    };
    let transport = Arc::new(Scripted { answers: Box::new(answers), asked: Mutex::default() });
    let clock = Arc::new(Slept::default());
    let budget = Arc::new(Budget::new(false));
    let client =
        Client::with_transport(settings, transport.clone(), clock.clone(), budget, patience);
    (client, transport, clock)
}

/// A body without end, of which it is counted how much was taken.
fn endless(taken: &Arc<AtomicUsize>) -> futures::stream::BoxStream<'static, Piece> {
    const PIECE: usize = 1024 * 1024;
    let taken = taken.clone();
    // Not quite without end, so that a program that takes everything is seen to, and lives.
    let pieces = futures::stream::repeat(Bytes::from(vec![b' '; PIECE])).take(64);
    let count = move |piece: Bytes| {
        taken.fetch_add(piece.len(), Ordering::Relaxed);
        Ok(piece)
    };
    pieces.map(count).boxed()
}

type Piece = Result<Bytes, strongroom_graph::TransportError>;

const FAR: [&str; 9] = [
    "nan",
    "inf",
    "-inf",
    "-5",
    "1e308",
    "18446744073709551615",
    "18446744073709552",
    "9000000000",
    "Fri, 31 Dec 9999 23:59:59 GMT",
];

#[tokio::test]
async fn nobody_is_waited_for_beyond_the_limit() {
    for value in FAR {
        let (client, _, clock) = client_of(GRAPH, move |_, nth| match nth {
            1 => answer(429, &[("retry-after", value), ("ratelimit-reset", value)], ""),
            _ => answer(200, &[], json!({"value": []}).to_string()),
        });
        let list = client.list(&Request::get(Scope::Directory, "users")).await;
        assert!(list.unwrap().is_empty(), "{value}");
        let slept = clock.0.lock().unwrap().as_secs();
        assert!(slept <= limits::RETRY_AFTER_S_MAX + 60, "{value}: {slept} s");

        // The same within a batch.
        let (client, _, clock) = client_of(GRAPH, move |_, nth| {
            let inner = match nth {
                1 => json!({"id": "0", "status": 429, "headers": {"Retry-After": value}}),
                _ => json!({"id": "0", "status": 200, "body": {"id": "x"}}),
            };
            answer(200, &[], json!({"responses": [inner]}).to_string())
        });
        let all = client.batch_get(&Scope::Directory, &["users/x".into()]).await.unwrap();
        assert_eq!(all[0].as_ref().unwrap()["id"], "x");
        let slept = clock.0.lock().unwrap().as_secs();
        assert!(slept <= limits::RETRY_AFTER_S_MAX + 60, "{value}: {slept} s");

        // The host of one file holds up all files, for less.
        let (client, _, clock) =
            client_of(GRAPH, move |request, nth| match (request.url.host_str().unwrap(), nth) {
                ("graph.example", _) => answer(302, &[("location", "https://files.example/f")], ""),
                (_, 1) => answer(503, &[("retry-after", value)], ""),
                _ => answer(200, &[("content-length", "3")], "abc"),
            });
        let mut download = client.download(Request::get(Scope::Drives, "drives/d/content"));
        assert_eq!(download.next().await.unwrap().unwrap(), "abc", "{value}");
        let slept = clock.0.lock().unwrap().as_secs();
        assert!(slept <= limits::FILE_HOST_WAIT_S_MAX + 60, "{value}: {slept} s");
    }
}

/// A date is waited for; it is the other form that a server may use.
#[tokio::test]
async fn a_date_says_until_when() {
    let (client, _, clock) = client_of(GRAPH, |_, nth| match nth {
        1 => answer(503, &[("retry-after", "Sun, 29 Nov 2026 00:02:00 GMT")], ""),
        _ => answer(200, &[], json!({"value": []}).to_string()),
    });
    client.list(&Request::get(Scope::Directory, "users")).await.unwrap();
    assert_eq!(clock.0.lock().unwrap().as_secs(), 120);
}

#[tokio::test]
async fn an_answer_that_says_to_come_back_at_once_is_not_asked_for_ever() {
    let patience = RetryLimits { tries: 3, pause_ms: 100, throttled_s_max: 2 };
    let (client, asked, _) = client_with("https://login.example/", GRAPH, patience, |_, _| {
        answer(503, &[("retry-after", "0")], "")
    });
    let e = client.list(&Request::get(Scope::Directory, "users")).await.unwrap_err();
    assert_eq!(e.kind, ErrorKind::Throttled);
    assert!(asked.asked.lock().unwrap().len() < 30);
}

const ELSEWHERE: [&str; 20] = [
    "http://files.example/f",
    "ftp://files.example/f",
    "file:///etc/passwd",
    "files.example/f",
    "https://somebody@files.example/f",
    "https://somebody:secret@files.example/f",
    "https://localhost/f",
    "https://files.localhost./f",
    "https://127.0.0.1/f",
    "https://127.1/f",
    "https://2130706433/f",
    "https://0x7f000001/f",
    "https://0.0.0.0/f",
    "https://10.1.2.3/f",
    "https://169.254.169.254/latest/meta-data",
    "https://192.168.0.1/f",
    "https://100.64.0.1/f",
    "https://[::1]/f",
    "https://[::ffff:10.0.0.1]/f",
    "https://[fd00::1]/f",
];

#[tokio::test]
async fn a_link_leads_to_https_and_to_no_neighbour() {
    for link in ELSEWHERE {
        let (client, asked, _) =
            client_of(GRAPH, move |request, _| match request.url.path().ends_with("/content") {
                true => answer(302, &[("location", link)], ""),
                false => answer(200, &[], json!({"uploadUrl": link}).to_string()),
            });
        let mut download = client.download(Request::get(Scope::Drives, "drives/d/content"));
        let e = download.next().await.unwrap_err();
        assert_eq!(e.kind, ErrorKind::BadAnswer, "{link}: {e}");
        assert!(!e.text.as_str().contains("secret") && !e.text.as_str().contains("/f"), "{e}");
        let session = Request::post(Scope::Drives, "drives/d/session", &json!({}));
        let read = |_, _| async { Ok(Bytes::from("abc")) };
        let e = client.upload_file(&session, 3, read).await.unwrap_err();
        assert_eq!(e.kind, ErrorKind::BadAnswer, "{link}: {e}");
        let content = Bytes::from("abc");
        let e = client.upload_attachment(&session, &content).await.unwrap_err();
        assert_eq!(e.kind, ErrorKind::BadAnswer, "{link}: {e}");
        let asked = asked.asked.lock().unwrap().clone();
        assert!(asked.iter().all(|h| h == "login.example" || h == "graph.example"), "{asked:?}");
    }
    // Where Graph itself is a neighbour, its links may lead there.
    let (client, _, _) = client_of("https://127.0.0.1:4443/", |request, _| {
        match request.url.path().ends_with("/content") {
            true => answer(302, &[("location", "https://127.0.0.1:4443/f")], ""),
            false => answer(200, &[("content-length", "3")], "abc"),
        }
    });
    let mut download = client.download(Request::get(Scope::Drives, "drives/d/content"));
    assert_eq!(download.next().await.unwrap().unwrap(), "abc");
}

#[tokio::test]
async fn a_body_takes_no_more_memory_than_its_kind_may() {
    let most = limits::ANSWER_BYTES_MAX + 2 * 1024 * 1024;
    // Of an error, whoever sends it.
    for (status, at) in [(404, "graph.example"), (404, "files.example"), (410, "files.example")] {
        let taken = Arc::new(AtomicUsize::new(0));
        let body = taken.clone();
        let (client, _, _) = client_of(GRAPH, move |request, _| {
            let mut reply = match request.url.host_str() == Some(at) {
                true => answer(status, &[], ""),
                false => return answer(302, &[("location", "https://files.example/f")], ""),
            };
            reply.body = endless(&body);
            reply
        });
        let mut download = client.download(Request::get(Scope::Drives, "drives/d/content"));
        download.next().await.unwrap_err();
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken <= most, "{status} of {at}: {taken} bytes");
    }
    // Of the sign-in service.
    let taken = Arc::new(AtomicUsize::new(0));
    let body = taken.clone();
    let patience = RetryLimits { tries: 1, pause_ms: 1, throttled_s_max: 1 };
    let (client, _, _) = client_with("https://endless.example/", GRAPH, patience, move |_, _| {
        let mut reply = answer(200, &[], "");
        reply.body = endless(&body);
        reply
    });
    client.list(&Request::get(Scope::Directory, "users")).await.unwrap_err();
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken <= most, "sign-in: {taken} bytes");
}

#[tokio::test]
async fn a_list_without_end_ends() {
    let rows: Vec<u8> = vec![0; 200_000];
    let (client, _, _) = client_of(GRAPH, move |_, nth| {
        let next = format!("{GRAPH}v1.0/users?page={nth}");
        assert!(nth < 100, "it is read for ever");
        answer(200, &[], json!({"value": rows, "@odata.nextLink": next}).to_string())
    });
    let e = client.list(&Request::get(Scope::Directory, "users")).await.unwrap_err();
    assert_eq!(e.kind, ErrorKind::BadAnswer, "{e}");
}

/// Half a character in one subject, or a number that is none, costs that item alone: nothing else
/// of the page, not its links, and nobody is asked again for the same bytes.
#[tokio::test]
async fn one_bad_element_of_a_page_is_one_unreadable_item() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let bad = [
        ("\"\\ud83d\"", 10),
        ("\"\\ude00\\ud83d\"", 10),
        ("1e999", 9),
        ("-1e99999", 9),
        (deep.as_str(), 9),
        ("nothing", 9),
    ];
    for (value, whole) in bad {
        let rows: Vec<String> = (0..10)
            .map(|n| {
                format!("{{\"id\":\"m{n}\",\"subject\":{}}}", if n == 4 { value } else { "1" })
            })
            .collect();
        let body = format!("{{\"value\":[{}],\"@odata.deltaLink\":\"l\"}}", rows.join(","));
        let (client, asked, _) = client_of(GRAPH, move |_, _| answer(200, &[], body.clone()));
        let request = Request::get(Scope::Directory, "users/delta");
        let page = client.page(&request).await.unwrap();
        assert_eq!((page.value.len(), page.unreadable.len()), (whole, 10 - whole), "{value:.20}");
        assert_eq!(page.delta.as_deref(), Some("l"));
        assert!(page.unreadable.iter().all(|u| u.id.as_deref() == Some("m4")));
        assert_eq!(asked.asked.lock().unwrap().len(), 2, "a token and a page");
        // A list with less in it would say that something is gone.
        let list = client.list(&request).await;
        match whole {
            10 => assert_eq!(list.unwrap()[4]["subject"].as_str().unwrap().len() % 3, 0),
            _ => assert!(list.unwrap_err().text.as_str().contains("m4"), "{value:.20}"),
        }

        let row =
            |n: usize, body: &str| format!("{{\"id\":\"{n}\",\"status\":200,\"body\":{body}}}");
        let body = format!(
            "{{\"responses\":[{},{}]}}",
            row(0, &format!("{{\"subject\":{value}}}")),
            row(1, "{\"subject\":\"x\"}")
        );
        let (client, _, _) = client_of(GRAPH, move |_, _| answer(200, &[], body.clone()));
        let targets = ["users/a".to_owned(), "users/b".to_owned()];
        let all = client.batch_get(&Scope::Directory, &targets).await.unwrap();
        assert_eq!(all[0].is_ok(), whole == 10, "{value:.20}");
        assert_eq!(all[1].as_ref().unwrap()["subject"], "x");
    }
    // What was cut off is no page of less.
    let body = "{\"value\":[{\"id\":\"a\"},{\"id\":\"b\",\"x\":1e999}";
    let (client, _, _) = client_of(GRAPH, move |_, _| answer(200, &[], body));
    let page = client.page(&Request::get(Scope::Directory, "users")).await;
    assert_eq!(page.unwrap_err().kind, ErrorKind::BadAnswer);
}

/// What is whole and cannot be read is so the next time too: an item costs two requests, and not as
/// many as an outage is worth. What was cut is asked for until it is whole.
#[tokio::test]
async fn the_same_bad_bytes_are_asked_for_twice() {
    let request = Request::get(Scope::Directory, "users/a");
    let ask = |body: fn(usize) -> &'static str| {
        let (client, asked, _) = client_of(GRAPH, move |_, nth| answer(200, &[], body(nth)));
        let request = request.clone();
        async move {
            let got = client.json::<serde_json::Value>(&request).await;
            (got.map_err(|e| e.kind), asked.asked.lock().unwrap().len() - 1)
        }
    };
    let bad = Err(ErrorKind::BadAnswer);
    assert_eq!(ask(|_| r#"{"id":"a","x":1e999}"#).await, (bad, 2));
    assert_eq!(ask(|n| [r#"{"x":1e999}"#, r#"{"x":1}"#][n - 1]).await.1, 2);
    // One that changes may come to its senses.
    let changing = |n: usize| [r#"{"x":1e999}"#, r#"{"y":1e999}"#, r#"{"x":1}"#][n - 1];
    assert_eq!(ask(changing).await, (Ok(json!({"x": 1})), 3));
    let cut = ask(|n| if n < 3 { r#"{"id":"a""# } else { r#"{"id":"a"}"# }).await;
    assert_eq!(cut, (Ok(json!({"id": "a"})), 3));
    let portal = ask(|n| if n < 3 { "<html>sign in</html>" } else { "{}" }).await;
    assert_eq!(portal, (Ok(json!({})), 3));
}

/// A name says nothing of where it leads. This one leads to this machine everywhere, as any name of
/// somebody else's may.
#[tokio::test]
async fn a_name_that_leads_to_a_neighbour_is_not_connected_to() {
    let ear = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = ear.local_addr().unwrap().port();
    let https = |graph: &str| {
        let settings = Settings {
            authority: "https://login.example/".parse().unwrap(),
            graph: graph.parse().unwrap(),
            tenant: "t".into(),
            application_id: "a".into(),
            credential: Credential::Secret("s".to_owned().into()),
            ca_file: None,
            user_agent: "test".into(),
        };
        Https::new(&settings).unwrap()
    };
    let ask = |https: Https| {
        let url = format!("http://localhost:{port}/f").parse().unwrap();
        let request =
            HttpRequest { method: http::Method::GET, url, headers: HeaderMap::new(), body: None };
        tokio::spawn(async move { https.send(request).await.err() })
    };
    let e = ask(https(GRAPH)).await.unwrap().expect("nobody answered");
    assert!(!e.sent && e.text.contains("own network"), "{e}");
    let heard = tokio::time::timeout(Duration::from_millis(200), ear.accept()).await;
    assert!(heard.is_err(), "it was connected to");
    // Where the service itself is a neighbour, what it names may be one.
    let asked = ask(https("https://127.0.0.1:1/"));
    let heard = tokio::time::timeout(Duration::from_secs(10), ear.accept()).await;
    assert!(heard.is_ok(), "nobody came");
    asked.abort();
}

/// A server that sends its body in pieces, with a pause before each.
async fn slow(pieces: usize, pause: Duration) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listening = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listening.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listening.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {pieces}\r\n\r\n");
        let _ = socket.write_all(head.as_bytes()).await;
        for _ in 0..pieces {
            tokio::time::sleep(pause).await;
            if socket.write_all(b"x").await.is_err() {
                break;
            }
        }
    });
    format!("http://{address}/f")
}

#[tokio::test]
async fn a_body_that_trickles_ends_and_a_reader_that_takes_its_time_does_not_end_it() {
    let https = || {
        let settings = Settings {
            authority: GRAPH.parse().unwrap(),
            graph: GRAPH.parse().unwrap(),
            tenant: "t".into(),
            application_id: "a".into(),
            credential: Credential::Secret("s".to_owned().into()),
            ca_file: None,
            user_agent: "test".into(),
        };
        Https::new(&settings).unwrap().with_pace(Duration::from_millis(400), 1_000_000)
    };
    let ask = async |url: String| {
        let headers = HeaderMap::new();
        let url = url.parse().unwrap();
        let request = HttpRequest { method: http::Method::GET, url, headers, body: None };
        https().send(request).await.unwrap().body
    };
    // It would take twenty seconds.
    let mut body = ask(slow(400, Duration::from_millis(50)).await).await;
    let mut bytes = 0;
    let ended = loop {
        match body.next().await {
            Some(Ok(piece)) => bytes += piece.len(),
            Some(Err(e)) => break e,
            None => unreachable!("it came whole"),
        }
    };
    assert!(ended.text.contains("too slowly") && ended.sent, "{ended}");
    assert!(bytes < 100, "{bytes}");

    let mut body = ask(slow(10, Duration::ZERO).await).await;
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        bytes += piece.unwrap().len();
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    assert_eq!(bytes, 10);
}
