//! A query over tables as contracts promise them: whether it can be planned, before there are such tables. Nothing is read, and no
//! policy is asked.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::SessionContext;
use malla_contract::Contract;

use crate::derive::check_derived;
use crate::functions::{Calls, Functions};
use crate::governed::promised;
use crate::query::{parsed, plain, plan_on};
use crate::session::session;
use crate::{QueryError, guard, runtime};

/// The columns that a derived table's query gives over the tables that these contracts promise. It may call these functions.
///
/// # Errors
/// [`QueryError`]; [`QueryError::UnknownTable`] where no contract has a table of that name.
pub async fn plan_promised(
    contracts: Arc<[Contract]>,
    sql: &str,
    functions: Option<Arc<dyn Functions>>,
) -> Result<SchemaRef, QueryError> {
    let sql = sql.to_owned();
    let planned = runtime::run(async move {
        /// It is only planned.
        const MEMORY: usize = 1 << 20;
        guard::check(&sql)?;
        let context = session(MEMORY, None).map_err(|e| QueryError::planning(&e))?;
        Calls::register(&context, functions)?;
        over(&context, &contracts, &sql).await
    });
    planned
        .await
        .unwrap_or(Err(QueryError::Failed("it stopped early")))
}

async fn over(context: &SessionContext, contracts: &[Contract], sql: &str) -> Result<SchemaRef, QueryError> {
    let (statement, names) = parsed(&context.state(), sql)?;
    let table = |name: TableReference| {
        let table = promised(contracts, &name).ok_or_else(|| QueryError::UnknownTable {
            name: name.to_string(),
            known: "no contract promises it".to_owned(),
        })?;
        let empty = EmptyTable::new(Arc::new(table.schema()));
        Ok((name, Arc::new(empty) as _))
    };
    let tables = names
        .into_iter()
        .map(table)
        .collect::<Result<Vec<_>, QueryError>>()?;
    let plan = plan_on(context, statement, tables).await?;
    check_derived(&plan)?;
    Ok(plain(plan.schema().as_arrow()))
}
