//! One record of CSV to its fields.

use memchr::memchr;

use crate::decode::object::Flaw;
use crate::decode::rule;

/// A field as it stands in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Without the quotes around it.
    pub(crate) bytes: &'a [u8],
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
    delimiter: u8,
    quote: Option<u8>,
    /// Where the next field starts; `None`: the last one was given.
    next: Option<usize>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(record: &'a [u8], delimiter: u8, quote: Option<u8>) -> Self {
        Self {
            record,
            delimiter,
            quote,
            next: Some(0),
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
                bytes: self.record.get(start..end).unwrap_or_default(),
                is_quoted: true,
                has_quotes,
                at,
            });
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next?;
        let rest = self.record.get(at..).unwrap_or_default();
        if let (Some(quote), Some(first)) = (self.quote, rest.first())
            && quote == *first
        {
            return Some(self.quoted(at, quote));
        }
        let end = memchr(self.delimiter, rest);
        self.next = end.map(|end| at + end + 1);
        Some(Ok(Field {
            bytes: end.and_then(|end| rest.get(..end)).unwrap_or(rest),
            is_quoted: false,
            has_quotes: false,
            at,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &str) -> Result<Vec<String>, (&'static str, Option<usize>)> {
        Fields::new(record.as_bytes(), b';', Some(b'"'))
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
