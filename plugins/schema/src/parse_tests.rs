//! The reader must agree with serde_json on every text: on what is JSON, and on what it says.

use serde_json::Value;

use crate::parse::Reader;
use jsonschema::json::Node as _;

fn ours(reader: &mut Reader, text: &str) -> Option<Value> {
    reader.read(text, |tape| tape.root().to_value().into_owned())
}

/// Compares numbers by their digits as well: `1` and `1.0` are different texts, `-0.0` is not `0`.
#[track_caller]
fn agree(reader: &mut Reader, text: &str) {
    let theirs = serde_json::from_str::<Value>(text).ok();
    let ours = ours(reader, text);
    assert_eq!(ours.map(|it| it.to_string()), theirs.map(|it| it.to_string()), "{text}");
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "null",
    "true",
    "false",
    "nul",
    "truefalse",
    "True",
    "{",
    "}",
    "[",
    "]",
    "[]",
    "{}",
    " [ ] ",
    "\t{\r\n}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\":1}",
    "{\"a\" : 1 , \"b\":[ ]}",
    "{\"a\":1,}",
    "{a:1}",
    "{\"a\"}",
    "{\"a\":}",
    "{1:1}",
    "[[],{},[{}],[[[]]]]",
    "[]x",
    "1 1",
    "\u{feff}1",
    "0",
    "-0",
    "-0.0",
    "0.0",
    "00",
    "01",
    "-01",
    "-",
    "+1",
    "1.",
    ".5",
    "1.e1",
    "1e",
    "1e+",
    "1e5",
    "1E-5",
    "1e400",
    "-1e400",
    "1e-400",
    "0e999",
    "123456789012345",
    "1234567890123456",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "0.1",
    "9.99",
    "0.30000000000000004",
    "123456.789012345",
    "99999999999999.9",
    "999999999999999.9",
    "1.000000000000000",
    "1.0000000000000000",
    "-1.5",
    "-123456789012345",
    "5e-324",
    "2.2250738585072011e-308",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "1.2.3",
    "1-2",
    "1e5e5",
    "\"\"",
    "\"a\"",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\\\\"",
    "\"\\n\\t\\/\\u00e9\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"\\udc00x\"",
    "\"\\u12\"",
    "\"\\x\"",
    "\"ä€😀 and more than eight bytes\"",
    "\"tab\tinside\"",
    "\"new\nline in a longer text\"",
    "\"nul\u{0}\"",
    "\"del\u{7f}\"",
    "\"exactly8\"",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"b\":2,\"\\u0061\":3}",
    "{\"\":1,\"\":{}}",
    "{\"a\\\"b\":\"c\\\\\"}",
    "'a'",
    "//x\n1",
    "NaN",
    "Infinity",
];

#[test]
fn known_texts() {
    let mut reader = Reader::default();
    TEXTS.iter().for_each(|text| agree(&mut reader, text));
}

#[test]
fn depth_has_the_same_end() {
    let mut reader = Reader::default();
    for depth in [1, 126, 127, 128, 129, 5_000] {
        agree(&mut reader, &format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        agree(&mut reader, &format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)));
    }
}

#[test]
fn objects_around_the_size_where_they_are_sorted() {
    let mut reader = Reader::default();
    for count in [31_u32, 32, 33, 34, 64, 1_000] {
        let members = |twice: u32| (0..count).map(move |n| format!("\"k{}\":{n}", (n * 7919) % (count / twice)));
        for twice in [1, 2, 3] {
            agree(&mut reader, &format!("{{{}}}", members(twice).collect::<Vec<_>>().join(",")));
        }
    }
}

/// Xorshift: the same texts on every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

#[test]
fn texts_with_random_damage() {
    const LETTERS: &[char] = &[
        '"', '\\', '{', '}', '[', ']', ',', ':', '0', '1', '9', '-', '+', '.', 'e', 'u', 'a', ' ', '\n', '\u{1}', 'ä',
        't', 'n',
    ];
    let (mut reader, mut dice) = (Reader::default(), Dice(0x5745_4952));
    let start = r#"{"id":"a\u00e9b","n":[1,-2.5,3e2,12345678901234567890],"o":{"k":null,"t":true,"k":"long enough for two words"},"ä":""}"#;
    for _ in 0..60_000 {
        let mut text: Vec<char> = start.chars().collect();
        for _ in 0..=dice.below(3) {
            let at = dice.below(text.len());
            match dice.below(3) {
                0 => _ = text.remove(at),
                1 => text.insert(at, LETTERS[dice.below(LETTERS.len())]),
                _ => text[at] = LETTERS[dice.below(LETTERS.len())],
            }
        }
        agree(&mut reader, &text.into_iter().collect::<String>());
    }
}

#[test]
fn random_numbers() {
    let (mut reader, mut dice) = (Reader::default(), Dice(7));
    for _ in 0..60_000 {
        let mut text = String::from(["", "-"][dice.below(2)]);
        let digits = |dice: &mut Dice, text: &mut String, max| {
            (0..=dice.below(max)).for_each(|_| text.push(char::from(b'0' + dice.below(10) as u8)))
        };
        digits(&mut dice, &mut text, 20);
        if dice.below(2) == 0 {
            text.push('.');
            digits(&mut dice, &mut text, 18);
        }
        agree(&mut reader, &text);
    }
}
