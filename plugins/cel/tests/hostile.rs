//! Expressions and values that mean harm: they are refused or come to an end, soon, and never panic.

use std::time::{Duration, Instant};

use weir_plugin_cel::limits::{EVALUATION_STEPS_MAX, EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};
use weir_plugin_cel::{Expression, Scope, Value};

const VARIABLES: [&str; 2] = ["payload", "type"];

/// Far more than it takes on a busy machine, far less than a loop that got away.
const SOON: Duration = Duration::from_secs(10);

fn evaluate(source: &str, payload: &str) -> Result<String, String> {
    let expression = Expression::new(source, &VARIABLES).map_err(|error| error.to_string())?;
    let mut scope = Scope::new();
    scope.set("payload", Value::json(payload).map_err(|error| error.to_string())?);
    scope.set("type", Value::text("order-placed"));
    let began = Instant::now();
    let result = expression.json(&scope);
    assert!(began.elapsed() < SOON, "{source} took {:?}", began.elapsed());
    result.map(|value| value.to_string()).map_err(|error| error.to_string())
}

#[track_caller]
fn gives_up(source: &str, payload: &str) {
    let said = evaluate(source, payload).expect_err(source);
    assert_eq!(said, format!("it takes more than {EVALUATION_STEPS_MAX} steps, and is given up"), "{source}");
}

fn zeros(count: usize) -> String {
    format!("[{}0]", "0,".repeat(count - 1))
}

