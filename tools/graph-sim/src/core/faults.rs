//! Faults on demand: a plan of rules, each tried in turn against every request.

use crate::core::{
    catalog::{self, Found, Service},
    http::Request,
    world::segments,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
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
    /// A page of HTML with status 200 instead of the answer, as proxies, portals and maintenance
    /// pages give it. Nothing is done.
    HtmlPage,
    /// Status 200 and no byte of a body, with a matching Content-Length; the work is done.
    EmptyBody,
    /// 302 to the sign-in page of the browser, as when a conditional access or a proxy steps in
    /// between. Nothing is done.
    LoginRedirect,
    /// 404 in the service's own words: of one folder that its list still names, or, with
    /// [`Rule::service`], of a whole service.
    Missing,
    /// 403 (404 for mailboxes) in the words of a licence that is not there.
    Unlicensed,
    /// A download answers 200 with everything where a part was asked for.
    RangeIgnored,
    /// A download answers 206 with another part than the one that was asked for.
    WrongRange,
}

impl Fault {
    /// What stands before the service, so that the request never reaches it.
    pub(crate) fn is_front_door(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::ResetBeforeAnswer
                | Self::HtmlPage
                | Self::LoginRedirect
                | Self::Missing
                | Self::Unlicensed
        )
    }
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
    /// `mail`, `drives`, `directory` or `settings`; any when empty.
    #[serde(default)]
    pub service: String,
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
            service: String::new(),
            count: None,
            every: 0,
            after: 0,
            seen: 0,
        }
    }

    /// A rule that strikes every request to a service: `mail`, `drives`, `directory`, `settings`.
    pub fn of_service(fault: Fault, service: &str) -> Self {
        Self { service: service.to_owned(), ..Self::new(fault, "") }
    }

    /// Lets so many matches pass first.
    #[must_use]
    pub fn after(mut self, matches: u64) -> Self {
        self.after = matches;
        self
    }

    /// A bad day of a service, the same for the same seed: one rule of each kind, each strikes once
    /// to three times.
    pub fn bad_day(service: &str, seed: u64) -> Vec<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kinds = [
            Fault::Status { status: 429, retry_after_s: Some(rng.random_range(1..30)) },
            Fault::Status { status: 503, retry_after_s: None },
            Fault::Status { status: 504, retry_after_s: None },
            Fault::ResetBeforeAnswer,
            Fault::Reset { after_bytes: rng.random_range(1..400) },
            Fault::Truncate { by_bytes: rng.random_range(1..200) },
            Fault::Overlong { by_bytes: rng.random_range(1..200) },
            Fault::RepeatPage,
            Fault::SkipPage,
            Fault::WrongBytes,
            Fault::WrongHash,
            Fault::HtmlPage,
            Fault::EmptyBody,
            Fault::LoginRedirect,
            Fault::Missing,
            Fault::Unlicensed,
        ];
        kinds
            .into_iter()
            .map(|fault| {
                let rule = Self::of_service(fault, service).after(rng.random_range(0..200));
                rule.times(rng.random_range(1..4)).every(rng.random_range(1..5))
            })
            .collect()
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
                && (rule.method.is_empty() || rule.method.eq_ignore_ascii_case(&req.method))
                && (rule.service.is_empty() || service_of(req) == rule.service);
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

/// The service that a request is for, as rules name it; empty when it is for none.
pub(crate) fn service_of(req: &Request) -> &'static str {
    let path = segments(&req.path);
    let Some((version, rest)) = path.split_first() else { return "" };
    match version.as_str() {
        "_download" | "_upload" | "_monitor" => return "drives",
        "_attach" => return "mail",
        _ => {}
    }
    let beta = version.eq_ignore_ascii_case("beta");
    match catalog::classify(&req.method, rest, beta) {
        Found::Operation(o) => match o.service {
            service if service.in_a_mailbox() => "mail",
            Service::Drives | Service::Sites => "drives",
            Service::Directory => "directory",
            _ => "settings",
        },
        _ => "",
    }
}
