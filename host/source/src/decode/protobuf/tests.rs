use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use malla_contract::{Format, Source};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::Value;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet,
};

use super::*;
use crate::decode::tests::table;
use crate::{Decoded, Decoder, Lines};

fn field(number: i32, name: &str, ty: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(ty.into()),
        type_name: (!type_name.is_empty()).then(|| type_name.into()),
        ..FieldDescriptorProto::default()
    }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.into()),
        field,
        ..DescriptorProto::default()
    }
}

fn file(package: &str, message_type: Vec<DescriptorProto>, dependency: Vec<String>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(format!("{package}.proto")),
        package: Some(package.into()),
        message_type,
        dependency,
        syntax: Some("proto3".into()),
        ..FileDescriptorProto::default()
    }
}

/// What `protoc` would print of `message Venta` and what it imports.
fn descriptors() -> Vec<u8> {
    let time = message(
        "Timestamp",
        vec![
            field(1, "seconds", Type::Int64, ""),
            field(2, "nanos", Type::Int32, ""),
        ],
    );
    let day = message(
        "Date",
        vec![
            field(1, "year", Type::Int32, ""),
            field(2, "month", Type::Int32, ""),
            field(3, "day", Type::Int32, ""),
        ],
    );
    let sale = message(
        "Venta",
        vec![
            field(1, "id", Type::String, ""),
            field(2, "monto", Type::String, ""),
            field(3, "cantidad", Type::Uint32, ""),
            field(4, "grande", Type::Sint64, ""),
            field(5, "razon", Type::Float, ""),
            field(6, "activo", Type::Bool, ""),
            field(7, "dia", Type::Message, ".google.type.Date"),
            field(8, "hora", Type::Message, ".google.protobuf.Timestamp"),
            field(9, "otra", Type::Bytes, ""),
        ],
    );
    let nested = message(
        "Nested",
        vec![
            field(1, "id", Type::Message, ".ventas.Venta"),
            field(2, "monto", Type::Bytes, ""),
            field(3, "cantidad", Type::Enum, ".ventas.Canal"),
        ],
    );
    let named = message("Named", vec![field(1, "id", Type::Enum, ".ventas.Canal")]);
    let mut ventas = file(
        "ventas",
        vec![sale, nested, named],
        vec!["google.protobuf.proto".into(), "google.type.proto".into()],
    );
    let value = |number, name: &str| EnumValueDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        ..EnumValueDescriptorProto::default()
    };
    ventas.enum_type = vec![EnumDescriptorProto {
        name: Some("Canal".into()),
        value: vec![value(0, "WEB"), value(1, "TIENDA")],
        ..EnumDescriptorProto::default()
    }];
    let set = FileDescriptorSet {
        file: vec![
            file("google.protobuf", vec![time], vec![]),
            file("google.type", vec![day], vec![]),
            ventas,
        ],
    };
    set.encode_to_vec()
}

fn source(message: &str) -> Source {
    Source {
        name: "todo".to_owned(),
        table: table(),
        event_time: None,
        format: Format::Protobuf(Protobuf {
            message: message.into(),
            descriptors: descriptors(),
        }),
    }
}

fn decode(message: &str, messages: &[Vec<u8>]) -> Decoded {
    let lines = Lines::of_messages("0", messages.iter().map(Vec::as_slice));
    Decoder::new(&source(message)).unwrap().decode(&lines).unwrap()
}

fn descriptor(name: &str) -> MessageDescriptor {
    DescriptorPool::decode(descriptors().as_slice())
        .unwrap()
        .get_message_by_name(name)
        .unwrap()
}

fn build(name: &str, fields: Vec<(&str, Value)>) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor(name));
    for (name, value) in fields {
        message.set_field_by_name(name, value);
    }
    message
}

fn sale(id: &str, monto: &str) -> DynamicMessage {
    let time = build(
        "google.protobuf.Timestamp",
        vec![
            ("seconds", Value::I64(1_795_274_430)),
            ("nanos", Value::I32(1_999)),
        ],
    );
    let day = build(
        "google.type.Date",
        vec![
            ("year", Value::I32(2026)),
            ("month", Value::I32(11)),
            ("day", Value::I32(21)),
        ],
    );
    build(
        "ventas.Venta",
        vec![
            ("id", Value::String(id.into())),
            ("monto", Value::String(monto.into())),
            ("cantidad", Value::U32(3)),
            ("grande", Value::I64(i64::MIN)),
            ("razon", Value::F32(0.5)),
            ("activo", Value::Bool(true)),
            ("dia", Value::Message(day)),
            ("hora", Value::Message(time)),
        ],
    )
}

