use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use malla_contract::Classification;
use proptest::prelude::*;

use super::*;

fn keys() -> KeyStore {
    KeyStore::random().unwrap()
}

fn column(ty: ColumnType, required: bool, tags: &[&str]) -> Column {
    Column {
        name: "columna".into(),
        ty,
        required,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Internal,
        tags: tags.iter().map(|&tag| tag.to_owned()).collect::<BTreeSet<_>>(),
        holds: std::collections::BTreeSet::new(),
        description: None,
        quality: Vec::new(),
    }
}

fn masker(keys: &KeyStore, mask: MaskKind, tag: &str, group: Option<&str>) -> Masker {
    let column = column(ColumnType::Utf8, false, &[tag]);
    Masker::for_query(keys, &QueryKey::random().unwrap(), mask, &column, group).unwrap()
}

fn of_text() -> impl Iterator<Item = MaskKind> {
    MaskKind::ALL
        .into_iter()
        .filter(|mask| mask.fits(ColumnType::Utf8, false).is_ok())
}

fn one(masker: &Masker, value: &str) -> String {
    let column: ArrayRef = Arc::new(StringArray::from(vec![value]));
    let (masked, _) = masker.apply(&column).unwrap();
    masked.as_string::<i32>().value(0).to_owned()
}

#[test]
fn shapes() {
    let keys = keys();
    let last4 = masker(&keys, MaskKind::ShowLast4, "t", None);
    let alphanum = masker(&keys, MaskKind::MaskAlphanum, "t", None);
    let cases = [
        // value, show-last-4, mask-alphanum
        ("4111111111111234", "xxxxxxxxxxxx1234", "nnnnnnnnnnnnnnnn"),
        (
            "4111-1111-1111-1234",
            "xxxx-xxxx-xxxx-1234",
            "nnnn-nnnn-nnnn-nnnn",
        ),
        ("+52 55 1234 5678", "+xx xx xxxx 5678", "+nn nn nnnn nnnn"),
        ("1-2-3-4", "x-x-x-x", "n-n-n-n"),
        ("12345", "x2345", "nnnnn"),
        ("12345--", "x2345--", "nnnnn--"),
        ("ab", "xx", "xx"),
        ("Joaquín-42", "xxxxxín-42", "xxxxxxx-nn"),
        ("Muñoz, Ñandú", "xxxxx, xandú", "xxxxx, xxxxx"),
        ("Calle 5 № 10", "xxxxx 5 № 10", "xxxxx n x nn"),
        ("北京市朝阳区", "xx市朝阳区", "xxxxxx"),
        ("٠١٢٣٤٥", "xx٢٣٤٥", "nnnnnn"),
        ("¿—?", "¿—?", "¿—?"),
        ("", "", ""),
        ("   ", "   ", "   "),
        // A combining accent, an emoji and an invisible joiner are letters: they are hidden.
        ("e\u{301}", "xx", "xx"),
        ("🦀\u{200b}", "xx", "xx"),
    ];
    for (value, last, shape) in cases {
        assert_eq!(one(&last4, value), last, "show-last-4 of {value:?}");
        assert_eq!(one(&alphanum, value), shape, "mask-alphanum of {value:?}");
    }
}

#[test]
fn the_first_four_stay() {
    let first4 = masker(&keys(), MaskKind::ShowFirst4, "t", None);
    let cases = [
        ("4111111111111234", "4111xxxxxxxxxxxx"),
        ("4111-1111-1111-1234", "4111-xxxx-xxxx-xxxx"),
        ("--12345", "--1234x"),
        ("1-2-3-4", "x-x-x-x"),
        ("Joaquín-42", "Joaqxxx-xx"),
        ("北京市朝阳区", "北京市朝xx"),
        ("ab", "xx"),
        ("", ""),
    ];
    for (value, shown) in cases {
        assert_eq!(one(&first4, value), shown, "of {value:?}");
    }
}

