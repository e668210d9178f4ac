//! The options of every command.
use clap::Args;
use std::path::PathBuf;

/// The options of every command.
#[derive(Args)]
#[command(next_help_heading = "Configuration and output")]
pub(crate) struct Common {
    /// A registry's config.yml, whose storage is used
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// An option of the driver, such as regionendpoint=https://s3.example.org; replaces that of the file
    #[arg(long = "option", short = 'o', global = true, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) options: Vec<(String, String)>,
    /// The bucket, where no location names one
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// The region; otherwise that of the file, of AWS_REGION or of the profile
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
    /// A server other than AWS; otherwise that of the file, of AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or of the profile
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The profile of AWS's configuration files
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Prints JSON: one value on a line, and failures on the standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Shows no progress bars
    #[arg(long, short = 'q', global = true)]
    pub(crate) quiet: bool,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("an option is written name=value"),
    }
}
