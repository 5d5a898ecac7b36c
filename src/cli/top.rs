//! `top`: the running service in a terminal, over its own API.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::{Value, json};

use super::client::{Client, ServiceArgs};
use super::exit::{Exit, Failure};
use super::state::operator;
use super::top_view::{Model, ORDERS, View, draw};

/// How long a key press is waited for.
const WAIT: Duration = Duration::from_millis(100);

/// Rows that are asked for.
const ROWS: usize = 200;

/// What `top` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Show once, as text, and end
    #[arg(long)]
    pub once: bool,

    /// The view to begin with
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    pub view: ViewArg,

    /// Seconds between two looks
    #[arg(long, short = 'n', default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub interval: u64,
}

/// A view as it is named on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ViewArg {
    /// What happens now.
    #[default]
    Now,
    /// The keys.
    Keys,
    /// The alerts.
    Alerts,
}

/// Shows the service until it is told to end.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let client = args.service.client()?;
    let view = match args.view {
        ViewArg::Now => View::Now,
        ViewArg::Keys => View::Keys,
        ViewArg::Alerts => View::Alerts,
    };
    let mut model = Model { view, ..Model::default() };
    let unreachable = |why: String| {
        let help = "the service needs an [http] section, and `top` the right to open its socket";
        Failure::new(Exit::IO, why).help(help)
    };
    if args.once {
        let seen = look(&client, &Question::of(&model)).map_err(unreachable)?;
        take(&mut model, seen);
        return once(&model);
    }
    if !std::io::stdout().is_terminal() {
        let failure = Failure::new(Exit::USAGE, "`top` needs a terminal");
        return Err(failure.help("`top --once` writes one look as text").into());
    }
    // what is wrong from the beginning is told in plain words
    client.get("status").map_err(unreachable)?;
    let mut terminal = ratatui::try_init().context("cannot use this terminal")?;
    let result = watch(&mut terminal, &mut model, &client, Duration::from_secs(args.interval));
    ratatui::restore();
    result.map(|()| Exit::OK)
}

/// Writes what would be seen as text.
fn once(model: &Model) -> anyhow::Result<Exit> {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).unwrap_or(120).clamp(40, 400);
    let tall = 12 + u16::try_from(model.rows().len()).unwrap_or(ROWS as u16) * 2;
    let mut terminal = Terminal::new(TestBackend::new(columns, tall.max(24)))?;
    terminal.draw(|frame| draw(frame, model))?;
    let buffer = terminal.backend().buffer().clone();
    let mut out = anstream::stdout().lock();
    for row in buffer.content().chunks(usize::from(columns)) {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(Exit::OK)
}

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    view: View,
    order: usize,
    search: String,
}

impl Question {
    fn of(model: &Model) -> Self {
        Self { view: model.view, order: model.order, search: model.search.clone() }
    }
}

/// What was seen.
struct Seen {
    question: Question,
    status: Value,
    redactions: Value,
    page: Value,
}

fn look(client: &Client, question: &Question) -> Result<Seen, String> {
    let status = client.get("status")?;
    let mut redactions = Value::Null;
    let page = match question.view {
        View::Now => {
            redactions = client.get("redactions")?;
            let mut page = client.get("alerts?status=firing&limit=50")?;
            page["sources"] = client.get("sources")?["sources"].take();
            page
        }
        View::Keys => {
            let search = utf8_percent_encode(&question.search, NON_ALPHANUMERIC);
            let (order, _) = ORDERS[question.order % ORDERS.len()];
            client.get(&format!("keys?limit={ROWS}&sort={order}&search={search}"))?
        }
        View::Alerts => client.get(&format!("alerts?limit={ROWS}"))?,
    };
    Ok(Seen { question: question.clone(), status, redactions, page })
}

