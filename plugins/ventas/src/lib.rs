//! Domain `ventas`: sales as the checkout writes them, made into the curated product `transacciones`.
//!
//! What the host guarantees is in `contract.yaml`; the types below come from it.

use malla_sdk::{Decimal, Error, Rows, Timestamp};
use transacciones::{Input, Output, Row, Rule};

malla_sdk::plugin!(Ventas, "contract.yaml");

/// The plugin of the domain.
#[derive(Debug)]
pub struct Ventas;

impl Plugin for Ventas {
    fn transacciones(input: &Input<'_>, rows: &mut Rows<Rule>) -> Result<Output, Error> {
        let monto_usd = rows.accept(input.rows().map(in_usd)).collect();
        Ok(Output {
            monto_usd,
            fecha: input.timestamp.iter().map(Timestamp::date).collect(),
            transaccion_id: input.transaccion_id.forward(),
            cliente_id: input.cliente_id.forward_non_null(),
            producto_id: input.producto_id.forward(),
            monto: input.monto.forward(),
            moneda: input.moneda.forward_non_null(),
            cantidad: input.cantidad.forward(),
            region: input.region.forward(),
            canal: input.canal.forward(),
            email: input.email.forward(),
            tarjeta: input.tarjeta.forward(),
            timestamp: input.timestamp.forward(),
        })
    }
}

/// What a valid sale is worth in US dollars, rounded half to even; for any other, the rule that it breaks.
fn in_usd(sale: Row<'_>) -> Result<Decimal<2>, Rule> {
    if sale
        .cliente_id
        .is_none_or(|cliente_id| cliente_id.trim().is_empty())
    {
        return Err(Rule::SinClienteId);
    }
    if !sale.monto.is_positive() {
        return Err(Rule::MontoNoPositivo);
    }
    let rate = sale
        .moneda
        .and_then(|moneda| lookups::USD_RATES.get(moneda))
        .ok_or(Rule::MonedaDesconocida)?;
    let usd: Option<Decimal<2>> = sale.monto.mul_rounded(rate);
    usd.filter(|usd| usd.fits(18)).ok_or(Rule::MontoExcesivo)
}

#[cfg(test)]
mod tests {
    use malla_sdk::decimal;
    use transacciones::{SourceRow, run_on};

    use super::*;

    const SALE: Row<'_> = Row {
        cliente_id: Some("c-1"),
        monto: decimal("10.00"),
        moneda: Some("EUR"),
        timestamp: Timestamp::from_micros(0),
    };

    fn event(transaccion_id: &str) -> SourceRow<'_> {
        SourceRow {
            transaccion_id,
            cliente_id: Some("c-1"),
            monto: decimal("10.00"),
            moneda: Some("EUR"),
            region: Some("América Latina"),
            email: Some("ana@example.com"),
            tarjeta: Some("4111111111111111"),
            timestamp: Timestamp::from_utc("2026-11-21T23:59:59Z").unwrap(),
            ..SourceRow::default()
        }
    }

    #[test]
    fn amounts_are_converted_exactly() {
        let cases = [
            ("10.00", "USD", "10.00"),
            ("10.00", "EUR", "10.80"),
            ("0.01", "COP", "0.00"),
            ("60.00", "COP", "0.02"),
            ("20.00", "COP", "0.00"),
            ("100.00", "COP", "0.02"),
            ("140.00", "COP", "0.04"),
            ("9000000000000000.05", "EUR", "9720000000000000.05"),
        ];
        for (monto, moneda, usd) in cases {
            let sale = Row {
                monto: monto.parse().unwrap(),
                moneda: Some(moneda),
                ..SALE
            };
            assert_eq!(in_usd(sale), Ok(usd.parse().unwrap()), "{monto} {moneda}");
        }
    }

    #[test]
    fn bad_sales_break_a_rule() {
        for cliente_id in [None, Some(""), Some(" \t\u{a0}")] {
            assert_eq!(
                in_usd(Row { cliente_id, ..SALE }),
                Err(Rule::SinClienteId),
                "{cliente_id:?}"
            );
        }
        for moneda in [None, Some(""), Some("XXX"), Some("eur"), Some("EURO")] {
            assert_eq!(
                in_usd(Row { moneda, ..SALE }),
                Err(Rule::MonedaDesconocida),
                "{moneda:?}"
            );
        }
        for monto in [decimal("0.00"), decimal("-0.01")] {
            assert_eq!(
                in_usd(Row { monto, ..SALE }),
                Err(Rule::MontoNoPositivo),
                "{monto}"
            );
        }
    }

    #[test]
    fn a_batch_keeps_its_valid_sales() {
        let run = run_on(&[
            event("t-1"),
            SourceRow {
                moneda: Some("???"),
                ..event("t-2")
            },
            SourceRow {
                monto: decimal("-5"),
                ..event("t-3")
            },
            SourceRow {
                cliente_id: None,
                ..event("t-4")
            },
            SourceRow {
                email: None,
                cantidad: Some(3),
                ..event("t-5")
            },
        ])
        .unwrap();

        let rejected = [
            (1, Rule::MonedaDesconocida),
            (2, Rule::MontoNoPositivo),
            (3, Rule::SinClienteId),
        ];
        assert_eq!(run.rejected(), rejected);
        let rows = run.rows();
        let ids: Vec<_> = rows.iter().map(|row| row.transaccion_id).collect();
        assert_eq!(ids, ["t-1", "t-5"]);
        let first = rows.first().unwrap();
        assert_eq!(first.monto_usd, decimal("10.80"));
        assert_eq!(first.fecha.to_string(), "2026-11-21");
        assert_eq!(first.region, Some("América Latina"));
        assert_eq!(first.email, Some("ana@example.com"), "forwarded, never read");
        assert_eq!(rows.last().unwrap().cantidad, Some(3));
    }

    #[test]
    fn an_empty_batch_is_fine() {
        let run = run_on(&[]).unwrap();
        assert!(run.rows().is_empty() && run.rejected().is_empty());
    }
}
