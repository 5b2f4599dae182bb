//! Steps: each says what it does before it starts and how long it took after; a failing one names itself.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// What was done so far and how long it took.
#[derive(Default)]
pub struct Steps {
    done: Vec<(String, Duration)>,
    skipped: Vec<(String, String)>,
}

impl Steps {
    /// Runs a program and waits for it.
    pub fn command(&mut self, name: &str, command: &mut Command) -> Result<(), Failure> {
        let line = command_line(command);
        self.work(name, &line, || match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{} ended with {status}", program(command))),
            Err(error) => Err(format!("{} could not be started: {error}", program(command))),
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
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!("{:>9}  in all", seconds(total));
    }
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
}
