use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use malla_contract::{Csv, DateFormat, Encoding, Format, Source};
use proptest::prelude::*;

use crate::decode::tests::table;
use crate::{Decoded, Decoder, Lines};

fn source(csv: Csv) -> Source {
    Source {
        name: "todo".to_owned(),
        table: table(),
        event_time: None,
        format: Format::Csv(csv),
    }
}

fn spanish() -> Csv {
    Csv {
        delimiter: b';',
        decimal: b',',
        thousands: Some(b'.'),
        encoding: Encoding::Latin1,
        date_format: DateFormat::parse("dd/MM/yyyy").unwrap(),
        utc_offset: Some(-18_000),
        ..Csv::default()
    }
}

fn decode(csv: Csv, text: &[u8]) -> Decoded {
    let source = source(csv);
    let lines = Lines::of_file("p", text, &source);
    Decoder::new(&source).unwrap().decode(&lines).unwrap()
}

#[test]
fn every_type_arrives_exactly() {
    let decoded = decode(
        spanish(),
        b"HORA;Monto;notas;dia;activo;razon;grande;cantidad;id\r\n\
          21/11/2026 10:20:30;1.234,5;\"x;y\";21/11/2026;si;0,1;9.223.372.036.854.775.807;-3;\"a\"\"\n\"\r\n\
          ;\"\";;;;;;;\xE9\r\n\
          ;;;;;;;;\"\"\r\n",
    );
    assert_eq!(decoded.failed, []);
    assert_eq!(decoded.rows, [0, 1, 2]);
    let batch = &decoded.batch;
    let id = batch["id"].as_string::<i32>();
    assert_eq!(id.iter().flatten().collect::<Vec<_>>(), ["a\"\n", "é", ""]);
    let monto = batch["monto"].as_primitive::<Decimal128Type>();
    assert_eq!(monto.iter().collect::<Vec<_>>(), [Some(123_450), None, None]);
    assert_eq!(batch["cantidad"].as_primitive::<Int32Type>().value(0), -3);
    assert_eq!(batch["grande"].as_primitive::<Int64Type>().value(0), i64::MAX);
    assert_eq!(batch["razon"].as_primitive::<Float64Type>().value(0), 0.1);
    assert!(batch["activo"].as_boolean().value(0));
    assert_eq!(batch["dia"].as_primitive::<Date32Type>().value(0), 20_778);
    let hora = batch["hora"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(
        hora.iter().collect::<Vec<_>>(),
        [Some(1_795_274_430_000_000), None, None]
    );
}

#[test]
fn each_flaw_has_its_rule_column_and_byte() {
    for (line, rule, column, at) in [
        ("", "empty_line", None, None),
        ("  ", "empty_line", None, None),
        ("a", "wrong_field_count", None, None),
        ("a;1;2;3", "wrong_field_count", None, None),
        // The record is cut wrongly: that its amount is none says nothing.
        ("a;x;1;2", "wrong_field_count", None, None),
        ("a;\"1;2", "unclosed_quote", None, Some(3)),
        ("\"a\"b;1;2", "invalid_quote", None, Some(4)),
        (";1;2", "missing_required", Some("id"), None),
        ("a;1,005;2", "invalid_decimal", Some("monto"), Some(3)),
        ("a;12.50;2", "invalid_decimal", Some("monto"), Some(3)),
        ("a;1;2147483648", "out_of_range", Some("cantidad"), Some(5)),
        ("a;1;dos", "wrong_type", Some("cantidad"), Some(5)),
    ] {
        let decoded = decode(spanish(), format!("id;monto;cantidad\n{line}\n").as_bytes());
        assert_eq!(decoded.rows, [] as [u32; 0], "{line}");
        let failure = &decoded.failed[0];
        assert_eq!(
            (failure.rule, failure.column.as_deref(), failure.at),
            (rule, column, at),
            "{line}"
        );
        assert!(Decoder::RULES.contains(&rule));
    }
    let invalid = decode(Csv::default(), b"id\na\nb\xFF\nc\n");
    assert_eq!(invalid.rows, [0, 2]);
    assert_eq!(
        (invalid.failed[0].rule, invalid.failed[0].at),
        ("invalid_utf8", Some(1))
    );
}

#[test]
fn a_header_that_will_not_do_fails_the_rows_below_it() {
    for (header, rule, column) in [
        ("monto;cantidad", "missing_column", Some("id")),
        ("id;monto;ID", "invalid_header", Some("id")),
        ("a;b", "invalid_header", None),
        ("\"id;monto", "invalid_header", None),
        ("id,monto", "invalid_header", None),
    ] {
        let decoded = decode(spanish(), format!("{header}\n1;2\n3;4\n").as_bytes());
        assert_eq!(decoded.rows.len(), 0, "{header}");
        for failure in &decoded.failed {
            assert_eq!(
                (failure.rule, failure.column.as_deref()),
                (rule, column),
                "{header}"
            );
        }
        assert_eq!(decoded.failed.len(), 2, "{header}");
    }
    // The next file is another matter.
    let source = source(spanish());
    let mut lines = Lines::new("p", 0);
    lines.put_header(Some(&b"monto"[..].into()));
    lines.push(b"1", 1);
    lines.put_header(Some(&b"id"[..].into()));
    lines.push(b"a", 2);
    let mut decoder = Decoder::new(&source).unwrap();
    let decoded = decoder.decode(&lines).unwrap();
    assert_eq!(
        (decoded.rows, decoded.failed[0].rule),
        (vec![1], "missing_column")
    );
}

#[test]
fn a_message_has_its_fields_in_the_contracts_order() {
    let source = source(spanish());
    let mut lines = Lines::new("0", 0);
    lines.push(b"a;1,5;2;3;;;;\r\n", 1);
    lines.push(b"a;1,5;2", 2);
    let decoded = Decoder::new(&source).unwrap().decode(&lines).unwrap();
    assert_eq!(decoded.rows, [0]);
    assert_eq!(decoded.failed[0].rule, "wrong_field_count");
    assert_eq!(decoded.batch["cantidad"].as_primitive::<Int32Type>().value(0), 2);
}

#[test]
fn messages_carry_no_values() {
    for line in [
        "a;s3cr3t;1",
        "a;1;s3cr3t",
        "s3cr3t",
        "\"s3cr3t",
        "\"s3cr3t\"s3cr3t;1;1",
    ] {
        let decoded = decode(spanish(), format!("id;monto;cantidad\n{line}\n").as_bytes());
        assert!(!decoded.failed[0].message.contains("s3cr3t"), "{line}");
    }
    let header = decode(spanish(), b"s3cr3t;s3cr3t\n1;2\n");
    assert!(!header.failed[0].message.contains("s3cr3t"));
}

/// One row as the contract's columns have it.
type Row = (String, Option<i64>, Option<i32>, Option<bool>, Option<String>);

fn row() -> impl Strategy<Value = Row> {
    let text = "[a;,\"'\n\r\tñ€𝄞 .0]{0,8}";
    (
        text,
        proptest::option::of(-10_i64.pow(17)..10_i64.pow(17)),
        any::<Option<i32>>(),
        any::<Option<bool>>(),
        proptest::option::of(text),
    )
}

/// A field of text: in quotes where it has to be, or wants to.
fn write(text: &str, csv: &Csv, quoted: bool) -> String {
    let special = [csv.delimiter, b'"', b'\n', b'\r'].map(char::from);
    if quoted || text.is_empty() || text == csv.null || text.contains(special) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read(
        rows in proptest::collection::vec(row(), 1..20),
        delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')],
        comma in any::<bool>(),
        quoted in any::<bool>(),
        crlf in any::<bool>(),
        last_end in any::<bool>(),
    ) {
        let csv = Csv {
            delimiter,
            decimal: if comma { b',' } else { b'.' },
            thousands: comma.then_some(b'.'),
            ..Csv::default()
        };
        let (tab, end) = (char::from(delimiter), if crlf { "\r\n" } else { "\n" });
        let mut text = ["cantidad", "otra", "id", "monto", "activo"].join(&tab.to_string()) + end;
        for (id, monto, cantidad, activo, otra) in &rows {
            let number = |text: Option<String>| match text {
                None if !quoted => String::new(),
                text => write(&text.unwrap_or_default(), &csv, quoted),
            };
            let monto = monto.map(|cents| {
                let point = char::from(csv.decimal);
                format!("{}{}{point}{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
            });
            let fields = [
                number(cantidad.map(|n| n.to_string())),
                otra.as_ref().map_or(String::new(), |text| write(text, &csv, quoted)),
                write(id, &csv, quoted),
                number(monto),
                number(activo.map(|truth| truth.to_string())),
            ];
            text.push_str(&fields.join(&tab.to_string()));
            text.push_str(end);
        }
        if !last_end {
            text.truncate(text.len() - end.len());
        }
        let decoded = decode(csv, text.as_bytes());
        prop_assert_eq!(&decoded.failed, &[]);
        let batch = &decoded.batch;
        let read: Vec<Row> = (0..batch.num_rows())
            .map(|row| {
                let at = |name: &str| batch.column_by_name(name).unwrap().slice(row, 1);
                (
                    at("id").as_string::<i32>().value(0).to_owned(),
                    at("monto").as_primitive::<Decimal128Type>().iter().next().flatten().map(|n| n as i64),
                    at("cantidad").as_primitive::<Int32Type>().iter().next().flatten(),
                    at("activo").as_boolean().iter().next().flatten(),
                    None,
                )
            })
            .collect();
        let expected: Vec<Row> = rows.into_iter().map(|(a, b, c, d, _)| (a, b, c, d, None)).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_bytes_are_rows_or_failures(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b';'), Just(b'"'), Just(b'\n'), Just(b'.'), Just(b','), Just(b'1'), Just(b'/')],
            0..300,
        ),
        header in any::<bool>(),
        named in any::<bool>(),
        quote in any::<bool>(),
    ) {
        let csv = Csv { header, quote: quote.then_some(b'"'), ..spanish() };
        let mut text = if named { b"id;monto;dia;hora;razon;activo;cantidad\n".to_vec() } else { Vec::new() };
        text.extend(bytes);
        let source = source(csv);
        let lines = Lines::of_file("p", &text, &source);
        let decoded = Decoder::new(&source).unwrap().decode(&lines).unwrap();
        let mut all: Vec<u32> = decoded.rows.iter().copied().chain(decoded.failed.iter().map(|f| f.line)).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..u32::try_from(lines.len()).unwrap()).collect::<Vec<_>>());
    }
}
