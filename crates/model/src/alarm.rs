use crate::{Row, Stored, Untrusted};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How bad an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmSeverity {
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
    /// Snapshots that were made are not in copy 2 any more, and nobody of ours let them go.
    SnapshotGone,
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
            AlarmKind::SnapshotGone => "snapshot-gone",
        }
    }

    /// Whether it speaks of what became of the data, as opposed to access and budget: such an
    /// alarm stands until somebody looks at it.
    pub fn is_of_data(self) -> bool {
        matches!(
            self,
            AlarmKind::Encryption
                | AlarmKind::RansomNotes
                | AlarmKind::RenameStorm
                | AlarmKind::MassDelete
                | AlarmKind::MailboxPurge
                | AlarmKind::VersionFlush
                | AlarmKind::SnapshotGone
        )
    }
}

/// Something that a technician must hear of, whatever else the run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What kind.
    pub kind: AlarmKind,
    /// How bad.
    pub severity: AlarmSeverity,
    /// Where: a user, a drive, or the tenant.
    pub scope: Untrusted,
    /// Of which of their things, by the workload's name: mail, calendars. Absent where it is of
    /// none, and in what programs before this field wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// One sentence with figures, and with names.
    pub text: Untrusted,
    /// How many items it speaks of.
    pub items: u64,
    /// Of one that stands: when a run raised it first. Absent in what the first programs wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Of one that stands: when a run raised it last. Whoever acknowledges it has seen it as it was
    /// then; raised again, it is another to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

impl Alarm {
    /// One that a run raises.
    pub fn new(
        kind: AlarmKind,
        severity: AlarmSeverity,
        scope: impl Into<Untrusted>,
        text: impl Into<Untrusted>,
        items: u64,
    ) -> Self {
        let (scope, text) = (scope.into(), text.into());
        Self { kind, severity, scope, workload: None, text, items, since: None, last: None }
    }

    /// It, of somebody's things of a workload.
    pub fn of(mut self, workload: &str) -> Self {
        self.workload = Some(workload.to_owned());
        self
    }

    /// Whether the two speak of the same thing, however often and in whatever words.
    pub fn is_as(&self, other: &Alarm) -> bool {
        (self.kind, &self.scope, &self.workload) == (other.kind, &other.scope, &other.workload)
    }

    /// What it is about, in one word: `ann@school.example/mail`.
    pub fn subject(&self) -> String {
        subject(self.scope.as_str(), self.workload.as_deref())
    }
}

fn subject(scope: &str, workload: Option<&str>) -> String {
    workload.map_or_else(|| scope.to_owned(), |workload| format!("{scope}/{workload}"))
}

impl Stored for Alarm {
    const NAME: &'static str = "an alarm";
}

/// The alarms of a run, and those of earlier ones that still stand: `tenant/alarms.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmList {
    /// Format version.
    pub v: u32,
    /// What the run raised.
    pub alarms: Vec<Row<Alarm>>,
    /// What nobody has acknowledged yet. The first programs wrote no such list: then what was high
    /// in their run is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<Vec<Row<Alarm>>>,
}

impl Stored for AlarmList {
    const NAME: &'static str = "the list of alarms (tenant/alarms.json)";
}

impl Default for AlarmList {
    fn default() -> Self {
        Self { v: Self::VERSION, alarms: Vec::new(), open: Some(Vec::new()) }
    }
}

impl AlarmList {
    /// The alarms that still stand. One that this program does not understand always does.
    pub fn standing(&self) -> Vec<Row<Alarm>> {
        match &self.open {
            Some(open) => open.clone(),
            None => self
                .alarms
                .iter()
                .filter(|row| {
                    row.known()
                        .is_none_or(|a| a.severity == AlarmSeverity::High && a.kind.is_of_data())
                })
                .cloned()
                .collect(),
        }
    }
}

/// The code of a list of alarms that cannot be read.
const UNREADABLE: &str = "unreadable";

impl Row<Alarm> {
    /// What stands for a list of alarms that cannot be read, in a snapshot of this time: nobody
    /// knows what it said.
    pub fn unreadable(why: &str, at: Timestamp) -> Self {
        Row::Unknown(serde_json::json!({
            "kind": UNREADABLE,
            "scope": "tenant",
            "text": format!("the alarms of earlier runs cannot be read: {why}"),
            "since": at,
            "last": at,
        }))
    }

    /// When it was raised first, where that is known.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Row::Known(alarm) => alarm.since,
            Row::Unknown(_) => self.unknown_text("since").and_then(|t| t.parse().ok()),
        }
    }

    /// When it was raised last, where that is known.
    pub fn last(&self) -> Option<Timestamp> {
        match self {
            Row::Known(alarm) => alarm.last,
            Row::Unknown(_) => self.unknown_text("last").and_then(|t| t.parse().ok()),
        }
    }

    /// The code for a snapshot's tag. A kind that this program does not know keeps its own, when
    /// that has the form of one.
    pub fn code(&self) -> &str {
        let plain = |c: &&str| {
            !c.is_empty()
                && c.len() <= 40
                && c.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        match self {
            Row::Known(alarm) => alarm.kind.as_str(),
            Row::Unknown(_) => self.unknown_text("kind").filter(plain).unwrap_or("unknown"),
        }
    }

    /// Where: a user, a drive, or the tenant.
    pub fn scope(&self) -> &str {
        match self {
            Row::Known(alarm) => alarm.scope.as_str(),
            Row::Unknown(_) => self.unknown_text("scope").unwrap_or("an unknown place"),
        }
    }

    /// What it is about, as [`Alarm::subject`]: two of one kind differ in it.
    pub fn subject(&self) -> String {
        match self {
            Row::Known(alarm) => alarm.subject(),
            Row::Unknown(_) => subject(self.scope(), self.unknown_text("workload")),
        }
    }

    /// One sentence for people.
    pub fn sentence(&self) -> Untrusted {
        match self {
            Row::Known(alarm) => alarm.text.clone(),
            Row::Unknown(value) => format!(
                "an alarm of a kind that this program does not know stands: {}",
                value.get("text").and_then(Value::as_str).unwrap_or(self.code())
            )
            .into(),
        }
    }
}
