//! `topic` and `topics`: which of the standard topics a pipeline reads.
//!
//! They choose, and `topic_routes` names: a topic is chosen by DataHub's name for it or by the one that
//! `topic_routes` or the environment gives it. Where a recipe has both, they must agree, so that no topic
//! is left out by one of them without a word.

use super::config::{KafkaSourceConfig, SourceKind, TopicNames};
use super::topics::{STANDARD, Standard, Wanted};
use crate::environment::Environment;
use crate::event::Route;
use crate::findings::{Findings, KeyPath};

impl KafkaSourceConfig {
    /// The topics to read and what each carries; `None` if there is an error in what says so, which
    /// resolving the source notes.
    pub fn topics(&self, environment: &Environment) -> Option<Vec<(String, Route)>> {
        let mut findings = Findings::default();
        let topics = self.topics_to_read(environment, &KeyPath::root(), &mut findings);
        (findings.errors() == 0).then_some(topics)
    }

    /// The topics to read and what each carries; `at` is the path of `source.config`.
    pub(super) fn topics_to_read(
        &self,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> Vec<(String, Route)> {
        let chosen = self.chosen(environment, at, findings);
        let wanted = Wanted { platform_events: self.platform_events, chosen: chosen.as_deref() };
        self.topic_routes.topics(wanted, environment, at, findings)
    }

    /// The keys in `topic_routes` of the topics that are chosen; `None` where nothing chooses.
    fn chosen(
        &self,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> Option<Vec<&'static str>> {
        let routed = self.topic_routes.named();
        let routes_some = !self.topic_routes.is_silent();
        let (names, at) = match (&self.topic, &self.topics) {
            (None, None) => {
                let by_default = self.kind == SourceKind::DatahubCloud && !routes_some;
                return by_default.then(|| vec!["pe"]);
            }
            (Some(_), Some(_)) => {
                findings.error(&at.key("topic"), "topics means the same; remove one of the two");
                return None;
            }
            (Some(names), None) => (names, at.key("topic")),
            (None, Some(names)) => (names, at.key("topics")),
        };
        let names = names.as_slice();
        if names.is_empty() {
            findings.error(&at, "names no topic; remove the key, or name one");
        }
        let mut chosen = Vec::new();
        for name in names {
            let standard = STANDARD.iter().zip(routed).find(|(standard, routed)| {
                name == standard.name || Some(&**name) == routed.or(environment.get(standard.variable))
            });
            match standard {
                None => {
                    let known = STANDARD.map(|standard| standard.name).join(", ");
                    let text = format!(
                        "expected one of DataHub's topics ({known}), by this name or the one that topic_routes or the environment gives it, found \"{name}\""
                    );
                    findings.error(&at, text);
                }
                Some((Standard { key, .. }, None)) if routes_some => {
                    let text = format!(
                        "{name} has no name in topic_routes, which replaces all of them; add `{key}` there"
                    );
                    findings.error(&at, text);
                }
                Some((Standard { key, .. }, _)) => chosen.push(*key),
            }
        }
        for (Standard { key, .. }, name) in STANDARD.iter().zip(routed) {
            if let Some(name) = name.filter(|_| !chosen.contains(key)) {
                let text =
                    format!("leaves out {name}, which topic_routes.{key} names; add it, or remove it there");
                findings.error(&at, text);
            }
        }
        Some(chosen)
    }
}

impl TopicNames {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::TopicRoutes;
    use super::*;

    const VERSIONED: &str = "MetadataChangeLog_Versioned_v1";
    const PLATFORM: &str = "PlatformEvent_v1";

    fn one(name: &str) -> Option<TopicNames> {
        Some(TopicNames::One(name.to_owned()))
    }

    fn many<const N: usize>(names: [&str; N]) -> Option<TopicNames> {
        Some(TopicNames::Many(names.map(str::to_owned).to_vec()))
    }

    fn choosing(topics: Option<TopicNames>) -> KafkaSourceConfig {
        KafkaSourceConfig { topics, ..Default::default() }
    }

