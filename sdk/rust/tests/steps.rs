//! A step over every type of column, run as tests of plugins run it.

use malla_sdk::{Builder, Date, Decimal, Error, Rows, Timestamp, decimal};

use articulos::{Input, Output, Row, Rule, SourceRow, run_at, run_on};

malla_sdk::plugin!(Tienda, "tests/tienda.yaml");

struct Tienda;

impl Plugin for Tienda {
    /// What happens depends on the first note, so that one plugin serves all tests.
    fn articulos(input: &Input<'_>, rows: &mut Rows<Rule>) -> Result<Output, Error> {
        let mut copied: Vec<usize> = (0..input.len()).collect();
        let mut tipo: Option<Vec<&str>> = None;
        match input.nota.get(0) {
            Some("take") => {
                copied = vec![2, 0, 2];
                rows.take([2, 0, 2]);
            }
            Some("take what is rejected") => {
                rows.take(0..3);
                rows.reject(1, Rule::SinTipo);
            }
            Some("keep odd") => {
                rows.keep(|row| row % 2 == 1);
                rows.reject_because(1, Rule::SinTipo, "no type");
            }
            Some("too few") => tipo = Some(vec!["one"]),
            Some("error") => {
                "x".parse::<i32>()?;
            }
            Some("same") => {}
            _ => {
                for row in 0..input.len() {
                    if input.precio.get(row).is_none_or(|precio| !precio.is_positive()) {
                        rows.reject(row, Rule::SinPrecio);
                    }
                }
            }
        }
        let at = |row: &usize| input.rows().nth(*row).unwrap_or_default();
        let copied: Vec<Row<'_>> = copied.iter().map(at).collect();
        let (mut neto, mut nota) = (Builder::with_capacity(copied.len()), Builder::default());
        for row in &copied {
            neto.push(neto_of(row).unwrap_or_default());
            match row.nota {
                Some(text) => nota.push(text.to_uppercase()),
                None => nota.push_null(),
            }
        }
        Ok(Output {
            id: input.id.forward(),
            email: input.email.forward(),
            timestamp: input.timestamp.forward(),
            nota: nota.finish(),
            cantidad: copied.iter().map(|row| row.cantidad).collect(),
            puntos: copied
                .iter()
                .map(|row| row.puntos + input.event_time().micros())
                .collect(),
            peso: copied.iter().map(|row| row.peso).collect(),
            precio: copied.iter().map(|row| row.precio).collect(),
            descuento: copied.iter().map(|row| row.descuento).collect(),
            activo: copied.iter().map(|row| row.activo).collect(),
            oferta: copied.iter().map(|row| row.oferta).collect(),
            dia: copied.iter().map(|row| row.dia).collect(),
            neto: neto.finish(),
            tipo: tipo.map_or_else(
                || input.r#type.forward_non_null(),
                |tipo| tipo.into_iter().collect(),
            ),
        })
    }
}

fn neto_of(row: &Row<'_>) -> Option<Decimal<2>> {
    let kept: Decimal<3> = decimal::<3>("1").checked_sub(row.descuento.unwrap_or_default())?;
    row.precio.mul_rounded(kept)
}

fn full(id: &str) -> SourceRow<'_> {
    SourceRow {
        id,
        nota: Some("ñandú"),
        cantidad: Some(-3),
        puntos: i64::MAX,
        peso: Some(1.5),
        precio: decimal("19.99"),
        descuento: Some(decimal("0.125")),
        activo: true,
        oferta: Some(false),
        dia: Date::from_ymd(2026, 11, 21),
        timestamp: Timestamp::from_micros(-1),
        email: Some("ana@example.com"),
        r#type: Some("libro"),
    }
}

fn bare(id: &str) -> SourceRow<'_> {
    SourceRow {
        id,
        precio: decimal("-1"),
        r#type: Some("x"),
        ..SourceRow::default()
    }
}

