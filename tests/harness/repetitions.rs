//! Which faults what came again can have come again for: each has a bound of its own for each partition.

use std::collections::BTreeMap;

/// A fault that can make events come again.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    /// What struck.
    pub(crate) what: String,
    /// How many events of each partition it can make come again.
    pub(crate) may_repeat: usize,
    /// Whether it was noted while nobody acted, since it ended all who did: whatever comes again before the next
    /// fault is what had not been committed then, also what the fault before had kept waiting; and nothing comes
    /// again that came only since. What a fault costs that lasts for a while, or that lets others go on, may be
    /// lost later.
    pub(crate) at_once: bool,
}

/// What came again of one partition, by the number of faults that had been noted when it came before, and when it
/// came again.
///
/// An event can have come again for the last fault, or, unless that one ended all who acted, for any other between
/// whose repetitions had to wait.
#[derive(Debug, Default)]
pub(crate) struct Repetitions(BTreeMap<(usize, usize), usize>);

impl Repetitions {
    /// An event came again.
    pub(crate) fn note(&mut self, before: usize, now: usize) {
        *self.0.entry((before, now)).or_default() += 1;
    }

    /// The most that came again between one fault and the next.
    pub(crate) fn most(&self) -> usize {
        let mut by_fault: BTreeMap<usize, usize> = BTreeMap::new();
        for ((_, now), times) in &self.0 {
            *by_fault.entry(*now).or_default() += times;
        }
        by_fault.into_values().max().unwrap_or(0)
    }

    /// After which fault more came again than those that can be its cause may repeat, and how much more.
    ///
    /// Each fault in turn takes what it may repeat, of that which fewest later ones can take first: whatever is left
    /// behind then is left behind however it is shared out.
    pub(crate) fn beyond(&self, causes: &[Cause]) -> Vec<(usize, usize)> {
        let mut beyond: BTreeMap<usize, usize> = BTreeMap::new();
        let mut first_cause: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for ((before, now), times) in &self.0 {
            // Faults are counted from 1: 0 is before the first one.
            let at_once = |fault: usize| fault == 0 || causes[fault - 1].at_once;
            let first = match (at_once(*before), at_once(*now)) {
                (_, true) if before < now => *now,
                (true, _) => before + 1,
                (false, _) => *before,
            };
            if first > *now {
                *beyond.entry(*now).or_default() += times;
            } else {
                first_cause.entry(first).or_default().push((*now, *times));
            }
        }
        let mut left: BTreeMap<usize, usize> = BTreeMap::new();
        for (fault, cause) in (1..).zip(causes) {
            for (now, times) in first_cause.remove(&fault).into_iter().flatten() {
                *left.entry(now).or_default() += times;
            }
            let mut may_repeat = cause.may_repeat;
            for times in left.values_mut() {
                let taken = may_repeat.min(*times);
                *times -= taken;
                may_repeat -= taken;
            }
            // For what has come again by now no later fault can be the cause.
            if let Some(times) = left.remove(&fault).filter(|times| *times > 0) {
                *beyond.entry(fault).or_default() += times;
            }
        }
        beyond.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn causes(may_repeat: &[usize], at_once: bool) -> Vec<Cause> {
        let cause = |may_repeat: &usize| Cause { what: "fault".to_owned(), may_repeat: *may_repeat, at_once };
        may_repeat.iter().map(cause).collect()
    }

    fn came_again(times: &[(usize, usize, usize)]) -> Repetitions {
        let mut again = Repetitions::default();
        for (before, now, times) in times {
            (0..*times).for_each(|_| again.note(*before, *now));
        }
        again
    }

    #[test]
    fn each_fault_may_repeat_its_own_and_not_what_others_have_left() {
        let three = causes(&[10, 10, 10], true);
        let allowed = came_again(&[(0, 1, 10), (1, 2, 10), (2, 3, 10)]);
        assert_eq!(allowed.beyond(&three), []);
        assert_eq!(allowed.most(), 10);
        // Fewer than 30 in all.
        let one_repeats_too_much = came_again(&[(1, 2, 11)]);
        assert_eq!(one_repeats_too_much.beyond(&three), [(2, 1)]);
        assert_eq!(one_repeats_too_much.most(), 11);
    }

    #[test]
    fn what_a_fault_kept_waiting_counts_for_the_one_before() {
        let two = causes(&[10, 10], false);
        // Ten of the first fault, of which the second one kept six waiting, and ten of the second.
        assert_eq!(came_again(&[(0, 1, 4), (0, 2, 6), (1, 2, 10)]).beyond(&two), []);
        assert_eq!(came_again(&[(0, 1, 4), (0, 2, 7), (1, 2, 10)]).beyond(&two), [(2, 1)]);
        // Not where nobody was left to have it waiting: it is part of what was uncommitted at the second one.
        assert_eq!(came_again(&[(0, 2, 11)]).beyond(&causes(&[10, 10], true)), [(2, 1)]);
    }

    #[test]
    fn what_came_after_a_fault_does_not_come_again_for_it_unless_it_lasts() {
        let again = came_again(&[(1, 1, 3)]);
        assert_eq!(again.beyond(&causes(&[10], true)), [(1, 3)]);
        assert_eq!(again.beyond(&causes(&[10], false)), []);
        assert_eq!(again.beyond(&causes(&[2], false)), [(1, 1)]);
        // While the first one lasted, and kept waiting by the second.
        let again = came_again(&[(1, 2, 15)]);
        assert_eq!(again.beyond(&causes(&[10, 10], true)), [(2, 5)]);
        assert_eq!(again.beyond(&causes(&[10, 10], false)), []);
    }

    #[test]
    fn nothing_comes_again_before_the_first_fault() {
        assert_eq!(came_again(&[(0, 0, 1)]).beyond(&causes(&[10], false)), [(0, 1)]);
    }
}
