//! The bytes of one message. Specification: Apache Avro 1.12, "Binary Encoding".

use super::schema::{Schema, Type};
use crate::decode::object::Flaw;
use crate::decode::rule;

/// Records and items of a message that may have no bytes.
const SPARE: usize = 10_000;
/// Levels of nesting that are followed.
pub(crate) const MAX_DEPTH: usize = 128;

#[derive(Debug)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Items and records that may still come: hardly more than the message has bytes, so that those without bytes cost no more time
    /// than others.
    items: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            items: bytes.len().saturating_add(SPARE),
        }
    }

    /// Byte of the message, from 0.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn invalid(&self, message: &'static str) -> Flaw {
        Flaw::of_line(rule::INVALID_AVRO, Some(self.at + 1), message)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Flaw> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.invalid("the message ends within a value"))?;
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| self.invalid("the message ends within a value"))
    }

    /// Zigzag, seven bits a byte, the lowest first.
    pub(crate) fn long(&mut self) -> Result<i64, Flaw> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && byte > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                let half = i64::try_from(value >> 1).unwrap_or_default();
                return Ok(if value & 1 == 1 { !half } else { half });
            }
        }
        Err(self.invalid("a number of more than 64 bits"))
    }

    pub(crate) fn int(&mut self) -> Result<i64, Flaw> {
        let value = self.long()?;
        match i32::try_from(value) {
            Ok(_) => Ok(value),
            Err(_) => Err(self.invalid("an int of more than 32 bits")),
        }
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Flaw> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(self.invalid("a boolean that is neither 0 nor 1")),
        }
    }

    pub(crate) fn float(&mut self) -> Result<f64, Flaw> {
        Ok(f64::from(f32::from_le_bytes(self.array()?)))
    }

    pub(crate) fn double(&mut self) -> Result<f64, Flaw> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    pub(crate) fn length(&mut self) -> Result<usize, Flaw> {
        let length = self.long()?;
        usize::try_from(length).map_err(|_| self.invalid("a negative length"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Flaw> {
        let length = self.length()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Flaw> {
        let at = self.at;
        let bytes = self.bytes()?;
        str::from_utf8(bytes)
            .map_err(|_| Flaw::of_line(rule::INVALID_UTF8, Some(at + 1), "text that is not UTF-8"))
    }

    /// The branch of a union, or the symbol of an enum.
    pub(crate) fn choice<'s, T>(&mut self, choices: &'s [T]) -> Result<&'s T, Flaw> {
        let index = self.length()?;
        choices
            .get(index)
            .ok_or_else(|| self.invalid("a branch or symbol that the schema has not"))
    }

    /// Calls `item` for every item of an array or map.
    pub(crate) fn items(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Flaw>) -> Result<(), Flaw> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                count = count.saturating_neg();
                self.length()?;
            }
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            self.spend(count)?;
            for _ in 0..count {
                item(self)?;
            }
        }
    }

    pub(crate) fn spend(&mut self, count: usize) -> Result<(), Flaw> {
        let left = self.items.checked_sub(count);
        self.items = left.ok_or_else(|| self.invalid("more items than the message has bytes"))?;
        Ok(())
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self, schema: &Schema, ty: &Type, depth: usize) -> Result<(), Flaw> {
        if depth > MAX_DEPTH {
            return Err(too_deep(self.at));
        }
        match ty {
            Type::Null => {}
            Type::Boolean => drop(self.boolean()?),
            Type::Int | Type::Date | Type::Long | Type::Timestamp(_) | Type::Enum(_) => drop(self.long()?),
            Type::Float => drop(self.take(4)?),
            Type::Double => drop(self.take(8)?),
            Type::Bytes | Type::Text | Type::Decimal { size: None, .. } => drop(self.bytes()?),
            Type::Fixed(size) | Type::Decimal { size: Some(size), .. } => drop(self.take(*size)?),
            Type::Uuid => drop(self.take(16)?),
            Type::Union(branches) => {
                let branch = self.choice(branches)?;
                self.skip(schema, branch, depth + 1)?;
            }
            Type::Array(items) => self.items(|input| input.skip(schema, items, depth + 1))?,
            Type::Map(values) => self.items(|input| {
                input.bytes()?;
                input.skip(schema, values, depth + 1)
            })?,
            Type::Record(index) => {
                self.spend(1)?;
                for field in schema.record(*index) {
                    self.skip(schema, &field.ty, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn too_deep(at: usize) -> Flaw {
    Flaw::of_line(rule::TOO_DEEP, Some(at + 1), "nested more than 128 levels deep")
}
