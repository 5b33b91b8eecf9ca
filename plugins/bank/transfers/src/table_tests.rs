//! Rules that every line of the table keeps.

use super::*;

const STATES: [State; 9] =
    [Withdrawing, Cancelled, Depositing, Overdue, Refunding, Returning, Completed, Failed, Stuck];
const FACTS: [Fact; 7] = [Withdrawn, WithdrawRefused, Deposited, DepositRefused, Refunded, RefundRefused, TimedOut];

fn lines() -> impl Iterator<Item = (State, Fact, State, &'static [Step])> {
    let lines = STATES.into_iter().flat_map(|state| FACTS.map(|fact| (state, fact)));
    lines.filter_map(|(state, fact)| state.after(fact).map(|(next, steps)| (state, fact, next, steps)))
}

/// Whether money has left an account and not come to rest in one.
fn holds_money(state: State) -> bool {
    matches!(state, Depositing | Overdue | Refunding | Returning)
}

fn has_timer(state: State) -> bool {
    matches!(state, Withdrawing | Depositing)
}

#[test]
fn money_is_held_from_a_withdrawal_until_it_rests_or_a_person_is_told() {
    for (state, fact, next, steps) in lines() {
        let stuck = steps.contains(&TellStuck) || steps.contains(&TellRefundStuck);
        let expected = match fact {
            Withdrawn => true,
            Deposited | Refunded => false,
            _ => holds_money(state) && !stuck,
        };
        assert_eq!(holds_money(next), expected, "{state:?} {fact:?}");
        // Whatever is held is moved by exactly one command at a time.
        let moves = steps.iter().filter(|step| matches!(step, Deposit | Refund)).count();
        let asked = fact == Withdrawn || fact == DepositRefused;
        assert_eq!(moves, usize::from(asked), "{state:?} {fact:?}");
    }
}

#[test]
fn a_timer_fires_or_is_cancelled_and_not_both() {
    for (state, fact, next, steps) in lines() {
        let cancelled = steps.contains(&CancelTimer);
        let ended = has_timer(state) && !has_timer(next);
        assert_eq!(cancelled, ended && fact != TimedOut, "{state:?} {fact:?}");
        assert!(has_timer(state) || !has_timer(next), "{state:?} {fact:?}");
    }
}

#[test]
fn every_end_is_told_once() {
    for (state, fact, next, steps) in lines() {
        let told = steps.iter().filter(|step| matches!(step, TellCompleted | TellFailed | TellStuck)).count();
        let told_before = matches!(state, Cancelled | Returning);
        let told_after = next.has_ended() || matches!(next, Cancelled | Returning);
        assert_eq!(told, usize::from(told_after && !told_before), "{state:?} {fact:?}");
    }
}

#[test]
fn what_has_ended_stays_so_and_all_else_gets_an_answer() {
    for state in STATES {
        let lines: Vec<_> = lines().filter(|line| line.0 == state).collect();
        assert_eq!(lines.is_empty(), state.has_ended(), "{state:?}");
        // Of the command that is on its way, both answers are known.
        let answers: &[Fact] = match state {
            Withdrawing | Cancelled => &[Withdrawn, WithdrawRefused],
            Depositing | Overdue => &[Deposited, DepositRefused],
            Refunding | Returning => &[Refunded, RefundRefused],
            _ => &[],
        };
        assert!(answers.iter().all(|answer| state.after(*answer).is_some()), "{state:?}");
    }
}
