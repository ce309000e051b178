//! The one interface that a plugin can call: `malla:plugin/log`.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, WasmStr};

use crate::error::{Limit, Panic};
use crate::limiter::OverLimit;
use crate::plugin::Guest;
use crate::text::clip;
use crate::{Limits, imports};

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub enum LogLevel {
    /// For whoever debugs the plugin.
    #[component(name = "debug")]
    Debug,
    /// Worth knowing.
    #[component(name = "info")]
    Info,
    /// Something is not as it should be.
    #[component(name = "warn")]
    Warn,
    /// Something went wrong.
    #[component(name = "error")]
    Error,
}

/// What a plugin wrote to its log. It may quote values that the plugin read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// Cut to [`Limits::message_bytes`], without control characters.
    pub message: String,
}

/// The log of one batch.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<LogLine>,
    pub(crate) offered_lines: u64,
    pub(crate) offered_bytes: u64,
    pub(crate) panic: Option<Panic>,
    kept_bytes: u64,
}

impl Log {
    /// Counts a call, or says that there were too many. Nothing is copied before this.
    fn count(&mut self, limits: &Limits, bytes: usize) -> Result<(), OverLimit> {
        self.offered_lines = self.offered_lines.saturating_add(1);
        self.offered_bytes = self.offered_bytes.saturating_add(bytes as u64);
        if self.offered_lines > limits.log_flood_lines {
            return Err(OverLimit {
                limit: Limit::LogLines,
                allowed: limits.log_flood_lines,
            });
        }
        if self.offered_bytes > limits.log_flood_bytes {
            return Err(OverLimit {
                limit: Limit::LogBytes,
                allowed: limits.log_flood_bytes,
            });
        }
        Ok(())
    }

    fn write(&mut self, limits: &Limits, level: LogLevel, message: &str) -> Result<(), OverLimit> {
        self.count(limits, message.len())?;
        let bytes = message.len().min(limits.message_bytes) as u64;
        let room = limits.log_bytes.saturating_sub(self.kept_bytes);
        if (self.lines.len() as u64) < limits.log_lines && bytes <= room {
            self.kept_bytes = self.kept_bytes.saturating_add(bytes);
            self.lines.push(LogLine {
                level,
                message: clip(message, limits.message_bytes),
            });
        }
        Ok(())
    }

    fn panicked(&mut self, limits: &Limits, message: &str, place: &str) -> Result<(), OverLimit> {
        self.count(limits, message.len().saturating_add(place.len()))?;
        self.panic = Some(Panic {
            message: clip(message, limits.message_bytes),
            place: clip(place, limits.message_bytes.min(256)),
        });
        Ok(())
    }
}

/// Offers the log to guests.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut log = linker.instance(imports::LOG)?;
    // Text is borrowed from the guest's memory: a line that will be dropped is not copied first.
    log.func_wrap(
        "write",
        |mut store: StoreContextMut<'_, Guest>, (level, message): (LogLevel, WasmStr)| {
            let (limits, mut log) = store.data_mut().take_log();
            let written = log.write(&limits, level, &message.to_str(&store)?);
            store.data_mut().log = log;
            written.map_err(wasmtime::Error::new)
        },
    )?;
    log.func_wrap(
        "panicked",
        |mut store: StoreContextMut<'_, Guest>, (message, place): (WasmStr, WasmStr)| {
            let (limits, mut log) = store.data_mut().take_log();
            let written = log.panicked(&limits, &message.to_str(&store)?, &place.to_str(&store)?);
            store.data_mut().log = log;
            written.map_err(wasmtime::Error::new)
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_dropped_and_counted() {
        let limits = Limits::default().with_log_lines(2).with_log_bytes(10);
        let mut log = Log::default();
        for message in ["12345", "1234567", "12345", "1"] {
            log.write(&limits, LogLevel::Info, message).unwrap();
        }
        let kept: Vec<&str> = log.lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(kept, ["12345", "12345"]);
        assert_eq!((log.offered_lines, log.offered_bytes), (4, 18));
    }

    #[test]
    fn a_flood_is_an_error() {
        let limits = Limits::default().with_log_flood_lines(1).with_log_flood_bytes(3);
        let mut log = Log::default();
        assert_eq!(
            log.write(&limits, LogLevel::Info, "1234").unwrap_err().limit,
            Limit::LogBytes
        );
        let mut log = Log::default();
        log.write(&limits, LogLevel::Info, "1").unwrap();
        assert_eq!(log.panicked(&limits, "", "").unwrap_err().limit, Limit::LogLines);
    }
}
