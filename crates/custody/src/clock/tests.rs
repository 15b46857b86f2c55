use super::*;

const DAY_S: i64 = 86_400;
const START_S: i64 = 1_800_000_000;

/// A host whose clock a test turns; its mark is read from its stored form before each call.
struct Host {
    wall: i64,
    up: i64,
    boots: u32,
    stored: Vec<u8>,
}

impl Host {
    /// A vault of the first programs, which ran until now.
    fn new() -> Self {
        let mark = serde_json::json!({"seen": START_S, "uptime_s": 1_000, "boot": "0"});
        let stored = serde_json::to_vec(&mark).unwrap();
        Self { wall: START_S, up: 1_000, boots: 0, stored }
    }

    fn told(&self, agrees: bool) -> Told {
        let boot = Some((self.up, self.boots.to_string()));
        Told { second: self.wall, boot, latest: START_S, vouched: None, agrees }
    }

    fn mark(&self) -> Mark {
        Record::<Mark>::from_bytes(&self.stored).unwrap().value
    }

    fn ask(&mut self, told: &Told) -> Result<(), String> {
        let mut record = Record::<Mark>::from_bytes(&self.stored).unwrap();
        record.value = record.value.after(told)?;
        self.stored = record.to_bytes().unwrap();
        Ok(())
    }

    fn call(&mut self, agrees: bool) -> Result<(), String> {
        self.ask(&self.told(agrees))
    }

    fn pass(&mut self, seconds: i64) {
        (self.wall, self.up) = (self.wall + seconds, self.up + seconds);
    }

    /// It is off for so long, and up for a minute then.
    fn boot(&mut self, off: i64) {
        (self.wall, self.up, self.boots) = (self.wall + off + 60, 60, self.boots + 1);
    }
}

#[test]
fn steps_of_295_are_summed_over_calls_and_restarts() {
    for agrees in [false, true] {
        let mut host = Host::new();
        let mut steps = 0;
        while steps < 2_000 {
            host.pass(10);
            host.wall += 295;
            if let Err(why) = host.call(agrees) {
                assert!(why.contains("hours off"), "{why}");
                break;
            }
            steps += 1;
        }
        assert!((290..=296).contains(&steps), "{steps} steps went through");
        // Set right it goes on, and what was spent stays spent.
        host.wall -= 295;
        host.call(agrees).unwrap();
        host.pass(10);
        host.wall += 299;
        assert!(host.call(agrees).is_err());
        host.wall -= 299;
        host.boot(10);
        host.call(agrees).unwrap();
        host.pass(10);
        host.wall += 299;
        assert!(host.call(agrees).is_err(), "a restart gives nothing back");
    }
    // The other way as well: locks would be set too short.
    let mut host = Host::new();
    let steps = (0..2_000).take_while(|_| {
        host.pass(310);
        host.wall -= 295;
        host.call(false).is_ok()
    });
    assert!((290..=296).contains(&steps.count()));
}

/// How many hours it may be away before it is believed no more.
fn hours_borne(host: &mut Host) -> i64 {
    let mut steps = 0;
    while steps < 20_000 {
        host.pass(10);
        host.wall += 295;
        if host.call(true).is_err() {
            break;
        }
        steps += 1;
    }
    (steps * 295 + 1_800) / 3_600
}

