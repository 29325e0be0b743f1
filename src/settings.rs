//! What the process as a whole is told: monitoring, logging.
//!
//! A settings file, then the environment; the command line wins over both. The file is checked key by
//! key like a recipe, so that an error has its line.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use config::Config;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::findings::{Finding, Findings, KeyPath};
use crate::telemetry::LogFormat;
use crate::yaml::{Content, Document, Entry, Mark, Node, Problem, boolean_of_text, read_as};

/// The process's settings, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The HTTP endpoint for metrics and probes.
    pub monitoring: MonitoringSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Without a sign of life from a polling thread for so long, `/livez` fails.
    pub livez_stall: Duration,
}

/// The HTTP endpoint for metrics and probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitoringSettings {
    /// Whether there is one.
    pub enabled: bool,
    /// The address it listens on.
    pub address: IpAddr,
    /// The port it listens on; 0 is a free one.
    pub port: u16,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// A level, or directives such as `info,datahub_relay=debug`, as `tracing_subscriber::EnvFilter`
    /// takes them.
    pub level: String,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Everything that is wrong in the file, one problem a line.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    File(Vec<Problem>),
    /// A variable that overrides the file.
    #[error("the environment does not fit the settings: {0}; correct the variable or unset it")]
    Environment(String),
}

impl Default for Settings {
    fn default() -> Self {
        SettingsConfig::default()
            .resolve(&mut Findings::default())
            .expect("the built-in settings are valid, which a test shows")
    }
}

impl Settings {
    /// Reads `file`, or the file that `DATAHUB_RELAY_SETTINGS` names, if there is one, and lets the
    /// environment override it: `DATAHUB_RELAY_MONITORING__PORT` wins over the Python framework's
    /// `DATAHUB_ACTIONS_MONITORING_PORT`, and both win over the file.
    ///
    /// # Errors
    /// If the file or a variable holds something that is no setting.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, SettingsError> {
        let file = file.or_else(|| environment.get("DATAHUB_RELAY_SETTINGS").map(Path::new));
        let of_file = file.map(read_file).transpose()?.unwrap_or_default();
        let mut wrong_variables = Vec::new();
        let of_framework = framework_variables(environment, &mut wrong_variables);
        let ours = our_variables(environment, &mut wrong_variables);
        if !wrong_variables.is_empty() {
            return Err(SettingsError::Environment(wrong_variables.join("; ")));
        }
        let wrong = |error: config::ConfigError| SettingsError::Environment(error.to_string());
        let merged: SettingsConfig = Config::builder()
            .add_source(Config::try_from(&of_file).map_err(wrong)?)
            .add_source(Config::try_from(&of_framework).map_err(wrong)?)
            .add_source(Config::try_from(&ours).map_err(wrong)?)
            .build()
            .and_then(Config::try_deserialize)
            .map_err(wrong)?;
        let mut findings = Findings::default();
        merged.resolve(&mut findings).ok_or_else(|| {
            let text = |finding: Finding| format!("{} {}", origin(&finding.at, environment), finding.text);
            SettingsError::Environment(findings.into_iter().map(text).collect::<Vec<_>>().join("; "))
        })
    }
}

const PREFIX: &str = "DATAHUB_RELAY";

