//! A configuration in which something is wrong with some schools, for the others.
//!
//! What is wrong is of the file, and then nothing is done on it; or of entries, and then nothing is
//! done for the schools that have them. What is left is a configuration in which nothing is wrong:
//! it passed the same examination as any other.

use super::{
    Config, base_of, from_toml,
    problems::{Problem, Whose},
    refused, text_of, wrong,
};
use crate::{Error, files::Accounts};
use serde::de::DeserializeOwned;
use std::path::Path;
use toml::{Table, Value};

/// A configuration of the schools with which nothing is wrong, and the others by name.
#[derive(Debug)]
pub struct Apart {
    /// In which nothing is wrong. It may be that no school is left.
    pub config: Config,
    /// Schools for which nothing may be done.
    pub refused: Vec<Refused>,
    /// What is wrong with entries that no school has.
    pub beside: Vec<String>,
}

/// A school with whose entry, or whose repository or vault, something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name; where it bears none that can be read, which it is in the file.
    pub school: String,
    /// Its labels, where they can be read.
    pub labels: Option<Vec<String>>,
    /// What is wrong, a sentence each.
    pub why: Vec<String>,
}

/// An entry of which something is not understood.
struct Unread {
    /// Which it is in the file, from 1.
    n: usize,
    entry: Value,
    why: String,
}

impl Unread {
    fn text(&self, property: &str) -> Option<&str> {
        self.entry.get(property).and_then(Value::as_str)
    }

    fn name(&self) -> Option<&str> {
        self.text("name")
    }

    fn labels(&self) -> Option<Vec<String>> {
        match self.entry.get("labels") {
            None => self.entry.is_table().then(Vec::new),
            Some(labels) => {
                labels.as_array()?.iter().map(|l| Some(l.as_str()?.to_owned())).collect()
            }
        }
    }
}

/// Takes the entries of a list out of the file, understood and not. What is no list stays, and is
/// wrong there.
fn taken<T: DeserializeOwned>(file: &mut Table, list: &str) -> (Vec<T>, Vec<Unread>) {
    let (mut known, mut unread) = (Vec::new(), Vec::new());
    if !file.get(list).is_some_and(Value::is_array) {
        return (known, unread);
    }
    let all = file.remove(list);
    for (at, entry) in all.iter().filter_map(Value::as_array).flatten().enumerate() {
        match entry.clone().try_into() {
            Ok(entry) => known.push(entry),
            Err(e) => {
                let why = says(&e);
                unread.push(Unread { n: at + 1, entry: entry.clone(), why });
            }
        }
    }
    (known, unread)
}

/// What a parser says, without what stands in the file, which may be a secret.
fn says(e: &toml::de::Error) -> String {
    strongroom_model::without_values(e.message())
}

/// The problems of entries that are not understood; those without a name are no school's.
fn unread(whose: fn(String) -> Whose, what: &str, all: &[Unread]) -> Vec<Problem> {
    let problem = |u: &Unread| match u.name() {
        Some(name) => {
            let of = whose(name.to_owned());
            let says = format!("{of}: {}", u.why);
            Problem::new(of, says)
        }
        None => Problem::together(Vec::new(), format!("{what} {} of the file: {}", u.n, u.why)),
    };
    all.iter().map(problem).collect()
}

impl Config {
    /// The file, checked, without the schools with which something is wrong: nothing is done on
    /// what is wrong, and what is wrong with one school stops no other.
    ///
    /// # Errors
    /// As [`Config::read`], where it is no TOML, others can change it, or something is wrong that
    /// is no single school's.
    pub fn read_apart(path: &Path, accounts: &Accounts) -> Result<Apart, Error> {
        let mut file: Table = from_toml(path, &text_of(path, accounts)?)?;
        let (tenants, strange) = taken(&mut file, "tenant");
        let (repositories, repositories_unread) = taken(&mut file, "repository");
        let (vaults, vaults_unread) = taken(&mut file, "vault");
        let rest = Value::Table(file).try_into();
        let rest: Self = rest.map_err(|e| wrong(format!("{}: {}", path.display(), says(&e))))?;
        let mut config = Self { tenants, repositories, vaults, base: base_of(path)?, ..rest };

        let mut problems = unread(Whose::Repository, "repository", &repositories_unread);
        problems.extend(unread(Whose::Vault, "vault", &vaults_unread));
        let is_there = |lacks: &Whose| problems.iter().any(|p| p.of.contains(lacks));
        let mut others = config.problems_of_entries(accounts);
        // What is named is there, and is not understood.
        others.retain(|p| !p.lacks.as_ref().is_some_and(is_there));
        problems.extend(others);
        for school in &strange {
            let name = school.name();
            let is_twice = config.tenants.iter().any(|t| Some(t.name.as_str()) == name);
            if let Some(name) = name.filter(|_| is_twice) {
                let says = format!("two tenants are named {name:?}");
                problems.push(Problem::new(Whose::Tenant(name.to_owned()), says));
            }
            // No repository takes data of two tenants, whatever else is wrong with one.
            let repository = school.text("repository");
            let is_shared =
                config.tenants.iter().any(|t| Some(t.repository.as_str()) == repository);
            if let Some(name) = repository.filter(|_| is_shared) {
                let says = "two tenants share one repository; each needs its own".to_owned();
                problems.push(Problem::new(Whose::Repository(name.to_owned()), says));
            }
        }
        if config.tenants.is_empty() && strange.is_empty() {
            problems.push(Problem::new(Whose::File, "there is no [[tenant]]".to_owned()));
        }
        let of_file: Vec<String> = problems
            .iter()
            .filter(|p| p.of.contains(&Whose::File))
            .map(|p| p.says.clone())
            .collect();
        if let Some(e) = refused(path, &of_file) {
            return Err(e);
        }

        let mut out: Vec<Refused> = strange
            .iter()
            .map(|school| {
                let name = school.name().map(str::to_owned);
                let name = name.unwrap_or_else(|| format!("tenant {} of the file", school.n));
                let why = vec![format!("tenant {name}: {}", school.why)];
                Refused { school: name, labels: school.labels(), why }
            })
            .collect();
        let mut touched = vec![false; problems.len()];
        for t in &config.tenants {
            let mut why = Vec::new();
            for (n, p) in problems.iter().enumerate() {
                let is_its = |of: &Whose| match of {
                    Whose::File => true,
                    Whose::Tenant(name) => *name == t.name,
                    Whose::Repository(name) => *name == t.repository,
                    Whose::Vault(name) => t.vault.as_ref() == Some(name),
                };
                if p.of.iter().any(is_its) {
                    why.push(p.says.clone());
                    touched[n] = true;
                }
            }
            if !why.is_empty() {
                out.push(Refused { school: t.name.clone(), labels: Some(t.labels.clone()), why });
            }
        }
        let beside = problems.iter().zip(&touched).filter(|(_, is_told)| !**is_told);
        let beside = beside.map(|(p, _)| p.says.clone()).collect();

        let is_right = |of: Whose| !problems.iter().any(|p| p.of.contains(&of));
        config.tenants.retain(|t| !out.iter().any(|r| r.school == t.name));
        config.repositories.retain(|r| is_right(Whose::Repository(r.name.clone())));
        config.vaults.retain(|v| is_right(Whose::Vault(v.name.clone())));
        // What is left is had as any other configuration is.
        if !config.tenants.is_empty() {
            let left: Vec<String> = config.problems(accounts).into_iter().map(|p| p.says).collect();
            if let Some(e) = refused(path, &left) {
                return Err(e);
            }
        }
        Ok(Apart { config, refused: out, beside })
    }
}
