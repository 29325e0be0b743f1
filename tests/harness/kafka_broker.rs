//! Real Apache Kafka: one node that is broker and controller, on loopback, with its own data.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::access_control::{PASSWORD, USER};
use super::broker::Broker;
use super::tls;
use super::wait::wait_until;

/// The version of Apache Kafka that the tests run against: the name of the jars' folder in the cache.
const VERSION: &str = "4.1.1";
/// A broker is up in about four seconds on an idle machine.
const START: Duration = Duration::from_secs(90);
/// Java gets ten seconds to end cleanly before it is killed; see start-kafka.sh.
const STOP: Duration = Duration::from_secs(30);

/// A Kafka that tests talk to.
pub(crate) struct KafkaBroker {
    bootstrap: String,
    /// `None` where the broker was already running and is somebody else's.
    own: Option<OwnBroker>,
}

struct OwnBroker {
    /// The listener that lets in whoever shows a token.
    oauth_port: u16,
    /// The listener that asks for a name and a password.
    guarded_port: u16,
    /// The listener that shows a certificate.
    tls_port: u16,
    directory: PathBuf,
    process: Mutex<Option<Child>>,
}

/// A broker that stands still for as long as this lives.
pub(crate) struct Frozen(Pid);

impl Drop for Frozen {
    fn drop(&mut self) {
        // It fails only if the broker has ended meanwhile.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// The log of commits stays short however long a test is: it is thinned out, as Kafka does everywhere else.
const THINNED_OUT: &str = "offsets.topic.segment.bytes=4194304\n\
                           log.cleaner.backoff.ms=1000\n\
                           log.cleaner.min.cleanable.ratio=0.1\n";

impl KafkaBroker {
    /// The broker that all tests of this process share; the first call starts it. It ends with the
    /// process: see start-kafka.sh.
    ///
    /// `DATAHUB_RELAY_KAFKA=host:port` names one that already runs instead.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<KafkaBroker> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("DATAHUB_RELAY_KAFKA") {
            Ok(bootstrap) if !bootstrap.is_empty() => Self { bootstrap, own: None },
            _ => Self::start(),
        })
    }

    /// Starts a broker of the test's own, for tests that stop and start it.
    ///
    /// # Panics
    /// If the jars are not there (the message says how to get them) or the broker does not come up.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same, for a test that takes hours and kills the broker: Kafka thins out its log of commits, which it
    /// reads at each start. What commits there were in between can be seen for the last while only.
    pub(crate) fn start_for_hours() -> Self {
        Self::start_with(THINNED_OUT)
    }

    fn start_with(more: &str) -> Self {
        let ports = free_ports();
        let [kafka_port, oauth_port, guarded_port, tls_port, _controller_port] = ports;
        let directory = new_directory();
        tls::write_certificates(&directory);
        fs::write(directory.join("server.properties"), properties(&directory, ports) + more)
            .expect("the broker's settings can be written");
        fs::write(directory.join("log4j2.properties"), include_str!("kafka-log4j2.properties"))
            .expect("the broker's log settings can be written");
        let process = Mutex::new(Some(launch(&directory, Some("format"))));
        let own = OwnBroker { oauth_port, guarded_port, tls_port, process, directory };
        let broker = Self { bootstrap: format!("127.0.0.1:{kafka_port}"), own: Some(own) };
        broker.wait_until_up();
        broker
    }

    /// What Kafka's own `kafka-consumer-groups` prints, line by line, each split at its spaces.
    pub(crate) fn consumer_groups(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        let output = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(jars().join("*"))
            .args(["org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server"])
            .arg(&self.bootstrap)
            .args(arguments)
            .output()
            .expect("Java is there");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        printed.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    /// The address that lets in whoever shows a token of SASL/OAUTHBEARER, and wants to see a fresh one
    /// every three seconds.
    pub(crate) fn oauth_bootstrap(&self) -> String {
        let own = self.own.as_ref().expect("only a broker of the tests' own has this listener");
        format!("127.0.0.1:{}", own.oauth_port)
    }

    /// The address that asks for a name and a password (SASL/PLAIN), and lets whoever comes with them do no
    /// more than they were allowed: see the module `access_control`.
    pub(crate) fn guarded_bootstrap(&self) -> String {
        let own = self.own.as_ref().expect("only a broker of the tests' own has this listener");
        format!("127.0.0.1:{}", own.guarded_port)
    }

    /// The address that shows a certificate of the authority in the file.
    pub(crate) fn tls_bootstrap(&self) -> (String, PathBuf) {
        let own = self.own.as_ref().expect("only a broker of the tests' own has this listener");
        (format!("127.0.0.1:{}", own.tls_port), own.directory.join(tls::AUTHORITY))
    }

    /// Ends the broker as a power cut would; [`restart`](Self::restart) brings it back on its data.
    pub(crate) fn kill(&self) {
        let own = self.own.as_ref().expect("only a broker of the test's own is killed");
        let mut process = own.process.lock().expect("no test panicked while it held the broker");
        let mut child = process.take().expect("the broker runs");
        let mut pipe = child.stdin.take().expect("the pipe was asked for at the start");
        pipe.write_all(b"kill\n").expect("the wrapper reads");
        wait_until("the killed broker's end", STOP, || {
            child.try_wait().expect("the wrapper is our child").is_some()
        });
    }

    /// Starts a broker again that was killed, on the same port and data.
    pub(crate) fn restart(&self) {
        let own = self.own.as_ref().expect("only a broker of the test's own is started again");
        let mut process = own.process.lock().expect("no test panicked while it held the broker");
        assert!(process.is_none(), "the broker still runs");
        *process = Some(launch(&own.directory, None));
        drop(process);
        self.wait_until_up();
    }

    /// Stops the broker where it is, as a hypervisor that pauses a machine would: its connections stay, and nobody
    /// answers. It goes on when what is returned is dropped.
    pub(crate) fn freeze(&self) -> Frozen {
        let own = self.own.as_ref().expect("only a broker of the test's own is frozen");
        let pid = fs::read_to_string(own.directory.join("broker.pid")).expect("the wrapper has written it");
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process has a number");
        kill_process(pid, Signal::STOP).expect("the broker runs and is ours");
        Frozen(pid)
    }

    /// Where a broker of the test's own keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.own.as_ref().expect("only a broker of the test's own has its data here").directory.join("data")
    }

    fn wait_until_up(&self) {
        let consumer: BaseConsumer =
            self.client().set("log_level", "0").create().expect("a client that asks for metadata");
        wait_until("Kafka to answer; its log is broker.log in target/tmp/kafka-*", START, || {
            if let Some(status) = self.exit_status() {
                panic!("the broker ended ({status}) instead of starting; see {:?}", self.keep_log());
            }
            consumer.fetch_metadata(None, Duration::from_secs(1)).is_ok()
        });
        self.discard_at_end();
    }

    /// From here on the broker's directory goes with it: until now its log would have been needed.
    fn discard_at_end(&self) {
        if let Some(own) = &self.own {
            fs::write(own.directory.join("discard"), "").expect("the broker's directory is ours");
        }
    }

    fn exit_status(&self) -> Option<std::process::ExitStatus> {
        let mut process = self.own.as_ref()?.process.lock().ok()?;
        process.as_mut()?.try_wait().ok()?
    }
}

