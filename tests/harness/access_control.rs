//! Who may do what on a broker of the tests' own.
//!
//! Whoever comes without a name may do everything, so that a test sees nothing of this unless it asks for
//! it. [`USER`], whom only [`KafkaBroker::guarded_bootstrap`] lets in, may do nothing but what a test allows.

use std::process::Command;
use std::time::Duration;

use super::broker::Broker;
use super::kafka_broker::KafkaBroker;
use super::recipe::Recipe;
use super::wait::wait_until;

/// The user that may do nothing but what it was allowed.
pub(crate) const USER: &str = "limited";
pub(crate) const PASSWORD: &str = "limited-password";

/// From the answer of the controller until the broker goes by it: one look in all but the busiest cases.
const IN_FORCE: Duration = Duration::from_secs(60);

/// What a permission is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
}

impl KafkaBroker {
    /// Allows [`USER`] an operation, `Read` or `Describe` for instance. Returns once the broker goes by it.
    /// As everywhere in Kafka, `Read` and `Write` include `Describe`.
    pub(crate) fn allow(&self, operation: &str, resources: &[Resource<'_>]) {
        self.change("--add", operation, resources);
        self.wait_until_all_are(true, operation, resources);
    }

    /// Takes back what [`allow`](Self::allow) gave. Returns once the broker goes by it: a client is refused
    /// from its next request on.
    pub(crate) fn forbid(&self, operation: &str, resources: &[Resource<'_>]) {
        self.change("--remove", operation, resources);
        self.wait_until_all_are(false, operation, resources);
    }

    /// The recipe, as [`USER`].
    pub(crate) fn as_limited_user(&self, recipe: Recipe) -> Recipe {
        recipe
            .consumer("bootstrap.servers", self.guarded_bootstrap())
            .consumer("security.protocol", "SASL_PLAINTEXT")
            .consumer("sasl.mechanism", "PLAIN")
            .consumer("sasl.username", USER)
            .consumer("sasl.password", PASSWORD)
    }

    fn change(&self, how: &str, operation: &str, resources: &[Resource<'_>]) {
        let principal = format!("User:{USER}");
        let what = [how, "--force", "--allow-principal", &principal, "--operation", operation];
        self.acls(&[&what[..], &arguments(resources)].concat());
    }

    fn wait_until_all_are(&self, allowed: bool, operation: &str, resources: &[Resource<'_>]) {
        let line = format!("principal=User:{USER}, host=*, operation={}", operation.to_uppercase());
        let wanted = if allowed { resources.len() } else { 0 };
        wait_until("the permissions to be in force", IN_FORCE, || {
            let listed = self.acls(&[&["--list"][..], &arguments(resources)].concat());
            listed.matches(&line).count() == wanted
        });
    }

    /// Runs Kafka's own `kafka-acls`, and returns what it prints.
    fn acls(&self, arguments: &[&str]) -> String {
        let output = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(super::kafka_broker::jars().join("*"))
            .args(["org.apache.kafka.tools.AclCommand", "--bootstrap-server", self.bootstrap()])
            .args(arguments)
            .output()
            .expect("Java is there");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        printed.into_owned()
    }
}

fn arguments<'a>(resources: &[Resource<'a>]) -> Vec<&'a str> {
    let named = |resource: &Resource<'a>| match *resource {
        Resource::Topic(name) => ["--topic", name],
        Resource::Group(name) => ["--group", name],
    };
    resources.iter().flat_map(named).collect()
}
