//! A public key as people say it to each other on the telephone: 25 words of the English list of
//! BIP-39, which no two words share the first four letters in.
//!
//! A word stands for eleven bits. The first 256 bits are the key, all of it; the 19 behind them are
//! the first of a SHA-256 over it, so that of half a million slips of the tongue one goes unheard.

use aws_lc_rs::digest::{SHA256, digest};
use bip39::Language;
use strongroom_model::Untrusted;

/// Words of a key.
pub(crate) const WORDS: usize = 25;
/// They are shown in rows of so many.
pub(crate) const ROW: usize = 5;

const BITS: usize = 11;
/// The key, and three bytes of which the first [`CHECK_BITS`] count.
const BYTES: usize = 32 + 3;
const CHECK_BITS: usize = WORDS * BITS - 256;

/// The bytes behind the key.
fn check(key: &[u8; 32]) -> [u8; 3] {
    let mut all = b"strongroom public key in words v1\n".to_vec();
    all.extend_from_slice(key);
    let hash = digest(&SHA256, &all);
    let unused = 24 - CHECK_BITS;
    let mut check = [0; 3];
    check.copy_from_slice(&hash.as_ref()[..3]);
    check[2] &= 0xff << unused;
    check
}

/// The words of a key.
pub(crate) fn words(key: &[u8; 32]) -> [&'static str; WORDS] {
    let mut bytes = [0; BYTES];
    bytes[..32].copy_from_slice(key);
    bytes[32..].copy_from_slice(&check(key));
    let bit = |n: usize| usize::from(bytes[n / 8] >> (7 - n % 8) & 1);
    let list = Language::English.word_list();
    std::array::from_fn(|word| {
        list[(word * BITS..(word + 1) * BITS).fold(0, |number, n| number << 1 | bit(n))]
    })
}

/// The key of these numbers of words, where the check fits.
fn key(numbers: &[u16; WORDS]) -> Option<[u8; 32]> {
    let mut bytes = [0; BYTES];
    for n in 0..WORDS * BITS {
        let bit = numbers[n / BITS] >> (BITS - 1 - n % BITS) & 1;
        bytes[n / 8] |= (bit as u8) << (7 - n % 8);
    }
    let mut key = [0; 32];
    key.copy_from_slice(&bytes[..32]);
    (bytes[32..] == check(&key)).then_some(key)
}

/// Whether a person gave words, and not digits: digits have none between them.
pub(crate) fn is_words(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit();
    text.split_whitespace().nth(1).is_some() && !text.contains(is_digit)
}

/// The key that words say, in any case, with blanks, line ends and commas where people put them;
/// or what is wrong with them.
pub(crate) fn read(text: &str) -> Result<[u8; 32], String> {
    let said: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    for (n, word) in said.iter().enumerate() {
        if Language::English.find_word(word).is_none() {
            let shown = Untrusted::from(word);
            let meant = nearest(word).map(|w| format!(" (is it {w:?}?)")).unwrap_or_default();
            return Err(format!("its word {}, {:.30}, is not in the list{meant}", n + 1, {
                shown.quoted()
            }));
        }
    }
    let numbers: Vec<u16> =
        said.iter().filter_map(|word| Language::English.find_word(word)).collect();
    let Ok(numbers) = <[u16; WORDS]>::try_from(numbers) else {
        return Err(format!("it has {} words, and a key has {WORDS}", said.len()));
    };
    key(&numbers).ok_or_else(|| match changed_places(&numbers) {
        Some((a, b)) => format!(
            "its words {} and {} seem to have changed places: the check does not fit",
            a + 1,
            b + 1
        ),
        None => "each of its words is in the list, and together they are no key: at least one is \
                 another than was said, or they stand in another order"
            .to_owned(),
    })
}

/// The word of the list that begins alike.
fn nearest(word: &str) -> Option<&'static str> {
    let start = word.get(..4)?;
    Language::English.words_by_prefix_iter(start).next()
}

