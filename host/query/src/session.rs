//! A DataFusion session that can do nothing but compute.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::pool::SharedPool;
use crate::{Spill, bounded};

pub(crate) const CATALOG: &str = "malla";
const SCHEMA: &str = "public";
/// Calls of functions that may be under way together, each with what it makes.
const AT_ONCE: usize = 4;

/// Sorted pieces that are put together at once. Without a bound the engine takes so many that nothing is left to work with.
const FAN_IN: usize = 8;
/// Rows of a batch where they may be put aside: of each piece that is put together two batches are in memory.
const ROWS_ASIDE: usize = 2048;

/// A session with functions and no tables. It knows no file format and no way to make a table from a path, and no other
/// disk than that of `spill`.
pub(crate) fn session(memory: usize, spill: Option<&Spill>) -> Result<SessionContext> {
    let disk = DiskManagerBuilder::default();
    let (pool, disk): (Arc<dyn MemoryPool>, _) = match spill {
        Some(spill) => {
            let disk = disk.with_temp_file_factory(Arc::new(spill.clone()));
            (
                Arc::new(SharedPool::new(memory)),
                disk.with_max_spill_merge_fan_in(FAN_IN),
            )
        }
        None => (
            Arc::new(GreedyMemoryPool::new(memory)),
            disk.with_mode(DiskManagerMode::Disabled),
        ),
    };
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    if spill.is_some() {
        config = config.with_batch_size(ROWS_ASIDE);
    }
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(bounded::functions(
            SessionStateDefaults::default_scalar_functions(),
            memory / AT_ONCE,
        ))
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .build();
    Ok(SessionContext::new_with_state(state))
}