#[test]
fn of_an_address_the_domain_stays() {
    let domain = masker(&keys(), MaskKind::EmailDomain, "pii:email", None);
    let cases = [
        ("ana@correo.mx", "@correo.mx"),
        (" Ana@Mail.Correo.MX\n", "@mail.correo.mx"),
        ("ana@españa.es", "@españa.es"),
        ("ana@xn--espaa-rta.xn--p1ai", "@xn--espaa-rta.xn--p1ai"),
        ("@correo.mx", "@correo.mx"),
        ("", ""),
    ];
    for (value, shown) in cases {
        assert_eq!(one(&domain, value), shown, "of {value:?}");
    }
    let long = format!("ana@{}.mx", "a".repeat(64));
    for value in [
        "ana",
        "ana@",
        "ana@localhost",
        "ana@a@b.mx",
        "ana@10.0.0.1",
        "ana@[10.0.0.1]",
        "ana@-a.mx",
        "ana@a-.mx",
        "ana@a..mx",
        "ana@.mx",
        "ana@a.m",
        "ana@a.mx.",
        "ana@a b.mx",
        "ana@a.mx, luis",
        "4111 1111",
        " ",
        long.as_str(),
    ] {
        assert_eq!(one(&domain, value), "xxxx", "of {value:?}");
    }
}

#[test]
fn a_mask_for_reading_is_not_for_writing() {
    let keys = keys();
    let column = column(ColumnType::Utf8, false, &["t"]);
    for mask in MaskKind::ALL {
        let masker = Masker::for_column(&keys, mask, &column, None);
        let refused = matches!(masker, Err(MaskError::OnlyAtRead { .. }));
        assert_eq!(refused, mask.only_at_read(), "{mask}");
    }
}

