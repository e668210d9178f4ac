//! The identity of a caller, as AWS's Security Token Service (STS) reports it.

use super::sts::{Refused, Sts, VERSION};
use super::{CallerIdentity, Context, Credentials, Unavailable};
use crate::xml;

/// Requests the account and the ARN to which `keys` belong with
/// [GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html),
/// which needs no permission. The endpoint of STS is chosen as for
/// [`WebIdentity`](super::WebIdentity).
///
/// # Errors
/// The reason, in a sentence without secrets: STS cannot be reached, or it refuses the keys.
pub fn caller_identity(
    context: &Context,
    keys: &Credentials,
) -> Result<CallerIdentity, Unavailable> {
    let form = format!("Action=GetCallerIdentity&Version={VERSION}");
    // A response that cannot be read has its own message, since it should have no keys.
    let read = |body: &[u8]| Ok(xml::caller_identity(body));
    match Sts::new(context).request(&form, Some(keys), read) {
        Ok(read) => read.map_err(|error| {
            Unavailable::Failed(format!("the response of STS cannot be read: {error}"))
        }),
        Err(Refused::Expired(reason) | Refused::Other(reason)) => Err(Unavailable::Failed(reason)),
    }
}
