//! What can go wrong. No error holds a value of a batch; what the plugin itself wrote is cut to a bearable length.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::{LogLine, PluginId, Usage};

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime refused the configuration, or the machine has too little address space for the pool.
    #[error("the engine did not start: {reason}; lower `instances` or `limits.memory`")]
    Engine {
        /// wasmtime's words.
        reason: String,
    },
    /// The cache folder cannot be made.
    #[error("no folder for compiled components at `{}`: {source}", dir.display())]
    CacheDir {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("no thread for the clock: {0}")]
    Thread(std::io::Error),
}

/// Why a component is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are a core module or nothing of the kind.
    #[error("not a WebAssembly component; build it with `malla plugin build`")]
    NotAComponent,
    /// The bytes are damaged.
    #[error("not valid WebAssembly: {reason}")]
    Invalid {
        /// The parser's words.
        reason: String,
    },
    /// The component asks for more than the log.
    #[error(
        "imports {}, which no plugin gets; the only import is `malla:plugin/log@0.1.0`",
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    )]
    ForbiddenImports {
        /// The imports, by their names.
        names: Vec<String>,
    },
    /// The component is not a plugin of this version of the boundary, or needs more than the pool gives.
    #[error(
        "does not fit the world `malla:plugin/plugin@0.1.0`: {reason}; build it against this host's `malla.wit`"
    )]
    Mismatch {
        /// wasmtime's words.
        reason: String,
    },
    /// wasmtime cannot compile it: it is not valid, uses features that are switched off, or exceeds the limits.
    #[error("does not compile: {reason}")]
    Compile {
        /// wasmtime's words.
        reason: String,
    },
    /// It took too long.
    #[error("not compiled within {limit:?} (`limits.compile_time`)")]
    CompileTime {
        /// The limit.
        limit: Duration,
    },
    /// It is too large to be looked at.
    #[error("has {bytes} bytes, more than {limit} (`limits.component_bytes`)")]
    Size {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A thread could not be started.
    #[error("no thread to compile on: {0}")]
    Thread(std::io::Error),
}

/// Why a batch did not go through a step.
#[derive(Debug, thiserror::Error)]
#[error("`{}` {}, step `{step}`: {failure}", plugin.name, plugin.version)]
pub struct StepError {
    /// The plugin that was asked.
    pub plugin: PluginId,
    /// The step that it was asked for.
    pub step: String,
    /// What went wrong.
    pub failure: Box<Failure>,
    /// What the plugin used until then.
    pub usage: Box<Usage>,
    /// What it logged until then.
    pub log: Vec<LogLine>,
}

/// Why a function gave no values.
#[derive(Debug, thiserror::Error)]
#[error("`{}` {}, function `{function}`: {failure}", plugin.name, plugin.version)]
pub struct CallError {
    /// The plugin that was asked.
    pub plugin: PluginId,
    /// The function that was called.
    pub function: String,
    /// What went wrong.
    pub failure: Box<Failure>,
    /// What the plugin used until then.
    pub usage: Box<Usage>,
    /// What it logged until then.
    pub log: Vec<LogLine>,
}

