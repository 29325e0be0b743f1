//! Java's login line: `org.apache…PlainLoginModule required username="me" password="p\"w";`
//!
//! DataHub's charts give Java's services their user and password this way, and this program the same
//! variables. The text is read as Java reads it: options of the first login module, values bare or in
//! double or single quotes, in which a backslash escapes.

use std::iter::Peekable;
use std::str::Chars;

/// User and password of the first login module; `None` if it names none, as those of Kerberos and of
/// OAuth do, or if the line cannot be read.
pub(super) fn user_and_password(line: &str) -> Option<(String, String)> {
    let mut tokens = Tokens(line.chars().peekable());
    // The module's class and its flag.
    let (Token::Text(_), Token::Text(_)) = (tokens.next()?, tokens.next()?) else { return None };
    let (mut user, mut password) = (None, None);
    loop {
        let name = match tokens.next() {
            Some(Token::Text(name)) => name,
            Some(Token::Is) => return None,
            Some(Token::End) | None => return Some((user?, password?)),
        };
        let (Token::Is, Token::Text(value)) = (tokens.next()?, tokens.next()?) else { return None };
        match name.as_str() {
            "username" => user = Some(value),
            "password" => password = Some(value),
            _ => {}
        }
    }
}

enum Token {
    Text(String),
    /// `=`
    Is,
    /// `;`
    End,
}

struct Tokens<'l>(Peekable<Chars<'l>>);

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        while self.0.next_if(|c| c.is_whitespace()).is_some() {}
        match self.0.next()? {
            '=' => Some(Token::Is),
            ';' => Some(Token::End),
            quote @ ('"' | '\'') => self.quoted(quote).map(Token::Text),
            first => {
                let mut text = String::from(first);
                while let Some(c) = self.0.next_if(|c| !c.is_whitespace() && !matches!(c, '=' | ';')) {
                    text.push(c);
                }
                Some(Token::Text(text))
            }
        }
    }
}

impl Tokens<'_> {
    /// Up to the closing quote; `None` if there is none.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.0.next()? {
                c if c == quote => return Some(text),
                '\\' => text.push(match self.0.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    escaped => escaped,
                }),
                c => text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_scram_name_user_and_password_however_they_are_quoted() {
        for (options, user, password) in [
            (r#"username="me" password="p\"w;";"#, "me", "p\"w;"),
            (r#"  username = 'me'   password = 'it is "it"' ;"#, "me", "it is \"it\""),
            ("username=me password=p=", "", ""),
            ("username=me password=pw;", "me", "pw"),
            (r#"serviceName="kafka" password="a username=b" username="me" ;"#, "me", "a username=b"),
            (r#"username="me" password="back\\slash" tokenauth=true;"#, "me", "back\\slash"),
            ("username=\"me\"\n password=\"\";", "me", ""),
        ] {
            for module in ["plain.PlainLoginModule", "scram.ScramLoginModule"] {
                let line = format!("org.apache.kafka.common.security.{module} required {options}");
                let expected = (!user.is_empty()).then(|| (user.to_owned(), password.to_owned()));
                assert_eq!(user_and_password(&line), expected, "{options}");
            }
        }
    }

    #[test]
    fn a_line_without_user_or_password_gives_neither() {
        for line in [
            "",
            "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab=\"/k\" principal=\"p\";",
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
            "PlainLoginModule required username=\"me\";",
            "PlainLoginModule required username=\"me\" password=\"never closed;",
            "username=\"me\" password=\"pw\";",
        ] {
            assert_eq!(user_and_password(line), None, "{line}");
        }
    }
}
