//! The reference transform across Malla's boundary: three columns in, two out, eight forwarded unseen.

wit_bindgen::generate!({ world: "plugin", path: "../../../../../wit" });

use malla::plugin::columns::{Column, Float64s, Int32s};
use malla::plugin::types::{OutputColumn, Rows};

struct Columns;

impl Guest for Columns {
    fn run(_step: String, batch: Batch) -> Result<Output, String> {
        let [Column::Float64(monto), Column::Utf8(moneda), Column::Int64(ts)] = &batch.columns[..] else {
            return Err("reads monto, moneda and ts".into());
        };
        let rows = monto.values.len();
        let mut keep = vec![0_u8; rows.div_ceil(8)];
        let mut usd = Vec::with_capacity(rows);
        let mut fecha = Vec::with_capacity(rows);
        for row in 0..rows {
            let code = &moneda.bytes[moneda.offsets[row] as usize..moneda.offsets[row + 1] as usize];
            let value = monto.values[row];
            keep[row / 8] |= u8::from(value > 0.0) << (row % 8);
            usd.push(value * rate(code));
            fecha.push(ts.values[row].div_euclid(86_400_000_000) as i32);
        }
        let mut columns: Vec<OutputColumn> = (0..8).map(OutputColumn::Forward).collect();
        columns.push(OutputColumn::Computed(Column::Float64(Float64s { values: usd, validity: None })));
        columns.push(OutputColumn::Computed(Column::Int32(Int32s { values: fecha, validity: None })));
        Ok(Output { rows: Rows::Keep(keep), columns, rejected: vec![] })
    }
}

fn rate(code: &[u8]) -> f64 {
    match code {
        b"EUR" => 1.08,
        b"USD" => 1.0,
        b"MXN" => 0.058,
        b"COP" => 0.00025,
        _ => 0.0,
    }
}

export!(Columns);
