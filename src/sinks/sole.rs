//! A file that only we write: others who mean to write it are told so. Readers need not ask.

use std::fs::{File, TryLockError};
use std::ops::Deref;

/// An open file with the advisory lock that says who writes it.
///
/// The lock is given back in so many words: the thread that syncs the file has a copy of the descriptor, and a child that
/// is just being started may have one, and either would hold the lock with it.
pub(super) struct Sole(File);

impl Sole {
    /// Takes the lock of `file`.
    ///
    /// # Errors
    /// When somebody else has it, or this file system knows no locks; the file comes back, to go on without one.
    pub(super) fn take(file: File) -> Result<Self, (Self, TryLockError)> {
        let taken = file.try_lock();
        // to give back a lock that one has not does nothing
        let sole = Self(file);
        match taken {
            Ok(()) => Ok(sole),
            Err(error) => Err((sole, error)),
        }
    }
}

impl Deref for Sole {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Sole {
    fn drop(&mut self) {
        let _closing_gives_it_back_too = self.0.unlock();
    }
}
