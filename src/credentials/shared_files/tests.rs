//! The grammar of the shared files, by tables.

use super::*;

/// Returns the settings as sorted lines `section.key=value`.
fn settings(config: &str, credentials: &str) -> Result<Vec<String>, String> {
    let mut files = Files::default();
    files.parse(Kind::Config, config)?;
    files.parse(Kind::Credentials, credentials)?;
    let list = |prefix: &str, sections: &BTreeMap<String, Profile>| {
        let mut lines = Vec::new();
        for (name, profile) in sections {
            lines.push(format!("{prefix}{name}"));
            lines.extend(
                profile.0.iter().map(|(key, value)| format!("{prefix}{name}.{key}={}", *value.0)),
            );
        }
        lines
    };

    let mut all = list("", &files.profiles);
    all.extend(list("sso:", &files.sso_sessions));
    all.extend(list("services:", &files.services));
    Ok(all)
}

#[test]
fn the_config_file() {
    for (text, expected) in [
        ("", &[][..]),
        ("[profile a]", &["a"]),
        ("[default]\nx=1", &["default", "default.x=1"]),
        // Comments and white space.
        (
            "# c\n; c\n\t \n[profile a] # c\nx = 1 # c\ny = 2 ;c\nz = 3\t#c",
            &["a", "a.x=1", "a.y=2", "a.z=3"],
        ),
        ("[profile a]; c\nx = 1;2\ny = 3#4\nz =  # c", &["a", "a.x=1;2", "a.y=3#4", "a.z="]),
        ("[profile a]\nx = 1\n  # c\ny = 2", &["a", "a.x=1", "a.y=2"]),
        ("[profile a]\r\nx = 1\r\n", &["a", "a.x=1"]),
        ("\u{feff}[profile a]\nx=1", &["a", "a.x=1"]),
        ("[  profile \t a\t ]\n x".trim_end_matches("\n x"), &["a"]),
        ("[profile a]\nx \t=\t  1  2 \t", &["a", "a.x=1  2"]),
        ("[profile a]\nx = 1=2==", &["a", "a.x=1=2=="]),
        ("[profile a]\nx = \u{1f600}", &["a", "a.x=\u{1f600}"]),
        // Keys are case-insensitive, names are not.
        ("[profile A]\nAwS_X = Yz", &["A", "A.aws_x=Yz"]),
        ("[profile a]\nx=1\n[profile A]\nx=2", &["A", "A.x=2", "a", "a.x=1"]),
        // Continuation and nested settings.
        (
            "[profile a]\nx = 1\n 2\n\n\t3 # no comment here",
            &["a", "a.x=1\n2\n3 # no comment here"],
        ),
        (
            "[profile a]\ns3 =\n  max = 10\n\n  in valid = 2\n  e =\nx=1",
            &["a", "a.s3=\nmax = 10\nin valid = 2\ne =", "a.x=1"],
        ),
        (
            "[services a]\ns3 =\n  endpoint_url = http://b\n[profile a]\nservices = a",
            &["a", "a.services=a", "services:a", "services:a.s3=\nendpoint_url = http://b"],
        ),
        ("[services]\ns3 = 1\n[services a b]\ns3 = 1", &[]),
        // Repeated sections and keys are merged and replaced.
        (
            "[profile a]\nx=1\nx=2\n[profile b]\n[profile a]\nX=3\ny=4",
            &["a", "a.x=3", "a.y=4", "b"],
        ),
        // `[profile default]` takes precedence over `[default]`, wherever it is.
        ("[default]\nx=1\n[profile default]\ny=2", &["default", "default.y=2"]),
        ("[profile default]\ny=2\n[default]\nx=1", &["default", "default.y=2"]),
        // Sections of other kinds and invalid names are skipped.
        ("[a]\nx=1\n[profilea]\nx=1\n[profile a b]\nx=1\n c\n[plugins]\nx=1\n[profile]\nx=1", &[]),
        ("[profile a]\nin valid = 1\n  more\nx=2", &["a", "a.x=2"]),
        ("[profile a-_/.%@:+9]", &["a-_/.%@:+9"]),
        ("[profile a!b]\nx=1", &[]),
        (
            "[sso-session s]\nsso_region = r\n[sso-sessions t]\nx=1",
            &["sso:s", "sso:s.sso_region=r"],
        ),
    ] {
        assert_eq!(settings(text, "").unwrap(), expected, "{text}");
    }
}

