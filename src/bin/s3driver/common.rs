//! The options of every command.
use clap::Args;
use std::path::PathBuf;

// A command's own arguments, and those of every command. An option stands after the name of the
// command: one that could stand on both sides would be taken from one side alone.
//
// This comment and the next one are not for documentation: the help of every command would show
// them in place of the command's own description.
#[derive(Args)]
pub(crate) struct With<A: Args> {
    #[command(flatten)]
    pub(crate) own: A,
    #[command(flatten)]
    pub(crate) common: Common,
}

// The options of every command.
#[derive(Args)]
#[command(next_help_heading = "Configuration and output")]
pub(crate) struct Common {
    /// A registry's config.yml, whose storage is used
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// An option of the driver, such as regionendpoint=https://s3.example.org; replaces that of the
    /// file
    // A text without `=` may be a secret, so it is not parsed here: an error would repeat it.
    #[arg(long = "option", short = 'o', value_name = "NAME=VALUE")]
    pub(crate) options: Vec<String>,
    /// The bucket, where no location names one
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// The region; otherwise that of the file, of AWS_REGION or of the profile
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// A server other than AWS; otherwise that of the file, of AWS_ENDPOINT_URL_S3,
    /// AWS_ENDPOINT_URL or of the profile
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The profile of AWS's configuration files, which replaces keys and roles in variables
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Prints JSON: one value on a line, and failures on the standard error
    #[arg(long)]
    pub(crate) json: bool,
    /// Shows no progress bars
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,
}
