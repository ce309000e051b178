//! Rows full of secrets, each of which is nowhere else, and the search for them.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::tests::world::Sale;

/// Rows that the reader sees.
const VISIBLE: i64 = 24;
/// A piece of so many letters is enough to know a secret by.
const PIECE: usize = 6;
/// A day of 1720: no literal of a query is near it.
const LONG_AGO: i32 = -91_300;

/// What must not come out, in any of its forms, and what it is a piece of.
pub(super) struct Secrets {
    pieces: BTreeMap<String, String>,
    whole: BTreeSet<String>,
}

/// Sales of one lake. Those of all variants look the same to the reader: there are always the same rows of the north,
/// and their masks are equal.
pub(super) fn sales(variant: u64, hidden: i64) -> Vec<Sale> {
    let mut same = Xoshiro256PlusPlus::seed_from_u64(42);
    let mut own = Xoshiro256PlusPlus::seed_from_u64(variant);
    let mut sales = Vec::new();
    for id in 1..=VISIBLE {
        if (id - 1) * hidden / VISIBLE != id * hidden / VISIBLE {
            sales.push(kept_back(&mut own));
        }
        sales.push(visible(id, &mut same, &mut own));
    }
    sales
}

/// What the reader sees of it is made by `same`.
fn visible(id: i64, same: &mut Xoshiro256PlusPlus, own: &mut Xoshiro256PlusPlus) -> Sale {
    let mut unless = |value: String| (same.random_range(0..6) > 0).then_some(value);
    let card = format!("{}-{:04}", digits(own, 12), id % 7);
    let nombre = unless(word(own));
    let direccion = unless(format!("Calle {} 7", word(own)));
    let tarjeta = unless(card);
    let telefono = unless(format!("+52 {}", digits(own, 12)));
    let nivel = unless(format!("{}-{}", word(own), digits(own, 2)));
    // Equal tokens are no secret: a few customers buy twice.
    let email = unless(format!(
        "{}@correo.mx",
        word(&mut Xoshiro256PlusPlus::seed_from_u64(9_000 + id as u64 % 17))
    ));
    let sueldo = unless(digits(own, 13)).map(|digits| digits.parse().unwrap());
    let edad = unless(digits(own, 9)).map(|digits| digits.parse().unwrap());
    // Of one month, and not its first day.
    let month = LONG_AGO + 31 * i32::try_from(id % 5).unwrap();
    let nacimiento = unless(String::new()).map(|_| {
        let (year, number, _) = malla_contract::civil::civil(month.into());
        let first = malla_contract::civil::days_before(year, number);
        i32::try_from(first).unwrap() + own.random_range(1..27)
    });
    Sale {
        id,
        region: Some("Norte".into()),
        canal: unless(["web", "app", "tienda"][usize::try_from(id % 3).unwrap()].into()),
        monto: i128::from(id * 10_050),
        cantidad: Some(i32::try_from(id % 4).unwrap()),
        email,
        tarjeta,
        nacimiento,
        telefono,
        nombre,
        direccion,
        nivel,
        sueldo,
        edad,
        fecha: 20_778 + i32::try_from(id % 3).unwrap(),
    }
}

/// A row of which nothing may be seen: every value of it is a secret.
fn kept_back(own: &mut Xoshiro256PlusPlus) -> Sale {
    Sale {
        id: digits(own, 13).parse().unwrap(),
        region: own.random_bool(0.7).then(|| word(own)),
        canal: Some(word(own)),
        monto: digits(own, 13).parse().unwrap(),
        cantidad: Some(0),
        email: Some(format!("{}@correo.mx", word(own))),
        tarjeta: Some(format!("{}-9999", digits(own, 12))),
        nacimiento: Some(LONG_AGO + 20_000 + own.random_range(0..10_000)),
        telefono: Some(format!("+34 {}", digits(own, 12))),
        nombre: Some(word(own)),
        direccion: Some(word(own)),
        nivel: Some(word(own)),
        sueldo: Some(digits(own, 13).parse().unwrap()),
        edad: Some(digits(own, 9).parse().unwrap()),
        fecha: 20_778 + own.random_range(0..3),
    }
}

/// Ten letters without a vowel: no word of a plan or an error.
fn word(random: &mut Xoshiro256PlusPlus) -> String {
    const LETTERS: [char; 15] = [
        'b', 'd', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'v', 'w', 'y', 'z',
    ];
    (0..10)
        .map(|_| LETTERS[random.random_range(0..LETTERS.len())])
        .collect()
}

/// Digits that start and end with none of 0, so that no way of writing a number cuts them.
fn digits(random: &mut Xoshiro256PlusPlus, count: usize) -> String {
    (0..count)
        .map(|_| char::from(b'1' + random.random_range(0..9_u8)))
        .collect()
}