#[test]
fn the_credentials_file_has_no_prefix_and_comes_last() {
    for (config, credentials, expected) in [
        ("", "[a]\nx=1", &["a", "a.x=1"][..]),
        ("", "[profile a]\nx=1", &[]),
        ("", "[ a ]\nx=1", &["a", "a.x=1"]),
        ("[profile a]\nx=1\ny=2", "[a]\nx=3", &["a", "a.x=3", "a.y=2"]),
        (
            "[default]\nx=1\n[profile default]\ny=2",
            "[default]\nz=3",
            &["default", "default.y=2", "default.z=3"],
        ),
    ] {
        assert_eq!(settings(config, credentials).unwrap(), expected, "{config} {credentials}");
    }
}

/// The expected outcomes are those of `botocore.configloader`, except for comments after values,
/// which the SDKs' common format allows and Python's `configparser` does not.
#[test]
fn files_are_read_as_the_aws_cli_reads_them() {
    for (text, expected) in [
        // A section that is indented, entirely or partly.
        ("[profile a]\n  x = 1\n  y = 2", &["a", "a.x=1", "a.y=2"][..]),
        ("  [profile a]\n  x = 1\n\ty = 2", &["a", "a.x=1", "a.y=2"]),
        ("[profile a]\n    x = 1\n  y = 2\nz = 3", &["a", "a.x=1", "a.y=2", "a.z=3"]),
        ("[profile a]\n  x = 1\n  [profile b]\n  y = 2", &["a", "a.x=1", "b", "b.y=2"]),
        ("[profile a]\n  x = 1\n    2\n  y = 3", &["a", "a.x=1\n2", "a.y=3"]),
        (
            "[profile a]\n  s3 =\n    x = 1\n    y = 2\n  z = 3",
            &["a", "a.s3=\nx = 1\ny = 2", "a.z=3"],
        ),
        ("[profile a]\n\tx=1\n\ty=2\n", &["a", "a.x=1", "a.y=2"]),
        // The first of the two delimiters counts.
        ("[profile a]\nx: 1\ny : 2\nz:3", &["a", "a.x=1", "a.y=2", "a.z=3"]),
        ("[profile a]\nx = a:b\ny: a=b", &["a", "a.x=a:b", "a.y=a=b"]),
        ("[profile a]\ns3:\n  x: 1\nz = 3", &["a", "a.s3=\nx: 1", "a.z=3"]),
        // Quotes are part of a value, but not of a profile's name.
        ("[profile a]\nx = \"1\"", &["a", "a.x=\"1\""]),
        ("[profile \"a b\"]\nx = 1\n[profile 'c']\ny = 2", &["a b", "a b.x=1", "c", "c.y=2"]),
        ("[profile \"a b]\nx = 1\n[profile \"\"]\ny = 2", &[]),
        ("\u{feff}[profile a]\r\n  X = 1\r\n\r\n  y: 2\r\n", &["a", "a.x=1", "a.y=2"]),
        ("[profile a]\n  # c\n  x = 1\n ; c\n  y = 2", &["a", "a.x=1", "a.y=2"]),
    ] {
        assert_eq!(settings(text, "").unwrap(), expected, "{text}");
    }
}

