#![expect(clippy::string_slice, reason = "a test may fail by a panic")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array as _, ArrayRef};
use proptest::prelude::*;
use proptest::sample::select;

use super::PersonalKind::{Card, Email, Iban, NationalId, Phone};
use super::plant::{card, curp, dni, iban, personal};
use super::*;

fn found(value: &str) -> Vec<(PersonalKind, &str)> {
    let findings = Detector::default().scan(&StringArray::from(vec![value]));
    findings
        .iter()
        .map(|finding| (finding.kind, &value[finding.start as usize..finding.end as usize]))
        .collect()
}

#[test]
fn what_is_found() {
    let cases: &[(PersonalKind, &str, &[&str])] = &[
        (
            Email,
            "{}",
            &[
                "ana@correo.mx",
                "Ana.Pérez+compras@mail.correo.example",
                "josé@españa.es",
                "a_b-c%d@x-y.co",
                "o'brien@correo.mx",
                "ana@xn--espaa-rta.xn--p1ai",
            ],
        ),
        (
            Card,
            "{}",
            &[
                "4111111111111111",
                "4111 1111 1111 1111",
                "4111-1111-1111-1111",
                "5555 5555-5555 4444",
                "378282246310005",
                "3782 822463 10005",
                "30569309025904",
                "6011111111111117",
                "3530111333300000",
                "2223003122003222",
                "4222222222222",
                "6799990100000000019",
                "41 11 11 11 11 11 11 11",
            ],
        ),
        (
            Iban,
            "{}",
            &[
                "ES9121000418450200051332",
                "ES91 2100 0418 4502 0005 1332",
                "ES91 2100 0418 45 0200051332",
                "es9121000418450200051332",
                "GB82WEST12345698765432",
                "GB82 WEST 1234 5698 7654 32",
                "gb82west12345698765432",
                "DE89370400440532013000",
                "FR1420041010050500013M02606",
                "MT84MALT011000012345MTLCAST001S",
                "NO9386011117947",
                "PT50000201231234567890154",
                "BR1800360305000010009795493C1",
                "LC55HEMM000100010012001200023015",
            ],
        ),
        (
            Phone,
            "{}",
            &[
                "+525512345678",
                "+52 55 1234 5678",
                "+52 (55) 1234-5678",
                "+52(55)12345678",
                "+34 612 34 56 78",
                "+34-612-345-678",
                "+1 555 123 4567",
                "612 345 678",
                "612 34 56 78",
                "91 123 45 67",
                "55 1234 5678",
                "55-1234-5678",
                "(55) 1234-5678",
                "(55) 12345678",
                "664 123 4567",
                "9 8765 4321",
                "11 91234-5678",
            ],
        ),
        (
            NationalId,
            "{}",
            &[
                "12345678Z",
                "12345678-Z",
                "12.345.678-Z",
                "12.345.678z",
                "00000000T",
                "X1234567L",
                "x-1234567-l",
                "Y0000000Z",
                "HEGG560427MVZRRL04",
                "sabc560626mdflrn01",
                "GODE561231GR8",
                "gode561231gr8",
            ],
        ),
    ];
    let around = [
        ("", ""),
        ("", "."),
        ("tel: ", ", gracias"),
        ("(", ")"),
        ("\"", "\""),
        ("é", "é"),
        ("号", "号"),
        ("a\n", "\nb"),
        ("<", ">"),
        ("id=", ";"),
        ("pedido nº 12: ", " / 3"),
    ];
    for (kind, _, values) in cases {
        for value in *values {
            for (before, after) in around {
                // Letters of any script are part of an address.
                if *kind == Email && before.ends_with(char::is_alphanumeric) {
                    continue;
                }
                let text = format!("{before}{value}{after}");
                assert_eq!(found(&text), [(*kind, *value)], "in {text:?}");
                let hidden = Detector::default()
                    .hide(&StringArray::from(vec![text.as_str()]))
                    .unwrap()
                    .0;
                let xs = "x".repeat(value.chars().count());
                assert_eq!(hidden.value(0), format!("{before}{xs}{after}"));
            }
        }
    }
}