#[test]
fn a_digest_lives_as_long_as_its_query() {
    let keys = keys();
    let columns = ["pii:email", "pii:card"].map(|tag| column(ColumnType::Utf8, false, &[tag]));
    let (one_query, other_query) = (QueryKey::random().unwrap(), QueryKey::random().unwrap());
    let digest = |query, column| {
        let masker = Masker::for_query(&keys, query, MaskKind::Sha256QueryLocal, column, None).unwrap();
        [one(&masker, "ana@correo.mx"), one(&masker, "Ana@correo.mx")]
    };
    let [ana, capital] = digest(&one_query, &columns[0]);
    assert_eq!(ana.len(), 64);
    assert!(ana.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_ne!(ana, capital);
    assert_eq!(digest(&one_query, &columns[1]), [ana.clone(), capital.clone()]);
    let later = digest(&other_query, &columns[0]);
    assert!(!later.contains(&ana) && !later.contains(&capital));
    assert_eq!(format!("{one_query:?}"), "QueryKey(..)");
}

#[test]
fn one_person_has_one_token() {
    let keys = keys();
    let same = [
        ("pii:email", "ana.pérez@correo.mx", " Ana.PÉREZ@Correo.MX\n"),
        ("pii:email", "jose\u{301}@correo.mx", "José@correo.mx"),
        ("pii:email", "ana@correo.mx", "ANA@correo.mx"),
        ("pii:card", "4111111111111111", "4111 1111-1111 1111"),
        ("pii:card", "4111111111111111", "４１１１１１１１１１１１１１１１"),
        ("pii:phone", "525512345678", "+52 (55) 1234-5678"),
        ("pii:name", "Ana", " Ana "),
        ("cliente", "jose\u{301}", "josé"),
    ];
    for (tag, a, b) in same {
        let masker = masker(&keys, MaskKind::Token, tag, None);
        assert_eq!(one(&masker, a), one(&masker, b), "{tag}: {a:?} and {b:?}");
    }
    let apart = [
        ("pii:email", "ana@correo.mx", "ana@correo.com"),
        ("pii:card", "4111111111111111", "4111111111111112"),
        ("pii:card", "n/a", "none"),
        ("pii:phone", "1-800-FLOWERS", "1-800-COMPANY"),
        ("pii:phone", "-", "--"),
        ("pii:name", "Ana", "ana"),
    ];
    for (tag, a, b) in apart {
        let masker = masker(&keys, MaskKind::Token, tag, None);
        assert_ne!(one(&masker, a), one(&masker, b), "{tag}: {a:?} and {b:?}");
    }
}

#[test]
fn a_token_looks_like_one_and_needs_its_key() {
    let (keys, others) = (keys(), keys());
    let token = one(
        &masker(&keys, MaskKind::Token, "pii:email", None),
        "ana@correo.mx",
    );
    assert_eq!(token.len(), 31);
    assert!(
        token
            .strip_prefix("tok1_")
            .unwrap()
            .chars()
            .all(|c| matches!(c, 'a'..='z' | '2'..='7')),
        "{token}"
    );
    assert_eq!(
        token,
        one(
            &masker(&keys, MaskKind::Token, "pii:email", None),
            "ana@correo.mx"
        )
    );
    assert_ne!(
        token,
        one(
            &masker(&others, MaskKind::Token, "pii:email", None),
            "ana@correo.mx"
        )
    );
}

#[test]
fn the_default_group_is_the_personal_tag() {
    let keys = keys();
    let tagged = column(ColumnType::Utf8, false, &["cliente", "pii:email"]);
    let default = Masker::for_column(&keys, MaskKind::Token, &tagged, None).unwrap();
    let named = Masker::for_column(&keys, MaskKind::Token, &tagged, Some("pii:email")).unwrap();
    let other = Masker::for_column(&keys, MaskKind::Token, &tagged, Some("cliente")).unwrap();
    assert_eq!(one(&default, "a@b.mx"), one(&named, "a@b.mx"));
    assert_ne!(one(&default, "a@b.mx"), one(&other, "a@b.mx"));
}

/// What a reader who has the keys can recompute.
#[test]
fn a_token_is_hmac_sha_256_of_the_normalised_value_in_one_block_of_aes() {
    use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
    use hmac::Mac as _;
    let keys = keys();
    let mac = keys
        .token_key("pii:email")
        .hmac()
        .chain_update("ana@correo.mx")
        .finalize()
        .into_bytes();
    let mut block: aes::Block = <[u8; 16]>::try_from(&mac[..16]).unwrap().into();
    let key = keys.current_generation().key("pii:email");
    aes::Aes256::new(key.bytes().into()).encrypt_block(&mut block);
    let expected = format!(
        "tok1_{}",
        data_encoding::BASE32_NOPAD.encode(&block).to_lowercase()
    );
    let masker = masker(&keys, MaskKind::Token, "pii:email", None);
    assert_eq!(one(&masker, " Ana@correo.mx"), expected);
}

#[test]
fn nulls_slices_and_empty_columns() {
    let keys = keys();
    let whole: ArrayRef = Arc::new(StringArray::from(vec![
        Some("uno111"),
        None,
        Some(""),
        Some("dos222"),
        None,
        Some("tres33"),
    ]));
    for mask in of_text() {
        let masker = masker(&keys, mask, "t", None);
        let (all, count) = masker.apply(&whole).unwrap();
        assert_eq!(count, 4);
        let slice = whole.slice(1, 4);
        let (part, count) = masker.apply(&slice).unwrap();
        assert_eq!((&part, count), (&all.slice(1, 4), 2));
        let (none, count) = masker.apply(&whole.slice(2, 0)).unwrap();
        assert_eq!((none.len(), count), (0, 0));
        assert_eq!(part.data_type(), &DataType::Utf8);
        if mask != MaskKind::ReplaceWithNull {
            assert_eq!(all.nulls(), whole.nulls(), "{mask}");
            assert_eq!(all.as_string::<i32>().value(2), "", "{mask}");
        }
    }
}

#[test]
fn null_fits_every_type() {
    let keys = keys();
    let types = [
        ColumnType::Boolean,
        ColumnType::Int32,
        ColumnType::Int64,
        ColumnType::Float64,
        ColumnType::Decimal {
            precision: 18,
            scale: 2,
        },
        ColumnType::Utf8,
        ColumnType::Date,
        ColumnType::Timestamp,
    ];
    for ty in types {
        let masker =
            Masker::for_column(&keys, MaskKind::ReplaceWithNull, &column(ty, false, &[]), None).unwrap();
        let (masked, count) = masker.apply(&new_null_array(&ty.arrow(), 3)).unwrap();
        assert_eq!(
            (masked.data_type(), masked.null_count(), count),
            (&ty.arrow(), 3, 0)
        );
        assert!(matches!(
            Masker::for_column(&keys, MaskKind::ReplaceWithNull, &column(ty, true, &[]), None),
            Err(MaskError::Misfit {
                why: MaskMisfit::Required,
                ..
            })
        ));
        for mask in [MaskKind::Token, MaskKind::ShowLast4, MaskKind::MaskAlphanum] {
            let masker = Masker::for_column(&keys, mask, &column(ty, true, &[]), None);
            assert_eq!(masker.is_ok(), ty == ColumnType::Utf8);
        }
    }
    let masker = masker(&keys, MaskKind::ReplaceWithNull, "t", None);
    let (masked, count) = masker
        .apply(&(Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef))
        .unwrap();
    assert_eq!((masked.null_count(), count), (2, 2));
}

#[test]
fn another_type_than_the_contracts_is_refused() {
    let keys = keys();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![4_111_111_111_111_111]));
    for mask in of_text() {
        let error = masker(&keys, mask, "t", None).apply(&numbers).unwrap_err();
        assert!(matches!(error, MaskError::WrongType { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("4111"));
    }
}

/// Text of the kinds that break things: other scripts, marks, emoji, separators.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9@._ +-]{0,24}",
        "[0-9 -]{0,24}",
        "[áéíóúñÑ¿¡a-z 0-9]{0,16}",
        "\\PC{0,16}"
    ]
}

