//! The reasons why the verification of a request fails.
use crate::sign::explain::{Cause, Comparison, Explanation, ServerSide, compare};
use crate::sign::{Error, Steps, redact};
use std::fmt;

/// The reason why the verification of a request failed. It never contains a secret or the correct
/// signature.
#[derive(Clone)]
pub struct Refusal {
    cause: Cause,
    place: Option<String>,
    /// The steps that the server computed, without the signature.
    computed: Option<Box<Steps>>,
}

impl Refusal {
    pub(super) const fn new(cause: Cause) -> Self {
        Self { cause, place: None, computed: None }
    }

    pub(super) fn at(cause: Cause, place: impl Into<String>) -> Self {
        Self { cause, place: Some(place.into()), computed: None }
    }

    /// Creates a refusal for signatures that differ. It keeps the texts that the server computed,
    /// but not the signature.
    pub(super) fn differs(steps: Steps) -> Self {
        let computed = Some(Box::new(Steps { signature: String::new(), ..steps }));
        Self { cause: Cause::SignatureDiffers, place: None, computed }
    }

    pub(super) fn with_place(self, place: &str) -> Self {
        Self { place: Some(place.to_owned()), ..self }
    }

    /// Returns the cause.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns the header, parameter, field, access key or chunk that caused the refusal, if there
    /// is one.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Returns the texts that the server computed, which go into a `SignatureDoesNotMatch`
    /// document. They are empty unless the signatures differ.
    pub fn server_side(&self) -> ServerSide<'_> {
        let computed = self.computed.as_deref();
        ServerSide {
            canonical_request: computed
                .map(|steps| &*steps.canonical_request)
                .filter(|text| !text.is_empty()),
            string_to_sign: computed.map(|steps| &*steps.string_to_sign),
            ..ServerSide::default()
        }
    }

    /// Returns the steps that the server computed, without the signature.
    pub(in crate::sign) fn into_steps(self) -> Option<Steps> {
        self.computed.map(|steps| *steps)
    }

    /// Compares the texts that the server computed with those that the client signed, and returns
    /// the first difference.
    pub fn compare_with(&self, ours: &Explanation<'_>) -> Comparison {
        compare(ours, &self.server_side())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let cause = match error {
            Error::AmbiguousPlus { .. } => Cause::EncodedOtherwise,
            _ => Cause::Malformed,
        };
        Self::at(cause, error.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}: {}", redact::Line(place), self.cause),
            None => self.cause.fmt(f),
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("cause", &self.cause)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::Version;

    #[test]
    fn a_refusal_drops_the_computed_signature() {
        let steps = Steps {
            version: Version::V4,
            canonical_request: "c".to_owned(),
            string_to_sign: "s".to_owned(),
            signature: "right".to_owned(),
        };

        let refusal = Refusal::differs(steps).with_place("policy");
        assert_eq!(refusal.place(), Some("policy"));
        assert_eq!(refusal.server_side().canonical_request, Some("c"));
        assert_eq!(refusal.into_steps().unwrap().signature, "");
    }
}
