//! Random histories of a whole bank: ten thousand transfers among twenty accounts, whose owners pay in, take out, close and
//! open as they like. The bank (`bank.rs`) hands events, refusals and timers over in any order that a server could.

mod bank;
mod checks;
mod dice;

use bank::Bank;
use checks::End;
use dice::Dice;

const TRANSFERS: usize = 10_000;
const SEEDS: std::ops::Range<u64> = 0..4;

/// What may happen next, and how likely it is; the chances change now and then, so that queues grow and are emptied.
#[derive(Clone, Copy)]
enum Turn {
    Request,
    AskAgain,
    People,
    Execute,
    Hear,
    Refuse,
    Ring,
}

const TURNS: [Turn; 7] =
    [Turn::Request, Turn::AskAgain, Turn::People, Turn::Execute, Turn::Hear, Turn::Refuse, Turn::Ring];

fn take(turn: Turn, bank: &mut Bank, dice: &mut Dice) {
    match turn {
        Turn::Request => bank.request(dice),
        Turn::AskAgain => bank.ask_again(dice),
        Turn::People => bank.people_do_something(dice),
        Turn::Execute => bank.execute_a_command(dice),
        Turn::Hear => bank.hand_over_events(dice),
        Turn::Refuse => bank.hand_over_a_refusal(dice),
        Turn::Ring => bank.fire_timers(dice),
    }
}

/// Chances of the turns, in their order. Some of the time everything flows, and some of the time something hangs.
fn chances(dice: &mut Dice) -> [u64; 7] {
    let flow = |dice: &mut Dice| [0, 4, 16, 32][dice.below(4) as usize];
    [2, 1, 2, flow(dice), flow(dice), flow(dice), u64::from(dice.one_in(4))]
}

fn live(seed: u64) -> Bank {
    let dice = &mut Dice::new(seed);
    let mut bank = Bank::new(dice);
    let mut weights = chances(dice);
    for turn in 0.. {
        if bank.requested == TRANSFERS {
            break;
        }
        if turn % 200 == 0 {
            weights = chances(dice);
            bank.check_sum();
        }
        take(TURNS[dice.weighted(&weights)], &mut bank, dice);
    }
    // Now all that is on its way comes to its end, timers being no longer needed for it.
    while bank.is_busy() {
        let turn = [Turn::Execute, Turn::Hear, Turn::Refuse][dice.below(3) as usize];
        take(turn, &mut bank, dice);
    }
    bank
}

#[test]
fn no_order_of_events_refusals_and_timers_loses_or_doubles_money() {
    for seed in SEEDS {
        let bank = std::panic::catch_unwind(|| live(seed)).unwrap_or_else(|_| panic!("seed {seed}"));
        bank.check_sum();
        let ends = bank.check_ends();
        // A history in which one of these never happens shows nothing.
        for end in [End::Completed, End::Failed, End::Stuck, End::RefundStuck] {
            assert!(ends.iter().filter(|found| **found == end).count() > 10, "seed {seed}: hardly any {end:?}");
        }
    }
}
