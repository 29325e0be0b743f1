//! Where `tail` reads: what a recipe, the flags and the environment say together.

use std::sync::Arc;
use std::time::Duration;

use super::TailArgs;
use crate::avro::{RegistryConfig, RegistrySettings};
use crate::cli::moment::Moment;
use crate::cli::signals;
use crate::environment::Environment;
use crate::event::{EventType, Route, TopicPartition};
use crate::findings::{Findings, KeyPath, Severity};
use crate::kafka::{ConnectionConfig, ConsumerSettings, KafkaSourceConfig, Onlooker, StartPosition, Stretch};
use crate::pipeline::{Preview, Trial};
use crate::recipe::{self, PrivateFiles};
use crate::redaction::Secrets;
use crate::telemetry;

/// How long the brokers are tried for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the client calls itself in its log where there is no recipe.
const NAME: &str = "tail";

/// Everything that is needed to begin.
pub(super) struct Source {
    name: String,
    consumer: ConsumerSettings,
    registry: RegistrySettings,
    trial: Trial,
    secrets: Secrets,
    /// Its clients read them.
    _private_files: PrivateFiles,
}

impl Source {
    /// What the command line means; the error says what is wrong with it.
    pub(super) fn of(args: &TailArgs, environment: &Environment) -> Result<Self, String> {
        let mut source = match &args.config {
            Some(_) => Self::of_recipe(args, environment)?,
            None => Self::of_environment(args, environment)?,
        };
        if !args.topic.is_empty() {
            let known = std::mem::take(&mut source.consumer.topics);
            let route = |topic: &String| {
                let route = known.iter().find(|(name, _)| name == topic).map(|(_, route)| route.clone());
                (topic.clone(), route.unwrap_or_else(|| Route::Avro(topic.as_str().into())))
            };
            source.consumer.topics = args.topic.iter().map(route).collect();
        }
        Ok(source)
    }

    fn of_recipe(args: &TailArgs, environment: &Environment) -> Result<Self, String> {
        let mut loaded = crate::cli::load(args.config.as_slice(), environment);
        if !loaded.problems.is_empty() {
            return Err(loaded
                .problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\nerror: "));
        }
        let (Some(recipe), true) = (loaded.recipes.pop(), loaded.recipes.is_empty()) else {
            return Err("-c has to name one recipe that is enabled".to_owned());
        };
        let trial = Trial::of(&recipe);
        let (mut consumer, mut registry, secrets) = (recipe.consumer, recipe.registry, recipe.secrets);
        let at = KeyPath::root().key("--registry");
        if let Some(brokers) = &args.bootstrap {
            consumer.properties.insert("bootstrap.servers".to_owned(), brokers.clone());
        }
        if args.registry.is_some() {
            let mut findings = Findings::default();
            let given =
                RegistryConfig::default().resolve(args.registry.as_deref(), environment, &at, &mut findings);
            registry.urls = given.ok_or_else(|| errors(findings))?.urls;
        }
        Ok(Self {
            name: recipe.name,
            consumer,
            registry,
            trial,
            secrets,
            _private_files: loaded.private_files,
        })
    }

    fn of_environment(args: &TailArgs, environment: &Environment) -> Result<Self, String> {
        let connection = ConnectionConfig {
            bootstrap: args.bootstrap.clone(),
            schema_registry_url: args.registry.clone(),
            ..ConnectionConfig::default()
        };
        let config = KafkaSourceConfig { connection, ..KafkaSourceConfig::default() };
        let (at, mut findings) = (KeyPath::root(), Findings::default());
        let consumer = config.resolve(NAME, environment, &at, &mut findings);
        let connection = &config.connection;
        let url = connection.schema_registry_url.as_deref();
        let registry =
            connection.schema_registry_config.resolve(url, environment, &at.key("connection"), &mut findings);
        let (Some(mut consumer), Some(registry)) = (consumer, registry) else { return Err(errors(findings)) };
        for (_, route) in &mut consumer.topics {
            // Nobody has asked for those of known names only.
            if *route == Route::PlatformEvent {
                *route = Route::EveryPlatformEvent;
            }
        }
        let trial = Trial::of_any_topic();
        let secrets = recipe::secrets_of_connection(&consumer, &registry);
        telemetry::keep_secret(&secrets);
        let none = PrivateFiles::default();
        Ok(Self { name: NAME.to_owned(), consumer, registry, trial, secrets, _private_files: none })
    }

    /// What the topics carry.
    pub(super) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.consumer.topics.iter().map(|(_, route)| route)
    }

