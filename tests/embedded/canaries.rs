//! Canaries: a value that can be recognised stands at every key whose value is a secret, in variables and in
//! URLs, and nothing that the program writes shows one. Those whom it talks to quote all that they were sent.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datahub_relay::embedded::EmbeddedBroker;
use datahub_relay::environment::Environment;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{END, EchoServer, Feeder, Relay, Scene, SecretKey, command, wait_until};

const SEEN: Duration = Duration::from_secs(90);

/// Every canary begins so. One has a quotation mark, too: it must not get past as `\"`.
const CANARY: &str = "c4n4ry";

/// Variables that the environment holds, apart from what recipes name.
const VARIABLES: [(&str, &str); 4] = [
    ("KAFKA_PROPERTIES_SASL_PASSWORD", "c4n4ry-of-the-environment"),
    ("DATAHUB_SYSTEM_CLIENT_ID", "relay"),
    ("DATAHUB_SYSTEM_CLIENT_SECRET", "c4n4ry-of-the-system"),
    ("C4N", "c4n4ry-of-a-variable"),
];

/// Secret keys that every recipe is refused for, whatever they hold.
const REFUSED: [&str; 2] =
    ["sasl.oauthbearer.assertion.private.key.passphrase", "sasl.oauthbearer.assertion.private.key.pem"];

/// Everything that was written, and by whom.
#[derive(Default)]
struct Heard(Vec<(String, String)>);

impl Heard {
    fn add(&mut self, whose: &str, text: impl Into<String>) {
        self.0.push((whose.to_owned(), text.into()));
    }

    fn pages(&mut self, relay: &Relay) {
        for path in ["/readyz", "/livez", "/metrics", "/"] {
            let (_, body) = relay.get(path).expect("the page answers");
            self.add(path, body);
        }
    }

    /// What every file below a directory holds, apart from the recipes.
    fn files(&mut self, directory: &Path) {
        for entry in fs::read_dir(directory).expect("the scene's directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.files(&path);
            } else if path.extension().is_none_or(|extension| extension != "yml") {
                let bytes = fs::read(&path).expect("the scene's file");
                self.add(&path.display().to_string(), String::from_utf8_lossy(&bytes));
            }
        }
    }

    /// That there was something to hide: otherwise nothing was put to the test.
    fn assert_told_of_failures(&self) {
        for text in ["Client configuration", "answered 422", "no answer from the schema registry", "…"] {
            assert!(self.0.iter().any(|(_, said)| said.contains(text)), "{text} is in no text");
        }
    }

    fn assert_no_canary(&self) {
        let shown = self.0.iter().flat_map(|(whose, text)| {
            text.lines().filter(|line| shows_a_canary(line)).map(move |line| format!("{whose}: {line}"))
        });
        let shown: Vec<String> = shown.collect();
        assert!(shown.is_empty(), "{} lines show a canary, among them:\n{}", shown.len(), some_of(&shown));
    }
}

fn some_of(lines: &[String]) -> String {
    lines.iter().take(20).fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", line.chars().take(600).collect::<String>());
        text
    })
}

/// Whether a canary stands there, as it is or as basic authentication sends it.
fn shows_a_canary(line: &str) -> bool {
    let encoded = |word: &str| {
        STANDARD.decode(word).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(CANARY))
    };
    line.contains(CANARY)
        || line.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))).any(encoded)
}

/// What stands at a secret key of a recipe.
fn value_of(key: &SecretKey, number: usize, webhook: &EchoServer) -> Value {
    let canary = format!("{CANARY}-{number}-\"quoted");
    match key.path.last().map(String::as_str) {
        Some("basic.auth.user.info") => json!(format!("user:{canary}")),
        Some("auth") => json!({"type": "static", "config": {"token": canary}}),
        Some("url") => json!(format!(
            "http://user:{CANARY}-{number}-a@{}/hooks/{CANARY}-{number}-b?key={CANARY}-{number}-c",
            webhook.authority()
        )),
        _ if key.takes_a_map => json!({"X-One": canary, "X-Two": format!("Bearer {canary}")}),
        _ => json!(canary),
    }
}

/// Recipes that hold every secret key between them: as few as they can be, since some keys exclude others.
struct Recipes<'a> {
    scene: &'a Scene<'a>,
    base: Value,
    written: Vec<Value>,
    /// Those that cannot run because of a secret key.
    refused: Vec<Value>,
}