proptest! {
    #[test]
    fn equal_spellings_are_equal_tokens(value in text(), tag in prop_oneof!["pii:email", "pii:card", "pii:name"]) {
        let keys = keys();
        let masker = masker(&keys, MaskKind::Token, &tag, None);
        prop_assert_eq!(one(&masker, &value), one(&masker, &value));
        if !value.trim().is_empty() {
            prop_assert_eq!(one(&masker, &value), one(&masker, &format!(" {value}\t")));
        }
        // A spelling, spelled again, is the same.
        let normalise = Normalisation::of(&column(ColumnType::Utf8, false, &[tag.as_str()]));
        let (mut first, mut second) = (String::new(), String::new());
        let once = normalise.apply(&value, &mut first).to_owned();
        prop_assert_eq!(normalise.apply(&once, &mut second), once.as_str());
    }

    #[test]
    fn groups_do_not_join(value in "\\PC{1,20}", a in "[a-z]{1,8}", b in "[a-z]{1,8}") {
        prop_assume!(a != b);
        let keys = keys();
        let token = |group: &str| one(&masker(&keys, MaskKind::Token, "t", Some(group)), &value);
        prop_assert_ne!(token(&a), token(&b));
    }

    #[test]
    fn a_masked_value_does_not_hold_the_value(value in text()) {
        let keys = keys();
        // What has no letter or digit says nothing, and `x` and `n` are what masks write: hidden, they look the same.
        prop_assume!(!value.contains(['x', 'n']));
        let telling = value.chars().filter(|c| c.is_alphanumeric()).count();
        prop_assume!(telling > 0);
        for mask in [MaskKind::MaskAlphanum, MaskKind::ShowLast4, MaskKind::ShowFirst4] {
            let masked = one(&masker(&keys, mask, "t", None), &value);
            prop_assert!(!masked.contains(&value), "{} left a value of {} characters", mask, value.chars().count());
            prop_assert_eq!(masked.chars().count(), value.chars().count());
        }
        // A token is random text: a value of a few letters may be in it by chance, as in any other.
        if telling > 6 {
            prop_assert!(!one(&masker(&keys, MaskKind::Token, "t", None), &value).contains(&value));
            prop_assert!(!one(&masker(&keys, MaskKind::Sha256QueryLocal, "t", None), &value).contains(&value));
        }
    }

    #[test]
    fn four_shows_four_at_most(value in "[a-zA-Z0-9 -]{0,24}", mask in prop_oneof![Just(MaskKind::ShowLast4), Just(MaskKind::ShowFirst4)]) {
        let hidden = one(&masker(&keys(), mask, "t", None), &value);
        let shown = value.chars().zip(hidden.chars()).filter(|(v, h)| v.is_alphanumeric() && v == h && *v != 'x').count();
        prop_assert!(shown <= 4);
    }
}

#[test]
fn what_was_masked_when_it_was_written_stays() {
    let keys = keys();
    let masks = [
        MaskKind::Token,
        MaskKind::ShowLast4,
        MaskKind::ShowFirst4,
        MaskKind::MaskAlphanum,
        MaskKind::EmailDomain,
        MaskKind::ReplaceWithNull,
        MaskKind::MaskToDefault,
    ];
    let column: ArrayRef = Arc::new(StringArray::from(vec![
        Some("Ana.Pérez-42@correo.mx"),
        Some("4111-1111-1111-1234"),
        Some("ab"),
        Some(""),
        None,
    ]));
    for mask in masks {
        let masker = masker(&keys, mask, "pii:email", None);
        let (written, _) = masker.apply(&column).unwrap();
        let over_stored = masker.clone().over_stored();
        assert_eq!(&over_stored.apply(&written).unwrap().0, &written, "{mask}");
        // What an older policy left in the clear is hidden among what is hidden.
        assert_eq!(&over_stored.apply(&column).unwrap().0, &written, "{mask}");
    }
}
