//! A record of what went over the wire, from which nobody and nothing can be known again.
//!
//! [`Transcript::transport`] wraps a transport. What passes is redacted at once, and
//! [`Transcript::finish`] looks at the finished text once more, by other rules: it gives the lines
//! or says why they may not be written. There is no way to the lines around it, and no setting.
//! `docs/transcript.md` is the format.

mod check;
mod record;
mod redact;
mod words;

pub use check::{Leak, LeakKind};
pub use redact::Secrets;

use crate::Error;
use record::Shared;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use strongroom_graph::Transport;
use strongroom_model::Clock;
use url::Url;

/// The version of the format that this code writes.
pub const TRANSCRIPT_VERSION: u32 = 1;
/// Requests that one transcript holds at most; beyond it would be cut, so it is not written.
pub const EXCHANGES_MAX: usize = 100_000;
/// JSON bodies up to here are kept as structure; longer ones are told by length and digest.
pub const JSON_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// [`TRANSCRIPT_VERSION`].
    pub transcript: u32,
    /// Name and version of the program.
    pub program: String,
    /// `worldwide` for Microsoft's public cloud, else `other`.
    pub cloud: String,
    /// How many lines follow.
    pub exchanges: u64,
}

/// A body as it may be shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Body {
    /// JSON: structure, names, kinds of values.
    Json {
        /// The structure.
        json: Value,
    },
    /// A form: the names of its fields.
    Form {
        /// In order.
        form: Vec<String>,
    },
    /// Anything else.
    Bytes {
        /// Bytes that passed.
        length: u64,
        /// The first 8 bytes of a SHA-256 under a secret of this run, so that equal content can be
        /// seen within one transcript and nowhere else; hexadecimal.
        digest: String,
        /// Not all of it passed.
        cut: bool,
    },
}

/// One side of an exchange.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Status; of answers alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers of the list, sorted.
    pub headers: Vec<[String; 2]>,
    /// Absent when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Its place, from 1, in the order in which requests were sent.
    pub n: u64,
    /// Milliseconds since the first request.
    pub at_ms: i64,
    /// The identity that asked: `read`, `write`, `configure`.
    pub identity: String,
    /// The method.
    pub method: String,
    /// `graph`, `sign-in`, or `elsewhere` for pre-authenticated URLs.
    pub host: String,
    /// `v1.0` or `beta`, of Graph alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The path below the version, templated. Empty for what is elsewhere.
    pub path: String,
    /// Options with what may be said of their values.
    pub query: Vec<[String; 2]>,
    /// The placeholder of the whole URL, when an answer gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What was sent.
    pub request: Side,
    /// What came; absent when nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Side>,
}

/// A transcript that is being written.
#[derive(Clone)]
pub struct Transcript {
    shared: Arc<Shared>,
}

impl Transcript {
    /// Begins one for a tenant at these addresses.
    ///
    /// # Errors
    /// When the system gives no randomness for the run's secret.
    pub fn new(
        secrets: Secrets,
        graph: &Url,
        authority: &Url,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|_| Error::Randomness)?;
        Ok(Self { shared: Arc::new(Shared::new(secrets, graph, authority, salt, clock)) })
    }

    /// A transport that notes what passes through `inner`, as said by `identity`.
    pub fn transport(
        &self,
        identity: &'static str,
        inner: Arc<dyn Transport>,
    ) -> Arc<dyn Transport> {
        Arc::new(record::Recorder::new(self.shared.clone(), identity, inner))
    }

    /// Tells the run's own name, once it has one.
    pub fn know_mark(&self, mark: &str) {
        self.shared.know_mark(mark);
    }

    /// The lines, when nothing is left in them.
    ///
    /// # Errors
    /// [`Error::Leak`] says what kind of thing is left and in which line, and never the thing;
    /// [`Error::TranscriptFull`] when more passed than [`EXCHANGES_MAX`].
    pub fn finish(&self) -> Result<String, Error> {
        self.shared.finish()
    }
}
