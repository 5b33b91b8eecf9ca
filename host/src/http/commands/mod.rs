//! Commands as one JSON each, over `POST /commands` and on a WebSocket: what an aggregate's path, a method and headers say
//! otherwise is in the command itself, and whose it is: its tenant.

mod command;
mod socket;

use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::App;
use super::idempotency;
use super::openapi::problems::{Body as OfBody, Changing, Commanding, Envelope, Named, OfTenant, Refused, TopicInBody};
use super::openapi::{COMMANDS, answers, params, schemas};
use super::problem::Problem;
use super::publish::Write;
use super::trace_context;
use crate::model::Position;
use command::{Intent, Tenant};

/// The decider of a topic decides on a command, and what it decided is recorded.
///
/// Its events have the tag `tenant:` with the command's tenant, and reach that tenant's sockets.
#[utoipa::path(
    post,
    path = "/commands",
    tag = COMMANDS,
    params(params::Key),
    request_body = schemas::NewCommand,
    responses(
        answers::CommandExecuted,
        Refused<(OfBody, Named, TopicInBody, Envelope, (Commanding, Changing))>
    )
)]
pub async fn post_commands(State(app): State<App>, write: Write) -> Result<Response, Problem> {
    let headers = &write.body.1;
    if headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_NONE_MATCH) {
        let detail = "say in the command's version what you expect, 0 for none; If-Match has no meaning here";
        return Err(Problem::bad_request("INVALID_CONDITION", detail));
    }
    let mut intent = Intent::parse(write.body.0.clone())?;
    intent.inherit(trace_context::of(headers));
    if let Some(key) = idempotency::key(headers, || write.target(), &write.body.0)? {
        intent.name_by(key)?;
    }
    let (body, replayed) = intent.execute(&app).await?;
    Ok(idempotency::marked((StatusCode::OK, super::JSON_HEADERS, body).into_response(), replayed))
}

/// A request to go on as a socket.
pub struct Opening(Option<axum::extract::ws::WebSocketUpgrade>);

impl FromRequestParts<App> for Opening {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        super::socket::wish(parts, app).await.map(Self)
    }
}

/// Commands on a WebSocket: each a text frame, answered in their order, and the events of the socket's tenant.
#[utoipa::path(
    get,
    path = "/commands",
    tag = COMMANDS,
    params(params::OfTenant),
    responses(
        (status = 101, description = "Commands go in, answers and events come out. AsyncAPI has more."),
        Refused<(OfTenant, Named)>
    )
)]
pub async fn get_commands(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    Opening(upgrade): Opening,
) -> Result<Response, Problem> {
    let wish = Wish::parse(query.as_deref().unwrap_or_default())?;
    let Some(upgrade) = upgrade else {
        let detail = "commands come one by one with POST, or here over a WebSocket";
        let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", detail);
        let upgrade: (HeaderName, &str) = (header::UPGRADE, "websocket");
        return Ok(([upgrade], problem).into_response());
    };
    let follow = match wish.tenant {
        Some(tenant) => Some(tenant.follow(&app, wish.from).await?),
        None => None,
    };
    Ok(socket::answer(upgrade, app, follow))
}

/// Whose events a socket wants, and from where on.
struct Wish {
    tenant: Option<Tenant>,
    from: Option<Position>,
}

impl Wish {
    fn parse(query: &str) -> Result<Self, Problem> {
        let refuse = |detail: &str| Err(Problem::bad_request("INVALID_QUERY", detail));
        let (mut tenant, mut from) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "tenant" if tenant.is_none() => tenant = Some(Tenant::parse(&value)?),
                "from" if from.is_none() => match value.parse() {
                    Ok(position) => from = Some(position),
                    Err(_) => return refuse("from must be a position of the store, a whole number"),
                },
                _ => return refuse("known are tenant and from, once each"),
            }
        }
        if from.is_some() && tenant.is_none() {
            return refuse("from needs a tenant, whose events it is about");
        }
        Ok(Self { tenant, from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_says_whose_it_is_and_from_where_on() {
        let of = |query: &str| Wish::parse(query).map(|wish| (wish.tenant.is_some(), wish.from)).ok();
        assert_eq!(of(""), Some((false, None)));
        assert_eq!(of("tenant=acme"), Some((true, None)));
        assert_eq!(of("from=7&tenant=acme%20ltd"), Some((true, Some(7))));
        for bad in ["from=7", "tenant=", "tenant=a&tenant=b", "tenant=a&from=x", "tenant=a&from=-1", "topic=t"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