impl Secrets {
    pub(super) fn of(first: &[Sale], second: &[Sale]) -> Self {
        let mut secrets = Self {
            pieces: BTreeMap::new(),
            whole: BTreeSet::new(),
        };
        for sale in first.iter().chain(second) {
            let hidden = sale.region.as_deref() != Some("Norte");
            let words = [&sale.nombre, &sale.direccion, &sale.nivel, &sale.email];
            words.into_iter().flatten().for_each(|text| secrets.word(text));
            for text in [&sale.tarjeta, &sale.telefono].into_iter().flatten() {
                secrets.number(text);
            }
            secrets.whole.extend(sale.sueldo.map(|number| number.to_string()));
            // A number of nine digits comes out by chance, sooner or later: it is held by the other law, and in a text.
            secrets.whole.extend(
                sale.nacimiento
                    .map(|day| malla_contract::Date::from_days(day).to_string()),
            );
            if hidden {
                [&sale.region, &sale.canal]
                    .into_iter()
                    .flatten()
                    .for_each(|text| secrets.word(text));
                secrets
                    .whole
                    .extend([sale.id.to_string(), sale.monto.to_string()]);
            }
        }
        secrets
    }

    /// The word in a text, without what stands around it, and its pieces in both directions.
    fn word(&mut self, text: &str) {
        let longest = text
            .split(|c: char| !c.is_ascii_lowercase())
            .max_by_key(|part| part.len());
        // `calle` and `correo` are none.
        let Some(word) = longest.filter(|word| word.len() == 10) else {
            panic!("no secret in {text}");
        };
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.windows(PIECE) {
            self.pieces.insert(piece.iter().collect(), text.into());
            self.pieces.insert(piece.iter().rev().collect(), text.into());
        }
    }

    /// The twelve digits of a card or a telephone.
    fn number(&mut self, text: &str) {
        let longest = text
            .split(|c: char| !c.is_ascii_digit())
            .max_by_key(|part| part.len());
        let digits = longest.filter(|digits| digits.len() == 12).unwrap();
        self.whole.insert(digits.into());
        self.whole.insert(digits.chars().rev().collect());
    }

    /// The secret that a text has, or has a piece of.
    pub(super) fn found(&self, text: &str) -> Option<String> {
        let text = text.to_lowercase();
        let letters: Vec<char> = text.chars().collect();
        for piece in letters.windows(PIECE) {
            if piece.iter().all(char::is_ascii_lowercase)
                && let Some(secret) = self.pieces.get(&piece.iter().collect::<String>())
            {
                return Some(secret.clone());
            }
        }
        // However a number is written: 1,234.5 or 1.2345e3.
        let plain: String = text.chars().filter(|c| !['.', ',', '_'].contains(c)).collect();
        let mut whole = self.whole.iter();
        whole.find(|secret| plain.contains(secret.as_str())).cloned()
    }
}

#[test]
fn secrets_are_found_in_every_form() {
    let (first, second) = (sales(1, 12), sales(2, 5));
    let secrets = Secrets::of(&first, &second);
    let hidden = first
        .iter()
        .find(|sale| sale.region.as_deref() != Some("Norte"))
        .unwrap();
    let name = hidden.nombre.clone().unwrap();
    let reversed: String = name.chars().rev().collect();
    for text in [
        format!("x{name}x"),
        name.to_uppercase(),
        reversed,
        format!("  {}…", name.get(2..9).unwrap()),
        format!("[{}]", hidden.id),
        format!("{}.{:02}", hidden.monto / 100, hidden.monto % 100),
        malla_contract::Date::from_days(hidden.nacimiento.unwrap()).to_string(),
    ] {
        assert!(secrets.found(&text).is_some(), "{text}");
    }
    for text in [
        "",
        "Norte",
        "xxxx-xxxx-9999",
        "tok1_abcdefghij",
        "the query failed: a division by zero",
        "{\"c0\":1}",
    ] {
        assert_eq!(secrets.found(text), None, "{text}");
    }
    // Both lakes look the same.
    let seen = |sales: &[Sale]| {
        let north = sales
            .iter()
            .filter(|sale| sale.region.as_deref() == Some("Norte"));
        let row = |sale: &Sale| {
            (
                sale.id,
                sale.canal.clone(),
                sale.cantidad,
                sale.monto,
                sale.nombre.is_some(),
                sale.sueldo.is_some(),
            )
        };
        north.map(row).collect::<Vec<_>>()
    };
    assert_eq!(seen(&first), seen(&second));
    assert_ne!(first.len(), second.len());
}
