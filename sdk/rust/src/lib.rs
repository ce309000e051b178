//! Write a Malla plugin step as plain Rust over columns.
//!
//! [`plugin!`] reads the plugin's `contract.yaml` when the plugin is compiled, and makes a module for each step of it. The
//! author implements one function a step:
//!
//! ```
//! use articulos::{Input, Output, Row, Rule};
//! use malla_sdk::{Decimal, Error, Rows, decimal};
//!
//! malla_sdk::plugin!(Tienda, "tests/tienda.yaml");
//!
//! struct Tienda;
//!
//! impl Plugin for Tienda {
//!     fn articulos(input: &Input<'_>, rows: &mut Rows<Rule>) -> Result<Output, Error> {
//!         Ok(Output {
//!             // Computed, one value for every row; rows with an error are rejected by that rule.
//!             neto: rows.accept(input.rows().map(neto)).collect(),
//!             // Computed from one column.
//!             nota: input.nota.iter().map(|nota| nota.map(str::to_uppercase)).collect(),
//!             // Forwarded: moved by the host. The contract does not let this step read `email`, and it does not.
//!             email: input.email.forward(),
//!             // Nullable in the source, required in the product: rows without it were rejected.
//!             tipo: input.r#type.forward_non_null(),
//!             id: input.id.forward(),
//!             cantidad: input.cantidad.forward(),
//!             puntos: input.puntos.forward(),
//!             peso: input.peso.forward(),
//!             precio: input.precio.forward(),
//!             descuento: input.descuento.forward(),
//!             activo: input.activo.forward(),
//!             oferta: input.oferta.forward(),
//!             dia: input.dia.forward(),
//!             timestamp: input.timestamp.forward(),
//!         })
//!     }
//! }
//!
//! fn neto(articulo: Row<'_>) -> Result<Decimal<2>, Rule> {
//!     let tax = articulo.r#type.and_then(|tipo| lookups::IMPUESTOS.get(tipo)).ok_or(Rule::SinTipo)?;
//!     let with_tax: Option<Decimal<2>> = articulo.precio.mul_rounded(decimal::<3>("1") + tax);
//!     with_tax.ok_or(Rule::SinPrecio)
//! }
//!
//! fn main() {
//!     // Tests run a step natively on plain values, and see what the host would.
//!     use articulos::{SourceRow, run_on};
//!     let libro = SourceRow { precio: decimal("10.00"), r#type: Some("reducido"), ..SourceRow::default() };
//!     let run = run_on(&[libro, SourceRow { r#type: None, ..libro }]).unwrap();
//!     assert_eq!(run.rows()[0].neto, decimal("11.00"));
//!     assert_eq!(run.rejected(), [(1, Rule::SinTipo)]);
//! }
//! ```
//!
//! # What the macro makes
//!
//! For each step of the contract, a module of its name:
//!
//! | item | what it is |
//! |---|---|
//! | `Input<'_>` | The source, a field for each column: [`Column`] if the step reads it, else [`Forward`]. |
//! | `Row<'_>` | The columns read, of one row: `input.rows()`. |
//! | `Output` | The product, a field for each column: [`OutputColumn`]. |
//! | `Rule` | The rules by which the step may reject a row. |
//! | `SourceRow`, `ProductRow`, `run_on`, `run_at` | For tests; see [`testing`]. |
//!
//! And once, the trait `Plugin` with a method for each step and each function, a module `lookups` with the contract's constant
//! tables ([`Lookup`]), and the component's exports.
//!
//! # Functions for SQL
//!
//! A contract's `mallaFunctions` are functions that its own SQL calls. Each is a method over the values of one row: what the
//! contract requires is a plain value, anything else an `Option`; texts come as `&str` and go as `String`.
//!
//! ```
//! # use malla_sdk::{Date, Decimal, Timestamp};
//! use malla_sdk::Error;
//!
//! malla_sdk::plugin!(Almacen, "tests/funciones.yaml");
//!
//! struct Almacen;
//!
//! impl Plugin for Almacen {
//!     // In the contract: { name: codigo, physicalType: string, required: true }, { name: peso, physicalType: double }
//!     fn etiqueta(codigo: &str, peso: Option<f64>) -> Result<Option<String>, Error> {
//!         Ok(peso.map(|peso| format!("{codigo}-{peso:.1}")))
//!     }
//! #   fn mismo_texto(a: Option<&str>) -> Result<String, Error> { Ok(a.unwrap_or_default().to_owned()) }
//! #   fn neto(r#type: Decimal<2>, _: Option<Decimal<3>>) -> Result<Option<Decimal<2>>, Error> { Ok(Some(r#type)) }
//! #   fn siguiente(_: Option<Date>, c: Option<Timestamp>, _: i32) -> Result<Option<Timestamp>, Error> { Ok(c) }
//! #   fn alguno(a: Option<bool>, _: i64) -> Result<bool, Error> { Ok(a.is_some()) }
//! #   fn r#move(_: Option<i64>) -> Result<Option<Date>, Error> { Ok(None) }
//! }
//!
//! fn main() {
//!     // As it is, and as the host calls it: columns in, a checked column out.
//!     assert_eq!(Almacen::etiqueta("A", None).unwrap(), None);
//!     let labels = functions::etiqueta(&[("A", Some(1.5)), ("B", None)]).unwrap();
//!     assert_eq!(labels, [Some("A-1.5".to_owned()), None]);
//! }
//! ```
//!
//! A row in which an argument is null that the contract requires does not reach the function: SQL gets a null. An `Err` fails
//! the product that the SQL makes, and what was there before stays.
//!
//! # What does not compile
//!
//! Reading a column that the contract does not let the step read:
//!
//! ```compile_fail,E0599
//! # use articulos::{Input, Output, Rule};
//! # malla_sdk::plugin!(Tienda, "tests/tienda.yaml");
//! # struct Tienda;
//! # impl Plugin for Tienda {
//! fn articulos(input: &Input<'_>, rows: &mut malla_sdk::Rows<Rule>) -> Result<Output, malla_sdk::Error> {
//!     let first = input.email.get(0);
//! #   unimplemented!()
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! Forwarding a column to one of another type, or a nullable one to a required one:
//!
//! ```compile_fail,E0277
//! # use articulos::{Input, Output, Rule};
//! # malla_sdk::plugin!(Tienda, "tests/tienda.yaml");
//! # struct Tienda;
//! # impl Plugin for Tienda {
//! # fn articulos(input: &Input<'_>, rows: &mut malla_sdk::Rows<Rule>) -> Result<Output, malla_sdk::Error> {
//! let id: malla_sdk::OutputColumn<malla_sdk::Text> = input.nota.forward();
//! #   unimplemented!()
//! # }
//! # }
//! # fn main() {}
//! ```
//!
//! A product column left out, a rule that the contract does not have, a value of another scale, and a mistake in the
//! contract, which the compiler then shows with its line and field.
//!
//! # A step is a pure function
//!
//! It has no clock (`input.event_time()` is the batch's), no randomness, no files and no network; nothing survives a
//! batch. One thing is in reach of it: [`log`]. A panic ends the batch with its message and place in the host's error.

#[doc(hidden)]
pub mod bindings;
mod column;
mod decimal;
mod error;
#[doc(hidden)]
pub mod function;
mod kind;
pub mod log;
mod lookup;
mod output;
mod rows;
#[doc(hidden)]
pub mod step;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;

#[doc(hidden)]
pub use column::read;
pub use column::{Column, Forward, ForwardsTo};
pub use decimal::{Decimal, ParseDecimalError, decimal};
pub use error::Error;
pub use kind::{Kind, Numeric, Text, TextSlice, TextValues, Type};
pub use lookup::Lookup;
pub use malla_sdk_macros::plugin;
pub use output::{Accepts, Builder, OutputColumn};
pub use rows::{Rows, Rule};
pub use time::{Date, Timestamp};
