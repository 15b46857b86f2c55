use crate::{Custodian, Error, PublicKey, SigningKey, VaultPolicy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const PURPOSE: &str = "order";
/// The version of orders that this program carries out.
pub(crate) const ORDER_VERSION: u32 = 1;
/// An order that nobody carried out in this time is void.
pub const ORDER_DAYS_MAX: i64 = 14;

/// What custodians can decide. None of it shortens a lock or deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum OrderAction {
    /// Another policy, for what comes.
    Policy {
        /// The new one, whole.
        policy: VaultPolicy,
    },
    /// Objects or whole sessions that readers shall not see.
    Hide {
        /// Paths, for instance `index/ab…`.
        paths: Vec<String>,
        /// Sessions.
        sessions: Vec<u64>,
    },
    /// The reverse.
    Show {
        /// Paths.
        paths: Vec<String>,
        /// Sessions.
        sessions: Vec<u64>,
    },
    /// Expiry goes on: what froze it was looked at.
    Thaw,
    /// A key file of the repository, by name, that may come in after enrolment.
    AdmitKey {
        /// Its name.
        key: String,
    },
    /// Other custodians.
    Custodians {
        /// All of them.
        custodians: Vec<Custodian>,
        /// How many of them a change takes.
        quorum: usize,
    },
    /// Settings of the place as they are now are as they should be.
    AcceptFacts {
        /// The settings.
        facts: strongroom_objects::StoreSettings,
    },
    /// Alarms that stand are known, and borne for a while.
    Acknowledge {
        /// Which, as they are now.
        alarms: Vec<crate::AcknowledgedHostAlarm>,
        /// Until when.
        until: Timestamp,
    },
    /// The vault's clock was off for a known reason, and is right now.
    ClockIsRight,
}

/// What a decision says, to whom, and when; this is what custodians sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Format version.
    pub v: u32,
    /// The repository that it is for.
    pub repository: String,
    /// The vault that it is for.
    pub vault: PublicKey,
    /// The holding that it is for, by the hash of its enrolment: a vault may hold a repository in
    /// two places. Absent in orders of older programs, which are not carried out any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holding: Option<String>,
    /// How many orders were carried out before; so none is carried out twice.
    pub after: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// What.
    pub decision: OrderAction,
}

/// What every order says, besides what it decides.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OrderHead {
    pub(crate) v: u32,
    pub(crate) repository: String,
    pub(crate) vault: PublicKey,
    pub(crate) after: u64,
    pub(crate) at: Timestamp,
    pub(crate) decision: serde_json::Value,
}

impl OrderHead {
    /// What its decision calls itself.
    pub(crate) fn kind(&self) -> &str {
        self.decision["do"].as_str().unwrap_or("nothing with a name")
    }
}

/// An order and who signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedOrder {
    /// The order as JSON: these very bytes are signed.
    pub text: String,
    /// Who signed, and the signature.
    pub signatures: Vec<(PublicKey, String)>,
}

impl SignedOrder {
    /// An order that nobody signed yet.
    pub fn new(order: &Order) -> Result<Self, Error> {
        Ok(Self {
            text: serde_json::to_string(order).map_err(|e| Error::Request(e.to_string().into()))?,
            signatures: Vec::new(),
        })
    }

    /// What it says.
    pub fn order(&self) -> Result<Order, Error> {
        serde_json::from_str(&self.text)
            .map_err(|e| Error::Signature { what: "the order".into(), why: e.to_string().into() })
    }

    /// What it says, where it says nothing besides and says it in the one form that is written: so
    /// who signs was shown all of it.
    ///
    /// # Errors
    /// It has another form, or cannot be understood.
    pub fn whole(&self) -> Result<Order, Error> {
        let order = self.order()?;
        match serde_json::to_string(&order).is_ok_and(|text| text == self.text) {
            true => Ok(order),
            false => Err(Error::Signature {
                what: "the order".into(),
                why: "it says more, or says it otherwise, than is shown; write it anew".into(),
            }),
        }
    }

    /// What it says of itself, whatever it decides: for reading a log that a newer program wrote.
    pub(crate) fn head(&self) -> Result<OrderHead, Error> {
        serde_json::from_str(&self.text)
            .map_err(|e| Error::Signature { what: "the order".into(), why: e.to_string().into() })
    }

    /// Adds a signature.
    pub fn sign(&mut self, key: &SigningKey) {
        let who = key.public();
        self.signatures.retain(|(k, _)| *k != who);
        self.signatures.push((who, key.sign(PURPOSE, self.text.as_bytes())));
    }

    /// The custodians whose signature is right, each once.
    pub fn signers<'c>(&self, custodians: &'c [Custodian]) -> Vec<&'c Custodian> {
        let good: BTreeSet<PublicKey> = self
            .signatures
            .iter()
            .filter(|(k, s)| k.verifies(PURPOSE, self.text.as_bytes(), s))
            .map(|(k, _)| *k)
            .collect();
        let mut seen = BTreeSet::new();
        custodians.iter().filter(|c| good.contains(&c.key) && seen.insert(c.key)).collect()
    }
}

/// Custodians as they may be: two different keys at least, and a quorum of at least two that can be
/// reached.
pub fn check_custodians(custodians: &[Custodian], quorum: usize) -> Result<(), Error> {
    let keys: BTreeSet<PublicKey> = custodians.iter().map(|c| c.key).collect();
    let names: BTreeSet<&str> = custodians.iter().map(|c| c.name.as_str()).collect();
    if keys.len() < custodians.len() || names.len() < custodians.len() {
        return Err(Error::Request("two custodians have the same name or the same key".into()));
    }
    if quorum < 2 || quorum > custodians.len() {
        return Err(Error::Request(format!(
            "{quorum} of {} custodians makes no sense: at least two decide, and all of them must \
             exist",
            custodians.len()
        ).into()));
    }
    Ok(())
}
