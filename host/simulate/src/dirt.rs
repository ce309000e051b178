//! The ways in which an event can be dirty.

/// A named way in which a line is not what the contract says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dirt {
    /// The line stops in the middle.
    TruncatedLine,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// `monto` is written out in words.
    MontoAsWords,
    /// `monto` has three digits after the point.
    MontoTooPrecise,
    /// `monto` is below zero.
    MontoNegative,
    /// `monto` is zero.
    MontoZero,
    /// `moneda` is no currency that the contract knows.
    UnknownCurrency,
    /// No `cliente_id`.
    MissingCliente,
    /// No `timestamp`.
    MissingTimestamp,
    /// `timestamp` is in a form that is not RFC 3339.
    BadTimestamp,
    /// Nothing on the line.
    EmptyLine,
    /// Text that is not JSON.
    NotJson,
    /// A JSON array instead of an object.
    NotAnObject,
    /// The event is wrapped in another object.
    ExtraNesting,
    /// The same key twice.
    DuplicateKey,
    /// `cantidad` beyond 32 bits.
    CantidadTooLarge,
}

/// Who finds the dirt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    /// The line does not decode: the source quarantines it.
    Decode,
    /// The step rejects the row by a rule of its own.
    Step,
}

impl Dirt {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::TruncatedLine,
        Self::InvalidUtf8,
        Self::MontoAsWords,
        Self::MontoTooPrecise,
        Self::MontoNegative,
        Self::MontoZero,
        Self::UnknownCurrency,
        Self::MissingCliente,
        Self::MissingTimestamp,
        Self::BadTimestamp,
        Self::EmptyLine,
        Self::NotJson,
        Self::NotAnObject,
        Self::ExtraNesting,
        Self::DuplicateKey,
        Self::CantidadTooLarge,
    ];

    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TruncatedLine => "truncated_line",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::MontoAsWords => "monto_as_words",
            Self::MontoTooPrecise => "monto_too_precise",
            Self::MontoNegative => "monto_negative",
            Self::MontoZero => "monto_zero",
            Self::UnknownCurrency => "unknown_currency",
            Self::MissingCliente => "missing_cliente",
            Self::MissingTimestamp => "missing_timestamp",
            Self::BadTimestamp => "bad_timestamp",
            Self::EmptyLine => "empty_line",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::ExtraNesting => "extra_nesting",
            Self::DuplicateKey => "duplicate_key",
            Self::CantidadTooLarge => "cantidad_too_large",
        }
    }

    /// Who finds it: so that tests can compare counts.
    #[must_use]
    pub fn caught(self) -> Caught {
        match self {
            Self::MontoNegative | Self::MontoZero | Self::UnknownCurrency | Self::MissingCliente => {
                Caught::Step
            }
            _ => Caught::Decode,
        }
    }
}

impl std::fmt::Display for Dirt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
