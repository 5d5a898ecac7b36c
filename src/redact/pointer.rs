//! Which field of a JSON line a byte belongs to.

/// The JSON pointer (RFC 6901) of the value or key at byte `at` of `line`; `None` when the line is not JSON up to there
/// or `at` lies between values.
pub fn pointer_at(line: &[u8], at: usize) -> Option<String> {
    // Text may stand in front of an object, as syslog and container runtimes write it.
    let first = line.iter().position(|c| !c.is_ascii_whitespace())?;
    let start = if b"{[".contains(&line[first]) { first } else { memchr::memmem::find(line, b"{\"")? };
    let mut walk = Walk { line, i: start, at, path: Vec::new() };
    (walk.containers() && !walk.path.is_empty()).then(|| walk.path.iter().map(|step| format!("/{step}")).collect())
}

struct Walk<'a> {
    line: &'a [u8],
    i: usize,
    at: usize,
    /// Steps down to the current value.
    path: Vec<String>,
}

/// What the innermost open bracket is.
enum Open {
    Object,
    Array(usize),
}

impl Walk<'_> {
    /// Walks until the wanted byte; whether it stands in a value or key. Keeps its own stack: depth costs no recursion.
    fn containers(&mut self) -> bool {
        let mut open: Vec<Open> = Vec::new();
        let mut key_next = false;
        while self.i < self.line.len() {
            let from = self.i;
            match self.line[from] {
                b'{' => {
                    open.push(Open::Object);
                    self.path.push(String::new());
                    key_next = true;
                    self.i += 1;
                }
                b'[' => {
                    open.push(Open::Array(0));
                    self.path.push("0".to_owned());
                    key_next = false;
                    self.i += 1;
                }
                b'}' | b']' => {
                    self.path.pop();
                    if open.pop().is_none() {
                        return false;
                    }
                    self.i += 1;
                }
                b',' => {
                    self.i += 1;
                    match open.last_mut() {
                        Some(Open::Array(n)) => {
                            *n += 1;
                            let step = n.to_string();
                            self.path.last_mut().into_iter().for_each(|last| last.clone_from(&step));
                        }
                        Some(Open::Object) => key_next = true,
                        None => return false,
                    }
                }
                b':' => {
                    self.i += 1;
                    key_next = false;
                }
                b'"' => {
                    self.string();
                    let text = &self.line[from..self.i];
                    if key_next && matches!(open.last(), Some(Open::Object)) {
                        let key: String = serde_json::from_slice(text).unwrap_or_default();
                        let step = key.replace('~', "~0").replace('/', "~1");
                        self.path.last_mut().into_iter().for_each(|last| last.clone_from(&step));
                    }
                    if (from..self.i).contains(&self.at) {
                        return true;
                    }
                }
                c if c.is_ascii_whitespace() => self.i += 1,
                _ => {
                    while self.line.get(self.i).is_some_and(|c| !b",]} \t\r\n".contains(c)) {
                        self.i += 1;
                    }
                    if (from..self.i).contains(&self.at) {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn string(&mut self) {
        self.i += 1;
        while let Some(c) = self.line.get(self.i) {
            self.i += if *c == b'\\' { 2 } else { 1 };
            if *c == b'"' {
                break;
            }
        }
        self.i = self.i.min(self.line.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_of_a_byte_is_found() {
        let line = br#"{"a":"x","b":{"c/d":[1,"se\"cret",{"e":true}]},"f":null}"#;
        let at = |needle: &str| pointer_at(line, memchr::memmem::find(line, needle.as_bytes()).unwrap());
        assert_eq!(at("x").as_deref(), Some("/a"));
        assert_eq!(at("cret").as_deref(), Some("/b/c~1d/1"));
        assert_eq!(at("true").as_deref(), Some("/b/c~1d/2/e"));
        assert_eq!(at("null").as_deref(), Some("/f"));
        assert_eq!(at("f\"").as_deref(), Some("/f"));
    }

    #[test]
    fn what_is_no_json_has_no_field() {
        assert_eq!(pointer_at(b"1.2.3.4 - - [04/May] \"GET /?key=x\"", 32), None);
        for line in ["", "plain text", "}", "{\"a\":1}}", "{\"a", "[", "a=b {"] {
            assert_eq!(pointer_at(line.as_bytes(), line.len()), None, "{line}");
        }
        assert_eq!(pointer_at(br#"2026 {"a":"cut off"#, 13).as_deref(), Some("/a"));
        let deep = "[".repeat(100_000);
        assert_eq!(pointer_at(deep.as_bytes(), 99_999), None);
    }
}
