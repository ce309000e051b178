//! How the events of a source are written.

use std::fmt;

/// The format of a source's events (`format` in `mallaSources`), with what has to be known to read them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object for each event: JSON Lines in files.
    #[default]
    Json,
    /// Delimited text.
    Csv(Csv),
    /// Avro's binary encoding, one datum a message.
    Avro(Avro),
    /// Protobuf's binary encoding, one message each.
    Protobuf(Protobuf),
    /// Files of Parquet: a row is an event.
    Parquet(Parquet),
}

/// Options of delimited text. Separators are ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    /// Between fields. Default `,`.
    pub delimiter: u8,
    /// Around fields that hold separators; doubled within them. `None`: quotes are text. Default `"`.
    pub quote: Option<u8>,
    /// Whether the first record of each file names the columns. Without it they come in the contract's order. Default yes.
    pub header: bool,
    /// What stands for null, where it is not in quotes. Default: nothing.
    pub null: String,
    /// `.` or `,`. Default `.`.
    pub decimal: u8,
    /// Between groups of three digits, if there may be any. Default none.
    pub thousands: Option<u8>,
    /// Default UTF-8.
    pub encoding: Encoding,
    /// How dates are written, those in times too. Default `yyyy-MM-dd`.
    pub date_format: DateFormat,
    /// Seconds east of UTC of the times that do not say so themselves. `None`: such times are refused.
    pub utc_offset: Option<i32>,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            header: true,
            null: String::new(),
            decimal: b'.',
            thousands: None,
            encoding: Encoding::default(),
            date_format: DateFormat::default(),
            utc_offset: None,
        }
    }
}

/// How text is written in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// ISO 8859-1.
    Latin1,
    /// Windows-1252.
    Windows1252,
}

/// Options of Avro.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Avro {
    /// The schema that every message was written by, as JSON. `None`: each message says by which schema of the registry.
    pub schema: Option<String>,
}

/// Options of Protobuf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protobuf {
    /// Full name of the message's type.
    pub message: String,
    /// A serialized `google.protobuf.FileDescriptorSet` that has it.
    pub descriptors: Vec<u8>,
}

/// Options of Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parquet {
    /// Seconds east of UTC of the times that do not say that they are UTC. `None`: such times are refused.
    pub utc_offset: Option<i32>,
}

/// An order of day, month and year, with separators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    text: String,
    parts: Vec<DatePart>,
}

/// A piece of a written date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatePart {
    /// `yyyy`: four digits.
    Year,
    /// `MM`: two digits. `M`: one or two.
    Month {
        /// Whether one digit is enough.
        short: bool,
    },
    /// `dd`: two digits. `d`: one or two.
    Day {
        /// Whether one digit is enough.
        short: bool,
    },
    /// Itself.
    Separator(u8),
}

impl DateFormat {
    /// Reads a pattern of `dd` or `d`, `MM` or `M`, and `yyyy`, each once. `None`: it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts: Vec<DatePart> = Vec::new();
        let mut rest = text.as_bytes();
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|byte| *byte == first).count();
            let (part, used) = match (first, count) {
                (b'y', 4) => (DatePart::Year, count),
                (b'M', 1 | 2) => (DatePart::Month { short: count == 1 }, count),
                (b'd', 1 | 2) => (DatePart::Day { short: count == 1 }, count),
                (b'/' | b'-' | b'.' | b' ' | b'_', _) => (DatePart::Separator(*first), 1),
                _ => return None,
            };
            parts.push(part);
            rest = rest.get(used..)?;
        }
        let once = |is: fn(&DatePart) -> bool| parts.iter().filter(|part| is(part)).count() == 1;
        let whole = once(|part| matches!(part, DatePart::Year))
            && once(|part| matches!(part, DatePart::Month { .. }))
            && once(|part| matches!(part, DatePart::Day { .. }));
        // After one or two digits, only a separator says where they end.
        let clear = parts.windows(2).all(|pair| match pair {
            [DatePart::Month { short } | DatePart::Day { short }, after] => {
                !short || matches!(after, DatePart::Separator(_))
            }
            _ => true,
        });
        (whole && clear).then(|| Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// The pieces, in order.
    #[must_use]
    pub fn parts(&self) -> &[DatePart] {
        &self.parts
    }
}

impl Default for DateFormat {
    /// `yyyy-MM-dd`.
    fn default() -> Self {
        Self {
            text: "yyyy-MM-dd".into(),
            parts: vec![
                DatePart::Year,
                DatePart::Separator(b'-'),
                DatePart::Month { short: false },
                DatePart::Separator(b'-'),
                DatePart::Day { short: false },
            ],
        }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Format {
    /// The words of `format`.
    pub const WORDS: [&'static str; 5] = ["json", "csv", "avro", "protobuf", "parquet"];

    /// The word in contracts.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv(_) => "csv",
            Self::Avro(_) => "avro",
            Self::Protobuf(_) => "protobuf",
            Self::Parquet(_) => "parquet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
