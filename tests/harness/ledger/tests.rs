//! That the ledger sees each violation.

use super::*;

fn place(offset: i64) -> Place {
    Place { topic: "t".to_owned(), partition: 0, offset }
}

fn of(fates: &[Fate]) -> Ledger {
    let known = Fates::default();
    fates.iter().for_each(|fate| known.add("t", 0, *fate));
    Ledger::new(1, Some(known))
}

fn violated(ledger: &Ledger) -> Vec<Invariant> {
    ledger.violations().iter().map(|violation| violation.invariant).collect()
}

fn at(offset: i64) -> BTreeMap<Partition, i64> {
    BTreeMap::from([(("t".to_owned(), 0), offset)])
}

#[test]
fn a_run_in_which_all_went_as_it_should_violates_nothing() {
    let mut ledger = of(&[Fate::Act, Fate::Drop, Fate::DeadLetter, Fate::Act]);
    for offset in [0, 3] {
        ledger.acted(0, &place(offset), Some("t".to_owned()));
    }
    ledger.dead_lettered(&place(2));
    ledger.committed(&at(4));
    let sum = ledger.close(&at(4));
    let expected = Sum { produced: 4, acted: 2, dropped: 1, dead_lettered: 1, ..Sum::default() };
    assert_eq!(sum, expected);
    assert!(violated(&ledger).is_empty(), "{:?}", ledger.violations());
}

#[test]
fn what_is_neither_acted_on_nor_dead_lettered_is_lost() {
    let mut ledger = of(&[Fate::Act, Fate::DeadLetter]);
    assert_eq!(ledger.close(&at(2)).lost, 2);
    assert_eq!(violated(&ledger), [Invariant::NothingLost]);
}

#[test]
fn what_comes_of_a_partition_that_was_never_fed_is_seen() {
    let mut ledger = of(&[Fate::Act]);
    ledger.acted(0, &place(0), None);
    ledger.acted(0, &Place { topic: "another".to_owned(), ..place(0) }, None);
    ledger.close(&at(1));
    assert_eq!(violated(&ledger), [Invariant::NothingLost]);
}

#[test]
fn what_should_not_reach_the_action_is_seen_when_it_does() {
    for fate in [Fate::Drop, Fate::DeadLetter] {
        let mut ledger = of(&[fate]);
        ledger.acted(0, &place(0), None);
        assert_eq!(violated(&ledger), [Invariant::NothingLost]);
    }
}

#[test]
fn a_commit_ahead_of_a_gap_or_one_that_goes_back_is_seen() {
    let mut ledger = of(&[Fate::Act; 10]);
    for offset in [0, 1, 3] {
        ledger.acted(0, &place(offset), None);
    }
    ledger.committed(&at(2));
    assert!(violated(&ledger).is_empty());
    ledger.committed(&at(4));
    ledger.committed(&at(1));
    assert_eq!(violated(&ledger), [Invariant::NeverAhead, Invariant::NeverBack]);
}

#[test]
fn order_is_that_of_first_deliveries_in_each_log() {
    let mut ledger = Ledger::new(2, None);
    let unit = || Some("unit".to_owned());
    for offset in [0, 1, 2, 1, 2, 3] {
        ledger.acted(0, &place(offset), unit());
    }
    for offset in [2, 4] {
        ledger.acted(1, &place(offset), unit());
    }
    assert!(violated(&ledger).is_empty(), "a repetition is no disorder");
    ledger.acted(1, &place(3), unit());
    assert_eq!(violated(&ledger), [Invariant::InOrder]);
}

fn cause(may_repeat: usize, at_once: bool) -> Cause {
    Cause { what: "SIGKILL".to_owned(), may_repeat, at_once }
}

#[test]
fn what_comes_again_is_judged_by_partition_and_by_fault_and_not_by_the_sum_alone() {
    const FED: usize = 300;
    let other = |offset| Place { partition: 1, ..place(offset) };
    let deliver = |ledger: &mut Ledger, offsets: std::ops::Range<i64>| {
        for offset in offsets {
            ledger.acted(0, &place(offset), None);
            ledger.acted(0, &other(offset), None);
        }
    };
    // Three faults of two partitions may repeat 600 in all.
    let (faults, may_repeat) = (3, 100);
    let judged = |again: &dyn Fn(&mut Ledger, i64)| {
        let mut ledger = of(&[Fate::Act; FED]);
        for nth in 0..faults {
            let begin = nth * 100;
            deliver(&mut ledger, begin..begin + 100);
            ledger.fault(cause(may_repeat, true));
            again(&mut ledger, nth);
        }
        ledger.judge_repetitions(faults as usize * may_repeat);
        violated(&ledger)
    };
    assert_eq!(judged(&|ledger, nth| deliver(ledger, nth * 100..nth * 100 + 100)), []);
    let all_for_one_fault = judged(&|ledger, nth| {
        if nth == 2 {
            (0..300).for_each(|offset| ledger.acted(0, &place(offset), None));
        }
    });
    assert_eq!(all_for_one_fault, [Invariant::Bounded]);
    let all_of_one_partition = judged(&|ledger, nth| {
        (0..nth * 100 + 100).for_each(|offset| ledger.acted(0, &place(offset), None));
    });
    assert_eq!(all_of_one_partition, [Invariant::Bounded; 3], "the run's, and those of the last two faults");
}

#[test]
fn a_dead_letter_that_comes_again_counts_as_what_is_acted_on_again_does() {
    let mut ledger = of(&[Fate::DeadLetter]);
    ledger.dead_lettered(&place(0));
    ledger.fault(cause(0, false));
    ledger.dead_lettered(&place(0));
    assert_eq!(ledger.most_repeated(), 1);
    ledger.judge_repetitions(1);
    assert_eq!(violated(&ledger), [Invariant::Bounded]);
}

#[test]
fn where_somebody_else_moves_a_group_is_not_judged_until_it_leaves_that() {
    let mut ledger = of(&[Fate::Act; 10]);
    ledger.group_moves(&[(("t".to_owned(), 0), 50)]);
    ledger.committed(&at(50));
    assert!(violated(&ledger).is_empty());
    assert!(ledger.last_committed().is_empty(), "nothing that the program has committed");
    ledger.acted(0, &place(0), None);
    ledger.committed(&at(1));
    assert!(violated(&ledger).is_empty(), "{:?}", ledger.violations());
    ledger.committed(&at(50));
    ledger.committed(&at(0));
    assert_eq!(violated(&ledger), [Invariant::NeverAhead, Invariant::NeverBack]);
}
