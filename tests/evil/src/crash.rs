//! Payloads that end in a trap.

use std::hint::black_box;

use crate::{Batch, Output, Rows, behave, log};

pub(crate) fn run(payload: &str, batch: Batch) -> Result<Output, String> {
    match payload {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "panic" => panic!("monto of row {} is odd", batch.rows),
        "panic-long" => panic!("{}", "x".repeat(1 << 20)),
        "divide-by-zero" => {
            let zero = black_box(0);
            black_box(1 / zero);
        }
        "unwrap" => {
            let nothing: Option<u32> = black_box(None);
            black_box(nothing.unwrap());
        }
        // Address 0 is memory like any other in Wasm: nothing outside the guest can be harmed.
        // SAFETY: none; that is the point.
        "null-pointer" => unsafe {
            black_box(std::ptr::read_volatile(black_box(0_usize) as *const u64));
        },
        // SAFETY: none; that is the point.
        "far-pointer" => unsafe {
            black_box(std::ptr::read_volatile(black_box(0xFFFF_FF00_usize) as *const u64));
        },
        "stack-overflow" => {
            black_box(deeper(black_box(1)));
        }
        // The panic hook runs, then the trap; before it the plugin claims a panic that is not so.
        "false-panic" => {
            log::panicked("all is well", "nowhere:0:0");
            return Ok(behave::computed(batch.columns, Rows::All));
        }
        _ => return Err(format!("no payload `{payload}`")),
    }
    Ok(behave::computed(batch.columns, Rows::All))
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX {
        0
    } else {
        black_box(depth) + deeper(depth + 1)
    }
}
