//! A sorted list that mostly holds one thing, and then needs no memory of its own.

use std::cmp::Ordering;

/// None, one or many, in order of a key.
#[derive(Clone, Debug, Default)]
pub enum Few<T> {
    /// Nothing.
    #[default]
    None,
    /// One, in place.
    One(T),
    /// Several, in order.
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// All of them, in order.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// Number of things.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.as_slice().iter()
    }

    /// The thing that `by` gives `key`; `None` when it has just been put there by `new`.
    pub(super) fn find<K: Ord>(&mut self, key: &K, by: impl Fn(&T) -> K, new: impl FnOnce() -> T) -> Option<&mut T> {
        if self.is_empty() {
            *self = Self::One(new());
            return None;
        }
        if let Self::One(one) = self
            && by(one) != *key
            && let Self::One(one) = std::mem::take(self)
        {
            *self = Self::Many(vec![one]);
        }
        match self {
            Self::None => None,
            Self::One(one) => Some(one),
            Self::Many(many) => match place(many, key, by) {
                Ok(at) => many.get_mut(at),
                Err(at) => {
                    many.insert(at, new());
                    None
                }
            },
        }
    }

    /// Puts a thing at a position that is at most their number.
    pub(super) fn insert(&mut self, at: usize, new: T) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(new),
            Self::One(one) if at == 0 => Self::Many(vec![new, one]),
            Self::One(one) => Self::Many(vec![one, new]),
            Self::Many(mut many) => {
                many.insert(at, new);
                Self::Many(many)
            }
        };
    }

    /// Keeps the first so many, at least one.
    pub(super) fn truncate(&mut self, most: usize) {
        if let Self::Many(many) = self {
            many.truncate(most);
        }
    }

    /// Takes out what is largest by `by`.
    pub(super) fn drop_largest<K: Ord>(&mut self, by: impl Fn(&T) -> K) {
        if let Self::Many(many) = self
            && let Some(at) = many.iter().enumerate().max_by_key(|(_, t)| by(t)).map(|(i, _)| i)
        {
            many.remove(at);
        }
    }
}

/// Where `key` is, or where it belongs: mostly at the end, since time goes on.
fn place<T, K: Ord>(many: &[T], key: &K, by: impl Fn(&T) -> K) -> Result<usize, usize> {
    match many.last().map(|last| by(last).cmp(key)) {
        Some(Ordering::Less) | None => Err(many.len()),
        Some(Ordering::Equal) => Ok(many.len() - 1),
        Some(Ordering::Greater) => many.binary_search_by_key(key, by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_kept_in_order_and_once() {
        let mut few = Few::default();
        for n in [5, 3, 5, 9, 3] {
            if let Some(found) = few.find(&n, |t: &(i32, u32)| t.0, || (n, 1)) {
                found.1 += 1;
            }
        }
        assert_eq!(few.as_slice(), [(3, 2), (5, 2), (9, 1)]);
        few.drop_largest(|t| t.0);
        assert_eq!((few.len(), few.as_slice()[1].0), (2, 5));
        let mut few = Few::default();
        for (at, n) in [(0, 7), (0, 3), (1, 5), (3, 9)] {
            few.insert(at, n);
        }
        few.truncate(3);
        assert_eq!(few.as_slice(), [3, 5, 7]);
    }
}