#[test]
fn a_day_more_is_borne_for_each_year_in_which_another_clock_agreed() {
    let agreed = |days: &[i64]| {
        let mut host = Host::new();
        let mut day = 0;
        for next in days {
            host.pass((next - day) * DAY_S);
            day = *next;
            host.call(true).unwrap();
        }
        hours_borne(&mut host)
    };
    assert_eq!(agreed(&[0]), 24);
    assert_eq!(agreed(&[0, 100, 200, 360]), 24, "the year is not over");
    assert_eq!(agreed(&[0, 370]), 48);
    assert_eq!(agreed(&[0, 370, 380, 390, 720]), 48, "one year is one");
    assert_eq!(agreed(&[0, 370, 740]), 72);
    // Ten years between two answers are not ten years of answers.
    assert_eq!(agreed(&[0, 3_660]), 48);
    assert_eq!(agreed(&[0, 3_660, 7_320]), 72);
    let every: Vec<i64> = (0..=10).map(|year| year * 366).collect();
    assert_eq!(agreed(&every), 11 * 24);
    // A mark of a program that kept only the first and the last of them.
    let mut host = Host::new();
    let mut mark = serde_json::to_value(host.mark()).unwrap();
    mark["agreed"] = serde_json::json!({"from": START_S - 3_650 * DAY_S, "to": START_S});
    host.stored = serde_json::to_vec(&mark).unwrap();
    assert_eq!(hours_borne(&mut host), 24);
}

#[test]
fn sixteen_boots_are_no_year() {
    let mut host = Host::new();
    let mut steps = 0;
    for _ in 0..16 {
        host.boot(14 * DAY_S);
        steps += u32::from(host.call(false).is_ok());
    }
    assert_eq!(steps, 0, "no other clock says that two weeks passed");
    let mut host = Host::new();
    let boots = (0..100).take_while(|_| {
        host.boot(80 * 60);
        host.call(false).is_ok()
    });
    assert_eq!(boots.count(), 18, "a day in all");
    // Gone with the folder, it begins with nothing left.
    let mut host = Host::new();
    host.stored = b"{\"seen\": 0, \"uptime_s\": 0, \"boot\": \"\"}".to_vec();
    host.pass(20 * 3_600);
    assert!(host.call(false).is_err());
    host.call(true).unwrap();
}

/// Three years of a host that is as good as hosts are.
#[test]
fn honest_time_is_believed_whenever_another_clock_says_so() {
    let mut host = Host::new();
    for day in 1..=3 * 365_i64 {
        // Three weeks each year without NTP.
        let agrees = !(100..121).contains(&(day % 365));
        for _ in 0..12 {
            host.pass(7_200);
            host.call(agrees).unwrap();
        }
        host.wall += [4, -2, 3][day as usize % 3];
        host.call(agrees).unwrap();
        if day % 30 == 0 {
            host.boot(300);
            host.call(agrees).unwrap();
        }
        if day % 100 == 0 {
            // Switched off for the holidays, and no network when it starts.
            host.boot(10 * DAY_S);
            assert!(host.call(false).unwrap_err().contains("while this host was off"));
            host.pass(3_600);
            host.call(true).unwrap();
        }
    }
    let drift = host.mark().drift.unwrap();
    assert!(drift.spent_s + drift.most_s < 2 * 3_600, "{drift:?}");
    // With none but its own clock at all, and restarts.
    let mut host = Host::new();
    for day in 1..=365 {
        host.pass(DAY_S);
        host.wall += [3, -3][day % 2];
        host.call(false).unwrap();
        if day % 30 == 0 {
            host.boot(300);
            host.call(false).unwrap();
        }
    }
}

