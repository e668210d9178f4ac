use crate::failure::Outcome;
use crate::tool::Tool;
use clap::Args;
use clap_complete::Shell;

/// Prints a script that completes this tool's arguments in a shell
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let mut command = (tool.definition)();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "s3driver", &mut script);
        tool.output.write(&script)
    }
}
