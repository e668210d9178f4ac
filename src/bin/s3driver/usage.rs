//! Errors in the arguments. A key that was typed in the wrong place is as secret as one in the
//! right place, so arguments are repeated only if they cannot be secret.
use crate::failure::Failure;
use crate::text::lines;
use s3driver::driver::Parameters;
use std::ffi::OsStr;

/// The options of the driver that together are credentials.
const SECRETS: [&str; 3] = ["accesskey", "secretkey", "sessiontoken"];

/// The longest argument of any form that is repeated. Secrets are longer: MinIO refuses secrets of
/// fewer than 8 characters.
const LONGEST_ANY: usize = 7;

/// The longest word that is repeated, such as the name of a command. A generated secret of that
/// length contains digits or upper-case letters.
const LONGEST_WORD: usize = 12;

/// The longest name of an option that is repeated, after `--`.
const LONGEST_NAME: usize = 32;

/// The text in the place of an argument that is not repeated.
const NOT_SHOWN: &str = "(not shown)";

/// Returns the failure for an option of the driver that does not follow `-o`, if its value is
/// secret: as another argument, such as the name of a file, it would appear in errors.
pub(crate) fn misplaced_secret(arguments: &[String]) -> Option<Failure> {
    let follows_option = |place: usize| {
        let before = place.checked_sub(1).and_then(|place| arguments.get(place));
        before.is_some_and(|before| {
            before == "--option"
                || before.strip_prefix('-').is_some_and(|short| {
                    short.ends_with('o') && short.chars().all(|c| c.is_ascii_alphabetic())
                })
        })
    };
    arguments.iter().enumerate().find_map(|(place, argument)| {
        let (name, _) = argument.split_once(['=', ':'])?;
        let name = SECRETS.into_iter().find(|secret| secret.eq_ignore_ascii_case(name))?;
        (!follows_option(place)).then(|| {
            Failure::usage(format!(
                "argument {place} sets the driver's option {name}: write -o before it"
            ))
        })
    })
}

/// Splits an option of the driver into its name and its value. `number` counts the options.
pub(crate) fn pair(number: usize, text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => {
            let begins_with = |name: &str| {
                let rest = text.get(name.len()..).unwrap_or_default();
                text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                    && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
            };
            let mut names = Parameters::options().iter().map(|option| option.name);
            let name = names.find(|name| begins_with(name)).map(|name| format!(", {name},"));
            let name = name.unwrap_or_default();
            Err(Failure::usage(format!("option {number}{name} is not written -o name=value")))
        }
    }
}

/// Returns the message of a usage error, without the arguments that may be secret.
pub(crate) fn message<'a>(
    error: &clap::Error,
    arguments: impl Iterator<Item = &'a OsStr>,
) -> String {
    let mut secrets: Vec<String> = arguments
        .flat_map(|argument| {
            let whole = argument.to_string_lossy().into_owned();
            let value = whole.split_once('=').map(|(_, value)| value.to_owned());
            // The value of a short option can follow it directly.
            let attached = whole.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
            let attached = attached.and_then(|rest| rest.get(1..)).map(str::to_owned);
            [Some(whole), value, attached]
        })
        .flatten()
        .filter(|text| may_be_secret(text))
        .collect();
    // A text can contain another one.
    secrets.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let mut message = error.render().to_string();
    for secret in secrets {
        message = message.replace(&secret, NOT_SHOWN);
    }
    lines(&message)
}

fn may_be_secret(text: &str) -> bool {
    let is_word = |text: &str, longest: usize| {
        text.len() <= longest && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    };
    let is_shown = text.chars().count() <= LONGEST_ANY
        || is_word(text, LONGEST_WORD)
        || text.strip_prefix("--").is_some_and(|name| is_word(name, LONGEST_NAME));
    !is_shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_secret_option_without_its_o_is_found_before_it_becomes_another_argument() {
        for (text, place) in [
            ("s3driver ls s3://b -o accesskey=A secretkey=wJalrXUtnFEMI", Some("argument 5")),
            ("s3driver cp SecretKey=wJalrXUtnFEMI s3://b/k", Some("argument 2")),
            ("s3driver cp secretkey:wJalrXUtnFEMI s3://b/k", Some("argument 2")),
            ("s3driver ls s3://b --option sessiontoken=wJalrXUtnFEMI", None),
            ("s3driver ls s3://b -qo secretkey=wJalrXUtnFEMI", None),
            ("s3driver ls s3://b -osecretkey=wJalrXUtnFEMI", None),
            ("s3driver cp ./secretkey=file s3://b/k", None),
        ] {
            let failure = misplaced_secret(&arguments(text));
            let message = failure.as_ref().map(|failure| failure.parts().0);
            assert_eq!(message.is_some(), place.is_some(), "{text}");
            let message = message.unwrap_or_default();
            assert!(message.starts_with(place.unwrap_or_default()), "{message}");
            assert!(!message.contains("wJalr"), "{message}");
        }
    }

    #[test]
    fn the_name_of_an_unknown_option_is_repeated_and_its_value_is_not() {
        let message = |text: &str| {
            let command = clap::Command::new("s3driver").arg(clap::Arg::new("q").short('q'));
            let given = arguments(text);
            let error = command.try_get_matches_from(&given).expect_err("unknown");
            message(&error, given.iter().skip(1).map(|text| OsStr::new(text.as_str())))
        };
        let long = message("s3driver --cache-control=wJalrXUtnFEMI");
        assert!(long.contains("--cache-control") && !long.contains("wJalr"), "{long}");
        let short = message("s3driver -kwJalrXUtnFEMI");
        assert!(!short.contains("wJalr"), "{short}");
    }

    #[test]
    fn only_words_and_short_texts_are_repeated() {
        for text in ["", "ls", "copy", "--regoin", "--no-such-option", "8d8", "hunter2"] {
            assert!(!may_be_secret(text), "{text}");
        }
        for text in [
            "hunter22",
            "correcthorsebattery",
            "wJalrXUtnFEMI",
            "--secret=x1",
            "s3://b/wJalr",
            "AKIAIOSFODNN7",
        ] {
            assert!(may_be_secret(text), "{text}");
        }
    }
}