    /// What is said where somebody stops it before Kafka has answered.
    pub(super) fn stopped_waiting(&self) -> String {
        signals::stopped_waiting(&self.consumer)
    }

    /// The types of event that only these topics have.
    pub(super) fn other_types(&self) -> Vec<EventType> {
        let types = self.routes().flat_map(Route::event_types);
        types.filter(|event_type| matches!(event_type, EventType::Other(_))).collect()
    }

    /// Finds the positions and begins to read; the error is for a person.
    pub(super) async fn begin(&self, args: &TailArgs) -> Result<Preview, String> {
        let (name, consumer) = (self.name.clone(), self.consumer.clone());
        let (from, until_end) = (args.from, args.until_end);
        let (topics, partitions) = (args.topic.clone(), args.partition.clone());
        let looked_up = tokio::task::spawn_blocking(move || {
            let onlooker =
                Onlooker::connect(&name, &consumer, PATIENCE).map_err(|error| error.to_string())?;
            stretches(&onlooker, (from, until_end), (&topics, &partitions))
        });
        let stretches = looked_up.await.map_err(|error| error.to_string())??;
        let settings = (&self.consumer, &self.registry);
        let (trial, secrets) = (self.trial.clone(), self.secrets.clone());
        let preview = Preview::start(&self.name, settings, stretches, trial, secrets).await;
        preview.map_err(|error| self.secrets.redact(&error.to_string()).into_owned())
    }
}

fn stretches(
    onlooker: &Onlooker,
    (from, until_end): (Moment, bool),
    (topics, partitions): (&[String], &[i32]),
) -> Result<Vec<Stretch>, String> {
    for topic in onlooker.topics() {
        if let Err(error) = topic.partitions {
            if topics.iter().any(|named| **named == *topic.name) {
                return Err(format!("the topic {} cannot be read: {error}", topic.name));
            }
            crate::cli::complain(&format!("the topic {} is left out: {error}", topic.name));
        }
    }
    // Of the group nothing is asked: whoever looks needs no permission for it.
    let mut logs = onlooker.whole_logs().map_err(|error| error.to_string())?;
    logs.retain(|log| partitions.is_empty() || partitions.contains(&log.source.partition));
    if logs.is_empty() {
        let names: Vec<Arc<str>> = onlooker.topics().iter().map(|topic| Arc::clone(&topic.name)).collect();
        return Err(format!("there is nothing to read: no such partition in {}", names.join(", ")));
    }
    let sources: Vec<TopicPartition> = logs.iter().map(|log| log.source.clone()).collect();
    let at = |position| onlooker.offsets_at(&sources, position).map_err(|error| error.to_string());
    let end = |log: &Stretch| log.until.unwrap_or(log.from);
    let offsets = match from {
        Moment::Earliest => at(StartPosition::Earliest)?,
        // As it was when the ends were asked for, so that `--until-end` shows nothing.
        Moment::Latest => logs.iter().map(end).collect(),
        Moment::Time(time) => at(StartPosition::Timestamp(time.as_millisecond()))?,
        Moment::Offset(offset) => {
            let beyond = logs.iter().filter(|log| end(log) < offset);
            let beyond: Vec<String> =
                beyond.map(|log| format!("{} ends at {}", log.source, end(log))).collect();
            if !beyond.is_empty() {
                let places = beyond.join(", ");
                crate::cli::complain(&format!(
                    "--from {offset} lies beyond the end, so only what comes from now on can be shown: {places}"
                ));
            }
            logs.iter().map(|log| offset.clamp(log.from, end(log))).collect()
        }
    };
    let stretch =
        |(log, from): (Stretch, i64)| Stretch { from, until: log.until.filter(|_| until_end), ..log };
    Ok(logs.into_iter().zip(offsets).map(stretch).collect())
}

fn errors(findings: Findings) -> String {
    let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
    let lines: Vec<String> = errors.map(|finding| format!("{}: {}", finding.at, finding.text)).collect();
    lines.join("\nerror: ")
}
