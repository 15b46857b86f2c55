use crate::{
    Refusal, RepoSettings,
    credentials::{Look, look},
};
use jiff::Timestamp;
use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::{
    Agreed, Holding, Ledger, PublicKey, SignerRole, SigningKey, Trust, TrustedClock, VaultView,
};
use strongroom_objects::{LockedStore, S3Bucket};

/// One repository in the vault, with everything open that its work needs.
pub(crate) struct Repo {
    pub(crate) dir: PathBuf,
    pub(crate) settings: RepoSettings,
    pub(crate) store: Arc<dyn LockedStore>,
    pub(crate) bucket: Option<Arc<S3Bucket>>,
    pub(crate) holding: Holding,
    pub(crate) clock: TrustedClock,
    views: HashMap<u64, Arc<VaultView>>,
    /// When the store was asked for its time last.
    asked: std::cell::Cell<Option<std::time::Instant>>,
    /// What the other processes of this vault had changed when the log was read.
    tick: String,
    /// What `repo.toml` looked like when it was read.
    look: Look,
}

/// The lock of one repository's log; other processes of the vault wait while it lives.
pub(crate) struct Alone(#[allow(dead_code)] File);

impl Repo {
    pub(crate) fn open(dir: &Path, seed: &secrecy::SecretBox<[u8; 32]>) -> Result<Self, Refusal> {
        let seen = look(&dir.join("repo.toml"));
        let settings = RepoSettings::read(&dir.join("repo.toml"))?;
        let (store, bucket) = settings.open_hold(dir)?;
        let tick = read_tick(dir);
        let holding = open_holding(dir, store.clone(), SigningKey::from_seed(seed)?)?;
        let clock = TrustedClock::open(&dir.join("clock"), settings.ntp.clone())?;
        Ok(Self {
            dir: dir.to_owned(),
            settings,
            store,
            bucket,
            holding,
            clock,
            views: HashMap::new(),
            asked: std::cell::Cell::new(None),
            tick,
            look: seen,
        })
    }

    /// What was changed last when the log was read.
    pub(crate) fn tick(&self) -> &str {
        &self.tick
    }

    /// Takes the lock. Waits a little: most holders are quick.
    pub(crate) fn alone(&self) -> Result<Alone, Refusal> {
        let path = self.dir.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        for _ in 0..100 {
            match file.try_lock() {
                Ok(()) => return Ok(Alone(file)),
                Err(std::fs::TryLockError::WouldBlock) => {
                    std::thread::sleep(std::time::Duration::from_millis(100))
                }
                Err(std::fs::TryLockError::Error(e)) => return Err(e.into()),
            }
        }
        Err(Refusal::Busy(format!(
            "{} is being written by another process of this vault; try again when it is done",
            self.dir.display()
        )))
    }

    /// Reads the log again, when another process wrote it.
    pub(crate) fn refresh(&mut self, seed: &secrecy::SecretBox<[u8; 32]>) -> Result<(), Refusal> {
        self.follow_settings()?;
        let tick = read_tick(&self.dir);
        // Into a bucket others write as well: their segments are seen when work begins (`anew`).
        if tick != self.tick || self.holding.ledger().is_broken() {
            self.holding =
                open_holding(&self.dir, self.store.clone(), SigningKey::from_seed(seed)?)?;
            self.views.clear();
            self.tick = tick;
        }
        Ok(())
    }

    /// Takes `repo.toml` in when it was edited: what it says counts at once.
    fn follow_settings(&mut self) -> Result<(), Refusal> {
        let seen = look(&self.dir.join("repo.toml"));
        if seen == self.look {
            return Ok(());
        }
        let settings = RepoSettings::read(&self.dir.join("repo.toml"))?;
        if settings.hold != self.settings.hold {
            (self.store, self.bucket) = settings.open_hold(&self.dir)?;
            // Another place has another log.
            self.tick = "another place".into();
        }
        if settings.ntp != self.settings.ntp {
            self.clock = TrustedClock::open(&self.dir.join("clock"), settings.ntp.clone())?;
            self.asked.set(None);
        }
        (self.settings, self.look) = (settings, seen);
        Ok(())
    }

    /// Reads the log again in any case, where others than this vault's processes write it.
    pub(crate) fn anew(&mut self, seed: &secrecy::SecretBox<[u8; 32]>) -> Result<(), Refusal> {
        if self.bucket.is_some() {
            self.tick.clear();
            self.tick.push_str("anew");
        }
        self.refresh(seed)
    }

    /// Tells the other processes that the log changed.
    pub(crate) fn changed(&mut self) -> Result<(), Refusal> {
        self.views.clear();
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|e| Refusal::Failed(e.to_string()))?;
        self.tick = hex::encode(bytes);
        Ok(std::fs::write(self.dir.join("tick"), &self.tick)?)
    }

    // How long ago the server was asked is a matter of real time.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn now(&self) -> Result<Timestamp, Refusal> {
        let state = self.holding.ledger().state();
        let lately =
            self.asked.get().is_some_and(|t: std::time::Instant| t.elapsed().as_secs() < 60);
        if lately && strongroom_custody::kernel_tells() {
            return Ok(self.clock.now(&[], state.latest, state.clock_vouched)?);
        }
        // Only an answer that agreed spares the next question.
        let now = ask(&self.clock, self.store.as_ref(), state.latest, state.clock_vouched)?;
        self.asked.set(Some(std::time::Instant::now()));
        Ok(now)
    }

    /// Now, when a second clock that is asked in this very call says the same.
    pub(crate) fn agreed(&self) -> Result<Option<Agreed>, Refusal> {
        let state = self.holding.ledger().state();
        let others = others(self.store.as_ref())?;
        Ok(self.clock.agreed(&others, state.latest, state.clock_vouched)?)
    }

    pub(crate) fn view(&mut self, upto: Option<u64>) -> Result<Arc<VaultView>, Refusal> {
        let key = upto.unwrap_or(u64::MAX);
        if let Some(view) = self.views.get(&key) {
            return Ok(view.clone());
        }
        let view = Arc::new(VaultView::of(&self.holding, upto)?);
        // Few are asked for; none is kept for long.
        if self.views.len() > 8 {
            self.views.clear();
        }
        self.views.insert(key, view.clone());
        Ok(view)
    }
}

pub(crate) fn ask(
    clock: &TrustedClock,
    store: &dyn LockedStore,
    latest: Timestamp,
    vouched: Option<Timestamp>,
) -> Result<Timestamp, strongroom_custody::Error> {
    clock.now(&others(store)?, latest, vouched)
}

/// Other clocks that the place itself has.
pub(crate) fn others(
    store: &dyn LockedStore,
) -> Result<Vec<(String, Timestamp)>, strongroom_custody::Error> {
    Ok(store.date()?.into_iter().map(|d| ("the S3 server".to_owned(), d)).collect())
}

pub(crate) fn read_tick(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("tick")).unwrap_or_default()
}

fn open_holding(
    dir: &Path,
    store: Arc<dyn LockedStore>,
    key: SigningKey,
) -> Result<Holding, Refusal> {
    let school = std::fs::read_to_string(dir.join("school.pub"))
        .map_err(|e| Refusal::Failed(format!("{}: {e}", dir.join("school.pub").display())))?;
    let trust = Trust::Keys(vec![
        (key.public(), SignerRole::Vault),
        (PublicKey::parse(&school)?, SignerRole::School),
    ]);
    Ok(Holding::open(Ledger::open(store, Some(key), &trust, Some(dir))?)?)
}
