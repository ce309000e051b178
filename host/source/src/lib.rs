//! Directories to batches with offsets, and lines to Arrow.
