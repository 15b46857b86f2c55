use jiff::Timestamp;

/// Hears how the work goes on. Called often: keep it cheap.
pub trait Progress: Send + Sync {
    /// A new piece of work began.
    fn phase(&self, _name: &str) {}
    /// So many items and bytes are done in addition.
    fn advance(&self, _items: u64, _bytes: u64) {}
    /// So many items and bytes are expected in all, as far as known.
    fn expect(&self, _items: u64, _bytes: u64) {}
    /// So many parts of the work are done, of so many: people and places of a backup.
    fn parts(&self, _done: u64, _all: u64) {}
    /// The service's throttle lets nothing more through before this moment, of what is named.
    fn waiting(&self, _until: Timestamp, _what: &str) {}
    /// Something a person should see at once.
    fn note(&self, _text: &str) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
