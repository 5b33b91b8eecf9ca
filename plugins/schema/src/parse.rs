//! From JSON text to a tape, in one pass. What is common is read here; what is rare (escapes, exponents, many digits) is
//! handed to serde_json one token at a time, so that both agree on it. It says only that a text is no JSON: serde_json
//! is asked again for the reason.

use std::mem;

use crate::tape::{Item, Num, SORTED_ABOVE, Slot, Tape};

/// As in serde_json: deeper payloads are refused before they use up the stack.
const DEPTH_MAX: usize = 127;

/// Powers of ten that a double holds exactly, as far as they are needed.
const TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The lists of the last payload, empty, for the next one.
#[derive(Default)]
pub struct Reader {
    slots: Vec<Slot<'static>>,
    open: Vec<Slot<'static>>,
}

impl Reader {
    /// Reads `text` and shows it to `use_it`; `None` if it is not JSON.
    pub fn read<R>(&mut self, text: &str, use_it: impl FnOnce(&Tape<'_>) -> R) -> Option<R> {
        // Most payloads have no escapes. What has some is read again, after they were all resolved.
        match self.pass(text, &[]) {
            Pass::Done(tape) => Some(self.show(tape, use_it)),
            Pass::NoJson => None,
            Pass::Escapes => {
                let unescaped = unescape(text)?;
                match self.pass(text, &unescaped) {
                    Pass::Done(tape) => Some(self.show(tape, use_it)),
                    Pass::NoJson | Pass::Escapes => None,
                }
            }
        }
    }

    fn pass<'t>(&mut self, text: &'t str, unescaped: &'t [String]) -> Pass<'t> {
        let (open, slots) = (emptied(mem::take(&mut self.open)), emptied(mem::take(&mut self.slots)));
        let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, open, slots, unescaped, escapes: false };
        let root = parser.document();
        self.open = emptied(parser.open);
        match root {
            Some(root) => Pass::Done(Tape { root, slots: parser.slots }),
            None => {
                self.slots = emptied(parser.slots);
                if parser.escapes { Pass::Escapes } else { Pass::NoJson }
            }
        }
    }

    fn show<'t, R>(&mut self, tape: Tape<'t>, use_it: impl FnOnce(&Tape<'t>) -> R) -> R {
        let result = use_it(&tape);
        self.slots = emptied(tape.slots);
        result
    }
}

enum Pass<'t> {
    Done(Tape<'t>),
    NoJson,
    Escapes,
}

/// The same memory with nothing in it, for texts that live elsewhere. Collecting a vector from itself keeps its memory.
fn emptied<'b>(mut slots: Vec<Slot<'_>>) -> Vec<Slot<'b>> {
    slots.clear();
    slots.into_iter().map(|_| Slot { name: "", value: Item::Null }).collect()
}

/// Every string that has an escape, resolved, in their order.
#[cold]
fn unescape(text: &str) -> Option<Vec<String>> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(quote) = bytes[at..].iter().position(|&byte| byte == b'"') {
        let start = at + quote;
        let first = special(bytes, start + 1);
        let mut end = first;
        while *bytes.get(end)? == b'\\' {
            // Whatever is escaped is one byte here: a quote counts, and of `u12ab` only the `u`.
            end = special(bytes, end + 2);
        }
        if end != first {
            found.push(serde_json::from_str(text.get(start..=end)?).ok()?);
        }
        at = end + 1;
    }
    Some(found)
}

/// Where the next quote, backslash or control character is, or the end.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline]
fn special(bytes: &[u8], mut at: usize) -> usize {
    use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};
    while let Some([low, high]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()).map(halves) {
        let word = u64x2(low, high);
        let ends = v128_or(u8x16_eq(word, u8x16_splat(b'"')), u8x16_eq(word, u8x16_splat(b'\\')));
        let found = u8x16_bitmask(v128_or(ends, u8x16_lt(word, u8x16_splat(0x20))));
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    special_slowly(bytes, at)
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline]
fn halves(sixteen: &[u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(*sixteen);
    [number as u64, (number >> 64) as u64]
}

/// Where the next quote, backslash or control character is, or the end. Eight bytes at a time: the lowest bit that is
/// set marks the first of them, as borrows only run upwards.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline]
fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let found = (zero(quote) | zero(backslash) | (word.wrapping_sub(ONES * 0x20) & !word)) & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    special_slowly(bytes, at)
}

fn special_slowly(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Members and elements of what is not closed yet, innermost last.
    open: Vec<Slot<'t>>,
    slots: Vec<Slot<'t>>,
    /// What the next strings with escapes mean.
    unescaped: &'t [String],
    /// There was an escape, and nothing in `unescaped` for it.
    escapes: bool,
}

impl<'t> Parser<'t> {
    fn document(&mut self) -> Option<Item<'t>> {
        let root = self.value(DEPTH_MAX)?;
        self.token().is_none().then_some(root)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The first byte of the next token; most often there is no space before it, and one comparison says so.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        loop {
            let byte = self.peek()?;
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Item<'t>> {
        match self.token()? {
            b'"' => self.string().map(Item::Text),
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b'-' | b'0'..=b'9' => self.number().map(Item::Number),
            b't' => self.word("true", Item::Bool(true)),
            b'f' => self.word("false", Item::Bool(false)),
            b'n' => self.word("null", Item::Null),
            _ => None,
        }
    }

