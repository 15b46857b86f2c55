//! All that the crate sends goes through the transport that it was given, and the token goes to
//! Graph alone.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use std::sync::{Arc, Mutex};
use strongroom_graph::{
    Answering, Budget, Client, Credential, HttpAnswer, HttpRequest, Request, RetryLimits, Scope,
    Settings, TokioClock, Transport, TransportError,
};

/// Answers from a list of rules, and writes down who was asked and whether a token was shown.
#[derive(Default)]
struct Scripted(Mutex<Vec<(String, bool)>>);

fn answer(status: u16, header: Option<(&'static str, &str)>, body: &str) -> HttpAnswer {
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let body = Bytes::from(body.to_owned());
    HttpAnswer { status, headers, body: futures::stream::iter([Ok(body)]).boxed() }
}

impl Transport for Scripted {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        let host = request.url.host_str().unwrap().to_owned();
        let token = request.headers.contains_key("authorization");
        self.0.lock().unwrap().push((format!("{} {host}", request.method), token));
        let last = request.url.path().rsplit('/').next().unwrap_or_default().to_owned();
        let session = json!({"uploadUrl": "https://upload.example/session"}).to_string();
        let reply = match (host.as_str(), last.as_str()) {
            ("login.example", _) => answer(
                200,
                None,
                &json!({"access_token": "secret", "expires_in": 3600}).to_string(),
            ),
            (_, "content") => answer(302, Some(("location", "https://files.example/f")), ""),
            ("files.example", _) if request.headers.contains_key("range") => {
                answer(206, Some(("content-range", "bytes 3-5/6")), "def")
            }
            ("files.example", _) => {
                let mut cut = answer(200, Some(("content-length", "6")), "abc");
                let error = TransportError { text: "reset".into(), sent: true };
                cut.body = futures::stream::iter([Ok(Bytes::from("abc")), Err(error)]).boxed();
                cut
            }
            ("upload.example", _) => answer(201, None, &json!({"id": "new"}).to_string()),
            (_, "createUploadSession") => answer(200, None, &session),
            (_, "$batch") => {
                let responses = json!([{"id": "0", "status": 200, "body": {"id": "x"}}]);
                answer(200, None, &json!({"responses": responses}).to_string())
            }
            _ => answer(200, None, &json!({"value": [1, 2]}).to_string()),
        };
        Box::pin(async move { Ok(reply) })
    }
}

#[tokio::test]
async fn everything_goes_through_the_transport_and_the_token_to_graph_alone() {
    let scripted = Arc::new(Scripted::default());
    let settings = Settings {
        authority: "https://login.example/".parse().unwrap(),
        graph: "https://graph.example/".parse().unwrap(),
        tenant: "t".into(),
        application_id: "a".into(),
        credential: Credential::Secret("s".to_owned().into()),
        ca_file: None,
        user_agent: "test".into(),
    };
    let patience = RetryLimits { tries: 3, pause_ms: 1, throttled_s_max: 1 };
    let budget = Arc::new(Budget::new(false));
    let client =
        Client::with_transport(settings, scripted.clone(), Arc::new(TokioClock), budget, patience);

    assert_eq!(client.list(&Request::get(Scope::Directory, "users")).await.unwrap(), [1, 2]);
    let batch = client.batch_get(&Scope::Directory, &["users/x".into()]).await.unwrap();
    assert_eq!(batch[0].as_ref().unwrap()["id"], "x");

    // The first body breaks off; the rest is asked for with a range.
    let mut download = client.download(Request::get(Scope::Drives, "drives/d/items/i/content"));
    let mut whole = Vec::new();
    while let Some(piece) = download.next().await.unwrap() {
        whole.extend_from_slice(&piece);
    }
    assert_eq!(whole, b"abcdef");

    let session = Request::post(Scope::Drives, "drives/d/items/i/createUploadSession", &json!({}));
    let read = |_, _| async { Ok(Bytes::from("abc")) };
    assert_eq!(client.upload_file(&session, 3, read).await.unwrap()["id"], "new");

    let seen = scripted.0.lock().unwrap().clone();
    let hosts: Vec<&str> = seen.iter().map(|(h, _)| h.as_str()).collect();
    for host in ["POST login.example", "GET files.example", "PUT upload.example"] {
        assert!(hosts.contains(&host), "{hosts:?}");
    }
    for (host, token) in &seen {
        assert_eq!(*token, host.ends_with("graph.example"), "{host}");
    }
}
