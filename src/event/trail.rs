//! The roads that lines of a stream take: what stands between one value and the next, remembered.
//!
//! Lines of one logger are alike but for their values. What lies between two values (`,"pid":`) says by itself, after
//! what came before it, where the next value belongs; so a walk that was made once is made again by comparing bytes.

use super::ends::{bare_end, string_end};
use super::paths::NONE;
use super::walk::Frame;

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

/// A value on the road, as far as it is looked at in every line.
pub(super) struct Node {
    /// The text between it and the value before.
    gap: Gap,
    /// What it is.
    pub form: Form,
    /// Its place.
    pub at: u32,
    /// Whether it is always to be shown.
    pub known: bool,
    /// Where the road goes on: the first way that was taken.
    first: u32,
}

impl Node {
    /// The step to the value behind the gap at `at`, when one of that form stands there.
    #[inline(always)]
    fn value(&self, node: u32, text: &[u8], at: usize) -> Option<Step> {
        let start = at + self.gap.len;
        match self.form {
            Form::End => Some(Step { node, start, end: start, escaped: false }),
            Form::Bare => {
                let end = bare_end(text, start);
                (end > start).then_some(Step { node, start, end, escaped: false })
            }
            Form::Element | Form::Member => {
                let (end, escaped) = string_end(text, start);
                (self.form == Form::Element || !is_key(text, end)).then_some(Step { node, start, end, escaped })
            }
        }
    }
}

/// The rest of a value on the road.
struct Junction {
    /// The text before it.
    gap: Box<[u8]>,
    /// What is open around it.
    stack: Box<[Frame]>,
    /// Where else the road goes on.
    others: Vec<u32>,
}

/// The text between two values, in words of eight bytes.
struct Gap {
    len: usize,
    /// The first eight bytes, and which of them count.
    head: u64,
    mask: u64,
    /// Whole words behind the first.
    body: Box<[u64]>,
    /// The last eight bytes of more than eight.
    tail: u64,
}

impl Gap {
    fn new(gap: &[u8]) -> Self {
        let mut first = [0; 8];
        let n = gap.len().min(8);
        first[..n].copy_from_slice(&gap[..n]);
        let mask = if n == 8 { u64::MAX } else { (1 << (8 * n)) - 1 };
        let tail = gap.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail));
        let body =
            gap.get(8..).unwrap_or_default().as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Self { len: gap.len(), head: u64::from_le_bytes(first), mask, body, tail }
    }

    /// Whether a text begins with it; `None` when the text is shorter than eight bytes.
    #[inline(always)]
    fn begins(&self, text: &[u8]) -> Option<bool> {
        let head = u64::from_le_bytes(*text.first_chunk()?);
        if (head ^ self.head) & self.mask != 0 {
            return Some(false);
        }
        if self.len <= 8 {
            return Some(true);
        }
        let Some((_, tail)) = text.get(..self.len).and_then(|all| all.split_last_chunk()) else { return Some(false) };
        let words = text[8..].as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        Some(u64::from_le_bytes(*tail) == self.tail && words.zip(&self.body).all(|(word, body)| word == *body))
    }
}

/// A step that was made: little enough to stay in registers, since the next one waits for it.
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
    /// One for each node.
    junctions: Vec<Junction>,
    bytes: usize,
    rest: u32,
}

impl Trail {
    pub(super) fn new() -> Self {
        let mut this = Self { nodes: Vec::new(), junctions: Vec::new(), bytes: 0, rest: 0 };
        this.clear();
        this
    }

    /// Forgets all roads.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.junctions.clear();
        self.bytes = 0;
        self.nodes.push(Node { gap: Gap::new(b""), form: Form::Bare, at: NONE, known: false, first: NONE });
        self.junctions.push(Junction { gap: Box::default(), stack: Box::default(), others: Vec::new() });
    }

    /// Forgets all roads when there are too many; only between lines.
    pub(super) fn tidy(&mut self) {
        self.rest = self.rest.saturating_sub(1);
        if self.nodes.len() >= MAX_NODES || self.bytes >= MAX_BYTES {
            self.clear();
            self.rest = REST;
        }
    }

    /// A value that was stepped to.
    pub(super) fn node(&self, node: u32) -> &Node {
        self.nodes.get(node as usize).unwrap_or(&self.nodes[0])
    }

    /// What is open around a value that was stepped to.
    pub(super) fn stack(&self, node: u32) -> &[Frame] {
        self.junctions.get(node as usize).map_or(&[], |junction| &junction.stack)
    }

    /// The step that the text at `at`, behind the value `from`, makes; `None` when it was not made before.
    #[inline(always)]
    pub(super) fn step(&self, from: u32, text: &[u8], at: usize) -> Option<Step> {
        let first = self.nodes.get(from as usize)?.first;
        if let Some(node) = self.nodes.get(first as usize)
            && let Some(rest) = text.get(at..)
            && node.gap.begins(rest).unwrap_or_else(|| self.begins(first, rest))
            && let Some(step) = node.value(first, text, at)
        {
            return Some(step);
        }
        self.aside(from, text, at)
    }

    /// The same on another way than the first.
    #[inline(never)]
    fn aside(&self, from: u32, text: &[u8], at: usize) -> Option<Step> {
        let rest = text.get(at..)?;
        let others = self.junctions.get(from as usize)?.others.iter().filter(|to| self.begins(**to, rest));
        others.copied().find_map(|to| self.nodes.get(to as usize)?.value(to, text, at))
    }

    /// Whether a text begins with all that stands before `node`.
    #[inline(never)]
    fn begins(&self, node: u32, text: &[u8]) -> bool {
        self.junctions.get(node as usize).is_some_and(|junction| text.starts_with(&junction.gap))
    }

    /// Remembers a step from `from` over `gap`; gives where it leads, [`NONE`] when it is not to be remembered.
    pub(super) fn add(&mut self, from: u32, gap: &[u8], to: (Form, u32, bool), stack: &[Frame]) -> u32 {
        let node = self.nodes.len() as u32;
        let full = node as usize >= MAX_NODES || self.bytes >= MAX_BYTES || self.rest > 0 || gap.len() > MAX_GAP;
        let (Some(before), Some(junction)) = (self.nodes.get_mut(from as usize), self.junctions.get_mut(from as usize))
        else {
            return NONE;
        };
        if full || junction.others.len() + 1 >= MAX_WAYS {
            return NONE;
        }
        if before.first == NONE {
            before.first = node;
        } else {
            junction.others.push(node);
        }
        let (form, at, known) = to;
        self.bytes += gap.len() + size_of_val(stack);
        let known = known || from == START;
        self.nodes.push(Node { gap: Gap::new(gap), form, at, known, first: NONE });
        self.junctions.push(Junction { gap: gap.into(), stack: stack.into(), others: Vec::new() });
        node
    }
}

/// Whether a colon follows the string that ends at `end`, which makes it a key.
#[inline(always)]
pub(super) fn is_key(text: &[u8], end: usize) -> bool {
    match text.get(end + 1) {
        Some(b',' | b'}' | b']') | None => false,
        Some(_) => text[end + 1..].iter().find(|b| !matches!(b, b' ' | b'\t')) == Some(&b':'),
    }
}
