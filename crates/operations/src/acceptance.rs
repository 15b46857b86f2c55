//! Proof on a tenant that exists: objects are made for it alone, backed up, wiped, restored and
//! compared field by field, and deleted again.
//!
//! A run is planned, begun, proven and cleaned up, each by a call of its own: whoever breaks a run
//! off lets go of what proves, and cleans up all the same.

pub use strongroom_acceptance::{AcceptanceReport, FieldVerdict, Leftover, PREFIX};

use crate::{Choice, Error, Hears, Host, Identity, Kind, School, config::Config, files::written};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_acceptance::{
    Ground, RunRecord, Tools, clean, find_owner, prove,
    transcript::{Secrets, Transcript},
};
use strongroom_graph::Client;
use strongroom_objects::LocalDir;
use strongroom_repository::Repository;
use tempfile::TempDir;

/// Folder of the records of runs, beside the configuration.
const RECORDS: &str = "acceptance";

/// What is to be proven.
#[derive(Debug, Clone)]
pub struct AcceptanceRequest {
    /// Whose mailbox and drive are used: a principal name. Best an account made for it.
    pub owner: String,
    /// The new file for a redacted transcript of all requests, where one is wanted.
    pub transcript: Option<PathBuf>,
    /// The folder in which the run's repository is made, and deleted.
    pub scratch: PathBuf,
}

/// A run that nothing was done for yet.
pub struct AcceptancePlan {
    school: School,
    request: AcceptanceRequest,
}

/// A run that has a record. What it makes stands in it before it is made.
pub struct AcceptanceRun {
    id: String,
    tools: Tools,
    transcript: Option<(PathBuf, Transcript)>,
    _dir: TempDir,
}

fn records(config: &Config) -> PathBuf {
    config.base.join(RECORDS)
}

/// Whether the school's settings are proven too: where it has the identity for it.
fn sets_settings(school: &School) -> bool {
    school.tenant().identities.contains_key(Identity::Configure.name())
}

impl AcceptancePlan {
    /// Plans a run. Nothing is read or asked.
    ///
    /// # Errors
    /// [`Kind::Request`], where the file for the transcript is there already.
    pub fn of(school: &School, request: AcceptanceRequest) -> Result<Self, Error> {
        if let Some(file) = request.transcript.as_ref().filter(|f| f.symlink_metadata().is_ok()) {
            let what = format!(
                "{} is there already; a transcript is written into a new file",
                file.display()
            );
            return Err(Error::new(Kind::Request, what));
        }
        Ok(Self { school: school.clone(), request })
    }

    /// The school.
    pub fn school(&self) -> &School {
        &self.school
    }

    /// What was asked for.
    pub fn request(&self) -> &AcceptanceRequest {
        &self.request
    }

    /// Whether the school's settings are proven too.
    pub fn sets_settings(&self) -> bool {
        sets_settings(&self.school)
    }

    /// Finds the owner and begins the record. Nothing is made in the tenant yet.
    ///
    /// # Errors
    /// [`Kind::Request`], where there is no such owner; [`Kind::Files`], where there is no place
    /// for the record or the repository; those of signing in, and of the tenant.
    pub async fn begin(self) -> Result<AcceptanceRun, Error> {
        let Self { school, request } = self;
        let tenant = school.tenant();
        let transcript = match request.transcript {
            Some(file) => Some((file, transcript(&school, &request.owner)?)),
            None => None,
        };
        let noted = transcript.as_ref().map(|(_, t)| t);
        let finder = client(&school, Identity::Write, noted, None)?;
        let records = records(school.config());
        let ledger = find_owner(&finder, &records, &tenant.name, &request.owner).await?;
        if let Some(t) = noted {
            t.know_mark(&ledger.mark());
        }
        let id = ledger.run.clone();
        let (dir, tools) = tools(&school, noted, ledger, &request.scratch)?;
        Ok(AcceptanceRun { id, tools, transcript, _dir: dir })
    }
}

