use crate::Error;
use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use strongroom_model::Series;

/// Below it an attacker only has to wait.
pub const LOCK_DAYS_MIN: u32 = 90;
/// Above it a mistake or an attacker's clock is paid for during years.
pub const LOCK_DAYS_MAX: u32 = 3_650;

/// How far each number of a policy may go. Below and above it stops protecting, or stops watching:
/// a policy that nobody read must not turn either off.
const MONTHS_MAX: u32 = 120;
const YEARS_MAX: u32 = 10;
const RENEW_AHEAD_DAYS_MAX: u32 = 366;
const SILENT_DAYS_MAX: u32 = 31;
const SNAPSHOTS_A_DAY_MAX: u32 = 1_000;
const GROWTH_PERCENT_MAX: u32 = 1_000;
const GROWTH_BYTES_MAX: u64 = 16 << 40;
const SHRINK_PERCENT_MIN: u32 = 10;

/// How long a vault keeps what. Changed by two custodians, never from copy 2's side; a change never
/// shortens what is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultPolicy {
    /// Days for which everything is locked from its arrival.
    pub lock_days: u32,
    /// Months for which the first snapshot of each month is locked.
    pub monthly_months: u32,
    /// Years for which the first snapshot of each year is locked; 0 for none.
    pub yearly_years: u32,
    /// Month in which the school's year begins, 1 to 12.
    pub year_starts_month: i8,
    /// When a lock is set or renewed, it gets so many days more than it needs, so that it is not
    /// renewed daily.
    pub renew_ahead_days: u32,
    /// Days without a new snapshot after which copy 2 counts as silent.
    pub silent_days: u32,
    /// More snapshots than this within a day are a flood.
    pub snapshots_a_day_max: u32,
    /// More bytes in one session than this share of all that is held are a flood, in percent.
    pub growth_percent_max: u32,
    /// Sessions up to here are no flood, whatever their share.
    pub growth_bytes_free: u64,
    /// A full manifest that names fewer packs than this share of the one before means that copy 2
    /// shrinks, in percent.
    pub shrink_percent_min: u32,
}

impl Default for VaultPolicy {
    fn default() -> Self {
        Self {
            lock_days: 180,
            monthly_months: 13,
            yearly_years: 0,
            year_starts_month: 9,
            renew_ahead_days: 31,
            silent_days: 3,
            snapshots_a_day_max: 48,
            growth_percent_max: 50,
            growth_bytes_free: 10 * 1024 * 1024 * 1024,
            shrink_percent_min: 50,
        }
    }
}

/// A snapshot, as far as retention cares.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The lineage that it is of.
    pub series: Series,
    /// Number of its manifest.
    pub number: u64,
    /// When the vault took it in, by the vault's clock.
    pub at: Timestamp,
    /// What the backup side says of it.
    pub clean: bool,
    /// Whether custodians hid it.
    pub hidden: bool,
}

