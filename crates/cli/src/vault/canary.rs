use super::alarm;
use crate::Global;
use strongroom_model::Ending;
use strongroom_operations::canary::{CanaryOutcome, canary};

pub(super) async fn run(global: &Global) -> anyhow::Result<Ending> {
    let done = canary(&global.school()?).await?;
    let report = &done.report;
    if global.json {
        println!("{}", done.line);
    } else {
        for t in &report.tried {
            match &t.outcome {
                CanaryOutcome::Worked => println!(
                    "{}",
                    alarm(&format!(
                        "with the credential {} it was possible to {}",
                        report.holder, t.attempt
                    ))
                ),
                CanaryOutcome::Refused { code } => println!("refused     {} ({code})", t.attempt),
                CanaryOutcome::Harmless { why } => println!("harmless    {}: {why}", t.attempt),
                CanaryOutcome::NotTested { why } => println!("not tested  {}: {why}", t.attempt),
            }
        }
        let (worked, rest) = (report.worked().len(), report.not_tested().len());
        println!(
            "{} refused, {worked} worked, {rest} not tested; signed evidence in {}",
            report.refused(),
            done.evidence.display()
        );
    }
    Ok(if report.worked().is_empty() { Ending::Done } else { Ending::Alarm })
}
