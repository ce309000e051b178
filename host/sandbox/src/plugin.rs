//! A loaded plugin, and one batch through it.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::filter::{filter, filter_record_batch};
use wasmtime::Store;

use crate::bindings::functions::FunctionsPre;
use crate::bindings::{PluginPre, types};
use crate::engine::{Shared, TICK};
use crate::error::{Failure, InputError};
use crate::limiter::Limiter;
use crate::log::Log;
use crate::{Limits, LogLine, Rows, StepError, convert, lower, text, trap};

/// Which plugin: both parts are for people and for errors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PluginId {
    /// The domain.
    pub name: String,
    /// Of its contract.
    pub version: String,
}

impl PluginId {
    /// Puts the two together.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
        }
    }
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// What the host asks a plugin to do.
#[derive(Debug, Clone)]
pub struct Step {
    /// As the plugin knows it.
    pub name: String,
    /// Columns of the input that enter the plugin, by index, in the order that the plugin expects. No other does.
    pub reads: Vec<usize>,
    /// The columns that have to come out.
    pub output: SchemaRef,
    /// Names of the rules by which the step may reject a row.
    pub rules: Vec<String>,
}

/// What came out of a step.
#[derive(Debug, Clone)]
pub struct Output {
    /// Of the schema that was asked for, and only the rows that the step returned.
    pub batch: RecordBatch,
    /// Which rows of the input are in `batch`.
    pub rows: Rows,
    /// Rows of the input that the step refused. None of them is in `rows`.
    pub rejected: Vec<Rejection>,
    /// For each column of `batch`, where it comes from.
    pub origins: Vec<Origin>,
    /// What it took.
    pub usage: Usage,
    /// What the plugin said. It may quote values that the plugin read.
    pub log: Vec<LogLine>,
}

impl Output {
    /// Leaves out the rows that are not marked.
    ///
    /// # Errors
    /// There are not as many marks as rows.
    pub fn retain(&mut self, keep: &BooleanArray) -> Result<(), ArrowError> {
        let numbers: ArrayRef = Arc::new(self.rows.numbers());
        self.batch = filter_record_batch(&self.batch, keep)?;
        self.rows = Rows::Take(filter(&numbers, keep)?.as_primitive().clone());
        Ok(())
    }
}

/// A row that a step refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Number of the row in the input.
    pub row: u32,
    /// One of the step's rules.
    pub rule: String,
    /// The plugin's words. They may quote values that the plugin read.
    pub message: String,
}

/// Where a column of the output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It is the input's column of that index, unseen by the plugin (unless the step reads it as well).
    Forward(usize),
    /// The plugin made it from the columns that it read.
    Computed,
}

/// What one batch took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wasm instructions, nearly: the same for the same batch, on every machine.
    pub fuel: u64,
    /// Time inside the plugin, making the instance included, waiting for a place in the pool not.
    pub wall: Duration,
    /// Bytes of linear memory at its largest.
    pub memory_peak: u64,
    /// Log lines that the plugin wrote, kept or dropped.
    pub log_lines: u64,
    /// Bytes that the plugin wrote to its log, kept or dropped.
    pub log_bytes: u64,
    /// Bytes of the columns that the plugin computed, and of what its `take` repeated.
    pub output_bytes: u64,
}

/// A plugin, compiled and ready. Cheap to clone; threads may run batches through it at the same time.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
    limits: Limits,
}

struct Inner {
    shared: Arc<Shared>,
    id: PluginId,
    digest: String,
    pre: PluginPre<Guest>,
    functions: Option<FunctionsPre<Guest>>,
}

/// The host's side of one instance.
pub(crate) struct Guest {
    pub(crate) log: Log,
    limits: Limits,
    limiter: Limiter,
}

