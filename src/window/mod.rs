//! From events to numbers: what each key did in the last minutes, hours and weeks.
