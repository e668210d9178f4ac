//! The command line.
use crate::commands::Command;
use crate::failure::EXIT_CODES;
use clap::Parser;

/// Works with objects in Amazon S3 and servers that speak its API, and checks a registry's storage.
///
/// A location is written s3://bucket/key; without a bucket (s3:///key) it is in the bucket of the
/// configuration. The configuration comes from a registry's config.yml (--config), from options
/// after the command, and from AWS's variables and profiles, in this order.
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

    /// Calls `visit` with every command that does something.
    fn visit(command: &clap::Command, visited: &mut dyn FnMut(&clap::Command)) {
        if command.has_subcommands() {
            command.get_subcommands().for_each(|command| visit(command, visited));
        } else {
            visited(command);
        }
    }

    #[test]
    fn every_command_and_every_argument_has_its_own_description() {
        let mut seen = std::collections::BTreeSet::new();
        visit(&Arguments::command(), &mut |command| {
            let name = command.get_name();
            let about = command.get_about().expect(name).to_string();
            assert!(about.len() > 10 && !about.ends_with('.'), "{name}: {about}");
            assert!(seen.insert(about), "{name} has the description of another command");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
        });
        assert!(seen.len() > 15);
    }
}
