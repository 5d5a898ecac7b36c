//! A configuration as a tree that remembers where each key and value stands, merged from several files.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::error::{Problem, is_secret_name, shown};

/// A place in one of the files, as a range of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) file: usize,
    pub(super) span: Range<usize>,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) item: Item,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Table(BTreeMap<String, Entry>),
    Array(Vec<Node>),
    Leaf(toml::Value),
}

/// A key with its place, and the value under it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: At,
    pub(super) node: Node,
}

/// One step on the way down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The files and the tree that they make together.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) files: Vec<(PathBuf, String)>,
    pub(super) root: Node,
}

impl Tree {
    /// Merges `files` (name, text), later ones into earlier ones.
    ///
    /// Tables are merged key by key, arrays of tables are joined; a value that is set twice is a mistake.
    pub(super) fn parse(files: Vec<(PathBuf, String)>) -> Result<Self, Vec<Problem>> {
        let mut tree =
            Self { files, root: Node { at: At { file: 0, span: 0..0 }, item: Item::Table(BTreeMap::new()) } };
        let mut problems = Vec::new();
        for file in 0..tree.files.len() {
            let text = tree.files[file].1.clone();
            match DeTable::parse(&text) {
                Ok(table) => {
                    let mut twice = Vec::new();
                    merge(&mut tree.root, table_node(file, table.span(), table.into_inner()), "", &mut twice);
                    for (path, first, second) in twice {
                        let (other, line) = (tree.files[first.file].0.display(), tree.line(&first));
                        let help = format!("it is first set in {other}:{line}; keep one of them");
                        problems.push(tree.problem(&second, format!("`{path}` is set twice"), Some(help)));
                    }
                }
                Err(error) => {
                    let at = At { file, span: error.span().unwrap_or(0..0) };
                    problems.push(tree.problem(&at, error.message().to_lowercase(), None));
                }
            }
        }
        if problems.is_empty() { Ok(tree) } else { Err(problems) }
    }

    /// The tree as plain TOML, for deserialization.
    pub(super) fn value(&self) -> toml::Value {
        self.root.value()
    }

    /// The entry at the end of `path`, or the last one on the way that exists.
    pub(super) fn nearest(&self, path: &[Step]) -> (Option<&Entry>, &Node, usize) {
        let (mut entry, mut node, mut depth) = (None, &self.root, 0);
        for step in path {
            match (step, &node.item) {
                (Step::Key(key), Item::Table(table)) if table.contains_key(key) => {
                    entry = table.get(key);
                    node = entry.map_or(node, |e| &e.node);
                }
                (Step::Index(n), Item::Array(items)) if *n < items.len() => {
                    entry = None;
                    node = &items[*n];
                }
                _ => break,
            }
            depth += 1;
        }
        (entry, node, depth)
    }

    /// Takes the value at `path` out; whether it was there.
    pub(super) fn remove(&mut self, path: &[Step]) -> bool {
        let Some((last, way)) = path.split_last() else { return false };
        let mut node = &mut self.root;
        for step in way {
            let next = match (step, &mut node.item) {
                (Step::Key(key), Item::Table(table)) => table.get_mut(key).map(|e| &mut e.node),
                (Step::Index(n), Item::Array(items)) => items.get_mut(*n),
                _ => None,
            };
            let Some(next) = next else { return false };
            node = next;
        }
        match (last, &mut node.item) {
            (Step::Key(key), Item::Table(table)) => table.remove(key).is_some(),
            (Step::Index(n), Item::Array(items)) if *n < items.len() => {
                items.remove(*n);
                true
            }
            _ => false,
        }
    }

    /// A problem with what stands at `path`: its key when it has one, else the value.
    pub(super) fn problem_at(&self, path: &[Step], message: String, help: Option<String>) -> Problem {
        let (entry, node, _) = self.nearest(path);
        let at = match (entry, &node.item) {
            (Some(entry), Item::Table(_)) => &entry.key,
            _ => &node.at,
        };
        self.problem(at, message, help)
    }

    /// A problem with a key that nobody knows; its value is not shown, it may be a secret under a misspelt name.
    pub(super) fn problem_with_key(&self, key: &At, message: String, help: Option<String>) -> Problem {
        let problem = self.problem(key, message, help);
        let raw = self.line_text(key);
        let from = raw.char_indices().nth(problem.col - 1).map_or(0, |(i, _)| i);
        Problem { source: shown(raw, Some(from)), ..problem }
    }

