//! `strongroom mount`: the snapshots as folders of this computer.

use crate::Global;
use clap::Args;
use std::path::PathBuf;
use strongroom_model::Ending;

#[cfg(target_os = "linux")]
mod filesystem;

#[derive(Args)]
pub(crate) struct Mount {
    /// An empty folder.
    folder: PathBuf,
    /// Let every account of this computer read, not only the one that mounts.
    #[arg(long)]
    allow_other: bool,
}

#[cfg(not(target_os = "linux"))]
pub(crate) async fn mount(_: &Global, args: Mount) -> anyhow::Result<Ending> {
    anyhow::bail!(
        "{} cannot be mounted: mounting needs Linux; `strongroom restore --target` writes files \
         anywhere",
        args.folder.display()
    )
}

#[cfg(target_os = "linux")]
pub(crate) async fn mount(global: &Global, args: Mount) -> anyhow::Result<Ending> {
    use anyhow::{Context, bail};
    use std::io::Write;
    use tokio::signal::unix::{SignalKind, signal};

    let shown = args.folder.display();
    let mut entries = match std::fs::read_dir(&args.folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotConnected => bail!(
            "a mount that ended badly is still on {shown}; `fusermount3 -u {shown}` takes it away"
        ),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            bail!("there is no folder {shown}; make it first")
        }
        Err(e) => return Err(e).with_context(|| format!("{shown} is no folder that can be read")),
    };
    if entries.next().is_some() {
        bail!("{} holds something already; name an empty folder", args.folder.display());
    }
    let browser = strongroom_operations::browse::Browser::open(&global.copy2()?).await?;
    let mut config = fuser::Config::default();
    config.mount_options = vec![
        fuser::MountOption::RO,
        fuser::MountOption::NoSuid,
        fuser::MountOption::NoDev,
        fuser::MountOption::NoExec,
        fuser::MountOption::NoAtime,
        fuser::MountOption::DefaultPermissions,
        fuser::MountOption::FSName("strongroom".to_owned()),
    ];
    config.n_threads = Some(2);
    if args.allow_other {
        config.acl = fuser::SessionACL::All;
    }
    let filesystem = filesystem::Snapshots::new(browser, args.allow_other)?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (mut terminate, mut hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut session =
        fuser::Session::new(filesystem, &args.folder, &config).with_context(|| {
            format!(
                "{} cannot be mounted; install fuse3, and see that /dev/fuse is there",
                args.folder.display()
            )
        })?;
    let mut unmounter = session.unmount_callable();
    // Whoever reads this may be gone; the mount is not.
    let mut out = std::io::stdout();
    let _ = match (global.json, global.quiet) {
        (true, _) => writeln!(out, "{}", serde_json::json!({"mounted": args.folder})),
        (false, false) => {
            writeln!(out, "{shown} shows the snapshots until Ctrl-C, or until it is unmounted")
        }
        (false, true) => Ok(()),
    };
    let mut served = tokio::task::spawn_blocking(move || session.run());
    tokio::select! {
        ended = &mut served => return ended?.map(|()| Ending::Done).map_err(Into::into),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    if unmounter.unmount().is_ok() {
        return Ok(Ending::Done);
    }
    // Still in use: it leaves the tree of folders now, and ends when the last file is closed.
    let detached = std::process::Command::new("fusermount3")
        .args(["-u", "-z"])
        .arg(&args.folder)
        .status()
        .is_ok_and(|s| s.success());
    if !detached {
        bail!(
            "{shown} is still in use and cannot be unmounted; `fusermount3 -u -z {shown}` takes it \
             away"
        );
    }
    if !global.quiet {
        let _ = writeln!(
            std::io::stderr(),
            "{shown} is still in use; it ends when nobody reads it any more, or with another Ctrl-C"
        );
    }
    tokio::select! {
        _ = &mut served => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(Ending::Done)
}
