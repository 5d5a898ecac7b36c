//! What `top` shows, drawn from what the API says.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table, TableState, Wrap};
use serde_json::Value;

use super::style::plain;
use super::top_words::{ago, list, number, seconds, short, size, sparkline, text};

/// The views, in the order of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// What happens now.
    #[default]
    Now,
    /// The keys.
    Keys,
    /// The alerts.
    Alerts,
}

impl View {
    /// All of them.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Now, "now"), (Self::Keys, "keys"), (Self::Alerts, "alerts")];
}

/// Orders of the keys, with what they are called.
pub const ORDERS: [(&str, &str); 6] = [
    ("-hour", "last hour"),
    ("-requests", "requests"),
    ("-errors", "errors"),
    ("-last_seen", "last seen"),
    ("-networks", "networks"),
    ("-leaked", "leaked"),
];

/// Everything that is drawn.
#[derive(Default)]
pub struct Model {
    /// The view.
    pub view: View,
    /// `/api/v1/status`
    pub status: Value,
    /// The status before, for rates.
    pub before: Value,
    /// What belongs to the view.
    pub page: Value,
    /// `/api/v1/redactions`
    pub redactions: Value,
    /// The chosen row.
    pub chosen: usize,
    /// The order of the keys, by position.
    pub order: usize,
    /// What keys are searched for.
    pub search: String,
    /// Whether the search is being typed.
    pub typing: bool,
    /// Something to say.
    pub note: String,
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);

impl Model {
    /// Rows of the present view.
    pub fn rows(&self) -> &[Value] {
        let name = match self.view {
            View::Now => return &[],
            View::Keys => "keys",
            View::Alerts => "alerts",
        };
        self.page[name].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The chosen row.
    pub fn row(&self) -> Option<&Value> {
        self.rows().get(self.chosen)
    }

    /// Growth of a number of the status in a second.
    fn rate(&self, name: &str) -> Option<f64> {
        let at = |status: &Value| {
            let time = chrono::DateTime::parse_from_rfc3339(status["now"]["at"].as_str()?).ok()?;
            Some((time.timestamp_millis() as f64 / 1e3, status["now"][name].as_f64()?))
        };
        let ((t0, a), (t1, b)) = (at(&self.before)?, at(&self.status)?);
        (t1 > t0).then(|| ((b - a) / (t1 - t0)).max(0.0))
    }
}

/// Draws it all.
pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    let [head, numbers, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(2), Constraint::Min(3), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(title(model), head);
    frame.render_widget(Paragraph::new(figures(model)), numbers);
    match model.view {
        View::Now => now(frame, model, body),
        View::Keys => keys(frame, model, body),
        View::Alerts => alerts(frame, model, body),
    }
    frame.render_widget(footer(model), foot);
}

fn title(model: &Model) -> Line<'static> {
    let mut spans = vec![Span::styled("logwarden ", BOLD), Span::raw(format!("{}  ", text(&model.status["host"])))];
    for (n, (view, name)) in View::ALL.iter().enumerate() {
        let style = if *view == model.view { BOLD.add_modifier(Modifier::REVERSED) } else { Style::new() };
        spans.push(Span::styled(format!(" {} {name} ", n + 1), style));
    }
    let firing = model.status["now"]["alerts_firing"].as_u64().unwrap_or(0);
    let ready = model.status["now"]["ready"].as_bool();
    spans.push(match (ready, firing) {
        (None, _) => Span::raw("  connecting"),
        (Some(false), _) => Span::raw("  IN TROUBLE").red().bold(),
        (Some(true), 0) => Span::raw("  all quiet").green(),
        (Some(true), n) => Span::raw(format!("  {n} FIRING")).red().bold(),
    });
    Line::from(spans)
}

fn figures(model: &Model) -> Vec<Line<'static>> {
    let now = &model.status["now"];
    let rate = |name| model.rate(name).map_or("-".to_owned(), |r| short(r.round()));
    let bytes = model.rate("bytes").map_or("-".to_owned(), size);
    let latency = &model.status["latency_s"];
    vec![
        Line::from(format!(
            "lines {}/s   bytes {bytes}/s   redactions {}/s   lag {}",
            rate("lines"),
            rate("redactions"),
            size(now["lag_bytes"].as_f64().unwrap_or(0.0)),
        )),
        Line::from(format!(
            "keys {}   withheld {}   late {}   latency p50 {} p99 {}",
            number(&now["keys"]),
            number(&now["withheld"]),
            number(&model.status["events"]["late"]),
            seconds(&latency["p50"]),
            seconds(&latency["p99"]),
        )),
    ]
}

