//! The option names of other registries: those with an equivalent among this driver's options, and
//! those without one, with the option to use instead.

use super::kind::{Kind, boolean, config_error};
use crate::error::{Error, Result};
use crate::text::{Form, shown_value};
use zeroize::Zeroizing;

/// An option name of another registry, as [`Parameters::aliases`](super::Parameters::aliases) lists
/// it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionAlias {
    /// The name.
    pub name: &'static str,
    /// The registry that uses the name.
    pub registry: &'static str,
    /// The option of this driver that the name sets or that replaces it, or `None` if the name has
    /// no effect.
    pub option: Option<&'static str>,
    /// The meaning of its values, in Markdown without line breaks.
    pub meaning: &'static str,
    #[cfg_attr(
        not(feature = "serde"),
        allow(dead_code, reason = "text has no type to be checked")
    )]
    pub(super) kind: Kind,
    rule: Rule,
}

/// How the value of an alias is converted into the value of an option.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// The value is not changed.
    Unchanged,
    /// A boolean, with the option's value for true and for false. An empty value means "not given".
    Switch { on: &'static str, off: &'static str },
    /// A word that must be one of these. It has no effect.
    Expected(&'static [&'static str]),
    /// A number that must be 0, because this driver works differently.
    Zero,
    /// Any value is an error with this hint.
    Refused(&'static str),
}

/// The number of concurrent requests of a walk with `parallelwalk: true`.
const PARALLEL_WALK: &str = "16";

const ALIASES: &[OptionAlias] = &[
    OptionAlias {
        name: "pathstyle",
        registry: "GitLab",
        option: Some("forcepathstyle"),
        meaning: "the same values",
        kind: Kind::Boolean,
        rule: Rule::Unchanged,
    },
    OptionAlias {
        name: "parallelwalk",
        registry: "GitLab",
        option: Some("walkconcurrency"),
        meaning: "`true` is 16; the order of walks does not change",
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
        meaning: "the same words; the CRC of an object that is stored in parts covers all of its \
                  bytes",
        kind: Kind::Word,
        rule: Rule::Unchanged,
    },
    OptionAlias {
        name: "objectownership",
        registry: "GitLab",
        option: Some("objectacl"),
        meaning: "`true` is `none`: no ACL is sent; `false` leaves the default, which is `none` \
                  as well",
        kind: Kind::Boolean,
        rule: Rule::Switch { on: "none", off: "" },
    },
    OptionAlias {
        name: "maxrequestspersecond",
        registry: "GitLab",
        option: Some("maxrequests"),
        meaning: "only 0 is accepted: this driver limits the requests in flight instead, and \
                  sends fewer while the server throttles",
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
        name: "virtualhostedstyle",
        registry: "OpenShift",
        option: Some("forcepathstyle"),
        meaning: "the opposite: `true` is `false`; `false` leaves the default, which is the path \
                  with `regionendpoint`",
        kind: Kind::Boolean,
        rule: Rule::Switch { on: "false", off: "" },
    },
    OptionAlias {
        name: "credentialsconfigpath",
        registry: "OpenShift",
        option: None,
        meaning: "an error: set the environment variable `AWS_CONFIG_FILE` to the path",
        kind: Kind::Text,
        rule: Rule::Refused(
            "remove it, and set the environment variable AWS_CONFIG_FILE to its value",
        ),
    },
    OptionAlias {
        name: "name",
        registry: "zot",
        option: None,
        meaning: "the name of the driver, `s3`; it has no effect",
        kind: Kind::Word,
        rule: Rule::Expected(&["s3", "s3aws"]),
    },
];

impl OptionAlias {
    pub(super) const ALL: &'static [Self] = ALIASES;

    /// Returns the value of the option. It is empty if the alias sets the default.
    pub(super) fn translate(&self, value: Zeroizing<String>) -> Result<Zeroizing<String>> {
        let text = value.trim();
        match self.rule {
            _ if value.is_empty() => Ok(value),
            Rule::Unchanged => Ok(value),
            Rule::Switch { on, off } => {
                let on_or_off = if boolean(self.name, &value)? { on } else { off };
                Ok(Zeroizing::new(on_or_off.to_owned()))
            }
            Rule::Expected(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => {
                Ok(Zeroizing::default())
            }
            Rule::Expected(words) => Err(config_error(format!(
                "the {} parameter must be one of {}, not {}",
                self.name,
                words.join(", "),
                shown_value(text, Form::Word)
            ))),
            Rule::Zero if text == "0" => Ok(Zeroizing::default()),
            Rule::Zero => Err(config_error(format!(
                "the {} parameter has no equivalent in this driver",
                self.name
            ))
            .with_hint("remove it, or limit the requests in flight with maxrequests")),
            Rule::Refused(hint) => Err(config_error(format!(
                "the {} parameter has no equivalent in this driver",
                self.name
            ))
            .with_hint(hint)),
        }
    }

    /// Adds a hint to an error about the option that this name has set.
    pub(super) fn explain(&self, error: Error) -> Error {
        match self.option {
            Some(option) if error.hint().is_none() && error.message().contains(option) => {
                error.with_hint(format!("{} is {}'s name for {option}", self.name, self.registry))
            }
            _ => error,
        }
    }
}
