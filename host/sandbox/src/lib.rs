//! A component and a batch in, a batch out, within limits.
