use crate::failure::{Failure, Outcome};
use crate::text::shown;
use crate::tool::Tool;
use clap::Args;
use s3driver::StorageDriver as _;
use s3driver::cloudfront::{Policy, Signer};
use s3driver::driver::{Method, UrlOptions};
use s3driver::duration::parse_with_days;
use s3driver::middleware::{CloudFront, CloudFrontOptions, IpFilter};
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

/// The base URL where none is given and none is used, because the target is a URL.
const UNUSED_BASE: &str = "https://unused.invalid";

impl Url {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let given = self.distribution.options(tool)?;
        let now = Timestamp::from(SystemTime::now());
        if !self.target.starts_with('/') {
            let options = parsed(&given, &["privatekey", "keypairid"])?;
            let ends = now.plus(self.expires.unwrap_or_else(|| options.lifetime()));
            if self.cookies {
                return print_cookies(tool, options.signer(), &self.target, (now, ends));
            }
            return print_url(tool, &options.signer().sign_url(&self.target, ends, now)?);
        }
        let needed = ["baseurl", "privatekey", "keypairid"];
        let bucket = tool.bucket(None)?;
        let middleware = CloudFront::new(Arc::new(bucket.driver), parsed(&given, &needed)?)?;
        if self.cookies {
            let options = parsed(&given, &needed)?;
            let ends = now.plus(self.expires.unwrap_or_else(|| options.lifetime()));
            let resource = self.resource(&middleware)?;
            return print_cookies(tool, options.signer(), &resource, (now, ends));
        }
        // This is the URL to which the registry would redirect a client.
        let mut request = UrlOptions::new(Method::Get);
        request.expires_in = self.expires;
        print_url(tool, &middleware.url_for(&self.target, &request)?)
    }

    /// Returns the URL of the target, which is a path, as the middleware signs it. If the path ends
    /// with `*`, so does the URL.
    fn resource(&self, middleware: &CloudFront) -> Outcome<String> {
        /// A character in the place of the `*`: every path may contain it, and every URL contains
        /// it unchanged.
        const ANY: char = 'x';
        let (path, is_pattern) = match self.target.strip_suffix('*') {
            Some(beginning) => (format!("{beginning}{ANY}"), true),
            None => (self.target.clone(), false),
        };
        let url = middleware.url_for(&path, &UrlOptions::new(Method::Get))?;
        // Otherwise, it is a URL of the bucket.
        let Some((resource, _)) =
            url.split_once('?').filter(|(_, query)| query.contains("Key-Pair-Id="))
        else {
            return Err(Failure::usage(format!(
                "the distribution has no URL for {}: the path has a component . or ..",
                shown(&self.target)
            )));
        };
        match resource.strip_suffix(ANY).filter(|_| is_pattern) {
            Some(beginning) => Ok(format!("{beginning}*")),
            None => Ok(resource.to_owned()),
        }
    }
}

/// Reads the options as the middleware does. The clients' addresses do not matter here, so the
/// ranges of addresses are not fetched.
fn parsed(given: &[(String, String)], needed: &[&str]) -> Outcome<CloudFrontOptions> {
    for name in needed {
        find(given, name)?;
    }
    let pairs = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let is_given = find(given, "baseurl").is_ok();
    let pairs = pairs.filter(|(name, _)| is_given || *name != "baseurl");
    let unused = (!is_given).then_some(("baseurl", UNUSED_BASE));
    Ok(CloudFrontOptions::from_pairs(pairs.chain(unused))?.ip_filter(IpFilter::None))
}

fn print_cookies(
    tool: &Tool,
    signer: &Signer,
    resource: &str,
    (now, ends): (Timestamp, Timestamp),
) -> Outcome {
    let cookies = signer.cookies_with_policy(&Policy::new(resource, ends)?, now)?;
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