/// Two places with which the check would fit.
fn changed_places(numbers: &[u16; WORDS]) -> Option<(usize, usize)> {
    let pairs = (0..WORDS).flat_map(|a| (a + 1..WORDS).map(move |b| (a, b)));
    pairs.into_iter().find(|&(a, b)| {
        let mut other = *numbers;
        other.swap(a, b);
        key(&other).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PublicKey;

    /// Of RFC 8032.
    const DIGITS: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn said() -> Vec<String> {
        let key = PublicKey::parse(DIGITS).unwrap();
        key.in_words().split(' ').map(str::to_owned).collect()
    }

    fn refused(words: &[String]) -> String {
        PublicKey::parse(&words.join(" ")).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_key_in_words_is_that_key() {
        let words = said();
        assert_eq!(words.len(), WORDS);
        for text in [
            words.join(" "),
            words.join(" ").to_uppercase(),
            format!("  {}\n", words.join("\n   ")),
            words.join(", "),
            PublicKey::parse(DIGITS).unwrap().rows_of_words().join("\n"),
        ] {
            assert_eq!(PublicKey::parse(&text).unwrap().to_string(), DIGITS, "{text}");
        }
        let mut bytes = [0; 32];
        for n in 0..=255 {
            bytes[usize::from(n) / 8] = n;
            let spelt = words_of(&bytes);
            assert_eq!(read(&spelt), Ok(bytes), "{spelt}");
        }
        // A document says it in one way alone.
        assert!(serde_json::from_value::<PublicKey>(words.join(" ").into()).is_err());
    }

    fn words_of(bytes: &[u8; 32]) -> String {
        super::words(bytes).join(" ")
    }

    #[test]
    fn each_bit_of_a_key_is_in_its_words() {
        let zero = words_of(&[0; 32]);
        let mut seen = std::collections::BTreeSet::from([zero]);
        for n in 0..256 {
            let mut bytes = [0; 32];
            bytes[n / 8] = 1 << (n % 8);
            assert!(seen.insert(words_of(&bytes)), "bit {n}");
        }
    }

    #[test]
    fn one_word_that_is_another_is_told_wherever_it_stands() {
        let words = said();
        let list = Language::English.word_list();
        let number = |word: &String| Language::English.find_word(word).unwrap();
        let numbers: Vec<u16> = words.iter().map(number).collect();
        let numbers = <[u16; WORDS]>::try_from(numbers).unwrap();
        assert!(key(&numbers).is_some());
        for n in 0..WORDS {
            for word in (0..2048).filter(|word| *word != numbers[n]) {
                let mut other = numbers;
                other[n] = word;
                assert!(key(&other).is_none(), "{} for word {}", list[usize::from(word)], n + 1);
            }
        }
        let mut other = words.clone();
        other[3] = list[7].to_owned();
        assert!(refused(&other).contains("at least one is another"), "{}", refused(&other));
    }

    #[test]
    fn each_slip_has_a_sentence_of_its_own() {
        let words = said();
        for (a, b) in [(0, 1), (3, 4), (2, 20)] {
            let mut other = words.clone();
            other.swap(a, b);
            let want = format!("words {} and {} seem to have changed places", a + 1, b + 1);
            assert!(refused(&other).contains(&want), "{}", refused(&other));
        }
        let without = refused(&words[1..]);
        assert!(without.contains("it has 24 words, and a key has 25"), "{without}");
        let more = refused(&[words.clone(), vec!["zoo".to_owned()]].concat());
        assert!(more.contains("it has 26 words"), "{more}");
        let mut other = words.clone();
        other[6] = format!("{}x", &other[6]);
        let unknown = refused(&other);
        assert!(unknown.contains("its word 7, "), "{unknown}");
        assert!(unknown.contains(&format!("(is it {:?}?)", words[6])), "{unknown}");
        other[6] = "\u{1b}[2Jx".repeat(50);
        let hostile = refused(&other);
        assert!(!hostile.contains('\u{1b}') && hostile.len() < 200, "{hostile}");
        // What is neither words nor digits is told as digits are.
        for text in [DIGITS[..62].to_owned(), format!("{DIGITS} {DIGITS}"), String::new()] {
            let told = PublicKey::parse(&text).map(|_| ()).unwrap_err().to_string();
            assert!(told.contains("64 hexadecimal digits"), "{told}");
        }
    }
}
