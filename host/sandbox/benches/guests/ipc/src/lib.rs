//! The reference transform behind the boundary that others have: Arrow IPC bytes in, Arrow IPC bytes out.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{BooleanArray, Float64Array, Int32Array, RecordBatch};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};

wit_bindgen::generate!({
    inline: "package bench:ipc; world ipc { export run: func(batch: list<u8>) -> result<list<u8>, string>; }",
});

#[path = "../../../transform/mod.rs"]
mod transform;

struct Ipc;

impl Guest for Ipc {
    fn run(batch: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut bytes = batch.into();
        let batch = StreamDecoder::new().decode(&mut bytes).map_err(text)?.ok_or("no batch")?;
        let output = answer(&batch).map_err(text)?;
        let mut writer = StreamWriter::try_new(Vec::with_capacity(8 << 20), &output.schema()).map_err(text)?;
        writer.write(&output).map_err(text)?;
        writer.into_inner().map_err(text)
    }
}

fn answer(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let monto = batch.column(5).as_primitive::<Float64Type>();
    let moneda = batch.column(6).as_string::<i32>();
    let ts = batch.column(7).as_primitive::<Int64Type>();
    let (usd, fecha, keep) =
        transform::transform(monto.values(), moneda.value_offsets(), moneda.value_data(), ts.values());
    let keep = BooleanArray::new(BooleanBuffer::new(Buffer::from_vec(keep), 0, batch.num_rows()), None);
    let mut fields = batch.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("monto_usd", DataType::Float64, false)));
    fields.push(Arc::new(Field::new("fecha", DataType::Int32, false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Float64Array::from(usd)));
    columns.push(Arc::new(Int32Array::from(fecha)));
    arrow_select::filter::filter_record_batch(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?, &keep)
}

fn text(error: ArrowError) -> String {
    error.to_string()
}

export!(Ipc);
