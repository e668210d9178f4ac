//! Parsing of manifests: their type, references and subject.
use super::failure::{Code, Failure};
use super::names::Digest;
use serde_json::{Map, Value};

/// The largest manifest, as the specification recommends.
pub(super) const MANIFEST_LIMIT: u64 = 4 << 20;
/// The maximum number of descriptors in a manifest. Each is looked up when the manifest is pushed.
const REFERENCES: usize = 1_000;

pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The parts of a manifest that the registry uses.
#[derive(Debug)]
pub(super) struct Manifest {
    /// The media type with which the manifest is served. The layout does not store it, so the
    /// content must determine it.
    pub(super) media_type: &'static str,
    /// The manifests of an index.
    pub(super) manifests: Vec<Digest>,
    /// The configuration and the layers of an image.
    pub(super) blobs: Vec<Digest>,
    /// The layers that may be stored elsewhere.
    pub(super) foreign: Vec<Digest>,
    pub(super) subject: Option<Digest>,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: Option<Map<String, Value>>,
}

impl Manifest {
    pub(super) fn parse(content: &[u8]) -> Result<Self, Failure> {
        let Ok(Value::Object(mut document)) = serde_json::from_slice(content) else {
            return Err(invalid("the manifest is not a JSON object"));
        };
        if document.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
            return Err(invalid("the manifest's schemaVersion is not 2"));
        }
        let media_type = media_type(&document)?;
        let mut parsed = Self {
            media_type,
            manifests: Vec::new(),
            blobs: Vec::new(),
            foreign: Vec::new(),
            subject: document.get("subject").map(digest_of).transpose()?,
            artifact_type: text(document.get("artifactType")),
            annotations: None,
        };
        if parsed.is_index() {
            parsed.manifests =
                list(&document, "manifests")?.iter().map(digest_of).collect::<Result<_, _>>()?;
        } else {
            let config =
                document.get("config").ok_or_else(|| invalid("the manifest has no config"))?;
            parsed.blobs.push(digest_of(config)?);
            for layer in list(&document, "layers")? {
                let digest = digest_of(layer)?;
                if is_foreign(layer) {
                    parsed.foreign.push(digest);
                } else {
                    parsed.blobs.push(digest);
                }
            }
            parsed.artifact_type = parsed.artifact_type.or_else(|| text(config.get("mediaType")));
        }
        if parsed.references().count() > REFERENCES {
            return Err(invalid(format!("the manifest has more than {REFERENCES} descriptors")));
        }
        if let Some(Value::Object(annotations)) = document.remove("annotations") {
            parsed.annotations = Some(annotations);
        }
        Ok(parsed)
    }

    pub(super) fn is_index(&self) -> bool {
        matches!(self.media_type, OCI_INDEX | DOCKER_LIST)
    }

    /// Returns everything that must be kept for as long as the manifest is kept.
    pub(super) fn references(&self) -> impl Iterator<Item = &Digest> {
        self.manifests.iter().chain(&self.blobs).chain(&self.foreign)
    }

    /// Checks the type that a client declared for the manifest. Its parameters are ignored.
    pub(super) fn check_type(&self, declared: &str) -> Result<(), Failure> {
        let declared = declared.split(';').next().unwrap_or_default().trim();
        if declared.is_empty() || declared == self.media_type {
            return Ok(());
        }
        Err(invalid(format!(
            "the content is of the type {}, which is not its Content-Type",
            self.media_type
        )))
    }
}

/// Returns the type that the content states, or, as in Distribution, the OCI type that it
/// resembles.
fn media_type(document: &Map<String, Value>) -> Result<&'static str, Failure> {
    match document.get("mediaType") {
        Some(stated) => [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]
            .into_iter()
            .find(|known| stated == known)
            .ok_or_else(|| invalid("the manifest's mediaType is not supported")),
        None if document.contains_key("manifests") => Ok(OCI_INDEX),
        None => Ok(OCI_MANIFEST),
    }
}

fn list<'a>(document: &'a Map<String, Value>, name: &'static str) -> Result<&'a [Value], Failure> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(invalid(format!("the manifest's {name} are not a list"))),
    }
}

fn digest_of(descriptor: &Value) -> Result<Digest, Failure> {
    let digest =
        descriptor.get("digest").and_then(Value::as_str).and_then(|text| Digest::parse(text).ok());
    digest.ok_or_else(|| invalid("a descriptor of the manifest has no valid digest"))
}

/// Reports whether the content of a layer may be missing from the registry.
fn is_foreign(layer: &Value) -> bool {
    let urls = layer.get("urls").and_then(Value::as_array).is_some_and(|urls| !urls.is_empty());
    let kind = layer.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    urls || kind.contains(".nondistributable.") || kind.contains(".foreign.")
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::ManifestInvalid, message)
}
