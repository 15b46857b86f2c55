//! Servers that answer with what stops a reader: each costs its object, and an end is in sight.
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use strongroom_objects::{
    Key, Kind, LockedStore, S3Bucket, S3Settings, Store, StoreError, StoreSettings,
    UNKNOWN_SETTING, VaultRest, VaultSettings,
};

/// A server that answers each request by its first line; counts them.
fn server(
    answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (answer, counted) = (Arc::new(answer), count.clone());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, answer, counted) = (socket.unwrap(), answer.clone(), counted.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else { return };
                while lines.next().is_some_and(|l| l.is_ok_and(|l| !l.is_empty())) {}
                counted.fetch_add(1, Ordering::SeqCst);
                answer(&first, &mut socket);
            });
        }
    });
    (address, count)
}

fn rest(address: SocketAddr) -> VaultRest {
    VaultRest::new(VaultSettings {
        url: url::Url::parse(&format!("http://{address}/school/")).unwrap(),
        user: "read".into(),
        token: "token".to_owned().into(),
        ca_file: None,
        identity_file: None,
    })
    .unwrap()
}

fn bucket(address: SocketAddr) -> S3Bucket {
    S3Bucket::new(S3Settings {
        endpoint: Some(url::Url::parse(&format!("http://{address}/")).unwrap()),
        region: "us-east-1".into(),
        bucket: "copy2".into(),
        prefix: String::new(),
        access_key_id: "reader".into(),
        secret_access_key: "secret".to_owned().into(),
        ca_file: None,
        owner_control: false,
        clock: None,
    })
    .unwrap()
}

fn key(kind: Kind) -> Key {
    Key::new(kind, &"a".repeat(64)).unwrap()
}

/// Writes until the other end has enough of it, at most so many megabytes.
fn pour(socket: &mut TcpStream, megabytes: usize) {
    for _ in 0..megabytes {
        if socket.write_all(&[b'x'; 1 << 20]).is_err() {
            return;
        }
    }
}

const EIGHT_GIB: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8589934592\r\n\r\n";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

#[test]
fn an_answer_of_any_length_costs_what_an_object_may_have() {
    for head in [EIGHT_GIB, ENDLESS] {
        let (address, _) = server(move |_, socket| {
            let _ = socket.write_all(head.as_bytes());
            pour(socket, 400);
        });
        for kind in [Kind::Keys, Kind::Snapshots, Kind::Manifests] {
            for store in [&rest(address) as &dyn Store, &bucket(address)] {
                let began = Instant::now();
                let e = store.get(&key(kind)).unwrap_err();
                assert!(matches!(e, StoreError::Refused { .. }), "{e}");
                assert!(e.to_string().contains("the most that this may have"), "{e}");
                assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
            }
        }
    }
}

#[test]
fn no_answer_leads_to_another_address() {
    let (elsewhere, visits) = server(|_, socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    });
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect"] {
        let (address, asked) = server(move |_, socket| {
            let text = format!(
                "HTTP/1.1 {status}\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
            let _ = socket.write_all(text.as_bytes());
        });
        for store in [&rest(address) as &dyn Store, &bucket(address)] {
            assert!(store.get(&key(Kind::Keys)).is_err() && store.list(Kind::Keys).is_err());
            assert!(store.size(&key(Kind::Keys)).is_err());
        }
        assert!(asked.load(Ordering::SeqCst) >= 6);
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[test]
fn a_listing_ends_and_names_objects_alone() {
    let (address, asked) = server(|_, socket| {
        let body = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again\
            </NextContinuationToken></ListBucketResult>";
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = socket.write_all(text.as_bytes());
    });
    let e = bucket(address).list(Kind::Data).unwrap_err().to_string();
    assert!(e.contains("has no end"), "{e}");
    assert!(asked.load(Ordering::SeqCst) < 100);
    let good = "b".repeat(64);
    let body = format!(
        "[{{\"name\":\"../x\",\"size\":1}},{{\"name\":\"{good}\",\"size\":2}},\
         {{\"name\":\"{}\",\"size\":3}}]",
        "B".repeat(64)
    );
    let (address, _) = server(move |_, socket| {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = socket.write_all(text.as_bytes());
    });
    let names: Vec<_> =
        rest(address).list(Kind::Data).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, [good]);
}

/// A bucket's settings, by what is asked for.
const SETTINGS: [(&str, &str); 10] = [
    (
        "lifecycle",
        "<LifecycleConfiguration xmlns=\"x\"><Rule><ID>one</ID><Filter><Prefix>tmp/</Prefix>\
         </Filter><Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule><Rule>\
         <ID>two</ID><Filter><Prefix>old/</Prefix></Filter><Status>Enabled</Status><Transition>\
         <Days>9</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>\
         </LifecycleConfiguration>",
    ),
    (
        "replication",
        "<ReplicationConfiguration><Role>arn:r</Role><Rule><ID>one</ID><Status>Enabled</Status>\
         <Priority>1</Priority><Filter><Prefix>a/</Prefix></Filter><DeleteMarkerReplication>\
         <Status>Disabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::b\
         </Bucket></Destination></Rule></ReplicationConfiguration>",
    ),
    (
        "encryption",
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
         <SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>key-1</KMSMasterKeyID>\
         </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
    ),
    (
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
         <BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>",
    ),
    (
        "ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>\
         </OwnershipControls>",
    ),
    (
        "versioning",
        "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>\
         </VersioningConfiguration>",
    ),
    (
        "object-lock",
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
         <DefaultRetention><Mode>COMPLIANCE</Mode><Days>200</Days></DefaultRetention></Rule>\
         </ObjectLockConfiguration>",
    ),
    ("policy", "{\"Statement\":[{\"Effect\":\"Deny\"}]}"),
    (
        "acl",
        "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList><Grant><Grantee \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\
         <ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>\
         </AccessControlPolicy>",
    ),
    ("location", "<LocationConstraint xmlns=\"x\">eu-west-1</LocationConstraint>"),
];