/// Such headers are found in files (smithy-rs#1488, botocore#3408). The expected outcomes are those
/// of `botocore.configloader`, except that a name ends at the first `]`, and that `[]` is skipped.
#[test]
fn an_odd_section_header_does_not_disable_the_other_profiles() {
    for (header, name) in [
        ("[profile a] /* s3://bucket */", Some("a")),
        ("[profile a] x = [y]", Some("a")),
        ("[profile a]]", Some("a")),
        ("[profile 'Someone'\"'\"'s Mac']", Some("Someone's Mac")),
        (r#"[profile "Someone's Mac"]"#, Some("Someone's Mac")),
        (r#"[profile "a \"b\" \\ \c"]"#, Some(r#"a "b" \ \c"#)),
        (r"[profile Someone\'s\ Mac]", Some("Someone's Mac")),
        ("[profile a'b 'c]", Some("ab c")),
        ("[profile \"a#b;c\"]", Some("a#b;c")),
        // These are not names.
        ("[profile 'a' 'b']", None),
        ("[profile Someone's]", None),
        (r"[profile a\]", None),
        ("[profile a # b]", None),
        ("[profile]", None),
        ("[]", None),
    ] {
        let text = format!("[profile B]\nx = 1\n{header}\ny = 2\n[profile C]\nz = 3");
        let mut expected = vec!["B".to_owned(), "B.x=1".to_owned()];
        expected.extend(["C".to_owned(), "C.z=3".to_owned()]);
        expected.extend(name.into_iter().flat_map(|name| [name.to_owned(), format!("{name}.y=2")]));
        assert_eq!(settings(&text, "").unwrap(), expected, "{header}");
    }
}

#[test]
fn errors_name_the_line_and_never_quote_it() {
    for (text, expected) in [
        ("secret = 1", "line 1: a `[section]` must come first"),
        (" secret", "line 1: a `[section]` must come first"),
        ("[profile a]\nx=1\n[secret", "line 3: a section must end in `]`"),
        ("[profile secret # ]x\n[x", "line 2: a section must end in `]`"),
        ("[profile a]\n\n# c\nsecret 1", "line 4: a setting needs `=` or `:`"),
        ("[profile a]\n= secret", "line 2: a setting needs a name"),
        ("[profile a]\n secret", "line 2: a setting needs `=` or `:`"),
        ("[profile a]\nx=1\n[profile a]\n secret", "line 4: a setting needs `=` or `:`"),
        ("[profile a]\n  : secret", "line 2: a setting needs a name"),
        ("[profile a]\ns3 =\n secret", "line 3: a nested setting needs `=` or `:`"),
        ("[profile a]\ns3 =\n = secret", "line 3: a nested setting needs a name"),
    ] {
        assert_eq!(settings(text, "").unwrap_err(), expected);
    }
}

#[test]
fn no_text_makes_the_parser_panic() {
    use proptest::prelude::*;
    proptest!(|(text in "[\\[\\]=#; \t\r\nax\u{e9}]{0,40}")| {
        let _ = settings(&text, &text);
    });
}

#[test]
fn values_are_not_shown() {
    let mut files = Files::default();
    files.parse(Kind::Credentials, "[a]\naws_secret_access_key = hunter2").unwrap();
    assert!(!format!("{files:?}").contains("hunter2"));
}

#[test]
fn nested_settings_are_found_by_their_names() {
    let mut files = Files::default();
    let text = "[services a]\ns3 =\n  max = 1\n  Endpoint_URL: http://b:9000/x # here\n  e =\n\
                sts = endpoint_url = http://c\n";
    assert!(files.parse(Kind::Config, text).is_ok());
    let services = files.services("a").expect("the section");
    assert_eq!(services.nested("s3", "endpoint_url"), Some("http://b:9000/x"));
    assert_eq!(services.nested("s3", "max"), Some("1"));
    for (key, name) in [("s3", "e"), ("s3", "min"), ("sts", "endpoint_url"), ("sqs", "max")] {
        assert_eq!(services.nested(key, name), None, "{key} {name}");
    }
    assert!(files.services("b").is_none());
}

#[test]
fn only_a_default_file_of_another_user_is_left_out() {
    for (kind, is_default, expected) in [
        (ErrorKind::PermissionDenied, true, true),
        (ErrorKind::PermissionDenied, false, false),
        (ErrorKind::IsADirectory, true, false),
        (ErrorKind::InvalidData, true, false),
    ] {
        assert_eq!(may_be_unreadable(kind, is_default), expected, "{kind}, {is_default}");
    }
}