fn told<'a>(first: &'a str, rows: &[SourceRow<'a>]) -> Vec<SourceRow<'a>> {
    let mut rows = rows.to_vec();
    if let Some(row) = rows.first_mut() {
        row.nota = Some(first);
    }
    rows
}

#[test]
fn every_type_goes_in_and_out_with_its_nulls() {
    // More than a byte of bits, and nulls on both sides of its end.
    let ids: Vec<String> = (0..19).map(|n| n.to_string()).collect();
    let rows: Vec<SourceRow<'_>> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| if n % 3 == 1 { bare(id) } else { full(id) })
        .collect();
    let run = run_on(&told("same", &rows)).unwrap();
    let products = run.rows();
    assert_eq!(products.len(), rows.len());
    for (product, source) in products.iter().zip(&rows).skip(1) {
        let upper = source.nota.map(str::to_uppercase);
        assert_eq!(product.nota, upper.as_deref());
        assert_eq!(
            (
                product.id,
                product.cantidad,
                product.puntos,
                product.peso,
                product.precio,
                product.descuento
            ),
            (
                source.id,
                source.cantidad,
                source.puntos,
                source.peso,
                source.precio,
                source.descuento
            ),
        );
        assert_eq!(
            (
                product.activo,
                product.oferta,
                product.dia,
                product.timestamp,
                product.email
            ),
            (
                source.activo,
                source.oferta,
                source.dia,
                source.timestamp,
                source.email
            ),
        );
        assert_eq!(
            (product.tipo, product.neto.is_zero()),
            (source.r#type.unwrap(), false)
        );
    }
    assert_eq!(products[0].neto, decimal("17.49"));
    assert!(run.rejected().is_empty());
}

#[test]
fn rejected_rows_leave_by_themselves() {
    let run = run_on(&[full("a"), bare("b"), full("c"), bare("d")]).unwrap();
    assert_eq!(run.rejected(), [(1, Rule::SinPrecio), (3, Rule::SinPrecio)]);
    assert_eq!(
        run.rows().iter().map(|row| row.id).collect::<Vec<_>>(),
        ["a", "c"]
    );
}

#[test]
fn kept_rows_are_those_that_are_not_rejected() {
    let rows = [full("a"), full("b"), full("c"), full("d")];
    let run = run_on(&told("keep odd", &rows)).unwrap();
    assert_eq!(run.rows().iter().map(|row| row.id).collect::<Vec<_>>(), ["d"]);
    assert_eq!(
        (run.rejected(), run.messages()),
        (vec![(1, Rule::SinTipo)], vec!["no type"])
    );
}

#[test]
fn taken_rows_come_in_the_order_taken() {
    let rows = [full("a"), full("b"), bare("c")];
    let run = run_on(&told("take", &rows)).unwrap();
    let ids: Vec<_> = run
        .rows()
        .iter()
        .map(|row| (row.id, row.precio, row.cantidad))
        .collect();
    let (a, c) = (("a", decimal("19.99"), Some(-3)), ("c", decimal("-1.00"), None));
    assert_eq!(ids, [c, a, c]);
    let error = run_on(&told("take what is rejected", &rows)).unwrap_err();
    assert_eq!(error.to_string(), "row 1 is taken and rejected");
}

#[test]
fn time_is_the_batch_s() {
    let row = SourceRow {
        puntos: 1,
        ..full("a")
    };
    let run = run_at(Timestamp::from_micros(41), &[row]).unwrap();
    assert_eq!(run.rows()[0].puntos, 42);
}

#[test]
fn broken_promises_are_told_by_column() {
    let error = |rows: &[SourceRow<'_>]| run_on(rows).unwrap_err().to_string();
    let null = [SourceRow {
        r#type: None,
        ..full("a")
    }];
    assert_eq!(
        error(&null),
        "column `tipo` is required and null in row 0: reject such rows"
    );
    let few = told("too few", &[full("a"), full("b")]);
    assert_eq!(
        error(&few),
        "column `tipo` has 1 values and should have 2: one for every row of the batch, or for each row taken"
    );
    let long = [SourceRow {
        precio: decimal("123456789.00"),
        ..full("a")
    }];
    assert_eq!(error(&long), "column `precio` has too many digits in row 0");
    assert_eq!(
        error(&told("error", &[full("a")])),
        "invalid digit found in string"
    );
}

#[test]
fn lookups_are_exact() {
    assert_eq!(lookups::IMPUESTOS.get("general"), Some(decimal("0.21")));
    assert_eq!(lookups::IMPUESTOS.get("subsidio"), Some(decimal("-0.05")));
    for key in ["", "General", "genera", "generales"] {
        assert_eq!(lookups::IMPUESTOS.get(key), None, "{key}");
    }
    assert_eq!(
        lookups::IMPUESTOS.keys(),
        ["general", "reducido", "exento", "subsidio"]
    );
    // A table that is too large to compare in place.
    assert_eq!(lookups::CODIGOS.keys().len(), 70);
    for (n, key) in lookups::CODIGOS.keys().iter().enumerate() {
        assert_eq!(
            lookups::CODIGOS.get(key),
            Some(format!("{n}.{}", n % 10).parse().unwrap()),
            "{key}"
        );
    }
    assert_eq!(lookups::CODIGOS.get("K70"), None);
}

#[test]
fn an_empty_batch_runs() {
    assert!(run_on(&[]).unwrap().rows().is_empty());
}
