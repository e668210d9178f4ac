use crate::failure::Outcome;
use crate::location::Location;
use crate::tool::Tool;
use crate::transfers::{Keep, Source, plan, run};
use clap::Args;

/// Copies files to S3, objects to files, and objects to objects
///
/// Everything is copied as a whole or not at all: an object or a file takes its name when it is
/// complete. A link in the place of a file is replaced, and the file that it names stays. Devices
/// and pipes are refused: - is the standard output. Objects are copied to objects by the server.
///
/// A directory in S3 in which nothing is stored is an error with exit code 3. An empty directory on
/// this machine has nothing to copy, which is a success.
///
/// A large upload whose command was killed is continued by the next command with the same
/// arguments: parts that the server has are not sent again. Ctrl-C leaves nothing on the server.
#[derive(Args)]
pub(crate) struct Cp {
    /// The file or object to copy; - for the standard input
    source: Location,
    /// Where to copy it; a target that ends with a slash, or an existing directory, keeps the name
    /// of the source; - for the standard output
    target: Location,
    /// Copies a directory and everything below it
    #[arg(long, short = 'r')]
    recursive: bool,
    /// Keeps what has arrived of a download when it fails or is interrupted, and the parts of an
    /// upload when it fails, for the next command with this option
    #[arg(long)]
    resume: bool,
}

impl Cp {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let keep = if self.resume { Keep::Arrived } else { Keep::Nothing };
        let plan = plan(tool, &self.source, &self.target, self.recursive)?;
        run(tool, plan, (Source::Kept, keep))
    }
}
