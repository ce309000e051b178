//! Domain `ventas`: sales as the checkout writes them and returns as customer care exports them, made into the curated
//! products `transacciones` and `devoluciones`.
//!
//! What the host guarantees is in `contract.yaml`; the types below come from it.

use malla_sdk::{Decimal, Error, Rows, Timestamp};

malla_sdk::plugin!(Ventas, "contract.yaml");

/// The plugin of the domain.
#[derive(Debug)]
pub struct Ventas;

impl Plugin for Ventas {
    fn transacciones(
        input: &transacciones::Input<'_>,
        rows: &mut Rows<transacciones::Rule>,
    ) -> Result<transacciones::Output, Error> {
        let monto_usd = rows.accept(input.rows().map(sale_in_usd)).collect();
        Ok(transacciones::Output {
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

    fn devoluciones(
        input: &devoluciones::Input<'_>,
        rows: &mut Rows<devoluciones::Rule>,
    ) -> Result<devoluciones::Output, Error> {
        let monto_usd = rows.accept(input.rows().map(return_in_usd)).collect();
        Ok(devoluciones::Output {
            monto_usd,
            fecha: input.timestamp.iter().map(Timestamp::date).collect(),
            devolucion_id: input.devolucion_id.forward_non_null(),
            transaccion_id: input.transaccion_id.forward(),
            cliente_id: input.cliente_id.forward_non_null(),
            motivo: input.motivo.forward_non_null(),
            comentario: input.comentario.forward(),
            monto: input.monto.forward(),
            moneda: input.moneda.forward_non_null(),
            region: input.region.forward(),
            timestamp: input.timestamp.forward(),
        })
    }
}

/// What a valid sale is worth in US dollars; for any other, the rule that it breaks.
fn sale_in_usd(sale: transacciones::Row<'_>) -> Result<Decimal<2>, transacciones::Rule> {
    if is_blank(sale.cliente_id) {
        return Err(transacciones::Rule::SinClienteId);
    }
    Ok(in_usd(sale.monto, sale.moneda)?)
}

/// What was paid back for a valid return, in US dollars; for any other, the rule that it breaks.
fn return_in_usd(devolucion: devoluciones::Row<'_>) -> Result<Decimal<2>, devoluciones::Rule> {
    if is_blank(devolucion.devolucion_id) {
        return Err(devoluciones::Rule::SinDevolucionId);
    }
    if is_blank(devolucion.cliente_id) {
        return Err(devoluciones::Rule::SinClienteId);
    }
    match devolucion.motivo {
        Some("defectuoso" | "danado" | "equivocado" | "talla" | "no_llego" | "arrepentimiento") => {}
        _ => return Err(devoluciones::Rule::MotivoDesconocido),
    }
    Ok(in_usd(devolucion.monto, devolucion.moneda)?)
}

fn is_blank(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
}

/// Why an amount has no value in US dollars: a rule of both steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    MontoNoPositivo,
    MonedaDesconocida,
    MontoExcesivo,
}

/// An amount in US dollars, rounded half to even.
fn in_usd(monto: Decimal<2>, moneda: Option<&str>) -> Result<Decimal<2>, Flaw> {
    if !monto.is_positive() {
        return Err(Flaw::MontoNoPositivo);
    }
    let rate = moneda
        .and_then(|moneda| lookups::USD_RATES.get(moneda))
        .ok_or(Flaw::MonedaDesconocida)?;
    let usd: Option<Decimal<2>> = monto.mul_rounded(rate);
    usd.filter(|usd| usd.fits(18)).ok_or(Flaw::MontoExcesivo)
}

/// The two steps have these rules in types of their own.
macro_rules! rule_of {
    ($step:ident) => {
        impl From<Flaw> for $step::Rule {
            fn from(flaw: Flaw) -> Self {
                match flaw {
                    Flaw::MontoNoPositivo => Self::MontoNoPositivo,
                    Flaw::MonedaDesconocida => Self::MonedaDesconocida,
                    Flaw::MontoExcesivo => Self::MontoExcesivo,
                }
            }
        }
    };
}

rule_of!(transacciones);
rule_of!(devoluciones);

#[cfg(test)]
mod tests {
    use malla_sdk::decimal;

    use super::*;

    const SALE: transacciones::Row<'_> = transacciones::Row {
        cliente_id: Some("c-1"),
        monto: decimal("10.00"),
        moneda: Some("EUR"),
        timestamp: Timestamp::from_micros(0),
    };

    const RETURN: devoluciones::Row<'_> = devoluciones::Row {
        devolucion_id: Some("d-1"),
        cliente_id: Some("c-1"),
        motivo: Some("talla"),
        monto: decimal("10.00"),
        moneda: Some("EUR"),
        timestamp: Timestamp::from_micros(0),
    };