fn take(model: &mut Model, seen: Seen) {
    model.before = std::mem::replace(&mut model.status, seen.status);
    // what was asked before the view changed comes too late
    if seen.question == Question::of(model) {
        model.page = seen.page;
        model.chosen = model.chosen.min(model.rows().len().saturating_sub(1));
        if !seen.redactions.is_null() {
            model.redactions = seen.redactions;
        }
    }
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    model: &mut Model,
    client: &Client,
    interval: Duration,
) -> anyhow::Result<()> {
    let (ask, answers) = asker(client.clone())?;
    let mut asked: Option<(Instant, Question)> = None;
    let mut noted = Instant::now();
    loop {
        let question = Question::of(model);
        if asked.as_ref().is_none_or(|(at, last)| at.elapsed() >= interval || *last != question) {
            asked = Some((Instant::now(), question.clone()));
            ask.send(question).context("the thread that asks has died")?;
        }
        while let Ok(answer) = answers.try_recv() {
            match answer {
                Ok(seen) => take(model, seen),
                Err(why) => (model.note, noted) = (why, Instant::now()),
            }
        }
        if noted.elapsed() > Duration::from_secs(4) {
            model.note.clear();
        }
        terminal.draw(|frame| draw(frame, model))?;
        if !event::poll(WAIT)? {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        match press(model, key) {
            Press::None => {}
            Press::Quit => return Ok(()),
            Press::Ack => {
                (model.note, noted) = (take_in_hand(model, client), Instant::now());
                asked = None;
            }
        }
    }
}

type Answers = Receiver<Result<Seen, String>>;

/// A thread that asks, so that a slow service never makes the keyboard wait. Of several questions the last one counts.
fn asker(client: Client) -> anyhow::Result<(Sender<Question>, Answers)> {
    let (ask, questions) = channel::<Question>();
    let (tell, answers) = channel();
    let work = move || {
        while let Ok(mut question) = questions.recv() {
            while let Ok(later) = questions.try_recv() {
                question = later;
            }
            if tell.send(look(&client, &question)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("top".to_owned()).spawn(work)?;
    Ok((ask, answers))
}

/// What a key press means beyond a change of what is shown.
#[derive(Debug, PartialEq, Eq)]
enum Press {
    None,
    Quit,
    Ack,
}

fn press(model: &mut Model, key: KeyEvent) -> Press {
    if key.kind == KeyEventKind::Release {
        return Press::None;
    }
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Press::Quit;
    }
    if model.typing {
        match key.code {
            KeyCode::Enter => model.typing = false,
            KeyCode::Esc => {
                model.typing = false;
                model.search.clear();
            }
            KeyCode::Backspace => {
                model.search.pop();
            }
            KeyCode::Char(c) if model.search.len() < 100 => model.search.push(c),
            _ => {}
        }
        return Press::None;
    }
    let here = View::ALL.iter().position(|(view, _)| *view == model.view).unwrap_or(0);
    let last = model.rows().len().saturating_sub(1);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Press::Quit,
        KeyCode::Char(c @ '1'..='3') => go(model, usize::from(c as u8 - b'1')),
        KeyCode::Tab | KeyCode::Right => go(model, (here + 1) % View::ALL.len()),
        KeyCode::BackTab | KeyCode::Left => go(model, (here + View::ALL.len() - 1) % View::ALL.len()),
        KeyCode::Down | KeyCode::Char('j') => model.chosen = (model.chosen + 1).min(last),
        KeyCode::Up | KeyCode::Char('k') => model.chosen = model.chosen.saturating_sub(1),
        KeyCode::PageDown => model.chosen = (model.chosen + 20).min(last),
        KeyCode::PageUp => model.chosen = model.chosen.saturating_sub(20),
        KeyCode::Home => model.chosen = 0,
        KeyCode::End => model.chosen = last,
        KeyCode::Char('s') if model.view == View::Keys => model.order = (model.order + 1) % ORDERS.len(),
        KeyCode::Char('/') => {
            go(model, 1);
            model.typing = true;
        }
        KeyCode::Char('a') if model.view == View::Alerts && model.row().is_some() => return Press::Ack,
        _ => {}
    }
    Press::None
}

fn go(model: &mut Model, to: usize) {
    if model.view != View::ALL[to].0 {
        model.view = View::ALL[to].0;
        (model.page, model.chosen) = (Value::Null, 0);
    }
}

/// Takes the chosen alert in hand; what to say about it.
fn take_in_hand(model: &Model, client: &Client) -> String {
    let Some(id) = model.row().and_then(|row| row["id"].as_str()) else { return String::new() };
    match client.post(&format!("alerts/{id}/ack"), &json!({"author": operator()})) {
        Ok(_) => "it is in hand".to_owned(),
        Err(why) => format!("not done: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_where_they_should() {
        let mut model = Model::default();
        let hit = |model: &mut Model, code| press(model, KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(hit(&mut model, KeyCode::Char('3')), Press::None);
        assert_eq!(model.view, View::Alerts);
        assert_eq!(hit(&mut model, KeyCode::Char('a')), Press::None, "there is no alert");
        model.page = json!({"alerts": [{"id": "1"}, {"id": "2"}]});
        hit(&mut model, KeyCode::Down);
        hit(&mut model, KeyCode::Down);
        assert_eq!(model.chosen, 1);
        assert_eq!(hit(&mut model, KeyCode::Char('a')), Press::Ack);
        hit(&mut model, KeyCode::Char('/'));
        assert_eq!((model.view, model.typing, model.chosen), (View::Keys, true, 0));
        for c in "q1".chars() {
            assert_eq!(hit(&mut model, KeyCode::Char(c)), Press::None);
        }
        assert_eq!(model.search, "q1");
        hit(&mut model, KeyCode::Enter);
        hit(&mut model, KeyCode::Char('s'));
        assert_eq!((model.order, model.search.as_str()), (1, "q1"));
        hit(&mut model, KeyCode::Tab);
        assert_eq!(model.view, View::Alerts);
        assert_eq!(hit(&mut model, KeyCode::Char('q')), Press::Quit);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(press(&mut Model { typing: true, ..Model::default() }, interrupt), Press::Quit);
    }

    #[test]
    fn an_answer_to_an_older_question_changes_no_page() {
        let mut model = Model { view: View::Keys, ..Model::default() };
        let question = Question { view: View::Alerts, order: 0, search: String::new() };
        let seen = Seen { question, status: json!({"a": 1}), redactions: Value::Null, page: json!({"alerts": []}) };
        take(&mut model, seen);
        assert_eq!((&model.status["a"], &model.page), (&json!(1), &Value::Null));
    }
}
