//! E-mail addresses.
//!
//! Found: letters and digits of any script and `._%+-'&~` before an `@`, from the first letter or digit on; behind it a
//! host name of two labels or more whose last one is letters (or `xn--..`). Not found: quoted names, hosts without a dot,
//! IP addresses as hosts.

use std::ops::Range;

/// The address whose `@` is at a place, not before `floor`.
pub(super) fn around(value: &str, at: usize, floor: usize) -> Option<Range<usize>> {
    let start = local(value.get(floor..at)?)?;
    let end = domain(value.get(at.checked_add(1)?..)?)?;
    Some(floor + start..at + 1 + end)
}

/// Where the name before the `@` begins.
fn local(before: &str) -> Option<usize> {
    let mut start = None;
    for (place, c) in before.char_indices().rev() {
        match c {
            '_' => start = Some(place),
            '.' | '%' | '+' | '-' | '\'' | '&' | '~' => {}
            _ if c.is_alphanumeric() => start = Some(place),
            _ => break,
        }
    }
    start
}

/// Where the host behind the `@` ends: at its last label that can be a top-level domain.
fn domain(after: &str) -> Option<usize> {
    let mut end = None;
    let mut start = 0;
    let mut labels = 0_u32;
    loop {
        let rest = after.get(start..)?;
        let length = rest
            .find(|c: char| c != '-' && !c.is_alphanumeric())
            .unwrap_or(rest.len());
        let label = rest.get(..length)?;
        let trimmed = label.trim_end_matches('-');
        if trimmed.is_empty() || label.starts_with('-') {
            return end;
        }
        if labels > 0
            && let Some(length) = top(trimmed)
        {
            end = Some(start + length);
        }
        if trimmed.len() < label.len() || !rest.get(length..)?.starts_with('.') {
            return end;
        }
        labels += 1;
        start += length + 1;
    }
}

/// The length of a label as a top-level domain. What a sentence adds behind a hyphen is not of it.
fn top(label: &str) -> Option<usize> {
    if label
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("xn--"))
    {
        return Some(label.len());
    }
    let (name, _) = label.split_once('-').unwrap_or((label, ""));
    (name.chars().nth(1).is_some() && name.chars().all(char::is_alphabetic)).then_some(name.len())
}
