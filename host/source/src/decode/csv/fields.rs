//! One record of CSV to its fields.

use memchr::{Memchr, memchr};

use crate::decode::object::Flaw;
use crate::decode::rule;

/// A field as it stands in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Without the quotes around it.
    pub(crate) bytes: &'a [u8],
    /// The same, where the record is known to be UTF-8.
    pub(crate) text: Option<&'a str>,
    pub(crate) is_quoted: bool,
    /// Quotes within it are doubled.
    pub(crate) has_quotes: bool,
    /// Byte of the record, from 0.
    pub(crate) at: usize,
}

/// The fields of a record, from left to right. A record has at least one.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    record: &'a [u8],
    text: Option<&'a str>,
    /// Of a record without quotes, all that stands between fields.
    delimiters: Option<Memchr<'a>>,
    delimiter: u8,
    quote: Option<u8>,
    /// Where the next field starts; `None`: the last one was given.
    next: Option<usize>,
}

impl<'a> Fields<'a> {
    /// `text`: the record, where it is UTF-8.
    pub(crate) fn new(record: &'a [u8], text: Option<&'a str>, delimiter: u8, quote: Option<u8>) -> Self {
        let is_plain = quote.is_none_or(|quote| memchr(quote, record).is_none());
        Self {
            record,
            text,
            delimiters: is_plain.then(|| Memchr::new(delimiter, record)),
            delimiter,
            quote,
            next: Some(0),
        }
    }

    fn field(&self, at: usize, start: usize, end: usize) -> Field<'a> {
        Field {
            bytes: self.record.get(start..end).unwrap_or_default(),
            text: self.text.and_then(|text| text.get(start..end)),
            is_quoted: false,
            has_quotes: false,
            at,
        }
    }

    fn quoted(&mut self, at: usize, quote: u8) -> Result<Field<'a>, Flaw> {
        let start = at + 1;
        let mut from = start;
        let mut has_quotes = false;
        loop {
            let rest = self.record.get(from..).unwrap_or_default();
            let Some(end) = memchr(quote, rest).map(|found| from + found) else {
                self.next = None;
                return Err(Flaw::of_line(
                    rule::UNCLOSED_QUOTE,
                    Some(at + 1),
                    "a quote opens here and is not closed",
                ));
            };
            match self.record.get(end + 1) {
                Some(next) if *next == quote => {
                    has_quotes = true;
                    from = end + 2;
                    continue;
                }
                Some(next) if *next == self.delimiter => self.next = Some(end + 2),
                None => self.next = None,
                Some(_) => {
                    self.next = None;
                    return Err(Flaw::of_line(
                        rule::INVALID_QUOTE,
                        Some(end + 2),
                        "text after a closing quote: quotes within a field must be doubled",
                    ));
                }
            }
            return Ok(Field {
                is_quoted: true,
                has_quotes,
                ..self.field(at, start, end)
            });
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next?;
        if let Some(delimiters) = &mut self.delimiters {
            let end = delimiters.next();
            self.next = end.map(|end| end + 1);
            return Some(Ok(self.field(at, at, end.unwrap_or(self.record.len()))));
        }
        let rest = self.record.get(at..).unwrap_or_default();
        if let (Some(quote), Some(first)) = (self.quote, rest.first())
            && quote == *first
        {
            return Some(self.quoted(at, quote));
        }
        let end = memchr(self.delimiter, rest);
        self.next = end.map(|end| at + end + 1);
        Some(Ok(self.field(
            at,
            at,
            end.map_or(self.record.len(), |end| at + end),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &str) -> Result<Vec<String>, (&'static str, Option<usize>)> {
        Fields::new(record.as_bytes(), Some(record), b';', Some(b'"'))
            .map(|field| {
                field
                    .map(|field| String::from_utf8_lossy(field.bytes).into_owned())
                    .map_err(|flaw| (flaw.rule, flaw.at))
            })
            .collect()
    }

    #[test]
    fn fields_of_a_record() {
        for (record, expected) in [
            ("", Ok(vec![""])),
            (";", Ok(vec!["", ""])),
            ("a;b", Ok(vec!["a", "b"])),
            ("\"a;b\";\"\";\"c\n\"", Ok(vec!["a;b", "", "c\n"])),
            ("\"a\"\"b\"", Ok(vec!["a\"\"b"])),
            ("12\";b\"", Ok(vec!["12\"", "b\""])),
            ("a;\"b", Err(("unclosed_quote", Some(3)))),
            ("\"", Err(("unclosed_quote", Some(1)))),
            ("\"a\"b;c", Err(("invalid_quote", Some(4)))),
            ("\"a\" ;c", Err(("invalid_quote", Some(4)))),
        ] {
            let expected = expected.map(|fields| fields.into_iter().map(str::to_owned).collect());
            assert_eq!(fields(record), expected, "{record:?}");
        }
    }
}
