//! Days of which a retention took rows that a product is made of.
//!
//! A product whose rows each stand for a day keeps them as they are: it is a product of its own, with a retention of its own,
//! and made anew it would be of the few rows that came late, or of none. A product whose rows span days is about the rows that
//! its inputs have, and follows.

use malla_contract::{ColumnType, Date};
use malla_lake::Replaced;
use malla_query::{Input, QueryError};

use crate::gold::GoldPlan;

/// What is made anew, without the days that cannot be.
pub(super) async fn leave_closed(
    plan: &GoldPlan,
    inputs: &[Input],
    replaces: Replaced,
) -> Result<Replaced, QueryError> {
    let Some(key) = plan.key.as_ref().filter(|key| key.ty == ColumnType::Date) else {
        return Ok(replaces);
    };
    let mut first = None;
    for input in inputs {
        first = first.max(input.closed_before().await?);
    }
    Ok(match first {
        Some(first) => without_closed(&key.name, first, replaces),
        None => replaces,
    })
}

fn without_closed(key: &str, first: Date, replaces: Replaced) -> Replaced {
    match replaces {
        Replaced::Partitions { column, mut values } => {
            values.retain(|value| {
                let day = value.as_ref().and_then(|value| value.parse::<Date>().ok());
                day.is_none_or(|day| day >= first)
            });
            Replaced::Partitions { column, values }
        }
        Replaced::All | Replaced::From { .. } => Replaced::From {
            column: key.to_owned(),
            first,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_days_are_left_whatever_is_made_anew() {
        let first: Date = "2026-11-20".parse().unwrap();
        let values = |days: &[Option<&str>]| Replaced::Partitions {
            column: "fecha".into(),
            values: days.iter().map(|day| day.map(str::to_owned)).collect(),
        };
        assert_eq!(
            without_closed(
                "fecha",
                first,
                values(&[None, Some("2026-11-19"), Some("2026-11-20")])
            ),
            values(&[None, Some("2026-11-20")])
        );
        let from = without_closed("fecha", first, Replaced::All);
        assert!(matches!(from, Replaced::From { .. }), "{from:?}");
    }
}
