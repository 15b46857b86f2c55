//! The simulator against Microsoft's published data: the documentation's examples, what it must
//! refuse, permissions in both directions, the types of its answers. Each test prints its table,
//! lists what is wrong under `target/published`, and holds figures that may only rise.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod data;
mod examples;
mod life;
mod permissions;
mod probes;
mod refusals;
mod refusals_of_content;
mod refusals_of_settings;
mod report;
mod school;
mod validate;

use data::Published;

/// The data is not part of the repository.
fn published() -> Option<Published> {
    let data = Published::load();
    if data.is_none() {
        println!("skipped: ../shared/graph is not beside the repository");
    }
    data
}

#[test]
fn examples_of_the_documentation_are_answered_as_it_prints() {
    let Some(data) = published() else { return };
    examples::run(&data, &examples::Floor { supported: 314, both: 276 });
}

#[test]
fn what_must_be_refused_is_refused() {
    let Some(data) = published() else { return };
    probes::run(&data, 691);
}

#[test]
fn every_permission_that_is_published_is_enough_and_no_other() {
    let Some(data) = published() else { return };
    permissions::run(&data, &permissions::Ceiling { too_many: 0, too_few: 0 });
}

#[test]
fn a_life_of_reading_and_writing_has_only_published_types() {
    let Some(data) = published() else { return };
    life::run(&data, 0);
}