impl VaultPolicy {
    /// Refuses what would not protect, and what would cost without end.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |text: String| Err(Error::Request(text.into()));
        if self.lock_days < LOCK_DAYS_MIN {
            return wrong(format!(
                "lock_days is {}; under {LOCK_DAYS_MIN} an attacker only has to wait",
                self.lock_days
            ));
        }
        let longest = self
            .lock_days
            .max(self.monthly_months.saturating_mul(31))
            .max(self.yearly_years.saturating_mul(366))
            .saturating_add(self.renew_ahead_days);
        if longest > LOCK_DAYS_MAX {
            return wrong(format!(
                "this policy locks for up to {longest} days, and {LOCK_DAYS_MAX} is the most: \
                 nobody can take a lock back"
            ));
        }
        if !(1..=12).contains(&self.year_starts_month)
            || self.renew_ahead_days == 0
            || self.silent_days == 0
            || self.snapshots_a_day_max == 0
        {
            return wrong(
                "year_starts_month goes from 1 to 12; renew_ahead_days, silent_days and \
                snapshots_a_day_max from 1"
                    .into(),
            );
        }
        let bounded = self.bounded();
        if bounded != *self {
            return wrong(format!(
                "this policy goes further than a vault does: monthly_months to {MONTHS_MAX}, \
                 yearly_years to {YEARS_MAX}, renew_ahead_days to {RENEW_AHEAD_DAYS_MAX}, \
                 silent_days to {SILENT_DAYS_MAX}, snapshots_a_day_max to {SNAPSHOTS_A_DAY_MAX}, \
                 growth_percent_max to {GROWTH_PERCENT_MAX}, growth_bytes_free to \
                 {GROWTH_BYTES_MAX}, shrink_percent_min from {SHRINK_PERCENT_MIN} to 100"
            ));
        }
        Ok(())
    }

    /// The same with each number where it may be: what a log says that was written when there were
    /// no bounds is carried out as far as it makes sense, and stops nobody's work.
    pub fn bounded(&self) -> Self {
        Self {
            lock_days: self.lock_days.clamp(LOCK_DAYS_MIN, LOCK_DAYS_MAX),
            monthly_months: self.monthly_months.min(MONTHS_MAX),
            yearly_years: self.yearly_years.min(YEARS_MAX),
            year_starts_month: self.year_starts_month.clamp(1, 12),
            renew_ahead_days: self.renew_ahead_days.clamp(1, RENEW_AHEAD_DAYS_MAX),
            silent_days: self.silent_days.clamp(1, SILENT_DAYS_MAX),
            snapshots_a_day_max: self.snapshots_a_day_max.clamp(1, SNAPSHOTS_A_DAY_MAX),
            growth_percent_max: self.growth_percent_max.min(GROWTH_PERCENT_MAX),
            growth_bytes_free: self.growth_bytes_free.min(GROWTH_BYTES_MAX),
            shrink_percent_min: self.shrink_percent_min.clamp(SHRINK_PERCENT_MIN, 100),
        }
    }

    /// Until when something is locked that arrives now and that no snapshot needs longer.
    pub fn least(&self, now: Timestamp) -> Timestamp {
        after_days(now, self.lock_days)
    }

    /// A lock with the days on top that spare renewals.
    pub fn with_surplus(&self, need: Timestamp) -> Timestamp {
        after_days(need, self.renew_ahead_days)
    }

    /// Until when each snapshot is kept. Time decides, never number: a flood of snapshots shortens
    /// nothing, and one series takes no place of another's. The first of a month (or year) counts,
    /// and the first that is called clean, so that an attacker's early one does not take a good
    /// one's place.
    ///
    /// Time alone would empty a vault whose copy 2 is gone: of each series the newest snapshot, the
    /// newest that is called clean, and the newest of these that custodians did not hide, are
    /// needed for `lock_days` from now, whenever that is asked.
    pub fn needs(&self, snapshots: &[Arrived], now: Timestamp) -> Vec<(u64, Timestamp)> {
        let mut sorted: Vec<Arrived> = snapshots.to_vec();
        sorted.sort_by_key(|s| (s.at, s.number));
        let mut seen = std::collections::BTreeSet::new();
        let mut out = Vec::new();
        let mut floor = std::collections::BTreeMap::new();
        for s in &sorted {
            // Names that this program does not know are one series together: whoever makes a name
            // a day would else have all of them kept for ever.
            let known = Series::KNOWN.iter().find(|known| **known == s.series);
            let series = known.unwrap_or(&Series::UNKNOWN);
            floor.insert((series, "newest"), s.number);
            if s.clean {
                floor.insert((series, "clean"), s.number);
            }
            if s.clean && !s.hidden {
                floor.insert((series, "seen"), s.number);
            }
        }
        let floor: std::collections::BTreeSet<u64> = floor.into_values().collect();
        for s in sorted {
            let day = TimeZone::UTC.to_datetime(s.at).date();
            let mut until = self.least(s.at);
            for (class, period, span) in [
                (
                    'm',
                    (day.year(), day.month()),
                    Span::new().try_months(i64::from(self.monthly_months)),
                ),
                (
                    'y',
                    (self.school_year(day), 0),
                    Span::new().try_years(i64::from(self.yearly_years)),
                ),
            ] {
                let first = seen.insert((s.series.clone(), class, period, false));
                let first_clean = s.clean && seen.insert((s.series.clone(), class, period, true));
                if first || first_clean {
                    // Longer than there is time: for ever.
                    until = until.max(span.map_or(Timestamp::MAX, |span| after(s.at, span)));
                }
            }
            if floor.contains(&s.number) {
                until = until.max(self.least(now));
            }
            out.push((s.number, until));
        }
        out
    }

    fn school_year(&self, day: Date) -> i16 {
        if day.month() >= self.year_starts_month { day.year() } else { day.year() - 1 }
    }
}