#[test]
fn custodians_vouch_for_the_time_they_signed() {
    // Its clock was a year ahead, and is right again; the log and the mark say otherwise.
    let ahead = || {
        let mut host = Host::new();
        host.boot(400 * DAY_S);
        host.call(true).unwrap();
        host.wall -= 400 * DAY_S;
        assert!(host.call(false).is_err());
        host
    };
    let signed_then = |host: &mut Host| {
        let mut record = Record::<Mark>::from_bytes(&host.stored).unwrap();
        record.value.asked = host.told(false).reading();
        host.stored = record.to_bytes().unwrap();
        host.wall
    };
    let told = |host: &Host, signed: i64| Told { vouched: Some(signed), ..host.told(false) };
    // Signed at T, and carried out with the clock at T and thirteen days.
    let mut host = ahead();
    let signed = signed_then(&mut host);
    host.pass(3_600);
    host.wall += 13 * DAY_S;
    assert!(host.ask(&told(&host, signed)).unwrap_err().contains("custodians signed"));
    host.wall -= 13 * DAY_S;
    host.ask(&told(&host, signed)).unwrap();
    assert!(host.mark().custodians_agree(&host.told(false)), "they are the second clock");
    host.pass(29 * DAY_S);
    host.call(false).unwrap();
    assert!(host.mark().custodians_agree(&host.told(false)));
    host.pass(2 * DAY_S);
    host.call(false).unwrap();
    assert!(!host.mark().custodians_agree(&host.told(false)), "for thirty days");
    // The same order gives no new beginning.
    host.pass(10);
    host.wall += 3_600;
    assert!(host.ask(&told(&host, signed)).is_err());
    // Where the host started anew in between, what passed is not known, and is borne or not.
    for (days, good) in [(13, false), (0, true)] {
        let mut host = ahead();
        let signed = signed_then(&mut host);
        host.boot(days * DAY_S);
        assert_eq!(host.ask(&told(&host, signed)).is_ok(), good, "{days}");
        assert!(!host.mark().custodians_agree(&host.told(false)));
    }
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_jump_in_either_direction_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now().as_second();
    let (up, id) = boot().unwrap();
    let ask = |seen: i64, uptime: i64, boot: &str, others: &[(String, Timestamp)], vouched| {
        let path = dir.path().join("clock");
        let mark = serde_json::json!({"seen": seen, "uptime_s": uptime, "boot": boot});
        std::fs::write(&path, mark.to_string()).unwrap();
        TrustedClock::open(&path, vec![]).unwrap().now(others, Timestamp::UNIX_EPOCH, vouched)
    };
    assert!(ask(now - 10, up - 10, &id, &[], None).is_ok());
    assert!(ask(now + 3600, up, "another boot", &[], None).is_err(), "it went back");
    assert!(ask(now - 86_400, up - 10, &id, &[], None).is_err(), "a day passed in ten seconds");
    assert!(
        ask(now - 86_400, up - 10, "another boot", &[], None).is_ok(),
        "a day switched off is a day"
    );
    let agrees = [("S3".to_owned(), Timestamp::now())];
    assert!(
        ask(now - 90 * 86_400, 5, "another boot", &[], None).is_err(),
        "90 days need a second clock"
    );
    assert!(ask(now - 90 * 86_400, 5, "another boot", &agrees, None).is_ok());
    assert!(
        ask(now - 90 * 86_400, 5, "another boot", &[], Some(Timestamp::now())).is_ok(),
        "or custodians"
    );
    let differs = [("S3".to_owned(), Timestamp::now() + jiff::SignedDuration::from_hours(1))];
    assert!(ask(now - 10, up - 10, &id, &differs, None).is_err());
    // What the log knows counts like the mark.
    let clock = TrustedClock::open(&dir.path().join("fresh"), vec![]).unwrap();
    assert!(clock.now(&[], Timestamp::now() + jiff::SignedDuration::from_hours(1), None).is_err());
    let lately = Timestamp::now() - jiff::SignedDuration::from_hours(24 * 90);
    assert!(clock.now(&[], lately, None).is_err(), "a mark that is gone is no beginning");
    assert!(clock.now(&agrees, lately, None).is_ok());
    let clock = TrustedClock::open(&dir.path().join("other"), vec![]).unwrap();
    assert!(clock.now(&[], Timestamp::UNIX_EPOCH, None).is_ok());
    assert!(dir.path().join("fresh").exists(), "the mark is kept");
}