/// What a bucket says whose server answers this to each question.
fn facts(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> StoreSettings {
    let (address, _) = server(move |first, socket| {
        let asked = first.split(['?', ' ', '&', '=']).nth(2).unwrap_or_default().to_owned();
        let (status, body) = answer(&asked);
        let text = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = socket.write_all(text.as_bytes());
    });
    bucket(address).facts().unwrap()
}

fn set(asked: &str) -> String {
    let found = SETTINGS.iter().find(|(name, _)| *name == asked);
    found.unwrap_or_else(|| panic!("{asked:?} is asked for")).1.to_owned()
}

#[test]
fn each_setting_of_a_bucket_is_read_whole() {
    let whole = facts(|asked| (200, set(asked)));
    assert_eq!(whole.len(), SETTINGS.len(), "{whole:?}");
    assert!(whole.values().all(|v| !v.starts_with("not readable") && v != "none"), "{whole:?}");
    // Rules in another order, and other blanks, are no change.
    let turned = facts(|asked| {
        let text = set(asked);
        let turned =
            text.split_once("<Rule>").filter(|_| asked == "lifecycle").map(|(head, rest)| {
                let (one, two) = rest.split_once("<Rule>").unwrap();
                let (two, end) = two.split_once("</LifecycleC").unwrap();
                format!("{head}\n<Rule>{two}\n  <Rule>{one}</LifecycleC{end}")
            });
        (200, turned.unwrap_or(text))
    });
    assert_eq!(turned, whole);
    // Each part of each of them is a change, and of that one alone.
    let name_of = |asked: &str| match asked {
        "publicAccessBlock" => "public access block".to_owned(),
        "ownershipControls" => "ownership".to_owned(),
        "object-lock" => "object lock".to_owned(),
        "acl" => "access list".to_owned(),
        "location" => "region".to_owned(),
        other => other.to_owned(),
    };
    for (of, was, is) in [
        ("lifecycle", "tmp/", ""),
        ("lifecycle", "<Days>30<", "<Days>29<"),
        ("lifecycle", "GLACIER", "DEEP_ARCHIVE"),
        ("lifecycle", "<Days>9<", "<Days>1<"),
        (
            "lifecycle",
            "</Prefix></Filter><Status>Enabled</Status><T",
            "</Prefix></Filter><Status>Disabled</Status><T",
        ),
        ("replication", ":::b", ":::elsewhere"),
        ("replication", "a/", ""),
        ("replication", "Disabled", "Enabled"),
        ("replication", "arn:r", "arn:s"),
        ("encryption", "key-1", "key-2"),
        ("publicAccessBlock", "<BlockPublicPolicy>true", "<BlockPublicPolicy>false"),
        ("ownershipControls", "BucketOwnerEnforced", "ObjectWriter"),
        ("versioning", "<MfaDelete>Disabled", "<MfaDelete>Enabled"),
        ("versioning", "<Status>Enabled", "<Status>Suspended"),
        ("object-lock", "200", "20"),
        ("policy", "Deny", "Allow"),
        ("acl", "FULL_CONTROL", "READ"),
        ("location", "eu-west-1", "us-west-1"),
    ] {
        let changed = facts(move |asked| match asked == of {
            true => (200, set(asked).replacen(was, is, 1)),
            false => (200, set(asked)),
        });
        let differ: Vec<&String> =
            whole.keys().filter(|name| whole.get(*name) != changed.get(*name)).collect();
        assert_eq!(differ, [&name_of(of)], "{was} -> {is}");
        assert_eq!(changed.len(), whole.len());
    }
}

#[test]
fn a_setting_that_a_server_does_not_know_is_not_an_empty_one() {
    let error = |status: u16, code: &str| {
        (status, format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
    };
    let of = |answer: (u16, String)| {
        let facts = facts(move |asked| match asked {
            "encryption" => answer.clone(),
            other => (200, set(other)),
        });
        facts["encryption"].clone()
    };
    let known = error(404, "ServerSideEncryptionConfigurationNotFoundError");
    assert_eq!(of(known), "none");
    let empty = "<ServerSideEncryptionConfiguration/>";
    assert_eq!(of((200, empty.into())), "none");
    // Servers that do not know the question list the bucket, or say so.
    let listing = "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>";
    assert_eq!(of((200, listing.into())), UNKNOWN_SETTING);
    for answer in [error(501, "NotImplemented"), error(405, "MethodNotAllowed")] {
        assert!(of(answer.clone()).starts_with(UNKNOWN_SETTING), "{answer:?}");
    }
    for answer in [
        error(403, "AccessDenied"),
        error(404, "NoSuchKey"),
        error(404, "NoSuchBucket"),
        (200, "<ServerSideEncryptionConfiguration><Rule>".into()),
        (200, String::new()),
    ] {
        let said = of(answer.clone());
        assert!(said.starts_with("not readable ("), "{answer:?}: {said}");
    }
}
