//! What no section can see by itself: names that lead from one section to another.

use super::error::Problem;
use super::model::Config;
use super::tree::Tree;

/// Every name that leads nowhere.
pub(super) fn check(_config: &Config, _tree: &Tree) -> Vec<Problem> {
    Vec::new()
}
