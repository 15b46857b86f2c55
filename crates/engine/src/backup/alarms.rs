//! What the pattern of a run says, beyond the verdicts on single versions.

use super::{count, run::Run};
use strongroom_model::{Alarm, AlarmKind, Severity};

/// Below this many items a share says nothing.
const RENAMES_MIN: u64 = 5;
const DELETIONS_MIN: u64 = 8;
const MESSAGES_MIN: u64 = 20;
const FLUSHED_MIN: u64 = 3;
/// Shares in percent.
const RENAMES_PERCENT: u64 = 20;
const DELETIONS_PERCENT: u64 = 40;
const MESSAGES_PERCENT: u64 = 40;
/// Throttled answers that show that somebody else uses the budget, since this client keeps to it.
const THROTTLED_MIN: u64 = 5;
/// Users gone at once.
const USERS_GONE_MIN: usize = 3;

impl Run {
    /// The alarms that follow from what happened to each user's things.
    pub(super) fn judge_patterns(&self) -> Vec<Alarm> {
        let mut raised = Vec::new();
        for (user, p) in self.patterns() {
            let mut raise = |kind, severity, items: u64, text: String| {
                raised.push(Alarm {
                    kind,
                    severity,
                    scope: user.clone(),
                    text: format!("{user}: {text}"),
                    items,
                })
            };
            if p.encrypted > 0 {
                raise(
                    AlarmKind::Encryption,
                    Severity::High,
                    p.encrypted,
                    format!("{} became ciphertext", count(p.encrypted as usize, "file", "files")),
                );
            }
            if p.notes > 0 {
                let severity =
                    if p.notes > 1 || p.encrypted > 0 { Severity::High } else { Severity::Notice };
                raise(
                    AlarmKind::RansomNotes,
                    severity,
                    p.notes,
                    count(
                        p.notes as usize,
                        "file reads like a ransom note",
                        "files read like ransom notes",
                    ),
                );
            }
            if p.files_renamed >= RENAMES_MIN
                && p.files_renamed * 100 >= p.files_before * RENAMES_PERCENT
            {
                raise(
                    AlarmKind::RenameStorm,
                    Severity::High,
                    p.files_renamed,
                    format!(
                        "{} of {} files got another extension",
                        p.files_renamed, p.files_before
                    ),
                );
            }
            let large = p.files_deleted >= DELETIONS_MIN
                || (p.files_before >= 4 && p.files_deleted * 4 >= p.files_before * 3);
            if large && p.files_deleted * 100 >= p.files_before * DELETIONS_PERCENT {
                raise(
                    AlarmKind::MassDelete,
                    Severity::High,
                    p.files_deleted,
                    format!("{} of {} files were deleted", p.files_deleted, p.files_before),
                );
            }
            let large = p.messages_deleted >= MESSAGES_MIN
                || (p.messages_before >= 4 && p.messages_deleted * 10 >= p.messages_before * 9);
            if large && p.messages_deleted * 100 >= p.messages_before * MESSAGES_PERCENT {
                raise(
                    AlarmKind::MailboxPurge,
                    Severity::High,
                    p.messages_deleted,
                    format!(
                        "{} of {} messages were deleted",
                        p.messages_deleted, p.messages_before
                    ),
                );
            }
            if p.flushed >= FLUSHED_MIN || (p.flushed > 0 && p.encrypted > 0) {
                raise(
                    AlarmKind::VersionFlush,
                    Severity::High,
                    p.flushed,
                    format!("{} lost older versions", count(p.flushed as usize, "file", "files")),
                );
            }
        }
        let alarms = self.alarms();
        let gone = alarms.iter().filter(|a| a.kind == AlarmKind::UserGone).count();
        if gone >= USERS_GONE_MIN {
            raised.push(Alarm {
                kind: AlarmKind::UserGone,
                severity: Severity::High,
                scope: "tenant".into(),
                text: format!(
                    "{} are gone from the directory at once",
                    count(gone, "user", "users")
                ),
                items: gone as u64,
            });
        }
        let throttled = self.client.budget().report().throttled;
        if throttled >= THROTTLED_MIN && !alarms.iter().any(|a| a.kind == AlarmKind::BudgetEaten) {
            raised.push(Alarm {
                kind: AlarmKind::BudgetEaten,
                severity: Severity::Notice,
                scope: "tenant".into(),
                text: format!(
                    "the service throttled {throttled} answers although the backup kept \
                    to its budget: another client uses it up"
                ),
                items: throttled,
            });
        }
        raised
    }
}
