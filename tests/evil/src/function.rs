//! Functions of one bigint, honest and not.

use std::hint::black_box;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::{Column, Decimals, Int64s, Texts, exhaust, log};

static CALLS: AtomicI64 = AtomicI64::new(0);

/// A test that wants other code around the same contract changes the last letter in the component.
static FACTOR: &str = "malo-factor-2";

pub(crate) fn call(function: &str, rows: usize, columns: Vec<Column>) -> Result<Column, String> {
    match function {
        "fn_times" => {
            let letter = black_box(FACTOR).as_bytes()[FACTOR.len() - 1];
            map(columns, |n| n.wrapping_mul(i64::from(letter - b'0')))
        }
        "fn_panic" => panic!("{:?} is odd", first(&columns)),
        "fn_odd" => match first(&columns) {
            Some(number) if number % 2 != 0 => Err(format!("{number} is odd")),
            _ => map(columns, |n| n),
        },
        "fn_refuse" => Err(format!("{:?} is odd", first(&columns))),
        "fn_say" => {
            log::write(log::Level::Info, &format!("first: {:?}", first(&columns)));
            map(columns, |n| n)
        }
        "fn_loop" => loop {
            black_box(CALLS.fetch_add(1, Ordering::Relaxed));
        },
        "fn_memory" => exhaust::memory(),
        // How often this instance was called, and with how many rows.
        "fn_state" => {
            let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
            map(columns, |_| calls)
        }
        "fn_batch" => map(columns, |_| rows as i64),
        "fn_short" => {
            let Column::Int64(mut column) = map(columns, |n| n)? else {
                return Err("no numbers".into());
            };
            column.values.pop();
            Ok(Column::Int64(column))
        }
        "fn_type" => Ok(Column::Date32(crate::Int32s {
            values: vec![0; rows],
            validity: None,
        })),
        "fn_null" => Ok(Column::Int64(Int64s {
            values: vec![0; rows],
            validity: Some(vec![0; rows.div_ceil(8)]),
        })),
        "fn_validity" => Ok(Column::Int64(Int64s {
            values: vec![0; rows],
            validity: Some(vec![]),
        })),
        "fn_utf8" => Ok(Column::Utf8(Texts {
            offsets: (0..=rows as i32).collect(),
            bytes: vec![0xFF; rows],
            validity: None,
        })),
        "fn_digits" => Ok(Column::Decimal128(Decimals {
            words: [10_000, 0].repeat(rows),
            validity: None,
        })),
        "fn_large" => Ok(Column::Utf8(Texts {
            offsets: (0..=rows as i32).map(|row| row * 100_000).collect(),
            bytes: vec![b'x'; rows * 100_000],
            validity: None,
        })),
        _ => Err(format!("no function `{function}`")),
    }
}

fn first(columns: &[Column]) -> Option<i64> {
    match columns.first() {
        Some(Column::Int64(column)) => column.values.first().copied(),
        _ => None,
    }
}

fn map(columns: Vec<Column>, value: impl Fn(i64) -> i64) -> Result<Column, String> {
    match columns.into_iter().next() {
        Some(Column::Int64(mut column)) => {
            for number in &mut column.values {
                *number = value(*number);
            }
            Ok(Column::Int64(column))
        }
        _ => Err("takes a bigint".into()),
    }
}
