//! The one door through which anybody reads a table.