fn after_days(t: Timestamp, days: u32) -> Timestamp {
    t.checked_add(jiff::SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}

fn after(t: Timestamp, span: Span) -> Timestamp {
    t.to_zoned(TimeZone::UTC).checked_add(span).map_or(Timestamp::MAX, |z| z.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("{text}T06:00:00Z").parse().unwrap()
    }

    #[test]
    fn each_snapshot_is_kept_by_time_and_a_flood_shortens_nothing() {
        let policy = VaultPolicy { yearly_years: 5, ..VaultPolicy::default() };
        let mut all: Vec<Arrived> = ["2026-08-31", "2026-09-01", "2026-09-02", "2026-10-01"]
            .iter()
            .zip(1..)
            .map(|(d, number)| Arrived {
                series: Series::DATA,
                number,
                at: at(d),
                clean: true,
                hidden: false,
            })
            .collect();
        let days = |all: &[Arrived], n: u64| {
            let until =
                policy.needs(all, at("2026-10-01")).into_iter().find(|(m, _)| *m == n).unwrap().1;
            let from = all.iter().find(|a| a.number == n).unwrap().at;
            (until.as_second() - from.as_second()) / 86_400
        };
        // The first of the old school year, the first of the new one, an ordinary day, the first of
        // a month.
        assert_eq!(
            (days(&all, 1), days(&all, 2), days(&all, 3), days(&all, 4)),
            (1826, 1826, 180, 396)
        );
        let before: Vec<i64> = (1..=4).map(|n| days(&all, n)).collect();
        // Garbage that comes earlier in the month does not take the clean one's place.
        for n in 0..1000 {
            all.push(Arrived {
                series: Series::DATA,
                number: 100 + n,
                at: at("2026-10-01") - jiff::SignedDuration::from_secs(3600),
                clean: false,
                hidden: false,
            });
        }
        assert_eq!(before, (1..=4).map(|n| days(&all, n)).collect::<Vec<_>>());
    }

    #[test]
    fn the_newest_and_the_newest_clean_of_each_series_are_needed_at_any_time() {
        let policy = VaultPolicy { monthly_months: 0, ..VaultPolicy::default() };
        let row = |number, day: &str, series: &Series, clean, hidden| Arrived {
            series: series.clone(),
            number,
            at: at(day),
            clean,
            hidden,
        };
        let (data, settings) = (Series::DATA, Series::SETTINGS);
        let all = [
            row(1, "2026-01-01", &data, true, false),
            row(2, "2026-01-02", &data, true, false),
            row(3, "2026-01-03", &data, true, true),
            row(4, "2026-01-04", &data, false, false),
            row(5, "2026-01-01", &settings, false, false),
            row(6, "2026-01-02", &settings, false, false),
            row(7, "2026-01-05", &data, false, false),
        ];
        let kept = |now: &str| {
            let now = at(now);
            let needs = policy.needs(&all, now).into_iter();
            let mut kept: Vec<u64> = needs.filter(|(_, u)| *u > now).map(|(n, _)| n).collect();
            kept.sort_unstable();
            kept
        };
        assert_eq!(kept("2026-06-01"), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(kept("2036-06-01"), [2, 3, 6, 7]);
    }

    #[test]
    fn what_does_not_protect_or_never_ends_is_refused() {
        assert!(VaultPolicy::default().check().is_ok());
        for bad in [
            VaultPolicy { lock_days: 89, ..VaultPolicy::default() },
            VaultPolicy { lock_days: 4_000, ..VaultPolicy::default() },
            VaultPolicy { yearly_years: 40, ..VaultPolicy::default() },
            VaultPolicy { year_starts_month: 13, ..VaultPolicy::default() },
            VaultPolicy { renew_ahead_days: 0, ..VaultPolicy::default() },
            VaultPolicy { monthly_months: 138_547_333, ..VaultPolicy::default() },
            VaultPolicy { silent_days: 3_650, ..VaultPolicy::default() },
            VaultPolicy { snapshots_a_day_max: u32::MAX, ..VaultPolicy::default() },
            VaultPolicy { growth_percent_max: u32::MAX, ..VaultPolicy::default() },
            VaultPolicy { growth_bytes_free: u64::MAX, ..VaultPolicy::default() },
            VaultPolicy { shrink_percent_min: 0, ..VaultPolicy::default() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_number_of_a_policy_wraps_or_panics(
            a: u32, b: u32, c: u32, d: i8, e: u32, f: u32, g: u32, h: u32, k: u64, l: u32,
        ) {
            let policy = VaultPolicy {
                lock_days: a,
                monthly_months: b,
                yearly_years: c,
                year_starts_month: d,
                renew_ahead_days: e,
                silent_days: f,
                snapshots_a_day_max: g,
                growth_percent_max: h,
                growth_bytes_free: k,
                shrink_percent_min: l,
            };
            let one = |p: &VaultPolicy| {
                let s = Arrived {
                    series: Series::DATA,
                    number: 1,
                    at: at("2026-10-01"),
                    clean: true,
                    hidden: false,
                };
                p.with_surplus(p.needs(&[s], at("2026-10-01"))[0].1)
            };
            one(&policy);
            let bounded = policy.bounded();
            proptest::prop_assert_eq!(&bounded, &bounded.bounded());
            let most = at("2026-10-01")
                + jiff::SignedDuration::from_hours(24 * i64::from(LOCK_DAYS_MAX + 400));
            proptest::prop_assert!(one(&bounded) <= most);
            if policy.check().is_ok() {
                proptest::prop_assert_eq!(policy, bounded);
            }
        }
    }
}
