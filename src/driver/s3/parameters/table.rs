//! The options: one table of names, kinds, defaults and meanings. The string pairs, `Deserialize`, the suggestions for
//! misspelt names, the public list and the documentation of `Parameters` all read it.

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
    /// The value that applies when the option is not given; empty when there is none.
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
        "static credentials, with `secretkey`; without both the credential chain finds them"
    "secretkey" Secret ""
        "static credentials, with `accesskey`"
    "sessiontoken" Secret ""
        "the token of temporary credentials; needs both keys"
    "region" Text ""
        "required without `regionendpoint`: any AWS region, known or new; with it whatever the server calls itself, else `us-east-1`"
    "regionendpoint" Text ""
        "a server other than AWS: `host[:port][/base/path]`, after `http://` or `https://` or neither; excludes `usedualstack`, `usefipsendpoint` and `accelerate`"
    "redirectendpoint" Text ""
        "`scheme://host[:port]` that presigned URLs name in place of the endpoint"
    "forcepathstyle" Boolean ""
        "`true`: the bucket stands in the path; `false`: in the host wherever that can work; not given: in the host for AWS, in the path for `regionendpoint`"
    "usedualstack" Boolean "false"
        "endpoints that have IPv6 too"
    "usefipsendpoint" Boolean "false"
        "endpoints with validated cryptography"
    "accelerate" Boolean "false"
        "Transfer Acceleration"
    "bucket" Text ""
        "required: the bucket's name"
    "rootdirectory" Text ""
        "prefix of all keys; slashes at its ends do not count, everything inside is kept byte for byte (`..` and `//` too); no control characters, 512 bytes at most"
    "encrypt" Boolean "false"
        "`true`: encryption by the server, `AES256`, or `aws:kms` with `keyid`"
    "keyid" Text ""
        "KMS key; an error without `encrypt: true`, lest objects go unencrypted unnoticed"
    "storageclass" Word "STANDARD"
        "the storage class of new objects, in any case; `NONE` sends no header"
    "objectacl" Word ""
        "a canned ACL; without one an object is private, and buckets with ACLs disabled (AWS's default since 2023) refuse any; `none` is the same as not given"
    "secure" Boolean "true"
        "`false`: plain http; a scheme in `regionendpoint` wins"
    "skipverify" Boolean "false"
        "`true`: certificates are not verified; excludes `cacert`"
    "cacert" Text ""
        "path of a PEM file with certificates to trust in addition to the built-in ones"
    "proxy" Secret ""
        "`http://[user:password@]host:port`; proxies named in the environment are not used"
    "v4auth" Boolean "true"
        "`false`: signature version 2; an error in every AWS region that never had it"
    "payload" Word "auto"
        "whether the signature covers bodies: `auto`, `signed` or `unsigned`"
    "checksum" Word "auto"
        "the checksum of uploads and downloads: `auto`, `none`, `crc32c`, `crc64nvme` or `md5`"
    "requestpayer" Word "bucketowner"
        "who pays for requests to a bucket that charges its readers: `bucketowner`, or `requester` for these credentials' owner"
    "chunksize" Integer "10485760"
        "bytes of an upload's parts: 5 MiB to 5 GiB"
    "multipartcopychunksize" Integer "33554432"
        "bytes of a copy's parts: 5 MiB to 5 GiB"
    "multipartcopymaxconcurrency" Integer "100"
        "parts copied at once, an upper limit: 1 and more"
    "multipartcopythresholdsize" Integer "33554432"
        "objects of up to this many bytes are copied in one request: 0 to 5 GiB"
    // More brought nothing on two cores with 25 ms to the first byte of a response (`cargo bench --bench writer`).
    "concurrency" Integer "4"
        "threads that send one upload's parts: 1 to 64"
    // At 80 MB/s a connection and 25 ms to the first byte of a response these fill 1 GB/s. They are an upper limit: a
    // reader begins with one connection and opens more only while more bring more (`cargo bench --bench latency`).
    "readahead" Integer "20"
        "ranges of 4 MiB that one reader fetches at once, an upper limit: 1 (one connection for all) to 64"
    "maxmemory" Integer ""
        "bytes of part buffers and read-ahead over all writers and readers: `chunksize` and more; not given: no limit"
    "maxrequests" Integer "256"
        "requests in flight at once, over all threads; fewer while the server throttles: 1 to 65535"
    "maxretries" Integer "5"
        "how often a request is sent again after a failure that may pass: 0 to 100"
    "walkconcurrency" Integer "1"
        "requests at once with which a walk lists large directories, unless the caller of the walk chooses: 1 to 64"
    "uniformparts" Boolean "false"
        "`true`: parts never grow, as Cloudflare R2 demands; an object ends at 10,000 parts of `chunksize`"
    // A week: what the registry gives its own unfinished uploads.
    "uploadpurgeage" Duration "168h"
        "an older upload in the way of a new one is aborted from this age on: `1s` to ten years in `h`, `m`, `s`"
    "useragent" Text ""
        "appended to the `User-Agent` header"
    "loglevel" Words "off"
        "what is logged, with the feature `log`: one of its words or several, separated by commas, or `false`"
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

/// Returns the option with that name, in any case, or the alias of another registry.
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

/// The option a misspelt name most likely stands for.
fn nearest(name: &str) -> Option<&'static str> {
    /// Longer names are no typing errors, and the comparison is quadratic.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let name: String = name.to_ascii_lowercase().replace(['_', '-', ' '], "");
    let (distance, best) =
        OPTIONS.iter().map(|option| (edits(&name, option.name), option.name)).min()?;
    (distance <= 1 + best.len() / 5).then_some(best)
}

/// Levenshtein distance.
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
    fn names_are_lower_case_and_stand_for_one_thing() {
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
