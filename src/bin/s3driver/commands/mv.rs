use crate::failure::{Failure, Outcome};
use crate::location::Location;
use crate::tool::Tool;
use crate::transfers::{Keep, Source, plan, run};
use clap::Args;

/// Moves files to S3, objects to files, and objects to other keys
///
/// Each source is removed when its copy is complete. If another program changes it in the meantime,
/// the new content is kept, and the command fails; servers that ignore conditional deletions remove
/// it.
#[derive(Args)]
pub(crate) struct Mv {
    /// The file or object to move
    source: Location,
    /// Where to move it; a target that ends with a slash, or an existing directory, keeps the name
    /// of the source
    target: Location,
    /// Moves a directory and everything below it
    #[arg(long, short = 'r')]
    recursive: bool,
}

impl Mv {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        if let (Location::Standard, _) | (_, Location::Standard) = (&self.source, &self.target) {
            return Err(Failure::usage("- cannot be moved: use cp"));
        }
        let plan = plan(tool, &self.source, &self.target, self.recursive)?;
        run(tool, plan, (Source::Removed, Keep::Nothing))
    }
}
