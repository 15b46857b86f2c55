//! Which alarms somebody was shown: `listed.json` of the school's folder. What came since nobody
//! has seen, and it is not acknowledged by its name.

use crate::{Error, Kind, Remedy, School};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use strongroom_custody::heartbeat;
use strongroom_model::{Record, Stored};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};

const FILE: &str = "listed.json";
/// Alarms that are kept; of more the list is too long for anybody to have seen them.
const ROWS_MAX: usize = 5_000;

/// An alarm, as it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) kind: String,
    pub(crate) subject: String,
    /// When it had been raised last.
    pub(crate) last: Timestamp,
}

/// The file: what the last list showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    v: u32,
    alarms: Vec<Shown>,
}

impl Stored for List {
    const NAME: &'static str = "the alarms that were listed last (listed.json)";
}

impl School {
    /// Keeps what somebody is shown.
    pub(crate) fn keep_shown(&self, mut alarms: Vec<Shown>) -> Result<(), Error> {
        alarms.truncate(ROWS_MAX);
        let path = self.state()?.join(FILE);
        let bytes = Record::new(List { v: List::VERSION, alarms }).to_bytes()?;
        heartbeat::replace(&path, &bytes).map_err(|e| {
            Error::because(Kind::Files, format!("{} cannot be written", path.display()), e)
        })
    }

    /// What somebody was shown last. What cannot be read was shown to nobody.
    pub(crate) fn shown(&self) -> Result<Vec<Shown>, Error> {
        let path = self.state()?.join(FILE);
        let why = match read_regular(&path, SETTINGS_BYTES_MAX) {
            Ok(bytes) => match Record::<List>::from_bytes(&bytes) {
                Ok(list) => return Ok(list.value.alarms),
                Err(e) => e.to_string(),
            },
            Err(e) if e.kind() == ErrorKind::NotFound => {
                "the alarms were not listed on this host yet".to_owned()
            }
            Err(e) => format!("{}: {e}", path.display()),
        };
        let what = format!("{why}, and what nobody has seen is not acknowledged");
        Err(Error::new(Kind::Request, what).with(Remedy::ListAlarms))
    }
}
