//! Who may do and see what: rules, roles, masks, row filters, classification.
//!
//! A policy is a folder of files that Casbin would understand too; [`Policy::load`] reads all of them, or tells every
//! fault of every file. What comes out is one immutable value: [`Policy::decide`] answers from hash tables, and
//! [`Judge`] is Casbin itself on the same rules, to compare with.
//!
//! Invariant: no I/O but reading the policy files in [`Policy::load`] and [`PolicyFiles::read`]; no clock, no globals.
//! The same rules, in any order, give the same answers and the same digest.

mod cases;
mod check;
mod declassify;
mod diff;
mod digest;
mod error;
mod explain;
mod files;
mod judge;
mod masks;
mod mesh;
mod misfits;
mod model;
mod policy;
mod read;
mod roles;
mod row_filters;
mod rules;
mod snapshot;
mod text;
mod undeclared;
mod view;
mod words;

pub use cases::{CaseReport, Cases, Failure};
pub use check::{Finding, check};
pub use declassify::{Declassify, Inflow, Undeclared, pseudonym};
pub use diff::{Change, Diff, diff};
pub use error::{Fault, MissingMask, PlanError, PlanErrors, PolicyError, PolicyErrors};
pub use explain::{Explanation, UnknownObject, explain};
pub use files::{
    DECLASSIFY_FILE, DOMAIN_TEMPLATES, DOMAINS_FOLDER, GLOBAL_FILE, GROUPS_FILE, MASKS_FILE, MODEL_FILE,
    PolicyFiles, ROW_FILTERS_FILE, TEMPLATE, TESTS_FOLDER,
};
pub use judge::{Judge, JudgeError};
pub use masks::{MaskAt, MaskRule, Selector};
pub use misfits::misfits;
pub use policy::Policy;
pub use row_filters::{Condition, FilterMisfit, Literal, RowFilter};
pub use rules::{Action, Assignment, Effect, Rule, RuleId, is_plain, is_principal};
pub use snapshot::{Decision, Request};
pub use undeclared::{UndeclaredAction, UndeclaredRule};
pub use view::{ColumnView, Denied, NO_PURPOSE, Refused, TableView};

#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod mesh_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tool_tests;
#[cfg(test)]
mod view_tests;
