//! `dead-letters replay`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::history::{History, Replays};
use super::letters::Letters;
use super::rehearse::Course;
use super::selection::SelectionArgs;
use super::tally::Tally;
use super::{CommandError, SourceArgs, printable, recipe_of};
use crate::cli::complain;
use crate::cli::signals;
use crate::dead_letter::{Letter, LetterKey, Replayed};
use crate::environment::Environment;
use crate::event::Route;
use crate::kafka::Producer;
use crate::pipeline::{ReplayOutcome, Replayer, Surroundings, send_back};
use crate::recipe::Recipe;
use crate::redaction::Secrets;
use crate::telemetry::{HealthBoard, Metrics};

/// How long a replay that is stopped before it has begun may take to leave its group.
const LEAVE: Duration = Duration::from_secs(6);

const AFTER_HELP: &str = "\
Examples:
  datahub-relay dead-letters replay -c recipe.yml --since 2h --dry-run
  datahub-relay dead-letters replay -c recipe.yml --class retries_exhausted

Each letter is replayed once: what was done is noted beside the file (failed_events.log.replayed), and \
for the letters of a topic in that topic too, so a replay that was interrupted goes on where it was when \
it is started again, on any machine that reaches the letters. One replay runs at a time. A letter that fails \
again is stored as a letter of the next round; one that went through max_replay_rounds rounds is refused.

Exit codes: 0 everything succeeded or had been replayed before; 1 something failed again, was refused \
or could not be read, or the replay was stopped or its output is read no more; 2 wrong usage.";

/// Take letters through the recipe's filters and action again, or back to their topic.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    selection: SelectionArgs,

    /// Send each record back to the topic and partition it came from instead: everybody who reads that
    /// topic sees it again.
    #[arg(long)]
    to_topic: bool,

    /// Say what would happen to each letter, as far as the action, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// The directory of the journal [default: that of the dead-letter file].
    #[arg(long, value_name = "DIRECTORY")]
    journal_dir: Option<PathBuf>,
}

/// Replays letters. What happens is written to `output`, one line a letter that did not succeed, and a
/// summary at the end.
pub(super) async fn replay(
    args: &ReplayArgs,
    environment: &Environment,
    output: &mut impl Write,
) -> Result<ExitCode, CommandError> {
    let Some((recipe, _private_files)) = recipe_of(&args.source, environment)? else {
        let text = "a replay needs the recipe: -c recipe.yml says what is done with a letter";
        return Err(CommandError::Usage(text.to_owned()));
    };
    let journal_dir = args.journal_dir.as_deref();
    let mut run = Run {
        selection: args.selection.clone().of_pipeline(Some(&recipe.name)),
        max_rounds: recipe.delivery.max_replay_rounds,
        secrets: recipe.secrets.clone(),
        tally: Tally::default(),
        read: 0,
        meant: 0,
        output,
    };
    if args.dry_run {
        let letters = Letters::open(&args.source, Some(&recipe))?;
        let replays = Replays::read(&args.source, Some(&recipe), journal_dir).await?;
        let course = Course::of(&recipe, args.to_topic)?;
        return run.rehearse(letters, |key| replays.has(key), &course).await;
    }
    // Before the first wait: a process that ends at once leaves a member behind.
    let stop = signals::stop_in_order();
    let Some((letters, history)) = open(args, &recipe, &stop).await? else {
        return Err(CommandError::said("stopped before the first letter; start it again to go on"));
    };
    let target = target(args, recipe, &stop).await?;
    let result = run.replay_all(letters, history, &target, &stop).await;
    if let Target::Action(replayer) = target {
        replayer.close().await;
    }
    result
}

/// The letters and what is known of them; `None` if it was told to stop meanwhile.
async fn open(
    args: &ReplayArgs,
    recipe: &Recipe,
    stop: &CancellationToken,
) -> Result<Option<(Letters, History)>, CommandError> {
    // On threads of their own: both wait for Kafka, and the signals must be heard meanwhile.
    let (source, of) = (args.source.clone(), recipe.clone());
    let letters = tokio::task::spawn_blocking(move || Letters::open(&source, Some(&of)));
    let letters = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(None),
        letters = letters => letters.map_err(CommandError::said)??,
    };
    let (source, of, journal_dir) = (args.source.clone(), recipe.clone(), args.journal_dir.clone());
    let stopped = stop.clone();
    let mut history = tokio::task::spawn_blocking(move || {
        let history = History::open(&source, &of, journal_dir.as_deref(), &stopped);
        tokio::runtime::Handle::current().block_on(stopped.run_until_cancelled(history)).transpose()
    });
    tokio::select! {
        biased;
        () = stop.cancelled() => {
            // A group that was joined is left, or its member would be in the way of the next replay.
            let _ = tokio::time::timeout(LEAVE, history).await;
            Ok(None)
        }
        history = &mut history => Ok(history.map_err(CommandError::said)??.map(|history| (letters, history))),
    }
}

async fn target(args: &ReplayArgs, recipe: Recipe, stop: &CancellationToken) -> Result<Target, CommandError> {
    if args.to_topic {
        let producer = Producer::new(&recipe.consumer, &recipe.name).map_err(CommandError::said)?;
        return Ok(Target::Topic(Box::new(producer), recipe.consumer.topics));
    }
    let surroundings = Surroundings {
        runtime: tokio::runtime::Handle::current(),
        metrics: Arc::new(Metrics::new()),
        board: Arc::new(HealthBoard::new(Duration::from_secs(60))),
    };
    let replayer = Replayer::build(recipe, &surroundings, stop.clone()).map_err(CommandError::said)?;
    replayer.prepare().await.map_err(CommandError::said)?;
    Ok(Target::Action(Box::new(replayer)))
}

