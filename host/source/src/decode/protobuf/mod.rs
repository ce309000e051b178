//! Messages of Protobuf to the cells of rows.

mod convert;
#[cfg(test)]
mod tests;

use malla_contract::{ColumnType, Protobuf};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor};

use self::convert::value;
use super::object::{Flaw, Shape};
use super::rule;
use super::typed::{Value, fit};
use super::value::Cell;

#[derive(Debug)]
pub(crate) struct ProtobufReader {
    message: MessageDescriptor,
    /// For every column, the field of that name.
    fields: Vec<Option<FieldDescriptor>>,
}

impl ProtobufReader {
    /// An error says what is wrong.
    pub(crate) fn new(options: &Protobuf, shape: &Shape) -> Result<Self, String> {
        let pool = DescriptorPool::decode(options.descriptors.as_slice())
            .map_err(|error| format!("its Protobuf descriptors cannot be used: {error}"))?;
        let Some(message) = pool.get_message_by_name(&options.message) else {
            let known: Vec<String> = pool
                .all_messages()
                .take(20)
                .map(|message| format!("`{}`", message.full_name()))
                .collect();
            return Err(format!(
                "its Protobuf descriptors have no message `{}`: they have {}",
                options.message,
                known.join(", ")
            ));
        };
        let field = |name: &str| message.get_field_by_name(name);
        let fields = shape.columns.iter().map(|column| field(&column.name)).collect();
        Ok(Self { message, fields })
    }

    /// Fills `cells`, which has one cell for every column of the shape.
    pub(crate) fn read(&self, shape: &Shape, bytes: &[u8], cells: &mut [Cell<'_>]) -> Result<(), Flaw> {
        cells.fill(Cell::Absent);
        let message = DynamicMessage::decode(self.message.clone(), bytes).map_err(|_| {
            let wrong = format!("not a message of type `{}`", self.message.full_name());
            Flaw::of_line(rule::INVALID_PROTOBUF, None, wrong)
        })?;
        for (index, ((field, spec), cell)) in self
            .fields
            .iter()
            .zip(&shape.columns)
            .zip(cells.iter_mut())
            .enumerate()
        {
            let Some(field) = field else { continue };
            // Where absence can be told from a default, it is null.
            if field.supports_presence() && !message.has_field(field) {
                continue;
            }
            let value = value(&message.get_field(field), field);
            // Elsewhere it cannot: a number as text that is not set is no number.
            let is_default = matches!(&value, Value::Text(text) if text.is_empty());
            if is_default && spec.ty != ColumnType::Utf8 && !field.supports_presence() {
                continue;
            }
            *cell = fit(value, spec.ty).map_err(|misfit| Flaw {
                rule: misfit.rule,
                column: Some(index),
                at: None,
                message: misfit.message,
            })?;
        }
        shape.check_required(cells)
    }
}
