//! The desktop app: reads the command line and opens the window.

// Without this a console window opens beside the app on Windows.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    serambi_shell::run(std::env::args_os())
}
