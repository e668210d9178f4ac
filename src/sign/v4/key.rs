//! The signing key, which is the first half of task 3.
use super::{ALGORITHM, Scope, TERMINATOR};
use crate::sign::check::{check_credentials, check_token_service, check_year, is_scope_part};
use crate::sign::hash::{Hex, HmacSha256, hmac_sha256, mac_sha256, sha256};
use crate::sign::{Credentials, Error, Steps, Version};
use crate::time::{AmzDate, Timestamp};
use std::fmt;
use zeroize::Zeroizing;

/// The signing key for one day, region and service, and the access key it was derived from.
/// Deriving it takes four HMACs, so clients should keep it.
#[derive(Clone)]
pub struct SigningKey {
    /// The access key and the session token. The secret key is not kept.
    pub(super) credentials: Credentials,
    /// Allows another secret key to be noticed without keeping this one.
    secret_hash: Zeroizing<[u8; 32]>,
    day: i64,
    region: String,
    pub(super) service: String,
    /// The credential scope, such as `20130524/us-east-1/s3/aws4_request`.
    pub(super) scope: String,
    keyed: HmacSha256,
}

impl SigningKey {
    /// Derives the key: `SigningKey = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region),
    /// service), "aws4_request")`.
    ///
    /// # Errors
    /// [`Error::AccessKey`], [`Error::EmptySecret`], [`Error::SessionToken`],
    /// [`Error::SessionTokenService`], [`Error::Region`], [`Error::Service`] and [`Error::Year`]
    /// for a value that cannot be part of a signature.
    pub fn derive(
        credentials: &Credentials,
        time: Timestamp,
        scope: Scope<'_>,
    ) -> Result<Self, Error> {
        let Scope { region, service } = scope;
        // A comma terminates the credential in the header. A slash may be part of the access key
        // because servers parse the credential from its end.
        check_credentials(credentials, ',')?;
        check_year(time)?;
        if !is_scope_part(region) {
            return Err(Error::Region { region: region.to_owned() });
        }

        if !is_scope_part(service) {
            return Err(Error::Service { service: service.to_owned() });
        }

        check_token_service(credentials, service)?;
        Ok(Self::of_checked(credentials, time, scope))
    }

    /// Derives the key from parts that have already been checked.
    fn of_checked(
        credentials: &Credentials,
        time: Timestamp,
        Scope { region, service }: Scope<'_>,
    ) -> Self {
        let day = time.date();
        let secret = credentials.secret_access_key();
        let mut first = Zeroizing::new(String::with_capacity("AWS4".len() + secret.len()));
        first.push_str("AWS4");
        first.push_str(secret);
        let date_key = Zeroizing::new(mac_sha256(&hmac_sha256(first.as_bytes()), day.as_bytes()));
        let date_region_key =
            Zeroizing::new(mac_sha256(&hmac_sha256(&*date_key), region.as_bytes()));
        let date_region_service_key =
            Zeroizing::new(mac_sha256(&hmac_sha256(&*date_region_key), service.as_bytes()));
        let signing_key = Zeroizing::new(mac_sha256(
            &hmac_sha256(&*date_region_service_key),
            TERMINATOR.as_bytes(),
        ));
        Self {
            credentials: credentials.without_secret(),
            secret_hash: Zeroizing::new(sha256(secret.as_bytes())),
            day: time.day_number(),
            region: region.to_owned(),
            service: service.to_owned(),
            scope: [&*day, region, service, TERMINATOR].join("/"),
            keyed: hmac_sha256(&*signing_key),
        }
    }

    /// Returns the region that the key signs for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns whether the key can sign for this scope on the day of `time`.
    pub fn covers(&self, time: Timestamp, scope: Scope<'_>) -> bool {
        self.day == time.day_number()
            && self.region == scope.region
            && self.service == scope.service
    }

    /// Returns whether this key was derived from these credentials for this day and scope.
    pub fn is_for(&self, credentials: &Credentials, time: Timestamp, scope: Scope<'_>) -> bool {
        self.covers(time, scope)
            && self.credentials.has_same_identity(credentials)
            && *self.secret_hash == sha256(credentials.secret_access_key().as_bytes())
    }

    /// Returns `x-amz-date` if `time` is on the key's day.
    pub(in crate::sign) fn amz_date(&self, time: Timestamp) -> Result<AmzDate, Error> {
        match self.day == time.day_number() {
            true => Ok(time.short_amz_date()),
            false => Err(Error::SigningKeyDay { time }),
        }
    }

    /// Returns the two lines that the string to sign of every chunk contains.
    pub(in crate::sign) fn date_and_scope(&self, time: Timestamp) -> Result<String, Error> {
        Ok([&*self.amz_date(time)?, "\n", &self.scope].concat())
    }

    /// Returns `X-Amz-Credential`: the access key and the scope.
    pub(super) fn credential(&self) -> String {
        [self.credentials.access_key_id(), "/", &self.scope].concat()
    }

    /// Performs tasks 2 and 3: computes `StringToSign = Algorithm \n TimeStamp \n Scope \n
    /// Hex(SHA256Hash(CanonicalRequest))` and its HMAC.
    pub(in crate::sign) fn steps(&self, amz_date: &str, canonical_request: String) -> Steps {
        let hash = Hex::of(&sha256(canonical_request.as_bytes()));
        let mut string_to_sign = String::with_capacity(self.string_to_sign_len());
        self.push_string_to_sign(&mut string_to_sign, amz_date, &hash);
        let signature = self.mac(&string_to_sign).as_str().to_owned();
        Steps { version: Version::V4, canonical_request, string_to_sign, signature }
    }

    /// Appends the string to sign (task 2), given the hash of the canonical request.
    pub(super) fn push_string_to_sign(&self, out: &mut String, amz_date: &str, hash: &Hex) {
        for part in [ALGORITHM, "\n", amz_date, "\n", &self.scope, "\n", hash.as_str()] {
            out.push_str(part);
        }
    }

    /// Returns the length of a string to sign, which is constant for this key.
    fn string_to_sign_len(&self) -> usize {
        ALGORITHM.len() + "\n20130524T000000Z\n".len() + self.scope.len() + "\n".len() + 64
    }

    /// Computes the HMAC of a string to sign (task 3).
    pub(in crate::sign) fn mac(&self, string_to_sign: &str) -> Hex {
        Hex::of(&mac_sha256(&self.keyed, string_to_sign.as_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("access_key_id", &self.credentials.access_key_id())
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