impl Broker for KafkaBroker {
    fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    fn create_topic(&self, topic: &str, partitions: i32) -> bool {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        let results = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for one call")
            .block_on(admin.create_topics([&wanted], &options))
            .expect("the broker answers");
        match &results[0] {
            Ok(_) => true,
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => false,
            Err((topic, error)) => panic!("cannot create topic {topic}: {error}"),
        }
    }

    /// A dead member of a group is noticed after 3 s instead of 45.
    fn consumer_properties(&self) -> Vec<(&'static str, Value)> {
        vec![("session.timeout.ms", 3_000.into()), ("heartbeat.interval.ms", 300.into())]
    }

    fn keep_log(&self) -> Option<PathBuf> {
        let directory = &self.own.as_ref()?.directory;
        fs::write(directory.join("keep"), "").ok()?;
        Some(directory.join("broker.log"))
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let child = self.process.get_mut().ok().and_then(Option::take);
        if let Some(mut child) = child {
            drop(child.stdin.take()); // the end of input: the wrapper ends the broker
            let _ = child.wait();
        }
    }
}

fn launch(directory: &Path, format: Option<&str>) -> Child {
    Command::new("sh")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/start-kafka.sh"))
        .arg(directory)
        .arg(jars().join("*"))
        .args(format)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell is there")
}

