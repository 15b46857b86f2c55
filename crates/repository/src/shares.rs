//! The master key in pieces on paper: some of several people together open the repository when
//! every password is lost.
//!
//! A share is 76 bytes: version, shares needed, shares made, eight bytes of the repository's id,
//! and a point of Shamir's polynomials over the key's 64 bytes; four random bytes tell sets apart.
//! On paper it is eight numbered lines of Crockford's base 32 with a check of two characters each,
//! so that a slip of the pen is found in its line. One share alone, or any number below those
//! needed, says nothing of the key.

use crate::{Error, Id, MasterKey, crypto::random};
use blahaj::{Share, Sharks};
use data_encoding::{Encoding, Specification};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use std::borrow::Borrow;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const BYTES: usize = 80;
const LINE_BYTES: usize = 10;
/// What a QR code starts with.
const COMPACT: &str = "STRONGROOM1:";

/// Why two shares open nothing together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// They are of two repositories.
    Repository,
    /// They are of one repository, and were made at two times.
    Set,
}

/// One share of a recovery key.
pub struct RecoveryShare {
    bytes: SecretBox<[u8; BYTES]>,
}

impl std::fmt::Debug for RecoveryShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecoveryShare({} of {})", self.number(), self.made())
    }
}

fn alphabet() -> Result<Encoding, Error> {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    // What people read into handwriting.
    spec.translate.from.push_str("abcdefghjkmnpqrstvwxyzOoIiLl");
    spec.translate.to.push_str("ABCDEFGHJKMNPQRSTVWXYZ001111");
    spec.encoding().map_err(|e| Error::Share(e.to_string().into()))
}

/// Ten bits over a line and its number, as two characters.
fn line_check(number: usize, bytes: &[u8], alphabet: &Encoding) -> String {
    let hash = Sha256::new().chain_update([number as u8]).chain_update(bytes).finalize();
    alphabet.encode(&hash[..5]).chars().take(2).collect()
}

/// Whether so many shares can be made.
pub fn shares_fit(needed: u8, made: u8) -> Result<(), Error> {
    if needed < 2 || made < needed || made > 16 {
        return Err(Error::Share(format!(
            "{needed} of {made} recovery shares make no sense: at least 2 are needed, and 16 can \
             be made"
        ).into()));
    }
    Ok(())
}

/// Splits the master key into `made` shares, of which `needed` open the repository.
pub fn split_key(
    key: &MasterKey,
    repository: &Id,
    needed: u8,
    made: u8,
) -> Result<Vec<RecoveryShare>, Error> {
    shares_fit(needed, made)?;
    let mut set = [0; 4];
    random(&mut set)?;
    let secret = key.to_bytes();
    Ok(Sharks(needed)
        .dealer(secret.expose_secret())
        .take(usize::from(made))
        .map(|point| {
            let mut bytes = Box::new([0; BYTES]);
            bytes[..3].copy_from_slice(&[VERSION, needed, made]);
            bytes[3..11].copy_from_slice(&repository.0[..8]);
            bytes[11..15].copy_from_slice(&set);
            bytes[15..].copy_from_slice(&Zeroizing::new(Vec::from(&point)));
            RecoveryShare { bytes: SecretBox::new(bytes) }
        })
        .collect())
}

/// Puts shares together. They must be of one set; of the same share given twice one counts.
pub fn join_shares<S: Borrow<RecoveryShare>>(shares: &[S]) -> Result<MasterKey, Error> {
    let Some(first) = shares.first().map(Borrow::borrow) else {
        return Err(Error::Share("no share was given".into()));
    };
    let needed = first.needed();
    let mut points: Vec<(u8, Share)> = Vec::new();
    for share in shares.iter().map(Borrow::borrow) {
        if let Some(misfit) = share.misfit(first) {
            return Err(Error::Share(share.does_not_fit(first, misfit).into()));
        }
        if !points.iter().any(|(n, _)| *n == share.number()) {
            let point = Share::try_from(&share.bytes.expose_secret()[15..])
                .map_err(|e| Error::Share(e.to_owned().into()))?;
            points.push((share.number(), point));
        }
    }
    if points.len() < usize::from(needed) {
        return Err(Error::Share(
            format!("{needed} different shares are needed, {} were given", points.len()).into(),
        ));
    }
    let secret = Sharks(needed)
        .recover(points.iter().map(|(_, p)| p))
        .map_err(|e| Error::Share(e.to_owned().into()))?;
    let secret = Zeroizing::new(secret);
    let bytes = <&[u8; 64]>::try_from(secret.as_slice())
        .map_err(|_| Error::Share("the shares hold no key".into()))?;
    Ok(MasterKey::from_bytes(bytes))
}

