//! A sequence of credential sources.

use super::{
    Container, Context, EnvironmentKeys, Lease, Metadata, SharedFiles, Source, Unavailable,
    WebIdentity,
};
use std::sync::OnceLock;

/// The advice in the error if no source has keys.
const ADVICE: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, give the \
                      machine or container a role, or set the parameters accesskey and secretkey";

/// A source that tries other sources in order until one returns keys. From then on it uses only
/// that source, so that a refresh never changes the identity that signs the requests.
#[derive(Debug)]
pub struct Chain {
    sources: Vec<Box<dyn Source>>,
    /// The index of the source that returned keys.
    selected: OnceLock<usize>,
}

impl Chain {
    /// Creates the default chain: environment, web identity, shared files, container, EC2 metadata.
    /// Outside AWS, with nothing configured, the chain returns an error within three seconds: only
    /// the last source uses the network, and it has a deadline.
    pub fn new(context: &Context) -> Self {
        Self::of(vec![
            Box::new(EnvironmentKeys::new(context)),
            Box::new(WebIdentity::new(context)),
            Box::new(SharedFiles::new(context)),
            Box::new(Container::new(context)),
            Box::new(Metadata::new(context)),
        ])
    }

    /// Creates a chain of the given sources.
    pub fn of(sources: Vec<Box<dyn Source>>) -> Self {
        Self { sources, selected: OnceLock::new() }
    }
}

impl Source for Chain {
    fn name(&self) -> &'static str {
        "the chain"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let described =
            |source: &dyn Source, reason: &Unavailable| format!("{}: {reason}", source.name());
        if let Some(source) = self.selected.get().and_then(|&place| self.sources.get(place)) {
            return source
                .fetch()
                .map_err(|reason| Unavailable::Failed(described(&**source, &reason)));
        }

        let mut reasons = Vec::new();
        for (place, source) in self.sources.iter().enumerate() {
            match source.fetch() {
                Ok(lease) => {
                    // Only one refresh runs at a time. If two did, the first success would
                    // determine the source.
                    self.selected.get_or_init(|| place);
                    return Ok(lease);
                }
                Err(reason @ Unavailable::NotConfigured(_)) => {
                    reasons.push(described(&**source, &reason));
                }
                Err(reason @ Unavailable::Failed(_)) => {
                    // The failure comes first, because the sources before it were merely not
                    // configured.
                    reasons.insert(0, described(&**source, &reason));
                    return Err(Unavailable::Failed(reasons.join("; ")));
                }
            }
        }

        reasons.push(ADVICE.to_owned());
        Err(Unavailable::NotConfigured(reasons.join("; ")))
    }
}
