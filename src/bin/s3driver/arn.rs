//! The resources that IAM policies name.
use crate::tool::Bucket;
use s3driver::client::BucketKind;

/// The resources of a registry's bucket and root directory.
pub(crate) struct Arns<'a> {
    bucket: &'a Bucket,
}

impl<'a> Arns<'a> {
    pub(crate) const fn of(bucket: &'a Bucket) -> Self {
        Self { bucket }
    }

    /// Returns the resource of the bucket itself, or of the access point for it.
    pub(crate) fn bucket(&self) -> String {
        match self.bucket.parameters.bucket.kind() {
            BucketKind::GeneralPurpose => {
                format!("arn:{}:s3:::{}", self.partition(), self.bucket.name)
            }
            _ => self.bucket.name.clone(),
        }
    }

    /// Returns the resource of the registry's objects.
    pub(crate) fn objects(&self) -> String {
        let objects = match self.bucket.parameters.bucket.kind() {
            BucketKind::GeneralPurpose => self.bucket(),
            _ => format!("{}/object", self.bucket()),
        };
        match &*self.bucket.parameters.root_directory {
            "" => format!("{objects}/*"),
            root => format!("{objects}/{root}/*"),
        }
    }

    /// Returns the resource of a KMS key. An id without a region and an account names a key in the
    /// bucket's region and in any account.
    pub(crate) fn key(&self, id: &str) -> String {
        if id.starts_with("arn:") {
            return id.to_owned();
        }
        let kind = if id.starts_with("alias/") { "" } else { "key/" };
        let region = self.bucket.parameters.endpoint.signing_region();
        format!("arn:{}:kms:{region}:*:{kind}{id}", self.partition())
    }

    fn partition(&self) -> &'static str {
        let region = self.bucket.parameters.endpoint.signing_region();
        if region.starts_with("cn-") {
            "aws-cn"
        } else if region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }
}
