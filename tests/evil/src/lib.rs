//! A hostile guest. The step's name chooses the payload: how to attack, or (the `echo` steps) how to behave.
//!
//! Functions are chosen by their name in the same way: see `function.rs`.
//!
//! `family/payload`, or `family_payload` where it has to be a name that a contract allows.
//!
//! The hostile payloads expect two columns, an int64 and a utf8, and a product of the same two columns.

mod behave;
mod crash;
mod exhaust;
mod function;
mod lie;

wit_bindgen::generate!({ world: "plugin-with-functions", path: "../../wit" });

pub(crate) use malla::plugin::columns::{Booleans, Decimals, Float64s, Int32s, Int64s, Texts};
pub(crate) use malla::plugin::log;
pub(crate) use malla::plugin::types::{OutputColumn, Rejection, Rows};

struct Evil;

impl Guest for Evil {
    fn run(step: String, batch: Batch) -> Result<Output, String> {
        report_panics();
        let (family, payload) = step.split_once(['/', '_']).unwrap_or(("", &step));
        match family {
            "echo" => behave::run(payload, batch),
            "crash" => crash::run(payload, batch),
            "exhaust" => exhaust::run(payload, batch),
            "lie" => lie::run(payload, batch),
            _ => Err(format!("no payload `{step}`")),
        }
    }

    fn call(function: String, rows: u32, columns: Vec<Column>) -> Result<Column, String> {
        report_panics();
        function::call(&function, rows as usize, columns)
    }
}

fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no message");
        let place = info
            .location()
            .map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column()));
        log::panicked(message, &place.unwrap_or_default());
    }));
}

export!(Evil);
