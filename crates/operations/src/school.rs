use crate::{
    Choice, Copy2, Error, Host, Kind,
    config::{Config, TenantEntry},
    files::secrets,
    place::Doing,
    vault::VaultPlace,
};
use jiff::{Timestamp, civil::Date};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};
use strongroom_graph::{Budget, Client, Credential, Https, RetryLimits, Settings, Transport};
use strongroom_repository::Repository;

/// One school: its tenant, its copies, and the host of whoever works for it. Made once, where a
/// command or a request begins; what works for a school gets this and reads no configuration.
///
/// Nothing is read or asked before a function of it is called. It is cheap to clone.
#[derive(Clone)]
pub struct School(Arc<Parts>);

struct Parts {
    host: Arc<Host>,
    config: Arc<Config>,
    tenant: TenantEntry,
    choice: Choice,
}

/// Which of a tenant's application identities acts. By name, as the configuration has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Carries out what an administrator would.
    Act,
    /// Puts settings back.
    Configure,
    /// Reads, for backups: the only one that a backup holds.
    Read,
    /// Writes items back.
    Write,
}

impl Identity {
    /// All, by name.
    pub const ALL: [Identity; 4] =
        [Identity::Act, Identity::Configure, Identity::Read, Identity::Write];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Identity::Act => "act",
            Identity::Configure => "configure",
            Identity::Read => "read",
            Identity::Write => "write",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|i| i.name() == name)
    }
}

impl School {
    /// The school that is chosen.
    ///
    /// # Errors
    /// As [`Config::tenant`].
    pub fn chosen(config: &Arc<Config>, host: &Arc<Host>, choice: &Choice) -> Result<Self, Error> {
        let tenant = config.tenant(choice.tenant.as_deref())?.clone();
        Ok(Self::of(tenant, config, host, choice))
    }

    /// The school that is chosen, or else every school of the configuration.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where there is none of the name.
    pub fn chosen_or_all(
        config: &Arc<Config>,
        host: &Arc<Host>,
        choice: &Choice,
    ) -> Result<Vec<Self>, Error> {
        match &choice.tenant {
            Some(_) => Ok(vec![Self::chosen(config, host, choice)?]),
            None => Ok(Self::all(config, host, choice)),
        }
    }

    /// Every school of the configuration, in its order.
    pub fn all(config: &Arc<Config>, host: &Arc<Host>, choice: &Choice) -> Vec<Self> {
        let named = |t: &TenantEntry| Choice { tenant: Some(t.name.clone()), ..choice.clone() };
        let all = config.tenants.iter();
        all.map(|t| Self::of(t.clone(), config, host, &named(t))).collect()
    }

    /// Those of some schools that bear each of these labels.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where none does.
    pub fn labelled(mut all: Vec<Self>, labels: &[String]) -> Result<Vec<Self>, Error> {
        let there: BTreeSet<String> =
            all.iter().flat_map(|s| s.tenant().labels.iter().cloned()).collect();
        all.retain(|school| labels.iter().all(|label| school.tenant().labels.contains(label)));
        if !all.is_empty() || labels.is_empty() {
            return Ok(all);
        }
        let there: Vec<String> = there.into_iter().collect();
        let there = match there.is_empty() {
            true => "no tenant bears any".to_owned(),
            false => format!("there are: {}", there.join(", ")),
        };
        let what = format!("no tenant bears the label {}; {there}", labels.join(" and "));
        Err(Error::new(Kind::Configuration, what))
    }

    /// A school that the configuration need not know.
    pub fn of(
        tenant: TenantEntry,
        config: &Arc<Config>,
        host: &Arc<Host>,
        choice: &Choice,
    ) -> Self {
        let (host, config, choice) = (host.clone(), config.clone(), choice.clone());
        Self(Arc::new(Parts { host, config, tenant, choice }))
    }

    /// Another school of the same configuration.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where there is none of the name.
    pub fn other(&self, name: &str) -> Result<Self, Error> {
        let choice = Choice { tenant: Some(name.to_owned()), ..self.0.choice.clone() };
        Self::chosen(&self.0.config, &self.0.host, &choice)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.0.tenant.name
    }

    /// What the configuration says of its tenant.
    pub fn tenant(&self) -> &TenantEntry {
        &self.0.tenant
    }

    /// The application that reads for the backup: what it loses blinds it. The writer's consent
    /// comes and goes with its work.
    pub fn reader_ids(&self) -> Vec<String> {
        let reader = self.0.tenant.identities.get(Identity::Read.name());
        reader.map(|i| i.application_id.clone()).into_iter().collect()
    }

