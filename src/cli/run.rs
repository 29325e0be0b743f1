//! `datahub-relay run`: recipes at work until they are stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

use super::dry_run::DryRunOptions;
use super::signals;
use crate::environment::Environment;
use crate::pipeline::{Ended, Pipeline, Surroundings};
use crate::recipe::{Loaded, Recipe};
use crate::settings::Settings;
use crate::telemetry::{HealthBoard, Metrics, MonitoringServer, PipelineState};

const EXAMPLES: &str = "\
Examples:
  datahub-relay run -c recipe.yml
  datahub-relay run -c one.yml -c two.yml
  datahub-relay run -c /etc/datahub/actions --monitoring-port 9090
  datahub-relay run
  datahub-relay run --dry-run -c recipe.yml    what would reach the action

Without -c it runs the recipes of two directories, as DataHub's image does; these variables name others:
  DATAHUB_ACTIONS_SYSTEM_CONFIGS_PATH [/etc/datahub/actions/system/conf]
  DATAHUB_ACTIONS_USER_CONFIGS_PATH   [/etc/datahub/actions/conf]

SIGTERM and SIGINT stop in order. A second signal ends at once, if it is another one or comes a second \
later: the same one within a second is the first one sent twice, as `timeout` and some init programs do.

Exit codes: 0 all pipelines ended as they should; 1 one failed or none could start, or a dry run was stopped \
before Kafka had answered; 2 wrong usage; 128 and the signal's number after a second signal, or one before the \
recipes were loaded.";

/// Run recipes until they are stopped.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    /// A recipe, or a directory of recipes (*.yml and *.yaml, but not *_test.yml); may be repeated.
    #[arg(short, long = "config", value_name = "FILE|DIRECTORY")]
    config: Vec<PathBuf>,

    /// Show which events would reach the action, from where the group stands to where its topics end
    /// now, and how many each filter would drop. Joins no group, commits nothing, runs no action.
    #[arg(long)]
    dry_run: bool,

    /// With --dry-run: end after so many events that would reach the action.
    #[arg(long, value_name = "NUMBER", requires = "dry_run", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// With --dry-run: print each event as a line of JSON, and the sum as the last one.
    #[arg(long, requires = "dry_run")]
    json: bool,
}

impl RunArgs {
    /// Running these recipes, with nothing else said.
    pub(super) fn of(config: Vec<PathBuf>) -> Self {
        Self { config, dry_run: false, limit: None, json: false }
    }

    /// The recipes' files and directories.
    pub(super) fn config(&self) -> &[PathBuf] {
        &self.config
    }

    /// What is to be shown, if nothing is to be done.
    pub(super) fn dry_run(&self) -> Option<DryRunOptions> {
        self.dry_run.then_some(DryRunOptions { limit: self.limit, json: self.json })
    }

    /// The same with recipes that were named earlier on the command line.
    pub(super) fn after(mut self, earlier: Vec<PathBuf>) -> Self {
        self.config.splice(..0, earlier);
        self
    }
}

