//! Named arguments of metrics and expectations.

use crate::errors::{ContractErrors, shown};
use crate::parse::quality::did_you_mean;
use crate::yaml::At;

/// The arguments of one check.
pub(super) struct Arguments<'a> {
    /// What they are arguments of, for messages.
    pub(super) of: &'a str,
    /// The field that holds them, for messages.
    pub(super) field: &'static str,
    /// Where they stand, if there are any.
    pub(super) at: Option<At<'a>>,
    /// The check.
    pub(super) check: At<'a>,
}

impl<'a> Arguments<'a> {
    /// An argument. `min_value` is also found as `minValue`, as the examples of ODCS have it.
    pub(super) fn get(&self, name: &str) -> Option<At<'a>> {
        let name = plain(name);
        self.at
            .as_ref()?
            .entries()
            .find(|(key, _)| plain(&key.scalar.text) == name)
            .map(|(_, at)| at)
    }

    /// An argument that must be there.
    pub(super) fn need(&self, name: &str, errors: &mut ContractErrors) -> Option<At<'a>> {
        let found = self.get(name);
        if found.is_none() {
            let at = self.at.as_ref().unwrap_or(&self.check);
            let wrong = format!("`{}` needs `{name}`", self.of);
            at.error(errors, wrong, format!("add it to `{}`", self.field));
        }
        found
    }

    /// Reports arguments that are none of these.
    pub(super) fn only(&self, known: &[&'static str], errors: &mut ContractErrors) {
        self.only_or(known, &[], errors);
    }

    /// The same, but for some that may be there and do nothing.
    pub(super) fn only_or(&self, known: &[&'static str], idle: &[&'static str], errors: &mut ContractErrors) {
        for (key, at) in self.at.iter().flat_map(At::entries) {
            let name = key.scalar.text.as_str();
            if known.iter().chain(idle).any(|known| plain(known) == plain(name)) {
                continue;
            }
            let wrong = format!("`{}` has no argument `{}`", self.of, shown(name));
            let remedy = if known.is_empty() {
                "remove it".to_owned()
            } else {
                did_you_mean(name, known.iter().copied())
            };
            at.error_at(key.line, errors, wrong, remedy);
        }
    }
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
