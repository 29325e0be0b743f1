//! Which letters a command is about.

use clap::Args;
use clap::builder::PossibleValuesParser;
use jiff::Timestamp;

use super::printable;
use crate::cli::moment::past_time;
use crate::dead_letter::Letter;
use crate::event::Stage;

/// Which letters. Each option may be repeated: any of its values will do, and all options must hold.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct SelectionArgs {
    /// Of this pipeline [default with -c: the recipe's].
    #[arg(long, value_name = "NAME", help_heading = "Which letters")]
    pipeline: Vec<String>,

    /// That failed at this stage.
    #[arg(long, value_name = "STAGE", value_parser = PossibleValuesParser::new(Stage::ALL.map(Stage::as_str)), help_heading = "Which letters")]
    stage: Vec<String>,

    /// With this class of error, such as retries_exhausted.
    #[arg(long, value_name = "CLASS", help_heading = "Which letters")]
    class: Vec<String>,

    /// Of this type of event, such as EntityChangeEvent_v1; a record that was not decoded has none.
    #[arg(long, value_name = "TYPE", help_heading = "Which letters")]
    event_type: Vec<String>,

    /// With this id.
    #[arg(long, value_name = "ID", help_heading = "Which letters")]
    id: Vec<String>,

    /// That failed last at or after this time: 2026-01-31T08:00:00Z, or how long ago such as 2h or 30m.
    #[arg(long, value_name = "TIME", value_parser = past_time, allow_hyphen_values = true, help_heading = "Which letters")]
    since: Option<Timestamp>,

    /// That failed last before this time, in the same form.
    #[arg(long, value_name = "TIME", value_parser = past_time, allow_hyphen_values = true, help_heading = "Which letters")]
    until: Option<Timestamp>,
}

impl SelectionArgs {
    /// With the pipeline of the recipe, where the user named none.
    pub(super) fn of_pipeline(mut self, pipeline: Option<&str>) -> Self {
        if self.pipeline.is_empty() {
            self.pipeline.extend(pipeline.map(str::to_owned));
        }
        self
    }

    /// What to say of `read` letters in `places` of which none is meant.
    pub(super) fn none_of(&self, read: u64, places: &str) -> String {
        if read == 0 {
            return format!("no dead letters in {places}");
        }
        let lists = [
            ("--pipeline", &self.pipeline),
            ("--stage", &self.stage),
            ("--class", &self.class),
            ("--event-type", &self.event_type),
            ("--id", &self.id),
        ];
        let lists = lists.iter().flat_map(|(option, values)| {
            values.iter().map(move |value| format!("{option} {}", printable(value)))
        });
        let times = [("--since", self.since), ("--until", self.until)];
        let times = times.iter().filter_map(|(option, time)| Some(format!("{option} {}", (*time)?)));
        let options: Vec<String> = lists.chain(times).collect();
        let letters = if read == 1 { "the one dead letter" } else { "dead letters" };
        let count = if read == 1 { String::new() } else { format!("of {read} ") };
        let verb = if read == 1 { "does not match" } else { "none matches" };
        format!("{count}{letters} in {places} {verb} {}", options.join(" "))
    }

    /// Whether a letter is meant. One that does not say when it failed is meant only where no time is
    /// given; one that does not name its pipeline is the file's own.
    pub(super) fn takes(&self, letter: &Letter) -> bool {
        let any = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|wanted| wanted == found))
        };
        let failed_at = || letter.error.last_at.as_deref()?.parse::<Timestamp>().ok();
        let in_time = (self.since.is_none() && self.until.is_none())
            || failed_at().is_some_and(|at| {
                self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
            });
        let of_pipeline = letter.pipeline.is_none() || any(&self.pipeline, letter.pipeline.as_deref());
        in_time
            && of_pipeline
            && any(&self.stage, Some(&letter.error.stage))
            && any(&self.class, Some(&letter.error.class))
            && any(&self.event_type, letter.event_type.as_deref())
            && any(&self.id, Some(&letter.lineage.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::LetterPlace;

    fn letter(line: &str) -> Letter {
        Letter::of_line(line.as_bytes(), LetterPlace::Line(std::sync::Arc::default(), 1)).unwrap()
    }

    #[test]
    fn all_options_must_hold_and_any_value_of_one_will_do() {
        let letter = letter(
            r#"{"event_type":"EntityChangeEvent_v1","event":{},"meta":{},"pipeline":"p",
                "error":{"stage":"action","class":"permanent","message":"m","attempts":1,"last_at":"2026-01-02T00:00:00.000Z"}}"#,
        );
        let text = |text: &str| vec![text.to_owned()];
        let all = SelectionArgs::default();
        assert!(all.takes(&letter));
        let two = SelectionArgs { stage: vec!["avro".into(), "action".into()], ..all.clone() };
        assert!(two.takes(&letter));
        assert!(!SelectionArgs { class: text("panic"), ..two.clone() }.takes(&letter));
        assert!(!SelectionArgs { event_type: text("RelationshipChangeEvent_v1"), ..two }.takes(&letter));
        assert!(!all.clone().of_pipeline(Some("other")).takes(&letter));
        let at = |text: &str| Some(past_time(text).unwrap());
        assert!(
            SelectionArgs {
                since: at("2026-01-02T00:00:00Z"),
                until: at("2026-01-03T00:00:00Z"),
                ..all.clone()
            }
            .takes(&letter)
        );
        assert!(!SelectionArgs { until: at("2026-01-02T00:00:00Z"), ..all.clone() }.takes(&letter));
        assert!(!SelectionArgs { since: at("-2h"), ..all }.takes(&letter));
    }

    #[test]
    fn what_matches_nothing_is_told_with_how_many_there_are() {
        let all = SelectionArgs::default().of_pipeline(Some("tags"));
        assert_eq!(all.none_of(0, "a/failed_events.log"), "no dead letters in a/failed_events.log");
        let chosen = SelectionArgs {
            stage: vec!["avro".into(), "type".into()],
            since: Some(past_time("2026-01-02T00:00:00Z").unwrap()),
            ..all
        };
        let options = "--pipeline tags --stage avro --stage type --since 2026-01-02T00:00:00Z";
        assert_eq!(
            chosen.none_of(212, "the topic dlq"),
            format!("of 212 dead letters in the topic dlq none matches {options}")
        );
        assert_eq!(chosen.none_of(1, "x"), format!("the one dead letter in x does not match {options}"));
    }

    #[test]
    fn a_letter_of_the_framework_is_the_files_own_and_has_no_time() {
        let letter = letter(r#"{"event_type":"EntityChangeEvent_v1","event":{},"meta":{}}"#);
        let all = SelectionArgs::default();
        assert!(all.clone().of_pipeline(Some("p")).takes(&letter));
        assert!(!SelectionArgs { since: Some(past_time("-2h").unwrap()), ..all }.takes(&letter));
    }
}
