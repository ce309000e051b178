//! Functions over every type, called as the host calls them. The contract has no step, and the plugin none.

use malla_sdk::{Date, Decimal, Error, Timestamp, decimal};

malla_sdk::plugin!(Almacen, "tests/funciones.yaml");

struct Almacen;

impl Plugin for Almacen {
    fn etiqueta(codigo: &str, peso: Option<f64>) -> Result<Option<String>, Error> {
        if codigo.is_empty() {
            return Err(Error::new("a code without letters"));
        }
        Ok(peso.map(|peso| format!("{codigo}-{peso:.1}")))
    }

    fn mismo_texto(a: Option<&str>) -> Result<String, Error> {
        Ok(a.unwrap_or_default().to_owned())
    }

    fn neto(r#type: Decimal<2>, columns: Option<Decimal<3>>) -> Result<Option<Decimal<2>>, Error> {
        Ok(columns.and_then(|share| r#type.mul_rounded(share)))
    }

    fn siguiente(
        dia: Option<Date>,
        cuando: Option<Timestamp>,
        dias: i32,
    ) -> Result<Option<Timestamp>, Error> {
        let moment = dia.map(|dia| i64::from(dia.days() + dias) * 86_400_000_000);
        Ok(moment
            .or(cuando.map(Timestamp::micros))
            .map(Timestamp::from_micros))
    }

    fn alguno(a: Option<bool>, b: i64) -> Result<bool, Error> {
        Ok(a.unwrap_or(b > 0))
    }

    fn r#move(a: Option<i64>) -> Result<Option<Date>, Error> {
        Ok(Some(Date::from_days(i32::try_from(
            a.ok_or_else(|| Error::new("nothing"))?,
        )?)))
    }
}

#[test]
fn every_type_goes_in_and_out_with_its_nulls() {
    let labels = functions::etiqueta(&[("ñ", Some(1.25)), ("b", None), ("c", Some(-0.04))]).unwrap();
    assert_eq!(
        labels,
        [Some("ñ-1.2".to_owned()), None, Some("c--0.0".to_owned())]
    );
    // More than a byte of bits, and nulls on both sides of its end.
    let rows: Vec<(Option<&str>,)> = (0..19).map(|n| ((n % 3 != 1).then_some("x"),)).collect();
    let texts = functions::mismo_texto(&rows).unwrap();
    for (text, (given,)) in texts.iter().zip(&rows) {
        assert_eq!(text, given.unwrap_or(""));
    }
    assert_eq!(
        functions::neto(&[(decimal("10.00"), Some(decimal("0.125"))), (decimal("1"), None)]).unwrap(),
        [Some(decimal("1.25")), None]
    );
    let day = Date::from_ymd(2026, 11, 27);
    let then = Timestamp::from_utc("2026-11-28T00:00:00Z");
    assert_eq!(
        functions::siguiente(&[(day, None, 1), (None, then, 5), (None, None, 0)]).unwrap(),
        [then, then, None]
    );
    assert_eq!(
        functions::alguno(&[(None, 1), (Some(false), 1), (None, i64::MIN)]).unwrap(),
        [true, false, false]
    );
    assert_eq!(functions::r#move(&[(Some(0),)]).unwrap(), [Some(Date::default())]);
    assert_eq!(functions::r#move(&[]).unwrap(), []);
}

#[test]
fn what_a_function_refuses_or_gives_too_large_is_told() {
    let error = functions::etiqueta(&[("a", None), ("", None)]).unwrap_err();
    assert_eq!(error.to_string(), "a code without letters");
    let error = functions::r#move(&[(Some(i64::MAX),)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "out of range integral type conversion attempted"
    );
    let error = functions::neto(&[(decimal("99999999.99"), Some(decimal("1.000")))]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "what `neto` gives for row 0 has too many digits"
    );
}

#[test]
fn a_function_is_plain_rust_too() {
    assert!(Almacen::alguno(None, 1).unwrap());
}