/// Where letters are replayed to.
enum Target {
    Action(Box<Replayer>),
    /// With the topics that the recipe reads: a record goes back to no other.
    Topic(Box<Producer>, Vec<(String, Route)>),
}

impl Target {
    /// `Ok(None)`: the replay was told to stop before the letter had come to its end.
    async fn take(&self, letter: &Letter) -> Result<Option<Replayed>, Unreplayed> {
        let outcome = match self {
            Self::Topic(producer, topics) => send_back(letter, producer, topics).await,
            Self::Action(replayer) => replayer.replay(letter).await,
        };
        match outcome {
            ReplayOutcome::Acted => Ok(Some(Replayed::Acted)),
            ReplayOutcome::Dropped(_) => Ok(Some(Replayed::Dropped)),
            ReplayOutcome::Sent => Ok(Some(Replayed::Sent)),
            ReplayOutcome::FailedAgain => Ok(Some(Replayed::FailedAgain)),
            ReplayOutcome::Interrupted => Ok(None),
            ReplayOutcome::Refused(reason) => Err(Unreplayed::Refused(reason)),
            ReplayOutcome::Broken(reason) => Err(Unreplayed::Broken(reason)),
        }
    }
}

/// Why a letter was not replayed.
enum Unreplayed {
    /// It cannot be; others can.
    Refused(String),
    /// No letter can be.
    Broken(String),
}

pub(super) struct Run<'a, O> {
    selection: SelectionArgs,
    pub(super) max_rounds: u32,
    pub(super) secrets: Secrets,
    pub(super) tally: Tally,
    /// Letters that could be read, whether they are meant or not.
    read: u64,
    /// Of these, those that are meant.
    meant: u64,
    pub(super) output: &'a mut O,
}

impl<O: Write> Run<'_, O> {
    async fn replay_all(
        &mut self,
        mut letters: Letters,
        mut history: History,
        target: &Target,
        stop: &CancellationToken,
    ) -> Result<ExitCode, CommandError> {
        let bar = ProgressBar::new(0).with_style(progress_style());
        let (told, shown) = (stop.clone(), bar.clone());
        tokio::spawn(async move {
            told.cancelled().await;
            shown.suspend(|| {
                complain("stopping: what runs is finished and noted; a second signal ends at once")
            });
        });
        let mut ended_early = None;
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                next = letters.next_letter() => next?,
            };
            let Some(letter) = next else { break };
            let (read, total) = letters.progress();
            bar.set_length(total);
            bar.set_position(read);
            if let Ok(letter) = &letter {
                history.catch_up(letter).await?;
            }
            let Some(letter) = self.due(letter, |key| history.has(key))? else { continue };
            if let Some(why) = history.is_lost() {
                ended_early = Some(why.to_owned());
                break;
            }
            match target.take(&letter).await {
                Ok(Some(replayed)) => {
                    // Before the next one is begun: this is what an interrupted replay goes on by.
                    history.note(&letter, replayed).await?;
                    self.tally.count(replayed);
                    if replayed == Replayed::FailedAgain {
                        let id = printable(&letter.lineage.id);
                        bar.suspend(|| writeln!(self.output, "failed again: {id}"))?;
                    }
                }
                Ok(None) => break,
                Err(Unreplayed::Refused(reason)) => {
                    bar.suspend(|| self.refuse(&letter, &reason))?;
                }
                Err(Unreplayed::Broken(reason)) => {
                    ended_early = Some(reason);
                    break;
                }
            }
            bar.set_message(self.tally.to_string());
        }
        bar.finish_and_clear();
        if !stop.is_cancelled() {
            self.say_if_none_is_meant(letters.places())?;
        }
        writeln!(self.output, "{}", self.tally)?;
        if let Some(reason) = ended_early {
            return Err(CommandError::Said(format!(
                "the replay ended early: {}",
                printable(&self.secrets.redact(&reason))
            )));
        }
        if stop.is_cancelled() {
            writeln!(self.output, "stopped before the end; start it again to go on")?;
            return Ok(ExitCode::FAILURE);
        }
        Ok(if self.tally.all_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    pub(super) fn say_if_none_is_meant(&mut self, places: &str) -> Result<(), CommandError> {
        if self.meant == 0 {
            writeln!(self.output, "{}", self.selection.none_of(self.read, places))?;
        }
        Ok(())
    }

    /// The letter, if it is meant and may be replayed; what stands against it is counted and told.
    pub(super) fn due(
        &mut self,
        letter: Result<Letter, crate::dead_letter::Unreadable>,
        done: impl Fn(&LetterKey) -> bool,
    ) -> Result<Option<Letter>, CommandError> {
        let letter = match letter {
            Ok(letter) => letter,
            Err(unreadable) => {
                self.tally.unreadable += 1;
                complain(&unreadable.to_string());
                return Ok(None);
            }
        };
        self.read += 1;
        if !self.selection.takes(&letter) {
            return Ok(None);
        }
        self.meant += 1;
        if done(&letter.key()) {
            self.tally.before += 1;
            return Ok(None);
        }
        if letter.lineage.round > self.max_rounds {
            let rounds = self.max_rounds;
            self.refuse(
                &letter,
                &format!("it has been through {rounds} rounds (options.max_replay_rounds)"),
            )?;
            return Ok(None);
        }
        Ok(Some(letter))
    }

    pub(super) fn refuse(&mut self, letter: &Letter, reason: &str) -> Result<(), CommandError> {
        self.tally.refused += 1;
        let (id, reason) = (printable(&letter.lineage.id), self.secrets.redact(reason));
        writeln!(self.output, "refused: {id}: {}", printable(&reason))?;
        Ok(())
    }
}

fn progress_style() -> ProgressStyle {
    ProgressStyle::with_template("  {wide_bar} {percent} %, {eta} to go\n  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
