//! Laws: no text panics or takes long; what is written as a value comes back as it.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::tests::SMALL;
use crate::Contract;

const VENTAS: &str = include_str!("../../../../plugins/ventas/contract.yaml");

/// Parses, and shows what is wrong: the message must be showable too.
fn parse(text: &str) -> bool {
    match Contract::parse(text) {
        Ok(_) => true,
        Err(errors) => {
            let shown = errors.to_string();
            assert!(!shown.is_empty() && errors.iter().next().is_some());
            assert!(errors.iter().all(|error| error.line >= 1), "{shown}");
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
            false
        }
    }
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        parse(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn yaml_like_text(text in "([ \\t\\n:\\-?,\\[\\]{}&*!|>'\"%@`#~a0.]|---|\\.\\.\\.|: |- |\\? |\r\n){0,64}") {
        parse(&text);
    }

    #[test]
    fn mutated_contract(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, "[ \\n:\\-?,\\[\\]{}&*!|>'\"#a0]{0,4}"), 1..6),
    ) {
        let mut chars: Vec<char> = VENTAS.chars().collect();
        for (place, gone, put) in cuts {
            let from = place.index(chars.len());
            let to = (from + gone).min(chars.len());
            chars.splice(from..to, put.chars());
        }
        parse(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn lines_of_a_contract_removed_or_repeated(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 1..8),
    ) {
        let mut lines: Vec<&str> = VENTAS.lines().collect();
        for (from, to, keep) in changes {
            let line = lines[from.index(lines.len())];
            let to = to.index(lines.len());
            if keep { lines.insert(to, line) } else { lines.remove(to); }
            if lines.is_empty() { break }
        }
        parse(&lines.join("\n"));
    }

    #[test]
    fn lookups_are_exact(values in prop::collection::vec((any::<i64>(), 0..12usize), 1..8)) {
        let text = |(value, scale): &(i64, usize)| {
            let digits = format!("{:0>1$}", value.unsigned_abs(), scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            let sign = if *value < 0 { "-" } else { "" };
            if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
        };
        let entries: String =
            values.iter().enumerate().map(|(i, value)| format!("k{i}: \"{}\", ", text(value))).collect();
        let lookup = format!("  - {{ property: mallaLookups, value: [{{ name: l, entries: {{ {entries} }} }}] }}\n");
        let contract = Contract::parse(&format!("{SMALL}{lookup}")).unwrap();
        let lookup = &contract.lookups[0];
        let scale = values.iter().map(|(_, scale)| *scale).max().unwrap();
        prop_assert_eq!(usize::from(lookup.scale), scale);
        for (i, (value, own)) in values.iter().enumerate() {
            let expected = i128::from(*value) * 10_i128.pow(u32::try_from(scale - own).unwrap());
            prop_assert_eq!(lookup.get(&format!("k{i}")), Some(expected));
        }
    }

    #[test]
    fn a_contract_equals_itself(cut in any::<prop::sample::Index>()) {
        let text: String = VENTAS.chars().take(cut.index(VENTAS.chars().count())).collect();
        if let Ok(contract) = Contract::parse(&text) {
            prop_assert!(crate::compare(&contract, &contract).changes.is_empty());
        }
    }
}

/// Large texts that are slow for parsers: time must grow with the text, not with its square, which would be minutes.
#[test]
fn large_texts_end_soon() {
    const LARGE: usize = 1 << 18;
    let fill = |unit: &str| unit.repeat(LARGE / unit.len());
    let keys: String = (0..15_000).map(|i| format!("key_number_{i}: a\n")).collect();
    let tags: String = (0..40_000).map(|i| format!("t{i:x}, ")).collect();
    let tagged = SMALL.replacen("required: true", &format!("required: true, tags: [{tags}]"), 1);
    let pattern = r"- { metric: invalidValues, mustBe: 0, arguments: { pattern: '(?i)[\w\W\d\pL]\S\PN' } }";
    let list = format!(
        "quality: [{}]",
        [pattern.trim_start_matches("- "); 100].join(", ")
    );
    let column = |i: usize| format!("      - {{ name: c{i}, logicalType: string, {list} }}\n");
    let patterns: String = (0..25).map(column).collect();
    let patterns = SMALL.replacen("    properties:\n", &format!("    properties:\n{patterns}"), 1);
    let long_key = format!("{}: [{}]", "k".repeat(1000), "{a: 1},".repeat(30_000));
    for text in [
        fill("["),
        fill("{"),
        fill("{a: "),
        fill("- "),
        fill("? "),
        fill("a: "),
        fill("[a, "),
        fill("\""),
        fill("'"),
        fill("#"),
        fill("a\n\n"),
        fill("- a\n"),
        fill("&a "),
        fill("!a "),
        fill("%a\n"),
        fill("---\n"),
        fill("a b"),
        fill(" "),
        fill("\t"),
        fill("\n"),
        format!("a: |\n{}", fill("  b\n")),
        format!("a: \"{}\"", fill("\\\n ")),
        keys,
        tagged,
        patterns,
        long_key,
    ] {
        let text: String = text.chars().take(LARGE).collect();
        let start = Instant::now();
        parse(&text);
        let took = start.elapsed();
        let shown: String = text.chars().take(8).collect();
        assert!(took < Duration::from_secs(20), "{took:?} for {shown:?}");
    }
}