fn now(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let troubles = list(&model.status["not_ready"]);
    let failed_reload = model.status["reload"]["successful"] == false;
    let tall = troubles.len() as u16 + u16::from(failed_reload);
    let [top, rest] = Layout::vertical([Constraint::Length(tall), Constraint::Min(3)]).areas(area);
    let mut words: Vec<Line<'_>> = troubles.iter().map(|t| Line::from(text(t)).red().bold()).collect();
    if failed_reload {
        words.push(Line::from("the configuration could not be reloaded; the old one goes on").red().bold());
    }
    frame.render_widget(Paragraph::new(words), top);
    let halves = if area.width >= 90 {
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).split(rest)
    } else {
        Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).split(rest)
    };
    let [left, right] = [halves[0], halves[1]];
    let [alerts, rules] = Layout::vertical([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(left);
    let firing = list(&model.page["alerts"]).iter().map(|a| Row::new([severity(a), Line::from(text(&a["summary"]))]));
    let firing: Vec<Row<'_>> = firing.collect();
    if firing.is_empty() {
        frame.render_widget(Paragraph::new("nothing is firing").style(DIM).block(block("firing")), alerts);
    } else {
        let widths = [Constraint::Length(8), Constraint::Min(10)];
        frame.render_widget(Table::new(firing, widths).block(block("firing")), alerts);
    }
    let by_rule = list(&model.redactions["rules"]).iter().map(|r| Row::new([text(&r["rule"]), number(&r["count"])]));
    let widths = [Constraint::Min(10), Constraint::Length(10)];
    frame.render_widget(Table::new(by_rule, widths).block(block("redactions by rule")), rules);
    let [sources, receivers] = Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(right);
    let rows = list(&model.page["sources"]).iter().map(|s| {
        Row::new([
            text(&s["name"]),
            number(&s["lines"]),
            size(s["bytes"].as_f64().unwrap_or(0.0)),
            size(s["lag_bytes"].as_f64().unwrap_or(0.0)),
        ])
    });
    let head = Row::new(["source", "lines", "bytes", "lag"]).style(DIM);
    let widths = [Constraint::Min(8), Constraint::Length(9), Constraint::Length(9), Constraint::Length(9)];
    frame.render_widget(Table::new(rows, widths).header(head).block(block("sources")), sources);
    let rows = list(&model.status["receivers"]).iter().map(receiver);
    let head = Row::new(["receiver", "", "sent", "waiting"]).style(DIM);
    let widths = [Constraint::Min(8), Constraint::Length(8), Constraint::Length(9), Constraint::Length(9)];
    frame.render_widget(Table::new(rows, widths).header(head).block(block("receivers")), receivers);
}

fn receiver(r: &Value) -> Row<'static> {
    let waiting = r["pending"].as_u64().unwrap_or(0) + r["digest"].as_u64().unwrap_or(0);
    let ill = r["dead"].as_u64() > Some(0) || (r["pending"].as_u64() > Some(0) && r["error"].is_string());
    let state = if ill { Line::from("failing").red() } else { Line::from("well").green() };
    let cells = [Line::from(text(&r["name"])), state, Line::from(number(&r["sent"])), Line::from(waiting.to_string())];
    Row::new(cells)
}

fn keys(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let rows = model.rows().iter().map(|k| {
        let hour = &k["last_hour"];
        let (uses, wrong) = (
            hour["requests"].as_f64().unwrap_or(0.0),
            hour["errors"].as_f64().unwrap_or(0.0) + hour["refused"].as_f64().unwrap_or(0.0),
        );
        let share = if uses > 0.0 { format!("{:.0} %", wrong / uses * 100.0) } else { "-".to_owned() };
        let share = if uses > 0.0 && wrong / uses > 0.2 { Line::from(share).red() } else { Line::from(share) };
        let leaked = if k["leaked_at"].is_string() { Line::from("LEAKED").red().bold() } else { Line::from("") };
        Row::new([
            Line::from(key_name(k)),
            Line::from(number(&k["requests"])),
            Line::from(number(&hour["requests"])),
            Line::from(sparkline(&k["sparkline"])).blue(),
            share,
            Line::from(number(&k["networks"])),
            Line::from(ago(&k["last_seen"], &model.status)),
            leaked,
        ])
    });
    let (_, order) = ORDERS[model.order % ORDERS.len()];
    let found = if model.search.is_empty() { String::new() } else { format!(" with \"{}\"", plain(&model.search)) };
    let title = format!("{} keys{found}, by {order}", number(&model.page["matched"]));
    let head = Row::new(["key", "requests", "hour", "5 min each", "errors", "nets", "seen", ""]).style(DIM);
    let widths = [
        Constraint::Min(24),
        Constraint::Length(9),
        Constraint::Length(7),
        Constraint::Length(12),
        Constraint::Length(6),
        Constraint::Length(4),
        Constraint::Length(8),
        Constraint::Length(6),
    ];
    let table = Table::new(rows, widths).header(head).row_highlight_style(Modifier::REVERSED).block(block(&title));
    let mut state = TableState::new().with_selected(Some(model.chosen));
    frame.render_stateful_widget(table, area, &mut state);
}

