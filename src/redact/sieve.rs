//! A second look at the lists of an [`Index`], one list at a time in a tight loop, before any check is called.
//!
//! By far the most names say nothing about their value, and by far the most tokens stand behind no name. A few bytes
//! and a few bits show that; what is left is what the checks have to look at closely. Nothing that a check would act on
//! is dropped. One thing is judged here alone: that digits inside a word, or bare behind a name, are no number. Colons in
//! times of day are in no list at all ([`super::tile`]).

use super::bytes::{ALNUM, ASSIGN, BLANK, HASH, IDENT, QUOTE, TEXTUAL, before, byte, class, is};
use super::index::Index;
use super::names::{NameCache, Names};
use super::runs::Runs;
use super::set::RuleSet;
use super::{colours, decode};

/// Keeps the positions of a list that pass. They are asked 64 at a time; few are left, and only those are moved. A macro,
/// since a closure would not be compiled for the instruction set of its caller.
macro_rules! retain {
    ($list:ident, |$at:ident| $keep:expr) => {
        let positions = $list.as_mut_slice();
        let mut n = 0;
        for first in (0..positions.len()).step_by(64) {
            let mut kept = 0;
            for (p, i) in positions[first..].iter().zip(0..64) {
                let $at = *p as usize;
                kept |= u64::from($keep) << i;
            }
            while kept != 0 {
                positions[n] = positions[first + kept.trailing_zeros() as usize];
                n += 1;
                kept &= kept - 1;
            }
        }
        $list.truncate(n);
    };
}

/// A glance at one list of an index: drops from it what is nothing, as far as a few bytes of the text show it. Each is
/// compiled by itself, so that all it needs stays in registers.
pub(super) type Glance = fn(&mut Index, &[u8], &RuleSet, &mut NameCache);

/// One glance after the other.
pub(super) type Glances = [Glance; 8];

/// Those for every processor.
pub(super) const GLANCES: Glances = [names, quoted_names, words, tokens, behind_blanks, numbers, rares, escapes];

#[inline(always)]
pub(super) fn names(x: &mut Index, text: &[u8], _: &RuleSet, cache: &mut NameCache) {
    let Index { assigns, idents, quotes, .. } = x;
    retain!(assigns, |p| may_name(text, p, (idents, quotes), cache));
}

#[inline(always)]
pub(super) fn quoted_names(x: &mut Index, text: &[u8], set: &RuleSet, cache: &mut NameCache) {
    let Index { keys, assigns, idents, quotes, .. } = x;
    retain!(keys, |p| may_name_quoted(text, p, (idents, quotes), &set.names, cache));
    // The others were gone through before.
    assigns.merge(keys);
}

#[inline(always)]
pub(super) fn words(x: &mut Index, text: &[u8], set: &RuleSet, _: &mut NameCache) {
    let Index { prefixes, tokens, .. } = x;
    let heads = &set.prefixes.heads;
    retain!(prefixes, |w| heads.may_begin(text, w));
    retain!(prefixes, |w| heads.may_start(text, w, tokens));
}

#[inline(always)]
pub(super) fn tokens(x: &mut Index, text: &[u8], _: &RuleSet, _: &mut NameCache) {
    let Index { secretive, tokens, idents, digits, .. } = x;
    retain!(secretive, |w| may_be_secret(text, w, tokens, idents, digits));
}

#[inline(always)]
pub(super) fn behind_blanks(x: &mut Index, text: &[u8], set: &RuleSet, _: &mut NameCache) {
    let Index { spaced, .. } = x;
    retain!(spaced, |w| follows_name(text, w, &set.names));
}

#[inline(always)]
pub(super) fn numbers(x: &mut Index, text: &[u8], _: &RuleSet, _: &mut NameCache) {
    let Index { numbers, digits, .. } = x;
    retain!(numbers, |n| stands_alone(text, n, digits.window(n)));
}

