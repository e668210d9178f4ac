//! Deletions: of one object, and of many in one request.
use super::Client;
use super::body::Payload;
use super::call::Retry;
use super::condition::Condition;
use super::fallback::lacks_operation;
use super::lock::GovernanceMode;
use super::outcome::may_have_happened;
use super::reply::{Reader, Said, error_of, expect_nothing, read_what_is_said};
use super::request::{Call, object_call, version_of};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::Response;
use crate::xml::{self, DeletedObject, ObjectIdentifier};
use std::collections::HashMap;

/// The maximum number of keys in one DeleteObjects
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
pub const DELETE_OBJECTS_KEYS: usize = xml::MAX_DELETE_KEYS;

/// A request to delete an object. By default, the current object is deleted without a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteObject {
    /// The version to delete, for which S3 requires the permission `s3:DeleteObjectVersion`. `None`
    /// deletes the object, which leaves a delete marker in a bucket with versions.
    pub version_id: Option<String>,
    /// The condition that the object must meet: [`Condition::Always`] or [`Condition::IfMatch`].
    pub condition: Condition,
    /// Whether a version that is retained in governance mode may be deleted.
    pub governance: GovernanceMode,
}

impl DeleteObject {
    /// Deletes this version of the object.
    #[must_use]
    pub fn version_id(mut self, version: impl Into<String>) -> Self {
        self.version_id = Some(version.into());
        self
    }

    /// Deletes the object only if it meets `condition`.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Chooses whether a version that is retained in governance mode may be deleted.
    #[must_use]
    pub const fn governance(mut self, mode: GovernanceMode) -> Self {
        self.governance = mode;
        self
    }

    /// Returns the request for one object of a batch.
    fn of(object: ObjectIdentifier<'_>) -> Self {
        let etag = object.etag.map(|etag| etag.trim_matches('"').to_owned());
        Self {
            version_id: object.version_id.map(str::to_owned),
            condition: etag.map_or(Condition::Always, Condition::IfMatch),
            governance: GovernanceMode::Enforced,
        }
    }
}

