//! Ceph's object gateway on loopback, in memory: a real S3 server with accounts and policies.

use crate::{
    case::Absent,
    child::{free_port, has},
    wire,
};
use anyhow::ensure;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::{
    fs,
    process::{Command, Output, Stdio},
    time::Duration,
};

/// The gateway and what it needs, until it is dropped.
pub(crate) struct Ceph {
    dir: tempfile::TempDir,
    pub(crate) port: u16,
}

fn done(program: &str, args: &[&str]) -> anyhow::Result<Output> {
    let out = Command::new(program).args(args).output()?;
    ensure!(
        out.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&out.stderr).chars().take(300).collect::<String>()
    );
    Ok(out)
}

fn uuid() -> anyhow::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}

impl Ceph {
    /// # Errors
    /// `Absent` where it is not installed.
    pub(crate) fn start() -> anyhow::Result<Self> {
        for program in ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "openssl"]
        {
            if !has(program) {
                return Err(Absent(format!("{program} is not here")).into());
            }
        }
        let ceph = Self {
            dir: tempfile::Builder::new().prefix("attack-ceph-").tempdir()?,
            port: free_port()?,
        };
        let (mon, d) = (free_port()?, ceph.dir.path().display().to_string());
        let fsid = uuid()?;
        for sub in ["mon", "osd"] {
            fs::create_dir(ceph.dir.path().join(sub))?;
        }
        let text = format!(
            "[global]\nfsid = {fsid}\nmon host = v2:127.0.0.1:{mon}/0\nauth cluster required = \
             none\nauth service required = none\nauth client required = none\nms mon client mode \
             = crc\nms cluster mode = crc\nms service mode = crc\nms client mode = crc\nosd pool \
             default size = 1\nosd pool default min size = 1\nosd pool default pg num = 4\nmon \
             allow pool size one = true\nmon warn on pool no redundancy = false\npaxos propose \
             interval = 0.02\npaxos min wait = 0.01\nosd crush chooseleaf type = 0\nrun dir = \
             {d}\nadmin socket = {d}/$name.$pid.asok\nlog file = {d}/$name.log\npid file = \
             {d}/$name.pid\npublic addr = 127.0.0.1\ncluster addr = 127.0.0.1\n[mon.a]\nmon data \
             = {d}/mon\n[osd.0]\nosd data = {d}/osd\nosd objectstore = memstore\nmemstore device \
             bytes = 4294967296\n[client.rgw]\nrgw frontends = beast endpoint=127.0.0.1:{port}\n\
             rgw thread pool size = 32\n",
            port = ceph.port
        );
        let conf = format!("{d}/ceph.conf");
        fs::write(&conf, text)?;
        let map = format!("{d}/monmap");
        let address = format!("[v2:127.0.0.1:{mon}]");
        done("monmaptool", &["--create", "--fsid", &fsid, "--addv", "a", &address, &map])?;
        done("ceph-mon", &["-c", &conf, "--mkfs", "-i", "a", "--monmap", &map])?;
        done("ceph-mon", &["-c", &conf, "-i", "a"])?;
        let osd = uuid()?;
        done("ceph", &["-c", &conf, "osd", "new", &osd])?;
        done("ceph-osd", &["-c", &conf, "-i", "0", "--mkfs", "--osd-uuid", &osd])?;
        done("ceph-osd", &["-c", &conf, "-i", "0"])?;
        ceph.start_gateway()?;
        Ok(ceph)
    }

    pub(crate) fn start_gateway(&self) -> anyhow::Result<()> {
        let conf = self.dir.path().join("ceph.conf").display().to_string();
        let mut gateway = Command::new("radosgw");
        gateway.args(["-c", &conf, "-n", "client.rgw"]).stdout(Stdio::null()).stderr(Stdio::null());
        ensure!(gateway.status()?.success(), "the gateway does not start");
        for _ in 0..400 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("the gateway did not come up")
    }

    pub(crate) fn stop_gateway(&self) -> anyhow::Result<()> {
        let file = self.dir.path().join("client.rgw.pid");
        let pid = fs::read_to_string(&file)?;
        Command::new("kill").args(["-9", pid.trim()]).status()?;
        std::thread::sleep(Duration::from_millis(300));
        Ok(fs::remove_file(file)?)
    }

    pub(crate) fn user(&self, name: &str) -> anyhow::Result<()> {
        let conf = self.dir.path().join("ceph.conf").display().to_string();
        done(
            "radosgw-admin",
            &[
                "-c",
                &conf,
                "-n",
                "client.rgw",
                "user",
                "create",
                "--uid",
                name,
                "--display-name",
                name,
                "--access-key",
                name,
                "--secret-key",
                &secret(name),
            ],
        )?;
        Ok(())
    }

    /// A request that is signed for a user (AWS signature 4); answers status and body. `heads` are
    /// lines `name: value`.
    pub(crate) fn ask(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: &[u8],
        heads: &[&str],
    ) -> anyhow::Result<(u16, String)> {
        let host = format!("127.0.0.1:{}", self.port);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut pairs: Vec<String> = query
            .split('&')
            .filter(|p| !p.is_empty())
            .map(|p| if p.contains('=') { p.to_owned() } else { format!("{p}=") })
            .collect();
        pairs.sort();
        let query = pairs.join("&");
        let (day, time) = now();
        let hash = hex::encode(Sha256::digest(body));
        let mut all = vec![
            ("host".to_owned(), host.clone()),
            ("x-amz-content-sha256".into(), hash.clone()),
            ("x-amz-date".into(), format!("{day}T{time}Z")),
        ];
        for head in heads {
            let (name, value) = head.split_once(':').unwrap_or((head, ""));
            all.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        all.sort();
        let lines: String = all.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
        let names: Vec<&str> = all.iter().map(|(n, _)| n.as_str()).collect();
        let names = names.join(";");
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{hash}");
        let scope = format!("{day}/us-east-1/s3/aws4_request");
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{day}T{time}Z\n{scope}\n{}",
            hex::encode(Sha256::digest(canonical))
        );
        let mut key = hmac(format!("AWS4{}", secret(user)).as_bytes(), day.as_bytes());
        for part in ["us-east-1", "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let signature = hex::encode(hmac(&key, to_sign.as_bytes()));
        let mut text = format!(
            "{method} {path}{}{query} HTTP/1.1\r\n",
            if query.is_empty() { "" } else { "?" }
        );
        for (name, value) in &all {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={user}/{scope}, SignedHeaders={names}, \
             Signature={signature}\r\nContent-MD5: {}\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n",
            md5_of(body)?,
            body.len()
        ));
        let pieces = [text.as_bytes(), body];
        let reply = wire::raw(host.parse()?, &pieces, Duration::from_secs(30));
        Ok((reply.status, reply.text()))
    }
}

/// The day and the time of day in UTC, as signatures want them.
fn now() -> (String, String) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let second = now.map_or(0, |d| d.as_secs());
    let (mut days, rest) = (second / 86_400, second % 86_400);
    let is_leap = |y: u64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let mut year = 1970;
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let time = format!("{:02}{:02}{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    (format!("{year:04}{month:02}{:02}", days + 1), time)
}

fn hmac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(bytes).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// In base 64, by openssl: some requests need it, and no crate of this tool knows it.
fn md5_of(bytes: &[u8]) -> anyhow::Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), bytes)?;
    let out =
        Command::new("openssl").args(["dgst", "-md5", "-binary"]).arg(file.path()).output()?;
    ensure!(out.status.success(), "openssl knows no MD5");
    Ok(STANDARD.encode(out.stdout))
}

pub(crate) fn secret(user: &str) -> String {
    format!("the-secret-of-{user}-0123456789")
}

impl Drop for Ceph {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|e| e == "pid")
                && let Ok(pid) = fs::read_to_string(entry.path())
            {
                let _ =
                    Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status();
            }
        }
    }
}