    fn word(&mut self, word: &str, item: Item<'t>) -> Option<Item<'t>> {
        self.bytes[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            item
        })
    }

    fn array(&mut self, depth: usize) -> Option<Item<'t>> {
        let base = self.open.len();
        self.at += 1;
        if self.token()? == b']' {
            self.at += 1;
            return Some(Item::Array { start: 0, len: 0 });
        }
        loop {
            let value = self.value(depth)?;
            self.open.push(Slot { name: "", value });
            match self.token()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return None,
            }
        }
        self.at += 1;
        let (start, len) = self.close(base);
        Some(Item::Array { start, len })
    }

    fn object(&mut self, depth: usize) -> Option<Item<'t>> {
        let base = self.open.len();
        self.at += 1;
        if self.token()? == b'}' {
            self.at += 1;
            return Some(Item::Object { start: 0, len: 0 });
        }
        // One bit for every kind of name seen: only a name whose bit is set can be there already.
        let mut seen = 0_u64;
        loop {
            if self.token()? != b'"' {
                return None;
            }
            let name = self.string()?;
            if self.token()? != b':' {
                return None;
            }
            self.at += 1;
            let value = self.value(depth)?;
            let bit = bit(name);
            let maybe = seen & bit != 0 && self.open.len() - base <= SORTED_ABOVE;
            seen |= bit;
            match maybe.then(|| self.find(base, name)).flatten() {
                Some(earlier) => self.open[earlier].value = value,
                None => self.open.push(Slot { name, value }),
            }
            match self.token()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return None,
            }
        }
        self.at += 1;
        if self.open.len() - base > SORTED_ABOVE {
            self.sort(base);
        }
        let (start, len) = self.close(base);
        Some(Item::Object { start, len })
    }

    /// Moves what belongs to a container from the open list to its place on the tape.
    fn close(&mut self, base: usize) -> (u32, u32) {
        let start = self.slots.len();
        self.slots.extend_from_slice(&self.open[base..]);
        let len = self.open.len() - base;
        self.open.truncate(base);
        (start as u32, len as u32)
    }

    fn find(&self, base: usize, name: &str) -> Option<usize> {
        (base..self.open.len()).find(|&index| self.open[index].name == name)
    }

    /// Many members, perhaps by someone who hopes that every name is compared with every other.
    #[cold]
    fn sort(&mut self, base: usize) {
        let mut members = self.open.split_off(base);
        members.sort_by_key(|slot| slot.name);
        for slot in members {
            match self.open[base..].last() {
                Some(last) if last.name == slot.name => _ = self.open.pop(),
                _ => {}
            }
            self.open.push(slot);
        }
    }

    /// Reads a string, from its first quote to behind its last.
    fn string(&mut self) -> Option<&'t str> {
        let start = self.at + 1;
        let end = special(self.bytes, start);
        match self.bytes.get(end)? {
            b'"' => {
                self.at = end + 1;
                self.text.get(start..end)
            }
            b'\\' => self.escaped(end),
            _ => None,
        }
    }

    #[cold]
    fn escaped(&mut self, mut end: usize) -> Option<&'t str> {
        let Some((first, others)) = self.unescaped.split_first() else {
            self.escapes = true;
            return None;
        };
        self.unescaped = others;
        while *self.bytes.get(end)? == b'\\' {
            end = special(self.bytes, end + 2);
        }
        self.at = end + 1;
        Some(first)
    }

    /// Up to 15 digits fit a double exactly, and so does the power of ten: one division is then rightly rounded.
    fn number(&mut self) -> Option<Num> {
        let start = self.at;
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        let mut digits = self.digits(0);
        let whole = self.at - first;
        if whole == 0 || whole > 15 || (whole > 1 && self.bytes[first] == b'0') {
            return self.unusual_number(start);
        }
        let fraction = match self.peek() {
            Some(b'.') => {
                self.at += 1;
                let dot = self.at;
                digits = self.digits(digits);
                self.at - dot
            }
            _ => usize::MAX,
        };
        match (self.peek(), fraction) {
            (Some(b'e' | b'E'), _) => self.unusual_number(start),
            (_, usize::MAX) if !negative => Some(Num::Natural(digits)),
            (_, usize::MAX) if digits > 0 => Some(Num::Negative(-(digits as i64))),
            (_, 1..=15) if whole + fraction <= 15 => {
                let float = digits as f64 / TENS[fraction];
                Some(Num::Float(if negative { -float } else { float }))
            }
            _ => self.unusual_number(start),
        }
    }

    #[inline]
    fn digits(&mut self, mut number: u64) -> u64 {
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            // Overflow means more than 15 digits, and then the number is read again.
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        number
    }

    #[cold]
    fn unusual_number(&mut self, start: usize) -> Option<Num> {
        self.at = start;
        while let Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') = self.peek() {
            self.at += 1;
        }
        let number: serde_json::Number = serde_json::from_str(self.text.get(start..self.at)?).ok()?;
        match (number.as_u64(), number.as_i64()) {
            (Some(natural), _) => Some(Num::Natural(natural)),
            (_, Some(negative)) => Some(Num::Negative(negative)),
            _ => number.as_f64().map(Num::Float),
        }
    }
}

/// One of 64 bits for a name: names differ in length and first and last letter more often than not.
fn bit(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
    1 << ((name.len() as u32).wrapping_add(u32::from(first) * 5).wrapping_add(u32::from(last) * 11) % 64)
}
