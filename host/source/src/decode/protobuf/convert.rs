//! One value of a Protobuf message to a value with a type.

use std::borrow::Cow;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value as Read,
};
use serde_json::{Map, Value as Json};

use crate::decode::time::{date_text, days, timestamp_text};
use crate::decode::typed::Value;

pub(crate) fn value(read: &Read, field: &FieldDescriptor) -> Value<'static> {
    match read {
        Read::Bool(value) => Value::Boolean(*value),
        Read::I32(value) => Value::Integer(i64::from(*value)),
        Read::I64(value) => Value::Integer(*value),
        Read::U32(value) => Value::Integer(i64::from(*value)),
        Read::U64(value) => i64::try_from(*value).map_or(Value::TooLarge, Value::Integer),
        Read::F32(value) => Value::Float(f64::from(*value)),
        Read::F64(value) => Value::Float(*value),
        Read::String(value) => Value::Text(Cow::Owned(value.clone())),
        Read::Bytes(_) => Value::Bytes,
        Read::EnumNumber(number) => Value::Text(Cow::Owned(enum_text(*number, field.kind().as_enum()))),
        Read::Message(message) => {
            well_known(message).unwrap_or_else(|| Value::Text(Cow::Owned(json_of(message).to_string())))
        }
        Read::List(_) | Read::Map(_) => Value::Text(Cow::Owned(json(read, &field.kind()).to_string())),
    }
}

/// The name, or the number where the descriptors are older than the message.
fn enum_text(number: i32, descriptor: Option<&EnumDescriptor>) -> String {
    descriptor
        .and_then(|descriptor| descriptor.get_value(number))
        .map_or_else(|| number.to_string(), |value| value.name().to_owned())
}

/// Messages that stand for one value.
fn well_known(message: &DynamicMessage) -> Option<Value<'static>> {
    let descriptor = message.descriptor();
    let part = |name: &str| {
        let field = descriptor.get_field_by_name(name)?;
        Some((message.get_field(&field).into_owned(), field))
    };
    let number = |name: &str| match part(name)?.0 {
        Read::I64(value) => Some(value),
        Read::I32(value) => Some(i64::from(value)),
        _ => None,
    };
    Some(match descriptor.full_name() {
        "google.protobuf.Timestamp" => number("seconds")?
            .checked_mul(1_000_000)
            .zip(number("nanos"))
            .and_then(|(micros, nanos)| micros.checked_add(nanos.div_euclid(1000)))
            .map_or(Value::TooLarge, Value::Micros),
        "google.type.Date" => {
            let unsigned = |name| u32::try_from(number(name)?).ok();
            let date = unsigned("year")
                .zip(unsigned("month"))
                .zip(unsigned("day"))
                .filter(|((year, _), _)| (1..=9999).contains(year))
                .and_then(|((year, month), day)| days(year, month, day));
            date.map_or(Value::TooLarge, |days| Value::Days(i64::from(days)))
        }
        "google.protobuf.BoolValue"
        | "google.protobuf.BytesValue"
        | "google.protobuf.DoubleValue"
        | "google.protobuf.FloatValue"
        | "google.protobuf.Int32Value"
        | "google.protobuf.Int64Value"
        | "google.protobuf.StringValue"
        | "google.protobuf.UInt32Value"
        | "google.protobuf.UInt64Value"
        | "google.type.Decimal" => {
            let (inner, field) = part("value")?;
            value(&inner, &field)
        }
        _ => return None,
    })
}

/// The fields that are set. Nesting is bounded by the decoder of the message.
fn json_of(message: &DynamicMessage) -> Json {
    let fields = message
        .fields()
        .map(|(field, value)| (field.name().to_owned(), json(value, &field.kind())));
    Json::Object(fields.collect::<Map<String, Json>>())
}

fn json(read: &Read, kind: &Kind) -> Json {
    match read {
        Read::Bool(value) => Json::from(*value),
        Read::I32(value) => Json::from(*value),
        Read::I64(value) => Json::from(*value),
        Read::U32(value) => Json::from(*value),
        Read::U64(value) => Json::from(*value),
        Read::F32(value) => Json::from(*value),
        Read::F64(value) => Json::from(*value),
        Read::String(value) => Json::from(value.as_str()),
        Read::Bytes(value) => Json::from(data_encoding::BASE64.encode(value)),
        Read::EnumNumber(number) => Json::from(enum_text(*number, kind.as_enum())),
        Read::Message(message) => match well_known(message) {
            Some(Value::Micros(micros)) => Json::from(timestamp_text(micros)),
            Some(Value::Days(days)) => Json::from(date_text(days)),
            _ => json_of(message),
        },
        Read::List(items) => items.iter().map(|item| json(item, kind)).collect(),
        Read::Map(entries) => {
            let inner = kind
                .as_message()
                .filter(|message| message.is_map_entry())
                .map_or_else(|| kind.clone(), |message| message.map_entry_value_field().kind());
            // Sorted: the same message gives the same text.
            let entries: std::collections::BTreeMap<String, Json> = entries
                .iter()
                .map(|(key, value)| (key_text(key), json(value, &inner)))
                .collect();
            Json::Object(entries.into_iter().collect())
        }
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
