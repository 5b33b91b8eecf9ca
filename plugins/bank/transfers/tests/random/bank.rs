//! A server in a box for two plugins: the log, the decider's accounts, and what the process manager has asked for. It keeps
//! what a server promises (every event once and in order; of every command one answer; a timer that was set once or not at
//! all) and leaves all else to the dice. Each step holds that no command moves money twice.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use weir_plugin_bank_account::{Account, BankAccount};
use weir_plugin_sdk::testing::{Host, stream_event};
use weir_plugin_sdk::{
    Action, Command, Decider, Event, NewCommand, NewEvent, Problem, ProcessManager, Rejection, Timer,
};
use weir_plugin_transfers::Transfers;

use crate::dice::Dice;

const ACCOUNTS: usize = 20;

/// What the commands of one transfer did.
#[derive(Default)]
pub struct Moves {
    pub amount: u64,
    pub withdrawn: bool,
    /// The command that brought the money to an account.
    pub arrived_by: Option<String>,
}

pub struct Bank {
    decider: BankAccount,
    manager: Transfers,
    pub host: Host,
    pub log: Vec<Event>,
    streams: BTreeMap<(String, String), u64>,
    pub states: BTreeMap<String, Account>,
    /// The accounts that are open, and how many there ever were.
    open: Vec<String>,
    opened: usize,
    /// How many events the process manager has seen.
    read: usize,
    commands: Vec<NewCommand>,
    sent: HashSet<String>,
    refusals: Vec<(Command, Vec<Problem>)>,
    pub timers: BTreeMap<String, Timer>,
    pub requested: usize,
    pub moves: BTreeMap<String, Moves>,
    /// What people brought, less what they took.
    pub brought: i64,
}

impl Bank {
    pub fn new(dice: &mut Dice) -> Self {
        let config = serde_json::from_str("{}").expect("nothing needs to be set");
        let mut bank = Self {
            decider: BankAccount::init(config).expect("a good config"),
            manager: Transfers,
            host: Host::new(),
            log: Vec::new(),
            streams: BTreeMap::new(),
            states: BTreeMap::new(),
            open: Vec::new(),
            opened: 0,
            read: 0,
            commands: Vec::new(),
            sent: HashSet::new(),
            refusals: Vec::new(),
            timers: BTreeMap::new(),
            requested: 0,
            moves: BTreeMap::new(),
            brought: 0,
        };
        (0..ACCOUNTS).for_each(|_| bank.open_account(dice));
        bank
    }

    // What people do.

    fn open_account(&mut self, dice: &mut Dice) {
        let id = format!("account-{}", self.opened);
        self.opened += 1;
        self.person(&id, "open", json!({"owner": "Somebody"})).expect("it is a new one");
        let amount = 1 + dice.below(5_000);
        self.person(&id, "deposit", json!({"amount": amount})).expect("it is open");
        self.open.push(id);
    }

    fn person(&mut self, id: &str, name: &str, payload: Value) -> Result<(), Rejection> {
        let amount = payload["amount"].as_i64().unwrap_or(0);
        let command = NewCommand::new("", name, "accounts", id, &payload).expect("JSON").at(0);
        self.decide(&command)?;
        self.brought += if name == "withdraw" { -amount } else { amount };
        Ok(())
    }

    pub fn people_do_something(&mut self, dice: &mut Dice) {
        let index = dice.index(self.open.len());
        let id = self.open[index].clone();
        let amount = 1 + dice.below(500);
        match dice.below(24) {
            0..15 => _ = self.person(&id, "deposit", json!({"amount": amount})),
            15..23 => _ = self.person(&id, "withdraw", json!({"amount": amount})),
            _ => {
                let balance = self.states[&id].balance;
                if balance > 0 {
                    self.person(&id, "withdraw", json!({"amount": balance})).expect("it is all there is");
                }
                self.person(&id, "close", json!({})).expect("it is empty");
                self.open.swap_remove(index);
                self.open_account(dice);
            }
        }
    }

    pub fn request(&mut self, dice: &mut Dice) {
        let id = format!("t{}", self.requested);
        self.requested += 1;
        self.publish_request(&id, dice);
    }

    /// A client that did not hear the answer publishes again, and not always the same.
    pub fn ask_again(&mut self, dice: &mut Dice) {
        if self.requested > 0 {
            let id = format!("t{}", dice.index(self.requested));
            self.publish_request(&id, dice);
        }
    }

