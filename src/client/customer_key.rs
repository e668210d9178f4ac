//! Keys of the customer (SSE-C): the server encrypts with a key that each request contains, and
//! does not store it.
use super::endpoint::Scheme;
use super::request::Call;
use crate::error::{Error, ErrorKind, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The headers of a key: the algorithm, the key in base64, and its MD5 in base64.
type Names = [&'static str; 3];

const OF_OBJECT: Names = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];

const OF_SOURCE: Names = [
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
];

/// A key with which the server encrypts objects, and which it does not store
/// ([SSE-C](https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html)).
///
/// [`Client::with_customer_key`](super::Client::with_customer_key) stores and reads objects with a
/// key. The key is sent over https only, and never to another host that a `Location` names. It is not
/// shown in errors, events or `Debug`, and is wiped when its last clone is dropped.
#[derive(Clone)]
pub struct CustomerKey(Arc<Encoded>);

/// The key and its MD5, in base64.
struct Encoded {
    key: Zeroizing<String>,
    md5: String,
}

impl CustomerKey {
    /// Creates a key for AES-256. Its bytes should be random.
    pub fn new(key: &[u8; 32]) -> Self {
        let md5 = BASE64.encode(Md5::digest(key));
        Self(Arc::new(Encoded { key: Zeroizing::new(BASE64.encode(key)), md5 }))
    }

    /// Adds the key for the object that is stored or read.
    pub(super) fn apply_to_object<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        self.apply_to(call, OF_OBJECT)
    }

    /// Adds the key for the source of a copy.
    pub(super) fn apply_to_source<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        self.apply_to(call, OF_SOURCE)
    }

    fn apply_to<'a>(&'a self, mut call: Call<'a>, [algorithm, key, md5]: Names) -> Call<'a> {
        let values = [(algorithm, "AES256"), (key, &self.0.key), (md5, &self.0.md5)];
        let pair = |(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value));
        call.headers.extend(values.map(pair));
        call
    }
}

impl PartialEq for CustomerKey {
    fn eq(&self, other: &Self) -> bool {
        *self.0.key == *other.0.key
    }
}

impl Eq for CustomerKey {}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(<redacted>)")
    }
}

impl<'a> Call<'a> {
    /// Returns the keys of a customer among the headers.
    pub(super) fn customer_keys(&self) -> impl Iterator<Item = &str> {
        let is_key = |name: &str| name == OF_OBJECT[1] || name == OF_SOURCE[1];
        self.headers.iter().filter(move |(name, _)| is_key(name)).map(|(_, value)| &**value)
    }

    /// Returns the headers with the key of the object, for another request about it.
    pub(super) fn object_key_headers(&self) -> impl Iterator<Item = super::request::Pair<'a>> {
        let headers = self.headers.iter().filter(|(name, _)| OF_OBJECT.contains(&&**name));
        headers.cloned()
    }

    /// Checks that a key of a customer is not sent in plain text.
    pub(super) fn check_scheme(&self, scheme: Scheme) -> Result<()> {
        if scheme == Scheme::Https || self.customer_keys().next().is_none() {
            return Ok(());
        }
        let text = "a key of the customer (SSE-C) is not sent over http";
        Err(Error::new(ErrorKind::InvalidArgument, text).with_hint("use an endpoint with https"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_with_its_digest_and_not_shown() {
        let key = CustomerKey::new(&[0xA5; 32]);
        let call = key.apply_to_source(Call::new("CopyObject", "PUT", "bucket", "key"));
        let values: Vec<_> = call.headers.iter().map(|(_, value)| &**value).collect();
        let digest = BASE64.encode(Md5::digest([0xA5; 32]));
        assert_eq!(values, ["AES256", &*BASE64.encode([0xA5; 32]), &*digest]);
        assert_eq!(format!("{key:?}"), "CustomerKey(<redacted>)");
        assert_eq!(key, CustomerKey::new(&[0xA5; 32]));
        assert_ne!(key, CustomerKey::new(&[0xA6; 32]));
        assert!(call.check_scheme(Scheme::Https).is_ok());
        assert!(call.check_scheme(Scheme::Http).is_err());
    }
}
