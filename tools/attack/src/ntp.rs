//! A time server that says what it is told to.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Between the beginnings of NTP's time and of Unix'.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// The time, some seconds further.
    Time,
    /// That it knows no time (stratum 0, a kiss of death).
    KissOfDeath,
    /// A time, and that its clock is not set (leap indicator 3).
    NotSet,
    /// To another question than was asked.
    OtherQuestion,
    /// As a client (mode 3).
    AsClient,
    /// Half a packet.
    Short,
    /// Packets of 60 KB.
    Long,
    /// Noise.
    Noise,
    /// Nothing.
    Nothing,
}

/// The server, until it is dropped.
pub(crate) struct Ntp {
    pub(crate) address: SocketAddr,
    /// Seconds by which its time is further than ours.
    pub(crate) ahead_s: Arc<AtomicI64>,
    pub(crate) asked: Arc<AtomicUsize>,
    /// It answers; an outage otherwise.
    pub(crate) up: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Drop for Ntp {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

impl Ntp {
    pub(crate) fn start(says: Says) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let ntp = Self {
            address: socket.local_addr()?,
            ahead_s: Arc::new(AtomicI64::new(0)),
            asked: Arc::new(AtomicUsize::new(0)),
            up: Arc::new(AtomicBool::new(true)),
            over: Arc::new(AtomicBool::new(false)),
        };
        let (ahead, asked) = (ntp.ahead_s.clone(), ntp.asked.clone());
        let (up, over) = (ntp.up.clone(), ntp.over.clone());
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while !over.load(Ordering::SeqCst) {
                let Ok((n, from)) = socket.recv_from(&mut question) else { continue };
                asked.fetch_add(1, Ordering::SeqCst);
                if n >= 48 && up.load(Ordering::SeqCst) && says != Says::Nothing {
                    let answer = answer(says, &question, ahead.load(Ordering::SeqCst));
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(ntp)
    }
}

fn answer(says: Says, question: &[u8], ahead_s: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let second = now.as_secs().saturating_add_signed(ahead_s) + NTP_TO_UNIX_S;
    // The field has 32 bits: it begins anew in 2036.
    let mut stamp = ((second & 0xffff_ffff) as u32).to_be_bytes().to_vec();
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    stamp.extend_from_slice(&(fraction as u32).to_be_bytes());
    let mut out = vec![0; 48];
    out[0] = 0b00_100_100;
    out[1] = 2;
    out[2] = 6;
    out[3] = 0xec;
    out[12..16].copy_from_slice(b"LOCL");
    out[16..24].copy_from_slice(&stamp);
    out[24..32].copy_from_slice(&question[40..48]);
    out[32..40].copy_from_slice(&stamp);
    out[40..48].copy_from_slice(&stamp);
    match says {
        Says::KissOfDeath => {
            out[1] = 0;
            out[12..16].copy_from_slice(b"DENY");
        }
        Says::NotSet => out[0] = 0b11_100_100,
        Says::OtherQuestion => out[24..32].copy_from_slice(&[7; 8]),
        Says::AsClient => out[0] = 0b00_100_011,
        Says::Short => out.truncate(20),
        Says::Long => out = vec![0x24; 60_000],
        Says::Noise => out.iter_mut().enumerate().for_each(|(n, b)| *b = (n * 37) as u8),
        Says::Time | Says::Nothing => {}
    }
    out
}
