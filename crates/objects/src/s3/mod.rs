//! S3: a bucket as write-once store, and with Object Lock as a vault.
//!
//! What is relied on is what Ceph, AWS and others all have: single PUTs with `Content-MD5` and lock
//! headers, version ids, listings of versions. Multipart uploads, conditional writes and checksum
//! trailers are not: some servers ignore them without a word.

mod attempts;
mod client;
mod locked;
mod settings;
mod upload;

pub use attempts::{S3Answer, S3Attempt};
pub use client::{S3Bucket, S3Settings};
