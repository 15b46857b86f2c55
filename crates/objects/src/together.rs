use crate::Store;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Calls that are under way at the same time to a store that is a way off.
const AT_ONCE: usize = 16;

/// Does the same with each of many things: one after another where the store is at hand, some at a
/// time where it is a way off. Answers in the order of `items`.
pub fn each<T: Sync, R: Send>(
    store: &dyn Store,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = AT_ONCE.min(items.len());
    if !store.is_distant() || threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(n) else { return };
                    let answer = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((n, answer));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, answer)| answer).collect()
}

/// Two calls, at the same time where the store is a way off.
pub fn both<A, B: Send>(
    store: &dyn Store,
    one: impl FnOnce() -> A,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    if !store.is_distant() {
        return (one(), other());
    }
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        match other.join() {
            Ok(other) => (one, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
