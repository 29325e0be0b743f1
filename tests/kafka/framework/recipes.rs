//! Recipes that both programs run as they are: the same file, byte for byte. What differs, the action
//! (ours is `file`, the framework gets one of the tests) and the consumer group, comes from variables.

use std::fs;
use std::path::{Path, PathBuf};

/// A recipe's name, and what it filters by.
const FILTERS: [(&str, &str); 24] = [
    ("everything", ""),
    ("one-type", "filter: {event_type: MetadataChangeLogEvent_v1}"),
    ("types-as-list", "filter: {event_type: [EntityChangeEvent_v1, RelationshipChangeEvent_v1, Other_v1]}"),
    (
        "scalars",
        "filter: {event_type: MetadataChangeLogEvent_v1, event: {entityType: dataset, changeType: UPSERT}}",
    ),
    (
        "list-of-values",
        "filter: {event_type: MetadataChangeLogEvent_v1, event: {aspectName: [status, globalTags, 3, null]}}",
    ),
    (
        "json-in-an-aspect",
        "filter: {event_type: MetadataChangeLogEvent_v1, event: {aspect: {value: {executorId: default}}}}",
    ),
    ("null", "filter: {event_type: MetadataChangeLogEvent_v1, event: {aspect: null, entityUrn: ~}}"),
    ("number", "filter: {event_type: MetadataChangeLogEvent_v1, event: {aspect: {value: {args: {n: 1}}}}}"),
    ("boolean", "filter: {event_type: MetadataChangeLogEvent_v1, event: {aspect: {value: {removed: yes}}}}"),
    (
        "json-in-json",
        "filter: {event_type: MetadataChangeLogEvent_v1, event: {aspect: {value: {note: {inner: {deep: a}}}}}}",
    ),
    ("no-body", "filter: {event_type: [EntityChangeEvent_v1], event: {}}"),
    (
        "several-types",
        "filters:
- type: event_type
  config:
    filter:
      EntityChangeEvent_v1: {}
      MetadataChangeLogEvent_v1: {event: [{aspectName: status}]}",
    ),
    (
        "alternatives",
        "filters:
- type: event_type
  config:
    filter:
      MetadataChangeLogEvent_v1:
        event:
        - {entityType: dataset, aspectName: [ownership, globalTags]}
        - {entityType: chart, changeType: DELETE}
        - {entityType: dataHubExecutionRequest, aspect: {value: {executorId: default, task: RUN_INGEST}}}",
    ),
    (
        "no-alternative",
        "filters:
- type: event_type
  config: {filter: {MetadataChangeLogEvent_v1: {event: []}, EntityChangeEvent_v1: {event: []}}}",
    ),
    (
        "type-without-body",
        "filters:
- type: event_type
  config:
    filter:
      EntityChangeEvent_v1:
      RelationshipChangeEvent_v1: {event: null}",
    ),
    (
        "filters-in-a-row",
        "filters:
- type: event_type
  config: {filter: {MetadataChangeLogEvent_v1: {}, EntityChangeEvent_v1: {}}}
- type: event_type
  config:
    filter:
      MetadataChangeLogEvent_v1: {event: [{entityType: dataset}, {entityType: chart}]}
      RelationshipChangeEvent_v1: {}
- type: event_type
  config: {filter: {MetadataChangeLogEvent_v1: {event: [{changeType: [UPSERT, RESTATE, PATCH]}]}}}",
    ),
    (
        "both-styles",
        "filters:
- type: event_type
  config: {filter: {MetadataChangeLogEvent_v1: {event: [{aspectName: status}]}, EntityChangeEvent_v1: {}}}
filter: {event_type: MetadataChangeLogEvent_v1, event: {entityType: [dataset, chart]}}",
    ),
    (
        "variables",
        "filter:
  event_type: ${KIND:-EntityChangeEvent_v1}
  event: {category: \"${UNSET:-${CATEGORY}}\", operation: [$OPERATION, \"${UNSET-REMOVE}\"]}",
    ),
    (
        "parameters",
        "filter:
  event_type: EntityChangeEvent_v1
  event: {parameters: {tagUrn: \"urn:li:tag:pii\"}, auditStamp: {time: 1700000000000.0}}",
    ),
    ("version", "filter: {event_type: EntityChangeEvent_v1, event: {version: false, modifier: null}}"),
    (
        "relationships",
        "filters:
- type: event_type
  config:
    filter:
      RelationshipChangeEvent_v1:
        event:
        - {relationshipType: TermedWith, operation: [ADD]}
        - {properties: {weight: \"1\"}}",
    ),
    (
        "system-metadata",
        "filters:
- type: event_type
  config:
    filter:
      MetadataChangeLogEvent_v1:
        event: [{systemMetadata: {lastObserved: 0, runId: no-run-id-provided, version: null}}]",
    ),
    (
        "merge-keys",
        "filter:
  event_type: MetadataChangeLogEvent_v1
  event:
    <<: {entityType: dataset, aspectName: nothing}
    aspectName: &aspect status",
    ),
    ("no-string-is-in-a-list", "filter: {event_type: EntityChangeEvent_v1, event: {version: [0, 1, '0']}}"),
];

/// Recipes that are run otherwise than by default: what stands below `source.config`.
const SOURCES: [(&str, &str); 3] = [
    ("alternatives", "enable_mcl_pre_deserialization_filter: false"),
    ("everything", "async_commit_enabled: false"),
    ("several-types", "commit_retry_count: \"3\""),
];

/// The names of all recipes.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|(name, _)| *name)
}

/// Writes all recipes into `directory`.
pub(super) fn write_all(directory: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(directory).expect("the test's directory can be written");
    let write = |&(name, filter): &(&str, &str)| {
        let path = directory.join(format!("{name}.yml"));
        fs::write(&path, recipe(name, filter)).expect("the test's directory can be written");
        path
    };
    FILTERS.iter().map(write).collect()
}

fn recipe(name: &str, filter: &str) -> String {
    let source = SOURCES.iter().find(|(of, _)| *of == name);
    let source = source.map_or("async_commit_interval: 500", |(_, line)| line);
    format!(
        "# Both programs run this file.
name: \"${{RUN}}-{name}\"
source:
  type: kafka
  config:
    connection:
      bootstrap: ${{BOOTSTRAP}}
      schema_registry_url: ${{REGISTRY:?the test names it}}
      consumer_config: {{auto.offset.reset: earliest, max.poll.interval.ms: 60000, client.rack: \"${{UNSET:-}}\"}}
    topic_routes:
      mcl: ${{TOPICS}}-versioned
      mcl_timeseries: ${{TOPICS}}-timeseries
      pe: ${{TOPICS}}-platform
    {source}
{filter}
action:
  type: ${{ACTION}}
  config: {{path: \"${{OUT}}/{name}.jsonl\"}}
options:
  failed_events_dir: ${{OUT}}/failed
"
    )
}
