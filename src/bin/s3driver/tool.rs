//! The context in which all commands run.
use crate::common::Common;
use crate::failure::{Exit, Failure, Outcome};
use crate::interrupt;
use crate::location::S3Url;
use crate::output::Output;
use crate::progress::Bars;
use crate::settings::Settings;
use s3driver::Cancel;
use s3driver::client::{Client, ObjectSettings};
use s3driver::credentials::Context;
use s3driver::driver::{Parameters, S3Driver};
use s3driver::transfer::Transfer;
use std::num::NonZeroUsize;

/// The settings, the output and the cancellation token of a command.
pub(crate) struct Tool {
    pub(crate) settings: Settings,
    pub(crate) output: Output,
    pub(crate) bars: Bars,
    pub(crate) cancel: Cancel,
    /// Returns the definition of the command line.
    pub(crate) definition: fn() -> clap::Command,
}

/// An open bucket, with its client and driver.
pub(crate) struct Bucket {
    pub(crate) client: Client,
    pub(crate) driver: S3Driver,
    pub(crate) name: String,
    /// The context in which the credentials are looked up.
    pub(crate) context: Context,
    pub(crate) parameters: Parameters,
    /// The headers with which new objects are stored.
    pub(crate) settings: ObjectSettings,
}

impl Tool {
    pub(crate) fn new(common: &Common, definition: fn() -> clap::Command) -> Outcome<Self> {
        Ok(Self {
            settings: Settings::new(common)?,
            output: Output::new(common.json),
            bars: Bars::unless(common.quiet || common.json),
            cancel: interrupt::token()?,
            definition,
        })
    }

    /// Opens the bucket of a location, or the configured one.
    pub(crate) fn bucket(&self, url: Option<&S3Url>) -> Outcome<Bucket> {
        let named = url.map(|url| url.bucket.as_str()).filter(|bucket| !bucket.is_empty());
        let parameters = self.settings.parameters(named)?;
        let (driver, context) = self.settings.open(&parameters)?;
        let driver = driver.with_cancel(&self.cancel);
        let mut settings = ObjectSettings::default().encryption(parameters.encryption.clone());
        (settings.storage_class, settings.acl) = (parameters.storage_class, parameters.acl);
        Ok(Bucket {
            client: driver.client().clone(),
            name: driver.bucket().to_owned(),
            settings,
            driver,
            context,
            parameters,
        })
    }

    /// Fails if the command was interrupted.
    pub(crate) fn check_interrupted(&self) -> Outcome {
        if self.cancel.is_cancelled() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        Ok(())
    }
}

impl Bucket {
    /// Returns a transfer whose number of concurrent parts is the option `concurrency`.
    pub(crate) fn transfer(&self) -> Transfer<'_> {
        self.transfer_with(self.parameters.concurrency)
    }

    pub(crate) fn transfer_with(&self, parts: NonZeroUsize) -> Transfer<'_> {
        Transfer::new(&self.client).part_size(self.parameters.chunk_size).concurrency(parts)
    }

    /// Returns the location of a key of this bucket.
    pub(crate) fn url(&self, key: impl Into<String>) -> S3Url {
        S3Url { bucket: self.name.clone(), key: key.into() }
    }
}
