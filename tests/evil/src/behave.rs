//! Steps that keep every promise: the round trip of each type, and proofs of isolation.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::{
    Batch, Booleans, Column, Decimals, Float64s, Int32s, Int64s, Output, OutputColumn, Rejection, Rows,
    Texts, log,
};

static RUNS: AtomicI64 = AtomicI64::new(0);

pub(crate) fn run(payload: &str, batch: Batch) -> Result<Output, String> {
    let rows = batch.rows;
    match payload {
        "all" => Ok(computed(batch.columns, Rows::All)),
        "even" => {
            let mut bits = vec![0_u8; rows.div_ceil(8) as usize];
            for row in (0..rows as usize).step_by(2) {
                bits[row / 8] |= 1 << (row % 8);
            }
            Ok(computed(batch.columns, Rows::Keep(bits)))
        }
        "reverse" => {
            let order: Vec<u32> = (0..rows).rev().collect();
            let columns = batch
                .columns
                .iter()
                .map(|column| gather(column, &order))
                .collect();
            Ok(computed(columns, Rows::Take(order)))
        }
        // Columns unseen: all of the source, by index, each row twice.
        "forward-twice" => {
            let order = (0..rows).flat_map(|row| [row, row]).collect();
            Ok(Output {
                rows: Rows::Take(order),
                columns: forwards(&batch),
                rejected: vec![],
            })
        }
        "forward" => Ok(Output {
            rows: Rows::All,
            columns: forwards(&batch),
            rejected: vec![],
        }),
        // Rejects every third row, keeps the rest.
        "reject" => {
            let mut bits = vec![0_u8; rows.div_ceil(8) as usize];
            for row in (0..rows as usize).filter(|row| row % 3 != 0) {
                bits[row / 8] |= 1 << (row % 8);
            }
            let rejected = (0..rows)
                .step_by(3)
                .map(|row| Rejection {
                    row,
                    rule: "third".into(),
                    message: format!("row {row}"),
                })
                .collect();
            Ok(Output {
                rejected,
                ..computed(batch.columns, Rows::Keep(bits))
            })
        }
        "refuse" => Err("this batch is not for me".into()),
        "say" => {
            log::write(log::Level::Info, &format!("rows: {rows}"));
            log::write(log::Level::Warn, "two");
            Ok(computed(batch.columns, Rows::All))
        }
        // An e-mail address made of a number, in every other row.
        "invent" => {
            let (mut offsets, mut bytes) = (vec![0], vec![]);
            for row in 0..rows {
                let text = if row % 2 == 0 { format!("ana{row}@correo.mx") } else { "nada".into() };
                bytes.extend_from_slice(text.as_bytes());
                offsets.push(bytes.len() as i32);
            }
            let texts = Texts {
                offsets,
                bytes,
                validity: None,
            };
            Ok(computed(vec![Column::Utf8(texts)], Rows::All))
        }
        // How often this instance has run, and what time it is: both must be the batch's own.
        "state" => {
            let run = RUNS.fetch_add(1, Ordering::Relaxed) + 1;
            let count = rows as usize;
            Ok(computed(
                vec![int64(vec![run; count]), int64(vec![batch.event_time; count])],
                Rows::All,
            ))
        }
        // The NaN that the machine makes, whose bits differ among machines unless they are made canonical.
        "nan" => {
            let zero = std::hint::black_box(0.0_f64);
            let values = (0..rows)
                .map(|row| {
                    if row % 2 == 0 {
                        zero / zero
                    } else {
                        -(zero / zero).sqrt()
                    }
                })
                .collect();
            Ok(computed(
                vec![Column::Float64(Float64s {
                    values,
                    validity: None,
                })],
                Rows::All,
            ))
        }
        _ => Err(format!("no payload `{payload}`")),
    }
}

fn int64(values: Vec<i64>) -> Column {
    Column::Int64(Int64s {
        values,
        validity: None,
    })
}

fn forwards(batch: &Batch) -> Vec<OutputColumn> {
    (0..batch.columns.len() as u32)
        .map(OutputColumn::Forward)
        .collect()
}

pub(crate) fn computed(columns: Vec<Column>, rows: Rows) -> Output {
    Output {
        rows,
        columns: columns.into_iter().map(OutputColumn::Computed).collect(),
        rejected: vec![],
    }
}

fn pick<T: Copy>(values: &[T], order: &[u32]) -> Vec<T> {
    order.iter().map(|row| values[*row as usize]).collect()
}

fn pick_bits(bits: &[u8], order: &[u32]) -> Vec<u8> {
    let mut out = vec![0; order.len().div_ceil(8)];
    for (to, from) in order.iter().map(|row| *row as usize).enumerate() {
        out[to / 8] |= (bits[from / 8] >> (from % 8) & 1) << (to % 8);
    }
    out
}

fn gather(column: &Column, order: &[u32]) -> Column {
    let valid = |validity: &Option<Vec<u8>>| validity.as_ref().map(|bits| pick_bits(bits, order));
    let int32s = |c: &Int32s| Int32s {
        values: pick(&c.values, order),
        validity: valid(&c.validity),
    };
    let int64s = |c: &Int64s| Int64s {
        values: pick(&c.values, order),
        validity: valid(&c.validity),
    };
    match column {
        Column::Boolean(c) => Column::Boolean(Booleans {
            values: pick_bits(&c.values, order),
            validity: valid(&c.validity),
        }),
        Column::Int32(c) => Column::Int32(int32s(c)),
        Column::Date32(c) => Column::Date32(int32s(c)),
        Column::Int64(c) => Column::Int64(int64s(c)),
        Column::TimestampUs(c) => Column::TimestampUs(int64s(c)),
        Column::Float64(c) => Column::Float64(Float64s {
            values: pick(&c.values, order),
            validity: valid(&c.validity),
        }),
        Column::Decimal128(c) => {
            let words = order
                .iter()
                .flat_map(|row| c.words[*row as usize * 2..][..2].to_vec())
                .collect();
            Column::Decimal128(Decimals {
                words,
                validity: valid(&c.validity),
            })
        }
        Column::Utf8(c) => {
            let (mut offsets, mut bytes) = (vec![0], vec![]);
            for row in order.iter().map(|row| *row as usize) {
                bytes.extend_from_slice(&c.bytes[c.offsets[row] as usize..c.offsets[row + 1] as usize]);
                offsets.push(bytes.len() as i32);
            }
            Column::Utf8(Texts {
                offsets,
                bytes,
                validity: valid(&c.validity),
            })
        }
    }
}
