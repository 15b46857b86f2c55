//! Ceph's object gateway on this host, as a real S3 server for tests.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};
use strongroom_model::Clock;
use strongroom_objects::{S3Bucket, S3Settings};

/// Ceph on loopback: one monitor, one store in memory, one gateway.
pub struct Ceph {
    dir: tempfile::TempDir,
    pub port: u16,
    pub version: String,
}

pub fn run(program: &str, args: &[&str]) -> Output {
    let out =
        Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(
        out.status.success(),
        "{program} {args:?}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Ceph {
    pub fn start() -> Self {
        Self::start_at(None)
    }

    /// With the gateway's clock moved, as libfaketime writes it: `+31d`.
    pub fn start_at(faketime: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, mon) = (free_port(), free_port());
        let d = dir.path();
        let uuid = || fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().trim().to_owned();
        let fsid = uuid();
        for sub in ["mon", "osd"] {
            fs::create_dir(d.join(sub)).unwrap();
        }
        let text = format!(
            "[global]\nfsid = {fsid}\nmon host = v2:127.0.0.1:{mon}/0\nauth cluster required = \
             none\nauth service required = none\nauth client required = none\n\
             ms mon client mode = crc\nms cluster mode = crc\nms service mode = crc\nms client \
             mode = crc\nosd pool default size = 1\nosd pool default min size = 1\n\
             osd pool default pg num = 4\nmon allow pool size one = true\nmon warn on pool no \
             redundancy = false\npaxos propose interval = 0.02\npaxos min wait = 0.01\n\
             osd crush chooseleaf type = 0\nrun dir = {d}\nadmin socket = {d}/$name.$pid.asok\nlog \
             file = {d}/$name.log\npid file = {d}/$name.pid\n\
             public addr = 127.0.0.1\ncluster addr = 127.0.0.1\n\
             [mon.a]\nmon data = {d}/mon\n[osd.0]\nosd data = {d}/osd\nosd objectstore = \
             memstore\nmemstore device bytes = 8589934592\n\
             [client.rgw]\nrgw frontends = beast endpoint=127.0.0.1:{port}\nrgw lc debug interval \
             = 10\nrgw thread pool size = 32\n",
            d = d.display()
        );
        fs::write(d.join("ceph.conf"), text).unwrap();
        let conf = d.join("ceph.conf").display().to_string();
        let map = d.join("monmap").display().to_string();
        run(
            "monmaptool",
            &["--create", "--fsid", &fsid, "--addv", "a", &format!("[v2:127.0.0.1:{mon}]"), &map],
        );
        run("ceph-mon", &["-c", &conf, "--mkfs", "-i", "a", "--monmap", &map]);
        run("ceph-mon", &["-c", &conf, "-i", "a"]);
        let osd = uuid();
        run("ceph", &["-c", &conf, "osd", "new", &osd]);
        run("ceph-osd", &["-c", &conf, "-i", "0", "--mkfs", "--osd-uuid", &osd]);
        run("ceph-osd", &["-c", &conf, "-i", "0"]);
        let version = String::from_utf8_lossy(&run("radosgw", &["--version"]).stdout)
            .split(' ')
            .nth(2)
            .unwrap_or("?")
            .to_owned();
        let ceph = Self { dir, port, version };
        ceph.gateway(faketime);
        ceph
    }

    fn conf(&self) -> String {
        self.dir.path().join("ceph.conf").display().to_string()
    }

    /// Starts the gateway, or starts it again at another time.
    pub fn gateway(&self, faketime: Option<&str>) {
        self.kill("client.rgw.pid");
        let mut command = Command::new("radosgw");
        command
            .args(["-c", &self.conf(), "-n", "client.rgw"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(offset) = faketime {
            let lib = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
            assert!(Path::new(lib).exists(), "libfaketime is not here");
            // The time since start stays true: what waits and what signs with it goes on.
            command
                .env("LD_PRELOAD", lib)
                .env("FAKETIME", offset)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("FAKETIME_NO_CACHE", "1");
        }
        assert!(command.status().unwrap().success());
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the gateway did not come up");
    }

    fn kill(&self, pid_file: &str) {
        let Ok(pid) = fs::read_to_string(self.dir.path().join(pid_file)) else { return };
        let pid = pid.trim();
        let _ = Command::new("kill").args(["-9", pid]).status();
        for _ in 0..100 {
            if !Path::new("/proc").join(pid).exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_file(self.dir.path().join(pid_file));
    }

    /// A user of Ceph: an account of its own.
    pub fn user(&self, name: &str) {
        run(
            "radosgw-admin",
            &[
                "-c",
                &self.conf(),
                "-n",
                "client.rgw",
                "user",
                "create",
                "--uid",
                name,
                "--display-name",
                name,
                "--access-key",
                &key_id(name),
                "--secret-key",
                "secret",
            ],
        );
    }

    pub fn settings(&self, user: &str, bucket: &str) -> S3Settings {
        S3Settings {
            endpoint: Some(url::Url::parse(&format!("http://127.0.0.1:{}/", self.port)).unwrap()),
            region: "us-east-1".into(),
            bucket: bucket.into(),
            prefix: String::new(),
            access_key_id: key_id(user),
            secret_access_key: "secret".to_owned().into(),
            ca_file: None,
            owner_control: false,
            clock: None,
        }
    }

    pub fn open_at(
        &self,
        user: &str,
        bucket: &str,
        clock: Option<Arc<dyn Clock>>,
    ) -> Arc<S3Bucket> {
        Arc::new(S3Bucket::new(S3Settings { clock, ..self.settings(user, bucket) }).unwrap())
    }

    /// As a user whose objects belong to the bucket's owner as well.
    pub fn open_sharing(&self, user: &str, bucket: &str) -> Arc<S3Bucket> {
        Arc::new(
            S3Bucket::new(S3Settings { owner_control: true, ..self.settings(user, bucket) })
                .unwrap(),
        )
    }

    /// A bucket with Object Lock, made by a user.
    pub fn bucket(&self, user: &str, bucket: &str) {
        self.open_at(user, bucket, None).make(true).unwrap();
    }

    /// Lets another user do these things in a bucket.
    pub fn allow(&self, owner: &str, bucket: &str, user: &str, actions: &[&str]) {
        let actions = actions.iter().map(|a| format!("\"s3:{a}\"")).collect::<Vec<_>>().join(",");
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":["arn:aws:iam:::user/{user}"]}},"Action":[{actions}],"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}}]}}"#
        );
        self.open_at(owner, bucket, None).set_policy(&policy).unwrap();
    }
}

/// What a pushing credential gets: to add, to extend, to read; and to see the bucket's settings, so
/// that its canary can prove that a twin is one.
pub const PUSH: [&str; 15] = [
    "PutObject",
    "PutObjectRetention",
    "GetObject",
    "GetObjectVersion",
    "GetObjectRetention",
    "ListBucket",
    "ListBucketVersions",
    "GetBucketVersioning",
    "GetBucketObjectLockConfiguration",
    "GetLifecycleConfiguration",
    "GetBucketPolicy",
    "GetReplicationConfiguration",
    "GetBucketAcl",
    "GetBucketLocation",
    "GetBucketPublicAccessBlock",
];

fn key_id(user: &str) -> String {
    format!("KEYOF{}", user.to_uppercase())
}

impl Drop for Ceph {
    fn drop(&mut self) {
        for name in ["client.rgw.pid", "osd.0.pid", "mon.a.pid"] {
            self.kill(name);
        }
    }
}
