//! A table as one principal sees it.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, DFSchema};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::exec::{GovernedExec, Output, Show};

/// One column that the principal may see, in some form.
#[derive(Clone)]
pub(crate) struct Shown {
    /// As it comes out.
    pub(crate) field: Field,
    /// Place in the stored table.
    pub(crate) index: usize,
    pub(crate) show: Show,
}

/// See the module. What the principal may not see is not in its schema.
pub(crate) struct GovernedTable {
    stored: Arc<dyn TableProvider>,
    columns: Vec<Shown>,
    /// Conditions on stored columns; only rows that meet all of them are seen.
    filters: Vec<Expr>,
    /// What EXPLAIN tells.
    rules: Arc<str>,
    schema: SchemaRef,
}

impl fmt::Debug for GovernedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GovernedTable")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl GovernedTable {
    pub(crate) fn new(
        stored: Arc<dyn TableProvider>,
        columns: Vec<Shown>,
        filters: Vec<Expr>,
        rules: String,
    ) -> Self {
        let fields: Vec<Field> = columns.iter().map(|column| column.field.clone()).collect();
        Self {
            stored,
            columns,
            filters,
            rules: rules.into(),
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// Whether a condition may be told to the storage, to skip files by: it speaks of columns that come out as they are
    /// stored, and comparing them with literals cannot fail.
    fn harmless(&self, condition: &Expr) -> bool {
        let plain = |expr: &Expr| match expr {
            Expr::Column(column) => self
                .columns
                .iter()
                .any(|known| *known.field.name() == column.name && matches!(known.show, Show::Plain)),
            _ => false,
        };
        let literal = |expr: &Expr| matches!(expr, Expr::Literal(..));
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::And | Operator::Or => self.harmless(left) && self.harmless(right),
                Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq => plain(left) && literal(right) || literal(left) && plain(right),
                _ => false,
            },
            Expr::InList(list) => plain(&list.expr) && list.list.iter().all(literal),
            Expr::Between(between) => plain(&between.expr) && literal(&between.low) && literal(&between.high),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => plain(inner),
            _ => false,
        }
    }
}

#[async_trait]
impl TableProvider for GovernedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// A condition that is told to the storage is evaluated again on what comes out.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if self.harmless(filter) {
                    TableProviderFilterPushDown::Inexact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted: Vec<&Shown> = match projection {
            Some(projection) => projection
                .iter()
                .map(|index| self.columns.get(*index))
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    DataFusionError::Internal("a projection names a column that is not there".into())
                })?,
            None => self.columns.iter().collect(),
        };
        let stored = self.stored.schema();
        let mut read: Vec<usize> = wanted.iter().map(|column| column.index).collect();
        for column in self.filters.iter().flat_map(Expr::column_refs) {
            read.push(stored.index_of(&column.name)?);
        }
        read.sort_unstable();
        read.dedup();
        let place = |index: usize| {
            read.binary_search(&index)
                .map_err(|_| DataFusionError::Internal("a column is not read".into()))
        };
        let outputs = wanted
            .iter()
            .map(|column| {
                Ok(Output {
                    index: place(column.index)?,
                    ty: column.field.data_type().clone(),
                    show: column.show.clone(),
                })
            })
            .collect::<Result<Vec<_>>>()?;

        let mut hints: Vec<Expr> = filters
            .iter()
            .filter(|filter| self.harmless(filter))
            .map(|filter| self.on_stored(filter.clone()))
            .collect::<Result<_>>()?;
        let exact = self.filters.is_empty() && hints.is_empty();
        hints.extend(self.filters.iter().cloned());
        let input = self
            .stored
            .scan(session, Some(&read), &hints, limit.filter(|_| exact))
            .await?;
        // The planner does this to leaves that it can see into.
        let partitions = session.config().target_partitions();
        let input = match input.repartitioned(partitions, session.config_options())? {
            Some(several) => several,
            None => input,
        };
        let input_schema = input.schema();
        let rows = conjunction(self.filters.iter().cloned())
            .map(|rows| {
                let schema = DFSchema::try_from(input_schema.as_ref().clone())?;
                session.create_physical_expr(rows, &schema)
            })
            .transpose()?;
        let fields: Vec<Field> = wanted.iter().map(|column| column.field.clone()).collect();
        Ok(Arc::new(GovernedExec::new(
            input,
            rows,
            outputs,
            Arc::new(Schema::new(fields)),
            Arc::clone(&self.rules),
        )))
    }
}

impl GovernedTable {
    /// The condition on the stored table's own column names.
    fn on_stored(&self, condition: Expr) -> Result<Expr> {
        use datafusion::common::tree_node::{Transformed, TreeNode};
        let rename = |expr: Expr| {
            Ok(match expr {
                Expr::Column(column) => Transformed::yes(Expr::Column(Column::new_unqualified(column.name))),
                other => Transformed::no(other),
            })
        };
        Ok(condition.transform(rename)?.data)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use datafusion::datasource::MemTable;
    use datafusion::logical_expr::{col, lit};
    use datafusion::prelude::SessionContext;

    use super::*;

    /// Three rows whose level is seen by nobody; the first is kept back for it. The storage skips nothing by conditions.
    fn table() -> GovernedTable {
        let columns: [(&str, ArrayRef); 2] = [
            ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
            ("nivel", Arc::new(StringArray::from(vec!["plata", "oro", "oro"]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let schema = batch.schema();
        let shown = |index: usize, show| Shown {
            field: schema.field(index).clone().with_nullable(true),
            index,
            show,
        };
        GovernedTable::new(
            Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap()),
            vec![shown(0, Show::Plain), shown(1, Show::Null)],
            vec![col("nivel").not_eq(lit("plata"))],
            String::new(),
        )
    }

    /// Delta drops most rows by itself; that rows are kept back must not rest on it.
    #[tokio::test]
    async fn rows_are_kept_back_whatever_the_storage_does() {
        let context = SessionContext::new();
        context.register_table("t", Arc::new(table())).unwrap();
        for (sql, ids) in [
            ("SELECT id, nivel FROM t", &[2, 3][..]),
            ("SELECT id FROM t", &[2, 3]),
            ("SELECT id FROM t LIMIT 1", &[2]),
            ("SELECT id FROM t WHERE id = 3", &[3]),
            ("SELECT id FROM t WHERE id = 1", &[]),
            ("SELECT id FROM t WHERE nivel = 'oro'", &[]),
            ("SELECT count(*) FROM t", &[2]),
            ("SELECT min(id) FROM t", &[2]),
        ] {
            let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
            let seen: Vec<i64> = batches
                .iter()
                .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
                .collect();
            assert_eq!(seen, ids, "{sql}");
        }
    }
}
