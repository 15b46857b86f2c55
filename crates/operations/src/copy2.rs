use crate::{
    Duty, Error, Host, Kind, Remedy, backup,
    config::{Config, RepositoryEntry, TenantEntry, VaultEntry},
    files::secrets,
    place::{self, Doing, Place},
    vault::VaultPlace,
};
use jiff::Timestamp;
use secrecy::SecretString;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::heartbeat;
use strongroom_engine::{MadeBefore, publish, replicate, seal};
use strongroom_model::Series;
use strongroom_objects::{VaultRest, VaultSettings};
use strongroom_repository::{Glance, Id, Repository, Snapshot, heads};

/// Which school is meant, and what is taken in the place of what the configuration names.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The school, by its name; without one the only one of the configuration.
    pub tenant: Option<String>,
    /// A repository: its name in the configuration, or its folder.
    pub repository: Option<PathBuf>,
    /// The file with that repository's password.
    pub password_file: Option<PathBuf>,
    /// The folder for local caches.
    pub cache_dir: Option<PathBuf>,
}

/// A copy 2: where it is, what opens it, and whose it is. Nothing is read or asked before a
/// function of it is called.
#[derive(Clone)]
pub struct Copy2 {
    host: Arc<Host>,
    config: Option<Arc<Config>>,
    at: At,
    password_file: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    whose: Whose,
}

/// Whose duties make snapshots, and of which series.
const DUTIES: [(Duty, Series); 2] =
    [(Duty::Backup, Series::DATA), (Duty::Settings, Series::SETTINGS)];

/// The last snapshot that a duty made, and of which series.
type MadeBy = (Duty, Series, MadeBefore);

/// What stands for it.
#[derive(Clone)]
enum At {
    /// A repository of the configuration.
    Entry(Box<RepositoryEntry>, Arc<Config>),
    /// A folder that somebody named.
    Folder(PathBuf),
}

/// Whose it is, as far as that is known before it is opened.
#[derive(Clone)]
enum Whose {
    /// It was named by itself.
    Unknown,
    /// It was named, and the school too: it must be that school's.
    Said(String),
    /// It is the one that the configuration gives a school.
    School(Box<TenantEntry>),
}

impl Copy2 {
    /// The repository that somebody names: one of the configuration, where that has one of the
    /// name, or else a folder. With a school chosen too, it must be that one's.
    ///
    /// # Errors
    /// [`Kind::Request`], where the word is an address of restic's, or a school is chosen without a
    /// configuration; [`Kind::Configuration`], where there is no such school.
    pub fn named(
        word: &Path,
        choice: &Choice,
        config: Option<&Arc<Config>>,
        host: &Arc<Host>,
    ) -> Result<Self, Error> {
        let name = word.to_str();
        let entry = match place::is_name(word)? {
            true => config.zip(name).and_then(|(c, name)| Some((c, c.repository(name).ok()?))),
            false => None,
        };
        let at = match entry {
            Some((config, entry)) => At::Entry(Box::new(entry.clone()), config.clone()),
            None => At::Folder(word.to_owned()),
        };
        let whose = match (config, &choice.tenant) {
            (_, None) => Whose::Unknown,
            (Some(config), Some(name)) => Whose::Said(config.tenant(Some(name))?.tenant_id.clone()),
            (None, Some(name)) => {
                let what = format!("without a configuration nobody knows the tenant {name:?}");
                return Err(Error::new(Kind::Request, what));
            }
        };
        Ok(Self {
            host: host.clone(),
            config: config.cloned(),
            at,
            password_file: choice.password_file.clone(),
            cache_dir: choice.cache_dir.clone(),
            whose,
        })
    }

    /// The one that the configuration gives a school.
    pub(crate) fn of_school(
        tenant: &TenantEntry,
        choice: &Choice,
        config: &Arc<Config>,
        host: &Arc<Host>,
    ) -> Result<Self, Error> {
        let entry = config.repository(&tenant.repository)?;
        Ok(Self {
            host: host.clone(),
            config: Some(config.clone()),
            at: At::Entry(Box::new(entry.clone()), config.clone()),
            password_file: choice.password_file.clone(),
            cache_dir: choice.cache_dir.clone(),
            whose: Whose::School(Box::new(tenant.clone())),
        })
    }

