//! The data of the benchmarks: made from the project's corpus, the same every time.

use anyhow::Context;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    fs,
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
};

const SEED: u64 = 0x5712_0467_0033;
/// Documents that mail carries.
const ATTACHMENTS: usize = 300;

fn files(dir: &Path, out: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .with_context(|| format!("{} cannot be read", dir.display()))?
        .collect::<Result<_, _>>()?;
    entries.sort_by_key(|e| e.file_name());
    for entry in entries {
        match entry.file_type()?.is_dir() {
            true => files(&entry.path(), out)?,
            false => out.push(entry.path()),
        }
    }
    Ok(())
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Documents of the corpus: everything but mail.
fn corpus(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    files(&root.join("../shared/corpus"), &mut all)?;
    all.retain(|p| !["eml", "mbox", "md"].contains(&extension(p).as_str()));
    Ok(all)
}

/// Words of the corpus' own texts.
fn words(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    files(&root.join("../shared/corpus"), &mut all)?;
    let mut words = Vec::new();
    for path in all.iter().filter(|p| ["txt", "html", "eml"].contains(&extension(p).as_str())) {
        let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
        words.extend(
            text.split_whitespace()
                .filter(|w| w.len() < 14 && w.chars().all(char::is_alphabetic))
                .map(str::to_owned),
        );
    }
    Ok(words)
}

fn text(rng: &mut ChaCha8Rng, words: &[String], bytes: usize) -> String {
    let mut out = String::new();
    let mut line = 0;
    while out.len() < bytes {
        let Some(word) = words.choose(rng) else { break };
        out.push_str(word);
        line += word.len() + 1;
        out.push_str(if line > 70 { "\r\n" } else { " " });
        line %= 71;
    }
    out
}

/// `n` messages, a third of which carry one of [`ATTACHMENTS`] documents.
pub(super) fn mail(root: &Path, dir: &Path, n: u64) -> anyhow::Result<()> {
    super::fresh(dir)?;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let words = words(root)?;
    let mut documents = Vec::new();
    for path in corpus(root)?.iter().cycle().take(ATTACHMENTS) {
        documents.push((
            path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            base64(&fs::read(path)?),
        ));
    }
    for k in 0..n {
        let (user, day) = (k % 200, k / 200 % 50);
        let folder =
            dir.join(format!("user{user:03}/2026-{:02}-{:02}", day / 28 + 1, day % 28 + 1));
        if k / 200 < 50 {
            fs::create_dir_all(&folder)?;
        }
        let mut out = format!(
            "Received: from mail{}.school.example by mx.school.example; {k}\r\nMessage-ID: \
             <{:016x}{k}@school.example>\r\nFrom: sender{}@school.example\r\nTo: \
             user{user}@school.example\r\nSubject: {}\r\nMIME-Version: 1.0\r\n",
            k % 7,
            rng.random::<u64>(),
            rng.random_range(0..200),
            text(&mut rng, &words, 30).replace("\r\n", " ")
        );
        let length = rng.random_range(300..4000);
        let body = text(&mut rng, &words, length);
        if k % 3 == 0 {
            let (name, content) = &documents[rng.random_range(0..documents.len())];
            let boundary = format!("=_{:016x}", rng.random::<u64>());
            out.push_str(&format!(
                "Content-Type: multipart/mixed; \
                 boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; \
                 charset=utf-8\r\n\r\n{body}\r\n--{boundary}\r\nContent-Type: \
                 application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: \
                 base64\r\nContent-Disposition: attachment; \
                 filename=\"{name}\"\r\n\r\n{content}\r\n--{boundary}--\r\n"
            ));
        } else {
            out.push_str(&format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{body}"));
        }
        fs::write(folder.join(format!("{k:07}.eml")), out)?;
    }
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    let flat = base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut out = String::with_capacity(flat.len() / 76 * 78 + 80);
    for line in flat.as_bytes().chunks(76) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push_str("\r\n");
    }
    out
}

/// The corpus' documents, each edited again and again, until there are `bytes`; answers how many
/// files that is.
pub(super) fn documents(root: &Path, dir: &Path, bytes: u64) -> anyhow::Result<u64> {
    super::fresh(dir)?;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let words = words(root)?;
    let mut current = Vec::new();
    for (k, path) in corpus(root)?.into_iter().enumerate() {
        let name = format!("{k:03}-{}", path.file_name().unwrap_or_default().to_string_lossy());
        fs::create_dir_all(dir.join(&name))?;
        current.push((name, extension(&path), fs::read(&path)?));
    }
    let (mut written, mut n, mut version) = (0, 0, 0);
    loop {
        for (name, ext, content) in &mut current {
            if written >= bytes {
                return Ok(n);
            }
            fs::write(dir.join(&*name).join(format!("v{version:04}.{ext}")), &*content)?;
            written += content.len() as u64;
            n += 1;
            *content = edited(&mut rng, &words, content)?;
        }
        version += 1;
    }
}

/// A document after some more work on it: in archives of the office kind one part is longer,
/// elsewhere bytes come and go.
fn edited(rng: &mut ChaCha8Rng, words: &[String], content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let length = rng.random_range(20..400);
    let more = text(rng, words, length);
    if content.starts_with(b"PK")
        && let Some(new) = edited_archive(rng, &more, content)
    {
        return Ok(new);
    }
    let mut new = content.to_vec();
    let at = rng.random_range(0..=new.len());
    new.splice(at..at, more.bytes());
    if new.len() > 1000 {
        let at = rng.random_range(0..new.len() - 100);
        rng.fill(&mut new[at..at + 64]);
    }
    Ok(new)
}

fn edited_archive(rng: &mut ChaCha8Rng, more: &str, content: &[u8]) -> Option<Vec<u8>> {
    let mut old = zip::ZipArchive::new(Cursor::new(content)).ok()?;
    let texts: Vec<usize> = (0..old.len())
        .filter(|n| old.by_index(*n).is_ok_and(|f| f.name().ends_with(".xml") && f.size() > 500))
        .collect();
    let chosen = *texts.choose(rng)?;
    let mut new = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for n in 0..old.len() {
        if n == chosen {
            let mut part = old.by_index(n).ok()?;
            let name = part.name().to_owned();
            let mut bytes = Vec::new();
            part.read_to_end(&mut bytes).ok()?;
            // Behind some tag, as a word processor would.
            let at =
                bytes.len() / 2 + bytes[bytes.len() / 2..].iter().position(|b| *b == b'>')? + 1;
            bytes.splice(at..at, more.bytes());
            new.start_file(
                name,
                zip::write::SimpleFileOptions::default()
                    .compression_method(zip::CompressionMethod::Deflated),
            )
            .ok()?;
            new.write_all(&bytes).ok()?;
        } else {
            new.raw_copy_file(old.by_index_raw(n).ok()?).ok()?;
        }
    }
    Some(new.finish().ok()?.into_inner())
}

/// `n` records of 400 bytes to 4 KiB, a hundred a folder, as a day of mail or chat has them.
pub(super) fn small(root: &Path, dir: &Path, n: u64) -> anyhow::Result<()> {
    super::fresh(dir)?;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let words = words(root)?;
    for k in 0..n {
        let folder = dir.join(format!("user{:03}/day{:02}", k / 10_000, k / 100 % 100));
        if k % 100 == 0 {
            fs::create_dir_all(&folder)?;
        }
        let length = rng.random_range(400..4096_usize);
        let mut out = format!(
            "{{\"id\":\"{:016x}\",\"from\":\"user{}\",\"body\":\"",
            rng.random::<u64>(),
            rng.random_range(0..900)
        );
        let rest = length.saturating_sub(out.len() + 2);
        out.push_str(&text(&mut rng, &words, rest));
        out.push_str("\"}");
        fs::write(folder.join(format!("{k:07}.json")), out)?;
    }
    Ok(())
}

/// Changes one file of a thousand; `list` gets their paths.
pub(super) fn change(dir: &Path, list: &Path) -> anyhow::Result<()> {
    let mut all = Vec::new();
    files(dir, &mut all)?;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED + 1);
    let mut paths = String::new();
    for _ in 0..(all.len() / 1000).max(1) {
        let path = all.swap_remove(rng.random_range(0..all.len()));
        let mut content = fs::read(&path)?;
        let at = rng.random_range(0..=content.len());
        content.splice(at..at, format!("changed {:016x}", rng.random::<u64>()).into_bytes());
        fs::write(&path, content)?;
        paths.push_str(&path.strip_prefix(dir)?.to_string_lossy());
        paths.push('\n');
    }
    Ok(fs::write(list, paths)?)
}
