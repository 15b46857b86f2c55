use secrecy::SecretString;
use std::{path::PathBuf, time::Duration};
use strongroom_model::{Clock, Sleep};
use url::Url;

/// What the application proves itself with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Certificate and private key as PEM: the normal way.
    Certificate {
        /// Both in one text.
        pem: SecretString,
    },
    /// A client secret: the poor one.
    Secret(SecretString),
}

/// How to reach a tenant. National clouds have other hosts, so nothing here has a default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For instance `https://login.microsoftonline.com/`.
    pub authority: Url,
    /// For instance `https://graph.microsoft.com/`; the version is added.
    pub graph: Url,
    /// Tenant id or domain.
    pub tenant: String,
    /// Application (client) id.
    pub application_id: String,
    /// The application's credential.
    pub credential: Credential,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// `NONISV|Company|App/Version`, so that Microsoft can tell the traffic apart.
    pub user_agent: String,
}

/// Real time and real sleep.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioClock;

impl Clock for TokioClock {
    #[allow(clippy::disallowed_methods)] // the one place where real time enters
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}
