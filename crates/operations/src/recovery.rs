//! Everything is gone but the vault: copy 2 is rebuilt from it on this host, with recovery shares
//! or a password, and what is to be done then is said.

use crate::{
    Error, Hears, Host, Kind, Remedy, blocking,
    config::VaultEntry,
    files::{
        rebuilding::{self, Mark, Rebuilding},
        secrets, written,
    },
    place::Place,
    replicate::goes_on_elsewhere,
    sheets::{self, Sheet},
    vault::VaultPlace,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::PublicKey;
use strongroom_engine::{
    publish::signing_key,
    replicate::{self as copies, ReplicateReport},
    seal,
};
use strongroom_model::{Progress, Series};
use strongroom_objects::{Kind as ObjectKind, Store};
use strongroom_repository::{FilesReport, Id, MasterKey, Repository, Snapshot, TAG_CLEAN, lineage};

/// What is to be recovered, from where and to where.
#[derive(Debug, Clone)]
pub struct RecoveryRequest {
    /// The vault's folder, or a file that says where the vault is: what a `[[vault]]` of a
    /// configuration says, alone.
    pub vault: PathBuf,
    /// What opens what the vault holds.
    pub with: RecoverWith,
    /// The place for copy 2.
    pub to: Place,
    /// The file with the password of copy 2 from now on.
    pub password_file: PathBuf,
    /// Whose log is believed.
    pub believes: Believes,
    /// The vault as it was at this session; the newest without one.
    pub upto: Option<u64>,
    /// A new folder for the data of the snapshot, as files.
    pub files: Option<PathBuf>,
    /// Whether the newest snapshot that is called clean is taken, and not the newest of all.
    pub clean: bool,
}

/// What opens what the vault holds.
#[derive(Debug, Clone)]
pub enum RecoverWith {
    /// Files with recovery shares.
    Shares(Vec<PathBuf>),
    /// A file with a password.
    Password(PathBuf),
}

/// Whose log says what a vault holds.
#[derive(Debug, Clone, Copy)]
pub enum Believes {
    /// That of this key; without one, of the key that the vault's place or the sheets name.
    Log(Option<PublicKey>),
    /// Nobody's: what lies there is taken, whoever put it there.
    Nobody,
}

/// How copy 3 gets its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultKind {
    /// It is pushed to, by its server.
    Server,
    /// It is pushed to, into its bucket.
    Bucket,
    /// It pulls.
    Folder,
}

/// What opens it, read.
enum Opener {
    Shares(Vec<Sheet>, MasterKey),
    Password(SecretString),
}

/// A recovery of which all is read that this host has; nothing was asked of the vault.
pub struct Recovery {
    host: Arc<Host>,
    cache: PathBuf,
    request: RecoveryRequest,
    place: VaultPlace,
    opener: Opener,
    password: SecretString,
    believed: Option<PublicKey>,
    began: Timestamp,
}

/// What is to be done when copy 2 is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// Read each byte of copy 2.
    ReadAll,
    /// Write the configuration anew.
    WriteConfiguration,
    /// Where the tenant was attacked, put it back.
    RestoreClean,
    /// Go on with backups.
    BackUp,
    /// Tell a vault that pulls where copy 2 is now.
    TellVault,
    /// Make another credential for pushing.
    RenewCredential,
    /// Go on with the vault's server.
    Replicate,
    /// Go on with the vault's bucket, with a credential that pushes.
    ReplicateToBucket,
    /// Have the vault admit this key file of copy 2.
    AdmitKey(String),
    /// Look at the vault.
    LookAtVault,
    /// Give the shares back, and make another key where somebody saw enough of them.
    ReturnShares,
}

/// What was recovered.
#[derive(Debug)]
pub struct Recovered {
    /// Where copy 2 is now.
    pub at: Place,
    /// The same, from wherever somebody is.
    pub copy2: String,
    /// The file with its password.
    pub password_file: PathBuf,
    /// What came from the vault.
    pub rebuilt: ReplicateReport,
    /// How many snapshots there are.
    pub snapshots: usize,
    /// The one that was taken.
    pub snapshot: Id,
    /// When its run began.
    pub time: Timestamp,
    /// Whether it is called clean.
    pub is_clean: bool,
    /// What was restored as files, where that was asked for.
    pub files: Option<FilesReport>,
    /// The school's name in it.
    pub school: String,
    /// The id of its tenant, where the repository says it.
    pub tenant_id: Option<String>,
    /// Key files of copy 2 that the vault does not have.
    pub new_keys: Vec<String>,
    /// The vault's public key, where one was believed.
    pub vault_key: Option<PublicKey>,
    /// How the vault gets its data.
    pub vault: VaultKind,
    /// Whether shares opened it.
    pub was_with_shares: bool,
    /// How long it took until copy 2 was back.
    pub rebuilt_s: f64,
    /// How long all of it took.
    pub seconds: f64,
}

