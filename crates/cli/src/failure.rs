//! Errors at the edge: one sentence, and an exit code that a script can act on.

use serde_json::json;
use strongroom_model::shown_line;
use strongroom_repository::Error as Repo;

/// Done, but something was skipped.
pub(crate) const PARTIAL: i32 = 3;

fn code(e: &anyhow::Error) -> i32 {
    for cause in e.chain() {
        let repo = cause.downcast_ref::<Repo>().or_else(|| {
            match cause.downcast_ref::<strongroom_engine::Error>() {
                Some(strongroom_engine::Error::Repository(r)) => Some(r),
                _ => None,
            }
        });
        match repo {
            Some(Repo::NoRepository(_)) => return 10,
            Some(Repo::Locked { .. }) => return 11,
            Some(Repo::WrongKey { .. }) => return 12,
            _ => {}
        }
    }
    1
}

/// Says what went wrong and answers the exit code.
pub(crate) fn report(e: &anyhow::Error, as_json: bool) -> i32 {
    let code = code(e);
    if as_json {
        println!("{}", json!({"error": format!("{e:#}"), "code": code}));
    } else {
        // A sentence is one line, whoever wrote the words in it.
        eprintln!("strongroom: {}", shown_line(&format!("{e:#}")));
    }
    code
}
