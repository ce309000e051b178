//! What flows into a query's columns, by contracts alone: no table has to be there, nothing is read, so nothing is recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::Schema;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::empty::EmptyTable;

use crate::derive::ColumnFlows;
use crate::functions::{Calls, Functions};
use crate::governed::{Asker, Door};
use crate::lineage::Lineage;
use crate::query::{Query, parsed};
use crate::session::{CATALOG, session};
use crate::{QueryError, guard, runtime};

/// It is only planned.
const MEMORY: usize = 1 << 24;

impl Query {
    /// What flows into the columns of a query that somebody asks, and what decides which rows there are. Functions are not called.
    ///
    /// # Errors
    /// It is no query, or reads what they may not.
    pub async fn column_flows(
        &self,
        asker: &Asker,
        sql: &str,
        functions: Option<Arc<dyn Functions>>,
    ) -> Result<ColumnFlows, QueryError> {
        let (query, asker, sql) = (self.clone(), asker.clone(), sql.to_owned());
        let planned = runtime::run(async move { query.flows(&asker, &sql, functions).await });
        planned
            .await
            .unwrap_or(Err(QueryError::Failed("it stopped early")))
    }

    async fn flows(
        &self,
        asker: &Asker,
        sql: &str,
        functions: Option<Arc<dyn Functions>>,
    ) -> Result<ColumnFlows, QueryError> {
        guard::check(sql)?;
        let planning = |error| QueryError::planning(&error);
        let context = session(MEMORY, None).map_err(planning)?;
        Calls::register(&context, functions)?;
        let (statement, names) = parsed(&context.state(), sql)?;
        let door = Door::new(&self.lake, &self.governance, asker)?;
        let mut schemas: BTreeMap<String, Arc<MemorySchemaProvider>> = BTreeMap::new();
        for name in names {
            let fields = door.columns(&name)?;
            let table = EmptyTable::new(Arc::new(Schema::new(fields)));
            schemas
                .entry(name.schema().unwrap_or_default().to_owned())
                .or_default()
                .register_table(name.table().to_owned(), Arc::new(table))
                .map_err(planning)?;
        }
        let catalog = Arc::new(MemoryCatalogProvider::new());
        for (name, schema) in schemas {
            catalog.register_schema(&name, schema).map_err(planning)?;
        }
        context.register_catalog(CATALOG, catalog);
        let plan = context
            .state()
            .statement_to_plan(statement)
            .await
            .map_err(planning)?;
        Ok(ColumnFlows::of(&plan, &Lineage::of(&plan).map_err(planning)?))
    }
}
