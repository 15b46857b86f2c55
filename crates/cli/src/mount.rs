//! `strongroom mount`: the snapshots as folders of this computer.

use crate::Global;
use clap::Args;
use std::path::PathBuf;

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
pub(crate) async fn mount(_: &Global, args: Mount) -> anyhow::Result<i32> {
    anyhow::bail!("{} cannot be mounted: mounting needs Linux; `strongroom restore --target` writes files anywhere", args.folder.display())
}

#[cfg(target_os = "linux")]
pub(crate) async fn mount(global: &Global, args: Mount) -> anyhow::Result<i32> {
    use crate::open;
    use anyhow::{Context, bail};

    let mut entries = std::fs::read_dir(&args.folder).with_context(|| format!("{} is no folder that can be read; make it first", args.folder.display()))?;
    if entries.next().is_some() {
        bail!("{} holds something already; name an empty folder", args.folder.display());
    }
    let repo = open::repository(global).await?;
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
    let filesystem = filesystem::Snapshots::new(repo, args.allow_other)?;
    let mut session = fuser::Session::new(filesystem, &args.folder, &config)
        .with_context(|| format!("{} cannot be mounted; install fuse3, and see that /dev/fuse is there", args.folder.display()))?;
    let mut unmounter = session.unmount_callable();
    if !global.quiet {
        println!("{} shows the snapshots until Ctrl-C, or until it is unmounted", args.folder.display());
    }
    let served = tokio::task::spawn_blocking(move || session.run());
    tokio::select! {
        ended = served => ended??,
        _ = tokio::signal::ctrl_c() => {
            unmounter.unmount().with_context(|| format!("{} is still in use and stays mounted; `fusermount3 -u` unmounts it later", args.folder.display()))?;
        }
    }
    Ok(0)
}
