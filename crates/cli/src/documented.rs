//! Every command line of README, CONTRIBUTING and `docs/` is one that the program takes: what
//! people copy out of a page, or a service manager starts, must not be refused. The vault's program
//! has this file as well.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use clap::error::ErrorKind;
use std::path::Path;

/// What stands for a value, in capitals, may stand for a number or a day.
const VALUES: [&str; 2] = ["7", "2027-07-31"];

/// One command line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// File and line.
    place: String,
    /// Its words, the program first.
    words: Vec<String>,
    /// Only begun: within a sentence, or with `…` for the rest.
    is_begun: bool,
}

/// The words of a shell's line, as far as pages use them; `None` where a command ends.
fn words(text: &str) -> Vec<Option<String>> {
    let (mut out, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut all = text.chars().peekable();
    while let Some(c) = all.next() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            // A process' output in the place of a file.
            ('<', None) if all.peek() == Some(&'(') => {
                let inner: String = all.by_ref().skip(1).take_while(|c| *c != ')').collect();
                word.get_or_insert_default().push_str(&inner);
            }
            ('#', None) if word.is_none() => break,
            ('&' | '|' | ';' | '>', None) => {
                out.extend(word.take().map(Some));
                out.push(None);
            }
            (c, None) if c.is_whitespace() => out.extend(word.take().map(Some)),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word.map(Some));
    out
}

/// The commands of this program in a line.
fn commands(program: &str, text: &str) -> Vec<Vec<String>> {
    let all = words(text);
    let parts = all.split(Option::is_none).map(|part| part.iter().flatten().cloned().collect());
    parts
        .filter_map(|part: Vec<String>| {
            let at = part.iter().position(|w| w == program)?;
            // What stands before it runs it: `sudo`, or a setting of the environment.
            let runs = part[..at].iter().all(|w| w == "sudo" || w == "$" || w.contains('='));
            (runs && part.len() > at + 1).then(|| part[at..].to_vec())
        })
        .collect()
}

/// The command lines of a page: of its blocks, and of what stands in backticks within a sentence.
pub(crate) fn lines(program: &str, file: &str, page: &str) -> Vec<Line> {
    let mut out = Vec::new();
    let mut add = |n: usize, text: &str, is_inline: bool| {
        for mut words in commands(program, text) {
            let begun = words.len();
            words.retain(|w| w != "…");
            let is_begun = is_inline || words.len() < begun;
            out.push(Line { place: format!("{file}:{}", n + 1), words, is_begun });
        }
    };
    let mut rows = page.lines().enumerate();
    while let Some((n, line)) = rows.next() {
        for span in line.split('`').skip(1).step_by(2) {
            add(n, span, true);
        }
        // A sentence; a block's line may quote something in its comment.
        if line.contains('`') && !line.trim().starts_with(program) {
            continue;
        }
        let mut text = line.trim().to_owned();
        while let Some(begin) = text.strip_suffix('\\') {
            let next = rows.next().map_or("", |(_, next)| next.trim());
            text = format!("{begin}{next}");
        }
        add(n, &text, false);
    }
    out
}

/// What a unit of systemd starts of this program, also where that is a choice behind a `#`.
pub(crate) fn started(program: &str, file: &str, unit: &str) -> Vec<Line> {
    let mut out = Vec::new();
    let mut rows = unit.lines().enumerate();
    while let Some((n, line)) = rows.next() {
        let line = line.trim_start_matches(['#', ' ']);
        let keys = ["ExecStart=", "ExecStartPre=", "ExecStartPost=", "ExecStop=", "ExecCondition="];
        let Some(line) = keys.iter().find_map(|key| line.strip_prefix(key)) else { continue };
        let mut text = line.trim_start_matches(['-', '@', ':', '+', '!']).to_owned();
        while let Some(begin) = text.strip_suffix('\\') {
            let next = rows.next().map_or("", |(_, next)| next.trim());
            text = format!("{begin}{next}");
        }
        // What systemd knows stands for a folder or a name.
        let text = ["%d", "%i", "%n", "%S"].iter().fold(text, |t, of| t.replace(of, "/run/x"));
        let mut words: Vec<String> = words(&text).into_iter().flatten().collect();
        if words.first().is_some_and(|w| Path::new(w).file_name().is_some_and(|f| f == program)) {
            words[0] = program.to_owned();
            out.push(Line { place: format!("{file}:{}", n + 1), words, is_begun: false });
        }
    }
    out
}

