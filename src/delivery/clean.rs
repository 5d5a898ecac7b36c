//! Text from logs and from receivers, made safe to show.

/// Characters that may act instead of being shown: control characters, and those that reorder or hide text.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// One line of at most `limit` characters: acting characters become spaces; what is cut is shown by an ellipsis.
pub fn line(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for (n, c) in text.trim().chars().enumerate() {
        if n + 1 >= limit && text.trim().chars().nth(limit).is_some() {
            out.push('…');
            break;
        }
        out.push(if acts(c) { ' ' } else { c });
    }
    out
}

/// Text of several lines: line breaks become `\n`, other acting characters spaces, and white space at the end goes.
pub fn text(text: impl AsRef<str>) -> String {
    let text = text.as_ref().replace("\r\n", "\n");
    let calm: String = text.chars().map(|c| if acts(c) && c != '\n' { ' ' } else { c }).collect();
    calm.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// Text for Slack's mrkdwn: its three special characters escaped, so that no mention or link can begin; asterisks and
/// backticks, which it has no escape for, by lookalikes.
pub fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('*', "∗").replace('`', "ˋ")
}

/// Text for HTML, inside elements and quoted attributes. Acting characters become spaces.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if acts(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Text for Markdown: every character that could begin markup or a mention is escaped.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '(' | ')' | '<' | '>' | '|' | '#' | '@') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A link that may be followed: http or https, without characters that end an attribute or a chat link.
pub fn link(url: &str) -> Option<&str> {
    let fine =
        |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '<' | '>' | '"' | '\'' | '|' | '`' | ')');
    (url.starts_with("https://") || url.starts_with("http://")).then_some(url).filter(|u| u.chars().all(fine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts() {
        assert_eq!(line("a\r\nBcc: x@y\0\u{202e}z\n", 100), "a  Bcc: x@y  z");
        assert_eq!(html("<a href=\"x\" onclick='y'>&\u{7}"), "&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp; ");
        assert_eq!(link("javascript:alert(1)"), None);
        assert_eq!(link("https://x.example/\"onclick=\""), None);
        assert_eq!(link("https://x.example/a?b=c"), Some("https://x.example/a?b=c"));
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(line("äöüß", 4), "äöüß");
        assert_eq!(line("äöüßé", 4), "äöü…");
    }
}
