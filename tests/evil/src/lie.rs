//! Answers that break one promise each.

use crate::{Batch, Booleans, Column, Decimals, Int64s, Output, OutputColumn, Rejection, Rows, Texts, behave};

pub(crate) fn run(payload: &str, batch: Batch) -> Result<Output, String> {
    let rows = batch.rows as usize;
    let mut output = behave::computed(batch.columns, Rows::All);
    match payload {
        "rows-short" => numbers(&mut output, |c| c.values.truncate(rows - 1)),
        "rows-long" => numbers(&mut output, |c| c.values.push(0)),
        "no-columns" => output.columns.clear(),
        "a-column-more" => output.columns.push(OutputColumn::Forward(0)),
        "columns-swapped" => output.columns.swap(0, 1),
        "wrong-type" => {
            output.columns[0] = OutputColumn::Computed(Column::Decimal128(Decimals {
                words: vec![0; 2 * rows],
                validity: None,
            }));
        }
        "validity-short" => numbers(&mut output, |c| c.validity = Some(vec![])),
        "validity-long" => numbers(&mut output, |c| c.validity = Some(vec![0xFF; rows])),
        "null-where-none-may-be" => numbers(&mut output, |c| {
            c.validity = Some(vec![0b1111_1011; rows.div_ceil(8)])
        }),
        "offsets-missing" => texts(&mut output, |c| c.offsets.truncate(rows)),
        "offsets-none" => texts(&mut output, |c| c.offsets.clear()),
        "offsets-from-one" => texts(&mut output, |c| c.offsets[0] = 1),
        "offsets-negative" => texts(&mut output, |c| c.offsets[1] = -1),
        "offsets-backwards" => texts(&mut output, |c| c.offsets.swap(1, 2)),
        "offsets-past-the-end" => texts(&mut output, |c| c.offsets[rows] = i32::MAX),
        "offsets-short-of-the-end" => texts(&mut output, |c| c.bytes.push(b'x')),
        "bad-utf8" => texts(&mut output, |c| c.bytes[0] = 0xFF),
        "split-character" => texts(&mut output, |c| {
            let length = c.bytes.len();
            c.bytes = "é".repeat(length).into_bytes();
            c.bytes.truncate(length / 2 * 2);
            c.offsets = (0..=rows as i32).collect();
            c.bytes.truncate(rows / 2 * 2);
        }),
        "forward-past-the-end" => output.columns[0] = OutputColumn::Forward(99),
        "forward-max" => output.columns[0] = OutputColumn::Forward(u32::MAX),
        "forward-wrong-type" => output.columns[0] = OutputColumn::Forward(1),
        "keep-short" => output.rows = Rows::Keep(vec![0xFF; rows / 8]),
        "keep-long" => output.rows = Rows::Keep(vec![0xFF; rows]),
        "take-past-the-end" => output.rows = Rows::Take(vec![rows as u32; rows]),
        "take-max" => output.rows = Rows::Take(vec![u32::MAX; rows]),
        "take-other-count" => output.rows = Rows::Take(vec![0; rows + 1]),
        "reject-past-the-end" => output = reject(output, &[(rows as u32, "rule")]),
        "reject-unknown-rule" => output = reject(output, &[(0, "no such rule")]),
        "reject-twice" => output = reject(output, &[(1, "rule"), (1, "rule")]),
        "reject-and-all" => output.rejected = rejections(&[(1, "rule")]),
        "reject-and-keep" => {
            output.rows = Rows::Keep(vec![0xFF; rows.div_ceil(8)]);
            output.rejected = rejections(&[(1, "rule")]);
        }
        "reject-and-take" => {
            output.rows = Rows::Take((0..rows as u32).collect());
            output.rejected = rejections(&[(1, "rule")]);
        }
        // For a product of one decimal(4,2).
        "precision" => {
            let words = (0..rows).flat_map(|_| [10_000, 0]).collect();
            output = behave::computed(
                vec![Column::Decimal128(Decimals {
                    words,
                    validity: None,
                })],
                Rows::All,
            );
        }
        "precision-negative" => {
            let words = (0..rows).flat_map(|_| [0, 1 << 63]).collect();
            output = behave::computed(
                vec![Column::Decimal128(Decimals {
                    words,
                    validity: None,
                })],
                Rows::All,
            );
        }
        "decimal-odd-words" => {
            let words = vec![0; 2 * rows - 1];
            output = behave::computed(
                vec![Column::Decimal128(Decimals {
                    words,
                    validity: None,
                })],
                Rows::All,
            );
        }
        // For a product of one boolean.
        "booleans-short" => {
            output = behave::computed(
                vec![Column::Boolean(Booleans {
                    values: vec![0xFF; rows / 8],
                    validity: None,
                })],
                Rows::All,
            );
        }
        _ => return Err(format!("no payload `{payload}`")),
    }
    Ok(output)
}

fn numbers(output: &mut Output, change: impl FnOnce(&mut Int64s)) {
    if let OutputColumn::Computed(Column::Int64(column)) = &mut output.columns[0] {
        change(column);
    }
}

fn texts(output: &mut Output, change: impl FnOnce(&mut Texts)) {
    if let OutputColumn::Computed(Column::Utf8(column)) = &mut output.columns[1] {
        change(column);
    }
}

fn rejections(rows: &[(u32, &str)]) -> Vec<Rejection> {
    rows.iter()
        .map(|(row, rule)| Rejection {
            row: *row,
            rule: (*rule).into(),
            message: "no".into(),
        })
        .collect()
}

/// Rejects these rows and keeps none, so that nothing else is wrong.
fn reject(output: Output, rows: &[(u32, &str)]) -> Output {
    Output {
        rows: Rows::Keep(vec![0; output_rows(&output).div_ceil(8)]),
        rejected: rejections(rows),
        ..output
    }
}

fn output_rows(output: &Output) -> usize {
    match &output.columns[0] {
        OutputColumn::Computed(Column::Int64(column)) => column.values.len(),
        _ => 0,
    }
}
