//! `strongroom config check`: what is wrong in the configuration, and, where asked, what answers.

mod online;

use crate::Global;
use std::sync::Arc;
use strongroom_model::Ending;
use strongroom_operations::{
    Choice, School,
    config::Config,
    rules::OwnRules,
    settings::{all_exceptions_and_told, baselines},
};

/// `strongroom config check`
pub(crate) async fn check(global: &Global, is_online: bool) -> anyhow::Result<Ending> {
    let (config, wrong) = Config::examine(&global.config, &global.host.accounts)?;
    let config = Arc::new(config);
    // Nothing is sent on a file in which something is wrong.
    let rows = match is_online && wrong.is_empty() {
        true => online::look(global, &config).await?,
        false => Vec::new(),
    };
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
            Ok((_, told)) => told.iter().for_each(|t| eprintln!("{}", crate::output::alarm(t))),
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
            told["online"] = serde_json::to_value(&rows)?;
        }
        println!("{told}");
    } else {
        for p in &problems {
            println!("{}", strongroom_model::shown_line(p));
        }
        for row in &rows {
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
