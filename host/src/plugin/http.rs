//! The `http` interface: a guest's requests, checked against its grant and handed to the client that the delivery room
//! provides. This file opens no connection.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::bindings::weir::plugin::http as wit;
use super::grants::host_of;
use super::guest::Guest;
use super::secrets::Granted;
use super::{HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse};
use crate::model::limits::{
    GUEST_REQUEST_BODY_BYTES_MAX, GUEST_REQUEST_HEADER_BYTES_MAX, GUEST_REQUESTS_MAX, GUEST_REQUESTS_PARALLEL,
    GUEST_RESPONSES_BYTES_MAX,
};

/// The way out of one sink: the client, what it may be used for, and its bounds.
#[derive(Clone)]
pub(super) struct HttpDoor {
    pub client: Arc<dyn HttpClient>,
    pub grant: Arc<HttpGrant>,
    pub secrets: Arc<Granted>,
    pub timeout_ms_max: u64,
    pub response_bytes_max: u64,
}

impl HttpDoor {
    async fn send(self, request: wit::Request) -> Result<wit::Response, wit::HttpError> {
        let request = self.check(request).map_err(wit::HttpError::from)?;
        let wait = Duration::from_millis(request.timeout_ms.map_or(self.timeout_ms_max, u64::from));
        let answer = tokio::time::timeout(wait, self.client.send(&self.grant, request)).await;
        let response = answer.unwrap_or(Err(HttpError::Timeout))?;
        if response.body.len() as u64 > self.response_bytes_max {
            return Err(HttpError::TooLarge(response.body.len() as u64).into());
        }
        Ok(response.into())
    }

    fn check(&self, request: wit::Request) -> Result<HttpRequest, HttpError> {
        let method = request.method.to_ascii_uppercase();
        let Some(host) = host_of(&request.url) else {
            return Err(HttpError::Denied("the URL must be http:// or https:// with a plain host name".into()));
        };
        if !self.grant.allows(&method, host) {
            let why = format!("{method} to {host} is not granted; the operator grants it in the plugin's side-car");
            return Err(HttpError::Denied(why));
        }
        let body = Bytes::from(request.body.unwrap_or_default());
        if body.len() > GUEST_REQUEST_BODY_BYTES_MAX {
            return Err(HttpError::TooLarge(body.len() as u64));
        }
        let header_bytes: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if header_bytes > GUEST_REQUEST_HEADER_BYTES_MAX {
            return Err(HttpError::TooLarge(header_bytes as u64));
        }
        let most = u32::try_from(self.timeout_ms_max).unwrap_or(u32::MAX);
        let timeout_ms = Some(request.timeout_ms.map_or(most, |wish| wish.min(most)));
        let headers = request.headers.into_iter();
        let headers = headers.map(|(name, value)| Ok((name, self.secrets.put_into(value).map_err(HttpError::Denied)?)));
        let headers = headers.collect::<Result<_, HttpError>>()?;
        Ok(HttpRequest { method, url: request.url, headers, body, timeout_ms })
    }
}

impl wit::Host for Guest {
    async fn send(&mut self, request: wit::Request) -> Result<wit::Response, wit::HttpError> {
        let door = self.http.clone().ok_or_else(shut)?;
        self.cpu.pause();
        let answer = door.send(request).await;
        self.cpu.resume();
        answer
    }

    async fn send_all(&mut self, requests: Vec<wit::Request>) -> Vec<Result<wit::Response, wit::HttpError>> {
        let mut answers: Vec<_> = requests.iter().map(|_| Err(wit::HttpError::Timeout)).collect();
        let Some(door) = self.http.clone() else {
            return answers.into_iter().map(|_: Result<wit::Response, _>| Err(shut())).collect();
        };
        if requests.len() > GUEST_REQUESTS_MAX {
            let why = format!("{} requests at once are more than {GUEST_REQUESTS_MAX}", requests.len());
            return answers.into_iter().map(|_| Err(wit::HttpError::Denied(why.clone()))).collect();
        }
        self.cpu.pause();
        let turns = Arc::new(Semaphore::new(GUEST_REQUESTS_PARALLEL));
        // Dropping the set ends what still runs: a call that is given up leaves no request behind.
        let mut running = JoinSet::new();
        for (index, request) in requests.into_iter().enumerate() {
            let (door, turns) = (door.clone(), turns.clone());
            running.spawn(async move {
                let _turn = turns.acquire().await;
                (index, door.send(request).await)
            });
        }
        let mut bytes = 0;
        while let Some(done) = running.join_next().await {
            match done {
                Ok((index, answer)) => {
                    bytes += answer.as_ref().map_or(0, |response| response.body.len());
                    let fits = bytes <= GUEST_RESPONSES_BYTES_MAX;
                    answers[index] = if fits { answer } else { Err(wit::HttpError::TooLarge(bytes as u64)) };
                }
                Err(error) => tracing::error!(%error, "a request of a plugin ended in a panic"),
            }
        }
        self.cpu.resume();
        answers
    }
}

fn shut() -> wit::HttpError {
    wit::HttpError::Denied("describe() must not send requests".into())
}

impl From<HttpResponse> for wit::Response {
    fn from(response: HttpResponse) -> Self {
        Self { status: response.status, headers: response.headers, body: response.body.into() }
    }
}

impl From<HttpError> for wit::HttpError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(why) => Self::Denied(why),
            HttpError::Timeout => Self::Timeout,
            HttpError::Connect(why) => Self::Connect(why),
            HttpError::TooLarge(bytes) => Self::TooLarge(bytes),
            HttpError::Protocol(why) => Self::Protocol(why),
        }
    }
}
