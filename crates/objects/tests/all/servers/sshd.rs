//! An OpenSSH server of this account's own, on a port of its own.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::disallowed_methods)]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

pub struct Sshd {
    child: Child,
    pub dir: tempfile::TempDir,
    pub port: u16,
    pub user: String,
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

impl Sshd {
    /// Starts one; `more` are arguments of its SFTP.
    pub fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["host", "user", "stranger"] {
            key(&at(name));
        }
        fs::copy(at("user.pub"), at("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\n\
             Subsystem sftp /usr/lib/openssh/sftp-server -e -l DEBUG3 {more} 2>> {}\n",
            at("host").display(),
            at("authorized").display(),
            at("sftp.log").display()
        );
        fs::write(at("config"), config).unwrap();
        let host = fs::read_to_string(at("host.pub")).unwrap();
        fs::write(at("known_hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        let host = fs::read_to_string(at("stranger.pub")).unwrap();
        fs::write(at("other_hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        fs::write(at("no_hosts"), "").unwrap();
        // Started by root it wants a folder for its children without rights.
        let _ = fs::create_dir_all("/run/sshd");
        let log = fs::File::create(at("log")).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(at("config"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        Self { child, dir, port, user }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lines of the configuration for a folder of this server.
    pub fn lines(&self, table: &str, folder: &Path) -> String {
        format!(
            "{table}\nhost = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\npath = \"{}\"\n\
             identity_file = \"{}\"\nknown_hosts_file = \"{}\"\n",
            self.port,
            self.user,
            folder.display(),
            self.path("user").display(),
            self.path("known_hosts").display()
        )
    }

    /// What restic is told in order to reach it.
    pub fn restic_command(&self) -> String {
        format!(
            "sftp.command=ssh -p {} -l {} -i {} -o BatchMode=yes -o UserKnownHostsFile={} \
             127.0.0.1 -s sftp",
            self.port,
            self.user,
            self.path("user").display(),
            self.path("known_hosts").display()
        )
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