impl Recipes<'_> {
    /// Puts a canary at each key of the schema that is a secret.
    fn with_every_secret(&mut self, webhook: &EchoServer) {
        let mut open: Vec<(SecretKey, Value)> = SecretKey::all()
            .into_iter()
            .enumerate()
            .map(|(number, key)| (key.clone(), value_of(&key, number, webhook)))
            .collect();
        assert!(open.len() > 15, "the schema's marks are found: {open:?}");
        // Some keys need others beside them, so those that found no place are tried again.
        let mut before = usize::MAX;
        while open.len() < before {
            before = open.len();
            open.retain(|(key, value)| !self.take(key, value));
        }
        let refused: Vec<String> = open.iter().map(|(key, _)| key.path.join(" ")).collect();
        let known = refused.iter().all(|key| REFUSED.iter().any(|known| key.ends_with(known)));
        assert!(known, "say in `value_of` what a recipe takes there: {refused:?}");
        self.refused = open.iter().filter_map(|(key, value)| key.put(&self.base, value.clone())).collect();
    }

    fn take(&mut self, key: &SecretKey, value: &Value) -> bool {
        let places = (0..self.written.len()).chain([usize::MAX]);
        for place in places {
            let recipe = self.written.get(place).unwrap_or(&self.base);
            let Some(candidate) = key.put(recipe, value.clone()) else { continue };
            if self.is_valid(&candidate) {
                match self.written.get_mut(place) {
                    Some(recipe) => *recipe = candidate,
                    None => self.written.push(candidate),
                }
                return true;
            }
        }
        false
    }

    fn is_valid(&self, recipe: &Value) -> bool {
        let file = self.scene.directory().join("candidate.yml");
        fs::write(&file, with_types(recipe).to_string()).expect("the scene's directory can be written");
        let loaded = datahub_relay::recipe::load(std::slice::from_ref(&file), &Environment::from(VARIABLES));
        fs::remove_file(file).expect("it was just written");
        loaded.problems.is_empty()
    }

    /// Each recipe once more, with a registry that quotes what it is sent.
    fn again_with_registry(&mut self, url: &str) {
        for recipe in self.written.clone() {
            let mut recipe = recipe;
            recipe["source"]["config"]["connection"]["schema_registry_url"] = json!(url);
            assert!(self.is_valid(&recipe), "{recipe:#}");
            self.written.push(recipe);
        }
    }

    /// A further recipe: the base with this value in its connection.
    fn and(&mut self, key: &str, value: Value) {
        let mut recipe = self.base.clone();
        recipe["source"]["config"]["connection"][key] = value;
        assert!(self.is_valid(&recipe), "{recipe:#}");
        self.written.push(recipe);
    }

    /// Writes all, each with a name and an action, and returns the files.
    fn write(mut self) -> Vec<PathBuf> {
        let directory = self.scene.directory().to_owned();
        let name = self.scene.group().to_owned();
        self.written.append(&mut self.refused);
        let files = self.written.iter_mut().enumerate().map(|(number, recipe)| {
            recipe["name"] = json!(format!("{name}-{number}"));
            let file = directory.join(format!("{number}.yml"));
            fs::write(&file, with_types(recipe).to_string()).expect("the scene's directory can be written");
            file
        });
        files.collect()
    }
}

/// The recipe with a type where no key has needed one.
fn with_types(recipe: &Value) -> Value {
    let mut recipe = recipe.clone();
    for (part, kind) in [("source", "kafka"), ("action", "noop")] {
        if recipe[part]["type"].is_null() {
            recipe[part]["type"] = json!(kind);
        }
    }
    recipe
}

/// A recipe without secrets. Its client tells of its configuration and its connections.
fn base(scene: &Scene<'_>, topic: &str, neighbour: &EchoServer) -> Value {
    let mut config = json!({
        "connection": {
            "bootstrap": scene.broker.bootstrap(),
            "schema_registry_url": format!("{}/", scene.registry.url()),
            "schema_registry_config": {},
            "consumer_config": {"debug": "conf,security,broker,feature", "log_level": 7, "client.rack": "${C4N}"},
        },
        "topic_routes": {"mcl": topic},
        "start_position": "earliest",
    });
    for (property, value) in scene.broker.consumer_properties() {
        config["connection"]["consumer_config"][property] = value;
    }
    json!({
        "name": "base",
        "source": {"config": config},
        "action": {"config": {}},
        "datahub": {"server": format!("http://{}", neighbour.authority())},
        "options": {
            "failed_events_dir": scene.directory().join("letters"),
            "retry_count": 1,
            "retry_backoff_seconds": 0.1,
        },
        "tests": [{"name": "wrong on purpose", "expect": "dropped",
            "event": {"event_type": "MetadataChangeLogEvent_v1", "event": {"entityType": "dataset", "changeType": "UPSERT"}}}],
    })
}

