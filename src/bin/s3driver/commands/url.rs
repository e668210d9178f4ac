use crate::failure::{Failure, Outcome};
use crate::tool::Tool;
use clap::Args;
use s3driver::StorageDriver as _;
use s3driver::cloudfront::{Policy, PrivateKey, Signer};
use s3driver::driver::{Method, UrlOptions};
use s3driver::duration::parse_with_days;
use s3driver::middleware::{CloudFront, CloudFrontOptions};
use s3driver::time::Timestamp;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The name of the middleware in a registry's configuration.
pub(crate) const CLOUDFRONT: &str = "cloudfront";

/// Prints a signed URL, or signed cookies, of CloudFront
#[derive(Args)]
pub(crate) struct Url {
    /// A path of the registry (/docker/registry/...), or a URL of the distribution, which is signed
    /// as it is
    target: String,
    /// Prints cookies in place of a URL; the target may end with *
    #[arg(long)]
    cookies: bool,
    /// How long the signature is valid, such as 90s, 1h30m or 7d; otherwise as long as the
    /// configuration says, or 20m
    #[arg(long, value_parser = parse_with_days)]
    expires: Option<Duration>,
    #[command(flatten)]
    distribution: Distribution,
}

/// The distribution, where no configuration file describes it.
#[derive(Args)]
pub(crate) struct Distribution {
    /// The URL of the distribution; otherwise that of the middleware cloudfront in the file
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The private key: a PEM file
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// CloudFront's id of the public key
    #[arg(long, value_name = "ID")]
    key_pair_id: Option<String>,
    /// The Origin Path of the distribution
    #[arg(long, value_name = "PATH")]
    origin_path: Option<String>,
}

/// How long a signature is valid unless the command line sets another lifetime.
const LIFETIME: Duration = Duration::from_secs(20 * 60);

impl Url {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let is_path = self.target.starts_with('/');
        if is_path && !self.cookies {
            return self.print_registry_url(tool);
        }
        let now = Timestamp::from(SystemTime::now());
        let ends = now.plus(self.expires.unwrap_or(LIFETIME));
        let options = self.distribution.options(tool)?;
        let signer = signer(&options)?;
        if !self.cookies {
            let url = signer.sign_url(&self.target, ends, now)?;
            return print_url(tool, &url);
        }
        let resource = if is_path {
            let base = find(&options, "baseurl")?;
            format!("{}{}", base.trim_end_matches('/'), self.target)
        } else {
            self.target.clone()
        };
        let cookies = signer.cookies_with_policy(&Policy::new(&resource, ends)?, now)?;
        let pairs: Vec<(&str, &str)> = cookies.pairs().collect();
        tool.output.print(
            || {
                let lines = pairs.iter().map(|(name, value)| format!("{name}={value}"));
                lines.collect::<Vec<_>>().join("\n")
            },
            || {
                let member = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).into());
                let cookies: Map<String, Value> = pairs.iter().map(member).collect();
                json!({ "cookies": cookies, "expires": ends.iso8601() })
            },
        )
    }

    /// Prints the URL to which the registry would redirect a client.
    fn print_registry_url(&self, tool: &Tool) -> Outcome {
        let options = self.distribution.options(tool)?;
        find(&options, "baseurl")?;
        let pairs = options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let options = CloudFrontOptions::from_pairs(pairs)?;
        let bucket = tool.bucket(None)?;
        let middleware = CloudFront::new(Arc::new(bucket.driver), options)?;
        let mut request = UrlOptions::new(Method::Get);
        request.expires_in = self.expires;
        print_url(tool, &middleware.url_for(&self.target, &request)?)
    }
}

impl Distribution {
    /// Returns the options of the middleware from the file. Options of the command line replace
    /// them.
    pub(crate) fn options(&self, tool: &Tool) -> Outcome<Vec<(String, String)>> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let given = [
            ("baseurl", self.base_url.clone()),
            ("privatekey", self.private_key.as_ref().map(path)),
            ("keypairid", self.key_pair_id.clone()),
            ("originpath", self.origin_path.clone()),
        ];
        let middlewares = tool.settings.middlewares()?;
        let file = middlewares.iter().find(|middleware| middleware.name == CLOUDFRONT);
        let mut options: Vec<(String, String)> = file
            .map(|file| file.options.iter().map(|(name, value)| (name.clone(), value.to_string())))
            .into_iter()
            .flatten()
            .collect();
        for (name, value) in given {
            if let Some(value) = value {
                options.retain(|(option, _)| option != name);
                options.push((name.to_owned(), value));
            }
        }
        Ok(options)
    }
}

/// Returns the signer that the options describe.
fn signer(options: &[(String, String)]) -> Outcome<Signer> {
    let key = PrivateKey::from_file(find(options, "privatekey")?)?;
    Ok(Signer::new(key, find(options, "keypairid")?)?)
}

fn find<'a>(options: &'a [(String, String)], name: &str) -> Outcome<&'a str> {
    let found = options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str());
    found.filter(|value| !value.is_empty()).ok_or_else(|| {
        Failure::usage(format!(
            "the {name} of the distribution is missing: give it as an option, or in the \
             configuration file"
        ))
    })
}

fn print_url(tool: &Tool, url: &str) -> Outcome {
    tool.output.print(|| url.to_owned(), || json!({ "url": url }))
}
