//! The table of options, with their names, types, defaults and meanings. String pairs,
//! `Deserialize`, the suggestions for misspelt names, the public list and the documentation of
//! `Parameters` all use it.

use super::aliases::OptionAlias;
use super::kind::Kind;
use crate::error::{Error, ErrorKind, Result};
use crate::text::{Form, shown_value};

/// One option of the driver, as [`Parameters::options`](super::Parameters::options) lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParameterOption {
    /// The name in a registry's configuration.
    pub name: &'static str,
    /// The value that applies if the option is not given; empty if there is none.
    pub default: &'static str,
    /// The meaning and the values, in Markdown without line breaks.
    pub meaning: &'static str,
    pub(super) kind: Kind,
}

macro_rules! options {
    ($($name:literal $kind:ident $default:literal $meaning:literal)*) => {
        /// Every option, in the order of the documentation.
        pub(super) const OPTIONS: &[ParameterOption] =
            &[$(ParameterOption { name: $name, default: $default, meaning: $meaning, kind: Kind::$kind }),*];

        /// The options as rows of a Markdown table.
        macro_rules! option_rows {
            () => { concat!($("| `", $name, "` | ", $default, " | ", $meaning, " |\n"),*) };
        }
    };
}

options! {
    "accesskey" Secret ""
        "static credentials, with `secretkey`; without both, AWS's default chain supplies them"
    "secretkey" Secret ""
        "static credentials, with `accesskey`"
    "sessiontoken" Secret ""
        "the token of temporary credentials; needs both keys"
    "region" Text ""
        "required without `regionendpoint`: any AWS region, known or new; with `regionendpoint`: \
         the name that the server uses, by default `us-east-1`"
    "regionendpoint" Text ""
        "a server other than AWS: `host[:port][/base/path]`, after `http://` or `https://` or \
         neither; excludes `usefipsendpoint` and `accelerate`"
    "redirectendpoint" Text ""
        "`scheme://host[:port]` of presigned URLs, in place of the endpoint; without \
         `forcepathstyle`, the bucket is in the host or in the path as at the endpoint"
    "forcepathstyle" Boolean ""
        "`true`: the bucket is in the path; `false`: in the host, wherever possible; not given: \
         in the host for AWS, in the path for `regionendpoint`"
    "usedualstack" Boolean "false"
        "use endpoints that also support IPv6; no effect with `regionendpoint`"
    "usefipsendpoint" Boolean "false"
        "use endpoints with validated cryptography"
    "accelerate" Boolean "false"
        "use Transfer Acceleration"
    "bucket" Text ""
        "required: the name of the bucket, or the ARN of an access point, whose region decides \
         where requests are sent"
    "rootdirectory" Text ""
        "the prefix of all keys; slashes at its ends are ignored, everything else is kept byte \
         for byte (even `..` and `//`); no control characters, at most 512 bytes"
    "encrypt" Boolean "false"
        "`true`: the server encrypts objects, with `AES256`, or with `aws:kms` if there is a \
         `keyid`"
    "keyid" Text ""
        "the KMS key; an error without `encrypt: true`, because objects would not be encrypted"
    "storageclass" Word "STANDARD"
        "the storage class of new objects, in any case; `NONE` sends no header"
    "objectacl" Word ""
        "a canned ACL; without one, objects are private; buckets with ACLs disabled (AWS's \
         default since 2023) refuse any ACL; `none` is the same as not given"
    "secure" Boolean "true"
        "`false`: plain http; a scheme in `regionendpoint` takes precedence"
    "skipverify" Boolean "false"
        "`true`: certificates are not verified; excludes `cacert` and `truststore`"
    "truststore" Word "mozilla"
        "the authorities to trust: `mozilla`, the built-in list; `system`, the store of the \
         operating system, with the feature `truststore`; `cacert`, only the certificates there"
    "cacert" Text ""
        "the path of a PEM file with certificates to trust in addition to the trust store"
    "proxy" Secret ""
        "`http://[user:password@]host:port`; `environment` for the proxies that the variables \
         `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` name, which are not used otherwise"
    "v4auth" Boolean "true"
        "`false`: signature version 2; an error in AWS regions that do not support it"
    "payload" Word "auto"
        "whether signatures cover bodies: `auto`, `signed` or `unsigned`"
    "checksum" Word "auto"
        "the checksum of uploads and downloads: `auto`, `none`, `crc32`, `crc32c` \
         (each also with `-composite`), `crc64nvme`, `sha1`, `sha256` or `md5`"
    "requestpayer" Word "bucketowner"
        "who pays for requests to a bucket that charges its readers: `bucketowner`, or \
         `requester` for the owner of the credentials"
    "chunksize" Integer "10485760"
        "the size of an upload's parts in bytes: 5 MiB to 5 GiB"
    "multipartcopychunksize" Integer "33554432"
        "the size of a copy's parts in bytes: 5 MiB to 5 GiB"
    "multipartcopymaxconcurrency" Integer "100"
        "the maximum number of parts that are copied at once: 1 or more"
    "multipartcopythresholdsize" Integer "33554432"
        "the size in bytes up to which objects are copied with one request: 0 to 5 GiB"
    "concurrency" Integer ""
        "the number of threads that send one upload's parts: 1 to 64; not given: 2, or 4 if the \
         first part takes long, and more, up to 20, as long as they increase the throughput"
    // With 80 MB/s per connection and 25 ms to the first byte of a response, these fill a link of 1
    // GB/s. The value is an upper limit: a reader begins with one connection and opens more only as
    // long as they increase the throughput (`cargo bench --bench latency`).
    "readahead" Integer "20"
        "the maximum number of ranges of 4 MiB that one reader fetches at once: 1 (a single \
         connection) to 64"
    "maxmemory" Integer ""
        "the limit in bytes for the part buffers and read-ahead of all writers and readers: \
         `chunksize` or more; not given: no limit"
    "spool" Text ""
        "a folder in which unnamed files keep the parts of uploads until they are sent, so that \
         writers need almost no memory; not given: parts are kept in memory"
    "maxrequests" Integer "256"
        "the maximum number of requests in flight, over all threads; fewer while the server \
         throttles: 1 to 65535"
    "maxretries" Integer "5"
        "how many times a request is sent again after a transient failure: 0 to 100"
    "walkconcurrency" Integer "1"
        "the number of concurrent requests with which a walk lists large directories, unless the \
         caller of the walk chooses: 1 to 64"
    "uniformparts" Boolean "false"
        "`true`: parts never grow, as Cloudflare R2 requires; the largest object has 10,000 parts \
         of `chunksize`"
    // A week, the age that the registry uses for its own unfinished uploads.
    "uploadpurgeage" Duration "168h"
        "the age at which an older upload that is in the way of a new one is aborted: `1s` to ten \
         years in `h`, `m`, `s`"
    "useragent" Text ""
        "a text that is appended to the `User-Agent` header"
    "loglevel" Words "off"
        "what is logged, with the feature `log`: one or more words, separated by commas, or `false`"
}

