//! From wasmtime's errors to ours.

use wasmtime::{Trap, WasmBacktrace};

use crate::Limits;
use crate::error::{BrokenPromise, Failure, Frame, Limit, Panic, TrapKind};
use crate::limiter::OverLimit;
use crate::text::clip;

const FRAMES: usize = 32;
const NAME: usize = 160;
const REASON: usize = 512;

/// Reads an error that came out of a call into a guest.
pub(crate) fn failure(error: &wasmtime::Error, limits: &Limits, panic: Option<Panic>) -> Failure {
    let backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .map(frames)
        .unwrap_or_default();
    if let Some(OverLimit { limit, allowed }) = error.downcast_ref::<OverLimit>() {
        return Failure::OverLimit {
            limit: *limit,
            allowed: *allowed,
            backtrace,
        };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let kind = match trap {
            Trap::OutOfFuel => {
                return Failure::OverLimit {
                    limit: Limit::Fuel,
                    allowed: limits.fuel,
                    backtrace,
                };
            }
            Trap::Interrupt => {
                let allowed = u64::try_from(limits.wall_clock.as_millis()).unwrap_or(u64::MAX);
                return Failure::OverLimit {
                    limit: Limit::WallClock,
                    allowed,
                    backtrace,
                };
            }
            Trap::UnreachableCodeReached => TrapKind::Unreachable,
            Trap::StackOverflow => TrapKind::StackOverflow,
            Trap::MemoryOutOfBounds | Trap::HeapMisaligned => TrapKind::MemoryOutOfBounds,
            Trap::IntegerDivisionByZero => TrapKind::DivisionByZero,
            Trap::IntegerOverflow | Trap::BadConversionToInteger => TrapKind::IntegerOverflow,
            Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => TrapKind::IndirectCall,
            other => TrapKind::Other(other.to_string()),
        };
        // Only a guest that stopped itself can have said why.
        let panic = panic.filter(|_| kind == TrapKind::Unreachable);
        return Failure::Trap {
            kind,
            panic,
            backtrace,
        };
    }
    let reason = error.root_cause().to_string();
    // wasmtime keeps this type to itself; a test holds the words.
    if reason.contains("fuel allocated for hostcalls has been exhausted") {
        return Failure::OverLimit {
            limit: Limit::OutputBytes,
            allowed: limits.output_bytes,
            backtrace,
        };
    }
    // Neither a trap nor a limit: the guest handed over what cannot be read.
    Failure::Broken(BrokenPromise::Abi {
        reason: clip(&reason, REASON),
    })
}

/// wasmtime's words, all of them on one line.
pub(crate) fn reason(error: &wasmtime::Error) -> String {
    clip(&format!("{error:#}"), REASON)
}

fn frames(backtrace: &WasmBacktrace) -> Vec<Frame> {
    backtrace.frames().iter().take(FRAMES).map(frame).collect()
}

fn frame(info: &wasmtime::FrameInfo) -> Frame {
    let symbol = info.symbols().first();
    let function = symbol
        .and_then(wasmtime::FrameSymbol::name)
        .map(str::to_owned)
        .or_else(|| info.func_name().map(demangle))
        .unwrap_or_else(|| format!("function {}", info.func_index()));
    let place = symbol.and_then(|symbol| Some(format!("{}:{}", symbol.file()?, symbol.line()?)));
    Frame {
        function: clip(&function, NAME),
        place: place.map(|place| clip(&place, NAME)),
    }
}

fn demangle(name: &str) -> String {
    // The alternate form leaves out the hash.
    rustc_demangle::try_demangle(name).map_or_else(|_| name.to_owned(), |plain| format!("{plain:#}"))
}
