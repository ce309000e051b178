//! Checks that are a query.

use crate::errors::{ContractErrors, shown};
use crate::parse::quality::{Promise, Scope, comparison, unit};
use crate::yaml::At;
use crate::{CheckKind, Unit};

pub(super) fn read(at: &At<'_>, scope: &Scope<'_>, errors: &mut ContractErrors) -> Option<Promise> {
    let comparison = comparison::read(at, errors);
    // Of a query it is a word for people: only the query knows what it counts.
    unit(at, errors);
    let query_at = at.get("query")?;
    let query = query_at.text()?;
    if query.trim().is_empty() {
        query_at.error(
            errors,
            "an empty query",
            "write a SELECT of one number, such as `SELECT COUNT(*) FROM {object} WHERE {property} < 0`",
        );
        return None;
    }
    placeholders(&query_at, query, scope, errors)?;
    Some(Promise {
        kind: CheckKind::Sql {
            query: query.to_owned(),
            column: scope.own.map(|read| read.column.name.clone()),
        },
        comparison: comparison?,
        unit: Unit::Rows,
    })
}

/// Reports words in braces that stand for nothing.
fn placeholders(at: &At<'_>, query: &str, scope: &Scope<'_>, errors: &mut ContractErrors) -> Option<()> {
    let mut fine = true;
    let mut before = "";
    for part in query.split_inclusive('{') {
        let (previous, rest) = (before, part);
        before = part;
        let Some((word, _)) = rest.split_once('}').filter(|_| previous.ends_with('{')) else {
            continue;
        };
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphabetic() || c == '_') {
            continue;
        }
        let quoted = previous
            .strip_suffix('{')
            .is_some_and(|text| text.ends_with(['"', '`', '\'', '$']));
        let (wrong, remedy) = match word {
            "object" | "property" if quoted => (
                format!("`{{{word}}}` behind a quote or `$`"),
                "write it bare: the name is quoted when it is put in".to_owned(),
            ),
            "property" if scope.own.is_none() => (
                "`{property}` in a check of a table".to_owned(),
                "move the check to the `quality` of that property, or write the column's name".to_owned(),
            ),
            "object" | "property" => continue,
            _ => (
                format!("`{{{}}}` stands for nothing", shown(word)),
                "use `{object}` for the table and `{property}` for the column".to_owned(),
            ),
        };
        at.error(errors, wrong, remedy);
        fine = false;
    }
    fine.then_some(())
}
