//! What helps, in the words of the command line.

use std::borrow::Cow;
use strongroom_operations::{Remedy, plan::OperationKind};

/// What to do about an error: the end of its sentence.
pub(crate) fn advice(remedy: &Remedy) -> Cow<'static, str> {
    let text = match remedy {
        Remedy::OtherConfiguration => "--config names another",
        Remedy::CheckConfiguration => "strongroom config check names all",
        Remedy::NameTenant => "choose one with --tenant",
        Remedy::NamePassword => "--password-file names the file that holds it",
        Remedy::AskVaultsHost => {
            "for a bucket or a folder `strongroom-vault sessions` lists them on its own host"
        }
        Remedy::MakeRepository => "strongroom init makes one",
        Remedy::RebuildFromVault(tenant) => {
            return format!(
                "if it is lost, strongroom --tenant {tenant} replicate --from-vault has it back \
                 from the vault"
            )
            .into();
        }
        Remedy::RebuildOrMake(tenant) => {
            return format!(
                "for a new school strongroom init makes one; if it is lost, strongroom --tenant \
                 {tenant} replicate --from-vault has it back from the vault"
            )
            .into();
        }
        Remedy::MakeAnew(tenant) => {
            return format!(
                "if it is lost, strongroom --tenant {tenant} init --anew makes another, without \
                 what it held"
            )
            .into();
        }
        Remedy::RebuildOrMakeAnew => {
            "if it is lost, strongroom replicate --from-vault has it back from a vault; --anew \
             makes a new one all the same"
        }
        Remedy::NameCache => "name one with --cache-dir, or with cache_dir in the configuration",
        Remedy::OtherState => "name another folder with state_dir in the configuration",
        Remedy::OtherCache => "name another folder for local caches with --cache-dir",
        Remedy::NameSnapshot => "--snapshot names it by the id that it had said",
        Remedy::EmptyFolderOrResume => {
            "name an empty or a new folder, or go on with a restore into it with --resume"
        }
        Remedy::ListSnapshots => "strongroom snapshots lists them",
        Remedy::ReadSettings(tenant) => {
            return format!("strongroom --tenant {tenant} tenant snapshot reads it").into();
        }
        Remedy::ListKeys => "strongroom key list lists them",
        Remedy::ListHolds => "strongroom hold list lists them",
        Remedy::ReleaseHold(hold) => {
            return format!("strongroom hold release {hold} lets it go").into();
        }
        Remedy::ListAlarms => "strongroom alarm list shows them",
        Remedy::ListChanges => "strongroom review list --all lists them",
        Remedy::ListPlans => "strongroom plan list lists them",
        Remedy::ApprovePlan(plan) => {
            return format!("strongroom plan approve {plan} --by NAME --key FILE approves it")
                .into();
        }
        Remedy::ListFolder => "`strongroom ls` lists it",
        Remedy::TryCredential => "`strongroom vault canary` tries it",
        Remedy::TryAtVault => "`strongroom-vault canary` runs on the vault's own host",
        Remedy::AskVaultsStatus => "`strongroom-vault status` on its own host tells",
        Remedy::NameVaultsKey => {
            "--vault-key says the key, which `strongroom-vault key` shows on its own host; \
             --without-log takes what lies there, whoever put it there"
        }
        Remedy::WithoutVaultsLog => "--without-log takes what lies there, whoever put it there",
        Remedy::PlanAgain(operation, named) => {
            let command = command(*operation);
            let words: Vec<&str> =
                std::iter::once(command).chain(named.iter().map(String::as_str)).collect();
            return format!("strongroom {} plans it again", words.join(" ")).into();
        }
    };
    text.into()
}

/// The command that plans an operation.
pub(crate) fn command(operation: OperationKind) -> &'static str {
    match operation {
        OperationKind::Forget => "forget",
        OperationKind::Prune => "prune",
        OperationKind::ReleaseHold => "hold release",
        OperationKind::RestoreSettings => "tenant restore",
        OperationKind::ApplyBaseline => "baseline apply",
        OperationKind::Remediate => "tenant remediate",
        OperationKind::RestoreData => "restore",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_by_name_is_planned_again_by_name() {
        let named = Remedy::PlanAgain(OperationKind::Forget, vec!["3c3e32a2".to_owned()]);
        assert_eq!(advice(&named), "strongroom forget 3c3e32a2 plans it again");
        let all = Remedy::PlanAgain(OperationKind::Prune, Vec::new());
        assert_eq!(advice(&all), "strongroom prune plans it again");
    }
}
