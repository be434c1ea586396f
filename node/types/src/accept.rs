//! The `Accept` header, as strictly as Swift reads it (`swob.Accept`).

use thiserror::Error;

/// `Accept` does not follow RFC 2616; Swift answers 400 `Invalid Accept header` where it matters.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("Invalid Accept header")]
pub struct InvalidAccept;

/// Which of `options` (content types, the server's favourite first) answers the header value `accept` best;
/// `None` where the client takes none of them. An empty header takes the favourite.
pub fn best_match<'a>(accept: &str, options: &[&'a str]) -> Result<Option<&'a str>, InvalidAccept> {
    if accept.is_empty() {
        return Ok(options.first().copied());
    }
    let mut ranges = accept.split(',').map(MediaRange::parse).collect::<Result<Vec<_>, _>>()?;
    ranges.sort_by(|a, b| {
        b.quality.total_cmp(&a.quality).then_with(|| b.is_exact().cmp(&a.is_exact())) // stable: the header's order
    });
    Ok(ranges.iter().find_map(|range| options.iter().copied().find(|option| range.covers(option))))
}

struct MediaRange<'a> {
    main: &'a str,
    sub: &'a str,
    quality: f64,
}

impl<'a> MediaRange<'a> {
    fn parse(text: &'a str) -> Result<Self, InvalidAccept> {
        let (kind, parameters) = match text.split_once(';') {
            Some((kind, parameters)) => (kind, Some(parameters)),
            None => (text, None),
        };
        let (main, sub) = kind.trim().split_once('/').ok_or(InvalidAccept)?;
        if !is_token(main) || !is_token(sub) {
            return Err(InvalidAccept);
        }
        let mut quality = None;
        for parameter in parameters.into_iter().flat_map(|p| p.split(';')) {
            let (name, value) = parameter.split_once('=').ok_or(InvalidAccept)?;
            let (name, value) = (name.trim(), value.trim());
            if !is_token(name) || !(is_token(value) || is_quoted(value)) {
                return Err(InvalidAccept);
            }
            if name == "q" && quality.replace(value.parse().map_err(|_| InvalidAccept)?).is_some() {
                return Err(InvalidAccept);
            }
        }
        Ok(Self { main, sub, quality: quality.unwrap_or(1.0) })
    }

    fn is_exact(&self) -> bool {
        self.main != "*" && self.sub != "*"
    }

    fn covers(&self, option: &str) -> bool {
        let matches = |range: &str, part: &str| range == "*" || range == part;
        option.split_once('/').is_some_and(|(main, sub)| matches(self.main, main) && matches(self.sub, sub))
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b > b' ' && b != 0x7f && !b"()<>@,;:\"/[]?={}".contains(&b))
}

fn is_quoted(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.contains(['"', '\\', '=']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: [&str; 4] = ["text/plain", "application/json", "application/xml", "text/xml"];

    #[test]
    fn picks_what_the_client_likes_best() {
        for (accept, best) in [
            ("", Some("text/plain")),
            ("*/*", Some("text/plain")),
            ("application/*", Some("application/json")),
            ("text/xml", Some("text/xml")),
            ("text/plain;q=0.5,application/json", Some("application/json")),
            ("*/*;q=0.9,application/xml;q=0.9", Some("application/xml")),
            ("text/html; level=1;q=1 , application/json;q=0.1", Some("application/json")),
            ("image/png", None),
        ] {
            assert_eq!(best_match(accept, &LISTING), Ok(best), "{accept}");
        }
    }

    #[test]
    fn refuses_what_is_malformed() {
        for accept in [
            "text",
            "text/",
            "/plain",
            "text/plain;",
            "text/plain;q",
            "text/plain;q=a",
            ",",
            "a/b;q=1;q=1",
            "a/b;q=\"1\"",
        ] {
            assert_eq!(best_match(accept, &LISTING), Err(InvalidAccept), "{accept}");
        }
    }
}
