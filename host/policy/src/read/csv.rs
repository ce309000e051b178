//! Lines of rules: `p, sub, dom, obj, act, purpose, eft` and `g, member, role, domain`.
//!
//! A line is a line: a quoted field (`"a, b"`, with `""` for a quote) ends on the line on which it began, so no text
//! can make a second rule. A line that begins with `#` is a comment.

use std::path::Path;
use std::sync::Arc;

use crate::rules::{ANY, ROLE, is_object, is_own, is_plain, is_principal};
use crate::text::shown;
use crate::{Action, Assignment, Effect, Fault, PolicyError, Rule, RuleId};

const P: &str = "p, subject, domain, object, action, purpose, allow or deny";
const G: &str = "g, member, role, domain";

/// What the `.csv` files say together.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) rules: Vec<Rule>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) faults: Vec<PolicyError>,
}

/// One file: where it is and how far it may reach.
pub(crate) struct File<'a> {
    /// In the policy folder.
    pub(crate) name: &'a str,
    /// For messages.
    pub(crate) path: &'a Path,
    /// The domain whose file it is. `None`: the platform's.
    pub(crate) home: Option<&'a str>,
    /// Whether `p` lines belong here.
    pub(crate) rules: bool,
}

impl Lines {
    /// Adds what a file says, or what is wrong with it.
    pub(crate) fn read(&mut self, file: &File<'_>, text: &str) {
        let name: Arc<str> = Arc::from(file.name);
        for (index, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line).trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let id = RuleId {
                file: Arc::clone(&name),
                line: index + 1,
            };
            let read = fields(line)
                .map_err(|wrong| vec![wrong])
                .and_then(|fields| self.line(file, id, &fields));
            for (what, remedy) in read.err().into_iter().flatten() {
                self.faults.push(PolicyError {
                    file: file.path.to_owned(),
                    line: Some(index + 1),
                    fault: Fault::Wrong { what, remedy },
                });
            }
        }
    }

    fn line(&mut self, file: &File<'_>, id: RuleId, fields: &[String]) -> Result<(), Vec<Wrong>> {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        match fields.as_slice() {
            ["p", ..] if !file.rules => Err(vec![wrong(
                "a rule among the roles",
                "move `p` lines to `global.csv` or to the domain's own file",
            )]),
            ["p", subject, domain, object, action, purpose, effect] => {
                self.rules.push(rule(
                    file,
                    id,
                    [subject, domain, object, action, purpose, effect],
                )?);
                Ok(())
            }
            ["g", member, role, domain] => {
                self.assignments.push(assignment(file, id, member, role, domain)?);
                Ok(())
            }
            ["p", rest @ ..] => Err(vec![count(rest.len(), 6, "p", P)]),
            ["g", rest @ ..] => Err(vec![count(rest.len(), 3, "g", G)]),
            [other, ..] => Err(vec![wrong(
                format!("a line that begins with `{}`", shown(other)),
                format!("begin it with `p` ({P}) or `g` ({G}); a comment begins with `#`"),
            )]),
            [] => Ok(()),
        }
    }
}

/// What is wrong, and what to do.
type Wrong = (String, String);

fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Wrong {
    (what.into(), remedy.into())
}

fn count(given: usize, wanted: usize, kind: &str, form: &str) -> Wrong {
    wrong(
        format!("a `{kind}` line has {wanted} fields after the `{kind}`, not {given}"),
        format!("write {form}; put a field with a comma in quotes"),
    )
}

