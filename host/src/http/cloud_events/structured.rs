//! CloudEvents in JSON: one object, or an array of them. Data stays a slice of the request's body.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use bytes::Bytes;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Read;
use super::attributes::{self, Value};
use super::fault::{Fault, Reason, refuse, refuse_batch};
use super::intake::Incoming;
use crate::http::body::Body;
use crate::http::event_body::Text;
use crate::http::problem::Problem;
use crate::http::publish::check_count;
use crate::model::{Payload, TopicName, limits};

/// The members of one object, in order, as they came.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Visit<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'a>, &'a RawValue>()? {
                    // Names are compared with each other, which must not take long.
                    if members.len() == limits::CLOUD_EVENT_MEMBERS_MAX {
                        let most = limits::CLOUD_EVENT_MEMBERS_MAX;
                        return Err(A::Error::custom(format_args!("a CloudEvent has at most {most} members")));
                    }
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit(PhantomData))
    }
}

/// `application/cloudevents+json`
pub fn read(body: &Body, path: Option<&TopicName>) -> Result<Read, Problem> {
    let members = body.json(|detail| refuse(&[Reason::NotObject(detail).of_event()]))?;
    let (event, condition) = incoming(members, &body.0).into_event(path).map_err(|faults| refuse(&faults))?;
    Ok((vec![event], condition.into_iter().collect()))
}

/// `application/cloudevents-batch+json`
pub fn read_batch(body: &Body, path: Option<&TopicName>) -> Result<Read, Problem> {
    let shape = |_| Problem::bad_request("INVALID_REQUEST", "Request body must be a non-empty array of CloudEvents");
    let items: Vec<&RawValue> = body.json(shape)?;
    check_count(items.len())?;
    let (mut events, mut conditions) = (Vec::with_capacity(items.len()), Vec::new());
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let not_object = |error: serde_json::Error| vec![Reason::NotObject(error.to_string()).of_event()];
        let members: Result<Members<'_>, _> = serde_json::from_str(item.get()).map_err(not_object);
        match members.and_then(|members| incoming(members, &body.0).into_event(path)) {
            Ok((event, condition)) => {
                events.push(event);
                conditions.extend(condition);
            }
            Err(found) => faults.extend(found.into_iter().map(|fault| (index, fault))),
        }
        if faults.len() >= limits::CLOUD_EVENT_FAULTS_SHOWN {
            break;
        }
    }
    if faults.is_empty() { Ok((events, conditions)) } else { Err(refuse_batch(&faults)) }
}

/// Sorts an object's members into attributes and data. `body` is what they were parsed from.
fn incoming<'a>(Members(members): Members<'a>, body: &Bytes) -> Incoming<'a> {
    let mut incoming = Incoming::default();
    let (mut data, mut base64) = (Vec::new(), Vec::new());
    for (name, raw) in members {
        match (&*name, value(raw)) {
            ("data", _) => data.push(raw),
            ("data_base64", Ok(None)) => {}
            ("data_base64", _) => base64.push(raw),
            // Null is as good as left out.
            (_, Ok(None)) if attributes::is_name(&name) => {}
            (_, Ok(None)) => incoming.faults.push(Reason::Name.of(&name)),
            (_, Ok(Some(value))) => incoming.push(name, value),
            (_, Err(reason)) => incoming.faults.push(reason.of(&name)),
        }
    }
    match payload(&data, &base64, incoming.text("datacontenttype"), body) {
        Ok(payload) => incoming.data = payload,
        Err(fault) => incoming.faults.push(fault),
    }
    incoming
}

/// An attribute's value: a string, a boolean, a number without fraction, or null.
fn value(raw: &RawValue) -> Result<Option<Value<'_>>, Reason> {
    match raw.get() {
        "null" => Ok(None),
        "true" => Ok(Some(Value::Boolean(true))),
        "false" => Ok(Some(Value::Boolean(false))),
        text if text.starts_with('"') => {
            let Text(text) = serde_json::from_str(text).map_err(|_| Reason::Type)?;
            Ok(Some(Value::Text(text)))
        }
        text => text.parse().map(|number| Some(Value::Integer(number))).map_err(|_| Reason::Type),
    }
}

fn payload(
    data: &[&RawValue],
    base64: &[&RawValue],
    content_type: Option<&str>,
    body: &Bytes,
) -> Result<Option<Payload>, Fault> {
    match (data, base64) {
        ([], []) => Ok(None),
        ([data], []) => {
            let is_json = content_type.is_none_or(attributes::is_json);
            // Of data that is no JSON, the string is the text: it must be one that can be unescaped.
            if !is_json && serde_json::from_str::<Text<'_>>(data.get()).is_err() {
                return Err(Reason::DataNotText.of("data"));
            }
            Ok(Some(Payload::Json(body.slice_ref(data.get().as_bytes()))))
        }
        ([], [text]) => {
            let text = value(text).ok().flatten().and_then(|value| value.into_text().ok());
            let text = text.ok_or(Reason::NotText.of("data_base64"))?;
            let decoded = base64::engine::general_purpose::STANDARD.decode(&*text);
            let refuse = |error: base64::DecodeError| Reason::Base64(error.to_string()).of("data_base64");
            Ok(Some(Payload::Bytes(decoded.map_err(refuse)?.into())))
        }
        ([], _) => Err(Reason::Repeated.of("data_base64")),
        (_, []) => Err(Reason::Repeated.of("data")),
        _ => Err(Reason::DataTwice.of("data")),
    }
}
