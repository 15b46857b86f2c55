use crate::{Global, output, words};
use serde::Serialize;
use strongroom_model::Ending;
use strongroom_operations::independence::{Independence, Unseen, independence};

/// What `--json` shows.
#[derive(Serialize)]
struct Shown<'e> {
    shared: Vec<&'e str>,
    facts: &'e [(String, String)],
    could_delete: &'e [(String, String)],
    not_seen: Vec<String>,
}

impl<'e> Shown<'e> {
    fn of(e: &'e Independence) -> Self {
        let not_seen = e.not_seen.iter().map(|unseen| match unseen {
            Unseen { what, remedy: Some(remedy) } => format!("{what}: {}", words::advice(remedy)),
            Unseen { what, remedy: None } => what.clone(),
        });
        Self {
            shared: e.shared.iter().map(|s| s.says.as_str()).collect(),
            facts: &e.facts,
            could_delete: &e.could_delete,
            not_seen: not_seen.collect(),
        }
    }
}

pub(super) async fn run(global: &Global) -> anyhow::Result<Ending> {
    let found = independence(&global.school()?).await?;
    let shown = Shown::of(&found);
    if global.json {
        println!("{}", serde_json::to_string(&shown)?);
    } else {
        shown.shared.iter().for_each(|s| println!("{}", output::alarm(&format!("SHARED  {s}"))));
        if shown.shared.is_empty() {
            println!("nothing is shared, as far as it can be seen from here");
        }
        let rows = |r: &[(String, String)]| {
            r.iter().map(|(a, b)| vec![a.clone(), b.clone()]).collect::<Vec<_>>()
        };
        println!("\n{}", output::table(&["looked at", "seen"], &rows(shown.facts)));
        println!("{}", output::table(&["who", "could delete"], &rows(shown.could_delete)));
        shown.not_seen.iter().for_each(|n| println!("not seen: {n}"));
    }
    Ok(if shown.shared.is_empty() { Ending::Done } else { Ending::Partial })
}