#[test]
fn what_is_not_found() {
    for value in [
        "",
        "@",
        "@ana",
        "ana@",
        "ana@localhost",
        "ana@10.0.0.1",
        "a @ b.mx",
        "ana@-x.mx",
        "ana@.mx",
        "@correo.mx",
        "4111111111111112",
        "4111111111111111a",
        "x4111111111111111",
        "0.4111111111111111",
        "4111111111111111.25",
        "1111111111111117",
        "4111  1111  1111  1111",
        "4111.1111.1111.1111",
        "41111111111111111111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "0000000000000000",
        "ES9221000418450200051332",
        "ES912100041845020005133",
        "XX9121000418450200051332",
        "ES91-2100-0418-4502-0005-1332",
        "aES9121000418450200051332",
        "es91 2100 0418 4502 0005 1332",
        "DE20 unidades que no hay",
        "612345678",
        "5512345678",
        "+1234567",
        "+0055123456",
        "1+5512345678",
        "2026-11-21",
        "2026-11-21 10:30",
        "10:30:00",
        "192.168.100.200",
        "212.34.56.78",
        "1.234.567,89",
        "100 200 300",
        "1 2 3 4 5 6",
        "612 345 678 901",
        "12 345 678",
        "978 612 345 678",
        "12345678A",
        "12345678 Z",
        "1234567Z",
        "A12345678Z",
        "12345678ZZ",
        "X1234567A",
        "W1234567L",
        "HEGG560427MVZRRL05",
        "HEGG561327MVZRRL04",
        "HEGG560427MZZRRL04",
        "GODE561231GR9",
        "GODE561331GR8",
        "XAXX010101000",
        "XEXX010101000",
        "P00123",
        "C000123",
        "América Latina",
        "España y Portugal",
        "web",
        "MXN",
        "1733.20",
        "1f0a9c3e-7b2d-8f44-9c1b-0123456789ab",
        "12345678-1234-4111-4111-111111111111",
        "2026-11-21T10:35:07.250Z",
        "21/11/2026 10:35",
        "1764057600000",
        "4.7e-12",
        "doce con cincuenta",
    ] {
        assert_eq!(found(value), [], "{value}");
    }
}

#[test]
fn an_address_may_hold_a_number_and_several_may_stand_together() {
    assert_eq!(
        found("4111111111111111@correo.mx"),
        [(Card, "4111111111111111"), (Email, "4111111111111111@correo.mx")]
    );
    assert_eq!(
        found("ana@correo.mx,luis@correo.mx; 4111111111111111,5555555555554444"),
        [
            (Email, "ana@correo.mx"),
            (Email, "luis@correo.mx"),
            (Card, "4111111111111111"),
            (Card, "5555555555554444")
        ]
    );
    assert_eq!(
        found("+52 55 1234 5678 4111 1111 1111 1111"),
        [(Phone, "+52 55 1234 5678"), (Card, "4111 1111 1111 1111")]
    );
    assert_eq!(found("ana@b@correo.mx"), [(Email, "b@correo.mx")]);
    let (hidden, _) = Detector::default()
        .hide(&StringArray::from(vec!["4111111111111111@correo.mx y más"]))
        .unwrap();
    assert_eq!(hidden.value(0), "xxxxxxxxxxxxxxxxxxxxxxxxxx y más");
}

