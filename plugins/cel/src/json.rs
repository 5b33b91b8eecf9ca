//! JSON to values and back, without loss: whole numbers stay whole over all of 64 bits, signed and not, numbers with a
//! fraction or an exponent are doubles, and members come out in the order of their names. JSON numbers beyond 64 bits
//! are doubles too, as in most readers; those beyond a double can't be read.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelString, CelUInt, Kind};
use cel::common::value::Val;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value as Json};

use crate::error::EvalError;
use crate::limits::JSON_VALUES_MAX;
use crate::value::Value;

impl<'v> Value<'v> {
    /// From JSON text; 128 levels deep at most.
    ///
    /// ```
    /// use weir_plugin_cel::Value;
    /// assert!(Value::json(r#"{"n": 18446744073709551615}"#).is_ok());
    /// assert!(Value::json("{").unwrap_err().to_string().contains("line 1"));
    /// ```
    pub fn json(text: &'v str) -> Result<Self, EvalError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = read(&mut reader)?;
        reader.end().map_err(refused)?;
        Ok(value)
    }

    /// From JSON that was read already.
    pub fn tree(tree: &'v Json) -> Result<Self, EvalError> {
        read(tree)
    }
}

fn read<'de, D: Deserializer<'de, Error = serde_json::Error>>(from: D) -> Result<Value<'de>, EvalError> {
    Reader { left: &Cell::new(JSON_VALUES_MAX) }.deserialize(from).map_err(refused)
}

fn refused(error: serde_json::Error) -> EvalError {
    EvalError::new(error.to_string())
}