impl Recovered {
    /// Whether all came along.
    pub fn is_whole(&self) -> bool {
        self.rebuilt.is_whole() && self.files.as_ref().is_none_or(|f| f.failed.is_empty())
    }

    /// Whether copy 2 is a folder of this host.
    pub fn is_folder(&self) -> bool {
        matches!(self.at, Place::Folder(_))
    }

    /// What is to be done now, in its order.
    pub fn next(&self) -> Vec<NextStep> {
        let mut steps = Vec::new();
        if self.is_folder() {
            steps.push(NextStep::ReadAll);
        }
        steps.extend([NextStep::WriteConfiguration, NextStep::RestoreClean, NextStep::BackUp]);
        match self.vault {
            VaultKind::Folder => steps.push(NextStep::TellVault),
            VaultKind::Server => steps.extend([NextStep::RenewCredential, NextStep::Replicate]),
            VaultKind::Bucket => steps.push(NextStep::ReplicateToBucket),
        }
        steps.extend(self.new_keys.iter().cloned().map(NextStep::AdmitKey));
        steps.push(NextStep::LookAtVault);
        if self.was_with_shares {
            steps.push(NextStep::ReturnShares);
        }
        steps
    }

    /// The configuration, as far as it is known.
    pub fn configuration(&self) -> String {
        // A string of JSON is one of TOML.
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let school = text(&self.school);
        let tenant = text(self.tenant_id.as_deref().unwrap_or("the id of the tenant"));
        let place = match self.is_folder() {
            true => format!("path = {}\n", text(&self.copy2)),
            false => format!("# {}, as its settings were\n", self.copy2),
        };
        let password = text(&self.password_file.display().to_string());
        let mut out = format!(
            "[[tenant]]\nname = {school}\ntenant_id = {tenant}\n\
             authority = \"https://login.microsoftonline.com/\"\n\
             graph = \"https://graph.microsoft.com/\"\nrepository = {school}\n"
        );
        if self.vault_key.is_some() {
            out.push_str(&format!("vault = {school}\n"));
        }
        out.push_str(&format!(
            "[tenant.identities.read]\n\
             application_id = \"00000000-0000-0000-0000-000000000000\"\n\
             certificate_file = \"read.pem\"\n\
             [[repository]]\nname = {school}\n{place}password_file = {password}\n"
        ));
        if let Some(key) = &self.vault_key {
            let key = text(&key.to_string());
            out.push_str(&format!("[[vault]]\nname = {school}\npublic_key = {key}\n"));
        }
        out
    }
}

/// The key of the vault whose log is believed; nothing for a server, which shows its own view, and
/// where nobody's is.
fn believed(
    request: &RecoveryRequest,
    place: &VaultPlace,
    sheets: &[Sheet],
) -> Result<Option<PublicKey>, Error> {
    let said = match (place, request.believes) {
        (VaultPlace::Server(_), _) | (_, Believes::Nobody) => return Ok(None),
        (_, Believes::Log(said)) => said,
    };
    let known = match said.or(place.public_key()) {
        Some(key) => Some(key),
        None => sheets::vault_key_of(sheets)?,
    };
    known.map(Some).ok_or_else(|| {
        let what = format!(
            "nobody says whose log is to be believed: neither {} (`public_key`) nor a sheet names \
             the vault's key",
            request.vault.display()
        );
        Error::new(Kind::Request, what).with(Remedy::NameVaultsKey)
    })
}

/// A file that is there only while something is under way.
struct RemovedAtEnd(PathBuf);

impl Drop for RemovedAtEnd {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn not_made(path: &Path, e: std::io::Error) -> Error {
    Error::because(Kind::Files, format!("{} cannot be made", path.display()), e)
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path)
        .map_err(|e| Error::because(Kind::Files, path.display().to_string(), e))
}

