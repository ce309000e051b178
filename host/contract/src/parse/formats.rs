//! The format of a source, and its options.

use data_encoding::BASE64;

use crate::errors::{ContractErrors, shown};
use crate::format::{Avro, Csv, DateFormat, Encoding, Format, Parquet, Protobuf};
use crate::yaml::At;

/// The format of one entry of `mallaSources`. Where its options are wrong, that was said, and defaults stand in.
pub(crate) fn read(source: &At<'_>, errors: &mut ContractErrors) -> Format {
    let word = source.get("format").and_then(|at| at.text()).unwrap_or("json");
    for other in Format::WORDS {
        if let Some(options) = source.get(other).filter(|_| other != word) {
            let remedy = format!("write `format: {other}`, or remove them");
            options.error(
                errors,
                format!("options of another format than `{}`", shown(word)),
                remedy,
            );
        }
    }
    let options = source.get(word);
    match word {
        "csv" => Format::Csv(options.map(|at| csv(&at, errors)).unwrap_or_default()),
        "avro" => Format::Avro(Avro {
            schema: options.and_then(|at| avro_schema(&at, errors)),
        }),
        "protobuf" => match options {
            Some(at) => protobuf(&at, errors).map_or(Format::Json, Format::Protobuf),
            None => {
                let remedy = "add it, with `message` and `descriptors`";
                source.error(errors, "a source of format `protobuf` needs `protobuf`", remedy);
                Format::Json
            }
        },
        "parquet" => Format::Parquet(Parquet {
            utc_offset: options.and_then(|at| utc_offset(&at, errors)),
        }),
        _ => Format::Json,
    }
}

fn csv(at: &At<'_>, errors: &mut ContractErrors) -> Csv {
    let default = Csv::default();
    let delimiter = separator(at, "delimiter", errors).map(|(_, byte)| byte);
    let quote = match at.get("quote") {
        Some(quote) if quote.text() == Some("") => None,
        _ => separator(at, "quote", errors).map_or(default.quote, |(_, byte)| Some(byte)),
    };
    let decimal = separator(at, "decimal", errors);
    let thousands = separator(at, "thousands", errors);
    let csv = Csv {
        delimiter: delimiter.unwrap_or(default.delimiter),
        quote,
        header: at
            .get("header")
            .and_then(|at| at.truth())
            .unwrap_or(default.header),
        null: at
            .get("null")
            .and_then(|at| at.text().map(str::to_owned))
            .unwrap_or_default(),
        decimal: decimal.as_ref().map_or(default.decimal, |(_, byte)| *byte),
        thousands: thousands.as_ref().map(|(_, byte)| *byte),
        encoding: match at.get("encoding").and_then(|at| at.text()) {
            Some("latin1") => Encoding::Latin1,
            Some("windows-1252") => Encoding::Windows1252,
            _ => Encoding::Utf8,
        },
        date_format: date_format(at, errors).unwrap_or_default(),
        utc_offset: utc_offset(at, errors),
    };
    if csv.quote == Some(csv.delimiter) {
        at.error(
            errors,
            "`delimiter` and `quote` are the same",
            "let them be different",
        );
    }
    if let Some((decimal, byte)) = decimal
        && !matches!(byte, b'.' | b',')
    {
        decimal.error(errors, "no decimal separator", "write `.` or `,` in quotes");
    }
    if let Some((thousands, byte)) = thousands
        && byte == csv.decimal
    {
        let remedy = "let them be different, or remove `thousands`";
        thousands.error(errors, "`decimal` and `thousands` are the same", remedy);
    }
    csv
}

/// An option that is one ASCII character, which no number, name or line end can hold.
fn separator<'a>(at: &At<'a>, name: &str, errors: &mut ContractErrors) -> Option<(At<'a>, u8)> {
    let at = at.get(name)?;
    match at.text()?.as_bytes() {
        [byte]
            if (byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric()) || matches!(byte, b'\t' | b' ') =>
        {
            Some((at, *byte))
        }
        _ => {
            let wrong = format!("`{}` is no separator", shown(at.text().unwrap_or_default()));
            at.error(
                errors,
                wrong,
                "write one ASCII character that is no letter and no digit",
            );
            None
        }
    }
}

fn date_format(at: &At<'_>, errors: &mut ContractErrors) -> Option<DateFormat> {
    let at = at.get("dateFormat")?;
    let text = at.text()?;
    let format = DateFormat::parse(text);
    if format.is_none() {
        let remedy = "write `yyyy`, `MM` and `dd` once each, such as `dd/MM/yyyy`; `d` and `M` before a separator \
                      may have one digit";
        at.error(errors, format!("`{}` is no form of a date", shown(text)), remedy);
    }
    format
}

/// `-05:00` as seconds.
fn utc_offset(at: &At<'_>, errors: &mut ContractErrors) -> Option<i32> {
    let at = at.get("utcOffset")?;
    let text = at.text()?;
    let seconds = match text.as_bytes() {
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) =>
        {
            let number = |tens: &u8, ones: &u8| i32::from(tens - b'0') * 10 + i32::from(ones - b'0');
            let (hours, minutes) = (number(h1, h2), number(m1, m2));
            let seconds = hours * 3600 + minutes * 60;
            (hours <= 18 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    };
    if seconds.is_none() {
        let wrong = format!("`{}` is no offset from UTC", shown(text));
        at.error(errors, wrong, "write hours and minutes, such as \"-05:00\"");
    }
    seconds
}

fn avro_schema(at: &At<'_>, errors: &mut ContractErrors) -> Option<String> {
    let at = at.get("schema")?;
    let text = at.text()?;
    if !text.trim_start().starts_with('{') {
        let remedy =
            "write the text of the .avsc file under `schema: |`, or leave `schema` out and use a registry";
        at.error(errors, "no Avro schema of a record", remedy);
        return None;
    }
    Some(text.to_owned())
}

fn protobuf(at: &At<'_>, errors: &mut ContractErrors) -> Option<Protobuf> {
    let message = at.get("message").and_then(|at| at.text());
    let descriptors = at
        .get("descriptors")
        .and_then(|at| at.text().map(|text| (at, text)));
    let (at, text) = descriptors?;
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    match BASE64.decode(&compact) {
        Ok(descriptors) if !descriptors.is_empty() => Some(Protobuf {
            message: message?.to_owned(),
            descriptors,
        }),
        _ => {
            let remedy = "write what `protoc --include_imports -o /dev/stdout your.proto | base64` prints";
            at.error(errors, "no base64 of descriptors", remedy);
            None
        }
    }
}