/// The outcome of each object of a DeleteObjects, according to its response.
#[derive(Default)]
struct Fates<'k> {
    deleted: Vec<DeletedObject>,
    /// The objects whose deletion failed temporarily.
    again: Vec<(ObjectIdentifier<'k>, Error)>,
    /// The objects whose deletion failed permanently.
    failed: Vec<(ObjectIdentifier<'k>, Error)>,
    /// The objects that the response does not mention.
    unnamed: Vec<ObjectIdentifier<'k>>,
}

/// The deleted objects and the failures of a batch.
#[derive(Default)]
struct Outcomes {
    deleted: Vec<DeletedObject>,
    failures: Vec<Error>,
}

impl Outcomes {
    fn add(&mut self, outcome: Result<DeletedObject>) {
        match outcome {
            Ok(deleted) => self.deleted.push(deleted),
            Err(error) => self.failures.push(error),
        }
    }

    /// Returns the first failure, with the others attached to it.
    fn into_result(self) -> Result<Vec<DeletedObject>> {
        let mut failures = self.failures.into_iter();
        match failures.next() {
            None => Ok(self.deleted),
            Some(first) => Err(first.with_others(failures.collect())),
        }
    }
}

impl Client {
    /// [DeleteObject]: deletes an object, or one of its versions. Also succeeds if that does not
    /// exist.
    ///
    /// If no response shows whether the object was deleted, the client looks for it: its absence is
    /// a success, and the result has no version then. Servers without conditional deletes ignore a
    /// condition or refuse the request (501).
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] if the condition does not hold.
    ///
    /// [DeleteObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
    pub fn delete_object(
        &self,
        bucket: &str,
        key: &str,
        request: &DeleteObject,
    ) -> Result<DeletedObject> {
        let version_id = request.version_id.as_deref();
        let call = version_of(object_call("DeleteObject", "DELETE", bucket, key)?, version_id)?;
        let call = request.governance.apply_to(request.condition.apply_to_delete(call)?);
        let deleted = self.run(&call, Payload::Empty, |response, deadline| {
            let deleted = deleted_by(&response, key, version_id);
            expect_nothing(response, deadline, &call)?;
            Ok(deleted)
        });
        match deleted {
            // With any other status this is a refusal, and the object still exists.
            Err(error) if error.kind() == ErrorKind::NoSuchKey && error.status() == Some(404) => {
                Ok(DeletedObject::new(key))
            }
            Err(error) if may_have_happened(&error) && self.is_gone(bucket, key, version_id) => {
                Ok(DeletedObject::new(key))
            }
            result => result,
        }
    }

    /// Returns whether the object at `key`, or this version of it, does not exist.
    fn is_gone(&self, bucket: &str, key: &str, version_id: Option<&str>) -> bool {
        let head = object_call("HeadObject", "HEAD", bucket, key)
            .and_then(|call| version_of(call, version_id))
            .and_then(|call| self.head(&call, |_, _| ()));
        head.is_err_and(|error| error.kind() == ErrorKind::NoSuchKey)
    }

    /// [DeleteObjects]: deletes up to 1,000 objects, or versions of objects, in one request. `Ok`
    /// means that none of them exists any more, and lists them in any order.
    ///
    /// Keys with characters that XML cannot represent are deleted one by one, and so are all keys
    /// on servers that do not support the operation (Google Cloud Storage), however they report
    /// that. If the response does not mention an object, the client looks for it, and deletes it
    /// separately if it still exists.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, ObjectIdentifier};
    ///
    /// let client = Client::from_env()?;
    /// client.delete_objects("bucket", &["a", "b"])?;
    /// client.delete_objects("bucket", &[ObjectIdentifier::new("a").version_id("null")])?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// If some objects are left: the first failure, with the further ones in [`Error::others`]. The
    /// failure of a condition is [`ErrorKind::PreconditionFailed`].
    ///
    /// [DeleteObjects]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    pub fn delete_objects<'k, T>(&self, bucket: &str, objects: &[T]) -> Result<Vec<DeletedObject>>
    where
        T: Copy + Into<ObjectIdentifier<'k>>,
    {
        if objects.len() > DELETE_OBJECTS_KEYS {
            let call = Call::new("DeleteObjects", "POST", bucket, "");
            return Err(call.refuse(format!(
                "{} keys were given, and one request deletes at most {DELETE_OBJECTS_KEYS}: split \
                 them",
                objects.len()
            )));
        }
        let (in_xml, alone): (Vec<ObjectIdentifier<'k>>, Vec<_>) =
            objects.iter().copied().map(T::into).partition(|object| xml::can_carry(object.key));
        let mut outcomes =
            if in_xml.is_empty() { Outcomes::default() } else { self.delete_batch(bucket, in_xml) };
        for object in alone {
            outcomes.add(self.delete_alone(bucket, object));
        }
        outcomes.into_result()
    }

    /// Deletes an object of a batch with its own request.
    fn delete_alone(&self, bucket: &str, object: ObjectIdentifier<'_>) -> Result<DeletedObject> {
        self.delete_object(bucket, object.key, &DeleteObject::of(object))
    }

    /// Sends one DeleteObjects request, and further ones for the objects whose deletion failed
    /// temporarily. Every object that is not named in the returned failures is gone.
    fn delete_batch(&self, bucket: &str, mut left: Vec<ObjectIdentifier<'_>>) -> Outcomes {
        let call = Call::new("DeleteObjects", "POST", bucket, "");
        let (mut outcomes, mut rounds) = (Outcomes::default(), 0);
        loop {
            rounds += 1;
            let fates = match self.delete_once(bucket, &left) {
                Ok(fates) => fates,
                Err(error) if lacks_operation(&error) => {
                    self.delete_each(bucket, &left, error, &mut outcomes);
                    return outcomes;
                }
                Err(error) => {
                    outcomes.failures.insert(0, error);
                    return outcomes;
                }
            };
            let Fates { deleted, again, failed, unnamed } = fates;
            outcomes.deleted.extend(deleted);
            let named = |(object, error): (ObjectIdentifier<'_>, Error)| {
                call.place(error).with_key(object.key).with_attempts(rounds)
            };
            outcomes.failures.extend(failed.into_iter().map(named));
            for object in unnamed {
                outcomes.add(if self.is_gone(bucket, object.key, object.version_id) {
                    Ok(DeletedObject::new(object.key))
                } else {
                    self.delete_alone(bucket, object)
                });
            }
            let Some((_, cause)) = again.first() else { return outcomes };
            let waited = if rounds < self.inner.config.retry.max_attempts {
                self.pause(rounds, cause)
            } else {
                Ok(Retry::BudgetSpent)
            };
            match waited {
                Ok(Retry::Due) => left = again.into_iter().map(|(object, _)| object).collect(),
                ended => {
                    outcomes.failures.extend(ended.err().map(|error| call.place(error)));
                    outcomes.failures.extend(again.into_iter().map(named));
                    return outcomes;
                }
            }
        }
    }

    /// Deletes objects one by one after a server without DeleteObjects has `refused` them. If the
    /// first one is refused too, the operation was not the reason.
    fn delete_each(
        &self,
        bucket: &str,
        objects: &[ObjectIdentifier<'_>],
        refused: Error,
        outcomes: &mut Outcomes,
    ) {
        for (index, object) in objects.iter().enumerate() {
            let outcome = self.delete_alone(bucket, *object);
            match &outcome {
                Ok(_) if index == 0 => {
                    self.notice_fallback(bucket, "DeleteObjects", "DeleteObject");
                }
                Err(error) if index == 0 && lacks_operation(error) => {
                    let also = outcome.err().into_iter().collect();
                    outcomes.failures.push(refused.with_others(also));
                    return;
                }
                _ => {}
            }
            outcomes.add(outcome);
        }
    }

    fn delete_once<'k>(&self, bucket: &str, objects: &[ObjectIdentifier<'k>]) -> Result<Fates<'k>> {
        let call = Call::new("DeleteObjects", "POST", bucket, "").query("delete", "");
        let body = xml::delete(objects, xml::DeleteMode::Verbose)
            .map_err(|error| call.refuse(error.to_string()))?;
        let call = call.with_document(&body);
        let reader: Reader<xml::DeleteResult> = (xml::delete_result, xml::MAX_LISTING_BYTES);
        let said = self.run(&call, Payload::Bytes(body.as_bytes()), |response, deadline| {
            read_what_is_said(response, deadline, &call, reader)
        })?;
        Ok(match said {
            Said::Result(result) => fates(&call, objects, result),
            Said::Nothing(_) => Fates { unnamed: objects.to_vec(), ..Fates::default() },
        })
    }
}

