//! The fast way for what nearly every line is: an object of plain values, without escapes.
//!
//! INVARIANT: it says nothing about a line that it does not like. Whatever is unusual or wrong is left to
//! [`super::object::read_object`], and where this way gives a row, that one gives the same.

use memchr::memchr;

use super::object::Shape;
use super::value::{Cell, convert};

/// Fills `cells` and says yes, or leaves them in any state and says no.
pub(crate) fn read_flat<'a>(shape: &Shape, line: &'a str, cells: &mut [Cell<'a>]) -> bool {
    // One pass that the compiler turns into vector instructions, so that the rest need not look for these.
    let unusual = line
        .bytes()
        .fold(false, |found, byte| found | (byte < b' ') | (byte == b'\\'));
    if unusual {
        return false;
    }
    cells.fill(Cell::Absent);
    read_members(shape, Scanner { line, at: 0 }, cells).is_some()
        && shape
            .columns
            .iter()
            .zip(cells.iter())
            .all(|(column, cell)| !column.required || !matches!(cell, Cell::Absent | Cell::Null))
}

fn read_members<'a>(shape: &Shape, mut scanner: Scanner<'a>, cells: &mut [Cell<'a>]) -> Option<()> {
    let mut guess = 0;
    scanner.expect(b'{')?;
    loop {
        let key = scanner.text()?;
        let key = key.get(1..key.len().checked_sub(1)?)?;
        scanner.expect(b':')?;
        let raw = scanner.plain_value()?;
        if let Some(index) = shape.find(key, guess) {
            let (column, cell) = (shape.columns.get(index)?, cells.get_mut(index)?);
            if !matches!(cell, Cell::Absent) {
                return None;
            }
            *cell = convert(raw, column.ty).ok()?;
            guess = index + 1;
        }
        match scanner.next()? {
            b',' => {}
            b'}' => return scanner.is_at_end().then_some(()),
            _ => return None,
        }
    }
}

struct Scanner<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [u8] {
        self.line.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Spaces are the only white space here: the others are control characters.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.line.as_bytes().get(self.at)? {
                b' ' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn take(&mut self, len: usize) -> Option<&'a str> {
        let end = self.at.checked_add(len)?;
        let taken = self.line.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// A string with its quotes.
    fn text(&mut self) -> Option<&'a str> {
        if self.peek()? != b'"' {
            return None;
        }
        let inner = memchr(b'"', self.rest().get(1..)?)?;
        self.take(inner + 2)
    }

    fn plain_value(&mut self) -> Option<&'a str> {
        let word = match self.peek()? {
            b'"' => return self.text(),
            b't' => "true",
            b'f' => "false",
            b'n' => "null",
            _ => return self.number(),
        };
        self.take(word.len()).filter(|taken| *taken == word)
    }

    /// `-`? (`0` | [1-9] digits) (`.` digits)? ([eE] [+-]? digits)?
    fn number(&mut self) -> Option<&'a str> {
        let bytes = self.rest();
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(b' ');
        let digits = |mut at: usize| {
            while byte(at).is_ascii_digit() {
                at += 1;
            }
            at
        };
        let whole = usize::from(byte(0) == b'-');
        let mut end = digits(whole);
        if end == whole || (byte(whole) == b'0' && end > whole + 1) {
            return None;
        }
        if byte(end) == b'.' {
            let fraction = end + 1;
            end = digits(fraction);
            if end == fraction {
                return None;
            }
        }
        if matches!(byte(end), b'e' | b'E') {
            let exponent = end + 1 + usize::from(matches!(byte(end + 1), b'+' | b'-'));
            end = digits(exponent);
            if end == exponent {
                return None;
            }
        }
        self.take(end)
    }
}
