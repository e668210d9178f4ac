//! HTTP methods for which a URL can be created.
use crate::error::{Error, ErrorKind, Result};
use crate::text::shown;
use std::fmt;
use std::str::FromStr;

/// An HTTP method, as used in [`UrlOptions`](super::UrlOptions).
///
/// ```
/// use s3driver::driver::Method;
///
/// assert_eq!("HEAD".parse::<Method>()?, Method::Head);
/// assert_eq!(Method::Head.to_string(), "HEAD");
/// # Ok::<(), s3driver::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Downloads the file.
    Get,
    /// Requests the size and the type.
    Head,
    /// Uploads a file.
    Put,
    /// Submits data.
    Post,
    /// Changes part of the file.
    Patch,
    /// Removes the file.
    Delete,
    /// Requests the allowed methods.
    Options,
}

impl Method {
    const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Put, Self::Post, Self::Patch, Self::Delete, Self::Options];

    /// Returns the method as written in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Parses a method as written in a request line. HTTP methods are case-sensitive.
///
/// An unknown method is an error of the kind [`ErrorKind::UnsupportedMethod`].
impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or_else(|| {
            Error::new(
                ErrorKind::UnsupportedMethod,
                format!("no driver creates URLs for the method {}", shown(text)),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_parsed_case_sensitively() {
        for method in Method::ALL {
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        }

        for text in ["get", "", "GET ", "TRACE", "CONNECT", "PROPFIND", "G\nET"] {
            let error = text.parse::<Method>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnsupportedMethod, "{text}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
