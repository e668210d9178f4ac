//! Deletions: of one object, and of many in one request.
use super::Client;
use super::body::Payload;
use super::call::Retry;
use super::condition::Condition;
use super::fallback::lacks_operation;
use super::outcome::{Found, Wanted, may_have_happened};
use super::reply::{Reader, Said, error_of, read_what_is_said};
use super::request::{Call, object_call};
use crate::error::{Error, ErrorKind, Result};
use crate::xml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use std::collections::{HashMap, HashSet};

/// The maximum number of keys in one DeleteObjects
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
pub const DELETE_OBJECTS_KEYS: usize = 1000;

/// A request to delete an object. By default, the object is deleted without a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteObject {
    /// The condition that the object must meet: [`Condition::Always`] or [`Condition::IfMatch`].
    pub condition: Condition,
}

impl DeleteObject {
    /// Deletes the object only if it meets `condition`.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }
}

/// The outcome of each key of a DeleteObjects, according to its response.
#[derive(Default)]
struct Fates<'k> {
    /// The keys whose deletion failed temporarily.
    again: Vec<(&'k str, Error)>,
    /// The keys whose deletion failed permanently.
    failed: Vec<(&'k str, Error)>,
    /// The keys that the response does not mention.
    unnamed: Vec<&'k str>,
}

impl Client {
    /// [DeleteObject]: deletes an object. Also succeeds if the object does not exist.
    ///
    /// If no response shows whether the object was deleted, the client looks for it: its absence is
    /// a success. Servers without conditional deletes ignore a condition or refuse the request
    /// (501).
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] if the condition does not hold.
    ///
    /// [DeleteObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
    pub fn delete_object(&self, bucket: &str, key: &str, request: &DeleteObject) -> Result<()> {
        let call = object_call("DeleteObject", "DELETE", bucket, key)?;
        let call = request.condition.apply_to_delete(call)?;
        match self.run_for_nothing(&call, Payload::Empty) {
            // With any other status this is a refusal, and the object still exists.
            Err(error) if error.kind() == ErrorKind::NoSuchKey && error.status() == Some(404) => {
                Ok(())
            }
            Err(error) if may_have_happened(&error) && self.is_gone(bucket, key) => Ok(()),
            result => result,
        }
    }

    /// Returns whether the object at `key` does not exist.
    fn is_gone(&self, bucket: &str, key: &str) -> bool {
        let begun = self.inner.config.clock.instant();
        matches!(self.look(bucket, key, &Wanted::default(), begun), Found::Nothing)
    }

    /// [DeleteObjects]: deletes up to 1,000 keys in one request. `Ok` means that none of them has
    /// an object any more.
    ///
    /// Keys with characters that XML cannot represent are deleted one by one, and so are all keys
    /// on servers that do not support the operation (Google Cloud Storage), however they report
    /// that. If the response does not mention a key, the client looks for the object, and deletes
    /// it separately if it still exists.
    ///
    /// # Errors
    /// If some keys are left: the first failure, with the further ones in [`Error::others`].
    ///
    /// [DeleteObjects]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    pub fn delete_objects(&self, bucket: &str, keys: &[&str]) -> Result<()> {
        if keys.len() > DELETE_OBJECTS_KEYS {
            let call = Call::new("DeleteObjects", "POST", bucket, "");
            return Err(call.refuse(format!("{} keys given, 1,000 are allowed", keys.len())));
        }
        let (in_xml, alone): (Vec<&str>, Vec<&str>) =
            keys.iter().partition(|key| xml::can_carry(key));
        let mut failures =
            if in_xml.is_empty() { Vec::new() } else { self.delete_batch(bucket, &in_xml) };
        failures.extend(
            alone
                .iter()
                .filter_map(|key| self.delete_object(bucket, key, &DeleteObject::default()).err()),
        );
        first_with_others(failures)
    }

    /// Sends one DeleteObjects request, and further ones for the keys whose deletion failed
    /// temporarily. Every key that is not named in the returned failures is gone.
    fn delete_batch(&self, bucket: &str, keys: &[&str]) -> Vec<Error> {
        let call = Call::new("DeleteObjects", "POST", bucket, "");
        let (mut left, mut failures, mut rounds) = (keys.to_vec(), Vec::new(), 0);
        loop {
            rounds += 1;
            let Fates { again, failed, unnamed } = match self.delete_once(bucket, &left) {
                Ok(fates) => fates,
                Err(error) if lacks_operation(&error) => {
                    failures.extend(self.delete_each(bucket, &left, error));
                    return failures;
                }
                Err(error) => {
                    failures.insert(0, error);
                    return failures;
                }
            };
            let named = |(key, error)| call.place(error).with_key(key).with_attempts(rounds);
            failures.extend(failed.into_iter().map(named));
            let still_there = unnamed.into_iter().filter(|key| !self.is_gone(bucket, key));
            failures.extend(
                still_there.filter_map(|key| {
                    self.delete_object(bucket, key, &DeleteObject::default()).err()
                }),
            );
            let Some((_, cause)) = again.first() else { return failures };
            let waited = if rounds < self.inner.config.retry.max_attempts {
                self.pause(rounds, cause)
            } else {
                Ok(Retry::BudgetSpent)
            };
            match waited {
                Ok(Retry::Due) => left = again.into_iter().map(|(key, _)| key).collect(),
                ended => {
                    failures.extend(ended.err().map(|error| call.place(error)));
                    failures.extend(again.into_iter().map(named));
                    return failures;
                }
            }
        }
    }

    /// Deletes keys one by one after a server without DeleteObjects has `refused` them. If the
    /// first key is refused too, the operation was not the reason.
    fn delete_each(&self, bucket: &str, keys: &[&str], refused: Error) -> Vec<Error> {
        let mut failures = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let Err(error) = self.delete_object(bucket, key, &DeleteObject::default()) else {
                if index == 0 {
                    self.notice_fallback(bucket, "DeleteObjects", "DeleteObject");
                }
                continue;
            };
            if index == 0 && lacks_operation(&error) {
                return vec![refused.with_others(vec![error])];
            }
            failures.push(error);
        }
        failures
    }

    fn delete_once<'k>(&self, bucket: &str, keys: &[&'k str]) -> Result<Fates<'k>> {
        let call = Call::new("DeleteObjects", "POST", bucket, "").query("delete", "");
        let body = xml::delete(keys, xml::DeleteMode::Verbose)
            .map_err(|error| call.refuse(error.to_string()))?;
        // AWS requires a digest of this body, and SigV2 and older servers only support this one.
        let call = call
            .header("content-type", "application/xml")
            .header("content-md5", BASE64.encode(Md5::digest(body.as_bytes())));
        let reader: Reader<xml::DeleteResult> = (xml::delete_result, xml::MAX_LISTING_BYTES);
        let said = self.run(&call, Payload::Bytes(body.as_bytes()), |response, deadline| {
            read_what_is_said(response, deadline, &call, reader)
        })?;
        Ok(match said {
            Said::Result(result) => fates(&call, keys, &result),
            Said::Nothing(_) => Fates { unnamed: keys.to_vec(), ..Fates::default() },
        })
    }
}

