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
        matches!(
            self,
            CollectionState::Collected
                | CollectionState::NoPermission { kept: true, .. }
                | CollectionState::Failed { kept: true, .. }
        )
    }

    /// Whether somebody has to do something before it can be read again.
    pub fn is_blind(&self) -> bool {
        matches!(self, CollectionState::NoPermission { .. } | CollectionState::Failed { .. })
    }

    /// Why a rule that needs it cannot judge; empty when it can.
    pub fn lack(&self) -> String {
        match self {
            CollectionState::Collected => String::new(),
            CollectionState::NotLicensed { why } => format!("not licensed: {why}"),
            CollectionState::NoPermission { permission, .. } => {
                format!("no permission: {permission} is not granted")
            }
            CollectionState::NoApi { why } => format!("no API: {why}"),
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
    },
    NoPermission {
        permission: String,
        why: String,
        /// Absent in what the first programs wrote: nothing was kept.
        kept: Option<bool>,
    },
    NoApi {
        why: String,
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
            StoredState::NotLicensed { why } => Self::NotLicensed { why },
            StoredState::NoPermission { permission, why, kept } => {
                Self::NoPermission { permission, why, kept: kept.unwrap_or(false) }
            }
            StoredState::NoApi { why } => Self::NoApi { why },
            StoredState::Failed { why, kept } => Self::Failed { why, kept: kept.unwrap_or(false) },
        }
    }
}

impl From<CollectionState> for StoredState {
    fn from(state: CollectionState) -> Self {
        match state {
            CollectionState::Collected => Self::Collected,
            CollectionState::NotLicensed { why } => Self::NotLicensed { why },
            CollectionState::NoPermission { permission, why, kept } => {
                Self::NoPermission { permission, why, kept: Some(kept) }
            }
            CollectionState::NoApi { why } => Self::NoApi { why },
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
        assert!(read(r#"{"state":"half-collected"}"#).is_err());
        assert!(read(r#"{"state":"failed","why":"x","kept":"yes"}"#).is_err());
    }
}
