//! What helps, in the words of the command line.

use strongroom_operations::Remedy;

/// What to do about an error: the end of its sentence.
pub(crate) fn advice(remedy: &Remedy) -> &'static str {
    match remedy {
        Remedy::OtherConfiguration => "--config names another",
        Remedy::CheckConfiguration => "strongroom config check names all",
        Remedy::NameTenant => "choose one with --tenant",
        Remedy::NamePassword => "--password-file names the file that holds it",
        Remedy::AskVaultsHost => {
            "for a bucket or a folder `strongroom-vault sessions` lists them on its own host"
        }
        Remedy::NameCache => "name one with --cache-dir, or with cache_dir in the configuration",
        Remedy::OtherState => "name another folder with state_dir in the configuration",
        Remedy::OtherCache => "name another folder for local caches with --cache-dir",
    }
}