/// Determines the outcome of each of the `keys` from a response.
fn fates<'k>(call: &Call<'_>, keys: &[&'k str], result: &xml::DeleteResult) -> Fates<'k> {
    let mut fates = Fates::default();
    // The usual case: every key, in the order of the request.
    if result.errors.is_empty() && result.deleted == keys {
        return fates;
    }
    let gone: HashSet<&str> = result.deleted.iter().map(String::as_str).collect();
    let failed: HashMap<&str, &xml::DeleteError> =
        result.errors.iter().map(|error| (error.key.as_str(), error)).collect();
    for key in keys {
        let Some(error) = failed.get(key) else {
            if !gone.contains(key) {
                fates.unnamed.push(key);
            }
            continue;
        };
        let (code, message) = (error.code.clone(), error.message.clone());
        let document = xml::ErrorDocument { code, message, ..Default::default() };
        let error = error_of(200, &document, call, b"");
        match error.kind() {
            ErrorKind::NoSuchKey => {}
            ErrorKind::Server | ErrorKind::Throttled => fates.again.push((key, error)),
            _ => fates.failed.push((key, error)),
        }
    }
    fates
}

/// Returns the first failure, with the others attached to it.
fn first_with_others(failures: Vec<Error>) -> Result<()> {
    let mut failures = failures.into_iter();
    match failures.next() {
        None => Ok(()),
        Some(first) => Err(first.with_others(failures.collect())),
    }
}
