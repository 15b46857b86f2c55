//! What a name says.

/// Extensions that honest programs put behind the real one.
const HONEST_TAILS: &[&str] = &[
    "bak",
    "old",
    "tmp",
    "orig",
    "backup",
    "gpg",
    "asc",
    "sig",
    "part",
    "p7m",
    "p7s",
    "pgp",
    "age",
    "sha256",
    "sha1",
    "md5",
    "crdownload",
    "download",
    "partial",
    "zip",
    "7z",
    "gz",
    "xz",
    "bz2",
    "zst",
    "rar",
    "kdbx",
    "aes",
    "vhd",
    "torrent",
    "url",
    "lnk",
    "txt",
    "pdf",
    "json",
    "xmp",
    "der",
    "pem",
    "key",
    "crt",
    "cer",
    "csr",
    "p8",
    "p12",
    "pfx",
    "jks",
    "pub",
    "bin",
    "dat",
    "iv",
];
/// Extensions that ransomware is known to use (public lists of the last ten years, the frequent
/// ones).
const KNOWN_TAILS: &[&str] = &[
    "locked",
    "encrypted",
    "enc",
    "crypt",
    "crypted",
    "crypto",
    "locky",
    "zepto",
    "cerber",
    "cerber3",
    "wncry",
    "wcry",
    "wnry",
    "wannacry",
    "ryk",
    "ryuk",
    "conti",
    "lockbit",
    "abcd",
    "akira",
    "play",
    "blackcat",
    "alphv",
    "hive",
    "royal",
    "medusa",
    "makop",
    "phobos",
    "dharma",
    "djvu",
    "stop",
    "clop",
    "maze",
    "egregor",
    "sodinokibi",
    "revil",
    "babyk",
    "avos",
    "cuba",
    "rhysida",
    "blacksuit",
    "qilin",
    "8base",
    "faust",
];

pub(crate) fn split(name: &str) -> Option<(&str, String)> {
    name.rsplit_once('.').map(|(stem, tail)| (stem, tail.to_ascii_lowercase()))
}

pub(crate) fn is_known(tail: &str) -> bool {
    KNOWN_TAILS.contains(&tail)
}

/// What honest ciphertext is called.
pub(crate) fn is_cipher(tail: &str) -> bool {
    matches!(
        tail,
        "gpg"
            | "pgp"
            | "asc"
            | "age"
            | "p7m"
            | "p7s"
            | "p7c"
            | "aes"
            | "cpt"
            | "axx"
            | "c4gh"
            | "sops"
    )
}

/// Ciphertext, a copy, or a volume of an archive, as honest programs call it.
pub(crate) fn is_honest(tail: &str) -> bool {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    // .001, .z01, .r00, .c00: volumes.
    HONEST_TAILS.contains(&tail)
        || digits(tail)
        || tail.strip_prefix(['z', 'r', 'c', 'e']).is_some_and(|t| t.len() == 2 && digits(t))
}

/// A volume of an archive: only the first one begins as archives do.
pub(crate) fn is_volume(name: &str) -> bool {
    let Some((stem, tail)) = split(name) else { return false };
    let numbered = split(stem).is_some_and(|(_, t)| {
        t.strip_prefix("part")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    numbered && matches!(tail.as_str(), "rar" | "exe" | "zip")
}
