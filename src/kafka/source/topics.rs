//! Which topics a pipeline reads, and what each carries.

use super::config::{PlatformEvents, TopicRoutes};
use crate::environment::Environment;
use crate::event::{EventType, Route};
use crate::findings::{Findings, KeyPath};

/// One of the three topics that DataHub writes.
pub(super) struct Standard {
    /// Its key in `topic_routes`.
    pub(super) key: &'static str,
    route: Route,
    /// The variable that renames it.
    pub(super) variable: &'static str,
    /// DataHub's own name for it.
    pub(super) name: &'static str,
}

pub(super) const STANDARD: [Standard; 3] = [
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

/// What a recipe says about topics beside their names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Which platform events are handed on.
    pub(super) platform_events: PlatformEvents,
    /// The keys of the standard topics that are read, where the recipe chooses.
    pub(super) chosen: Option<&'a [&'static str]>,
}

impl TopicRoutes {
    /// The names that the recipe gives, in the order of [`STANDARD`].
    pub(super) fn named(&self) -> [Option<&str>; 3] {
        [&self.mcl, &self.mcl_timeseries, &self.pe].map(Option::as_deref)
    }

    /// A recipe that names a topic reads the topics that it names; one that is silent reads the three
    /// standard ones, under the names that the environment gives them. `at` is the path of
    /// `source.config`.
    pub(super) fn topics(
        &self,
        wanted: Wanted<'_>,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> Vec<(String, Route)> {
        let mut topics = Topics { at: at.key("topic_routes"), findings, read: Vec::new() };
        let Wanted { platform_events, chosen } = wanted;
        let is_left_out = |key| chosen.is_some_and(|chosen| !chosen.contains(&key));
        for (standard, named) in STANDARD.iter().zip(self.named()) {
            let route = match standard.route {
                Route::PlatformEvent if platform_events == PlatformEvents::All => Route::EveryPlatformEvent,
                ref route => route.clone(),
            };
            let at = topics.at.key(standard.key);
            match (named, environment.get(standard.variable)) {
                _ if is_left_out(standard.key) => {}
                (Some(topic), _) => topics.add(topic, route, &at, &format!("found \"{topic}\"")),
                (None, _) if !self.is_silent() => {}
                // What comes from a variable is not shown.
                (None, Some(topic)) => {
                    let origin = format!("found another name in the variable {}", standard.variable);
                    topics.add(topic, route, &at, &origin);
                }
                (None, None) => topics.add(standard.name, route, &at, ""),
            }
        }
        for (key, route, topic) in
            [("mcp", Route::Proposal, &self.mcp), ("fmcp", Route::FailedProposal, &self.fmcp)]
        {
            if let Some(topic) = topic {
                let at = topics.at.key(key);
                topics.add(topic, route, &at, &format!("found \"{topic}\""));
            }
        }
        for (topic, event_type) in &self.avro {
            let at = topics.at.key("avro").key(topic);
            topics.check_event_type(event_type, &at);
            let route = Route::Avro(event_type.as_str().into());
            topics.add(topic, route, &at, &format!("found \"{topic}\""));
        }
        let reads_none = is_left_out("pe") || (self.pe.is_none() && !self.is_silent());
        if platform_events == PlatformEvents::All && reads_none {
            let text = "has no effect: the topics that the recipe names hold no platform events";
            topics.findings.warning(&at.key("platform_events"), text);
        }
        topics.read
    }

    /// Whether no topic is named.
    pub(super) fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// The topics of a recipe, as they are found.
struct Topics<'f> {
    at: KeyPath,
    findings: &'f mut Findings,
    read: Vec<(String, Route)>,
}

impl Topics<'_> {
    fn add(&mut self, topic: &str, route: Route, at: &KeyPath, origin: &str) {
        if !is_topic_name(topic) {
            let text = format!("expected a topic's name (letters, digits, `.`, `_`, `-`), {origin}");
            self.findings.error(at, text);
            return;
        }
        match self.read.iter().find(|(known, _)| known == topic) {
            Some((_, other)) if *other != route => {
                let other = described(other);
                self.findings
                    .error(at, format!("is the topic of {other} too; a topic carries one or the other"));
            }
            Some(_) => {}
            None => self.read.push((topic.to_owned(), route)),
        }
    }

    /// The name that a recipe gives to the events of a topic.
    fn check_event_type(&mut self, name: &str, at: &KeyPath) {
        if let Some(standard) = EventType::standard(name) {
            let text = format!(
                "{standard} is the name of another kind of event; give these events a name of their own"
            );
            self.findings.error(at, text);
        } else if name.trim().is_empty() {
            self.findings.error(
                at,
                "expected the type that the topic's events are given, such as MetadataChangeEvent_v4",
            );
        }
    }
}

