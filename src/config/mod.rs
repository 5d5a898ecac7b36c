//! The configuration file: each room's own section, composed and checked.