/// What went wrong in a step or function.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The host asked for what cannot be done; the plugin has not run.
    #[error("{0}")]
    Input(#[from] InputError),
    /// The step or function returned an error.
    #[error("it refused the batch: {message}")]
    Refused {
        /// The plugin's words.
        message: String,
    },
    /// The plugin ended in a trap.
    #[error("{}", trap_text(kind, panic.as_ref(), backtrace))]
    Trap {
        /// What kind of trap.
        kind: TrapKind,
        /// What the plugin said about it just before, if it was a panic.
        panic: Option<Panic>,
        /// Where in the plugin, innermost first.
        backtrace: Vec<Frame>,
    },
    /// The plugin used too much.
    #[error("more than {allowed} {limit} (`limits.{}`){}", limit.field(), backtrace_text(backtrace))]
    OverLimit {
        /// Of what.
        limit: Limit,
        /// How much it may use, in the limit's own unit.
        allowed: u64,
        /// Where in the plugin, innermost first; empty where the answer itself is too large.
        backtrace: Vec<Frame>,
    },
    /// What the plugin returned is not what a step returns.
    #[error("a broken promise: {0}")]
    Broken(#[from] BrokenPromise),
    /// wasmtime failed in a way that is no fault of the plugin's.
    #[error("the engine failed: {reason}")]
    Engine {
        /// wasmtime's words.
        reason: String,
    },
}

/// What the host cannot ask of a plugin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The step reads a column that the batch has not.
    #[error("reads column {index}, and the batch has {columns}")]
    NoColumn {
        /// Index that is read.
        index: usize,
        /// Columns of the batch.
        columns: usize,
    },
    /// The column has a type that does not cross the boundary.
    #[error("column `{column}` is {found}, which no plugin understands")]
    Type {
        /// Name of the column.
        column: String,
        /// Its type.
        found: String,
    },
    /// An argument has another number of values than there are rows.
    #[error("argument {index} has {found} values for {rows} rows")]
    Length {
        /// Which, from 0.
        index: usize,
        /// Rows of the call.
        rows: usize,
        /// Values of the argument.
        found: usize,
    },
    /// There is nothing to call.
    #[error("the component exports no functions")]
    NoFunctions,
    /// The batch has too many rows for their numbers to be 32 bits wide.
    #[error("a batch of {rows} rows is too large; read smaller ones")]
    Rows {
        /// Rows of the batch.
        rows: usize,
    },
}

/// A promise of `malla.wit` that a plugin broke. Columns are named as in the product.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says what each field is")]
pub enum BrokenPromise {
    #[error("returned {found} columns, and the product has {expected}")]
    ColumnCount { expected: usize, found: usize },
    #[error("column `{column}` is {found}, and should be {expected}")]
    ColumnType {
        column: String,
        expected: String,
        found: String,
    },
    #[error("column `{column}` has {found} values for {expected} rows")]
    Length {
        column: String,
        expected: usize,
        found: usize,
    },
    #[error("column `{column}` has an odd number of words")]
    HalfDecimal { column: String },
    #[error("the {bitmap} bitmap of column `{column}` has {found} bytes, and needs {expected}")]
    Bitmap {
        column: String,
        bitmap: &'static str,
        expected: usize,
        found: usize,
    },
    #[error("column `{column}` has {found} offsets for {rows} rows, and needs one more than rows")]
    OffsetCount {
        column: String,
        rows: usize,
        found: usize,
    },
    #[error("the first offset of column `{column}` is not 0")]
    OffsetStart { column: String },
    #[error("the offsets of column `{column}` go backwards at row {row}")]
    OffsetOrder { column: String, row: usize },
    #[error("the last offset of column `{column}` is {found}, and its text has {bytes} bytes")]
    OffsetEnd {
        column: String,
        found: i32,
        bytes: usize,
    },
    #[error("column `{column}` is not UTF-8, or an offset splits a character")]
    Utf8 { column: String },
    #[error("column `{column}` has {nulls} nulls, and the contract allows none")]
    Null { column: String, nulls: usize },
    #[error("column `{column}` has more than {precision} digits at row {row}")]
    Precision {
        column: String,
        precision: u8,
        row: usize,
    },
    #[error("column `{column}` is forwarded from column {index}, and the source has {columns}")]
    ForwardIndex {
        column: String,
        index: u32,
        columns: usize,
    },
    #[error(
        "column `{column}` is forwarded from `{source_column}`, which is {found}, and should be {expected}"
    )]
    ForwardType {
        column: String,
        source_column: String,
        expected: String,
        found: String,
    },
    #[error("the `keep` bitmap has {found} bytes, and {rows} rows need {expected}")]
    Keep {
        rows: usize,
        expected: usize,
        found: usize,
    },
    #[error("`take` names row {row} of {rows}")]
    Take { row: u32, rows: usize },
    #[error("rejects row {row} of {rows}")]
    RejectedRow { row: u32, rows: usize },
    #[error("rejects row {row} by `{rule}`, which is no rule of the step")]
    RejectedRule { row: u32, rule: String },
    #[error("rejects row {row} twice")]
    RejectedTwice { row: u32 },
    #[error("rejects row {row} and returns it as well")]
    RejectedAndKept { row: u32 },
    /// The answer is not even laid out as the types say: a list outside of memory, a text that is not UTF-8, ...
    #[error("the answer cannot be read: {reason}")]
    Abi { reason: String },
}