/// A file that is there and says nothing is damaged: read as *none*, it would be a new beginning.
#[test]
#[allow(clippy::disallowed_methods)]
fn a_damaged_mark_is_an_error_and_no_new_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clock");
    let now = Timestamp::now();
    let vault = TrustedClock::open(&path, vec![]).unwrap();
    vault.now(&[], Timestamp::UNIX_EPOCH, None).unwrap();
    let good = std::fs::read(&path).unwrap();
    for bad in ["", " ", "\n", "\0", "{", "{}", "null", "[]", "\"\""] {
        std::fs::write(&path, bad).unwrap();
        assert!(TrustedClock::open(&path, vec![]).is_err(), "{bad:?}");
        // Nor by a program that runs already, whichever way it asks.
        assert!(vault.now(&[], Timestamp::UNIX_EPOCH, None).is_err(), "{bad:?}");
        assert!(vault.agreed(&[("S3".into(), now)], now, None).is_err(), "{bad:?}");
        assert!(vault.asked(now).is_err(), "{bad:?}");
        assert!(vault.may_vouch(now).is_err(), "{bad:?}");
        assert!(vault.last_agreed().is_err(), "{bad:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bad.as_bytes(), "it is not written over");
    }
    std::fs::write(&path, good).unwrap();
    vault.now(&[], Timestamp::UNIX_EPOCH, None).unwrap();
}

/// An NTP server of this host that is so many seconds ahead.
fn ntp(ahead: i64) -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut request = [0; 512];
        while let Ok((_, from)) = socket.recv_from(&mut request) {
            #[allow(clippy::disallowed_methods)]
            let second = Timestamp::now().as_second() + ahead + 2_208_988_800;
            let mut time = [0; 8];
            time[..4].copy_from_slice(&u32::try_from(second).unwrap().to_be_bytes());
            let mut answer = [0; 48];
            (answer[0], answer[1]) = (0x24, 1);
            answer[24..32].copy_from_slice(&request[40..48]);
            for at in [16, 32, 40] {
                answer[at..at + 8].copy_from_slice(&time);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

#[test]
fn a_server_that_disagrees_goes_on_disagreeing() {
    let dir = tempfile::tempdir().unwrap();
    let open = |ahead: i64| {
        TrustedClock::open(&dir.path().join(format!("clock{ahead}")), vec![ntp(ahead)]).unwrap()
    };
    let good = open(0);
    assert!(good.now(&[], Timestamp::UNIX_EPOCH, None).is_ok());
    assert_eq!(good.asked.lock().unwrap().unwrap().1, 1);
    let bad = open(7_200);
    for call in 1..=3 {
        let said = bad.now(&[], Timestamp::UNIX_EPOCH, None);
        assert!(said.is_err_and(|e| e.to_string().contains("NTP")), "call {call}");
    }
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_second_clock_agrees_in_this_call_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clock");
    let alone = TrustedClock::open(&path, vec![]).unwrap();
    let agreed = |clock: &TrustedClock, others: &[(String, Timestamp)]| {
        clock.agreed(others, Timestamp::UNIX_EPOCH, None)
    };
    let s3 = |ahead: i64| {
        let at = Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
        [("the S3 server".to_owned(), at)]
    };
    assert!(agreed(&alone, &s3(0)).unwrap().is_some());
    assert_eq!(agreed(&alone, &[]).unwrap(), None, "a moment later nobody says so");
    assert!(agreed(&alone, &s3(3_600)).is_err());
    let served = TrustedClock::open(&path, vec![ntp(0)]).unwrap();
    assert!(agreed(&served, &[]).unwrap().is_some());
    // A server that is gone is not taken at its word of a minute ago.
    let gone = TrustedClock::open(&path, vec!["127.0.0.1:9".into()]).unwrap();
    *gone.asked.lock().unwrap() = Some((std::time::Instant::now(), 1));
    assert_eq!(agreed(&gone, &[]).unwrap(), None);
    assert!(Agreed::of(Timestamp::now(), s3(301)[0].1).is_none());
    // Custodians, who signed what was asked on this host.
    let at = Timestamp::now();
    alone.asked(at).unwrap();
    alone.may_vouch(at).unwrap();
    assert!(alone.agreed(&[], at, Some(at)).unwrap().is_some());
    assert!(alone.agreed(&[], at, Some(at)).unwrap().is_some(), "and go on for a while");
    let later = at + jiff::SignedDuration::from_hours(1);
    alone.asked(later).unwrap();
    assert!(alone.may_vouch(later).is_err());
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"v\":2"));
}
