//! The same work for many things at once.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many are worked on at once: few enough for any limit on open files, many enough that a lab of usual size in which
/// no machine answers takes one time-out.
const AT_ONCE: usize = 16;

/// The results of `ask` for every one of `items`, in their order.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    at_once(AT_ONCE, items, ask)
}

/// The same for work that needs a processor of this machine for itself: no more of it at a time than there are processors.
pub fn by_processor<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    at_once(std::thread::available_parallelism().map_or(1, NonZero::get), items, ask)
}

fn at_once<T: Sync, R: Send>(limit: usize, items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(items.iter().map(|_| None).collect::<Vec<Option<R>>>());
    let work = || {
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            let result = ask(item);
            if let Ok(mut results) = results.lock() {
                results[at] = Some(result);
            }
        }
    };
    std::thread::scope(|scope| {
        // With fewer threads than wanted, or none, it only takes longer.
        for _ in 1..items.len().min(limit) {
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    results.into_inner().unwrap_or_default().into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn the_results_are_in_order() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(side_by_side(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(side_by_side(&[], |item: &u8| *item), [0; 0]);
    }

    #[test]
    fn all_are_asked_at_once_up_to_the_limit() {
        // Would never end if they came one after the other.
        let barrier = Barrier::new(AT_ONCE);
        let leaders = side_by_side(&[(); AT_ONCE], |()| barrier.wait().is_leader());
        assert_eq!(leaders.iter().filter(|leader| **leader).count(), 1);

        for limit in [1, 3, AT_ONCE] {
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            at_once(limit, &[(); 4 * AT_ONCE], |()| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(1));
                now.fetch_sub(1, Ordering::SeqCst);
            });
            assert!(most.into_inner() <= limit);
        }
    }
}
