//! From one file's tree to one recipe.

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::Recipe;
use super::cases::{CaseTerms, cases_of};
use super::kinds::{ACTIONS, FILTERS, SOURCES, TRANSFORMS};
use super::model::RecipeConfig;
use super::private_files::PrivateFiles;
use super::secrets::{add_datahub, secrets_of, secrets_of_connection};
use super::variables::expand_all;
use crate::action::{ActionConfig, FileConfig, HelloWorldConfig, NoopConfig, WebhookConfig};
use crate::datahub::{DatahubConfig, DatahubSettings};
use crate::delivery::{DeliverySettings, OptionsConfig};
use crate::environment::Environment;
use crate::filter::{Arriving, EventTypeFilterConfig, FilterConfig, Filters, FiltersConfig};
use crate::findings::{Findings, KeyPath};
use crate::kafka::{KafkaSourceConfig, SourceKind, TopicRoutes};
use crate::transform::{TransformConfig, Transforms};
use crate::yaml::{Content, Node, boolean_of_text, read_as};

/// Whether the recipe says that it is off. Looks at `enabled` alone, so that a recipe which is off
/// need not have its other variables set.
pub(super) fn is_off(root: &Node, environment: &Environment) -> bool {
    let Some(enabled) = root.get("enabled") else { return false };
    let mut enabled = enabled.clone();
    // An error is found again when the whole recipe is expanded.
    expand_all(&mut enabled, &KeyPath::root(), environment, &mut Findings::default());
    match &enabled.content {
        Content::Bool(flag) => !flag,
        Content::Number(number) => number.as_f64() == Some(0.0),
        Content::Text(text) => boolean_of_text(text.trim()) == Some(false),
        _ => false,
    }
}

/// Reads a recipe. Fills in its variables in place, so that `root` knows afterwards which values are
/// secrets, and writes the private files that it asks for. `None` if there was any error.
pub(super) fn read(
    file: &Path,
    root: &mut Node,
    (environment, private_files): (&Environment, &mut PrivateFiles),
    findings: &mut Findings,
) -> Option<Recipe> {
    let top = KeyPath::root();
    if root.is_null() {
        findings.error(&top, "is empty; a recipe needs name, source and action");
        return None;
    }
    let errors = findings.errors();
    expand_all(root, &top, environment, findings);
    private_files.fill(root, &top, environment, findings);
    let _: Option<RecipeConfig> = read_as(root, &top, findings);

    // Each part is looked at whatever became of the others.
    let name = root.get("name").and_then(Node::text).unwrap_or_default();
    check_name(name, findings);
    // As a group a blank name or a NUL would only be found wrong once more.
    let is_sound = !name.trim().is_empty() && !name.contains('\0');
    let name = if is_sound { name.to_owned() } else { String::new() };
    let source = source(root, findings);
    let consumer = source.as_ref().and_then(|source| {
        let at = top.key("source").key("config");
        source.resolve(&name, environment, &at, findings)
    });
    // An error elsewhere in the source does not hide which topics are read.
    let topics = source.as_ref().and_then(|source| source.topics(environment));
    let mut arriving = topics
        .as_ref()
        .map_or_else(Arriving::unknown, |topics| Arriving::on(topics.iter().map(|(_, route)| route)));
    let filters = filters(root, &mut arriving, findings);
    let transforms = transforms(root, &mut arriving, findings);
    let action = action(root, findings);
    let datahub = datahub(root, environment, findings);
    let case_terms = topics.map(|topics| CaseTerms::of(root, &topics));
    let cases = cases_of(file, root, case_terms.as_ref(), findings);
    let options = part::<OptionsConfig>(root, "options").unwrap_or_default();
    let async_commit = source.as_ref().and_then(KafkaSourceConfig::async_commit);
    let delivery = options.resolve(&top.key("options"), async_commit, findings);
    let source = source?;
    let registry = source.connection.schema_registry_config.resolve(
        source.connection.schema_registry_url.as_deref(),
        environment,
        &top.key("source").key("config").key("connection"),
        findings,
    );
    if findings.errors() > errors {
        return None;
    }
    let (consumer, registry) = (consumer?, registry?);
    let mut secrets = secrets_of(root, findings);
    secrets.add_all(&secrets_of_connection(&consumer, &registry));
    if let Some(datahub) = &datahub {
        add_datahub(datahub, &mut secrets);
    }
    Some(Recipe {
        name,
        file: file.to_owned(),
        consumer,
        registry,
        scan: source.scans(),
        meta: options.meta.unwrap_or_default(),
        filters,
        transforms,
        action: action?,
        delivery: DeliverySettings { attempt_deadline: source.attempt_deadline(), ..delivery? },
        datahub,
        cases,
        case_terms: case_terms?,
        secrets,
    })
}

/// The longest name of a file or directory, in bytes, on the file systems that are in use.
const LONGEST_DIRECTORY: usize = 255;