#[test]
fn every_type_arrives_exactly() {
    let decoded = decode("ventas.Venta", &[sale("é", "-12.5").encode_to_vec(), Vec::new()]);
    assert_eq!(decoded.failed, []);
    let batch = &decoded.batch;
    // A scalar that is not set is its default; a message that is not set is null.
    assert_eq!(
        batch["id"].as_string::<i32>().iter().collect::<Vec<_>>(),
        [Some("é"), Some("")]
    );
    assert_eq!(batch["monto"].as_primitive::<Decimal128Type>().value(0), -1250);
    assert_eq!(batch["cantidad"].as_primitive::<Int32Type>().value(0), 3);
    assert_eq!(batch["grande"].as_primitive::<Int64Type>().value(0), i64::MIN);
    assert_eq!(batch["razon"].as_primitive::<Float64Type>().value(0), 0.5);
    assert!(batch["activo"].as_boolean().value(0));
    let dia = batch["dia"].as_primitive::<Date32Type>();
    assert_eq!(dia.iter().collect::<Vec<_>>(), [Some(20_778), None]);
    let hora = batch["hora"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(
        hora.iter().collect::<Vec<_>>(),
        [Some(1_795_274_430_000_001), None]
    );
}

#[test]
fn what_is_nested_becomes_text() {
    let nested = build("ventas.Nested", vec![("id", Value::Message(sale("a", "1")))]);
    let decoded = decode("ventas.Nested", &[nested.encode_to_vec()]);
    // The amount is bytes, and the channel is a word: neither fits, and both are there by default.
    assert_eq!(decoded.failed[0].rule, "wrong_type");
    assert_eq!(decoded.failed[0].column.as_deref(), Some("monto"));
    let named = build("ventas.Named", vec![("id", Value::EnumNumber(1))]);
    let unknown = build("ventas.Named", vec![("id", Value::EnumNumber(5))]);
    let decoded = decode("ventas.Named", &[named.encode_to_vec(), unknown.encode_to_vec()]);
    let id = decoded.batch["id"].as_string::<i32>();
    assert_eq!(id.iter().flatten().collect::<Vec<_>>(), ["TIENDA", "5"]);
    let text = match convert::value(
        &Value::Message(sale("a", "1")),
        &descriptor("ventas.Nested").get_field_by_name("id").unwrap(),
    ) {
        crate::decode::typed::Value::Text(text) => text.into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        text,
        r#"{"activo":true,"cantidad":3,"dia":"2026-11-21","grande":-9223372036854775808,"hora":"2026-11-21T15:20:30.000001Z","id":"a","monto":"1","razon":0.5}"#
    );
}

#[test]
fn a_bad_message_leaves_no_trace() {
    let good = sale("a", "1").encode_to_vec();
    let cut = good[..good.len() - 1].to_vec();
    let decoded = decode(
        "ventas.Venta",
        &[good.clone(), cut, sale("a", "s3cr3t").encode_to_vec(), good],
    );
    assert_eq!(decoded.rows, [0, 3]);
    let rules: Vec<&str> = decoded.failed.iter().map(|failure| failure.rule).collect();
    assert_eq!(rules, ["invalid_protobuf", "invalid_decimal"]);
    assert!(!decoded.failed[1].message.contains("s3cr3t"));
}

#[test]
fn descriptors_that_will_not_do_are_refused() {
    let error = Decoder::new(&source("ventas.Compra")).unwrap_err().to_string();
    assert!(
        error.contains("no message `ventas.Compra`") && error.contains("`ventas.Venta`"),
        "{error}"
    );
    let broken = Source {
        format: Format::Protobuf(Protobuf {
            message: "ventas.Venta".into(),
            descriptors: vec![0xFF],
        }),
        ..source("ventas.Venta")
    };
    let error = Decoder::new(&broken).unwrap_err().to_string();
    assert!(error.contains("cannot be used"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_rows_or_failures(
        noise in proptest::collection::vec(any::<u8>(), 0..80),
        flips in proptest::collection::vec((0..200_usize, any::<u8>()), 0..4),
    ) {
        let mut changed = sale("a", "1").encode_to_vec();
        for (at, byte) in flips {
            let at = at % changed.len();
            changed[at] = byte;
        }
        let decoded = decode("ventas.Venta", &[noise, changed]);
        prop_assert_eq!(decoded.rows.len() + decoded.failed.len(), 2);
        prop_assert_eq!(decoded.rows.len(), decoded.batch.num_rows());
    }
}
