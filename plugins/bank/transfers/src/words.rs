//! What is said about transfers: the request that begins one, the commands that move its money, the events that tell its
//! end, and what the view keeps in between.

use serde::{Deserialize, Serialize};
use weir_plugin_sdk::{Action, Event, NewCommand, NewEvent, Problem};

use crate::transfer::{Fact, State, Step};

/// Where accounts are, and where transfers.
pub const ACCOUNTS: &str = "accounts";
pub const TRANSFERS: &str = "transfers";

/// How long a withdrawal may take unless the request says otherwise, and the longest that it may say, in milliseconds.
const TIMEOUT_MS: u64 = 60_000;
const TIMEOUT_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Characters of an account's or a transfer's id.
const ID_CHARS_MAX: usize = 200;
/// Characters that are kept of why something was refused.
const MESSAGE_CHARS_MAX: usize = 500;

/// How much goes from where to where.
#[derive(Serialize, Deserialize)]
pub struct Order {
    pub from: String,
    pub to: String,
    /// Cents.
    pub amount: u64,
}

/// Why a transfer did not come about: a code, and the words of whoever refused it.
#[derive(Serialize, Deserialize)]
pub struct Reason {
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// What the view has of a transfer: all of it on its way, and of one that has ended only how.
#[derive(Serialize, Deserialize)]
pub struct Entry {
    pub state: State,
    #[serde(flatten)]
    pub order: Option<Order>,
    #[serde(flatten)]
    pub why: Option<Reason>,
}

/// The payload of `transfer-requested`.
#[derive(Deserialize)]
pub struct Request {
    #[serde(flatten)]
    pub order: Order,
    #[serde(default, rename = "timeoutMs")]
    timeout_ms: Option<u64>,
}

/// The payload of `transfer-stuck` and `refund-stuck`: money that a person has to bring to the owner of an account.
#[derive(Serialize)]
struct Stuck<'a> {
    account: &'a str,
    amount: u64,
    #[serde(flatten)]
    why: Option<&'a Reason>,
}

impl Reason {
    pub fn new(code: &str, message: &str) -> Self {
        Self { reason: code.into(), message: Some(message.chars().take(MESSAGE_CHARS_MAX).collect()) }
    }

    /// The code of the first, and the words of all.
    pub fn of(problems: &[Problem]) -> Option<Self> {
        problems.first().map(|first| Self::new(&first.code, &Problem::messages(problems)))
    }

    pub fn timeout() -> Self {
        Self { reason: "timeout".into(), message: None }
    }
}

impl Request {
    /// Anybody may publish requests, and one that is no good must not stop those behind it. So it is a reason to fail, where
    /// an account's event that can't be read is a problem. Whether the amount is good is for the account to say.
    pub fn read(event: &Event) -> Result<Self, Reason> {
        let bad = |message: &str| Reason::new("BAD_REQUEST", message);
        let request: Self = event.json().map_err(|problem| bad(&problem.message))?;
        let Order { from, to, .. } = &request.order;
        if !is_id(from) || !is_id(to) {
            return Err(bad(&format!("from and to must be ids of 1 to {ID_CHARS_MAX} of A-Z a-z 0-9 . _ - : /")));
        }
        if from == to {
            return Err(bad("from and to are the same account"));
        }
        match request.timeout_ms() {
            1..=TIMEOUT_MS_MAX => Ok(request),
            _ => Err(bad(&format!("timeoutMs must be from 1 to {TIMEOUT_MS_MAX}"))),
        }
    }

    pub fn timeout_ms(&self) -> u64 {
        self.timeout_ms.unwrap_or(TIMEOUT_MS)
    }
}

/// Whether a stream can have this name. A command to any other one would be this plugin's fault, and stop it.
pub fn is_id(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte);
    (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(letter) && !text.contains("..")
}

impl Step {
    /// The step as an action of one transfer.
    pub fn action(self, id: &str, order: &Order, why: Option<&Reason>) -> Result<Action, Problem> {
        let Order { from, to, amount } = order;
        let stuck = Stuck { account: from, amount: *amount, why };
        match self {
            Step::Withdraw => command(id, "withdraw", "withdraw", from, *amount),
            Step::Deposit => command(id, "deposit", "deposit", to, *amount),
            Step::Refund => command(id, "refund", "deposit", from, *amount),
            Step::CancelTimer => Ok(Action::cancel_timer(id)),
            Step::TellCompleted => tell(id, "transfer-completed", order),
            Step::TellFailed => tell(id, "transfer-failed", &why),
            Step::TellStuck => tell(id, "transfer-stuck", &stuck),
            Step::TellRefundStuck => tell(id, "refund-stuck", &stuck),
        }
    }
}

/// The id says what the command is for; and so it is the same command, should it be sent again.
fn command(id: &str, purpose: &str, name: &str, account: &str, amount: u64) -> Result<Action, Problem> {
    #[derive(Serialize)]
    struct Move<'a> {
        amount: u64,
        transfer: &'a str,
    }
    let payload = Move { amount, transfer: id };
    Ok(Action::execute(NewCommand::new(format!("{id}/{purpose}"), name, ACCOUNTS, account, &payload)?))
}

/// What it means that a command was refused, and to which transfer: the other way round from [`command`].
pub fn refusal(command_id: &str) -> Option<(&str, Fact)> {
    let (id, purpose) = command_id.rsplit_once('/')?;
    let fact = match purpose {
        "withdraw" => Fact::WithdrawRefused,
        "deposit" => Fact::DepositRefused,
        "refund" => Fact::RefundRefused,
        _ => return None,
    };
    Some((id, fact))
}

pub fn tell<T: Serialize>(id: &str, event_type: &str, payload: &T) -> Result<Action, Problem> {
    Ok(Action::append(NewEvent::new(TRANSFERS, event_type, payload)?.in_stream(id)))
}
