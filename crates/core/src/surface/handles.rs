//! Tables of what is open, by handle: pairs in the order of their handles, which only grow. (A `BTreeMap` for each kind of object is more code than all of this file.)

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::error::{CoreError, Result, codes};

pub(super) type Table<T> = Mutex<Vec<(u32, Arc<T>)>>;
static NEXT: AtomicU32 = AtomicU32::new(1);

fn table<T>(t: &Table<T>) -> MutexGuard<'_, Vec<(u32, Arc<T>)>> {
    // The tables themselves are never left half-changed, so a poisoned lock is still good.
    t.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a handle is, or where it would be.
fn place<T>(table: &[(u32, Arc<T>)], handle: u32) -> std::result::Result<usize, usize> {
    table.binary_search_by_key(&handle, |(h, _)| *h)
}

pub(super) fn insert<T>(t: &Table<T>, value: T) -> u32 {
    let handle = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut table = table(t);
    // Nearly always the end: another thread may have taken a handle later and come here earlier.
    let (Ok(at) | Err(at)) = place(&table, handle);
    table.insert(at, (handle, Arc::new(value)));
    handle
}

pub(super) fn find<T>(t: &Table<T>, handle: u32, what: &str) -> Result<Arc<T>> {
    let table = table(t);
    match place(&table, handle) {
        Ok(at) => Ok(table[at].1.clone()),
        Err(_) => Err(CoreError::new(codes::CLOSED, format!("this {what} is closed"))),
    }
}

pub(super) fn close<T>(t: &Table<T>, handle: u32) {
    let mut table = table(t);
    let removed = place(&table, handle).ok().map(|at| table.remove(at));
    // What is dropped may take long, or close others.
    drop(table);
    drop(removed);
}

pub(super) fn lock<'a, T>(m: &'a Mutex<T>, what: &str) -> Result<MutexGuard<'a, T>> {
    match m.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::WouldBlock) => {
            Err(CoreError::new(codes::BUSY, format!("the {what} is in use by another call")))
        }
        // A panic inside was reported as E_PANIC; the object may be half-changed, so it stays refused.
        Err(TryLockError::Poisoned(_)) => {
            Err(CoreError::new(codes::PANIC, format!("the {what} was left broken by a bug")))
        }
    }
}