/// The settings as they are written.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct SettingsConfig {
    monitoring: MonitoringConfig,
    log: LogConfig,
    #[schemars(range(min = 1))]
    livez_stall_seconds: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct MonitoringConfig {
    enabled: bool,
    address: String,
    port: u16,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct LogConfig {
    format: LogFormat,
    level: String,
}

impl Default for SettingsConfig {
    fn default() -> Self {
        Self { monitoring: MonitoringConfig::default(), log: LogConfig::default(), livez_stall_seconds: 60 }
    }
}

impl Default for MonitoringConfig {
    fn default() -> Self {
        Self { enabled: true, address: "127.0.0.1".to_owned(), port: 8000 }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl SettingsConfig {
    fn resolve(&self, findings: &mut Findings) -> Option<Settings> {
        let top = KeyPath::root();
        let address: Option<IpAddr> = self.monitoring.address.parse().ok();
        if address.is_none() {
            let at = top.key("monitoring").key("address");
            findings.error(&at, "must be an IP address, such as 127.0.0.1, or 0.0.0.0 in a container");
        }
        let level_is_sound = self.log.level.split(',').all(is_directive);
        if !level_is_sound {
            let at = top.key("log").key("level");
            findings.error(
                &at,
                "must be error, warn, info, debug or trace, or directives such as info,datahub_relay=debug",
            );
        }
        if self.livez_stall_seconds == 0 {
            findings.error(&top.key("livez_stall_seconds"), "must be 1 or more");
        }
        if !level_is_sound || self.livez_stall_seconds == 0 {
            return None;
        }
        let MonitoringConfig { enabled, port, .. } = self.monitoring;
        Some(Settings {
            monitoring: MonitoringSettings { enabled, address: address?, port },
            log: LogSettings { format: self.log.format, level: self.log.level.clone() },
            livez_stall: Duration::from_secs(self.livez_stall_seconds),
        })
    }
}

/// `debug` or `target=debug`. A lone target would be taken for "everything of that target", which is
/// what a misspelt level would silently become.
fn is_directive(directive: &str) -> bool {
    let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level).trim().to_ascii_lowercase();
    matches!(level.as_str(), "off" | "error" | "warn" | "info" | "debug" | "trace")
        && tracing_subscriber::EnvFilter::try_new(directive).is_ok()
}

fn read_file(file: &Path) -> Result<SettingsConfig, SettingsError> {
    let document = Document::read(file).map_err(|problem| SettingsError::File(vec![problem]))?;
    let mut findings = Findings::default();
    let config: Option<SettingsConfig> = if document.root.is_null() {
        Some(SettingsConfig::default())
    } else {
        read_as(&document.root, &KeyPath::root(), &mut findings)
    };
    if let Some(config) = &config {
        config.resolve(&mut findings);
    }
    // A key that stands there twice is an error here: nobody has such a file from elsewhere.
    let (mut problems, twice) = document.report(findings);
    problems.extend(twice);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(SettingsError::File(problems)),
    }
}

/// What the Python framework's image is told by; what is wrong with it goes to `wrong`.
fn framework_variables(environment: &Environment, wrong: &mut Vec<String>) -> Value {
    let mut flag = |name: &str| {
        let text = environment.get(name)?;
        let flag = boolean_of_text(text.trim());
        if flag.is_none() {
            wrong.push(format!("{name} must be true or false"));
        }
        flag
    };
    let mut settings = json!({"monitoring": {}, "log": {}});
    if let Some(enabled) = flag("DATAHUB_ACTIONS_MONITORING_ENABLED") {
        settings["monitoring"]["enabled"] = Value::Bool(enabled);
    }
    if flag("DATAHUB_DEBUG") == Some(true) {
        settings["log"]["level"] = Value::from("debug");
    }
    if let Some(port) = environment.get("DATAHUB_ACTIONS_MONITORING_PORT") {
        match port.trim().parse::<u16>() {
            Ok(port) => settings["monitoring"]["port"] = Value::from(port),
            Err(_) => wrong.push("DATAHUB_ACTIONS_MONITORING_PORT must be a port from 0 to 65535".to_owned()),
        }
    }
    settings
}

/// What our variables say: `DATAHUB_RELAY_MONITORING__PORT` is `monitoring.port`. Each is read as if it stood
/// in a file, for errors that name the variable and say what would be right.
fn our_variables(environment: &Environment, wrong: &mut Vec<String>) -> Value {
    let mut settings = json!({});
    for (name, value) in ours(environment).filter(|(_, value)| !value.is_empty()) {
        let keys: Vec<String> = name.to_ascii_lowercase().split("__").map(str::to_owned).collect();
        let mark = Mark { line: 1, column: 1 };
        let mut node = Node { mark, content: Content::Text(value.to_owned()), from_variable: true };
        for key in keys.iter().rev() {
            let entry = Entry { key: key.clone(), key_mark: mark, value: node };
            node = Node::written(mark, Content::Map(vec![entry]));
        }
        let mut findings = Findings::default();
        let config: Option<SettingsConfig> = read_as(&node, &KeyPath::root(), &mut findings);
        wrong.extend(findings.into_iter().map(|finding| format!("{PREFIX}_{name}: {}", finding.text)));
        // The value as the setting's type has it, beside which there are only defaults.
        let read = config.and_then(|config| serde_json::to_value(config).ok());
        let value = read.as_ref().and_then(|read| read.pointer(&format!("/{}", keys.join("/"))));
        if let Some(value) = value {
            let place = keys.iter().fold(&mut settings, |settings, key| &mut settings[key.as_str()]);
            *place = value.clone();
        }
    }
    settings
}

/// The variable that a setting came from, if one did, or its path.
fn origin(at: &KeyPath, environment: &Environment) -> String {
    let path = at.to_string();
    let variable = format!("{PREFIX}_{}", path.replace('.', "__").to_ascii_uppercase());
    if environment.get(&variable).is_some() { variable } else { path }
}

/// Our variables that name a setting, or would but for a slip, as (rest of the name, value). Those of the prefix
/// without `__` that name no setting belong to others, such as `DATAHUB_RELAY_SETTINGS`.
fn ours(environment: &Environment) -> impl Iterator<Item = (&str, &str)> {
    environment.with_prefix("DATAHUB_RELAY_").filter(|(name, _)| {
        name.contains("__") || name.to_ascii_lowercase().starts_with("livez_stall_seconds")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load<const N: usize>(text: &str, variables: [(&str, &str); N]) -> Result<Settings, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("settings.yml");
        std::fs::write(&file, text).unwrap();
        Settings::load(Some(&file), &Environment::from(variables))
            .map_err(|error| error.to_string().replace(&format!("{}/", directory.path().display()), ""))
    }

    #[test]
    fn without_a_file_everything_has_a_default() {
        let settings = Settings::load(None, &Environment::default()).unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.monitoring.port, 8000);
        assert!(settings.monitoring.enabled && settings.monitoring.address.is_loopback());
        assert_eq!(settings.livez_stall, Duration::from_secs(60));
        assert_eq!(load("", []), Ok(settings));
    }

    #[test]
    fn our_variables_win_over_the_frameworks_and_those_over_the_file() {
        let file = "monitoring: {port: 1, enabled: true}\nlog: {level: warn}\n";
        let theirs = ("DATAHUB_ACTIONS_MONITORING_PORT", "2");
        let ours = ("DATAHUB_RELAY_MONITORING__PORT", "3");
        assert_eq!(load(file, []).unwrap().monitoring.port, 1);
        assert_eq!(load(file, [theirs]).unwrap().monitoring.port, 2);
        assert_eq!(load(file, [theirs, ours]).unwrap().monitoring.port, 3);
        assert!(!load(file, [("DATAHUB_ACTIONS_MONITORING_ENABLED", "False")]).unwrap().monitoring.enabled);
        assert_eq!(load(file, [("DATAHUB_DEBUG", "true")]).unwrap().log.level, "debug");
        let level = [("DATAHUB_DEBUG", "true"), ("DATAHUB_RELAY_LOG__LEVEL", "info,librdkafka=debug")];
        assert_eq!(load(file, level).unwrap().log.level, "info,librdkafka=debug");
        let json = load(file, [("DATAHUB_RELAY_LOG__FORMAT", "json"), ("DATAHUB_RELAY_SOMETHING_ELSE", "x")]);
        assert_eq!(json.unwrap().log.format, LogFormat::Json);
        let written = [("DATAHUB_RELAY_MONITORING__PORT", " 4 "), ("DATAHUB_RELAY_MONITORING__ENABLED", "n")];
        let monitoring = load(file, written).unwrap().monitoring;
        assert_eq!((monitoring.port, monitoring.enabled), (4, false), "as a file's text is read");
    }

    #[test]
    fn every_variable_that_is_wrong_is_named_at_once() {
        let error = load(
            "",
            [
                ("DATAHUB_DEBUG", "perhaps"),
                ("DATAHUB_ACTIONS_MONITORING_PORT", "x"),
                ("DATAHUB_RELAY_MONITORING__PORT", "70000"),
                ("DATAHUB_RELAY_LOG__FORMAT", "xml"),
            ],
        );
        assert_eq!(
            error.unwrap_err(),
            "the environment does not fit the settings: DATAHUB_DEBUG must be true or false; \
             DATAHUB_ACTIONS_MONITORING_PORT must be a port from 0 to 65535; \
             DATAHUB_RELAY_LOG__FORMAT: expected one of text, json, found text (from a variable, or a secret); \
             DATAHUB_RELAY_MONITORING__PORT: expected 65535 or less, found text (from a variable, or a secret); \
             correct the variable or unset it"
        );
    }

    #[test]
    fn every_error_of_a_file_is_reported_with_its_place() {
        let text = "monitoring:\n  prot: 1\n  port: 70000\n  address: localhost\nlog:\n  format: xml\n  level: verbose\n";
        assert_eq!(
            load(text, []).unwrap_err(),
            "settings.yml:2:3: monitoring.prot: unknown key; did you mean \"port\"?\n\
             settings.yml:3:3: monitoring.port: expected 65535 or less, found 70000\n\
             settings.yml:4:3: monitoring.address: must be an IP address, such as 127.0.0.1, or 0.0.0.0 in a container\n\
             settings.yml:6:3: log.format: expected one of text, json, found text \"xml\"\n\
             settings.yml:7:3: log.level: must be error, warn, info, debug or trace, or directives such as info,datahub_relay=debug"
        );
    }

    #[test]
    fn a_variable_that_does_not_fit_is_named() {
        let error = |variable| load("", [variable]).unwrap_err();
        for (name, value, expected) in [
            ("DATAHUB_RELAY_MONITORING__PORT", "x", ": expected a whole number, found text (from a variable"),
            ("DATAHUB_RELAY_MONITORING__PORT", "70000", ": expected 65535 or less, found"),
            ("DATAHUB_RELAY_MONITORING__ENABLED", "perhaps", ": expected true or false, found"),
            ("DATAHUB_RELAY_MONITORING__PRT", "1", ": unknown key; did you mean \"port\"?"),
            ("DATAHUB_RELAY_MONITORING__ADDRESS", "localhost", " must be an IP address"),
            ("DATAHUB_RELAY_MONITORNG__PORT", "1", ": unknown key; did you mean \"monitoring\"?"),
            (
                "DATAHUB_RELAY_OTHER__PORT",
                "1",
                ": unknown key; known here: monitoring, log, livez_stall_seconds",
            ),
            ("DATAHUB_RELAY_LOG__FORMAT", "xml", ": expected one of text, json, found"),
            ("DATAHUB_RELAY_LOG__LEVEL", "loud", " must be error, warn, info"),
            ("DATAHUB_RELAY_LIVEZ_STALL_SECONDS", "0", ": expected 1 or more, found"),
        ] {
            let text = error((name, value));
            assert!(text.contains(&format!("{name}{expected}")), "{text}");
        }
        assert!(error(("DATAHUB_ACTIONS_MONITORING_PORT", "x")).contains("DATAHUB_ACTIONS_MONITORING_PORT"));
        assert!(error(("DATAHUB_DEBUG", "perhaps")).contains("DATAHUB_DEBUG"));
    }

    #[test]
    fn the_file_of_the_command_line_beats_the_variables_and_that_the_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let (named, of_variable) =
            (directory.path().join("named.yml"), directory.path().join("variable.yml"));
        std::fs::write(&named, "monitoring: {port: 1}\n").unwrap();
        std::fs::write(&of_variable, "monitoring: {port: 2}\nlog: {level: warn}\n").unwrap();
        let environment = Environment::from([("DATAHUB_RELAY_SETTINGS", of_variable.to_str().unwrap())]);
        let port =
            |file, environment: &Environment| Settings::load(file, environment).unwrap().monitoring.port;
        assert_eq!(port(None, &Environment::default()), 8000);
        assert_eq!(port(None, &environment), 2);
        assert_eq!(port(Some(&*named), &environment), 1);
        // One file is read, not both.
        assert_eq!(Settings::load(Some(&named), &environment).unwrap().log.level, "info");
    }

    #[test]
    fn the_example_file_holds_the_defaults() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/settings.yml");
        assert_eq!(Settings::load(Some(&file), &Environment::default()).unwrap(), Settings::default());
    }
}
