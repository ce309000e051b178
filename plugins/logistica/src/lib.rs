//! Domain `logistica`: shipments as carriers report them, made into the curated product `envios`, and what the SQL of
//! `puntualidad` calls.
//!
//! What the host guarantees is in `contract.yaml`; the types below come from it.

mod calendar;

use envios::{Input, Output, Row, Rule};
use malla_sdk::{Builder, Date, Decimal, Error, Rows, Timestamp};

malla_sdk::plugin!(Logistica, "contract.yaml");

const MICROS_PER_HOUR: Decimal<0> = Decimal::new(3_600_000_000);
const MICROS_PER_DAY: Decimal<0> = Decimal::new(86_400_000_000);

/// The plugin of the domain.
#[derive(Debug)]
pub struct Logistica;

impl Plugin for Logistica {
    fn envios(input: &Input<'_>, rows: &mut Rows<Rule>) -> Result<Output, Error> {
        let mut horas_en_camino = Builder::with_capacity(input.len());
        let mut a_tiempo = Builder::with_capacity(input.len());
        for arrival in rows.accept(input.rows().map(arrival)) {
            horas_en_camino.push(arrival.map(|arrival| arrival.hours));
            a_tiempo.push(arrival.map(|arrival| arrival.on_time));
        }
        Ok(Output {
            horas_en_camino: horas_en_camino.finish(),
            a_tiempo: a_tiempo.finish(),
            fecha: input.timestamp_salida.iter().map(Timestamp::date).collect(),
            envio_id: input.envio_id.forward_non_null(),
            transaccion_id: input.transaccion_id.forward(),
            almacen: input.almacen.forward(),
            transportista: input.transportista.forward_non_null(),
            direccion: input.direccion.forward(),
            estado: input.estado.forward_non_null(),
            region: input.region.forward(),
            timestamp_salida: input.timestamp_salida.forward(),
            timestamp_entrega: input.timestamp_entrega.forward(),
        })
    }

    fn dias_habiles(desde: Date, hasta: Date) -> Result<Option<i32>, Error> {
        Ok(calendar::working_days(desde, hasta))
    }
}

/// How a shipment came to its door.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Arrival {
    hours: Decimal<2>,
    on_time: bool,
}

/// The arrival of a valid shipment, `None` while there is none; for any other, the rule that it breaks.
fn arrival(shipment: Row<'_>) -> Result<Option<Arrival>, Rule> {
    if shipment.envio_id.is_none_or(|id| id.trim().is_empty()) {
        return Err(Rule::SinEnvioId);
    }
    let promised_days = shipment
        .transportista
        .and_then(|carrier| lookups::PROMESA_DIAS.get(carrier))
        .ok_or(Rule::TransportistaDesconocido)?;
    let arrived = match shipment.estado {
        Some("entregado") => true,
        Some("en_camino" | "en_reparto" | "devuelto" | "extraviado") => false,
        _ => return Err(Rule::EstadoDesconocido),
    };
    let at = match (arrived, shipment.timestamp_entrega) {
        (true, Some(at)) => at,
        (false, None) => return Ok(None),
        _ => return Err(Rule::EstadoContradictorio),
    };
    let micros = i128::from(at.micros()) - i128::from(shipment.timestamp_salida.micros());
    if micros < 0 {
        return Err(Rule::EntregaAntesDeSalida);
    }
    let elapsed = Decimal::<0>::new(micros);
    // To a microsecond: an hour rounded for people must not decide.
    let promised: Option<Decimal<0>> = promised_days.mul_rounded(MICROS_PER_DAY);
    Ok(Some(Arrival {
        // All hours that fit between two timestamps fit the column.
        hours: elapsed.div_rounded(MICROS_PER_HOUR).unwrap_or_default(),
        on_time: promised.is_some_and(|promised| elapsed <= promised),
    }))
}

#[cfg(test)]
mod tests {
    use envios::{SourceRow, run_on};
    use malla_sdk::decimal;

    use super::*;

    fn at(time: &str) -> Timestamp {
        Timestamp::from_utc(time).unwrap()
    }