    /// The host of whoever works on it.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.host.clock.now()
    }

    /// The id of the tenant that it has to be of, where that is known.
    pub fn tenant_id(&self) -> Option<&str> {
        match &self.whose {
            Whose::Unknown => None,
            Whose::Said(id) => Some(id),
            Whose::School(tenant) => Some(&tenant.tenant_id),
        }
    }

    /// The school that the configuration gives it to.
    pub fn school_name(&self) -> Option<&str> {
        match &self.whose {
            Whose::School(tenant) => Some(&tenant.name),
            Whose::Unknown | Whose::Said(_) => None,
        }
    }

    /// The school of the configuration whose tenant's data it holds, named or not.
    pub(crate) fn tenant_of(&self, repo: &Repository) -> Option<(&Config, &TenantEntry)> {
        let config = self.config.as_deref()?;
        if let Whose::School(tenant) = &self.whose {
            return Some((config, tenant));
        }
        let id = repo.tenant().or(self.tenant_id())?.trim();
        let mut all = config.tenants.iter();
        all.find(|t| t.tenant_id.trim().eq_ignore_ascii_case(id)).map(|t| (config, t))
    }

    /// What the configuration says of it.
    pub(crate) fn entry(&self) -> Option<&RepositoryEntry> {
        match &self.at {
            At::Entry(entry, _) => Some(entry),
            At::Folder(_) => None,
        }
    }

    /// Where it is, for who does this to it.
    ///
    /// # Errors
    /// As [`Place::of`].
    pub fn place(&self, doing: Doing) -> Result<Place, Error> {
        match &self.at {
            At::Entry(entry, config) => Place::of(entry, config, doing, &self.host.accounts),
            At::Folder(path) => Ok(Place::Folder(path.clone())),
        }
    }

    /// Where it is, for who does this to it, and its password. Before anything is sent, and
    /// whatever is done: a key of its school that cannot sign in is found here.
    ///
    /// # Errors
    /// Those of [`Copy2::place`]; [`Kind::Configuration`], where an identity of its school cannot
    /// sign in; [`Kind::Request`], where nobody named the file of the password, and
    /// [`Kind::Files`], where it cannot be read.
    pub fn place_and_password(&self, doing: Doing) -> Result<(Place, SecretString), Error> {
        self.can_sign_in()?;
        self.place_and_its_password(doing)
    }

    fn can_sign_in(&self) -> Result<(), Error> {
        if let (Whose::School(tenant), Some(config)) = (&self.whose, &self.config)
            && let Some(wrong) = config.sign_in_problems(tenant, &self.host).into_iter().next()
        {
            return Err(Error::new(Kind::Configuration, wrong));
        }
        Ok(())
    }

    fn place_and_its_password(&self, doing: Doing) -> Result<(Place, SecretString), Error> {
        let place = self.place(doing)?;
        let own = match &self.at {
            At::Entry(entry, config) => Some(config.path(&entry.password_file)),
            At::Folder(_) => None,
        };
        let file = self.password_file.clone().or(own).ok_or_else(|| {
            let what = format!("nobody says where the password of {place} is");
            Error::new(Kind::Request, what).with(Remedy::NamePassword)
        })?;
        Ok((place, secrets::read(&file, &self.host.accounts)?))
    }

    /// The folder for local caches, this account's own from now on.
    ///
    /// # Errors
    /// [`Kind::Files`], where there is no such folder, or it is not this account's alone.
    pub fn cache(&self) -> Result<PathBuf, Error> {
        self.host.cache(self.cache_dir.as_deref(), self.config.as_deref())
    }

    /// Opens it, for who does this to it. For the usual, what is read of it again and again may
    /// come from what is kept of it on this host. Where two snapshots claim to be the newest, the
    /// school's vault is asked.
    ///
    /// # Errors
    /// Those of [`Copy2::place_and_password`] and [`Copy2::cache`];
    /// [`Kind::NoRepository`] and [`Kind::WrongKey`]; [`Kind::Copy`], where it cannot be reached or
    /// holds another tenant's data.
    pub async fn open(&self, doing: Doing) -> Result<Arc<Repository>, Error> {
        let (place, password) = self.place_and_password(doing)?;
        let (cache, server, now) = (self.cache()?, self.vault_server(), self.now());
        let (tenant, writer) = (self.tenant_id().map(str::to_owned), self.host.writer());
        let of = self.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let open = || -> Result<Arc<Repository>, Error> {
                let store = match doing {
                    Doing::Usual => place.open_cached(&cache, now)?,
                    Doing::Looking | Doing::Deleting => place.open()?,
                };
                let repo = Repository::open(store, &password, &cache, writer)?;
                know_ours(&repo);
                if let Some(tenant) = tenant {
                    seal::check(&repo, &tenant)?;
                }
                if let Some(settings) = server {
                    ask_vault(&repo, settings);
                }
                Ok(Arc::new(repo))
            };
            open().map_err(|e| of.missed(e))
        });
        opened.await.map_err(Error::stopped)?
    }

    /// Its snapshots, and nothing else of it, whether anybody can sign in to its tenant or not;
    /// with what is kept of it on this host, where a folder for that is named. It blocks.
    ///
    /// # Errors
    /// As [`Copy2::open`].
    pub(crate) fn glance(&self, cache: Option<&Path>) -> Result<Glance, Error> {
        let (place, password) = self.place_and_its_password(Doing::Usual)?;
        let store = match cache {
            Some(cache) => place.open_cached(cache, self.now())?,
            None => place.open()?,
        };
        let glance = Repository::glance(store.as_ref(), &password);
        let glance = glance.map_err(|e| self.missed(e.into()))?;
        if let (Some(sealed), Some(asked)) = (&glance.tenant, self.tenant_id()) {
            seal::same_tenant(&store.location(), sealed, asked)?;
        }
        Ok(glance)
    }

    /// What speaks against it that there never was a repository at its place, as the end of a
    /// sentence: a school keeps its backups there, and this host noted some. What was noted and
    /// cannot be read counts as well.
    pub fn history(&self) -> Option<String> {
        let (tenant, config) = self.kept_there()?;
        let noted = match heartbeat::read(&config.state_dir().join(&tenant.name)) {
            Ok(None) => return None,
            Ok(Some(noted)) => noted,
            Err(e) => {
                return Some(format!("what this host noted of {} is damaged: {e}", tenant.name));
            }
        };
        let last = [Duty::Backup, Duty::Settings].into_iter().filter_map(|duty| {
            let beat = noted.duties.get(duty.name())?;
            Some((beat.done?, beat.last.as_ref()?.snapshot.as_ref()?))
        });
        let (at, snapshot) = last.max_by_key(|(at, _)| *at)?;
        let name = &tenant.name;
        Some(format!("this host noted snapshot {snapshot:.8} of {name} there on {at:.0}"))
    }

    /// The last snapshots that this host made there, of each series that it has a duty to, and the
    /// school's name in them.
    pub(crate) fn made_before(&self) -> Option<(String, Vec<MadeBy>)> {
        let (tenant, config) = self.kept_there()?;
        let dir = config.state_dir().join(&tenant.name);
        let of = |(duty, series)| Some((duty, series, backup::made_by(&dir, duty)?));
        Some((tenant.name.clone(), DUTIES.into_iter().filter_map(of).collect()))
    }

    /// What will lie there by this host's own doing: of what it made before, that which is not
    /// among these is let go, and missed by nobody.
    pub fn keeps_only(&self, all: &[(Id, Snapshot)]) {
        let Some((school, made)) = self.made_before() else { return };
        for (duty, series, made) in made {
            if all.iter().any(|(id, _)| id.to_string() == made.snapshot) {
                continue;
            }
            let left =
                heads(all, &school, &series).last().copied().map(|(id, s)| (id.to_string(), s));
            self.now_made(duty, left);
        }
    }

    /// The same of what lies there now. It blocks.
    ///
    /// # Errors
    /// As [`Copy2::open`].
    pub fn keeps_only_what_lies_there(&self) -> Result<(), Error> {
        self.keeps_only(&self.glance(None)?.snapshots);
        Ok(())
    }

    fn now_made(&self, duty: Duty, left: Option<(String, &Snapshot)>) {
        let Some((tenant, config)) = self.kept_there() else { return };
        let dir = config.state_dir().join(&tenant.name);
        let noted = heartbeat::note(&dir, duty.name(), self.now(), |beat| {
            if let Some(last) = &mut beat.last {
                last.tags = left.as_ref().map(|(_, s)| s.tags.clone());
                last.began = left.as_ref().map_or(last.began, |(_, s)| s.time);
                last.snapshot = left.map(|(id, _)| id);
            }
        });
        if let Err(e) = noted {
            tracing::warn!("{}: that snapshots were let go is not kept: {e}", tenant.name);
        }
    }

    /// The school that keeps its backups there, as the configuration says.
    fn kept_there(&self) -> Option<(&TenantEntry, &Config)> {
        let config = self.config.as_deref()?;
        let found = match (&self.whose, &self.at) {
            (Whose::School(tenant), _) => Some(&**tenant),
            (_, At::Entry(entry, _)) => config.tenant_of(Path::new(&entry.name)),
            (_, At::Folder(path)) => config.tenant_of(path),
        };
        Some((found?, config))
    }

    /// No repository where one was is a disk that is not mounted, or lost: another one made there
    /// would be taken for the whole history.
    fn missed(&self, e: Error) -> Error {
        let Some((tenant, _)) = self.kept_there().filter(|_| e.kind() == Kind::NoRepository) else {
            return e;
        };
        let (name, history) = (tenant.name.clone(), self.history());
        let what = match (&history, &tenant.vault) {
            (None, None) => return e,
            // A new school has a vault and no backup too.
            (None, Some(vault)) => {
                let what = format!("{}, and {name} has the vault {vault}", e.sentence());
                let what = format!("{what}: it may not be mounted, or the school is new");
                return Error::new(Kind::NoRepository, what).with(Remedy::RebuildOrMake(name));
            }
            (Some(history), _) => format!("{}, and {history}: it may not be mounted", e.sentence()),
        };
        Error::new(Kind::NoRepository, what).with(match tenant.vault {
            Some(_) => Remedy::RebuildFromVault(name),
            None => Remedy::MakeAnew(name),
        })
    }

    /// The vault's server, where the configuration names one that this side can ask. A host without
    /// the vault's token cannot, and says so.
    fn vault_server(&self) -> Option<VaultSettings> {
        let (Whose::School(tenant), Some(config)) = (&self.whose, &self.config) else {
            return None;
        };
        let entry: &VaultEntry = config.vault(tenant.vault.as_deref()?).ok()?;
        entry.url.as_ref()?;
        let place = VaultPlace::of(entry, &config.base, &self.host.accounts);
        match place.and_then(VaultPlace::server) {
            Ok(settings) => Some(settings),
            Err(e) => {
                let why = e.sentence();
                tracing::warn!("the vault cannot be asked which snapshot came first: {why}");
                None
            }
        }
    }
}

