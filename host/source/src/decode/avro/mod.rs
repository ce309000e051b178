//! Messages of Avro to the cells of rows.
//!
//! Read by the schema that they were written by, field by field, into the columns of the same names: a message that breaks off or has a
//! value that does not fit leaves nothing behind. (`arrow-avro` decodes straight into its builders, and an error in the middle of a
//! record leaves them with different lengths.)

mod input;
mod schema;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use malla_contract::Avro;

use self::input::Input;
use self::schema::Schema;
use super::object::{Flaw, Shape};
use super::value::Cell;
use super::{Fault, rule};
use crate::{SchemaAnswer, SchemaLookup};

/// The magic byte and the schema's number, as Confluent's serializers write them.
const FRAME: usize = 5;
/// Schemas that the registry does not know and that one batch may still name.
const MAX_UNKNOWN: usize = 64;

#[derive(Debug)]
pub(crate) struct AvroReader {
    schemas: Schemas,
}

#[derive(Debug)]
enum Schemas {
    /// All messages are by this one, and nothing stands before their datum.
    One(Resolved),
    /// Messages say which.
    Many {
        lookup: Arc<dyn SchemaLookup>,
        known: HashMap<u32, Result<Resolved, Flaw>>,
        /// Of this batch.
        unknown: Vec<(u32, &'static str)>,
    },
}

/// A schema, and for every field of its record, the index of its column.
#[derive(Debug)]
struct Resolved {
    schema: Schema,
    columns: Vec<Option<usize>>,
}

impl Resolved {
    fn new(text: &str, shape: &Shape) -> Result<Self, String> {
        let schema = Schema::parse(text)?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| shape.find_name(&field.name))
            .collect();
        Ok(Self { schema, columns })
    }
}

impl AvroReader {
    /// An error says what is wrong.
    pub(crate) fn new(
        options: &Avro,
        shape: &Shape,
        lookup: Option<Arc<dyn SchemaLookup>>,
    ) -> Result<Self, String> {
        let schemas = match (&options.schema, lookup) {
            (Some(text), _) => {
                let resolved = Resolved::new(text, shape);
                Schemas::One(resolved.map_err(|why| format!("its Avro schema cannot be used: {why}"))?)
            }
            (None, Some(lookup)) => Schemas::Many {
                lookup,
                known: HashMap::new(),
                unknown: Vec::new(),
            },
            (None, None) => {
                return Err("its Avro messages name schemas, and this host has no schema registry: write `schema` under \
                            `avro` in the contract, or have the platform name a registry"
                    .into());
            }
        };
        Ok(Self { schemas })
    }

    pub(crate) fn begin_batch(&mut self) {
        if let Schemas::Many { unknown, .. } = &mut self.schemas {
            unknown.clear();
        }
    }

    /// Fills `cells`, which has one cell for every column of the shape.
    pub(crate) fn read<'a>(
        &mut self,
        shape: &Shape,
        message: &'a [u8],
        cells: &mut [Cell<'a>],
    ) -> Result<(), Fault> {
        cells.fill(Cell::Absent);
        let (resolved, at) = self.schemas.of(shape, message)?;
        let mut input = Input::new(message, at);
        let mut flaw = None;
        for (field, column) in resolved.schema.fields().iter().zip(&resolved.columns) {
            let place = column.and_then(|column| Some((column, shape.columns.get(column)?)));
            let Some((column, spec)) = place else {
                input.skip(&resolved.schema, &field.ty, 0)?;
                continue;
            };
            let start = input.at();
            match value::read(&resolved.schema, &field.ty, &mut input, spec.ty)? {
                Ok(value) => {
                    if let Some(cell) = cells.get_mut(column) {
                        *cell = value;
                    }
                }
                // Reads on: what breaks off should be called that.
                Err(misfit) => {
                    flaw.get_or_insert(Flaw {
                        rule: misfit.rule,
                        column: Some(column),
                        at: Some(start + 1),
                        message: misfit.message,
                    });
                }
            }
        }
        if !input.is_at_end() {
            return Err(input.invalid("bytes after the record").into());
        }
        flaw.map_or(Ok(()), Err)?;
        Ok(shape.check_required(cells)?)
    }
}

impl Schemas {
    /// The schema of a message, and where its datum starts.
    fn of(&mut self, shape: &Shape, message: &[u8]) -> Result<(&Resolved, usize), Fault> {
        let (lookup, known, unknown) = match self {
            Self::One(resolved) => return Ok((resolved, 0)),
            Self::Many {
                lookup,
                known,
                unknown,
            } => (lookup, known, unknown),
        };
        let [0, a, b, c, d, ..] = message else {
            return Err(Flaw::of_line(
                rule::INVALID_AVRO,
                Some(1),
                "no schema's number before the record: a zero and four bytes",
            )
            .into());
        };
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        let place = match known.entry(id) {
            Entry::Occupied(found) => return usable(found.into_mut()),
            Entry::Vacant(place) => place,
        };
        let unusable =
            |reason: &str| Flaw::of_line(rule::UNKNOWN_SCHEMA, Some(2), format!("schema {id} {reason}"));
        if let Some((_, reason)) = unknown.iter().find(|(other, _)| *other == id) {
            return Err(unusable(reason).into());
        }
        if unknown.len() >= MAX_UNKNOWN {
            return Err(unusable("was not asked for: too many schemas of this batch are unknown").into());
        }
        let text = match lookup.schema(id)? {
            SchemaAnswer::Schema(text) => text,
            SchemaAnswer::Unusable { reason } => {
                unknown.push((id, reason));
                return Err(unusable(reason).into());
            }
        };
        let resolved = Resolved::new(&text, shape);
        usable(place.insert(resolved.map_err(|why| unusable(&format!("cannot be used: {why}")))))
    }
}

fn usable(resolved: &mut Result<Resolved, Flaw>) -> Result<(&Resolved, usize), Fault> {
    match resolved {
        Ok(resolved) => Ok((resolved, FRAME)),
        Err(flaw) => Err(flaw.clone().into()),
    }
}