fn described(route: &Route) -> String {
    match route {
        Route::ChangeLog => "change logs".to_owned(),
        Route::PlatformEvent | Route::EveryPlatformEvent => "platform events".to_owned(),
        Route::Proposal => "proposals".to_owned(),
        Route::FailedProposal => "failed proposals".to_owned(),
        Route::Avro(event_type) => format!("events of the type {event_type}"),
    }
}

/// Kafka's own rule. It also keeps out `^…`, which librdkafka takes for a regular expression.
pub(super) fn is_topic_name(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn topics_of(
        routes: &TopicRoutes,
        platform_events: PlatformEvents,
        findings: &mut Findings,
    ) -> Vec<(String, Route)> {
        let wanted = Wanted { platform_events, chosen: None };
        routes.topics(wanted, &Environment::default(), &KeyPath::root(), findings)
    }

    fn avro<const N: usize>(routes: [(&str, &str); N]) -> BTreeMap<String, String> {
        routes.map(|(topic, event_type)| (topic.to_owned(), event_type.to_owned())).into()
    }

    #[test]
    fn proposals_and_other_topics_are_read_where_they_are_named_and_then_alone() {
        let named = |name: &str| Some(name.to_owned());
        let other = avro([("MetadataChangeEvent_v4", "MCE"), ("MetadataAuditEvent_v4", "MAE")]);
        let routes = TopicRoutes { mcp: named("p"), fmcp: named("f"), avro: other, ..TopicRoutes::default() };
        let mut findings = Findings::default();
        let topics = topics_of(&routes, PlatformEvents::Known, &mut findings);
        assert_eq!(findings.errors(), 0);
        assert_eq!(
            topics,
            [
                ("p".to_owned(), Route::Proposal),
                ("f".to_owned(), Route::FailedProposal),
                ("MetadataAuditEvent_v4".to_owned(), Route::Avro("MAE".into())),
                ("MetadataChangeEvent_v4".to_owned(), Route::Avro("MCE".into())),
            ]
        );
    }

    #[test]
    fn all_platform_events_are_a_route_of_their_own() {
        let mut findings = Findings::default();
        let topics = topics_of(&TopicRoutes::default(), PlatformEvents::All, &mut findings);
        assert_eq!(topics[2], ("PlatformEvent_v1".to_owned(), Route::EveryPlatformEvent));
        assert_eq!(findings.into_iter().count(), 0);
        let mut findings = Findings::default();
        let routes = TopicRoutes { mcl: Some("a".to_owned()), ..TopicRoutes::default() };
        topics_of(&routes, PlatformEvents::All, &mut findings);
        assert_eq!(findings.into_iter().next().map(|finding| finding.text.contains("no effect")), Some(true));
    }

    #[test]
    fn a_topic_of_two_routes_and_a_standard_name_for_other_events_are_errors() {
        let errors = |routes: TopicRoutes| {
            let mut findings = Findings::default();
            topics_of(&routes, PlatformEvents::Known, &mut findings);
            findings.into_iter().map(|finding| finding.text).collect::<Vec<_>>()
        };
        let twice = TopicRoutes { mcp: Some("a".to_owned()), avro: avro([("a", "A")]), ..Default::default() };
        assert_eq!(errors(twice), ["is the topic of proposals too; a topic carries one or the other"]);
        let standard = TopicRoutes { avro: avro([("a", "EntityChangeEvent_v1")]), ..Default::default() };
        assert_eq!(
            errors(standard),
            [
                "EntityChangeEvent_v1 is the name of another kind of event; give these events a name of their own"
            ]
        );
        let nameless = TopicRoutes { avro: avro([("a", " ")]), ..Default::default() };
        assert!(errors(nameless)[0].starts_with("expected the type"));
    }

    #[test]
    fn a_topic_carries_one_kind_of_record() {
        let mut findings = Findings::default();
        let mut topics = |mcl: &str, mcl_timeseries: &str, pe: &str| {
            let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
            let (mcl, mcl_timeseries, pe) = (name(mcl), name(mcl_timeseries), name(pe));
            let routes = TopicRoutes { mcl, mcl_timeseries, pe, ..TopicRoutes::default() };
            let errors = findings.errors();
            let topics = topics_of(&routes, PlatformEvents::Known, &mut findings);
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
