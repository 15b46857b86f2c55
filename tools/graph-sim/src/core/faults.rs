//! Faults on demand: a plan of rules, each tried in turn against every request.

use crate::core::http::Request;
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Fault {
    /// An error status, with Retry-After when given.
    Status {
        /// 429, 503, 504, 404, 410, …
        status: u16,
        /// Seconds.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// The connection is reset instead of an answer.
    ResetBeforeAnswer,
    /// The connection is reset in the middle of the body.
    Reset {
        /// Bytes sent before.
        after_bytes: usize,
    },
    /// A body that is shorter than it should be, with a matching Content-Length.
    Truncate {
        /// Bytes missing.
        by_bytes: usize,
    },
    /// A body that is longer than it should be.
    Overlong {
        /// Bytes too many.
        by_bytes: usize,
    },
    /// A slow body.
    Slow {
        /// Pause before each piece.
        pause_ms: u64,
        /// Bytes of a piece.
        piece_bytes: usize,
    },
    /// A delta page comes twice.
    RepeatPage,
    /// A delta page leaves items out.
    SkipPage,
    /// The bytes of a download are not those of the item.
    WrongBytes,
    /// The hash that an item announces is not that of its bytes.
    WrongHash,
}

/// A fault with the requests it strikes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rule {
    /// What happens.
    #[serde(flatten)]
    pub fault: Fault,
    /// Part of the path (decoded or not).
    #[serde(default)]
    pub path: String,
    /// Method, any when empty.
    #[serde(default)]
    pub method: String,
    /// How often in all; absent is forever.
    #[serde(default)]
    pub count: Option<u64>,
    /// Strike every n-th match only; 0 and 1 strike each.
    #[serde(default)]
    pub every: u64,
    /// Matches to let pass first.
    #[serde(default)]
    pub after: u64,
    #[serde(skip)]
    seen: u64,
}

impl Rule {
    /// A rule that strikes every request whose path contains `path`.
    pub fn new(fault: Fault, path: &str) -> Self {
        Self {
            fault,
            path: path.to_owned(),
            method: String::new(),
            count: None,
            every: 0,
            after: 0,
            seen: 0,
        }
    }

    /// Strikes only so often.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Strikes every n-th match.
    #[must_use]
    pub fn every(mut self, n: u64) -> Self {
        self.every = n;
        self
    }
}

/// The plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) rules: Vec<Rule>,
    pub(crate) struck: u64,
}

impl Faults {
    pub(crate) fn take(&mut self, req: &Request) -> Option<Fault> {
        let decoded = percent_encoding::percent_decode_str(&req.path).decode_utf8_lossy();
        for rule in &mut self.rules {
            let full = format!("{decoded}?{}", req.query);
            let hits = (rule.path.is_empty()
                || full.contains(&rule.path)
                || req.path.contains(&rule.path))
                && (rule.method.is_empty() || rule.method.eq_ignore_ascii_case(&req.method));
            if !hits {
                continue;
            }
            rule.seen += 1;
            if rule.seen <= rule.after
                || (rule.every > 1 && (rule.seen - rule.after) % rule.every != 0)
            {
                continue;
            }
            match &mut rule.count {
                Some(0) => continue,
                Some(n) => *n -= 1,
                None => {}
            }
            self.struck += 1;
            return Some(rule.fault.clone());
        }
        None
    }
}
