//! Names fit for tables, paths, SQL and Rust.

use crate::errors::{ContractErrors, shown};
use crate::yaml::At;

/// Longest name, in bytes. Names become folders and parts of `txn` ids.
const LONGEST: usize = 63;

/// Which characters a name may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// `[a-z][a-z0-9_]*`: also an identifier in SQL and Rust.
    Identifier,
    /// The same, and `-` between words: data products.
    Product,
}

/// The name at a place, if it is a text; what is wrong with it is pushed, and it still serves to find other mistakes.
pub(crate) fn name<'a>(at: &At<'a>, kind: NameKind, errors: &mut ContractErrors) -> Option<&'a str> {
    let name = at.text()?;
    if let Some((wrong, remedy)) = fault(name, kind) {
        at.error(errors, format!("`{}` {wrong}", shown(name)), remedy);
    }
    Some(name)
}

fn fault(name: &str, kind: NameKind) -> Option<(&'static str, &'static str)> {
    const REMEDY: &str = "use `a` to `z`, `0` to `9` and `_`, starting with a letter";
    const REMEDY_PRODUCT: &str =
        "use `a` to `z`, `0` to `9`, `_`, and `-` between words, starting with a letter";
    let remedy = match kind {
        NameKind::Identifier => REMEDY,
        NameKind::Product => REMEDY_PRODUCT,
    };
    let fits = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
    let Some(first) = name.chars().next() else {
        return Some(("is empty", "give it a name"));
    };
    if name.len() > LONGEST {
        return Some(("is longer than 63 characters", "shorten it"));
    }
    if first == '_' {
        return Some((
            "starts with `_`: such names are the host's",
            "start with a letter",
        ));
    }
    if !first.is_ascii_lowercase() {
        return Some(("does not start with a letter from `a` to `z`", remedy));
    }
    let words_fit = match kind {
        NameKind::Identifier => name.chars().all(fits),
        NameKind::Product => name
            .split('-')
            .all(|word| !word.is_empty() && word.chars().all(fits)),
    };
    if !words_fit {
        return Some(("is not fit for a name", remedy));
    }
    // `r#self` and the like are no identifiers either.
    if kind == NameKind::Identifier && matches!(name, "self" | "super" | "crate") {
        return Some(("cannot be a name in Rust, not even as `r#..`", "choose another"));
    }
    None
}

/// A contract's name as a Rust identifier: `daily-revenue` is `daily_revenue`, and a keyword such as `type` is
/// `r#type`.
#[must_use]
pub fn rust_identifier(name: &str) -> String {
    // The Rust reference's strict and reserved keywords that a contract's name can be, edition 2024.
    const KEYWORDS: [&str; 48] = [
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
        "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
        "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static",
        "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where",
        "while", "yield",
    ];
    let name = name.replace('-', "_");
    if KEYWORDS.contains(&name.as_str()) {
        format!("r#{name}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_or_do_not() {
        for (name, identifier, product) in [
            ("ventas", true, true),
            ("v2_b", true, true),
            ("daily-revenue", false, true),
            ("daily--revenue", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("2a", false, false),
            ("_a", false, false),
            ("", false, false),
            ("Ventas", false, false),
            ("año", false, false),
            ("a b", false, false),
            ("a/b", false, false),
            ("..", false, false),
            ("a\"b", false, false),
            ("type", true, true),
            ("self", false, true),
        ] {
            assert_eq!(fault(name, NameKind::Identifier).is_none(), identifier, "{name}");
            assert_eq!(fault(name, NameKind::Product).is_none(), product, "{name}");
        }
        assert!(fault(&"a".repeat(63), NameKind::Identifier).is_none());
        assert!(fault(&"a".repeat(64), NameKind::Identifier).is_some());
    }

    #[test]
    fn rust_identifiers() {
        assert_eq!(rust_identifier("monto"), "monto");
        assert_eq!(rust_identifier("daily-revenue"), "daily_revenue");
        assert_eq!(rust_identifier("type"), "r#type");
        assert_eq!(rust_identifier("yield"), "r#yield");
    }
}
