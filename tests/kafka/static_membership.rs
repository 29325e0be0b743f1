//! Members with a name of their own (`group.instance.id`).

use std::time::Duration;

use crate::harness::Ended;
use crate::scene;

const NOTICED: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_whose_identity_another_one_has_taken_ends_and_says_so() {
    let scene = scene("fenced");
    let topic = scene.topic("versioned", 1);
    let recipe = scene.recipe().change_logs(&topic).consumer("group.instance.id", "one");
    let mut first = scene.run_until_ready(&[&recipe]);
    let same = scene.recipe_of_second_member().change_logs(&topic).consumer("group.instance.id", "one");
    let second = scene.run(&[&same]);
    // A live process that reads nothing would be worse than none.
    assert_eq!(first.wait_for_end(NOTICED), Ended::Code(1), "{}", first.log());
    assert!(first.log().to_lowercase().contains("fenced"), "{}", first.log());
    second.stop();
}
