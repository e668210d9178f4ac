use crate::failure::Outcome;
use crate::location::S3Url;
use crate::tool::Tool;
use clap::{Args, ValueEnum};
use s3driver::client::{self, PresignMethod};
use s3driver::duration::parse_with_days;
use s3driver::time::Timestamp;
use serde_json::json;
use std::time::Duration;

/// Prints a URL that allows one request without credentials
#[derive(Args)]
pub(crate) struct Presign {
    /// The object, s3://bucket/key
    location: S3Url,
    /// The request that the URL allows
    #[arg(long, value_enum, default_value_t = Allowed::Get)]
    method: Allowed,
    /// How long the URL is valid, such as 20m; less when the credentials end sooner
    #[arg(long, default_value = "20m", value_parser = parse_with_days)]
    expires: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Allowed {
    Get,
    Head,
    Put,
    Delete,
}

impl Presign {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let key = self.location.object_key()?;
        let bucket = tool.bucket(Some(&self.location))?;
        let method = match self.method {
            Allowed::Get => PresignMethod::Get,
            Allowed::Head => PresignMethod::Head,
            Allowed::Put => PresignMethod::Put,
            Allowed::Delete => PresignMethod::Delete,
        };
        let mut request = client::Presign::at_most(method, self.expires);
        if let Some(endpoint) = &bucket.parameters.redirect_endpoint {
            request = request.endpoint(endpoint);
        }
        let signed = bucket.client.presign(&bucket.name, key, &request)?;
        tool.output.print(
            || signed.url.clone(),
            || {
                json!({
                    "url": signed.url,
                    "expires": signed.expires.map(Timestamp::iso8601),
                    "shortened": signed.capped,
                })
            },
        )
    }
}
