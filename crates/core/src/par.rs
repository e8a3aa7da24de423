//! The pool of threads. Work is cut into parts that do not depend on the number of threads, so neither do results.

use crate::error::{CoreError, Result, codes};

/// Most threads one may ask for.
pub const MAX_THREADS: u32 = 256;

#[cfg(any(not(target_arch = "wasm32"), feature = "threads"))]
mod imp {
    use super::{CoreError, MAX_THREADS, Result, codes};
    use std::sync::{Arc, RwLock};
    #[cfg(not(target_arch = "wasm32"))]
    use std::{
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        time::{Duration, Instant},
    };

    static POOL: RwLock<Option<Arc<rayon::ThreadPool>>> = RwLock::new(None);

    /// Sets the number of threads; 1 means that no pool is used at all.
    pub fn set_threads(n: u32) -> Result<u32> {
        if n == 0 || n > MAX_THREADS {
            return Err(CoreError::new(codes::RANGE, "number of threads out of range")
                .expected(format!("1 to {MAX_THREADS}"), n));
        }
        let pool = (n > 1).then(|| build(n)).transpose()?;
        *POOL.write().unwrap_or_else(std::sync::PoisonError::into_inner) = pool;
        Ok(n)
    }

    fn build(n: u32) -> Result<Arc<rayon::ThreadPool>> {
        let builder = rayon::ThreadPoolBuilder::new()
            .num_threads(n as usize)
            .thread_name(|i| format!("tritlens-{i}"));
        #[cfg(target_arch = "wasm32")]
        let builder = builder.spawn_handler(super::workers::wait_for_a_worker);
        builder
            .build()
            .map(Arc::new)
            .map_err(|e| CoreError::new(codes::MEMORY, format!("cannot start {n} threads: {e}")))
    }

    fn pool() -> Option<Arc<rayon::ThreadPool>> {
        POOL.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Threads in use.
    pub fn threads() -> u32 {
        pool().map_or(1, |p| p.current_num_threads() as u32)
    }

    /// Calls `f` on a thread of the pool, when there is one: what it then calls in parallel starts at once, while from outside every such call has to wake
    /// a thread and wait for it.
    pub fn run<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        match pool() {
            None => f(),
            Some(pool) => pool.install(f),
        }
    }

    /// Calls both, in parallel when there is a pool.
    pub fn join(f: impl FnOnce() + Send, g: impl FnOnce() + Send) {
        match pool() {
            None => {
                f();
                g();
            }
            Some(pool) => {
                pool.join(f, g);
            }
        }
    }

    /// Calls `f` on every item: the first on the calling thread, which does not wait for one of the pool to wake up. For work of microseconds, called again
    /// and again: threads of the pool stay awake for a while after it, and the end is waited for without sleeping.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn spread<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync) {
        let Some(pool) = pool() else { return items.into_iter().for_each(f) };
        let open = AtomicUsize::new(items.len().saturating_sub(1));
        let (f, open) = (&f, &open);
        pool.in_place_scope(|scope| {
            let mut items = items.into_iter();
            let own = items.next();
            items.for_each(|item| {
                scope.spawn(move |_| {
                    f(item);
                    open.fetch_sub(1, Ordering::Release);
                });
            });
            if let Some(own) = own {
                f(own);
            }
            // The scope would put this thread to sleep, and waking it takes longer than the other parts do.
            let began = Instant::now();
            while open.load(Ordering::Acquire) > 0 && began.elapsed() < AWAKE {
                std::hint::spin_loop();
            }
        });
        keep_awake(&pool);
    }

    /// Calls `f` on every item. (WebAssembly's threads have no clock to stay awake by.)
    #[cfg(target_arch = "wasm32")]
    pub fn spread<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync) {
        let Some(pool) = pool() else { return items.into_iter().for_each(f) };
        let f = &f;
        pool.in_place_scope(|scope| {
            items.into_iter().for_each(|item| scope.spawn(move |_| f(item)));
        });
    }

    /// How long threads of the pool look for work before they sleep. Waking one takes some ten microseconds, as long as a product does.
    #[cfg(not(target_arch = "wasm32"))]
    const AWAKE: Duration = Duration::from_micros(200);

    /// Whether threads are being kept awake, and calls of `spread` so far.
    #[cfg(not(target_arch = "wasm32"))]
    static WATCHED: AtomicBool = AtomicBool::new(false);
    #[cfg(not(target_arch = "wasm32"))]
    static CALLS: AtomicUsize = AtomicUsize::new(0);

    /// Has every thread of the pool look for work until nothing came for [`AWAKE`].
    #[cfg(not(target_arch = "wasm32"))]
    fn keep_awake(pool: &rayon::ThreadPool) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        if WATCHED.swap(true, Ordering::Relaxed) {
            return;
        }
        pool.spawn_broadcast(|_| {
            let (mut seen, mut since) = (CALLS.load(Ordering::Relaxed), Instant::now());
            while since.elapsed() < AWAKE {
                rayon::yield_now();
                let calls = CALLS.load(Ordering::Relaxed);
                if calls != seen {
                    (seen, since) = (calls, Instant::now());
                }
            }
            WATCHED.store(false, Ordering::Relaxed);
        });
    }
}

#[cfg(all(target_arch = "wasm32", not(feature = "threads")))]
mod imp {
    use super::{CoreError, MAX_THREADS, Result, codes};