/// The name becomes a consumer group, a directory of dead letters, and a word of log lines.
fn check_name(name: &str, findings: &mut Findings) {
    let at = KeyPath::root().key("name");
    // An empty or missing one has been found with the whole.
    if !name.is_empty() && name.trim().is_empty() {
        findings.error(&at, "is blank; give the pipeline a name of letters, digits, `_` or `-`");
    } else if name.chars().any(char::is_control) {
        let text = "holds a control character, such as a line feed or a tab; take it out, or write the name in one line";
        findings.error(&at, text);
    }
    let length = DeliverySettings::directory_of(name).len();
    if length > LONGEST_DIRECTORY {
        findings.error(
            &at,
            format!(
                "is too long: the directory of its dead letters takes the name, which may have {LONGEST_DIRECTORY} bytes and has {length}; shorten it"
            ),
        );
    }
}

/// A part whose shape has been checked with the whole: what is wrong with that is noted already.
fn part<T: DeserializeOwned + JsonSchema>(root: &Node, key: &str) -> Option<T> {
    read_as(root.get(key)?, &KeyPath::root().key(key), &mut Findings::default())
}

/// The `config` of a source, filter or action; an empty map where it is silent.
fn config_of<T: DeserializeOwned + JsonSchema>(
    node: &Node,
    at: &KeyPath,
    findings: &mut Findings,
) -> Option<T> {
    let silent = Node::written(node.mark, Content::Map(Vec::new()));
    let config = node.get("config").unwrap_or(&silent);
    // Another kind of value has been found with the whole.
    matches!(config.content, Content::Map(_)).then_some(())?;
    read_as(config, &at.key("config"), findings)
}

fn source(root: &Node, findings: &mut Findings) -> Option<KafkaSourceConfig> {
    let at = KeyPath::root().key("source");
    let node = root.get("source")?;
    let kind = match SOURCES.of(node, &at, findings)? {
        "datahub-cloud" => SourceKind::DatahubCloud,
        _ => SourceKind::Kafka,
    };
    let config = KafkaSourceConfig { kind, ..config_of(node, &at, findings)? };
    let routes = node.get("config").and_then(|config| config.get("topic_routes"));
    let names_none = config.topic_routes == TopicRoutes::default();
    if names_none && routes.is_some_and(|routes| !routes.entries().is_empty()) {
        let at = at.key("config").key("topic_routes");
        findings
            .error(&at, "names no topic that can be read; give mcl, mcl_timeseries, pe, mcp, fmcp or avro, or remove the key");
    }
    Some(config)
}

fn filters(root: &Node, arriving: &mut Arriving, findings: &mut Findings) -> Filters {
    let at = KeyPath::root().key("filters");
    let mut filters = FiltersConfig::default();
    for (index, node) in root.get("filters").map(Node::items).unwrap_or_default().iter().enumerate() {
        let at = at.index(index);
        if FILTERS.of(node, &at, findings).is_none() {
            continue;
        }
        if let Some(filter) = config_of::<EventTypeFilterConfig>(node, &at, findings) {
            filter.review(arriving, &at.key("config"), findings);
            filters.0.push(filter);
        }
    }
    let filter: Option<FilterConfig> = part(root, "filter");
    if let Some(filter) = &filter {
        filter.review(arriving, &KeyPath::root().key("filter"), findings);
    }
    Filters::compile(&filters, filter.as_ref())
}

fn transforms(root: &Node, arriving: &mut Arriving, findings: &mut Findings) -> Transforms {
    let at = KeyPath::root().key("transform");
    let mut transforms = Transforms::default();
    for (index, node) in root.get("transform").map(Node::items).unwrap_or_default().iter().enumerate() {
        let at = at.index(index);
        let config = match TRANSFORMS.of(node, &at, findings) {
            Some("filter") => config_of(node, &at, findings).map(TransformConfig::Filter),
            Some("project") => config_of(node, &at, findings).map(TransformConfig::Project),
            Some("enrich") => config_of(node, &at, findings).map(TransformConfig::Enrich),
            _ => None,
        };
        let at = at.key("config");
        if let Some(config) = config {
            transforms.push(&config, &at, findings);
            config.review(arriving, &at, findings);
        }
    }
    transforms
}

fn action(root: &Node, findings: &mut Findings) -> Option<ActionConfig> {
    let at = KeyPath::root().key("action");
    let node = root.get("action")?;
    match ACTIONS.of(node, &at, findings)? {
        "hello_world" => config_of::<HelloWorldConfig>(node, &at, findings).map(ActionConfig::from),
        "file" => {
            let config: FileConfig = config_of(node, &at, findings)?;
            if config.rotate_keep.is_some() && config.rotate_bytes.is_none() {
                let at = at.key("config").key("rotate_keep");
                findings.warning(&at, "has no effect without rotate_bytes");
            }
            Some(config.into())
        }
        "webhook" => {
            let config: WebhookConfig = config_of(node, &at, findings)?;
            let settings = config.resolve(&at.key("config"), findings)?;
            Some(ActionConfig::Webhook(Box::new(settings)))
        }
        _ => config_of::<NoopConfig>(node, &at, findings).map(ActionConfig::from),
    }
}

fn datahub(root: &Node, environment: &Environment, findings: &mut Findings) -> Option<DatahubSettings> {
    let at = KeyPath::root().key("datahub");
    match root.get("datahub") {
        None => DatahubSettings::of_environment(environment, &at, findings),
        Some(_) => part::<DatahubConfig>(root, "datahub")?.resolve(environment, &at, findings),
    }
}
