//! Errors at the edge: one sentence, and an exit code that a script can act on.

use crate::words;
use serde_json::json;
use strongroom_model::{Ending, shown_line};
use strongroom_operations::{Attempt, Error as Operations};
use strongroom_repository::Error as Repo;

/// What an error makes of the command.
pub(crate) fn ending(e: &anyhow::Error) -> Ending {
    for cause in e.chain() {
        use strongroom_engine::Error as Engine;
        if let Some(e) = cause.downcast_ref::<Operations>() {
            return e.ending();
        }
        let repo = match cause.downcast_ref::<Engine>() {
            Some(Engine::NothingRead(_)) => return Ending::NothingRead,
            Some(Engine::Interrupted(_)) => return Ending::Interrupted,
            Some(Engine::Repository(repo)) => Some(repo),
            _ => cause.downcast_ref::<Repo>(),
        };
        match repo {
            Some(Repo::NoRepository(_)) => return Ending::NoRepository,
            Some(Repo::Locked { .. }) => return Ending::Locked,
            Some(Repo::WrongKey { .. }) => return Ending::WrongKey,
            _ => {}
        }
    }
    Ending::Failed
}

/// What went wrong, why, and what helps.
pub(crate) fn sentence(e: &anyhow::Error) -> String {
    let mut said = e.chain().filter_map(|cause| cause.downcast_ref::<Operations>());
    match said.find_map(Operations::remedy) {
        Some(remedy) => format!("{e:#}; {}", words::advice(remedy)),
        None => format!("{e:#}"),
    }
}

/// Says what went wrong and answers how the command ended.
pub(crate) fn report(e: &anyhow::Error, as_json: bool) -> Ending {
    let ending = ending(e);
    tell(&sentence(e), ending, as_json);
    ending
}

/// Notes how a duty ended that somebody was at.
pub(crate) fn note<T>(attempt: Attempt, done: &anyhow::Result<T>, did: impl FnOnce(Attempt, &T)) {
    match done {
        Ok(report) => did(attempt, report),
        Err(e) => attempt.failed(ending(e), &sentence(e)),
    }
}

/// One sentence about a command that did not do its work.
pub(crate) fn tell(text: &str, ending: Ending, as_json: bool) {
    if as_json {
        println!("{}", json!({"error": text, "code": ending.code(), "kind": ending.kind()}));
    } else {
        // A sentence is one line, whoever wrote the words in it.
        eprintln!("strongroom: {}", shown_line(text));
    }
}

/// The row of one school, of a command that goes over several.
pub(crate) fn row(tenant: &str, e: &anyhow::Error) -> serde_json::Value {
    let ending = ending(e);
    json!({"tenant": tenant, "error": sentence(e), "code": ending.code(),
        "kind": ending.kind()})
}

/// The command line is wrong, or asks for help: says so, in the form that was asked for.
pub(crate) fn usage(e: &clap::Error) -> Ending {
    let is_options = |a: &std::ffi::OsString| a != "--";
    let as_json = std::env::args_os().take_while(is_options).any(|a| a == "--json");
    if !as_json || !e.use_stderr() {
        // Whoever does not read it is not told.
        let _ = e.print();
        return if e.use_stderr() { Ending::Usage } else { Ending::Done };
    }
    let text = e.render().to_string();
    let sentence = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let words: Vec<&str> = sentence.split_whitespace().collect();
    tell(&words.join(" "), Ending::Usage, true);
    Ending::Usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_operations::{Kind, Remedy};

    #[test]
    fn what_helps_ends_the_sentence_and_the_kind_is_the_ending() {
        let inner = Operations::new(Kind::Locked, "it is locked").with(Remedy::OtherCache);
        let outer = Operations::because(Kind::WrongKey, "it cannot be opened", inner);
        let e = anyhow::Error::from(outer).context("the backup failed");
        assert_eq!(
            sentence(&e),
            "the backup failed: it cannot be opened: it is locked; name another folder for local \
             caches with --cache-dir"
        );
        assert_eq!(ending(&e), Ending::WrongKey, "that of the one nearest to the command");
        assert_eq!(row("a", &e)["kind"], "wrong-key");
    }

    #[test]
    fn a_fault_below_operations_ends_as_it_did() {
        for (e, wanted) in [
            (anyhow::Error::from(Repo::NoRepository("x".to_owned())), Ending::NoRepository),
            (Operations::from(Repo::NoRepository("x".to_owned())).into(), Ending::NoRepository),
            (anyhow::anyhow!("x"), Ending::Failed),
        ] {
            assert_eq!(ending(&e.context("a command")), wanted);
        }
    }
}
