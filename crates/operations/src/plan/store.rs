use super::{Plan, PlanExecution, PlanId};
use crate::{
    Error, Kind, Remedy,
    config::Config,
    files::{
        Accounts,
        cache::{self, Purpose},
        secrets, written,
    },
};
use jiff::Timestamp;
use std::{
    fs::{DirBuilder, File},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use strongroom_model::{Record, plan::PLAN_BYTES_MAX};

/// Folder of plans, in that of what this host remembers.
const PLANS: &str = "plans";
/// The ends of names: a plan, that somebody began to carry it out, and how that ended.
const PLAN: &str = ".json";
const BEGUN: &str = ".begun";
const ENDED: &str = ".ended";
/// Plans of one host.
const PLANS_MAX: usize = 10_000;
/// A record of a plan that was carried out; it may name each step that was not.
const APPLIED_BYTES_MAX: u64 = PLAN_BYTES_MAX;

/// Plans that wait for somebody to carry them out, and those that were: a folder of this host, one
/// file a plan, called by its id.
#[derive(Debug, Clone)]
pub struct PlanStore {
    /// What this host remembers: this account's own before anything is written there.
    state: PathBuf,
    dir: PathBuf,
    accounts: Accounts,
}

/// A plan that is kept.
#[derive(Debug)]
pub struct StoredPlan {
    /// Its id.
    pub id: PlanId,
    /// The plan, or why it cannot be carried out by this program: it is damaged, was edited, is of
    /// a newer program, or others can change it.
    pub plan: Result<Record<Plan>, Error>,
    /// That somebody carried it out, or began to. What of that cannot be read is an error.
    pub applied: Result<Option<Record<PlanExecution>>, Error>,
}

impl PlanStore {
    /// That of a configuration. It need not be there yet.
    pub fn of(config: &Config, accounts: &Accounts) -> Self {
        let state = config.state_dir();
        Self { dir: state.join(PLANS), state, accounts: *accounts }
    }

    fn file(&self, id: &PlanId, end: &str) -> PathBuf {
        self.dir.join(format!("{id}{end}"))
    }

    /// Keeps a plan.
    ///
    /// # Errors
    /// [`Kind::Files`], where it cannot be written, the folder is not this account's own, or it
    /// holds as many plans as it may; [`Kind::Request`], where the plan is too long.
    pub fn put(&self, plan: &Record<Plan>) -> Result<PlanId, Error> {
        let (id, bytes) = (plan.id()?, plan.canonical_bytes()?);
        if bytes.len() as u64 > PLAN_BYTES_MAX {
            let what = format!(
                "the plan has {} bytes, and {PLAN_BYTES_MAX} are the most that are kept",
                bytes.len()
            );
            return Err(Error::new(Kind::Request, what));
        }
        let unkept = |e| {
            let what = format!("the plan cannot be kept in {}", self.dir.display());
            Error::because(Kind::Files, what, e)
        };
        cache::own(&self.state, &self.accounts, Purpose::State)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(unkept)?;
        self.has_room(plan.asked.at)?;
        written::put_durably(&self.file(&id, PLAN), &bytes).map_err(unkept)?;
        Ok(id)
    }

    /// Refuses one plan more where as many are kept as may be. Those whose time was over before
    /// anybody began are cleared away first.
    fn has_room(&self, now: Timestamp) -> Result<(), Error> {
        let ids = self.ids()?;
        let mut kept = ids.len();
        if kept < PLANS_MAX {
            return Ok(());
        }
        for id in ids {
            let is_over = matches!(self.applied(&id), Ok(None))
                && self.get(&id).is_ok_and(|plan| plan.expires < now);
            if is_over && std::fs::remove_file(self.file(&id, PLAN)).is_ok() {
                kept -= 1;
            }
        }
        match kept < PLANS_MAX {
            true => Ok(()),
            false => Err(Error::new(Kind::Files, self.full())),
        }
    }

    fn full(&self) -> String {
        format!(
            "{} holds {PLANS_MAX} plans, and no more are kept; delete old ones",
            self.dir.display()
        )
    }

    /// A plan, as it was kept and not otherwise.
    ///
    /// # Errors
    /// [`Kind::Request`], where there is none of this id; [`Kind::Files`], where it cannot be read
    /// or others can change it; [`Kind::Refused`], where it is not what its id says, or is no plan
    /// of which this program understands all.
    pub fn get(&self, id: &PlanId) -> Result<Record<Plan>, Error> {
        let Some(bytes) = self.read(&self.file(id, PLAN), PLAN_BYTES_MAX)? else {
            let what = format!("no plan {} is kept in {}", id.short(), self.dir.display());
            return Err(Error::new(Kind::Request, what).with(Remedy::ListPlans));
        };
        let plan = Record::<Plan>::from_bytes(&bytes).map_err(|e| {
            Error::because(Kind::Refused, format!("{} cannot be carried out", id.short()), e)
        })?;
        match plan.id()? == *id {
            true => Ok(plan),
            false => Err(Error::new(
                Kind::Refused,
                format!(
                    "the plan {} was edited since it was made: it says something else than its id",
                    id.short()
                ),
            )),
        }
    }

    /// The id of the plan that is called by this, an id or its first digits, at least
    /// [`PlanId::SHORT`]: an empty word, as an unset variable leaves it, names no plan.
    ///
    /// # Errors
    /// [`Kind::Request`], where none is, several are, or there are too few digits; [`Kind::Files`],
    /// where the folder cannot be read.
    pub fn find(&self, word: &str) -> Result<PlanId, Error> {
        if word.len() < PlanId::SHORT {
            let what = format!(
                "{word:?} names no plan: it takes its id, or at least the first {} digits of it",
                PlanId::SHORT
            );
            return Err(Error::new(Kind::Request, what).with(Remedy::ListPlans));
        }
        let all = self.ids()?;
        let found: Vec<PlanId> =
            all.into_iter().filter(|id| id.as_str().starts_with(word)).take(2).collect();
        match <[PlanId; 1]>::try_from(found) {
            Ok([one]) => Ok(one),
            Err(found) => {
                let what = match found.is_empty() {
                    true => format!("no plan begins with {word:?}"),
                    false => format!("several plans begin with {word:?}"),
                };
                Err(Error::new(Kind::Request, what).with(Remedy::ListPlans))
            }
        }
    }

    /// All plans, the newest first; those that cannot be read last.
    ///
    /// # Errors
    /// [`Kind::Files`], where the folder cannot be read.
    pub fn list(&self) -> Result<Vec<StoredPlan>, Error> {
        let mut all: Vec<StoredPlan> = self
            .ids()?
            .into_iter()
            .map(|id| StoredPlan { plan: self.get(&id), applied: self.applied(&id), id })
            .collect();
        all.sort_by_key(|k| std::cmp::Reverse(k.plan.as_ref().ok().map(|p| p.asked.at)));
        Ok(all)
    }

    /// That a plan was carried out, or that somebody began to: this, where how it ended cannot be
    /// read.
    ///
    /// # Errors
    /// [`Kind::Files`], where that cannot be read: nobody knows then.
    pub fn applied(&self, id: &PlanId) -> Result<Option<Record<PlanExecution>>, Error> {
        let mut unread = None;
        for end in [ENDED, BEGUN] {
            match self.noted(id, end) {
                Ok(None) => {}
                Ok(Some(applied)) => return Ok(Some(applied)),
                Err(e) => unread = unread.or(Some(e)),
            }
        }
        unread.map_or(Ok(None), Err)
    }

    fn noted(&self, id: &PlanId, end: &str) -> Result<Option<Record<PlanExecution>>, Error> {
        let Some(bytes) = self.read(&self.file(id, end), APPLIED_BYTES_MAX)? else {
            return Ok(None);
        };
        Record::from_bytes(&bytes).map(Some).map_err(|e| {
            let what = format!("what became of the plan {} cannot be read", id.short());
            Error::because(Kind::Files, what, e)
        })
    }

    /// Refuses a plan that somebody carried out, or began to, so that nobody is asked in vain.
    ///
    /// # Errors
    /// [`Kind::Refused`]; [`Kind::Files`], where nobody knows.
    pub fn waits(&self, id: &PlanId) -> Result<(), Error> {
        match self.applied(id)? {
            None => Ok(()),
            Some(_) => Err(self.carried_out(id)),
        }
    }

    /// Notes that somebody begins: of two processes at once only one does.
    ///
    /// # Errors
    /// [`Kind::Refused`], where somebody began before; [`Kind::Files`], where it cannot be noted,
    /// or the folder is not this account's own.
    pub(super) fn begin(&self, applied: &PlanExecution) -> Result<(), Error> {
        let id = &applied.plan;
        cache::own(&self.state, &self.accounts, Purpose::State)?;
        if self.file(id, ENDED).symlink_metadata().is_ok() {
            return Err(self.carried_out(id));
        }
        let path = self.file(id, BEGUN);
        let unnoted = |e| {
            let what = format!("{} cannot be written, so nothing was done", path.display());
            Error::because(Kind::Files, what, e)
        };
        let mut file = match File::options().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(self.carried_out(id)),
            Err(e) => return Err(unnoted(e)),
        };
        let bytes = Record::new(applied.clone()).to_bytes()?;
        let kept = file.write_all(&bytes).and_then(|()| file.sync_all());
        kept.and_then(|()| File::open(&self.dir)?.sync_all()).map_err(|e| {
            // Nothing was done yet, and nobody else began.
            let _ = std::fs::remove_file(&path);
            unnoted(e)
        })
    }

    /// Notes how it ended.
    pub(super) fn end(&self, applied: &PlanExecution) -> Result<(), Error> {
        let path = self.file(&applied.plan, ENDED);
        let bytes = Record::new(applied.clone()).to_bytes()?;
        cache::own(&self.state, &self.accounts, Purpose::State)?;
        written::put_durably(&path, &bytes).map_err(|e| {
            Error::because(Kind::Files, format!("{} cannot be written", path.display()), e)
        })
    }

    fn carried_out(&self, id: &PlanId) -> Error {
        let who = match self.applied(id) {
            Ok(Some(a)) => format!(" by {} on {:.0}", a.by.quoted(), a.began),
            // Who begins right now has not said so yet.
            Ok(None) | Err(_) => String::new(),
        };
        let what = format!(
            "the plan {} was carried out{who}, or was begun: a plan is carried out once",
            id.short()
        );
        Error::new(Kind::Refused, what).with(Remedy::ListPlans)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
        if let Err(e) = path.symlink_metadata()
            && e.kind() == ErrorKind::NotFound
        {
            return Ok(None);
        }
        secrets::read_decisive(path, bytes_max, &self.accounts).map(Some).map_err(|e| {
            Error::because(Kind::Files, format!("{} cannot be used", path.display()), e)
        })
    }

    fn ids(&self) -> Result<Vec<PlanId>, Error> {
        let unread = |e| {
            let what = format!("the plans in {} cannot be listed", self.dir.display());
            Error::because(Kind::Files, what, e)
        };
        let entries = match self.dir.read_dir() {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unread(e)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(unread)?.file_name();
            let id = name.to_str().and_then(|n| n.strip_suffix(PLAN)).and_then(PlanId::parse);
            ids.extend(id);
            if ids.len() > PLANS_MAX {
                return Err(Error::new(Kind::Files, self.full()));
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }
}
