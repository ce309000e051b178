//! Service levels that say how long rows are kept.

use std::collections::BTreeMap;

use crate::errors::{ContractErrors, shown};
use crate::parse::malla::did_you_mean;
use crate::parse::tables::ReadTable;
use crate::yaml::At;
use crate::{ColumnType, Retention, RetentionUnit};

const MAX_LEVELS: usize = 200;
/// More than any calendar needs.
const MOST: u32 = 36_500;

const UNITS: [(&[&str], RetentionUnit, u32); 4] = [
    (&["d", "day", "days"], RetentionUnit::Days, 1),
    (&["w", "week", "weeks"], RetentionUnit::Days, 7),
    (&["mo", "month", "months"], RetentionUnit::Months, 1),
    (&["y", "yr", "year", "years"], RetentionUnit::Years, 1),
];

/// The retention of each product that has one.
pub(crate) fn read(
    top: &At<'_>,
    products: &[ReadTable<'_>],
    errors: &mut ContractErrors,
) -> BTreeMap<String, Retention> {
    let mut found = BTreeMap::new();
    let levels = top
        .get("slaProperties")
        .map(|at| at.items_up_to(MAX_LEVELS, errors));
    for level in levels.into_iter().flatten() {
        if level.get("property").and_then(|at| at.text()) != Some("retention") {
            continue;
        }
        let Some((keep, unit)) = time(&level, errors) else {
            continue;
        };
        let Some(element) = level.get("element").or_else(|| top.get("slaDefaultElement")) else {
            level.error(
                errors,
                "a retention of nothing",
                "add `element`, such as `product.column`",
            );
            continue;
        };
        for name in element.text().unwrap_or_default().split(',').take(MAX_LEVELS) {
            let (product, column) = match name.trim().split_once('.') {
                Some((product, column)) => (product, Some(column)),
                None => (name.trim(), None),
            };
            if !fits(&element, product, column, products, errors) {
                continue;
            }
            let retention = Retention {
                keep,
                unit,
                column: column.map(str::to_owned),
                line: level.node.line,
            };
            if found.insert(product.to_owned(), retention).is_some() {
                element.error(
                    errors,
                    format!("`{}` has two retentions", shown(product)),
                    "keep one of the two",
                );
            }
        }
    }
    found
}

fn fits(
    at: &At<'_>,
    product: &str,
    column: Option<&str>,
    products: &[ReadTable<'_>],
    errors: &mut ContractErrors,
) -> bool {
    let Some(read) = products.iter().find(|read| read.table.name == product) else {
        let names = products.iter().map(|read| read.table.name.as_str());
        at.error(
            errors,
            format!("no product `{}`", shown(product)),
            did_you_mean(product, "products", names),
        );
        return false;
    };
    let Some(name) = column else { return true };
    let Some(column) = read.table.column(name) else {
        let names = read.table.columns.iter().map(|own| own.name.as_str());
        at.error(
            errors,
            format!("no column `{}` in `{}`", shown(name), shown(product)),
            did_you_mean(name, "its columns", names),
        );
        return false;
    };
    let is_time = matches!(column.ty, ColumnType::Date | ColumnType::Timestamp);
    if !is_time && !read.untyped.contains(name) {
        at.error(
            errors,
            format!("`{}` is of type `{}`", shown(name), column.ty),
            "name a column of type `date` or `timestamp`",
        );
    }
    is_time
}

fn time(level: &At<'_>, errors: &mut ContractErrors) -> Option<(u32, RetentionUnit)> {
    let at = level.get("value")?;
    let number = at.text().and_then(|text| text.parse::<u32>().ok());
    let number = number.or_else(|| at.integer().and_then(|number| number.try_into().ok()));
    let Some(number) = number.filter(|number| (1..=MOST).contains(number)) else {
        at.error(
            errors,
            "is no length of time",
            format!("write a whole number from 1 to {MOST}"),
        );
        return None;
    };
    let Some(unit_at) = level.get("unit") else {
        level.error(errors, "a time without a unit", "add `unit`, such as `d` or `y`");
        return None;
    };
    let word = unit_at.text()?;
    let known = UNITS
        .iter()
        .find(|(words, ..)| words.iter().any(|known| known.eq_ignore_ascii_case(word)));
    let Some((_, unit, times)) = known else {
        unit_at.error(
            errors,
            format!("unknown unit `{}`", shown(word)),
            "use `d`, `w`, `months` or `y`: rows go by whole days, and `m` are minutes",
        );
        return None;
    };
    Some((number * times, *unit))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::parse::tests::SMALL;
    use crate::{Contract, RetentionUnit};

    fn with(level: &str) -> Result<Contract, String> {
        let text = SMALL
            .replace("schema:\n", &format!("slaProperties:\n  - {{ property: retention, {level} }}\nschema:\n"))
            .replace(
                "  - name: envios\n    properties:\n",
                "  - name: envios\n    properties:\n      - { name: dia, logicalType: date, required: true }\n",
            );
        Contract::parse(&text).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_product_is_kept_for_as_long_as_the_contract_says() {
        let contract = with("value: 2, unit: y, element: envios.dia").unwrap();
        let retention = contract.products[0].retention.clone().unwrap();
        assert_eq!((retention.keep, retention.unit), (2, RetentionUnit::Years));
        assert_eq!(retention.column.as_deref(), Some("dia"));
        assert_eq!(retention.to_string(), "2 years");
        let weeks = with("value: \"3\", unit: weeks, element: envios").unwrap();
        let weeks = weeks.products[0].retention.clone().unwrap();
        assert_eq!(
            (weeks.keep, weeks.unit, weeks.column),
            (21, RetentionUnit::Days, None)
        );
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        assert_snapshot!(with("value: 2, unit: m, element: envios.dia").unwrap_err(), @"line 8: slaProperties[0].unit: unknown unit `m`: use `d`, `w`, `months` or `y`: rows go by whole days, and `m` are minutes");
        assert_snapshot!(with("value: 0.5, unit: d, element: envios.dia").unwrap_err(), @"line 8: slaProperties[0].value: is no length of time: write a whole number from 1 to 36500");
        assert_snapshot!(with("value: 5, element: envios.dia").unwrap_err(), @"line 8: slaProperties[0]: a time without a unit: add `unit`, such as `d` or `y`");
        assert_snapshot!(with("value: 5, unit: d").unwrap_err(), @"line 8: slaProperties[0]: a retention of nothing: add `element`, such as `product.column`");
        assert_snapshot!(with("value: 5, unit: d, element: envio.dia").unwrap_err(), @"line 8: slaProperties[0].element: no product `envio`: did you mean `envios`?");
        assert_snapshot!(with("value: 5, unit: d, element: envios.envio_id").unwrap_err(), @"line 8: slaProperties[0].element: `envio_id` is of type `string`: name a column of type `date` or `timestamp`");
        assert_snapshot!(with("value: 5, unit: d, element: \"envios.dia, envios\"").unwrap_err(), @"line 8: slaProperties[0].element: `envios` has two retentions: keep one of the two");
    }
}