impl RecoveryShare {
    /// Its number, from 1.
    pub fn number(&self) -> u8 {
        self.bytes.expose_secret()[15]
    }

    /// How many are needed.
    pub fn needed(&self) -> u8 {
        self.bytes.expose_secret()[1]
    }

    /// How many were made.
    pub fn made(&self) -> u8 {
        self.bytes.expose_secret()[2]
    }

    /// The first sixteen digits of the repository's id.
    pub fn repository(&self) -> String {
        hex::encode(&self.bytes.expose_secret()[3..11])
    }

    /// What those that were made together bear, and no others: eight digits.
    pub fn set(&self) -> String {
        hex::encode(&self.bytes.expose_secret()[11..15])
    }

    /// Why it opens nothing with another one; nothing where they were made together.
    pub fn misfit(&self, other: &Self) -> Option<Misfit> {
        let (a, b) = (self.bytes.expose_secret(), other.bytes.expose_secret());
        match () {
            () if a[3..11] != b[3..11] => Some(Misfit::Repository),
            () if a[..15] != b[..15] => Some(Misfit::Set),
            () => None,
        }
    }

    fn does_not_fit(&self, other: &Self, misfit: Misfit) -> String {
        let (a, b) = (other.number(), self.number());
        match misfit {
            Misfit::Repository => format!(
                "shares {a} and {b} are of two repositories, {:.8} and {:.8}",
                other.repository(),
                self.repository()
            ),
            Misfit::Set => format!(
                "shares {a} and {b} are of two sets, {} and {}, of the repository {:.8}: each set \
                 opens it, and a share of one does not help one of the other",
                other.set(),
                self.set(),
                self.repository()
            ),
        }
    }

    /// For paper: eight lines, each with its number and its check.
    pub fn to_text(&self) -> Result<SecretString, Error> {
        let alphabet = alphabet()?;
        let mut out = String::new();
        for (n, line) in self.bytes.expose_secret().chunks(LINE_BYTES).enumerate() {
            let text = alphabet.encode(line);
            let groups: Vec<&str> = (0..4).map(|g| &text[g * 4..g * 4 + 4]).collect();
            out.push_str(&format!(
                "{}  {}  {}\n",
                n + 1,
                groups.join(" "),
                line_check(n + 1, line, &alphabet)
            ));
        }
        Ok(out.into())
    }

    /// For a QR code: one word.
    pub fn to_compact(&self) -> Result<SecretString, Error> {
        let text = self.to_text()?;
        let joined: String = text
            .expose_secret()
            .lines()
            .flat_map(|l| l.chars().skip(1))
            .filter(|c| !c.is_whitespace())
            .collect();
        Ok(format!("{COMPACT}{joined}").into())
    }

