//! One JSON object to the cells of one row, in one pass and without a tree.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use malla_contract::{ColumnType, Table};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::rule;
use super::value::{Cell, Misfit, convert};

/// What the decoder knows about a table.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Vec<ShapeColumn>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
pub(crate) struct ShapeColumn {
    pub(crate) name: String,
    pub(crate) ty: ColumnType,
    pub(crate) required: bool,
}

impl Shape {
    pub(crate) fn new(table: &Table) -> Self {
        let columns: Vec<ShapeColumn> = table
            .columns
            .iter()
            .map(|column| ShapeColumn {
                name: column.name.clone(),
                ty: column.ty,
                required: column.required,
            })
            .collect();
        let by_name = columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name.clone(), index))
            .collect();
        Self { columns, by_name }
    }

    /// Producers write their keys in one order, so the column after the last one is nearly always right.
    pub(crate) fn find(&self, key: &str, guess: usize) -> Option<usize> {
        match self.columns.get(guess) {
            Some(column) if column.name == key => Some(guess),
            _ => self.find_name(key),
        }
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Required columns have values.
    pub(crate) fn check_required(&self, cells: &[Cell<'_>]) -> Result<(), Flaw> {
        let missing = self
            .columns
            .iter()
            .zip(cells)
            .position(|(column, cell)| column.required && matches!(cell, Cell::Absent | Cell::Null));
        match missing {
            None => Ok(()),
            Some(column) => Err(Flaw {
                rule: rule::MISSING_REQUIRED,
                column: Some(column),
                at: None,
                message: "required, but absent or null".into(),
            }),
        }
    }
}

/// The first thing that is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) rule: &'static str,
    /// Index of the column that it is about.
    pub(crate) column: Option<usize>,
    /// Byte of the line, from 1.
    pub(crate) at: Option<usize>,
    pub(crate) message: Cow<'static, str>,
}

impl Flaw {
    pub(crate) fn of_line(
        rule: &'static str,
        at: Option<usize>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            rule,
            column: None,
            at,
            message: message.into(),
        }
    }
}

/// Fills `cells`, which has one cell for every column of the shape.
pub(crate) fn read_object<'a>(shape: &Shape, line: &'a str, cells: &mut [Cell<'a>]) -> Result<(), Flaw> {
    cells.fill(Cell::Absent);
    let mut deserializer = serde_json::Deserializer::from_str(line);
    if !line.trim_ascii_start().starts_with('{') {
        let checked =
            serde::Deserialize::deserialize(&mut deserializer).and_then(|_: IgnoredAny| deserializer.end());
        return Err(checked.map_or_else(
            |error| not_json(&error),
            |()| {
                Flaw::of_line(
                    rule::NOT_AN_OBJECT,
                    Some(1),
                    "expected a JSON object, found another JSON value",
                )
            },
        ));
    }
    let mut row = RowVisitor {
        shape,
        line,
        cells: &mut *cells,
        flaw: None,
    };
    (&mut row)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| not_json(&error))?;
    if let Some(flaw) = row.flaw {
        return Err(flaw);
    }
    shape.check_required(cells)
}

fn not_json(error: &serde_json::Error) -> Flaw {
    // Only errors of type carry values, and those are found without serde_json's help.
    let message = if error.is_syntax() || error.is_eof() {
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default();
        Cow::Owned(format!("not JSON: {reason}"))
    } else {
        Cow::Borrowed("not JSON")
    };
    Flaw::of_line(rule::INVALID_JSON, Some(error.column().max(1)), message)
}

struct RowVisitor<'s, 'a> {
    shape: &'s Shape,
    line: &'a str,
    cells: &'s mut [Cell<'a>],
    flaw: Option<Flaw>,
}

impl<'a> RowVisitor<'_, 'a> {
    /// Keeps the first flaw, and reads on: a line that is not JSON should be called that.
    fn set(&mut self, column: usize, raw: &'a str) {
        let (Some(spec), Some(cell)) = (self.shape.columns.get(column), self.cells.get_mut(column)) else {
            return;
        };
        let outcome = if matches!(cell, Cell::Absent) {
            convert(raw, spec.ty)
        } else {
            Err(Misfit {
                rule: rule::DUPLICATE_KEY,
                message: "the key occurs twice".into(),
            })
        };
        match outcome {
            Ok(value) => *cell = value,
            Err(misfit) => {
                *cell = Cell::Null;
                // `raw` is part of `line`.
                let at = raw.as_ptr().addr().saturating_sub(self.line.as_ptr().addr()) + 1;
                self.flaw.get_or_insert(Flaw {
                    rule: misfit.rule,
                    column: Some(column),
                    at: Some(at),
                    message: misfit.message,
                });
            }
        }
    }
}

impl<'a> DeserializeSeed<'a> for &mut RowVisitor<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for &mut RowVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut guess = 0;
        while let Some(found) = map.next_key_seed(Key {
            shape: self.shape,
            guess,
        })? {
            match found {
                Some(column) => {
                    let raw: &'a RawValue = map.next_value()?;
                    self.set(column, raw.get());
                    guess = column + 1;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A key to the index of its column, if it has one.
struct Key<'s> {
    shape: &'s Shape,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.shape.find(key, self.guess))
    }
}
