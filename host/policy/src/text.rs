//! Texts of policy files: where a byte stands, and how a word is shown.

/// Longest part of a word that a message repeats, in characters.
const SHOWN: usize = 60;

/// A word of a file, fit for one line of a message.
pub(crate) fn shown(word: &str) -> String {
    let mut out: String = word.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if word.chars().nth(SHOWN).is_some() {
        out.push_str("..");
    }
    out
}

/// Where the lines of a text begin.
pub(crate) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect(),
        }
    }

    /// Line of a byte, from 1.
    pub(crate) fn of(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).max(1)
    }
}

/// Names as a sentence lists them: "a", "a and b", "a, b and c".
pub(crate) fn listed<I, T>(names: I) -> String
where
    I: IntoIterator<Item = T>,
    T: std::fmt::Display,
{
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