/// Runs every recipe that can run. One that is broken does not keep the others from starting;
/// readiness and the exit code say so.
pub(super) fn run(args: &RunArgs, settings: &Settings, environment: &Environment) -> ExitCode {
    let loaded = super::load(&args.config, environment);
    tell(&loaded);
    if let Some(text) = without_effect(environment) {
        tracing::info!("{text}");
    }
    if let Some(why) = why_none_runs(&loaded) {
        tracing::error!("{why}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("relay").build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let all_well = runtime.block_on(run_all(loaded, settings, runtime.handle()));
    end(runtime);
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A word on the framework's variables about the lag, if one is set.
fn without_effect(environment: &Environment) -> Option<String> {
    let set: Vec<&str> = [
        "DATAHUB_ACTIONS_KAFKA_LAG_ENABLED",
        "DATAHUB_ACTIONS_KAFKA_LAG_INTERVAL_SECONDS",
        "DATAHUB_ACTIONS_KAFKA_LAG_TIMEOUT_SECONDS",
    ]
    .into_iter()
    .filter(|name| environment.get(name).is_some())
    .collect();
    (!set.is_empty()).then(|| format!("{}: no effect here, the lag is always reported", set.join(", ")))
}

/// Logs what is wrong with the recipes, and which are off.
fn tell(loaded: &Loaded) {
    for problem in &loaded.problems {
        tracing::error!("{problem}");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for disabled in &loaded.disabled {
        tracing::info!(file = %disabled.file.display(), name = disabled.name, "the recipe is disabled");
    }
}

/// Why there is nothing to run, if there is nothing.
pub(super) fn why_none_runs(loaded: &Loaded) -> Option<&'static str> {
    let all_off = loaded.problems.is_empty() && !loaded.disabled.is_empty();
    loaded.recipes.is_empty().then_some(if all_off {
        "all recipes are disabled; set `enabled: true` in one of them"
    } else {
        "no recipe can run"
    })
}

/// Runs the recipes until they have ended. Whether all of them, broken ones included, did as they should.
async fn run_all(loaded: Loaded, settings: &Settings, runtime: &Handle) -> bool {
    let surroundings = Surroundings {
        runtime: runtime.clone(),
        metrics: Arc::new(Metrics::new()),
        board: Arc::new(HealthBoard::new(settings.livez_stall)),
    };
    // First of all: from here on a signal stops in order.
    let stop = signals::stop_in_order();
    let monitoring = match monitoring(settings, &surroundings).await {
        Ok(monitoring) => monitoring,
        Err(text) => {
            tracing::error!("{text}");
            return false;
        }
    };
    let mut all_well = loaded.problems.is_empty();
    for problem in &loaded.problems {
        let health = surroundings.board.pipeline(&problem.file.display().to_string());
        health.enter(PipelineState::Failed { reason: problem.to_string() });
    }
    let mut running = JoinSet::new();
    for recipe in loaded.recipes {
        match start(recipe, &surroundings) {
            Some(pipeline) => drop(running.spawn(pipeline.run(stop.clone()))),
            None => all_well = false,
        }
    }
    while let Some(ended) = running.join_next().await {
        all_well &= match ended {
            Ok(ended) => sum_up(&ended),
            Err(error) => {
                tracing::error!("a pipeline's task ended without a result: {error}");
                false
            }
        };
    }
    if let Some(monitoring) = monitoring {
        monitoring.stop().await;
    }
    all_well
}

async fn monitoring(
    settings: &Settings,
    surroundings: &Surroundings,
) -> Result<Option<MonitoringServer>, String> {
    if !settings.monitoring.enabled {
        return Ok(None);
    }
    let address = SocketAddr::new(settings.monitoring.address, settings.monitoring.port);
    let (metrics, board) = (Arc::clone(&surroundings.metrics), Arc::clone(&surroundings.board));
    let server = MonitoringServer::start(address, metrics, board).await.map_err(|error| error.to_string())?;
    tracing::info!("metrics and probes at http://{}", server.address());
    Ok(Some(server))
}

fn start(recipe: Recipe, surroundings: &Surroundings) -> Option<Pipeline> {
    let (name, file, secrets) = (recipe.name.clone(), recipe.file.clone(), recipe.secrets.clone());
    match Pipeline::build(recipe, surroundings) {
        Ok(pipeline) => {
            tracing::info!(pipeline = name, file = %file.display(), "starting");
            Some(pipeline)
        }
        Err(error) => {
            let error = error.to_string();
            let error = secrets.redact(&error);
            tracing::error!(pipeline = name, file = %file.display(), "cannot start: {error}");
            None
        }
    }
}

/// Logs how a pipeline ended. Whether that was as it should.
fn sum_up(ended: &Ended) -> bool {
    let Ended { pipeline, summary, result, secrets } = ended;
    match result {
        Ok(()) => tracing::info!(pipeline, "ended: {summary}"),
        Err(error) => {
            tracing::error!(pipeline, "failed: {}; {summary}", secrets.redact(&error.to_string()));
        }
    }
    result.is_ok()
}

/// Ends the runtime without waiting for an action that does not let itself be cancelled.
fn end(runtime: Runtime) {
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frameworks_variables_about_the_lag_get_one_line_if_they_are_set() {
        let set = Environment::from([
            ("DATAHUB_ACTIONS_KAFKA_LAG_ENABLED", "false"),
            ("DATAHUB_ACTIONS_KAFKA_LAG_INTERVAL_SECONDS", "30"),
            ("DATAHUB_ACTIONS_KAFKA_LAG_TIMEOUT_SECONDS", ""),
        ]);
        assert_eq!(
            without_effect(&set).as_deref(),
            Some(
                "DATAHUB_ACTIONS_KAFKA_LAG_ENABLED, DATAHUB_ACTIONS_KAFKA_LAG_INTERVAL_SECONDS: no effect here, the lag is always reported"
            )
        );
        assert_eq!(without_effect(&Environment::default()), None);
    }
}