    /// Two days are promised.
    fn delivered(entrega: &str) -> Row<'static> {
        Row {
            envio_id: Some("e-1"),
            transportista: Some("andes-express"),
            estado: Some("entregado"),
            timestamp_salida: at("2026-11-20T10:00:00Z"),
            timestamp_entrega: Some(at(entrega)),
        }
    }

    fn event(envio_id: &str) -> SourceRow<'_> {
        SourceRow {
            envio_id: Some(envio_id),
            transaccion_id: "t-1",
            almacen: Some("NOR-1"),
            transportista: Some("flecha"),
            direccion: Some("Calle Mayor 12, 3.º B"),
            estado: Some("en_camino"),
            region: Some("América Latina"),
            timestamp_salida: at("2026-11-21T23:59:59Z"),
            timestamp_entrega: None,
        }
    }

    #[test]
    fn a_promise_is_kept_to_the_microsecond() {
        let cases = [
            ("2026-11-20T10:00:00Z", "0.00", true),
            ("2026-11-21T08:15:00Z", "22.25", true),
            ("2026-11-22T09:59:59.999999Z", "48.00", true),
            ("2026-11-22T10:00:00Z", "48.00", true),
            ("2026-11-22T10:00:00.000001Z", "48.00", false),
            ("2026-11-22T10:00:18Z", "48.00", false),
            ("2026-11-22T10:00:54Z", "48.02", false),
            ("2027-11-20T10:00:00Z", "8760.00", false),
        ];
        for (entrega, hours, on_time) in cases {
            let expected = Arrival {
                hours: hours.parse().unwrap(),
                on_time,
            };
            assert_eq!(arrival(delivered(entrega)), Ok(Some(expected)), "{entrega}");
        }
    }

    #[test]
    fn each_carrier_has_its_promise() {
        for (carrier, last) in [
            ("flecha", "2026-11-21T10:00:00Z"),
            ("andes-express", "2026-11-22T10:00:00Z"),
            ("ruta-sur", "2026-11-22T22:00:00Z"),
            ("correo-nacional", "2026-11-24T10:00:00Z"),
        ] {
            let on_time = |micros| {
                let entrega = Timestamp::from_micros(at(last).micros() + micros);
                let shipment = Row {
                    transportista: Some(carrier),
                    timestamp_entrega: Some(entrega),
                    ..delivered(last)
                };
                arrival(shipment).unwrap().unwrap().on_time
            };
            assert!(on_time(0), "{carrier}");
            assert!(!on_time(1), "{carrier}");
        }
    }

    #[test]
    fn what_has_not_arrived_is_neither_late_nor_on_time() {
        for estado in ["en_camino", "en_reparto", "devuelto", "extraviado"] {
            let shipment = Row {
                estado: Some(estado),
                timestamp_entrega: None,
                ..delivered("2026-11-21T10:00:00Z")
            };
            assert_eq!(arrival(shipment), Ok(None), "{estado}");
        }
    }

    #[test]
    fn bad_shipments_break_a_rule() {
        let good = delivered("2026-11-21T10:00:00Z");
        for envio_id in [None, Some(""), Some(" \t\u{a0}")] {
            let rule = arrival(Row { envio_id, ..good });
            assert_eq!(rule, Err(Rule::SinEnvioId), "{envio_id:?}");
        }
        for transportista in [None, Some(""), Some("Flecha"), Some("flechas")] {
            let rule = arrival(Row {
                transportista,
                ..good
            });
            assert_eq!(rule, Err(Rule::TransportistaDesconocido), "{transportista:?}");
        }
        for estado in [None, Some(""), Some("Entregado"), Some("perdido")] {
            let rule = arrival(Row { estado, ..good });
            assert_eq!(rule, Err(Rule::EstadoDesconocido), "{estado:?}");
        }
        for (estado, timestamp_entrega) in [("entregado", None), ("devuelto", good.timestamp_entrega)] {
            let estado = Some(estado);
            let rule = arrival(Row {
                estado,
                timestamp_entrega,
                ..good
            });
            assert_eq!(rule, Err(Rule::EstadoContradictorio), "{estado:?}");
        }
        let early = delivered("2026-11-20T09:59:59.999999Z");
        assert_eq!(arrival(early), Err(Rule::EntregaAntesDeSalida));
    }

    #[test]
    fn the_ends_of_time_fit_the_column() {
        let shipment = Row {
            timestamp_salida: Timestamp::from_micros(i64::MIN),
            timestamp_entrega: Some(Timestamp::from_micros(i64::MAX)),
            ..delivered("2026-11-21T10:00:00Z")
        };
        let arrival = arrival(shipment).unwrap().unwrap();
        assert_eq!(arrival.hours, decimal("5124095576.03"));
        assert!(arrival.hours.fits(12) && !arrival.on_time);
    }

    #[test]
    fn a_batch_keeps_its_valid_shipments() {
        let run = run_on(&[
            event("e-1"),
            SourceRow {
                estado: Some("???"),
                ..event("e-2")
            },
            SourceRow {
                estado: Some("entregado"),
                timestamp_entrega: Some(at("2026-11-22T12:00:00Z")),
                direccion: None,
                ..event("e-3")
            },
            SourceRow {
                envio_id: None,
                ..event("e-4")
            },
        ])
        .unwrap();

        assert_eq!(
            run.rejected(),
            [(1, Rule::EstadoDesconocido), (3, Rule::SinEnvioId)]
        );
        let rows = run.rows();
        let ids: Vec<_> = rows.iter().map(|row| row.envio_id).collect();
        assert_eq!(ids, ["e-1", "e-3"]);
        let (first, last) = (rows.first().unwrap(), rows.last().unwrap());
        assert_eq!((first.a_tiempo, first.horas_en_camino), (None, None));
        assert_eq!(first.fecha.to_string(), "2026-11-21");
        assert_eq!(first.region, Some("América Latina"));
        assert_eq!(
            first.direccion,
            Some("Calle Mayor 12, 3.º B"),
            "forwarded, never read"
        );
        assert_eq!(
            (last.a_tiempo, last.horas_en_camino),
            (Some(true), Some(decimal("12.00")))
        );
        assert_eq!(last.direccion, None);
    }

    #[test]
    fn an_empty_batch_is_fine() {
        let run = run_on(&[]).unwrap();
        assert!(run.rows().is_empty() && run.rejected().is_empty());
    }
}
