//! Which topics a pipeline reads, and what each carries.

use super::config::TopicRoutes;
use crate::environment::Environment;
use crate::event::Route;
use crate::findings::{Findings, KeyPath};

/// One of the three topics that DataHub writes.
struct Standard {
    /// Its key in `topic_routes`.
    key: &'static str,
    route: Route,
    /// The variable that renames it.
    variable: &'static str,
    name: &'static str,
}

const STANDARD: [Standard; 3] = [
    Standard {
        key: "mcl",
        route: Route::ChangeLog,
        variable: "METADATA_CHANGE_LOG_VERSIONED_TOPIC_NAME",
        name: "MetadataChangeLog_Versioned_v1",
    },
    Standard {
        key: "mcl_timeseries",
        route: Route::ChangeLog,
        variable: "METADATA_CHANGE_LOG_TIMESERIES_TOPIC_NAME",
        name: "MetadataChangeLog_Timeseries_v1",
    },
    Standard {
        key: "pe",
        route: Route::PlatformEvent,
        variable: "PLATFORM_EVENT_TOPIC_NAME",
        name: "PlatformEvent_v1",
    },
];

impl TopicRoutes {
    /// A recipe that names a topic reads the topics that it names; one that is silent reads all
    /// three, under the names that the environment gives them.
    pub(super) fn topics(
        &self,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> Vec<(String, Route)> {
        let named = [&self.mcl, &self.mcl_timeseries, &self.pe];
        let is_silent = named.iter().all(|topic| topic.is_none());
        let mut topics: Vec<(String, Route)> = Vec::new();
        for (Standard { key, route, variable, name }, named) in STANDARD.iter().zip(named) {
            let (topic, origin) = match (named, environment.get(variable)) {
                (Some(topic), _) => (topic.as_str(), format!("found \"{topic}\"")),
                (None, _) if !is_silent => continue,
                // What comes from a variable is not shown.
                (None, Some(topic)) => (topic, format!("found another name in the variable {variable}")),
                (None, None) => (*name, String::new()),
            };
            let at = at.key(key);
            match topics.iter().find(|(known, _)| known == topic) {
                _ if !is_topic_name(topic) => {
                    findings.error(
                        &at,
                        format!("expected a topic's name (letters, digits, `.`, `_`, `-`), {origin}"),
                    );
                }
                Some((_, other)) if other != route => {
                    findings.error(&at, "is the topic of change logs too; a topic carries one or the other");
                }
                Some(_) => {}
                None => topics.push((topic.to_owned(), *route)),
            }
        }
        topics
    }
}

/// Kafka's own rule. It also keeps out `^…`, which librdkafka takes for a regular expression.
fn is_topic_name(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_carries_one_kind_of_record() {
        let mut findings = Findings::default();
        let mut topics = |mcl: &str, mcl_timeseries: &str, pe: &str| {
            let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
            let routes = TopicRoutes { mcl: name(mcl), mcl_timeseries: name(mcl_timeseries), pe: name(pe) };
            let errors = findings.errors();
            let topics = routes.topics(&Environment::default(), &KeyPath::root(), &mut findings);
            (topics.len(), findings.errors() - errors)
        };
        assert_eq!(topics("a", "b", "c"), (3, 0));
        assert_eq!(topics("a", "a", ""), (1, 0));
        assert_eq!(topics("a", "", "a"), (1, 1));
    }

    #[test]
    fn a_topics_name_is_kafkas_not_a_pattern() {
        let longest = "x".repeat(249);
        for right in ["a", "MetadataChangeLog_Versioned_v1", "a.b-c", longest.as_str()] {
            assert!(is_topic_name(right), "{right}");
        }
        let too_long = "x".repeat(250);
        for wrong in ["", ".", "..", "^a.*", "a b", "ü", too_long.as_str()] {
            assert!(!is_topic_name(wrong), "{wrong}");
        }
    }
}
