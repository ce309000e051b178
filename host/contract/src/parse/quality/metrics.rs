//! The metrics of ODCS.

use crate::errors::{ContractErrors, shown};
use crate::parse::quality::arguments::Arguments;
use crate::parse::quality::{Promise, Scope, comparison, unit, values};
use crate::yaml::{At, Kind, Value};
use crate::{CheckKind, Column};

pub(super) fn read(
    at: &At<'_>,
    metric: &At<'_>,
    scope: &Scope<'_>,
    errors: &mut ContractErrors,
) -> Option<Promise> {
    let arguments = Arguments {
        of: metric.text()?,
        field: "arguments",
        at: at.get("arguments"),
        check: at.clone(),
    };
    // Without a comparison it is no check yet, which was said.
    if !comparison::is_there(at) {
        return None;
    }
    let comparison = comparison::read(at, errors);
    let unit = unit(at, errors);
    let kind = match arguments.of {
        "nullValues" => null_values(metric, &arguments, scope, errors),
        "missingValues" => missing_values(metric, &arguments, scope, errors),
        "invalidValues" => invalid_values(metric, &arguments, scope, errors),
        "duplicateValues" => duplicate_values(metric, &arguments, scope, errors),
        "rowCount" => row_count(at, metric, &arguments, scope, errors),
        _ => None,
    };
    Some(Promise {
        kind: kind?,
        comparison: comparison?,
        unit,
    })
}

/// The column that the metric stands below.
fn own<'s>(metric: &At<'_>, scope: &Scope<'s>, errors: &mut ContractErrors) -> Option<&'s Column> {
    let Some(read) = scope.own else {
        let wrong = format!("`{}` is about a column", metric.text().unwrap_or_default());
        metric.error(errors, wrong, "move it to the `quality` of a property");
        return None;
    };
    read.typed.then_some(&read.column)
}

fn null_values(
    metric: &At<'_>,
    arguments: &Arguments<'_>,
    scope: &Scope<'_>,
    errors: &mut ContractErrors,
) -> Option<CheckKind> {
    arguments.only(&[], errors);
    Some(CheckKind::NotNull {
        column: own(metric, scope, errors)?.name.clone(),
    })
}

fn missing_values(
    metric: &At<'_>,
    arguments: &Arguments<'_>,
    scope: &Scope<'_>,
    errors: &mut ContractErrors,
) -> Option<CheckKind> {
    arguments.only(&["missingValues"], errors);
    let column = own(metric, scope, errors)?;
    let list = arguments.need("missingValues", errors)?;
    values::not_empty(&list, errors)?;
    let is_null =
        |at: &At<'_>| matches!(&at.node.value, Value::Scalar(scalar) if scalar.kind() == Kind::Null);
    let (nulls, others): (Vec<At<'_>>, Vec<At<'_>>) = list.items_up_to(1000, errors).partition(is_null);
    let values: Vec<_> = others
        .iter()
        .map(|at| values::literal(at, column, errors))
        .collect();
    Some(CheckKind::NotMissing {
        column: column.name.clone(),
        values: values.into_iter().collect::<Option<_>>()?,
        null: !nulls.is_empty(),
    })
}

fn invalid_values(
    metric: &At<'_>,
    arguments: &Arguments<'_>,
    scope: &Scope<'_>,
    errors: &mut ContractErrors,
) -> Option<CheckKind> {
    arguments.only(&["validValues", "pattern"], errors);
    let column = own(metric, scope, errors)?;
    let (values, pattern) = (arguments.get("validValues"), arguments.get("pattern"));
    if values.is_none() && pattern.is_none() {
        let at = arguments.at.as_ref().unwrap_or(&arguments.check);
        at.error(
            errors,
            "`invalidValues` needs `validValues` or `pattern`",
            "add one to `arguments`",
        );
        return None;
    }
    let values = values.map(|at| values::literals(&at, column, errors));
    let pattern = pattern.map(|at| values::pattern(&at, column, errors));
    if values == Some(None) || pattern == Some(None) {
        return None;
    }
    Some(CheckKind::Valid {
        column: column.name.clone(),
        values: values.flatten(),
        pattern: pattern.flatten(),
    })
}

fn duplicate_values(
    metric: &At<'_>,
    arguments: &Arguments<'_>,
    scope: &Scope<'_>,
    errors: &mut ContractErrors,
) -> Option<CheckKind> {
    if let Some(own) = scope.own {
        arguments.only(&[], errors);
        return own.typed.then(|| CheckKind::Unique {
            columns: vec![own.column.name.clone()],
        });
    }
    arguments.only(&["properties"], errors);
    if arguments.get("properties").is_none() {
        let wrong = "`duplicateValues` of a table needs `properties`";
        let remedy = "add the columns to `arguments`, or move the check to the `quality` of a property";
        metric.error(errors, wrong, remedy);
        return None;
    }
    let list = arguments.need("properties", errors)?;
    values::not_empty(&list, errors)?;
    let mut columns: Vec<String> = Vec::new();
    let mut whole = true;
    for at in list.items_up_to(100, errors) {
        let Some(name) = at.text() else {
            at.error(errors, "is no name of a column", "write it as a text");
            whole = false;
            continue;
        };
        match scope.column(&at, name, errors) {
            Some(_) if columns.iter().any(|column| column == name) => {
                let wrong = format!("`{}` is there twice", shown(name));
                at.error(errors, wrong, "keep one of the two");
                whole = false;
            }
            Some(column) => columns.push(column.name.clone()),
            None => whole = false,
        }
    }
    whole.then_some(CheckKind::Unique { columns })
}

fn row_count(
    at: &At<'_>,
    metric: &At<'_>,
    arguments: &Arguments<'_>,
    scope: &Scope<'_>,
    errors: &mut ContractErrors,
) -> Option<CheckKind> {
    arguments.only(&[], errors);
    if scope.own.is_some() {
        metric.error(
            errors,
            "`rowCount` is about a table",
            "move it to the `quality` of the schema object",
        );
        return None;
    }
    if let Some(unit) = at.get("unit")
        && unit.text() == Some("percent")
    {
        unit.error(errors, "`rowCount` in percent", "remove `unit`: it counts rows");
        return None;
    }
    Some(CheckKind::RowCount)
}
