use std::collections::HashMap;

use apache_avro::types::Value;
use apache_avro::{Decimal, Schema as Oracle, to_avro_datum};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use malla_contract::{Avro, Format, Source};
use proptest::prelude::*;

use super::*;
use crate::SourceError;
use crate::decode::tests::table;
use crate::{Decoded, Decoder, Lines};

/// In another order than the contract, and with what it has no column for.
const SCHEMA: &str = r#"{
  "type": "record", "name": "Todo", "namespace": "ventas", "fields": [
    {"name": "hora", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": null},
    {"name": "estado", "type": {"type": "enum", "name": "Estado", "symbols": ["ABIERTO", "CERRADO"]}},
    {"name": "lineas", "type": {"type": "array", "items": {"type": "record", "name": "Linea", "fields": [
      {"name": "n", "type": "int"}, {"name": "estado", "type": "Estado"}, {"name": "sub", "type": ["null", "Linea"]}]}}},
    {"name": "extra", "type": {"type": "map", "values": ["null", "double", "bytes"]}},
    {"name": "huella", "type": {"type": "fixed", "name": "ventas.Huella", "size": 3}},
    {"name": "id", "type": ["null", "string"]},
    {"name": "monto", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}},
    {"name": "cantidad", "type": "long"},
    {"name": "grande", "type": "int"},
    {"name": "razon", "type": "float"},
    {"name": "activo", "type": "boolean"},
    {"name": "dia", "type": {"type": "int", "logicalType": "date"}}
  ]}"#;

fn source(schema: Option<&str>) -> Source {
    Source {
        name: "todo".to_owned(),
        table: table(),
        event_time: None,
        format: Format::Avro(Avro {
            schema: schema.map(str::to_owned),
        }),
    }
}

fn lines(messages: &[Vec<u8>]) -> Lines {
    Lines::of_messages("0", messages.iter().map(Vec::as_slice))
}

fn decode(messages: &[Vec<u8>]) -> Decoded {
    let mut decoder = Decoder::new(&source(Some(SCHEMA))).unwrap();
    decoder.decode(&lines(messages)).unwrap()
}

fn optional(value: Option<Value>) -> Value {
    match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(value)),
    }
}

fn line(n: i32, sub: Option<Value>) -> Value {
    Value::Record(vec![
        ("n".into(), Value::Int(n)),
        ("estado".into(), Value::Enum(1, "CERRADO".into())),
        ("sub".into(), optional(sub)),
    ])
}

fn event(id: Option<&str>, cents: i128, cantidad: i64) -> Value {
    let extra = HashMap::from([("k".to_owned(), Value::Union(1, Box::new(Value::Double(0.5))))]);
    Value::Record(vec![
        (
            "hora".into(),
            optional(Some(Value::TimestampMillis(1_795_274_430_000))),
        ),
        ("estado".into(), Value::Enum(0, "ABIERTO".into())),
        (
            "lineas".into(),
            Value::Array(vec![line(1, Some(line(2, None))), line(3, None)]),
        ),
        ("extra".into(), Value::Map(extra)),
        ("huella".into(), Value::Fixed(3, vec![1, 2, 3])),
        ("id".into(), optional(id.map(|id| Value::String(id.to_owned())))),
        ("monto".into(), Value::Decimal(Decimal::from(cents.to_be_bytes()))),
        ("cantidad".into(), Value::Long(cantidad)),
        ("grande".into(), Value::Int(i32::MIN)),
        ("razon".into(), Value::Float(0.5)),
        ("activo".into(), Value::Boolean(true)),
        ("dia".into(), Value::Date(20_778)),
    ])
}

fn encode(value: Value) -> Vec<u8> {
    to_avro_datum(&Oracle::parse_str(SCHEMA).unwrap(), value).unwrap()
}

