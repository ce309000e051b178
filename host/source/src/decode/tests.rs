use std::collections::BTreeSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use malla_contract::{Classification, Column, ColumnType, Table};
use proptest::prelude::*;

use super::*;

pub(in crate::decode) fn column(name: &str, ty: ColumnType, required: bool) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        required,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        holds: std::collections::BTreeSet::new(),
        description: None,
        quality: Vec::new(),
    }
}

pub(in crate::decode) fn table() -> Table {
    Table {
        name: "todo".to_owned(),
        description: None,
        quality: Vec::new(),
        columns: vec![
            column("id", ColumnType::Utf8, true),
            column(
                "monto",
                ColumnType::Decimal {
                    precision: 18,
                    scale: 2,
                },
                false,
            ),
            column("cantidad", ColumnType::Int32, false),
            column("grande", ColumnType::Int64, false),
            column("razon", ColumnType::Float64, false),
            column("activo", ColumnType::Boolean, false),
            column("dia", ColumnType::Date, false),
            column("hora", ColumnType::Timestamp, false),
        ],
    }
}

fn source() -> Source {
    Source {
        name: "todo".to_owned(),
        table: table(),
        event_time: None,
        format: Format::Json,
    }
}

fn decode(text: &[u8]) -> Decoded {
    Decoder::new(&source())
        .unwrap()
        .decode(&Lines::of_text("p", text))
        .unwrap()
}

/// Rule, column and byte of the only line.
fn flaw(line: &str) -> (&'static str, Option<String>, Option<u32>) {
    let decoded = decode(line.as_bytes());
    assert_eq!(decoded.rows, [] as [u32; 0], "{line}");
    assert_eq!(decoded.batch.num_rows(), 0);
    let failure = decoded.failed.into_iter().next().unwrap();
    (failure.rule, failure.column, failure.at)
}

