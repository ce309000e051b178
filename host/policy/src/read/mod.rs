//! Policy files from text to values, with every fault at its line.

pub(crate) mod csv;
mod declassify;
pub(crate) mod lists;
mod masks;
mod row_filters;

pub(crate) use declassify::declassify;
pub(crate) use masks::masks;
pub(crate) use row_filters::row_filters;