#[test]
fn values_do_not_run_into_each_other() {
    let texts = StringArray::from(vec![
        Some("4111"),
        Some("111111111111"),
        None,
        Some("ana@"),
        Some("correo.mx"),
        Some(""),
        Some("612 345 678"),
        Some("901"),
        Some("12345678"),
        Some("Z"),
        Some("a@b.mx"),
    ]);
    let rows = |texts: &StringArray| {
        let findings = Detector::default().scan(texts);
        findings
            .iter()
            .map(|finding| (finding.row, finding.kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&texts), [(6, Phone), (10, Email)]);
    assert_eq!(rows(&texts.slice(6, 5)), [(0, Phone), (4, Email)]);
    assert_eq!(rows(&texts.slice(7, 0)), []);
}

#[test]
fn what_lies_under_a_null_is_nobodys() {
    let whole = StringArray::from(vec!["ana@correo.mx", "4111111111111111", "luis@correo.mx"]);
    let nulls = arrow_buffer::NullBuffer::from(vec![false, false, true]);
    let texts = StringArray::new(whole.offsets().clone(), whole.values().clone(), Some(nulls));
    let (hidden, findings) = Detector::default().hide(&texts).unwrap();
    assert_eq!(
        findings.iter().map(|finding| finding.row).collect::<Vec<_>>(),
        [2]
    );
    assert_eq!((hidden.null_count(), hidden.value(2)), (2, "xxxxxxxxxxxxxx"));
    assert!(!format!("{:?}", hidden.value_data()).contains("ana"));
}

#[test]
fn kinds_count_rows_and_can_be_left_out() {
    let texts = StringArray::from(vec!["a@b.mx c@d.mx", "nada", "e@f.mx 12345678Z"]);
    let findings = Detector::default().scan(&texts);
    assert_eq!(
        findings.kinds().collect::<Vec<_>>(),
        [(Email, 2), (NationalId, 1)]
    );
    assert_eq!(findings.rows(Email).collect::<Vec<_>>(), [0, 2]);
    let left = Detector::default().without(Email).scan(&texts);
    assert_eq!(left.kinds().collect::<Vec<_>>(), [(NationalId, 1)]);
    assert!(
        Detector::default()
            .without(Email)
            .without(NationalId)
            .scan(&texts)
            .is_empty()
    );
    // No value is in what is printed.
    assert!(!format!("{findings:?}").contains("12345678"));
}

/// Twice the text is at most about twice the time; a search that goes back would take a thousand times as long.
#[test]
fn hostile_text_takes_linear_time() {
    let long = if cfg!(debug_assertions) {
        400_000
    } else {
        8_000_000
    };
    let slowest = Duration::from_secs(20);
    for text in [
        "@",
        "1",
        "4",
        "41 ",
        "4 ",
        "4-",
        "+",
        "+52 ",
        "ES91 ",
        "a@b.",
        "a.",
        "X1234567",
        "ABCD010101",
        "ñ",
        "(55) ",
        "12.345.",
    ] {
        let column = StringArray::from(vec![text.repeat(long / text.len())]);
        let start = Instant::now();
        let _ = Detector::default().hide(&column).unwrap();
        assert!(start.elapsed() < slowest, "{text:?} took {:?}", start.elapsed());
    }
}

/// Pieces of what is looked for, and of what breaks things.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ .,@+()-]",
        3 => "[0-9]{1,5}",
        2 => "[A-Zxyzñ&_-]{1,4}",
        1 => "\\PC{0,3}",
        1 => personal().prop_map(|(_, value)| value),
        1 => select(vec!["ES", "DE", "4111", "@", ".mx", "-", "+52", "xn--", "12345678-1234-4111-4111-111111111111", "Ñ"]).prop_map(str::to_owned),
    ];
    let time = "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,16})?([+-][0-9]{2}:?[0-9]{2}|Z)?)?";
    prop_oneof![
        8 => proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat()),
        1 => (time, select(vec!["", " ", "7", "+"])).prop_map(|(time, after)| time + after),
        1 => "[XYZ+]?[0-9]{6,8}[A-Z]?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_planted_is_found(
        before in "(\\PC{0,12}[^\\pL\\pN. +'&~%_-])?",
        (kind, value) in personal(),
        after in "([,;:/)\"é\\n][a-z ]{0,12})?",
    ) {
        // Letters of any script are part of an address.
        let (before, after) = match kind {
            Email => (format!("{}:", before.replace('@', "#")), after.replace('é', " ")),
            _ => (before, after),
        };
        let text = format!("{before}{value}{after}");
        let all = found(&text);
        prop_assert!(all.iter().any(|(k, v)| *k == kind && *v == value), "{:?} in {:?}: {:?}", value, text, all);
        let hidden = Detector::default().hide(&StringArray::from(vec![text.as_str()])).unwrap().0;
        prop_assert!(!hidden.value(0).contains(&value));
        prop_assert_eq!(hidden.value(0).chars().count(), text.chars().count());
        // What is hidden is found no more.
        prop_assert!(Detector::default().scan(&hidden).rows(kind).count() == 0 || all.len() > 1);
    }

    #[test]
    fn a_wrong_check_digit_is_not_found(value in prop_oneof![card(), iban(), dni()], by in 1..9_u32, at in any::<prop::sample::Index>()) {
        let kinds: BTreeSet<_> = found(&value).into_iter().map(|(kind, _)| kind).collect();
        prop_assert_eq!(kinds.len(), 1);
        let places: Vec<usize> = value.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(place, _)| place).collect();
        // The first digits say which country or network it is.
        let place = places[places.len() - 1 - at.index(places.len().min(4))];
        let digit = (value[place..=place].parse::<u32>().unwrap() + by) % 10;
        let mut wrong = value.clone();
        wrong.replace_range(place..=place, &digit.to_string());
        let whole = found(&wrong).into_iter().any(|(kind, found)| kinds.contains(&kind) && found == wrong);
        prop_assert!(!whole, "{} was {}", wrong, value);
    }

    /// The weights of a CURP let some changes of its date pass, as those of its check digit never do.
    #[test]
    fn a_curp_with_a_wrong_check_digit_is_not_found(value in curp(), by in 1..9_u32) {
        prop_assert_eq!(found(&value), [(NationalId, value.as_str())]);
        let (body, check) = value.split_at(17);
        let wrong = format!("{body}{}", (check.parse::<u32>().unwrap() + by) % 10);
        prop_assert_eq!(found(&wrong), []);
    }

    #[test]
    fn the_slow_way_finds_the_same(value in hostile()) {
        let fast = Detector::default().scan(&StringArray::from(vec![value.as_str()]));
        let mut fast: Vec<_> = fast.iter().map(|f| (f.kind, f.start as usize..f.end as usize)).collect();
        fast.sort_by_key(|(kind, range)| (range.start, range.end, *kind));
        prop_assert_eq!(fast, reference::all(&value), "in {:?}", value);
    }

    #[test]
    fn rows_and_slices_are_found_as_alone(values in proptest::collection::vec(proptest::option::of(hostile()), 0..8), from in 0..8_usize) {
        let texts = StringArray::from(values.clone());
        let from = from.min(texts.len());
        let whole: ArrayRef = Arc::new(texts);
        let slice = whole.slice(from, whole.len() - from);
        let slice: &StringArray = slice.as_any().downcast_ref().unwrap();
        let together = Detector::default().scan(slice);
        let mut alone = vec![];
        for (row, value) in values.iter().skip(from).enumerate() {
            let one = Detector::default().scan(&StringArray::from(vec![value.as_deref()]));
            alone.extend(one.iter().map(|finding| Finding { row: row as u32, ..*finding }));
        }
        prop_assert_eq!(together.iter().copied().collect::<Vec<_>>(), alone);
        let (hidden, _) = Detector::default().hide(slice).unwrap();
        prop_assert_eq!(hidden.nulls(), slice.nulls());
        prop_assert_eq!(hidden.len(), slice.len());
    }

    #[test]
    fn no_text_panics(value in any::<String>()) {
        let _ = Detector::default().hide(&StringArray::from(vec![value])).unwrap();
    }
}
