use strongroom_model::Untrusted;

/// What a caller may do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The tenant does not know the application (any more).
    ApplicationUnknown,
    /// The credential is refused.
    CredentialRefused,
    /// A permission is missing.
    Denied,
    /// The item is not there.
    NotFound,
    /// The delta token is no longer good: start again with a full listing.
    ResyncNeeded,
    /// The service refuses to hand the item out (malware).
    Withheld,
    /// An item of that name is there already.
    NameTaken,
    /// What arrived is not what was announced: length, hash or form.
    BadAnswer,
    /// Throttled until patience ended.
    Throttled,
    /// Server or network failed until patience ended.
    Unavailable,
    /// The service says that the request is wrong.
    BadRequest,
    /// The settings are wrong.
    Settings,
}

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .text.line())]
pub struct Error {
    /// What a caller may do about it.
    pub kind: ErrorKind,
    /// One sentence, without secrets. It quotes names, and what a server says.
    pub text: Untrusted,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// Graph's error code, when there was one.
    pub code: Option<Untrusted>,
}

impl Error {
    /// An error that did not come from an answer.
    pub fn new(kind: ErrorKind, text: impl Into<Untrusted>) -> Self {
        Self { kind, text: text.into(), status: None, code: None }
    }

    pub(crate) fn from_answer(what: &str, status: u16, body: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct Outer {
            error: Inner,
        }
        #[derive(serde::Deserialize)]
        struct Inner {
            #[serde(default)]
            code: Untrusted,
            #[serde(default)]
            message: Untrusted,
        }
        let inner = serde_json::from_slice::<Outer>(body).map(|o| o.error).unwrap_or_else(|_| {
            Inner { code: Untrusted::default(), message: Untrusted::default() }
        });
        let code = inner.code.as_str().to_ascii_lowercase();
        let kind = match (status, code.as_str()) {
            (_, "malwaredetected") => ErrorKind::Withheld,
            (410, _) | (_, "syncstatenotfound" | "syncstateinvalid" | "resyncrequired") => {
                ErrorKind::ResyncNeeded
            }
            (_, c) if c.starts_with("resyncchanges") => ErrorKind::ResyncNeeded,
            (401, _) => ErrorKind::CredentialRefused,
            (403, _) => ErrorKind::Denied,
            (404, _) => ErrorKind::NotFound,
            (409, _) => ErrorKind::NameTaken,
            (429, _) => ErrorKind::Throttled,
            (500.., _) => ErrorKind::Unavailable,
            _ => ErrorKind::BadRequest,
        };
        // What follows its first line says which request it was, and when.
        let message = match inner.message.as_str().split("\r\n").next().unwrap_or_default() {
            "" => String::new(),
            m => format!(": {}", Untrusted::from(m).quoted()),
        };
        let code_text = match inner.code.is_empty() {
            true => String::new(),
            false => format!(" {}", inner.code.quoted()),
        };
        Self {
            kind,
            text: format!("{what} was answered with {status}{code_text}{message}").into(),
            status: Some(status),
            code: (!inner.code.is_empty()).then_some(inner.code),
        }
    }

    /// Whether a delta link is no good any more: refused for good, leading in a circle, or to
    /// somebody else. What it stood for is listed whole again.
    pub fn invalidates_link(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::ResyncNeeded
                | ErrorKind::BadAnswer
                | ErrorKind::BadRequest
                // Of what stood behind the link; what is asked for anew may be there.
                | ErrorKind::NotFound
                | ErrorKind::Denied
        )
    }

    /// Whether the whole tenant, not just one item, is out of reach.
    pub fn is_access(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::ApplicationUnknown | ErrorKind::CredentialRefused | ErrorKind::Denied
        )
    }
}
