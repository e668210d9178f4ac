//! Explains a signature: shows every intermediate value, numbered and named as on AWS's page, and
//! finds out why a server computed a different one.
//!
//! `Display` of an [`Explanation`] prints the steps in the order of AWS's page [Signature
//! Calculations for the Authorization Header][page], so that they can be compared with the page, or
//! with what a server says it signed. [`compare`] automates the latter: given the texts of a
//! `SignatureDoesNotMatch` document, it returns the first line and byte that differ, and the usual
//! cause.
//!
//! Session tokens, customer-provided keys and all but the first characters of the signature are
//! redacted, so that the output can be attached to a support ticket.
//!
//! ```
//! use s3driver::sign::explain::{Cause, ServerSide, compare};
//! use s3driver::sign::{Credentials, Request, v4};
//! use s3driver::time::Timestamp;
//!
//! let request = Request::new("GET", "/key").headers(&[("host", "storage.example:9000")]);
//! let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//! let scope = v4::Scope { region: "us-east-1", service: "s3" };
//! let signed = v4::sign(&request, v4::Payload::Bytes(b""), &credentials, scope, Timestamp::from_unix(1_369_353_600))?;
//! println!("{}", signed.explain());
//!
//! let theirs = signed.steps.canonical_request.replace("storage.example:9000", "10.0.0.7");
//! let server = ServerSide { canonical_request: Some(&theirs), ..ServerSide::default() };
//! let comparison = compare(&signed.explain(), &server);
//! assert_eq!(comparison.cause(), Cause::HostRewritten);
//! println!("{comparison}");
//! # Ok::<(), s3driver::sign::Error>(())
//! ```
//!
//! [page]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
use super::{Presigned, Signed, Steps, Version, redact};
use std::fmt;

mod cause;
mod compare;
mod diagnose;
pub use cause::Cause;
pub use compare::{Comparison, Difference, ServerSide, SignedText, compare};
pub use diagnose::{Diagnosis, diagnose, scope_of_host};

/// The steps of one signature, borrowed for display.
#[derive(Clone, Copy)]
pub struct Explanation<'a> {
    version: Version,
    /// `None` in version 2, which has no canonical request.
    canonical_request: Option<&'a str>,
    string_to_sign: &'a str,
    signature: &'a str,
}

impl Signed {
    /// Describes how the signature came about.
    pub fn explain(&self) -> Explanation<'_> {
        self.steps.explain()
    }
}

impl Presigned {
    /// Describes how the signature came about.
    pub fn explain(&self) -> Explanation<'_> {
        self.steps.explain()
    }
}

impl Steps {
    /// Describes how the signature came about.
    pub fn explain(&self) -> Explanation<'_> {
        let canonical_request =
            Some(&*self.canonical_request).filter(|_| self.version != Version::V2);
        let Self { version, string_to_sign, signature, .. } = self;
        Explanation { version: *version, canonical_request, string_to_sign, signature }
    }
}

impl<'a> Explanation<'a> {
    /// Explains a version 4 signature from any source, given its canonical request, string to sign
    /// and signature in hex.
    pub const fn v4(
        canonical_request: &'a str,
        string_to_sign: &'a str,
        signature: &'a str,
    ) -> Self {
        Self {
            version: Version::V4,
            canonical_request: Some(canonical_request),
            string_to_sign,
            signature,
        }
    }

    /// Explains a SigV4A signature from any source, given its canonical request, string to sign and
    /// signature in hex.
    pub const fn v4a(
        canonical_request: &'a str,
        string_to_sign: &'a str,
        signature: &'a str,
    ) -> Self {
        Self { version: Version::V4a, ..Self::v4(canonical_request, string_to_sign, signature) }
    }

    /// Explains a version 2 signature from any source, given its string to sign and signature in
    /// base64.
    pub const fn v2(string_to_sign: &'a str, signature: &'a str) -> Self {
        Self { version: Version::V2, canonical_request: None, string_to_sign, signature }
    }

    /// Returns whether the string to sign is the policy of a form, which may contain a session
    /// token.
    fn signs_policy(&self) -> bool {
        redact::is_policy(self.canonical_request.unwrap_or(""), self.string_to_sign)
    }

