//! The roads that lines of a stream take: what stands between one value and the next, remembered.
//!
//! Lines of one logger are alike but for their values. What lies between two values (`,"pid":`) says by itself, after
//! what came before it, where the next value belongs; so a walk that was made once is made again by comparing bytes.

use super::paths::NONE;
use super::walk::{Frame, bare_end, string_end};

/// Values that are remembered; when there are more, all are forgotten.
const MAX_NODES: usize = 4096;

/// Bytes that are remembered; when there are more, all are forgotten.
const MAX_BYTES: usize = 1 << 20;

/// Longest text between two values that is remembered.
const MAX_GAP: usize = 512;

/// Ways that a road may go on from one value.
const MAX_WAYS: usize = 8;

/// Lines for which nothing is remembered when there was too much: their shapes never come again.
const REST: u32 = 16_384;

/// Before the first value.
pub(super) const START: u32 = 0;

/// What a remembered step leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A number or a word.
    Bare,
    /// A string in an array.
    Element,
    /// A string in an object.
    Member,
    /// The end of the whole.
    End,
}

/// A value on the road.
pub(super) struct Node {
    gap: Box<[u8]>,
    /// What it is.
    pub form: Form,
    /// Its place.
    pub at: u32,
    /// Whether it is always to be shown.
    pub known: bool,
    /// What is open around it.
    pub stack: Box<[Frame]>,
    /// Where the road goes on; the first way that was taken, and all others.
    first: u32,
    others: Vec<u32>,
}

/// A step that was made.
pub(super) struct Step {
    /// The value.
    pub node: u32,
    /// First byte of the value.
    pub start: usize,
    /// Byte behind it.
    pub end: usize,
    /// Whether a string holds a backslash.
    pub escaped: bool,
}

/// All roads of a stream.
pub(super) struct Trail {
    nodes: Vec<Node>,
    bytes: usize,
    rest: u32,
}

impl Trail {
    pub(super) fn new() -> Self {
        let mut this = Self { nodes: Vec::new(), bytes: 0, rest: 0 };
        this.clear();
        this
    }

    /// Forgets all roads.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.bytes = 0;
        let (gap, stack) = (Box::default(), Box::default());
        let (first, others) = (NONE, Vec::new());
        self.nodes.push(Node { gap, form: Form::Bare, at: NONE, known: false, stack, first, others });
    }

    /// Forgets all roads when there are too many, and says so; only between lines.
    pub(super) fn tidy(&mut self) -> bool {
        self.rest = self.rest.saturating_sub(1);
        let full = self.nodes.len() >= MAX_NODES || self.bytes >= MAX_BYTES;
        if full {
            self.clear();
            self.rest = REST;
        }
        full
    }

    /// A value that was stepped to.
    pub(super) fn node(&self, node: u32) -> &Node {
        self.nodes.get(node as usize).unwrap_or(&self.nodes[0])
    }

    /// The step that the text at `at`, behind the value `from`, makes; `None` when it was not made before.
    pub(super) fn step(&self, from: u32, text: &[u8], at: usize) -> Option<Step> {
        let rest = text.get(at..)?;
        let before = self.nodes.get(from as usize)?;
        self.to(before.first, rest, text, at)
            .or_else(|| before.others.iter().find_map(|&node| self.to(node, rest, text, at)))
    }

    /// The step to `node`, when that is where `rest`, the text from `at` on, leads.
    #[inline]
    fn to(&self, node: u32, rest: &[u8], text: &[u8], at: usize) -> Option<Step> {
        let Node { gap, form, .. } = self.nodes.get(node as usize)?;
        if !rest.starts_with(gap) {
            return None;
        }
        let start = at + gap.len();
        match form {
            Form::End => Some(Step { node, start, end: start, escaped: false }),
            Form::Bare => {
                let end = bare_end(text, start);
                (end > start).then_some(Step { node, start, end, escaped: false })
            }
            Form::Element | Form::Member => {
                let (end, escaped) = string_end(text, start);
                (*form == Form::Element || !is_key(text, end)).then_some(Step { node, start, end, escaped })
            }
        }
    }

    /// Remembers a step from `from` over `gap`; gives where it leads, [`NONE`] when it is not to be remembered.
    pub(super) fn add(&mut self, from: u32, gap: &[u8], to: (Form, u32, bool), stack: &[Frame]) -> u32 {
        let node = self.nodes.len() as u32;
        let full = node as usize >= MAX_NODES || self.bytes >= MAX_BYTES || self.rest > 0 || gap.len() > MAX_GAP;
        let Some(before) = self.nodes.get_mut(from as usize).filter(|n| !full && n.others.len() + 1 < MAX_WAYS) else {
            return NONE;
        };
        if before.first == NONE {
            before.first = node;
        } else {
            before.others.push(node);
        }
        let (form, at, known) = to;
        self.bytes += gap.len() + size_of_val(stack);
        let known = known || from == START;
        self.nodes.push(Node {
            gap: gap.into(),
            form,
            at,
            known,
            stack: stack.into(),
            first: NONE,
            others: Vec::new(),
        });
        node
    }
}

/// Whether a colon follows the string that ends at `end`, which makes it a key.
pub(super) fn is_key(text: &[u8], end: usize) -> bool {
    match text.get(end + 1) {
        Some(b',' | b'}' | b']') | None => false,
        Some(_) => text[end + 1..].iter().find(|b| !matches!(b, b' ' | b'\t')) == Some(&b':'),
    }
}