    /// WebAssembly without shared memory runs on one thread, whatever is asked for.
    pub fn set_threads(n: u32) -> Result<u32> {
        if n == 0 || n > MAX_THREADS {
            return Err(CoreError::new(codes::RANGE, "number of threads out of range")
                .expected(format!("1 to {MAX_THREADS}"), n));
        }
        Ok(1)
    }

    /// Threads in use.
    pub fn threads() -> u32 {
        1
    }

    /// Calls `f`.
    pub fn run<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        f()
    }

    /// Calls one, then the other.
    pub fn join(f: impl FnOnce() + Send, g: impl FnOnce() + Send) {
        f();
        g();
    }

    /// Calls `f` on every item, in order.
    pub fn spread<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync) {
        items.into_iter().for_each(f);
    }
}

/// Threads of WebAssembly are workers that JavaScript starts: each has its own instance over the same memory and offers itself to a pool that was built.
#[cfg(all(target_arch = "wasm32", feature = "threads"))]
mod workers {
    use std::collections::VecDeque;
    use std::io;
    use std::sync::{Mutex, PoisonError};

    static WAITING: Mutex<VecDeque<rayon::ThreadBuilder>> = Mutex::new(VecDeque::new());

    /// Takes note of a thread that a pool wants.
    pub(super) fn wait_for_a_worker(thread: rayon::ThreadBuilder) -> io::Result<()> {
        WAITING.lock().unwrap_or_else(PoisonError::into_inner).push_back(thread);
        Ok(())
    }

    /// Runs as one of the threads that are waited for, until its pool is given up; false when none is.
    pub fn run_thread() -> bool {
        let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        waiting.map(rayon::ThreadBuilder::run).is_some()
    }
}

pub use imp::{join, run, set_threads, spread, threads};
#[cfg(all(target_arch = "wasm32", feature = "threads"))]
pub use workers::run_thread;

/// Whether there never is a second thread: loops over the same parts take less code than halving does.
const ALONE: bool = cfg!(all(target_arch = "wasm32", not(feature = "threads")));

/// Calls `f` on every item and its index, in parallel when there is a pool. Like everything here it halves what there is to do until one part is
/// left: where parts lie does not depend on the number of threads, and nothing is allocated.
pub fn for_each<T: Send>(items: &mut [T], f: impl Fn(usize, &mut T) + Sync) {
    each(0, items, &f);
}

fn each<T: Send>(at: usize, items: &mut [T], f: &(impl Fn(usize, &mut T) + Sync)) {
    if ALONE {
        return items.iter_mut().enumerate().for_each(|(i, item)| f(at + i, item));
    }
    match items {
        [] => {}
        [item] => f(at, item),
        _ => {
            let middle = items.len() / 2;
            let (low, high) = items.split_at_mut(middle);
            join(|| each(at, low, f), || each(at + middle, high, f));
        }
    }
}

/// Calls `f` on pieces of `x` of at most `len` elements and on the index of their first element, in parallel when there is a pool.
pub fn for_each_piece(x: &mut [f32], len: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    for_each_piece_of_three([x, &mut [], &mut []], len, |at, [x, _, _]| f(at, x));
}

/// The same on three vectors side by side; the second and third are as long as the first, or empty.
pub fn for_each_piece_of_three(
    x: [&mut [f32]; 3],
    len: usize,
    f: impl Fn(usize, [&mut [f32]; 3]) + Sync,
) {
    pieces(0, x, len.max(1), &f);
}

fn pieces(at: usize, x: [&mut [f32]; 3], len: usize, f: &(impl Fn(usize, [&mut [f32]; 3]) + Sync)) {
    let whole = x[0].len();
    if whole <= len {
        return f(at, x);
    }
    if ALONE {
        let [mut a, mut b, mut c] = x;
        for first in (0..whole).step_by(len) {
            let piece = [&mut a, &mut b, &mut c]
                .map(|x| x.split_off_mut(..len.min(x.len())).unwrap_or_default());
            f(at + first, piece);
        }
        return;
    }
    let middle = (whole / len).div_ceil(2) * len;
    let [a, b, c] = x.map(|x| x.split_at_mut(middle.min(x.len())));
    join(|| pieces(at, [a.0, b.0, c.0], len, f), || pieces(at + middle, [a.1, b.1, c.1], len, f));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_every_element_once_in_pieces_that_do_not_depend_on_threads() {
        for threads in [1, 3] {
            set_threads(threads).unwrap();
            for len in [0, 1, 7, 8, 9, 15, 64, 100] {
                let (mut x, mut y, mut z) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
                for_each_piece_of_three([&mut x, &mut y, &mut z], 8, |at, [x, y, z]| {
                    assert!(at.is_multiple_of(8) && x.len() <= 8 && y.len() == x.len());
                    x.iter_mut().enumerate().for_each(|(i, x)| *x += (at + i) as f32);
                    y.iter_mut().chain(z).for_each(|y| *y += 1.0);
                });
                assert!(x.iter().enumerate().all(|(i, &x)| x == i as f32));
                assert!(y.iter().chain(&z).all(|&y| y == 1.0));
                let mut items: Vec<usize> = vec![0; len];
                for_each(&mut items, |i, item| *item += i + 1);
                assert!(items.iter().enumerate().all(|(i, &item)| item == i + 1));
            }
        }
        set_threads(1).unwrap();
    }
}
