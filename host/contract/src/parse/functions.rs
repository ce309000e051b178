//! Scalar functions that a plugin's own SQL calls (`mallaFunctions`).

use crate::errors::{ContractErrors, shown};
use crate::parse::SQL_FUNCTIONS;
use crate::parse::malla::{named, names_of};
use crate::parse::odcs::object;
use crate::parse::shape::{Object, Shape, may, must};
use crate::parse::types::column_type;
use crate::yaml::At;
use crate::{Argument, Function, Step};

const MAX_ARGUMENTS: usize = 32;

pub(super) static FUNCTION: Object = object(
    "a function",
    &[
        must("name", Shape::Text),
        may("description", Shape::Text),
        must("arguments", Shape::List(&Shape::Map(&ARGUMENT))),
        must("returns", Shape::Map(&RETURNS)),
    ],
);

static ARGUMENT: Object = object(
    "an argument",
    &[
        must("name", Shape::Text),
        must("physicalType", Shape::Text),
        may("required", Shape::Truth),
        may("description", Shape::Text),
    ],
);

static RETURNS: Object = object(
    "the result of a function",
    &[must("physicalType", Shape::Text), may("required", Shape::Truth)],
);

pub(crate) fn read(top: &At<'_>, steps: &[Step], errors: &mut ContractErrors) -> Vec<Function> {
    let mut functions = Vec::new();
    for (item, name) in named(top, "mallaFunctions", errors) {
        if let Some(at) = item.get("name") {
            if SQL_FUNCTIONS.binary_search(&name).is_ok() {
                let wrong = format!("`{}` is a function of SQL already", shown(name));
                at.error(
                    errors,
                    wrong,
                    "choose another name, perhaps with the domain's in it",
                );
            }
            if steps.iter().any(|step| step.name == name) {
                at.error(
                    errors,
                    format!("`{}` is a step already", shown(name)),
                    "rename one of the two",
                );
            }
        }
        let arguments = arguments(&item, errors);
        let Some(returns_at) = item.get("returns") else {
            continue;
        };
        let Some(returns) = typed(&returns_at, errors) else {
            continue;
        };
        functions.push(Function {
            name: name.to_owned(),
            description: text(&item, "description"),
            arguments,
            returns,
            returns_required: required(&returns_at),
        });
    }
    functions
}

fn arguments(function: &At<'_>, errors: &mut ContractErrors) -> Vec<Argument> {
    let Some(at) = function.get("arguments") else {
        return Vec::new();
    };
    if at.items().next().is_none() {
        at.error(
            errors,
            "a function without arguments",
            "add one, or write its value into the SQL",
        );
    }
    let items = at.items_up_to(MAX_ARGUMENTS, errors);
    let named = names_of(items, errors).into_iter();
    named
        .filter_map(|(item, name)| {
            Some(Argument {
                name: name.to_owned(),
                ty: typed(&item, errors)?,
                required: required(&item),
                description: text(&item, "description"),
            })
        })
        .collect()
}

/// The type, where one is written: that there is none was reported.
fn typed(at: &At<'_>, errors: &mut ContractErrors) -> Option<crate::ColumnType> {
    at.get("physicalType").and_then(|_| column_type(at, errors))
}

fn required(at: &At<'_>) -> bool {
    at.get("required").and_then(|at| at.truth()).unwrap_or(false)
}

