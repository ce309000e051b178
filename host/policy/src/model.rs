//! The one Casbin model that Malla compiles.

/// What `model.conf` must say. `objectMatches` is the host's: see [`object_matches`](crate::rules::object_matches).
/// A role in the domain `*` counts in every domain.
pub(crate) const MODEL: &str = r#"
[request_definition]
r = sub, dom, obj, act, purpose

[policy_definition]
p = sub, dom, obj, act, purpose, eft

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = (p.sub == "*" || g(r.sub, p.sub, r.dom)) && (p.dom == "*" || r.dom == p.dom) && objectMatches(r.obj, p.obj) && (p.act == "*" || r.act == p.act) && (p.purpose == "*" || r.purpose == p.purpose)
"#;

/// The first line that is not as in [`MODEL`], from 1; `None`: the text is the model. White space, comments and line
/// breaks (`\` at the end of a line) do not count.
pub(crate) fn difference(text: &str) -> Option<usize> {
    let given = statements(text);
    let wanted = statements(MODEL);
    let differs = given
        .iter()
        .zip(&wanted)
        .find(|((_, given), (_, wanted))| given != wanted);
    match differs {
        Some(((line, _), _)) => Some(*line),
        None if given.len() == wanted.len() => None,
        None => Some(
            given
                .get(wanted.len())
                .map_or(text.lines().count().max(1), |(line, _)| *line),
        ),
    }
}

/// Statements without white space, each with the line on which it begins.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        let squeezed = part.chars().filter(|c| !c.is_whitespace());
        match statements.last_mut() {
            Some((_, statement)) if open => statement.extend(squeezed),
            _ => statements.push((index + 1, squeezed.collect())),
        }
        open = goes_on;
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_model_itself_passes() {
        let broken_line = MODEL.replace(" && (p.dom", " \\\n  && (p.dom");
        for same in [
            MODEL,
            &MODEL.replace(' ', ""),
            &MODEL.replace('\n', "\r\n"),
            &broken_line,
            &format!("# ours\n{MODEL}"),
        ] {
            assert_eq!(difference(same), None, "{same}");
        }
        assert_eq!(difference(&MODEL.replace("g = _, _, _", "g = _, _")), Some(9));
        assert_eq!(difference(&MODEL.replace("!some", "some")), Some(12));
        assert_eq!(difference(&MODEL.replace("\"*\"", "\" *\"")), None);
        assert_eq!(difference(&format!("{MODEL}\ng2 = _, _\n")), Some(17));
        assert_eq!(difference(&MODEL.replace("[matchers]", "# [matchers]")), Some(15));
        assert_eq!(difference(""), Some(1));
        assert_eq!(
            difference("[request_definition]\nr = sub, dom, obj, act, purpose\n"),
            Some(2)
        );
    }
}