#[test]
fn every_type_arrives_exactly() {
    let decoded = decode(
        br#"{"id":"a","monto":12.5,"cantidad":-3,"grande":9223372036854775807,"razon":0.1,"activo":true,"dia":"2026-11-21","hora":"2026-11-21T10:20:30-05:00"}
{"hora":null,"dia":null,"extra":{"a":[1,{"b":"}"}]},"activo":false,"razon":1e300,"grande":1e3,"cantidad":1.0,"monto":"4503599627370497.51","id":"\u00e9\u0000\n"}
{"id":{"a": [1, "]"]}}
"#,
    );
    assert_eq!(decoded.failed, []);
    assert_eq!(decoded.rows, [0, 1, 2]);
    let batch = &decoded.batch;
    assert_eq!(batch.schema().as_ref(), &table().schema());
    let id = batch["id"].as_string::<i32>();
    assert_eq!(
        id.iter().flatten().collect::<Vec<_>>(),
        ["a", "é\0\n", r#"{"a": [1, "]"]}"#]
    );
    let monto = batch["monto"].as_primitive::<Decimal128Type>();
    assert_eq!(
        monto.iter().collect::<Vec<_>>(),
        [Some(1250), Some(450_359_962_737_049_751), None]
    );
    let cantidad = batch["cantidad"].as_primitive::<Int32Type>();
    assert_eq!(cantidad.iter().collect::<Vec<_>>(), [Some(-3), Some(1), None]);
    let grande = batch["grande"].as_primitive::<Int64Type>();
    assert_eq!(
        grande.iter().collect::<Vec<_>>(),
        [Some(i64::MAX), Some(1000), None]
    );
    let razon = batch["razon"].as_primitive::<Float64Type>();
    assert_eq!(razon.iter().collect::<Vec<_>>(), [Some(0.1), Some(1e300), None]);
    let activo = batch["activo"].as_boolean();
    assert_eq!(activo.iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
    let dia = batch["dia"].as_primitive::<Date32Type>();
    assert_eq!(dia.iter().collect::<Vec<_>>(), [Some(20_778), None, None]);
    let hora = batch["hora"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(
        hora.iter().collect::<Vec<_>>(),
        [Some(1_795_274_430_000_000), None, None]
    );
}

#[test]
fn each_flaw_has_its_rule_column_and_byte() {
    let deep = format!(r#"{{"id":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for (line, rule, column, at) in [
        ("  \t", "empty_line", None, None),
        ("hola", "invalid_json", None, Some(1)),
        ("{", "invalid_json", None, Some(1)),
        (r#"{"id":"a""#, "invalid_json", None, Some(9)),
        (r#"{"id":"a"} {"#, "invalid_json", None, Some(12)),
        ("{\"id\":\"a\0\"}", "invalid_json", None, Some(8)),
        (r#"{"id":"\ud800"}"#, "invalid_json", Some("id"), Some(7)),
        ("[1]", "not_an_object", None, Some(1)),
        ("null", "not_an_object", None, Some(1)),
        (r#"{"id":1}"#, "wrong_type", Some("id"), Some(7)),
        (
            r#"{"id":"a","monto":true}"#,
            "wrong_type",
            Some("monto"),
            Some(19),
        ),
        (
            r#"{"id":"a","cantidad":"1"}"#,
            "wrong_type",
            Some("cantidad"),
            Some(22),
        ),
        (
            r#"{"id":"a","cantidad":1.5}"#,
            "wrong_type",
            Some("cantidad"),
            Some(22),
        ),
        (
            r#"{"id":"a","hora":1700000000}"#,
            "wrong_type",
            Some("hora"),
            Some(18),
        ),
        (
            r#"{"id":"a","cantidad":2147483648}"#,
            "out_of_range",
            Some("cantidad"),
            Some(22),
        ),
        (
            r#"{"id":"a","grande":9223372036854775808}"#,
            "out_of_range",
            Some("grande"),
            Some(20),
        ),
        (
            r#"{"id":"a","razon":1e999}"#,
            "out_of_range",
            Some("razon"),
            Some(19),
        ),
        (
            r#"{"id":"a","monto":1e16}"#,
            "out_of_range",
            Some("monto"),
            Some(19),
        ),
        (
            r#"{"id":"a","monto":1.005}"#,
            "invalid_decimal",
            Some("monto"),
            Some(19),
        ),
        (
            r#"{"id":"a","monto":"doce"}"#,
            "invalid_decimal",
            Some("monto"),
            Some(19),
        ),
        (
            r#"{"id":"a","dia":"21/11/2026"}"#,
            "invalid_date",
            Some("dia"),
            Some(17),
        ),
        (
            r#"{"id":"a","hora":"2026-11-21T10:20:30"}"#,
            "invalid_timestamp",
            Some("hora"),
            Some(18),
        ),
        (r#"{"id":"a","id":"b"}"#, "duplicate_key", Some("id"), Some(16)),
        (r#"{"id":null,"id":"b"}"#, "duplicate_key", Some("id"), Some(17)),
        (r#"{"monto":1}"#, "missing_required", Some("id"), None),
        (r#"{"id":null}"#, "missing_required", Some("id"), None),
        (&deep, "too_deep", Some("id"), Some(7)),
    ] {
        assert_eq!(flaw(line), (rule, column.map(str::to_owned), at), "{line}");
        assert!(Decoder::RULES.contains(&rule));
    }
    let invalid = decode(b"{\"id\":\"\xff\"}");
    assert_eq!(
        (invalid.failed[0].rule, invalid.failed[0].at),
        ("invalid_utf8", Some(8))
    );
}

#[test]
fn deep_values_under_unknown_keys_do_no_harm() {
    let line = format!(
        r#"{{"id":"a","x":{}{}}}"#,
        "[".repeat(1_000_000),
        "]".repeat(1_000_000)
    );
    assert_eq!(decode(line.as_bytes()).rows, [0]);
    assert_eq!(flaw(&"[".repeat(1_000_000)).0, "invalid_json");
}

#[test]
fn a_bad_line_leaves_no_trace() {
    let decoded = decode(
        b"{\"id\":\"a\",\"cantidad\":1}\n{\"id\":\"b\",\"cantidad\":2,\"monto\":\"x\"}\n\n{\"id\":\"c\"}\n",
    );
    assert_eq!(decoded.rows, [0, 3]);
    assert_eq!(
        decoded
            .failed
            .iter()
            .map(|failure| failure.line)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    let cantidad = decoded.batch["cantidad"].as_primitive::<Int32Type>();
    assert_eq!(cantidad.iter().collect::<Vec<_>>(), [Some(1), None]);
}

#[test]
fn messages_carry_no_values() {
    let secret = "s3cr3t";
    for line in [
        format!(r#"{{"id":"a","monto":"{secret}"}}"#),
        format!(r#"{{"id":"a","hora":"{secret}"}}"#),
        format!(r#"{{"id":"a","dia":"{secret}"}}"#),
        format!(r#"{{"id":"a","activo":"{secret}"}}"#),
        format!(r#"{{"id":"a","{secret}":{secret}}}"#),
        format!(r#"{{"{secret}":"{secret}"}}"#),
        format!(r#"{{"id":"{secret}\q"}}"#),
        format!(r#""{secret}""#),
        secret.to_owned(),
    ] {
        let decoded = decode(line.as_bytes());
        assert!(
            !decoded.failed[0].message.contains(secret),
            "{}",
            decoded.failed[0].message
        );
    }
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let lines = Lines::of_text("p", bytes);
    let decoded = Decoder::new(&source()).unwrap().decode(&lines).unwrap();
    prop_assert_eq!(decoded.batch.num_rows(), decoded.rows.len());
    let mut all: Vec<u32> = decoded
        .rows
        .iter()
        .copied()
        .chain(decoded.failed.iter().map(|f| f.line))
        .collect();
    all.sort_unstable();
    prop_assert_eq!(all, (0..u32::try_from(lines.len()).unwrap()).collect::<Vec<_>>());
    Ok(())
}

/// Where the fast way gives a row, the thorough way gives the same.
fn compare(line: &str) -> Result<(), TestCaseError> {
    let shape = Shape::new(&table());
    let mut fast = vec![Cell::Absent; shape.columns.len()];
    let mut thorough = fast.clone();
    if read_flat(&shape, line, &mut fast) {
        prop_assert_eq!(read_object(&shape, line, &mut thorough), Ok(()));
        prop_assert_eq!(fast, thorough);
    }
    Ok(())
}

#[test]
fn the_fast_way_takes_plain_lines() {
    let shape = Shape::new(&table());
    let mut cells = vec![Cell::Absent; shape.columns.len()];
    let plain = VALID.replace("\\u00e9", "é").replace("[{}]", "-0.5E+7");
    assert!(read_flat(&shape, plain.trim_end(), &mut cells));
    for line in [
        "",
        "{}",
        "{\"id\":\"a\",}",
        "{\"id\":\"a\"}x",
        "{\"id\":\"a\",\"x\":01}",
        "{\"id\":\"a\",\"x\":1.}",
        "{\"id\":\"a\",\"x\":nul}",
    ] {
        assert!(!read_flat(&shape, line, &mut cells), "{line}");
    }
}

const VALID: &str = r#"{"id":"\u00e9","monto":"12.50","cantidad":-3,"grande":1e3,"razon":0.1,"activo":true,"dia":"2026-11-21","hora":"2026-11-21T10:20:30.5-05:00","x":[{}]}
"#;

proptest! {
    #[test]
    fn any_bytes_are_rows_or_failures(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes)?;
    }

    #[test]
    fn mutated_lines_are_rows_or_failures(
        mutations in proptest::collection::vec((0..VALID.len(), 0..4_u8, any::<u8>()), 0..6),
        copies in 1..4_usize,
    ) {
        let mut bytes = VALID.repeat(copies).into_bytes();
        for (at, how, byte) in mutations {
            let at = at.min(bytes.len().saturating_sub(1));
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes[at] ^= 1 << (byte % 8),
            }
            if bytes.is_empty() {
                break;
            }
        }
        check(&bytes)?;
        if let Ok(text) = str::from_utf8(&bytes) {
            text.lines().try_for_each(compare)?;
        }
    }

    #[test]
    fn both_ways_agree_on_numbers(number in "-?[0-9]{1,4}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,2})?", column in 0..5_usize) {
        let key = ["monto", "cantidad", "grande", "razon", "x"][column];
        compare(&format!("{{\"id\":\"a\",\"{key}\":{number}}}"))?;
    }
}
