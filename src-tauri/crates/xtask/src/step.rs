//! Steps: each says what it does before it starts and how long it took after; a failing one names itself. Lanes of
//! steps run side by side.

use std::{
    fs::{self, File},
    io::{self, Write},
    process::{Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use crate::{failure::Failure, workspace};

/// What was done so far and how long it took.
pub struct Steps {
    began: Instant,
    done: Vec<(String, Duration)>,
    skipped: Vec<(String, String)>,
    output: Output,
}

/// Where to the programs of a step print.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// The terminal, as they say it.
    AsItComes,
    /// A file, which is shown when the step is over: what runs side by side would be mixed line by line.
    WhenDone,
}

/// Steps that follow each other, beside those of other lanes.
pub type Lane<'a> = Box<dyn FnOnce(&mut Steps) -> Result<(), Failure> + Send + 'a>;

impl Default for Steps {
    fn default() -> Self {
        Self::printing(Output::AsItComes)
    }
}

impl Steps {
    fn printing(output: Output) -> Self {
        Self { began: Instant::now(), done: Vec::new(), skipped: Vec::new(), output }
    }

    /// Runs a program and waits for it.
    pub fn command(&mut self, name: &str, command: &mut Command) -> Result<(), Failure> {
        let line = command_line(command);
        let output = self.output;
        self.work(name, &line, || {
            let ended = match output {
                Output::AsItComes => command.status(),
                Output::WhenDone => shown_when_done(name, command),
            };
            match ended {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("{} ended with {status}", program(command))),
                Err(error) => Err(format!("{} could not be started: {error}", program(command))),
            }
        })
    }

    /// Runs work of our own; `repeat` is the command that does it again.
    pub fn work(&mut self, name: &str, repeat: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), Failure> {
        println!("── {name}: {repeat}");
        let start = Instant::now();
        let outcome = work();
        let took = start.elapsed();
        self.done.push((name.to_owned(), took));
        match outcome {
            Ok(()) => {
                println!("   {name}: done in {}", seconds(took));
                Ok(())
            }
            Err(what) => Err(Failure::Step { name: name.to_owned(), what, repeat: repeat.to_owned() }),
        }
    }

    /// Says that something was left out, and why; said again at the end.
    pub fn skip(&mut self, name: &str, why: &str) {
        println!("── {name}: skipped ({why})");
        self.skipped.push((name.to_owned(), why.to_owned()));
    }

    /// Runs lanes beside each other and waits for all of them. A failing step ends its own lane; the first lane's
    /// failure is the one that is returned, and those of others are printed.
    pub fn side_by_side(&mut self, lanes: Vec<Lane<'_>>) -> Result<(), Failure> {
        let ended: Vec<(Steps, Result<(), Failure>)> = thread::scope(|scope| {
            let running: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(|| run_lane(lane))).collect();
            running.into_iter().map(|lane| lane.join().unwrap_or_else(|_| panicked())).collect()
        });
        let mut outcome = Ok(());
        for (lane, result) in ended {
            self.done.extend(lane.done);
            self.skipped.extend(lane.skipped);
            match (&outcome, result) {
                (_, Ok(())) => {}
                (Ok(()), failure) => outcome = failure,
                (Err(_), Err(another)) => eprintln!("\n{another}"),
            }
        }
        outcome
    }

    /// One line per step, when there was more than one.
    pub fn print_summary(&self) {
        if self.done.len() < 2 {
            return;
        }
        println!();
        for (name, took) in &self.done {
            println!("{:>9}  {name}", seconds(*took));
        }
        for (name, why) in &self.skipped {
            println!("{:>9}  {name} ({why})", "skipped");
        }
        println!("{:>9}  in all", seconds(self.began.elapsed()));
    }
}

fn run_lane(lane: Lane<'_>) -> (Steps, Result<(), Failure>) {
    let mut steps = Steps::printing(Output::WhenDone);
    let outcome = lane(&mut steps);
    (steps, outcome)
}

fn panicked() -> (Steps, Result<(), Failure>) {
    let failure = Failure::Step {
        name: "a lane of steps".to_owned(),
        what: "this program has a defect, told above".to_owned(),
        repeat: "the same command".to_owned(),
    };
    (Steps::default(), Err(failure))
}

/// Runs a program whose output goes to a file, which stays until the step runs again, and prints it when it has ended.
fn shown_when_done(name: &str, command: &mut Command) -> io::Result<ExitStatus> {
    let folder = workspace::target().join("steps");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.log", name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")));
    let file = File::create(&path)?;
    let status = command.stdout(file.try_clone()?).stderr(file).status();
    let printed = fs::read(&path)?;
    let mut terminal = io::stdout().lock();
    writeln!(terminal, "── {name} printed:")?;
    terminal.write_all(&printed)?;
    status
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The command as somebody would type it.
pub fn command_line(command: &Command) -> String {
    let mut line = match command.get_current_dir().and_then(|folder| folder.file_name()) {
        Some(folder) => format!("(in {}) ", folder.to_string_lossy()),
        None => String::new(),
    };
    line += &program(command);
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let quote = argument.is_empty() || argument.contains(char::is_whitespace);
        line += &if quote { format!(" '{argument}'") } else { format!(" {argument}") };
    }
    line
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_names_itself_and_the_command_that_repeats_it() {
        let failure = Steps::default().command("listing", Command::new("cargo").args(["no-such-command-here", "a b"]));
        match failure {
            Err(Failure::Step { name, what, repeat }) => {
                assert_eq!(name, "listing");
                assert_eq!(repeat, "cargo no-such-command-here 'a b'");
                assert!(what.starts_with("cargo ended with"), "{what}");
            }
            other => assert!(other.is_err(), "a command that does not exist cannot succeed"),
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_a_failure_with_a_reason() {
        let failure = Steps::default().command("nothing", &mut Command::new("serambi-no-such-program"));
        assert!(failure.is_err_and(|failure| failure.to_string().contains("could not be started")));
    }

    #[test]
    fn lanes_run_beside_each_other_and_a_failing_one_ends_itself_alone() {
        // Each waits for the other: one after another they would wait for ever.
        let (ready, other) = std::sync::mpsc::channel();
        let (answer, answered) = std::sync::mpsc::channel();
        let mut steps = Steps::default();
        let outcome = steps.side_by_side(vec![
            Box::new(move |steps| {
                ready.send(()).map_err(|_| Failure::usage("the other lane has gone"))?;
                steps.work("first", "first", || answered.recv().map_err(|error| error.to_string()))
            }),
            Box::new(move |steps| {
                let heard = steps.work("second", "second", || other.recv().map_err(|error| error.to_string()));
                answer.send(()).map_err(|_| Failure::usage("the other lane has gone"))?;
                steps.skip("third", "a test");
                heard?;
                steps.command("broken", Command::new("cargo").arg("no-such-command-here"))?;
                steps.work("never", "never", || Ok(()))
            }),
        ]);
        assert!(matches!(outcome, Err(Failure::Step { name, .. }) if name == "broken"));
        let names: Vec<&str> = steps.done.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["first", "second", "broken"]);
        assert_eq!(steps.skipped, [("third".to_owned(), "a test".to_owned())]);
    }
}
