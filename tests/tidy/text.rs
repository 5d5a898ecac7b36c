//! Enough of Rust's grammar to read paths off a file: blank what is not code, cut test modules, expand use trees.

/// Replaces comments and the insides of strings and characters by spaces; lines stay where they are.
pub fn code_only(text: &str) -> String {
    let b = text.as_bytes();
    let mut out = b.to_vec();
    let mut blank = |from: usize, to: usize| {
        for c in &mut out[from..to.min(b.len())] {
            if *c != b'\n' {
                *c = b' ';
            }
        }
    };
    let mut i = 0;
    while i < b.len() {
        let end = match b[i] {
            b'/' if b.get(i + 1) == Some(&b'/') => text[i..].find('\n').map_or(b.len(), |n| i + n),
            b'/' if b.get(i + 1) == Some(&b'*') => block_comment_end(b, i),
            b'"' => string_end(b, i),
            b'r' if raw_string_end(text, i).is_some() => raw_string_end(text, i).unwrap(),
            b'\'' => match char_end(b, i) {
                Some(end) => end,
                None => {
                    i += 1;
                    continue;
                }
            },
            _ => {
                i += 1;
                continue;
            }
        };
        blank(i, end);
        i = end;
    }
    String::from_utf8(out).unwrap()
}

fn block_comment_end(b: &[u8], start: usize) -> usize {
    let (mut depth, mut i) = (0usize, start);
    while i < b.len() {
        match &b[i..b.len().min(i + 2)] {
            b"/*" => depth += 1,
            b"*/" => {
                depth -= 1;
                if depth == 0 {
                    return i + 2;
                }
            }
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
    }
    b.len()
}

fn string_end(b: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < b.len() && b[i] != b'"' {
        i += if b[i] == b'\\' { 2 } else { 1 };
    }
    i + 1
}

fn raw_string_end(text: &str, start: usize) -> Option<usize> {
    let before = text[..start].chars().next_back();
    if before.is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_') {
        return None;
    }
    let hashes = text[start + 1..].bytes().take_while(|c| *c == b'#').count();
    let open = start + 1 + hashes;
    (text.as_bytes().get(open) == Some(&b'"')).then(|| {
        let close = format!("\"{}", "#".repeat(hashes));
        text[open + 1..].find(&close).map_or(text.len(), |n| open + 1 + n + close.len())
    })
}

fn char_end(b: &[u8], start: usize) -> Option<usize> {
    if b.get(start + 1) == Some(&b'\\') {
        return b[start + 2..].iter().skip(1).position(|c| *c == b'\'').map(|n| start + 4 + n);
    }
    // A character of up to four bytes, then the closing quote; otherwise it is a lifetime.
    let len = std::str::from_utf8(&b[start + 1..b.len().min(start + 5)])
        .unwrap_or_else(|e| std::str::from_utf8(&b[start + 1..start + 1 + e.valid_up_to()]).unwrap())
        .chars()
        .next()?
        .len_utf8();
    (b.get(start + 1 + len) == Some(&b'\'')).then_some(start + 2 + len)
}

/// Blanks every item under `#[cfg(test)]`. Takes text without comments and strings.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(at) = out.find("#[cfg(test)]") {
        let end = match (out[at..].find('{'), out[at..].find(';')) {
            (Some(open), semi) if semi.is_none_or(|s| s > open) => block_end(&out, at + open),
            (_, Some(semi)) => at + semi + 1,
            _ => out.len(),
        };
        let blanked: String = out[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(at..end, &blanked);
    }
    out
}

/// The byte behind the brace that closes the one at `open`.
pub fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (i, c) in code[open..].bytes().enumerate() {
        match c {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return open + i + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// A path as it stands in the code, use trees expanded, with its line.
#[derive(Debug, PartialEq)]
pub struct Found {
    pub line: usize,
    pub segments: Vec<String>,
}

/// All paths of two or more segments, and all single names that follow nothing.
pub fn paths(code: &str) -> Vec<Found> {
    let b = code.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    while i < b.len() {
        if is_ident(b[i]) {
            let line = code[..i].matches('\n').count() + 1;
            let mut found = Vec::new();
            i = tree(code, i, &mut Vec::new(), &mut found);
            out.extend(found.into_iter().map(|segments| Found { line, segments }));
        } else {
            i += 1;
        }
    }
    out
}

fn is_ident(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

fn skip_space(code: &str, mut i: usize) -> usize {
    while code.as_bytes().get(i).is_some_and(u8::is_ascii_whitespace) {
        i += 1;
    }
    i
}

fn tree(code: &str, start: usize, prefix: &mut Vec<String>, out: &mut Vec<Vec<String>>) -> usize {
    let b = code.as_bytes();
    let mut i = start;
    while i < b.len() && is_ident(b[i]) {
        i += 1;
    }
    prefix.push(code[start..i].to_owned());
    if code[i..].starts_with("::") {
        let next = skip_space(code, i + 2);
        match b.get(next) {
            Some(c) if is_ident(*c) => {
                let end = tree(code, next, prefix, out);
                prefix.pop();
                return end;
            }
            Some(b'*') => {
                prefix.push("*".to_owned());
                out.push(prefix.clone());
                prefix.truncate(prefix.len() - 2);
                return next + 1;
            }
            Some(b'{') => {
                i = next + 1;
                loop {
                    i = skip_space(code, i);
                    match b.get(i) {
                        Some(c) if is_ident(*c) => i = tree(code, i, prefix, out),
                        Some(b'}') | None => break,
                        _ => i += 1,
                    }
                }
                prefix.pop();
                return i + 1;
            }
            _ => {}
        }
    }
    out.push(prefix.clone());
    prefix.pop();
    i
}

#[test]
fn paths_are_read() {
    let code = code_only("use a::{b, c::{d, self}, e::*}; // x::y\nlet s = \"p::q\"; f::g::<u8>();");
    let got: Vec<String> =
        paths(&code).into_iter().map(|f| f.segments.join("::")).filter(|p| p.contains("::")).collect();
    assert_eq!(got, ["a::b", "a::c::d", "a::c::self", "a::e::*", "f::g"]);
    assert_eq!(code_only("r#\"x\"y\"# 'a' '\\'' 'b").trim(), "'b");
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod t { { } }\nb").replace([' ', '\n'], ""), "ab");
}
