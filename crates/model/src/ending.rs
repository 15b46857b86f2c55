/// How a command of either program ended. Its number is the exit code; `docs/exit-codes.md` says
/// what each means, and what a script does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ending {
    /// Done, and nothing is left to say.
    Done = 0,
    /// Failed, declined, or nothing was found.
    Failed = 1,
    /// The command line is wrong; nothing was done.
    Usage = 2,
    /// Done in part: what was left out is named.
    Partial = 3,
    /// An alarm stands, whatever else the command did.
    Alarm = 4,
    /// Nothing could be read.
    NothingRead = 5,
    /// Nothing was done: somebody else must approve it first.
    Waiting = 6,
    /// There is no repository, or no vault.
    NoRepository = 10,
    /// Another process works on it.
    Locked = 11,
    /// The password opens no key of the repository.
    WrongKey = 12,
    /// Interrupted from outside.
    Interrupted = 130,
}

use Ending::{
    Alarm, Done, Failed, Interrupted, Locked, NoRepository, NothingRead, Partial, Usage, Waiting,
    WrongKey,
};

impl Ending {
    /// All, by number.
    pub const ALL: [Ending; 11] = [
        Done,
        Failed,
        Usage,
        Partial,
        Alarm,
        NothingRead,
        Waiting,
        NoRepository,
        Locked,
        WrongKey,
        Interrupted,
    ];

    /// The exit code.
    pub fn code(self) -> i32 {
        i32::from(self as u8)
    }

    /// Its name, as `kind` in JSON.
    pub fn kind(self) -> &'static str {
        match self {
            Done => "done",
            Failed => "failed",
            Usage => "usage",
            Partial => "partial",
            Alarm => "alarm",
            NothingRead => "nothing-read",
            Waiting => "waiting",
            NoRepository => "no-repository",
            Locked => "locked",
            WrongKey => "wrong-key",
            Interrupted => "interrupted",
        }
    }

    /// What it means, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Done => "done",
            Failed => "failed, declined or nothing found",
            Usage => "wrong usage",
            Partial => "partial",
            Alarm => "an alarm stands",
            NothingRead => "nothing could be read",
            Waiting => "an approval is awaited",
            NoRepository => "no repository",
            Locked => "locked",
            WrongKey => "wrong key",
            Interrupted => "interrupted",
        }
    }

    /// The line of `--help`, for a program that ends in these ways.
    pub fn help(all: &[Ending]) -> String {
        let each: Vec<String> =
            all.iter().map(|e| format!("{} {}", e.code(), e.meaning())).collect();
        format!("Exit codes: {}. docs/exit-codes.md says more.", each.join(", "))
    }

    /// Of two that one run has: the one that a script must hear of. An alarm outranks what is
    /// missing.
    #[must_use]
    pub fn or_worse(self, other: Ending) -> Ending {
        let rank = |e: Ending| match e {
            Done => 0,
            Partial => 1,
            Alarm => 2,
            _ => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// Of a run over several schools, or of several steps: an alarm of one is an alarm; one that
    /// went wrong makes the run partial, unless all did.
    pub fn of_several(all: &[Ending]) -> Ending {
        let is_done = |e: &&Ending| matches!(e, Done | Partial | Alarm);
        match all.split_first() {
            None => Done,
            Some((first, rest)) if rest.iter().all(|e| e == first) => *first,
            _ if all.contains(&Alarm) => Alarm,
            _ if !all.iter().any(|e| is_done(&e)) => Failed,
            _ => Partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page is written by hand and held against the table.
    #[test]
    fn the_page_of_exit_codes_says_what_the_table_says() {
        let page = include_str!("../../../docs/exit-codes.md");
        let rows: Vec<(&str, &str)> = page
            .lines()
            .filter_map(|l| l.strip_prefix("| "))
            .filter(|l| l.starts_with(|c: char| c.is_ascii_digit()))
            .map(|l| {
                let mut cells = l.split(" | ");
                (cells.next().unwrap(), cells.next().unwrap().trim_matches('`'))
            })
            .collect();
        let table: Vec<(String, &str)> =
            Ending::ALL.iter().map(|e| (e.code().to_string(), e.kind())).collect();
        let table: Vec<(&str, &str)> = table.iter().map(|(c, k)| (c.as_str(), *k)).collect();
        assert_eq!(rows, table);
    }

    #[test]
    fn an_alarm_outranks_what_is_missing() {
        assert_eq!(Partial.or_worse(Alarm), Alarm);
        assert_eq!(Alarm.or_worse(Partial), Alarm);
        assert_eq!(Done.or_worse(Partial), Partial);
        assert_eq!(Alarm.or_worse(NothingRead), NothingRead);
    }

    #[test]
    fn one_that_fails_makes_a_run_partial_and_all_of_them_a_failure() {
        for (all, wanted) in [
            (&[][..], Done),
            (&[Done, Done], Done),
            (&[Done, Failed], Partial),
            (&[Locked, Done], Partial),
            (&[Locked, Locked], Locked),
            (&[Locked, NothingRead], Failed),
            (&[NothingRead, NothingRead], NothingRead),
            (&[NothingRead, Alarm, Done], Alarm),
        ] {
            assert_eq!(Ending::of_several(all), wanted, "{all:?}");
        }
    }
}
