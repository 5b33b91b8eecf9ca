//! The filters of a list: what a field of a document must be. A URL has only texts, so a field is compared as what it
//! is: a number by its value, a string letter by letter.

use std::cmp::Ordering;

use weir_json_patch::{Decimal, Json};

use crate::field::Field;

/// Values of one `[in]`.
pub const IN_VALUES_MAX: usize = 100;

/// One condition on one field.
#[derive(Debug)]
pub struct Filter {
    pub field: Field,
    test: Test,
}

#[derive(Debug)]
enum Test {
    In(Vec<Value>),
    NotEqual(Value),
    Compare(&'static [Ordering], Value),
    Prefix(String),
}

/// A value of the URL: a text, and what else that text may mean.
#[derive(Debug)]
struct Value {
    text: String,
    number: Option<Decimal>,
}

impl Filter {
    /// A filter from a parameter: `field=value` or `field[test]=value`.
    pub fn read(name: &str, value: &str) -> Result<Self, String> {
        let split = name.strip_suffix(']').and_then(|name| name.rsplit_once('['));
        let (field, test) = split.unwrap_or((name, "eq"));
        let test = match test {
            "eq" => Test::In(vec![Value::of(value)]),
            "in" => Test::In(values(value)?),
            "ne" => Test::NotEqual(Value::of(value)),
            "gt" => Test::Compare(&[Ordering::Greater], Value::of(value)),
            "gte" => Test::Compare(&[Ordering::Greater, Ordering::Equal], Value::of(value)),
            "lt" => Test::Compare(&[Ordering::Less], Value::of(value)),
            "lte" => Test::Compare(&[Ordering::Less, Ordering::Equal], Value::of(value)),
            "prefix" => Test::Prefix(value.to_owned()),
            _ => return Err(format!("there is no test '{test}'; there are eq, ne, gt, gte, lt, lte, in and prefix")),
        };
        Ok(Self { field: Field::read(field)?, test })
    }

    /// Whether the field may be as it is; there may be none.
    pub fn allows(&self, found: Option<&Json>) -> bool {
        match &self.test {
            Test::In(values) => values.iter().any(|value| value.is(found)),
            Test::NotEqual(value) => !value.is(found),
            Test::Compare(orders, value) => {
                found.and_then(|found| value.compare(found)).is_some_and(|it| orders.contains(&it))
            }
            Test::Prefix(prefix) => matches!(found, Some(Json::Text(text)) if text.starts_with(prefix.as_str())),
        }
    }

    /// All values that the field may have, if they can be told: what an index is asked for.
    pub fn candidates(&self) -> Option<Vec<Json>> {
        match &self.test {
            Test::In(values) => Some(values.iter().flat_map(Value::meanings).collect()),
            _ => None,
        }
    }
}

fn values(list: &str) -> Result<Vec<Value>, String> {
    let values: Vec<Value> = list.split(',').map(Value::of).collect();
    if values.len() > IN_VALUES_MAX {
        return Err(format!("there are {} values; ask for at most {IN_VALUES_MAX} at once", values.len()));
    }
    Ok(values)
}

impl Value {
    fn of(text: &str) -> Self {
        let number = match Json::read(text) {
            Ok(Json::Number(number)) if number.as_str() == text => Some(number.value()),
            _ => None,
        };
        Self { text: text.to_owned(), number }
    }

    fn is(&self, found: Option<&Json>) -> bool {
        match found {
            Some(Json::Text(text)) => *text == self.text,
            Some(Json::Number(number)) => self.number.as_ref() == Some(&number.value()),
            Some(Json::Bool(true)) => self.text == "true",
            Some(Json::Bool(false)) => self.text == "false",
            Some(Json::Null) => self.text == "null",
            Some(Json::Array(_) | Json::Object(_)) | None => false,
        }
    }

