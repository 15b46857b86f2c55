//! `strongroom config check`: what is wrong in the configuration, and, where asked, what answers.

use crate::{Global, output, words};
use serde::Serialize;
use std::sync::Arc;
use strongroom_model::Ending;
use strongroom_operations::{
    Choice, School,
    config::{
        Config,
        online::{self, Row, State},
    },
    rules::OwnRules,
    settings::{all_exceptions_and_told, baselines},
};

/// One finding, as it is shown.
#[derive(Serialize)]
struct Shown<'r> {
    of: &'r str,
    about: &'static str,
    state: State,
    text: String,
}

impl<'r> Shown<'r> {
    fn of(row: &'r Row) -> Self {
        let text = match &row.remedy {
            Some(remedy) => format!("{}; {}", row.text, words::advice(remedy)),
            None => row.text.clone(),
        };
        Self { of: &row.of, about: row.about, state: row.state, text }
    }

    /// For people.
    fn line(&self) -> String {
        let text = format!("{}: {}", self.of, self.text);
        match self.state {
            State::Good => format!("good     {text}"),
            State::Warning => format!("warning  {text}"),
            State::Failed => output::alarm(&format!("FAILED   {text}")),
        }
    }
}

/// `strongroom config check`
pub(crate) async fn check(global: &Global, is_online: bool) -> anyhow::Result<Ending> {
    let (config, wrong) = Config::examine(&global.config, &global.host.accounts)?;
    let config = Arc::new(config);
    // Nothing is sent on a file in which something is wrong.
    let rows = match is_online && wrong.is_empty() {
        true => {
            let choice = Choice {
                tenant: global.tenant().cloned(),
                cache_dir: global.cache_dir.clone(),
                ..Choice::default()
            };
            online::look(&config, &global.host, &choice).await?
        }
        false => Vec::new(),
    };
    let shown: Vec<Shown<'_>> = rows.iter().map(Shown::of).collect();
    let mut problems = wrong;
    problems.extend(config.unreadable_files());
    problems.extend(config.programs_that_do_not_run());
    if !is_online {
        problems
            .extend(config.tenants.iter().flat_map(|t| config.sign_in_problems(t, &global.host)));
    }
    problems.extend(OwnRules::read(&config, &global.host).problems().cloned());
    let baselines = baselines(Some(&config)).map_err(anyhow::Error::from);
    problems.extend(baselines.err().map(|e| crate::failure::sentence(&e)));
    for school in School::all(&config, &global.host, &Choice::default()) {
        match all_exceptions_and_told(&school) {
            Ok((_, told)) => told.iter().for_each(|t| eprintln!("{}", output::alarm(t))),
            Err(e) => problems.push(format!(
                "tenant {}: {}",
                school.name(),
                crate::failure::sentence(&e.into())
            )),
        }
    }
    if global.json {
        let mut told = serde_json::json!({"problems": problems});
        if is_online {
            told["online"] = serde_json::to_value(&shown)?;
        }
        println!("{told}");
    } else {
        for p in &problems {
            println!("{}", strongroom_model::shown_line(p));
        }
        for row in &shown {
            println!("{}", row.line());
        }
        if problems.is_empty() {
            println!(
                "{}: {} tenants, {} repositories, {} vaults; nothing is wrong in the file",
                global.config.display(),
                config.tenants.len(),
                config.repositories.len(),
                config.vaults.len()
            );
        }
    }
    Ok(if problems.is_empty() { online::ending(&rows) } else { Ending::Failed })
}
