//! What a server may cost that was taken over, or never was what it said: bytes, time, entries.
//! Whoever reads a copy that others can write reads within these.

use crate::{SETTINGS_BYTES_MAX, StoreError, read_regular};
use reqwest::{Certificate, blocking, redirect};
use std::{path::Path, time::Duration};

/// For an answer to begin, and for it to stand still.
pub(crate) const STILL: Duration = Duration::from_secs(30);
/// Slower than this, over the whole of an answer and [`STILL`] aside, it is given up.
const RATE_BYTES_PER_S_MIN: u64 = 32 * 1024;
/// For a server to take bytes and say so: an upload goes on while it moves, however slow the line,
/// and several share it.
pub(crate) const TAKEN: Duration = Duration::from_secs(120);
/// Slower than this, over the whole of an upload, it is given up.
pub(crate) const UPLOAD_BYTES_PER_S_MIN: u64 = 16 * 1024;
/// For an answer without a body to begin, where a server may have to look at all that it has.
const ANSWER: Duration = Duration::from_secs(600);
/// How often what was cut off is read again.
const READS: u32 = 3;
/// Of what has no kind of its own, such as a segment of a log.
pub(crate) const OTHER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Of a listing in one answer.
pub(crate) const LISTING_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Of a listing in one answer: packs of sixteen TiB.
pub(crate) const ROWS_MAX: usize = 1_000_000;
/// Of a listing in pages, of a thousand names or versions each.
pub(crate) const PAGES_MAX: usize = 4_000;
/// Of a listing in pages, all in all.
pub(crate) const LISTING_TIME_MAX: Duration = Duration::from_secs(3600);
/// Of what a server says about an error.
pub(crate) const WORDS_BYTES_MAX: u64 = 1024;

/// Whether so many bytes in so much time are fewer than a server has to give.
pub(crate) fn too_slow(bytes: u64, time: Duration) -> bool {
    let seconds = time.saturating_sub(STILL).as_secs();
    seconds > 0 && bytes / seconds < RATE_BYTES_PER_S_MIN
}

/// For a request with so many bytes to be answered.
pub(crate) fn time_for(bytes: u64) -> Duration {
    TAKEN + Duration::from_secs(bytes / UPLOAD_BYTES_PER_S_MIN)
}

/// Reads, and reads again what was cut off.
pub(crate) fn again<T>(read: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 1..READS {
        match read() {
            Err(StoreError::Failed { why, .. }) => {
                tracing::debug!("read again: {}", why.quoted())
            }
            other => return other,
        }
    }
    read()
}

/// The cause of an error; what wraps it repeats the address.
pub(crate) fn innermost(e: &dyn std::error::Error) -> String {
    let (mut text, mut source) = (e.to_string(), e.source());
    while let Some(s) = source {
        text = s.to_string();
        source = s.source();
    }
    text
}

/// Why an answer is not read any further.
pub(crate) fn too_long(bytes: u64, most: u64) -> String {
    format!("its answer has {bytes} bytes or more, and {most} is the most that this may have")
}

/// Why a listing is not believed.
pub(crate) fn too_many(rows: usize) -> String {
    format!("it names {rows} objects, and {ROWS_MAX} are the most that are taken in")
}

/// Why an answer is not waited for any longer.
pub(crate) fn slow(bytes: u64) -> String {
    format!("its answer comes too slowly: {bytes} bytes so far")
}

/// When a server answered, by its own clock.
pub(crate) fn date(answer: &blocking::Response) -> Option<jiff::Timestamp> {
    let said = answer.headers().get("date")?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(said).ok()?.timestamp())
}

/// What a client of such a server begins with: a credential goes where it was told to go, and
/// nowhere else.
pub(crate) fn blocking_client(
    url: &url::Url,
    ca_file: Option<&Path>,
) -> Result<blocking::ClientBuilder, String> {
    let mut builder = blocking::Client::builder()
        .connect_timeout(Duration::from_secs(20))
        .timeout(ANSWER)
        .redirect(redirect::Policy::none())
        .pool_max_idle_per_host(16);
    if let Some(path) = ca_file {
        builder = builder.tls_certs_only(certificates(path)?);
    } else if url.scheme() == "http" {
        // No TLS, no roots: a host without a certificate bundle must still reach its loopback.
        builder = builder.tls_certs_only([]);
    }
    // No proxy on the way to this very host: it would read the credential.
    Ok(if url.scheme() == "http" { builder.no_proxy() } else { builder })
}

/// The certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("the CA file {}: {e}", path.display());
    let pem = read_regular(path, SETTINGS_BYTES_MAX).map_err(|e| wrong(&e))?;
    let all = Certificate::from_pem_bundle(&pem).map_err(|e| wrong(&e))?;
    match all.is_empty() {
        true => Err(format!("the CA file {} holds no certificate", path.display())),
        false => Ok(all),
    }
}

/// What is wrong with a file of certificates to trust, in one sentence.
pub fn ca_file_problem(path: &Path) -> Option<String> {
    certificates(path).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_has_time_by_its_bytes() {
        // A pack that is one of four on a line of 1 Mbit/s.
        assert!(time_for(16 << 20).as_secs() > (16 << 20) * 4 / 125_000);
        assert!(time_for(0) <= Duration::from_secs(120));
    }

    #[test]
    fn a_drip_is_too_slow_and_a_slow_line_is_not() {
        let s = Duration::from_secs;
        assert!(!too_slow(0, s(29)) && too_slow(1000, s(32)));
        assert!(!too_slow(64 * 1024 * 60, s(90)) && too_slow(31 * 1024 * 600, s(631)));
    }
}
