use crate::{
    Error, Kind, Remedy,
    config::Config,
    files::{Accounts, cache},
    rules::Judge,
};
use jiff::{civil::Date, tz::TimeZone};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_engine::Stop;
use strongroom_graph::Transport;
use strongroom_model::Clock;
use strongroom_repository::Writer;

/// What no library may find out by itself of the computer that it runs on, and whose it is. The
/// binary makes it, once; a test says what it likes.
#[derive(Clone)]
pub struct Host {
    /// The wall clock, or what stands for it.
    pub clock: Arc<dyn Clock>,
    /// The name of this computer.
    pub name: String,
    /// Who runs the program, as the system calls them; decisions without a name of their own are
    /// theirs.
    pub account: String,
    /// Whose files are relied on.
    pub accounts: Accounts,
    /// Where local caches go when nobody says it, or why there is no such place, as the end of a
    /// sentence.
    pub cache_default: Result<PathBuf, String>,
    /// How the process is started in which a customer's own rule judges.
    pub judge: Judge,
    /// What requests to a tenant go through in the place of the usual transport, where something
    /// does.
    pub through: Option<Wrap>,
    /// Asks what can end with what it has to do so.
    pub stop: Stop,
    /// How much room there is where a path lies.
    pub room: Room,
}

/// How much room there is where a path lies. May not answer, as a share that is gone.
pub type Room = Arc<dyn Fn(&Path) -> std::io::Result<DiskRoom> + Send + Sync>;

/// The room of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskRoom {
    /// Bytes that this account may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// Puts a transport in the place of another, or around it.
pub type Wrap = Arc<dyn Fn(Arc<dyn Transport>) -> Arc<dyn Transport> + Send + Sync>;

impl Host {
    /// Today, in UTC.
    pub fn today(&self) -> Date {
        self.clock.now().to_zoned(TimeZone::UTC).date()
    }

    /// Who writes to a repository from here.
    pub fn writer(&self) -> Writer {
        Writer {
            host: self.name.clone(),
            user: strongroom_repository::OURS.into(),
            program: concat!("strongroom ", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// The folder for local caches, this account's own from now on: the one that was chosen, else
    /// the configuration's, else the host's.
    ///
    /// # Errors
    /// [`Kind::Files`], where there is no such folder, or it is not this account's alone.
    pub fn cache(&self, chosen: Option<&Path>, config: Option<&Config>) -> Result<PathBuf, Error> {
        let configured = || config.and_then(|c| c.cache_dir.as_ref().map(|dir| c.path(dir)));
        let dir = match chosen.map(Path::to_owned).or_else(configured) {
            Some(dir) => dir,
            None => self.cache_default.clone().map_err(|why| {
                let what = format!("there is no place for local caches: {why}");
                Error::new(Kind::Files, what).with(Remedy::NameCache)
            })?,
        };
        cache::own(&dir, &self.accounts, cache::Purpose::Caches)?;
        Ok(dir)
    }
}
