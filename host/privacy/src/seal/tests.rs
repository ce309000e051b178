use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{
    BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, LargeStringArray,
    PrimitiveArray, StringArray, TimestampMicrosecondArray,
};
use malla_contract::ColumnType;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

const DECIMAL: ColumnType = ColumnType::Decimal {
    precision: 38,
    scale: 2,
};

fn keys() -> KeyStore {
    KeyStore::random().unwrap()
}

fn sealed(keys: &KeyStore, table: &str, name: &str, column: &ArrayRef) -> BinaryArray {
    Sealer::new(keys, table)
        .batch()
        .unwrap()
        .seal_column(name, column)
        .unwrap()
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A value as the lake keeps it.
fn line(keys: &KeyStore) -> Vec<u8> {
    Sealer::new(keys, "t")
        .batch()
        .unwrap()
        .seal_bytes("line", b"{\"email\":\"ana@correo.mx\"}")
        .unwrap()
}

#[test]
fn bytes_open_where_they_were_sealed_and_nowhere_else() {
    let (keys, others) = (keys(), keys());
    let line = line(&keys);
    let open =
        |keys: &KeyStore, table: &str, column: &str| Opener::new(keys, table).open_bytes(column, &line);

    assert_eq!(
        open(&keys, "t", "line").unwrap().as_slice(),
        b"{\"email\":\"ana@correo.mx\"}"
    );
    assert!(matches!(open(&keys, "u", "line"), Err(OpenError::Refused)));
    assert!(matches!(open(&keys, "t", "lines"), Err(OpenError::Refused)));
    assert!(matches!(open(&keys, "tl", "ine"), Err(OpenError::Refused)));
    assert!(matches!(
        open(&others, "t", "line"),
        Err(OpenError::UnknownKey(_))
    ));
}

#[test]
fn every_changed_bit_is_noticed() {
    let keys = keys();
    let line = line(&keys);
    let mut opener = Opener::new(&keys, "t");
    for bit in 0..line.len() * 8 {
        let mut changed = line.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(opener.open_bytes("line", &changed).is_err(), "bit {bit}");
    }
    for length in 0..line.len() {
        assert!(
            opener.open_bytes("line", &line[..length]).is_err(),
            "length {length}"
        );
    }
    assert!(opener.open_bytes("line", &[&line[..], &[0]].concat()).is_err());
    // And an opener that has seen bad values opens good ones.
    opener.open_bytes("line", &line).unwrap();
}

#[test]
fn errors_tell_what_is_wrong() {
    let keys = keys();
    let mut opener = Opener::new(&keys, "t");
    assert!(matches!(
        opener.open_bytes("line", b""),
        Err(OpenError::NotSealed)
    ));
    assert!(matches!(
        opener.open_bytes("line", &[1; 44]),
        Err(OpenError::NotSealed)
    ));
    assert!(matches!(
        opener.open_bytes("line", b"ana@correo.mx"),
        Err(OpenError::Version(b'a'))
    ));
    assert!(matches!(
        opener.open_bytes("line", &[1; 60]),
        Err(OpenError::UnknownKey(_))
    ));
    let column = sealed(&keys, "t", "c", &texts(&["ana"]));
    assert!(matches!(
        opener.open_column("c", &column, ColumnType::Int64),
        Err(OpenError::WrongType(_))
    ));
    // A typed value is no line, and a line no typed value.
    assert!(matches!(
        opener.open_bytes("c", column.value(0)),
        Err(OpenError::Refused)
    ));
}

#[test]
fn a_change_of_scale_does_not_move_the_point() {
    let keys = keys();
    let money: ArrayRef = Arc::new(
        Decimal128Array::from(vec![12_345])
            .with_precision_and_scale(18, 2)
            .unwrap(),
    );
    let column = sealed(&keys, "t", "c", &money);
    let mut opener = Opener::new(&keys, "t");
    let wider = ColumnType::Decimal {
        precision: 20,
        scale: 2,
    };
    let shifted = ColumnType::Decimal {
        precision: 18,
        scale: 4,
    };
    assert!(opener.open_column("c", &column, wider).is_ok());
    assert!(matches!(
        opener.open_column("c", &column, shifted),
        Err(OpenError::WrongType(_))
    ));
}

#[test]
fn equal_values_are_sealed_differently() {
    let keys = keys();
    let sealer = Sealer::new(&keys, "t");
    let mut all: Vec<Vec<u8>> = Vec::new();
    for _ in 0..3 {
        let mut batch = sealer.batch().unwrap();
        for name in ["a", "b", "a"] {
            let column = batch.seal_column(name, &texts(&["igual", "igual"])).unwrap();
            all.extend(column.iter().flatten().map(<[u8]>::to_vec));
        }
        all.push(batch.seal_bytes("a", b"igual").unwrap());
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn no_nonce_is_used_twice() {
    let keys = keys();
    let mut batch = Sealer::new(&keys, "t").batch().unwrap();
    batch.counter = Some(u32::MAX);
    batch.seal_bytes("c", b"the last").unwrap();
    assert!(matches!(
        batch.seal_bytes("c", b"one more"),
        Err(SealError::TooLarge)
    ));
}

#[test]
fn what_an_older_key_sealed_still_opens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("malla.keys");
    let before = KeyStore::create(&path).unwrap();
    let old = line(&before);
    let new = format!(
        "\n[[seal]]\nid = \"00000000000000ff\"\nkey = \"{}\"\n",
        "5a".repeat(32)
    );
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, new.as_bytes()).unwrap();

    let after = KeyStore::load(&path).unwrap();
    let new = line(&after);
    assert_ne!(old[1..9], new[1..9]);
    assert!(Opener::new(&after, "t").open_bytes("line", &old).is_ok());
    assert!(Opener::new(&after, "t").open_bytes("line", &new).is_ok());
    assert!(matches!(
        Opener::new(&before, "t").open_bytes("line", &new),
        Err(OpenError::UnknownKey(_))
    ));
}

#[test]
fn nulls_slices_and_empty_columns() {
    let keys = keys();
    let whole: ArrayRef = Arc::new(StringArray::from(vec![Some("uno"), None, Some(""), Some("dos")]));
    let mut opener = Opener::new(&keys, "t");
    for column in [whole.slice(1, 3), whole.slice(0, 0), whole.slice(1, 1), whole] {
        let sealed = sealed(&keys, "t", "c", &column);
        assert_eq!(sealed.nulls(), column.nulls());
        assert_eq!(
            &opener.open_column("c", &sealed, ColumnType::Utf8).unwrap(),
            &column
        );
    }
}

#[test]
fn a_type_outside_contracts_is_refused_without_its_values() {
    let column: ArrayRef = Arc::new(LargeStringArray::from(vec!["ana@correo.mx"]));
    let error = Sealer::new(&keys(), "t")
        .batch()
        .unwrap()
        .seal_column("c", &column)
        .unwrap_err();
    assert!(matches!(error, SealError::UnsupportedType(_)));
    assert!(!format!("{error} {error:?}").contains("ana"));
}

#[test]
fn the_envelope_is_as_documented() {
    let keys = keys();
    let line = line(&keys);
    let plain = b"{\"email\":\"ana@correo.mx\"}";
    assert_eq!(line.len(), plain.len() + OVERHEAD);
    assert_eq!(line[0], 1);
    assert_eq!(line[1..9], keys.seal_key().id.0);
    assert_eq!(line[25..29], [0; 4]);
}

fn column() -> impl Strategy<Value = (ArrayRef, ColumnType)> {
    fn rows<T: std::fmt::Debug + Clone>(
        of: impl Strategy<Value = T>,
    ) -> impl Strategy<Value = Vec<Option<T>>> {
        vec(option::of(of), 0..12)
    }
    fn array(array: impl arrow_array::Array + 'static) -> ArrayRef {
        Arc::new(array)
    }
    prop_oneof![
        rows(any::<bool>()).prop_map(|v| (array(BooleanArray::from(v)), ColumnType::Boolean)),
        rows(any::<i32>()).prop_map(|v| (array(Int32Array::from(v)), ColumnType::Int32)),
        rows(any::<i64>()).prop_map(|v| (array(Int64Array::from(v)), ColumnType::Int64)),
        rows(any::<f64>()).prop_map(|v| (array(Float64Array::from(v)), ColumnType::Float64)),
        rows(any::<i128>()).prop_map(|v| {
            let decimals = Decimal128Array::from(v).with_precision_and_scale(38, 2).unwrap();
            (array(decimals), DECIMAL)
        }),
        rows(any::<String>()).prop_map(|v| (array(StringArray::from(v)), ColumnType::Utf8)),
        rows(any::<i32>()).prop_map(|v| (array(Date32Array::from(v)), ColumnType::Date)),
        rows(any::<i64>()).prop_map(|v| {
            (
                array(TimestampMicrosecondArray::from(v).with_timezone("UTC")),
                ColumnType::Timestamp,
            )
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_sealed_opens((column, ty) in column(), name in "\\PC{0,8}") {
        let keys = keys();
        let sealed = sealed(&keys, "t", &name, &column);
        prop_assert_eq!(sealed.len(), column.len());
        let opened = Opener::new(&keys, "t").open_column(&name, &sealed, ty).unwrap();
        prop_assert_eq!(opened.to_data(), column.to_data());
    }

    #[test]
    fn a_sealed_value_does_not_hold_the_value(value in "\\PC{6,20}") {
        let sealed = sealed(&keys(), "t", "c", &texts(&[&value]));
        prop_assert!(!sealed.value(0).windows(value.len()).any(|window| window == value.as_bytes()));
    }

    #[test]
    fn hostile_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..80)) {
        let keys = keys();
        let mut opener = Opener::new(&keys, "t");
        let mut with_key = vec![1];
        with_key.extend(keys.seal_key().id.0);
        with_key.extend(&bytes);
        for bytes in [&bytes, &with_key] {
            prop_assert!(opener.open_bytes("c", bytes).is_err());
            let column = BinaryArray::from(vec![Some(bytes.as_slice()), None]);
            prop_assert!(opener.open_column("c", &column, ColumnType::Utf8).is_err());
        }
    }

    #[test]
    fn hostile_values_do_not_panic(bytes in vec(any::<u8>(), 0..24), kind in 0u8..10) {
        let values = [Some([&[kind], bytes.as_slice()].concat()), None];
        for ty in [
            ColumnType::Boolean, ColumnType::Int32, ColumnType::Int64, ColumnType::Float64, DECIMAL,
            ColumnType::Utf8, ColumnType::Date, ColumnType::Timestamp,
        ] {
            if let Ok(column) = value::column(&values, ty) {
                prop_assert_eq!(column.len(), 2);
            }
        }
        prop_assert!(value::column(&[Some(b"")], ColumnType::Utf8).is_err());
    }
}

/// Bits, not numbers: a NaN keeps its payload.
#[test]
fn a_nan_keeps_its_bits() {
    let keys = keys();
    let bits = 0x7ff8_0000_dead_beef_u64;
    let column: ArrayRef = Arc::new(PrimitiveArray::<Float64Type>::from(vec![f64::from_bits(bits)]));
    let sealed = sealed(&keys, "t", "c", &column);
    let opened = Opener::new(&keys, "t")
        .open_column("c", &sealed, ColumnType::Float64)
        .unwrap();
    let opened = arrow_array::cast::AsArray::as_primitive::<Float64Type>(&opened);
    assert_eq!(opened.value(0).to_bits(), bits);
}