    /// A problem at a place.
    pub(super) fn problem(&self, at: &At, message: String, help: Option<String>) -> Problem {
        let (file, text) = &self.files[at.file];
        let start = at.span.start.min(text.len());
        let begin = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let raw = self.line_text(at);
        let stop = at.span.end.clamp(start, (begin + raw.len()).max(start));
        // Inside a text of several lines nobody can tell whose value it is.
        let inside = ["\"\"\"", "'''"].iter().any(|quotes| text[..begin].matches(quotes).count() % 2 == 1);
        Problem {
            file: file.clone(),
            line: self.line(at),
            col: text[begin..start].chars().count() + 1,
            len: text[start..stop].chars().count().max(1),
            source: if inside { String::from("…") } else { shown(raw, None) },
            message,
            help,
        }
    }

    fn line_text(&self, at: &At) -> &str {
        let text = &self.files[at.file].1;
        let start = at.span.start.min(text.len());
        let begin = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        text[begin..end].trim_end()
    }

    fn line(&self, at: &At) -> usize {
        let text = &self.files[at.file].1;
        text[..at.span.start.min(text.len())].matches('\n').count() + 1
    }
}

impl Node {
    fn value(&self) -> toml::Value {
        match &self.item {
            Item::Table(table) => {
                toml::Value::Table(table.iter().map(|(key, e)| (key.clone(), e.node.value())).collect())
            }
            Item::Array(items) => toml::Value::Array(items.iter().map(Self::value).collect()),
            Item::Leaf(value) => value.clone(),
        }
    }

    /// The keys of a table.
    pub(super) fn keys(&self) -> Vec<&str> {
        match &self.item {
            Item::Table(table) => table.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Paths of everything below, `way` in front, nearest first.
    pub(super) fn below(&self, way: &[Step], out: &mut Vec<Vec<Step>>) {
        let mut visit = |step: Step, node: &Node| {
            let path: Vec<Step> = way.iter().cloned().chain([step]).collect();
            node.below(&path, out);
            out.push(path);
        };
        match &self.item {
            Item::Table(table) => table.iter().for_each(|(key, e)| visit(Step::Key(key.clone()), &e.node)),
            Item::Array(items) => items.iter().enumerate().for_each(|(n, node)| visit(Step::Index(n), node)),
            Item::Leaf(_) => {}
        }
    }
}

/// `sources.app.paths[0]`.
pub(super) fn dotted(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) if out.is_empty() => out.push_str(key),
            Step::Key(key) => {
                out.push('.');
                out.push_str(key);
            }
            Step::Index(n) => out.push_str(&format!("[{n}]")),
        }
    }
    out
}

/// Whether one of the keys on the way says that the value is secret.
pub(super) fn is_secret(path: &[Step]) -> bool {
    path.iter().any(|step| matches!(step, Step::Key(key) if is_secret_name(key)))
}

fn table_node(file: usize, span: Range<usize>, table: DeTable<'_>) -> Node {
    let entries = table.into_iter().map(|(key, value)| {
        let at = At { file, span: key.span() };
        let node = node(file, value.span(), value.into_inner());
        (key.into_inner().into_owned(), Entry { key: at, node })
    });
    Node { at: At { file, span }, item: Item::Table(entries.collect()) }
}

fn node(file: usize, span: Range<usize>, value: DeValue<'_>) -> Node {
    let leaf = match value {
        DeValue::Table(table) => return table_node(file, span, table),
        DeValue::Array(items) => {
            let items = items.into_iter().map(|v| node(file, v.span(), v.into_inner())).collect();
            return Node { at: At { file, span }, item: Item::Array(items) };
        }
        DeValue::String(text) => toml::Value::String(text.into_owned()),
        DeValue::Boolean(b) => toml::Value::Boolean(b),
        DeValue::Datetime(t) => toml::Value::Datetime(t),
        // A number that does not fit stays text, and the section that wants a number says so.
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
            .map_or_else(|_| toml::Value::String(n.as_str().to_owned()), toml::Value::Integer),
        DeValue::Float(n) => {
            n.as_str().parse().map_or_else(|_| toml::Value::String(n.as_str().to_owned()), toml::Value::Float)
        }
    };
    Node { at: At { file, span }, item: Item::Leaf(leaf) }
}

/// Merges `from` into `into`; what is set twice goes to `twice` as (path, first place, second place).
fn merge(into: &mut Node, from: Node, path: &str, twice: &mut Vec<(String, At, At)>) {
    match (&mut into.item, from.item) {
        (Item::Table(old), Item::Table(new)) => {
            for (key, entry) in new {
                match old.get_mut(&key) {
                    Some(there) => {
                        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                        merge(&mut there.node, entry.node, &path, twice);
                    }
                    None => {
                        old.insert(key, entry);
                    }
                }
            }
        }
        (Item::Array(old), Item::Array(mut new)) if all_tables(old) && all_tables(&new) => old.append(&mut new),
        _ => twice.push((path.to_owned(), into.at.clone(), from.at)),
    }
}

fn all_tables(items: &[Node]) -> bool {
    items.iter().all(|n| matches!(n.item, Item::Table(_)))
}
