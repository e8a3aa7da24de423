//! The pool of threads. Work is cut into parts that do not depend on the number of threads, so neither do results.

use crate::error::{CoreError, Result, codes};

/// Most threads one may ask for.
pub const MAX_THREADS: u32 = 256;

#[cfg(any(not(target_arch = "wasm32"), target_feature = "atomics"))]
mod imp {
    use super::{CoreError, MAX_THREADS, Result, codes};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, RwLock};
    use std::time::{Duration, Instant};

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
    pub fn each<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync) {
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

    /// How long threads of the pool look for work before they sleep. Waking one takes some ten microseconds, as long as a product does.
    const AWAKE: Duration = Duration::from_micros(200);

    /// Whether threads are being kept awake, and calls of `each` so far.
    static WATCHED: AtomicBool = AtomicBool::new(false);
    static CALLS: AtomicUsize = AtomicUsize::new(0);

    /// Has every thread of the pool look for work until nothing came for [`AWAKE`].
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

    /// Calls `f` on every item, in parallel when there is a pool.
    pub fn for_each<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Sync) {
        match pool() {
            None => items.iter_mut().for_each(f),
            Some(pool) => pool.install(|| {
                use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
                items.par_iter_mut().for_each(&f);
            }),
        }
    }
}

#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
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

    /// Calls one, then the other.
    pub fn join(f: impl FnOnce() + Send, g: impl FnOnce() + Send) {
        f();
        g();
    }

    /// Calls `f` on every item, in order.
    pub fn each<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync) {
        items.into_iter().for_each(f);
    }

    /// Calls `f` on every item, in order.
    pub fn for_each<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Sync) {
        items.iter_mut().for_each(f);
    }
}

/// Threads of WebAssembly are workers that JavaScript starts: each has its own instance over the same memory and offers itself to a pool that was built.
#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
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

pub use imp::{each, for_each, join, set_threads, threads};
#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
pub use workers::run_thread;
