//! Tests which sources a profile leads to, with a table.

use super::super::Environment;
use super::*;

/// Returns the plan of profile `a` as one line: its base, then the roles in the order in which they
/// are assumed.
fn plan(config: &str) -> Result<String, Unavailable> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    std::fs::write(&path, config).unwrap();
    let context = Context::default()
        .with_environment(Environment::from_pairs([("AWS_CONFIG_FILE", path.to_str().unwrap())]));
    let Plan { base, roles } = Plan::of(&context.shared_files().unwrap(), "a")?;
    let mut line = match base {
        Base::Keys(keys) => format!("keys {} {:?}", keys.access_key_id(), keys.session_token()),
        Base::Process(command) => format!("process {command}"),
        Base::WebIdentity(role, file) => format!("web {} {}", describe(&role), file.display()),
        Base::Sso(login) => {
            format!(
                "sso {} {} {} {}",
                login.cached_as, login.region, login.account_id, login.role_name
            )
        }
        Base::Environment => "environment".to_owned(),
        Base::Metadata => "metadata".to_owned(),
        Base::Container => "container".to_owned(),
    };

    for role in roles {
        line += &format!(" > {}", describe(&role));
    }

    Ok(line)
}

fn describe(role: &Role) -> String {
    let optional = [
        role.session_name.clone(),
        role.external_id.clone(),
        role.duration.map(|duration| duration.as_secs().to_string()),
    ];
    [role.arn.clone()]
        .into_iter()
        .chain(optional.into_iter().flatten())
        .collect::<Vec<_>>()
        .join(",")
}

const KEYS: &str = "aws_access_key_id=AK\naws_secret_access_key=s\n";

#[test]
fn profiles_lead_to_keys() {
    for (config, expected) in [
        (format!("[profile a]\n{KEYS}"), "keys AK None"),
        (format!("[profile a]\n{KEYS}aws_session_token=t"), "keys AK Some(\"t\")"),
        ("[profile a]\ncredential_process = /bin/x --y".to_owned(), "process /bin/x --y"),
        (format!("[profile a]\ncredential_process = x\n{KEYS}"), "keys AK None"),
        (
            format!(
                "[profile \
                 a]\nrole_arn=R\nsource_profile=b\nrole_session_name=n\nexternal_id=e\nduration_seconds=900\n[profile \
                 b]\n{KEYS}"
            ),
            "keys AK None > R,n,e,900",
        ),
        (
            format!(
                "[profile a]\nrole_arn=R1\nsource_profile=b\n[profile \
                 b]\nrole_arn=R2\nsource_profile=c\n[profile c]\n{KEYS}"
            ),
            "keys AK None > R2 > R1",
        ),
        // Keys next to a role are for other profiles that name this one.
        (
            format!(
                "[profile \
                 a]\nrole_arn=R1\nsource_profile=b\naws_access_key_id=NO\naws_secret_access_key=NO\n[profile \
                 b]\nrole_arn=R2\nsource_profile=c\n{KEYS}[profile c]\n"
            ),
            "keys AK None > R1",
        ),
        (format!("[profile a]\nrole_arn=R\nsource_profile=a\n{KEYS}"), "keys AK None > R"),
        ("[profile a]\nrole_arn=R\ncredential_source=Environment".to_owned(), "environment > R"),
        ("[profile a]\nrole_arn=R\ncredential_source=Ec2InstanceMetadata".to_owned(), "metadata > R"),
        ("[profile a]\nrole_arn=R\ncredential_source=EcsContainer".to_owned(), "container > R"),
        ("[profile a]\nrole_arn=R\nweb_identity_token_file=/t\nrole_session_name=n".to_owned(), "web R,n /t"),
        (
            "[profile a]\nrole_arn=R1\nsource_profile=b\n[profile \
             b]\nrole_arn=R2\nweb_identity_token_file=/t"
                .to_owned(),
            "web R2 /t > R1",
        ),
        ("[profile a]\nrole_arn=R\nsource_profile=b\n[profile b]\ncredential_process=x".to_owned(), "process x > R"),
        (
            "[profile a]\nsso_session=s\nsso_account_id=1\nsso_role_name=r\n[sso-session \
             s]\nsso_region=eu-west-1"
                .to_owned(),
            "sso s eu-west-1 1 r",
        ),
        (
            "[profile a]\nsso_start_url=https://u\nsso_region=eu-west-1\nsso_account_id=1\nsso_role_name=r".to_owned(),
            "sso https://u eu-west-1 1 r",
        ),
    ] {
        assert_eq!(plan(&config).unwrap(), expected, "{config}");
    }
}

#[test]
fn profiles_that_lead_nowhere() {
    for (config, expected) in [
        (
            "[profile a]\naws_access_key_id=AK",
            "profile `a`: aws_access_key_id is set, but aws_secret_access_key is not",
        ),
        (
            "[profile a]\naws_secret_access_key=s",
            "profile `a`: aws_secret_access_key is set, but aws_access_key_id is not",
        ),
        (
            "[profile a]\nrole_arn=R",
            "profile `a`: role_arn needs source_profile, credential_source or \
             web_identity_token_file",
        ),
        (
            "[profile a]\nrole_arn=R\nsource_profile=b\ncredential_source=Environment",
            "profile `a`: source_profile and credential_source exclude each other: remove one of \
             them",
        ),
        (
            "[profile a]\nrole_arn=R\nsource_profile=b",
            "profile `b`: there is no such profile, but another one names it as its source_profile",
        ),
        (
            "[profile a]\nrole_arn=R\nsource_profile=b\n[profile b]\nrole_arn=S\nsource_profile=a",
            "profile `a`: source_profile forms a cycle: a -> b -> a",
        ),
        (
            "[profile a]\nrole_arn=R\nsource_profile=a",
            "profile `a`: it is its own source_profile, but has no keys",
        ),
        (
            "[profile a]\nrole_arn=R\ncredential_source=ec2",
            "profile `a`: credential_source must be Environment, Ec2InstanceMetadata or \
             EcsContainer",
        ),
        (
            "[profile a]\nweb_identity_token_file=/t",
            "profile `a`: web_identity_token_file needs role_arn",
        ),
        (
            "[profile a]\nrole_arn=R\nsource_profile=b\nmfa_serial=m",
            "profile `a`: mfa_serial is not supported: use credential_process or IAM Identity \
             Center",
        ),
        (
            "[profile a]\nrole_arn=R\nsource_profile=b\nduration_seconds=10",
            "profile `a`: duration_seconds must be a number from 900 to 43200",
        ),
        ("[profile a]\nsso_session=s", "profile `a`: there is no [sso-session s]"),
        ("[profile a]\nsso_session=s\n[sso-session s]", "profile `a`: sso_region is missing"),
    ] {
        assert_eq!(plan(config).unwrap_err(), Unavailable::failed(expected), "{config}");
    }

    assert!(matches!(plan("[profile a]\nregion=r"), Err(Unavailable::NotConfigured(_))));
    let half = plan("[profile a]\nrole_arn=R\nsource_profile=b\n[profile b]\nregion=r");
    assert_eq!(
        half.unwrap_err(),
        Unavailable::failed("profile `b` has no keys and no way to get them")
    );
}