pub(super) use option_rows;

/// The meaning of a name in a configuration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    Option(&'static ParameterOption),
    Alias(&'static OptionAlias),
}

#[cfg(feature = "serde")]
impl Named {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Option(option) => option.name,
            Self::Alias(alias) => alias.name,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Option(option) => option.kind,
            Self::Alias(alias) => alias.kind,
        }
    }
}

/// Returns the option with this name, in any case, or the alias of another registry.
pub(super) fn lookup(name: &str) -> Result<Named> {
    let option =
        OPTIONS.iter().find(|option| option.name.eq_ignore_ascii_case(name)).map(Named::Option);
    let alias = || {
        OptionAlias::ALL
            .iter()
            .find(|alias| alias.name.eq_ignore_ascii_case(name))
            .map(Named::Alias)
    };

    option.or_else(alias).ok_or_else(|| {
        let unknown = |text: String| Error::new(ErrorKind::UnknownOption, text);
        match nearest(name) {
            Some(meant) => unknown(format!(
                "unknown parameter {}: did you mean {meant}?",
                shown_value(name, Form::Name)
            )),
            None => {
                let names: Vec<_> = OPTIONS.iter().map(|option| option.name).collect();
                unknown(format!("unknown parameter {}", shown_value(name, Form::Name)))
                    .with_hint(format!("the parameters are {}", names.join(", ")))
            }
        }
    })
}

/// Returns the option that a misspelt name most likely means.
fn nearest(name: &str) -> Option<&'static str> {
    /// Longer names are not typing errors, and the comparison is quadratic.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let name: String = name.to_ascii_lowercase().replace(['_', '-', ' '], "");
    let (distance, best) =
        OPTIONS.iter().map(|option| (edits(&name, option.name), option.name)).min()?;
    (distance <= 1 + best.len() / 5).then_some(best)
}

/// Returns the Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.windows(2)) {
            left = if let &[diagonal, up] = above {
                (diagonal + usize::from(x != *y)).min(up + 1).min(left + 1)
            } else {
                left
            };
            next.push(left);
        }
        row = next;
    }

    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{MAX_REQUESTS, RetryPolicy};
    use std::collections::BTreeSet;

    fn known(name: &str) -> &'static ParameterOption {
        OPTIONS.iter().find(|option| option.name == name).expect("an option")
    }

    #[test]
    fn the_default_number_of_retries_is_the_clients() {
        assert_eq!(
            known("maxretries").default,
            (RetryPolicy::default().max_attempts - 1).to_string()
        );
    }

    #[test]
    fn names_are_lower_case_and_unique() {
        let options = OPTIONS.iter().map(|option| option.name);
        let names: Vec<_> =
            options.chain(OptionAlias::ALL.iter().map(|alias| alias.name)).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
        for option in OptionAlias::ALL.iter().filter_map(|alias| alias.option) {
            known(option);
        }
    }

    #[test]
    fn the_default_number_of_requests_is_the_clients() {
        assert_eq!(known("maxrequests").default, MAX_REQUESTS.to_string());
    }
}
