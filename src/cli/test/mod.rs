//! `datahub-relay test`: the cases written beside recipes, without any network.

mod case;
mod difference;
mod written;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use self::case::{Mismatch, check_case};
use self::written::Writers;
use super::colour::Colours;
use crate::environment::Environment;
use crate::pipeline::Trial;
use crate::recipe::{self, Case, CaseFile, Loaded, Recipe};
use crate::yaml::Problem;

const EXAMPLES: &str = "\
Examples:
  datahub-relay test -c recipe.yml
  datahub-relay test -c /etc/datahub/actions

Cases stand under `tests` in the recipe, or in NAME_test.yml beside NAME.yml:

  tests:
    - name: a tag on a dataset reaches the action
      event:
        event_type: EntityChangeEvent_v1
        event:
          entityType: dataset
          entityUrn: urn:li:dataset:(urn:li:dataPlatform:hive,users,PROD)
          category: TAG
          operation: ADD
          modifier: urn:li:tag:PII
          auditStamp: {actor: urn:li:corpuser:jdoe, time: 1700000000000}
      # or dropped, {dropped_by: \"filters[0]\"}, {contains: {…}}, {event: {…}},
      # {dead_letter: payload}
      expect: unchanged

Exit codes: 0 every case is as expected; 1 one is not, or there is none; 2 wrong usage.";

/// Run the cases written beside recipes, and show the differences. Touches no network.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestArgs {
    /// A recipe, or a directory of recipes (*.yml and *.yaml, but not *_test.yml); may be repeated.
    #[arg(short, long = "config", value_name = "FILE|DIRECTORY", required = true)]
    config: Vec<PathBuf>,
}

/// What became of all cases.
#[derive(Debug, Default)]
struct Tally {
    recipes: usize,
    passed: usize,
    failed: usize,
    /// Whether a file could not be used.
    broken: bool,
}

/// Runs the cases and writes what came of them.
///
/// # Errors
/// If `output` cannot be written.
pub(super) fn test(
    args: &TestArgs,
    environment: &Environment,
    output: &mut dyn Write,
) -> io::Result<ExitCode> {
    let mut report = Report { output, colours: Colours::of_standard_output(environment) };
    let mut tally = Tally::default();
    let mut problems = Vec::new();
    let files = recipe::recipe_files(&args.config, &mut problems);
    problems.extend(orphans(&args.config, &files));
    for problem in problems {
        report.problem(&problem)?;
        tally.broken = true;
    }
    let writers = Writers::new();
    for file in &files {
        test_recipe(file, environment, &writers, &mut report, &mut tally)?;
    }
    report.summary(&tally)?;
    let all_well = tally.failed == 0 && tally.passed > 0 && !tally.broken;
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn test_recipe(
    file: &Path,
    environment: &Environment,
    writers: &Writers,
    report: &mut Report<'_>,
    tally: &mut Tally,
) -> io::Result<()> {
    let mut beside: Vec<CaseFile> = case_files(file).iter().map(|file| CaseFile::read(file)).collect();
    let environment =
        beside.iter().fold(environment.clone(), |environment, file| file.environment(&environment));
    let are_variables_known = beside.iter().all(|file| file.variables.is_some());
    // Read without its variables a recipe would seem to lack them.
    let loaded = match are_variables_known {
        true => crate::cli::load(std::slice::from_ref(&file.to_owned()), &environment),
        false => Loaded::default(),
    };
    if let [recipe] = loaded.recipes.as_slice() {
        beside.iter_mut().for_each(|cases| cases.check_against(&recipe.case_terms));
    }
    let problems = loaded.problems.iter().chain(beside.iter().flat_map(|file| &file.problems));
    for problem in problems {
        report.problem(problem)?;
        tally.broken = true;
    }
    if !are_variables_known {
        let text = "is not read, since the variables that its cases give it are not known";
        report.note(&format!("{} {text}", file.display()))?;
    }
    for disabled in &loaded.disabled {
        report.note(&format!("{} is disabled, so its cases are not run", disabled.file.display()))?;
    }
    for recipe in &loaded.recipes {
        let cases: Vec<&Case> =
            recipe.cases.iter().chain(beside.iter().flat_map(|file| &file.cases)).collect();
        if cases.is_empty() {
            report.note(&format!("{} has no cases", file.display()))?;
            continue;
        }
        tally.recipes += 1;
        report.recipe(recipe)?;
        let trial = Trial::of(recipe);
        for case in cases {
            let mismatch = check_case(case, recipe, &trial, writers).err();
            match mismatch {
                None => tally.passed += 1,
                Some(_) => tally.failed += 1,
            }
            report.case(case, mismatch.as_ref())?;
        }
    }
    Ok(())
}

/// The files of cases beside a recipe.
fn case_files(recipe: &Path) -> Vec<PathBuf> {
    let Some(stem) = recipe.file_stem() else { return Vec::new() };
    ["yml", "yaml"]
        .iter()
        .map(|extension| recipe.with_file_name(format!("{}_test.{extension}", stem.to_string_lossy())))
        .filter(|file| file.is_file())
        .collect()
}

/// Files of cases that no recipe would ever run.
fn orphans(paths: &[PathBuf], recipes: &[PathBuf]) -> Vec<Problem> {
    let mut found = Vec::new();
    for path in paths {
        if is_case_file(path) {
            let text = "holds cases; name the recipe beside it";
            found.push(Problem::of_file(path, text));
        }
        let Ok(entries) = std::fs::read_dir(path) else { continue };
        for entry in entries.flatten().map(|entry| entry.path()).filter(|path| is_case_file(path)) {
            if !recipes.iter().any(|recipe| case_files(recipe).contains(&entry)) {
                found.push(Problem::of_file(entry, "holds cases of a recipe that is not beside it"));
            }
        }
    }
    found.sort_by(|one, other| one.file.cmp(&other.file));
    found
}

fn is_case_file(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str());
    stem.ends_with("_test") && matches!(extension, Some("yml" | "yaml"))
}

/// Writes what came of the cases.
struct Report<'a> {
    output: &'a mut dyn Write,
    colours: Colours,
}

impl Report<'_> {
    fn problem(&mut self, problem: &Problem) -> io::Result<()> {
        writeln!(self.output, "{}: {problem}", self.colours.red("error"))
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "note: {text}")
    }

    fn recipe(&mut self, recipe: &Recipe) -> io::Result<()> {
        let name = self.colours.bold(&recipe.name);
        writeln!(self.output, "{name} ({})", recipe.file.display())
    }

    fn case(&mut self, case: &Case, mismatch: Option<&Mismatch>) -> io::Result<()> {
        let Self { output, colours } = self;
        let Some(mismatch) = mismatch else {
            return writeln!(output, "  {}    {}", colours.green("ok"), case.name);
        };
        writeln!(output, "  {}  {}", colours.red("FAIL"), case.name)?;
        writeln!(output, "        {}:{}", case.file.display(), case.line)?;
        for line in mismatch.lines(*colours) {
            writeln!(output, "        {line}")?;
        }
        Ok(())
    }

    fn summary(&mut self, tally: &Tally) -> io::Result<()> {
        let Tally { recipes, passed, failed, .. } = tally;
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let cases = format!("{} of {}", count(passed + failed, "case"), count(*recipes, "recipe"));
        let text = match (passed + failed, failed) {
            (0, _) => self.colours.red("no cases were run"),
            (_, 0) => self.colours.green(format!("{cases}: all as expected")),
            (_, failed) => self.colours.red(format!("{cases}: {failed} not as expected")),
        };
        writeln!(self.output, "\n{text}")?;
        self.output.flush()
    }
}
