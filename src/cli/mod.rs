//! The door for people: the only place that prints.
