//! The commands, one file each.
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

use crate::failure::Outcome;
use crate::tool::Tool;
use clap::Subcommand;

/// One of the commands, with its arguments.
#[derive(Subcommand)]
pub(crate) enum Command {
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
    #[command(subcommand)]
    Uploads(uploads::Uploads),
    Verify(verify::Verify),
    Explain(explain::Explain),
    Doctor(doctor::Doctor),
    Policy(policy::Policy),
    Completions(completions::Completions),
}

impl Command {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        match self {
            Self::Ls(command) => command.run(tool),
            Self::Stat(command) => command.run(tool),
            Self::Cat(command) => command.run(tool),
            Self::Cp(command) => command.run(tool),
            Self::Mv(command) => command.run(tool),
            Self::Rm(command) => command.run(tool),
            Self::Du(command) => command.run(tool),
            Self::Sync(command) => command.run(tool),
            Self::Presign(command) => command.run(tool),
            Self::Url(command) => command.run(tool),
            Self::Uploads(command) => command.run(tool),
            Self::Verify(command) => command.run(tool),
            Self::Explain(command) => command.run(tool),
            Self::Policy(command) => command.run(tool),
            Self::Doctor(command) => command.run(tool),
            Self::Completions(command) => command.run(tool),
        }
    }
}