impl AcceptanceRun {
    /// A run that ended before it was cleaned up, by its id, to be [cleaned up](Self::clean).
    ///
    /// # Errors
    /// [`Kind::Request`], where there is no record of it, or it was in another school than the one
    /// that is chosen; and those of signing in.
    pub fn left_behind(
        config: &Arc<Config>,
        host: &Arc<Host>,
        choice: &Choice,
        id: &str,
        scratch: &Path,
    ) -> Result<Self, Error> {
        let ledger = RunRecord::open(&records(config), id)?;
        if let Some(other) = choice.tenant.as_ref().filter(|t| **t != ledger.tenant) {
            let what = format!(
                "run {id} was in tenant {}, not in {other}; nothing was deleted",
                ledger.tenant
            );
            return Err(Error::new(Kind::Request, what));
        }
        let choice = Choice { tenant: Some(ledger.tenant.clone()), ..choice.clone() };
        let school = School::chosen(config, host, &choice)?;
        let (dir, tools) = tools(&school, None, ledger, scratch)?;
        Ok(Self { id: id.to_owned(), tools, transcript: None, _dir: dir })
    }

    /// By which it is cleaned up, should it not come so far.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Makes objects, backs them up, wipes, restores and compares them. Whatever came of it, and
    /// where somebody lets go of it before its end, cleaning up is next.
    ///
    /// # Errors
    /// Those of the tenant, and of the run's repository.
    pub async fn prove(&self, progress: &Hears) -> Result<AcceptanceReport, Error> {
        Ok(prove(&self.tools, progress.as_ref()).await?)
    }

    /// Deletes what the run made, and nothing else; answers what is still there. From now on the
    /// run makes nothing any more.
    ///
    /// # Errors
    /// Those of the tenant, and of the record.
    pub async fn clean(&self, progress: &Hears) -> Result<Vec<Leftover>, Error> {
        Ok(clean(&self.tools, progress.as_ref()).await?)
    }

    /// Writes the transcript, where one was wanted.
    ///
    /// # Errors
    /// [`Kind::Internal`], where it would say what it may not: then nothing is written.
    /// [`Kind::Files`], where it cannot be written.
    pub fn write_transcript(&self) -> Result<(), Error> {
        let Some((file, transcript)) = &self.transcript else { return Ok(()) };
        let text = transcript.finish()?;
        written::put(file, text.as_ref()).map_err(|e| {
            Error::because(Kind::Files, format!("{} cannot be written", file.display()), e)
        })
    }
}

fn transcript(school: &School, owner: &str) -> Result<Transcript, Error> {
    let tenant = school.tenant();
    let secrets = Secrets {
        owner: owner.to_owned(),
        tenant: tenant.tenant_id.clone(),
        mark: String::new(),
        others: tenant.identities.values().map(|i| i.application_id.clone()).collect(),
    };
    let clock = school.host().clock.clone();
    Ok(Transcript::new(secrets, &tenant.graph, &tenant.authority, clock)?)
}

/// The client of an identity, behind the run's ground and, where there is one, its transcript.
fn client(
    school: &School,
    identity: Identity,
    transcript: Option<&Transcript>,
    ground: Option<&Arc<Ground>>,
) -> Result<Arc<Client>, Error> {
    school.client_through(identity, |https| {
        let noted = match transcript {
            Some(t) => t.transport(identity.name(), https),
            None => https,
        };
        match ground {
            Some(ground) => ground.transport(noted),
            None => noted,
        }
    })
}

fn tools(
    school: &School,
    transcript: Option<&Transcript>,
    ledger: RunRecord,
    scratch: &Path,
) -> Result<(TempDir, Tools), Error> {
    let dir = tempfile::tempdir_in(scratch).map_err(|e| {
        let what = format!("there is no place for the run's repository in {}", scratch.display());
        Error::because(Kind::Files, what, e)
    })?;
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|e| Error::new(Kind::Internal, format!("the system is not random: {e}")))?;
    let cache = dir.path().join("cache");
    let repository = Repository::init(
        Arc::new(LocalDir::new(dir.path().join("repository"))),
        &hex::encode(random).into(),
        &cache,
        school.host().writer(),
        school.now(),
    )?;
    let ground = Ground::new(ledger);
    let client = |identity| client(school, identity, transcript, Some(&ground));
    let tools = Tools {
        read: client(Identity::Read)?,
        write: client(Identity::Write)?,
        configure: sets_settings(school).then(|| client(Identity::Configure)).transpose()?,
        repository: Arc::new(repository),
        cache,
        graph: school.tenant().graph.clone(),
        ground: ground.clone(),
    };
    Ok((dir, tools))
}