fn alerts(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let [all, one] = Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area);
    let rows = model.rows().iter().map(|a| {
        let hand = if a["in_hand"] == true { "in hand" } else { "" };
        Row::new([
            severity(a),
            Line::from(ago(&a["starts_at"], &model.status)),
            Line::from(text(&a["kind"])),
            Line::from(text(&a["summary"])),
            Line::from(hand),
        ])
    });
    let widths = [
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(18),
        Constraint::Min(20),
        Constraint::Length(7),
    ];
    let title = format!("{} alerts", number(&model.page["matched"]));
    let table = Table::new(rows, widths).row_highlight_style(Modifier::REVERSED).block(block(&title));
    frame.render_stateful_widget(table, all, &mut TableState::new().with_selected(Some(model.chosen)));
    let mut lines = Vec::new();
    if let Some(a) = model.row() {
        lines.push(Line::styled(text(&a["summary"]), BOLD));
        lines.push(Line::from(text(&a["why"])));
        lines.extend(list(&a["evidence"]["lines"]).iter().map(|l| Line::styled(text(l), DIM)));
        lines.extend(list(&a["runbook"]).iter().map(|s| Line::from(format!("- {}", text(&s["step"])))));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).block(block("")), one);
}

fn footer(model: &Model) -> Line<'static> {
    if model.typing {
        return Line::from(format!("search: {}_   Enter: done   Esc: all", plain(&model.search)));
    }
    if !model.note.is_empty() {
        return Line::from(plain(&model.note)).bold();
    }
    let keys = match model.view {
        View::Now => "q quit   1 2 3 or Tab: views",
        View::Keys => "q quit   1 2 3: views   up down: choose   s: order   /: search",
        View::Alerts => "q quit   1 2 3: views   up down: choose   a: take in hand",
    };
    Line::styled(keys, DIM)
}

fn block(title: &str) -> Block<'static> {
    Block::bordered().title(title.to_owned())
}

fn severity(a: &Value) -> Line<'static> {
    match (a["status"].as_str(), a["severity"].as_str()) {
        (Some("resolved"), _) => Line::from("resolved").green(),
        (_, Some("critical")) => Line::from("CRITICAL").red().bold(),
        (_, Some("warning")) => Line::from("warning").yellow(),
        _ => Line::from("info").cyan(),
    }
}

fn key_name(k: &Value) -> String {
    match k["label"].as_str() {
        Some(label) => plain(label),
        None => format!("[{}:{}]", text(&k["type"]), text(&k["tag"])),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;

    fn model() -> Model {
        let status = |at: &str, lines: u64| {
            json!({"host": "web-1", "now": {"at": at, "lines": lines, "bytes": lines * 800, "redactions": lines / 10,
                "lag_bytes": 2048, "keys": 100_000, "withheld": 0, "alerts_firing": 1, "ready": true},
                "latency_s": {"p50": 0.0008, "p99": 0.012}, "events": {"late": 3}, "not_ready": [], "reload": {"successful": true},
                "receivers": [{"name": "ops", "sent": 4, "pending": 1, "digest": 0, "dead": 0, "error": "refused"}]})
        };
        let alert = json!({"severity": "critical", "status": "firing", "summary": "billing used 40 x as much\u{1b}[31m",
            "kind": "volume_spike", "starts_at": "2026-05-01T12:00:00Z", "why": "400 in 5 min, 10 expected", "in_hand": true,
            "evidence": {"lines": ["{\"api_key\":\"[API_KEY:0k]\"}"]}, "runbook": [{"step": "Revoke the key"}]});
        let key = json!({"type": "API_KEY", "tag": "0k\u{7}", "label": null, "requests": 1_234_567, "networks": 2,
            "last_hour": {"requests": 100, "errors": 30, "refused": 1}, "sparkline": [0, 1, 2, 4, 8, 0, 0, 0, 0, 0, 0, 3],
            "last_seen": "2026-05-01T12:09:00Z", "leaked_at": "2026-05-01T12:00:00Z"});
        Model {
            status: status("2026-05-01T12:10:01Z", 61_000),
            before: status("2026-05-01T12:10:00Z", 60_000),
            page: json!({"matched": 1, "alerts": [alert], "keys": [key],
                "sources": [{"name": "app", "lines": 61_000, "bytes": 5_000_000, "lag_bytes": 0}]}),
            redactions: json!({"rules": [{"rule": "openai-api-key", "count": 61}]}),
            ..Model::default()
        }
    }

    fn drawn(model: &Model) -> String {
        let mut terminal = Terminal::new(TestBackend::new(100, 22)).unwrap();
        terminal.draw(|frame| draw(frame, model)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn each_view_is_drawn() {
        insta::with_settings!({snapshot_path => "../../tests/snapshots", prepend_module_to_snapshot => false}, {
            for (view, name) in View::ALL {
                insta::assert_snapshot!(format!("top_{name}"), drawn(&Model { view, ..model() }));
            }
            insta::assert_snapshot!("top_empty", drawn(&Model::default()));
        });
    }

    #[test]
    fn any_size_of_window_will_do() {
        for (width, height) in [(1, 1), (10, 3), (40, 8), (300, 80)] {
            for (view, _) in View::ALL {
                let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
                terminal.draw(|frame| draw(frame, &Model { view, ..model() })).unwrap();
            }
        }
    }
}
