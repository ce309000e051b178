use insta::assert_snapshot;

use super::tests::SMALL;
use crate::{Avro, Contract, Csv, DateFormat, Encoding, Format, Protobuf};

/// The format of the small contract's source with these fields, or what is wrong with it.
fn format(fields: &str) -> Result<Format, String> {
    let text = SMALL.replace(
        "value: [{ name: envios, schema: evento_envio, eventTime: salida }]",
        &format!(
            "value:\n    - name: envios\n      schema: evento_envio\n      {}",
            fields.replace('\n', "\n      ")
        ),
    );
    Contract::parse(&text)
        .map(|contract| contract.sources[0].format.clone())
        .map_err(|errors| errors.to_string())
}

#[test]
fn json_is_the_default() {
    assert_eq!(format("eventTime: salida"), Ok(Format::Json));
    assert_eq!(format("format: json"), Ok(Format::Json));
}

#[test]
fn options_of_csv() {
    assert_eq!(format("format: csv"), Ok(Format::Csv(Csv::default())));
    let fields = r#"format: csv
csv:
  delimiter: "\t"
  decimal: ","
  thousands: "."
  null: "NULL"
  quote: ""
  header: false
  encoding: latin1
  dateFormat: d/M/yyyy
  utcOffset: "-05:30""#;
    let csv = Csv {
        delimiter: b'\t',
        quote: None,
        header: false,
        null: "NULL".into(),
        decimal: b',',
        thousands: Some(b'.'),
        encoding: Encoding::Latin1,
        date_format: DateFormat::parse("d/M/yyyy").unwrap(),
        utc_offset: Some(-19_800),
    };
    assert_eq!(format(fields), Ok(Format::Csv(csv)));
}

#[test]
fn schemas_stand_in_the_contract() {
    let schema = "{\"type\": \"record\", \"name\": \"r\", \"fields\": []}\n";
    let avro = format(&format!("format: avro\navro:\n  schema: |\n    {schema}"));
    let expected = Avro {
        schema: Some(schema.into()),
    };
    assert_eq!(avro, Ok(Format::Avro(expected)));
    assert_eq!(format("format: avro"), Ok(Format::Avro(Avro::default())));
    let protobuf = Protobuf {
        message: "ventas.Venta".into(),
        descriptors: vec![1, 2, 3, 4],
    };
    let fields = "format: protobuf\nprotobuf:\n  message: ventas.Venta\n  descriptors: |\n    AQID\n    BA==";
    assert_eq!(format(fields), Ok(Format::Protobuf(protobuf)));
}

#[test]
fn parquet_may_say_whose_its_times_are() {
    let none = crate::Parquet::default();
    assert_eq!(format("format: parquet"), Ok(Format::Parquet(none)));
    let bogota = crate::Parquet {
        utc_offset: Some(-5 * 3600),
    };
    let fields = "format: parquet\nparquet: { utcOffset: '-05:00' }";
    assert_eq!(format(fields), Ok(Format::Parquet(bogota)));
}

#[test]
fn what_is_wrong_says_how_to_mend_it() {
    let cases = [
        "format: cvs",
        "format: json\ncsv: { delimiter: ';' }",
        "format: csv\ncsv: { delimiter: ';;', decimal: ';', thousands: x, encoding: utf8 }",
        "format: csv\ncsv: { delimiter: '\"', decimal: ',', thousands: ',' }",
        "format: csv\ncsv: { dateFormat: dd/mm/yyyy, utcOffset: '5', delimeter: ';' }",
        "format: avro\navro: { schema: venta.avsc }",
        "format: protobuf",
        "format: protobuf\nprotobuf: { message: Venta, descriptors: '%' }",
        "format: protobuf\nprotobuf: { descriptors: 'AQID' }",
        "format: parquet\nparquet: { utcOffset: Bogota, compression: zstd }",
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|case| format(case).map_or_else(|errors| errors, |_| "valid".into()))
        .collect();
    assert_snapshot!(said.join("\n"), @r#"
    line 20: customProperties[0].value[0].format: unknown value `cvs`: did you mean `csv`?
    line 21: customProperties[0].value[0].csv: options of another format than `json`: write `format: csv`, or remove them
    line 21: customProperties[0].value[0].csv.decimal: no decimal separator: write `.` or `,` in quotes
    line 21: customProperties[0].value[0].csv.delimiter: `;;` is no separator: write one ASCII character that is no letter and no digit
    line 21: customProperties[0].value[0].csv.encoding: unknown value `utf8`: did you mean `utf-8`?
    line 21: customProperties[0].value[0].csv.thousands: `x` is no separator: write one ASCII character that is no letter and no digit
    line 21: customProperties[0].value[0].csv: `delimiter` and `quote` are the same: let them be different
    line 21: customProperties[0].value[0].csv.thousands: `decimal` and `thousands` are the same: let them be different, or remove `thousands`
    line 21: customProperties[0].value[0].csv.dateFormat: `dd/mm/yyyy` is no form of a date: write `yyyy`, `MM` and `dd` once each, such as `dd/MM/yyyy`; `d` and `M` before a separator may have one digit
    line 21: customProperties[0].value[0].csv.delimeter: unknown field in the CSV format: did you mean `delimiter`?
    line 21: customProperties[0].value[0].csv.utcOffset: `5` is no offset from UTC: write hours and minutes, such as "-05:00"
    line 21: customProperties[0].value[0].avro.schema: no Avro schema of a record: write the text of the .avsc file under `schema: |`, or leave `schema` out and use a registry
    line 18: customProperties[0].value[0]: a source of format `protobuf` needs `protobuf`: add it, with `message` and `descriptors`
    line 21: customProperties[0].value[0].protobuf.descriptors: no base64 of descriptors: write what `protoc --include_imports -o /dev/stdout your.proto | base64` prints
    line 21: customProperties[0].value[0].protobuf: the Protobuf format needs `message`: add it
    line 21: customProperties[0].value[0].parquet.compression: unknown field in the Parquet format: remove it, or use one of `utcOffset`
    line 21: customProperties[0].value[0].parquet.utcOffset: `Bogota` is no offset from UTC: write hours and minutes, such as "-05:00"
    "#);
}

#[test]
fn forms_of_dates() {
    for (text, valid) in [
        ("yyyy-MM-dd", true),
        ("yyyyMMdd", true),
        ("dd.MM.yyyy", true),
        ("d/M/yyyy", true),
        ("dMyyyy", false),
        ("yyyyMMd", true),
        ("", false),
        ("yyyy-MM", false),
        ("dd/MM/yy", false),
        ("dd/MM/yyyy/dd", false),
        ("dd de MM de yyyy", false),
    ] {
        assert_eq!(DateFormat::parse(text).is_some(), valid, "{text}");
    }
}