/// Of a snapshot that cannot be read, the signed manifests say whether it was ours.
fn know_ours(repo: &Repository) {
    let (store, key) = (repo.store().clone(), repo.key().clone());
    repo.set_vouched(Arc::new(move || {
        let signed = publish::vouched(store.as_ref(), &key);
        // Where nothing is signed nobody knows.
        let signed = signed.inspect_err(|e| tracing::warn!("manifests cannot be read: {e}")).ok();
        signed.filter(|all| !all.is_empty())
    }));
}

/// Where two snapshots claim to be the newest, the vault is asked which it sealed first. One that
/// does not answer says nothing.
fn ask_vault(repo: &Repository, settings: VaultSettings) {
    let key = repo.key().clone();
    let ask = move |heads: &[Id]| -> Result<Option<Id>, Error> {
        let vault = VaultRest::new(settings.clone())?;
        Ok(replicate::sealed_first(&vault, &key, heads)?)
    };
    repo.set_sealed_first(Arc::new(move |heads| {
        // The client blocks, and whoever asks may be async.
        let said = std::thread::scope(|scope| scope.spawn(|| ask(heads)).join());
        match said {
            Ok(Ok(found)) => found,
            Ok(Err(e)) => {
                tracing::warn!("the vault was not asked which snapshot came first: {e}");
                None
            }
            Err(_) => None,
        }
    }));
}
