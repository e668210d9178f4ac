//! The sources one after another.

use super::{
    Container, Context, EnvironmentKeys, Lease, Metadata, SharedFiles, Source, Unavailable,
    WebIdentity,
};
use std::sync::OnceLock;

/// What to do when no source has keys.
const ADVICE: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, give the \
                      machine or container a role, or configure accesskey and secretkey";

/// Asks sources in order until one has keys, and from then on only that one: a refresh never changes who the requests
/// are made as.
#[derive(Debug)]
pub struct Chain {
    sources: Vec<Box<dyn Source>>,
    /// The place of the source that answered.
    answered: OnceLock<usize>,
}

impl Chain {
    /// The default chain: environment, web identity, shared files, container, EC2 metadata. Outside AWS, with nothing
    /// set, it gives up within three seconds: only the last step asks the network, and it has a deadline.
    pub fn new(context: &Context) -> Self {
        Self::of(vec![
            Box::new(EnvironmentKeys::new(context)),
            Box::new(WebIdentity::new(context)),
            Box::new(SharedFiles::new(context)),
            Box::new(Container::new(context)),
            Box::new(Metadata::new(context)),
        ])
    }

    /// A chain of your own.
    pub fn of(sources: Vec<Box<dyn Source>>) -> Self {
        Self { sources, answered: OnceLock::new() }
    }
}

impl Source for Chain {
    fn name(&self) -> &'static str {
        "the chain"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let told =
            |source: &dyn Source, reason: &Unavailable| format!("{}: {reason}", source.name());
        if let Some(source) = self.answered.get().and_then(|&place| self.sources.get(place)) {
            return source.fetch().map_err(|reason| Unavailable::Failed(told(&**source, &reason)));
        }
        let mut reasons = Vec::new();
        for (place, source) in self.sources.iter().enumerate() {
            match source.fetch() {
                Ok(lease) => {
                    // Only one refresh runs at a time; were there two, the first to answer counts.
                    self.answered.get_or_init(|| place);
                    return Ok(lease);
                }
                Err(reason @ Unavailable::NotConfigured(_)) => {
                    reasons.push(told(&**source, &reason))
                }
                Err(reason @ Unavailable::Failed(_)) => {
                    // The failure comes first: the steps before it were merely not set up.
                    reasons.insert(0, told(&**source, &reason));
                    return Err(Unavailable::Failed(reasons.join("; ")));
                }
            }
        }
        reasons.push(ADVICE.to_owned());
        Err(Unavailable::NotConfigured(reasons.join("; ")))
    }
}
