//! What helps, in the words of the command line.

use strongroom_operations::Remedy;

/// What to do about an error: the end of its sentence.
pub(crate) fn advice(remedy: &Remedy) -> String {
    match remedy {
        Remedy::NameCache => {
            "name one with --cache-dir, or with cache_dir in the configuration".to_owned()
        }
        Remedy::OtherCache => "name another folder for local caches with --cache-dir".to_owned(),
    }
}
