//! `dead-letters replay --dry-run`.

use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;

use super::letters::Letters;
use super::replay::Run;
use super::tally::Tally;
use super::{CommandError, printable};
use crate::dead_letter::{Letter, LetterKey};
use crate::event::Route;
use crate::pipeline::{Rehearsal, Rehearsed, may_send_back};
use crate::recipe::Recipe;

/// Which way the letters would go.
pub(super) enum Course {
    /// Through the recipe's filters, transforms and action.
    Action(Box<Rehearsal>),
    /// Back to these topics.
    Topic(Vec<(String, Route)>),
}

/// What would become of the letters that are due, in numbers.
#[derive(Default)]
struct Expected {
    acted: u64,
    dropped: u64,
    sent: u64,
    failing: u64,
}

impl Course {
    pub(super) fn of(recipe: &Recipe, to_topic: bool) -> Result<Self, CommandError> {
        Ok(if to_topic {
            Self::Topic(recipe.consumer.topics.clone())
        } else {
            Self::Action(Box::new(Rehearsal::of(recipe).map_err(CommandError::said)?))
        })
    }
}

impl<O: Write> Run<'_, O> {
    /// Says what would happen to each letter.
    pub(super) async fn rehearse(
        &mut self,
        mut letters: Letters,
        done: impl Fn(&LetterKey) -> bool,
        course: &Course,
    ) -> Result<ExitCode, CommandError> {
        // A letter that is stored twice is replayed once.
        let mut told = HashSet::new();
        let mut expected = Expected::default();
        while let Some(letter) = letters.next_letter().await? {
            let Some(letter) = self.due(letter, |key| done(key) || told.contains(key))? else { continue };
            if self.foretell(&letter, course, &mut expected).await? {
                told.insert(letter.key());
            }
        }
        self.say_if_none_is_meant(letters.places())?;
        let Tally { before, refused, unreadable, .. } = self.tally;
        let Expected { acted, dropped, sent, failing } = expected;
        let due = match course {
            Course::Action(_) => {
                format!("{acted} would be acted on, {dropped} would be dropped, {failing} would fail again")
            }
            Course::Topic(_) => format!("{sent} would be sent to their topic"),
        };
        writeln!(
            self.output,
            "{due}, {before} were replayed before, {refused} would be refused, {unreadable} cannot be read"
        )?;
        if dropped > 0 {
            let text = "a letter that is dropped counts as replayed for good: correct the recipe first if that is not meant";
            writeln!(self.output, "{text}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Says and counts what would happen to a letter that is due; whether it would then be replayed.
    async fn foretell(
        &mut self,
        letter: &Letter,
        course: &Course,
        expected: &mut Expected,
    ) -> Result<bool, CommandError> {
        let rehearsed = match course {
            Course::Topic(topics) => match may_send_back(letter, topics) {
                Ok(()) => ("send to its topic", &mut expected.sent, None),
                Err(reason) => return self.refuse(letter, &reason).map(|()| false),
            },
            Course::Action(rehearsal) => match rehearsal.rehearse(letter).await {
                Ok(Rehearsed::Reaches) => ("act on", &mut expected.acted, None),
                Ok(Rehearsed::Dropped(why)) => ("drop", &mut expected.dropped, Some(why)),
                Ok(Rehearsed::FailsAgain(why)) => ("fail again", &mut expected.failing, Some(why)),
                Ok(Rehearsed::Refused(reason)) => return self.refuse(letter, &reason).map(|()| false),
                Err(error) => {
                    let text = error.to_string();
                    return Err(CommandError::Said(printable(&self.secrets.redact(&text))));
                }
            },
        };
        let (what, counter, why) = rehearsed;
        *counter += 1;
        let (id, round) = (printable(&letter.lineage.id), letter.lineage.round);
        write!(self.output, "would {what}: {id} (round {round} of {})", self.max_rounds)?;
        if let Some(why) = why {
            write!(self.output, ": {}", printable(&self.secrets.redact(&why)))?;
        }
        writeln!(self.output)?;
        Ok(true)
    }
}
