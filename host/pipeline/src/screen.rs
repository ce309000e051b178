//! Personal data where no contract declares any: looked for in every batch, and blocked, hidden or told as policy says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use malla_contract::{Column, ColumnType, PersonalKind};
use malla_policy::{Policy, UndeclaredAction};
use malla_privacy::{Detector, MaskError};

/// What policy says of each kind.
#[derive(Clone)]
pub(crate) struct Screen {
    actions: BTreeMap<PersonalKind, UndeclaredAction>,
    /// Finds everything.
    all: Detector,
    /// Finds only what is to be hidden.
    hiding: Detector,
}

/// A row that must not pass, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocked {
    pub(crate) row: u32,
    /// Place of the column in the batch.
    pub(crate) column: usize,
    pub(crate) kind: PersonalKind,
}

/// What was found in a batch.
#[derive(Default)]
pub(crate) struct Screened {
    /// One for each row that must not pass, in the order of rows.
    pub(crate) blocked: Vec<Blocked>,
    /// Rows with values that were hidden, by column and kind.
    pub(crate) hidden: BTreeMap<(usize, PersonalKind), usize>,
    /// Rows that only had to be told of.
    pub(crate) told: BTreeMap<(usize, PersonalKind), usize>,
}

impl Screen {
    pub(crate) fn new(policy: &Policy) -> Self {
        let actions: BTreeMap<_, _> = PersonalKind::ALL
            .into_iter()
            .map(|kind| (kind, policy.undeclared(kind)))
            .collect();
        let hiding = actions
            .iter()
            .filter(|(_, action)| **action != UndeclaredAction::Mask)
            .fold(Detector::default(), |detector, (kind, _)| detector.without(*kind));
        Self {
            actions,
            all: Detector::default(),
            hiding,
        }
    }

    /// Whether a column is looked at: text that is stored in the clear.
    pub(crate) fn looks_at(column: &Column) -> bool {
        column.ty == ColumnType::Utf8 && !column.needs_mask()
    }

    /// Looks through `columns` of a batch; hides in place what is to be hidden.
    pub(crate) fn batch(
        &self,
        batch: &mut RecordBatch,
        columns: impl IntoIterator<Item = usize>,
    ) -> Result<Screened, MaskError> {
        let mut screened = Screened::default();
        let mut rows = BTreeSet::new();
        let mut arrays: Option<Vec<ArrayRef>> = None;
        for index in columns {
            let Some(texts) = batch
                .columns()
                .get(index)
                .and_then(|column| column.as_string_opt::<i32>())
            else {
                continue;
            };
            let findings = self.all.scan(texts);
            if findings.is_empty() {
                continue;
            }
            let mut hides = false;
            for (kind, count) in findings.kinds() {
                match self
                    .actions
                    .get(&kind)
                    .copied()
                    .unwrap_or(UndeclaredAction::Block)
                {
                    UndeclaredAction::Block => {
                        for row in findings.rows(kind).filter(|row| rows.insert(*row)) {
                            screened.blocked.push(Blocked {
                                row,
                                column: index,
                                kind,
                            });
                        }
                    }
                    UndeclaredAction::Mask => {
                        hides = true;
                        screened.hidden.insert((index, kind), count);
                    }
                    UndeclaredAction::Warn => {
                        screened.told.insert((index, kind), count);
                    }
                }
            }
            if hides {
                let (hidden, _) = self.hiding.hide(texts)?;
                let arrays = arrays.get_or_insert_with(|| batch.columns().to_vec());
                if let Some(array) = arrays.get_mut(index) {
                    *array = Arc::new(hidden);
                }
            }
        }
        if let Some(arrays) = arrays {
            *batch = RecordBatch::try_new(batch.schema(), arrays)?;
        }
        screened.blocked.sort_by_key(|blocked| blocked.row);
        Ok(screened)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::StringArray;
    use arrow_schema::{DataType, Field, Schema};
    use malla_policy::{MASKS_FILE, PolicyFiles};

    use super::*;

    fn screen(rules: &str) -> Screen {
        let template = PolicyFiles::template("policies");
        let masks = template.text(MASKS_FILE).unwrap();
        let (masks, _) = masks.split_once("[[undeclared]]").unwrap_or((masks, ""));
        let files = template.clone().with(MASKS_FILE, format!("{masks}\n{rules}"));
        Screen::new(&Policy::parse(&files).unwrap())
    }

    fn batch(values: &[&str]) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("nota", DataType::Utf8, false)]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![Arc::new(StringArray::from(values.to_vec()))],
        )
        .unwrap()
    }

    const VALUES: [&str; 4] = ["web", "de ana@correo.mx", "4111 1111 1111 1111", "app"];

    #[test]
    fn what_no_rule_names_is_blocked() {
        let mut batch = batch(&VALUES);
        let screened = screen("").batch(&mut batch, [0]).unwrap();
        let rows: Vec<_> = screened
            .blocked
            .iter()
            .map(|blocked| (blocked.row, blocked.kind))
            .collect();
        assert_eq!(rows, [(1, PersonalKind::Email), (2, PersonalKind::Card)]);
    }

    #[test]
    fn each_kind_has_its_own_action() {
        let rules = "[[undeclared]]\nkind = \"pii:email\"\naction = \"mask\"\n\
                     [[undeclared]]\nkind = \"pii:card\"\naction = \"warn\"\n";
        let mut batch = batch(&VALUES);
        let screened = screen(rules).batch(&mut batch, [0]).unwrap();
        assert!(screened.blocked.is_empty());
        assert_eq!(screened.hidden[&(0, PersonalKind::Email)], 1);
        assert_eq!(screened.told[&(0, PersonalKind::Card)], 1);
        let texts = batch.column(0).as_string::<i32>();
        assert_eq!(texts.value(1), "de xxxxxxxxxxxxx");
        assert_eq!(texts.value(2), "4111 1111 1111 1111");
    }
}
