//! What is kept behind a mutex outlives a panic of whoever held it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nothing here leaves its data half-written, so a poisoned lock holds good data.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