/// Returns the result in the headers of the response to a DeleteObject.
fn deleted_by(response: &Response, key: &str, requested: Option<&str>) -> DeletedObject {
    let named = response.header("x-amz-version-id").map(str::to_owned);
    let delete_marker = response
        .header("x-amz-delete-marker")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut deleted = DeletedObject::new(key);
    deleted.version_id = requested.map(str::to_owned);
    deleted.delete_marker = delete_marker;
    deleted.delete_marker_version_id = named.filter(|_| delete_marker);
    deleted
}

/// Determines the outcome of each of the `objects` from a response.
fn fates<'k>(
    call: &Call<'_>,
    objects: &[ObjectIdentifier<'k>],
    result: xml::DeleteResult,
) -> Fates<'k> {
    let same = |(object, deleted): (&ObjectIdentifier<'_>, &DeletedObject)| {
        object.key == deleted.key && object.version_id == deleted.version_id.as_deref()
    };
    // The usual case: every object, in the order of the request.
    if result.errors.is_empty()
        && result.deleted.len() == objects.len()
        && objects.iter().zip(&result.deleted).all(same)
    {
        return Fates { deleted: result.deleted, ..Fates::default() };
    }
    let mut fates = Fates::default();
    let gone: HashMap<(&str, Option<&str>), &DeletedObject> = result
        .deleted
        .iter()
        .map(|deleted| ((deleted.key.as_str(), deleted.version_id.as_deref()), deleted))
        .collect();
    let failed: HashMap<(&str, Option<&str>), &xml::DeleteError> = result
        .errors
        .iter()
        .map(|error| ((error.key.as_str(), error.version_id.as_deref()), error))
        .collect();
    for object in objects {
        let name = (object.key, object.version_id);
        // A server that does not repeat the version may mean any that it does not name as deleted.
        let unversioned = || failed.get(&(object.key, None)).filter(|_| !gone.contains_key(&name));
        let Some(error) = failed.get(&name).or_else(unversioned) else {
            match gone.get(&name) {
                Some(deleted) => fates.deleted.push((*deleted).clone()),
                None => fates.unnamed.push(*object),
            }
            continue;
        };
        let (code, message) = (error.code.clone(), error.message.clone());
        let document = xml::ErrorDocument { code, message, ..Default::default() };
        let error = error_of(200, &document, call, b"");
        match error.kind() {
            ErrorKind::NoSuchKey => fates.deleted.push(DeletedObject::new(object.key)),
            // Its status is 404, which an entry of this document does not have.
            _ if error.code() == Some("NoSuchVersion") => {
                fates.deleted.push(DeletedObject::new(object.key));
            }
            ErrorKind::Server | ErrorKind::Throttled => fates.again.push((*object, error)),
            _ => fates.failed.push((*object, error)),
        }
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_and_a_condition_can_be_combined() {
        let condition = Condition::IfMatch("etag".to_owned());
        let request = DeleteObject::default().version_id("v1").condition(condition.clone());
        assert_eq!((request.version_id.as_deref(), request.condition), (Some("v1"), condition));
    }

    #[test]
    fn an_error_without_a_version_does_not_concern_a_version_that_was_deleted() {
        let body = "<DeleteResult><Deleted><Key>a</Key><VersionId>v1</VersionId></Deleted>\
                    <Error><Key>a</Key><Code>AccessDenied</Code></Error>\
                    <Error><Key>b</Key><VersionId>v1</VersionId><Code>NoSuchVersion</Code></Error>\
                    <Error><Key>c</Key><Code>AccessDenied</Code></Error></DeleteResult>";
        let result = xml::delete_result(body.as_bytes()).unwrap();
        let objects = [
            ObjectIdentifier::from("a"),
            ObjectIdentifier::from("a").version_id("v1"),
            ObjectIdentifier::from("b").version_id("v1"),
            ObjectIdentifier::from("c").version_id("v1"),
            ObjectIdentifier::from("d"),
        ];
        let call = Call::new("DeleteObjects", "POST", "bucket", "");
        let fates = fates(&call, &objects, result);
        let keys = |objects: &[ObjectIdentifier<'_>]| {
            objects.iter().map(|object| object.key.to_owned()).collect::<Vec<_>>()
        };
        let deleted: Vec<_> = fates.deleted.iter().map(|deleted| &*deleted.key).collect();
        assert_eq!(deleted, ["a", "b"]);
        let failed: Vec<_> = fates.failed.iter().map(|(object, _)| *object).collect();
        assert_eq!(keys(&failed), ["a", "c"]);
        assert_eq!((failed[0].version_id, failed[1].version_id), (None, Some("v1")));
        assert_eq!(keys(&fates.unnamed), ["d"]);
        assert!(fates.again.is_empty());
    }
}