#[test]
fn loops_in_loops_over_what_a_stranger_sent_end() {
    let payload = format!(r#"{{"a":{0},"b":{0}}}"#, zeros(5_000));
    gives_up("payload.a.all(x, payload.b.all(y, y == x))", &payload);
    gives_up("payload.a.exists(x, payload.b.exists(y, y != x))", &payload);
    gives_up("payload.a.map(x, payload.b.map(y, y))", &payload);
    gives_up("payload.a.map(x, payload.b)", &payload);
    gives_up("payload.a.all(x, payload.b == payload.a)", &payload);
    gives_up("payload.a.all(x, !(1 in payload.b))", &payload);
    gives_up("payload.a.map(x, size(payload.b))", &payload);
    gives_up("payload.a.map(x, {'a': payload.b})", &payload);
    gives_up("payload.a.map(x, payload.a + payload.b)", &payload);
    gives_up("payload.a.all(x, [1, 2, 3, 4, 5].map(y, {'a': y}).size() > 0)", &payload);
    gives_up("[0,1,2,3,4,5,6,7,8,9].map(a, payload.a.map(b, [a, b]))", &payload);
    assert!(
        evaluate("payload.a.exists(x, payload.b[0.5] == 1)", &payload).is_err(),
        "an error holds no copy of the list"
    );
    assert_eq!(evaluate("payload.a.all(x, x == 0) && payload.b.size() == 5000", &payload), Ok("true".into()));
}

#[test]
fn a_large_order_is_no_loop_that_got_away() {
    let line = r#"{"sku":"abc-1","quantity":2,"price":9.5,"tax":19,"a":1,"b":2,"c":3,"d":4,"e":5,"f":"text"}"#;
    let payload = format!(r#"{{"lines":[{}{line}]}}"#, format!("{line},").repeat(999));
    let source = "payload.lines.all(l, l.quantity > 0 && l.price > 0.0 && l.tax in [7, 19] && l.sku.startsWith('a'))";
    assert_eq!(evaluate(source, &payload), Ok("true".into()));
    assert_eq!(evaluate("payload.all(x, x == 0)", &zeros(8_000)), Ok("true".into()));
}

#[test]
fn giving_up_can_t_be_forgiven() {
    let payload = format!(r#"{{"a":{0},"b":{0}}}"#, zeros(5_000));
    gives_up("payload.a.all(x, payload.b.all(y, true)) || true", &payload);
    gives_up("payload.a.exists(x, payload.b.all(y, true) && false) || true", &payload);
}

#[test]
fn nothing_doubles_for_long() {
    let twice = |step: &str, times: usize| format!("['aaaaaaaaaaaaaaaa']{}", format!(".map(x, {step})").repeat(times));
    gives_up(&twice("x + x", 40), "{}");
    gives_up(&twice("[x, x]", 40), "{}");
    gives_up(&twice("{'a': x, 'b': x}", 40), "{}");
    gives_up(&twice("string(x) + x", 40), "{}");
    gives_up(
        "[1, 2, 3, 4, 5, 6, 7, 8].map(a, [1, 2, 3, 4, 5, 6, 7, 8].map(b, [1, 2, 3, 4, 5, 6, 7, 8].map(c, \
              [1, 2, 3, 4, 5, 6, 7, 8].map(d, [1, 2, 3, 4, 5, 6, 7, 8].map(e, [1, 2, 3, 4, 5, 6, 7, 8].map(f, a))))))",
        "{}",
    );
}

#[test]
fn long_texts_are_counted_and_patterns_see_short_ones_only() {
    let payload = format!(r#"{{"t":"{}"}}"#, "a".repeat(1_000_000));
    gives_up("[1, 2].all(x, payload.t == payload.t)", &payload);
    let said = evaluate("payload.t.matches('(a|aa)+$')", &payload).expect_err("too long");
    assert_eq!(said, "matches: the text has 1000000 bytes, at most 16384 are looked at");
    let payload = format!(r#"{{"t":"{}"}}"#, "a".repeat(16_000));
    assert_eq!(evaluate("payload.t.matches('^(a|aa)+$')", &payload), Ok("true".into()));
    gives_up("[1, 2, 3, 4, 5, 6, 7, 8].all(x, payload.t.matches('^(a?){20}a*$'))", &payload);
    assert!(Expression::new("type.matches('(a{100}){100}')", &VARIABLES).expect_err("large").message.contains("limit"));
}

#[test]
fn a_deep_payload_is_looked_at_or_refused() {
    let deep = |levels: usize| format!(r#"{{"a":{}1{}}}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels));
    assert_eq!(evaluate("payload == payload && size(payload.a) == 1", &deep(126)), Ok("true".into()));
    assert_eq!(evaluate("[payload, payload].map(p, p.a).all(p, has(p.a))", &deep(126)), Ok("true".into()));
    assert!(evaluate("payload", &deep(128)).expect_err("too deep").contains("recursion"));
}

#[test]
fn an_expression_is_bounded_in_length_and_depth() {
    let refused = |source: &str| Expression::new(source, &VARIABLES).expect_err("too much").message;
    let deep = format!("it goes more than {EXPRESSION_DEPTH_MAX} levels deep");
    assert!(refused(&" ".repeat(EXPRESSION_BYTES_MAX + 1)).contains("bytes"));
    for (open, middle, close) in [
        ("(1+", "1", ")"),
        ("[", "1", "]"),
        ("{1:", "1", "}"),
        ("size(", "1", ")"),
        ("[1].all(x,", "true", ")"),
        ("true?1:", "1", ""),
        ("payload.x?", "1", ":1"),
        ("1+", "1", ""),
        ("-!", "true", ""),
        ("", "payload", ".x"),
        ("", "payload", "[0]"),
        ("", "payload", ".size()"),
        ("payload[", "1", "]"),
    ] {
        for times in [EXPRESSION_DEPTH_MAX + 2, 200] {
            let source = format!("{}{middle}{}", open.repeat(times), close.repeat(times));
            assert_eq!(refused(&source), deep, "{open}…{close} {times} times");
        }
        let times = EXPRESSION_BYTES_MAX / (open.len() + close.len()) - middle.len();
        let source = format!("{}{middle}{}", open.repeat(times), close.repeat(times));
        assert!(Expression::new(&source, &VARIABLES).is_err(), "{open}…{close} to the end");
    }
    assert_eq!(evaluate(&format!("{}1{}", "(".repeat(500), ")".repeat(500)), "{}"), Ok("1".into()), "brackets alone");
    assert_eq!(evaluate(&vec!["true"; 400].join(" && "), "{}"), Ok("true".into()), "a chain of and is no deep tree");
}

#[test]
fn numbers_at_their_ends_do_not_panic() {
    let least = "(-9223372036854775807 - 1)";
    for source in [
        format!("{least} / -1"),
        format!("{least} % -1"),
        format!("-{least}"),
        format!("{least} - 1"),
        format!("{least} * -1"),
        "18446744073709551615u + 1u".into(),
        "0u - 1u".into(),
        "int(1e300)".into(),
        "int(0.0 / 0.0)".into(),
        "uint(-1)".into(),
        "int('9223372036854775808')".into(),
        "1 % 0".into(),
        "1u / 0u".into(),
        "[1][9223372036854775807]".into(),
        "[1][-1]".into(),
        "[1][18446744073709551615u]".into(),
        "[1][1e300]".into(),
    ] {
        assert!(evaluate(&source, "{}").is_err(), "{source}");
    }
    assert_eq!(evaluate("1.0 / 0.0 > 1.0 && !(0.0 / 0.0 == 0.0 / 0.0)", "{}"), Ok("true".into()));
}

/// The same numbers on every machine, and every failing text can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const PIECES: [&str; 76] = [
    "payload",
    "type",
    "x",
    ".",
    ".a",
    ".b",
    "['a']",
    "[0]",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "?",
    "'",
    "\"",
    "'''",
    "`",
    "'a'",
    "\"b\"",
    "b'x'",
    "r'\\'",
    "'\\u00e9'",
    "'\\U0010ffff'",
    "'\\777'",
    "'\\x'",
    "1",
    "-1",
    "0x1f",
    "0x",
    "1u",
    "1.5",
    "1e5",
    "1e",
    ".5",
    "9223372036854775807",
    "18446744073709551615u",
    "99999999999999999999",
    "null",
    "true",
    "false",
    "in",
    " in ",
    "has(",
    ".all(x,",
    ".exists(x,",
    ".map(x,",
    ".filter(x,",
    ".exists_one(x,",
    "size(",
    "int(",
    "string(",
    ".matches('a')",
    ".size()",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " == ",
    " != ",
    " < ",
    " >= ",
    " && ",
    " || ",
    "!",
    "-",
    "\n",
    "//",
    "é",
    "\u{10ffff}",
    "\0",
    "for",
];

const PAYLOADS: [&str; 4] = [
    r#"{"a":1,"b":[1,2,{"a":null}]}"#,
    r#"{"a":{"a":{"a":[]}},"b":"text"}"#,
    r#"[[1,2.5],[],"é",-9223372036854775808]"#,
    "null",
];

#[test]
fn random_texts_are_refused_or_evaluated_and_never_panic() {
    let mut dice = Dice(7);
    let mut compiled = 0;
    for _ in 0..60_000 {
        let pieces = 1 + dice.roll(12);
        let source: String = (0..pieces).map(|_| dice.pick(&PIECES)).collect();
        let payload = dice.pick(&PAYLOADS);
        compiled += usize::from(Expression::new(&source, &VARIABLES).is_ok());
        let first = evaluate(&source, payload);
        assert_eq!(first, evaluate(&source, payload), "{source}");
    }
    assert!(compiled > 500, "only {compiled} of them were expressions");
}

/// An expression that the grammar allows.
fn grow(dice: &mut Dice, levels: usize) -> String {
    if levels == 0 {
        return dice
            .pick(&["payload", "payload.a", "payload.b", "1", "2u", "1.5", "'t'", "true", "null", "[]", "{}", "x"])
            .into();
    }
    let mut part = || grow(dice, levels - 1);
    let (a, b, c) = (part(), part(), part());
    match dice.roll(14) {
        0 => format!("({a} + {b})"),
        1 => format!("({a} == {b})"),
        2 => format!("({a} && {b} || {c})"),
        3 => format!("({a} < {b})"),
        4 => format!("({a} ? {b} : {c})"),
        5 => format!("[{a}, {b}]"),
        6 => format!("{{'k': {a}, {b}: {c}}}"),
        7 => format!("{a}[{b}]"),
        8 => format!("({a} in {b})"),
        9 => format!("{a}.map(x, {b})"),
        10 => format!("{a}.exists(x, {b})"),
        11 => format!("{a}.filter(x, {b})"),
        12 => format!("size({a})"),
        _ => format!("({a} - {b} * {c})"),
    }
}

#[test]
fn random_expressions_come_to_the_same_end_each_time() {
    let mut dice = Dice(11);
    let mut ended_well = 0;
    for _ in 0..6_000 {
        let levels = 1 + dice.roll(4);
        let source = format!("[payload].map(x, {})", grow(&mut dice, levels));
        let payload = dice.pick(&PAYLOADS);
        let first = evaluate(&source, payload);
        ended_well += usize::from(first.is_ok());
        assert_eq!(first, evaluate(&source, payload), "{source}");
    }
    assert!(ended_well > 300, "only {ended_well} came to a value");
}
