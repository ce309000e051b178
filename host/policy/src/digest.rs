//! The name of a policy: a hash of what it decides.

use std::fmt::Write as _;

use malla_contract::{MaskKind, PersonalKind};
use sha2::{Digest, Sha256};

use crate::masks::Masks;
use crate::undeclared::UndeclaredRules;
use crate::{Assignment, Declassify, MaskAt, RowFilter, Rule, model};

/// All that decides.
pub(crate) struct Parts<'a> {
    pub(crate) rules: &'a [Rule],
    pub(crate) assignments: &'a [Assignment],
    pub(crate) masks: &'a Masks,
    pub(crate) undeclared: &'a UndeclaredRules,
    pub(crate) row_filters: &'a [RowFilter],
    pub(crate) declassify: &'a [Declassify],
}

/// SHA-256, in hex, of one line for each thing that decides, sorted, each once.
pub(crate) fn of(parts: &Parts<'_>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"malla-policy/2\n");
    hasher.update(model::MODEL);
    let mut lines = lines(parts);
    lines.sort_unstable();
    lines.dedup();
    for line in lines {
        hasher.update(line);
        hasher.update(b"\n");
    }
    data_encoding::HEXLOWER.encode(&hasher.finalize())
}

/// Texts are quoted by Debug, so that none can pass for two fields, or two lines.
fn lines(parts: &Parts<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::with_capacity(parts.rules.len() + parts.assignments.len());
    for rule in parts.rules {
        lines.push(format!(
            "p {:?} {:?} {:?} {} {:?} {}",
            rule.subject,
            rule.domain,
            rule.object,
            rule.action_word(),
            rule.purpose,
            rule.effect.as_str()
        ));
    }
    for g in parts.assignments {
        lines.push(format!("g {:?} {:?} {:?}", g.member, g.role, g.domain));
    }
    for rule in parts.masks.rules() {
        let group = if rule.mask == MaskKind::Token {
            rule.join_group.as_str()
        } else {
            ""
        };
        let mut line = format!("mask {:?} {} {group:?}", rule.selector.to_string(), rule.mask);
        if rule.at == MaskAt::Read {
            line.push_str(" read");
        }
        lines.push(line);
    }
    for kind in PersonalKind::ALL {
        if let Some(rule) = parts.undeclared.rule(kind) {
            lines.push(format!("undeclared {kind} {}", rule.action));
        }
    }
    for filter in parts.row_filters {
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort_unstable();
            names
        };
        lines.push(format!(
            "row-filter {:?} {:?} {:?} {:?} {:?}",
            filter.table,
            sorted(&filter.whom),
            sorted(&filter.except),
            filter.column,
            filter.condition
        ));
    }
    for rule in parts.declassify {
        let mut line = format!("declassify {:?} {} {}", rule.column, rule.to, rule.expires);
        for tag in &rule.drops {
            // Writing to a String cannot fail.
            let _ = write!(line, " {tag:?}");
        }
        lines.push(line);
    }
    lines
}
