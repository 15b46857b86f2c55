//! The repository from outside: random lives, damage, stock restic. One target: the program is
//! linked into it once.

mod common;

mod asked;
mod files;
mod glance;
mod junk;
mod keys;
mod opening;
mod prune;
mod repair;
mod repository;
mod restic;
mod series;
