//! Payloads that ask for too much.

use std::hint::black_box;

use crate::{Batch, Column, Int64s, Output, Rejection, Rows, Texts, behave, log};

// A name of its own in backtraces.
#[inline(never)]
pub(crate) fn run(payload: &str, batch: Batch) -> Result<Output, String> {
    let rows = batch.rows;
    match payload {
        "memory" => memory(),
        "loop" => {
            let mut count = 0_u64;
            loop {
                count = black_box(count + 1);
            }
        }
        // One instruction that takes long: it asks for the clock only at its start.
        "copy" => {
            let mut block = vec![1_u8; 64 << 20];
            let half = block.len() / 2;
            loop {
                let (to, from) = block.split_at_mut(half);
                to.copy_from_slice(black_box(from));
            }
        }
        "log-lines" => {
            for line in 0..1_000_000 {
                log::write(log::Level::Debug, if line % 2 == 0 { "a" } else { "b" });
            }
            Ok(behave::computed(batch.columns, Rows::All))
        }
        "log-some" => {
            for line in 0..2_000 {
                log::write(log::Level::Info, &format!("line {line}"));
            }
            Ok(behave::computed(batch.columns, Rows::All))
        }
        "log-bytes" => {
            log::write(log::Level::Error, &"x".repeat(100_000_000));
            Ok(behave::computed(batch.columns, Rows::All))
        }
        "panicked-lines" => loop {
            log::panicked("again", "src/lib.rs:1:1");
        },
        "error" => Err("é".repeat(5_000_000)),
        "rejections" => {
            let rejected = (0..10_000_000)
                .map(|row| Rejection {
                    row: row % rows,
                    rule: String::new(),
                    message: String::new(),
                })
                .collect();
            Ok(Output {
                rejected,
                ..behave::computed(batch.columns, Rows::Take(vec![]))
            })
        }
        "rejections-some" => {
            let rejected = (0..500_000)
                .map(|row| Rejection {
                    row: row % rows,
                    rule: "r".into(),
                    message: String::new(),
                })
                .collect();
            Ok(Output {
                rejected,
                ..behave::computed(batch.columns, Rows::Take(vec![]))
            })
        }
        // A few rows of the source, repeated without end.
        "take" => {
            let order = vec![0; 5_000_000];
            Ok(Output {
                rows: Rows::Take(order),
                columns: forwards(),
                rejected: vec![],
            })
        }
        // Not so many rows, but long ones: a small answer that means a large batch.
        "take-wide" => {
            let order = vec![0; 1_000_000];
            Ok(Output {
                rows: Rows::Take(order),
                columns: forwards(),
                rejected: vec![],
            })
        }
        "output" => {
            let values = vec![7_i64; 12_500_000];
            let order = (0..12_500_000).map(|_| 0).collect();
            let offsets = vec![0; 12_500_001];
            Ok(behave::computed(
                vec![
                    Column::Int64(Int64s {
                        values,
                        validity: None,
                    }),
                    Column::Utf8(Texts {
                        offsets,
                        bytes: vec![],
                        validity: None,
                    }),
                ],
                Rows::Take(order),
            ))
        }
        _ => Err(format!("no payload `{payload}`")),
    }
}

// Backtraces name whoever calls it.
#[inline(always)]
pub(crate) fn memory() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn forwards() -> Vec<crate::OutputColumn> {
    vec![crate::OutputColumn::Forward(0), crate::OutputColumn::Forward(1)]
}
