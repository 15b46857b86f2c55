//! The first meeting with a school: its settings are read once and judged, and at the end the
//! application that read them removes itself.

use crate::{Error, Hears, Identity, School, config::Config, settings::all_exceptions_and_told};
use std::{sync::Arc, time::Duration};
use strongroom_graph::{Client, ErrorKind, Request, Scope};
use strongroom_guards::{Report, judge};
use strongroom_model::{CollectionState, ConfigCollection, Configuration, Ending};
use strongroom_settings::rows;
use strongroom_workloads::configuration::{With, read, remove_itself};

/// The whole of it must fit into a meeting.
const MINUTES_MAX: u64 = 15;
/// What is left for the page and the consent.
const RESERVE_MINUTES: u64 = 3;
/// So long Exchange, Teams and Purview are waited for.
pub const MINUTES_WAITED: u64 = MINUTES_MAX - RESERVE_MINUTES;
/// A request is tried so often: in a meeting nobody waits for a service that is away.
pub const TRIES: u32 = 3;

/// What was seen of a school.
pub struct Assessed {
    /// Its settings.
    pub found: Configuration,
    /// What each rule says.
    pub report: Report,
    /// Whether Exchange, Teams and Purview answered in time.
    pub in_time: bool,
    /// What there is to tell of the place that keeps decisions.
    pub told: Vec<String>,
    client: Arc<Client>,
}

impl Assessed {
    /// Collections that could not be read.
    pub fn blind(&self) -> usize {
        self.found.collections.values().filter(|c| c.state.is_blind()).count()
    }

    /// Requests that were sent, those of removing the consent included.
    pub fn requests(&self) -> u64 {
        self.client.stats().requests
    }

    /// How it ends, with what became of the consent: one that was to go and stays is a door left
    /// open.
    pub fn ending(&self, consent: &Consent) -> Ending {
        let is_read = self.found.collections.values().any(|c| c.state.is_collected());
        match (consent, self.blind()) {
            _ if !is_read => Ending::NothingRead,
            (Consent::Stays(_), _) => Ending::Alarm,
            (_, 0) => Ending::Done,
            _ => Ending::Partial,
        }
    }
}

/// What became of the consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// It is gone, and that was proven.
    Removed,
    /// It stays on purpose.
    Kept,
    /// It was to go, and stays, or nobody knows: why.
    Stays(String),
}

impl Consent {
    /// Its word in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Consent::Removed => "removed",
            Consent::Kept => "kept",
            Consent::Stays(_) => "stays",
        }
    }

    /// Why it stays.
    pub fn why(&self) -> &str {
        if let Consent::Stays(why) = self { why } else { "" }
    }
}

/// Reads and judges the settings of a school; without what takes minutes, where it is to be quick.
///
/// # Errors
/// [`Kind::Tenant`](crate::Kind::Tenant), where it does not answer; and those of signing in and of
/// what people decided.
pub async fn assess(school: &School, quick: bool, progress: Hears) -> Result<Assessed, Error> {
    let (exceptions, told) = all_exceptions_and_told(school)?;
    let client = school.client(Identity::Read)?;
    let (found, in_time) = look(&client, school.name(), quick, &progress).await?;
    let report = judge(&found, &exceptions, Vec::new(), school.today());
    Ok(Assessed { found, report, in_time, told, client })
}

/// Reads the configuration; whether the slow part came in time.
async fn look(
    client: &Client,
    name: &str,
    quick: bool,
    progress: &Hears,
) -> Result<(Configuration, bool), Error> {
    if !quick {
        let limit = Duration::from_secs(MINUTES_WAITED * 60);
        let all = read(client, name, With::Managed, progress.as_ref());
        if let Ok(found) = tokio::time::timeout(limit, all).await {
            return Ok((found?, true));
        }
    }
    let mut found = read(client, name, With::Direct, progress.as_ref()).await?;
    // What was not asked or not waited for is said, and judged by nobody.
    for row in rows().filter(|r| r.is_managed()) {
        let state = match quick {
            true => CollectionState::NoApi {
                why: "left out, as it was to be quick".to_owned(),
                kept: false,
            },
            false => CollectionState::Failed {
                why: format!("no answer within {MINUTES_WAITED} minutes"),
                kept: false,
            },
        };
        found
            .collections
            .insert(row.name.to_owned(), ConfigCollection { state, objects: Vec::new() });
    }
    Ok((found, false))
}

/// Whether a configuration names this application as one of a school's.
pub fn is_known(config: &Config, application_id: &str) -> bool {
    let mut all = config.tenants.iter().flat_map(|t| t.identities.values());
    all.any(|i| i.application_id.eq_ignore_ascii_case(application_id))
}

/// Removes the application from the tenant, and proves it: a new sign-in must be refused.
pub async fn leave(school: &School, assessed: &Assessed) -> Consent {
    let ids = school.reader_ids();
    let Some(id) = ids.first() else { return Consent::Kept };
    if let Err(e) = remove_itself(&assessed.client, id).await {
        return Consent::Stays(match e.kind {
            ErrorKind::Denied => "the application may not remove itself; it needs \
                Application.ReadWrite.OwnedBy and to be its own owner"
                .to_owned(),
            _ => e.to_string(),
        });
    }
    let fresh = match school.client(Identity::Read) {
        Ok(fresh) => fresh,
        Err(e) => {
            let why = format!("whether it is gone could not be tried: {}", e.sentence());
            return Consent::Stays(why);
        }
    };
    let ask = Request::get(Scope::Directory, "organization?$select=id");
    match fresh.json::<serde_json::Value>(&ask).await {
        Err(e)
            if matches!(e.kind, ErrorKind::ApplicationUnknown | ErrorKind::CredentialRefused) =>
        {
            Consent::Removed
        }
        Err(e) => Consent::Stays(format!("whether it is gone could not be seen: {e}")),
        Ok(_) => Consent::Stays("it was removed, and can sign in still".to_owned()),
    }
}
