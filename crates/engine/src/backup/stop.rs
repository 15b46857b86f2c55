use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use strongroom_repository::Id;
use tokio::sync::Notify;

/// Asks work to end soon, with what it has. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    is_set: AtomicBool,
    told: Notify,
}

impl Stop {
    /// Asks. There is no way back.
    pub fn stop(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        self.0.told.notify_waiters();
    }

    /// Whether somebody asked.
    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::SeqCst)
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        let told = self.0.told.notified();
        let mut told = std::pin::pin!(told);
        // Before it looks: who asks between looking and waiting is heard.
        told.as_mut().enable();
        if !self.is_set() {
            told.await;
        }
    }
}

/// What is kept of a backup that somebody ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// The partial snapshot from which the next backup goes on. Without one nothing of the run is
    /// kept.
    pub kept: Option<Id>,
    /// Items that are new, changed or deleted in the run.
    pub items: u64,
    /// Why what was read since that snapshot could not be kept.
    pub lost: Option<String>,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.lost, &self.kept) {
            (None, Some(id)) => {
                let (id, items) = (id.short(), super::count(self.items as usize, "item", "items"));
                write!(
                    f,
                    "interrupted; the partial snapshot {id} keeps what was read ({items} new, \
                     changed or gone in this run), and the next backup goes on from there"
                )
            }
            (None, None) => f.write_str(
                "interrupted before it read anything new; nothing of this run is kept, and the \
                 snapshots are as they were",
            ),
            (Some(why), kept) => {
                write!(f, "interrupted, and what was read could not be kept: {why}; ")?;
                match kept {
                    Some(id) => write!(f, "the next backup goes on from {}", id.short()),
                    None => f.write_str("nothing of this run is kept"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn who_asked_before_anybody_waited_is_heard() {
        let stop = Stop::default();
        let waits = tokio::spawn({
            let stop = stop.clone();
            async move { stop.asked().await }
        });
        tokio::task::yield_now().await;
        assert!(!stop.is_set() && !waits.is_finished());
        stop.stop();
        let soon = Duration::from_secs(10);
        tokio::time::timeout(soon, waits).await.unwrap().unwrap();
        tokio::time::timeout(soon, stop.asked()).await.unwrap();
    }
}