/// What a trap is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrapKind {
    /// The guest stopped itself: a panic, an abort, an exit, an assertion.
    #[error("stopped itself (unreachable)")]
    Unreachable,
    /// Too deep a recursion.
    #[error("stack overflow")]
    StackOverflow,
    /// An address outside of its memory.
    #[error("access outside of its memory")]
    MemoryOutOfBounds,
    /// An integer divided by zero.
    #[error("integer division by zero")]
    DivisionByZero,
    /// The smallest integer divided by -1, or a float too large for an integer.
    #[error("integer overflow")]
    IntegerOverflow,
    /// A call through a table to a function that is not there or of another type.
    #[error("call of a function that is not there")]
    IndirectCall,
    /// Any other, in wasmtime's words.
    #[error("{0}")]
    Other(String),
}

/// What a panic said. A guest can claim anything here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// Its message. It may quote values that the plugin read.
    pub message: String,
    /// file:line:column.
    pub place: String,
}

/// A frame of a guest's stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Name of the function, or its index where it has none.
    pub function: String,
    /// file:line, where the plugin carries debug information.
    pub place: Option<String>,
}

/// What there can be too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is a field of `Limits`")]
pub enum Limit {
    Memory,
    Fuel,
    WallClock,
    OutputBytes,
    OutputRows,
    Rejections,
    LogLines,
    LogBytes,
    TableElements,
}

impl Limit {
    /// Name of the field in [`crate::Limits`].
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Fuel => "fuel",
            Self::WallClock => "wall_clock",
            Self::OutputBytes => "output_bytes",
            Self::OutputRows => "output_rows",
            Self::Rejections => "rejections",
            Self::LogLines => "log_flood_lines",
            Self::LogBytes => "log_flood_bytes",
            Self::TableElements => "table_elements",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "bytes of memory",
            Self::Fuel => "units of fuel",
            Self::WallClock => "ms of time",
            Self::OutputBytes => "bytes of output",
            Self::OutputRows => "output rows",
            Self::Rejections => "rejections",
            Self::LogLines => "log lines",
            Self::LogBytes => "bytes of log",
            Self::TableElements => "table elements",
        })
    }
}

fn trap_text(kind: &TrapKind, panic: Option<&Panic>, backtrace: &[Frame]) -> String {
    match panic {
        Some(Panic { message, place }) => format!("panicked at {place}: {message}"),
        None => format!("{kind}{}", backtrace_text(backtrace)),
    }
}

/// The innermost frame that the author may know, which is none of the language's own.
fn backtrace_text(backtrace: &[Frame]) -> String {
    const RUNTIME: [&str; 6] = ["std::", "core::", "alloc::", "dlmalloc::", "__", "abort"];
    let own = |frame: &&Frame| {
        !RUNTIME
            .iter()
            .any(|prefix| frame.function.trim_start_matches('<').starts_with(prefix))
    };
    match backtrace.iter().find(own).or(backtrace.first()) {
        Some(Frame {
            function,
            place: Some(place),
        }) => format!(", in `{function}` at {place}"),
        Some(Frame {
            function,
            place: None,
        }) => format!(", in `{function}`"),
        None => String::new(),
    }
}