#[test]
fn no_text_that_leaves_the_program_shows_a_secret() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-canaries");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feed(&mut feeder, &topic);
    let (webhook, registry) = (EchoServer::start(422), EchoServer::start(500));
    let mut recipes = Recipes {
        scene: &scene,
        base: base(&scene, &topic, &registry),
        written: Vec::new(),
        refused: Vec::new(),
    };
    recipes.with_every_secret(&webhook);
    recipes.again_with_registry(&format!("http://{}/", registry.authority()));
    let login = |number: u32| format!("http://me:{CANARY}-login-{number}@{}/", registry.authority());
    recipes.and("schema_registry_url", json!(login(1)));
    recipes.and("schema_registry_config", json!({"proxy": login(2)}));
    let files = recipes.write();

    let mut heard = Heard::default();
    // What is quoted holds secrets: otherwise nothing is put to the test.
    let all_was_sent = || {
        let (to_webhook, to_registry) = (webhook.heard(), registry.heard());
        ["/hooks/c4n4ry", "authorization: Basic", "Bearer c4n4ry"]
            .iter()
            .all(|text| to_webhook.contains(text))
            && ["\r\nauthorization: Basic", "\r\nauthorization: Bearer c4n4ry", "proxy-authorization: Basic"]
                .iter()
                .all(|text| to_registry.contains(text))
    };
    run(&scene, &files, "text", &all_was_sent, &mut heard);
    feed(&mut feeder, &topic);
    run(&scene, &files, "json", &all_was_sent, &mut heard);
    let letter = format!("{}-0/{topic}/0/0", scene.group());
    look(&files, (&registry.authority(), broker.bootstrap(), &letter), &mut heard);
    heard.files(scene.directory());
    heard.assert_no_canary();
    heard.assert_told_of_failures();
}

/// Runs all recipes until the webhook has refused events and a registry was asked in vain, and looks at what
/// there is to see meanwhile.
fn run(
    scene: &Scene<'_>,
    files: &[PathBuf],
    format: &str,
    all_was_sent: &dyn Fn() -> bool,
    heard: &mut Heard,
) {
    let mut variables: Vec<(&str, String)> =
        VARIABLES.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    variables.push(("DATAHUB_RELAY_LOG__LEVEL", "debug".to_owned()));
    variables.push(("DATAHUB_RELAY_LOG__FORMAT", format.to_owned()));
    let before = letters_of(scene).lines().count();
    let mut relay = Relay::run_files(scene.directory(), files, &variables);
    wait_until("every secret to be sent", SEEN, all_was_sent);
    wait_until("dead letters of this run", SEEN, || letters_of(scene).lines().count() > before);
    wait_until("readiness to tell of a registry", SEEN, || {
        relay.get("/readyz").is_some_and(|(_, body)| body.contains("no answer from the schema registry"))
    });
    wait_until("the log to hold what librdkafka was given", SEEN, || relay.log().contains("client.rack"));
    heard.pages(&relay);
    relay.signal(Signal::TERM);
    relay.wait_for_end(END);
    heard.add(&format!("the log as {format}"), relay.log());
}

/// What the commands say that look at recipes, at Kafka and at dead letters.
fn look(files: &[PathBuf], (registry, bootstrap, letter): (&str, &str, &str), heard: &mut Heard) {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let all: Vec<&str> = files.iter().flat_map(|file| ["-c", file.as_str()]).collect();
    let url = format!("http://me:{CANARY}-of-tail@{registry}");
    let with = |command: &[&str], more: &[&str]| -> Vec<String> {
        command.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let mut commands = vec![
        with(&["validate"], &all),
        with(&["validate", "--connect", "--connect-timeout", "2"], &all),
        with(&["test"], &all),
        with(&["offsets", "show"], &all[..2]),
        with(&["offsets", "reset", "--to", "earliest", "--dry-run"], &all[..2]),
        with(&["tail", "--bootstrap", bootstrap, "--registry", &url, "--topic", "any"], &[]),
    ];
    for file in &files {
        commands.push(with(&["--debug", "run", "--dry-run", "-c", file], &[]));
        commands.push(with(&["--debug", "tail", "--from", "earliest", "--until-end", "-c", file], &[]));
        commands.push(with(&["dead-letters", "list", "--json", "-c", file], &[]));
    }
    // A replay waits for its registry for as long as it takes.
    let reachable = &files[..2];
    for file in reachable {
        commands.push(with(&["dead-letters", "show", "-c", file, letter], &[]));
        commands.push(with(&["dead-letters", "replay", "--dry-run", "-c", file], &[]));
        commands.push(with(&["--debug", "dead-letters", "replay", "-c", file], &[]));
    }
    // Most of them wait for somebody who does not answer.
    let said = std::thread::scope(|scope| {
        let running: Vec<_> = commands
            .iter()
            .map(|words| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                scope.spawn(move || (words.join(" "), command(&words, &VARIABLES)))
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a command ends")).collect::<Vec<_>>()
    });
    for (words, said) in said {
        heard.add(&words, format!("{}\n{}", said.stdout, said.stderr));
    }
}

/// The dead letters of all recipes.
fn letters_of(scene: &Scene<'_>) -> String {
    let directories = fs::read_dir(scene.directory().join("letters")).into_iter().flatten().flatten();
    directories.filter_map(|entry| fs::read_to_string(entry.path().join("failed_events.log")).ok()).collect()
}

fn feed(feeder: &mut Feeder, topic: &str) {
    feeder.change_logs(topic, 1, 5);
    feeder.raw(topic, 0, b"no envelope");
    feeder.flush();
}