#[test]
fn every_type_arrives_exactly() {
    let decoded = decode(&[encode(event(Some("é"), -1250, -3)), encode(event(Some(""), 1, 0))]);
    assert_eq!(decoded.failed, []);
    let batch = &decoded.batch;
    assert_eq!(batch["id"].as_string::<i32>().value(0), "é");
    assert_eq!(batch["monto"].as_primitive::<Decimal128Type>().value(0), -1250);
    assert_eq!(batch["cantidad"].as_primitive::<Int32Type>().value(0), -3);
    assert_eq!(
        batch["grande"].as_primitive::<Int64Type>().value(0),
        i64::from(i32::MIN)
    );
    assert_eq!(batch["razon"].as_primitive::<Float64Type>().value(0), 0.5);
    assert!(batch["activo"].as_boolean().value(0));
    assert_eq!(batch["dia"].as_primitive::<Date32Type>().value(0), 20_778);
    let hora = batch["hora"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(hora.value(0), 1_795_274_430_000_000);
}

/// The text of column `id`, or rule, column and byte, for a record with this one field.
fn alone(ty: &str, bytes: &[u8], column: &str) -> Result<String, (&'static str, Option<u32>)> {
    let fields = match column {
        "id" => format!(r#"{{"name": "id", "type": {ty}}}"#),
        _ => format!(r#"{{"name": "id", "type": "string"}}, {{"name": "{column}", "type": {ty}}}"#),
    };
    let schema = format!(r#"{{"type": "record", "name": "r", "fields": [{fields}]}}"#);
    let mut message = if column == "id" { vec![] } else { vec![2, b'a'] };
    message.extend(bytes);
    let decoded = Decoder::new(&source(Some(&schema)))
        .unwrap()
        .decode(&lines(&[message]))
        .unwrap();
    match decoded.failed.first() {
        Some(failure) => {
            assert!(Decoder::RULES.contains(&failure.rule));
            Err((failure.rule, failure.at))
        }
        None => {
            let column = decoded.batch.column_by_name(column).unwrap();
            Ok(arrow_array::cast::as_string_array(column).value(0).to_owned())
        }
    }
}

#[test]
fn what_is_nested_becomes_text() {
    let text = |ty: &str, bytes: &[u8]| alone(ty, bytes, "id").unwrap();
    assert_eq!(
        text(r#"{"type": "array", "items": "int"}"#, &[3, 4, 1, 2, 2, 6, 0]),
        "[-1,1,3]"
    );
    assert_eq!(
        text(r#"{"type": "array", "items": "null"}"#, &[4, 0]),
        "[null,null]"
    );
    assert_eq!(
        text(
            r#"{"type": "map", "values": "string"}"#,
            &[2, 2, b'"', 2, b'x', 0]
        ),
        r#"{"\"":"x"}"#
    );
    let record = r#"{"type": "record", "name": "s", "fields": [
        {"name": "a", "type": {"type": "int", "logicalType": "date"}},
        {"name": "b", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
        {"name": "c", "type": "bytes"}]}"#;
    let text = text(record, &[0xD4, 0xC4, 2, 2, 5, 2, 0xE9]);
    assert_eq!(text, r#"{"a":"2026-11-21","b":"0.05","c":"é"}"#);
    let uuid = r#"{"type": "fixed", "name": "u", "size": 16, "logicalType": "uuid"}"#;
    assert_eq!(
        alone(uuid, &[0x11; 16], "id").unwrap(),
        "11111111-1111-1111-1111-111111111111"
    );
}

#[test]
fn each_flaw_has_its_rule_and_byte() {
    let tree = r#"{"type": "record", "name": "t", "fields": [{"name": "x", "type": ["null", "t"]}]}"#;
    let own = r#"{"type": "record", "name": "t", "fields": [{"name": "x", "type": "t"}]}"#;
    for (ty, bytes, column, rule, at) in [
        (r#""string""#, &[][..], "id", "invalid_avro", 1),
        (r#""string""#, &[4, b'a'], "id", "invalid_avro", 2),
        (r#""string""#, &[1], "id", "invalid_avro", 2),
        (r#""string""#, &[2, 0xFF], "id", "invalid_utf8", 1),
        (r#""string""#, &[2, b'a', 0], "id", "invalid_avro", 3),
        (r#"["null", "string"]"#, &[4], "id", "invalid_avro", 2),
        (r#"["null", "string"]"#, &[0], "id", "missing_required", 0),
        (r#""int""#, &[2], "id", "wrong_type", 1),
        (r#""bytes""#, &[2, 1], "id", "wrong_type", 1),
        (r#""string""#, &[2, b'x'], "monto", "invalid_decimal", 3),
        (r#""double""#, &[0; 8], "monto", "wrong_type", 3),
        (
            r#""double""#,
            &[0, 0, 0, 0, 0, 0, 0xF8, 0x7F],
            "razon",
            "out_of_range",
            3,
        ),
        (
            r#""int""#,
            &[0xFF, 0xFF, 0xFF, 0xFF, 0x1F],
            "cantidad",
            "invalid_avro",
            8,
        ),
        (
            r#""long""#,
            &[0xFF, 0xFF, 0xFF, 0xFF, 0x1F],
            "cantidad",
            "out_of_range",
            3,
        ),
        (r#""long""#, &[0xFF; 11], "grande", "invalid_avro", 13),
        (r#""boolean""#, &[2], "activo", "invalid_avro", 4),
        (r#""long""#, &[2], "hora", "wrong_type", 3),
        (
            r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            "hora",
            "out_of_range",
            3,
        ),
        (
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}"#,
            &[2, 1],
            "monto",
            "invalid_decimal",
            3,
        ),
        (
            r#"{"type": "array", "items": "null"}"#,
            &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F],
            "id",
            "invalid_avro",
            6,
        ),
        (tree, &[2; 400], "id", "too_deep", 65),
        (own, &[], "id", "too_deep", 1),
    ] {
        let expected = (rule, (at > 0).then_some(at));
        assert_eq!(alone(ty, bytes, column), Err(expected), "{ty} {bytes:?}");
    }
}

#[test]
fn a_bad_message_leaves_no_trace() {
    let good = encode(event(Some("a"), 5, 1));
    let mut cut = good.clone();
    cut.truncate(good.len() - 3);
    let decoded = decode(&[
        good.clone(),
        cut,
        encode(event(None, 5, 1)),
        encode(event(Some("b"), 5, 1 << 40)),
        good,
    ]);
    assert_eq!(decoded.rows, [0, 4]);
    let rules: Vec<&str> = decoded.failed.iter().map(|failure| failure.rule).collect();
    assert_eq!(rules, ["invalid_avro", "missing_required", "out_of_range"]);
}

#[test]
fn schemas_that_are_none_are_refused() {
    for (schema, why) in [
        ("{", "not JSON"),
        (r#"{"type": "string"}"#, "not the schema of a record"),
        (
            r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": "R"}]}"#,
            "no type `R`",
        ),
        (
            r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": []}]}"#,
            "a union",
        ),
        (
            r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": {"type": "enum", "name": "r", "symbols": []}}]}"#,
            "there twice",
        ),
    ] {
        let error = Decoder::new(&source(Some(schema))).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let error = Decoder::new(&source(None)).unwrap_err().to_string();
    assert!(error.contains("schema registry"), "{error}");
}

/// Schema 7, and whatever else is asked.
#[derive(Debug, Default)]
struct Lookup(std::sync::Mutex<Vec<u32>>);

impl SchemaLookup for Lookup {
    fn schema(&self, id: u32) -> Result<SchemaAnswer, SourceError> {
        self.0.lock().unwrap().push(id);
        match id {
            7 => Ok(SchemaAnswer::Schema(SCHEMA.into())),
            8 => Ok(SchemaAnswer::Schema("{}".into())),
            99 => Err(SourceError::Schema {
                id,
                place: "here".into(),
                reason: "it is down".into(),
            }),
            _ => Ok(SchemaAnswer::Unusable {
                reason: "is not in the registry",
            }),
        }
    }
}

#[test]
fn messages_name_their_schemas() {
    let framed = |id: u8| [&[0, 0, 0, 0, id], encode(event(Some("a"), 5, 1)).as_slice()].concat();
    let lookup = Arc::new(Lookup::default());
    let mut decoder = Decoder::with_schemas(&source(None), Arc::clone(&lookup) as _).unwrap();
    let messages = [
        framed(7),
        framed(5),
        framed(8),
        framed(7),
        framed(5),
        vec![0, 0],
        vec![1; 9],
    ];
    for round in 1..=2 {
        let decoded = decoder.decode(&lines(&messages)).unwrap();
        assert_eq!(decoded.rows, [0, 3]);
        let rules: Vec<&str> = decoded.failed.iter().map(|failure| failure.rule).collect();
        assert_eq!(
            rules,
            [
                "unknown_schema",
                "unknown_schema",
                "unknown_schema",
                "invalid_avro",
                "invalid_avro"
            ]
        );
        assert_eq!(
            decoded.failed[0].message,
            "schema 5 is not in the registry (byte 2 of the line)"
        );
        // What is not known may be known to the next batch.
        let fives = lookup.0.lock().unwrap().iter().filter(|id| **id == 5).count();
        assert_eq!(fives, round);
    }
    assert_eq!(lookup.0.lock().unwrap().iter().filter(|id| **id == 7).count(), 1);
    // That nobody answers is not the message's fault.
    let error = decoder.decode(&lines(&[framed(7), framed(99)])).unwrap_err();
    assert!(error.to_string().contains("it is down"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_another_writer_writes_is_read(
        id in ".{0,20}",
        cents in -10_i128.pow(17)..10_i128.pow(17),
        cantidad in any::<i32>(),
    ) {
        let decoded = decode(&[encode(event(Some(&id), cents, cantidad.into()))]);
        prop_assert_eq!(&decoded.failed, &[]);
        prop_assert_eq!(decoded.batch["id"].as_string::<i32>().value(0), id);
        prop_assert_eq!(decoded.batch["monto"].as_primitive::<Decimal128Type>().value(0), cents);
        prop_assert_eq!(decoded.batch["cantidad"].as_primitive::<Int32Type>().value(0), cantidad);
    }

    #[test]
    fn any_bytes_are_rows_or_failures(
        noise in proptest::collection::vec(any::<u8>(), 0..80),
        flips in proptest::collection::vec((0..200_usize, any::<u8>()), 0..4),
    ) {
        let mut changed = encode(event(Some("a"), 5, 1));
        for (at, byte) in flips {
            let at = at % changed.len();
            changed[at] = byte;
        }
        let decoded = decode(&[noise, changed]);
        prop_assert_eq!(decoded.rows.len() + decoded.failed.len(), 2);
        prop_assert_eq!(decoded.rows.len(), decoded.batch.num_rows());
    }
}
