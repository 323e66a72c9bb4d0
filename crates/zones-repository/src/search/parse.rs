//! The language of queries.

use super::{Expression, QUERY_LEN_MAX, Term};
use crate::error::{RepositoryError, Result};

/// Parentheses may stand this deep.
const DEPTH_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Less,
    Greater,
    And,
    Or,
    Term(Term),
}

fn bad<T>(why: &str) -> Result<T> {
    Err(RepositoryError::Query(format!(
        "Could not parse query: {why}"
    )))
}

/// Reads a query: terms with `AND` (also where nothing stands) binding tighter than `OR`.
pub(super) fn expression(text: &str) -> Result<Expression> {
    if text.len() > QUERY_LEN_MAX {
        return bad("it is too long");
    }
    let tokens = tokens(text)?;
    let mut reader = Reader {
        tokens: &tokens,
        depth: 0,
    };
    let expression = reader.or()?;
    match reader.tokens {
        [] => Ok(expression),
        [Token::Close, ..] => bad("a `)` too many"),
        _ => bad("a `>` too many"),
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.first() == Some(token);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn or(&mut self) -> Result<Expression> {
        let mut left = self.and()?;
        while self.take(&Token::Or) {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression> {
        let mut left = self.single()?;
        loop {
            let goes_on = self.take(&Token::And)
                || matches!(
                    self.tokens.first(),
                    Some(Token::Open | Token::Less | Token::Term(_))
                );
            if !goes_on {
                return Ok(left);
            }
            left = Expression::And(Box::new(left), Box::new(self.single()?));
        }
    }

    fn single(&mut self) -> Result<Expression> {
        let Some((token, rest)) = self.tokens.split_first() else {
            return bad("a term is missing");
        };
        self.tokens = rest;
        let (close, is_packages) = match token {
            Token::Term(term) => return Ok(Expression::Term(term.clone())),
            Token::Open => (Token::Close, false),
            Token::Less => (Token::Greater, true),
            _ => return bad("a term is missing"),
        };
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return bad("too many parentheses");
        }
        let inner = self.or()?;
        self.depth -= 1;
        if !self.take(&close) {
            return bad("a `)` or `>` is missing");
        }
        Ok(match is_packages {
            true => Expression::Packages(Box::new(inner)),
            false => inner,
        })
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.peek().copied() {
        let mark = match letter {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '<' => Some(Token::Less),
            '>' => Some(Token::Greater),
            _ => None,
        };
        if letter.is_whitespace() || mark.is_some() {
            tokens.extend(mark);
            letters.next();
            continue;
        }
        tokens.push(word(&mut letters)?);
    }
    Ok(tokens)
}

/// A term with its fields, or an operator.
fn word(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token> {
    let mut fields = vec![String::new()];
    let (mut quote, mut is_phrase, mut is_plain) = (None, false, true);
    while let Some(letter) = letters.peek().copied() {
        let count = fields.len();
        let Some(field) = fields.last_mut() else {
            break;
        };
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => field.push(letter),
            ('"' | '\'', None) if field.is_empty() => {
                (quote, is_phrase, is_plain) = (Some(letter), true, false);
            }
            ('\\', None) => {
                letters.next();
                field.extend(letters.peek());
            }
            // What follows the third colon is the word, with all its colons.
            (':', None) if count < 4 => {
                is_plain = false;
                fields.push(String::new());
            }
            (letter, None) if letter.is_whitespace() || "()<>".contains(letter) => break,
            _ => field.push(letter),
        }
        letters.next();
    }
    if quote.is_some() {
        return bad("a quote is not closed");
    }
    match fields.as_slice() {
        [only] if is_plain && only == "AND" => return Ok(Token::And),
        [only] if is_plain && only == "OR" => return Ok(Token::Or),
        _ => {}
    }
    let mut fields = fields.into_iter().rev();
    let mut next = || fields.next().unwrap_or_default();
    let term = Term {
        word: next(),
        index: next(),
        action: next(),
        package: next(),
        is_phrase,
    };
    // Paths are indexed without their first slash.
    let word = match term.word.strip_prefix('/').filter(|_| !is_phrase) {
        Some(path) => path.to_owned(),
        None => term.word.clone(),
    };
    if word.is_empty() {
        return bad("a term is empty");
    }
    Ok(Token::Term(Term { word, ..term }))
}
