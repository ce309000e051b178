//! The reference transform across Malla's boundary: three columns in, two out, eight forwarded unseen. And a part of it as a
//! function for SQL.

wit_bindgen::generate!({ world: "plugin-with-functions", path: "../../../../../wit" });

use malla::plugin::columns::{Float64s, Int32s};
use malla::plugin::types::{OutputColumn, Rows};

#[path = "../../../transform/mod.rs"]
mod transform;

struct Columns;

impl Guest for Columns {
    fn run(_step: String, batch: Batch) -> Result<Output, String> {
        let [Column::Float64(monto), Column::Utf8(moneda), Column::Int64(ts)] = &batch.columns[..] else {
            return Err("reads monto, moneda and ts".into());
        };
        let (usd, fecha, keep) =
            transform::transform(&monto.values, &moneda.offsets, &moneda.bytes, &ts.values);
        let mut columns: Vec<OutputColumn> = (0..8).map(OutputColumn::Forward).collect();
        columns.push(OutputColumn::Computed(Column::Float64(Float64s { values: usd, validity: None })));
        columns.push(OutputColumn::Computed(Column::Int32(Int32s { values: fecha, validity: None })));
        Ok(Output { rows: Rows::Keep(keep), columns, rejected: vec![] })
    }

    fn call(_function: String, _rows: u32, columns: Vec<Column>) -> Result<Column, String> {
        let [Column::Float64(monto), Column::Utf8(moneda)] = &columns[..] else {
            return Err("takes monto and moneda".into());
        };
        let values = transform::usd(&monto.values, &moneda.offsets, &moneda.bytes);
        Ok(Column::Float64(Float64s { values, validity: None }))
    }
}

export!(Columns);
