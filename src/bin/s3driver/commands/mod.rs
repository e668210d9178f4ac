//! The commands, with one file for each.
mod cat;
mod completions;
mod cp;
mod doctor;
mod du;
mod explain;
mod ls;
mod mv;
mod policy;
mod presign;
mod rm;
mod stat;
mod sync;
mod uploads;
mod url;
mod verify;

use crate::common::{Common, With};
use crate::failure::Outcome;
use crate::tool::Tool;
use clap::Subcommand;

/// Lists the commands in one place: their names and the types of their arguments.
macro_rules! commands {
    ($($name:ident($arguments:ty),)*) => {
        /// One of the commands, with its arguments.
        #[derive(Subcommand)]
        pub(crate) enum Command {
            $($name(With<$arguments>),)*
            #[command(subcommand)]
            Uploads(uploads::Uploads),
        }

        impl Command {
            /// Returns the arguments that every command has.
            pub(crate) const fn common(&self) -> &Common {
                match self {
                    $(Self::$name(command) => &command.common,)*
                    Self::Uploads(command) => command.common(),
                }
            }

            pub(crate) fn run(&self, tool: &Tool) -> Outcome {
                match self {
                    $(Self::$name(command) => command.own.run(tool),)*
                    Self::Uploads(command) => command.run(tool),
                }
            }
        }
    };
}

commands! {
    Ls(ls::Ls),
    Stat(stat::Stat),
    Cat(cat::Cat),
    Cp(cp::Cp),
    Mv(mv::Mv),
    Rm(rm::Rm),
    Du(du::Du),
    Sync(sync::Sync),
    Presign(presign::Presign),
    Url(url::Url),
    Verify(verify::Verify),
    Explain(explain::Explain),
    Doctor(doctor::Doctor),
    Policy(policy::Policy),
    Completions(completions::Completions),
}
