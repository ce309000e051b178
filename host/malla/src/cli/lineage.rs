//! The arguments of `malla lineage`.

use clap::{Args, ValueEnum};

use super::{Config, Who};

#[derive(Debug, Args)]
pub(crate) struct Lineage {
    #[command(flatten)]
    pub(crate) config: Config,
    #[command(flatten)]
    pub(crate) who: Who,
    /// What for: any word; rules may be for one
    #[arg(long, value_name = "P", default_value = "consulta", value_parser = super::purpose)]
    pub(crate) purpose: String,
    #[arg(long, value_enum, default_value_t = LineageFormat::Text)]
    pub(crate) format: LineageFormat,
    /// `ventas.transacciones`, `ventas.transacciones.monto_usd`, `ventas_raw.transacciones`
    #[arg(value_name = "TABLE[.COLUMN]")]
    pub(crate) on: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LineageFormat {
    Text,
    Json,
    /// For graphviz
    Dot,
}