    /// The configuration that it is of.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The host of whoever works for it.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.0.host.clock.now()
    }

    /// Today, in UTC: exceptions hold to the end of their day.
    pub fn today(&self) -> Date {
        self.0.host.today()
    }

    /// The folder for local caches, this account's own from now on.
    ///
    /// # Errors
    /// As [`Copy2::cache`].
    pub fn cache(&self) -> Result<PathBuf, Error> {
        self.0.host.cache(self.0.choice.cache_dir.as_deref(), Some(&self.0.config))
    }

    /// Its copy 2, or the repository that was chosen in the place of it.
    ///
    /// # Errors
    /// As [`Copy2::named`].
    pub fn copy2(&self) -> Result<Copy2, Error> {
        let Parts { host, config, tenant, choice } = self.0.as_ref();
        match &choice.repository {
            Some(word) => Copy2::named(word, choice, Some(config), host),
            None => Copy2::of_school(tenant, choice, config, host),
        }
    }

    /// Opens its copy 2, to read it and add to it.
    ///
    /// # Errors
    /// As [`Copy2::open`].
    pub async fn repository(&self) -> Result<Arc<Repository>, Error> {
        self.copy2()?.open(Doing::Usual).await
    }

    /// Its vault.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where it has none; else as [`VaultPlace::of`].
    pub fn vault(&self) -> Result<VaultPlace, Error> {
        let Parts { host, config, tenant, .. } = self.0.as_ref();
        let name = tenant.vault.as_ref().ok_or_else(|| {
            let what = format!("tenant {} has no vault in the configuration", tenant.name);
            Error::new(Kind::Configuration, what)
        })?;
        VaultPlace::of(config.vault(name)?, &config.base, &host.accounts)
    }

    /// The client of one of its identities.
    ///
    /// # Errors
    /// As [`School::signs_in_as`].
    pub fn client(&self, identity: Identity) -> Result<Arc<Client>, Error> {
        self.client_through(identity, |https| https)
    }

    /// The same, through a transport that wraps the usual one.
    ///
    /// # Errors
    /// As [`School::signs_in_as`].
    pub fn client_through(
        &self,
        identity: Identity,
        wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
    ) -> Result<Arc<Client>, Error> {
        let settings = self.signs_in_as(identity)?;
        let backup = &self.0.tenant.backup;
        let patience = RetryLimits {
            tries: backup.tries,
            pause_ms: backup.pause_ms,
            throttled_s_max: backup.throttled_s_max,
        };
        let budget = Arc::new(Budget::new(backup.keep_to_budget));
        let usual: Arc<dyn Transport> = Arc::new(Https::new(&settings)?);
        let transport = wrap(match &self.0.host.through {
            Some(through) => through(usual),
            None => usual,
        });
        let clock = self.0.host.clock.clone();
        Ok(Arc::new(Client::with_transport(settings, transport, clock, budget, patience)))
    }

    /// How one of its identities reaches the tenant, with a credential that can sign in.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where there is no such identity, or its credential is none;
    /// [`Kind::Files`], where the credential cannot be read.
    pub fn signs_in_as(&self, identity: Identity) -> Result<Settings, Error> {
        let Parts { host, config, tenant, .. } = self.0.as_ref();
        let name = identity.name();
        let wrong = |what: String| Error::new(Kind::Configuration, what);
        let id = tenant.identities.get(name).ok_or_else(|| {
            wrong(format!("tenant {} has no identity {name:?} in the configuration", tenant.name))
        })?;
        let read = |file| secrets::read(&config.path(file), &host.accounts);
        let (file, credential) = match (&id.certificate_file, &id.secret_file) {
            (Some(file), _) => (file, Credential::Certificate { pem: read(file)? }),
            (None, Some(file)) => (file, Credential::Secret(read(file)?)),
            (None, None) => {
                return Err(wrong(format!(
                    "tenant {}, identity {name}: it needs a certificate_file",
                    tenant.name
                )));
            }
        };
        credential.check().map_err(|e| {
            let what = format!(
                "tenant {}, identity {name}: {} cannot sign in",
                tenant.name,
                config.path(file).display()
            );
            Error::because(Kind::Configuration, what, e)
        })?;
        Ok(Settings {
            authority: tenant.authority.clone(),
            graph: tenant.graph.clone(),
            tenant: tenant.tenant_id.clone(),
            application_id: id.application_id.clone(),
            credential,
            ca_file: tenant.ca_file.as_ref().map(|f| config.path(f)),
            user_agent: concat!("NONISV|Strongroom|Strongroom/", env!("CARGO_PKG_VERSION")).into(),
        })
    }
}