impl Guest {
    /// The log, to be put back, so that the store can be read while it is written.
    pub(crate) fn take_log(&mut self) -> (Limits, Log) {
        (self.limits, mem::take(&mut self.log))
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("id", &self.inner.id)
            .field("digest", &self.inner.digest)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    pub(crate) fn new(
        shared: Arc<Shared>,
        id: PluginId,
        digest: String,
        pre: PluginPre<Guest>,
        functions: Option<FunctionsPre<Guest>>,
        limits: Limits,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared,
                id,
                digest,
                pre,
                functions,
            }),
            limits,
        }
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> &PluginId {
        &self.inner.id
    }

    /// SHA-256 of the component's bytes, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Whether it exports functions that SQL can call.
    #[must_use]
    pub fn has_functions(&self) -> bool {
        self.inner.functions.is_some()
    }

    pub(crate) fn functions(&self) -> Option<&FunctionsPre<Guest>> {
        self.inner.functions.as_ref()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The same plugin under other limits. Memory, tables and core instances cannot exceed the sandbox's, on which
    /// the pool was built; compile time and component size have had their effect.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        let pool = self.inner.shared.config.limits;
        let limits = Limits {
            memory: limits.memory.min(pool.memory),
            table_elements: limits.table_elements.min(pool.table_elements),
            core_instances: limits.core_instances.min(pool.core_instances),
            ..limits
        };
        Self {
            inner: Arc::clone(&self.inner),
            limits,
        }
    }

    /// Puts a batch through a step, in an instance made for it alone. Waits while the pool is full.
    ///
    /// `event_time` is the batch's time in microseconds since 1970-01-01T00:00:00Z: the only clock that the step has.
    ///
    /// # Errors
    ///
    /// When the plugin traps, exceeds a limit, refuses the batch, or returns what no step may return. The error
    /// tells what it used and logged until then. The plugin can be used again at once.
    pub fn run(&self, step: &Step, input: &RecordBatch, event_time: i64) -> Result<Output, StepError> {
        let mut run = Run::default();
        match self.try_run(step, input, event_time, &mut run) {
            Ok(converted) => Ok(Output {
                batch: converted.batch,
                rows: converted.rows,
                rejected: converted.rejected,
                origins: converted.origins,
                usage: Usage {
                    output_bytes: converted.output_bytes,
                    ..run.usage
                },
                log: run.log,
            }),
            Err(failure) => Err(StepError {
                plugin: self.inner.id.clone(),
                step: step.name.clone(),
                failure: Box::new(failure),
                usage: Box::new(run.usage),
                log: run.log,
            }),
        }
    }

    fn try_run(
        &self,
        step: &Step,
        input: &RecordBatch,
        event_time: i64,
        run: &mut Run,
    ) -> Result<convert::Converted, Failure> {
        let rows = u32::try_from(input.num_rows()).map_err(|_| InputError::Rows {
            rows: input.num_rows(),
        })?;
        let columns = lower::columns(step, input)?;
        let columns: Vec<_> = columns.iter().map(lower::Column::param).collect();
        let batch = types::Batch {
            rows,
            event_time,
            columns: &columns,
        };
        let answer = self.enter(rows, run, |store| {
            let instance = self.inner.pre.instantiate(&mut *store)?;
            instance.call_run(store, &step.name, batch)
        })?;
        let output = answer.map_err(|message| Failure::Refused {
            message: text::clip(&message, self.limits.message_bytes),
        })?;
        convert::convert(output, step, input, &self.limits)
    }

    /// Calls into a guest of its own. Whatever happens, its instance is gone afterwards and its place in the pool free.
    pub(crate) fn enter<T>(
        &self,
        rows: u32,
        run: &mut Run,
        call: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let limits = &self.limits;
        let shared = &self.inner.shared;
        let _place = shared.places.take();
        let started = Instant::now();
        let guest = Guest {
            log: Log::default(),
            limits: *limits,
            limiter: Limiter::new(limits),
        };
        let mut store = Store::new(&shared.engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        store.set_epoch_deadline(ticks(limits.wall_clock));
        store.set_hostcall_fuel(lift_bytes(limits, rows));
        let answer = store.set_fuel(limits.fuel).and_then(|()| call(&mut store));
        let fuel_left = store.get_fuel().unwrap_or_default();
        let guest = store.into_data();
        run.usage = Usage {
            fuel: limits.fuel.saturating_sub(fuel_left),
            wall: started.elapsed(),
            memory_peak: guest.limiter.memory_peak,
            log_lines: guest.log.offered_lines,
            log_bytes: guest.log.offered_bytes,
            output_bytes: 0,
        };
        run.log = guest.log.lines;
        answer.map_err(|error| trap::failure(&error, limits, guest.log.panic))
    }
}

/// What is known about a batch however it ends.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) usage: Usage,
    pub(crate) log: Vec<LogLine>,
}

/// Ticks of the clock until the deadline. One more than fits, since the current one has begun already.
fn ticks(limit: Duration) -> u64 {
    let ticks = limit.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX >> 1).saturating_add(1)
}

/// Bytes that wasmtime may copy out of the guest: the output, and the lists that come with it.
fn lift_bytes(limits: &Limits, rows: u32) -> usize {
    const SMALL_LISTS: u64 = 1 << 20;
    const RULE_AND_MESSAGE: u64 = 256;
    let rejection = (mem::size_of::<types::Rejection>() as u64).saturating_add(RULE_AND_MESSAGE);
    let rejections = u64::from(limits.rejections.min(rows)).saturating_mul(rejection);
    let taken = u64::from(limits.output_rows).saturating_mul(4);
    let bytes = limits
        .output_bytes
        .saturating_add(rejections)
        .saturating_add(taken)
        .saturating_add(SMALL_LISTS);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