/// What is wrong with a line; nothing when the program takes it.
fn wrong(line: &Line, parse: &dyn Fn(&[String]) -> Result<(), clap::Error>) -> Option<String> {
    let is_fine = |e: &clap::Error| match e.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => line.is_begun,
        _ => false,
    };
    let refused = |words: &[String]| parse(words).err().filter(|e| !is_fine(e));
    let told = refused(&line.words)?.to_string();
    let stands_for = |w: &str| w.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    for value in VALUES {
        let of = |w: &String| if stands_for(w) { value.to_owned() } else { w.clone() };
        refused(&line.words.iter().map(of).collect::<Vec<_>>())?;
    }
    let said = told.lines().next().unwrap_or_default();
    Some(format!("{}: {}: {said}", line.place, line.words.join(" ")))
}

/// All pages, each with its name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|e| format!("docs/{}", e.unwrap().file_name().to_str().unwrap()));
    let mut names: Vec<String> = docs.filter(|n| n.ends_with(".md")).collect();
    names.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned));
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let text = std::fs::read_to_string(root.join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

/// What all units start of a program.
fn units(program: &str) -> Vec<Line> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/systemd");
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let of = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        started(program, &name, &std::fs::read_to_string(&path).unwrap())
    };
    files.flat_map(of).collect()
}

/// Holds every page and every unit against a program's own parser. There are at least so many
/// lines: pages that are not found hold nothing.
pub(crate) fn hold(
    program: &str,
    lines_min: usize,
    parse: &dyn Fn(&[String]) -> Result<(), clap::Error>,
) {
    let mut all: Vec<Line> =
        pages().iter().flat_map(|(name, text)| lines(program, name, text)).collect();
    let units = units(program);
    assert!(!units.is_empty(), "no unit starts {program}");
    all.extend(units);
    assert!(all.len() >= lines_min, "{} lines", all.len());
    let whole = all.iter().filter(|l| !l.is_begun).count();
    assert!(whole * 3 >= lines_min, "{whole} whole lines");
    let wrong: Vec<String> = all.iter().filter_map(|line| wrong(line, parse)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn command_lines_are_found_in_blocks_and_in_sentences() {
    let page = "Text about strongroom.\n\n    strongroom a \"b c\" \\\n        --d   # e\n    sudo \
                strongroom f > g && strongroom h | less\n\nSee `strongroom i j` and `k`; \
                `strongroom` alone is none.\n| x | `strongroom l … m` |\n    echo strongroom \
                n\n    strongroom o --p <(pass q r) s\n";
    let said: Vec<(String, bool)> = lines("strongroom", "x.md", page)
        .into_iter()
        .map(|l| (format!("{} {}", l.place, l.words[1..].join("|")), l.is_begun))
        .collect();
    let expected = [
        ("x.md:3 a|b c|--d", false),
        ("x.md:5 f", false),
        ("x.md:5 h", false),
        ("x.md:7 i|j", true),
        ("x.md:8 l|m", true),
        ("x.md:10 o|--p|pass q r|s", false),
    ];
    assert_eq!(said, expected.map(|(text, begun)| (text.to_owned(), begun)));
}

#[test]
fn what_a_unit_starts_is_found() {
    let unit = [
        "[Service]",
        "ExecStart=/usr/bin/logger p a",
        "ExecStart=-/usr/local/bin/p --c %d/x \\",
        "  b",
        "#ExecStart=/usr/local/bin/p \"c d\"",
        "Description=p e",
    ];
    let unit = unit.join("\n");
    let said: Vec<(String, String)> = started("p", "x.service", &unit)
        .into_iter()
        .map(|l| (l.place, l.words.join("|")))
        .collect();
    let expected = [("x.service:3", "p|--c|/run/x/x|b"), ("x.service:5", "p|c d")];
    assert_eq!(said, expected.map(|(place, words)| (place.to_owned(), words.to_owned())));
}

#[test]
fn what_a_program_does_not_take_is_told() {
    let parse = |words: &[String]| {
        let number = clap::Arg::new("n").long("number").value_parser(clap::value_parser!(u8));
        let file = clap::Arg::new("file").required(true);
        let command =
            clap::Command::new("p").subcommand(clap::Command::new("do").args([number, file]));
        command.subcommand_required(true).try_get_matches_from(words).map(|_| ())
    };
    let told = |text: &str| {
        let found = lines("p", "x.md", text);
        assert_eq!(found.len(), 1, "{text}");
        wrong(&found[0], &parse).is_some()
    };
    for good in ["p do a", "p do --number N a", "p do --number 3 FILE", "see `p do`", "p do … "] {
        assert!(!told(good), "{good}");
    }
    for bad in
        ["p do", "p do a b", "p done a", "p do --numbers 3 a", "p do --number x a", "`p dou`"]
    {
        assert!(told(bad), "{bad}");
    }
}
