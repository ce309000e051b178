//! Names of the rules that a line can break.

pub(crate) const EMPTY_LINE: &str = "empty_line";
pub(crate) const INVALID_UTF8: &str = "invalid_utf8";
pub(crate) const INVALID_JSON: &str = "invalid_json";
pub(crate) const NOT_AN_OBJECT: &str = "not_an_object";
pub(crate) const WRONG_TYPE: &str = "wrong_type";
pub(crate) const MISSING_REQUIRED: &str = "missing_required";
pub(crate) const OUT_OF_RANGE: &str = "out_of_range";
pub(crate) const DUPLICATE_KEY: &str = "duplicate_key";
pub(crate) const TOO_DEEP: &str = "too_deep";
pub(crate) const INVALID_DECIMAL: &str = "invalid_decimal";
pub(crate) const INVALID_TIMESTAMP: &str = "invalid_timestamp";
pub(crate) const INVALID_DATE: &str = "invalid_date";
/// Of CSV: the header does not name a required column. Of Parquet: the file does not have it.
pub(crate) const MISSING_COLUMN: &str = "missing_column";
/// Of CSV: the header names a column twice, or none, or cannot be read.
pub(crate) const INVALID_HEADER: &str = "invalid_header";
pub(crate) const WRONG_FIELD_COUNT: &str = "wrong_field_count";
pub(crate) const UNCLOSED_QUOTE: &str = "unclosed_quote";
pub(crate) const INVALID_QUOTE: &str = "invalid_quote";
/// Bytes that are no record by the schema.
pub(crate) const INVALID_AVRO: &str = "invalid_avro";
/// The registry has no such schema, or none that can be used.
pub(crate) const UNKNOWN_SCHEMA: &str = "unknown_schema";
/// Bytes that are no message of the type.
pub(crate) const INVALID_PROTOBUF: &str = "invalid_protobuf";
/// A file that is no Parquet, is damaged or cut off, or whose footer lies: all of it, or the rest of a row group.
pub(crate) const INVALID_PARQUET: &str = "invalid_parquet";
/// Given by the reader.
pub(crate) const LINE_TOO_LONG: &str = "line_too_long";

/// Given by a topic.
pub(crate) const TOMBSTONE: &str = "tombstone";

/// Every rule of this crate.
pub(crate) const ALL: [&str; 23] = [
    EMPTY_LINE,
    INVALID_UTF8,
    INVALID_JSON,
    NOT_AN_OBJECT,
    WRONG_TYPE,
    MISSING_REQUIRED,
    OUT_OF_RANGE,
    DUPLICATE_KEY,
    TOO_DEEP,
    INVALID_DECIMAL,
    INVALID_TIMESTAMP,
    INVALID_DATE,
    MISSING_COLUMN,
    INVALID_HEADER,
    WRONG_FIELD_COUNT,
    UNCLOSED_QUOTE,
    INVALID_QUOTE,
    INVALID_AVRO,
    UNKNOWN_SCHEMA,
    INVALID_PROTOBUF,
    INVALID_PARQUET,
    LINE_TOO_LONG,
    TOMBSTONE,
];
