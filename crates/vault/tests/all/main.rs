//! The vault from outside: its program, its custody, attacks on real servers. One target: the
//! program is linked into it once.

mod common;

mod attacks_ceph;
mod attacks_localstack;
mod audited;
mod copies;
mod credentials;
mod custody;
mod custody_attacked;
mod doors;
mod exits;
mod lost;
mod program;
mod pushed;
mod recovery;
mod room;
mod schedule;
mod sessions;
mod standing;
mod vault;