impl Recovery {
    /// Reads what this host has for it, and asks nothing of the vault yet.
    ///
    /// # Errors
    /// [`Kind::Files`], where a file cannot be read; [`Kind::Request`], where shares do not fit
    /// together, or nobody says whose log is to be believed; [`Kind::Configuration`], where the
    /// vault's place is none.
    pub fn prepare(
        host: &Arc<Host>,
        cache: PathBuf,
        request: RecoveryRequest,
    ) -> Result<Self, Error> {
        let began = host.clock.now();
        let (entry, base) = VaultEntry::read(&request.vault, &host.accounts)?;
        let place = VaultPlace::of(&entry, &base, &host.accounts)?;
        let (opener, believed) = match &request.with {
            RecoverWith::Shares(files) => {
                let sheets = sheets::read(files)?;
                let key = sheets::key_of(&sheets)?;
                let believed = believed(&request, &place, &sheets)?;
                (Opener::Shares(sheets, key), believed)
            }
            RecoverWith::Password(file) => {
                let password = secrets::read(file, &host.accounts)?;
                (Opener::Password(password), believed(&request, &place, &[])?)
            }
        };
        let password = secrets::read(&request.password_file, &host.accounts)?;
        if password.expose_secret().is_empty() {
            let what = format!(
                "{} is empty, and an empty password protects nothing",
                request.password_file.display()
            );
            return Err(Error::new(Kind::Request, what));
        }
        Ok(Self { host: host.clone(), cache, request, place, opener, password, believed, began })
    }

    /// Whether what lies in the vault will be taken, whoever put it there: a server shows its own
    /// view, whatever was said.
    pub fn believes_nobody(&self) -> bool {
        let is_server = matches!(self.place, VaultPlace::Server(_));
        matches!(self.request.believes, Believes::Nobody) && !is_server
    }

    /// Rebuilds copy 2, and gives its data back where that was asked for. One that was killed goes
    /// on when it is asked for again.
    ///
    /// # Errors
    /// [`Kind::Files`], where the place holds something else, or another recovery is at it;
    /// [`Kind::WrongKey`], where nothing of the vault's opens; [`Kind::Copy`], where the vault does
    /// not give it back.
    pub async fn carry_out(self, progress: Hears) -> Result<Recovered, Error> {
        blocking(move || self.work(progress.as_ref())).await
    }

    fn seconds(&self) -> f64 {
        let now = self.host.clock.now();
        (now.as_millisecond() - self.began.as_millisecond()) as f64 / 1000.0
    }

