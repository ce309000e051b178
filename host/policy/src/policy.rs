//! The policy of a mesh as one value.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use malla_contract::{Column, MaskKind, Table};
use sha2::{Digest, Sha256};

use crate::masks::Masks;
use crate::{Fault, MaskRule, MissingMask, PlanError, PlanErrors, PolicyError, PolicyErrors, read};

/// The file of mask rules in the policy folder.
pub const MASKS_FILE: &str = "masks.toml";

/// What a mesh's policy files say.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Where the mask rules were read, for messages.
    file: PathBuf,
    masks: Masks,
    digest: String,
}

impl Policy {
    /// Reads the policy files of a folder.
    ///
    /// # Errors
    /// Every fault of every file, with file, line and remedy. A file that is missing or without rules is a fault: no
    /// policy, no data.
    pub fn load(dir: &Path) -> Result<Self, PolicyErrors> {
        let path = dir.join(MASKS_FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let fault = match error.kind() {
                std::io::ErrorKind::NotFound => Fault::MissingFile,
                _ => Fault::Unreadable(error.to_string()),
            };
            PolicyErrors(vec![PolicyError {
                file: path.clone(),
                line: None,
                fault,
            }])
        })?;
        Self::parse(&path, &text)
    }

    /// Reads mask rules from text. `path` serves for messages only.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, PolicyErrors> {
        let masks = read::masks(path, text)?;
        let digest = digest(&masks);
        Ok(Self {
            file: path.to_owned(),
            masks,
            digest,
        })
    }

    /// The mask for a column of the table named `table`. A rule for one of its tags wins over the rule for its
    /// classification; among several tags the strictest mask wins (`replace-with-null`, `token`, `mask-alphanum`,
    /// `show-last-4`). `None`: the column needs no mask.
    ///
    /// # Errors
    /// The column is personal, or confidential and above, and no rule speaks of it.
    pub fn mask(&self, table: &str, column: &Column) -> Result<Option<&MaskRule>, MissingMask> {
        match self.masks.rule(column) {
            None if column.needs_mask() => Err(MissingMask::new(&self.file, table, column)),
            rule => Ok(rule),
        }
    }

    /// The mask of every column of a table, in the table's order. `name` is the table's full name, for messages.
    ///
    /// # Errors
    /// Every column without a mask that needs one, and every mask that does not fit its column.
    pub fn plan(&self, name: &str, table: &Table) -> Result<Vec<Option<&MaskRule>>, PlanErrors> {
        let mut plan = Vec::with_capacity(table.columns.len());
        let mut errors = Vec::new();
        for column in &table.columns {
            match self.mask(name, column) {
                Ok(rule) => {
                    let misfit = rule.and_then(|r| Some((r, r.mask.fits(column.ty, column.required).err()?)));
                    if let Some((rule, why)) = misfit {
                        errors.push(PlanError::Misfit {
                            table: name.to_owned(),
                            column: column.name.clone(),
                            ty: column.ty,
                            mask: rule.mask,
                            file: self.file.clone(),
                            line: rule.line,
                            why,
                        });
                    }
                    plan.push(rule);
                }
                Err(missing) => errors.push(missing.into()),
            }
        }
        if errors.is_empty() {
            Ok(plan)
        } else {
            Err(PlanErrors(errors))
        }
    }

    /// The mask rules, in the order of their selectors.
    pub fn masks(&self) -> impl Iterator<Item = &MaskRule> {
        self.masks.rules()
    }

    /// SHA-256, in hex, of what decides: comments, reasons and the order of rules do not change it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

fn digest(masks: &Masks) -> String {
    let mut canonical = String::from("malla-policy/1\n");
    for rule in masks.rules() {
        // Quoted by Debug, so that no name can pass for two fields.
        // Writing to a String cannot fail.
        let _ = writeln!(
            canonical,
            "mask {:?} {} {:?}",
            rule.selector.to_string(),
            rule.mask,
            if rule.mask == MaskKind::Token {
                rule.join_group.as_str()
            } else {
                ""
            }
        );
    }
    data_encoding::HEXLOWER.encode(&Sha256::digest(canonical.as_bytes()))
}
