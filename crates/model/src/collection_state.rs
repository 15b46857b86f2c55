use serde::{Deserialize, Serialize};

/// How the reading of a collection of settings ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredState", into = "StoredState")]
pub enum CollectionState {
    /// All of it was read.
    Collected,
    /// The tenant has no licence for it.
    NotLicensed {
        /// What the service said.
        why: String,
        /// Whether the objects are those of the last time that it could be read: a licence that
        /// lapsed, or a refusal that only sounds like one, deleted nothing.
        kept: bool,
    },
    /// The application lacks a permission.
    NoPermission {
        /// The permission that would do.
        permission: String,
        /// What the service said.
        why: String,
        /// Whether the objects are those of the last time that it could be read.
        kept: bool,
    },
    /// No interface gives it.
    NoApi {
        /// Where it can be seen instead.
        why: String,
        /// Whether the objects are those of the last time that an interface gave it.
        kept: bool,
    },
    /// The service failed.
    Failed {
        /// How.
        why: String,
        /// Whether the objects are those of the last time that it could be read.
        kept: bool,
    },
}

impl CollectionState {
    /// Whether all of it was read.
    pub fn is_collected(&self) -> bool {
        *self == CollectionState::Collected
    }

    /// Whether its objects say how things were when it was read last.
    pub fn has_objects(&self) -> bool {
        match self {
            CollectionState::Collected => true,
            CollectionState::NotLicensed { kept, .. }
            | CollectionState::NoPermission { kept, .. }
            | CollectionState::NoApi { kept, .. }
            | CollectionState::Failed { kept, .. } => *kept,
        }
    }

    /// Whether there is none of it, because there is no licence and never was one as far as anybody
    /// saw. A refusal that speaks of a licence, of what was read before, proves nothing.
    pub fn is_unlicensed(&self) -> bool {
        matches!(self, CollectionState::NotLicensed { kept: false, .. })
    }

    /// The same, with the objects of the last time that it could be read.
    #[must_use]
    pub fn with_objects(mut self) -> Self {
        match &mut self {
            CollectionState::Collected => {}
            CollectionState::NotLicensed { kept, .. }
            | CollectionState::NoPermission { kept, .. }
            | CollectionState::NoApi { kept, .. }
            | CollectionState::Failed { kept, .. } => *kept = true,
        }
        self
    }

    /// Whether what was seen is out of sight for a reason that did not hold before: `self` came
    /// after `before`. A reason that stands was told when it was new.
    pub fn is_lost_since(&self, before: &CollectionState) -> bool {
        before.has_objects()
            && !self.is_collected()
            && std::mem::discriminant(self) != std::mem::discriminant(before)
    }

    /// Whether somebody has to do something before it can be read again.
    pub fn is_blind(&self) -> bool {
        matches!(self, CollectionState::NoPermission { .. } | CollectionState::Failed { .. })
    }

    /// Why a rule that needs it cannot judge; empty when it can.
    pub fn lack(&self) -> String {
        match self {
            CollectionState::Collected => String::new(),
            CollectionState::NotLicensed { why, kept: false } => format!("not licensed: {why}"),
            CollectionState::NotLicensed { why, kept: true } => {
                format!("not licensed: {why}, although it was read before")
            }
            CollectionState::NoPermission { permission, .. } => {
                format!("no permission: {permission} is not granted")
            }
            CollectionState::NoApi { why, .. } => format!("no API: {why}"),
            CollectionState::Failed { why, .. } => format!("not collected: {why}"),
        }
    }
}

/// The form in which it is stored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum StoredState {
    Collected,
    NotLicensed {
        why: String,
        /// Absent where nothing was kept.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<bool>,
    },
    NoPermission {
        permission: String,
        why: String,
        /// Absent in what the first programs wrote: nothing was kept.
        kept: Option<bool>,
    },
    NoApi {
        why: String,
        /// Absent where nothing was kept.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<bool>,
    },
    Failed {
        why: String,
        /// As above.
        kept: Option<bool>,
    },
}

impl From<StoredState> for CollectionState {
    fn from(stored: StoredState) -> Self {
        match stored {
            StoredState::Collected => Self::Collected,
            StoredState::NotLicensed { why, kept } => {
                Self::NotLicensed { why, kept: kept.unwrap_or(false) }
            }
            StoredState::NoPermission { permission, why, kept } => {
                Self::NoPermission { permission, why, kept: kept.unwrap_or(false) }
            }
            StoredState::NoApi { why, kept } => Self::NoApi { why, kept: kept.unwrap_or(false) },
            StoredState::Failed { why, kept } => Self::Failed { why, kept: kept.unwrap_or(false) },
        }
    }
}

impl From<CollectionState> for StoredState {
    fn from(state: CollectionState) -> Self {
        match state {
            CollectionState::Collected => Self::Collected,
            CollectionState::NotLicensed { why, kept } => {
                Self::NotLicensed { why, kept: kept.then_some(true) }
            }
            CollectionState::NoPermission { permission, why, kept } => {
                Self::NoPermission { permission, why, kept: Some(kept) }
            }
            CollectionState::NoApi { why, kept } => Self::NoApi { why, kept: kept.then_some(true) },
            CollectionState::Failed { why, kept } => Self::Failed { why, kept: Some(kept) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_todays_and_the_first_programs_wrote_is_read_and_nothing_else() {
        let read = |text: &str| serde_json::from_str::<CollectionState>(text);
        let kept = CollectionState::Failed { why: "x".into(), kept: true };
        let text = r#"{"state":"failed","why":"x","kept":true}"#;
        assert_eq!(read(text).unwrap(), kept);
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
        let first = read(r#"{"state":"no-permission","permission":"p","why":"x"}"#).unwrap();
        assert!(!first.has_objects() && first.is_blind());
        // What is not kept is written as it always was.
        for text in [r#"{"state":"not-licensed","why":"P1"}"#, r#"{"state":"no-api","why":"x"}"#] {
            let state = read(text).unwrap();
            assert!(!state.has_objects() && !state.is_blind());
            assert_eq!(serde_json::to_string(&state).unwrap(), text);
            let kept = state.with_objects();
            let again = read(&serde_json::to_string(&kept).unwrap()).unwrap();
            assert!(kept.has_objects() && again == kept, "{kept:?}");
        }
        assert!(read(r#"{"state":"half-collected"}"#).is_err());
        assert!(read(r#"{"state":"failed","why":"x","kept":"yes"}"#).is_err());
    }

    #[test]
    fn what_is_lost_is_told_once() {
        let failed = |kept| CollectionState::Failed { why: "x".into(), kept };
        let unlicensed = |kept| CollectionState::NotLicensed { why: "P1".into(), kept };
        assert!(unlicensed(true).is_lost_since(&CollectionState::Collected));
        assert!(unlicensed(true).is_lost_since(&failed(true)), "another reason is news");
        assert!(!unlicensed(true).is_lost_since(&unlicensed(true)));
        assert!(!unlicensed(false).is_lost_since(&unlicensed(false)), "nothing was there");
        assert!(!CollectionState::Collected.is_lost_since(&unlicensed(true)));
    }
}
