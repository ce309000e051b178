//! Domain `producto`: the nightly catalogue and the changes of the day, made into curated products of the same names.
//!
//! What the host guarantees is in `contract.yaml`; the types below come from it.

use malla_sdk::{Decimal, Error, Rows, Timestamp};

malla_sdk::plugin!(Producto, "contract.yaml");

/// The plugin of the domain.
#[derive(Debug)]
pub struct Producto;

impl Plugin for Producto {
    fn catalogo(
        input: &catalogo::Input<'_>,
        rows: &mut Rows<catalogo::Rule>,
    ) -> Result<catalogo::Output, Error> {
        for (row, version) in input.rows().enumerate() {
            if let Err(flaw) = Version::from(version).check() {
                rows.reject(row, flaw.into());
            }
        }
        Ok(catalogo::Output {
            producto_id: input.producto_id.forward_non_null(),
            nombre: input.nombre.forward_non_null(),
            categoria: input.categoria.forward_non_null(),
            precio: input.precio.forward(),
            costo: input.costo.forward(),
            vigente_desde: input.vigente_desde.forward(),
        })
    }

    fn cambios(input: &cambios::Input<'_>, rows: &mut Rows<cambios::Rule>) -> Result<cambios::Output, Error> {
        for (row, change) in input.rows().enumerate() {
            if let Err(rule) = check_change(change) {
                rows.reject(row, rule);
            }
        }
        Ok(cambios::Output {
            fecha: input.timestamp.iter().map(Timestamp::date).collect(),
            producto_id: input.producto_id.forward_non_null(),
            nombre: input.nombre.forward_non_null(),
            categoria: input.categoria.forward_non_null(),
            precio: input.precio.forward(),
            costo: input.costo.forward(),
            vigente_desde: input.vigente_desde.forward(),
            timestamp: input.timestamp.forward(),
        })
    }
}

/// What both sources say of a product, as far as it is read.
#[derive(Debug, Clone, Copy)]
struct Version<'a> {
    producto_id: Option<&'a str>,
    nombre: Option<&'a str>,
    categoria: Option<&'a str>,
    precio: Decimal<2>,
}

/// What can be wrong with it: a rule of both steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    SinProductoId,
    SinNombre,
    CategoriaDesconocida,
    PrecioNoPositivo,
    PrecioExcesivo,
}

impl Version<'_> {
    fn check(self) -> Result<(), Flaw> {
        let blank = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
        if blank(self.producto_id) {
            return Err(Flaw::SinProductoId);
        }
        if blank(self.nombre) {
            return Err(Flaw::SinNombre);
        }
        let highest: Decimal<2> = self
            .categoria
            .and_then(|categoria| lookups::PRECIO_MAXIMO.get(categoria)?.rescale())
            .ok_or(Flaw::CategoriaDesconocida)?;
        if !self.precio.is_positive() {
            return Err(Flaw::PrecioNoPositivo);
        }
        if self.precio > highest {
            return Err(Flaw::PrecioExcesivo);
        }
        Ok(())
    }
}

/// The rule that a change breaks, if any.
fn check_change(change: cambios::Row<'_>) -> Result<(), cambios::Rule> {
    Version::from(change).check()?;
    // The day where the change was made may be the one before that in UTC.
    let earliest = change.timestamp.date().days().saturating_sub(1);
    if change.vigente_desde.days() < earliest {
        return Err(cambios::Rule::VigenciaRetroactiva);
    }
    Ok(())
}

/// The two steps have the same columns and rules, in types of their own.
macro_rules! version_of {
    ($step:ident) => {
        impl<'a> From<$step::Row<'a>> for Version<'a> {
            fn from(row: $step::Row<'a>) -> Self {
                Self {
                    producto_id: row.producto_id,
                    nombre: row.nombre,
                    categoria: row.categoria,
                    precio: row.precio,
                }
            }
        }

        impl From<Flaw> for $step::Rule {
            fn from(flaw: Flaw) -> Self {
                match flaw {
                    Flaw::SinProductoId => Self::SinProductoId,
                    Flaw::SinNombre => Self::SinNombre,
                    Flaw::CategoriaDesconocida => Self::CategoriaDesconocida,
                    Flaw::PrecioNoPositivo => Self::PrecioNoPositivo,
                    Flaw::PrecioExcesivo => Self::PrecioExcesivo,
                }
            }
        }
    };
}

version_of!(catalogo);
version_of!(cambios);

#[cfg(test)]
mod tests {
    use malla_sdk::{Date, decimal};

    use super::*;

