//! The files of a policy, as texts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::text::shown;
use crate::{Fault, PolicyError};

/// Casbin's model: what a rule is made of and when it matches.
pub const MODEL_FILE: &str = "model.conf";
/// The platform's rules, which may speak of everything.
pub const GLOBAL_FILE: &str = "global.csv";
/// Who has which role.
pub const GROUPS_FILE: &str = "groups.csv";
/// How personal and sensitive columns are hidden.
pub const MASKS_FILE: &str = "masks.toml";
/// Who sees only some rows of a table.
pub const ROW_FILTERS_FILE: &str = "row-filters.toml";
/// Which columns may be less secret than what they were made from.
pub const DECLASSIFY_FILE: &str = "declassify.toml";
/// The folder of the domains' own rules, `<domain>.csv` each.
pub const DOMAINS_FOLDER: &str = "domains";
/// The folder of the policy's tests.
pub const TESTS_FOLDER: &str = "tests";

/// Files that decide and must be there.
const NEEDED: [&str; 4] = [MODEL_FILE, GLOBAL_FILE, GROUPS_FILE, MASKS_FILE];
/// Endings, in small letters, of names that are no policy file and are not mistaken for one.
const PROSE: [&str; 6] = [".md", ".txt", "~", ".swp", ".bak", ".orig"];

/// What a new mesh starts with: name in the folder, and text.
pub const TEMPLATE: [(&str, &str); 8] = [
    (MODEL_FILE, include_str!("../../../policies/model.conf")),
    (GLOBAL_FILE, include_str!("../../../policies/global.csv")),
    (GROUPS_FILE, include_str!("../../../policies/groups.csv")),
    (MASKS_FILE, include_str!("../../../policies/masks.toml")),
    (
        ROW_FILTERS_FILE,
        include_str!("../../../policies/row-filters.toml"),
    ),
    (DECLASSIFY_FILE, include_str!("../../../policies/declassify.toml")),
    (
        "domains/ventas.csv",
        include_str!("../../../policies/domains/ventas.csv"),
    ),
    (
        "tests/ventas.toml",
        include_str!("../../../policies/tests/ventas.toml"),
    ),
];

/// What a new mesh starts with besides, for each of these domains whose plugin it has: the domain, name in the folder, and
/// text. A rule about a domain that is not there would match nothing, and a test of it fail.
pub const DOMAIN_TEMPLATES: [(&str, &str, &str); 6] = [
    (
        "logistica",
        "domains/logistica.csv",
        include_str!("../../../policies/domains/logistica.csv"),
    ),
    (
        "logistica",
        "tests/logistica.toml",
        include_str!("../../../policies/tests/logistica.toml"),
    ),
    (
        "logistica",
        "domains/ventas.logistica.csv",
        include_str!("../../../policies/domains/ventas.logistica.csv"),
    ),
    (
        "producto",
        "domains/ventas.producto.csv",
        include_str!("../../../policies/domains/ventas.producto.csv"),
    ),
    (
        "producto",
        "domains/producto.csv",
        include_str!("../../../policies/domains/producto.csv"),
    ),
    (
        "producto",
        "tests/producto.toml",
        include_str!("../../../policies/tests/producto.toml"),
    ),
];

/// The files of a policy folder as they were at one moment. Equal values make equal policies, so who watches a folder
/// compares before it parses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFiles {
    dir: PathBuf,
    /// Name in the folder, with `/` between its parts; the text, or why there is none.
    texts: BTreeMap<String, Result<String, Fault>>,
}

