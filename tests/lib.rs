//! End-to-end tests of Malla; they are in `it/`, one binary.
