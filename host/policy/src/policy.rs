//! The policy of a mesh as one value.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use malla_contract::{Column, Table};
use malla_contract::{Date, PersonalKind};

use crate::declassify::{self, Declassify, Inflow, Undeclared};
use crate::files::{DECLASSIFY_FILE, GLOBAL_FILE, GROUPS_FILE, MASKS_FILE, MODEL_FILE, ROW_FILTERS_FILE};
use crate::masks::Masks;
use crate::read::csv;
use crate::snapshot::Snapshot;
use crate::undeclared::UndeclaredRules;
use crate::{
    Assignment, Decision, Fault, FilterMisfit, MaskRule, MissingMask, PlanError, PlanErrors, PolicyError,
    PolicyErrors, PolicyFiles, Request, RowFilter, Rule, UndeclaredAction, UndeclaredRule, digest, model,
    read, roles,
};

/// What a mesh's policy files say. Immutable, and cheap to clone: clones share it.
#[derive(Debug, Clone)]
pub struct Policy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where the mask rules were read, for messages.
    masks_file: PathBuf,
    masks: Masks,
    undeclared: UndeclaredRules,
    snapshot: Snapshot,
    assignments: Vec<Assignment>,
    row_filters: Vec<RowFilter>,
    declassify: Vec<Declassify>,
    digest: String,
}

impl Policy {
    /// Reads the policy files of a folder.
    ///
    /// # Errors
    /// Every fault of every file, with file, line and remedy. A missing model, global, groups or masks file is a fault:
    /// no policy, no data.
    pub fn load(dir: &Path) -> Result<Self, PolicyErrors> {
        Self::parse(&PolicyFiles::read(dir))
    }

