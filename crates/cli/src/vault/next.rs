//! What is to be done when copy 2 is back from the vault: each step with its command.

use crate::review::quoted;
use serde::Serialize;
use strongroom_operations::recovery::{NextStep, Recovered};

/// One step.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    /// What it is for.
    what: &'static str,
    /// What is typed; nothing where that is no command.
    command: Option<String>,
}

/// The steps, in their order.
pub(super) fn steps(done: &Recovered) -> Vec<Step> {
    done.next().iter().map(|next| step(done, next)).collect()
}

fn step(done: &Recovered, next: &NextStep) -> Step {
    let school = quoted(&done.school);
    let step = |what, command: String| Step { what, command: Some(command) };
    let note = |what| Step { what, command: None };
    let own = |words: &str| format!("strongroom --tenant {school} {words}");
    let at_vault = |words: &str| format!("strongroom-vault --dir /srv/vault {words}");
    match next {
        NextStep::ReadAll => step(
            "read each byte of copy 2",
            format!(
                "strongroom --repo {} --password-file {} check --read-data",
                quoted(&done.copy2),
                quoted(&done.password_file.display().to_string())
            ),
        ),
        NextStep::WriteConfiguration => note(
            "write strongroom.toml anew, as it stands below; where the application's certificate \
             is gone too, docs/registration.md says how to make another",
        ),
        NextStep::RestoreClean => step(
            "where the tenant was attacked, put it back",
            own("restore --clean --in-place --dry-run"),
        ),
        NextStep::BackUp => step("go on with backups", own("backup")),
        NextStep::TellVault => note(
            "on the vault's host: set the new place of copy 2 as `source` in the school's \
             repo.toml",
        ),
        NextStep::RenewCredential => step(
            "on the vault's host: make another pushing credential; bring its token here",
            at_vault(&format!("credential rotate {school} push --token-file push.token")),
        ),
        NextStep::Replicate => step("go on with the vault", own("replicate")),
        NextStep::ReplicateToBucket => step(
            "with a pushing credential of the bucket in [[vault]], go on with the vault",
            own("replicate"),
        ),
        NextStep::AdmitKey(key) => step(
            "on the vault's host: two custodians admit the new key file; until then the new \
             password opens copy 2 and not the vault",
            at_vault(&format!(
                "order new {school} --reason recovery --out admit.json admit-key {key}"
            )),
        ),
        NextStep::LookAtVault => step(
            "on the vault's host: see that no lock is too short, and whether expiry is frozen \
             since copy 2 was away (two custodians thaw it)",
            at_vault("status"),
        ),
        NextStep::ReturnShares => step(
            "give the shares back to their people and delete their files here; where somebody saw \
             enough of them, give the repository another key",
            own("key rotate NEW-PLACE --new-password-file FILE"),
        ),
    }
}

/// All of it for a person.
pub(super) fn told(done: &Recovered) -> String {
    let mut out = String::from("\nWhat to do next:\n");
    for (n, step) in steps(done).iter().enumerate() {
        out.push_str(&format!("{}. {}\n", n + 1, step.what));
        if let Some(command) = &step.command {
            out.push_str(&format!("   {command}\n"));
        }
    }
    out.push_str("\nstrongroom.toml, as far as the vault knows it:\n\n");
    out + &done.configuration()
}