#[inline(always)]
pub(super) fn rares(x: &mut Index, text: &[u8], _: &RuleSet, _: &mut NameCache) {
    let Index { rares, .. } = x;
    retain!(rares, |p| opens(text, p));
}

#[inline(always)]
pub(super) fn escapes(x: &mut Index, text: &[u8], _: &RuleSet, _: &mut NameCache) {
    let Index { escapes, .. } = x;
    retain!(escapes, |p| text[p] == b'\\' || decode::is_escape(text, p));
}

/// How many bytes before a `:` or `=` are looked at: a name of 16 bytes, and a quote.
const SIGHT: usize = 17;

/// Whether the `:` or `=` at `p` may follow a name worth knowing.
#[inline(always)]
fn may_name(text: &[u8], p: usize, (idents, quotes): (&Runs, &Runs), cache: &NameCache) -> bool {
    let Some(near) = p.checked_sub(SIGHT).and_then(|at| text.get(at..=p)?.first_chunk::<{ SIGHT + 1 }>()) else {
        return true;
    };
    if [near[SIGHT - 1], near[SIGHT]] == *b"\":" {
        // An escaped quote ends no name. Behind other ones something opens here: an array of numbers, say, which may be
        // text whatever its name.
        return quotes.back(p) >> 63 == 1;
    }
    may_name_bare(text, p, idents, near, cache)
}

/// The same of one of the `keys`, which stand behind a quote that is not escaped.
#[inline(always)]
fn may_name_quoted(
    text: &[u8],
    p: usize,
    (idents, quotes): (&Runs, &Runs),
    names: &Names,
    cache: &mut NameCache,
) -> bool {
    let Some(sixteen) = p.checked_sub(SIGHT).and_then(|at| text.get(at..p)?.first_chunk()) else { return true };
    match (quotes.back(p) << 1).leading_zeros() {
        len @ 0..16 => !cache.is_plain(sixteen, len as usize),
        _ => !is_long_plain(text, p - 1, idents, names, cache),
    }
}

/// Whether a quoted name of 16 bytes or more, which ends before `close`, says nothing about its value.
#[inline(never)]
fn is_long_plain(text: &[u8], close: usize, idents: &Runs, names: &Names, cache: &mut NameCache) -> bool {
    let len = idents.before(close);
    (16..64).contains(&len)
        && before(text, close - len) == b'"'
        && !cache.get(names, text, close - len, close).matters()
}

/// The same for a name without quotes.
#[inline(always)]
fn may_name_bare(text: &[u8], p: usize, idents: &Runs, near: &[u8; SIGHT + 1], cache: &NameCache) -> bool {
    let (last, colon) = (near[SIGHT - 1], near[SIGHT] == b':');
    if !is(last, IDENT) {
        return !matches!(last, b':' | b'=' | b'\n');
    }
    let len = idents.before(p);
    let Some(sixteen) = near[1..].first_chunk() else { return true };
    let previous = before(text, p - len);
    // Words before may belong to the name; so may the option that takes a user and a password, and other letters.
    let alone = previous.is_ascii()
        && if colon { !matches!(previous, b' ' | b'"' | b'\'' | b'=' | b'$') } else { previous != b'$' };
    !((1..=16).contains(&len) && alone && cache.is_plain(sixteen, len))
}

/// Whether the value at `w` stands right behind a name and its separator, which are looked at by themselves.
#[inline(always)]
pub(super) fn is_assigned(text: &[u8], w: usize) -> bool {
    let at = |n: usize| if n <= w { text[w - n] } else { b'\n' };
    is_assigned_by([at(1), at(2), at(3)])
}

/// The same, by the three bytes before the value, the nearest first. A quote may be escaped.
#[inline(always)]
fn is_assigned_by(near: [u8; 3]) -> bool {
    let escaped = near[1] == b'\\';
    let (a, b, c) = (class(near[0]), class(near[1]), class(near[2]));
    let (x, y) = if a & QUOTE != 0 { (b, c) } else { (a, b) };
    (x | if x & BLANK != 0 || a & QUOTE != 0 && escaped { y } else { 0 }) & ASSIGN != 0
}

