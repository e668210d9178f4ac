//! The command line.
use crate::commands::Command;
use crate::failure::EXIT_CODES;
use clap::Parser;

/// Works with objects in Amazon S3 and servers that speak its API, and checks a registry's storage.
///
/// A location is written s3://bucket/key; without a bucket (s3:///key) it is in the bucket of the
/// configuration.
#[derive(Parser)]
#[command(name = "s3driver", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
