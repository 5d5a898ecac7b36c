//! The query of a URL, with bounds.

use percent_encoding::percent_decode_str;

/// Longest value that is looked at, in bytes.
const LONGEST: usize = 512;

/// The parameters of a query.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`; at most 32 parameters.
    pub(super) fn new(text: &str) -> Self {
        let part = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().chars().take(LONGEST).collect::<String>()
        };
        let pairs = text.split('&').filter(|p| !p.is_empty()).take(32);
        Self(pairs.map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(k, v)| (part(k), part(v))).collect())
    }

    /// The value of a parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// Says what a parameter must be that is there and is not.
    pub(super) fn check(&self, name: &str, fits: impl Fn(&str) -> bool, must: &str) -> Result<(), String> {
        if self.get(name).is_none_or(fits) { Ok(()) } else { Err(format!("`{name}` must be {must}")) }
    }

    /// The same of the numbers that choose a page.
    pub(super) fn check_page(&self) -> Result<(), String> {
        let number = |name| self.check(name, |v| v.parse::<usize>().is_ok(), "a whole number, 0 or more");
        ["limit", "offset"].into_iter().try_for_each(number)
    }

    /// A number, at most `most`; `usual` when there is none.
    pub(super) fn number(&self, name: &str, usual: usize, most: usize) -> usize {
        self.get(name).and_then(|v| v.parse().ok()).unwrap_or(usual).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_bounded() {
        let q = Query::new("a=1%202&b=x+y&empty=&a=later&%zz=%ff");
        assert_eq!((q.get("a"), q.get("b"), q.get("empty"), q.get("none")), (Some("1 2"), Some("x y"), None, None));
        assert_eq!(Query::new("n=7").number("n", 1, 5), 5);
        assert_eq!(Query::new("n=-7").number("n", 1, 5), 1);
        assert!(Query::new("limit=7&offset=0").check_page().is_ok() && Query::new("limit=-7").check_page().is_err());
        assert_eq!(Query::new("a=b").check("a", |v| v == "c", "c").unwrap_err(), "`a` must be c");
        assert_eq!(Query::new(&format!("q={}", "x".repeat(9999))).get("q").unwrap().len(), LONGEST);
    }
}