/// Whether the token at `w` may be base64 of a text, or a secret when a keyword stands before it, by what of the 64
/// bytes from there on belongs to a token, to an identifier, and is a digit. In step with `Scan::token`.
#[inline(always)]
fn may_be_secret(text: &[u8], w: usize, tokens: &Runs, idents: &Runs, digits: &Runs) -> bool {
    let Some([c, b, a, first]) = w.checked_sub(3).and_then(|at| text.get(at..w + 1)?.first_chunk()).copied() else {
        return true;
    };
    let tokens = tokens.window(w);
    let encoded = (tokens.trailing_ones() >= 24) & (a != b'/') & (class(first) & TEXTUAL != 0);
    if is_assigned_by([a, b, c]) {
        return encoded & (a != b'.');
    }
    let (idents, digits) = (idents.window(w), digits.window(w));
    let core = idents.trailing_ones();
    // The digits up to the end of the identifier.
    let kernel = (digits & idents & !idents.wrapping_add(1)).count_ones();
    let random = (kernel >= 5) | (core >= 20) | (core >= 16) & (kernel > 0) | (class(a) & HASH != 0);
    let keyed = random & ((core >= 16) | (a != b'/'));
    (a != b'.') & (keyed | encoded)
}

/// Whether the word at `w`, behind a blank, follows the end of a secret's name, or a verb that may stand between.
#[inline(always)]
fn follows_name(text: &[u8], w: usize, names: &Names) -> bool {
    let Some([a, b, c, blank]) = w.checked_sub(4).and_then(|at| text[at..w].first_chunk()) else { return false };
    let verb = matches!([b, c], [b'i' | b'a', b's'] | [b't', b'o']);
    // Several blanks are rare, and a closer look finds what stands before them.
    matches!(blank, b' ' | b'\t') && (verb || matches!(c, b' ' | b'\t') || names.may_end([*a, *b, *c]))
}

/// Whether the digits at `n` may begin a number that means something without a name, by which of the 64 bytes from there
/// on are digits. In step with `Scan::number`.
#[inline(always)]
fn stands_alone(text: &[u8], n: usize, digits: u64) -> bool {
    let first = digits.trailing_ones();
    match before(text, n) {
        b'_' | b'.' => false,
        b'-' => n < 2 || !is(text[n - 2], ALNUM) && text[n - 2] != b'_',
        // No word stands before these. By far the most are times and sizes in JSON, which are nothing without their name.
        b':' | b'=' => first < 9 && may_be_grouped(first, digits),
        b'"' => (13..=19).contains(&first) || may_be_grouped(first, digits),
        b'+' => true,
        _ => digits & 0x7ff != DATE,
    }
}

/// Digits of a date: four, two and two with something between, and nothing more.
const DATE: u64 = 0b011_0110_1111;

/// Whether two groups of digits, the first of them of `first`, may begin a card, an account with the state or a telephone
/// number.
#[inline(always)]
fn may_be_grouped(first: u32, digits: u64) -> bool {
    let rest = digits.unbounded_shr(first);
    let second = rest.unbounded_shr(rest.trailing_zeros()).trailing_ones();
    matches!((first, second), (4, 4 | 6) | (3, 2 | 3) | (1, 3))
}

/// Whether anything is opened by the rare byte at `p`: a list of strings, an element, an option, an address, a colour.
#[inline(always)]
fn opens(text: &[u8], p: usize) -> bool {
    let (b, next) = (text[p], byte(text, p + 1));
    let list = ((b == b'[') | (b == b'(')) & ((next == b'"') | (next == b'\''));
    let element = (b == b'<') & is(next, IDENT);
    let other = (b == b'@') | (b == b'-');
    list | element | other || colours::may_begin(text, p)
}
