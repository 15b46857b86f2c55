//! Tables and figures for people.

use std::collections::HashMap;
pub(crate) use strongroom_model::shown_bytes as bytes;
use strongroom_model::shown_line;

/// Seconds as a person says them.
pub(crate) fn seconds(s: f64) -> String {
    match s {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A table with aligned columns; numbers go to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |n: usize| {
        rows.iter()
            .map(|r| shown_line(&r[n]).chars().count())
            .chain([head[n].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let numeric: Vec<bool> = (0..head.len())
        .map(|n| {
            !rows.is_empty()
                && rows.iter().all(|r| {
                    r[n].is_empty() || r[n].chars().next().is_some_and(|c| c.is_ascii_digit())
                })
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let mut out = String::new();
        for (n, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[n].saturating_sub(cell.chars().count()));
            let last = n + 1 == cells.len();
            match (numeric[n], last) {
                (true, _) => out.push_str(&format!("{pad}{cell}")),
                (false, true) => out.push_str(cell),
                (false, false) => out.push_str(&format!("{cell}{pad}")),
            }
            if !last {
                out.push_str("  ");
            }
        }
        out.trim_end().to_owned() + "\n"
    };
    let mut out = line(head.to_vec());
    // Each row is one line, whatever somebody called something.
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| shown_line(cell).into_owned()).collect())
        .collect();
    for row in &rows {
        out.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    out
}

/// So many lines of a kind are shown.
const ALIKE_MAX: usize = 3;

/// Lines, each with its kind, in the order in which the kinds come: of each kind the first few, and
/// how many more there are.
pub(crate) fn bundled(lines: impl IntoIterator<Item = (String, String)>) -> String {
    let mut kinds: Vec<(String, Vec<String>, usize)> = Vec::new();
    let mut places = HashMap::new();
    for (kind, line) in lines {
        let at = *places.entry(kind).or_insert_with_key(|kind| {
            kinds.push((kind.clone(), Vec::new(), 0));
            kinds.len() - 1
        });
        match kinds[at].1.len() {
            ALIKE_MAX => kinds[at].2 += 1,
            _ => kinds[at].1.push(line),
        }
    }
    let mut out = String::new();
    for (_, shown, more) in kinds {
        shown.iter().for_each(|line| out.push_str(&format!("{line}\n")));
        if more > 0 {
            out.push_str(&format!("  and {more} more like this; --json names each\n"));
        }
    }
    out
}

/// What is alike in sentences about many: without the address, name or id of each.
pub(crate) fn alike(cause: &str) -> String {
    let is_own = |word: &&str| word.contains(['/', '=', '@']) || word.len() > 24;
    cause.split_whitespace().filter(|word| !is_own(word)).collect::<Vec<_>>().join(" ")
}

/// Bad news, in one line: red, unless colours are unwanted or nobody looks.
pub(crate) fn alarm(text: &str) -> String {
    crate::face::red(&shown_line(text))
}

/// Asks whoever sits there. Where nobody does it is an error: silence is no consent.
pub(crate) fn confirm(question: &str) -> anyhow::Result<bool> {
    use std::io::{IsTerminal, Write};
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("nobody can be asked here; --yes goes on without asking");
    }
    print!("{question} [y/N] ");
    std::io::stdout().flush()?;
    // The question holds the thread that would hear of Ctrl-C, and who interrupts a question says
    // no: locks are let go as ever.
    let (say, answer) = std::sync::mpsc::channel();
    let interrupted = say.clone();
    let listener = tokio::runtime::Handle::try_current().ok().map(|runtime| {
        runtime.spawn(async move {
            crate::host::interrupted().await;
            let _ = interrupted.send(Ok("interrupted".to_owned()));
        })
    });
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = say.send(std::io::stdin().read_line(&mut line).map(|_| line));
    });
    let line = answer.recv()??;
    listener.inspect(|l| l.abort());
    Ok(["y", "yes"].contains(&line.trim().to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_counted_and_what_is_not_is_shown() {
        let lines = (0..500).map(|n| match n {
            250 => ("denied".to_owned(), "skipped x: denied".to_owned()),
            n => ("busy".to_owned(), format!("skipped {n}: busy")),
        });
        assert_eq!(
            bundled(lines),
            "skipped 0: busy\nskipped 1: busy\nskipped 2: busy\n  and 496 more like this; --json \
             names each\nskipped x: denied\n"
        );
        assert_eq!(bundled([]), "");
    }

    #[test]
    fn what_differs_in_an_address_alone_is_alike() {
        let of =
            |id: &str| alike(&format!("403 Forbidden: GET https://graph.example/{id}/content"));
        assert_eq!(of("a"), of("b"));
        assert_ne!(alike("403 Forbidden"), alike("503 Service Unavailable"));
    }
}
