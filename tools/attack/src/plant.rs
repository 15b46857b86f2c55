//! Hostile objects for a folder.

use anyhow::Context;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

/// What may lie where a file should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    Fifo,
    /// A link to what never ends.
    EndlessLink,
    /// A link to nowhere.
    DanglingLink,
    /// A link to itself.
    LoopLink,
    /// A device that never ends.
    Device,
    Directory,
    Socket,
    /// 8 TiB of nothing.
    Sparse,
    /// A file that nobody may read.
    Closed,
    Empty,
    Junk,
}

impl Plant {
    pub(crate) const ALL: &'static [Plant] = &[
        Plant::Fifo,
        Plant::EndlessLink,
        Plant::DanglingLink,
        Plant::LoopLink,
        Plant::Device,
        Plant::Directory,
        Plant::Socket,
        Plant::Sparse,
        Plant::Closed,
        Plant::Empty,
        Plant::Junk,
    ];

    /// Puts it there, over whatever is there.
    pub(crate) fn put(self, at: &Path) -> anyhow::Result<()> {
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent)?;
        }
        if at.symlink_metadata().is_ok_and(|m| m.is_dir()) {
            fs::remove_dir_all(at)?;
        } else {
            let _ = fs::remove_file(at);
        }
        let node = |kind, device| {
            use rustix::fs::{CWD, Mode, mknodat};
            mknodat(CWD, at, kind, Mode::from_raw_mode(0o644), device)
        };
        match self {
            Plant::Fifo => node(rustix::fs::FileType::Fifo, 0)?,
            Plant::Device => {
                node(rustix::fs::FileType::CharacterDevice, rustix::fs::makedev(1, 5))?;
            }
            Plant::EndlessLink => symlink("/dev/zero", at)?,
            Plant::DanglingLink => symlink("/nowhere/at/all", at)?,
            Plant::LoopLink => symlink(at, at)?,
            Plant::Directory => fs::create_dir(at)?,
            Plant::Socket => {
                // The name of a socket has 107 bytes at most: made beside, and moved.
                let short = std::env::temp_dir().join(format!("s{}", std::process::id()));
                let _ = fs::remove_file(&short);
                drop(std::os::unix::net::UnixListener::bind(&short)?);
                fs::rename(&short, at).context("a socket cannot be moved there")?;
            }
            Plant::Sparse => fs::File::create(at)?.set_len(8 << 40)?,
            Plant::Closed => {
                fs::write(at, b"closed")?;
                fs::set_permissions(at, fs::Permissions::from_mode(0o000))?;
            }
            Plant::Empty => fs::write(at, b"")?,
            Plant::Junk => fs::write(at, [0x5a; 4096])?,
        }
        Ok(())
    }
}
