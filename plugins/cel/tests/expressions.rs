//! What expressions come to, and what is said of those that come to nothing.

use serde_json::{Value as Json, json};
use weir_plugin_cel::{Expression, Scope, Value};

const PAYLOAD: &str = r#"{
    "amount": 3, "rate": 0.5, "big": 18446744073709551615, "name": "Ann", "none": null, "odd name": 1,
    "lines": [{"qty": 2, "sku": "a"}, {"qty": 0, "sku": "b"}, {"sku": "c"}],
    "rates": {"eur": 1, "usd": 2, "chf": 3}
}"#;

fn scope() -> Scope<'static> {
    let mut scope = Scope::new();
    scope.set("payload", Value::json(PAYLOAD).expect("JSON"));
    scope.set("type", Value::text("order-placed"));
    scope.set("bytes", Value::bytes(b"\x00\xff"));
    scope
}

const VARIABLES: [&str; 3] = ["payload", "type", "bytes"];

fn comes_to(source: &str) -> Json {
    let expression = Expression::new(source, &VARIABLES).unwrap_or_else(|error| panic!("{source}: {error}"));
    expression.json(&scope()).unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[track_caller]
fn fails(source: &str, words: &str) {
    let expression = Expression::new(source, &VARIABLES).unwrap_or_else(|error| panic!("{source}: {error}"));
    let said = expression.json(&scope()).expect_err(source).to_string();
    assert_eq!(said, words, "{source}");
}

#[track_caller]
fn mistaken(source: &str, words: &str) {
    let said = Expression::new(source, &VARIABLES).expect_err(source).to_string();
    assert_eq!(said, words, "{source}");
}

#[test]
fn members_places_and_operators() {
    for (source, value) in [
        ("payload.amount * 2 + 1", json!(7)),
        ("payload.rate * 2.0", json!(1.0)),
        ("payload.big", json!(u64::MAX)),
        ("payload.lines[0].qty", json!(2)),
        ("payload['odd name']", json!(1)),
        ("payload.lines[1.0].sku + {2: 'x'}[2.0]", json!("bx")),
        ("payload.lines[1]", json!({"qty": 0, "sku": "b"})),
        ("payload.none == null", json!(true)),
        ("payload.amount > 2.5 && payload.amount < 18446744073709551615u", json!(true)),
        ("type == 'order-placed' ? 'yes' : 'no'", json!("yes")),
        ("type + '!' ", json!("order-placed!")),
        ("{'a': [payload.amount, 'x'], 'b': {}}", json!({"a": [3, "x"], "b": {}})),
        ("size(payload.name) + payload.lines.size() + size(payload.rates) + bytes.size()", json!(11)),
        ("'a' in ['a'] && 'eur' in payload.rates && !('b' in {'a': 1})", json!(true)),
        ("double(payload.amount) * payload.rate", json!(1.5)),
        ("string(payload.amount) + string(payload.rate) + string(true)", json!("30.5true")),
        ("int('7') + int(3.9) + int(uint(1))", json!(11)),
        ("type(payload.amount) == int && type(payload.name) == string && type(1) != type(1.0)", json!(true)),
        ("payload.name.startsWith('A') && payload.name.endsWith('n') && payload.name.contains('nn')", json!(true)),
        (r"payload.name.matches('^[A-Z][a-z]{2}$') && matches(type, '^order-')", json!(true)),
        ("'ab'.matches('^(a|b)+$') && !'é'.matches('^.{2}$')", json!(true)),
        ("payload // the whole of it\n.amount", json!(3)),
        ("[1,2] + [3]", json!([1, 2, 3])),
        ("-payload.amount % 2 == -1 && !false", json!(true)),
        (r#""\u00e9\n" + r'\n' + '''it's'''"#, json!("é\n\\nit's")),
    ] {
        assert_eq!(comes_to(source), value, "{source}");
    }
}

#[test]
fn what_may_be_missing_is_asked_for() {
    assert_eq!(comes_to("has(payload.amount) && !has(payload.total) && has(payload.rates.eur)"), json!(true));
    assert_eq!(comes_to("has(payload.total) ? payload.total : 0"), json!(0));
    assert_eq!(comes_to("has(payload.total) && payload.total > 3"), json!(false));
    assert_eq!(comes_to("payload.lines.filter(l, has(l.qty)).map(l, l.qty)"), json!([2, 0]));
}

#[test]
fn loops_go_over_lists_and_over_the_keys_of_maps_in_their_order() {
    assert_eq!(comes_to("payload.lines.all(l, l.sku != '')"), json!(true));
    assert_eq!(comes_to("payload.lines.exists(l, l.sku == 'b')"), json!(true));
    assert_eq!(comes_to("payload.lines.exists_one(l, l.sku == 'b')"), json!(true));
    assert_eq!(comes_to("payload.lines.map(l, l.sku)"), json!(["a", "b", "c"]));
    assert_eq!(comes_to("payload.lines.map(l, l.sku != 'b', l.sku + '!')"), json!(["a!", "c!"]));
    for _ in 0..20 {
        assert_eq!(comes_to("payload.rates.map(code, code)"), json!(["chf", "eur", "usd"]));
        assert_eq!(comes_to("{3: 1, 1: 1, 2: 1, 'b': 1, 'a': 1, true: 1}.map(k, k)"), json!([1, 2, 3, true, "a", "b"]));
        assert_eq!(comes_to("payload.rates.filter(code, payload.rates[code] > 1)"), json!(["chf", "usd"]));
    }
    assert_eq!(comes_to("[[1, 2], [3]].map(x, x.map(y, y * 2))"), json!([[2, 4], [6]]));
}

#[test]
fn and_and_or_forgive_an_error_that_does_not_matter() {
    assert_eq!(comes_to("payload.total > 3 || true"), json!(true));
    assert_eq!(comes_to("payload.total > 3 && false"), json!(false));
    assert_eq!(comes_to("payload.lines.exists(l, l.qty == 0)"), json!(true), "the third line has no qty");
    fails(
        "payload.total > 3 || false",
        "payload has no member 'total'; write has(payload.total) where it may be missing",
    );
}

#[test]
fn what_can_t_be_evaluated_is_said_in_words() {
    for (source, words) in [
        ("payload.total", "payload has no member 'total'; write has(payload.total) where it may be missing"),
        (
            "payload.rates.gbp > 1",
            "payload.rates has no member 'gbp'; write has(payload.rates.gbp) where it may be missing",
        ),
        ("payload.lines.all(l, l.qty >= 0)", "l has no member 'qty'; write has(l.qty) where it may be missing"),
        ("payload.lines[2].qty", "there is no member 'qty'; write 'qty' in … where it may be missing"),
        ("payload['total']", "there is no member 'total'; write 'total' in … where it may be missing"),
        ("payload.name > 3", "> can't be applied to a text and an int"),
        ("payload.amount + payload.rate", "+ can't be applied to an int and a double"),
        ("[1] + payload.rates", "+ can't be applied to a map"),
        ("[1] + {'a': 1}", "+ can't be applied to a map"),
        ("payload.none.x", "null has no members"),
        ("payload.amount.x", "an int has no members"),
        ("payload.lines[7]", "the list has no item 7"),
        ("payload.lines['a']", "a list has no places that a text names"),
        ("payload.lines[0.5]", "a list has no places that a double names"),
        ("1 / (payload.amount - 3)", "division by zero"),
        ("9223372036854775807 + payload.amount", "the result of + is too large"),
        ("payload.amount && true", "an int is no condition, which must be true or false"),
        ("!payload.name", "a text is no condition, which must be true or false"),
        ("payload.amount ? 1 : 2", "an int where a bool is needed"),
        ("1 in payload.name", "an int can't be looked for in a text"),
        ("payload.amount.all(x, true)", "a loop goes over a list or a map, not an int"),
        ("{payload.rate: 1}", "a double can't be the key of a map"),
        ("{payload.name: 1, 'Ann': 2}", "a map has two entries with the same key"),
        ("int('many')", "int: string parse error: invalid digit found in string"),
        ("size(payload.amount)", "size can't be applied to an int"),
        ("payload.amount.startsWith('3')", "startsWith can't be applied to an int and a text"),
        ("bytes", "a value of bytes has no form in JSON"),
        ("type(1)", "a type has no form in JSON"),
        ("{1: 2}", "a map becomes JSON only if its keys are texts; write {'1': …} instead of {1: …}"),
    ] {
        fails(source, words);
    }
}

#[test]
fn mistakes_are_found_before_an_expression_is_used_with_their_place() {
    for (source, words) in [
        ("", "line 1, column 1: mismatched input '<EOF>' expecting expression"),
        ("payload.amount >", "line 1, column 17: mismatched input '<EOF>' expecting expression"),
        ("payload.amount\n  = 3", "line 2, column 3: mismatched input '=' expecting <EOF>"),
        ("'é' + paylod", "line 1, column 7: unknown variable 'paylod'; there is payload, type, bytes"),
        ("payload.paylod == paylod", "line 1, column 19: unknown variable 'paylod'; there is payload, type, bytes"),
        ("[1].all(x, x > 0) && y", "line 1, column 22: unknown variable 'y'; there is payload, type, bytes"),
        (
            "lower(type)",
            "line 1, column 1: unknown function 'lower'; there is bool, bytes, double, dyn, int, matches, size, \
             string, type, uint, \
             has, all, exists, exists_one, existsOne, filter, map",
        ),
        (
            "true && type.lower() == ''",
            "line 1, column 14: unknown function 'lower'; there is contains, endsWith, matches, size, startsWith, \
             has, all, exists, exists_one, existsOne, filter, map",
        ),
        ("size()", "line 1, column 1: size takes 1 arguments here, not 0"),
        ("payload.lines.all(l)", "line 1, column 15: 'all' is not written so; write list.all(item, condition)"),
        ("has(payload)", "line 1, column 5: invalid argument to has() macro"),
        ("type.matches('(')", "line 1, column 6: '(' is no pattern: found open group without closing ')'"),
        ("type.matches(payload.name)", "line 1, column 6: the pattern of matches must be a text in quotes"),
        (
            "Order{id: 1}",
            "line 1, column 1: there are no types of messages; write a map {'member': …} instead of Order{…}",
        ),
        ("payload.?x", "line 1, column 8: unsupported syntax '.?'"),
        ("99999999999999999999", "line 1, column 1: invalid int literal"),
        ("x.all(x, x)", "line 1, column 1: unknown variable 'x'; there is payload, type, bytes"),
    ] {
        mistaken(source, words);
    }
}

#[test]
fn a_condition_that_certainly_is_none_is_refused() {
    for source in ["1", "'true'", "null", "[true]", "{'a': true}", "size(type)", "payload.x + 1", "-payload.x - 1.5"] {
        let said = Expression::condition(source, &VARIABLES).expect_err(source).message;
        assert!(said.ends_with("and must be true or false"), "{source}: {said}");
    }
    for source in ["true ? 1 : 2", "payload.lines.map(l, l.sku)", "string(true)", "type(true)", "b'x'", "bytes(type)"] {
        assert!(Expression::condition(source, &VARIABLES).is_err(), "{source}");
    }
    for source in
        ["payload.paid", "true", "has(payload.x)", "payload.a ? true : payload.b", "dyn(payload)", "bool('true')"]
    {
        assert!(Expression::condition(source, &VARIABLES).is_ok(), "{source}");
    }
    for source in ["[1].exists_one(x, x > 0)", "[1].all(x, true)", "[].exists(x, x)", "1 in []", "type.matches('a')"] {
        assert!(Expression::condition(source, &VARIABLES).expect(source).holds(&scope()).is_ok(), "{source}");
    }
    let paid = Expression::condition("payload.amount", &VARIABLES).expect("it could be a condition");
    assert_eq!(paid.holds(&scope()).expect_err("a number").to_string(), "it is an int and must be true or false");
}

#[test]
fn names_and_numbers() {
    let name = |source: &str| Expression::name(source, &VARIABLES).expect(source).named(&scope());
    assert_eq!(name("type"), Ok(Some("order-placed".into())));
    assert_eq!(name("payload.amount"), Ok(Some("3".into())));
    assert_eq!(name("payload.big"), Ok(Some("18446744073709551615".into())));
    assert_eq!(name("payload.none"), Ok(None));
    assert_eq!(name("payload.rate").expect_err("a double").to_string(), "it is a double and must be a text");
    assert!(Expression::name("1.5", &VARIABLES).is_err() && Expression::name("true", &VARIABLES).is_err());

    let number = |source: &str| Expression::number(source, &VARIABLES).expect(source).counted(&scope());
    assert_eq!((number("payload.amount - 5"), number("payload.big")), (Ok(-2), Ok(i128::from(u64::MAX))));
    assert_eq!(number("payload.name").expect_err("a text").to_string(), "it is a text and must be a whole number");
    assert!(Expression::number("'1'", &VARIABLES).is_err());
}

#[test]
fn an_expression_knows_what_it_uses() {
    let expression =
        Expression::new("[1].all(type, type > 0) && payload.bytes == .payload.x", &VARIABLES).expect("one");
    assert!(expression.uses("payload") && !expression.uses("type") && !expression.uses("bytes"));
    assert_eq!(expression.source(), "[1].all(type, type > 0) && payload.bytes == .payload.x");
}

#[test]
fn a_variable_may_get_another_value() {
    let twice = Expression::new("n * 2", &["n"]).expect("one");
    let mut scope = Scope::new();
    for n in [1, 21] {
        scope.set("n", Value::number(n));
        assert_eq!(twice.json(&scope), Ok(json!(n * 2)));
    }
    let nothing = twice.json(&Scope::new()).expect_err("no n").to_string();
    assert_eq!(nothing, "there is no value for 'n'");
}

#[test]
fn every_function_that_is_offered_is_there() {
    for call in
        ["bool('true')", "bytes('a').size()", "double(1)", "dyn(1)", "int('1')", "matches('a', 'a')", "size('a')"]
    {
        comes_to(&format!("{call} == 0"));
    }
    for call in ["string(1)", "uint(1)", "'a'.contains('a')", "'a'.endsWith('a')", "'a'.size()", "'a'.startsWith('a')"]
    {
        comes_to(&format!("{call} == 0"));
    }
}