    const BOOK: Version<'_> = Version {
        producto_id: Some("P00001"),
        nombre: Some("Cien recetas"),
        categoria: Some("libros"),
        precio: decimal("19.90"),
    };

    fn day(year: i32, month: u32, day: u32) -> Date {
        Date::from_ymd(year, month, day).unwrap()
    }

    fn line(producto_id: &str) -> catalogo::SourceRow<'_> {
        catalogo::SourceRow {
            producto_id: Some(producto_id),
            nombre: BOOK.nombre,
            categoria: BOOK.categoria,
            precio: BOOK.precio,
            costo: Some(decimal("7.25")),
            vigente_desde: day(2026, 11, 21),
        }
    }

    fn change(producto_id: &str) -> cambios::SourceRow<'_> {
        cambios::SourceRow {
            producto_id: Some(producto_id),
            nombre: BOOK.nombre,
            categoria: BOOK.categoria,
            precio: BOOK.precio,
            costo: Some(decimal("7.25")),
            vigente_desde: day(2026, 11, 21),
            timestamp: Timestamp::from_utc("2026-11-21T23:59:59Z").unwrap(),
        }
    }

    #[test]
    fn good_versions_pass() {
        for (categoria, precio) in [
            ("libros", "0.01"),
            ("libros", "1000.00"),
            ("electronica", "20000.00"),
        ] {
            let version = Version {
                categoria: Some(categoria),
                precio: precio.parse().unwrap(),
                ..BOOK
            };
            assert_eq!(version.check(), Ok(()), "{categoria} {precio}");
        }
    }

    #[test]
    fn bad_versions_break_a_rule() {
        for text in [None, Some(""), Some(" \t\u{a0}")] {
            let producto_id = Version {
                producto_id: text,
                ..BOOK
            };
            assert_eq!(producto_id.check(), Err(Flaw::SinProductoId), "{text:?}");
            let nombre = Version { nombre: text, ..BOOK };
            assert_eq!(nombre.check(), Err(Flaw::SinNombre), "{text:?}");
        }
        for categoria in [None, Some(""), Some("Libros"), Some("libro")] {
            let version = Version { categoria, ..BOOK };
            assert_eq!(version.check(), Err(Flaw::CategoriaDesconocida), "{categoria:?}");
        }
        for (precio, flaw) in [
            ("0.00", Flaw::PrecioNoPositivo),
            ("-0.01", Flaw::PrecioNoPositivo),
            ("1000.01", Flaw::PrecioExcesivo),
            ("9999999999999999.99", Flaw::PrecioExcesivo),
        ] {
            let precio = precio.parse().unwrap();
            assert_eq!(Version { precio, ..BOOK }.check(), Err(flaw), "{precio}");
        }
    }

    #[test]
    fn every_category_has_a_highest_price() {
        for categoria in lookups::PRECIO_MAXIMO.keys() {
            let highest = lookups::PRECIO_MAXIMO.get(categoria).unwrap();
            let precio: Decimal<2> = highest.rescale().unwrap();
            let version = Version {
                categoria: Some(categoria),
                precio,
                ..BOOK
            };
            assert_eq!(version.check(), Ok(()), "{categoria}");
        }
    }

    #[test]
    fn a_catalogue_keeps_its_valid_lines() {
        let run = catalogo::run_on(&[
            line("P00001"),
            catalogo::SourceRow {
                precio: decimal("0"),
                ..line("P00002")
            },
            catalogo::SourceRow {
                costo: None,
                ..line("P00003")
            },
            catalogo::SourceRow {
                costo: Some(decimal("-1")),
                ..line("P00004")
            },
            catalogo::SourceRow {
                nombre: None,
                ..line("P00005")
            },
        ])
        .unwrap();
        let rejected = [
            (1, catalogo::Rule::PrecioNoPositivo),
            (4, catalogo::Rule::SinNombre),
        ];
        assert_eq!(run.rejected(), rejected);
        let rows = run.rows();
        let seen: Vec<_> = rows.iter().map(|row| (row.producto_id, row.costo)).collect();
        let forwarded = [
            ("P00001", Some(decimal("7.25"))),
            ("P00003", None),
            ("P00004", Some(decimal("-1.00"))),
        ];
        assert_eq!(seen, forwarded, "costs are forwarded, never read");
    }

    #[test]
    fn changes_are_for_today_or_later() {
        let made = Timestamp::from_utc("2026-11-21T00:00:00Z").unwrap();
        for (vigente_desde, rule) in [
            (day(2030, 1, 1), None),
            (day(2026, 11, 21), None),
            (day(2026, 11, 20), None),
            (day(2026, 11, 19), Some(cambios::Rule::VigenciaRetroactiva)),
            (day(1970, 1, 1), Some(cambios::Rule::VigenciaRetroactiva)),
        ] {
            let event = cambios::SourceRow {
                vigente_desde,
                timestamp: made,
                ..change("P00001")
            };
            let run = cambios::run_on(&[event]).unwrap();
            let rejected: Vec<_> = rule.into_iter().map(|rule| (0, rule)).collect();
            assert_eq!(run.rejected(), rejected, "{vigente_desde}");
        }
    }

    #[test]
    fn changes_have_their_day_and_the_rules_of_the_catalogue() {
        let run = cambios::run_on(&[
            change("P00001"),
            cambios::SourceRow {
                categoria: Some("misterio"),
                ..change("P00002")
            },
            change(" "),
        ])
        .unwrap();
        let rejected = [
            (1, cambios::Rule::CategoriaDesconocida),
            (2, cambios::Rule::SinProductoId),
        ];
        assert_eq!(run.rejected(), rejected);
        let rows = run.rows();
        assert_eq!(rows.len(), 1);
        let first = rows.first().unwrap();
        assert_eq!(first.fecha.to_string(), "2026-11-21");
        assert_eq!((first.nombre, first.precio), ("Cien recetas", decimal("19.90")));
    }

    #[test]
    fn empty_batches_are_fine() {
        assert!(catalogo::run_on(&[]).unwrap().rows().is_empty());
        assert!(cambios::run_on(&[]).unwrap().rows().is_empty());
    }
}