    fn read(config: &KafkaSourceConfig, environment: &Environment) -> Result<Vec<String>, String> {
        let mut findings = Findings::default();
        let topics = config.topics_to_read(environment, &KeyPath::root(), &mut findings);
        if findings.errors() == 0 {
            return Ok(topics.into_iter().map(|(topic, _)| topic).collect());
        }
        let texts = findings.into_iter().map(|finding| format!("{}: {}", finding.at, finding.text));
        Err(texts.collect::<Vec<_>>().join("\n"))
    }

    fn read_plainly(config: &KafkaSourceConfig) -> Result<Vec<String>, String> {
        read(config, &Environment::default())
    }

    #[test]
    fn a_topic_is_chosen_by_either_key_as_a_name_or_a_list() {
        assert_eq!(read_plainly(&choosing(one(VERSIONED))).unwrap(), [VERSIONED]);
        assert_eq!(read_plainly(&choosing(many([PLATFORM, VERSIONED]))).unwrap(), [VERSIONED, PLATFORM]);
        assert_eq!(read_plainly(&choosing(many([PLATFORM, PLATFORM]))).unwrap(), [PLATFORM]);
        let by_other_key = KafkaSourceConfig { topic: one(PLATFORM), ..Default::default() };
        assert_eq!(read_plainly(&by_other_key).unwrap(), [PLATFORM]);
        let by_both = KafkaSourceConfig { topic: one(PLATFORM), ..choosing(one(PLATFORM)) };
        assert_eq!(
            read_plainly(&by_both).unwrap_err(),
            "topic: topics means the same; remove one of the two"
        );
    }

    #[test]
    fn a_topic_is_chosen_by_datahubs_name_or_by_its_own() {
        let environment = Environment::from([("PLATFORM_EVENT_TOPIC_NAME", "prod_pe")]);
        for name in [PLATFORM, "prod_pe"] {
            assert_eq!(read(&choosing(one(name)), &environment).unwrap(), ["prod_pe"]);
        }
        let routes = TopicRoutes { pe: Some("mine".to_owned()), ..Default::default() };
        for name in [PLATFORM, "mine"] {
            let config = KafkaSourceConfig { topic_routes: routes.clone(), ..choosing(one(name)) };
            assert_eq!(read(&config, &environment).unwrap(), ["mine"]);
        }
    }

    #[test]
    fn what_chooses_no_topic_of_datahubs_is_refused() {
        assert!(read_plainly(&choosing(many([]))).unwrap_err().contains("names no topic"));
        for wrong in ["", "platformevent_v1", "DataHubUsageEvent_v1"] {
            let error = read_plainly(&choosing(one(wrong))).unwrap_err();
            assert!(error.starts_with("topics: expected one of DataHub's topics (Metadata"), "{error}");
        }
    }

    #[test]
    fn choice_and_routes_must_agree() {
        let routes = TopicRoutes { mcl: Some("mine".to_owned()), ..Default::default() };
        let with_routes = |topics| KafkaSourceConfig { topic_routes: routes.clone(), ..choosing(topics) };
        assert_eq!(read_plainly(&with_routes(one(VERSIONED))).unwrap(), ["mine"]);
        let error = read_plainly(&with_routes(many([VERSIONED, PLATFORM]))).unwrap_err();
        assert!(error.contains("PlatformEvent_v1 has no name in topic_routes"), "{error}");
        let error = read_plainly(&with_routes(one(PLATFORM))).unwrap_err();
        assert!(error.contains("leaves out mine, which topic_routes.mcl names"), "{error}");
    }

    #[test]
    fn a_cloud_recipe_reads_platform_events_unless_it_says_otherwise() {
        let cloud = |config| KafkaSourceConfig { kind: SourceKind::DatahubCloud, ..config };
        let environment = Environment::from([("PLATFORM_EVENT_TOPIC_NAME", "prod_pe")]);
        assert_eq!(read(&cloud(choosing(None)), &environment).unwrap(), ["prod_pe"]);
        assert_eq!(read_plainly(&cloud(choosing(one(VERSIONED)))).unwrap(), [VERSIONED]);
        let routes = TopicRoutes { mcl: Some("mine".to_owned()), ..Default::default() };
        let routed = KafkaSourceConfig { topic_routes: routes, ..Default::default() };
        assert_eq!(read_plainly(&cloud(routed)).unwrap(), ["mine"]);
    }
}
