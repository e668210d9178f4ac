//! Operations on a bucket itself.
use super::Client;
use super::body::Payload;
use super::endpoint::{BucketKind, normalized};
use super::reply::Reader;
use super::request::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::xml;
use std::ops::Deref;
use std::str::FromStr;

/// A bucket's name, checked when it was parsed, or the ARN of an access point: [`BucketKind`] lists
/// the forms. The client's methods accept it as `&str`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketName(String);

impl FromStr for BucketName {
    type Err = Error;

    /// Parses a bucket's name, or an ARN, which is written with slashes as IAM policies need it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], see
    /// [`check_bucket`](super::endpoint::check_bucket).
    fn from_str(name: &str) -> Result<Self> {
        normalized(name).map(Self)
    }
}

impl BucketName {
    /// Returns the kind of bucket that the name stands for on AWS.
    pub fn kind(&self) -> BucketKind {
        BucketKind::of(&self.0).unwrap_or(BucketKind::GeneralPurpose)
    }
}

impl Deref for BucketName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The result of HeadBucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketInfo {
    /// The region of the bucket, if the server returns it.
    pub region: Option<String>,
}

/// Whether the versions of objects in a bucket can be locked against deletion
/// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectLock {
    /// The versions cannot be locked, until
    /// [`Client::put_object_lock_configuration`] enables it.
    #[default]
    Disabled,
    /// The versions can be locked. The bucket stores versions.
    Enabled,
}

/// A request to create a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateBucket {
    /// Whether the versions of objects can be locked.
    pub object_lock: ObjectLock,
}

impl CreateBucket {
    /// Chooses whether the versions of objects can be locked.
    #[must_use]
    pub const fn object_lock(mut self, choice: ObjectLock) -> Self {
        self.object_lock = choice;
        self
    }
}

impl Client {
    /// [HeadBucket]: checks that the bucket exists and is accessible. This inexpensive check
    /// reveals a wrong bucket, secret or region.
    ///
    /// [HeadBucket]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
    pub fn head_bucket(&self, bucket: &str) -> Result<BucketInfo> {
        let call = Call::new("HeadBucket", "HEAD", bucket, "");
        self.run(&call, Payload::Empty, |response, _| {
            Ok(BucketInfo { region: response.header("x-amz-bucket-region").map(str::to_owned) })
        })
    }

    /// [CreateBucket]: creates a general purpose bucket in the endpoint's region.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an access point or a directory bucket.
    ///
    /// [CreateBucket]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
    pub fn create_bucket(&self, bucket: &str, request: &CreateBucket) -> Result<()> {
        let locked = (request.object_lock == ObjectLock::Enabled).then_some("true");
        let call = Call::new("CreateBucket", "PUT", bucket, "")
            .maybe_header("x-amz-bucket-object-lock-enabled", locked);
        let kind = BucketKind::of(bucket).map_err(|error| call.place(error))?;
        if kind != BucketKind::GeneralPurpose {
            return Err(call.refuse(format!("this operation does not create {}", kind.plural())));
        }
        // us-east-1 is the only region that must not be named.
        let region = self.inner.config.endpoint.signing_region();
        let body = if region == "us-east-1" {
            String::new()
        } else {
            xml::create_bucket_configuration(region)
                .map_err(|error| call.refuse(error.to_string()))?
        };
        let payload =
            if body.is_empty() { Payload::Empty } else { Payload::Bytes(body.as_bytes()) };
        match self.run_for_nothing(&call, payload) {
            // Created by an earlier attempt whose response was lost.
            Err(error)
                if error.is_unsettled() && error.code() == Some("BucketAlreadyOwnedByYou") =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// [DeleteBucket]: deletes an empty bucket.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a directory bucket.
    ///
    /// [DeleteBucket]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
    pub fn delete_bucket(&self, bucket: &str) -> Result<()> {
        let call = Call::new("DeleteBucket", "DELETE", bucket, "");
        check_regional(&call)?;
        match self.run_for_nothing(&call, Payload::Empty) {
            Err(error) if error.is_unsettled() && error.kind() == ErrorKind::NoSuchBucket => Ok(()),
            result => result,
        }
    }

    /// [GetBucketLifecycleConfiguration]: returns the rules by which the bucket deletes and moves
    /// objects and aborts unfinished uploads. A bucket without such a configuration has none.
    ///
    /// # Errors
    /// Servers without lifecycle rules respond in many ways, which [`lacks_operation`] recognizes.
    ///
    /// [GetBucketLifecycleConfiguration]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html
    /// [`lacks_operation`]: super::lacks_operation
    pub fn get_bucket_lifecycle_configuration(
        &self,
        bucket: &str,
    ) -> Result<Vec<xml::LifecycleRule>> {
        let call =
            Call::new("GetBucketLifecycleConfiguration", "GET", bucket, "").query("lifecycle", "");
        let reader: Reader<_> = (xml::lifecycle_configuration, xml::MAX_LISTING_BYTES);
        match self.run_for_document(&call, Payload::Empty, reader) {
            Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => Ok(Vec::new()),
            rules => rules,
        }
    }

    /// [GetBucketLocation]: returns the bucket's region. An empty response means `us-east-1`, and
    /// the old name `EU` means `eu-west-1`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a directory bucket.
    ///
    /// [GetBucketLocation]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
    pub fn get_bucket_location(&self, bucket: &str) -> Result<String> {
        let call = Call::new("GetBucketLocation", "GET", bucket, "").query("location", "");
        check_regional(&call)?;
        let location = self.run_for_document(
            &call,
            Payload::Empty,
            (xml::location_constraint, xml::MAX_REPLY_BYTES),
        )?;
        Ok(match location.as_deref() {
            None | Some("") => "us-east-1".to_owned(),
            Some("EU") => "eu-west-1".to_owned(),
            Some(region) => region.to_owned(),
        })
    }
}

/// Rejects an operation on a directory bucket that its zonal endpoint does not have.
fn check_regional(call: &Call<'_>) -> Result<()> {
    match BucketKind::of(call.bucket).map_err(|error| call.place(error))? {
        BucketKind::Directory => Err(call.refuse(
            "this operation on a directory bucket needs the endpoint s3express-control, which is \
             not supported",
        )),
        _ => Ok(()),
    }
}
