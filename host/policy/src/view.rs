//! What somebody sees of a table.

use malla_contract::Column;

use crate::{Action, Decision, MaskRule, MissingMask, Policy, Request, RowFilter, Rule};

/// The purpose of a plugin whose contract names none: only rules for any purpose are for it.
pub const NO_PURPOSE: &str = "unspecified";

/// What somebody sees of one table. The row filters are applied to raw values first, then the masks.
#[derive(Debug, Clone, PartialEq)]
pub struct TableView<'p> {
    /// The rule that lets the table be read: one for the table, or else for the first column that may be.
    pub rule: &'p Rule,
    /// For each column, in the table's order.
    pub columns: Vec<ColumnView<'p>>,
    /// All of them must let a row pass.
    pub row_filters: Vec<&'p RowFilter>,
}

/// What somebody sees of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnView<'p> {
    /// Nothing, not even that it is there.
    Hidden {
        /// The rule that denies it. `None`: no rule allows it.
        rule: Option<&'p Rule>,
    },
    /// The values behind the mask, where they are stored: see [`MaskRule::at`].
    Raw {
        /// The rule that allows it.
        why: &'p Rule,
        /// The mask that others see.
        mask: &'p MaskRule,
    },
    /// Masked values.
    Masked {
        /// The mask.
        rule: &'p MaskRule,
    },
    /// Values for which there is no mask.
    Plain,
}

/// Why somebody sees nothing of a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A column that they may see needs a mask, and no rule names one.
    #[error(transparent)]
    MissingMask(#[from] MissingMask),
}

/// A table that somebody may not read. The message is the same whether the table exists or not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{principal}` may not read `{table}` for `{purpose}`: ask the owner of the data for a rule that allows it"
)]
pub struct Denied {
    /// Who asked.
    pub principal: String,
    /// For what.
    pub table: String,
    /// What for.
    pub purpose: String,
    /// Where the rule that denies it is written, for the decision log. `None`: no rule allows it.
    pub rule: Option<crate::RuleId>,
}

impl Policy {
    /// What a principal sees of a table of a domain, for a purpose.
    ///
    /// The table may be read if a `read` rule allows it or one of its columns, and none denies the table. A column is
    /// visible if the table or the column is allowed, and neither the column nor one of its tags is denied. A visible
    /// column with a mask is raw if `read-raw` is allowed for the column or one of its tags, and denied for none of
    /// them. Tags of what a column [holds](Column::holds) deny as its own do, and allow nothing.
    ///
    /// # Errors
    /// The table may not be read, or a visible column lacks its mask. The first says nothing about the table.
    pub fn view(
        &self,
        principal: &str,
        domain: &str,
        table: &str,
        columns: &[Column],
        purpose: &str,
    ) -> Result<TableView<'_>, Refused> {
        let ask = |object: &str, action| {
            self.decide(&Request {
                principal,
                domain,
                object,
                action,
                purpose,
            })
        };
        let of_table = ask(table, Action::Read);
        let denied = |rule: Option<&Rule>| {
            Refused::Denied(Denied {
                principal: principal.to_owned(),
                table: table.to_owned(),
                purpose: purpose.to_owned(),
                rule: rule.map(|rule| rule.id.clone()),
            })
        };
        if of_table.is_denied() {
            return Err(denied(of_table.rule()));
        }
        let mut deciding = of_table.rule();
        let mut views = Vec::with_capacity(columns.len());
        for column in columns {
            let object = format!("{table}/{}", column.name);
            let read = ask(&object, Action::Read);
            let hides = std::iter::once(read)
                .chain(column.tags.union(&column.holds).map(|tag| ask(tag, Action::Read)))
                .find(Decision::is_denied);
            if let Some(hides) = hides {
                views.push(ColumnView::Hidden { rule: hides.rule() });
                continue;
            }
            if !of_table.is_allowed() && !read.is_allowed() {
                views.push(ColumnView::Hidden { rule: None });
                continue;
            }
            deciding = deciding.or(read.rule());
            let Some(mask) = self.mask(table, column)? else {
                views.push(ColumnView::Plain);
                continue;
            };
            views.push(match raw(&object, column, ask) {
                Some(why) => ColumnView::Raw { why, mask },
                None => ColumnView::Masked { rule: mask },
            });
        }
        let Some(rule) = deciding else {
            return Err(denied(None));
        };
        Ok(TableView {
            rule,
            columns: views,
            row_filters: self.filters(principal, domain, table),
        })
    }

    /// Whether a domain's plugin sees the values of a column of its source table (`<domain>_raw.<source>`) for a purpose;
    /// otherwise tokens. `read-raw` must be allowed to `plugin:<domain>` for the column or one of its tags, and neither
    /// `read` nor `read-raw` be denied for the table, the column or a tag.
    #[must_use]
    pub fn plugin_sees(&self, domain: &str, table: &str, column: &Column, purpose: &str) -> bool {
        self.plugin_rule(domain, table, column, purpose).is_some()
    }

    /// The rule by which it does.
    pub(crate) fn plugin_rule(
        &self,
        domain: &str,
        table: &str,
        column: &Column,
        purpose: &str,
    ) -> Option<&Rule> {
        let principal = format!("plugin:{domain}");
        let ask = |object: &str, action| {
            self.decide(&Request {
                principal: &principal,
                domain,
                object,
                action,
                purpose,
            })
        };
        let object = format!("{table}/{}", column.name);
        let mut read = [table, &object]
            .into_iter()
            .chain(column.tags.iter().map(String::as_str));
        let hidden = read.any(|object| ask(object, Action::Read).is_denied());
        if hidden || ask(table, Action::ReadRaw).is_denied() {
            return None;
        }
        raw(&object, column, ask)
    }

    /// The row filters of a table that are for a principal.
    fn filters(&self, principal: &str, domain: &str, table: &str) -> Vec<&RowFilter> {
        let is = |whom: &String| self.is(principal, domain, whom);
        let filters = self.row_filters().iter().filter(|filter| {
            filter.table == table
                && (filter.whom.is_empty() || filter.whom.iter().any(is))
                && !filter.except.iter().any(is)
        });
        filters.collect()
    }
}

/// The rule that lets the values behind a column's mask be seen, if one does and none denies it.
fn raw<'p>(object: &str, column: &Column, ask: impl Fn(&str, Action) -> Decision<'p>) -> Option<&'p Rule> {
    let mut why = None;
    for object in std::iter::once(object).chain(column.tags.iter().map(String::as_str)) {
        match ask(object, Action::ReadRaw) {
            Decision::Deny { .. } => return None,
            Decision::Allow { rule } => why = why.or(Some(rule)),
            Decision::NoRule => {}
        }
    }
    if column
        .holds
        .iter()
        .any(|tag| ask(tag, Action::ReadRaw).is_denied())
    {
        return None;
    }
    why
}
