use crate::{Error, Kind, School};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
};
use strongroom_objects::append_regular;

/// The record of restores, beside the configuration: `restores/<tenant>.jsonl`. A line when one
/// begins and a line when it ends; one that was killed has the first alone.
pub(super) struct RestoreLog {
    school: School,
    path: PathBuf,
    id: String,
}

impl RestoreLog {
    /// Writes down that one begins.
    ///
    /// # Errors
    /// [`Kind::Files`], where that cannot be written.
    pub(super) fn begin(
        school: &School,
        (snapshot, below): (&str, &str),
        more: Value,
    ) -> Result<Self, Error> {
        let dir = school.config().path(Path::new("restores"));
        std::fs::create_dir_all(&dir).map_err(|e| {
            Error::because(Kind::Files, format!("{} cannot be made", dir.display()), e)
        })?;
        let (now, host) = (school.now(), school.host());
        let log = Self {
            school: school.clone(),
            path: dir.join(format!("{}.jsonl", school.name())),
            id: strongroom_model::digest_id(&format!("{now} {snapshot} {below}")),
        };
        let line = json!({
            "restore": log.id, "began": now, "by": host.account, "host": host.name,
            "tenant": school.name(), "snapshot": snapshot, "path": below,
        });
        log.write(line, more)?;
        Ok(log)
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    /// As [`RestoreLog::begin`].
    pub(super) fn end(&self, done: Result<Value, String>) -> Result<(), Error> {
        let now = self.school.now();
        let more = done.unwrap_or_else(|e| json!({ "error": e }));
        self.write(json!({"restore": self.id, "ended": now}), more)
    }

    fn write(&self, mut line: Value, more: Value) -> Result<(), Error> {
        for (name, v) in more.as_object().into_iter().flatten() {
            line[name.as_str()] = v.clone();
        }
        let written = append_regular(&self.path).and_then(|mut file| {
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_all()
        });
        written.map_err(|e| {
            Error::because(Kind::Files, format!("{} cannot be written", self.path.display()), e)
        })
    }
}
