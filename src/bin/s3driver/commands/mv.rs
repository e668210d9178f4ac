use crate::failure::{Failure, Outcome};
use crate::location::Location;
use crate::tool::Tool;
use crate::transfers::{Job, Keep, Sides, plan, run};
use clap::Args;

/// Moves files to S3, objects to files, and objects to other keys
///
/// Each source is removed when its copy is complete.
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
        run(tool, plan, &|sides, job, bar| {
            sides.copy(tool, job, Keep::Nothing, bar)?;
            tool.check_interrupted()?;
            remove_source(sides, job)
        })
    }
}

fn remove_source(sides: &Sides, job: &Job) -> Outcome {
    match (job, &sides.source) {
        (Job::Upload { file, .. }, _) => std::fs::remove_file(file)
            .map_err(|error| Failure::local(format_args!("removing {}", file.display()), &error)),
        (Job::Download { key, .. } | Job::Copy { key, .. }, Some(source)) => {
            Ok(source.client.delete_object(&source.name, key, &Default::default())?)
        }
        // Streams are not moved.
        _ => Ok(()),
    }
}
