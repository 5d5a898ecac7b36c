//! Buffers that go round.

use std::sync::{Arc, Mutex, PoisonError};

/// A shared stack of used buffers, so that steady work allocates nothing. Holds at most a fixed number.
pub struct Pool<T> {
    shelf: Arc<Mutex<Vec<T>>>,
    most: usize,
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { shelf: Arc::clone(&self.shelf), most: self.most }
    }
}

impl<T: Default> Pool<T> {
    /// An empty pool that keeps at most `most` buffers.
    pub fn new(most: usize) -> Self {
        Self { shelf: Arc::new(Mutex::new(Vec::with_capacity(most))), most }
    }

    /// A used buffer (as it was given back), or a new one.
    pub fn take(&self) -> T {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub fn give(&self, buffer: T) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() < self.most {
            shelf.push(buffer);
        }
    }
}