    /// Reads what [`RecoveryShare::to_text`] or [`RecoveryShare::to_compact`] wrote, among other
    /// lines, in any case, with spaces where people put them.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let alphabet = alphabet()?;
        let mut lines: [Option<Vec<u8>>; BYTES / LINE_BYTES] = Default::default();
        let chars = LINE_BYTES * 8 / 5 + 2;
        let mut take = |number: usize, text: &str| -> Result<(), Error> {
            let bad = || {
                Error::Share(format!(
                    "line {number} of the share has a mistake in it; compare it with the paper, \
                     character by character"
                ).into())
            };
            let (body, check) = text.split_at(chars - 2);
            let bytes = alphabet.decode(body.as_bytes()).map_err(|_| bad())?;
            let normal = |t: &str| t.to_uppercase().replace('O', "0").replace(['I', 'L'], "1");
            if line_check(number, &bytes, &alphabet) != normal(check) {
                return Err(bad());
            }
            match lines[number - 1].replace(bytes) {
                Some(before) if Some(&before) != lines[number - 1].as_ref() => {
                    Err(Error::Share("two different shares are in it; a file holds one".into()))
                }
                _ => Ok(()),
            }
        };
        for line in text.lines() {
            let line = line.trim();
            if let Some(all) = line
                .strip_prefix(COMPACT)
                .filter(|a| a.len() == chars * BYTES / LINE_BYTES && a.is_ascii())
            {
                for n in 0..BYTES / LINE_BYTES {
                    take(n + 1, &all[n * chars..(n + 1) * chars])?;
                }
                continue;
            }
            let Some((number, rest)) = line.split_once(char::is_whitespace) else { continue };
            let Some(number) =
                number.parse::<usize>().ok().filter(|n| (1..=BYTES / LINE_BYTES).contains(n))
            else {
                continue;
            };
            let rest: String = rest.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
            if rest.is_ascii() && rest.len() == chars {
                take(number, &rest)?;
            } else if rest.is_ascii() && rest.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err(Error::Share(
                    format!(
                        "line {number} of the share has {} characters, {chars} are needed",
                        rest.len()
                    )
                    .into(),
                ));
            }
        }
        if lines.iter().all(Option::is_none) {
            let what = "no share is in it: neither eight numbered lines nor what a code says";
            return Err(Error::Share(what.into()));
        }
        let mut bytes = Box::new([0; BYTES]);
        for (n, line) in lines.iter().enumerate() {
            let line = line.as_ref().ok_or_else(|| {
                Error::Share(format!("line {} of the share is missing", n + 1).into())
            })?;
            bytes[n * LINE_BYTES..(n + 1) * LINE_BYTES].copy_from_slice(line);
        }
        // Each line is as it was written: it is not damaged.
        if bytes[0] != VERSION {
            return Err(Error::Share(
                format!("it is a share of version {}; this program reads {VERSION}", bytes[0])
                    .into(),
            ));
        }
        if bytes[15] == 0 || bytes[1] < 2 {
            return Err(Error::Share("this is no recovery share that this program knows".into()));
        }
        Ok(Self { bytes: SecretBox::new(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(needed: u8, made: u8) -> (MasterKey, Vec<String>) {
        let key = MasterKey::generate().unwrap();
        let shares = split_key(&key, &Id::of(b"repository"), needed, made).unwrap();
        (key, shares.iter().map(|s| s.to_text().unwrap().expose_secret().to_owned()).collect())
    }

    fn opens(key: &MasterKey, texts: &[&String]) -> bool {
        let shares: Vec<RecoveryShare> =
            texts.iter().map(|t| RecoveryShare::parse(t).unwrap()).collect();
        let sealed = key.encrypt(b"school").unwrap();
        join_shares(&shares).is_ok_and(|k| k.decrypt(&sealed).as_deref() == Some(b"school"))
    }

    #[test]
    fn any_two_of_three_open_and_one_does_not() {
        let (key, texts) = parts(2, 3);
        for (a, b) in [(0, 1), (0, 2), (1, 2), (2, 0)] {
            assert!(opens(&key, &[&texts[a], &texts[b]]));
        }
        assert!(opens(&key, &[&texts[0], &texts[1], &texts[2], &texts[1]]));
        assert!(!opens(&key, &[&texts[0]]));
        assert!(!opens(&key, &[&texts[0], &texts[0]]), "the same one twice is one");
        let (_, others) = parts(2, 3);
        assert!(!opens(&key, &[&texts[0], &others[1]]), "of another set");
    }

    #[test]
    fn a_slip_of_the_pen_is_found_in_its_line() {
        let (_, texts) = parts(3, 5);
        let good = &texts[0];
        let mut found = 0;
        let mut tried = 0;
        for (at, c) in good.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()) {
            let line = good[..at].matches('\n').count() + 1;
            if good[..at].rfind('\n').map_or(at == 0, |n| n + 1 == at) {
                continue; // the line's own number
            }
            let other = if c == 'X' { 'Y' } else { 'X' };
            let mut bad = good.clone();
            bad.replace_range(at..at + 1, &other.to_string());
            tried += 1;
            if let Err(e) = RecoveryShare::parse(&bad) {
                found += u32::from(e.to_string().contains(&format!("line {line} ")));
            }
        }
        // Ten bits of check let one in a thousand pass.
        assert!(found + 2 >= tried, "{found} of {tried}");
        let cut: String = good.lines().take(7).collect::<Vec<_>>().join("\n");
        assert!(RecoveryShare::parse(&cut).unwrap_err().to_string().contains("line 8"));
    }

    #[test]
    fn what_people_do_to_text_does_no_harm() {
        let (key, texts) = parts(2, 2);
        let a = format!(
            "Recovery share\n<pre>\n{}</pre>\n",
            texts[0].to_lowercase().replace("  ", " ")
        );
        let b = texts[1].replace('0', "O").replace('1', "l");
        // The number at the front of a line stays a number.
        let b: String =
            b.lines().enumerate().map(|(n, l)| format!("{}{}\n", n + 1, &l[1..])).collect();
        assert!(opens(&key, &[&a, &b]));
        let compact = RecoveryShare::parse(&texts[0])
            .unwrap()
            .to_compact()
            .unwrap()
            .expose_secret()
            .to_owned();
        assert!(opens(&key, &[&compact, &texts[1]]));
    }

    #[test]
    fn a_damaged_share_a_foreign_one_and_one_of_another_set_are_told_apart() {
        let key = MasterKey::generate().unwrap();
        let made = |name: &[u8]| split_key(&key, &Id::of(name), 2, 3).unwrap();
        let (ours, later, theirs) = (made(b"a"), made(b"a"), made(b"b"));
        let say = |a: &RecoveryShare, b: &RecoveryShare| {
            let again = |s: &RecoveryShare| {
                RecoveryShare::parse(s.to_text().unwrap().expose_secret()).unwrap()
            };
            join_shares(&[again(a), again(b)]).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(ours[0].misfit(&ours[1]), None);
        assert_eq!(ours[0].misfit(&later[1]), Some(Misfit::Set));
        assert_eq!(ours[0].misfit(&theirs[1]), Some(Misfit::Repository));
        let of_sets = say(&ours[0], &later[1]);
        assert!(of_sets.contains(&ours[0].set()) && of_sets.contains(&later[1].set()));
        let foreign = say(&ours[0], &theirs[1]);
        assert!(foreign.contains("of two repositories"), "{foreign}");
        assert!(foreign.contains(&theirs[1].repository()[..8]), "{foreign}");

        let refused = |text: &str| RecoveryShare::parse(text).map(|_| ()).unwrap_err().to_string();
        let text = |s: &RecoveryShare| s.to_text().unwrap().expose_secret().to_owned();
        let mut newer = Box::new(*ours[0].bytes.expose_secret());
        newer[0] = 2;
        let newer = RecoveryShare { bytes: SecretBox::new(newer) };
        assert!(refused(&text(&newer)).contains("version 2"), "{}", refused(&text(&newer)));
        assert!(refused("the school's sheet").contains("no share is in it"));
        let both = text(&ours[0]) + &text(&ours[1]);
        assert!(refused(&both).contains("two different shares"), "{}", refused(&both));
        let twice = text(&ours[0]) + ours[0].to_compact().unwrap().expose_secret();
        assert!(RecoveryShare::parse(&twice).is_ok());
    }

    #[test]
    fn nonsense_numbers_are_refused() {
        let key = MasterKey::generate().unwrap();
        for (needed, made) in [(1, 3), (0, 0), (4, 3), (2, 17)] {
            assert!(split_key(&key, &Id::of(b"r"), needed, made).is_err());
        }
    }
}
