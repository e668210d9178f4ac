use crate::failure::{Failure, Outcome};
use crate::text::{shown, shown_path};
use crate::tool::Tool;
use clap::Args;
use s3driver::sign::Request;
use s3driver::sign::explain::{ServerSide, diagnose};
use s3driver::sign::verify::Content;
use s3driver::time::Timestamp;
use s3driver::xml;
use serde_json::json;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The largest body whose hash is computed.
const LONGEST_BODY: u64 = 64 << 20;

/// Shows how a request is signed step by step, and where a server's steps differ
#[derive(Args)]
pub(crate) struct Explain {
    /// The method of the request
    method: String,
    /// The URL of the request, or a presigned URL, as it was sent
    url: String,
    /// A header of the request, such as 'range: bytes=0-9'
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body of the request; without one it is empty
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The error document of the server; - for the standard input
    #[arg(long, value_name = "FILE")]
    error: Option<PathBuf>,
    /// The bucket, where the host of the URL contains it and the signature has version 2
    #[arg(long, value_name = "NAME")]
    host_bucket: Option<String>,
}

impl Explain {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let mut headers = Vec::new();
        for header in &self.headers {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| Failure::usage("a header is written name: value"))?;
            headers.push((name.trim(), value.trim()));
        }
        let unusable = |error: s3driver::sign::Error| Failure::usage(error.to_string());
        let request = Request::from_url(&self.method, &self.url).map_err(unusable)?;
        let request = request.headers(&headers);
        let body =
            self.body.as_deref().map_or_else(|| Ok(Vec::new()), |path| read(path, LONGEST_BODY))?;
        let document = match &self.error {
            None => None,
            Some(path) => {
                let text = read(path, xml::MAX_REPLY_BYTES as u64)?;
                Some(xml::error_document(&text).map_err(|error| {
                    Failure::usage(format!(
                        "{} is not an error document of S3: {error}",
                        shown_path(path)
                    ))
                })?)
            }
        };
        let steps = document.as_ref().map(|document| &document.steps);
        let server = ServerSide {
            canonical_request: steps.and_then(|steps| steps.canonical_request.as_deref()),
            canonical_request_bytes: steps
                .and_then(|steps| steps.canonical_request_bytes.as_deref()),
            string_to_sign: steps.and_then(|steps| steps.string_to_sign.as_deref()),
            string_to_sign_bytes: steps.and_then(|steps| steps.string_to_sign_bytes.as_deref()),
        };
        let now = Timestamp::from(SystemTime::now());
        let keys = tool.settings.keys()?;
        let content = Content::Bytes(&body);
        let diagnosis =
            diagnose(&request, content, &keys, self.host_bucket.as_deref(), &server, now)
                .map_err(unusable)?;
        let said =
            document.as_ref().map(|document| format!("{} {}", document.code, document.message));
        tool.output.print(
            || match &said {
                None => diagnosis.to_string(),
                Some(said) => {
                    format!("{diagnosis}\nThe server said: {}", shown(said))
                }
            },
            || {
                let comparison = diagnosis.comparison.as_ref();
                json!({
                    "explanation": diagnosis.explain().map(|explanation| explanation.to_string()),
                    "signature_sent": diagnosis.signature_sent,
                    "refusal": diagnosis.refusal.as_ref().map(ToString::to_string),
                    "cause": comparison.map(|comparison| format!("{:?}", comparison.cause())),
                    "comparison": comparison.map(ToString::to_string),
                    "server": said,
                })
            },
        )
    }
}

fn read(path: &Path, limit: u64) -> Outcome<Vec<u8>> {
    let failed = |error| Failure::local(format_args!("reading {}", shown_path(path)), &error);
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::usage(format!("{} has more than {limit} bytes", shown_path(path))));
    }
    Ok(bytes)
}