/// Reads one value, and counts: a text of a megabyte can hold values that take fifty.
#[derive(Clone, Copy)]
struct Reader<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value<'de>, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom(format!("more than {JSON_VALUES_MAX} values, which is too much to look at")));
        };
        self.left.set(left);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::new(CelBool::from(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::new(CelInt::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::number(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::new(CelDouble::from(value)))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::text(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::new(CelString::from(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::null())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut list: Vec<Box<dyn Val + 'de>> = Vec::new();
        while let Some(Value(item)) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::new(CelList::from(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'de>, A::Error> {
        let mut map: HashMap<CelMapKey<'de>, Box<dyn Val + 'de>> = HashMap::new();
        while let Some(Name(name)) = members.next_key()? {
            let Value(value) = members.next_value_seed(self)?;
            map.insert(CelMapKey::String(name), value);
        }
        Ok(Value::new(CelMap::from(map)))
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'de>(CelString<'de>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyName;
        impl<'de> Visitor<'de> for AnyName {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(CelString::from(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Name<'de>, E> {
                Ok(Name(CelString::from(value.to_owned())))
            }
        }
        deserializer.deserialize_str(AnyName)
    }
}

/// A value as JSON.
pub(crate) fn write(value: &(dyn Val + '_)) -> Result<Json, EvalError> {
    let none = || EvalError::new(format!("{} has no form in JSON", a(value.get_type().name())));
    let json = match value.get_type().kind() {
        Kind::NullType => Some(Json::Null),
        Kind::Boolean => value.downcast_ref::<CelBool>().map(|value| Json::Bool(*value.inner())),
        Kind::Int => value.downcast_ref::<CelInt>().map(|value| Json::from(*value.inner())),
        Kind::UInt => value.downcast_ref::<CelUInt>().map(|value| Json::from(*value.inner())),
        Kind::Double => value.downcast_ref::<CelDouble>().map(double).transpose()?,
        Kind::String => value.downcast_ref::<CelString>().map(|value| Json::from(value.inner())),
        Kind::List => value.downcast_ref::<CelList>().map(list).transpose()?,
        Kind::Map => value.downcast_ref::<CelMap>().map(map).transpose()?,
        _ => None,
    };
    json.ok_or_else(none)
}

fn double(value: &CelDouble) -> Result<Json, EvalError> {
    let number = Number::from_f64(*value.inner());
    number.map(Json::Number).ok_or_else(|| EvalError::new(format!("the number {} has no form in JSON", value.inner())))
}

fn list(list: &CelList<'_>) -> Result<Json, EvalError> {
    list.inner().iter().map(|item| write(item.as_ref())).collect::<Result<_, _>>().map(Json::Array)
}

/// The interpreter's maps are in no order; JSON's are put into that of the names.
fn map(map: &CelMap<'_>) -> Result<Json, EvalError> {
    let mut members: Vec<(&str, &dyn Val)> = Vec::with_capacity(map.inner().len());
    for (key, value) in map.inner() {
        let CelMapKey::String(name) = key else {
            return Err(EvalError::new(
                "a map becomes JSON only if its keys are texts; write {'1': …} instead of {1: …}",
            ));
        };
        members.push((name.inner(), value.as_ref()));
    }
    members.sort_unstable_by_key(|(name, _)| *name);
    let mut object = serde_json::Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), write(value)?);
    }
    Ok(Json::Object(object))
}

/// The name of a type, with its article.
pub(crate) fn a(type_name: &str) -> String {
    match type_name {
        "null_type" => "null".into(),
        "bytes" => "a value of bytes".into(),
        "string" => "a text".into(),
        "int" | "uint" => format!("an {type_name}").replace("an uint", "a uint"),
        other => format!("a {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> String {
        write(Value::json(text).expect(text).0.as_ref()).expect(text).to_string()
    }

    #[test]
    fn json_goes_in_and_comes_out_without_loss() {
        for text in [
            "null",
            "true",
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "18446744073709551615",
            "0.1",
            "1.0",
            "-0.0",
            "5e-324",
            "1.7976931348623157e+308",
            r#""""#,
            r#""é\"\\\n\u0000𐀀""#,
            "[]",
            "{}",
            r#"[1,"1",1.0,null,[[]],{"a":{"b":[true]}}]"#,
            r#"{"":0,"a.b":1,"é":2}"#,
        ] {
            assert_eq!(there_and_back(text), text);
        }
    }

    #[test]
    fn members_come_out_in_the_order_of_their_names_and_the_last_of_two_is_kept() {
        assert_eq!(there_and_back(r#"{"b":1,"a":2,"c":3,"b":4}"#), r#"{"a":2,"b":4,"c":3}"#);
        let object = |numbers: &mut dyn Iterator<Item = u32>| {
            let members: Vec<String> = numbers.map(|n| format!("\"k{n:03}\":{n}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(there_and_back(&object(&mut (0..500).rev())), object(&mut (0..500)));
    }

    #[test]
    fn a_number_beyond_64_bits_is_a_double_and_one_beyond_that_can_t_be_read() {
        assert_eq!(there_and_back("18446744073709551616"), "1.8446744073709552e+19");
        assert!(Value::json("1e400").expect_err("too large").to_string().contains("out of range"));
    }

    #[test]
    fn text_that_is_no_json_or_too_deep_or_too_much_is_refused() {
        for text in ["", "{", "nul", "1 2", "{\"a\" 1}", "[1,]"] {
            assert!(Value::json(text).is_err(), "{text}");
        }
        assert!(Value::json(&"[".repeat(100_000)).expect_err("deep").to_string().contains("recursion"));
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(Value::json(&list(JSON_VALUES_MAX)).is_ok());
        let refused = Value::json(&list(JSON_VALUES_MAX + 1)).expect_err("too much").to_string();
        assert!(refused.contains("more than 50000 values"), "{refused}");
    }

    #[test]
    fn a_tree_is_read_like_its_text() {
        let text = r#"{"a":[1,-2,18446744073709551615,0.5,null,"x",{"b":false}]}"#;
        let tree: Json = serde_json::from_str(text).expect("JSON");
        assert_eq!(write(Value::tree(&tree).expect("a tree").0.as_ref()).expect("JSON"), tree);
    }

    #[test]
    fn what_has_no_form_in_json_says_so() {
        let said = |value: Value<'_>| write(value.0.as_ref()).expect_err("no JSON").to_string();
        assert_eq!(said(Value::bytes(b"x")), "a value of bytes has no form in JSON");
        assert_eq!(said(Value::new(CelDouble::from(f64::NAN))), "the number NaN has no form in JSON");
        let odd: HashMap<CelMapKey<'_>, Box<dyn Val>> = HashMap::from([(CelMapKey::from(1_i64), Value::null().0)]);
        assert!(said(Value::new(CelMap::from(odd))).contains("keys are texts"));
    }
}
