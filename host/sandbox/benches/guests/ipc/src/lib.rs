//! The reference transform behind the boundary that others have: Arrow IPC bytes in, Arrow IPC bytes out.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{BooleanArray, Float64Array, Int32Array, RecordBatch};
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};

wit_bindgen::generate!({
    inline: "package bench:ipc; world ipc { export run: func(batch: list<u8>) -> result<list<u8>, string>; }",
});

struct Ipc;

impl Guest for Ipc {
    fn run(batch: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut bytes = batch.into();
        let batch = StreamDecoder::new().decode(&mut bytes).map_err(text)?.ok_or("no batch")?;
        let output = transform(&batch).map_err(text)?;
        let mut writer = StreamWriter::try_new(Vec::with_capacity(8 << 20), &output.schema()).map_err(text)?;
        writer.write(&output).map_err(text)?;
        writer.into_inner().map_err(text)
    }
}

fn transform(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let monto = batch.column(5).as_primitive::<Float64Type>().values();
    let moneda = batch.column(6).as_string::<i32>();
    let ts = batch.column(7).as_primitive::<Int64Type>().values();
    let usd: Float64Array =
        monto.iter().zip(moneda).map(|(value, code)| value * rate(code.unwrap_or_default())).collect::<Vec<_>>().into();
    let fecha: Int32Array = ts.iter().map(|ts| ts.div_euclid(86_400_000_000) as i32).collect::<Vec<_>>().into();
    let keep: BooleanArray = monto.iter().map(|value| Some(*value > 0.0)).collect();
    let mut fields = batch.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("monto_usd", DataType::Float64, false)));
    fields.push(Arc::new(Field::new("fecha", DataType::Int32, false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(usd));
    columns.push(Arc::new(fecha));
    arrow_select::filter::filter_record_batch(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?, &keep)
}

fn rate(code: &str) -> f64 {
    match code {
        "EUR" => 1.08,
        "USD" => 1.0,
        "MXN" => 0.058,
        "COP" => 0.00025,
        _ => 0.0,
    }
}

fn text(error: ArrowError) -> String {
    error.to_string()
}

export!(Ipc);
