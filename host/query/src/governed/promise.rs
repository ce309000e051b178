//! What a principal would see of a table, by its contract alone.

use std::sync::Arc;

use arrow_schema::FieldRef;
use datafusion::common::TableReference;
use malla_policy::ColumnView;

use super::names::{object, table_id};
use super::{Asker, Door};
use crate::QueryError;

impl Door<'_> {
    /// The columns that the asker sees of a table. Nothing is opened, and so nothing is recorded.
    pub(crate) fn columns(&self, name: &TableReference) -> Result<Vec<FieldRef>, QueryError> {
        let id = table_id(name).map(|id| self.in_its_layer(id));
        let promised = id.as_ref().and_then(|id| Some((id, self.promised(id)?)));
        let Some((id, (_, stored))) = promised else {
            return Err(QueryError::Policy(format!(
                "no contract promises a table `{name}`"
            )));
        };
        let Asker { principal, purpose } = self.asker;
        let columns = &stored.table.columns;
        let view = self
            .governance
            .policy
            .view(principal, id.domain(), &object(id), columns, purpose)
            .map_err(|refused| QueryError::Policy(refused.to_string()))?;
        let shown = columns.iter().zip(&view.columns);
        let shown = shown.filter(|(_, view)| !matches!(view, ColumnView::Hidden { .. }));
        Ok(shown.map(|(column, _)| Arc::new(column.field())).collect())
    }
}
