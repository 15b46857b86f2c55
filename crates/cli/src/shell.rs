//! What a shell and a reader of manuals get of the command line.

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;
use strongroom_model::Ending;

#[derive(Args)]
pub(crate) struct Completions {
    /// For which shell.
    shell: Shell,
}

#[derive(Args)]
pub(crate) struct Man {
    /// Folder for the pages, like /usr/local/share/man/man1; files of the same names are replaced.
    folder: PathBuf,
}

pub(crate) fn completions<C: CommandFactory>(args: &Completions) -> Ending {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut C::command(), "strongroom", &mut out);
    print!("{}", String::from_utf8_lossy(&out));
    Ending::Done
}

/// A page for the program and one for each command.
pub(crate) fn man<C: CommandFactory>(args: &Man) -> anyhow::Result<Ending> {
    let shown = args.folder.display();
    std::fs::create_dir_all(&args.folder).with_context(|| format!("{shown} cannot be made"))?;
    clap_mangen::generate_to(C::command(), &args.folder)
        .with_context(|| format!("no page can be written to {shown}"))?;
    Ok(Ending::Done)
}
