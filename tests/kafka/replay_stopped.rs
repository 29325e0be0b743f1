//! A replay that is stopped while brokers do not answer any more: it holds no other one up.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;

use crate::harness::{Broker, KafkaBroker, wait_until};
use crate::replay::start_replay;
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

/// How many members a group has that is not about to change; `None` if it is, or Kafka does not know it yet.
fn members_of(group: &str) -> Option<usize> {
    let consumer: BaseConsumer = KafkaBroker::shared().client().create().expect("a consumer");
    let groups = consumer.fetch_group_list(Some(group), ALL_FINISHED).ok()?;
    let group = groups.groups().iter().find(|found| found.name() == group)?;
    ["Stable", "Empty"].contains(&group.state()).then(|| group.members().len())
}

/// Hands connections on to the broker until `group` has a member, and `more` after that; on any further one
/// nothing is said. Its address, and on how many nothing was said.
fn silent_once_joined(group: String, more: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound address").to_string();
    let silent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&silent);
    thread::spawn(move || {
        let (mut left, mut held) = (more, Vec::new());
        for connection in listener.incoming().map_while(Result::ok) {
            let is_joined = members_of(&group).is_some_and(|members| members > 0);
            if is_joined && left == 0 {
                held.push(connection);
                count.fetch_add(1, Ordering::AcqRel);
                continue;
            }
            left -= usize::from(is_joined);
            let broker = TcpStream::connect(KafkaBroker::shared().bootstrap()).expect("the broker listens");
            hand_on(connection, broker);
        }
    });
    (address, silent)
}

fn hand_on(one: TcpStream, other: TcpStream) {
    let both = [(one.try_clone(), other.try_clone()), (Ok(other), Ok(one))];
    for (mut from, mut to) in both.map(|(from, to)| (from.expect("a socket"), to.expect("a socket"))) {
        thread::spawn(move || {
            // Either end may be gone at any time.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_replay_that_is_stopped_while_kafka_is_silent_leaves_its_group() {
    // Who is in the group is asked by the first client behind the member; the receipts are read by the third,
    // the second would write them.
    for (more, silent_clients) in [(0, 1), (1, 2)] {
        let scene = scene(&format!("replay-stopped-{more}"));
        let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
        let group = format!("{}.replaying", scene.group());
        let (bootstrap, silent) = silent_once_joined(group.clone(), more);
        let connection =
            serde_json::json!({"bootstrap": bootstrap, "schema_registry_url": scene.registry.url()});
        let recipe = scene
            .recipe()
            .change_logs(&topic)
            .source("connection", connection)
            .source("dead_letter_topic", letters.as_str());
        let replay = start_replay(&scene, &recipe);
        wait_until("the broker to be silent", ALL_FINISHED, || {
            silent.load(Ordering::Acquire) >= silent_clients
        });
        assert_eq!(members_of(&group), Some(1));
        replay.signal(Signal::TERM);
        let said = replay.end();
        // Not once its session is over: the next replay would wait for that.
        assert_eq!(members_of(&group), Some(0), "{more}");
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains("stopped before the first letter; start it again to go on"), "{said:?}");
    }
}
