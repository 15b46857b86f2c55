use serde::{Deserialize, Serialize};

/// How bad an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look; the snapshot may still be clean.
    Notice,
    /// The snapshot is not clean.
    High,
}

/// What kind of thing went wrong. Codes are stored as snapshot tags: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmKind {
    /// Files became ciphertext.
    Encryption,
    /// Ransom notes appeared.
    RansomNotes,
    /// Many files of a drive were renamed.
    RenameStorm,
    /// Many files of a drive were deleted.
    MassDelete,
    /// Much of a mailbox was deleted.
    MailboxPurge,
    /// Older versions of many files disappeared.
    VersionFlush,
    /// A user, mailbox or drive that was backed up before is gone.
    UserGone,
    /// The tenant no longer lets the backup sign in.
    ConsentRevoked,
    /// The tenant no longer knows the backup's application.
    ApplicationDeleted,
    /// The backup may no longer read what it read before.
    PermissionsNarrowed,
    /// Holds or retention labels were removed.
    HoldsRemoved,
    /// The throttle budget was used up by somebody else.
    BudgetEaten,
}

impl AlarmKind {
    /// The stored code.
    pub fn as_str(self) -> &'static str {
        match self {
            AlarmKind::Encryption => "encryption",
            AlarmKind::RansomNotes => "ransom-notes",
            AlarmKind::RenameStorm => "rename-storm",
            AlarmKind::MassDelete => "mass-delete",
            AlarmKind::MailboxPurge => "mailbox-purge",
            AlarmKind::VersionFlush => "version-flush",
            AlarmKind::UserGone => "user-gone",
            AlarmKind::ConsentRevoked => "consent-revoked",
            AlarmKind::ApplicationDeleted => "application-deleted",
            AlarmKind::PermissionsNarrowed => "permissions-narrowed",
            AlarmKind::HoldsRemoved => "holds-removed",
            AlarmKind::BudgetEaten => "budget-eaten",
        }
    }
}

/// Something that a technician must hear of, whatever else the run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What kind.
    pub kind: AlarmKind,
    /// How bad.
    pub severity: Severity,
    /// Where: a user, a drive, or the tenant.
    pub scope: String,
    /// One sentence with figures.
    pub text: String,
    /// How many items it speaks of.
    pub items: u64,
}