    fn publish_request(&mut self, id: &str, dice: &mut Dice) {
        let (from, mut to) = (dice.pick(&self.open), dice.pick(&self.open).clone());
        if dice.one_in(20) {
            to = dice.pick(&["nobody".to_owned(), "no account".to_owned(), from.clone()]).clone();
        }
        let amount = dice.below(400);
        let payload = json!({"from": from, "to": to, "amount": amount, "timeoutMs": 1 + dice.below(1_000)});
        let request = NewEvent::new("transfers", "transfer-requested", &payload).expect("JSON");
        self.append(request.in_stream(id));
    }

    // What a server does.

    /// Whether anything is still to come, but for timers.
    pub fn is_busy(&self) -> bool {
        self.read < self.log.len() || !self.commands.is_empty() || !self.refusals.is_empty()
    }

    pub fn hand_over_events(&mut self, dice: &mut Dice) {
        let end = self.log.len().min(self.read + 1 + dice.index(8));
        let batch: Vec<Event> = self.log[self.read..end].to_vec();
        self.read = end;
        let actions = self.manager.react_batch(&batch, &self.host.view());
        self.perform(actions.expect("no event is a problem"));
    }

    pub fn hand_over_a_refusal(&mut self, dice: &mut Dice) {
        if self.refusals.is_empty() {
            return;
        }
        let (command, reasons) = self.refusals.swap_remove(dice.index(self.refusals.len()));
        let actions = self.manager.on_refused(&command, &reasons, &self.host.view());
        self.perform(actions.expect("no refusal is a problem"));
    }

    pub fn fire_timers(&mut self, dice: &mut Dice) {
        let keys: Vec<String> = self.timers.keys().filter(|_| dice.one_in(8)).take(3).cloned().collect();
        let due: Vec<Timer> = keys.iter().filter_map(|key| self.timers.remove(key)).collect();
        let actions = self.manager.on_timers(&due, &self.host.view());
        self.perform(actions.expect("no timer is a problem"));
    }

    /// In any order: a server may run commands to several streams side by side.
    pub fn execute_a_command(&mut self, dice: &mut Dice) {
        if self.commands.is_empty() {
            return;
        }
        let command = self.commands.swap_remove(dice.index(self.commands.len())).at(0);
        match self.decide(&command) {
            Ok(()) => self.count(&command),
            Err(rejection) => self.refusals.push((command, reasons(rejection))),
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Append(event) => self.append(event),
                Action::Execute(command) => {
                    assert!(self.sent.insert(command.id.clone()), "{} is sent twice", command.id);
                    self.commands.push(command);
                }
                Action::SetTimer(timer) => {
                    let before = self.timers.insert(timer.key.clone(), timer);
                    assert!(before.is_none(), "{before:?} is set twice");
                }
                Action::CancelTimer(key) => {
                    assert!(self.timers.remove(&key).is_some(), "timer {key} is cancelled and not set");
                }
            }
        }
    }

    fn decide(&mut self, command: &Command) -> Result<(), Rejection> {
        let state = self.states.entry(command.stream.clone()).or_default();
        let events = self.decider.decide(state, command)?;
        events.into_iter().for_each(|event| self.append(event));
        Ok(())
    }

    fn append(&mut self, event: NewEvent) {
        let stream = event.stream.expect("all are of a stream");
        let version = self.streams.entry((event.topic.clone(), stream.clone())).or_default();
        *version += 1;
        let payload = event.payload.as_json().expect("JSON");
        let mut recorded = stream_event(&event.topic, &stream, *version, &event.event_type, payload);
        recorded.position = self.log.len() as u64 + 1;
        if event.topic == "accounts" {
            let state = self.states.remove(&stream).unwrap_or_default();
            let state = self.decider.evolve(state, &recorded).expect("the decider reads its own events");
            self.states.insert(stream, state);
        }
        self.log.push(recorded);
    }

    fn count(&mut self, command: &Command) {
        let payload: Value = command.json().expect("JSON");
        let id = payload["transfer"].as_str().expect("a transfer");
        let moves = self.moves.entry(id.to_owned()).or_default();
        moves.amount = payload["amount"].as_u64().expect("cents");
        if command.name == "withdraw" {
            assert!(!moves.withdrawn, "{} takes money twice", command.id);
            moves.withdrawn = true;
        } else {
            let before = moves.arrived_by.replace(command.id.clone());
            assert!(moves.withdrawn && before.is_none(), "{} brings money that was not taken", command.id);
        }
    }
}

fn reasons(rejection: Rejection) -> Vec<Problem> {
    match rejection {
        Rejection::Invalid(problems) => problems,
        Rejection::Conflict(problem) | Rejection::Failed(problem) => vec![problem],
        Rejection::UnknownCommand => panic!("the decider knows all commands"),
    }
}
