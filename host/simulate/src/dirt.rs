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
    /// No time at which the event happened.
    MissingTimestamp,
    /// That time is in a form that is not RFC 3339.
    BadTimestamp,
    /// Nothing on the line.
    EmptyLine,
    /// One field too many: a comma in a text that is not in quotes.
    ExtraField,
    /// Text after a closing quote.
    StrayQuote,
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
    /// No `envio_id`.
    MissingEnvio,
    /// No `devolucion_id`.
    MissingDevolucion,
    /// `motivo` is no code that the contract knows.
    UnknownReason,
    /// No `transaccion_id` in a shipment or a return.
    MissingTransaccion,
    /// `transportista` is no carrier that the contract knows.
    UnknownCarrier,
    /// `estado` is no state that the contract knows.
    UnknownState,
    /// `estado` and `timestamp_entrega` do not go together.
    ContradictoryState,
    /// `timestamp_entrega` is before `timestamp_salida`.
    DeliveredBeforeLeft,
    /// No `producto_id` in the catalogue or a change of it.
    MissingProducto,
    /// No `nombre`.
    MissingNombre,
    /// `categoria` is no category that the contract knows.
    UnknownCategory,
    /// `precio` is written out in words.
    PrecioAsWords,
    /// `precio` has three digits after the point.
    PrecioTooPrecise,
    /// `precio` is below zero.
    PrecioNegative,
    /// `precio` is zero.
    PrecioZero,
    /// `precio` has lost its decimal point, and more.
    PrecioTooHigh,
    /// `vigente_desde` is no date.
    BadDate,
    /// `vigente_desde` is long before the change was made.
    RetroactiveChange,
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
    pub const ALL: [Self; 36] = [
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
        Self::ExtraField,
        Self::StrayQuote,
        Self::NotJson,
        Self::NotAnObject,
        Self::ExtraNesting,
        Self::DuplicateKey,
        Self::CantidadTooLarge,
        Self::MissingEnvio,
        Self::MissingDevolucion,
        Self::UnknownReason,
        Self::MissingTransaccion,
        Self::UnknownCarrier,
        Self::UnknownState,
        Self::ContradictoryState,
        Self::DeliveredBeforeLeft,
        Self::MissingProducto,
        Self::MissingNombre,
        Self::UnknownCategory,
        Self::PrecioAsWords,
        Self::PrecioTooPrecise,
        Self::PrecioNegative,
        Self::PrecioZero,
        Self::PrecioTooHigh,
        Self::BadDate,
        Self::RetroactiveChange,
    ];

    /// The kinds in `ventas.transacciones`.
    pub(crate) const SALES: [Self; 16] = [
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

    /// The kinds in `logistica.envios`.
    pub(crate) const SHIPMENTS: [Self; 15] = [
        Self::TruncatedLine,
        Self::InvalidUtf8,
        Self::MissingTimestamp,
        Self::BadTimestamp,
        Self::EmptyLine,
        Self::NotJson,
        Self::NotAnObject,
        Self::ExtraNesting,
        Self::DuplicateKey,
        Self::MissingEnvio,
        Self::MissingTransaccion,
        Self::UnknownCarrier,
        Self::UnknownState,
        Self::ContradictoryState,
        Self::DeliveredBeforeLeft,
    ];

    /// The kinds in `ventas.devoluciones`.
    pub(crate) const RETURNS: [Self; 16] = [
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
        Self::ExtraField,
        Self::StrayQuote,
        Self::MissingDevolucion,
        Self::UnknownReason,
        Self::MissingTransaccion,
    ];

    /// The kinds in `ventas.devoluciones` where its columns have types.
    pub(crate) const RETURNS_COLUMNS: [Self; 10] = [
        Self::InvalidUtf8,
        Self::MontoTooPrecise,
        Self::MontoNegative,
        Self::MontoZero,
        Self::UnknownCurrency,
        Self::MissingCliente,
        Self::MissingTimestamp,
        Self::MissingDevolucion,
        Self::UnknownReason,
        Self::MissingTransaccion,
    ];

    /// The kinds in `producto.catalogo` where its columns have types.
    pub(crate) const CATALOGUE_COLUMNS: [Self; 8] = [
        Self::InvalidUtf8,
        Self::MissingProducto,
        Self::MissingNombre,
        Self::UnknownCategory,
        Self::PrecioTooPrecise,
        Self::PrecioNegative,
        Self::PrecioZero,
        Self::PrecioTooHigh,
    ];

    /// The kinds in `producto.catalogo`.
    pub(crate) const CATALOGUE: [Self; 14] = [
        Self::TruncatedLine,
        Self::InvalidUtf8,
        Self::EmptyLine,
        Self::ExtraField,
        Self::StrayQuote,
        Self::MissingProducto,
        Self::MissingNombre,
        Self::UnknownCategory,
        Self::PrecioAsWords,
        Self::PrecioTooPrecise,
        Self::PrecioNegative,
        Self::PrecioZero,
        Self::PrecioTooHigh,
        Self::BadDate,
    ];

    /// The kinds in `producto.cambios`.
    pub(crate) const CHANGES: [Self; 19] = [
        Self::TruncatedLine,
        Self::InvalidUtf8,
        Self::MissingTimestamp,
        Self::BadTimestamp,
        Self::EmptyLine,
        Self::NotJson,
        Self::NotAnObject,
        Self::ExtraNesting,
        Self::DuplicateKey,
        Self::MissingProducto,
        Self::MissingNombre,
        Self::UnknownCategory,
        Self::PrecioAsWords,
        Self::PrecioTooPrecise,
        Self::PrecioNegative,
        Self::PrecioZero,
        Self::PrecioTooHigh,
        Self::BadDate,
        Self::RetroactiveChange,
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
            Self::ExtraField => "extra_field",
            Self::StrayQuote => "stray_quote",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::ExtraNesting => "extra_nesting",
            Self::DuplicateKey => "duplicate_key",
            Self::CantidadTooLarge => "cantidad_too_large",
            Self::MissingEnvio => "missing_envio",
            Self::MissingDevolucion => "missing_devolucion",
            Self::UnknownReason => "unknown_reason",
            Self::MissingTransaccion => "missing_transaccion",
            Self::UnknownCarrier => "unknown_carrier",
            Self::UnknownState => "unknown_state",
            Self::ContradictoryState => "contradictory_state",
            Self::DeliveredBeforeLeft => "delivered_before_left",
            Self::MissingProducto => "missing_producto",
            Self::MissingNombre => "missing_nombre",
            Self::UnknownCategory => "unknown_category",
            Self::PrecioAsWords => "precio_as_words",
            Self::PrecioTooPrecise => "precio_too_precise",
            Self::PrecioNegative => "precio_negative",
            Self::PrecioZero => "precio_zero",
            Self::PrecioTooHigh => "precio_too_high",
            Self::BadDate => "bad_date",
            Self::RetroactiveChange => "retroactive_change",
        }
    }

    /// Who finds it: so that tests can compare counts.
    #[must_use]
    pub fn caught(self) -> Caught {
        match self {
            Self::MontoNegative
            | Self::MontoZero
            | Self::UnknownCurrency
            | Self::MissingCliente
            | Self::MissingEnvio
            | Self::MissingDevolucion
            | Self::UnknownReason
            | Self::UnknownCarrier
            | Self::UnknownState
            | Self::ContradictoryState
            | Self::DeliveredBeforeLeft
            | Self::MissingProducto
            | Self::MissingNombre
            | Self::UnknownCategory
            | Self::PrecioNegative
            | Self::PrecioZero
            | Self::PrecioTooHigh
            | Self::RetroactiveChange => Caught::Step,
            _ => Caught::Decode,
        }
    }
}

impl std::fmt::Display for Dirt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
