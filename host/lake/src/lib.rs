//! Exactly-once Delta commits and table reads.
