//! What is to be done when copy 2 is back from the vault: each step with its command, and what the
//! lost configuration said as far as the vault knows it.

use crate::review::quoted;
use serde::Serialize;
use std::path::PathBuf;

/// How copy 3 gets its data.
pub(super) enum How {
    /// It is pushed to, by its server.
    Server,
    /// It is pushed to, into its bucket.
    Bucket,
    /// It pulls.
    Folder,
}

/// What a recovery found, and made.
pub(super) struct After {
    /// The school's name in its newest snapshot.
    pub(super) school: String,
    /// The id of its tenant, where the repository says it.
    pub(super) tenant_id: Option<String>,
    /// Where copy 2 is now.
    pub(super) copy2: String,
    /// Whether that is a folder.
    pub(super) is_folder: bool,
    /// The file with its password.
    pub(super) password_file: PathBuf,
    /// Key files of copy 2 that the vault does not have.
    pub(super) new_keys: Vec<String>,
    /// The vault's public key, where it is known.
    pub(super) vault_key: Option<String>,
    pub(super) how: How,
    /// Whether shares opened it.
    pub(super) was_with_shares: bool,
}

/// One step.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    /// What it is for.
    pub(super) what: &'static str,
    /// What is typed; nothing where that is no command.
    pub(super) command: Option<String>,
}

impl After {
    /// The steps, in their order.
    pub(super) fn steps(&self) -> Vec<Step> {
        let school = quoted(&self.school);
        let step = |what, command: String| Step { what, command: Some(command) };
        let note = |what| Step { what, command: None };
        let own = |words: &str| format!("strongroom --tenant {school} {words}");
        let at_vault = |words: &str| format!("strongroom-vault --dir /srv/vault {words}");
        let mut steps = Vec::new();
        if self.is_folder {
            steps.push(step(
                "read each byte of copy 2",
                format!(
                    "strongroom --repo {} --password-file {} check --read-data",
                    quoted(&self.copy2),
                    quoted(&self.password_file.display().to_string())
                ),
            ));
        }
        steps.push(note(
            "write strongroom.toml anew, as it stands below; where the application's certificate \
             is gone too, docs/registration.md says how to make another",
        ));
        steps.push(step(
            "where the tenant was attacked, put it back",
            own("restore --clean --in-place --dry-run"),
        ));
        steps.push(step("go on with backups", own("backup")));
        match self.how {
            How::Folder => steps.push(note(
                "on the vault's host: set the new place of copy 2 as `source` in the school's \
                 repo.toml",
            )),
            How::Server => {
                steps.push(step(
                    "on the vault's host: make another pushing credential; bring its token here",
                    at_vault(&format!("credential rotate {school} push --token-file push.token")),
                ));
                steps.push(step("go on with the vault", own("replicate")));
            }
            How::Bucket => steps.push(step(
                "with a pushing credential of the bucket in [[vault]], go on with the vault",
                own("replicate"),
            )),
        }
        for key in &self.new_keys {
            steps.push(step(
                "on the vault's host: two custodians admit the new key file; until then the new \
                 password opens copy 2 and not the vault",
                at_vault(&format!(
                    "order new {school} --reason recovery --out admit.json admit-key {key}"
                )),
            ));
        }
        steps.push(step(
            "on the vault's host: see that no lock is too short, and whether expiry is frozen \
             since copy 2 was away (two custodians thaw it)",
            at_vault("status"),
        ));
        if self.was_with_shares {
            steps.push(step(
                "give the shares back to their people and delete their files here; where somebody \
                 saw enough of them, give the repository another key",
                own("key rotate NEW-PLACE --new-password-file FILE"),
            ));
        }
        steps
    }

    /// The configuration, as far as it is known.
    pub(super) fn configuration(&self) -> String {
        // A string of JSON is one of TOML.
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let school = text(&self.school);
        let tenant = text(self.tenant_id.as_deref().unwrap_or("the id of the tenant"));
        let place = match self.is_folder {
            true => format!("path = {}\n", text(&self.copy2)),
            false => format!("# {}, as its settings were\n", self.copy2),
        };
        let password = text(&self.password_file.display().to_string());
        let mut out = format!(
            "[[tenant]]\nname = {school}\ntenant_id = {tenant}\n\
             authority = \"https://login.microsoftonline.com/\"\n\
             graph = \"https://graph.microsoft.com/\"\nrepository = {school}\n"
        );
        if self.vault_key.is_some() {
            out.push_str(&format!("vault = {school}\n"));
        }
        out.push_str(&format!(
            "[tenant.identities.read]\n\
             application_id = \"00000000-0000-0000-0000-000000000000\"\n\
             certificate_file = \"read.pem\"\n\
             [[repository]]\nname = {school}\n{place}password_file = {password}\n"
        ));
        if let Some(key) = &self.vault_key {
            out.push_str(&format!("[[vault]]\nname = {school}\npublic_key = {}\n", text(key)));
        }
        out
    }

    /// All of it for a person.
    pub(super) fn told(&self) -> String {
        let mut out = String::from("\nWhat to do next:\n");
        for (n, step) in self.steps().iter().enumerate() {
            out.push_str(&format!("{}. {}\n", n + 1, step.what));
            if let Some(command) = &step.command {
                out.push_str(&format!("   {command}\n"));
            }
        }
        out.push_str("\nstrongroom.toml, as far as the vault knows it:\n\n");
        out + &self.configuration()
    }
}
