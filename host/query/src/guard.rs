//! What no query that somebody means needs, and what would bring the process down.
//!
//! The parser bounds brackets in brackets. Chains it does not: `1 + 1 + ..`, `SELECT 1 UNION ALL ..`, `FROM a, b, ..`
//! each become a tree as deep as the chain is long, and dropping or evaluating it recurses; so does an IN with many
//! values on its way to the files' statistics. A stack that overflows
//! cannot be caught, so the length of chains is bounded before anything is built.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::visit_relations;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::QueryError;

const MOST_BYTES: usize = 256 * 1024;
const MOST_OPERATORS: usize = 500;
const MOST_LITERALS: usize = 1000;
const MOST_RELATIONS: usize = 50;

/// Refuses texts whose tree could be too deep.
pub(crate) fn check(sql: &str) -> Result<(), QueryError> {
    if sql.len() > MOST_BYTES {
        return Err(QueryError::Syntax(format!(
            "it is longer than {MOST_BYTES} bytes"
        )));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize()
        .map_err(|error| QueryError::Syntax(error.to_string()))?;
    if tokens.iter().filter(|token| is_operator(token)).count() > MOST_OPERATORS {
        return Err(QueryError::Syntax(format!(
            "it has more than {MOST_OPERATORS} operators and keywords: use IN for many values"
        )));
    }
    if tokens.iter().filter(|token| is_literal(token)).count() > MOST_LITERALS {
        return Err(QueryError::Syntax(format!(
            "it has more than {MOST_LITERALS} values: join a table instead"
        )));
    }
    Ok(())
}

fn is_literal(token: &Token) -> bool {
    matches!(token, Token::Number(..) | Token::SingleQuotedString(_))
}

/// Whether the token may make the tree one deeper. Keywords do where they are operators; which are, changes.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        token if is_literal(token) => false,
        Token::Whitespace(_) | Token::Comma | Token::Period | Token::LParen | Token::RParen | Token::EOF => {
            false
        }
        _ => true,
    }
}

/// Refuses queries over too many tables, each time that one is named counted.
pub(crate) fn check_relations(statement: &Statement) -> Result<(), QueryError> {
    let statement = match statement {
        Statement::Statement(statement) => statement,
        Statement::Explain(explain) => return check_relations(&explain.statement),
        _ => return Ok(()),
    };
    let mut relations = 0_usize;
    let _: ControlFlow<()> = visit_relations(statement.as_ref(), |_| {
        relations += 1;
        ControlFlow::Continue(())
    });
    if relations > MOST_RELATIONS {
        return Err(QueryError::Syntax(format!(
            "it names more than {MOST_RELATIONS} tables"
        )));
    }
    Ok(())
}