fn text(at: &At<'_>, name: &str) -> Option<String> {
    at.get(name).and_then(|at| at.text().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::{Contract, SQL_FUNCTIONS};

    const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: ventas
version: 1.0.0
status: active
domain: ventas
schema:
  - name: daily-revenue
    properties:
      - { name: fecha, logicalType: date, required: true }
customProperties:
  - property: mallaGold
    value: [{ product: daily-revenue, sql: SELECT fecha FROM ventas.transacciones }]
  - property: mallaFunctions
    value:
      - name: redondeo
        description: To the next coin.
        arguments:
          - { name: monto, physicalType: \"decimal(18,2)\", required: true }
          - { name: moneda, physicalType: string, description: ISO 4217. }
        returns: { physicalType: \"decimal(18,2)\" }
      - { name: es_festivo, arguments: [{ name: dia, physicalType: date }], returns: { physicalType: boolean, required: true } }
";

    #[test]
    fn functions_are_read_with_their_types() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let shown: Vec<String> = contract.functions.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "redondeo(monto decimal(18,2) required, moneda string) decimal(18,2)",
                "es_festivo(dia date) boolean required",
            ]
        );
        let redondeo = contract.function("redondeo").unwrap();
        assert_eq!(redondeo.description.as_deref(), Some("To the next coin."));
        assert_eq!(redondeo.arguments[1].description.as_deref(), Some("ISO 4217."));
        assert!(contract.function("otra").is_none());
    }

    #[test]
    fn what_cannot_be_is_named_with_its_line() {
        let wrong = CONTRACT
            .replace("name: redondeo", "name: round")
            .replace("name: moneda, physicalType: string", "name: monto, physicalType: text")
            .replace("returns: { physicalType: boolean, required: true }", "returns: { required: true }")
            + "      - { name: es_festivo, arguments: [], returns: { physicalType: int } }
      - { name: nada, arguments: [], returns: { physicalType: int } }
      - { name: Otra, arguments: [{ name: a-b, physicalType: int, size: 3 }], returns: { physicalType: money } }
      - { name: date_part, arguments: [{ name: a, physicalType: int }], returns: { logicalType: integer } }
";
        assert_snapshot!(Contract::parse(&wrong).unwrap_err(), @r"
        line 16: customProperties[1].value[0].name: `round` is a function of SQL already: choose another name, perhaps with the domain's in it
        line 20: customProperties[1].value[0].arguments[1].name: `monto` is there twice: rename one of the two
        line 22: customProperties[1].value[1].returns: the result of a function needs `physicalType`: add it
        line 23: customProperties[1].value[2].name: `es_festivo` is there twice: rename one of the two
        line 24: customProperties[1].value[3].arguments: a function without arguments: add one, or write its value into the SQL
        line 25: customProperties[1].value[4].arguments[0].name: `a-b` is not fit for a name: use `a` to `z`, `0` to `9` and `_`, starting with a letter
        line 25: customProperties[1].value[4].arguments[0].size: unknown field in an argument: remove it, or use one of `name`, `physicalType`, `required`, `description`
        line 25: customProperties[1].value[4].name: `Otra` does not start with a letter from `a` to `z`: use `a` to `z`, `0` to `9` and `_`, starting with a letter
        line 25: customProperties[1].value[4].returns.physicalType: unknown physical type `money`: use `decimal(18,2)`
        line 26: customProperties[1].value[5].name: `date_part` is a function of SQL already: choose another name, perhaps with the domain's in it
        line 26: customProperties[1].value[5].returns: the result of a function needs `physicalType`: add it
        line 26: customProperties[1].value[5].returns.logicalType: unknown field in the result of a function: remove it, or use one of `physicalType`, `required`
        ");
    }

    #[test]
    fn a_step_and_a_function_have_different_names() {
        let step = "customProperties:
  - property: mallaSources
    value: [{ name: eventos, schema: evento }]
  - property: mallaSteps
    value: [{ name: redondeo, source: eventos, product: otra, reads: [] }]
";
        let tables = "schema:
  - { name: evento, properties: [{ name: a, logicalType: integer }] }
  - { name: otra, properties: [{ name: a, logicalType: integer }] }
";
        let text = CONTRACT
            .replace("customProperties:\n", step)
            .replace("schema:\n", tables);
        assert_snapshot!(Contract::parse(&text).unwrap_err(), @"line 22: customProperties[3].value[0].name: `redondeo` is a step already: rename one of the two");
    }

    #[test]
    fn functions_of_sql_are_sorted() {
        assert!(SQL_FUNCTIONS.is_sorted());
    }
}
