//! What keeps the tables of a mesh from being written or read under a policy that is valid by itself.

use malla_contract::Contract;

use crate::mesh::{MeshTable, tables};
use crate::{Finding, MASKS_FILE, MaskAt, PlanError, Policy, RowFilter};

/// Every mask and row filter that cannot be applied to a table of the mesh, and every published column that must be hidden
/// and has no mask. A policy with one of them stops a flow or refuses every reader of a table, so who watches policies
/// does not take it into force. In the order of files and lines.
#[must_use]
pub fn misfits(policy: &Policy, contracts: &[Contract]) -> Vec<Finding> {
    let tables = tables(contracts);
    let mut findings: Vec<Finding> = tables
        .iter()
        .filter(|entry| !entry.sealed)
        .filter_map(|entry| policy.plan(&entry.object, &entry.table).err())
        .flat_map(|errors| errors.0)
        .map(|error| Finding {
            file: MASKS_FILE.to_owned(),
            line: match &error {
                PlanError::Missing(_) => None,
                PlanError::Misfit { line, .. } => Some(*line),
            },
            what: error.to_string(),
        })
        .collect();
    for filter in policy.row_filters() {
        let entry = tables.iter().find(|entry| entry.object == filter.table);
        if let Some(what) = entry.and_then(|entry| inapplicable(policy, filter, entry)) {
            findings.push(Finding::of(&filter.id, what));
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

/// Why a filter cannot decide by what is stored.
fn inapplicable(policy: &Policy, filter: &RowFilter, entry: &MeshTable<'_>) -> Option<String> {
    let column = match filter.column(&entry.table) {
        Ok(column) => column,
        Err(misfit) => return Some(format!("{}: {}", misfit.what, misfit.remedy)),
    };
    if entry.sealed && column.needs_mask() {
        return Some(format!(
            "`{}` is stored sealed, so no row can be told from another by it: use another column",
            column.name
        ));
    }
    let mask = policy.mask(&entry.object, column).ok()??;
    (mask.at == MaskAt::Write).then(|| {
        format!(
            "`{}` is stored masked ({} by {MASKS_FILE}:{}), so no row can be told by its true value: use another column, \
             or give the mask at = \"read\"",
            column.name, mask.mask, mask.line
        )
    })
}
