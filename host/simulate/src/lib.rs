//! Realistic events, seeded, about one in a hundred dirty in a named way.