    fn sale(transaccion_id: &str) -> transacciones::SourceRow<'_> {
        transacciones::SourceRow {
            transaccion_id,
            cliente_id: Some("c-1"),
            monto: decimal("10.00"),
            moneda: Some("EUR"),
            region: Some("América Latina"),
            email: Some("ana@example.com"),
            tarjeta: Some("4111111111111111"),
            timestamp: Timestamp::from_utc("2026-11-21T23:59:59Z").unwrap(),
            ..transacciones::SourceRow::default()
        }
    }

    fn returned(devolucion_id: &str) -> devoluciones::SourceRow<'_> {
        devoluciones::SourceRow {
            devolucion_id: Some(devolucion_id),
            transaccion_id: "t-1",
            cliente_id: Some("c-1"),
            motivo: Some("danado"),
            comentario: Some("Llegó rota; llámenme, Ana"),
            monto: decimal("10.00"),
            moneda: Some("MXN"),
            region: Some("Norte"),
            timestamp: Timestamp::from_utc("2026-11-22T00:00:00Z").unwrap(),
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
            let (monto, usd) = (monto.parse().unwrap(), usd.parse().unwrap());
            let moneda = Some(moneda);
            let sale = transacciones::Row { monto, moneda, ..SALE };
            assert_eq!(sale_in_usd(sale), Ok(usd), "{monto} {moneda:?}");
            let back = devoluciones::Row { monto, moneda, ..RETURN };
            assert_eq!(return_in_usd(back), Ok(usd), "{monto} {moneda:?}");
        }
    }

    #[test]
    fn bad_amounts_break_a_rule_of_both_steps() {
        let bad = |monto: Decimal<2>, moneda: Option<&str>| {
            let sale = transacciones::Row { monto, moneda, ..SALE };
            let back = devoluciones::Row { monto, moneda, ..RETURN };
            (sale_in_usd(sale).unwrap_err(), return_in_usd(back).unwrap_err())
        };
        for moneda in [None, Some(""), Some("XXX"), Some("eur"), Some("EURO")] {
            let unknown = (
                transacciones::Rule::MonedaDesconocida,
                devoluciones::Rule::MonedaDesconocida,
            );
            assert_eq!(bad(SALE.monto, moneda), unknown, "{moneda:?}");
        }
        for monto in [decimal("0.00"), decimal("-0.01")] {
            let not_positive = (
                transacciones::Rule::MontoNoPositivo,
                devoluciones::Rule::MontoNoPositivo,
            );
            assert_eq!(bad(monto, Some("EUR")), not_positive, "{monto}");
        }
        let too_large = (
            transacciones::Rule::MontoExcesivo,
            devoluciones::Rule::MontoExcesivo,
        );
        assert_eq!(bad(decimal("9999999999999999.99"), Some("EUR")), too_large);
    }

    #[test]
    fn a_sale_has_a_customer() {
        for cliente_id in [None, Some(""), Some(" \t\u{a0}")] {
            let sale = transacciones::Row { cliente_id, ..SALE };
            assert_eq!(
                sale_in_usd(sale),
                Err(transacciones::Rule::SinClienteId),
                "{cliente_id:?}"
            );
        }
    }

    #[test]
    fn a_return_has_an_id_a_customer_and_a_reason() {
        for text in [None, Some(""), Some(" \t\u{a0}")] {
            let devolucion_id = devoluciones::Row {
                devolucion_id: text,
                ..RETURN
            };
            assert_eq!(
                return_in_usd(devolucion_id),
                Err(devoluciones::Rule::SinDevolucionId),
                "{text:?}"
            );
            let cliente_id = devoluciones::Row {
                cliente_id: text,
                ..RETURN
            };
            assert_eq!(
                return_in_usd(cliente_id),
                Err(devoluciones::Rule::SinClienteId),
                "{text:?}"
            );
        }
        for motivo in [
            None,
            Some(""),
            Some("Talla"),
            Some("talla "),
            Some("le quedó grande a Ana"),
        ] {
            assert_eq!(
                return_in_usd(devoluciones::Row { motivo, ..RETURN }),
                Err(devoluciones::Rule::MotivoDesconocido),
                "{motivo:?}"
            );
        }
    }

    #[test]
    fn a_batch_keeps_its_valid_sales() {
        let run = transacciones::run_on(&[
            sale("t-1"),
            transacciones::SourceRow {
                moneda: Some("???"),
                ..sale("t-2")
            },
            transacciones::SourceRow {
                monto: decimal("-5"),
                ..sale("t-3")
            },
            transacciones::SourceRow {
                cliente_id: None,
                ..sale("t-4")
            },
            transacciones::SourceRow {
                email: None,
                cantidad: Some(3),
                ..sale("t-5")
            },
        ])
        .unwrap();

        let rejected = [
            (1, transacciones::Rule::MonedaDesconocida),
            (2, transacciones::Rule::MontoNoPositivo),
            (3, transacciones::Rule::SinClienteId),
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
    fn a_batch_keeps_its_valid_returns() {
        let run = devoluciones::run_on(&[
            returned("d-1"),
            devoluciones::SourceRow {
                motivo: Some("otro"),
                ..returned("d-2")
            },
            returned(" "),
            devoluciones::SourceRow {
                transaccion_id: "of a sale that nobody knows",
                comentario: None,
                ..returned("d-4")
            },
        ])
        .unwrap();

        let rejected = [
            (1, devoluciones::Rule::MotivoDesconocido),
            (2, devoluciones::Rule::SinDevolucionId),
        ];
        assert_eq!(run.rejected(), rejected);
        let rows = run.rows();
        let ids: Vec<_> = rows.iter().map(|row| row.devolucion_id).collect();
        assert_eq!(ids, ["d-1", "d-4"]);
        let first = rows.first().unwrap();
        assert_eq!((first.monto, first.monto_usd), (decimal("10.00"), decimal("0.58")));
        assert_eq!(first.fecha.to_string(), "2026-11-22");
        assert_eq!(
            first.comentario,
            Some("Llegó rota; llámenme, Ana"),
            "forwarded, never read"
        );
    }

    #[test]
    fn empty_batches_are_fine() {
        let sales = transacciones::run_on(&[]).unwrap();
        assert!(sales.rows().is_empty() && sales.rejected().is_empty());
        let returns = devoluciones::run_on(&[]).unwrap();
        assert!(returns.rows().is_empty() && returns.rejected().is_empty());
    }
}
