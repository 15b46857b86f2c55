use crate::{Error, ErrorKind, certificate::Pair};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
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

impl Credential {
    /// Whether it can sign in at all, found before anything is sent: its certificate and its
    /// private key are there, are of a kind that the service takes, and belong together.
    ///
    /// # Errors
    /// One clause about the file that it came from.
    pub fn check(&self) -> Result<(), Error> {
        self.validity().map(|_| ())
    }

    /// From when and until when its certificate is good; `None` for a secret, whose end only the
    /// tenant knows.
    ///
    /// # Errors
    /// As [`Credential::check`].
    pub fn validity(&self) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        let wrong = |why: String| Error::new(ErrorKind::Settings, why);
        match self {
            Self::Certificate { pem } => {
                Pair::read(pem).and_then(|pair| pair.validity()).map(Some).map_err(wrong)
            }
            Self::Secret(text) if text.expose_secret().contains("-----BEGIN ") => {
                Err(wrong("it holds a certificate or a key and no secret".to_owned()))
            }
            Self::Secret(_) => Ok(None),
        }
    }
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
