//! The option names of other registries: those that mean what one of this driver's options means,
//! and those that do not, with the option to use in their place.

use super::kind::{Kind, boolean, refused};
use crate::error::{Error, Result};
use crate::text::{Form, shown_value};
use zeroize::Zeroizing;

/// A name from another registry's configuration, as
/// [`Parameters::aliases`](super::Parameters::aliases) lists it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionAlias {
    /// The name.
    pub name: &'static str,
    /// The registry that has it.
    pub registry: &'static str,
    /// The option of this driver that it sets, or that takes its place; `None` where it means
    /// nothing here.
    pub option: Option<&'static str>,
    /// What becomes of its values, in Markdown without line breaks.
    pub meaning: &'static str,
    #[cfg_attr(
        not(feature = "serde"),
        allow(dead_code, reason = "text has no type to be checked")
    )]
    pub(super) kind: Kind,
    rule: Rule,
}

/// How the value of an alias becomes the value of an option.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// Unchanged.
    Same,
    /// A boolean: the option's value for true and for false; empty for "not given".
    Switch { on: &'static str, off: &'static str },
    /// A word that must be one of these. It sets nothing.
    Expected(&'static [&'static str]),
    /// A number that must be 0. This driver does something else in its place.
    Zero,
}

/// Requests that a walk sends at once with `parallelwalk`: as many as one upload has threads at
/// most.
const PARALLEL_WALK: &str = "16";

const ALIASES: &[OptionAlias] = &[
    OptionAlias {
        name: "pathstyle",
        registry: "GitLab",
        option: Some("forcepathstyle"),
        meaning: "the same values",
        kind: Kind::Boolean,
        rule: Rule::Same,
    },
    OptionAlias {
        name: "parallelwalk",
        registry: "GitLab",
        option: Some("walkconcurrency"),
        meaning: "`true` is 16; the order of walks stays as it is",
        kind: Kind::Boolean,
        rule: Rule::Switch { on: PARALLEL_WALK, off: "" },
    },
    OptionAlias {
        name: "checksum_disabled",
        registry: "GitLab",
        option: Some("checksum"),
        meaning: "`true` is `none`; `false` leaves the default",
        kind: Kind::Boolean,
        rule: Rule::Switch { on: "none", off: "" },
    },
    OptionAlias {
        name: "checksum_algorithm",
        registry: "GitLab",
        option: Some("checksum"),
        meaning: "`CRC32C` and `CRC64NVME` are the same; this driver does not have `CRC32`, `SHA1` and `SHA256`",
        kind: Kind::Word,
        rule: Rule::Same,
    },
    OptionAlias {
        name: "objectownership",
        registry: "GitLab",
        option: Some("objectacl"),
        meaning: "`true` is `none`: no ACL is sent; `false` leaves the default, which is `none` as well",
        kind: Kind::Boolean,
        rule: Rule::Switch { on: "none", off: "" },
    },
    OptionAlias {
        name: "maxrequestspersecond",
        registry: "GitLab",
        option: Some("maxrequests"),
        meaning: "refused, except for 0: this driver bounds the requests in flight, and sends fewer while the server throttles",
        kind: Kind::Integer,
        rule: Rule::Zero,
    },
    OptionAlias {
        name: "multipartcombinesmallpart",
        registry: "Distribution 3.x",
        option: Some("uniformparts"),
        meaning: "the opposite: `false` is `true`; `true` leaves the default",
        kind: Kind::Boolean,
        rule: Rule::Switch { on: "", off: "true" },
    },
    OptionAlias {
        name: "name",
        registry: "zot",
        option: None,
        meaning: "the name of the driver, `s3`; it sets nothing",
        kind: Kind::Word,
        rule: Rule::Expected(&["s3", "s3aws"]),
    },
];

impl OptionAlias {
    pub(super) const ALL: &'static [Self] = ALIASES;

    /// Returns the value of the option; empty when the alias says what the default says.
    pub(super) fn translate(&self, value: Zeroizing<String>) -> Result<Zeroizing<String>> {
        let text = value.trim();
        match self.rule {
            _ if value.is_empty() => Ok(value),
            Rule::Same => Ok(value),
            Rule::Switch { on, off } => {
                let on_or_off = if boolean(self.name, &value)? { on } else { off };
                Ok(Zeroizing::new(on_or_off.to_owned()))
            }
            Rule::Expected(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => {
                Ok(Zeroizing::default())
            }
            Rule::Expected(words) => Err(refused(format!(
                "the {} parameter must be one of {}, {} invalid",
                self.name,
                words.join(", "),
                shown_value(text, Form::Word)
            ))),
            Rule::Zero if text == "0" => Ok(Zeroizing::default()),
            Rule::Zero => Err(refused(format!(
                "the {} parameter has no equivalent in this driver",
                self.name
            ))
            .with_hint("remove it, or bound the requests in flight with maxrequests")),
        }
    }

    /// Adds to an error of the option that this name has set it.
    pub(super) fn explain(&self, error: Error) -> Error {
        match self.option {
            Some(option) if error.hint().is_none() && error.message().contains(option) => {
                error.with_hint(format!("{} is {}'s name for {option}", self.name, self.registry))
            }
            _ => error,
        }
    }
}
