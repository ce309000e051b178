//! Products that are made by SQL (`mallaGold`).

use crate::Gold;
use crate::errors::{ContractErrors, shown};
use crate::parse::malla::{MAX_ITEMS, did_you_mean, property};
use crate::parse::tables::ReadTable;
use crate::yaml::At;

pub(crate) fn read(top: &At<'_>, products: &[ReadTable<'_>], errors: &mut ContractErrors) -> Vec<Gold> {
    let mut gold: Vec<Gold> = Vec::new();
    let items = property(top, "mallaGold").map(|at| at.items_up_to(MAX_ITEMS, errors));
    for item in items.into_iter().flatten() {
        let (Some(at), Some(sql_at)) = (item.get("product"), item.get("sql")) else {
            continue;
        };
        let (Some(product), Some(sql)) = (at.text(), sql_at.text()) else {
            continue;
        };
        if !products.iter().any(|read| read.table.name == product) {
            let names = products.iter().map(|read| read.table.name.as_str());
            let remedy = did_you_mean(product, "products", names);
            at.error(errors, format!("no product `{}`", shown(product)), remedy);
        }
        if gold.iter().any(|other| other.product == product) {
            at.error(
                errors,
                format!("`{}` is there twice", shown(product)),
                "keep one of the two",
            );
        }
        let first = sql.split_ascii_whitespace().next().unwrap_or_default();
        if !["SELECT", "WITH"]
            .iter()
            .any(|word| first.eq_ignore_ascii_case(word))
        {
            sql_at.error(
                errors,
                "is no query",
                "write one SELECT, perhaps with a WITH before it",
            );
        }
        gold.push(Gold {
            product: product.to_owned(),
            sql: sql.trim().to_owned(),
        });
    }
    gold
}

#[cfg(test)]
mod tests {
    use crate::Contract;

    const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: ventas
version: 1.0.0
status: active
domain: ventas
schema:
  - name: daily-revenue
    properties:
      - { name: fecha, logicalType: date, required: true, partitioned: true, partitionKeyPosition: 1 }
      - { name: ventas, logicalType: integer, physicalType: bigint }
customProperties:
  - property: mallaGold
    value:
      - product: daily-revenue
        sql: SELECT fecha FROM ventas.transacciones GROUP BY fecha
";

    #[test]
    fn sql_makes_a_product_and_a_contract_may_have_nothing_else() {
        let contract = Contract::parse(CONTRACT).unwrap();
        assert_eq!(contract.gold[0].product, "daily-revenue");
        assert!(
            contract
                .gold("daily-revenue")
                .unwrap()
                .sql
                .starts_with("SELECT fecha")
        );
    }

    #[test]
    fn what_cannot_be_is_named_with_its_line() {
        for (from, to, said) in [
            (
                "product: daily-revenue",
                "product: daily-revenues",
                "did you mean `daily-revenue`?",
            ),
            ("SELECT fecha", "DELETE", "line 16"),
            (
                "customProperties:",
                "customProperties:\n  - property: mallaSteps\n    value: [{ name: s, source: x, product: daily-revenue, reads: [] }]",
                "already comes from `mallaGold`",
            ),
        ] {
            let error = Contract::parse(&CONTRACT.replace(from, to))
                .unwrap_err()
                .to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
