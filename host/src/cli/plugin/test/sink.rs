//! Cases of sinks: a target, events, and answers of the other side that are played back; then the requests that were sent
//! and the receipt. Nothing is sent anywhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::diff::{Mismatch, part};
use super::spec::{EventSpec, Numbering, OneOrMany, ProblemSpec, compare_problems, plain, refusal_value};
use super::{Case, Stage, faulted};
use crate::plugin::{HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse, Receipt, Refusal, Rest, Target};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkCase {
    name: String,
    #[serde(default)]
    config: Option<Map<String, Value>>,
    #[serde(default)]
    target: TargetSpec,
    /// Events of one delivery; without them only the target is checked.
    #[serde(default)]
    given: OneOrMany<EventSpec>,
    /// What the other side answers, in order; without them 200 to every request.
    #[serde(default)]
    answers: Option<Vec<AnswerSpec>>,
    then: Then,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TargetSpec {
    id: Option<String>,
    config: Map<String, Value>,
}

/// One answer of the other side.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AnswerSpec {
    /// Only for requests to this URL.
    url: Option<String>,
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    /// JSON, or a text as it is.
    body: Option<Value>,
    /// No answer: `timeout`, `connect`, `protocol`, `too-large` or `denied`.
    error: Option<ErrorWord>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ErrorWord {
    Timeout,
    Connect,
    Protocol,
    TooLarge,
    Denied,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Then {
    /// Exactly these, in order.
    requests: Option<Vec<RequestSpec>>,
    accepted: Option<usize>,
    rest: Option<RestSpec>,
    /// What the sink says of the target.
    check: Option<CheckSpec>,
}

/// Only what is said is compared.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RequestSpec {
    method: Option<String>,
    url: Option<String>,
    /// Headers among others; names in lower case.
    headers: Option<BTreeMap<String, String>>,
    /// JSON, or a text as it is.
    body: Option<Value>,
    body_has: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RestSpec {
    Done,
    Retry(RetrySpec),
    Poison(ProblemSpec),
    Gone(ProblemSpec),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RetrySpec {
    after_ms: Option<u64>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CheckSpec {
    Ok,
    Problem(OneOrMany<ProblemSpec>),
}

impl Case for SinkCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.config.as_ref()
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<Vec<Mismatch>, String> {
        let sink = stage.piece.sink().ok_or("the component is no sink")?;
        let config = plain(Value::Object(self.target.config.clone())).to_string();
        let id = self.target.id.clone().unwrap_or_else(|| "consumer-1".to_owned());
        let target = Target { id, config_json: config.into() };
        let mut mismatches = Vec::new();
        stage.script.play(self.answers.clone());
        if let Some(expected) = &self.then.check {
            let checked = sink.check(&target).await.map_err(faulted)?;
            mismatches.extend(expected.compare(checked.err().as_deref()));
        }
        let then = &self.then;
        if self.given.items.is_empty() {
            return match then.check.is_some() && then.requests.is_none() && then.rest.is_none() {
                true => Ok(mismatches),
                false => {
                    Err("a case without 'given' events only checks a target: 'then' needs 'check' alone".to_owned())
                }
            };
        }
        let events = Numbering::default().record_all(&self.given.items, stage.defaults)?;
        let receipt = sink.deliver(&target, &events).await.map_err(faulted)?;
        if let Some(expected) = &then.requests {
            let wanted = Value::Array(expected.iter().map(RequestSpec::value).collect());
            let requests = stage.script.requests();
            let cut = requests.iter().enumerate().map(|(at, request)| match expected.get(at) {
                Some(spec) => spec.cut(request),
                None => request_value(request),
            });
            mismatches.extend(Mismatch::of("requests", wanted, Value::Array(cut.collect())));
        }
        if let Some(accepted) = then.accepted {
            mismatches.extend(Mismatch::of("accepted", json!(accepted), json!(receipt.accepted)));
        }
        if let Some(rest) = &then.rest {
            let wanted = rest.value();
            let all = rest_value(&receipt);
            mismatches.extend(Mismatch::of_part("rest", wanted, all));
        } else if then.accepted.is_none() && receipt.rest != Rest::Done {
            mismatches.extend(Mismatch::of("rest", json!("done"), rest_value(&receipt)));
        }
        Ok(mismatches)
    }
}

#[cfg(test)]
impl SinkCase {
    pub fn answers_into(&self, script: &Script) {
        script.play(self.answers.clone());
    }
}

impl CheckSpec {
    fn compare(&self, refusals: Option<&[Refusal]>) -> Option<Mismatch> {
        if let (Self::Problem(expected), Some(refusals)) = (self, refusals) {
            let (expected, actual) = compare_problems(expected, refusals);
            return Mismatch::of("check", json!({ "problem": expected }), json!({ "problem": actual }));
        }
        let expected = match self {
            Self::Ok => json!("ok"),
            Self::Problem(problems) => json!({ "problem": problems.value() }),
        };
        let all = |refusals: &[Refusal]| json!({ "problem": refusals.iter().map(refusal_value).collect::<Value>() });
        Mismatch::of("check", expected, refusals.map_or_else(|| json!("ok"), all))
    }
}

impl RequestSpec {
    fn value(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Option<Value>| drop(value.map(|value| out.insert(key.to_owned(), value)));
        put("method", self.method.clone().map(Value::from));
        put("url", self.url.clone().map(Value::from));
        put("headers", self.headers.as_ref().map(|headers| json!(headers)));
        put("body", self.body.clone().or_else(|| self.body_has.clone()).map(plain));
        Value::Object(out)
    }

    fn cut(&self, request: &HttpRequest) -> Value {
        let all = request_value(request);
        let mut cut = part(&self.value(), all.clone());
        if self.body.is_some() {
            cut["body"] = all["body"].clone();
        }
        cut
    }
}

impl RestSpec {
    fn value(&self) -> Value {
        match self {
            Self::Done => json!("done"),
            Self::Retry(retry) => {
                let mut out = Map::new();
                if let Some(after) = retry.after_ms {
                    out.insert("after_ms".to_owned(), after.into());
                }
                if let Some(reason) = &retry.reason {
                    out.insert("reason".to_owned(), reason.clone().into());
                }
                json!({ "retry": out })
            }
            Self::Poison(problem) => json!({ "poison": problem.value() }),
            Self::Gone(problem) => json!({ "gone": problem.value() }),
        }
    }
}

fn rest_value(receipt: &Receipt) -> Value {
    match &receipt.rest {
        Rest::Done => json!("done"),
        Rest::Retry { after_ms, reason } => json!({ "retry": { "after_ms": after_ms, "reason": reason } }),
        Rest::Poison(refusal) => json!({ "poison": refusal_value(refusal) }),
        Rest::Gone(refusal) => json!({ "gone": refusal_value(refusal) }),
    }
}

fn request_value(request: &HttpRequest) -> Value {
    let headers: BTreeMap<_, _> =
        request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    let body = match serde_json::from_slice(&request.body) {
        Ok(value) => value,
        Err(_) => Value::from(String::from_utf8_lossy(&request.body).into_owned()),
    };
    json!({ "method": request.method, "url": request.url, "headers": headers, "body": body })
}

/// The other side of a sink: answers as a case says, and remembers what was asked.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Play>>);

#[derive(Default)]
struct Play {
    answers: Option<Vec<AnswerSpec>>,
    requests: Vec<HttpRequest>,
}

impl Script {
    fn lock(&self) -> MutexGuard<'_, Play> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn clear(&self) {
        *self.lock() = Play::default();
    }

    fn play(&self, answers: Option<Vec<AnswerSpec>>) {
        *self.lock() = Play { answers, requests: Vec::new() };
    }

    fn requests(&self) -> Vec<HttpRequest> {
        self.lock().requests.clone()
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn send(&self, _grant: &HttpGrant, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut play = self.lock();
        let url = request.url.clone();
        play.requests.push(request);
        let Some(answers) = &mut play.answers else {
            return Ok(HttpResponse { status: 200, headers: Vec::new(), body: bytes::Bytes::new() });
        };
        match answers.iter().position(|answer| answer.url.as_ref().is_none_or(|wanted| *wanted == url)) {
            Some(at) => answers.remove(at).play(),
            None => Err(HttpError::Connect("the case has no more answers".to_owned())),
        }
    }
}

impl AnswerSpec {
    fn play(self) -> Result<HttpResponse, HttpError> {
        let said = "as the case says".to_owned();
        match self.error {
            Some(ErrorWord::Timeout) => return Err(HttpError::Timeout),
            Some(ErrorWord::Connect) => return Err(HttpError::Connect(said)),
            Some(ErrorWord::Protocol) => return Err(HttpError::Protocol(said)),
            Some(ErrorWord::TooLarge) => return Err(HttpError::TooLarge(1 << 30)),
            Some(ErrorWord::Denied) => return Err(HttpError::Denied(said)),
            None => {}
        }
        let body = match self.body.map(plain) {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        let headers = self.headers.into_iter().collect();
        Ok(HttpResponse { status: self.status.unwrap_or(200), headers, body: body.into() })
    }
}
