//! The process manager "transfers": moves money from one bank account to another, and back when the other does not take it.
//! It moves nothing itself: it sends commands to the decider "bank-account", and its events and refusals are the answers.
//! What follows from what is the table in `transfer`.

mod transfer;
mod words;

#[cfg(test)]
mod tests;

use serde::Deserialize;
use transfer::{Fact, State, Step};
use weir_plugin_sdk::{
    Action, Command, Event, Manifest, NoConfig, Problem, ProcessManager, Timer, View, export_process_manager,
};
use words::{ACCOUNTS, Entry, Reason, Request, TRANSFERS};

/// The process manager. What it knows of a transfer is in the view, under the transfer's id.
pub struct Transfers;

type Actions = Result<Vec<Action>, Problem>;

/// What matters here of `withdrawn` and `deposited`.
#[derive(Deserialize)]
struct Moved {
    amount: u64,
    #[serde(default)]
    transfer: Option<String>,
}

impl ProcessManager for Transfers {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("transfers", env!("CARGO_PKG_VERSION"))
            .description("Moves money from one bank account to another")
            .interest(&[TRANSFERS], &["transfer-requested"])
            .interest(&[ACCOUNTS], &["withdrawn", "deposited"])
            .wish_append(ACCOUNTS)
            .wish_append(TRANSFERS)
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn react(&mut self, event: &Event, view: &View) -> Actions {
        match (event.topic.as_str(), event.event_type.as_str(), &event.stream) {
            (TRANSFERS, "transfer-requested", Some(id)) => begin(id, event, view),
            (ACCOUNTS, "withdrawn" | "deposited", Some(account)) => moved(account, event, view),
            _ => Ok(Vec::new()),
        }
    }

    fn on_timer(&mut self, timer: &Timer, view: &View) -> Actions {
        go_on(&timer.key, Fact::TimedOut, Some(Reason::timeout()), view)
    }

    fn on_refused(&mut self, command: &Command, reasons: &[Problem], view: &View) -> Actions {
        match words::refusal(&command.id) {
            Some((id, fact)) => go_on(id, fact, Reason::of(reasons), view),
            None => Ok(Vec::new()),
        }
    }
}

/// A request counts once. Every transfer stays in the view, with its state when it has ended: so a request that comes again
/// moves no money, however late it comes.
fn begin(id: &str, event: &Event, view: &View) -> Actions {
    if view.get_raw(id).is_some() {
        return Ok(Vec::new());
    }
    match Request::read(event) {
        Ok(request) => {
            let due = event.time_ms.saturating_add(request.timeout_ms());
            let order = request.order;
            let actions = vec![Step::Withdraw.action(id, &order, None)?, Action::set_timer(id, due, &())?];
            view.put(id, &Entry { state: State::Withdrawing, order: Some(order), why: None })?;
            Ok(actions)
        }
        Err(why) => {
            view.put(id, &Entry { state: State::Failed, order: None, why: None })?;
            Ok(vec![words::tell(id, "transfer-failed", &why)?])
        }
    }
}

/// Only what a transfer asked for is its own: this account, this amount. All else is somebody else's use of its id.
fn moved(account: &str, event: &Event, view: &View) -> Actions {
    let Moved { amount, transfer: Some(id) } = event.json()? else { return Ok(Vec::new()) };
    if !words::is_id(&id) {
        return Ok(Vec::new());
    }
    let Some(Entry { order: Some(order), .. }) = view.get(&id)? else { return Ok(Vec::new()) };
    let fact = match event.event_type.as_str() {
        _ if amount != order.amount => return Ok(Vec::new()),
        "withdrawn" if account == order.from => Fact::Withdrawn,
        "deposited" if account == order.to => Fact::Deposited,
        "deposited" if account == order.from => Fact::Refunded,
        _ => return Ok(Vec::new()),
    };
    go_on(&id, fact, None, view)
}

/// The next line of the table: what it asks for is done, and what it says is kept.
fn go_on(id: &str, fact: Fact, why: Option<Reason>, view: &View) -> Actions {
    let Some(Entry { state, order: Some(order), why: before }) = view.get(id)? else { return Ok(Vec::new()) };
    let Some((state, steps)) = state.after(fact) else { return Ok(Vec::new()) };
    let why = why.or(before);
    let actions = steps.iter().map(|step| step.action(id, &order, why.as_ref())).collect::<Actions>()?;
    let entry = match state.has_ended() {
        true => Entry { state, order: None, why: None },
        false => Entry { state, order: Some(order), why },
    };
    view.put(id, &entry)?;
    Ok(actions)
}

export_process_manager!(Transfers);
