//! `logicalType` and `physicalType` to the type of a column.

use crate::ColumnType;
use crate::errors::{ContractErrors, closest, listed, shown};
use crate::yaml::At;

/// Most digits of a decimal: what 128 bits hold.
const MAX_PRECISION: u8 = 38;

const LOGICAL: [&str; 6] = ["string", "boolean", "integer", "number", "date", "timestamp"];
const PHYSICAL: [&str; 8] = [
    "string",
    "boolean",
    "int",
    "bigint",
    "double",
    "decimal(18,2)",
    "date",
    "timestamp",
];

/// The type of a column; `None` where it has none, which is pushed.
pub(crate) fn column_type(column: &At<'_>, errors: &mut ContractErrors) -> Option<ColumnType> {
    let logical_at = column.get("logicalType");
    let physical_at = column.get("physicalType");
    if logical_at.is_none() && physical_at.is_none() {
        let remedy = format!("add `logicalType`: one of {}", listed(LOGICAL));
        column.error(errors, "a column without a type", remedy);
        return None;
    }
    let logical = logical_at.as_ref().map(|at| logical(at, errors));
    let physical = physical_at.as_ref().map(|at| physical(at, errors));
    match (logical, physical) {
        (Some(None), _) | (_, Some(None)) | (None, None) => None,
        (None, Some(Some(physical))) => Some(physical),
        (Some(Some(logical)), None) => Some(default(logical)),
        (Some(Some(logical)), Some(Some(physical))) => {
            if logical_of(physical) == logical {
                return Some(physical);
            }
            if let Some(at) = physical_at {
                let wrong = format!("`{physical}` is no {logical}, which `logicalType` says it is");
                at.error(
                    errors,
                    wrong,
                    format!("write {} here, or mend `logicalType`", fitting(logical)),
                );
            }
            None
        }
    }
}

fn logical(at: &At<'_>, errors: &mut ContractErrors) -> Option<&'static str> {
    let word = at.text()?;
    if let Some(known) = LOGICAL.into_iter().find(|known| *known == word) {
        return Some(known);
    }
    let wrong = format!("unknown logical type `{}`", shown(word));
    match word {
        "object" | "array" => {
            at.error(
                errors,
                format!("logical type `{word}` is not supported"),
                "keep nested values as JSON text in a `string`",
            );
        }
        "time" => {
            at.error(
                errors,
                "logical type `time` is not supported",
                "use `timestamp`, or `integer` since midnight",
            );
        }
        _ => match closest(word, LOGICAL) {
            Some(meant) => {
                at.error(
                    errors,
                    wrong,
                    format!("did you mean `{meant}`? (one of {})", listed(LOGICAL)),
                );
            }
            None => at.error(errors, wrong, format!("use one of {}", listed(LOGICAL))),
        },
    }
    None
}

fn physical(at: &At<'_>, errors: &mut ContractErrors) -> Option<ColumnType> {
    let text = at.text()?;
    let word: String = text
        .chars()
        .filter(|c| *c != ' ')
        .flat_map(char::to_lowercase)
        .take(64)
        .collect();
    let known = match word.as_str() {
        "string" => Some(ColumnType::Utf8),
        "boolean" => Some(ColumnType::Boolean),
        "int" => Some(ColumnType::Int32),
        "bigint" => Some(ColumnType::Int64),
        "double" => Some(ColumnType::Float64),
        "date" => Some(ColumnType::Date),
        "timestamp" => Some(ColumnType::Timestamp),
        _ => None,
    };
    if known.is_some() {
        return known;
    }
    if let Some(arguments) = word
        .strip_prefix("decimal")
        .or_else(|| word.strip_prefix("numeric"))
    {
        return decimal(at, text, arguments, errors);
    }
    let base = word.split('(').next().unwrap_or_default();
    let meant = match base {
        "varchar" | "char" | "text" | "utf8" | "str" | "uuid" | "json" | "enum" => Some("string"),
        "bool" | "bit" => Some("boolean"),
        "integer" | "int32" | "i32" | "smallint" | "tinyint" | "short" => Some("int"),
        "long" | "int64" | "i64" => Some("bigint"),
        "float" | "float64" | "float32" | "real" | "f64" | "number" => Some("double"),
        "money" => Some("decimal(18,2)"),
        "datetime" | "timestamptz" | "timestamp_tz" | "timestamp_ntz" => Some("timestamp"),
        _ => closest(base, PHYSICAL),
    };
    let remedy = match meant {
        Some(meant) => format!("use `{meant}`"),
        None => format!("use one of {}", listed(PHYSICAL)),
    };
    at.error(errors, format!("unknown physical type `{}`", shown(text)), remedy);
    None
}

fn decimal(at: &At<'_>, text: &str, arguments: &str, errors: &mut ContractErrors) -> Option<ColumnType> {
    let numbers = arguments
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let parsed = numbers.and_then(|numbers| {
        let (precision, scale) = numbers.split_once(',').unwrap_or((numbers, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let both = digits(precision) && digits(scale);
        both.then(|| (precision.parse::<u64>().ok(), scale.parse::<u64>().ok()))
    });
    let wrong = format!("`{}` is no decimal type", shown(text));
    let Some((precision, scale)) = parsed else {
        at.error(
            errors,
            wrong,
            "write digits and digits after the point, such as `decimal(18,2)`",
        );
        return None;
    };
    let narrow = |n: Option<u64>| n.and_then(|n| u8::try_from(n).ok());
    match (narrow(precision), narrow(scale)) {
        (Some(precision), Some(scale)) if (1..=MAX_PRECISION).contains(&precision) && scale <= precision => {
            Some(ColumnType::Decimal { precision, scale })
        }
        (Some(precision), _) if (1..=MAX_PRECISION).contains(&precision) => {
            at.error(
                errors,
                wrong,
                "let the digits after the point be at most all its digits",
            );
            None
        }
        _ => {
            at.error(errors, wrong, format!("use 1 to {MAX_PRECISION} digits"));
            None
        }
    }
}

fn default(logical: &str) -> ColumnType {
    match logical {
        "boolean" => ColumnType::Boolean,
        "integer" => ColumnType::Int64,
        "number" => ColumnType::Float64,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        _ => ColumnType::Utf8,
    }
}

pub(crate) fn logical_of(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "boolean",
        ColumnType::Int32 | ColumnType::Int64 => "integer",
        ColumnType::Float64 | ColumnType::Decimal { .. } => "number",
        ColumnType::Utf8 => "string",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
    }
}

fn fitting(logical: &str) -> String {
    match logical {
        "integer" => "`int` or `bigint`".into(),
        "number" => "`double` or `decimal(p,s)`".into(),
        other => format!("`{other}`"),
    }
}