    /// Returns the string to sign, or a placeholder if it is a policy.
    fn shown_string_to_sign(&self) -> &'a str {
        redact::string_to_sign(self.canonical_request.unwrap_or(""), self.string_to_sign)
    }

    /// Returns the first characters of the signature, which are enough to distinguish signatures
    /// but not enough to use one.
    fn signature_start(&self) -> &'a str {
        /// 8 characters are 32 bits in hex, and 48 bits in base64.
        const SHOWN: usize = 8;
        self.signature.get(..SHOWN).unwrap_or("")
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Version::V4 | Version::V4a => self.fmt_tasks(f)?,
            Version::V2 => {
                writeln!(f, "Step 1: string to sign")?;
                Lines { text: self.shown_string_to_sign(), label: v2_label }.fmt(f)?;
                writeln!(f, "Step 2: signature")?;
                write!(
                    f,
                    "     signature            = base64(HMAC-SHA1(secret access key, string to sign))"
                )?;
            }
        }

        writeln!(f, ", begins with {}", redact::Line(self.signature_start()))
    }
}

impl Explanation<'_> {
    fn fmt_tasks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Task 1: canonical request")?;
        if let Some(text) = self.canonical_request {
            write!(f, "{}", Lines { text, label: canonical_label })?;
        }

        writeln!(f, "Task 2: string to sign")?;
        write!(f, "{}", Lines { text: self.shown_string_to_sign(), label: v4_label })?;
        writeln!(f, "Task 3: signature")?;
        if self.version == Version::V4a {
            writeln!(
                f,
                "     PrivateKey           = KDF(\"AWS4A\" + secret access key, access key) + 1"
            )?;
            return write!(
                f,
                "     signature            = hex(ECDSA-P256-SHA256(PrivateKey, string to sign))"
            );
        }

        let scope = self.string_to_sign.split('\n').nth(2).unwrap_or("");
        let mut parts = scope.split('/');
        let mut part = || redact::Line(parts.next().unwrap_or(""));
        writeln!(
            f,
            "     DateKey              = HMAC-SHA256(\"AWS4\" + secret access key, \"{}\")",
            part()
        )?;
        writeln!(f, "     DateRegionKey        = HMAC-SHA256(DateKey, \"{}\")", part())?;
        writeln!(f, "     DateRegionServiceKey = HMAC-SHA256(DateRegionKey, \"{}\")", part())?;
        writeln!(
            f,
            "     SigningKey           = HMAC-SHA256(DateRegionServiceKey, \"{}\")",
            part()
        )?;
        write!(f, "     signature            = hex(HMAC-SHA256(SigningKey, string to sign))")
    }
}

impl fmt::Debug for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Explanation(\n{self})")
    }
}

/// More lines than a request can have. Each line is printed with a number and a label, so a text
/// that consists of line breaks would grow to sixty times its size.
const MAX_LINES: usize = 200;

/// Numbered and labelled lines with secret values redacted.
struct Lines<'a> {
    text: &'a str,
    /// Returns the label of a line, given its number (from 0) and the number of lines.
    label: fn(usize, usize) -> &'static str,
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.text.split('\n').count();
        for (number, line) in self.text.split('\n').enumerate().take(MAX_LINES) {
            let label = (self.label)(number, count);
            writeln!(f, "{:>3}  {label:<20} {}", number + 1, redact::Line(line))?;
        }

        match count.checked_sub(MAX_LINES) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(f, "     {more} more lines"),
        }
    }
}

/// `HTTPMethod \n CanonicalURI \n CanonicalQueryString \n CanonicalHeaders \n SignedHeaders \n
/// HashedPayload`, where an empty line follows the headers.
fn canonical_label(number: usize, count: usize) -> &'static str {
    match (number, count.saturating_sub(number)) {
        (0, _) => "HTTPMethod",
        (1, _) => "CanonicalURI",
        (2, _) => "CanonicalQueryString",
        (_, 1) => "HashedPayload",
        (_, 2) => "SignedHeaders",
        (_, 3) => "end of the headers",
        _ => "CanonicalHeaders",
    }
}

fn v4_label(number: usize, _: usize) -> &'static str {
    match number {
        0 => "algorithm",
        1 => "time",
        2 => "scope",
        _ => "hash of task 1",
    }
}

/// `HTTP-Verb \n Content-MD5 \n Content-Type \n Date \n CanonicalizedAmzHeaders
/// CanonicalizedResource`
fn v2_label(number: usize, count: usize) -> &'static str {
    match (number, count.saturating_sub(number)) {
        (0, _) => "HTTP-Verb",
        (1, _) => "Content-MD5",
        (2, _) => "Content-Type",
        (3, _) => "Date or Expires",
        (_, 1) => "resource",
        _ => "amz header",
    }
}