    /// How the field stands to this value, if they can be compared.
    fn compare(&self, found: &Json) -> Option<Ordering> {
        match found {
            Json::Text(text) => Some(text.as_str().cmp(&self.text)),
            Json::Number(number) => self.number.as_ref().map(|value| number.value().cmp(value)),
            _ => None,
        }
    }

    fn meanings(&self) -> Vec<Json> {
        let word = Json::read(&self.text).ok().filter(|json| match json {
            Json::Number(_) => self.number.is_some(),
            Json::Bool(_) | Json::Null => json.to_string() == self.text,
            _ => false,
        });
        word.into_iter().chain([Json::from(self.text.as_str())]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn allows(name: &str, value: &str, found: &str) -> bool {
        let found = if found.is_empty() { None } else { Some(Json::read(found).expect("JSON")) };
        let filter = Filter::read(name, value).expect("a filter");
        let allowed = filter.allows(found.as_ref());
        if let Some(candidates) = filter.candidates() {
            let among = found.as_ref().is_some_and(|found| candidates.iter().any(|it| it.same(found)));
            assert_eq!(allowed, among, "{name}={value} and its candidates {candidates:?}");
        }
        allowed
    }

    #[test]
    fn a_field_is_compared_as_what_it_is() {
        for (value, found) in [
            ("a", r#""a""#),
            ("5", "5"),
            ("5", "5.0"),
            ("5", r#""5""#),
            ("5.0", "5"),
            ("5.0", r#""5.0""#),
            ("true", "true"),
            ("false", r#""false""#),
            ("null", "null"),
            ("", r#""""#),
        ] {
            assert!(allows("f", value, found) && allows("f[eq]", value, found), "{value} is {found}");
            assert!(!allows("f[ne]", value, found), "{value} is {found}");
        }
        for (value, found) in [
            ("a", r#""A""#),
            ("5", r#""5.0""#),
            (" 5", "5"),
            ("5", "6"),
            ("true", "1"),
            ("True", "true"),
            (" true", "true"),
            ("null", ""),
            ("", "null"),
            ("[]", "[]"),
            ("a", ""),
        ] {
            assert!(!allows("f", value, found), "{value} is not {found}");
            assert!(allows("f[ne]", value, found), "{value} is not {found}");
        }
    }

    #[test]
    fn numbers_and_strings_have_an_order() {
        assert!(allows("f[gt]", "5", "5.01") && !allows("f[gt]", "5", "5.0"));
        assert!(allows("f[gte]", "5", "5.0") && !allows("f[gte]", "5", "4"));
        assert!(allows("f[lt]", "10", "9") && !allows("f[lt]", "10", "10"));
        assert!(allows("f[lte]", "-1e2", "-100") && !allows("f[lte]", "-1e2", "-99"));
        assert!(allows("f[gt]", "2026-01-01", r#""2026-02-01""#) && !allows("f[lt]", "b", r#""c""#));
        for found in ["", "null", "true", "[9]", r#"{"a":9}"#] {
            assert!(!allows("f[gt]", "5", found) && !allows("f[lt]", "5", found), "{found}");
        }
        assert!(!allows("f[gt]", "many", "5"));
    }

    #[test]
    fn a_list_and_a_beginning_are_enough() {
        assert!(
            allows("f[in]", "a,5,null", "5.0")
                && allows("f[in]", "a,5,null", "null")
                && !allows("f[in]", "a,5", r#""b""#)
        );
        assert!(
            allows("f[prefix]", "An", r#""Ann""#)
                && !allows("f[prefix]", "n", r#""Ann""#)
                && !allows("f[prefix]", "1", "12")
        );
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let refused = |name: &str, value: &str| Filter::read(name, value).expect_err("no filter");
        assert!(refused("f[like]", "x").contains("no test 'like'"));
        assert!(refused("", "x").contains("no field") && refused("/~", "x").contains("no field"));
        assert!(refused(&"f".repeat(201), "x").contains("at most 200"));
        assert!(refused("f[in]", &",".repeat(100)).contains("at most 100"));
    }
}