    /// Makes a policy of texts.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn parse(files: &PolicyFiles) -> Result<Self, PolicyErrors> {
        let mut faults = files.faults();
        if let Some(text) = files.text(MODEL_FILE)
            && let Some(line) = model::difference(text)
        {
            faults.push(PolicyError {
                file: files.path(MODEL_FILE),
                line: Some(line),
                fault: Fault::Model,
            });
        }
        let lines = rules_and_roles(files, &mut faults);
        let text = |name| files.text(name).unwrap_or_default();
        let masks_file = files.path(MASKS_FILE);
        let (masks, undeclared) = match files.text(MASKS_FILE) {
            Some(text) => {
                let (masks, undeclared, found) = read::masks(&masks_file, text);
                faults.extend(found);
                (masks, undeclared)
            }
            None => (Masks::default(), UndeclaredRules::default()),
        };
        let (row_filters, found) = read::row_filters(
            &files.path(ROW_FILTERS_FILE),
            ROW_FILTERS_FILE,
            text(ROW_FILTERS_FILE),
        );
        faults.extend(found);
        let (declassify, found) = read::declassify(
            &files.path(DECLASSIFY_FILE),
            DECLASSIFY_FILE,
            text(DECLASSIFY_FILE),
        );
        faults.extend(found);
        if !faults.is_empty() {
            faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            return Err(PolicyErrors(faults));
        }
        let snapshot = Snapshot::new(lines.rules, &lines.assignments);
        let mut inner = Inner {
            masks_file,
            masks,
            undeclared,
            snapshot,
            assignments: lines.assignments,
            row_filters,
            declassify,
            digest: String::new(),
        };
        inner.digest = digest::of(&digest::Parts {
            rules: inner.snapshot.rules(),
            assignments: &inner.assignments,
            masks: &inner.masks,
            undeclared: &inner.undeclared,
            row_filters: &inner.row_filters,
            declassify: &inner.declassify,
        });
        Ok(Self(Arc::new(inner)))
    }

    /// Whether a principal may do something, and which rule says so. One `deny` beats every `allow`; what no rule allows
    /// is not allowed.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Decision<'_> {
        self.0.snapshot.decide(request)
    }

    /// Whether a principal is somebody, or has it as a role in a domain.
    #[must_use]
    pub fn is(&self, principal: &str, domain: &str, whom: &str) -> bool {
        self.0.snapshot.is(principal, domain, whom)
    }

    /// The roles of a principal in a domain (`*`: in every one), those of its roles too.
    pub fn roles(&self, principal: &str, domain: &str) -> impl Iterator<Item = &str> {
        self.0.snapshot.roles(principal, domain)
    }

    /// The rules: the platform's, then the domains', in the order of names and lines.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.0.snapshot.rules()
    }

    /// Who has which role: `groups.csv` first.
    #[must_use]
    pub fn assignments(&self) -> &[Assignment] {
        &self.0.assignments
    }

    /// The mask for a column of the table named `table`. A rule for one of its tags wins over the rule for its
    /// classification; among several tags the strictest mask wins. `None`: the column needs no mask.
    ///
    /// # Errors
    /// The column is personal, or confidential and above, and no rule speaks of it.
    pub fn mask(&self, table: &str, column: &Column) -> Result<Option<&MaskRule>, MissingMask> {
        match self.0.masks.rule(column) {
            None if column.needs_mask() => Err(MissingMask::new(&self.0.masks_file, table, column)),
            rule => Ok(rule),
        }
    }

    /// The mask of every column of a table, in the table's order. `name` is the table's full name, for messages. Look at
    /// [`MaskRule::at`]: some masks are not for what is stored.
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
                            file: self.0.masks_file.clone(),
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
        self.0.masks.rules()
    }

    /// What happens to personal data of a kind in a column that declares none: what the rule says, else
    /// [`Block`](UndeclaredAction::Block).
    #[must_use]
    pub fn undeclared(&self, kind: PersonalKind) -> UndeclaredAction {
        self.undeclared_rule(kind)
            .map_or(UndeclaredAction::Block, |rule| rule.action)
    }

    /// The rule of [`Policy::undeclared`], if there is one.
    #[must_use]
    pub fn undeclared_rule(&self, kind: PersonalKind) -> Option<&UndeclaredRule> {
        self.0.undeclared.rule(kind)
    }

    /// Every row filter, in the order of the file.
    #[must_use]
    pub fn row_filters(&self) -> &[RowFilter] {
        &self.0.row_filters
    }

    /// Checks the row filters of the table named `name` against its columns. What passes can be applied.
    ///
    /// # Errors
    /// Every filter whose column is not there or is of another type.
    pub fn check_row_filters(&self, name: &str, table: &Table) -> Result<(), Vec<FilterMisfit>> {
        let filters = self.0.row_filters.iter().filter(|filter| filter.table == name);
        let misfits: Vec<FilterMisfit> = filters.filter_map(|filter| filter.column(table).err()).collect();
        if misfits.is_empty() { Ok(()) } else { Err(misfits) }
    }

    /// The declassification rules, in the order of the file.
    #[must_use]
    pub fn declassify(&self) -> &[Declassify] {
        &self.0.declassify
    }

    /// The effective classification and tags of a column: what is declared, joined with what flows in. Of tags only those
    /// that start with `pii:` flow. A declassification of that column that counts on `today` bounds what flows in.
    /// `name` is `schema.table/column`.
    ///
    /// # Errors
    /// The contract declares less than that. The message names the column, what flows in and from where, and the two
    /// remedies.
    pub fn effective(
        &self,
        name: &str,
        declared: &Column,
        inflow: &[Inflow<'_>],
        today: Date,
    ) -> Result<Column, Undeclared> {
        declassify::effective(&self.0.declassify, name, declared, inflow, today)
    }

    /// SHA-256, in hex, of what decides: comments, reasons and the order of rules do not change it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.0.digest
    }
}

fn rules_and_roles(files: &PolicyFiles, faults: &mut Vec<PolicyError>) -> csv::Lines {
    let mut lines = csv::Lines::default();
    for (name, rules) in [(GLOBAL_FILE, true), (GROUPS_FILE, false)] {
        let file = csv::File {
            name,
            path: &files.path(name),
            home: None,
            rules,
        };
        lines.read(&file, files.text(name).unwrap_or_default());
    }
    for (name, domain, text) in files.domains() {
        let file = csv::File {
            name,
            path: &files.path(name),
            home: Some(domain),
            rules: true,
        };
        lines.read(&file, text);
    }
    faults.append(&mut lines.faults);
    for (id, what, remedy) in roles::faults(&lines.assignments) {
        faults.push(PolicyError {
            file: files.path(&id.file),
            line: Some(id.line),
            fault: Fault::Wrong { what, remedy },
        });
    }
    lines
}
