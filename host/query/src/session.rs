//! A DataFusion session that can do nothing but compute.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::bounded;

pub(crate) const CATALOG: &str = "malla";
const SCHEMA: &str = "public";
/// Calls of functions that may be under way together, each with what it makes.
const AT_ONCE: usize = 4;

/// A session with functions and no tables. It knows no file format and no way to make a table from a path, and it
/// spills nothing to a disk, where rows would lie in the clear.
pub(crate) fn session(memory: usize) -> Result<SessionContext> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(memory), NonZeroUsize::MIN);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()?;
    let config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
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
