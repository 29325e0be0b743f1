//! What a replay shows while it is under way: a bar for who sits at a terminal, and nothing for a log.

use datahub_relay::embedded::EmbeddedBroker;

use super::letter_commands::{letters_of, line};
use crate::harness::{Scene, command, command_at_terminal};

#[test]
fn a_replay_draws_its_progress_on_a_terminal_and_nowhere_else() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "replay-progress");
    let failed = ("action", "retries_exhausted");
    // The second one is refused, which is said while the bar is there.
    let lines = [(1, 1), (2, 4), (3, 1)].map(|letter| line(scene.group(), failed, letter));
    let file = letters_of(&scene, &lines.concat());
    let recipe = scene.recipe().platform_events("PlatformEvent_v1").write(scene.directory());
    let arguments = ["dead-letters", "replay", "-c", &recipe.to_string_lossy()];

    let at_terminal = command_at_terminal(&arguments, &[("TERM", "xterm")]);
    let drawn = &at_terminal.stderr;
    for part in [" %, ", " to go", "1 acted on, 0 dropped", "2 acted on, 0 dropped", "1 refused"] {
        assert!(drawn.contains(part), "{part}: {at_terminal:?}");
    }
    assert!(drawn.contains('█') && drawn.contains('░'), "a bar that is not full yet: {at_terminal:?}");
    let (_, behind) = drawn.rsplit_once("2 acted on").expect("it was drawn");
    assert!(behind.contains("\u{1b}[2K"), "it is taken away at the end: {at_terminal:?}");

    std::fs::remove_file(file.with_extension("log.replayed")).expect("a journal");
    let told = command(&arguments, &[("TERM", "xterm")]);
    assert_eq!(told.stderr, "", "nobody sits there");
    assert_eq!((&at_terminal.stdout, at_terminal.code), (&told.stdout, told.code), "it is not in the way");
    assert!(told.stdout.lines().count() == 2 && !told.stdout.contains('\u{1b}'), "{told:?}");
}