impl PolicyFiles {
    /// No file. `dir` serves for messages only.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            texts: BTreeMap::new(),
        }
    }

    /// The files that a new mesh starts with.
    pub fn template(dir: impl Into<PathBuf>) -> Self {
        TEMPLATE
            .iter()
            .fold(Self::new(dir), |files, (name, text)| files.with(name, *text))
    }

    /// One file more, or in the place of the one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.texts.insert(name.to_owned(), Ok(text.into()));
        self
    }

    /// One file less.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.texts.remove(name);
        self
    }

    /// Reads a folder. What cannot be read is told by [`Policy::parse`](crate::Policy::parse), with all other faults.
    #[must_use]
    pub fn read(dir: &Path) -> Self {
        let mut files = Self::new(dir);
        files.read_folder("");
        files
    }

    fn read_folder(&mut self, inside: &str) {
        let folder = self.dir.join(inside);
        let entries = match folder.read_dir() {
            Ok(entries) => entries,
            // Whatever must be there is missed later, by name.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                self.texts
                    .insert(inside.to_owned(), Err(Fault::Unreadable(error.to_string())));
                return;
            }
        };
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    self.texts
                        .insert(inside.to_owned(), Err(Fault::Unreadable(error.to_string())));
                    continue;
                }
            };
            let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
                continue;
            };
            // Editors and version control keep such names beside what people write.
            if name.starts_with('.') {
                continue;
            }
            let inner = if inside.is_empty() {
                name.clone()
            } else {
                format!("{inside}/{name}")
            };
            let known_folder = inside.is_empty() && [DOMAINS_FOLDER, TESTS_FOLDER].contains(&name.as_str());
            if path.is_dir() {
                if known_folder {
                    self.read_folder(&name);
                } else {
                    self.texts.insert(inner, Err(Fault::UnknownFolder));
                }
            } else if known_folder {
                self.texts.insert(inner, Err(Fault::NoFolder));
            } else if !is_prose(&name) {
                self.texts.insert(inner, read(&path));
            }
        }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of a file, for messages.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Every file that could be read: name in the folder, and text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .filter_map(|(name, text)| Some((name.as_str(), text.as_deref().ok()?)))
    }

    /// The text of a file that is there and could be read.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name)?.as_deref().ok()
    }

    /// The domains' files that could be read: name of the file, domain, text. A domain may have several: `ventas.csv`,
    /// `ventas.logistica.csv`.
    pub(crate) fn domains(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.inside(DOMAINS_FOLDER, ".csv")
            .map(|(name, stem, text)| (name, stem.split('.').next().unwrap_or(stem), text))
    }

    /// The files of tests that could be read: name of the file, its name without folder and ending, text.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.inside(TESTS_FOLDER, ".toml")
    }

    fn inside(&self, folder: &str, ending: &str) -> impl Iterator<Item = (&str, &str, &str)> {
        self.texts.iter().filter_map(move |(name, text)| {
            let stem = name
                .strip_prefix(folder)?
                .strip_prefix('/')?
                .strip_suffix(ending)?;
            Some((name.as_str(), stem, text.as_deref().ok()?))
        })
    }

    /// What is missing, unreadable, or means nothing: a file whose name is misspelt must not pass for one without rules.
    pub(crate) fn faults(&self) -> Vec<PolicyError> {
        let fault = |name: &str, fault: Fault| PolicyError {
            file: self.path(name),
            line: None,
            fault,
        };
        let missing = NEEDED.iter().filter(|name| !self.texts.contains_key(**name));
        let mut faults: Vec<PolicyError> = missing.map(|name| fault(name, Fault::MissingFile)).collect();
        for (name, text) in &self.texts {
            match text {
                Err(found) => faults.push(PolicyError {
                    line: match found {
                        Fault::NoUtf8(line) | Fault::LoneReturn(line) => Some(*line),
                        _ => None,
                    },
                    ..fault(name, found.clone())
                }),
                Ok(_) if !self.means_something(name) => faults.push(fault(name, Fault::UnknownFile)),
                Ok(_) => {
                    if let Some(host) = hosts_name(name) {
                        faults.push(fault(name, Fault::HostsSchema(shown(host))));
                    }
                }
            }
        }
        faults
    }

    fn means_something(&self, name: &str) -> bool {
        NEEDED.contains(&name)
            || [ROW_FILTERS_FILE, DECLASSIFY_FILE].contains(&name)
            || self
                .domains()
                .chain(self.tests())
                .any(|(known, ..)| known == name)
    }
}

/// Texts for people, and what editors leave beside what they write.
fn is_prose(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with("readme") || PROSE.iter().any(|ending| lower.ends_with(ending))
}

/// A file's text. What stands before it to say how it is encoded, as Excel writes it, is not of it.
fn read(path: &Path) -> Result<String, Fault> {
    let unreadable = |error: std::io::Error| Fault::Unreadable(error.to_string());
    // To open a pipe is to wait for whoever writes to it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Fault::NoFile);
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        Fault::NoUtf8(before.iter().filter(|byte| **byte == b'\n').count() + 1)
    })?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    };
    let mut lines = text.split('\n').enumerate();
    let lone = lines.find(|(_, line)| line.strip_suffix('\r').unwrap_or(line).contains('\r'));
    match lone {
        Some((index, _)) => Err(Fault::LoneReturn(index + 1)),
        None => Ok(text),
    }
}

/// A domain's name that reads like another domain's schema.
fn hosts_name(name: &str) -> Option<&str> {
    let domain = name
        .strip_prefix(DOMAINS_FOLDER)?
        .strip_prefix('/')?
        .strip_suffix(".csv")?;
    ["_raw", "_quarantine", "_quality"]
        .iter()
        .any(|layer| domain.ends_with(layer))
        .then_some(domain)
}
