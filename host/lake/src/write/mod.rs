//! From rows to files.

mod encode;
mod split;

pub(crate) use encode::{delete, encode};
pub(crate) use split::{Part, SLICE_ROWS, folder, split};