fn rule(
    file: &File<'_>,
    id: RuleId,
    [subject, domain, object, action, purpose, effect]: [&str; 6],
) -> Result<Rule, Vec<Wrong>> {
    let mut faults = Vec::new();
    if subject != ANY {
        principal("subject", subject, "", &mut faults);
    }
    name("domain", domain, &mut faults);
    name("purpose", purpose, &mut faults);
    if object.is_empty() {
        faults.push(empty("object"));
    } else if !is_object(object) {
        faults.push(wrong(
            format!("`{}` is no object", shown(object)),
            "write `schema.table`, `schema.table/column`, a tag, `schema.table/*` (its columns), `schema.*` or `*`",
        ));
    } else if let Some(home) = file.home
        && !is_own(object, home)
    {
        faults.push(wrong(
            format!("`{}` is not one of `{home}`'s own objects", shown(object)),
            format!(
                "name something in `{home}`, `{home}_raw`, `{home}_quarantine` or `{home}_quality`; rules about tags, other \
                 domains or everything are the platform's, in `global.csv`"
            ),
        ));
    }
    if let Some(home) = file.home
        && domain != home
        && !domain.is_empty()
    {
        faults.push(foreign(domain, home));
    }
    let action = match action {
        ANY => Some(None),
        "" => {
            faults.push(empty("action"));
            None
        }
        word => match word.parse::<Action>() {
            Ok(action) => Some(Some(action)),
            Err(unknown) => {
                faults.push(wrong(
                    format!("unknown action `{}`", shown(word)),
                    format!("use one of {}, or `*`", unknown.known),
                ));
                None
            }
        },
    };
    let effect = match effect {
        "allow" => Some(Effect::Allow),
        "deny" => Some(Effect::Deny),
        other => {
            let other = shown(other);
            faults.push(wrong(
                format!("`{other}` is neither `allow` nor `deny`"),
                "write one of them, in small letters",
            ));
            None
        }
    };
    match (action, effect) {
        (Some(action), Some(effect)) if faults.is_empty() => Ok(Rule {
            id,
            subject: subject.into(),
            domain: domain.into(),
            object: object.into(),
            action,
            purpose: purpose.into(),
            effect,
        }),
        _ => Err(faults),
    }
}

fn assignment(
    file: &File<'_>,
    id: RuleId,
    member: &str,
    role: &str,
    domain: &str,
) -> Result<Assignment, Vec<Wrong>> {
    let mut faults = Vec::new();
    principal(
        "member",
        member,
        ": who has a role is named, not `*`",
        &mut faults,
    );
    if role.is_empty() {
        faults.push(empty("role"));
    } else if !(role.starts_with(ROLE) && is_principal(role)) {
        faults.push(wrong(
            format!("`{}` is no role", shown(role)),
            "write `role:` and a name: only roles can be given",
        ));
    }
    name("domain", domain, &mut faults);
    if let Some(home) = file.home
        && domain != home
        && !domain.is_empty()
    {
        faults.push(foreign(domain, home));
    }
    if faults.is_empty() {
        Ok(Assignment {
            id,
            member: member.into(),
            role: role.into(),
            domain: domain.into(),
        })
    } else {
        Err(faults)
    }
}

fn empty(what: &str) -> Wrong {
    wrong(format!("the {what} is empty"), "write one")
}

fn foreign(domain: &str, home: &str) -> Wrong {
    wrong(
        format!(
            "a line for the domain `{}` in the file of `{home}`",
            shown(domain)
        ),
        format!("write `{home}`, or move the line to the platform's files"),
    )
}

fn principal(what: &str, text: &str, more: &str, faults: &mut Vec<Wrong>) {
    if text.is_empty() {
        faults.push(empty(what));
    } else if !is_principal(text) {
        faults.push(wrong(
            format!("`{}` is no principal{more}", shown(text)),
            "write `user:`, `service:`, `plugin:` or `role:`, and a name",
        ));
    }
}

fn name(what: &str, text: &str, faults: &mut Vec<Wrong>) {
    if text.is_empty() {
        faults.push(empty(what));
    } else if text != ANY && !is_plain(text) {
        faults.push(wrong(
            format!("`{}` is no {what}", shown(text)),
            "write a name, or `*` alone for all",
        ));
    }
}

/// The fields of a line, without the white space around them.
fn fields(line: &str) -> Result<Vec<String>, Wrong> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => self::quoted(quoted)?,
            None => {
                let (field, after) = match rest.split_once(',') {
                    Some((field, after)) => (field, Some(after)),
                    None => (rest, None),
                };
                if field.contains('"') {
                    return Err(wrong(
                        "a quote inside a field",
                        "put the whole field in quotes, and write each quote in it twice",
                    ));
                }
                (field.trim_end().to_owned(), after)
            }
        };
        if field.chars().any(char::is_control) {
            return Err(wrong(
                format!("a control character in `{}`", shown(&field)),
                "remove it",
            ));
        }
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// The field whose opening quote was passed, and what follows its comma.
fn quoted(text: &str) -> Result<(String, Option<&str>), Wrong> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err(wrong(
                "a quote that is not closed on its line",
                "close it: a rule is one line",
            ));
        };
        field.push_str(part);
        if let Some(after) = after.strip_prefix('"') {
            field.push('"');
            rest = after;
            continue;
        }
        let after = after.trim_start();
        return match after.strip_prefix(',') {
            Some(next) => Ok((field, Some(next))),
            None if after.is_empty() => Ok((field, None)),
            None => Err(wrong(
                format!("`{}` after a closing quote", shown(after)),
                "put a comma between fields",
            )),
        };
    }
}
