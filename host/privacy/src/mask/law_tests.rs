//! What holds for every mask over every type.

use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{
    BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    TimestampMicrosecondArray,
};
use malla_contract::Classification;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use malla_contract::Date;

const TYPES: [ColumnType; 8] = [
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

fn pairs() -> Vec<(MaskKind, ColumnType)> {
    let pairs = MaskKind::ALL
        .into_iter()
        .flat_map(|mask| TYPES.map(|ty| (mask, ty)));
    pairs.filter(|(mask, ty)| mask.fits(*ty, false).is_ok()).collect()
}

/// Without pseudonyms, since that of a pseudonym is another, and without `mask-alphanum`, to which an `n` is a letter.
fn showing() -> Vec<(MaskKind, ColumnType)> {
    let anew = [
        MaskKind::Token,
        MaskKind::Sha256QueryLocal,
        MaskKind::MaskAlphanum,
    ];
    pairs()
        .into_iter()
        .filter(|(mask, _)| !anew.contains(mask))
        .collect()
}

fn masker(mask: MaskKind, ty: ColumnType) -> Masker {
    let column = Column {
        name: "columna".into(),
        ty,
        required: false,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Restricted,
        tags: ["pii:email".to_owned()].into(),
        holds: std::collections::BTreeSet::new(),
        description: None,
        quality: Vec::new(),
    };
    let keys = KeyStore::random().unwrap();
    Masker::for_query(&keys, &QueryKey::random().unwrap(), mask, &column, None).unwrap()
}

fn column(ty: ColumnType, values: &[Option<i64>]) -> ArrayRef {
    let each = values.iter().copied();
    match ty {
        ColumnType::Boolean => Arc::new(each.map(|v| v.map(|v| v % 2 == 0)).collect::<BooleanArray>()),
        ColumnType::Int32 => Arc::new(each.map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        ColumnType::Int64 => Arc::new(each.collect::<Int64Array>()),
        ColumnType::Float64 => Arc::new(each.map(|v| v.map(|v| v as f64)).collect::<Float64Array>()),
        ColumnType::Decimal { .. } => {
            let decimals = each.map(|v| v.map(i128::from)).collect::<Decimal128Array>();
            Arc::new(decimals.with_data_type(ty.arrow()))
        }
        ColumnType::Utf8 => Arc::new(
            each.map(|v| {
                v.map(|v| match v % 3 {
                    0 => format!("cliente{v}@correo.mx"),
                    1 => String::new(),
                    _ => format!("Calle ñ {v}"),
                })
            })
            .collect::<StringArray>(),
        ),
        ColumnType::Date => Arc::new(each.map(|v| v.map(|v| v as i32)).collect::<Date32Array>()),
        ColumnType::Timestamp => {
            let times = each.collect::<TimestampMicrosecondArray>();
            Arc::new(times.with_data_type(ty.arrow()))
        }
    }
}

fn values() -> impl Strategy<Value = Vec<Option<i64>>> {
    proptest::collection::vec(
        proptest::option::weighted(0.8, prop_oneof![any::<i64>(), -40_000..40_000_i64]),
        0..12,
    )
}

fn masked(masker: &Masker, column: &ArrayRef) -> ArrayRef {
    masker.apply(column).unwrap().0
}

proptest! {
    #[test]
    fn nulls_length_and_type_stay((mask, ty) in select(pairs()), values in values(), from in 0..12_usize) {
        let (masker, whole) = (masker(mask, ty), column(ty, &values));
        let (hidden, count) = masker.apply(&whole).unwrap();
        prop_assert_eq!(hidden.len(), whole.len());
        prop_assert_eq!(hidden.data_type(), &ty.arrow());
        prop_assert_eq!(count as usize, values.iter().flatten().count());
        for row in 0..whole.len() {
            prop_assert_eq!(hidden.is_null(row), whole.is_null(row) || mask == MaskKind::ReplaceWithNull);
        }
        // A slice is masked as the whole is.
        let from = from.min(whole.len());
        let length = (whole.len() - from) / 2;
        prop_assert_eq!(&masked(&masker, &whole.slice(from, length)), &hidden.slice(from, length));
    }

    #[test]
    fn what_shows_a_part_shows_the_same_part_again((mask, ty) in select(showing()), values in values()) {
        let masker = masker(mask, ty);
        let once = masked(&masker, &column(ty, &values));
        prop_assert_eq!(&masked(&masker, &once), &once);
    }

    #[test]
    fn a_default_is_one_for_all(ty in select(TYPES.to_vec()), values in values()) {
        let masker = masker(MaskKind::MaskToDefault, ty);
        let hidden = masked(&masker, &column(ty, &values));
        let zero = match ty {
            ColumnType::Boolean => column(ty, &[Some(1)]),
            ColumnType::Utf8 => Arc::new(StringArray::from(vec![""])),
            _ => column(ty, &[Some(0)]),
        };
        for row in (0..hidden.len()).filter(|row| hidden.is_valid(*row)) {
            prop_assert_eq!(&hidden.slice(row, 1).to_data(), &zero.to_data());
        }
    }

    #[test]
    fn dates_lose_their_end(days in -700_000..2_900_000_i32, micros in 0..86_400_000_000_i64) {
        let written = Date::from_days(days).to_string();
        let (month, _) = written.rsplit_once('-').unwrap();
        let (year, _) = month.split_once('-').unwrap();
        for (mask, first) in [
            (MaskKind::TruncateToMonth, format!("{month}-01")),
            (MaskKind::TruncateToYear, format!("{year}-01-01")),
        ] {
            let first: Date = first.parse().unwrap();
            let dates = masked(&masker(mask, ColumnType::Date), &column(ColumnType::Date, &[Some(days.into())]));
            prop_assert_eq!(dates.as_primitive::<Date32Type>().value(0), first.days());
            let time = i64::from(days) * 86_400_000_000 + micros;
            let times = masked(&masker(mask, ColumnType::Timestamp), &column(ColumnType::Timestamp, &[Some(time)]));
            prop_assert_eq!(
                times.as_primitive::<TimestampMicrosecondType>().value(0),
                i64::from(first.days()) * 86_400_000_000
            );
        }
    }
}

#[test]
fn the_end_of_time_does_not_show_itself() {
    for mask in [MaskKind::TruncateToYear, MaskKind::TruncateToMonth] {
        let extremes = [i64::from(i32::MIN), i64::from(i32::MAX), 0];
        let dates = masked(
            &masker(mask, ColumnType::Date),
            &column(ColumnType::Date, &extremes.map(Some)),
        );
        let dates = dates.as_primitive::<Date32Type>();
        assert_eq!(dates.value(0), 0, "no first day: the default");
        assert!(dates.value(1) < i32::MAX && dates.value(1) > i32::MAX - 366);
        let extremes = [i64::MIN, i64::MAX, 0];
        let times = masked(
            &masker(mask, ColumnType::Timestamp),
            &column(ColumnType::Timestamp, &extremes.map(Some)),
        );
        let times = times.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(times.value(0), 0);
        assert!(times.value(1) < i64::MAX);
    }
}
