//! The command-line tool: S3 objects for people and scripts, and a doctor for a registry's storage.

mod arguments;
mod arn;
mod commands;
mod common;
mod each;
#[path = "../../text/escape.rs"]
mod escape;
mod failure;
mod interrupt;
mod listing;
mod local;
mod location;
mod output;
mod progress;
mod settings;
mod state;
mod streams;
mod text;
mod tool;
mod transfers;
mod usage;
mod walk;
mod yaml;

use arguments::Arguments;
use clap::{CommandFactory as _, Parser as _};
use failure::Exit;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use tool::Tool;

fn main() -> ExitCode {
    let given: Vec<OsString> = env::args_os().collect();
    let texts: Vec<String> = given.iter().map(|text| text.to_string_lossy().into_owned()).collect();
    if let Some(failure) = usage::misplaced_secret(&texts) {
        failure.print(texts.iter().any(|text| text == "--json"));
        return failure.exit().into();
    }
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(error) => return stop(&error, &given),
    };
    let command = arguments.command;
    let json = command.common().json;
    let ended = Tool::new(command.common(), Arguments::command).and_then(|tool| {
        let ended = command.run(&tool);
        // When the reader of the output closed the pipe, that is why the command ended. It is not
        // reported as a second failure.
        let flushed = tool.output.flush();
        ended.map_err(|failure| failure.after(&tool.cancel)).and(flushed)
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            failure.exit().into()
        }
    }
}

/// Prints the help, the version or the usage error that the arguments ask for.
fn stop(error: &clap::Error, given: &[OsString]) -> ExitCode {
    // A reader that closed the pipe does not need the text.
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let message = usage::message(error, given.iter().skip(1).map(OsString::as_os_str));
    let _ = io::stderr().write_all(message.as_bytes());
    Exit::Usage.into()
}
