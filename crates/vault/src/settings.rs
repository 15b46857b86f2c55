use crate::Refusal;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Least retention; below it an attacker only has to wait.
const RETENTION_DAYS_MIN: u32 = 90;

/// A credential that may push and read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its name.
    pub user: String,
    /// SHA-256 of its token, which has 256 random bits and is not stored.
    pub token_sha256: String,
}

/// `repo.toml` of one repository in the vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepoSettings {
    /// Days for which every object is held from its arrival.
    pub retention_days: u32,
    /// Who may push and read.
    pub credentials: Vec<Credential>,
}

impl RepoSettings {
    pub(crate) fn read(path: &Path) -> Result<Self, Refusal> {
        let text = std::fs::read_to_string(path)?;
        let settings: Self = toml::from_str(&text).map_err(|e| Refusal::Failed(format!("{}: {e}", path.display())))?;
        settings.check()
    }

    fn check(self) -> Result<Self, Refusal> {
        if self.retention_days < RETENTION_DAYS_MIN {
            return Err(Refusal::Bad(format!("retention_days is {}; under {RETENTION_DAYS_MIN} an attacker only has to wait", self.retention_days)));
        }
        Ok(self)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Refusal> {
        let settings = self.clone().check()?;
        let text = toml::to_string(&settings).map_err(|e| Refusal::Failed(e.to_string()))?;
        std::fs::write(path, text)?;
        Ok(())
    }
}