pub(super) fn jars() -> PathBuf {
    let cache = match (std::env::var_os("DATAHUB_RELAY_CACHE"), std::env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => PathBuf::from(home).join(".cache/datahub-relay"),
        _ => PathBuf::from(".cache/datahub-relay"),
    };
    let jars = cache.join(format!("kafka-{VERSION}"));
    assert!(
        jars.is_dir(),
        "Apache Kafka {VERSION} is not in {}: run ./test.sh, which fetches it, or name a running broker \
         with DATAHUB_RELAY_KAFKA=host:port",
        jars.display()
    );
    jars
}

fn new_directory() -> PathBuf {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let nth = STARTED.fetch_add(1, Ordering::Relaxed);
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kafka-{}-{nth}", std::process::id()));
    // A directory of this name is left over from another process that had our number.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("the build directory can be written");
    directory
}

/// Ports that were free a moment ago: all are held until all are known, so they differ.
///
/// They lie below those that the system gives to outgoing connections: a client that tries to reach a
/// broker which is not there yet could otherwise be given its port, even to talk to itself.
fn free_ports<const N: usize>() -> [u16; N] {
    let bind = || {
        let mut tries = std::iter::repeat_with(|| fastrand::u16(15_000..32_000)).take(1_000);
        tries.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("a free port")
    };
    let listeners = [(); N].map(|()| bind());
    listeners.map(|listener| listener.local_addr().expect("a bound address").port())
}

/// Everything that Kafka replicates is replicated once, nothing waits for further members, the
/// broker's own buffers are small, and a killed broker may come back as soon as its session is over. The
/// log of commits is one segment, since Kafka thins out all segments but the last, and the invariants are
/// checked on every commit; but see [`KafkaBroker::start_for_hours`].
///
/// Whoever comes without a name, or with a token, may do everything; see the module `access_control`.
fn properties(directory: &Path, ports: [u16; 5]) -> String {
    let [kafka_port, oauth_port, guarded_port, tls_port, controller_port] = ports;
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}\n\
         listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners={listeners}\n\
         inter.broker.listener.name=PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OAUTH:SASL_PLAINTEXT,GUARDED:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT\n\
         listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER\n\
         listener.name.oauth.oauthbearer.sasl.jaas.config={token_login} required;\n\
         listener.name.oauth.oauthbearer.connections.max.reauth.ms=3000\n\
         listener.name.guarded.sasl.enabled.mechanisms=PLAIN\n\
         listener.name.guarded.plain.sasl.jaas.config={plain_login} required user_{USER}=\"{PASSWORD}\";\n\
         listener.name.tls.ssl.keystore.type=PEM\n\
         listener.name.tls.ssl.keystore.location={identity}\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS;User:relay\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         message.max.bytes=4194304\n\
         offsets.topic.num.partitions=4\n\
         offsets.topic.segment.bytes=1073741824\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         broker.session.timeout.ms=3000\n\
         broker.heartbeat.interval.ms=500\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n\
         group.consumer.min.session.timeout.ms=1000\n\
         group.consumer.session.timeout.ms=6000\n\
         group.consumer.min.heartbeat.interval.ms=200\n\
         group.consumer.heartbeat.interval.ms=500\n\
         num.network.threads=2\n\
         num.io.threads=2\n\
         background.threads=2\n\
         log.cleaner.dedupe.buffer.size=4194304\n",
        data = directory.join("data").display(),
        listeners = format_args!(
            "PLAINTEXT://127.0.0.1:{kafka_port},OAUTH://127.0.0.1:{oauth_port},GUARDED://127.0.0.1:{guarded_port},TLS://127.0.0.1:{tls_port}"
        ),
        identity = directory.join(tls::IDENTITY).display(),
        // With no further options it takes unsigned tokens and looks at their times alone.
        token_login = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
        plain_login = "org.apache.kafka.common.security.plain.PlainLoginModule",
    )
}
