//! What this computer says of itself, for who may not ask: libraries know no environment.

use jiff::Timestamp;
use std::{path::PathBuf, sync::Arc};
use strongroom_model::Clock;
use strongroom_operations::{DiskRoom, Host, Stop, TokioClock, files::Accounts, rules::Judge};
use tokio::signal::unix::{SignalKind, signal};

/// The host of this process, as its system and its environment describe it.
pub(crate) fn found() -> Arc<Host> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let is_root = rustix::process::geteuid().is_root();
    Arc::new(Host {
        clock: Arc::new(TokioClock),
        name: name.map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned()),
        account: account(),
        accounts: accounts(),
        cache_default: cache_default(|name| std::env::var_os(name).map(PathBuf::from), is_root),
        judge: Judge {
            program: std::env::current_exe().map_err(|e| e.to_string()),
            argument: crate::rules::ALONE,
        },
        through: None,
        stop: Stop::default(),
        room: Arc::new(|path| {
            let disk = rustix::fs::statvfs(path)?;
            let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
            Ok(DiskRoom { free_bytes: bytes(disk.f_bavail), total_bytes: bytes(disk.f_blocks) })
        }),
    })
}

/// Waits until somebody ends the program: Ctrl-C, or SIGTERM, as a service manager and a shutdown
/// send it. Where the system tells nobody, nobody is heard.
pub(crate) async fn interrupted() {
    let Ok(mut term) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = ctrl_c => {}
        _ = term.recv() => {}
    }
}

/// The present moment, for what is said about snapshots that claim another.
pub(crate) fn now() -> Timestamp {
    TokioClock.now()
}

/// Who runs the command, as the system calls them.
fn account() -> String {
    let said = ["USER", "LOGNAME"].iter().find_map(std::env::var_os);
    let said = said.map(|name| name.to_string_lossy().into_owned());
    // A file of the system's: where it cannot be read no name is known.
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    account_of(rustix::process::getuid().as_raw(), &known, said.as_deref())
}

/// The name that the system's list of accounts has for a number. The environment says what whoever
/// calls likes, or nothing under a timer: it counts beside the number, and only where no list knows
/// that.
fn account_of(number: u32, known: &str, said: Option<&str>) -> String {
    let rows = known.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut names = rows.filter_map(|row| match row.as_slice() {
        [name, _, of, ..] if of.parse() == Ok(number) && !name.is_empty() => Some(*name),
        _ => None,
    });
    match (names.next(), said.map(str::trim).filter(|said| !said.is_empty())) {
        (Some(name), _) => name.to_owned(),
        (None, Some(said)) => format!("{said} (uid {number})"),
        (None, None) => format!("uid {number}"),
    }
}

/// Whose files are relied on: root relies on those of whoever asked for its rights.
fn accounts() -> Accounts {
    let is_root = rustix::process::geteuid().is_root();
    // What `sudo` says of whoever asked; nothing without root's rights.
    let asking = |variable| std::env::var(variable).ok().filter(|_| is_root)?.parse().ok();
    Accounts {
        user: rustix::process::geteuid().as_raw(),
        group: rustix::process::getegid().as_raw(),
        asking_user: asking("SUDO_UID"),
        asking_group: asking("SUDO_GID"),
    }
}

/// Where caches go when nobody says it, or why there is no such place.
fn cache_default(
    variable: impl Fn(&str) -> Option<PathBuf>,
    is_root: bool,
) -> Result<PathBuf, String> {
    // A relative one would lie wherever the program was started.
    let absolute = |name: &str| variable(name).filter(|p| p.is_absolute());
    if let Some(dir) = absolute("XDG_CACHE_HOME") {
        return Ok(dir.join("strongroom"));
    }
    if let Some(home) = absolute("HOME") {
        return Ok(home.join(".cache/strongroom"));
    }
    if let Some(dirs) = absolute("CACHE_DIRECTORY") {
        // systemd names several with colons between.
        let dirs = dirs.to_string_lossy().into_owned();
        return Ok(PathBuf::from(dirs.split(':').next().unwrap_or_default()));
    }
    match is_root {
        true => Ok(PathBuf::from("/var/cache/strongroom")),
        false => Err("HOME is not set".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_called_as_the_system_calls_it_whatever_is_said() {
        let known = "root:x:0:0:root:/root:/bin/sh\ncarl:x:1000:1000::/home/carl:/bin/sh\nodd\n";
        for (number, said, name) in [
            (0, None, "root"),
            (0, Some("carl"), "root"),
            (1000, Some(" "), "carl"),
            (7, Some("carl"), "carl (uid 7)"),
            (7, None, "uid 7"),
        ] {
            assert_eq!(account_of(number, known, said), name);
        }
    }

    #[test]
    fn no_default_is_shared_or_relative() {
        let of = |set: &[(&str, &str)], is_root: bool| {
            let set: Vec<(String, PathBuf)> =
                set.iter().map(|(n, v)| ((*n).to_owned(), PathBuf::from(v))).collect();
            let get = |name: &str| set.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            cache_default(get, is_root).ok().map(|p| p.display().to_string())
        };
        let some = |p: &str| Some(p.to_owned());
        assert_eq!(of(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], true), some("/x/strongroom"));
        assert_eq!(
            of(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")], false),
            some("/h/.cache/strongroom")
        );
        assert_eq!(
            of(&[("XDG_CACHE_HOME", ""), ("HOME", "")], true),
            some("/var/cache/strongroom")
        );
        assert_eq!(of(&[("CACHE_DIRECTORY", "/c/a:/c/b")], false), some("/c/a"));
        assert_eq!(of(&[("HOME", "h")], false), None);
    }
}
