//! Where a command begins: what was said on the command line becomes a school, or a copy 2. The
//! configuration is read here and nowhere else, once a command.

use crate::{Global, progress::Bar};
use anyhow::Context;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_operations::{
    Choice, Copy2, Host, School,
    config::{Apart, Config},
    place::{Doing, Place, is_name},
};

impl Global {
    /// The tenant that was chosen.
    pub(crate) fn tenant(&self) -> Option<&String> {
        self.tenants.first()
    }

    /// What was said in the place of the configuration's own.
    pub(crate) fn choice(&self) -> Choice {
        Choice {
            tenant: self.tenant().cloned(),
            repository: self.repo.clone(),
            password_file: self.password_file.clone(),
            cache_dir: self.cache_dir.clone(),
        }
    }

    /// The configuration where there is such a file, and none where there is not: what is there and
    /// is wrong is never read as if nothing were.
    pub(crate) fn config_if_there(&self) -> anyhow::Result<Option<Arc<Config>>> {
        if let Some(config) = self.read.get() {
            return Ok(Some(config.clone()));
        }
        match self.config.symlink_metadata() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => self.config().map(Some),
        }
    }

    /// The configuration.
    pub(crate) fn config(&self) -> anyhow::Result<Arc<Config>> {
        if let Some(config) = self.read.get() {
            return Ok(config.clone());
        }
        let config = read(&self.config, &self.host)?;
        Ok(self.read.get_or_init(|| config).clone())
    }

    /// The configuration without the schools with which something is wrong, and those by name.
    pub(crate) fn apart(&self) -> anyhow::Result<Apart> {
        Ok(Config::read_apart(&self.config, &self.host.accounts)?)
    }

    /// The school that was chosen.
    pub(crate) fn school(&self) -> anyhow::Result<School> {
        Ok(School::chosen(&self.config()?, &self.host, &self.choice())?)
    }

    /// The school of this name, whichever was chosen.
    pub(crate) fn school_named(&self, name: &str) -> anyhow::Result<School> {
        let choice = Choice { tenant: Some(name.to_owned()), ..self.choice() };
        Ok(School::chosen(&self.config()?, &self.host, &choice)?)
    }

    /// Whether nothing is said but results.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet || self.json
    }

    /// What shows how far the work is, where it is shown.
    pub(crate) fn bar(&self) -> Arc<Bar> {
        Bar::new(self.is_quiet())
    }

    /// The school that was chosen, or else all.
    pub(crate) fn schools(&self) -> anyhow::Result<Vec<School>> {
        self.schools_of(&self.config()?)
    }

    /// The same, of this configuration.
    pub(crate) fn schools_of(&self, config: &Arc<Config>) -> anyhow::Result<Vec<School>> {
        Ok(School::chosen_or_all(config, &self.host, &self.choice())?)
    }

    /// The copy 2 that was chosen: a repository by itself, or a school's.
    pub(crate) fn copy2(&self) -> anyhow::Result<Copy2> {
        match &self.repo {
            Some(word) => self.named(word),
            None => Ok(self.school()?.copy2()?),
        }
    }

    /// The repository of this name, or in this folder.
    fn named(&self, word: &Path) -> anyhow::Result<Copy2> {
        let config = self.config_about(word)?;
        Ok(Copy2::named(word, &self.choice(), config.as_ref(), &self.host)?)
    }

    /// Where the repository of this name is, or the folder.
    pub(crate) fn place(&self, word: &Path) -> anyhow::Result<Place> {
        Ok(self.named(word)?.place(Doing::Usual)?)
    }

    /// The folder for local caches.
    pub(crate) fn cache(&self) -> anyhow::Result<PathBuf> {
        let config = match &self.cache_dir {
            Some(_) => None,
            None => self.config_of_caches()?,
        };
        Ok(self.host.cache(self.cache_dir.as_deref(), config.as_deref())?)
    }

    /// The configuration, where it has something to say about a repository that was named: whoever
    /// names a folder, and one for caches, needs none.
    fn config_about(&self, word: &Path) -> anyhow::Result<Option<Arc<Config>>> {
        let is_name = is_name(word)?;
        if self.tenant().is_some() {
            return self.config().map(Some);
        }
        if is_name {
            let name = word.display();
            return self.config_if_there().with_context(|| {
                format!(
                    "{name} may be a repository of the configuration; a folder is written ./{name}"
                )
            });
        }
        match &self.cache_dir {
            Some(_) => Ok(None),
            None => self.config_of_caches(),
        }
    }

    fn config_of_caches(&self) -> anyhow::Result<Option<Arc<Config>>> {
        self.config_if_there().context(
            "the configuration says where local caches go; --cache-dir names a folder without it",
        )
    }
}

/// The one place where the configuration is read.
fn read(path: &Path, host: &Host) -> anyhow::Result<Arc<Config>> {
    Ok(Arc::new(Config::read(path, &host.accounts)?))
}

/// The only school of a configuration, with this folder for local caches.
pub(crate) fn only_school(
    config: &Path,
    cache_dir: PathBuf,
    host: &Arc<Host>,
) -> anyhow::Result<School> {
    let choice = Choice { cache_dir: Some(cache_dir), ..Choice::default() };
    Ok(School::chosen(&read(config, host)?, host, &choice)?)
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(f).await?
}
