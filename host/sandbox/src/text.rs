//! Text that a guest wrote, cut to a length that the host can bear.

const CUT: &str = "...";

/// At most `limit` bytes of `text` and a mark if something is missing, without control characters, which could
/// forge lines in somebody's log or move the cursor of a terminal.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    let kept = text.get(..floor_char_boundary(text, limit)).unwrap_or_default();
    let mut clipped: String = kept
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if kept.len() < text.len() {
        clipped.push_str(CUT);
    }
    clipped
}

fn floor_char_boundary(text: &str, limit: usize) -> usize {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::clip;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(clip("región", 5), "regi...");
        assert_eq!(clip("región", 6), "regió...");
        assert_eq!(clip("región", 7), "región");
        assert_eq!(clip("é", 0), "...");
        assert_eq!(clip("", 0), "");
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(clip("a\nb\u{1b}[2Jc", 100), "a b [2Jc");
    }
}