    /// Two at once would both say that they did it.
    fn alone(&self) -> Result<(std::fs::File, RemovedAtEnd), Error> {
        let at = &self.request.to;
        let here = match at {
            Place::Folder(path) => path.clone(),
            Place::Elsewhere { .. } => at.sheets(),
        };
        let beside = here.with_extension("recovering");
        if let Some(parent) = here.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|e| not_made(parent, e))?;
        }
        let alone = written::mark(&beside).map_err(|e| not_made(&beside, e))?;
        if alone.try_lock().is_err() {
            let what = format!("another recovery into {at} is under way");
            return Err(Error::new(Kind::Files, what));
        }
        Ok((alone, RemovedAtEnd(beside)))
    }

    fn open(&self, vault: &dyn Store) -> Result<MasterKey, Error> {
        match &self.opener {
            Opener::Shares(_, key) => Ok(key.clone()),
            Opener::Password(old) => Repository::key_of(vault, old).map_err(|e| {
                let e = Error::from(e);
                let what = "the password opens nothing of what the vault shows; two recovery \
                            shares do";
                Error::because(e.kind(), what, e)
            }),
        }
    }

    fn sheets(&self) -> &[Sheet] {
        match &self.opener {
            Opener::Shares(sheets, _) => sheets,
            Opener::Password(_) => &[],
        }
    }

    fn rebuild(
        &self,
        vault: &dyn Store,
        key: &MasterKey,
        to: &dyn Store,
        progress: &dyn Progress,
    ) -> Result<ReplicateReport, Error> {
        let rebuild = match self.request.believes {
            Believes::Nobody => copies::from_unvouched,
            Believes::Log(_) => copies::from_vault,
        };
        rebuild(vault, key, to, progress).map_err(|e| match e {
            strongroom_engine::Error::NothingVouched(_) => {
                sheets::foreign(self.sheets(), vault, None).unwrap_or_else(|| e.into())
            }
            e => {
                let e = Error::from(e);
                Error::because(e.kind(), "the vault does not give copy 2 back", e)
            }
        })
    }

    fn work(self, progress: &dyn Progress) -> Result<Recovered, Error> {
        let RecoveryRequest { to: at, upto, clean, .. } = self.request.clone();
        let _alone = self.alone()?;
        let to = at.open()?;
        let vault = self.place.reader_by(self.believed, upto).map_err(|e| {
            Error::because(e.kind(), "the vault's log is not believed", e)
                .with(Remedy::WithoutVaultsLog)
        })?;
        let key = self.open(vault.as_ref())?;
        let goes_on = match &at {
            Place::Folder(path) => rebuilding::is_marked(path) || rebuilding::is_empty(path),
            Place::Elsewhere { .. } => goes_on_elsewhere(to.as_ref(), vault.as_ref())?,
        };
        if !goes_on {
            let what = format!("{at} holds something already; name a new place for copy 2");
            return Err(Error::new(Kind::Files, what));
        }
        let files = self.request.files.as_deref().map(absolute).transpose()?;
        let mark = Mark { key: signing_key(&key)?.public().to_string(), upto, files };
        let rebuilding = match &at {
            Place::Folder(path) => Some(Rebuilding::begin(path, &mark)?),
            Place::Elsewhere { .. } => None,
        };
        let mut rebuilt = self.rebuild(vault.as_ref(), &key, to.as_ref(), progress)?;
        let repo = Repository::with_key(to.clone(), key, &self.cache, self.host.writer());
        let repo = Arc::new(repo.map_err(|e| {
            let e = Error::from(e);
            Error::because(e.kind(), "the key does not open what the vault gave", e)
        })?);
        // A run before may have been killed behind this.
        if Repository::key_of(to.as_ref(), &self.password).is_err() {
            repo.add_key(&self.password, "recovered", self.host.clock.now())?;
        }
        copies::name_items(&repo, &mut rebuilt);
        let rebuilt_s = self.seconds();
        let snapshots = repo.snapshots()?;
        let (snapshot, taken) = newest(&repo, &snapshots, clean, &at)?;
        let goes_on = rebuilding.as_ref().is_some_and(|r| r.goes_on);
        let files = mark.files.as_deref();
        let files =
            files.map(|folder| give_back(&repo, &snapshots, &taken, folder, goes_on, progress));
        let files = files.transpose()?;
        rebuilding.map_or(Ok(()), Rebuilding::done)?;
        // Who cannot list them is told each as new.
        let held: Vec<String> = vault
            .list(ObjectKind::Keys)
            .unwrap_or_default()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        let keys = repo.keys()?.into_iter().map(|k| k.id.to_string());
        let copy2 = match &at {
            Place::Folder(path) => absolute(path)?.display().to_string(),
            Place::Elsewhere { .. } => at.to_string(),
        };
        Ok(Recovered {
            copy2,
            password_file: absolute(&self.request.password_file)?,
            rebuilt,
            snapshots: snapshots.len(),
            snapshot,
            time: taken.time,
            is_clean: taken.has_tag(TAG_CLEAN),
            files,
            school: taken.hostname.as_str().to_owned(),
            tenant_id: seal::of(&repo)?,
            new_keys: keys.filter(|id| !held.contains(id)).collect(),
            vault_key: self.believed,
            vault: match &self.place {
                VaultPlace::Server(_) => VaultKind::Server,
                VaultPlace::Bucket(_) => VaultKind::Bucket,
                VaultPlace::Folder(..) => VaultKind::Folder,
            },
            was_with_shares: !self.sheets().is_empty(),
            rebuilt_s,
            seconds: self.seconds(),
            at,
        })
    }
}

/// The newest snapshot of the data, or the newest that is called clean.
fn newest(
    repo: &Repository,
    snapshots: &[(Id, Snapshot)],
    clean: bool,
    at: &Place,
) -> Result<(Id, Snapshot), Error> {
    let head = repo.head_of(snapshots, None, &Series::DATA).map_err(|e| {
        let e = Error::from(e);
        let what = format!("copy 2 is back in {at}, and nothing was restored from it");
        Error::because(e.kind(), what, e)
    })?;
    let found = head.and_then(|head| {
        let mut line = lineage(snapshots, head).into_iter();
        line.find(|(_, s)| !clean || s.has_tag(TAG_CLEAN)).cloned()
    });
    found.ok_or_else(|| {
        let what = format!("copy 2 is back in {at}, and holds no such snapshot");
        Error::new(Kind::Request, what)
    })
}

/// Writes a snapshot's data into a folder, and its tenant's settings beside it.
fn give_back(
    repo: &Repository,
    snapshots: &[(Id, Snapshot)],
    taken: &Snapshot,
    folder: &Path,
    goes_on: bool,
    progress: &dyn Progress,
) -> Result<FilesReport, Error> {
    progress.phase("restore");
    let advance = |n, bytes| progress.advance(n, bytes);
    let mut report = repo.restore_files(&taken.tree, folder, goes_on, &advance)?;
    let school = Some(taken.hostname.as_str());
    if let Some((_, settings)) = repo.head_of(snapshots, school, &Series::SETTINGS)? {
        let more = repo.restore_files(&settings.tree, folder, true, &advance)?;
        report.files += more.files;
        report.bytes += more.bytes;
        report.failed.extend(more.failed);
    }
    Ok(report)
}
