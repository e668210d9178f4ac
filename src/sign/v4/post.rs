//! Signing of forms for browser uploads
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html>).
use super::{ALGORITHM, SigningKey};
use crate::sign::check::check_policy;
use crate::sign::{Error, PostForm, PostPolicy};
use crate::time::Timestamp;

impl SigningKey {
    /// Returns the form fields for an upload under `policy`, as [`post_policy`](super::post_policy)
    /// does.
    ///
    /// # Errors
    /// The errors of [`post_policy`](super::post_policy), and [`Error::SigningKeyDay`] if the key
    /// belongs to a different day.
    pub fn post_policy(&self, policy: &PostPolicy, time: Timestamp) -> Result<PostForm, Error> {
        policy.check()?;
        let fields = self.form_fields(time)?;
        let policy =
            fields.iter().fold(policy.clone(), |policy, (name, value)| policy.equals(name, value));
        Ok(self.form(policy.to_base64(), fields))
    }

    /// Returns the form fields for a finished policy document, as
    /// [`sign_post_policy`](super::sign_post_policy) does.
    ///
    /// # Errors
    /// The errors of [`sign_post_policy`](super::sign_post_policy), and [`Error::SigningKeyDay`] if
    /// the key belongs to a different day.
    pub fn sign_post_policy(&self, policy: &str, time: Timestamp) -> Result<PostForm, Error> {
        check_policy(policy)?;
        Ok(self.form(policy.to_owned(), self.form_fields(time)?))
    }

    /// Returns the fields of the signature for which the policy needs a condition.
    fn form_fields(&self, time: Timestamp) -> Result<Vec<(&'static str, String)>, Error> {
        let mut fields = vec![
            ("x-amz-algorithm", ALGORITHM.to_owned()),
            ("x-amz-credential", self.credential()),
            ("x-amz-date", (*self.amz_date(time)?).to_owned()),
        ];
        fields
            .extend(self.credentials.token_header().map(|(name, token)| (name, token.to_owned())));
        Ok(fields)
    }

    /// Returns the form, whose string to sign is the policy.
    fn form(&self, policy: String, mut fields: Vec<(&'static str, String)>) -> PostForm {
        let signature = self.mac(&policy).as_str().to_owned();
        fields.insert(0, ("policy", policy.clone()));
        fields.push(("x-amz-signature", signature.clone()));
        PostForm { string_to_sign: policy, signature, fields }
    }
}
