//! The pool of threads. Work is cut into parts that do not depend on the number of threads, so neither do results.

use crate::error::{CoreError, Result, codes};

/// Most threads one may ask for.
pub const MAX_THREADS: u32 = 256;

#[cfg(any(not(target_arch = "wasm32"), feature = "threads"))]
mod imp {
    use super::{CoreError, MAX_THREADS, Result, codes};
    use std::sync::{Arc, RwLock};

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

    /// Calls one, then the other.
    pub fn join(f: impl FnOnce() + Send, g: impl FnOnce() + Send) {
        f();
        g();
    }

    /// Calls `f` on every item, in order.
    pub fn for_each<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Sync) {
        items.iter_mut().for_each(f);
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

pub use imp::{for_each, join, set_threads, threads};
#[cfg(all(target_arch = "wasm32", feature = "threads"))]
pub use workers::run_thread;
